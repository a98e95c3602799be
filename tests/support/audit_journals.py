"""Journals of several files, held as bytes, so that tests can break copies of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from placewright.telemetry.audit.entry import Entry, EntryKind
from placewright.telemetry.audit.findings import Report
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.record import body_of
from placewright.telemetry.audit.segments import segments
from placewright.telemetry.audit.verify import material_of, verify

# In memory where there is room: a journal syncs each batch, and tests make thousands.
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
MORNING = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


def at(second: int) -> datetime:
    return MORNING + timedelta(seconds=second)


def decision(number: int, *, uid: str = "u-1", padding: int = 20) -> Entry:
    plan = {"id": f"p-{number:x}", "costPerHour": 1.5 * number, "note": "x" * padding}
    return Entry(
        kind=EntryKind.DECISION,
        namespace="serving",
        name="chat",
        uid=uid,
        plan_id=f"p-{number:x}",
        inputs_hash=f"i-{number}",
        old_cost_per_hour=1.5 * (number - 1),
        new_cost_per_hour=1.5 * number,
        reason="Cheaper",
        message=f"plan {number}",
        details={"plan": plan},
    )


def write_journal(folder: Path, batches: Iterable[int], *, segment_bytes: int = 2_500) -> Path:
    """A journal with one batch of records for each number."""
    journal = Journal(folder, clock=lambda: at(0), segment_bytes=segment_bytes)
    journal.open()
    written = 0
    for count in batches:
        journal.append([(body_of(decision(written + index)), at(written + index)) for index in range(1, count + 1)])
        written += count
    journal.close()
    return folder


@dataclass(frozen=True, slots=True)
class Spot:
    """A line: its file and index within the file."""

    file: str
    index: int


@dataclass(slots=True)
class Copy:
    """The files of a journal as lists of lines, each with its end."""

    files: dict[str, list[bytes]]
    head: bytes

    @classmethod
    def of(cls, folder: Path) -> "Copy":
        files = {path.name: path.read_bytes().splitlines(keepends=True) for path in segments(folder)}
        return cls(files=files, head=(folder / "head.json").read_bytes())

    def copied(self) -> "Copy":
        return Copy(files={name: list(lines) for name, lines in self.files.items()}, head=self.head)

    @property
    def spots(self) -> list[Spot]:
        """All lines in order; the record at position i has the number i + 1."""
        return [Spot(name, index) for name, lines in sorted(self.files.items()) for index in range(len(lines))]

    def line(self, spot: Spot) -> bytes:
        return self.files[spot.file][spot.index]

    @property
    def size(self) -> int:
        return sum(len(line) for lines in self.files.values() for line in lines)

    def record_at(self, byte: int) -> int:
        """The number of the record that the byte of all files together is in."""
        for number, spot in enumerate(self.spots, start=1):
            byte -= len(self.line(spot))
            if byte < 0:
                return number
        raise IndexError(byte)

    def data(self) -> dict[str, bytes]:
        return {name: b"".join(lines) for name, lines in self.files.items()}


def put(folder: Path, files: Mapping[str, bytes], head: bytes | None) -> Path:
    """Write files of a journal into an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    if head is not None:
        (folder / "head.json").write_bytes(head)
    return folder


def cut(files: Mapping[str, bytes], byte: int) -> dict[str, bytes]:
    """The files as far as this byte of all of them together; what is empty then is gone."""
    kept = {}
    for name, data in sorted(files.items()):
        if byte > 0:
            kept[name] = data[:byte]
        byte -= len(data)
    return kept


def look(folder: Path) -> Report:
    return verify(material_of([folder]))


def named(report: Report) -> set[int]:
    """Numbers of all records that the findings name."""
    return {seq for each in report.findings if each.seq for seq in range(each.seq, each.last_seq + 1)}
