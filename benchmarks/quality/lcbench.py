"""Tuning a neural network: LCBench's surrogates of real learning curves (Zimmer et al. 2021; Pfisterer et al. 2022).

The surrogates are no part of this repository. Their folder, with its ``lcbench.py``, is the one that the environment
variable ``MANYHANDS_LCBENCH`` names, else ``../shared/bench`` beside the checkout.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import manyhands as mh
from benchmarks.measuring import ROOT
from benchmarks.quality.problems import Problem, SuiteMissingError


def problems() -> list[Problem]:
    """One for each of the data sets that are there to develop on: 7 parameters, 4 floats and 3 ints, 4 of them log."""
    surrogates = load()
    return [_problem(surrogates.LCBench(instance)) for instance in surrogates.DEV_INSTANCES]


def _problem(task: Any) -> Problem:
    tree = {parameter["name"]: _parameter(parameter) for parameter in task.space}
    return Problem(f"lcbench/{task.instance}", tree, task.loss, find_reference=task.reference)


def _parameter(spec: Mapping[str, Any]) -> mh.Float | mh.Int:
    kind = mh.Int if spec["type"] == "int" else mh.Float
    return kind(spec["low"], spec["high"], log=spec["log"])


def load() -> Any:
    """The module of the surrogates.

    Raises:
        SuiteMissingError: It, or what it needs, is not here.
    """
    folder = Path(os.environ.get("MANYHANDS_LCBENCH") or ROOT.parent / "shared" / "bench")
    file = folder / "lcbench.py"
    if not file.exists():
        raise SuiteMissingError(
            f"The suite lcbench is left out: there is no {file}; set MANYHANDS_LCBENCH to the folder of lcbench.py."
        )
    if importlib.util.find_spec("onnxruntime") is None:
        raise SuiteMissingError("The suite lcbench is left out: it needs onnxruntime (pip install onnxruntime).")
    spec = importlib.util.spec_from_file_location("lcbench_surrogates", file)
    if spec is None or spec.loader is None:
        raise SuiteMissingError(f"The suite lcbench is left out: {file} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
