"""Acting on a real API server without an operator: a request, what stands of it, and steps that a test decides."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placewright.core.model import RolloutAction, RolloutMemory, RolloutPhase, RolloutStep, Scale
from placewright.kube.access import access_for
from placewright.kube.act import Actor, Task
from placewright.kube.client import FIELD_MANAGER, Kind, KubeClient
from placewright.kube.kinds import HTTP_ROUTES, INFERENCE_POOLS, LEADER_WORKER_SETS, WORKLOADS
from placewright.kube.manifests import Move, Owner, Route, Settings, Work, render_move
from placewright.kube.outcomes import ActResult, Outcome
from placewright.kube.routes import route_of
from placewright.kube.workloads import Workload, workload_of
from tests.controlplane.absence import refuse_or_skip
from tests.controlplane.assets import AssetsUnavailableError
from tests.controlplane.foreign_crds import gateway_crds, loose_crds
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.placements import Placements
from tests.support.renders import SETTINGS, a_work

_WITHIN_SECONDS = 60.0
_WITHOUT = "WRITES OF ACTING NOT TESTED: "

ROUTED = replace(SETTINGS, route=Route(gateway="public"))

Json = dict[str, Any]
Call = tuple[str, str, str]
"""A write: verb, plural and name; a subresource follows the plural with a slash."""


@contextlib.contextmanager
def rendered_kinds(plane: ControlPlane) -> Iterator[None]:
    """HTTPRoute, LeaderWorkerSet and InferencePool are served while inside; without their CRDs the test is skipped."""
    try:
        files = (*gateway_crds(), *loose_crds(os.environ))
    except AssetsUnavailableError as missing:
        if os.environ.get("CI"):
            refuse_or_skip(missing, os.environ)
        pytest.skip(f"{_WITHOUT}{missing}")
    plane.apply_crds(*files)
    _wait_served(plane)
    yield
    plane.kubectl("delete", *(argument for file in files for argument in ("-f", str(file))))


def _wait_served(plane: ControlPlane) -> None:
    """Waits until the kinds of CRDs that were just applied can be listed: at first their storage is still made."""

    def listed() -> bool:
        try:
            for kind in (LEADER_WORKER_SETS, HTTP_ROUTES, INFERENCE_POOLS):
                plane.admin.items(kind.path)
        except ApiError as error:
            if error.status not in {404, 429, 503}:
                raise
            return False
        return True

    wait_until(listed, _WITHIN_SECONDS, "the CRDs of what is rendered")


class CountingClient(KubeClient):
    """The real client, which remembers what it writes and counts what it reads."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.writes: list[Call] = []
        self.reads = 0
        self.between: Callable[[], None] = lambda: None

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self.reads += 1
        return await super().get_in(kind, namespace, name)

    async def apply(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, force: bool, manager: str = FIELD_MANAGER
    ) -> Json:
        self._note("apply", kind.plural, body["metadata"]["name"])
        return await super().apply(kind, namespace, body, force=force, manager=manager)

    async def merge(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, part: str = "") -> Json:
        self._note("patch", kind.plural + (f"/{part}" if part else ""), body["metadata"]["name"])
        return await super().merge(kind, namespace, body, part=part)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str) -> bool:
        self._note("delete", kind.plural, name)
        return await super().delete(kind, namespace, name, uid=uid, version=version)

    def _note(self, verb: str, plural: str, name: str) -> None:
        self.writes.append((verb, plural, name))
        self.between()


class Scene:
    """One request in a namespace of its own.

    Args:
        plane: with Placewright's CRDs.
        namespace: of the request.
        name: of the request.
    """

    def __init__(self, plane: ControlPlane, namespace: str, name: str = "chat") -> None:
        self.plane = plane
        self.api = plane.admin
        self.namespace = namespace
        self.name = name
        self.request = Placements(plane.admin, namespace).create(name)
        self.writes: list[Call] = []
        self.reads = 0

    @property
    def owner(self) -> Owner:
        return Owner(name=self.name, uid=self.request["metadata"]["uid"])

    def move(self, work: Work, before: Work | None = None, settings: Settings = SETTINGS) -> Move:
        return render_move(work, before, settings, owner=self.owner)

    def path(self, kind: str, name: str = "") -> str:
        groups = {
            "deployments": "apis/apps/v1",
            "statefulsets": "apis/apps/v1",
            "leaderworkersets": "apis/leaderworkerset.x-k8s.io/v1",
            "inferencepools": "apis/inference.networking.k8s.io/v1",
            "httproutes": "apis/gateway.networking.k8s.io/v1",
            "horizontalpodautoscalers": "apis/autoscaling/v2",
        }
        return f"/{groups.get(kind, 'api/v1')}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def find(self, kind: str, name: str) -> Json | None:
        try:
            return self.api.get(self.path(kind, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def get(self, kind: str, name: str) -> Json:
        found = self.find(kind, name)
        assert found is not None, f"no {kind} {name}"
        return found

    def replaced(self, kind: str, body: Json) -> Json:
        return self.api.request("PUT", self.path(kind, body["metadata"]["name"]), body)

    def names(self, kind: str) -> list[str]:
        """Names of the objects of a kind that are not going."""
        return sorted(
            each["metadata"]["name"]
            for each in self.api.items(self.path(kind))
            if "deletionTimestamp" not in each["metadata"]
        )

    def seen(self) -> dict[str, Workload]:
        """The workloads of the request as they stand."""
        found = {}
        for kind, listed in WORKLOADS.items():
            try:
                items = self.api.items(self.path(listed.plural))
            except ApiError as error:
                if error.status != 404:
                    raise
                continue
            for item in items:
                workload = workload_of(kind, item)
                if workload.owner_uid == self.owner.uid:
                    found[workload.name] = workload
        return found

    def task(self, move: Move | None = None, **given: Any) -> Task:
        """The request as it stands now, for a decision."""
        route = self.find("httproutes", move.entrance) if move is not None else None
        return Task(
            request=self.request,
            seen=given.pop("seen", None) or self.seen(),
            move=move,
            route=None if route is None else route_of(route),
            **given,
        )

    def carry_out(self, task: Task, *actions: RolloutAction, **given: Any) -> Outcome:
        """Carries the actions out; what is written is in `writes`, of this call alone."""
        step = RolloutStep(
            phase=given.pop("phase", RolloutPhase.PROGRESSING),
            reason="Progressing",
            message="",
            actions=actions,
            memory=RolloutMemory(),
        )
        between, tend = given.pop("between", lambda: None), given.pop("tend", False)
        kubeconfig = given.pop("kubeconfig", self.plane.kubeconfig)

        async def run() -> Outcome:
            access = access_for(str(kubeconfig))
            async with access.session() as session:
                client = CountingClient(session, access.server)
                client.between = between
                try:
                    return await Actor(client, clock=time.time, **given).carry_out(task, step, tend=tend)
                finally:
                    self.writes, self.reads = client.writes, client.reads

        return asyncio.run(run())


def work(scene: Scene, *layouts: Any, **changes: Any) -> Work:
    return a_work(*layouts, name=scene.name, namespace=scene.namespace, **changes)


def running(scene: Scene, replicas: int = 2) -> str:
    """The name of a unit that stands with so many replicas."""
    move = scene.move(work(scene))
    (unit,) = move.units
    assert scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=replicas)).result is ActResult.DONE
    return unit.name


def autoscaler(scene: Scene, target: str) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 9}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "busy"}}
    scene.api.create(scene.path("horizontalpodautoscalers"), {**body, "spec": spec})


def account(scene: Scene, rules: list[Json]) -> Path:
    """A kubeconfig of a ServiceAccount with these rights in the namespace."""
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "actor", "namespace": scene.namespace}
    scene.api.create(scene.path("serviceaccounts"), {"metadata": {"name": "actor"}})
    here = f"/apis/{group}/v1/namespaces/{scene.namespace}"
    scene.api.create(f"{here}/roles", {"metadata": {"name": "actor"}, "rules": rules})
    reference = {"apiGroup": group, "kind": "Role", "name": "actor"}
    scene.api.create(
        f"{here}/rolebindings", {"metadata": {"name": "actor"}, "roleRef": reference, "subjects": [subject]}
    )
    token = scene.plane.service_account_token(scene.namespace, "actor")
    return scene.plane.kubeconfig_with_token(f"actor-{scene.namespace}", token)
