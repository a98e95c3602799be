"""One namespace where plans really run: real control plane, scheduler, Prometheus; kwok plays the kubelets.

What LeaderWorkerSet's controller and a gateway would do is played by `acting_controller`, the traffic and the engines'
metrics by `acting_traffic`; both are TEST stand-ins that read what really stands.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.controlplane.absence import refuse_or_skip
from tests.controlplane.assets import AssetsUnavailableError, Finder
from tests.controlplane.foreign_crds import gateway_crds, loose_crds
from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.acting_controller import GATEWAYS, GROUPS, PODS, READS, ROUTES, ActingController
from tests.support.acting_mirror import Mirror
from tests.support.acting_traffic import ActingTraffic
from tests.support.acting_watch import DEPLOYMENTS, NODES, ActingWatcher
from tests.support.exporter import Exporter
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition
from tests.support.prometheus_server import PrometheusServer

Json = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[2]
GROUP: Final = "/apis/placewright.dev/v1alpha1"
WITHIN_SECONDS: Final = 90.0
GATEWAY: Final = "public"
WITHOUT: Final = "NOTHING ACTED, THERE ARE CRDS MISSING: "


@contextlib.contextmanager
def acting_plane(finder: Finder) -> Iterator[ControlPlane]:
    """A control plane with controllers, scheduler, kwok, and the CRDs of everything that is rendered."""
    try:
        foreign = (*gateway_crds(), *loose_crds(os.environ))
        plane = ControlPlane(finder, full=True)
    except AssetsUnavailableError as missing:
        if os.environ.get("CI"):
            refuse_or_skip(missing, os.environ)
        pytest.skip(f"{WITHOUT}{missing}")
    with plane:
        plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")), *foreign)
        yield plane


class Site:
    """The namespace with everything in it, from `with` on.

    Attributes:
        placements: its requests.
        market: gauges that belong to no Pod: a revenue, a queue.
        traffic: what comes for the requests.
        watcher: judges all that runs.
        prometheus: the real server.
    """

    def __init__(self, plane: ControlPlane, folder: Path, prometheus: Path, *, interval: str = "500ms") -> None:
        self.plane = plane
        self.api = plane.admin
        self.namespace = plane.create_namespace("life")
        self.placements = Placements(plane.admin, self.namespace)
        self.market = Exporter()
        self._folder = folder
        own = {path.format(self.namespace) for path in (*READS, DEPLOYMENTS)}
        self.mirror = Mirror(plane, sorted({*own, NODES}))
        self.watcher = ActingWatcher(self.namespace, self.mirror)
        self.traffic = ActingTraffic(self.namespace, self.mirror, self.market)
        self._controller = ActingController(plane.admin, self.namespace, self.mirror)
        self._stack = contextlib.ExitStack()
        self._made: list[str] = []
        place = folder / "prometheus"
        place.mkdir()
        discovery = self.traffic.discovery
        self.prometheus = PrometheusServer(prometheus, place, interval=interval, lookback="3s", discovery=discovery)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._clear)
            for part in (self.mirror, self._controller, self.traffic, self.prometheus):
                stack.enter_context(part)
            gateway = {"gatewayClassName": "test", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
            body = {"kind": "Gateway", "metadata": {"name": GATEWAY}, "spec": gateway}
            version = {"apiVersion": "gateway.networking.k8s.io/v1"}
            self.api.create(GATEWAYS.format(self.namespace), {**version, **body})
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _clear(self) -> None:
        self.plane.delete_namespace(self.namespace)
        for path in reversed(self._made):
            self.api.delete(path)

    # ------------------------------------------------------------------------------------------------- what there is

    def add_pool(self, name: str, price: float, *, nodes: int, gpus: int) -> None:
        """A GPUPool and its Nodes."""
        self.add_nodes(name, nodes=nodes, gpus=gpus)
        labels = {"pool": name, "site": self.namespace}
        spec = {"nodeSelector": {"matchLabels": labels}, "pricePerGPUHour": price}
        metadata = {"name": f"{self.namespace}-{name}", "labels": labels}
        self.add("gpupools", {"kind": "GPUPool", "metadata": metadata, "spec": spec})

    def add_nodes(self, pool: str, *, nodes: int, gpus: int, batch: str = "a") -> None:
        """Nodes of a pool, without the taint of new ones."""
        labels = {"pool": pool, "site": self.namespace}
        name = f"{self.namespace}-{pool}-{batch}"
        given = GpuNodes(name, "NVIDIA-L40S", nodes, gpus, memory_mib=46068, labels=labels)
        for made in create_gpu_nodes(self.api, [given]):
            self._made.append(f"{NODES}/{made}")
            self.api.patch(f"{NODES}/{made}", {"spec": {"taints": None}})

    def price(self, name: str, price: float) -> None:
        """Another price of a pool."""
        self.api.patch(f"{GROUP}/gpupools/{self.namespace}-{name}", {"spec": {"pricePerGPUHour": price}})

    def add_policy(self, **spec: Any) -> None:
        """A PlacementPolicy."""
        self.add("placementpolicies", {"kind": "PlacementPolicy", "metadata": {"name": self.namespace}, "spec": spec})

    def limit(self, **rollout: Any) -> None:
        """Another rollout of the policy."""
        self.api.patch(f"{GROUP}/placementpolicies/{self.namespace}", {"spec": {"rollout": rollout}})

    def add(self, plural: str, body: Json) -> None:
        """A cluster-wide object of ours, which goes with the site."""
        self.api.create(f"{GROUP}/{plural}", {"apiVersion": "placewright.dev/v1alpha1", **body})
        self._made.append(f"{GROUP}/{plural}/{body['metadata']['name']}")

    def operator(self, *arguments: str) -> OperatorProcess:
        """The operator's own process, which acts."""
        return OperatorProcess(
            self.plane.kubeconfig,
            self._folder,
            namespaces=[self.namespace],
            arguments=[
                "--apply",
                "--act-interval=0.5",
                "--resync=10",
                f"--prometheus-url={self.prometheus.url}",
                "--prometheus-timeout=2",
                "--inputs-interval=0.5",
                "--fleet-debounce=0.1",
                f"--audit-dir={self._folder / 'audit'}",
                *arguments,
            ],
        )

    # ------------------------------------------------------------------------------------------------- what stands

    def status(self, name: str) -> Json:
        """The status of a request."""
        found: Json = self.placements.get(name).get("status") or {}
        return found

    def reason(self, name: str, kind: str) -> str:
        """The reason of a condition."""
        return str(condition(self.placements.get(name), kind).get("reason", ""))

    def idle(self, name: str) -> str:
        """The state of a request in status.idle; empty: there is none."""
        return str((self.status(name).get("idle") or {}).get("state", ""))

    def weights(self, name: str) -> dict[str, int]:
        """The weights of a request's route, by workload."""
        routes = [each for each in self.mirror.items(ROUTES.format(self.namespace)) if _name(each) == name]
        found = [each for rule in (routes[0]["spec"]["rules"] if routes else ()) for each in rule["backendRefs"]]
        return {each["name"].removesuffix("-http"): each["weight"] for each in found}

    def workloads(self, name: str) -> dict[str, int]:
        """Replicas that the workloads ask for that a request owns."""
        return {
            _name(each): each["spec"]["replicas"]
            for path in (DEPLOYMENTS, GROUPS)
            for each in self.mirror.items(path.format(self.namespace))
            if ("PlacementRequest", name) in owners_of(each)
        }

    def on(self, pool: str, request: str) -> str:
        """The workload of a request that stands on the Nodes of a pool; empty: none does."""
        nodes = f"{self.namespace}-{pool}-"
        found = {
            pod["metadata"]["labels"]["app.kubernetes.io/instance"]
            for pod in self.watcher.pods(request).values()
            if (pod["spec"].get("nodeName") or "").startswith(nodes)
        }
        assert len(found) <= 1, f"{request} has {sorted(found)} on {pool}"
        return next(iter(found), "")

    def annotate(self, name: str, **given: str | None) -> None:
        """Writes annotations of ours on a request: `do_not_reap` is placewright.dev/do-not-reap."""
        named = {f"placewright.dev/{key.replace('_', '-')}": text for key, text in given.items()}
        self.placements.patch(name, {}, annotations=named)

    def pods(self) -> list[Json]:
        """All Pods."""
        return self.mirror.items(PODS.format(self.namespace))


def soon(operator: OperatorProcess, probe: Callable[[], Any], what: str, told: Callable[[], Any] | None = None) -> None:
    """Waits; a failure tells the end of the operator's log, and what `told` says."""
    try:
        operator.wait(probe, what, timeout_s=WITHIN_SECONDS)
    except TimeoutError as error:
        if told is None:
            raise
        raise TimeoutError(f"{error}\n{told()}") from None


def wait(probe: Callable[[], Any], what: str) -> Any:
    """Waits where no operator is."""
    return wait_until(probe, WITHIN_SECONDS, what)


def owners_of(item: Json) -> set[tuple[str, str]]:
    """(Kind, name) of what an object belongs to."""
    return {(each["kind"], each["name"]) for each in item["metadata"].get("ownerReferences") or ()}


def _name(item: Json) -> str:
    return str(item["metadata"]["name"])
