"""What a method hands back, and the parts that all methods share: the clock, the gates, the proof."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from placewright.core import gates, layouts, objective
from placewright.core.model import FrontierPoint, Layout, ObjectiveType, Progress, Request, SolveReport, SolveStatus
from placewright.core.objective import Goal
from placewright.core.performance.base import Setting

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of a method.

    Attributes:
        best: the layout to use; None when there is none, or when a gate blocks every one.
        unblocked_best: the best layout without the gates on money (equal to `best` when none of them binds).
        frontier: the Pareto set of the exact search, cheapest first; empty when the request wants none.
        report: how the answer was found and what is proved.
        warnings: lines for the user, such as the best possible price when the target is out of reach.
    """

    best: Layout | None
    unblocked_best: Layout | None
    frontier: tuple[FrontierPoint, ...]
    report: SolveReport
    warnings: tuple[str, ...] = ()


class Watch:
    """A deadline on the injected clock."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return self._clock() >= self._end

    def left(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(self._end - self._clock(), 0.0)

    def share(self, fraction: float) -> "Watch":
        """A deadline after this fraction of what is left."""
        return Watch(self._clock, self.left() * fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a set of layouts has to offer: `usable` passes or only warns, `best` ignores the gates."""

    usable: Layout | None
    best: Layout | None


def choose(request: Request, goal: Goal, candidates: Sequence[Layout]) -> Choice:
    """Choose within the gates first, then among those that nothing blocks, and without gates."""
    outcomes = [(layout, gates.evaluate(request, layout)) for layout in candidates]
    usable = objective.best_of(goal, (layout for layout, held in outcomes if gates.satisfied(request, held)))
    if usable is None:
        usable = objective.best_of(goal, (layout for layout, held in outcomes if not gates.blocks(request, held)))
    return Choice(usable=usable, best=objective.best_of(goal, candidates))


def price_suffices(request: Request) -> bool:
    """Whether the best price per token alone decides: no other objective, floor or limit per hour."""
    return (
        request.objective.type is ObjectiveType.COST_PER_TOKEN
        and request.objective.min_tokens_per_second <= 0.0
        and gates.cost_per_hour_cap(request.gates) is None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The exact search of a request: what it found and what it proves."""

    request: Request
    found: layouts.Search
    goal: Goal
    choice: Choice

    @property
    def frontier(self) -> tuple[FrontierPoint, ...]:
        """The layouts found, cheapest first."""
        return tuple(FrontierPoint(layout=layout) for layout in self.found.frontier)

    @property
    def answer(self) -> Layout | None:
        """The layout to judge: the usable one, otherwise the one that gates block."""
        return self.choice.usable or self.choice.best

    def loss_bound(self) -> float:
        """Smallest loss that any layout of the request can have."""
        if self.found.complete:
            return inf if self.answer is None else self.goal.loss(self.answer)
        price, rate = self.found.bound_cost_per_million_tokens, self.found.bound_tokens_per_second
        if self.goal.type is ObjectiveType.THROUGHPUT:
            return -inf if rate is None else -rate
        if price is None or (rate is None and self.goal.type is ObjectiveType.WEIGHTED):
            return 0.0 if self.goal.type in (ObjectiveType.COST_PER_TOKEN, ObjectiveType.COST) else -inf
        return self.goal.loss_bound(price, rate or self.goal.floor_tokens_per_second)

    def price_bound(self) -> float | None:
        """USD per million tokens below which no layout goes."""
        if self.goal.type is ObjectiveType.COST_PER_TOKEN and self.found.complete and self.answer is not None:
            return self.answer.cost_per_million_tokens
        if self.found.complete and self.found.frontier:
            return min(layout.cost_per_million_tokens for layout in self.found.frontier)
        return self.found.bound_cost_per_million_tokens


def search_exactly(
    request: Request,
    settings: Sequence[Setting],
    *,
    out_of_time: Callable[[], bool],
    on_progress: OnProgress | None = None,
    frontier: bool = True,
) -> Exact:
    """Search every layout and choose among the Pareto set."""
    found = layouts.search(
        request,
        settings,
        out_of_time=out_of_time,
        on_progress=on_progress,
        frontier=frontier or not price_suffices(request),
    )
    goal = objective.goal_on(request.objective, found.frontier)
    return Exact(request=request, found=found, goal=goal, choice=choose(request, goal, found.frontier))


def with_proof(report: SolveReport, exact: Exact, answer: Layout | None) -> SolveReport:
    """Add to a report the bounds that an exact search proved, and the gap of an answer to them."""
    bound = exact.loss_bound()
    proved = abs(bound) != inf
    kind = exact.goal.type
    gap = exact.goal.gap_percent(exact.goal.loss(answer), bound) if answer is not None and proved else None
    return replace(
        report,
        gap_percent=gap,
        bound_cost_per_million_tokens=exact.price_bound(),
        bound_cost_per_hour=bound if kind is ObjectiveType.COST and proved else None,
        bound_tokens_per_second=-bound if kind is ObjectiveType.THROUGHPUT and proved else None,
        layouts_considered=report.layouts_considered + exact.found.considered,
    )


def status_of(exact: Exact, gap_percent: float | None) -> SolveStatus:
    """What an exact search proves of its own answer."""
    if exact.answer is None:
        return SolveStatus.INFEASIBLE if exact.found.complete else SolveStatus.TIME_LIMIT
    return SolveStatus.OPTIMAL if gap_percent == 0.0 else SolveStatus.FEASIBLE
