"""Gates as a status shows them: live figures move all the time, a status only when that says something new."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from placewright.core.model import GateOutcome, GateResult

BAND = 0.05  # a figure that has moved by less than this share of itself is not told anew


def moved(before: float | None, now: float | None) -> bool:
    """Whether a figure is so far from the one that was told that it is told anew."""
    if before is None or now is None:
        return before is not now
    return abs(now - before) > BAND * abs(before)


def banded(before: Sequence[GateOutcome], fresh: Sequence[GateOutcome]) -> tuple[GateOutcome, ...]:
    """The fresh outcomes, each as it was told before unless it says something new.

    Args:
        before: of the same plan, as told.
        fresh: with the exact live figures.
    """
    told = {outcome.name: outcome for outcome in before}
    return tuple(_told(told.get(outcome.name), outcome) for outcome in fresh)


def _told(before: GateOutcome | None, fresh: GateOutcome) -> GateOutcome:
    if before is None or _kind(before) != _kind(fresh) or not fresh.input:
        return fresh
    if moved(before.actual, fresh.actual):
        return fresh
    # The age goes on, and a fault that tells it ("stale: 12 min old") must not make a status of every minute.
    fault = before.fault or fresh.fault
    return replace(fresh, actual=before.actual, headroom_percent=before.headroom_percent, fault=fault)


def _kind(outcome: GateOutcome) -> tuple[object, ...]:
    return outcome.result, f"{outcome.limit:.6g}", outcome.policy, outcome.fault.partition(":")[0]


def plain(outcomes: Sequence[GateOutcome]) -> tuple[object, ...]:
    """What of outcomes is worth a status; ages are not."""
    return tuple((*_kind(outcome), outcome.name, outcome.actual, outcome.fault) for outcome in outcomes)


def outcomes_of(entries: Sequence[Mapping[str, Any]] | None) -> tuple[GateOutcome, ...]:
    """The gates as a status holds them; what somebody else has spoiled is left out."""
    found = []
    for entry in entries or ():
        try:
            found.append(_outcome(entry))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def _outcome(entry: Mapping[str, Any]) -> GateOutcome:
    actual, headroom = entry.get("actual"), entry.get("headroomPercent")
    return GateOutcome(
        name=str(entry["name"]),
        limit=float(entry["limit"]),
        actual=None if actual is None else float(actual),
        headroom_percent=None if headroom is None else float(headroom),
        result=GateResult(str(entry["result"])),
        policy=str(entry.get("policy") or ""),
        input=str(entry.get("input") or ""),
        fault=str(entry.get("fault") or ""),
    )
