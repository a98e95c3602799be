"""What /metrics shows: one collector over current state, and counters that carry no request name."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, disable_created_metrics
from prometheus_client.registry import Collector

from placewright.core.model import FleetReport, MoveReason
from placewright.telemetry.acting_counters import ActingCounters
from placewright.telemetry.acting_families import AvoidedDollars, acting_families
from placewright.telemetry.acting_figures import ActingFigures, ActingState
from placewright.telemetry.families import fleet_families, pool_families, request_families
from placewright.telemetry.live_families import live_families
from placewright.telemetry.live_figures import AuditState, LiveFigures
from placewright.telemetry.part_families import Vitals, audit_families, operator_families
from placewright.telemetry.policy_families import policy_families
from placewright.telemetry.policy_views import PolicyView
from placewright.telemetry.views import Key, PoolView, RequestView

__all__ = ["FLEET_METHOD", "Metrics", "Parts", "Vitals"]

SOLVE_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
QUERY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FLEET_METHOD = "Fleet"  # label `method` of solves of several requests together


def _nothing() -> None:
    return None


def _empty() -> tuple[()]:
    return ()


def _not_live(key: Key) -> LiveFigures | None:
    del key
    return None


def _not_acted(key: Key) -> ActingFigures | None:
    del key
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where the series of the operator's parts come from, besides requests and vitals; each may be left out.

    All are called on each scrape, from another thread than the operator's.

    Attributes:
        pools: the GPUPools as they stand.
        policies: the PlacementPolicies as they stand (`policy_views.policy_view_of`).
        fleet: cost and proof of the fleet as last decided; None: before or without.
        live: exact figures of one request; None: it has no live inputs, or nothing was asked yet.
        audit: state of the audit trail; None: none is kept.
        acting: figures of now of one request; None: it was not looked at yet, its status alone counts.
        acting_state: brake and pause of the fleet; None: nothing is acted, or nobody looked yet.
    """

    pools: Callable[[], Collection[PoolView]] = _empty
    policies: Callable[[], Collection[PolicyView]] = _empty
    fleet: Callable[[], FleetReport | None] = _nothing
    live: Callable[[Key], LiveFigures | None] = _not_live
    audit: Callable[[], AuditState | None] = _nothing
    acting: Callable[[Key], ActingFigures | None] = _not_acted
    acting_state: Callable[[], ActingState | None] = _nothing


_NO_PARTS = Parts()


class Metrics:
    """All series of the operator in a registry of their own.

    Args:
        version: of this build.
        views: the requests as they stand; called on each scrape, from another thread.
        vitals: queue and watch; called like `views`.
        parts: everything else.
        clock: tells Unix time.

    Attributes:
        acting: counters of what was acted.
    """

    def __init__(
        self,
        *,
        version: str,
        views: Callable[[], Collection[RequestView]],
        vitals: Callable[[], Vitals],
        parts: Parts = _NO_PARTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # `_created` samples would double the series for nothing.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        self.solve_duration_seconds = Histogram(
            "placewright_solve_duration_seconds",
            "Seconds one solve took in its worker process, by method and result.",
            ["method", "result"],
            buckets=SOLVE_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.status_writes_total = Counter(
            "placewright_status_writes_total",
            "Status writes by how they ended.",
            ["result"],
            registry=self.registry,
        )
        self.plan_moves_total = Counter(
            "placewright_plan_moves_total",
            "Changes of plan that were written, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.prometheus_queries_total = Counter(
            "placewright_prometheus_queries_total",
            "Queries to Prometheus by how they ended.",
            ["result"],
            registry=self.registry,
        )
        self.prometheus_query_seconds = Histogram(
            "placewright_prometheus_query_seconds",
            "Seconds of queries to Prometheus.",
            buckets=QUERY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        for reason in MoveReason:  # a rate needs the zero before the first
            self.plan_moves_total.labels(str(reason))
        self.acting = ActingCounters(self.registry)
        self.registry.register(StateCollector(version=version, views=views, vitals=vitals, parts=parts, clock=clock))

    def fleet_solved(self, result: str, seconds: float) -> None:
        """Counts one solve of several requests together.

        Args:
            result: what is proved (`SolveStatus`), or the reason why there is no answer (`SolverTimeout`,
                `SolverCrashed`).
            seconds: in the worker process.
        """
        self.solve_duration_seconds.labels(FLEET_METHOD, result).observe(seconds)

    def query_answered(self, result: str, seconds: float) -> None:
        """Counts one query to Prometheus.

        Args:
            result: `Success`, or the kind of the fault.
            seconds: until the answer or the fault.
        """
        self.prometheus_queries_total.labels(result).inc()
        self.prometheus_query_seconds.observe(seconds)

    def plan_moved(self, reason: MoveReason) -> None:
        """Counts one change of plan (`Decision.move`); to be called once, when the status with it was written."""
        self.plan_moves_total.labels(str(reason)).inc()


class StateCollector(Collector):
    """Series made at scrape time from current state, so that those of an object vanish with it."""

    def __init__(
        self,
        *,
        version: str,
        views: Callable[[], Collection[RequestView]],
        vitals: Callable[[], Vitals],
        parts: Parts,
        clock: Callable[[], float],
    ) -> None:
        self._version = version
        self._views = views
        self._vitals = vitals
        self._parts = parts
        self._clock = clock
        self._avoided = AvoidedDollars()

    def collect(self) -> Iterator[Metric]:
        """All families; one without samples still shows its HELP and TYPE."""
        parts, views = self._parts, tuple(self._views())
        known = ((view.key, parts.live(view.key)) for view in views)
        live = {key: figures for key, figures in known if figures is not None}
        yield from operator_families(self._version, self._vitals())
        yield from request_families(views, live)
        yield from live_families(views, live)
        looked = ((view.key, parts.acting(view.key)) for view in views)
        acted = {key: figures for key, figures in looked if figures is not None}
        yield from acting_families(views, acted, parts.acting_state(), self._avoided, self._clock())
        yield from policy_families(views, parts.policies())
        yield from pool_families(parts.pools())
        yield from fleet_families(parts.fleet())
        yield from audit_families(parts.audit())
