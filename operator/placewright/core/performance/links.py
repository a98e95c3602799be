"""Links between the stages of a replica, for the analytic model.

A hop carries two activation vectors per token: vLLM sends hidden states and residual (its IntermediateTensors).
Latencies are the small-message times of send/receive measured by microsoft/vidur: 8-19 us inside a node, 19-29 us
between nodes.
"""

import numpy as np

from placewright.core.model import Pool, Request, Runtime
from placewright.core.performance.base import FloatArray, IntArray
from placewright.core.performance.precision import WIDE_BYTES_PER_VALUE
from placewright.core.performance.terms import Load

VECTORS_PER_TOKEN = 2.0
INTRA_NODE_LATENCY_SECONDS = 15e-6
INTER_NODE_LATENCY_SECONDS = 30e-6


def leaves_node(request: Request, stages: int, tensor_parallel: IntArray) -> tuple[bool, ...]:
    """Whether, for each pool, stages of these TP degrees may lie on different nodes of it.

    They do when the pool has several nodes and one cannot hold `stages` groups of the largest degree. Where the
    runtime lets degrees mix, the largest degree that the pool and the request allow counts.
    """
    largest = int(tensor_parallel.max())
    return tuple(
        pool.nodes > 1 and stages * _degree(request, pool, largest) > pool.gpus_per_node for pool in request.pools
    )


def hop_seconds(request: Request, load: Load, stages: int, tensor_parallel: IntArray) -> tuple[FloatArray, FloatArray]:
    """Seconds of a hop in a step and of a first token's hop, from pool (row) to pool (column), both of shape (P, P)."""
    count = len(request.pools)
    step, first = np.zeros((count, count)), np.zeros((count, count))
    if stages == 1 or request.architecture is None:
        return step, first
    token_bytes = VECTORS_PER_TOKEN * request.architecture.hidden_size * WIDE_BYTES_PER_VALUE
    crossing = leaves_node(request, stages, tensor_parallel)
    for i, sender in enumerate(request.pools):
        for j, receiver in enumerate(request.pools):
            if i == j and not crossing[i]:
                latency, gbps = INTRA_NODE_LATENCY_SECONDS, sender.intra_node_gbps
            else:
                latency, gbps = INTER_NODE_LATENCY_SECONDS, min(sender.inter_node_gbps, receiver.inter_node_gbps)
            tokens = load.sequences + load.prompts * load.input_tokens
            step[i, j] = _seconds(latency, tokens * token_bytes, gbps)
            first[i, j] = _seconds(latency, load.input_tokens * token_bytes, gbps)
    return step, first


def _degree(request: Request, pool: Pool, largest: int) -> int:
    if request.parallelism.runtime is Runtime.VLLM:
        return largest
    most = min(pool.gpus_per_node, pool.max_tensor_parallel)
    return max((degree for degree in request.parallelism.tensor if degree <= most), default=1)


def _seconds(latency: float, message_bytes: float, gbps: float) -> float:
    return latency + message_bytes / (gbps * 1e9) if gbps > 0.0 else np.inf
