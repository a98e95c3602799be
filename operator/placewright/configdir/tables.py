"""Reads one CSV file as rows of stripped cells, with the line each row stands on."""

import csv
from dataclasses import dataclass
from pathlib import Path

from placewright.configdir.faults import Faults


@dataclass(frozen=True, slots=True)
class Row:
    """One line that holds something."""

    line: int
    cells: tuple[str, ...]


def read_text(path: Path, faults: Faults) -> str | None:
    """Return a file's text without its byte order mark and with plain line ends; None notes why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        faults.add(str(path), got="no such file", wants="a CSV file")
    except UnicodeDecodeError as error:
        faults.add(str(path), got=f"byte {error.start} that is not UTF-8", wants="a CSV file in UTF-8")
    except OSError as error:
        faults.add(str(path), got=error.strerror or type(error).__name__, wants="a CSV file that can be read")
    return None


def read_rows(path: Path, faults: Faults) -> list[Row] | None:
    """Return the rows that are not blank, the header first; None notes why there are none."""
    text = read_text(path, faults)
    if text is None:
        return None
    reader = csv.reader(text.splitlines(), strict=True)
    rows: list[Row] = []
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                rows.append(Row(reader.line_num, stripped))
    except csv.Error as error:
        faults.add(f"{path}:{reader.line_num}", got=str(error), wants="comma-separated cells")
        return None
    if not rows:
        faults.add(str(path), got="an empty file", wants="a header line and rows below it")
        return None
    return rows


def columns(
    path: Path, header: Row, *, required: tuple[str, ...], optional: tuple[str, ...], faults: Faults
) -> dict[str, int]:
    """Return the position of each known column; notes required ones that are missing and names given twice."""
    found: dict[str, int] = {}
    for position, name in enumerate(header.cells):
        key = name.casefold()
        if key in found:
            faults.add(f"{path}:{header.line}", got=f"column {key} twice", wants="each column once")
        elif key in (*required, *optional):
            found[key] = position
    missing = [name for name in required if name not in found]
    if missing:
        got = ",".join(header.cells)
        wants = f"a header with the columns {','.join(required)}"
        faults.add(f"{path}:{header.line}", got=f"{got!r} without {', '.join(missing)}", wants=wants)
    return found
