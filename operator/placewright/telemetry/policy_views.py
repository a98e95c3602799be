"""What the metrics show of each PlacementPolicy: its ceilings, and how its price sources are doing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from placewright.telemetry.lenient import entries, mapping, number


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPrice:
    """A price that a source tells and nobody believes yet; what is not told of it is empty."""

    source: str
    gpu: str
    capacity_type: str
    zone: str
    instance_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One PlacementPolicy as it stands.

    Attributes:
        name: of the policy.
        fleet_ceiling: USD per hour for all plans; None: it sets none.
        namespace_ceilings: (namespace, USD per hour).
        sources: (name, whether its prices are fresh) of the price sources that the status tells of.
        held: prices that are not believed yet.
    """

    name: str
    fleet_ceiling: float | None
    namespace_ceilings: tuple[tuple[str, float], ...]
    sources: tuple[tuple[str, bool], ...]
    held: tuple[HeldPrice, ...]


def policy_view_of(resource: Mapping[str, Any]) -> PolicyView:
    """The view of a PlacementPolicy as the API server holds it.

    Reads leniently: the metrics must not fail over a status that another version wrote.
    """
    spec, status = mapping(resource, "spec"), mapping(resource, "status")
    sources = {str(each.get("name", "")): each.get("state") == "Fresh" for each in entries(status, "priceSources")}
    return PolicyView(
        name=str(resource["metadata"]["name"]),
        fleet_ceiling=number(spec.get("maxCostPerHour")),
        namespace_ceilings=tuple(sorted(_namespace_ceilings(spec).items())),
        sources=tuple(sources.items()),
        held=tuple(dict.fromkeys(_held(status))),
    )


def _namespace_ceilings(spec: Mapping[str, Any]) -> dict[str, float]:
    """The least for each, also where the list names a namespace twice."""
    found: dict[str, float] = {}
    for entry in entries(spec, "namespaces"):
        name, limit = str(entry.get("name", "")), number(entry.get("maxCostPerHour"))
        if limit is not None:
            found[name] = min(limit, found.get(name, limit))
    return found


def _held(status: Mapping[str, Any]) -> Iterator[HeldPrice]:
    for entry in entries(status, "prices"):
        if mapping(entry, "heldBack"):
            yield HeldPrice(
                source=str(entry.get("source", "")),
                gpu=str(entry.get("gpu", "")),
                capacity_type=str(entry.get("capacityType", "")),
                zone=str(entry.get("zone", "")),
                instance_type=str(entry.get("instanceType", "")),
            )
