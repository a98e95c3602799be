"""Acting with real controllers: Pods that become Ready, troubles as they are told, and what garbage collection takes.

kwok plays the kubelets.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placewright.api.hardware import LabelSelector
from placewright.core.model import Scale
from placewright.kube.manifests import Route, Work
from placewright.kube.outcomes import ActResult
from placewright.kube.pod_trouble import pod_trouble, pods_of
from placewright.kube.workloads import Workload, running_of, workload_of
from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.kube_moves import Scene
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, tolerant

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
WITHIN_SECONDS = 90.0
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@pytest.fixture(scope="module")
def plane(full_control_plane: ControlPlane) -> ControlPlane:
    full_control_plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
    return full_control_plane


@pytest.fixture
def scene(plane: ControlPlane) -> Iterator[Scene]:
    """A request with two Nodes of its own, four GPUs each."""
    namespace = plane.create_namespace("act")
    pool = GpuNodes(namespace, "NVIDIA-L40S", 2, 4, memory_mib=46068, labels={"site": namespace})
    nodes = create_gpu_nodes(plane.admin, [pool])
    for name in nodes:
        plane.admin.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
    yield Scene(plane, namespace)
    plane.delete_namespace(namespace)
    for name in nodes:
        plane.admin.delete(f"/api/v1/nodes/{name}")


def work(scene: Scene, *layouts: Any, site: Callable[..., Any] = a_site, **changes: Any) -> Work:
    given = site(selector=LabelSelector.model_validate({"matchLabels": {"site": scene.namespace}}))
    return a_work(*layouts, name=scene.name, namespace=scene.namespace, sites=[given], **changes)


def unit(scene: Scene, name: str, holds: Callable[[Workload], bool]) -> Workload:
    """The workload once this holds of it."""

    def probe() -> Workload | None:
        found = scene.seen().get(name)
        return found if found is not None and holds(found) else None

    found = wait_until(probe, WITHIN_SECONDS, f"{name} to be as it should")
    assert found is not None
    return found


def test_replicas_become_ready_by_their_template_and_scale(scene: Scene) -> None:
    move = scene.move(work(scene))
    name = move.units[0].name
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=3)).result is ActResult.DONE
    found = unit(scene, name, lambda each: each.ready == 3)
    told = running_of(found, weight=None, wanted=move.wanted(name))
    assert (told.replicas, told.ready, told.stale, told.trouble) == (3, 3, False, "")
    assert told.pools == {"l40s": ((2, 1),)}

    # Another template: no replica counts as ready before its controller has seen it.
    renewed = scene.move(work(scene, site=tolerant))
    assert running_of(found, weight=None, wanted=renewed.wanted(name)).stale
    ready: list[int] = []

    def look() -> None:
        stored = scene.seen()[name]
        ready.append(stored.ready if stored.template_generation > 1 else -1)

    scene.carry_out(scene.task(renewed), Scale(name=name, replicas=3), checkpoint=lambda _: look())
    assert ready[-1] < 3
    unit(scene, name, lambda each: each.ready == 3)
    pods = scene.api.items(scene.path("pods"))
    for pod in pods:
        tolerated = [each.get("key") for each in pod["spec"]["tolerations"]]
        assert "renewed" in tolerated or "deletionTimestamp" in pod["metadata"]

    scene.carry_out(scene.task(renewed), Scale(name=name, replicas=1))
    assert unit(scene, name, lambda each: each.replicas == 1).ready == 1


def test_a_pod_without_a_place_says_why(scene: Scene) -> None:
    move = scene.move(work(scene))
    name = move.units[0].name
    scene.carry_out(scene.task(move), Scale(name=name, replicas=5))  # there is room for four
    found = unit(scene, name, lambda each: each.ready == 4)
    assert found.trouble == ""

    def trouble() -> str:
        path = f"{scene.path('pods')}?labelSelector={pods_of(found).label_selector}"
        return pod_trouble(scene.api.items(path))

    told = wait_until(trouble, WITHIN_SECONDS, "the scheduler's word")
    assert told.startswith("1 Pod: Unschedulable: 0/")
    assert "Insufficient nvidia.com/gpu" in told


def test_a_quota_on_pods_is_the_trouble_of_the_workload(scene: Scene) -> None:
    quota = {"metadata": {"name": "two"}, "spec": {"hard": {"pods": "2"}}}
    scene.api.create(scene.path("resourcequotas"), quota)
    wait_until(
        lambda: scene.get("resourcequotas", "two").get("status", {}).get("hard"), WITHIN_SECONDS, "the quota to count"
    )
    move = scene.move(work(scene))
    name = move.units[0].name
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=3)).result is ActResult.DONE
    found = unit(scene, name, lambda each: bool(each.trouble))
    assert "exceeded quota: two" in found.trouble
    assert "\n" not in found.trouble
    assert unit(scene, name, lambda each: each.ready == 2).replicas == 3


def test_what_a_policy_denies_is_told_in_its_words(scene: Scene) -> None:
    name = f"deny-{scene.namespace}"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    spec = {
        "matchConstraints": {"resourceRules": [{**rule, "resources": ["deployments"]}], "namespaceSelector": selector},
        "validations": [{"expression": "object.spec.replicas < 3", "message": "no more than 2 here"}],
        "failurePolicy": "Fail",
    }
    scene.api.create(POLICIES, {"metadata": {"name": name}, "spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    scene.api.create(f"{BINDINGS}", {"metadata": {"name": name}, "spec": binding})
    move = scene.move(work(scene))
    (wanted,) = move.units
    try:
        # It takes the API server a while to enforce a new policy.
        def denied() -> str:
            outcome = scene.carry_out(scene.task(move), Scale(name=wanted.name, replicas=3))
            if outcome.result is ActResult.DONE:
                scene.api.delete(scene.path("deployments", wanted.name))
                return ""
            return outcome.message if outcome.result is ActResult.DENIED else ""

        told = wait_until(denied, WITHIN_SECONDS, "the policy to deny")
        assert "no more than 2 here" in told
        assert told.startswith(f"Deployment {wanted.name}: ")
        assert scene.carry_out(scene.task(move), Scale(name=wanted.name, replicas=2)).result is ActResult.DONE
    finally:
        scene.api.delete(f"{BINDINGS}/{name}")
        scene.api.delete(f"{POLICIES}/{name}")


def test_what_is_not_installed_is_said_before_anything_is_written(
    own_control_plane: Callable[..., ControlPlane],
) -> None:
    plane = own_control_plane()
    plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
    scene = Scene(plane, plane.create_namespace("act"))
    grouped = scene.move(work(scene, a_layout((16, 16), degree=4)))
    assert grouped.rendered[grouped.units[0].name].workload["kind"] == "LeaderWorkerSet"
    outcome = scene.carry_out(scene.task(), Scale(name="x", replicas=0))
    assert outcome.result is ActResult.CONFLICT
    outcome = scene.carry_out(replace(scene.task(), move=grouped), Scale(name=grouped.units[0].name, replicas=1))
    assert (outcome.result, outcome.writes) == (ActResult.NOT_SERVED, 0)
    assert outcome.message == (
        "the API server does not serve LeaderWorkerSet: install LeaderWorkerSet (leaderworkerset.x-k8s.io/v1),"
        " which replicas of several nodes need"
    )
    routed = scene.move(work(scene), settings=replace(SETTINGS, route=Route(gateway="public")))
    outcome = scene.carry_out(replace(scene.task(), move=routed), Scale(name=routed.units[0].name, replicas=1))
    assert (outcome.result, outcome.writes) == (ActResult.NOT_SERVED, 0)
    assert "install the CRDs of the Gateway API" in outcome.message
    assert scene.names("services") == scene.names("deployments") == []


def test_deleting_the_request_takes_what_is_ours_and_nothing_else(scene: Scene) -> None:
    move = scene.move(work(scene))
    name = move.units[0].name
    scene.carry_out(scene.task(move), Scale(name=name, replicas=2))
    unit(scene, name, lambda each: each.ready == 2)
    other = Scene(scene.plane, scene.namespace, "other")
    others = other.move(work(other))
    other.carry_out(other.task(others), Scale(name=others.units[0].name, replicas=1))
    # With our labels, and not ours: labels anybody can write.
    labels = scene.get("services", "chat")["metadata"]["labels"]
    body = {"metadata": {"name": "theirs", "labels": labels}, "data": {"a": "b"}}
    scene.api.create(scene.path("configmaps"), body)

    scene.api.delete(f"/apis/placewright.dev/v1alpha1/namespaces/{scene.namespace}/placementrequests/chat")

    def gone() -> bool:
        left = scene.names("deployments"), scene.names("services")
        pods = [pod["metadata"]["labels"]["placewright.dev/request"] for pod in scene.api.items(scene.path("pods"))]
        return left == ([others.units[0].name], ["other"]) and set(pods) == {"other"}

    assert wait_until(gone, WITHIN_SECONDS, "garbage collection")
    assert "theirs" in scene.names("configmaps")
    kept = workload_of("Deployment", other.get("deployments", others.units[0].name))
    assert kept.owner_uid == other.owner.uid
