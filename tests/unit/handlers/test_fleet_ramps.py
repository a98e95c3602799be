"""Ramps, rollbacks and earlier plans through whole rounds of a fleet, with a clock that a test moves."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from placewright.api.annotations import RAMP, RAMP_PROMOTE, RAMP_ROLLBACK, ROLLBACK_TO
from placewright.core.model import MoveReason
from placewright.telemetry.audit import EntryKind
from tests.support.fleet_api import fleet_request, pool
from tests.support.fleet_subject import NAMESPACE, Subject, rest, running
from tests.support.requests import Json

Scenario = Callable[[Subject, "Clock"], Coroutine[Any, Any, None]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def steps(*percent: float, hold: str = "10s", **more: Any) -> Json:
    return {"stepsPercent": list(percent), "holdFor": hold, **more}


def chat(gpus: int = 2, **more: Any) -> Json:
    return fleet_request("chat", gpus, **{"ramp": steps(10, 100), **more})


def annotated(body: Json, **given: str) -> Json:
    return {**body, "metadata": {**body["metadata"], "annotations": given}}


def play(
    scenario: Scenario, *bodies: Json, stock: tuple[int, int] = (2, 8), plans: dict[str, Json] | None = None
) -> Subject:
    async def run() -> Subject:
        clock = Clock()
        subject = Subject(now=clock, plans=plans)
        subject.api.put("gpupools", pool("cheap", price=1.0, stock=stock))
        for body in bodies:
            subject.api.put("placementrequests", body, namespace=NAMESPACE)
        async with running(subject):
            await rest(subject)
            await scenario(subject, clock)
        return subject

    return asyncio.run(run())


async def after(subject: Subject, clock: Clock, seconds: float) -> None:
    """So many seconds later, with a look in between at least every ten."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now = min(end, clock.now + 10.0)
        await look(subject)


async def look(subject: Subject) -> None:
    if await subject.fleet.weigh():
        subject.fleet.trigger()
    await rest(subject)


def ramp(subject: Subject) -> Json:
    found: Json = subject.api.request("chat")["status"].get("ramp") or {}
    return found


def plan(subject: Subject) -> str:
    return str(subject.api.request("chat")["status"]["plan"]["id"])


def place(subject: Subject) -> tuple[int, str]:
    return int(ramp(subject)["step"]), str(ramp(subject)["phase"])


async def to_the_end(subject: Subject, clock: Clock) -> str:
    await after(subject, clock, 60.0)
    assert ramp(subject)["phase"] == "Completed"
    return plan(subject)


def test_a_first_plan_takes_its_steps_one_by_one() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        seen = [place(subject)]
        for _ in range(12):
            await after(subject, clock, 5.0)
            seen.append(place(subject))
        order = list(dict.fromkeys(step for step, _ in seen))
        assert order == [-1, 0, 1]
        assert seen[-1] == (1, "Completed")
        recorded = [entry.details["step"] for entry in subject.records if entry.kind is EntryKind.RAMP_STEP]
        assert recorded == [-1, 0, 1, 1]

    play(scenario, chat())


def test_in_mode_apply_a_step_waits_for_what_the_one_before_allows_to_be_rolled_out() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        def rolled_out(phase: str) -> None:
            stored = subject.api.request("chat")
            stored["status"]["rollout"] = {"planId": plan(subject), "phase": phase}
            subject.fleet.take(subject.api.put("placementrequests", stored, namespace=NAMESPACE), ours=True)

        await after(subject, clock, 60.0)
        assert (place(subject), ramp(subject)["reason"]) == ((-1, "Holding"), "NotServing")
        rolled_out("Progressing")
        await after(subject, clock, 60.0)
        assert place(subject)[0] == -1
        rolled_out("RolledOut")
        await after(subject, clock, 25.0)
        assert place(subject)[0] >= 0

    play(scenario, chat(mode="Apply"))


def test_looks_that_say_nothing_new_write_nothing() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        await look(subject)
        before = len(subject.request_writes())
        for _ in range(5):
            await after(subject, clock, 60.0)
        assert len(subject.request_writes()) == before

    play(scenario, chat(ramp=steps(10, 100, hold="10h")))


def test_a_change_of_the_spec_ramps_beside_the_plan_before_whose_gpus_stay_its_own() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        first = await to_the_end(subject, clock)
        subject.apply(chat(4))
        await rest(subject)
        assert ramp(subject)["previousPlan"]["id"] == first
        assert ramp(subject)["percent"] == 0
        # 4 for the new plan, 2 for the one before: two are left.
        subject.apply(fleet_request("large", 4))
        await rest(subject)
        assert subject.where("large") == {}
        subject.apply(fleet_request("small", 2))
        await rest(subject)
        assert subject.where("small") == {"cheap": 2}
        await to_the_end(subject, clock)
        assert "previousPlan" not in ramp(subject)
        assert subject.where("chat") == {"cheap": 4}

    play(scenario, chat(2), stock=(1, 8))


def test_gpus_of_the_plan_before_that_do_not_fit_are_told() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        await to_the_end(subject, clock)
        subject.apply(chat(8))
        await rest(subject)
        await look(subject)
        assert "pool cheap has no room for both" in ramp(subject)["message"]
        await to_the_end(subject, clock)
        assert "no room" not in ramp(subject)["message"]

    play(scenario, chat(2), stock=(1, 8))


def test_a_plan_that_stock_forces_takes_all_traffic_at_once() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        del clock
        assert place(subject) == (-1, "Progressing") or place(subject) == (-1, "Holding")
        subject.overshoot.add("cheap")
        subject.api.put("gpupools", pool("other", price=3.0, stock=(1, 8)))
        subject.api.put("gpupools", pool("cheap", price=1.0, stock=(1, 1)))
        await rest(subject)
        assert subject.where("chat") == {"other": 2}
        assert place(subject) == (1, "Completed")
        assert "StockGone" in ramp(subject)["message"]

    play(scenario, chat(2))


def test_who_asks_to_leave_a_plan_gets_the_one_before_and_it_is_held() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        first = await to_the_end(subject, clock)
        subject.apply(chat(4))
        await rest(subject)
        second = plan(subject)
        subject.apply(annotated(chat(4), **{RAMP_ROLLBACK: second}))
        await rest(subject)
        assert plan(subject) == first
        assert subject.moves[-1] is MoveReason.ROLLED_BACK
        history = subject.api.request("chat")["status"]["history"][0]
        assert (history["id"], history["reason"]) == (first, "RolledBack")
        assert (ramp(subject)["planId"], ramp(subject)["phase"]) == (second, "RolledBack")
        before = len(subject.request_writes())
        await after(subject, clock, 600.0)
        subject.fleet.trigger()
        await rest(subject)
        assert (plan(subject), len(subject.request_writes())) == (first, before)

        again = Subject(subject.api, now=clock)
        async with running(again):
            await rest(again)
            assert (plan(again), len(again.request_writes())) == (first, before), "also by the next operator"

        both = {RAMP_ROLLBACK: second, RAMP_PROMOTE: f"{second}/0"}
        subject.apply(annotated(chat(4), **both))
        await rest(subject)
        assert plan(subject) == first, "who says both goes back"
        subject.apply(chat(4))
        await rest(subject)
        subject.apply(annotated(chat(4), **{RAMP_PROMOTE: f"{second}/0"}))
        await rest(subject)
        assert plan(subject) == second
        assert ramp(subject)["previousPlan"]["id"] == first
        await look(subject)
        assert place(subject)[0] == 0, "promoted without waiting"
        await to_the_end(subject, clock)

    play(scenario, chat(2))


def test_a_new_spec_ends_what_a_rollback_holds() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        first = await to_the_end(subject, clock)
        subject.apply(chat(4))
        await rest(subject)
        subject.apply(annotated(chat(4), **{RAMP_ROLLBACK: plan(subject)}))
        await rest(subject)
        assert plan(subject) == first
        subject.apply(chat(5))
        await rest(subject)
        assert subject.where("chat") == {"cheap": 5}
        assert (ramp(subject)["planId"], place(subject)[0]) == (plan(subject), -1)
        assert ramp(subject)["previousPlan"]["id"] == first

    play(scenario, chat(2))


def test_a_pause_holds_a_ramp_until_it_is_taken_away() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        await after(subject, clock, 120.0)
        assert place(subject) == (-1, "Paused")
        subject.apply(chat())
        await to_the_end(subject, clock)

    play(scenario, annotated(chat(), **{RAMP: "pause"}))


def test_a_gap_between_two_looks_is_no_time_in_which_gates_passed() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        await look(subject)
        assert place(subject) == (-1, "Progressing")
        clock.now += 3600.0
        await look(subject)
        assert place(subject)[0] == -1
        await after(subject, clock, 10.0)
        assert place(subject)[0] == 0

    play(scenario, chat())


def test_the_next_operator_goes_on_at_the_step_with_the_plan_before() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        first = await to_the_end(subject, clock)
        subject.apply(chat(4))
        await rest(subject)
        await look(subject)
        await after(subject, clock, 10.0)
        assert place(subject)[0] == 0
        second, stored = plan(subject), ramp(subject)
        clock.now += 5.0
        again = Subject(subject.api, now=clock)
        async with running(again):
            await rest(again)
            assert place(again)[0] == 0
            assert ramp(again)["previousPlan"] == stored["previousPlan"]
            assert ramp(again)["enteredAt"] == stored["enteredAt"]
            again.apply(annotated(chat(4), **{RAMP_ROLLBACK: second}))
            await rest(again)
            assert plan(again) == first

    play(scenario, chat(2))


def test_an_earlier_plan_is_restored_from_the_journal_and_held_while_the_annotation_stands() -> None:
    async def make(subject: Subject, clock: Clock) -> None:
        del clock
        earlier.update(subject.api.request("chat")["status"]["plan"])

    async def scenario(subject: Subject, clock: Clock) -> None:
        second = plan(subject)
        subject.apply(annotated(fleet_request("chat", 4), **{ROLLBACK_TO: earlier["id"]}))
        await rest(subject)
        assert plan(subject) == earlier["id"]
        assert subject.api.request("chat")["status"]["plan"]["layouts"] == earlier["layouts"]
        (rollback,) = [entry for entry in subject.records if entry.kind is EntryKind.ROLLBACK]
        assert rollback.plan_id == earlier["id"]
        before = len(subject.request_writes())
        clock.now += 3600.0
        subject.fleet.trigger()
        await rest(subject)
        assert len(subject.request_writes()) == before
        subject.apply(fleet_request("chat", 4))
        await rest(subject)
        assert plan(subject) == second

    earlier: Json = {}
    play(make, fleet_request("chat", 2))
    play(scenario, fleet_request("chat", 4), plans={earlier["id"]: earlier})


def test_a_rollback_to_what_nobody_knows_or_has_room_for_is_refused_in_one_line() -> None:
    async def make(subject: Subject, clock: Clock) -> None:
        del clock
        earlier.update(subject.api.request("chat")["status"]["plan"])

    async def scenario(subject: Subject, clock: Clock) -> None:
        del clock
        present = plan(subject)
        subject.apply(annotated(fleet_request("chat", 2), **{ROLLBACK_TO: "p-00ff00ff00"}))
        await rest(subject)
        subject.apply(annotated(fleet_request("chat", 2), **{ROLLBACK_TO: earlier["id"]}))
        await rest(subject)
        unknown, short = subject.refusals
        assert unknown.endswith("p-00ff00ff00 is refused: the audit journal has no such plan of this request")
        assert short.endswith(f"{earlier['id']} is refused: pool cheap has no room for it now")
        assert subject.api.request("chat")["status"]["warnings"] == [short]
        assert plan(subject) == present
        subject.apply(fleet_request("chat", 2))
        await rest(subject)
        assert "warnings" not in subject.api.request("chat")["status"]

    earlier: Json = {}
    play(make, fleet_request("chat", 8))
    play(scenario, fleet_request("chat", 2), fleet_request("other", 2), stock=(1, 8), plans={earlier["id"]: earlier})


def test_a_first_plan_that_is_left_has_nothing_before_it() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        first = plan(subject)
        subject.apply(annotated(chat(), **{RAMP_ROLLBACK: first}))
        await rest(subject)
        assert plan(subject) == first
        assert (ramp(subject)["phase"], ramp(subject)["percent"]) == ("RolledBack", 0)
        await after(subject, clock, 300.0)
        assert ramp(subject)["phase"] == "RolledBack"

    play(scenario, chat())


def test_annotations_that_mean_nothing_are_told_and_passed_over() -> None:
    async def scenario(subject: Subject, clock: Clock) -> None:
        del clock
        (line,) = subject.api.request("chat")["status"]["warnings"]
        assert line.startswith(f"metadata.annotations[{ROLLBACK_TO}]: got 'the last one', wants the id of a plan")
        assert subject.where("chat") == {"cheap": 2}
        subject.apply(fleet_request("chat", 2))
        await rest(subject)
        assert "warnings" not in subject.api.request("chat")["status"]

    play(scenario, annotated(fleet_request("chat", 2), **{ROLLBACK_TO: "the last one"}))
