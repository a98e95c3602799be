"""Compiled inner loops of the sequence search: bounds on what is still to come, and one more stage in front."""

from typing import Any

import numpy as np

from placewright.core.kernel import compiled


@compiled
def rest_least(
    limit: float,
    step_seconds: Any,
    first_token_seconds: Any,
    kind_pool: Any,
    kind_cost: Any,
    hop_seconds: Any,
    first_token_hop_seconds: Any,
    hop_in_step: bool,
    second_price: float,
    stages: int,
    next_matters: bool,
) -> Any:
    """Least price of k more stages that hold l layers before a stage of pool p, with unlimited stock: (K+1, L+1, P).

    The price of a stage is its cost per hour plus `second_price` USD per hour for each second that it and its hop add
    to the time to first token. Links count as they are. `next_matters` False: no hop depends on the pool it leads to.
    """
    kinds = step_seconds.shape[0]
    layers = step_seconds.shape[1] - 1
    pools = hop_seconds.shape[0]
    rest = np.full((stages + 1, layers + 1, pools), np.inf)
    rest[0, 0, :] = 0.0
    before = np.empty(layers + 1)
    for k in range(1, stages + 1):
        for p in range(pools if next_matters else 1):
            for j in range(kinds):
                q = kind_pool[j]
                if hop_seconds[q, p] > limit:
                    continue
                hop = hop_seconds[q, p] if hop_in_step else 0.0
                price = kind_cost[j] + second_price * first_token_hop_seconds[q, p]
                before[:] = rest[k - 1, :, q]
                for n in range(1, layers + 1):
                    if step_seconds[j, n] + hop > limit:
                        continue
                    stage = price + second_price * first_token_seconds[j, n]
                    for held in range(layers + 1 - n):
                        rest[k, held + n, p] = min(rest[k, held + n, p], before[held] + stage)
        if not next_matters:
            for p in range(1, pools):
                rest[k, :, p] = rest[k, :, 0]
    return rest


@compiled
def root_least(
    limit: float,
    step_seconds: Any,
    first_token_seconds: Any,
    kind_pool: Any,
    kind_cost: Any,
    second_price: float,
    rest: Any,
    least_stages: int,
) -> float:
    """Least price of a replica of at least `least_stages` stages: the last stage, which has no hop, and `rest`."""
    layers = step_seconds.shape[1] - 1
    best = np.inf
    for j in range(step_seconds.shape[0]):
        for n in range(1, layers + 1):
            if step_seconds[j, n] > limit:
                continue
            price = kind_cost[j] + second_price * first_token_seconds[j, n]
            for k in range(least_stages - 1, rest.shape[0]):
                best = min(best, price + rest[k, layers - n, kind_pool[j]])
    return best


@compiled
def extend(
    totals: Any, step_row: Any, first_token_row: Any, limit: float, hop: float, added_seconds: float, worst: float
) -> Any:
    """Put one stage before a partial replica.

    totals[l] is the least time to first token of a partial replica of l layers (inf: not reachable); the new stage
    may hold n layers where step_row[n] + hop <= limit and adds first_token_row[n] + added_seconds; sums above
    `worst` drop.
    """
    layers = totals.shape[0] - 1
    result = np.full(layers + 1, np.inf)
    for n in range(1, layers + 1):
        if step_row[n] + hop > limit:
            continue
        for held in range(layers + 1 - n):
            if totals[held] < np.inf:
                value = totals[held] + (first_token_row[n] + added_seconds)
                if value <= worst and value < result[held + n]:
                    result[held + n] = value
    return result


@compiled
def extend_all(
    totals: Any,
    step_rows: Any,
    first_token_rows: Any,
    kinds: Any,
    limit: float,
    hop: float,
    added_seconds: float,
    worst: float,
) -> Any:
    """`extend` for each of these kinds: (kinds, L+1)."""
    result = np.empty((kinds.shape[0], totals.shape[0]))
    for i in range(kinds.shape[0]):
        j = kinds[i]
        result[i] = extend(totals, step_rows[j], first_token_rows[j], limit, hop, added_seconds, worst)
    return result
