"""The config-dir format worked out again from planning.md section 2c, one layout at a time."""

from math import ceil, floor, inf

from placewright.core.model import FixedEfficiency, Layout, Pool, Precision, Request
from placewright.core.verification.figures import Figures
from placewright.core.verification.numbers import below, exceeds, text
from placewright.core.verification.structure import pools_by_name

TENSOR_EFFICIENCY = {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}
ROUNDING = 1e-9


def activation_gib(model: FixedEfficiency, batch: int, tensor_parallel: int) -> float:
    """Activations of one GPU: 15 % above the larger of the MLP's share and the residual stream, plus attention."""
    stream = batch * model.sequence_length * model.hidden_size * model.bytes_per_element
    return 1.15 * (max(7 * stream / tensor_parallel, stream) + 2 * stream / tensor_parallel) / 2**30


def memory_gib(model: FixedEfficiency, batch: int, tensor_parallel: int, layers: int) -> float:
    """Weights and activations of one GPU that holds its share of `layers` layers."""
    return layers * model.layer_weight_gib / tensor_parallel + activation_gib(model, batch, tensor_parallel)


def layer_range(request: Request, model: FixedEfficiency, pool: Pool, batch: int, tensor: int) -> tuple[int, int]:
    """Smallest and largest number of layers of a stage; the largest is 0 when not one fits."""
    share = model.layer_weight_gib / tensor
    activation = activation_gib(model, batch, tensor)
    room = pool.gpu.memory_gib - activation
    fits = model.layers if share <= 0 else floor(room / share)
    largest = max(0, min(model.layers, fits)) if room >= 0 else 0
    wanted = model.min_memory_utilization * pool.gpu.memory_gib - activation
    filled = ceil(wanted / share * (1 - ROUNDING)) if wanted > 0 and share > 0 else 1
    return min(max(request.parallelism.min_layers_per_stage, filled, 1), largest), largest


def segment_sizes(layers: int) -> tuple[int, ...]:
    """The sizes that quantized segments may have."""
    if layers <= 10:
        sizes = {1, 5, layers}
    elif layers <= 30:
        sizes = {1, 5, 10, 15, 20, layers}
    elif layers <= 40:
        sizes = {1, 5, 10, 20, 30, layers}
    else:
        sizes = {1, 10, 20, 30, 40, layers}
    return tuple(sorted(size for size in sizes if size <= layers))


def stage_tokens_per_second(
    model: FixedEfficiency, pool: Pool, batch: int, tensor: int, layers: int, speedup: float = 1.0
) -> float:
    """Tokens/s of a segment: the roofline of one GPU times the gain of tensor parallelism."""
    tflops, gbps, efficiency = model.gpu_rates[pool.name]
    length, width, size = model.sequence_length, model.hidden_size, model.bytes_per_element
    flops = layers * (24 * batch * length * width**2 + 4 * batch * length**2 * width)
    traffic = 12 * width**2 * size * layers + batch * length * width * size
    seconds = max(flops / (tflops * 1e12 * efficiency), traffic / (gbps * 1e9))
    return batch * length / seconds * tensor * TENSOR_EFFICIENCY[tensor] * speedup


def link_gbps(model: FixedEfficiency, source: str, target: str) -> float:
    """Rate from a pool to the next stage's pool; 0 where there is no link or it is too slow to carry a pipeline."""
    rate = model.link_gbps.get((source, target), 0.0)
    return 0.0 if below(rate, model.min_link_gbps) else rate


def hop_tokens_per_second(model: FixedEfficiency, gbps: float) -> float:
    """Tokens/s that a link carries: one hidden state each."""
    return inf if gbps == inf else gbps * 1e9 / (model.hidden_size * model.bytes_per_element)


def figures(request: Request, model: FixedEfficiency, layout: Layout, precision: Precision) -> Figures:
    """Recompute one layout whose structure is sound: memory, segment sizes, links, rate.

    The format knows no latency, so a latency target cannot be met.
    """
    result = Figures()
    pools = pools_by_name(request)
    batch = layout.max_concurrency
    if batch not in model.batch_sizes:
        result.violations.append(f"the batch size is {batch}, the request allows {list(model.batch_sizes)}")
    rates: list[float] = []
    for number, stage in enumerate(layout.stages):
        pool, tensor = pools[stage.pool], stage.tensor_parallel
        if pool.name not in model.gpu_rates or tensor not in TENSOR_EFFICIENCY:
            result.violations.append(f"stage {number}: no rate is known for {pool.gpu.name} at TP {tensor}")
            return result
        result.violations.extend(_stage_violations(request, model, pool, batch, tensor, number, stage.layers))
        rates.append(stage_tokens_per_second(model, pool, batch, tensor, stage.layers, precision.speedup or 1.0))
    for number, (stage, following) in enumerate(zip(layout.stages, layout.stages[1:], strict=False)):
        gbps = link_gbps(model, stage.pool, following.pool)
        if gbps <= 0:
            stated = model.link_gbps.get((stage.pool, following.pool), 0.0)
            result.violations.append(
                f"the link from stage {number} on {stage.pool} to {following.pool} has {text(stated)} GB/s, a pipeline"
                f" needs {text(model.min_link_gbps)} GB/s and more than 0"
            )
            return result
        rates.append(hop_tokens_per_second(model, gbps))
    result.tokens_per_second = min(rates)
    return result


def _stage_violations(
    request: Request, model: FixedEfficiency, pool: Pool, batch: int, tensor: int, number: int, layers: int
) -> list[str]:
    found: list[str] = []
    needed = memory_gib(model, batch, tensor, layers)
    if exceeds(needed, pool.gpu.memory_gib):
        found.append(
            f"stage {number} needs {text(needed)} GiB per GPU, {pool.gpu.name} has {text(pool.gpu.memory_gib)} GiB"
        )
    smallest, _ = layer_range(request, model, pool, batch, tensor)
    if layers < smallest:
        found.append(f"stage {number} holds {layers} layers, at least {smallest} are needed")
    if model.quantized_segments and layers not in segment_sizes(model.layers):
        found.append(f"stage {number} holds {layers} layers, segments may have {list(segment_sizes(model.layers))}")
    return found
