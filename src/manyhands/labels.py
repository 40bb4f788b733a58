"""What to call the options of a choice: short names for people, the same in every run."""

import re
from collections import deque
from typing import Any

from manyhands.parameters import Choice, Float, Int, Normal


def option_labels(choice: Choice) -> list[Any]:
    """What to call each option: itself if JSON can hold it, else the constant that tells it apart, else a name.

    Example:
        >>> option_labels(Choice([1, "b", {"model": "svm", "C": Float(0, 1)}, print]))
        [1, 'b', '2', 'print']
    """
    key = telling_key(choice)
    labels: list[Any] = []
    for i, option in enumerate(choice.options):
        if key is not None:
            labels.append(name_of(option[key]))  # type: ignore[index]
        elif has_parameters(option):
            labels.append(str(i))
        else:
            labels.append(option if is_literal(option) else name_of(option))
    return labels


def telling_key(choice: Choice) -> str | None:
    """The key under which every option, being a dict, has a constant of its own."""
    options = choice.options
    if not all(isinstance(option, dict) for option in options):
        return None
    for key in options[0]:  # type: ignore[attr-defined]
        values = [option.get(key, _MISSING) for option in options]  # type: ignore[attr-defined]
        plain = all(
            v is not _MISSING and not isinstance(v, dict | list | tuple) and not has_parameters(v) for v in values
        )
        if plain and len({name_of(v) for v in values}) == len(values):
            return str(key)
    return None


_MISSING = object()


def has_parameters(node: object) -> bool:
    """Whether there is a parameter anywhere in a nesting of containers, be they of a kind that is searched or not."""
    if isinstance(node, Float | Int | Normal | Choice):
        return True
    if isinstance(node, dict):
        return any(map(has_parameters, node.values()))
    return isinstance(node, list | tuple | set | frozenset | deque) and any(map(has_parameters, node))


def is_literal(value: object) -> bool:
    """Whether JSON can hold it, and it is short enough to be its own label."""
    return value is None or isinstance(value, bool | int | float | str)


def name_of(value: object) -> str:
    """A short name that stays the same from run to run: no memory addresses.

    Example:
        >>> name_of(print), name_of("svm"), name_of(0.5)
        ('print', 'svm', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__name__", None)
        if name:
            return str(name)
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
