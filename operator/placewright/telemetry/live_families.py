"""Series about live inputs and what follows from them: demand, observed cost, ramps."""

from collections.abc import Iterator, Mapping
from math import isfinite

from prometheus_client.core import GaugeMetricFamily

from placewright.telemetry.families import REQUEST_LABELS, gauge, usage_ratio
from placewright.telemetry.live_figures import LiveFigures
from placewright.telemetry.views import Key, RequestView

_NOTHING = LiveFigures()


def live_families(views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]) -> Iterator[GaugeMetricFamily]:
    """What is told of each request's live inputs and of its ramp.

    Args:
        views: the requests as they stand.
        live: their exact figures, which win over those of the status; of keys that no view has nothing is shown.
    """
    yield from _demand_families(views, live)
    yield from _observed_families(views, live)
    yield from _input_families(views, live)
    yield from _ramp_families(views)


def _demand_families(
    views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]
) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    in_force = gauge(
        "demand_requests_per_second",
        "Demand from a live source that is planned for, in requests per second.",
        REQUEST_LABELS,
    )
    measured = gauge(
        "demand_measured_requests_per_second", "Demand as measured last, in requests per second.", REQUEST_LABELS
    )
    for view in views:
        labels = [view.namespace, view.name]
        if view.demand_requests_per_second is not None:
            in_force.add_metric(labels, view.demand_requests_per_second)
        now = _finite(live.get(view.key, _NOTHING).demand_requests_per_second)
        if now is not None:
            measured.add_metric(labels, now)
    return in_force, measured


def _observed_families(
    views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]
) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    cost = gauge(
        "observed_cost_usd_per_token", "Cost of the plan divided by the tokens really served, in USD.", REQUEST_LABELS
    )
    ratio = gauge("observed_cost_ratio", "Observed cost of a token divided by the predicted one.", REQUEST_LABELS)
    for view in views:
        figures = live.get(view.key)
        observed, share = view.observed_cost_usd_per_token, view.observed_cost_ratio
        if figures is not None:
            observed = _finite(figures.observed_cost_usd_per_token)
            share = None if view.layout is None else usage_ratio(observed, view.layout.cost_usd_per_token)
        if observed is not None:
            cost.add_metric([view.namespace, view.name], observed)
        if share is not None:
            ratio.add_metric([view.namespace, view.name], share)
    return cost, ratio


def _input_families(
    views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]
) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    labels = [*REQUEST_LABELS, "input"]
    age = gauge("input_age_seconds", "Age of the newest figure of a live input.", labels)
    fresh = gauge("input_fresh", "1 when a live input is usable, 0 when it is missing, stale or no figure.", labels)
    for view in views:
        exact = {figure.name: figure for figure in live.get(view.key, _NOTHING).inputs}
        usable = dict(view.inputs) | {name: not figure.fault for name, figure in exact.items()}
        for name, seconds in ((name, _finite(figure.age_seconds)) for name, figure in exact.items()):
            if seconds is not None:
                age.add_metric([view.namespace, view.name, str(name)], seconds)
        for name, is_fresh in usable.items():
            fresh.add_metric([view.namespace, view.name, str(name)], float(is_fresh))
    return age, fresh


def _ramp_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    step = gauge("ramp_step", "Step that a new plan stands on, from 0; -1 before the first.", REQUEST_LABELS)
    steps = gauge("ramp_steps", "Steps of the ramp.", REQUEST_LABELS)
    percent = gauge("ramp_traffic_percent", "Share of the traffic that the new plan has, in percent.", REQUEST_LABELS)
    phase = gauge("ramp_phase", "Always 1; label phase is where the ramp stands.", [*REQUEST_LABELS, "phase"])
    for view in views:
        if view.ramp is None:
            continue
        labels, ramp = [view.namespace, view.name], view.ramp
        step.add_metric(labels, ramp.step)
        if ramp.steps is not None:
            steps.add_metric(labels, ramp.steps)
        if ramp.percent is not None:
            percent.add_metric(labels, ramp.percent)
        if ramp.phase:
            phase.add_metric([*labels, ramp.phase], 1)
    yield from (step, steps, percent, phase)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
