"""Watches a fleet from outside while a test plays with it, and judges every single observation.

It reads each event of requests, Nodes and Pods and knows nothing of the operator: which GPUs a plan takes stands in its
status, which there are stands on the Nodes. Groups are 1, 2, 4 or 8 GPUs, so that the largest first is exact packing.
"""

import json
import ssl
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.error import URLError

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane

Json = dict[str, Any]
Key = tuple[str, str]

_REQUESTS = "/apis/placewright.dev/v1alpha1/placementrequests"
_NODES = "/api/v1/nodes"
_PODS = "/api/v1/pods"
_GPU = "nvidia.com/gpu"
_LATE_SECONDS = 3.0  # what a plan may be behind: its Nodes were read a moment before it was written


@dataclass(frozen=True)
class Plan:
    """What one stored status holds."""

    id: str
    generation: int
    cost: float
    groups: dict[str, tuple[int, ...]]  # by pool
    reason: str  # why it came

    def of(self, pool: str) -> tuple[int, ...]:
        return self.groups.get(pool, ())


@dataclass
class _State:
    nodes: dict[Key, Json] = field(default_factory=dict)
    pods: dict[Key, Json] = field(default_factory=dict)
    plans: dict[Key, Plan] = field(default_factory=dict)
    last: dict[Key, Plan] = field(default_factory=dict)  # also while a request stands without a plan for a moment


class FleetWatcher:
    """Reads everything in threads of its own from `with` on.

    Args:
        control_plane: what to watch.
        namespace: of the requests.
        pools: names of GPUPools; the Nodes of each have the label pool=NAME.
    """

    def __init__(self, control_plane: ControlPlane, namespace: str, pools: tuple[str, ...]) -> None:
        self._plane = control_plane
        self._namespace = namespace
        self._pools = pools
        self._state = _State()
        self._rooms: dict[str, deque[tuple[float, tuple[int, ...]]]] = {pool: deque() for pool in pools}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._versions: dict[str, str] = {}
        self._threads = [
            threading.Thread(target=self._follow, args=(path,), daemon=True) for path in (_NODES, _PODS, _REQUESTS)
        ]
        self.faults: list[str] = []
        self.plans_seen = 0

    def __enter__(self) -> Self:
        for path in (_NODES, _PODS, _REQUESTS):
            wait_until(lambda at=path: self._list(at), 10.0, f"a LIST of {path}")  # type: ignore[misc]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15.0)

    def check(self) -> None:
        """Fails with everything that was wrong at any observation."""
        with self._lock:
            assert not self.faults, "\n".join(self.faults)

    # -------------------------------------------------------------------------------------------------- reading

    def _list(self, path: str) -> bool:
        try:
            found = self._plane.admin.get(path)
        except ApiError as error:
            if error.status == 429:  # the storage of a new kind begins
                return False
            raise
        with self._lock:
            for item in found["items"]:
                self._take(path, "ADDED", item)
        self._versions[path] = found["metadata"]["resourceVersion"]
        return True

    def _follow(self, path: str) -> None:
        while not self._stop.is_set():
            try:
                for event in self._events(path):
                    if event["type"] == "ERROR":
                        self._relist(path)
                        break
                    self._versions[path] = event["object"]["metadata"]["resourceVersion"]
                    with self._lock:
                        self._take(path, event["type"], event["object"])
            except (OSError, URLError, ValueError, ApiError):
                self._stop.wait(0.1)  # the API server is away

    def _relist(self, path: str) -> None:
        known = {_NODES: self._state.nodes, _PODS: self._state.pods, _REQUESTS: self._state.plans}[path]
        found = self._plane.admin.get(path)
        there = {_key(item) for item in found["items"]}
        with self._lock:
            for key in [key for key in known if key not in there]:
                self._take(path, "DELETED", {"metadata": {"namespace": key[0], "name": key[1]}})
            for item in found["items"]:
                self._take(path, "MODIFIED", item)
        self._versions[path] = found["metadata"]["resourceVersion"]

    def _events(self, path: str) -> Iterator[Json]:
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion={self._versions[path]}"
        request = urllib.request.Request(
            self._plane.url + path + query, headers={"Authorization": f"Bearer {self._plane.token()}"}
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self._plane.ca))),
        )
        with opener.open(request, timeout=10.0) as answer:
            for line in answer:
                event: Json = json.loads(line)
                yield event

    # -------------------------------------------------------------------------------------------------- judging

    def _take(self, path: str, kind: str, item: Json) -> None:
        if kind == "BOOKMARK":
            return
        if path == _REQUESTS:
            self._take_request(kind, item)
            return
        known = self._state.nodes if path == _NODES else self._state.pods
        if kind == "DELETED":
            known.pop(_key(item), None)
        else:
            known[_key(item)] = item
        now = time.monotonic()
        for pool, history in self._rooms.items():
            rooms = self._rooms_now(pool)
            if not history or history[-1][1] != rooms:
                history.append((now, rooms))

    def _take_request(self, kind: str, item: Json) -> None:
        key = _key(item)
        if key[0] != self._namespace:
            return
        before = self._state.plans.pop(key, None)
        if kind == "DELETED":
            self._state.last.pop(key, None)
            return
        plan = _plan(item)
        if plan is None:
            if _ready_reason(item) != "Moving":
                self._state.last.pop(key, None)
            return
        self._state.plans[key] = plan
        self.plans_seen += before != plan
        self._judge_stock(key, before, plan)
        self._judge_move(key, self._state.last.get(key), plan)
        self._state.last[key] = plan

    def _judge_stock(self, key: Key, before: Plan | None, plan: Plan) -> None:
        """A plan that takes GPUs fits beside all others; plans that stand on a Node that went are not its fault."""
        for pool in self._pools:
            taken = plan.of(pool)
            if not taken or (before is not None and before.of(pool) == taken):
                continue
            groups = [size for each in self._state.plans.values() for size in each.of(pool)]
            if not any(_packs(groups, rooms) for rooms in self._lately(pool)):
                self.faults.append(f"{key} took {taken} of {pool}: {groups} on {self._lately(pool)}")

    def _judge_move(self, key: Key, old: Plan | None, new: Plan) -> None:
        """A plan that still fits is not given up within its dwell while its spec stays, but for a higher priority."""
        if old is None or old.id == new.id or old.generation != new.generation or new.reason == "Preempted":
            return
        others = [plan for each, plan in self._state.plans.items() if each != key]
        for pool in self._pools:
            groups = [*old.of(pool), *(size for plan in others for size in plan.of(pool))]
            if not all(_packs(groups, rooms) for rooms in self._lately(pool)):
                return  # it did not fit at some moment that the decision may have seen
        self.faults.append(f"{key} moved from {old} to {new} although it fitted")

    def _lately(self, pool: str) -> list[tuple[int, ...]]:
        """The free GPUs by Node of the last moments, newest last."""
        history, since = self._rooms[pool], time.monotonic() - _LATE_SECONDS
        newest_old = max((at for at, _ in history if at <= since), default=0.0)
        return [rooms for at, rooms in history if at >= newest_old] or [()]

    def _rooms_now(self, pool: str) -> tuple[int, ...]:
        rooms = []
        for (_, name), node in self._state.nodes.items():
            metadata, spec = node["metadata"], node.get("spec") or {}
            ready = any(
                entry["type"] == "Ready" and entry["status"] == "True"
                for entry in node.get("status", {}).get("conditions") or ()
            )
            if metadata.get("labels", {}).get("pool") != pool or spec.get("unschedulable") or not ready:
                continue
            free = int(node["status"].get("allocatable", {}).get(_GPU, 0))
            held = [pod for pod in self._state.pods.values() if pod["spec"].get("nodeName") == name]
            rooms.append(free - sum(_gpus(pod) for pod in held))
        return tuple(sorted(rooms, reverse=True))


def _key(item: Json) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _plan(item: Json) -> Plan | None:
    plan = (item.get("status") or {}).get("plan")
    if not plan or plan.get("state") != "Approved":
        return None
    groups: dict[str, list[int]] = {}
    for layout in plan["layouts"]:
        for stage in layout["stages"]:
            groups.setdefault(stage["pool"], []).extend([stage["gpus"]] * layout["replicas"])
    return Plan(
        id=plan["id"],
        generation=item["status"]["observedGeneration"],
        cost=plan["costPerHour"],
        groups={pool: tuple(sorted(sizes)) for pool, sizes in groups.items()},
        reason=next((entry["reason"] for entry in item["status"].get("history") or ()), ""),
    )


def _ready_reason(item: Json) -> str:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((entry["reason"] for entry in conditions if entry["type"] == "Ready"), "")


def _gpus(pod: Json) -> int:
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return 0
    limits = [container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"]]
    return sum(int(limit.get(_GPU, 0)) for limit in limits)


def _packs(groups: list[int], rooms: tuple[int, ...]) -> bool:
    """Largest first, each on the fullest Node with room: exact where sizes divide each other."""
    left = list(rooms)
    for size in sorted(groups, reverse=True):
        able = [node for node, room in enumerate(left) if room >= size]
        if not able:
            return False
        left[min(able, key=lambda node: left[node])] -= size
    return True
