"""Pods stand where the inventory counts the GPUs of their pool, and nowhere else."""

from typing import Any

import pytest

from placewright import catalog
from placewright.api.gpu_pool import GPUPool
from placewright.core.model import Assignment
from placewright.kube.manifests import Site
from placewright.kube.manifests.placing import node_affinity
from placewright.kube.manifests.sites import sites_of
from tests.support.builders import a_pool, a_request
from tests.support.fleet_nodes import gpu_node, gpu_pool, observe
from tests.support.renders import a_site


def takes(site: Site, labels: dict[str, str]) -> bool:
    """Whether the scheduler would put a Pod on a Node with these labels."""
    terms = node_affinity(site)["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return any(all(holds(each, labels) for each in term["matchExpressions"]) for term in terms)


def holds(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
    assert expression["operator"] == "DoesNotExist"
    return value is None


NODES: list[dict[str, str]] = [
    {"nvidia.com/gpu.product": "NVIDIA-L40S"},
    {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
    {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
    {"nvidia.com/gpu.product": "NVIDIA-A100-PCIE-40GB"},
    {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    {"nvidia.com/gpu.product": "Tesla-T4"},
    {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"},
    {"beta.amd.com/gpu.product-name": "AMD_Instinct_MI325_OAM"},
    {"cloud.google.com/gke-accelerator": "nvidia-h100-mega-80gb"},
    {"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"},
    {"karpenter.k8s.aws/instance-gpu-name": "l40s"},
]


@pytest.mark.parametrize("labels", NODES, ids=lambda labels: next(iter(labels.values())))
def test_a_node_that_names_its_gpu_is_found_by_that_gpu_alone(labels: dict[str, str]) -> None:
    """What the inventory reads as a GPU is what a Pod for that GPU looks for."""
    observed = observe(gpu_pool(), [gpu_node("n1", labels)]).pool
    assert observed is not None
    for gpu in catalog.gpu_keys():
        vendor = catalog.gpu(gpu).vendor
        found = takes(a_site(gpu=gpu, vendor=vendor), labels)
        assert found == (gpu == observed.gpu.name)


def test_every_gpu_of_the_catalog_has_a_label_that_names_it() -> None:
    for gpu in catalog.gpu_keys():
        assert node_affinity(a_site(gpu=gpu, vendor=catalog.gpu(gpu).vendor))


def test_a_value_for_two_gpus_is_no_label_of_one() -> None:
    assert not takes(a_site(gpu="A100"), {"karpenter.k8s.aws/instance-gpu-name": "a100"})


def pool(**spec: Any) -> GPUPool:
    body = {"apiVersion": "placewright.dev/v1alpha1", "kind": "GPUPool", "metadata": {"name": "a"}, "spec": spec}
    return GPUPool.model_validate(body)


SELECTOR = {"matchLabels": {"pool": "x"}, "matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["b"]}]}


def site(**spec: Any) -> Site:
    request = a_request((a_pool(shared=True, nodes=2, gpus_per_node=4),))
    return sites_of(request, [pool(**spec)])["a"]


def test_a_selector_alone_decides_where_the_pool_does_not_name_its_gpu() -> None:
    given = site(nodeSelector=SELECTOR)
    assert takes(given, {"pool": "x"})
    assert takes(given, {"pool": "x", "nvidia.com/gpu.product": "NVIDIA-L40S"})
    assert not takes(given, {"pool": "x", "zone": "b"})
    assert not takes(given, {"pool": "y"})


def test_a_pool_that_names_its_gpu_keeps_others_out() -> None:
    given = site(nodeSelector=SELECTOR, gpu="A100")
    assert takes(given, {"pool": "x", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"})
    assert takes(given, {"pool": "x", "karpenter.k8s.aws/instance-gpu-name": "a100"})
    assert takes(given, {"pool": "x"})  # says nothing of its GPU
    assert not takes(given, {"pool": "x", "nvidia.com/gpu.product": "NVIDIA-L40S"})
    assert not takes(given, {"pool": "y", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"})


def test_declared_stock_is_found_by_its_gpu() -> None:
    given = site(gpu="A100", stock={"nodes": 2, "gpusPerNode": 4}, pricePerGPUHour=2.0)
    assert takes(given, {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"})
    assert not takes(given, {"nvidia.com/gpu.product": "NVIDIA-L40S"})
    assert given.rooms == (4, 4)


def test_only_what_the_fleet_promised_is_room() -> None:
    request = a_request((a_pool(shared=True, nodes=3, gpus_per_node=4),), namespace="serving")
    promised = [
        Assignment(namespace="serving", name=name, entry=0, copy=0, stage=stage, pool="a", node=node, gpus=2)
        for name, stage, node in ((request.name, 0, 0), (request.name, 1, 0), (request.name, 2, 2), ("other", 0, 1))
    ]
    assert sites_of(request, [], promised)["a"].rooms == (4, 2)


def test_a_private_pool_has_the_name_of_a_shared_one_and_not_its_nodes() -> None:
    request = a_request((a_pool(nodes=1, gpus_per_node=4),))
    assert sites_of(request, [pool(nodeSelector=SELECTOR)])["a"].selector is None
