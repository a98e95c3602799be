"""The writer: rotation, two writers, full disk, files changed under it, and what a start makes of damage."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from placewright.telemetry.audit.findings import Problem
from placewright.telemetry.audit.journal import Journal, JournalBusyError, JournalError, RealDisk, Stamped
from placewright.telemetry.audit.reader import Choice, records_of
from placewright.telemetry.audit.record import body_of
from placewright.telemetry.audit.segments import name_of, read_place, segments
from placewright.telemetry.audit.verify import material_of, verify
from tests.support.audit_journals import at, decision, look, named, write_journal

ROOT = Path(__file__).parents[4]


def batch(*numbers: int) -> list[Stamped]:
    return [(body_of(decision(number)), at(number)) for number in numbers]


def opened(folder: Path, *, segment_bytes: int = 3_000, disk: RealDisk | None = None) -> Journal:
    journal = Journal(folder, clock=lambda: at(0), segment_bytes=segment_bytes, disk=disk)
    journal.open()
    return journal


def plan_ids(folder: Path) -> list[str]:
    return [record["planId"] for record in records_of(folder, Choice(kinds=frozenset({"Decision"})))]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_journal_begins_with_a_genesis_and_files_follow_each_other(tmp_path: Path) -> None:
    folder = write_journal(tmp_path / "a" / "journal", [4, 4, 4])
    files = segments(folder)
    first, second = lines(files[0]), lines(files[1])

    assert [path.name for path in files][:2] == ["audit-000001.jsonl", "audit-000002.jsonl"]
    assert (first[0]["kind"], first[0]["seq"]) == ("Genesis", 1)
    assert first[-1]["kind"] == "Checkpoint"
    assert first[-1]["details"] == {"records": first[-2]["seq"], "head": first[-2]["hash"]}
    assert second[0]["kind"] == "Segment"
    assert second[0]["prev"] == first[-1]["hash"]
    assert second[0]["details"] == {
        "segment": 2,
        "previous": "audit-000001.jsonl",
        "previousSha256": hashlib.sha256(files[0].read_bytes()).hexdigest(),
    }
    assert look(folder).intact


def test_the_head_file_says_where_the_journal_ends(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    last = journal.append(batch(1, 2))[-1]
    place = read_place(tmp_path)

    assert place is not None
    assert place == journal.place
    assert (place.head.seq, place.head.hash) == (3, last.hash)
    assert place.size == (tmp_path / name_of(1)).stat().st_size
    journal.close()


def test_a_restart_without_anything_new_writes_nothing(tmp_path: Path) -> None:
    write_journal(tmp_path, [3])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "audit.lock"}

    opened(tmp_path).close()

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "audit.lock"} == before


def test_a_second_writer_gets_one_clear_error_and_takes_over_when_the_first_ends(tmp_path: Path) -> None:
    first = opened(tmp_path)
    second = Journal(tmp_path)

    with pytest.raises(JournalBusyError, match=rf"another process \(pid {os.getpid()}\) writes this audit journal"):
        second.open()
    first.append(batch(1))
    first.close()
    second.open()
    second.append(batch(2))
    second.close()

    assert plan_ids(tmp_path) == ["p-1", "p-2"]
    assert look(tmp_path).intact


def test_two_writing_processes_never_mix(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.audit_writer", str(tmp_path)]
    both = [
        subprocess.Popen([*command, str(first), "60"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for first in (0x100, 0x200)
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in both]

    told = [line for each in said for line in each if line.startswith("p-")]
    assert any("another process" in line for each in said for line in each) or len(told) == 120
    assert sorted(plan_ids(tmp_path)) == sorted(told)
    assert look(tmp_path).intact


def test_a_writer_that_is_killed_again_and_again_loses_nothing_that_it_told(tmp_path: Path) -> None:
    told: list[str] = []
    for life in range(12):
        command = [sys.executable, "-m", "tests.support.audit_writer", str(tmp_path), str(1000 * (life + 1)), "900"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                told.append(line.strip())
                if number == 3 + 17 * life:
                    process.send_signal(signal.SIGKILL)
            process.wait()

    opened(tmp_path).close()
    found = plan_ids(tmp_path)

    assert not [line for line in told if line.startswith("error")]
    assert len(told) >= 12
    assert set(told) <= set(found)
    assert len(found) == len(set(found))
    assert look(tmp_path).intact


def test_a_torn_line_is_put_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    write_journal(tmp_path, [2], segment_bytes=100_000)
    path = tmp_path / name_of(1)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"actor":"half a rec')

    assert look(tmp_path).intact
    assert "a write was cut off here" in look(tmp_path).notes[0]
    journal = opened(tmp_path)
    journal.append(batch(5))
    journal.close()

    assert not journal.damage
    assert (tmp_path / f"{name_of(1)}.{size}.torn").read_bytes() == b'{"actor":"half a rec'
    assert plan_ids(tmp_path) == ["p-1", "p-2", "p-5"]
    assert look(tmp_path).intact
    assert not look(tmp_path).notes


class FullDisk(RealDisk):
    """Takes so many bytes of records and says then that it is full, after a part of the write; until `room` grows."""

    def __init__(self, room: int, code: int = errno.ENOSPC) -> None:
        self.room = room
        self.code = code

    def append(self, descriptor: int, data: bytes) -> None:
        if len(data) > self.room:
            os.write(descriptor, data[: self.room])
            raise OSError(self.code, os.strerror(self.code))
        self.room -= len(data)
        super().append(descriptor, data)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_what_was_half_written_is_taken_back(tmp_path: Path, code: int) -> None:
    disk = FullDisk(900, code)
    journal = opened(tmp_path, disk=disk)
    journal.append(batch(1))
    before = (tmp_path / name_of(1)).read_bytes()

    with pytest.raises(JournalError, match="no space left on the disk of the audit journal"):
        journal.append(batch(2, 3, 4))
    assert (tmp_path / name_of(1)).read_bytes() == before
    assert not journal.is_open
    assert look(tmp_path).intact

    disk.room = 100_000
    journal.open()
    journal.append(batch(2, 3, 4))
    journal.close()
    assert not journal.damage
    assert plan_ids(tmp_path) == ["p-1", "p-2", "p-3", "p-4"]
    assert look(tmp_path).intact


class NoHeads(RealDisk):
    """A disk with room for records and none for the head file beside them."""

    def __init__(self) -> None:
        self.full = False

    def replace(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().replace(path, data)


def test_records_do_not_count_while_their_head_cannot_be_written(tmp_path: Path) -> None:
    disk = NoHeads()
    journal = opened(tmp_path, disk=disk)
    journal.append(batch(1))
    disk.full = True
    with pytest.raises(JournalError, match="no space left"):
        journal.append(batch(2))
    disk.full = False
    journal.open()
    journal.append(batch(2))
    journal.close()

    assert plan_ids(tmp_path) == ["p-1", "p-2"]
    assert look(tmp_path).intact


def test_a_file_size_limit_of_the_system_is_survived(tmp_path: Path) -> None:
    """A real refusal by the kernel, in the middle of a write."""
    command = [sys.executable, "-m", "tests.support.audit_writer", str(tmp_path), "1", "100", "5000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    *told, last = done.stdout.splitlines()

    assert done.returncode == 3
    assert "file too large" in last
    assert plan_ids(tmp_path) == told
    assert look(tmp_path).intact
    journal = opened(tmp_path)
    journal.append(batch(0x999))
    journal.close()
    assert plan_ids(tmp_path) == [*told, "p-999"]
    assert look(tmp_path).intact


@pytest.mark.parametrize("kind", ["removed", "replaced", "cut", "grown"])
def test_a_file_that_others_change_while_it_is_written_is_noticed(tmp_path: Path, kind: str) -> None:
    journal = opened(tmp_path)
    journal.append(batch(1, 2))
    path = tmp_path / name_of(1)
    data = path.read_bytes()
    match kind:
        case "removed":
            path.unlink()
        case "replaced":
            path.rename(tmp_path / "old")
            path.write_bytes(data)
        case "cut":
            os.truncate(path, len(data) - 10)
        case "grown":
            path.write_bytes(data + b"more\n")

    with pytest.raises(JournalError):
        journal.append(batch(3))
    journal.open()
    journal.append(batch(3))
    journal.close()

    assert plan_ids(tmp_path)[-1] == "p-3"
    assert bool(journal.damage) == (kind in {"removed", "cut"})
    assert look(tmp_path).intact == (kind in {"replaced", "grown"})


def _changed(folder: Path) -> None:
    path = folder / name_of(1)
    path.write_bytes(path.read_bytes().replace(b'"p-2"', b'"p-9"'))


def _cut(folder: Path) -> None:
    path = folder / name_of(1)
    os.truncate(path, path.stat().st_size - 200)


def _without_head(folder: Path) -> None:
    (folder / "head.json").unlink()


def _forged_head(folder: Path) -> None:
    path = folder / "head.json"
    path.write_bytes(path.read_bytes().replace(b'"seq":', b'"seq": '))


def _without_files(folder: Path) -> None:
    (folder / name_of(1)).unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_changed, "was changed or cut off"),
        (_cut, "was changed or cut off"),
        (_without_head, "head.json is missing or was changed"),
        (_forged_head, "head.json is missing or was changed"),
        (_without_files, "all journal files are missing"),
    ],
)
def test_damage_is_left_as_it_is_and_stays_provable_while_a_new_chain_goes_on(
    tmp_path: Path, damage: object, told: str
) -> None:
    write_journal(tmp_path, [3], segment_bytes=100_000)
    assert callable(damage)
    damage(tmp_path)
    left = {path.name: path.read_bytes() for path in segments(tmp_path)}

    journal = opened(tmp_path)
    journal.append(batch(7))
    journal.close()

    assert told in journal.damage
    assert {name: (tmp_path / name).read_bytes() for name in left} == left
    assert plan_ids(tmp_path)[-1] == "p-7"
    report = look(tmp_path)
    assert Problem.CHAIN_BROKEN in {each.problem for each in report.findings}
    assert told in " ".join(each.text for each in report.findings)
    again = opened(tmp_path)  # the next start finds the new chain in order
    assert not again.damage
    again.close()


def test_records_cut_off_before_a_new_chain_are_still_named(tmp_path: Path) -> None:
    write_journal(tmp_path, [3], segment_bytes=100_000)
    path = tmp_path / name_of(1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    opened(tmp_path).close()

    truncated = [each for each in look(tmp_path).findings if each.problem is Problem.TRUNCATED]

    assert [(each.seq, each.last_seq) for each in truncated] == [(4, 5)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(JournalError, match=r"file/journal: not a directory"):
        Journal(tmp_path / "file" / "journal").open()


def test_parts_of_a_journal_are_proved_as_far_as_can_be(tmp_path: Path) -> None:
    folder = write_journal(tmp_path, [4, 4, 4])
    report = verify(material_of([segments(folder)[1]]))

    assert report.intact
    assert any(note.startswith("begins with record") for note in report.notes)
    assert any("missing at the end is not known" in note for note in report.notes)
    assert not named(report)
