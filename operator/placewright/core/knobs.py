"""What a user could change in a request, as the relaxations try it: limits to loosen, and steps to take.

Every knob names the field as the user writes it, can lift its limit altogether, and finds the smallest change that
suffices by solving. A knob never guesses.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Protocol

from placewright.core import figures
from placewright.core.model import FixedEfficiency, Layout, Request

Approves = Callable[[Request], Layout | None]
"""The layout that a request would be given, None when there is none or a gate blocks it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a field is called in a resource and in a config-dir."""

    resource: str
    config_dir: str

    def of(self, request: Request) -> str:
        """The name in the format that the request came from."""
        return self.config_dir if isinstance(request.performance, FixedEfficiency) else self.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field changed."""

    field: str
    current: str
    needed: str
    phrase: str  # what the change is, for a sentence that starts with "feasible "
    apply: Callable[[Request], Request]
    size: float


class Knob(Protocol):
    """One thing that a user could change."""

    @property
    def widening(self) -> int:
        """How much lifting it widens the search: 0 hardly, 1 some, 2 a lot."""

    def lifted(self, request: Request) -> Request:
        """The request as if the limit were not there (or as far as it can go)."""

    def smallest(self, request: Request, approves: Approves, below_size: float) -> Change | None:
        """The smallest change that makes the request feasible; None when there is none smaller than below_size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A limit whose needed value is read off the best layout that can be had without it (gates, the floor).

    Attributes:
        field: as the user writes it.
        limit: the present value.
        set_to: the request with another limit; None lifts it.
        extreme: the request that asks for the layout which is best in this figure alone.
        actual: the figure of a layout.
        upper: True for a largest allowed value, False for a floor.
        show: the figure as the user reads it in a sentence.
    """

    field: str
    limit: float
    set_to: Callable[[Request, float | None], Request]
    extreme: Callable[[Request], Request]
    actual: Callable[[Layout], float | None]
    upper: bool
    show: Callable[[float], str]
    widening: int = 0

    def lifted(self, request: Request) -> Request:
        """The request without the limit."""
        return self.set_to(request, None)

    def smallest(self, request: Request, approves: Approves, below_size: float) -> Change | None:
        """Solve for the best reachable figure, round it to the feasible side, and check."""
        for ask in (self.extreme, lambda changed: changed):
            # The second try takes what the request's own method finds, which may be worse than the best.
            layout = approves(ask(self.lifted(request)))
            reached = None if layout is None else self.actual(layout)
            if reached is None:
                return None
            if not self._exceeds(reached):
                continue
            change = self._change(reached)
            if change.size >= below_size:
                return None
            if approves(change.apply(request)) is not None:
                return change
        return None

    def _exceeds(self, reached: float) -> bool:
        return reached > self.limit if self.upper else reached < self.limit

    def _change(self, reached: float) -> Change:
        if self.upper:
            needed, verb = figures.rounded_up(reached, above=self.limit), "raise"
        else:
            needed, verb = figures.rounded_down(reached, below=self.limit), "lower"
        current_text, needed_text = figures.number(self.limit, 6), figures.number(needed, 6)
        return Change(
            field=self.field,
            current=current_text,
            needed=needed_text,
            phrase=f"at {self.show(reached)}: {verb} {self.field} from {current_text} to {needed_text}",
            apply=lambda asked: self.set_to(asked, needed),
            size=abs(needed - self.limit) / max(self.limit if self.upper else needed, 1e-3),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A latency target: loosened to the least that can be reached, found by bisection over solves."""

    field: str
    name: str  # TTFT, TPOT
    limit: float
    set_to: Callable[[Request, float | None], Request]
    actual: Callable[[Layout], float | None]
    widening: int = 0

    def lifted(self, request: Request) -> Request:
        """The request without the target."""
        return self.set_to(request, None)

    def smallest(self, request: Request, approves: Approves, below_size: float) -> Change | None:
        """Bisect between the present target and what is reached without one, to two thousandths."""
        reached = self._reached(self.lifted(request), approves)
        if below_size < inf:
            # Worth a search only when the target that would just be smaller than the rival suffices.
            reached = self._reached(self.set_to(request, self.limit * (1.0 + below_size)), approves)
        if reached is None or reached <= self.limit:
            return None
        low, high = self.limit, reached
        while high > low * 1.002:
            middle = sqrt(low * high)
            better = self._reached(self.set_to(request, middle), approves)
            if better is None:
                low = middle
            else:
                high = min(better, middle)
        needed = figures.rounded_up(high, above=self.limit)
        size = needed / self.limit - 1.0
        if size >= below_size or self._reached(self.set_to(request, needed), approves) is None:
            return None
        current_text, needed_text = figures.duration(self.limit), figures.duration(needed)
        return Change(
            field=self.field,
            current=current_text,
            needed=needed_text,
            phrase=f"with a {self.name} of {needed_text}: raise {self.field} from {current_text} to {needed_text}",
            apply=lambda asked: self.set_to(asked, needed),
            size=size,
        )

    def _reached(self, request: Request, approves: Approves) -> float | None:
        layout = approves(request)
        return None if layout is None else self.actual(layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A field that moves in steps 1..count, each a larger change than the one before.

    Attributes:
        field: as the user writes it.
        current: the present value, as text.
        count: how many steps are sane.
        at: the request after so many steps.
        shown: the value after so many steps, as text.
        size: relative size of so many steps.
        phrase: the change, for a sentence that starts with "feasible ".
    """

    field: str
    current: str
    count: int
    at: Callable[[Request, int], Request]
    shown: Callable[[int], str]
    size: Callable[[int], float]
    phrase: Callable[[int], str]
    widening: int = 0

    def lifted(self, request: Request) -> Request:
        """The request after all steps."""
        return self.at(request, self.count) if self.count else request

    def smallest(self, request: Request, approves: Approves, below_size: float) -> Change | None:
        """Double the steps until they suffice, then bisect; first see whether the largest sane change does."""
        most = bisect_left(range(1, self.count + 1), below_size, key=self.size)  # steps of a smaller size
        if most == 0 or approves(self.at(request, most)) is None:
            return None
        low, high = 0, 1
        while high < most and approves(self.at(request, high)) is None:
            low, high = high, min(high * 2, most)
        while high - low > 1:
            middle = (low + high) // 2
            if approves(self.at(request, middle)) is None:
                low = middle
            else:
                high = middle
        return Change(
            field=self.field,
            current=self.current,
            needed=self.shown(high),
            phrase=self.phrase(high),
            apply=lambda asked: self.at(asked, high),
            size=self.size(high),
        )


def switch(
    field: str, *, current: str, needed: str, change: Callable[[Request], Request], phrase: str, widening: int = 0
) -> Steps:
    """A change without degrees; it counts as large as doubling something."""
    return Steps(
        field=field,
        current=current,
        count=1,
        at=lambda asked, _step: change(asked),
        shown=lambda _step: needed,
        size=lambda _step: 1.0,
        phrase=lambda _step: phrase,
        widening=widening,
    )


def raising(
    field: str, value: int, *, up_to: int, change: Callable[[Request, int], Request], noun: str, widening: int = 0
) -> Steps:
    """A whole number that grows one by one."""
    return Steps(
        field=field,
        current=str(value),
        count=max(up_to - value, 0),
        at=lambda asked, step: change(asked, value + step),
        shown=lambda step: str(value + step),
        size=lambda step: step / max(value, 1),
        phrase=lambda step: f"with {value + step} {noun}: raise {field} from {value} to {value + step}",
        widening=widening,
    )


def lowering(field: str, value: int, *, down_to: int, change: Callable[[Request, int], Request], noun: str) -> Steps:
    """A whole number that shrinks one by one, to 1 at least."""
    return Steps(
        field=field,
        current=str(value),
        count=max(value - down_to, 0),
        at=lambda asked, step: change(asked, value - step),
        shown=lambda step: str(value - step),
        size=lambda step: value / max(value - step, 1) - 1.0,
        phrase=lambda step: f"with {value - step} {noun}: lower {field} from {value} to {value - step}",
    )
