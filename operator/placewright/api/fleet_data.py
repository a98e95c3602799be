"""What all plans of a list cost together, what is proved of that, and what the pools have: api.md section 3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from placewright.api.figures import figure
from placewright.api.plan_data import without_none
from placewright.core.model import Decision, FleetDecision, NodeValue, Pool, PoolUse

Data = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One decided request for a list: its names, its status and its decision."""

    name: str
    namespace: str
    status: Mapping[str, Any]
    decision: Decision | None  # None: invalid or suspended, so that nothing was decided


def fleet_data(items: Sequence[PlanItem], fleet: FleetDecision | None, pools: Sequence[Pool] = ()) -> Data:
    """Add up all plans: those that were decided together as their decision says, the others one by one.

    Args:
        items: all requests, decided or not.
        fleet: the joint decision; None: each request was decided alone.
        pools: the shared pools of the snapshot, for the prices of those that no request may use.
    """
    together = {(each.request.namespace, each.request.name) for each in fleet.decisions} if fleet is not None else set()
    decisions = [item.decision for item in items if item.decision is not None]
    alone = [each for each in decisions if (each.request.namespace, each.request.name) not in together]
    planned = [each for each in alone if each.plan is not None]
    cost = sum(each.plan.cost_per_hour for each in planned if each.plan is not None)
    bound = sum(_bound_cost_per_hour(each) for each in planned)
    counts: Data = {}
    if fleet is not None:
        cost, bound = cost + fleet.report.cost_per_hour, bound + fleet.report.bound_cost_per_hour
        counts = {
            "status": str(fleet.report.status),
            "placed": fleet.report.placed + len(planned),
            "refused": fleet.report.refused + len(alone) - len(planned),
        }
    return {
        "costPerHour": figure(cost),
        "boundCostPerHour": figure(bound),
        "gapPercent": figure(max(0.0, cost - bound) / cost * 100.0) if cost > 0 else 0.0,
        **counts,
        "pools": _pools(items, fleet, pools),
    }


def pool_use_data(use: PoolUse, price_per_gpu_hour: float | None) -> Data:
    """Return what a shared pool has, what plans take of it, and what one more node of it is worth."""
    return without_none(
        {
            "capacity": use.capacity,
            "used": use.used,
            "free": use.capacity - use.used,
            "pricePerGPUHour": figure(price_per_gpu_hour) if price_per_gpu_hour is not None else None,
            "oneMoreNode": node_value_data(use.one_more_node) if use.one_more_node is not None else None,
        }
    )


def node_value_data(value: NodeValue) -> Data:
    """Return what one more node is worth: the requests it would place, and what it would save the others."""
    return {
        "places": ["/".join(part for part in name if part) for name in value.places],
        "savingCostPerHour": figure(value.saving_cost_per_hour),
        "exact": value.exact,
    }


def _bound_cost_per_hour(decision: Decision) -> float:
    """USD per hour that the plan's proved gap leaves possible; the whole plan's where nothing is proved is 0."""
    assert decision.plan is not None, "only plans have a bound"
    if decision.report.bound_cost_per_hour is not None:
        return decision.report.bound_cost_per_hour
    gap = decision.report.gap_percent
    return decision.plan.cost_per_hour * (1.0 - gap / 100.0) if gap is not None else 0.0


def _pools(items: Sequence[PlanItem], fleet: FleetDecision | None, pools: Sequence[Pool]) -> dict[str, Data]:
    """Return the shared pools, then the private ones; a name that is used twice is told apart by the request's."""
    uses = fleet.pools if fleet is not None else ()
    prices = {pool.name: pool.price_per_gpu_hour for pool in pools}
    for item in items:
        prices |= {pool.name: pool.price_per_gpu_hour for pool in _pools_of(item) if pool.shared}
    result = {use.name: pool_use_data(use, prices.get(use.name)) for use in uses}
    owners: dict[str, int] = dict.fromkeys(result, 1)
    private = [(item, pool) for item in items for pool in _pools_of(item) if not pool.shared]
    for _, pool in private:
        owners[pool.name] = owners.get(pool.name, 0) + 1
    for item, pool in private:
        used = (item.status.get("plan") or {}).get("gpusByPool", {})
        names = (item.namespace, item.name, pool.name)
        name = pool.name if owners[pool.name] == 1 else "/".join(part for part in names if part)
        result[name] = {"capacity": pool.gpus, "used": used.get(pool.name, 0)}
    return result


def _pools_of(item: PlanItem) -> tuple[Pool, ...]:
    return item.decision.request.pools if item.decision is not None else ()
