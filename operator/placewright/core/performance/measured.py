"""The measured model (planning.md section 2b): only what was measured is a candidate, and nothing is extrapolated.

A row says what one replica of (GPU, TP, PP, precision) sustains on one request class. It serves a request when its
input and output tokens are the workload's, so its requests/s, TTFT and TPOT are taken as they stand. Several rows of
one configuration, say at several concurrencies, are all candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf

import numpy as np

from placewright.core.model import Measured, Measurement, Pool, Rejection, RejectionCode, Request, Runtime
from placewright.core.performance.base import FloatArray, IntArray, Setting
from placewright.core.performance.drift import allowed_precisions, drift_rejections

UNKNOWN_CONCURRENCY = 256
"""Sequences in flight where neither row nor request says and no latency was measured: vLLM's default of
max_num_seqs, the least that such a run has most likely used."""

_ROUNDING = 1e-12  # TTFT is spread over the stages; adding it up again must not cross its target


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row cannot be used, or not on a pool."""

    code: RejectionCode
    reason: str


class MeasuredModel:
    """Performance model of requests whose `performance` is Measured; see base.PerformanceModel."""

    def settings(self, request: Request) -> Iterator[Setting]:
        """Yield one Setting per usable row, in the order of the rows."""
        admitted = {precision.name for precision in allowed_precisions(request)}
        for row in _performance(request).rows:
            if row.precision not in admitted or _row_refusal(request, row) is not None:
                continue
            pools = [
                index
                for index, pool in enumerate(request.pools)
                if pool.price_per_gpu_hour is not None and pool_refusal(pool, row) is None
            ]
            if pools:
                yield _setting(request, row, pools)

    def rejections(self, request: Request) -> Sequence[Rejection]:
        """Say which pools have no usable row and what is missing, and which precisions the drift gate keeps out."""
        found = list(drift_rejections(request))
        for pool in request.pools:
            if pool.price_per_gpu_hour is None:
                message = f"pool {pool.name} has no price per GPU-hour"
                found.append(Rejection(code=RejectionCode.NO_PRICE, count=1, pool=pool.name, message=message))
            else:
                found.extend(_pool_rejections(request, pool))
        return tuple(found)

    def layers(self, request: Request) -> int:
        """Decoder layers to be covered; 0 when no architecture is given, as then only each row's PP is known."""
        _performance(request)
        return request.architecture.layers if request.architecture is not None else 0

    def confidence(self, request: Request) -> str:
        """`Measured`, or `Fitted` where a model that was fitted to measurements gave the rows."""
        profile = _performance(request).profile
        return "Fitted" if profile is not None and profile.fitted else "Measured"


def _performance(request: Request) -> Measured:
    if not isinstance(request.performance, Measured):
        raise TypeError(f"MeasuredModel got a request with {type(request.performance).__name__}")
    return request.performance


# ------------------------------------------------------------------------------------------ which rows may be used


def _row_refusal(request: Request, row: Measurement) -> Refusal | None:
    """Why a row cannot serve this request on any pool; the drift gate is looked at elsewhere."""
    return structure_refusal(request, row) or _latency_refusal(request, row)


def structure_refusal(request: Request, row: Measurement) -> Refusal | None:
    """Why a row cannot serve this request, whatever its latencies."""
    return _class_refusal(request, row) or _limit_refusal(request, row) or _shape_refusal(request, row)


def _class_refusal(request: Request, row: Measurement) -> Refusal | None:
    """Nothing is extrapolated: a row of another class, concurrency or precision says nothing of this request."""
    load = request.workload
    if (row.input_tokens, row.output_tokens) != (load.input_tokens, load.output_tokens):
        reason = (
            f"measured with {row.input_tokens}+{row.output_tokens} tokens,"
            f" asked for {load.input_tokens}+{load.output_tokens}"
        )
    elif load.concurrency is not None and row.concurrency not in {None, load.concurrency}:
        reason = f"measured at concurrency {row.concurrency}, asked for {load.concurrency}"
    elif row.precision not in {precision.name for precision in request.precisions}:
        reason = f"measured in {row.precision}, which is not among the request's precisions"
    elif row.requests_per_second <= 0:
        reason = "it served no requests"
    else:
        return None
    return Refusal(RejectionCode.NO_PROFILE, reason)


def _limit_refusal(request: Request, row: Measurement) -> Refusal | None:
    """What the request says of TP and PP."""
    limits = request.parallelism
    if row.tensor_parallel not in limits.tensor:
        allowed = ", ".join(str(degree) for degree in limits.tensor)
        return Refusal(RejectionCode.NO_PROFILE, f"the request allows TP {allowed}")
    if row.pipeline_parallel > limits.max_pipeline:
        return Refusal(RejectionCode.NO_PROFILE, f"the request allows at most {limits.max_pipeline} stages")
    return None


def _shape_refusal(request: Request, row: Measurement) -> Refusal | None:
    """What the model's shape, where it is known, says against a row."""
    shape = request.architecture
    if shape is None:
        return None
    heads, degree = shape.attention_heads, row.tensor_parallel
    if request.parallelism.runtime is Runtime.VLLM and heads % degree:
        return Refusal(RejectionCode.HEADS_NOT_DIVISIBLE, f"TP {degree} does not divide the {heads} attention heads")
    least = max(1, request.parallelism.min_layers_per_stage)
    held = shape.layers // row.pipeline_parallel
    if held < least:
        reason = (
            f"PP {row.pipeline_parallel} leaves {held} of {shape.layers} layers to a stage, at least {least} wanted"
        )
        return Refusal(RejectionCode.TOO_FEW_LAYERS, reason)
    return None


def pool_refusal(pool: Pool, row: Measurement) -> Refusal | None:
    """Why a row cannot be used on a pool."""
    degree = row.tensor_parallel
    if row.gpu != pool.gpu.name:
        return Refusal(RejectionCode.NO_PROFILE, f"measured on {row.gpu}")
    if degree > pool.gpus_per_node:
        return Refusal(RejectionCode.NO_PROFILE, f"TP {degree} exceeds a node of {pool.gpus_per_node} GPUs")
    if degree > pool.max_tensor_parallel:
        return Refusal(RejectionCode.NO_PROFILE, f"TP {degree} exceeds the pool's largest, {pool.max_tensor_parallel}")
    return None


def _latency_refusal(request: Request, row: Measurement) -> Refusal | None:
    """A target on a figure that was not measured cannot be shown to hold."""
    for code, name, target, known in (
        (RejectionCode.SLO_TTFT, "TTFT", request.slo.ttft_seconds, row.ttft_seconds),
        (RejectionCode.SLO_TPOT, "TPOT", request.slo.tpot_seconds, row.tpot_seconds),
    ):
        if target is not None and known is None:
            return Refusal(code, f"its {name} was not measured, the target is {target:g} s")
    return None


# ------------------------------------------------------------------------------------------ a row as a Setting


def _setting(request: Request, row: Measurement, pools: list[int]) -> Setting:
    """Lay a row out so that any even split yields exactly its figures.

    With a TPOT the bottleneck is the TPOT itself, else 1 s; tokens_per_step then makes requests/s come out.
    """
    stages = row.pipeline_parallel
    layers = request.architecture.layers if request.architecture is not None else stages
    step_seconds = row.tpot_seconds or 1.0
    columns = sorted({layers // stages, ceil(layers / stages)})
    step: FloatArray = np.full((len(pools), layers + 1), np.inf)
    step[:, columns] = step_seconds
    kind_pool: IntArray = np.array(pools, dtype=np.int64)
    links = np.zeros((len(request.pools), len(request.pools)))
    return Setting(
        precision=row.precision,
        concurrency=concurrency_of(request, row),
        stages=stages,
        max_stages=stages,
        uniform_kind=True,
        uniform_tensor_parallel=True,
        kind_pool=kind_pool,
        kind_tensor_parallel=np.full_like(kind_pool, row.tensor_parallel),
        step_seconds=step,
        first_token_seconds=np.full_like(step, (row.ttft_seconds or 0.0) / stages),
        hop_seconds=links,
        first_token_hop_seconds=links,
        hop_in_step=False,
        tokens_per_step=row.requests_per_second * request.workload.tokens_per_request * step_seconds,
        tpot_steps=1.0 if row.tpot_seconds else 0.0,
        has_ttft=row.ttft_seconds is not None,
        has_tpot=row.tpot_seconds is not None,
        max_step_seconds=_limit(request.slo.tpot_seconds),
        max_first_token_seconds=_limit(request.slo.ttft_seconds) * (1 + _ROUNDING),
    )


def _limit(target_seconds: float | None) -> float:
    return inf if target_seconds is None else target_seconds


def concurrency_of(request: Request, row: Measurement) -> int:
    """Sequences in flight: the row's, else the request's, else Little's law on the measured rate and latency."""
    if row.concurrency is not None:
        return row.concurrency
    if request.workload.concurrency is not None:
        return request.workload.concurrency
    if row.ttft_seconds is not None and row.tpot_seconds is not None:
        latency_seconds = row.ttft_seconds + row.tpot_seconds * max(0, row.output_tokens - 1)
        return max(1, ceil(row.requests_per_second * latency_seconds))
    return UNKNOWN_CONCURRENCY


# ------------------------------------------------------------------------------------------ why something is out


def _pool_rejections(request: Request, pool: Pool) -> Iterator[Rejection]:
    """Rows of this pool's GPU that cannot be used, by code, with the first reason of each and how many share it."""
    rows = [row for row in _performance(request).rows if row.gpu == pool.gpu.name]
    if not rows:
        known = ", ".join(sorted({row.gpu for row in _performance(request).rows})) or "nothing"
        message = f"no measurement on {pool.gpu.name}; measured: {known}"
        yield Rejection(code=RejectionCode.NO_PROFILE, count=1, pool=pool.name, message=message)
        return
    reasons: dict[RejectionCode, list[str]] = {}
    for row in rows:
        refusal = _row_refusal(request, row) or pool_refusal(pool, row)
        if refusal is not None:
            told = f"{row.gpu} TP{row.tensor_parallel} PP{row.pipeline_parallel} {row.precision}: {refusal.reason}"
            reasons.setdefault(refusal.code, []).append(told)
    for code, told_of in reasons.items():
        more = f" (and {len(told_of) - 1} more rows)" if len(told_of) > 1 else ""
        yield Rejection(code=code, count=len(told_of), pool=pool.name, message=told_of[0] + more)
