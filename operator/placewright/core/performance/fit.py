"""Fits the coefficients of the analytic model to measured rows, and says how far it is off where it was not fitted.

Least squares on relative errors with a soft-L1 loss and bounds (scipy.optimize.least_squares). Errors are mean absolute
percentage errors: in sample, in five folds, and with one whole (model, GPU, backend) group left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from placewright.core.model import Accelerator, Architecture
from placewright.core.performance.base import FloatArray, IntArray
from placewright.core.performance.calibration import Errors, FitResult, GroupError
from placewright.core.performance.precision import KV_BYTES_PER_VALUE, arithmetic_tflops
from placewright.core.performance.shape import LayerShape, layer_shapes
from placewright.core.performance.terms import (
    BACKEND_TERMS,
    FIRST_TOKEN_TERMS,
    REFERENCE_BACKEND,
    STEP_TERMS,
    Coefficients,
    Group,
    Load,
    layer_step_terms,
    prefill_terms,
    stage_step_terms,
)

QUEUEING_TTFT_SECONDS = 4.0
"""Rows whose TTFT is longer measure a queue in front of the engine, not the engine."""

FOLDS = 5
SEED = 20261121
LOSS_SCALE = {"step": 0.05, "first_token": 0.2}  # relative error from which the loss grows linearly

STEP_BOUNDS: Mapping[str, tuple[float, float]] = {
    "layer_seconds": (1e-5, 2e-4),
    "all_reduce_seconds": (5e-6, 5e-5),
    "weight_read": (1.0, 2.0),
    "kv_read": (1.0, 3.0),
    "decode_arithmetic": (0.0, 4.0),
    "decode_all_reduce": (1.0, 4.0),
    "prompt_layer_seconds": (0.0, 1e-3),
    "prefill_arithmetic": (1.0, 4.0),
    "prefill_attention": (1.0, 3.0),
    "prefill_all_reduce": (1.0, 4.0),
    "stage_seconds": (0.0, 5e-3),
    "sequence_seconds": (0.0, 2e-4),
}
"""What is physically possible: nothing is read, computed or sent faster than the data sheet or the measured bus says,
and an all-reduce takes at least 5 us; short messages reach a quarter of the bus bandwidth at least, attention a third
of the peak. Only decode arithmetic may cost nothing, since it can hide behind the reading of weights."""

FIRST_TOKEN_BOUNDS: Mapping[str, tuple[float, float]] = {
    "prefill_arithmetic": (1.0, 6.0),
    "prefill_attention": (1.0, 3.0),
    "prefill_all_reduce": (1.0, 4.0),
    "request_seconds": (0.0, 0.5),
    "sequence_seconds": (0.0, 5e-3),
    "contention": (0.0, 1.0),
}
BACKEND_BOUNDS = (0.25, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiliconRow:
    """One measurement of a served model on one tensor-parallel group."""

    model: str
    architecture: Architecture
    gpu: Accelerator
    backend: str
    precision: str
    input_tokens: int
    output_tokens: int
    concurrency: int
    tensor_parallel: int
    ttft_seconds: float
    tpot_seconds: float

    @property
    def group(self) -> tuple[str, str, str]:
        """(model, GPU, backend)."""
        return self.model, self.gpu.name, self.backend

    @property
    def configuration(self) -> tuple[str | int, ...]:
        """What was run; rows that repeat it stay in one fold."""
        load = (self.input_tokens, self.output_tokens, self.concurrency, self.tensor_parallel)
        return (*self.group, self.precision, *load)

    @property
    def kv_bytes_per_value(self) -> float:
        """TensorRT-LLM keeps the cache of its fp8 checkpoints in fp8; vLLM keeps 16 bits unless told otherwise."""
        return 1.0 if self.backend == "trtllm" and self.precision == "fp8" else KV_BYTES_PER_VALUE


class FitError(ValueError):
    """The rows cannot be fitted; the text is one clear line."""


def fit(rows: Sequence[SiliconRow]) -> FitResult:
    """Fit TPOT and TTFT, each on its own, to the rows whose TTFT shows no queue. Raises FitError for too few."""
    used = [row for row in rows if row.ttft_seconds <= QUEUEING_TTFT_SECONDS]
    if len({row.configuration for row in used}) < len(STEP_TERMS) + FOLDS or len({row.group for row in used}) < 2:
        raise FitError(
            f"{len(used)} rows without queueing are too few: the fit wants at least {len(STEP_TERMS) + FOLDS}"
            " different ones in two groups of (model, GPU, backend)"
        )
    step, first_token = _step_design(used), _first_token_design(used)
    everything = np.arange(len(used))
    return FitResult(
        coefficients=_coefficients(_backends(used), _solve(step, everything), _solve(first_token, everything)),
        tpot=_errors(used, step),
        ttft=_errors(used, first_token),
        rows=len(rows),
        queueing_rows=len(rows) - len(used),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Design:
    """One least-squares problem over N rows.

    Attributes:
        observed: shape (N,), seconds.
        lower: bounds of the K parameters.
        upper: bounds of the K parameters.
        loss_scale: see LOSS_SCALE.
        predict: seconds of the chosen rows for given parameters.
    """

    observed: FloatArray
    lower: FloatArray
    upper: FloatArray
    loss_scale: float
    predict: Callable[[FloatArray, IntArray], FloatArray]


def _step_design(rows: Sequence[SiliconRow]) -> _Design:
    """TPOT: parameters are the step terms' coefficients, then the factor of each further backend."""
    terms = np.array([_step_terms(row) for row in rows])
    backends = _backends(rows)
    backend = np.array([backends.index(row.backend) for row in rows])
    scaled = np.array([name in BACKEND_TERMS for name in STEP_TERMS])

    def predict(parameters: FloatArray, chosen: IntArray) -> FloatArray:
        factor = np.concatenate([[1.0], parameters[len(STEP_TERMS) :]])[backend[chosen]]
        per_row = np.where(scaled, factor[:, None], 1.0) * parameters[: len(STEP_TERMS)]
        seconds: FloatArray = (terms[chosen] * per_row).sum(axis=1)
        return seconds

    lower, upper = _bounds([STEP_BOUNDS[name] for name in STEP_TERMS], len(backends) - 1)
    observed = np.array([row.tpot_seconds for row in rows])
    return _Design(observed=observed, lower=lower, upper=upper, loss_scale=LOSS_SCALE["step"], predict=predict)


def _first_token_design(rows: Sequence[SiliconRow]) -> _Design:
    """TTFT: parameters are those of FIRST_TOKEN_BOUNDS in order, then the factor of each further backend."""
    terms = np.array([_first_token_terms(row) for row in rows])
    sequences = np.array([float(row.concurrency) for row in rows])
    backends = _backends(rows)
    backend = np.array([backends.index(row.backend) for row in rows])
    width = len(FIRST_TOKEN_TERMS)

    def predict(parameters: FloatArray, chosen: IntArray) -> FloatArray:
        request, sequence, contention = parameters[width : width + 3]
        factor = np.concatenate([[1.0], parameters[width + 3 :]])[backend[chosen]]
        own = terms[chosen] @ parameters[:width]
        fixed = factor * (request + sequence * sequences[chosen])
        seconds: FloatArray = own * (1.0 + contention * (sequences[chosen] - 1.0)) + fixed
        return seconds

    lower, upper = _bounds(list(FIRST_TOKEN_BOUNDS.values()), len(backends) - 1)
    observed = np.array([row.ttft_seconds for row in rows])
    return _Design(observed=observed, lower=lower, upper=upper, loss_scale=LOSS_SCALE["first_token"], predict=predict)


def _backends(rows: Sequence[SiliconRow]) -> list[str]:
    """The reference first, whether or not there is a row of it."""
    return [REFERENCE_BACKEND, *sorted({row.backend for row in rows} - {REFERENCE_BACKEND})]


def _bounds(named: Sequence[tuple[float, float]], backends: int) -> tuple[FloatArray, FloatArray]:
    lower, upper = zip(*named, *[BACKEND_BOUNDS] * backends, strict=True)
    return np.array(lower), np.array(upper)


def _group(row: SiliconRow) -> Group:
    gpu = row.gpu
    return Group(
        tensor_parallel=np.array([float(row.tensor_parallel)]),
        bytes_per_second=np.array([gpu.memory_bandwidth_gbps * 1e9]),
        flops=np.array([arithmetic_tflops(gpu, row.precision) * 1e12]),
        flops_16bit=np.array([gpu.tflops_16bit * 1e12]),
        all_reduce_bytes_per_second=np.array([gpu.all_reduce_gbps * 1e9]),
    )


def _step_terms(row: SiliconRow) -> FloatArray:
    """Terms of a whole step of one stage, shape (12,)."""
    group = _group(row)
    load = Load(sequences=row.concurrency, input_tokens=row.input_tokens, output_tokens=row.output_tokens)
    total: FloatArray = stage_step_terms(row.architecture, group, load)[0]
    for shape in _shapes(row, group):
        total = total + shape.count * layer_step_terms(shape, group, load)[0]
    return total


def _first_token_terms(row: SiliconRow) -> FloatArray:
    """Terms of a whole prompt, shape (3,)."""
    group = _group(row)
    total: FloatArray = np.zeros(len(FIRST_TOKEN_TERMS))
    for shape in _shapes(row, group):
        total = total + shape.count * prefill_terms(shape, group, row.input_tokens)[0]
    return total


def _shapes(row: SiliconRow, group: Group) -> tuple[LayerShape, ...]:
    return layer_shapes(
        row.architecture, row.precision, group.tensor_parallel, kv_bytes_per_value=row.kv_bytes_per_value
    )


def _solve(design: _Design, chosen: IntArray) -> FloatArray:
    """Parameters that fit the chosen rows best; from one fixed start, so equal rows give equal parameters."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - an optional dependency that only the fit needs

    observed = design.observed[chosen]

    def residuals(parameters: FloatArray) -> FloatArray:
        return design.predict(parameters, chosen) / observed - 1.0

    middle = design.lower + 0.25 * (design.upper - design.lower)
    found = least_squares(
        residuals,
        middle,
        bounds=(design.lower, design.upper),
        loss="soft_l1",
        f_scale=design.loss_scale,
        x_scale=design.upper - design.lower,
        ftol=1e-10,
        xtol=1e-10,
        gtol=1e-10,
        max_nfev=2000,
    )
    best: FloatArray = found.x
    return best


def _errors(rows: Sequence[SiliconRow], design: _Design) -> Errors:
    everything = np.arange(len(rows))
    groups = list(dict.fromkeys(row.group for row in rows))
    member = np.array([groups.index(row.group) for row in rows])
    fold = _folds(rows)
    in_sample = _misses(design, everything, everything)
    five_fold, left_out = np.zeros(len(rows)), np.zeros(len(rows))
    for part, labels, parts in ((five_fold, fold, range(FOLDS)), (left_out, member, range(len(groups)))):
        for label in parts:
            held = labels == label
            part[held] = _misses(design, everything[~held], everything[held])

    def mean(values: FloatArray, chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
        return float(values[chosen].mean())

    everyone = np.ones(len(rows), dtype=np.bool_)
    return Errors(
        rows=len(rows),
        in_sample_percent=mean(in_sample, everyone),
        five_fold_percent=mean(five_fold, everyone),
        left_out_percent=mean(left_out, everyone),
        groups=tuple(
            GroupError(
                model=model,
                gpu=gpu,
                backend=backend,
                rows=int((member == index).sum()),
                in_sample_percent=mean(in_sample, member == index),
                five_fold_percent=mean(five_fold, member == index),
                left_out_percent=mean(left_out, member == index),
            )
            for index, (model, gpu, backend) in enumerate(groups)
        ),
    )


def _misses(design: _Design, fitted: IntArray, judged: IntArray) -> FloatArray:
    """Absolute percentage errors on the judged rows after a fit to the others."""
    if not len(judged):
        return np.zeros(0)
    parameters = _solve(design, fitted)
    missed: FloatArray = 100.0 * np.abs(design.predict(parameters, judged) / design.observed[judged] - 1.0)
    return missed


def _folds(rows: Sequence[SiliconRow]) -> IntArray:
    """Fold of every row: configurations in a seeded random order, dealt out in turn."""
    configurations = sorted({row.configuration for row in rows}, key=repr)
    order = np.random.default_rng(SEED).permutation(len(configurations))
    fold = {configurations[place]: number % FOLDS for number, place in enumerate(order)}
    return np.array([fold[row.configuration] for row in rows])


def _coefficients(backends: Sequence[str], step: FloatArray, first_token: FloatArray) -> Coefficients:
    named = dict(zip(FIRST_TOKEN_BOUNDS, first_token.tolist(), strict=False))
    return Coefficients(
        step=dict(zip(STEP_TERMS, step.tolist(), strict=False)),
        step_backend=dict(zip(backends, [1.0, *step[len(STEP_TERMS) :].tolist()], strict=True)),
        first_token={name: named[name] for name in FIRST_TOKEN_TERMS},
        first_token_request_seconds=named["request_seconds"],
        first_token_sequence_seconds=named["sequence_seconds"],
        first_token_contention=named["contention"],
        first_token_backend=dict(zip(backends, [1.0, *first_token[len(FIRST_TOKEN_BOUNDS) :].tolist()], strict=True)),
    )
