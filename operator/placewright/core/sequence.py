"""The order of stages, exactly: for slow or unequal links and for the time to first token.

The recursion in kernel.cover does not see which stage follows which. Where that matters, replicas are built here from
the last stage to the first, layer by layer of depth: a state is (what each pool gives so far, pool of the first stage)
and holds, for every number of layers, the least time to first token. States are dropped only when their cost plus a
proved lower bound of the rest reaches the limit, so the first answer found under a limit is the cheapest one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placewright.core.kernel import cover
from placewright.core.lattice import never
from placewright.core.performance.base import FloatArray
from placewright.core.problem import Problem
from placewright.core.sequence_kernel import extend_all, rest_least, root_least

_State = tuple[tuple[int, ...], int]  # (state of each pool's successor table, pool of the first stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Ordered stages: (kind, layers) pairs, first stage first."""

    stages: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What may be used: per pool a successor table over kinds (-1: not allowed) and the cost of each state."""

    successor: tuple[dict[tuple[int, int], int], ...]  # (state, kind) -> state
    cost_per_hour: tuple[FloatArray, ...]


def full_stock(problem: Problem) -> Stock:
    """Everything the pools have."""
    tables, costs = [], []
    for pool, lattice in enumerate(problem.lattices):
        kinds = np.flatnonzero(problem.kind_pool == pool)
        table = {
            (state, int(j)): int(lattice.successor[state, problem.kind_degree[j]])
            for j in kinds
            for state in range(len(lattice.stages))
            if lattice.successor[state, problem.kind_degree[j]] >= 0
        }
        tables.append(table)
        costs.append(lattice.cost_per_hour)
    return Stock(successor=tuple(tables), cost_per_hour=tuple(costs))


def stock_of(problem: Problem, kinds: list[int]) -> Stock:
    """Just these stages (a multiset of kinds): used to order stages that are already chosen."""
    tables: list[dict[tuple[int, int], int]] = []
    for pool in range(len(problem.pools)):
        own = sorted({j for j in kinds if problem.kind_pool[j] == pool})
        limits = [kinds.count(j) for j in own]
        index: dict[tuple[int, ...], int] = {(0,) * len(own): 0}
        queue = [(0,) * len(own)]
        table: dict[tuple[int, int], int] = {}
        for counts in queue:
            for i, j in enumerate(own):
                if counts[i] < limits[i]:
                    after = (*counts[:i], counts[i] + 1, *counts[i + 1 :])
                    if after not in index:
                        index[after] = len(index)
                        queue.append(after)
                    table[index[counts], j] = index[after]
        tables.append(table)
    return Stock(successor=tuple(tables), cost_per_hour=tuple(np.zeros(len(t) + 1) for t in tables))


class Builder:
    """Builds replicas at one bottleneck limit from one stock."""

    def __init__(self, problem: Problem, stock: Stock, limit_seconds: float) -> None:
        self.problem = problem
        self.stock = stock
        self.limit = limit_seconds
        self.worst = problem.setting.max_first_token_seconds * (1 + 1e-12)
        self._costs: list[list[float]] = [costs.tolist() for costs in stock.cost_per_hour]
        first = problem.first_state
        self._per_gpu_costs: list[list[float]] = [
            problem.state_cost_per_gpu[first[p] : first[p + 1]].tolist() for p in range(len(problem.pools))
        ]
        self.kinds_of = [np.flatnonzero(problem.kind_pool == p) for p in range(len(problem.pools))]
        self.depths: list[dict[_State, FloatArray]] = []

    def cost(self, pools: tuple[int, ...]) -> float:
        """USD per hour of a state."""
        return sum(costs[state] for costs, state in zip(self._costs, pools, strict=True))

    def cheapest(
        self,
        below_cost: float,
        bounds: "list[Bound]",
        stages: tuple[int, ...],
        out_of_time: Callable[[], bool],
    ) -> tuple[float, _State] | None:
        """Cheapest state that covers all layers with one of `stages` stage counts at less than below_cost."""
        problem = self.problem
        self.depths = [self._last_stages()]
        best: tuple[float, _State] | None = None
        for depth in range(1, max(stages) + 1):
            if depth > 1:
                left = max(stages) - depth + 1
                self.depths.append(self._prepend(self.depths[-1], below_cost, bounds, left, out_of_time))
            if depth in stages:
                for state in sorted(self.depths[-1]):
                    cost = self.cost(state[0])
                    if self.depths[-1][state][problem.layers] < np.inf and cost < below_cost:
                        best, below_cost = (cost, state), cost
            if not self.depths[-1] or out_of_time():
                break
        return best

    def _last_stages(self) -> dict[_State, FloatArray]:
        problem = self.problem
        nothing = np.full(problem.layers + 1, np.inf)
        nothing[0] = 0.0
        start = (0,) * len(problem.pools)
        found: dict[_State, FloatArray] = {}
        for pool in range(len(problem.pools)):
            self._add(found, (start, -1), nothing, pool, hop=0.0, first_token_hop=0.0)
        return found

    def _add(
        self,
        found: dict[_State, FloatArray],
        state: _State,
        totals: FloatArray,
        pool: int,
        *,
        hop: float,
        first_token_hop: float,
    ) -> None:
        """Put one stage of `pool` before the state, with every kind of it."""
        problem = self.problem
        kinds = self.kinds_of[pool]
        rows = extend_all(
            totals,
            problem.step_seconds,
            problem.first_token_seconds,
            kinds,
            self.limit,
            hop if problem.setting.hop_in_step else 0.0,
            first_token_hop,
            self.worst,
        )
        useful = (rows < np.inf).any(axis=1)
        successor = self.stock.successor[pool]
        for i in np.flatnonzero(useful):
            after = successor.get((state[0][pool], int(kinds[i])))
            if after is None:
                continue
            key = ((*state[0][:pool], after, *state[0][pool + 1 :]), pool)
            old = found.get(key)
            found[key] = rows[i] if old is None else np.minimum(old, rows[i])

    def _prepend(
        self,
        current: dict[_State, FloatArray],
        below_cost: float,
        bounds: "list[Bound]",
        stages_left: int,
        out_of_time: Callable[[], bool],
    ) -> dict[_State, FloatArray]:
        problem = self.problem
        found: dict[_State, FloatArray] = {}
        for state, totals in sorted(current.items()):
            if self.cost(state[0]) >= below_cost:
                continue
            if out_of_time():
                break
            kept = self._promising(state, totals, below_cost, bounds, stages_left)
            if kept is None:
                continue
            for pool in self._pools_before(state[1]):
                hop = float(problem.hop_seconds[pool, state[1]])
                if hop <= self.limit:
                    token_hop = float(problem.first_token_hop_seconds[pool, state[1]])
                    self._add(found, state, kept, pool, hop=hop, first_token_hop=token_hop)
        return found

    def _pools_before(self, pool: int) -> range:
        """Pools that may precede a stage of this pool; where order is free but for the last stage, not all orders."""
        every = range(len(self.problem.pools))
        return range(pool + 1) if self.problem.order_is_free and len(self.depths) > 1 else every

    def _promising(
        self, state: _State, totals: FloatArray, below_cost: float, bounds: "list[Bound]", stages_left: int
    ) -> FloatArray | None:
        """The layer totals that no bound rules out; None when there are none."""
        kept = totals
        for bound in bounds:
            spent = bound.cost_weight * self._per_gpu_cost(state[0]) + bound.rest[stages_left, ::-1, state[1]]
            allowed = bound.cost_weight * below_cost
            if bound.second_price:
                spent = spent + bound.second_price * kept
                allowed += bound.second_price * self.worst
            kept = np.where(spent <= allowed, kept, np.inf)
        return kept if (kept < np.inf).any() else None

    def _per_gpu_cost(self, pools: tuple[int, ...]) -> float:
        return sum(costs[state] for costs, state in zip(self._per_gpu_costs, pools, strict=True))

    def trace(self, state: _State) -> Sequence:
        """The stages of a state that covers all layers, first stage first."""
        problem = self.problem
        left = problem.layers
        chosen: list[tuple[int, int]] = []
        for depth in range(len(self.depths) - 1, -1, -1):
            if state not in self.depths[depth]:
                continue
            if depth == 0:
                only = next(int(k) for k in self.kinds_of[state[1]] if self._one_stage(state, int(k), left))
                chosen.append((only, left))
                return Sequence(stages=tuple(chosen))
            kind, size, state = self._before(state, left, depth)
            chosen.append((kind, size))
            left -= size
        raise AssertionError("a state without a past")

    def _one_stage(self, state: _State, kind: int, layers: int) -> bool:
        pool = state[1]
        start = self.stock.successor[pool].get((0, kind))
        if start != state[0][pool] or self.problem.step_seconds[kind, layers] > self.limit:
            return False
        return bool(self.problem.first_token_seconds[kind, layers] == self.depths[0][state][layers])

    def _before(self, state: _State, layers: int, depth: int) -> tuple[int, int, _State]:
        """The first stage of the state and the state behind it."""
        problem = self.problem
        pools, pool = state
        target = self.depths[depth][state][layers]
        for old, totals in sorted(self.depths[depth - 1].items()):
            if any(a != b for p, (a, b) in enumerate(zip(old[0], pools, strict=True)) if p != pool):
                continue
            hop = float(problem.hop_seconds[pool, old[1]])
            if hop > self.limit:
                continue
            added = hop if problem.setting.hop_in_step else 0.0
            token_hop = float(problem.first_token_hop_seconds[pool, old[1]])
            for kind in self.kinds_of[pool]:
                if self.stock.successor[pool].get((old[0][pool], int(kind))) != pools[pool]:
                    continue
                for n in range(1, layers + 1):
                    if problem.step_seconds[kind, n] + added <= self.limit and (
                        totals[layers - n] + (problem.first_token_seconds[kind, n] + token_hop) == target
                    ):
                        return int(kind), n, old
        raise AssertionError("a state without a past")


def arrange(problem: Problem, kinds: list[int], limit_seconds: float) -> Sequence | None:
    """Order these stages and choose their sizes so that no stage or hop exceeds the limit and TTFT is least."""
    builder = Builder(problem, stock_of(problem, kinds), limit_seconds)
    found = builder.cheapest(np.inf, [], (len(kinds),), never)
    return None if found is None else builder.trace(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A proved lower bound on what may still be added, at a price for the time to first token (Lagrange).

    Any replica that costs less than c and meets a TTFT target of w seconds has cost + second_price * TTFT below
    c + second_price * w; so a partial replica whose own price plus `rest` reaches that leads nowhere. With
    cost_weight 0 only the time to first token counts.
    """

    cost_weight: float = 1.0
    second_price: float  # USD per hour for each second of TTFT
    rest: FloatArray  # (K+1, L+1, Q) for k (unless exact: at most k) more stages of l layers before a stage of a pool


def cheapest_sequence(
    problem: Problem, limit_seconds: float, at_least: float, below_cost: float, out_of_time: Callable[[], bool]
) -> tuple[float, Sequence] | None:
    """The cheapest replica under a bottleneck limit, exactly; None when none costs less than below_cost.

    Tries cost limits upwards from the best proved bound, so that few states are built.
    """
    counts = (problem.max_stages,) if problem.exact_stages else tuple(range(1, problem.max_stages + 1))
    total = float(problem.state_cost.max()) * len(problem.pools) + 1.0
    ceiling = min(below_cost, total * 2)
    bounds, proved = _bounds(problem, limit_seconds, max(at_least, 1e-9))
    at_least = max(at_least, proved)
    if at_least >= ceiling:
        return None
    bounds.append(Bound(second_price=0.0, rest=_stock_bound(problem, limit_seconds)))
    stock = full_stock(problem)
    trial = at_least * 1.02 + 1e-9
    while True:
        trial = min(trial, ceiling)
        builder = Builder(problem, stock, limit_seconds)
        found = builder.cheapest(trial, bounds, counts, out_of_time)
        if found is not None:
            return found[0], builder.trace(found[1])
        if trial >= ceiling or out_of_time():
            return None
        trial = at_least + (trial - at_least) * 3.0


def _bounds(problem: Problem, limit_seconds: float, scale: float) -> tuple[list[Bound], float]:
    """Bounds that know the links (and, with a TTFT target, the price of time) but not the stock.

    Returns them with the lower bound on the cost of a whole replica that they prove.
    """
    worst = problem.setting.max_first_token_seconds
    plain, proved = _bound(problem, limit_seconds, second_price=0.0)
    if worst == np.inf:
        return [plain], proved
    time_alone, least_seconds = _bound(problem, limit_seconds, second_price=1.0, cost_weight=0.0)
    if least_seconds > worst * (1 + 1e-12):
        return [], np.inf
    unit = scale / max(worst, 1e-9)
    priced: dict[float, tuple[float, Bound]] = {}

    def value(exponent: float) -> float:
        """Lower bound on the cost at this price of a second."""
        if exponent not in priced:
            price = unit * 2.0**exponent
            bound, root = _bound(problem, limit_seconds, second_price=price)
            priced[exponent] = (root - price * worst, bound)
        return priced[exponent][0]

    best, step = 0.0, 4.0
    while step >= 0.5:  # the bound is concave in the price, so climbing finds its top
        above, below = value(best + step), value(best - step)
        if max(above, below) > value(best) and abs(best) < 40.0:
            best = best + step if above >= below else best - step
        else:
            step /= 2.0
    found, bound = priced[best]
    return [plain, time_alone, bound], max(proved, found)


def _bound(
    problem: Problem, limit_seconds: float, *, second_price: float, cost_weight: float = 1.0
) -> tuple[Bound, float]:
    """The bound at one price, and the least price of a whole replica."""
    kind_cost = cost_weight * problem.pool_price[problem.kind_pool] * problem.kind_gpus
    tables = (problem.step_seconds, problem.first_token_seconds, problem.kind_pool, kind_cost)
    hops = (problem.hop_seconds, problem.first_token_hop_seconds, problem.setting.hop_in_step)
    most = problem.max_stages
    rest = rest_least(limit_seconds, *tables, *hops, second_price, most - 1, not problem.hops_alike)
    root = root_least(limit_seconds, *tables, second_price, rest, most if problem.exact_stages else 1)
    if not problem.exact_stages:
        rest = np.minimum.accumulate(rest, axis=0)
    return Bound(second_price=second_price, rest=rest, cost_weight=cost_weight), float(root)


def _stock_bound(problem: Problem, limit_seconds: float) -> FloatArray:
    """Least per-GPU cost to hold l layers in k (unless exact: at most k) stages from the real stock, order ignored."""
    table, _ = cover(
        limit_seconds,
        np.inf,
        problem.step_seconds,
        problem.hop_out_seconds,
        1,
        problem.max_stages,
        problem.first_state,
        problem.state_stages,
        problem.state_cost_per_gpu,
        problem.transitions,
        True,
    )
    least: FloatArray = table[-1, 0]
    if not problem.exact_stages:
        least = np.minimum.accumulate(least, axis=0)
    return np.repeat(least[:, :, None], len(problem.pools), axis=2)
