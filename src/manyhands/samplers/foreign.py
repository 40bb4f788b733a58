"""Samplers of other libraries, told by their class and without importing anything."""

from manyhands.errors import SettingsError
from manyhands.ports import Sampler


def adopt(sampler: object) -> Sampler | None:
    """Make another library's sampler one of ours; None for what is no such thing.

    Known are the samplers of Optuna, that is, objects of any class below ``optuna.samplers.BaseSampler``.

    Raises:
        SettingsError: It is an Optuna study, where its sampler is meant.
    """
    if _descends_from(sampler, "optuna.samplers", "BaseSampler"):
        from manyhands.samplers.optuna import OptunaSampler  # whoever has such an object has loaded optuna already

        return OptunaSampler(sampler)
    if _descends_from(sampler, "optuna.study", "Study"):
        raise SettingsError(
            f"sampler={sampler!r} is an Optuna study, which has a search of its own. "
            f"Give a new sampler instead, such as sampler=optuna.samplers.TPESampler()."
        )
    return None


def _descends_from(thing: object, package: str, name: str) -> bool:
    kinds = type(thing).__mro__
    return any(kind.__name__ == name and f"{kind.__module__}.".startswith(f"{package}.") for kind in kinds)
