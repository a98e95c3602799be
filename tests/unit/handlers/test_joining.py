from typing import Any

import pytest

from placewright.core.model import Ceiling
from placewright.handlers.joining import joins, wants_fleet, watches
from tests.support.requests import Json, stored

ALONE: Json = {"model": {"name": "toy"}, "workload": {"inputTokens": 1, "outputTokens": 1}, "replicas": {"min": 0}}
FLEET: dict[str, Json] = {
    "shared pools": {"poolSelector": {}},
    "a demand": {"workload": {"requestsPerSecond": 1}},
    "classes": {"workload": {"classes": [{"name": "a"}]}},
    "least replicas": {"replicas": {"min": 1}},
    "most replicas": {"replicas": {"min": 0, "max": 3}},
    "live demand": {"workload": {"demandFrom": {"preset": "vllm"}}},
    "revenue by a query": {"gates": {"maxCostToRevenueRatio": 1, "revenuePerHourQuery": "x"}},
    "observed cost": {"gates": {"maxObservedCostDriftPercent": 20}},
    "observed tokens": {"observeFrom": {"preset": "vllm"}},
    "a ramp": {"ramp": {"stepsPercent": [100]}},
}


def test_a_request_that_asks_for_none_of_it_is_planned_alone() -> None:
    assert not joins(stored(spec=ALONE))
    assert not wants_fleet(stored(spec=ALONE), ())


@pytest.mark.parametrize("what", FLEET)
def test_what_looks_at_present_plans_or_live_figures_is_planned_by_the_fleet(what: str) -> None:
    resource = stored(spec={**ALONE, **FLEET[what]})
    assert wants_fleet(resource, ())
    suspended = stored(spec={**resource["spec"], "suspend": True})
    assert not wants_fleet(suspended, ())
    leaving = stored(spec=resource["spec"], deletionTimestamp="2026-01-01T00:00:00Z")
    assert not wants_fleet(leaving, ())


def test_an_earlier_plan_a_ceiling_and_an_observing_policy_bring_others_in() -> None:
    back: Any = {"annotations": {"placewright.dev/rollback-to": "p-0123456789"}}
    assert wants_fleet(stored(spec=ALONE, **back), ())
    assert wants_fleet(stored(spec=ALONE), (Ceiling(policy="p", namespace="serving", max_cost_per_hour=1.0),))
    assert not wants_fleet(stored(spec=ALONE), (Ceiling(policy="p", namespace="other", max_cost_per_hour=1.0),))
    assert wants_fleet(stored(spec=ALONE), (), observed=True)


def test_only_what_is_read_live_is_watched() -> None:
    assert {what for what in FLEET if watches(stored(spec={**ALONE, **FLEET[what]}))} == {
        "live demand",
        "revenue by a query",
        "observed tokens",
    }
