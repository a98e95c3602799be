"""The trail on standard output: the lines of the journal, whoever reads them and however slowly."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from placewright.telemetry.audit import Trail
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.record import hash_of
from placewright.telemetry.audit.segments import name_of
from placewright.telemetry.audit.sinks import StreamSink
from tests.support.audit_journals import decision, look
from tests.support.audit_trails import LIMIT_S, kinds, running, until


def test_standard_output_gets_the_lines_of_the_journal(tmp_path: Path) -> None:
    target = tmp_path / "stdout"

    async def work() -> None:
        with target.open("wb") as stream:
            trail = Trail(Journal(tmp_path / "journal"), [StreamSink(stream)])
            async with running(trail):
                for number in range(1, 20):
                    trail.record(decision(number))
                assert await trail.flush(LIMIT_S)
                assert trail.state().sinks[0].pending == 0

    asyncio.run(work())
    journal = (tmp_path / "journal" / name_of(1)).read_bytes().splitlines()

    assert target.read_bytes().splitlines() == journal[1:-1]  # Genesis and Checkpoint are the journal's own


def test_a_reader_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    drain = threading.Thread(target=_drain, args=(reading,), daemon=True)

    async def work(stream: BinaryIO) -> None:
        trail = Trail(Journal(tmp_path), [StreamSink(stream, max_waiting=50)])
        async with running(trail):
            try:
                for number in range(300):
                    trail.record(decision(number, padding=4_000))  # so that 50 lines are more than a pipe holds
                state = await until(trail, lambda state: state.queued == 0 and state.sinks[0].pending == 50)
                assert state.sinks[0].lost > 0
                assert state.sinks[0].lag_seconds > 0
                assert not state.fault
                assert not await trail.flush(0.05)
            finally:
                drain.start()
            assert await trail.flush(LIMIT_S)

    with os.fdopen(writing, "wb") as stream:
        asyncio.run(work(stream))
    drain.join(LIMIT_S)

    assert kinds(tmp_path).count("Decision") == 300
    assert look(tmp_path).intact


def _drain(descriptor: int) -> None:
    while os.read(descriptor, 65536):
        pass
    os.close(descriptor)


def test_without_a_folder_the_lines_are_a_chain_all_the_same(tmp_path: Path) -> None:
    target = tmp_path / "stdout"

    async def work() -> None:
        with target.open("wb") as stream:
            trail = Trail(None, [StreamSink(stream)])
            assert trail.indexed
            async with running(trail):
                trail.record(decision(1))
                trail.record(decision(2))
                assert await trail.flush(LIMIT_S)
                assert trail.find_plan("serving", "chat", "p-1") is None
                assert trail.last_plan("u-1") == ""

    asyncio.run(work())
    lines = target.read_bytes().splitlines()
    records = [json.loads(line) for line in lines]

    assert [record["seq"] for record in records] == [1, 2, 3]
    assert [record["prev"] for record in records[1:]] == [record["hash"] for record in records[:-1]]
    assert all(hash_of(line) for line in lines)


_ENDS = """
import asyncio, sys, pathlib
from contextlib import suppress
from placewright.telemetry.audit import Trail
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.sinks import StreamSink
from tests.support.audit_journals import decision

async def work():
    trail = Trail(Journal(pathlib.Path(sys.argv[1])), [StreamSink(sys.stdout.buffer)])
    task = asyncio.create_task(trail.run())
    for number in range(300):
        trail.record(decision(number, padding=4_000))
    assert not await trail.flush(0.5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

asyncio.run(work())
"""


def test_the_process_ends_although_nobody_reads_its_output(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", _ENDS, str(tmp_path / "journal")]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()  # one that hangs would hold the test up for ever
        assert process.stderr is not None
        assert not process.stderr.read()

    assert kinds(tmp_path / "journal").count("Decision") == 300
