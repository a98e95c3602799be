"""What /metrics shows: one collector over current state, and counters that carry no request name."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from placewright.core.model import FleetReport, MoveReason
from placewright.telemetry.families import fleet_families, gauge, pool_families, request_families
from placewright.telemetry.views import PoolView, RequestView

SOLVE_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
FLEET_METHOD = "Fleet"  # label `method` of solves of several requests together


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the operator says of itself at the moment of a scrape."""

    queue_depth: int
    watch_last_event_timestamp_seconds: float | None = None  # Unix time; None: nothing seen yet


def _no_pools() -> Collection[PoolView]:
    return ()


def _no_fleet() -> FleetReport | None:
    return None


class Metrics:
    """All series of the operator in a registry of their own.

    Args:
        version: of this build.
        views: the requests as they stand; called on each scrape, from another thread.
        vitals: queue and watch; called like `views`.
        pool_views: the GPUPools as they stand; called like `views`.
        fleet: cost and proof of the fleet as last decided, None before or without; called like `views`.
    """

    def __init__(
        self,
        *,
        version: str,
        views: Callable[[], Collection[RequestView]],
        vitals: Callable[[], Vitals],
        pool_views: Callable[[], Collection[PoolView]] = _no_pools,
        fleet: Callable[[], FleetReport | None] = _no_fleet,
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
        for reason in MoveReason:  # a rate needs the zero before the first
            self.plan_moves_total.labels(str(reason))
        self.registry.register(
            StateCollector(version=version, views=views, vitals=vitals, pool_views=pool_views, fleet=fleet)
        )

    def fleet_solved(self, result: str, seconds: float) -> None:
        """Counts one solve of several requests together.

        Args:
            result: what is proved (`SolveStatus`), or the reason why there is no answer (`SolverTimeout`,
                `SolverCrashed`).
            seconds: in the worker process.
        """
        self.solve_duration_seconds.labels(FLEET_METHOD, result).observe(seconds)

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
        pool_views: Callable[[], Collection[PoolView]] = _no_pools,
        fleet: Callable[[], FleetReport | None] = _no_fleet,
    ) -> None:
        self._version = version
        self._views = views
        self._vitals = vitals
        self._pool_views = pool_views
        self._fleet = fleet

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families; one without samples still shows its HELP and TYPE."""
        yield from _operator_families(self._version, self._vitals())
        yield from request_families(tuple(self._views()))
        yield from pool_families(self._pool_views())
        yield from fleet_families(self._fleet())


def _operator_families(version: str, vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    build = gauge("build_info", "Always 1; labels name the build.", ["version"])
    build.add_metric([version], 1)
    yield build
    depth = gauge("reconcile_queue_depth", "Requests that wait for a decision.", [])
    depth.add_metric([], vitals.queue_depth)
    yield depth
    seen = gauge("watch_last_event_timestamp_seconds", "Unix time of the newest event of the watch.", [])
    if vitals.watch_last_event_timestamp_seconds is not None:
        seen.add_metric([], vitals.watch_last_event_timestamp_seconds)
    yield seen
