"""Spark settings that would break a search are refused with what to change, and Spark's errors are explained."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyhands.errors import SettingsError
from manyhands.executors.spark.settings import _to_bytes, check_settings, explain, is_gone

MIB = 1 << 20
IDLE = "spark.python.worker.killOnIdleTimeout"
IDLE_S = "spark.python.worker.idleTimeoutSeconds"
UDF_IDLE = "spark.sql.execution.pyspark.udf.killOnIdleTimeout"
UDF_IDLE_S = "spark.sql.execution.pyspark.udf.idleTimeoutSeconds"
THRESHOLD = "spark.speculation.task.duration.threshold"
MEMORY = "spark.executor.pyspark.memory"


def check(settings, payload_bytes=100, *, is_connect=False):
    check_settings(settings.get, payload_bytes, is_connect=is_connect)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({IDLE: "true", IDLE_S: "60"}, r"idleTimeoutSeconds=60: Spark would kill workers.*killOnIdleTimeout=false"),
        ({IDLE: "True", IDLE_S: "60s"}, r"spark\.python\.worker\.killOnIdleTimeout is on"),
        ({"spark.speculation": "true", THRESHOLD: "10min"}, r"threshold=10min: Spark would start a second copy"),
        ({MEMORY: "100m"}, r"spark\.executor\.pyspark\.memory=100m limits .* memory_limit_mb="),
    ],
)
@pytest.mark.parametrize("is_connect", [False, True])
def test_a_setting_that_would_break_a_search_is_refused(settings, words, is_connect):
    with pytest.raises(SettingsError, match=words):
        check(settings, is_connect=is_connect)


def test_the_time_limit_of_data_frame_functions_matters_to_spark_connect_only():
    settings = {UDF_IDLE: "true", UDF_IDLE_S: "30"}

    check(settings)

    with pytest.raises(SettingsError, match=r"pyspark\.udf\.killOnIdleTimeout=false"):
        check(settings, is_connect=True)


@pytest.mark.parametrize(
    "settings",
    [
        {IDLE: "true"},
        {IDLE: "true", IDLE_S: "0"},
        {IDLE: "false", IDLE_S: "60"},
        {IDLE_S: "60"},
        {"spark.speculation": "true"},
        {"spark.speculation": "false", THRESHOLD: "10min"},
        {THRESHOLD: "10min"},
        {MEMORY: "2g"},
        {MEMORY: "0"},
    ],
)
@pytest.mark.parametrize("is_connect", [False, True])
def test_a_setting_that_does_no_harm_is_accepted(settings, is_connect):
    check(settings, is_connect=is_connect)


@given(payload_bytes=st.integers(0, 1 << 50), is_connect=st.booleans())
def test_what_nobody_has_set_is_never_refused(payload_bytes, is_connect):
    check({}, payload_bytes, is_connect=is_connect)


@given(text=st.text(max_size=8) | st.from_regex(r"\A[0-9]{1,4}[a-zA-Z]{0,3}\Z"))
def test_whatever_is_written_for_a_size_is_understood_or_left_to_spark(text):
    assert _to_bytes(text) >= 0


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("512m", 512 * MIB),
        ("1g", 1024 * MIB),
        ("1024", 1024 * MIB),
        ("2GB", 2048 * MIB),
        (" 3k ", 3072),
        ("1t", MIB * MIB),
        ("1p", MIB << 30),
        ("268435456b", 256 * MIB),
        ("1.5g", 0),
        ("-1", 0),
        ("", 0),
        ("much", 0),
    ],
)
def test_sizes_are_those_of_spark(text, n_bytes):
    """The unit of ``spark.executor.pyspark.memory`` is the mebibyte if none is written."""
    assert _to_bytes(text) == n_bytes


def test_the_limit_has_to_hold_the_data_and_an_interpreter():
    check({MEMORY: "1356m"}, 1100 * MIB)

    with pytest.raises(SettingsError, match=r"data \(1153 MB\)"):
        check({MEMORY: "1355m"}, 1100 * MIB)


#: How Spark's errors begin in a classic session.
BEFORE = "Py4JJavaError: An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n: "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
            "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has "
            "different version: 3.11 than that in driver: 3.12\n",
            r"the same minor version.*PYSPARK_PYTHON.*3\.11 than that in driver: 3\.12$",
        ),
        (
            'org.apache.spark.SparkException: java.io.IOException: Cannot run program "python9": error=2',
            r"have no such Python.*PYSPARK_PYTHON.*python9",
        ),
        (
            "pyspark.errors.PySparkImportError: [PACKAGE_NOT_INSTALLED] Pandas >= 2.2.0 must be installed",
            r"pandas and pyarrow on both sides.*Pandas >= 2\.2\.0",
        ),
        (
            "org.apache.spark.SparkException: TaskResourceProfiles are only supported for Standalone, Yarn",
            r"cannot give tasks resources.*Leave out cores_per_worker=",
        ),
    ],
    ids=["version", "no program", "package", "profile"],
)
@pytest.mark.parametrize("before", ["", BEFORE], ids=["connect", "classic"])
def test_an_error_that_keeps_a_search_from_beginning_is_explained(before, error, words):
    meaning = explain(f"{before}{error}\n\tat org.apache.spark.Foo(Foo.scala:1)\n\tat java.base/java.lang.Thread.run")

    assert meaning is not None
    assert re.search(words, meaning), meaning
    assert "\n" not in meaning


@pytest.mark.parametrize(
    "error",
    [
        "Py4JJavaError: org.apache.spark.SparkException: Job 3 cancelled because SparkContext was shut down",
        "Py4JJavaError: java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.",
        "Py4JNetworkError: Answer from Java side is empty",
        "SparkConnectGrpcException: [INVALID_HANDLE.SESSION_CLOSED] The handle is invalid. Session was closed.",
        "SparkConnectGrpcException: [INVALID_HANDLE.SESSION_NOT_FOUND] The handle is invalid.",
    ],
)
def test_a_session_that_was_stopped_is_recognized(error):
    assert is_gone(error)


@pytest.mark.parametrize(
    "error",
    [
        "",
        "Py4JJavaError: Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times; ExecutorLostFailure",
        "UnknownException: (org.apache.spark.SparkSQLException) [OPERATION_CANCELED] Operation has been canceled.",
        "Py4JJavaError: SPARK_JOB_CANCELLED",
    ],
)
def test_an_error_after_which_the_next_try_may_go_better_is_not_explained(error):
    assert explain(error) is None
    assert not is_gone(error)


def test_a_long_line_of_an_error_is_cut():
    meaning = explain("[PACKAGE_NOT_INSTALLED] PyArrow: " + "x" * 2000)

    assert meaning is not None
    assert len(meaning) < 700
