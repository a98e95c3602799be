"""How the demo writes: plain lines, no colours, and tables that still read on a narrow terminal."""

import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from demo.samples import condition

_GAP, _LEAST_CELL = 3, 6  # spaces after a column and its least width with them, as kubectl has them
_NARROWEST = 40
_TEXT_WIDTH = 110  # of paragraphs where nothing limits the width, as in a pipe
_BEAT_SECONDS = 3.0


def width_limit(out: TextIO, environ: Mapping[str, str]) -> int | None:
    """Columns that a line may take: $COLUMNS, else those of the terminal, else None for no limit."""
    told = environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return max(int(told), _NARROWEST)
    try:
        if out.isatty():
            return max(os.get_terminal_size(out.fileno()).columns, _NARROWEST)
    except (OSError, ValueError):  # no terminal after all
        return None
    return None


class Page:
    """Writes to one stream; every line goes out at once, so that a pipe shows the progress too.

    Args:
        out: where to.
        width: columns that a line may take; None: no limit.
        clock: monotonic seconds.
    """

    def __init__(self, out: TextIO, *, width: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._width = width
        self._clock = clock
        self._began = clock()
        self._beat = self._began

    @property
    def width(self) -> int:
        """Columns that a line of text takes at most."""
        return min(self._width or _TEXT_WIDTH, _TEXT_WIDTH)

    def line(self, text: str = "") -> None:
        """One line as it is."""
        self._out.write(text.rstrip() + "\n")
        self._out.flush()
        self._beat = self._clock()

    def progress(self, text: str) -> None:
        """One line with the seconds since the start."""
        self._wrapped(f"[{self._clock() - self._began:5.1f} s] ", text)

    def waiting(self, text: str) -> None:
        """A progress line, but only when nothing was written for a while."""
        if self._clock() - self._beat >= _BEAT_SECONDS:
            self.progress(text)

    def paragraph(self, text: str, *, head: str = "") -> None:
        """A text behind its head, wrapped under itself."""
        self._wrapped(head, text)

    def table(self, rows: Sequence[Sequence[str]], *, key: int) -> None:
        """Rows under their heads; columns that do not fit go into further blocks, each with the key column again.

        Args:
            rows: the heads first.
            key: the column that names a row.
        """
        longest = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        widths = [max(length + _GAP, _LEAST_CELL) for length in longest]
        for number, columns in enumerate(_blocks(widths, key=key, limit=self._width)):
            if number:
                self.line()
            for row in rows:
                self.line("".join(row[column].ljust(widths[column]) for column in columns))

    def _wrapped(self, head: str, text: str) -> None:
        hanging = " " * min(len(head), self.width // 3)
        wrapped = textwrap.wrap(head + text, self.width, subsequent_indent=hanging, break_on_hyphens=False)
        for one in wrapped:
            self.line(one)


def _blocks(widths: Sequence[int], *, key: int, limit: int | None) -> list[list[int]]:
    """Column numbers of each block; the gap after its last column need not fit."""
    if limit is None or sum(widths) - _GAP <= limit:
        return [list(range(len(widths)))]
    blocks: list[list[int]] = []
    block = list(range(key + 1))
    for column in range(key + 1, len(widths)):
        if sum(widths[one] for one in (*block, column)) - _GAP > limit and len(block) > 1:
            blocks.append(block)
            block = [key]
        block.append(column)
    return [*blocks, block]


def refusals(page: Page, resources: Sequence[Mapping[str, Any]]) -> None:
    """Why each request that is not Ready was refused, and the smallest change that would help."""
    for resource in resources:
        ready, status = condition(resource, "Ready"), resource["status"]
        if ready is None or ready["status"] == "True":
            continue
        page.line(f"{resource['metadata']['namespace']}/{resource['metadata']['name']}: {ready['reason']}")
        gates = condition(resource, "GatesPassed")
        if gates is not None and gates["status"] == "False":
            page.paragraph(f"{gates['reason']}: {gates['message']}", head="  why:   ")
        for rejection in status.get("rejections", ()) if "plan" not in status else ():
            page.paragraph(f"{rejection['code']}: {rejection['message']}", head="  why:   ")
        page.paragraph(_what_helps(status), head="  helps: ")


def _what_helps(status: Mapping[str, Any]) -> str:
    told = [status[field] for field in ("needs", "relaxation") if status.get(field)]
    return "; ".join(told) or "no single change that was looked for"


def standard_page() -> Page:
    """The page on stdout; what its encoding lacks is written as an escape."""
    out = sys.stdout
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="backslashreplace")
    return Page(out, width=width_limit(out, os.environ))
