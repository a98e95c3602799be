"""One namespace with a pool of fake GPU Nodes, where requests in mode Apply really run: Deployments alone, no route."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition

Json = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[2]
GROUP: Final = "/apis/placewright.dev/v1alpha1"
WITHIN_SECONDS: Final = 90.0
INPUT: Final = 512
OUTPUT: Final = 128


class ActingCluster:
    """The namespace, from `with` on.

    Args:
        plane: with controllers, scheduler and kwok.
        folder: of the operators' logs.
        nodes: of the pool.
        gpus: of each.
    """

    def __init__(self, plane: ControlPlane, folder: Path, *, nodes: int = 4, gpus: int = 2) -> None:
        self.plane = plane
        self.api = plane.admin
        self.namespace = plane.create_namespace("acting")
        self.placements = Placements(plane.admin, self.namespace)
        self._folder = folder
        self._made: list[str] = []
        self._nodes, self._gpus = nodes, gpus

    def __enter__(self) -> Self:
        self.plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
        labels = {"pool": self.namespace}
        given = GpuNodes(self.namespace, "NVIDIA-L40S", self._nodes, self._gpus, memory_mib=46068, labels=labels)
        for made in create_gpu_nodes(self.api, [given]):
            self._made.append(f"/api/v1/nodes/{made}")
            self.api.patch(f"/api/v1/nodes/{made}", {"spec": {"taints": None}})
        spec = {"nodeSelector": {"matchLabels": labels}, "pricePerGPUHour": 1.0}
        self.add("gpupools", {"kind": "GPUPool", "metadata": {"name": self.namespace, "labels": labels}, "spec": spec})
        return self

    def __exit__(self, *_: object) -> None:
        self.plane.delete_namespace(self.namespace)
        for path in reversed(self._made):
            self.drop(path)

    def drop(self, path: str) -> None:
        """Deletes an object if it is there."""
        try:
            self.api.delete(path)
        except ApiError as error:
            if error.status != 404:
                raise

    # --------------------------------------------------------------------------------------------- what is asked

    def add(self, plural: str, body: Json) -> None:
        """A cluster-wide object of ours, which goes with this."""
        self.api.create(f"{GROUP}/{plural}", {"apiVersion": "placewright.dev/v1alpha1", **body})
        self._made.append(f"{GROUP}/{plural}/{body['metadata']['name']}")

    def policy(self, *, annotations: Mapping[str, str] | None = None, **spec: Any) -> None:
        """A PlacementPolicy with the name of the namespace."""
        metadata = {"name": self.namespace, "annotations": dict(annotations or {})}
        self.add("placementpolicies", {"kind": "PlacementPolicy", "metadata": metadata, "spec": spec})

    def ask(self, name: str, **more: Any) -> None:
        """A request in mode Apply."""
        self.placements.create(name, self.spec(**more))

    def spec(self, *, replicas: int = 1, gpus: int = 2, image: str = "example.com/engine:1", **more: Any) -> Json:
        """A spec with replicas of one layout of so many GPUs in one Pod."""
        row = {
            "gpu": "L40S",
            "tensorParallel": gpus,
            "pipelineParallel": 1,
            "precision": "bf16",
            "inputTokens": INPUT,
            "outputTokens": OUTPUT,
            "requestsPerSecond": 2.0,
        }
        return {
            "model": {"name": "meta-llama/Llama-3.1-8B-Instruct", "precisions": [{"name": "bf16"}]},
            "workload": {"inputTokens": INPUT, "outputTokens": OUTPUT, "requestsPerSecond": 2.0 * replicas},
            "performance": {"measurements": [row]},
            "poolSelector": {"matchLabels": {"pool": self.namespace}},
            "stabilization": {"minDwell": "0s"},
            "mode": "Apply",
            **({} if "workloadRef" in more else {"render": {"image": image}}),
            **more,
        }

    def annotate(self, name: str, **given: str | None) -> None:
        """Writes annotations of ours on a request: `do_not_reap` is placewright.dev/do-not-reap."""
        named = {f"placewright.dev/{key.replace('_', '-')}": text for key, text in given.items()}
        self.placements.patch(name, {}, annotations=named)

    def operator(self, *arguments: str, die_at: str = "", apply: bool = True) -> OperatorProcess:
        """The operator, which acts; with `die_at` it kills itself at that checkpoint."""
        return OperatorProcess(
            self.plane.kubeconfig,
            self._folder,
            namespaces=[self.namespace],
            arguments=[
                *(["--apply"] if apply else []),
                "--act-interval=0.5",
                "--resync=10",
                "--fleet-debounce=0.1",
                *([f"--die-at={die_at}"] if die_at else []),
                *arguments,
            ],
            test_solves=bool(die_at),
        )

    # --------------------------------------------------------------------------------------------- what stands

    def applied(self, name: str) -> tuple[str, str]:
        """Status and reason of the condition Applied."""
        found = condition(self.placements.get(name), "Applied")
        return found.get("status", ""), found.get("reason", "")

    def plan(self, name: str) -> str:
        """The id of a request's plan."""
        return str(((self.placements.get(name).get("status") or {}).get("plan") or {}).get("id", ""))

    def rolled_out(self, name: str, *, but: str = "") -> bool:
        """Whether the plan of the status is rolled out, and is another than this one."""
        found = self.placements.get(name)
        plan = ((found.get("status") or {}).get("plan") or {}).get("id", "")
        rollout = (found.get("status") or {}).get("rollout") or {}
        current = (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]
        said = (rollout.get("planId"), rollout.get("phase")) == (plan, "RolledOut")
        return bool(plan) and plan != but and current and said and condition(found, "Applied").get("status") == "True"

    def deployments(self) -> dict[str, Json]:
        """All Deployments by name."""
        found = self.api.items(f"/apis/apps/v1/namespaces/{self.namespace}/deployments")
        return {each["metadata"]["name"]: each for each in found}

    def replicas(self) -> dict[str, int]:
        """What the Deployments ask for, by name."""
        return {name: each["spec"]["replicas"] for name, each in self.deployments().items()}

    def pods(self) -> list[Json]:
        """All Pods that are not being deleted."""
        found = self.api.items(f"/api/v1/namespaces/{self.namespace}/pods")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def ready(self) -> int:
        """Pods that are Ready."""
        return sum(
            any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
            for pod in self.pods()
        )

    def now(self) -> str:
        """This moment, a second later so that what happened until now is before it."""
        return (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def gpus_asked(self) -> int:
        """GPUs that all Deployments ask for."""
        total = 0
        for each in self.deployments().values():
            container = each["spec"]["template"]["spec"]["containers"][0]
            total += each["spec"]["replicas"] * int(container["resources"]["limits"]["nvidia.com/gpu"])
        return total


def soon(operator: OperatorProcess, probe: Callable[[], Any], what: str) -> Any:
    """Waits as long as the operator lives."""
    return operator.wait(probe, what, timeout_s=WITHIN_SECONDS)


def wait(probe: Callable[[], Any], what: str) -> Any:
    """Waits where no operator is."""
    return wait_until(probe, WITHIN_SECONDS, what)
