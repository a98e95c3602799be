"""The objects of one kind as the cluster holds them: LIST, then watch, then LIST again now and then.

Kopf watches the PlacementRequests. What plans are made from is read here, because a right that is missing on Nodes
or a definition that is not there ends kopf's whole process, because kopf copies each object that it tells of, and
because only a LIST finds what vanished in a gap of a watch.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from placewright.handlers.cache import Json
from placewright.kube.client import ApiError, Kind, Page, UnreachableError

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 10.0  # for a kind that is not served, or that we may not read
_ITEMS_BETWEEN_TURNS = 50  # a large list must not hold the loop


class Reading(StrEnum):
    """How a kind is read."""

    PENDING = "Pending"  # not yet
    FRESH = "Fresh"
    ABSENT = "Absent"  # the API server does not serve the kind: there are none
    REFUSED = "Refused"  # we may not read it


class ReadTransport(Protocol):
    """The seam: lists and watches a kind (`KubeClient` does)."""

    def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        """Every object, page by page."""
        ...

    def watch(self, kind: Kind, version: str) -> AsyncIterator[Json]:
        """The events after a resourceVersion until the server ends the watch."""
        ...


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    version: int
    uid: str
    value: T | None  # None: seen, and of no interest


class Reflector(Generic[T]):
    """Keeps the objects of one kind.

    Args:
        kind: what to read.
        transport: the API server.
        trim: what is worth keeping of an object; None: nothing. What it makes of two versions is compared.
        changed: called after each change of what is kept, and of the reading.
        resync_seconds: between two full LISTs.
        clock: monotonic seconds; must be the clock of the running event loop.
    """

    def __init__(
        self,
        kind: Kind,
        transport: ReadTransport,
        *,
        trim: Callable[[Json], T | None],
        changed: Callable[[], None],
        resync_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self._transport = transport
        self._trim = trim
        self._changed = changed
        self._resync_seconds = resync_seconds
        self._clock = clock
        self._held: dict[tuple[str, str], _Held[T]] = {}
        self._known = asyncio.Event()
        self.reading = Reading.PENDING
        self.fault = ""  # why it is not read, in one line

    async def known(self) -> None:
        """Returns once the API server has told what there is, or that it will not tell."""
        await self._known.wait()

    def objects(self) -> tuple[T, ...]:
        """What is kept, in no order; safe to call from another thread."""
        return tuple(held.value for held in tuple(self._held.values()) if held.value is not None)

    def get(self, name: str, namespace: str = "") -> T | None:
        """One object that is kept."""
        held = self._held.get((namespace, name))
        return None if held is None else held.value

    async def run(self) -> None:
        """Reads until cancelled, whatever the API server says."""
        pause = 0.0
        while True:
            try:
                version = await self.resync()
                pause = 0.0
                await self._watch(version)
            except ApiError as error:
                pause = self._refused(error, pause)
            except UnreachableError as error:
                pause = min(max(2.0 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
                self._tell(f"{self.kind.plural} cannot be read for now: {error}")
            await asyncio.sleep(pause)

    async def resync(self) -> str:
        """One full LIST, compared with what is kept; returns its resourceVersion.

        Raises:
            ApiError, UnreachableError: the list could not be read; nothing was forgotten.
        """
        version, changed = await self._absorb("", lambda _: True)
        if self._read(Reading.FRESH, "") or changed:
            self._changed()
        return version

    async def refresh(self, fields: str, covers: Callable[[T], bool]) -> None:
        """Reads a part of the kind anew.

        Args:
            fields: field selector of the part.
            covers: whether a kept object is of that part, so that it is gone when the list does not show it.

        Raises:
            ApiError, UnreachableError: the list could not be read; nothing was forgotten.
        """
        _, changed = await self._absorb(fields, covers)
        if changed:
            self._changed()

    async def _absorb(self, fields: str, covers: Callable[[T], bool]) -> tuple[str, bool]:
        listed: set[tuple[str, str]] = set()
        version, changed, count = "", False, 0
        async with contextlib.aclosing(self._transport.list_pages(self.kind, more_fields=fields)) as pages:  # type: ignore[type-var]
            async for page in pages:
                version = page.version
                for item in page.items:
                    listed.add(_key(item))
                    changed |= self.take(item)
                    count += 1
                    if count % _ITEMS_BETWEEN_TURNS == 0:
                        await asyncio.sleep(0)
        newest = int(version or 0)
        for key, held in tuple(self._held.items()):
            # What is newer than the list was told by a watch or by another list.
            if key not in listed and held.version <= newest and (held.value is None or covers(held.value)):
                changed |= held.value is not None
                del self._held[key]
        return version, changed

    async def _watch(self, version: str) -> None:
        """Takes events in until the next LIST is due or the server cannot go on from where we are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._resync_seconds):
                while version:
                    version = await self._events(version)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)  # the server sent an error: LIST again, but not at once

    async def _events(self, version: str) -> str:
        """One watch; returns the version to go on from, empty when there is none."""
        async with contextlib.aclosing(self._transport.watch(self.kind, version)) as events:  # type: ignore[type-var]
            async for event in events:
                kind, item = event.get("type"), event.get("object") or {}
                if kind == "ERROR":
                    log.info("watch has to begin anew", extra={"kind": self.kind.plural, "error": item.get("message")})
                    return ""
                version = str(item["metadata"]["resourceVersion"])
                if self._drop(item) if kind == "DELETED" else kind != "BOOKMARK" and self.take(item):
                    self._changed()
        return version

    def take(self, item: Json) -> bool:
        """Takes one object in, unless it is older than what is kept; returns whether what is kept has changed."""
        key, metadata = _key(item), item["metadata"]
        version, before = int(metadata["resourceVersion"]), self._held.get(key)
        if before is not None and version <= before.version:
            return False
        value = self._trim(item)
        old = None if before is None else before.value
        self._held[key] = _Held(version, str(metadata["uid"]), value)
        return value != old

    def _drop(self, item: Json) -> bool:
        key = _key(item)
        held = self._held.get(key)
        if held is None or held.uid != item["metadata"]["uid"]:
            return False
        del self._held[key]
        return held.value is not None

    def _refused(self, error: ApiError, pause: float) -> float:
        if error.status == 404:
            gone = bool(self._held)
            self._held.clear()
            if self._read(Reading.ABSENT, f"the API server does not serve {self.kind.plural}") or gone:
                self._changed()
            return _ASK_AGAIN_SECONDS
        if error.status in {401, 403}:
            if self._read(Reading.REFUSED, f"{self.kind.plural} may not be read: {error}"):
                self._changed()
            return _ASK_AGAIN_SECONDS
        self._tell(f"{self.kind.plural} cannot be read for now: {error}")
        grown = min(max(2.0 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        return max(grown, error.retry_after_seconds or 0.0)

    def _read(self, reading: Reading, fault: str) -> bool:
        """Notes how the kind is read now; returns whether that is another than before."""
        changed = reading is not self.reading
        if reading is Reading.FRESH and self.fault:
            log.info("%s are read again", self.kind.plural)
            self.fault = ""
        elif fault:
            self._tell(fault)
        self.reading = reading
        self._known.set()
        return changed

    def _tell(self, fault: str) -> None:
        """Logs a fault once."""
        if fault != self.fault:
            log.warning("%s", fault)
        self.fault = fault


def _key(item: Json) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
