"""Samplers by name. Each file, or folder, is one algorithm."""

from manyhands.checks import check_role
from manyhands.errors import SettingsError
from manyhands.ports import Sampler
from manyhands.samplers.foreign import adopt
from manyhands.samplers.grid import GridSampler
from manyhands.samplers.random import RandomSampler
from manyhands.samplers.registry import NAMES, make, name_of_sampler
from manyhands.samplers.sobol import SobolSampler

__all__ = ["GridSampler", "RandomSampler", "SobolSampler", "make_sampler", "name_of_sampler"]


def make_sampler(sampler: object) -> Sampler:
    """Return the sampler of that name; one that is a sampler already is returned as it is.

    Raises:
        SettingsError: There is none of that name, or it is no sampler.
    """
    if isinstance(sampler, str):
        if sampler not in NAMES:
            raise SettingsError(f"There is no sampler {sampler!r}. There are: {', '.join(NAMES)}.")
        return make(sampler)
    adopted = adopt(sampler)
    if adopted is not None:
        return adopted
    check_role("sampler", sampler, "learns", "start", "suggest", "observe")
    return sampler  # type: ignore[return-value]
