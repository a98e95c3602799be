"""What the metrics show of each object: a small immutable view of its spec and status, read from the plain object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from placewright.telemetry.acting_views import ActingView, acting_view
from placewright.telemetry.gate_views import GateView, gate_views
from placewright.telemetry.lenient import entries, mapping, number, unix_seconds
from placewright.telemetry.live_figures import InputName

Key = tuple[str, str]  # namespace, name

_POOL_STATES = (  # as the series name them, as the status does
    ("capacity", "capacity"),
    ("allocated", "allocated"),
    ("free", "free"),
    ("held_by_others", "heldByOthers"),
)
_INPUT_MARKS = {  # where the status dates an input, and the reason that it is not fresh
    InputName.DEMAND: ("inputs", "demandAsOf", "DemandUnavailable"),
    InputName.REVENUE: ("inputs", "revenueAsOf", "RevenueUnavailable"),
    InputName.OBSERVATION: ("observed", "asOf", "ObservationUnavailable"),
    InputName.PRICES: ("inputs", "priceAsOf", "PricesStale"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutView:
    """The main layout of a plan, and what the whole plan takes and costs: replicas and GPUs are of all its layouts."""

    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    gpus_by_pool: tuple[tuple[str, int], ...]
    cost_usd_per_hour: float
    cost_usd_per_token: float
    approved: bool  # it may be used: not blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class RampView:
    """How far a new plan has taken its traffic.

    Attributes:
        step: index of the step it stands on; -1: no traffic yet.
        steps: how many there are; None: the status does not say.
        percent: of the traffic that the new plan has.
        phase: Progressing, Holding, Paused, Completed or RolledBack.
    """

    step: int
    steps: int | None
    percent: float | None
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One request as the metrics show it; everything absent is left out of the series, never zero."""

    namespace: str
    name: str
    model: str
    precision: str
    runtime: str
    conditions: tuple[tuple[str, str, str], ...]  # type, status, reason
    layout: LayoutView | None
    gates: tuple[GateView, ...]
    gap_ratio: float | None
    ramp: RampView | None
    demand_requests_per_second: float | None  # in force
    observed_cost_usd_per_token: float | None
    observed_cost_ratio: float | None
    inputs: tuple[tuple[InputName, bool], ...]  # live inputs that the status speaks of, and whether they are fresh
    acting: ActingView

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def ready_reason(self) -> str:
        """Reason of the Ready condition; empty before the first decision."""
        return next((reason for kind, _, reason in self.conditions if kind == "Ready"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One GPUPool as its status tells it; everything absent is left out of the series, never zero.

    Attributes:
        name: of the pool.
        gpus: (state, count), the states being capacity, allocated, free and held_by_others.
        price_usd_per_gpu_hour: what a GPU costs.
        price_source: where the price is from.
        price_as_of: Unix time at which the price held; None: nobody says.
    """

    name: str
    gpus: tuple[tuple[str, int], ...]
    price_usd_per_gpu_hour: float | None
    price_source: str
    price_as_of: float | None


def pool_view_of(resource: Mapping[str, Any]) -> PoolView:
    """The view of a GPUPool as the API server holds it; reads as leniently as `view_of`."""
    status = mapping(resource, "status")
    price = mapping(status, "price")
    counts = ((state, number(status.get(field))) for state, field in _POOL_STATES)
    return PoolView(
        name=str(resource["metadata"]["name"]),
        gpus=tuple((state, int(count)) for state, count in counts if count is not None),
        price_usd_per_gpu_hour=number(price.get("perGPUHour")),
        price_source=str(price.get("source", "")),
        price_as_of=unix_seconds(price.get("asOf")),
    )


def view_of(resource: Mapping[str, Any]) -> RequestView:
    """The view of a PlacementRequest as the API server holds it.

    Reads leniently: the metrics must not fail over a status that another version wrote.
    """
    metadata, spec, status = resource["metadata"], mapping(resource, "spec"), mapping(resource, "status")
    plan = mapping(status, "plan")
    gap = number(mapping(status, "solver").get("gapPercent"))
    return RequestView(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        model=str(mapping(spec, "model").get("name", "")),
        precision=str(plan.get("precision", "")),
        runtime=str(mapping(spec, "parallelism").get("runtime", "")),
        conditions=tuple(
            (str(entry.get("type", "")), str(entry.get("status", "")), str(entry.get("reason", "")))
            for entry in entries(status, "conditions")
        ),
        layout=_layout(plan),
        gates=tuple(gate_views(mapping(spec, "gates"), status)),
        gap_ratio=None if gap is None else gap / 100.0,
        ramp=_ramp(mapping(status, "ramp")),
        demand_requests_per_second=number(mapping(status, "demand").get("requestsPerSecond")),
        observed_cost_usd_per_token=_per_token(number(mapping(status, "observed").get("costPerMillionTokens"))),
        observed_cost_ratio=number(mapping(status, "observed").get("ratioToPredicted")),
        inputs=tuple(_inputs(status)),
        acting=acting_view(status),
    )


def _layout(plan: Mapping[str, Any]) -> LayoutView | None:
    per_hour, per_token = number(plan.get("costPerHour")), _per_token(number(plan.get("costPerMillionTokens")))
    if per_hour is None or per_token is None:
        return None
    return LayoutView(
        tensor_parallel=int(number(plan.get("tensorParallel")) or 0),
        pipeline_parallel=int(number(plan.get("pipelineParallel")) or 0),
        replicas=int(number(plan.get("replicas")) or 0),
        gpus_by_pool=tuple((str(pool), int(number(count) or 0)) for pool, count in mapping(plan, "gpusByPool").items()),
        cost_usd_per_hour=per_hour,
        cost_usd_per_token=per_token,
        approved=plan.get("state") != "Blocked",
    )


def _per_token(per_million: float | None) -> float | None:
    return None if per_million is None else float(f"{per_million / 1e6:.12g}")  # 8.2358e-07, not 8.235800000000001e-07


def _ramp(ramp: Mapping[str, Any]) -> RampView | None:
    step, steps = number(ramp.get("step")), ramp.get("steps")
    if step is None:
        return None
    count = float(len(steps)) if isinstance(steps, list) else number(steps)
    return RampView(
        step=int(step),
        steps=None if count is None else int(count),
        percent=number(ramp.get("percent")),
        phase=str(ramp.get("phase", "")),
    )


def _inputs(status: Mapping[str, Any]) -> Iterator[tuple[InputName, bool]]:
    """What the condition InputsFresh says of each live input: it names the one that is not."""
    fresh = next((entry for entry in entries(status, "conditions") if entry.get("type") == "InputsFresh"), None)
    if fresh is None:
        return
    reason = str(fresh.get("reason", "")) if fresh.get("status") == "False" else ""
    for name, (part, field, fault) in _INPUT_MARKS.items():
        if field in mapping(status, part) or reason == fault:
            yield name, reason != fault
