import sys

import manyhands as mh
from manyhands.executors.capture import captured_output


def test_what_is_written_is_kept_and_passed_on(capsys):
    before = sys.stdout
    with captured_output() as pieces:
        print("seen")

    assert "".join(pieces) == "seen\n"
    assert capsys.readouterr().out == "seen\n"
    assert sys.stdout is before


def test_capture_within_capture_leaves_both_with_what_they_are_due(capsys):
    before = sys.stdout
    with captured_output() as outer:
        print("a")
        with captured_output() as inner:
            print("b")
        print("c")

    assert "".join(inner) == "b\n"
    assert "".join(outer) == "a\nb\nc\n"
    assert sys.stdout is before


def test_an_objective_may_be_a_search_in_the_same_thread():
    def inner(params):
        print("inner", params["x"])
        return params["x"]

    def outer(params):
        print("outer")
        return mh.tune(inner, {"x": mh.Int(0, 1)}, sampler="grid", executor="inline", progress=False).best_value

    study = mh.tune(outer, {"y": mh.Int(0, 1)}, sampler="grid", executor="inline", progress=False)

    assert [trial.value for trial in study.trials] == [0, 0]
    assert study.log(1) == "outer\ninner 0\ninner 1\n"
