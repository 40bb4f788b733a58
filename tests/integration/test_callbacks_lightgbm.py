"""LightGBMCallback in LightGBM's own loops."""

import pytest
from tests.trainers import X, Y, failure, steps, tune, values

import manyhands as mh

lightgbm = pytest.importorskip("lightgbm")

SETTINGS = {"num_threads": 1, "min_data_in_leaf": 2, "num_leaves": 4, "metric": ["l2", "l1"], "verbosity": -1}


def train(params, *callbacks, n_rounds=5, **given):
    data = lightgbm.Dataset(X[:40], Y[:40], free_raw_data=False)
    held_out = lightgbm.Dataset(X[40:], Y[40:], reference=data, free_raw_data=False)
    settings = {**SETTINGS, "objective": "regression", "learning_rate": params["rate"]}
    return lightgbm.train(settings, data, n_rounds, valid_sets=[held_out], callbacks=list(callbacks), **given)


def test_each_round_is_reported_with_the_other_metrics():
    logs = {}

    def objective(params, trial):
        train(params, mh.callbacks.LightGBMCallback(trial, "valid_0-l2"), lightgbm.record_evaluation(logs))
        return logs["valid_0"]["l2"][-1]

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2, 3, 4, 5]
    assert values(study, 0) == logs["valid_0"]["l2"]
    assert [report.metrics for report in study.reports(0)] == [{"valid_0-l1": value} for value in logs["valid_0"]["l1"]]


def test_a_trial_is_stopped_after_its_round_and_callbacks_before_it_are_told():
    seen = []

    def objective(params, trial):
        logs = {}
        try:
            train(
                params,
                mh.callbacks.LightGBMCallback(trial, "valid_0-l2"),
                lightgbm.record_evaluation(logs),
                lambda env: seen.append(env.iteration),
            )
        finally:
            seen.append(("left", len(logs["valid_0"]["l2"])))
        return 0.0

    study = tune(objective, stop_at={0: 2})

    assert [trial.state for trial in study.trials] == ["stopped", "finished"]
    assert study.trials[0].reason == "enough"
    assert (steps(study, 0), steps(study, 1)) == ([1, 2], [1, 2, 3, 4, 5])
    assert seen == [0, 1, ("left", 2), 0, 1, 2, 3, 4, ("left", 5)]


def test_the_round_in_which_lightgbm_stops_early_is_reported():
    def objective(params, trial):
        early = lightgbm.early_stopping(1, min_delta=1e9, verbose=False)
        train(params, early, mh.callbacks.LightGBMCallback(trial, "valid_0-l2"))
        return 0.0

    study = tune(objective, max_trials=1)

    assert study.trials[0].state == "finished"
    assert steps(study, 0) == [1, 2]


def test_rounds_of_a_model_that_training_began_with_count():
    def objective(params, trial):
        model = train(params, n_rounds=3)
        callback = mh.callbacks.LightGBMCallback(trial, "valid_0-l2", every=2)
        return train(params, callback, init_model=model).num_trees()

    study = tune(objective, max_trials=1)

    assert study.best_value == 8
    assert steps(study, 0) == [4, 6, 8]


def test_cross_validation_reports_means_over_the_folds():
    results = []

    def objective(params, trial):
        callback = mh.callbacks.LightGBMCallback(trial, "valid-l2")
        results.append(
            lightgbm.cv(SETTINGS, lightgbm.Dataset(X, Y), 4, nfold=3, stratified=False, callbacks=[callback])
        )
        return results[0]["valid l2-mean"][-1]

    study = tune(objective, stop_at={1: 3})

    assert steps(study, 0) == [1, 2, 3, 4]
    assert values(study, 0) == results[0]["valid l2-mean"]
    assert (study.trials[1].state, steps(study, 1)) == ("stopped", [1, 2, 3])


def test_estimators_take_the_callback():
    pytest.importorskip("sklearn")

    def objective(params, trial):
        callback = mh.callbacks.LightGBMCallback(trial, "valid_0-l2")
        model = lightgbm.LGBMRegressor(n_estimators=4, n_jobs=1, min_child_samples=2, verbosity=-1)
        model.fit(X[:40], Y[:40], eval_X=(X[40:],), eval_y=(Y[40:],), callbacks=[callback])
        return model.best_score_["valid_0"]["l2"]

    study = tune(objective, stop_at={0: 3})

    assert (study.trials[0].state, steps(study, 0)) == ("stopped", [1, 2, 3])
    assert (study.trials[1].state, steps(study, 1)) == ("finished", [1, 2, 3, 4])


def test_a_metric_that_is_not_there_fails_the_trial_and_is_told():
    def objective(params, trial):
        train(params, mh.callbacks.LightGBMCallback(trial, "l2"))
        return 0.0

    assert "no metric 'l2' to report. There are 'valid_0-l2', 'valid_0-l1'." in failure(objective)


def test_a_training_without_validation_data_is_told_that_it_needs_some():
    def objective(params, trial):
        data = lightgbm.Dataset(X, Y)
        lightgbm.train(SETTINGS, data, 2, callbacks=[mh.callbacks.LightGBMCallback(trial, "valid_0-l2")])
        return 0.0

    assert "Is there validation data?" in failure(objective)
