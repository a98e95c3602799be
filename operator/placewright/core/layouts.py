"""One replica, exactly: the cheapest layout and the whole Pareto frontier of cost per hour against tokens per second.

Method (planning.md section 3). For a bottleneck T every stage kind holds the layer counts whose step time is at most
T, and only finitely many T matter. At each T that could still improve the frontier, the cheapest cover of all layers is
found by a recursion over pools; a T whose proved cost bound does not beat what is known is skipped, and so is every T
between the one solved and the bottleneck that its answer really has. What is skipped cannot hold a better layout, so a
search that ran to its end is a proof.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from placewright.core.covers import solve_at
from placewright.core.frontier import TIE, Frontier, Point, to_layout
from placewright.core.kernel import cost_bound
from placewright.core.lattice import LatticeSource, OutOfTimeError, never
from placewright.core.model import Layout, Progress, Request
from placewright.core.performance.base import FloatArray, Setting
from placewright.core.problem import Problem, problems
from placewright.core.uniform import add_uniform, is_closed

_LOOK = 1.1
_GRID = 48  # bottlenecks at which a problem is bounded before it is opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found and what it proved.

    Attributes:
        frontier: cheapest first, strictly faster as dearer; the whole Pareto set when complete.
        complete: nothing was cut; the frontier is proved.
        bound_cost_per_million_tokens: no layout is cheaper per token; None when nothing is feasible.
        bound_tokens_per_second: no layout is faster; None when nothing is feasible.
        considered: covers and closed forms that were solved.
    """

    frontier: tuple[Layout, ...]
    complete: bool
    bound_cost_per_million_tokens: float | None
    bound_tokens_per_second: float | None
    considered: int


class _Bounds:
    """Proved limits of one problem on a grid of bottlenecks."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        thresholds = problem.thresholds
        self.cost_per_rate = np.inf  # least USD per hour per (token per second)
        self.tokens_per_second = 0.0
        if len(thresholds) == 0:
            return
        picks = np.unique(np.linspace(0, len(thresholds) - 1, _GRID).astype(np.int64))
        grid = thresholds[picks]
        tokens = problem.setting.tokens_per_step
        costs = np.array([self.at(float(limit)) for limit in grid])
        # Between two grid points the cost is at least that of the slower one, the rate at most that of the faster.
        faster = np.concatenate([grid[:1], grid[:-1]])
        self.cost_per_rate = float((costs * faster / tokens).min())
        able = np.flatnonzero(np.isfinite(costs))
        if len(able):
            fastest = grid[able[0] - 1] if able[0] else grid[0]
            self.tokens_per_second = float(tokens / fastest)

    def at(self, limit_seconds: float) -> float:
        """Lower bound on the cost per hour at a bottleneck limit."""
        problem = self.problem
        bound: float = cost_bound(
            limit_seconds,
            problem.least_from,
            problem.kind_pool,
            problem.kind_gpus,
            problem.pool_price,
            problem.pool_gpus,
            problem.max_stages,
            problem.exact_stages,
        )
        return bound


class _Run:
    """One search: problems in the order of their promise, one shared frontier."""

    def __init__(self, request: Request, settings: Iterable[Setting], out_of_time: Callable[[], bool]) -> None:
        self.request = request
        self.out_of_time = out_of_time
        self.considered = 0
        given = list(settings)
        closed = [is_closed(setting) for setting in given]
        self.frontier = Frontier()
        source = LatticeSource(request.pools, out_of_time)
        uniform = [s for s, c in zip(given, closed, strict=True) if c]
        self.considered += add_uniform(request, uniform, self.frontier, source)
        rest = [s for s, c in zip(given, closed, strict=True) if not c]
        self.cut = False  # whether time ran out
        opened = [_Bounds(problem) for problem in problems(request, rest, source)]
        self.queue = sorted(
            (entry for entry in opened if entry.tokens_per_second > 0), key=lambda entry: entry.cost_per_rate
        )

    def solve(self, problem: Problem, limit: float, below_cost: float) -> Point | None:
        """solve_at, counted; None also when time ran out, which `ended` then tells."""
        self.considered += 1
        try:
            return solve_at(self.request, problem, limit, below_cost, self.out_of_time)
        except OutOfTimeError:
            self.cut = True
            return None

    def ended(self) -> bool:
        """Whether time ran out; once it did, it stays so."""
        self.cut = self.cut or self.out_of_time()
        return self.cut

    def walk(self, bounds: _Bounds) -> bool:
        """Add all that the problem can add to the frontier; False when time ran out before the end."""
        problem, thresholds = bounds.problem, bounds.problem.thresholds
        tokens = problem.setting.tokens_per_step
        i = len(thresholds) - 1
        while i >= 0:
            limit = float(thresholds[i])
            known = self.frontier.cost_at(tokens / limit)
            if bounds.at(limit) < known * (1 - TIE):
                point = None if self.ended() else self.solve(problem, limit, known * (1 - TIE))
                if point is not None:
                    self.frontier.add(point)
                if self.ended():  # what was found may have been cut short
                    return False
                if point is not None:
                    i = _slower_than(thresholds, point.bottleneck_seconds)
                    continue
            rate = self.frontier.next_rate(tokens / limit)
            if rate is None:
                return True  # no cost is low enough here, so none is at a faster bottleneck
            i = min(i - 1, _slower_than(thresholds, tokens / rate))
        return True

    def walk_best(self, bounds: _Bounds) -> bool:
        """Like walk, but only for layouts that are cheaper per token than all known."""
        problem, thresholds = bounds.problem, bounds.problem.thresholds
        tokens = problem.setting.tokens_per_step
        i = len(thresholds) - 1
        while i >= 0:
            limit = float(thresholds[i])
            ratio = self.frontier.best_cost_per_token()
            known = ratio * tokens / limit * (1 - TIE)
            cost = bounds.at(limit)
            if cost < known:
                # Looking a little above what is known tells how far the cost is from it, and so how far to jump.
                point = None if self.ended() else self.solve(problem, limit, known * _LOOK)
                if self.ended():  # what was found may have been cut short
                    if point is not None:
                        self.frontier.add(point)
                    return False
                if point is not None and point.cost_per_hour / point.tokens_per_second < ratio * (1 - TIE):
                    self.frontier.add(point)
                    i = _slower_than(thresholds, point.bottleneck_seconds)
                    continue
                cost = known * _LOOK if point is None else point.cost_per_hour
            if cost == np.inf:
                return True
            i = min(i - 1, _slower_than(thresholds, tokens * ratio / cost) + 1)
        return True


def _slower_than(thresholds: FloatArray, bottleneck_seconds: float) -> int:
    """Index of the largest threshold that is really below the bottleneck, -1 if none."""
    return int(np.searchsorted(thresholds, bottleneck_seconds * (1 - TIE))) - 1


def search(
    request: Request,
    settings: Iterable[Setting],
    *,
    out_of_time: Callable[[], bool] = never,
    on_progress: Callable[[Progress], None] | None = None,
    frontier: bool = True,
) -> Search:
    """The Pareto frontier of cost per hour against tokens per second over all settings.

    Args:
        request: gives pools (stock, prices) and units; its SLOs stand in the settings already.
        settings: from the performance model.
        out_of_time: asked between solves; True ends the search with what it has.
        on_progress: told after every problem.
        frontier: False: only the least cost per token is wanted, which is faster; the frontier is then a part of it.
    """
    run = _Run(request, settings, out_of_time)
    complete = True
    done = 0
    for bounds in run.queue:
        if not (run.walk(bounds) if frontier else run.walk_best(bounds)):
            complete = False
            break
        done += 1
        if on_progress is not None:
            on_progress(_progress(run, run.queue[done:]))
    left = [] if complete else run.queue[done:]
    points = run.frontier.points
    best = min([run.frontier.best_cost_per_token(), *(entry.cost_per_rate for entry in left)])
    fastest = max([0.0, *(p.tokens_per_second for p in points), *(entry.tokens_per_second for entry in left)])
    return Search(
        frontier=tuple(to_layout(request, point) for point in points),
        complete=complete,
        bound_cost_per_million_tokens=None if best == np.inf else best / 3600.0 * 1e6,
        bound_tokens_per_second=fastest or None,
        considered=run.considered,
    )


def _progress(run: _Run, left: Sequence[_Bounds]) -> Progress:
    best = run.frontier.best_cost_per_token()
    bound = min([best, *(entry.cost_per_rate for entry in left)])
    if best == np.inf:
        return Progress(unit="$/M tokens", incumbent=None, bound=None, gap_percent=None)
    to_million = 1e6 / 3600.0
    return Progress(
        unit="$/M tokens",
        incumbent=best * to_million,
        bound=bound * to_million,
        gap_percent=(best - bound) / best * 100.0,
    )


def cheapest_at(
    request: Request,
    settings: Iterable[Setting],
    *,
    min_tokens_per_second: float,
    out_of_time: Callable[[], bool] = never,
) -> Layout | None:
    """The layout with the least cost per hour that is at least this fast; the faster one of equals."""
    run = _Run(request, settings, out_of_time)
    best = run.frontier.cheapest(min_tokens_per_second)
    for bounds in run.queue:
        if run.ended():
            break
        tokens = bounds.problem.setting.tokens_per_step
        limit = min(tokens / min_tokens_per_second * (1 + TIE), float(bounds.problem.thresholds[-1]))
        below = np.inf if best is None else best.cost_per_hour
        if bounds.at(limit) >= below:
            continue
        point = run.solve(bounds.problem, limit, below)
        while point is not None:  # the same cost, but faster
            best, cost = point, point.cost_per_hour
            point = run.solve(bounds.problem, point.bottleneck_seconds * (1 - 1e-9), cost * (1 + TIE))
    return None if best is None else to_layout(request, best)


def fastest_within(
    request: Request,
    settings: Iterable[Setting],
    *,
    budget_per_hour: float,
    out_of_time: Callable[[], bool] = never,
) -> Layout | None:
    """The fastest layout that costs at most the budget per hour; the cheaper one of equals."""
    run = _Run(request, settings, out_of_time)
    run.queue.sort(key=lambda entry: -entry.tokens_per_second)
    budget = budget_per_hour * (1 + TIE)
    best = run.frontier.fastest(budget)
    for bounds in run.queue:
        problem, thresholds = bounds.problem, bounds.problem.thresholds
        tokens = problem.setting.tokens_per_step
        high = len(thresholds) - 1
        if best is not None:
            high = _slower_than(thresholds, tokens / best.tokens_per_second)
        low = 0
        while low <= high and not run.ended():  # the least bottleneck that the budget buys
            middle = (low + high) // 2 if best is not None and best.problem is problem else high
            limit = float(thresholds[middle])
            point = run.solve(problem, limit, budget) if bounds.at(limit) < budget else None
            if point is None:
                if best is None or best.problem is not problem:
                    break
                low = middle + 1
            else:
                best = point
                high = _slower_than(thresholds, point.bottleneck_seconds)
    return None if best is None else to_layout(request, best)
