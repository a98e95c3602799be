from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.core import gates, methods
from placewright.core.model import (
    Gates,
    Layout,
    Method,
    Objective,
    ObjectiveType,
    OnUnknown,
    OnViolation,
    Precision,
    Progress,
    Request,
    Slo,
    SolverOptions,
    SolveStatus,
)
from placewright.core.outcome import Outcome
from tests.support import toys

OTHERS = [method for method in Method if method is not Method.EXACT]
FP8 = Precision(name="fp8", drift_percent=0.6)
BF16 = Precision(name="bf16", drift_percent=0.0)


def still() -> float:
    """A clock that stands: time limits never pass."""
    return 0.0


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that moves by so much whenever it is read."""
    ticks = count()
    return lambda: next(ticks) * seconds


def solve(asked: Request, *, clock: Callable[[], float] = still, **solver: object) -> Outcome:
    options = replace(asked.solver, **solver)  # type: ignore[arg-type]
    asked = replace(asked, solver=options)
    return methods.solve(asked, toys.ToyModel().settings(asked), clock=clock)


def best(outcome: Outcome) -> Layout:
    assert outcome.best is not None
    return outcome.best


def test_exact_proves_its_answer_on_the_whole_frontier() -> None:
    outcome = solve(toys.request())
    assert outcome.report.status is SolveStatus.OPTIMAL
    assert outcome.report.gap_percent == 0.0
    prices = [point.layout.cost_per_million_tokens for point in outcome.frontier]
    assert best(outcome).cost_per_million_tokens == min(prices)
    assert outcome.report.bound_cost_per_million_tokens == min(prices)
    rates = [(point.cost_per_hour, point.tokens_per_second) for point in outcome.frontier]
    assert rates == sorted(rates)
    assert len({rate for _, rate in rates}) == len(rates) > 2


def test_the_frontier_is_left_out_when_it_is_not_wanted_and_the_answer_is_the_same() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=5.0))
    outcome = solve(asked, frontier=False)
    assert outcome.frontier == ()
    assert outcome.best == solve(asked).best


@pytest.mark.parametrize(
    ("objective", "field"),
    [
        (Objective(), "bound_cost_per_million_tokens"),
        (Objective(type=ObjectiveType.COST, min_tokens_per_second=3000.0), "bound_cost_per_hour"),
        (Objective(type=ObjectiveType.THROUGHPUT), "bound_tokens_per_second"),
    ],
)
def test_bounds_are_in_the_unit_of_the_objective(objective: Objective, field: str) -> None:
    outcome = solve(toys.request(objective=objective))
    expected = {
        "bound_cost_per_million_tokens": best(outcome).cost_per_million_tokens,
        "bound_cost_per_hour": best(outcome).cost_per_hour,
        "bound_tokens_per_second": best(outcome).tokens_per_second,
    }
    assert getattr(outcome.report, field) == pytest.approx(expected[field])


def test_gates_are_constraints_first() -> None:
    free = best(solve(toys.request()))
    held = solve(toys.request(gates=Gates(max_cost_per_hour=5.0)))
    assert free.cost_per_hour > 5.0 >= best(held).cost_per_hour
    assert held.unblocked_best == free
    cheaper = [p for p in held.frontier if p.cost_per_hour <= 5.0]
    assert best(held) == min((p.layout for p in cheaper), key=lambda layout: layout.cost_per_million_tokens)


def test_when_no_layout_passes_the_best_without_the_cost_gates_is_told() -> None:
    outcome = solve(toys.request(gates=Gates(max_cost_per_million_tokens=0.01)))
    assert outcome.best is None
    assert outcome.unblocked_best == solve(toys.request()).best
    assert outcome.report.status is SolveStatus.OPTIMAL


def test_gates_that_only_warn_let_the_best_pass_with_a_line() -> None:
    outcome = solve(toys.request(gates=Gates(max_cost_per_million_tokens=0.01, on_violation=OnViolation.WARN)))
    assert outcome.best == outcome.unblocked_best == solve(toys.request()).best
    assert outcome.warnings == ("gate CostPerMillionTokens is exceeded: 0.416667 > 0.01 (onViolation is Warn)",)


def test_warning_gates_are_still_preferred() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=5.0, on_violation=OnViolation.WARN))
    assert best(solve(asked)).cost_per_hour <= 5.0
    assert solve(asked).warnings == ()


def test_a_precision_whose_drift_fails_is_no_candidate_unless_the_gate_only_warns() -> None:
    gate = Gates(max_quantization_drift_percent=0.5)
    both = solve(toys.request(precisions=(BF16, FP8), gates=gate))
    assert best(both).precision == "bf16"
    alone = solve(toys.request(precisions=(FP8,), gates=gate))
    assert (alone.best, alone.report.status) == (None, SolveStatus.INFEASIBLE)
    warning = replace(gate, on_violation=OnViolation.WARN)
    warned = solve(toys.request(precisions=(FP8,), gates=warning))
    assert best(warned).precision == "fp8"
    assert warned.warnings == ("gate QuantizationDrift is exceeded: 0.6 > 0.5 (onViolation is Warn)",)
    preferred = solve(toys.request(precisions=(BF16, FP8), gates=warning))
    assert best(preferred).precision == "bf16"


def test_settings_that_the_drift_gate_refuses_are_never_used() -> None:
    asked = toys.request(precisions=(FP8,), gates=Gates(max_quantization_drift_percent=0.5))
    refused = toys.ToyModel().settings(gates.without_drift_gate(asked))
    outcome = methods.solve(asked, refused, clock=still)
    assert outcome.best is None
    assert outcome.unblocked_best is not None


@pytest.mark.parametrize(
    ("on_unknown", "used", "lines"), [(OnUnknown.BLOCK, False, 0), (OnUnknown.WARN, True, 1), (OnUnknown.PASS, True, 0)]
)
def test_unmeasured_drift_goes_by_on_unknown(on_unknown: OnUnknown, *, used: bool, lines: int) -> None:
    gate = Gates(max_quantization_drift_percent=0.5, on_unknown=on_unknown)
    outcome = solve(toys.request(precisions=(Precision(name="fp8"),), gates=gate))
    assert (outcome.best is not None) is used
    assert len(outcome.warnings) == lines


def test_infeasible_is_proved() -> None:
    outcome = solve(toys.request(toys.pool("tiny", gpus=2)))
    assert (outcome.best, outcome.unblocked_best) == (None, None)
    assert outcome.report.status is SolveStatus.INFEASIBLE
    assert outcome.report.gap_percent is None


def test_a_floor_out_of_reach_is_infeasible() -> None:
    outcome = solve(toys.request(objective=Objective(min_tokens_per_second=1e9)))
    assert outcome.report.status is SolveStatus.INFEASIBLE
    assert outcome.frontier


def test_a_search_that_is_cut_at_once_says_so() -> None:
    outcome = solve(toys.request(), clock=ticking(100.0))
    assert outcome.best is None
    assert outcome.report.status is SolveStatus.TIME_LIMIT


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("step", [0.3, 1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("target", [None, 0.42])
def test_no_method_claims_more_than_it_had_time_for(method: Method, step: float, target: float | None) -> None:
    outcome = solve(toys.request(), clock=ticking(step), method=method, target_cost_per_million_tokens=target)
    optimum = best(solve(toys.request())).cost_per_million_tokens
    report = outcome.report
    if outcome.best is None:
        assert report.status is SolveStatus.TIME_LIMIT
        assert report.gap_percent is None
    elif report.status is SolveStatus.OPTIMAL:
        assert outcome.best.cost_per_million_tokens == pytest.approx(optimum)
    elif report.bound_cost_per_million_tokens is not None:
        assert report.bound_cost_per_million_tokens <= optimum * (1 + 1e-9)


def test_a_search_that_is_cut_later_tells_its_gap() -> None:
    reports = [solve(toys.request(), clock=ticking(step)).report for step in (0.5, 1.0, 2.0, 4.0, 8.0)]
    cut = [report for report in reports if report.status is SolveStatus.FEASIBLE]
    assert cut
    for report in cut:
        assert report.gap_percent is not None
        assert report.gap_percent > 0.0
        assert report.bound_cost_per_million_tokens is not None
        assert "cut by the time limit" in report.proves


def test_progress_is_told() -> None:
    told: list[Progress] = []
    asked = toys.request()
    methods.solve(asked, toys.ToyModel().settings(asked), clock=still, on_progress=told.append)
    assert told
    assert told[-1].unit == "$/M tokens"
    assert told[-1].gap_percent == pytest.approx(0.0)


def test_a_wide_gap_ends_the_search_early_with_the_gap_told() -> None:
    outcome = solve(toys.request(precisions=(BF16, FP8)), gap_percent=90.0)
    full = solve(toys.request(precisions=(BF16, FP8)))
    assert outcome.report.layouts_considered < full.report.layouts_considered
    gap = outcome.report.gap_percent
    assert gap is not None
    assert 0.0 <= gap <= 90.0
    bound = outcome.report.bound_cost_per_million_tokens
    assert bound is not None
    assert bound <= best(full).cost_per_million_tokens * (1 + 1e-9)


@pytest.mark.parametrize("method", OTHERS)
def test_other_methods_tell_their_distance_and_what_they_prove(method: Method) -> None:
    exact = best(solve(toys.request())).cost_per_million_tokens
    outcome = solve(toys.request(), method=method)
    report = outcome.report
    mine = best(outcome).cost_per_million_tokens
    assert report.distance_to_exact_percent == pytest.approx((mine / exact - 1.0) * 100.0)
    assert report.trials
    assert report.proves
    assert report.bound_cost_per_million_tokens == pytest.approx(exact)
    if method is Method.ENUMERATION:
        assert "not optimal in general" in report.proves
    if method is not Method.ITERATIVE:
        assert report.status is SolveStatus.FEASIBLE


def test_enumeration_takes_the_best_of_its_budgets() -> None:
    asked = toys.request()
    budgets = (2.5, 5.0, 9.0)
    outcome = solve(asked, method=Method.ENUMERATION, budgets_per_hour=budgets)
    trials = outcome.report.trials
    assert tuple(trial.budget_per_hour for trial in trials) == budgets
    prices = [trial.cost_per_million_tokens for trial in trials]
    assert best(outcome).cost_per_million_tokens == min(price for price in prices if price is not None)
    frontier = solve(asked).frontier
    for trial in trials:
        within = [point.tokens_per_second for point in frontier if point.cost_per_hour <= trial.budget_per_hour]
        assert trial.tokens_per_second == pytest.approx(max(within))


def test_enumeration_can_miss_the_optimum_and_says_how_far() -> None:
    outcome = solve(toys.request(), method=Method.ENUMERATION, budgets_per_hour=(2.5, 5.0))
    report = outcome.report
    assert report.distance_to_exact_percent is not None
    assert report.distance_to_exact_percent > 1.0
    assert report.status is SolveStatus.FEASIBLE


def test_log_spaced_budgets_span_what_can_run_and_what_is_of_use() -> None:
    outcome = solve(toys.request(), method=Method.ENUMERATION)
    budgets = [trial.budget_per_hour for trial in outcome.report.trials]
    costs = [point.cost_per_hour for point in outcome.frontier]
    assert len(budgets) == 12
    assert budgets[0] == pytest.approx(min(costs))
    assert budgets[-1] == pytest.approx(max(costs))
    ratios = [after / before for before, after in pairwise(budgets)]
    assert ratios == pytest.approx([ratios[0]] * 11)


def test_the_target_price_saves_budgets_outside_the_competitive_range() -> None:
    free = solve(toys.request(), method=Method.ENUMERATION)
    target = best(free).cost_per_million_tokens * 1.02
    outcome = solve(toys.request(), method=Method.ENUMERATION, target_cost_per_million_tokens=target)
    low, high = outcome.report.competitive_range_per_hour or (0.0, 0.0)
    fastest = max(point.tokens_per_second for point in free.frontier)
    assert low == pytest.approx(min(point.cost_per_hour for point in free.frontier))
    assert high == pytest.approx(target * fastest * 3600.0 / 1e6)
    outside = [trial for trial in free.report.trials if trial.budget_per_hour > high]
    assert outcome.report.budgets_saved == len(outside) > 0
    assert all(low <= trial.budget_per_hour * (1 + 1e-9) for trial in outcome.report.trials)
    for point in free.frontier:  # the range loses nothing: outside it no plan beats the target
        if point.layout.cost_per_million_tokens <= target:
            assert low <= point.cost_per_hour <= high


def test_budgets_that_buy_nothing_say_what_the_cheapest_costs() -> None:
    outcome = solve(toys.request(), method=Method.ENUMERATION, budgets_per_hour=(0.5, 1.0))
    assert outcome.best is None
    assert outcome.warnings == ("nothing fits the budgets, the largest is $1/h; the cheapest layout costs $2/h",)


@pytest.mark.parametrize("method", [Method.ENUMERATION, Method.ITERATIVE])
def test_an_unreachable_target_is_said_at_once_with_the_best_possible_price(method: Method) -> None:
    exact = best(solve(toys.request()))
    outcome = solve(toys.request(), method=method, target_cost_per_million_tokens=0.2)
    assert outcome.report.trials == ()
    assert outcome.best == exact
    assert outcome.report.distance_to_exact_percent == 0.0
    (line,) = outcome.warnings
    assert line.startswith("no plan reaches the target of $0.2/M tokens: the best possible price is $0.416667/M")
    if method is Method.ENUMERATION:
        assert outcome.report.budgets_saved == 12


@pytest.mark.parametrize("method", [Method.ENUMERATION, Method.ITERATIVE])
def test_an_unreachable_gate_blocks_and_counts_the_other_gates(method: Method) -> None:
    asked = toys.request(gates=Gates(max_cost_per_million_tokens=0.5, max_cost_per_hour=5.0))
    outcome = solve(asked, method=method)
    assert outcome.best is None
    assert outcome.unblocked_best is not None
    # $0.417/M is possible, but not within $5/h.
    assert "the best possible price is $1.04167/M" in outcome.warnings[0]


def test_iterative_lowers_the_budget_at_every_step_and_proves_the_optimum() -> None:
    outcome = solve(toys.request(), method=Method.ITERATIVE)
    budgets = [trial.budget_per_hour for trial in outcome.report.trials]
    assert all(after < before for before, after in pairwise(budgets))
    assert outcome.report.status is SolveStatus.OPTIMAL
    assert outcome.report.distance_to_exact_percent == 0.0


def test_weighted_with_weight_zero_is_throughput_only() -> None:
    asked = toys.request(objective=Objective(cost_weight=0.0))
    outcome = solve(asked, method=Method.WEIGHTED)
    assert best(outcome).tokens_per_second == max(point.tokens_per_second for point in outcome.frontier)
    assert "proves nothing about the price per token" in outcome.report.proves


def test_weighted_finds_the_optimum_of_the_sum() -> None:
    objective = Objective(type=ObjectiveType.WEIGHTED, cost_weight=0.7)
    outcome = solve(toys.request(objective=objective), method=Method.WEIGHTED)
    exact = solve(toys.request(objective=objective))
    assert best(outcome) == best(exact)
    assert outcome.report.status is SolveStatus.OPTIMAL


@pytest.mark.parametrize("method", list(Method))
def test_every_method_keeps_the_latency_targets_and_the_floor(method: Method) -> None:
    asked = toys.request(slo=Slo(ttft_seconds=0.2), objective=Objective(min_tokens_per_second=5000.0))
    layout = best(solve(asked, method=method))
    assert layout.ttft_seconds is not None
    assert layout.ttft_seconds <= 0.2
    assert layout.tokens_per_second >= 5000.0


@pytest.mark.parametrize("method", list(Method))
def test_every_method_reports_infeasible(method: Method) -> None:
    outcome = solve(toys.request(toys.pool("tiny", gpus=2)), method=method)
    assert outcome.report.status is SolveStatus.INFEASIBLE
    assert (outcome.best, outcome.unblocked_best, outcome.frontier) == (None, None, ())


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(ObjectiveType),
    weight=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    floor=st.sampled_from([0.0, 500.0, 3000.0, 15000.0]),
    per_hour=st.sampled_from([None, 3.0, 7.0, 30.0]),
    per_million=st.sampled_from([None, 0.42, 0.6, 1.1]),
    prices=st.tuples(st.sampled_from([0.5, 1.0, 4.0]), st.sampled_from([0.3, 1.0, 2.0])),
)
def test_iterative_agrees_with_exact_under_any_objective_and_gates(
    kind: ObjectiveType,
    weight: float,
    floor: float,
    per_hour: float | None,
    per_million: float | None,
    prices: tuple[float, float],
) -> None:
    asked = toys.request(
        toys.pool("fast", gpus=4, price=prices[0]),
        toys.pool("slow", gpus=6, price=prices[1]),
        objective=Objective(type=kind, cost_weight=weight, min_tokens_per_second=floor),
        gates=Gates(max_cost_per_hour=per_hour, max_cost_per_million_tokens=per_million),
        solver=SolverOptions(),
    )
    exact = solve(asked)
    iterative = solve(asked, method=Method.ITERATIVE)
    assert (iterative.best is None) == (exact.best is None)
    assert (iterative.unblocked_best is None) == (exact.unblocked_best is None)
    if exact.best is not None:
        assert iterative.report.distance_to_exact_percent == pytest.approx(0.0, abs=1e-6)
    enumeration = solve(asked, method=Method.ENUMERATION)
    if enumeration.best is not None:
        assert exact.best is not None
        assert gates.satisfied(asked, gates.evaluate(asked, enumeration.best))
        assert (enumeration.report.distance_to_exact_percent or 0.0) >= 0.0
