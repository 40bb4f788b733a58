"""Functions of all kinds, defined in ``__main__`` when this is run: ``sent_functions.py FOLDER`` writes each to a file.

Each comes with the arguments that it is to be called with. See ``test_functions.py``.
"""

import dataclasses
import enum
import functools
import math
import os.path
import sys
import xml.dom

FACTOR = 3
CALLS: list[str] = []


def plain(x):
    """It has a docstring."""
    return x + 1


def with_defaults(x, y=2, *args, z=3, **kwargs):
    return [x, y, args, z, kwargs]


def annotated(x: int, *, y: "str" = "a") -> list[int]:
    return [x, y]


def with_globals(x):
    CALLS.append("with_globals")
    return FACTOR * x


def recursive(n):
    return 1 if n == 0 else n * recursive(n - 1)


def is_even(n):
    return n == 0 or is_odd(n - 1)


def is_odd(n):
    return n != 0 and is_even(n - 1)


def generator(n):
    yield from range(n)


async def asynchronous(n):
    return n


def with_modules(x):
    return [math.floor(x), os.path.join("a", "b"), xml.dom.__name__]


def with_import(x):
    from json import dumps

    return dumps(x)


def with_builtins(x):
    return [len(x), sorted(x), repr(x), print.__name__]


def with_attributes(x):
    return with_attributes.factor * x


with_attributes.factor = 5


def setter(x):
    global FACTOR
    FACTOR = x
    return FACTOR


def getter(_):
    return [FACTOR, CALLS]


def closure():
    total, names = 10, ["a"]

    def inner(x):
        nonlocal total
        total += x
        names.append(str(x))
        return [total, names]

    return inner


def recursive_closure():
    def inner(n):
        return 1 if n == 0 else n * inner(n - 1)

    return inner


def unset_closure():
    def inner(x):
        return later if x else None

    if FACTOR == 0:
        later = 1
    return inner


def two_that_share():
    count = 0

    def add(x):
        nonlocal count
        count += x
        return count

    def read(_):
        return count

    return [add, read]


def decorated():
    def doubling(function):
        @functools.wraps(function)
        def wrapper(*args):
            return 2 * function(*args)

        return wrapper

    @doubling
    def inner(x):
        """It is decorated."""
        return x + 1

    return inner


class Point:
    def __init__(self, x):
        self.x = x

    def method(self, y):
        return self.x + y


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Record:
    x: int = 7


def with_class(x):
    return Point(x).method(1)


def with_enum(x):
    return Colour(x).name


def with_dataclass(x):
    return dataclasses.asdict(Record(x))


#: Name -> functions, called one after the other, and their argument. None of these needs cloudpickle.
LIGHT = {
    "plain": ([plain], 1),
    "with_defaults": ([with_defaults], 1),
    "annotated": ([annotated], 1),
    "with_globals": ([with_globals], 2),
    "recursive": ([recursive], 5),
    "each_other": ([is_even, is_odd], 5),
    "generator": ([generator], 3),
    "asynchronous": ([asynchronous], 3),
    "with_modules": ([with_modules], 2.5),
    "with_import": ([with_import], [1]),
    "with_builtins": ([with_builtins], [2, 1]),
    "with_attributes": ([with_attributes], 2),
    "shared_globals": ([setter, with_globals, getter], 11),
    "closure": ([closure()], 2),
    "recursive_closure": ([recursive_closure()], 4),
    "unset_closure": ([unset_closure()], 0),
    "shared_cells": (two_that_share(), 4),
    "decorated": ([decorated()], 3),
    "lambdas": ([lambda x: (lambda y: (lambda z: x + y + z)(3))(2)], 1),
    "partial": ([functools.partial(with_defaults, y=8)], 1),
    "by_reference": ([math.sqrt], 4),
}

#: The same for what cloudpickle has to help with.
HEAVY = {
    "with_class": ([with_class], 2),
    "bound_method": ([Point(3).method], 2),
    "with_enum": ([with_enum], 1),
    "with_dataclass": ([with_dataclass], 1),
    "class_itself": ([Point], 2),
}


if __name__ == "__main__":
    from manyhands.wire.payload import dump

    for name, case in {**LIGHT, **HEAVY}.items():
        dump(case, f"{sys.argv[1]}/{name}")
