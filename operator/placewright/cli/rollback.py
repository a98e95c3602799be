"""`placewright rollback`: an earlier plan of the audit journal serves again."""

from pathlib import Path
from typing import Any, Final

import click

from placewright.cli import exits
from placewright.cli.connection import GivenUpError
from placewright.cli.faults import Fault, FaultsError
from placewright.cli.lazy import debug_option
from placewright.cli.options import Seconds
from placewright.cli.steering import (
    Json,
    Refusals,
    Target,
    plan_id_of,
    ready_text,
    request_argument,
    status_of,
)

_EPILOG: Final = (
    "Exit codes: 0 done, 1 internal error, 2 bad input, 4 the operator refuses it, 6 --wait: not within the time."
)
_SHOWN_PLANS: Final = 5


@click.command(short_help="Let an earlier plan of a request serve again.", epilog=_EPILOG)
@request_argument
@click.option("--to", "plan_id", metavar="PLAN_ID", help="The plan, as in status.history or `placewright audit show`.")
@click.option("--release", is_flag=True, help="End a rollback instead: the operator decides anew.")
@click.option(
    "--audit",
    "journal",
    metavar="PATH",
    help="The audit journal, or a copy: the plan is looked up there first, and both costs are shown.",
)
@click.option("--wait", is_flag=True, help="Wait until the operator has done it, and print what became of it.")
@click.option("--timeout", type=Seconds(), default="60s", show_default=True, help="How long --wait waits.")
@debug_option
@click.pass_context
def rollback(
    ctx: click.Context,
    /,
    *,
    plan_id: str | None,
    release: bool,
    journal: str | None,
    wait: bool,
    timeout: float,
    **target: Any,
) -> None:
    """Restore an earlier plan of a request and hold it until `--release`.

    The operator takes the plan from its own audit journal, checks that there is room for it, and keeps the rollback and
    who asked for it in the journal. Nothing is stored but an annotation, so GitOps can do the same.
    """
    if (plan_id is None) == (not release):
        got = "both --to and --release" if release else "neither --to nor --release"
        raise click.UsageError(f"got {got}, wants one of them")
    asked = Target(**target)
    if plan_id is None:
        _release(asked)
        return
    _check_id(plan_id)
    plan = _looked_up(asked, plan_id, Path(journal)) if journal is not None else None
    known = asked.refusals() if wait else set()
    before, _ = _asked_for(asked, plan_id)
    click.echo(f"{asked.title}: {_change(before, plan_id, plan)}")
    if wait:
        ctx.exit(_outcome(asked, plan_id, timeout, known=known))


def _release(asked: Target) -> None:
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    held: list[str] = []

    def decide(resource: Json) -> dict[str, str | None]:
        held[:] = [str((resource["metadata"].get("annotations") or {}).get(annotations.ROLLBACK_TO, ""))]
        if not held[0]:
            got = f"a request without the annotation {annotations.ROLLBACK_TO}"
            raise FaultsError([Fault(place=asked.title, got=got, wants="one that is rolled back")])
        return {annotations.ROLLBACK_TO: None}

    asked.annotate(decide)
    click.echo(f"{asked.title}: {held[0]} is held no longer; the operator decides anew")


def _check_id(plan_id: str) -> None:
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    resource = {"metadata": {"annotations": {annotations.ROLLBACK_TO: plan_id}}}
    if not annotations.rollback_to(resource):
        raise FaultsError([Fault(place="--to", got=repr(plan_id), wants="the id of a plan, such as p-3f9c2a")])


def _looked_up(asked: Target, plan_id: str, path: Path) -> Json:
    """Find the plan in the journal, or say which there are."""
    from placewright.telemetry.audit.reader import plans_of  # noqa: PLC0415 - --help needs none of it

    known = plans_of(path, asked.namespace, asked.name)
    if plan_id in known:
        return known[plan_id].plan
    newest = sorted(known.values(), key=lambda each: each.time, reverse=True)[:_SHOWN_PLANS]
    told = ", ".join(f"{each.plan['id']} ({each.time[:19]}Z, {_cost(each.plan)})" for each in newest)
    wants = f"a plan of {asked.title} in {path}: {told}" if told else f"a journal with plans of {asked.title}"
    raise FaultsError([Fault(place="--to", got=plan_id, wants=wants)])


def _asked_for(asked: Target, plan_id: str) -> tuple[Json, Json]:
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    return asked.annotate(lambda _: {annotations.ROLLBACK_TO: plan_id})


def _change(before: Json, plan_id: str, plan: Json | None) -> str:
    """`p-a at $12/h -> p-b at $9/h, asked for`."""
    now = status_of(before).get("plan")
    old = f"{now['id']} at {_cost(now)}" if now else "no plan"
    told = plan or next((each for each in status_of(before).get("history") or () if each.get("id") == plan_id), None)
    cost = f" at {_cost(told)}" if told and told.get("costPerHour") is not None else ""
    if now and now["id"] == plan_id:
        return f"{old} serves already; it is held from now on"
    return f"{old} -> {plan_id}{cost}, asked for"


def _cost(plan: Json) -> str:
    from placewright.cli.text import per_hour  # noqa: PLC0415 - --help needs none of it

    return per_hour(float(plan["costPerHour"])) if plan.get("costPerHour") is not None else "an unknown cost"


def _outcome(asked: Target, plan_id: str, seconds: float, *, known: Refusals) -> int:
    def done(resource: Json) -> str:
        if plan_id_of(resource) != plan_id:
            return ""
        return f"{plan_id} serves at {_cost(status_of(resource)['plan'])}, {ready_text(resource)}"

    try:
        said = asked.wait(seconds, done, known=known)
    except GivenUpError as error:
        click.echo(f"{asked.title}: refused: {error}", err=True)
        return exits.INFEASIBLE
    if said:
        click.echo(f"{asked.title}: {said}")
        return exits.PLANNED
    click.echo(f"{asked.title}: not done within {seconds:g} s; is the operator running?", err=True)
    return exits.NOT_YET
