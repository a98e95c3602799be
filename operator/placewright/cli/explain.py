"""`placewright explain`."""

from typing import Any

import click

from placewright.cli import exits
from placewright.cli.lazy import debug_option
from placewright.cli.options import asked, request_options


@click.command(short_help="Say why this plan, what lost and what binds.", epilog=exits.HELP)
@request_options
@debug_option
@click.pass_context
def explain(ctx: click.Context, /, **options: Any) -> None:
    """Say why this plan: what lost and by how much, what binds, what was left out, and the smallest change that helps.

    Takes the same inputs and options as `plan`, and exits with the same codes.
    """
    from placewright.cli import card, emit, planning, reasons  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    inputs = asked(options).read()
    emit.notes(inputs.notes)
    results = planning.plan_all(inputs)
    screen = open_screen()
    for number, result in enumerate(results):
        if number:
            screen.blank()
        screen.title(*card.headline(result))
        decision = result.decision
        if decision is None:
            continue
        if decision.plan is not None:
            screen.fields(card.plan_fields(decision.plan))
        screen.blank()
        screen.text("Why")
        screen.fields([*card.proof_fields(decision, result.seconds), *reasons.why_fields(decision)])
        limits = [*reasons.binding_fields(decision), *card.change_fields(decision)]
        if limits:
            screen.blank()
            screen.text("What binds" if decision.plan is not None else "What would help")
            screen.fields(limits)
        card.trial_table(screen, decision.report)
        card.alternative_table(screen, decision, most=5)
        card.rejection_table(screen, decision)
    ctx.exit(planning.exit_code(results))
