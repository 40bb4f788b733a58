"""From what an objective returned to its value, or values: numbers, or a clear word on why there are none."""

from __future__ import annotations

import math


class Unclear(Exception):  # noqa: N818 - not an error of this code, and never leaves it
    """What was returned has no value; ``fatal`` if that cannot change with the params."""

    def __init__(self, reason: str, *, fatal: bool = False):
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal


class Parcel(bytes):
    """Bytes that go to the driver as they are, where other bytes would go as text: what a store keeps is text."""


def read_result(
    returned: object, metric: str | tuple[str, ...] | None, n_objectives: int = 1
) -> tuple[float | None, float | None, dict[str, object], tuple[float, ...], tuple[float, ...], str]:
    """Return value, variance, the other metrics, values, constraints and why it failed: the fields of a ``Result``.

    Args:
        returned: What the objective returned.
        metric: The key under which it has its value; one for each of several objectives; or None.
        n_objectives: How many values there must be. With one it is the value, with several they are the values.

    Raises:
        Unclear: There is no finite number to be found, or it cannot be told which entry of a dict is meant.
    """
    if not isinstance(returned, dict):
        if metric is not None:
            needed = "that key" if isinstance(metric, str) else "these keys"
            raise Unclear(
                f"the objective returned {_shown(returned)}, but metric={_listed(metric)!r} needs a dict with {needed}",
                fatal=True,
            )
        value, values = _read_values(returned, n_objectives, "the objective returned")
        return value, None, {}, values, (), ""
    if _says_that_it_failed(returned, metric):
        others = {clean(str(k)): keepable(v) for k, v in returned.items() if k != "failed"}
        return None, None, others, (), (), clean(str(returned["failed"]))
    keys = _keys_of_values(returned, metric, n_objectives)
    if isinstance(metric, tuple):
        value, values = None, tuple(_finite(returned[key], f"the objective returned, under {key!r},") for key in metric)
    else:
        value, values = _read_values(returned[keys[0]], n_objectives, f"the objective returned, under {keys[0]!r},")
    used = (*keys, "variance", "constraints")
    others = {clean(str(k)): keepable(v) for k, v in returned.items() if k not in used}
    return value, _read_variance(returned), others, values, _read_constraints(returned), ""


def _says_that_it_failed(returned: dict[object, object], metric: str | tuple[str, ...] | None) -> bool:
    reason = returned.get("failed")
    keys = ("value", "loss", "values") if metric is None else (metric,) if isinstance(metric, str) else metric
    return isinstance(reason, str) and bool(reason) and not any(key in returned for key in keys)


def _keys_of_values(
    returned: dict[object, object], metric: str | tuple[str, ...] | None, n_objectives: int
) -> tuple[str, ...]:
    has = ", ".join(map(repr, returned)) or "nothing"
    if metric is not None:
        metrics = (metric,) if isinstance(metric, str) else metric
        missing = [key for key in metrics if key not in returned]
        if not missing:
            return metrics
        raise Unclear(f"the objective returned a dict without {missing[0]!r}, the metric to optimise; it has {has}")
    if n_objectives > 1:
        if "values" in returned:
            return ("values",)
        raise Unclear(
            f"the objective returned a dict without 'values', so it is unclear what to optimise. Return "
            f"{n_objectives} numbers under 'values', or name their keys with metric=[...]; the dict has {has}",
            fatal=True,
        )
    named = [key for key in ("value", "loss") if key in returned]
    if len(named) == 1:
        return (named[0],)
    both = "both 'value' and 'loss'" if named else "neither 'value' nor 'loss'"
    raise Unclear(
        f"the objective returned a dict with {both}, so it is unclear what to optimise. "
        f"Name it, as in metric={next(iter(returned), 'accuracy')!r}; the dict has {has}",
        fatal=True,
    )


def _read_values(value: object, n_objectives: int, who: str) -> tuple[float | None, tuple[float, ...]]:
    """The value of one objective, or the values of several."""
    if n_objectives == 1:
        if isinstance(value, list | tuple) and len(value) > 1:
            raise Unclear(
                f"{who} {_shown(value)}, which is not a number. For several objectives give a direction for each, "
                f"as in direction=['minimize', 'maximize']",
                fatal=True,
            )
        return _finite(value, who), ()
    listed = _listed(value)
    if not isinstance(listed, list) or len(listed) != n_objectives:
        found = number(value)
        raise Unclear(
            f"{who} {_shown(value)}, which is not a list of {n_objectives} numbers, one for each objective",
            # None, NaN and the like may only say that this trial has gone wrong
            fatal=isinstance(listed, list) or (found is not None and math.isfinite(found)),
        )
    return None, _all_finite(listed, who)


def _read_variance(returned: dict[object, object]) -> float | None:
    if returned.get("variance") is None:
        return None
    variance = _finite(returned["variance"], "the objective returned, under 'variance',")
    if variance < 0:
        raise Unclear(f"the objective returned the variance {variance!r}, which is below 0")
    return variance


def _read_constraints(returned: dict[object, object]) -> tuple[float, ...]:
    given = returned.get("constraints")
    if given is None:
        return ()
    listed = _listed(given)
    if not isinstance(listed, list):
        raise Unclear(
            f"the objective returned, under 'constraints', {_shown(given)}, which is not a list of numbers",
            fatal=number(given) is not None,
        )
    return _all_finite(listed, "the objective returned, under 'constraints',")


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
    if isinstance(value, Parcel):
        return value
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


def _listed(value: object) -> object:
    """The list that a tuple or an array of one dimension is; any other object as it is."""
    if isinstance(value, tuple):
        return list(value)
    shape = getattr(value, "shape", None)
    to_list = getattr(value, "tolist", None)
    return to_list() if isinstance(shape, tuple) and len(shape) == 1 and callable(to_list) else value


def _all_finite(values: list[object], who: str) -> tuple[float, ...]:
    return tuple(_finite(value, f"{who} as number {i + 1}") for i, value in enumerate(values))


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
