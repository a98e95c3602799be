"""Checker of many plans together: no GPU twice, ceilings, sums, and a reason wherever there is no plan.

Shares no code with the fleet solver; each plan by itself is held against `placewright.core.verify`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from placewright.core.model import (
    Assignment,
    Billing,
    Decision,
    FleetDecision,
    GateResult,
    Layout,
    MoveReason,
    Plan,
    PlanState,
    Pool,
    Present,
    RejectionCode,
    Replicas,
    Request,
    Snapshot,
    SolveStatus,
)
from placewright.core.verification.numbers import below, differs, exceeds, text
from placewright.core.verification.packing import nodes_needed
from placewright.core.verify import verify, verify_kept

Key = tuple[str, str]
"""Namespace and name of a request."""

Group = tuple[str, str, int, int, int, str, int]
"""Namespace, name, entry, copy, stage, pool and GPUs of one tensor-parallel group."""

CEILING_GATES = ("NamespaceCostPerHour", "FleetCostPerHour")
_SHORTAGES = (RejectionCode.INSUFFICIENT_STOCK, RejectionCode.HOURLY_BUDGET_GATE)


def verify_fleet(snapshot: Snapshot, decision: FleetDecision) -> tuple[str, ...]:
    """Recompute a fleet decision and say where it is wrong.

    Args:
        snapshot: what was observed.
        decision: what was decided for it.

    Returns:
        One line for each violation; empty when the decision is right.
    """
    wanted = sorted((request.namespace, request.name) for request in snapshot.requests)
    listed = [_key(each.request) for each in decision.decisions]
    if listed != wanted:
        return (f"the decisions are for {_names(listed)}, they should be for {_names(wanted)}, in this order",)
    requests = {_key(request): request for request in snapshot.requests}
    present = {(each.namespace, each.name): each for each in snapshot.present}
    found: list[str] = []
    for each in decision.decisions:
        key = _key(each.request)
        lines = [*_decision_violations(requests[key], each), *_move_violations(each, present.get(key))]
        found.extend(f"{'/'.join(key)}: {line}" for line in lines)
    approved = {
        _key(each.request): each.plan
        for each in decision.decisions
        if each.plan is not None and each.plan.state is PlanState.APPROVED
    }
    found.extend(_assignment_violations(requests, approved, decision.assignments))
    for pool in sorted(snapshot.pools, key=lambda pool: pool.name):
        held = [each for each in decision.assignments if each.pool == pool.name]
        found.extend(_node_violations(pool, approved, held))
    kept = frozenset(_key(each.request) for each in decision.decisions if each.kept)
    found.extend(_kept_violations(decision, present))
    found.extend(_ceiling_violations(snapshot, approved, kept))
    found.extend(_pool_violations(snapshot, decision))
    found.extend(_report_violations(decision, approved))
    return tuple(found)


def _key(request: Request) -> Key:
    return request.namespace, request.name


def _names(keys: Iterable[Key]) -> str:
    return ", ".join("/".join(key) for key in keys) or "none"


def _decision_violations(request: Request, decision: Decision) -> Iterable[str]:
    """The plan is right by itself; where there is none, what was short is said and what would help."""
    plan = decision.plan
    if plan is not None:
        gates = tuple(gate for gate in decision.gates if gate.name not in CEILING_GATES)
        yield from (verify_kept if decision.kept else verify)(request, plan, gates)
        yield from (f"gate {gate.name} is told of a plan" for gate in decision.gates if gate.name in CEILING_GATES)
        return
    if decision.report.status is SolveStatus.TIME_LIMIT:
        return
    if not decision.rejections:
        yield "there is no plan and no rejection"
    elif any(each.code in _SHORTAGES for each in decision.rejections) and not (
        decision.needs
        or decision.relaxation is not None
        or any(gate.result is GateResult.FAIL for gate in decision.gates)
    ):
        yield "there is no plan for want of stock or budget, and nothing says what would help"


def _move_violations(decision: Decision, present: Present | None) -> Iterable[str]:
    """A change of plan is told with both costs; a plan that is told to stay is the present one."""
    plan, move = decision.plan, decision.move
    usable = plan if plan is not None and plan.state is PlanState.APPROVED else None
    if move is None:
        if present is None and usable is not None:
            yield "a first plan is no move"
        if present is not None and (usable is None or usable.id != present.plan_id):
            yield f"the plan {present.plan_id} is given up without a move"
        return
    if (move.reason is MoveReason.FIRST_PLAN) is not (present is None):
        yield f"the move is for {move.reason}, the present plan is {present.plan_id if present else 'none'}"
    if present is not None:
        if move.old_plan_id != present.plan_id:
            yield f"the move is from {move.old_plan_id}, the present plan is {present.plan_id}"
        if usable is not None and usable.id == present.plan_id:
            yield f"the move is from {present.plan_id} to itself"
    yield from differs("the move's old cost", move.old_cost_per_hour, present.cost_per_hour if present else None)
    yield from differs("the move's new cost", move.new_cost_per_hour, usable.cost_per_hour if usable else None)
    if not move.message:
        yield "the move has no message"


def _assignment_violations(
    requests: Mapping[Key, Request], approved: Mapping[Key, Plan], assignments: Iterable[Assignment]
) -> Iterable[str]:
    """Each group of each copy of the approved plans on shared pools stands on one node, and nothing else does."""
    due: Counter[Group] = Counter()
    for key, plan in approved.items():
        shared = {pool.name for pool in requests[key].pools if pool.shared}
        due.update(
            (*key, index, copy, number, stage.pool, stage.tensor_parallel)
            for index, entry in enumerate(plan.replicas)
            for copy in range(entry.count)
            for number, stage in enumerate(entry.layout.stages)
            if stage.pool in shared
        )
    have = Counter(
        (each.namespace, each.name, each.entry, each.copy, each.stage, each.pool, each.gpus) for each in assignments
    )
    yield from (f"{_told(group)} has {have[group]} nodes, one is needed" for group in due if have[group] != 1)
    yield from (f"{_told(group)} has a node, no approved plan has this group" for group in have if group not in due)


def _told(group: Group) -> str:
    namespace, name, entry, copy, stage, pool, gpus = group
    return f"{namespace}/{name}: entry {entry} copy {copy} stage {stage} ({gpus} GPUs of pool {pool})"


def _node_violations(pool: Pool, approved: Mapping[Key, Plan], held: Iterable[Assignment]) -> Iterable[str]:
    """No GPU of a node twice; a node that is paid for whole is wholly free and holds one layout of one request."""
    free = pool.free_by_node
    used: Counter[int] = Counter()
    tenants: defaultdict[int, set[tuple[Key, Layout | None]]] = defaultdict(set)
    for each in held:
        used[each.node] += each.gpus
        key = (each.namespace, each.name)
        plan = approved.get(key)
        known = plan is not None and each.entry < len(plan.replicas)
        tenants[each.node].add((key, plan.replicas[each.entry].layout if plan is not None and known else None))
    for node, gpus in sorted(used.items()):
        if not 0 <= node < len(free):
            yield f"pool {pool.name} has no node {node}, it has {len(free)} nodes"
        elif gpus > free[node]:
            yield f"pool {pool.name}: {gpus} GPUs of node {node} are promised, {free[node]} are free"
        elif pool.billing is Billing.PER_NODE and free[node] != pool.gpus_per_node:
            yield f"pool {pool.name}: node {node} is paid for whole, {free[node]} of {pool.gpus_per_node} are free"
        if pool.billing is Billing.PER_NODE and len(tenants[node]) > 1:
            yield f"pool {pool.name}: node {node} is paid for whole and holds {len(tenants[node])} layouts"
    if pool.billing is Billing.PER_NODE:
        yield from _paid_violations(pool, approved, tenants)


def _paid_violations(
    pool: Pool, approved: Mapping[Key, Plan], tenants: Mapping[int, set[tuple[Key, Layout | None]]]
) -> Iterable[str]:
    """An entry stands on as many nodes as it pays for."""
    taken = Counter(tenant for inside in tenants.values() for tenant in inside)
    for key, plan in approved.items():
        for entry in plan.replicas:
            groups = [stage.tensor_parallel for stage in entry.layout.stages if stage.pool == pool.name]
            paid = nodes_needed(groups * entry.count, pool.gpus_per_node)
            nodes = taken[key, entry.layout]
            if groups and nodes and paid is not None and nodes != paid:
                yield f"{'/'.join(key)}: {entry.count} copies stand on {nodes} nodes of pool {pool.name}, paid {paid}"


def _kept_violations(decision: FleetDecision, present: Mapping[Key, Present]) -> Iterable[str]:
    """Only a plan that is there can be kept, in its shape."""
    for each in decision.decisions:
        if not each.kept:
            continue
        key = _key(each.request)
        before = present.get(key)
        if before is None or each.plan is None:
            yield f"{'/'.join(key)}: there is no plan to keep"
        elif _shape(each.plan.replicas) != _shape(before.replicas):
            yield f"{'/'.join(key)}: the plan {each.plan.id} is kept, and is not of the shape of {before.plan_id}"


def _shape(replicas: Iterable[Replicas]) -> list[tuple[str, str, int, int]]:
    return sorted(
        (repr(each.layout.stages), each.layout.precision, each.layout.max_concurrency, each.count) for each in replicas
    )


def _ceiling_violations(snapshot: Snapshot, approved: Mapping[Key, Plan], kept: frozenset[Key]) -> Iterable[str]:
    """The approved plans of a namespace, and of the fleet, keep their ceilings; what runs is not torn down for one.

    Where kept plans alone exceed a ceiling, it leaves nothing to others.
    """
    for ceiling in snapshot.ceilings:
        costs = {key: plan.cost_per_hour for key, plan in approved.items() if ceiling.namespace in {None, key[0]}}
        staying = sum(cost for key, cost in costs.items() if key in kept)
        spent = sum(costs.values())
        if exceeds(spent, max(ceiling.max_cost_per_hour, staying)):
            whose = "the fleet" if ceiling.namespace is None else f"namespace {ceiling.namespace}"
            yield (
                f"{whose} costs {text(spent)} USD/h, policy {ceiling.policy} allows {text(ceiling.max_cost_per_hour)}"
            )


def _pool_violations(snapshot: Snapshot, decision: FleetDecision) -> Iterable[str]:
    """Each shared pool is told once, with the GPUs that may be used and those that plans take."""
    names = sorted(pool.name for pool in snapshot.pools)
    told = [use.name for use in decision.pools]
    if told != names:
        yield f"the pools told are {', '.join(told) or 'none'}, they should be {', '.join(names) or 'none'}"
        return
    pools = {pool.name: pool for pool in snapshot.pools}
    used: Counter[str] = Counter()
    for each in decision.assignments:
        used[each.pool] += each.gpus
    for use in decision.pools:
        pool = pools[use.name]
        if use.capacity != sum(pool.free_by_node):
            yield f"pool {use.name}: the capacity is {use.capacity}, recomputed {sum(pool.free_by_node)}"
        if use.used != used[use.name]:
            yield f"pool {use.name}: {use.used} GPUs are used, recomputed {used[use.name]}"


def _report_violations(decision: FleetDecision, approved: Mapping[Key, Plan]) -> Iterable[str]:
    """The sums are those of the approved plans, the bound is none above them, and optimal means without a gap."""
    report = decision.report
    cost = sum(plan.cost_per_hour for plan in approved.values())
    yield from differs("the cost per hour of the fleet", report.cost_per_hour, cost)
    if exceeds(report.bound_cost_per_hour, report.cost_per_hour) or below(report.bound_cost_per_hour, 0.0):
        yield f"the bound is {text(report.bound_cost_per_hour)}, the cost {text(report.cost_per_hour)}"
    gap = (cost - report.bound_cost_per_hour) / cost * 100.0 if cost > 0 else 0.0
    if abs(report.gap_percent - gap) > 1e-6:  # a difference of nearly equal figures has few digits left
        yield f"the gap is {text(report.gap_percent)} %, recomputed {text(gap)} %"
    if report.status is SolveStatus.OPTIMAL and exceeds(gap, 1e-4):
        yield f"the status is {report.status} with a gap of {text(gap)} %"
    refused = len(decision.decisions) - len(approved)
    if (report.placed, report.refused) != (len(approved), refused):
        yield (
            f"{report.placed} requests are placed and {report.refused} refused, recomputed {len(approved)} and"
            f" {refused}"
        )
