"""Counts of one decoder layer on one GPU, worked out again from docs/performance-model.md, sections 2 and 3.

Plain numbers and `if`s: no array, no table of the performance model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from placewright.core.model import Accelerator, Architecture

BYTES_PER_WEIGHT = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.53, "fp4": 0.53125}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCounts:
    """One layer on one GPU: bytes read in every step, bytes of all routed experts, parameters used by a token."""

    read_bytes: float
    expert_bytes: float
    parameters: float
    experts: int = 0
    experts_per_token: int = 0

    @property
    def resident_bytes(self) -> float:
        """Weights in memory."""
        return self.read_bytes + self.expert_bytes

    def step_bytes(self, sequences: float) -> float:
        """Weights read by a step: of the routed experts those that some sequence is expected to want."""
        if not self.experts:
            return self.read_bytes
        missed: float = (1 - self.experts_per_token / self.experts) ** sequences
        return self.read_bytes + self.expert_bytes * (1 - missed)


def plain_layers(shape: Architecture) -> int:
    """Layers with a plain MLP."""
    return shape.layers if shape.experts is None else min(shape.experts.dense_layers, shape.layers)


def total(plain: float, expert: float, shape: Architecture, layers: int) -> float:
    """A figure summed over that many layers in the least favourable mix of the two kinds of layers."""
    dense = plain_layers(shape)
    routed = shape.layers - dense
    if not routed or not dense:
        return layers * (plain if not routed else expert)
    return max(
        expert * min(layers, routed) + plain * max(layers - routed, 0),
        plain * min(layers, dense) + expert * max(layers - dense, 0),
    )


def over_kinds(shape: Architecture, layers: int, figure: Callable[[bool], float]) -> float:
    """`total` of a figure given by whether the layer has experts; a kind that the model lacks is not asked for."""
    dense = plain_layers(shape)
    plain = figure(False) if dense else 0.0
    expert = figure(True) if dense < shape.layers else 0.0
    return total(plain, expert, shape, layers)


def attention_parameters(shape: Architecture, tensor: int) -> float:
    """Projections of attention on one GPU; KV heads are copied when there are fewer than GPUs."""
    width, heads, latent = shape.hidden_size, shape.attention_heads, shape.latent_attention
    if latent is None:
        held = ceil(shape.key_value_heads / tensor)
        return 2 * width * heads * shape.head_dim / tensor + 2 * width * shape.head_dim * held
    query = latent.query_rank or width
    per_head = (
        query * (latent.nope_head_dim + latent.rope_head_dim)
        + latent.kv_rank * (latent.nope_head_dim + latent.value_head_dim)
        + latent.value_head_dim * width
    )
    return heads * per_head / tensor + width * (latent.query_rank + latent.kv_rank + latent.rope_head_dim)


def layer_counts(shape: Architecture, tensor: int, precision: str, *, with_experts: bool) -> LayerCounts:
    """Counts of a plain layer, or of one with experts."""
    width = shape.hidden_size
    weight = BYTES_PER_WEIGHT[precision]
    other = 2.0 if precision == "fp4" and shape.experts is not None else weight
    attention = attention_parameters(shape, tensor)
    if not with_experts or shape.experts is None:
        mlp = 3 * width * shape.intermediate_size / tensor
        return LayerCounts(read_bytes=(attention + mlp) * other, expert_bytes=0.0, parameters=attention + mlp)
    mixture = shape.experts
    shared = 3 * width * mixture.shared_intermediate_size / tensor
    one = 3 * width * mixture.expert_intermediate_size / tensor
    router = width * mixture.experts
    return LayerCounts(
        read_bytes=(attention + shared) * other + 2 * router,
        expert_bytes=mixture.experts * one * weight,
        parameters=attention + shared + mixture.experts_per_token * one + router,
        experts=mixture.experts,
        experts_per_token=mixture.experts_per_token,
    )


def cache_bytes(shape: Architecture, tensor: int) -> float:
    """KV cache of one token and layer on one GPU, in 16 bits."""
    if shape.latent_attention is not None:
        return (shape.latent_attention.kv_rank + shape.latent_attention.rope_head_dim) * 2.0
    return 2.0 * shape.head_dim * ceil(shape.key_value_heads / tensor) * 2


def attention_operations(shape: Architecture, tensor: int) -> float:
    """Operations of causal attention over a prompt, per squared token, layer and GPU."""
    latent = shape.latent_attention
    if latent is None:
        return shape.attention_heads * 2 * shape.head_dim / tensor
    return shape.attention_heads * (latent.nope_head_dim + latent.rope_head_dim + latent.value_head_dim) / tensor


def vocabulary_bytes(shape: Architecture) -> float:
    """One vocabulary matrix in 16 bits."""
    return 2.0 * shape.vocab_size * shape.hidden_size


def widest_activation(shape: Architecture) -> int:
    """Widest MLP that a token runs through."""
    mixture = shape.experts
    if mixture is None:
        return shape.intermediate_size
    routed = mixture.experts_per_token * mixture.expert_intermediate_size + mixture.shared_intermediate_size
    return max(routed, shape.intermediate_size) if plain_layers(shape) else routed


def flops(gpu: Accelerator, precision: str) -> float | None:
    """FLOP/s of one GPU on weights of a precision; None when it cannot run them."""
    capability = gpu.compute_capability
    half = gpu.tflops_16bit * 1e12

    def weight_only(least: tuple[int, int]) -> float | None:
        return half if capability is not None and capability >= least else None

    def native(rate: float, least: tuple[int, int]) -> bool:
        return rate > 0 and (capability is None or capability >= least)

    match precision:
        case "fp16":
            return half
        case "bf16":
            return half if gpu.supports_bf16 else None
        case "fp8":
            return gpu.tflops_fp8 * 1e12 if native(gpu.tflops_fp8, (8, 9)) else weight_only((8, 0))
        case "fp4":
            return gpu.tflops_fp4 * 1e12 if native(gpu.tflops_fp4, (10, 0)) else weight_only((8, 0))
        case "int8" | "int4":
            return weight_only((7, 0))
    return None
