"""What the metrics show of a request's rollout and of its idling, read from its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from placewright.telemetry.lenient import entries, mapping, number, unix_seconds

_IDLE, _REAPED, _UNKNOWN = "Idle", "Reaped", "Unknown"
_MISSING = "Missing"
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """One workload of a request.

    Attributes:
        name: of the workload, with its kind where that is needed to tell two apart.
        wanted: replicas that its spec asks for; None: not told.
        ready: replicas that are Ready; None: not told.
    """

    name: str
    wanted: float | None
    ready: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleView:
    """Where a model stands that an idle policy looks after.

    Attributes:
        state: Active, Unknown, Warming, Idle, Reaped or Waking; empty: not told.
        last_active: Unix time; None: it was never seen active.
        signals: (signal, result) of the newest look.
        saves_usd_per_hour: by the present reap; 0: it is not reaped.
        saved_usd: by all reaps until `saved_at`; None: never reaped.
        saved_at: Unix time; None: not told.
    """

    state: str
    last_active: float | None
    signals: tuple[tuple[str, str], ...]
    saves_usd_per_hour: float
    saved_usd: float | None
    saved_at: float | None

    @property
    def missing(self) -> int:
        """Signals that are missing, stale or partial."""
        return sum(result == _MISSING for _, result in self.signals)

    def avoided_usd(self, now: float) -> float | None:
        """USD that all its reaps avoided until now; None: never reaped.

        Args:
            now: Unix time; one before `saved_at` (a clock that went back) adds nothing.
        """
        if self.saved_usd is None:
            return None
        seconds = 0.0 if self.saved_at is None else max(0.0, now - self.saved_at)
        return self.saved_usd + self.saves_usd_per_hour * seconds / _HOUR_SECONDS

    def burn_usd_per_hour(self, plan_usd_per_hour: float | None) -> float | None:
        """What it costs now without doing anything: its plan while it idles, what its reap leaves while it is reaped.

        Args:
            plan_usd_per_hour: cost of its plan; None: it has none.

        Returns:
            0 while it works, starts or warms up; None: nobody knows whether it idles, or what it costs.
        """
        if self.state in {"", _UNKNOWN}:
            return None
        if self.state not in {_IDLE, _REAPED}:
            return 0.0
        if plan_usd_per_hour is None:
            return None
        saved = self.saves_usd_per_hour if self.state == _REAPED else 0.0
        return max(0.0, plan_usd_per_hour - saved)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingView:
    """What is told of acting on one request.

    Attributes:
        phase: of its rollout: RolledOut, Progressing, Waiting or Failed; empty: nothing is rolled out.
        workloads: that run of it.
        idle: None: no idle policy looks after it.
    """

    phase: str
    workloads: tuple[WorkloadView, ...]
    idle: IdleView | None


def acting_view(status: Mapping[str, Any]) -> ActingView:
    """Reads `status.rollout` and `status.idle`, as leniently as `views.view_of`."""
    rollout = mapping(status, "rollout")
    return ActingView(
        phase=str(rollout.get("phase", "")),
        workloads=_workloads(entries(rollout, "workloads")),
        idle=_idle(mapping(status, "idle")),
    )


def _workloads(told: list[Mapping[str, Any]]) -> tuple[WorkloadView, ...]:
    names = [str(entry.get("name", "")) for entry in told]
    found = {}
    for entry, name in zip(told, names, strict=True):
        # A workload that is scaled for its owner may have the name of one that was rendered before.
        label = name if names.count(name) == 1 else f"{entry.get('kind', '')}/{name}"
        found[label] = WorkloadView(
            name=label, wanted=number(entry.get("replicas")), ready=number(entry.get("readyReplicas"))
        )
    return tuple(found.values())


def _idle(idle: Mapping[str, Any]) -> IdleView | None:
    if not idle:
        return None
    signals = {str(entry.get("signal", "")): str(entry.get("result", "")) for entry in entries(idle, "signals")}
    return IdleView(
        state=str(idle.get("state", "")),
        last_active=unix_seconds(idle.get("lastActive")),
        signals=tuple(signals.items()),
        saves_usd_per_hour=number(idle.get("avoidedCostPerHour")) or 0.0,
        saved_usd=number(idle.get("avoidedDollars")),
        saved_at=unix_seconds(idle.get("avoidedAsOf")),
    )
