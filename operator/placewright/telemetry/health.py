"""Health from heartbeats: what must have happened lately, judged from another thread than the one it judges."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

LOOP_LIMIT_SECONDS = 10.0
WATCH_GRACE_SECONDS = 150.0  # twice kopf's inactivity limit: by then it has reconnected by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeats:
    """Times of the last signs of life, in seconds of the health's clock; None: not yet."""

    loop: float | None
    list_ok: float | None
    watch_event: float | None
    list_found_changes: float | None  # when a LIST found something that no watch event had told
    queue_waiting_since: float | None  # since when the longest waiting request is due; None: none waits
    progress: float | None  # when a request was last finished
    solver_alive: bool
    solve_limit_seconds: float  # how long the longest running solve may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a probe passes, every reason why not, and what is wrong that no restart and no other pod would mend."""

    ok: bool
    faults: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the probe answers."""
        told = ["ok"] if self.ok else self.faults
        return "".join(f"{line}\n" for line in (*told, *(f"degraded: {notice}" for notice in self.notices)))


def _no_notices() -> Collection[str]:
    return ()


class Health:
    """Judges liveness and readiness.

    An API server that is away does not fail liveness at once: a restart would not bring it back.

    Args:
        beats: reads the heartbeats; called from the HTTP thread.
        relist_seconds: how often a full LIST is due.
        clock: monotonic seconds, the clock of the heartbeats.
        notices: faults that /readyz tells and that fail no probe, in one line each: an audit journal that cannot be
            written, a Prometheus that does not answer. Called from the HTTP thread.
    """

    def __init__(
        self,
        beats: Callable[[], Heartbeats],
        *,
        relist_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        notices: Callable[[], Collection[str]] = _no_notices,
    ) -> None:
        self._beats = beats
        self._notices = notices
        self._relist_seconds = relist_seconds
        self._clock = clock
        self._started = clock()
        self.waiting_for = "the operator to start"  # readiness: what is missing; empty when nothing is

    def live(self) -> Verdict:
        """Whether a restart would help."""
        beats, now = self._beats(), self._clock()
        faults = [
            *self._loop_fault(beats, now),
            *self._list_fault(beats, now),
            *_watch_fault(beats, now),
            *_queue_fault(beats, now),
            *([] if beats.solver_alive else ["the pool of solver processes is broken"]),
        ]
        return Verdict(ok=not faults, faults=tuple(faults))

    def ready(self) -> Verdict:
        """Whether the operator sees the cluster: CRD there, first LIST done. Notices are told beside it."""
        if self.waiting_for:
            return Verdict(ok=False, faults=(f"waiting for {self.waiting_for}",))
        if self._beats().list_ok is None:
            return Verdict(ok=False, faults=("waiting for the first LIST of placementrequests",))
        return Verdict(ok=True, notices=tuple(self._notices()))

    def _loop_fault(self, beats: Heartbeats, now: float) -> list[str]:
        age = now - (self._started if beats.loop is None else beats.loop)
        return [f"the event loop has not run for {age:.0f} s"] if age > LOOP_LIMIT_SECONDS else []

    def _list_fault(self, beats: Heartbeats, now: float) -> list[str]:
        if beats.list_ok is None:
            return []  # readiness says so; before the first LIST a restart changes nothing
        seen = max(beats.list_ok, beats.watch_event or beats.list_ok)
        age, limit = now - seen, 3 * self._relist_seconds + 60.0
        return [f"neither LIST nor watch has told anything for {age:.0f} s"] if age > limit else []


def _watch_fault(beats: Heartbeats, now: float) -> list[str]:
    found = beats.list_found_changes
    if found is None or (beats.watch_event is not None and beats.watch_event >= found):
        return []
    age = now - found
    return (
        [f"the watch has been silent for {age:.0f} s about changes a LIST found"] if age > WATCH_GRACE_SECONDS else []
    )


def _queue_fault(beats: Heartbeats, now: float) -> list[str]:
    if beats.queue_waiting_since is None:
        return []
    age = now - max(beats.queue_waiting_since, beats.progress or beats.queue_waiting_since)
    limit = beats.solve_limit_seconds + 120.0
    return [f"requests wait and none was finished for {age:.0f} s"] if age > limit else []
