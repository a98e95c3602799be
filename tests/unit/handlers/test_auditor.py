"""What of statuses is recorded, and what is recorded at a start."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placewright.api.annotations import ACTOR, RAMP_PROMOTE
from placewright.core.errors import InvalidRequestError
from placewright.handlers.auditor import Auditor, trail_of
from placewright.handlers.options import OperatorOptions
from placewright.handlers.records import entries_of
from placewright.telemetry.audit import OFF, Entry, EntryKind, NoTrail, Trail, TrailState
from tests.support.requests import Json, condition, stored

PLAN = {"id": "p-1", "state": "Approved", "costPerHour": 4.0}


class FakeTrail(NoTrail):
    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.indexed = False
        self.entries: list[Entry] = []
        self.ends: Exception | None = None

    def state(self) -> TrailState:
        return TrailState(enabled=True)

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)

    def last_plan(self, uid: str) -> str:
        return self.known.get(uid, "")

    async def run(self) -> None:
        if self.ends is not None:
            raise self.ends
        await super().run()


def status(plan: Json | None = None, **more: Any) -> Json:
    told = {"conditions": [condition("Ready", "True", "PlanCurrent", "all is well")], "inputs": {"hash": "h1"}}
    return {**told, **({"plan": plan} if plan is not None else {}), **more}


def kinds(before: Json, after: Json) -> list[EntryKind]:
    return [entry.kind for entry in entries_of(before, after)]


def test_a_first_plan_is_a_decision_with_the_whole_plan_and_a_move() -> None:
    history = [{"id": "p-1", "reason": "FirstPlan", "costPerHour": 4.0, "message": "first plan"}]
    decision, move = entries_of(stored(), stored(status=status(PLAN, history=history)))
    assert (decision.kind, decision.plan_id, decision.inputs_hash) == (EntryKind.DECISION, "p-1", "h1")
    assert (decision.old_cost_per_hour, decision.new_cost_per_hour) == (None, 4.0)
    assert (decision.reason, decision.message) == ("PlanCurrent", "all is well")
    assert decision.details["plan"] == PLAN
    assert (move.kind, move.reason, move.new_cost_per_hour) == (EntryKind.MOVE, "FirstPlan", 4.0)


def test_a_status_that_keeps_its_plan_does_not_repeat_it() -> None:
    (decision,) = entries_of(stored(status=status(PLAN)), stored(status=status(PLAN)))
    assert "plan" not in decision.details
    assert (decision.old_cost_per_hour, decision.new_cost_per_hour) == (4.0, 4.0)


def test_a_blocked_plan_costs_nothing() -> None:
    (decision,) = entries_of(stored(status=status(PLAN)), stored(status=status({**PLAN, "state": "Blocked"})))
    assert (decision.old_cost_per_hour, decision.new_cost_per_hour) == (4.0, None)


def test_gates_are_recorded_when_their_result_changes() -> None:
    def with_gate(result: str, actual: float) -> Json:
        gate = {"name": "CostPerHour", "limit": 5.0, "actual": actual, "result": result}
        return stored(status=status(PLAN, gates=[gate]))

    assert kinds(with_gate("Pass", 4.0), with_gate("Pass", 4.5)) == [EntryKind.DECISION]
    _, changed = entries_of(with_gate("Pass", 4.0), with_gate("Fail", 6.0))
    assert (changed.kind, changed.reason) == (EntryKind.GATE_RESULT, "CostPerHourFail")
    assert changed.message == "CostPerHour Fail, was Pass, limit 5.0, actual 6.0"


def test_steps_of_a_ramp_are_recorded_and_whose_word_it_was() -> None:
    def at(step: int, phase: str = "Holding", **metadata: Any) -> Json:
        ramp = {"planId": "p-1", "step": step, "phase": phase, "reason": "StepEntered", "message": "entered"}
        return stored(status=status(PLAN, ramp={**ramp, "previousPlan": PLAN}), **metadata)

    assert kinds(at(0), at(0, "Progressing")) == [EntryKind.DECISION]
    _, entered = entries_of(at(0), at(1))
    assert (entered.kind, entered.actor, entered.details["step"]) == (EntryKind.RAMP_STEP, "", 1)
    assert "previousPlan" not in entered.details
    asked: Any = {"annotations": {RAMP_PROMOTE: "p-1/1", ACTOR: "ann"}}
    _, _, override = entries_of(at(0), at(1, **asked))
    assert (override.kind, override.actor) == (EntryKind.OVERRIDE, "ann")
    assert kinds(at(1), at(2, **asked)) == [EntryKind.DECISION, EntryKind.RAMP_STEP]


def test_a_plan_that_comes_back_is_a_rollback_by_whoever_asked() -> None:
    history = [{"id": "p-0", "reason": "RolledBack", "costPerHour": 3.0, "previousCostPerHour": 4.0, "message": "back"}]
    after = stored(status=status({**PLAN, "id": "p-0"}, history=history), annotations={ACTOR: "eve"})
    decision, rollback = entries_of(stored(status=status(PLAN)), after)
    assert (decision.actor, rollback.actor) == ("eve", "eve")
    assert rollback.kind is EntryKind.ROLLBACK
    assert rollback.details == {"from": "p-1", "to": "p-0"}
    assert (rollback.old_cost_per_hour, rollback.new_cost_per_hour) == (4.0, 3.0)


# ---------------------------------------------------------------------------------------------------- at a start


def start(trail: FakeTrail, *resources: Json, before: Callable[[Auditor], None] = lambda _: None) -> Auditor:
    """A start: objects are seen, then the journal can be looked into, then the list is whole."""

    async def run() -> Auditor:
        listed = False
        auditor = Auditor(trail, listed=lambda: listed)
        running = asyncio.create_task(auditor.run())
        for resource in resources:
            auditor.seen(resource)
        before(auditor)
        trail.indexed = listed = True
        async with asyncio.timeout(60):
            while auditor.starting:  # noqa: ASYNC110 - no seam
                await asyncio.sleep(0.01)
        auditor.seen(stored("late", uid="u-9", status=status(PLAN)))
        assert not running.done()
        running.cancel()
        return auditor

    return asyncio.run(run())


def test_a_journal_that_is_ready_is_asked_at_once_and_about_each_object_once() -> None:
    trail = FakeTrail({})
    trail.indexed = True
    found = stored(status=status(PLAN))
    start(trail, found, found, stored(version=11, status=status({**PLAN, "id": "p-2"})))
    assert [entry.plan_id for entry in trail.entries] == ["p-1"]


def test_a_trail_that_ends_does_not_end_the_operator_and_is_told() -> None:
    trail = FakeTrail({})
    trail.ends = RuntimeError("disk")
    assert start(trail).fault == "audit trail: ended by RuntimeError, and needs a restart"


def test_plans_that_the_journal_does_not_know_are_recorded_as_found() -> None:
    trail = FakeTrail({"u-1": "p-1", "u-2": "p-0"})
    start(
        trail,
        stored("known", uid="u-1", status=status(PLAN)),
        stored("newer", uid="u-2", status=status(PLAN)),
        stored("unplanned", uid="u-3", status=status()),
    )
    (found,) = trail.entries
    assert (found.kind, found.name, found.plan_id) == (EntryKind.FOUND, "newer", "p-1")
    assert found.details == {"plan": PLAN}


def test_what_is_found_stands_before_what_takes_its_place() -> None:
    trail = FakeTrail({})
    old, new = stored(status=status(PLAN)), stored(status=status({**PLAN, "id": "p-2"}))
    start(trail, old, before=lambda auditor: auditor.written(old, new))
    assert [entry.kind for entry in trail.entries] == [EntryKind.FOUND, EntryKind.DECISION]
    assert [entry.plan_id for entry in trail.entries] == ["p-1", "p-2"]


def test_the_trail_is_what_the_options_ask_for(tmp_path: Path) -> None:
    assert trail_of(OperatorOptions()) is OFF
    assert isinstance(trail_of(OperatorOptions(audit_dir=str(tmp_path))), Trail)
    assert isinstance(trail_of(OperatorOptions(audit_stdout=True)), Trail)
    with pytest.raises(InvalidRequestError, match="--audit-s3-bucket: got 'b', wants --audit-dir beside it"):
        trail_of(OperatorOptions(audit_s3_bucket="b"))
