"""A study, as people hold it in their hands: what came out, and trials by ask-and-tell."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from threading import RLock
from typing import Any

from msgspec.structs import replace

from manyhands import results
from manyhands.advice import Advice, Facts, Setup, advise, check_silence
from manyhands.checks import check_seed, check_whole
from manyhands.clock import SystemClock
from manyhands.errors import ManyhandsError, NoResultError, SearchEndedError, SettingsError
from manyhands.events import AnyCommand, AnyEvent, Asked, PartFailed, PartFinished, Reported, Saved, SaveTrial
from manyhands.importance import importance
from manyhands.objectives import (
    Direction,
    Metric,
    n_objectives,
    read_direction,
    read_metric,
    value_names,
)
from manyhands.ports import Archive, History, Outcome, Problem, Sampler, Scheduler, StudySpec
from manyhands.samplers import make_sampler
from manyhands.schedulers import make_scheduler
from manyhands.search import Search, Settings
from manyhands.space import Point, Space
from manyhands.transfer import Former, carried_over, check_learns
from manyhands.trial import Failure, Part, Report, Result, Trial, TrialState
from manyhands.worker.checkpoints import Checkpoints
from manyhands.worker.result import Unclear, number, read_result


class Study:
    """The trials of a search and the best among them; also a search to be driven by hand, by ask-and-tell.

    ``mh.tune`` returns a study, and so does ``mh.load_study``. One that is made here has no workers and no store: you
    ask it for trials, run them as you like, any number at a time, and tell it what came out.

    Args:
        space: Any nesting of dicts, lists and tuples with parameters as leaves.
        sampler: Its name, or a sampler of your own.
        direction: ``"minimize"`` or ``"maximize"``; for several objectives a list of these.
        seed: Same seed, same trials, as long as they are asked and told in the same order.
        metric: The key under which a dict that is told holds its value; ``"value"`` or ``"loss"`` if not given. For
            several objectives a list of keys, one for each; ``"values"`` if not given.
        scheduler: Judges what is reported: its name, or a scheduler object; see ``mh.tune``. Only for one objective.
        max_trials: ``ask`` raises ``SearchEndedError`` after so many.
        start_with: Params to try first; what they leave open is drawn at random.
        warm_start: A former study of the same objective, or several, whose trials teach the sampler before it begins.
            They count as none of this study's. The spaces may differ; see ``manyhands.transfer``.
        name: What to call it.

    Raises:
        SpaceError: The space, or one of ``start_with``, makes no sense.
        SettingsError: Another argument does not.

    Example:
        >>> import manyhands as mh
        >>> study = mh.Study({"x": mh.Float(-1, 1)}, sampler="random", seed=1)
        >>> for _ in range(20):
        ...     trial = study.ask()
        ...     study.tell(trial, trial.params["x"] ** 2)
        >>> study.best_value < 0.1
        True
    """

    def __init__(
        self,
        space: object,
        *,
        sampler: str | Sampler = "auto",
        direction: str | Sequence[str] = "minimize",
        seed: int = 0,
        metric: str | Sequence[str] | None = None,
        scheduler: str | Scheduler | None = None,
        max_trials: int | None = None,
        start_with: Sequence[object] = (),
        warm_start: Former | Sequence[Former] | None = None,
        name: str = "study",
    ):
        goal = read_direction(direction)
        keys = read_metric(metric, goal)
        check_seed(seed)
        check_whole(max_trials=max_trials)
        planted = space if isinstance(space, Space) else Space(space)
        chosen_sampler = make_sampler(sampler)
        chosen_scheduler = None if scheduler is None else make_scheduler(scheduler, goal)
        lessons = carried_over(warm_start, planted, goal)
        check_learns(lessons, chosen_sampler)
        starts = [planted.find(params) for params in start_with]
        search = Search(
            planted,
            chosen_sampler,
            Settings(direction=goal, seed=seed, max_trials=max_trials),
            scheduler=chosen_scheduler,
            start_with=starts,
            lessons=lessons,
            timer=time.perf_counter,
        )
        self._hold(search, name, keys)
        self._setup = Setup(max_trials=max_trials, learns=chosen_sampler.learns, starts=tuple(starts))

    @classmethod
    def _around(
        cls,
        search: Search,
        name: str,
        metric: Metric,
        archive: Archive | None = None,
        checkpoints: str | None = None,
        setup: Setup = Setup(),  # noqa: B008 - it is frozen
    ) -> "Study":
        """The study of a search that somebody else drives, or drove; its checkpoints, if they outlive that."""
        study = cls.__new__(cls)
        study._hold(search, name, metric, archive)
        study._checkpoints = checkpoints
        study._setup = setup
        return study

    @classmethod
    def _of_history(cls, history: History, space: Space, archive: Archive, checkpoints: str) -> "Study":
        """A stored study, to look at."""
        spec = history.spec
        settings = Settings(direction=spec.direction, seed=spec.seed, max_trials=0)
        search = Search(space, _NoSampler(), settings)
        search.restore(history)
        for trial in history.trials:  # restoring made ready to run what had not ended; here it stays as it is stored
            search.trials[trial.id] = replace(trial, params=space.build(trial.point))
        search.end_reason = history.end_reason or None
        return cls._around(search, spec.name, spec.metric, archive, checkpoints, Setup(n_splits=spec.n_splits))

    def _hold(self, search: Search, name: str, metric: Metric, archive: Archive | None = None) -> None:
        self._search = search
        self._metric = metric
        self._archive = archive
        self._checkpoints: str | None = None
        self._setup = Setup()
        self._clock = SystemClock()
        self._lock = RLock()  # trials may be asked for and told by many threads
        self.name = name

    def __getstate__(self) -> dict[str, Any]:
        """What travels, or is kept: everything to look at, and nothing to go on with; logs and reports stay behind."""
        search = self._search
        kept = Settings(direction=search.settings.direction, seed=search.settings.seed, max_trials=0)
        return {
            "name": self.name,
            "metric": self._metric,
            "settings": kept,
            "space": search.space,
            "trials": self.trials,
            "end_reason": search.end_reason,
            "was_interrupted": search.was_interrupted,
            "explanation": search.explanation,
            "checkpoints": self._checkpoints,
            "setup": self._setup,
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        search = Search(state["space"], _NoSampler(state["explanation"]), state["settings"])
        spec = StudySpec(name=state["name"], space=None, direction=state["settings"].direction)
        search.restore(History(spec, state["trials"], {}))
        search.trials.update({trial.id: trial for trial in state["trials"]})
        search.end_reason, search.was_interrupted = state["end_reason"], state["was_interrupted"]
        self._hold(search, state["name"], state["metric"])
        self._checkpoints = state["checkpoints"]
        self._setup = state["setup"]

    # -- what came out -----------------------------------------------------------------------------------------

    @property
    def space(self) -> Space:
        """What is searched."""
        return self._search.space

    @property
    def direction(self) -> Direction:
        """``"minimize"`` or ``"maximize"``; with several objectives a tuple of these."""
        return self._search.settings.direction

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were proposed."""
        return sorted(self._search.trials.values(), key=lambda trial: trial.id)

    @property
    def best_trial(self) -> Trial:
        """The feasible finished trial with the best value.

        Raises:
            NoResultError: No trial has finished yet, or none that keeps every constraint; or there are several
                objectives, for which see ``pareto_front``.
        """
        if self._search.best is not None:
            return self._search.best
        n = n_objectives(self.direction)
        if n > 1:
            raise NoResultError(
                f"The study {self.name!r} has {n} objectives, so there is no single best trial. "
                f"See study.pareto_front for the trials that no other one beats."
            )
        found = self._search.incumbents
        if found.closest is None:
            raise NoResultError(f"The study {self.name!r} has no finished trial yet, so there is no best one.")
        raise NoResultError(
            f"The study {self.name!r} has no feasible trial yet, so there is no best one: "
            f"{results.infeasibility(found)}."
        )

    @property
    def pareto_front(self) -> list[Trial]:
        """The feasible finished trials that no other one dominates, the best by the first objective first.

        A trial dominates another if it is nowhere worse and somewhere better. Trials with the same values are all in
        it. With one objective these are the trials with the best value.
        """
        with self._lock:
            return self._search.incumbents.front

    @property
    def best_params(self) -> Any:
        """What the objective received in the best trial; see ``best_trial``."""
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        """The value of the best trial; see there."""
        value = self.best_trial.value
        assert value is not None  # noqa: S101 - finished trials have one
        return value

    @property
    def end_reason(self) -> str | None:
        """Why the search ended, in words; None while it goes on, or if it was cut off."""
        return self._search.end_reason

    @property
    def was_interrupted(self) -> bool:
        """Whether the search ended because somebody pressed Ctrl-C, and would go on if it were run again."""
        return self._search.was_interrupted

    def log(self, trial: Trial | int) -> str:
        """Everything that a trial printed, its splits and attempts one after another."""
        trial_id = self._known(trial).id
        return self._archive.log(trial_id) if self._archive is not None else ""

    def reports(self, trial: Trial | int) -> list[Report]:
        """What a trial reported on its way, in the order of arrival; its learning curve, if it is in one piece."""
        trial_id = self._known(trial).id
        return self._archive.reports_of(trial_id) if self._archive is not None else []

    def checkpoint(self, trial: Trial | int | None = None, *, split: int = 0) -> Any:
        """Return the object that a trial saved last, by ``trial.save(obj)``, or began with if it saved none.

        It is unpickled by this very process, which runs whatever code the pickle names: ask for it only where you trust
        whoever can write to the place of the checkpoints.

        Of most trials there is none any more: see ``checkpoints`` of ``mh.tune`` for which are kept.

        Args:
            trial: The trial, or its number; the best one if not given.
            split: Which of its splits, if trials have them.

        Raises:
            NoResultError: There is none, or the checkpoints of this study went with its run; or there is no best trial.
            SettingsError: There is no such trial.
            OSError: The place where checkpoints are cannot be reached.
        """
        found = self.best_trial if trial is None else self._known(trial)
        if self._checkpoints is None:
            raise NoResultError(
                f"The study {self.name!r} has no checkpoints: it is in memory only, and they went with its run. "
                f"Give mh.tune a store= or checkpoints=."
            )
        missing = object()
        saved = Checkpoints(self._checkpoints, found.id, split, found.parent).restore(missing)
        if saved is missing:
            raise NoResultError(
                f"Trial {found.id} has no checkpoint below {self._checkpoints}: it saved none, or it was removed, as "
                f"are those of most trials that ended and are not the best one."
            )
        return saved

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat dict a trial: params as ``params.NAME``, metrics as ``metrics.NAME``, inactive ones absent.

        With several objectives the values are ``value.0`` and so on, or ``value.KEY`` if ``metric`` names keys. With
        constraints there are ``constraints.0`` and so on, and ``feasible``.
        """
        return results.rows(self.trials, self.space, value_names(self.direction, self._metric))

    def to_frame(self) -> Any:
        """The trials as a ``pandas.DataFrame``, one row each; see ``to_dicts``.

        Raises:
            ManyhandsError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ManyhandsError(
                "study.to_frame() needs pandas: pip install 'manyhands[pandas]'. "
                "study.to_dicts() gives the same rows without it."
            ) from error
        return pd.DataFrame(self.to_dicts())

    def importance(self, *, objective: int = 0, top: float = 1.0) -> dict[str, float]:
        """Which parameters mattered: the share that each has in the variance of the value over the space.

        What several parameters do together is divided among them; see ``manyhands.importance`` for how it is found out.

        Args:
            objective: Which of several objectives, counted from 0.
            top: Ask only of the best trials, such as 0.2 for the best fifth: what made a trial one of them, and what
                the differences among them come from.

        Returns:
            Flat name to share; the largest first. They add up to 1.

        Raises:
            SettingsError: ``top`` is no share, or there is no such objective.
            NoResultError: Too few trials have finished, or their values are all the same.
        """
        return importance(self.trials, self.space, self.direction, objective=objective, top=top)

    def advice(self, silence: Collection[str] = ()) -> list[Advice]:
        """How to search better, as far as the space, the settings, the objective and the trials so far show it.

        Each piece of advice has a ``code``, a ``sentence``, the ``figures`` behind it and what to ``change``;
        ``docs/advice.md`` says when each one is given. What too little is known of is not spoken of: of a study that
        was loaded, or is driven by ask-and-tell, neither workers nor objective are known.

        Args:
            silence: Codes of advice that is not wanted, besides those that ``mh.tune`` was given.

        Raises:
            SettingsError: There is no such code.
        """
        check_silence(silence)
        with self._lock:
            ran_out = (self.end_reason or "").startswith(("all ", "the time was up"))  # and no rule was content before
            facts = Facts(self.space, self.direction, self.trials, self._setup, has_ended=ran_out)
            return advise(facts, {*silence, *self._setup.silence})

    def summary(self) -> str:
        """The study in a few lines: how many trials, the best one and its params, failures, and why it ended.

        With several objectives it shows the Pareto front instead of the best trial. At the end is the study's advice, a
        line for each piece.
        """
        search = self._search
        taught = [f"The sampler began with {search.lessons}."] if search.lessons.n_ended else []
        return results.summary(
            self.name,
            self.trials,
            search.incumbents,
            self.space,
            self.end_reason,
            metric=self._metric,
            sampler=taught + results.sampler_lines(search.explanation, search.sampler_seconds, search.seconds),
            advice=[f"Advice ({advice.code}): {advice}" for advice in self.advice()],
        )

    def __repr__(self) -> str:
        found = self._search.incumbents
        n_trials = len(self._search.trials)
        if n_objectives(self.direction) > 1:
            return f"<Study {self.name!r}: {n_trials} trials, {found.n_front} on the Pareto front>"
        best = "none" if found.best is None else f"{found.best.value:.6g}"
        return f"<Study {self.name!r}: {n_trials} trials, best value {best}>"

    # -- ask and tell ------------------------------------------------------------------------------------------

    def ask(self) -> Trial:
        """Return a new trial to run; any number may be on their way.

        Raises:
            SearchEndedError: There are no more: ``max_trials`` were asked for, the space is used up, or the search was
                run by ``tune``.
        """
        for command in self._handle(Asked(at=self._clock.now())):
            if isinstance(command, SaveTrial) and command.trial.state is TrialState.RUNNING:
                return command.trial
        why = self._search.end_reason or "no more trials can be proposed before others are told"
        raise SearchEndedError(f"The study {self.name!r} has no trial to give: {why}.")

    def tell(self, trial: Trial | int, value: object = None, *, failed: str | None = None) -> None:
        """Say what came of a trial.

        Args:
            trial: What ``ask`` returned, or its number.
            value: A number (with several objectives a list of them), or a dict as an objective may return it. Not
                finite, or no number: the trial has failed.
            failed: Why it has no value. Give this or ``value``.

        Raises:
            SettingsError: There is no such trial on its way, or it cannot be told what is meant.
        """
        with self._lock:
            trial = self._on_its_way(trial)
            at = self._clock.now()
            self._handle(self._outcome(trial, value, failed, at))
            self._handle(Saved(trial_ids=[trial.id], at=at))

    def _outcome(self, trial: Trial, value: object, failed: str | None, at: float) -> AnyEvent:
        part = Part(trial.id)
        if failed is not None:
            if value is not None:
                raise SettingsError(f"tell({trial.id}) was given both a value and failed=; give one of them.")
            return PartFailed(part=part, failure=Failure(failed), at=at)
        try:
            fields = read_result(value, self._metric, n_objectives(self.direction))
        except Unclear as unclear:
            if unclear.fatal:
                raise SettingsError(unclear.reason.replace("the objective returned", "tell was given")) from None
            return PartFailed(part=part, failure=Failure(unclear.reason), at=at)
        return PartFinished(part=part, result=Result(*fields), at=at)

    def report(self, trial: Trial | int, value: float, step: int, **metrics: Any) -> str | None:
        """Report how a trial is doing.

        Args:
            trial: What ``ask`` returned, or its number.
            value: What is optimised, as it stands.
            step: How far the trial is.
            **metrics: Anything else worth keeping.

        Returns:
            Why the trial should stop, or None if it should go on. A stopped trial is told like any other. If the
            scheduler wants the trial to pause, that is a reason to stop, too: only a search with workers of its own
            can let it go on.

        Raises:
            SettingsError: There is no such trial on its way, or ``value`` is no number.
        """
        trial = self._on_its_way(trial)
        if isinstance(step, bool) or not isinstance(step, int):
            raise SettingsError(f"report takes a whole number as step, and {step!r} is none.")
        found = number(value)
        if found is None:
            raise SettingsError(f"report takes a number, and {value!r} is a {type(value).__name__}.")
        at = self._clock.now()
        report = Report(step, found if math.isfinite(found) else None, metrics, at)
        self._handle(Reported(part=Part(trial.id), reports=[report], at=at))
        return self._search.trials[trial.id].reason or None

    def _handle(self, event: AnyEvent) -> list[AnyCommand]:
        with self._lock:
            commands = self._search.handle(event)
        if self._search.error is not None:
            raise self._search.error
        return commands

    def _known(self, trial: Trial | int) -> Trial:
        trial_id = trial.id if isinstance(trial, Trial) else trial
        found = self._search.trials.get(trial_id)
        if found is None:
            raise SettingsError(f"The study {self.name!r} has no trial {trial_id!r}.")
        return found

    def _on_its_way(self, trial: Trial | int) -> Trial:
        found = self._known(trial)
        if found.state is not TrialState.RUNNING:
            raise SettingsError(f"Trial {found.id} has its outcome already: it is {found.state.value}.")
        return found


class _NoSampler:
    """Of a study that is only looked at.

    Args:
        explanation: What the study's own sampler said of itself.
    """

    learns = False

    def __init__(self, explanation: str = ""):
        self._explanation = explanation

    def explain(self) -> str:
        """What the study's own sampler did, and why."""
        return self._explanation.removeprefix("Sampler: ")

    def start(self, problem: Problem) -> None:
        """There is nothing to prepare."""

    def suggest(self, trial_id: int, running: Mapping[int, Point]) -> Point | None:
        """There is nothing to suggest."""

    def observe(self, trial: Trial, outcome: Outcome | None) -> None:
        """There is nothing to learn."""
