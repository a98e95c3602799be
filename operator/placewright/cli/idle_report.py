"""What burns money without doing anything: one row for each request, and the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from placewright.cli.idle_sources import Subject
from placewright.core.model import IdlePolicy
from placewright.telemetry.acting_views import IdleView, acting_view
from placewright.telemetry.lenient import entries, mapping, number, unix_seconds

Json = Mapping[str, Any]

IDLE, REAPED, UNKNOWN = "Idle", "Reaped", "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request.

    Attributes:
        subject: the request.
        policy: what happens to it when it idles; None: this version cannot read the request.
        idle: as `status.idle` holds it; empty: nobody looked.
        asked: a Prometheus was asked for it just now.
        now: Unix time.
    """

    subject: Subject
    policy: IdlePolicy | None
    idle: Json
    asked: bool = False
    now: float

    @property
    def state(self) -> str:
        """Active, Unknown, Warming, Idle, Reaped or Waking; empty: nobody looked."""
        return str(self.idle.get("state", ""))

    @property
    def plan(self) -> Json:
        """The plan that may run; empty: there is none."""
        plan = mapping(self.subject.status, "plan")
        return {} if plan.get("state", "Approved") != "Approved" else plan

    @property
    def cost(self) -> float | None:
        """USD per hour of the plan; None: there is none."""
        return number(self.plan.get("costPerHour"))

    @property
    def _view(self) -> IdleView | None:
        return acting_view({"idle": dict(self.idle)}).idle

    @property
    def burns(self) -> float | None:
        """USD per hour that do nothing; None: not known, or there is no plan."""
        return None if self._view is None else self._view.burn_usd_per_hour(self.cost)

    @property
    def avoids(self) -> float:
        """USD per hour that the present reap avoids; 0: it is not reaped."""
        return 0.0 if self._view is None or self.state != REAPED else self._view.saves_usd_per_hour

    @property
    def avoided(self) -> float:
        """USD that all its reaps avoided until now."""
        return 0.0 if self._view is None else self._view.avoided_usd(self.now) or 0.0

    @property
    def since(self) -> float | None:
        """Unix time: since when it does nothing where it idles, since when its state holds otherwise; None: unknown."""
        began = unix_seconds(self.idle.get("since"))
        last = unix_seconds(self.idle.get("lastActive"))
        return last if self.state == IDLE and last is not None else began

    @property
    def reap_at(self) -> float | None:
        """Unix time of the reap that is announced; None: none is."""
        return unix_seconds(self.idle.get("reapAt"))

    @property
    def burnt(self) -> float | None:
        """USD that it burnt since then, at what it burns now; None: not known."""
        if self.burns is None or self.since is None:
            return None
        return self.burns * max(0.0, self.now - self.since) / 3600.0

    @property
    def message(self) -> str:
        """Why it stands as it does, in one line."""
        return str(self.idle.get("message", ""))

    @property
    def signals(self) -> list[Json]:
        """Each signal that was asked."""
        return entries(self.idle, "signals")

    @property
    def suggestions(self) -> list[Json]:
        """What else would save money."""
        return entries(self.idle, "suggestions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows, most expensive first, and the sums.

    Attributes:
        rows: of all requests that were read.
    """

    rows: tuple[Row, ...]

    @property
    def burning(self) -> tuple[Row, ...]:
        """What burns money."""
        return tuple(row for row in self.rows if row.burns)

    @property
    def unknown(self) -> tuple[Row, ...]:
        """With a plan, looked at, and nobody can tell."""
        return tuple(row for row in self.rows if row.plan and row.state == UNKNOWN)

    @property
    def unwatched(self) -> tuple[Row, ...]:
        """With a plan, and nobody looks."""
        return tuple(row for row in self.rows if row.plan and not row.state)

    @property
    def reaped(self) -> tuple[Row, ...]:
        """Those that are reaped now."""
        return tuple(row for row in self.rows if row.state == REAPED)

    @property
    def burns(self) -> float:
        """USD per hour of all that burns."""
        return sum(row.burns or 0.0 for row in self.rows)

    @property
    def cost(self) -> float:
        """USD per hour of all plans, less what is reaped."""
        return sum((row.cost or 0.0) - row.avoids for row in self.rows)

    @property
    def avoids(self) -> float:
        """USD per hour that all present reaps avoid."""
        return sum(row.avoids for row in self.rows)

    @property
    def avoided(self) -> float:
        """USD that all reaps avoided until now."""
        return sum(row.avoided for row in self.rows)


def report_of(rows: Sequence[Row]) -> Report:
    """Order rows: what burns most first, then by what the plan costs, then by name."""
    return Report(
        rows=tuple(sorted(rows, key=lambda row: (-(row.burns or 0.0), -(row.cost or 0.0), row.subject.title)))
    )


def data(report: Report) -> dict[str, Any]:
    """Return the report as -o json prints it, with `idle` as the status holds it."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "IdleReport",
        "items": [_item(row) for row in report.rows],
        "fleet": {
            "burnsPerHour": _rounded(report.burns),
            "costPerHour": _rounded(report.cost),
            "avoidsPerHour": _rounded(report.avoids),
            "avoidedDollars": _rounded(report.avoided),
            "burning": len(report.burning),
            "reaped": len(report.reaped),
            "unknown": len(report.unknown),
            "unwatched": len(report.unwatched),
        },
    }


def _item(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "metadata": {"namespace": row.subject.namespace, "name": row.subject.name},
        "mode": "Apply" if mapping(row.subject.body, "spec").get("mode") == "Apply" else "Recommend",
    }
    if row.policy is not None:
        told["policy"] = str(row.policy)
    if row.plan:
        told["plan"] = {"id": row.plan.get("id"), "costPerHour": row.cost, "gpusByPool": row.plan.get("gpusByPool")}
    if row.burns is not None:
        told["burnsPerHour"] = _rounded(row.burns)
    if row.burns and row.burnt is not None:
        told["burntDollars"] = _rounded(row.burnt)
    if row.idle:
        told |= {"source": "Prometheus" if row.asked else "Status", "idle": dict(row.idle)}
    return told


def _rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")
