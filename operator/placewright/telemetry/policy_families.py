"""Series about PlacementPolicies: ceilings and how much of them is taken, price sources, prices held back."""

from collections.abc import Collection, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily

from placewright.telemetry.families import gauge, usage_ratio
from placewright.telemetry.policy_views import PolicyView
from placewright.telemetry.views import RequestView


def policy_families(views: Iterable[RequestView], policies: Collection[PolicyView]) -> Iterator[GaugeMetricFamily]:
    """What is told of each PlacementPolicy.

    Args:
        views: the requests as they stand; their approved plans take of the ceilings.
        policies: as they stand.
    """
    spent = _spent(views)
    yield from _fleet_ceilings(sum(spent.values()), policies)
    yield from _namespace_ceilings(spent, policies)
    yield from _price_families(policies)


def _fleet_ceilings(spent: float, policies: Collection[PolicyView]) -> Iterator[GaugeMetricFamily]:
    limit = gauge("fleet_ceiling_usd_per_hour", "Ceiling of a policy on all plans, in USD per hour.", ["policy"])
    usage = gauge(
        "fleet_ceiling_usage_ratio", "Predicted cost of all approved plans divided by the ceiling.", ["policy"]
    )
    for policy in policies:
        if policy.fleet_ceiling is not None:
            limit.add_metric([policy.name], policy.fleet_ceiling)
            ratio = usage_ratio(spent, policy.fleet_ceiling)
            if ratio is not None:
                usage.add_metric([policy.name], ratio)
    yield from (limit, usage)


def _namespace_ceilings(spent: dict[str, float], policies: Collection[PolicyView]) -> Iterator[GaugeMetricFamily]:
    labels = ["namespace", "policy"]
    limit = gauge("namespace_ceiling_usd_per_hour", "Ceiling of a policy on a namespace, in USD per hour.", labels)
    usage = gauge(
        "namespace_ceiling_usage_ratio",
        "Predicted cost of a namespace's approved plans divided by the ceiling.",
        labels,
    )
    for policy in policies:
        for namespace, ceiling in policy.namespace_ceilings:
            limit.add_metric([namespace, policy.name], ceiling)
            ratio = usage_ratio(spent.get(namespace, 0.0), ceiling)
            if ratio is not None:
                usage.add_metric([namespace, policy.name], ratio)
    yield from (limit, usage)


def _price_families(policies: Collection[PolicyView]) -> Iterator[GaugeMetricFamily]:
    fresh = gauge(
        "price_source_fresh",
        "1 when a price source tells prices that are new enough, 0 otherwise.",
        ["policy", "source"],
    )
    held = gauge(
        "price_held_back",
        "Always 1 while a price of a source is not believed; the one before stays in force.",
        ["policy", "source", "gpu", "capacity_type", "zone", "instance_type"],
    )
    for policy in policies:
        for source, is_fresh in policy.sources:
            fresh.add_metric([policy.name, source], float(is_fresh))
        for price in policy.held:
            about = [price.source, price.gpu, price.capacity_type, price.zone, price.instance_type]
            held.add_metric([policy.name, *about], 1)
    yield from (fresh, held)


def _spent(views: Iterable[RequestView]) -> dict[str, float]:
    """USD per hour of approved plans, by namespace."""
    spent: dict[str, float] = {}
    for view in views:
        if view.layout is not None and view.layout.approved:
            spent[view.namespace] = spent.get(view.namespace, 0.0) + view.layout.cost_usd_per_hour
    return spent
