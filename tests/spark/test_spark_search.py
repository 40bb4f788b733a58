"""Searches on a real cluster: what everybody does."""

import os

import numpy as np


def test_a_search_runs_on_the_cluster(tune):
    def objective(params, trial):
        print("trial", trial.id)
        trial.report(params["x"], step=0)
        return {"value": params["x"] ** 2, "pid": os.getpid()}

    study = tune(objective, max_trials=60)

    assert [trial.state for trial in study.trials] == ["finished"] * 60
    assert study.log(7) == "trial 7\n"
    assert [report.value for report in study.reports(7)] == [study.trials[7].params["x"]]
    assert os.getpid() not in {trial.metrics["pid"] for trial in study.trials}


def test_large_data_are_mapped_from_one_file_of_the_node(tune):
    data = np.arange(5_000_000, dtype=np.float64)

    def objective(params, trial):
        start = data.ctypes.data
        with open("/proc/self/maps") as maps:
            fields = [line.split() for line in maps]
        homes = [f[-1] for f in fields if int(f[0].split("-")[0], 16) <= start < int(f[0].split("-")[1], 16)]
        return {"value": float(data.sum()), "home": homes[0]}

    study = tune(objective, max_trials=8, workers=4)

    assert {trial.value for trial in study.trials} == {float(data.sum())}
    (home,) = {trial.metrics["home"] for trial in study.trials}
    assert "/manyhands-node-" in home
