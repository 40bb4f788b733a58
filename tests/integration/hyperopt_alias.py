"""The package ``hyperopt`` for Hyperopt's own tests: it holds nothing but these, and our modules stand for the rest.

It is copied to ``hyperopt/__init__.py`` beside them. As the folder holds no other module of theirs, none can be taken
for one of ours; and as it is a package on the disk, processes that Spark starts find it as well.
"""

import importlib
import pkgutil
import sys

if __name__ == "hyperopt":
    OURS = importlib.import_module("manyhands.hyperopt")
    for found in pkgutil.walk_packages(OURS.__path__, f"{OURS.__name__}."):
        try:
            module = importlib.import_module(found.name)
        except ImportError:  # of a library that need not be there
            continue
        sys.modules[__name__ + found.name.removeprefix(OURS.__name__)] = module
    fmin = OURS.fmin  # a function here, while ``hyperopt.fmin`` in ``sys.modules`` is the module

    def __getattr__(name):
        return getattr(OURS, name)
