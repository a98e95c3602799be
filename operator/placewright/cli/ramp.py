"""`placewright ramp`: look at a request's ramp and steer it."""

from typing import Any, Final

import click

from placewright.cli.decorate import form_option
from placewright.cli.lazy import debug_option
from placewright.cli.steering import Json, Target, annotation_of, request_argument, status_of

_OVER: Final = ("Completed", "RolledBack")


@click.group(short_help="Look at a request's ramp and steer it.")
def ramp() -> None:
    """Look at the ramp of a request, by which a new plan takes its traffic step by step, and steer it.

    Each command but `status` writes annotations, with the name of who did it; the operator acts on them and keeps that
    in the audit journal. A promote never passes a gate that fails.
    """


@ramp.command(short_help="Show step, share of traffic and the gates of the next step.")
@request_argument
@form_option("table", "json", "yaml")
@debug_option
def status(form: str, **target: Any) -> None:
    """Show where the ramp stands, why, and what each gate of the next step says."""
    from placewright.cli import emit, ramp_view  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.screen import open_screen  # noqa: PLC0415

    asked = Target(**target)
    resource = asked.read()
    found = _ramp_of(asked, resource)
    if form == "table":
        ramp_view.show(open_screen(), asked.title, found, resource)
    else:
        emit.data(found, form)


@ramp.command(short_help="Enter the next step once its gates pass, without waiting.")
@request_argument
@debug_option
def promote(**target: Any) -> None:
    """Enter the next step as soon as its gates pass, without waiting for holdFor.

    A plan that was rolled back begins its ramp anew, without traffic.
    """
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    asked = Target(**target)
    told: list[str] = []

    def decide(resource: Json) -> dict[str, str | None]:
        found = _ramp_of(asked, resource)
        if found["phase"] == "Completed":
            raise asked.fault(got=f"a ramp of {found['planId']} that is completed", wants="a ramp that is under way")
        if annotation_of(resource, annotations.RAMP) == annotations.PAUSE:
            raise asked.fault(
                got="a ramp that is paused", wants=f"`placewright ramp resume {asked.name} -n {asked.namespace}` first"
            )
        step = int(found["step"]) + 1
        told[:] = [_aim(found, step)]
        wanted: dict[str, str | None] = {annotations.RAMP_PROMOTE: annotations.step_name(found["planId"], step)}
        if annotation_of(resource, annotations.RAMP_ROLLBACK) == found["planId"]:
            wanted[annotations.RAMP_ROLLBACK] = None  # it would win over the promote
        return wanted

    asked.annotate(decide)
    click.echo(f"{asked.title}: {told[0]}")


@ramp.command(short_help="Stay at the present step until it is resumed.")
@request_argument
@debug_option
def pause(**target: Any) -> None:
    """Stay at the present step until `placewright ramp resume`: nothing goes forward, and no failing gate goes back."""
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    asked = Target(**target)

    def decide(resource: Json) -> dict[str, str | None]:
        found = _ramp_of(asked, resource)
        if found["phase"] in _OVER:
            raise asked.fault(
                got=f"a ramp of {found['planId']} that is over ({found['phase']})", wants="a ramp that is under way"
            )
        return {annotations.RAMP: annotations.PAUSE}

    asked.annotate(decide)
    click.echo(f"{asked.title}: the ramp stays at its step until `placewright ramp resume`")


@ramp.command(short_help="Go on after a pause.")
@request_argument
@debug_option
def resume(**target: Any) -> None:
    """Go on after a pause.

    The times went on meanwhile: a step whose time is over by now is entered, or left, at once.
    """
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    asked = Target(**target)

    def decide(resource: Json) -> dict[str, str | None]:
        if annotation_of(resource, annotations.RAMP) != annotations.PAUSE:
            raise asked.fault(got="a ramp that is not paused", wants="one that is")
        return {annotations.RAMP: None}

    asked.annotate(decide)
    click.echo(f"{asked.title}: the ramp goes on by its gates")


@ramp.command(short_help="Leave the plan that ramps; the one before serves again.")
@request_argument
@debug_option
def rollback(**target: Any) -> None:
    """Leave the plan that ramps: the one before serves again, until the spec changes or the plan is promoted."""
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    asked = Target(**target)
    told: list[str] = []

    def decide(resource: Json) -> dict[str, str | None]:
        found = _ramp_of(asked, resource)
        if found["phase"] == "RolledBack":
            raise asked.fault(
                got=f"a ramp of {found['planId']} that is rolled back already", wants="a ramp that is under way"
            )
        if not found.get("previousPlan"):
            raise asked.fault(
                got=f"a ramp of {found['planId']}, with no plan before it", wants="a ramp with a plan to go back to"
            )
        told[:] = [f"{found['planId']} is left, {found['previousPlan']['id']} serves again"]
        return {annotations.RAMP_ROLLBACK: found["planId"]}

    asked.annotate(decide)
    click.echo(f"{asked.title}: {told[0]}")


def _ramp_of(asked: Target, resource: Json) -> Json:
    found = status_of(resource).get("ramp")
    if isinstance(found, dict):
        return found
    if not (resource.get("spec") or {}).get("ramp"):
        raise asked.fault(got="a request without spec.ramp", wants="a request with one")
    raise asked.fault(got="a request whose plan does not ramp (yet)", wants="a request with status.ramp")


def _aim(found: Json, step: int) -> str:
    if found["phase"] == "RolledBack":
        return f"{found['planId']} begins its ramp anew"
    if step >= int(found["steps"]):
        return f"the ramp of {found['planId']} is completed once its gates pass"
    return f"step {step + 1} of {found['steps']} of {found['planId']} is entered once its gates pass"
