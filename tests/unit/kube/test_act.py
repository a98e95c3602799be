"""What the Actor makes of answers that a real API server gives only when it is unwell, and of kinds not to be had.

Everything else is held against a real one in tests/apiserver/test_acting_kube.py.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from placewright.core.model import RolloutAction, RolloutMemory, RolloutPhase, RolloutStep, Scale
from placewright.kube.act import Actor, Task
from placewright.kube.client import FIELD_MANAGER, ApiError, Kind, Page, UnreachableError
from placewright.kube.manifests import Owner, render_move
from placewright.kube.outcomes import ActResult, Outcome
from placewright.kube.workloads import workload_of
from tests.support.renders import SETTINGS, a_work

Json = dict[str, Any]

MOVE = render_move(a_work(), None, SETTINGS, owner=Owner(name="chat", uid="u-1"))
NAME = MOVE.units[0].name
REQUEST = {"metadata": {"namespace": "serving", "name": "chat", "uid": "u-1", "generation": 1}}


def answer(status: int, reason: str = "", message: str = "") -> ApiError:
    return ApiError("x", status=status, reason=reason, message=message, retry_after_seconds=None)


@dataclass
class Server:
    """A server that holds a few objects, and refuses by plural.

    Attributes:
        objects: by plural and name.
        lists: by plural, or why they are refused; those that are not there are not served.
        refusals: of writes, by plural.
    """

    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    lists: dict[str, list[Json] | ApiError] = field(default_factory=lambda: {"horizontalpodautoscalers": []})
    refusals: dict[str, Exception] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    async def get_request(self, namespace: str, name: str) -> Json | None:
        assert (namespace, name) == ("serving", "chat")
        return REQUEST

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        assert namespace == "serving"
        return self.objects.get((kind.plural, name))

    async def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        assert kind.namespace == "serving"
        assert not more_fields
        found = self.lists.get(kind.plural, answer(404))
        if isinstance(found, ApiError):
            raise found
        yield Page(items=tuple(found), version="1")

    async def apply(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, force: bool, manager: str = FIELD_MANAGER
    ) -> Json:
        assert (namespace, force, manager) == ("serving", "uid" in body["metadata"], FIELD_MANAGER)
        return self._write(kind, body)

    async def merge(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, part: str = "") -> Json:
        assert (namespace, part) == ("serving", "scale")
        return self._write(kind, body)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str) -> bool:
        raise AssertionError((kind, namespace, name, uid, version))

    def _write(self, kind: Kind, body: Mapping[str, Any]) -> Json:
        if kind.plural in self.refusals:
            raise self.refusals[kind.plural]
        self.written.append(kind.plural)
        return dict(body)


def carry_out(server: Server, task: Task, *actions: RolloutAction) -> Outcome:
    step = RolloutStep(
        phase=RolloutPhase.PROGRESSING, reason="Progressing", message="", actions=actions, memory=RolloutMemory()
    )
    return asyncio.run(Actor(server, clock=lambda: 0.0).carry_out(task, step))


def made(server: Server) -> Outcome:
    return carry_out(server, Task(request=REQUEST, seen={}, move=MOVE), Scale(name=NAME, replicas=1))


def test_a_webhook_that_does_not_answer_is_told_and_what_was_written_before_is_counted() -> None:
    told = 'Internal error occurred: failed calling webhook "policy.example.com": connection refused'
    server = Server(refusals={"deployments": answer(500, "InternalError", told)})
    outcome = made(server)
    assert (outcome.result, outcome.message) == (ActResult.DENIED, f"Deployment {NAME}: {told}")
    assert (outcome.writes, outcome.done, server.written) == (2, (), ["services"])


@pytest.mark.parametrize("error", [answer(503), answer(429, "TooManyRequests"), answer(401), UnreachableError("gone")])
def test_what_is_no_word_on_it_is_raised_to_be_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        made(Server(refusals={"services": error}))
    assert caught.value is error


@pytest.mark.parametrize("plural", ["horizontalpodautoscalers", "scaledobjects"])
def test_not_being_allowed_to_see_what_scales_is_no_leave_to_scale(plural: str) -> None:
    server = Server()
    server.lists[plural] = answer(403, "Forbidden", f"cannot list {plural}")
    outcome = made(server)
    assert (outcome.result, server.written) == (ActResult.DENIED, [])
    assert outcome.message == f"what scales Deployment {NAME}: cannot list {plural}"


def scaled(name: str, kind: str) -> Json:
    return {
        "metadata": {"name": "queue", "namespace": "serving"},
        "spec": {"scaleTargetRef": {"kind": kind, "name": name}},
    }


def test_a_scaled_object_keeps_its_target() -> None:
    body = {
        "metadata": {"name": "mine", "namespace": "serving", "uid": "s-1", "generation": 1},
        "spec": {"replicas": 2},
    }
    found = workload_of("StatefulSet", body)
    objects = {("statefulsets", "mine"): body}
    task = Task(request=REQUEST, seen={"mine": found}, target=found.key)
    server = Server(
        objects=objects, lists={"horizontalpodautoscalers": [], "scaledobjects": [scaled("mine", "StatefulSet")]}
    )
    outcome = carry_out(server, task, Scale(name="mine", replicas=0))
    assert (outcome.result, server.written) == (ActResult.REPLICAS_OWNED, [])
    assert outcome.message.startswith("ScaledObject queue sets the replicas of StatefulSet mine, which stay at 2")


def test_a_target_that_a_controller_made_is_left_to_it() -> None:
    reference = {"kind": "InferenceService", "name": "chat", "uid": "i-1", "controller": True}
    metadata = {
        "name": "mine",
        "namespace": "serving",
        "uid": "s-1",
        "resourceVersion": "5",
        "ownerReferences": [reference],
    }
    body = {"metadata": metadata, "spec": {"replicas": 2}}
    found = workload_of("StatefulSet", body)
    task = Task(request=REQUEST, seen={"mine": found}, target=found.key)
    outcome = carry_out(Server(objects={("statefulsets", "mine"): body}), task, Scale(name="mine", replicas=1))
    assert outcome.result is ActResult.REPLICAS_OWNED
    assert outcome.message.startswith("InferenceService chat sets the replicas of StatefulSet mine")


def test_what_was_seen_and_is_gone_is_looked_at_again() -> None:
    body = {"metadata": {"name": "mine", "namespace": "serving", "uid": "s-1"}, "spec": {"replicas": 2}}
    found = workload_of("StatefulSet", body)
    task = Task(request=REQUEST, seen={"mine": found}, target=found.key)
    outcome = carry_out(Server(), task, Scale(name="mine", replicas=1))
    assert (outcome.result, outcome.message) == (
        ActResult.CONFLICT,
        "StatefulSet mine changed since the decision",
    )
