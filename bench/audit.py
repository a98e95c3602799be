"""How many audit records a second reach the disk, and how many are proved.

Run as `python -m bench.audit [FOLDER]`: the folder decides which disk is measured.
"""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from placewright.telemetry.audit import Entry, EntryKind, Trail
from placewright.telemetry.audit.journal import Journal, RealDisk
from placewright.telemetry.audit.verify import material_of, verify

RECORDS = 50_000
GOAL_PER_SECOND = 5_000


class CountingDisk(RealDisk):
    """The file system, counting the fsyncs of batches."""

    def __init__(self) -> None:
        self.batches = 0

    def append(self, descriptor: int, data: bytes) -> None:
        self.batches += 1
        super().append(descriptor, data)


def entry(number: int, *, with_plan: bool) -> Entry:
    layouts = [{"replicas": 2, "precision": "fp8", "stages": [{"pool": "l40s", "gpus": 4}], "engineArgs": ["--tp=4"]}]
    plan = {"id": f"p-{number:x}", "costPerHour": 19.2, "gpusByPool": {"l40s": 16}, "layouts": layouts * 8}
    return Entry(
        kind=EntryKind.DECISION,
        namespace="serving",
        name=f"chat-{number % 1000}",
        uid=f"uid-{number % 1000}",
        plan_id=f"p-{number:x}",
        inputs_hash="0123456789abcdef",
        old_cost_per_hour=24.0,
        new_cost_per_hour=19.2,
        reason="PlanCurrent",
        message="2 x fp8 TP4 PP2 on l40s, 16 GPUs, $19.2/h",
        details={"plan": plan} if with_plan else {"generation": 3},
    )


async def write(folder: Path, *, with_plan: bool) -> tuple[float, int]:
    disk = CountingDisk()
    trail = Trail(Journal(folder, disk=disk), max_queued=RECORDS)
    entries = [entry(number, with_plan=with_plan) for number in range(RECORDS)]
    running = asyncio.create_task(trail.run())
    began = time.perf_counter()
    for each in entries:
        trail.record(each)
    assert await trail.flush(300), trail.state()
    seconds = time.perf_counter() - began
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return seconds, disk.batches


def fsync_ms(folder: Path) -> float:
    """What one fsync of a small write costs here, so that the other figures can be read."""
    path = folder / "probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    began = time.perf_counter()
    for _ in range(50):
        os.write(descriptor, b"x" * 4096)
        os.fsync(descriptor)
    os.close(descriptor)
    path.unlink()
    return (time.perf_counter() - began) / 50 * 1000


def run(base: Path | None = None) -> None:
    """Prints both figures for records without and with a plan in them; `base`: on the disk of this folder."""
    with tempfile.TemporaryDirectory(dir=base) as made:
        print(f"\nAudit journal, one fsync: {fsync_ms(Path(made)):.2f} ms")
        for with_plan in (False, True):
            folder = Path(made) / f"plan-{with_plan}"
            seconds, batches = asyncio.run(write(folder, with_plan=with_plan))
            size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
            began = time.perf_counter()
            report = verify(material_of([folder]))
            checked = time.perf_counter() - began
            assert report.intact, report.findings
            rate = RECORDS / seconds
            print(
                f"{size / RECORDS:5.0f} bytes a record: written {rate:8,.0f}/s in {batches} batches, each fsynced with"
                f" its head; goal {GOAL_PER_SECOND:,}/s {'met' if rate >= GOAL_PER_SECOND else 'MISSED'};"
                f" proved {report.records / checked:8,.0f}/s"
            )


if __name__ == "__main__":
    run(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
