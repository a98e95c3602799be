"""The book of answers: every distinct query once per cycle, the last good answer kept, a dead server left in peace."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from placewright.telemetry.prometheus.answers import Answer
from placewright.telemetry.prometheus.faults import FaultKind, QueryError

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
    that doubles, and after it one query is tried before the others. Queries that were good the last time are asked
    first, so that a bad one cannot take the turn of others.

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
        cycle = _Cycle(sorted(wanted, key=self._trouble))
        if self._client is None:
            self._fail(cycle.left, QueryError(FaultKind.UNREACHABLE, "no Prometheus server is set"))
        elif self._stopwatch() < self._silent_until and self._server_fault is not None:
            self._fail(cycle.left, self._server_fault)
        else:
            await self._run(cycle, self._client)
        return {query: self._entries[query] for query in wanted}

    def _trouble(self, query: Query) -> int:
        """What was good goes first, what is new next, what failed last."""
        entry = self.entry(query)
        return 2 if entry.fault is not None else int(entry.answer is None)

    async def _run(self, cycle: "_Cycle", client: Client) -> None:
        if self._server_fault is not None and cycle.left:
            cycle.patience = 1  # one query finds out whether the server is back
            await self._work(cycle, client)
        elif cycle.left:
            cycle.patience = self._parallel
        if cycle.dead is None:
            cycle.patience = self._parallel
            workers = min(self._parallel, len(cycle.left))
            await asyncio.gather(*(self._work(cycle, client, many=True) for _ in range(workers)))
        if cycle.dead is not None:
            self._fail(cycle.left, cycle.dead)
            self._server_fault = cycle.dead
            self._pause_seconds = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause_seconds), LONGEST_PAUSE_SECONDS)
            self._silent_until = self._stopwatch() + self._pause_seconds
        elif cycle.answered:
            self._recovered()

    async def _work(self, cycle: "_Cycle", client: Client, *, many: bool = False) -> None:
        while cycle.left and cycle.dead is None:
            query = cycle.left.popleft()
            fault = await self._one(query, client)
            cycle.note(fault)
            if not many:
                return

    async def _one(self, query: Query, client: Client) -> QueryError | None:
        began = self._stopwatch()
        fault: QueryError | None = None
        try:
            answer = await _sent(query, client, self._clock())
            self._entries[query] = Entry(answer=answer, at=self._clock())
        except QueryError as error:
            fault = error
            self._fail((query,), error)
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

    def __init__(self, queries: Iterable[Query]) -> None:
        self.left = deque(queries)
        self.patience = 1
        self.answered = False
        self.dead: QueryError | None = None
        self._failed_in_a_row = 0

    def note(self, fault: QueryError | None) -> None:
        """How one request ended."""
        if fault is None or fault.kind in _OF_THE_QUERY:
            self.answered = True
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += 1
        at_once = fault.kind in (FaultKind.UNREACHABLE, FaultKind.CREDENTIALS)
        if at_once or self._failed_in_a_row >= self.patience:
            self.dead = fault


async def _sent(query: Query, client: Client, now: float) -> Answer:
    if query.span is None:
        return await client.instant(query.expr)
    return await client.range(query.expr, now - query.span.seconds, now, query.span.step_seconds)
