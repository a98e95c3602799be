"""Requests whose demand and revenue are read live: what they are planned by."""

import json
from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.live import NO_LIVE, Live
from placewright.api.parse import parse
from placewright.api.surroundings import EMPTY, DemandUnavailableError, Surroundings, SurroundingsError
from placewright.api.validate import validate
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Gates, Measured, OnUnknown, Request, Revenue, TrafficClass
from tests.support.fleet_resources import policy, profile, row
from tests.support.live_bodies import PRESET, QUERY, RAMP, SIZES
from tests.support.resources import Json, small_request


def asked(demand: tuple[TrafficClass, ...] | None, around: Surroundings = EMPTY, **spec: Any) -> Request:
    spec.setdefault("workload", {"demandFrom": PRESET})
    return to_request(parse(small_request(**spec)), around, Live(demand=demand))


def one(name: str = "a", size: tuple[int, int] = (500, 50), rate: float = 2.0) -> TrafficClass:
    return TrafficClass(name=name, input_tokens=size[0], output_tokens=size[1], requests_per_second=rate)


def sizes(request: Request) -> dict[str, tuple[int, int, float]]:
    return {
        each.name: (each.input_tokens, each.output_tokens, each.requests_per_second)
        for each in request.workload.classes
    }


# ------------------------------------------------------------------------------------------------------ demand


def test_the_demand_in_force_is_the_demand() -> None:
    request = asked((one("b", (4000, 100), 1.0), one("a")), slo={"ttft": "2s"})

    assert sizes(request) == {"b": (4000, 100, 1.0), "a": (500, 50, 2.0)}
    assert (request.workload.input_tokens, request.workload.output_tokens) == (4000, 100), "the most tokens"
    assert request.in_fleet
    assert request.max_model_len == 4100
    assert any("maxModelLen is not set" in note for note in request.notes)


def test_a_demand_that_comes_back_from_a_status_gives_the_same_request() -> None:
    assert asked((one(rate=1.23456789),)) == asked((one(rate=1.23457),))


def test_a_demand_without_a_figure_is_waited_for() -> None:
    with pytest.raises(DemandUnavailableError, match=r"^spec\.workload\.demandFrom: got no answer so far"):
        asked(None, workload={**SIZES, "demandFrom": PRESET})
    with pytest.raises(DemandUnavailableError, match="got no requests so far"):
        asked(())


@pytest.mark.parametrize(
    ("demand", "workload", "size"),
    [
        ((one(rate=0.0),), {"demandFrom": PRESET}, (500, 50)),
        ((), {**SIZES, "demandFrom": PRESET}, (1024, 256)),
        ((), {**SIZES, "demandFrom": QUERY}, (1024, 256)),
    ],
)
def test_where_nothing_comes_one_replica_stands_ready(
    demand: tuple[TrafficClass, ...], workload: Json, size: tuple[int, int]
) -> None:
    request = asked(demand, workload=workload)

    assert request.workload.classes == ()
    assert (request.workload.input_tokens, request.workload.output_tokens) == size


def test_classes_without_requests_are_left_out_beside_others() -> None:
    assert list(sizes(asked((one("a", rate=0.0), one("b"))))) == ["b"]


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((500, 50), (500, 50)), ((900, 200), (824, 200)), ((10, 5000), (1, 1023)), ((9000, 9000), (1, 1023))],
)
def test_no_class_is_longer_than_the_model_reads(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    model = {"name": "meta-llama/Llama-3.1-8B-Instruct", "maxModelLen": 1024}

    request = asked((one(size=size),), model=model)

    assert sizes(request) == {"a": (*fitted, 2.0)}
    assert request.max_model_len == 1024
    assert request.notes == ()


def test_a_model_of_the_catalog_bounds_the_classes_too() -> None:
    assert sizes(asked((one(size=(200_000, 1000)),)))["a"][:2] == (131_072 - 1000, 1000)


MEASURED = [row(inputTokens=size, outputTokens=128) for size in (512, 2048)]


def test_classes_take_the_least_size_that_was_measured_and_holds_them() -> None:
    demand = (one("a", (500, 50), 2.0), one("b", (300, 120), 1.0), one("c", (600, 10), 0.5))

    request = asked(demand, performance={"measurements": MEASURED})

    assert isinstance(request.performance, Measured)
    assert sizes(request) == {"a": (512, 128, 3.0), "c": (2048, 128, 0.5)}


def test_classes_take_the_sizes_of_the_profile_that_the_request_names() -> None:
    around = Surroundings(profiles=(profile("own", MEASURED),))

    assert sizes(asked((one(),), around, performance={"profileRef": {"name": "own"}})) == {"a": (512, 128, 2.0)}


def test_a_class_that_no_row_holds_is_told() -> None:
    around = Surroundings(profiles=(profile("own", MEASURED),))

    with pytest.raises(SurroundingsError, match="no row of 5000"):
        asked((one(size=(5000, 10)),), around, performance={"profileRef": {"name": "own"}})


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"workload": {"demandFrom": PRESET}, "solver": {"method": "Weighted"}}, "spec.solver.method"),
        ({"workload": {"demandFrom": PRESET}, "objective": {"type": "Throughput"}}, "spec.objective.type"),
        ({"ramp": RAMP, "workload": SIZES, "objective": {"type": "Throughput"}}, "spec.objective.type"),
        ({"workload": {**SIZES, "requestsPerSecond": 1, "demandFrom": PRESET}}, "spec.workload.demandFrom"),
        ({"gates": {"revenuePerHourQuery": "a"}, "workload": SIZES, "solver": {"method": "Iterative"}}, "spec.solver"),
    ],
)
def test_what_a_live_request_cannot_ask_for_is_one_line(spec: Json, field: str) -> None:
    with pytest.raises(InvalidRequestError) as told:
        asked((one(),), **spec)

    assert told.value.field.startswith(field)


def test_a_live_request_is_valid_without_a_figure() -> None:
    body = small_request(workload={"demandFrom": PRESET}, performance={"measurements": MEASURED})

    assert validate(json.dumps(body), file="a.json").faults == ()


# ------------------------------------------------------------------------------------------------------- gates


def gates_of(given: Json, *policies: Json, live: Live = NO_LIVE) -> Gates:
    around = Surroundings(policies=tuple(policy(f"p-{at}", gates=each) for at, each in enumerate(policies)))
    return to_request(parse(small_request(gates=given)), around, live).gates


def test_a_stated_revenue_counts_by_the_token() -> None:
    found = gates_of({"maxCostToRevenueRatio": 0.3, "revenuePerMillionTokens": 8}, live=Live(revenue_per_hour=5.0))

    assert (found.max_cost_to_revenue_ratio, found.revenue) == (0.3, Revenue(per_million_tokens=8.0))


@pytest.mark.parametrize(
    ("in_force", "counted"),
    [(None, None), (0.0, 0.0), (81.23456789, 81.2346), (float("nan"), None), (float("inf"), None)],
)
def test_an_observed_revenue_counts_by_the_hour(in_force: float | None, counted: float | None) -> None:
    found = gates_of({"maxCostToRevenueRatio": 0.3, "revenuePerHourQuery": "a"}, live=Live(revenue_per_hour=in_force))

    assert found.revenue == Revenue(observed=True, per_hour=counted)


def test_a_figure_of_revenue_counts_only_where_it_is_asked_for() -> None:
    assert gates_of({}, live=Live(revenue_per_hour=5.0)).revenue is None


def test_the_strictest_limit_counts_and_its_policy_is_named() -> None:
    found = gates_of(
        {"maxCostToRevenueRatio": 0.3, "revenuePerMillionTokens": 8},
        {"maxCostToRevenueRatio": 0.2, "maxObservedCostDriftPercent": 50},
        {"maxCostToRevenueRatio": 0.25, "maxObservedCostDriftPercent": 0, "onUnknown": "Warn"},
    )

    assert (found.max_cost_to_revenue_ratio, found.max_observed_cost_drift_percent) == (0.2, 0.0)
    assert found.on_unknown is OnUnknown.BLOCK
    assert found.policies == (("CostToRevenueRatio", "p-0"), ("ObservedCostDrift", "p-1"))


def test_a_policy_cannot_loosen_a_request() -> None:
    found = gates_of({"maxCostToRevenueRatio": 0.1, "revenuePerMillionTokens": 8}, {"maxCostToRevenueRatio": 0.2})

    assert (found.max_cost_to_revenue_ratio, found.policies) == (0.1, ())
