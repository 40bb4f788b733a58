"""Samplers by name. Each file is one algorithm."""

from collections.abc import Callable

from manyhands.checks import check_role
from manyhands.errors import SettingsError
from manyhands.ports import Sampler
from manyhands.samplers.grid import GridSampler
from manyhands.samplers.random import RandomSampler
from manyhands.samplers.sobol import SobolSampler

_BY_NAME: dict[str, Callable[[], Sampler]] = {
    "auto": RandomSampler,
    "random": RandomSampler,
    "grid": GridSampler,
    "sobol": SobolSampler,
}


def make_sampler(sampler: str | Sampler) -> Sampler:
    """Return the sampler of that name; one that is a sampler already is returned as it is.

    Raises:
        SettingsError: There is none of that name, or it is no sampler.
    """
    if isinstance(sampler, str):
        if sampler not in _BY_NAME:
            raise SettingsError(f"There is no sampler {sampler!r}. There are: {', '.join(_BY_NAME)}.")
        return _BY_NAME[sampler]()
    check_role("sampler", sampler, "learns", "start", "suggest", "observe")
    return sampler


def name_of_sampler(sampler: Sampler) -> str:
    """What to call a sampler in tables."""
    for name, kind in reversed(_BY_NAME.items()):
        if type(sampler) is kind:
            return name
    return type(sampler).__name__
