"""How the payload, or a file of a cargo, comes to a machine: once, whoever needs it there, by the shortest way."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from manyhands.executors.nodecache import Claim, NodeCache, SharedFile, WrongContentError
from manyhands.wire.relay import Piece

#: Yields the content of a piece in chunks that fit into memory.
Source = Callable[[], Iterator[bytes]]


class Fetching:
    """Gets the pieces of a payload one after another, a chunk at each ``step``, so that its host can do other things.

    Args:
        pieces: What the payload consists of.
        ask: Asks the driver for the chunk of a piece that begins at an offset: ``ask(digest, offset)``.
        sources: Shorter ways to pieces, by digest.

    Raises:
        ExecutorError: The machine has no folder for shared files.
    """

    def __init__(
        self, pieces: Sequence[Piece], ask: Callable[[str, int], None], sources: Mapping[str, Source] | None = None
    ):
        cache = NodeCache()
        self._pieces = pieces
        self._files = [cache.file(piece.digest, piece.size) for piece in pieces]
        self._ask = ask
        self._sources = dict(sources or {})
        self._n_ready = 0
        self._filling: SharedFile | None = None
        self._chunks: Iterator[bytes] | None = None

    @property
    def is_done(self) -> bool:
        """Whether all pieces are there."""
        return self._n_ready == len(self._files)

    @property
    def paths(self) -> list[str]:
        """Where the pieces are."""
        return [str(file.path) for file in self._files]

    @property
    def n_there(self) -> int:
        """How many bytes of the piece that is fetched now are on this machine, whoever fetches it."""
        return 0 if self.is_done else self._files[self._n_ready].n_there

    def step(self) -> bool:
        """Do the next bit; False if there is nothing to do but to wait.

        Raises:
            ExecutorError: A piece cannot be written, or did not arrive as it was sent.
        """
        if self.is_done:
            return False
        if self._filling is None:
            return self._claim()
        if self._chunks is None:  # the driver has been asked
            return False
        try:
            chunk = next(self._chunks, None)
        except Exception as error:  # a library's, or a file system's: any
            print(f"manyhands: the data come from the driver, because {error!r}", file=sys.stderr)
            chunk = None
        if chunk is None:  # the shorter way led nowhere: let the driver give what is missing
            self._chunks = None
            self._ask(self._digest, self._filling.n_written)
        else:
            self._fill(chunk)
        return True

    def take(self, digest: str, offset: int, data: bytes) -> None:
        """Take a chunk that the driver sent."""
        filling = self._filling
        if filling is None or digest != self._digest or offset != filling.n_written or not data:
            return
        self._fill(data)
        if self._filling is not None:
            self._ask(digest, filling.n_written)

    def release(self) -> None:
        """The pieces are not needed any more."""
        for file in self._files:
            file.release()

    @property
    def _digest(self) -> str:
        """Of the piece that is fetched now."""
        return self._pieces[self._n_ready].digest

    def _claim(self) -> bool:
        file = self._files[self._n_ready]
        claim = file.claim()
        if claim is Claim.READY:
            self._n_ready += 1
        elif claim is Claim.EMPTY:
            self._filling = file
            source = self._sources.get(self._digest)
            self._chunks = source() if source else iter(())
        return claim is not Claim.BUSY

    def _fill(self, data: bytes) -> None:
        assert self._filling is not None  # noqa: S101
        try:
            is_complete = self._filling.write(data)
        except WrongContentError:
            if self._sources.pop(self._digest, None) is None:
                raise
            self._filling.release()  # a shorter way led to something else: begin again, without it
            self._filling = self._chunks = None
            return
        if is_complete:
            self._filling = self._chunks = None
            self._n_ready += 1
