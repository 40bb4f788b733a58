import datetime
import json
import math
import pickle

import numpy as np
import pytest

from manyhands.hyperopt import Domain, Trials, fmin, hp, rand
from manyhands.hyperopt.base import (
    JOB_STATE_DONE,
    JOB_STATE_ERROR,
    JOB_STATE_NEW,
    Ctrl,
    SONify,
    miscs_to_idxs_vals,
    miscs_update_idxs_vals,
    spec_from_misc,
    trials_from_docs,
)
from manyhands.hyperopt.exceptions import (
    AllTrialsFailed,
    DuplicateLabel,
    InvalidLoss,
    InvalidResultStatus,
    InvalidTrial,
    MissingValue,
)
from manyhands.hyperopt.pyll.base import rec_eval


def a_doc(tid, loss=None, status="ok", state=JOB_STATE_DONE, exp_key=None, **vals):
    result = {"status": status} if loss is None else {"status": status, "loss": loss}
    labels = vals or {"x": 0.5}
    return {
        "state": state,
        "tid": tid,
        "spec": None,
        "result": result,
        "misc": {
            "tid": tid,
            "cmd": None,
            "workdir": None,
            "idxs": {label: [tid] for label in labels},
            "vals": {label: [value] for label, value in labels.items()},
        },
        "exp_key": exp_key,
        "owner": None,
        "version": 0,
        "book_time": None,
        "refresh_time": None,
    }


def conditional(hp):
    return hp.choice("kind", [{"a": hp.uniform("a", 0, 1)}, [hp.randint("b", 5), hp.quniform("c", 0, 10, 2)]])


def without_times(docs):
    return [{key: SONify(doc[key]) for key in doc if not key.endswith("_time")} for doc in docs]


# -- documents ----------------------------------------------------------------------------------------------------


def test_documents_are_those_of_hyperopt():
    upstream = pytest.importorskip("hyperopt")
    found = {}
    for package in (upstream, __import__("manyhands.hyperopt").hyperopt):
        trials = package.Trials()

        def objective(params):
            if isinstance(params, dict):
                return {"status": "fail", "why": "a"}
            return {"status": "ok", "loss": params[1], "attachments": {"note": b"x"}, "extra": [1, "two"]}

        package.fmin(
            objective,
            conditional(package.hp),
            algo=package.rand.suggest,
            max_evals=12,
            trials=trials,
            rstate=np.random.default_rng(3),
            show_progressbar=False,
        )
        found[package.__name__] = trials
    theirs, ours = found.values()

    assert without_times(ours.trials) == without_times(theirs.trials)
    assert [list(doc) for doc in ours.trials] == [list(doc) for doc in theirs.trials]
    assert SONify(theirs.vals) == ours.vals
    assert ours.idxs == SONify(theirs.idxs)
    assert ours.argmin == SONify(theirs.argmin)
    assert (ours.losses(), ours.statuses()) == (theirs.losses(), theirs.statuses())
    assert ours.attachments == theirs.attachments
    assert all(type(ours.trials[0][key]) is datetime.datetime for key in ("book_time", "refresh_time"))


def test_documents_hold_no_numbers_of_numpy():
    trials = Trials()
    best = fmin(lambda params: 1.0, conditional(hp), algo=rand.suggest, max_evals=5, trials=trials, verbose=False)

    def numpy_algorithm(ids, domain, trials, seed):
        docs = rand.suggest(ids, domain, trials, seed)
        for doc in docs:
            doc["misc"]["vals"] = {k: [np.float64(v) for v in vs] for k, vs in doc["misc"]["vals"].items()}
            doc["misc"]["vals"]["kind"] = [np.int64(1)] if doc["misc"]["vals"]["b"] else [np.int64(0)]
        return docs

    fmin(lambda params: 1.0, conditional(hp), algo=numpy_algorithm, max_evals=8, trials=trials, verbose=False)

    assert {type(value) for values in trials.vals.values() for value in values} <= {int, float}
    assert json.loads(json.dumps(best)) == best


def test_times_are_in_utc_to_the_millisecond():
    trials = Trials()
    fmin(lambda x: x, hp.uniform("x", 0, 1), algo=rand.suggest, max_evals=1, trials=trials, verbose=False)

    time = trials.trials[0]["book_time"]

    assert abs(datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - time) < datetime.timedelta(seconds=10)
    assert time.microsecond % 1000 == 0


def test_sonify_leaves_only_what_json_can_hold():
    thing = {"a": np.int64(1), "b": [np.float32(0.5), True], "c": (np.array([[1, 2]]),), "d": None, "e": np.bool_(True)}

    assert SONify(thing) == {"a": 1, "b": [0.5, True], "c": ([[1, 2]],), "d": None, "e": True}
    assert type(SONify(np.array(3.0))) is float
    with pytest.raises(TypeError, match="SONify"):
        SONify(object())


def test_params_are_written_into_miscs_and_read_again():
    miscs = [{"tid": 0}, {"tid": 1}]
    idxs, vals = {"x": [0, 1], "y": [1]}, {"x": [0.5, 1.5], "y": [7]}

    miscs_update_idxs_vals(miscs, idxs, vals)

    assert miscs[0]["vals"] == {"x": [0.5], "y": []}
    assert miscs_to_idxs_vals(miscs) == (idxs, vals)
    assert spec_from_misc(miscs[1]) == {"x": 1.5, "y": 7}
    with pytest.raises(ValueError, match="different labels"):
        miscs_update_idxs_vals(miscs, {"x": []}, {"y": []})
    with pytest.raises(KeyError):
        miscs_update_idxs_vals(miscs, {"x": [5]}, {"x": [1]})
    miscs_update_idxs_vals(miscs, {"x": [5, 6]}, {"x": [1, 2]}, assert_all_vals_used=False, idxs_map={6: 1})
    assert spec_from_misc(miscs[1]) == {"x": 2}


def test_trials_of_which_there_are_none_have_no_labels():
    with pytest.raises(ValueError, match="cannot infer keys"):
        _ = Trials().vals


def test_a_trial_that_lacks_a_label_does_not_have_it():
    trials = trials_from_docs([a_doc(0, 1.0, x=1, y=2), a_doc(1, 2.0, x=3)])

    assert trials.vals == {"x": [1, 3], "y": [2]}
    assert trials.idxs == {"x": [0, 1], "y": [0]}


# -- what is put in and what is seen ------------------------------------------------------------------------------


def test_what_is_inserted_is_seen_after_a_refresh():
    trials = Trials()
    assert trials.insert_trial_doc(a_doc("a", 1.0)) == "a"
    assert len(trials) == 0

    trials.refresh()

    assert trials.tids == ["a"]
    assert [doc["tid"] for doc in trials] == ["a"]


def test_trials_that_raised_are_hidden():
    trials = trials_from_docs([a_doc(0, 1.0), a_doc(1, state=JOB_STATE_ERROR), a_doc(2, state=JOB_STATE_NEW)])

    assert trials.tids == [0, 2]
    assert trials.count_by_state_synced(JOB_STATE_ERROR) == 0
    assert trials.count_by_state_unsynced(JOB_STATE_ERROR) == 1
    assert trials.count_by_state_unsynced([JOB_STATE_NEW, JOB_STATE_DONE]) == 2
    with pytest.raises(TypeError, match="no state"):
        trials.count_by_state_synced(17)


def test_what_was_removed_is_gone_after_the_next_look():
    trials = trials_from_docs([a_doc(i, float(i)) for i in range(5)])

    trials._dynamic_trials[:] = [doc for doc in trials._dynamic_trials if doc["tid"] > 2]
    trials.refresh_new()

    assert trials.tids == [3, 4]


@pytest.mark.parametrize("key", ["tid", "spec", "result", "misc", "state", "exp_key"])
def test_a_document_without_a_key_is_refused(key):
    doc = a_doc(0)
    del doc[key]

    with pytest.raises(InvalidTrial, match=key):
        Trials().insert_trial_doc(doc)


def test_documents_that_are_none_are_refused():
    trials = Trials()
    for wrong in (3, {**a_doc(0), "tid": 1}, {**a_doc(0), "exp_key": "other"}):
        with pytest.raises(InvalidTrial):
            trials.insert_trial_docs([a_doc(5), wrong])
    trials.refresh()

    assert len(trials) == 0


def test_no_id_is_given_twice():
    trials = Trials()
    trials.insert_trial_docs([a_doc(0), a_doc("b"), a_doc(3)])

    first, second = trials.new_trial_ids(2), trials.new_trial_ids(2)

    assert len({0, "b", 3, *first, *second}) == 7
    trials.return_trial_ids(second)
    assert trials.new_trial_ids(2) == second


def test_trials_can_be_merged():
    one, two = trials_from_docs([a_doc(0, 3.0)]), trials_from_docs([a_doc(1, 2.0)])

    one.insert_trial_docs(two.trials)
    one.refresh()

    assert one.losses() == [3.0, 2.0]
    assert one.new_trial_ids(1) == [2]


def test_a_result_may_hold_anything():
    model = object()
    trials = trials_from_docs([{**a_doc(0), "result": {"status": "ok", "loss": 1.0, "model": model}}])

    assert trials.best_trial["result"]["model"] is model


def test_a_view_shows_one_experiment():
    trials = Trials()
    trials.insert_trial_docs([a_doc(0, 1.0)])
    other = trials.view(exp_key="other")
    other.insert_trial_docs([a_doc(1, 2.0, exp_key="other")])
    other.refresh()
    trials.refresh()

    assert other.tids == [1]
    assert trials.tids == [0, 1]
    assert other.count_by_state_unsynced(JOB_STATE_DONE) == 1


def test_trials_come_out_of_a_pickle_as_they_went_in():
    trials = Trials()
    space = {"x": hp.uniform("x", 0, 1), "f": hp.choice("f", [lambda: 1, lambda: 2])}  # which cannot be pickled
    fmin(lambda p: p["x"], space, algo=rand.suggest, max_evals=5, trials=trials, verbose=False)
    trials.trial_attachments(trials.trials[2])["note"] = b"hello"

    again = pickle.loads(pickle.dumps(trials))  # noqa: S301 - its own

    assert again.trials == trials.trials
    assert again.trial_attachments(again.trials[2])["note"] == b"hello"
    assert again.new_trial_ids(1) == [5]
    with pytest.raises(AttributeError, match="space_eval"):
        _ = again.best_params


def test_deleting_all_leaves_nothing_but_the_ids_that_were_given():
    trials = trials_from_docs([a_doc(0, 1.0)])
    trials.attachments["a"] = 1

    trials.delete_all()

    assert (len(trials), trials.attachments, trials.new_trial_ids(1)) == (0, {}, [1])


def test_trials_have_no_positions():
    with pytest.raises(NotImplementedError, match=r"trials\.trials"):
        Trials()[0]


def test_trials_that_were_never_refreshed_say_so():
    with pytest.raises(AttributeError, match="refresh"):
        len(Trials(refresh=False))


def test_attachments_are_a_trials_own():
    trials = trials_from_docs([a_doc(0, 1.0), a_doc(1, 2.0)])
    attachments = trials.trial_attachments(trials.trials[1])

    attachments["model"] = b"m"

    assert trials.attachments == {"ATTACH::1::model": b"m"}
    assert "model" in attachments
    assert "model" not in trials.trial_attachments(trials.trials[0])
    del attachments["model"]
    assert trials.attachments == {}


def test_documents_that_go_back_to_others_say_to_which():
    trials = trials_from_docs([a_doc(0, 1.0)])
    miscs = [{"idxs": {}, "vals": {}}]

    (doc,) = trials.source_trial_docs([7], [None], [{"status": "ok"}], miscs, trials.trials)

    assert (doc["tid"], doc["state"], doc["misc"]["from_tid"]) == (7, JOB_STATE_DONE, 0)
    with pytest.raises(ValueError, match="from_tid"):
        trials.source_trial_docs([7], [None], [{}], [{"from_tid": 5}], trials.trials)


def test_an_evaluation_can_bring_finished_trials_along():
    trials = trials_from_docs([a_doc(0, state=JOB_STATE_NEW)])

    Ctrl(trials, trials.trials[0]).inject_results(
        [None], [{"status": "ok", "loss": 0.5}], [{"idxs": {"x": [1]}, "vals": {"x": [2.0]}}]
    )
    trials.refresh()

    assert trials.best_trial["tid"] == 1
    with pytest.raises(ValueError, match="none"):
        Ctrl(trials).inject_results([], [], [])


# -- what is best -------------------------------------------------------------------------------------------------


def test_the_best_trial_is_ok_and_has_a_number():
    docs = [a_doc(0, 0.1, status="fail"), a_doc(1, math.nan), a_doc(2, 3.0), a_doc(3, 2.0), a_doc(4, 2.0), a_doc(5)]

    assert trials_from_docs(docs).best_trial["tid"] == 3
    assert trials_from_docs([a_doc(0, math.inf), a_doc(1, math.inf)]).best_trial["tid"] == 0


def test_without_a_best_trial_it_is_said_why():
    docs = [a_doc(0, math.nan), a_doc(1, status="fail"), a_doc(2, status="fail"), a_doc(3, state=JOB_STATE_ERROR)]

    with pytest.raises(AllTrialsFailed, match=r"of 4, 2 returned a status .* 1 a loss .* 1 raised"):
        _ = trials_from_docs(docs).best_trial
    with pytest.raises(AllTrialsFailed, match="no trials"):
        _ = Trials().argmin


def test_best_params_are_values_and_not_indices():
    trials = Trials()
    space = {"kind": hp.choice("kind", ["svm", "forest"]), "c": hp.uniform("c", 0, 1)}
    best = fmin(
        lambda p: len(p["kind"]), space, algo=rand.suggest, max_evals=10, trials=trials, verbose=False, rstate=1
    )

    assert best["kind"] == 0
    assert trials.best_params == {"kind": "svm", "c": best["c"]}


def test_average_best_error_weighs_by_the_chance_of_being_best():
    upstream = pytest.importorskip("hyperopt")
    rng = np.random.default_rng(0)
    docs = [a_doc(i, float(rng.normal())) for i in range(30)]
    for doc in docs:
        doc["result"] |= {"loss_variance": 0.3, "true_loss": doc["result"]["loss"] + float(rng.normal())}
    theirs = upstream.trials_from_docs(docs)

    ours = trials_from_docs(docs)

    assert ours.average_best_error() == pytest.approx(theirs.average_best_error(), rel=1e-12)
    domain = Domain(lambda x: x, hp.uniform("x", 0, 1))
    assert ours.average_best_error(domain) == pytest.approx(theirs.average_best_error(domain), rel=1e-12)
    assert ours.average_best_error() != trials_from_docs([a_doc(0, 1.0), a_doc(1, 2.0)]).average_best_error() == 1.0


def test_an_average_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Empty"):
        trials_from_docs([a_doc(0, status="fail")]).average_best_error()
    with pytest.raises(ValueError, match="finite"):
        trials_from_docs([a_doc(0, math.inf)]).average_best_error(Domain(lambda x: x, hp.uniform("x", 0, 1)))


def test_losses_can_be_what_a_domain_says():
    class Doubled(Domain):
        def loss(self, result, config=None):
            return 2 * result["loss"]

    domain = Doubled(lambda x: x, hp.uniform("x", 0, 1))

    assert trials_from_docs([a_doc(0, 1.5)]).losses(domain) == [3.0]
    assert trials_from_docs([a_doc(0, 1.5)]).statuses(domain) == ["ok"]


# -- what is searched ---------------------------------------------------------------------------------------------


def evaluate(returned, **settings):
    return Domain(lambda x: returned, hp.uniform("x", 0, 1), **settings).evaluate({"x": 0.5}, Ctrl(Trials(), a_doc(0)))


@pytest.mark.parametrize("returned", [2, 2.0, True + 1, np.float32(2), np.int64(2)])
def test_a_number_is_a_loss(returned):
    result = evaluate(returned)

    assert result == {"loss": 2.0, "status": "ok"}
    assert type(result["loss"]) is float


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [
        (None, TypeError, "has to return its loss"),
        (np.array(1.0), TypeError, "has to return its loss"),
        ({"loss": 1.0}, KeyError, "status"),
        ({"loss": 1.0, "status": "great"}, InvalidResultStatus, "great"),
        ({"status": "ok"}, InvalidLoss, "loss"),
        ({"status": "ok", "loss": None}, InvalidLoss, "loss"),
        ({"status": "ok", "loss": "low"}, InvalidLoss, "low"),
    ],
)
def test_a_result_that_is_none_is_refused(returned, error, words):
    with pytest.raises(error, match=words):
        evaluate(returned)


def test_a_result_is_kept_but_for_its_attachments():
    trials = Trials()
    domain = Domain(
        lambda x: {"loss": "1.5", "status": "ok", "model": [1], "attachments": {"a": b"1"}}, hp.uniform("x", 0, 1)
    )

    result = domain.evaluate({"x": 0.5}, Ctrl(trials, a_doc(4)))

    assert result == {"loss": 1.5, "status": "ok", "model": [1]}
    assert trials.attachments == {"ATTACH::4::a": b"1"}
    assert "attachments" in domain.evaluate({"x": 0.5}, None, attach_attachments=False)


def test_an_objective_may_compute_its_params_itself():
    def objective(expr, memo, ctrl):
        assert ctrl.current_trial["tid"] == 0
        return rec_eval(expr, memo=memo)["x"] + 1

    domain = Domain(objective, {"x": hp.uniform("x", 0, 1)}, pass_expr_memo_ctrl=True)

    assert domain.evaluate({"x": 0.5}, Ctrl(Trials(), a_doc(0))) == {"loss": 1.5, "status": "ok"}


def test_a_space_may_ask_for_the_ctrl_of_its_evaluation():
    ctrl = Ctrl(Trials(), a_doc(3))
    domain = Domain(lambda p: p["ctrl"].current_trial["tid"], {"ctrl": Domain.pyll_ctrl, "x": hp.uniform("x", 0, 1)})

    assert domain.evaluate({"x": 0.5}, ctrl)["loss"] == 3.0


def test_a_label_without_a_value_is_an_error_only_where_it_is_needed():
    domain = Domain(lambda x: x, hp.choice("kind", [hp.uniform("a", 0, 1), hp.uniform("b", 0, 1)]))

    assert domain.evaluate({"kind": 1, "b": 0.25}, None, attach_attachments=False)["loss"] == 0.25
    with pytest.raises(MissingValue, match="'a'"):
        domain.evaluate({"kind": 0, "b": 0.25}, None)


def test_a_label_twice_is_refused():
    with pytest.raises(DuplicateLabel, match="x"):
        Domain(lambda x: x, [hp.uniform("x", 0, 1), hp.uniform("x", 0, 2)])


def test_a_domain_can_be_pickled():
    domain = Domain(math.sqrt, hp.uniform("x", 0, 1), name="root", loss_target=0.0)

    again = pickle.loads(pickle.dumps(domain))  # noqa: S301 - its own

    assert again.evaluate({"x": 0.25}, None, attach_attachments=False)["loss"] == 0.5
    assert (again.name, again.loss_target, list(again.params)) == ("root", 0.0, ["x"])


def test_an_algorithm_of_ones_own_can_begin_with_random_points():
    domain = Domain(lambda x: x, conditional(hp))
    memo = {domain.s_new_ids: [7, 8, 9], domain.s_rng: np.random.default_rng(1)}

    idxs, vals = rec_eval(domain.s_idxs_vals, memo=memo)

    docs = rand.suggest([7, 8, 9], domain, Trials(), 1)
    assert (idxs, vals) == miscs_to_idxs_vals([doc["misc"] for doc in docs])
