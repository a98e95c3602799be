"""What one more node of each pool is worth: by solving again with it, or by the prices of the solution."""

from collections.abc import Callable, Sequence
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
    out_of_time: Callable[[], bool],
) -> dict[PoolKey, NodeValue]:
    """The value of one more node of each shared pool.

    Args:
        problem: as solved.
        solution: of it.
        rows: of it.
        names: namespace and name of each ask, in the order of the problem.
        out_of_time: True: no more exact values, prices must do.
    """
    found: dict[PoolKey, NodeValue] = {}
    for key in sorted(rows.pools):
        if key[0]:
            continue
        added = rows.of_node(key)
        if solution.free or not added:
            found[key] = NodeValue(places=(), saving_cost_per_hour=0.0, exact=True)
        elif problem.asks <= _EXACT_ASKS and not out_of_time():
            found[key] = _again(problem, solution, added, names)
        else:
            saving = sum(float(solution.prices[row]) * amount for row, amount in added.items())
            found[key] = NodeValue(places=(), saving_cost_per_hour=saving, exact=False)
    return found


def _again(
    problem: Problem, solution: Solution, added: dict[int, float], names: Sequence[tuple[str, str]]
) -> NodeValue:
    capacity: FloatArray = problem.capacity.copy()
    for row, amount in added.items():
        capacity[row] += amount
    after = solve(replace(problem, capacity=capacity))
    both = [at for at in range(problem.asks) if solution.taken[at] is not None and after.taken[at] is not None]
    saving = sum(_cost(problem, solution, at) - _cost(problem, after, at) for at in both)
    places = tuple(
        names[at] for at in range(problem.asks) if solution.taken[at] is None and after.taken[at] is not None
    )
    return NodeValue(places=places, saving_cost_per_hour=saving, exact=True)


def _cost(problem: Problem, solution: Solution, ask: int) -> float:
    start = int(problem.ask_start[ask])
    return sum(float(problem.cost[start + offer]) * count for offer, count in solution.taken[ask] or ())
