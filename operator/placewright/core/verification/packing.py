"""How many nodes the tensor-parallel groups of a pool need, and whether given nodes hold them: exact bin packing."""

from collections import Counter
from collections.abc import Iterable, Sequence

Counts = tuple[int, ...]
"""How many groups of each size are meant, sizes largest first."""


def nodes_needed(groups: Iterable[int], gpus_per_node: int) -> int | None:
    """Least number of nodes that hold all groups, none of them split.

    Args:
        groups: GPUs of each tensor-parallel group.
        gpus_per_node: room of one node.

    Returns:
        The number of nodes, or None when a group is larger than a node.
    """
    counts = Counter(groups)
    if any(size > gpus_per_node for size in counts):
        return None
    sizes = tuple(sorted(counts, reverse=True))
    return _fewest(sizes, tuple(counts[size] for size in sizes), gpus_per_node)


def fits(groups: Sequence[int], rooms: Sequence[int]) -> bool:
    """Whether nodes with these free GPUs hold all groups, none of them split.

    Each group on the node with the least room that holds it is tried first; if that fails, every way to fill the
    nodes one after another such that no group that is left would still fit.
    """
    if not groups:
        return True
    counts = Counter(groups)
    sizes = tuple(sorted(counts, reverse=True))
    free = sorted((room for room in rooms if room >= sizes[-1]), reverse=True)[: len(groups)]
    if sum(groups) > sum(free) or sizes[0] > free[0]:
        return False
    if _into_tightest(groups, free) is not None:
        return True
    states = {tuple(counts[size] for size in sizes)}
    for place, room in enumerate(free):
        ahead = sum(free[place + 1 :])
        states = {after for left in states for after in _after(sizes, left, room) if _volume(sizes, after) <= ahead}
        if any(not any(left) for left in states):
            return True
    return False


def _fewest(sizes: tuple[int, ...], counts: Counts, room: int) -> int:
    """The largest groups first, when that meets the bound by volume; otherwise every way to fill a node."""
    least = -(-_volume(sizes, counts) // room)
    groups = (size for size, count in zip(sizes, counts, strict=True) for _ in range(count))
    if _into_tightest(groups, (), new=room) == least:
        return least
    states, nodes = {counts}, 0
    while all(any(left) for left in states):
        states = {after for left in states for after in _after(sizes, left, room, holding_the_largest=True)}
        nodes += 1
    return nodes


def _volume(sizes: tuple[int, ...], counts: Counts) -> int:
    return sum(size * count for size, count in zip(sizes, counts, strict=True))


def _into_tightest(groups: Iterable[int], rooms: Iterable[int], *, new: int = 0) -> int | None:
    """Put each group, largest first, on the node with the least room that holds it.

    Returns:
        How many nodes with `new` GPUs were opened because none had room; None when they would not hold a group either.
    """
    left = Counter(rooms)
    opened = 0
    for size in sorted(groups, reverse=True):
        room = min((each for each, nodes in left.items() if nodes and each >= size), default=None)
        if room is None:
            if size > new:
                return None
            opened += 1
            room = new
        else:
            left[room] -= 1
        left[room - size] += 1
    return opened


def _after(sizes: tuple[int, ...], left: Counts, room: int, *, holding_the_largest: bool = False) -> list[Counts]:
    """What can be left when one node has been filled such that no group that is left can be added to it.

    With `holding_the_largest` only fillings with one of the largest groups left: some node must have it.
    """
    first = next(index for index, count in enumerate(left) if count) if holding_the_largest else None
    found: list[Counts] = []

    def fill(index: int, used: Counts, space: int) -> None:
        if index == len(sizes):
            if all(have == taken or size > space for size, have, taken in zip(sizes, left, used, strict=True)):
                found.append(tuple(have - taken for have, taken in zip(left, used, strict=True)))
            return
        least = 1 if index == first else 0
        for count in range(min(left[index], space // sizes[index]), least - 1, -1):
            fill(index + 1, (*used, count), space - count * sizes[index])

    fill(0, (), room)
    return found
