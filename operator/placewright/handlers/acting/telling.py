"""What a written status says of rollouts and idling that was not so before: Events, audit entries, counters.

Made from the status before and after, as records are, so that only what stands is told, and only once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from placewright.api.annotations import actor_of
from placewright.core.model import IdleSignal, IdleState, RolloutPhase, SignalResult
from placewright.handlers.cache import Json
from placewright.kube.events import Transition
from placewright.telemetry.acting_figures import ActionKind, ActionResult, WakeCause
from placewright.telemetry.audit import Entry, EntryKind

Status = Mapping[str, Any]

_QUIET: Final = frozenset(
    {"RolledOut", "Progressing", "Waiting", "RolloutFailed", "NotRequested"}  # told by the rollout itself, or no news
)


class Counters(Protocol):
    """The seam: counts what was acted (`ActingCounters` does)."""

    def announced(self) -> None:
        """A reap was announced."""
        ...

    def reaped(self) -> None:
        """A request was seen at the target of its reap."""
        ...

    def woken(self, by: WakeCause) -> None:
        """A wake began."""
        ...

    def wake_ready(self, seconds: float) -> None:
        """A wake ended."""
        ...

    def acted(self, action: ActionKind, result: ActionResult) -> None:
        """An action ended, one way or another."""
        ...

    def rollout_failed(self) -> None:
        """A rollout failed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing that is told.

    Attributes:
        reason: of the Event and of the audit entry.
        message: one line.
        warning: whether somebody should look at it.
        kind: of the audit entry; None: it is worth an Event alone.
        details: of the audit entry.
        cause: of a wake; None: it is none.
        seconds: that a wake took; None: it is no end of one.
    """

    reason: str
    message: str
    warning: bool = False
    kind: EntryKind | None = None
    details: Json | None = None
    cause: WakeCause | None = None
    seconds: float | None = None


def news_of(before: Status, stored: Status) -> Iterator[News]:
    """What the status says now that it did not say before."""
    yield from _of_rollout(before.get("rollout") or {}, stored.get("rollout") or {})
    yield from _of_applied(_condition(before, "Applied"), _condition(stored, "Applied"))
    yield from _of_idle(before.get("idle") or {}, stored.get("idle") or {})


def _of_rollout(old: Status, new: Status) -> Iterator[News]:
    plan, phase, message = str(new.get("planId", "")), new.get("phase"), str(new.get("message", ""))
    details = {name: new[name] for name in ("planId", "phase", "workloads", "failures", "trouble") if name in new}
    if plan and plan != old.get("planId"):
        yield News(
            reason="RolloutStarted",
            message=f"{plan}: {message}",
            kind=EntryKind.MOVE,
            details={**details, "from": old.get("planId", "")},
        )
    failures = int(new.get("failures") or 0)
    if phase == RolloutPhase.FAILED and (old.get("planId") != plan or failures > int(old.get("failures") or 0)):
        yield News(
            reason="RolloutFailed", message=f"{plan}: {message}", warning=True, kind=EntryKind.MOVE, details=details
        )
    if plan and phase == RolloutPhase.ROLLED_OUT and (old.get("planId"), old.get("phase")) != (plan, phase):
        yield News(reason="RolledOut", message=f"{plan}: {message}", kind=EntryKind.MOVE, details=details)


def _of_applied(old: Status, new: Status) -> Iterator[News]:
    """What holds a rollout, when it begins to."""
    reason = str(new.get("reason", ""))
    if reason and reason != old.get("reason") and reason not in _QUIET:
        yield News(reason=reason, message=str(new.get("message", "")), warning=True)


def _of_idle(old: Status, new: Status) -> Iterator[News]:
    was, now = old.get("state"), new.get("state")
    message = str(new.get("message", ""))
    details = {name: new[name] for name in ("state", "reapAt", "replicasBefore", "wokenBy", "signals") if name in new}
    told: dict[str, Any] = {"message": message, "kind": EntryKind.REAP, "details": details}
    if new.get("reapAt") and not old.get("reapAt"):
        yield News(reason="IdleAnnounced", **told)
    elif old.get("reapAt") and not new.get("reapAt") and now not in {IdleState.REAPED, IdleState.IDLE}:
        yield News(reason="IdleCancelled", **told)
    if now == IdleState.REAPED and was != now:
        yield News(reason="Reaped", **told)
    if was == IdleState.REAPED and now != was:
        yield News(reason="Woken", cause=_cause(old, new), **told)
    seconds = new.get("timeToReadySeconds")
    if seconds is not None and (old.get("timeToReadySeconds"), old.get("wakeBegan")) != (seconds, new.get("wakeBegan")):
        yield News(
            reason="WakeReady",
            seconds=float(seconds),
            **{**told, "message": f"all replicas Ready {seconds:g} s after the wake"},
        )


def _cause(old: Status, new: Status) -> WakeCause:
    """Why a request was woken, by what it says of itself."""
    results = {entry.get("signal"): entry.get("result") for entry in new.get("signals") or ()}
    if new.get("wokenBy") and new.get("wokenBy") != old.get("wokenBy"):
        return WakeCause.ANNOTATION
    if results.get(IdleSignal.QUEUE) == SignalResult.ACTIVE:
        return WakeCause.QUEUE
    if results.get(IdleSignal.WISHES) in {SignalResult.HOLDS, SignalResult.ACTIVE}:
        return WakeCause.CALENDAR
    return WakeCause.SCALED if results else WakeCause.POLICY


def _condition(status: Status, kind: str) -> Status:
    found: Status = next((entry for entry in status.get("conditions") or () if entry.get("type") == kind), {})
    return found


def transition_of(news: News, stored: Json) -> Transition:
    """The Event."""
    metadata = stored["metadata"]
    return Transition(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        warning=news.warning,
        reason=news.reason,
        message=news.message,
    )


def entry_of(news: News, stored: Json) -> Entry | None:
    """The audit entry; None: it is worth none."""
    if news.kind is None:
        return None
    metadata, plan = stored["metadata"], (stored.get("status") or {}).get("plan") or {}
    return Entry(
        kind=news.kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        actor=actor_of(stored) if news.cause is WakeCause.ANNOTATION else "",
        new_cost_per_hour=plan.get("costPerHour"),
        reason=news.reason,
        message=news.message,
        details=news.details or {},
    )


def count(news: News, counters: Counters) -> None:
    """Counts it."""
    match news.reason:
        case "IdleAnnounced":
            counters.announced()
        case "Reaped":
            counters.reaped()
        case "RolloutFailed":
            counters.rollout_failed()
        case "Woken" if news.cause is not None:
            counters.woken(news.cause)
        case "WakeReady" if news.seconds is not None:
            counters.wake_ready(news.seconds)
        case _:
            pass
