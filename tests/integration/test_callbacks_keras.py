"""KerasCallback in ``model.fit``, with any backend that Keras can train with."""

import os

import pytest
from tests.trainers import X, Y, failure, steps, tune, values

import manyhands as mh

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", exc_type=ImportError)  # also if its backend is not there
# Of Keras' own, when it saves weights of PyTorch
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def build(params):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(params["rate"]), loss="mse", metrics=["mae"])
    return model


def fit(params, *callbacks, n_epochs=4, model=None, **given):
    model = build(params) if model is None else model
    data = {"validation_data": (X[40:], Y[40:]), "batch_size": 8, "verbose": 0}
    return model.fit(X[:40], Y[:40], epochs=n_epochs, callbacks=list(callbacks), **{**data, **given}).history


class Diary(keras.callbacks.Callback):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)

    def on_train_end(self, logs=None):
        self.seen.append("end")


def test_each_epoch_is_reported_with_the_other_metrics():
    histories = []

    def objective(params, trial):
        histories.append(fit(params, mh.callbacks.KerasCallback(trial, "val_loss")))
        return histories[0]["val_loss"][-1]

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2, 3, 4]
    assert values(study, 0) == histories[0]["val_loss"]
    assert [report.metrics["val_mae"] for report in study.reports(0)] == histories[0]["val_mae"]
    assert set(study.reports(0)[0].metrics) == {"loss", "mae", "val_mae"}


def test_a_trial_is_stopped_after_its_epoch_and_other_callbacks_are_told():
    seen = []

    def objective(params, trial):
        try:
            fit(params, Diary(seen), mh.callbacks.KerasCallback(trial, "val_loss"))
        finally:
            seen.append("left")
        seen.append("after")
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert study.trials[0].reason == "enough"
    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3, 4])
    assert seen == [0, 1, "end", "left", 0, 1, 2, 3, "end", "left", "after"]


def test_callbacks_behind_it_still_hear_of_the_last_epoch():
    seen = []

    def objective(params, trial):
        fit(params, mh.callbacks.KerasCallback(trial, "val_loss"), Diary(seen))
        return 0.0

    tune(objective, stop_at={0: 2}, max_trials=1)

    assert seen == [0, 1]


def test_a_training_that_goes_on_counts_the_epochs_before():
    def objective(params, trial):
        fit(params, mh.callbacks.KerasCallback(trial, "val_loss"), initial_epoch=2)
        return 0.0

    assert steps(tune(objective, max_trials=1), 0) == [3, 4]


def test_a_metric_that_is_not_there_fails_the_trial_and_is_told():
    def objective(params, trial):
        fit(params, mh.callbacks.KerasCallback(trial, "val_acc"))
        return 0.0

    reason = failure(objective)

    assert "no metric 'val_acc' to report" in reason
    assert "'val_mae'" in reason


def test_a_stopped_trial_goes_on_from_the_backup_that_keras_made(tmp_path):
    def objective(params, trial):
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / f"{trial.id}"), delete_checkpoint=False)
        model = build(params)
        model.build((None, 3))
        fit(params, backup, mh.callbacks.KerasCallback(trial, "val_loss"), model=model)
        return 0.0

    stopped = tune(objective, max_trials=1, stop_at={0: 2})
    rest = tune(objective, max_trials=1)  # the same params, by its seed

    assert (steps(stopped, 0), steps(rest, 0)) == ([1, 2], [3, 4])
    assert rest.trials[0].state == "finished"


def test_a_worker_process_stops_its_trial(wait_until):
    def objective(params, trial):
        class Waits(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if trial.id == 0 and epoch == 2:  # what was said of epoch 2 is on its way
                    wait_until(trial.should_stop, "the trial is stopped")

        fit(params, Waits(), mh.callbacks.KerasCallback(trial, "val_loss"))
        return 0.0

    study = tune(objective, stop_at={0: 2}, executor="processes", workers=1)

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert steps(study, 0) == [1, 2, 3]
