"""The fleet: many events become one look at the cluster, one decision of what has changed, and few writes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from placewright.api.prices import stale_prices
from placewright.api.surroundings import Surroundings
from placewright.core.model import FleetReport, Observation, Pool
from placewright.handlers import answers
from placewright.handlers.answers import Answer
from placewright.handlers.cache import Json, key_of
from placewright.handlers.fleet_live import FleetLive
from placewright.handlers.fleet_solutions import FleetSolutions, Planned
from placewright.handlers.joining import covered, wants_fleet
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.members import Members, World
from placewright.handlers.publisher import Publisher
from placewright.handlers.surveyor import Survey, Surveyor
from placewright.kube.client import ApiError, UnreachableError
from placewright.telemetry.live_figures import LiveFigures
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_NOT_READY_SECONDS = 0.5
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 60.0
_LONGEST_BACKLOG_SECONDS = 10.0
_BACKLOG_POLL_SECONDS = 0.05
_AFTER_DWELL_SECONDS = 0.05  # on the safe side of the moment
_ITEMS_BETWEEN_TURNS = 200  # comparing thousands of decisions must not hold the loop
_PATIENCE = 3  # batches given up in turn because the Nodes changed; then what still fits is written


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetParts:
    """What the fleet is made of.

    Attributes:
        surveyor: sees pools, policies, profiles, Nodes and Pods.
        members: the requests that are planned together.
        solutions: decide.
        publisher: writes answers.
        kinds: write the statuses of the other kinds.
        live: figures, gates and ramps of the members.
    """

    surveyor: Surveyor
    members: Members
    solutions: FleetSolutions
    publisher: Publisher
    kinds: KindStatuses
    live: FleetLive


class Fleet:
    """Plans all members together, again and again.

    Args:
        parts: what it is made of.
        ready: whether every request was listed, so that what they hold is known.
        backlog: whether listed requests wait to be handed over.
        rejudge: has all requests judged again except those given; called when policies or profiles have changed.
        debounce_seconds: how long a change waits for more changes.
    """

    def __init__(
        self,
        parts: FleetParts,
        *,
        ready: Callable[[], bool],
        backlog: Callable[[], bool],
        rejudge: Callable[[Collection[Key]], None],
        debounce_seconds: float,
    ) -> None:
        self._parts = parts
        self._ready = ready
        self._backlog = backlog
        self._rejudge = rejudge
        self._debounce_seconds = debounce_seconds
        self._wake = asyncio.Event()
        self._due: float | None = None
        self._busy = False
        self._publishing = False
        self._attempts = 0
        self._given_up = 0
        self._retry: asyncio.TimerHandle | None = None
        self._dwell: asyncio.TimerHandle | None = None
        self._ramp: asyncio.TimerHandle | None = None
        self._rules: Surroundings | None = None
        self.report: FleetReport | None = None
        self.last_progress: float | None = None

    # ------------------------------------------------------------------------------------------- what it is told

    def trigger(self) -> None:
        """Something may have changed: look soon."""
        if self._due is None:
            self._due = time.monotonic() + self._debounce_seconds
            self._wake.set()

    def wants(self, resource: Json) -> bool:
        """Whether a request is planned together with others."""
        surveyor = self._parts.surveyor
        return wants_fleet(resource, surveyor.ceilings(), observed=surveyor.observes())

    def writes(self, key: Key) -> bool:
        """Whether a status of this request is on its way."""
        return self._parts.publisher.writes(key)

    def take(self, resource: Json, *, ours: bool) -> None:
        """Has a request planned; `ours` is False when somebody else wrote its status."""
        self._parts.members.take(resource, ours=ours)
        self._parts.live.took(key_of(resource))
        self.trigger()

    def keep(self, resource: Json) -> bool:
        """Has a request planned with its present plan in view, which its gates block."""
        self.take(resource, ours=True)
        return True

    def leave(self, key: Key) -> None:
        """A request is planned alone, or not at all."""
        if self._parts.members.leave(key):
            self._parts.live.forget(key)
            self.trigger()

    def rules(self) -> Surroundings:
        """What requests that are planned alone are read with."""
        return self._parts.surveyor.rules()

    def seen(self, resource: Json) -> None:
        """A newer object of any request; what its status holds counts from now on."""
        if self._parts.members.ledger.see(resource) and not self._publishing and self._parts.surveyor.has_books():
            self.trigger()

    def gone(self, key: Key) -> None:
        """A request is gone, and gives back what it held."""
        held = self._parts.members.ledger.forget(key)
        self._parts.live.forget(key)
        if self._parts.members.leave(key) or (held and self._parts.surveyor.has_books()):
            self.trigger()

    def flips(self, key: Key, in_force: Observation, exact: Observation) -> bool:
        """Whether a gate of the request tells these figures apart."""
        return self._parts.live.flips(key, in_force, exact)

    async def weigh(self) -> bool:
        """Looks at gates and ramps with new figures; returns whether an answer may change by them."""
        news = await self._parts.live.weigh()
        self._mind_ramps()
        return news

    # ------------------------------------------------------------------------------------------------ what it tells

    def figures(self, key: Key) -> LiveFigures | None:
        """Exact live figures of a request, for metrics; safe to call from another thread."""
        return self._parts.live.figures(key)

    def waiting(self) -> int:
        """How many requests wait for their status, as far as that is known; at least 1 while anything is to do."""
        return self._parts.members.untold() or int(self._busy or self._due is not None or self._retry is not None)

    def waiting_since(self) -> float | None:
        """Since when a look is due; None when none is."""
        due = self._due
        return due if due is not None and due <= time.monotonic() else None

    # -------------------------------------------------------------------------------------------------- what it does

    async def run(self) -> None:
        """Plans until cancelled."""
        try:
            while True:
                await self._wait()
                self._busy = True
                try:
                    retry_seconds = await self._look()
                except Exception:
                    # A fault in one round must not end the operator; it is told and tried again, ever more slowly.
                    retry_seconds = self._backoff()
                    log.exception("fleet round failed", extra={"retrySeconds": retry_seconds})
                finally:
                    self._busy = False
                    self.last_progress = time.monotonic()
                self._try_again(retry_seconds)
        finally:
            for timer in (self._retry, self._dwell, self._ramp):
                if timer is not None:
                    timer.cancel()

    async def _wait(self) -> None:
        """Until a look is due, and requests that were listed are all handed over."""
        await self._wake.wait()
        await asyncio.sleep(max(0.0, (self._due or 0.0) - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_BACKLOG_SECONDS):
                while self._backlog() or self._parts.live.behind():  # noqa: ASYNC110 - the queue has no moment of being empty to wait for
                    await asyncio.sleep(_BACKLOG_POLL_SECONDS)
        self._wake.clear()
        self._due = None

    async def _look(self) -> float | None:
        """One round: observe, decide, act, report; returns in how many seconds to try again, None: not by itself."""
        survey = self._parts.surveyor.survey()
        if survey is None:
            return None  # the surveyor tells when there is something to see
        if not self._ready():
            return _NOT_READY_SECONDS
        self._mind_rules()
        live = self._parts.live
        looked_up = await live.prepare()
        await self._parts.members.read(survey, live.in_force())
        await live.look()
        world = await self._parts.members.world(survey, datetime.now(UTC), live=live.in_force(), steering=live.steering)
        planned = await self._parts.solutions.decide(world.snapshot)
        changed, brief = await self._changed(world, planned)
        unwritten = await self._act(survey, changed)
        self._parts.solutions.give_back(unwritten | brief)
        self._parts.solutions.forget(brief)
        stands = await self._report(planned)
        transient = self._parts.solutions.forget_transient()
        if brief:
            return 0.0
        if unwritten or transient or not stands or not looked_up:
            return self._backoff()
        self._attempts = 0
        return None

    def _mind_rules(self) -> None:
        """Has requests outside of the fleet judged again when what they are read with is not what it was."""
        rules = self._parts.surveyor.rules()
        if self._rules is not None and rules != self._rules:
            log.info("policies or profiles have changed; requests are judged again")
            ceilings, observes = self._parts.surveyor.ceilings(), self._parts.surveyor.observes()
            self._rejudge(
                frozenset(
                    key
                    for key, member in self._parts.members.items()
                    if member.joins or observes or covered(key[0], ceilings)
                )
            )
        self._rules = rules

    def begin(self) -> None:
        """Requests are judged from now on, by the rules as they are known."""
        self._rules = self._parts.surveyor.rules()
        self.trigger()

    async def _changed(self, world: World, planned: Planned) -> tuple[dict[Key, Answer], frozenset[Key]]:
        """Answers that say something new, and the members whose explanations are needed again for theirs."""
        found = await self._decided(world, planned)
        for key, member in world.members.items():
            answer = None
            if key in planned.failed:
                answer = answers.of_failure(planned.failed[key], member)
            elif key in world.waiting:
                answer = answers.of_blindness(world.survey.fault, member)
            elif member.fault is not None:
                answer = answers.of_fault(self._parts.live.fault_of(key, member.fault), member)
            if answer is not None and self._is_news(key, answer.told):
                found[key] = answer
        brief = frozenset(key for key, answer in found.items() if answer.brief)
        return {key: answer for key, answer in found.items() if not answer.brief}, brief

    async def _decided(self, world: World, planned: Planned) -> dict[Key, Answer]:
        found: dict[Key, Answer] = {}
        for count, decision in enumerate(planned.whole.decisions):
            key = (decision.request.namespace, decision.request.name)
            member = world.members[key]
            told = self._parts.live.told(key, member, decision)
            stale = stale_prices(told.decision, world.survey.surroundings)
            news = answers.told_of(told.decision, member, (told.plain, stale))
            if self._is_news(key, news):
                found[key] = answers.of_decision(
                    told.decision,
                    member,
                    seconds=planned.seconds[key],
                    surroundings=world.survey.surroundings,
                    brief=key in planned.brief,
                    live=told.status(),
                    told=news,
                )
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        return found

    def _is_news(self, key: Key, told: Hashable) -> bool:
        member = self._parts.members.get(key)
        return member is not None and member.told != told

    async def _act(self, survey: Survey, changed: dict[Key, Answer]) -> frozenset[Key]:
        """Writes what has changed, if the Nodes are still what the decision was made for; returns what was not."""
        touched = self._parts.publisher.takes(changed)
        if touched:
            try:
                await self._parts.surveyor.refresh(sorted(touched))
            except (ApiError, UnreachableError) as error:
                log.warning("Nodes and Pods cannot be read before writing plans", extra={"error": str(error)})
                return frozenset(changed)
        fresh = self._parts.surveyor.survey()
        if fresh is None:
            return frozenset(changed)
        writing = self._still_right(changed, survey, fresh, touched)
        self._publishing = True
        try:
            unwritten = await self._parts.publisher.publish(writing, fresh.pools)
        finally:
            self._publishing = False
        return unwritten | (changed.keys() - writing.keys())

    def _still_right(
        self, changed: dict[Key, Answer], survey: Survey, fresh: Survey, touched: frozenset[str]
    ) -> dict[Key, Answer]:
        """Without the answers on pools that are not any more what the decision was made for.

        After some rounds in turn of that everything is tried: the publisher writes nothing that does not fit.
        """
        moved = {name for name in touched if _rooms(survey.pools.get(name)) != _rooms(fresh.pools.get(name))}
        if not moved or self._given_up >= _PATIENCE:
            self._given_up = 0
            return changed
        self._given_up += 1
        log.info("pools changed while they were planned; planning again", extra={"pools": sorted(moved)})
        ledger = self._parts.members.ledger
        return {
            key: answer
            for key, answer in changed.items()
            if moved.isdisjoint(ledger.of(key).pools)
            and (answer.holding is None or moved.isdisjoint(answer.holding.pools))
        }

    async def _report(self, planned: Planned) -> bool:
        """Tells metrics and the other kinds' statuses; returns whether those stand."""
        self.report = planned.whole.report
        self._mind_dwell()
        self._mind_ramps()
        if planned.solved:
            report = planned.whole.report
            log.info(
                "fleet decided",
                extra={
                    "parts": planned.solved,
                    "placed": report.placed,
                    "refused": report.refused,
                    "failed": len(planned.failed),
                    "costPerHour": round(report.cost_per_hour, 4),
                    "gapPercent": round(report.gap_percent, 4),
                },
            )
        survey = self._parts.surveyor.survey()
        if survey is None:
            return True  # it is on its way, and brings another round
        values = {use.name: use.one_more_node for use in planned.whole.pools if use.one_more_node is not None}
        return await self._parts.kinds.write(survey, values)

    def _mind_dwell(self) -> None:
        """Looks again when the next plan may move for savings: nothing else changes by itself."""
        if self._dwell is not None:
            self._dwell.cancel()
            self._dwell = None
        now = datetime.now(UTC)
        end = self._parts.members.next_dwell_end(now)
        if end is not None:
            seconds = (end - now).total_seconds() + _AFTER_DWELL_SECONDS
            self._dwell = asyncio.get_running_loop().call_later(seconds, self.trigger)

    def _mind_ramps(self) -> None:
        """Looks again when the next ramp is due by time alone."""
        if self._ramp is not None:
            self._ramp.cancel()
            self._ramp = None
        seconds = self._parts.live.next_ramp_in()
        if seconds is not None:
            self._ramp = asyncio.get_running_loop().call_later(max(0.0, seconds) + _AFTER_DWELL_SECONDS, self.trigger)

    def _try_again(self, seconds: float | None) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if seconds is not None:
            self._retry = asyncio.get_running_loop().call_later(seconds, self._again)

    def _again(self) -> None:
        self._retry = None
        self.trigger()

    def _backoff(self) -> float:
        self._attempts += 1
        return float(min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** (self._attempts - 1)))


def _rooms(pool: Pool | None) -> tuple[int, ...] | None:
    return None if pool is None else pool.free_by_node
