"""`placewright explain`."""

from typing import TYPE_CHECKING, Any

import click

from placewright.cli import exits
from placewright.cli.lazy import debug_option
from placewright.cli.options import asked, cluster_options, request_options

if TYPE_CHECKING:
    from placewright.cli.planning import Answer, Planned
    from placewright.cli.screen import Screen


@click.command(short_help="Say why this plan, what lost and what binds.", epilog=exits.HELP)
@request_options
@cluster_options
@debug_option
@click.pass_context
def explain(ctx: click.Context, /, **options: Any) -> None:
    """Say why this plan: what lost and by how much, what binds, what was left out, and the smallest change that helps.

    Takes the same inputs and options as `plan`, and exits with the same codes. For a request that shares pools it
    says who else is there, whether it would rather be elsewhere, and what it needs; of one with a status also how far
    its plan is rolled out, and whether it idles.
    """
    from placewright.cli import emit, fleet_card, planning  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    inputs = asked(options).read()
    emit.notes(inputs.notes)
    answer = planning.answer(inputs)
    screen = open_screen()
    for number, result in enumerate(answer.results):
        if number:
            screen.blank()
        _show(screen, result, answer)
    if answer.fleet is not None:
        screen.blank()
        screen.title("The fleet")
        fleet_card.show(screen, answer, wide=True)
    ctx.exit(answer.exit_code)


def _show(screen: "Screen", result: "Planned", answer: "Answer") -> None:
    """Write all that is known of one request."""
    from placewright.cli import card, fleet_fields, reasons, running_fields  # noqa: PLC0415 - --help needs none of it

    screen.title(*card.headline(result))
    decision = result.decision
    running = running_fields.running_fields(result.job.previous)
    if decision is None:
        screen.fields(running)
        return
    if decision.plan is not None:
        screen.fields(card.plan_fields(decision.plan))
        card.layout_table(screen, decision)
    screen.blank()
    screen.text("Why")
    screen.fields([*card.proof_fields(decision, result.seconds), *reasons.why_fields(decision)])
    if answer.fleet is not None and decision.request.in_fleet:
        entries = [*fleet_fields.member_fields(decision), *fleet_fields.place_fields(decision, answer.fleet)]
        if entries:
            screen.blank()
            screen.text("Where and why there")
            screen.fields(entries)
    limits = [*reasons.binding_fields(decision), *card.change_fields(decision)]
    if limits:
        screen.blank()
        screen.text("What binds" if decision.plan is not None else "What would help")
        screen.fields(limits)
    if running:
        screen.blank()
        screen.text("What runs now")
        screen.fields(running)
    card.trial_table(screen, decision.report)
    card.alternative_table(screen, decision, most=5)
    card.rejection_table(screen, decision)
