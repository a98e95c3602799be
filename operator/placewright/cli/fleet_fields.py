"""What a fleet has to do with one request, as labelled lines."""

from placewright.cli import text
from placewright.cli.screen import Field
from placewright.core.model import Decision, FleetDecision, MoveReason, PlanState, Request, SolveStatus


def fleet_proof(decision: Decision) -> str:
    """What is proved of a request's plan: it is one of many that are cheapest together."""
    report = decision.report
    match report.status:
        case SolveStatus.OPTIMAL:
            return f"Optimal: proved, {report.proves or 'nothing is cheaper together'}"
        case SolveStatus.FEASIBLE if report.gap_percent is not None:
            gap = text.percent(report.gap_percent)
            return f"Feasible: the requests that share its pools cost together at most {gap} more than they must"
        case SolveStatus.FEASIBLE:
            return "Feasible: fits and passes, how good it is was not proved"
        case SolveStatus.TIME_LIMIT:
            limit = text.seconds(decision.request.solver.time_limit_seconds)
            return f"TimeLimit: nothing found in {limit}, a plan may exist"
        case SolveStatus.INFEASIBLE if decision.needs:
            return "Infeasible: proved, what the others leave holds no plan for it"
        case SolveStatus.INFEASIBLE:
            return "Infeasible: proved, no plan serves it"


def member_fields(decision: Decision) -> list[Field]:
    """What a fleet has to do with one request: why it moved, why it is not where it would like to be, what it needs."""
    entries = []
    if decision.move is not None and decision.move.reason is not MoveReason.FIRST_PLAN:
        entries.append(Field("move", f"{decision.move.reason}: {decision.move.message}"))
    if decision.spill is not None:
        preferred = " + ".join(decision.spill.preferred_pools)
        cost = text.per_hour(decision.spill.preferred_cost_per_hour)
        entries.append(Field("spill", f"{decision.spill.message} (with room on {preferred}: {cost})", "warn"))
    if decision.needs:
        entries.append(Field("needs", decision.needs, "warn"))
    return entries


def place_fields(decision: Decision, fleet: FleetDecision) -> list[Field]:
    """Why a plan stands where it does: how full its pools are, and who else is there."""
    takes: dict[str, int] = {}
    shared = {pool.name for pool in decision.request.pools if pool.shared}
    for use in fleet.pools:
        taken = _taken(decision, use.name)
        if use.name in shared and taken:
            takes[use.name] = taken
    entries = []
    for use in fleet.pools:
        if use.name not in shared:
            continue
        mine = takes.get(use.name, 0)
        head = f"takes {mine} of {use.capacity} GPUs" if mine else "takes none"
        full = "full" if use.used == use.capacity else f"{use.capacity - use.used} free"
        entries.append(Field(use.name, f"{head}, {full}{_neighbours(decision, fleet, use.name)}"))
    return entries


def _neighbours(decision: Decision, fleet: FleetDecision, pool: str) -> str:
    others = [
        (taken, _title(each.request))
        for each in fleet.decisions
        if each.request != decision.request and (taken := _taken(each, pool))
    ]
    if not others:
        return ""
    others.sort(key=lambda entry: (-entry[0], entry[1]))
    named = ", ".join(f"{title} {taken}" for taken, title in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"; others: {named}{more}"


def _taken(decision: Decision, pool: str) -> int:
    plan = decision.plan
    if plan is None or plan.state is PlanState.BLOCKED:
        return 0
    return sum(entry.count * entry.layout.gpus_by_pool.get(pool, 0) for entry in plan.replicas)


def _title(request: Request) -> str:
    return "/".join(part for part in (request.namespace, request.name) if part)
