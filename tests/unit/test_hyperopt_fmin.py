import contextlib
import functools
import io
import logging
import math
import pickle
import sys
import threading
import time

import numpy as np
import pytest

from manyhands.hyperopt import STATUS_FAIL, STATUS_OK, Trials, fmin, hp, mix, rand
from manyhands.hyperopt import progress as progress_module
from manyhands.hyperopt.base import JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW, JOB_STATE_RUNNING, Domain
from manyhands.hyperopt.early_stop import no_progress_loss
from manyhands.hyperopt.exceptions import AllTrialsFailed, InvalidAnnotatedParameter
from manyhands.hyperopt.fmin import (
    FMinIter,
    fmin_pass_expr_memo_ctrl,
    generate_trials_to_calculate,
    partial,
    space_eval,
)
from manyhands.hyperopt.pyll.base import rec_eval
from manyhands.hyperopt.saving import Saver
from manyhands.hyperopt.seeds import Seeds

X = hp.uniform("x", -5, 5)


def quiet(fn, space=X, **settings):
    settings = {"algo": rand.suggest, "verbose": False, "rstate": np.random.default_rng(0)} | settings
    return fmin(fn, space, **settings)


def states(trials):
    return [doc["state"] for doc in trials._dynamic_trials]


# -- how many ------------------------------------------------------------------------------------------------------


def test_max_evals_counts_former_trials():
    trials = Trials()

    quiet(lambda x: x, max_evals=5, trials=trials)
    quiet(lambda x: x, max_evals=8, trials=trials)
    quiet(lambda x: x, max_evals=8, trials=trials)

    assert trials.tids == list(range(8))


def test_max_evals_may_be_a_float():
    trials = Trials()
    quiet(lambda x: x, max_evals=7.0, trials=trials)
    assert len(trials) == 7


@pytest.mark.parametrize("queue", [1, 3, 50])
def test_any_number_of_trials_can_be_proposed_ahead(queue):
    trials = Trials()

    quiet(lambda x: x**2, max_evals=10, trials=trials, max_queue_len=queue)

    assert trials.tids == list(range(10))
    assert states(trials) == [JOB_STATE_DONE] * 10


def test_an_algorithm_may_propose_fewer_than_it_is_asked_for_and_ids_are_not_lost():
    trials = Trials()

    quiet(
        lambda x: x,
        algo=lambda ids, *rest: rand.suggest(ids[:1], *rest),
        max_evals=6,
        trials=trials,
        max_queue_len=4,
    )

    assert trials.tids == list(range(6))


def test_an_algorithm_that_has_no_more_ends_the_search():
    trials = Trials()

    quiet(
        lambda x: x,
        algo=lambda ids, domain, known, seed: rand.suggest(ids, domain, known, seed) if len(known) < 4 else [],
        trials=trials,
    )

    assert len(trials) == 4


def test_an_algorithm_that_proposes_too_much_is_refused():
    with pytest.raises(ValueError, match="2 trials, and was asked for 1"):
        quiet(lambda x: x, algo=lambda ids, *rest: rand.suggest([*ids, 99], *rest), max_evals=3)


def test_what_cannot_propose_is_refused():
    with pytest.raises(TypeError, match="suggest"):
        quiet(lambda x: x, algo=rand, max_evals=1)


def test_the_timeout_is_looked_at_between_trials_also_within_a_queue():
    trials = Trials()

    quiet(lambda x: time.sleep(0.02) or x, trials=trials, timeout=0.1, max_queue_len=100)

    assert 1 <= len(trials) < 10
    assert set(states(trials)) == {JOB_STATE_DONE}  # proposals that were not evaluated are withdrawn
    assert trials.tids == list(range(len(trials)))


@pytest.mark.parametrize("timeout", [-1, 0, True, "1"])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(Exception, match=f"should be None or a positive value. Given value: {timeout}"):
        quiet(lambda x: x, max_evals=1, timeout=timeout)


@pytest.mark.parametrize("threshold", ["a", True])
def test_a_loss_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(Exception, match=f"should be None or a numeric value. Given value: {threshold}"):
        quiet(lambda x: x, max_evals=1, loss_threshold=threshold)


def test_a_loss_equal_to_the_threshold_does_not_end_the_search():
    losses = iter([3, 2, 1, 0, -1])
    trials = Trials()

    quiet(lambda x: next(losses), trials=trials, loss_threshold=1)

    assert trials.losses() == [3, 2, 1, 0]


def test_a_loss_that_is_no_number_does_not_end_the_search():
    losses = iter([math.nan, 2, 0])
    trials = Trials()

    quiet(lambda x: next(losses), trials=trials, loss_threshold=1)

    assert len(trials) == 3


def test_former_losses_count_for_the_threshold():
    trials = Trials()
    losses = iter([math.nan, 0.5, 2, 2])
    quiet(lambda x: next(losses), trials=trials, max_evals=2)

    quiet(lambda x: next(losses), trials=trials, loss_threshold=1)

    assert len(trials) == 3


# -- randomness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [lambda: np.random.default_rng(7), lambda: 7, lambda: np.random.RandomState(7)])
def test_a_search_that_goes_on_with_the_same_seed_does_not_repeat_itself(again):
    whole, parts = Trials(), Trials()
    quiet(lambda x: x, max_evals=9, trials=whole, rstate=again())

    for n in (3, 6, 9):
        parts = pickle.loads(pickle.dumps(parts))  # noqa: S301 - its own
        quiet(lambda x: x, max_evals=n, trials=parts, rstate=again())

    assert parts.vals == whole.vals


def test_a_generator_that_goes_on_is_taken_as_it_is():
    upstream = pytest.importorskip("hyperopt")
    found = []
    for package in (upstream, None):
        trials = Trials() if package is None else package.Trials()
        run, space, algo = (
            (fmin, X, rand) if package is None else (package.fmin, package.hp.uniform("x", -5, 5), package.rand)
        )
        rng = np.random.default_rng(4)
        for n in (3, 7):
            run(lambda x: x, space, algo=algo.suggest, max_evals=n, trials=trials, rstate=rng, verbose=False)
        found.append(trials.vals["x"])

    assert found[0] == found[1]


def test_only_the_beginning_of_a_search_can_be_a_repetition():
    class Rng:
        drawn = iter([4, 5, 6, 4, 5])

        def integers(self, bound):
            return next(self.drawn)

    used = [4, 5]
    seeds = Seeds(Rng(), used)

    assert [seeds.next() for _ in range(3)] == [6, 4, 5]
    assert used == [4, 5, 6, 4, 5]


def test_an_int_is_the_seed_of_a_generator(monkeypatch):
    best = quiet(lambda x: x, max_evals=3, rstate=np.random.default_rng(5))
    assert quiet(lambda x: x, max_evals=3, rstate=5) == best
    monkeypatch.setenv("HYPEROPT_FMIN_SEED", "5")
    assert quiet(lambda x: x, max_evals=3, rstate=None) == best
    monkeypatch.setenv("HYPEROPT_FMIN_SEED", "")
    assert quiet(lambda x: x, max_evals=3, rstate=None) != quiet(lambda x: x, max_evals=3, rstate=None)


def test_a_state_that_is_none_is_refused():
    with pytest.raises(TypeError, match="default_rng"):
        quiet(lambda x: x, max_evals=1, rstate="seed")


# -- points to begin with ------------------------------------------------------------------------------------------

CHOICE = {"kind": hp.choice("kind", ["svm", "forest", 0]), "x": X}


def test_points_come_first_and_beyond_max_evals():
    trials = Trials()

    quiet(lambda p: p["x"], CHOICE, max_evals=2, trials=trials, points_to_evaluate=[{"kind": 0, "x": 1.0}])

    assert len(trials) == 3
    assert trials.trials[0]["misc"]["vals"] == {"kind": [0], "x": [1.0]}
    assert trials.tids == [0, 1, 2]


def test_points_may_name_options():
    points = [{"kind": "forest", "x": 1.0}, {"kind": 2, "x": 1}, {"kind": np.int64(0), "x": np.float64(2)}]
    trials = Trials()
    seen = []

    quiet(lambda p: seen.append(p) or 1.0, CHOICE, max_evals=0, trials=trials, points_to_evaluate=points)

    assert trials.vals == {"kind": [1, 2, 0], "x": [1.0, 1, 2.0]}
    assert [p["kind"] for p in seen] == ["forest", 0, "svm"]


def test_a_truth_value_in_a_point_is_an_option_and_no_index():
    space = hp.choice("flag", [True, False])
    assert quiet(lambda flag: flag, space, max_evals=0, points_to_evaluate=[{"flag": True}]) == {"flag": 0}
    space = hp.choice("flag", ["a", 1, True])
    assert quiet(lambda flag: 1.0, space, max_evals=0, points_to_evaluate=[{"flag": True}]) == {"flag": 2}


def test_a_point_with_neither_an_index_nor_an_option_is_refused():
    with pytest.raises(ValueError, match="kind='tree', which is neither an index from 0 to 2 nor one of"):
        quiet(lambda p: 1, CHOICE, max_evals=1, points_to_evaluate=[{"kind": "tree", "x": 1.0}])
    with pytest.raises(TypeError, match="list of dictionaries"):
        quiet(lambda p: 1, CHOICE, max_evals=1, points_to_evaluate={"kind": 0, "x": 1.0})


def test_points_need_no_labels_that_are_not_active():
    space = hp.choice("kind", [hp.uniform("a", 0, 1), hp.uniform("b", 0, 1)])
    trials = Trials()

    quiet(lambda x: x, space, max_evals=1, trials=trials, points_to_evaluate=[{"kind": 1, "b": 0.5}])

    assert trials.trials[0]["misc"]["vals"] == {"kind": [1], "b": [0.5], "a": []}
    assert trials.trials[0]["misc"]["idxs"] == {"kind": [0], "b": [0], "a": []}


def test_points_that_were_evaluated_are_not_evaluated_again():
    trials = Trials()
    points = [{"x": 1.0}, {"x": 2.0}]

    quiet(lambda x: x, max_evals=4, trials=trials, points_to_evaluate=points)
    quiet(lambda x: x, max_evals=7, trials=trials, points_to_evaluate=points)

    assert trials.vals["x"][:2] == [1.0, 2.0]
    assert len(trials) == 7
    assert len(set(trials.vals["x"])) == 7


def test_trials_to_calculate_are_calculated():
    trials = generate_trials_to_calculate([{"x": -100.0}, {"x": 3.0}])

    best = quiet(lambda x: x, max_evals=5, trials=trials, max_queue_len=3)

    assert best == {"x": -100.0}
    assert len(trials) == 7
    assert len(set(trials.tids)) == 7


def test_a_label_of_a_point_that_the_space_does_not_have_is_warned_of(caplog):
    quiet(lambda x: x, max_evals=1, points_to_evaluate=[{"x": 1.0, "y": 2.0}])
    assert "['y']" in caplog.text


# -- failures ------------------------------------------------------------------------------------------------------


class OopsError(Exception):
    pass


def oops(x):
    raise OopsError(f"at {x > 0}")


def test_an_exception_is_noted_and_raised():
    trials = Trials()

    with pytest.raises(OopsError):
        quiet(oops, max_evals=3, trials=trials)

    assert len(trials) == 0
    assert states(trials) == [JOB_STATE_ERROR]
    kind, words = trials._dynamic_trials[0]["misc"]["error"]
    assert (kind, words.startswith("at ")) == (str(OopsError), True)


def test_exceptions_can_be_caught():
    trials = Trials()

    best = quiet(lambda x: oops(x) if x > 0 else x, max_evals=20, trials=trials, catch_eval_exceptions=True)

    assert len(trials._dynamic_trials) == 20
    assert 0 < len(trials) < 20
    assert best["x"] < 0


def test_when_all_raised_the_first_traceback_is_shown():
    with pytest.raises(Exception, match="There are no evaluation tasks") as found:
        quiet(oops, max_evals=3, catch_eval_exceptions=True)
    assert str(found.value) == "There are no evaluation tasks, cannot return argmin of task losses."
    assert "in oops" in found.value.__notes__[0]
    assert quiet(oops, max_evals=3, catch_eval_exceptions=True, return_argmin=False) is None


def test_when_all_failed_it_is_said():
    for returned in ({"status": STATUS_FAIL}, math.nan):
        with pytest.raises(AllTrialsFailed, match="of 3"):
            quiet(lambda x, returned=returned: returned, max_evals=3)


def test_an_interrupted_trial_is_run_again():
    trials = Trials()
    seen = []

    def objective(x):
        seen.append(x)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        quiet(objective, max_evals=5, trials=trials)
    assert states(trials) == [JOB_STATE_DONE, JOB_STATE_DONE, JOB_STATE_NEW]
    assert trials.trials[2]["book_time"] is None
    quiet(objective, max_evals=5, trials=trials)

    assert states(trials) == [JOB_STATE_DONE] * 5
    assert seen[2] == seen[3]
    assert len(set(seen)) == 5


def test_the_last_trial_is_run_again_when_it_was_interrupted():
    trials = Trials()
    with pytest.raises(KeyboardInterrupt):
        quiet(lambda x: (_ for _ in ()).throw(KeyboardInterrupt()), max_evals=1, trials=trials)

    quiet(lambda x: x, max_evals=1, trials=trials)

    assert states(trials) == [JOB_STATE_DONE]


def test_a_trial_that_ran_when_its_process_was_killed_is_run_again():
    trials = Trials()
    copies = []
    quiet(lambda x: copies.append(pickle.dumps(trials)) or x, max_evals=3, trials=trials)
    trials = pickle.loads(copies[2])  # noqa: S301 - its own
    assert states(trials)[2] == JOB_STATE_RUNNING

    quiet(lambda x: x, max_evals=3, trials=trials)

    assert states(trials) == [JOB_STATE_DONE] * 3


@pytest.mark.parametrize("queue", [1, 3])
def test_an_objective_may_search_with_its_own_trials(queue):
    trials = Trials()
    evaluated = []

    def objective(x):
        evaluated.append(x)
        if len(evaluated) == 1:
            quiet(lambda y: evaluated.append(y) or y, max_evals=5, trials=trials)
        return x

    quiet(objective, max_evals=6, trials=trials, max_queue_len=queue)

    assert set(states(trials)) == {JOB_STATE_DONE}
    assert sorted(evaluated) == sorted(trials.vals["x"])
    assert len(set(trials.tids)) == len(trials)


def test_trials_that_are_taken_out_while_a_search_runs_are_gone():
    trials = Trials()
    seen = []

    def forget_the_bad(trials):
        if len(trials) > 3:
            trials._dynamic_trials.remove(max(trials.trials, key=lambda doc: doc["result"]["loss"]))
        seen.append(len(trials))

    quiet(lambda x: x, max_evals=30, trials=trials, early_stop_fn=forget_the_bad)

    assert len(trials) == 3
    assert len(seen) == 30
    assert max(seen) == 4
    assert len(set(trials.tids)) == 3


def test_trials_that_are_replaced_while_a_search_runs_are_gone():
    trials = Trials()

    def begin_anew(trials):
        if len(trials) == 5 and 17.0 not in trials.vals["x"]:
            trials._dynamic_trials = generate_trials_to_calculate([{"x": 17.0 + i} for i in range(5)])._dynamic_trials

    quiet(lambda x: x, max_evals=8, trials=trials, early_stop_fn=begin_anew)

    assert set(states(trials)) == {JOB_STATE_DONE}
    assert trials.vals["x"][:5] == [17.0, 18.0, 19.0, 20.0, 21.0]
    assert len(trials) == 5 + 3


# -- early stopping ------------------------------------------------------------------------------------------------


def test_what_stops_early_gets_back_what_it_returned():
    trials = Trials()

    quiet(lambda x: x, trials=trials, early_stop_fn=lambda trials, n=0: (n + 1 == 7, [n + 1]))

    assert len(trials) == 7


def test_what_stops_early_may_just_say_so():
    trials = Trials()
    quiet(lambda x: x, trials=trials, early_stop_fn=lambda trials: len(trials) == 4)
    assert len(trials) == 4


def stopped_after(returned, **settings):
    trials = Trials()
    values = iter(returned)
    with contextlib.suppress(AllTrialsFailed):
        quiet(
            lambda x: next(values),
            trials=trials,
            max_evals=len(returned),
            early_stop_fn=no_progress_loss(3, **settings),
        )
    return len(trials)


def test_a_search_without_progress_stops():
    assert stopped_after([5, 6, 7, 8, 9]) == 3
    assert stopped_after([5, 4, 4, 3, 3, 3, 3, 3, 3]) == 7
    assert stopped_after([100, 99.5, 99.1, 98, 97, 96], percent_increase=50) == 3


def test_failed_trials_are_no_progress():
    failed = {"status": STATUS_FAIL}
    assert stopped_after([5, failed, failed, failed, 1]) == 3
    assert stopped_after([failed, failed, failed, 1]) == 3
    assert stopped_after([failed, failed, 5, 6, 7, 8, 9]) == 6
    assert stopped_after([math.nan, 5, 4, math.nan, math.nan, math.nan, 1]) == 6


def test_trials_that_raised_are_no_progress():
    trials = Trials()
    values = iter([1.0, 0.5])
    with contextlib.suppress(AllTrialsFailed):
        quiet(
            lambda x: next(values),
            trials=trials,
            max_evals=20,
            catch_eval_exceptions=True,
            early_stop_fn=no_progress_loss(3),
        )
    assert len(trials._dynamic_trials) == 5


def test_a_search_that_goes_on_knows_the_best_of_all():
    trials = Trials()
    values = iter([1, 5, 5, 5, 5, 5, 5])
    quiet(lambda x: next(values), trials=trials, max_evals=2)

    quiet(lambda x: next(values), trials=trials, max_evals=7, early_stop_fn=no_progress_loss(3))

    assert len(trials) == 5


def test_trials_that_end_in_any_order_are_counted_by_their_ends():
    trials = generate_trials_to_calculate([{"x": float(i)} for i in range(6)])
    trials.refresh()
    trials.asynchronous = True
    stop = no_progress_loss(3)
    assert stop(trials) == (False, [None, 0])

    for second, (i, loss) in enumerate([(4, 2.0), (0, 1.0), (5, 3.0), (1, 3.0)]):
        doc = trials.trials[i]
        doc |= {"state": JOB_STATE_DONE, "result": {"status": STATUS_OK, "loss": loss}}
        doc["refresh_time"] = np.datetime64(second, "s").item()
        assert stop(trials, None, 0)[0] is False
    trials.trials[3] |= {"state": JOB_STATE_DONE, "result": {"status": STATUS_FAIL}}
    trials.trials[3]["refresh_time"] = np.datetime64(9, "s").item()

    assert stop(trials) == (True, [1.0, 3])


# -- saving --------------------------------------------------------------------------------------------------------


def test_trials_are_kept_in_a_file_and_gone_on_with(tmp_path):
    path = tmp_path / "trials.pkl"
    quiet(lambda x: x, max_evals=4, trials_save_file=str(path))

    with path.open("rb") as file:
        assert len(pickle.load(file)) == 4  # noqa: S301 - its own
    quiet(lambda x: x, max_evals=6, trials_save_file=str(path))

    with path.open("rb") as file:
        trials = pickle.load(file)  # noqa: S301 - its own
    assert len(set(trials.vals["x"])) == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["trials.pkl"]


def test_the_file_is_whole_when_the_search_is_interrupted(tmp_path):
    path = tmp_path / "trials.pkl"
    n = iter(range(100))

    def objective(x):
        if next(n) == 50:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        quiet(objective, max_evals=100, trials_save_file=str(path))

    with path.open("rb") as file:
        assert len([doc for doc in pickle.load(file) if doc["state"] == JOB_STATE_DONE]) == 50  # noqa: S301 - its own


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "trials.pkl"
    path.write_bytes(b"old")
    saver = Saver(path)

    with pytest.raises(TypeError, match="pickle"):
        saver.save({"lock": threading.Lock()})

    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["trials.pkl"]


def test_a_file_that_holds_no_trials_is_refused(tmp_path):
    path = tmp_path / "trials.pkl"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="holds no trials"):
        quiet(lambda x: x, max_evals=1, trials_save_file=str(path))


def test_saving_takes_but_a_share_of_the_time(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(Saver, "_write", lambda self, path, trials: written.append(len(trials)) or time.sleep(0.01))

    quiet(lambda x: x, max_evals=200, trials_save_file=str(tmp_path / "a"))

    assert written[0] == 1
    assert written[-1] == 200
    assert len(written) < 100


# -- ways to call --------------------------------------------------------------------------------------------------


def test_the_value_can_be_returned_instead_of_the_index():
    space = hp.choice("x", [100, 5, 10])
    assert quiet(lambda x: x, space, max_evals=20, return_argmin=False) == 5
    assert quiet(lambda x: x, space, max_evals=20) == {"x": 1}


def test_lists_of_one_value_can_be_evaluated():
    assert space_eval(CHOICE, {"kind": [1], "x": [2.0]}) == {"kind": "forest", "x": 2.0}


def test_a_space_can_be_written_as_annotations():
    def objective(x: hp.uniform("x", 0, 1), kind: hp.choice("kind", ["a", "b"])) -> float:
        assert kind in ("a", "b")
        return x

    assert set(quiet(objective, "annotated", max_evals=5)) == {"x", "kind"}
    assert set(quiet(objective, "annotated", max_evals=5, return_argmin=False)) == {"x", "kind"}

    def wrong(x: float):
        return x

    with pytest.raises(InvalidAnnotatedParameter, match="'x'"):
        quiet(wrong, "annotated", max_evals=1)


def test_trials_may_search_by_a_method_of_their_own():
    class Mine(Trials):
        def fmin(self, fn, space, **settings):
            self.settings = settings
            return "mine"

    trials = Mine()

    assert fmin(lambda x: x, X, algo=rand.suggest, trials=trials, max_evals=3, timeout=5) == "mine"
    assert (trials.settings["max_evals"], trials.settings["timeout"]) == (3, 5)
    assert "points_to_evaluate" not in trials.settings
    assert quiet(lambda x: x, trials=trials, max_evals=3, allow_trials_fmin=False)["x"] == min(trials.vals["x"])


def test_trials_search_silently_by_themselves(capsys):
    trials = Trials()
    assert trials.fmin(lambda x: x, X, algo=rand.suggest, max_evals=3)["x"] == min(trials.vals["x"])
    assert capsys.readouterr() == ("", "")


def test_a_marked_objective_is_given_the_expression():
    @fmin_pass_expr_memo_ctrl
    def objective(expr, memo, ctrl, factor=1):
        ctrl.attachments["x"] = b"1"
        return factor * rec_eval(expr, memo=memo)

    trials = Trials()

    best = quiet(partial(objective, factor=-1), max_evals=10, trials=trials)

    assert best["x"] == max(trials.vals["x"])
    assert len(trials.attachments) == 10


def test_algorithms_can_be_mixed():
    used = []

    def named(name):
        return lambda *given, seed: used.append(name) or rand.suggest(*given, seed)

    algo = functools.partial(mix.suggest, p_suggest=[(0.25, named("a")), (0.75, named("b"))])
    quiet(lambda x: x, algo=algo, max_evals=200)

    assert 25 < used.count("a") < 75
    assert used.count("a") + used.count("b") == 200
    with pytest.raises(ValueError, match="sum to 1"):
        quiet(lambda x: x, algo=functools.partial(mix.suggest, p_suggest=[(0.5, rand.suggest)]), max_evals=1)


def test_a_search_can_be_gone_through_step_by_step():
    trials = Trials()
    steps = FMinIter(rand.suggest, Domain(lambda x: x, X), trials, np.random.default_rng(0), max_evals=5)

    assert [len(seen) for seen in steps] == [1, 2, 3, 4]
    assert len(trials) == 5


def test_a_search_step_by_step_asks_once_a_step_whether_to_stop():
    asked = []
    steps = FMinIter(
        *(rand.suggest, Domain(lambda x: x, X), Trials(), 0),
        early_stop_fn=lambda trials: asked.append(0) or len(asked) == 4,
    )

    assert len(list(steps)) == 3
    assert len(asked) == 4


def test_trials_that_others_evaluate_are_waited_for():
    class Elsewhere(Trials):
        asynchronous = True

        def wait_for_change(self, seconds):
            for doc in self._dynamic_trials:
                if doc["state"] == JOB_STATE_NEW:
                    doc["state"] = JOB_STATE_DONE
                    doc["result"] = {"status": STATUS_OK, "loss": doc["misc"]["vals"]["x"][0]}

    trials = Elsewhere()

    best = quiet(None, trials=trials, max_evals=10, max_queue_len=3)

    assert len(trials) == 10
    assert best["x"] == min(trials.vals["x"])
    domain = pickle.loads(trials.attachments["FMinIter_Domain"])  # noqa: S301 - its own
    assert list(domain.params) == ["x"]


# -- what is shown -------------------------------------------------------------------------------------------------


def test_a_bar_leaves_the_standard_output_alone(capsys):
    before = sys.stdout
    inside = []

    fmin(lambda x: inside.append(sys.stdout) or print("hello") or x, X, algo=rand.suggest, max_evals=3, rstate=0)

    shown = capsys.readouterr()
    assert set(inside) == {before}
    assert shown.out == "hello\n" * 3
    assert "3/3" in shown.err
    assert "best loss: " in shown.err


def test_nothing_is_shown_when_it_should_not(capsys):
    fmin(lambda x: x, X, algo=rand.suggest, max_evals=3, rstate=0, verbose=False)
    fmin(lambda x: x, X, algo=rand.suggest, max_evals=3, rstate=0, show_progressbar=False)
    assert capsys.readouterr() == ("", "")


def test_progress_may_be_shown_by_others():
    shown = []

    class Mine:
        def update(self, n):
            shown.append((n, self.postfix))

    @contextlib.contextmanager
    def mine(initial, total):
        shown.append((initial, total))
        yield Mine()

    trials = Trials()
    values = iter([3.0, 1.0, 2.0])
    fmin(
        lambda x: next(values),
        X,
        algo=rand.suggest,
        max_evals=1,
        trials=trials,
        rstate=0,
        show_progressbar=mine,
        verbose=True,
    )
    fmin(lambda x: next(values), X, algo=rand.suggest, max_evals=3, trials=trials, rstate=0, show_progressbar=mine)

    assert shown == [(0, 1), (1, "best loss: 3.0"), (1, 3), (1, "best loss: 1.0"), (1, "best loss: 1.0")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal_is_one_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    bar = progress_module.Bar(0, 4, terminal)
    for _ in range(4):
        bar.update(1)
    bar.close()

    lines = terminal.getvalue().split("\n")

    assert len(lines) == 2
    assert lines[0].startswith("\r ")
    assert lines[0].rpartition("\r")[2].startswith("100%|####################| 4/4 [00:00<00:00, ")


def test_a_bar_is_drawn_now_and_then(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    clock = iter(range(10**6))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(clock) / 1000)
    bar = progress_module.Bar(0, 1000, terminal)
    for _ in range(1000):
        bar.update(1)

    assert terminal.getvalue().count("\r") == 10


def test_without_a_terminal_a_bar_is_a_line_at_the_end():
    stream = io.StringIO()
    bar = progress_module.Bar(0, 1000, stream)
    for _ in range(1000):
        bar.update(1)
    bar.close()

    assert stream.getvalue().count("\n") == 1


def test_a_bar_says_how_long_it_takes():
    bar = progress_module.Bar(10, 20, io.StringIO())
    bar.n = 15
    assert bar.line(3600.0) == " 75%|###############     | 15/20 [1:00:00<1:00:00, 0.00 trial/s, best loss: ?]"
    endless = progress_module.Bar(0, sys.maxsize, io.StringIO())
    assert endless.line(0.0) == "0 trials [00:00<?, 0.00 trial/s, best loss: ?]"


def test_output_appears_above_a_bar_that_is_asked_to_let_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal, out = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)

    with progress_module.tqdm_progress_callback(initial=0, total=2) as bar:
        bar.update(1)
        print("hello")

    assert out.getvalue() == "hello\n"
    assert terminal.getvalue().split("\r")[-1].startswith(" 50%")
    assert (sys.stdout, sys.stderr) == (out, terminal)


def test_a_stream_that_is_closed_does_not_end_a_search():
    stream = io.StringIO()
    bar = progress_module.Bar(0, 2, stream)
    stream.close()
    bar.update(2)
    bar.close()


# -- cost ----------------------------------------------------------------------------------------------------------


def test_a_trial_costs_the_same_whatever_came_before(monkeypatch):
    """The loop looks at no document of a former step again: it would have to ask for its state."""
    looked = []

    class Watched(dict):
        def __getitem__(self, key):
            looked.append(key)
            return super().__getitem__(key)

    def algo(ids, *rest):
        return [Watched(doc) for doc in rand.suggest(ids, *rest)]

    trials = Trials()
    quiet(lambda x: x, algo=algo, max_evals=50, trials=trials, return_argmin=False)
    few = len(looked) / 50
    looked.clear()
    trials = Trials()
    quiet(lambda x: x, algo=algo, max_evals=1000, trials=trials, return_argmin=False)

    assert len(looked) / 1000 < few * 1.1


def test_the_default_algorithm_is_said(caplog, monkeypatch):
    monkeypatch.setattr("manyhands.hyperopt.loop.as_algo", lambda algo: rand.suggest)
    with caplog.at_level(logging.WARNING):
        fmin(lambda x: x, X, max_evals=1, verbose=False)
    assert "TPE is being used as the default algorithm." in caplog.text
