"""From a Decision to the status of a PlacementRequest, exactly as api.md section 2 has it.

Everything is plain data for the API server and for `-o json`. Equal decisions give equal statuses except for
`decidedAt`, `durationSeconds`, transition times and the age of inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from placewright import catalog
from placewright.api import conditions, history
from placewright.api.base import API_VERSION
from placewright.api.figures import cut
from placewright.api.fleet_data import PlanItem, fleet_data
from placewright.api.live import NOTHING_LIVE, InputFault, LiveInput, LiveStatus
from placewright.api.live_data import blocked_data, gate_data, inputs_data, live_data
from placewright.api.parts import carried
from placewright.api.plan_data import (
    alternative_data,
    frontier_data,
    plan_data,
    rejection_data,
    solver_data,
    without_none,
)
from placewright.api.prices import stale_prices
from placewright.api.same import same_decision
from placewright.api.status import MAX_ALTERNATIVES, MAX_MESSAGE, MAX_REJECTIONS, MAX_WARNINGS
from placewright.api.surroundings import EMPTY, DemandUnavailableError, Surroundings
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Decision, FleetDecision, Measured, MoveReason, Pool, Profile

__all__ = [
    "PlanItem",
    "plan_list",
    "same_decision",
    "status_for_failed_solve",
    "status_for_invalid",
    "status_for_solving",
    "status_for_suspended",
    "status_for_unread_demand",
    "status_for_waiting",
    "to_status",
    "warnings_of",
]

Status = dict[str, Any]


def to_status(
    decision: Decision,
    *,
    generation: int,
    decided_at: datetime,
    duration_seconds: float,
    previous: Mapping[str, Any] | None = None,
    surroundings: Surroundings = EMPTY,
    live: LiveStatus | None = None,
) -> Status:
    """Return the whole status of a decision.

    Args:
        decision: what was decided.
        generation: generation of the spec that it was decided from.
        decided_at: now; a plan that the previous status holds already keeps its time.
        duration_seconds: how long the solve took.
        previous: status before, for transition times and history.
        surroundings: what the request was read with, for the age of prices.
        live: what is known of its live inputs and its ramp; None: it has none.
    """
    known = _with_prices(NOTHING_LIVE if live is None else live, decision, surroundings)
    moment = _decided_at(decision, decided_at, previous)
    changes = history.after(decision, moment, generation, previous or {})
    change = history.change_text(changes, decision.plan)
    relaxation = decision.relaxation
    status = without_none(
        {
            "observedGeneration": generation,
            "conditions": conditions.rendered(
                conditions.of_decision(decision, change=change, live=known),
                generation=generation,
                now=decided_at,
                previous=previous,
            ),
            "plan": plan_data(decision.request, decision.plan, moment) if decision.plan is not None else None,
            "gates": [gate_data(outcome, decided_at) for outcome in decision.gates],
            "blocked": blocked_data(decision, decided_at, conditions.timestamp(decided_at)),
            **live_data(decision, known, decided_at),
            "alternatives": [alternative_data(entry) for entry in decision.alternatives[:MAX_ALTERNATIVES]],
            "frontier": frontier_data(decision),
            "rejections": [rejection_data(entry) for entry in decision.rejections[:MAX_REJECTIONS]],
            "relaxation": cut(relaxation.message, MAX_MESSAGE) if relaxation is not None else None,
            "needs": cut(decision.needs, MAX_MESSAGE) or None,
            "solver": solver_data(decision, duration_seconds),
            "inputs": _inputs(decision.inputs_hash) | _sources(decision, surroundings) | inputs_data(known),
            "warnings": [cut(line, MAX_MESSAGE) for line in warnings_of(decision)[:MAX_WARNINGS]] or None,
            "history": changes or None,
        }
    )
    return carried(status, previous)


def warnings_of(decision: Decision) -> tuple[str, ...]:
    """Return all that is worth knowing about a plan: what reading the request has shown, then what deciding has."""
    return (*decision.request.notes, *decision.warnings)


def _inputs(inputs_hash: str) -> dict[str, Any]:
    return {"hash": inputs_hash, "catalogVersion": catalog.catalog_version()}


def _sources(decision: Decision, surroundings: Surroundings) -> dict[str, Any]:
    """Where prices and figures come from that are not the spec's own."""
    used = {pool for entry in decision.plan.replicas for pool in entry.layout.gpus_by_pool} if decision.plan else set()
    moments = [shared.price_as_of for name, shared in surroundings.pools.items() if name in used]
    oldest = min((moment for moment in moments if moment is not None), default=None)
    performance = decision.request.performance
    return without_none(
        {
            "priceAsOf": conditions.timestamp(oldest) if oldest is not None else None,
            "profile": _profile(performance.profile) if isinstance(performance, Measured) else None,
        }
    )


def _with_prices(live: LiveStatus, decision: Decision, surroundings: Surroundings) -> LiveStatus:
    """What is known of live inputs, prices of the plan that are stale among them."""
    stale = stale_prices(decision, surroundings)
    if not stale:
        return live
    fault = InputFault(input=LiveInput.PRICES, message="; ".join(stale))
    return replace(live, faults=(*live.faults, fault))


def _profile(profile: Profile | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    return without_none({"name": profile.name, "source": profile.source or None, "asOf": profile.as_of or None})


def _decided_at(decision: Decision, now: datetime, previous: Mapping[str, Any] | None) -> str:
    """Return when the plan was decided first."""
    before = (previous or {}).get("plan")
    if decision.plan is not None and before and before.get("id") == decision.plan.id and "decidedAt" in before:
        return str(before["decidedAt"])
    return conditions.timestamp(now)


# ------------------------------------------------------------------------------------------- without a decision


def status_for_invalid(
    error: InvalidRequestError, *, generation: int, now: datetime, previous: Mapping[str, Any] | None = None
) -> Status:
    """Return the status of a request that the user must fix: no plan, the fault in the conditions."""
    return _planless(conditions.of_error(error), generation=generation, now=now, previous=previous)


def status_for_waiting(
    error: InvalidRequestError, *, generation: int, now: datetime, previous: Mapping[str, Any] | None = None
) -> Status:
    """Return the status of a request whose selector finds no usable pool: no plan until there is one.

    A plan that the request had stands on pools that are gone, so it is given up.
    """
    head = conditions.not_ready("NoPools", str(error))
    head.append(conditions.Condition(type="Feasible", status="False", reason="StockExhausted", message=str(error)))
    status = _planless(head, generation=generation, now=now, previous=previous)
    lost = history.after_loss(conditions.timestamp(now), str(MoveReason.STOCK_GONE), str(error), previous or {})
    return without_none({**status, "history": lost or None})


def status_for_unread_demand(
    error: DemandUnavailableError, *, generation: int, now: datetime, previous: Mapping[str, Any] | None = None
) -> Status:
    """Return the status of a request whose live demand nobody has read yet. A plan that it has is kept as it is."""
    kept = dict(previous or {})
    head = conditions.rendered(conditions.of_missing_demand(error), generation=generation, now=now, previous=previous)
    others = [entry for entry in _lasting_conditions(kept) if entry["type"] != "InputsFresh"]
    return {**kept, "observedGeneration": generation, "conditions": [*head, *others]}


def status_for_failed_solve(
    reason: str,
    message: str,
    *,
    inputs_hash: str,
    generation: int,
    now: datetime,
    previous: Mapping[str, Any] | None = None,
) -> Status:
    """Return the status after a solve that ended without an answer: no plan, why in the conditions.

    Args:
        reason: one CamelCase word, such as SolverTimeout or SolverCrashed.
        message: what happened, with figures.
        inputs_hash: of the request that was being solved.
        generation: generation of the spec that was being solved.
        now: the time of the failure.
        previous: status before.
    """
    head = conditions.not_ready(reason, message)
    head.append(conditions.Condition(type="Feasible", status="Unknown", reason=reason, message=message))
    status = _planless(head, generation=generation, now=now, previous=previous)
    return {**status, "inputs": _inputs(inputs_hash)}


def status_for_solving(*, generation: int, now: datetime, previous: Mapping[str, Any] | None = None) -> Status:
    """Return the status that announces a long solve. The last plan stays, with the generation it was decided for."""
    kept = dict(previous or {})
    message = f"deciding generation {generation}"
    announced = [
        conditions.Condition(type="Ready", status="Unknown", reason="Solving", message=message),
        conditions.Condition(type="Reconciling", status="True", reason="Solving", message=message),
    ]
    head = conditions.rendered(announced, generation=generation, now=now, previous=previous)
    return {"observedGeneration": -1, **kept, "conditions": [*head, *_lasting_conditions(kept)]}


def _planless(
    head: Sequence[conditions.Condition], *, generation: int, now: datetime, previous: Mapping[str, Any] | None
) -> Status:
    """Return a status without a plan.

    The history stays, so that the plan before can still be found, and the demand in force, which nothing else keeps;
    so does what is told of workloads, which run on without a plan.
    """
    status = without_none(
        {
            "observedGeneration": generation,
            "conditions": conditions.rendered(head, generation=generation, now=now, previous=previous),
            "demand": (previous or {}).get("demand"),
            "history": (previous or {}).get("history"),
        }
    )
    return carried(status, previous)


def status_for_suspended(*, generation: int, now: datetime, previous: Mapping[str, Any] | None = None) -> Status:
    """Return the status of a suspended request: the last plan with all that belongs to it, and that it is kept."""
    kept = dict(previous or {})
    others = _lasting_conditions(kept)
    plan = kept.get("plan")
    if plan:
        # The conditions that stay tell which generation the plan was decided for.
        seen = next((entry["observedGeneration"] for entry in others if "observedGeneration" in entry), None)
        of_generation = f" for generation {seen}" if seen is not None else ""
        message = f"planning is suspended; plan {plan['id']} of {plan['decidedAt']}{of_generation} is kept"
    else:
        message = "planning is suspended; there is no plan yet"
    ready = conditions.Condition(type="Ready", status="False", reason="Suspended", message=message)
    head = conditions.rendered([ready], generation=generation, now=now, previous=previous)
    return {**kept, "observedGeneration": generation, "conditions": [*head, *others]}


def _lasting_conditions(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions that speak of the plan and not of what happens to the request now."""
    passing = {"Ready", "Reconciling", "Stalled"}
    return [entry for entry in status.get("conditions") or () if entry["type"] not in passing]


# ------------------------------------------------------------------------------------------------------- lists


def plan_list(
    items: Iterable[PlanItem], fleet: FleetDecision | None = None, *, pools: Sequence[Pool] = ()
) -> dict[str, Any]:
    """Return the PlacementPlanList of `-o json` (api.md section 3).

    Args:
        items: all requests, decided or not.
        fleet: the joint decision of those that were decided together; None: each was decided alone.
        pools: the shared pools of the snapshot, for the prices of those that no request may use.
    """
    listed = list(items)
    return {
        "apiVersion": API_VERSION,
        "kind": "PlacementPlanList",
        "items": [
            {"metadata": {"name": item.name, "namespace": item.namespace}, "status": dict(item.status)}
            for item in listed
        ],
        "fleet": fleet_data(listed, fleet, pools),
    }
