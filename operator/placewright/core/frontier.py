"""Points of the search and the set of those that no other beats."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from placewright.core.kernel import balance
from placewright.core.lattice import pool_cost_per_hour
from placewright.core.model import Layout, Request, Stage
from placewright.core.problem import Problem
from placewright.core.sequence import Sequence

TIE = 1e-12  # relative; sums of prices in another order differ by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A layout found: cost, bottleneck and ordered (kind, layers) stages of its problem."""

    cost_per_hour: float
    tokens_per_second: float
    bottleneck_seconds: float
    problem: Problem
    stages: tuple[tuple[int, int], ...]


class Frontier:
    """Points that no other beats, cheapest first."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._rates: list[float] = []

    def _at_least(self, tokens_per_second: float) -> int:
        return bisect_left(self._rates, tokens_per_second * (1 - TIE))

    def cheapest(self, tokens_per_second: float) -> Point | None:
        """The cheapest known point that is at least this fast."""
        i = self._at_least(tokens_per_second)
        return self.points[i] if i < len(self.points) else None

    def fastest(self, budget_per_hour: float) -> Point | None:
        """The fastest known point that costs at most the budget."""
        return next((p for p in reversed(self.points) if p.cost_per_hour <= budget_per_hour), None)

    def cost_at(self, tokens_per_second: float) -> float:
        """Least known cost for at least this rate; inf when none is known."""
        point = self.cheapest(tokens_per_second)
        return np.inf if point is None else point.cost_per_hour

    def next_rate(self, tokens_per_second: float) -> float | None:
        """Rate of the cheapest known point that is at least this fast."""
        point = self.cheapest(tokens_per_second)
        return None if point is None else point.tokens_per_second

    def add(self, point: Point) -> None:
        """Insert a point unless one as cheap is as fast, and drop those it beats."""
        if point.cost_per_hour >= self.cost_at(point.tokens_per_second) * (1 - TIE):
            return
        kept = [
            old
            for old in self.points
            if old.tokens_per_second > point.tokens_per_second * (1 + TIE)
            or old.cost_per_hour < point.cost_per_hour * (1 - TIE)
        ]
        kept.append(point)
        kept.sort(key=lambda entry: entry.tokens_per_second)
        self.points = kept
        self._rates = [entry.tokens_per_second for entry in kept]

    def best_cost_per_token(self) -> float:
        """Least cost per hour over tokens per second; inf when empty."""
        return min((p.cost_per_hour / p.tokens_per_second for p in self.points), default=np.inf)


def make_point(request: Request, problem: Problem, sequence: Sequence) -> Point:
    """Even out the sizes where that is allowed, and take the real bottleneck and cost of the stages."""
    kinds = np.array([kind for kind, _ in sequence.stages])
    sizes = np.array([n for _, n in sequence.stages], dtype=np.int64)
    own = problem.kind_pool[kinds]
    hops = np.zeros(len(kinds))
    hops[:-1] = problem.hop_seconds[own[:-1], own[1:]]
    stage_hops = hops if problem.setting.hop_in_step else np.zeros(len(kinds))
    if problem.regular:
        even = sizes.copy()
        balance(problem.step_seconds[kinds], stage_hops, even)
        if first_token_seconds(problem, kinds, even) <= problem.setting.max_first_token_seconds:
            sizes = even
    bottleneck = float((problem.step_seconds[kinds, sizes] + stage_hops).max())
    if not problem.setting.hop_in_step:
        bottleneck = max(bottleneck, float(hops.max()))
    return Point(
        cost_per_hour=layout_cost_per_hour(request, _stages(request, problem, sequence.stages)),
        tokens_per_second=problem.setting.tokens_per_step / bottleneck,
        bottleneck_seconds=bottleneck,
        problem=problem,
        stages=tuple(zip(kinds.tolist(), sizes.tolist(), strict=True)),
    )


def first_token_seconds(problem: Problem, kinds: np.ndarray, sizes: np.ndarray) -> float:
    """Time to first token of ordered stages."""
    own = problem.kind_pool[kinds]
    hops = problem.first_token_hop_seconds[own[:-1], own[1:]].sum()
    return float(problem.first_token_seconds[kinds, sizes].sum() + hops)


def _stages(request: Request, problem: Problem, stages: tuple[tuple[int, int], ...]) -> tuple[Stage, ...]:
    """Public form of (kind, layers) pairs."""
    result, first = [], 0
    for kind, layers in stages:
        pool = request.pools[problem.pools[problem.kind_pool[kind]]]
        degree = int(problem.kind_gpus[kind])
        result.append(
            Stage(
                pool=pool.name,
                gpu=pool.gpu.name,
                tensor_parallel=degree,
                first_layer=first,
                last_layer=first + layers - 1,
            )
        )
        first += layers
    return tuple(result)


def to_layout(request: Request, point: Point) -> Layout:
    """The public form of a point."""
    problem = point.problem
    stages = _stages(request, problem, point.stages)
    setting = problem.setting
    kinds = np.array([kind for kind, _ in point.stages])
    sizes = np.array([n for _, n in point.stages])
    return Layout(
        stages=stages,
        precision=setting.precision,
        max_concurrency=setting.concurrency,
        cost_per_hour=point.cost_per_hour,
        tokens_per_second=point.tokens_per_second,
        requests_per_second=point.tokens_per_second / request.workload.tokens_per_request,
        ttft_seconds=first_token_seconds(problem, kinds, sizes) if setting.has_ttft else None,
        tpot_seconds=setting.tpot_steps * point.bottleneck_seconds if setting.has_tpot else None,
    )


def layout_cost_per_hour(request: Request, stages: tuple[Stage, ...]) -> float:
    """USD per hour of the stages, pool by pool in the order of names."""
    total = 0.0
    for pool in sorted(request.pools, key=lambda entry: entry.name):
        degrees = [stage.tensor_parallel for stage in stages if stage.pool == pool.name]
        if degrees:
            groups = tuple(sorted((d, degrees.count(d)) for d in set(degrees)))
            total += pool_cost_per_hour(pool, groups)
    return total
