"""Series about parts of the operator itself: build, queue, watch, queries to Prometheus, the audit journal."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

from placewright.telemetry.families import gauge
from placewright.telemetry.live_figures import AuditState, QueryCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the operator says of itself at the moment of a scrape."""

    queue_depth: int
    watch_last_event_timestamp_seconds: float | None = None  # Unix time; None: nothing seen yet


def operator_families(version: str, vitals: Vitals) -> Iterator[GaugeMetricFamily]:
    """Build, queue and watch."""
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


def query_families(counters: QueryCounters | None) -> Iterator[Metric]:
    """Queries that were sent to Prometheus; None: none is set."""
    total = CounterMetricFamily(
        "placewright_prometheus_queries", "Queries to Prometheus by how they ended.", labels=["result"]
    )
    seconds = SummaryMetricFamily("placewright_prometheus_query_seconds", "Seconds of queries to Prometheus.")
    if counters is not None:
        results = dict(counters.results)
        for result in sorted(results):
            total.add_metric([result], results[result])
        seconds.add_metric([], count_value=sum(results.values()), sum_value=counters.seconds)
    yield from (total, seconds)


def audit_families(state: AuditState | None) -> Iterator[Metric]:
    """The audit journal; None: none is kept."""
    records = CounterMetricFamily(
        "placewright_audit_records", "Records written to the audit journal, by kind.", labels=["kind"]
    )
    queue = gauge("audit_queue", "Records that are not in the audit journal yet.", [])
    lag = gauge("audit_sink_lag_seconds", "Age of the oldest record that a sink has not.", ["sink"])
    fault = gauge("audit_fault", "1 when the audit journal or a sink cannot be written, 0 otherwise.", [])
    if state is not None:
        for kind, count in sorted(state.written.items()):
            records.add_metric([kind], count)
        for sink, seconds in sorted(state.sink_lag_seconds.items()):
            lag.add_metric([sink], seconds)
        queue.add_metric([], state.queued)
        fault.add_metric([], float(bool(state.fault)))
    yield from (records, queue, lag, fault)
