"""What happens to a study, and what it wants done: everything that crosses its border.

Events are past tense and carry the time; a study has no clock. Commands are imperative. Both are plain values that
msgspec can write and read, so a run can be recorded and replayed. Nothing in them leads back to them, so the garbage
collector need not look at them.
"""

from msgspec import Struct

from manyhands.space import Point
from manyhands.trial import Failure, Part, Report, Result, Trial

# -- events ------------------------------------------------------------------------------------------------------


class Event(Struct, frozen=True, tag=True, kw_only=True, gc=False):
    """The root of all events.

    Attributes:
        at: When, in seconds since 1970.
    """

    at: float = 0.0


class WorkerJoined(Event, frozen=True):
    """A worker is there and free."""

    worker: str


class WorkerLost(Event, frozen=True):
    """A worker is gone, for a cause that people can read."""

    worker: str
    cause: str


class Reported(Event, frozen=True):
    """A running part reported intermediate values."""

    part: Part
    reports: list[Report]


class PartFinished(Event, frozen=True):
    """A part has its result. ``seconds`` is how long its objective took, where the worker could tell."""

    part: Part
    result: Result
    seconds: float | None = None


class PartFailed(Event, frozen=True):
    """A part's objective raised, or returned what is no value. ``seconds``: see ``PartFinished``."""

    part: Part
    failure: Failure
    seconds: float | None = None


class PartStopped(Event, frozen=True):
    """A part left its objective because it was told to (for a stop or a pause), or for a reason of its own.

    ``seconds``: see ``PartFinished``.
    """

    part: Part
    reason: str = ""
    seconds: float | None = None


class PartReturned(Event, frozen=True):
    """A worker gave back a part that it had not begun."""

    part: Part


class Saved(Event, frozen=True):
    """The outcomes of these trials are on disk: now they may be told."""

    trial_ids: list[int]


class Asked(Event, frozen=True):
    """Somebody outside wants a trial to run it himself."""


class Idled(Event, frozen=True):
    """There is nothing else to do just now: time to think ahead."""


class Ticked(Event, frozen=True):
    """Time went by: look at the deadlines."""


class StopAsked(Event, frozen=True):
    """Somebody wants the search to end now."""

    reason: str


class Logged(Event, frozen=True):
    """A part printed something. It changes nothing in the study; the driver keeps it and shows it."""

    part: Part
    text: str


#: What a search handles; all but what was printed.
SearchEvent = (
    WorkerJoined
    | WorkerLost
    | Reported
    | PartFinished
    | PartFailed
    | PartStopped
    | PartReturned
    | Saved
    | Asked
    | Idled
    | Ticked
    | StopAsked
)
AnyEvent = SearchEvent | Logged

# -- commands ----------------------------------------------------------------------------------------------------


class Command(Struct, frozen=True, tag=True, gc=False):
    """The root of all commands."""


class Cargo(Struct, frozen=True, array_like=True, gc=False):
    """What a part is given beside its point.

    Attributes:
        data: A message of at most a mebibyte.
        files: For what is larger: paths on the machine where this is read, each named by the SHA-256 of its content in
            hexadecimal digits. They are only read. Whoever made them keeps them until the part has its outcome, or its
            worker was told to end.
    """

    data: bytes
    files: list[str] = []


class StartPart(Command, frozen=True):
    """Give a worker work. It may already hold some, and then does this after it.

    ``parent`` is the trial whose checkpoint this one begins with, if it has none of its own; None for most. Trials have
    no ``cargo``: it is for tasks, of which each is something else to do.
    """

    worker: str
    part: Part
    point: Point
    parent: int | None = None
    cargo: Cargo | None = None


class StopPart(Command, frozen=True):
    """Make a part leave its objective at its next report."""

    worker: str
    part: Part
    reason: str


class RecallParts(Command, frozen=True):
    """Let a worker give back the parts that it has not begun: somebody else has time for them."""

    worker: str


class KillWorker(Command, frozen=True):
    """End a worker that cannot be reached any other way; the executor replaces it."""

    worker: str
    reason: str


class SaveTrial(Command, frozen=True):
    """Keep a trial as it now stands."""

    trial: Trial


class SaveSplit(Command, frozen=True):
    """Keep the result of one split of a trial that goes on."""

    trial_id: int
    split: int
    result: Result


class SaveReports(Command, frozen=True):
    """Keep intermediate values."""

    part: Part
    reports: list[Report]


class EndSearch(Command, frozen=True):
    """There is nothing more to do, for a reason that people can read."""

    reason: str


Save = SaveTrial | SaveSplit | SaveReports
AnyCommand = StartPart | StopPart | RecallParts | KillWorker | Save | EndSearch
