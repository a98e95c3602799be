"""The lines of a journal's files as rows, what a crash left at their end, and which records stand in the wrong file."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from placewright.telemetry.audit.entry import ChainKind, Json
from placewright.telemetry.audit.findings import Finding, Problem
from placewright.telemetry.audit.record import hash_of, parsed
from placewright.telemetry.audit.segments import Place, lines_of, name_of, number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line.

    Attributes:
        position: of the line in all files.
        file: where it stands.
        number: of that file; 0: it has none.
        line: from 1.
        offset: of its first byte.
        end: of the byte after its end.
        whole: whether the line has an end.
        ok: whether it is a record whose bytes have its hash.
        seq: what it says; 0: it says nothing.
        hash: of a record; empty: it is none.
        prev: what it says.
        chain: what it says.
        kind: what it says.
        details: of a Genesis or Segment record.
        follows: number of the record in the line before, also in the file before; 0: none.
    """

    position: int
    file: Path
    number: int
    line: int
    offset: int
    end: int
    whole: bool
    ok: bool
    seq: int
    hash: str = ""
    prev: str = ""
    chain: str = ""
    kind: str = ""
    details: Json | None = None
    follows: int = 0

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file.name}:{self.line}"

    @property
    def after(self) -> Json:
        """What a Genesis record says of the chain before; empty: it is none, or there was none."""
        found = (self.details or {}).get("after")
        return found if self.kind == ChainKind.GENESIS and isinstance(found, dict) else {}


def rows_of(files: Sequence[Path]) -> list[Row]:
    """Read all lines.

    Raises:
        OSError: a file cannot be read.
    """
    rows: list[Row] = []
    for path in files:
        number = number_of(path.name) or 0
        for line, (offset, data, whole) in enumerate(lines_of(path), start=1):
            follows = rows[-1].seq if rows and rows[-1].ok else 0
            end = offset + len(data) + whole
            place = {"position": len(rows), "file": path, "number": number, "line": line, "offset": offset, "end": end}
            rows.append(_row(place, data, whole=whole, follows=follows))
    return rows


def _row(place: Json, data: bytes, *, whole: bool, follows: int) -> Row:
    body = parsed(data) or {}
    digest = hash_of(data) if whole else None
    seq = body.get("seq")
    seq = seq if type(seq) is int and seq > 0 else 0
    if digest is None or not seq:
        return Row(**place, whole=whole, ok=False, seq=seq, follows=follows)
    kind, details = str(body.get("kind")), body.get("details")
    return Row(
        **place,
        whole=whole,
        ok=True,
        seq=seq,
        hash=digest,
        prev=str(body.get("prev")),
        chain=str(body.get("chain")),
        kind=kind,
        details=details if kind in {ChainKind.GENESIS, ChainKind.SEGMENT} and isinstance(details, dict) else None,
        follows=follows,
    )


def without_unfinished(rows: list[Row], place: Place | None) -> tuple[list[Row], list[str]]:
    """Leave out what a write that was cut off left at the end: the head file does not vouch for it.

    Args:
        rows: of all files.
        place: what the head file says; None: nobody says where the end is, so nothing is left out.
    """
    last = rows[-1] if rows else None
    if place is None or last is None or last.whole or (last.number, last.offset) < (place.segment, place.size):
        return rows, []
    return rows[:-1], [unfinished_text(last.file.name, last.line)]


def unfinished_text(file: str, line: int) -> str:
    """Say where the unfinished end of a write begins."""
    return f"{file}:{line}: a write was cut off here before it was confirmed; the operator cuts it off when it starts"


def misplaced(rows: Sequence[Row], files: Sequence[Path], blamed: Collection[tuple[str, int]]) -> list[Finding]:
    """Find records that do not stand in the file that they were written to.

    Args:
        rows: of all files.
        files: in order.
        blamed: lines with another finding, as (file, line).
    """
    found = [_named(files, index) for index in range(len(files))]
    found += [_where(row) for row in rows if row.ok and (str(row.file), row.line) not in blamed]
    found += [_previous(row, files, blamed) for row in rows if row.ok and row.line == 1]
    return [finding for finding in found if finding is not None]


def _named(files: Sequence[Path], index: int) -> Finding | None:
    """Whether the file before this one is there."""
    number = number_of(files[index].name) or 0
    before = (number_of(files[index - 1].name) or 0) if index else 0
    if number == before + 1:
        return None
    absent = name_of(before + 1) if number == before + 2 else f"{name_of(before + 1)} to {name_of(number - 1)}"
    return Finding(problem=Problem.MISSING, file=str(files[index]), text=f"{absent} should stand before this file")


def _where(row: Row) -> Finding | None:
    is_first = row.kind in {ChainKind.GENESIS, ChainKind.SEGMENT}
    if is_first != (row.line == 1):
        text = "stands within a file and begins one" if is_first else "stands first in a file that it does not begin"
        return _misplaced(row, text)
    if row.kind == ChainKind.SEGMENT and (row.details or {}).get("segment") != row.number:
        return _misplaced(row, f"begins file {(row.details or {}).get('segment')}, not this one")
    return None


def _previous(row: Row, files: Sequence[Path], blamed: Collection[tuple[str, int]]) -> Finding | None:
    """Whether the file before is, byte by byte, the one that this file was begun after."""
    index = files.index(row.file)
    if row.kind != ChainKind.SEGMENT or not index or any(file == str(files[index - 1]) for file, _ in blamed):
        return None
    with files[index - 1].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == (row.details or {}).get("previousSha256"):
        return None
    return _misplaced(row, f"{files[index - 1].name} is not the file that this one was begun after")


def _misplaced(row: Row, text: str) -> Finding:
    return Finding(
        problem=Problem.MISPLACED, file=str(row.file), line=row.line, seq=row.seq, last_seq=row.seq, text=text
    )
