"""Series of live inputs, gates, ramps and policies: equal to the API, exact where live figures are known."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.core.model import GateOutcome, GateResult
from placewright.telemetry.live_figures import InputFigure, InputName, LiveFigures
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.policy_views import policy_view_of
from placewright.telemetry.views import Key, view_of
from tests.support.metrics_scene import AUDIT, KEPT, POLICY, RAMPING, Audit, plan, policy_view
from tests.support.requests import condition, stored

Json = dict[str, Any]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

KEY = ("serving", "chat")


def samples(*resources: Json, live: dict[Key, LiveFigures] | None = None, parts: Parts | None = None) -> Series:
    """Every sample by its name without the prefix and its labels; two of one name and labels are an error."""
    metrics = Metrics(
        version="1",
        views=lambda: [view_of(each) for each in resources],
        vitals=lambda: Vitals(queue_depth=0),
        parts=parts or Parts(live=(live or {}).get),
    )
    found: Series = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            key = (sample.name.removeprefix("placewright_"), frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def of(series: Series, name: str, /, **labels: str) -> dict[str, float] | float | None:
    """The value with these labels, None without; with one label open, the values by it."""
    fitting = {key[1]: value for key, value in series.items() if key[0] == name and key[1] >= set(labels.items())}
    if not fitting:
        return None
    if len(fitting) == 1 and next(iter(fitting)) == frozenset(labels.items()):
        return next(iter(fitting.values()))
    return {"/".join(value for _, value in sorted(key - set(labels.items()))): value for key, value in fitting.items()}


def mine(series: Series, name: str) -> dict[str, float] | float | None:
    return of(series, name, namespace="serving", name="chat")


def gate(name: str, limit: float, actual: float | None) -> GateOutcome:
    return GateOutcome(name=name, limit=limit, actual=actual, headroom_percent=None, result=GateResult.UNKNOWN)


# ------------------------------------------------------------------------------------------------------ by example


def test_a_ramp_shows_its_step_share_and_phase() -> None:
    series = samples(RAMPING)
    assert mine(series, "ramp_step") == 1
    assert mine(series, "ramp_steps") == 3
    assert mine(series, "ramp_traffic_percent") == 50
    assert mine(series, "ramp_phase") == {"Holding": 1}


def test_status_counts_until_live_figures_are_known_and_they_win_then() -> None:
    before = samples(RAMPING)
    assert mine(before, "observed_cost_usd_per_token") == 3e-6
    assert mine(before, "observed_cost_ratio") == 1.3
    assert mine(before, "cost_gate_usage_ratio") == {"CostPerMillionTokens": 0.924, "ObservedCostDrift": 0.75}
    assert mine(before, "demand_requests_per_second") == 4
    assert mine(before, "demand_measured_requests_per_second") is None

    exact = LiveFigures(
        gates=(gate("CostPerMillionTokens", 2.5, 2.5), gate("ObservedCostDrift", 40.0, None)),
        observed_cost_usd_per_token=2.31e-6,
        demand_requests_per_second=5.5,
    )
    after = samples(RAMPING, live={KEY: exact})
    assert mine(after, "observed_cost_usd_per_token") == 2.31e-6
    assert mine(after, "observed_cost_ratio") == 1
    assert mine(after, "cost_gate_usage_ratio") == {"CostPerMillionTokens": 1}
    assert mine(after, "demand_requests_per_second") == 4
    assert mine(after, "demand_measured_requests_per_second") == 5.5


def test_a_live_figure_that_went_away_is_absent_and_not_the_old_one() -> None:
    series = samples(RAMPING, live={KEY: LiveFigures()})
    assert mine(series, "observed_cost_usd_per_token") is None
    assert mine(series, "observed_cost_ratio") is None


@pytest.mark.parametrize("absurd", [nan, inf, -inf])
def test_a_figure_that_is_no_number_is_absent(absurd: float) -> None:
    figures = LiveFigures(
        gates=(gate("CostPerMillionTokens", 2.5, absurd), gate("ObservedCostDrift", absurd, 1.0)),
        observed_cost_usd_per_token=absurd,
        demand_requests_per_second=absurd,
        inputs=(InputFigure(name=InputName.DEMAND, age_seconds=absurd, fault="no finite number"),),
    )
    series = samples(RAMPING, live={KEY: figures})
    for name in (
        "cost_gate_usage_ratio",
        "observed_cost_usd_per_token",
        "observed_cost_ratio",
        "demand_measured_requests_per_second",
        "input_age_seconds",
    ):
        assert mine(series, name) is None, name
    assert mine(series, "input_fresh") == {"Demand": 0, "Revenue": 0, "Observation": 1}


def test_inputs_show_age_and_freshness_by_name() -> None:
    figures = LiveFigures(
        inputs=(
            InputFigure(name=InputName.DEMAND, age_seconds=12.0),
            InputFigure(name=InputName.REVENUE, age_seconds=None, fault="missing: HTTP 503"),
        )
    )
    series = samples(RAMPING, live={KEY: figures})
    assert mine(series, "input_age_seconds") == {"Demand": 12}
    assert mine(series, "input_fresh") == {"Demand": 1, "Revenue": 0, "Observation": 1}


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("True", "Fresh", {"Demand": 1, "Prices": 1}),
        ("False", "DemandUnavailable", {"Demand": 0, "Prices": 1}),
        ("False", "PricesStale", {"Demand": 1, "Prices": 0}),
        ("False", "RevenueUnavailable", {"Demand": 1, "Prices": 1, "Revenue": 0}),
        ("False", "ObservationUnavailable", {"Demand": 1, "Prices": 1, "Observation": 0}),
    ],
)
def test_without_live_figures_the_condition_says_what_is_fresh(
    status: str, reason: str, expected: dict[str, float]
) -> None:
    resource = stored(
        status={
            "conditions": [condition("InputsFresh", status, reason)],
            "inputs": {"demandAsOf": "2026-11-21T10:00:00Z", "priceAsOf": "2026-11-21T10:00:00Z"},
        }
    )
    assert mine(samples(resource), "input_fresh") == expected


def test_a_request_without_live_inputs_has_no_such_series() -> None:
    names = {name for name, labels in samples(stored(status={"plan": plan()})) if ("name", "chat") in labels}
    assert not [name for name in names if name.startswith(("input", "demand", "observed", "ramp", "gate"))]


def test_a_kept_plan_is_approved_and_the_gate_blocks_the_better_one() -> None:
    series = samples(KEPT)
    about: Json = {"namespace": "research", "name": "chat"}
    assert of(series, "plan_approved", **about) == 1
    assert of(series, "cost_usd_per_hour", **about) == 12
    assert of(series, "cost_gate_blocked", **about) == {"CostPerHour": 1}
    assert of(series, "cost_gate_usage_ratio", **about) == {"CostPerHour": 1.2}
    assert of(series, "gate_result", **about) == {"CostPerHour/Fail": 1}


def test_a_gate_that_only_the_blocked_plan_fails_blocks_and_has_no_result_for_the_plan_in_force() -> None:
    resource = stored(
        spec={"gates": {"maxCostPerHour": 10}},
        status={
            "plan": plan(costPerHour=9.0),
            "gates": [{"name": "CostPerHour", "limit": 10, "actual": 9.0, "result": "Pass"}],
            "blocked": {
                "plan": plan(state="Blocked"),
                "gates": [
                    {"name": "CostPerHour", "limit": 10, "actual": 12.0, "result": "Fail"},
                    {"name": "CostToRevenueRatio", "limit": 0.5, "actual": 0.6, "result": "Fail"},
                ],
            },
        },
    )
    series = samples(resource)
    assert mine(series, "cost_gate_blocked") == {"CostPerHour": 1, "CostToRevenueRatio": 1}
    assert mine(series, "gate_result") == {"CostPerHour/Pass": 1}
    assert mine(series, "cost_gate_usage_ratio") == {"CostPerHour": 0.9, "CostToRevenueRatio": 1.2}


def test_live_figures_of_a_vanished_request_are_not_shown() -> None:
    live = {("serving", "gone"): LiveFigures(demand_requests_per_second=1.0)}
    assert not [labels for _, labels in samples(RAMPING, live=live) if ("name", "gone") in labels]


def policies(*resources: Json) -> Parts:
    return Parts(policies=lambda: [policy_view(each) for each in resources])


def test_ceilings_count_approved_plans_alone() -> None:
    blocked = stored("draft", status={"plan": plan(state="Blocked", costPerHour=1000.0)})
    series = samples(RAMPING, KEPT, blocked, parts=policies(POLICY))
    assert of(series, "fleet_ceiling_usd_per_hour", policy="default") == 50
    assert of(series, "fleet_ceiling_usage_ratio", policy="default") == pytest.approx(31.2 / 50)
    assert of(series, "namespace_ceiling_usage_ratio", policy="default") == {"serving": pytest.approx(0.96)}


def test_only_ceilings_that_are_set_are_shown_and_an_empty_namespace_uses_none() -> None:
    spec = {"namespaces": [{"name": "empty", "maxCostPerHour": 5}]}
    series = samples(RAMPING, parts=policies({**POLICY, "spec": spec}))
    assert of(series, "fleet_ceiling_usd_per_hour", policy="default") is None
    assert of(series, "fleet_ceiling_usage_ratio", policy="default") is None
    assert of(series, "namespace_ceiling_usd_per_hour", policy="default") == {"empty": 5}
    assert of(series, "namespace_ceiling_usage_ratio", policy="default") == {"empty": 0}


def test_price_sources_and_held_prices_are_those_of_the_policys_status() -> None:
    series = samples(parts=policies(POLICY))
    assert of(series, "price_source_fresh", policy="default") == {"opencost": 0, "x": 1}
    held = {"policy": "default", "source": "opencost", "gpu": "H100", "capacity_type": "Spot"}
    assert of(series, "price_held_back", **held, zone="", instance_type="") == 1
    assert len([name for name, _ in series if name == "price_held_back"]) == 1


@pytest.mark.parametrize(
    "status",
    [{"priceSources": "none", "prices": [1, {"heldBack": "much"}]}, {"prices": [{"heldBack": {}}]}, {}],
)
def test_a_policy_of_another_shape_does_not_break_the_scrape(status: Json) -> None:
    view = policy_view_of({"metadata": {"name": "odd"}, "status": status}, None)
    series = samples(parts=Parts(policies=lambda: [view]))
    assert not [name for name, labels in series if ("policy", "odd") in labels]


def test_a_policy_that_cannot_be_used_sets_no_ceiling_and_its_prices_in_force_are_still_told() -> None:
    view = policy_view_of({"metadata": {"name": "bad"}, "status": POLICY["status"]}, None)
    series = samples(parts=Parts(policies=lambda: [view]))
    assert of(series, "fleet_ceiling_usd_per_hour", policy="bad") is None
    assert of(series, "price_source_fresh", policy="bad") == {"opencost": 0, "x": 1}


def test_the_audit_trail_shows_records_faults_and_the_lag_of_its_sinks() -> None:
    series = samples(parts=Parts(audit=lambda: AUDIT))
    assert of(series, "audit_records_total", kind="Decision") == 4
    assert of(series, "audit_queue") == 2
    assert of(series, "audit_queue_oldest_seconds") == 0.5
    assert of(series, "audit_sink_lag_seconds") == {"s3": 1.5, "stdout": 0}
    assert of(series, "audit_fault") == {"journal": 0, "s3": 1, "stdout": 0}
    assert of(series, "audit_lost_total") == {"journal": 0, "s3": 0, "stdout": 0}


@pytest.mark.parametrize("state", [Audit(fault="no space left"), Audit(damage="record 7 was changed")])
def test_a_journal_that_is_not_written_or_was_damaged_is_a_fault(state: Audit) -> None:
    assert of(samples(parts=Parts(audit=lambda: state)), "audit_fault") == {"journal": 1}


@pytest.mark.parametrize("state", [None, Audit(enabled=False, queued=3)])
def test_without_a_trail_there_is_no_series_of_it(state: Audit | None) -> None:
    assert not [name for name, _ in samples(parts=Parts(audit=lambda: state)) if name.startswith("audit")]


def test_queries_are_counted_by_result_and_timed() -> None:
    metrics = Metrics(version="1", views=list, vitals=lambda: Vitals(queue_depth=0))
    metrics.query_answered("Success", 0.02)
    metrics.query_answered("Timeout", 5.0)
    value = metrics.registry.get_sample_value
    assert value("placewright_prometheus_queries_total", {"result": "Timeout"}) == 1
    assert value("placewright_prometheus_query_seconds_sum") == 5.02
    assert value("placewright_prometheus_query_seconds_bucket", {"le": "0.025"}) == 1


# ------------------------------------------------------------------------------------------------------ by property

NUMBERS = st.floats(min_value=0, max_value=1e6, allow_nan=False) | st.integers(0, 1000)
MAYBE = st.none() | NUMBERS
GATES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["CostPerHour", "CostToRevenueRatio", "QuantizationDrift"]),
            "limit": NUMBERS,
            "actual": MAYBE,
            "result": st.sampled_from(["Pass", "Fail", "Unknown"]),
        }
    ),
    max_size=3,
    unique_by=lambda gate: gate["name"],
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "gates": GATES,
        "blocked": st.fixed_dictionaries({"plan": st.just(plan(state="Blocked")), "gates": GATES}),
        "plan": st.builds(
            lambda cost, state: plan(costPerHour=cost, state=state), NUMBERS, st.sampled_from(["Approved", "Blocked"])
        ),
        "demand": st.fixed_dictionaries({"requestsPerSecond": NUMBERS}),
        "observed": st.fixed_dictionaries({"ratioToPredicted": NUMBERS}),
        "ramp": st.fixed_dictionaries(
            {
                "step": st.integers(-1, 5),
                "steps": st.integers(1, 6),
                "percent": NUMBERS,
                "phase": st.sampled_from(["Progressing", "Holding", "Paused", "Completed", "RolledBack"]),
            }
        ),
    },
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from([nan, inf, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(STATUSES)
def test_the_series_equal_the_api(status: Json) -> None:
    series = samples(stored(spec={"gates": {}}, status={"observedGeneration": 1, **status}))
    told = {entry["name"]: entry for entry in status.get("gates", [])}
    assert (mine(series, "gate_result") or {}) == {f"{name}/{one['result']}": 1 for name, one in told.items()}
    every = {one["name"]: one["limit"] for one in [*status.get("blocked", {}).get("gates", []), *told.values()]}
    assert (mine(series, "cost_gate_limit") or {}) == every
    assert mine(series, "demand_requests_per_second") == status.get("demand", {}).get("requestsPerSecond")
    assert mine(series, "observed_cost_ratio") == status.get("observed", {}).get("ratioToPredicted")
    ramp = status.get("ramp", {})
    assert mine(series, "ramp_step") == ramp.get("step")
    assert mine(series, "ramp_steps") == ramp.get("steps")
    assert mine(series, "ramp_traffic_percent") == ramp.get("percent")
    assert (mine(series, "ramp_phase") or {}) == ({ramp["phase"]: 1} if ramp else {})
    approved = status["plan"]["state"] == "Approved" if "plan" in status else None
    assert mine(series, "plan_approved") == approved
    assert mine(series, "cost_usd_per_hour") == status.get("plan", {}).get("costPerHour")


@given(st.dictionaries(st.sampled_from(["ramp", "demand", "blocked", "observed", "inputs", "gates", "plan"]), ANYTHING))
def test_no_status_breaks_the_scrape(status: Json) -> None:
    series = samples(stored(status={"observedGeneration": 1, **status}))
    assert of(series, "build_info", version="1") == 1
