"""The planner: config-dir `medium` with its whole frontier, a large mixed instance, and a MIP beside them."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.seeds_mip import MipResult, fastest_by_mip
from placewright import catalog
from placewright.configdir import read_config_dir
from placewright.core import layouts
from placewright.core.model import (
    Architecture,
    Parallelism,
    Pool,
    Precision,
    Request,
    Runtime,
    Workload,
)
from placewright.core.performance.base import Setting
from placewright.core.performance.choose import model_for

EXAMPLES = Path(__file__).parent.parent / "config" / "examples"
MEDIUM_MAX_TP = {"A100": 8, "L20": 4, "A10": 4, "V100": 4, "T4": 4}
CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 96, 128, 256)
LARGE_GPUS = ("H100", "H200", "A100", "L40S", "L40", "L20", "A40", "A6000")
RUNS = 5
MIP_LIMIT_SECONDS = 20.0


def median_seconds(work: Callable[[], object]) -> float:
    """Median of RUNS after one warm-up."""
    work()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def large_request() -> Request:
    """80 layers, 8 pools of 2 x 8 GPUs, TP 1-8, 4 precisions; any runtime, so that pools and degrees mix."""
    shape = catalog.model("meta-llama/Llama-3.1-70B-Instruct")
    pools = tuple(
        Pool(
            name=key.lower(),
            gpu=catalog.gpu(key),
            nodes=2,
            gpus_per_node=8,
            price_per_gpu_hour=catalog.gpu_defaults(key).price_per_gpu_hour,
            inter_node_gbps=12.5,
        )
        for key in LARGE_GPUS
    )
    return Request(
        name="large",
        model_name="meta-llama/Llama-3.1-70B-Instruct",
        architecture=_eighty_layers(shape),
        precisions=tuple(Precision(name=name, drift_percent=0.1) for name in ("bf16", "fp8", "int8", "int4")),
        workload=Workload(input_tokens=2048, output_tokens=512),
        pools=pools,
        parallelism=Parallelism(runtime=Runtime.ANY, allow_mixed_pools=True),
    )


def _eighty_layers(shape: Architecture) -> Architecture:
    return replace(shape, layers=80)


def _mip_row(label: str, mip: MipResult, exact_seconds: float) -> str:
    proved = "proved" if mip.proved else f"cut at {MIP_LIMIT_SECONDS:.0f} s"
    return (
        f"{label:<58}{mip.seconds:>10.4f} s   one budget, {mip.binaries} binaries, {proved}; "
        f"{mip.seconds / exact_seconds:,.0f}x the whole exact frontier"
    )


def run() -> None:
    """Print the table."""
    print(f"{'planner':<58}{'solve':>12}")
    for label, overrides, max_tp in (
        ("config-dir medium, quantized sizes, whole frontier", {}, MEDIUM_MAX_TP),
        ("config-dir medium, all sizes, whole frontier", {"enable_segment_quantization": "false"}, {}),
    ):
        request = read_config_dir(EXAMPLES / "medium", max_tensor_parallel=max_tp, overrides=overrides).request
        settings = list(model_for(request).settings(request))
        found = layouts.search(request, settings)
        best = min(found.frontier, key=lambda layout: layout.cost_per_million_tokens)
        seconds = median_seconds(lambda r=request, s=settings: layouts.search(r, s))
        print(
            f"{label:<58}{seconds:>10.4f} s   {len(found.frontier)} points, "
            f"${best.cost_per_million_tokens:.6g}/M, proved: {found.complete}"
        )
        mip = fastest_by_mip(
            request, settings[0], budget_per_hour=best.cost_per_hour, time_limit_seconds=MIP_LIMIT_SECONDS
        )
        print(_mip_row("  the same as a MIP over segments (SCIP)", mip, seconds))
    _run_large()
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _run_large() -> None:
    request = large_request()

    def settings() -> list[Setting]:
        return [s for s in model_for(request).settings(request) if s.concurrency in CONCURRENCIES]

    tables = settings()
    found = layouts.search(request, tables)
    tables_seconds = median_seconds(settings)
    seconds = median_seconds(lambda: layouts.search(request, tables))
    best_only = median_seconds(lambda: layouts.search(request, tables, frontier=False))
    label = "80 layers x 8 pools x TP 1-8 x 4 precisions x 10 conc."
    print(f"{label:<58}{seconds:>10.4f} s   {len(found.frontier)} points, {len(tables)} settings, {found.complete}")
    print(f"{'  the least cost per token alone':<58}{best_only:>10.4f} s")
    print(f"{'  step tables of the analytic model':<58}{tables_seconds:>10.4f} s")
    best = min(found.frontier, key=lambda layout: layout.cost_per_million_tokens)
    chosen = next(
        s
        for s in tables
        if s.precision == best.precision and s.concurrency == best.max_concurrency and s.stages == len(best.stages)
    )
    mip = fastest_by_mip(request, chosen, budget_per_hour=best.cost_per_hour, time_limit_seconds=MIP_LIMIT_SECONDS)
    print(_mip_row("  one of its settings as a MIP over segments (SCIP)", mip, seconds))
