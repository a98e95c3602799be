"""What a request may ask, by what the policies say."""

from typing import Any

import pytest

from placewright.api.policies import InputRules
from placewright.telemetry.prometheus.book import Span
from placewright.telemetry.prometheus.wants import Input, Wants, wants_of
from tests.support.live_requests import ANY_QUERY, FORBIDDEN, OWN_NAMESPACE, asking

QUERY = "sum(rate(http_requests_total[5m]))"


def demand(rules: InputRules = FORBIDDEN, **demand_from: Any) -> Wants:
    return wants_of(asking(demand_from=demand_from), rules)


def test_a_request_without_live_inputs_asks_nothing() -> None:
    wants = wants_of(asking(), ANY_QUERY)
    assert (wants.queries, wants.faults) == ((), {})


@pytest.mark.parametrize("preset", ["vllm", "sglang", "tgi", "gateway"])
def test_a_preset_is_asked_whatever_the_policies_say(preset: str) -> None:
    wants = demand(preset=preset, modelName="m")
    assert wants.faults == {}
    assert wants.demand is not None
    assert wants.demand.figures is not None
    assert wants.observed is not None
    assert len(wants.queries) == 2  # a range and an instant
    for query in wants.queries:
        assert 'namespace="serving"' in query.expr
        assert 'model_name="m"' in query.expr


def test_the_model_is_the_requests_own_unless_another_name_is_given() -> None:
    wants = demand(preset="vllm")
    assert 'model_name="meta-llama/Llama-3.1-8B-Instruct"' in wants.queries[0].expr
    # TGI's own series name no model.
    assert "model_name" not in demand(preset="tgi").queries[0].expr


@pytest.mark.parametrize(
    ("window", "statistic", "span"),
    [
        ("1h", "Quantile", Span(seconds=3600.0, step_seconds=30.0)),
        ("10s", "Peak", Span(seconds=10.0, step_seconds=1.0)),
        ("168h", "Forecast", Span(seconds=604800.0, step_seconds=840.0)),
    ],
)
def test_the_window_is_asked_in_a_bounded_number_of_points(window: str, statistic: str, span: Span) -> None:
    wants = demand(preset="vllm", window=window, statistic=statistic)
    assert wants.demand is not None
    assert wants.demand.rate.span == span


def test_a_mean_covers_at_least_the_time_between_two_points() -> None:
    wants = demand(preset="gateway", window="720h", statistic="Peak")
    assert wants.demand is not None
    assert "[21600000ms]" in wants.demand.rate.expr  # six hours


def test_equal_requests_ask_one_question() -> None:
    one = asking(demand_from={"preset": "vllm"})
    both = {*wants_of(one, FORBIDDEN).queries, *wants_of(one, ANY_QUERY).queries}
    assert len(both) == len(wants_of(one, FORBIDDEN).queries)


def test_what_is_observed_is_asked_of_observe_from_before_demand_from() -> None:
    request = asking(demand_from={"preset": "gateway"}, observeFrom={"preset": "sglang", "modelName": "s"})
    wants = wants_of(request, FORBIDDEN)
    assert wants.observed is not None
    assert "sglang:generation_tokens_total" in wants.observed.figures.expr
    assert wants.demand is not None
    assert "inference_objective_request_total" in wants.demand.rate.expr


def test_queries_of_a_request_are_forbidden_unless_a_policy_allows_them() -> None:
    wants = demand(prometheusQuery=QUERY)
    assert wants.queries == ()
    assert wants.faults == {
        Input.DEMAND: "spec.workload.demandFrom.prometheusQuery: got a query, which no PlacementPolicy allows, wants a"
        " preset, or inputs.requestQueries of a policy that allows queries"
    }
    strict = InputRules(request_queries="Forbidden", queries_policy="strict")
    revenue = wants_of(asking(gates={"revenuePerHourQuery": "sum(usd)"}), strict)
    assert revenue.revenue is None
    assert "which PlacementPolicy strict forbids" in revenue.faults[Input.REVENUE]


def test_queries_of_a_request_are_held_to_its_namespace() -> None:
    wants = demand(OWN_NAMESPACE, prometheusQuery=QUERY)
    assert wants.demand is not None
    assert wants.demand.rate.expr == 'sum(rate(http_requests_total{namespace="serving"}[5m]))'
    assert wants.observed is None  # a query counts no tokens
    refused = demand(OWN_NAMESPACE, prometheusQuery='x{namespace="other"}')
    assert refused.demand is None
    assert "got a matcher on namespace 'other'" in refused.faults[Input.DEMAND]


def test_where_any_query_is_allowed_it_is_asked_but_never_unread() -> None:
    wants = demand(ANY_QUERY, prometheusQuery='sum(x{namespace="other"})')
    assert wants.demand is not None
    assert wants.demand.rate.expr == 'sum(x{namespace="other"})'
    assert "wants PromQL" in demand(ANY_QUERY, prometheusQuery="sum(").faults[Input.DEMAND]


def test_ages_are_those_of_the_policies_and_the_demands_own() -> None:
    rules = InputRules(max_age_seconds=120.0)
    assert demand(rules, preset="vllm").demand_max_age_seconds == 120.0
    own = demand(rules, preset="vllm", maxAge="30s")
    assert (own.demand_max_age_seconds, own.max_age_seconds) == (30.0, 120.0)
