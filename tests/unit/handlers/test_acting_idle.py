"""Idling in the loop that acts: announced, reaped, woken, called off; and looked at where nothing may be done."""

import pytest

from placewright.kube.client import UnreachableError
from placewright.telemetry.acting_figures import WakeCause
from placewright.telemetry.audit import EntryKind
from tests.support.acting_subject import Subject, a_plan, play, request
from tests.support.fleet_api import policy

IDLE = {"policy": "ScaleToZero", "after": "10m", "announceFor": "2m", "warmupGrace": "0s"}
MINUTE = 12  # looks of 5 s


def state(subject: Subject, name: str = "chat") -> str:
    return str((subject.status(name).get("idle") or {}).get("state", ""))


async def until(subject: Subject, wanted: str, name: str = "chat") -> None:
    for _ in range(400):
        if state(subject, name) == wanted:
            return
        await subject.look(5.0)
    raise AssertionError(f"{name} is {state(subject, name)}: {subject.status(name).get('idle')}")


def test_it_is_announced_reaped_and_woken_and_each_is_told_once() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=2, gpus=1), idle=IDLE))
        await until(subject, "Idle")
        idle = subject.status()["idle"]
        assert idle["reapAt"]
        assert list(subject.api.replicas().values()) == [2]
        await subject.looks(MINUTE)
        assert list(subject.api.replicas().values()) == [2], "it was announced for two minutes"
        await until(subject, "Reaped")
        assert list(subject.api.replicas().values()) == [0]
        reaped = subject.status()["idle"]
        assert reaped["replicasBefore"] == 2
        assert reaped["avoidedCostPerHour"] == pytest.approx(2.0)
        assert subject.condition("Applied")["reason"] == "RolledOut"
        assert subject.condition("Idle")["reason"] == "Reaped"
        written = len(subject.results)
        await subject.looks(10 * MINUTE)
        assert len(subject.results) == written, "nothing is written while nothing happens"
        assert sum(subject.book.asked) > 0

        stored = subject.api.request("chat")
        stored["metadata"]["annotations"] = {"placewright.dev/wake": "now", "placewright.dev/actor": "jo"}
        subject.put(stored)
        await subject.looks(3)
        assert list(subject.api.replicas().values()) == [2]
        woken = subject.status()["idle"]
        assert woken["wokenBy"] == "now"
        assert "timeToReadySeconds" in woken
        assert woken["avoidedDollars"] == pytest.approx(2.0 * 600 / 3600, rel=0.05)

    subject = play(scenario)
    told = [each.reason for each in subject.records if each.kind is EntryKind.REAP]
    assert told == ["IdleAnnounced", "Reaped", "Woken", "WakeReady"]
    assert next(each for each in subject.records if each.reason == "Woken").actor == "jo"
    assert [each for each in subject.events() if each in told] == told
    assert subject.tally.events == ["announced", "reaped"]
    assert subject.tally.wakes == [WakeCause.ANNOTATION]
    assert len(subject.tally.seconds) == 1


def test_what_comes_between_the_announcement_and_the_reap_calls_it_off() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(idle=IDLE))
        await until(subject, "Idle")
        subject.book.busy = {"chat"}
        await until(subject, "Active")
        assert list(subject.api.replicas().values()) == [1]
        assert "reapAt" not in subject.status()["idle"]

    subject = play(scenario)
    assert "IdleCancelled" in subject.events()
    assert subject.tally.events == ["announced"]


def test_requests_to_another_request_of_the_same_model_do_not_keep_it_awake() -> None:
    async def scenario(subject: Subject) -> None:
        twin = request("chat-two", idle=IDLE)
        twin["spec"]["model"] = request("chat")["spec"]["model"]
        subject.put(request("chat", idle=IDLE))
        subject.put(twin)
        subject.book.busy = {"chat-two"}
        await until(subject, "Reaped")
        assert state(subject, "chat-two") == "Active"

    play(scenario)


def test_a_server_that_is_away_reaps_nothing() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(idle=IDLE))
        await until(subject, "Idle")
        subject.book.away = True
        await until(subject, "Unknown")
        await subject.looks(10 * MINUTE)
        assert list(subject.api.replicas().values()) == [1]
        assert subject.condition("Idle")["reason"] == "SignalMissing"

    play(scenario)


def test_no_more_are_reaped_in_a_cycle_than_the_policy_allows() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put("placementpolicies", policy("all", rollout={"maxReapsPerCycle": 1, "cycle": "60s"}))
        for name in ("a", "b", "c"):
            subject.put(request(name, plan=a_plan(gpus=1), idle=IDLE))
        for name in ("a", "b", "c"):
            await until(subject, "Idle", name)
        for _ in range(100):
            before = sum(subject.api.replicas().values())
            await subject.looks(MINUTE)
            assert before - sum(subject.api.replicas().values()) <= 1
        assert sum(subject.api.replicas().values()) == 0

    play(scenario)


def test_a_reap_is_not_done_in_parts_whatever_a_cycle_may_move() -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.put("placementpolicies", policy("all", rollout={"maxGPUsPerCycle": 3, "cycle": "60s"}))
        for name in ("a", "b"):
            subject.put(request(name, plan=a_plan(replicas=2, gpus=1), idle=IDLE))
        for name in ("a", "b"):
            await until(subject, "Idle", name)
        await subject.looks(MINUTE)
        seen = set()
        for _ in range(60):
            await subject.look(5.0)
            seen.add(tuple(sorted(subject.api.replicas().values())))
        assert seen == {(2, 2), (0, 2), (0, 0)}
        assert state(subject, "a") == state(subject, "b") == "Reaped"

    assert "IdleCancelled" not in play(scenario).events()


def test_a_policy_of_the_fleet_looks_after_requests_that_say_nothing() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request("chat", mode="Recommend"))
        await subject.looks(2)
        assert "idle" not in subject.status()
        subject.api.put("placementpolicies", policy("all", idle={"policy": "Report", "after": "10m"}))
        await subject.looks(2)
        assert state(subject) == "Unknown"
        subject.api.put("placementpolicies", policy("all"))
        await subject.looks(2)
        assert "idle" not in subject.status()

    play(scenario)


def test_without_rights_it_is_reported_and_never_reaped() -> None:
    async def rolled(subject: Subject) -> None:
        subject.put(request(idle=IDLE))
        await subject.looks(3)

    first = play(rolled)

    async def scenario(subject: Subject) -> None:
        await until(subject, "Idle")
        await subject.looks(10 * MINUTE)
        assert state(subject) == "Idle"
        assert "reapAt" not in subject.status()["idle"]
        assert list(subject.api.replicas().values()) == [1]
        assert subject.condition("Applied")["reason"] == "NotEnabled"

    play(scenario, Subject(first.api, acts=None))


def test_somebody_who_scales_a_reaped_workload_wakes_it() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=2, gpus=1), idle=IDLE))
        await until(subject, "Reaped")
        (name,) = subject.api.replicas()
        subject.api.scale(name, 1)
        await subject.looks(4)
        assert subject.api.replicas() == {name: 2}, "all of the plan comes back"
        assert subject.tally.wakes == [WakeCause.SCALED]

    play(scenario)


def test_a_floor_stays() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(plan=a_plan(replicas=3, gpus=1), idle={**IDLE, "policy": "ScaleToFloor", "floor": 1}))
        await until(subject, "Reaped")
        assert list(subject.api.replicas().values()) == [1]
        assert subject.status()["idle"]["avoidedCostPerHour"] == pytest.approx(2.0)
        assert subject.condition("Applied")["status"] == "True"

    play(scenario)


def test_a_restart_between_the_reap_and_its_report_finds_it() -> None:
    async def announced(subject: Subject) -> None:
        subject.put(request(idle=IDLE))
        await until(subject, "Idle")
        (name,) = subject.api.replicas()
        await subject.looks(23)
        subject.api.write_faults = [UnreachableError("the answer was lost")] * 3
        subject.api.scale(name, 0)  # as the operator did, which died before it said so

    first = play(announced)

    async def scenario(subject: Subject) -> None:
        subject.at = first.at + 30.0
        await subject.looks(6)
        assert state(subject) == "Reaped"
        assert list(subject.api.replicas().values()) == [0]

    first.api.write_faults = []
    play(scenario, Subject(first.api))


def test_a_paused_request_stays_reaped() -> None:
    async def scenario(subject: Subject) -> None:
        subject.put(request(idle=IDLE))
        await until(subject, "Reaped")
        stored = subject.api.request("chat")
        stored["metadata"]["annotations"] = {"placewright.dev/pause": "audit", "placewright.dev/wake": "now"}
        subject.put(stored)
        await subject.looks(3)
        assert state(subject) == "Reaped"
        assert subject.condition("Applied")["reason"] == "Paused"
        stored["metadata"]["annotations"] = {"placewright.dev/wake": "now"}
        subject.put(stored)
        await subject.looks(4)
        assert list(subject.api.replicas().values()) == [1]

    play(scenario)


def test_an_idle_model_is_told_what_a_cheaper_layout_would_save() -> None:
    async def scenario(subject: Subject) -> None:
        body = request(plan=a_plan(replicas=2, gpus=2), idle={**IDLE, "policy": "Report"})
        body["status"]["frontier"] = [
            {"costPerHour": 3.0, "tokensPerSecond": 900.0, "costPerMillionTokens": 1.0, "summary": "dear"},
            {"costPerHour": 1.0, "tokensPerSecond": 300.0, "costPerMillionTokens": 1.0, "summary": "fp8 TP1"},
        ]
        subject.put(body)
        await subject.looks(3)
        await until(subject, "Idle")
        (told,) = subject.status()["idle"]["suggestions"]
        assert (told["action"], told["savesPerHour"]) == ("Downsize", pytest.approx(3.0))
        assert "fp8 TP1" in told["message"]
        subject.book.busy = {"chat"}
        await until(subject, "Active")
        assert "suggestions" not in subject.status()["idle"]

    play(scenario)
