"""The additive form of the analytic model: what a step and a first token consist of, term by term.

Every term is a time in seconds at the hardware's published peak (or a count where the coefficient itself is a time);
the coefficients of `coefficients.py`, fitted by `fit.py`, multiply them. docs/performance-model.md has the formulae.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from placewright.core.model import Architecture
from placewright.core.performance.base import FloatArray
from placewright.core.performance.shape import LayerShape, head_bytes

STEP_TERMS = (
    "layer_seconds",
    "all_reduce_seconds",
    "weight_read",
    "kv_read",
    "decode_arithmetic",
    "decode_all_reduce",
    "prompt_layer_seconds",
    "prefill_arithmetic",
    "prefill_attention",
    "prefill_all_reduce",
    "stage_seconds",
    "sequence_seconds",
)
"""Columns of the step terms. Those that end in _seconds have a coefficient in seconds, the others a plain factor."""

BACKEND_TERMS = ("layer_seconds", "all_reduce_seconds", "stage_seconds")
"""Fixed costs, which depend on the serving engine: its factor multiplies them."""

FIRST_TOKEN_TERMS = ("prefill_arithmetic", "prefill_attention", "prefill_all_reduce")
"""Columns of the first-token terms of one layer."""

REFERENCE_BACKEND = "vllm"
"""The engine whose factors are 1, and the one that plans are made for."""

_ALL_REDUCES_PER_LAYER = 2.0  # after attention and after the MLP


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Fitted constants. Times in seconds, the rest factors on the ideal time of the term of the same name.

    Attributes:
        step: one coefficient per name of STEP_TERMS.
        step_backend: factor on the BACKEND_TERMS by engine; 1 for one that is not listed.
        first_token: one coefficient per name of FIRST_TOKEN_TERMS.
        first_token_request_seconds: per prompt, once.
        first_token_sequence_seconds: per prompt and sequence in flight.
        first_token_contention: share of a prompt's prefill added by every other sequence in flight.
        first_token_backend: factor on the two times by engine; 1 for one that is not listed.
    """

    step: Mapping[str, float] = field(hash=False)
    step_backend: Mapping[str, float] = field(hash=False)
    first_token: Mapping[str, float] = field(hash=False)
    first_token_request_seconds: float
    first_token_sequence_seconds: float
    first_token_contention: float
    first_token_backend: Mapping[str, float] = field(hash=False)

    def step_vector(self, backend: str = REFERENCE_BACKEND) -> FloatArray:
        """Coefficients in the order of STEP_TERMS, shape (12,), with the engine's factor applied."""
        factor = self.step_backend.get(backend, 1.0)
        return np.array([self.step[name] * (factor if name in BACKEND_TERMS else 1.0) for name in STEP_TERMS])

    def first_token_vector(self) -> FloatArray:
        """Coefficients in the order of FIRST_TOKEN_TERMS, shape (3,)."""
        return np.array([self.first_token[name] for name in FIRST_TOKEN_TERMS])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """J tensor-parallel groups. Arrays of shape (J,); rates are of one GPU.

    Attributes:
        tensor_parallel: GPUs of the group.
        bytes_per_second: memory bandwidth.
        flops: arithmetic on the weights in their precision.
        flops_16bit: arithmetic on activations, embedding and LM head.
        all_reduce_bytes_per_second: bus bandwidth of an all-reduce over the group.
    """

    tensor_parallel: FloatArray
    bytes_per_second: FloatArray
    flops: FloatArray
    flops_16bit: FloatArray
    all_reduce_bytes_per_second: FloatArray

    @property
    def communicates(self) -> FloatArray:
        """1 where there is more than one GPU, else 0."""
        many: FloatArray = (self.tensor_parallel > 1).astype(np.float64)
        return many

    def all_reduce_seconds(self, message_bytes: float) -> FloatArray:
        """Ideal time of the all-reduces of one layer: a ring moves 2 (n-1)/n of the message."""
        share = 2.0 * (self.tensor_parallel - 1.0) / self.tensor_parallel
        ideal: FloatArray = _ALL_REDUCES_PER_LAYER * message_bytes * share / self.all_reduce_bytes_per_second
        return ideal


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one stage works on in one step.

    Attributes:
        sequences: sequences that the step decodes.
        input_tokens: length of a prompt.
        output_tokens: tokens generated per prompt; a step therefore carries sequences / output_tokens prompts.
    """

    sequences: int
    input_tokens: int
    output_tokens: int

    @property
    def context_tokens(self) -> float:
        """Mean length of a sequence while it is decoded."""
        return self.input_tokens + self.output_tokens / 2.0

    @property
    def prompts(self) -> float:
        """Prompts that a step of the steady state carries."""
        return self.sequences / self.output_tokens


def layer_step_terms(shape: LayerShape, group: Group, load: Load) -> FloatArray:
    """Terms of one layer in one step, shape (J, 12)."""
    ones = np.ones_like(group.tensor_parallel)
    prompt = prefill_terms(shape, group, load.input_tokens) * load.prompts
    columns = {
        "layer_seconds": ones,
        "all_reduce_seconds": _ALL_REDUCES_PER_LAYER * group.communicates,
        "weight_read": shape.step_bytes(load.sequences) / group.bytes_per_second,
        "kv_read": load.sequences * load.context_tokens * shape.kv_bytes_per_token / group.bytes_per_second,
        "decode_arithmetic": 2.0 * load.sequences * shape.parameters_per_token / group.flops,
        "decode_all_reduce": group.all_reduce_seconds(load.sequences * shape.hidden_bytes),
        "prompt_layer_seconds": load.prompts * ones,
        "prefill_arithmetic": prompt[:, 0],
        "prefill_attention": prompt[:, 1],
        "prefill_all_reduce": prompt[:, 2],
    }
    return _table(columns, ones)


def stage_step_terms(architecture: Architecture, group: Group, load: Load) -> FloatArray:
    """Terms of one stage in one step beside its layers, shape (J, 12): engine, and LM head as if every stage had it."""
    ones = np.ones_like(group.tensor_parallel)
    head = head_bytes(architecture) / group.tensor_parallel
    parameters = architecture.vocab_size * architecture.hidden_size / group.tensor_parallel
    columns = {
        "stage_seconds": ones,
        "sequence_seconds": load.sequences * ones,
        "weight_read": head / group.bytes_per_second,
        "decode_arithmetic": 2.0 * load.sequences * parameters / group.flops_16bit,
    }
    return _table(columns, ones)


def layer_first_token_seconds(shape: LayerShape, group: Group, load: Load, coefficients: Coefficients) -> FloatArray:
    """Time of one prompt in one layer, shape (J,), with the prefill of the others in flight that it waits for."""
    own: FloatArray = prefill_terms(shape, group, load.input_tokens) @ coefficients.first_token_vector()
    contended: FloatArray = own * (1.0 + coefficients.first_token_contention * (load.sequences - 1))
    return contended


def stage_first_token_seconds(
    stages: int, load: Load, coefficients: Coefficients, backend: str = REFERENCE_BACKEND
) -> float:
    """Time of one prompt in one of `stages` stages beside its layers; all stages together bear the request once."""
    factor = coefficients.first_token_backend.get(backend, 1.0)
    request_seconds = coefficients.first_token_request_seconds / stages
    return factor * (request_seconds + coefficients.first_token_sequence_seconds * load.sequences)


def prefill_terms(shape: LayerShape, group: Group, input_tokens: int) -> FloatArray:
    """Arithmetic, attention and all-reduce of one prompt in one layer, ideal seconds, shape (J, 3)."""
    return np.stack(
        [
            2.0 * input_tokens * shape.parameters_per_token / group.flops,
            float(input_tokens) ** 2 * shape.attention_flops / group.flops_16bit,
            group.all_reduce_seconds(input_tokens * shape.hidden_bytes),
        ],
        axis=1,
    )


def _table(columns: Mapping[str, FloatArray], ones: FloatArray) -> FloatArray:
    zeros = np.zeros_like(ones)
    return np.stack([columns.get(name, zeros) for name in STEP_TERMS], axis=1)
