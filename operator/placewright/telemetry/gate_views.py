"""The gates of a request as its status tells them, and which of them keep a plan from being used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from placewright.telemetry.lenient import entries, mapping, number

_CEILINGS = ("NamespaceCostPerHour", "FleetCostPerHour")  # gates of a PlacementPolicy on sums of plans


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """One gate as the status tells it.

    Attributes:
        name: of the gate.
        limit: in the gate's own unit.
        actual: None: unknown.
        result: Pass, Fail or Unknown for the plan in force; empty: it was held against the blocked plan alone.
        blocked: it keeps a plan from being used: the one in `status.plan`, or the better one in `status.blocked`.
    """

    name: str
    limit: float
    actual: float | None
    result: str
    blocked: bool


def gate_views(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[GateView]:
    """The gates of `status.gates`, then those that only `status.blocked` names.

    Args:
        spec: the request's `spec.gates`.
        status: its status.
    """
    present, refused = entries(status, "gates"), entries(mapping(status, "blocked"), "gates")
    blocking = {str(entry.get("name", "")) for entry in _blocking(spec, status, [*present, *refused])}
    told: set[str] = set()
    for entry in [*present, *refused]:
        limit, name = number(entry.get("limit")), str(entry.get("name", ""))
        if limit is None or name in told:
            continue
        told.add(name)
        yield GateView(
            name=name,
            limit=limit,
            actual=number(entry.get("actual")),
            result=str(entry.get("result", "")) if any(entry is one for one in present) else "",
            blocked=name in blocking,
        )


def _blocking(
    spec: Mapping[str, Any], status: Mapping[str, Any], gates: list[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The gates that keep a plan from being used.

    A ceiling always does. For the others the request says what a failed and an unknown gate do; a policy may be
    stricter, so where a plan is blocked and the request's own word accounts for no gate, the failed ones it is, or
    else the unknown ones.
    """
    stated = {
        "Fail": spec.get("onViolation", "Block") == "Block",
        "Unknown": spec.get("onUnknown", "Block") == "Block",
    }
    by_request = [
        gate
        for gate in gates
        if stated.get(str(gate.get("result")), False)
        or (gate.get("result") == "Fail" and gate.get("name") in _CEILINGS)
    ]
    blocked = mapping(status, "plan").get("state") == "Blocked" or mapping(status, "blocked")
    if by_request or not blocked:
        return by_request
    failed = [gate for gate in gates if gate.get("result") == "Fail"]
    return failed or [gate for gate in gates if gate.get("result") == "Unknown"]
