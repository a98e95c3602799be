"""Real controllers and the real scheduler start what is rendered, on the Nodes of the plan and on no others.

kwok plays the kubelets. There is no controller for LeaderWorkerSets here: the test makes the Pods that it would make.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from placewright.cli.root import cli
from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.renders import gpus_of, templates, workloads

SMALL = GpuNodes("render-l40s", "NVIDIA-L40S", nodes=3, gpus_per_node=2, memory_mib=46068)
OTHER = GpuNodes("render-a100", "NVIDIA-A100-SXM4-80GB", nodes=2, gpus_per_node=8, memory_mib=81920)
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TIMEOUT_S = 60.0


@pytest.fixture
def gpu_nodes(full_control_plane: ControlPlane) -> Iterator[None]:
    """Nodes with taints as GPU Nodes have them, and no others; gone afterwards."""
    api = full_control_plane.admin
    for left in api.items("/api/v1/nodes"):  # by other tests on the same control plane; Pods might stand there
        api.delete(f"/api/v1/nodes/{left['metadata']['name']}")
    names = create_gpu_nodes(api, (SMALL, OTHER))
    for name in names:
        api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": [TAINT]}})
    yield
    for name in names:
        api.delete(f"/api/v1/nodes/{name}")


def asked(name: str, *, pipeline: int, rate: float) -> dict[str, Any]:
    row = {"gpu": "L40S", "tensorParallel": 2, "pipelineParallel": pipeline, "precision": "bf16", "concurrency": 32}
    size = {"inputTokens": 1024, "outputTokens": 256}
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": name},
        "spec": {
            "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
            "workload": {**size, "requestsPerSecond": rate},
            "pools": [{"name": "l40s", "gpu": "L40S", "nodes": 3, "gpusPerNode": 2, "pricePerGPUHour": 1.2}],
            "performance": {"measurements": [{**row, **size, "requestsPerSecond": 2}]},
        },
    }


def rendered(tmp_path: Path, body: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    file = tmp_path / "request.yaml"
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    arguments = ["render", "-f", str(file), "--image", "example.com/engine:1", "-n", namespace]
    done = CliRunner().invoke(cli, arguments, prog_name="placewright")
    assert done.exit_code == 0, done.output
    return list(yaml.safe_load_all(done.stdout))


def ready_on(plane: ControlPlane, namespace: str, pods: int) -> list[str]:
    """The Nodes of so many ready Pods, sorted."""

    def probe() -> list[str]:
        found = plane.admin.items(f"/api/v1/namespaces/{namespace}/pods")
        ready = [
            pod
            for pod in found
            if any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
        ]
        return sorted(pod["spec"]["nodeName"] for pod in ready) if len(ready) == len(found) == pods else []

    nodes: list[str] = wait_until(probe, TIMEOUT_S, f"{pods} ready Pods")
    return nodes


@pytest.mark.usefixtures("gpu_nodes")
def test_a_deployment_rolls_out_where_the_plan_says(
    full_control_plane: ControlPlane, full_namespace: str, tmp_path: Path
) -> None:
    objects = rendered(tmp_path, asked("chat", pipeline=1, rate=6.0), full_namespace)
    full_control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
    # Three replicas of two GPUs fill the three Nodes with two; the larger Nodes beside them stay free.
    assert ready_on(full_control_plane, full_namespace, 3) == SMALL.names()

    slices = f"/apis/discovery.k8s.io/v1/namespaces/{full_namespace}/endpointslices"

    def endpoints() -> bool:
        found = full_control_plane.admin.items(slices)
        return sum(len(each["endpoints"] or ()) for each in found if each["metadata"]["name"].startswith("chat-")) == 3

    assert wait_until(endpoints, TIMEOUT_S, "the Service to find all Pods")

    # Fewer replicas scale the same Deployment, and restart nothing.
    before = pods_of(full_control_plane, full_namespace)
    fewer = rendered(tmp_path, asked("chat", pipeline=1, rate=4.0), full_namespace)
    assert fewer[0]["metadata"]["name"] == objects[0]["metadata"]["name"]
    full_control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(fewer))
    assert len(ready_on(full_control_plane, full_namespace, 2)) == 2
    assert pods_of(full_control_plane, full_namespace) < before


def pods_of(plane: ControlPlane, namespace: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in plane.admin.items(f"/api/v1/namespaces/{namespace}/pods")}


@pytest.mark.usefixtures("gpu_nodes")
def test_the_pods_of_a_group_are_scheduled_one_to_a_node(
    full_control_plane: ControlPlane, full_namespace: str, tmp_path: Path
) -> None:
    (group,) = workloads(rendered(tmp_path, asked("large", pipeline=3, rate=1.0), full_namespace))
    assert group["kind"] == "LeaderWorkerSet"
    name, index = group["metadata"]["name"], 0
    for count, template in templates(group):
        assert gpus_of(template) == 2
        for _ in range(count):
            pod = json.loads(json.dumps(template))
            pod["metadata"]["name"] = f"{name}-0" if index == 0 else f"{name}-0-{index}"
            pod["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/worker-index"] = str(index)
            address = {"name": "LWS_LEADER_ADDRESS", "value": f"{name}-0.{name}.{full_namespace}"}
            pod["spec"]["containers"][0]["env"].insert(0, address)
            body = {"apiVersion": "v1", "kind": "Pod", **pod}
            full_control_plane.admin.create(f"/api/v1/namespaces/{full_namespace}/pods", body)
            index += 1
    assert ready_on(full_control_plane, full_namespace, 3) == SMALL.names()
