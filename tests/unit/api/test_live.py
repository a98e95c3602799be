"""Figures in force and ramps, as a spec gives them and as a status holds them."""

from typing import Any

import pytest

from placewright.api.live import (
    NO_LIVE,
    NOTHING_LIVE,
    Live,
    live_of_status,
    live_status_of,
    moment_of,
    ramp_of,
    stored_ramp,
)
from placewright.api.parse import parse
from placewright.core.model import RampPhase, TrafficClass
from tests.support.live_bodies import full_live_request
from tests.support.resources import Json, small_request

CLASS: Json = {"name": "c-1", "inputTokens": 900, "outputTokens": 210, "requestsPerSecond": 3.5}
DEMAND: Json = {
    "asOf": "2026-11-21T10:00:00Z",
    "source": "preset vllm",
    "requestsPerSecond": 3.5,
    "tokensPerSecond": 3885,
    "classes": [CLASS],
}
RAMP: Json = {
    "planId": "p-1",
    "step": 1,
    "steps": 3,
    "percent": 50,
    "phase": "Holding",
    "enteredAt": "2026-11-21T10:00:00Z",
    "failingSince": "2026-11-21T10:01:00Z",
    "reason": "GateFails",
    "message": "it costs too much",
}


def stored(**status: Any) -> Json:
    return {"metadata": {"name": "chat"}, "status": status}


def test_figures_in_force_come_back_from_the_status() -> None:
    later = {**CLASS, "name": "a", "requestsPerSecond": 0}
    found = live_of_status(stored(demand={**DEMAND, "classes": [CLASS, later]}, inputs={"revenuePerHour": 12}))

    assert found == Live(
        demand=(
            TrafficClass(name="a", input_tokens=900, output_tokens=210, requests_per_second=0.0),
            TrafficClass(name="c-1", input_tokens=900, output_tokens=210, requests_per_second=3.5),
        ),
        revenue_per_hour=12.0,
    )


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"demand": None, "inputs": None},
        {"demand": {}},
        {"demand": "much"},
        {"demand": {**DEMAND, "classes": [{**CLASS, "requestsPerSecond": -1}]}},
        {"demand": {**DEMAND, "classes": [{**CLASS, "requestsPerSecond": float("nan")}]}},
        {"demand": {**DEMAND, "classes": [{**CLASS, "requestsPerSecond": float("inf")}]}},
        {"demand": {**DEMAND, "classes": [{**CLASS, "inputTokens": 0}]}},
        {"inputs": {"revenuePerHour": -1}},
        {"inputs": {"revenuePerHour": float("nan")}},
        {"inputs": {"revenuePerHour": float("inf")}},
        {"inputs": {"revenuePerHour": True}},
        {"inputs": {"revenuePerHour": "12"}},
        {"inputs": "much"},
        {"inputs": [1], "demand": [1]},
    ],
)
def test_what_somebody_else_has_spoiled_is_no_figure(status: Json) -> None:
    assert live_of_status(stored(**status)) == NO_LIVE
    assert live_status_of(stored(**status)) == NOTHING_LIVE


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_times_beyond_the_calendar_are_none(moment: str) -> None:
    found = live_status_of(
        stored(demand=DEMAND, inputs={"demandAsOf": moment, "revenueAsOf": moment, "revenuePerHour": 12})
    )
    assert found.revenue is None
    assert found.demand is not None
    assert found.demand.read_at == found.demand.as_of
    assert stored_ramp(stored(ramp={**RAMP, "enteredAt": moment})) is None


def test_a_request_without_a_status_has_no_figures() -> None:
    assert live_of_status({"metadata": {}}) == live_of_status({"status": None}) == NO_LIVE
    assert stored_ramp({"metadata": {}}) is None


def test_what_a_status_shows_of_figures_is_kept() -> None:
    inputs = {"revenuePerHour": 12, "revenueAsOf": "2026-11-21T10:02:00Z", "demandAsOf": "2026-11-21T10:03:00Z"}

    shown = live_status_of(stored(demand=DEMAND, inputs=inputs))

    assert shown.demand is not None
    assert shown.revenue is not None
    assert (shown.demand.as_of, shown.demand.read_at) == (moment_of(1795255200), moment_of(1795255380))
    assert (shown.revenue.per_hour, shown.revenue.read_at) == (12.0, moment_of(1795255320))
    assert live_status_of(stored(demand=DEMAND, inputs={"revenuePerHour": 12, "revenueAsOf": "noon"})).revenue is None


def test_a_ramp_of_the_spec() -> None:
    ramp = ramp_of(parse(full_live_request()).spec)

    assert ramp is not None
    assert ramp.steps_percent == (12.5, 50.0, 100.0)
    assert ramp.max_cost_to_revenue_ratio == (0.5, 0.4, 0.25)
    assert ramp.max_cost_per_million_tokens == (3.0, 2.5, 2.25)
    assert (ramp.hold_seconds, ramp.auto_promote, ramp.rollback_after_seconds) == (300.0, False, 120.0)


def test_what_a_ramp_leaves_out_is_no_limit() -> None:
    ramp = ramp_of(parse(small_request(ramp={"stepsPercent": [10, 100]})).spec)

    assert ramp is not None
    assert ramp.max_cost_to_revenue_ratio == ramp.max_cost_per_million_tokens == (None, None)
    assert (ramp.hold_seconds, ramp.auto_promote, ramp.rollback_after_seconds) == (600.0, True, None)
    assert ramp_of(parse(small_request()).spec) is None


def test_a_ramp_comes_back_from_the_status() -> None:
    plan = {"id": "p-0"}
    found = stored_ramp(stored(ramp=RAMP))

    assert found is not None
    assert (found.state.plan_id, found.state.step, found.state.phase) == ("p-1", 1, RampPhase.HOLDING)
    assert (found.entered_at, found.state.failing_since, found.state.passing_since) == (1795255200, 1795255260, None)
    assert (found.state.seen_at, found.state.end_reason) == (None, "")
    assert (found.reason, found.message, found.previous_plan) == ("GateFails", "it costs too much", None)
    assert stored_ramp(stored(ramp={**RAMP, "previousPlan": plan})) is None, "a plan that is none spoils the ramp"


def test_a_ramp_that_has_ended_remembers_why() -> None:
    found = stored_ramp(stored(ramp={**RAMP, "phase": "RolledBack"}))

    assert found is not None
    assert (found.state.end_reason, found.state.end_message) == ("GateFails", "it costs too much")


@pytest.mark.parametrize(
    "damage",
    [
        {"step": -2},
        {"step": "one"},
        {"phase": "Done"},
        {"enteredAt": "noon"},
        {"failingSince": "2026-11-21T10:00:00"},
        {"planId": None},
        {"previousPlan": "p-0"},
    ],
)
def test_a_ramp_that_somebody_else_has_spoiled_is_none(damage: Json) -> None:
    assert stored_ramp(stored(ramp={**RAMP, **damage})) is None
