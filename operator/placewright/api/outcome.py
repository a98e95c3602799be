"""From a Decision to the status of a PlacementRequest, exactly as api.md section 2 has it.

Everything is plain data for the API server and for `-o json`. Equal decisions give equal statuses except for
`decidedAt`, `durationSeconds` and transition times.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from placewright import catalog
from placewright.api import conditions
from placewright.api.base import API_VERSION
from placewright.api.figures import cut, figure
from placewright.api.plan_data import (
    alternative_data,
    frontier_data,
    gate_data,
    plan_data,
    rejection_data,
    solver_data,
    without_none,
)
from placewright.api.status import MAX_ALTERNATIVES, MAX_HISTORY, MAX_MESSAGE, MAX_REJECTIONS, MAX_WARNINGS
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Decision

Status = dict[str, Any]

# What changes although the decision does not.
_VOLATILE: Final = {"decidedAt", "durationSeconds", "lastTransitionTime"}


def to_status(
    decision: Decision,
    *,
    generation: int,
    decided_at: datetime,
    duration_seconds: float,
    previous: Mapping[str, Any] | None = None,
) -> Status:
    """Return the whole status of a decision.

    Args:
        decision: what was decided.
        generation: generation of the spec that it was decided from.
        decided_at: now; a plan that the previous status holds already keeps its time.
        duration_seconds: how long the solve took.
        previous: status before, for transition times and history.
    """
    moment = _decided_at(decision, decided_at, previous)
    relaxation = decision.relaxation
    return without_none(
        {
            "observedGeneration": generation,
            "conditions": conditions.rendered(
                conditions.of_decision(decision), generation=generation, now=decided_at, previous=previous
            ),
            "plan": plan_data(decision.request, decision.plan, moment) if decision.plan is not None else None,
            "gates": [gate_data(outcome) for outcome in decision.gates],
            "alternatives": [alternative_data(entry) for entry in decision.alternatives[:MAX_ALTERNATIVES]],
            "frontier": frontier_data(decision),
            "rejections": [rejection_data(entry) for entry in decision.rejections[:MAX_REJECTIONS]],
            "relaxation": cut(relaxation.message, MAX_MESSAGE) if relaxation is not None else None,
            "solver": solver_data(decision, duration_seconds),
            "inputs": _inputs(decision.inputs_hash),
            "warnings": [cut(line, MAX_MESSAGE) for line in decision.warnings[:MAX_WARNINGS]] or None,
            "history": _history(decision, moment, generation, previous or {}),
        }
    )


def _inputs(inputs_hash: str) -> dict[str, str]:
    return {"hash": inputs_hash, "catalogVersion": catalog.catalog_version()}


def _decided_at(decision: Decision, now: datetime, previous: Mapping[str, Any] | None) -> str:
    """Return when the plan was decided first."""
    before = (previous or {}).get("plan")
    if decision.plan is not None and before and before.get("id") == decision.plan.id and "decidedAt" in before:
        return str(before["decidedAt"])
    return conditions.timestamp(now)


def _history(
    decision: Decision, moment: str, generation: int, previous: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    """Return the history with a new plan at its head, and why there is a new one."""
    entries = [dict(entry) for entry in previous.get("history") or ()]
    plan = decision.plan
    if plan is not None and (not entries or entries[0].get("id") != plan.id):
        if not entries:
            reason = "FirstPlan"
        elif previous.get("observedGeneration") != generation:
            reason = "SpecChanged"
        elif previous.get("inputs", {}).get("catalogVersion") != catalog.catalog_version():
            reason = "CatalogChanged"
        else:
            reason = "Redecided"
        entries.insert(0, {"id": plan.id, "time": moment, "reason": reason})
    return entries[:MAX_HISTORY] or None


# ------------------------------------------------------------------------------------------- without a decision


def status_for_invalid(
    error: InvalidRequestError, *, generation: int, now: datetime, previous: Mapping[str, Any] | None = None
) -> Status:
    """Return the status of a request that the user must fix: no plan, the fault in the conditions."""
    return _planless(conditions.of_error(error), generation=generation, now=now, previous=previous)


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
    """Return a status without a plan; the history stays, so that the plan before can still be found."""
    return without_none(
        {
            "observedGeneration": generation,
            "conditions": conditions.rendered(head, generation=generation, now=now, previous=previous),
            "history": (previous or {}).get("history"),
        }
    )


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


def same_decision(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
    """Say whether two statuses hold the same, so that nothing needs to be written."""
    return bool(_lasting(old or {}) == _lasting(new or {}))


def _lasting(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lasting(item) for key, item in value.items() if key not in _VOLATILE}
    if isinstance(value, list | tuple):
        return [_lasting(item) for item in value]
    return value


# ------------------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One decided request for a list: its names, its status and its decision."""

    name: str
    namespace: str
    status: Mapping[str, Any]
    decision: Decision | None  # None: invalid or suspended, so that nothing was decided


def plan_list(items: Iterable[PlanItem]) -> dict[str, Any]:
    """Return the PlacementPlanList of `-o json` (api.md section 3)."""
    listed = list(items)
    return {
        "apiVersion": API_VERSION,
        "kind": "PlacementPlanList",
        "items": [
            {"metadata": {"name": item.name, "namespace": item.namespace}, "status": dict(item.status)}
            for item in listed
        ],
        "fleet": _fleet(listed),
    }


def _fleet(items: Sequence[PlanItem]) -> dict[str, Any]:
    """Add up all plans. Pools are private to their requests, so the bound of the fleet is the sum of the bounds."""
    planned = [item.decision for item in items if item.decision is not None and item.decision.plan is not None]
    cost = sum(decision.plan.cost_per_hour for decision in planned if decision.plan is not None)
    bound = sum(_bound_cost_per_hour(decision) for decision in planned)
    return {
        "costPerHour": figure(cost),
        "boundCostPerHour": figure(bound),
        "gapPercent": figure((cost - bound) / cost * 100.0) if cost > 0 else 0.0,
        "pools": _pools([item for item in items if item.decision is not None]),
    }


def _bound_cost_per_hour(decision: Decision) -> float:
    """USD per hour that the plan's proved gap leaves possible; the whole plan's where nothing is proved is 0."""
    assert decision.plan is not None, "only plans have a bound"
    if decision.report.bound_cost_per_hour is not None:
        return decision.report.bound_cost_per_hour
    gap = decision.report.gap_percent
    return decision.plan.cost_per_hour * (1.0 - gap / 100.0) if gap is not None else 0.0


def _pools(items: Sequence[PlanItem]) -> dict[str, dict[str, int]]:
    """Return capacity and use by pool; a name that several requests use is told apart by the request's name."""
    owners: dict[str, int] = {}
    for item in items:
        for pool in _pools_of(item):
            owners[pool] = owners.get(pool, 0) + 1
    result: dict[str, dict[str, int]] = {}
    for item in items:
        used = (item.status.get("plan") or {}).get("gpusByPool", {})
        for pool, capacity in _pools_of(item).items():
            name = pool if owners[pool] == 1 else "/".join(part for part in (item.namespace, item.name, pool) if part)
            result[name] = {"capacity": capacity, "used": used.get(pool, 0)}
    return result


def _pools_of(item: PlanItem) -> dict[str, int]:
    return {pool.name: pool.gpus for pool in item.decision.request.pools} if item.decision is not None else {}
