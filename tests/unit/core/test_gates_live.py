"""Every gate with every kind of input: fine, at the limit, above, missing, stale, not finite, negative."""

from dataclasses import replace
from math import inf, nan

import pytest

from placewright.core import gates
from placewright.core.model import (
    GateOutcome,
    GateResult,
    Gates,
    Observation,
    OnUnknown,
    OnViolation,
    Plan,
    PlanState,
    Ramp,
    Reading,
    Replicas,
    Request,
    Revenue,
)
from tests.support import toys
from tests.support.layouts import layout

PASS, FAIL, UNKNOWN = GateResult.PASS, GateResult.FAIL, GateResult.UNKNOWN
# $3.6/h at 1000 tokens/s: $1 per million tokens.
PLAN = Plan(id="p-0a1b2c", state=PlanState.APPROVED, replicas=(Replicas(layout=layout(3.6, 1000.0)),))


def reading(value: float | None, age: float | None = 10.0, fault: str = "") -> Reading:
    return Reading(value=value, age_seconds=age, source="by Prometheus", fault=fault)


def only(outcomes: tuple[GateOutcome, ...]) -> GateOutcome:
    (held,) = outcomes
    return held


def request(**held: object) -> Request:
    return toys.request(gates=Gates(**held))  # type: ignore[arg-type] # plain keyword values of Gates


def observed_ratio(limit: float, revenue: Reading | None) -> GateOutcome:
    asked = request(max_cost_to_revenue_ratio=limit, revenue=Revenue(observed=True))
    return only(gates.evaluate_live(asked, PLAN, Observation(revenue_per_hour=revenue, max_age_seconds=300.0)))


def drift(limit: float, tokens: Reading | None) -> GateOutcome:
    asked = request(max_observed_cost_drift_percent=limit)
    return only(gates.evaluate_live(asked, PLAN, Observation(tokens_per_second=tokens, max_age_seconds=300.0)))


@pytest.mark.parametrize(
    ("limit", "revenue", "result", "actual"),
    [
        (0.5, reading(12.0), PASS, 0.3),
        (0.3, reading(12.0), PASS, 0.3),
        (0.25, reading(12.0), FAIL, 0.3),
        (0.5, reading(0.0), FAIL, 1e9),  # a revenue of 0 is a figure: any cost is too much for it
        (0.5, reading(None, None, "HTTP 503"), UNKNOWN, None),
        (0.5, reading(12.0, 300.1), UNKNOWN, None),
        (0.5, reading(12.0, None), UNKNOWN, None),
        (0.5, reading(12.0, -61.0), UNKNOWN, None),
        (0.5, reading(12.0, nan), UNKNOWN, None),
        (0.5, reading(nan), UNKNOWN, None),
        (0.5, reading(inf), UNKNOWN, None),
        (0.5, reading(-1.0), UNKNOWN, None),
        (0.5, None, UNKNOWN, None),
    ],
)
def test_cost_to_observed_revenue(
    limit: float, revenue: Reading | None, result: GateResult, actual: float | None
) -> None:
    held = observed_ratio(limit, revenue)
    assert (held.name, held.result) == ("CostToRevenueRatio", result)
    assert held.actual == (None if actual is None else pytest.approx(actual))
    assert bool(held.fault) is (result is UNKNOWN)
    assert (held.headroom_percent is None) is (result is UNKNOWN)


@pytest.mark.parametrize(
    ("tokens", "result", "actual"),
    [
        (reading(1000.0), PASS, 0.0),
        (reading(2000.0), PASS, 0.0),  # cheaper than predicted is no drift
        (reading(800.0), PASS, 25.0),
        (reading(500.0), FAIL, 100.0),
        (reading(0.0), UNKNOWN, None),  # nobody asks anything: there is no price per token
        (reading(None), UNKNOWN, None),
        (reading(nan), UNKNOWN, None),
        (reading(-1.0), UNKNOWN, None),
        (reading(1000.0, 301.0), UNKNOWN, None),
        (None, UNKNOWN, None),
    ],
)
def test_observed_against_predicted_cost(tokens: Reading | None, result: GateResult, actual: float | None) -> None:
    held = drift(25.0, tokens)
    assert (held.name, held.result) == ("ObservedCostDrift", result)
    assert held.actual == (None if actual is None else pytest.approx(actual))
    assert bool(held.fault) is (result is UNKNOWN)


@pytest.mark.parametrize(
    ("limit", "stated", "result"),
    [
        (0.2, 8.0, PASS),
        (0.125, 8.0, PASS),
        (0.12, 8.0, FAIL),
        (0.2, 0.0, FAIL),
        (0.2, None, UNKNOWN),
        (0.2, nan, UNKNOWN),
        (0.2, inf, UNKNOWN),
        (0.2, -8.0, UNKNOWN),
    ],
)
def test_cost_to_stated_revenue_is_the_same_in_the_search_and_live(
    limit: float, stated: float | None, result: GateResult
) -> None:
    asked = request(max_cost_to_revenue_ratio=limit, revenue=Revenue(per_million_tokens=stated))
    live = only(gates.evaluate_live(asked, PLAN, Observation()))
    assert live.result is result
    assert live == only(gates.evaluate(asked, PLAN.main)) == only(gates.evaluate_replicas(asked, PLAN.replicas))
    assert live.age_seconds is None


def test_a_ratio_without_any_revenue_is_unknown() -> None:
    held = only(gates.evaluate_live(request(max_cost_to_revenue_ratio=0.3), PLAN, Observation()))
    assert (held.result, held.fault) == (UNKNOWN, "missing: no revenue is given")


@pytest.mark.parametrize(
    ("name", "limit", "result"),
    [
        ("max_cost_per_million_tokens", 1.0, PASS),
        ("max_cost_per_million_tokens", 0.99, FAIL),
        ("max_cost_per_million_tokens", nan, UNKNOWN),
        ("max_cost_per_hour", 3.6, PASS),
        ("max_cost_per_hour", 3.5, FAIL),
        ("max_quantization_drift_percent", 0.0, PASS),
        ("max_quantization_drift_percent", nan, UNKNOWN),
    ],
)
def test_gates_on_the_plan_alone_need_no_observation(name: str, limit: float, result: GateResult) -> None:
    held = only(gates.evaluate_live(request(**{name: limit}), PLAN, Observation()))
    assert held.result is result
    assert (held.input, held.age_seconds) == ("", None)


def test_the_age_and_the_source_of_an_input_are_told() -> None:
    held = observed_ratio(0.5, reading(12.0, 42.0))
    assert (held.input, held.age_seconds) == ("by Prometheus", 42.0)
    stale = observed_ratio(0.5, reading(12.0, 720.0))
    assert (stale.age_seconds, stale.fault) == (720.0, "stale: 12 min old, wants at most 5 min")


@pytest.mark.parametrize(
    ("result", "on_violation", "on_unknown", "blocked"),
    [
        (FAIL, OnViolation.BLOCK, OnUnknown.PASS, True),
        (FAIL, OnViolation.WARN, OnUnknown.BLOCK, False),
        (UNKNOWN, OnViolation.WARN, OnUnknown.BLOCK, True),
        (UNKNOWN, OnViolation.BLOCK, OnUnknown.WARN, False),
        (UNKNOWN, OnViolation.BLOCK, OnUnknown.PASS, False),
        (PASS, OnViolation.BLOCK, OnUnknown.BLOCK, False),
    ],
)
def test_what_fails_or_is_unknown_blocks_as_it_is_told_to(
    *, result: GateResult, on_violation: OnViolation, on_unknown: OnUnknown, blocked: bool
) -> None:
    revenue = {PASS: reading(100.0), FAIL: reading(1.0), UNKNOWN: reading(None)}[result]
    asked = request(
        max_cost_to_revenue_ratio=0.5,
        revenue=Revenue(observed=True),
        on_violation=on_violation,
        on_unknown=on_unknown,
    )
    outcomes = gates.evaluate_live(asked, PLAN, Observation(revenue_per_hour=revenue))
    assert only(outcomes).result is result
    assert gates.blocks(asked, outcomes) is blocked


# ------------------------------------------------------------------------------------------ steps of a ramp

RAMP = Ramp(
    steps_percent=(10.0, 50.0, 100.0),
    max_cost_to_revenue_ratio=(0.5, 0.35, 0.25),
    max_cost_per_million_tokens=(None, 2.0, 0.5),
    hold_seconds=600.0,
)


def test_a_step_has_its_own_limits_and_the_requests_where_these_are_stricter() -> None:
    asked = request(
        max_cost_to_revenue_ratio=0.3,
        revenue=Revenue(observed=True),
        max_cost_per_hour=4.0,
        policies=(("CostToRevenueRatio", "finance"),),
    )
    seen = Observation(revenue_per_hour=reading(12.0))
    first = {held.name: held for held in gates.of_step(asked, PLAN, seen, RAMP, 0)}
    assert {name: held.limit for name, held in first.items()} == {"CostPerHour": 4.0, "CostToRevenueRatio": 0.3}
    assert first["CostToRevenueRatio"].policy == "finance"
    last = {held.name: held for held in gates.of_step(asked, PLAN, seen, RAMP, 2)}
    assert {name: (held.limit, held.result) for name, held in last.items()} == {
        "CostPerMillionTokens": (0.5, FAIL),
        "CostPerHour": (4.0, PASS),
        "CostToRevenueRatio": (0.25, FAIL),
    }
    assert last["CostToRevenueRatio"].policy == ""


def test_before_the_first_step_only_the_requests_own_gates_count() -> None:
    held = gates.of_step(request(max_cost_per_hour=4.0), PLAN, Observation(), RAMP, -1)
    assert [each.name for each in held] == ["CostPerHour"]


def test_a_steps_price_is_that_of_the_tokens_that_are_really_served() -> None:
    asked = request()
    seen = Observation(tokens_per_second=reading(400.0))
    held = {each.name: each for each in gates.of_step(asked, PLAN, seen, RAMP, 1)}["CostPerMillionTokens"]
    assert (held.actual, held.result, held.age_seconds) == (pytest.approx(2.5), FAIL, 10.0)
    blind = gates.of_step(asked, PLAN, Observation(tokens_per_second=reading(None)), RAMP, 1)
    assert {each.name: each.result for each in blind}["CostPerMillionTokens"] is UNKNOWN
    predicted = gates.of_step(asked, PLAN, Observation(), RAMP, 1)
    assert {each.name: each.actual for each in predicted}["CostPerMillionTokens"] == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------ caps of the search


@pytest.mark.parametrize(
    ("held", "per_million", "per_hour", "price_gate", "hour_gate"),
    [
        (Gates(), None, None, "", ""),
        (Gates(max_cost_per_million_tokens=2.5), 2.5, None, "CostPerMillionTokens", ""),
        (
            Gates(max_cost_to_revenue_ratio=0.3, revenue=Revenue(per_million_tokens=8.0)),
            2.4,
            None,
            "CostToRevenueRatio",
            "",
        ),
        (
            Gates(
                max_cost_per_million_tokens=2.0, max_cost_to_revenue_ratio=0.3, revenue=Revenue(per_million_tokens=8.0)
            ),
            2.0,
            None,
            "CostPerMillionTokens",
            "",
        ),
        (
            Gates(
                max_cost_per_hour=40.0, max_cost_to_revenue_ratio=0.3, revenue=Revenue(observed=True, per_hour=100.0)
            ),
            None,
            30.0,
            "",
            "CostToRevenueRatio",
        ),
        (Gates(max_cost_to_revenue_ratio=0.3, revenue=Revenue(observed=True)), None, None, "", ""),
    ],
)
def test_a_share_of_the_revenue_is_a_cap_on_cost(
    held: Gates, per_million: float | None, per_hour: float | None, price_gate: str, hour_gate: str
) -> None:
    assert gates.cost_per_million_tokens_cap(held) == (None if per_million is None else pytest.approx(per_million))
    assert gates.cost_per_hour_cap(held) == per_hour
    assert (gates.price_gate(held), gates.hour_gate(held)) == (price_gate, hour_gate)


def test_without_a_figure_in_force_no_plan_can_be_held_against_the_revenue() -> None:
    unknown = Gates(max_cost_to_revenue_ratio=0.3, revenue=Revenue(observed=True))
    assert gates.cost_is_unknown(unknown)
    assert gates.cost_is_unknown(replace(unknown, revenue=None))
    assert not gates.cost_is_unknown(replace(unknown, revenue=Revenue(observed=True, per_hour=0.0)))
    assert not gates.cost_is_unknown(Gates(max_cost_per_hour=1.0))
