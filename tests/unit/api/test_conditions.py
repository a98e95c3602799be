from collections.abc import Callable
from dataclasses import replace

import pytest

from placewright.api.conditions import Condition, of_decision
from placewright.core.model import (
    Decision,
    GateOutcome,
    GateResult,
    Gates,
    Layout,
    Method,
    OnUnknown,
    OnViolation,
    Plan,
    PlanState,
    Rejection,
    RejectionCode,
    Replicas,
    SolveReport,
    SolveStatus,
)

Decide = Callable[..., Decision]


def by_type(decision: Decision) -> dict[str, Condition]:
    return {condition.type: condition for condition in of_decision(decision)}


def judged(result: GateResult, actual: float | None, name: str = "CostPerMillionTokens") -> GateOutcome:
    headroom = None if actual is None else (2.0 - actual) / 2.0 * 100.0
    return GateOutcome(name=name, limit=2.0, actual=actual, headroom_percent=headroom, result=result)


def blocked(layout: Layout) -> Plan:
    return Plan(id="p-bbbbbbbbbb", state=PlanState.BLOCKED, replicas=(Replicas(layout=layout),))


def cut_off(*codes: RejectionCode) -> tuple[Rejection, ...]:
    return tuple(Rejection(code=code, count=2, pool="l40s", message=f"because of {code}") for code in codes)


def test_an_approved_plan_is_ready_and_says_what_it_is(decision: Decide) -> None:
    found = by_type(decision())

    assert list(found) == ["Ready", "Feasible", "GatesPassed", "InputsFresh"]
    assert {condition.status for condition in found.values()} == {"True"}
    assert (found["Ready"].reason, found["Feasible"].reason, found["GatesPassed"].reason) == (
        ("PlanCurrent", "Optimal", "AllPassed")
    )
    assert found["Ready"].message == (
        "p-aaaaaaaaaa: 1 x bf16 TP4 PP2 on l40s, 8 GPUs, $9.6/h, $2.309/M tokens, 1155 tokens/s"
    )
    assert found["Feasible"].message == "proved best of 120 layouts"
    assert found["GatesPassed"].message == "cost per million tokens $2.309/M is within $2.5/M"
    assert found["InputsFresh"].reason == "Fresh"


def test_without_gates_they_are_passed(decision: Decide) -> None:
    given = decision()
    found = by_type(replace(given, request=replace(given.request, gates=Gates()), gates=()))

    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("True", "NoGates")


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("CostPerMillionTokens", "CostPerTokenExceeded", "cost per million tokens $2.5/M exceeds $2/M by 25 %"),
        ("CostPerHour", "HourlyBudgetExceeded", "cost per hour $2.5/h exceeds $2/h by 25 %"),
        ("QuantizationDrift", "DriftExceeded", "quantization drift 2.5 % exceeds 2 % by 25 %"),
    ],
)
def test_a_failed_gate_blocks_with_its_figures(
    name: str, reason: str, text: str, decision: Decide, layout: Layout
) -> None:
    found = by_type(decision(plan=blocked(layout), gates=(judged(GateResult.FAIL, 2.5, name),)))

    assert list(found) == ["Ready", "Stalled", "Feasible", "GatesPassed", "InputsFresh"]
    assert (found["Ready"].status, found["Ready"].reason) == ("False", "GateBlocked")
    assert (found["Stalled"].status, found["Stalled"].reason) == ("True", "GateBlocked")
    assert (found["Feasible"].status, found["Feasible"].reason) == ("True", "Optimal")
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("False", reason)
    assert found["GatesPassed"].message == text
    assert found["Ready"].message.startswith(f"{text}; best is 1 x bf16 TP4 PP2 on l40s")


def test_a_failed_gate_that_only_warns_leaves_the_plan_ready(decision: Decide) -> None:
    given = decision()
    gates = replace(given.request.gates, on_violation=OnViolation.WARN)
    failed = (judged(GateResult.FAIL, 2.5),)
    found = by_type(replace(given, request=replace(given.request, gates=gates), gates=failed))

    assert (found["Ready"].status, found["Ready"].reason) == ("True", "PlanCurrent")
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("False", "CostPerTokenExceeded")
    assert found["GatesPassed"].message.endswith("; onViolation is Warn")


@pytest.mark.parametrize("policy", [OnUnknown.WARN, OnUnknown.PASS])
def test_an_unknown_figure_is_told_also_where_it_may_pass(policy: OnUnknown, decision: Decide) -> None:
    given = decision()
    gates = replace(given.request.gates, on_unknown=policy)
    unknown = (judged(GateResult.UNKNOWN, None, "QuantizationDrift"), judged(GateResult.PASS, 1.0))
    found = by_type(replace(given, request=replace(given.request, gates=gates), gates=unknown))

    assert found["Ready"].status == "True"
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("Unknown", "InputUnknown")
    assert found["GatesPassed"].message == (
        "quantization drift is not known, the limit is 2 %; cost per million tokens $1/M is within $2/M"
    )


def test_failed_gates_come_before_unknown_and_passed_ones(decision: Decide, layout: Layout) -> None:
    outcomes = (
        judged(GateResult.PASS, 1.0),
        judged(GateResult.UNKNOWN, None, "QuantizationDrift"),
        judged(GateResult.FAIL, 3.0, "CostPerHour"),
    )
    found = by_type(decision(plan=blocked(layout), gates=outcomes))

    assert found["GatesPassed"].reason == "HourlyBudgetExceeded"
    assert [part.split(" ")[0:3] for part in found["GatesPassed"].message.split("; ")] == (
        [["cost", "per", "hour"], ["quantization", "drift", "is"], ["cost", "per", "million"]]
    )


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ((RejectionCode.INSUFFICIENT_MEMORY,), "NoFit"),
        ((RejectionCode.NO_PRICE,), "NoFit"),
        ((), "NoFit"),
        ((RejectionCode.INSUFFICIENT_MEMORY, RejectionCode.INSUFFICIENT_STOCK), "StockExhausted"),
        ((RejectionCode.INSUFFICIENT_STOCK, RejectionCode.SLO_TPOT), "SloUnreachable"),
        ((RejectionCode.SLO_TTFT,), "SloUnreachable"),
        ((RejectionCode.THROUGHPUT_SHORT,), "SloUnreachable"),
    ],
)
def test_an_infeasible_request_is_stalled_with_its_reason(
    codes: tuple[RejectionCode, ...], reason: str, decision: Decide
) -> None:
    report = SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None)
    found = by_type(decision(plan=None, gates=(), report=report, rejections=cut_off(*codes)))

    assert (found["Ready"].reason, found["Stalled"].reason) == ("Infeasible", "Infeasible")
    assert (found["Feasible"].status, found["Feasible"].reason) == ("False", reason)
    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("Unknown", "InputUnknown")
    for code in codes:
        assert f"{code}: because of {code}" in found["Ready"].message


def test_precisions_that_all_drift_too_far_fail_the_gates(decision: Decide) -> None:
    report = SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None)
    found = by_type(decision(plan=None, gates=(), report=report, rejections=cut_off(RejectionCode.DRIFT_GATE)))

    assert (found["GatesPassed"].status, found["GatesPassed"].reason) == ("False", "DriftExceeded")


def test_a_search_that_found_nothing_in_time_proves_nothing(decision: Decide) -> None:
    report = SolveReport(method=Method.EXACT, status=SolveStatus.TIME_LIMIT, gap_percent=None)
    found = by_type(decision(plan=None, gates=(), report=report))

    assert (found["Ready"].status, found["Ready"].reason) == ("False", "SolverTimeout")
    assert (found["Feasible"].status, found["Feasible"].reason) == ("Unknown", "SolverTimeout")
    assert "solver.timeLimit (30 s)" in found["Ready"].message


def test_a_cut_search_and_another_method_tell_their_distance(decision: Decide) -> None:
    report = SolveReport(
        method=Method.ENUMERATION, status=SolveStatus.FEASIBLE, gap_percent=3.456, distance_to_exact_percent=1.234
    )
    found = by_type(decision(report=report))

    assert (found["Feasible"].status, found["Feasible"].reason) == ("True", "WithinGap")
    assert found["Feasible"].message == (
        "Enumeration found a valid layout, at most 3.46 % above the proved bound, 1.23 % above the exact optimum"
    )
