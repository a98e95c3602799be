"""`placewright audit`: proves a journal, names what is wrong with it, and shows and exports its records."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from placewright.cli.audit_view import exported
from placewright.telemetry.audit.segments import name_of, read_place
from tests.support.audit_journals import write_journal

Run = Callable[..., Result]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return write_journal(tmp_path / "journal", [3, 4, 3], segment_bytes=1_500)


def flip(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_an_intact_journal_exits_with_0_and_tells_its_head(run: Run, journal: Path) -> None:
    result = run("audit", "verify", journal)
    place = read_place(journal)

    assert place is not None
    assert result.exit_code == 0
    assert result.stdout == f"audit journal: intact: {place.head.seq} records in 3 files, head {place.head}\n"
    assert not result.stderr


def test_one_changed_byte_is_found_and_named(run: Run, journal: Path) -> None:
    flip(journal / name_of(1), b'"reason":"Cheaper"', b'"reason":"cheaper"')

    result = run("audit", "verify", journal)
    data = json.loads(run("audit", "verify", journal, "-o", "json").stdout)

    assert result.exit_code == 5
    first, last = result.stdout.splitlines()
    assert first == f"{journal / name_of(1)}:2: Changed: record 2: its bytes do not have its hash"
    assert last.startswith("audit journal: NOT INTACT, 1 finding: ")
    assert data["intact"] is False
    assert [(each["problem"], each["line"], each["seq"]) for each in data["findings"]] == [("Changed", 2, 2)]


def test_a_missing_file_is_named(run: Run, journal: Path) -> None:
    (journal / name_of(2)).unlink()

    result = run("audit", "verify", journal)

    assert result.exit_code == 5
    assert "audit-000002.jsonl should stand before this file" in result.stdout
    assert "Missing: records 6-" in result.stdout


def test_an_older_state_of_the_whole_folder_needs_a_head_from_elsewhere(
    run: Run, journal: Path, tmp_path: Path
) -> None:
    place = read_place(journal)
    assert place is not None
    older = write_journal(tmp_path / "older", [3])
    kept = tmp_path / "kept.json"
    kept.write_bytes((journal / "head.json").read_bytes())

    assert run("audit", "verify", older).exit_code == 0
    by_text = run("audit", "verify", older, "--head", str(place.head))
    by_file = run("audit", "verify", older, "--head", kept)

    assert by_text.exit_code == by_file.exit_code == 5
    assert f"--head knows of record {place.head.seq}" in by_text.stdout
    assert f"{kept} knows of record {place.head.seq}" in by_file.stdout
    assert run("audit", "verify", journal, "--head", str(place.head)).exit_code == 0


def test_files_alone_say_what_they_do_not_prove(run: Run, journal: Path) -> None:
    whole = [journal / name_of(number) for number in (1, 2, 3)]

    part = run("audit", "verify", whole[1])
    turned = run("audit", "verify", whole[1], whole[0], whole[2])

    assert part.exit_code == 0
    assert "note: begins with record " in part.stderr
    assert "note: whether records are missing at the end is not known" in part.stderr
    assert run("audit", "verify", *whole).exit_code == 0
    assert turned.exit_code == 5
    assert "Reordered" in turned.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("/nowhere",), "/nowhere: got no such file or folder, wants a journal's folder, or files with its records"),
        (("{journal}", "--head", "7:abc"), "--head: got '7:abc', wants SEQ:HASH"),
        (("{empty}",), "got a folder without .jsonl files"),
        ((), "Missing argument 'PATH...'"),
    ],
)
def test_bad_input_is_one_line(run: Run, journal: Path, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    result = run("audit", "verify", *(text.format(journal=journal, empty=empty) for text in arguments))

    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_records_are_shown_as_a_table(run: Run, journal: Path) -> None:
    result = run("audit", "show", journal, "--request", "serving/chat", "--since", "2026-11-21T10:00:09Z")

    head, *rows = result.stdout.splitlines()
    assert head.split()[:6] == ["SEQ", "TIME", "KIND", "REQUEST", "PLAN", "$/H"]
    assert head.split()[-3:] == ["ACTOR", "REASON", "MESSAGE"]
    assert [row.split()[4] for row in rows] == ["p-9", "p-a"]
    assert rows[0].split()[1:4] == ["2026-11-21T10:00:09Z", "Decision", "serving/chat"]
    assert "$12.00" in rows[0]
    assert "$13.50" in rows[0]


def test_records_are_chosen_by_kind_and_request(run: Run, journal: Path) -> None:
    chain = json.loads(run("audit", "show", journal, "-o", "json", "--kind", "Genesis", "--kind", "Segment").stdout)
    nobody = run("audit", "show", journal, "--request", "serving/nobody")

    assert [item["kind"] for item in chain["items"]] == ["Genesis", "Segment", "Segment"]
    assert nobody.exit_code == 0
    assert not nobody.stdout
    assert "note: no such records in" in nobody.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--kind", "decision"), "got 'decision', wants one of Decision, GateResult"),
        (("--request", "chat"), "got 'chat', wants NAMESPACE/NAME such as serving/chat"),
        (("--since", "yesterday"), "got 'yesterday', wants a time such as 2026-11-21T10:00:00Z, or how long ago: 2h"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(run: Run, journal: Path, arguments: tuple[str, ...], told: str) -> None:
    result = run("audit", "show", journal, *arguments)

    assert result.exit_code == 2
    assert told in result.stderr


def test_since_takes_how_long_ago(run: Run, journal: Path) -> None:
    assert "no such records" in run("audit", "show", journal, "--since", "1s", "--kind", "Decision").stderr
    assert run("audit", "show", journal, "--since", "900000h", "--kind", "Decision").stdout.count("Decision") == 10


def test_csv_has_one_row_for_each_record(run: Run, journal: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("audit", "export", journal, "--format", "csv").stdout)))
    place = read_place(journal)

    assert place is not None
    assert [int(row["seq"]) for row in rows] == list(range(1, place.head.seq + 1))
    assert rows[-1]["hash"] == place.head.hash
    decision = next(row for row in rows if row["kind"] == "Decision")
    assert json.loads(decision["details"])["plan"]["id"] == decision["planId"] == "p-1"
    assert (decision["oldCostPerHour"], decision["newCostPerHour"]) == ("0.0", "1.5")


def test_json_is_one_list(run: Run, journal: Path) -> None:
    records = json.loads(run("audit", "export", journal, "--format", "json", "--kind", "Decision").stdout)
    none = json.loads(run("audit", "export", journal, "--format", "json", "--kind", "Price").stdout)

    assert [record["planId"] for record in records] == [f"p-{number:x}" for number in range(1, 11)]
    assert none == []


def test_exported_lines_can_be_proved(run: Run, journal: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_text(run("audit", "export", journal, "--format", "jsonl").stdout)

    assert run("audit", "verify", copy).exit_code == 0
    flip(copy, b"p-4", b"p-5")
    assert run("audit", "verify", copy).exit_code == 5


@pytest.mark.parametrize("command", [("show",), ("export", "--format", "jsonl")])
def test_a_file_of_another_kind_is_no_journal_without_such_records(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("kind: PlacementPolicy\nspec: {}\n")
    result = run("audit", *command, file)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {file}: got no record at all, wants a journal's folder, or files with its records\n"
    )


def test_a_spreadsheet_takes_no_text_of_csv_for_a_formula() -> None:
    record = {"actor": "=HYPERLINK(1)", "message": "-1", "oldCostPerHour": -1.5, "reason": "Cheaper"}
    *_, row = csv.DictReader(io.StringIO("".join(exported([(b"", record)], "csv"))))
    assert (row["actor"], row["message"]) == ("'=HYPERLINK(1)", "'-1")
    assert (row["oldCostPerHour"], row["reason"]) == ("-1.5", "Cheaper")


@pytest.mark.parametrize("cost", ["NaN", "1e999", "-Infinity", f"1{'0' * 400}"])
@pytest.mark.parametrize("command", [("show",), ("show", "-o", "json"), ("export", "--format", "json")])
def test_a_record_that_somebody_made_unreadable_hides_no_other(
    run: Run, journal: Path, cost: str, command: tuple[str, ...]
) -> None:
    flip(journal / name_of(1), b'"newCostPerHour":3.0', f'"newCostPerHour":{cost}'.encode())
    result = run("audit", *command, journal)
    assert result.exit_code == 0, result.stderr
    assert "p-1" in result.stdout
    assert "p-3" in result.stdout
    assert "p-2" not in result.stdout
    if command != ("show",):
        json.loads(result.stdout, parse_constant=pytest.fail)
    assert run("audit", "verify", journal).exit_code == 5
