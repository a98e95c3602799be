"""Where results are shown: aligned plain text in a pipe, Rich on a terminal. Both take the same calls.

Plain text is wrapped only when COLUMNS says how wide it may be. On anything too narrow for a table, its rows are
written as blocks of `name: value`.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from placewright.cli import streams

if TYPE_CHECKING:
    from rich.console import Console

Tone = Literal["plain", "good", "bad", "warn", "dim"]

_INDENT = "  "
_LEAST_TEXT = 24  # columns that running text in a table needs to be readable


@dataclass(frozen=True, slots=True)
class Field:
    """A labelled line."""

    label: str
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. Text columns may be wrapped, the others never are."""

    name: str
    kind: Literal["short", "number", "text"] = "short"

    @property
    def head(self) -> str:
        """What stands above the column."""
        return self.name.upper()


Rows = Sequence[Sequence[str]]


class Screen(Protocol):
    """What commands write to."""

    def title(self, text: str, tone: Tone = "plain") -> None:
        """Write the headline of what follows."""

    def fields(self, entries: Sequence[Field]) -> None:
        """Write labelled lines, aligned."""

    def table(self, columns: Sequence[Column], rows: Rows) -> None:
        """Write a table; nothing when there is no row."""

    def text(self, line: str) -> None:
        """Write a paragraph."""

    def raw(self, block: str) -> None:
        """Write lines as they are, such as a plot."""

    def blank(self) -> None:
        """Write an empty line."""


def fits(columns: Sequence[Column], rows: Rows, width: int | None, gap: int) -> bool:
    """Whether a table of these columns can be read at this width."""
    if width is None:
        return True
    needed = gap * (len(columns) - 1)
    for index, column in enumerate(columns):
        natural = max([len(column.head), *(len(row[index]) for row in rows)])
        needed += min(natural, _LEAST_TEXT) if column.kind == "text" else natural
    return needed <= width


def _stacked(screen: Screen, columns: Sequence[Column], rows: Rows) -> None:
    """Write each row as a block of its own."""
    for number, row in enumerate(rows):
        if number:
            screen.blank()
        screen.fields([Field(column.name, cell) for column, cell in zip(columns, row, strict=True)])


class PlainScreen:
    """Aligned text without any control character."""

    def __init__(self, out: TextIO, width: int | None = None) -> None:
        self._out = out
        self._width = width

    def title(self, text: str, tone: Tone = "plain") -> None:  # noqa: ARG002 - the Protocol's signature
        """Write the headline."""
        self._write(self._wrapped(text, 0, 0))

    def fields(self, entries: Sequence[Field]) -> None:
        """Write labelled lines."""
        label_width = max((len(entry.label) for entry in entries), default=0)
        for entry in entries:
            head = f"{_INDENT}{entry.label.ljust(label_width)}{_INDENT}"
            self._write(self._wrapped(head + entry.text, 0, len(head)))

    def table(self, columns: Sequence[Column], rows: Rows) -> None:
        """Write a table."""
        if not rows:
            return
        if not fits(columns, rows, self._inner_width(), len(_INDENT)):
            _stacked(self, columns, rows)
            return
        widths = self._column_widths(columns, rows)
        for row in ([column.head for column in columns], *rows):
            self._row(columns, row, widths)

    def text(self, line: str) -> None:
        """Write a paragraph."""
        self._write(self._wrapped(_INDENT + line, 0, len(_INDENT)))

    def raw(self, block: str) -> None:
        """Write lines as they are."""
        self._write(block.splitlines())

    def blank(self) -> None:
        """Write an empty line."""
        self._write([""])

    def _inner_width(self) -> int | None:
        return None if self._width is None else self._width - len(_INDENT)

    def _column_widths(self, columns: Sequence[Column], rows: Rows) -> list[int]:
        """Natural widths; where they are too much together, text columns share what the others leave."""
        natural = [max(len(c.head), *(len(row[i]) for row in rows)) for i, c in enumerate(columns)]
        inner = self._inner_width()
        total = sum(natural) + len(_INDENT) * (len(columns) - 1)
        texts = [i for i, column in enumerate(columns) if column.kind == "text"]
        if inner is None or total <= inner or not texts:
            return natural
        left = inner - (total - sum(natural[i] for i in texts))
        for position, i in enumerate(sorted(texts, key=lambda i: natural[i])):
            natural[i] = min(natural[i], left // (len(texts) - position))
            left -= natural[i]
        return natural

    def _row(self, columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> None:
        cells = [
            textwrap.wrap(cell, width) or [""] if column.kind == "text" and len(cell) > width else [cell]
            for column, cell, width in zip(columns, row, widths, strict=True)
        ]
        for line in range(max(len(cell) for cell in cells)):
            parts = []
            for column, cell, width in zip(columns, cells, widths, strict=True):
                part = cell[line] if line < len(cell) else ""
                parts.append(part.rjust(width) if column.kind == "number" else part.ljust(width))
            self._write([(_INDENT + _INDENT.join(parts)).rstrip()])

    def _wrapped(self, text: str, first: int, hanging: int) -> list[str]:
        if self._width is None or len(text) <= self._width:
            return [text]
        hanging = hanging if self._width - hanging >= _LEAST_TEXT else 2 * len(_INDENT)
        return textwrap.wrap(
            text,
            max(self._width, _LEAST_TEXT),
            initial_indent=" " * first,
            subsequent_indent=" " * hanging,
            drop_whitespace=True,
            break_on_hyphens=False,
        )

    def _write(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._out.write(line.rstrip() + "\n")


_STYLES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "red", "warn": "yellow", "dim": "dim"}


class RichScreen:
    """Colours and boxes on a terminal."""

    def __init__(self, console: "Console", *, unicode: bool) -> None:
        self._console = console
        self._unicode = unicode

    def title(self, text: str, tone: Tone = "plain") -> None:
        """Write the headline."""
        from rich.text import Text  # noqa: PLC0415 - only a terminal needs Rich

        self._console.print(Text(text, style=f"bold {_STYLES[tone]}".strip()))

    def fields(self, entries: Sequence[Field]) -> None:
        """Write labelled lines."""
        from rich.table import Table  # noqa: PLC0415 - only a terminal needs Rich
        from rich.text import Text  # noqa: PLC0415

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for entry in entries:
            grid.add_row(Text(_INDENT + entry.label), Text(entry.text, style=_STYLES[entry.tone]))
        self._console.print(grid)

    def table(self, columns: Sequence[Column], rows: Rows) -> None:
        """Write a table."""
        if not rows:
            return
        if not fits(columns, rows, self._console.width - 2, 3):
            _stacked(self, columns, rows)
            return
        from rich import box  # noqa: PLC0415 - only a terminal needs Rich
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=box.SIMPLE_HEAD if self._unicode else box.ASCII2, pad_edge=True, header_style="bold")
        for column in columns:
            right = column.kind == "number"
            table.add_column(column.head, justify="right" if right else "left", no_wrap=column.kind != "text")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(table)

    def text(self, line: str) -> None:
        """Write a paragraph."""
        from rich.padding import Padding  # noqa: PLC0415 - only a terminal needs Rich
        from rich.text import Text  # noqa: PLC0415

        self._console.print(Padding(Text(line), (0, 0, 0, len(_INDENT))))

    def raw(self, block: str) -> None:
        """Write lines as they are; they may hold colours already."""
        from rich.text import Text  # noqa: PLC0415 - only a terminal needs Rich

        self._console.print(Text.from_ansi(block), no_wrap=True, overflow="crop")

    def blank(self) -> None:
        """Write an empty line."""
        self._console.print()


def width_asked(environ: "os._Environ[str] | dict[str, str]") -> int | None:
    """The width that COLUMNS asks for; None when it asks for none that makes sense."""
    text = environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def open_screen() -> Screen:
    """The screen for standard output as it is now."""
    out = sys.stdout
    if not streams.is_terminal(out):
        return PlainScreen(out, width_asked(os.environ))
    columns, lines = shutil.get_terminal_size()
    if os.environ.get("TERM") in streams.DUMB:
        return PlainScreen(out, columns)
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs Rich

    console = Console(file=out, width=columns, height=lines, highlight=False, emoji=False, markup=False)
    return RichScreen(console, unicode=streams.shows_unicode(out, os.environ))
