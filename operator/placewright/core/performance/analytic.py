"""The analytic performance model (planning.md section 2a): figures from a model's shape and a GPU's published facts.

Additive: a step costs a fixed time, reads weights and KV cache, computes, communicates, and carries its share of
prompts. `terms.py` has the form, `coefficients.py` the fitted constants, `memory.py` what must fit, `candidates.py`
what is tried, and docs/performance-model.md the whole in formulae.
"""

from collections.abc import Iterator, Sequence
from math import ceil, inf

import numpy as np

from placewright.core.model import Rejection, Request
from placewright.core.performance.base import IntArray, Setting
from placewright.core.performance.candidates import (
    Kinds,
    architecture_of,
    check,
    concurrencies,
    kinds_of,
    one_kind,
    stage_counts,
    uniform_degree,
    worst_case,
)
from placewright.core.performance.coefficients import FITTED
from placewright.core.performance.drift import allowed_precisions
from placewright.core.performance.links import hop_seconds, leaves_node
from placewright.core.performance.pruning import StageLoad, Timing, worth_trying
from placewright.core.performance.refusals import refusals
from placewright.core.performance.terms import (
    Coefficients,
    Load,
    layer_first_token_seconds,
    layer_step_terms,
    stage_first_token_seconds,
    stage_step_terms,
)


class AnalyticModel:
    """Performance model of requests whose `performance` is Analytic; see base.PerformanceModel."""

    def __init__(self, coefficients: Coefficients = FITTED) -> None:
        """Predict with these coefficients; the committed ones by default."""
        self._coefficients = coefficients

    def settings(self, request: Request) -> Iterator[Setting]:
        """Yield a Setting per precision, concurrency, stages and node-crossing; see base.PerformanceModel."""
        check(request)
        for precision in allowed_precisions(request):
            kinds = kinds_of(request, precision)
            if len(kinds.pool):
                yield from self._of_precision(request, kinds)

    def rejections(self, request: Request) -> Sequence[Rejection]:
        """Say which classes of candidates are left out and why; see base.PerformanceModel."""
        check(request)
        return refusals(request)

    def layers(self, request: Request) -> int:
        """Decoder layers to be covered."""
        return architecture_of(request).layers

    def confidence(self, request: Request) -> str:
        """`Modelled`, or `Lower` for a mixture of experts."""
        return "Lower" if architecture_of(request).experts is not None else "Modelled"

    def _of_precision(self, request: Request, kinds: Kinds) -> Iterator[Setting]:
        timings: dict[int, Timing] = {}
        for stages in stage_counts(request):
            loads = []
            for concurrency in concurrencies(request):
                sequences = ceil(concurrency / stages)
                if sequences not in timings:
                    timings[sequences] = timing_of(request, kinds, sequences, self._coefficients)
                loads.append(
                    StageLoad(
                        concurrency=concurrency,
                        stages=stages,
                        timing=timings[sequences],
                        allowed=kinds.allowed(concurrency, stages),
                        stage_first_token_seconds=stage_first_token_seconds(
                            stages, timings[sequences].load, self._coefficients
                        ),
                    )
                )
            parts = list(_same_links(request, kinds, stages))
            worth = worth_trying(request, kinds, loads)
            for load, kept in zip(loads, worth, strict=True):
                most = np.where(load.allowed, np.arange(load.allowed.shape[1]), 0).max(axis=1)
                for members in parts:
                    rows = members[kept[members] & (most[members] > 0)]
                    if len(rows) and _covers(request, stages, most[rows]):
                        yield _setting(request, kinds, load, rows)


def _setting(request: Request, kinds: Kinds, load: StageLoad, rows: IntArray) -> Setting:
    work, target, stages = request.workload, request.slo, load.stages
    speedup = kinds.precision.speedup or 1.0
    hop, first_hop = hop_seconds(request, load.timing.load, stages, kinds.tensor_parallel[rows])
    first = load.timing.layers_first_token_seconds[rows] + load.stage_first_token_seconds
    first[:, 0] = 0.0
    return Setting(
        precision=kinds.precision.name,
        concurrency=load.concurrency,
        stages=stages,
        max_stages=stages,
        uniform_kind=one_kind(request),
        uniform_tensor_parallel=uniform_degree(request),
        kind_pool=kinds.pool[rows],
        kind_tensor_parallel=kinds.tensor_parallel[rows],
        step_seconds=np.where(load.allowed[rows], load.timing.step_seconds[rows] / speedup, inf),
        first_token_seconds=first,
        hop_seconds=hop / speedup,
        first_token_hop_seconds=first_hop,
        hop_in_step=True,
        tokens_per_step=load.concurrency / stages * work.tokens_per_request / work.output_tokens,
        tpot_steps=float(stages),
        max_step_seconds=inf if target.tpot_seconds is None else target.tpot_seconds / stages,
        max_first_token_seconds=inf if target.ttft_seconds is None else target.ttft_seconds,
    )


def timing_of(request: Request, kinds: Kinds, sequences: int, coefficients: Coefficients) -> Timing:
    """Times of every kind of stage with so many sequences per step."""
    load = Load(
        sequences=sequences,
        input_tokens=request.workload.input_tokens,
        output_tokens=request.workload.output_tokens,
    )
    factors = coefficients.step_vector()
    by_shape = [layer_step_terms(shape, kinds.group, load) @ factors for shape in kinds.shapes]
    first = [layer_first_token_seconds(shape, kinds.group, load, coefficients) for shape in kinds.shapes]
    fixed = stage_step_terms(architecture_of(request), kinds.group, load) @ factors
    return Timing(
        load=load,
        step_seconds=worst_case(by_shape, kinds.shapes) + fixed[:, None],
        layers_first_token_seconds=worst_case(first, kinds.shapes),
    )


def _same_links(request: Request, kinds: Kinds, stages: int) -> Iterator[IntArray]:
    """Split the kinds so that within each part the links between stages are the same; one part where TP may mix."""
    everything = np.arange(len(kinds.pool))
    if not uniform_degree(request):
        yield everything
        return
    crossing = {
        int(degree): leaves_node(request, stages, np.array([degree])) for degree in np.unique(kinds.tensor_parallel)
    }
    for pattern in dict.fromkeys(crossing.values()):
        same = [degree for degree, own in crossing.items() if own == pattern]
        yield everything[np.isin(kinds.tensor_parallel, same)]


def _covers(request: Request, stages: int, most: IntArray) -> bool:
    """Whether stages of these kinds can hold all layers together."""
    return bool(stages * most.max() >= architecture_of(request).layers)
