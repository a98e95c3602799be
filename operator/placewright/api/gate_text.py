"""What gates say in one line, and in the one word of a condition."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from placewright.core import figures, gates
from placewright.core.model import Decision, GateOutcome, GateResult, OnUnknown, OnViolation, Request

EXCEEDED: Final[Mapping[str, str]] = {
    gates.COST_PER_MILLION_TOKENS: "CostPerTokenExceeded",
    gates.COST_PER_HOUR: "HourlyBudgetExceeded",
    gates.COST_TO_REVENUE_RATIO: "RevenueRatioExceeded",
    gates.QUANTIZATION_DRIFT: "DriftExceeded",
    gates.OBSERVED_COST_DRIFT: "ObservedCostExceeded",
    "NamespaceCostPerHour": "HourlyBudgetExceeded",
    "FleetCostPerHour": "HourlyBudgetExceeded",
}
"""The reason of GatesPassed by the gate that fails."""

_WORDS: Final[Mapping[str, tuple[str, Callable[[float], str]]]] = {
    gates.COST_PER_MILLION_TOKENS: ("cost per million tokens", figures.per_million),
    gates.COST_PER_HOUR: ("cost per hour", figures.per_hour),
    gates.COST_TO_REVENUE_RATIO: ("cost", figures.share),
    gates.QUANTIZATION_DRIFT: ("quantization drift", figures.percent),
    gates.OBSERVED_COST_DRIFT: ("observed cost above the predicted", figures.percent),
    "NamespaceCostPerHour": ("cost per hour of the namespace", figures.per_hour),
    "FleetCostPerHour": ("cost per hour of the fleet", figures.per_hour),
}


def failed(outcomes: Sequence[GateOutcome]) -> list[GateOutcome]:
    """Return the gates that fail."""
    return [outcome for outcome in outcomes if outcome.result is GateResult.FAIL]


def unknown(outcomes: Sequence[GateOutcome]) -> list[GateOutcome]:
    """Return the gates without a usable figure."""
    return [outcome for outcome in outcomes if outcome.result is GateResult.UNKNOWN]


def telling(decision: Decision) -> tuple[GateOutcome, ...]:
    """Return the gates that say why a decision is blocked: those of the plan, else those of what it would be."""
    if not decision.kept or failed(decision.gates) or unknown(decision.gates):
        return decision.gates
    return decision.blocked_gates or decision.gates


def blocking_reason(request: Request, outcomes: Sequence[GateOutcome]) -> str:
    """Return why these gates forbid a plan: GateBlocked, or InputsStale where only live inputs are away; empty: not."""
    if request.gates.on_violation is OnViolation.BLOCK and failed(outcomes):
        return "GateBlocked"
    if request.gates.on_unknown is not OnUnknown.BLOCK or not unknown(outcomes):
        return ""
    return "InputsStale" if all(_is_live(outcome) for outcome in unknown(outcomes)) else "GateBlocked"


def _is_live(outcome: GateOutcome) -> bool:
    """Whether a gate is unknown for an input that may come back; what nobody measured or said does not by itself."""
    return bool(outcome.input)


def gates_text(outcomes: Sequence[GateOutcome]) -> str:
    """Write the gates, failed ones first: `cost per hour $38.4/h exceeds $20/h by 92 %`."""
    order = (GateResult.FAIL, GateResult.UNKNOWN, GateResult.PASS)
    return "; ".join(_gate_text(outcome) for outcome in sorted(outcomes, key=lambda one: order.index(one.result)))


def _gate_text(outcome: GateOutcome) -> str:
    words, written = _WORDS[outcome.name]
    limit = written(outcome.limit) + (f" of policy {outcome.policy}" if outcome.policy else "")
    if outcome.actual is None:
        about = ": ".join(part for part in (outcome.input, outcome.fault) if part)
        return f"{words} is not known{f' ({about})' if about else ''}, the limit is {limit}"
    if outcome.result is GateResult.PASS:
        return f"{words} {written(outcome.actual)} is within {limit}"
    excess = f" by {figures.percent(-outcome.headroom_percent)}" if outcome.headroom_percent is not None else ""
    return f"{words} {written(outcome.actual)} exceeds {limit}{excess}"
