"""joblib's own tests of its backends, from the installed package, run on ours; see ``joblib_suite.py`` for how."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Tests of joblib that do not hold here, by the beginnings of their names, and why.
EXCLUDED = {
    "test_error_capture": "wants the pool to be another object after an error; ours is the same, with new workers",
    "test_nested_backend_in_sequential": "wants one job if nothing is said; as with dask, it is all workers here",
    "test_auto_memmap_on_arrays_from_generator": "wants numpy.memmap in workers; here it is an array on mapped memory",
    "test_memmapping_leaks": "the same, and looks for files in temp_folder; here they are in TMPDIR",
}
LEAST = 120  # so many hold with joblib 1.6; far fewer would mean that the plugin does not find them any more


@pytest.mark.slow
@pytest.mark.timeout(300)  # 25 s on two cores that do nothing else
def test_the_tests_of_joblib_for_its_backends_hold_for_ours(tmp_path):
    root = Path(__file__).parents[2]
    deselect = " and ".join(f"not {name}" for name in EXCLUDED)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "tests.integration.joblib_suite", "-p", "no:cacheprovider"),
        *("-c", "/dev/null", "--rootdir", str(tmp_path), "-k", deselect),
        *("--timeout", "60", "--timeout-method", "thread"),  # which shows where each thread is, and ends the run
        *("--pyargs", "joblib.test.test_parallel"),
    ]

    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=280)

    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    n_passed = int(run.stdout.splitlines()[-1].partition(" passed")[0].split()[-1])
    assert n_passed >= LEAST, run.stdout[-5000:]
