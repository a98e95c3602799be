"""The series of /metrics that are made at scrape time from current state, so that they vanish with their object."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

from prometheus_client.core import GaugeMetricFamily

from placewright.core.model import FleetReport
from placewright.telemetry.live_figures import LiveFigures
from placewright.telemetry.views import Key, PoolView, RequestView

REQUEST_LABELS = ["namespace", "name"]


def gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    """A gauge with the product's prefix, still without samples."""
    return GaugeMetricFamily(f"placewright_{name}", text, labels=labels)


def request_families(views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]) -> Iterator[GaugeMetricFamily]:
    """What is told of each PlacementRequest; a family without samples still shows its HELP and TYPE.

    Args:
        views: the requests as they stand.
        live: their exact figures, which win over those of the status; of keys that no view has nothing is shown.
    """
    yield _info_family(views)
    yield _condition_family(views)
    yield from _layout_families(views)
    yield from _gate_families(views, live)
    yield _gap_family(views)


def pool_families(pools: Iterable[PoolView]) -> Iterator[GaugeMetricFamily]:
    """What is told of each GPUPool: its stock and its price."""
    gpus = gauge("pool_gpus", "GPUs of a pool by state.", ["pool", "state"])
    price = gauge("pool_price_usd_per_gpu_hour", "Price of one GPU of a pool in USD per hour.", ["pool", "source"])
    dated = gauge(
        "price_last_update_timestamp_seconds", "Unix time at which the price of a pool was last known.", ["pool"]
    )
    for pool in pools:
        for state, count in pool.gpus:
            gpus.add_metric([pool.name, state], count)
        if pool.price_usd_per_gpu_hour is not None:
            price.add_metric([pool.name, pool.price_source], pool.price_usd_per_gpu_hour)
            if pool.price_as_of is not None:
                dated.add_metric([pool.name], pool.price_as_of)
    yield from (gpus, price, dated)


def fleet_families(report: FleetReport | None) -> Iterator[GaugeMetricFamily]:
    """What is told of all requests together, as they were last solved; None: nothing was."""
    cost = gauge("fleet_cost_usd_per_hour", "Predicted cost of the fleet's plans in USD per hour: no bill.", [])
    bound = gauge(
        "fleet_bound_usd_per_hour", "Proved: no plans that serve the same requests cost less, in USD per hour.", []
    )
    gap = gauge("solve_optimality_gap_ratio", "Proved gap of the newest solve of the fleet, as a ratio.", [])
    requests = gauge("fleet_requests", "Requests that the newest solve of the fleet placed or refused.", ["outcome"])
    if report is not None:
        cost.add_metric([], report.cost_per_hour)
        bound.add_metric([], report.bound_cost_per_hour)
        gap.add_metric([], report.gap_percent / 100.0)
        requests.add_metric(["Placed"], report.placed)
        requests.add_metric(["Refused"], report.refused)
    yield from (cost, bound, gap, requests)


def _info_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = gauge(
        "request_info", "Always 1; labels describe the request.", [*REQUEST_LABELS, "model", "precision", "runtime"]
    )
    for view in views:
        family.add_metric([view.namespace, view.name, view.model, view.precision, view.runtime], 1)
    return family


def _condition_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = gauge(
        "request_status_condition",
        "Always 1 for each condition of a request; status and reason are labels.",
        [*REQUEST_LABELS, "type", "status", "reason"],
    )
    for view in views:
        for kind, status, reason in view.conditions:
            family.add_metric([view.namespace, view.name, kind, status, reason], 1)
    return family


def _layout_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    tensor = gauge(
        "layout_tensor_parallel_size", "Tensor-parallel degree of the main layout of the plan.", REQUEST_LABELS
    )
    pipeline = gauge("layout_pipeline_parallel_size", "Pipeline stages of the main layout of the plan.", REQUEST_LABELS)
    replicas = gauge("layout_replicas", "Planned replicas, of all layouts of the plan together.", REQUEST_LABELS)
    gpus = gauge("layout_gpus", "Planned GPUs by pool.", [*REQUEST_LABELS, "pool"])
    per_hour = gauge(
        "cost_usd_per_hour", "Predicted cost of the plan in USD per hour: an estimate, no bill.", REQUEST_LABELS
    )
    per_token = gauge(
        "cost_usd_per_token",
        "Predicted cost of one token in USD: of the demand; at full load without one.",
        REQUEST_LABELS,
    )
    approved = gauge("plan_approved", "1 when the plan may be used, 0 when a gate blocks it.", REQUEST_LABELS)
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
        approved.add_metric(labels, float(layout.approved))
    yield from (tensor, pipeline, replicas, gpus, per_hour, per_token, approved)


def _gate_families(views: tuple[RequestView, ...], live: Mapping[Key, LiveFigures]) -> Iterator[GaugeMetricFamily]:
    labels = [*REQUEST_LABELS, "gate"]
    limit = gauge("cost_gate_limit", "Limit of a gate, in the gate's own unit.", labels)
    usage = gauge("cost_gate_usage_ratio", "Actual value of a gate divided by its limit.", labels)
    blocked = gauge("cost_gate_blocked", "1 when the gate keeps a plan from being used, 0 otherwise.", labels)
    result = gauge("gate_result", "Always 1; label result is what the gate says of the plan.", [*labels, "result"])
    for view in views:
        figures = live.get(view.key, LiveFigures())
        exact = {outcome.name: (outcome.actual, outcome.limit) for outcome in figures.gates}
        for gate in view.gates:
            values = [view.namespace, view.name, gate.name]
            limit.add_metric(values, gate.limit)
            blocked.add_metric(values, float(gate.blocked))
            if gate.result:
                result.add_metric([*values, gate.result], 1)
            ratio = usage_ratio(*exact.get(gate.name, (gate.actual, gate.limit)))
            if ratio is not None:
                usage.add_metric(values, ratio)
    yield from (limit, usage, blocked, result)


def usage_ratio(actual: float | None, limit: float) -> float | None:
    """Share of a limit that is used; None: unknown, or there is no such share."""
    if actual is None or limit <= 0 or not (isfinite(actual) and isfinite(limit)):
        return None
    return actual / limit


def _gap_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = gauge(
        "request_optimality_gap_ratio", "Proved gap between the plan and the best possible, as a ratio.", REQUEST_LABELS
    )
    for view in views:
        if view.gap_ratio is not None:
            family.add_metric([view.namespace, view.name], view.gap_ratio)
    return family
