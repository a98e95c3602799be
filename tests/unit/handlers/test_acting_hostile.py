"""What people and other tools do to requests and workloads: nothing active stops, nothing is taken twice."""

from typing import Any

import pytest

from placewright.kube.client import Kind
from placewright.kube.manifests import Owner
from tests.support.acting_api import DEPLOYMENTS, ActingApi
from tests.support.acting_subject import NAMESPACE, Subject, a_plan, planned, play, request
from tests.support.fleet_api import REQUESTS

Json = dict[str, Any]

GPU = "nvidia.com/gpu"


def a_target(name: str, *, gpus: int, replicas: int = 2, **metadata: Any) -> Json:
    """A Deployment that somebody made."""
    limits = {"limits": {GPU: str(gpus)}} if gpus else {}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "resources": limits}]},
    }
    selector = {"matchLabels": {"app": name}}
    return {
        "metadata": {"name": name, "generation": 1, **metadata},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas},
    }


def refers(name: str, plan: Json, target: str = "api") -> Json:
    """A request to scale an existing Deployment."""
    return request(name, plan=plan, workloadRef={"kind": "Deployment", "name": target}, render=None)


def preempted(subject: Subject, name: str = "chat") -> None:
    stored = subject.api.request(name)
    history = [{"at": "2026-11-21T12:00:00Z", "planId": "p-1", "reason": "Preempted"}]
    status = {key: value for key, value in stored["status"].items() if key != "plan"}
    subject.put({**stored, "status": {**status, **planned(None, history=history)}})


@pytest.mark.parametrize("gpus", [0, 4])
def test_a_target_that_was_never_scaled_is_not_emptied_when_the_plan_loses_its_gpus(gpus: int) -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put(DEPLOYMENTS, a_target("api", gpus=gpus), namespace=NAMESPACE)
        subject.put(refers("chat", a_plan(gpus=1)))
        await subject.looks(3)
        assert subject.condition("Applied")["reason"] == "WorkloadMismatch"
        preempted(subject)
        await subject.looks(3)
        assert subject.api.replicas() == {"api": 2}, "it serves somebody, and has none of the GPUs"
        assert subject.api.acted == []

    play(scenario)


def test_a_target_that_was_scaled_is_emptied_when_the_plan_loses_its_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put(DEPLOYMENTS, a_target("api", gpus=1), namespace=NAMESPACE)
        subject.put(refers("chat", a_plan(replicas=3)))
        await subject.looks(3)
        assert subject.api.replicas() == {"api": 3}
        preempted(subject)
        await subject.looks(3)
        assert subject.api.replicas() == {"api": 0}

    play(scenario)


def test_a_workload_of_another_namespace_that_names_our_request_as_its_owner_is_none_of_ours() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request())
        await subject.looks(3)
        owner = Owner(name="chat", uid=subject.api.request("chat")["metadata"]["uid"]).reference
        labels = {"app.kubernetes.io/managed-by": "placewright"}
        foreign = a_target("chat-11111111", gpus=1, ownerReferences=[owner], labels=labels)
        subject.api.put(DEPLOYMENTS, foreign, namespace="elsewhere")
        acted = len(subject.api.acted)
        await subject.looks(3)
        assert subject.condition("Applied")["status"] == "True", subject.condition("Applied")
        assert subject.api.replicas()["chat-11111111"] == 2
        assert len(subject.api.acted) == acted

    play(scenario)


def test_gpus_of_a_request_that_may_not_be_acted_for_are_no_room_for_others() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put(REQUESTS, request("theirs", plan=a_plan(replicas=8)), namespace="closed")
        subject.put(request(plan=a_plan("p-2", replicas=2)))
        await subject.looks(3)
        assert subject.api.replicas() == {}, "the pool has eight, and a plan that stands has them"
        assert subject.status()["rollout"]["reason"] == "InsufficientStock"

    play(scenario, Subject(acts=(NAMESPACE,)))


class Capped(ActingApi):
    """An admission webhook lets nothing have more than one replica."""

    def _obey(self, name: tuple[str, str], stored: Json) -> Json:
        stored["spec"]["replicas"] = min(1, stored["spec"]["replicas"])
        return super()._obey(name, stored)


def test_a_number_that_admission_changes_is_told_and_not_written_again_and_again() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=2)))
        await subject.looks(4)
        assert subject.condition("Applied")["reason"] == "Denied", subject.condition("Applied")
        assert "1 instead of 2" in subject.condition("Applied")["message"]
        acted = len(subject.api.acted)
        await subject.looks(60, 1.0)
        assert len(subject.api.acted) - acted <= 5, "ever more slowly"

    play(scenario, Subject(Capped()))


def test_two_requests_for_one_workload_do_not_pull_it_to_and_fro() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put(DEPLOYMENTS, a_target("api", gpus=1), namespace=NAMESPACE)
        subject.put(refers("first", a_plan("p-1", replicas=3)))
        await subject.looks(3)
        subject.put(refers("second", a_plan("p-2", replicas=4)))
        await subject.looks(3)
        acted = len(subject.api.acted)
        await subject.looks(10)
        assert len(subject.api.acted) == acted
        assert subject.condition("Applied", "second")["reason"] == "ReplicasOwned"
        assert "first" in subject.condition("Applied", "second")["message"]

    play(scenario)


class Watched(ActingApi):
    """Counts how often a Deployment is read by name."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self.reads += kind.plural == DEPLOYMENTS
        return await super().get_in(kind, namespace, name)


def test_a_workload_that_does_not_go_is_told_and_asked_for_ever_more_slowly() -> None:
    api = Watched()

    async def scenario(subject: Subject) -> None:
        subject.put(request())
        await subject.looks(3)
        (name,) = api.replicas()
        api.objects[DEPLOYMENTS][NAMESPACE, name]["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
        api.scale(name, 1)
        await subject.looks(20, 0.25)
        assert subject.condition("Applied")["reason"] == "Waiting", subject.condition("Applied")
        assert "is being deleted" in subject.condition("Applied")["message"]
        reads, written = api.reads, len(subject.results)
        await subject.looks(240, 0.25)
        assert api.reads - reads <= 5
        assert len(subject.results) == written

    play(scenario, Subject(api))


def test_a_tool_that_undoes_each_step_is_told_and_fought_ever_more_slowly() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=2)))
        await subject.looks(3)
        (name,) = subject.api.replicas()
        writes = []
        for _ in range(120):
            subject.api.scale(name, 1)
            before = len(subject.api.acted)
            await subject.looks(1)
            writes.append(len(subject.api.acted) - before)
        assert subject.condition("Applied")["reason"] == "ReplicasOwned", subject.condition("Applied")
        assert f"scale {name} to 2" in subject.condition("Applied")["message"]
        assert sum(writes) <= 20, "ten minutes"
        await subject.looks(40)
        assert subject.api.replicas() == {name: 2}
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)
