"""What an object asks, and the status that answers it: pure glue between the API types and the reconciler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from placewright import catalog
from placewright.api import convert, outcome
from placewright.api.parse import parse
from placewright.api.parts import with_parts
from placewright.api.surroundings import EMPTY, Surroundings
from placewright.core.errors import InvalidRequestError
from placewright.core.identity import inputs_hash
from placewright.core.model import PlanState, Request
from placewright.handlers.cache import Json
from placewright.handlers.solver import SolveFailed, SolveOutcome
from placewright.kube.events import Transition

_WITH_PLAN = frozenset({"PlanCurrent", "GateBlocked"})
_FAILED_REASONS = frozenset({"SolverTimeout", "SolverCrashed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to solve."""

    request: Request
    inputs_hash: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A status to write.

    Attributes:
        headline: the log line's message.
        render: the new status for the newest object; None: what stands there says the same.
        final: False for the announcement of a long solve, and for a failure that is tried again.
    """

    headline: str
    render: Callable[[Json], Json | None]
    final: bool = True


def facts_of(stored: Json) -> dict[str, Any]:
    """What the log line of a written status carries besides the names."""
    status = stored.get("status", {})
    plan, solver = status.get("plan") or {}, status.get("solver") or {}
    facts = {
        "generation": stored["metadata"]["generation"],
        "reason": ready_of(stored).get("reason"),
        "plan": plan.get("id"),
        "costPerHour": plan.get("costPerHour"),
        "costPerMillionTokens": plan.get("costPerMillionTokens"),
        "solveSeconds": solver.get("durationSeconds"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def judge(resource: Json, *, surroundings: Surroundings = EMPTY, trust: bool = True) -> Judgement | Question | None:
    """What to do about an object that is planned alone: write a status, solve it first, or nothing (None).

    Args:
        resource: as stored.
        surroundings: policies and profiles that it is read with.
        trust: a status that names exactly these inputs is taken as our own; False when somebody else has been at it.
    """
    generation = int(resource["metadata"]["generation"])
    if resource["spec"].get("suspend"):
        return Judgement(
            headline="suspended",
            render=_unless_same(
                lambda previous: outcome.status_for_suspended(generation=generation, now=_now(), previous=previous)
            ),
        )
    try:
        request = convert.to_request(parse(resource), surroundings)
    except InvalidRequestError as error:
        refused = error
        return Judgement(
            headline="refused",
            render=_unless_same(
                lambda previous: outcome.status_for_invalid(
                    refused, generation=generation, now=_now(), previous=previous
                )
            ),
        )
    asked = inputs_hash(request)
    if trust and _is_current(resource, generation, asked):
        return None
    return Question(request=request, inputs_hash=asked, generation=generation)


def judge_solving(question: Question) -> Judgement:
    """The status that announces a long solve; the last plan stays."""
    return Judgement(
        headline="solving",
        render=lambda newest: _with_parts(
            newest,
            outcome.status_for_solving(generation=question.generation, now=_now(), previous=newest.get("status")),
        ),
        final=False,
    )


def blocks_plan(solved: SolveOutcome, resource: Json) -> bool:
    """Whether gates block all that the request could have, while it has a plan that may be used."""
    if isinstance(solved, SolveFailed):
        return False
    plan = solved.decision.plan
    held = (resource.get("status") or {}).get("plan") or {}
    return plan is not None and plan.state is PlanState.BLOCKED and held.get("state") == PlanState.APPROVED


def judge_outcome(question: Question, solved: SolveOutcome) -> Judgement:
    """The status of a solve that ended, whichever way."""
    if isinstance(solved, SolveFailed):
        return Judgement(
            headline="not solved",
            render=_unless_same(
                lambda previous: outcome.status_for_failed_solve(
                    solved.reason,
                    solved.message,
                    inputs_hash=question.inputs_hash,
                    generation=question.generation,
                    now=_now(),
                    previous=previous,
                )
            ),
            final=not solved.transient,
        )
    # The solve may have been for another request with the same inputs; only the name differs.
    decision = replace(solved.decision, request=question.request)
    return Judgement(
        headline="decided",
        render=_unless_same(
            lambda previous: outcome.to_status(
                decision,
                generation=question.generation,
                decided_at=_now(),
                duration_seconds=solved.seconds,
                previous=previous,
            )
        ),
    )


def ready_of(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Ready condition; empty when there is none."""
    conditions = (resource.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == "Ready"), {})


def transition_of(before: Json, after: Json) -> Transition | None:
    """The Event that a change of state deserves; None when Ready and the plan are what they were."""
    old, new = ready_of(before), ready_of(after)
    if _state(before, old) == _state(after, new):
        return None
    metadata = after["metadata"]
    return Transition(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        warning=new.get("status") != "True" and new.get("reason") != "Suspended",
        reason=str(new.get("reason", "")),
        message=str(new.get("message", "")),
    )


def _state(resource: Json, ready: Mapping[str, Any]) -> tuple[Any, ...]:
    plan = (resource.get("status") or {}).get("plan") or {}
    return ready.get("status"), ready.get("reason"), plan.get("id")


def _is_current(resource: Json, generation: int, asked: str) -> bool:
    """Whether the status already answers exactly this: same generation, same inputs, a decision."""
    status = resource.get("status") or {}
    inputs = status.get("inputs") or {}
    ready = ready_of(resource)
    return (
        status.get("observedGeneration") == generation
        and inputs.get("hash") == asked
        and inputs.get("catalogVersion") == catalog.catalog_version()
        and ready.get("status") in {"True", "False"}  # Unknown: a long solve was announced and not ended
        and ready.get("reason") != "Suspended"
        and ("plan" in status or ready.get("reason") not in _WITH_PLAN)
        and not _failed(status, ready)
    )


def _failed(status: Mapping[str, Any], ready: Mapping[str, Any]) -> bool:
    """Whether the last solve ended without any answer: that is tried again once by each new process."""
    return ready.get("reason") in _FAILED_REASONS and "solver" not in status


def _unless_same(make: Callable[[Json | None], Json]) -> Callable[[Json], Json | None]:
    def render(newest: Json) -> Json | None:
        previous = newest.get("status") or None
        status = _with_parts(newest, make(previous))
        decided_before = previous is not None and "conditions" in previous
        return None if decided_before and outcome.same_decision(previous, status) else status

    return render


def _with_parts(newest: Json, status: Json) -> Json:
    """The status with what stands of the work on its workloads."""
    return with_parts(status, newest.get("status") or None, spec=newest["spec"], now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
