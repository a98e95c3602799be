"""The series of pools and of the fleet as a whole."""

from collections.abc import Collection
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.core.model import FleetReport, SolveStatus
from placewright.telemetry.lenient import unix_seconds
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.views import PoolView, pool_view_of

REPORT = FleetReport(
    cost_per_hour=41.5,
    bound_cost_per_hour=41.25,
    gap_percent=0.5,
    status=SolveStatus.FEASIBLE,
    placed=7,
    refused=2,
)


def pool(name: str = "l40s", **status: Any) -> dict[str, Any]:
    return {"kind": "GPUPool", "metadata": {"name": name}, "spec": {"gpu": "L40S"}, "status": status}


SEEN = pool(
    gpu="L40S",
    nodes=4,
    capacity=28,
    heldByOthers=4,
    allocated=20,
    free=8,
    price={"perGPUHour": 1.2, "source": "PolicyTable", "asOf": "2026-11-21T10:00:00Z"},
)


def _samples(pools: Collection[PoolView] = (), fleet: FleetReport | None = None) -> dict[str, float]:
    metrics = Metrics(
        version="1",
        views=list,
        vitals=lambda: Vitals(queue_depth=0),
        parts=Parts(pools=lambda: pools, fleet=lambda: fleet),
    )
    return {
        sample.name.removeprefix("placewright_")
        + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        for sample in family.samples
        if sample.name.startswith(("placewright_pool", "placewright_price", "placewright_fleet", "placewright_solve_o"))
    }


def test_a_pool_shows_its_stock_by_state_and_its_price_with_source_and_age() -> None:
    assert _samples([pool_view_of(SEEN)]) == {
        "pool_gpus,pool=l40s,state=capacity": 28,
        "pool_gpus,pool=l40s,state=allocated": 20,
        "pool_gpus,pool=l40s,state=free": 8,
        "pool_gpus,pool=l40s,state=held_by_others": 4,
        "pool_price_usd_per_gpu_hour,pool=l40s,source=PolicyTable": 1.2,
        "price_last_update_timestamp_seconds,pool=l40s": 1795255200,
    }


def test_series_vanish_with_the_pool() -> None:
    both = _samples([pool_view_of(SEEN), pool_view_of(pool("h100", capacity=8))])
    assert {name for name in both if "pool=h100" in name} == {"pool_gpus,pool=h100,state=capacity"}
    assert _samples([pool_view_of(SEEN)]).keys() == both.keys() - {"pool_gpus,pool=h100,state=capacity"}
    assert _samples() == {}


def test_a_price_without_a_date_has_no_age() -> None:
    declared = _samples([pool_view_of(pool(price={"perGPUHour": 2.5, "source": "Spec"}))])
    assert declared == {"pool_price_usd_per_gpu_hour,pool=l40s,source=Spec": 2.5}


@pytest.mark.parametrize(
    "status",
    [{}, {"capacity": "many", "price": "free"}, {"price": {"asOf": "2026-11-21"}}, {"free": None, "allocated": True}],
)
def test_what_a_pool_does_not_say_is_left_out(status: dict[str, Any]) -> None:
    assert _samples([pool_view_of(pool(**status))]) == {}


def test_the_fleet_shows_its_cost_its_proof_and_its_refusals() -> None:
    assert _samples(fleet=REPORT) == {
        "fleet_cost_usd_per_hour": 41.5,
        "fleet_bound_usd_per_hour": 41.25,
        "solve_optimality_gap_ratio": 0.005,
        "fleet_requests,outcome=Placed": 7,
        "fleet_requests,outcome=Refused": 2,
    }


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("yesterday", None),
        (86400, None),
        (None, None),
    ],
)
def test_dates_are_utc_and_anything_else_is_no_date(told: object, seconds: float | None) -> None:
    assert unix_seconds(told) == seconds
