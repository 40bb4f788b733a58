"""Hyperopt's own tests, from the installed package, run on ours.

They are copied into a folder beside a package ``hyperopt`` that is ours, see ``hyperopt_alias.py``; what they import of
Hyperopt's internals is stood in for, see ``hyperopt_conftest.py``. Each test that does not pass has its reason here,
and one that passes all the same is an error, too.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from tests.integration.hyperopt_bson import BSON

if importlib.util.find_spec("hyperopt") is None:
    pytest.skip("Hyperopt is not installed", allow_module_level=True)

HERE = Path(__file__).parent

INTERNAL = "tests a function that is none of Hyperopt's interface"

#: What anybody can use: file or test -> how many pass.
PLAIN = {
    "unit/test_fmin.py": 19,
    "unit/test_randint.py": 6,
    "unit/test_pchoice.py": 9,
    "unit/test_pyll_utils.py": 9,
    "unit/test_progress.py": 1,
    "unit/test_webpage.py": 1,
    "test_base.py": 11,
}

#: Losses as expressions, and algorithms on them.
EXPRESSIONS = {
    "unit/test_domains.py": 9,
    "unit/test_rand.py": 1,
    "unit/test_anneal.py": 16,
    "unit/test_tpe.py::TestSuggest": 8,
    "unit/test_tpe.py::TestOpt": 8,
}

#: ``SparkTrials`` on local Spark.
ON_SPARK = {"integration/test_spark.py": 14}

#: Tests that do not pass, and why.
EXCEPTIONS = {
    "test_pyll_utils::test_expr_to_config": INTERNAL,
    "test_pyll_utils::test_remove_allpaths": INTERNAL,
    "test_pyll_utils::test_remove_allpaths_int": INTERNAL,
    "test_spark::FMinTestCase.test_pin_thread_off": "skips itself, as this PySpark pins its threads",
}

#: Tests that pass or do not by chance, and why.
BY_CHANCE = {
    "test_spark::FMinTestCase.test_timeout_with_job_cancellation": "wants a draw below 0 among 6, or over 4 s for them",
    "test_spark::FMinTestCase.test_trial_run_info": "wants 6 of 8 points in a range; which, depends on who ends first",
}


def run_tests(folder, targets):
    """Run some of Hyperopt's tests. Returns {test: outcome}, and what pytest printed."""
    package = folder / "hyperopt"
    upstream = Path(importlib.util.find_spec("hyperopt").submodule_search_locations[0])
    shutil.copytree(upstream / "tests", package / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for ours, theirs in {"alias": "hyperopt/__init__", "bson": "bson", "conftest": "conftest"}.items():
        shutil.copy(HERE / f"hyperopt_{ours}.py", folder / f"{theirs}.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    source = Path(importlib.util.find_spec("manyhands").submodule_search_locations[0]).parent
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:doctest", "--junitxml=found.xml"),
        *(f"hyperopt/tests/{target}" for target in targets),
    ]
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{source}", "OMP_NUM_THREADS": "1"}
    environment["PYSPARK_PYTHON"] = sys.executable
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if not (folder / "found.xml").exists():
        pytest.fail(f"Hyperopt's tests did not run:\n{done.stdout}\n{done.stderr}")
    cases = ET.parse(folder / "found.xml").iter("testcase")  # noqa: S314 - pytest wrote it just now
    return dict(map(_outcome, cases)), done.stdout


def _outcome(case):
    name = f"{case.get('classname')}.{case.get('name')}".removeprefix("hyperopt.tests.")
    name = name.removeprefix("unit.").removeprefix("integration.")
    module, _, test = name.partition(".")
    states = {child.tag for child in case} & {"failure", "error", "skipped"}
    return f"{module}::{test}", min(states, default="passed")


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize(
    "tier",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(EXPRESSIONS, id="expressions"),
        pytest.param(ON_SPARK, id="spark", marks=pytest.mark.spark),
    ],
)
def test_hyperopts_own_tests_pass_on_ours(tmp_path, tier):
    outcomes, printed = run_tests(tmp_path, tier)

    modules = {Path(target.partition("::")[0]).stem for target in tier}
    missed = {name for name, outcome in outcomes.items() if outcome != "passed"}
    excepted = {test for test in EXCEPTIONS if test.partition("::")[0] in modules}
    assert missed - set(BY_CHANCE) == excepted, printed
    assert len(outcomes) - len(excepted) - len(outcomes.keys() & BY_CHANCE.keys()) == sum(tier.values())


def test_documents_are_encoded_as_the_specification_of_bson_says():
    assert BSON.encode({"hello": "world"}) == b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0"
    awesome = b"1\0\0\0\x04BSON\0&\0\0\0\x020\0\x08\0\0\0awesome\0\x011\x00333333\x14@\x102\0\xc2\x07\0\0\0\0"
    assert BSON.encode({"BSON": ["awesome", 5.05, 1986]}) == awesome
    with pytest.raises(TypeError, match="no type for"):
        BSON.encode({"a": np.float64(1)})
