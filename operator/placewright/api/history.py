"""The history of a request's plans: every change with its reason and what it costs, newest first."""

from collections.abc import Mapping, Sequence
from typing import Any

from placewright import catalog
from placewright.api.figures import cut, figure, optional_figure
from placewright.api.plan_data import without_none
from placewright.api.status import MAX_HISTORY, MAX_MESSAGE
from placewright.core.model import Decision, Move, Plan

Entry = dict[str, Any]


def after(decision: Decision, moment: str, generation: int, previous: Mapping[str, Any]) -> list[Entry]:
    """Return the history with this decision at its head where it changes the plan.

    Args:
        decision: what was decided.
        moment: when the plan was decided first, as a Kubernetes timestamp.
        generation: of the spec that it was decided from.
        previous: the status before; empty: none.
    """
    entries = [dict(entry) for entry in previous.get("history") or ()]
    plan, move = decision.plan, decision.move
    if plan is None:
        return _given_up(entries, previous, moment, move.reason, move.message) if move is not None else entries
    if entries and entries[0].get("id") == plan.id and not _is_loss(entries[0]):
        return entries
    return [_taken(plan, moment, _reason(decision, generation, previous, entries), previous, move), *entries][
        :MAX_HISTORY
    ]


def after_loss(moment: str, reason: str, message: str, previous: Mapping[str, Any]) -> list[Entry]:
    """Return the history of a request that keeps no plan: with the plan that it had given up, if it had one."""
    return _given_up([dict(entry) for entry in previous.get("history") or ()], previous, moment, reason, message)


def change_text(history: Sequence[Mapping[str, Any]], plan: Plan | None) -> str:
    """Say why there is this plan, or why there is none any more, as the newest entry tells; empty: nothing to tell."""
    head = history[0] if history else {}
    if not head.get("message"):
        return ""
    if plan is None:
        return f"{head['id']} was given up, {head['reason']}: {head['message']}" if _is_loss(head) else ""
    return f"{head['reason']}: {head['message']}" if head["id"] == plan.id and not _is_loss(head) else ""


def _is_loss(entry: Mapping[str, Any]) -> bool:
    return "costPerHour" not in entry and "previousCostPerHour" in entry


def _taken(plan: Plan, moment: str, reason: str, previous: Mapping[str, Any], move: Move | None) -> Entry:
    before = move.old_cost_per_hour if move is not None else (previous.get("plan") or {}).get("costPerHour")
    return without_none(
        {
            "id": plan.id,
            "time": moment,
            "reason": reason,
            "costPerHour": figure(plan.cost_per_hour),
            "previousCostPerHour": optional_figure(before),
            "message": cut(move.message, MAX_MESSAGE) if move is not None else None,
        }
    )


def _given_up(entries: list[Entry], previous: Mapping[str, Any], moment: str, reason: str, message: str) -> list[Entry]:
    """Put the loss of the plan that the status before held at the head; a status without one has lost nothing."""
    plan = previous.get("plan")
    if not plan:
        return entries
    lost = {
        "id": plan["id"],
        "time": moment,
        "reason": str(reason),
        "previousCostPerHour": plan["costPerHour"],
        "message": cut(message, MAX_MESSAGE),
    }
    return [lost, *entries][:MAX_HISTORY]


def _reason(
    decision: Decision, generation: int, previous: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> str:
    if decision.move is not None:
        return str(decision.move.reason)
    if not entries:
        return "FirstPlan"
    if previous.get("observedGeneration") != generation:
        return "SpecChanged"
    if (previous.get("inputs") or {}).get("catalogVersion") != catalog.catalog_version():
        return "CatalogChanged"
    return "Redecided"
