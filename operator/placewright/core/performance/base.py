"""The interface between performance models and the layout solver.

A model turns a Request into Settings. A Setting fixes precision, concurrency and number of stages; within it every
stage kind (pool, tensor_parallel) has a table of step seconds by layers held. The solver sees nothing else, so all
models share it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from placewright.core.model import Rejection, Request

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """One precision, concurrency and number of stages, with the step times of every stage kind.

    J stage kinds, P pools of the request (in its order), L layers. The replica's bottleneck is the largest over its
    stages of step_seconds[kind, layers] (+ hop_seconds[pool, next pool] of the link to the next stage when
    hop_in_step) and, when not hop_in_step, of every hop alone. tokens/s = tokens_per_step / bottleneck.
    TPOT = tpot_steps * bottleneck. TTFT = sum over stages of first_token_seconds[kind, layers] + sum over hops of
    first_token_hop_seconds[pool, next pool].

    Attributes:
        precision: name of the precision.
        concurrency: sequences in flight in the replica.
        stages: exact number of stages, or 0 for any number from 1 to max_stages.
        max_stages: upper limit when stages is 0.
        uniform_kind: True when all stages must be of one kind (one pool, one TP).
        uniform_tensor_parallel: True when all stages must have one TP degree (pools may mix).
        kind_pool: shape (J,), index into request.pools.
        kind_tensor_parallel: shape (J,).
        step_seconds: shape (J, L+1); inf where that many layers are not allowed (memory, minimum, quantized sizes);
            column 0 is inf.
        first_token_seconds: shape (J, L+1), calibrated; zeros when the model has no TTFT.
        hop_seconds: shape (P, P), from a pool (row) to the next stage's pool (column); inf: no link.
        first_token_hop_seconds: shape (P, P).
        hop_in_step: see above.
        tokens_per_step: tokens in the request's token basis that one bottleneck time yields.
        tpot_steps: TPOT = tpot_steps * bottleneck; 0 when the model has no TPOT.
        has_ttft: whether TTFT is known here; when False a TTFT target must leave the Setting out.
        has_tpot: whether TPOT is known here; when False a TPOT target must leave the Setting out.
        max_step_seconds: largest bottleneck that meets the TPOT target; inf: none.
        max_first_token_seconds: the TTFT target; inf: none.
    """

    precision: str
    concurrency: int
    stages: int
    max_stages: int
    uniform_kind: bool
    uniform_tensor_parallel: bool
    kind_pool: IntArray
    kind_tensor_parallel: IntArray
    step_seconds: FloatArray
    first_token_seconds: FloatArray
    hop_seconds: FloatArray
    first_token_hop_seconds: FloatArray
    hop_in_step: bool
    tokens_per_step: float
    tpot_steps: float = 0.0
    has_ttft: bool = True
    has_tpot: bool = True
    max_step_seconds: float = inf
    max_first_token_seconds: float = inf


class PerformanceModel(Protocol):
    """Answers for one request. Implementations are stateless and pure."""

    def settings(self, request: Request) -> Iterable[Setting]:
        """Yield every candidate Setting; settings in which no kind can hold a layer may be left out.

        Drift-gated and unsupported precisions are left out; SLOs stand in max_step_seconds and
        max_first_token_seconds. Pools without a price are left out (their kinds are absent).
        """

    def rejections(self, request: Request) -> Sequence[Rejection]:
        """Say which classes of candidates `settings` leaves out and why, with counts and figures (GiB, GB/s, ...).

        Covers InsufficientMemory, HeadsNotDivisible, PrecisionUnsupported, TooFewLayers, NoPrice, NoProfile,
        DriftGate; the solver's own (stock, SLO, gates, throughput) are found by solving.
        """

    def layers(self, request: Request) -> int:
        """Decoder layers to be covered."""

    def confidence(self, request: Request) -> str:
        """`Measured`, `Fitted`, `Modelled` or `Lower` (mixture of experts)."""
