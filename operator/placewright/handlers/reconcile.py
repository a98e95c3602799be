"""From an observed object to one status write: observe, decide, act, report."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from placewright.api.surroundings import EMPTY, Surroundings
from placewright.handlers.cache import Json, ObjectCache
from placewright.handlers.decisions import (
    Judgement,
    Question,
    blocks_plan,
    facts_of,
    judge,
    judge_outcome,
    judge_solving,
    transition_of,
)
from placewright.handlers.queue import CoalescingQueue
from placewright.handlers.rivals import Rivals
from placewright.handlers.solutions import Job, Solutions
from placewright.handlers.solver import SolveOutcome
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.events import EventRecorder
from placewright.kube.status import StatusTransport, WriteResult, Written, write_status
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_LONG_SOLVE_SECONDS = 2.0  # only a solve longer than this is announced by a status of its own
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 60.0
_WRITING_SECONDS = 0.1


class Together(Protocol):
    """The seam: plans requests that share something (`Fleet` does)."""

    def wants(self, resource: Json) -> bool:
        """Whether a request is planned together with others."""
        ...

    def writes(self, key: Key) -> bool:
        """Whether a status of this request is on its way: what is seen of it meanwhile may be our own doing."""
        ...

    def take(self, resource: Json, *, ours: bool) -> None:
        """Has a request planned with the others; `ours` is False when somebody else wrote its status."""
        ...

    def keep(self, resource: Json) -> bool:
        """Has a request planned with its present plan in view, which its gates block; False: nobody can."""
        ...

    def leave(self, key: Key) -> None:
        """A request is planned alone, or not at all."""
        ...

    def rules(self) -> Surroundings:
        """What requests that are planned alone are read with."""
        ...


class Alone:
    """No fleet: every request is planned alone, without policies and profiles."""

    def wants(self, resource: Json) -> bool:
        """Never."""
        del resource
        return False

    def writes(self, key: Key) -> bool:
        """Never."""
        del key
        return False

    def take(self, resource: Json, *, ours: bool) -> None:
        """Never called."""
        raise AssertionError(resource, ours)

    def keep(self, resource: Json) -> bool:
        """Nobody can."""
        del resource
        return False

    def leave(self, key: Key) -> None:
        """It was never in."""

    def rules(self) -> Surroundings:
        """None."""
        return EMPTY


@dataclass(slots=True)
class _Work:
    """A request in work."""

    resource: Json
    began: float
    superseded: asyncio.Future[None]

    def supersede(self) -> None:
        """What it was begun for is out of date."""
        if not self.superseded.done():
            self.superseded.set_result(None)


class Reconciler:
    """Brings the status of each request up to its spec, with one write per decision.

    Args:
        queue: where observed objects come from and retries go to.
        cache: knows what is settled.
        solutions: solve apart from the event loop.
        transport: writes the status.
        recorder: posts Events.
        count: counts writes.
        together: plans requests that share something.
        recorded: told of each written decision, for the audit: the object before and as stored.
        parallel: how many requests are converted or written at once; waiting for a solve does not count.
    """

    def __init__(  # noqa: PLR0913 - one argument for each seam
        self,
        *,
        queue: CoalescingQueue[Key, Json],
        cache: ObjectCache,
        solutions: Solutions,
        transport: StatusTransport,
        recorder: EventRecorder,
        count: Callable[[WriteResult], None],
        parallel: int,
        together: Together | None = None,
        recorded: Callable[[Json, Json], None] = lambda *_: None,
    ) -> None:
        self._queue = queue
        self._together = together or Alone()
        self._cache = cache
        self._solutions = solutions
        self._transport = transport
        self._recorder = recorder
        self._count = count
        self._recorded = recorded
        self._busy = asyncio.Semaphore(parallel)
        self._work: dict[Key, _Work] = {}
        self._attempts: dict[Key, int] = {}
        self._rivals = Rivals()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writes = 0
        self._no_write = asyncio.Event()
        self._no_write.set()
        self.last_progress: float | None = None

    def supersede(self, key: Key) -> None:
        """What is in work for this key is out of date: its spec changed, or it was deleted or re-created."""
        work = self._work.get(key)
        if work is not None:
            work.supersede()
        self._attempts.pop(key, None)
        self._rivals.forget(key)

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            while True:
                key, resource = await self._queue.get()
                await self._busy.acquire()
                task = asyncio.create_task(self._reconcile(key, resource))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            for task in self._tasks:
                task.cancel()

    async def drain(self, *, within_seconds: float) -> None:
        """Waits until no status write is under way; what only waits for a solve is left to the next start."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._no_write.wait(), within_seconds)

    def in_work(self) -> int:
        """How many requests are in work."""
        return len(self._work)

    async def _reconcile(self, key: Key, resource: Json) -> None:
        """One request; holds a `busy` permit except while it waits for a solve."""
        work = _Work(resource, time.monotonic(), asyncio.get_running_loop().create_future())
        self._work[key] = work
        try:
            retry_seconds = await self._step(key, work)
        except (ApiError, UnreachableError) as error:
            self._count(WriteResult.FAILED)
            asked = error.retry_after_seconds if isinstance(error, ApiError) else None
            retry_seconds = max(self._backoff(key), asked or 0.0)
            log.warning("status not written", extra={**_names(key), "error": str(error), "retrySeconds": retry_seconds})
        except Exception:
            # A fault in one request must not end the others; it is told and tried again, ever more slowly.
            retry_seconds = self._backoff(key)
            log.exception("reconcile failed", extra={**_names(key), "retrySeconds": retry_seconds})
        finally:
            del self._work[key]
            self._busy.release()
            self.last_progress = time.monotonic()
        if retry_seconds is None:
            self._attempts.pop(key, None)
        else:
            self._queue.put(key, resource, delay_seconds=retry_seconds)
        self._queue.done(key)

    async def _step(self, key: Key, work: _Work) -> float | None:
        """Decides and writes; returns in how many seconds to try again, None: settled."""
        if self._attempts.get(key):
            work.resource = await self._transport.get_request(*key) or {}
            if not work.resource:
                return None
        resource = work.resource
        if self._together.writes(key):
            return _WRITING_SECONDS
        if self._is_over(key, resource):
            return None
        tampered = self._cache.is_tampered(resource)
        if tampered and (pause := self._rivals.pause_seconds(key, time.monotonic())):
            self._queue.put(key, resource, delay_seconds=pause)
            return None
        if tampered:
            log.warning("somebody else wrote this status; putting it back", extra=_names(key))
        if self._together.wants(resource):
            self._together.take(resource, ours=not tampered)
            return None
        self._together.leave(key)
        return await self._alone(key, work, trust=not tampered)

    def _is_over(self, key: Key, resource: Json) -> bool:
        """Whether there is nothing to decide: it is on its way out, or its status is as we left it."""
        if resource["metadata"].get("deletionTimestamp"):
            self._together.leave(key)
            return True
        return self._cache.is_settled(resource)

    async def _alone(self, key: Key, work: _Work, *, trust: bool) -> float | None:
        """A request that is planned without others."""
        judgement = judge(work.resource, surroundings=self._together.rules(), trust=trust)
        if judgement is None:
            self._cache.settle(work.resource, time.monotonic())
            return None
        if isinstance(judgement, Question):
            return await self._answer(key, work, judgement)
        return await self._write(key, work, judgement)

    async def _answer(self, key: Key, work: _Work, question: Question) -> float | None:
        outcome = self._solutions.known(question.inputs_hash)
        if outcome is None:
            outcome = await self._solved(key, work, question)
        if work.superseded.done():
            return None  # what superseded it is queued, or it is gone
        if outcome is None:  # the shared solve was given up just as this request joined
            return self._backoff(key)
        if blocks_plan(outcome, work.resource) and self._together.keep(work.resource):
            return None  # what runs stays, if it may; only the fleet looks at present plans
        transient = getattr(outcome, "transient", False)
        retry = await self._write(key, work, judge_outcome(question, outcome))
        return self._backoff(key) if transient else retry

    async def _solved(self, key: Key, work: _Work, question: Question) -> SolveOutcome | None:
        """Waits for the solve without a permit; None: the question is out of date."""
        job = self._solutions.job(question.inputs_hash, question.request)
        job.join()
        self._busy.release()
        try:
            if not await self._finished(job, work, within_seconds=_LONG_SOLVE_SECONDS):
                async with self._busy:
                    await self._write(key, work, judge_solving(question))
                await self._finished(job, work, within_seconds=None)
        finally:
            job.leave()
            await self._busy.acquire()
        if work.superseded.done() or not job.outcome.done() or job.outcome.cancelled():
            return None
        return job.outcome.result()

    async def _finished(self, job: Job, work: _Work, *, within_seconds: float | None) -> bool:
        """Whether the job ended or the request was superseded in time; the time counts from the start of the solve."""
        ends: set[asyncio.Future[Any]] = {job.outcome, work.superseded}
        if within_seconds is not None:
            await asyncio.wait({*ends, job.started}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait(ends, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def _write(self, key: Key, work: _Work, judgement: Judgement) -> float | None:
        self._writes += 1
        self._no_write.clear()
        try:
            written = await write_status(self._transport, work.resource, judgement.render)
        finally:
            self._writes -= 1
            if not self._writes:
                self._no_write.set()
        self._count(written.result)
        match written.result:
            case WriteResult.WRITTEN | WriteResult.UNCHANGED:
                self._report(key, work, judgement, written)
                return None
            case WriteResult.GONE:
                return None
            case WriteResult.SUPERSEDED:
                if written.stored is not None:  # the watch tells it too, but may be late
                    self._queue.put(key, written.stored)
                return None
            case _:
                log.error("the API server refuses the status; is the CRD older than the operator?", extra=_names(key))
                return self._backoff(key)

    def _report(self, key: Key, work: _Work, judgement: Judgement, written: Written) -> None:
        assert written.stored is not None
        before = work.resource
        work.resource = written.stored
        if judgement.final:
            self._cache.settle(written.stored, time.monotonic())
        else:
            self._cache.observe(written.stored, time.monotonic())
        if written.result is not WriteResult.WRITTEN:
            return
        seconds = round(time.monotonic() - work.began, 4)
        log.info(judgement.headline, extra={**_names(key), **facts_of(written.stored), "seconds": seconds})
        if judgement.final:
            self._recorded(written.replaced or before, written.stored)
        transition = transition_of(before, written.stored)
        if transition is not None and judgement.final:
            self._recorder.record(transition)

    def _backoff(self, key: Key) -> float:
        attempts = self._attempts[key] = self._attempts.get(key, 0) + 1
        return float(min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** (attempts - 1)))


def _names(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "request": key[1]}
