"""The decision for one request, start to end. It reads as the specification.

candidates -> solve (objective, SLOs and gates as constraints) -> verify -> gates -> explain -> Decision
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from enum import Enum
from hashlib import sha256

from placewright import __version__
from placewright.core import explain, gates, methods
from placewright.core.errors import InternalError
from placewright.core.model import (
    Decision,
    GateOutcome,
    Layout,
    Measured,
    Plan,
    PlanState,
    Progress,
    Replicas,
    Request,
)
from placewright.core.performance.choose import model_for
from placewright.core.verify import verify

_PLAN_ID_DIGITS = 10


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
    asked = canonical(request)
    model = model_for(asked)
    settings = tuple(model.settings(asked))
    outcome = methods.solve(asked, settings, clock=clock, on_progress=on_progress)
    layout = outcome.best or outcome.unblocked_best
    held = () if layout is None else gates.evaluate(asked, layout)
    plan = None if layout is None else make_plan(asked, layout, held)
    if plan is not None:
        _check(asked, plan, held)
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


def _check(request: Request, plan: Plan, held: tuple[GateOutcome, ...]) -> None:
    violations = verify(request, plan, held)
    if violations:
        raise InternalError(f"plan {plan.id} failed the independent check and is withheld: " + "; ".join(violations))


def canonical(request: Request) -> Request:
    """The same request with its unordered parts in one order, so that the order of inputs does not matter."""
    performance = request.performance
    if isinstance(performance, Measured):
        performance = replace(performance, rows=tuple(sorted(performance.rows, key=repr)))
    return replace(
        request,
        pools=tuple(sorted(request.pools, key=lambda pool: pool.name)),
        precisions=tuple(sorted(request.precisions, key=lambda precision: precision.name)),
        parallelism=replace(request.parallelism, tensor=tuple(sorted(set(request.parallelism.tensor)))),
        performance=performance,
    )


def inputs_hash(request: Request) -> str:
    """Hash of all that the decision depends on: the request without its name, and this version of the planner."""
    asked = asdict(canonical(request))
    asked.pop("name")
    asked.pop("namespace")
    return _digest({"version": __version__, "request": asked, "model": type(request.performance).__name__})[:16]


def plan_id(replicas: tuple[Replicas, ...], state: PlanState) -> str:
    """Name of a decision: a hash of the layouts, their figures, and whether they may be used."""
    return "p-" + _digest({"replicas": [asdict(entry) for entry in replicas], "state": state})[:_PLAN_ID_DIGITS]


def _digest(value: object) -> str:
    return sha256(json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: object) -> object:
    """Values as JSON; floats to twelve digits, so that the last bits of a sum do not make another plan."""
    match value:
        case Enum():
            return value.value
        case float():
            return f"{value:.12g}"
        case dict():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
    return value
