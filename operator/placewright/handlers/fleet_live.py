"""What live figures and ramps are to a round of the fleet: what is in force, what is told, what is held."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from placewright.api.live import Live, LiveInput, LiveStatus, ObservedStatus, RampStatus, moment_of
from placewright.api.surroundings import DemandUnavailableError
from placewright.core import gates
from placewright.core.errors import InvalidRequestError
from placewright.core.live_inputs import usable
from placewright.core.model import NO_OBSERVATION, Decision, Observation, Plan, Reading
from placewright.handlers.gate_watch import GateWatch
from placewright.handlers.live_views import LiveView
from placewright.handlers.members import Member, Members, Steering
from placewright.handlers.ramps import Ramps
from placewright.telemetry.live_figures import InputFigure, InputName, LiveFigures
from placewright.telemetry.views import Key

_ITEMS_BETWEEN_TURNS = 50  # a look at gates and a ramp takes a part of a millisecond


class Figures(Protocol):
    """The seam: live figures of the members (`LiveInputs` has them)."""

    @property
    def views(self) -> Mapping[Key, LiveView]:
        """Of each member that wants some, as read last."""
        ...

    def want(self) -> None:
        """A request wants figures that nobody has asked for yet."""
        ...

    def behind(self) -> bool:
        """Whether a member waits for its first figures."""
        ...

    def forget(self, key: Key) -> None:
        """The request is gone, or is not planned here any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A decision with all that its status is to tell.

    Attributes:
        decision: with its gates as they are to be told, and with what a rollback makes of it.
        plain: what beside it is worth a status, for comparing.
        view: live figures; None: it wants none.
        ramp: for the status; None: it has none.
        now: Unix seconds.
    """

    decision: Decision
    plain: object
    view: LiveView | None
    ramp: RampStatus | None
    now: float

    def status(self) -> LiveStatus:
        """What the status shows of it."""
        view = self.view
        if view is None:
            return LiveStatus(ramp=self.ramp)
        return LiveStatus(
            demand=view.demand,
            ramp=self.ramp,
            observed=_observed(self.decision.plan, view.observation, self.now),
            revenue=view.revenue,
            faults=view.faults,
        )


class FleetLive:
    """Figures, gates and ramps of the members together.

    Args:
        members: all that are planned together.
        figures: their live figures, or None for as long as there are none.
        ramps: their ramps.
        steering: what plans members count as having, and what serves beside them; None: as the ramps have it.
        now: Unix seconds.
    """

    def __init__(
        self,
        *,
        members: Members,
        figures: Callable[[], Figures | None],
        ramps: Ramps,
        steering: Steering | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._members = members
        self._figures = figures
        self._now = now
        self.ramps = ramps
        self.steering: Steering = steering or ramps
        self._gates = GateWatch()

    # ------------------------------------------------------------------------------------------------ one round

    async def prepare(self) -> bool:
        """Looks up the earlier plans that annotations name; False: not all of it yet."""
        done = True
        for key, member in self._members.items():
            if self.ramps.wishes(key, member):
                done = await asyncio.to_thread(self.ramps.fetch, key, member) and done
        return done

    async def look(self) -> bool:
        """Looks at every ramp; returns whether one has something new to tell or to decide."""
        news = False
        for count, (key, member) in enumerate(self._members.items()):
            if member.ramp is not None:
                news = self.ramps.look(key, member, self._observation(key)) or news
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        return news

    def in_force(self) -> Mapping[Key, Live] | None:
        """The figures in force that members are read with; None: nobody reads any."""
        figures = self._figures()
        return None if figures is None else {key: view.live for key, view in figures.views.items()}

    def told(self, key: Key, member: Member, decision: Decision) -> Told:
        """A decision as it is to be told."""
        view = self._views().get(key) if member.watches else None
        observation = NO_OBSERVATION if view is None else view.observation
        settled = self._gates.decided(key, member, self.ramps.settle(key, member, decision), observation)
        return Told(
            decision=settled,
            plain=(self.ramps.told(key), settled.warnings, None if view is None else view.told),
            view=view,
            ramp=self.ramps.status(key, member),
            now=self._now(),
        )

    def fault_of(self, key: Key, fault: InvalidRequestError) -> InvalidRequestError:
        """The fault of a request; that nobody has read its demand is told with the reason."""
        view = self._views().get(key)
        if not isinstance(fault, DemandUnavailableError) or view is None:
            return fault
        why = next((each.message for each in view.faults if each.input is LiveInput.DEMAND), "")
        return DemandUnavailableError.because(why) if why else fault

    # ----------------------------------------------------------------------------------------------- new figures

    async def weigh(self) -> bool:
        """Looks at gates and ramps with new figures; returns whether an answer may change by them."""
        news = await self.look()
        for count, (key, member) in enumerate(self._members.items()):
            if news:
                return True
            news = member.watches and self._gates.has_news(key, self._observation(key))
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        return news

    def flips(self, key: Key, in_force: Observation, exact: Observation) -> bool:
        """Whether a gate of the request tells these figures apart."""
        return self._gates.flips(key, in_force, exact)

    def next_ramp_in(self) -> float | None:
        """In how many seconds a ramp is due by time alone; None: none is."""
        times = [self.ramps.due_at(key, member) for key, member in self._members.items() if member.ramp is not None]
        due = min((moment for moment in times if moment is not None), default=None)
        return None if due is None else due - self._now()

    # ------------------------------------------------------------------------------------------------- the rest

    def took(self, key: Key) -> None:
        """A newer object of a member."""
        member, figures = self._members.get(key), self._figures()
        if member is not None and member.watches and figures is not None and key not in figures.views:
            figures.want()

    def behind(self) -> bool:
        """Whether a member waits for its first figures."""
        figures = self._figures()
        return figures is not None and figures.behind()

    def forget(self, key: Key) -> None:
        """The request is gone, or is not planned here any more."""
        self.ramps.forget(key)
        self._gates.forget(key)
        figures = self._figures()
        if figures is not None:
            figures.forget(key)

    def figures(self, key: Key) -> LiveFigures | None:
        """Exact live figures of a request, for metrics; safe to call from another thread."""
        view, member = self._views().get(key), self._members.get(key)
        if view is None or member is None:
            return None
        plan, seen = self._gates.plan(key), view.observation
        cost = None if plan is None else gates.observed_cost_per_million_tokens(plan, seen)
        rate = view.rate
        return LiveFigures(
            gates=self._gates.exact(key, seen),
            observed_cost_usd_per_token=None if cost is None else cost / 1e6,
            demand_requests_per_second=None if rate is None else rate.value,
            inputs=tuple(_inputs(view)),
        )

    def _observation(self, key: Key) -> Observation:
        view = self._views().get(key)
        return NO_OBSERVATION if view is None else view.observation

    def _views(self) -> Mapping[Key, LiveView]:
        figures = self._figures()
        return {} if figures is None else figures.views


def _inputs(view: LiveView) -> list[InputFigure]:
    faults = {each.input: each.message for each in view.faults}
    given: list[tuple[InputName, LiveInput, Reading | None]] = [
        (InputName.DEMAND, LiveInput.DEMAND, view.rate),
        (InputName.REVENUE, LiveInput.REVENUE, view.observation.revenue_per_hour),
        (InputName.OBSERVATION, LiveInput.OBSERVATION, view.observation.tokens_per_second),
    ]
    found = []
    for name, which, reading in given:
        if reading is not None or which in faults:
            age = None if reading is None else reading.age_seconds
            found.append(InputFigure(name=name, age_seconds=age, fault=faults.get(which, "")))
    return found


def _observed(plan: Plan | None, seen: Observation, now: float) -> ObservedStatus | None:
    """What the served tokens of a plan really cost; None: nobody can say."""
    reading = seen.tokens_per_second
    if plan is None or reading is None or usable(reading, seen.max_age_seconds)[0] is None:
        return None
    cost = gates.observed_cost_per_million_tokens(plan, seen)
    predicted = plan.cost_per_million_tokens
    if cost is None or predicted <= 0.0:
        return None
    return ObservedStatus(
        cost_per_million_tokens=cost,
        ratio_to_predicted=cost / predicted,
        read_at=moment_of(now - (reading.age_seconds or 0.0)),
    )
