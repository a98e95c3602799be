"""Live figures, ramps and blocked plans in a status, and what of them is worth writing it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placewright.api.live import (
    DemandStatus,
    InputFault,
    Live,
    LiveInput,
    LiveStatus,
    ObservedStatus,
    RampStatus,
    RevenueStatus,
    live_of_status,
    ramp_of,
    stored_ramp,
)
from placewright.api.outcome import (
    same_decision,
    status_for_invalid,
    status_for_suspended,
    status_for_unread_demand,
    to_status,
)
from placewright.api.parse import parse
from placewright.api.status import PlacementRequestStatus
from placewright.api.surroundings import DemandUnavailableError
from placewright.core import gates
from placewright.core.errors import InvalidRequestError
from placewright.core.model import (
    Decision,
    GateOutcome,
    GateResult,
    Plan,
    PlanState,
    RampPhase,
    RampState,
    TrafficClass,
)
from tests.support.live_bodies import full_live_request
from tests.support.resources import Json

Decide = Callable[..., Decision]

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
MINUTE = timedelta(minutes=1)
RATIO = GateOutcome(
    name=gates.COST_TO_REVENUE_RATIO,
    limit=0.3,
    actual=0.123456789,
    headroom_percent=58.8477,
    result=GateResult.PASS,
    input="revenue per hour by Prometheus",
    age_seconds=61.7,
)
CLASSES = (
    TrafficClass(name="b", input_tokens=2000, output_tokens=100, requests_per_second=0.123456789),
    TrafficClass(name="a", input_tokens=500, output_tokens=50, requests_per_second=2.0),
)


def demand(read_at: datetime = NOW, **changes: Any) -> DemandStatus:
    usual = DemandStatus(classes=CLASSES, as_of=NOW - MINUTE, read_at=read_at, source="preset vllm, peak of 1h")
    return replace(usual, **changes)


def ramp(**state: Any) -> RampStatus:
    rules = ramp_of(parse(full_live_request()).spec)
    assert rules is not None
    usual: Json = {"plan_id": "p-aaaaaaaaaa", "step": 0, "phase": RampPhase.PROGRESSING}
    return RampStatus(
        ramp=rules,
        state=RampState(**{**usual, **state}),
        entered_at=NOW.timestamp() - 30.0,
        reason="GatesPass",
        message="the gates of 50 % pass for 30 s of 5 min",
        gates=(RATIO,),
        previous_plan={"id": "p-before"},
    )


def live(**changes: Any) -> LiveStatus:
    usual = LiveStatus(
        demand=demand(),
        ramp=ramp(),
        observed=ObservedStatus(cost_per_million_tokens=2.61234567, ratio_to_predicted=1.1312345, read_at=NOW),
        revenue=RevenueStatus(per_hour=81.2345678, read_at=NOW),
    )
    return replace(usual, **changes)


def written(decision: Decision, shown: LiveStatus | None, previous: Json | None = None, *, now: datetime = NOW) -> Json:
    status = to_status(decision, generation=1, decided_at=now, duration_seconds=0.1, previous=previous, live=shown)
    assert json.loads(json.dumps(status, allow_nan=False)) == status
    return status


def conditions(status: Json) -> dict[str, Json]:
    return {entry["type"]: entry for entry in status["conditions"]}


def test_a_gate_tells_its_input_and_when_that_was_read(decision: Decide) -> None:
    fault = replace(RATIO, name=gates.OBSERVED_COST_DRIFT, actual=None, result=GateResult.UNKNOWN, fault="missing")
    unread = replace(fault, name=gates.COST_PER_HOUR, age_seconds=None, headroom_percent=None)

    first, second, third = written(decision(gates=(RATIO, fault, unread)), None)["gates"]

    assert first == {
        "name": "CostToRevenueRatio",
        "limit": 0.3,
        "actual": 0.123457,
        "headroomPercent": 58.8477,
        "result": "Pass",
        "input": "revenue per hour by Prometheus",
        "asOf": "2026-11-21T09:58:58Z",
    }
    assert (second["fault"], "actual" in second) == ("missing", False)
    assert "asOf" not in third


@pytest.mark.parametrize("age", [float("nan"), float("inf"), -1e300])
def test_an_age_that_is_no_moment_is_left_out(age: float, decision: Decide) -> None:
    (gate,) = written(decision(gates=(replace(RATIO, age_seconds=age),)), None)["gates"]

    assert "asOf" not in gate


def test_the_demand_in_force_is_shown_and_comes_back(decision: Decide) -> None:
    status = written(decision(), live())

    assert status["demand"] == {
        "asOf": "2026-11-21T09:59:00Z",
        "source": "preset vllm, peak of 1h",
        "requestsPerSecond": 2.12346,
        "tokensPerSecond": 1359.26,
        "classes": [
            {"name": "a", "inputTokens": 500, "outputTokens": 50, "requestsPerSecond": 2.0},
            {"name": "b", "inputTokens": 2000, "outputTokens": 100, "requestsPerSecond": 0.123457},
        ],
    }
    assert {name: status["inputs"][name] for name in ("demandAsOf", "revenuePerHour", "revenueAsOf")} == {
        "demandAsOf": "2026-11-21T10:00:00Z",
        "revenuePerHour": 81.2346,
        "revenueAsOf": "2026-11-21T10:00:00Z",
    }
    back = live_of_status({"status": status})
    assert back == Live(
        demand=(CLASSES[1], replace(CLASSES[0], requests_per_second=0.123457)), revenue_per_hour=81.2346
    )


def test_a_single_class_without_a_name_comes_back(decision: Decide) -> None:
    one = (replace(CLASSES[0], name="", requests_per_second=0.0),)

    status = written(decision(), live(demand=demand(classes=one)))

    assert live_of_status({"status": status}).demand == one


def test_what_is_observed_is_shown(decision: Decide) -> None:
    assert written(decision(), live())["observed"] == {
        "costPerMillionTokens": 2.61235,
        "ratioToPredicted": 1.13123,
        "asOf": "2026-11-21T10:00:00Z",
    }


def test_a_ramp_is_shown_and_comes_back(decision: Decide) -> None:
    before = written(decision(), None)["plan"]
    since = NOW.timestamp() - 30.0
    shown = replace(ramp(passing_since=since), previous_plan={**before, "id": "p-before"})

    status = written(decision(), live(ramp=shown))

    told = dict(status["ramp"])
    assert told.pop("previousPlan")["id"] == "p-before"
    assert [gate["name"] for gate in told.pop("gates")] == ["CostToRevenueRatio"]
    assert told == {
        "planId": "p-aaaaaaaaaa",
        "step": 0,
        "steps": 3,
        "percent": 12.5,
        "phase": "Progressing",
        "enteredAt": "2026-11-21T09:59:30Z",
        "passingSince": "2026-11-21T09:59:30Z",
        "reason": "GatesPass",
        "message": "the gates of 50 % pass for 30 s of 5 min",
    }
    PlacementRequestStatus.model_validate(status)
    back = stored_ramp({"status": status})
    assert back is not None
    assert (back.state, back.entered_at) == (shown.state, shown.entered_at)
    assert back.previous_plan == shown.previous_plan


@pytest.mark.parametrize(
    ("state", "percent"),
    [
        ({"step": -1}, 0.0),
        ({"step": 1}, 50),
        ({"step": 2, "phase": RampPhase.COMPLETED}, 100),
        ({"step": 1, "phase": RampPhase.ROLLED_BACK}, 0.0),
    ],
)
def test_the_share_of_the_traffic_is_that_of_the_step(state: Json, percent: float, decision: Decide) -> None:
    assert written(decision(), live(ramp=ramp(**state)))["ramp"]["percent"] == percent


def test_a_request_without_live_inputs_has_none_of_it(decision: Decide) -> None:
    status = written(decision(), None)

    assert {"demand", "ramp", "observed", "blocked"} & set(status) == set()
    assert {"demandAsOf", "revenuePerHour", "revenueAsOf"} & set(status["inputs"]) == set()


def test_a_kept_plan_stays_with_its_history_and_what_is_blocked_stands_beside_it(decision: Decide) -> None:
    first = written(decision(), None)
    failed = replace(RATIO, actual=0.5, headroom_percent=-66.7, result=GateResult.FAIL)
    approved = decision().plan
    assert approved is not None
    best = Plan(id="p-bbbbbbbbbb", state=PlanState.BLOCKED, replicas=approved.replicas)

    kept = decision(kept=True, gates=(failed,), blocked=best, blocked_gates=(failed,))
    status = written(kept, None, first, now=LATER)

    PlacementRequestStatus.model_validate(status)
    assert status["plan"] == first["plan"]
    assert status["history"] == first["history"]
    assert status["blocked"]["plan"]["id"] == "p-bbbbbbbbbb"
    assert status["blocked"]["plan"]["state"] == "Blocked"
    assert [gate["result"] for gate in status["blocked"]["gates"]] == ["Fail"]
    assert "blocked" not in written(decision(), None, status, now=LATER)


# ------------------------------------------------------------------------------------------------ no idle writes


def test_the_age_of_inputs_alone_is_no_reason_to_write(decision: Decide) -> None:
    older = decision(gates=(RATIO,))
    newer = decision(gates=(replace(RATIO, age_seconds=3.0),))
    shown = live(
        demand=demand(read_at=LATER),
        ramp=replace(ramp(), gates=(replace(RATIO, age_seconds=0.0),)),
        observed=ObservedStatus(cost_per_million_tokens=9.9, ratio_to_predicted=4.0, read_at=LATER),
        revenue=RevenueStatus(per_hour=81.2345678, read_at=LATER),
    )

    first = written(older, live())

    assert same_decision(first, written(newer, shown, first, now=LATER))


def test_the_words_for_an_input_that_is_away_are_no_reason_to_write(decision: Decide) -> None:
    def away(message: str, which: LiveInput = LiveInput.DEMAND) -> Json:
        return written(decision(), live(faults=(InputFault(input=which, message=message),)))

    assert same_decision(away("HTTP 503"), away("timeout"))
    assert not same_decision(away("HTTP 503"), away("HTTP 503", LiveInput.REVENUE))
    assert not same_decision(away("HTTP 503"), written(decision(), live()))


@pytest.mark.parametrize(
    "changed",
    [
        {"demand": demand(classes=CLASSES[:1])},
        {"demand": demand(source="query, peak of 1h")},
        {"demand": None},
        {"revenue": RevenueStatus(per_hour=40.0, read_at=NOW)},
        {"ramp": ramp(step=1)},
        {"ramp": ramp(phase=RampPhase.PAUSED)},
        {"ramp": ramp(failing_since=NOW.timestamp())},
        {"ramp": replace(ramp(), reason="GateFails")},
        {"ramp": replace(ramp(), gates=(replace(RATIO, result=GateResult.FAIL),))},
        {"observed": None},
    ],
)
def test_what_live_figures_lead_to_is_written(changed: Json, decision: Decide) -> None:
    assert not same_decision(written(decision(), live()), written(decision(), live(**changed)))


@pytest.mark.parametrize(
    "changed",
    [{"result": GateResult.FAIL}, {"limit": 0.2}, {"actual": 0.25}, {"fault": "missing"}, {"input": "other"}],
)
def test_what_a_gate_says_is_written(changed: Json, decision: Decide) -> None:
    first = written(decision(gates=(RATIO,)), None)

    assert not same_decision(first, written(decision(gates=(replace(RATIO, **changed),)), None, first))


# ------------------------------------------------------------------------------------------------ without a figure

UNREAD = DemandUnavailableError("spec.workload.demandFrom", got="no answer so far", wants="a figure")


def test_a_demand_that_nobody_has_read_yet_is_waited_for() -> None:
    status = status_for_unread_demand(UNREAD, generation=3, now=NOW)

    PlacementRequestStatus.model_validate(status)
    assert status["observedGeneration"] == 3
    assert "plan" not in status
    found = conditions(status)
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("False", "InputsStale")
    assert (found["InputsFresh"]["status"], found["InputsFresh"]["reason"]) == ("False", "DemandUnavailable")
    assert "Stalled" not in found
    assert same_decision(status, status_for_unread_demand(UNREAD, generation=3, now=LATER, previous=status))


def test_a_plan_is_kept_while_its_new_demand_is_waited_for(decision: Decide) -> None:
    first = written(decision(), None)

    status = status_for_unread_demand(UNREAD, generation=2, now=LATER, previous=first)

    assert status["plan"] == first["plan"]
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", "InputsFresh", "Feasible", "GatesPassed"]


def test_the_demand_in_force_outlives_a_spec_that_cannot_be_read(decision: Decide) -> None:
    first = written(decision(), live())
    error = InvalidRequestError("spec.model.name", got="'x'", wants="a model")

    invalid = status_for_invalid(error, generation=2, now=LATER, previous=first)

    assert invalid["demand"] == first["demand"]
    assert "plan" not in invalid
    assert status_for_suspended(generation=2, now=LATER, previous=first)["demand"] == first["demand"]
