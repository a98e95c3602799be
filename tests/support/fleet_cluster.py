"""Two pools of Nodes and the requests on them on a real API server, as users and the cloud handle them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.server import ControlPlane
from tests.support.fleet_watcher import FleetWatcher
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, is_settled, reason

Json = dict[str, Any]

WITHIN_SECONDS = 90.0
GROUP = "/apis/placewright.dev/v1alpha1"
CHEAP, DEAR = "cheap", "dear"
INPUT, OUTPUT = 512, 128


class Cluster:
    """One control plane with two pools of Nodes, as a user and the cloud handle them."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.plane = control_plane
        self.api = control_plane.admin
        self.placements = Placements(control_plane.admin, control_plane.create_namespace("fleet"))
        for name, price in ((CHEAP, 1.0), (DEAR, 2.0)):
            self.api.create(f"{GROUP}/gpupools", pool(name, price))

    @property
    def namespace(self) -> str:
        return self.placements.namespace

    def add_node(self, pool_name: str, name: str) -> None:
        """A Node called NAME-0 with 8 GPUs that is ready and without the taint of a new one."""
        labels = {"pool": pool_name}
        nodes = GpuNodes(name, "NVIDIA-L40S", nodes=1, gpus_per_node=8, memory_mib=46068, labels=labels)
        (made,) = create_gpu_nodes(self.api, [nodes], ready=True)
        self.api.patch(f"/api/v1/nodes/{made}", {"spec": {"taints": None}})

    def cordon(self, name: str, *, cordoned: bool = True) -> None:
        self.api.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": cordoned or None}})

    def relabel(self, name: str, pool_name: str) -> None:
        self.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"pool": pool_name}}})

    def remove_node(self, name: str) -> None:
        self.api.delete(f"/api/v1/nodes/{name}?gracePeriodSeconds=0")

    def add_pod(self, name: str, *, on: str, gpus: int) -> None:
        """A Pod of somebody else that holds GPUs."""
        resources = {"limits": {"nvidia.com/gpu": str(gpus)}}
        container = {"name": "main", "image": "someone/else", "resources": resources}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"nodeName": on, "containers": [container]},
        }
        self.api.create(f"/api/v1/namespaces/{self.namespace}/pods", body)

    def remove_pod(self, name: str) -> None:
        self.api.delete(f"/api/v1/namespaces/{self.namespace}/pods/{name}?gracePeriodSeconds=0")

    def where(self, name: str) -> dict[str, int]:
        """GPUs by pool of a request's settled plan; empty without one."""
        found = self.placements.get(name)
        if not is_settled(found) or reason(found) != "PlanCurrent":
            return {}
        plan: dict[str, int] = found["status"]["plan"]["gpusByPool"]
        return plan

    def clear(self) -> None:
        """Takes away what is cluster-wide."""
        self.plane.delete_namespace(self.namespace)
        for name in (CHEAP, DEAR):
            self.api.delete(f"{GROUP}/gpupools/{name}")
        for node in self.api.items("/api/v1/nodes"):
            self.remove_node(node["metadata"]["name"])


def pool(name: str, price: float) -> Json:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "labels": {"tier": "serving", "only": name}},
        "spec": {"nodeSelector": {"matchLabels": {"pool": name}}, "pricePerGPUHour": price},
    }


def spec(gpus: int, **more: Any) -> Json:
    """A request whose only layout is one group of so many L40S, one replica of which serves its whole demand."""
    row = {
        "gpu": "L40S",
        "tensorParallel": gpus,
        "pipelineParallel": 1,
        "precision": "bf16",
        "inputTokens": INPUT,
        "outputTokens": OUTPUT,
        "requestsPerSecond": gpus,
    }
    return {
        "model": {"name": "own/model", "precisions": [{"name": "bf16"}]},
        "workload": {"inputTokens": INPUT, "outputTokens": OUTPUT, "requestsPerSecond": gpus},
        "performance": {"measurements": [row]},
        "poolSelector": {"matchLabels": {"tier": "serving"}},
        **more,
    }


@contextlib.contextmanager
def observed(
    cluster: Cluster,
    folder: Path,
    *arguments: str,
    test_solves: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[OperatorProcess]:
    """An operator at work, and somebody who judges every status that it writes."""
    operator = OperatorProcess(
        cluster.plane.kubeconfig,
        folder,
        namespaces=[cluster.namespace],
        arguments=["--resync=10", *arguments],
        test_solves=test_solves,
        env=env,
    )
    with FleetWatcher(cluster.plane, cluster.namespace, (CHEAP, DEAR)) as watcher, operator:
        yield operator
    watcher.check()
    assert watcher.plans_seen


def soon(operator: OperatorProcess, probe: Callable[[], Any], what: str) -> None:
    operator.wait(probe, what, timeout_s=WITHIN_SECONDS)
