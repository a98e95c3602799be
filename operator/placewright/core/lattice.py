"""What one pool can give: every number of stages and GPUs that its nodes can hold, and what it costs.

A tensor-parallel group never leaves a node, so groups are packed on nodes. Where the degrees divide each other and the
node, GPUs used are all that matters (they pack perfectly); otherwise each combination of groups is packed exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from placewright.core.model import Billing, Pool
from placewright.core.performance.base import FloatArray, IntArray


@lru_cache(maxsize=65536)
def nodes_needed(groups: tuple[tuple[int, int], ...], gpus_per_node: int) -> int:
    """Fewest nodes that hold the groups, ((GPUs of a group, how many), ...); groups larger than a node are an error.

    First-fit decreasing is optimal when every size divides the next larger one (Coffman, Garey, Johnson 1987, weakly
    divisible lists); otherwise it gives the upper limit of an exact search.
    """
    sizes = [size for size, count in sorted(groups, reverse=True) for _ in range(count)]
    if not sizes:
        return 0
    bins: list[int] = []
    for size in sizes:
        place = next((i for i, room in enumerate(bins) if room >= size), None)
        if place is None:
            bins.append(gpus_per_node - size)
        else:
            bins[place] -= size
    least = -(-sum(sizes) // gpus_per_node)
    distinct = sorted(set(sizes))
    divisible = all(b % a == 0 for a, b in pairwise(distinct))
    if divisible or len(bins) == least:
        return len(bins)
    for count in range(least, len(bins)):
        if _packs(tuple(sizes), (gpus_per_node,) * count):
            return count
    return len(bins)


def _packs(sizes: tuple[int, ...], rooms: tuple[int, ...]) -> bool:
    """Whether sizes (descending) fit into the rooms; rooms of equal space are tried once."""
    if not sizes:
        return True
    if sum(sizes) > sum(rooms):
        return False
    tried: set[int] = set()
    for i, room in enumerate(rooms):
        if room < sizes[0] or room in tried:
            continue
        tried.add(room)
        if _packs(sizes[1:], (*rooms[:i], room - sizes[0], *rooms[i + 1 :])):
            return True
    return False


def pool_cost_per_hour(pool: Pool, groups: tuple[tuple[int, int], ...]) -> float:
    """USD per hour of the groups in this pool: per GPU, or per whole node. The pool must have a price."""
    if pool.price_per_gpu_hour is None:
        raise ValueError(f"pool {pool.name} has no price")
    if pool.billing is Billing.PER_NODE:
        return pool.price_per_gpu_hour * (nodes_needed(groups, pool.gpus_per_node) * pool.gpus_per_node)
    return pool.price_per_gpu_hour * sum(size * count for size, count in groups)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lattice:
    """States of one pool, by stage count; state 0 is empty.

    Attributes:
        stages: (N,) stages in the state, non-decreasing.
        gpus: (N,) GPUs in the state.
        cost_per_hour: (N,) USD.
        transitions: (M, 3) rows (from, to, index of the degree), ordered by target.
        successor: (N, D) state after one more group of that degree, -1 where it does not fit.
    """

    stages: IntArray
    gpus: IntArray
    cost_per_hour: FloatArray
    transitions: IntArray
    successor: IntArray


class OutOfTimeError(Exception):
    """The time limit passed while a lattice was built: a pool whose degrees do not pack perfectly can have many."""


class LatticeSource:
    """Lattices of a request's pools, built when they are first needed and kept for all problems.

    Args:
        pools: of the request.
        out_of_time: asked while a lattice is built.
    """

    def __init__(self, pools: tuple[Pool, ...], out_of_time: Callable[[], bool]) -> None:
        self._pools = pools
        self._out_of_time = out_of_time
        self._built: dict[tuple[int, tuple[int, ...], int], Lattice] = {}

    def lattice(self, pool: int, degrees: tuple[int, ...], max_stages: int) -> Lattice:
        """The lattice of a pool (by index); raises OutOfTimeError."""
        key = (pool, degrees, max_stages)
        if key not in self._built:
            self._built[key] = build_lattice(self._pools[pool], degrees, max_stages, out_of_time=self._out_of_time)
        return self._built[key]


def never() -> bool:
    """No time limit."""
    return False


def build_lattice(
    pool: Pool, degrees: tuple[int, ...], max_stages: int, *, out_of_time: Callable[[], bool] = never
) -> Lattice:
    """All states of a pool for these TP degrees and at most max_stages stages; raises OutOfTimeError."""
    ordered = sorted(set(degrees))
    chain = all(b % a == 0 for a, b in pairwise(ordered))
    perfect = chain and pool.gpus_per_node % ordered[-1] == 0 if ordered else True
    keys: list[tuple[int, ...]] = [(0, 0)] if perfect else [(0,) * len(degrees)]
    index = {keys[0]: 0}
    stages = [0]
    transitions: list[tuple[int, int, int]] = []
    start = 0
    for count in range(1, max_stages + 1):
        end = len(keys)
        for source in range(start, end):
            if out_of_time():
                raise OutOfTimeError
            for d, degree in enumerate(degrees):
                key = _after(keys[source], d, degree, perfect=perfect)
                target = index.get(key)
                if target is None:
                    if not _fits(pool, degrees, key, perfect=perfect):
                        continue
                    target = index[key] = len(keys)
                    keys.append(key)
                    stages.append(count)
                transitions.append((source, target, d))
        if len(keys) == end:
            break
        start = end
    transitions.sort(key=lambda row: row[1])
    successor = np.full((len(keys), len(degrees)), -1, dtype=np.int64)
    for source, target, d in transitions:
        successor[source, d] = target
    gpus = [key[1] if perfect else sum(n * t for n, t in zip(key, degrees, strict=True)) for key in keys]
    return Lattice(
        stages=np.array(stages, dtype=np.int64),
        gpus=np.array(gpus, dtype=np.int64),
        cost_per_hour=np.array(
            [_state_cost(pool, degrees, key, used, perfect=perfect) for key, used in zip(keys, gpus, strict=True)]
        ),
        transitions=np.array(transitions, dtype=np.int64).reshape(-1, 3),
        successor=successor,
    )


def _after(key: tuple[int, ...], d: int, degree: int, *, perfect: bool) -> tuple[int, ...]:
    if perfect:
        return (key[0] + 1, key[1] + degree)
    return (*key[:d], key[d] + 1, *key[d + 1 :])


def _fits(pool: Pool, degrees: tuple[int, ...], key: tuple[int, ...], *, perfect: bool) -> bool:
    if perfect:
        return key[1] <= pool.gpus
    if any(count and degree > pool.gpus_per_node for degree, count in zip(degrees, key, strict=True)):
        return False
    return nodes_needed(_groups(degrees, key), pool.gpus_per_node) <= pool.nodes


def _groups(degrees: tuple[int, ...], counts: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((degree, count) for degree, count in zip(degrees, counts, strict=True) if count))


def _state_cost(pool: Pool, degrees: tuple[int, ...], key: tuple[int, ...], gpus: int, *, perfect: bool) -> float:
    # Perfect packing makes GPUs alone decide the nodes, as if all groups were single GPUs.
    return pool_cost_per_hour(pool, ((1, gpus),) if perfect else _groups(degrees, key))
