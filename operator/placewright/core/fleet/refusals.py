"""Why a request gets no plan in a fleet, and what would change that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from placewright.core import explain, figures, gates, methods
from placewright.core.fleet.alone import Taken, best_within, cost_of_taken, pools_of
from placewright.core.fleet.asks import Case, classes_of, copies_alone
from placewright.core.fleet.plans import held_of, make_plan, make_replicas
from placewright.core.fleet.rows import Rows, cost_of
from placewright.core.model import (
    Ceiling,
    GateOutcome,
    GateResult,
    Plan,
    Rejection,
    RejectionCode,
    Relaxation,
    ReplicaBounds,
    Request,
    SolveStatus,
    TrafficClass,
    Workload,
)
from placewright.core.outcome import Watch
from placewright.core.performance.choose import model_for

_NO_NODES = "no number of nodes of one pool would do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What goes in the place of an approved plan."""

    status: SolveStatus
    plan: Plan | None = None  # blocked by a gate
    gates: tuple[GateOutcome, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    relaxation: Relaxation | None = None
    needs: str = ""


# ------------------------------------------------------------------------------------------ nothing can serve it


def unservable(case: Case, clock: Callable[[], float], watch: Watch) -> Refusal:
    """No layout serves some class, whatever the stock; explained as the class alone would be.

    Args:
        case: that nothing serves.
        clock: monotonic seconds.
        watch: when it is out of time, no change that would help is looked for.
    """
    request = case.request
    for at, each in enumerate(classes_of(request)):
        if any(candidate.rates[at] > 0 for candidate in case.candidates):
            continue
        limit = min(request.solver.time_limit_seconds, watch.left())
        alone = _of_class(replace(request, solver=replace(request.solver, time_limit_seconds=limit)), each)
        model = model_for(alone)
        settings = tuple(model.settings(alone))
        outcome = methods.solve(alone, settings, clock=clock)
        explained = explain.explain(alone, model, settings, outcome, clock=clock)
        told = explained.rejections or (_no_cover(request),)
        named = tuple(replace(entry, message=_of(each, entry.message)) for entry in told)
        stock = any(entry.code is RejectionCode.INSUFFICIENT_STOCK for entry in named)
        return Refusal(
            status=SolveStatus.INFEASIBLE,
            rejections=named,
            relaxation=explained.relaxation,
            needs=_unhelped(watch) if stock and explained.relaxation is None else "",
        )
    return Refusal(status=SolveStatus.INFEASIBLE, rejections=(_too_few_replicas(request),), needs=_more(request))


def _unhelped(watch: Watch) -> str:
    return "what would help was not found within the time limit" if watch.out_of_time() else _NO_NODES


def _of_class(request: Request, each: TrafficClass) -> Request:
    """One replica for one class, with nodes enough."""
    load = request.workload
    pools = tuple(
        replace(pool, shared=False, rooms=None, nodes=max(pool.nodes, request.parallelism.max_pipeline))
        for pool in request.pools
    )
    return replace(
        request,
        workload=Workload(
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            token_basis=load.token_basis,
            concurrency=load.concurrency,
        ),
        slo=each.slo or request.slo,
        pools=pools,
        replicas=ReplicaBounds(),
    )


def _of(each: TrafficClass, message: str) -> str:
    return f"class {each.name}: {message}" if each.name else message


def _no_cover(request: Request) -> Rejection:
    names = ", ".join(pool.name for pool in request.pools)
    return Rejection(
        code=RejectionCode.THROUGHPUT_SHORT, count=1, pool="", message=f"no layout on {names} serves the request"
    )


def _too_few_replicas(request: Request) -> Rejection:
    demand = figures.number(request.workload.requests_per_second)
    message = f"no layouts carry {demand} requests/s with replicas.max {request.replicas.max}"
    return Rejection(code=RejectionCode.THROUGHPUT_SHORT, count=1, pool="", message=message)


def _more(request: Request) -> str:
    return f"more replicas than replicas.max {request.replicas.max}, or less demand"


# ------------------------------------------------------------------------------------------ a gate forbids it


def blocked(case: Case, free: Case, rows: Rows, refusal_value: float) -> Refusal | None:
    """The best plan without the gates on cost, blocked; None: the stock does not hold that either.

    Args:
        case: as asked.
        free: the same without its gates on cost.
        rows: of the fleet, all of whose stock may be used: a blocked plan takes none.
        refusal_value: more than any plan costs.
    """
    taken = best_within(free, rows, _without_ceilings(rows), refusal_value)
    if taken is None:
        return None
    replicas = make_replicas(free, held_of(taken))
    if replicas is None:
        return None
    outcomes = gates.evaluate_replicas(case.request, replicas)
    plan = make_plan(case, replicas, blocked=True)
    return Refusal(
        status=SolveStatus.OPTIMAL,
        plan=plan,
        gates=outcomes,
        rejections=tuple(_by_gate(outcome) for outcome in outcomes if outcome.result is GateResult.FAIL),
        relaxation=_relaxed(case.request, outcomes),
    )


def _by_gate(outcome: GateOutcome) -> Rejection:
    code, show = _OF_GATE[outcome.name]
    message = f"the cheapest plan costs {show(outcome.actual or 0.0)}, the limit is {show(outcome.limit)}"
    return Rejection(code=code, count=1, pool="", message=message)


_OF_GATE: Mapping[str, tuple[RejectionCode, Callable[[float], str]]] = {
    gates.COST_PER_MILLION_TOKENS: (RejectionCode.COST_PER_TOKEN_GATE, figures.per_million),
    gates.COST_PER_HOUR: (RejectionCode.HOURLY_BUDGET_GATE, figures.per_hour),
    gates.COST_TO_REVENUE_RATIO: (RejectionCode.REVENUE_RATIO_GATE, figures.share),
    gates.QUANTIZATION_DRIFT: (RejectionCode.DRIFT_GATE, figures.percent),
}


def _relaxed(request: Request, outcomes: Sequence[GateOutcome]) -> Relaxation | None:
    """The limits on cost raised to what the cheapest plan costs."""
    changed, fields = request.gates, []
    for outcome in outcomes:
        if outcome.result is not GateResult.FAIL or outcome.actual is None:
            continue
        needed = figures.rounded_up(outcome.actual * (1 + 1e-9), above=outcome.limit)
        if outcome.name == gates.COST_PER_MILLION_TOKENS:
            changed = replace(changed, max_cost_per_million_tokens=needed)
            fields.append(("gates.maxCostPerMillionTokens", outcome.limit, needed))
        elif outcome.name == gates.COST_PER_HOUR:
            changed = replace(changed, max_cost_per_hour=needed)
            fields.append(("gates.maxCostPerHour", outcome.limit, needed))
        elif outcome.name == gates.COST_TO_REVENUE_RATIO:
            changed = replace(changed, max_cost_to_revenue_ratio=needed)
            fields.append(("gates.maxCostToRevenueRatio", outcome.limit, needed))
    if not fields:
        return None
    told = " and ".join(
        f"{name} {figures.number(needed, 6)} (now {figures.number(now, 6)})" for name, now, needed in fields
    )
    return Relaxation(
        field=", ".join(name for name, _, _ in fields),
        current=", ".join(figures.number(now, 6) for _, now, _ in fields),
        needed=", ".join(figures.number(needed, 6) for _, _, needed in fields),
        message=f"feasible with {told}",
        request=replace(request, gates=changed),
        size=max((needed - now) / max(abs(now), 1e-9) for _, now, needed in fields),
    )


# ------------------------------------------------------------------------------------------ stock or a ceiling is short


def short(case: Case, rows: Rows, left: Sequence[float], refusal_value: float, spent: Sequence[float]) -> Refusal:
    """The others leave too little: of which pool, and how many nodes more would do; or of which ceiling.

    Args:
        case: that got nothing.
        rows: of the fleet.
        left: of each row.
        refusal_value: more than any plan costs.
        spent: of each row, for the ceilings' figures.
    """
    ceilings = {row for _, row in rows.ceilings}
    open_left = [float("inf") if row in ceilings else amount for row, amount in enumerate(left)]
    taken = best_within(case, rows, _finite(open_left), refusal_value)
    if taken is not None:
        return _over_ceiling(case, rows, left, spent, taken)
    wanted = best_within(case, rows, None, refusal_value)
    names = pools_of(wanted) if wanted is not None else tuple(sorted(case.pools))
    free = ", ".join(f"{name}: {_free(case, rows, left, name)}" for name in names)
    told = Rejection(
        code=RejectionCode.INSUFFICIENT_STOCK,
        count=1,
        pool=names[0] if len(names) == 1 else "",
        message=f"what others leave does not hold any plan that serves the request ({free})",
    )
    return Refusal(status=SolveStatus.INFEASIBLE, rejections=(told,), needs=_nodes(case, rows, left))


def _free(case: Case, rows: Rows, left: Sequence[float], name: str) -> str:
    key = case.keys[name]
    if key in rows.nodes:
        return f"{int(left[rows.nodes[key]])} nodes free"
    places = rows.places[key]
    if not places:
        return "no GPUs free"
    size, row = places[-1]
    count = int(left[row])
    return f"{count} GPUs free" if size == 1 else f"room for {count} groups of {size} GPUs"


def _nodes(case: Case, rows: Rows, left: Sequence[float]) -> str:
    """The fewest more nodes of one pool with which one layout would do, at the least cost of equals."""
    found: list[tuple[int, float, str]] = []
    for candidate in case.candidates:
        names = {name for name, _, _ in candidate.groups}
        copies = copies_alone(case, candidate.rates)
        if len(names) > 1 or not copies:
            continue
        name = names.pop()
        cost = cost_of(case.pools, candidate.groups, copies)
        if not case.pools[name].shared or cost > case.max_cost_per_hour:
            continue
        key = case.keys[name]
        added = rows.of_node(key)
        own = {row for _, row in rows.places.get(key, ())} | ({rows.nodes[key]} if key in rows.nodes else set())
        uses = rows.uses(case.request.namespace, case.keys, candidate.groups, copies, cost)
        short_of = [(amount - left[row], added.get(row, 0.0)) for row, amount in uses if row in own]
        if all(missing <= 0 or more > 0 for missing, more in short_of):
            nodes = max((ceil(missing / more - 1e-9) for missing, more in short_of if missing > 0), default=0)
            found.append((nodes, cost, name))
    if not found:
        return _NO_NODES
    nodes, cost, name = min(found)
    over = max((cost - left[row] for ceiling, row in rows.ceilings if _covers(ceiling, case)), default=0.0)
    budget = f", and {figures.per_hour(figures.rounded_up(over, above=0.0))} more under the ceiling" if over > 0 else ""
    return f"feasible with {nodes} more node{'s' if nodes > 1 else ''} of {name}, at {figures.per_hour(cost)}{budget}"


def _covers(ceiling: Ceiling, case: Case) -> bool:
    return ceiling.namespace in {None, case.request.namespace}


def _over_ceiling(case: Case, rows: Rows, left: Sequence[float], spent: Sequence[float], taken: Taken) -> Refusal:
    cost = cost_of_taken(taken)
    outcomes, lines = [], []
    for ceiling, row in rows.ceilings:
        if not _covers(ceiling, case) or cost <= left[row]:
            continue
        name = "FleetCostPerHour" if ceiling.namespace is None else "NamespaceCostPerHour"
        judged = gates.judge(name, ceiling.max_cost_per_hour, spent[row] + cost)
        outcomes.append(replace(judged, policy=ceiling.policy))
        whose = "the fleet" if ceiling.namespace is None else f"namespace {ceiling.namespace}"
        lines.append(
            f"with {figures.per_hour(cost)} more, {whose} would spend {figures.per_hour(spent[row] + cost)};"
            f" PlacementPolicy {ceiling.policy} allows {figures.per_hour(ceiling.max_cost_per_hour)}"
        )
    over = max((outcome.actual or 0.0) - outcome.limit for outcome in outcomes) if outcomes else cost
    told = tuple(
        Rejection(code=RejectionCode.HOURLY_BUDGET_GATE, count=1, pool="", message=line)
        for line in lines or ["the ceilings leave no room for any plan"]
    )
    return Refusal(
        status=SolveStatus.INFEASIBLE,
        gates=tuple(outcomes),
        rejections=told,
        needs=f"feasible with {figures.per_hour(figures.rounded_up(over, above=0.0))} more under the ceiling",
    )


def _without_ceilings(rows: Rows) -> list[float]:
    capacity = list(rows.capacity)
    for _, row in rows.ceilings:
        capacity[row] = 1e12
    return capacity


def _finite(capacity: Sequence[float]) -> list[float]:
    return [min(amount, 1e12) for amount in capacity]
