"""Gates as labelled lines: limit, figure, room left; and what they block beside a plan that stays."""

from collections.abc import Sequence
from typing import Final

from placewright.cli import text
from placewright.cli.screen import Field, Tone
from placewright.core.model import Decision, GateOutcome, GateResult

_GATE_WORDS: Final = {
    "CostPerMillionTokens": ("cost per million tokens", text.usd),
    "CostPerHour": ("cost per hour", text.usd),
    "CostToRevenueRatio": ("cost to revenue", "{:.4g}".format),
    "QuantizationDrift": ("quantization drift", text.percent),
    "ObservedCostDrift": ("observed cost above the predicted", text.percent),
    "NamespaceCostPerHour": ("cost per hour of the namespace", text.usd),
    "FleetCostPerHour": ("cost per hour of the fleet", text.usd),
}

_GATE_TONES: Final[dict[GateResult, Tone]] = {
    GateResult.PASS: "good",
    GateResult.FAIL: "bad",
    GateResult.UNKNOWN: "warn",
}


def gate_fields(gates: Sequence[GateOutcome]) -> list[Field]:
    """Each gate with its limit, the plan's figure and the room left."""
    return [
        Field("gates" if number == 0 else "", gate_text(gate), _GATE_TONES[gate.result])
        for number, gate in enumerate(gates)
    ]


def blocked_fields(decision: Decision) -> list[Field]:
    """Beside a plan that stays: the best one without the gates, where it is another, and what blocks it."""
    best = decision.blocked
    if best is None or decision.plan is None or best.replicas == decision.plan.replicas:
        return []
    price, hourly = text.per_million(best.cost_per_million_tokens), text.per_hour(best.cost_per_hour)
    told = f"{text.plan_shape(best)} on {text.plan_gpus(best)}: {price}, {hourly}"
    return [
        Field("blocked", told, "warn"),
        *(Field("", gate_text(gate), _GATE_TONES[gate.result]) for gate in decision.blocked_gates),
    ]


def gate_text(gate: GateOutcome) -> str:
    """`cost per million tokens $2.31 of at most $2.50: pass, 7.6 % left`."""
    words, written = _GATE_WORDS[gate.name]
    limit = written(gate.limit) + (f" (policy {gate.policy})" if gate.policy else "")
    if gate.actual is None:
        why = f" ({gate.fault})" if gate.fault else ""
        return f"{words} unknown{why}, at most {limit}: unknown"
    told = f"{words} {written(gate.actual)} of at most {limit}: {gate.result.lower()}"
    room = gate.headroom_percent
    if room is None:
        return told
    return f"{told}, {text.percent(abs(room))} {'left' if room >= 0 else 'too much'}"
