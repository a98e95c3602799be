"""What the status of a member of the fleet is to say: a decision, or why there is none."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from placewright.api import outcome
from placewright.api.conditions import Condition, not_ready, rendered
from placewright.api.live import NOTHING_LIVE, LiveStatus
from placewright.api.parts import with_parts
from placewright.api.surroundings import DemandUnavailableError, NoPoolsError, Surroundings
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Decision, MoveReason
from placewright.handlers.bands import plain
from placewright.handlers.cache import Json
from placewright.handlers.ledger import NOTHING, Holding, holding_of_plan
from placewright.handlers.members import Member
from placewright.handlers.solver import SolveFailed

Status = dict[str, Any]
Make = Callable[[Status | None], Status]

# What nothing but the status remembers, also while there is no plan.
_MEMORY = ("history", "inputs", "demand", "ramp")
# What explains a plan, and changes with every change of a neighbour although the plan does not.
_EXPLANATIONS = frozenset({"alternatives", "frontier", "rejections"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the status of one member is to say.

    Attributes:
        generation: of the spec that it answers.
        holding: what the plan in it takes; None: what stands there stays, whatever it is.
        told: equal answers say the same; the status need not be looked at again.
        headline: the log line's message.
        render: the new status for the newest object; None: what stands there says the same.
        brief: its explanations are gone, so it cannot be written, only compared by `told`.
        move: why the plan in it is another than before.
    """

    generation: int
    holding: Holding | None
    told: Hashable
    headline: str
    render: Callable[[Json], Json | None]
    brief: bool = False
    move: MoveReason | None = None


def told_of(decision: Decision, member: Member, live: object = None) -> Hashable:
    """What a decision says, for comparing: also brief decisions have all of it.

    Args:
        decision: of the member's request, with its gates as they are to be told.
        member: as it was when the snapshot was made.
        live: what is told beside it of live figures and the ramp.
    """
    plan, relaxation, blocked = decision.plan, decision.relaxation, decision.blocked
    return (
        member.generation,
        decision.inputs_hash,
        None if plan is None else (plan.id, str(plan.state)),
        plain(decision.gates),
        decision.kept,
        None if blocked is None else blocked.id,
        plain(decision.blocked_gates),
        live,
        decision.needs,
        decision.spill,
        decision.warnings,
        None if plan is not None else (decision.rejections, relaxation and relaxation.message),
    )


def of_decision(
    decision: Decision,
    member: Member,
    *,
    seconds: float,
    surroundings: Surroundings,
    brief: bool = False,
    live: LiveStatus = NOTHING_LIVE,
    told: Hashable = None,
) -> Answer:
    """The answer that a decision is.

    Args:
        decision: of the member's request.
        member: as it was when the snapshot was made.
        seconds: how long the solve took.
        surroundings: what the request was read with.
        brief: whether the decision's explanations were given back.
        live: what the status shows of live figures and the ramp.
        told: of `told_of`; None: that of the decision alone.
    """
    request = member.request
    assert request is not None, "only what was read is decided"
    decided = replace(decision, request=request)
    shared = frozenset(pool.name for pool in request.pools if pool.shared)

    def make(previous: Status | None) -> Status:
        return outcome.to_status(
            decided,
            generation=member.generation,
            decided_at=_now(),
            duration_seconds=seconds,
            previous=previous,
            surroundings=surroundings,
            live=live,
        )

    return Answer(
        generation=member.generation,
        holding=holding_of_plan(decision.plan, shared),
        told=told_of(decision, member) if told is None else told,
        headline="decided",
        render=_unless_same(make),
        brief=brief,
        move=None if decision.move is None else decision.move.reason,
    )


def of_fault(fault: InvalidRequestError, member: Member) -> Answer:
    """The user must fix the request, or a pool must come; until then there is no plan."""
    if isinstance(fault, DemandUnavailableError):
        return _of_unread_demand(fault, member)
    status_for = outcome.status_for_waiting if isinstance(fault, NoPoolsError) else outcome.status_for_invalid
    return Answer(
        generation=member.generation,
        holding=NOTHING,
        told=(member.generation, str(fault)),
        headline="refused",
        render=_unless_same(
            lambda previous: status_for(fault, generation=member.generation, now=_now(), previous=previous)
        ),
    )


def _of_unread_demand(fault: DemandUnavailableError, member: Member) -> Answer:
    """Nobody has read the demand yet. A plan that there is stays: nothing says that it is wrong."""
    return Answer(
        generation=member.generation,
        holding=None,
        told=(member.generation, str(fault)),
        headline="waiting",
        render=_unless_same(
            lambda previous: outcome.status_for_unread_demand(
                fault, generation=member.generation, now=_now(), previous=previous
            )
        ),
    )


def of_failure(failed: SolveFailed, member: Member) -> Answer:
    """The solve ended without an answer. The plan that the request has stays: nothing says that it is wrong."""
    return Answer(
        generation=member.generation,
        holding=None,
        told=(member.generation, failed.reason, failed.message),
        headline="not solved",
        render=_unless_same(
            _keeping(
                member,
                [
                    *not_ready(failed.reason, failed.message),
                    Condition(type="Feasible", status="Unknown", reason=failed.reason, message=failed.message),
                ],
            )
        ),
    )


def of_blindness(fault: str, member: Member) -> Answer:
    """Nobody can see what the request is planned from. The plan that it has stays."""
    message = f"planning waits until this can be read: {fault}"
    reason = "NodesUnreadable" if fault.startswith(("nodes", "pods")) else "PoolsUnreadable"

    def make(previous: Status | None) -> Status:
        head = [Condition(type="InputsFresh", status="False", reason=reason, message=message)]
        if not (previous or {}).get("plan"):
            head.insert(0, Condition(type="Ready", status="False", reason="InputsStale", message=message))
        return _keeping(member, head)(previous)

    return Answer(
        generation=member.generation,
        holding=None,
        told=(member.generation, message),
        headline="waiting",
        render=_unless_same(make),
    )


def moving(member: Member) -> Answer:
    """No plan for a moment: others take its GPUs, and it takes theirs."""
    message = "another plan is about to be written, once the GPUs that it takes are given back"

    def render(newest: Json) -> Json | None:
        status = newest.get("status") or {}
        kept = {name: status[name] for name in _MEMORY if name in status}
        head = [
            Condition(type="Ready", status="Unknown", reason="Moving", message=message),
            Condition(type="Reconciling", status="True", reason="Moving", message=message),
        ]
        now = _now()
        conditions = rendered(head, generation=member.generation, now=now, previous=newest.get("status"))
        told = {**kept, "observedGeneration": member.generation, "conditions": conditions}
        return with_parts(told, newest.get("status"), spec=newest["spec"], now=now)

    return Answer(generation=member.generation, holding=NOTHING, told=("Moving",), headline="moving", render=render)


def _keeping(member: Member, head: list[Condition]) -> Make:
    """The status with other conditions at its head, and all else as it is."""

    def make(previous: Status | None) -> Status:
        kept = dict(previous or {})
        told = {condition.type for condition in head}
        passing = {"Reconciling", "Stalled"} | told
        conditions = rendered(head, generation=member.generation, now=_now(), previous=previous)
        rest = [entry for entry in kept.get("conditions") or () if entry["type"] not in passing]
        return {**kept, "observedGeneration": member.generation, "conditions": [*conditions, *rest]}

    return make


def _unless_same(make: Make) -> Callable[[Json], Json | None]:
    def render(newest: Json) -> Json | None:
        previous = newest.get("status") or None
        status = with_parts(make(previous), previous, spec=newest["spec"], now=_now())
        written_before = previous is not None and "conditions" in previous
        return None if written_before and _same(previous or {}, status) else status

    return render


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two statuses give the same answer; how well it is proved may differ."""
    return outcome.same_decision(_plain(old), _plain(new))


def _plain(status: Mapping[str, Any]) -> Status:
    if not status.get("plan"):
        return dict(status)
    kept = {name: value for name, value in status.items() if name not in _EXPLANATIONS}
    conditions = [
        {**entry, "message": "", "reason": ""} if entry["type"] == "Feasible" and entry["status"] == "True" else entry
        for entry in status.get("conditions") or ()
    ]
    return {**kept, "solver": {"status": "same"}, "conditions": conditions}


def _now() -> datetime:
    return datetime.now(UTC)
