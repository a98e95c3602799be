"""Solutions by the hash of their inputs: equal inputs are solved once, also while a solve runs and after a fault."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from placewright.core.model import Request
from placewright.handlers.solver import SolveFailed, SolveOutcome, Solver

log = logging.getLogger(__name__)

_LETHAL_LIMIT = 2  # a request that kills its process this often is not tried again until it changes
_LAST_CHANCE_SECONDS = 1.0  # a solve nobody waits for may still finish within this: cheaper than a new process


class Job:
    """One solve, shared by all who asked for the same inputs while it waits or runs."""

    def __init__(self, inputs_hash: str) -> None:
        self.inputs_hash = inputs_hash
        self.outcome: asyncio.Future[SolveOutcome] = asyncio.get_running_loop().create_future()
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters = 0
        self.timeout_seconds = 0.0
        self.cancelled = False
        self._task: asyncio.Task[None] | None = None
        self._cancel: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The solve has a process to itself."""
        if not self.started.done():
            self.started.set_result(None)

    def run(self, work: Callable[["Job"], "asyncio.Task[None]"]) -> None:
        """Starts the solve."""
        self._task = work(self)

    def join(self) -> None:
        """One more waits for the outcome."""
        self.waiters += 1
        if self._cancel is not None:
            self._cancel.cancel()
            self._cancel = None

    def leave(self) -> None:
        """One less waits; the last one to leave ends the solve: at once when it has not begun, else in a moment."""
        self.waiters -= 1
        if self.waiters == 0 and not self.outcome.done():
            delay = _LAST_CHANCE_SECONDS if self.started.done() else 0.0
            self._cancel = asyncio.get_running_loop().call_later(delay, self.cancel)

    def cancel(self) -> None:
        """Ends the solve; who still waits gets a cancelled outcome."""
        self.cancelled = True
        if self._task is not None:
            self._task.cancel()


class Solutions:
    """Cache, sharing and quarantine in front of a solver.

    Args:
        solver: solves apart from the event loop.
        capacity: how many outcomes are kept, least recently used first out.
        grace_seconds: added to a request's own time limit before its process is killed.
        on_solved: told of each solve that ended, for metrics.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        capacity: int,
        grace_seconds: float,
        on_solved: Callable[[Request, SolveOutcome], None],
    ) -> None:
        self._solver = solver
        self._capacity = capacity
        self._grace_seconds = grace_seconds
        self._on_solved = on_solved
        self._known: OrderedDict[str, SolveOutcome] = OrderedDict()
        self._running: dict[str, Job] = {}

    def known(self, inputs_hash: str) -> SolveOutcome | None:
        """The outcome for these inputs when it is known; a failure stays until the inputs change."""
        outcome = self._known.get(inputs_hash)
        if outcome is not None:
            self._known.move_to_end(inputs_hash)
        return outcome

    def job(self, inputs_hash: str, request: Request) -> Job:
        """The solve for these inputs: the one that runs, or a new one. The caller joins and leaves it."""
        job = self._running.get(inputs_hash)
        if job is None or job.cancelled:
            job = Job(inputs_hash)
            job.timeout_seconds = request.solver.time_limit_seconds + self._grace_seconds
            self._running[inputs_hash] = job
            job.run(lambda this: asyncio.create_task(self._run(this, request)))
        return job

    def longest_limit_seconds(self) -> float:
        """How long the slowest running solve may take in all, with its second try; 0 when none runs."""
        return max((job.timeout_seconds for job in list(self._running.values())), default=0.0) * _LETHAL_LIMIT

    async def _run(self, job: Job, request: Request) -> None:
        try:
            outcome = await self._solve(job, request)
        except asyncio.CancelledError:
            job.outcome.cancel()
            raise
        finally:
            if self._running.get(job.inputs_hash) is job:
                del self._running[job.inputs_hash]
        if not (isinstance(outcome, SolveFailed) and outcome.transient):
            self._known[job.inputs_hash] = outcome
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
        if not job.outcome.done():
            job.outcome.set_result(outcome)

    async def _solve(self, job: Job, request: Request) -> SolveOutcome:
        for attempt in range(1, _LETHAL_LIMIT + 1):
            outcome = await self._solver.solve(request, timeout_seconds=job.timeout_seconds, started=job.start)
            self._on_solved(request, outcome)
            if not isinstance(outcome, SolveFailed) or outcome.transient:
                return outcome
            # A hang is not tried again: it would hold a process for the whole limit once more.
            if not outcome.lethal or outcome.reason == "SolverTimeout" or attempt == _LETHAL_LIMIT:
                log.error(
                    "request quarantined until its inputs change",
                    extra={"inputs": job.inputs_hash, "reason": outcome.reason, "error": outcome.message},
                )
                return outcome
            log.warning("solve lost its process, trying once more", extra={"error": outcome.message})
        raise AssertionError("the loop returns")
