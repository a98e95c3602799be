"""The fixed-efficiency model of the config-dir format (planning.md section 2c).

A segment of n layers takes the larger of its arithmetic and its memory traffic at a fixed share of the GPU's rates;
tensor parallelism multiplies the tokens/s by tp * efficiency(tp). One pass moves batch * sequence tokens, so tokens/s
here is the format's own figure and comparable with the planners that use it. The format knows no latency: a request
with a TTFT or TPOT target has no candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from placewright.core.model import FixedEfficiency, Pool, Precision, Rejection, RejectionCode, Request
from placewright.core.performance.base import FloatArray, Setting
from placewright.core.performance.drift import allowed_precisions, drift_rejections

GIB = 2.0**30
TENSOR_EFFICIENCY = {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}  # planning.md 2c
ACTIVATION_OVERHEAD = 1.15  # framework overhead on activations, planning.md 2c
_ROUNDING = 1e-9  # a link this close to the threshold counts as reaching it


@dataclass(frozen=True, slots=True)
class _Kind:
    """One stage kind: pool (index into request.pools) and tensor-parallel degree."""

    pool_index: int
    pool: Pool
    tensor_parallel: int


@dataclass(frozen=True, slots=True)
class LayerRange:
    """Layers that a stage of one kind may hold. `largest` is 0 when not one layer fits; sizes are ascending."""

    smallest: int
    largest: int
    sizes: tuple[int, ...]


def activation_gib(model: FixedEfficiency, *, batch: int, tensor_parallel: int) -> float:
    """Activations and cache of one GPU in GiB: the larger of sharded work and full stream, plus the cache's share."""
    stream = batch * model.sequence_length * model.hidden_size * model.bytes_per_element
    peak = max(7 * stream / tensor_parallel, stream) + 2 * stream / tensor_parallel
    return ACTIVATION_OVERHEAD * peak / GIB


def memory_gib(model: FixedEfficiency, *, batch: int, tensor_parallel: int, layers: int) -> float:
    """Memory that one GPU of a stage of `layers` layers needs, in GiB."""
    weights = layers * model.layer_weight_gib / tensor_parallel
    return weights + activation_gib(model, batch=batch, tensor_parallel=tensor_parallel)


def quantized_sizes(layers: int) -> tuple[int, ...]:
    """Return the segment sizes that the format allows when quantization is on, for a model of that many layers."""
    if layers <= 10:
        sizes = {1, 5, layers}
    elif layers <= 30:
        sizes = {1, 5, 10, 15, 20, layers}
    elif layers <= 40:
        sizes = {1, 5, 10, 20, 30, layers}
    else:
        sizes = {1, 10, 20, 30, 40, layers}
    return tuple(sorted(size for size in sizes if size <= layers))


def tokens_per_second(
    model: FixedEfficiency, *, rates: tuple[float, float, float], batch: int, tensor_parallel: int, layers: int
) -> float:
    """Tokens/s of one segment; `rates` are (TFLOP/s, GB/s, efficiency) of one GPU. Formula: planning.md 2c."""
    return float(_tokens_per_second(model, rates, batch, np.array([layers]))[0]) * _gain(tensor_parallel)


def layer_range(request: Request, model: FixedEfficiency, pool: Pool, *, batch: int, tensor: int) -> LayerRange:
    """Say how many layers a stage on that pool may hold: memory, smallest stage, quantized sizes."""
    memory = pool.gpu.memory_gib
    activation = activation_gib(model, batch=batch, tensor_parallel=tensor)
    held = np.arange(1, model.layers + 1)
    largest = int(np.count_nonzero(held * model.layer_weight_gib / tensor + activation <= memory))
    target = model.min_memory_utilization * memory
    filled = 1 if activation > target else ceil((target - activation) / (model.layer_weight_gib / tensor))
    smallest = min(max(request.parallelism.min_layers_per_stage, filled, 1), largest)
    candidates = quantized_sizes(model.layers) if model.quantized_segments else range(1, largest + 1)
    sizes = tuple(size for size in candidates if max(smallest, 1) <= size <= largest)
    return LayerRange(smallest=smallest, largest=largest, sizes=sizes)


class FixedEfficiencyModel:
    """Performance model of requests whose `performance` is FixedEfficiency; see base.PerformanceModel."""

    def settings(self, request: Request) -> Iterator[Setting]:
        """Yield one Setting per precision and batch size in which some kind can hold a layer."""
        model = _performance(request)
        if request.slo.ttft_seconds is not None or request.slo.tpot_seconds is not None:
            return
        kinds = _kinds(request, model)
        for precision in allowed_precisions(request):
            for batch in _batch_sizes(request, model):
                setting = _setting(request, model, kinds, precision, batch)
                if setting is not None:
                    yield setting

    def rejections(self, request: Request) -> Sequence[Rejection]:
        """Say which pools, sizes, links and precisions are out, with figures in GiB and GB/s."""
        model = _performance(request)
        found = [*drift_rejections(request), *_slo_rejections(request), *_batch_rejections(request, model)]
        for pool in request.pools:
            if pool.price_per_gpu_hour is None:
                found.append(_rejection(RejectionCode.NO_PRICE, 1, pool, f"pool {pool.name} has no price per GPU-hour"))
            elif pool.name not in model.gpu_rates:
                found.append(_rejection(RejectionCode.NO_PROFILE, 1, pool, f"no rates are known for {pool.gpu.name}"))
            else:
                found.extend(_size_rejections(request, model, pool))
        found.extend(_link_rejections(request, model))
        return tuple(found)

    def layers(self, request: Request) -> int:
        """Decoder layers to be covered."""
        return _performance(request).layers

    def confidence(self, request: Request) -> str:  # noqa: ARG002 - the Protocol's signature
        """`Modelled`: the rates are fixed shares of datasheet figures."""
        return "Modelled"


def _performance(request: Request) -> FixedEfficiency:
    if not isinstance(request.performance, FixedEfficiency):
        raise TypeError(f"FixedEfficiencyModel got a request with {type(request.performance).__name__}")
    return request.performance


def _batch_sizes(request: Request, model: FixedEfficiency) -> tuple[int, ...]:
    wanted = request.workload.concurrency
    return tuple(batch for batch in model.batch_sizes if wanted is None or batch == wanted)


def _degrees(request: Request, pool: Pool) -> tuple[int, ...]:
    most = min(pool.gpus_per_node, pool.max_tensor_parallel)
    return tuple(sorted({tp for tp in request.parallelism.tensor if tp in TENSOR_EFFICIENCY and tp <= most}))


def _kinds(request: Request, model: FixedEfficiency) -> list[_Kind]:
    return [
        _Kind(index, pool, degree)
        for index, pool in enumerate(request.pools)
        if pool.price_per_gpu_hour is not None and pool.name in model.gpu_rates and pool.nodes > 0
        for degree in _degrees(request, pool)
    ]


def _gain(tensor_parallel: int) -> float:
    return tensor_parallel * TENSOR_EFFICIENCY[tensor_parallel]


def _tokens_per_second(
    model: FixedEfficiency, rates: tuple[float, float, float], batch: int, layers: NDArray[np.int64]
) -> FloatArray:
    tflops, gbps, efficiency = rates
    width, length = float(model.hidden_size), float(model.sequence_length)
    flops = layers * (24 * batch * length * width**2 + 4 * batch * length**2 * width)
    traffic = 12 * width**2 * model.bytes_per_element * layers + batch * length * width * model.bytes_per_element
    seconds = np.maximum(flops / (tflops * 1e12 * efficiency), traffic / (gbps * 1e9))
    rate: FloatArray = batch * length / seconds
    return rate


def _setting(
    request: Request, model: FixedEfficiency, kinds: list[_Kind], precision: Precision, batch: int
) -> Setting | None:
    tokens = float(batch * model.sequence_length)
    step = np.full((len(kinds), model.layers + 1), np.inf)
    for row, kind in enumerate(kinds):
        sizes = np.array(
            layer_range(request, model, kind.pool, batch=batch, tensor=kind.tensor_parallel).sizes, dtype=np.int64
        )
        rate = _tokens_per_second(model, model.gpu_rates[kind.pool.name], batch, sizes)
        step[row, sizes] = tokens / (rate * _gain(kind.tensor_parallel) * (precision.speedup or 1.0))
    usable = np.isfinite(step).any(axis=1)
    if not usable.any():
        return None
    return Setting(
        precision=precision.name,
        concurrency=batch,
        stages=0,
        max_stages=request.parallelism.max_pipeline,
        uniform_kind=False,
        uniform_tensor_parallel=False,
        kind_pool=np.array([kind.pool_index for kind in kinds], dtype=np.int64)[usable],
        kind_tensor_parallel=np.array([kind.tensor_parallel for kind in kinds], dtype=np.int64)[usable],
        step_seconds=step[usable],
        first_token_seconds=np.zeros_like(step[usable]),
        hop_seconds=_hop_seconds(request, model, batch),
        first_token_hop_seconds=np.zeros((len(request.pools), len(request.pools))),
        hop_in_step=False,
        tokens_per_step=tokens,
        has_ttft=False,
        has_tpot=False,
    )


def _carries(model: FixedEfficiency, gbps: float) -> bool:
    return gbps > 0 and gbps * (1 + _ROUNDING) >= model.min_link_gbps


def _hop_seconds(request: Request, model: FixedEfficiency, batch: int) -> FloatArray:
    """Time of one pass's activations between consecutive stages, pool by pool; inf where no link carries them."""
    passed_bytes = float(batch * model.sequence_length * model.hidden_size * model.bytes_per_element)
    hops = np.full((len(request.pools), len(request.pools)), np.inf)
    for row, source in enumerate(request.pools):
        for column, target in enumerate(request.pools):
            gbps = model.link_gbps.get((source.name, target.name), 0.0)
            if _carries(model, gbps):
                hops[row, column] = passed_bytes / (gbps * 1e9)
    return hops


# ------------------------------------------------------------------------------------------ why something is out


def _rejection(code: RejectionCode, count: int, pool: Pool | None, message: str) -> Rejection:
    return Rejection(code=code, count=count, pool=pool.name if pool else "", message=message)


def _slo_rejections(request: Request) -> Iterator[Rejection]:
    for code, name, target in (
        (RejectionCode.SLO_TTFT, "TTFT", request.slo.ttft_seconds),
        (RejectionCode.SLO_TPOT, "TPOT", request.slo.tpot_seconds),
    ):
        if target is not None:
            message = f"the config-dir format knows no {name}, so a target of {target:g} s cannot be shown to hold"
            yield _rejection(code, 1, None, message)


def _batch_rejections(request: Request, model: FixedEfficiency) -> Iterator[Rejection]:
    if not _batch_sizes(request, model):
        given = ", ".join(str(batch) for batch in model.batch_sizes)
        message = f"no rates for concurrency {request.workload.concurrency}: the batch sizes are {given}"
        yield _rejection(RejectionCode.NO_PROFILE, 1, None, message)


def _size_rejections(request: Request, model: FixedEfficiency, pool: Pool) -> Iterator[Rejection]:
    """Sizes of one pool that memory or the smallest stage keeps out, counted over all degrees and batch sizes."""
    degrees = _degrees(request, pool)
    ranges = {
        (batch, degree): layer_range(request, model, pool, batch=batch, tensor=degree)
        for batch in _batch_sizes(request, model)
        for degree in degrees
    }
    too_big = sum(model.layers - entry.largest for entry in ranges.values())
    if too_big:
        batch = min(batch for batch, _ in ranges)
        per_degree = "; ".join(_memory_text(model, ranges[batch, degree], batch, degree) for degree in degrees)
        message = (
            f"{pool.gpu.name} has {pool.gpu.memory_gib:g} GiB; all {model.layers} layers on one stage at batch {batch}"
            f" need {per_degree}"
        )
        yield _rejection(RejectionCode.INSUFFICIENT_MEMORY, too_big, pool, message)
    too_small = sum(max(0, entry.smallest - 1) for entry in ranges.values())
    if too_small:
        yield _rejection(RejectionCode.TOO_FEW_LAYERS, too_small, pool, _smallest_text(request, model, ranges))


def _memory_text(model: FixedEfficiency, sizes: LayerRange, batch: int, degree: int) -> str:
    need = memory_gib(model, batch=batch, tensor_parallel=degree, layers=model.layers)
    if sizes.largest == model.layers:
        return f"{need:.1f} GiB at TP{degree} (they fit)"
    if sizes.largest:
        return f"{need:.1f} GiB at TP{degree} (at most {sizes.largest} fit)"
    one = memory_gib(model, batch=batch, tensor_parallel=degree, layers=1)
    return f"{need:.1f} GiB at TP{degree} (not one fits: {one:.1f} GiB)"


def _smallest_text(request: Request, model: FixedEfficiency, ranges: dict[tuple[int, int], LayerRange]) -> str:
    batch = min(batch for batch, _ in ranges)
    shown = "; ".join(
        f"TP{degree} {entry.smallest} to {entry.largest}{'' if entry.sizes else ' (no segment size between)'}"
        for (at, degree), entry in ranges.items()
        if at == batch and entry.largest
    )
    return (
        f"a stage holds at least {request.parallelism.min_layers_per_stage} layers and fills"
        f" {model.min_memory_utilization:.0%} of the memory; layers at batch {batch}: {shown or 'none fit'}"
    )


def _link_rejections(request: Request, model: FixedEfficiency) -> Iterator[Rejection]:
    names = [pool.name for pool in request.pools if pool.name in model.gpu_rates]
    slow = [
        (source, target, model.link_gbps[source, target])
        for source in names
        for target in names
        if (source, target) in model.link_gbps and not _carries(model, model.link_gbps[source, target])
    ]
    if slow:
        source, target, gbps = min(slow, key=lambda link: link[2])
        message = (
            f"{len(slow)} links between pools carry no pipeline: they reach less than {model.min_link_gbps:g} GB/s or"
            f" nothing at all; the slowest is {source} to {target} with {gbps:g} GB/s"
        )
        yield _rejection(RejectionCode.LINK_TOO_SLOW, len(slow), None, message)
