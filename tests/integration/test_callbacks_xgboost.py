"""XGBoostCallback in XGBoost's own loops."""

import numpy as np
import pytest
from tests.trainers import X, Y, failure, steps, tune, values

import manyhands as mh

xgboost = pytest.importorskip("xgboost")

SETTINGS = {"nthread": 1, "max_depth": 2, "eval_metric": ["rmse", "mae"]}


def held_out():
    return xgboost.DMatrix(X[40:], Y[40:])


def train(params, *callbacks, n_rounds=5, **given):
    data = xgboost.DMatrix(X[:40], Y[:40])
    settings = {**SETTINGS, "learning_rate": params["rate"]}
    return xgboost.train(
        settings, data, n_rounds, evals=[(held_out(), "valid")], verbose_eval=False, callbacks=callbacks, **given
    )


def test_each_round_is_reported_with_the_other_metrics():
    logs = {}

    def objective(params, trial):
        train(params, mh.callbacks.XGBoostCallback(trial, "valid-rmse"), evals_result=logs)
        return logs["valid"]["rmse"][-1]

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2, 3, 4, 5]
    assert values(study, 0) == logs["valid"]["rmse"]
    assert [report.metrics for report in study.reports(0)] == [{"valid-mae": value} for value in logs["valid"]["mae"]]


def test_a_trial_is_stopped_after_its_round_and_other_callbacks_are_told():
    seen = []

    class Diary(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            seen.append(epoch)
            return False

        def after_training(self, model):
            seen.append("end")
            return model

    def objective(params, trial):
        try:
            train(params, Diary(), mh.callbacks.XGBoostCallback(trial, "valid-rmse"))
        finally:
            seen.append("left")
        seen.append("after")
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert study.trials[0].reason == "enough"
    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3, 4, 5])
    assert seen == [0, 1, "end", "left", 0, 1, 2, 3, 4, "end", "left", "after"]


def test_rounds_of_a_model_that_training_began_with_count():
    def objective(params, trial):
        model = train(params, n_rounds=3)
        model = train(params, mh.callbacks.XGBoostCallback(trial, "valid-rmse", every=2), xgb_model=model)
        return model.num_boosted_rounds()

    study = tune(objective, max_trials=1)

    assert study.best_value == 8
    assert steps(study, 0) == [4, 6, 8]


def test_cross_validation_reports_means_over_the_folds():
    results = []

    def objective(params, trial):
        data = xgboost.DMatrix(X, Y)
        callback = mh.callbacks.XGBoostCallback(trial, "test-rmse")
        results.append(
            xgboost.cv(SETTINGS, data, 4, nfold=3, callbacks=[callback], as_pandas=False, verbose_eval=False)
        )
        return results[0]["test-rmse-mean"][-1]

    study = tune(objective, stop_at={1: 3})

    assert steps(study, 0) == [1, 2, 3, 4]
    assert values(study, 0) == pytest.approx(results[0]["test-rmse-mean"])
    assert (study.trials[1].state, steps(study, 1)) == ("stopped", [1, 2, 3])


def test_estimators_take_the_callback():
    def objective(params, trial):
        callback = mh.callbacks.XGBoostCallback(trial, "validation_0-rmse")
        model = xgboost.XGBRegressor(n_estimators=4, n_jobs=1, eval_metric="rmse", callbacks=[callback])
        model.fit(X[:40], Y[:40], eval_set=[(X[40:], Y[40:])], verbose=False)
        return float(np.mean(model.predict(X[40:])))

    pytest.importorskip("sklearn")
    study = tune(objective, stop_at={0: 3})

    assert (study.trials[0].state, steps(study, 0)) == ("stopped", [1, 2, 3])
    assert (study.trials[1].state, steps(study, 1)) == ("finished", [1, 2, 3, 4])


def test_a_metric_that_is_not_there_fails_the_trial_and_is_told():
    def objective(params, trial):
        train(params, mh.callbacks.XGBoostCallback(trial, "rmse"))
        return 0.0

    reason = failure(objective)

    assert "no metric 'rmse' to report. There are 'valid-rmse', 'valid-mae'." in reason


def test_a_worker_process_stops_its_trial(wait_until):
    def objective(params, trial):
        class Waits(xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                if trial.id == 0 and epoch == 2:  # what was said of round 2 is on its way
                    wait_until(trial.should_stop, "the trial is stopped")
                return False

        train(params, Waits(), mh.callbacks.XGBoostCallback(trial, "valid-rmse"))
        return 0.0

    study = tune(objective, stop_at={0: 2}, executor="processes", workers=1)

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert steps(study, 0) == [1, 2, 3]
