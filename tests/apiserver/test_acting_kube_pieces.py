"""What stands beside units, and what hands and admission make of all of it, on a real API server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placewright.core.model import Remove, Scale, Weigh
from placewright.kube.manifests import Route
from placewright.kube.outcomes import ActResult
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import JSON_PATCH
from tests.controlplane.server import ControlPlane
from tests.support.kube_moves import ROUTED, Scene, rendered_kinds, running, work
from tests.support.renders import SETTINGS, a_layout, tolerant

Json = dict[str, Any]


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


def test_another_template_is_stale_until_it_is_applied(scene: Scene) -> None:
    name = running(scene)
    move = scene.move(work(scene, sites=[tolerant()]))
    seen = scene.seen()[name]
    assert (seen.template, seen.essence) != move.wanted(name)
    assert scene.carry_out(scene.task(move)).writes == 0  # it would start Pods anew: that is for the decision
    scene.carry_out(scene.task(move), Scale(name=name, replicas=2))
    assert scene.writes == [("apply", "deployments", name)]
    fresh = scene.seen()[name]
    assert (fresh.template, fresh.essence) == move.wanted(name)
    assert fresh.up_since is not None
    assert seen.up_since is not None
    assert fresh.up_since > seen.up_since
    assert (seen.template_generation, fresh.template_generation) == (1, fresh.generation)


def test_what_a_hand_changed_or_removed_is_seen_and_put_back(scene: Scene) -> None:
    name, move = running(scene), scene.move(work(scene))
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/evil:1"}]
    scene.api.patch(scene.path("deployments", name), image, JSON_PATCH)
    seen = scene.seen()[name]
    assert (seen.template, seen.essence) != move.wanted(name)
    scene.carry_out(scene.task(move), Scale(name=name, replicas=2))
    stored = scene.get("deployments", name)
    assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == SETTINGS.image

    scene.api.delete(scene.path("services", "chat"))
    assert scene.carry_out(scene.task(move)).writes == 0
    scene.carry_out(scene.task(move), tend=True)
    assert scene.writes == [("apply", "services", "chat")]


@pytest.fixture
def mirror(scene: Scene) -> Iterator[str]:
    """An admission policy of the namespace that takes images from a mirror; yields what it makes of them."""
    group, name, image = (
        "/apis/admissionregistration.k8s.io/v1",
        f"mirror-{scene.namespace}",
        "mirror.example.com/engine:1",
    )
    expression = f'[JSONPatch{{op: "replace", path: "/spec/template/spec/containers/0/image", value: "{image}"}}]'
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    spec = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
    }
    scene.api.create(f"{group}/mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
    scene.api.create(f"{group}/mutatingadmissionpolicybindings", binding)
    yield image
    scene.api.delete(f"{group}/mutatingadmissionpolicybindings/{name}")
    scene.api.delete(f"{group}/mutatingadmissionpolicies/{name}")


def test_what_admission_makes_of_it_is_let_stand(scene: Scene, mirror: str) -> None:
    move = scene.move(work(scene))
    name = move.units[0].name
    body = {**move.workload(name, 1, {}), "metadata": {"name": name}}

    def mirrored() -> bool:  # it takes the API server a while to follow a new policy
        answer = scene.api.create(f"{scene.path('deployments')}?dryRun=All", body)
        return bool(answer["spec"]["template"]["spec"]["containers"][0]["image"] == mirror)

    wait_until(mirrored, 60.0, "the policy to be followed")
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=1)).result is ActResult.DONE
    deployment = ("deployments", name)
    assert scene.writes == [("apply", "services", "chat"), ("apply", *deployment), ("patch", *deployment)]
    found = scene.seen()[name]
    assert (found.template, found.essence) != move.wanted(name)
    assert found.runs(move.wanted(name))
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=1), tend=True).writes == 0
    assert scene.carry_out(scene.task(move), Scale(name=name, replicas=2)).writes == 1
    assert scene.seen()[name].runs(move.wanted(name))

    arguments = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--seed=1"}]
    scene.api.patch(scene.path(*deployment), arguments, JSON_PATCH)
    assert not scene.seen()[name].runs(move.wanted(name))
    scene.carry_out(scene.task(move), Scale(name=name, replicas=2))
    assert scene.seen()[name].runs(move.wanted(name))
    assert "--seed=1" not in scene.get(*deployment)["spec"]["template"]["spec"]["containers"][0]["args"]


def test_pools_that_a_hand_changed_are_told_right_again(scene: Scene) -> None:
    name, move = running(scene), scene.move(work(scene))
    notes = {"metadata": {"annotations": {"placewright.dev/pools": "{}"}}}
    scene.api.patch(scene.path("deployments", name), notes)
    assert scene.carry_out(scene.task(move)).writes == 1
    assert scene.seen()[name].pools == {"l40s": ((2, 1),)}


def test_inference_pools_come_and_go_with_their_units(scene: Scene) -> None:
    pooled = replace(SETTINGS, route=Route(gateway="public", inference_pools=True))
    old, new = scene.move(work(scene), settings=pooled), scene.move(work(scene, a_layout((16, 16))), settings=pooled)
    before, after = old.units[0].name, new.units[0].name
    assert scene.carry_out(scene.task(old), Scale(name=before, replicas=1), Weigh(shares={before: 1.0})).writes == 3
    assert scene.names("inferencepools") == [before]
    actions = (Scale(name=after, replicas=1), Weigh(shares={after: 1.0}), Remove(name=before))
    assert scene.carry_out(scene.task(new), *actions).result is ActResult.DONE
    assert (scene.names("inferencepools"), scene.names("services")) == ([after], [])
    route = scene.task(new).route
    assert route is not None
    assert route.shares == {after: 1.0}


def test_a_route_that_comes_and_goes_leaves_nothing_behind(scene: Scene) -> None:
    name = running(scene)
    routed = scene.move(work(scene), settings=ROUTED)
    outcome = scene.carry_out(scene.task(routed), Weigh(shares={name: 1.0}))
    assert outcome.result is ActResult.DONE
    assert scene.writes == [
        ("apply", "services", f"{name}-http"),
        ("apply", "deployments", name),
        ("apply", "httproutes", "chat"),
        ("delete", "services", "chat"),
    ]
    hosted = scene.move(
        work(scene), settings=replace(SETTINGS, route=Route(gateway="public", hostnames=("chat.example.com",)))
    )
    scene.carry_out(scene.task(hosted))
    assert scene.writes == [("apply", "httproutes", "chat")]
    assert scene.get("httproutes", "chat")["spec"]["hostnames"] == ["chat.example.com"]

    scene.carry_out(scene.task(scene.move(work(scene))))
    assert scene.writes == [
        ("apply", "services", "chat"),
        ("apply", "deployments", name),
        ("delete", "httproutes", "chat"),
        ("delete", "services", f"{name}-http"),
    ]
    assert (scene.names("services"), scene.names("httproutes")) == (["chat"], [])
