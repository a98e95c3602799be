"""Writes the answers of the fleet so that no GPU stands in two stored plans at any moment.

A plan that takes GPUs is written only when the plans that are stored leave room for it, so those that give GPUs back
go first. Where plans wait for each other in a circle, one of them is written without a plan for a moment.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from placewright.core.model import MoveReason, Pool
from placewright.handlers.answers import Answer, moving
from placewright.handlers.cache import Json, ObjectCache
from placewright.handlers.decisions import facts_of, ready_of, transition_of
from placewright.handlers.members import Member, Members
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.events import EventRecorder
from placewright.kube.status import StatusTransport, WriteResult, Written, write_status
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """Answers that are being written.

    Attributes:
        waiting: still to be written.
        pools: with all their GPUs.
        roomy: pools with room for all old and new plans at once, where the order does not matter.
        priorities: of the requests.
        running: the writes of this round.
        unwritten: what could not be written.
    """

    waiting: dict[Key, Answer]
    pools: Mapping[str, Pool]
    roomy: frozenset[str]
    priorities: Mapping[Key, int]
    running: set["asyncio.Task[None]"] = field(default_factory=set)
    unwritten: set[Key] = field(default_factory=set)


class Publisher:
    """Writes answers of members.

    Args:
        members: the requests, kept up to date with what is written, and the ledger of what stored plans hold.
        cache: told of what is settled.
        transport: writes statuses.
        recorder: posts Events.
        count: counts writes.
        moved: told of each change of plan that was written.
        recorded: told of each written status, for the audit: the object before and as stored.
        superseded: gets an object whose spec changed before its answer was written.
        parallel: writes at once.
    """

    def __init__(  # noqa: PLR0913 - one argument for each seam
        self,
        *,
        members: Members,
        cache: ObjectCache,
        transport: StatusTransport,
        recorder: EventRecorder,
        count: Callable[[WriteResult], None],
        moved: Callable[[MoveReason], None],
        superseded: Callable[[Json], None],
        parallel: int,
        recorded: Callable[[Json, Json], None] = lambda *_: None,
    ) -> None:
        self._members = members
        self._ledger = members.ledger
        self._cache = cache
        self._transport = transport
        self._recorder = recorder
        self._count = count
        self._moved = moved
        self._recorded = recorded
        self._superseded = superseded
        self._busy = asyncio.Semaphore(parallel)
        self._writing: set[Key] = set()
        self._uncertain: set[Key] = set()  # nobody told whether their write was taken

    def writes(self, key: Key) -> bool:
        """Whether a status of this request is on its way."""
        return key in self._writing

    def takes(self, answers: Mapping[Key, Answer]) -> frozenset[str]:
        """The pools of which any of these answers takes GPUs that its request does not hold yet."""
        return frozenset(
            pool
            for key, answer in answers.items()
            if answer.holding is not None
            for pool in self._ledger.takes(key, answer.holding)
        )

    async def publish(self, answers: Mapping[Key, Answer], pools: Mapping[str, Pool]) -> frozenset[Key]:
        """Writes answers in an order that never promises a GPU twice.

        Args:
            answers: by request.
            pools: the shared pools as they were read just now, with all their GPUs.

        Returns:
            Those that were not written, because others hold their GPUs or the API server did not take them.
        """
        try:
            await self._clear_up()
        except (ApiError, UnreachableError) as error:
            log.warning("what stands in a status is not known; nothing is written", extra={"error": str(error)})
            return frozenset(answers)
        batch = _Batch(
            waiting=dict(answers), pools=pools, roomy=self._roomy(answers, pools), priorities=self._priorities(answers)
        )
        try:
            while batch.waiting or batch.running:
                self._admit(batch)
                if batch.running:
                    await asyncio.gather(*batch.running)
                    batch.running.clear()
                elif not self._break_circle(batch):
                    batch.unwritten |= batch.waiting.keys()
                    log.warning("plans wait for GPUs that others hold", extra={"requests": len(batch.waiting)})
                    break
        finally:
            for task in batch.running:
                task.cancel()
        return frozenset(batch.unwritten)

    async def _clear_up(self) -> None:
        """Reads what became of writes that nobody confirmed; until then both their plans count."""
        for key in tuple(self._uncertain):
            stored = await self._transport.get_request(*key)
            if stored is not None:
                self._cache.observe(stored, time.monotonic())
                member = self._members.get(key)
                if member is not None and member.uid == stored["metadata"]["uid"]:
                    self._members.take(stored)
            self._ledger.settle(key)
            self._uncertain.discard(key)

    def _roomy(self, answers: Mapping[Key, Answer], pools: Mapping[str, Pool]) -> frozenset[str]:
        holdings = {key: answer.holding for key, answer in answers.items() if answer.holding is not None}
        return frozenset(
            name for name in self.takes(answers) if name in pools and self._ledger.room_for_all(pools[name], holdings)
        )

    def _priorities(self, keys: Collection[Key]) -> dict[Key, int]:
        members = {key: self._members.get(key) for key in keys}
        return {
            key: member.request.priority
            for key, member in members.items()
            if member is not None and member.request is not None
        }

    def _admit(self, batch: _Batch) -> None:
        """Begins every write for which there is room; those of higher priority first."""
        for key in sorted(batch.waiting, key=lambda each: (-batch.priorities.get(each, 0), each)):
            if self._has_room(batch, key):
                self._begin(batch, key, batch.waiting.pop(key))

    def _has_room(self, batch: _Batch, key: Key) -> bool:
        holding = batch.waiting[key].holding
        if holding is None:
            return True
        wanted = [name for name in self._ledger.takes(key, holding) if name not in batch.roomy]
        return all(name in batch.pools and self._ledger.room(batch.pools[name], key, holding) for name in wanted)

    def _break_circle(self, batch: _Batch) -> bool:
        """Takes the plan of one that waits and holds what others wait for; False: nobody does."""
        wanted = self.takes(batch.waiting)
        holders = [key for key in batch.waiting if not wanted.isdisjoint(self._ledger.of(key).pools)]
        if not holders:
            return False
        key = min(holders, key=lambda each: (batch.priorities.get(each, 0), each))
        member = self._members.get(key)
        if member is None:
            batch.unwritten.add(key)
            del batch.waiting[key]
            return True
        # Its own answer stays in the batch, for when there is room.
        self._begin(batch, key, moving(member))
        return True

    def _begin(self, batch: _Batch, key: Key, answer: Answer) -> None:
        if answer.holding is not None:
            self._ledger.reserve(key, answer.holding)
        batch.running.add(asyncio.create_task(self._write(batch, key, answer)))

    async def _write(self, batch: _Batch, key: Key, answer: Answer) -> None:
        stands = False
        self._writing.add(key)
        try:
            async with self._busy:
                stands = await self._written(key, answer)
        except (ApiError, UnreachableError) as error:
            self._count(WriteResult.FAILED)
            log.warning("status not written", extra={**_names(key), "error": str(error)})
            if isinstance(error, UnreachableError) or error.status >= 500:
                self._uncertain.add(key)
        finally:
            self._writing.discard(key)
        if key not in self._uncertain:
            self._ledger.settle(key)
        if not stands:
            batch.unwritten.add(key)
            batch.waiting.pop(key, None)

    async def _written(self, key: Key, answer: Answer) -> bool:
        """Writes one status; returns whether it stands."""
        member = self._members.get(key)
        if member is None or member.generation != answer.generation:
            return False  # it is decided anew, or is gone
        began, before = time.monotonic(), member.resource
        written = await write_status(self._transport, before, answer.render)
        self._count(written.result)
        match written.result:
            case WriteResult.WRITTEN | WriteResult.UNCHANGED:
                self._report(key, answer, before, written, time.monotonic() - began)
                return True
            case WriteResult.SUPERSEDED:
                if written.stored is not None:
                    self._superseded(written.stored)
            case WriteResult.REJECTED:
                log.error("the API server refuses the status; is the CRD older than the operator?", extra=_names(key))
        return False

    def _report(self, key: Key, answer: Answer, before: Json, written: Written, seconds: float) -> None:
        assert written.stored is not None, "a status that stands was seen"
        stored = written.stored
        self._cache.settle(stored, time.monotonic())
        self._take(key, stored, answer)
        if written.result is WriteResult.WRITTEN:
            log.info(answer.headline, extra={**_names(key), **facts_of(stored), "seconds": round(seconds, 4)})
            if answer.move is not None:
                self._moved(answer.move)
            self._recorded(written.replaced or before, stored)
            transition = transition_of(before, stored)
            if transition is not None and ready_of(stored).get("status") != "Unknown":
                self._recorder.record(transition)

    def _take(self, key: Key, stored: Json, answer: Answer) -> None:
        member: Member | None = self._members.get(key)
        if member is not None and member.uid == stored["metadata"]["uid"]:
            self._members.take(stored, told=answer.told)


def _names(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "request": key[1]}
