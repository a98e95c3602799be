from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from placewright.core import explain, methods
from placewright.core.alternatives import alternatives, reason
from placewright.core.explain import Explanation
from placewright.core.model import (
    FrontierPoint,
    Gates,
    Layout,
    Method,
    Objective,
    ObjectiveType,
    Parallelism,
    Precision,
    Rejection,
    RejectionCode,
    Request,
    Runtime,
    Slo,
    SolverOptions,
)
from placewright.core.objective import goal_on
from placewright.core.outcome import Outcome
from placewright.core.rejections import rejections
from tests.support import toys
from tests.support.layouts import layout

BF16 = Precision(name="bf16", drift_percent=0.0)
FP8 = Precision(name="fp8", drift_percent=0.6)
MODEL = toys.ToyModel()


def still() -> float:
    return 0.0


def explained(asked: Request) -> tuple[Outcome, Explanation]:
    settings = tuple(MODEL.settings(asked))
    outcome = methods.solve(asked, settings, clock=still)
    return outcome, explain.explain(asked, MODEL, settings, outcome, clock=still)


def by_code(explanation: Explanation) -> dict[RejectionCode, Rejection]:
    return {entry.code: entry for entry in explanation.rejections}


def test_alternatives_are_other_layouts_best_first_and_none_twice() -> None:
    outcome, told = explained(toys.request(precisions=(BF16, FP8)))
    assert 2 <= len(told.alternatives) <= 5
    layouts = [entry.layout for entry in told.alternatives]
    assert outcome.best not in layouts
    assert len({(entry.stages, entry.precision, entry.max_concurrency) for entry in layouts}) == len(layouts)
    prices = [round(entry.cost_per_million_tokens, 9) for entry in layouts]
    assert prices == sorted(prices)


def test_one_alternative_is_the_best_without_the_winners_pool() -> None:
    asked = toys.request()
    outcome, told = explained(asked)
    assert outcome.best is not None
    used = set(outcome.best.gpus_by_pool)
    assert used == {"slow"}
    without = replace(asked, pools=tuple(pool for pool in asked.pools if pool.name not in used))
    best, _ = explained(without)
    assert best.best is not None
    assert any(
        set(entry.layout.gpus_by_pool) == {"fast"}
        and entry.layout.cost_per_million_tokens == pytest.approx(best.best.cost_per_million_tokens)
        for entry in told.alternatives
    )


def test_a_better_layout_that_misses_a_target_is_told_with_its_figure() -> None:
    outcome, told = explained(toys.request(slo=Slo(ttft_seconds=0.2)))
    assert outcome.best is not None
    last = told.alternatives[-1]
    assert last.layout.cost_per_million_tokens < outcome.best.cost_per_million_tokens
    assert last.reason == "TTFT 2.405 s > 0.2 s (otherwise 12.9 % cheaper: $0.4167/M)"


def test_a_better_layout_that_a_gate_keeps_out_is_told_with_its_figure() -> None:
    _, told = explained(toys.request(gates=Gates(max_cost_per_hour=5.0)))
    assert any(entry.reason.startswith("CostPerHour 6 > 5 (otherwise ") for entry in told.alternatives)


def test_a_better_precision_that_the_drift_gate_keeps_out_is_told() -> None:
    _, told = explained(toys.request(precisions=(BF16, FP8), gates=Gates(max_quantization_drift_percent=0.5)))
    assert any(entry.reason.startswith("QuantizationDrift 0.6 > 0.5") for entry in told.alternatives)


def test_there_are_no_alternatives_to_nothing() -> None:
    _, told = explained(toys.request(toys.pool("tiny", gpus=2)))
    assert told.alternatives == ()


@pytest.mark.parametrize(
    ("objective", "loser", "line"),
    [
        (Objective(), layout(4.0, 800.0), "25 % dearer: $1.389/M"),
        (Objective(), layout(2.0, 400.0), "cheaper per hour ($2/h) but 25 % dearer per token: $1.389/M"),
        (Objective(), layout(8.0, 1600.0), "faster (1600 tokens/s) but 25 % dearer per token: $1.389/M"),
        (Objective(), layout(4.0, 1000.0, split=(4, 4, 4)), "as cheap per token, but 3 GPUs instead of 2"),
        (Objective(), layout(8.0, 2000.0), "as cheap per token, but $8/h instead of $4/h"),
        (Objective(type=ObjectiveType.THROUGHPUT), layout(4.0, 880.0), "12 % slower: 880 tokens/s"),
        (Objective(type=ObjectiveType.COST), layout(5.0, 1000.0), "25 % dearer: $5/h"),
        (
            Objective(min_tokens_per_second=900.0),
            layout(2.0, 800.0),
            "800 of 900 tokens/s (otherwise 37.5 % cheaper: $0.6944/M)",
        ),
    ],
)
def test_reasons_are_one_line_with_figures(objective: Objective, loser: Layout, line: str) -> None:
    winner = layout(4.0, 1000.0)
    asked = toys.request(objective=objective)
    assert reason(asked, goal_on(objective, [winner]), winner, loser) == line


def test_a_method_that_passed_a_better_layout_by_is_told_so() -> None:
    asked = toys.request(solver=SolverOptions(method=Method.ENUMERATION, budgets_per_hour=(2.5,)))
    _, told = explained(asked)
    assert any(entry.reason.endswith("but Enumeration passes it by") for entry in told.alternatives)


def test_alternatives_stop_when_time_is_up() -> None:
    asked = toys.request()
    settings = tuple(MODEL.settings(asked))
    outcome = methods.solve(asked, settings, clock=still)
    told = alternatives(asked, settings, replace(outcome, frontier=()), out_of_time=lambda: True)
    assert told == ()


def test_rejections_of_the_model_are_passed_on_and_there_are_at_most_ten() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=5.0))
    outcome, _ = explained(asked)
    many = [
        Rejection(code=RejectionCode.INSUFFICIENT_MEMORY, count=100 + i, pool=f"p{i}", message="too small")
        for i in range(20)
    ]
    told = rejections(asked, many, outcome, solve=lambda _asked: outcome)
    counts = [entry.count for entry in told]
    assert len(told) == 10
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 119
    # What only solving shows is never crowded out.
    assert RejectionCode.HOURLY_BUDGET_GATE in {entry.code for entry in told}


def test_gates_count_what_they_keep_out_and_name_the_nearest() -> None:
    outcome, told = explained(toys.request(gates=Gates(max_cost_per_hour=5.0, max_cost_per_million_tokens=0.9)))
    over = [point for point in outcome.frontier if point.cost_per_hour > 5.0]
    held = by_code(told)[RejectionCode.HOURLY_BUDGET_GATE]
    assert held.count == len(over)
    assert held.message == (
        f"{len(over)} of {len(outcome.frontier)} layouts found cost more than $5/h; the nearest costs $6/h"
    )
    assert "the nearest costs $1.042/M" in by_code(told)[RejectionCode.COST_PER_TOKEN_GATE].message


def test_an_unreachable_price_names_the_best_possible_one_and_what_binds() -> None:
    _, told = explained(toys.request(gates=Gates(max_cost_per_million_tokens=0.3, max_cost_per_hour=5.0)))
    message = by_code(told)[RejectionCode.COST_PER_TOKEN_GATE].message
    assert message == (
        "no layout costs $0.3/M or less: the best possible price is $1.042/M; "
        "the limit per hour binds: $0.4167/M without it"
    )
    _, told = explained(toys.request(gates=Gates(max_cost_per_million_tokens=0.3)))
    assert by_code(told)[RejectionCode.COST_PER_TOKEN_GATE].message.endswith(
        "no limit of the request binds: these GPUs at these prices serve no cheaper"
    )


def test_an_unreachable_target_is_explained_like_a_gate() -> None:
    options = SolverOptions(method=Method.ITERATIVE, target_cost_per_million_tokens=0.3)
    outcome, told = explained(toys.request(solver=options))
    assert outcome.best is not None
    assert "the best possible price is $0.4167/M" in by_code(told)[RejectionCode.COST_PER_TOKEN_GATE].message


@pytest.mark.parametrize(
    ("slo", "code", "name"),
    [
        (Slo(ttft_seconds=0.05), RejectionCode.SLO_TTFT, "a TTFT of 50ms; the nearest reaches 207.1ms"),
        (Slo(tpot_seconds=0.0005), RejectionCode.SLO_TPOT, "a TPOT of 0.5ms; the nearest reaches"),
    ],
)
def test_latency_targets_count_what_they_keep_out(slo: Slo, code: RejectionCode, name: str) -> None:
    outcome, told = explained(toys.request(slo=slo))
    assert outcome.best is None
    assert name in by_code(told)[code].message
    assert by_code(told)[code].count > 0


def test_two_targets_that_only_together_are_out_of_reach_are_both_told() -> None:
    _, told = explained(toys.request(slo=Slo(ttft_seconds=0.001, tpot_seconds=0.0001)))
    assert {RejectionCode.SLO_TTFT, RejectionCode.SLO_TPOT} <= set(by_code(told))


def test_a_floor_counts_the_layouts_that_are_too_slow() -> None:
    outcome, told = explained(toys.request(objective=Objective(min_tokens_per_second=30000.0)))
    held = by_code(told)[RejectionCode.THROUGHPUT_SHORT]
    assert held.count == len(outcome.frontier)
    assert held.message.endswith("are slower than 30000 tokens/s; the fastest of them reaches 22290")


def test_missing_stock_is_counted_by_pool() -> None:
    _, told = explained(toys.request(toys.pool("tiny", gpus=2)))
    held = by_code(told)[RejectionCode.INSUFFICIENT_STOCK]
    assert held.pool == "tiny"
    assert held.message.endswith("need more tiny than the 2 of pool tiny; the smallest needs 6")


def test_a_degree_that_fits_no_node_is_told() -> None:
    asked = toys.request(
        toys.pool("fast", gpus=2, per_node=1), parallelism=Parallelism(tensor=(2, 4), runtime=Runtime.ANY)
    )
    _, told = explained(asked)
    held = by_code(told)[RejectionCode.INSUFFICIENT_STOCK]
    assert held.message.startswith("tensor parallelism of 2 and more fits no node of pool fast: it has 1 GPUs")
    assert held.count == 2


def test_what_is_infeasible_always_has_a_reason() -> None:
    asked = toys.request(toys.pool("tiny", gpus=2), slo=Slo(ttft_seconds=1e-4, tpot_seconds=1e-6))
    outcome, _ = explained(asked)
    told = rejections(asked, [], outcome, solve=lambda _asked: outcome)
    assert [entry.count for entry in told] == [1]
    assert "covers the model" in told[0].message


def test_an_infeasible_request_gets_a_relaxation_and_a_feasible_one_none() -> None:
    _, told = explained(toys.request(toys.pool("tiny", gpus=2)))
    assert told.relaxation is not None
    _, told = explained(toys.request())
    assert told.relaxation is None


def test_explaining_takes_no_longer_than_a_solve_may() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=1.0), solver=SolverOptions(time_limit_seconds=50.0))
    settings = tuple(MODEL.settings(asked))
    outcome = methods.solve(asked, settings, clock=still)
    ticks: Iterator[int] = count()
    read: list[float] = []

    def clock() -> float:
        read.append(float(next(ticks)))
        return read[-1]

    told = explain.explain(asked, MODEL, settings, outcome, clock=clock)
    assert told.rejections
    assert len(read) < 1000


def test_mixed_frontiers_without_layouts_are_no_trouble() -> None:
    asked = toys.request(gates=Gates(max_cost_per_hour=5.0), solver=SolverOptions(frontier=False))
    outcome, told = explained(asked)
    assert outcome.frontier == ()
    assert all(isinstance(entry.reason, str) for entry in told.alternatives)
    single = toys.request(
        toys.pool("slow", gpus=2), parallelism=Parallelism(tensor=(2,), max_pipeline=1, runtime=Runtime.ANY)
    )
    outcome, told = explained(single)
    assert outcome.best is not None
    assert [FrontierPoint(layout=outcome.best)] == list(outcome.frontier)
