"""Checkpoints of simulated trials: saved before a report, and counted from the end of the step."""

import pytest

import manyhands as mh
from manyhands.executors.curve import SimulatedTrial
from manyhands.trial import Part

SPACE = {"x": mh.Float(0, 1)}


class PausesOnce:
    """Pauses trial 0 at its second step, and lets it go on or forks it when asked."""

    def __init__(self, offer):
        self.offer = offer
        self.is_paused = False

    def judge(self, trial_id, report, loss):
        if trial_id == 0 and report.step == 1 and not self.is_paused:
            self.is_paused = True
            return mh.Pause("let others try")
        return None

    def observe(self, trial, loss):
        pass

    def next_trial(self):
        offer, self.offer = (self.offer, None) if self.is_paused else (None, self.offer)
        return offer


def run(objective, scheduler=None, *, faults=(), n=1):
    settings = {"max_trials": n, "sampler": "random", "progress": False}
    return mh.tune(objective, SPACE, executor=mh.Simulated(1, faults=faults), scheduler=scheduler, **settings)


def steps(study, trial_id=0):
    return [report.step for report in study.reports(trial_id)]


def train(params, trial):
    for step in range(trial.restore(0), 4):
        trial.save(step + 1)
        yield 1.0, float(step), {"step": step}


def test_a_paused_trial_goes_on_after_the_step_it_reported():
    study = run(train, PausesOnce(mh.Resume(0)))

    assert steps(study) == [0, 1, 2, 3]
    assert study.trials[0].state == "finished"


def test_a_step_that_was_not_done_is_not_saved():
    """The worker is lost at 2.5 seconds, in the third step."""
    study = run(train, faults=[mh.Fault(worker=0, at_s=2.5, lost_for_s=10.0)])

    assert steps(study) == [0, 1, 2, 3]
    assert study.trials[0].ended_at == 2.5 + 10 + 2


def test_without_a_checkpoint_a_trial_begins_again():
    def forgetful(params, trial):
        assert trial.restore() is None
        for step in range(4):
            yield 1.0, float(step), {"step": step}

    assert steps(run(forgetful, PausesOnce(mh.Resume(0)))) == [0, 1, 0, 1, 2, 3]


def test_a_fork_begins_with_its_parents_checkpoint():
    seen = {}

    def objective(params, trial):
        seen[trial.id] = (trial.parent, trial.restore("nothing"))
        yield from train(params, trial)

    study = run(objective, PausesOnce(mh.Fork(0, {"x": 0.5})), n=2)

    assert seen == {0: (None, "nothing"), 1: (0, 2)}
    assert steps(study, 1) == [2, 3]
    assert study.trials[1].parent == 0


def test_a_checkpoint_is_independent_of_what_the_objective_does_later():
    weights = [1]

    def objective(params, trial):
        if trial.attempt > 1:
            return float(sum(trial.restore()))
        trial.save(weights)
        weights.append(10)
        yield 1.0, 0.0
        yield 1.0, 0.0

    study = run(objective, PausesOnce(mh.Resume(0)))

    assert study.best_value == 1.0


def test_a_trial_sees_what_it_has_just_saved():
    trial = SimulatedTrial(Part(0))
    trial.save({"epoch": 3})

    assert trial.restore() == {"epoch": 3}


def test_what_cannot_be_pickled_fails_the_trial():
    def objective(params, trial):
        trial.save(lambda: None)
        yield 1.0, 0.0

    with pytest.raises(mh.AllTrialsFailedError, match="pickle"):
        run(objective)


def test_splits_have_checkpoints_of_their_own():
    def objective(params, trial):
        assert trial.restore() is None
        trial.save(trial.split)
        yield 1.0, float(trial.split)

    study = mh.tune(
        objective, SPACE, executor=mh.Simulated(2), splits=3, max_trials=2, sampler="random", progress=False
    )

    assert {trial.state for trial in study.trials} == {"finished"}


def test_a_second_study_does_not_find_the_checkpoints_of_the_first():
    executor = mh.Simulated(1)
    for _ in range(2):
        study = mh.tune(train, SPACE, executor=executor, max_trials=1, sampler="random", progress=False)

        assert steps(study) == [0, 1, 2, 3]
