"""The plan that a stored PlacementRequest has, rebuilt from its status: the cluster is the only memory.

Figures come back with the six digits that a status has, so a plan is told by its layouts and counts, not by figures.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from placewright.core.model import Layout, PlanState, Present, Replicas, Stabilization, Stage

Json = Mapping[str, Any]


def present_of(resource: Json, stabilization: Stabilization, now: datetime) -> Present | None:
    """Return the plan that a request has now.

    Args:
        resource: the PlacementRequest as stored, with its status.
        stabilization: of its spec, for how long a plan dwells.
        now: an aware time.

    Returns:
        None when there is no approved plan, or the status is not one that Placewright has written.
    """
    plan = _approved_plan(resource)
    if plan is None:
        return None
    try:
        replicas = _replicas(plan["layouts"])
        ends = _dwell_ends(plan, stabilization)
        return Present(
            namespace=resource["metadata"].get("namespace") or "",
            name=resource["metadata"]["name"],
            plan_id=plan["id"],
            replicas=replicas,
            cost_per_hour=float(plan["costPerHour"]),
            dwells=now < ends,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def dwell_ends(resource: Json, stabilization: Stabilization) -> datetime | None:
    """Return until when saving alone is no reason to give up the present plan; None: there is no approved plan."""
    plan = _approved_plan(resource)
    if plan is None:
        return None
    try:
        return _dwell_ends(plan, stabilization)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _approved_plan(resource: Json) -> Json | None:
    plan = (resource.get("status") or {}).get("plan")
    return plan if plan and plan.get("state") == PlanState.APPROVED else None


def _dwell_ends(plan: Json, stabilization: Stabilization) -> datetime:
    return datetime.fromisoformat(plan["decidedAt"]) + timedelta(seconds=stabilization.min_dwell_seconds)


def _replicas(layouts: Sequence[Json]) -> tuple[Replicas, ...]:
    if not layouts:
        raise ValueError("a plan has at least one layout")
    # A class always comes to some layout, so together the layouts name all classes.
    classes = sorted({entry["name"] for layout in layouts for entry in layout.get("classWeights") or ()})
    return tuple(
        Replicas(
            layout=_layout(entry),
            count=int(entry["replicas"]),
            weight=float(entry["weight"]),
            class_weights=_class_weights(entry, classes),
        )
        for entry in layouts
    )


def _class_weights(layout: Json, classes: Sequence[str]) -> tuple[float, ...]:
    weights = {entry["name"]: float(entry["weight"]) for entry in layout.get("classWeights") or ()}
    return tuple(weights.get(name, 0.0) for name in classes)


def _layout(data: Json) -> Layout:
    return Layout(
        stages=tuple(_stage(stage) for stage in data["stages"]),
        precision=data["precision"],
        max_concurrency=int(data["maxConcurrency"]),
        cost_per_hour=float(data["costPerHour"]),
        tokens_per_second=float(data["tokensPerSecond"]),
        requests_per_second=float(data["requestsPerSecond"]),
        ttft_seconds=data.get("ttftSeconds"),
        tpot_seconds=data.get("tpotSeconds"),
    )


def _stage(data: Json) -> Stage:
    return Stage(
        pool=data["pool"],
        gpu=data["gpu"],
        tensor_parallel=int(data["tensorParallel"]),
        first_layer=int(data["firstLayer"]),
        last_layer=int(data["lastLayer"]),
    )
