"""Requests in mode Apply on the real API server, with real controllers and the real scheduler; kwok plays kubelets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.acting_cluster import ActingCluster, soon
from tests.support.placements import condition


@pytest.fixture
def cluster(full_control_plane: ControlPlane, tmp_path: Path) -> Iterator[ActingCluster]:
    with ActingCluster(full_control_plane, tmp_path) as made:
        yield made


def test_a_plan_is_rolled_out_changes_by_surge_and_goes_without_orphans(cluster: ActingCluster) -> None:
    cluster.ask("chat", replicas=2)
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        first = cluster.plan("chat")
        (old,) = cluster.replicas()
        assert cluster.replicas() == {old: 2}
        assert cluster.ready() == 2
        found = cluster.placements.get("chat")
        assert condition(found, "Ready")["reason"] == "PlanCurrent"
        assert condition(found, "Planned")["status"] == "True"
        assert found["status"]["rollout"]["workloads"] == [
            {"kind": "Deployment", "name": old, "replicas": 2, "readyReplicas": 2}
        ]
        owner = cluster.deployments()[old]["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "PlacementRequest",
            found["metadata"]["uid"],
            True,
        )
        soon(operator, lambda: "RolledOut" in cluster.placements.event_reasons("chat"), "the Event")

        cluster.placements.patch("chat", cluster.spec(replicas=2, gpus=1))
        soon(operator, lambda: cluster.rolled_out("chat", but=first), "the next plan to be rolled out")
        soon(operator, lambda: old not in cluster.replicas(), "the old workload to go")
        (new,) = cluster.replicas()
        assert new != old
        assert cluster.replicas()[new] == 2
        assert operator.total("rollout_actions_total", action="Remove", result="Done") == 1.0

        assert operator.log("somebody else wrote this status; putting it back") == []
        cluster.placements.delete("chat")
        soon(operator, lambda: not cluster.deployments() and not cluster.pods(), "everything of chat to go")
        left = [
            each["metadata"]["name"]
            for path in ("services", "configmaps")
            for each in cluster.api.items(f"/api/v1/namespaces/{cluster.namespace}/{path}")
            if each["metadata"].get("ownerReferences")
        ]
        assert left == []


def test_what_is_suspended_or_only_recommended_is_left_alone(cluster: ActingCluster) -> None:
    cluster.ask("chat")
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        (name,) = cluster.replicas()

        cluster.placements.patch("chat", {"suspend": True, "workload": {"requestsPerSecond": 4.0}})
        soon(operator, lambda: reason_of(cluster, "chat", "Ready") == "Suspended", "the suspension to be told")
        cluster.ask("other")  # the loop goes on for others, and passes over what is suspended
        soon(operator, lambda: cluster.rolled_out("other"), "another to be rolled out")
        assert cluster.replicas()[name] == 1

        cluster.placements.patch("chat", {"suspend": False, "mode": "Recommend"})
        soon(operator, lambda: cluster.applied("chat") == ("False", "NotRequested"), "what is not asked to be told")
        soon(operator, lambda: reason_of(cluster, "chat", "Ready") == "PlanCurrent", "the plan to be current")
        assert cluster.placements.get("chat")["status"]["plan"]["replicas"] == 2
        assert cluster.replicas()[name] == 1

        cluster.placements.patch("chat", {"mode": "Apply"})
        soon(operator, lambda: cluster.replicas()[name] == 2, "the second replica")
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out again")


def test_without_apply_it_says_what_to_set_and_touches_nothing(cluster: ActingCluster) -> None:
    cluster.ask("chat")
    with cluster.operator(apply=False) as operator:
        soon(operator, lambda: cluster.applied("chat") == ("False", "NotEnabled"), "NotEnabled")
        found = cluster.placements.get("chat")
        assert "apply.enabled=true" in condition(found, "Applied")["message"]
        assert condition(found, "Ready")["reason"] == "RolloutPending"
        assert condition(found, "Stalled")["reason"] == "NotEnabled"
        assert condition(found, "Planned")["status"] == "True"
        assert cluster.deployments() == {}


def test_a_namespace_that_is_not_named_is_left_alone(cluster: ActingCluster) -> None:
    cluster.ask("chat")
    with cluster.operator("--apply-namespace=elsewhere") as operator:
        soon(operator, lambda: cluster.applied("chat") == ("False", "NotEnabled"), "NotEnabled")
        assert cluster.namespace in condition(cluster.placements.get("chat"), "Applied")["message"]
        assert cluster.deployments() == {}


def test_a_pause_of_a_request_and_of_everything(cluster: ActingCluster) -> None:
    cluster.ask("chat")
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        (name,) = cluster.replicas()

        cluster.annotate("chat", pause="night shift")
        soon(operator, lambda: cluster.applied("chat") == ("False", "Paused"), "the pause to be told")
        assert "night shift" in condition(cluster.placements.get("chat"), "Applied")["message"]
        cluster.placements.patch("chat", {"workload": {"requestsPerSecond": 4.0}})
        soon(operator, lambda: cluster.placements.get("chat")["status"]["plan"]["replicas"] == 2, "the next plan")
        assert cluster.replicas() == {name: 1}
        cluster.annotate("chat", pause=None)
        soon(operator, lambda: cluster.replicas() == {name: 2}, "the rollout to go on")
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out again")

        cluster.policy(annotations={"placewright.dev/pause": "freeze"})
        soon(operator, lambda: cluster.applied("chat") == ("False", "Paused"), "the pause of everything to be told")
        assert "freeze" in condition(cluster.placements.get("chat"), "Applied")["message"]
        soon(operator, lambda: operator.samples("acting_paused") == [1.0], "the metric")


def test_an_existing_workload_is_scaled_and_not_taken(cluster: ActingCluster) -> None:
    body = deployment("llama", gpus=2)
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments"
    cluster.api.create(path, body)
    cluster.ask("chat", replicas=2, workloadRef={"kind": "Deployment", "name": "llama"})
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.replicas() == {"llama": 2}, "the second replica")
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        found = cluster.deployments()["llama"]
        assert "ownerReferences" not in found["metadata"]
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "example.com/own:1"

        autoscaler = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "llama"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama"},
                "minReplicas": 2,
                "maxReplicas": 3,
            },
        }
        cluster.api.create(f"/apis/autoscaling/v2/namespaces/{cluster.namespace}/horizontalpodautoscalers", autoscaler)
        soon(operator, lambda: cluster.applied("chat") == ("False", "ReplicasOwned"), "the owner of the replicas")
        assert "HorizontalPodAutoscaler llama" in condition(cluster.placements.get("chat"), "Applied")["message"]
        cluster.placements.delete("chat")
        soon(operator, lambda: cluster.placements.find("chat") is None, "chat to go")
        assert cluster.replicas() == {"llama": 2}


def test_a_workload_of_another_size_is_refused(cluster: ActingCluster) -> None:
    cluster.api.create(f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments", deployment("llama", gpus=1))
    cluster.ask("chat", replicas=2, workloadRef={"kind": "Deployment", "name": "llama"})
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.applied("chat") == ("False", "WorkloadMismatch"), "the mismatch")
        assert cluster.replicas() == {"llama": 1}


def test_the_brake_holds_rollouts_after_failed_ones_until_it_is_released(cluster: ActingCluster) -> None:
    broken = {"rollout": {"progressDeadline": "10s", "retryAfter": "40m"}}
    cluster.policy(rollout={"brake": {"failedRollouts": 2, "within": "30m"}})
    with cluster.operator() as operator:
        metadata = {"name": "none"}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}}
        cluster.api.create(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas", quota)
        for name in ("one", "two"):
            cluster.ask(name, **broken)
        for name in ("one", "two"):
            soon(operator, lambda name=name: cluster.applied(name) == ("False", "RolloutFailed"), f"{name} to fail")
            said = condition(cluster.placements.get(name), "Applied")["message"]
            assert "exceeded quota" in said
        soon(operator, lambda: set(cluster.replicas().values()) == {0}, "what failed to go back to nothing")
        soon(operator, lambda: operator.samples("rollout_brake") == [1.0], "the brake")
        cluster.api.delete(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas/none")
        cluster.ask("three", **broken)
        soon(operator, lambda: cluster.applied("three") == ("False", "BrakeEngaged"), "the brake to be told")
        assert len(cluster.deployments()) == 2

    with cluster.operator() as again:  # a restart does not release it
        soon(again, lambda: again.samples("rollout_brake") == [1.0], "the brake after a restart")
        assert cluster.applied("three") == ("False", "BrakeEngaged")
        released = {"metadata": {"annotations": {"placewright.dev/brake-released-at": cluster.now()}}}
        cluster.api.patch(f"/apis/placewright.dev/v1alpha1/placementpolicies/{cluster.namespace}", released)
        soon(again, lambda: cluster.rolled_out("three"), "three to be rolled out")
        failed = cluster.placements.get("one")["status"]["rollout"]
        cluster.annotate("one", retry=f"{failed['planId']}/{failed['failedAt']}")
        soon(again, lambda: cluster.rolled_out("one"), "one to be tried again at once")


def deployment(name: str, *, gpus: int) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": "example.com/own:1", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels | {"placewright.dev/request": "chat"}},
                "spec": {"containers": [container]},
            },
        },
    }


def reason_of(cluster: ActingCluster, name: str, kind: str) -> str:
    return str(condition(cluster.placements.get(name), kind).get("reason", ""))


def test_a_restart_with_nothing_changed_writes_nothing(cluster: ActingCluster) -> None:
    cluster.policy(idle={"policy": "Report"})
    cluster.ask("chat")
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        soon(operator, lambda: reason_of(cluster, "chat", "Idle") == "Warming", "its idling to be told")
    versions, made = cluster.placements.versions(), cluster.deployments()
    with cluster.operator() as again:
        soon(again, lambda: again.samples("acting_paused") == [0.0] and again.idle, "a look after the restart")
        cluster.ask("other")
        soon(again, lambda: cluster.rolled_out("other"), "another to be rolled out")
        assert cluster.placements.versions()["chat"] == versions["chat"]
        stored = cluster.deployments()
        for name, before in made.items():
            assert stored[name]["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
