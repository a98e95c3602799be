"""The trail as the operator uses it: it never blocks, never raises, loses nothing without saying so, and recovers."""

import asyncio
import errno
import os
import threading
import time
from pathlib import Path

import pytest

from placewright.telemetry.audit import OFF, Entry, EntryKind, Trail, TrailState
from placewright.telemetry.audit.journal import Journal, RealDisk
from placewright.telemetry.audit.reader import Choice, records_of
from placewright.telemetry.audit.record import body_of
from placewright.telemetry.audit.segments import name_of, segments
from tests.support.audit_journals import at, decision, look, write_journal
from tests.support.audit_trails import LIMIT_S, kinds, running, until

QUICK = (0.01, 0.05)


class Switch(RealDisk):
    """A disk that is full while `full` is set."""

    def __init__(self) -> None:
        self.full = False

    def append(self, descriptor: int, data: bytes) -> None:
        if self.full:
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().append(descriptor, data)


def test_what_is_recorded_is_written_with_its_own_time(tmp_path: Path) -> None:
    async def work() -> TrailState:
        now = [1_795_255_200.25]
        trail = Trail(Journal(tmp_path), clock=lambda: now[0])
        trail.record(decision(1))
        now[0] += 60
        async with running(trail):
            trail.record(decision(2))
            assert await trail.flush(LIMIT_S)
            return trail.state()

    state = asyncio.run(work())
    first, second = records_of(tmp_path, Choice(kinds=frozenset({"Decision"})))

    assert first["time"] == "2026-11-21T10:00:00.250000Z"
    assert second["time"] == "2026-11-21T10:01:00.250000Z"
    assert (state.queued, state.lost, state.fault, state.damage) == (0, 0, "", "")
    assert state.written == {"Decision": 2}
    assert state.head is not None
    assert state.head.seq == 3
    assert not state.faults
    assert look(tmp_path).intact


def test_a_full_disk_holds_nothing_up_and_is_told_until_there_is_room(tmp_path: Path) -> None:
    async def work() -> None:
        disk = Switch()
        trail = Trail(Journal(tmp_path, disk=disk), retry_seconds=QUICK)
        async with running(trail):
            trail.record(decision(1))
            assert await trail.flush(LIMIT_S)
            disk.full = True
            for number in range(2, 30):
                trail.record(decision(number))
            state = await until(trail, lambda state: bool(state.fault))
            assert "no space left" in state.fault
            assert state.queued == 28
            assert any("no space left" in line for line in state.faults)
            assert not await trail.flush(0.05)
            disk.full = False
            assert await trail.flush(LIMIT_S)
            await until(trail, lambda state: not state.fault)

    asyncio.run(work())
    found = [record["planId"] for record in records_of(tmp_path, Choice(kinds=frozenset({"Decision"})))]

    assert found == [f"p-{number:x}" for number in range(1, 30)]
    assert look(tmp_path).intact


def test_what_the_queue_has_no_room_for_is_counted_and_the_chain_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        disk = Switch()
        disk.full = True
        trail = Trail(Journal(tmp_path, disk=disk), max_queued=10, retry_seconds=QUICK)
        async with running(trail):
            for number in range(1, 16):
                trail.record(decision(number))
            state = trail.state()
            assert (state.queued, state.lost) == (10, 5)
            disk.full = False
            assert await trail.flush(LIMIT_S)
            assert trail.state().lost == 5
            trail.record(decision(99))
            assert await trail.flush(LIMIT_S)

    asyncio.run(work())
    gap = next(records_of(tmp_path, Choice(kinds=frozenset({"Gap"}))))

    assert kinds(tmp_path) == ["Genesis", *["Decision"] * 10, "Gap", "Decision", "Checkpoint"]
    assert gap["details"]["count"] == 5
    assert gap["details"]["first"] <= gap["details"]["last"]
    assert "5 entries were not kept" in gap["message"]
    assert look(tmp_path).intact


def test_another_writer_is_told_and_waited_for(tmp_path: Path) -> None:
    async def work() -> None:
        other = Journal(tmp_path)
        other.open()
        trail = Trail(Journal(tmp_path), retry_seconds=QUICK)
        async with running(trail):
            trail.record(decision(1))
            state = await until(trail, lambda state: bool(state.fault))
            assert "another process" in state.fault
            other.close()
            assert await trail.flush(LIMIT_S)

    asyncio.run(work())

    assert "Decision" in kinds(tmp_path)
    assert look(tmp_path).intact


def test_what_is_queued_at_the_end_is_written(tmp_path: Path) -> None:
    async def work() -> None:
        trail = Trail(Journal(tmp_path))
        async with running(trail):
            await asyncio.sleep(0)  # it has begun, and has opened nothing yet
            for number in range(1, 2500):
                trail.record(decision(number))

    asyncio.run(work())

    assert kinds(tmp_path).count("Decision") == 2499
    assert kinds(tmp_path)[-1] == "Checkpoint"


def test_records_may_come_from_other_threads(tmp_path: Path) -> None:
    async def work() -> None:
        trail = Trail(Journal(tmp_path))
        async with running(trail):
            threads = [
                threading.Thread(target=lambda: [trail.record(decision(number)) for number in range(200)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            assert await trail.flush(LIMIT_S)

    asyncio.run(work())

    assert kinds(tmp_path).count("Decision") == 800
    assert look(tmp_path).intact


def test_damage_is_told_as_long_as_the_operator_runs(tmp_path: Path) -> None:
    write_journal(tmp_path, [3])
    (tmp_path / "head.json").unlink()

    async def work() -> TrailState:
        trail = Trail(Journal(tmp_path))
        async with running(trail):
            trail.record(decision(1))
            assert await trail.flush(LIMIT_S)
            return trail.state()

    state = asyncio.run(work())

    assert "head.json is missing" in state.damage
    assert not state.fault
    assert state.faults


def test_plans_of_the_past_are_found_across_restarts_and_files(tmp_path: Path) -> None:
    write_journal(tmp_path, [4, 4, 4], segment_bytes=1_500)
    assert len(segments(tmp_path)) > 2

    async def work() -> None:
        trail = Trail(Journal(tmp_path))
        assert not trail.indexed
        async with running(trail):
            assert await trail.flush(LIMIT_S)
            await until(trail, lambda _: trail.indexed)
            assert trail.last_plan("u-1") == "p-c"
            assert trail.last_plan("u-2") == ""
            plan = trail.find_plan("serving", "chat", "p-2")
            assert plan is not None
            assert plan["costPerHour"] == 3.0
            assert trail.find_plan("serving", "other", "p-2") is None
            assert trail.find_plan("other", "chat", "p-2") is None
            assert trail.find_plan("serving", "chat", "p-77") is None
            trail.record(decision(0x77))
            trail.record(Entry(kind=EntryKind.DECISION, namespace="serving", name="chat", uid="u-1", plan_id="p-77"))
            trail.record(Entry(kind=EntryKind.GATE_RESULT, namespace="serving", name="chat", uid="u-1", plan_id="p-0"))
            assert await trail.flush(LIMIT_S)
            assert trail.last_plan("u-1") == "p-77"
            found = trail.find_plan("serving", "chat", "p-77")
            assert found is not None
            assert found["id"] == "p-77"

    asyncio.run(work())


def test_a_journal_that_is_being_written_is_intact_at_any_moment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=20_000)
    journal.open()
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            journal.append([(body_of(decision(number)), at(number))])

    writer = threading.Thread(target=write)
    writer.start()
    wrong: list[object] = []
    deadline = time.monotonic() + LIMIT_S
    while len(segments(tmp_path)) < 4 and time.monotonic() < deadline:
        wrong += look(tmp_path).findings
    done.set()
    writer.join()
    journal.close()

    assert not wrong
    assert len(segments(tmp_path)) >= 4
    assert look(tmp_path).intact


@pytest.mark.parametrize("at_once", [True, False])
def test_no_plan_is_restored_from_a_record_that_was_changed(tmp_path: Path, at_once: bool) -> None:  # noqa: FBT001
    write_journal(tmp_path, [4], segment_bytes=100_000)

    async def work() -> None:
        path = tmp_path / name_of(1)
        whole = path.read_bytes()
        forged = whole.replace(b'"costPerHour":3.0', b'"costPerHour":0.1')
        assert forged != whole
        if at_once:
            path.write_bytes(forged)
        trail = Trail(Journal(tmp_path))
        async with running(trail):
            await until(trail, lambda _: trail.indexed)
            path.write_bytes(forged)
            assert trail.find_plan("serving", "chat", "p-2") is None
            assert trail.find_plan("serving", "chat", "p-3") is not None

    asyncio.run(work())


def test_off_keeps_nothing() -> None:
    async def work() -> None:
        OFF.record(decision(1))
        assert await OFF.flush(0.0)
        assert OFF.indexed
        assert OFF.find_plan("serving", "chat", "p-1") is None
        assert OFF.last_plan("u-1") == ""
        assert OFF.state() == TrailState(enabled=False)
        task = asyncio.create_task(OFF.run())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
