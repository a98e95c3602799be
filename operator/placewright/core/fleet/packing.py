"""Groups on nodes: whether a pool's nodes hold what is promised, and which node holds what.

Imports no numerical library: the operator's own process asks it before it writes a plan.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from placewright.core.model import Billing, Pool

Groups = Sequence[tuple[int, int]]  # (GPUs of a group, how many)

_TRIALS = 20_000  # of the exact search, where sizes do not divide each other


def fits(pool: Pool, holdings: Sequence[Groups]) -> bool:
    """Whether the pool's free GPUs hold these groups.

    Args:
        pool: PerGPU: groups of all holdings share nodes. PerNode: each holding has whole free nodes to itself.
        holdings: the groups of each plan entry (a layout of one request, all its copies together).
    """
    asked = sum(size * count for groups in holdings for size, count in groups)
    if asked > sum(pool.free_by_node):  # also keeps what somebody wrote into an annotation from being counted out
        return False
    if pool.billing is Billing.PER_GPU:
        counts: dict[int, int] = {}
        for size, count in (group for groups in holdings for group in groups):
            counts[size] = counts.get(size, 0) + count
        if divisible(counts):
            # A group of s GPUs takes s/t of a node's places for t GPUs wherever it stands, so places decide.
            return all(
                sum(room // least for room in pool.free_by_node)
                >= sum(size // least * count for size, count in counts.items() if size >= least)
                for least in counts
            )
    return place(pool, holdings) is not None


def divisible(sizes: Iterable[int]) -> bool:
    """Whether each size divides the next larger one: then packing is a matter of counting."""
    return all(b % a == 0 for a, b in pairwise(sorted(set(sizes))))


def place(pool: Pool, holdings: Sequence[Groups]) -> tuple[tuple[int, ...], ...] | None:
    """The node of each group of each holding, in the order given (a group that counts n stands n times); None: no room.

    Nodes are indices into `pool.free_by_node`. Where sizes divide each other, putting the largest first anywhere is
    exact, as each takes as many smaller places as it has; otherwise a bounded exact search follows.
    """
    if pool.billing is Billing.PER_NODE:
        return _whole_nodes(pool, holdings)
    items = [
        (size, at, index)
        for at, groups in enumerate(holdings)
        for index, size in enumerate(size for size, count in groups for _ in range(count))
    ]
    items.sort(key=lambda item: -item[0])
    nodes = _pack([size for size, _, _ in items], pool.free_by_node)
    if nodes is None:
        return None
    result = [[0] * sum(count for _, count in groups) for groups in holdings]
    for (_, at, index), node in zip(items, nodes, strict=True):
        result[at][index] = node
    return tuple(tuple(row) for row in result)


def whole_nodes(pool: Pool) -> int:
    """Nodes of which every GPU is free."""
    return sum(room == pool.gpus_per_node for room in pool.free_by_node)


@lru_cache(maxsize=65536)
def nodes_of_copies(groups: tuple[tuple[int, int], ...], copies: int, gpus_per_node: int) -> int:
    """Fewest nodes that hold so many copies of the groups; a group must fit on a node."""
    if len(groups) == 1:
        size, count = groups[0]
        return -(-copies * count // (gpus_per_node // size))
    least = -(-copies * sum(size * count for size, count in groups) // gpus_per_node)
    sizes = sorted((size for size, count in groups for _ in range(count * copies)), reverse=True)
    nodes = least
    while _pack(sizes, (gpus_per_node,) * nodes) is None:
        nodes += 1
    return nodes


def _whole_nodes(pool: Pool, holdings: Sequence[Groups]) -> tuple[tuple[int, ...], ...] | None:
    free = [node for node, room in enumerate(pool.free_by_node) if room == pool.gpus_per_node]
    taken, result = 0, []
    for groups in holdings:
        sizes = [size for size, count in groups for _ in range(count)]
        if any(size > pool.gpus_per_node for size in sizes):
            return None
        order = sorted(range(len(sizes)), key=lambda index: -sizes[index])
        nodes = nodes_of_copies(tuple(sorted((s, sizes.count(s)) for s in set(sizes))), 1, pool.gpus_per_node)
        packed = _pack([sizes[index] for index in order], (pool.gpus_per_node,) * nodes)
        if packed is None or taken + nodes > len(free):
            return None
        row = [0] * len(sizes)
        for index, node in zip(order, packed, strict=True):
            row[index] = free[taken + node]
        taken += nodes
        result.append(tuple(row))
    return tuple(result)


def _pack(sizes: Sequence[int], rooms: Sequence[int]) -> list[int] | None:
    """A node for each size (largest first), the fullest that still has room; None: there is none."""
    left = list(rooms)
    result: list[int] = []
    for size in sizes:
        node = min((n for n, room in enumerate(left) if room >= size), key=lambda n: (left[n], n), default=None)
        if node is None:
            break
        left[node] -= size
        result.append(node)
    else:
        return result
    if sum(sizes) > sum(rooms) or divisible(sizes):
        return None
    return _Search(rooms).place(sizes)


class _Search:
    """Depth-first packing; rooms that are alike are tried once. Gives up after a number of trials."""

    def __init__(self, rooms: Sequence[int]) -> None:
        self.left = list(rooms)
        self.trials = 0

    def place(self, sizes: Sequence[int], at: int = 0) -> list[int] | None:
        if at == len(sizes):
            return []
        seen: set[int] = set()
        for node, room in sorted(enumerate(self.left), key=lambda entry: (entry[1], entry[0])):
            if room < sizes[at] or room in seen or self.trials >= _TRIALS:
                continue
            self.trials += 1
            seen.add(room)
            self.left[node] -= sizes[at]
            rest = self.place(sizes, at + 1)
            if rest is not None:
                return [node, *rest]
            self.left[node] += sizes[at]
        return None
