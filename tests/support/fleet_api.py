"""An API server in memory for the kinds that a fleet is planned from: lists, watches and preconditioned writes."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from placewright.kube.client import ApiError, Kind, Page, UnreachableError
from tests.support.requests import Json

REQUESTS = "placementrequests"
Name = tuple[str, str]  # namespace, name


def refusal(status: int, reason: str) -> ApiError:
    return ApiError("TEST", status=status, reason=reason, message="as told", retry_after_seconds=None)


class FakeApi:
    """Objects by plural and name.

    Attributes:
        faults: by plural, raised by each LIST and watch of the kind for as long as they stand here.
        write_faults: raised by the next writes, one each.
        lost_answers: names of requests whose next write is stored without anybody being told.
        silent: plurals whose watches tell nothing, as in a gap.
        writes: (plural, name) of each status write, in order.
        on_write: called after each write of a request's status.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[Name, Json]] = {}
        self.faults: dict[str, Exception] = {}
        self.write_faults: list[Exception] = []
        self.lost_answers: set[str] = set()
        self.silent: set[str] = set()
        self.writes: list[tuple[str, str]] = []
        self.events: list[Mapping[str, Any]] = []
        self.lists: list[tuple[str, str]] = []
        self.on_write: Callable[[], None] = lambda: None
        self._version = 100
        self._uid = 0
        self._watchers: dict[str, list[asyncio.Queue[Json]]] = {}

    # ------------------------------------------------------------------------------------------- what a test does

    def put(self, plural: str, body: Json, *, namespace: str = "") -> Json:
        """Creates or replaces an object as a user would: the status stays, a changed spec is a new generation."""
        name = (namespace, body["metadata"]["name"])
        before = self.objects.setdefault(plural, {}).get(name)
        self._uid += before is None
        metadata = {**body["metadata"], "uid": f"u-{self._uid}", "generation": 1}
        if namespace:
            metadata["namespace"] = namespace
        stored = {**copy.deepcopy(body), "metadata": metadata}
        if before is not None:
            old = before["metadata"]
            grown = before.get("spec") != body.get("spec")
            metadata.update({"uid": old["uid"], "generation": old["generation"] + grown})
            if "status" not in body and "status" in before:
                stored["status"] = before["status"]
        return self._store(plural, name, stored, "ADDED" if before is None else "MODIFIED")

    def remove(self, plural: str, name: str, *, namespace: str = "") -> Json:
        stored = self.objects[plural].pop((namespace, name))
        self._version += 1
        stored["metadata"]["resourceVersion"] = str(self._version)
        self._tell(plural, "DELETED", stored)
        return stored

    def request(self, name: str, namespace: str = "serving") -> Json:
        return self.objects[REQUESTS][namespace, name]

    # ------------------------------------------------------------------------------------------ what KubeClient does

    async def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        await asyncio.sleep(0)
        self.lists.append((kind.plural, more_fields))
        if kind.plural in self.faults:
            raise self.faults[kind.plural]
        node = more_fields.removeprefix("spec.nodeName=")
        items = [
            copy.deepcopy(item)
            for item in self.objects.get(kind.plural, {}).values()
            if not node or item["spec"]["nodeName"] == node
        ]
        yield Page(items=tuple(items), version=str(self._version))

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[Json]:
        assert int(version) <= self._version
        events: asyncio.Queue[Json] = asyncio.Queue()
        self._watchers.setdefault(kind.plural, []).append(events)
        try:
            for item in self.objects.get(kind.plural, {}).values():
                if int(item["metadata"]["resourceVersion"]) > int(version):
                    yield {"type": "MODIFIED", "object": copy.deepcopy(item)}
            while kind.plural not in self.faults:
                yield await events.get()
            raise self.faults[kind.plural]
        finally:
            self._watchers[kind.plural].remove(events)

    async def get_object(self, kind: Kind, name: str) -> Json | None:
        return copy.deepcopy(self.objects.get(kind.plural, {}).get(("", name)))

    async def patch_object_status(self, kind: Kind, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        return await self._patch(kind.plural, ("", name), operations)

    async def get_request(self, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self.objects.get(REQUESTS, {}).get((namespace, name)))

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        stored = await self._patch(REQUESTS, (namespace, name), operations)
        self.on_write()
        if name in self.lost_answers:
            self.lost_answers.remove(name)
            raise UnreachableError("the answer was lost")
        return stored

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        assert namespace
        self.events.append(body)

    # ---------------------------------------------------------------------------------------------------- how

    async def _patch(self, plural: str, name: Name, operations: Sequence[Mapping[str, Any]]) -> Json:
        await asyncio.sleep(0)
        if self.write_faults:
            raise self.write_faults.pop(0)
        resource = self.objects.get(plural, {}).get(name)
        tests = {entry["path"].rpartition("/")[2]: entry["value"] for entry in operations if entry["op"] == "test"}
        if resource is None or any(resource["metadata"][field] != value for field, value in tests.items()):
            raise refusal(422, "Invalid")
        self.writes.append((plural, name[1]))
        changed = {**resource, "status": copy.deepcopy(operations[-1]["value"])}
        return self._store(plural, name, changed, "MODIFIED")

    def _store(self, plural: str, name: Name, stored: Json, event: str) -> Json:
        self._version += 1
        stored = {**stored, "metadata": {**stored["metadata"], "resourceVersion": str(self._version)}}
        self.objects[plural][name] = stored
        self._tell(plural, event, stored)
        return copy.deepcopy(stored)

    def _tell(self, plural: str, event: str, stored: Json) -> None:
        if plural not in self.silent:
            for watcher in self._watchers.get(plural, []):
                watcher.put_nowait({"type": event, "object": copy.deepcopy(stored)})


def pool(name: str, *, price: float = 1.0, stock: tuple[int, int] | None = None, **spec: Any) -> Json:
    """A GPUPool of tier serving: declared stock (nodes, GPUs of each), or the Nodes with the label pool=NAME."""
    source: Json = {"nodeSelector": {"matchLabels": {"pool": name}}}
    if stock is not None:
        source = {"gpu": "L40S", "stock": {"nodes": stock[0], "gpusPerNode": stock[1]}}
    return _object("GPUPool", name, {**source, "pricePerGPUHour": price, **spec}, labels={"tier": "serving"})


def policy(name: str, **spec: Any) -> Json:
    return _object("PlacementPolicy", name, spec)


def _object(kind: str, name: str, spec: Json, **metadata: Any) -> Json:
    metadata = {"name": name, **metadata}
    return {"apiVersion": "placewright.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def node(name: str, *, pool: str, gpus: int = 8, **spec: Any) -> Json:
    """A Ready Node with L40S."""
    labels = {"pool": pool, "nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.memory": "46068"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(name: str, *, on: str, gpus: int) -> Json:
    """A running Pod of somebody else."""
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}, "requests": {"nvidia.com/gpu": str(gpus)}}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": on, "containers": [{"name": "main", "resources": resources}]},
        "status": {"phase": "Running"},
    }


def fleet_spec(gpus: int = 1, **more: Any) -> Json:
    """A request on shared pools that `fleet_solves.greedy` gives a replica of so many GPUs."""
    return {
        "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
        "workload": {"inputTokens": 512, "outputTokens": 128, "requestsPerSecond": gpus},
        "poolSelector": {"matchLabels": {"tier": "serving"}},
        **more,
    }


def fleet_request(name: str, gpus: int = 1, **more: Any) -> Json:
    return _object("PlacementRequest", name, fleet_spec(gpus, **more))
