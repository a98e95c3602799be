"""The cheapest cover whose stages can be put in an order, when a slow link forbids some pools to follow others.

Where hops are a bottleneck of their own, whether stages can be ordered depends on one thing only: how many stages each
pool has. So all counts are tried, with bounds, and a count is kept when some walk along allowed links visits every pool
that often.
"""

from typing import Any

import numpy as np

from placewright.core.kernel import compiled, join_pool


@compiled
def find_walk(counts: Any, allowed: Any) -> Any:
    """An order of pools that has each one counts[p] times along allowed[from, to] links; empty when there is none."""
    pools = counts.shape[0]
    strides = np.ones(pools, dtype=np.int64)
    for p in range(1, pools):
        strides[p] = strides[p - 1] * (counts[p - 1] + 1)
    size = strides[pools - 1] * (counts[pools - 1] + 1)
    # first[state, p]: the stages of the state can be ordered with pool p first; a state is a count of each pool.
    first = np.zeros((size, pools), dtype=np.bool_)
    for p in range(pools):
        if counts[p] > 0:
            first[strides[p], p] = True
    for state in range(1, size):
        for p in range(pools):
            if (state // strides[p]) % (counts[p] + 1) == 0 or first[state, p]:
                continue
            behind = state - strides[p]
            for q in range(pools):
                if allowed[p, q] and first[behind, q]:
                    first[state, p] = True
                    break
    total = counts.sum()
    order = np.empty(total, dtype=np.int64)
    state = size - 1
    for i in range(total):
        found = -1
        for p in range(pools):
            if first[state, p] and (i == 0 or allowed[order[i - 1], p]):
                found = p
                break
        if found < 0:
            return np.empty(0, dtype=np.int64)
        order[i] = found
        state -= strides[found]
    return order


@compiled
def add_row(before: Any, row: Any, after: Any) -> None:
    """after[l] = least before[l - n] + row[n], a min-plus sum over layers."""
    layers = before.shape[0] - 1
    after[:] = np.inf
    for n in range(layers + 1):
        if row[n] == np.inf:
            continue
        for held in range(layers + 1 - n):
            after[held + n] = min(after[held + n], before[held] + row[n])


@compiled
def cheapest_counts(costs: Any, allowed: Any, stages: int, exact: bool, below_cost: float) -> Any:
    """The stage count of each pool of the cheapest cover that can be ordered.

    Args:
        costs: (P, K+1, L+1) least cost of a pool by its stages and layers.
        allowed: (P, P) whether a stage of the second pool may follow one of the first.
        stages: K, the number of stages, or the most of them.
        exact: whether it is the number.
        below_cost: only covers that cost less count.

    Returns:
        (P,) counts, all zero when there is no such cover.
    """
    pools, _, width = costs.shape
    layers = width - 1
    # rest[p, k, l]: least cost of pools p.. for l layers in k (unless exact: at most k) stages, in no order.
    rest = np.full((pools + 1, 2, stages + 1, layers + 1), np.inf)
    rest[pools, 0, 0, 0] = 0.0
    planes = np.full((2, stages + 1, layers + 1), np.inf)
    for p in range(pools - 1, -1, -1):
        planes[0] = costs[p]
        join_pool(rest[p + 1], planes, rest[p], below_cost, False)
    if not exact:
        for p in range(pools + 1):
            for k in range(1, stages + 1):
                rest[p, 0, k] = np.minimum(rest[p, 0, k], rest[p, 0, k - 1])
    best = np.zeros(pools, dtype=np.int64)
    chosen = np.full(pools, -1, dtype=np.int64)
    used = np.zeros(pools + 1, dtype=np.int64)
    totals = np.full((pools + 1, layers + 1), np.inf)
    totals[0, 0] = 0.0
    p = 0
    while p >= 0:
        chosen[p] += 1
        k = chosen[p]
        left = stages - used[p] - k
        if left < 0:
            chosen[p] = -1
            p -= 1
            continue
        add_row(totals[p], costs[p, k], totals[p + 1])
        hope = False
        for held in range(layers + 1):
            if totals[p + 1, held] + rest[p + 1, 0, left, layers - held] < below_cost:
                hope = True
                break
        if not hope:
            continue
        if p < pools - 1:
            used[p + 1] = used[p] + k
            p += 1
            continue
        if find_walk(chosen, allowed).shape[0] > 0:
            below_cost = totals[pools, layers]
            best[:] = chosen
    return best
