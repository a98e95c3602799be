"""Which candidates no optimum needs, whatever the prices and however the nodes are packed.

A candidate makes another needless when it serves every class at least as fast and its groups fit into the GPUs of the
other's groups, each group inside one: then it fits wherever the other fits, and takes no more GPUs and no more nodes.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from placewright.core.fleet.candidate_base import Candidate, Groups
from placewright.core.performance.base import FloatArray


def needed(entries: Iterable[Candidate], *, copies: bool) -> tuple[Candidate, ...]:
    """The entries that no other makes needless, by groups, the fastest first.

    Args:
        entries: of one request.
        copies: whether several replicas of one may stand for one replica of another: right where a demand is served
            and the number of replicas has no limit.
    """
    kept = _Kept(copies=copies)
    for entry in sorted(entries, key=_search_key):
        kept.add(entry)
    return tuple(sorted(kept.entries, key=_order_key))


class _Kept:
    """Entries kept so far. What can make an entry needless comes before it, so nothing is taken back."""

    def __init__(self, *, copies: bool) -> None:
        self.entries: list[Candidate] = []
        self._copies = copies
        self._fits: dict[tuple[Groups, Groups], int] = {}

    def add(self, entry: Candidate) -> None:
        """Keep an entry unless a kept one makes it needless."""
        wanted = entry.rates
        for other in self.entries:
            times = self._times(other.groups, entry.groups)
            if times and all(times * mine >= theirs for mine, theirs in zip(other.rates, wanted, strict=True)):
                return
        self.entries.append(entry)

    def _times(self, inner: Groups, outer: Groups) -> int:
        key = (inner, outer)
        if key not in self._fits:
            times = times_inside(inner, outer)
            self._fits[key] = times if self._copies else min(times, 1)
        return self._fits[key]


def times_inside(inner: Groups, outer: Groups) -> int:
    """How many copies of the inner groups surely fit into the outer ones, no group across two of them."""
    if len(inner) == 1:
        pool, size, count = inner[0]
        return sum(many * (room // size) for name, room, many in outer if name == pool) // count
    rooms = {pool: [room for name, room, many in outer for _ in range(many) if name == pool] for pool, _, _ in inner}
    return int(all(_first_fit(inner, pool, rooms[pool]) for pool in rooms))


def _first_fit(inner: Groups, pool: str, rooms: list[int]) -> bool:
    """Whether the largest groups first, each in the first room that holds it, all find a place."""
    for size in sorted((size for name, size, many in inner for _ in range(many) if name == pool), reverse=True):
        place = next((at for at, room in enumerate(rooms) if room >= size), None)
        if place is None:
            return False
        rooms[place] -= size
    return True


def pareto(rates: FloatArray) -> Sequence[int]:
    """Rows of (N, C) that no other row matches or exceeds in every column; of equal rows the first."""
    if rates.shape[1] == 1:
        best = int(rates[:, 0].argmax())
        return [best] if rates[best, 0] > 0 else []
    order = np.argsort(-rates.sum(axis=1), kind="stable")
    kept: list[int] = []
    for row in order.tolist():
        if rates[row].any() and not (rates[kept] >= rates[row]).all(axis=1).any():
            kept.append(row)
    return sorted(kept)


def _search_key(entry: Candidate) -> tuple[object, ...]:
    """Fewer GPUs first; of as many, the smaller groups, which fit into more places."""
    return (entry.gpus, -len(entry.stages), *_order_key(entry))


def _order_key(entry: Candidate) -> tuple[object, ...]:
    sizes = tuple(stage.layers for stage in entry.stages)
    rates = tuple(-rate for rate in entry.rates)
    return (entry.groups, rates, entry.precision, entry.max_concurrency, sizes)
