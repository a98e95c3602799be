"""`placewright wake`: a reaped model gets its replicas back."""

import time
from datetime import UTC, datetime
from typing import Any, Final

import click

from placewright.cli import exits
from placewright.cli.connection import GivenUpError
from placewright.cli.lazy import debug_option
from placewright.cli.options import Seconds
from placewright.cli.steering import Json, Target, annotation_of, condition_of, request_argument, status_of

_EPILOG: Final = (
    "Exit codes: 0 done, 1 internal error, 2 bad input, or nothing to wake, 6 --wait: not Ready within the time, or its"
    " replicas do not get Ready."
)
_AWAY: Final = ("Reaped", "Waking")


@click.command(short_help="Give a reaped model its replicas back.", epilog=_EPILOG)
@request_argument
@click.option("--wait", is_flag=True, help="Wait until all replicas are Ready, and print how long that took.")
@click.option("--timeout", type=Seconds(), default="10m", show_default=True, help="How long --wait waits.")
@debug_option
@click.pass_context
def wake(ctx: click.Context, /, *, wait: bool, timeout: float, **target: Any) -> None:
    """Wake a request that was reaped, or call off a reap that is announced.

    Writes the annotation placewright.dev/wake with the time, so GitOps can do the same; each new value wakes once. Its
    GPUs were kept in the books, so a wake is never refused for stock. Without traffic it is reaped again after
    idle.after.
    """
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    asked = Target(**target)
    value = datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def decide(resource: Json) -> dict[str, str | None]:
        state = _wakeable(asked, resource)
        return {} if state == "Waking" else {annotations.WAKE: value}

    before, after = asked.annotate(decide)
    click.echo(f"{asked.title}: {_told(before)}")
    for note in _hindrances(after):
        click.echo(f"note: {note}", err=True)
    if wait:
        watch = _Watch(annotation_of(after, annotations.WAKE), obeyed=_idle(before)["state"] == "Waking")
        ctx.exit(_outcome(asked, watch, timeout))


def _idle(resource: Json) -> Json:
    return status_of(resource).get("idle") or {}


def _wakeable(asked: Target, resource: Json) -> str:
    """The state of a request that can be woken.

    Raises:
        FaultsError: there is nothing to wake; the text says what is true.
    """
    spec, idle = resource.get("spec") or {}, _idle(resource)
    state = str(idle.get("state", ""))
    wants = "one that is reaped, or is to be"
    if spec.get("mode") != "Apply":
        raise asked.fault(got="a request with mode Recommend, which is never reaped", wants=wants)
    if spec.get("suspend"):
        raise asked.fault(
            got="a request that is suspended, on which nothing is acted", wants="spec.suspend: false first"
        )
    if state in _AWAY or (state == "Idle" and idle.get("reapAt")):
        return state
    if not idle:
        raise asked.fault(got="a request without status.idle: no idle policy looks after it (yet)", wants=wants)
    why = f" ({idle['message']})" if idle.get("message") else ""
    raise asked.fault(got=f"a request that is {state or 'in no known state'}{why}", wants=wants)


def _told(before: Json) -> str:
    """What was done, and what happens next."""
    idle = _idle(before)
    state, count = idle["state"], idle.get("replicasBefore")
    if state == "Waking":
        return f"is waking already, since {idle.get('wakeBegan') or idle.get('since') or 'a while'}"
    if state == "Idle":
        return f"the reap at {idle['reapAt']} is called off; it is reaped once it idles for the whole window again"
    replicas = "its replicas" if count is None else "its 1 replica" if count == 1 else f"its {count} replicas"
    return f"is woken, and gets {replicas} back at the operator's next look{_last_time(idle)}"


def _last_time(idle: Json) -> str:
    from placewright.cli import text  # noqa: PLC0415 - --help needs none of it

    took = idle.get("timeToReadySeconds")
    return "" if took is None else f"; the last time all were Ready after {text.age(float(took))}"


def _hindrances(resource: Json) -> list[str]:
    """Why it may take longer than one thinks."""
    from placewright.api import annotations  # noqa: PLC0415 - --help needs none of it

    name, namespace = resource["metadata"]["name"], resource["metadata"]["namespace"]
    applied = condition_of(resource, "Applied")
    why = annotations.pause_of(resource)
    if why:
        return [f"it is paused ({why}), and wakes after `placewright resume {name} -n {namespace}`"]
    if applied.get("reason") in {"Paused", "Denied", "NotEnabled"}:
        return [f"it does not wake as long as Applied is {applied['reason']}: {applied.get('message', '')}"]
    return []


def _outcome(asked: Target, watch: "_Watch", seconds: float) -> int:
    try:
        said = asked.wait(seconds, watch.look)
    except GivenUpError as error:
        click.echo(f"{asked.title}: not Ready: {error}", err=True)
        return exits.NOT_YET
    if said:
        click.echo(f"{asked.title}: {said}")
        return exits.PLANNED
    click.echo(f"{asked.title}: not Ready within {seconds:g} s{watch.where}", err=True)
    return exits.NOT_YET


class _Watch:
    """Looks at a request until the wake is over, and says on standard error when something moves.

    Args:
        value: of the annotation.
        obeyed: whether it wakes already.
    """

    def __init__(self, value: str, *, obeyed: bool) -> None:
        self._value = value
        self._obeyed = obeyed
        self._began = time.monotonic()
        self._progress = ""

    @property
    def where(self) -> str:
        """What was seen last."""
        if not self._obeyed:
            return "; the operator has not begun: is it running?"
        return f"; {self._progress}" if self._progress else ""

    def look(self, resource: Json) -> str:
        """What became of it; empty: nothing yet.

        Raises:
            GivenUpError: its replicas do not get Ready, or nobody looks after it any more.
        """
        from placewright.cli import text  # noqa: PLC0415 - --help needs none of it

        idle, rollout = _idle(resource), status_of(resource).get("rollout") or {}
        if not idle:
            raise GivenUpError("no idle policy looks after it any more")
        state = str(idle.get("state", ""))
        self._obeyed = self._obeyed or state == "Waking" or idle.get("wokenBy") == self._value
        if not self._obeyed:
            return ""
        self._say(rollout)
        if state in _AWAY:
            if rollout.get("phase") == "Failed":
                raise GivenUpError(str(rollout.get("trouble") or rollout.get("message") or "the rollout failed"))
            return ""
        took, counts = idle.get("timeToReadySeconds"), _ready_of(rollout)
        seconds = time.monotonic() - self._began if took is None else float(took)
        told = f"all {counts[1]} replicas are Ready" if counts else "all replicas are Ready"
        return f"{told} after {text.seconds(seconds)}" if seconds else f"{told}; none had to start"

    def _say(self, rollout: Json) -> None:
        counts = _ready_of(rollout)
        told = "" if counts is None else f"{counts[0]} of {counts[1]} replicas Ready"
        if told and told != self._progress:
            self._progress = told
            click.echo(told, err=True)


def _ready_of(rollout: Json) -> tuple[int, int] | None:
    """Replicas that are Ready, and that are asked for; None: not told."""
    told = rollout.get("workloads") or ()
    if not told:
        return None
    return sum(int(each.get("readyReplicas") or 0) for each in told), sum(
        int(each.get("replicas") or 0) for each in told
    )
