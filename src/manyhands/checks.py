"""Is an argument what it has to be? One sentence for each way in which it is not."""

from collections.abc import Mapping

from manyhands.errors import SettingsError


def check_whole(**numbers: object) -> None:
    """Refuse what is neither None nor a whole number from 1 on.

    Raises:
        SettingsError: As said.
    """
    for what, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise SettingsError(f"{what}={number!r} must be a whole number from 1 on.")


def check_seconds(**times: object) -> None:
    """Refuse what is neither None nor a number above 0.

    Raises:
        SettingsError: As said.
    """
    for what, seconds in times.items():
        if seconds is None:
            continue
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise SettingsError(f"{what}={seconds!r} must be a number of seconds above 0.")


def check_seed(seed: object) -> None:
    """Refuse what is neither None nor a whole number from 0 on.

    Raises:
        SettingsError: As said.
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise SettingsError(f"seed={seed!r} must be a whole number from 0 on.")


def check_texts(**given: object) -> None:
    """Refuse what is neither None nor a dict from texts to texts.

    Raises:
        SettingsError: As said.
    """
    for what, texts in given.items():
        if texts is None:
            continue
        if not isinstance(texts, Mapping) or not all(isinstance(text, str) for pair in texts.items() for text in pair):
            raise SettingsError(f"{what}={texts!r} must be a dict from texts to texts, such as {{'data': '3f9a'}}.")


def check_role(what: str, part: object, *needed: str) -> None:
    """Refuse a part that cannot play its role; see ``manyhands.ports`` for the roles.

    Args:
        what: The argument's name, which is the role's.
        part: What was given.
        *needed: The names it must have.

    Raises:
        SettingsError: It lacks one, or is a class instead of an object of it.
    """
    if isinstance(part, type):
        raise SettingsError(f"{what}={part!r} is a class. Give an object of it: {part.__name__}().")
    missing = [name for name in needed if not hasattr(part, name)]
    if missing:
        raise SettingsError(
            f"{what}={part!r} is no {what}: it has no {', no '.join(missing)}. "
            f"See manyhands.ports for what a {what} has to do."
        )
