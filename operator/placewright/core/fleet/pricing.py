"""Compiled pricing: what each ask would take at given prices of the rows.

With one traffic class this is a covering knapsack, solved exactly by branch and bound over the offers sorted by value
per rate after dominance. With several classes the bound splits each class on its own (no integers) and the column is
the best of a few roundings.
"""

from typing import Any

import numpy as np

from placewright.core.kernel import compiled

COVERED = 1e-9  # relative: a demand met up to this counts as met
_TIE = 1e-12


@compiled
def effective_values(value: Any, use_start: Any, use_row: Any, use_amount: Any, prices: Any, out: Any) -> None:
    """Value of each offer plus what its rows cost at these prices."""
    for k in range(value.shape[0]):
        total = value[k]
        for u in range(use_start[k], use_start[k + 1]):
            total += prices[use_row[u]] * use_amount[u]
        out[k] = total


@compiled
def offer_limits(use_start: Any, use_row: Any, use_amount: Any, capacity: Any, out: Any) -> None:
    """How often each offer alone fits the rows."""
    for k in range(out.shape[0]):
        most = 1_000_000_000
        for u in range(use_start[k], use_start[k + 1]):
            fits = int(np.floor(capacity[use_row[u]] / use_amount[u] * (1 + _TIE)))
            most = min(most, fits)
        out[k] = max(most, 0)


@compiled
def suffix_least(values: Any) -> Any:
    """(K+1,) the least of the values from k on; inf after the last."""
    least = np.empty(values.shape[0] + 1)
    least[-1] = np.inf
    for k in range(values.shape[0] - 1, -1, -1):
        least[k] = min(least[k + 1], values[k])
    return least


@compiled
def cover(
    need: float,
    value: Any,
    rate: Any,
    cost: Any,
    copies: Any,
    limit: Any,
    least_copies: int,
    most_copies: int,
    most_cost: float,
    below: float,
    counts: Any,
) -> float:
    """Least value of whole counts with sum rate*count >= need, within copies and cost; writes counts.

    All arrays (K,) in order of value/rate. Returns inf when nothing below `below` exists; counts are then untouched.
    """
    kinds = value.shape[0]
    best = below
    found = False
    taken = np.zeros(kinds, dtype=np.int64)
    ratio = suffix_least(value / rate)
    cost_ratio = suffix_least(cost / rate)
    per_copy = suffix_least(value / copies)
    left = np.empty(kinds + 1)
    value_at = np.empty(kinds + 1)
    cost_at = np.empty(kinds + 1)
    copies_at = np.empty(kinds + 1, dtype=np.int64)
    left[0] = need
    value_at[0] = 0.0
    cost_at[0] = 0.0
    copies_at[0] = 0
    slack = need * COVERED
    k = 0
    down = True  # entering level k, or coming back to it
    while k >= 0:
        if down:
            open_copies = least_copies - copies_at[k]
            if left[k] <= slack and open_copies <= 0:
                if value_at[k] < best - _TIE * abs(best) and cost_at[k] <= most_cost * (1 + COVERED):
                    best = value_at[k]
                    found = True
                    for i in range(kinds):
                        counts[i] = taken[i] if i < k else 0
                k -= 1
                down = False
                continue
            bound = np.inf
            if k < kinds:
                bound = value_at[k] + max(max(left[k], 0.0) * ratio[k], max(open_copies, 0) * per_copy[k])
            dear = k < kinds and cost_at[k] + max(left[k], 0.0) * cost_ratio[k] > most_cost * (1 + COVERED)
            if bound >= best - _TIE * abs(best) or dear:
                k -= 1
                down = False
                continue
            wanted = int(np.ceil(max(left[k] - slack, 0.0) / rate[k]))
            if open_copies > 0:
                wanted = max(wanted, int(np.ceil(open_copies / copies[k])))
            taken[k] = min(wanted, limit[k], (most_copies - copies_at[k]) // copies[k])
        else:
            taken[k] -= 1
        if taken[k] < 0:
            taken[k] = 0
            k -= 1
            down = False
            continue
        left[k + 1] = left[k] - taken[k] * rate[k]
        value_at[k + 1] = value_at[k] + taken[k] * value[k]
        cost_at[k + 1] = cost_at[k] + taken[k] * cost[k]
        copies_at[k + 1] = copies_at[k] + taken[k] * copies[k]
        k += 1
        down = True
    return best if found else np.inf


@compiled
def undominated(
    need: float,
    least_copies: int,
    value: Any,
    rate: Any,
    cost: Any,
    copies: Any,
    limit: Any,
    few_copies: bool,
    low_cost: bool,
    order: Any,
) -> int:
    """Keep in `order` (sorted by value/rate) the offers that no single other one replaces; returns how many.

    One replaces another only if the rows hold enough of it for the whole need, and, where copies or cost are limited,
    if it is no worse in these either.
    """
    kept = 0
    for i in range(order.shape[0]):
        a = order[i]
        if limit[a] <= 0:
            continue
        beaten = False
        for j in range(kept):
            b = order[j]
            wanted = max(np.ceil(need / rate[b]), np.ceil(least_copies / copies[b]))
            better = value[b] <= value[a] and rate[b] >= rate[a] and limit[b] >= wanted
            if better and (not low_cost or cost[b] <= cost[a]) and (not few_copies or copies[b] == copies[a]):
                beaten = True
                break
        if not beaten:
            order[kept] = a
            kept += 1
    return kept


@compiled
def price_single(
    ask_start: Any,
    class_start: Any,
    demand: Any,
    rate_start: Any,
    rate: Any,
    value: Any,
    cost: Any,
    copies: Any,
    limit: Any,
    min_copies: Any,
    max_copies: Any,
    max_cost: Any,
    refusal: Any,
    free: Any,
    counts: Any,
    best: Any,
) -> None:
    """Fill best (n,) and counts (m,) for the asks with one class; `free` (n,) 0 leaves an ask out.

    A best of at least the refusal means that being refused is no dearer: counts are then all zero, best the refusal.
    """
    for r in range(ask_start.shape[0] - 1):
        if free[r] == 0 or class_start[r + 1] - class_start[r] != 1:
            continue
        low, high = ask_start[r], ask_start[r + 1]
        size = 0
        for k in range(low, high):
            counts[k] = 0
            if rate[rate_start[k]] > 0.0 and limit[k] > 0:
                size += 1
        best[r] = refusal[r]
        if size == 0:
            continue
        index = np.empty(size, dtype=np.int64)
        size = 0
        for k in range(low, high):
            if rate[rate_start[k]] > 0.0 and limit[k] > 0:
                index[size] = k
                size += 1
        own_value = value[index]
        own_rate = rate[rate_start[index]]
        few_copies = min_copies[r] > 0 or max_copies[r] < 2147483647
        low_cost = max_cost[r] < np.inf
        order = np.argsort(own_value / own_rate, kind="mergesort")
        kept = undominated(
            demand[class_start[r]],
            min_copies[r],
            own_value,
            own_rate,
            cost[index],
            copies[index],
            limit[index],
            few_copies,
            low_cost,
            order,
        )
        order = order[:kept]
        chosen = index[order]
        taken = np.zeros(kept, dtype=np.int64)
        found = cover(
            demand[class_start[r]],
            own_value[order],
            own_rate[order],
            cost[chosen],
            copies[chosen],
            limit[chosen],
            min_copies[r],
            max_copies[r],
            max_cost[r],
            refusal[r],
            taken,
        )
        if found < refusal[r]:
            best[r] = found
            for i in range(kept):
                counts[chosen[i]] = taken[i]


@compiled
def price_classes(
    r: int,
    ask_start: Any,
    class_start: Any,
    demand: Any,
    rate_start: Any,
    rate: Any,
    value: Any,
    limit: Any,
    refusal: float,
    loads: Any,
) -> float:
    """Lower bound of an ask with several classes, and the loads (m of the ask,) of its fractional answer.

    Each class goes where its value per rate is least; whole counts can only be dearer.
    """
    low, high = ask_start[r], ask_start[r + 1]
    loads[:] = 0.0
    total = 0.0
    least = np.inf
    for c in range(class_start[r], class_start[r + 1]):
        at = c - class_start[r]
        pick = -1
        ratio = np.inf
        for k in range(low, high):
            speed = rate[rate_start[k] + at]
            if limit[k] > 0 and speed > 0.0 and value[k] / speed < ratio:
                ratio = value[k] / speed
                pick = k
        if pick < 0:
            return refusal
        loads[pick - low] += demand[c] / rate[rate_start[pick] + at]
        total += demand[c] * ratio
        least = min(least, ratio)
    smallest = np.inf
    for k in range(low, high):
        if limit[k] > 0:
            smallest = min(smallest, value[k])
    return min(max(total, smallest), refusal)
