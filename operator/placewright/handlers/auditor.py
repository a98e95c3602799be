"""What the operator tells the audit trail, and the trail that its options ask for."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from placewright.core.errors import InvalidRequestError
from placewright.handlers.cache import Json
from placewright.handlers.options import OperatorOptions
from placewright.handlers.records import entries_of, found_of, refusal_of
from placewright.telemetry.audit import OFF, AuditTrail, Entry, EntryKind, Trail
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.sinks import Sink, StreamSink
from placewright.telemetry.prices.watch import PriceEvent
from placewright.telemetry.views import Key

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


def trail_of(options: OperatorOptions) -> AuditTrail:
    """The trail that the options ask for; one that keeps nothing where they ask for none.

    Raises:
        InvalidRequestError: a bucket without a journal to send, or an endpoint that is no URL.
    """
    folder = None if options.audit_dir is None else Path(options.audit_dir)
    sinks: list[Sink] = [StreamSink(sys.stdout.buffer)] if options.audit_stdout else []
    if options.audit_s3_bucket is not None:
        if folder is None:
            wants = "--audit-dir beside it, whose journal is sent"
            raise InvalidRequestError("--audit-s3-bucket", got=repr(options.audit_s3_bucket), wants=wants)
        sinks.append(_bucket_sink(options, options.audit_s3_bucket, folder))
    if folder is None and not sinks:
        return OFF
    return Trail(None if folder is None else Journal(folder), sinks)


def _bucket_sink(options: OperatorOptions, bucket: str, folder: Path) -> Sink:
    # Imported here: the library is an extra, and nobody else needs it.
    from placewright.telemetry.audit.bucket import BucketSink  # noqa: PLC0415
    from placewright.telemetry.audit.bucket_client import DEFAULT_ENDPOINT, S3Bucket  # noqa: PLC0415

    return BucketSink(
        folder,
        S3Bucket(bucket, endpoint=options.audit_s3_endpoint or DEFAULT_ENDPOINT),
        retention_days=options.audit_retention_days,
        prefix=options.audit_s3_prefix,
        clock=time.time,
    )


class Auditor:
    """Records what was really written, and at a start what stands in the cluster and not in the journal.

    Such a plan was written just before the operator died, or before there was a journal.

    Args:
        trail: the journal.
        listed: whether every request was seen once.

    Attributes:
        starting: whether plans that are seen are still looked up.
        fault: why nothing is recorded any more; empty: all is well, or the trail itself says what is not.
    """

    def __init__(self, trail: AuditTrail, *, listed: Callable[[], bool]) -> None:
        self._trail = trail
        self._listed = listed
        self.starting = trail.state().enabled
        self._seen: set[str] = set()
        self._waiting: dict[str, Json] = {}
        self.fault = ""

    def seen(self, resource: Json) -> None:
        """An object as it was stored; at a start its plan is looked up."""
        uid = str(resource["metadata"]["uid"])
        if not self.starting or uid in self._seen:
            return
        self._seen.add(uid)
        if not _plan_id(resource):
            return
        if self._trail.indexed:
            self._found(resource)
        else:
            self._waiting[uid] = resource

    def written(self, before: Json, stored: Json) -> None:
        """A status was written."""
        waiting = self._waiting.pop(str(stored["metadata"]["uid"]), None)
        if waiting is not None:
            self._found(waiting)  # before what takes its place
        for entry in entries_of(before, stored):
            self._trail.record(entry)

    def refused(self, key: Key, uid: str, line: str, actor: str) -> None:
        """Somebody's word was not followed."""
        self._trail.record(refusal_of(key, uid, line, actor))

    def priced(self, event: PriceEvent) -> None:
        """Something happened to a live price."""
        self._trail.record(
            Entry(
                kind=EntryKind.PRICE,
                name=str(event.key),
                reason=str(event.kind),
                message=event.message,
                details={
                    "policy": event.policy,
                    "source": event.source,
                    "oldPerGPUHour": event.old,
                    "newPerGPUHour": event.new,
                },
            )
        )

    async def run(self) -> None:
        """Writes the trail until cancelled, and what was found at the start. No fault of it ends the operator."""
        finding = asyncio.create_task(self._find())
        try:
            await self._trail.run()
        except Exception as error:
            log.exception("the audit trail has ended")
            self.fault = f"audit trail: ended by {type(error).__name__}, and needs a restart"
            await asyncio.Event().wait()
        finally:
            finding.cancel()

    async def _find(self) -> None:
        """Looks up what came before the journal could be looked into; ends once all was listed."""
        while not (self._trail.indexed and self._listed()):  # noqa: ASYNC110 - two things, neither of which has an event
            await asyncio.sleep(_POLL_SECONDS)
        self.starting = False
        self._seen.clear()
        waiting, self._waiting = self._waiting, {}
        for resource in waiting.values():
            self._found(resource)

    def _found(self, resource: Json) -> None:
        if self._trail.last_plan(str(resource["metadata"]["uid"])) != _plan_id(resource):
            self._trail.record(found_of(resource))


def _plan_id(resource: Json) -> str:
    return str(((resource.get("status") or {}).get("plan") or {}).get("id", ""))
