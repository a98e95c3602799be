"""What the metrics show of each PlacementPolicy: its ceilings, and how its price sources are doing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from placewright.api.placement_policy import PlacementPolicy
from placewright.telemetry.lenient import entries, mapping


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


def policy_view_of(resource: Mapping[str, Any], policy: PlacementPolicy | None) -> PolicyView:
    """The view of a PlacementPolicy.

    Args:
        resource: its metadata and status as the API server holds them. Read leniently: the metrics must not fail over a
            status that another version wrote.
        policy: what is in force of it; None: it cannot be used, so it sets no ceilings.
    """
    status = mapping(resource, "status")
    sources = {str(each.get("name", "")): each.get("state") == "Fresh" for each in entries(status, "priceSources")}
    return PolicyView(
        name=str(resource["metadata"]["name"]),
        fleet_ceiling=None if policy is None else policy.spec.max_cost_per_hour,
        namespace_ceilings=() if policy is None else _namespace_ceilings(policy),
        sources=tuple(sources.items()),
        held=tuple(dict.fromkeys(_held(status))),
    )


def _namespace_ceilings(policy: PlacementPolicy) -> tuple[tuple[str, float], ...]:
    """The least for each, also where the list names a namespace twice."""
    found: dict[str, float] = {}
    for entry in policy.spec.namespaces or ():
        found[entry.name] = min(entry.max_cost_per_hour, found.get(entry.name, entry.max_cost_per_hour))
    return tuple(sorted(found.items()))


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
