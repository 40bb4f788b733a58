"""How a search would go: with other workers, another scheduler or sampler, without waiting for it.

What would 64 workers make of curves like those of my last study?

    study = mh.simulate(last_study, workers=64, max_trials=1000, scheduler=...)
    print(study.summary())
    print(f"{utilisation(study, 64):.0%} of the workers' time was used")
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from manyhands.api import tune
from manyhands.errors import SettingsError
from manyhands.executors.simulated import Fault, Simulated
from manyhands.samplers.cube import Cube
from manyhands.study import Study
from manyhands.trial import Report, Trial, TrialState


def simulate(
    curves: Callable[..., Any] | Study,
    space: object = None,
    *,
    workers: int = 1,
    faults: Sequence[Fault] = (),
    start_s: float = 0.0,
    **settings: Any,
) -> Study:
    """Run a search in virtual time: an hour of training takes no time, and all else is as in ``mh.tune``.

    Args:
        curves: A function of the params that yields ``(seconds, value)`` for each of its reports; see
            ``manyhands.executors.simulated``. Or a former study of one objective: every trial then runs like the
            nearest of its trials, see ``Curves``.
        space: As for ``mh.tune``; a former study's own, if it is not given.
        workers: How many workers there are.
        faults: What happens to them.
        start_s: How many seconds a worker takes until it is ready.
        **settings: As for ``mh.tune``. Times are in virtual seconds. Nothing is shown or stored unless it is asked for.

    Returns:
        The study; its times are seconds from the start of the simulation.

    Raises:
        SettingsError: A setting makes no sense, or a former study has no curves.
        ExecutorError: All workers were lost for good, or hang.
        ManyhandsError: As ``mh.tune`` says.

    Example:
        >>> import manyhands as mh
        >>> def train(params):
        ...     for epoch in range(1, 11):
        ...         yield 60.0, params["x"] / epoch
        >>> study = mh.simulate(train, {"x": mh.Float(0, 1)}, workers=64, max_trials=640, sampler="random")
        >>> max(trial.ended_at for trial in study.trials) / 3600, utilisation(study, 64)
        (1.6666666666666667, 1.0)
    """
    defaults: dict[str, Any] = {"progress": False, "store": None}
    if isinstance(curves, Study):
        defaults |= {"direction": curves.direction, "name": f"{curves.name}-simulated"}
        space = curves.space if space is None else space
        curves = Curves.of(curves)
    elif space is None:
        raise SettingsError("space= is needed, unless a former study is simulated, which has one.")
    executor = Simulated(workers, faults=faults, start_s=start_s)
    return tune(curves, space, executor=executor, **{**defaults, **settings})


def utilisation(study: Study, workers: int) -> float:
    """The share of the workers' time, from the first trial's start to the last one's end, in which trials ran.

    A trial whose worker was lost counts from its first start to its end, but for the time in which it was paused.

    Args:
        study: One whose trials come in one piece.
        workers: How many workers it had.

    Raises:
        SettingsError: Its trials have splits, whose times are not kept; or none has ended.
    """
    trials = [trial for trial in study.trials if trial.ended_at is not None]
    if not trials or any(trial.split_values for trial in trials):
        raise SettingsError(f"The study {study.name!r} has no trials in one piece that ended.")
    whole_s = max(trial.ended_at or 0.0 for trial in trials) - min(trial.started_at for trial in trials)
    busy_s = sum((trial.duration_s or 0.0) - trial.paused_s for trial in trials)
    return busy_s / (workers * whole_s) if whole_s > 0 else 1.0


class Curves:
    """The curves of a former study, as a simulated objective.

    Params run like the nearest trial in the unit cube of the space, the oldest of equals: with its values, and with
    its seconds between them. Only trials that finished at their first attempt are used, as the curve of any other one
    is not known to its end.

    Args:
        study: The former study.
        trials: Which of its trials to use.

    Example:
        >>> import manyhands as mh
        >>> def train(params):
        ...     for epoch in range(1, 4):
        ...         yield 60.0 * params["x"], params["x"] / epoch
        >>> former = mh.simulate(train, {"x": mh.Int(1, 5)}, sampler="grid")
        >>> list(Curves.of(former)({"x": 3}))
        [(180.0, 3.0, {'step': 0}), (180.0, 1.5, {'step': 1}), (180.0, 1.0, {'step': 2}), (0.0, None)]
    """

    def __init__(self, study: Study, trials: Sequence[Trial]):
        self._study = study
        self._trials = trials
        self._cube = Cube(study.space)
        self._rows = np.array([self._cube.encode(trial.point) for trial in trials])
        self._known: dict[int, list[Report]] = {}

    @classmethod
    def of(cls, study: Study) -> "Curves":
        """The curves of all trials that can be used.

        Raises:
            SettingsError: There is none, or the study has splits or several objectives.
        """
        finished = [trial for trial in study.trials if trial.state is TrialState.FINISHED and not trial.lost]
        if any(trial.split_values or trial.value is None for trial in finished):
            raise SettingsError(f"The study {study.name!r} has splits or several objectives, and so no curves.")
        if not finished:
            raise SettingsError(f"The study {study.name!r} has no trial that finished, and so no curves.")
        return cls(study, finished)

    def __call__(self, params: Any) -> Generator[tuple[Any, ...], None, float | None]:
        """The curve of params: what a simulated objective yields, and the value it ends with."""
        trial = self.nearest(params)
        if trial.id not in self._known:
            self._known[trial.id] = self._study.reports(trial)
        at = trial.started_at
        for report in self._known[trial.id]:
            value = float("nan") if report.value is None else report.value
            yield max(0.0, report.at - at), value, {**report.metrics, "step": report.step}
            at = max(at, report.at)
        yield max(0.0, (trial.ended_at or at) - at), None  # from its last report to its end
        return trial.value

    def nearest(self, params: Any) -> Trial:
        """The trial whose curve these params have."""
        row = self._cube.encode(self._study.space.find(params))
        away = np.abs(self._rows - row)
        away[:, self._cube.is_unordered] = away[:, self._cube.is_unordered] > 0  # one option is as far as another
        is_inactive = np.isnan(self._rows)
        away[is_inactive != np.isnan(row)] = 1.0
        away[is_inactive & np.isnan(row)] = 0.0
        return self._trials[int(np.argmin((away**2).sum(axis=1)))]
