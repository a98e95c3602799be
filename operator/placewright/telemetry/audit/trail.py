"""The audit trail as the operator uses it: `record` never blocks and never raises; the rest happens behind it."""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from placewright.telemetry.audit import chain
from placewright.telemetry.audit.entry import Entry, Json
from placewright.telemetry.audit.index import PlanIndex
from placewright.telemetry.audit.journal import Journal, JournalError, Stamped
from placewright.telemetry.audit.record import Line, body_of, timestamp
from placewright.telemetry.audit.segments import name_of
from placewright.telemetry.audit.sinks import Sink, Written, ended
from placewright.telemetry.audit.state import TrailState

log = logging.getLogger(__name__)

MAX_QUEUED: Final = 50_000
BATCH: Final = 1_000
_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 30.0


class AuditTrail(Protocol):
    """What the operator needs of an audit trail."""

    @property
    def indexed(self) -> bool:
        """Whether the plans of the past are known by now: before, `find_plan` finds only newer ones."""
        ...

    def record(self, entry: Entry) -> None:
        """Keep an entry. Never blocks, never raises."""
        ...

    async def run(self) -> None:
        """Write what is recorded, until cancelled; whatever fails is tried again and told in `state`."""
        ...

    async def flush(self, within_seconds: float) -> bool:
        """Wait until everything recorded so far is written and sent; False: it was not within this time."""
        ...

    def state(self) -> TrailState:
        """How the trail is doing."""
        ...

    def last_plan(self, uid: str) -> str:
        """Return the id of the plan that an object had last in the journal; empty: none, or no object known."""
        ...

    def find_plan(self, namespace: str, name: str, plan_id: str) -> Json | None:
        """Return an earlier plan of a request as it stood in status.plan; None: the journal does not have it."""
        ...


class NoTrail:
    """A trail that keeps nothing."""

    indexed = True

    def record(self, entry: Entry) -> None:
        """Forget it."""

    async def run(self) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()

    async def flush(self, within_seconds: float) -> bool:  # noqa: ARG002 - the Protocol's signature
        """Nothing is to be written."""
        return True

    def state(self) -> TrailState:
        """It is off."""
        return TrailState(enabled=False)

    def last_plan(self, uid: str) -> str:  # noqa: ARG002 - the Protocol's signature
        """None is known."""
        return ""

    def find_plan(self, namespace: str, name: str, plan_id: str) -> Json | None:  # noqa: ARG002
        """None is known."""
        return None


OFF: Final = NoTrail()


class Trail:
    """A journal in a folder, and sinks that get what is in it.

    Args:
        journal: None: records are chained in memory for the sinks alone; a new chain begins with each start.
        sinks: get each record once it is on the disk.
        clock: Unix seconds; times of records.
        max_queued: entries that wait while the journal cannot be written. Further ones are counted, and a Gap record
            tells of them: the chain never hides that something is missing.
        retry_seconds: before the first and at most before a further attempt to write.
    """

    def __init__(
        self,
        journal: Journal | None,
        sinks: Sequence[Sink] = (),
        *,
        clock: Callable[[], float] = time.time,
        max_queued: int = MAX_QUEUED,
        retry_seconds: tuple[float, float] = (_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS),
    ) -> None:
        self._journal = journal
        self._sinks = tuple(sinks)
        self._clock = clock
        self._max_queued = max_queued
        self._retry_seconds = retry_seconds
        self._index = PlanIndex(journal.folder) if journal is not None else None
        self._indexed = journal is None
        self._head: chain.Head | None = None
        self._queue: deque[Stamped] = deque()
        self._counting = threading.Lock()
        self._gap: tuple[datetime, datetime] | None = None  # first and last time of what the queue had no room for
        self._missed = 0
        self._lost = 0
        self._written: Counter[str] = Counter()
        self._fault = ""
        self._damage = ""
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        # One thread, so that the journal has one user at a time also while the trail is being cancelled.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit-journal")

    @property
    def indexed(self) -> bool:
        """Whether the plans of the past are known by now."""
        return self._indexed

    def record(self, entry: Entry) -> None:
        """Keep an entry, with the time of now."""
        moment = datetime.fromtimestamp(self._clock(), tz=UTC)
        if len(self._queue) >= self._max_queued:
            with self._counting:
                self._missed += 1
                self._lost += 1
                self._gap = (self._gap[0] if self._gap else moment, moment)
            return
        self._queue.append((body_of(entry), moment))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Write and send until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._wake.set()
        behind = [asyncio.create_task(sink.run(), name=f"audit sink {sink.name}") for sink in self._sinks]
        try:
            await self._until_done(self._start)
            behind.append(asyncio.create_task(self._read_index(), name="audit index"))
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue or self._missed:
                    await self._until_done(self._write)
                self._drained.set()
        finally:
            # In the writer's own thread, after what is under way there. A few milliseconds: one batch and a Checkpoint.
            self._writer.submit(self._end).result()
            self._writer.shutdown(wait=False)
            if self._index is not None:
                self._index.stop()
            for task in behind:
                await ended(task)

    async def flush(self, within_seconds: float) -> bool:
        """Wait until everything recorded so far is written and sent."""
        try:
            async with asyncio.timeout(within_seconds):
                while self._queue or self._missed:
                    self._drained.clear()
                    self._wake.set()
                    await self._drained.wait()
                await asyncio.gather(*(sink.flush() for sink in self._sinks))
        except TimeoutError:
            return False
        return True

    def state(self) -> TrailState:
        """How the trail is doing; may be called from any thread."""
        now = self._clock()
        waiting = 0.0
        with suppress(IndexError):  # another thread may have taken it in between
            waiting = max(now - self._queue[0][1].timestamp(), 0.0)
        return TrailState(
            enabled=True,
            queued=len(self._queue),
            oldest_queued_seconds=waiting,
            written=dict(self._written),
            lost=self._lost,
            fault=self._fault,
            damage=self._damage,
            head=self._head,
            sinks=tuple(sink.state(now) for sink in self._sinks),
        )

    def last_plan(self, uid: str) -> str:
        """Return the id of the plan that an object had last in the journal."""
        return self._index.newest(uid) if self._index is not None else ""

    def find_plan(self, namespace: str, name: str, plan_id: str) -> Json | None:
        """Return an earlier plan of a request as it stood in status.plan."""
        return self._index.find(namespace, name, plan_id) if self._index is not None else None

    async def _until_done(self, step: Callable[[], None]) -> None:
        """Do a step of the writer's thread, again and again until it succeeds."""
        assert self._loop is not None, "called by run"
        wait, longest = self._retry_seconds
        while True:
            try:
                await self._loop.run_in_executor(self._writer, step)
            except (JournalError, OSError) as error:
                self._say(str(error))
                await asyncio.sleep(wait)
                wait = min(2 * wait, longest)
            else:
                self._say("")
                return

    def _say(self, fault: str) -> None:
        """Log when the fault changes, not at each attempt."""
        if fault == self._fault:
            return
        if fault:
            log.error("the audit journal cannot be written; entries wait", extra={"error": fault})
        else:
            log.info("the audit journal is written again")
        self._fault = fault

    def _start(self) -> None:
        if self._journal is None:
            self._begin_in_memory()
            return
        self._open(self._journal)

    async def _read_index(self) -> None:
        """Get to know the plans of the past, beside the writing: a long journal takes its time."""
        if self._index is None:
            return
        wait, longest = self._retry_seconds
        while not self._indexed:
            try:
                await asyncio.to_thread(self._index.read)
                self._indexed = True
            except OSError as error:
                log.warning("the audit journal cannot be read; plans of the past wait", extra={"error": str(error)})
                await asyncio.sleep(wait)
                wait = min(2 * wait, longest)

    def _open(self, journal: Journal) -> None:
        if journal.is_open:
            return
        self._head = journal.open().head
        if journal.damage and journal.damage != self._damage:
            self._damage = journal.damage
            log.error(
                "the audit journal was damaged; a new chain begins, the old files stay as they are",
                extra={"error": journal.damage},
            )

    def _begin_in_memory(self) -> None:
        now = self._clock()
        line, self._head = chain.follow(chain.new_chain(), chain.genesis(), datetime.fromtimestamp(now, tz=UTC))
        self._send([Written(line, now)])

    def _write(self) -> None:
        """Write one batch; it leaves the queue when it is on the disk."""
        batch = [self._queue[index] for index in range(min(len(self._queue), BATCH))]
        with self._counting:
            missed, gap = self._missed, self._gap
        told = batch
        if gap is not None and len(batch) == len(self._queue):
            told = [*batch, (chain.gap(missed, timestamp(gap[0]), timestamp(gap[1])), gap[1])]
        lines = self._appended(told)
        for _ in batch:
            self._queue.popleft()
        if len(told) > len(batch):
            with self._counting:
                self._missed -= missed
                self._gap = self._gap if self._missed else None
        self._written.update(str(body["kind"]) for body, _ in told)
        self._send([Written(line, moment.timestamp()) for line, (_, moment) in zip(lines, told, strict=True)])

    def _appended(self, batch: Sequence[Stamped]) -> list[Line]:
        if self._journal is None:
            return self._chained(batch)
        self._open(self._journal)
        lines = self._journal.append(batch)
        place = self._journal.place
        assert place is not None and self._index is not None, "a journal that was written is open"  # noqa: PT018
        self._head = place.head
        offset = place.size - sum(len(line.data) + 1 for line in lines)
        for line, (body, _) in zip(lines, batch, strict=True):
            self._index.add(body, name_of(place.segment), offset)
            offset += len(line.data) + 1
        return lines

    def _chained(self, batch: Sequence[Stamped]) -> list[Line]:
        lines = []
        if self._head is None:
            self._begin_in_memory()
        assert self._head is not None, "begun in memory"
        for body, moment in batch:
            line, self._head = chain.follow(self._head, body, moment)
            lines.append(line)
        return lines

    def _send(self, written: Sequence[Written]) -> None:
        for sink in self._sinks:
            sink.offer(written)

    def _end(self) -> None:
        """Write what is left, once, and close."""
        try:
            while self._queue or self._missed:
                self._write()
        except (JournalError, OSError) as error:
            log.exception(
                "entries of the audit trail are lost", extra={"entries": len(self._queue), "error": str(error)}
            )
        if self._journal is not None:
            self._journal.close()
