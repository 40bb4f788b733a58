"""The command line, on stores that real searches have written."""

import csv
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import manyhands as mh
from manyhands.cli import main

MANYHANDS = [sys.executable, "-c", "from manyhands.cli import main; main()"]
SPACE = {"x": mh.Int(0, 11), "kind": mh.Choice(["[red]", {"rate": mh.Float(0, 1)}])}

SCRIPT = """
import dataclasses

import manyhands as mh
from beside_the_script import square

space = {"x": mh.Int(-5, 5)}
other_space = {"x": mh.Int(20, 30)}


@dataclasses.dataclass
class Model:
    x: int


def loss(params):
    print("x is", params["x"])
    return square(Model(params["x"]).x)


if __name__ == "__main__":
    raise SystemExit("the script was run and not loaded")
"""

SLOW = """
import time

import manyhands as mh

space = {"x": mh.Float(0, 1)}


def loss(params, trial):
    for step in range(100_000):
        trial.report(params["x"], step)
        if step == 3:
            print("halfway [bold]there")
        time.sleep(0.02)
"""


def objective(params: dict[str, object], trial: mh.Trial) -> dict[str, object]:
    x = params["x"]
    assert isinstance(x, int)
    print(f"trying {x}")
    if x == 3:
        raise ValueError("three is [bold]bad")
    return {"value": float(x), "odd": bool(x % 2), "nested": {"a": [x]}}


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args, env={"MANYHANDS_STORE": None})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("stores") / "studies.db")
    for name, n in (("first", 12), ("second [x]", 2)):
        start = [{"x": i, "kind": "[red]" if i % 2 else {"rate": 0.5}} for i in range(n)]
        mh.tune(
            objective,
            SPACE,
            max_trials=n,
            start_with=start,
            executor="inline",
            store=path,
            name=name,
            progress=False,
            direction="minimize" if name == "first" else "maximize",
        )
    return path


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "beside_the_script.py").write_text("def square(x):\n    return x * x\n")
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


# -- looking at studies --------------------------------------------------------------------------------------------


def test_list_shows_every_study(store: str) -> None:
    result = invoke("list", "--store", store)
    assert result.exit_code == 0
    titles, first, second = result.stdout.splitlines()
    assert titles.split() == ["name", "direction", "finished", "failed", "stopped", "open", "best", "created", "state"]
    assert first.split()[:7] == ["first", "minimize", "11", "1", "0", "0", "0"]
    assert first.endswith("ended: all 12 trials are done")
    assert second.split()[:8] == ["second", "[x]", "maximize", "2", "0", "0", "0", "1"]


def test_the_store_may_be_given_by_the_environment(store: str) -> None:
    result = CliRunner().invoke(main, ["list"], env={"MANYHANDS_STORE": store})
    assert "first" in result.stdout


def test_show_tells_what_came_out(store: str) -> None:
    result = invoke("show", "first", "--top", "2", "--store", store)
    assert result.exit_code == 0
    assert "11 finished, 1 failed" in result.stdout
    assert "Best value 0, by trial 0" in result.stdout
    assert "Failed 1x, first in trial 3: it raised ValueError: three is [bold]bad" in result.stdout
    assert "It ended because all 12 trials are done." in result.stdout
    assert "(median); all 12 together" in result.stdout
    lines = result.stdout.splitlines()
    top = lines.index("The best 2 of 11 finished trials:")
    assert lines[top + 1].split() == ["trial", "value", "x", "kind", "kind.1.rate", "time"]
    assert lines[top + 2].split()[:5] == ["0", "0", "0", "1", "0.5"]
    assert lines[top + 3].split()[:4] == ["1", "1", "1", "[red]"]
    assert lines[top + 4] == ""


def test_what_is_no_terminal_gets_whole_plain_lines(tmp_path: Path) -> None:
    path, option = str(tmp_path / "s.db"), "long " * 200
    space = {"text": mh.Choice([option, "b"]), **{f"parameter_{i}": mh.Float(0, 1) for i in range(30)}}
    mh.tune(lambda p: 1.0, space, start_with=[{"text": option}], max_trials=1, executor="inline", progress=False,
            store=path, name="wide")  # fmt: skip
    out = invoke("show", "wide", "--store", path).stdout
    (row,) = (line for line in out.splitlines() if line.strip().startswith("0  ") and option.rstrip() in line)
    assert "\x1b" not in out
    assert row == row.rstrip()


def test_many_kinds_of_failures_are_listed(tmp_path: Path) -> None:
    path = str(tmp_path / "s.db")

    def picky(params: dict[str, int]) -> float:
        if params["x"] == 0:
            return 1.0
        raise [OSError, KeyError, TypeError, RuntimeError, ValueError][params["x"] % 5]("no")

    mh.tune(picky, {"x": mh.Int(0, 9)}, sampler="grid", executor="inline", progress=False, store=path, name="picky")
    out = invoke("show", "picky", "--store", path).stdout
    failures = out.partition("All failures:\n")[2].splitlines()
    assert failures[0].split() == ["trials", "first", "reason"]
    assert "it raised OSError: no" in out.partition("All failures:\n")[2]


def test_logs_shows_what_a_trial_printed_and_why_it_failed(store: str) -> None:
    result = invoke("logs", "first", "3", "--store", store)
    assert result.exit_code == 0
    assert result.stdout == "trying 3\n"
    assert "Trial 3 is failed: it raised ValueError: three is [bold]bad" in result.stderr
    assert "Traceback" in result.stderr


# -- several objectives, constraints -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trades(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a study of two objectives, one with constraints, and one in which they are never kept."""
    path = str(tmp_path_factory.mktemp("trades") / "studies.db")
    space = {"x": mh.Int(0, 5)}
    shared: dict[str, Any] = {"sampler": "grid", "executor": "inline", "store": path, "progress": False}
    mh.tune(
        lambda p: {"error": abs(p["x"] - 2), "speed": p["x"], "constraints": [p["x"] - 4]},
        space, direction=["minimize", "maximize"], metric=["error", "speed"], name="trade", **shared,
    )  # fmt: skip
    mh.tune(lambda p: {"value": p["x"], "constraints": [3 - p["x"]]}, space, name="limited", **shared)
    mh.tune(lambda p: {"value": p["x"], "constraints": [1, 2]}, space, name="hopeless", **shared)
    return path


def test_list_shows_how_large_the_front_is_and_the_best_feasible_value(trades: str) -> None:
    _, trade, limited, hopeless = invoke("list", "--store", trades).stdout.splitlines()
    assert trade.split()[:3] == ["trade", "minimize,", "maximize"]
    assert "3 on the front" in trade
    assert limited.split()[:7] == ["limited", "minimize", "6", "0", "0", "0", "3"]
    assert hopeless.split()[:7] == ["hopeless", "minimize", "6", "0", "0", "0", time.strftime("%Y-%m-%d")]


def test_show_has_a_table_of_the_front(trades: str) -> None:
    out = invoke("show", "trade", "--top", "2", "--store", trades).stdout
    assert "to minimize error, maximize speed: 6 finished." in out
    assert "On the Pareto front: 3 of 6 finished trials." in out
    assert "1 of 6 finished trials break constraints." in out
    lines = out.splitlines()
    top = lines.index("2 of the 3 trials on the Pareto front:")
    assert lines[top + 1].split() == ["trial", "value.error", "value.speed", "x", "time"]
    assert [line.split()[1:4] for line in lines[top + 2 : top + 4]] == [["0", "2", "2"], ["1", "3", "3"]]


def test_show_says_if_no_trial_is_feasible(trades: str) -> None:
    out = invoke("show", "hopeless", "--store", trades).stdout
    assert "None of 6 finished trials keeps every constraint" in out
    assert "The best" not in out


def test_export_has_a_column_for_each_value(trades: str) -> None:
    rows = list(csv.DictReader(invoke("export", "trade", "--csv", "--store", trades).stdout.splitlines()))
    assert {(row["params.x"], row["value.error"], row["feasible"]) for row in rows} >= {
        ("5", "3.0", "False"),
        ("2", "0.0", "True"),
    }


def test_run_takes_several_objectives(tmp_path: Path) -> None:
    script, path = tmp_path / "trade.py", str(tmp_path / "s.db")
    script.write_text(
        "import manyhands as mh\n"
        "space = {'x': mh.Int(0, 5)}\n"
        "def trade(params):\n"
        "    return {'error': params['x'], 'speed': params['x'] ** 2}\n"
    )
    goals = ["--direction", "minimize", "--direction", "maximize", "--metric", "error", "--metric", "speed"]
    result = subprocess.run(
        [*MANYHANDS, "run", f"{script}:trade", "--sampler", "grid", "--workers", "1", "--store", path, *goals],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "On the Pareto front: 6 of 6 finished trials:" in result.stdout


# -- files ---------------------------------------------------------------------------------------------------------


def test_csv_has_a_column_for_whatever_any_trial_has(store: str) -> None:
    rows = list(csv.DictReader(invoke("export", "first", "--csv", "--store", store).stdout.splitlines()))
    assert len(rows) == 12
    assert (rows[0]["params.kind.1.rate"], rows[1]["params.kind.1.rate"]) == ("0.5", "")
    assert (rows[3]["state"], rows[3]["value"], rows[3]["metrics.nested"]) == ("failed", "", "")
    assert json.loads(rows[2]["metrics.nested"]) == {"a": [2]}


def test_json_leaves_out_what_a_trial_does_not_have(store: str, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    result = invoke("export", "first", "--output", str(path), "--store", store)
    assert (result.exit_code, result.output) == (0, "")
    rows = json.loads(path.read_text())
    assert rows[2]["metrics.nested"] == {"a": [2]}
    assert "params.kind.1.rate" not in rows[1]


def test_parquet_holds_the_same_rows(store: str, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "out.parquet"
    result = invoke("export", "first", "--parquet", "--output", str(path), "--store", store)
    assert result.exit_code == 0, result.output
    frame = pandas.read_parquet(path)
    assert frame["params.x"].tolist() == list(range(12))
    assert frame["value"].isna().sum() == 1


def test_parquet_holds_options_of_different_kinds_as_text(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    db, path = str(tmp_path / "s.db"), tmp_path / "out.parquet"
    space = {"mixed": mh.Choice([1, "two", None, 0.5])}
    mh.tune(lambda p: 1.0, space, sampler="grid", executor="inline", progress=False, store=db, name="mixed")
    assert invoke("export", "mixed", "--output", str(path), "--store", db).exit_code == 0
    assert sorted(pandas.read_parquet(path)["params.mixed"].dropna()) == ["0.5", "1", "two"]


def test_parquet_without_pyarrow_says_what_to_install(store: str, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('No module named pyarrow', name='pyarrow')")
    result = subprocess.run(
        [*MANYHANDS, "export", "first", "--parquet", "--output", str(tmp_path / "x.parquet"), "--store", store],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "pip install 'manyhands[parquet]'" in result.stderr


# -- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["show", "third"], "has no study 'third'. It has: 'second [x]', 'first'."),
        (["logs", "first", "99"], "The study 'first' has no trial 99."),
        (["export", "first", "--output", "/nowhere/x.csv"], "/nowhere/x.csv could not be written"),
    ],
)
def test_errors_are_sentences(args: Sequence[str], words: str, store: str) -> None:
    result = invoke(*args, "--store", store)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert isinstance(result.exception, SystemExit), "no traceback"


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = invoke("list", "--store", str(tmp_path / "no.db"))
    assert result.exit_code == 1
    assert "There is no store" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_error(store: str) -> None:
    child = subprocess.Popen(
        [*MANYHANDS, "export", "first", "--store", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == ""
    child.wait(timeout=60)
    child.stderr.close()


def test_help_imports_nothing_that_is_slow() -> None:
    code = (
        "import sys; from manyhands.cli import main; main(['--help'], standalone_mode=False);"
        "print([m for m in ('numpy', 'scipy', 'pandas', 'rich', 'manyhands.api', 'zmq') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


# -- running a search ----------------------------------------------------------------------------------------------


def test_run_searches_with_worker_processes_and_goes_on_the_next_time(script: Path, tmp_path: Path) -> None:
    args = [*MANYHANDS, "run", f"{script}:loss", "--workers", "2", "--sampler", "grid", "--store", "s.db"]
    for n in ("4", "11"):
        result = subprocess.run(
            [*args, "--max-trials", n], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True
        )
    assert "Study 'loss' goes on after 4 trials of earlier runs (4 finished)" in result.stderr
    assert "Study 'loss', to minimize: 11 finished." in result.stdout
    assert "Best value 0, by trial 5" in result.stdout
    assert invoke("logs", "loss", "5", "--store", str(tmp_path / "s.db")).stdout == "x is 0\n"


def test_run_takes_a_module_and_another_space_by_name(script: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [*MANYHANDS, "run", "train:loss", "--space", "other_space", "--direction", "maximize", "--max-trials", "3",
         "--workers", "1", "--seed", "1", "--name", "mine"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert "Study 'mine', to maximize: 3 finished." in result.stdout
    assert (tmp_path / "manyhands.db").exists()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("train.py:lossy", "defines no 'lossy'. It defines: "),
        ("gone.py:loss", "There is no script gone.py."),
        ("gone:loss", "There is no module 'gone'"),
        ("train.py", "should be SCRIPT.py:OBJECTIVE"),
        ("broken.py:loss", "ZeroDivisionError: division by zero"),
        ("slow.py:loss", "Nothing would end this search."),
    ],
)
def test_run_says_what_cannot_be_found(
    target: str, words: str, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    result = invoke("run", target)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert "importlib" not in result.stderr


# -- on a terminal -------------------------------------------------------------------------------------------------


def test_a_search_on_a_terminal_is_shown_live_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    ours, theirs = pty.openpty()
    code = "import os; os.login_tty(0); from manyhands.cli import main; main()"
    args = ["run", "slow.py:loss", "--workers", "2", "--max-trials", "9", "--store", "s.db", "--seed", "1"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=theirs,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(theirs)
    try:
        shown = read_until(ours, "", "[trial 1] halfway [bold]there")
        shown = read_until(ours, shown, "2 running")
        assert "0/9 done" in shown
        os.write(ours, b"\x03")
        shown = read_until(ours, shown, "It ended because it was interrupted by Ctrl-C.\r\n")
        shown = read_until(ours, shown, "Study 'loss', to minimize: 2 interrupted.")
        assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is hidden for a while"
        assert child.wait(timeout=60) == 130
    finally:
        child.kill()
        child.wait(timeout=60)
        os.close(ours)


def read_until(fd: int, shown: str, awaited: str) -> str:
    give_up_at = time.monotonic() + 60
    while awaited not in shown:
        ready, _, _ = select.select([fd], [], [], max(0.0, give_up_at - time.monotonic()))
        assert ready, f"{awaited!r} was not shown, but: {shown!r}"
        shown += os.read(fd, 65536).decode(errors="replace")
    return shown
