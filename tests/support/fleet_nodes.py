"""GPUPools, PlacementPolicies, Nodes and Pods for tests of the inventory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from placewright.api.gpu_pool import GPUPool
from placewright.api.parse import parse_policy, parse_pool
from placewright.api.placement_policy import PlacementPolicy
from placewright.kube.inventory import ObservedPool, observe_pools

Json = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
API_VERSION = "placewright.dev/v1alpha1"
L40S = {"nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.memory": "46068", "nvidia.com/gpu.count": "8"}
H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}


def gpu_pool(name: str = "l40s", *, labels: Mapping[str, str] | None = None, **spec: Any) -> GPUPool:
    """A pool of the Nodes with the label pool=NAME, at $1.20; keywords replace fields of the spec, None removes one."""
    fields = {"nodeSelector": {"matchLabels": {"pool": name}}, "pricePerGPUHour": 1.2, **spec}
    return parse_pool(
        {
            "apiVersion": API_VERSION,
            "kind": "GPUPool",
            "metadata": {"name": name, "generation": 3, "labels": dict(labels or {})},
            "spec": {field: value for field, value in fields.items() if value is not None},
        }
    )


def price_policy(*prices: Json, name: str = "default") -> PlacementPolicy:
    """A PlacementPolicy with this price table."""
    return parse_policy(
        {
            "apiVersion": API_VERSION,
            "kind": "PlacementPolicy",
            "metadata": {"name": name, "generation": 1},
            "spec": {"prices": list(prices)},
        }
    )


def gpu_node(
    name: str = "n1",
    labels: Mapping[str, str] | None = None,
    *,
    pool: str = "l40s",
    gpus: int = 8,
    annotations: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
    ready: str = "True",
    unschedulable: bool = False,
    allocatable: Mapping[str, str] | None = None,
) -> Json:
    """A Node of the pool with L40S GPUs; other labels replace those that say so."""
    resources = {"cpu": "96", "memory": "1000Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    node: Json = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"pool": pool, **(L40S if labels is None else labels)}},
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {
            "allocatable": resources if allocatable is None else dict(allocatable),
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }
    if annotations is not None:
        node["metadata"]["annotations"] = dict(annotations)
    if unschedulable:
        node["spec"]["unschedulable"] = True
    return node


def container(gpus: int = 0, *, sidecar: bool = False, resource: str = "nvidia.com/gpu") -> Json:
    """A container that requests GPUs."""
    made: Json = {"name": "c", "image": "example.com/image"}
    if gpus:
        made["resources"] = {"requests": {resource: str(gpus)}, "limits": {resource: str(gpus)}}
    if sidecar:
        made["restartPolicy"] = "Always"
    return made


def gpu_pod(
    gpus: int = 1,
    *,
    node: str | None = "n1",
    name: str = "theirs",
    phase: str = "Running",
    labels: Mapping[str, str] | None = None,
    init: Sequence[Json] = (),
    resource: str = "nvidia.com/gpu",
) -> Json:
    """A Pod with one container that requests GPUs."""
    pod: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "other", "name": name, "labels": dict(labels or {})},
        "spec": {"containers": [container(gpus, resource=resource)], "initContainers": list(init)},
        "status": {"phase": phase},
    }
    if node is not None:
        pod["spec"]["nodeName"] = node
    return pod


def observe(
    pool: GPUPool, nodes: Sequence[Json], pods: Sequence[Json] = (), policies: Sequence[PlacementPolicy] = ()
) -> ObservedPool:
    """The only pool."""
    (observed,) = observe_pools([pool], policies, nodes, pods, now=NOW)
    return observed


def reasons(observed: ObservedPool) -> list[str]:
    """Reasons of Ready and of everything that somebody should look at."""
    return [condition.reason for condition in observed.conditions]


def message(observed: ObservedPool, kind: str) -> str:
    """The message of one condition."""
    (text,) = [condition.message for condition in observed.conditions if condition.type == kind]
    return text


def left_out(observed: ObservedPool) -> dict[str, str]:
    """Reasons by Node."""
    assert list(observed.left_out) == sorted(observed.left_out)
    return dict(observed.left_out)
