"""The series of /metrics: one collector over current state, and counters that carry no request name."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from placewright.telemetry.views import RequestView

SOLVE_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_REQUEST = ["namespace", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the operator says of itself at the moment of a scrape."""

    queue_depth: int
    watch_last_event_timestamp_seconds: float | None  # Unix time; None: nothing seen yet


class Metrics:
    """All series of the operator in a registry of their own.

    Args:
        version: of this build.
        views: the requests as they stand; called on each scrape, from another thread.
        vitals: queue and watch; called like `views`.
    """

    def __init__(
        self, *, version: str, views: Callable[[], Collection[RequestView]], vitals: Callable[[], Vitals]
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
        self.registry.register(StateCollector(version=version, views=views, vitals=vitals))


class StateCollector(Collector):
    """Series made at scrape time from current state, so that those of a request vanish with it."""

    def __init__(
        self, *, version: str, views: Callable[[], Collection[RequestView]], vitals: Callable[[], Vitals]
    ) -> None:
        self._version = version
        self._views = views
        self._vitals = vitals

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families; one without samples still shows its HELP and TYPE."""
        views = tuple(self._views())
        yield from _operator_families(self._version, self._vitals())
        yield _info_family(views)
        yield _condition_family(views)
        yield from _layout_families(views)
        yield from _gate_families(views)
        yield _gap_family(views)


def _gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"placewright_{name}", text, labels=labels)


def _operator_families(version: str, vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    build = _gauge("build_info", "Always 1; labels name the build.", ["version"])
    build.add_metric([version], 1)
    yield build
    depth = _gauge("reconcile_queue_depth", "Requests that wait for a decision.", [])
    depth.add_metric([], vitals.queue_depth)
    yield depth
    seen = _gauge("watch_last_event_timestamp_seconds", "Unix time of the newest event of the watch.", [])
    if vitals.watch_last_event_timestamp_seconds is not None:
        seen.add_metric([], vitals.watch_last_event_timestamp_seconds)
    yield seen


def _info_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = _gauge(
        "request_info", "Always 1; labels describe the request.", [*_REQUEST, "model", "precision", "runtime"]
    )
    for view in views:
        family.add_metric([view.namespace, view.name, view.model, view.precision, view.runtime], 1)
    return family


def _condition_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = _gauge(
        "request_status_condition",
        "Always 1 for each condition of a request; status and reason are labels.",
        [*_REQUEST, "type", "status", "reason"],
    )
    for view in views:
        for kind, status, reason in view.conditions:
            family.add_metric([view.namespace, view.name, kind, status, reason], 1)
    return family


def _layout_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    tensor = _gauge("layout_tensor_parallel_size", "Tensor-parallel degree of the planned layout.", _REQUEST)
    pipeline = _gauge("layout_pipeline_parallel_size", "Pipeline stages of the planned layout.", _REQUEST)
    replicas = _gauge("layout_replicas", "Planned replicas.", _REQUEST)
    gpus = _gauge("layout_gpus", "Planned GPUs by pool.", [*_REQUEST, "pool"])
    per_hour = _gauge(
        "cost_usd_per_hour", "Predicted cost of the plan in USD per hour: an estimate, no bill.", _REQUEST
    )
    per_token = _gauge("cost_usd_per_token", "Predicted cost of one token in USD at full load (estimate).", _REQUEST)
    for view in views:
        if view.layout is None:
            continue
        labels, layout = [view.namespace, view.name], view.layout
        tensor.add_metric(labels, layout.tensor_parallel)
        pipeline.add_metric(labels, layout.pipeline_parallel)
        replicas.add_metric(labels, layout.replicas)
        for pool, count in layout.gpus_by_pool:
            gpus.add_metric([*labels, pool], count)
        per_hour.add_metric(labels, layout.cost_usd_per_hour)
        per_token.add_metric(labels, layout.cost_usd_per_token)
    yield from (tensor, pipeline, replicas, gpus, per_hour, per_token)


def _gate_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    labels = [*_REQUEST, "gate"]
    limit = _gauge("cost_gate_limit", "Limit of a gate, in the gate's own unit.", labels)
    usage = _gauge("cost_gate_usage_ratio", "Actual value of a gate divided by its limit.", labels)
    blocked = _gauge("cost_gate_blocked", "1 when the gate keeps the plan from being used, 0 otherwise.", labels)
    for view in views:
        for gate in view.gates:
            values = [view.namespace, view.name, gate.name]
            limit.add_metric(values, gate.limit)
            blocked.add_metric(values, float(gate.blocked))
            if gate.actual is not None and gate.limit > 0:
                usage.add_metric(values, gate.actual / gate.limit)
    yield from (limit, usage, blocked)


def _gap_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = _gauge(
        "solve_optimality_gap_ratio", "Proved gap between the plan and the best possible, as a ratio.", _REQUEST
    )
    for view in views:
        if view.gap_ratio is not None:
            family.add_metric([view.namespace, view.name], view.gap_ratio)
    return family
