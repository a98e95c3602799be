"""What must fit into one GPU before a stage starts: weights, runtime and KV cache.

Sources: vLLM's --gpu-memory-utilization default 0.90 and 16-token blocks; its default token budget of a step for the
API server (8192 on cards of 70 GiB and more since pull request 17073, 2048 otherwise); its memory profile of
Llama-3-8B on an 80 GB card in pull request 10511 (1.26 GiB of activations; 1.79 GiB outside PyTorch with one GPU,
context included, and 3.58 GiB with two). The communicator share is set at 1 GiB because measured plans of 70B models
on 24 GB cards ran with less than those 3.58 GiB left.
"""

from math import ceil

from placewright.core.model import Accelerator, Architecture, Request
from placewright.core.performance.base import FloatArray
from placewright.core.performance.precision import WIDE_BYTES_PER_VALUE
from placewright.core.performance.shape import head_bytes

GIB = float(1 << 30)
UTILIZATION = 0.90  # of the card's memory that the engine may use
BLOCK_TOKENS = 16  # the KV cache is handed out in blocks
CONTEXT_BYTES = 1.0 * GIB  # CUDA context, libraries, CUDA graphs
COMMUNICATOR_BYTES = 1.0 * GIB  # NCCL and custom all-reduce buffers of a group of two and more
SAMPLED_SEQUENCES = 256  # the engine profiles sampling with its largest batch (--max-num-seqs)
LARGE_CARD_GIB = 70.0
LARGE_CARD_TOKENS = 8192  # --max-num-batched-tokens
SMALL_CARD_TOKENS = 2048


def usable_bytes(gpu: Accelerator) -> float:
    """Bytes of one GPU that the engine may use."""
    return UTILIZATION * gpu.memory_gib * GIB


def runtime_bytes(gpu: Accelerator, architecture: Architecture, tensor_parallel: int) -> float:
    """Bytes of one GPU for context, communicator, activations of a full step and sampling."""
    tokens = LARGE_CARD_TOKENS if gpu.memory_gib >= LARGE_CARD_GIB else SMALL_CARD_TOKENS
    hidden = 4.0 * architecture.hidden_size  # residual, normed, attention output, MLP output
    inner = 3.0 * widest_mlp(architecture) / tensor_parallel  # gate, up, their product
    activations = tokens * (hidden + inner) * WIDE_BYTES_PER_VALUE
    sampling = 2.0 * SAMPLED_SEQUENCES * architecture.vocab_size * 4.0  # logits and probabilities, 32 bits
    communicator = COMMUNICATOR_BYTES if tensor_parallel > 1 else 0.0
    return CONTEXT_BYTES + communicator + activations + sampling


def widest_mlp(architecture: Architecture) -> int:
    """Inner width that one token passes through: the plain MLP, or its experts together."""
    experts = architecture.experts
    if experts is None:
        return architecture.intermediate_size
    routed = experts.experts_per_token * experts.expert_intermediate_size + experts.shared_intermediate_size
    return max(routed, architecture.intermediate_size) if experts.dense_layers else routed


def vocabulary_bytes(architecture: Architecture, tensor_parallel: FloatArray, stages: int) -> FloatArray:
    """Bytes per GPU of embedding and LM head: both in a single stage, one of them in every stage of several."""
    matrices = 2.0 if stages == 1 and not architecture.tie_word_embeddings else 1.0
    per_gpu: FloatArray = matrices * head_bytes(architecture) / tensor_parallel
    return per_gpu


def cache_tokens(request: Request, concurrency: int) -> int:
    """Tokens that the KV cache must hold: every sequence in full, and one of the longest length at least."""
    load = request.workload
    sequence = _in_blocks(load.input_tokens + load.output_tokens)
    return max(concurrency * sequence, _in_blocks(longest_sequence(request)))


def longest_sequence(request: Request) -> int:
    """The engine's --max-model-len: as the user says, or as long as the workload."""
    load = request.workload
    return request.max_model_len or load.input_tokens + load.output_tokens


def _in_blocks(tokens: int) -> int:
    return ceil(tokens / BLOCK_TOKENS) * BLOCK_TOKENS
