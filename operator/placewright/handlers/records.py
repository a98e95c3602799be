"""What the audit trail is told of a written status: made from the status before and after, so only of what stands."""

from collections.abc import Iterator, Mapping
from typing import Any

from placewright.api.annotations import RAMP_PROMOTE, actor_of, step_name
from placewright.core.model import MoveReason
from placewright.core.ramp import RampReason
from placewright.handlers.cache import Json
from placewright.handlers.decisions import ready_of
from placewright.telemetry.audit import Entry, EntryKind
from placewright.telemetry.views import Key

_BY_PEOPLE = frozenset({RampReason.ROLLED_BACK_BY_COMMAND, RampReason.PAUSED, RampReason.RESUMED})
_APPROVED = "Approved"


def entries_of(before: Json, stored: Json) -> Iterator[Entry]:
    """What a written status says: the decision, and what of gates, ramp and plan is not as it was.

    Args:
        before: the object as it was, with its status.
        stored: the same object with the status that was written.
    """
    old, new = before.get("status") or {}, stored.get("status") or {}
    yield _decision(old, new, stored)
    yield from _gates(old, new, stored)
    yield from _ramp(old, new, stored)
    yield from _move(old, new, stored)


def found_of(stored: Json) -> Entry:
    """A plan that stands in the cluster and that the journal does not know."""
    status = stored["status"]
    return _entry(
        EntryKind.FOUND,
        stored,
        new=_cost(status),
        reason=str(ready_of(stored).get("reason", "")),
        message="stood in the cluster and not in the journal",
        details={"plan": status["plan"]},
    )


def refusal_of(key: Key, uid: str, line: str, actor: str) -> Entry:
    """A word of somebody that was not followed."""
    return Entry(
        kind=EntryKind.OVERRIDE,
        namespace=key[0],
        name=key[1],
        uid=uid,
        actor=actor,
        reason="RollbackRefused",
        message=line,
    )


def _entry(kind: EntryKind, stored: Json, **more: Any) -> Entry:
    metadata, status = stored["metadata"], stored.get("status") or {}
    more["old_cost_per_hour"], more["new_cost_per_hour"] = more.pop("old", None), more.pop("new", None)
    return Entry(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        plan_id=str((status.get("plan") or {}).get("id", "")),
        inputs_hash=str((status.get("inputs") or {}).get("hash", "")),
        **more,
    )


def _decision(old: Json, new: Json, stored: Json) -> Entry:
    ready = ready_of(stored)
    details: Json = {"generation": stored["metadata"]["generation"], "ready": ready.get("status")}
    if new.get("plan") and _plan_id(old) != _plan_id(new):
        details["plan"] = new["plan"]
    if new.get("blocked"):
        details["blocked"] = {
            "planId": (new["blocked"].get("plan") or {}).get("id"),
            "gates": new["blocked"].get("gates") or [],
        }
    return _entry(
        EntryKind.DECISION,
        stored,
        actor=actor_of(stored) if _rolled_back(old, new) else "",
        old=_cost(old),
        new=_cost(new),
        reason=str(ready.get("reason", "")),
        message=str(ready.get("message", "")),
        details=details,
    )


def _gates(old: Json, new: Json, stored: Json) -> Iterator[Entry]:
    results = {str(gate.get("name")): gate.get("result") for gate in old.get("gates") or ()}
    for gate in new.get("gates") or ():
        name, result = str(gate.get("name")), gate.get("result")
        if results.get(name) == result:
            continue
        was = f", was {results[name]}" if results.get(name) else ""
        told = [f"{name} {result}{was}", f"limit {gate.get('limit')}", f"actual {gate.get('actual', 'unknown')}"]
        yield _entry(
            EntryKind.GATE_RESULT,
            stored,
            new=_cost(new),
            reason=f"{name}{result}",
            message=", ".join(told + ([str(gate["fault"])] if gate.get("fault") else [])),
            details={"gate": gate, "before": results.get(name, "")},
        )


def _ramp(old: Json, new: Json, stored: Json) -> Iterator[Entry]:
    before, now = old.get("ramp") or {}, new.get("ramp") or {}
    if not now or _place(before) == _place(now):
        return
    by = _asked_by(before, now, stored)
    details = {name: value for name, value in now.items() if name not in {"previousPlan", "message", "reason"}}
    told: Json = {"reason": str(now.get("reason", "")), "message": str(now.get("message", "")), "details": details}
    yield _entry(EntryKind.RAMP_STEP, stored, actor=by or "", old=_cost(old), new=_cost(new), **told)
    if by is not None:
        yield _entry(EntryKind.OVERRIDE, stored, actor=by, old=_cost(old), new=_cost(new), **told)


def _place(ramp: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a ramp stands; whether gates pass just now is the gates' own record."""
    phase = ramp.get("phase")
    return ramp.get("planId"), ramp.get("step"), "Running" if phase in {"Progressing", "Holding"} else phase


def _asked_by(before: Mapping[str, Any], now: Mapping[str, Any], stored: Json) -> str | None:
    """Who asked for what the ramp did, as the annotation beside it says; None: nobody asked, it went by its rules."""
    asked = (stored["metadata"].get("annotations") or {}).get(RAMP_PROMOTE)
    promoted = now.get("step") != before.get("step") and asked == step_name(str(now["planId"]), int(now["step"]))
    resumed = before.get("phase") == "Paused" and now.get("phase") in {"Progressing", "Holding"}
    return actor_of(stored) if promoted or resumed or now.get("reason") in _BY_PEOPLE else None


def _move(old: Json, new: Json, stored: Json) -> Iterator[Entry]:
    head: Json = (new.get("history") or [{}])[0]
    if head == (old.get("history") or [{}])[0] or not head:
        return
    back = _rolled_back(old, new)
    yield _entry(
        EntryKind.ROLLBACK if back else EntryKind.MOVE,
        stored,
        actor=actor_of(stored) if back else "",
        old=head.get("previousCostPerHour"),
        new=head.get("costPerHour"),
        reason=str(head.get("reason", "")),
        message=str(head.get("message", "")),
        details={"from": _plan_id(old), "to": _plan_id(new)},
    )


def _rolled_back(old: Json, new: Json) -> bool:
    head: Json = (new.get("history") or [{}])[0]
    return _plan_id(old) != _plan_id(new) and head.get("reason") == MoveReason.ROLLED_BACK


def _plan_id(status: Json) -> str:
    return str((status.get("plan") or {}).get("id", ""))


def _cost(status: Json) -> float | None:
    """USD per hour of the plan in force; a blocked plan is none."""
    plan = status.get("plan") or {}
    cost = plan.get("costPerHour") if plan.get("state", _APPROVED) == _APPROVED else None
    return None if cost is None else float(cost)
