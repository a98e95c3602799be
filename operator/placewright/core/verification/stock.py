"""Whether the nodes of the request's pools hold all replicas, and what is paid for them."""

from collections.abc import Iterable

from placewright.core.model import Billing, Layout, Plan, Pool, Replicas, Request
from placewright.core.verification.packing import fits, nodes_needed
from placewright.core.verification.structure import groups_by_pool, pools_by_name


def stock_violations(request: Request, plan: Plan) -> tuple[str, ...]:
    """All replicas together fit the free GPUs of their pools; replicas do not share nodes that are paid for whole."""
    found: list[str] = []
    for pool in pools_by_name(request).values():
        if pool.billing is Billing.PER_NODE:
            found.extend(_whole_node_violations(request, plan, pool))
        elif pool.rooms is None:
            found.extend(_even_violations(plan, pool))
        elif not fits(groups := _repeated(_batches(plan, pool)), pool.rooms):
            found.append(
                f"pool {pool.name}: groups of {sum(groups)} GPUs do not fit {pool.gpus} free GPUs on"
                f" {len(pool.rooms)} nodes"
            )
    return tuple(found)


def entry_cost_per_hour(request: Request, entry: Replicas) -> float | None:
    """USD per hour of all copies of an entry; None when a pool has no price or cannot hold the groups.

    In a pool that is paid by the node, the copies of one entry share nodes with each other and with nothing else.
    """
    pools = pools_by_name(request)
    total = 0.0
    for name, groups in groups_by_pool(entry.layout).items():
        pool = pools[name]
        paid: int | None = entry.count * sum(groups)
        if pool.billing is Billing.PER_NODE:
            nodes = nodes_needed(groups * entry.count, pool.gpus_per_node)
            paid = None if nodes is None else nodes * pool.gpus_per_node
        if pool.price_per_gpu_hour is None or paid is None:
            return None
        total += paid * pool.price_per_gpu_hour
    return total


def _whole_node_violations(request: Request, plan: Plan, pool: Pool) -> tuple[str, ...]:
    """Copies share nodes where replicas are counted; a plan of a single replica has nothing to share with."""
    batches = _batches(plan, pool)
    if request.in_fleet:
        batches = [(1, groups * count) for count, groups in batches]
    each = [(count, nodes_needed(groups, pool.gpus_per_node)) for count, groups in batches]
    if any(nodes is None for _, nodes in each):
        return ()  # a group larger than a node has its own line already
    needed = sum(count * (nodes or 0) for count, nodes in each)
    free = sum(1 for room in pool.free_by_node if room == pool.gpus_per_node)
    return () if needed <= free else (_line(pool, batches, needed, free),)


def _even_violations(plan: Plan, pool: Pool) -> tuple[str, ...]:
    batches = _batches(plan, pool)
    needed = nodes_needed(_repeated(batches), pool.gpus_per_node)
    return () if needed is None or needed <= pool.nodes else (_line(pool, batches, needed, pool.nodes),)


def _line(pool: Pool, batches: Iterable[tuple[int, list[int]]], needed: int, nodes: int) -> str:
    used = sum(count * sum(groups) for count, groups in batches)
    gpus = nodes * pool.gpus_per_node
    return f"pool {pool.name}: the groups use {used} GPUs on {needed} nodes, there are {gpus} GPUs on {nodes} nodes"


def _batches(plan: Plan, pool: Pool) -> list[tuple[int, list[int]]]:
    """Copies and groups of one copy, of each entry that uses the pool."""
    return [(entry.count, groups) for entry in plan.replicas if entry.count > 0 and (groups := _of(entry.layout, pool))]


def _of(layout: Layout, pool: Pool) -> list[int]:
    return groups_by_pool(layout).get(pool.name, [])


def _repeated(batches: Iterable[tuple[int, list[int]]]) -> list[int]:
    return [group for count, groups in batches for _ in range(count) for group in groups]
