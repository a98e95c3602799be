"""What acting refuses or is refused on a real API server, its rights, and the targets of a workloadRef."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placewright.core.model import Remove, Scale, Weigh
from placewright.kube.manifests import Route
from placewright.kube.outcomes import ActResult
from placewright.kube.workloads import workload_of
from tests.controlplane.server import ControlPlane
from tests.support.kube_moves import Scene, account, autoscaler, rendered_kinds, running, work
from tests.support.renders import SETTINGS, a_layout, tolerant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]

GROUPS = {
    "deployments": "apps",
    "statefulsets": "apps",
    "leaderworkersets": "leaderworkerset.x-k8s.io",
    "httproutes": "gateway.networking.k8s.io",
    "inferencepools": "inference.networking.k8s.io",
    "horizontalpodautoscalers": "autoscaling",
    "scaledobjects": "keda.sh",
}


@pytest.fixture(scope="module")
def routed_plane(control_plane: ControlPlane, crds: list[Path]) -> Iterator[ControlPlane]:
    """The shared API server with the CRDs of what is rendered, as long as this module runs."""
    assert crds
    with rendered_kinds(control_plane):
        yield control_plane


@pytest.fixture
def scene(routed_plane: ControlPlane) -> Iterator[Scene]:
    namespace = routed_plane.create_namespace("act")
    yield Scene(routed_plane, namespace)
    routed_plane.delete_namespace(namespace)


@pytest.mark.parametrize("kind", ["services", "deployments"])
def test_what_is_not_ours_is_left_alone(scene: Scene, kind: str) -> None:
    move = scene.move(work(scene))
    (unit,) = move.units
    labels = {"app": "other"}
    container = {"name": "main", "image": "other"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    bodies: dict[str, Json] = {
        "services": {"metadata": {"name": "chat"}, "spec": {"ports": [{"port": 80}], "selector": labels}},
        "deployments": {
            "metadata": {"name": unit.name},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
    }
    theirs = scene.api.create(scene.path(kind), bodies[kind])
    outcome = scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=1))
    assert (outcome.result, outcome.writes, outcome.done) == (ActResult.FOREIGN_OWNER, 0, ())
    assert outcome.message.endswith("belongs to somebody else and is left alone: remove it, or rename the request")
    stored = scene.get(kind, theirs["metadata"]["name"])
    assert stored["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    assert scene.names("deployments" if kind == "services" else "services") == []


def test_who_writes_in_between_wins(scene: Scene) -> None:
    name, move = running(scene, 2), scene.move(work(scene))

    def somebody(replicas: int) -> None:
        scene.api.patch(scene.path("deployments", name) + "/scale", {"spec": {"replicas": replicas}})

    late = scene.carry_out(scene.task(move), Scale(name=name, replicas=4), between=lambda: somebody(7))
    assert (late.result, late.writes) == (ActResult.CONFLICT, 1)
    assert scene.get("deployments", name)["spec"]["replicas"] == 7
    task = scene.task(move)
    somebody(5)
    early = scene.carry_out(task, Scale(name=name, replicas=4))
    assert (early.result, early.writes) == (ActResult.CONFLICT, 0)
    assert "changed since the decision" in early.message
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=4)).result is ActResult.DONE


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {"placewright.dev/pause": "wait"}}},
        {"spec": {"suspend": True}},
    ],
)
def test_a_request_that_changed_since_the_decision_is_looked_at_again(scene: Scene, change: Json) -> None:
    move = scene.move(work(scene))
    task = scene.task(move)
    scene.request = scene.api.patch(
        f"/apis/placewright.dev/v1alpha1/namespaces/{scene.namespace}/placementrequests/chat", change
    )
    outcome = scene.carry_out(task, Scale(name=move.units[0].name, replicas=1))
    assert (outcome.result, outcome.writes) == (ActResult.CONFLICT, 0)
    fresh = scene.carry_out(scene.task(move), Scale(name=move.units[0].name, replicas=1))
    assert fresh.result is ActResult.DONE


def test_a_request_made_anew_under_the_same_name_is_another(scene: Scene) -> None:
    move = scene.move(work(scene))
    task = scene.task(move)
    path = f"/apis/placewright.dev/v1alpha1/namespaces/{scene.namespace}/placementrequests"
    scene.api.delete(f"{path}/chat")
    scene.api.create(
        path, {key: scene.request[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "chat"}}
    )
    outcome = scene.carry_out(task, Scale(name=move.units[0].name, replicas=1))
    assert (outcome.result, scene.names("deployments")) == (ActResult.CONFLICT, [])


def test_replicas_that_an_autoscaler_sets_are_left_alone(scene: Scene) -> None:
    name, move = running(scene, 2), scene.move(work(scene))
    autoscaler(scene, name)
    outcome = scene.carry_out(scene.task(move), Scale(name=name, replicas=0))
    assert (outcome.result, outcome.writes) == (ActResult.REPLICAS_OWNED, 0)
    assert outcome.message == (
        f"HorizontalPodAutoscaler busy sets the replicas of Deployment {name}, which stay at 2:"
        " remove it, or let it scale"
    )
    # A new template is applied without a number, which stays as it is although only we had set it.
    renewed = scene.move(work(scene, sites=[tolerant()]))
    outcome = scene.carry_out(scene.task(renewed), Scale(name=name, replicas=2))
    assert outcome.result is ActResult.DONE
    stored = scene.get("deployments", name)
    assert stored["spec"]["replicas"] == 2
    assert "renewed" in [each["key"] for each in stored["spec"]["template"]["spec"]["tolerations"]]
    ours = [entry for entry in stored["metadata"]["managedFields"] if entry["manager"] == "placewright"]
    assert not any("f:replicas" in entry["fieldsV1"]["f:spec"] for entry in ours)
    scene.api.patch(scene.path("deployments", name) + "/scale", {"spec": {"replicas": 6}})
    again = scene.move(work(scene, sites=[tolerant("again")]))
    scene.carry_out(scene.task(again), Scale(name=name, replicas=6))
    assert scene.writes == [("apply", "deployments", name)]
    assert scene.get("deployments", name)["spec"]["replicas"] == 6


def test_a_quota_on_workloads_is_a_denial_with_its_message(scene: Scene) -> None:
    spec = {"hard": {"count/deployments.apps": "0"}}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": spec}
    made = scene.api.create(scene.path("resourcequotas"), body)
    scene.api.patch(
        scene.path("resourcequotas", made["metadata"]["name"]) + "/status",
        {"status": {**spec, "used": {"count/deployments.apps": "0"}}},
    )
    move = scene.move(work(scene))
    outcome = scene.carry_out(scene.task(move), Scale(name=move.units[0].name, replicas=1))
    assert outcome.result is ActResult.DENIED
    assert "exceeded quota: none" in outcome.message
    assert "\n" not in outcome.message


def test_without_rights_it_is_denied_in_one_line(scene: Scene) -> None:
    """As with apply.enabled=false in the chart."""
    kubeconfig = account(scene, told_rights()[:1])
    move = scene.move(work(scene))
    (unit,) = move.units
    outcome = scene.carry_out(scene.task(move), Scale(name=unit.name, replicas=1), kubeconfig=kubeconfig)
    assert (outcome.result, outcome.writes) == (ActResult.DENIED, 0)
    assert outcome.message.startswith(f'Deployment {unit.name}: deployments.apps "{unit.name}" is forbidden: User ')
    assert 'cannot get resource "deployments"' in outcome.message


def told_rights() -> list[Json]:
    """The table of docs/acting.md as rules of a Role."""
    lines = (ROOT / "docs/acting.md").read_text(encoding="utf-8").splitlines()
    begin = lines.index("| on | verbs | for |") + 2
    rules = [{"apiGroups": ["placewright.dev"], "resources": ["placementrequests"], "verbs": ["get"]}]
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        resources, verbs = (part.strip().split(", ") for part in line.split("|")[1:3])
        rules += [
            {"apiGroups": [GROUPS.get(each.partition("/")[0], "")], "resources": [each], "verbs": verbs}
            for each in resources
        ]
    return rules


def test_the_rights_of_the_docs_are_enough_for_a_whole_life(scene: Scene) -> None:
    kubeconfig = account(scene, told_rights())

    def carry_out(move: Any, *actions: Any, **given: Any) -> None:
        outcome = scene.carry_out(scene.task(move), *actions, kubeconfig=kubeconfig, **given)
        assert (outcome.result, outcome.message) == (ActResult.DONE, "")

    triton = replace(SETTINGS, runtime="triton")
    first = scene.move(work(scene), settings=triton)
    name = first.units[0].name
    carry_out(first, Scale(name=name, replicas=2), tend=True)
    autoscaler(scene, name)
    carry_out(scene.move(work(scene, sites=[tolerant()]), settings=triton), Scale(name=name, replicas=2))
    scene.api.delete(scene.path("horizontalpodautoscalers", "busy"))
    pooled = replace(SETTINGS, route=Route(gateway="public", inference_pools=True))
    group = scene.move(work(scene, a_layout((16, 16), degree=4)), settings=pooled)
    (unit,) = group.units
    carry_out(group, Scale(name=unit.name, replicas=2), Weigh(shares={unit.name: 0.5, name: 0.5}), tend=True)
    carry_out(group, Scale(name=name, replicas=1))
    carry_out(group, Weigh(shares={unit.name: 1.0}), Remove(name=name), tend=True)
    carry_out(group, Scale(name=unit.name, replicas=0))
    assert (scene.names("deployments"), scene.names("configmaps")) == ([], [])
    assert scene.names("leaderworkersets") == scene.names("inferencepools") == [unit.name]


def test_a_target_is_scaled_by_its_subresource_alone(scene: Scene) -> None:
    target = {"app": "mine"}
    template = {"metadata": {"labels": target}, "spec": {"containers": [{"name": "main", "image": "mine"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": target}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mine"}, "spec": spec}
    stored = scene.api.create(scene.path("deployments"), body)
    found = workload_of("Deployment", stored)
    task = scene.task(seen={"mine": found}, target=found.key)
    outcome = scene.carry_out(task, Scale(name="mine", replicas=4))
    assert (outcome.result, scene.writes) == (ActResult.DONE, [("patch", "deployments/scale", "mine")])
    now = scene.get("deployments", "mine")
    assert now["spec"]["replicas"] == 4
    assert "ownerReferences" not in now["metadata"]
    assert now["metadata"].get("labels") == stored["metadata"].get("labels")

    found = workload_of("Deployment", now)
    outcome = scene.carry_out(scene.task(seen={"mine": found}, target=found.key), Remove(name="mine"))
    assert (outcome.result, scene.writes) == (ActResult.DONE, [("patch", "deployments/scale", "mine")])
    now = scene.get("deployments", "mine")
    assert now["spec"]["replicas"] == 0  # it is not ours to remove

    autoscaler(scene, "mine")
    found = workload_of("Deployment", now)
    outcome = scene.carry_out(scene.task(seen={"mine": found}, target=found.key), Scale(name="mine", replicas=2))
    assert (outcome.result, outcome.writes) == (ActResult.REPLICAS_OWNED, 0)
