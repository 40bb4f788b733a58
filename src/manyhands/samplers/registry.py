"""The samplers by name, each loaded when it is first made: the ones that learn bring SciPy along."""

from importlib import import_module

from manyhands.ports import Sampler

_HOMES = {
    "auto": ("auto", "AutoSampler"),
    "gp": ("gp.sampler", "GPSampler"),
    "tpe": ("tpe.sampler", "TPESampler"),
    "random": ("random", "RandomSampler"),
    "grid": ("grid", "GridSampler"),
    "sobol": ("sobol", "SobolSampler"),
}
NAMES = tuple(_HOMES)


def make(name: str) -> Sampler:
    """A new sampler of one of ``NAMES``."""
    module, kind = _HOMES[name]
    sampler: Sampler = getattr(import_module(f"manyhands.samplers.{module}"), kind)()
    return sampler


def name_of_sampler(sampler: Sampler) -> str:
    """What to call a sampler in tables."""
    kind = type(sampler)
    for name, (module, kind_name) in _HOMES.items():
        if (kind.__module__, kind.__qualname__) == (f"manyhands.samplers.{module}", kind_name):
            return name
    return str(getattr(sampler, "name", kind.__name__))
