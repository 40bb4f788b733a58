"""ASHA with promotions: by hand on small numbers, and by simulation on whole searches."""

import math
from typing import Any

import pytest

import manyhands as mh
from manyhands.schedulers import make_scheduler
from manyhands.trial import Report, Trial

SPACE = {"final": mh.Float(0, 1), "rate": mh.Float(0.05, 0.5)}
N_STEPS = 27


def say(scheduler: Any, trial_id: int, step: int, loss: float) -> Any:
    return scheduler.judge(trial_id, Report(step, loss if math.isfinite(loss) else None), loss)


def goes_on(scheduler: Any) -> int | None:
    """Let the next paused trial go on."""
    offer = scheduler.next_trial()
    if offer is None:
        return None
    scheduler.began(Trial(offer.trial_id, {}, {}))
    number: int = offer.trial_id
    return number


def made(**settings: Any) -> Any:
    return make_scheduler(mh.ASHAPromotionScheduler(**settings), "minimize")


class Noting(mh.ASHAPromotionScheduler):
    """Notes who went on after a pause."""

    def start(self, direction: str) -> None:
        super().start(direction)
        self.went_on: set[int] = set()

    def began(self, trial: Trial) -> None:
        self.went_on |= {trial.id} & set(self._places)
        super().began(trial)


def train(params: dict[str, float], trial: Any) -> Any:
    for step in range(trial.restore(0), N_STEPS):
        trial.save(step + 1)
        loss = params["final"] + (1 - params["final"]) * math.exp(-params["rate"] * (step + 1))
        yield 1.0, loss, {"step": step + 1}


def search(scheduler: Any, *, objective: Any = train, seed: int = 0, workers: int = 8, **settings: Any) -> mh.Study:
    return mh.tune(
        objective,
        SPACE,
        executor=mh.Simulated(workers),
        sampler="random",
        seed=seed,
        scheduler=scheduler,
        progress=False,
        **{"max_trials": 100, **settings},
    )


def n_epochs(study: mh.Study) -> int:
    return sum(len(study.reports(trial)) for trial in study.trials)


# -- by hand -------------------------------------------------------------------------------------------------------


def test_a_trial_goes_on_if_it_is_among_the_best_and_else_pauses() -> None:
    scheduler = made()

    answers = [say(scheduler, i, 1, loss) for i, loss in enumerate([0.5, 0.6, 0.4, 0.45])]

    assert answers[0] is None, "it is the best so far"
    assert answers[1] == mh.Pause("0.6 at step 1 is not among the best third of 2 trials there; 0.5 would be")
    assert answers[2] is None
    assert isinstance(answers[3], mh.Pause), "one of four goes on, and that is 0.4"


def test_a_paused_trial_goes_on_as_soon_as_it_is_among_the_best() -> None:
    scheduler = made(reduction=2)
    for trial_id, loss in enumerate([0.1, 0.3, 0.2]):
        say(scheduler, trial_id, 1, loss)

    assert goes_on(scheduler) is None, "one of three goes on"
    say(scheduler, 3, 1, 0.9)
    assert goes_on(scheduler) == 2, "now two of four do"
    assert goes_on(scheduler) is None


def test_the_highest_rung_comes_first() -> None:
    scheduler = made(reduction=2)
    for trial_id, loss in enumerate([0.4, 0.3, 0.2, 0.1]):
        say(scheduler, trial_id, 1, loss)  # all go on, as each is the best
        assert say(scheduler, trial_id, 2, 1 - loss) is None or trial_id > 0
    for trial_id, loss in enumerate([0.5, 0.6, 0.7, 0.8], start=4):
        assert isinstance(say(scheduler, trial_id, 1, loss), mh.Pause)

    assert scheduler.next_trial() == mh.Resume(1), "of rung 2, where 0.7 is now among the best half of four"


def test_to_be_asked_changes_nothing() -> None:
    scheduler = made(reduction=2)
    for trial_id, loss in enumerate([0.1, 0.2, 0.3, 0.4]):
        say(scheduler, trial_id, 1, loss)

    assert [scheduler.next_trial() for _ in range(3)] == [mh.Resume(1)] * 3


def test_a_trial_that_ended_does_not_go_on() -> None:
    """It came to its end before it heard that it should pause, or was stopped with the search."""
    scheduler = made(reduction=2)
    for trial_id, loss in enumerate([0.1, 0.2, 0.3, 0.4]):
        say(scheduler, trial_id, 1, loss)

    scheduler.observe(Trial(1, {}, {}, mh.TrialState.FINISHED, 0.2), 0.2)

    assert scheduler.next_trial() is None


def test_a_trial_without_a_finite_value_is_stopped_and_not_paused() -> None:
    scheduler = made()

    assert say(scheduler, 0, 1, math.nan) == "it has no finite value at step 1"


def test_each_bracket_promotes_its_own() -> None:
    scheduler = made(reduction=2, brackets=2)
    late = [i for i in range(40) if scheduler.bracket_of(i) == 1][:4]
    for trial_id, loss in zip(late, [0.1, 0.2, 0.3, 0.4], strict=True):
        assert say(scheduler, trial_id, 1, loss) is None, "its first rung is step 2"
        say(scheduler, trial_id, 2, loss)

    assert goes_on(scheduler) == late[1]


# -- by simulation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asha-promotion"])
def test_it_is_made_by_its_name(name: str) -> None:
    study = search(name, max_trials=30)

    assert {str(trial.state) for trial in study.trials} == {"finished", "stopped"}


def test_trials_go_on_from_their_checkpoints_and_repeat_no_step() -> None:
    scheduler = Noting(max_steps=N_STEPS, reduction=2)

    study = search(scheduler)

    for trial in study.trials:
        steps = [report.step for report in study.reports(trial)]
        assert steps == list(range(1, len(steps) + 1))
    assert len(scheduler.went_on) > 1


def test_it_finds_the_best_in_a_fraction_of_the_epochs_with_all_workers_busy() -> None:
    shares, n_found = [], 0
    for seed in range(10):
        full, asha = search(None, seed=seed), search(mh.ASHAPromotionScheduler(max_steps=N_STEPS), seed=seed)
        shares.append(n_epochs(asha) / n_epochs(full))
        best = sorted(full.trials, key=lambda trial: trial.value or 0.0)[:3]
        n_found += asha.best_value <= (best[-1].value or 0.0)

    assert sum(shares) / len(shares) < 1 / 4
    assert n_found >= 7


def test_to_maximise_is_the_mirror_image() -> None:
    def mirrored(params: dict[str, float], trial: Any) -> Any:
        for seconds, loss, metrics in train(params, trial):
            yield seconds, -loss, metrics

    down, up = search("asha-promotion"), search("asha-promotion", objective=mirrored, direction="maximize")

    assert [(t.state, t.value, t.ended_at) for t in down.trials] == [
        (t.state, -(t.value or 0.0), t.ended_at) for t in up.trials
    ]
    assert any(trial.reason.startswith("-") for trial in up.trials)


def test_one_trial_comes_to_its_end_however_few_there_are() -> None:
    for n in range(1, 8):
        assert "finished" in [trial.state for trial in search("asha-promotion", max_trials=n, workers=2).trials]


def test_without_checkpoints_a_trial_begins_again_and_its_steps_count_once() -> None:
    def forgetful(params: dict[str, float]) -> Any:
        for step in range(N_STEPS):
            yield 1.0, params["final"] + math.exp(-params["rate"] * (step + 1)), {"step": step + 1}

    study = search("asha-promotion", objective=forgetful)

    assert "finished" in [trial.state for trial in study.trials]
    assert any(
        [report.step for report in study.reports(trial)].count(1) > 1
        for trial in study.trials
        if trial.state == "finished"
    )


def test_a_study_that_was_cut_short_goes_on_with_its_paused_trials(tmp_path: Any) -> None:
    """By the same executor, which has the checkpoints."""
    executor = mh.Simulated(4)
    settings: dict[str, Any] = {
        "executor": executor,
        "sampler": "random",
        "store": tmp_path / "s.db",
        "name": "s",
        "seed": 1,
    }
    half = {"reduction": 2, "max_steps": N_STEPS}
    first = mh.tune(train, SPACE, scheduler=Noting(**half), timeout_s=15.0, progress=False, **settings)
    paused = {trial.id for trial in first.trials if trial.state == "paused"}

    loaded = mh.load_study("s", tmp_path / "s.db")
    scheduler = Noting(**half)
    study = mh.tune(train, SPACE, scheduler=scheduler, timeout_s=400.0, progress=False, **settings)

    assert len(paused) > 2
    assert {trial.id for trial in loaded.trials if trial.state == "paused"} == paused
    assert "paused" in loaded.summary()
    assert paused & scheduler.went_on, "some of them are by then among the best"
    for trial_id in scheduler.went_on:
        steps = [report.step for report in study.reports(trial_id)]
        assert steps == list(range(1, len(steps) + 1))


def test_paused_time_is_no_use_of_workers() -> None:
    from manyhands.simulation import utilisation

    study = search(mh.ASHAPromotionScheduler(max_steps=N_STEPS), workers=4)

    assert 0.7 < utilisation(study, 4) <= 1.0


def test_trials_pause_and_go_on_in_this_process_too(tmp_path: Any) -> None:
    """With a real executor and real checkpoints."""

    def objective(params: dict[str, float], trial: Any) -> float:
        loss = 1.0
        for step in range(trial.restore(0), 9):
            loss = params["final"] + math.exp(-params["rate"] * (step + 1))
            trial.save(step + 1)
            trial.report(loss, step=step + 1)
        return loss

    scheduler = Noting(reduction=2)
    study = mh.tune(
        objective,
        SPACE,
        executor="inline",
        sampler="random",
        scheduler=scheduler,
        max_trials=20,
        store=tmp_path / "s.db",
        progress=False,
    )

    assert scheduler.went_on
    for trial in study.trials:
        steps = [report.step for report in study.reports(trial)]
        assert steps == list(range(1, len(steps) + 1))
