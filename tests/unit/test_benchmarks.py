"""The benchmarks run, on sizes too small to mean anything."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def run_benchmarks(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def test_quick_run_prints_tables_and_writes_json(tmp_path):
    file = tmp_path / "figures.json"
    done = run_benchmarks("imports", "reports", "simulator", "--quick", "--json", file)
    assert done.returncode == 0, done.stderr
    assert "| import manyhands " in done.stdout
    assert "figures with a target" in done.stdout
    found = json.loads(file.read_text())["subjects"]
    assert list(found) == ["imports", "reports", "simulator"]
    for figures in found.values():
        assert any(figure["verdict"] in ("pass", "FALLS SHORT") for figure in figures)
        assert all(figure["value"] >= 0 for figure in figures)


def test_unknown_subject_is_refused_with_the_known_ones():
    done = run_benchmarks("speed")
    assert done.returncode == 2
    assert "no benchmark 'speed'; there are: imports, coldstart" in done.stderr
