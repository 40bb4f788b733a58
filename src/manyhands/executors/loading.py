"""A host's care for parts with cargo: each goes to its worker as soon as the files of its cargo are on this machine.

A file comes once to a machine, whatever the number of its hosts, workers and parts (``nodecache.py``), and only if some
part needs it. It is kept while a part that was given it has not ended; after that the files that were used last are
kept for the next part, up to a gigabyte or so.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice

from msgspec.structs import replace

from manyhands.errors import ExecutorError
from manyhands.events import (
    AnyEvent,
    KillWorker,
    PartFailed,
    PartReturned,
    RecallParts,
    StartPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.executors.fetching import Fetching
from manyhands.trial import Failure, Part
from manyhands.wire.relay import Ending, HostCommand, Piece

_MOST_KEPT_BYTES = 1 << 30
_AT_ONCE = 4  # each has a chunk on its way
# With another process of this machine that fetches a file and does not go on; longer than with a silent driver.
_PATIENCE_S = 150.0


class _File:
    """A file that is fetched, or is here.

    Attributes:
        piece: Its digest and size.
        users: The parts that need it and have not ended.
    """

    def __init__(self, piece: Piece, ask: Callable[[str, int], None]):
        self.piece = piece
        self.users: set[Part] = set()
        self._ask = ask
        self._fetching = Fetching([piece], ask)
        self._seen = (-1, 0.0)  # how much of it there was at the last step, and since when

    @property
    def is_here(self) -> bool:
        return self._fetching.is_done

    @property
    def path(self) -> str:
        return self._fetching.paths[0]

    def step(self) -> bool:
        """Fetch a little, and return whether there is more to do just now."""
        is_busy = self._fetching.step()
        n_there, now = self._fetching.n_there, time.monotonic()
        if n_there != self._seen[0]:
            self._seen = (n_there, now)
        elif now - self._seen[1] > _PATIENCE_S:
            raise ExecutorError(f"A file of {self.piece.size} bytes does not arrive: {n_there} bytes of it are there")
        return is_busy

    def take(self, offset: int, data: bytes) -> None:
        self._fetching.take(self.piece.digest, offset, data)

    def restart(self) -> None:
        self._fetching.release()
        self._fetching = Fetching([self.piece], self._ask)
        self._seen = (-1, 0.0)

    def release(self) -> None:
        self._fetching.release()


class Loading:
    """Stands between a driver's commands and the workers of a host.

    Args:
        perform: Passes a command on to the workers.
        deliver: Takes an event about a part that no worker will get.
        ask: Asks the driver for the chunk of a file that begins at an offset: ``ask(digest, offset)``.
    """

    def __init__(
        self,
        perform: Callable[[HostCommand], None],
        deliver: Callable[[AnyEvent], None],
        ask: Callable[[str, int], None],
    ):
        self._perform, self._deliver, self._ask = perform, deliver, ask
        self._files: dict[str, _File] = {}  # by digest; those that were used last come last
        self._workers: set[str] = set()
        self._held: dict[str, deque[HostCommand]] = {}  # by worker; the first is a part that has to wait
        self._parts: dict[Part, StartPart] = {}  # those with files, until they have ended

    @property
    def is_waiting(self) -> bool:
        """Whether any part waits for a file."""
        return bool(self._held)

    # -- what the driver says ----------------------------------------------------------------------------------

    def perform(self, command: HostCommand, sizes: Mapping[str, int]) -> None:
        """Pass a command on as soon as it is its turn; those of one worker stay in order.

        Args:
            command: The driver's. It names the files of a cargo by their digests.
            sizes: The sizes of these files, in bytes.
        """
        if command.worker not in self._workers:
            return  # it is gone, which the driver will hear
        if isinstance(command, StartPart) and command.cargo is not None and command.cargo.files:
            self._hold(command, sizes)
        elif isinstance(command, RecallParts):
            self._give_back(command.worker)
            self._perform(command)
        elif command.worker in self._held and not isinstance(command, KillWorker):
            self._held[command.worker].append(command)
        else:
            self._perform(command)

    def take(self, digest: str, offset: int, data: bytes) -> None:
        """Take a chunk that the driver sent."""
        file = self._files.get(digest)
        if file is None:
            return
        try:
            file.take(offset, data)
        except ExecutorError as error:
            self._give_up(file, str(error))
        self._hand_on()

    def gone(self, digest: str) -> None:
        """The driver has a file no more: what needs it fails, unless its worker is gone, too."""
        file = self._files.get(digest)
        if file is not None:
            self._drop(file, "it was removed before it was here")

    # -- in between --------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Fetch a little; False if there is nothing to do but to wait."""
        missing = [*islice((file for file in self._files.values() if not file.is_here), _AT_ONCE)]
        is_busy = False
        for file in missing:
            try:
                is_busy |= file.step()
            except ExecutorError as error:
                self._give_up(file, str(error))
                is_busy = True
        if missing:
            self._hand_on()
        return is_busy

    def note(self, event: AnyEvent) -> None:
        """Learn what the workers say: files of parts that have ended may go."""
        if isinstance(event, Ending):
            self._end(event.part)
        elif isinstance(event, WorkerJoined):
            self._workers.add(event.worker)
        elif isinstance(event, WorkerLost):
            self._workers.discard(event.worker)
            self._held.pop(event.worker, None)
            for part in [part for part, start in self._parts.items() if start.worker == event.worker]:
                self._end(part)

    def release(self) -> None:
        """Nothing is needed any more."""
        for file in self._files.values():
            file.release()
        self._files.clear()

    # -- parts that wait ---------------------------------------------------------------------------------------

    def _hold(self, start: StartPart, sizes: Mapping[str, int]) -> None:
        assert start.cargo is not None  # noqa: S101
        digests = start.cargo.files
        if lacking := [digest for digest in digests if digest not in sizes]:
            self._fail(start, lacking[0], "it was removed before it was sent")
            return
        self._parts[start.part] = start
        try:
            for digest in digests:
                self._use(Piece(digest, sizes[digest]), start.part)
        except ExecutorError as error:
            self._end(start.part)
            self._fail(start, digests[0], str(error))
            return
        self._held.setdefault(start.worker, deque()).append(start)
        self._hand_on()

    def _hand_on(self) -> None:
        """Pass on what does not have to wait any longer."""
        for worker, commands in list(self._held.items()):
            while commands and (ready := self._made_ready(commands[0])) is not None:
                commands.popleft()
                self._perform(ready)
            if not commands:
                self._held.pop(worker, None)

    def _made_ready(self, command: HostCommand) -> HostCommand | None:
        """The command with the paths that files have here; None if one is not here yet."""
        if not isinstance(command, StartPart) or command.cargo is None or not command.cargo.files:
            return command
        files = [self._files[digest] for digest in command.cargo.files]
        if not all(file.is_here for file in files):
            return None
        return replace(command, cargo=replace(command.cargo, files=[file.path for file in files]))

    def _give_back(self, worker: str) -> None:
        for command in self._held.pop(worker, ()):
            if isinstance(command, StartPart):
                self._end(command.part)
                self._deliver(PartReturned(part=command.part, at=time.time()))

    def _fail(self, start: StartPart, digest: str, why: str) -> None:
        reason = f"a file of its data ({digest[:12]}) cannot be had: {why}"
        self._deliver(PartFailed(part=start.part, failure=Failure(reason), at=time.time()))

    # -- files -------------------------------------------------------------------------------------------------

    def _use(self, piece: Piece, part: Part) -> None:
        file = self._files.pop(piece.digest, None)
        if file is None:
            self._make_room(piece.size)
            file = _File(piece, self._ask)
        self._files[piece.digest] = file
        file.users.add(part)

    def _end(self, part: Part) -> None:
        start = self._parts.pop(part, None)
        if start is None or start.cargo is None:
            return
        for digest in start.cargo.files:
            file = self._files.get(digest)
            if file is not None:
                file.users.discard(part)
                if not (file.users or file.is_here):
                    self._release(file)
        self._make_room(0)

    def _make_room(self, n_bytes: int) -> None:
        """Let go of the files that nobody has used for longest, until there is room for so much more."""
        excess = n_bytes + sum(file.piece.size for file in self._files.values()) - _MOST_KEPT_BYTES
        for file in self._unused():
            if excess <= 0:
                return
            excess -= file.piece.size
            self._release(file)

    def _give_up(self, file: _File, why: str) -> None:
        """Begin a file again if that may help; else whatever needs it fails."""
        unused = self._unused()
        if not unused:
            self._drop(file, why)
            return
        for other in unused:  # there may be too little space
            self._release(other)
        file.restart()

    def _drop(self, file: _File, why: str) -> None:
        digest = file.piece.digest
        for part in list(file.users):
            start = self._parts.get(part)
            commands = self._held.get(start.worker) if start is not None else None
            if start is not None and commands is not None and start in commands:
                commands.remove(start)
                self._end(part)
                self._fail(start, digest, why)
        if digest in self._files:
            self._release(file)
        self._hand_on()

    def _unused(self) -> list[_File]:
        return [file for file in self._files.values() if not file.users]

    def _release(self, file: _File) -> None:
        self._files.pop(file.piece.digest).release()
