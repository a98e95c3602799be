"""The plan that a stored PlacementRequest has, rebuilt from its status: the cluster is the only memory.

Figures come back with the six digits that a status has, so a plan is told by its layouts and counts, not by figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from placewright.api import status as written
from placewright.api.live import stored_ramp
from placewright.core.model import Layout, Present, RampPhase, Replicas, Stabilization, Stage

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
    return _present(plan, resource["metadata"], dwells=now < ends, held=False)


def present_of_plan(plan: Json, metadata: Json, *, dwells: bool = False, held: bool = False) -> Present | None:
    """Return a plan as one that serves, wherever it was stored: in a status, in status.ramp.previousPlan, in the audit.

    Args:
        plan: as status.plan has it.
        metadata: of the request, for its name and namespace.
        dwells: as Present.
        held: as Present.

    Returns:
        None when it is no approved plan as Placewright writes them.
    """
    read = _approved(plan)
    return _present(read, metadata, dwells=dwells, held=held) if read is not None else None


def ramped(present: Present, resource: Json) -> Present:
    """Return a present plan as the ramp of its status leaves it.

    While its ramp runs it dwells. After a rollback the plan before is held, until the spec changes.

    Args:
        present: of the request.
        resource: the PlacementRequest as stored, with its status.
    """
    ramp = stored_ramp(resource)
    if ramp is None:
        return present
    left = ramp.state.phase is RampPhase.ROLLED_BACK
    ours = ramp.state.plan_id == present.plan_id
    if not left:
        running = ours and ramp.state.phase is not RampPhase.COMPLETED
        return replace(present, dwells=True) if running else present
    generation = resource["metadata"].get("generation")
    if generation is not None and (resource.get("status") or {}).get("observedGeneration") != generation:
        return present
    if not ours:
        return replace(present, held=True)
    before = present_of_plan(ramp.previous_plan, resource["metadata"], held=True) if ramp.previous_plan else None
    return present if before is None else before


def _present(plan: written.Plan, metadata: Json, *, dwells: bool, held: bool) -> Present:
    return Present(
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        plan_id=plan.id,
        replicas=_replicas(plan.layouts),
        cost_per_hour=plan.cost_per_hour,
        dwells=dwells,
        held=held,
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
    return _approved((resource.get("status") or {}).get("plan"))


def _approved(given: Any) -> written.Plan | None:
    try:
        plan = written.Plan.model_validate(given)
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
