"""What is to run of a request: from its stored status and from what follows of its idling. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from placewright.core.model import Goal, MoveReason, PlanState, RampPhase, Unit
from placewright.core.rollout import lowered

Json = Mapping[str, Any]

_GONE: Final = frozenset({str(MoveReason.PREEMPTED), str(MoveReason.STOCK_GONE)})
_RAMPING: Final = frozenset(map(str, (RampPhase.PROGRESSING, RampPhase.HOLDING, RampPhase.PAUSED)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a status wants to run, as it stands.

    Attributes:
        plan: the approved plan; None: there is none, so what runs stays.
        before: the plan that shares the traffic while a ramp runs; None: no ramp runs.
        percent: of the traffic that the plan may have.
        emptied: the plan went because its GPUs did, or were given to others: nothing is to run.
    """

    plan: Json | None = None
    before: Json | None = None
    percent: float = 100.0
    emptied: bool = False


def stored_of(status: Json) -> Stored:
    """What a stored status wants to run.

    Args:
        status: of the request; empty: none was written yet.
    """
    plan = status.get("plan") or {}
    if not plan.get("id") or plan.get("state", PlanState.APPROVED.value) != PlanState.APPROVED:
        newest: Json = (status.get("history") or [{}])[0]
        return Stored(emptied=not plan and newest.get("reason") in _GONE)
    ramp = status.get("ramp") or {}
    if ramp.get("planId") == plan["id"] and ramp.get("phase") in _RAMPING:
        return Stored(plan=plan, before=ramp.get("previousPlan"), percent=float(ramp.get("percent") or 0.0))
    return Stored(plan=plan)


def goal_of(
    stored: Stored,
    units: tuple[Unit, ...],
    *,
    before: tuple[Unit, ...] = (),
    target: int | None = None,
    routed: bool = False,
) -> Goal:
    """What is to run.

    Args:
        stored: what the status wants.
        units: of its plan.
        before: of the plan before, while a ramp runs.
        target: replicas of a request that is reaped or being reaped, those with the most traffic first; None: all of
            its plan.
        routed: whether a route shares the traffic by weight.
    """
    plan_id = "" if stored.plan is None else str(stored.plan["id"])
    if target is not None:
        units, before = lowered(units, target), lowered(before, 0)
    return Goal(
        plan_id=plan_id,
        units=units,
        before=before,
        percent=stored.percent if before else 100.0,
        routed=routed,
    )


def replicas_of(units: tuple[Unit, ...]) -> int:
    """Replicas of the whole plan."""
    return sum(unit.replicas for unit in units)


def cost_per_hour(stored: Stored) -> float:
    """USD per hour of the plan; 0 without one."""
    return 0.0 if stored.plan is None else float(stored.plan.get("costPerHour") or 0.0)


def floor_cost_per_hour(stored: Stored, replicas: int) -> float:
    """USD per hour of so many replicas of the plan, those with the most traffic first.

    Args:
        stored: with a plan, or without: then they cost nothing.
        replicas: that stay.
    """
    layouts = sorted((stored.plan or {}).get("layouts") or (), key=lambda each: -float(each.get("weight") or 0.0))
    left, cost = replicas, 0.0
    for layout in layouts:
        kept = min(left, int(layout.get("replicas") or 0))
        cost += kept * float(layout.get("costPerHour") or 0.0)
        left -= kept
    return cost
