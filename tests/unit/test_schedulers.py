"""What each scheduler decides, by hand on small numbers and by simulation on whole searches."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

import manyhands as mh
from manyhands.schedulers import make_scheduler
from manyhands.schedulers.asha import hyperband_shares
from manyhands.trial import Report

N_STEPS = 81
SPACE = {"final": mh.Float(0, 1), "kind": mh.Choice(["quick", "steady", "late"])}
RATES = {"quick": 0.4, "steady": 0.2, "late": 0.05}  # by step; a late one has fallen by 5 % at step 1 and by 36 % at 9


def say(scheduler: Any, trial_id: int, step: int, loss: float) -> str | None:
    answer: str | None = scheduler.judge(trial_id, Report(step, loss if math.isfinite(loss) else None), loss)
    return answer


def curve(params: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Falls from 1 towards its final loss."""
    for step in range(N_STEPS):
        yield 1.0, params["final"] + (1 - params["final"]) * math.exp(-RATES[params["kind"]] * step)


def simulate(scheduler: Any, *, seed: int = 0, objective: Any = curve, n: int = 100, **settings: Any) -> mh.Study:
    executor = settings.pop("executor", None) or mh.Simulated(8)
    return mh.tune(
        objective,
        SPACE,
        executor=executor,
        sampler="random",
        max_trials=n,
        seed=seed,
        scheduler=scheduler,
        progress=False,
        **settings,
    )


def n_epochs(study: mh.Study) -> float:
    return sum(trial.duration_s or 0.0 for trial in study.trials)  # an epoch takes a second


def decisions(study: mh.Study) -> list[tuple[str, str, float | None]]:
    return [(str(trial.state), trial.reason, trial.ended_at) for trial in study.trials]


# -- the median rule -----------------------------------------------------------------------------------------------


def test_the_best_so_far_is_compared_with_the_median_of_the_others_averages() -> None:
    scheduler = mh.MedianScheduler(grace_steps=2, min_trials=3)
    for trial_id, losses in enumerate([(4, 2), (6, 4), (8, 6)]):  # their running averages at step 2: 3, 5, 7
        for step, loss in enumerate(losses, start=1):
            assert say(scheduler, trial_id, step, loss) is None

    assert say(scheduler, 3, 1, 5.0) is None
    assert say(scheduler, 3, 2, 100.0) is None, "its best so far is as good as the median, 5"
    assert say(scheduler, 4, 1, 50.0) is None, "step 1 is within the grace period"
    assert say(scheduler, 4, 2, 50.0) == (
        "its best value up to step 2, 50, is worse than 6, the median of the running averages of 4 other trials there"
    )


def test_the_median_rule_compares_by_step_and_not_by_the_number_of_reports() -> None:
    scheduler = mh.MedianScheduler(grace_steps=1, min_trials=1)
    for step, loss in ((1, 9.0), (2, 8.0), (3, 1.0)):
        assert say(scheduler, 0, step, loss) is None

    assert say(scheduler, 1, 3, 7.0) is not None, "its first report is of step 3, where 6 is the other's average"
    assert say(scheduler, 2, 1, 7.0) is None, "at step 1 the other had 9"


def test_the_median_rule_waits_for_enough_others() -> None:
    scheduler = mh.MedianScheduler(grace_steps=1, min_trials=2)

    assert [say(scheduler, i, 1, loss) is None for i, loss in enumerate((1.0, 9.0, 9.0))] == [True, True, False]


# -- successive halving --------------------------------------------------------------------------------------------


def test_only_the_best_third_go_on_at_a_rung() -> None:
    scheduler = mh.ASHAScheduler(min_steps=3)
    losses = [0.6, 0.5, 0.55, 0.4, 0.41, 0.3]

    stopped = [say(scheduler, i, 3, loss) is not None for i, loss in enumerate(losses)]

    # The first two are less than three. 0.55 is the third of 3; 0.4 the first of 4; 0.41 the second of 5.
    assert stopped == [False, False, True, False, True, False]


def test_trials_are_judged_at_rungs_only() -> None:
    scheduler = mh.ASHAScheduler(min_steps=2, reduction=2, max_steps=9)
    for step in range(1, 10):
        for trial_id in range(3):
            say(scheduler, trial_id, step, 1.0)

    judged_at = []
    for step in range(1, 20):
        trial_id = 100 + step
        for earlier in range(1, step):  # it comes to each step as one of the best, and is poor there
            assert say(scheduler, trial_id, earlier, 0.5) is None
        if say(scheduler, trial_id, step, 9.0) is not None:
            judged_at.append(step)

    assert judged_at == [2, 4, 8], "a rung at 16 would be beyond max_steps"


def test_a_reason_says_what_would_have_been_enough() -> None:
    scheduler = mh.ASHAScheduler()
    for trial_id in range(26):
        say(scheduler, trial_id, 9, 0.30 + trial_id / 100)

    assert say(scheduler, 26, 9, 0.52) == "0.52 at step 9 is not among the best third of 27 trials there; 0.38 would be"


def test_reasons_show_values_as_people_know_them() -> None:
    scheduler = mh.ASHAScheduler(reduction=2)
    scheduler.start("maximize")

    assert say(scheduler, 0, 1, -0.9) is None
    assert say(scheduler, 1, 1, -0.7) == "0.7 at step 1 is not among the best half of 2 trials there; 0.9 would be"
    assert (say(scheduler, 2, 1, 0.0) or "").startswith("0 at step 1"), "and not -0"


def test_the_first_report_at_or_beyond_a_rung_counts_there() -> None:
    scheduler = mh.ASHAScheduler(min_steps=3, reduction=2)
    say(scheduler, 0, 2, 0.1)
    say(scheduler, 0, 5, 0.8)  # rung 3, with 0.8

    assert say(scheduler, 1, 3, 0.9) is not None
    assert say(scheduler, 2, 3, 0.7) is None
    assert say(scheduler, 2, 5, 99.0) is None, "no rung lies between 3 and 5"


def test_a_trial_that_passes_several_rungs_at_once_counts_at_the_highest() -> None:
    scheduler = mh.ASHAScheduler(reduction=2)
    say(scheduler, 0, 5, 0.1)  # beyond rungs 1, 2 and 4

    assert say(scheduler, 1, 1, 0.9) is None, "nobody was seen at rung 1"
    assert say(scheduler, 1, 2, 0.9) is None, "nor at 2"
    assert say(scheduler, 1, 4, 0.9) is not None
    assert say(scheduler, 0, 6, 99.0) is None, "it does not come to a lower rung later"


def test_a_trial_that_diverged_is_stopped_at_the_rung_even_if_alone() -> None:
    scheduler = mh.ASHAScheduler(min_steps=2)

    assert say(scheduler, 0, 1, math.nan) is None, "it may recover"
    assert say(scheduler, 0, 2, math.nan) == "it has no finite value at step 2"
    assert say(scheduler, 1, 2, 1e9) is None
    assert say(scheduler, 2, 2, 1e8) is None, "two diverged or worse, so it is the best of three"


def test_equal_losses_go_on_together() -> None:
    scheduler = mh.ASHAScheduler()

    assert [say(scheduler, i, 1, 0.5) for i in range(9)] == [None] * 9


def test_a_stopped_trial_that_begins_again_is_stopped_at_once() -> None:
    """Its worker was lost before it heard of it."""
    scheduler = mh.ASHAScheduler(reduction=2)
    say(scheduler, 0, 1, 0.1)
    reason = say(scheduler, 1, 1, 0.2)

    assert reason is not None
    assert say(scheduler, 1, 0, 0.9) == reason


# -- brackets ------------------------------------------------------------------------------------------------------


def test_hyperband_has_a_bracket_for_each_rung() -> None:
    assert mh.HyperbandScheduler().brackets == 5
    assert mh.HyperbandScheduler(max_steps=80).brackets == 4
    assert mh.HyperbandScheduler(min_steps=4, reduction=2, max_steps=64).brackets == 5
    assert mh.HyperbandScheduler(max_steps=1).brackets == 1


def test_trials_are_shared_out_in_hyperbands_proportions_at_any_time() -> None:
    scheduler = mh.HyperbandScheduler()
    shares = hyperband_shares(5, 3)
    counts = [0] * 5
    for trial_id in range(5_000):
        counts[scheduler.bracket_of(trial_id)] += 1
        for share, count in zip(shares, counts, strict=True):
            assert abs(count - share * (trial_id + 1)) < 5, f"after {trial_id + 1} trials: {counts}"


def test_a_bracket_has_later_rungs_and_trials_of_its_own() -> None:
    scheduler = mh.ASHAScheduler(reduction=2, brackets=2)
    early = [i for i in range(20) if scheduler.bracket_of(i) == 0]
    late = [i for i in range(20) if scheduler.bracket_of(i) == 1]

    assert say(scheduler, early[0], 1, 0.1) is None
    assert say(scheduler, late[0], 1, 0.9) is None, "it is judged from step 2 on"
    assert say(scheduler, late[0], 2, 0.9) is None, "and with those of its bracket only"
    assert say(scheduler, early[1], 1, 0.9) is not None
    assert say(scheduler, late[1], 2, 0.95) is not None


def test_some_trials_of_hyperband_run_unjudged() -> None:
    scheduler = mh.HyperbandScheduler(max_steps=9)
    ids = [i for i in range(100) if scheduler.bracket_of(i) == 2]

    assert len(ids) > 10
    assert not any(say(scheduler, i, step, i) for i in ids for step in range(1, 10))


# -- trials alone --------------------------------------------------------------------------------------------------


def test_patience_counts_steps_since_the_best() -> None:
    scheduler = mh.PatienceScheduler(3)
    answers = [say(scheduler, 0, step, loss) for step, loss in ((1, 5.0), (2, 4.0), (3, 4.0), (4, 6.0), (5, 4.5))]

    assert answers[:4] == [None] * 4
    assert answers[4] == "it has had 4 as its best value since step 2, for 3 steps"
    assert say(scheduler, 1, 1, 5.0) is None, "each trial is alone"


def test_a_gain_below_min_delta_is_none() -> None:
    scheduler = mh.PatienceScheduler(2, min_delta=0.5)

    assert [say(scheduler, 0, step, 5 - 0.2 * step) is None for step in range(4)] == [True, True, False, False]
    assert [say(scheduler, 1, step, 5 - 0.3 * step) is None for step in range(4)] == [True, True, True, True]


def test_patience_ends_with_a_trial_that_only_diverges() -> None:
    scheduler = mh.PatienceScheduler(2)
    answers = [say(scheduler, 0, step, math.nan) for step in range(3)]

    assert answers == [None, None, "it has had no finite value since step 0, for 2 steps"]


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_a_threshold_is_given_and_shown_as_a_value(direction: str, sign: int) -> None:
    scheduler = mh.ThresholdScheduler(sign * 2.0, step=3)
    study = mh.Study(SPACE, sampler="random", direction=direction, scheduler=scheduler)
    trial, other = study.ask(), study.ask()

    assert study.report(trial, sign * 9.0, step=2) is None
    assert study.report(trial, sign * 2.0, step=3) is None
    assert study.report(trial, sign * 1.0, step=4) is None
    assert study.report(trial, sign * 2.5, step=5) == f"{sign * 2.5} at step 5 is worse than the threshold {sign * 2}"
    assert study.report(other, sign * 2.5, step=3) is not None


# -- how they are given --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_a_scheduler_is_made_by_its_name(name: str) -> None:
    study = simulate(name, n=30)

    assert any(str(trial.state) == "stopped" for trial in study.trials)
    assert any(str(trial.state) == "finished" for trial in study.trials)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: make_scheduler("best", "minimize"),
            "'best'. There are: auto, forecast, median, asha, asha-promotion, hyperband",
        ),
        (lambda: make_scheduler(mh.ASHAScheduler, "minimize"), r"ASHAScheduler\(\)"),
        (lambda: make_scheduler("asha", ("minimize", "maximize")), "A scheduler is for one objective"),
        (lambda: mh.Study(SPACE, scheduler="best"), "'best'"),
        (lambda: simulate("best"), "'best'"),
        (lambda: mh.ASHAScheduler(min_steps=0), "min_steps=0"),
        (lambda: mh.ASHAScheduler(reduction=1), "reduction=1"),
        (lambda: mh.ASHAScheduler(min_steps=9, max_steps=8), "max_steps=8"),
        (lambda: mh.ASHAScheduler(max_steps=8, brackets=3), "begin at step 9, beyond max_steps=8"),
        (lambda: mh.HyperbandScheduler(min_steps=9, max_steps=8), "max_steps=8"),
        (lambda: mh.HyperbandScheduler(reduction=1), "reduction=1"),
        (lambda: mh.MedianScheduler(grace_steps=0), "grace_steps=0"),
        (lambda: mh.MedianScheduler(min_trials=True), "min_trials=True"),
        (lambda: mh.PatienceScheduler(0), "patience=0"),
        (lambda: mh.PatienceScheduler(None), "patience=None"),  # type: ignore[arg-type]
        (lambda: mh.PatienceScheduler(3, min_delta=-1), "min_delta=-1"),
        (lambda: mh.PatienceScheduler(3, min_delta=math.nan), "min_delta=nan"),
        (lambda: mh.ThresholdScheduler(math.nan), "value=nan"),
        (lambda: mh.ThresholdScheduler("1"), "value='1'"),  # type: ignore[arg-type]
        (lambda: mh.ThresholdScheduler(1.0, step=0.5), "step=0.5"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, words: str) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        make()


def test_an_object_serves_one_search_after_another() -> None:
    scheduler = mh.ASHAScheduler()

    assert decisions(simulate(scheduler)) == decisions(simulate(scheduler))


def test_a_named_metric_is_maximised() -> None:
    """The mirror image of a study that minimises stops the same trials, for the same values."""

    def objective(params: dict[str, Any], trial: Any) -> dict[str, float]:
        for step in range(1, 10):
            trial.report(1 - params["final"] / step, step)
        return {"accuracy": 1 - params["final"] / 9, "loss": 0.0}

    def mirrored(params: dict[str, Any], trial: Any) -> float:
        for step in range(1, 10):
            trial.report(params["final"] / step - 1, step)
        return params["final"] / 9 - 1

    settings: dict[str, Any] = {"executor": "inline", "sampler": "random", "max_trials": 40, "progress": False}
    up = mh.tune(objective, SPACE, direction="maximize", metric="accuracy", scheduler="asha", **settings)
    down = mh.tune(mirrored, SPACE, scheduler="asha", **settings)
    finals = {trial.state: [t.params["final"] for t in up.trials if t.state is trial.state] for trial in up.trials}

    assert [(t.state, t.value) for t in up.trials] == [(t.state, -(t.value or 0.0)) for t in down.trials]
    assert len(finals[mh.TrialState.STOPPED]) > 20
    assert min(finals[mh.TrialState.FINISHED]) < min(finals[mh.TrialState.STOPPED])
    assert "is not among the best third" in next(t.reason for t in up.trials if t.state is mh.TrialState.STOPPED)


def test_ask_and_tell_says_why_a_trial_should_stop() -> None:
    study = mh.Study(SPACE, sampler="random", scheduler="asha", direction="maximize")
    trials = [study.ask() for _ in range(3)]

    assert study.report(trials[0], 0.9, step=1) is None
    assert study.report(trials[1], 0.8, step=1) is None
    assert study.report(trials[2], 0.7, step=1) == (
        "0.7 at step 1 is not among the best third of 3 trials there; 0.9 would be"
    )


# -- what happens to searches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_a_lost_worker_changes_no_decision_of_trials_that_run_one_after_another(name: str) -> None:
    """Its trial begins again and reports the same steps; only when things happen is different."""
    faults = [mh.Fault(worker=0, at_s=at, lost_for_s=1.0) for at in (50.5, 100.5, 200.5)]

    undisturbed = simulate(name, executor=mh.Simulated(1), n=60)
    disturbed = simulate(name, executor=mh.Simulated(1, faults=faults), n=60)

    assert sum(len(trial.lost) for trial in disturbed.trials) == 3
    assert [(t.state, t.reason) for t in disturbed.trials] == [(t.state, t.reason) for t in undisturbed.trials]


class Interrupts:
    """An objective that is interrupted within a trial, once for each of some numbers of reports."""

    def __init__(self, *at: int):
        self.at = set(at)
        self.n = 0

    def __call__(self, params: dict[str, Any], trial: Any) -> float:
        for step, (_, loss) in enumerate(curve(params)):
            trial.report(loss, step)
            self.n += 1
            if self.n in self.at:
                raise KeyboardInterrupt
        return params["final"]


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_a_search_that_was_interrupted_decides_as_one_that_was_not(name: str, tmp_path: Any) -> None:
    """Some trials begin again, and report the same steps again; all reports of earlier runs are replayed."""

    def run(study: str, *at: int) -> list[tuple[str, str]]:
        objective = Interrupts(*at)
        for _ in range(len(at) + 1):
            found = mh.tune(
                objective,
                SPACE,
                executor="inline",
                sampler="random",
                max_trials=30,
                scheduler=name,
                store=tmp_path / "s.db",
                name=study,
                progress=False,
            )
        assert len(found.trials) == 30
        return [(str(trial.state), trial.reason) for trial in found.trials]

    assert run("interrupted", 2, 5, 40, 100, 160, 300, 301) == run("whole")


def test_a_simulated_search_is_the_same_each_time() -> None:
    assert decisions(simulate("hyperband")) == decisions(simulate("hyperband"))


# -- what they are good for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_steps", "most_epochs", "least_found"),
    [(1, 0.15, 6), (9, 1 / 3, 9)],  # the earlier it judges, the more often is the late best one among the stopped
)
def test_asha_mostly_finds_the_best_trial_in_a_third_of_the_epochs(
    min_steps: int, most_epochs: float, least_found: int
) -> None:
    shares, n_found = [], 0
    for seed in range(10):
        full, asha = simulate(None, seed=seed), simulate(mh.ASHAScheduler(min_steps), seed=seed)
        shares.append(n_epochs(asha) / n_epochs(full))
        n_found += asha.best_value == full.best_value

    assert sum(shares) / len(shares) < most_epochs
    assert n_found >= least_found


def test_hyperband_spares_late_trials_that_asha_stops() -> None:
    """A late trial is the best, and poor for its first steps: some brackets judge it when it has caught up."""

    def objective(params: dict[str, Any]) -> Iterator[tuple[float, float]]:
        late = params["kind"] == "late"
        for step in range(N_STEPS):
            yield 1.0, (1.0 if step < 8 else 0.0) if late else 0.2 + params["final"] / 2

    def share_of_late_ones(name: str) -> float:
        studies = [simulate(name, objective=objective, seed=seed) for seed in range(3)]
        late = [trial for study in studies for trial in study.trials if trial.params["kind"] == "late"]
        return sum(str(trial.state) == "finished" for trial in late) / len(late)

    assert share_of_late_ones("asha") < 0.1
    assert share_of_late_ones("hyperband") > 0.15


def test_the_median_rule_stops_only_clearly_poor_trials() -> None:
    for seed in range(4):
        full = simulate(None, seed=seed)
        finals = sorted(trial.value or 0.0 for trial in full.trials)
        ended = simulate(mh.MedianScheduler(grace_steps=20), seed=seed)
        stopped = [full.trials[t.id].value or 0.0 for t in ended.trials if str(t.state) == "stopped"]

        assert len(stopped) > 20
        assert ended.best_value == full.best_value
        assert min(stopped) > finals[5], "one of the best five was stopped"
