"""Whenever a writer dies, the next one goes on, and everything that was told to be written is there."""

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from placewright.telemetry.audit.journal import Journal, RealDisk
from placewright.telemetry.audit.reader import Choice, records_of
from placewright.telemetry.audit.record import body_of
from placewright.telemetry.audit.segments import replace_file, write_all
from tests.support.audit_journals import SCRATCH, at, decision, look

SEGMENT_BYTES = 2_000


class DiedError(BaseException):
    """The process is gone: nothing of it runs any more."""


class DyingDisk(RealDisk):
    """A disk whose process dies after so many bytes; a step without bytes counts as one."""

    def __init__(self, after_bytes: int) -> None:
        self.left = after_bytes

    def append(self, descriptor: int, data: bytes) -> None:
        write_all(descriptor, data[: self.left])
        self._spend(len(data))
        os.fsync(descriptor)
        self._spend(1)

    def replace(self, path: Path, data: bytes) -> None:
        if self.left < len(data):
            path.with_name(path.name + ".new").write_bytes(data[: self.left])
        self._spend(len(data))
        replace_file(path, data)
        self._spend(1)

    def _spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise DiedError


def plan_ids(folder: Path) -> list[str]:
    return [record["planId"] for record in records_of(folder, Choice(kinds=frozenset({"Decision"})))]


def write_until_it_dies(folder: Path, batches: list[int], first: int, after_bytes: int) -> list[str]:
    """Returns what was told to be written."""
    journal = Journal(folder, clock=lambda: at(0), segment_bytes=SEGMENT_BYTES, disk=DyingDisk(after_bytes))
    told: list[str] = []
    try:
        journal.open()
        assert not journal.damage
        for count in batches:
            entries = [decision(first + len(told) + index) for index in range(count)]
            journal.append([(body_of(entry), at(0)) for entry in entries])
            told += [entry.plan_id for entry in entries]
        journal.close()
    except DiedError:
        journal._drop()  # as the kernel does for a process that is gone
    return told


@given(
    lives=st.lists(
        st.tuples(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 12_000)), min_size=1, max_size=4
    )
)
def test_no_told_record_is_lost_whenever_the_writer_dies(lives: list[tuple[list[int], int]]) -> None:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as made:
        folder = Path(made) / "journal"
        told: list[str] = []
        for number, (batches, after_bytes) in enumerate(lives):
            told += write_until_it_dies(folder, batches, 1000 * (number + 1), after_bytes)

        last = Journal(folder, clock=lambda: at(0), segment_bytes=SEGMENT_BYTES)
        last.open()
        assert not last.damage
        last.append([(body_of(decision(9)), at(0))])
        last.close()
        found = plan_ids(folder)

        assert [each for each in found if each in set(told)] == told  # all, once, in order
        assert found[-1] == "p-9"
        assert len(found) == len(set(found))
        report = look(folder)
        assert report.intact, report.findings
        assert not report.notes


@given(batches=st.lists(st.integers(1, 4), min_size=1, max_size=6), after_bytes=st.integers(0, 8_000))
def test_what_a_crash_leaves_is_no_fault(batches: list[int], after_bytes: int) -> None:
    """Verifying between the crash and the next start finds nothing wrong either."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as made:
        folder = Path(made) / "journal"
        told = write_until_it_dies(folder, batches, 1, after_bytes)
        if not (folder / "head.json").exists():
            assert not told
            return

        report = look(folder)

        assert report.intact, report.findings
        if told:  # otherwise there may be no whole record at all, which is no journal to read plans from
            assert set(told) <= set(plan_ids(folder))
