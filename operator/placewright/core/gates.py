"""Gates: limits that a plan must pass before it may be used.

A gate is a pure function of request and layout. An input that is missing or not a finite number is `Unknown`, never
zero; `onUnknown` decides what that means. Only the gates that a request sets are evaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from placewright.core.model import (
    GateOutcome,
    GateResult,
    Layout,
    OnUnknown,
    OnViolation,
    Replicas,
    Request,
)

COST_PER_MILLION_TOKENS = "CostPerMillionTokens"
COST_PER_HOUR = "CostPerHour"
QUANTIZATION_DRIFT = "QuantizationDrift"
ON_UNKNOWN = "OnUnknown"  # no gate, but a policy may be stricter in it too


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: its name, where its limit stands, and what it measures on a layout (None: unknown)."""

    name: str
    limit: Callable[[Request], float | None]
    actual: Callable[[Request, Layout], float | None]


def drift_percent(request: Request, precision: str) -> float | None:
    """Return the quality loss of a precision in percent, or None when nobody measured it.

    The model's native precision loses nothing by definition; without an architecture none is known to be native.
    """
    given = next((entry for entry in request.precisions if entry.name == precision), None)
    if given is not None and given.drift_percent is not None:
        return given.drift_percent
    native = request.architecture.native_precision if request.architecture is not None else None
    return 0.0 if precision == native else None


GATES: tuple[Gate, ...] = (
    Gate(
        COST_PER_MILLION_TOKENS,
        limit=lambda request: request.gates.max_cost_per_million_tokens,
        actual=lambda _request, layout: _cost_per_million_tokens(layout),
    ),
    Gate(
        COST_PER_HOUR,
        limit=lambda request: request.gates.max_cost_per_hour,
        actual=lambda _request, layout: layout.cost_per_hour,
    ),
    Gate(
        QUANTIZATION_DRIFT,
        limit=lambda request: request.gates.max_quantization_drift_percent,
        actual=lambda request, layout: drift_percent(request, layout.precision),
    ),
)


def _cost_per_million_tokens(layout: Layout) -> float | None:
    """A layout that serves nothing has no price per token."""
    return layout.cost_per_million_tokens if layout.tokens_per_second else None


def judge(name: str, limit: float, actual: float | None) -> GateOutcome:
    """Hold one figure against one limit; headroom is in percent of the limit (None for 0), negative when exceeded."""
    if actual is None or not isfinite(actual) or not isfinite(limit):
        return GateOutcome(name=name, limit=limit, actual=None, headroom_percent=None, result=GateResult.UNKNOWN)
    passed = actual <= limit
    headroom = (limit - actual) / abs(limit) * 100.0 if limit else None  # there is no share of a limit of 0
    result = GateResult.PASS if passed else GateResult.FAIL
    return GateOutcome(name=name, limit=limit, actual=actual, headroom_percent=headroom, result=result)


def evaluate(request: Request, layout: Layout) -> tuple[GateOutcome, ...]:
    """Hold every gate that the request sets against a layout, in the order of GATES."""
    return _judged(request, {gate.name: gate.actual(request, layout) for gate in GATES})


def evaluate_replicas(request: Request, replicas: Sequence[Replicas]) -> tuple[GateOutcome, ...]:
    """Hold every gate that the request sets against all replicas of a plan together; the worst drift counts."""
    cost = sum(entry.count * entry.layout.cost_per_hour for entry in replicas)
    served = request.workload.tokens_per_second or sum(
        entry.count * entry.layout.tokens_per_second for entry in replicas
    )
    drifts = [drift_percent(request, entry.layout.precision) for entry in replicas]
    known = [drift for drift in drifts if drift is not None]
    return _judged(
        request,
        {
            COST_PER_MILLION_TOKENS: cost / (served * 3600.0) * 1e6 if served else None,
            COST_PER_HOUR: cost,
            QUANTIZATION_DRIFT: max(known) if len(known) == len(drifts) else None,
        },
    )


def _judged(request: Request, actual: Mapping[str, float | None]) -> tuple[GateOutcome, ...]:
    policies = dict(request.gates.policies)
    outcomes: list[GateOutcome] = []
    for gate in GATES:
        limit = gate.limit(request)
        if limit is not None:
            judged = judge(gate.name, limit, actual[gate.name])
            outcomes.append(replace(judged, policy=policies.get(gate.name, "")))
    return tuple(outcomes)


def blocks(request: Request, outcomes: Sequence[GateOutcome]) -> bool:
    """Say whether these outcomes forbid the use of the plan."""
    return any(
        (outcome.result is GateResult.FAIL and request.gates.on_violation is OnViolation.BLOCK)
        or (outcome.result is GateResult.UNKNOWN and request.gates.on_unknown is OnUnknown.BLOCK)
        for outcome in outcomes
    )


def satisfied(request: Request, outcomes: Sequence[GateOutcome]) -> bool:
    """Say whether the outcomes hold as constraints of the search: nothing fails, and nothing unknown blocks.

    Gates are constraints first, also those that only warn: a plan that passes is preferred to one that does not.
    """
    return not blocks(request, outcomes) and all(outcome.result is not GateResult.FAIL for outcome in outcomes)


def drift_allows(request: Request, precision: str) -> bool:
    """Say whether the drift gate leaves a precision usable at all: it does not block, though it may warn."""
    return not blocks(request, _drift_outcome(request, precision))


def drift_passes(request: Request, precision: str) -> bool:
    """Say whether the drift gate, as a constraint of the search, admits a precision."""
    return satisfied(request, _drift_outcome(request, precision))


def without_drift_gate(request: Request) -> Request:
    """The request as a model should see it to offer the precisions that the gate keeps out, for comparison."""
    return replace(request, gates=replace(request.gates, max_quantization_drift_percent=None))


def _drift_outcome(request: Request, precision: str) -> tuple[GateOutcome, ...]:
    limit = request.gates.max_quantization_drift_percent
    return () if limit is None else (judge(QUANTIZATION_DRIFT, limit, drift_percent(request, precision)),)
