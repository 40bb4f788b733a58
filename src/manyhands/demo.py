"""The demo: three kinds of model tuned together on real data, safe against Ctrl-C and kill.

The search is the study ``demo``; how the best model does against the libraries' defaults is a small study of its own
beside it. So whatever was computed once is in the store, and a demo that has ended shows its results at once.
"""

import shlex
import shutil
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from manyhands.api import load_study, tune
from manyhands.errors import ManyhandsError, StoreError, StudyNotFoundError
from manyhands.executors.processes import Processes
from manyhands.executors.spark.executor import Spark
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import Executor
from manyhands.results import show
from manyhands.space import Space
from manyhands.stores.reading import list_studies
from manyhands.study import Study
from manyhands.worker.handle import TrialHandle

_NAME = "demo"
_STORE = "manyhands-demo.db"
_N_FOLDS = 3
_SEED = 0

#: What each model is called when its params are scikit-learn's own.
_DEFAULTS = {
    "svm": "svm after StandardScaler, defaults",
    "forest": "forest, defaults",
    "boosting": "boosting, defaults",
}

_SPACE = Choice(
    [
        {
            "model": "svm",
            "scaling": Choice(["standard", "minmax"]),
            "C": Float(0.1, 1000, log=True),
            "gamma": Float(1e-4, 10, log=True),
        },
        {
            "model": "forest",
            "n_estimators": Int(30, 300, log=True),
            "max_features": Float(0.02, 0.5, log=True),
            "min_samples_leaf": Int(1, 8, log=True),
        },
        {
            "model": "boosting",
            "learning_rate": Float(0.03, 0.5, log=True),
            "max_iter": Int(10, 60, log=True),
            "max_leaf_nodes": Int(4, 31, log=True),
            "l2_regularization": Float(1e-3, 10, log=True),
        },
    ]
)


def main(
    store: str = _STORE,
    workers: int | None = None,
    fresh: bool = False,
    max_trials: int = 100,
    spark: str | None = None,
) -> None:
    """Tune, compare with the defaults, and say what to try next.

    Args:
        store: The file that keeps everything; started again with the same one, the demo goes on where it stood.
        workers: How many trials run at a time; one for each core if not given.
        fresh: Delete the store first.
        max_trials: How many trials the search has.
        spark: The master of a Spark cluster to run on, such as ``spark://127.0.0.1:7077``.

    Raises:
        ManyhandsError: scikit-learn is not installed, the store cannot be used or is not the demo's to delete, or the
            cluster cannot be reached.
    """
    if fresh:
        _check_sklearn()  # or the old results would be gone, with no way to new ones
        _delete(Path(store))
    study = _stored(store, _NAME)
    n_done = 0 if study is None else _count_outcomes(study)
    if study is not None and n_done >= max_trials and study.space.spec() == Space(_SPACE).spec():
        print(f"This demo has ended already, and {store} has its results. To start over: {_command(store)} --fresh\n")
    else:
        _check_sklearn()
        executor = _make_executor(workers, spark)
        _introduce(store, executor.n_workers, n_done, max_trials)
        study = _tune(store, executor, max_trials)
        print()
    _finish(study, store, workers, max_trials)


def _make_executor(workers: int | None, spark: str | None) -> Executor:
    return Processes(workers) if spark is None else Spark(spark, workers=workers)


# -- the search --------------------------------------------------------------------------------------------------


def _tune(store: str, executor: Executor, max_trials: int) -> Study:
    digits = _load_digits()
    return tune(
        partial(_score_fold, images=digits["images"], labels=digits["labels"], folds=digits["folds"]),
        _SPACE,
        max_trials=max_trials,
        executor=executor,
        direction="maximize",
        seed=_SEED,
        splits=_N_FOLDS,
        store=store,
        name=_NAME,
    )


def _score_fold(params: dict[str, Any], trial: TrialHandle, *, images: Any, labels: Any, folds: Any) -> float:
    """The accuracy on one fold of a model fitted to the others."""
    fitted_to, scored_on = folds[trial.split]
    model = _make_model(params).fit(images[fitted_to], labels[fitted_to])
    return float(model.score(images[scored_on], labels[scored_on]))


def _make_model(params: dict[str, Any]) -> Any:
    """A model with these params; what they leave out is as in scikit-learn."""
    settings = {key: value for key, value in params.items() if key != "model"}
    if params["model"] == "svm":
        return _make_svm(**settings)
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    kind = RandomForestClassifier if params["model"] == "forest" else HistGradientBoostingClassifier
    return kind(random_state=_SEED, **settings)


def _make_svm(scaling: str = "standard", **settings: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler() if scaling == "standard" else MinMaxScaler(), SVC(**settings))


@cache
def _load_digits() -> dict[str, Any]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold, train_test_split

    images, labels = load_digits(return_X_y=True)
    images, held_out_images, labels, held_out_labels = train_test_split(
        images, labels, test_size=0.5, stratify=labels, random_state=_SEED
    )
    folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=_SEED).split(images, labels)
    return {
        "images": images,
        "labels": labels,
        "folds": list(folds),
        "held_out_images": held_out_images,
        "held_out_labels": held_out_labels,
    }


def _check_sklearn() -> None:
    if find_spec("sklearn") is None:
        raise ManyhandsError(
            "The demo tunes models of scikit-learn, which is missing: pip install 'manyhands[sklearn]'"
        )


# -- the comparison ----------------------------------------------------------------------------------------------


def _compare(study: Study, store: str, workers: int | None) -> Study:
    """The tuned model and the three defaults, fitted to everything that the search could see."""
    name = f"{_NAME}-trial-{study.best_trial.id}-and-defaults"  # another best trial is another comparison
    found = _stored(store, name)
    if found is not None and _count_outcomes(found) == len(_DEFAULTS) + 1:
        return found
    _check_sklearn()
    return tune(
        partial(_count_errors, tuned=study.best_params, digits=_load_digits()),
        {"model": Choice(["tuned", *_DEFAULTS])},
        workers=workers,
        metric="accuracy",
        direction="maximize",
        sampler="grid",
        seed=_SEED,
        store=store,
        name=name,
        progress=False,
    )


def _count_errors(params: dict[str, str], *, tuned: dict[str, Any], digits: dict[str, Any]) -> dict[str, float]:
    model = _make_model(tuned if params["model"] == "tuned" else params).fit(digits["images"], digits["labels"])
    is_wrong = model.predict(digits["held_out_images"]) != digits["held_out_labels"]
    return {"accuracy": 1 - float(is_wrong.mean()), "errors": int(is_wrong.sum()), "images": len(is_wrong)}


# -- what it prints ----------------------------------------------------------------------------------------------


_WIDTH = 36  # of the column with names


def _command(store: str) -> str:
    return "manyhands demo" if store == _STORE else f"manyhands demo --store {shlex.quote(store)}"


def _introduce(store: str, n_workers: int, n_done: int, max_trials: int) -> None:
    safety = f"Ctrl-C and kill are safe: {store} keeps every result, and {_command(store)} goes on from there."
    print(
        f"Reading handwritten digits: a random forest, gradient boosting and an SVM are tuned together.\n"
        f"{max_trials} trials of {_N_FOLDS} folds each, {n_workers} folds at a time. Two cores take about a minute.\n"
        + (f"{n_done} of {max_trials} trials are done already, and it goes on from there." if n_done else safety)
        + "\n",
        flush=True,
    )


def _finish(study: Study, store: str, workers: int | None, max_trials: int) -> None:
    if _count_outcomes(study) < max_trials:
        print(f"{_count_outcomes(study)} of {max_trials} trials are done. To go on from there: {_command(store)}")
        return
    _print_best(study)
    comparison = _compare(study, store, workers)
    if _count_outcomes(comparison) <= len(_DEFAULTS):
        print(f"\nThe comparison with the defaults was interrupted. To go on from there: {_command(store)}")
        return
    _print_comparison(comparison, study.best_params["model"])
    _print_next(store)


def _print_best(study: Study) -> None:
    trial_id = study.best_trial.id
    print(f"The best model, with an accuracy of {study.best_value:.2%} in cross-validation (trial {trial_id}):")
    for name, value in study.space.label(study.best_trial.point).items():
        print(f"    {name:<{_WIDTH}}{show(value):>8}")


def _print_comparison(comparison: Study, best_model: str) -> None:
    print(f"\nOn {comparison.best_trial.metrics['images']:g} images that the search never saw:")
    print(f"    {'':<{_WIDTH}}accuracy  errors")
    for trial in comparison.trials:
        name = _DEFAULTS.get(trial.params["model"], f"{best_model}, tuned")
        print(f"    {name:<{_WIDTH}}{trial.value:>8.2%}  {trial.metrics['errors']:>6g}")


def _print_next(store: str) -> None:
    print(
        f"\nWhat next?\n"
        f"    manyhands list --store {store}\n"
        f"    manyhands show {_NAME} --store {store}\n"
        f"Or tune something of your own:\n"
        f"    import manyhands as mh\n"
        f'    study = mh.tune(lambda p: (p["x"] - 1) ** 2, {{"x": mh.Float(-3, 3)}}, max_trials=100)\n'
        f"    print(study.summary())"
    )


# -- the store ---------------------------------------------------------------------------------------------------


def _stored(store: str, name: str) -> Study | None:
    if not Path(store).exists():
        return None
    try:
        return load_study(name, store)
    except StudyNotFoundError:
        return None


def _count_outcomes(study: Study) -> int:
    return sum(trial.state.is_end for trial in study.trials)


def _delete(store: Path) -> None:
    """Delete the demo's store and what belongs to it, but no file that holds anything else.

    Raises:
        StoreError: It is another file, has other studies too, or is in use.
    """
    if not store.exists():
        return
    for info in list_studies(store):
        if info.name != _NAME and not info.name.startswith(f"{_NAME}-trial-"):
            raise StoreError(f"{store} has a study {info.name!r}, which is not the demo's, so it is not deleted.")
        if info.driver:
            raise StoreError(f"{store} is in use by {info.driver}, so it is not deleted. Stop that process first.")
    for ending in ("", "-wal", "-shm", "-lock"):
        Path(f"{store}{ending}").unlink(missing_ok=True)
    shutil.rmtree(f"{store}.files", ignore_errors=True)
