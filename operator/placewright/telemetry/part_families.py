"""Series about parts of the operator itself: build, queue, watch, the audit journal."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from placewright.telemetry.families import gauge
from placewright.telemetry.live_figures import AuditState

JOURNAL = "journal"  # label `part`; the others are the names of sinks


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


def audit_families(state: AuditState | None) -> Iterator[Metric]:
    """The audit journal and its sinks; None, or one that is not enabled: none is kept."""
    records = CounterMetricFamily(
        "placewright_audit_records", "Records written to the audit journal, by kind.", labels=["kind"]
    )
    lost = CounterMetricFamily(
        "placewright_audit_lost", "Records that the journal or a sink will never get.", labels=["part"]
    )
    queue = gauge("audit_queue", "Records that are not in the audit journal yet.", [])
    waiting = gauge("audit_queue_oldest_seconds", "Age of the oldest record that is not in the journal yet.", [])
    lag = gauge("audit_sink_lag_seconds", "Age of the oldest record that a sink has not; 0: it has all.", ["sink"])
    fault = gauge("audit_fault", "1 when the journal or a sink is not as it should be, 0 otherwise.", ["part"])
    if state is not None and state.enabled:
        for kind, count in sorted(state.written.items()):
            records.add_metric([kind], count)
        queue.add_metric([], state.queued)
        waiting.add_metric([], state.oldest_queued_seconds)
        lost.add_metric([JOURNAL], state.lost)
        fault.add_metric([JOURNAL], float(bool(state.fault or state.damage)))
        for sink in state.sinks:
            lost.add_metric([sink.name], sink.lost)
            lag.add_metric([sink.name], sink.lag_seconds)
            fault.add_metric([sink.name], float(bool(sink.fault)))
    yield from (records, lost, queue, waiting, lag, fault)
