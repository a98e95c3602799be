"""What the conditions say of live inputs, and of plans that are kept while gates block others."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from placewright.api.conditions import Condition, of_decision
from placewright.api.convert import to_request
from placewright.api.live import NOTHING_LIVE, InputFault, LiveInput, LiveStatus, RevenueStatus, moment_of
from placewright.api.parse import parse
from placewright.core import gates
from placewright.core.model import (
    Decision,
    GateOutcome,
    GateResult,
    Layout,
    OnUnknown,
    OnViolation,
    Plan,
    PlanState,
    Relaxation,
    Replicas,
    SolveStatus,
)
from tests.support.resources import small_request

Decide = Callable[..., Decision]

REVENUE = "revenue per hour by Prometheus"
RATIO = GateOutcome(
    name=gates.COST_TO_REVENUE_RATIO,
    limit=0.3,
    actual=0.45,
    headroom_percent=-50.0,
    result=GateResult.FAIL,
    input=REVENUE,
    age_seconds=4.0,
)
UNKNOWN = replace(
    RATIO,
    actual=None,
    headroom_percent=None,
    result=GateResult.UNKNOWN,
    age_seconds=720.0,
    fault="stale: 12 min old, wants at most 5 min",
)
PASSED = replace(RATIO, actual=0.2, headroom_percent=33.3, result=GateResult.PASS)
UNMEASURED = GateOutcome(
    name=gates.QUANTIZATION_DRIFT, limit=0.5, actual=None, headroom_percent=None, result=GateResult.UNKNOWN
)


def by_type(decision: Decision, live: LiveStatus = NOTHING_LIVE) -> dict[str, Condition]:
    return {condition.type: condition for condition in of_decision(decision, live=live)}


def allowing(decision: Decision, on_violation: OnViolation, on_unknown: OnUnknown) -> Decision:
    own = decision.request
    return replace(
        decision, request=replace(own, gates=replace(own.gates, on_violation=on_violation, on_unknown=on_unknown))
    )


@pytest.fixture
def blocked(layout: Layout) -> Plan:
    """The best plan without the gates."""
    dearer = replace(layout, cost_per_hour=7.5)
    return Plan(id="p-bbbbbbbbbb", state=PlanState.BLOCKED, replicas=(Replicas(layout=dearer),))


def test_a_plan_that_is_kept_while_a_gate_blocks_says_what_would_pass(decision: Decide, blocked: Plan) -> None:
    message = "feasible with a ratio of 0.45 (now 0.3)"
    relaxation = Relaxation(
        field="gates.maxCostToRevenueRatio",
        current="0.3",
        needed="0.45",
        message=message,
        request=decision().request,
        size=0.5,
    )
    found = by_type(decision(kept=True, gates=(RATIO,), blocked=blocked, blocked_gates=(RATIO,), relaxation=relaxation))

    assert (found["Ready"].status, found["Ready"].reason) == ("False", "GateBlocked")
    assert found["Ready"].message == (
        "cost 0.45 of the revenue exceeds 0.3 of the revenue by 50 %;"
        " p-aaaaaaaaaa is kept: 1 x bf16 TP4 PP2 on l40s, 8 GPUs, $9.6/h, $2.309/M tokens, 1155 tokens/s;"
        " best without the gates is 1 x bf16 TP4 PP2 on l40s, 8 GPUs, $7.5/h, $1.804/M tokens, 1155 tokens/s;"
        f" {message}"
    )
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("False", "RevenueRatioExceeded")
    assert "Stalled" in found


def test_a_plan_whose_input_is_away_waits_for_it(decision: Decide) -> None:
    found = by_type(decision(gates=(UNKNOWN,)))

    assert (found["Ready"].status, found["Ready"].reason) == ("False", "InputsStale")
    assert f"cost is not known ({REVENUE}: stale: 12 min old, wants at most 5 min)" in found["Ready"].message
    assert "p-aaaaaaaaaa is kept" in found["Ready"].message
    assert "Stalled" not in found, "it goes on by itself"
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("Unknown", "InputUnknown")


@pytest.mark.parametrize(
    ("outcomes", "on_violation", "on_unknown", "ready", "passed"),
    [
        ((PASSED,), OnViolation.BLOCK, OnUnknown.BLOCK, "PlanCurrent", "AllPassed"),
        ((RATIO, UNKNOWN), OnViolation.BLOCK, OnUnknown.BLOCK, "GateBlocked", "RevenueRatioExceeded"),
        ((RATIO,), OnViolation.WARN, OnUnknown.BLOCK, "PlanCurrent", "RevenueRatioExceeded"),
        ((RATIO, UNKNOWN), OnViolation.WARN, OnUnknown.BLOCK, "InputsStale", "RevenueRatioExceeded"),
        ((UNKNOWN,), OnViolation.BLOCK, OnUnknown.WARN, "PlanCurrent", "InputUnknown"),
        ((UNKNOWN,), OnViolation.BLOCK, OnUnknown.PASS, "PlanCurrent", "InputUnknown"),
        ((UNMEASURED,), OnViolation.BLOCK, OnUnknown.BLOCK, "GateBlocked", "InputUnknown"),
        ((UNKNOWN, UNMEASURED), OnViolation.BLOCK, OnUnknown.BLOCK, "GateBlocked", "InputUnknown"),
    ],
)
def test_what_a_gate_of_a_plan_that_serves_leads_to(
    outcomes: tuple[GateOutcome, ...],
    on_violation: OnViolation,
    on_unknown: OnUnknown,
    ready: str,
    passed: str,
    decision: Decide,
) -> None:
    found = by_type(allowing(decision(gates=outcomes), on_violation, on_unknown))

    assert (found["Ready"].reason, found["GatesPassed"].reason) == (ready, passed)
    assert (found["Ready"].status == "True") is (ready == "PlanCurrent")


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        (gates.COST_PER_MILLION_TOKENS, "CostPerTokenExceeded", "cost per million tokens $3/M exceeds $2/M by 50 %"),
        (gates.COST_PER_HOUR, "HourlyBudgetExceeded", "cost per hour $3/h exceeds $2/h by 50 %"),
        (gates.COST_TO_REVENUE_RATIO, "RevenueRatioExceeded", "cost 3 of the revenue exceeds 2 of the revenue by 50 %"),
        (gates.QUANTIZATION_DRIFT, "DriftExceeded", "quantization drift 3 % exceeds 2 % by 50 %"),
        (gates.OBSERVED_COST_DRIFT, "ObservedCostExceeded", "observed cost above the predicted 3 % exceeds 2 %"),
    ],
)
def test_every_gate_has_its_reason_and_its_words(name: str, reason: str, words: str, decision: Decide) -> None:
    outcome = GateOutcome(name=name, limit=2.0, actual=3.0, headroom_percent=-50.0, result=GateResult.FAIL)

    found = by_type(decision(gates=(outcome,)))

    assert found["GatesPassed"].reason == reason
    assert found["GatesPassed"].message.startswith(words)


def test_a_plan_that_somebody_went_back_to_is_ready(decision: Decide) -> None:
    found = by_type(decision(kept=True))

    assert found["Ready"].reason == "PlanCurrent"
    assert found["Ready"].message.endswith("somebody went back to it, and it is kept")


@pytest.mark.parametrize(
    ("status", "ready", "feasible"),
    [(SolveStatus.INFEASIBLE, "Infeasible", "False"), (SolveStatus.TIME_LIMIT, "SolverTimeout", "Unknown")],
)
def test_a_plan_is_kept_where_nothing_serves_the_demand(
    status: SolveStatus, ready: str, feasible: str, decision: Decide
) -> None:
    given = decision(kept=True)
    found = by_type(replace(given, report=replace(given.report, status=status)))

    assert (found["Ready"].status, found["Ready"].reason) == ("False", ready)
    assert "p-aaaaaaaaaa is kept" in found["Ready"].message
    assert found["Feasible"].status == feasible


def test_a_plan_is_kept_where_a_ceiling_leaves_nothing(decision: Decide) -> None:
    ceiling = GateOutcome(
        name="FleetCostPerHour", limit=10.0, actual=19.6, headroom_percent=-96.0, result=GateResult.FAIL, policy="all"
    )

    found = by_type(decision(kept=True, gates=(PASSED,), blocked_gates=(ceiling,)))

    assert found["Ready"].reason == "GateBlocked"
    assert found["GatesPassed"].reason == "HourlyBudgetExceeded"
    assert "cost per hour of the fleet $19.6/h exceeds $10/h of policy all by 96 %" in found["Ready"].message


def test_a_first_plan_whose_input_is_away_is_blocked_and_waits(decision: Decide, blocked: Plan) -> None:
    found = by_type(decision(plan=blocked, gates=(UNKNOWN,)))

    assert found["Ready"].reason == "InputsStale"
    assert "; best is 1 x bf16 TP4 PP2 on l40s" in found["Ready"].message


@pytest.mark.parametrize(
    ("faults", "reason", "message"),
    [
        ((LiveInput.DEMAND,), "DemandUnavailable", "no DemandUnavailable"),
        ((LiveInput.OBSERVATION, LiveInput.REVENUE), "RevenueUnavailable", "no RevenueUnavailable; no Observation"),
        ((LiveInput.OBSERVATION, LiveInput.PRICES), "PricesStale", "no PricesStale; no ObservationUnavailable"),
    ],
)
def test_inputs_that_are_away_are_named(
    faults: tuple[LiveInput, ...], reason: str, message: str, decision: Decide
) -> None:
    live = LiveStatus(faults=tuple(InputFault(input=each, message=f"no {each}") for each in faults))

    found = by_type(decision(), live)

    assert (found["InputsFresh"].status, found["InputsFresh"].reason) == ("False", reason)
    assert found["InputsFresh"].message.startswith(message)
    assert found["Ready"].status == "True", "the plan stays what it is"


def test_what_is_read_live_is_told(decision: Decide) -> None:
    live = LiveStatus(revenue=RevenueStatus(per_hour=12.0, read_at=moment_of(0.0)))

    assert by_type(decision(), live)["InputsFresh"].message == "prices are those of the spec; revenue is read live"


def test_a_request_with_gates_of_revenue_alone_has_gates(decision: Decide) -> None:
    request = to_request(parse(small_request(gates={"maxCostToRevenueRatio": 0.3, "revenuePerMillionTokens": 8})))

    found = by_type(decision(request=request, gates=(PASSED,)))

    assert found["GatesPassed"].reason == "AllPassed"
