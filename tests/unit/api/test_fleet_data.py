"""The fleet summary of `-o json`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.api.outcome import PlanItem, plan_list, to_status
from placewright.core.model import (
    Decision,
    FleetDecision,
    FleetReport,
    Layout,
    NodeValue,
    Plan,
    PlanState,
    PoolUse,
    Replicas,
    Request,
    SolveStatus,
)
from tests.support.fleet_resources import shared_pool

Decide = Callable[..., Decision]
Json = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
L40S = shared_pool("l40s", nodes=4, gpus_per_node=8).pool
A10 = shared_pool("a10", gpu="A10", price_per_gpu_hour=0.75).pool


@pytest.fixture
def member(decision: Decide, layout: Layout) -> Callable[[str], Decision]:
    """The decision of a named request on the shared pool l40s: one replica of 8 GPUs at $9.60/h."""

    def make(name: str) -> Decision:
        request: Request = replace(decision().request, name=name, namespace="serving", pools=(L40S,))
        plan = Plan(id=f"p-{name}", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),))
        return decision(request=request, plan=plan)

    return make


def item(decision: Decision) -> PlanItem:
    status = to_status(decision, generation=1, decided_at=NOW, duration_seconds=0.1)
    return PlanItem(name=decision.request.name, namespace=decision.request.namespace, status=status, decision=decision)


def fleet_of(*decisions: Decision, value: NodeValue | None = None) -> FleetDecision:
    return FleetDecision(
        decisions=decisions,
        assignments=(),
        pools=(
            PoolUse(name="a10", capacity=8, used=0),
            PoolUse(name="l40s", capacity=32, used=16, one_more_node=value),
        ),
        report=FleetReport(
            cost_per_hour=19.2,
            bound_cost_per_hour=19.1999,
            gap_percent=0.00052,
            status=SolveStatus.FEASIBLE,
            placed=2,
            refused=1,
        ),
    )


def summary(items: list[PlanItem], fleet: FleetDecision | None, **more: Any) -> Json:
    found: Json = plan_list(items, fleet, **more)["fleet"]
    return found


def test_a_joint_decision_gives_the_sums_and_each_pools_use(member: Callable[[str], Decision]) -> None:
    decisions = [member("a"), member("b")]
    value = NodeValue(places=(("serving", "c"), ("", "d")), saving_cost_per_hour=1.23456789, exact=True)
    found = summary([item(each) for each in decisions], fleet_of(*decisions, value=value), pools=(L40S, A10))

    assert found == {
        "costPerHour": 19.2,
        "boundCostPerHour": 19.1999,
        "gapPercent": 0.000520833,
        "status": "Feasible",
        "placed": 2,
        "refused": 1,
        "pools": {
            "a10": {"capacity": 8, "used": 0, "free": 8, "pricePerGPUHour": 0.75},
            "l40s": {
                "capacity": 32,
                "used": 16,
                "free": 16,
                "pricePerGPUHour": 1.2,
                "oneMoreNode": {"places": ["serving/c", "d"], "savingCostPerHour": 1.23457, "exact": True},
            },
        },
    }


def test_prices_are_also_those_that_requests_have_seen(member: Callable[[str], Decision]) -> None:
    found = summary([item(member("a"))], fleet_of(member("a")))

    assert found["pools"]["l40s"]["pricePerGPUHour"] == 1.2
    assert "pricePerGPUHour" not in found["pools"]["a10"]


def test_requests_that_were_decided_alone_are_added(member: Callable[[str], Decision], decision: Decide) -> None:
    alone = decision()
    found = summary([item(member("a")), item(member("b")), item(alone)], fleet_of(member("a"), member("b")))

    assert (found["costPerHour"], found["boundCostPerHour"]) == (28.8, 28.7999)
    assert (found["placed"], found["refused"]) == (3, 1)
    assert found["pools"]["small/l40s"] == {"capacity": 4, "used": 8}
    assert found["pools"]["l40s"]["capacity"] == 32


def test_a_private_pool_keeps_its_plain_name_where_no_other_has_it(
    member: Callable[[str], Decision], decision: Decide
) -> None:
    request = replace(decision().request, pools=(replace(decision().request.pools[0], name="mine"),))
    found = summary([item(member("a")), item(decision(request=request))], fleet_of(member("a")))

    assert set(found["pools"]) == {"a10", "l40s", "mine"}


def test_an_empty_fleet_costs_nothing() -> None:
    report = FleetReport(
        cost_per_hour=0.0, bound_cost_per_hour=0.0, gap_percent=0.0, status=SolveStatus.OPTIMAL, placed=0, refused=0
    )
    fleet = FleetDecision(decisions=(), assignments=(), pools=(), report=report)

    assert summary([], fleet) == {
        "costPerHour": 0.0,
        "boundCostPerHour": 0.0,
        "gapPercent": 0.0,
        "status": "Optimal",
        "placed": 0,
        "refused": 0,
        "pools": {},
    }
