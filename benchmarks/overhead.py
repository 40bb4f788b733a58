"""Trials a second of a search whose objective does nothing, beside other libraries that search the same."""

from functools import partial
from statistics import median

from benchmarks.measuring import Figure, interleave, ratio, spread
from benchmarks.peers import PEERS, Peer, are_installed
from benchmarks.search import rate, run_inline, run_with_workers

_DURABLE = "manyhands, 2 processes, SQLite"
_NOT_DURABLE = "manyhands, 2 processes, in memory"
_INLINE = "manyhands, inline, in memory"
_LIMIT = "joblib, loky, 2 processes, warm"


def measure(*, quick: bool) -> list[Figure]:
    """The rate of each; starting and ending the workers counts for ours, and not for the others."""
    share = 20 if quick else 1
    ours = {
        _DURABLE: partial(rate, run_with_workers, 4000 // share),
        _NOT_DURABLE: partial(rate, run_with_workers, 4000 // share, False),
        _INLINE: partial(rate, run_inline, 10000 // share),
    }
    theirs = {name: partial(peer.run, peer.n_trials // share) for name, peer in _present().items() if not peer.is_slow}
    run_inline(10)  # so that nobody pays for imports
    found = interleave({**ours, **theirs}, repeats=1 if quick else 5)
    if not quick:
        found |= {name: [peer.run(peer.n_trials)] for name, peer in _present().items() if peer.is_slow}
    figures = [
        Figure(_DURABLE, median(found[_DURABLE]), "trials/s", note=spread(found[_DURABLE])),
        Figure(_NOT_DURABLE, median(found[_NOT_DURABLE]), "trials/s", note=spread(found[_NOT_DURABLE])),
        Figure(_INLINE, median(found[_INLINE]), "trials/s", at_least=10_000, note=spread(found[_INLINE])),
        *(_peer(name, found) for name in PEERS),
    ]
    if _LIMIT in found:
        part = ratio(found[_DURABLE], found[_LIMIT])
        figures.insert(0, Figure(f"{_DURABLE} / {_LIMIT}", part, "x", at_least=0.5))
    return figures


def _present() -> dict[str, Peer]:
    return {name: peer for name, peer in PEERS.items() if are_installed(peer.packages)}


def _peer(name: str, found: dict[str, list[float]]) -> Figure:
    if name in found:
        rates = found[name]
        ours = ratio(found[_DURABLE][: len(rates)], rates)
        note = f"{PEERS[name].n_trials} trials, once" if PEERS[name].is_slow else spread(rates)
        return Figure(name, median(rates), "trials/s", ours=ours, note=note)
    return Figure(name, note="too slow for a quick run" if name in _present() else "not installed")
