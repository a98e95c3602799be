"""Figures of layouts by class from the analytic model (planning.md section 2a).

The same tables answer for one given layout and for all layouts of one kind (one pool, one TP degree) at once. Of
those, with n layers in each stage but the last, the slowest stage is one that has a hop or the last one, so n and the
number of stages are all that there is to choose.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil

import numpy as np

from placewright.core.fleet.candidate_base import (
    Candidate,
    ClassFigures,
    above_floor,
    candidate_from,
    classes_of,
    slo_of,
    stages_of,
)
from placewright.core.fleet.candidate_dominance import pareto
from placewright.core.model import Precision, Request, Runtime, Stage, TrafficClass
from placewright.core.performance import memory
from placewright.core.performance.analytic import timing_of
from placewright.core.performance.base import FloatArray, IntArray
from placewright.core.performance.candidates import (
    BoolArray,
    Kinds,
    architecture_of,
    check,
    concurrencies,
    kinds_of,
    stage_counts,
    uniform_degree,
    worst_case,
)
from placewright.core.performance.coefficients import FITTED
from placewright.core.performance.links import hop_seconds
from placewright.core.performance.pruning import Timing
from placewright.core.performance.terms import (
    Load,
    layer_first_token_seconds,
    layer_step_terms,
    stage_first_token_seconds,
    stage_step_terms,
)
from placewright.core.runtime import default_split

_SEARCH_ROUNDING = 1e-12  # relative; the last bits of a figure depend on the order of the sum
_ROUNDING = 1e-11


def one_class(request: Request, each: TrafficClass) -> Request:
    """The request as if it served this class alone."""
    load = replace(request.workload, input_tokens=each.input_tokens, output_tokens=each.output_tokens, classes=())
    return replace(request, workload=load, slo=slo_of(each))


class AnalyticTables:
    """A request's candidates and the figures of any of its layouts.

    Args:
        request: its precisions are those that may be used; its pools have prices, and stock for any replica.

    Raises:
        InvalidRequestError: the request contradicts itself or its model.
    """

    def __init__(self, request: Request) -> None:
        """Check the request; figures are worked out when they are asked for."""
        self.request = request
        self.classes = classes_of(request)
        self.by_class = tuple(one_class(request, each) for each in self.classes)
        for each in self.by_class:
            check(each)
        self._precisions: dict[str, tuple[_ClassTables, ...]] = {}

    def _tables(self, precision: Precision) -> "tuple[_ClassTables, ...]":
        if precision.name not in self._precisions:
            self._precisions[precision.name] = tuple(
                _ClassTables(request=request, each=each, kinds=kinds_of(request, precision))
                for request, each in zip(self.by_class, self.classes, strict=True)
            )
        return self._precisions[precision.name]

    def figures(self, stages: tuple[Stage, ...], precision: str, concurrency: int) -> Candidate | None:
        """The candidate of a given layout; None when it is none."""
        used = next((each for each in self.request.precisions if each.name == precision), None)
        if used is None or concurrency < 1 or not _is_whole(self.request, stages):
            return None
        tables = self._tables(used)
        kinds = tables[0].stage_kinds(stages)
        if kinds is None:
            return None
        sizes = np.array([stage.layers for stage in stages], dtype=np.int64)
        return candidate_from(
            stages, precision, concurrency, (each.figures(kinds, sizes, concurrency) for each in tables)
        )

    def uniform(self) -> tuple[tuple[Candidate, ...], bool]:
        """The candidates of one kind that no other of its groups makes needless, and whether these are all."""
        found: dict[tuple[int, int, int], list[_Choice]] = {}
        complete = True
        for precision in self.request.precisions:
            tables = self._tables(precision)
            if not len(tables[0].kinds.pool):
                continue
            for stages in stage_counts(self.request):
                rates = np.stack([each.rates(stages) for each in tables], axis=-1)  # (B, J, n, C)
                complete = complete and not any(each.cut_by_first_token for each in tables)
                for choice in _choices(tables[0].kinds, stages, rates):
                    found.setdefault(choice.groups, []).append(choice)
        kept = [own[row] for own in found.values() for row in pareto(np.array([choice.rates for choice in own]))]
        entries = [self._candidate(choice) for choice in kept]
        self._precisions.clear()  # the figures of single layouts need little of it
        return tuple(entry for entry in entries if entry is not None), complete

    def _candidate(self, choice: "_Choice") -> Candidate | None:
        pool = self.request.pools[choice.groups[0]]
        sizes = _split(architecture_of(self.request).layers, choice.groups[2], choice.layers)
        stages = stages_of(pool.name, pool.gpu.name, choice.groups[1], sizes)
        return self.figures(stages, choice.precision, concurrencies(self.request)[choice.concurrency])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """A layout of one kind: (pool, TP, stages), and its rates by class."""

    groups: tuple[int, int, int]
    precision: str
    concurrency: int  # index
    layers: int  # of every stage but the last
    rates: tuple[float, ...]


def _choices(kinds: Kinds, stages: int, rates: FloatArray) -> Iterator[_Choice]:
    """The layouts of a precision and a number of stages that may be needed, from rates (B, J, n, C)."""
    if rates.shape[-1] == 1:  # of one class the fastest alone can be needed
        rates = np.where(rates == rates.max(axis=(0, 2), keepdims=True), rates, 0.0)
    best = rates.argmax(axis=2)  # (B, J, C)
    served = rates.max(axis=2) > 0
    for concurrency, kind in zip(*np.nonzero(served.any(axis=2)), strict=True):
        own = best[concurrency, kind][served[concurrency, kind]]
        for index in range(int(own.min()), int(own.max()) + 1):  # a layout outside serves every class worse
            found = rates[concurrency, kind, index]
            if found.any():
                yield _Choice(
                    groups=(int(kinds.pool[kind]), int(kinds.tensor_parallel[kind]), stages),
                    precision=kinds.precision.name,
                    concurrency=int(concurrency),
                    layers=index + 1,
                    rates=tuple(found.tolist()),
                )


def _split(layers: int, stages: int, each: int) -> tuple[int, ...]:
    """Sizes with so many layers in each stage but the last; evenly, as the runtime does, when that is the largest."""
    if each == ceil(layers / stages):
        return default_split(layers, stages)
    return (*(each,) * (stages - 1), layers - (stages - 1) * each)


def _is_whole(request: Request, stages: tuple[Stage, ...]) -> bool:
    """Whether the stages cover the layers once and in order, in a shape that the runtime starts."""
    limits = request.parallelism
    due = 0
    for stage in stages:
        if stage.first_layer != due or stage.layers < max(1, limits.min_layers_per_stage):
            return False
        due = stage.last_layer + 1
    if due != architecture_of(request).layers or len(stages) > limits.max_pipeline:
        return False
    if limits.runtime is Runtime.ANY:
        return True
    pools = {stage.pool for stage in stages}
    return len({stage.tensor_parallel for stage in stages}) == 1 and (limits.allow_mixed_pools or len(pools) == 1)


@dataclass(kw_only=True, eq=False)
class _ClassTables:
    """One class in one precision. J kinds, L layers, B concurrencies."""

    request: Request  # of this class alone
    each: TrafficClass
    kinds: Kinds
    timing: dict[int, Timing] = field(default_factory=dict)  # by sequences per step
    cut_by_first_token: bool = False  # a TTFT target cut layouts whose TTFT depends on how the layers are split

    # ------------------------------------------------------------------------------------ one given layout

    def stage_kinds(self, stages: tuple[Stage, ...]) -> IntArray | None:
        """The kind of each stage; None when one is no kind of the request."""
        known = {
            (pool.name, pool.gpu.name, int(degree)): kind
            for kind, (pool, degree) in enumerate(zip(self.kinds.pools, self.kinds.tensor_parallel, strict=True))
        }
        found = [known.get((stage.pool, stage.gpu, stage.tensor_parallel)) for stage in stages]
        return None if None in found else np.array(found, dtype=np.int64)

    def figures(self, kinds: IntArray, sizes: IntArray, concurrency: int) -> ClassFigures | None:
        """Figures of ordered stages; None when memory, links, a target or the floor forbid them to serve the class."""
        stages = len(sizes)
        needed = self.kinds.needed_bytes(concurrency, stages)[kinds, sizes]
        if (needed > self.kinds.usable_bytes[kinds]).any():
            return None
        timing = self._timing(ceil(concurrency / stages))
        speedup = self.kinds.precision.speedup or 1.0
        step = timing.step_seconds[kinds, sizes] / speedup
        first = timing.layers_first_token_seconds[kinds, sizes] + stage_first_token_seconds(stages, timing.load, FITTED)
        if stages > 1:
            hop, first_hop = hop_seconds(self.request, timing.load, stages, self.kinds.tensor_parallel[kinds])
            pools = self.kinds.pool[kinds]
            step[:-1] += hop[pools[:-1], pools[1:]] / speedup
            first[:-1] += first_hop[pools[:-1], pools[1:]]
        bottleneck, ttft = float(step.max()), float(first.sum())
        rate = concurrency / stages / bottleneck / self.each.output_tokens
        target = slo_of(self.each)
        if not (rate > 0.0 and above_floor(self.request, self.each, rate)):
            return None
        for figure, limit in ((stages * bottleneck, target.tpot_seconds), (ttft, target.ttft_seconds)):
            if limit is not None and figure > limit * (1 + _ROUNDING):
                return None
        return ClassFigures(requests_per_second=rate, ttft_seconds=ttft, tpot_seconds=stages * bottleneck)

    def _timing(self, sequences: int) -> Timing:
        if sequences not in self.timing:
            self.timing[sequences] = timing_of(self.request, self.kinds, sequences, FITTED)
        return self.timing[sequences]

    # ------------------------------------------------------------------------------------ all layouts of one kind

    @cached_property
    def _loads(self) -> IntArray:
        """Sequences per step of every concurrency and number of stages, ascending."""
        found = {ceil(each / stages) for each in concurrencies(self.request) for stages in stage_counts(self.request)}
        return np.array(sorted(found), dtype=np.int64)

    @cached_property
    def _timings(self) -> tuple[FloatArray, FloatArray]:
        """Step time and time to first token by load, kind and layers held, (loads, J, L+1)."""
        kinds, shapes = self.kinds, self.kinds.shapes
        vector = FITTED.step_vector()
        steps: list[list[FloatArray]] = [[] for _ in shapes]
        firsts: list[list[FloatArray]] = [[] for _ in shapes]
        fixed = []
        for sequences in self._loads.tolist():
            load = self._load(sequences)
            for at, shape in enumerate(shapes):
                steps[at].append(layer_step_terms(shape, kinds.group, load) @ vector)
                firsts[at].append(layer_first_token_seconds(shape, kinds.group, load, FITTED))
            fixed.append(stage_step_terms(architecture_of(self.request), kinds.group, load) @ vector)
        step = worst_case([np.concatenate(own) for own in steps], shapes) + np.concatenate(fixed)[:, None]
        first = worst_case([np.concatenate(own) for own in firsts], shapes)
        form = (len(self._loads), len(kinds.pool), -1)
        return (step / (kinds.precision.speedup or 1.0)).reshape(form), first.reshape(form)

    def _load(self, sequences: int) -> Load:
        return Load(sequences=sequences, input_tokens=self.each.input_tokens, output_tokens=self.each.output_tokens)

    def _hops(self, stages: int, sequences: IntArray) -> tuple[FloatArray, FloatArray]:
        """Hop in a step (B, J) and of a first token (J,), from a pool to itself: both grow evenly with the load."""
        one, two, first = [], [], []
        for degree in np.unique(self.kinds.tensor_parallel):
            own = np.array([degree])
            step, token = hop_seconds(self.request, self._load(1), stages, own)
            one.append(step.diagonal())
            two.append(hop_seconds(self.request, self._load(2), stages, own)[0].diagonal())
            first.append(token.diagonal())
        at = np.searchsorted(np.unique(self.kinds.tensor_parallel), self.kinds.tensor_parallel)
        low, high, token = (np.array(each)[at, self.kinds.pool] for each in (one, two, first))
        linked = np.isfinite(low)
        rise = np.where(linked, np.where(linked, high, 0.0) - np.where(linked, low, 0.0), 0.0)
        speedup = self.kinds.precision.speedup or 1.0
        return (low + (sequences[:, None] - 1) * rise) / speedup, token

    def _fits(self, stages: int) -> BoolArray:
        """Whether a stage of each kind may hold that many layers at each concurrency, (B, J, L+1)."""
        kinds, layers = self.kinds, architecture_of(self.request).layers
        least = max(1, self.request.parallelism.min_layers_per_stage)
        tokens = np.array([memory.cache_tokens(self.request, each) for each in concurrencies(self.request)])
        vocabulary = memory.vocabulary_bytes(architecture_of(self.request), kinds.group.tensor_parallel, stages)
        held = kinds.weight_bytes + vocabulary[:, None]
        fits = held + kinds.cache_bytes_per_token * tokens[:, None, None] <= kinds.usable_bytes[:, None]
        both: BoolArray = fits & (np.arange(layers + 1) >= least)
        return both

    def rates(self, stages: int) -> FloatArray:
        """Requests/s (B, J, n) with n = 1.. layers in each stage but the last; 0 where the class is not served."""
        layers = architecture_of(self.request).layers
        counts = np.array(concurrencies(self.request), dtype=np.int64)
        sequences = -(-counts // stages)
        loads = np.searchsorted(self._loads, sequences)
        step, first = (each[loads] for each in self._timings)
        even = ceil(layers / stages)
        others = np.arange(1, even + 1) if stages > 1 else np.array([layers])
        last = layers - (stages - 1) * others
        last[-1] = layers // stages  # an even split; its larger part is never last
        fits = self._fits(stages)
        bottleneck, ttft = step[:, :, last], first[:, :, last]
        able = fits[:, :, last]
        constant = np.array([stage_first_token_seconds(stages, self._load(int(b)), FITTED) for b in sequences])
        ttft = ttft + stages * constant[:, None, None]
        if stages > 1:
            hop, first_hop = self._hops(stages, sequences)
            bottleneck = np.maximum(bottleneck, step[:, :, others] + hop[:, :, None])
            more = layers - stages * (layers // stages)
            per_stage = (stages - 1) * first[:, :, others]
            if more:  # the even split has stages - 1 - more of the smaller part before the last one
                per_stage[:, :, -1] -= (stages - 1 - more) * (first[:, :, even] - first[:, :, even - 1])
            ttft = ttft + per_stage + ((stages - 1) * first_hop)[None, :, None]
            able = able & fits[:, :, others]
        rate = counts[:, None, None] / stages / bottleneck / self.each.output_tokens
        return np.where(self._meets(stages, able, bottleneck, ttft), rate, 0.0)

    def _meets(
        self,
        stages: int,
        able: BoolArray,
        bottleneck: FloatArray,
        ttft: FloatArray,
    ) -> BoolArray:
        """Which of the layouts meet the targets of the class."""
        target = slo_of(self.each)
        met = able & np.isfinite(bottleneck)
        if target.tpot_seconds is not None:
            met &= stages * bottleneck <= target.tpot_seconds * (1 + _SEARCH_ROUNDING)
        if target.ttft_seconds is not None:
            soon = ttft <= target.ttft_seconds * (1 + _SEARCH_ROUNDING)
            if stages > 1 and len(self.kinds.shapes) > 1 and bool((met & ~soon).any()):
                self.cut_by_first_token = True
            met &= soon
        return met


def is_one_kind(request: Request) -> bool:
    """Whether every layout of the request has one pool and one TP degree."""
    return uniform_degree(request) and (not request.parallelism.allow_mixed_pools or len(request.pools) == 1)
