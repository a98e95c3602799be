"""Brute force on tiny snapshots: every cover of every request, and every way to put its groups on nodes.

The layouts are those of `core.fleet.candidates`, which has tests of its own; counting, paying and packing are done here
once more. For about three requests with a demand, on two pools of a few nodes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from placewright.core.fleet.candidates import Candidate, candidates
from placewright.core.fleet.problem import Ask, Offer
from placewright.core.identity import canonical
from placewright.core.model import Billing, FleetDecision, PlanState, Pool, Request, Snapshot
from tests.support.fleet_oracle import ROUNDING, Counts, covers
from tests.support.oracle import fewest_nodes

REFUSAL = 30.0  # times the least cost of its own, whatever the stock
Held = tuple[tuple[str, tuple[int, ...]], ...]
"""Groups of one entry, all copies together, by pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to serve a request: USD per hour, and the groups of each of its entries."""

    cost_per_hour: float
    entries: tuple[Held, ...]


def options(request: Request) -> list[Option]:
    """Every way to serve a request with all stock to itself; ways that only cost more are left out."""
    asked = canonical(request)
    entries = candidates(asked).entries
    if not entries:
        return []
    pools = {pool.name: pool for pool in asked.pools}
    found = [_option(pools, entries, counts) for counts in _counts(asked, entries)]
    return sorted(
        (each for each in found if fits(pools, each.entries)), key=lambda each: (each.cost_per_hour, each.entries)
    )


def refusal(request: Request) -> float:
    """What being refused weighs: a constant for a request that nothing can serve.

    Of several classes the least cost is that of each class where it is cheapest, as if replicas could be split.
    """
    asked = canonical(request)
    entries = candidates(asked).entries
    pools = {pool.name: pool for pool in asked.pools}
    classes = asked.workload.classes
    if len(classes) == 1:
        every = [_option(pools, entries, counts).cost_per_hour for counts in _counts(asked, entries)]
        return REFUSAL * min(every, default=0.0)
    cheapest = 0.0
    for place, each in enumerate(classes):
        prices = [_price(pools, entry) / entry.rates[place] for entry in entries if entry.rates[place] > 0]
        if not prices:
            return 0.0
        cheapest += each.requests_per_second * min(prices)
    smallest = min(_option(pools, [entry], (1,)).cost_per_hour for entry in entries)
    return REFUSAL * max(cheapest, smallest)


def _price(pools: dict[str, Pool], entry: Candidate) -> float:
    """USD per hour of one copy, of as many as share nodes best."""
    return min(_option(pools, [entry], (copies,)).cost_per_hour / copies for copies in range(1, 9))


def _counts(request: Request, entries: Sequence[Candidate]) -> Iterator[Counts]:
    ask = Ask(
        key="",
        demands=tuple(each.requests_per_second for each in request.workload.classes),
        offers=tuple(Offer(cost_per_hour=1.0, rates=entry.rates, uses=()) for entry in entries),
        min_copies=request.replicas.min,
        max_copies=request.replicas.max,
        refusal_value=inf,
    )
    return covers(ask)


def _option(pools: dict[str, Pool], entries: Sequence[Candidate], counts: Counts) -> Option:
    held: list[Held] = []
    cost = 0.0
    for entry, count in zip(entries, counts, strict=True):
        if not count:
            continue
        by_pool: dict[str, list[int]] = {}
        for name, size, many in entry.groups:
            by_pool.setdefault(name, []).extend([size] * many * count)
        held.append(tuple((name, tuple(groups)) for name, groups in sorted(by_pool.items())))
        for name, groups in by_pool.items():
            pool = pools[name]
            paid = sum(groups)
            if pool.billing is Billing.PER_NODE:
                paid = nodes_of(groups, pool) * pool.gpus_per_node
            cost += paid * (pool.price_per_gpu_hour or 0.0)
    return Option(cost_per_hour=cost, entries=tuple(held))


def nodes_of(groups: Sequence[int], pool: Pool) -> int:
    """Fewest nodes for the groups, as many as there may be."""
    nodes = fewest_nodes(list(groups), replace(pool, nodes=max(1, len(groups))))
    return inf if nodes is None else nodes  # type: ignore[return-value] # an impossible entry costs without end


def fits(pools: dict[str, Pool], entries: Sequence[Held]) -> bool:
    """Whether the free GPUs of all pools hold all entries."""
    for name, pool in pools.items():
        own = [groups for entry in entries for at, groups in entry if at == name]
        if pool.billing is Billing.PER_NODE:
            whole = sum(1 for room in pool.free_by_node if room == pool.gpus_per_node)
            if sum(nodes_of(groups, pool) for groups in own) > whole:
                return False
        elif not _placed(sorted((size for groups in own for size in groups), reverse=True), pool.free_by_node):
            return False
    return True


def _placed(groups: Sequence[int], rooms: Sequence[int]) -> bool:
    """Try every node for the first group; nodes with equal room are one."""
    if sum(groups) > sum(rooms):
        return False
    if not groups:
        return True
    for node, room in enumerate(rooms):
        if room >= groups[0] and room not in rooms[:node]:
            after = sorted((*rooms[:node], room - groups[0], *rooms[node + 1 :]), reverse=True)
            if _placed(groups[1:], after):
                return True
    return False


Levels = tuple[tuple[int, float], ...]
"""(priority, objective), highest first: costs of the placed and weights of the refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    request: Request
    options: list[Option]
    refusal: float


def least(snapshot: Snapshot) -> Levels:
    """The least objective of each priority, each with those of the higher ones kept."""
    asked = [_Asked(request=each, options=options(each), refusal=refusal(each)) for each in snapshot.requests]
    asked.sort(key=lambda each: -each.request.priority)
    priorities = sorted({each.request.priority for each in asked}, reverse=True)
    pools = {pool.name: pool for pool in snapshot.pools}
    best: tuple[float, ...] | None = None

    def choose(at: int, entries: tuple[Held, ...], spent: dict[str, float], values: dict[int, float]) -> None:
        nonlocal best
        found = tuple(round(values[priority], 8) for priority in priorities)
        if best is not None and found >= best:
            return
        if at == len(asked):
            best = found
            return
        mine = asked[at]
        priority, namespace = mine.request.priority, mine.request.namespace
        for option in (each for each in mine.options if passes(mine.request, each)):
            after = {**spent, namespace: spent.get(namespace, 0.0) + option.cost_per_hour}
            held = (*entries, *_shared(option, pools))
            if _within(snapshot, after) and fits(pools, held):
                choose(at + 1, held, after, {**values, priority: values[priority] + option.cost_per_hour})
        choose(at + 1, entries, spent, {**values, priority: values[priority] + mine.refusal})

    choose(0, (), {}, dict.fromkeys(priorities, 0.0))
    assert best is not None  # everybody can be refused
    return tuple(zip(priorities, best, strict=True))


def _shared(option: Option, pools: dict[str, Pool]) -> Iterator[Held]:
    """The part of each entry that stands on shared pools; private stock was looked at already."""
    for entry in option.entries:
        yield tuple((name, groups) for name, groups in entry if name in pools)


def passes(request: Request, option: Option) -> bool:
    """Whether the gates on money let the option through; both are limits on its cost, as the demand is given."""
    gates, served = request.gates, request.workload.tokens_per_second * 3600.0 / 1e6
    hourly = inf if gates.max_cost_per_hour is None else gates.max_cost_per_hour
    price = inf if gates.max_cost_per_million_tokens is None else gates.max_cost_per_million_tokens * served
    return option.cost_per_hour <= min(hourly, price) * (1 + ROUNDING)


def _within(snapshot: Snapshot, spent: dict[str, float]) -> bool:
    return all(
        sum(cost for namespace, cost in spent.items() if ceiling.namespace in {None, namespace})
        <= ceiling.max_cost_per_hour * (1 + ROUNDING)
        for ceiling in snapshot.ceilings
    )


def worth(snapshot: Snapshot, decision: FleetDecision) -> Levels:
    """The same objective of a decision."""
    values = {request.priority: 0.0 for request in snapshot.requests}
    for each in decision.decisions:
        plan = each.plan
        if plan is not None and plan.state is PlanState.APPROVED:
            values[each.request.priority] += plan.cost_per_hour
        else:
            values[each.request.priority] += refusal(each.request)
    return tuple(sorted(values.items(), reverse=True))
