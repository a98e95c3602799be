"""What is kept of Nodes and Pods is enough, and little; and observing stays fast."""

import json
import time
import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.kube.inventory import observe_pools, trim_node, trim_pod
from tests.support.fleet_nodes import (
    H100,
    L40S,
    NOW,
    Json,
    container,
    gpu_node,
    gpu_pod,
    gpu_pool,
    price_policy,
)

KEY = "placewright.dev/price-per-gpu-hour"


def noisy(resource: Json) -> Json:
    """The same with everything that the API server adds."""
    resource = json.loads(json.dumps(resource))
    resource["metadata"] |= {
        "uid": "8d9c",
        "resourceVersion": "123",
        "managedFields": [{"manager": "kubelet", "fieldsV1": {}}],
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    resource["metadata"].setdefault("annotations", {})["volumes.kubernetes.io/attach"] = "true"
    resource["status"]["hostIP"] = "10.0.0.1"
    return resource  # type: ignore[no-any-return]


def test_what_is_kept_of_a_node() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    node = noisy(gpu_node("n1", {**L40S, "nvidia.com/gfd.timestamp": "1"}, annotations={KEY: "2"}, taints=[taint]))
    assert trim_node(node) == {
        "metadata": {"name": "n1", "labels": {"pool": "l40s", **L40S}, "annotations": {KEY: "2"}},
        "spec": {"taints": [taint]},
        "status": {"allocatable": {"nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def test_what_is_kept_of_a_pod() -> None:
    pod = noisy(gpu_pod(2, init=[container(1, sidecar=True), container()]))
    assert trim_pod(pod) == {
        "metadata": {"namespace": "other", "name": "theirs"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"resources": {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}}],
            "initContainers": [
                {
                    "resources": {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}},
                    "restartPolicy": "Always",
                }
            ],
        },
        "status": {"phase": "Running"},
    }


def test_nothing_is_kept_of_pods_that_take_nothing_from_a_pool() -> None:
    assert trim_pod(gpu_pod(0)) is None
    assert trim_pod(gpu_pod(1, node=None)) is None
    assert trim_pod(gpu_pod(1, phase="Succeeded")) is None
    assert trim_pod(gpu_pod(1, labels={"placewright.dev/request": "chat"})) is None


def test_a_heartbeat_is_no_news() -> None:
    before, after = noisy(gpu_node()), noisy(gpu_node())
    after["metadata"]["resourceVersion"] = "124"
    after["status"]["conditions"][1]["lastHeartbeatTime"] = "2026-11-21T10:00:10Z"
    assert trim_node(before) == trim_node(after)


def test_inputs_are_not_changed() -> None:
    node, pod = noisy(gpu_node(annotations={KEY: "2"})), noisy(gpu_pod(2))
    kept = json.dumps([node, pod])
    trim_node(node)
    trim_pod(pod)
    assert json.dumps([node, pod]) == kept


LABELS = st.sampled_from([L40S, H100, {}, {**L40S, "nvidia.com/gpu.replicas": "2"}, {**L40S, KEY: "x"}])
NODES = st.builds(
    gpu_node,
    st.sampled_from("abcdef"),
    LABELS,
    gpus=st.sampled_from([0, 4, 8]),
    ready=st.sampled_from(["True", "False"]),
    unschedulable=st.booleans(),
    annotations=st.sampled_from([None, {KEY: "2"}, {KEY: "-1"}]),
    taints=st.sampled_from([(), ({"key": "dedicated", "value": "db", "effect": "NoSchedule"},)]),
)
PODS = st.builds(
    gpu_pod,
    st.integers(0, 6),
    node=st.sampled_from(["a", "b", "c", None]),
    phase=st.sampled_from(["Running", "Pending", "Succeeded", "Failed"]),
    labels=st.sampled_from([{}, {"placewright.dev/request": "chat"}]),
    init=st.lists(st.builds(container, st.integers(0, 4), sidecar=st.booleans()), max_size=2),
)
POOLS = [
    gpu_pool(),
    gpu_pool("whole", billing="PerNode", gpu="L40S", nodeSelector={"matchLabels": {"pool": "l40s"}}),
    gpu_pool("any", pricePerGPUHour=None, nodeSelector={}, gpu="H100", tolerations=[{"operator": "Exists"}]),
]


@settings(deadline=None)
@given(
    nodes=st.lists(NODES, max_size=6, unique_by=lambda node: node["metadata"]["name"]),
    pods=st.lists(PODS, max_size=6),
)
def test_trimmed_objects_give_the_same_pools_and_never_more_than_there_is(nodes: list[Json], pods: list[Json]) -> None:
    policies = [price_policy({"gpu": "H100", "zone": "a", "pricePerGPUHour": 3.0})]
    whole = observe_pools(POOLS, policies, [noisy(node) for node in nodes], [noisy(pod) for pod in pods], now=NOW)
    trimmed: list[Json] = [kept for pod in pods if (kept := trim_pod(pod)) is not None]
    assert observe_pools(POOLS, policies, [trim_node(node) for node in nodes], trimmed, now=NOW) == whole

    size = {node["metadata"]["name"]: int(node["status"]["allocatable"].get("nvidia.com/gpu", 0)) for node in nodes}
    used = [name for found in whole for name in found.node_names]
    assert len(used) == len(set(used))  # no Node is in two pools
    for found in whole:
        if found.pool is None:
            assert (found.capacity, found.node_names) == (0, ())
            continue
        rooms = found.pool.free_by_node
        assert len(rooms) == len(found.node_names) == found.pool.nodes
        assert sum(rooms) == found.capacity
        assert list(rooms) == sorted(rooms, reverse=True)
        assert all(0 < free <= size[name] for free, name in zip(rooms, found.node_names, strict=True))
        assert all(free <= found.pool.gpus_per_node for free in rooms)
        assert {name for name, _ in found.left_out}.isdisjoint(found.node_names)


def test_a_large_cluster_is_observed_quickly() -> None:
    more = {f"feature.node.kubernetes.io/cpu-{index}": "true" for index in range(60)}
    nodes = [trim_node(gpu_node(f"n{index}", {**L40S, **more}, pool=f"p{index % 20}")) for index in range(1000)]
    pods: list[Any] = [gpu_pod(1 if index % 4 == 0 else 0, node=f"n{index % 1000}") for index in range(20_000)]
    pods = [kept for pod in pods if (kept := trim_pod(pod)) is not None]
    pools = [gpu_pool(f"p{index}") for index in range(20)]
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        found = observe_pools(pools, (), nodes, pods, now=NOW)
        seconds.append(time.process_time() - begin)
    assert sum(each.capacity for each in found) == 750 * 8  # every fourth Node is full
    assert min(seconds) < 0.3


def test_a_large_cluster_takes_little_memory() -> None:
    more = {f"feature.node.kubernetes.io/cpu-{index}": "true" for index in range(60)}
    node = json.dumps(gpu_node("n", {**L40S, **more}))
    pod = json.dumps(noisy(gpu_pod(2, init=[container(1)])))
    tracemalloc.start()
    try:
        kept: list[Any] = [trim_node(json.loads(node.replace('"n"', f'"n{index}"'))) for index in range(1000)]
        kept += [trim_pod(json.loads(pod.replace("theirs", f"pod-{index}"))) for index in range(4_000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 5_000
    assert taken < 24 * 2**20  # so that 1,000 Nodes and 20,000 Pods, all of them with GPUs, take well under 100 MiB
