"""What the metrics show of each object: a small immutable view of its spec and status, read from the plain object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from placewright.telemetry.lenient import entries, mapping, number, unix_seconds

Key = tuple[str, str]  # namespace, name

_CEILINGS = ("NamespaceCostPerHour", "FleetCostPerHour")  # gates of a PlacementPolicy on sums of plans
_POOL_STATES = (  # as the series name them, as the status does
    ("capacity", "capacity"),
    ("allocated", "allocated"),
    ("free", "free"),
    ("held_by_others", "heldByOthers"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """One gate as the status tells it."""

    name: str
    limit: float
    actual: float | None
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutView:
    """The main layout of a plan, and what the whole plan takes and costs: replicas and GPUs are of all its layouts."""

    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    gpus_by_pool: tuple[tuple[str, int], ...]
    cost_usd_per_hour: float
    cost_usd_per_token: float


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
        gates=tuple(_gates(mapping(spec, "gates"), status)),
        gap_ratio=None if gap is None else gap / 100.0,
    )


def _layout(plan: Mapping[str, Any]) -> LayoutView | None:
    per_hour, per_million = number(plan.get("costPerHour")), number(plan.get("costPerMillionTokens"))
    if per_hour is None or per_million is None:
        return None
    return LayoutView(
        tensor_parallel=int(number(plan.get("tensorParallel")) or 0),
        pipeline_parallel=int(number(plan.get("pipelineParallel")) or 0),
        replicas=int(number(plan.get("replicas")) or 0),
        gpus_by_pool=tuple((str(pool), int(number(count) or 0)) for pool, count in mapping(plan, "gpusByPool").items()),
        cost_usd_per_hour=per_hour,
        cost_usd_per_token=float(f"{per_million / 1e6:.12g}"),  # 8.23586e-07, not 8.235860000000001e-07
    )


def _gates(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[GateView]:
    blocking = _blocking(spec, status)
    for entry in entries(status, "gates"):
        limit = number(entry.get("limit"))
        if limit is not None:
            yield GateView(
                name=str(entry.get("name", "")),
                limit=limit,
                actual=number(entry.get("actual")),
                blocked=any(entry is one for one in blocking),
            )


def _blocking(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The gates that keep the plan from being used.

    A ceiling always does. For the others the request says what a failed and an unknown gate do; a policy may be
    stricter, so where the plan is blocked and the request's own word accounts for no gate, the failed ones it is, or
    else the unknown ones.
    """
    stated = {
        "Fail": spec.get("onViolation", "Block") == "Block",
        "Unknown": spec.get("onUnknown", "Block") == "Block",
    }
    gates = entries(status, "gates")
    by_request = [
        gate
        for gate in gates
        if stated.get(str(gate.get("result")), False)
        or (gate.get("result") == "Fail" and gate.get("name") in _CEILINGS)
    ]
    if by_request or mapping(status, "plan").get("state") != "Blocked":
        return by_request
    failed = [gate for gate in gates if gate.get("result") == "Fail"]
    return failed or [gate for gate in gates if gate.get("result") == "Unknown"]
