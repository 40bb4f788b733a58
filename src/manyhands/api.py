"""The front door: the only place where the parts are put together."""

import inspect
import itertools
import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from manyhands.advice import Advice, Facts, Setup, about_objective, advise, check_silence
from manyhands.checkpoints.keeper import CheckpointKeeper, Rule
from manyhands.checkpoints.place import below, beside_store, check_reach, read_place
from manyhands.checks import check_role, check_seconds, check_seed, check_texts, check_whole
from manyhands.clock import SystemClock
from manyhands.driver import Driver, Pace
from manyhands.errors import AllTrialsFailedError, ObjectiveError, SettingsError, StoreError
from manyhands.eventlog import EventLog
from manyhands.executors.inline import Inline
from manyhands.executors.limits import available_cores
from manyhands.executors.processes import Processes
from manyhands.executors.simulated import Simulated
from manyhands.job import Job
from manyhands.objectives import Direction, check_one_objective, n_objectives, read_direction, read_metric
from manyhands.ports import Archive, Clock, Executor, Sampler, Scheduler, StopRule, Store, StudySpec, Tracker
from manyhands.results import commonest_failure
from manyhands.rules import Target
from manyhands.samplers import make_sampler, name_of_sampler
from manyhands.samplers.grid import GridSampler
from manyhands.schedulers import make_scheduler
from manyhands.search import Search, Settings
from manyhands.space import Space
from manyhands.stores.archive import OpenStudy, StoredStudy
from manyhands.stores.memory import MemoryStore
from manyhands.stores.reading import list_studies, load_history
from manyhands.stores.sqlite import SqliteStore
from manyhands.study import Study
from manyhands.trackers.console import ConsoleTracker
from manyhands.transfer import Former, carried_over, check_learns
from manyhands.trial import TrialState

log = logging.getLogger("manyhands")

_DEFAULT_STORE = "manyhands.db"
_TRACKER_HOOKS = ("started", "explained", "trial_started", "reported", "logged", "trial_ended", "tick", "ended")


def tune(
    objective: Callable[..., Any],
    space: object,
    *,
    max_trials: int | None = None,
    workers: int | None = None,
    direction: str | Sequence[str] = "minimize",
    metric: str | Sequence[str] | None = None,
    sampler: str | Sampler = "auto",
    scheduler: str | Scheduler | None = None,
    executor: str | Executor = "processes",
    seed: int | None = None,
    timeout_s: float | None = None,
    stop: StopRule | Sequence[StopRule] = (),
    max_failures: int | None = None,
    max_attempts: int = 3,
    trial_timeout_s: float | None = None,
    splits: int | None = None,
    racing: bool = False,
    store: str | os.PathLike[str] | Store | None = "auto",
    name: str | None = None,
    resume: bool = True,
    fingerprint: Mapping[str, str] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    start_with: Sequence[object] = (),
    warm_start: Former | Sequence[Former] | None = None,
    trackers: Sequence[Tracker] = (),
    progress: bool = True,
    silence: Collection[str] = (),
    show_output: bool | None = None,
    event_log: str | os.PathLike[str] | None = None,
) -> Study:
    """Search a space for the params that make an objective best.

    Args:
        objective: ``objective(params)`` or ``objective(params, trial)``. It returns a number, or a dict with the number
            under ``"value"`` (or ``"loss"``, or what ``metric`` says), perhaps its ``"variance"``, ``"constraints"``
            (a list of numbers, each of which is kept if it is not above 0), and other metrics. With several objectives
            it returns a list of numbers, or a dict with that list under ``"values"``, or one with the keys that
            ``metric`` lists. What it raises is its trial's failure, and the search goes on. It may also return a dict
            with the reason under ``"failed"``, and no value: a failure whose other entries are kept as metrics.
        space: Any nesting of dicts, lists and tuples with parameters as leaves; the objective receives the same nesting
            with values in it.
        max_trials: End after so many trials, those of earlier runs of the same study included.
        workers: How many trials (or splits of them) run at a time; one for each core if not given.
        direction: ``"minimize"`` or ``"maximize"``; for several objectives a list of these, one for each. A list of one
            is the same as that one.
        metric: The key of the objective's dict that is optimised; for several objectives a list of keys.
        sampler: What proposes trials: ``"auto"``, ``"gp"``, ``"tpe"``, ``"random"``, ``"grid"``, ``"sobol"``,
            a sampler object of your own, or one of Optuna's.
        scheduler: What may stop poor trials early, by their reports: ``"auto"``, ``"forecast"``, ``"asha"``,
            ``"asha-promotion"``, ``"hyperband"``, ``"median"``, ``"pbt"``, ``"pb2"``, or a scheduler object such as
            ``mh.AutoScheduler(max_steps=27)``, ``mh.ForecastScheduler``, ``mh.ASHAScheduler``,
            ``mh.ASHAPromotionScheduler``, ``mh.HyperbandScheduler``, ``mh.MedianScheduler``, ``mh.PBTScheduler``,
            ``mh.PB2Scheduler``, ``mh.PatienceScheduler``, ``mh.ThresholdScheduler``, or one of your own. None lets all
            run to their end. Only for one objective, without ``splits``; ``docs/early-stopping.md`` says which to take.
        executor: Where workers run: ``"processes"`` of this machine, ``"spark"`` for the tasks of the active Spark
            session, ``"inline"`` in this very thread, or an executor object such as ``mh.Spark(...)``.
        seed: Same seed, same trials, when they run one after another. Not given: 0, or the stored study's own.
        timeout_s: End after so many seconds, whatever runs then being interrupted.
        stop: Rules that may end the search early, one or several, of which any may end it: ``mh.NoProgress(30)``,
            ``mh.Budget(100.0)`` and, for one objective, ``mh.Target(0.01)`` and ``mh.RegretBound()``; or your own.
        max_failures: End when so many trials have failed.
        max_attempts: How often a trial is started before it fails, if its workers die.
        trial_timeout_s: The longest that a trial (each split of one) may run, in seconds; it then fails.
        splits: Run each trial as so many independent parts: ``objective(params, trial)`` with ``trial.split`` from 0
            on. The trial's value is their mean, and its variance the variance between them.
        racing: Leave out the rest of a trial's splits once those before, compared with the same ones of the best
            trial, say that it will hardly be better. Such a trial is ``stopped``; its value is an estimate of what it
            would be over all splits. For one objective.
        store: A file to keep the study in, or a store object, or None for memory only. Not given: ``manyhands.db`` if
            there is a ``name``, else memory.
        name: The study's name in its store. A rerun under the same name goes on where the last one stood. Without a
            name every run is a new study, called after the objective.
        resume: Whether it may; False refuses a name that has trials.
        fingerprint: What the objective works on, such as its data: a short text (a hash) by the name of each thing. It
            is stored, and a rerun with another text under one of these names is refused.
        checkpoints: A folder, or a URL that fsspec knows such as ``"s3://bucket/runs"``, below which trials keep what
            they save (``trial.save``, ``trial.checkpoint_dir``). Not given: beside the store's file, or a temporary
            folder that goes with a study in memory. When a trial has its outcome, its checkpoints are removed, but for
            those of the best trial so far and those that other trials still begin with. A folder serves workers on
            other machines only if they have it mounted at the same path: otherwise a trial finds its checkpoints only
            if it goes on on the same machine, and what is on others is not removed. Not stored: who resumes the study
            gives it again.
        start_with: Params to try first, complete or in part; what they leave open is drawn at random. Those that a
            resumed study has tried are not tried again.
        warm_start: A former study of the same objective, or several, whose trials teach the sampler before it begins.
            They count as none of this study's, neither in its number of trials nor for its best value. The spaces may
            differ: see ``manyhands.transfer``. Not stored: who resumes the study gives it again, for it to go on as if
            never interrupted.
        trackers: What else should hear of every trial.
        progress: Show how it goes: live on a terminal, as plain lines elsewhere. It begins with advice on the space,
            the settings and the objective, if there is any; ``study.advice()`` has more when trials have ended.
        silence: Codes of advice that is not wanted, such as ``["too-few-trials"]``; see ``docs/advice.md``.
        show_output: Show also what trials print, as they print it, each line with its trial's number and no more lines
            than can be followed; ``study.log`` has them all. If it is None, on terminals and in notebooks.
        event_log: A file to record every event in, for ``manyhands.eventlog.read``.

    Returns:
        The study, with its ``best_trial`` or, for several objectives, its ``pareto_front``. After Ctrl-C too: what was
        running is then marked as interrupted, and runs again next time.

    Raises:
        SpaceError: The space, or one of ``start_with``, makes no sense.
        SettingsError: Another argument does not.
        PayloadError: The objective cannot be sent to workers; the message names what is in the way.
        ObjectiveError: It returned a dict in which it is unclear what to optimise.
        AllTrialsFailedError: Not one trial has a value; the message shows why most of them failed.
        StudyMismatchError: A stored study of that name has another space, direction, metric, seed, number of splits or
            fingerprint.
        StudyOwnedError: Another process is driving that study.
        StoreError: The store cannot be used.
        ExecutorError: Workers cannot be had.

    Example:
        >>> import manyhands as mh
        >>> study = mh.tune(lambda p: (p["x"] - 1) ** 2, {"x": mh.Int(-3, 3)}, sampler="grid",
        ...                 executor="inline", progress=False)
        >>> study.best_params, study.best_value, len(study.trials)
        ({'x': 1}, 0.0, 7)
    """
    planted = space if isinstance(space, Space) else Space(space)
    rules = [copy(rule) for rule in (stop if isinstance(stop, Sequence) else [stop])]  # they count
    check_whole(
        max_trials=max_trials, max_failures=max_failures, max_attempts=max_attempts, splits=splits, workers=workers
    )
    check_seconds(timeout_s=timeout_s, trial_timeout_s=trial_timeout_s)
    goal = read_direction(direction)
    keys = read_metric(metric, goal)
    check_seed(seed)
    check_texts(fingerprint=fingerprint)
    check_silence(silence)
    _check_roles(rules, trackers, goal)
    chosen_sampler = make_sampler(sampler)
    chosen_scheduler = None if scheduler is None else make_scheduler(scheduler, goal)
    is_endless = planted.size is None and not isinstance(chosen_sampler, GridSampler)
    if max_trials is None and timeout_s is None and not rules and is_endless:
        raise SettingsError("Nothing would end this search. Give max_trials=, timeout_s= or stop=.")
    takes_trial = _takes_trial(objective)
    _check_splits(splits, takes_trial, chosen_scheduler)
    _check_racing(racing, splits, goal)
    start_points = [planted.find(params) for params in start_with]
    lessons = carried_over(warm_start, planted, goal)
    check_learns(lessons, chosen_sampler)
    chosen_executor = _make_executor(executor, workers)
    setup = Setup(
        max_trials=max_trials,
        n_splits=splits,
        n_workers=chosen_executor.n_workers,
        cores=_shared_cores(chosen_executor),
        learns=chosen_sampler.learns,
        starts=tuple(start_points),
        silence=tuple(silence),
    )
    setup = replace(setup, said=_about(objective, setup, chosen_executor))
    place = read_place(checkpoints)
    check_reach(place, same_process=isinstance(chosen_executor, Inline | Simulated))
    chosen_store, name = _make_store(store, name, objective)
    clock, pace = _time_of(chosen_executor)
    spec = StudySpec(
        name=name,
        space=planted.spec(),
        direction=goal,
        metric=keys,
        n_splits=splits,
        seed=-1 if seed is None else seed,
        sampler=name_of_sampler(chosen_sampler),
        created_at=clock.now(),
        fingerprint=dict(fingerprint or {}),
    )
    with ExitStack() as stack:
        stack.callback(chosen_store.close)
        history = chosen_store.open(spec, resume=resume)
        if isinstance(chosen_executor, Simulated):
            chosen_executor.clock.go_on_from(history.trials)
        settings = Settings(
            direction=goal,
            seed=history.spec.seed,
            max_trials=max_trials,
            n_splits=splits,
            races=racing,
            max_failures=max_failures,
            max_attempts=max_attempts,
            timeout_s=timeout_s,
            trial_timeout_s=trial_timeout_s,
            ahead=not isinstance(chosen_executor, Inline | Simulated),  # no way to these is worth hiding
        )
        search = Search(
            planted,
            chosen_sampler,
            settings,
            scheduler=chosen_scheduler,
            rules=rules,
            start_with=start_points,
            lessons=lessons,
            timer=time.perf_counter,
        )
        listens = chosen_scheduler is not None or hasattr(chosen_sampler, "report")
        search.restore(history, chosen_store.reports() if listens else ())
        recorder = None if event_log is None else stack.enter_context(EventLog(event_log)).record
        shows_output = False if isinstance(chosen_executor, Inline) else show_output  # there it shows by itself
        console = [ConsoleTracker(planted, shows_output=shows_output)] if progress else []
        for tracker in console:
            for advice in advise(Facts(planted, goal, setup=setup), setup.silence):
                tracker.explained(f"Advice ({advice.code}): {advice}")
        root = _checkpoint_root(place, chosen_store, history.spec, stack)
        goes_on = chosen_store is store or not isinstance(chosen_store, MemoryStore)
        rule = Rule(search.incumbents, forks=bool(getattr(chosen_scheduler, "forks", False)), goes_on=goes_on)
        keeper = [] if isinstance(chosen_executor, Simulated) else [CheckpointKeeper(root, rule)]
        listeners = [*console, *trackers, *keeper]
        driver = Driver(search, history.spec, chosen_executor, chosen_store, clock, listeners, recorder, pace)
        job = Job(
            objective,
            planted.template,
            takes_trial=takes_trial,
            metric=keys,
            n_objectives=n_objectives(goal),
            checkpoints=root,
            is_judged=chosen_scheduler is not None,
        )
        driver.run(job)
        lasting = root if place is not None or isinstance(chosen_store, SqliteStore) else None
        study = Study._around(search, name, keys, _archive(chosen_store, name), lasting, setup)
    _raise_if_useless(search, study)
    return study


def load_study(
    name: str,
    store: str | os.PathLike[str] = _DEFAULT_STORE,
    space: object = None,
    *,
    checkpoints: str | os.PathLike[str] | None = None,
) -> Study:
    """Return a stored study, to look at; it may be one that is running just now.

    Args:
        name: Its name.
        store: The file it is in.
        space: The space it was made with. Needed only where params hold objects that a file cannot keep, such as
            classes; without it those are stood in for by their names.
        checkpoints: Where its trials keep what they save, if ``mh.tune`` was told; for ``study.checkpoint``.

    Raises:
        SettingsError: ``checkpoints`` is no place for them.
        StudyNotFoundError: The store has no study of that name.
        StoreError: The store cannot be read.
    """
    history = load_history(store, name)
    planted = Space.from_spec(history.spec.space) if space is None else Space(space)
    place = read_place(checkpoints)
    root = beside_store(store, history.spec) if place is None else below(place, history.spec, in_memory=False)
    return Study._of_history(history, planted, StoredStudy(store, name), root)


# -- the parts, from what the user gave ---------------------------------------------------------------------------


def _make_executor(executor: str | Executor, workers: int | None) -> Executor:
    if not isinstance(executor, str):
        check_role("executor", executor, "n_workers", "is_busy", "start", "poll", "perform", "close")
        if workers is not None and workers != executor.n_workers:
            raise SettingsError(
                f"workers={workers} was given beside an executor that has {executor.n_workers}. Give it to that."
            )
        return executor
    if executor == "processes":
        return Processes(workers)
    if executor == "inline":
        if workers not in (None, 1):
            raise SettingsError(f"executor='inline' runs one trial at a time, so workers={workers} cannot be had.")
        return Inline()
    if executor == "spark":
        from manyhands.executors.spark.executor import Spark  # starts a session if there is none

        return Spark(workers=workers)
    raise SettingsError(f"There is no executor {executor!r}. There are: processes, inline, spark.")


def _shared_cores(executor: Executor) -> int | None:
    """How many cores the workers of this machine share; None if they are elsewhere, or take no real time."""
    return available_cores() if isinstance(executor, Processes | Inline) else None


def _about(objective: Callable[..., Any], setup: Setup, executor: Executor) -> tuple[Advice, ...]:
    """What the objective's code says. It is other people's code, so nothing that goes wrong here ends the search."""
    if isinstance(executor, Simulated):
        return ()
    travels = not isinstance(executor, Inline)
    try:
        return tuple(
            about_objective(
                objective, n_workers=setup.n_workers, cores=setup.cores, n_splits=setup.n_splits, travels=travels
            )
        )
    except Exception:
        log.debug("there is no advice about the objective's code", exc_info=True)
        return ()


def _time_of(executor: Executor) -> tuple[Clock, Pace]:
    """Whose time it is: a simulation has its own, in which nobody has to wait for anything but the next event."""
    if isinstance(executor, Simulated):
        return executor.clock, Pace(math.inf, math.inf)
    return SystemClock(), Pace()


def _make_store(
    store: str | os.PathLike[str] | Store | None, name: str | None, objective: Callable[..., Any]
) -> tuple[Store, str]:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise SettingsError(f"name={name!r} is no name for a study. Give a text, such as 'fraud-forest'.")
    given_name = name or _name_of(objective)
    if store is None or (store == "auto" and name is None):
        return MemoryStore(), given_name
    if store == "auto":
        return SqliteStore(_DEFAULT_STORE), given_name
    if isinstance(store, str | os.PathLike):
        return SqliteStore(store), name or _new_name(given_name, Path(store))
    check_role("store", store, "open", "write", "beat", "end", "reports", "log", "close")
    return store, given_name


def _name_of(objective: Callable[..., Any]) -> str:
    name = str(getattr(objective, "__name__", type(objective).__name__))
    return "study" if name == "<lambda>" else name


def _new_name(name: str, path: Path) -> str:
    """A name that no study in the store has: only who names a study means to go on with it."""
    try:
        taken = {study.name for study in list_studies(path)}
    except StoreError:  # there is no store yet; or it is no good, which opening it will say
        return name
    numbered = (f"{name}-{i}" for i in itertools.count(2))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def _checkpoint_root(place: str | None, store: Store, spec: StudySpec, stack: ExitStack) -> str:
    """Where the study's trials keep checkpoints; made when first used."""
    if place is not None:
        return below(place, spec, in_memory=isinstance(store, MemoryStore))
    if isinstance(store, SqliteStore):
        return beside_store(store.path, spec)
    folder = Path(tempfile.gettempdir()) / f"manyhands-checkpoints-{os.getpid()}-{id(store):x}"
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return str(folder)


def _archive(store: Store, name: str) -> Archive:
    return StoredStudy(store.path, name) if isinstance(store, SqliteStore) else OpenStudy(store)


def _takes_trial(objective: Callable[..., Any]) -> bool:
    """Whether the objective wants the trial: by a parameter of that name, or by a second one it cannot do without."""
    if not callable(objective):
        raise SettingsError(f"The objective must be a function, and {objective!r} is a {type(objective).__name__}.")
    try:
        parameters = list(inspect.signature(objective).parameters.values())
    except (TypeError, ValueError):  # some builtins do not tell
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty]
    needs_names = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    if len(needed) > 2 or needs_names or (not positional and not any(p.kind is p.VAR_POSITIONAL for p in parameters)):
        raise SettingsError(
            f"The objective is called as objective(params) or objective(params, trial), "
            f"and {getattr(objective, '__name__', objective)!r} takes {inspect.signature(objective)}."
        )
    return len(positional) > 1 and (len(needed) == 2 or positional[1].name == "trial")


# -- checks ------------------------------------------------------------------------------------------------------


def _check_roles(rules: Sequence[StopRule], trackers: Sequence[Tracker], goal: Direction) -> None:
    for rule in rules:
        check_role("stop", rule, "observe")
        if isinstance(rule, Target):
            check_one_objective(goal, "mh.Target")
    for tracker in trackers:
        check_role("tracker", tracker, *_TRACKER_HOOKS)


def _check_splits(splits: int | None, takes_trial: bool, scheduler: Scheduler | None) -> None:
    if splits is None:
        return
    if not takes_trial:
        raise SettingsError(
            f"splits={splits} needs an objective(params, trial), which sees trial.split; yours takes only params."
        )
    if scheduler is not None:
        raise SettingsError("A scheduler compares whole trials, so it cannot be used together with splits.")


def _check_racing(racing: bool, splits: int | None, goal: Direction) -> None:
    if not racing:
        return
    check_one_objective(goal, "racing=True")
    if splits is None or splits < 2:
        raise SettingsError(f"racing=True leaves splits out, and splits={splits!r} has none to leave out.")


def _raise_if_useless(search: Search, study: Study) -> None:
    if search.error is not None:
        raise search.error
    if search.fatal is not None:
        raise ObjectiveError(f"{search.fatal.reason}.")
    if any(trial.state is not TrialState.FAILED for trial in search.trials.values()):
        return
    found = commonest_failure(search.trials.values())
    if found is None:
        return
    trial, n = found
    error = AllTrialsFailedError(
        f"Not one of {len(search.trials)} trials has a value. {n} of {len(search.trials)} failures are like that of "
        f"trial {trial.id}, which failed because {trial.reason}.\n    params  {trial.params!r}\n{trial.traceback}"
    )
    error.study = study
    raise error
