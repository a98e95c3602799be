"""Audit trails at work: run them, wait for what they say, read what they wrote."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from placewright.telemetry.audit import Trail, TrailState
from placewright.telemetry.audit.reader import Choice, records_of

LIMIT_S = 60.0


@asynccontextmanager
async def running(trail: Trail) -> AsyncIterator[Trail]:
    task = asyncio.create_task(trail.run())
    try:
        yield trail
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(trail: Trail, wanted: Callable[[TrailState], bool]) -> TrailState:
    deadline = time.monotonic() + LIMIT_S
    while not wanted(trail.state()):
        assert time.monotonic() < deadline, trail.state()
        await asyncio.sleep(0.01)
    return trail.state()


def kinds(folder: Path) -> list[str]:
    return [record["kind"] for record in records_of(folder, Choice())]
