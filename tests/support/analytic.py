"""Requests and look-ups for tests of the analytic model."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placewright.catalog.gpus import gpu, gpu_defaults
from placewright.catalog.models import model
from placewright.core.model import Architecture, Pool, Precision, Request, Workload
from placewright.core.performance.analytic import AnalyticModel

LLAMA_70B = "meta-llama/Llama-3.1-70B-Instruct"
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"


def silicon_path() -> Path:
    """The measured rows, which are not part of the repository: skips loudly without them, fails in CI."""
    beside = Path(__file__).parents[2] / ".." / "shared" / "data" / "measured_silicon.csv"
    path = Path(os.environ.get("PLACEWRIGHT_SILICON_DATA", beside))
    if not path.is_file():
        said = f"NOT RUN: no measured rows at {path}; set PLACEWRIGHT_SILICON_DATA to measured_silicon.csv"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return path


def pool_of(key: str, *, nodes: int = 1, gpus_per_node: int = 8, name: str = "", price: float | None = 1.0) -> Pool:
    links = gpu_defaults(key)
    return Pool(
        name=name or key.lower(),
        gpu=gpu(key),
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        price_per_gpu_hour=price,
        intra_node_gbps=links.intra_node_gbps,
        inter_node_gbps=links.inter_node_gbps,
    )


def analytic_request(
    *pools: Pool,
    architecture: Architecture | None = None,
    model_name: str = LLAMA_70B,
    precisions: tuple[str | Precision, ...] = ("bf16",),
    input_tokens: int = 2048,
    output_tokens: int = 512,
    concurrency: int | None = None,
    **more: Any,
) -> Request:
    return Request(
        name="test",
        model_name=model_name,
        architecture=architecture or model(model_name),
        precisions=tuple(Precision(name=entry) if isinstance(entry, str) else entry for entry in precisions),
        workload=Workload(input_tokens=input_tokens, output_tokens=output_tokens, concurrency=concurrency),
        pools=pools,
        **more,
    )


@dataclass(frozen=True, kw_only=True)
class EvenSplit:
    """What the model says of one layout: stages of one kind, layers split evenly, the first stages one larger."""

    concurrency: int
    tokens_per_second: float
    tpot_seconds: float
    ttft_seconds: float


def even_splits(request: Request, *, tensor_parallel: int, stages: int, precision: str = "") -> list[EvenSplit]:
    """All concurrencies at which the layout fits, ascending."""
    found = []
    layers = AnalyticModel().layers(request)
    sizes = [layers // stages + (stage < layers % stages) for stage in range(stages)]
    for setting in AnalyticModel().settings(request):
        if setting.stages != stages or precision not in {"", setting.precision}:
            continue
        for kind in np.flatnonzero(setting.kind_tensor_parallel == tensor_parallel):
            pool = setting.kind_pool[kind]
            hops = [setting.hop_seconds[pool, pool]] * (stages - 1) + [0.0]
            bottleneck = max(setting.step_seconds[kind, n] + hop for n, hop in zip(sizes, hops, strict=True))
            if np.isfinite(bottleneck):
                first = sum(setting.first_token_seconds[kind, n] for n in sizes)
                found.append(
                    EvenSplit(
                        concurrency=setting.concurrency,
                        tokens_per_second=float(setting.tokens_per_step / bottleneck),
                        tpot_seconds=float(setting.tpot_steps * bottleneck),
                        ttft_seconds=float(first + (stages - 1) * setting.first_token_hop_seconds[pool, pool]),
                    )
                )
    return sorted(found, key=lambda entry: entry.concurrency)


def fastest(request: Request, *, tensor_parallel: int, stages: int) -> EvenSplit:
    """The concurrency that yields most."""
    return max(
        even_splits(request, tensor_parallel=tensor_parallel, stages=stages), key=lambda entry: entry.tokens_per_second
    )
