"""Faults around a fleet: of solves, writes, rights and users."""

import asyncio
import copy

import pytest

from placewright.handlers.solver import SolveFailed
from placewright.kube.client import UnreachableError
from placewright.kube.status import WriteResult
from tests.support.fleet_api import REQUESTS, fleet_request, node, pool, refusal
from tests.support.fleet_subject import CHEAP, NAMESPACE, Subject, play, rest, running, until, wanting
from tests.support.placements import condition, reason
from tests.support.requests import Json


def test_a_failed_solve_keeps_the_plans_and_the_rest_of_the_fleet_is_planned() -> None:
    crash = SolveFailed(reason="SolverCrashed", message="died", lethal=True, seconds=0.1)

    async def scenario(subject: Subject) -> None:
        await rest(subject)
        solves = len(subject.solver.parts)
        subject.solver.answers = [crash, crash]
        subject.apply(fleet_request("b", 1))
        await rest(subject)
        assert {reason(subject.api.request(name)) for name in ("a", "b")} == {"SolverCrashed"}
        assert subject.where("a") == {"cheap": 4}
        assert condition(subject.api.request("a"), "Stalled")["status"] == "True"
        assert len(subject.solver.parts) == solves + 2
        subject.apply(fleet_request("b", 2))
        await rest(subject)
        assert {reason(subject.api.request(name)) for name in ("a", "b")} == {"PlanCurrent"}

    play(scenario, CHEAP, wanting("a", 4))


def test_a_process_that_does_not_start_is_tried_again() -> None:
    none = SolveFailed(reason="SolverCrashed", message="no process", lethal=False, seconds=0.0, transient=True)

    async def scenario(subject: Subject) -> None:
        subject.solver.answers = [none]
        subject.apply(fleet_request("a", 4))
        await until(lambda: reason(subject.api.request("a")) == "PlanCurrent", "another try")

    play(scenario, CHEAP)


def test_what_a_user_must_fix_is_told_and_the_rest_is_planned() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {"cheap": 4}
        assert reason(subject.api.request("unknown")) == "UnsupportedModel"
        assert reason(subject.api.request("nowhere")) == "NoPools"
        assert "tier=nowhere" in condition(subject.api.request("nowhere"), "Ready")["message"]
        ready = condition(subject.api.objects["gpupools"]["", "broken"], "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "UnknownGPU")
        assert condition(subject.api.objects["gpupools"]["", "cheap"], "Ready")["status"] == "True"

    play(
        scenario,
        CHEAP,
        ("gpupools", pool("broken", stock=(1, 8), gpu="L40Z")),
        wanting("a", 4),
        wanting("unknown", 4, model={"name": "nobody/knows-this"}),
        wanting("nowhere", 4, poolSelector={"matchLabels": {"tier": "nowhere"}}),
    )


def test_nodes_that_may_not_be_read_keep_plans_and_are_told() -> None:
    async def scenario(subject: Subject) -> None:
        def found() -> Json:
            status: Json = subject.api.objects["gpupools"]["", "found"].get("status") or {}
            return status

        await until(lambda: subject.where("a") == {"found": 8}, "a plan")
        await until(lambda: found().get("capacity") == 8, "the stock in the pool's status")
        subject.api.faults["nodes"] = refusal(403, "Forbidden")
        subject.api.put("nodes", node("n-1", pool="found", gpus=4))  # lets the watch end
        await until(
            lambda: condition(subject.api.request("a"), "InputsFresh").get("reason") == "NodesUnreadable", "the reason"
        )
        assert subject.where("a") == {"found": 8}
        await until(lambda: condition(subject.api.objects["gpupools"]["", "found"], "Ready")["status"] == "Unknown")
        assert found()["capacity"] == 8
        subject.apply(fleet_request("b", 1))
        await until(lambda: reason(subject.api.request("b")) == "InputsStale", "the new one to be told")

    play(scenario, ("gpupools", pool("found")), ("nodes", node("n-1", pool="found")), wanting("a", 8))


def test_an_install_without_the_new_kinds_goes_on() -> None:
    async def run() -> None:
        subject = Subject()
        for plural in ("gpupools", "placementpolicies", "performanceprofiles"):
            subject.api.faults[plural] = refusal(404, "NotFound")
        subject.api.put(REQUESTS, fleet_request("a", 4), namespace=NAMESPACE)
        async with running(subject):
            await rest(subject)
            assert reason(subject.api.request("a")) == "NoPools"

    asyncio.run(run())


@pytest.mark.parametrize("fault", [UnreachableError("down"), refusal(503, "Unavailable"), refusal(403, "Forbidden")])
def test_a_write_that_fails_is_tried_again_without_another_solve(fault: Exception) -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.write_faults = [fault]
        subject.apply(fleet_request("a", 8))
        await until(lambda: subject.where("a") == {"cheap": 8}, "the second try")
        assert subject.results[0] is WriteResult.FAILED
        assert len(subject.solver.parts) == 1

    play(scenario, CHEAP)


def test_a_write_that_nobody_confirmed_counts_until_it_is_read() -> None:
    """The server took the write and the answer was lost: its GPUs must not be given to another."""

    async def scenario(subject: Subject) -> None:
        subject.api.lost_answers = {"a"}
        subject.apply(fleet_request("a", 8))
        await until(lambda: not subject.api.lost_answers, "the lost answer")
        assert subject.where("a") == {"cheap": 8}
        await rest(subject)
        member = subject.members.get((NAMESPACE, "a"))
        assert member is not None
        assert member.resource["status"]["plan"]["gpusByPool"] == {"cheap": 8}
        subject.apply(fleet_request("b", 8, priority=-1))
        await rest(subject)
        assert (subject.where("a"), subject.where("b")) == ({"cheap": 8}, {})
        assert subject.request_writes() == ["a", "b"]

    play(scenario, CHEAP)


def test_a_spec_changed_before_its_write_is_decided_again() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.go.clear()
        subject.apply(fleet_request("a", 4))
        await until(lambda: subject.solver.parts, "the solve to begin")
        subject.api.put(REQUESTS, fleet_request("a", 8), namespace=NAMESPACE)  # and no watch tells of it
        subject.solver.go.set()
        await until(lambda: subject.where("a") == {"cheap": 8}, "the new spec's plan")
        assert WriteResult.SUPERSEDED in subject.results
        assert subject.api.request("a")["status"]["observedGeneration"] == 2

    play(scenario, CHEAP)


def test_somebody_elses_status_is_put_back() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        mine = copy.deepcopy(subject.api.request("a")["status"])
        body = {**copy.deepcopy(subject.api.request("a")), "status": {"observedGeneration": 1, "relaxation": "rival"}}
        stored = subject.api.put(REQUESTS, body, namespace=NAMESPACE)
        subject.cache.observe(stored, 0.0)
        subject.fleet.take(stored, ours=False)
        await rest(subject)
        assert subject.api.request("a")["status"]["plan"]["id"] == mine["plan"]["id"]
        assert "relaxation" not in subject.api.request("a")["status"]

    play(scenario, CHEAP, wanting("a", 8))
