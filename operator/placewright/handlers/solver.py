"""Solver processes: a solve that hangs, dies or eats memory takes its own process down and nothing else."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pebble import ProcessExpired, ProcessPool

from placewright.core.demand import Fault
from placewright.core.model import Decision, FleetDecision, Request, Snapshot
from placewright.handlers import worker

log = logging.getLogger(__name__)

SolveEntry = Callable[[Request], Decision]  # module-level, so that a process can import it
FleetEntry = Callable[[Snapshot], FleetDecision]  # likewise
Answer = TypeVar("Answer", Decision, FleetDecision, float | Fault)

_START_SECONDS = 120.0  # imports and compilation in a starved container
_KILL_SECONDS = 15.0  # pebble needs up to about 3 s to kill a process that ignores SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved(Generic[Answer]):
    """A solve that returned."""

    decision: Answer
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveFailed:
    """A solve that did not: it hung, died or raised.

    Attributes:
        reason: the condition's reason, SolverTimeout or SolverCrashed.
        message: one line for the user.
        lethal: it took its process with it.
        transient: nothing was solved at all, as no process could be started: worth another try.
        seconds: until it failed.
    """

    reason: str
    message: str
    lethal: bool
    seconds: float
    transient: bool = False


SolveOutcome = Solved[Decision] | SolveFailed
FleetOutcome = Solved[FleetDecision] | SolveFailed


class Solver(Protocol):
    """The seam: whatever solves one request apart from the event loop."""

    async def solve(self, request: Request, *, timeout_seconds: float, started: Callable[[], None]) -> SolveOutcome:
        """Solves one request; `started` is called when it has a process. Cancelling stops the solve."""
        ...


class FleetSolver(Protocol):
    """The seam: whatever solves a part of the fleet apart from the event loop."""

    async def solve_fleet(self, part: Snapshot, *, timeout_seconds: float) -> FleetOutcome:
        """Solves requests that share pools together. Cancelling stops the solve."""
        ...


class _Slot:
    """One solver process. Each has a pool of its own, so that a fault in one cannot break what others do."""

    def __init__(self, *, memory_limit_bytes: int) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._pool: ProcessPool | None = None

    async def pool(self) -> ProcessPool:
        """The running pool; starts it, and waits until its process can solve.

        Raises:
            BrokenExecutor, RuntimeError, ProcessExpired, TimeoutError: the process does not come up.
        """
        if self._pool is None or not self._pool.active:
            self.discard()
            pool = ProcessPool(
                max_workers=1,
                initializer=worker.prepare,
                initargs=(os.getpid(), self._memory_limit_bytes),
                context=multiprocessing.get_context("spawn"),
            )
            self._pool = pool
            await asyncio.wait_for(asyncio.wrap_future(pool.schedule(worker.warm_up)), _START_SECONDS)
        return self._pool

    def discard(self) -> asyncio.Task[None] | None:
        """Gives the process up; it is stopped in the background."""
        pool, self._pool = self._pool, None
        if pool is None:
            return None
        pool.stop()  # type: ignore[no-untyped-call]
        return asyncio.create_task(asyncio.to_thread(pool.join))


class SolverPool:
    """Solves in `processes` worker processes, started when first needed.

    Args:
        entry: what a process runs for a request that is decided alone.
        fleet_entry: what it runs for requests that are decided together.
        processes: how many solve at once.
        memory_limit_bytes: of each process; 0: none.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        entry: SolveEntry,
        *,
        fleet_entry: FleetEntry = worker.solve_fleet,
        processes: int,
        memory_limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entry = entry
        self._fleet_entry = fleet_entry
        self._clock = clock
        self._slots = [_Slot(memory_limit_bytes=memory_limit_bytes) for _ in range(processes)]
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()  # the last one used is warm
        for slot in self._slots:
            self._free.put_nowait(slot)
        self._stops: set[asyncio.Task[None]] = set()
        self.alive = True  # False once a process could not be started

    async def solve(self, request: Request, *, timeout_seconds: float, started: Callable[[], None]) -> SolveOutcome:
        """Solves one request in the next free process.

        Args:
            request: what to decide.
            timeout_seconds: after it the process is killed.
            started: called when the solve has a warm process to itself.
        """
        return await self._run(self._entry, request, timeout_seconds, started)

    async def solve_fleet(self, part: Snapshot, *, timeout_seconds: float) -> FleetOutcome:
        """Solves requests that share pools together in the next free process.

        Args:
            part: what to decide.
            timeout_seconds: after it the process is killed.
        """
        return await self._run(self._fleet_entry, part, timeout_seconds, lambda: None)

    async def forecast(
        self, points: tuple[tuple[float, float], ...], horizon_seconds: float, *, timeout_seconds: float
    ) -> Solved[float | Fault] | SolveFailed:
        """Forecasts the peak of a rate in the next free process: it needs the numerical libraries, as a solve does.

        Args:
            points: (seconds, rate).
            horizon_seconds: how far ahead.
            timeout_seconds: after it the process is killed.
        """
        return await self._run(worker.forecast, (points, horizon_seconds), timeout_seconds, lambda: None)

    async def _run(
        self, entry: Callable[[Any], Answer], question: object, timeout_seconds: float, started: Callable[[], None]
    ) -> Solved[Answer] | SolveFailed:
        slot = await self._free.get()
        try:
            return await self._solve_on(slot, entry, question, timeout_seconds, started)
        except asyncio.CancelledError:
            self._discard(slot)  # it may still be solving what nobody wants any more
            raise
        finally:
            self._free.put_nowait(slot)

    async def close(self) -> None:
        """Kills all processes and waits until they are gone."""
        for slot in self._slots:
            self._discard(slot)
        if self._stops:
            await asyncio.wait(self._stops)

    async def _solve_on(
        self,
        slot: _Slot,
        entry: Callable[[Any], Answer],
        question: object,
        timeout_seconds: float,
        started: Callable[[], None],
    ) -> Solved[Answer] | SolveFailed:
        try:
            pool = await slot.pool()
        except (BrokenExecutor, RuntimeError, ProcessExpired, TimeoutError) as error:
            self._discard(slot)
            self.alive = False
            return SolveFailed(
                reason="SolverCrashed",
                message=f"no solver process could be started: {type(error).__name__} {error}".strip(),
                lethal=False,
                seconds=0.0,
                transient=True,
            )
        self.alive = True
        started()
        begun = self._clock()
        try:
            future = asyncio.wrap_future(pool.schedule(entry, args=(question,), timeout=timeout_seconds))
            decision = await asyncio.wait_for(future, timeout_seconds + _KILL_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever a solve raises ends as a condition
            return self._failure(slot, error, timeout_seconds, self._clock() - begun)
        return Solved(decision=decision, seconds=self._clock() - begun)

    def _failure(self, slot: _Slot, error: Exception, timeout_seconds: float, seconds: float) -> SolveFailed:
        reason, lethal = "SolverCrashed", True
        if isinstance(error, MemoryError):
            message = "the solve needs more memory than --solver-memory-mib allows"
        elif hasattr(error, "traceback"):  # pebble's mark of what was raised inside the process
            lethal, message = False, f"the solve failed: {type(error).__name__}: {error}"
            log.error("solve raised", extra={"error": message, "trace": error.traceback})
        elif isinstance(error, TimeoutError):
            reason, message = "SolverTimeout", f"the solve was killed after {timeout_seconds:g} s without an answer"
        elif isinstance(error, ProcessExpired):
            message = f"the solver process died ({_exit_text(error.exitcode)})"
        else:
            message = f"the solver process broke: {type(error).__name__} {error}"
        if lethal:
            self._discard(slot)
        return SolveFailed(reason=reason, message=message, lethal=lethal, seconds=seconds)

    def _discard(self, slot: _Slot) -> None:
        stop = slot.discard()
        if stop is not None:
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)


def _exit_text(code: int | None) -> str:
    if code is None:
        return "no exit code"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
