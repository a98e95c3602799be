"""How many nodes the tensor-parallel groups of a pool need: exact bin packing."""

from collections import Counter
from collections.abc import Iterable
from functools import cache


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


def _fewest(sizes: tuple[int, ...], counts: tuple[int, ...], room: int) -> int:
    """First fit, largest first, when it meets the bound by volume; otherwise search every way to fill a node."""
    volume = sum(size * count for size, count in zip(sizes, counts, strict=True))
    least = -(-volume // room)
    if _largest_first(sizes, counts, room) == least:
        return least

    @cache
    def search(left: tuple[int, ...]) -> int:
        if not any(left):
            return 0
        return 1 + min(
            search(tuple(have - used for have, used in zip(left, filling, strict=True)))
            for filling in _fillings(sizes, left, room)
        )

    return search(counts)


def _largest_first(sizes: tuple[int, ...], counts: tuple[int, ...], room: int) -> int:
    free: list[int] = []
    for size, count in zip(sizes, counts, strict=True):
        for _ in range(count):
            place = next((node for node, space in enumerate(free) if space >= size), None)
            if place is None:
                free.append(room - size)
            else:
                free[place] -= size
    return len(free)


def _fillings(sizes: tuple[int, ...], left: tuple[int, ...], room: int) -> list[tuple[int, ...]]:
    """Every way to fill one node that holds the largest group left and to which no group left can be added."""
    first = next(index for index, count in enumerate(left) if count)
    found: list[tuple[int, ...]] = []

    def fill(index: int, used: tuple[int, ...], space: int) -> None:
        if index == len(sizes):
            if all(have == taken or size > space for size, have, taken in zip(sizes, left, used, strict=True)):
                found.append(used)
            return
        least = 1 if index == first else 0
        for count in range(min(left[index], space // sizes[index]), least - 1, -1):
            fill(index + 1, (*used, count), space - count * sizes[index])

    fill(0, (), room)
    return found
