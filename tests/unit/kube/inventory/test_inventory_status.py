"""The status of a GPUPool: what stands in it, and that it only changes when something did."""

from dataclasses import replace
from datetime import timedelta

from placewright.api.gpu_pool import GPUPoolStatus
from placewright.core.model import NodeValue
from placewright.kube.inventory import pool_status
from tests.support.fleet_nodes import H100, L40S, NOW, Json, gpu_node, gpu_pod, gpu_pool, observe

KEY = "placewright.dev/price-per-gpu-hour"


def conditions(status: Json) -> dict[str, Json]:
    return {entry["type"]: entry for entry in status["conditions"]}


def test_everything_of_a_pool_in_use() -> None:
    nodes = [gpu_node("a", {**L40S, "node.kubernetes.io/instance-type": "g6e.48xlarge"}), gpu_node("b", ready="False")]
    found = observe(gpu_pool(pricePerGPUHour=None), nodes, [gpu_pod(2, node="a")])
    value = NodeValue(places=(("serving", "chat"),), saving_cost_per_hour=1.23456789, exact=True)
    taken = {("serving", "small"): 1, ("serving", "large"): 4, ("dev", "none"): 0, ("dev", "small"): 1}

    assert pool_status(found, taken, None, NOW, one_more_node=value) == {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-11-21T10:00:00Z",
                "reason": "NodesFound",
                "message": "6 L40S on 1 Node at $3.7664 per GPU and hour (g6e.48xlarge in us-east-1)",
            }
        ],
        "gpu": "L40S",
        "nodes": 1,
        "gpusPerNode": 8,
        "capacity": 6,
        "allocated": 6,
        "free": 0,
        "heldByOthers": 2,
        "price": {"perGPUHour": 3.7664, "source": "InstanceTypes", "asOf": "2026-01-19T00:00:00Z"},
        "allocations": [
            {"namespace": "serving", "name": "large", "gpus": 4},
            {"namespace": "dev", "name": "small", "gpus": 1},
            {"namespace": "serving", "name": "small", "gpus": 1},
        ],
        "leftOut": [{"node": "b", "reason": "NotReady"}],
        "leftOutCount": 1,
        "oneMoreNode": {"savingCostPerHour": 1.23457, "places": ["serving/chat"], "exact": True},
    }


def test_only_fields_of_the_kind_and_all_of_their_types() -> None:
    found = observe(gpu_pool(), [gpu_node("a"), gpu_node("b", H100)])
    value = NodeValue(places=tuple(("n", str(index)) for index in range(99)), saving_cost_per_hour=0.0, exact=False)
    for each in (found, observe(gpu_pool(gpu="H100"), [gpu_node("b", H100)])):
        status = pool_status(each, {("n", "a"): 2}, None, NOW, one_more_node=value)
        assert set(status) <= {field.alias for field in GPUPoolStatus.model_fields.values()}
        read = GPUPoolStatus.model_validate(status, strict=True)
        assert read.capacity == each.capacity
        assert len(status["oneMoreNode"]["places"]) == 10


def test_a_pool_that_cannot_be_used_has_neither_kind_nor_price() -> None:
    status = pool_status(observe(gpu_pool(), [gpu_node("a"), gpu_node("b", H100)]), {}, None, NOW)
    assert {"gpu", "nodes", "price"}.isdisjoint(status)
    assert (status["capacity"], status["free"]) == (0, 0)
    assert conditions(status)["Ready"]["reason"] == "MixedGPUs"


def test_a_status_without_news_equals_the_one_before() -> None:
    found = observe(gpu_pool(), [gpu_node("a"), gpu_node("b", unschedulable=True)])
    first = pool_status(found, {("n", "a"): 2}, None, NOW)
    later = pool_status(found, {("n", "a"): 2}, first, NOW + timedelta(hours=3))
    assert later == first


def test_transition_times_move_with_the_status_of_a_condition_only() -> None:
    first = pool_status(observe(gpu_pool(), [gpu_node("a")]), {}, None, NOW)
    more = observe(gpu_pool(), [gpu_node("a"), gpu_node("b")])
    second = pool_status(more, {}, first, NOW + timedelta(minutes=1))
    assert conditions(second)["Ready"]["message"] != conditions(first)["Ready"]["message"]
    assert conditions(second)["Ready"]["lastTransitionTime"] == "2026-11-21T10:00:00Z"

    gone = pool_status(observe(gpu_pool(), []), {}, second, NOW + timedelta(minutes=2))
    assert conditions(gone)["Ready"]["lastTransitionTime"] == "2026-11-21T10:02:00Z"
    assert conditions(gone)["NoNodesMatch"]["status"] == "True"


def test_plans_that_take_more_than_there_is_leave_nothing_free() -> None:
    status = pool_status(observe(gpu_pool(), [gpu_node("a")]), {("n", "a"): 12}, None, NOW)
    assert (status["capacity"], status["allocated"], status["free"]) == (8, 12, 0)


def test_long_lists_are_cut_and_counted() -> None:
    found = observe(gpu_pool(), [gpu_node(f"n{index:03}", unschedulable=True) for index in range(70)])
    many = {("n", f"r{index:04}"): 1 for index in range(1200)}
    status = pool_status(replace(found, capacity=5000), many, None, NOW)
    assert (len(status["leftOut"]), status["leftOutCount"]) == (50, 70)
    assert (len(status["allocations"]), status["allocated"], status["free"]) == (1000, 1200, 3800)
