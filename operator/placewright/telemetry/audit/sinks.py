"""Where records go beside the journal: the Protocol of a sink, and standard output."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from placewright.telemetry.audit.record import Line
from placewright.telemetry.audit.segments import write_all
from placewright.telemetry.audit.state import SinkState

MAX_WAITING_LINES: Final = 100_000
_RETRY_SECONDS: Final = 1.0
_LAST_WORDS_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """A record that is on the disk.

    Attributes:
        line: as it stands in the journal.
        at: Unix time when it happened.
    """

    line: Line
    at: float


class Sink(Protocol):
    """A further place for records. It can be away for as long as it likes: the trail never waits for it."""

    @property
    def name(self) -> str:
        """In messages and as a label."""
        ...

    def offer(self, written: Sequence[Written]) -> None:
        """Take notice of records in the order of the chain; returns at once."""
        ...

    async def run(self) -> None:
        """Send what is offered until cancelled."""
        ...

    async def flush(self) -> None:
        """Return when everything offered so far has been sent."""
        ...

    def state(self, now: float) -> SinkState:
        """How it is doing at this Unix time."""
        ...


class ThreadSink(ABC):
    """A sink that works in a thread of its own, so that nothing which it waits for holds up the operator.

    A daemon thread: a reader or a server that never answers again must not keep the process from ending either.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._stopped = False

    @property
    def name(self) -> str:
        """In messages and as a label."""
        return self._name

    @abstractmethod
    def offer(self, written: Sequence[Written]) -> None:
        """Take notice of records."""

    @abstractmethod
    def state(self, now: float) -> SinkState:
        """How it is doing."""

    @abstractmethod
    def work(self) -> None:
        """Send until stopped."""

    def hurry(self) -> None:  # noqa: B027 - nothing to do where nothing is put off
        """Send at once what is there."""

    async def run(self) -> None:
        """Work until cancelled."""
        thread = threading.Thread(target=self.work, name=f"audit-{self._name}", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            await asyncio.to_thread(thread.join, _LAST_WORDS_SECONDS)

    async def flush(self) -> None:
        """Return when everything has been sent."""
        while self.state(0.0).pending:
            self.hurry()
            await asyncio.sleep(0.01)


class StreamSink(ThreadSink):
    """Each record a line on a stream, as for a log collector.

    What waits for the reader beyond a bound is left out here and counted: the journal has it.

    Args:
        stream: with a file descriptor, and used by nobody else.
        name: in messages.
        max_waiting: lines.
    """

    def __init__(self, stream: BinaryIO, *, name: str = "stdout", max_waiting: int = MAX_WAITING_LINES) -> None:
        super().__init__(name)
        self._stream = stream
        self._max_waiting = max_waiting
        self._waiting: deque[Written] = deque()
        self._lost = 0
        self._fault = ""

    def offer(self, written: Sequence[Written]) -> None:
        """Take notice of records."""
        with self._changed:
            room = max(self._max_waiting - len(self._waiting), 0)
            self._waiting.extend(written[:room])
            self._lost += len(written) - len(written[:room])
            self._changed.notify_all()

    def state(self, now: float) -> SinkState:
        """How it is doing."""
        with self._changed:
            waiting = len(self._waiting)
            lag = max(now - self._waiting[0].at, 0.0) if waiting else 0.0
            return SinkState(name=self._name, pending=waiting, lag_seconds=lag, lost=self._lost, fault=self._fault)

    def work(self) -> None:
        """Write until stopped."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if not self._waiting:
                    return
                batch = list(self._waiting)
            if self._write(batch):
                with self._changed:
                    for _ in batch:
                        self._waiting.popleft()
            elif self._stopped:
                return
            else:
                with self._changed:  # a full disk behind the stream, or a reader that went: try again
                    self._changed.wait_for(lambda: self._stopped, _RETRY_SECONDS)

    def _write(self, batch: Sequence[Written]) -> bool:
        try:
            # Past the stream's own buffer: the interpreter could not end while a thread waits inside it.
            write_all(self._stream.fileno(), b"".join(part for each in batch for part in (each.line.data, b"\n")))
        except (OSError, ValueError) as error:
            self._fault = f"cannot write: {error}"
            return False
        self._fault = ""
        return True


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
