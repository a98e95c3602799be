"""Requests with shared pools, demand, classes and policies on their way to the core."""

from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.api.surroundings import EMPTY, NoPoolsError, Surroundings, UnusablePool
from placewright.core.errors import InvalidRequestError
from placewright.core.identity import inputs_hash
from placewright.core.model import ReplicaBounds, Request, Slo, Stabilization, TrafficClass
from tests.support.fleet_resources import policy, shared_pool
from tests.support.resources import small_request

SERVING = {"poolSelector": {"matchLabels": {"tier": "serving"}}, "pools": None}
ONE = {"inputTokens": 1, "outputTokens": 1}


def around(**changes: Any) -> Surroundings:
    pools = {
        "l40s": shared_pool("l40s", labels={"tier": "serving"}, rooms=(4, 1)),
        "a100": shared_pool("a100", gpu="A100", labels={"tier": "serving", "zone": "a"}, price_per_gpu_hour=2.5),
        "old": shared_pool("old", gpu="V100", labels={"tier": "batch"}),
    }
    return Surroundings(**{"pools": pools, **changes})


def request_of(surroundings: Surroundings = EMPTY, **spec: Any) -> Request:
    return to_request(parse(small_request(**spec)), surroundings)


def test_a_selector_brings_the_shared_pools_with_all_their_facts_by_name() -> None:
    request = request_of(around(), **SERVING)

    assert [pool.name for pool in request.pools] == ["a100", "l40s"]
    assert request.pools == tuple(around().pools[name].pool for name in ("a100", "l40s"))
    assert request.in_fleet
    assert request.pools[1].rooms == (4, 1)


def test_the_stock_of_shared_pools_is_no_part_of_a_requests_inputs() -> None:
    emptier = {**around().pools, "l40s": shared_pool("l40s", labels={"tier": "serving"}, rooms=(1,))}
    dearer = {**around().pools, "l40s": shared_pool("l40s", labels={"tier": "serving"}, price_per_gpu_hour=9.0)}
    usual = inputs_hash(request_of(around(), **SERVING))

    assert inputs_hash(request_of(around(pools=emptier), **SERVING)) == usual
    assert inputs_hash(request_of(around(pools=dearer), **SERVING)) != usual


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        (
            {"matchLabels": {"tier": "none"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]},
            (
                r"^spec\.poolSelector: got no GPUPool with tier=none,zone, wants the labels of a GPUPool; there are"
                r" a100 \(tier=serving zone=a\), l40s \(tier=serving\), old \(tier=batch\), bad \(tier=broken\)$"
            ),
        ),
        (
            {"matchLabels": {"tier": "broken"}},
            r"^spec\.poolSelector: got only GPUPools that cannot be used \(bad: no price\), wants a GPUPool with us",
        ),
    ],
)
def test_a_selector_without_usable_pools_says_what_there_is(selector: dict[str, Any], said: str) -> None:
    broken = {"bad": UnusablePool(labels={"tier": "broken"}, reason="no price")}

    with pytest.raises(NoPoolsError, match=said):
        request_of(around(unusable=broken), poolSelector=selector, pools=None)


def test_a_selector_where_there_are_no_pools_at_all_says_so() -> None:
    with pytest.raises(NoPoolsError, match=r"^spec\.poolSelector: got no GPUPool with any labels, .*; there is none$"):
        request_of(poolSelector={}, pools=None)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"pools": None}, r"^spec\.pools: got nothing, wants exactly one of pools"),
        ({"poolSelector": {}}, r"^spec\.pools: got pools beside poolSelector, wants exactly one"),
        (
            {"workload": {**ONE, "requestsPerSecond": 1}, "solver": {"method": "Weighted"}},
            r"^spec\.solver\.method: got 'Weighted', wants Exact beside poolSelector, a demand, replicas, a ramp or",
        ),
        (
            {"replicas": {"min": 2}, "objective": {"type": "Throughput"}},
            r"^spec\.objective\.type: got 'Throughput', wants CostPerToken or Cost beside",
        ),
        ({"replicas": {"min": 3, "max": 2}}, r"^spec\.replicas\.max: got 2, wants at least min \(3\)$"),
        (
            {"workload": {"requestsPerSecond": 1, "outputTokens": 1}},
            r"^spec\.workload\.inputTokens: got nothing, wants a value, or classes or demandFrom.preset in its place$",
        ),
        (
            {"workload": {"requestsPerSecond": 1, "classes": [
                {"name": "a", "inputTokens": 1, "outputTokens": 1, "requestsPerSecond": 1}]}},
            r"^spec\.workload\.requestsPerSecond: got a value, wants nothing beside classes$",
        ),
        (
            {
                "model": {"name": "meta-llama/Llama-3.1-8B-Instruct", "maxModelLen": 100},
                "workload": {"classes": [
                    {"name": "a", "inputTokens": 1, "outputTokens": 1, "requestsPerSecond": 1},
                    {"name": "b", "inputTokens": 90, "outputTokens": 20, "requestsPerSecond": 1}]},
            },
            r"^spec\.model\.maxModelLen: got 100, wants at least classes\[1\]\.inputTokens \+ outputTokens \(110\)$",
        ),
        (
            {"workload": {"classes": [
                {"name": "a", "inputTokens": 131072, "outputTokens": 1, "requestsPerSecond": 1}]}},
            r"^spec\.workload\.classes\[0\]\.inputTokens \+ outputTokens: got 131073, wants at most the model's max",
        ),
    ],
)  # fmt: skip
def test_what_a_fleet_cannot_do_is_one_line(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        request_of(**spec)


def test_methods_that_prove_nothing_stay_for_requests_of_their_own() -> None:
    assert not request_of(solver={"method": "Weighted"}, objective={"type": "Weighted"}).in_fleet


def test_a_rate_alone_is_one_class_without_a_name() -> None:
    workload = request_of(workload={"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 4}).workload

    assert workload.classes == (TrafficClass(name="", input_tokens=1024, output_tokens=256, requests_per_second=4.0),)
    assert (workload.requests_per_second, workload.tokens_per_second) == (4.0, 5120.0)
    assert request_of().workload.classes == ()


CLASSES = [
    {"name": "summaries", "inputTokens": 8000, "outputTokens": 200, "requestsPerSecond": 0.5, "slo": {"ttft": "5s"}},
    {"name": "chat", "inputTokens": 500, "outputTokens": 300, "requestsPerSecond": 6},
    {"name": "batch", "inputTokens": 100, "outputTokens": 2000, "requestsPerSecond": 1, "slo": {"tpot": "1s"}},
]


def test_classes_come_by_name_with_their_targets_and_the_heaviest_sizes_the_workload() -> None:
    request = request_of(workload={"classes": CLASSES}, slo={"ttft": "2s", "tpot": "50ms"})

    assert [each.name for each in request.workload.classes] == ["batch", "chat", "summaries"]
    assert [each.slo for each in request.workload.classes] == [
        Slo(ttft_seconds=2.0, tpot_seconds=1.0),
        None,
        Slo(ttft_seconds=5.0, tpot_seconds=0.05),
    ]
    assert (request.workload.input_tokens, request.workload.output_tokens) == (500, 300)
    assert request.max_model_len == 8200


def test_the_heaviest_class_is_told_in_the_tokens_that_count() -> None:
    workload = request_of(workload={"classes": CLASSES, "tokenBasis": "Output"}).workload

    assert (workload.input_tokens, workload.output_tokens) == (100, 2000)


def test_the_order_of_classes_does_not_matter() -> None:
    first, second = (request_of(workload={"classes": order}, slo={"ttft": "2s"}) for order in (CLASSES, CLASSES[::-1]))

    assert first == second


def test_a_given_length_wins_over_the_longest_class() -> None:
    model = {"name": "meta-llama/Llama-3.1-8B-Instruct", "maxModelLen": 16384}

    assert request_of(model=model, workload={"classes": CLASSES}).max_model_len == 16384


def test_priority_replicas_and_stabilization_arrive() -> None:
    request = request_of(
        priority=7,
        replicas={"min": 1, "max": 9},
        stabilization={"minSavingsPercent": 12.5, "minDwell": "1h30m", "loadTime": "90s"},
    )

    assert request.priority == 7
    assert request.replicas == ReplicaBounds(min=1, max=9)
    assert request.stabilization == Stabilization(min_savings_percent=12.5, min_dwell_seconds=5400.0, load_seconds=90.0)
    assert request_of().stabilization == Stabilization()
    assert request_of().replicas == ReplicaBounds()


def test_a_policy_limits_gates_and_prices_pools_that_have_no_price() -> None:
    unpriced = {"name": "mine", "gpu": "NVIDIA-L40S", "nodes": 1, "gpusPerNode": 4}
    rules = policy(gates={"maxCostPerHour": 30}, prices=[{"gpu": "L40S", "pricePerGPUHour": 1.15}])
    request = request_of(Surroundings(policies=(rules,)), pools=[unpriced], gates={"maxCostPerHour": 40})

    assert (request.gates.max_cost_per_hour, request.gates.policies) == (30, (("CostPerHour", "default"),))
    assert request.pools[0].price_per_gpu_hour == 1.15
    assert request.notes == ("pool mine has the price of a PlacementPolicy, $1.15 per GPU and hour",)
    assert request_of(Surroundings(policies=(rules,))).pools[0].price_per_gpu_hour == 1.2


def test_a_price_for_spot_says_nothing_of_a_pool_that_does_not_say_what_it_is() -> None:
    unpriced = {"name": "mine", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4}
    spot = policy(prices=[{"gpu": "L40S", "capacityType": "Spot", "pricePerGPUHour": 0.4}])

    assert request_of(Surroundings(policies=(spot,)), pools=[unpriced]).pools[0].price_per_gpu_hour is None
