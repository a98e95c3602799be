"""One layout, whatever it serves: its structure, and its figures by the performance model of the request."""

from placewright.core.model import Analytic, FixedEfficiency, Layout, Measured, Precision, Request
from placewright.core.verification import analytic, fixed, measured, structure
from placewright.core.verification.figures import Figures


def layers_of(request: Request) -> int | None:
    """Decoder layers to cover; None when neither an architecture nor a config-dir says."""
    if isinstance(request.performance, FixedEfficiency):
        return request.performance.layers
    return request.architecture.layers if request.architecture is not None else None


def precision_of(request: Request, layout: Layout) -> Precision | None:
    """The precision of the request that the layout runs in; None: it is none of the request's."""
    return next((each for each in request.precisions if each.name == layout.precision), None)


def layout_figures(request: Request, layout: Layout, *, mixed: bool = False) -> Figures:
    """Recompute rate and latencies of one layout whose structure is sound, with what forbids it.

    Args:
        request: what is served, alone.
        layout: what serves it.
        mixed: the layout's own figures are of a mix of traffic, not of this request.
    """
    precision = precision_of(request, layout)
    if precision is None:
        names = ", ".join(each.name for each in request.precisions)
        return Figures(violations=[f"the precision is {layout.precision}, the request has {names}"])
    match request.performance:
        case FixedEfficiency() as model:
            return fixed.figures(request, model, layout, precision)
        case Measured() as model:
            return measured.figures(request, model, layout, mixed=mixed)
        case Analytic():
            return analytic.figures(request, layout, precision)


def structure_violations(request: Request, layout: Layout) -> list[str]:
    """What is wrong with the stages and the concurrency, before any figure is looked at."""
    found = [
        *structure.layer_violations(layout.stages, layers_of(request)),
        *structure.stage_violations(request, layout.stages),
        *structure.runtime_violations(request, layout.stages),
        *_minimum_violations(request, layout),
    ]
    if layout.max_concurrency < 1:
        found.append(f"the concurrency is {layout.max_concurrency}, at least 1 is needed")
    stated = request.workload.concurrency
    if stated is not None and layout.max_concurrency != stated:
        found.append(f"the concurrency is {layout.max_concurrency}, the request sets {stated}")
    return found


def is_sound(request: Request, layout: Layout) -> bool:
    """Whether the stages are such that figures can be worked out at all."""
    pools = structure.pools_by_name(request)
    return bool(layout.stages) and all(stage.pool in pools and stage.layers > 0 for stage in layout.stages)


def _minimum_violations(request: Request, layout: Layout) -> tuple[str, ...]:
    """The least layers of a stage; the config-dir format has its own rule, and layers may be unknown."""
    if isinstance(request.performance, FixedEfficiency) or layers_of(request) is None:
        return ()
    least = max(1, request.parallelism.min_layers_per_stage)
    return tuple(
        f"stage {number} holds {stage.layers} layers, at least {least} are needed"
        for number, stage in enumerate(layout.stages)
        if stage.layers < least
    )
