"""The parts of a status that planning knows nothing of: rollout and idle, and what they mean for Ready.

Two write a request's status: planning, and the work on its workloads. Each keeps what the other has written:

- planning calls `with_parts` on every status that it is about to write;
- the work on workloads calls `with_new_parts` on the status as it is stored.

In mode Apply, Ready says that the plan is current *and* runs. What planning says of the plan alone stands in the
condition Planned. As long as Applied is not True, a plan that could be used is Ready False with RolloutPending; it is
Reconciling (RollingOut), or Stalled with the reason of Applied where somebody has to look at it. Once Applied is True,
Ready says again what Planned does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from placewright.api.acting_status import FINAL, AppliedReason
from placewright.api.conditions import MAX_MESSAGE, Condition, rendered, timestamp
from placewright.api.figures import cut
from placewright.core.model import PlanState

Json = Mapping[str, Any]
Status = dict[str, Any]
Entry = dict[str, Any]

PENDING: Final = "RolloutPending"
ROLLING_OUT: Final = "RollingOut"

_APPLY: Final = "Apply"
_PARTS: Final = ("rollout", "idle")
_APPLIED, _IDLE, _PLANNED = "Applied", "Idle", "Planned"
_HEAD: Final = ("Ready", "Reconciling", "Stalled")
_TAIL: Final = (_PLANNED, _APPLIED, _IDLE)
_OURS: Final = frozenset({ROLLING_OUT, *FINAL})
"""Reasons of Reconciling and Stalled that come from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the work on a request's workloads has to say, all of it.

    Attributes:
        rollout: status.rollout; None: nothing is rolled out, or was.
        idle: status.idle; None: nobody looks whether it idles.
        applied: the condition Applied; None: nothing is to be applied.
        idling: the condition Idle; None: as idle.
    """

    rollout: Json | None = None
    idle: Json | None = None
    applied: Condition | None = None
    idling: Condition | None = None


def carried(status: Json, previous: Json | None) -> Status:
    """Return a status with rollout, idle, Applied and Idle of the one before, where it has none itself."""
    before = previous or {}
    kept = {name: before[name] for name in _PARTS if name in before and name not in status}
    have = {entry["type"] for entry in status.get("conditions") or ()}
    missing = [
        entry
        for entry in before.get("conditions") or ()
        if entry["type"] in (_APPLIED, _IDLE) and entry["type"] not in have
    ]
    result = {**status, **kept}
    return {**result, "conditions": [*(status.get("conditions") or ()), *missing]} if missing else result


def with_parts(status: Json, previous: Json | None, *, spec: Json, now: datetime) -> Status:
    """Return a status of planning as it is to be written.

    Doing it twice changes nothing.

    Args:
        status: what planning says, alone or on top of what is stored.
        previous: the status as it is stored; None: there is none.
        spec: of the request as it is stored.
        now: for transition times.
    """
    result = carried(status, previous)
    if "conditions" not in result:
        return result
    return {**result, "conditions": _Conditions(result, previous or {}, now).told(spec)}


def with_new_parts(stored: Json, parts: Parts, *, spec: Json, generation: int, now: datetime) -> Status:
    """Return the stored status with what the work on workloads has to say now, in place of what it said before.

    Args:
        stored: the status as it is stored, with the conditions of planning.
        parts: all that there is to say.
        spec: of the request, as this was found with it.
        generation: of that spec.
        now: for transition times.
    """
    # In mode Recommend only what was applied before makes a condition, and only `told` says which.
    gone = {_IDLE, _APPLIED} if parts.applied is not None or spec.get("mode") == _APPLY else {_IDLE}
    status: Status = {name: value for name, value in stored.items() if name not in _PARTS}
    status |= {name: value for name, value in (("rollout", parts.rollout), ("idle", parts.idle)) if value is not None}
    fresh = [each for each in (parts.applied, parts.idling) if each is not None]
    others = [entry for entry in stored.get("conditions") or () if entry["type"] not in gone]
    status["conditions"] = [*others, *rendered(fresh, generation=generation, now=now, previous=stored)]
    return {**status, "conditions": _Conditions(status, stored, now).told(spec)}


class _Conditions:
    """The conditions of a status that is about to be written."""

    def __init__(self, status: Json, previous: Json, now: datetime) -> None:
        self._status = status
        self._given: dict[str, Entry] = {entry["type"]: dict(entry) for entry in status.get("conditions") or ()}
        self._before: dict[str, Entry] = {entry["type"]: entry for entry in previous.get("conditions") or ()}
        self._now = timestamp(now)

    def told(self, spec: Json) -> list[Entry]:
        """All of them, in the order in which people read them."""
        planned = self._planned()
        found = {
            name: entry
            for name, entry in self._given.items()
            if not (name in ("Reconciling", "Stalled") and entry.get("reason") in _OURS)
        }
        found.pop(_PLANNED, None)
        if planned is not None:
            found["Ready"] = self._entry("Ready", planned)
        if spec.get("mode") == _APPLY:
            self._apply(found, planned)
        elif found.get(_APPLIED, {}).get("reason", AppliedReason.NOT_REQUESTED) != AppliedReason.NOT_REQUESTED:
            message = "mode is Recommend; what was applied before stays as it is"
            found[_APPLIED] = self._said(_APPLIED, "False", AppliedReason.NOT_REQUESTED, message)
        middle = [entry for name, entry in found.items() if name not in (*_HEAD, *_TAIL)]
        head = [found[name] for name in _HEAD if name in found]
        return [*head, *middle, *(found[name] for name in _TAIL if name in found)]

    def _planned(self) -> Entry | None:
        """What planning says of the plan alone: Ready, unless that was changed here."""
        ready = self._given.get("Ready")
        if ready is not None and ready.get("reason") == PENDING:
            return self._given.get(_PLANNED) or self._before.get(_PLANNED)
        return ready

    def _apply(self, found: dict[str, Entry], planned: Entry | None) -> None:
        if planned is not None:
            found[_PLANNED] = self._entry(_PLANNED, planned, usual=planned.get("lastTransitionTime"))
        applied = self._applied(found.get(_APPLIED))
        if applied is None:
            return
        found[_APPLIED] = applied
        if planned is None or planned["status"] != "True" or applied["status"] == "True":
            return
        message = f"{applied['reason']}: {applied['message']}"
        found["Ready"] = self._said("Ready", "False", PENDING, message)
        if applied["reason"] in FINAL:
            found["Stalled"] = self._said("Stalled", "True", applied["reason"], message)
        else:
            found["Reconciling"] = self._said("Reconciling", "True", ROLLING_OUT, message)

    def _applied(self, applied: Entry | None) -> Entry | None:
        """Applied, which is True only of the plan and of the generation that it was found with."""
        plan = self._status.get("plan") or {}
        if not plan.get("id") or plan.get("state", str(PlanState.APPROVED)) != PlanState.APPROVED:
            return applied
        if applied is None or applied.get("reason") == AppliedReason.NOT_REQUESTED:
            message = f"{plan['id']} is about to be rolled out"
        elif applied["status"] != "True":
            return applied
        elif (running := (self._status.get("rollout") or {}).get("planId")) != plan["id"]:
            message = f"{plan['id']} is about to take the place of {running or 'what runs'}"
        elif applied.get("observedGeneration", 0) < self._status.get("observedGeneration", 0):
            message = f"{plan['id']} was rolled out for generation {applied.get('observedGeneration', 0)} of the spec"
        else:
            return applied
        return self._said(_APPLIED, "False", AppliedReason.PROGRESSING, message)

    def _said(self, name: str, status: str, reason: str, message: str) -> Entry:
        told: Entry = {"status": status, "reason": str(reason), "message": cut(message, MAX_MESSAGE)}
        generation = self._status.get("observedGeneration", -1)
        return self._entry(name, {**told, "observedGeneration": generation} if generation >= 0 else told)

    def _entry(self, name: str, told: Entry, *, usual: str | None = None) -> Entry:
        """A condition of that name; its transition time stays while its status does."""
        same = (each.get(name) for each in (self._given, self._before))
        stays = (each["lastTransitionTime"] for each in same if each and each.get("status") == told["status"])
        moment = next(stays, usual or self._now)
        generation = {"observedGeneration": told["observedGeneration"]} if "observedGeneration" in told else {}
        return {
            "type": name,
            "status": told["status"],
            **generation,
            "lastTransitionTime": moment,
            "reason": told["reason"],
            "message": told["message"],
        }
