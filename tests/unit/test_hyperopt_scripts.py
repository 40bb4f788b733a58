"""What published scripts, and libraries that use Hyperopt inside, ask for beside ``fmin``, ``hp`` and ``Trials``."""

import pickle
import sys
from functools import partial

import numpy as np
import pytest

import manyhands.hyperopt as hyperopt
from manyhands.hyperopt import (
    Ctrl,
    Domain,
    Trials,
    anneal,
    fmin,
    hp,
    pyll,
    rand,
    space_eval,
    tpe,
)

SPACE = {
    "zeta": hp.uniform("zeta", 0, 1),
    "kind": hp.choice("kind", [{"name": "a", "log_c": hp.loguniform("log_c", -3, 3)}, {"name": "b"}]),
    "alpha": hp.quniform("alpha", 0, 10, 2),
}


def loss_of(params):
    return params["zeta"] + params["alpha"]


def search(algo=tpe.suggest, n=25, trials=None, objective=loss_of):
    trials = Trials() if trials is None else trials
    rstate = np.random.default_rng(0)
    fmin(objective, SPACE, algo=algo, max_evals=n, trials=trials, rstate=rstate, show_progressbar=False)
    return trials


@pytest.mark.parametrize("algo", [rand.suggest, tpe.suggest, anneal.suggest, "gp"])
def test_labels_come_in_their_own_order_whatever_proposed(algo):
    trials = search(algo)

    assert list(trials.vals) == ["alpha", "kind", "log_c", "zeta"]
    for doc in trials:
        assert list(doc["misc"]["vals"]) == list(doc["misc"]["idxs"]) == list(trials.vals)
    assert list(trials.argmin) == sorted(trials.argmin)


class Notebook(Trials):
    """Keeps a list of the values tried, as people's own trials that write to files do: by overriding what is called."""

    def __init__(self):
        self.kept, self._keeps = [], False
        super().__init__()

    def refresh(self):
        super().refresh()
        if self._keeps:
            docs = self._dynamic_trials
            self.kept = [space_eval(SPACE, doc["misc"]["vals"])["alpha"] for doc in docs]

    def new_trial_ids(self, n):
        self._keeps = False
        return super().new_trial_ids(n)

    def new_trial_docs(self, tids, specs, results, miscs):
        self._keeps = True
        return super().new_trial_docs(tids, specs, results, miscs)


@pytest.mark.parametrize("algo", [rand.suggest, tpe.suggest, anneal.suggest])
def test_trials_of_ones_own_are_asked_for_each_document(algo):
    trials = search(algo, n=6, trials=Notebook())

    assert trials.kept == trials.vals["alpha"]


def test_a_number_of_startup_jobs_can_be_assigned_to_the_module(monkeypatch):
    as_given = search(partial(tpe.suggest, n_startup_jobs=20)).vals

    monkeypatch.setattr(tpe, "_default_n_startup_jobs", 21)
    assert search(partial(tpe.suggest, n_startup_jobs=20)).vals == as_given
    assigned = search().vals
    monkeypatch.undo()

    assert assigned == search(partial(tpe.suggest, n_startup_jobs=21)).vals != search().vals


def test_a_number_of_candidates_can_be_assigned_to_the_module(monkeypatch):
    monkeypatch.setattr(tpe, "_default_n_EI_candidates", 500)
    assigned = search().vals
    monkeypatch.undo()

    assert assigned == search(partial(tpe.suggest, n_EI_candidates=500)).vals != search().vals


def test_mongo_trials_can_be_imported_and_say_what_to_use_instead():
    from manyhands.hyperopt.mongoexp import MongoTrials

    assert not isinstance(Trials(), MongoTrials)
    with pytest.raises(NotImplementedError, match=r"mongo://host/db.*ProcessTrials"):
        MongoTrials("mongo://host/db", exp_key="one")


def test_reasons_for_an_end_have_names():
    from manyhands.hyperopt.spark import FMIN_CANCELLED_REASON_EARLY_STOPPING, FMIN_CANCELLED_REASON_TIMEOUT

    trials = hyperopt.ProcessTrials(1)
    trials._cancelled(FMIN_CANCELLED_REASON_EARLY_STOPPING)

    assert trials.fmin_cancelled_reason == "early stopping condition"
    assert FMIN_CANCELLED_REASON_TIMEOUT == "fmin run timeout"


class Suggester:
    """Leads a search itself, as Ray Tune does, with what it finds in the package."""

    def __init__(self, space):
        self.trials = hyperopt.Trials()
        self.domain = hyperopt.Domain(lambda spec: spec, space)
        self.rstate = np.random.RandomState(1)

    def suggest(self):
        ids = self.trials.new_trial_ids(1)
        docs = hyperopt.tpe.suggest(ids, self.domain, self.trials, self.rstate.randint(2**31 - 1))
        self.trials.insert_trial_docs(docs)
        self.trials.refresh()
        config = hyperopt.base.spec_from_misc(docs[0]["misc"])
        ctrl = hyperopt.base.Ctrl(self.trials, current_trial=docs[0])
        memo = self.domain.memo_from_config(config)
        hyperopt.utils.use_obj_for_literal_in_memo(self.domain.expr, ctrl, hyperopt.base.Ctrl, memo)
        return docs[0], hyperopt.base.pyll.rec_eval(self.domain.expr, memo=memo)

    def observe(self, doc, loss):
        doc["refresh_time"] = hyperopt.utils.coarse_utcnow()
        doc["state"] = hyperopt.base.JOB_STATE_DONE
        doc["result"] = {"loss": loss, "status": "ok"}
        self.trials.refresh()


def test_a_library_can_ask_and_tell():
    asker = Suggester({**SPACE, "ctrl": Domain.pyll_ctrl})

    for _ in range(15):
        doc, config = asker.suggest()
        assert config["ctrl"].current_trial is doc
        asker.observe(doc, config["alpha"])

    assert asker.trials.losses() == asker.trials.vals["alpha"]
    assert doc["refresh_time"].tzinfo is None


def test_an_object_takes_the_place_of_a_constant_and_of_no_other_one():
    expr = pyll.as_apply([Ctrl, np.zeros(2), 3, hp.uniform("x", 0, 1)])

    memo = hyperopt.utils.use_obj_for_literal_in_memo(expr, "live", Ctrl, {expr.pos_args[3]: 0.5})

    assert [str(value) for value in pyll.rec_eval(expr, memo=memo)] == ["live", "[0. 0.]", "3", "0.5"]


# Trials, spaces and algorithms of Hyperopt itself, which are still about when only some imports were changed


@pytest.fixture
def upstream():
    return pytest.importorskip("hyperopt")


@pytest.fixture
def old(upstream):
    trials = upstream.Trials()
    space = {"zeta": upstream.hp.uniform("zeta", 0, 1), "kind": upstream.hp.choice("kind", ["a", "b"])}
    settings = {"rstate": np.random.default_rng(0), "verbose": False}
    upstream.fmin(lambda params: params["zeta"], space, upstream.rand.suggest, 5, trials=trials, **settings)
    return trials


NEW_SPACE = {"zeta": hp.uniform("zeta", 0, 1), "kind": hp.choice("kind", ["a", "b"])}


def go_on(**settings):
    return fmin(lambda params: params["zeta"], NEW_SPACE, tpe.suggest, 8, verbose=False, **settings)


def test_a_search_goes_on_with_trials_that_hyperopt_made(old):
    best = go_on(trials=old)

    assert len(old) == 8
    assert best == old.argmin
    assert list(old.trials[-1]["misc"]["vals"]) == list(old.trials[0]["misc"]["vals"])


def test_a_file_that_hyperopt_wrote_holds_our_trials(old, tmp_path):
    path = tmp_path / "trials.pkl"
    path.write_bytes(pickle.dumps(old))

    loaded = hyperopt.load_trials(path)
    best = go_on(trials_save_file=str(path))

    assert type(loaded) is Trials
    assert loaded.losses() == old.losses()
    assert {type(value) for values in loaded.vals.values() for value in values} == {int, float}
    assert len(hyperopt.load_trials(path)) == 8
    assert best == hyperopt.load_trials(path).argmin


def test_a_file_that_hyperopt_wrote_is_read_where_it_is_not_installed(old, tmp_path, monkeypatch):
    path = tmp_path / "trials.pkl"
    path.write_bytes(pickle.dumps(old))
    monkeypatch.setitem(sys.modules, "hyperopt", None)  # what an import of it finds then
    monkeypatch.setitem(sys.modules, "hyperopt.base", None)

    assert hyperopt.load_trials(path).tids == [0, 1, 2, 3, 4]


def test_a_space_of_hyperopts_is_refused_in_words(upstream):
    with pytest.raises(TypeError, match=r"package hyperopt.*Import hp and scope from manyhands\.hyperopt"):
        fmin(loss_of, {"x": upstream.hp.uniform("x", 0, 1)}, max_evals=3, verbose=False)


def test_an_algorithm_of_hyperopts_is_refused_in_words(upstream):
    with pytest.raises(TypeError, match=r"Import tpe from manyhands\.hyperopt"):
        fmin(loss_of, SPACE, algo=partial(upstream.tpe.suggest, gamma=0.3), max_evals=3, verbose=False)
    with pytest.raises(TypeError, match=r"Import rand from manyhands\.hyperopt"):
        fmin(loss_of, SPACE, algo=upstream.rand.suggest, max_evals=3, verbose=False)
