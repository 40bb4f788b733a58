"""Placeholder."""

from manyhands.ports import Tracker
from manyhands.space import Space


class ConsoleTracker(Tracker):
    def __init__(self, space: Space):
        self._space = space
