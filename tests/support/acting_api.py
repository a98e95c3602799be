"""An API server in memory with Deployments: server-side apply as far as one manager goes, and kubelets that obey."""

import asyncio
import copy
from collections.abc import AsyncIterator, Container, Mapping
from typing import Any

from placewright.kube.client import FIELD_MANAGER, ApiError, Kind, Page
from tests.support.fleet_api import REQUESTS, FakeApi, Name, refusal
from tests.support.requests import Json

DEPLOYMENTS = "deployments"
PODS = "pods"
SERVED = frozenset({DEPLOYMENTS, PODS, REQUESTS, "services", "configmaps", "horizontalpodautoscalers"})


class ActingApi(FakeApi):
    """Objects by plural and name.

    Attributes:
        stuck: names of Deployments whose new replicas do not get Ready.
        refusals: by plural, raised by each write of the kind while they stand here.
        acted: (verb, plural, name) of each write on workloads and what belongs to them.
        started: when all Pods started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stuck: Container[str] = ()
        self.refusals: dict[str, Exception] = {}
        self.acted: list[tuple[str, str, str]] = []
        self.started = "2026-11-21T08:00:00Z"

    # ------------------------------------------------------------------------------------------ what KubeClient does

    async def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        for (where, _), item in list(self.objects.get(REQUESTS, {}).items()):
            if namespace in {None, where}:
                yield copy.deepcopy(item)

    async def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        if kind.plural in {"leaderworkersets", "httproutes", "scaledobjects"}:
            raise refusal(404, "")
        async for page in super().list_pages(kind, more_fields=more_fields):
            yield Page(items=tuple(item for item in page.items if _chosen(kind, item)), version=page.version)

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[Json]:
        async for event in super().watch(kind, version):
            if _chosen(kind, event["object"]):
                yield event

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        await asyncio.sleep(0)
        if kind.plural not in SERVED:
            raise ApiError("x", status=404, reason="", message="not served", retry_after_seconds=None)
        return copy.deepcopy(self.objects.get(kind.plural, {}).get((namespace, name)))

    async def apply(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, force: bool, manager: str = FIELD_MANAGER
    ) -> Json:
        assert manager.startswith(FIELD_MANAGER)
        assert isinstance(force, bool)
        return await self._written("apply", kind, namespace, body)

    async def merge(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, part: str = "") -> Json:
        assert part in {"", "scale"}
        return await self._written("scale" if part else "merge", kind, namespace, body)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str) -> bool:
        await asyncio.sleep(0)
        self._refuse(kind)
        found = self.objects.get(kind.plural, {}).get((namespace, name))
        if found is None:
            return False
        if (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) != (uid, version):
            raise refusal(409, "Conflict")
        self.acted.append(("delete", kind.plural, name))
        self.remove(kind.plural, name, namespace=namespace)
        if kind.plural == DEPLOYMENTS:
            self._pods(namespace, name, {}, 0)
        return True

    # ------------------------------------------------------------------------------------------- what a test does

    def replicas(self) -> dict[str, int]:
        """What Deployments ask for, by name."""
        return {name: int(each["spec"]["replicas"]) for (_, name), each in self.objects.get(DEPLOYMENTS, {}).items()}

    def scale(self, name: str, replicas: int, namespace: str = "serving") -> None:
        """Somebody scales by hand."""
        stored = copy.deepcopy(self.objects[DEPLOYMENTS][namespace, name])
        stored["spec"]["replicas"] = replicas
        self._obey((namespace, name), stored)

    # ---------------------------------------------------------------------------------------------------- how

    def _refuse(self, kind: Kind) -> None:
        if kind.plural in self.refusals:
            raise self.refusals[kind.plural]

    async def _written(self, verb: str, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Json:
        await asyncio.sleep(0)
        self._refuse(kind)
        name = (namespace, str(body["metadata"]["name"]))
        before = self.objects.setdefault(kind.plural, {}).get(name)
        exactly = body["metadata"].get("resourceVersion")
        if exactly is not None and (before is None or before["metadata"]["resourceVersion"] != exactly):
            raise refusal(409, "Conflict")
        self.acted.append((verb, kind.plural, name[1]))
        stored = _merged(before or {"metadata": {"namespace": namespace}}, dict(body))
        if before is None:
            self._uid += 1
            stored["metadata"]["uid"] = f"u-{self._uid}"
        if kind.plural == DEPLOYMENTS:
            return self._obey(name, stored)
        stored["metadata"]["generation"] = 1
        return self._store(kind.plural, name, stored, "ADDED" if before is None else "MODIFIED")

    def _obey(self, name: Name, stored: Json) -> Json:
        """The controller and the kubelets do at once what is asked."""
        before = self.objects.setdefault(DEPLOYMENTS, {}).get(name)
        changed = before is None or before["spec"] != stored["spec"]
        stored["metadata"]["generation"] = (before or {"metadata": {}})["metadata"].get("generation", 0) + changed
        replicas = int(stored["spec"]["replicas"])
        ready = min(replicas, int((before or {}).get("status", {}).get("readyReplicas", 0)))
        ready = ready if name[1] in self.stuck else replicas
        stored["status"] = {
            "observedGeneration": stored["metadata"]["generation"],
            "replicas": replicas,
            "readyReplicas": ready,
            "updatedReplicas": replicas,
        }
        self._pods(*name, stored["spec"].get("template", {}).get("metadata", {}).get("labels", {}), replicas)
        return self._store(DEPLOYMENTS, name, stored, "ADDED" if before is None else "MODIFIED")

    def _pods(self, namespace: str, name: str, labels: Json, replicas: int) -> None:
        there = self.objects.setdefault(PODS, {})
        for index in range(100):
            pod = f"{name}-{index}"
            if index >= replicas and (namespace, pod) in there:
                self.remove(PODS, pod, namespace=namespace)
            elif index < replicas and (namespace, pod) not in there:
                ready = {"type": "Ready", "status": "False" if name in self.stuck else "True"}
                body = {
                    "metadata": {"name": pod, "labels": labels},
                    "spec": {"containers": []},
                    "status": {"startTime": self.started, "conditions": [ready]},
                }
                self.put(PODS, body, namespace=namespace)


def _chosen(kind: Kind, item: Json) -> bool:
    metadata = item["metadata"]
    if kind.namespace and metadata.get("namespace", kind.namespace) != kind.namespace:
        return False
    labels = metadata.get("labels") or {}
    for term in filter(None, kind.label_selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _merged(before: Any, body: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(body, dict):
        return copy.deepcopy(body)
    return {**copy.deepcopy(before), **{name: _merged(before.get(name), value) for name, value in body.items()}}
