"""The live line: only on a terminal, only after a while, never wider than the terminal, gone at the end."""

import io
import threading
import time

from placewright.cli.progress import LiveLine, figure
from placewright.core.model import Progress

_PROGRESS = Progress(unit="$/M tokens", incumbent=0.5, bound=0.45, gap_percent=10.0)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _shown(text: str) -> str:
    """What a terminal shows of the line in the end."""
    cells: list[str] = []
    column = 0
    for character in text:
        if character == "\r":
            column = 0
            continue
        cells[column : column + 1] = [character]
        column += 1
    return "".join(cells).rstrip()


def test_the_line_tells_best_bound_and_gap_after_a_second() -> None:
    clock = _Clock()
    line = LiveLine("chat", out=_Terminal(), clock=clock)
    assert line.line() == ""
    clock.now = 2.0
    assert line.line() == "chat: 2 s, nothing found yet"
    line.told(_PROGRESS)
    assert line.line() == "chat: 2 s, best $0.50/M tokens, bound $0.45/M tokens, gap 10 %"
    line.told(Progress(unit="tokens/s", incumbent=1234.5, bound=None, gap_percent=None))
    assert line.line() == "chat: 2 s, best 1,234.5 tokens/s"


def test_figures_of_every_objective() -> None:
    assert figure(7.2, "$/h") == "$7.20/h"
    assert figure(-0.123456789, "score") == "-0.123457"


def _drawn_while(out: _Terminal, *, columns: int, seconds: float = 5.0) -> str:
    """Let the line draw until it has drawn something."""
    with LiveLine("a-long-name-of-a-request", out=out, quiet_seconds=0.0, columns=lambda: columns) as line:
        line.told(_PROGRESS)
        deadline = time.monotonic() + seconds
        while "best" not in out.getvalue() and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        return out.getvalue()


def test_it_is_drawn_on_a_terminal_and_wiped_at_the_end() -> None:
    out = _Terminal()
    during = _drawn_while(out, columns=120)
    assert "best $0.50/M tokens" in during
    assert _shown(out.getvalue()) == ""
    assert "\n" not in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_it_fits_a_narrow_terminal() -> None:
    out = _Terminal()
    _drawn_while(out, columns=40)
    parts = out.getvalue().split("\r")
    assert max(map(len, parts)) == 39
    assert _shown(out.getvalue()) == ""


def test_nothing_is_drawn_where_nobody_looks() -> None:
    out = io.StringIO()
    with LiveLine("chat", out=out, quiet_seconds=0.0) as line:
        line.told(_PROGRESS)
    assert out.getvalue() == ""


def test_a_quick_solve_draws_nothing() -> None:
    out = _Terminal()
    with LiveLine("chat", out=out, quiet_seconds=60.0) as line:
        line.told(_PROGRESS)
    assert out.getvalue() == ""
