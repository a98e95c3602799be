"""What the metrics show of each request: a small immutable view of its spec and status, read from the plain object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """One gate as the status tells it."""

    name: str
    limit: float
    actual: float | None
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutView:
    """The main layout of a plan and what the plan costs."""

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


def view_of(resource: Mapping[str, Any]) -> RequestView:
    """The view of a PlacementRequest as the API server holds it.

    Reads leniently: the metrics must not fail over a status that another version wrote.
    """
    metadata, spec, status = resource["metadata"], _mapping(resource, "spec"), _mapping(resource, "status")
    plan = _mapping(status, "plan")
    gap = _number(_mapping(status, "solver").get("gapPercent"))
    return RequestView(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        model=str(_mapping(spec, "model").get("name", "")),
        precision=str(plan.get("precision", "")),
        runtime=str(_mapping(spec, "parallelism").get("runtime", "")),
        conditions=tuple(
            (str(entry.get("type", "")), str(entry.get("status", "")), str(entry.get("reason", "")))
            for entry in _entries(status, "conditions")
        ),
        layout=_layout(plan),
        gates=tuple(_gates(_mapping(spec, "gates"), status)),
        gap_ratio=None if gap is None else gap / 100.0,
    )


def _layout(plan: Mapping[str, Any]) -> LayoutView | None:
    per_hour, per_million = _number(plan.get("costPerHour")), _number(plan.get("costPerMillionTokens"))
    if per_hour is None or per_million is None:
        return None
    return LayoutView(
        tensor_parallel=int(_number(plan.get("tensorParallel")) or 0),
        pipeline_parallel=int(_number(plan.get("pipelineParallel")) or 0),
        replicas=int(_number(plan.get("replicas")) or 0),
        gpus_by_pool=tuple(
            (str(pool), int(_number(count) or 0)) for pool, count in _mapping(plan, "gpusByPool").items()
        ),
        cost_usd_per_hour=per_hour,
        cost_usd_per_token=float(f"{per_million / 1e6:.12g}"),  # 8.23586e-07, not 8.235860000000001e-07
    )


def _gates(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[GateView]:
    blocks = {
        "Fail": spec.get("onViolation", "Block") == "Block",
        "Unknown": spec.get("onUnknown", "Block") == "Block",
    }
    for entry in _entries(status, "gates"):
        limit = _number(entry.get("limit"))
        if limit is not None:
            yield GateView(
                name=str(entry.get("name", "")),
                limit=limit,
                actual=_number(entry.get("actual")),
                blocked=blocks.get(str(entry.get("result")), False),
            )


def _mapping(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _entries(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = parent.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
