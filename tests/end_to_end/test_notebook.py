"""A search in a notebook's cell, run by a real kernel."""

import time

import pytest
from jupyter_client.manager import start_new_kernel

CELL = """
import pathlib, time
import manyhands as mh

def objective(params, trial):
    print("epoch one of trial", trial.id)
    seen = pathlib.Path({seen!r})
    give_up_at = time.monotonic() + 30
    while not seen.exists() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return params["x"] if seen.exists() else "nobody saw it"

study = mh.tune(objective, {{"x": mh.Float(0, 1)}}, max_trials=1, workers=1, sampler="random"{more})
"""


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(startup_timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run_cell(client, code, on_text):
    """Run a cell, and tell what it writes to standard output as it comes."""
    request = client.execute(code)
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        message = client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") != request:
            continue
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            on_text(content["text"])
        assert message["msg_type"] != "error", content["traceback"]
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            return
    raise AssertionError("the cell does not end")


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of what Jupyter itself is made of
def test_a_cell_shows_what_a_trial_prints_while_it_runs(kernel, tmp_path):
    seen = tmp_path / "seen"
    shown = []

    def look(text):
        shown.append(text)
        if "[trial 0] epoch one of trial 0" in "".join(shown):
            seen.touch()

    run_cell(kernel, CELL.format(seen=str(seen), more=""), look)

    assert seen.exists()
    assert "best" in "".join(shown)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_a_cell_may_be_spared_what_trials_print(kernel, tmp_path):
    seen = tmp_path / "seen"
    seen.touch()
    shown = []

    run_cell(kernel, CELL.format(seen=str(seen), more=", show_output=False"), shown.append)

    assert "best" in "".join(shown)
    assert "epoch one" not in "".join(shown)
