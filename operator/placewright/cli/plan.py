"""`placewright plan`."""

from typing import Any

import click

from placewright.cli import exits
from placewright.cli.lazy import debug_option
from placewright.cli.options import asked, request_options


@click.command(short_help="Find the cheapest layout that fits and passes.", epilog=exits.HELP)
@request_options
@click.option(
    "-o",
    "--format",
    "form",
    type=click.Choice(["table", "wide", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@debug_option
@click.pass_context
def plan(ctx: click.Context, /, form: str, **options: Any) -> None:
    """Make the operator's decision offline: the cheapest layout that fits and passes, with its proof.

    Reads PlacementRequests (-f) or a folder in the CSV format (--config-dir). Nothing is planned while any input has
    a fault; each is one line on standard error.
    """
    from placewright.cli import card, emit, planning  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    inputs = asked(options).read()
    emit.notes(inputs.notes)
    results = planning.plan_all(inputs)
    if form in ("json", "yaml"):
        emit.data(planning.plan_list(results), form)
    else:
        screen = open_screen()
        if len(results) > 1:
            card.overview(screen, results)
            screen.blank()
        for number, result in enumerate(results):
            if number:
                screen.blank()
            card.show(screen, result, wide=form == "wide")
    ctx.exit(planning.exit_code(results))
