"""Reasons to end a search before all its trials are done. Each file is one rule; any one of several ends the search."""

from manyhands.rules.budget import Budget
from manyhands.rules.progress import NoProgress
from manyhands.rules.target import Target

# What follows a model, ``regret``, is loaded when it is first used: the others need no NumPy.
__all__ = ["Budget", "NoProgress", "Target"]
