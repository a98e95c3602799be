"""From a PlacementRequest to the core's Request, with the catalog and what surrounds the request applied."""

from placewright.api import spec as api
from placewright.api.base import duration_seconds
from placewright.api.convert_model import architecture_of, check_length, precisions_of
from placewright.api.convert_pools import pools_of, price_notes
from placewright.api.policies import effective_gates
from placewright.api.profiles import figures_of, optional_seconds
from placewright.api.resource import PlacementRequest
from placewright.api.surroundings import EMPTY, Surroundings
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError


def to_request(resource: PlacementRequest, surroundings: Surroundings = EMPTY) -> core.Request:
    """Return what the core decides on.

    The catalog fills what the resource leaves out, except prices. The surroundings give shared pools, the limits and
    prices of policies, and measured rows. Pools of a selector and traffic classes come in the order of their names.

    Raises:
        UnsupportedModelError: the catalog does not hold the model, and there is neither architecture nor measured rows.
        NoPoolsError: the pool selector takes no GPUPool that can be used.
        SurroundingsError: a named PerformanceProfile is missing, or has no row for a class.
        InvalidRequestError: a field does not hold together with the catalog or with another field.
    """
    spec = resource.spec
    pools = pools_of(spec, surroundings)
    slo = _slo(spec.slo, "spec.slo")
    workload = _workload(spec.workload, slo)
    figures = figures_of(spec, pools, workload, slo, surroundings)
    rows = figures.performance.rows if isinstance(figures.performance, core.Measured) else ()
    architecture = architecture_of(spec.model, measured=bool(rows), notes=figures.notes)
    check_length(spec, architecture)
    request = core.Request(
        name=resource.metadata.name,
        namespace=resource.metadata.namespace or "",
        model_name=spec.model.name,
        architecture=architecture,
        max_model_len=_max_model_len(spec),
        precisions=precisions_of(spec.model, architecture, rows),
        workload=workload,
        slo=slo,
        pools=pools,
        parallelism=_parallelism(spec.parallelism),
        objective=_objective(spec.objective),
        gates=effective_gates(spec.gates, surroundings.policies),
        performance=figures.performance,
        solver=_solver(spec),
        priority=spec.priority,
        replicas=_replicas(spec.replicas),
        stabilization=_stabilization(spec.stabilization),
        notes=(*figures.notes, *price_notes(spec, pools)),
    )
    _check_fleet(request)
    return request


def _check_fleet(request: core.Request) -> None:
    """Refuse what the fleet solver has no meaning for: it counts replicas at least cost, and proves it."""
    if not request.in_fleet:
        return
    beside = "beside poolSelector, a demand or replicas"
    if request.solver.method is not core.Method.EXACT:
        raise InvalidRequestError("spec.solver.method", got=repr(str(request.solver.method)), wants=f"Exact {beside}")
    if request.objective.type not in {core.ObjectiveType.COST_PER_TOKEN, core.ObjectiveType.COST}:
        raise InvalidRequestError(
            "spec.objective.type", got=repr(str(request.objective.type)), wants=f"CostPerToken or Cost {beside}"
        )


def _max_model_len(spec: api.PlacementRequestSpec) -> int | None:
    """The longest sequence that a replica must hold; None: that of the one size that is asked for."""
    sizes = [each.input_tokens + each.output_tokens for each in spec.workload.classes]
    return spec.model.max_model_len if spec.model.max_model_len is not None else max(sizes, default=None)


def _workload(given: api.Workload, slo: core.Slo) -> core.Workload:
    basis = core.TokenBasis(given.token_basis)
    if given.classes:
        classes = _classes(given, slo)
        heaviest = max(classes, key=lambda each: _tokens_per_second(each, basis))
        return core.Workload(
            input_tokens=heaviest.input_tokens,
            output_tokens=heaviest.output_tokens,
            token_basis=basis,
            concurrency=given.concurrency,
            classes=classes,
        )
    for name, tokens in (("inputTokens", given.input_tokens), ("outputTokens", given.output_tokens)):
        if tokens is None:
            raise InvalidRequestError(f"spec.workload.{name}", got="nothing", wants="a value, or classes in its place")
    asked, made = given.input_tokens or 0, given.output_tokens or 0
    rate = given.requests_per_second
    one = core.TrafficClass(name="", input_tokens=asked, output_tokens=made, requests_per_second=rate or 0.0)
    return core.Workload(
        input_tokens=asked,
        output_tokens=made,
        token_basis=basis,
        concurrency=given.concurrency,
        classes=(one,) if rate is not None else (),
    )


def _classes(given: api.Workload, slo: core.Slo) -> tuple[core.TrafficClass, ...]:
    for name in ("input_tokens", "output_tokens", "requests_per_second"):
        if getattr(given, name) is not None:
            field = type(given).model_fields[name].alias
            raise InvalidRequestError(f"spec.workload.{field}", got="a value", wants="nothing beside classes")
    return tuple(
        core.TrafficClass(
            name=each.name,
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            requests_per_second=each.requests_per_second,
            slo=_class_slo(each.slo, slo, f"spec.workload.classes[{index}].slo") if each.slo is not None else None,
        )
        for index, each in sorted(enumerate(given.classes), key=lambda pair: pair[1].name)
    )


def _tokens_per_second(given: core.TrafficClass, basis: core.TokenBasis) -> float:
    tokens = given.output_tokens + (given.input_tokens if basis is core.TokenBasis.TOTAL else 0)
    return given.requests_per_second * tokens


def _slo(given: api.Slo | None, where: str) -> core.Slo:
    if given is None:
        return core.Slo()
    return core.Slo(
        ttft_seconds=optional_seconds(given.ttft, f"{where}.ttft"),
        tpot_seconds=optional_seconds(given.tpot, f"{where}.tpot"),
    )


def _class_slo(given: api.Slo, whole: core.Slo, where: str) -> core.Slo:
    """The targets of a class; what it leaves out is the whole request's."""
    own = _slo(given, where)
    return core.Slo(
        ttft_seconds=own.ttft_seconds if own.ttft_seconds is not None else whole.ttft_seconds,
        tpot_seconds=own.tpot_seconds if own.tpot_seconds is not None else whole.tpot_seconds,
    )


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
