"""The plan of a stored request, rebuilt from what its status says."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.outcome import status_for_suspended, to_status
from placewright.api.parse import parse
from placewright.api.present import dwell_ends, present_of, present_of_plan, ramped
from placewright.core.model import Decision, Layout, Plan, PlanState, Present, Replicas, Stabilization, Stage
from tests.support.resources import small_request

Decide = Callable[..., Decision]
Json = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
HALF_HOUR = Stabilization(min_dwell_seconds=1800.0)
CLASSES = [
    {"name": name, "inputTokens": tokens, "outputTokens": 64, "requestsPerSecond": 1.0}
    for name, tokens in (("c", 512), ("a", 1024), ("b", 256))
]


def stored(decision: Decision, **status: Any) -> Json:
    """The resource as the API server gives it back."""
    written = to_status(decision, generation=1, decided_at=NOW, duration_seconds=0.1)
    body = {"metadata": {"name": "chat", "namespace": "serving", "generation": 1}, "status": {**written, **status}}
    text: Json = json.loads(json.dumps(body))
    return text


def mixed(decision: Decide, layout: Layout) -> Decision:
    """A plan of two layouts that share three classes."""
    small = replace(
        layout,
        stages=(Stage(pool="a10", gpu="A10", tensor_parallel=1, first_layer=0, last_layer=31),),
        precision="fp8",
        max_concurrency=7,
        ttft_seconds=None,
        tpot_seconds=None,
        cost_per_hour=1 / 3,
    )
    replicas = (
        Replicas(layout=small, count=3, weight=1 / 3, class_weights=(0.0, 1.0, 1 / 7)),
        Replicas(layout=layout, count=2, weight=2 / 3, class_weights=(1.0, 0.0, 6 / 7)),
    )
    plan = Plan(id="p-mixed", state=PlanState.APPROVED, replicas=replicas, demand_tokens_per_second=1500.0)
    request = to_request(parse(small_request(workload={"classes": CLASSES})))
    return decision(request=request, plan=plan, gates=())


def test_a_plan_comes_back_with_its_layouts_counts_and_shares(decision: Decide, layout: Layout) -> None:
    given = mixed(decision, layout)
    found = present_of(stored(given), HALF_HOUR, NOW)

    assert found is not None
    assert (found.namespace, found.name, found.plan_id) == ("serving", "chat", "p-mixed")
    assert found.cost_per_hour == 20.2
    assert given.plan is not None
    before = sorted(given.plan.replicas, key=lambda entry: -entry.weight)
    assert [_shape(entry) for entry in found.replicas] == [_shape(entry) for entry in before]
    assert [entry.class_weights for entry in found.replicas] == [(1.0, 0.0, 0.857143), (0.0, 1.0, 0.142857)]
    assert [entry.weight for entry in found.replicas] == [0.666667, 0.333333]
    assert found.replicas[1].layout.ttft_seconds is None


def _shape(entry: Replicas) -> tuple[Any, ...]:
    return entry.count, entry.layout.stages, entry.layout.precision, entry.layout.max_concurrency


def test_figures_come_back_with_six_digits_and_write_the_same_again(decision: Decide, layout: Layout) -> None:
    found = present_of(stored(decision()), HALF_HOUR, NOW)

    assert found is not None
    rounded = replace(layout, tokens_per_second=1155.12, ttft_seconds=0.812346, tpot_seconds=0.0412346)
    assert found.replicas == (Replicas(layout=rounded),)
    again = decision(plan=Plan(id=found.plan_id, state=PlanState.APPROVED, replicas=found.replicas))
    assert stored(again)["status"]["plan"] == stored(decision())["status"]["plan"]


def test_a_plan_dwells_for_min_dwell_after_it_was_decided_first(decision: Decide) -> None:
    resource = stored(decision())
    ends = NOW + timedelta(minutes=30)

    assert dwell_ends(resource, HALF_HOUR) == ends
    for moment, dwells in ((NOW, True), (ends - timedelta(seconds=1), True), (ends, False)):
        found = present_of(resource, HALF_HOUR, moment)
        assert found is not None
        assert found.dwells is dwells
    at_once = present_of(resource, Stabilization(min_dwell_seconds=0.0), NOW)
    assert at_once is not None
    assert not at_once.dwells


def test_a_suspended_request_still_has_its_plan(decision: Decide) -> None:
    before = to_status(decision(), generation=1, decided_at=NOW, duration_seconds=0.1)
    kept = status_for_suspended(generation=2, now=NOW, previous=before)
    found = present_of({"metadata": {"name": "chat"}, "status": kept}, HALF_HOUR, NOW)

    assert found is not None
    assert (found.namespace, found.plan_id) == ("", "p-aaaaaaaaaa")


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": -1}, {"plan": None}])
def test_a_request_without_a_plan_has_none(status: Json | None) -> None:
    resource = {"metadata": {"name": "chat"}, "status": status}

    assert present_of(resource, HALF_HOUR, NOW) is None
    assert dwell_ends(resource, HALF_HOUR) is None


def test_a_blocked_plan_takes_nothing(decision: Decide, layout: Layout) -> None:
    blocked = Plan(id="p-blocked", state=PlanState.BLOCKED, replicas=(Replicas(layout=layout),))

    assert present_of(stored(decision(plan=blocked)), HALF_HOUR, NOW) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"layouts": []},
        {"layouts": [{}]},
        {"layouts": "none"},
        {"decidedAt": "yesterday"},
        {"decidedAt": "9999-12-31T23:59:59Z"},
        {"costPerHour": None},
        {"id": None, "layouts": None},
    ],
)
def test_a_status_that_somebody_else_has_spoiled_holds_no_plan(damage: Json, decision: Decide) -> None:
    plan = stored(decision())["status"]["plan"]

    assert present_of(stored(decision(), plan={**plan, **damage}), HALF_HOUR, NOW) is None


# ------------------------------------------------------------------------------------------------ plans and ramps

RAMP: Json = {
    "planId": "p-aaaaaaaaaa",
    "step": 0,
    "steps": 2,
    "percent": 10,
    "phase": "Holding",
    "reason": "GateFails",
    "message": "it costs too much",
}


def ramped_plan(decision: Decide, *, generation: int = 1, **ramp: Any) -> Present:
    """The plan of a request with a ramp, as the ramp leaves it."""
    resource = stored(decision(), ramp={**RAMP, **ramp})
    resource["metadata"]["generation"] = generation
    present = present_of(resource, HALF_HOUR, NOW + timedelta(hours=1))
    assert present is not None
    assert (present.dwells, present.held) == (False, False)
    return ramped(present, resource)


def test_any_stored_plan_comes_back_as_one_that_serves(decision: Decide) -> None:
    resource = stored(decision())
    plan = resource["status"]["plan"]

    found = present_of_plan(plan, {"name": "chat", "namespace": "serving"}, held=True)

    assert found is not None
    assert (found.dwells, found.held) == (False, True)
    assert replace(found, held=False) == present_of(resource, HALF_HOUR, NOW + timedelta(hours=1))
    assert present_of_plan({**plan, "state": "Blocked"}, {"name": "chat"}) is None
    assert present_of_plan({"id": "p-1"}, {"name": "chat"}) is None


@pytest.mark.parametrize("phase", ["Progressing", "Holding", "Paused"])
def test_a_plan_dwells_while_its_ramp_runs(phase: str, decision: Decide) -> None:
    found = ramped_plan(decision, phase=phase)

    assert (found.dwells, found.held) == (True, False)


@pytest.mark.parametrize("ramp", [{"phase": "Completed"}, {"phase": "Holding", "planId": "p-other"}])
def test_a_plan_does_not_dwell_for_a_ramp_that_is_over_or_of_another_plan(ramp: Json, decision: Decide) -> None:
    found = ramped_plan(decision, **ramp)

    assert (found.dwells, found.held) == (False, False)


def test_after_a_rollback_the_plan_before_is_held_until_the_spec_changes(decision: Decide) -> None:
    before = {**stored(decision())["status"]["plan"], "id": "p-before"}

    written_back = ramped_plan(decision, phase="RolledBack", planId="p-left")
    not_yet = ramped_plan(decision, phase="RolledBack", previousPlan=before)
    changed = ramped_plan(decision, generation=2, phase="RolledBack", planId="p-left")

    assert (written_back.plan_id, written_back.held) == ("p-aaaaaaaaaa", True)
    assert (not_yet.plan_id, not_yet.held) == ("p-before", True)
    assert (changed.plan_id, changed.held) == ("p-aaaaaaaaaa", False)


def test_a_ramp_that_somebody_has_spoiled_changes_nothing(decision: Decide) -> None:
    assert not ramped_plan(decision, phase="Sideways").dwells
    assert not ramped_plan(decision, phase="RolledBack").held, "there was no plan before"
