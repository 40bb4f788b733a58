"""scikit-learn's own tests of its searches, run against ours; see ``tests/sklearn_alias.py``."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]

#: What fails, and why that is right.
EXPECTED = {
    "test_custom_run_search": "it compares all fitted attributes, of which ours have study_ and parallelism_ more",
}

#: What is run with fits on workers, which takes some seconds for each search.
ON_WORKERS = (
    "failing or cv_results_multimetric or no_refit or test_pickle or none_param or gridsearch_nd or sparse_scoring"
    " or custom_run_search or callable_multimetric_same"
)

#: What of scikit-learn's other modules is about its searches.
ABOUT_SEARCHES = [
    "sklearn.tests.test_metaestimators",
    "sklearn.tests.test_metaestimators_metadata_routing",
    "sklearn.tests.test_common",
    "sklearn.model_selection.tests.test_validation",
]


class Outcome:
    """What a run of scikit-learn's tests gave: names of tests, without the module."""

    def __init__(self, report):
        self.passed, self.failed = [], {}
        for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
            said = [node for kind in ("failure", "error") for node in case.findall(kind)]
            if said:
                self.failed[case.get("name")] = said[0].get("message", "")
            elif not case.findall("skipped"):  # expected failures are skipped, too
                self.passed.append(case.get("name"))


@pytest.fixture
def run_tests(tmp_path, nothing_is_left):
    def call(*modules, select=None, workers=0):
        report = tmp_path / "report.xml"
        command = [sys.executable, "-m", "pytest", "-p", "tests.sklearn_alias", "-p", "no:cacheprovider", "-q"]
        command += ["-W", "ignore", f"--junitxml={report}", "--timeout=300", "--pyargs", *modules]
        command += ["-k", select] if select else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MANYHANDS_ALIAS_WORKERS": str(workers)}
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=900, check=False)
        assert report.exists(), "pytest could not collect"
        return Outcome(report)

    return call


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_scikit_learns_tests_of_its_searches_pass(run_tests):
    outcome = run_tests("sklearn.model_selection.tests.test_search")

    assert outcome.failed.keys() == EXPECTED.keys(), outcome.failed
    assert len(outcome.passed) >= 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_scikit_learn_tests_of_searches_elsewhere_passes(run_tests):
    outcome = run_tests(*ABOUT_SEARCHES, select="SearchCV or search or Search")

    assert outcome.failed == {}
    assert len(outcome.passed) >= 800


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_scikit_learns_tests_pass_with_fits_on_workers(run_tests):
    select = f"({ON_WORKERS}) and not callbacks and not halving"
    outcome = run_tests("sklearn.model_selection.tests.test_search", select=select, workers=2)

    assert outcome.failed.keys() == EXPECTED.keys(), outcome.failed
    assert len(outcome.passed) >= 10
