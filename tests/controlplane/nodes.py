"""Fake GPU nodes: Node objects as a cluster with the NVIDIA device plugin and feature discovery shows them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.controlplane.rest import Api, ApiError, Json

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True)
class GpuNodes:
    """Equal nodes.

    Args:
        pool: their name's beginning and the value of the label `pool`.
        product: label nvidia.com/gpu.product, such as NVIDIA-L40S.
        nodes: how many nodes.
        gpus_per_node: capacity of nvidia.com/gpu of each.
        memory_mib: label nvidia.com/gpu.memory, of one GPU, in MiB.
        instance_type: label node.kubernetes.io/instance-type.
        labels: more labels.
    """

    pool: str
    product: str
    nodes: int
    gpus_per_node: int
    memory_mib: int
    instance_type: str = "fake"
    labels: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        return [f"{self.pool}-{index}" for index in range(self.nodes)]


SAMPLE_NODES = (
    GpuNodes("a100", "NVIDIA-A100-SXM4-80GB", nodes=2, gpus_per_node=8, memory_mib=81920),
    GpuNodes("l40s", "NVIDIA-L40S", nodes=2, gpus_per_node=8, memory_mib=46068),
    GpuNodes("a10", "NVIDIA-A10", nodes=1, gpus_per_node=4, memory_mib=23028),
)


def create_gpu_nodes(api: Api, pools: Iterable[GpuNodes], *, ready: bool = False) -> list[str]:
    """Creates the nodes that are not there yet and sets their GPUs; returns all their names.

    Args:
        api: an admin's access.
        pools: what to create.
        ready: also report the node Ready, where no kwok does it.

    Raises:
        ApiError: the API server refused.
    """
    names = []
    for pool in pools:
        for name in pool.names():
            try:
                api.create("/api/v1/nodes", _node(pool, name))
            except ApiError as error:
                if error.status != 409:  # there already
                    raise
            set_gpus(api, name, pool.gpus_per_node)
            if ready:
                set_ready(api, name, ready=True)
            names.append(name)
    return names


def set_gpus(api: Api, name: str, gpus: int) -> None:
    """Sets how many GPUs the node has, in its status as a device plugin would."""
    amounts = {GPU_RESOURCE: str(gpus), "cpu": "192", "memory": "2Ti", "pods": "250"}
    _patch_status(api, name, {"capacity": amounts, "allocatable": amounts})


def set_ready(api: Api, name: str, *, ready: bool) -> None:
    """Sets the node's only condition."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "reason": "Fake", "message": "set by a test"}
    _patch_status(api, name, {"conditions": [condition]})


def _patch_status(api: Api, name: str, status: Json) -> None:
    api.patch(f"/api/v1/nodes/{name}/status", {"status": status})


def _node(pool: GpuNodes, name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": pool.instance_type,
                "nvidia.com/gpu.present": "true",
                "nvidia.com/gpu.product": pool.product,
                "nvidia.com/gpu.count": str(pool.gpus_per_node),
                "nvidia.com/gpu.memory": str(pool.memory_mib),
                "pool": pool.pool,
                **pool.labels,
            },
        },
    }
