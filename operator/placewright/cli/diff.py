"""`placewright diff`."""

from typing import TYPE_CHECKING, Any

import click

from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.live import Source, prometheus_options
from placewright.cli.options import POOLS_OPTION, Seconds
from placewright.cli.thresholds import AtLeastZero

if TYPE_CHECKING:
    from placewright.cli.comparison import Comparison
    from placewright.cli.thresholds import Verdict

_EPILOG = (
    "Exit codes: 0 fine, 1 internal error, 2 bad input, 3 a gate newly blocks or costs rise by more than is allowed,"
    " 4 newly infeasible. What has no plan on both sides does not count."
)


@click.command(short_help="Show what a change costs, for a pull request.", epilog=_EPILOG)
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="NEW",
    multiple=True,
    required=True,
    help="The new side: files and folders of all kinds, - for stdin, or git:REVISION:PATH; may be repeated.",
)
@click.option(
    "--base",
    "bases",
    metavar="OLD",
    multiple=True,
    required=True,
    help="The old side: files and folders, git:REVISION (the paths of -f there) or git:REVISION:PATH; may be repeated.",
)
@POOLS_OPTION
@click.option(
    "-n", "--namespace", metavar="NAME", help="Namespace of requests whose file names none.  [default: default]"
)
@click.option("--time-limit", type=Seconds(), metavar="DURATION", help="Longest search, such as 30s.")
@prometheus_options
@click.option(
    "--max-increase-percent",
    type=AtLeastZero(),
    metavar="P",
    help="Exit with 3 when all plans together cost this many percent more.",
)
@click.option(
    "--max-increase-per-hour",
    type=AtLeastZero(),
    metavar="USD",
    help="Exit with 3 when all plans together cost this many USD per hour more.",
)
@click.option("--comment", type=click.Choice(["markdown"]), help="Print a comment for a pull request instead.")
@form_option("table", "json", "yaml")
@debug_option
@click.pass_context
def diff(  # noqa: PLR0913 - one argument for each option
    ctx: click.Context,
    /,
    *,
    filenames: tuple[str, ...],
    bases: tuple[str, ...],
    pools: tuple[str, ...],
    namespace: str | None,
    time_limit: float | None,
    max_increase_percent: float | None,
    max_increase_per_hour: float | None,
    comment: str | None,
    form: str,
    prometheus_url: str | None,
    prometheus_token_file: str | None,
    prometheus_ca_file: str | None,
) -> None:
    """Plan two sets of files from scratch and show what the second costs more, or less, than the first.

    Each request is shown with its cost per hour and per million tokens, its layout, and what became of it: added,
    removed, moved, lost. --pools holds for both sides. Statuses in the files do not count.
    """
    from placewright.cli import comparison_view, emit, sides, thresholds  # noqa: PLC0415 - --help needs none of it

    if comment is not None and form != "table":
        raise click.UsageError(f"got both --comment {comment} and -o {form}, wants one of them")
    asked = Source(url=prometheus_url, token_file=prometheus_token_file, ca_file=prometheus_ca_file)
    read = sides.Reading(pools=pools, namespace=namespace, time_limit_seconds=time_limit, prometheus=asked)
    old, new, notes = read.both(bases, filenames)
    emit.notes(notes)
    compared = sides.planned(old, new)
    verdicts = thresholds.verdicts(compared, percent=max_increase_percent, per_hour=max_increase_per_hour)
    if comment is not None:
        click.echo(comparison_view.markdown(compared, [str(each) for each in verdicts]), nl=False)
    elif form == "table":
        _show(compared, verdicts)
    else:
        emit.data(_data(compared, verdicts), form)
    ctx.exit(thresholds.exit_code(compared, verdicts))


def _show(compared: "Comparison", verdicts: "list[Verdict]") -> None:
    from placewright.cli import comparison_view  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import Field, open_screen  # noqa: PLC0415

    screen = open_screen()
    comparison_view.table(screen, compared)
    if verdicts:
        screen.blank()
        screen.fields([Field("limit", str(each), "bad" if each.exceeded else "good") for each in verdicts])


def _data(compared: "Comparison", verdicts: "list[Verdict]") -> dict[str, Any]:
    from placewright.api.figures import optional_figure  # noqa: PLC0415 - --help needs no pydantic
    from placewright.cli import comparison_view  # noqa: PLC0415 - --help needs none of it

    limits = [
        {"name": each.name, "limit": each.limit, "actual": optional_figure(each.actual), "exceeded": each.exceeded}
        for each in verdicts
    ]
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementDiff",
        **comparison_view.data(compared),
        "limits": limits,
    }
