"""A plugin for pytest that lets joblib's own tests of its backends run on ours.

joblib's test modules name the backends in ``parametrize``. Where "loky" is among them, "manyhands" takes its place and
that of all others; tests that name no backend, or others only, are left out.
"""

import joblib.testing

import manyhands
from manyhands.joblib.backend import ManyhandsBackend

manyhands.register_joblib()

_NAMES = ("backend", "outer_backend", "inner_backend")


def _ours(name, values):
    given = [value for value in values if isinstance(value, str)]
    if name not in _NAMES or not {"loky", "multiprocessing"} & set(given):
        return None
    ours = ["manyhands"]
    if any(isinstance(value, joblib.parallel.LokyBackend) for value in values):
        ours.append(ManyhandsBackend())
    if name != "backend":
        ours.append("threading")
    return ours


def _parametrize(name, values, *args, **options):
    ours = _ours(name, list(values))
    if ours is None:
        return _plain(name, values, *args, **options)

    def mark(test):
        test.runs_on_ours = True
        return _plain(name, ours)(test)

    return mark


_plain = joblib.testing.parametrize
joblib.testing.parametrize = _parametrize


def pytest_collection_modifyitems(config, items):
    for module in {item.module for item in items}:
        for name in [name for name in vars(module) if name.startswith("UNPICKLABLE_CALLABLE_SCRIPT_TEMPLATE")]:
            script = getattr(module, name)
            setattr(module, name, f"import manyhands\nmanyhands.register_joblib()\n{script}")
    kept = [item for item in items if getattr(item.function, "runs_on_ours", False)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
