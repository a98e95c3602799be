"""Audit records and what was found of them, as lines, tables, data and files."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from placewright.cli import text
from placewright.cli.screen import Column, Screen
from placewright.telemetry.audit.findings import Report
from placewright.telemetry.audit.reader import as_text

Json = dict[str, Any]

_FIELDS: Final = (
    "seq",
    "time",
    "kind",
    "namespace",
    "name",
    "uid",
    "planId",
    "inputsHash",
    "actor",
    "oldCostPerHour",
    "newCostPerHour",
    "reason",
    "message",
    "details",
    "chain",
    "prev",
    "hash",
)
_COLUMNS: Final = (
    Column("seq", "number"),
    Column("time"),
    Column("kind"),
    Column("request"),
    Column("plan"),
    Column("$/h before", "number"),
    Column("$/h after", "number"),
    Column("actor"),
    Column("reason"),
    Column("message", "text"),
)


def report_lines(report: Report) -> Iterator[str]:
    """Write what a check found: each finding, and the whole in one line."""
    for finding in report.findings:
        yield str(finding)
    read = f"{text.counted(report.records, 'record')} in {text.counted(report.files, 'file')}"
    head = f", head {report.head}" if report.head is not None else ""
    verdict = "intact" if report.intact else f"NOT INTACT, {text.counted(len(report.findings), 'finding')}"
    yield f"audit journal: {verdict}: {read}{head}"


def report_data(report: Report) -> Json:
    """The same as data."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "AuditReport",
        "intact": report.intact,
        "records": report.records,
        "files": report.files,
        "head": str(report.head) if report.head is not None else None,
        "findings": [
            {
                "problem": str(each.problem),
                "file": each.file,
                "line": each.line or None,
                "seq": each.seq or None,
                "lastSeq": each.last_seq or None,
                "text": each.text,
            }
            for each in report.findings
        ],
        "notes": list(report.notes),
    }


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table(screen: Screen, records: Sequence[Json]) -> None:
    """Write records as a table."""
    screen.table(_COLUMNS, [[_printable(cell) for cell in _cells(record)] for record in records])


def _cells(record: Json) -> list[str]:
    request = "/".join(str(record[name]) for name in ("namespace", "name") if record.get(name))
    return [
        as_text(record.get("seq")),
        f"{as_text(record.get('time'))[:19]}Z",
        as_text(record.get("kind")),
        request or "-",
        as_text(record.get("planId")) or "-",
        _cost(record.get("oldCostPerHour")),
        _cost(record.get("newCostPerHour")),
        as_text(record.get("actor")) or "-",
        as_text(record.get("reason")) or "-",
        as_text(record.get("message")) or "-",
    ]


def _cost(value: object) -> str:
    return text.usd(value) if isinstance(value, int | float) else "-"


def _printable(cell: str) -> str:
    """The cell without characters that would steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in cell)


def exported(chosen: Iterable[tuple[bytes, Json]], form: str) -> Iterator[str]:
    """Write records as csv, json or jsonl, piece by piece."""
    if form == "jsonl":
        yield from (f"{line.decode('utf-8', 'replace')}\n" for line, _ in chosen)
    elif form == "json":
        head = "[\n"
        for _, record in chosen:
            yield f"{head}{json.dumps(record, sort_keys=True)}"
            head = ",\n"
        yield "[]\n" if head == "[\n" else "\n]\n"
    else:
        yield _row(_FIELDS)
        yield from (_row([_cell(record.get(name)) for name in _FIELDS]) for _, record in chosen)


def _cell(value: object) -> str:
    """A cell of CSV: text that a spreadsheet would take for a formula is marked as text, since anybody may be actor."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else as_text(value)


def _row(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
