"""Takes in what the watch and the periodic LIST tell, and queues what needs a decision."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Container
from typing import Protocol

from placewright.handlers.cache import Json, ObjectCache, key_of
from placewright.handlers.queue import CoalescingQueue
from placewright.kube.client import ApiError, UnreachableError
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)


class ListTransport(Protocol):
    """The seam: lists every request of a namespace, or of all (`KubeClient` does)."""

    def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        """All objects, page by page."""
        ...


class Intake:
    """Compares what is told with what is known.

    Args:
        cache: what is known.
        queue: gets what needs a decision.
        supersede: told of a key whose work in progress is out of date.
        clock: monotonic seconds.
        wall_clock: Unix time, for the metric.
    """

    def __init__(
        self,
        *,
        cache: ObjectCache,
        queue: CoalescingQueue[Key, Json],
        supersede: Callable[[Key], None],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._supersede = supersede
        self._clock = clock
        self._wall_clock = wall_clock
        self._again = asyncio.Event()
        self.watch_event_at: float | None = None
        self.watch_event_unix: float | None = None
        self.list_ok_at: float | None = None
        self.list_found_changes_at: float | None = None

    def on_watch_event(self, kind: str | None, resource: Json) -> None:
        """One event of the watch; kind is ADDED, MODIFIED, DELETED, or None for one of the initial list."""
        self.watch_event_at = self._clock()
        self.watch_event_unix = self._wall_clock()
        if kind == "DELETED":
            self._forget(key_of(resource), resource["metadata"]["uid"])
        else:
            self.observe(resource)

    def observe(self, resource: Json) -> bool:
        """Takes one object in; returns whether it was news."""
        before, newer = self._cache.observe(resource, self._clock())
        if not newer:
            return False
        key, metadata = key_of(resource), resource["metadata"]
        if before is not None and (before.uid != metadata["uid"] or before.generation != metadata["generation"]):
            self._supersede(key)
        if not self._cache.is_settled(resource):
            self._queue.put(key, resource)
        return True

    async def resync(self, transport: ListTransport, namespaces: tuple[str, ...]) -> None:
        """One full LIST, compared with the cache: finds what a gap in the watch lost.

        Raises:
            ApiError, UnreachableError: the list could not be read; nothing was forgotten.
        """
        began, listed, news = self._clock(), [], 0
        for namespace in namespaces or (None,):
            async for resource in transport.list_requests(namespace):
                listed.append(key_of(resource))
                news += self.observe(resource)
                self._remind(resource)
                if len(listed) % 50 == 0:
                    await asyncio.sleep(0)  # a large list must not hold the loop
        gone = self._cache.vanished(listed, began, frozenset(namespaces) or None)
        for entry in gone:
            self._forget((entry.view.namespace, entry.view.name), entry.uid)
        first = self.list_ok_at is None
        self.list_ok_at = self._clock()
        if (news or gone) and not first:
            self.list_found_changes_at = self.list_ok_at
            log.info("LIST found what the watch had not told", extra={"changed": news, "deleted": len(gone)})

    async def run(self, transport: ListTransport, namespaces: tuple[str, ...], *, interval_seconds: float) -> None:
        """Lists now and then again and again, until cancelled; a failed LIST is tried again sooner."""
        while True:
            try:
                await self.resync(transport, namespaces)
                pause = interval_seconds
            except (ApiError, UnreachableError) as error:
                log.warning("LIST failed", extra={"error": str(error)})
                pause = min(5.0, interval_seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), pause)
            self._again.clear()

    def rejudge(self, *, but: Container[Key]) -> None:
        """Has every request judged again, except these: what they are decided from has changed."""
        self._cache.unsettle(but=but)
        self._again.set()

    def _remind(self, resource: Json) -> None:
        """Queues what should be settled and is not: whatever went wrong, nothing is lost for longer than this."""
        key = key_of(resource)
        if self._cache.is_unsettled(resource) and not self._queue.waits(key):
            self._queue.put(key, resource)

    def _forget(self, key: Key, uid: str) -> None:
        if self._cache.remove(key, uid):
            self._queue.discard(key)
            self._supersede(key)
