"""Whether two statuses say the same, so that an idle cluster sees no writes.

When an input was read moves all the time and says nothing by itself: it is written along with what does. So does what
is counted or measured of a model's activity.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from placewright.api.live import LiveInput

Status = Mapping[str, Any]

# What changes although the decision does not, wherever it stands.
_VOLATILE: Final = {"decidedAt", "durationSeconds", "lastTransitionTime", "priceAsOf", "demandAsOf", "revenueAsOf"}
_INPUTS_AWAY: Final = frozenset(str(each) for each in LiveInput)
_PROOF: Final = {
    "gapPercent",
    "boundCostPerMillionTokens",
    "boundCostPerHour",
    "boundTokensPerSecond",
    "layoutsConsidered",
}
_PROOF_CONDITIONS: Final = {"Ready", "Feasible", "Planned"}

LAST_ACTIVE_SECONDS: Final = 3600.0
"""A model that is active all the time is written down as active so seldom, while nothing else changes."""

# Of status.idle: what moves with every look.
_IDLE_MOVES: Final = {"lastActive", "message", "signals", "suggestions", "avoidedDollars", "avoidedAsOf"}
_PENDING: Final = {"RolloutPending", "RollingOut", "RolloutFailed"}
_SPAN: Final = re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|m|min|h|d)\b")


def same_decision(old: Status | None, new: Status | None) -> bool:
    """Say whether two statuses hold the same, so that nothing needs to be written.

    Where the plan and what is proved of it are the same, the figures of the proof do not count: a fleet's gap moves
    with every change of any of its requests. The age of inputs, what is observed, and what a server says of an input
    that is away do not count either; nor do the figures of an activity whose meaning stays, what a reap has saved so
    far, and how long something has taken by now.
    """
    was, told = _without_shared(old or {}, new or {})
    if not _active_alike(was, told):
        return False
    before, after = _lasting(_ageless(was)), _lasting(_ageless(told))
    proved = _proved_plan(old or {})
    if proved is not None and proved == _proved_plan(new or {}):
        before, after = _without_proof(before), _without_proof(after)
    return bool(before == after)


def _without_shared(old: Status, new: Status) -> tuple[Status, Status]:
    """Both without what is one and the same object in them: most of a status that only a few parts are replaced of."""
    shared = {name for name, value in new.items() if old.get(name, ...) is value}
    return (_without(old, shared), _without(new, shared)) if shared else (old, new)


def _lasting(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lasting(item) for key, item in value.items() if key not in _VOLATILE}
    if isinstance(value, list | tuple):
        return [_lasting(item) for item in value]
    return value


def _ageless(status: Status) -> Status:
    """The status without moments at which inputs were read, and without what only tells them."""
    changed = {name: _with_ageless_gates(status[name]) for name in ("blocked", "ramp") if status.get(name)}
    if status.get("demand"):
        changed["demand"] = _without(status["demand"], {"asOf"})
    if status.get("observed"):
        changed["observed"] = {}  # that something is observed counts
    if status.get("rollout"):
        changed["rollout"] = _spanless(status["rollout"])
    if status.get("idle"):
        changed["idle"] = _steady(status["idle"])
    conditions = [_condition(entry) for entry in status.get("conditions") or ()]
    return _with_ageless_gates({**status, **changed, "conditions": conditions})


def _condition(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if entry.get("reason") in _INPUTS_AWAY or entry.get("type") == "Idle":
        return {**entry, "message": ""}
    return _spanless(entry) if entry.get("type") == "Applied" or entry.get("reason") in _PENDING else entry


def _spanless(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its texts without spans of time, which grow by themselves: `2 of 4 replicas Ready after 35 s`."""
    texts = {name: _SPAN.sub("", data[name]) for name in ("message", "trouble") if data.get(name)}
    return {**data, **texts}


def _steady(idle: Status) -> Status:
    """What an activity means: its state, which signal says what, and what is suggested."""
    return {
        **_without(idle, _IDLE_MOVES),
        "signals": [(each.get("signal"), each.get("result")) for each in idle.get("signals") or ()],
        "suggestions": [each.get("action") for each in idle.get("suggestions") or ()],
    }


def _active_alike(old: Status, new: Status) -> bool:
    """Whether both have seen the model active at about the same time, or at none."""
    before, after = ((status.get("idle") or {}).get("lastActive") for status in (old, new))
    if before is None or after is None:
        return before is after
    apart = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    return abs(apart.total_seconds()) < LAST_ACTIVE_SECONDS


def _with_ageless_gates(part: Status) -> Status:
    gates = part.get("gates")
    return {**part, "gates": [_without(gate, {"asOf"}) for gate in gates]} if gates else part


def _without(data: Status, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _proved_plan(status: Status) -> tuple[str, str] | None:
    """The plan's id and what is proved of it; None when there is no plan."""
    plan, solver = status.get("plan"), status.get("solver")
    return (plan["id"], solver["status"]) if plan and solver else None


def _without_proof(status: Status) -> Status:
    """Leave out the figures of the proof, and the messages that repeat them."""
    conditions = [
        {**entry, "message": ""} if entry["type"] in _PROOF_CONDITIONS else entry
        for entry in status.get("conditions") or ()
    ]
    solver = {"solver": _without(status["solver"], _PROOF)} if "solver" in status else {}
    return {**status, **solver, "conditions": conditions}
