"""What acting really asks of the API server, by its audit log, is what the chart grants: no verb less, and none more.

Every kind of write is carried out with the token of the chart's account, and all that is watched is read with it. Kinds
of other projects are stand-ins without a controller.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from placewright.core.model import Remove, Scale, Weigh
from placewright.handlers.acting.observing import Observing
from placewright.kube.access import access_for
from placewright.kube.client import KubeClient
from placewright.kube.kinds import WORKLOADS
from placewright.kube.manifests import Route
from placewright.kube.outcomes import ActResult
from placewright.kube.workloads import workload_of
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.chart_access import FOREIGN, Rights, foreign_kinds, rights_of
from tests.support.helm import CHART, Helm
from tests.support.kube_moves import Scene
from tests.support.renders import SETTINGS, a_layout, a_work

Json = dict[str, Any]

pytestmark = pytest.mark.xdist_group("chart-verbs")

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/placewright-apply"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
SERVICES = replace(SETTINGS, route=Route(gateway="public"))
POOLS = replace(SETTINGS, route=Route(gateway="public", inference_pools=True))
TRITON = replace(SETTINGS, runtime="triton")


@dataclass(frozen=True, slots=True)
class Audited:
    """A control plane that keeps an audit log, and what is told there of one account."""

    plane: ControlPlane
    log: Path
    account: str

    def asked(self) -> Rights:
        """Verbs by resource that it asked for; a patch that made the object counts as create too."""
        found: dict[str, set[str]] = {}
        for event in self._events():
            about = event["objectRef"]
            group, part = about.get("apiGroup", ""), about.get("subresource", "")
            name = about["resource"] + (f".{group}" if group else "") + (f"/{part}" if part else "")
            found.setdefault(name, set()).add(event["verb"])
            if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
                found[name].add("create")
        return {name: frozenset(verbs) for name, verbs in found.items()}

    def refused(self) -> list[str]:
        return [event["requestURI"] for event in self._events() if event["responseStatus"]["code"] in {401, 403}]

    def _events(self) -> list[Json]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines if line.endswith("}")]
        return [each for each in told if each["user"]["username"] == self.account and "objectRef" in each]


@pytest.fixture
def audited(own_control_plane: Callable[..., ControlPlane], helm4: Path, tmp_path: Path) -> Audited:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(yaml.safe_dump(POLICY), encoding="utf-8")
    plane = own_control_plane(apiserver_args=[f"--audit-policy-file={policy}", f"--audit-log-path={log}"])
    values: Json = {"apply": {"enabled": True}}
    helm = Helm(helm4, tmp_path, plane.kubeconfig)
    helm.run("install", "placewright", CHART, "-n", "placewright", "--create-namespace", values=values)
    plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return Audited(plane, log, "system:serviceaccount:placewright:placewright")


class Account:
    """Carries steps out with the account's token."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        token = plane.service_account_token("placewright", "placewright")
        self.kubeconfig = plane.kubeconfig_with_token("operator", token)

    def scene(self, name: str) -> Scene:
        return Scene(self.plane, self.plane.create_namespace("verbs"), name)

    def does(self, scene: Scene, move: Any, *actions: Any, **given: Any) -> None:
        outcome = scene.carry_out(scene.task(move), *actions, kubeconfig=self.kubeconfig, **given)
        assert outcome.result is ActResult.DONE, outcome.message

    def moves(self, settings: Any, *layouts: Any) -> None:
        """A unit gives way to another; then another way of bringing in the traffic is taken."""
        scene = self.scene("chat")
        work = a_work(a_layout(), name=scene.name, namespace=scene.namespace)
        old = scene.move(work, settings=settings)
        new = scene.move(replace(work, layouts=layouts), settings=settings)
        (before,), (after,) = old.units, new.units
        routed = settings.route is not None

        self.does(scene, old, Scale(name=before.name, replicas=2))
        if routed:
            self.does(scene, old, Weigh(shares={before.name: 1.0}))
        self.does(scene, new, Scale(name=after.name, replicas=1))
        if routed:
            self.does(scene, new, Weigh(shares={after.name: 1.0}))
        self.does(scene, new, Scale(name=before.name, replicas=0))
        self.does(scene, new, Remove(name=before.name))
        other = SETTINGS if routed else SERVICES
        self.does(scene, scene.move(new_work := replace(work, layouts=layouts), settings=other), tend=True)
        self.does(scene, scene.move(new_work, settings=other), Scale(name=after.name, replicas=0))
        self.does(scene, scene.move(new_work, settings=other), Remove(name=after.name))

    def scales_a_target(self, kind: str, api_version: str) -> None:
        """A workload of somebody else."""
        scene = self.scene("mine")
        labels = {"app": "mine"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "mine"}]}}
        spec: Json = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        if kind == "LeaderWorkerSet":
            spec = {"replicas": 1, "leaderWorkerTemplate": {"size": 1, "workerTemplate": template}}
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "mine"}, "spec": spec}
        found = workload_of(kind, scene.api.create(scene.path(WORKLOADS[kind].plural), body))
        task = scene.task(seen={"mine": found}, target=found.key)
        outcome = scene.carry_out(task, Scale(name="mine", replicas=3), kubeconfig=self.kubeconfig)
        assert outcome.result is ActResult.DONE, outcome.message
        assert scene.get(WORKLOADS[kind].plural, "mine")["spec"]["replicas"] == 3

    async def watches(self, seen: Callable[[], bool]) -> None:
        """Everything that acting reads, until it is seen."""
        access = access_for(str(self.kubeconfig))
        async with access.session() as session:
            client = KubeClient(session, access.server)
            observing = Observing(client, namespaces=(), acts=(), resync_seconds=60.0)
            observing.follow(WORKLOADS)
            running = asyncio.create_task(observing.run())
            try:
                await asyncio.to_thread(wait_until, seen, 60.0, "watches of all that is read")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def test_acting_asks_for_what_the_chart_grants_and_the_chart_grants_what_it_asks_for(audited: Audited) -> None:
    with foreign_kinds(audited.plane):
        account = Account(audited.plane)
        one_node, two_nodes = a_layout((16, 16)), a_layout((16, 16), degree=4)
        account.moves(SETTINGS, one_node)
        account.moves(TRITON, a_layout(degree=4))
        account.moves(SERVICES, two_nodes)
        account.moves(POOLS, one_node)
        account.scales_a_target("Deployment", "apps/v1")
        account.scales_a_target("StatefulSet", "apps/v1")
        account.scales_a_target("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1")

        granted = rights_of(audited.plane.admin.get(ROLE)["rules"])
        watched = {resource for resource, verbs in granted.items() if "watch" in verbs}
        assert len(watched) >= 5

        def all_watched() -> bool:
            return all("watch" in audited.asked().get(resource, ()) for resource in watched)

        asyncio.run(account.watches(all_watched))
        asked = audited.asked()

    beside = {"placementrequests.placewright.dev": {"get"}, "pods": {"list", "watch"}}
    assert {resource: verbs for resource, verbs in asked.items() if resource in beside} == beside
    assert {resource: verbs for resource, verbs in asked.items() if resource not in beside} == granted
    assert audited.refused() == []


def test_stand_ins_are_of_the_kinds_that_the_chart_names() -> None:
    named = (CHART / "templates/_helpers.tpl").read_text(encoding="utf-8")
    for crd in FOREIGN:
        assert f"- apiGroups: [{crd['spec']['group']}]\n  resources: [{crd['spec']['names']['plural']}]\n" in named
