"""The search estimator: scikit-learn's contract on the outside, a study within."""

import os
import time
from collections.abc import Mapping, Sequence
from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval, StrOptions

from manyhands.api import tune
from manyhands.errors import AllTrialsFailedError, NoResultError, ObjectiveError, SettingsError
from manyhands.ports import Executor, Sampler, Scheduler, StopRule, Store
from manyhands.sklearn.fingerprint import fingerprint
from manyhands.sklearn.folds import Data, FoldObjective
from manyhands.sklearn.hooks import Hooks
from manyhands.sklearn.placement import Placement, place
from manyhands.sklearn.plan import Plan, make_plan
from manyhands.sklearn.rescoring import add_rescores, best_by_rank, fresh_splits, rescore
from manyhands.sklearn.results import Candidate, blank_what_was_not_run, candidates_of, n_splits_run, whole
from manyhands.sklearn.staged import N_RESOURCES, StagedObjective
from manyhands.sklearn.stages import Stages, make_scheduler, rank_by_resources, stages_of
from manyhands.sklearn.stopping import FirstError
from manyhands.sklearn.upstream import (
    BaseSearchCV,
    check_method_params,
    constraints_of,
    fit_context,
    insert_error_scores,
    scorer_names,
    warn_or_raise_about_fit_failures,
)
from manyhands.study import Study
from manyhands.trial import Trial

_NOT_PICKLED = ("executor", "store")  # if they are objects
_RACING_FROM = 5  # folds; with fewer there is little to leave out


class SearchCV(BaseSearchCV):  # type: ignore[misc]
    """Searches an estimator's parameters by cross-validation, on as many workers as there are.

    In the place of scikit-learn's ``GridSearchCV`` and ``RandomizedSearchCV``, whose words it takes and whose results
    it gives; what is the same there is the same here, to the last bit. Beyond them it learns from what came out
    (``sampler="auto"``), runs on processes or on Spark (``executor="spark"``) with each fold of each candidate as a
    task of its own, leaves folds out that would change nothing (``early_stopping``), and goes on where it was killed
    (``store``, ``name``).

    Args:
        estimator: What to fit.
        space: What to search: a dict from parameter name to a list, a distribution of scipy, or one of ``mh.Float``,
            ``mh.Int``, ``mh.Choice`` and ``mh.Normal``; a list of such dicts; or any nesting of ours, conditional ones
            included, in which dicts under names that are no parameters of the estimator are merged into one. Not
            given: a default space for common estimators, see ``manyhands.sklearn.default_space``, with the estimator's
            own parameters tried first.
        param_grid: The same, under the name that ``GridSearchCV`` has for it. It is tried whole, unless ``sampler`` or
            the number of candidates says otherwise.
        param_distributions: The same, under the name that ``RandomizedSearchCV`` has for it.
        n_iter: How many candidates to try; ``max_trials`` is the same. Not given, and if nothing else ends the search:
            all of a grid, 10 for ``"random"``, else 10 for each parameter.
        max_trials: See ``n_iter``.
        sampler: Who proposes candidates: ``"auto"``, ``"gp"``, ``"tpe"``, ``"random"``, ``"grid"``, ``"sobol"``, or a
            sampler object. ``"grid"`` and ``"random"`` try what scikit-learn's searches would.
        executor: Where fits run: ``"processes"``, ``"spark"``, ``"inline"``, or an executor object such as
            ``mh.Spark(...)``. Not given: processes, if ``n_jobs`` is more than 1. Processes stay for five minutes for
            the next fit. Clones share an executor object; a pickle does not hold it.
        early_stopping: Whether to leave out the other folds of a candidate that is, compared fold by fold, so much
            worse than the best that it will hardly become it: True, False, or ``"auto"``, which does for directed
            search with 5 folds or more and one score to optimise.
        store: A file to keep the study in; see ``manyhands.tune``.
        name: The study's name there. A fit of the same name goes on where the last one stood.
        timeout_s: End the search after so many seconds, with the candidates that have been finished by then.
        stop: Rules that may end the search earlier, such as ``mh.NoProgress(30)``.
        scheduler: Who stops poor candidates before they have had all of a resource: ``"auto"``, ``"asha"``,
            ``"asha-promotion"``, ``"hyperband"``, ``"median"`` or a scheduler object; see ``mh.tune``. Like
            scikit-learn's ``Halving`` searches, but nobody waits for others. A candidate is then one task, which is
            scored on all folds at each amount of the resource.
        resource: What grows. ``"n_samples"``: of each fold's training samples, classes in their shares, always the
            whole test samples. A parameter of the estimator, such as ``"n_estimators"`` or ``"clf__max_iter"``:
            ensembles and iterative models with a ``warm_start`` go on instead of beginning anew, so that all stages
            together cost as much as the last one. ``"partial_fit"``: passes over the training samples.
        min_resources: The first amount. ``"auto"``: a ``factor**3``-th of the last one, or more if there were fewer
            than 20 samples or 10 for each class.
        max_resources: The last amount. ``"auto"``: all training samples of a fold, or the estimator's own parameter.
        factor: By how much amounts grow, a whole number from 2 on; about one of so many candidates goes on.
        rescore_top: Score so many of the best candidates once more, on splits that did not choose them, and take the
            best by that. The best of many noisy means is best by luck in part, so ``best_score_`` promises too much;
            the fresh mean has no part in that luck, but for what little there is in being the best of so few (none with
            1). It costs time beyond ``timeout_s``.
        rescore_cv: How to split then: a splitter, or a number of folds, which are shuffled. Not given: twice as many
            shuffled folds as those of an integer ``cv``, or a splitter's own kind with another ``random_state``.
        scoring: As in scikit-learn; so are those that follow. With several scores and ``refit`` naming one of them,
            that one is optimised; otherwise all of them are, for the Pareto front of ``study_``.
        n_jobs: How many fits at a time. An estimator that has an ``n_jobs`` of its own gets no more than its share of
            the cores; what was chosen is in ``parallelism_``.
        refit: Whether, or by which score, or by which function, to choose the best candidate and fit it on all data.
        cv: How to split.
        verbose: From 1 on tell how it goes.
        pre_dispatch: Taken, and of no effect: nothing is sent ahead of time.
        random_state: Same number, same candidates; with a directed sampler and several workers only as far as they
            answer in the same order.
        error_score: The score of a fit that failed, or ``"raise"``.
        return_train_score: Whether to have training scores too.

    Attributes:
        cv_results_: As in scikit-learn. Where early stopping left folds out, ``n_splits_run`` tells how many were run;
            the scores of the others are NaN, and the mean is what it would probably have been. With a scheduler
            ``n_resources`` tells how much each candidate got; none ranks before one that got more, so only those that
            got the most can be the best. With ``rescore_top`` there are ``mean_rescore_score`` and
            ``std_rescore_score`` (or by other names of scores), NaN for all but the best.
        best_estimator_: Fitted on all data.
        best_score_: Mean score of the best candidate; with ``rescore_top`` on the fresh splits.
        best_params_: Its parameters.
        best_index_: Its place in ``cv_results_``.
        scorer_: One scorer, or a dict of them.
        n_splits_: How many folds there are.
        refit_time_: Seconds.
        multimetric_: Whether there are several scores.
        study_: The study: all trials, ``summary()``, ``importance()``, and so on.
        parallelism_: Where fits ran, in words.
        optimism_: With ``rescore_top``: by how much the winner's mean in the search is above its fresh one.

    Raises:
        ValueError: When fitted: as scikit-learn's searches do.
        SettingsError: When fitted: an argument that scikit-learn does not have makes no sense.

    Example:
        >>> import manyhands as mh
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> X, y = load_iris(return_X_y=True)
        >>> search = SearchCV(SVC(), {"C": mh.Float(0.1, 100, log=True)}, n_iter=8, random_state=0).fit(X, y)
        >>> bool(search.best_score_ > 0.97)
        True
    """

    def __init__(
        self,
        estimator: Any,
        space: Any = None,
        *,
        param_grid: Any = None,
        param_distributions: Any = None,
        n_iter: int | None = None,
        max_trials: int | None = None,
        sampler: str | Sampler = "auto",
        executor: str | Executor | None = None,
        early_stopping: bool | str = "auto",
        store: str | os.PathLike[str] | Store | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
        stop: StopRule | Sequence[StopRule] = (),
        scheduler: str | Scheduler | None = None,
        resource: str = "n_samples",
        min_resources: int | str = "auto",
        max_resources: int | str = "auto",
        factor: int = 3,
        rescore_top: int = 0,
        rescore_cv: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ):
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space = space
        self.param_grid = param_grid
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.max_trials = max_trials
        self.sampler = sampler
        self.executor = executor
        self.early_stopping = early_stopping
        self.store = store
        self.name = name
        self.timeout_s = timeout_s
        self.stop = stop
        self.scheduler = scheduler
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.factor = factor
        self.rescore_top = rescore_top
        self.rescore_cv = rescore_cv
        self.random_state = random_state

    _parameter_constraints = constraints_of(
        __init__,
        {
            **BaseSearchCV._parameter_constraints,
            "n_iter": [Interval(Integral, 1, None, closed="left"), None],
            "max_trials": [Interval(Integral, 1, None, closed="left"), None],
            "early_stopping": ["boolean", StrOptions({"auto"})],
            "timeout_s": [Interval(Real, 0, None, closed="neither"), None],
            "name": [str, None],
            "resource": [str],
            "min_resources": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
            "max_resources": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
            "factor": [Interval(Integral, 2, None, closed="left")],
            "rescore_top": [Interval(Integral, 0, None, closed="left")],
            "rescore_cv": ["cv_object"],
            "random_state": ["random_state"],
        },
    )

    def __sklearn_clone__(self) -> "SearchCV":
        """A clone shares the executor and the store: there is no other Spark session, and no other file."""
        found: SearchCV = super(SearchCV, copy(self)).__sklearn_clone__()
        for name in _NOT_PICKLED:
            setattr(found, name, getattr(self, name))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: all but executor and store objects, which are of this process."""
        state: dict[str, Any] = super().__getstate__()
        kept_by_name = (str, os.PathLike, type(None))
        return {
            name: None if name in _NOT_PICKLED and not isinstance(value, kept_by_name) else value
            for name, value in state.items()
        }

    @fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> "SearchCV":  # noqa: N803
        """Search, and fit the best candidate on all data.

        Args:
            X: Samples, shape (n_samples, n_features) or what the estimator takes.
            y: Targets, or None.
            **params: For the estimator's ``fit``, the splitter (``groups``) and the scorer; those with one entry for
                each sample are split with the data.

        Returns:
            This object, fitted.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed. What was found is in ``study_``, and, with a ``name``, stored.
        """
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)  # noqa: N806
        params = check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        hooks = Hooks(self, X, y, params, 1 + bool(self.rescore_top) + (self.refit is not False))
        self._checked_cv_orig = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = self._checked_cv_orig.get_n_splits(X, y, **routed.splitter.split)
        estimator = clone(self.estimator)
        plan = self._plan()
        data = Data(X, y, self._splits(X, y, routed), routed.estimator.fit, routed.scorer.score)
        fresh = fresh_splits(self, X, y, routed.splitter.split)
        stages = stages_of(self, estimator, data, plan, self._optimised(scorers))
        placement = place(self.executor, self.n_jobs, estimator)
        objective = self._objective(estimator, data, scorers, plan, placement, stages, hooks)
        with hooks.searching(self._n_evaluations(plan, stages), is_here=placement.is_here):
            candidates = self._search(objective, plan, placement, stages)
        results = self._collect(candidates, refit_metric, stages)
        refit_metric = self._metric_to_refit(results, refit_metric)
        self._choose(results, refit_metric)
        if fresh:
            with hooks.rescoring():
                self._rescore(results, refit_metric, objective.on_splits(fresh), len(fresh), placement)
        if self.refit:
            self._refit(estimator, objective, hooks)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        self.cv_results_ = results
        hooks.end()
        return self

    # -- before --------------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        if self.n_iter is not None and self.max_trials is not None:
            raise SettingsError(
                f"n_iter={self.n_iter} and max_trials={self.max_trials} say the same. Give one of them."
            )
        return make_plan(
            self.estimator,
            space=self.space,
            param_grid=self.param_grid,
            param_distributions=self.param_distributions,
            sampler=self.sampler,
            n_candidates=self.n_iter or self.max_trials,
            ends_otherwise=self.timeout_s is not None or bool(self.stop),
            random_state=self.random_state,
            has_name=self.name is not None,
        )

    def _splits(self, X: Any, y: Any, routed: Any) -> list[tuple[Any, Any]]:  # noqa: N803
        splits = list(self._checked_cv_orig.split(X, y, **routed.splitter.split))
        if len(splits) != self.n_splits_:
            raise ValueError(
                f"cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {self.n_splits_} splits, got {len(splits)}"
            )
        if not splits:
            raise ValueError("No fits were performed. Was the CV iterator empty? Were there no candidates?")
        return splits

    # -- the search ----------------------------------------------------------------------------------------------

    def _objective(
        self,
        estimator: Any,
        data: Data,
        scorers: Any,
        plan: Plan,
        placement: Placement,
        stages: Stages | None,
        hooks: Hooks,
    ) -> FoldObjective:
        settings: dict[str, Any] = {
            "metrics": self._optimised(scorers),
            "in_worker": not placement.is_here,
            "is_flat": plan.candidates is not None,
            "options": {
                "return_train_score": self.return_train_score,
                "error_score": self.error_score,
                "verbose": self.verbose,
            },
            "n_candidates": plan.max_trials,
            "of_evaluation": hooks.of_evaluation if placement.is_here else None,
        }
        if stages is None:
            return FoldObjective(estimator, data, scorers, **settings)
        return StagedObjective(stages, estimator, data, scorers, **settings)

    def _n_evaluations(self, plan: Plan, stages: Stages | None) -> int | None:
        return None if plan.max_trials is None or stages is not None else plan.max_trials * self.n_splits_

    def _search(
        self, objective: FoldObjective, plan: Plan, placement: Placement, stages: Stages | None
    ) -> list[Candidate]:
        self.parallelism_ = placement.note
        self._announce(plan, placement)
        first_error = FirstError(raises=self.error_score == "raise")
        self.study_ = self._study(objective, plan, placement, stages, first_error)
        if self.study_.was_interrupted:
            raise KeyboardInterrupt
        if first_error.trial is not None:
            self._raise_again(first_error.trial, objective)

        def params_of(trial: Trial) -> dict[str, Any]:
            params = objective.flat(trial.params) if plan.candidates is None else plan.candidates[trial.id]
            return params if stages is None else stages.with_resource(params, trial.metrics.get(N_RESOURCES, 0))

        return candidates_of(self.study_.trials, params_of)

    def _study(
        self,
        objective: FoldObjective,
        plan: Plan,
        placement: Placement,
        stages: Stages | None,
        first_error: FirstError,
    ) -> Study:
        n_objectives = objective.n_objectives
        rules = list(self.stop) if isinstance(self.stop, Sequence) else [self.stop]
        try:
            return tune(
                objective,
                plan.space,
                max_trials=plan.max_trials,
                direction=["maximize"] * n_objectives,
                sampler=plan.sampler,
                scheduler=None if stages is None else make_scheduler(self.scheduler, stages, self.factor),
                executor=placement.executor,
                seed=plan.seed,
                timeout_s=self.timeout_s,
                stop=[*rules, first_error],
                splits=self.n_splits_ if stages is None else None,
                racing=stages is None and self._races(plan, n_objectives),
                store="auto" if self.store is None else self.store,
                name=self.name,
                fingerprint=self._fingerprint(objective),
                start_with=plan.start_with,
                progress=self.verbose > 0 and not placement.is_here,
            )
        except AllTrialsFailedError as error:  # what failed, and why, is told as scikit-learn does
            if not isinstance(error.study, Study):
                raise
            return error.study

    def _fingerprint(self, objective: FoldObjective) -> dict[str, str] | None:
        """What a stored study is known by; without a name nobody will go on with it."""
        return None if self.name is None else fingerprint({**objective.works_on(), "scoring": self.scoring})

    def _races(self, plan: Plan, n_objectives: int) -> bool:
        if self.early_stopping != "auto":
            return bool(self.early_stopping) and self.n_splits_ > 1
        return plan.is_directed and self.n_splits_ >= _RACING_FROM and n_objectives <= 1

    def _optimised(self, scorers: Any) -> list[str]:
        """The scores by name that the sampler learns from; none for the only one."""
        if isinstance(self.refit, str):
            return [self.refit]
        return scorer_names(scorers)

    def _announce(self, plan: Plan, placement: Placement) -> None:
        if self.verbose > 0 and plan.max_trials is not None:
            print(
                f"Fitting {self.n_splits_} folds for each of {plan.max_trials} candidates, "
                f"totalling {plan.max_trials * self.n_splits_} fits"
            )
        if self.verbose > 0 and not placement.is_here:
            print(f"manyhands: {placement.note}")

    def _raise_again(self, trial: Trial, objective: FoldObjective) -> None:
        """Raise what a fit raised, here: workers send words, and no exceptions."""
        for split in () if trial.lost else range(self.n_splits_):  # what ended a worker would end this process
            objective.fit_and_score(self.study_.space.build(trial.point), split, trial.id)
        raise ObjectiveError(f"Candidate {trial.id} failed because {trial.reason}.\n{trial.traceback}")

    # -- after ---------------------------------------------------------------------------------------------------

    def _collect(self, candidates: Sequence[Candidate], refit_metric: Any, stages: Stages | None) -> dict[str, Any]:
        if not candidates:
            raise NoResultError(
                f"No candidate was finished: {self.study_.end_reason}. Give the search more time (timeout_s=)."
            )
        error_score = self.error_score if isinstance(self.error_score, Real) else np.nan
        metric = refit_metric if isinstance(self.refit, str) else None
        rows = whole(candidates, self.n_splits_, metric, float(error_score))
        out = [record.as_dict() for row in rows for record in row]
        warn_or_raise_about_fit_failures(out, self.error_score)
        insert_error_scores(out, self.error_score)
        raced = any(0 < len(c.records) < self.n_splits_ for c in candidates)
        more = {"n_splits_run": n_splits_run(candidates)} if raced else {}
        if stages is not None:
            more = {N_RESOURCES: [c.trial.metrics.get(N_RESOURCES, 0) for c in candidates]}
        results: dict[str, Any] = self._format_results([c.params for c in candidates], self.n_splits_, out, more)
        if raced:
            blank_what_was_not_run(results, candidates, self.n_splits_)
        if stages is not None:
            rank_by_resources(results, more[N_RESOURCES])
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        return results

    def _metric_to_refit(self, results: Mapping[str, Any], refit_metric: Any) -> Any:
        if not (callable(self.scoring) and self.multimetric_):
            return refit_metric
        prefix = "mean_test_"
        self._check_refit_for_multimetric([key.removeprefix(prefix) for key in results if key.startswith(prefix)])
        return self.refit

    def _choose(self, results: Mapping[str, Any], refit_metric: Any) -> None:
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _rescore(
        self, results: dict[str, Any], metric: Any, objective: FoldObjective, n_splits: int, placement: Placement
    ) -> None:
        if not self.refit and self.multimetric_:
            raise SettingsError("rescore_top needs to know which of several scores is the one. Name it, with refit=.")
        places = best_by_rank(results, metric, self.rescore_top)
        params = [results["params"][i] for i in places]
        shows = self.verbose > 0 and not placement.is_here
        rows = rescore(objective, params, n_splits, placement.executor, self.error_score, progress=shows)
        add_rescores(results, places, rows)
        scores = results[f"mean_rescore_{metric}"]
        if np.isfinite(scores).any():
            self.best_index_ = int(np.nanargmax(scores))
            self.best_score_ = scores[self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
            self.optimism_ = results[f"mean_test_{metric}"][self.best_index_] - self.best_score_

    def _refit(self, estimator: Any, objective: FoldObjective, hooks: Hooks) -> None:
        # The parameters themselves may be estimators, such as the steps of a pipeline.
        self.best_estimator_ = clone(estimator).set_params(**clone(self.best_params_, safe=False))
        with hooks.refitting(self.best_estimator_):
            began = time.time()
            objective.refit(self.best_estimator_)
            self.refit_time_ = time.time() - began
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_
