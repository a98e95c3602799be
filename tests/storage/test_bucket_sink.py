"""The journal in a bucket: complete, in order, resumed from the bucket itself, and never in the operator's way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from minio.credentials.providers import StaticProvider

from placewright.telemetry.audit import Trail
from placewright.telemetry.audit.bucket import BucketSink
from placewright.telemetry.audit.bucket_client import BucketError, S3Bucket
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.segments import read_place, segments
from placewright.telemetry.audit.state import SinkState
from placewright.telemetry.audit.verify import KnownHead, material_of, verify
from tests.support.audit_journals import decision
from tests.support.audit_trails import LIMIT_S, running, until
from tests.support.s3_server import S3Server


class Site:
    """A trail with a bucket, as an operator would have it."""

    def __init__(self, folder: Path, server: S3Server, bucket: str) -> None:
        self.folder, self.server, self.bucket = folder, server, bucket

    def trail(self) -> Trail:
        sink = BucketSink(
            self.folder,
            self.server.bucket(self.bucket),
            retention_days=30,
            prefix="placewright",
            clock=time.time,
            every_seconds=0.05,
            piece_bytes=3_000,
            retry_seconds=(0.05, 0.2),
        )
        return Trail(Journal(self.folder, segment_bytes=4_000), [sink])

    async def run(self, work: Callable[[Trail], Awaitable[None]]) -> None:
        async with running(self.trail()) as trail:
            await work(trail)

    def downloaded(self, to: Path) -> Path:
        client = self.server.client
        for each in client.list_objects(self.bucket, recursive=True):
            assert each.object_name is not None
            client.fget_object(self.bucket, each.object_name, str(to / each.object_name))
        return to

    def in_files(self) -> bytes:
        return b"".join(path.read_bytes() for path in segments(self.folder))

    def in_bucket(self, to: Path) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.downloaded(to).rglob("*.jsonl")))


@pytest.fixture
def site(tmp_path: Path, server: S3Server, locked_bucket: str) -> Site:
    return Site(tmp_path / "journal", server, locked_bucket)


def fill(trail: Trail, first: int, count: int) -> None:
    for number in range(first, first + count):
        trail.record(decision(number))


async def sink_state(trail: Trail, wanted: Callable[[SinkState], bool]) -> SinkState:
    return (await until(trail, lambda state: wanted(state.sinks[0]))).sinks[0]


def test_the_bucket_holds_the_journal_byte_by_byte_and_verifies(site: Site, tmp_path: Path) -> None:
    async def work(trail: Trail) -> None:
        for start in range(1, 60, 10):
            fill(trail, start, 10)
            assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(site.run(work))
    confirmed = site.in_bucket(tmp_path / "copy")
    report = verify(material_of([tmp_path / "copy"]))

    assert report.intact, report.findings
    assert report.records == 60 + len(segments(site.folder)) + len(segments(site.folder)) - 1
    assert site.in_files().startswith(confirmed)


def test_pieces_are_locked_in_compliance_mode(site: Site) -> None:
    async def work(trail: Trail) -> None:
        fill(trail, 1, 5)
        assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(site.run(work))
    client = site.server.client
    for each in client.list_objects(site.bucket, recursive=True):
        assert each.object_name is not None
        retention = client.get_object_retention(site.bucket, each.object_name)
        assert retention is not None
        assert retention.mode == "COMPLIANCE"
        assert 29 * 86_400 < retention.retain_until_date.timestamp() - time.time() <= 30 * 86_400


def test_a_restart_goes_on_where_the_bucket_ends(site: Site, tmp_path: Path) -> None:
    for start in (1, 11, 21):

        async def work(trail: Trail, start: int = start) -> None:
            fill(trail, start, 10)
            assert await trail.flush(LIMIT_S), trail.state()

        asyncio.run(site.run(work))
    names = [each.object_name for each in site.server.client.list_objects(site.bucket, recursive=True)]
    report = verify(material_of([site.downloaded(tmp_path / "copy")]))

    assert report.intact, report.findings  # neither a gap nor a record twice
    assert len(names) == len(set(names)) >= 3


def test_what_was_written_while_the_bucket_was_away_is_caught_up(
    tmp_path: Path, own_server: Callable[[], S3Server]
) -> None:
    server = own_server()
    server.start()
    server.client.make_bucket("audit", object_lock=True)
    site = Site(tmp_path / "journal", server, "audit")

    async def work(trail: Trail) -> None:
        fill(trail, 1, 5)
        assert await trail.flush(LIMIT_S), trail.state()
        await asyncio.to_thread(server.stop)
        began = time.monotonic()
        fill(trail, 6, 200)
        assert time.monotonic() - began < 5.0
        state = await sink_state(trail, lambda sink: bool(sink.fault) and sink.pending >= 200)
        assert "no answer" in state.fault
        assert state.lag_seconds > 0
        assert trail.state().queued == 0  # the journal goes on
        assert not trail.state().fault
        assert not await trail.flush(0.2)
        await asyncio.to_thread(server.start)
        await sink_state(trail, lambda sink: not sink.fault and not sink.pending)

    asyncio.run(site.run(work))
    report = verify(material_of([site.downloaded(tmp_path / "copy")]))

    assert report.intact, report.findings
    assert report.records >= 205


def test_records_of_a_time_without_the_sink_are_sent_too(site: Site, tmp_path: Path) -> None:
    journal = Journal(site.folder, segment_bytes=4_000)

    async def before() -> None:
        async with running(Trail(journal)) as trail:
            fill(trail, 1, 40)
            assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(before())

    async def work(trail: Trail) -> None:
        await sink_state(trail, lambda sink: not sink.pending and not sink.fault)
        fill(trail, 41, 1)
        assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(site.run(work))

    assert site.in_files().startswith(site.in_bucket(tmp_path / "copy"))
    assert len(site.in_bucket(tmp_path / "copy").splitlines()) >= 41


def test_the_bucket_proves_that_the_journal_and_its_head_were_cut_back(site: Site, tmp_path: Path) -> None:
    """An older state of the whole folder is a journal in itself; the bucket knows better."""
    old = tmp_path / "old"

    async def first(trail: Trail) -> None:
        fill(trail, 1, 5)
        assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(site.run(first))
    old.mkdir()
    for path in site.folder.iterdir():
        (old / path.name).write_bytes(path.read_bytes())

    async def more(trail: Trail) -> None:
        fill(trail, 6, 5)
        assert await trail.flush(LIMIT_S), trail.state()

    asyncio.run(site.run(more))
    site.folder = old

    async def after(trail: Trail) -> None:
        state = await sink_state(trail, lambda sink: bool(sink.fault))
        assert "it was cut off, or an older copy of it was restored" in state.fault

    assert verify(material_of([old])).intact
    asyncio.run(site.run(after))
    known = verify(material_of([site.downloaded(tmp_path / "copy")])).head
    assert known is not None
    place = read_place(old)
    assert place is not None
    assert place.head.seq < known.seq
    report = verify(material_of([old], [KnownHead(seq=known.seq, hash=known.hash, source="bucket")]))
    assert {each.problem for each in report.findings} == {"Truncated"}


def test_credentials_that_are_refused_are_told_and_not_shown(server: S3Server, locked_bucket: str) -> None:
    bucket = S3Bucket(
        locked_bucket, endpoint=server.endpoint, credentials=StaticProvider("placewright", "hunter2hunter2")
    )

    with pytest.raises(BucketError, match="SignatureDoesNotMatch") as raised:
        bucket.check()
    assert "hunter2" not in str(raised.value)
