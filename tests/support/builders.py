"""Small requests and settings for tests: every argument has a plain default."""

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from placewright.core.model import (
    Accelerator,
    Architecture,
    FixedEfficiency,
    Parallelism,
    Pool,
    Precision,
    Request,
    Runtime,
    Workload,
)
from placewright.core.performance.base import Setting

A100 = Accelerator(
    name="A100",
    memory_gib=80.0,
    memory_bandwidth_gbps=2039.0,
    tflops_16bit=312.0,
    tops_int8=624.0,
    compute_capability=(8, 0),
)
H100 = Accelerator(
    name="H100",
    memory_gib=80.0,
    memory_bandwidth_gbps=3350.0,
    tflops_16bit=989.0,
    tflops_fp8=1979.0,
    tops_int8=1979.0,
    compute_capability=(9, 0),
)
L40S = Accelerator(
    name="L40S",
    memory_gib=48.0,
    memory_bandwidth_gbps=864.0,
    tflops_16bit=362.0,
    tflops_fp8=733.0,
    tops_int8=733.0,
    compute_capability=(8, 9),
)
V100 = Accelerator(
    name="V100",
    memory_gib=32.0,
    memory_bandwidth_gbps=900.0,
    tflops_16bit=125.0,
    supports_bf16=False,
    compute_capability=(7, 0),
)
GPUS = (A100, H100, L40S, V100)

RATES = {
    "A100": (312.0, 2039.0, 0.60),
    "H100": (989.0, 3350.0, 0.65),
    "L40S": (362.0, 864.0, 0.55),
    "V100": (125.0, 900.0, 0.55),
}

EIGHT_BILLION = Architecture(
    layers=32,
    hidden_size=4096,
    intermediate_size=14336,
    attention_heads=32,
    key_value_heads=8,
    head_dim=128,
    vocab_size=128256,
)


def a_pool(name: str = "a", gpu: Accelerator = A100, **changes: object) -> Pool:
    values: dict[str, object] = {"nodes": 1, "gpus_per_node": 8, "price_per_gpu_hour": 2.0, **changes}
    return Pool(name=name, gpu=gpu, **values)  # type: ignore[arg-type] # plain keyword values of Pool


def a_config_dir(pools: Sequence[Pool], **changes: object) -> FixedEfficiency:
    """A config-dir of 8 layers of 1 GiB whose links are all fast."""
    values: dict[str, object] = {
        "sequence_length": 1024,
        "batch_sizes": (8,),
        "hidden_size": 4096,
        "layers": 8,
        "bytes_per_element": 2,
        "layer_weight_gib": 1.0,
        "gpu_rates": {pool.name: RATES[pool.gpu.name] for pool in pools},
        "link_gbps": {(here.name, there.name): 600.0 for here in pools for there in pools},
        **changes,
    }
    return FixedEfficiency(**values)  # type: ignore[arg-type] # plain keyword values of FixedEfficiency


def a_request(pools: Sequence[Pool] | None = None, **changes: object) -> Request:
    """A config-dir request on one pool of 8 A100 whose runtime starts anything."""
    pools = tuple(pools) if pools is not None else (a_pool(),)
    values: dict[str, object] = {
        "name": "request",
        "model_name": "a-model",
        "precisions": (Precision(name="bf16", drift_percent=0.0),),
        "workload": Workload(input_tokens=1024, output_tokens=0),
        "parallelism": Parallelism(runtime=Runtime.ANY, allow_mixed_pools=True),
        "performance": a_config_dir(pools),
        **changes,
    }
    return Request(pools=pools, **values)  # type: ignore[arg-type] # plain keyword values of Request


def a_setting(
    pools: Sequence[Pool],
    steps: Mapping[tuple[int, int], Sequence[float]],
    *,
    hops: Sequence[Sequence[float]] | None = None,
    **changes: object,
) -> Setting:
    """A Setting from plain tables.

    Args:
        pools: the pools of the request.
        steps: by (pool index, TP): step seconds of 1, 2, ... layers.
        hops: seconds from pool to pool; None: 0 everywhere.
        changes: other fields of Setting.
    """
    kinds = list(steps)
    table = np.array([[inf, *steps[kind]] for kind in kinds], dtype=np.float64)
    size = len(pools)
    values: dict[str, object] = {
        "precision": "bf16",
        "concurrency": 8,
        "stages": 0,
        "max_stages": 4,
        "uniform_kind": False,
        "uniform_tensor_parallel": False,
        "first_token_seconds": np.zeros_like(table),
        "first_token_hop_seconds": np.zeros((size, size)),
        "hop_in_step": False,
        "tokens_per_step": 1000.0,
        **changes,
    }
    return Setting(
        kind_pool=np.array([pool for pool, _ in kinds], dtype=np.int64),
        kind_tensor_parallel=np.array([tensor for _, tensor in kinds], dtype=np.int64),
        step_seconds=table,
        hop_seconds=np.zeros((size, size)) if hops is None else np.array(hops, dtype=np.float64),
        **values,  # type: ignore[arg-type] # plain keyword values of Setting
    )
