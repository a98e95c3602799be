"""What a search of one priority begins with, and what every whole answer of it must hold."""

from collections.abc import Mapping

import numpy as np

from placewright.core.fleet.level import Items, Level, demand_of, rates_of
from placewright.core.fleet.problem import Problem
from placewright.core.performance.base import FloatArray


def level_of(problem: Problem, priority: int, kept: Mapping[int, float]) -> Level:
    """The level of a priority; objectives of higher ones are kept as rows after those of the problem."""
    asks = np.flatnonzero(problem.priority >= priority)
    higher = sorted(kept, reverse=True)
    keeper = np.full(problem.asks, -1, dtype=np.int64)
    for at, each in enumerate(higher):
        keeper[problem.priority == each] = len(problem.capacity) + at
    own = [kept[each] * (1 + 1e-9) + 1e-12 for each in higher]
    return Level(
        problem=problem,
        asks=asks.astype(np.int64),
        counted=(problem.priority == priority).astype(np.int64),
        keeper=keeper,
        capacity=np.concatenate([problem.capacity, np.array(own)]),
    )


def first_answer(level: Level, before: Mapping[int, Items]) -> dict[int, int]:
    """What higher priorities have, and the present plans of the others where they all fit; else these are refused."""
    refused = {ask: level.add(ask, before.get(ask, ())) for ask in level.asks.tolist()}
    kept = {ask: level.base[ask][-1] if not before.get(ask) and level.counted[ask] else refused[ask] for ask in refused}
    used = level.flat().used(np.fromiter(kept.values(), dtype=np.int64))
    return kept if (used <= level.capacity * (1 + 1e-9) + 1e-9).all() else refused


def excess_prices(level: Level) -> FloatArray:
    """A price of each row at which no ask would use it: more than any refusal per unit."""
    problem = level.problem
    most = np.ones(len(level.capacity))
    offers = np.repeat(np.arange(len(problem.cost)), np.diff(problem.use_start))
    refusal: FloatArray = problem.refusal_value[level.offer_ask[offers]]
    np.maximum.at(most, problem.use_row, refusal / problem.use_amount)
    most[len(problem.capacity) :] = 2.0
    return most


def covers(problem: Problem, ask: int, items: Items) -> bool:
    """Whether counts really cover the demand; with several classes the program's own shares are trusted."""
    low = int(problem.ask_start[ask])
    if items == tuple((low + offer, count) for offer, count in problem.standing[ask]):
        return True
    demand = demand_of(problem, ask)
    if len(demand) > 1:
        return True
    rates = rates_of(problem, ask)
    return sum(float(rates[offer - low, 0]) * count for offer, count in items) >= float(demand[0]) * (1 - 1e-9)
