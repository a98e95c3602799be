"""Settings of a request built from the checker's scalar formulae: a second opinion on the performance models.

The models fill the same tables with numpy; whatever they leave out or time differently shows as another frontier.
"""

from math import inf

import numpy as np

from placewright.core.model import (
    Architecture,
    Billing,
    FixedEfficiency,
    Gates,
    Measured,
    Measurement,
    OnUnknown,
    OnViolation,
    Pool,
    Precision,
    Request,
    Runtime,
    Stage,
)
from placewright.core.performance.base import Setting
from placewright.core.verification import analytic, fixed, money
from tests.support.frontier import Point
from tests.support.oracle import fewest_nodes


def passing(request: Request) -> list[Precision]:
    """Precisions that the drift gate lets pass: their drift is within the limit, or unknown where that is let pass."""
    gates: Gates = request.gates
    limit = gates.max_quantization_drift_percent
    if limit is None:
        return list(request.precisions)
    found = []
    for precision in request.precisions:
        drift = money.drift_percent(request, precision)
        if (drift is None and gates.on_unknown is not OnUnknown.BLOCK) or (drift is not None and drift <= limit):
            found.append(precision)
    return found


def admitted(request: Request) -> list[Precision]:
    """Precisions that may be planned at all: those that pass, and those that the drift gate only warns of."""
    good = passing(request)
    if request.gates.on_violation is OnViolation.BLOCK:
        return good
    return [each for each in request.precisions if each in good or money.drift_percent(request, each) is not None]


def kinds_of(request: Request, degrees: tuple[int, ...]) -> list[tuple[int, Pool, int]]:
    """(pool index, pool, TP) of every stage kind that the pools and the request allow and someone has priced."""
    return [
        (index, pool, tensor)
        for index, pool in enumerate(request.pools)
        if pool.price_per_gpu_hour is not None
        for tensor in degrees
        if tensor in request.parallelism.tensor and tensor <= min(pool.gpus_per_node, pool.max_tensor_parallel)
    ]


def fixed_settings(request: Request) -> list[Setting]:
    """The Settings of a config-dir request."""
    model = request.performance
    assert isinstance(model, FixedEfficiency)
    if request.slo.ttft_seconds is not None or request.slo.tpot_seconds is not None:
        return []
    wanted = request.workload.concurrency
    batches = [batch for batch in model.batch_sizes if wanted is None or batch == wanted]
    return [_fixed_setting(request, model, precision, batch) for precision in admitted(request) for batch in batches]


def _fixed_setting(request: Request, model: FixedEfficiency, precision: Precision, batch: int) -> Setting:
    kinds = [kind for kind in kinds_of(request, (1, 2, 4, 8)) if kind[1].name in model.gpu_rates]
    size = len(request.pools)
    tokens = float(batch * model.sequence_length)
    steps = np.full((len(kinds), model.layers + 1), inf)
    for row, (_, pool, tensor) in enumerate(kinds):
        smallest, largest = fixed.layer_range(request, model, pool, batch, tensor)
        for held in range(max(1, smallest), largest + 1):
            if not model.quantized_segments or held in fixed.segment_sizes(model.layers):
                rate = fixed.stage_tokens_per_second(model, pool, batch, tensor, held, precision.speedup or 1.0)
                steps[row, held] = tokens / rate
    hops = np.full((size, size), inf)
    for row, here in enumerate(request.pools):
        for column, there in enumerate(request.pools):
            gbps = fixed.link_gbps(model, here.name, there.name)
            if gbps > 0:
                hops[row, column] = tokens / fixed.hop_tokens_per_second(model, gbps)
    return Setting(
        precision=precision.name,
        concurrency=batch,
        stages=0,
        max_stages=request.parallelism.max_pipeline,
        uniform_kind=False,
        uniform_tensor_parallel=False,
        kind_pool=np.array([index for index, _, _ in kinds], dtype=np.int64),
        kind_tensor_parallel=np.array([tensor for _, _, tensor in kinds], dtype=np.int64),
        step_seconds=steps,
        first_token_seconds=np.zeros_like(steps),
        hop_seconds=hops,
        first_token_hop_seconds=np.zeros_like(hops),
        hop_in_step=False,
        tokens_per_step=tokens,
        has_ttft=False,
        has_tpot=False,
    )


CONCURRENCIES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def analytic_settings(request: Request) -> list[Setting]:
    """The Settings of a predicted request: one TP degree in each where the runtime wants one."""
    shape = request.architecture
    assert shape is not None
    work, limits = request.workload, request.parallelism
    longest = max(request.max_model_len or 0, work.input_tokens + work.output_tokens)
    if shape.max_position_embeddings is not None and longest > shape.max_position_embeddings:
        return []
    one_degree = limits.runtime is Runtime.VLLM
    degrees = sorted(
        tensor
        for tensor in set(limits.tensor)
        if not one_degree
        or (shape.attention_heads % tensor == 0 and not analytic.degree_violations(request, shape, tensor))
    )
    groups = [(tensor,) for tensor in degrees] if one_degree else [tuple(degrees)]
    concurrencies = (work.concurrency,) if work.concurrency is not None else CONCURRENCIES
    return [
        _analytic_setting(request, shape, precision, analytic.load_of(request, concurrency, stages), group)
        for precision in admitted(request)
        for concurrency in concurrencies
        for stages in range(1, min(limits.max_pipeline, shape.layers) + 1)
        for group in groups
    ]


def _analytic_setting(
    request: Request, shape: Architecture, precision: Precision, load: analytic.Load, degrees: tuple[int, ...]
) -> Setting:
    kinds = kinds_of(request, degrees)
    steps = np.full((len(kinds), shape.layers + 1), inf)
    first = np.zeros_like(steps)
    for row, (_, pool, tensor) in enumerate(kinds):
        card = analytic.card_of(pool, tensor, precision.name)
        for held in range(max(1, request.parallelism.min_layers_per_stage), shape.layers + 1):
            if card is None or analytic.memory_gib(request, shape, card, load, held) > 0.90 * pool.gpu.memory_gib:
                break
            steps[row, held] = analytic.step_seconds(shape, card, load, held, precision.speedup or 1.0)
            first[row, held] = analytic.first_token_seconds(shape, card, load, held)
    limits, size = request.parallelism, len(request.pools)
    hops, first_hops = np.full((size, size), inf), np.full((size, size), inf)
    for row, here in enumerate(request.pools):
        for column, there in enumerate(request.pools):
            ends = (_any_stage(here, degrees), _any_stage(there, degrees))
            gbps, latency = analytic.link(request, *ends, load.stages)
            if gbps > 0:
                moved = load.sequences + load.entering * load.input_tokens
                hops[row, column] = analytic.hop_seconds(shape, gbps, latency, moved) / (precision.speedup or 1.0)
                first_hops[row, column] = analytic.hop_seconds(shape, gbps, latency, load.input_tokens)
    tpot = inf if request.slo.tpot_seconds is None else request.slo.tpot_seconds
    return Setting(
        precision=precision.name,
        concurrency=load.concurrency,
        stages=load.stages,
        max_stages=load.stages,
        uniform_kind=limits.runtime is Runtime.VLLM and not limits.allow_mixed_pools,
        uniform_tensor_parallel=limits.runtime is Runtime.VLLM,
        kind_pool=np.array([index for index, _, _ in kinds], dtype=np.int64),
        kind_tensor_parallel=np.array([tensor for _, _, tensor in kinds], dtype=np.int64),
        step_seconds=steps,
        first_token_seconds=first,
        hop_seconds=hops,
        first_token_hop_seconds=first_hops,
        hop_in_step=True,
        tokens_per_step=load.concurrency / load.stages / load.output_tokens * request.workload.tokens_per_request,
        tpot_steps=load.stages,
        max_step_seconds=tpot / load.stages,
        max_first_token_seconds=inf if request.slo.ttft_seconds is None else request.slo.ttft_seconds,
    )


def _any_stage(pool: Pool, degrees: tuple[int, ...]) -> Stage:
    """A stage on the pool; its degree matters only where all have one."""
    return Stage(pool=pool.name, gpu=pool.gpu.name, tensor_parallel=degrees[0], first_layer=0, last_layer=0)


def measured_points(request: Request) -> list[Point]:
    """(USD per hour, tokens/s) of every row that a measured request may use, on every pool that can hold it."""
    model = request.performance
    assert isinstance(model, Measured)
    names = {precision.name for precision in admitted(request)}
    found = []
    for row in model.rows:
        if row.precision not in names or not _row_serves(request, row):
            continue
        for _, pool, tensor in kinds_of(request, (row.tensor_parallel,)):
            nodes = fewest_nodes([tensor] * row.pipeline_parallel, pool)
            if pool.gpu.name != row.gpu or nodes is None:
                continue
            single = tensor * row.pipeline_parallel
            gpus = nodes * pool.gpus_per_node if pool.billing is Billing.PER_NODE else single
            rate = row.requests_per_second * request.workload.tokens_per_request
            found.append((gpus * (pool.price_per_gpu_hour or 0.0), rate))
    return found


def _row_serves(request: Request, row: Measurement) -> bool:
    load, limits, shape = request.workload, request.parallelism, request.architecture
    if (row.input_tokens, row.output_tokens) != (load.input_tokens, load.output_tokens):
        return False
    if load.concurrency is not None and row.concurrency not in {None, load.concurrency}:
        return False
    if row.pipeline_parallel > limits.max_pipeline:
        return False
    if shape is not None:
        if shape.layers // row.pipeline_parallel < max(1, limits.min_layers_per_stage):
            return False
        if limits.runtime is Runtime.VLLM and shape.attention_heads % row.tensor_parallel:
            return False
    return all(
        target is None or (known is not None and known <= target)
        for target, known in (
            (request.slo.ttft_seconds, row.ttft_seconds),
            (request.slo.tpot_seconds, row.tpot_seconds),
        )
    )
