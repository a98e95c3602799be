"""Series about rollouts and idling: one state for each request, and what the fleet's reaps avoided."""

from collections.abc import Iterator, Mapping
from math import isfinite
from threading import Lock

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from placewright.telemetry.acting_figures import ActingFigures, ActingState
from placewright.telemetry.acting_views import IdleView
from placewright.telemetry.families import REQUEST_LABELS, gauge
from placewright.telemetry.views import Key, RequestView

_NOTHING = ActingFigures()


class AvoidedDollars:
    """Dollars that reaps of all requests avoided while this process runs: a sum that only grows.

    What a request had avoided before it was seen first does not count again after a restart, and one that is deleted
    takes nothing back. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: Mapping[Key, float] = {}
        self._total = 0.0

    def total(self, avoided: Mapping[Key, float]) -> float:
        """USD until now.

        Args:
            avoided: of each request that there is, over all its life. A sum that fell is another request's of that
                name, and counts from there.
        """
        with self._lock:
            self._total += sum(max(0.0, usd - self._seen.get(key, usd)) for key, usd in avoided.items())
            self._seen = dict(avoided)
            return self._total


def acting_families(
    views: tuple[RequestView, ...],
    exact: Mapping[Key, ActingFigures],
    state: ActingState | None,
    saved: AvoidedDollars,
    now: float,
) -> Iterator[Metric]:
    """What is told of each request's rollout and idling, and of all together.

    Args:
        views: the requests as they stand.
        exact: figures of now, which win over those of the status; of keys that no view has nothing is shown.
        state: of the fleet's rollouts; None: nothing is acted here.
        saved: the sum over all requests, which goes on with each call.
        now: Unix time.
    """
    idle = [(view, view.acting.idle) for view in views if view.acting.idle is not None]
    yield from _rollout_families(views)
    yield from _idle_families(idle, exact)
    yield from _money_families(idle, saved, now)
    yield from _fleet_families(state)


def _rollout_families(views: tuple[RequestView, ...]) -> Iterator[Metric]:
    phase = gauge("rollout_phase", "Always 1; label phase is where the rollout stands.", [*REQUEST_LABELS, "phase"])
    replicas = gauge(
        "workload_replicas", "Replicas of a workload: wanted, and Ready.", [*REQUEST_LABELS, "workload", "state"]
    )
    for view in views:
        labels = [view.namespace, view.name]
        if view.acting.phase:
            phase.add_metric([*labels, view.acting.phase], 1)
        for workload in view.acting.workloads:
            for state, count in (("wanted", workload.wanted), ("ready", workload.ready)):
                if count is not None:
                    replicas.add_metric([*labels, workload.name, state], count)
    yield from (phase, replicas)


def _idle_families(
    idle: list[tuple[RequestView, IdleView]], exact: Mapping[Key, ActingFigures]
) -> Iterator[GaugeMetricFamily]:
    active = gauge(
        "request_last_active_timestamp_seconds", "Unix time at which the model was seen active last.", REQUEST_LABELS
    )
    queue = gauge("idle_queue_requests", "Requests that wait in the queue in front of the model.", REQUEST_LABELS)
    state = gauge("idle_state", "Always 1; label state is where the model stands.", [*REQUEST_LABELS, "state"])
    signals = gauge(
        "idle_signal",
        "Always 1; label result is what a signal of activity says.",
        [*REQUEST_LABELS, "signal", "result"],
    )
    missing = gauge("idle_signal_missing", "Signals of activity that are missing, stale or partial.", REQUEST_LABELS)
    for view, told in idle:
        labels, figures = [view.namespace, view.name], exact.get(view.key, _NOTHING)
        for family, value in (
            (active, _first_finite(figures.last_active, told.last_active)),
            (queue, _first_finite(figures.queue_requests)),
        ):
            if value is not None:
                family.add_metric(labels, value)
        if told.state:
            state.add_metric([*labels, told.state], 1)
        missing.add_metric(labels, told.missing)
        for signal, result in told.signals:
            signals.add_metric([*labels, signal, result], 1)
    yield from (active, queue, state, signals, missing)


def _first_finite(*values: float | None) -> float | None:
    return next((value for value in values if value is not None and isfinite(value)), None)


def _money_families(idle: list[tuple[RequestView, IdleView]], saved: AvoidedDollars, now: float) -> Iterator[Metric]:
    burn = gauge(
        "idle_burn_usd_per_hour",
        "What a model that idles costs now, in USD per hour; 0 while it works.",
        REQUEST_LABELS,
    )
    rate = gauge("idle_avoided_usd_per_hour", "What the present reap avoids, in USD per hour.", REQUEST_LABELS)
    own = gauge("idle_request_avoided_usd", "USD that all reaps of a request avoided until now.", REQUEST_LABELS)
    avoided: dict[Key, float] = {}
    for view, told in idle:
        labels = [view.namespace, view.name]
        cost = told.burn_usd_per_hour(None if view.layout is None else view.layout.cost_usd_per_hour)
        if cost is not None:
            burn.add_metric(labels, cost)
        rate.add_metric(labels, told.saves_usd_per_hour)
        avoided[view.key] = told.avoided_usd(now) or 0.0
        own.add_metric(labels, avoided[view.key])
    yield from (burn, rate, own)
    yield CounterMetricFamily(
        "placewright_idle_avoided_usd",
        "USD that reaps of all requests avoided since the operator started.",
        value=saved.total(avoided),
    )


def _fleet_families(state: ActingState | None) -> Iterator[GaugeMetricFamily]:
    brake = gauge("rollout_brake", "1 while failed rollouts hold all others, 0 otherwise.", [])
    paused = gauge("acting_paused", "1 while a PlacementPolicy pauses all acting, 0 otherwise.", [])
    if state is not None:
        brake.add_metric([], float(state.brake))
        paused.add_metric([], float(state.paused))
    yield from (brake, paused)
