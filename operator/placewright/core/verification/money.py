"""Cost per hour, gates and the state of a plan, worked out again."""

from math import inf, isfinite, isnan

from placewright.core.model import (
    GateOutcome,
    GateResult,
    OnUnknown,
    OnViolation,
    Plan,
    PlanState,
    Precision,
    Request,
)
from placewright.core.verification.numbers import differs, exceeds, same, text

Actuals = dict[str, tuple[float, float | None]]
"""By name of the gate: its limit and what the plan has; None when there is no usable figure."""


def cost_per_million_tokens(per_hour: float, tokens_per_second: float) -> float:
    """USD per million tokens served; infinite when nothing is."""
    return per_hour / (tokens_per_second * 3600.0) * 1e6 if tokens_per_second > 0 else inf


def drift_percent(request: Request, precision: Precision) -> float | None:
    """Measured quality loss; the checkpoint's own precision has none; None: not measured."""
    if precision.drift_percent is not None:
        return None if isnan(precision.drift_percent) else precision.drift_percent
    native = request.architecture.native_precision if request.architecture is not None else None
    return 0.0 if precision.name == native else None


def actuals(request: Request, per_hour: float, tokens_per_second: float, precisions: tuple[Precision, ...]) -> Actuals:
    """Every gate that the request sets, with its limit and the recomputed figure."""
    gates = request.gates
    drifts = [drift_percent(request, precision) for precision in precisions]
    known = [drift for drift in drifts if drift is not None]
    figures: tuple[tuple[str, float | None, float | None], ...] = (
        (
            "CostPerMillionTokens",
            gates.max_cost_per_million_tokens,
            cost_per_million_tokens(per_hour, tokens_per_second),
        ),
        ("CostPerHour", gates.max_cost_per_hour, per_hour),
        ("CostToRevenueRatio", gates.max_cost_to_revenue_ratio, _ratio(request, per_hour, tokens_per_second)),
        ("QuantizationDrift", gates.max_quantization_drift_percent, max(known) if len(known) == len(drifts) else None),
    )
    return {name: (limit, actual) for name, limit, actual in figures if limit is not None}


def _ratio(request: Request, per_hour: float, tokens_per_second: float) -> float | None:
    """Cost as a share of the revenue in force; None when nobody knows the revenue."""
    revenue = request.gates.revenue
    if revenue is None:
        return None
    earned = revenue.per_hour if revenue.observed else revenue.per_million_tokens
    if earned is None or not isfinite(earned) or earned < 0:
        return None
    spent = per_hour if revenue.observed else cost_per_million_tokens(per_hour, tokens_per_second)
    if earned == 0:
        return NO_REVENUE if spent > 0 else 0.0
    return spent / earned


NO_REVENUE = 1e9
"""What stands for a cost that nothing is earned with: more than any limit."""


def gate_violations(request: Request, wanted: Actuals, outcomes: tuple[GateOutcome, ...]) -> tuple[str, ...]:
    """Each gate of the request has one outcome with its limit, actual, headroom and result."""
    found: list[str] = []
    names = [outcome.name for outcome in outcomes]
    found.extend(f"gate {name} is reported, the request does not set it" for name in names if name not in wanted)
    found.extend(
        f"gate {name} is reported {names.count(name)} times, once is needed"
        for name in wanted
        if names.count(name) != 1
    )
    policies = dict(request.gates.policies)
    for outcome in outcomes:
        if outcome.name not in wanted:
            continue
        policy = policies.get(outcome.name, "")
        if outcome.policy != policy:
            found.append(f"gate {outcome.name} is of policy {outcome.policy!r}, its limit is of {policy!r}")
        limit, actual = wanted[outcome.name]
        found.extend(differs(f"gate {outcome.name}: limit", outcome.limit, limit))
        found.extend(differs(f"gate {outcome.name}: actual", outcome.actual, actual))
        found.extend(_headroom_violations(outcome, limit, actual))
        result = _result(limit, actual)
        if outcome.result is not result:
            shown = "none" if actual is None else text(actual)
            found.append(
                f"gate {outcome.name} is {outcome.result}, recomputed {result} ({shown} against a limit of"
                f" {text(limit)})"
            )
    return tuple(found)


def state_violations(request: Request, wanted: Actuals, plan: Plan) -> tuple[str, ...]:
    """The plan is Blocked exactly when a gate blocks it."""
    results = {name: _result(limit, actual) for name, (limit, actual) in wanted.items()}
    gates = request.gates
    blocking = [
        name
        for name, result in results.items()
        if (result is GateResult.FAIL and gates.on_violation is OnViolation.BLOCK)
        or (result is GateResult.UNKNOWN and gates.on_unknown is OnUnknown.BLOCK)
    ]
    state = PlanState.BLOCKED if blocking else PlanState.APPROVED
    if plan.state is state:
        return ()
    why = ", ".join(f"{name} {results[name]}" for name in blocking) or "no gate blocks"
    return (f"the plan is {plan.state}, recomputed {state} ({why})",)


def _result(limit: float, actual: float | None) -> GateResult:
    if actual is None or isnan(actual) or isnan(limit):
        return GateResult.UNKNOWN
    return GateResult.FAIL if exceeds(actual, limit) else GateResult.PASS


def _headroom_violations(outcome: GateOutcome, limit: float, actual: float | None) -> tuple[str, ...]:
    if actual is None or limit == 0:  # against a limit of 0 there is no share to speak of
        return (
            ()
            if outcome.headroom_percent is None
            else differs(
                f"gate {outcome.name}: headroom in percent", outcome.headroom_percent, None if actual is None else 0.0
            )
        )
    want = (limit - actual) / limit * 100.0
    if outcome.headroom_percent is not None and abs(outcome.headroom_percent - want) <= 1e-7 * max(1.0, actual / limit):
        return ()  # a difference of nearly equal figures has few digits left
    if outcome.headroom_percent is not None and same(outcome.headroom_percent, want):
        return ()
    return differs(f"gate {outcome.name}: headroom in percent", outcome.headroom_percent, want)
