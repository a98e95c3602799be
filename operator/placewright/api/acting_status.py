"""What a status says of rollouts and of idling: its types, the data in them, and their two conditions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import Field

from placewright.api.annotations import MAX_WORD
from placewright.api.base import StatusPart
from placewright.api.conditions import MAX_MESSAGE as MAX_CONDITION
from placewright.api.conditions import Condition
from placewright.api.figures import cut, figure
from placewright.api.plan_status import MAX_LAYOUTS, MAX_MESSAGE, Message, Reason, Time
from placewright.core.model import IdleVerdict, RolloutPhase, RolloutStep

MAX_WORKLOADS: Final = 4 * MAX_LAYOUTS
MAX_SIGNALS: Final = 16
MAX_SUGGESTIONS: Final = 8

Data = dict[str, Any]


# ---------------------------------------------------------------------------------------------------------- types


class WorkloadState(StatusPart):
    """One workload of the request as it was seen."""

    kind: Annotated[str, Field(max_length=63)]
    """Its kind: Deployment, StatefulSet or LeaderWorkerSet."""
    name: Annotated[str, Field(max_length=253)]
    """Its name."""
    replicas: int
    """Replicas that its spec asks for."""
    ready_replicas: int
    """Replicas that are Ready."""
    traffic_percent: float | None = None
    """Its share of the request's traffic by the route, in percent; absent when no route shares the traffic."""


class RolloutStatus(StatusPart):
    """How far the plan is rolled out, in mode Apply."""

    plan_id: Annotated[str, Field(max_length=64)]
    """The plan that is rolled out."""
    phase: Literal["RolledOut", "Progressing", "Waiting", "Failed"]
    """RolledOut: all that is wanted is Ready, and nothing else runs. Progressing: something is on its way. Waiting: for
    stock, or for its turn. Failed: replicas did not get Ready in time; what ran before runs still."""
    reason: Reason
    """Why, in one word."""
    message: Message
    """The same with figures."""
    since: Time | None = None
    """When this plan's rollout began."""
    done_at: Time | None = None
    """When all of the plan was Ready first; absent before."""
    failures: int | None = None
    """How often the rollout of this plan failed in turn; absent when it did not."""
    failed_at: Time | None = None
    """When it failed last."""
    trouble: Message | None = None
    """Why it failed last."""
    workloads: Annotated[list[WorkloadState], Field(max_length=MAX_WORKLOADS)] | None = None
    """Workloads of the request, as they were seen when this was written."""


class SignalState(StatusPart):
    """What one signal says of the model's activity."""

    signal: Annotated[str, Field(max_length=63)]
    """FinishedRequests, RunningRequests, WaitingRequests, Queue, TrafficShare, GpuUtilization, Scrapes, ReplicaAge,
    ReplicasOwner or Wishes."""
    result: Literal["Idle", "Active", "Missing", "Holds"]
    """Missing: no figure, or one too old or partial, which never is idle. Holds: nothing is active, and it must not be
    reaped all the same."""
    message: Message
    """Why, with figures of the time when this was written."""


class Suggestion(StatusPart):
    """What would save money without stopping the model; nobody does it blindly."""

    action: Reason
    """What to do, in one word."""
    saves_per_hour: float
    """What that would save, in USD per hour."""
    message: Message
    """What to do, and what it costs."""


class IdleStatus(StatusPart):
    """Whether the model idles, and what is done about it."""

    state: Literal["Active", "Unknown", "Warming", "Idle", "Reaped", "Waking"]
    """Unknown: a signal is missing. Warming: a replica is younger than its grace. Idle: nothing was active for the
    whole window. Reaped: its replicas are down. Waking: they are on their way back."""
    since: Time | None = None
    """When this state began."""
    last_active: Time | None = None
    """When it was seen active last, as of the last change of state; the metrics have it to the second."""
    reap_at: Time | None = None
    """When it is reaped, unless something is active before; absent when no reap is announced."""
    reason: Reason
    """NoTraffic, TrafficSeen, SignalMissing, Warming, Reaped or Excluded."""
    message: Message
    """The same with figures."""
    signals: Annotated[list[SignalState], Field(max_length=MAX_SIGNALS)] | None = None
    """All signals that were asked."""
    replicas_before: int | None = None
    """Replicas before it was reaped; absent when it is not."""
    woken_by: Annotated[str, Field(max_length=MAX_WORD)] | None = None
    """The value of the annotation placewright.dev/wake that was obeyed last."""
    wake_began: Time | None = None
    """When the last wake began."""
    time_to_ready_seconds: float | None = None
    """How long the last wake took until all replicas were Ready; absent before."""
    avoided_cost_per_hour: float | None = None
    """USD per hour that the present reap saves; absent when it is not reaped."""
    avoided_dollars: float | None = None
    """USD that all its reaps saved until avoidedAsOf; since then avoidedCostPerHour comes on top of it."""
    avoided_as_of: Time | None = None
    """See avoidedDollars."""
    suggestions: Annotated[list[Suggestion], Field(max_length=MAX_SUGGESTIONS)] | None = None
    """What else would save money, most first."""


# ----------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadNow:
    """One workload as it is seen.

    Attributes:
        kind: of its object.
        name: of its object.
        replicas: that its spec asks for.
        ready: that are Ready.
        weight: its share of the request's traffic by the route, 0..1; None: no route shares the traffic.
    """

    kind: str
    name: str
    replicas: int
    ready: int
    weight: float | None = None


class Saving(Protocol):
    """What is suggested: an action in one CamelCase word, USD per hour that it saves, and a line on it."""

    @property
    def action(self) -> str:
        """One CamelCase word."""

    @property
    def saves_per_hour(self) -> float:
        """USD per hour."""

    @property
    def message(self) -> str:
        """One line."""


def rollout_data(step: RolloutStep, workloads: Iterable[WorkloadNow] = ()) -> Data:
    """Return status.rollout after one look.

    Args:
        step: what was decided.
        workloads: as they were seen, in the order in which they are to be told.
    """
    memory = step.memory
    return _without_none(
        {
            "planId": memory.plan_id,
            "phase": str(step.phase),
            "reason": str(step.reason),
            "message": cut(step.message, MAX_MESSAGE),
            "since": _whole(memory.since),
            "doneAt": _whole(memory.done_at),
            "failures": memory.failures or None,
            "failedAt": _exact(memory.failed_at),
            "trouble": cut(memory.trouble, MAX_MESSAGE) or None,
            "workloads": [_workload(each) for each in list(workloads)[:MAX_WORKLOADS]] or None,
        }
    )


def _workload(seen: WorkloadNow) -> Data:
    return _without_none(
        {
            "kind": seen.kind,
            "name": seen.name,
            "replicas": seen.replicas,
            "readyReplicas": seen.ready,
            "trafficPercent": None if seen.weight is None else figure(100.0 * seen.weight),
        }
    )


def idle_data(verdict: IdleVerdict, suggestions: Sequence[Saving] = ()) -> Data:
    """Return status.idle after one look.

    Args:
        verdict: what was found.
        suggestions: what else would save money, most first.
    """
    memory = verdict.memory
    reaped_once = memory.saved_at is not None
    return _without_none(
        {
            "state": str(memory.state),
            "since": _whole(memory.since),
            "lastActive": _whole(memory.last_active),
            # Never earlier than it was announced.
            "reapAt": None if memory.reap_at is None else _whole(float(math.ceil(memory.reap_at))),
            "reason": str(verdict.reason),
            "message": cut(verdict.message, MAX_MESSAGE),
            "signals": [
                {
                    "signal": str(each.signal),
                    "result": str(each.result),
                    "message": cut(each.message, MAX_MESSAGE),
                }
                for each in verdict.signals[:MAX_SIGNALS]
            ]
            or None,
            "replicasBefore": memory.replicas_before,
            "wokenBy": memory.woken_by[:MAX_WORD] or None,
            "wakeBegan": _whole(memory.wake_began),
            "timeToReadySeconds": None
            if memory.time_to_ready_seconds is None
            else figure(memory.time_to_ready_seconds),
            "avoidedCostPerHour": figure(memory.saves_per_hour) if memory.saves_per_hour else None,
            # Millionths of a dollar, not significant digits: small amounts still add up on top of a large one.
            "avoidedDollars": round(memory.saved_usd, 6) if reaped_once else None,
            "avoidedAsOf": _exact(memory.saved_at),
            "suggestions": [
                {
                    "action": str(each.action),
                    "savesPerHour": figure(each.saves_per_hour),
                    "message": cut(each.message, MAX_MESSAGE),
                }
                for each in suggestions[:MAX_SUGGESTIONS]
            ]
            or None,
        }
    )


def _without_none(data: Data) -> Data:
    return {name: value for name, value in data.items() if value is not None}


def _whole(moment: float | None) -> str | None:
    """A moment as Kubernetes writes it: UTC, whole seconds."""
    return None if moment is None else datetime.fromtimestamp(math.floor(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _exact(moment: float | None) -> str | None:
    """A moment that figures are counted from: UTC, with milliseconds."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ----------------------------------------------------------------------------------------------------- conditions


class AppliedReason(StrEnum):
    """Reasons of the condition Applied."""

    ROLLED_OUT = "RolledOut"
    PROGRESSING = "Progressing"
    WAITING = "Waiting"
    ROLLOUT_FAILED = "RolloutFailed"
    RENDER_REFUSED = "RenderRefused"
    FOREIGN_OWNER = "ForeignOwner"
    REPLICAS_OWNED = "ReplicasOwned"
    WORKLOAD_MISMATCH = "WorkloadMismatch"
    NOT_ENABLED = "NotEnabled"
    PAUSED = "Paused"
    BRAKE_ENGAGED = "BrakeEngaged"
    DENIED = "Denied"
    NOT_REQUESTED = "NotRequested"


FINAL: Final = frozenset(
    {
        AppliedReason.ROLLOUT_FAILED,
        AppliedReason.RENDER_REFUSED,
        AppliedReason.FOREIGN_OWNER,
        AppliedReason.REPLICAS_OWNED,
        AppliedReason.WORKLOAD_MISMATCH,
        AppliedReason.NOT_ENABLED,
    }
)
"""Troubles that somebody has to look at; all others pass by themselves, or were wished for."""

_OF_PHASE: Final = {
    RolloutPhase.ROLLED_OUT: AppliedReason.ROLLED_OUT,
    RolloutPhase.PROGRESSING: AppliedReason.PROGRESSING,
    RolloutPhase.WAITING: AppliedReason.WAITING,
    RolloutPhase.FAILED: AppliedReason.ROLLOUT_FAILED,
}

_IDLE_STATUS: Final[dict[str, Literal["True", "False", "Unknown"]]] = {
    "NoTraffic": "True",
    "Reaped": "True",
    "TrafficSeen": "False",
    "Warming": "False",
    "Excluded": "False",
}


def applied_condition(step: RolloutStep) -> Condition:
    """Return the condition Applied of one look at a rollout that nothing else holds back."""
    reason = _OF_PHASE[step.phase]
    done = step.phase is RolloutPhase.ROLLED_OUT
    status: Literal["True", "False"] = "True" if done else "False"
    return Condition(type="Applied", status=status, reason=str(reason), message=_short(step.message))


def not_applied(reason: AppliedReason, message: str) -> Condition:
    """Return the condition Applied of a rollout that does not go on, or is not asked for.

    Args:
        reason: why; not RolledOut.
        message: the same with what to change.
    """
    assert reason is not AppliedReason.ROLLED_OUT, "what is rolled out is applied"
    return Condition(type="Applied", status="False", reason=str(reason), message=_short(message))


def idle_condition(verdict: IdleVerdict) -> Condition:
    """Return the condition Idle of one look at a model's activity; Unknown where a signal is missing."""
    status = _IDLE_STATUS.get(verdict.reason, "Unknown")
    return Condition(type="Idle", status=status, reason=str(verdict.reason), message=_short(verdict.message))


def _short(message: str) -> str:
    return cut(message, MAX_CONDITION)
