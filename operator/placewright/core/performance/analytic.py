"""The analytic performance model (planning.md section 2a): figures from a model's shape and a GPU's published facts.

Additive: a step costs a fixed time, reads weights and KV cache, computes, communicates, and carries its share of
prompts. `terms.py` has the form, `coefficients.py` the fitted constants, `memory.py` what must fit, and
docs/performance-model.md the whole in formulae.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf

import numpy as np

from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import Architecture, Pool, Precision, Rejection, Request, Runtime
from placewright.core.performance import memory
from placewright.core.performance.base import FloatArray, IntArray, Setting
from placewright.core.performance.coefficients import FITTED
from placewright.core.performance.drift import allowed_precisions
from placewright.core.performance.links import hop_seconds, leaves_node
from placewright.core.performance.precision import arithmetic_tflops, facts, unsupported_reason
from placewright.core.performance.shape import LayerShape, layer_shapes
from placewright.core.performance.terms import (
    Coefficients,
    Group,
    Load,
    layer_first_token_seconds,
    layer_step_terms,
    stage_first_token_seconds,
    stage_step_terms,
)

CONCURRENCIES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Sequences in flight that are tried when the workload does not say. All are sizes for which vLLM captures a CUDA graph
(1, 2, 4, then multiples of 8), up to its default --max-num-seqs of 256."""


class AnalyticModel:
    """Performance model of requests whose `performance` is Analytic; see base.PerformanceModel."""

    def __init__(self, coefficients: Coefficients = FITTED) -> None:
        """Predict with these coefficients; the committed ones by default."""
        self._coefficients = coefficients

    def settings(self, request: Request) -> Iterator[Setting]:
        """Yield a Setting per precision, concurrency, stages and node-crossing; see base.PerformanceModel."""
        check(request)
        for precision in allowed_precisions(request):
            kinds = kinds_of(request, precision)
            if len(kinds.pool):
                yield from self._of_precision(request, kinds)

    def rejections(self, request: Request) -> Sequence[Rejection]:
        """Say which classes of candidates are left out and why; see base.PerformanceModel."""
        from placewright.core.performance.refusals import refusals  # noqa: PLC0415 - it looks at kinds of this module

        check(request)
        return refusals(request)

    def layers(self, request: Request) -> int:
        """Decoder layers to be covered."""
        return architecture_of(request).layers

    def confidence(self, request: Request) -> str:
        """`Modelled`, or `Lower` for a mixture of experts."""
        return "Lower" if architecture_of(request).experts is not None else "Modelled"

    def _of_precision(self, request: Request, kinds: "Kinds") -> Iterator[Setting]:
        timings: dict[int, _Timing] = {}
        for concurrency in concurrencies(request):
            for stages in stage_counts(request):
                sequences = ceil(concurrency / stages)
                if sequences not in timings:
                    timings[sequences] = _timing(request, kinds, sequences, self._coefficients)
                allowed = kinds.allowed(concurrency, stages)
                most = np.where(allowed, np.arange(allowed.shape[1]), 0).max(axis=1)
                for members in _same_links(request, kinds, stages):
                    usable = members[most[members] > 0]
                    if len(usable) and _covers(request, stages, most[usable]):
                        yield self._setting(request, kinds, timings[sequences], allowed, usable, concurrency, stages)

    def _setting(
        self,
        request: Request,
        kinds: "Kinds",
        timing: "_Timing",
        allowed: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]",
        rows: IntArray,
        concurrency: int,
        stages: int,
    ) -> Setting:
        load, target = request.workload, request.slo
        speedup = kinds.precision.speedup or 1.0
        hop, first_hop = hop_seconds(request, timing.load, stages, kinds.tensor_parallel[rows])
        step = np.where(allowed[rows], timing.step_seconds[rows] / speedup, inf)
        first = timing.layers_first_token_seconds[rows] + stage_first_token_seconds(
            stages, timing.load, self._coefficients
        )
        first[:, 0] = 0.0
        return Setting(
            precision=kinds.precision.name,
            concurrency=concurrency,
            stages=stages,
            max_stages=stages,
            uniform_kind=_uniform(request) and not request.parallelism.allow_mixed_pools,
            uniform_tensor_parallel=_uniform(request),
            kind_pool=kinds.pool[rows],
            kind_tensor_parallel=kinds.tensor_parallel[rows],
            step_seconds=step,
            first_token_seconds=first,
            hop_seconds=hop / speedup,
            first_token_hop_seconds=first_hop,
            hop_in_step=True,
            tokens_per_step=concurrency / stages * load.tokens_per_request / load.output_tokens,
            tpot_steps=float(stages),
            max_step_seconds=inf if target.tpot_seconds is None else target.tpot_seconds / stages,
            max_first_token_seconds=inf if target.ttft_seconds is None else target.ttft_seconds,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinds:
    """The J stage kinds of one precision: (pool, tensor_parallel) pairs that the runtime and the hardware allow."""

    request: Request
    precision: Precision
    pool: IntArray  # (J,) index into request.pools
    tensor_parallel: IntArray  # (J,)

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """The pool of each kind."""
        return tuple(self.request.pools[index] for index in self.pool)

    @cached_property
    def group(self) -> Group:
        """Rates of each kind."""
        gpus = [pool.gpu for pool in self.pools]
        return Group(
            tensor_parallel=self.tensor_parallel.astype(np.float64),
            bytes_per_second=np.array([gpu.memory_bandwidth_gbps * 1e9 for gpu in gpus]),
            flops=np.array([arithmetic_tflops(gpu, self.precision.name) * 1e12 for gpu in gpus]),
            flops_16bit=np.array([gpu.tflops_16bit * 1e12 for gpu in gpus]),
            all_reduce_bytes_per_second=np.array([all_reduce_gbps(pool) * 1e9 for pool in self.pools]),
        )

    @cached_property
    def shapes(self) -> tuple[LayerShape, ...]:
        """The kinds of layers, on each kind of stage."""
        return layer_shapes(architecture_of(self.request), self.precision.name, self.group.tensor_parallel)

    @cached_property
    def weight_bytes(self) -> FloatArray:
        """Per GPU by layers held, shape (J, L+1)."""
        return worst_case([shape.resident_bytes for shape in self.shapes], self.shapes)

    @cached_property
    def cache_bytes_per_token(self) -> FloatArray:
        """KV cache of one token per GPU by layers held, shape (J, L+1)."""
        return worst_case([shape.kv_bytes_per_token for shape in self.shapes], self.shapes)

    @cached_property
    def usable_bytes(self) -> FloatArray:
        """Per GPU, for weights, vocabulary and KV cache, shape (J,): what the engine may use less its own needs."""
        architecture = architecture_of(self.request)
        return np.array(
            [
                memory.usable_bytes(pool.gpu) - memory.runtime_bytes(pool.gpu, architecture, int(degree))
                for pool, degree in zip(self.pools, self.tensor_parallel, strict=True)
            ]
        )

    def needed_bytes(self, concurrency: int, stages: int) -> FloatArray:
        """Per GPU by layers held, shape (J, L+1): weights, vocabulary and KV cache."""
        vocabulary = memory.vocabulary_bytes(architecture_of(self.request), self.group.tensor_parallel, stages)
        cache = self.cache_bytes_per_token * memory.cache_tokens(self.request, concurrency)
        needed: FloatArray = self.weight_bytes + vocabulary[:, None] + cache
        return needed

    def allowed(self, concurrency: int, stages: int) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """Whether a stage of each kind may hold that many layers, shape (J, L+1)."""
        layers = architecture_of(self.request).layers
        least = max(1, self.request.parallelism.min_layers_per_stage)
        held = np.arange(layers + 1)
        counts = (held >= least) & (held <= layers - (stages - 1) * least)
        fits = self.needed_bytes(concurrency, stages) <= self.usable_bytes[:, None]
        both: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = fits & counts
        return both


@dataclass(frozen=True, kw_only=True, eq=False)
class _Timing:
    """Times by layers held at one number of sequences per step, shape (J, L+1)."""

    load: Load
    step_seconds: FloatArray
    layers_first_token_seconds: FloatArray


def _timing(request: Request, kinds: Kinds, sequences: int, coefficients: Coefficients) -> _Timing:
    load = Load(
        sequences=sequences,
        input_tokens=request.workload.input_tokens,
        output_tokens=request.workload.output_tokens,
    )
    factors = coefficients.step_vector()
    by_shape = [layer_step_terms(shape, kinds.group, load) @ factors for shape in kinds.shapes]
    first = [layer_first_token_seconds(shape, kinds.group, load, coefficients) for shape in kinds.shapes]
    fixed = stage_step_terms(architecture_of(request), kinds.group, load) @ factors
    return _Timing(
        load=load,
        step_seconds=worst_case(by_shape, kinds.shapes) + fixed[:, None],
        layers_first_token_seconds=worst_case(first, kinds.shapes),
    )


def worst_case(per_layer: Sequence[FloatArray], shapes: Sequence[LayerShape]) -> FloatArray:
    """Sum over n = 0..L layers of the least favourable mix of kinds of layers, shape (J, L+1).

    The solver does not know which layers a stage will hold, so a stage is charged with as many of the dearer kind as
    the model has.
    """
    layers = sum(shape.count for shape in shapes)
    held = np.arange(layers + 1, dtype=np.float64)
    if len(shapes) == 1:
        return per_layer[0][:, None] * held
    (first, second), (many, few) = per_layer, (shapes[0].count, shapes[1].count)
    first_dear = first[:, None] * np.minimum(held, many) + second[:, None] * np.maximum(held - many, 0.0)
    second_dear = second[:, None] * np.minimum(held, few) + first[:, None] * np.maximum(held - few, 0.0)
    return np.maximum(first_dear, second_dear)


# ------------------------------------------------------------------------------------------ what may be tried


def architecture_of(request: Request) -> Architecture:
    """The model's shape. Raises UnsupportedModelError when the request has none."""
    if request.architecture is None:
        raise UnsupportedModelError(
            "spec.model", got=repr(request.model_name), wants="a model of the catalog, an architecture, or measurements"
        )
    return request.architecture


def check(request: Request) -> None:
    """Raise InvalidRequestError where the request contradicts itself or its model."""
    architecture, load = architecture_of(request), request.workload
    for precision in request.precisions:
        facts(precision.name)
    tokens, longest = load.input_tokens + load.output_tokens, memory.longest_sequence(request)
    if longest < tokens:
        raise InvalidRequestError(
            "spec.model.maxModelLen", got=longest, wants=f"at least {tokens}, the workload's tokens"
        )
    most = architecture.max_position_embeddings
    if most is not None and longest > most:
        raise InvalidRequestError("spec.workload", got=f"{longest} tokens", wants=f"at most the model's {most}")


def concurrencies(request: Request) -> tuple[int, ...]:
    """Sequences in flight to try: the workload's own, or CONCURRENCIES."""
    given = request.workload.concurrency
    return CONCURRENCIES if given is None else (given,)


def stage_counts(request: Request) -> range:
    """Numbers of stages to try: within the request's limit, with enough layers and GPUs for each."""
    limits = request.parallelism
    layers = architecture_of(request).layers // max(1, limits.min_layers_per_stage)
    gpus = sum(pool.gpus for pool in request.pools if pool.price_per_gpu_hour is not None)
    return range(1, min(limits.max_pipeline, layers, gpus) + 1)


def kinds_of(request: Request, precision: Precision) -> Kinds:
    """The stage kinds of a precision, by pool and then by degree."""
    pairs = [
        (index, degree)
        for index, pool in enumerate(request.pools)
        if pool.price_per_gpu_hour is not None and not unsupported_reason(pool.gpu, precision.name)
        for degree in degrees(request, pool)
        if not indivisible(request, degree)
    ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Kinds(request=request, precision=precision, pool=table[:, 0], tensor_parallel=table[:, 1])


def degrees(request: Request, pool: Pool) -> tuple[int, ...]:
    """Tensor-parallel degrees that the request allows and a node of the pool carries, ascending."""
    most = min(pool.gpus_per_node, pool.max_tensor_parallel)
    return tuple(degree for degree in sorted(set(request.parallelism.tensor)) if degree <= most)


def indivisible(request: Request, degree: int) -> str:
    """What of the model vLLM cannot split by this degree, in a few words; empty when it can, or for another runtime."""
    if not _uniform(request):
        return ""
    architecture = architecture_of(request)
    heads, kv_heads, experts = architecture.attention_heads, architecture.key_value_heads, architecture.experts
    if heads % degree:
        return f"TP {degree} does not divide the {heads} attention heads"
    if architecture.latent_attention is None and kv_heads % degree and degree % kv_heads:
        return f"TP {degree} neither divides the {kv_heads} KV heads nor is a multiple of them"
    widths = {architecture.intermediate_size} if experts is None or experts.dense_layers else set()
    if experts is not None:
        widths |= {experts.expert_intermediate_size, experts.shared_intermediate_size}
    uneven = sorted(width for width in widths if width % degree)
    return f"TP {degree} does not divide the MLP width {uneven[0]}" if uneven else ""


def all_reduce_gbps(pool: Pool) -> float:
    """Bus bandwidth of an all-reduce inside a node of the pool."""
    return pool.gpu.all_reduce_gbps or pool.intra_node_gbps


def _uniform(request: Request) -> bool:
    """Whether the runtime wants one TP degree in all stages."""
    return request.parallelism.runtime is Runtime.VLLM


def _same_links(request: Request, kinds: Kinds, stages: int) -> Iterator[IntArray]:
    """Split the kinds so that within each part the links between stages are the same; one part where TP may mix."""
    everything = np.arange(len(kinds.pool))
    if not _uniform(request):
        yield everything
        return
    crossing = {
        int(degree): leaves_node(request, stages, np.array([degree])) for degree in np.unique(kinds.tensor_parallel)
    }
    for pattern in dict.fromkeys(crossing.values()):
        same = [degree for degree, own in crossing.items() if own == pattern]
        yield everything[np.isin(kinds.tensor_parallel, same)]


def _covers(request: Request, stages: int, most: IntArray) -> bool:
    """Whether stages of these kinds can hold all layers together."""
    return bool(stages * most.max() >= architecture_of(request).layers)
