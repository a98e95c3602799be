"""Plans as they are rendered: from a decision of the core, or from the status of a request."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from placewright.api import plan_status as written
from placewright.core import model as core
from placewright.core import runtime
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.values import Serving, Site, Work

Json = Mapping[str, Any]


def of_decision(request: core.Request, plan: core.Plan, sites: Mapping[str, Site]) -> Work:
    """A plan that was decided now."""
    layouts = (
        Serving(
            replicas=entry.count,
            weight=entry.weight,
            precision=entry.layout.precision,
            stages=entry.layout.stages,
            engine_args=runtime.engine_args(request, entry.layout),
            env=runtime.engine_env(request, entry.layout),
        )
        for entry in sorted(plan.replicas, key=lambda one: one.weight, reverse=True)
    )
    return _work(request, plan.id, tuple(layouts), sites, approved=plan.state is core.PlanState.APPROVED)


def of_status(request: core.Request, plan: Json, sites: Mapping[str, Site]) -> Work:
    """A plan that was decided earlier, as `status.plan` of a request holds it.

    Raises:
        RenderRefusedError: it is no plan as Placewright writes them.
    """
    try:
        read = written.Plan.model_validate(plan)
    except ValidationError as error:
        raise _spoiled(".".join(str(part) for part in error.errors()[0]["loc"])) from None
    if not read.layouts or any(layout.replicas < 1 or not layout.stages for layout in read.layouts):
        raise _spoiled("layouts")
    layouts = (
        Serving(
            replicas=layout.replicas,
            weight=layout.weight,
            precision=layout.precision,
            stages=tuple(_stage(stage) for stage in layout.stages),
            engine_args=tuple(layout.engine_args),
            env=tuple((entry.name, entry.value) for entry in layout.env or ()),
        )
        for layout in sorted(read.layouts, key=lambda one: one.weight, reverse=True)
    )
    return _work(request, read.id, tuple(layouts), sites, approved=read.state == core.PlanState.APPROVED.value)


def _spoiled(where: str) -> RenderRefusedError:
    path = f"status.plan.{where}" if where else "status.plan"
    return RenderRefusedError(f"{path} is not as Placewright writes it", change="plan the request anew")


def _stage(given: written.Stage) -> core.Stage:
    return core.Stage(
        pool=given.pool,
        gpu=given.gpu,
        tensor_parallel=given.tensor_parallel,
        first_layer=given.first_layer,
        last_layer=given.last_layer,
    )


def _work(
    request: core.Request, plan_id: str, layouts: tuple[Serving, ...], sites: Mapping[str, Site], *, approved: bool
) -> Work:
    shape = request.architecture
    return Work(
        name=request.name,
        namespace=request.namespace,
        model=request.model_name,
        plan_id=plan_id,
        approved=approved,
        starts=request.parallelism.runtime is core.Runtime.VLLM,
        layers=_layers(request),
        native_precision=shape.native_precision if shape is not None else None,
        layouts=layouts,
        sites=sites,
    )


def _layers(request: core.Request) -> int | None:
    if request.architecture is not None:
        return request.architecture.layers
    return request.performance.layers if isinstance(request.performance, core.FixedEfficiency) else None
