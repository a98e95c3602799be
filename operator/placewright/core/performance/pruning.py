"""Which concurrencies are worth trying for each stage kind: a fast, exact cut before the solver.

Throughput rises with the sequences in flight, so most smaller concurrencies only repeat at a lower rate what a larger
one does at the same cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from placewright.core.model import Request
from placewright.core.performance.base import FloatArray
from placewright.core.performance.candidates import BoolArray, Kinds, architecture_of, one_kind
from placewright.core.performance.links import hop_seconds
from placewright.core.performance.terms import Load

_ROUNDING = 1e-9  # a target met by less than this may be missed when the solver adds up in another order


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """Times by layers held at one number of sequences per step, shape (J, L+1); step times before any speedup."""

    load: Load
    step_seconds: FloatArray
    layers_first_token_seconds: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class StageLoad:
    """What the stages of a replica do at one concurrency.

    Attributes:
        concurrency: sequences in flight in the replica.
        stages: its stages.
        timing: times of one stage.
        allowed: whether a stage of each kind may hold that many layers, shape (J, L+1).
        stage_first_token_seconds: of one stage beside its layers.
    """

    concurrency: int
    stages: int
    timing: Timing
    allowed: BoolArray
    stage_first_token_seconds: float


def worth_trying(request: Request, kinds: Kinds, loads: Sequence[StageLoad]) -> list[BoolArray]:
    """For each load, ascending in concurrency, which kinds to try, shape (J,).

    Where all stages are of one kind, the best layout of a load splits the layers evenly, so a load that a larger one
    beats at the same cost is left out, exactly: the larger one holds an even split, meets the targets with it, and
    yields at least what the smaller one could at best, which is with hops that cost nothing.
    """
    everything = np.ones(len(kinds.pool), dtype=np.bool_)
    if not one_kind(request):
        return [everything for _ in loads]
    largest = ceil(architecture_of(request).layers / loads[0].stages)
    beaten_below = np.zeros(len(kinds.pool))  # sequences per second that some larger load yields for certain
    kept = []
    for load in reversed(loads):
        fits = load.allowed[:, largest]
        step = load.timing.step_seconds[:, largest]
        kept.append(fits & (load.concurrency / step > beaten_below))
        sure = np.where(fits, _sure_rate(request, kinds, load), 0.0)
        beaten_below = np.maximum(beaten_below, sure)
    return kept[::-1]


def _sure_rate(request: Request, kinds: Kinds, load: StageLoad) -> FloatArray:
    """Sequences per bottleneck that an even split yields, every stage with a hop; 0 where it misses a target; (J,)."""
    layers, stages = architecture_of(request).layers, load.stages
    few, more = layers // stages, layers % stages
    hop, first_hop = np.zeros(len(kinds.pool)), np.zeros(len(kinds.pool))
    for degree in np.unique(kinds.tensor_parallel):
        rows = np.flatnonzero(kinds.tensor_parallel == degree)
        step_hops, first_hops = hop_seconds(request, load.timing.load, stages, kinds.tensor_parallel[rows])
        hop[rows] = step_hops[kinds.pool[rows], kinds.pool[rows]]
        first_hop[rows] = first_hops[kinds.pool[rows], kinds.pool[rows]]
    bottleneck = load.timing.step_seconds[:, few + (more > 0)] + hop
    per_layers = load.timing.layers_first_token_seconds
    first = more * per_layers[:, few + (more > 0)] + (stages - more) * per_layers[:, few]
    first = first + stages * (load.stage_first_token_seconds + first_hop)
    target = request.slo
    missed = np.zeros(len(hop), dtype=np.bool_)
    if target.tpot_seconds is not None:
        missed |= stages * bottleneck / (kinds.precision.speedup or 1.0) * (1 + _ROUNDING) > target.tpot_seconds
    if target.ttft_seconds is not None:
        missed |= first * (1 + _ROUNDING) > target.ttft_seconds
    rate: FloatArray = np.where(missed, 0.0, load.concurrency / bottleneck)
    return rate
