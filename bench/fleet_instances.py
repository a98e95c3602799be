"""Random fleets with a fixed seed, as the arrays that the solver takes.

Every ask has 30 layouts on ten of the pools. Prices follow the speed of a pool's GPUs only roughly, and models differ
in the GPUs that they like, so asks compete for the same bargains. The stock is such that the cheapest covers of all
asks (what each would take with all stock to itself) would take 60 to 95 % of each pool if they were spread evenly over
the pools; as they are not, a quarter of the pools are short and asks must move.
"""

from dataclasses import dataclass, replace

import numpy as np

from placewright.core.fleet.problem import NO_LIMIT, Problem, Solution
from placewright.core.fleet.solve import solve
from placewright.core.performance.base import FloatArray, IntArray

SEED = 20261121
LAYOUTS = 30
POOLS_OF_AN_ASK = 10
GROUPS = (1, 2, 4, 8, 16)  # GPUs of a layout
LOAD = (0.60, 0.95)
REFUSAL = 30.0  # times the ask's own cheapest cover, as the planner weighs it
NODE = 8
UNLIMITED = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A fleet and what is known of it.

    Attributes:
        load_percent: GPUs of all cheapest covers over GPUs of all pools.
        short_pools: pools whose own cheapest covers exceed their stock.
    """

    problem: Problem
    load_percent: float
    short_pools: int


def random_fleet(asks: int, pools: int, *, seed: int = SEED) -> Instance:
    """A fleet of that many requests and pools."""
    rng = np.random.default_rng([seed, asks, pools])
    row, gpus, rate, cost = _offers(rng, asks, pools)
    demand = (rate.mean(axis=1) * rng.lognormal(np.log(4.0), 0.7, asks)).round(6)
    refusal = REFUSAL * (np.ceil(demand[:, None] / rate) * cost).min(axis=1)
    unlimited = _problem(row, gpus, rate, cost, demand, refusal, np.full(pools, UNLIMITED))
    wanted = used_by_row(unlimited, solve(unlimited))
    stock = np.ceil(wanted.mean() / rng.uniform(*LOAD, pools) / NODE) * NODE
    return Instance(
        problem=replace(unlimited, capacity=stock),
        load_percent=float(wanted.sum() / stock.sum()) * 100.0,
        short_pools=int((wanted > stock).sum()),
    )


def _offers(rng: np.random.Generator, asks: int, pools: int) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Pool, GPUs, requests/s and USD per hour of every layout, each (asks, LAYOUTS)."""
    speed = rng.lognormal(0.0, 0.4, pools)
    price = (speed * rng.lognormal(0.6, 0.12, pools)).round(4)
    chosen = np.argsort(rng.random((asks, pools)), axis=1)[:, : min(pools, POOLS_OF_AN_ASK)]
    row = np.resize(np.arange(chosen.shape[1]), LAYOUTS)
    own = np.take_along_axis(chosen, np.broadcast_to(row, (asks, LAYOUTS)), axis=1).astype(np.int64)
    gpus = rng.choice(np.array(GROUPS, dtype=np.float64), (asks, LAYOUTS))
    liking = np.take_along_axis(rng.lognormal(0.0, 0.25, chosen.shape), np.broadcast_to(row, (asks, LAYOUTS)), axis=1)
    rate = gpus**0.92 * speed[own] * liking * rng.lognormal(0.0, 0.08, (asks, LAYOUTS))
    return own, gpus, rate, gpus * price[own]


def _problem(
    row: IntArray,
    gpus: FloatArray,
    rate: FloatArray,
    cost: FloatArray,
    demand: FloatArray,
    refusal: FloatArray,
    stock: FloatArray,
) -> Problem:
    asks, offers = len(demand), row.size
    return Problem(
        keys=tuple(f"r{ask:06d}" for ask in range(asks)),
        capacity=stock,
        ask_start=np.arange(asks + 1, dtype=np.int64) * LAYOUTS,
        class_start=np.arange(asks + 1, dtype=np.int64),
        demand=demand,
        cost=cost.ravel(),
        value=cost.ravel().copy(),
        copies=np.ones(offers, dtype=np.int64),
        rate_start=np.arange(offers, dtype=np.int64),
        rate=rate.ravel(),
        use_start=np.arange(offers + 1, dtype=np.int64),
        use_row=row.ravel(),
        use_amount=gpus.ravel(),
        min_copies=np.zeros(asks, dtype=np.int64),
        max_copies=np.full(asks, NO_LIMIT, dtype=np.int64),
        max_cost=np.full(asks, np.inf),
        refusal_value=refusal,
        priority=np.zeros(asks, dtype=np.int64),
        standing=((),) * asks,
        standing_only=np.zeros(asks, dtype=np.int64),
    )


def with_more_demand(problem: Problem, ask: int, factor: float) -> Problem:
    """The same fleet after one request's demand changed."""
    demand = problem.demand.copy()
    demand[ask] *= factor
    return replace(problem, demand=demand)


def with_plans(problem: Problem, solution: Solution, changed: int) -> Problem:
    """The fleet with its plans in force: each stays unless another saves ten percent; the changed request has none.

    As the planner does it: the default of stabilization.minSavingsPercent, after minDwell.
    """
    standing = [taken or () for taken in solution.taken]
    standing[changed] = ()
    most = problem.max_cost.copy()
    for ask, taken in enumerate(standing):
        if taken:
            start = int(problem.ask_start[ask])
            most[ask] = 0.9 * sum(float(problem.cost[start + offer]) * count for offer, count in taken)
    return replace(problem, standing=tuple(standing), max_cost=most)


def used_by_row(problem: Problem, solution: Solution) -> FloatArray:
    """What a solution takes of each row; raises when a row is overdrawn or a demand is not covered."""
    used = np.zeros(len(problem.capacity))
    for ask, taken in enumerate(solution.taken):
        served = 0.0
        for offer, count in taken or ():
            at = int(problem.ask_start[ask]) + offer
            served += count * float(problem.rate[problem.rate_start[at]])
            for use in range(int(problem.use_start[at]), int(problem.use_start[at + 1])):
                used[problem.use_row[use]] += count * problem.use_amount[use]
        if taken is not None and served < problem.demand[problem.class_start[ask]] * (1 - 1e-6):
            raise AssertionError(f"ask {ask} is served {served} of {problem.demand[problem.class_start[ask]]}")
    if (used > problem.capacity * (1 + 1e-6)).any():
        raise AssertionError("a row is overdrawn")
    return used
