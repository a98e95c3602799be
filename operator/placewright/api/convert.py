"""From a PlacementRequest to the core's Request, with the catalog applied."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from placewright import catalog
from placewright.api import spec as api
from placewright.api.base import Inert, camel, duration_seconds
from placewright.api.resource import PlacementRequest
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError, UnsupportedModelError

# What an architecture cannot do without when the catalog does not hold the model.
_NEEDED: Final = ("layers", "hidden_size", "intermediate_size", "attention_heads", "vocab_size")
_NEEDED_EXPERTS: Final = ("experts", "experts_per_token", "moe_intermediate_size")
_NEEDED_LATENT: Final = ("kv_lora_rank", "qk_rope_head_dim")

# Fields of the API whose name in the core differs.
_EXPERT_NAMES: Final = {"moe_intermediate_size": "expert_intermediate_size"}
_LATENT_NAMES: Final = {
    "kv_lora_rank": "kv_rank",
    "qk_rope_head_dim": "rope_head_dim",
    "q_lora_rank": "query_rank",
    "qk_nope_head_dim": "nope_head_dim",
    "v_head_dim": "value_head_dim",
}


def to_request(resource: PlacementRequest) -> core.Request:
    """Return what the core decides on. The catalog fills what the resource leaves out, except prices.

    Raises:
        UnsupportedModelError: the catalog does not hold the model, and there is neither architecture nor measurements.
        InvalidRequestError: a field does not hold together with the catalog or with another field.
    """
    spec = resource.spec
    pools = tuple(_pool(pool, f"spec.pools[{index}]") for index, pool in enumerate(spec.pools))
    rows = tuple(
        _measurement(row, pools, f"spec.performance.measurements[{index}]")
        for index, row in enumerate(spec.performance.measurements)
    )
    architecture = _architecture(spec.model, measured=bool(rows))
    _check_length(spec, architecture)
    return core.Request(
        name=resource.metadata.name,
        namespace=resource.metadata.namespace or "",
        model_name=spec.model.name,
        architecture=architecture,
        max_model_len=spec.model.max_model_len,
        precisions=_precisions(spec.model, architecture, rows),
        workload=_workload(spec.workload),
        slo=_slo(spec.slo),
        pools=pools,
        parallelism=_parallelism(spec.parallelism),
        objective=_objective(spec.objective),
        gates=_gates(spec.gates),
        performance=core.Measured(rows=rows) if rows else core.Analytic(),
        solver=_solver(spec),
    )


def _optional_seconds(text: str | None, field: str) -> float | None:
    return None if text is None else duration_seconds(text, field=field)


# ------------------------------------------------------------------------------------------------------ model


def _architecture(given: api.Model, *, measured: bool) -> core.Architecture | None:
    own = given.architecture
    try:
        known = catalog.model(given.name)
    except catalog.UnknownKeyError as error:
        if own is not None:
            return _merged(own, None, f"spec.model.architecture of {given.name!r}, which the catalog does not hold")
        if measured:
            return None
        near = f" (nearest: {', '.join(error.suggestions)})" if error.suggestions else ""
        raise UnsupportedModelError(
            "spec.model.name",
            got=repr(given.name),
            wants=f"a model of the catalog{near}, or model.architecture, or performance.measurements",
        ) from error
    return known if own is None else _merged(own, known, "spec.model.architecture")


def _merged(own: api.Architecture, known: core.Architecture | None, where: str) -> core.Architecture:
    """Lay the given fields over the catalog's; what neither says is derived as Hugging Face derives it."""
    given = _given(own, leave_out=("mixture_of_experts", "latent_attention"))
    if own.mixture_of_experts is not None:
        base = known.experts if known else None
        given["experts"] = _experts(own.mixture_of_experts, base, f"{where}: mixtureOfExperts")
    if own.latent_attention is not None:
        latent = known.latent_attention if known else None
        given["latent_attention"] = _latent_attention(own.latent_attention, latent, f"{where}: latentAttention")
    if known is not None:
        merged = replace(known, **given)
    else:
        _require(own, _NEEDED, where)
        given.setdefault("key_value_heads", given["attention_heads"])
        given.setdefault("head_dim", given["hidden_size"] // given["attention_heads"])
        merged = core.Architecture(**given)
    _check_shape(merged)
    return merged


def _experts(own: api.MixtureOfExperts, known: core.MixtureOfExperts | None, where: str) -> core.MixtureOfExperts:
    given = _given(own, names=_EXPERT_NAMES)
    if known is not None:
        return replace(known, **given)
    _require(own, _NEEDED_EXPERTS, where)
    return core.MixtureOfExperts(**given)


def _latent_attention(own: api.LatentAttention, known: core.LatentAttention | None, where: str) -> core.LatentAttention:
    given = _given(own, names=_LATENT_NAMES)
    if known is not None:
        return replace(known, **given)
    _require(own, _NEEDED_LATENT, where)
    return core.LatentAttention(**given)


def _given(own: Inert, *, names: Mapping[str, str] | None = None, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields that are set, under their names in the core."""
    renamed = names or {}
    fields = (name for name in type(own).model_fields if name not in set(leave_out))
    return {renamed.get(name, name): value for name in fields if (value := getattr(own, name)) is not None}


def _require(own: Inert, names: Iterable[str], where: str) -> None:
    missing = [camel(name) for name in names if getattr(own, name) is None]
    if missing:
        raise InvalidRequestError(where, got=f"no {', '.join(missing)}", wants="all of them")


def _check_shape(shape: core.Architecture) -> None:
    """Check what CEL cannot see: the fields of the request together with those of the catalog."""
    if shape.attention_heads % shape.key_value_heads:
        raise InvalidRequestError(
            "spec.model.architecture.keyValueHeads",
            got=shape.key_value_heads,
            wants=f"a divisor of attentionHeads ({shape.attention_heads})",
        )
    experts = shape.experts
    if experts is not None and experts.experts_per_token > experts.experts:
        raise InvalidRequestError(
            "spec.model.architecture.mixtureOfExperts.expertsPerToken",
            got=experts.experts_per_token,
            wants=f"at most experts ({experts.experts})",
        )
    if experts is not None and experts.dense_layers >= shape.layers:
        raise InvalidRequestError(
            "spec.model.architecture.mixtureOfExperts.denseLayers",
            got=experts.dense_layers,
            wants=f"less than layers ({shape.layers})",
        )


def _check_length(spec: api.PlacementRequestSpec, architecture: core.Architecture | None) -> None:
    """Refuse sequences that the model cannot read: no runtime would start the plan."""
    needed = spec.workload.input_tokens + spec.workload.output_tokens
    length = spec.model.max_model_len
    if length is not None and length < needed:
        raise InvalidRequestError(
            "spec.model.maxModelLen", got=length, wants=f"at least inputTokens + outputTokens ({needed})"
        )
    longest = architecture.max_position_embeddings if architecture is not None else None
    if longest is not None and (length or needed) > longest:
        field = "spec.workload.inputTokens + outputTokens" if length is None else "spec.model.maxModelLen"
        raise InvalidRequestError(
            field, got=length or needed, wants=f"at most the model's maxPositionEmbeddings ({longest})"
        )


def _precisions(
    given: api.Model, architecture: core.Architecture | None, rows: tuple[core.Measurement, ...]
) -> tuple[core.Precision, ...]:
    if given.precisions is not None:
        return tuple(
            core.Precision(name=entry.name, drift_percent=entry.drift_percent, speedup=entry.speedup)
            for entry in given.precisions
        )
    if rows:
        return tuple(core.Precision(name=name) for name in dict.fromkeys(row.precision for row in rows))
    assert architecture is not None, "a request without an architecture has measurements"
    return (core.Precision(name=architecture.native_precision),)


# ------------------------------------------------------------------------------------------------------ pools


def _pool(given: api.Pool, where: str) -> core.Pool:
    if (given.gpu is None) == (given.accelerator is None):
        raise InvalidRequestError(
            where,
            got="both gpu and accelerator" if given.gpu else "neither gpu nor accelerator",
            wants="exactly one of gpu (a key of the GPU catalog) and accelerator (all facts of the GPU)",
        )
    gpu, intra, inter = _accelerator_and_links(given, where)
    return core.Pool(
        name=given.name,
        gpu=gpu,
        nodes=given.nodes,
        gpus_per_node=given.gpus_per_node,
        price_per_gpu_hour=given.price_per_gpu_hour,
        billing=core.Billing(given.billing),
        intra_node_gbps=intra,
        inter_node_gbps=inter,
        max_tensor_parallel=given.max_tensor_parallel,
    )


def _accelerator_and_links(given: api.Pool, where: str) -> tuple[core.Accelerator, float, float]:
    links = given.interconnect or api.Interconnect()
    if given.accelerator is not None:
        if links.intra_node_gbps is None or links.inter_node_gbps is None:
            raise InvalidRequestError(
                f"{where}.interconnect",
                got="no intraNodeGBps and interNodeGBps" if given.interconnect is None else "only one rate",
                wants="both, since the catalog does not hold the accelerator",
            )
        return _accelerator(given.accelerator), links.intra_node_gbps, links.inter_node_gbps
    key = given.gpu or ""
    try:
        gpu, defaults = catalog.gpu(key), catalog.gpu_defaults(key)
    except catalog.UnknownKeyError as error:
        near = f"{', '.join(error.suggestions)} or another" if error.suggestions else "a"
        raise InvalidRequestError(
            f"{where}.gpu", got=repr(key), wants=f"{near} key of the GPU catalog, or accelerator in its place"
        ) from error
    if links.intra_node_gbps is not None:
        gpu = replace(gpu, all_reduce_gbps=0.0)  # what the user says of these nodes wins over the usual node
    return (
        gpu,
        links.intra_node_gbps if links.intra_node_gbps is not None else defaults.intra_node_gbps,
        links.inter_node_gbps if links.inter_node_gbps is not None else defaults.inter_node_gbps,
    )


def _accelerator(given: api.Accelerator) -> core.Accelerator:
    capability = None
    if given.compute_capability is not None:
        major, minor = given.compute_capability.split(".")
        capability = (int(major), int(minor))
    return core.Accelerator(
        name=given.name,
        memory_gib=given.memory_gib,
        memory_bandwidth_gbps=given.memory_bandwidth_gbps,
        tflops_16bit=given.tflops_16bit,
        tflops_fp8=given.tflops_fp8,
        tops_int8=given.tops_int8,
        tflops_fp4=given.tflops_fp4,
        supports_bf16=given.supports_bf16,
        compute_capability=capability,
        vendor=given.vendor,
        all_reduce_gbps=given.all_reduce_gbps or 0.0,
    )


# ----------------------------------------------------------------------------------------------- everything else


def _workload(given: api.Workload) -> core.Workload:
    return core.Workload(
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        token_basis=core.TokenBasis(given.token_basis),
        concurrency=given.concurrency,
    )


def _slo(given: api.Slo | None) -> core.Slo:
    if given is None:
        return core.Slo()
    return core.Slo(
        ttft_seconds=_optional_seconds(given.ttft, "spec.slo.ttft"),
        tpot_seconds=_optional_seconds(given.tpot, "spec.slo.tpot"),
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


def _gates(given: api.Gates) -> core.Gates:
    return core.Gates(
        max_cost_per_million_tokens=given.max_cost_per_million_tokens,
        max_cost_per_hour=given.max_cost_per_hour,
        max_quantization_drift_percent=given.max_quantization_drift_percent,
        on_violation=core.OnViolation(given.on_violation),
        on_unknown=core.OnUnknown(given.on_unknown),
    )


def _measurement(given: api.Measurement, pools: tuple[core.Pool, ...], where: str) -> core.Measurement:
    return core.Measurement(
        gpu=_gpu_name(given.gpu, pools),
        tensor_parallel=given.tensor_parallel,
        pipeline_parallel=given.pipeline_parallel,
        precision=given.precision,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        requests_per_second=given.requests_per_second,
        concurrency=given.concurrency,
        ttft_seconds=_optional_seconds(given.ttft, f"{where}.ttft"),
        tpot_seconds=_optional_seconds(given.tpot, f"{where}.tpot"),
    )


def _gpu_name(key: str, pools: tuple[core.Pool, ...]) -> str:
    """Return the name by which the pools know a GPU: aliases of the catalog become its key."""
    if any(key == pool.gpu.name for pool in pools):
        return key
    try:
        return catalog.gpu(key).name
    except catalog.UnknownKeyError:
        return key  # a row of a GPU that no pool has serves nothing, and does no harm


def _solver(spec: api.PlacementRequestSpec) -> core.SolverOptions:
    method = core.Method(spec.solver.method)
    return core.SolverOptions(
        method=method,
        time_limit_seconds=duration_seconds(spec.solver.time_limit, field="spec.solver.timeLimit"),
        frontier=spec.solver.frontier,
    )
