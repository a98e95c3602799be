"""The loop that acts, on an API server in memory: rollouts, refusals, limits, and that one fault stops nobody else."""

import json
import time
from collections.abc import Container
from typing import Any

import pytest

from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.status import WriteResult
from placewright.telemetry.acting_figures import ActionKind, ActionResult
from placewright.telemetry.audit import EntryKind
from tests.support.acting_api import DEPLOYMENTS, ActingApi
from tests.support.acting_subject import NAMESPACE, Subject, a_plan, planned, play, request
from tests.support.fleet_api import REQUESTS, policy, pool

Json = dict[str, Any]


def test_a_plan_is_rolled_out_and_told() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=2)))
        await subject.look()
        assert subject.condition("Applied")["reason"] == "Progressing", subject.condition("Applied")
        assert subject.condition("Ready")["reason"] == "RolloutPending"
        await subject.looks(2)
        assert list(subject.api.replicas().values()) == [2]
        assert subject.condition("Applied")["status"] == "True"
        assert subject.condition("Ready")["reason"] == "PlanCurrent"
        assert subject.status()["rollout"]["phase"] == "RolledOut"
        written, acted = len(subject.results), len(subject.api.acted)
        await subject.looks(20)
        assert (len(subject.results), len(subject.api.acted)) == (written, acted), "what stands is not written again"

    subject = play(scenario)
    assert subject.events() == ["RolloutStarted", "RolledOut"]
    assert [(each.kind, each.reason) for each in subject.records] == [
        (EntryKind.MOVE, "RolloutStarted"),
        (EntryKind.MOVE, "RolledOut"),
    ]
    assert subject.tally.actions == [(ActionKind.SCALE, ActionResult.DONE)]
    assert set(subject.results) == {WriteResult.WRITTEN}


def test_another_plan_comes_up_before_the_old_one_goes() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan("p-1", gpus=1)))
        await subject.looks(3)
        (old,) = subject.api.replicas()
        replan(subject, a_plan("p-2", gpus=2))
        await subject.look()
        assert subject.api.replicas()[old] == 1, "nothing goes before the new one is Ready"
        assert subject.acting.leftovers[NAMESPACE, "chat"][0].name == old
        await subject.looks(4)
        assert old not in subject.api.replicas()
        assert list(subject.api.replicas().values()) == [1]
        assert not subject.acting.leftovers
        assert subject.left == 1, "planning is told that there is room again"
        assert subject.status()["rollout"]["planId"] == "p-2"

    play(scenario)


def test_replicas_that_do_not_get_ready_go_back_and_are_tried_again_later() -> None:
    async def scenario(subject: Subject) -> None:
        slow = {"progressDeadline": "60s", "retryAfter": "10m"}
        subject.put(request(plan=a_plan("p-1", gpus=1), rollout=slow))
        await subject.looks(3)
        (old,) = subject.api.replicas()
        replan(subject, a_plan("p-2", gpus=2))
        subject.api.stuck = EVERY
        await subject.look()
        (new,) = set(subject.api.replicas()) - {old}
        await subject.looks(14)
        assert subject.api.replicas() == {old: 1, new: 0}
        assert subject.condition("Applied")["reason"] == "RolloutFailed"
        assert subject.condition("Stalled")["reason"] == "RolloutFailed"
        assert subject.status()["rollout"]["failures"] == 1
        assert subject.events()[-1] == "RolloutFailed"
        assert subject.tally.events == ["failed"]
        await subject.looks(10, 30.0)
        assert subject.api.replicas()[new] == 0
        subject.api.stuck = ()
        await subject.looks(15, 30.0)
        assert subject.api.replicas() == {new: 1}
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


@pytest.mark.parametrize("by", ["annotation", "spec"])
def test_a_failed_rollout_is_tried_at_once_when_somebody_wants_it(by: str) -> None:
    async def scenario(subject: Subject) -> None:
        slow = {"progressDeadline": "60s", "retryAfter": "40m"}
        subject.api.stuck = EVERY
        body = request(plan=a_plan("p-abc"), rollout=slow)
        subject.put(body)
        await subject.looks(16)
        assert subject.condition("Applied")["reason"] == "RolloutFailed"
        assert list(subject.api.replicas().values()) == [0]
        subject.api.stuck = ()
        if by == "annotation":
            failed_at = subject.status()["rollout"]["failedAt"]
            body["metadata"]["annotations"] = {"placewright.dev/retry": f"p-abc/{failed_at}"}
        else:
            body["spec"]["rollout"] = {"progressDeadline": "61s", "retryAfter": "40m"}
        subject.put({name: part for name, part in body.items() if name != "status"})
        if by == "spec":
            observed(subject, 2)
        await subject.looks(3)
        assert list(subject.api.replicas().values()) == [1]
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_a_word_to_try_again_is_obeyed_once() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.stuck = EVERY
        body = request(plan=a_plan("p-abc"), rollout={"progressDeadline": "60s", "retryAfter": "40m"})
        subject.put(body)
        await subject.looks(20)
        failed_at = subject.status()["rollout"]["failedAt"]
        body["metadata"]["annotations"] = {"placewright.dev/retry": f"p-abc/{failed_at}"}
        subject.put({name: part for name, part in body.items() if name != "status"})
        await subject.looks(60)
        assert subject.condition("Applied")["reason"] == "RolloutFailed"
        assert subject.tally.events == ["failed", "failed"]

    play(scenario)


def test_the_brake_holds_rollouts_until_the_failures_are_old() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put("gpupools", pool("cheap", stock=(8, 4)))
        subject.put(request("well"))
        await subject.looks(3)
        subject.api.stuck = NotThese("well")
        for name in ("a", "b", "c"):
            subject.put(request(name, rollout={"progressDeadline": "60s", "retryAfter": "40m"}))
        await subject.looks(16)
        assert {subject.condition("Applied", name)["reason"] for name in "abc"} == {"RolloutFailed"}
        state = subject.acting.state()
        assert state is not None
        assert state.brake
        subject.put(request("late"))
        await subject.looks(2)
        assert subject.condition("Applied", "late")["reason"] == "BrakeEngaged"
        assert "serving/a, serving/b, serving/c" in subject.condition("Applied", "late")["message"]
        assert not any(name.startswith("late") for name in subject.api.replicas())
        assert subject.condition("Applied", "well")["status"] == "True"
        (name,) = (each for each in subject.api.replicas() if each.startswith("well"))
        subject.api.stuck = ()
        subject.api.scale(name, 0)  # somebody's hand; what was rolled out comes back only when the brake is off
        await subject.looks(361)  # half an hour later the failures are old
        assert subject.condition("Applied", "late")["status"] == "True"
        assert subject.api.replicas()[name] == 1

    play(scenario)


def test_a_policy_pauses_everything_and_a_request_itself() -> None:
    async def scenario(subject: Subject) -> None:
        body = request()
        body["metadata"]["annotations"] = {"placewright.dev/pause": "night"}
        subject.put(body)
        await subject.looks(2)
        assert subject.condition("Applied")["reason"] == "Paused"
        assert "night" in subject.condition("Applied")["message"]
        assert subject.api.replicas() == {}
        subject.api.put("placementpolicies", annotated(policy("all"), pause="freeze"))
        subject.put({**body, "metadata": {"name": "chat"}})
        await subject.looks(2)
        assert "freeze" in subject.condition("Applied")["message"]
        state = subject.acting.state()
        assert state is not None
        assert state.paused
        subject.api.put("placementpolicies", policy("all"))
        await subject.looks(3)
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_no_more_gpus_move_in_a_cycle_than_the_policy_allows() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put("placementpolicies", policy("all", rollout={"maxGPUsPerCycle": 2, "cycle": "60s"}))
        for name in ("a", "b", "c"):
            subject.put(request(name, plan=a_plan(gpus=1)))
        await subject.looks(3)
        assert sorted(subject.api.replicas().values()) == [1, 1]
        assert subject.condition("Applied", "c")["reason"] == "Waiting"
        await subject.looks(12)
        assert sorted(subject.api.replicas().values()) == [1, 1, 1]

    play(scenario)


def test_what_is_refused_is_told_and_tried_ever_more_slowly() -> None:
    async def scenario(subject: Subject) -> None:
        denied = ApiError("x", status=403, reason="Forbidden", message="exceeded quota", retry_after_seconds=None)
        subject.api.refusals[DEPLOYMENTS] = denied
        subject.put(request())
        await subject.looks(2)
        assert subject.condition("Applied")["reason"] == "Denied"
        assert "exceeded quota" in subject.condition("Applied")["message"]
        tries = subject.tally.actions.count((ActionKind.SCALE, ActionResult.DENIED))
        written = len(subject.results)
        await subject.looks(24)
        assert tries < subject.tally.actions.count((ActionKind.SCALE, ActionResult.DENIED)) <= tries + 5
        assert len(subject.results) == written, "the same refusal is told once"
        subject.api.refusals.clear()
        await subject.looks(14)
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_an_error_of_the_api_server_that_lasts_is_told() -> None:
    async def scenario(subject: Subject) -> None:
        full = ApiError("PATCH services", status=500, reason="", message="range is full", retry_after_seconds=None)
        subject.api.refusals[DEPLOYMENTS] = full
        subject.put(request())
        await subject.looks(2)
        assert subject.condition("Applied")["reason"] == "Progressing", "one alone passes by"
        await subject.looks(3)
        assert subject.condition("Applied")["reason"] == "Denied"
        assert "range is full" in subject.condition("Applied")["message"]
        written = len(subject.results)
        await subject.looks(12)
        assert len(subject.results) == written
        subject.api.refusals.clear()
        await subject.looks(3)
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_an_api_server_that_is_away_loses_nothing() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request())
        subject.api.refusals[DEPLOYMENTS] = UnreachableError("nobody answers")
        await subject.looks(3)
        assert subject.condition("Applied")["reason"] == "Progressing"
        assert (ActionKind.SCALE, ActionResult.FAILED) in subject.tally.actions
        subject.api.refusals.clear()
        await subject.looks(3)
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_one_request_that_cannot_be_read_stops_nobody_else() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request("broken", workload={"inputTokens": 512}))
        subject.put(request("spoiled", plan={"id": "p-1", "state": "Approved"}))
        subject.put(request("foreign", poolSelector={"matchLabels": {"tier": "nowhere"}}))
        subject.put(request("chat"))
        await subject.looks(3)
        assert subject.condition("Applied")["status"] == "True"
        assert subject.condition("Applied", "broken")["reason"] == "Waiting"
        assert subject.condition("Applied", "spoiled")["reason"] == "RenderRefused"
        assert subject.condition("Applied", "foreign")["reason"] == "Waiting"
        assert len(subject.api.replicas()) == 1

    play(scenario)


@pytest.mark.parametrize("gone", ["Preempted", "StockGone", "Infeasible"])
def test_what_has_no_plan_runs_on_unless_its_gpus_are_gone(gone: str) -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request())
        await subject.looks(3)
        history = [{"at": "2026-11-21T12:00:00Z", "planId": "p-1", "reason": gone}]
        restate(subject, planned(None, history=history))
        await subject.looks(3)
        assert list(subject.api.replicas().values()) == ([1] if gone == "Infeasible" else [])

    play(scenario)


def test_what_is_suspended_is_not_looked_at() -> None:
    async def scenario(subject: Subject) -> None:
        body = request()
        subject.put(body)
        await subject.looks(3)
        suspended = {**body, "spec": {**body["spec"], "suspend": True}}
        subject.put({name: part for name, part in suspended.items() if name != "status"})
        replan(subject, a_plan("p-2", replicas=2))
        written = len(subject.results)
        await subject.looks(3)
        assert list(subject.api.replicas().values()) == [1]
        assert len(subject.results) == written

    play(scenario)


def test_without_apply_nothing_is_written_but_what_to_set() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request())
        subject.put(request("quiet", mode="Recommend"))
        await subject.looks(3)
        assert subject.condition("Applied")["reason"] == "NotEnabled"
        assert "--apply" in subject.condition("Applied")["message"]
        assert subject.condition("Applied", "quiet") == {}
        assert subject.api.acted == []

    play(scenario, Subject(acts=None))


def test_a_missing_right_is_told_by_its_name() -> None:
    async def scenario(subject: Subject) -> None:
        forbidden = ApiError("LIST", status=403, reason="Forbidden", message="no", retry_after_seconds=None)
        subject.api.faults["deployments"] = forbidden
        subject.put(request())
        await subject.looks(2)
        assert subject.condition("Applied")["reason"] == "Denied"
        assert "list and watch deployments" in subject.condition("Applied")["message"]

    api = ActingApi()
    api.faults["deployments"] = ApiError("LIST", status=403, reason="Forbidden", message="no", retry_after_seconds=None)
    play(scenario, Subject(api))


def test_a_foreign_object_of_our_name_is_left_alone() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request("other"))
        await subject.looks(3)
        (name,) = subject.api.replicas()
        del subject.api.objects[DEPLOYMENTS][NAMESPACE, name]["metadata"]["ownerReferences"]
        subject.api.scale(name, 3)
        await subject.looks(2)
        assert subject.condition("Applied", "other")["reason"] == "ForeignOwner"
        assert subject.api.replicas() == {name: 3}

    play(scenario)


def test_an_own_write_is_not_taken_for_a_rivals() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request())
        await subject.look()
        stored = subject.api.request("chat")
        subject.cache.settle(stored, 0.0)
        await subject.looks(3)
        newest = subject.api.request("chat")
        assert newest["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]
        assert subject.cache.is_settled(newest)
        assert not subject.cache.is_tampered(newest)

    play(scenario)


def test_hundreds_of_requests_are_looked_at_in_no_time() -> None:
    taken: list[float] = []

    async def scenario(subject: Subject) -> None:
        subject.api.put("gpupools", pool("cheap", stock=(1000, 8)))
        for number in range(200):
            subject.put(request(f"r{number}", idle={"policy": "Report", "modelName": f"own/r{number}"}))
        await subject.looks(4)
        for _ in range(3):
            began = time.process_time()
            subject.at += 5.0
            await subject.acting.cycle()
            taken.append(time.process_time() - began)
        assert sum(subject.api.replicas().values()) == 200
        assert subject.condition("Applied", "r199")["status"] == "True"

    play(scenario)
    assert min(taken) < 0.4, taken  # a thousand in two seconds


class NotThese(Container[str]):
    """All names but those that begin so."""

    def __init__(self, *beginnings: str) -> None:
        self._beginnings = beginnings

    def __contains__(self, name: object) -> bool:
        return not (self._beginnings and str(name).startswith(self._beginnings))


EVERY = NotThese()


def replan(subject: Subject, plan: dict[str, object]) -> None:
    """Planning writes another plan."""
    restate(subject, planned(plan))


def restate(subject: Subject, status: dict[str, object]) -> None:
    stored = subject.api.request("chat")
    told = {**stored.get("status", {}), **status}
    if "plan" not in status:
        told.pop("plan", None)
    conditions = [each for each in stored["status"]["conditions"] if each["type"] not in {"Ready", "Planned"}]
    told["conditions"] = [*status["conditions"], *conditions]  # type: ignore[misc]
    subject.api.put(REQUESTS, {**stored, "status": told}, namespace=NAMESPACE)


def observed(subject: Subject, generation: int) -> None:
    """Planning has seen the newest spec."""
    stored = subject.api.request("chat")
    told = {**stored["status"], "observedGeneration": generation}
    subject.api.put(REQUESTS, {**stored, "status": told}, namespace=NAMESPACE)


def annotated(body: dict[str, object], **given: str) -> dict[str, object]:
    metadata = {**body["metadata"], "annotations": {f"placewright.dev/{name}": text for name, text in given.items()}}  # type: ignore[dict-item]
    return {**body, "metadata": metadata}


def on(plan: Json, name: str) -> Json:
    """The plan on another pool, as another plan."""
    moved: Json = json.loads(json.dumps(plan).replace('"cheap"', f'"{name}"'))
    return moved


@pytest.mark.parametrize(
    ("strategy", "replicas", "ends"),
    [("Surge", 2, True), ("Surge", 1, False), ("Recreate", 1, True), ("Hold", 2, False)],
)
def test_two_requests_that_take_each_others_place_do_not_wait_forever(
    strategy: str, replicas: int, *, ends: bool
) -> None:
    async def scenario(subject: Subject) -> None:
        for name in ("cheap", "dear"):
            subject.api.put("gpupools", pool(name, stock=(1, 2)))
        gpus = 2 // replicas
        here = a_plan("p-1", replicas=replicas, gpus=gpus)
        there = on(a_plan("p-2", replicas=replicas, gpus=gpus), "dear")
        rules = {"strategy": strategy, "progressDeadline": "2h"}
        subject.put(request("one", plan=here, rollout=rules))
        subject.put(request("two", plan=there, rollout=rules))
        await subject.looks(4)
        assert sorted(subject.api.replicas().values()) == [replicas, replicas]
        subject.put(request("one", plan=there, rollout=rules))
        subject.put(request("two", plan=here, rollout=rules))
        served = []
        for _ in range(60):
            await subject.look(5.0)
            asked = subject.api.replicas().items()
            served.append(min(sum(n for unit, n in asked if unit.startswith(name)) for name in ("one", "two")))
        told = {name: subject.condition("Applied", name)["status"] for name in ("one", "two")}
        assert told == dict.fromkeys(("one", "two"), "True" if ends else "False")
        assert min(served) >= (0 if strategy == "Recreate" else 1)

    play(scenario)
