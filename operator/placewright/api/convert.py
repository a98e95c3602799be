"""From a PlacementRequest to the core's Request, with the catalog and what surrounds the request applied."""

from placewright.api import annotations
from placewright.api import spec as api
from placewright.api.base import duration_seconds
from placewright.api.convert_model import architecture_of, check_length, precisions_of
from placewright.api.convert_pools import pools_of, price_notes
from placewright.api.convert_workload import follows_live_figures, slo_of, workload_of
from placewright.api.live import NO_LIVE, Live
from placewright.api.policies import effective_gates
from placewright.api.profiles import figures_of
from placewright.api.resource import PlacementRequest
from placewright.api.surroundings import EMPTY, Surroundings
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError


def to_request(resource: PlacementRequest, surroundings: Surroundings = EMPTY, live: Live = NO_LIVE) -> core.Request:
    """Return what the core decides on.

    The catalog fills what the resource leaves out, except prices. The surroundings give shared pools, the limits and
    prices of policies, and measured rows. Pools of a selector and traffic classes come in the order of their names.

    Args:
        resource: the request as read.
        surroundings: of its cluster or its files.
        live: its live figures in force; they count where the spec reads its demand or its revenue live.

    Raises:
        UnsupportedModelError: the catalog does not hold the model, and there is neither architecture nor measured rows.
        NoPoolsError: the pool selector takes no GPUPool that can be used.
        DemandUnavailableError: workload.demandFrom has no figure in force yet.
        SurroundingsError: a named PerformanceProfile is missing, or has no row for a class.
        InvalidRequestError: a field does not hold together with the catalog or with another field.
    """
    spec = resource.spec
    pools = pools_of(spec, surroundings)
    slo = slo_of(spec.slo, "spec.slo")
    workload = workload_of(spec, slo, surroundings, live)
    figures = figures_of(spec, pools, workload, slo, surroundings)
    rows = figures.performance.rows if isinstance(figures.performance, core.Measured) else ()
    architecture = architecture_of(spec.model, measured=bool(rows), notes=figures.notes)
    check_length(spec, architecture)
    request = core.Request(
        name=resource.metadata.name,
        namespace=resource.metadata.namespace or "",
        model_name=spec.model.name,
        architecture=architecture,
        max_model_len=_max_model_len(spec, workload),
        precisions=precisions_of(spec.model, architecture, rows),
        workload=workload,
        slo=slo,
        pools=pools,
        parallelism=_parallelism(spec.parallelism),
        objective=_objective(spec.objective),
        gates=effective_gates(spec.gates, surroundings.policies, live.revenue_per_hour),
        performance=figures.performance,
        solver=_solver(spec),
        priority=spec.priority,
        replicas=_replicas(spec.replicas),
        stabilization=_stabilization(spec.stabilization),
        notes=(*figures.notes, *price_notes(spec, pools), *_length_notes(spec), *_annotation_notes(resource)),
    )
    if request.in_fleet or follows_live_figures(spec):
        _check_fleet(request)
    return request


def _length_notes(spec: api.PlacementRequestSpec) -> tuple[str, ...]:
    """A server refuses what is longer than it was started for, and sizes that are read live are means of buckets."""
    source = spec.workload.demand_from
    if source is None or source.preset is None or spec.model.max_model_len is not None:
        return ()
    return ("model.maxModelLen is not set: replicas are made for the longest class of the live demand, no longer ones",)


def _annotation_notes(resource: PlacementRequest) -> tuple[str, ...]:
    """What of our annotations means nothing: who wrote it waits for something that does not come."""
    return annotations.faults_of({"metadata": {"annotations": resource.metadata.annotations}})


def _check_fleet(request: core.Request) -> None:
    """Refuse what the fleet solver has no meaning for: it counts replicas at least cost, and proves it."""
    beside = "beside poolSelector, a demand, replicas, a ramp or live figures"
    if request.solver.method is not core.Method.EXACT:
        raise InvalidRequestError("spec.solver.method", got=repr(str(request.solver.method)), wants=f"Exact {beside}")
    if request.objective.type not in {core.ObjectiveType.COST_PER_TOKEN, core.ObjectiveType.COST}:
        raise InvalidRequestError(
            "spec.objective.type", got=repr(str(request.objective.type)), wants=f"CostPerToken or Cost {beside}"
        )


def _max_model_len(spec: api.PlacementRequestSpec, workload: core.Workload) -> int | None:
    """The longest sequence that a replica must hold; None: that of the one size that is asked for."""
    if spec.model.max_model_len is not None or not (spec.workload.classes or spec.workload.demand_from):
        return spec.model.max_model_len
    return max((each.input_tokens + each.output_tokens for each in workload.classes), default=None)


def _parallelism(given: api.Parallelism) -> core.Parallelism:
    return core.Parallelism(
        tensor=tuple(sorted(given.tensor)),
        max_pipeline=given.max_pipeline,
        min_layers_per_stage=given.min_layers_per_stage,
        allow_mixed_pools=given.allow_mixed_pools,
        runtime=core.Runtime(given.runtime),
    )


def _objective(given: api.Objective) -> core.Objective:
    if given.type == "Cost" and given.min_tokens_per_second is None:
        raise InvalidRequestError(
            "spec.objective.minTokensPerSecond", got="nothing", wants="the throughput to be had at least cost"
        )
    return core.Objective(
        type=core.ObjectiveType(given.type),
        cost_weight=0.5 if given.cost_weight is None else given.cost_weight,
        min_tokens_per_second=given.min_tokens_per_second or 0.0,
    )


def _solver(spec: api.PlacementRequestSpec) -> core.SolverOptions:
    return core.SolverOptions(
        method=core.Method(spec.solver.method),
        time_limit_seconds=duration_seconds(spec.solver.time_limit, field="spec.solver.timeLimit"),
        frontier=spec.solver.frontier,
    )


def _replicas(given: api.Replicas) -> core.ReplicaBounds:
    if given.max is not None and given.max < given.min:
        raise InvalidRequestError("spec.replicas.max", got=given.max, wants=f"at least min ({given.min})")
    return core.ReplicaBounds(min=given.min, max=given.max)


def _stabilization(given: api.Stabilization) -> core.Stabilization:
    return core.Stabilization(
        min_savings_percent=given.min_savings_percent,
        min_dwell_seconds=duration_seconds(given.min_dwell, field="spec.stabilization.minDwell"),
        load_seconds=duration_seconds(given.load_time, field="spec.stabilization.loadTime"),
    )
