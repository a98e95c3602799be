"""Writes what there is to say of a request's workloads and its idling into its status, and tells of it."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from placewright.api.conditions import Condition
from placewright.api.parts import Parts, with_new_parts
from placewright.api.same import same_decision
from placewright.handlers.acting.checkpoints import Checkpoint, Pass, passed
from placewright.handlers.acting.objects import Subject, Subjects
from placewright.handlers.acting.telling import Counters, count, entry_of, news_of, transition_of
from placewright.handlers.cache import Json, ObjectCache
from placewright.handlers.members import Members
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.events import EventRecorder
from placewright.kube.status import StatusTransport, WriteResult, Written, write_status
from placewright.telemetry.audit import Entry
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told of what was written.

    Attributes:
        recorder: posts Events.
        counters: of the metrics.
        record: takes audit entries.
        count: counts status writes.
    """

    recorder: EventRecorder
    counters: Counters
    record: Callable[[Entry], None]
    count: Callable[[WriteResult], None]


class Reporter:
    """Writes statuses.

    Args:
        transport: the API server.
        cache: of all requests: our own write is no rival's.
        members: the requests that are planned together; likewise.
        subjects: are told of what was stored.
        told: who else is.
        checkpoint: told of the moments before and after each write.
        now: wall clock.
    """

    def __init__(
        self,
        transport: StatusTransport,
        *,
        cache: ObjectCache,
        members: Members,
        subjects: Subjects,
        told: Told,
        checkpoint: Pass = passed,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._cache = cache
        self._members = members
        self._subjects = subjects
        self._told = told
        self._checkpoint = checkpoint
        self._now = now

    async def report(self, key: Key, subject: Subject, parts: Parts) -> bool:
        """Has the status say this, where it does not already; returns whether it says it now.

        Raises:
            ApiError, UnreachableError: it could not be written; to be tried again.
        """
        if self._says(subject, parts):
            return True
        newest = await self._transport.get_request(*key)
        if newest is None or not _is(newest, subject):
            return False
        if int((newest.get("status") or {}).get("observedGeneration", -1)) < 0:
            return False  # it was not planned yet, and that is to be told first

        def render(stored: Json) -> Json:
            return with_new_parts(
                stored.get("status") or {},
                parts,
                spec=stored["spec"],
                generation=subject.generation,
                now=self._now(),
            )

        self._checkpoint(Checkpoint.BEFORE_REPORT)
        try:
            written = await write_status(self._transport, newest, render)
        except (ApiError, UnreachableError):
            self._told.count(WriteResult.FAILED)
            raise
        self._told.count(written.result)
        if written.result is WriteResult.REJECTED:
            log.error("the API server refuses the status; is the CRD older than the operator?", extra=_names(key))
        if written.result is not WriteResult.WRITTEN:
            return False
        self._checkpoint(Checkpoint.AFTER_REPORT)
        self._take(key, written)
        return True

    def newest(self, key: Key, subject: Subject) -> Subject:
        """The request as it was stored last, if it is still the same one."""
        found = self._subjects.get(key)
        return found if found is not None and found.uid == subject.uid else subject

    def _says(self, subject: Subject, parts: Parts) -> bool:
        """Whether the status says this already."""
        stored, spec = subject.status, subject.resource["spec"]
        told = with_new_parts(stored, parts, spec=spec, generation=subject.generation, now=self._now())
        return same_decision(stored, told)

    def _take(self, key: Key, written: Written) -> None:
        stored, replaced = written.stored, written.replaced
        assert stored is not None, "what was written was seen"
        assert replaced is not None, "what was written replaced something"
        self._cache.wrote(stored)
        if self._cache.is_settled(replaced):  # else planning has something to do about it still, and the watch tells
            self._cache.settle(stored, time.monotonic())
        self._subjects.see(stored)
        member = self._members.get(key)
        if member is not None and (member.uid, member.generation) == (
            stored["metadata"]["uid"],
            int(stored["metadata"]["generation"]),
        ):
            self._members.take(stored, told=member.told)
        for news in news_of(replaced.get("status") or {}, stored.get("status") or {}):
            log.log(
                logging.WARNING if news.warning else logging.INFO,
                "acting: %s",
                news.reason,
                extra={**_names(key), "reason": news.reason, "detail": news.message},
            )
            self._told.recorder.record(transition_of(news, stored))
            count(news, self._told.counters)
            entry = entry_of(news, stored)
            if entry is not None:
                self._told.record(entry)


def condition_of(status: Mapping[str, Any], name: str) -> Condition | None:
    """A condition as it stands; None: there is none."""
    entry = next((each for each in status.get("conditions") or () if each.get("type") == name), None)
    if entry is None:
        return None
    return Condition(type=name, status=entry["status"], reason=entry["reason"], message=entry.get("message", ""))


def _is(newest: Json, subject: Subject) -> bool:
    metadata = newest["metadata"]
    return (metadata["uid"], int(metadata["generation"])) == (subject.uid, subject.generation)


def _names(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "request": key[1]}
