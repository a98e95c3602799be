"""Brute force on the numeric fleet problem: every whole answer of every ask is tried. Slow, and plain to read.

For about four asks of four offers. Nothing here knows the solver.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.optimize import linprog

from placewright.core.fleet.problem import Ask, Offer

ROUNDING = 1e-9
Counts = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an ask may get: counts of its offers, None when it is refused."""

    counts: Counts | None
    value: float
    uses: tuple[float, ...]  # of every row


def levels(asks: Sequence[Ask], capacity: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """(priority, least objective), highest first, each with the objectives of the higher ones kept."""
    ordered = sorted(asks, key=lambda ask: -ask.priority)
    priorities = sorted({ask.priority for ask in asks}, reverse=True)
    choices = [undominated(answers(ask, len(capacity))) for ask in ordered]
    best: tuple[float, ...] | None = None

    def choose(at: int, left: Sequence[float], values: dict[int, float]) -> None:
        nonlocal best
        found = tuple(round(values[priority], 8) for priority in priorities)
        if best is not None and found >= best:
            return
        if at == len(ordered):
            best = found
            return
        priority = ordered[at].priority
        for answer in choices[at]:
            if fits(answer.uses, left):
                after = [room - used for room, used in zip(left, answer.uses, strict=True)]
                choose(at + 1, after, {**values, priority: values[priority] + answer.value})

    choose(0, capacity, dict.fromkeys(priorities, 0.0))
    assert best is not None  # everybody can be refused
    return tuple(zip(priorities, best, strict=True))


def answers(ask: Ask, rows: int) -> list[Answer]:
    """Every answer that an ask allows; those with more than is needed are left out, as they only cost more."""
    found = [Answer(counts=None, value=ask.refusal_value, uses=(0.0,) * rows)]
    if ask.standing:
        standing = dict(ask.standing)
        found.append(answer_of(ask, tuple(standing.get(at, 0) for at in range(len(ask.offers))), rows))
    if not ask.standing_only:
        found += [
            answer_of(ask, counts, rows)
            for counts in covers(ask)
            if cost_of(ask, counts) <= ask.max_cost_per_hour * (1 + ROUNDING)
        ]
    return found


def covers(ask: Ask) -> Iterator[Counts]:
    """Counts that serve all classes and have copies enough, but not too many, and of which nothing can be spared."""
    limits = [most_useful(ask, offer) for offer in ask.offers]

    def extend(at: int, counts: list[int]) -> Iterator[Counts]:
        copies = sum(count * offer.copies for count, offer in zip(counts, ask.offers, strict=True))
        if ask.max_copies is not None and copies > ask.max_copies:
            return
        if copies >= max(1, ask.min_copies) and serves(ask, counts):
            yield tuple(counts)
            return
        if at == len(counts):
            return
        yield from extend(at + 1, counts)
        for count in range(1, limits[at] + 1):
            more = [*counts[:at], count, *counts[at + 1 :]]
            yield from extend(at + 1, more)

    seen: set[Counts] = set()
    for counts in extend(0, [0] * len(ask.offers)):
        if counts not in seen:
            seen.add(counts)
            yield counts


def most_useful(ask: Ask, offer: Offer) -> int:
    """As many as serve all that the offer can serve, and have copies enough; none of what serves nothing."""
    if not any(offer.rates):
        return 0  # only a present plan has such offers
    load = sum(demand / rate for demand, rate in zip(ask.demands, offer.rates, strict=True) if rate > 0)
    return max(ceil(load - ROUNDING), ceil(ask.min_copies / offer.copies))


def serves(ask: Ask, counts: Sequence[int]) -> bool:
    """Whether every class can be split among the offers taken so that none is overloaded."""
    taken = [(count, offer.rates) for count, offer in zip(counts, ask.offers, strict=True) if count]
    alone = [sum(count * rates[place] for count, rates in taken) for place in range(len(ask.demands))]
    if any(room < demand * (1 - ROUNDING) for room, demand in zip(alone, ask.demands, strict=True)):
        return False
    return len(ask.demands) == 1 or spare_load(ask.demands, taken) >= -ROUNDING


def spare_load(demands: Sequence[float], taken: Sequence[tuple[int, Sequence[float]]]) -> float:
    """The largest share of its replicas that every offer can have left, by a linear program; negative: overloaded."""
    classes, offers = len(demands), len(taken)
    size = offers * classes  # share of class c at offer k is variable k * classes + c, the share left is the last
    whole = np.zeros((classes, size + 1))
    load = np.zeros((offers, size + 1))
    bounds: list[tuple[float | None, float | None]] = []
    for k, (count, rates) in enumerate(taken):
        for c, (demand, rate) in enumerate(zip(demands, rates, strict=True)):
            bounds.append((0.0, 1.0 if rate > 0 else 0.0))
            whole[c, k * classes + c] = 1.0
            load[k, k * classes + c] = demand / rate / count if rate > 0 else 0.0
        load[k, size] = 1.0
    goal = np.zeros(size + 1)
    goal[size] = -1.0
    result = linprog(
        goal, A_ub=load, b_ub=np.ones(offers), A_eq=whole, b_eq=np.ones(classes), bounds=[*bounds, (None, 1.0)]
    )
    return float(-result.fun) if result.status == 0 else -1.0


def answer_of(ask: Ask, counts: Counts, rows: int) -> Answer:
    uses = [0.0] * rows
    value = 0.0
    for count, offer in zip(counts, ask.offers, strict=True):
        value += count * (offer.cost_per_hour if offer.value is None else offer.value)
        for row, amount in offer.uses:
            uses[row] += count * amount
    return Answer(counts=counts, value=value, uses=tuple(uses))


def cost_of(ask: Ask, counts: Sequence[int]) -> float:
    return sum(count * offer.cost_per_hour for count, offer in zip(counts, ask.offers, strict=True))


def undominated(found: Sequence[Answer]) -> list[Answer]:
    """The answers that no other matches in value and in every row; of equal ones the first."""
    kept: list[Answer] = []
    for answer in sorted(found, key=lambda each: (each.value, each.uses)):
        if not any(fits(other.uses, answer.uses) for other in kept):
            kept.append(answer)
    return kept


def fits(uses: Sequence[float], room: Sequence[float]) -> bool:
    return all(used <= free * (1 + ROUNDING) + ROUNDING for used, free in zip(uses, room, strict=True))
