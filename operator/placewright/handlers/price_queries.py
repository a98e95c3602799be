"""Queries of price sources on the Prometheus of the policies, or else of the operator's options."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from placewright.api.policies import InputRules
from placewright.handlers.live import Connection
from placewright.telemetry.prometheus.book import Query, QueryBook
from placewright.telemetry.prometheus.client import Answer, QueryError, Server
from placewright.telemetry.prometheus.faults import FaultKind

_SAME_SECONDS: Final = 5.0  # sources that ask the same within so long share one answer


class PriceQueries:
    """Asks one query after the other; a server that does not answer is left alone for a while.

    The book is not the one of the requests' figures: it is read at other times, and forgets what a cycle does not ask.

    Args:
        rules: what policies say of live inputs, as known now.
        own: the server of the operator's options; None: none was given.
        observe: told the result and the seconds of each query.
        stopwatch: monotonic seconds.
    """

    def __init__(
        self,
        rules: Callable[[], InputRules],
        own: Server | None,
        *,
        observe: Callable[[str, float], None] = lambda _result, _seconds: None,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._book = QueryBook(observe=observe)
        self._connection = Connection(self._book, own)
        self._stopwatch = stopwatch
        self._turn = asyncio.Lock()
        self._answers: dict[str, tuple[float, Answer]] = {}

    async def ask(self, expr: str) -> Answer:
        """The value of a query now.

        Raises:
            QueryError: there is no usable answer.
        """
        async with self._turn:
            await self._connection.follow(self._rules())
            now = self._stopwatch()
            self._answers = {key: each for key, each in self._answers.items() if now - each[0] < _SAME_SECONDS}
            if expr in self._answers:
                return self._answers[expr][1]
            query = Query(expr=expr)
            entry = (await self._book.ask([query]))[query]
            if entry.fault is not None:
                raise entry.fault
            if entry.answer is None:
                raise QueryError(FaultKind.BAD_ANSWER, "no answer")
            self._answers[expr] = (now, entry.answer)
            return entry.answer

    async def close(self) -> None:
        """Gives connections back."""
        await self._connection.close()
