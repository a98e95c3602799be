"""A tiny performance model for tests: the rules are simple enough to work out by hand, and it reads the request."""

from collections.abc import Sequence
from math import inf

import numpy as np

from placewright.core import gates
from placewright.core.model import (
    Accelerator,
    Gates,
    Objective,
    Parallelism,
    Pool,
    Precision,
    Rejection,
    RejectionCode,
    Request,
    Runtime,
    Slo,
    SolverOptions,
    Workload,
)
from placewright.core.performance.base import Setting

LAYERS = 12
SECONDS_PER_LAYER = {"fast": 0.001, "slow": 0.004, "tiny": 0.006}
LAYERS_PER_GPU = {"fast": 6, "slow": 8, "tiny": 2}
SPEED = {"bf16": 1.0, "fp8": 0.6}  # factor on the step time; fp8 also holds twice the layers


def pool(name: str, *, gpus: int = 8, price: float = 1.0, per_node: int | None = None) -> Pool:
    """A pool whose name is its GPU kind."""
    gpus_per_node = per_node or gpus
    return Pool(
        name=name,
        gpu=Accelerator(name=name, memory_gib=24.0, memory_bandwidth_gbps=500.0, tflops_16bit=100.0),
        nodes=gpus // gpus_per_node,
        gpus_per_node=gpus_per_node,
        price_per_gpu_hour=price,
    )


def request(
    *pools: Pool,
    precisions: tuple[Precision, ...] = (Precision(name="bf16", drift_percent=0.0),),
    slo: Slo | None = None,
    gates: Gates | None = None,
    objective: Objective | None = None,
    solver: SolverOptions | None = None,
    parallelism: Parallelism | None = None,
    concurrency: int | None = None,
) -> Request:
    """A request over toy pools: `fast` costs more and is faster than `slow`."""
    return Request(
        name="toy",
        model_name="toy",
        precisions=precisions,
        workload=Workload(input_tokens=100, output_tokens=100, concurrency=concurrency),
        pools=pools or (pool("fast", price=4.0), pool("slow", price=1.0)),
        parallelism=parallelism or Parallelism(allow_mixed_pools=True, max_pipeline=6, runtime=Runtime.ANY),
        slo=slo or Slo(),
        gates=gates or Gates(),
        objective=objective or Objective(),
        solver=solver or SolverOptions(),
    )


class ToyModel:
    """Step time = layers * rate of the kind / tp**0.9 * concurrency factor; memory caps the layers per GPU."""

    def settings(self, wanted: Request) -> Sequence[Setting]:
        """One Setting per precision and concurrency."""
        choices = (8, 32) if wanted.workload.concurrency is None else (wanted.workload.concurrency,)
        return [
            self._setting(wanted, precision.name, concurrency)
            for precision in wanted.precisions
            if gates.drift_allows(wanted, precision.name)
            for concurrency in choices
        ]

    def rejections(self, wanted: Request) -> Sequence[Rejection]:
        """The pools of which one GPU cannot hold all layers."""
        return [
            Rejection(
                code=RejectionCode.INSUFFICIENT_MEMORY,
                count=1,
                pool=entry.name,
                message=f"{entry.name} TP1 holds {LAYERS_PER_GPU[entry.gpu.name]} of {LAYERS} layers",
            )
            for entry in wanted.pools
            if LAYERS_PER_GPU[entry.gpu.name] < LAYERS
        ]

    def layers(self, _wanted: Request) -> int:
        """Always LAYERS."""
        return LAYERS

    def confidence(self, _wanted: Request) -> str:
        """Always modelled."""
        return "Modelled"

    def _setting(self, wanted: Request, precision: str, concurrency: int) -> Setting:
        kinds = [
            (index, degree)
            for index, entry in enumerate(wanted.pools)
            for degree in wanted.parallelism.tensor
            if degree <= min(entry.gpus_per_node, entry.max_tensor_parallel) and entry.price_per_gpu_hour is not None
        ]
        step = np.full((len(kinds), LAYERS + 1), inf)
        first = np.zeros((len(kinds), LAYERS + 1))
        counts = np.arange(LAYERS + 1)
        for row, (index, degree) in enumerate(kinds):
            gpu = wanted.pools[index].gpu.name
            seconds = SECONDS_PER_LAYER[gpu] * SPEED[precision] / degree**0.9
            cap = LAYERS_PER_GPU[gpu] * degree * (2 if precision == "fp8" else 1) * 8 // max(concurrency, 8)
            low = wanted.parallelism.min_layers_per_stage
            allowed = (counts >= max(low, 1)) & (counts <= cap)
            step[row] = np.where(allowed, counts * seconds * (1.0 + concurrency / 32), inf)
            first[row] = counts * seconds * 50.0
        pools = len(wanted.pools)
        target = wanted.slo.tpot_seconds
        ttft = wanted.slo.ttft_seconds
        return Setting(
            precision=precision,
            concurrency=concurrency,
            stages=0,
            max_stages=wanted.parallelism.max_pipeline,
            uniform_kind=not wanted.parallelism.allow_mixed_pools,
            uniform_tensor_parallel=False,
            kind_pool=np.array([index for index, _ in kinds], dtype=np.int64),
            kind_tensor_parallel=np.array([degree for _, degree in kinds], dtype=np.int64),
            step_seconds=step,
            first_token_seconds=first,
            hop_seconds=np.full((pools, pools), 1e-4),
            first_token_hop_seconds=np.full((pools, pools), 1e-3),
            hop_in_step=False,
            tokens_per_step=2.0 * concurrency,
            tpot_steps=1.0,
            max_step_seconds=inf if target is None else target,
            max_first_token_seconds=inf if ttft is None else ttft,
        )
