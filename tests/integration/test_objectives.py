"""What an objective may be, what it may return, and what is said when it cannot be used."""

import asyncio
import functools
import socket
import textwrap
import threading

import numpy as np
import pytest

import manyhands as mh
from manyhands.errors import TrialStopped

# -- what it returns -----------------------------------------------------------------------------------------------


class Grumpy:
    def __repr__(self):
        raise RuntimeError("I will not be shown")


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("I will not be told")


def throw(error):
    raise error


def nest(depth):
    return {"value": 1.0, "deep": functools.reduce(lambda inner, _: [inner], range(depth), 0)}


#: Label -> what the trial does, and what its reason has to say.
NONSENSE = {
    "None": (lambda: None, "returned None (a NoneType), which is not a number"),
    "NaN": (lambda: float("nan"), "returned nan, which is not a finite number"),
    "infinity": (lambda: float("inf"), "returned inf, which is not a finite number"),
    "minus infinity": (lambda: -float("inf"), "returned -inf, which is not a finite number"),
    "NumPy's NaN": (lambda: np.float32("nan"), "returned nan, which is not a finite number"),
    "a number too large": (lambda: 10**400, "returned inf, which is not a finite number"),
    "text": (lambda: "0.5", "returned '0.5' (a str), which is not a number"),
    "a bool": (lambda: True, "returned True (a bool), which is not a number"),
    "a list": (list, "returned [] (a list), which is not a number"),
    "an array": (lambda: np.zeros(2), "returned array([0., 0.]) (a ndarray), which is not a number"),
    "an object": (object, "(a object), which is not a number"),
    "an object that hides": (Grumpy, "an object whose repr raises RuntimeError"),
    "a complex number": (lambda: 1 + 2j, "returned (1+2j) (a complex), which is not a number"),
    "a value of None": (lambda: {"value": None}, "under 'value', None (a NoneType), which is not a number"),
    "a value of NaN": (lambda: {"loss": float("nan")}, "under 'loss', nan, which is not a finite number"),
    "a negative variance": (lambda: {"value": 1.0, "variance": -1.0}, "variance -1.0, which is below 0"),
    "a variance of text": (lambda: {"value": 1.0, "variance": "?"}, "under 'variance', '?' (a str)"),
    "an endless nesting": (lambda: nest(100_000), "RecursionError"),
    "an exception": (lambda: throw(ValueError("no such luck")), "it raised ValueError: no such luck"),
    "an exception of many lines": (lambda: throw(ValueError("one\ntwo")), "it raised ValueError: one two"),
    "an exception that hides": (lambda: throw(MuteError()), "it raised MuteError"),
    "an exception of strange text": (lambda: throw(ValueError("about \udcff")), "it raised ValueError: about"),
    "SystemExit": (lambda: throw(SystemExit(4)), "it raised SystemExit: 4"),
    "GeneratorExit": (lambda: throw(GeneratorExit()), "it raised GeneratorExit"),
    "CancelledError": (lambda: throw(asyncio.CancelledError()), "it raised CancelledError"),
    "BaseException": (lambda: throw(BaseException("base")), "it raised BaseException: base"),
    "KeyboardInterrupt": (lambda: throw(KeyboardInterrupt()), ""),
}


@pytest.fixture(scope="module")
def nonsense_trials():
    """A search in which each trial does another nonsense; the last one is sane."""
    todo = [do for do, _ in NONSENSE.values()]

    def objective(params, trial):
        return todo[trial.id]() if trial.id < len(todo) else 1.0

    study = mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=len(todo) + 1, workers=2, seed=1, progress=False)
    return dict(zip([*NONSENSE, "sane"], study.trials, strict=True))


@pytest.mark.parametrize("label", NONSENSE)
def test_nonsense_fails_its_trial_with_a_readable_reason(nonsense_trials, label):
    trial = nonsense_trials[label]

    assert trial.state == "failed"
    assert trial.value is None
    assert NONSENSE[label][1] in trial.reason
    assert trial.reason
    assert "\n" not in trial.reason


def test_a_sane_trial_after_much_nonsense_is_fine(nonsense_trials):
    assert nonsense_trials["sane"].value == 1.0


@pytest.mark.parametrize("label", [label for label in NONSENSE if label != "KeyboardInterrupt"])
def test_nonsense_costs_no_worker(nonsense_trials, label):
    assert nonsense_trials[label].lost == ()


def test_the_traceback_of_an_exception_begins_in_the_objective(tune):
    def objective(params, trial):
        return 1.0 if trial.id else throw(ValueError("no such luck"))

    study = tune(objective, max_trials=2)

    traceback = study.trials[0].traceback
    assert "in objective" in traceback
    assert traceback.rstrip().endswith("ValueError: no such luck")
    assert "run_part" not in traceback


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({}, "it has nothing|the dict has nothing"),
        ({"accuracy": 1.0}, "metric='accuracy'"),
        ({"value": 1, "loss": 2}, "both"),
    ],
    ids=["empty", "without value", "value and loss"],
)
def test_a_dict_in_which_the_value_cannot_be_found_ends_the_search(tune, returned, said):
    """It would be the same for all params, so going on would waste everybody's time."""
    with pytest.raises(mh.ObjectiveError, match=said):
        tune(lambda params: returned, max_trials=50)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.5),
        np.float32(0.5),
        np.float16(0.5),
        np.array(0.5),
        {"value": np.float32(0.5), "variance": np.float64(2)},
    ],
    ids=["float64", "float32", "float16", "0-d array", "dict"],
)
def test_numpy_scalars_are_numbers(tune, value):
    study = tune(lambda params: value, max_trials=1)

    assert study.best_value == 0.5


def test_metrics_of_every_kind_are_kept_as_far_as_that_goes(tune):
    def objective(params):
        return {
            "value": 1,
            "count": np.int64(3),
            "nan": float("nan"),
            "nested": {"list": [1, (2.5, None)], 7: "seven"},
            "big": 10**30,
            "object": 1j,
        }

    study = tune(objective, max_trials=1, max_attempts=1)

    metrics = study.trials[0].metrics
    assert metrics["count"] == 3
    assert metrics["nan"] is None
    assert metrics["nested"] == {"list": [1, [2.5, None]], "7": "seven"}
    assert float(metrics["big"]) == 1e30
    assert "1j" in metrics["object"]


def test_text_that_is_not_quite_unicode_may_be_a_metric(tune):
    """File names are such text, where their bytes are not UTF-8."""

    def objective(params):
        return {"value": params["x"], "file": b"model-\xff".decode("utf-8", "surrogateescape")}

    study = tune(objective, max_trials=1, max_attempts=1)

    assert study.trials[0].metrics["file"].startswith("model-")


def test_an_objective_that_stops_itself_is_stopped_with_a_reason(tune):
    def objective(params, trial):
        if trial.id == 0:
            raise TrialStopped("I gave up")
        return 1.0

    study = tune(objective, max_trials=2)

    assert study.trials[0].state == "stopped"
    assert study.trials[0].reason


# -- what it may be ------------------------------------------------------------------------------------------------


class Model:
    def __init__(self, slope):
        self.slope = slope

    def __call__(self, params):
        return self.slope * params["x"]

    def loss(self, params, trial):
        return self.slope * params["x"] + trial.id


def scaled(slope, params):
    return slope * params["x"]


@pytest.mark.parametrize(
    "objective",
    [
        lambda params: 2 * params["x"],
        functools.partial(scaled, 2),
        Model(2),
        Model(2).__call__,
        lambda params, trial: 2 * params["x"] + 0 * trial.id,
        lambda params, *, factor=2: factor * params["x"],
    ],
    ids=["lambda", "partial", "instance", "method", "with trial", "keyword"],
)
def test_callables_of_all_kinds_are_objectives(tune, objective):
    study = tune(objective, max_trials=3)

    assert [trial.value for trial in study.trials] == [2 * trial.params["x"] for trial in study.trials]


def test_a_bound_method_may_take_the_trial(tune):
    study = tune(Model(2).loss, max_trials=3)

    assert [trial.value for trial in study.trials] == [2 * trial.params["x"] + trial.id for trial in study.trials]


MAIN_SCRIPT = """
    import json
    import manyhands as mh

    OFFSET = 10

    class Base:
        def value(self, params):
            return params["x"] + OFFSET

    class Model(Base):
        def value(self, params):
            return super().value(params) + helper(params)

    def helper(params):
        return 100

    def objective(params):
        return Model().value(params)

    if __name__ == "__main__":
        study = mh.tune(objective, {"x": mh.Int(0, 5)}, sampler="grid", workers=2, progress=False)
        print(json.dumps(sorted(trial.value for trial in study.trials)))
"""


def test_an_objective_may_come_from_a_script(start_script):
    """It refers to functions, classes and globals of ``__main__``, which workers do not have."""
    values = start_script(MAIN_SCRIPT).finish()

    assert values == [110, 111, 112, 113, 114, 115]


def test_a_script_without_a_main_guard_works(start_script):
    """Workers do not import the script, so it may call ``tune`` at its top level."""
    text = textwrap.dedent(MAIN_SCRIPT).replace('if __name__ == "__main__":', "if True:")

    values = start_script(text).finish()

    assert len(values) == 6


def test_an_objective_may_come_from_a_module_beside_the_script(start_script, tmp_path):
    (tmp_path / "my_model.py").write_text("def loss(params):\n    return params['x'] * 2\n")

    values = start_script(
        """
        import json
        import manyhands as mh
        import my_model
        study = mh.tune(my_model.loss, {"x": mh.Int(0, 2)}, sampler="grid", workers=2, progress=False)
        print(json.dumps(sorted(trial.value for trial in study.trials)))
        """
    ).finish()

    assert values == [0, 2, 4]


def test_a_large_array_is_shared_and_read_only(tune):
    """Workers map one file instead of each having a copy, so nobody may write to it."""
    data = np.arange(6_250_000, dtype=np.float64)

    def objective(params):
        start = data.__array_interface__["data"][0]
        with open("/proc/self/maps") as maps:
            fields = [line.split() for line in maps]
        homes = [f[-1] for f in fields if int(f[0].split("-")[0], 16) <= start < int(f[0].split("-")[1], 16)]
        return {"value": float(data.sum()), "writeable": data.flags.writeable, "home": homes[0]}

    study = tune(objective, max_trials=4)

    assert {trial.value for trial in study.trials} == {float(data.sum())}
    assert {trial.metrics["writeable"] for trial in study.trials} == {False}
    assert all(trial.metrics["home"].endswith("/payload.1") for trial in study.trials)


def test_writing_to_a_shared_array_fails_the_trial(tune):
    data = np.zeros(1_000_000)

    def objective(params, trial):
        if trial.id == 0:
            data[0] = 1
        return float(data[0])

    study = tune(objective, max_trials=3)

    assert [trial.state for trial in study.trials] == ["failed", "finished", "finished"]
    assert "read-only" in study.trials[0].reason
    assert study.best_value == 0


# -- what it cannot be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (threading.Lock, "lock"),
        (lambda: map(str, (x for x in ())), "generator"),
        (lambda: (x for x in (1, 2)), "generator"),
        (lambda: {"{braces}": [threading.Lock()]}, "lock"),
    ],
    ids=["lock", "map", "generator", "nested"],
)
def test_an_objective_that_cannot_be_sent_names_the_variable(tune, make, kind):
    culprit = make()

    def objective(params):
        return 0.0 if culprit else 1.0

    with pytest.raises(mh.PayloadError, match="variable 'culprit'") as caught:
        tune(objective, max_trials=3)

    assert kind in str(caught.value)


def test_an_objective_with_an_open_socket_names_the_variable(tune):
    with socket.socket() as connection:

        def objective(params):
            return connection.fileno()

        with pytest.raises(mh.PayloadError, match=r"variable 'connection'.*socket"):
            tune(objective, max_trials=3)


def test_a_method_of_an_object_that_cannot_be_sent_names_the_attribute(tune):
    model = Model(2)
    model.lock = threading.Lock()

    with pytest.raises(mh.PayloadError, match=r"\.lock"):
        tune(model.loss, max_trials=3)


def test_an_objective_that_cannot_be_unpacked_says_why(tune):
    class Fussy:
        def __reduce__(self):
            return int, ("not a number",)

    fussy = Fussy()

    def objective(params):
        return fussy

    with pytest.raises(mh.PayloadError, match="invalid literal for int"):
        tune(objective, max_trials=3)
