"""The cycle: observe, decide, check again, act, report, for every request that asks for it, again and again.

Driven by what is stored alone, so a killed operator loses nothing. What a step is about to do is told before it is
done: a process that dies in between finds in the status what it was at.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from placewright.api.acting import limits_of, rollout_memory_of
from placewright.api.acting_status import AppliedReason
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.policies import by_name
from placewright.core.model import IdlePolicy, Running
from placewright.handlers.acting.carrying import Carrier
from placewright.handlers.acting.deciding import Decided, Decider
from placewright.handlers.acting.idling import Idling
from placewright.handlers.acting.limits import Brake, Cycle, brake_of
from placewright.handlers.acting.looks import Hold, Look, Rights, Scene, apart, look_at
from placewright.handlers.acting.objects import Subject, Subjects
from placewright.handlers.acting.observing import Access, Observing
from placewright.handlers.acting.readings import Around, Readings
from placewright.handlers.acting.stock import Book, leftover
from placewright.handlers.acting.troubles import Troubles
from placewright.handlers.cache import Json
from placewright.handlers.ledger import Ledger
from placewright.handlers.surveyor import Surveyor
from placewright.kube.client import ApiError, UnreachableError
from placewright.telemetry.acting_figures import ActingFigures, ActingState
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_ITEMS_BETWEEN_TURNS: Final = 20  # a look takes a part of a millisecond; the loop must not be held
_LEAST_PAUSE_SECONDS: Final = 0.25  # between two cycles, however much changes
_CARRY_SECONDS: Final = 10.0  # then the rest is decided anew, so that a wake waits for no rollout of a whole fleet
_AWAY: Final = {Access.OFF: AppliedReason.NOT_ENABLED, Access.REFUSED: AppliedReason.DENIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingParts:
    """What acting is made of.

    Attributes:
        subjects: the requests.
        observing: what runs.
        readings: what they say.
        idling: whether they idle.
        troubles: why replicas do not get Ready.
        carrier: carries out.
        surveyor: pools, policies and what is free.
        ledger: what stored plans hold.
    """

    subjects: Subjects
    observing: Observing
    readings: Readings
    idling: Idling
    troubles: Troubles
    carrier: Carrier
    surveyor: Surveyor
    ledger: Ledger


class Acting:
    """Acts, again and again.

    Args:
        parts: what it is made of.
        ready: whether every request was listed.
        left: told that something which ran beside the plans is gone.
        interval_seconds: between two cycles, where nothing changes.
        parallel: requests that are carried out at once.
        now: Unix seconds.
        clock: seconds of a clock that does not go back.
    """

    def __init__(
        self,
        parts: ActingParts,
        *,
        ready: Callable[[], bool],
        left: Callable[[], None],
        interval_seconds: float,
        parallel: int,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._ready = ready
        self._left = left
        self._interval_seconds = interval_seconds
        self._busy = asyncio.Semaphore(parallel)
        self._now = now
        self._clock = clock
        self._wake = asyncio.Event()
        self._cycle = Cycle()
        self._waits: frozenset[tuple[Hashable, str]] = frozenset()
        self._state: ActingState | None = None
        self.leftovers: Mapping[Key, tuple[Running, ...]] = {}
        parts.observing.changed = self.trigger

    # ------------------------------------------------------------------------------------------- what it is told

    def trigger(self) -> None:
        """Something may have changed: look soon."""
        self._wake.set()

    def seen(self, resource: Json) -> None:
        """A newer object of any request."""
        if self._parts.subjects.see(resource):
            self.trigger()

    def gone(self, key: Key) -> None:
        """A request is gone; what we made for it goes by its owner references."""
        if self._parts.subjects.gone(key):
            self.trigger()
        for part in (self._parts.readings, self._parts.idling, self._parts.carrier):
            part.forget(key)

    # --------------------------------------------------------------------------------------------- what it tells

    @property
    def observing(self) -> Observing:
        """Reads what runs; to be run beside it."""
        return self._parts.observing

    def figures(self, key: Key) -> ActingFigures | None:
        """Exact figures of a request for metrics; safe to call from another thread."""
        return self._parts.idling.figures(key)

    def state(self) -> ActingState | None:
        """Brake and pause of the fleet; safe to call from another thread."""
        return self._state

    # ------------------------------------------------------------------------------------------------ what it does

    async def run(self) -> None:
        """Acts until cancelled."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self.cycle()
                except (ApiError, UnreachableError) as error:
                    log.warning("acting waits for the API server", extra={"error": str(error)})
                except Exception:
                    # A fault of one cycle must not end the operator; it is told, and the next one tries again.
                    log.exception("a cycle of acting failed")
                await asyncio.sleep(_LEAST_PAUSE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._interval_seconds)
        finally:
            await self._parts.idling.close()

    async def cycle(self) -> None:
        """One cycle.

        Raises:
            ApiError, UnreachableError: what is to be looked at could not be read.
        """
        parts = self._parts
        survey = parts.surveyor.survey()
        if survey is None or not self._ready():
            return
        policies = parts.surveyor.rules().policies
        await parts.subjects.expect(idles=_idles(policies))
        now, limits = self._now(), limits_of(policies, now=self._now())
        self._cycle.turn(limits, self._clock())
        pools = tuple(known.model for known in parts.surveyor.pools.objects() if known.model is not None)
        around = Around(policies=policies, pools=pools, surroundings=survey.surroundings)
        looks = await self._looks(around, limits.paused)
        brake = brake_of(_failures(parts.subjects.items()), limits, now)
        self._state = ActingState(brake=brake.engaged, paused=bool(limits.paused))
        await parts.idling.ask(looks, now, self._clock())
        claims = {look.key: look.claim for look in looks if look.subject.applies}
        book = Book(survey.pools, claims, parts.ledger.items(), self._waits)
        decided = await self._decided(looks, book, brake, now)
        self._waits = book.waits
        self._note_leftovers(looks)
        parts.carrier.begin()
        await self._carry(decided)

    async def _looks(self, around: Around, paused: str) -> list[Look]:
        parts = self._parts
        observed = parts.observing.observed()
        rights: dict[str, Rights | None] = {}
        found: list[Look] = []
        kinds: set[str] = set()
        for count, (key, subject) in enumerate(sorted(parts.subjects.items())):
            if subject.rests:
                continue
            if key[0] not in rights:
                rights[key[0]] = self._rights(key[0])
            right = rights[key[0]]
            if right is None:
                continue  # nobody knows yet what runs there
            scene = Scene(around=around, observed=observed, rights=right, paused=paused)
            try:
                look = look_at(key, subject, scene, parts.readings)
                look = await parts.troubles.told(look, self._now(), self._clock())
            except Exception:
                # One request's fault must not stop the others.
                log.exception("a request cannot be looked at", extra={"namespace": key[0], "request": key[1]})
                continue
            if look.said is not None and look.said.reference is not None and right.known:
                kinds.add(look.said.reference.kind)
            found.append(look)
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        parts.observing.follow(kinds)
        return apart(found)

    def _rights(self, namespace: str) -> Rights | None:
        access, why = self._parts.observing.access(namespace)
        if access is Access.PENDING:
            return None
        if access is Access.FULL:
            return Rights()
        return Rights(hold=Hold(reason=_AWAY[access], message=why), known=False)

    async def _decided(self, looks: Iterable[Look], book: Book, brake: Brake, now: float) -> list[Decided]:
        decider = Decider(book=book, cycle=self._cycle, brake=brake, now=now)
        found = []
        for count, look in enumerate(sorted(looks, key=_order)):
            try:
                idles = self._parts.idling.found(look, now)
                found.append(decider.decide(look, idles, self._parts.carrier.refused(look.key)))
            except Exception:
                log.exception("a request cannot be decided", extra={"namespace": look.key[0], "request": look.key[1]})
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        return found

    async def _carry(self, decided: Iterable[Decided]) -> None:
        end = self._clock() + _CARRY_SECONDS

        async def one(each: Decided) -> None:
            async with self._busy:
                key = each.look.key
                if self._clock() >= end and each.step is not None and each.step.actions:
                    self.trigger()
                    return
                try:
                    if await self._parts.carrier.carry(each):
                        self.trigger()
                except (ApiError, UnreachableError) as error:
                    log.warning("not acted", extra={"namespace": key[0], "request": key[1], "error": str(error)})
                except Exception:
                    log.exception("acting failed", extra={"namespace": key[0], "request": key[1]})

        await asyncio.gather(*(one(each) for each in decided))

    def _note_leftovers(self, looks: Iterable[Look]) -> None:
        """What runs outside of the plans that stand: planning sets its GPUs aside."""
        found = {}
        for look in looks:
            wanted = {unit.name for unit in (*look.units, *look.before)}
            left = leftover(wanted, look.running) if look.subject.applies and look.target is None else ()
            if left:
                found[look.key] = left
        less = any(key not in found for key in self.leftovers)
        self.leftovers = found
        if less:
            self._left()


def _idles(policies: tuple[PlacementPolicy, ...]) -> bool:
    """Whether the policies look after the idling of requests that say nothing of it."""
    said = (each.spec.idle.policy for each in by_name(policies) if each.spec.idle is not None)
    return next((policy for policy in said if policy is not None), IdlePolicy.OFF) != IdlePolicy.OFF


def _failures(subjects: Iterable[tuple[Key, Subject]]) -> dict[Key, float]:
    found = {key: rollout_memory_of(subject.status).failed_at for key, subject in subjects}
    return {key: at for key, at in found.items() if at is not None}


def _order(look: Look) -> tuple[int, int, Key]:
    """Wakes come first: somebody waits; then by priority."""
    waking = look.idle.state in {"Reaped", "Waking"}
    return (0 if waking else 1, -int(look.subject.resource["spec"].get("priority") or 0), look.key)
