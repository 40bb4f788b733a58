"""A search's sampler, scheduler and stop rules: what they are told, and what they are asked.

Methods that they need not have are looked for here, and nowhere else. Nothing here changes a trial.
"""

import math
from collections.abc import Callable, Sequence

from manyhands.errors import SettingsError
from manyhands.incumbents import Incumbents
from manyhands.objectives import losses_of, n_objectives, values_of
from manyhands.ports import Fork, Outcome, Pause, Problem, Resume, Sampler, Scheduler, StopRule, Wait
from manyhands.racing import Race
from manyhands.settings import Settings
from manyhands.space import Point, Space
from manyhands.timed import TimedSampler, explained
from manyhands.trial import Report, Trial, TrialState


class Advisers:
    """Everybody whose advice a search takes. They are started here, and what they raise comes out of the methods.

    Args:
        space: What is searched.
        settings: What is fixed.
        sampler: Proposes trials.
        scheduler: Judges reports, and may say who is next; None lets every trial run to its end.
        rules: What may end the search early.
        lessons: Trials of former studies. Only the sampler is told of them, and they do not count.
        timer: Tells how long the sampler thinks, in seconds.

    Attributes:
        sampler: To be asked for trials; ``learn`` and ``reported`` tell it what came of them.
        incumbents: The best of the trials whose outcome is known.
        n_ended: How many trials have an outcome that is known.
        listen: Whether reports have to be told to anybody.
        race: Judges trials by their first splits; None if they all run to their end.
        wish_to_end: The first reason that a rule gave why the search should end, or None.
    """

    def __init__(
        self,
        space: Space,
        settings: Settings,
        sampler: Sampler,
        scheduler: Scheduler | None,
        rules: Sequence[StopRule],
        lessons: Sequence[Trial],
        timer: Callable[[], float],
    ):
        self.sampler = TimedSampler(sampler, timer)
        self.incumbents = Incumbents(settings.direction)
        self.n_ended = 0
        self.wish_to_end: str | None = None
        self.race = Race(settings.direction, settings.n_splits) if settings.races and settings.n_splits else None
        self._n_failed = 0
        self._settings = settings
        self._scheduler = scheduler
        self._rules = rules
        self._next_trial: Callable[[], object] | None = getattr(scheduler, "next_trial", None)
        self._began: Callable[[Trial], None] | None = getattr(scheduler, "began", None)
        self._report: Callable[[int, Point, Report, float], None] | None = None  # of the sampler
        if settings.n_splits is None and n_objectives(settings.direction) == 1:
            self._report = getattr(sampler, "report", None)
        self.listen = self._report is not None or scheduler is not None
        self._start(space, None if self._report is None else getattr(sampler, "forecast", None))
        for trial in lessons:
            self._teach(trial)

    def _start(self, space: Space, forecast: object) -> None:
        settings, max_steps = self._settings, getattr(self._scheduler, "max_steps", None)
        problem = Problem(space, settings.seed, n_objectives(settings.direction), settings.max_trials, max_steps)
        self.sampler.start(problem)
        if self._scheduler is not None and hasattr(self._scheduler, "prepare"):
            self._scheduler.prepare(problem)
        if self._scheduler is not None and hasattr(self._scheduler, "consult"):
            self._scheduler.consult(forecast)
        for rule in self._rules:
            if hasattr(rule, "start"):
                rule.start(problem)

    @property
    def explanation(self) -> str:
        """What the sampler and the scheduler do and why, in their own words; empty if they have none."""
        said = {"Sampler": self.sampler.explanation, "Scheduler": explained(self._scheduler)}
        return ". ".join(f"{role}: {text}" for role, text in said.items() if text)

    @property
    def choose_next(self) -> bool:
        """Whether the scheduler may say who is next."""
        return self._next_trial is not None

    @property
    def wait_for_outcomes(self) -> bool:
        """Whether somebody's advice depends on outcomes, or on who is running."""
        has_urgent_rule = any(getattr(rule, "is_urgent", True) for rule in self._rules)
        return bool(
            self.sampler.learns or self.choose_next or has_urgent_rule or self._settings.max_failures is not None
        )

    def began(self, trial: Trial) -> None:
        """Tell the scheduler, of what was known before the trial began: so a restored one is told the same."""
        if self._began is not None:
            self._began(Trial(trial.id, trial.point, trial.params, parent=trial.parent))

    def reported(self, trial: Trial, report: Report, is_judged: bool) -> str | Pause | None:
        """Tell of a report, and return why its trial has to leave; None lets it go on.

        Args:
            trial: Whose report it is.
            report: What it said.
            is_judged: False if the trial was told to leave before, so that the scheduler is not asked.

        Raises:
            SettingsError: If a trial with splits should pause.
        """
        if self._report is not None:
            self._report(trial.id, trial.point, report, self._loss(report))
        if self._scheduler is None or not is_judged:
            return None
        verdict = self._scheduler.judge(trial.id, report, self._loss(report))
        if verdict is not None and isinstance(verdict, Pause) and (self._settings.n_splits or 1) > 1:
            raise SettingsError(f"The scheduler wants trial {trial.id} to pause, and trials with splits cannot.")
        return verdict

    def learn(self, trial: Trial) -> None:
        """Tell everybody of an outcome, once it is on disk."""
        self.n_ended += 1
        losses = self._teach(trial)
        if self._scheduler is not None:
            self._scheduler.observe(trial, losses[0] if losses else None)
        is_best = self.incumbents.add(trial)
        if self.race is not None:
            self.race.observe(trial)
        self._n_failed += trial.state is TrialState.FAILED
        for rule in self._rules:
            self._note(rule.observe(trial, is_best, self._settings.direction))
        limit = self._settings.max_failures
        if limit is not None and self._n_failed >= limit:
            self._note(f"{self._n_failed} trials failed, and max_failures={limit}")

    def next_trial(self) -> Resume | Fork | Wait | None:
        """Ask the scheduler who is next; None leaves it to the sampler.

        Raises:
            SettingsError: If it answers anything else.
        """
        offer = None if self._next_trial is None else self._next_trial()
        if offer is None or isinstance(offer, Resume | Fork | Wait):
            return offer
        raise SettingsError(
            f"The scheduler's next_trial() returned {offer!r}. It must return mh.Resume, mh.Fork, mh.Wait or None."
        )

    def _note(self, reason: str | None) -> None:
        if self.wish_to_end is None:
            self.wish_to_end = reason

    def _teach(self, trial: Trial) -> tuple[float, ...]:
        """Tell the sampler of an outcome, and return its losses."""
        values = values_of(trial)
        losses = losses_of(values, self._settings.direction) if values else ()
        self.sampler.observe(trial, Outcome(losses, trial.constraints, trial.variance) if losses else None)
        return losses

    def _loss(self, report: Report) -> float:
        if report.value is None:
            return math.nan
        return report.value if self._settings.direction == "minimize" else -report.value
