"""Watches what really runs while a test plays with it, judges every change, and writes down when what happened."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.support.acting_controller import GROUPS, PODS
from tests.support.acting_groups import is_ready
from tests.support.acting_mirror import Mirror
from tests.support.acting_traffic import REQUEST_LABEL, now_text

Json = dict[str, Any]

DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/{}/deployments"
NODES: Final = "/api/v1/nodes"
_GPU: Final = "nvidia.com/gpu"


@dataclass(frozen=True)
class Seen:
    """Ready replicas of the requests at one moment, by request and workload."""

    at: float
    ready: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Scaled:
    """A workload that was told another number of replicas; 0 before it was made and after it went."""

    at: float
    workload: str
    before: int
    after: int


class ActingWatcher:
    """Judges the Pods of a namespace: no Node has more GPUs in use than it has, and no request is left without replica.

    Args:
        namespace: whose Pods and workloads.
        mirror: follows NODES, and PODS, DEPLOYMENTS and GROUPS of the namespace.
    """

    def __init__(self, namespace: str, mirror: Mirror) -> None:
        self._pods = PODS.format(namespace)
        self._workloads = {DEPLOYMENTS.format(namespace), GROUPS.format(namespace)}
        self._mirror = mirror
        self._floors: dict[str, int] = {}
        self.faults: list[str] = []
        self.seen: list[Seen] = []
        self.scaled: list[Scaled] = []
        mirror.listen(self._take)

    @contextmanager
    def never_below(self, request: str, replicas: int) -> Iterator[list[Seen]]:
        """While inside, fewer Ready replicas of a request at any change are a fault; gives what is seen meanwhile."""
        found: list[Seen] = []
        with self._mirror.lock:
            first = max(0, len(self.seen) - 1)
            self._floors[request] = replicas
            self._judge()
        try:
            yield found
        finally:
            with self._mirror.lock:
                del self._floors[request]
                found += self.seen[first:]

    def check(self) -> None:
        """Fails with everything that was wrong at any change."""
        assert not self.faults, "\n".join(self.faults)

    def ready(self, request: str) -> dict[str, int]:
        """Ready replicas of a request now, by workload."""
        return self.seen[-1].ready.get(request, {}) if self.seen else {}

    def pods(self, request: str) -> dict[str, Json]:
        """All Pods of a request now, by uid."""
        return {
            pod["metadata"]["uid"]: pod
            for pod in self._mirror.items(self._pods)
            if pod["metadata"].get("labels", {}).get(REQUEST_LABEL) == request
        }

    def _take(self, path: str, before: Json | None, now: Json | None) -> None:
        if path in self._workloads:
            counts = [0 if item is None else int(item["spec"].get("replicas", 1)) for item in (before, now)]
            if counts[0] != counts[1]:
                name = (now or before or {})["metadata"]["name"]
                self.scaled.append(Scaled(time.monotonic(), name, counts[0], counts[1]))
        if path in (self._pods, NODES):
            self._judge()

    def _judge(self) -> None:
        pods = self._mirror.items(self._pods)
        seen = Seen(time.monotonic(), _ready(pods))
        if not self.seen or self.seen[-1].ready != seen.ready:
            self.seen.append(seen)
        for request, floor in self._floors.items():
            count = sum(seen.ready.get(request, {}).values())
            if count < floor:
                self.faults.append(f"{now_text()} {request} has {seen.ready.get(request)} Ready, {floor} are to be")
        self._judge_nodes(pods)

    def _judge_nodes(self, pods: list[Json]) -> None:
        held: dict[str, int] = {}
        for pod in pods:
            node = pod["spec"].get("nodeName")
            if node and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                held[node] = held.get(node, 0) + gpus_of(pod)
            elif not node and _refused(pod):
                fault = f"no Node has room for {pod['metadata']['name']}"
                self.faults += [] if fault in self.faults else [fault]
        for node in self._mirror.items(NODES):
            has, name = int(node["status"].get("allocatable", {}).get(_GPU, 0)), node["metadata"]["name"]
            if held.get(name, 0) > has:
                self.faults.append(f"{now_text()} {name} has {has} GPUs, and Pods hold {held[name]}")


class Chronicle:
    """The stages of a life with their times, printed as they come."""

    def __init__(self, title: str) -> None:
        self._began = time.monotonic()
        self.lines = [f"{now_text()} {title}"]
        print(f"\n{self.lines[0]}")  # noqa: T201 - who runs it with -s reads along

    def stage(self, text: str) -> None:
        """Writes down that something is reached."""
        self.lines.append(f"{now_text()} +{time.monotonic() - self._began:6.1f} s  {text}")
        print(self.lines[-1])  # noqa: T201 - as above

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__


def gpus_of(pod: Json) -> int:
    """GPUs that a Pod asks for."""
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"]]
    return sum(int(limit.get(_GPU, 0)) for limit in limits)


def _ready(pods: list[Json]) -> dict[str, dict[str, int]]:
    """Ready replicas: a group counts when its leader and all of its workers are Ready."""
    found: dict[str, dict[str, int]] = {}
    broken = {_group(pod) for pod in pods if not is_ready(pod)}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if labels.get(REQUEST_LABEL) and labels.get("placewright.dev/role") == "serving" and _group(pod) not in broken:
            of = found.setdefault(labels[REQUEST_LABEL], {})
            workload = labels["app.kubernetes.io/instance"]
            of[workload] = of.get(workload, 0) + 1
    return found


def _group(pod: Json) -> str:
    """What a Pod is a part of: its group's leader, or itself."""
    labels, name = pod["metadata"].get("labels") or {}, str(pod["metadata"]["name"])
    group = labels.get("leaderworkerset.sigs.k8s.io/group-index")
    return name if group is None else f"{labels['leaderworkerset.sigs.k8s.io/name']}-{group}"


def _refused(pod: Json) -> bool:
    """Whether the scheduler found no Node for it."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions)
