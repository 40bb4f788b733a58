"""Ctrl-C ends a search politely: the study is returned, nothing is left running, and a rerun goes on."""

import signal

import manyhands as mh

SCRIPT = """
    import json
    import sys
    import time

    import manyhands as mh

    store, calls, pace = sys.argv[1], sys.argv[2], float(sys.argv[3])

    def objective(params, trial):
        with open(calls, "a") as file:
            file.write(json.dumps([trial.id, params["x"]]) + "\\n")
        time.sleep(pace)
        return params["x"]

    study = mh.tune(objective, {"x": mh.Float(0, 1)}, max_trials=40, workers=2, store=store, name="s", seed=3,
                    progress=False)
    print(json.dumps({"states": [t.state.value for t in study.trials], "summary": study.summary(),
                      "reason": study.end_reason}))
"""


def test_ctrl_c_returns_the_study_and_a_rerun_goes_on(start_script, tmp_path, wait_until, left_over):
    store, calls = tmp_path / "s.db", tmp_path / "calls.jsonl"

    script = start_script(SCRIPT, store, calls, 0.05)
    wait_until(lambda: calls.exists() and calls.read_text().count("\n") > 10, "some trials have run")
    script.send(signal.SIGINT)
    first = script.finish(10)

    assert "Ctrl-C" in first["reason"]
    assert "Ctrl-C" in first["summary"]
    assert "Traceback" not in script.errors
    assert set(first["states"]) == {"finished", "interrupted"}
    assert 1 <= first["states"].count("interrupted") <= 4
    assert left_over() == []
    stored = mh.load_study("s", store)
    assert [trial.state.value for trial in stored.trials] == first["states"]

    second = start_script(SCRIPT, store, calls, 0.01).finish()

    trials = mh.load_study("s", store).trials
    assert second["states"] == ["finished"] * 40
    assert [trial.id for trial in trials] == list(range(40))
    before = {trial.id: trial for trial in stored.trials}
    for trial in trials:
        if trial.id in before:
            assert trial.params == before[trial.id].params
            assert before[trial.id].state != "finished" or before[trial.id].value == trial.value


def test_ctrl_c_ends_trials_that_hang(start_script, tmp_path, wait_until, left_over):
    store, calls = tmp_path / "s.db", tmp_path / "calls.jsonl"

    script = start_script(SCRIPT, store, calls, 1000)
    wait_until(lambda: calls.exists() and calls.read_text().count("\n") == 2, "both workers hang")
    script.send(signal.SIGINT)
    result = script.finish(10)

    assert result["states"] == ["interrupted"] * 2
    assert left_over() == []
