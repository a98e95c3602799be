"""What a decision should be, worked out from the points of every feasible layout and the words of the documents."""

from dataclasses import dataclass
from math import inf

from placewright.core.model import ObjectiveType, OnViolation, Plan, PlanState, Request
from tests.support.frontier import TOLERANCE, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The least loss that can be had and whether the gates allow it; None: nothing is feasible."""

    loss: float
    state: PlanState
    passes: bool


def expected(request: Request, frontier: list[Point]) -> Expected | None:
    """Gates are constraints first; when nothing passes them, the best without them is blocked or warned about."""
    floor = request.objective.min_tokens_per_second * (1 - TOLERANCE)
    fast = [point for point in frontier if point[1] >= floor]
    passing = [point for point in fast if passes(request, point)]
    if not fast:
        return None
    blocked = not passing and request.gates.on_violation is OnViolation.BLOCK
    return Expected(
        loss=min(loss(request, point, frontier) for point in passing or fast),
        state=PlanState.BLOCKED if blocked else PlanState.APPROVED,
        passes=bool(passing),
    )


def passes(request: Request, point: Point) -> bool:
    """Whether a point keeps the gates on money."""
    cost, rate = point
    gates = request.gates
    per_million = inf if gates.max_cost_per_million_tokens is None else gates.max_cost_per_million_tokens
    per_hour = inf if gates.max_cost_per_hour is None else gates.max_cost_per_hour
    return cost / rate / 3600 * 1e6 <= per_million * (1 + TOLERANCE) and cost <= per_hour * (1 + TOLERANCE)


def loss(request: Request, point: Point, frontier: list[Point]) -> float:
    """What the objective minimises."""
    cost, rate = point
    goal = request.objective
    match goal.type:
        case ObjectiveType.COST_PER_TOKEN:
            return cost / rate
        case ObjectiveType.THROUGHPUT:
            return -rate
        case ObjectiveType.COST:
            return cost
        case ObjectiveType.WEIGHTED:
            per_hour = goal.cost_normalization or max(each for each, _ in frontier)
            per_second = goal.throughput_normalization or max(each for _, each in frontier)
            return goal.cost_weight * cost / per_hour - (1 - goal.cost_weight) * rate / per_second


def loss_of(request: Request, plan: Plan, frontier: list[Point]) -> float:
    return loss(request, (plan.cost_per_hour, plan.tokens_per_second), frontier)


def same_loss(got: float, want: float) -> bool:
    """To the tolerance; scores are differences of shares of about one, so they have an absolute one."""
    return abs(got - want) <= TOLERANCE * max(abs(got), abs(want)) or abs(got - want) <= 1e-15


def not_below(got: float, want: float) -> bool:
    return got >= want or same_loss(got, want)
