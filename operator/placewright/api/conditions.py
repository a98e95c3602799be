"""The conditions of a PlacementRequest (api.md section 2), with kstatus's meaning of Reconciling and Stalled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from placewright.api.figures import cut, plan_text
from placewright.core import figures
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import (
    Decision,
    GateOutcome,
    GateResult,
    Gates,
    OnViolation,
    PlanState,
    RejectionCode,
    SolveStatus,
)

MAX_MESSAGE: Final = 1024

_EXCEEDED: Final = {
    "CostPerMillionTokens": "CostPerTokenExceeded",
    "CostPerHour": "HourlyBudgetExceeded",
    "QuantizationDrift": "DriftExceeded",
    "NamespaceCostPerHour": "HourlyBudgetExceeded",
    "FleetCostPerHour": "HourlyBudgetExceeded",
}
_GATE_WORDS: Final[Mapping[str, tuple[str, Callable[[float], str]]]] = {
    "CostPerMillionTokens": ("cost per million tokens", figures.per_million),
    "CostPerHour": ("cost per hour", figures.per_hour),
    "QuantizationDrift": ("quantization drift", figures.percent),
    "NamespaceCostPerHour": ("cost per hour of the namespace", figures.per_hour),
    "FleetCostPerHour": ("cost per hour of the fleet", figures.per_hour),
}
_SHORT_CODES: Final = {RejectionCode.INSUFFICIENT_STOCK, RejectionCode.HOURLY_BUDGET_GATE}
_SLO_CODES: Final = {RejectionCode.SLO_TTFT, RejectionCode.SLO_TPOT, RejectionCode.THROUGHPUT_SHORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition before it gets its times."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def timestamp(moment: datetime) -> str:
    """Write a moment as Kubernetes does: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rendered(
    conditions: Sequence[Condition], *, generation: int, now: datetime, previous: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the conditions as data; a transition time stays while the status of its condition stays."""
    before = {entry.get("type"): entry for entry in (previous or {}).get("conditions") or ()}
    entries = []
    for condition in conditions:
        old = before.get(condition.type, {})
        same = old.get("status") == condition.status and "lastTransitionTime" in old
        entries.append(
            {
                "type": condition.type,
                "status": condition.status,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(now),
                "reason": condition.reason,
                "message": cut(condition.message, MAX_MESSAGE),
            }
        )
    return entries


def of_decision(decision: Decision, *, change: str = "") -> list[Condition]:
    """Return the conditions of a decision.

    Args:
        decision: what was decided.
        change: why the plan is what it is, as its history says, for the message of Ready.
    """
    reason, message = _ready_reason(decision)
    message = f"{message}; {change}" if change else message
    if reason == "PlanCurrent":
        head = [Condition(type="Ready", status="True", reason=reason, message=message)]
    else:
        head = not_ready(reason, message)
    return [*head, _feasible(decision), _gates_passed(decision), _fresh(decision), *_spilled(decision)]


def _fresh(decision: Decision) -> Condition:
    shared = [pool.shared for pool in decision.request.pools]
    message = "prices are those of the spec"
    if all(shared):
        message = "prices and stock are those of the GPUPools"
    elif any(shared):
        message = "prices are those of the spec and the GPUPools, stock is that of the GPUPools"
    return Condition(type="InputsFresh", status="True", reason="Fresh", message=message)


def _spilled(decision: Decision) -> list[Condition]:
    """Tell that the plan stands elsewhere than it would with all stock to itself; nothing to tell: no condition."""
    if decision.spill is None:
        return []
    return [Condition(type="Spilled", status="True", reason="PreferredPoolShort", message=decision.spill.message)]


def of_error(error: InvalidRequestError) -> list[Condition]:
    """Return the conditions of a request that the user must fix."""
    return not_ready("UnsupportedModel" if isinstance(error, UnsupportedModelError) else "InvalidSpec", str(error))


def not_ready(reason: str, message: str) -> list[Condition]:
    """Return Ready False and Stalled True: nothing more happens until somebody changes something."""
    return [
        Condition(type="Ready", status="False", reason=reason, message=message),
        Condition(type="Stalled", status="True", reason=reason, message=message),
    ]


def _ready_reason(decision: Decision) -> tuple[str, str]:
    plan = decision.plan
    if plan is None:
        if decision.report.status is SolveStatus.TIME_LIMIT:
            return "SolverTimeout", _timeout_text(decision)
        return "Infeasible", _with_hints(_infeasible_text(decision), decision)
    if plan.state is PlanState.BLOCKED:
        return "GateBlocked", _with_hints(f"{_gates_text(decision.gates)}; best is {plan_text(plan)}", decision)
    gap = decision.report.gap_percent
    told = f"; at most {figures.percent(gap)} above the proved bound" if gap and decision.request.in_fleet else ""
    return "PlanCurrent", f"{plan.id}: {plan_text(plan)}{told}"


def _with_hints(text: str, decision: Decision) -> str:
    """Add what would help: a change of the spec, more stock."""
    relaxation = decision.relaxation.message if decision.relaxation is not None else ""
    return "; ".join(part for part in (text, relaxation, decision.needs) if part)


def _failed(outcomes: Sequence[GateOutcome]) -> list[GateOutcome]:
    return [outcome for outcome in outcomes if outcome.result is GateResult.FAIL]


def _infeasible_text(decision: Decision) -> str:
    reasons = [f"{entry.code}: {entry.message}" for entry in decision.rejections[:3]]
    fleet = decision.request.in_fleet and bool(_SHORT_CODES & {entry.code for entry in decision.rejections})
    verdict = "there is no plan" if fleet else "no layout is possible"
    return f"{verdict}: {'; '.join(reasons)}" if reasons else verdict


def _timeout_text(decision: Decision) -> str:
    seconds = decision.request.solver.time_limit_seconds
    return f"nothing was found within solver.timeLimit ({seconds:g} s), and nothing is proved; raise it"


def _feasible(decision: Decision) -> Condition:
    report = decision.report
    if decision.plan is None and report.status is SolveStatus.TIME_LIMIT:
        return Condition(type="Feasible", status="Unknown", reason="SolverTimeout", message=_timeout_text(decision))
    if decision.plan is None:
        text = _infeasible_text(decision)
        return Condition(type="Feasible", status="False", reason=_infeasible_reason(decision), message=text)
    if report.status is SolveStatus.OPTIMAL:
        message = f"proved best of {report.layouts_considered} layouts" if report.layouts_considered else "proved best"
        return Condition(type="Feasible", status="True", reason="Optimal", message=message + _scope(decision))
    parts = [f"{report.method} found a valid {'plan' if decision.request.in_fleet else 'layout'}"]
    if report.gap_percent is not None:
        parts.append(f"at most {figures.percent(report.gap_percent)} above the proved bound{_scope(decision)}")
    if report.distance_to_exact_percent is not None:
        parts.append(f"{figures.percent(report.distance_to_exact_percent)} above the exact optimum")
    return Condition(type="Feasible", status="True", reason="WithinGap", message=", ".join(parts))


def _scope(decision: Decision) -> str:
    """What a proof speaks of: requests that share pools are decided together."""
    shared = any(pool.shared for pool in decision.request.pools)
    return ", together with all requests that share its pools" if shared else ""


def _infeasible_reason(decision: Decision) -> str:
    """A layout that misses an SLO fits, so an SLO is what is left to blame; stock comes next.

    Where more stock or money is known to help, that is what the request was refused for.
    """
    codes = {entry.code for entry in decision.rejections}
    if _failed(decision.gates):
        return _EXCEEDED[_failed(decision.gates)[0].name]
    if decision.needs and RejectionCode.INSUFFICIENT_STOCK in codes:
        return "StockExhausted"
    if codes & _SLO_CODES:
        return "SloUnreachable"
    return "StockExhausted" if RejectionCode.INSUFFICIENT_STOCK in codes else "NoFit"


def _gates_passed(decision: Decision) -> Condition:
    failed = _failed(decision.gates)
    if _none_set(decision.request.gates) and not failed:
        return Condition(type="GatesPassed", status="True", reason="NoGates", message="the spec sets no gates")
    if decision.plan is None and not failed:
        return _gates_without_plan(decision)
    text = _gates_text(decision.gates)
    if failed:
        warned = decision.request.gates.on_violation is OnViolation.WARN and decision.plan is not None
        message = f"{text}; onViolation is Warn" if warned else text
        return Condition(type="GatesPassed", status="False", reason=_EXCEEDED[failed[0].name], message=message)
    if any(outcome.result is GateResult.UNKNOWN for outcome in decision.gates):
        return Condition(type="GatesPassed", status="Unknown", reason="InputUnknown", message=text)
    return Condition(type="GatesPassed", status="True", reason="AllPassed", message=text)


def _gates_without_plan(decision: Decision) -> Condition:
    drift = next((entry for entry in decision.rejections if entry.code is RejectionCode.DRIFT_GATE), None)
    if drift is not None:
        return Condition(type="GatesPassed", status="False", reason="DriftExceeded", message=drift.message)
    message = "there is no plan to hold the gates against"
    return Condition(type="GatesPassed", status="Unknown", reason="InputUnknown", message=message)


def _none_set(gates: Gates) -> bool:
    limits = (gates.max_cost_per_million_tokens, gates.max_cost_per_hour, gates.max_quantization_drift_percent)
    return all(limit is None for limit in limits)


def _gates_text(outcomes: Sequence[GateOutcome]) -> str:
    """Write the gates, failed ones first: `cost per hour $38.40 exceeds $20.00 by 92 %`."""
    order = (GateResult.FAIL, GateResult.UNKNOWN, GateResult.PASS)
    return "; ".join(_gate_text(outcome) for outcome in sorted(outcomes, key=lambda one: order.index(one.result)))


def _gate_text(outcome: GateOutcome) -> str:
    words, written = _GATE_WORDS[outcome.name]
    limit = written(outcome.limit) + (f" of policy {outcome.policy}" if outcome.policy else "")
    if outcome.actual is None:
        return f"{words} is not known, the limit is {limit}"
    if outcome.result is GateResult.PASS:
        return f"{words} {written(outcome.actual)} is within {limit}"
    excess = f" by {figures.percent(-outcome.headroom_percent)}" if outcome.headroom_percent is not None else ""
    return f"{words} {written(outcome.actual)} exceeds {limit}{excess}"
