"""What one more node of each pool is worth: by solving again with it, or by the prices of the solution."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from placewright.core.fleet.problem import Problem, Solution
from placewright.core.fleet.rows import PoolKey, Rows
from placewright.core.fleet.solve import solve
from placewright.core.model import NodeValue
from placewright.core.performance.base import FloatArray

_EXACT_ASKS = 40  # up to so many requests each pool is solved again with one node more


def node_values(
    problem: Problem,
    solution: Solution,
    rows: Rows,
    *,
    names: Sequence[tuple[str, str]],
    seconds_left: Callable[[], float],
) -> dict[PoolKey, NodeValue]:
    """The value of one more node of each shared pool.

    Args:
        problem: as solved.
        solution: of it.
        rows: of it.
        names: namespace and name of each ask, in the order of the problem.
        seconds_left: for solving again; where that does not suffice for a proof prices must do.
    """
    found: dict[PoolKey, NodeValue] = {}
    for key in sorted(rows.pools):
        if key[0]:
            continue
        added = rows.of_node(key)
        if solution.free or not added:
            found[key] = NodeValue(places=(), saving_cost_per_hour=0.0, exact=True)
        else:
            found[key] = _again(problem, solution, added, names, seconds_left) or _by_prices(solution, added)
    return found


def _by_prices(solution: Solution, added: Mapping[int, float]) -> NodeValue:
    """What the node's share of the rows is worth at their prices, at most."""
    saving = sum(float(solution.prices[row]) * amount for row, amount in added.items())
    return NodeValue(places=(), saving_cost_per_hour=saving, exact=False)


def _again(
    problem: Problem,
    solution: Solution,
    added: Mapping[int, float],
    names: Sequence[tuple[str, str]],
    seconds_left: Callable[[], float],
) -> NodeValue | None:
    """What changes when all is solved again; None: there are too many requests, or no proof in time."""
    if problem.asks > _EXACT_ASKS or not solution.proved or seconds_left() <= 0.0:
        return None
    capacity: FloatArray = problem.capacity.copy()
    for row, amount in added.items():
        capacity[row] += amount
    after = solve(replace(problem, capacity=capacity), seconds_left=seconds_left)
    if not after.proved:
        return None
    both = [at for at in range(problem.asks) if solution.taken[at] is not None and after.taken[at] is not None]
    saving = sum(_cost(problem, solution, at) - _cost(problem, after, at) for at in both)
    places = tuple(
        names[at] for at in range(problem.asks) if solution.taken[at] is None and after.taken[at] is not None
    )
    return NodeValue(places=places, saving_cost_per_hour=saving, exact=True)


def _cost(problem: Problem, solution: Solution, ask: int) -> float:
    start = int(problem.ask_start[ask])
    return sum(float(problem.cost[start + offer]) * count for offer, count in solution.taken[ask] or ())
