"""Compiled inner loops of the layout solver: plain functions on arrays, each also runnable uncompiled.

`cover` is the recursion of planning.md section 3: at a bottleneck limit, the cheapest way to cover all layers. Layer
totals that a set of stages can hold are bit sets (bit l: exactly l layers), so uneven, quantised and non-monotone stage
sizes cost the same as plain intervals.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile with a cache on disk, so that only the first run after an installation pays for it."""
    try:
        return cast(_F, numba.njit(cache=True, error_model="numpy")(function))
    except RuntimeError:  # no folder can be written: compile again in every process rather than not at all
        return cast(_F, numba.njit(error_model="numpy")(function))


_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_WORD = np.uint64(64)


@compiled
def shift_in(target: Any, source: Any, low: int, high: int, scratch: Any) -> None:
    """Add to target every total of source plus n, for n from low to high (all are bit sets of the same words)."""
    words = source.shape[0]
    skip = low >> 6
    bits = np.uint64(low & 63)
    for w in range(words):
        value = _ZERO
        if w >= skip:
            value = source[w - skip] << bits
            if bits > _ZERO and w > skip:
                value |= source[w - skip - 1] >> (_WORD - bits)
        scratch[w] = value
    covered = 1
    needed = high - low + 1
    while covered < needed:  # doubling: shifts by 0..c-1 are in, so one more pass covers 0..2c-1
        step = min(covered, needed - covered)
        skip = step >> 6
        bits = np.uint64(step & 63)
        for w in range(words - 1, -1, -1):
            if w >= skip:
                value = scratch[w - skip] << bits
                if bits > _ZERO and w > skip:
                    value |= scratch[w - skip - 1] >> (_WORD - bits)
                scratch[w] |= value
        covered += step
    for w in range(words):
        target[w] |= scratch[w]


@compiled
def fill_reach(
    limit: float,
    below_cost: float,
    step_seconds: Any,
    hop_out_seconds: Any,
    planes: int,
    state_cost: Any,
    transitions: Any,
    reach: Any,
) -> None:
    """Fill the layer totals that every state of every pool can hold when no stage takes longer than `limit`.

    Args:
        limit: bottleneck in seconds.
        below_cost: states at or above this cost are left empty.
        step_seconds: (J, L+1).
        hop_out_seconds: (J,) least time of the hop that follows a stage of the kind; 0 when hops are apart.
        planes: 2 when the last stage (which has no hop) must be told apart, else 1.
        state_cost: (N,) USD per hour of the pool in that state.
        transitions: (M, 3) rows (from state, to state, kind), sources before targets.
        reach: (N, 2, W) uint64, zero but for bit 0 of plane 0 in the empty states; plane 1 holds totals with the
            last stage in.
    """
    kinds, width = step_seconds.shape
    layers = width - 1
    runs = np.zeros((kinds, 2, layers + 2, 2), dtype=np.int64)
    run_count = np.zeros((kinds, 2), dtype=np.int64)
    for j in range(kinds):
        for last in range(2):
            hop = 0.0 if (last == 1 or planes == 1) else hop_out_seconds[j]
            start = 0
            for n in range(1, layers + 2):
                fits = n <= layers and step_seconds[j, n] + hop <= limit
                if fits and start == 0:
                    start = n
                if not fits and start > 0:
                    runs[j, last, run_count[j, last], 0] = start
                    runs[j, last, run_count[j, last], 1] = n - 1
                    run_count[j, last] += 1
                    start = 0
    scratch = np.zeros(reach.shape[2], dtype=np.uint64)
    for m in range(transitions.shape[0]):
        source = transitions[m, 0]
        target = transitions[m, 1]
        kind = transitions[m, 2]
        if state_cost[target] >= below_cost:
            continue
        for plane in range(planes):
            for r in range(run_count[kind, 0]):
                shift_in(reach[target, plane], reach[source, plane], runs[kind, 0, r, 0], runs[kind, 0, r, 1], scratch)
        if planes == 2:
            for r in range(run_count[kind, 1]):
                shift_in(reach[target, 1], reach[source, 0], runs[kind, 1, r, 0], runs[kind, 1, r, 1], scratch)


@compiled
def pool_costs(first: int, after: int, state_stages: Any, state_cost: Any, reach: Any, below_cost: float) -> Any:
    """Least cost of one pool's states by (plane, stages, layers); shape (2, K+1, L+1) is taken from `reach` bits."""
    stages = 0
    for s in range(first, after):
        stages = max(stages, state_stages[s])
    words = reach.shape[2]
    costs = np.full((2, stages + 1, words * 64), np.inf)
    for s in range(first, after):
        cost = state_cost[s]
        if cost >= below_cost:
            continue
        k = state_stages[s]
        for plane in range(2):
            for w in range(words):
                word = reach[s, plane, w]
                if word == _ZERO:
                    continue
                for bit in range(64):
                    if (word >> np.uint64(bit)) & _ONE and cost < costs[plane, k, w * 64 + bit]:
                        costs[plane, k, w * 64 + bit] = cost
    return costs


@compiled
def join_pool(before: Any, costs: Any, after: Any, below_cost: float, only_all_layers: bool) -> None:
    """Add one pool: after[f, k, l] = least before + pool cost, as a min-plus sum over stages and layers.

    Args:
        before: (2, K+1, L+1) least cost of the pools so far.
        costs: (2, k+1, >=L+1) of this pool.
        after: (2, K+1, L+1), filled with inf.
        below_cost: sums at or above it are of no use.
        only_all_layers: only l = L is needed (the last pool).
    """
    stage_limit = before.shape[1] - 1
    layers = before.shape[2] - 1
    least = np.empty((2, stage_limit + 1))
    for f in range(2):
        for k in range(stage_limit + 1):
            least[f, k] = before[f, k].min()
    for plane in range(2):
        for k1 in range(min(costs.shape[1], stage_limit + 1)):
            for l1 in range(layers + 1):
                cost = costs[plane, k1, l1]
                if cost >= below_cost:
                    continue
                for f in range(2 - plane):
                    target = f + plane
                    for k2 in range(stage_limit + 1 - k1):
                        if least[f, k2] + cost >= below_cost:
                            continue
                        if only_all_layers:
                            value = before[f, k2, layers - l1] + cost
                            after[target, k1 + k2, layers] = min(after[target, k1 + k2, layers], value)
                        else:
                            row = before[f, k2]
                            into = after[target, k1 + k2]
                            for l2 in range(layers + 1 - l1):
                                into[l1 + l2] = min(into[l1 + l2], row[l2] + cost)


@compiled
def cover(
    limit: float,
    below_cost: float,
    step_seconds: Any,
    hop_out_seconds: Any,
    planes: int,
    stage_limit: int,
    pool_first_state: Any,
    state_stages: Any,
    state_cost: Any,
    transitions: Any,
    whole_table: bool,
) -> Any:
    """Least cost to cover l layers with k stages from the first p pools, for all p, k, l; and the reach bits.

    Returns (table, reach): table (P+1, 2, K+1, L+1) in USD per hour, inf where impossible or not below `below_cost`;
    its last slice holds only l = L unless whole_table. Plane 1 (plane 0 when planes is 1) is the finished replica.
    """
    layers = step_seconds.shape[1] - 1
    pools = pool_first_state.shape[0] - 1
    words = (layers >> 6) + 1
    reach = np.zeros((state_stages.shape[0], 2, words), dtype=np.uint64)
    for p in range(pools):
        reach[pool_first_state[p], 0, 0] = _ONE
    fill_reach(limit, below_cost, step_seconds, hop_out_seconds, planes, state_cost, transitions, reach)
    table = np.full((pools + 1, 2, stage_limit + 1, layers + 1), np.inf)
    table[0, 0, 0, 0] = 0.0
    for p in range(pools):
        costs = pool_costs(pool_first_state[p], pool_first_state[p + 1], state_stages, state_cost, reach, below_cost)
        join_pool(table[p], costs, table[p + 1], below_cost, p == pools - 1 and not whole_table)
    return table, reach


@compiled
def pool_choice(
    before: Any, target: float, at: Any, first: int, after: int, state_stages: Any, state_cost: Any, reach: Any
) -> Any:
    """Find the pool's part in a cover: (state, plane, layers) with before[rest] + its cost == target.

    before: (2, K+1, L+1) table of the pools before it; at: (plane, stages, layers) of the cover; states first..after-1.
    """
    for state in range(first + 1, after):
        used = state_stages[state]
        if used > at[1]:
            continue
        for own in range(at[0] + 1):
            for held in range(1, at[2] + 1):
                if not (reach[state, own, held >> 6] >> np.uint64(held & 63)) & _ONE:
                    continue
                if before[at[0] - own, at[1] - used, at[2] - held] + state_cost[state] == target:
                    return state, own, held
    return -1, 0, 0


@compiled
def largest_size(least_from: Any, limit: float) -> int:
    """Largest n with least_from[n] <= limit, 0 if none; least_from is non-decreasing (a suffix minimum)."""
    low = 0
    high = least_from.shape[0] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if least_from[middle] <= limit:
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def cost_bound(
    limit: float,
    least_from: Any,
    kind_pool: Any,
    kind_gpus: Any,
    pool_price: Any,
    pool_gpus: Any,
    stages: int,
    exact_stages: bool,
) -> float:
    """A proved lower bound on the cost per hour at a bottleneck limit, in USD per hour; inf: impossible.

    The larger of two linear relaxations: stage count kept and stock dropped (a lower convex envelope of (layers held,
    cost) at L / stages), and stock kept and stage count dropped (a fractional knapsack over pools).
    """
    kinds = kind_pool.shape[0]
    layers = least_from.shape[1] - 1
    pools = pool_price.shape[0]
    caps = np.zeros(kinds)
    costs = np.zeros(kinds)
    per_gpu = np.zeros(pools)
    for j in range(kinds):
        caps[j] = largest_size(least_from[j], limit)
        costs[j] = pool_price[kind_pool[j]] * kind_gpus[j]
        per_gpu[kind_pool[j]] = max(per_gpu[kind_pool[j]], caps[j] / kind_gpus[j])
    share = layers / stages
    envelope = np.inf
    for j in range(kinds):
        if caps[j] < share:
            continue
        envelope = min(envelope, costs[j])
        if not exact_stages:  # unused stages: a kind that holds nothing and costs nothing
            envelope = min(envelope, costs[j] * share / caps[j])
        for i in range(kinds):
            if 0 < caps[i] < share:
                part = (share - caps[i]) / (caps[j] - caps[i])
                envelope = min(envelope, costs[i] + part * (costs[j] - costs[i]))
    if envelope == np.inf:
        return np.inf
    left = float(layers)
    stock = 0.0
    used = np.zeros(pools, dtype=np.int64)
    for _ in range(pools):
        best = -1
        for p in range(pools):
            if (
                used[p] == 0
                and per_gpu[p] > 0
                and (best < 0 or pool_price[p] / per_gpu[p] < pool_price[best] / per_gpu[best])
            ):
                best = p
        if best < 0 or left <= 0:
            break
        used[best] = 1
        taken = min(left, pool_gpus[best] * per_gpu[best])
        stock += taken / per_gpu[best] * pool_price[best]
        left -= taken
    if left > 1e-9 * layers:
        return np.inf
    return max(envelope * stages, stock)


@compiled
def balance(step_rows: Any, hop_seconds: Any, sizes: Any) -> float:
    """Even out the sizes of ordered stages so that the slowest is as fast as possible; returns the bottleneck.

    step_rows (S, L+1) must be non-decreasing over one run of allowed sizes each; hop_seconds (S,) is added to each
    stage; `sizes` (S,) holds a valid split and is changed in place. Layers go one by one to the stage that would then
    be the fastest, which is optimal for non-decreasing times (exchange argument).
    """
    stages = step_rows.shape[0]
    layers = step_rows.shape[1] - 1
    left = 0
    for s in range(stages):
        left += sizes[s]
    for s in range(stages):
        n = 1
        while n <= layers and step_rows[s, n] == np.inf:
            n += 1
        sizes[s] = n
        left -= n
    while left > 0:
        best = -1
        best_time = np.inf
        for s in range(stages):
            if sizes[s] < layers:
                time = step_rows[s, sizes[s] + 1] + hop_seconds[s]
                if time < best_time:
                    best = s
                    best_time = time
        sizes[best] += 1
        left -= 1
    worst = 0.0
    for s in range(stages):
        worst = max(worst, step_rows[s, sizes[s]] + hop_seconds[s])
    return worst
