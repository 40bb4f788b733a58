"""What every scheduler must do."""

import itertools
import math
from collections.abc import Callable
from random import Random

from msgspec import Struct

from manyhands.events import Asked, Reported
from manyhands.parameters import Float
from manyhands.ports import Fork, Pause, Resume, Scheduler, Wait
from manyhands.samplers import RandomSampler
from manyhands.schedulers import make_scheduler
from manyhands.search import Search, Settings
from manyhands.space import Space
from manyhands.trial import Part, Report, Trial, TrialState

_N_AT_A_TIME = 5
_TINY = 1e-3

#: From a trial's number and a step to the loss that it reports there.
Curve = Callable[[int, int], float]


class Call(Struct, frozen=True):
    """What a scheduler is told: of a report, or else of a trial's beginning or end; or that it is asked who is next.

    Attributes:
        trial_id: The trial; -1 for a question.
        step: Of the report; None if there is none.
        loss: Of the report, or the trial's last one; NaN for a trial that diverged.
        is_late: Whether the report comes after its trial was told to leave, so that a search does not pass it on.
        what: ``"report"``, ``"begin"``, ``"end"`` or ``"next"``.
    """

    trial_id: int
    step: int | None
    loss: float
    is_late: bool = False
    what: str = "report"


class SchedulerContract:
    """Tests that any scheduler passes; override ``make``.

    Most run some trials, several at a time. Trials 3, 7, 11 and so on are poor: they have a loss of 2 at every step.
    The losses of all others begin below 1 and fall, those of trials 0, 4, 8 and so on the lowest. A trial that pauses
    goes on when the scheduler says so; at the end those that still pause are stopped.

    Attributes:
        n_trials: How many trials there are.
        n_steps: How many steps each has, from 1 on; enough for the scheduler to stop the poor trials.
        compares: Whether trials are compared with each other. Then the best one, and a single one, is never stopped.
        max_work: How many operations with losses a report, or the question who is next, may take when there are 10,000
            trials.
    """

    n_trials = 30
    n_steps = 30
    compares = True
    max_work = 200

    def make(self) -> Scheduler:
        """Return a new scheduler, for minimising."""
        raise NotImplementedError

    def make_for_maximizing(self) -> Scheduler:
        """Return a new scheduler that does the same when values have the other sign."""
        return self.make()

    # -- decisions ---------------------------------------------------------------------------------------------

    def test_poor_trials_are_stopped(self) -> None:
        stopped = _stopped(self._run())

        assert any(_is_poor(trial_id) for trial_id in stopped), "not one of the poor trials was stopped"
        assert not all(trial_id in stopped for trial_id in range(self.n_trials)), "no trial was left"

    def test_a_reason_is_a_text(self) -> None:
        for call, answer in self._run():
            reason = answer.reason if isinstance(answer, Pause) else answer
            is_text = isinstance(reason, str) and reason.strip()
            assert call.what == "next" or reason is None or is_text, f"{answer!r} is no reason"

    def test_who_goes_on_was_paused(self) -> None:
        """The scheduler says who is next when it has ``next_trial``; it may say so again until the trial goes on."""
        self._run()
        self._run(asks_twice=True)

    def test_the_same_reports_get_the_same_decisions(self) -> None:
        assert self._run() == self._run(), "a scheduler may depend on nothing but what it is told"

    def test_the_only_trial_is_never_stopped(self) -> None:
        if not self.compares:
            return
        for loss in (0.0, 5.0, -5.0):
            scheduler = self._make()
            for step in range(1, self.n_steps + 1):
                assert _tell(scheduler, Call(0, step, loss)) is None

    def test_the_best_trial_is_never_stopped(self) -> None:
        if not self.compares:
            return
        for best in range(0, self.n_trials, 8):
            told = self._run(_with_best(best))

            assert best not in _stopped(told), f"trial {best} was the best at every step, and was stopped"

    def test_maximizing_stops_the_trials_that_minimizing_stops(self) -> None:
        down = self._search(make_scheduler(self.make(), "minimize"), "minimize")
        up = self._search(make_scheduler(self.make_for_maximizing(), "maximize"), "maximize")

        assert down, "not one trial was stopped"
        assert up == down, "losses are values with the other sign then; smaller losses are always better"

    # -- what reports may be like ------------------------------------------------------------------------------

    def test_steps_may_be_skipped(self) -> None:
        for every in (2, 7, self.n_steps):
            told = self._run(steps=range(every, self.n_steps + 1, every))

            assert self._best() not in _stopped(told)

    def test_a_trial_that_begins_again_is_not_counted_twice(self) -> None:
        """It lost its worker: it has another attempt, and reports the same steps again."""
        told = self._run()
        scheduler = self._make()
        for i, (call, answer) in enumerate(told):
            if call.is_late:
                continue
            assert _tell(scheduler, call) == answer, "reports that were repeated changed what came after them"
            if answer is None and call.step in (1, 4, 10):
                for earlier, _ in told[: i + 1]:
                    if earlier.trial_id == call.trial_id and earlier.what == "report":
                        _tell(scheduler, earlier)

    def test_a_trial_without_a_finite_value_is_stopped(self) -> None:
        scheduler = self._make()
        self._run(scheduler=scheduler)

        answers = [_tell(scheduler, Call(self.n_trials, step, math.nan)) for step in range(1, self.n_steps + 1)]

        assert any(answers), "a diverged trial is worse than all others"

    def test_diverged_trials_do_not_save_poor_ones(self) -> None:
        """Comparisons with NaN are always false, so that they can hide what is poor, or put a list out of order."""
        stopped = _stopped(self._run(_with_diverged))

        assert any(_is_poor(trial_id) for trial_id in stopped)
        assert self._best() not in stopped

    def test_outcomes_of_any_kind_are_accepted(self) -> None:
        scheduler = self._make()
        scheduler.observe(_ended(0, None), None)  # it failed, and never reported
        _tell(scheduler, Call(1, 1, 0.5))
        scheduler.observe(_ended(1, 0.5), 0.5)
        _tell(scheduler, Call(2, 1, 0.5))
        scheduler.observe(_ended(2, None), None)

    # -- resuming ----------------------------------------------------------------------------------------------

    def test_a_resumed_search_goes_on_as_if_never_interrupted(self) -> None:
        """At every call: the earlier ones are told again, those included that came too late when it ran."""
        told = self._run()
        for k in range(len(told)):
            scheduler = self._make()
            for call, _ in told[:k]:
                if call.what != "next":
                    _tell(scheduler, call)
            for call, answer in told[k:]:
                if not call.is_late:
                    assert _tell(scheduler, call) == answer, f"it decided otherwise after {k} calls were told again"

    def test_a_second_search_begins_afresh(self) -> None:
        """Of a scheduler that has ``start``; any other one is good for one search."""
        scheduler = self._make()
        if not hasattr(scheduler, "start"):
            return
        self._run(scheduler=scheduler)

        assert self._run(scheduler=make_scheduler(scheduler, "minimize")) == self._run()

    # -- cost --------------------------------------------------------------------------------------------------

    def test_a_report_is_judged_without_a_look_at_all_others(self) -> None:
        """Counted in operations with losses, as times differ from run to run."""
        scheduler = self._make()
        losses = Random(3)  # noqa: S311 - nothing secret
        most = 0
        for trial_id in range(10_000):
            loss = losses.random()
            for step in (1, 3, 9):
                _Counted.n = 0
                verdict = _tell(scheduler, Call(trial_id, step, _Counted(loss)))
                offer = _tell(scheduler, _QUESTION)
                if trial_id >= 9_900:
                    most = max(most, _Counted.n)
                if isinstance(offer, Resume):
                    _tell(scheduler, _beginning(offer.trial_id))
                if verdict is not None:
                    break

        assert most <= self.max_work, f"one report took {most} operations with losses when there were 10,000 trials"

    # -- inside ------------------------------------------------------------------------------------------------

    def _make(self) -> Scheduler:
        return make_scheduler(self.make(), "minimize")

    def _best(self) -> int:
        return min(range(self.n_trials), key=lambda i: _loss(i, self.n_steps))

    def _run(
        self,
        curve: Curve | None = None,
        *,
        scheduler: Scheduler | None = None,
        steps: range | None = None,
        asks_twice: bool = False,
    ) -> list[tuple[Call, object]]:
        """Run all trials, several at a time and at changing speeds; return what was told, and the answers."""
        play = _Play(scheduler or self._make(), self.n_trials, steps or range(1, self.n_steps + 1), curve or _loss)
        play.asks_twice = asks_twice
        return play.run()

    def _search(self, scheduler: Scheduler, direction: str) -> dict[int, int]:
        """Run all trials through a search; return at which step those were stopped that were."""
        settings = Settings(direction=direction)
        search = Search(Space({"x": Float(0, 1)}), RandomSampler(), settings, scheduler=scheduler)
        stopped: dict[int, int] = {}
        for _ in range(self.n_trials):
            search.handle(Asked(at=0.0))
        for step, trial_id in itertools.product(range(1, self.n_steps + 1), range(self.n_trials)):
            loss = _loss(trial_id, step)
            report = Report(step, loss if direction == "minimize" else -loss)
            search.handle(Reported(part=Part(trial_id), reports=[report], at=float(step)))
            if search.error is not None:
                raise search.error
            if search.trials[trial_id].reason:
                stopped.setdefault(trial_id, step)
        return stopped


class _Play:
    """Some trials, several at a time, and what a scheduler is told of them.

    Attributes:
        told: Each call, and the answer.
        asks_twice: Whether the scheduler is asked twice who is next, before that trial begins.
    """

    def __init__(self, scheduler: Scheduler, n_trials: int, steps: range, curve: Curve):
        self.told: list[tuple[Call, object]] = []
        self.asks_twice = False
        self._scheduler = scheduler
        self._curve = curve
        self._left = [list(steps) for _ in range(n_trials)]
        self._upcoming = iter(range(n_trials))
        self._running: list[int] = []
        self._paused: set[int] = set()
        self._chance = Random(11)  # noqa: S311 - nothing secret

    def run(self) -> list[tuple[Call, object]]:
        """Run until no trial is left; return ``told``."""
        self._fill()
        while self._running:
            self._step(self._chance.choice(self._running))
            self._fill()
        for trial_id in sorted(self._paused):
            self._tell(_end(trial_id, 1.0))
        return self.told

    def _fill(self) -> None:
        while len(self._running) < _N_AT_A_TIME:
            trial_id = self._who_is_next()
            if trial_id is None:
                return
            self._tell(_beginning(trial_id))
            self._running.append(trial_id)

    def _who_is_next(self) -> int | None:
        if hasattr(self._scheduler, "next_trial"):
            offer = self._tell(_QUESTION)
            assert not self.asks_twice or self._tell(_QUESTION) == offer, "the answer changed, and nothing happened"
            assert offer is None or isinstance(offer, Resume | Fork | Wait), f"{offer!r} is no answer to who is next"
            if isinstance(offer, Resume):
                assert offer.trial_id in self._paused, f"{offer!r} was answered, and that trial is not paused"
                self._paused.remove(offer.trial_id)
                return offer.trial_id
            if isinstance(offer, Wait):
                return None
        return next(self._upcoming, None)

    def _step(self, trial_id: int) -> None:
        left = self._left[trial_id]
        step = left.pop(0)
        loss = self._curve(trial_id, step)
        verdict = self._tell(Call(trial_id, step, loss))
        if verdict is not None and left:
            late = left.pop(0)
            self.told.append((Call(trial_id, late, self._curve(trial_id, late), is_late=True), None))
        if verdict is None and left:
            return
        self._running.remove(trial_id)
        if isinstance(verdict, Pause) and left:
            self._paused.add(trial_id)
        else:
            self._tell(_end(trial_id, loss))

    def _tell(self, call: Call) -> object:
        answer = _tell(self._scheduler, call)
        self.told.append((call, answer))
        return answer


_QUESTION = Call(-1, None, 0.0, what="next")


def _beginning(trial_id: int) -> Call:
    return Call(trial_id, None, 0.0, what="begin")


def _end(trial_id: int, loss: float) -> Call:
    return Call(trial_id, None, loss, what="end")


def _is_poor(trial_id: int) -> bool:
    return trial_id % 4 == 3


def _loss(trial_id: int, step: int) -> float:
    if _is_poor(trial_id):
        return 2.0 + trial_id * _TINY
    final = (0.1, 0.4, 0.6)[trial_id % 4] + trial_id * 7 % 30 * _TINY  # no two are alike, and their order is mixed
    return final + (0.9 - final) * math.exp(-0.3 * step)


def _with_best(best: int) -> Curve:
    return lambda trial_id, step: -float(step) if trial_id == best else _loss(trial_id, step)


def _with_diverged(trial_id: int, step: int) -> float:
    return math.nan if trial_id % 8 == 1 else _loss(trial_id, step)


def _stopped(told: list[tuple[Call, object]]) -> set[int]:
    """Trials that were told to leave, and did not go on."""
    stopped = set()
    for call, answer in told:
        if call.what == "begin":
            stopped.discard(call.trial_id)
        elif call.what == "report" and answer is not None:
            stopped.add(call.trial_id)
    return stopped


def _tell(scheduler: Scheduler, call: Call) -> object:
    value = call.loss if math.isfinite(call.loss) else None
    if call.step is not None:
        return scheduler.judge(call.trial_id, Report(call.step, value), call.loss)
    if call.what == "next":
        return scheduler.next_trial() if hasattr(scheduler, "next_trial") else None
    if call.what == "begin":
        if hasattr(scheduler, "began"):
            scheduler.began(Trial(call.trial_id, {"x": 0.5}, {"x": 0.5}))
        return None
    scheduler.observe(_ended(call.trial_id, value), value)
    return None


def _ended(trial_id: int, loss: float | None) -> Trial:
    state = TrialState.FAILED if loss is None else TrialState.FINISHED
    return Trial(trial_id, {"x": 0.5}, {"x": 0.5}, state=state, value=loss, order=trial_id)


class _Counted(float):
    """A loss that counts the operations with it, and with whatever was computed from it."""

    n = 0


def _counting(name: str) -> Callable[..., object]:
    plain = getattr(float, name)

    def operate(self: float, *others: float) -> object:
        _Counted.n += 1
        made = plain(self, *others)
        return _Counted(made) if type(made) is float else made

    return operate


for _name in ("lt", "le", "gt", "ge", "eq", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "neg"):
    setattr(_Counted, f"__{_name}__", _counting(f"__{_name}__"))
