"""`placewright pause` and `placewright resume`: nothing is acted until somebody says so."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from placewright.cli.connection import Connection, connection_options
from placewright.cli.decorate import Command, with_options
from placewright.cli.lazy import debug_option
from placewright.cli.steering import Json, Target, condition_of, status_of

if TYPE_CHECKING:
    from placewright.cli.fleet_steering import Fleet, Seen

_NO_REASON: Final = "by hand"

_WHOM: Final = (
    click.argument("name", required=False),
    click.option("-n", "--namespace", default="default", show_default=True, metavar="NAME", help="Of the request."),
    click.option("--fleet", is_flag=True, help="All requests of the cluster, in place of NAME."),
    click.option(
        "--policy",
        metavar="NAME",
        help="With --fleet: the PlacementPolicy to annotate.  [default: the first by name; resume: all]",
    ),
)


def _whom_options(command: Command) -> Command:
    """Give a command NAME or --fleet, and the options that say where to find them."""
    return with_options(connection_options(command), _WHOM)


@click.command(short_help="Act on nothing until it is resumed.")
@_whom_options
@click.option("--reason", metavar="TEXT", help=f"Why; the condition Applied shows it.  [default: {_NO_REASON}]")
@debug_option
@click.pass_context
def pause(ctx: click.Context, /, *, reason: str | None, **options: Any) -> None:
    """Act on nothing of a request, or of the whole fleet, until `placewright resume`.

    What runs goes on, planning goes on, and nothing is rolled out, scaled, reaped or woken. Writes the annotation
    placewright.dev/pause, so GitOps can do the same.
    """
    why = None if reason is None else _checked(ctx, reason)
    whom = _whom(ctx, **options)
    click.echo(_pause_one(whom, why) if isinstance(whom, Target) else _pause_all(whom, why))


@click.command(short_help="Go on after a pause, a failed rollout or a brake.")
@_whom_options
@debug_option
@click.pass_context
def resume(ctx: click.Context, /, **options: Any) -> None:
    """Go on: take a pause away; try a failed rollout again at once; with --fleet also release the brake.

    The brake holds all rollouts after too many of them failed: find out why first (`placewright explain`, the
    condition Applied of the requests).
    """
    whom = _whom(ctx, **options)
    click.echo(_resume_one(whom) if isinstance(whom, Target) else _resume_all(whom))


def _whom(
    ctx: click.Context,
    *,
    name: str | None,
    namespace: str,
    fleet: bool,
    policy: str | None,
    kubeconfig: str | None,
    context: str | None,
) -> "Target | Fleet":
    """Read NAME or --fleet.

    Raises:
        click.UsageError: both, neither, or options that do not go together.
    """
    if (name is None) == (not fleet):
        got = f"both NAME ({name}) and --fleet" if fleet else "neither NAME nor --fleet"
        raise click.UsageError(f"got {got}, wants one of them", ctx)
    if name is not None:
        if policy is not None:
            raise click.UsageError("--policy wants --fleet", ctx)
        return Target(name=name, namespace=namespace, kubeconfig=kubeconfig, context=context)
    if ctx.get_parameter_source("namespace") is not ParameterSource.DEFAULT:
        raise click.UsageError("-n wants NAME; --fleet is all namespaces", ctx)
    from placewright.cli.fleet_steering import Fleet  # noqa: PLC0415 - --help needs none of it

    return Fleet(policy=policy, connection=Connection(kubeconfig=kubeconfig, context=context))


def _checked(ctx: click.Context, reason: str) -> str:
    """The text as the annotation holds it.

    Raises:
        click.BadParameter: it says nothing, is too long, or would pause nothing.
    """
    from placewright.api.annotations import MAX_WORD, PAUSE_WORK, pause_of  # noqa: PLC0415 - --help needs none of it

    text = " ".join(reason.split())
    if text and len(text) <= MAX_WORD and pause_of({"metadata": {"annotations": {PAUSE_WORK: text}}}) == text:
        return text
    got = f"{len(text)} characters" if len(text) > MAX_WORD else repr(text)
    wants = f"1 to {MAX_WORD} printable characters that say why"
    raise click.BadParameter(f"got {got}, wants {wants}", ctx=ctx, param_hint="--reason")


# ------------------------------------------------------------------------------------------------------ one request


def _pause_one(asked: Target, reason: str | None) -> str:
    from placewright.api.annotations import PAUSE_WORK, pause_of  # noqa: PLC0415 - --help needs none of it

    def decide(resource: Json) -> dict[str, str | None]:
        stands = pause_of(resource)
        return {PAUSE_WORK: reason or _NO_REASON} if not stands or reason not in {None, stands} else {}

    before, after = asked.annotate(decide)
    why, already = pause_of(after), " already" if before is after else ""
    told = f"{asked.title}: paused{already} ({why}); what runs goes on, nothing is acted on it until `{_again(asked)}`"
    return told if _acts(before) else f"{told}; {_not_acted(before)}"


def _again(asked: Target) -> str:
    return f"placewright resume {asked.name} -n {asked.namespace}"


def _acts(resource: Json) -> bool:
    spec = resource.get("spec") or {}
    return spec.get("mode") == "Apply" and not spec.get("suspend")


def _not_acted(resource: Json) -> str:
    if (resource.get("spec") or {}).get("suspend"):
        return "it is suspended, so nothing is acted on it anyway"
    return "its mode is Recommend, so nothing is acted on it anyway"


def _resume_one(asked: Target) -> str:
    from placewright.api.annotations import PAUSE_WORK, RETRY, pause_of, retry_word  # noqa: PLC0415 - --help needs none

    def decide(resource: Json) -> dict[str, str | None]:
        wanted: dict[str, str | None] = {PAUSE_WORK: None} if pause_of(resource) else {}
        failed = retry_word(status_of(resource))
        return {**wanted, RETRY: failed} if failed else wanted

    before, after = asked.annotate(decide)
    why, failed = pause_of(before), _failed_plan(before)
    told = [f"goes on after its pause ({why})"] if why else []
    if failed:
        trouble = status_of(before)["rollout"].get("trouble") or "its replicas did not get Ready"
        told.append(f"the rollout of {failed}, which failed ({trouble}), is tried again at once")
    if not told:
        told = ["nothing to do, it is not paused and no rollout of it failed"]
    held = _held_by_fleet(before) if not why else ""
    hint = held if _acts(after) else f"; {_not_acted(after)}"
    return f"{asked.title}: {', and '.join(told)}{hint}"


def _held_by_fleet(resource: Json) -> str:
    """What of the fleet holds the request all the same; empty: nothing, as far as its status tells."""
    applied = condition_of(resource, "Applied")
    if applied.get("reason") not in {"Paused", "BrakeEngaged"}:
        return ""
    return f"; the fleet holds it ({applied.get('message', '')}): `placewright resume --fleet`"


def _failed_plan(resource: Json) -> str:
    """The plan whose rollout failed; empty: none did."""
    rollout = status_of(resource).get("rollout") or {}
    return str(rollout.get("planId", "")) if rollout.get("phase") == "Failed" else ""


# -------------------------------------------------------------------------------------------------------- the fleet


def _pause_all(fleet: "Fleet", reason: str | None) -> str:
    from placewright.api.annotations import PAUSE_ALL, pause_of  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.fleet_steering import name_of  # noqa: PLC0415

    def value(seen: "Seen") -> str:
        return reason or pause_of(seen.chosen) or _NO_REASON

    seen = fleet.annotate(lambda seen: {name_of(seen.chosen): {PAUSE_ALL: value(seen)}})
    already = " already" if pause_of(seen.chosen) == value(seen) else ""
    return (
        f"the fleet: paused{already} by PlacementPolicy {name_of(seen.chosen)} ({value(seen)}); what runs goes on,"
        " nothing is acted on any request until `placewright resume --fleet`"
    )


def _resume_all(fleet: "Fleet", clock: Callable[[], float] = time.time) -> str:
    from placewright.api.annotations import BRAKE_RELEASED, PAUSE_ALL  # noqa: PLC0415 - --help needs none of it
    from placewright.cli import emit  # noqa: PLC0415
    from placewright.cli.fleet_steering import name_of, paused  # noqa: PLC0415

    released: list[str] = []

    def freed(seen: "Seen") -> list[str]:
        return [name for name in paused(seen) if fleet.policy in {None, name}]

    def decide(seen: "Seen") -> dict[str, dict[str, str | None]]:
        wanted: dict[str, dict[str, str | None]] = {name: {PAUSE_ALL: None} for name in freed(seen)}
        if seen.braked:
            released[:] = [_after(seen.failed_at, clock())]
            wanted.setdefault(name_of(seen.chosen), {})[BRAKE_RELEASED] = released[0]
        return wanted

    seen = fleet.annotate(decide)
    if seen.braked is None:
        emit.notes(["whether the brake is engaged is not known: no right to list PlacementRequests of all namespaces"])
    return "the fleet: " + _resumed(seen, freed(seen), released)


def _resumed(seen: "Seen", freed: Sequence[str], released: Sequence[str]) -> str:
    from placewright.cli import text  # noqa: PLC0415 - --help needs none of it
    from placewright.cli.fleet_steering import paused  # noqa: PLC0415

    why = paused(seen)
    still = ", ".join(f"{name} ({why[name]})" for name in why if name not in freed)
    told = []
    if freed:
        told.append(f"the pause of {', '.join(f'{name} ({why[name]})' for name in freed)} is taken away")
    if released:
        held = text.counted(len(seen.braked or ()), "request")
        told.append(f"the brake is released for {held} that it held: failures before {released[0]} do not count")
    if still:
        told.append(f"it stays paused by {still}")
    elif told:
        told.append("rollouts, reaps and wakes go on")
    return "; ".join(told) or "nothing to do, it is not paused and its brake is not engaged"


def _after(failed_at: str, now: float) -> str:
    """Now, or a second after the last failure where this machine's clock is behind the operator's."""
    from placewright.telemetry.lenient import unix_seconds  # noqa: PLC0415 - --help needs none of it

    failed = unix_seconds(failed_at)
    moment = now if failed is None else max(now, failed + 1.0)
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
