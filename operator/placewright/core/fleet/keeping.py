"""Plans that stay although nothing better may take their place: nothing that runs is torn down because a gate fails.

A request keeps its present plan, as long as the nodes have room for it, when somebody went back to it (`held`), when
its gates block everything else, when a ceiling leaves nothing else, or when its demand grew beyond what may be had.
"""

from collections.abc import Mapping
from dataclasses import replace

from placewright.core import gates
from placewright.core.fleet.asks import Case, bare_case
from placewright.core.fleet.candidates import candidate_of
from placewright.core.fleet.outcome import with_move
from placewright.core.fleet.packing import fits as has_room
from placewright.core.fleet.plans import Held, make_plan, make_replicas
from placewright.core.fleet.rows import Rows
from placewright.core.fleet.standing import Standing, usage_of
from placewright.core.model import Decision, Gates, MoveReason, PlanState, Pool, Present, Request, Slo

# Why a present plan may be broken and yet stay when there is nothing else.
_SPARED = frozenset({MoveReason.GATE_FAILS, MoveReason.DEMAND_CHANGED})
_SLACK = 1e-9


def bare(request: Request) -> Request:
    """The request without what may be missed by a plan that is kept: limits on money and quality, latency targets."""
    load = request.workload
    classes = tuple(replace(each, slo=None) for each in load.classes)
    return replace(request, gates=Gates(), slo=Slo(), workload=replace(load, classes=classes))


def physical(case: Case, present: Present) -> Held | None:
    """The layouts of a present plan with today's figures; None: the request cannot run them any more at all."""
    asked = bare(case.request)
    found = []
    for entry in present.replicas:
        layout = entry.layout
        candidate = candidate_of(asked, layout.stages, layout.precision, layout.max_concurrency)
        if candidate is None:
            return None
        found.append((candidate, entry.count))
    held = tuple(found)
    return held if held and make_replicas(case, held) is not None else None


def is_spared(standing: Standing | None) -> bool:
    """Whether a present plan that gave way, and got nothing else, is to be kept after all."""
    return standing is not None and (standing.broken is None or standing.broken in _SPARED)


def fits(case: Case, held: Held, rows: Rows, left: Mapping[int, float], *, money: bool = False) -> bool:
    """Whether the stock has room for the layouts; ceilings count only with `money`, as it is being spent already."""
    ceilings = {row for _, row in rows.ceilings}
    return all(
        amount <= left[row] * (1 + _SLACK) + _SLACK
        for row, amount in usage_of(case, held, rows).items()
        if money or row not in ceilings
    )


def take(rows: Rows, cases: Mapping[str, Case], kept: Mapping[str, Held]) -> Rows:
    """The rows without what kept plans use."""
    left = list(rows.capacity)
    for key, held in kept.items():
        for row, amount in usage_of(cases[key], held, rows).items():
            left[row] = max(0.0, left[row] - amount)
    return replace(rows, capacity=tuple(left))


def keep_alone(request: Request, decision: Decision, present: Present | None) -> Decision:
    """The decision of a request that shares nothing, with its present plan kept where gates block all others.

    Args:
        request: canonical.
        decision: what it would be told otherwise.
        present: its plan; None: it has none.
    """
    blocked = decision.plan is not None and decision.plan.state is PlanState.BLOCKED
    if present is None or not (blocked or present.held):
        return with_move(decision, present, None)
    case = bare_case(request)
    held = physical(case, present)
    if held is None or not all(_has_room(pool, held) for pool in request.pools):
        return with_move(decision, present, None)
    return kept_decision(case, decision if blocked else replace(decision, plan=None, gates=()), held, present)


def _has_room(pool: Pool, held: Held) -> bool:
    entries = [
        [(size, count * copies) for name, size, count in candidate.groups if name == pool.name]
        for candidate, copies in held
    ]
    return has_room(pool, [groups for groups in entries if groups])


def kept_decision(case: Case, base: Decision, held: Held, present: Present) -> Decision:
    """The decision of a request that keeps its present plan.

    Args:
        case: of the request.
        base: what it would be told otherwise: a blocked plan, or why there is none.
        held: the layouts of its present plan.
        present: that plan.
    """
    replicas = make_replicas(case, held)
    assert replicas is not None, "only what can be run is kept"
    plan = make_plan(case, replicas, blocked=False)
    decision = replace(
        base,
        plan=plan,
        kept=True,
        gates=gates.evaluate_replicas(case.request, replicas),
        blocked=base.plan,
        blocked_gates=base.gates,
        move=None,
        spill=None,
    )
    return with_move(decision, present, None)
