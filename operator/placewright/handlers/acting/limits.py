"""What holds acting back: the brake after failed rollouts, and what one cycle of the fleet may move and reap."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from placewright.api.acting import Limits
from placewright.core.model import RolloutPhase, RolloutStep
from placewright.core.stock import Budget
from placewright.telemetry.views import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Whether rollouts are held because too many failed.

    Attributes:
        engaged: whether they are.
        failed: the requests whose rollouts failed of late, by name.
        until: when enough of the failures are old, Unix seconds; None: it is not engaged.
    """

    engaged: bool = False
    failed: tuple[Key, ...] = ()
    until: float | None = None

    @property
    def message(self) -> str:
        """Why rollouts are held, in one line; empty: they are not."""
        if not self.engaged:
            return ""
        named = ", ".join("/".join(key) for key in self.failed[:3])
        more = f" and {len(self.failed) - 3} more" if len(self.failed) > 3 else ""
        return f"rollouts of {len(self.failed)} requests failed of late ({named}{more}), so none begins or goes on"


def brake_of(failures: Mapping[Key, float], limits: Limits, now: float) -> Brake:
    """The brake as the stored statuses have it, so that a restart does not release it.

    Args:
        failures: when the last rollout of each request failed that failed and was not rolled out since, Unix seconds.
        limits: what the policies say.
        now: Unix seconds. What failed after it, by a clock that went back, counts.
    """
    begin = now - limits.brake_within_seconds
    released = limits.brake_released_at
    of_late = {key: at for key, at in failures.items() if at > begin and (released is None or at >= released)}
    if len(of_late) < limits.brake_failures:
        return Brake()
    times = sorted(of_late.values(), reverse=True)
    return Brake(
        engaged=True,
        failed=tuple(sorted(of_late)),
        until=times[limits.brake_failures - 1] + limits.brake_within_seconds,
    )


class Cycle:
    """What one cycle may move and reap; the next one begins by time."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seconds = 0.0
        self._rules: tuple[object, ...] = ()
        self._most_reaps = 0
        self._reaped: set[Key] = set()
        self.budget = Budget(None)

    def turn(self, limits: Limits, now: float) -> None:
        """Begins the next cycle where it is time, or where its limits are not what they were.

        Args:
            limits: what the policies say.
            now: seconds of a clock that does not go back.
        """
        rules = (limits.max_gpus_per_cycle, limits.cycle_seconds, limits.max_reaps_per_cycle)
        over = self._began is None or now - self._began >= limits.cycle_seconds
        if over or rules != self._rules:
            self._began, self._rules, self._seconds = now, rules, limits.cycle_seconds
            self._most_reaps, self._reaped = limits.max_reaps_per_cycle, set()
            self.budget = Budget(limits.max_gpus_per_cycle)

    def ends_in(self, now: float) -> float:
        """Seconds until the next cycle."""
        return 0.0 if self._began is None else max(0.0, self._began + self._seconds - now)

    def may_reap(self, key: Key, gpus: int) -> bool:
        """Whether a request may be reaped in this cycle; one that was begun in it goes on.

        Args:
            key: of the request.
            gpus: that it gives back. They go in one look or not at all: after a part of a reap, servers would be
                missing among the figures, which calls the rest of it off.
        """
        return key in self._reaped or (len(self._reaped) < self._most_reaps and self.budget.most(gpus, 1) == 1)

    def reaps(self, key: Key, gpus: int) -> None:
        """A request is being reaped, and gives so many GPUs back."""
        if key not in self._reaped:
            self._reaped.add(key)
            self.budget.take(gpus)


class Doing(StrEnum):
    """What a step is to the fleet."""

    ROLLOUT = "Rollout"
    WAKE = "Wake"  # replicas of a plan that was rolled out come back
    REAP = "Reap"
    GIVE_BACK = "GiveBack"  # what failed goes back, and what others need is left


def held(step: RolloutStep, doing: Doing, brake: Brake) -> bool:
    """Whether the brake keeps a step from being done: wakes, reaps and what gives back go on."""
    return brake.engaged and doing is Doing.ROLLOUT and step.phase is not RolloutPhase.FAILED and bool(step.actions)


def doing_of(*, emptied: bool, reaping: bool, waking: bool, rolled_out: bool) -> Doing:
    """What a step of a request is.

    Args:
        emptied: nothing of it is to run, as its GPUs are gone.
        reaping: its replicas go down to the target of a reap, or stand there.
        waking: they come back after one.
        rolled_out: its plan was rolled out before, and nothing else of it runs.
    """
    if emptied:
        return Doing.GIVE_BACK
    if reaping and rolled_out:
        return Doing.REAP
    return Doing.WAKE if waking and rolled_out else Doing.ROLLOUT
