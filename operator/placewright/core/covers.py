"""The cheapest layout at one bottleneck limit: the cover, read back as stages, in an order that keeps the limit."""

from collections.abc import Callable

import numpy as np

from placewright.core.frontier import TIE, Point, first_token_seconds, make_point
from placewright.core.kernel import cover, pool_choice, pool_costs
from placewright.core.lattice import never
from placewright.core.model import Request
from placewright.core.performance.base import FloatArray
from placewright.core.problem import Problem
from placewright.core.sequence import Sequence, arrange, cheapest_sequence
from placewright.core.walks import add_row, cheapest_counts, find_walk


def solve_at(
    request: Request,
    problem: Problem,
    limit_seconds: float,
    below_cost: float,
    out_of_time: Callable[[], bool] = never,
) -> Point | None:
    """The cheapest layout whose bottleneck is at most the limit and which costs less than below_cost, exactly.

    Raises:
        OutOfTimeError: the time passed before the stock of a pool was laid out.
    """
    table, reach = cover(
        limit_seconds,
        below_cost,
        problem.step_seconds,
        problem.hop_out_seconds,
        problem.planes,
        problem.max_stages,
        problem.first_state,
        problem.state_stages,
        problem.state_cost,
        problem.transitions,
        False,
    )
    ends = table[-1, problem.planes - 1, :, problem.layers]
    count = problem.max_stages if problem.exact_stages else int(np.argmin(ends))
    cost = float(ends[count])
    if not cost < below_cost:
        return None
    stages = _trace(problem, table, reach, limit_seconds, count)
    if _order_is_free(problem, limit_seconds):
        point = make_point(request, problem, Sequence(stages=stages))
        if _in_time(point):
            return point
    elif problem.order_is_by_pool:
        walked = _walk(problem, limit_seconds, stages) or _cheapest_walk(problem, reach, limit_seconds, below_cost)
        return None if walked is None else make_point(request, problem, walked)
    # Another order or split of the same stages may do; otherwise every sequence is searched.
    found = arrange(problem, [kind for kind, _ in stages], limit_seconds)
    if found is None:
        searched = cheapest_sequence(problem, limit_seconds, cost, below_cost, out_of_time)
        if searched is None:
            return None
        found = searched[1]
    return make_point(request, problem, found)


def _walk(problem: Problem, limit_seconds: float, stages: tuple[tuple[int, int], ...]) -> Sequence | None:
    """The stages in an order whose links keep the limit; None when there is none."""
    by_pool: list[list[tuple[int, int]]] = [[] for _ in problem.pools]
    for kind, layers in stages:
        by_pool[int(problem.kind_pool[kind])].append((kind, layers))
    counts = np.array([len(own) for own in by_pool], dtype=np.int64)
    order = find_walk(counts, problem.hop_seconds <= limit_seconds)
    return Sequence(stages=tuple(by_pool[p].pop(0) for p in order)) if len(order) else None


def _cheapest_walk(problem: Problem, reach: np.ndarray, limit_seconds: float, below_cost: float) -> Sequence | None:
    """The cheapest cover that can be ordered when the cheapest of all cannot."""
    pools, most, layers = len(problem.pools), problem.max_stages, problem.layers
    costs = np.full((pools, most + 1, layers + 1), np.inf)
    for p in range(pools):
        ends = (problem.first_state[p], problem.first_state[p + 1])
        own = pool_costs(*ends, problem.state_stages, problem.state_cost, reach, below_cost)[0]
        costs[p, : own.shape[0]] = own[:, : layers + 1]
    allowed = problem.hop_seconds <= limit_seconds
    counts = cheapest_counts(costs, allowed, most, problem.exact_stages, below_cost)
    if not counts.any():
        return None
    table = np.full((pools + 1, 2, most + 1, layers + 1), np.inf)
    table[0, 0, 0, 0] = 0.0
    for p, used in enumerate(np.cumsum(counts)):
        add_row(table[p, 0, used - counts[p]], costs[p, counts[p]], table[p + 1, 0, used])
    return _walk(problem, limit_seconds, _trace(problem, table, reach, limit_seconds, int(counts.sum())))


def _order_is_free(problem: Problem, limit_seconds: float) -> bool:
    """Whether any order of stages (the last one last) keeps the limit as well as any other."""
    if problem.max_stages == 1:
        return True
    if problem.setting.hop_in_step:
        return problem.hops_by_sender
    return bool((problem.hop_seconds <= limit_seconds).all())


def _in_time(point: Point) -> bool:
    """Whether the point meets the target of its setting for the time to first token."""
    limit = point.problem.setting.max_first_token_seconds
    kinds, sizes = (np.array(column) for column in zip(*point.stages, strict=True))
    return limit == np.inf or first_token_seconds(point.problem, kinds, sizes) <= limit * (1 + TIE)


def _trace(
    problem: Problem, table: FloatArray, reach: np.ndarray, limit: float, count: int
) -> tuple[tuple[int, int], ...]:
    """Read the chosen (kind, layers) back from the tables; the stage without a hop comes last."""
    plane, stages, layers = problem.planes - 1, count, problem.layers
    body: list[tuple[int, int]] = []
    last: list[tuple[int, int]] = []
    for pool in range(len(problem.pools) - 1, -1, -1):
        if table[pool, plane, stages, layers] == table[pool + 1, plane, stages, layers]:
            continue  # the pools before do it alone
        first = int(problem.first_state[pool])
        state, plane_used, held = pool_choice(
            table[pool],
            table[pool + 1, plane, stages, layers],
            (plane, stages, layers),
            first,
            int(problem.first_state[pool + 1]),
            problem.state_stages,
            problem.state_cost,
            reach,
        )
        plane -= plane_used
        stages -= int(problem.state_stages[state])
        layers -= held
        while state != first:
            state, kind, n, was_last = _stage_choice(problem, reach, limit, (state, plane_used, held))
            (last if was_last else body).append((kind, n))
            held -= n
            plane_used -= was_last
    body.sort(key=lambda entry: (entry[0], -entry[1]))
    return (*body, *last)


def _stage_choice(
    problem: Problem, reach: np.ndarray, limit: float, at: tuple[int, int, int]
) -> tuple[int, int, int, bool]:
    """The state before, the kind and layers of the stage that was added, and whether it is the last of the replica."""
    state, plane, held = at
    for source, _, kind in problem.transitions[problem.transitions[:, 1] == state]:
        for n in range(held, 0, -1):
            step = problem.step_seconds[kind, n]
            options = [(plane, False)] if problem.planes == 1 or plane == 0 else [(1, False), (0, True)]
            for own, was_last in options:
                hop = 0.0 if was_last or problem.planes == 1 else problem.hop_out_seconds[kind]
                rest = held - n
                bit = reach[source, own, rest >> 6] >> np.uint64(rest & 63) & np.uint64(1)
                if bit and step + hop <= limit:
                    return int(source), int(kind), n, was_last
    raise AssertionError("a state without a stage")
