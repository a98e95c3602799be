import io

import pytest
from rich.console import Console

from placewright.cli.screen import Column, Field, PlainScreen, RichScreen, width_asked

_COLUMNS = [Column("$/M tokens", "number"), Column("pool"), Column("why", "text")]
_ROWS = [
    ["$0.1", "a100", "this layout lost because another one is cheaper per token than it is by far"],
    ["$12.345", "v", "short"],
]


def _plain(width: int | None) -> tuple[PlainScreen, io.StringIO]:
    out = io.StringIO()
    return PlainScreen(out, width), out


def test_a_plain_table_is_aligned_and_as_wide_as_it_needs() -> None:
    screen, out = _plain(None)
    screen.table(_COLUMNS, _ROWS)
    assert out.getvalue() == (
        "  $/M TOKENS  POOL  WHY\n"
        "        $0.1  a100  this layout lost because another one is cheaper per token than it is by far\n"
        "     $12.345  v     short\n"
    )


def test_a_plain_table_wraps_its_text_to_the_width() -> None:
    screen, out = _plain(60)
    screen.table(_COLUMNS, _ROWS)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1].endswith("this layout lost because another one is")
    assert lines[2] == " " * 20 + "cheaper per token than it is by far"


@pytest.mark.parametrize("width", [20, 30, 40])
def test_what_is_too_narrow_for_a_table_becomes_blocks(width: int) -> None:
    screen, out = _plain(width)
    screen.table(_COLUMNS, _ROWS)
    assert "TOKENS  POOL" not in out.getvalue()
    assert "$/M tokens  $0.1" in out.getvalue()
    assert "pool        a100" in out.getvalue()


def test_an_empty_table_writes_nothing() -> None:
    screen, out = _plain(None)
    screen.table(_COLUMNS, [])
    assert out.getvalue() == ""


def test_fields_are_aligned_and_wrapped_below_themselves() -> None:
    screen, out = _plain(50)
    screen.fields([Field("a", "1"), Field("longer", "word " * 12)])
    lines = out.getvalue().splitlines()
    assert lines[0] == "  a       1"
    assert lines[1].startswith("  longer  word")
    assert lines[2].startswith("          word")
    assert max(map(len, lines)) <= 50


def _rich(width: int, *, unicode: bool = True, colour: bool = False) -> tuple[RichScreen, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, no_color=not colour, _environ={}, legacy_windows=False
    )
    return RichScreen(console, unicode=unicode), out


def test_a_terminal_gets_a_table_with_lines() -> None:
    screen, out = _rich(100)
    screen.table(_COLUMNS, _ROWS)
    assert "─" in out.getvalue()
    assert "$12.345" in out.getvalue()


def test_a_terminal_without_unicode_gets_ascii_alone() -> None:
    screen, out = _rich(100, unicode=False)
    screen.title("t")
    screen.fields([Field("a", "b")])
    screen.table(_COLUMNS, _ROWS)
    assert out.getvalue().isascii()


@pytest.mark.parametrize("width", [30, 45, 60, 100])
def test_a_terminal_is_never_overrun(width: int) -> None:
    screen, out = _rich(width)
    screen.title("default/chat: approved, plan p-0123456789")
    screen.fields([Field("layout", "4 x A100 TP1 (10 layers) + 1 x V100 TP4 (12 layers)", "good")])
    screen.table(_COLUMNS, _ROWS)
    plain = out.getvalue().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= width


def test_brackets_in_messages_are_text_and_no_markup() -> None:
    screen, out = _rich(80)
    screen.text("spec.pools[0] [bold]")
    screen.fields([Field("f", "spec.pools[1] [red]x[/red]")])
    assert "spec.pools[0] [bold]" in out.getvalue()
    assert "[red]x[/red]" in out.getvalue()


def test_colours_are_only_where_they_are_wanted() -> None:
    plain, plain_out = _rich(80)
    coloured, coloured_out = _rich(80, colour=True)
    for screen in (plain, coloured):
        screen.title("t", "bad")
    assert "\x1b[31m" not in plain_out.getvalue()
    assert "31m" in coloured_out.getvalue()


@pytest.mark.parametrize(("text", "width"), [("72", 72), ("", None), ("0", None), ("-3", None), ("wide", None)])
def test_only_a_sensible_columns_counts(text: str, width: int | None) -> None:
    assert width_asked({"COLUMNS": text}) == width
    assert width_asked({}) is None
