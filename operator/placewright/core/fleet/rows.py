"""What is scarce, as rows: GPUs on nodes, whole nodes, dollars under a ceiling.

GPUs of a pool that is billed by GPU are rows of places: for each group size t that may stand there, a node with f free
GPUs has floor(f/t) places, and a group of s GPUs takes floor(s/t) of them. Where sizes divide each other these rows say
exactly what the nodes hold; otherwise no packing can break them, and packing is checked afterwards. Rows that others
imply are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from placewright.core.fleet.candidate_base import Groups
from placewright.core.fleet.packing import nodes_of_copies, whole_nodes
from placewright.core.model import Billing, Ceiling, Pool

Uses = tuple[tuple[int, float], ...]  # (row, amount)
PoolKey = tuple[str, str]  # ("", name) of a shared pool, ("namespace/name", pool) of a private one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one problem.

    Attributes:
        pools: every pool that somebody may take from.
        places: of pools billed by GPU, (group size t, row) in the order of sizes.
        nodes: of pools billed by node, the row.
        ceilings: (ceiling, row).
        capacity: of each row.
    """

    pools: Mapping[PoolKey, Pool]
    places: Mapping[PoolKey, tuple[tuple[int, int], ...]]
    nodes: Mapping[PoolKey, int]
    ceilings: tuple[tuple[Ceiling, int], ...]
    capacity: tuple[float, ...]

    def of_node(self, key: PoolKey) -> dict[int, float]:
        """What one more node of a pool adds to each row."""
        if key in self.nodes:
            return {self.nodes[key]: 1.0}
        gpus = self.pools[key].gpus_per_node
        return {row: float(gpus // size) for size, row in self.places.get(key, ()) if gpus >= size}

    def uses(self, namespace: str, keys: Mapping[str, PoolKey], groups: Groups, copies: int, cost: float) -> Uses:
        """(row, amount) of so many copies of a layout of a request of the namespace."""
        amounts: dict[int, float] = {}
        for pool, own in by_pool(groups).items():
            key = keys[pool]
            if key in self.nodes:
                nodes = nodes_of_copies(own, copies, self.pools[key].gpus_per_node)
                amounts[self.nodes[key]] = float(nodes)
                continue
            for size, row in self.places[key]:
                taken = sum(group // size * count for group, count in own)
                if taken:
                    amounts[row] = float(taken * copies)
        for ceiling, row in self.ceilings:
            if ceiling.namespace in {None, namespace}:
                amounts[row] = cost
        return tuple(sorted(amounts.items()))


def by_pool(groups: Groups) -> dict[str, tuple[tuple[int, int], ...]]:
    """((GPUs of a group, how many), ...) by pool."""
    found: dict[str, list[tuple[int, int]]] = {}
    for pool, size, count in groups:
        found.setdefault(pool, []).append((size, count))
    return {pool: tuple(sorted(own)) for pool, own in found.items()}


def cost_of(pools: Mapping[str, Pool], groups: Groups, copies: int) -> float:
    """USD per hour of so many copies of a layout; whole nodes where these are billed."""
    total = 0.0
    for name, own in by_pool(groups).items():
        pool = pools[name]
        assert pool.price_per_gpu_hour is not None, "pools without a price have no candidates"
        if pool.billing is Billing.PER_NODE:
            gpus = nodes_of_copies(own, copies, pool.gpus_per_node) * pool.gpus_per_node
        else:
            gpus = copies * sum(size * count for size, count in own)
        total += gpus * pool.price_per_gpu_hour
    return total


def make_rows(
    pools: Mapping[PoolKey, Pool], sizes: Mapping[PoolKey, Iterable[int]], ceilings: Sequence[Ceiling]
) -> Rows:
    """Rows of the pools for the group sizes that may stand in them, and of the ceilings."""
    capacity: list[float] = []
    places: dict[PoolKey, tuple[tuple[int, int], ...]] = {}
    nodes: dict[PoolKey, int] = {}
    for key in sorted(pools):
        pool = pools[key]
        if pool.billing is Billing.PER_NODE:
            nodes[key] = len(capacity)
            capacity.append(float(whole_nodes(pool)))
            continue
        own: list[tuple[int, int]] = []
        for size in sorted(set(sizes.get(key, ()))):
            room = sum(free // size for free in pool.free_by_node)
            implied = any(
                size % less == 0 and capacity[row] * less == room * size and pool.gpus_per_node % size == 0
                for less, row in own
            )
            if not implied:
                own.append((size, len(capacity)))
                capacity.append(float(room))
        places[key] = tuple(own)
    tops = []
    for ceiling in sorted(ceilings, key=lambda each: (each.policy, each.namespace or "", each.max_cost_per_hour)):
        tops.append((ceiling, len(capacity)))
        capacity.append(ceiling.max_cost_per_hour)
    return Rows(pools=dict(pools), places=places, nodes=nodes, ceilings=tuple(tops), capacity=tuple(capacity))
