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
    runtime lets degrees mix, the largest degree that the pool and the request allow counts. In a shared pool they
    always may: what others hold decides which nodes have room, and a plan's figures must not depend on that.
    """
    largest = int(tensor_parallel.max())
    return tuple(
        pool.shared or (pool.nodes > 1 and stages * _degree(request, pool, largest) > pool.gpus_per_node)
        for pool in request.pools
    )


def hop_seconds(request: Request, load: Load, stages: int, tensor_parallel: IntArray) -> tuple[FloatArray, FloatArray]:
    """Seconds of a hop in a step and of a first token's hop, from pool (row) to pool (column), both of shape (P, P)."""
    count = len(request.pools)
    if stages == 1 or request.architecture is None:
        return np.zeros((count, count)), np.zeros((count, count))
    token_bytes = VECTORS_PER_TOKEN * request.architecture.hidden_size * WIDE_BYTES_PER_VALUE
    between = np.array([pool.inter_node_gbps for pool in request.pools])
    latency, gbps = np.full((count, count), INTER_NODE_LATENCY_SECONDS), np.minimum.outer(between, between)
    for index, leaves in enumerate(leaves_node(request, stages, tensor_parallel)):
        if not leaves:
            latency[index, index] = INTRA_NODE_LATENCY_SECONDS
            gbps[index, index] = request.pools[index].intra_node_gbps
    with np.errstate(divide="ignore"):
        byte_seconds = token_bytes / (gbps * 1e9)  # inf where there is no link
    step = latency + (load.sequences + load.prompts * load.input_tokens) * byte_seconds
    first = latency + load.input_tokens * byte_seconds
    return step, first


def _degree(request: Request, pool: Pool, largest: int) -> int:
    if request.parallelism.runtime is Runtime.VLLM:
        return largest
    most = min(pool.gpus_per_node, pool.max_tensor_parallel)
    return max((degree for degree in request.parallelism.tensor if degree <= most), default=1)
