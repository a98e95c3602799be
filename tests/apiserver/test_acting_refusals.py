"""What the API server refuses, what never gets Ready, and an API server that is away in the middle of a move."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.acting_cluster import ActingCluster, soon
from tests.support.operator_process import OperatorProcess
from tests.support.placements import condition

Json = dict[str, Any]


@pytest.fixture
def cluster(full_control_plane: ControlPlane, tmp_path: Path) -> Iterator[ActingCluster]:
    with ActingCluster(full_control_plane, tmp_path) as made:
        yield made


def away(operator: OperatorProcess) -> bool:
    """Whether it has told that the API server is away."""
    told = (str(line.get("message", "")) for line in operator.log())
    return any("cannot be read for now" in text or text in {"not acted", "LIST failed"} for text in told)


def message(cluster: ActingCluster, name: str) -> str:
    return str(condition(cluster.placements.get(name), "Applied").get("message", ""))


def test_what_never_gets_ready_goes_back_and_the_old_plan_serves_on(cluster: ActingCluster) -> None:
    rules = {"progressDeadline": "10s", "retryAfter": "40m"}
    cluster.ask("chat", rollout=rules)
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        first = cluster.plan("chat")
        (old,) = cluster.replicas()
        quota = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
        cluster.api.create(
            f"/api/v1/namespaces/{cluster.namespace}/resourcequotas",
            {"apiVersion": "v1", "kind": "ResourceQuota", **quota},
        )
        cluster.placements.patch("chat", cluster.spec(gpus=1, rollout=rules))
        soon(operator, lambda: cluster.applied("chat") == ("False", "RolloutFailed"), "the rollout to fail")
        assert cluster.plan("chat") != first
        assert "exceeded quota" in message(cluster, "chat")
        (new,) = set(cluster.replicas()) - {old}
        soon(operator, lambda: cluster.replicas() == {old: 1, new: 0}, "the new replica to go")
        soon(operator, lambda: cluster.ready() == 1 == len(cluster.pods()), "the old one to serve on")
        cluster.api.delete(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas/one")
        failed = cluster.placements.get("chat")["status"]["rollout"]
        cluster.annotate("chat", retry=f"{failed['planId']}/{failed['failedAt']}")
        soon(operator, lambda: cluster.replicas() == {new: 1}, "the move to end when it is tried again")
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")


def test_an_admission_that_denies_is_told_and_nothing_is_half_done(cluster: ActingCluster) -> None:
    name = cluster.namespace
    group = "/apis/admissionregistration.k8s.io/v1"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["deployments"],
                    }
                ]
            },
            "validations": [{"expression": "false", "message": "no new workloads on Fridays"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
        },
    }
    cluster.api.create(f"{group}/validatingadmissionpolicies", policy)
    cluster.api.create(f"{group}/validatingadmissionpolicybindings", binding)
    try:
        soon_denied(cluster, name)
        cluster.ask("chat")
        with cluster.operator() as operator:
            soon(operator, lambda: cluster.applied("chat") == ("False", "Denied"), "the denial to be told")
            assert "no new workloads on Fridays" in message(cluster, "chat")
            assert cluster.deployments() == {}
            assert condition(cluster.placements.get("chat"), "Planned")["status"] == "True"
            cluster.api.delete(f"{group}/validatingadmissionpolicybindings/{name}")
            soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
    finally:
        for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.drop(f"{group}/{plural}/{name}")


def test_a_hand_that_scales_beside_us_and_a_hand_that_deletes(cluster: ActingCluster) -> None:
    cluster.ask("chat", replicas=2)
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        (name,) = cluster.replicas()
        path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/{name}"
        for number in range(5):
            cluster.api.patch(f"{path}/scale", {"spec": {"replicas": number % 3}})
        soon(operator, lambda: cluster.replicas() == {name: 2}, "the plan's replicas to come back")
        uid = cluster.deployments()[name]["metadata"]["uid"]
        cluster.api.delete(path)
        soon(operator, lambda: cluster.replicas() == {name: 2}, "the workload to come back")
        assert cluster.deployments()[name]["metadata"]["uid"] != uid
        soon(operator, lambda: cluster.ready() == 2, "two replicas")


def test_an_api_server_that_is_away_in_the_middle_of_a_move(
    own_control_plane: Callable[..., ControlPlane], tmp_path: Path
) -> None:
    plane = own_control_plane(full=True)
    with ActingCluster(plane, tmp_path) as cluster:
        cluster.ask("chat", replicas=2)
        with cluster.operator() as operator:
            soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
            first = cluster.plan("chat")
            (old,) = cluster.replicas()
            cluster.placements.patch("chat", cluster.spec(replicas=2, gpus=1))
            soon(operator, lambda: len(cluster.replicas()) == 2, "the move to begin")
            with plane.apiserver_down():
                soon(operator, lambda: away(operator), "the operator to notice")
            soon(operator, lambda: cluster.rolled_out("chat", but=first), "the move to end")
            soon(operator, lambda: old not in cluster.replicas(), "the old workload to go")
            assert sum(cluster.replicas().values()) == 2


def soon_denied(cluster: ActingCluster, name: str) -> None:
    """Waits until the policy is in force: it takes the API server a moment."""
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "probe"}},
            "template": {
                "metadata": {"labels": {"app": "probe"}},
                "spec": {"containers": [{"name": "main", "image": "example.com/probe:1"}]},
            },
        },
    }
    path = f"/apis/apps/v1/namespaces/{name}/deployments"

    def denied() -> bool:
        try:
            cluster.api.create(path, body)
        except ApiError as error:
            return "Fridays" in str(error)
        cluster.api.delete(f"{path}/probe")
        return False

    wait_until(denied, 60.0, "the admission policy to be in force")
