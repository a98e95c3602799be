"""Compile the solver's kernels ahead of their first use: after an installation, in the image, in a solver process."""

import numpy as np

from placewright.core.fleet.problem import Ask, Offer, make_problem
from placewright.core.fleet.solve import solve
from placewright.core.kernel import balance, cost_bound, cover, pool_choice, pool_costs
from placewright.core.sequence_kernel import extend_all, rest_least, root_least
from placewright.core.walks import add_row, cheapest_counts, find_walk


def warm() -> None:
    """Call every compiled function once on a problem of one stage; later processes load the result from disk."""
    step = np.array([[np.inf, 1.0]])
    index = np.zeros(1, dtype=np.int64)
    price = np.ones(1)
    states = np.array([0, 2], dtype=np.int64)
    stages = np.array([0, 1], dtype=np.int64)
    moves = np.array([[0, 1, 0]], dtype=np.int64)
    costs = np.array([0.0, 1.0])
    table, reach = cover(1.0, np.inf, step, np.zeros(1), 1, 1, states, stages, costs, moves, False)
    pool_choice(table[0], 1.0, (0, 1, 1), 0, 2, stages, costs, reach)
    cost_bound(1.0, np.array([[0.0, 1.0]]), index, np.ones(1, dtype=np.int64), price, price.astype(np.int64), 1, True)
    extend_all(np.array([0.0, np.inf]), step, np.zeros((1, 2)), index, 1.0, 0.0, 0.0, np.inf)
    hop = np.zeros((1, 1))
    rest = rest_least(1.0, step, np.zeros((1, 2)), index, price, hop, hop, False, 0.0, 1, False)
    root_least(1.0, step, np.zeros((1, 2)), index, price, 0.0, rest, 1)
    cheapest_counts(np.array([[[0.0, np.inf], [np.inf, 1.0]]]), hop <= 1.0, 1, True, np.inf)
    find_walk(np.ones(1, dtype=np.int64), hop <= 1.0)
    add_row(np.array([0.0, np.inf]), np.zeros(2), np.zeros(2))
    pool_costs(states[0], states[1], stages, costs, reach, np.inf)
    balance(step, np.zeros(1), np.ones(1, dtype=np.int64))
    _warm_fleet()


def _warm_fleet() -> None:
    """Solve a fleet of two requests, with one class and with two: compiled within a time limit it would be cut."""
    offer = Offer(cost_per_hour=1.0, rates=(1.0,), uses=((0, 1.0),))
    other = Offer(cost_per_hour=1.5, rates=(1.0, 2.0), uses=((0, 1.0),))
    single = Ask(key="a", demands=(1.0,), offers=(offer,), refusal_value=30.0)
    double = Ask(key="b", demands=(1.0, 1.0), offers=(other,), refusal_value=30.0)
    solve(make_problem([single, double], [2.0]))
