"""What one decoder layer weighs, reads and computes on one GPU of a tensor-parallel group.

Parameter counts follow the Llama, Mixtral and DeepSeek-V2 layouts: SwiGLU MLPs of three matrices, no biases; norms are
left out (under 0.1 %). Tensor parallelism splits matrices as vLLM does: query and output projections by heads, key and
value projections by KV heads (copied when there are fewer than GPUs), MLPs and experts by width; latent
down-projections and routers are copied.
"""

from dataclasses import dataclass

import numpy as np

from placewright.core.model import Architecture
from placewright.core.performance.base import FloatArray
from placewright.core.performance.precision import KV_BYTES_PER_VALUE, WIDE_BYTES_PER_VALUE, facts

_MLP_MATRICES = 3  # gate, up, down


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerShape:
    """One kind of decoder layer at J tensor-parallel degrees; arrays have shape (J,) and count per GPU.

    Attributes:
        count: layers of this kind in the model.
        resident_bytes: weights held in memory.
        read_bytes: weights that every step reads whatever the batch (all but routed experts).
        expert_bytes: weights of all routed experts; a step reads the share that its tokens choose.
        experts: routed experts of the layer (0: none).
        experts_per_token: of them, those one token uses.
        parameters_per_token: weights that one token multiplies with.
        kv_bytes_per_token: KV cache of one token.
        attention_flops: operations of causal attention over a prompt, divided by the square of its length.
        hidden_bytes: one activation vector.
    """

    count: int
    resident_bytes: FloatArray
    read_bytes: FloatArray
    expert_bytes: FloatArray
    experts: int
    experts_per_token: int
    parameters_per_token: FloatArray
    kv_bytes_per_token: FloatArray
    attention_flops: FloatArray
    hidden_bytes: float

    def step_bytes(self, tokens: FloatArray | float) -> FloatArray:
        """Weights that a step with so many tokens reads: the expected number of distinct experts, the rest whole."""
        if not self.experts:
            return self.read_bytes
        share = 1.0 - (1.0 - self.experts_per_token / self.experts) ** np.asarray(tokens, dtype=np.float64)
        read: FloatArray = self.read_bytes + self.expert_bytes * share
        return read


def layer_shapes(
    architecture: Architecture,
    precision: str,
    tensor_parallel: FloatArray,
    *,
    kv_bytes_per_value: float = KV_BYTES_PER_VALUE,
) -> tuple[LayerShape, ...]:
    """The one or two kinds of layers of a model: those with experts first, then those with a plain MLP."""
    experts = architecture.experts
    if experts is None:
        return (_layer(architecture, precision, tensor_parallel, kv_bytes_per_value, architecture.layers, moe=False),)
    dense = min(experts.dense_layers, architecture.layers)
    counts = ((architecture.layers - dense, True), (dense, False))
    return tuple(
        _layer(architecture, precision, tensor_parallel, kv_bytes_per_value, count, moe=moe)
        for count, moe in counts
        if count > 0
    )


def head_bytes(architecture: Architecture) -> float:
    """One vocabulary matrix (embedding or LM head), in 16 bits and unsplit."""
    return architecture.vocab_size * architecture.hidden_size * WIDE_BYTES_PER_VALUE


def _layer(
    architecture: Architecture,
    precision: str,
    tp: FloatArray,
    kv_bytes_per_value: float,
    count: int,
    *,
    moe: bool,
) -> LayerShape:
    quantized = facts(precision)
    narrow = quantized.weight_bytes
    outside = WIDE_BYTES_PER_VALUE if architecture.experts is not None and quantized.experts_only else narrow
    hidden = architecture.hidden_size
    attention = _attention_parameters(architecture, tp)
    experts = architecture.experts if moe else None
    if experts is None:
        mlp = _MLP_MATRICES * hidden * architecture.intermediate_size / tp
        read = (attention + mlp) * outside
        expert_bytes, routed, router = np.zeros_like(tp), np.zeros_like(tp), 0.0
    else:
        mlp = _MLP_MATRICES * hidden * experts.shared_intermediate_size / tp
        one = _MLP_MATRICES * hidden * experts.expert_intermediate_size / tp
        router = float(hidden * experts.experts)
        read = (attention + mlp) * outside + router * WIDE_BYTES_PER_VALUE
        expert_bytes, routed = experts.experts * one * narrow, experts.experts_per_token * one
    return LayerShape(
        count=count,
        resident_bytes=read + expert_bytes,
        read_bytes=read,
        expert_bytes=expert_bytes,
        experts=experts.experts if experts else 0,
        experts_per_token=experts.experts_per_token if experts else 0,
        parameters_per_token=attention + mlp + routed + router,
        kv_bytes_per_token=_kv_values_per_token(architecture, tp) * kv_bytes_per_value,
        attention_flops=_attention_flops(architecture) / tp,
        hidden_bytes=hidden * WIDE_BYTES_PER_VALUE,
    )


def _attention_parameters(architecture: Architecture, tp: FloatArray) -> FloatArray:
    hidden, heads = architecture.hidden_size, architecture.attention_heads
    latent = architecture.latent_attention
    if latent is None:
        query_and_output = 2.0 * hidden * heads * architecture.head_dim / tp
        key_and_value = 2.0 * hidden * architecture.head_dim * _kv_heads_per_gpu(architecture, tp)
        split: FloatArray = query_and_output + key_and_value
        return split
    query_width = latent.nope_head_dim + latent.rope_head_dim
    by_heads = heads * (
        (latent.query_rank or hidden) * query_width
        + latent.kv_rank * (latent.nope_head_dim + latent.value_head_dim)
        + latent.value_head_dim * hidden
    )
    copied = hidden * (latent.query_rank + latent.kv_rank + latent.rope_head_dim)
    total: FloatArray = by_heads / tp + copied
    return total


def _kv_heads_per_gpu(architecture: Architecture, tp: FloatArray) -> FloatArray:
    heads: FloatArray = np.ceil(architecture.key_value_heads / tp)
    return heads


def _kv_values_per_token(architecture: Architecture, tp: FloatArray) -> FloatArray:
    """The latent cache has no heads, so every GPU of the group holds all of it."""
    latent = architecture.latent_attention
    if latent is not None:
        return np.full_like(tp, latent.kv_rank + latent.rope_head_dim)
    return 2.0 * architecture.head_dim * _kv_heads_per_gpu(architecture, tp)


def _attention_flops(architecture: Architecture) -> float:
    """Scores and weighted sum, 2 operations each per value, over the causal half of a square."""
    latent = architecture.latent_attention
    if latent is not None:
        width = latent.nope_head_dim + latent.rope_head_dim + latent.value_head_dim
    else:
        width = 2 * architecture.head_dim
    return float(architecture.attention_heads * width)
