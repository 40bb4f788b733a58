"""What a worker process needs, and how it ends."""

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import manyhands as mh
from manyhands.worker.main import Worker

SPACE = {"x": mh.Float(0, 1)}

#: They take long to import, and nothing below ``worker/main.py`` has a need for them.
SLOW = {
    *("asyncio", "cloudpickle", "contextlib", "dataclasses", "enum", "inspect", "json", "logging", "pickle", "queue"),
    *("re", "shutil", "signal", "socket", "subprocess", "tempfile", "threading", "traceback", "typing"),
}


def tune(objective: Any, **given: Any) -> None:
    mh.tune(objective, SPACE, **{"max_trials": 2, "workers": 1, "sampler": "random", "progress": False, **given})


def test_a_worker_imports_nothing_that_takes_long() -> None:
    script = "import sys; before = {*sys.modules}; import manyhands.worker.main; print(*{*sys.modules} - before)"

    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert SLOW & {*done.stdout.split()} == set()


def test_an_objective_of_main_runs_in_workers_that_have_no_cloudpickle(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import manyhands as mh\n"
        "def objective(params):\n"
        "    return {'value': params['x'], 'loaded': 'cloudpickle' in sys.modules}\n"
        "study = mh.tune(objective, {'x': mh.Float(0, 1)}, max_trials=2, workers=1, progress=False)\n"
        "print([trial.metrics['loaded'] for trial in study.trials])\n"
    )

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    assert done.stdout == "[False, False]\n"


def test_a_poor_trial_leaves_at_the_report_that_showed_it() -> None:
    class Stops:
        def judge(self, trial_id: int, report: Any, loss: float) -> str | None:
            return "it is poor"

        def observe(self, trial: Any, loss: float | None) -> None:
            pass

    def objective(params: dict[str, float], trial: Any) -> float:
        for _ in range(20):
            time.sleep(0.1)
            trial.report(params["x"])
        return 0.0

    study = mh.tune(objective, SPACE, max_trials=10, workers=1, sampler="random", scheduler=Stops(), progress=False)

    n_reports = [len(study.reports(trial)) for trial in study.trials]
    assert 1 in n_reports, "a machine may be too busy to answer in a millisecond, but not all the time"
    assert [trial.state for trial in study.trials] == [mh.TrialState.STOPPED] * 10


def test_a_report_does_not_wait_until_a_driver_that_is_frozen_reads_again() -> None:
    here, there = socket.socketpair()
    with here, there:
        worker = Worker(there.fileno())
        worker._current_key = (0, 0, 1)
        there.setblocking(False)
        while True:
            try:
                there.send(b"." * 1000)
            except BlockingIOError:
                break
        there.setblocking(True)
        worker._report([0, 1.0, {}, 0.0])

        worker._hurry()

        assert worker._reports == [[0, 1.0, {}, 0.0]]
        here.setblocking(False)
        with suppress(BlockingIOError):
            while here.recv(1 << 16):
                pass
        worker._hurry()
        assert worker._reports == []


def test_libraries_may_say_goodbye(tmp_path: Path) -> None:
    def objective(params: dict[str, float]) -> float:
        import atexit

        atexit.register((tmp_path / "goodbye").touch)
        return 0.0

    tune(objective)

    assert (tmp_path / "goodbye").exists()


def test_a_goodbye_that_fails_keeps_no_other_from_being_said(tmp_path: Path) -> None:
    def objective(params: dict[str, float]) -> float:
        import atexit

        atexit.register((tmp_path / "goodbye").touch)
        atexit.register(lambda: 1 / 0)
        return 0.0

    tune(objective)

    assert (tmp_path / "goodbye").exists()


def test_what_goes_on_in_the_background_is_not_waited_for() -> None:
    def objective(params: dict[str, float]) -> float:
        import threading

        threading.Thread(target=time.sleep, args=(60,)).start()
        return 0.0

    began = time.monotonic()
    tune(objective)

    assert time.monotonic() - began < 1.5  # after two seconds it would have been killed


@pytest.mark.parametrize("how", ["threads", "processes"])
def test_an_objective_may_use_threads_and_processes_as_anywhere_else(how: str) -> None:
    def objective(params: dict[str, float]) -> float:
        import threading
        from concurrent import futures

        assert threading.current_thread() is threading.main_thread()
        pools = {"threads": futures.ThreadPoolExecutor, "processes": futures.ProcessPoolExecutor}
        with pools[how](2) as pool:
            return sum(pool.map(abs, range(10)))

    study = mh.tune(objective, SPACE, max_trials=2, workers=1, sampler="random", progress=False)

    assert [trial.value for trial in study.trials] == [45.0, 45.0]
