"""The fleet solved: column generation with a proved bound, whole answers at the end (planning.md section 4).

Each column is a whole answer of one ask. A linear program over columns prices the rows; at those prices every ask
names its best column exactly, which gives the Lagrangian bound. Prices are smoothed towards the best bound's. Asks that
the program leaves whole are kept; an integer program chooses among the columns of the others. Small problems are then
closed as one integer program. Priorities are solved one after the other, each with the objectives of the higher ones
kept as rows.

Deterministic: nothing is carried from one problem to the next, and the order of asks is that of their keys.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from placewright.core.fleet.beginning import covers, excess_prices, first_answer, level_of
from placewright.core.fleet.integer import choose_columns, solve_directly
from placewright.core.fleet.level import Items, Level
from placewright.core.fleet.master import Master, MasterProgram
from placewright.core.fleet.problem import Problem, Solution
from placewright.core.model import Progress
from placewright.core.performance.base import FloatArray

OnProgress = Callable[[Progress], None]

PROVED = 1e-7  # relative gap that counts as none: the integer program's own tolerance is near it
_TARGET = 1e-4  # relative gap of the linear program at which a problem of many asks stops
_TARGET_HUGE = 1e-3
_HUGE = 20_000
_SMOOTH = 0.5
_ROUNDS = 200
_ALL_ACTIVE = 3000  # asks up to which all are in the master; of more, only those that are near to indifferent
_NEAR_ACTIVE = 1200
_TUNINGS = 12
_SAMPLE = 1500
_DIRECT_OFFERS = 1500  # offers up to which a problem with a gap is closed as one integer program
_TINY_OFFERS = 300  # offers up to which one integer program is quicker than prices
_DIRECT_SECONDS = 60.0
_CHOICE_SECONDS = 30.0
_CHOICE_ASKS = (100, 300, 900)
_CHOICE_LOSS = 5e-5  # of the objective, that a choice may lose where there are many asks
_FEW = 60
_VARIED = (0.6, 0.8, 0.9, 1.1, 1.25, 1.6)  # of the prices: columns at them give the last choice more to choose from


def forever() -> float:
    """No time limit, in seconds."""
    return np.inf


def solve(
    problem: Problem,
    *,
    seconds_left: Callable[[], float] = forever,
    on_progress: OnProgress | None = None,
) -> Solution:
    """Solve all priorities, highest first.

    Args:
        problem: asks, offers, rows.
        seconds_left: asked between rounds; 0 ends the search with the best answer and its bound. It also limits the
            integer programs, which cannot be asked to stop.
        on_progress: told the objective and bound in USD per hour after each round.
    """
    kept: dict[int, float] = {}
    chosen: dict[int, Items] = {}
    levels: list[tuple[int, float, float]] = []
    prices = np.zeros(len(problem.capacity))
    free = True
    for priority in sorted({int(p) for p in problem.priority}, reverse=True):
        level = level_of(problem, priority, kept)
        answer = _Search(level, chosen, seconds_left, on_progress).run()
        chosen = dict(answer.chosen)
        kept[priority] = answer.objective
        levels.append((priority, answer.objective, answer.bound))
        prices = answer.prices[: len(problem.capacity)]
        free = free and answer.free
    offers = problem.ask_start
    taken = tuple(
        tuple((offer - int(offers[ask]), count) for offer, count in chosen[ask]) if chosen.get(ask) else None
        for ask in range(problem.asks)
    )
    return Solution(
        taken=taken,
        objective=sum(objective for _, objective, _ in levels),
        bound=sum(bound for _, _, bound in levels),
        prices=prices,
        levels=tuple(levels),
        free=free,
        proved=all(objective - bound <= PROVED * max(1.0, abs(objective)) for _, objective, bound in levels),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    chosen: Mapping[int, Items]
    objective: float
    bound: float
    prices: FloatArray
    free: bool


class _Search:
    """One level: prices, then whole answers."""

    def __init__(
        self,
        level: Level,
        before: Mapping[int, Items],
        seconds_left: Callable[[], float],
        on_progress: OnProgress | None,
    ) -> None:
        self.level = level
        self.seconds_left = seconds_left
        self.on_progress = on_progress
        self.bound = -np.inf
        self.center = np.zeros(len(level.capacity))
        self.chosen = first_answer(level, before)
        self.excess = excess_prices(level)
        self.free = False

    def run(self) -> _Answer:
        """Bound and answer of the level."""
        master = self._price_all()
        if master is not None:
            self._choose(master)
            if self._gap() > (PROVED if len(self.level.asks) <= _FEW else _TARGET) and not self.out_of_time():
                for factor in _VARIED:
                    self.level.price(self.center * factor)
                self._choose(master)
        self._improve()
        if self._gap() > PROVED and self._is_small(_DIRECT_OFFERS) and not self.out_of_time():
            self._close()
        return _Answer(
            chosen={ask: self.level.columns[index].items for ask, index in self.chosen.items()},
            objective=self.objective,
            bound=min(self.bound, self.objective),
            prices=self.center,
            free=self.free,
        )

    def out_of_time(self) -> bool:
        """Whether the search must end."""
        return self.seconds_left() <= 0.0

    @property
    def objective(self) -> float:
        """Of the best whole answer."""
        return float(self.level.flat().objective[list(self.chosen.values())].sum())

    def _gap(self) -> float:
        objective = self.objective
        return (objective - self.bound) / max(1.0, abs(objective))

    def _bounded(self, prices: FloatArray) -> list[int]:
        bound, best = self.level.price(prices)
        if bound > self.bound:
            self.bound, self.center = bound, prices
        return best

    def _accept(self, chosen: Mapping[int, int]) -> bool:
        """Keep a whole answer if it holds and is better."""
        if (self._used(chosen.values()) > self.level.capacity * (1 + 1e-9) + 1e-9).any():
            return False
        objective = float(self.level.flat().objective[list(chosen.values())].sum())
        if objective >= self.objective * (1 - 1e-12):
            return False
        self.chosen = dict(chosen)
        return True

    # ------------------------------------------------------------------------------------------------- prices

    def _price_all(self) -> Master | None:
        """Column generation; None when everybody can have the best there is."""
        prices = np.zeros(len(self.level.capacity))
        best = self._bounded(prices)
        if self._accept(dict(zip(self.level.asks.tolist(), best, strict=True))) and self._gap() <= PROVED:
            self.free = True
            return None
        if self._is_small(_TINY_OFFERS) and not self.out_of_time():
            self._close()
            if self._gap() <= PROVED:
                return None
        if len(self.level.asks) > _ALL_ACTIVE:
            self._tune(self._sampled())
            return self._sift()
        program = MasterProgram(self.level, self.level.asks.tolist(), self.level.capacity, self.excess)
        program.add(range(len(self.level.columns)))
        return self._generate(program)

    def _generate(self, program: MasterProgram) -> Master | None:
        master = program.solve()
        for _ in range(_ROUNDS):
            if master is None or self._told(master.objective) or self.out_of_time():
                break
            smooth = _SMOOTH * self.center + (1 - _SMOOTH) * master.prices
            new = program.add(self._bounded(smooth))
            if not new:  # only the exact prices tell that nothing is left
                before = self.bound
                new = program.add(self._bounded(master.prices))
                if not new and self.bound <= before + 1e-12 * abs(before):
                    break
            if new:
                master = program.solve() or master
        return master

    def _told(self, objective: float) -> bool:
        """Report; whether the linear program's gap is closed."""
        gap = (objective - self.bound) / max(1.0, abs(objective))
        if self.on_progress is not None:
            shown = max(gap, 0.0) * 100.0
            self.on_progress(Progress(unit="$/h", incumbent=objective, bound=self.bound, gap_percent=shown))
        asks = len(self.level.asks)
        return gap <= (1e-9 if asks <= _FEW else _TARGET if asks <= _HUGE else _TARGET_HUGE)

    def _sampled(self) -> FloatArray:
        """Prices of a part of the asks, evenly spread, on its share of the rows."""
        asks = self.level.asks
        part = asks[:: max(1, len(asks) // _SAMPLE)]
        weight = self.level.problem.refusal_value
        share = float(weight[part].sum() / weight[asks].sum())
        level = Level(
            problem=self.level.problem,
            asks=part,
            counted=self.level.counted,
            keeper=self.level.keeper,
            capacity=self.level.capacity * share,
        )
        search = _Search(level, {}, self.seconds_left, None)
        search._price_all()
        return search.center

    def _tune(self, prices: FloatArray) -> None:
        """Raise the prices of rows that are asked for too much and lower the others', while that helps the bound.

        A sample knows prices up to its noise; what all ask for at them tells which way each is wrong.
        """
        step = 0.5
        best = np.array(self._bounded(prices), dtype=np.int64)
        for _ in range(_TUNINGS):
            if self.out_of_time():
                return
            before = self.bound
            asked = self.level.flat().used(best) / np.maximum(self.level.capacity, 1e-12)
            tried = self.center * np.clip(asked, 0.8, 1.25) ** step
            tried[(self.center <= 0) & (asked > 1)] = step * 1e-3
            found = np.array(self._bounded(tried), dtype=np.int64)
            if self.bound > before:
                best = found
            else:
                step *= 0.5

    def _sift(self) -> Master | None:
        """Column generation in which only asks that are near to indifferent are in the linear program."""
        level, master = self.level, None
        least = size = max(_NEAR_ACTIVE, 20 * len(level.capacity))
        for _ in range(_ROUNDS):
            flat = level.flat()
            asks, best, more = flat.ranked(flat.reduced(self.center))
            near = np.argsort(more / np.maximum(flat.objective[best], 1e-12), kind="stable")
            fixed = best[near[size:]]
            program = MasterProgram(level, asks[near[:size]].tolist(), level.capacity - flat.used(fixed), self.excess)
            program.add(index for ask in sorted(asks[near[:size]].tolist()) for index in level.by_ask[ask])
            found = program.solve()
            if found is None:
                break
            objective = found.objective + float(flat.objective[fixed].sum())
            whole = ((index, 1.0) for index in fixed.tolist())
            if found.excess <= 1e-6:
                master = replace(found, objective=objective, shares=(*found.shares, *whole))
                if self._told(objective) or self.out_of_time():
                    break
            elif self.out_of_time():
                break
            else:  # those that are fixed take too much: more must be free to move
                size *= 2
                self._bounded(_SMOOTH * self.center + (1 - _SMOOTH) * np.minimum(found.prices, 3 * self.center))
                continue
            known, before = len(level.columns), self.bound
            self._bounded(_SMOOTH * self.center + (1 - _SMOOTH) * found.prices)
            if len(level.columns) == known:
                self._bounded(found.prices)
                if len(level.columns) == known:
                    break
            # A bound that stands still says that some who are fixed should not be.
            size = max(least, size // 2) if self.bound > before else 2 * size
        return master

    # ------------------------------------------------------------------------------------------ whole answers

    def _choose(self, master: Master) -> None:
        """Keep what the master leaves whole and choose among the columns of the rest."""
        level = self.level
        share_of: dict[int, list[tuple[float, int]]] = {}
        for index, share in master.shares:
            share_of.setdefault(level.columns[index].ask, []).append((share, index))
        whole = {ask: max(own)[1] for ask, own in share_of.items()}
        open_asks = [ask for ask in level.asks.tolist() if max(share_of.get(ask, [(0.0, 0)]))[0] < 1 - 1e-7]
        many = len(level.asks) > _FEW
        for extra in _CHOICE_ASKS:
            asks = self._with_flexible(open_asks, whole, extra)
            fixed = {ask: index for ask, index in whole.items() if ask not in asks}
            left = level.capacity - self._used(fixed.values())
            allowed = _CHOICE_LOSS * master.objective if many else 0.0
            found = choose_columns(
                level, sorted(asks), left, loss=allowed, seconds=min(_CHOICE_SECONDS, self.seconds_left())
            )
            if found is not None and self._accept({**fixed, **found}):
                near = self.objective - self.bound <= 6 * _TARGET * abs(self.objective)
                if many and near:
                    return
            if len(asks) == len(level.asks):
                return

    def _with_flexible(self, asks: Sequence[int], whole: Mapping[int, int], extra: int) -> set[int]:
        """The open asks and those whose change costs least at the best bound's prices."""
        flat = self.level.flat()
        own, _, more = flat.ranked(flat.reduced(self.center))
        near = own[np.argsort(more, kind="stable")[:extra]]
        return {*asks, *(ask for ask in self.level.asks.tolist() if ask not in whole), *near.tolist()}

    def _improve(self) -> None:
        """Let each ask that could have better take the best of what is left, one after the other."""
        level, flat = self.level, self.level.flat()
        left = level.capacity - self._used(self.chosen.values())
        asks, best, _ = flat.ranked(flat.objective)
        for ask, index in zip(asks.tolist(), best.tolist(), strict=True):
            current = level.columns[self.chosen[ask]]
            if flat.objective[index] >= level.objective_of(current) * (1 - 1e-12):
                continue
            room = dict(current.uses)
            better = [
                (level.objective_of(level.columns[other]), other)
                for other in level.by_ask[ask]
                if all(
                    amount <= (left[row] + room.get(row, 0.0)) * (1 + 1e-9) + 1e-9
                    for row, amount in level.columns[other].uses
                )
            ]
            if better and min(better)[0] < level.objective_of(current) * (1 - 1e-12):
                self.chosen[ask] = min(better)[1]
                for row, amount in current.uses:
                    left[row] += amount
                for row, amount in level.columns[self.chosen[ask]].uses:
                    left[row] -= amount

    def _used(self, chosen: Iterable[int]) -> FloatArray:
        return self.level.flat().used(np.fromiter(chosen, dtype=np.int64))

    def _is_small(self, offers: int) -> bool:
        """Whether one integer program is likely to be solved to the end."""
        problem = self.level.problem
        sizes = np.diff(problem.ask_start)[self.level.asks]
        classes = np.diff(problem.class_start)[self.level.asks]
        return bool((sizes * (1 + (classes > 1) * classes)).sum() <= offers)

    def _close(self) -> None:
        """Solve the level as one integer program."""
        hint = {ask: self.level.columns[index].items for ask, index in self.chosen.items()}
        whole = solve_directly(self.level, hint=hint, seconds=min(_DIRECT_SECONDS, self.seconds_left()))
        if whole is None:
            return
        if all(covers(self.level.problem, ask, items) for ask, items in whole.chosen.items() if items):
            self._accept({ask: self.level.add(ask, items) for ask, items in whole.chosen.items()})
        self.bound = max(self.bound, whole.bound)
