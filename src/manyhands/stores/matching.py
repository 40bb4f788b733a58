"""Whether a stored study is the one asked for."""

import json
from typing import Any

from msgspec.structs import replace

from manyhands.errors import StudyMismatchError
from manyhands.ports import StudySpec


def check_match(stored: StudySpec, asked: StudySpec, *, resume: bool, where: str) -> None:
    """Refuse to go on with a study that is another one.

    Raises:
        StudyMismatchError: The studies differ, or ``resume`` is false.
    """
    name = stored.name
    if not resume:
        raise StudyMismatchError(
            f"{where} already has trials of a study {name!r}, and resume=False asks for a new one. "
            f"Take another name=, or resume=True to go on with it."
        )
    for field in ("space", "direction", "metric", "n_splits", "seed"):
        old, new = getattr(stored, field), getattr(asked, field)
        if field == "seed" and new < 0:  # not asked for: the stored one counts
            continue
        if old != new:
            shown = _first_difference(old, new) if field == "space" else f"it was {old!r} and is now {new!r}"
            raise StudyMismatchError(
                f"The study {name!r} in {where} has another {field}: {shown}. "
                f"Give the same {field} to go on with it, or another name= to begin anew; nothing was changed."
            )
    _check_fingerprint(stored, asked, where)


def continued(stored: StudySpec, asked: StudySpec) -> StudySpec:
    """The spec of a stored study that is gone on with: what was asked for, and what is the study's own."""
    return replace(
        asked,
        seed=stored.seed,
        created_at=stored.created_at,
        fingerprint={**stored.fingerprint, **asked.fingerprint},
    )


def _check_fingerprint(stored: StudySpec, asked: StudySpec, where: str) -> None:
    """Refuse what differs; what one of the two does not know, as older versions did not, cannot."""
    old, new = stored.fingerprint, asked.fingerprint
    changed = [name for name in new if name in old and old[name] != new[name]]
    if changed:
        raise StudyMismatchError(
            f"The study {stored.name!r} in {where} was made when this was not what it is now: "
            f"{', '.join(changed)}. So what it found does not hold. Give the same to go on with it (what is drawn at "
            f"random needs a fixed seed), or another name= to begin anew; nothing was changed."
        )


def _first_difference(old: Any, new: Any, where: str = "space") -> str:
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key in old:
            if old[key] != new[key]:
                return _first_difference(old[key], new[key], where if key in _CONTAINERS else f"{where}.{key}")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            if a == b:
                continue
            if _is_entry(a) and _is_entry(b) and a[0] == b[0]:
                return _first_difference(a[1], b[1], f"{where}.{a[0]}")
            return _first_difference(a, b, f"{where}[{i}]")
    if _are_entries(old) and _are_entries(new):
        return f"{where} had {_keys(old)} and now has {_keys(new)}"
    return f"{where} was {_shown(old)} and is now {_shown(new)}"


_CONTAINERS = ("dict", "list", "tuple", "float", "int", "normal")


def _are_entries(items: Any) -> bool:
    return isinstance(items, list) and all(map(_is_entry, items))


def _keys(entries: list[Any]) -> str:
    return ", ".join(str(key) for key, _ in entries) or "nothing"


def _is_entry(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str | int)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
