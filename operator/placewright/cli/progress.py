"""A live line on standard error while a solve takes longer than a second: best so far, bound and gap."""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

from placewright.cli import streams, text
from placewright.core.model import Progress

_QUIET_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.2


class LiveLine:
    """Draws over one line of a terminal and leaves it empty.

    Args:
        label: what is being solved.
        out: where to draw; nothing is drawn unless it is a terminal.
        clock: monotonic seconds.
        quiet_seconds: how long nothing is drawn.
        columns: width of the terminal.
    """

    def __init__(
        self,
        label: str,
        *,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet_seconds: float = _QUIET_SECONDS,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._label = label
        self._out = out or sys.stderr
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._columns = columns
        self._begun = clock()
        self._latest: Progress | None = None
        self._drawn = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if streams.is_terminal(self._out):
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._draw("")

    def told(self, progress: Progress) -> None:
        """Take what the solver says; drawn at the next tick."""
        self._latest = progress

    def line(self) -> str:
        """What stands there now; empty while it is early."""
        elapsed = self._clock() - self._begun
        if elapsed < self._quiet_seconds:
            return ""
        return f"{self._label}: {elapsed:.0f} s{_told(self._latest)}"

    def _tick(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._draw(self.line())

    def _draw(self, line: str) -> None:
        shown = line[: max(self._columns() - 1, 0)]
        if not shown and not self._drawn:
            return
        padding = " " * (self._drawn - len(shown))
        self._out.write(f"\r{shown}{padding}" if shown else f"\r{padding}\r")
        self._out.flush()
        self._drawn = len(shown)


def _told(progress: Progress | None) -> str:
    if progress is None or progress.incumbent is None:
        return ", nothing found yet"
    parts = [f", best {figure(progress.incumbent, progress.unit)}"]
    if progress.bound is not None:
        parts.append(f", bound {figure(progress.bound, progress.unit)}")
    if progress.gap_percent is not None:
        parts.append(f", gap {text.percent(progress.gap_percent)}")
    return "".join(parts)


def figure(value: float, unit: str) -> str:
    """A figure in the unit of an objective."""
    match unit:
        case "$/M tokens":
            return text.per_million(value)
        case "$/h":
            return text.per_hour(value)
        case "tokens/s":
            return f"{text.rate(value)} tokens/s"
        case _:
            return f"{value:.6g}"
