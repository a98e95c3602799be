"""Which classes of candidates the analytic model leaves out, and why, in figures a user can act on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from placewright.core.model import Pool, Rejection, RejectionCode, Request
from placewright.core.performance import memory
from placewright.core.performance.candidates import (
    Kinds,
    architecture_of,
    concurrencies,
    degrees,
    indivisible,
    kinds_of,
    stage_counts,
)
from placewright.core.performance.drift import allowed_precisions, drift_rejections
from placewright.core.performance.precision import unsupported_reason


def refusals(request: Request) -> tuple[Rejection, ...]:
    """All rejections of the analytic model for a request that passed `check`."""
    found = [*drift_rejections(request), *_stage_refusals(request), *_degree_refusals(request)]
    for pool in request.pools:
        if pool.price_per_gpu_hour is None:
            message = f"pool {pool.name} has no price per GPU-hour"
            found.append(Rejection(code=RejectionCode.NO_PRICE, count=1, pool=pool.name, message=message))
            continue
        found.extend(_node_refusals(request, pool))
        found.extend(_precision_refusals(request, pool))
    found.extend(_memory_refusals(request))
    return tuple(found)


def _stage_refusals(request: Request) -> Iterator[Rejection]:
    limits, layers = request.parallelism, architecture_of(request).layers
    least = max(1, limits.min_layers_per_stage)
    out = limits.max_pipeline - layers // least
    if out > 0:
        message = (
            f"more than {layers // least} stages would leave fewer than {least} of {layers} layers to a stage"
            f" (maxPipeline is {limits.max_pipeline})"
        )
        yield Rejection(code=RejectionCode.TOO_FEW_LAYERS, count=out, pool="", message=message)


def _degree_refusals(request: Request) -> Iterator[Rejection]:
    reasons = [reason for degree in sorted(set(request.parallelism.tensor)) if (reason := indivisible(request, degree))]
    if reasons:
        message = f"runtime vllm: {'; '.join(reasons)}"
        yield Rejection(code=RejectionCode.HEADS_NOT_DIVISIBLE, count=len(reasons), pool="", message=message)


def _node_refusals(request: Request, pool: Pool) -> Iterator[Rejection]:
    if degrees(request, pool):
        return
    wanted = sorted(set(request.parallelism.tensor))
    message = (
        f"pool {pool.name}: the smallest TP allowed is {wanted[0]}, a node carries at most"
        f" {min(pool.gpus_per_node, pool.max_tensor_parallel)} (a group never leaves its node)"
    )
    yield Rejection(code=RejectionCode.INSUFFICIENT_STOCK, count=len(wanted), pool=pool.name, message=message)


def _precision_refusals(request: Request, pool: Pool) -> Iterator[Rejection]:
    reasons = [
        f"{precision.name}: {reason}"
        for precision in allowed_precisions(request)
        if (reason := unsupported_reason(pool.gpu, precision.name))
    ]
    if reasons:
        message = f"pool {pool.name}: {pool.gpu.name} cannot run {'; '.join(reasons)}"
        yield Rejection(code=RejectionCode.PRECISION_UNSUPPORTED, count=len(reasons), pool=pool.name, message=message)


# ------------------------------------------------------------------------------------------ memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shortage:
    """One candidate that does not fit: an even split of the layers over stages of one kind."""

    concurrency: int
    missing_bytes: float
    kinds: Kinds
    kind: int
    stages: int


def _memory_refusals(request: Request) -> Iterator[Rejection]:
    short: dict[int, list[_Shortage]] = {}
    for precision in allowed_precisions(request):
        kinds = kinds_of(request, precision)
        for shortage in _shortages(request, kinds) if len(kinds.pool) else ():
            short.setdefault(int(kinds.pool[shortage.kind]), []).append(shortage)
    for index, cases in sorted(short.items()):
        nearest = min(cases, key=lambda case: (case.concurrency, case.missing_bytes))
        yield Rejection(
            code=RejectionCode.INSUFFICIENT_MEMORY,
            count=len(cases),
            pool=request.pools[index].name,
            message=_memory_message(request, nearest),
        )


def _shortages(request: Request, kinds: Kinds) -> Iterator[_Shortage]:
    layers = architecture_of(request).layers
    for concurrency in concurrencies(request):
        for stages in stage_counts(request):
            share = -(-layers // stages)  # some stage holds this many at least
            missing = kinds.needed_bytes(concurrency, stages)[:, share] - kinds.usable_bytes
            for kind in np.flatnonzero(missing > 0.0):
                yield _Shortage(
                    concurrency=concurrency,
                    missing_bytes=float(missing[kind]),
                    kinds=kinds,
                    kind=int(kind),
                    stages=stages,
                )


def _memory_message(request: Request, case: _Shortage) -> str:
    kinds, kind, layers = case.kinds, case.kind, architecture_of(request).layers
    pool, degree = kinds.pools[kind], int(kinds.tensor_parallel[kind])
    share = -(-layers // case.stages)
    architecture = architecture_of(request)
    vocabulary = memory.vocabulary_bytes(architecture, kinds.group.tensor_parallel, case.stages)[kind]
    weights = kinds.weight_bytes[kind, share] + vocabulary
    cache = kinds.cache_bytes_per_token[kind, share] * memory.cache_tokens(request, case.concurrency)
    runtime = memory.runtime_bytes(pool.gpu, architecture, degree)
    whole = weights + cache + runtime
    return (
        f"pool {pool.name}: {kinds.precision.name} TP {degree} x PP {case.stages} needs {_gib(whole)} GiB per GPU"
        f" (weights {_gib(weights)}, KV cache {_gib(cache)} for {case.concurrency} x"
        f" {request.workload.input_tokens + request.workload.output_tokens} tokens, runtime {_gib(runtime)}),"
        f" {_gib(memory.usable_bytes(pool.gpu))} of {pool.gpu.memory_gib:g} usable"
    )


def _gib(count: float) -> str:
    return f"{count / memory.GIB:.1f}"
