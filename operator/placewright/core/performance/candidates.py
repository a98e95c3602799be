"""What the analytic model may try for a request: precisions, stage kinds, numbers of stages, concurrencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import Architecture, Pool, Precision, Request, Runtime
from placewright.core.performance import memory
from placewright.core.performance.base import FloatArray, IntArray
from placewright.core.performance.precision import arithmetic_tflops, facts, unsupported_reason
from placewright.core.performance.shape import LayerShape, layer_shapes
from placewright.core.performance.terms import Group

BoolArray = NDArray[np.bool_]

CONCURRENCIES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Sequences in flight that are tried when the workload does not say. All are sizes for which vLLM captures a CUDA graph
(1, 2, 4, then multiples of 8), up to its default --max-num-seqs of 256."""


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

    def allowed(self, concurrency: int, stages: int) -> BoolArray:
        """Whether a stage of each kind may hold that many layers, shape (J, L+1)."""
        layers = architecture_of(self.request).layers
        least = max(1, self.request.parallelism.min_layers_per_stage)
        held = np.arange(layers + 1)
        counts = (held >= least) & (held <= layers - (stages - 1) * least)
        fits = self.needed_bytes(concurrency, stages) <= self.usable_bytes[:, None]
        both: BoolArray = fits & counts
        return both


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
    if not uniform_degree(request):
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


def uniform_degree(request: Request) -> bool:
    """Whether the runtime wants one TP degree in all stages."""
    return request.parallelism.runtime is Runtime.VLLM


def one_kind(request: Request) -> bool:
    """Whether all stages of a replica must be of one kind."""
    return uniform_degree(request) and not request.parallelism.allow_mixed_pools
