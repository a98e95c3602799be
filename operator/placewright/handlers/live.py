"""Live figures of all members: one loop that asks each distinct query once, and tells the fleet when it matters."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import aiohttp

from placewright.api.base import duration_seconds
from placewright.api.parse import parse
from placewright.api.policies import InputRules
from placewright.core import demand
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Observation
from placewright.handlers.forecasts import Forecasts
from placewright.handlers.live_views import Asking, LiveView, asking_of, sample_of, view_of, view_of_status
from placewright.handlers.members import Member
from placewright.telemetry.prometheus.answers import Answer
from placewright.telemetry.prometheus.book import Client, Entry, Query
from placewright.telemetry.prometheus.client import PrometheusClient
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from placewright.telemetry.prometheus.server import Server, server_at, session_for
from placewright.telemetry.prometheus.wants import wants_of
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_ITEMS_BETWEEN_TURNS = 20  # a request takes a part of a millisecond; the loop must not be held
_LEAST_PAUSE_SECONDS = 1.0  # between two cycles, however many new requests come


class Book(Protocol):
    """The seam: asks queries (`QueryBook` does)."""

    def use(self, client: Client | None) -> None:
        """Ask another server from now on."""
        ...

    async def ask(self, queries: Iterable[Query]) -> Mapping[Query, Entry]:
        """One cycle: every distinct query at most once."""
        ...


class Scale(Protocol):
    """The seam: what figures mean for plans (`Fleet` does)."""

    def flips(self, key: Key, in_force: Observation, exact: Observation) -> bool:
        """Whether a gate of the request tells these figures apart."""
        ...

    async def weigh(self) -> bool:
        """Looks at gates and ramps with the new figures; returns whether an answer may change by them."""
        ...

    def trigger(self) -> None:
        """An answer may change."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a request asks, and of what object and rules that was read."""

    uid: str
    generation: int
    rules: InputRules
    asking: Asking


class Connection:
    """The Prometheus server that is asked: a policy's, or else the operator's own.

    Args:
        book: is told whom to ask.
        own: the server of the operator's options; None: none was given.
    """

    def __init__(self, book: Book, own: Server | None) -> None:
        self._book = book
        self._own = own
        self._rules: InputRules | None = None
        self._server: Server | str | None = None
        self._session: aiohttp.ClientSession | None = None

    async def follow(self, rules: InputRules) -> None:
        """Asks the server that the rules name from now on, if that is another one."""
        if rules == self._rules:
            return
        self._rules = rules
        server = _server_of(rules, self._own)
        if server == self._server:
            return
        await self.close()
        self._server = server
        if isinstance(server, str):
            log.error("the Prometheus server of a policy cannot be used", extra={"error": server})
            self._book.use(_Unusable(server))
        elif server is None:
            self._book.use(None)
        else:
            self._open(server)

    def _open(self, server: Server) -> None:
        try:
            self._session = session_for(server)
        except InvalidRequestError as error:
            log.error("the Prometheus server cannot be asked", extra={"error": str(error)})  # noqa: TRY400 - one line
            self._book.use(_Unusable(str(error)))
            return
        log.info("asking Prometheus", extra={"url": server.url})
        self._book.use(PrometheusClient(self._session, server))

    async def close(self) -> None:
        """Gives the connections back."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A server that cannot be asked, and why."""

    why: str

    async def instant(self, expr: str, at: float | None = None) -> Answer:
        del expr, at
        raise QueryError(FaultKind.UNREACHABLE, self.why)

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        del expr, start, end, step
        raise QueryError(FaultKind.UNREACHABLE, self.why)


def _server_of(rules: InputRules, own: Server | None) -> Server | str | None:
    """The server that counts; a text: why it cannot be used; None: there is none."""
    given = rules.server
    if given is None:
        return own
    field = f"PlacementPolicy {rules.server_policy}: spec.inputs.prometheus"
    try:
        seconds = duration_seconds(given.timeout, field=f"{field}.timeout")
        return server_at(
            given.url,
            token_file=given.token_file,
            own_token=False,
            ca_file=given.ca_file,
            timeout_seconds=seconds,
            field=f"{field}.url",
        )
    except InvalidRequestError as error:
        return str(error)


class LiveInputs:
    """The live figures of all members that want some.

    Args:
        book: asks.
        connection: chooses the server.
        members: all members.
        rules: what policies say of live inputs, as known now.
        scale: what figures mean for plans.
        interval_seconds: between two cycles.
        forecasts: of requests that ask for one.
        now: Unix seconds.
    """

    def __init__(
        self,
        *,
        book: Book,
        connection: Connection,
        members: Callable[[], Iterable[tuple[Key, Member]]],
        rules: Callable[[], InputRules],
        scale: Callable[[], Scale],
        interval_seconds: float,
        forecasts: Forecasts,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._book = book
        self._connection = connection
        self._members = members
        self._rules = rules
        self._scale = scale
        self._interval_seconds = interval_seconds
        self._forecasts = forecasts
        self._now = now
        self._read: dict[Key, _Read] = {}
        self._wanted = asyncio.Event()
        self.views: dict[Key, LiveView] = {}

    def want(self) -> None:
        """A request wants figures that nobody has asked for yet."""
        self._wanted.set()

    def behind(self) -> bool:
        """Whether a member waits for its first figures."""
        return any(member.watches and key not in self.views for key, member in self._members())

    def forget(self, key: Key) -> None:
        """The request is gone, or is not planned here any more."""
        self.views.pop(key, None)
        self._read.pop(key, None)
        self._forecasts.forget(key)

    async def run(self) -> None:
        """Asks again and again, until cancelled."""
        try:
            while True:
                self._wanted.clear()
                began = time.monotonic()
                try:
                    await self.refresh()
                except Exception:
                    # A fault of one cycle must not end the operator; what is in force stays.
                    log.exception("live figures were not refreshed")
                least = min(_LEAST_PAUSE_SECONDS, self._interval_seconds)
                await asyncio.sleep(least)
                with contextlib.suppress(TimeoutError):
                    pause = self._interval_seconds - (time.monotonic() - began)
                    await asyncio.wait_for(self._wanted.wait(), max(0.0, pause))
        finally:
            await self._connection.close()

    async def refresh(self) -> None:
        """One cycle."""
        rules = self._rules()
        await self._connection.follow(rules)
        asking = await self._asking(rules)
        queries = dict.fromkeys(query for each in asking.values() for query in each.wants.queries)
        entries = await self._book.ask(queries)
        changed = await self._take(asking, entries)
        if await self._scale().weigh() or changed:
            self._scale().trigger()

    async def _asking(self, rules: InputRules) -> dict[Key, Asking]:
        """What each member asks; read again where object or rules have changed."""
        found: dict[Key, Asking] = {}
        fresh = 0
        for key, member in tuple(self._members()):
            if not member.watches:
                continue
            known = self._read.get(key)
            wanted = (member.uid, member.generation, rules)
            if known is None or (known.uid, known.generation, known.rules) != wanted:
                known = self._read[key] = _read(member, rules)
                fresh += 1
                if fresh % _ITEMS_BETWEEN_TURNS == 0:
                    await asyncio.sleep(0)
            found[key] = known.asking
        for key in tuple(self.views):
            if key not in found:
                self.forget(key)
        return found

    async def _take(self, asking: Mapping[Key, Asking], entries: Mapping[Query, Entry]) -> bool:
        """Makes the views; returns whether one is worth a look of the fleet."""
        changed = False
        members = dict(self._members())
        for count, (key, each) in enumerate(asking.items()):
            member = members.get(key)
            if member is None:
                continue
            before = self.views.get(key)
            view = await self._view(key, member, each, entries)
            changed = changed or before is None or before.told != view.told
            self.views[key] = view
            if count % _ITEMS_BETWEEN_TURNS == 0:
                await asyncio.sleep(0)
        return changed

    async def _view(self, key: Key, member: Member, asking: Asking, entries: Mapping[Query, Entry]) -> LiveView:
        before = self.views.get(key) or view_of_status(member.resource)
        try:
            sample = sample_of(asking, entries, now=self._now())
            if asking.horizon_seconds is not None and isinstance(sample, demand.DemandSample):
                ahead = await self._forecasts.of(key, sample, asking.horizon_seconds)
                sample = replace(sample, forecast=ahead)
            return view_of(
                before,
                asking,
                entries,
                sample,
                now=self._now(),
                flips=partial(self._scale().flips, key),
            )
        except Exception:
            # A fault in one request must not keep the others from their figures; what is in force stays.
            log.exception("live figures of a request were not read", extra={"namespace": key[0], "request": key[1]})
            return before


def _read(member: Member, rules: InputRules) -> _Read:
    """What a member asks; nothing as long as its spec cannot be read, which its status says."""
    try:
        parsed = parse(member.resource)
        asking = asking_of(parsed, wants_of(parsed, rules))
    except InvalidRequestError:
        asking = Asking()
    return _Read(uid=member.uid, generation=member.generation, rules=rules, asking=asking)


def own_server(
    url: str | None, *, token_file: str | None, ca_file: str | None, timeout_seconds: float
) -> Server | None:
    """The server of the operator's options.

    Raises:
        InvalidRequestError: the URL is none, or a file is named without one.
    """
    if url is None:
        for option, value in (("--prometheus-token-file", token_file), ("--prometheus-ca-file", ca_file)):
            if value is not None:
                raise InvalidRequestError(option, got=repr(value), wants="--prometheus-url beside it")
        return None
    return server_at(url, token_file=token_file, ca_file=ca_file, timeout_seconds=timeout_seconds)
