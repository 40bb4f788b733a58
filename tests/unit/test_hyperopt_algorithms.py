"""Hyperopt's algorithms on our samplers: what a sampler is told of trials, and what comes of its proposals."""

import gc
import math
import weakref
from functools import partial

import numpy as np
import pytest

import manyhands as mh
from manyhands.hyperopt import STATUS_FAIL, STATUS_OK, Trials, anneal, atpe, fmin, hp, mix, rand, tpe
from manyhands.hyperopt.annealing import AnnealSampler
from manyhands.hyperopt.base import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_RUNNING, Domain
from manyhands.hyperopt.fmin import generate_trials_to_calculate
from manyhands.hyperopt.proposing import propose
from manyhands.testing.samplers import SamplerContract

SPACE = {
    "x": hp.uniform("x", -5, 5),
    "n": hp.quniform("n", 0, 10, 2),
    "model": hp.choice("model", [{"kind": "a", "c": hp.loguniform("c", -3, 3)}, {"kind": "b"}]),
}


def loss_of(params):
    return params["x"] ** 2 + params["n"] + params["model"].get("c", 3.0)


def search(algo, n=25, objective=loss_of, space=SPACE, seed=3, **settings):
    trials = Trials()
    defaults = {"show_progressbar": False, "trials": trials, "rstate": np.random.default_rng(seed)}
    fmin(objective, space, algo=algo, max_evals=n, **defaults, **settings)
    return trials


class TestAnnealSampler(SamplerContract):
    def make(self):
        return AnnealSampler()


class Recording:
    """Proposes points of a sequence, and notes what it is told."""

    learns = True

    def start(self, problem):
        self.problem = problem
        self.told = []
        self.running = []

    def suggest(self, trial_id, running):
        self.running.append(dict(running))
        return {"x": trial_id / 100}

    def observe(self, trial, outcome):
        self.told.append((trial.id, trial.point, outcome))


class Asked:
    """A sampler, and what it takes to ask it by hand."""

    def __init__(self):
        self.sampler = Recording()
        self.domain = Domain(lambda x: x, hp.uniform("x", 0, 1))
        self.trials = Trials()

    def __call__(self, n=1, tids=None, seed=1):
        tids = self.trials.new_trial_ids(n) if tids is None else tids
        return propose(tids, self.domain, self.trials, seed, lambda: self.sampler, "key")

    def insert(self, docs, state=None, **result):
        for doc in docs:
            if state is not None:
                doc["state"] = state
                doc["result"] = result
        self.trials.insert_trial_docs(docs)
        self.trials.refresh()


@pytest.fixture
def ask():
    return Asked()


@pytest.mark.parametrize("algo", [tpe.suggest, anneal.suggest, atpe.suggest, "auto", "gp", "tpe", "random", "sobol"])
def test_the_same_state_gives_the_same_trials_and_another_one_others(algo):
    first, second, other = search(algo), search(algo), search(algo, seed=4)

    assert first.vals == second.vals
    assert first.vals != other.vals
    assert len(first) == 25


@pytest.mark.parametrize("algo", [tpe.suggest, anneal.suggest, atpe.suggest])
def test_documents_hold_plain_numbers_of_all_labels(algo):
    for doc in search(algo):
        assert {"x", "n", "model", "c"} == set(doc["misc"]["vals"]) == set(doc["misc"]["idxs"])
        (x,), (n,), (model,) = (doc["misc"]["vals"][label] for label in ("x", "n", "model"))
        assert [type(x), type(n), type(model)] == [float, float, int]
        assert n in (0, 2, 4, 6, 8, 10)
        assert len(doc["misc"]["vals"]["c"]) == (model == 0)
        assert doc["misc"]["idxs"]["x"] == [doc["tid"]]


@pytest.mark.parametrize("algo", [tpe.suggest, anneal.suggest, atpe.suggest])
def test_they_find_what_random_search_does_not(algo):
    found = [min(search(algo, 60, seed=seed).losses()) for seed in range(3)]
    at_random = [min(search(rand.suggest, 60, seed=seed).losses()) for seed in range(3)]

    assert np.median(found) < np.median(at_random)


def test_settings_of_hyperopts_tpe_are_accepted():
    settings = {"prior_weight": 0.5, "n_EI_candidates": 100, "gamma": 0.15, "verbose": False}

    trials = search(partial(tpe.suggest, n_startup_jobs=5, **settings))

    assert trials.vals != search(tpe.suggest).vals
    assert len(search(partial(anneal.suggest, avg_best_idx=3.0, shrink_coef=0.2))) == 25
    assert search(partial(tpe.suggest, prior_weight=2.0, gamma=0.5)).vals == search(tpe.suggest).vals


def test_algo_may_be_one_of_our_samplers():
    by_name, by_object = search("random"), search(mh.samplers.RandomSampler())

    assert by_name.vals == by_object.vals


def test_a_sampler_can_be_taken_for_one_search_after_another():
    sampler = mh.samplers.RandomSampler()

    assert search(sampler).vals == search(sampler).vals


def test_algo_may_be_mixed_of_others():
    assert len(search(partial(mix.suggest, p_suggest=[(0.3, rand.suggest), (0.7, tpe.suggest)]))) == 25


@pytest.mark.parametrize(("algo", "words"), [(tpe, "algo=tpe.suggest"), ("tpee", "no sampler 'tpee'"), (3, "algo=3")])
def test_what_proposes_nothing_is_refused_with_what_would(algo, words):
    with pytest.raises(TypeError, match=words):
        search(algo)


def test_a_range_that_depends_on_another_parameter_is_refused_in_words():
    with pytest.raises(mh.SpaceError, match=r"rand\.suggest"):
        search(tpe.suggest, space=hp.uniform("y", 0, hp.uniform("x", 1, 2)), objective=float)


def test_a_sampler_is_told_each_outcome_once_and_in_order(ask):
    ask.insert(ask(), JOB_STATE_DONE, status=STATUS_OK, loss=1.5, loss_variance=0.25)
    ask.insert(ask(), JOB_STATE_DONE, status=STATUS_OK, loss=0.5)
    ask()
    ask()

    first, second = ask.sampler.told
    assert first == (0, {"x": 0.0}, mh.ports.Outcome((1.5,), variance=0.25))
    assert second == (1, {"x": 0.01}, mh.ports.Outcome((0.5,)))


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (JOB_STATE_DONE, {"status": STATUS_FAIL}),
        (JOB_STATE_DONE, {"status": STATUS_FAIL, "loss": 1.0}),
        (JOB_STATE_DONE, {"status": STATUS_OK, "loss": math.nan}),
        (JOB_STATE_DONE, {"status": STATUS_OK, "loss": math.inf}),
        (JOB_STATE_ERROR, {"status": "new"}),
    ],
)
def test_a_trial_without_a_loss_is_one_that_failed(ask, state, result):
    ask.insert(ask(), state, **result)
    ask()

    assert ask.sampler.told == [(0, {"x": 0.0}, None)]
    assert ask.sampler.running[-1] == {}


def test_a_loss_of_minus_infinity_is_as_good_as_the_best_one(ask):
    ask.insert(ask(), JOB_STATE_DONE, status=STATUS_OK, loss=-2.0)
    ask.insert(ask(), JOB_STATE_DONE, status=STATUS_OK, loss=-math.inf)
    ask()

    assert [outcome.loss for _, _, outcome in ask.sampler.told] == [-2.0, -2.0]


def test_running_trials_are_known_until_they_end_or_are_cancelled(ask):
    docs = [doc for _ in range(3) for doc in ask()]
    ask.insert(docs, JOB_STATE_RUNNING, status="new")
    ask()
    assert ask.sampler.running[-1] == {0: {"x": 0.0}, 1: {"x": 0.01}, 2: {"x": 0.02}}

    docs[0]["state"], docs[1]["state"] = JOB_STATE_CANCEL, JOB_STATE_ERROR
    ask()

    assert set(ask.sampler.running[-1]) == {2}
    assert ask.sampler.told == [(1, {"x": 0.01}, None)]


def test_trials_of_one_call_know_of_each_other_and_those_never_inserted_are_forgotten(ask):
    ask(3)
    assert [len(running) for running in ask.sampler.running] == [0, 1, 2]

    ask()
    assert ask.sampler.running[-1] == {}


def test_trials_that_others_inserted_are_learned_from(ask):
    ask.insert(ask(), JOB_STATE_DONE, status=STATUS_OK, loss=1.0)
    others = generate_trials_to_calculate([{"x": 0.7}, {"x": 2.5}, {"unknown": 1}])._dynamic_trials
    for tid, doc in enumerate(others, 10):
        doc["tid"] = doc["misc"]["tid"] = tid
    ask.insert(others, JOB_STATE_DONE, status=STATUS_OK, loss=2.0)
    ask()

    assert [point["x"] for _, point, _ in ask.sampler.told[:3]] == [0.0, 0.7, 1.0]  # the nearest that there is


def test_trials_of_another_space_are_left_out(ask, caplog):
    ask.domain = Domain(lambda x: x, hp.choice("x", ["a", "b"]))
    other = generate_trials_to_calculate([{"x": 5}])._dynamic_trials
    ask.insert(other, JOB_STATE_DONE, status=STATUS_OK, loss=2.0)

    propose([1], ask.domain, ask.trials, 1, lambda: mh.samplers.RandomSampler(), "key")

    assert "another space" in caplog.text


def test_the_same_question_has_the_same_answer_and_another_seed_another_one():
    domain, trials = Domain(loss_of, SPACE), Trials()

    first, second, other = (tpe.suggest([0], domain, trials, seed)[0]["misc"]["vals"] for seed in (1, 1, 2))

    assert first == second != other


def test_trials_that_were_taken_out_do_not_run(ask):
    docs = ask(2)
    ask.insert(docs)
    ask()
    assert set(ask.sampler.running[-1]) == {0, 1}

    ask.trials._dynamic_trials[:] = docs[:1]
    ask.trials.refresh()
    ask()

    assert set(ask.sampler.running[-1]) == {0}


def test_what_is_known_of_trials_ends_with_them():
    trials = search(tpe.suggest)
    reference = weakref.ref(trials)
    del trials
    gc.collect()

    assert reference() is None


def test_points_to_evaluate_are_learned_from():
    trials = search(tpe.suggest, 12, points_to_evaluate=[{"x": 0.0, "n": 0.0, "model": 1}])

    assert trials.vals["x"][0] == 0.0
    assert trials.vals["model"][0] == 1
    assert len(trials) == 13


def test_trials_that_are_proposed_ahead_differ():
    trials = search(tpe.suggest, 30, max_queue_len=5)

    assert trials.tids == list(range(30))
    assert len(set(trials.vals["x"])) == 30


def test_a_search_goes_on_with_what_it_knew():
    trials = search(tpe.suggest, 30)

    fmin(loss_of, SPACE, algo=tpe.suggest, max_evals=60, trials=trials, rstate=np.random.default_rng(3),
         show_progressbar=False)  # fmt: skip

    assert len(set(trials.vals["x"])) == 60
    assert np.mean(trials.losses()[30:]) < np.mean(trials.losses()[:10])


@pytest.mark.parametrize("algo", [tpe.suggest, anneal.suggest, atpe.suggest])
def test_where_all_options_were_tried_good_ones_are_tried_again(algo):
    trials = search(algo, 60, objective=float, space=hp.choice("x", [3, 1, 2, 0]))

    counts = np.bincount(trials.vals["x"])
    assert len(trials) == 60
    assert counts.min() >= 1
    assert counts[3] > 36


@pytest.mark.parametrize("algo", ["grid", "random"])
def test_our_own_samplers_end_the_search_when_all_was_tried(algo):
    trials = search(algo, 60, objective=float, space=hp.choice("x", [3, 1, 2, 0]))

    assert sorted(trials.vals["x"]) == [0, 1, 2, 3]


def test_annealing_settings_count():
    def spread_of(**settings):
        trials = search(partial(anneal.suggest, **settings), 80, objective=abs, space=hp.uniform("x", -5, 5))
        return np.std(trials.vals["x"][40:])

    assert spread_of(shrink_coef=10.0) < spread_of() / 3
    assert spread_of(avg_best_idx=30.0) > spread_of()


def test_annealing_begins_with_what_random_search_draws():
    first = search(anneal.suggest, 1), search(rand.suggest, 1)

    assert first[0].vals == first[1].vals
