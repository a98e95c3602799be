"""`placewright pareto`."""

import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from placewright.cli import exits
from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.options import asked, request_options

if TYPE_CHECKING:
    from placewright.cli.planning import Planned
    from placewright.cli.screen import Screen


@click.command(short_help="Show the frontier of cost and throughput.", epilog=exits.HELP)
@request_options
@form_option(
    "table", "plot", "json", "html", "png", "svg", about="Form of the result; on a terminal, a table comes with a plot."
)
@click.option("--output", metavar="FILE", help="Write this file instead of standard output.")
@debug_option
@click.pass_context
def pareto(ctx: click.Context, /, form: str, output: str | None, **options: Any) -> None:
    """Show the frontier: the layouts that no other beats in both cost per hour and throughput.

    Takes the same inputs and options as `plan`, and exits with the same codes. A frontier is of one replica; a
    request with shared pools has all of each to itself here.
    """
    from placewright.cli import emit, planning, streams  # noqa: PLC0415 - --help needs none of it

    if form == "png" and output is None and streams.is_terminal(sys.stdout):
        raise click.UsageError("-o png wants --output FILE or a pipe")
    _check_extras(form)
    inputs = planning.with_frontier(asked(options).read())
    emit.notes(inputs.notes)
    results = planning.answer(inputs).results
    if output is not None:
        streams.write_file(Path(output), _content(results, form))
    elif form in ("table", "plot"):
        _show(results, form)
    else:
        sys.stdout.buffer.write(_content(results, form))
    ctx.exit(planning.exit_code(results))


def _check_extras(form: str) -> None:
    """Say that a part is missing before anything is solved."""
    from placewright.cli import extras  # noqa: PLC0415 - --help needs none of it

    module = {"plot": "plotext", "html": "matplotlib", "png": "matplotlib", "svg": "matplotlib"}.get(form)
    if module is not None:
        extras.load(module, extra="plot", what=f"-o {form}")


def _content(results: Sequence["Planned"], form: str) -> bytes:
    """The result as the bytes of a file."""
    from placewright.cli import frontier, picture  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import PlainScreen  # noqa: PLC0415

    if form == "json":
        return (json.dumps(frontier.as_data(results), indent=2, allow_nan=False) + "\n").encode()
    if form not in ("table", "plot"):
        return picture.render(results, form)
    text = io.StringIO()
    _write(PlainScreen(text), results, table=form == "table", plot_width=0 if form == "table" else 100)
    return text.getvalue().encode()


def _show(results: Sequence["Planned"], form: str) -> None:
    """Write tables, and plots where they are asked for or a person looks and they can be drawn."""
    from placewright.cli import emit, extras, streams  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    width = shutil.get_terminal_size().columns if form == "plot" else 0
    if form == "table" and streams.is_terminal(sys.stdout):
        if extras.is_installed("plotext"):
            width = shutil.get_terminal_size().columns
        else:
            emit.notes(["for a plot here: pip install 'placewright[plot]'"])
    _write(open_screen(), results, table=form == "table", plot_width=width)


def _write(screen: "Screen", results: Sequence["Planned"], *, table: bool, plot_width: int) -> None:
    from placewright.cli import card, frontier, streams  # noqa: PLC0415 - --help needs none of it

    unicode = streams.shows_unicode(sys.stdout, os.environ)
    for number, result in enumerate(results):
        if number:
            screen.blank()
        screen.title(*card.headline(result))
        rows = frontier.rows_of(result)
        drawn = frontier.plot(rows, width=plot_width, unicode=unicode)
        if drawn:
            screen.raw(drawn)
        if result.decision is not None:
            screen.fields(card.proof_fields(result.decision, result.seconds)[:1])
        if table:
            frontier.table(screen, rows)
        if not rows:
            screen.text("No layout is on the frontier.")
