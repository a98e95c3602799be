"""The series of /metrics that are made at scrape time from current state, so that they vanish with their object."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily

from placewright.core.model import FleetReport
from placewright.telemetry.views import PoolView, RequestView

_REQUEST = ["namespace", "name"]


def gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    """A gauge with the product's prefix, still without samples."""
    return GaugeMetricFamily(f"placewright_{name}", text, labels=labels)


def request_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    """What is told of each PlacementRequest; a family without samples still shows its HELP and TYPE."""
    yield _info_family(views)
    yield _condition_family(views)
    yield from _layout_families(views)
    yield from _gate_families(views)
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
        "request_info", "Always 1; labels describe the request.", [*_REQUEST, "model", "precision", "runtime"]
    )
    for view in views:
        family.add_metric([view.namespace, view.name, view.model, view.precision, view.runtime], 1)
    return family


def _condition_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = gauge(
        "request_status_condition",
        "Always 1 for each condition of a request; status and reason are labels.",
        [*_REQUEST, "type", "status", "reason"],
    )
    for view in views:
        for kind, status, reason in view.conditions:
            family.add_metric([view.namespace, view.name, kind, status, reason], 1)
    return family


def _layout_families(views: tuple[RequestView, ...]) -> Iterator[GaugeMetricFamily]:
    tensor = gauge("layout_tensor_parallel_size", "Tensor-parallel degree of the main layout of the plan.", _REQUEST)
    pipeline = gauge("layout_pipeline_parallel_size", "Pipeline stages of the main layout of the plan.", _REQUEST)
    replicas = gauge("layout_replicas", "Planned replicas, of all layouts of the plan together.", _REQUEST)
    gpus = gauge("layout_gpus", "Planned GPUs by pool.", [*_REQUEST, "pool"])
    per_hour = gauge("cost_usd_per_hour", "Predicted cost of the plan in USD per hour: an estimate, no bill.", _REQUEST)
    per_token = gauge(
        "cost_usd_per_token",
        "Predicted cost of one token in USD: of the demand; at full load without one.",
        _REQUEST,
    )
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
    limit = gauge("cost_gate_limit", "Limit of a gate, in the gate's own unit.", labels)
    usage = gauge("cost_gate_usage_ratio", "Actual value of a gate divided by its limit.", labels)
    blocked = gauge("cost_gate_blocked", "1 when the gate keeps the plan from being used, 0 otherwise.", labels)
    for view in views:
        for gate in view.gates:
            values = [view.namespace, view.name, gate.name]
            limit.add_metric(values, gate.limit)
            blocked.add_metric(values, float(gate.blocked))
            if gate.actual is not None and gate.limit > 0:
                usage.add_metric(values, gate.actual / gate.limit)
    yield from (limit, usage, blocked)


def _gap_family(views: tuple[RequestView, ...]) -> GaugeMetricFamily:
    family = gauge(
        "request_optimality_gap_ratio", "Proved gap between the plan and the best possible, as a ratio.", _REQUEST
    )
    for view in views:
        if view.gap_ratio is not None:
            family.add_metric([view.namespace, view.name], view.gap_ratio)
    return family
