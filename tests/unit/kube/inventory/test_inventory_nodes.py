"""Which Nodes a pool finds, what is free on them, and what keeps a Node out."""

from typing import Any

import pytest

from placewright.api.conditions import Condition
from placewright.core.model import Billing
from placewright.kube.inventory import observe_pools
from tests.support.fleet_nodes import (
    H100,
    L40S,
    NOW,
    Json,
    gpu_node,
    gpu_pod,
    gpu_pool,
    left_out,
    message,
    observe,
    reasons,
)


def test_free_gpus_of_each_node_largest_first_and_by_name() -> None:
    nodes = [gpu_node("c"), gpu_node("a"), gpu_node("b", gpus=4), gpu_node("elsewhere", pool="other")]
    found = observe(gpu_pool(labels={"tier": "serving"}), nodes, [gpu_pod(3, node="a")])

    assert found.pool is not None
    assert found.pool.rooms == (8, 5, 4)
    assert found.node_names == ("c", "a", "b")
    assert (found.pool.nodes, found.pool.gpus_per_node, found.pool.gpus) == (3, 8, 17)
    assert (found.capacity, found.held_by_others, found.left_out) == (17, 3, ())
    assert (found.name, found.labels, found.generation) == ("l40s", {"tier": "serving"}, 3)
    assert (found.pool.shared, found.pool.gpu.name, found.pool.price_per_gpu_hour) == (True, "L40S", 1.2)
    assert found.conditions == (
        Condition(
            type="Ready",
            status="True",
            reason="NodesFound",
            message="17 L40S on 3 Nodes at $1.2 per GPU and hour (Spec)",
        ),
    )


def test_selector_terms_and_cpu_nodes() -> None:
    selector = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["l40s", "cpu"]}]}
    cpu = gpu_node("cpu-1", {}, pool="cpu", gpus=0)
    found = observe(gpu_pool(nodeSelector=selector), [gpu_node("n1"), cpu])
    assert found.node_names == ("n1",)
    assert found.left_out == ()


def test_the_order_of_nodes_pods_and_pools_does_not_matter() -> None:
    nodes = [gpu_node(f"n{index}", gpus=1 + index % 4) for index in range(9)]
    pods = [gpu_pod(1, node=f"n{index}") for index in range(5)]
    pools = [gpu_pool(), gpu_pool("none")]
    one = observe_pools(pools, (), nodes, pods, now=NOW)
    other = observe_pools(pools[::-1], (), nodes[::-1], pods[::-1], now=NOW)
    assert one == other[::-1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unschedulable": True}, "Cordoned"),
        ({"ready": "False"}, "NotReady"),
        ({"ready": "Unknown"}, "NotReady"),
        ({"gpus": 0}, "NoGPUs: none is allocatable; does the device plugin run?"),
        (
            {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]},
            "Tainted: dedicated=db:NoSchedule is not tolerated",
        ),
        ({"taints": [{"key": "evict", "effect": "NoExecute"}]}, "Tainted: evict:NoExecute is not tolerated"),
        ({"labels": H100}, "OtherGPU: H100, the pool is for L40S"),
        (
            {"labels": {**L40S, "nvidia.com/gpu.product": "NVIDIA-L40S-SHARED"}},
            "SharedGPUs: NVIDIA-L40S-SHARED",
        ),
        ({"labels": {**L40S, "nvidia.com/gpu.replicas": "4"}}, "SharedGPUs: nvidia.com/gpu.replicas=4"),
        (
            {"labels": {**L40S, "nvidia.com/gpu.sharing-strategy": "mps"}},
            "SharedGPUs: nvidia.com/gpu.sharing-strategy=mps",
        ),
        (
            {"labels": {**L40S, "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing"}},
            "SharedGPUs: cloud.google.com/gke-gpu-sharing-strategy=time-sharing",
        ),
        (
            {"labels": {**L40S, "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}},
            "MIG: NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
        ),
        (
            {"allocatable": {"nvidia.com/gpu": "4", "nvidia.com/mig-1g.5gb": "7"}},
            "MIG: nvidia.com/mig-1g.5gb is allocatable",
        ),
        ({"labels": {**L40S, "nvidia.com/mig-3g.20gb.count": "2"}}, "MIG: nvidia.com/mig-3g.20gb.count=2"),
        (
            {"labels": {**L40S, "cloud.google.com/gke-gpu-partition-size": "1g.5gb"}},
            "MIG: cloud.google.com/gke-gpu-partition-size=1g.5gb",
        ),
        (
            {"allocatable": {"nvidia.com/gpu": "4", "amd.com/gpu": "4"}},
            "SeveralMakers: nvidia.com/gpu and amd.com/gpu on one Node",
        ),
        ({"allocatable": {"nvidia.com/gpu.shared": "32"}}, "SharedGPUs: nvidia.com/gpu.shared is allocatable"),
        (
            {"labels": {}, "allocatable": {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.5gb": "56"}},
            "MIG: nvidia.com/mig-1g.5gb is allocatable",
        ),
    ],
)
def test_what_keeps_a_node_out(change: dict[str, Any], reason: str) -> None:
    found = observe(gpu_pool(gpu="L40S"), [gpu_node("good"), gpu_node("bad", **change)])
    assert left_out(found) == {"bad": reason}
    assert found.node_names == ("good",)
    assert reasons(found)[0] == "NodesFound"


def test_a_node_that_is_being_deleted_is_left_out() -> None:
    bad = gpu_node("bad")
    bad["metadata"]["deletionTimestamp"] = "2026-11-21T09:59:00Z"
    assert left_out(observe(gpu_pool(), [gpu_node("good"), bad])) == {"bad": "Deleting"}


@pytest.mark.parametrize(
    "labels",
    [
        {"nvidia.com/mig.strategy": "single", "nvidia.com/mig.capable": "true"},  # the GPU operator's default
        {"nvidia.com/mig.strategy": "mixed", "nvidia.com/mig-1g.5gb.count": "0"},
        {"nvidia.com/gpu.sharing-strategy": "none", "nvidia.com/gpu.replicas": "1"},
        {"amd.com/compute-memory-partition": "spx_nps1"},
    ],
)
def test_labels_that_only_name_a_way_of_sharing_keep_nobody_out(labels: dict[str, str]) -> None:
    assert observe(gpu_pool(), [gpu_node("n1", {**L40S, **labels})]).node_names == ("n1",)


def test_a_partitioned_amd_gpu_is_kept_out() -> None:
    labels = {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/compute-memory-partition": "cpx_nps4"}
    found = observe(gpu_pool(), [gpu_node("n1", labels, allocatable={"amd.com/gpu": "64"})])
    assert left_out(found) == {"n1": "Partitioned: amd.com/compute-memory-partition=cpx_nps4"}


@pytest.mark.parametrize(
    ("tolerations", "taint", "usable"),
    [
        ([], {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, True),
        ([], {"key": "amd.com/gpu", "effect": "NoSchedule"}, True),
        ([], {"key": "nvidia.com/gpu", "value": "present", "effect": "NoExecute"}, False),
        ([], {"key": "a", "value": "b", "effect": "PreferNoSchedule"}, True),
        ([], {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}, True),
        ([], {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}, False),
        ([{"operator": "Exists"}], {"key": "a", "value": "b", "effect": "NoExecute"}, True),
        ([{"key": "a", "operator": "Exists"}], {"key": "a", "value": "b", "effect": "NoSchedule"}, True),
        ([{"key": "a", "value": "b"}], {"key": "a", "value": "b", "effect": "NoSchedule"}, True),
        ([{"key": "a", "operator": "Equal", "value": "c"}], {"key": "a", "value": "b", "effect": "NoSchedule"}, False),
        ([{"key": "a"}], {"key": "a", "effect": "NoSchedule"}, True),
        (
            [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
            {"key": "a", "value": "b", "effect": "NoExecute"},
            False,
        ),
    ],
)
def test_tolerations_match_as_kubernetes_matches_them(tolerations: list[Json], taint: Json, *, usable: bool) -> None:
    found = observe(gpu_pool(tolerations=tolerations), [gpu_node("n1", taints=[taint])])
    assert (found.node_names == ("n1",)) == usable


# ------------------------------------------------------------------------------------------------ empty pools


def test_a_selector_that_matches_nothing_keeps_the_kind_that_the_spec_names() -> None:
    found = observe(gpu_pool(gpu="L40S"), [gpu_node("n1", pool="other")])
    assert reasons(found) == ["NoNodesMatch", "NoNodesMatch"]
    assert message(found, "NoNodesMatch") == "spec.nodeSelector: no Node has these labels"
    assert found.pool is not None
    assert (found.pool.nodes, found.pool.gpus, found.pool.rooms, found.pool.gpus_per_node) == (0, 0, (), 8)
    assert found.pool.price_per_gpu_hour == 1.2


def test_a_selector_that_matches_nothing_has_no_pool_when_nobody_names_the_kind() -> None:
    found = observe(gpu_pool(), [gpu_node("n1", {}, gpus=0)])
    assert found.pool is None
    assert message(found, "Ready") == "spec.nodeSelector: 1 Node match, and nothing on them points to GPUs"


@pytest.mark.parametrize(
    "change",
    [
        {"unschedulable": True},
        {"ready": "False"},
        {"gpus": 0},
        {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]},
    ],
)
def test_with_no_usable_node_the_kind_and_size_of_the_others_stay_known(change: dict[str, Any]) -> None:
    found = observe(gpu_pool(), [gpu_node("n1", {**L40S, "nvidia.com/gpu.count": "4"}, **{"gpus": 4, **change})])
    assert reasons(found) == ["NoUsableNodes"]
    assert found.pool is not None
    assert (found.pool.gpu.name, found.pool.nodes, found.pool.gpus_per_node, found.capacity) == ("L40S", 0, 4, 0)


def test_a_node_whose_gpus_are_all_held_is_left_out_and_counted() -> None:
    found = observe(gpu_pool(), [gpu_node("n1"), gpu_node("n2")], [gpu_pod(9, node="n1"), gpu_pod(2, node="n2")])
    assert left_out(found) == {"n1": "HeldByOthers: 8 of 8 GPUs"}
    assert (found.capacity, found.held_by_others) == (6, 10)


# ------------------------------------------------------------------------------------------ kinds and claims


def test_several_kinds_are_not_used_unless_the_spec_names_one() -> None:
    nodes = [gpu_node("a"), gpu_node("b", H100)]
    mixed = observe(gpu_pool(), nodes)
    assert mixed.pool is None
    assert reasons(mixed) == ["MixedGPUs", "MixedGPUs"]
    assert message(mixed, "MixedGPUs") == ("H100 on b; L40S on a: name one in spec.gpu, or narrow spec.nodeSelector")
    assert left_out(mixed) == {"a": "MixedGPUs: L40S", "b": "MixedGPUs: H100"}

    named = observe(gpu_pool(gpu="NVIDIA-H100-80GB-HBM3"), nodes)
    assert named.pool is not None
    assert (named.pool.gpu.name, named.node_names) == ("H100", ("b",))


def test_a_pool_is_mixed_also_while_a_node_of_the_other_kind_is_away() -> None:
    # Otherwise all plans would have to move each time that the other Node comes and goes.
    assert observe(gpu_pool(), [gpu_node("a"), gpu_node("b", H100, ready="False")]).pool is None


def test_a_node_that_can_never_be_used_does_not_mix_a_pool() -> None:
    sliced = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}
    found = observe(gpu_pool(), [gpu_node("a"), gpu_node("b", sliced), gpu_node("c", sliced, ready="False")])
    assert found.node_names == ("a",)


def test_a_node_that_two_pools_claim_is_in_neither_and_their_others_count() -> None:
    by_zone = gpu_pool("zone-a", nodeSelector={"matchLabels": {"zone": "a"}})
    nodes = [gpu_node("n1"), gpu_node("n2", {**L40S, "zone": "a"}), gpu_node("n3", {**L40S, "zone": "a"}, pool="x")]
    one, other = observe_pools([gpu_pool(), by_zone], (), nodes, (), now=NOW)

    assert (one.node_names, other.node_names) == (("n1",), ("n3",))
    assert reasons(one) == ["NodesFound", "NodesClaimedTwice"]
    assert message(one, "NodesClaimedTwice") == "in no pool until only one claims it: n2 (also zone-a)"
    assert message(other, "NodesClaimedTwice") == "in no pool until only one claims it: n2 (also l40s)"
    assert left_out(one) == {"n2": "NodesClaimedTwice: also by zone-a"}


def test_pools_of_different_kinds_may_select_the_same_nodes() -> None:
    everything: Json = {"matchLabels": {"pool": "gpu"}}
    pools = [
        gpu_pool("l40s", gpu="L40S", nodeSelector=everything),
        gpu_pool("h100", gpu="H100", nodeSelector=everything),
    ]
    nodes = [gpu_node("a", pool="gpu"), gpu_node("b", H100, pool="gpu")]
    one, other = observe_pools(pools, (), nodes, (), now=NOW)
    assert (one.node_names, other.node_names) == (("a",), ("b",))


def test_a_pool_whose_nodes_are_all_claimed_twice_is_not_ready() -> None:
    twin = gpu_pool("twin", nodeSelector={"matchLabels": {"pool": "l40s"}})
    one, _ = observe_pools([gpu_pool(), twin], (), [gpu_node("n1")], (), now=NOW)
    assert reasons(one) == ["NodesClaimedTwice", "NodesClaimedTwice"]
    assert one.pool is not None
    assert (one.pool.nodes, one.pool.gpus_per_node) == (0, 8)


# ------------------------------------------------------------------------------------------------ whole nodes


def test_whole_nodes_are_wholly_free_and_of_the_most_common_size() -> None:
    nodes = [gpu_node("a"), gpu_node("b"), gpu_node("c", gpus=4), gpu_node("d")]
    found = observe(gpu_pool(billing="PerNode"), nodes, [gpu_pod(1, node="b")])
    assert found.pool is not None
    assert found.pool.billing is Billing.PER_NODE
    assert (found.pool.rooms, found.pool.gpus_per_node, found.node_names) == ((8, 8), 8, ("a", "d"))
    assert left_out(found) == {
        "b": "HeldByOthers: 1 of 8 GPUs",
        "c": "OddSize: 4 GPUs, whole nodes of the pool have 8",
    }


# --------------------------------------------------------------------------------------------- declared stock


def test_declared_stock_needs_no_nodes() -> None:
    pool = gpu_pool(nodeSelector=None, gpu="l40s", stock={"nodes": 4, "gpusPerNode": 8})
    found = observe(pool, [gpu_node("n1")], [gpu_pod(4)])
    assert found.pool is not None
    assert (found.pool.nodes, found.pool.gpus_per_node, found.pool.rooms) == (4, 8, None)
    assert (found.capacity, found.held_by_others, found.node_names, found.left_out) == (32, 0, (), ())
    assert reasons(found) == ["StockDeclared"]
    assert (found.pool.gpu.name, found.pool.shared, found.pool.intra_node_gbps) == ("L40S", True, 20)


def test_an_unknown_gpu_in_the_spec_is_named_and_the_other_pools_are_found() -> None:
    bad = gpu_pool("bad", nodeSelector=None, gpu="L40SS", stock={"nodes": 1, "gpusPerNode": 1})
    one, other = observe_pools([bad, gpu_pool()], (), [gpu_node("n1")], (), now=NOW)
    assert one.pool is None
    assert reasons(one) == ["UnknownGPU", "UnknownGPU"]
    assert message(one, "Ready").startswith("spec.gpu: got 'L40SS', wants L40S")
    assert other.node_names == ("n1",)


def test_an_unknown_gpu_beside_a_node_selector_is_named_too() -> None:
    found = observe(gpu_pool(gpu="nonsense"), [gpu_node("n1")])
    assert found.pool is None
    assert reasons(found)[0] == "UnknownGPU"


@pytest.mark.parametrize(("count", "shown"), [(5, "n4"), (9, "and 4 more")])
def test_long_lists_are_cut(count: int, shown: str) -> None:
    nodes = [gpu_node(f"n{index}", unschedulable=True) for index in range(count)]
    assert shown in message(observe(gpu_pool(), nodes), "Ready")
