"""The decision for one request, start to end. It reads as the specification.

candidates -> solve (objective, SLOs and gates as constraints) -> verify -> gates -> explain -> Decision
"""

from collections.abc import Callable
from dataclasses import replace

from placewright.core import explain, gates, methods
from placewright.core.errors import InternalError
from placewright.core.identity import canonical, inputs_hash, plan_id
from placewright.core.model import (
    Decision,
    GateOutcome,
    Layout,
    Plan,
    PlanState,
    Progress,
    Replicas,
    Request,
    Snapshot,
)
from placewright.core.performance.choose import model_for
from placewright.core.verify import verify


def decide(
    request: Request, *, clock: Callable[[], float], on_progress: Callable[[Progress], None] | None = None
) -> Decision:
    """Decide one request.

    Args:
        request: everything the decision depends on.
        clock: monotonic seconds, for the time limit alone; it changes nothing else.
        on_progress: told about incumbent, bound and gap while a solve runs.

    Raises:
        InvalidRequestError: the request cannot be read as a problem.
        InternalError: a plan failed the independent check; it must not be shown as a plan.
    """
    if request.in_fleet:
        # A fleet of one; imported here, since most requests need no OR-Tools.
        from placewright.core.fleet.decide import decide_fleet  # noqa: PLC0415

        whole = decide_fleet(Snapshot(requests=(request,)), clock=clock, on_progress=on_progress)
        return whole.decisions[0]
    asked = canonical(request)
    model = model_for(asked)
    settings = tuple(model.settings(asked))
    outcome = methods.solve(asked, settings, clock=clock, on_progress=on_progress)
    layout = outcome.best or outcome.unblocked_best
    held = () if layout is None else gates.evaluate(asked, layout)
    plan = None if layout is None else make_plan(asked, layout, held)
    if plan is not None:
        check(asked, plan, held)
    explained = explain.explain(asked, model, settings, outcome, clock=clock)
    return Decision(
        request=request,
        inputs_hash=inputs_hash(request),
        plan=plan,
        report=replace(outcome.report, confidence=model.confidence(asked)),
        gates=held,
        alternatives=explained.alternatives,
        frontier=outcome.frontier,
        rejections=explained.rejections,
        relaxation=explained.relaxation,
        warnings=outcome.warnings,
    )


def make_plan(request: Request, layout: Layout, held: tuple[GateOutcome, ...]) -> Plan:
    """One replica of the layout, approved unless a gate blocks it."""
    state = PlanState.BLOCKED if gates.blocks(request, held) else PlanState.APPROVED
    replicas = (Replicas(layout=layout),)
    return Plan(id=plan_id(replicas, state), state=state, replicas=replicas)


def check(request: Request, plan: Plan, held: tuple[GateOutcome, ...]) -> None:
    """Raise InternalError when the independent checker finds a fault in the plan."""
    violations = verify(request, plan, held)
    if violations:
        raise InternalError(f"plan {plan.id} failed the independent check and is withheld: " + "; ".join(violations))
