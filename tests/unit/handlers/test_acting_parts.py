"""The small parts of acting: goals, limits, subjects, targets, stock, and what planning sets aside."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from placewright.api.acting import Limits
from placewright.api.acting_status import AppliedReason
from placewright.core.model import RolloutMemory, RolloutPhase, RolloutStep, Running, Scale, Unit
from placewright.handlers.acting.goals import Stored, floor_cost_per_hour, goal_of, stored_of
from placewright.handlers.acting.limits import Brake, Cycle, Doing, brake_of, doing_of, held
from placewright.handlers.acting.objects import Subjects, matters
from placewright.handlers.acting.readings import HeldError
from placewright.handlers.acting.steering import WithLeftovers
from placewright.handlers.acting.stock import Book, Claim
from placewright.handlers.acting.targets import units_of_target
from placewright.handlers.acting.telling import news_of
from placewright.handlers.ledger import NOTHING, Holding
from placewright.handlers.members import Member, StoredPlans
from placewright.kube.workloads import Workload, workload_of
from placewright.telemetry.views import Key
from tests.support.acting_subject import a_plan
from tests.support.builders import L40S, a_pool, a_request
from tests.support.requests import Json, stored

KEY: Key = ("serving", "chat")


# ------------------------------------------------------------------------------------------------------- goals


@pytest.mark.parametrize(
    ("status", "plan", "emptied"),
    [
        ({}, False, False),
        ({"plan": {"id": "p-1", "state": "Approved"}}, True, False),
        ({"plan": {"id": "p-1"}}, True, False),
        ({"plan": {"id": "p-1", "state": "Blocked"}}, False, False),
        ({"history": [{"reason": "Preempted"}]}, False, True),
        ({"history": [{"reason": "StockGone"}, {"reason": "Cheaper"}]}, False, True),
        ({"history": [{"reason": "Cheaper"}, {"reason": "Preempted"}]}, False, False),
        ({"plan": {"id": "p-1", "state": "Blocked"}, "history": [{"reason": "Preempted"}]}, False, False),
    ],
)
def test_what_a_status_wants(*, status: Json, plan: bool, emptied: bool) -> None:
    found = stored_of(status)
    assert (found.plan is not None, found.emptied) == (plan, emptied)


@pytest.mark.parametrize(
    ("phase", "ramps"), [("Progressing", True), ("Holding", True), ("Paused", True), ("Completed", False)]
)
def test_a_ramp_has_a_plan_before_while_it_runs(*, phase: str, ramps: bool) -> None:
    ramp = {"planId": "p-2", "phase": phase, "percent": 10.0, "previousPlan": {"id": "p-1"}}
    found = stored_of({"plan": {"id": "p-2"}, "ramp": ramp})
    assert (found.before, found.percent) == (({"id": "p-1"}, 10.0) if ramps else (None, 100.0))
    assert stored_of({"plan": {"id": "p-3"}, "ramp": ramp}).before is None, "of another plan"


def test_a_reaped_request_keeps_those_with_the_most_traffic() -> None:
    units = (a_unit("a", 2, 0.3), a_unit("b", 2, 0.7))
    goal = goal_of(Stored(plan={"id": "p-1"}), units, before=(a_unit("old", 3, 1.0),), target=3)
    assert {unit.name: unit.replicas for unit in (*goal.units, *goal.before)} == {"a": 1, "b": 2, "old": 0}
    assert goal_of(Stored(plan={"id": "p-1"}), units).units == units


def test_what_a_floor_costs() -> None:
    layouts = [{"replicas": 2, "weight": 0.3, "costPerHour": 5.0}, {"replicas": 1, "weight": 0.7, "costPerHour": 2.0}]
    plan = Stored(plan={"layouts": layouts})
    assert [floor_cost_per_hour(plan, count) for count in (0, 1, 2, 9)] == [0.0, 2.0, 7.0, 12.0]
    assert floor_cost_per_hour(Stored(), 1) == 0.0


# ------------------------------------------------------------------------------------------------------- limits


def test_the_brake_counts_different_requests_that_failed_of_late() -> None:
    limits = Limits(brake_failures=2, brake_within_seconds=100.0)
    failures = {("a", "x"): 950.0, ("a", "y"): 990.0}
    found = brake_of(failures, limits, 1000.0)
    assert (found.engaged, found.until) == (True, 1050.0)
    assert "a/x, a/y" in found.message
    assert not brake_of(failures, limits, 1051.0).engaged
    assert not brake_of({("a", "x"): 950.0}, limits, 1000.0).engaged
    assert not brake_of(failures, replace(limits, brake_released_at=960.0), 1000.0).engaged
    assert brake_of(failures, replace(limits, brake_released_at=940.0), 1000.0).engaged
    assert Brake().message == ""


def test_the_brake_holds_rollouts_alone() -> None:
    on = Brake(engaged=True)
    step = a_step(RolloutPhase.PROGRESSING)
    assert [held(step, doing, on) for doing in Doing] == [True, False, False, False]
    assert not held(step, Doing.ROLLOUT, Brake())
    assert not held(a_step(RolloutPhase.FAILED), Doing.ROLLOUT, on), "what failed gives back"
    assert doing_of(emptied=True, reaping=False, waking=False, rolled_out=False) is Doing.GIVE_BACK
    assert doing_of(emptied=False, reaping=False, waking=True, rolled_out=True) is Doing.WAKE
    assert doing_of(emptied=False, reaping=False, waking=True, rolled_out=False) is Doing.ROLLOUT


def test_a_cycle_ends_by_time_or_with_its_rules() -> None:
    cycle, limits = Cycle(), Limits(max_gpus_per_cycle=4, cycle_seconds=60.0, max_reaps_per_cycle=1)
    cycle.turn(limits, 0.0)
    other = ("serving", "other")
    cycle.reaps(KEY, 4)
    assert (cycle.budget.most(1, 1), cycle.may_reap(other, 1), cycle.may_reap(KEY, 4)) == (0, False, True)
    cycle.turn(limits, 59.0)
    assert cycle.budget.most(1, 1) == 0
    cycle.turn(limits, 60.0)
    assert (cycle.budget.most(1, 1), cycle.may_reap(other, 4), cycle.may_reap(other, 9)) == (1, True, True)
    cycle.budget.take(4)
    cycle.turn(replace(limits, max_gpus_per_cycle=8), 61.0)
    assert cycle.budget.most(1, 9) == 8


# ------------------------------------------------------------------------------------------------------- subjects


@pytest.mark.parametrize(
    ("spec", "status", "idles", "wanted"),
    [
        ({}, {}, False, False),
        ({}, {}, True, True),
        ({"mode": "Recommend"}, {}, False, False),
        ({"mode": "Apply"}, {}, False, True),
        ({"idle": {}}, {}, False, True),
        ({"idle": {"policy": "Off"}}, {}, True, False),
        ({"idle": {"policy": "Report"}}, {}, False, True),
        ({}, {"rollout": {}}, False, True),
        ({"idle": {"policy": "Off"}}, {"idle": {}}, False, True),
    ],
)
def test_who_is_of_interest(*, spec: Json, status: Json, idles: bool, wanted: bool) -> None:
    assert matters({"spec": spec, "status": status}, idles=idles) is wanted


class Listing:
    """Lists what it is given; counts how often."""

    def __init__(self, *items: Json) -> None:
        self.items = items
        self.lists = 0

    async def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        assert namespace is None
        self.lists += 1
        for item in self.items:
            yield item


def test_of_others_nothing_is_kept_until_a_policy_looks_after_them() -> None:
    quiet, loud = stored("quiet"), stored("loud", uid="u-2", spec={"mode": "Apply", "model": {"name": "toy"}})
    listing = Listing(quiet, loud)
    subjects = Subjects(listing, ())
    assert not subjects.see(quiet)
    assert subjects.see(loud)
    assert [key for key, _ in subjects.items()] == [("serving", "loud")]
    asyncio.run(subjects.expect(idles=True))
    assert len(subjects) == 2
    asyncio.run(subjects.expect(idles=True))
    assert listing.lists == 1
    assert subjects.gone(("serving", "quiet"))
    assert not subjects.gone(("serving", "quiet"))


def test_an_older_object_and_foreign_annotations_are_passed_over() -> None:
    subjects = Subjects(Listing(), ())
    annotations = {"placewright.dev/wake": "now", "kubectl.kubernetes.io/last-applied-configuration": "x" * 1000}
    subjects.see(stored(version=12, spec={"mode": "Apply"}, annotations=annotations))
    subjects.see(stored(version=11, spec={"mode": "Apply", "priority": 3}))
    found = subjects.get(KEY)
    assert found is not None
    assert found.resource["metadata"]["annotations"] == {"placewright.dev/wake": "now"}
    assert "priority" not in found.resource["spec"]
    subjects.see(stored(version=13, spec={"mode": "Recommend"}))
    assert subjects.get(KEY) is None


# ------------------------------------------------------------------------------------------------------- targets


def a_target(gpus: int, kind: str = "Deployment") -> Workload:
    container = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    body = {
        "metadata": {"name": "llama", "namespace": "serving", "uid": "u-9", "resourceVersion": "5"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }
    return workload_of(kind, body)


def test_a_target_is_the_one_unit_of_a_plan() -> None:
    target = ("serving", "Deployment", "llama")
    (unit,) = units_of_target(Stored(plan=a_plan(replicas=3, gpus=2)), target, a_target(2))
    assert (unit.name, unit.replicas, unit.pools) == ("llama", 3, {"cheap": ((2, 1),)})
    assert units_of_target(Stored(), target, a_target(2)) == ()


@pytest.mark.parametrize(
    ("plan", "before", "workload", "reason"),
    [
        (a_plan(gpus=2), None, None, AppliedReason.WAITING),
        (a_plan(gpus=2), None, a_target(4), AppliedReason.WORKLOAD_MISMATCH),
        ({**a_plan(), "layouts": a_plan()["layouts"] * 2}, None, a_target(1), AppliedReason.WORKLOAD_MISMATCH),
        (a_plan(), a_plan("p-0"), a_target(1), AppliedReason.RENDER_REFUSED),
    ],
)
def test_a_target_that_cannot_be_the_plan(
    plan: Json, before: Json | None, workload: Workload | None, reason: AppliedReason
) -> None:
    with pytest.raises(HeldError) as refused:
        units_of_target(Stored(plan=plan, before=before), ("serving", "Deployment", "llama"), workload)
    assert refused.value.reason == reason
    assert "Deployment llama" in str(refused.value)


# ------------------------------------------------------------------------------------------------------- stock


def test_what_others_may_come_back_to_is_no_room() -> None:
    pools = {"cheap": a_pool("cheap", L40S, nodes=1, gpus_per_node=4)}
    reaped = Claim(units=(a_unit("r", 2, 1.0),), running=(a_running("r", 0),))
    moving = Claim(units=(a_unit("new", 1, 1.0),), running=(a_running("old", 1),))
    other: Key = ("serving", "other")
    book = Book(pools, {KEY: moving, other: reaped}, [])
    stock = book.open(KEY, moving, ())
    assert stock.room((KEY, "new"), {"cheap": ((1, 1),)}, 9) == 1, "four, less two of the reaped one and one that runs"
    stock.hold((KEY, "new"), {"cheap": ((1, 1),)}, 1)
    book.close(KEY, moving)
    assert book.open(other, reaped, ()).room((other, "r"), {"cheap": ((1, 1),)}, 9) == 2, "a wake finds its GPUs"


def test_plans_of_requests_that_nobody_acts_for_are_no_room() -> None:
    pools = {"cheap": a_pool("cheap", L40S, nodes=1, gpus_per_node=4)}
    held_by = Holding(plan_id="p-9", cost_per_hour=1.0, pools={"cheap": (((3, 1),),)})
    claim = Claim(units=(a_unit("new", 1, 1.0),))
    book = Book(pools, {KEY: claim}, [(("serving", "planned"), held_by), (KEY, held_by)])
    assert book.open(KEY, claim, ()).room((KEY, "new"), {"cheap": ((1, 1),)}, 9) == 1


# ------------------------------------------------------------------------------------------------------- steering


def test_what_runs_beside_the_plans_is_set_aside_on_shared_pools() -> None:
    shared = replace(a_pool("cheap", L40S), shared=True)
    member = Member(
        uid="u-1",
        generation=1,
        packed=b"",
        selects_pools=True,
        request=a_request(pools=(shared,)),
    )
    left: Mapping[Key, tuple[Running, ...]] = {KEY: (a_running("old", 2), a_running("own", 1, pool="private"))}
    steering = WithLeftovers(StoredPlans(), lambda: left)
    assert steering.reserved(KEY, member).pools == {"cheap": (((1, 2),),)}
    assert steering.reserved(("serving", "other"), member) is NOTHING
    assert steering.present(KEY, member, lambda *_: "") is member.present


# ------------------------------------------------------------------------------------------------------- news


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({}, {"rollout": {"planId": "p-1", "phase": "Progressing"}}, ["RolloutStarted"]),
        (
            {"rollout": {"planId": "p-1", "phase": "Progressing"}},
            {"rollout": {"planId": "p-1", "phase": "RolledOut"}},
            ["RolledOut"],
        ),
        (
            {"rollout": {"planId": "p-1", "phase": "RolledOut"}},
            {"rollout": {"planId": "p-1", "phase": "RolledOut"}},
            [],
        ),
        (
            {"rollout": {"planId": "p-1", "phase": "Failed", "failures": 1}},
            {"rollout": {"planId": "p-1", "phase": "Failed", "failures": 2}},
            ["RolloutFailed"],
        ),
        ({"idle": {"state": "Idle", "reapAt": "x"}}, {"idle": {"state": "Active"}}, ["IdleCancelled"]),
        ({"idle": {"state": "Idle", "reapAt": "x"}}, {"idle": {"state": "Reaped"}}, ["Reaped"]),
        ({"idle": {"state": "Active"}}, {"idle": {"state": "Idle", "reapAt": "x"}}, ["IdleAnnounced"]),
    ],
)
def test_what_is_news(before: Json, after: Json, wanted: list[str]) -> None:
    assert [news.reason for news in news_of(before, after)] == wanted


def a_unit(name: str, replicas: int, weight: float) -> Unit:
    return Unit(name=name, replicas=replicas, weight=weight, pools={"cheap": ((1, 1),)})


def a_running(name: str, replicas: int, pool: str = "cheap") -> Running:
    pools: Any = {pool: ((1, 1),)}
    return Running(name=name, replicas=replicas, ready=replicas, up_since=None, weight=None, pools=pools)


def a_step(phase: RolloutPhase) -> RolloutStep:
    return RolloutStep(
        phase=phase,
        reason="Because",
        message="because",
        actions=(Scale(name="a", replicas=1),),
        memory=RolloutMemory(),
    )
