"""Which requests are one problem: those that share pools, and those under a ceiling that binds.

Imports no numerical library: the operator's own process splits what its solver processes solve.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from placewright.core.identity import digest, request_digest
from placewright.core.model import (
    Ceiling,
    Decision,
    FleetDecision,
    FleetReport,
    NodeValue,
    PlanState,
    Pool,
    PoolUse,
    Request,
    Snapshot,
    SolveStatus,
)

Key = tuple[str, str]  # namespace, name


def key_of(request: Request) -> Key:
    """Namespace and name."""
    return request.namespace, request.name


def components(snapshot: Snapshot) -> tuple[Snapshot, ...]:
    """Parts that share no pool, each without ceilings, in the order of their first request."""
    return _split(snapshot, lambda request: [pool.name for pool in request.pools if pool.shared])


def exceeded(snapshot: Snapshot, whole: FleetDecision) -> tuple[Ceiling, ...]:
    """The ceilings that the plans together break."""
    return tuple(
        ceiling for ceiling in snapshot.ceilings if _spent(whole, ceiling) > ceiling.max_cost_per_hour * _SLACK
    )


def joined(snapshot: Snapshot, whole: FleetDecision) -> tuple[Snapshot, ...]:
    """Parts to solve again, with their ceilings inside; empty when no ceiling is broken.

    A broken ceiling of the fleet makes the whole snapshot one part, a broken one of a namespace joins all components
    that the namespace has requests in.
    """
    broken = exceeded(snapshot, whole)
    if not broken:
        return ()
    if any(ceiling.namespace is None for ceiling in broken):
        return (snapshot,)
    names = {ceiling.namespace for ceiling in broken}
    parts = _split(
        snapshot,
        lambda request: [
            *(pool.name for pool in request.pools if pool.shared),
            *([("", request.namespace)] if request.namespace in names else []),
        ],
    )
    result = []
    for part in parts:
        within = {request.namespace for request in part.requests} & names
        if within:
            own = tuple(ceiling for ceiling in snapshot.ceilings if ceiling.namespace in within)
            result.append(replace(part, ceilings=own))
    return tuple(result)


def combine(snapshot: Snapshot, parts: Sequence[FleetDecision]) -> FleetDecision:
    """The decision of the whole from those of its parts. A request decided by several parts takes the last one."""
    decisions = {key_of(d.request): (d, part) for part in parts for d in part.decisions}
    live = [part for part in parts if any(decisions[key_of(d.request)][1] is part for d in part.decisions)]
    wanted = [decisions[key][0] for key in sorted(key_of(request) for request in snapshot.requests)]
    idle = {pool.name: PoolUse(name=pool.name, capacity=pool.gpus, used=0) for pool in snapshot.pools}
    pools = idle | {pool.name: pool for part in live for pool in part.pools}
    assignments = [entry for part in live for entry in part.assignments]
    return FleetDecision(
        decisions=tuple(wanted),
        assignments=tuple(sorted(assignments, key=_place)),
        pools=tuple(pools[name] for name in sorted(pools)),
        report=_report(wanted, [part.report for part in live]),
    )


def snapshot_hash(snapshot: Snapshot) -> str:
    """Hash of all that the decision depends on, with the names; the order of the parts does not matter."""
    return digest(
        {
            "requests": sorted([*key_of(request), request_digest(request)] for request in snapshot.requests),
            "pools": sorted(snapshot.pools, key=lambda pool: pool.name),
            "present": sorted(snapshot.present, key=lambda entry: (entry.namespace, entry.name)),
            "ceilings": sorted(snapshot.ceilings, key=_ceiling_key),
        }
    )


def _unused(pool: Pool) -> PoolUse:
    """A pool from which no request may take: one more node of it is worth nothing."""
    value = NodeValue(places=(), saving_cost_per_hour=0.0, exact=True)
    return PoolUse(
        name=pool.name,
        capacity=pool.gpus,
        used=0,
        one_more_node=None if pool.price_per_gpu_hour is None else value,
    )


_SLACK = 1 + 1e-9  # sums of prices in another order differ by less


def _place(entry: object) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in ("namespace", "name", "entry", "copy", "stage"))


def _ceiling_key(ceiling: Ceiling) -> tuple[str, str, float]:
    return ceiling.policy, ceiling.namespace or "", ceiling.max_cost_per_hour


def _approved(decision: Decision) -> bool:
    return decision.plan is not None and decision.plan.state is PlanState.APPROVED


def cost_of(decisions: Iterable[Decision], namespace: str | None = None) -> float:
    """USD per hour of the approved plans, of a namespace or of all (None)."""
    return sum(
        decision.plan.cost_per_hour
        for decision in decisions
        if decision.plan is not None and _approved(decision) and namespace in {None, decision.request.namespace}
    )


def _spent(whole: FleetDecision, ceiling: Ceiling) -> float:
    return cost_of(whole.decisions, ceiling.namespace)


def report_of(decisions: Sequence[Decision], gap_per_hour: float, status: SolveStatus) -> FleetReport:
    """Add up the approved plans; the bound is what the gap leaves possible."""
    cost = cost_of(decisions)
    bound = max(0.0, cost - gap_per_hour)
    placed = sum(_approved(decision) for decision in decisions)
    return FleetReport(
        cost_per_hour=cost,
        bound_cost_per_hour=bound,
        gap_percent=(cost - bound) / cost * 100.0 if cost > 0 else 0.0,
        status=status,
        placed=placed,
        refused=len(decisions) - placed,
    )


def _report(decisions: Sequence[Decision], parts: Sequence[FleetReport]) -> FleetReport:
    gap = sum(part.cost_per_hour - part.bound_cost_per_hour for part in parts)
    optimal = all(part.status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE} for part in parts)
    return report_of(decisions, gap, SolveStatus.OPTIMAL if optimal else SolveStatus.FEASIBLE)


def _split(snapshot: Snapshot, ties: Callable[[Request], Sequence[Hashable]]) -> tuple[Snapshot, ...]:
    """Parts of the snapshot whose requests have ties in common, directly or through others."""
    ordered = sorted(snapshot.requests, key=key_of)
    parent = list(range(len(ordered)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, request in enumerate(ordered):
        for tie in ties(request):
            other = root(first.setdefault(tie, i))
            mine = root(i)
            parent[max(mine, other)] = min(mine, other)
    groups: dict[int, list[Request]] = {}
    for i, request in enumerate(ordered):
        groups.setdefault(root(i), []).append(request)
    present = {(entry.namespace, entry.name): entry for entry in snapshot.present}
    pools = {pool.name: pool for pool in snapshot.pools}
    result = []
    for members in groups.values():
        names = sorted({pool.name for request in members for pool in request.pools if pool.shared})
        result.append(
            Snapshot(
                requests=tuple(members),
                pools=tuple(pools[name] for name in names),
                present=tuple(present[key_of(r)] for r in members if key_of(r) in present),
            )
        )
    return tuple(result)
