"""One priority level of a problem as it is solved: who counts, what is scarce, and what columns are known."""

from dataclasses import dataclass, field

import numpy as np

from placewright.core.fleet.pricing import (
    effective_values,
    offer_limits,
    price_classes,
    price_single,
)
from placewright.core.fleet.problem import Problem
from placewright.core.performance.base import FloatArray, IntArray

Items = tuple[tuple[int, int], ...]  # (offer of the problem, count), by offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One whole answer of one ask; no items: it is refused."""

    ask: int
    items: Items
    value: float
    uses: tuple[tuple[int, float], ...]  # (row, amount), by row


@dataclass(frozen=True, kw_only=True, eq=False)
class _Flat:
    """Columns as arrays: ask and objective of each; column, row and amount of each use."""

    ask: IntArray
    objective: FloatArray
    use_column: IntArray
    use_row: IntArray
    use_amount: FloatArray
    rows: int

    def reduced(self, prices: FloatArray) -> FloatArray:
        """Objective plus what the rows cost, of each column."""
        paid = prices[self.use_row] * self.use_amount
        return self.objective + np.bincount(self.use_column, weights=paid, minlength=len(self.ask))

    def used(self, chosen: IntArray) -> FloatArray:
        """Use of each row by these columns together."""
        among = np.zeros(len(self.ask), dtype=bool)
        among[chosen] = True
        here = among[self.use_column]
        return np.bincount(self.use_row[here], weights=self.use_amount[here], minlength=self.rows).astype(np.float64)

    def ranked(self, values: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Asks, the column of each with the least value, and how much more the second least is (inf: it has none)."""
        order = np.lexsort((values, self.ask))
        own = self.ask[order]
        first = np.flatnonzero(np.diff(own, prepend=-1))
        following = np.minimum(first + 1, len(order) - 1)
        second = np.where(own[following] == own[first], values[order[following]], np.inf)
        second[following == first] = np.inf
        best = order[first]
        more: FloatArray = second - values[best]
        return own[first], best, more


@dataclass(kw_only=True, eq=False)
class Level:
    """Asks of one priority and, with their objectives kept, of all higher ones.

    Rows of the level are those of the problem and then one for each higher priority: the objective that its asks may
    use up together.

    Attributes:
        problem: all asks.
        asks: indices of those that take part.
        counted: (n,) 1 for asks of this priority, whose values are the objective; 0 for higher ones.
        keeper: (n,) row that keeps the objective of an ask's own higher priority; -1 for the counted.
        capacity: of the level's rows.
    """

    problem: Problem
    asks: IntArray
    counted: IntArray
    keeper: IntArray
    capacity: FloatArray
    columns: list[Column] = field(default_factory=list)
    by_ask: dict[int, list[int]] = field(default_factory=dict)
    _known: dict[tuple[int, Items], int] = field(default_factory=dict)
    _flat: "_Flat | None" = None

    def __post_init__(self) -> None:
        problem = self.problem
        self.limit = np.zeros(len(problem.cost), dtype=np.int64)
        self._counts = np.zeros(len(problem.cost), dtype=np.int64)
        offer_limits(problem.use_start, problem.use_row, problem.use_amount, problem.capacity, self.limit)
        self.offer_ask = np.repeat(np.arange(problem.asks), np.diff(problem.ask_start))
        sizes = np.diff(problem.class_start)
        self.free = np.zeros(problem.asks, dtype=np.int64)
        self.free[self.asks] = 1 - problem.standing_only[self.asks]
        self._close_hopeless()
        self.several = [int(r) for r in self.asks if sizes[r] > 1 and self.free[r]]
        self.base = {int(r): self._base(int(r)) for r in self.asks}
        self.best = problem.refusal_value.copy()  # of each ask at the prices last asked about

    def _close_hopeless(self) -> None:
        """Leave out of pricing the asks whose cheapest cover costs more than they may: no prices change that.

        Most present plans are such: nothing saves enough to be worth a move.
        """
        problem = self.problem
        limited = np.flatnonzero(np.isfinite(problem.max_cost) & (self.free > 0) & (np.diff(problem.class_start) == 1))
        if not len(limited):
            return
        most = problem.max_cost * (1 + 1e-9)
        best = most.copy()
        free = np.zeros_like(self.free)
        free[limited] = 1
        self._price(problem.cost, most, np.full_like(most, np.inf), free, best)
        self.free[limited[best[limited] >= most[limited]]] = 0

    def _price(
        self, value: FloatArray, refusal: FloatArray, max_cost: FloatArray, free: IntArray, best: FloatArray
    ) -> None:
        problem = self.problem
        price_single(
            problem.ask_start,
            problem.class_start,
            problem.demand,
            problem.rate_start,
            problem.rate,
            value,
            problem.cost,
            problem.copies,
            self.limit,
            problem.min_copies,
            problem.max_copies,
            max_cost,
            refusal,
            free,
            self._counts,
            best,
        )

    def _base(self, ask: int) -> list[int]:
        """The columns that need no pricing: being refused, and the present plan."""
        found = [self.add(ask, ())]
        standing = self.problem.standing[ask]
        if standing:
            start = int(self.problem.ask_start[ask])
            found.append(self.add(ask, tuple((start + offer, count) for offer, count in standing)))
        return found

    def add(self, ask: int, items: Items) -> int:
        """Take a column in unless it is known; its index."""
        known = self._known.get((ask, items))
        if known is not None:
            return known
        problem = self.problem
        uses: dict[int, float] = {}
        value = 0.0
        for offer, count in items:
            value += count * float(problem.value[offer])
            for u in range(problem.use_start[offer], problem.use_start[offer + 1]):
                row = int(problem.use_row[u])
                uses[row] = uses.get(row, 0.0) + count * float(problem.use_amount[u])
        if not items:
            value = float(problem.refusal_value[ask])
        if self.keeper[ask] >= 0:
            uses[int(self.keeper[ask])] = value
        column = Column(ask=ask, items=items, value=value, uses=tuple(sorted(uses.items())))
        index = self._known[ask, items] = len(self.columns)
        self.columns.append(column)
        self.by_ask.setdefault(ask, []).append(index)
        return index

    def flat(self) -> "_Flat":
        """All columns as arrays; made again when there are new ones."""
        if self._flat is None or len(self._flat.ask) != len(self.columns):
            columns = self.columns
            sizes = [len(column.uses) for column in columns]
            pairs = np.array([pair for column in columns for pair in column.uses], dtype=np.float64).reshape(-1, 2)
            ask = np.array([column.ask for column in columns], dtype=np.int64)
            self._flat = _Flat(
                ask=ask,
                objective=np.array([column.value for column in columns]) * self.counted[ask],
                use_column=np.repeat(np.arange(len(columns)), sizes),
                use_row=pairs[:, 0].astype(np.int64),
                use_amount=pairs[:, 1],
                rows=len(self.capacity),
            )
        return self._flat

    def objective_of(self, column: Column) -> float:
        """What the column adds to this level's objective."""
        return column.value * float(self.counted[column.ask])

    def reduced(self, column: Column, prices: FloatArray) -> float:
        """Objective plus what its rows cost at these prices."""
        return self.objective_of(column) + sum(float(prices[row]) * amount for row, amount in column.uses)

    def price(self, prices: FloatArray) -> tuple[float, list[int]]:
        """The Lagrangian bound at these prices, and for each ask the index of its best column."""
        problem = self.problem
        weight = self.counted.astype(np.float64)
        kept = self.keeper >= 0
        weight[kept] += prices[self.keeper[kept]]
        value = np.empty_like(problem.value)
        effective_values(
            problem.value * weight[self.offer_ask],
            problem.use_start,
            problem.use_row,
            problem.use_amount,
            prices,
            value,
        )
        refusal = problem.refusal_value * weight
        chosen = {ask: own[0] for ask, own in self.base.items()}
        for ask, own in self.base.items():
            for index in own[1:]:  # the present plan is as little as a new one must beat
                reduced = self.reduced(self.columns[index], prices)
                if reduced < refusal[ask]:
                    refusal[ask], chosen[ask] = reduced, index
        best = refusal.copy()
        self._price(value, refusal, problem.max_cost, self.free, best)
        chosen.update(self._chosen(best, refusal))
        for ask in self.several:
            best[ask], index = self._price_several(ask, value, float(refusal[ask]))
            if best[ask] < refusal[ask]:
                chosen[ask] = index
        self.best = best
        bound = float(best[self.asks].sum()) - float(prices @ self.capacity)
        return bound, [chosen[int(ask)] for ask in self.asks]

    def _chosen(self, best: FloatArray, refusal: FloatArray) -> dict[int, int]:
        """The priced column of every ask that has one better than what needs no pricing."""
        problem = self.problem
        wins = (best < refusal) & (self.free > 0)
        taken = np.flatnonzero(self._counts * wins[self.offer_ask])
        owner = self.offer_ask[taken]
        counts = self._counts[taken]
        chosen: dict[int, int] = {}
        edges = np.flatnonzero(np.diff(owner, prepend=-1, append=problem.asks))
        items = list(zip(taken.tolist(), counts.tolist(), strict=True))
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            ask = int(owner[low])
            chosen[ask] = self.add(ask, tuple(items[low:high]))
        return chosen

    def _price_several(self, ask: int, value: FloatArray, refusal: float) -> tuple[float, int]:
        problem = self.problem
        low, high = int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])
        loads = np.zeros(high - low)
        bound = price_classes(
            ask,
            problem.ask_start,
            problem.class_start,
            problem.demand,
            problem.rate_start,
            problem.rate,
            value,
            self.limit,
            refusal,
            loads,
        )
        if bound >= refusal:  # also where a class cannot be served at all, and the loads are only a part
            return refusal, self.base[ask][0]
        found = round_loads(problem, ask, loads, value, self.limit)
        index = self.base[ask][0] if found is None else self.add(ask, found)
        return float(bound), index


def rates_of(problem: Problem, ask: int) -> FloatArray:
    """(offers, classes) of an ask."""
    low, high = int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])
    classes = int(problem.class_start[ask + 1] - problem.class_start[ask])
    first = int(problem.rate_start[low]) if high > low else 0
    return problem.rate[first : first + (high - low) * classes].reshape(high - low, classes)


def demand_of(problem: Problem, ask: int) -> FloatArray:
    """Requests/s of each class of an ask."""
    return problem.demand[int(problem.class_start[ask]) : int(problem.class_start[ask + 1])]


def round_loads(problem: Problem, ask: int, loads: FloatArray, value: FloatArray, limit: IntArray) -> Items | None:
    """Whole counts for an ask with several classes: the fractional answer rounded up, or one offer for all.

    None when none of these keeps the ask's limits; the integer program at the end may still find one.
    """
    low, high = int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])
    rates, demand = rates_of(problem, ask), demand_of(problem, ask)
    trials = [np.ceil(loads - 1e-9).astype(np.int64)]
    for k in range(high - low):
        if (rates[k] > 0).all():
            counts = np.zeros(high - low, dtype=np.int64)
            counts[k] = max(1, int(np.ceil(float((demand / rates[k]).sum()) - 1e-9)))
            trials.append(counts)
    best: tuple[float, IntArray] | None = None
    for trial in trials:
        counts = _within_copies(trial, problem, ask)
        copies = int(counts @ problem.copies[low:high])
        cost = float(counts @ problem.cost[low:high])
        if not counts.any() or (counts > limit[low:high]).any() or copies > problem.max_copies[ask]:
            continue
        if copies < problem.min_copies[ask] or cost > problem.max_cost[ask] * (1 + 1e-9):
            continue
        total = float(counts @ value[low:high])
        if best is None or total < best[0]:
            best = (total, counts)
    if best is None:
        return None
    return tuple((low + int(k), int(best[1][k])) for k in np.flatnonzero(best[1]))


def _within_copies(counts: IntArray, problem: Problem, ask: int) -> IntArray:
    """More of what is taken already where fewer copies than asked for are taken."""
    low, high = int(problem.ask_start[ask]), int(problem.ask_start[ask + 1])
    copies = problem.copies[low:high]
    short = int(problem.min_copies[ask]) - int(counts @ copies)
    if short > 0 and counts.any():
        k = int(np.flatnonzero(counts)[0])
        counts = counts.copy()
        counts[k] += -(-short // int(copies[k]))
    return counts
