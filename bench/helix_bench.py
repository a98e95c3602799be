"""Two published placement instances: the exact best single pipeline, by the planner's own layout search.

Node types become pools of single GPUs with a table of step times from their profile.
"""

import json
import time
from pathlib import Path

import numpy as np

from placewright.core.layouts import fastest_within
from placewright.core.model import Accelerator, Parallelism, Pool, Precision, Request, Runtime, Workload
from placewright.core.performance.base import Setting

FILE = Path(__file__).parents[2] / "shared" / "data" / "helix_instances.json"
NAMES = ("q10", "s24")


def run() -> None:
    """Print the throughput of the best pipeline, the published figure and the time."""
    if not FILE.exists():
        print(f"Helix instances left out: no {FILE.name} in {FILE.parent}")
        return
    entries = {entry["id"]: entry for entry in json.loads(FILE.read_text())["instances"]}
    print("Helix instances: the fastest single pipeline, tokens/s")
    for name in NAMES:
        request, setting = _case(entries[name])
        started = time.perf_counter()
        found = fastest_within(request, [setting], budget_per_hour=1e9)
        seconds = time.perf_counter() - started
        rate = 0.0 if found is None else found.tokens_per_second
        known = entries[name]["best_single_pipeline_ignoring_links"]["tokens_per_s"]
        print(f"  {name:<6}{rate:12.3f}   known best {known:.3f}{seconds:10.4f} s")


def _case(entry: dict) -> tuple[Request, Setting]:  # type: ignore[type-arg]
    types, layers = entry["node_types"], entry["layers"]
    pools = tuple(
        Pool(
            name=f"type{place}",
            gpu=Accelerator(name=f"type{place}", memory_gib=1.0, memory_bandwidth_gbps=1.0, tflops_16bit=1.0),
            nodes=kind["count"],
            gpus_per_node=1,
            price_per_gpu_hour=1.0,
        )
        for place, kind in enumerate(types)
    )
    step = np.full((len(types), layers + 1), np.inf)
    for place, kind in enumerate(types):
        for held, rate in kind["tokens_per_s_by_layers_held"].items():
            step[place, int(held)] = 1.0 / rate
    hops = np.full((len(types), len(types)), 1.0 / entry["link_capacity_tokens_per_s"]["min"])
    setting = Setting(
        precision="bf16",
        concurrency=1,
        stages=0,
        max_stages=sum(kind["count"] for kind in types),
        uniform_kind=False,
        uniform_tensor_parallel=False,
        kind_pool=np.arange(len(types)),
        kind_tensor_parallel=np.ones(len(types), dtype=np.int64),
        step_seconds=step,
        first_token_seconds=np.zeros_like(step),
        hop_seconds=hops,
        first_token_hop_seconds=np.zeros_like(hops),
        hop_in_step=False,
        tokens_per_step=1.0,
        has_ttft=False,
        has_tpot=False,
    )
    request = Request(
        name="helix",
        model_name="helix",
        precisions=(Precision(name="bf16"),),
        workload=Workload(input_tokens=1, output_tokens=1),
        pools=pools,
        parallelism=Parallelism(runtime=Runtime.ANY, allow_mixed_pools=True),
    )
    return request, setting
