"""What models do, asked when it is due, and what follows for their replicas.

An answer counts for the look that asked it alone: between two questions the status stands as it is. A request that is
announced and due, reaped or waking is looked at each time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol
from zlib import crc32

from placewright.api.acting import wishes_of
from placewright.api.annotations import acting_digest
from placewright.api.policies import InputRules
from placewright.core import idle
from placewright.core.idle_signals import queue_now
from placewright.core.idle_suggestions import Suggestion
from placewright.core.model import Activity, IdlePolicy, IdleState, IdleVerdict
from placewright.handlers.acting.goals import cost_per_hour, floor_cost_per_hour
from placewright.handlers.acting.knowing import known, suggestions
from placewright.handlers.acting.looks import Look
from placewright.handlers.acting.observing import Server
from placewright.kube.workloads import Workload
from placewright.telemetry.acting_figures import ActingFigures
from placewright.telemetry.prometheus.activity import ActivityWant, activity_of, activity_want
from placewright.telemetry.prometheus.book import Entry, Query
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_ITEMS_BETWEEN_TURNS: Final = 20  # an answer takes a millisecond; the loop must not be held
_ASKS_PER_WINDOW: Final = 20.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_ALWAYS: Final = frozenset({IdleState.REAPED, IdleState.WAKING})


class Book(Protocol):
    """The seam: asks queries (`QueryBook` does)."""

    async def ask(self, queries: Iterable[Query]) -> Mapping[Query, Entry]:
        """One cycle: every distinct query at most once."""
        ...


class Connected(Protocol):
    """The seam: has the book ask the right server (`Connection` does)."""

    async def follow(self, rules: InputRules) -> None:
        """Asks the server that the rules name from now on."""
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...


@dataclass(slots=True)
class _Mind:
    """What is remembered of a request between two looks.

    Attributes:
        read: what its questions were read from.
        want: what is asked; a text: why nothing may be.
        asked_at: when it was asked last, or would have been in its turn; seconds of a clock that does not go back;
            None: never.
        shown: what it was asked for: another one means asking at once.
        figures: of the newest look.
    """

    read: object = None
    want: ActivityWant | str = ""
    asked_at: float | None = None
    shown: object = None
    figures: ActingFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look at a request's activity says.

    Attributes:
        verdict: what follows.
        suggestions: what else would save money, most first.
    """

    verdict: IdleVerdict
    suggestions: tuple[Suggestion, ...] = ()


class Idling:
    """Looks whether models idle.

    Args:
        book: asks, for nobody else.
        connection: has it ask the right server.
        rules: what policies say of live inputs, as known now.
        interval_seconds: between two cycles; nobody is asked more often.
        pods: lists the Pods of a target that answer requests; None: they are not known.
    """

    def __init__(
        self,
        *,
        book: Book,
        connection: Connected,
        rules: Callable[[], InputRules],
        interval_seconds: float,
        pods: Callable[[Workload], Awaitable[tuple[Server, ...] | None]],
    ) -> None:
        self._pods = pods
        self._book = book
        self._connection = connection
        self._rules = rules
        self._interval_seconds = interval_seconds
        self._minds: dict[Key, _Mind] = {}
        self._fresh: dict[Key, Activity] = {}
        self._servers: dict[Key, tuple[Server, ...] | None] = {}
        self._whose: dict[tuple[str, str], Key] = {}

    def forget(self, key: Key) -> None:
        """The request is gone."""
        self._minds.pop(key, None)
        self._fresh.pop(key, None)

    def figures(self, key: Key) -> ActingFigures | None:
        """What the newest look at a request saw; safe to call from another thread."""
        mind = self._minds.get(key)
        return None if mind is None else mind.figures

    async def close(self) -> None:
        """Gives connections back."""
        await self._connection.close()

    async def ask(self, looks: Iterable[Look], now: float, stopwatch: float) -> None:
        """Asks for those that are due: each distinct question once.

        Args:
            looks: of this cycle.
            now: Unix seconds.
            stopwatch: seconds of a clock that does not go back.
        """
        rules = self._rules()
        await self._connection.follow(rules)
        due: dict[Key, tuple[Look, ActivityWant | str]] = {}
        self._whose = {}
        for look in looks:
            self._whose |= {(look.key[0], each.name): look.key for each in look.servers or ()}
            if _minds(look):
                mind = self._mind(look, rules)
                if self._is_due(look, mind, now, stopwatch):
                    due[look.key] = look, mind.want
                    # What was asked together first is not asked together each time: a fleet is spread over the pause.
                    early = 0.0 if mind.asked_at is not None else _phase(look.key) * self._pause(look)
                    mind.asked_at, mind.shown = stopwatch - early, _shown(look)
        queries = dict.fromkeys(query for look, want in due.values() for query in _queries(look, want))
        entries = await self._book.ask(queries) if queries else {}
        targets = {key: look.workloads[0] for key, (look, _) in due.items() if look.target and look.workloads}
        self._servers = {key: await self._pods(workload) for key, workload in targets.items()}
        self._fresh = {}
        for count, (key, (look, want)) in enumerate(due.items()):
            try:
                self._fresh[key] = activity_of(want, entries, reaped=_sleeps(look))
            except Exception:
                # One answer that cannot be read must not stop the others; without it nothing is reaped.
                log.exception("an activity cannot be read", extra={"namespace": key[0], "request": key[1]})
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)

    def found(self, look: Look, now: float) -> Found | None:
        """What follows of what was asked in this cycle.

        Args:
            look: at the request.
            now: Unix seconds.

        Returns:
            None: it was not asked, so what stands goes on; or nobody looks whether it idles.
        """
        activity = self._fresh.get(look.key)
        if look.said is None or activity is None:
            return None
        rules = look.said.idle
        found = idle.decide(
            known(replace(look, servers=self._servers.get(look.key, look.servers)), activity, self._whose),
            rules,
            wishes_of(look.subject.resource, now),
            look.idle,
            now,
            cost_per_hour=cost_per_hour(look.stored),
            floor_cost_per_hour=floor_cost_per_hour(
                look.stored, rules.floor if rules.policy is IdlePolicy.SCALE_TO_FLOOR else 0
            ),
            can_act=look.hold is None and look.stored.plan is not None,
        )
        self._minds[look.key].figures = ActingFigures(
            last_active=found.memory.last_active, queue_requests=queue_now(activity, rules, now)
        )
        return Found(verdict=found, suggestions=suggestions(look, found, activity))

    def _mind(self, look: Look, rules: InputRules) -> _Mind:
        mind = self._minds.setdefault(look.key, _Mind())
        assert look.said is not None, "only what was read is asked for"
        priced = look.said.usd_per_kwh is not None
        read = (look.subject.uid, look.subject.generation, rules, look.said.idle, priced)
        if mind.read != read:
            self._minds[look.key] = mind = _Mind(
                read=read,
                want=activity_want(look.said.parsed, rules, look.said.idle, power=priced),
                figures=mind.figures,
            )
        return mind

    def _is_due(self, look: Look, mind: _Mind, now: float, stopwatch: float) -> bool:
        assert look.said is not None, "only what was read is asked for"
        memory = look.idle
        if mind.asked_at is None or memory.state in _ALWAYS or (memory.reap_at is not None and memory.reap_at <= now):
            return True
        if mind.shown != _shown(look):
            return True
        return stopwatch - mind.asked_at >= self._pause(look)

    def _pause(self, look: Look) -> float:
        """Seconds between two questions for a request of which nothing new shows."""
        assert look.said is not None, "only what was read is asked for"
        pause = min(look.said.idle.after_seconds / _ASKS_PER_WINDOW, _LONGEST_PAUSE_SECONDS)
        return max(pause, self._interval_seconds)


def _phase(key: Key) -> float:
    """A share of 0 to 1 that is a request's own, and evenly spread over many."""
    return crc32("/".join(key).encode()) / 2**32


def _minds(look: Look) -> bool:
    """Whether anybody looks after its idling, or did and it is reaped still."""
    if look.said is None or look.subject.rests:
        return False
    return look.said.idle.policy is not IdlePolicy.OFF or look.idle.state in _ALWAYS


def _shown(look: Look) -> object:
    """What shows of a request without asking: when it changes, the next look is due."""
    plan = look.stored.plan or {}
    return (
        acting_digest(look.subject.resource),
        plan.get("id"),
        look.hold is None,
        look.owner,
        tuple((each.name, each.replicas, each.ready) for each in look.running),
        None if look.servers is None else sum(each.ready for each in look.servers),
    )


def _sleeps(look: Look) -> bool:
    """Whether it is reaped to nothing: no server is left to be asked. Replicas of a floor may be called."""
    if look.idle.state is not IdleState.REAPED or look.said is None:
        return False
    return look.said.idle.policy is not IdlePolicy.SCALE_TO_FLOOR or look.said.idle.floor <= 0


def _queries(look: Look, want: ActivityWant | str) -> tuple[Query, ...]:
    if isinstance(want, str):
        return ()
    return want.wake_queries if _sleeps(look) else want.queries
