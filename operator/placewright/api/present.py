"""The plan that a stored PlacementRequest has, rebuilt from its status: the cluster is the only memory.

Figures come back with the six digits that a status has, so a plan is told by its layouts and counts, not by figures.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from placewright.api import status as written
from placewright.core.model import Layout, Present, Replicas, Stabilization, Stage

Json = Mapping[str, Any]


def present_of(resource: Json, stabilization: Stabilization, now: datetime) -> Present | None:
    """Return the plan that a request has now.

    Args:
        resource: the PlacementRequest as stored, with its status.
        stabilization: of its spec, for how long a plan dwells.
        now: an aware time.

    Returns:
        None when there is no approved plan, or its status is not one that Placewright has written.
    """
    plan = _approved_plan(resource)
    ends = _dwell_ends(plan, stabilization) if plan is not None else None
    if plan is None or ends is None:
        return None
    metadata = resource["metadata"]
    return Present(
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        plan_id=plan.id,
        replicas=_replicas(plan.layouts),
        cost_per_hour=plan.cost_per_hour,
        dwells=now < ends,
    )


def dwell_ends(resource: Json, stabilization: Stabilization) -> datetime | None:
    """Return until when saving alone is no reason to give up the present plan; None: there is no approved plan."""
    plan = _approved_plan(resource)
    return _dwell_ends(plan, stabilization) if plan is not None else None


def _dwell_ends(plan: written.Plan, stabilization: Stabilization) -> datetime | None:
    """None when the time is none, which only somebody else can have written."""
    try:
        decided = datetime.fromisoformat(plan.decided_at)
        return decided + timedelta(seconds=stabilization.min_dwell_seconds) if decided.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _approved_plan(resource: Json) -> written.Plan | None:
    """The plan as the status types read it; None also when somebody else has spoiled it."""
    status = resource.get("status") or {}
    try:
        plan = written.Plan.model_validate(status.get("plan"))
    except ValidationError:
        return None
    return plan if plan.state == "Approved" and plan.layouts else None


def _replicas(layouts: Sequence[written.Layout]) -> tuple[Replicas, ...]:
    # A class always comes to some layout, so together the layouts name all classes.
    classes = sorted({entry.name for layout in layouts for entry in layout.class_weights or ()})
    return tuple(
        Replicas(
            layout=_layout(layout),
            count=layout.replicas,
            weight=layout.weight,
            class_weights=_class_weights(layout, classes),
        )
        for layout in layouts
    )


def _class_weights(layout: written.Layout, classes: Sequence[str]) -> tuple[float, ...]:
    weights = {entry.name: entry.weight for entry in layout.class_weights or ()}
    return tuple(weights.get(name, 0.0) for name in classes)


def _layout(layout: written.Layout) -> Layout:
    return Layout(
        stages=tuple(_stage(stage) for stage in layout.stages),
        precision=layout.precision,
        max_concurrency=layout.max_concurrency,
        cost_per_hour=layout.cost_per_hour,
        tokens_per_second=layout.tokens_per_second,
        requests_per_second=layout.requests_per_second,
        ttft_seconds=layout.ttft_seconds,
        tpot_seconds=layout.tpot_seconds,
    )


def _stage(stage: written.Stage) -> Stage:
    return Stage(
        pool=stage.pool,
        gpu=stage.gpu,
        tensor_parallel=stage.tensor_parallel,
        first_layer=stage.first_layer,
        last_layer=stage.last_layer,
    )
