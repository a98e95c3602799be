import pytest

from placewright.core import objective
from placewright.core.model import Objective, ObjectiveType
from tests.support.layouts import layout

CHEAP = layout(1.0, 100.0)  # $2.78/M
BEST = layout(3.0, 400.0)  # $2.08/M
FAST = layout(9.0, 900.0)  # $2.78/M
FRONTIER = (CHEAP, BEST, FAST)


def best(kind: ObjectiveType, **more: float) -> object:
    wanted = Objective(type=kind, **more)
    return objective.best_of(objective.goal_on(wanted, FRONTIER), FRONTIER)


@pytest.mark.parametrize(
    ("kind", "winner"),
    [
        (ObjectiveType.COST_PER_TOKEN, BEST),
        (ObjectiveType.THROUGHPUT, FAST),
        (ObjectiveType.COST, CHEAP),
    ],
)
def test_each_objective_has_its_own_winner(kind: ObjectiveType, winner: object) -> None:
    assert best(kind) is winner


def test_the_floor_holds_for_every_objective() -> None:
    for kind in ObjectiveType:
        assert best(kind, min_tokens_per_second=500.0) is FAST
        assert best(kind, min_tokens_per_second=901.0) is None
    assert best(ObjectiveType.COST, min_tokens_per_second=101.0) is BEST


def test_weight_zero_is_throughput_only_and_weight_one_cost_only() -> None:
    assert best(ObjectiveType.WEIGHTED, cost_weight=0.0) is FAST
    assert best(ObjectiveType.WEIGHTED, cost_weight=1.0) is CHEAP


def test_weighted_normalises_by_the_largest_values_of_the_frontier_when_none_are_given() -> None:
    goal = objective.goal_on(Objective(type=ObjectiveType.WEIGHTED, cost_weight=0.4), FRONTIER)
    assert goal.value(BEST) == pytest.approx(0.4 * 3.0 / 9.0 - 0.6 * 400.0 / 900.0)
    given = Objective(
        type=ObjectiveType.WEIGHTED, cost_weight=0.4, cost_normalization=10.0, throughput_normalization=2000.0
    )
    assert objective.goal_on(given, FRONTIER).value(BEST) == pytest.approx(0.4 * 0.3 - 0.6 * 0.2)


def test_values_are_shown_in_the_unit_of_the_objective() -> None:
    goal = objective.goal_on(Objective(type=ObjectiveType.THROUGHPUT), FRONTIER)
    assert (goal.unit, goal.value(FAST), goal.loss(FAST)) == ("tokens/s", 900.0, -900.0)
    goal = objective.goal_on(Objective(), FRONTIER)
    assert goal.unit == "$/M tokens"
    assert goal.value(BEST) == pytest.approx(3.0 / (400.0 * 3600.0) * 1e6)


def test_ties_go_to_the_cheaper_then_fewer_gpus_then_fewer_stages_then_the_text() -> None:
    goal = objective.goal_on(Objective(), ())
    one_stage = layout(2.0, 200.0, split=(12,), tensor_parallel=2)
    two_stages = layout(2.0, 200.0, split=(6, 6))
    three_gpus = layout(2.0, 200.0, split=(4, 4, 4))
    double = layout(4.0, 400.0, split=(12,))
    other_name = layout(2.0, 200.0, split=(12,), tensor_parallel=2, pool="slow")
    ranked = [one_stage, other_name, two_stages, three_gpus, double]
    for order in (ranked, ranked[::-1]):
        assert sorted(order, key=lambda entry: objective.order_key(goal, entry)) == ranked


def test_rounding_of_sums_does_not_break_a_tie() -> None:
    goal = objective.goal_on(Objective(), ())
    exact = layout(0.3, 100.0, split=(6, 6))
    summed = layout(0.1 + 0.2, 100.0, split=(12,))
    assert objective.best_of(goal, (exact, summed)) is summed


@pytest.mark.parametrize("kind", list(ObjectiveType))
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_layout_no_faster_beats_a_loss_only_below_the_budget(kind: ObjectiveType, weight: float) -> None:
    goal = objective.goal_on(Objective(type=kind, cost_weight=weight), FRONTIER)
    for known in FRONTIER:
        budget = goal.budget_to_beat(goal.loss(known), BEST.tokens_per_second)
        for cost in (0.1, 0.5, 1.0, 2.0, 2.9, 3.0, 5.0, 8.9):
            for rate in (50.0, 100.0, 399.0, 400.0):
                if goal.loss_of(cost, rate) < goal.loss(known):
                    assert cost <= budget


@pytest.mark.parametrize("kind", list(ObjectiveType))
def test_bounds_on_price_and_rate_bound_every_objective(kind: ObjectiveType) -> None:
    goal = objective.goal_on(Objective(type=kind, cost_weight=0.3, min_tokens_per_second=100.0), FRONTIER)
    least = min(entry.cost_per_million_tokens for entry in FRONTIER)
    bound = goal.loss_bound(least, 900.0)
    for entry in FRONTIER:
        assert bound <= goal.loss(entry) + 1e-12


def test_gap_and_distance_are_percent_and_never_negative() -> None:
    goal = objective.goal_on(Objective(), FRONTIER)
    assert goal.gap_percent(2.0, 1.5) == pytest.approx(25.0)
    assert goal.distance_percent(2.0, 1.5) == pytest.approx(100.0 / 3.0)
    assert goal.gap_percent(1.5, 2.0) == 0.0
    assert goal.distance_percent(1.5, 1.5) == 0.0
    faster = objective.goal_on(Objective(type=ObjectiveType.THROUGHPUT), FRONTIER)
    assert faster.gap_percent(-800.0, -1000.0) == pytest.approx(20.0)


def test_summary_joins_equal_stages() -> None:
    assert objective.summary(layout(split=(5, 5, 2))) == (
        "bf16, 8 sequences: 2 x (fast TP1, 5 layers) + 1 x (fast TP1, 2 layers)"
    )
