"""From what an objective returned to its value: a number, or a clear word on why there is none."""

from __future__ import annotations

import math


class Unclear(Exception):  # noqa: N818 - not an error of this code, and never leaves it
    """What was returned has no value; ``fatal`` if that cannot change with the params."""

    def __init__(self, reason: str, *, fatal: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal


def read_result(returned: object, metric: str | None) -> tuple[float, float | None, dict[str, object]]:
    """Return value, variance and the other metrics.

    Raises:
        Unclear: There is no finite number to be found, or it cannot be told which entry of a dict is meant.
    """
    if not isinstance(returned, dict):
        if metric is not None:
            raise Unclear(
                f"the objective returned {_shown(returned)}, but metric={metric!r} needs a dict with that key",
                fatal=True,
            )
        return _finite(returned, "the objective returned"), None, {}
    key = _key_of_value(returned, metric)
    value = _finite(returned[key], f"the objective returned, under {key!r},")
    variance = returned.get("variance")
    if variance is not None:
        variance = _finite(variance, "the objective returned, under 'variance',")
        if variance < 0:
            raise Unclear(f"the objective returned the variance {variance!r}, which is below 0")
    others = {clean(str(k)): keepable(v) for k, v in returned.items() if k not in (key, "variance")}
    return value, variance, others


def _key_of_value(returned: dict[object, object], metric: str | None) -> str:
    keys = ", ".join(map(repr, returned)) or "nothing"
    if metric is not None:
        if metric in returned:
            return metric
        raise Unclear(f"the objective returned a dict without {metric!r}, the metric to optimise; it has {keys}")
    named = [key for key in ("value", "loss") if key in returned]
    if len(named) == 1:
        return named[0]
    both = "both 'value' and 'loss'" if named else "neither 'value' nor 'loss'"
    raise Unclear(
        f"the objective returned a dict with {both}, so it is unclear what to optimise. "
        f"Name it, as in metric={next(iter(returned), 'accuracy')!r}; the dict has {keys}",
        fatal=True,
    )


def number(value: object) -> float | None:
    """Return the number that ``value`` is, a NumPy or PyTorch scalar included, or None if it is none."""
    value = _unwrapped(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def keepable(value: object) -> object:
    """Return ``value`` as something JSON can hold, NaN as None, and strange objects by their ``repr``."""
    value = _unwrapped(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _kept_number(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(k)): keepable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [keepable(v) for v in value]
    return _shown(value)


def _kept_number(value: float) -> float | None:
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number of more than 300 digits
        is_finite = False
    if not is_finite:
        return None
    return float(value) if isinstance(value, float) else value


def clean(text: str) -> str:
    """Return a text that can be stored: half characters, as odd file names have them, become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _unwrapped(value: object) -> object:
    """The Python number in a scalar of NumPy or PyTorch; any other object as it is."""
    if isinstance(value, int | float | str | dict | list | tuple) or getattr(value, "shape", None) != ():
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _finite(value: object, who: str) -> float:
    found = number(value)
    if found is None:
        raise Unclear(f"{who} {_shown(value)}, which is not a number")
    if not math.isfinite(found):
        raise Unclear(f"{who} {found!r}, which is not a finite number")
    return found


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # somebody's __repr__
        text = f"an object whose repr raises {type(error).__name__}"
    text = text if len(text) <= 200 else text[:197] + "..."
    return clean(f"{text} (a {type(value).__name__})")
