"""What work on workloads means for a status: nothing of it is lost, and Ready speaks of the plan and of what runs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.api.acting_status import FINAL, AppliedReason, not_applied
from placewright.api.conditions import Condition, rendered
from placewright.api.parts import Parts, carried, with_new_parts, with_parts
from placewright.api.same import same_decision
from tests.support.resources import Json

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
APPLY: Json = {"mode": "Apply"}
RECOMMEND: Json = {"mode": "Recommend"}
PLANNED = ("True", "PlanCurrent")
BLOCKED = ("False", "GateBlocked")
SOLVING = ("Unknown", "Solving")


def told(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]}


def since(status: Mapping[str, Any], kind: str) -> str:
    return str(next(entry["lastTransitionTime"] for entry in status["conditions"] if entry["type"] == kind))


def planning(
    ready: tuple[str, str] = PLANNED,
    *,
    plan: str = "p-1",
    generation: int = 1,
    now: datetime = NOW,
    previous: Json | None = None,
) -> Json:
    """What planning says by itself."""
    heads = {
        PLANNED: [Condition(type="Ready", status="True", reason="PlanCurrent", message="2 x bf16")],
        BLOCKED: [
            Condition(type="Ready", status="False", reason="GateBlocked", message="too dear"),
            Condition(type="Stalled", status="True", reason="GateBlocked", message="too dear"),
        ],
        SOLVING: [
            Condition(type="Ready", status="Unknown", reason="Solving", message="deciding"),
            Condition(type="Reconciling", status="True", reason="Solving", message="deciding"),
        ],
    }
    feasible = Condition(type="Feasible", status="True", reason="Optimal", message="proved")
    conditions = rendered([*heads[ready], feasible], generation=generation, now=now, previous=previous)
    state = "Blocked" if ready == BLOCKED else "Approved"
    found: Json = {"observedGeneration": generation, "conditions": conditions}
    return {**found, "plan": {"id": plan, "state": state}} if plan else found


ROLLED_OUT = Condition(type="Applied", status="True", reason="RolledOut", message="2 of 2 replicas are Ready")
IDLE = Condition(type="Idle", status="False", reason="TrafficSeen", message="12 requests")


def rollout(plan: str = "p-1") -> Json:
    return {"planId": plan, "phase": "Progressing", "reason": "Progressing", "message": "on its way"}


IDLING: Json = {"state": "Active", "reason": "TrafficSeen", "message": "12 requests"}


def worked(
    stored: Json,
    applied: Condition | None = ROLLED_OUT,
    *,
    plan: str = "p-1",
    generation: int = 1,
    spec: Json = APPLY,
    now: datetime = NOW,
) -> Json:
    """What is stored after a look at the workloads."""
    parts = Parts(rollout=rollout(plan), idle=IDLING, applied=applied, idling=IDLE)
    return with_new_parts(stored, parts, spec=spec, generation=generation, now=now)


def planned(status: Json, previous: Json | None = None, *, spec: Json = APPLY, now: datetime = NOW) -> Json:
    return with_parts(status, previous, spec=spec, now=now)


# -------------------------------------------------------------------------------------------------------- carrying


def test_what_planning_writes_keeps_what_work_on_workloads_has_written() -> None:
    stored = worked(planned(planning()))

    for fresh in (planning(), planning(BLOCKED), planning(plan=""), planning(SOLVING)):
        for spec in (APPLY, RECOMMEND):
            status = planned(fresh, stored, spec=spec)
            assert (status["rollout"], status["idle"]) == (rollout(), IDLING)
            assert told(status)["Idle"] == ("False", "TrafficSeen")
            assert "Applied" in told(status)


def test_without_work_on_workloads_a_status_is_as_planning_has_it() -> None:
    status = planning()

    assert carried(status, None) == carried(status, planning()) == status
    assert planned(status, None, spec={}) == planned(status, planning(), spec=RECOMMEND) == status
    assert planned({"observedGeneration": -1}) == {"observedGeneration": -1}


def test_work_on_workloads_keeps_what_planning_has_written() -> None:
    stored = {**planned(planning()), "history": [{"id": "p-1"}], "gates": []}

    status = worked(stored)

    assert {name: status[name] for name in ("plan", "history", "gates")} == {
        "plan": {"id": "p-1", "state": "Approved"},
        "history": [{"id": "p-1"}],
        "gates": [],
    }
    assert told(status) == {
        "Ready": PLANNED,
        "Feasible": ("True", "Optimal"),
        "Planned": PLANNED,
        "Applied": ("True", "RolledOut"),
        "Idle": ("False", "TrafficSeen"),
    }


def test_what_is_not_said_any_more_goes() -> None:
    stored = worked(planned(planning()))

    status = with_new_parts(stored, Parts(), spec=RECOMMEND, generation=1, now=NOW)

    assert "rollout" not in status
    assert "idle" not in status
    assert "Idle" not in told(status)


# ----------------------------------------------------------------------------------------------------------- Ready


def test_a_plan_that_nobody_has_applied_yet_is_not_ready_in_mode_apply() -> None:
    status = planned(planning())

    assert told(status) == {
        "Ready": ("False", "RolloutPending"),
        "Reconciling": ("True", "RollingOut"),
        "Feasible": ("True", "Optimal"),
        "Planned": PLANNED,
        "Applied": ("False", "Progressing"),
    }


@pytest.mark.parametrize("reason", [each for each in AppliedReason if each not in {"RolledOut", "NotRequested"}])
def test_ready_waits_for_applied_and_is_stalled_where_somebody_has_to_look(reason: AppliedReason) -> None:
    status = worked(planned(planning()), not_applied(reason, "why"))

    assert told(status)["Ready"] == ("False", "RolloutPending")
    assert told(status)["Planned"] == PLANNED
    assert told(status).get("Stalled") == (("True", str(reason)) if reason in FINAL else None)
    assert told(status).get("Reconciling") == (None if reason in FINAL else ("True", "RollingOut"))
    assert next(entry["message"] for entry in status["conditions"] if entry["type"] == "Ready") == f"{reason}: why"


def test_once_it_runs_ready_says_what_planning_does() -> None:
    for reason in (AppliedReason.WAITING, AppliedReason.ROLLOUT_FAILED):
        stored = worked(planned(planning()), not_applied(reason, "why"))

        status = worked(stored, now=LATER)

        assert told(status)["Ready"] == told(status)["Planned"] == PLANNED
        assert not {"Reconciling", "Stalled"} & told(status).keys()
        assert since(status, "Ready") == "2026-11-21T10:05:00Z"
        assert since(status, "Planned") == "2026-11-21T10:00:00Z"


@pytest.mark.parametrize("ready", [BLOCKED, SOLVING])
def test_what_is_wrong_with_the_plan_comes_first(ready: tuple[str, str]) -> None:
    for applied in (ROLLED_OUT, not_applied(AppliedReason.ROLLOUT_FAILED, "why")):
        stored = worked(planned(planning()), applied)

        status = planned(planning(ready), stored)

        assert told(status)["Ready"] == told(status)["Planned"] == ready
        assert told(status).get("Stalled") == (("True", "GateBlocked") if ready == BLOCKED else None)
        assert told(status).get("Reconciling") == (("True", "Solving") if ready == SOLVING else None)


def test_applied_is_of_one_plan() -> None:
    stored = worked(planned(planning()))

    status = planned(planning(plan="p-2"), stored, now=LATER)

    assert told(status)["Applied"] == ("False", "Progressing")
    assert told(status)["Ready"] == ("False", "RolloutPending")
    message = next(entry["message"] for entry in status["conditions"] if entry["type"] == "Applied")
    assert message == "p-2 is about to take the place of p-1"
    assert told(worked(status, plan="p-2"))["Ready"] == PLANNED


def test_applied_is_of_one_generation() -> None:
    stored = worked(planned(planning()))

    status = planned(planning(generation=2, previous=stored), stored)

    assert told(status)["Ready"] == ("False", "RolloutPending")
    assert told(worked(status, generation=2))["Ready"] == PLANNED


def test_a_plan_that_is_gone_or_blocked_leaves_applied_alone() -> None:
    stored = worked(planned(planning()))

    assert told(planned(planning(plan=""), stored))["Applied"] == ("True", "RolledOut")
    assert told(planned(planning(BLOCKED, plan="p-2"), stored))["Applied"] == ("True", "RolledOut")


def test_a_request_that_is_not_applied_any_more_says_so() -> None:
    stored = worked(planned(planning()), not_applied(AppliedReason.WAITING, "for stock"))

    status = planned(planning(generation=2, previous=stored), stored, spec=RECOMMEND, now=LATER)

    assert told(status) == {
        "Ready": PLANNED,
        "Feasible": ("True", "Optimal"),
        "Applied": ("False", "NotRequested"),
        "Idle": ("False", "TrafficSeen"),
    }
    looked = with_new_parts(status, Parts(idle=IDLING, idling=IDLE), spec=RECOMMEND, generation=2, now=LATER)
    assert told(looked)["Applied"] == ("False", "NotRequested")
    again = planned(planning(generation=3, previous=looked), looked)
    assert told(again)["Applied"] == ("False", "Progressing")


def test_a_request_that_never_was_applied_says_nothing_of_it() -> None:
    stored = planned(planning(), spec=RECOMMEND)

    status = with_new_parts(stored, Parts(idle=IDLING, idling=IDLE), spec=RECOMMEND, generation=1, now=NOW)

    assert told(status).keys() == {"Ready", "Feasible", "Idle"}


def test_a_transition_time_stays_while_its_status_does() -> None:
    first = planned(planning())
    stored = worked(first, not_applied(AppliedReason.PROGRESSING, "1 of 2"), now=LATER)

    status = planned(planning(now=LATER, previous=stored), stored, now=LATER)

    assert {since(status, kind) for kind in ("Ready", "Reconciling", "Planned", "Applied")} == {"2026-11-21T10:00:00Z"}


# ----------------------------------------------------------------------------------------------------- properties

READIES = st.sampled_from((PLANNED, BLOCKED, SOLVING))
SPECS = st.sampled_from((APPLY, RECOMMEND, {}))
APPLIED = (
    st.none()
    | st.just(ROLLED_OUT)
    | st.sampled_from([not_applied(each, "why") for each in AppliedReason if each != "RolledOut"])
)
PLANS = st.sampled_from(("p-1", "p-2", ""))


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, Any, Json]]:
    """Writes of the two writers in any order, each with the spec as it is then."""
    kinds = draw(st.lists(st.sampled_from(("planning", "work")), min_size=1, max_size=8))
    return [
        (kind, draw(st.tuples(READIES, PLANS) if kind == "planning" else st.tuples(APPLIED, PLANS)), draw(SPECS))
        for kind in kinds
    ]


def stored_after(moves: list[tuple[str, Any, Json]]) -> tuple[Json, list[tuple[Json, Json]]]:
    """The status that is stored in the end, and each (status, spec) on the way."""
    stored = planned(planning(), None, spec={})
    seen = []
    for index, (kind, (what, plan), spec) in enumerate(moves):
        now = NOW + timedelta(minutes=index)
        if kind == "planning":
            fresh = planning(what, plan=plan, generation=index + 1, now=now, previous=stored)
            stored = planned(fresh, stored, spec=spec, now=now)
        else:
            generation = stored["observedGeneration"]
            stored = worked(stored, what, plan=plan or "p-0", generation=generation, spec=spec, now=now)
        seen.append((stored, spec))
    return stored, seen


@settings(max_examples=300, deadline=None)
@given(steps(), SPECS)
def test_doing_it_twice_changes_nothing(moves: list[tuple[str, Any, Json]], spec: Json) -> None:
    stored, _ = stored_after(moves)

    once = planned(stored, stored, spec=spec, now=LATER)

    assert planned(once, stored, spec=spec, now=LATER + timedelta(hours=1)) == once
    assert planned(once, once, spec=spec, now=LATER + timedelta(hours=1)) == once


@settings(max_examples=300, deadline=None)
@given(steps())
def test_ready_is_true_only_of_a_plan_that_is_current_and_runs(moves: list[tuple[str, Any, Json]]) -> None:
    _, seen = stored_after(moves)

    for status, spec in seen:
        found = told(status)
        kinds = [entry["type"] for entry in status["conditions"]]
        assert len(kinds) == len(set(kinds))
        applying = spec.get("mode") == "Apply"
        assert ("Planned" in found) is applying
        if found["Ready"][0] == "True":
            assert found["Ready"] == PLANNED
            assert not {"Stalled", "Reconciling"} & found.keys()
        if applying and found["Ready"][0] == "True" and status.get("plan"):
            assert found["Applied"] == ("True", "RolledOut")
            assert status["rollout"]["planId"] == status["plan"]["id"]
        if applying and found["Planned"] == PLANNED and found.get("Applied", ("True", ""))[0] != "True":
            assert found["Ready"] == ("False", "RolloutPending")
            assert len({"Stalled", "Reconciling"} & found.keys()) == 1
        if not applying:
            assert found["Ready"][1] != "RolloutPending"


@settings(max_examples=300, deadline=None)
@given(steps(), READIES, PLANS)
def test_once_applied_is_true_again_ready_is_what_planned_said(
    moves: list[tuple[str, Any, Json]], ready: tuple[str, str], plan: str
) -> None:
    stored, _ = stored_after(moves)
    fresh = planning(ready, plan=plan, generation=50, previous=stored)
    held = planned(fresh, stored)

    status = worked(held, plan=plan or "p-0", generation=50)

    assert told(status)["Ready"] == told(held)["Planned"] == ready
    assert (status["rollout"]["planId"], status["idle"]) == (plan or "p-0", IDLING)


@settings(max_examples=100, deadline=None)
@given(steps(), st.integers(1, 10_000))
def test_planning_the_same_again_writes_nothing(moves: list[tuple[str, Any, Json]], minutes: int) -> None:
    stored, _ = stored_after(moves)
    fresh = planning(plan="p-1", generation=50, previous=stored)
    written = planned(fresh, stored)

    later = NOW + timedelta(minutes=minutes)
    again = planned(planning(plan="p-1", generation=50, now=later, previous=written), written, now=later)

    assert same_decision(written, again)
    assert told(again) == told(written)
    for kind in ("Ready", "Planned", "Applied"):
        assert since(again, kind) == since(written, kind)
