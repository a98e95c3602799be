"""Whether two statuses say the same, so that an idle cluster sees no writes.

When an input was read moves all the time and says nothing by itself: it is written along with what does.
"""

from collections.abc import Mapping
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
_PROOF_CONDITIONS: Final = {"Ready", "Feasible"}


def same_decision(old: Status | None, new: Status | None) -> bool:
    """Say whether two statuses hold the same, so that nothing needs to be written.

    Where the plan and what is proved of it are the same, the figures of the proof do not count: a fleet's gap moves
    with every change of any of its requests. The age of inputs, what is observed, and what a server says of an input
    that is away do not count either.
    """
    before, after = _lasting(_ageless(old or {})), _lasting(_ageless(new or {}))
    if _proved_plan(before) is not None and _proved_plan(before) == _proved_plan(after):
        before, after = _without_proof(before), _without_proof(after)
    return bool(before == after)


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
    conditions = [
        {**entry, "message": ""} if entry.get("reason") in _INPUTS_AWAY else entry
        for entry in status.get("conditions") or ()
    ]
    return _with_ageless_gates({**status, **changed, "conditions": conditions})


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
    return {**status, "solver": _without(status["solver"], _PROOF), "conditions": conditions}
