"""The book of answers: every distinct query once per cycle, the last good answer kept, a dead server left in peace."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from placewright.telemetry.prometheus.answers import Answer
from placewright.telemetry.prometheus.faults import FaultKind, QueryError

log = logging.getLogger(__name__)

PARALLEL: Final = 8
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0
SUCCESS: Final = "Success"

# These say something of the query, not of the server, which is well.
_OF_THE_QUERY: Final = frozenset({FaultKind.QUERY_REJECTED, FaultKind.TOO_MANY_SERIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The past that a range query covers, and the time between its points, in seconds."""

    seconds: float
    step_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked. Equal queries are one question, whoever asks; span None: the value now."""

    expr: str
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the book knows of a query.

    Attributes:
        answer: the last good one; None: there never was one.
        at: Unix time when it came; None without one.
        fault: why the newest attempt has no answer; None: it has, and `answer` is it.
    """

    answer: Answer | None = None
    at: float | None = None
    fault: QueryError | None = None


UNASKED: Final = Entry()
_PROBE: Final = Query(expr="vector(1)")  # costs a server nothing


class Client(Protocol):
    """What the book asks: a PrometheusClient."""

    async def instant(self, expr: str, at: float | None = None) -> Answer:
        """The value of an expression; raises QueryError."""
        ...

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        """The values of an expression over a time; raises QueryError."""
        ...


def _unobserved(_result: str, _seconds: float) -> None:
    pass


class QueryBook:
    """Answers of one server at a time.

    A server that does not answer costs one timeout in a cycle: as soon as as many requests as may run at once have
    failed with no good answer between, the rest of the cycle is not asked. Then the server is left alone for a pause
    that doubles, and after it a constant is asked for before the queries are. Queries that were good the last time go
    first and those that failed last, so that a bad one cannot take the turn of others.

    Args:
        client: whom to ask; None: nobody, and every query has the fault that no server is set.
        clock: Unix time.
        stopwatch: monotonic seconds.
        parallel: requests at once.
        observe: told the result (`Success` or a FaultKind) and the seconds of each request.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
        parallel: int = PARALLEL,
        observe: Callable[[str, float], None] = _unobserved,
    ) -> None:
        self._client = client
        self._clock = clock
        self._stopwatch = stopwatch
        self._parallel = parallel
        self._observe = observe
        self._entries: dict[Query, Entry] = {}
        self._failed: set[Query] = set()  # those that failed by themselves when they were asked last
        self._counters: dict[str, int] = dict.fromkeys((SUCCESS, *map(str, FaultKind)), 0)
        self._server_fault: QueryError | None = None
        self._pause_seconds = 0.0
        self._silent_until = float("-inf")

    @property
    def counters(self) -> Mapping[str, int]:
        """Requests made so far, by result: `Success` or a FaultKind."""
        return dict(self._counters)

    @property
    def server_fault(self) -> QueryError | None:
        """Why the server as a whole is not asked at present; None: it answers, or was not asked yet."""
        return self._server_fault

    def use(self, client: Client | None) -> None:
        """Ask another server from now on; what the one before said is forgotten."""
        self._client = client
        self._entries.clear()
        self._failed.clear()
        self._recovered()

    def entry(self, query: Query) -> Entry:
        """What is known of a query without asking."""
        return self._entries.get(query, UNASKED)

    async def ask(self, queries: Iterable[Query]) -> Mapping[Query, Entry]:
        """One cycle: every distinct query is asked at most once. Never raises a QueryError; faults are in the entries.

        What is not among the queries is forgotten. One cycle at a time.
        """
        wanted = dict.fromkeys(queries)
        # Answers of no use to anybody would pile up.
        self._entries = {query: self._entries[query] for query in wanted if query in self._entries}
        self._failed.intersection_update(wanted)
        cycle = _Cycle(sorted(wanted, key=self._trouble), self._parallel, self._clock())
        if self._client is None:
            self._fail(cycle.left, QueryError(FaultKind.UNREACHABLE, "no Prometheus server is set"))
        elif self._stopwatch() < self._silent_until and self._server_fault is not None:
            self._fail(cycle.left, self._server_fault)
        elif wanted:
            await self._run(cycle, self._client)
        return {query: self._entries[query] for query in wanted}

    def _trouble(self, query: Query) -> int:
        """What was good goes first, what is new next, what failed last."""
        return 2 if query in self._failed else int(self.entry(query).answer is None)

    async def _run(self, cycle: "_Cycle", client: Client) -> None:
        if self._server_fault is not None:
            fault = await self._timed(_PROBE, client, cycle.now, keep=False)
            cycle.dead = None if fault is None or fault.kind in _OF_THE_QUERY else fault
        running: dict[asyncio.Task[QueryError | None], Query] = {}
        try:
            while cycle.may_start(len(running)) or running:
                while cycle.may_start(len(running)):
                    query = cycle.left.popleft()
                    running[asyncio.create_task(self._timed(query, client, cycle.now))] = query
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._note(running.pop(task), task.result(), cycle)
        finally:
            for task in running:
                task.cancel()
        if cycle.dead is None:
            if self._server_fault is not None:
                log.info("Prometheus answers again")
            self._recovered()
            return
        self._fail(cycle.left, cycle.dead)
        if self._server_fault is None:
            log.warning("Prometheus does not answer; figures in force stay", extra={"error": str(cycle.dead)})
        self._server_fault = cycle.dead
        self._pause_seconds = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause_seconds), LONGEST_PAUSE_SECONDS)
        self._silent_until = self._stopwatch() + self._pause_seconds

    def _note(self, query: Query, fault: QueryError | None, cycle: "_Cycle") -> None:
        cycle.note(fault)
        if fault is None:
            self._failed.discard(query)
        else:
            self._failed.add(query)
            self._fail((query,), fault)

    async def _timed(self, query: Query, client: Client, now: float, *, keep: bool = True) -> QueryError | None:
        """One request; a good answer goes into the book."""
        began, fault = self._stopwatch(), None
        try:
            answer = await _sent(query, client, now)
            if keep:
                self._entries[query] = Entry(answer=answer, at=self._clock())
        except QueryError as error:
            fault = error
        result = SUCCESS if fault is None else str(fault.kind)
        self._counters[result] += 1
        self._observe(result, self._stopwatch() - began)
        return fault

    def _fail(self, queries: Collection[Query], fault: QueryError) -> None:
        for query in queries:
            self._entries[query] = replace(self.entry(query), fault=fault)

    def _recovered(self) -> None:
        self._server_fault = None
        self._pause_seconds = 0.0
        self._silent_until = float("-inf")


class _Cycle:
    """One cycle while it runs."""

    def __init__(self, queries: Iterable[Query], parallel: int, now: float) -> None:
        self.left = deque(queries)
        self.now = now  # ranges of one cycle end together, so that their points can be laid side by side
        self.dead: QueryError | None = None
        self._parallel = parallel
        self._failed_in_a_row = 0

    def may_start(self, running: int) -> bool:
        """Whether one more may be asked now. What fails takes a place, so that no second round starts on a hunch."""
        return bool(self.left) and self.dead is None and running + self._failed_in_a_row < self._parallel

    def note(self, fault: QueryError | None) -> None:
        """How one request ended."""
        if fault is None or fault.kind in _OF_THE_QUERY:
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += 1
        at_once = fault.kind in (FaultKind.UNREACHABLE, FaultKind.CREDENTIALS)
        if at_once or self._failed_in_a_row >= self._parallel:
            self.dead = fault


async def _sent(query: Query, client: Client, now: float) -> Answer:
    if query.span is None:
        return await client.instant(query.expr)
    return await client.range(query.expr, now - query.span.seconds, now, query.span.step_seconds)
