"""Whatever is done to a journal of several files is found, and the record that it was done to is named."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.telemetry.audit.findings import Problem, Report
from placewright.telemetry.audit.record import sealed
from tests.support.audit_journals import SCRATCH, Copy, Spot, cut, look, named, put, write_journal

JOURNAL = Copy(files={}, head=b"")
OTHER = Copy(files={}, head=b"")
FOLDER = Path()


@pytest.fixture(scope="module", autouse=True)
def _journals() -> Iterator[None]:
    """Two journals that no test changes, and a folder for broken copies, in memory where there is room."""
    global FOLDER  # noqa: PLW0603 - hypothesis takes no fixtures of a narrower scope than its examples
    base = Path(tempfile.mkdtemp(prefix="audit-", dir=SCRATCH))
    for copy, name in ((JOURNAL, "one"), (OTHER, "other")):
        made = Copy.of(write_journal(base / name, [1, 3, 2, 5, 1, 4, 6, 2, 3]))
        copy.files, copy.head = made.files, made.head
    FOLDER = base / "broken"
    yield
    shutil.rmtree(base)


def found(copy: Copy) -> Report:
    return look(put(FOLDER, copy.data(), copy.head))


def spots(data: st.DataObject, label: str, least: int = 0) -> tuple[int, Spot]:
    position = data.draw(st.integers(least, len(JOURNAL.spots) - 1), label=label)
    return position + 1, JOURNAL.spots[position]


def test_the_untouched_journal_is_intact() -> None:
    report = found(JOURNAL)

    assert report.intact
    assert report.files == len(JOURNAL.files) >= 4
    assert report.records == len(JOURNAL.spots) >= 30
    assert not report.notes


@given(data=st.data())
def test_truncation_at_any_byte(data: st.DataObject) -> None:
    byte = data.draw(st.integers(0, JOURNAL.size - 1))
    report = look(put(FOLDER, cut(JOURNAL.data(), byte), JOURNAL.head))

    assert named(report) == set(range(JOURNAL.record_at(byte), len(JOURNAL.spots) + 1))


@given(data=st.data())
def test_a_file_that_is_cut_at_any_byte(data: st.DataObject) -> None:
    copy = JOURNAL.copied().data()
    name = data.draw(st.sampled_from(sorted(copy)))
    byte = data.draw(st.integers(0, len(copy[name]) - 1))
    first = sum(len(lines) for other, lines in JOURNAL.files.items() if other < name) + 1
    lost = range(first + copy[name][:byte].count(b"\n"), first + len(JOURNAL.files[name]))
    copy[name] = copy[name][:byte]

    assert set(lost) <= named(look(put(FOLDER, copy, JOURNAL.head)))


@given(data=st.data())
def test_a_flip_of_any_byte(data: st.DataObject) -> None:
    number, spot = spots(data, "record")
    copy = JOURNAL.copied()
    line = bytearray(copy.line(spot))
    index = data.draw(st.integers(0, len(line) - 1), label="byte")
    line[index] ^= data.draw(st.integers(1, 255), label="bits")
    copy.files[spot.file][spot.index] = bytes(line)

    report = found(copy)

    assert number in named(report)
    assert named(report) <= {number, number + 1}  # without its end, a line takes the next one with it


@given(data=st.data())
def test_a_flip_in_the_head_file(data: st.DataObject) -> None:
    head = bytearray(JOURNAL.head)
    index = data.draw(st.integers(0, len(head) - 1))
    head[index] ^= data.draw(st.integers(1, 255))

    report = look(put(FOLDER, JOURNAL.data(), bytes(head)))

    assert report.findings
    assert any(
        "head.json" in f"{each.file} {each.text}" or each.problem is Problem.HEAD_CHANGED for each in report.findings
    )


@given(data=st.data())
def test_two_records_that_change_places(data: st.DataObject) -> None:
    first, one = spots(data, "one")
    second, other = spots(data, "other")
    if first == second:
        return
    copy = JOURNAL.copied()
    copy.files[one.file][one.index], copy.files[other.file][other.index] = JOURNAL.line(other), JOURNAL.line(one)

    report = found(copy)

    assert {first, second} & named(report)
    if abs(first - second) > 2:  # of nearer ones, as many others could have moved
        moved = {each.seq for each in report.findings if each.problem is Problem.REORDERED}
        assert {first, second} == moved


@given(data=st.data())
def test_records_that_are_taken_out(data: st.DataObject) -> None:
    first, _ = spots(data, "first")
    count = data.draw(st.integers(1, len(JOURNAL.spots) - first + 1), label="how many")
    gone = set(JOURNAL.spots[first - 1 : first - 1 + count])
    copy = JOURNAL.copied()
    copy.files = {
        name: [line for index, line in enumerate(lines) if Spot(name, index) not in gone]
        for name, lines in copy.files.items()
    }
    if data.draw(st.booleans(), label="with their files"):
        copy.files = {name: lines for name, lines in copy.files.items() if lines}

    report = found(copy)
    missing = {
        seq
        for each in report.findings
        if each.problem in {Problem.MISSING, Problem.TRUNCATED}
        for seq in range(each.seq, each.last_seq + 1)
        if seq
    }

    assert missing == set(range(first, first + count))


@given(data=st.data())
def test_a_record_that_stands_there_twice(data: st.DataObject) -> None:
    number, spot = spots(data, "record")
    _, target = spots(data, "where")
    copy = JOURNAL.copied()
    copy.files[target.file].insert(target.index + data.draw(st.integers(0, 1)), JOURNAL.line(spot))

    report = found(copy)

    assert (Problem.DUPLICATED, number) in {(each.problem, each.seq) for each in report.findings}


@given(data=st.data())
def test_a_record_that_is_moved(data: st.DataObject) -> None:
    number, spot = spots(data, "record")
    copy = JOURNAL.copied()
    line = copy.files[spot.file].pop(spot.index)
    name = data.draw(st.sampled_from(sorted(copy.files)), label="file")
    index = data.draw(st.integers(0, len(copy.files[name])), label="line")
    copy.files[name].insert(index, line)

    report = found(copy)

    same = copy.data() == JOURNAL.data()
    assert report.intact == same
    assert same or {number - 1, number, number + 1} & named(report)


@given(data=st.data(), text=st.binary(min_size=1, max_size=60))
def test_a_line_that_was_never_written(data: st.DataObject, text: bytes) -> None:
    _, target = spots(data, "where")
    index = target.index + data.draw(st.integers(0, 1))
    copy = JOURNAL.copied()
    copy.files[target.file].insert(index, text.replace(b"\n", b"") + b"\n")

    report = found(copy)

    assert (target.file, index + 1) in {(Path(each.file).name, each.line) for each in report.findings}


@given(data=st.data())
def test_a_record_of_another_journal(data: st.DataObject) -> None:
    _, foreign = spots(data, "foreign")
    _, target = spots(data, "where")
    index = target.index + data.draw(st.integers(0, 1))
    copy = JOURNAL.copied()
    copy.files[target.file].insert(
        index, OTHER.files[foreign.file][min(foreign.index, len(OTHER.files[foreign.file]) - 1)]
    )

    report = found(copy)

    at_line = {(Path(each.file).name, each.line, each.problem) for each in report.findings}
    assert (target.file, index + 1, Problem.FOREIGN) in at_line


@given(data=st.data())
def test_a_record_whose_content_and_hash_are_made_anew(data: st.DataObject) -> None:
    number, spot = spots(data, "record")
    copy = JOURNAL.copied()
    body = json.loads(copy.line(spot))
    del body["hash"]
    body["message"] = "nothing to see"
    copy.files[spot.file][spot.index] = sealed(body).data + b"\n"

    report = found(copy)

    assert (Problem.REPLACED, number) in {(each.problem, each.seq) for each in report.findings}


@given(data=st.data())
def test_a_file_of_another_journal_in_the_place_of_one(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(JOURNAL.files)))
    copy = JOURNAL.copied()
    copy.files[name] = list(OTHER.files[name])

    report = found(copy)

    assert any(Path(each.file).name == name and each.problem is Problem.FOREIGN for each in report.findings)
