"""Work that is given ahead hides the way to the driver; it must never keep a worker from working."""

import time

import manyhands as mh


def test_slow_trials_behind_fast_ones_are_shared_among_the_workers():
    """The fast ones make the driver give a worker many at a time, and the slow ones are then in one worker's hands."""

    def objective(params, trial):
        if trial.id >= 40:
            time.sleep(0.15)
        return params["x"]

    study = mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=60, workers=2, progress=False)

    slow = [trial for trial in study.trials if trial.id >= 40]
    of_each = {worker: sum(trial.worker == worker for trial in slow) for worker in ("w1", "w2")}
    assert min(of_each.values()) >= 7, of_each
    assert all(trial.attempts == 1 for trial in study.trials)


def test_a_trial_took_as_long_as_its_objective_however_long_it_waited():
    def objective(params, trial):
        if trial.id >= 40:
            time.sleep(0.1)
        return params["x"]

    study = mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=50, workers=1, progress=False)

    durations = [trial.duration_s for trial in study.trials if trial.id >= 40]
    assert max(durations) < 0.2, durations


def test_a_result_that_is_too_long_to_send_fails_its_trial_and_not_its_worker():
    study = mh.tune(
        lambda params, trial: {"value": params["x"], "text": "x" * (70_000_000 if trial.id == 1 else 1)},
        {"x": mh.Float(0, 1)},
        max_trials=3,
        workers=1,
        progress=False,
    )

    assert [trial.state for trial in study.trials] == ["finished", "failed", "finished"]
    assert "the most that can be sent" in study.trials[1].reason
    assert study.trials[1].attempts == 1
