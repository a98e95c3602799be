"""The fleet as numbers: what each request may take, what the pools hold, and what a solution is.

A request (`ask`) takes whole numbers of its offers. An offer is one or more replicas of one layout: it costs money,
serves traffic classes at given rates and uses rows (GPUs of a pool, whole nodes, dollars of a ceiling). Each class of
a request is split among its offers in any shares: an offer taken x times has room for shares with
sum over classes of demand * share / rate <= x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from placewright.core.performance.base import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a request may take any whole number of.

    Attributes:
        cost_per_hour: USD, what is paid.
        rates: requests/s by class of the request when it serves that class alone; 0: it cannot.
        uses: (row, amount) of the problem's rows; amounts are positive.
        copies: replicas that it adds.
        value: what the objective counts in place of the cost; None: the cost.
    """

    cost_per_hour: float
    rates: tuple[float, ...]
    uses: tuple[tuple[int, float], ...]
    copies: int = 1
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        key: unique; asks are solved in the order of their keys whatever order they come in.
        demands: requests/s by class, all positive.
        offers: what it may take.
        min_copies, max_copies: replicas of all offers together.
        max_cost_per_hour: of all that it takes.
        refusal_value: what the objective counts when it gets nothing.
        standing: (offer, count) of the present plan, always allowed whatever max_cost_per_hour says; empty: none.
        standing_only: nothing but the present plan is allowed.
        priority: higher ones are solved first and never hurt by lower ones.
    """

    key: str
    demands: tuple[float, ...]
    offers: tuple[Offer, ...]
    min_copies: int = 0
    max_copies: int | None = None
    max_cost_per_hour: float = inf
    refusal_value: float
    standing: tuple[tuple[int, int], ...] = ()
    standing_only: bool = False
    priority: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Asks and rows as arrays: n asks, C classes in all, m offers, u uses, R rows.

    Attributes:
        keys: n keys, ascending.
        capacity: (R,) of each row.
        ask_start: (n+1,) first offer of each ask.
        class_start: (n+1,) first class of each ask.
        demand: (C,) requests/s.
        cost, value: (m,) USD per hour, and what the objective counts.
        copies: (m,) replicas of an offer.
        rate_start: (m,) where the rates of an offer begin in `rate`, one for each class of its ask.
        rate: requests/s.
        use_start: (m+1,); use_row, use_amount: (u,).
        min_copies, max_copies: (n,); max_copies is 2**31 - 1 where there is no limit.
        max_cost: (n,) inf where there is none.
        refusal_value: (n,).
        priority: (n,).
        standing: n tuples of (offer of the ask, count).
        standing_only: (n,) 0 or 1.
    """

    keys: tuple[str, ...]
    capacity: FloatArray
    ask_start: IntArray
    class_start: IntArray
    demand: FloatArray
    cost: FloatArray
    value: FloatArray
    copies: IntArray
    rate_start: IntArray
    rate: FloatArray
    use_start: IntArray
    use_row: IntArray
    use_amount: FloatArray
    min_copies: IntArray
    max_copies: IntArray
    max_cost: FloatArray
    refusal_value: FloatArray
    priority: IntArray
    standing: tuple[tuple[tuple[int, int], ...], ...]
    standing_only: IntArray

    @property
    def asks(self) -> int:
        """How many requests."""
        return len(self.keys)


NO_LIMIT = 2**31 - 1


def make_problem(asks: Sequence[Ask], capacity: Sequence[float]) -> Problem:
    """Arrays of asks, in the order of their keys."""
    ordered = sorted(asks, key=lambda ask: ask.key)
    offers = [offer for ask in ordered for offer in ask.offers]
    rate_sizes = [len(offer.rates) for offer in offers]
    return Problem(
        keys=tuple(ask.key for ask in ordered),
        capacity=np.array(capacity, dtype=np.float64),
        ask_start=_starts([len(ask.offers) for ask in ordered]),
        class_start=_starts([len(ask.demands) for ask in ordered]),
        demand=np.array([each for ask in ordered for each in ask.demands], dtype=np.float64),
        cost=np.array([offer.cost_per_hour for offer in offers], dtype=np.float64),
        value=np.array([offer.cost_per_hour if offer.value is None else offer.value for offer in offers]),
        copies=np.array([offer.copies for offer in offers], dtype=np.int64),
        rate_start=_starts(rate_sizes)[:-1],
        rate=np.array([rate for offer in offers for rate in offer.rates], dtype=np.float64),
        use_start=_starts([len(offer.uses) for offer in offers]),
        use_row=np.array([row for offer in offers for row, _ in offer.uses], dtype=np.int64),
        use_amount=np.array([amount for offer in offers for _, amount in offer.uses], dtype=np.float64),
        min_copies=np.array([ask.min_copies for ask in ordered], dtype=np.int64),
        max_copies=np.array([_limit(ask.max_copies) for ask in ordered], dtype=np.int64),
        max_cost=np.array([ask.max_cost_per_hour for ask in ordered], dtype=np.float64),
        refusal_value=np.array([ask.refusal_value for ask in ordered], dtype=np.float64),
        priority=np.array([ask.priority for ask in ordered], dtype=np.int64),
        standing=tuple(ask.standing for ask in ordered),
        standing_only=np.array([int(ask.standing_only) for ask in ordered], dtype=np.int64),
    )


def _limit(copies: int | None) -> int:
    return NO_LIMIT if copies is None else copies


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.cumsum([0, *sizes]).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """What every ask gets.

    Attributes:
        taken: by ask ((offer of the ask, count), ...) in the order of offers; None: refused.
        objective: sum of the values taken and of the refusal values.
        bound: no solution has a smaller objective (of the lowest priority reached; see `levels`).
        prices: (R,) USD per hour for one more unit of each row, at most.
        levels: (priority, objective, bound) of each priority class, highest first: lexicographic.
        proved: every level's objective is its bound, within the tolerance of the solver.
        free: every ask has the best that it could have with all rows to itself.
    """

    taken: tuple[tuple[tuple[int, int], ...] | None, ...]
    objective: float
    bound: float
    prices: FloatArray
    levels: tuple[tuple[int, float, float], ...]
    proved: bool
    free: bool = False
