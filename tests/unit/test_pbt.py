"""Population based training: by hand on small numbers, by simulation on whole searches, and for real."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

import manyhands as mh
from manyhands.ports import Problem
from manyhands.schedulers import make_scheduler
from manyhands.space import Space
from manyhands.trial import Report, Trial, TrialState

RATE = {"rate": mh.Float(0, 1)}
N_STEPS = 60
N_TOY_STEPS = 100
KINDS = [mh.PBTScheduler, mh.PB2Scheduler]


def made(direction: str = "minimize", space: Any = None, max_trials: int | None = None, **settings: Any) -> Any:
    scheduler: Any = make_scheduler(mh.PBTScheduler(**{"interval": 10, "population": 4, **settings}), direction)
    scheduler.prepare(Problem(Space(space or RATE), seed=1, max_trials=max_trials))
    return scheduler


def begin(scheduler: Any, *trial_ids: int, parent: int | None = None, rate: float = 0.5) -> None:
    for trial_id in trial_ids:
        scheduler.began(Trial(trial_id, {"rate": rate}, {"rate": rate}, parent=parent))


def say(scheduler: Any, trial_id: int, step: int, loss: float) -> Any:
    return scheduler.judge(trial_id, Report(step, loss if math.isfinite(loss) else None), loss)


def end(scheduler: Any, trial_id: int, state: TrialState = TrialState.FINISHED) -> None:
    loss = None if state is TrialState.FAILED else 0.5
    scheduler.observe(Trial(trial_id, {"rate": 0.5}, {}, state, loss), loss)


def four(**settings: Any) -> Any:
    """Four members that have come to step 10, with losses of 0.1 to 0.3; the last one, trial 3, has not."""
    scheduler = made(**settings)
    begin(scheduler, 0, 1, 2, 3)
    for trial_id, loss in enumerate([0.1, 0.2, 0.3]):
        assert say(scheduler, trial_id, 10, loss) is None
    return scheduler


# -- who makes room ------------------------------------------------------------------------------------------------


def test_the_worst_makes_room_for_a_copy_of_the_best() -> None:
    scheduler = four()

    reason = say(scheduler, 3, 10, 0.4)

    assert reason == "with 0.4 at step 10 it is the worst of 4 members; it makes room for a copy of trial 0"
    fork = scheduler.next_trial()
    assert fork.parent == 0
    assert fork.point["rate"] != 0.5
    assert scheduler.next_trial() == fork, "to be asked changes nothing"


def test_who_is_not_among_the_worst_goes_on() -> None:
    scheduler = four()

    assert say(scheduler, 3, 10, 0.25) is None
    assert scheduler.next_trial() == mh.Wait(), "the population is complete"


def test_equal_members_all_go_on() -> None:
    scheduler = made()
    begin(scheduler, 0, 1, 2, 3)

    assert [say(scheduler, i, step, 0.5) for step in (10, 20) for i in range(4)] == [None] * 8


def test_nothing_is_decided_between_intervals() -> None:
    scheduler = four()

    assert say(scheduler, 3, 9, 0.9) is None
    assert say(scheduler, 2, 15, 0.9) is None
    assert "step 12" in say(scheduler, 3, 12, 0.9), "the first report at or beyond counts"


def test_a_slow_member_is_compared_with_what_the_others_were_at_its_steps() -> None:
    scheduler = four()
    for step in (20, 30):
        for trial_id in range(3):
            say(scheduler, trial_id, step, 0.01)

    assert say(scheduler, 3, 10, 0.25) is None, "trial 2 had 0.3 there"
    assert "the worst" in say(scheduler, 3, 20, 0.25)


def test_a_fast_member_is_not_better_for_being_ahead() -> None:
    """Trial 2 is the worst at step 10. The others have not come to step 20, where it is better than they were."""
    scheduler = four()
    say(scheduler, 3, 10, 0.25)

    assert "the worst" in say(scheduler, 2, 20, 0.05)


def test_the_copy_is_of_any_of_the_best() -> None:
    parents = set()
    for seed in range(20):
        scheduler = made(population=8, seed=seed)
        begin(scheduler, *range(8))
        losses = [0.8, 0.3, 0.2, 0.1, 0.4, 0.5, 0.6, 0.7]
        reasons = [say(scheduler, i, 10, loss) for i, loss in enumerate(losses)]
        assert "among the worst 2 of 8" in reasons[7]
        parents.add(int(reasons[7].split()[-1]))

    assert parents == {2, 3}


def test_a_member_without_a_finite_value_is_stopped_whatever_the_others_do() -> None:
    scheduler = four()

    assert say(scheduler, 3, 10, math.nan) == "it has no finite value at step 10; it makes room for a copy of trial 0"


def test_a_first_member_that_is_lost_before_it_was_compared_is_replaced_by_the_samplers_next() -> None:
    scheduler = made()
    begin(scheduler, 0, 1, 2, 3)
    assert scheduler.next_trial() == mh.Wait()

    assert say(scheduler, 0, 10, math.nan) == "it has no finite value at step 10"
    assert scheduler.next_trial() is None
    begin(scheduler, 4)
    assert scheduler.next_trial() == mh.Wait()
    end(scheduler, 1, TrialState.FAILED)
    assert scheduler.next_trial() is None


def test_a_member_that_failed_later_or_finished_is_not_replaced() -> None:
    scheduler = four()
    end(scheduler, 0, TrialState.FAILED)
    end(scheduler, 1)
    end(scheduler, 3)

    assert scheduler.next_trial() == mh.Wait()


def test_no_member_is_compared_at_its_end() -> None:
    scheduler = four(max_steps=20)
    say(scheduler, 3, 10, 0.25)

    assert [say(scheduler, i, 20, loss) for i, loss in [(0, 0.1), (1, 0.1), (2, 0.1), (3, 0.9)]] == [None] * 4


# -- copies --------------------------------------------------------------------------------------------------------


def test_a_copy_has_its_parents_losses_and_goes_on_from_its_steps() -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.4)
    say(scheduler, 0, 13, 0.1)
    begin(scheduler, 4, parent=0)

    assert say(scheduler, 4, 14, 0.9) is None
    assert say(scheduler, 1, 20, 0.15) is None, "trial 2 was worse at step 10, and so was nobody than trial 4"
    assert say(scheduler, 2, 20, 0.2) is not None
    begin(scheduler, 5, parent=0)
    assert "0.9 at step 20 it is the worst of 4" not in str(say(scheduler, 4, 19, 0.9))


@pytest.mark.parametrize(("parent_step", "first"), [(10, 20), (14, 20), (15, 30), (19, 30)])
def test_a_copy_is_first_compared_after_about_an_interval_of_its_own(parent_step: int, first: int) -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.4)
    say(scheduler, 0, parent_step, 0.1)
    begin(scheduler, 4, parent=0)
    for step in (20, 30):
        for trial_id in (0, 1, 2):
            say(scheduler, trial_id, step, 0.01 * trial_id)

    judged = [step for step in range(parent_step + 1, 40) if say(scheduler, 4, step, math.nan) is not None]

    assert judged[0] == first


def test_another_one_is_copied_if_the_chosen_one_has_ended() -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.4)
    end(scheduler, 0)

    assert scheduler.next_trial().parent == 1


def test_nobody_is_copied_when_all_others_have_ended() -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.4)
    for trial_id in (0, 1, 2, 3):
        end(scheduler, trial_id)

    assert scheduler.next_trial() == mh.Wait()


def test_there_are_never_more_members_than_were_asked_for() -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.4)
    begin(scheduler, 4)  # by hand, as in a study that is asked

    assert scheduler.next_trial() == mh.Wait()


def test_no_member_stops_for_a_copy_that_cannot_begin() -> None:
    scheduler = four(max_trials=5)

    assert say(scheduler, 3, 10, 0.4) is not None
    begin(scheduler, 4, parent=0)
    assert [say(scheduler, i, 20, 0.1 * i) for i in (4, 0, 1, 2)] == [None] * 4
    assert scheduler.next_trial() == mh.Wait()


def test_only_what_is_mutable_changes_in_a_copy() -> None:
    space = {"rate": mh.Float(0, 1), "layers": mh.Int(1, 9)}
    scheduler = made(space=space, mutable=["rate"])
    for i in range(4):
        scheduler.began(Trial(i, {"rate": 0.5, "layers": 3}, {}))
    for i in range(4):
        say(scheduler, i, 10, 0.1 * i)

    fork = scheduler.next_trial()

    assert fork.point["layers"] == 3
    assert fork.point["rate"] != 0.5


# -- turns ---------------------------------------------------------------------------------------------------------


def test_members_take_turns_when_there_are_too_few_workers() -> None:
    """Two workers."""
    scheduler = made()
    begin(scheduler, 0, 1)

    assert say(scheduler, 0, 10, 0.1) == mh.Pause("it has come to step 10, and other members are behind")
    assert scheduler.next_trial() is None, "the first ones come first"
    begin(scheduler, 2)
    assert isinstance(say(scheduler, 1, 10, 0.2), mh.Pause)
    begin(scheduler, 3)
    assert scheduler.next_trial() == mh.Resume(0)
    assert say(scheduler, 2, 10, 0.15) is None, "nobody is behind"
    assert say(scheduler, 3, 10, 0.17) is None
    assert isinstance(say(scheduler, 2, 20, 0.1), mh.Pause)
    assert scheduler.next_trial() == mh.Resume(0), "the least advanced, and the longest paused"


def test_only_as_many_pause_as_wait() -> None:
    scheduler = made(population=3)
    begin(scheduler, 0, 1)

    assert isinstance(say(scheduler, 0, 10, 0.1), mh.Pause)
    assert say(scheduler, 1, 10, 0.1) is None, "one waits, and has a worker as soon as trial 0 has left"


def test_with_enough_workers_nobody_pauses() -> None:
    scheduler = four()
    say(scheduler, 3, 10, 0.25)

    answers = [say(scheduler, i, step, 0.1 * i) for step in (20, 30, 50, 90) for i in (0, 1)]

    assert answers == [None] * 8, "trials 2 and 3 are behind, and run"


def test_who_is_far_behind_is_given_a_worker_even_if_one_that_was_meant_for_it_was_lost() -> None:
    scheduler = made(population=3)
    begin(scheduler, 0, 1)
    say(scheduler, 0, 10, 0.1)

    assert say(scheduler, 1, 10, 0.1) is None
    begin(scheduler, 2)
    assert say(scheduler, 1, 20, 0.1) is not None
    assert scheduler.next_trial() == mh.Resume(0)


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"interval": 0}, "interval=0"),
        ({"interval": None}, "interval=None"),
        ({"population": 2.5}, "population=2.5"),
        ({"max_steps": -1}, "max_steps=-1"),
        ({"quantile": 0}, "quantile=0 must be a number above 0 and at most 0.5"),
        ({"quantile": 0.6}, "quantile=0.6"),
        ({"resample": math.nan}, "resample=nan must be a number from 0 to 1"),
        ({"factors": ()}, r"factors=\(\)"),
        ({"factors": (0.0, 1.0)}, "factors="),
        ({"factors": 1.2}, "factors=1.2"),
        ({"mutable": "rate"}, r"mutable='rate' must be a list of names, such as \['rate'\]"),
        ({"mutable": ["speed"]}, "names 'speed', which the space does not have. It has: rate"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(mh.SettingsError, match=words):
        mh.Study(RATE, scheduler=mh.PBTScheduler(**settings))


# -- by simulation -------------------------------------------------------------------------------------------------


def train(params: dict[str, float], trial: Any) -> Iterator[tuple[float, float, dict[str, int]]]:
    """Large rates are fast, and only small ones are exact."""
    step, errors = trial.restore((0, [1.0, 1.0]))
    while step < N_STEPS:
        rates = [params["rate"] * curvature for curvature in (1.0, 0.1)]
        errors = [(1 - rate) ** 2 * error + 0.3 * rate**2 for rate, error in zip(rates, errors, strict=True)]
        step += 1
        trial.save((step, errors))
        yield 1.0, sum(errors), {"step": step}


def search(
    scheduler: Any = None, *, objective: Any = train, space: Any = None, population: int = 8, **settings: Any
) -> mh.Study:
    given = {"workers": 8, "sampler": "random", "timeout_s": 1e6, "seed": 0, **settings}
    pbt = scheduler or mh.PBTScheduler(interval=5, population=population, max_steps=N_STEPS)
    return mh.simulate(objective, space or RATE, scheduler=pbt, **given)


def n_alive(study: mh.Study) -> int:
    """The most trials that had begun and not ended at a time, after what ended at that time had."""
    changes = [(trial.started_at, 1) for trial in study.trials] + [(t.ended_at or 0.0, -1) for t in study.trials]
    most = alive = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most


@pytest.mark.parametrize("kind", KINDS)
def test_it_beats_fixed_params_where_a_schedule_is_needed(kind: Any) -> None:
    won = 0
    for seed in range(10):
        fixed = mh.simulate(train, RATE, max_trials=16, sampler="random", seed=seed)
        ours = search(kind(interval=5, population=8, max_steps=N_STEPS), seed=seed)
        won += ours.best_value < fixed.best_value

    assert won >= 9, "with half as many epochs"


@pytest.mark.parametrize("name", ["pbt", "pb2"])
def test_it_is_made_by_its_name(name: str) -> None:
    study = search(name)

    assert any(trial.parent is not None for trial in study.trials)


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_members_advance_together_with_any_number_of_workers(workers: int, kind: Any) -> None:
    study = search(kind(interval=5, population=8, max_steps=N_STEPS), workers=workers)

    assert study.end_reason == f"the scheduler wants no more: all {len(study.trials)} trials are done"
    assert sum(trial.parent is None for trial in study.trials) == 8
    assert sum(trial.state == "finished" for trial in study.trials) == 8, "a place is never empty"
    assert any(trial.paused_s > 0 for trial in study.trials) == (workers < 8)
    assert n_alive(study) == 8
    assert most_apart(study) <= (5 if workers == 8 else 10), "an interval, or two if they take turns"


def most_apart(study: mh.Study) -> int:
    """By how many steps two members were apart that were in training at the same time, at most."""
    steps: dict[int, int] = {}
    apart = 0
    for at, trial_id, step in sorted((r.at, t.id, r.step) for t in study.trials for r in study.reports(t)):
        steps[trial_id] = step
        alive = [steps[t.id] for t in study.trials if t.started_at < at < (t.ended_at or 0.0) and t.id in steps]
        apart = max(apart, max(alive, default=0) - min(alive, default=0))
    return apart


def test_steps_go_on_from_the_parents_and_are_not_repeated() -> None:
    study = search(workers=3)
    for trial in study.trials:
        steps = [report.step for report in study.reports(trial)]

        assert steps == list(range(steps[0], steps[0] + len(steps)))
        assert (steps[0] > 1) == (trial.parent is not None)


def test_max_trials_counts_copies_too_and_all_members_then_come_to_their_ends() -> None:
    for max_trials in (1, 5, 8, 11):
        study = search(workers=3, max_trials=max_trials)

        assert len(study.trials) == max_trials
        assert study.end_reason == f"all {max_trials} trials are done"
        assert sum(trial.state == "finished" for trial in study.trials) == min(8, max_trials)


def test_a_space_with_fewer_configurations_than_members_is_enough() -> None:
    study = search(space={"rate": mh.Choice([0.9, 0.1, 0.02])}, workers=2)

    assert sum(trial.parent is None for trial in study.trials) == 3
    assert sum(trial.state == "finished" for trial in study.trials) == 3


def test_members_that_fail_leave_the_others_to_go_on() -> None:
    def fragile(params: dict[str, float], trial: Any) -> Iterator[Any]:
        for found in train(params, trial):
            if trial.id in (2, 5) and found[2]["step"] == (3 if trial.id == 2 else 22):
                raise ArithmeticError
            yield found

    study = search(objective=fragile, workers=3)

    assert study.trials[2].state == "failed"
    assert sum(trial.parent is None for trial in study.trials) == 9, "one failed before it was compared"
    assert sum(trial.state == "finished" for trial in study.trials) >= 7


def test_workers_that_are_lost_for_a_while_or_for_good_stop_nobody() -> None:
    faults = [mh.Fault(worker=0, at_s=12.0, lost_for_s=math.inf), mh.Fault(worker=1, at_s=25.5, lost_for_s=3.0)]

    study = search(workers=3, faults=faults)

    assert sum(trial.state == "finished" for trial in study.trials) == 8


def test_workers_of_different_speeds_are_no_disadvantage() -> None:
    faults = [mh.Fault(worker=i, at_s=0.0, speed=0.3) for i in range(4)]

    study = search(faults=faults)

    assert study.best_value < 0.1
    assert not any(trial.paused_s for trial in study.trials)


def test_to_maximise_is_the_mirror_image() -> None:
    def mirrored(params: dict[str, float], trial: Any) -> Iterator[Any]:
        for seconds, loss, metrics in train(params, trial):
            yield seconds, -loss, metrics

    for kind in KINDS:
        down, up = (
            search(kind(interval=5, population=8, max_steps=N_STEPS), workers=3, **more)
            for more in ({}, {"objective": mirrored, "direction": "maximize"})
        )

        assert [(t.state, t.value, t.params, t.ended_at) for t in down.trials] == [
            (t.state, -(t.value or 0.0), t.params, t.ended_at) for t in up.trials
        ]
        assert any("with -" in trial.reason for trial in up.trials)


def test_the_same_seed_gives_the_same_search_and_another_one_others() -> None:
    def found(**settings: Any) -> list[Any]:
        return [(trial.params, trial.parent) for trial in search(workers=3, **settings).trials]

    assert found() == found()
    assert found(seed=1) != found()
    other = mh.PBTScheduler(interval=5, population=8, max_steps=N_STEPS, seed=7)
    assert found(scheduler=other)[:8] == found()[:8]
    assert found(scheduler=other) != found()


# -- for real ------------------------------------------------------------------------------------------------------


def toy(params: dict[str, Any], trial: Any) -> float:
    """The toy of the paper's second figure: each of the two params trains one weight, and both have to be 0.

    Fixed params come to 1.2 - 0.81 = 0.39 at most.
    """
    step, weights = trial.restore((0, [0.9, 0.9]))
    while step < N_TOY_STEPS:
        weights[params["along"] == "second"] *= 0.9
        step += 1
        time.sleep(params["pause_s"])  # training takes a while
        trial.save((step, weights))
        trial.report(1.2 - weights[0] ** 2 - weights[1] ** 2, step)
    return float(1.2 - weights[0] ** 2 - weights[1] ** 2)


def test_a_population_of_real_processes_does_what_fixed_params_cannot(tmp_path: Any) -> None:
    space = {"along": mh.Choice(["first", "second"]), "pause_s": 0.005}
    settings: dict[str, Any] = {"direction": "maximize", "workers": 2, "sampler": "random", "progress": False}

    study = mh.tune(
        toy,
        space,
        scheduler=mh.PBTScheduler(interval=5, population=2, max_steps=N_TOY_STEPS, resample=0.0),
        max_trials=40,
        store=tmp_path / "s.db",
        **settings,
    )

    assert 1.15 < study.best_value <= 1.2
    assert study.best_trial.parent is not None
    step, weights = study.checkpoint()
    assert step == N_TOY_STEPS
    assert max(weights) < 0.3
    for trial in study.trials:
        steps = [report.step for report in study.reports(trial)]
        if steps:  # a copy of one that had come to its end meanwhile has nothing left to do
            assert steps == list(range(steps[0], steps[0] + len(steps))), "each goes on where its parent was"


def test_a_population_takes_turns_in_this_process() -> None:
    space = {"along": mh.Choice(["first", "second"]), "pause_s": 0.0}
    pbt = mh.PBTScheduler(interval=5, population=2, max_steps=N_TOY_STEPS, resample=0.0)

    study = mh.tune(
        toy,
        space,
        scheduler=pbt,
        direction="maximize",
        executor="inline",
        sampler="random",
        max_trials=40,
        progress=False,
    )

    assert study.best_value > 1.15
    assert any(trial.paused_s > 0 for trial in study.trials)


def test_a_population_goes_on_after_it_was_cut_short(tmp_path: Any) -> None:
    executor = mh.Simulated(3)
    settings: dict[str, Any] = {"executor": executor, "sampler": "random", "store": tmp_path / "s.db", "name": "s"}
    pbt = [mh.PBTScheduler(interval=5, population=8, max_steps=N_STEPS) for _ in range(2)]

    first = mh.tune(train, RATE, scheduler=pbt[0], timeout_s=60.5, progress=False, **settings)
    study = mh.tune(train, RATE, scheduler=pbt[1], timeout_s=1e6, progress=False, **settings)

    assert any(trial.state == "paused" for trial in first.trials)
    assert sum(trial.parent is None for trial in study.trials) == 8
    assert sum(trial.state == "finished" for trial in study.trials) == 8
    assert study.best_value < 0.1
