"""`placewright plan`."""

from typing import TYPE_CHECKING, Any

import click

from placewright.cli import exits
from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.options import Asked, asked, cluster_options, request_options

if TYPE_CHECKING:
    from placewright.cli.comparison import Comparison
    from placewright.cli.planning import Answer


@click.command(short_help="Find the cheapest layout that fits and passes.", epilog=exits.HELP)
@request_options
@cluster_options
@click.option("--keep-present", is_flag=True, help="Plans in the files' statuses are there: stabilization keeps them.")
@click.option(
    "--what-if",
    "what_if",
    metavar="CHANGE",
    multiple=True,
    help="Plan with a change and show the difference: 'pool l40s nodes+2', 'price l40s=0.9', 'request chat rps*2';"
    " may be repeated.",
)
@form_option("table", "wide", "json", "yaml")
@debug_option
@click.pass_context
def plan(ctx: click.Context, /, form: str, what_if: tuple[str, ...], **options: Any) -> None:
    """Make the operator's decision: the cheapest layouts that fit and pass, with their proof.

    Reads files (-f), a cluster (--from-cluster) or a folder in the CSV format (--config-dir). Requests that share
    pools are planned together. Nothing is planned while any file has a fault; each is one line on standard error.
    """
    from placewright.cli import emit, planning  # noqa: PLC0415 - --help needs none of it

    given = asked(options)
    compared: Comparison | None
    if what_if:
        answer, compared = _with_changes(given, what_if)
    else:
        inputs = given.read()
        emit.notes(inputs.notes)
        answer = planning.answer(inputs)
        compared = _now_and_new(answer) if given.from_cluster else None
    if form in ("json", "yaml"):
        emit.data(_data(answer, compared, what_if), form)
    else:
        _show(answer, compared, what_if, wide=form == "wide")
    ctx.exit(answer.exit_code)


def _with_changes(given: Asked, texts: tuple[str, ...]) -> "tuple[Answer, Comparison]":
    """Plan without and with the changes."""
    from datetime import UTC, datetime  # noqa: PLC0415 - --help needs none of it

    from placewright.cli import emit, planning, what_if  # noqa: PLC0415
    from placewright.cli.comparison import compare, side_of  # noqa: PLC0415
    from placewright.cli.inputs import observe  # noqa: PLC0415

    changes = what_if.parse(texts)
    scene = given.scene()
    changed = what_if.apply(scene, changes, lambda each: observe(each, now=datetime.now(tz=UTC)))
    before, after = given.inputs(scene), given.inputs(changed)
    emit.notes(dict.fromkeys((*before.notes, *after.notes)))
    without, answer = planning.answer(before), planning.answer(after)
    return answer, compare(side_of(without), side_of(answer))


def _now_and_new(answer: "Answer") -> "Comparison":
    from placewright.cli.comparison import compare, present_side, side_of  # noqa: PLC0415 - --help needs none of it

    return compare(present_side(answer), side_of(answer))


def _data(answer: "Answer", compared: "Comparison | None", what_if: tuple[str, ...]) -> dict[str, Any]:
    from placewright.cli import comparison_view, planning  # noqa: PLC0415 - --help needs none of it

    listed = planning.plan_list(answer)
    if compared is None:
        return listed
    told = comparison_view.data(compared)
    return {**listed, **({"whatIf": {"changes": list(what_if), **told}} if what_if else {"changes": told})}


def _show(answer: "Answer", compared: "Comparison | None", what_if: tuple[str, ...], *, wide: bool) -> None:
    from placewright.cli import card, comparison_view, fleet_card, overview  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    screen = open_screen()
    many, fleet = len(answer.results) > 1, answer.fleet is not None
    if compared is not None:
        screen.title(f"With {'; '.join(what_if)}" if what_if else "Now in the cluster, and what would be decided")
        comparison_view.table(screen, compared, everything=not what_if)
    if (many or fleet) and (compared is None or what_if):
        if compared is not None:
            screen.blank()
        overview.table(screen, answer.results)
    fleet_card.show(screen, answer, wide=wide)
    if many and not wide and (fleet or compared is not None):
        screen.text("More about each: -o wide, or placewright explain.")
        return
    for number, result in enumerate(answer.results):
        if number or many or fleet or compared is not None:
            screen.blank()
        card.show(screen, result, wide=wide)
