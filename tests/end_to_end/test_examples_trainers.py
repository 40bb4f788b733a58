"""Every example of a trainer runs as it stands, in an empty folder, where its library is installed."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "trainers"

#: Example -> what it needs, its number of trials, and what the best value has to be between.
NEEDS = {
    "with_keras.py": (["keras", "torch", "sklearn"], 12, (0.9, 1)),
    "with_lightgbm.py": (["lightgbm", "sklearn"], 20, (0.1, 0.45)),
    "with_lightning.py": (["lightning", "torch", "sklearn"], 20, (0.01, 0.4)),
    "with_sklearn.py": (["sklearn"], 40, (0.9, 1)),
    "with_transformers.py": (["transformers", "accelerate", "torch"], 12, (0.001, 0.8)),
    "with_xgboost.py": (["xgboost", "sklearn"], 20, (0.1, 0.45)),
}


def test_every_example_is_tested_here_and_short() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix} == set(NEEDS)
    for name in NEEDS:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        assert text.startswith('"""'), f"{name} does not say what it shows"
        assert text.count("\n") < 55, f"{name} is too long to be read at a glance"


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", NEEDS)
def test_poor_trials_are_stopped_and_a_good_one_is_found(name: str, tmp_path: Path) -> None:
    libraries, n_trials, (lowest, highest) = NEEDS[name]
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    environment = {"KERAS_BACKEND": "torch", **os.environ}

    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )

    assert done.returncode == 0, done.stderr
    n_finished, n_stopped = (int(re.search(rf"(\d+) {state}", done.stdout)[1]) for state in ("finished", "stopped"))  # type: ignore[index]
    assert n_finished + n_stopped == n_trials, done.stdout
    assert n_stopped > 0
    assert lowest < float(re.search(r"Best value ([\d.]+)", done.stdout)[1]) < highest  # type: ignore[index]
    assert not list(tmp_path.iterdir()), "checkpoints are gone with the search"
