"""Gates: limits that a plan must pass before it may be used.

A gate is a pure function of request, plan and live figures. An input that is missing, stale, negative or not a finite
number is `Unknown`, never zero; `onUnknown` decides what that means. Only the gates that a request sets are evaluated.

Gates are held twice. In the search they are constraints, on the figures in force (`evaluate`, `evaluate_replicas`,
`cost_per_hour_cap`, `cost_per_million_tokens_cap`); of a plan that serves they are told with the live figures
(`evaluate_live`, `of_step`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from placewright.core.live_inputs import usable
from placewright.core.model import (
    GateOutcome,
    GateResult,
    Gates,
    Layout,
    Observation,
    OnUnknown,
    OnViolation,
    Plan,
    Ramp,
    Reading,
    Replicas,
    Request,
)

COST_PER_MILLION_TOKENS = "CostPerMillionTokens"
COST_PER_HOUR = "CostPerHour"
COST_TO_REVENUE_RATIO = "CostToRevenueRatio"
QUANTIZATION_DRIFT = "QuantizationDrift"
OBSERVED_COST_DRIFT = "ObservedCostDrift"  # percent that the observed cost per token is above the predicted one
ON_UNKNOWN = "OnUnknown"  # no gate, but a policy may be stricter in it too

STATED_REVENUE = "stated revenue per million tokens"
_NOT_OBSERVED = "missing: nothing observes it"


@dataclass(frozen=True, slots=True)
class Figure:
    """The actual value that a gate is held against, and what it was made from; value None: unknown, as `fault` says."""

    value: float | None
    input: str = ""
    age_seconds: float | None = None
    fault: str = ""


Figures = Mapping[str, Figure]


# ------------------------------------------------------------------------------------------------- one gate


def drift_percent(request: Request, precision: str) -> float | None:
    """Return the quality loss of a precision in percent, or None when nobody measured it.

    The model's native precision loses nothing by definition; without an architecture none is known to be native.
    """
    given = next((entry for entry in request.precisions if entry.name == precision), None)
    if given is not None and given.drift_percent is not None:
        return given.drift_percent
    native = request.architecture.native_precision if request.architecture is not None else None
    return 0.0 if precision == native else None


def limits(gates: Gates) -> dict[str, float]:
    """Return the limits that are set, by gate, in the one order in which gates are told."""
    given = {
        COST_PER_MILLION_TOKENS: gates.max_cost_per_million_tokens,
        COST_PER_HOUR: gates.max_cost_per_hour,
        COST_TO_REVENUE_RATIO: gates.max_cost_to_revenue_ratio,
        QUANTIZATION_DRIFT: gates.max_quantization_drift_percent,
        OBSERVED_COST_DRIFT: gates.max_observed_cost_drift_percent,
    }
    return {name: limit for name, limit in given.items() if limit is not None}


def judge(name: str, limit: float, actual: float | None) -> GateOutcome:
    """Hold one figure against one limit; headroom is in percent of the limit (None for 0), negative when exceeded."""
    return held(name, limit, Figure(actual))


def held(name: str, limit: float, figure: Figure) -> GateOutcome:
    """Hold one figure with its input against one limit."""
    actual = figure.value
    more = {"input": figure.input, "age_seconds": figure.age_seconds}
    if actual is None or not isfinite(actual) or not isfinite(limit):
        fault = figure.fault or ("missing" if actual is None else "no finite number")
        return GateOutcome(
            name=name,
            limit=limit,
            actual=None,
            headroom_percent=None,
            result=GateResult.UNKNOWN,
            fault=fault,
            input=figure.input,
            age_seconds=figure.age_seconds,
        )
    room = limit - actual
    headroom = room / abs(limit) * 100.0 if limit else None  # there is no share of a limit of 0
    result = GateResult.PASS if room >= 0.0 else GateResult.FAIL
    return GateOutcome(name=name, limit=limit, actual=actual, headroom_percent=headroom, result=result, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- in the search


def cost_per_million_tokens_cap(gates: Gates) -> float | None:
    """Most USD per million tokens that price gate and stated revenue together leave; None: no limit."""
    caps = [] if gates.max_cost_per_million_tokens is None else [gates.max_cost_per_million_tokens]
    revenue = gates.revenue
    if gates.max_cost_to_revenue_ratio is not None and revenue is not None and not revenue.observed:
        stated = revenue.per_million_tokens
        if stated is not None and isfinite(stated) and stated >= 0.0:
            caps.append(gates.max_cost_to_revenue_ratio * stated)
    return min(caps, default=None)


def cost_per_hour_cap(gates: Gates) -> float | None:
    """Most USD per hour that budget and observed revenue together leave; None: no limit."""
    caps = [] if gates.max_cost_per_hour is None else [gates.max_cost_per_hour]
    revenue = gates.revenue
    if gates.max_cost_to_revenue_ratio is not None and revenue is not None and revenue.observed:
        observed = revenue.per_hour
        if observed is not None and isfinite(observed) and observed >= 0.0:
            caps.append(gates.max_cost_to_revenue_ratio * observed)
    return min(caps, default=None)


def price_gate(gates: Gates) -> str:
    """Name the gate that sets `cost_per_million_tokens_cap`; empty: none does."""
    return _setter(cost_per_million_tokens_cap(gates), COST_PER_MILLION_TOKENS, gates.max_cost_per_million_tokens)


def hour_gate(gates: Gates) -> str:
    """Name the gate that sets `cost_per_hour_cap`; empty: none does."""
    return _setter(cost_per_hour_cap(gates), COST_PER_HOUR, gates.max_cost_per_hour)


def _setter(cap: float | None, name: str, own: float | None) -> str:
    if cap is None:
        return ""
    return name if own is not None and own <= cap else COST_TO_REVENUE_RATIO


def without_cost_gates(gates: Gates) -> Gates:
    """The gates without those that limit money: what a plan would be if it cost nothing."""
    return replace(
        gates, max_cost_per_hour=None, max_cost_per_million_tokens=None, max_cost_to_revenue_ratio=None, revenue=None
    )


def without_price_gates(gates: Gates) -> Gates:
    """The gates without those that limit the cost per token; what limits the cost per hour stays."""
    revenue = gates.revenue
    if revenue is not None and revenue.observed:
        return replace(gates, max_cost_per_million_tokens=None)
    return replace(gates, max_cost_per_million_tokens=None, max_cost_to_revenue_ratio=None, revenue=None)


def cost_is_unknown(gates: Gates) -> bool:
    """Whether a gate on money has no figure in force, so that no plan at all can be held against it."""
    if gates.max_cost_to_revenue_ratio is None:
        return False
    return _ratio_in_force(gates, 0.0, 0.0).value is None


def evaluate(request: Request, layout: Layout) -> tuple[GateOutcome, ...]:
    """Hold every gate of the search against one replica of a layout at full load, on the figures in force."""
    return _in_search(request, (Replicas(layout=layout),), layout.tokens_per_second)


def evaluate_replicas(request: Request, replicas: Sequence[Replicas]) -> tuple[GateOutcome, ...]:
    """Hold every gate of the search against all replicas of a plan together; the worst drift counts."""
    capacity = sum(entry.count * entry.layout.tokens_per_second for entry in replicas)
    return _in_search(request, replicas, request.workload.tokens_per_second or capacity)


def _in_search(request: Request, replicas: Sequence[Replicas], served: float) -> tuple[GateOutcome, ...]:
    """What is observed of a plan that serves says nothing of others, so the observed cost is no gate of the search."""
    cost = sum(entry.count * entry.layout.cost_per_hour for entry in replicas)
    per_million = _per_million(cost, served)
    figures = _planned(request, replicas, cost, per_million)
    figures[COST_TO_REVENUE_RATIO] = _ratio_in_force(request.gates, cost, per_million)
    return _judged(request.gates, limits(replace(request.gates, max_observed_cost_drift_percent=None)), figures)


def _planned(
    request: Request, replicas: Sequence[Replicas], cost: float, per_million: float | None
) -> dict[str, Figure]:
    drifts = [drift_percent(request, entry.layout.precision) for entry in replicas]
    known = [drift for drift in drifts if drift is not None]
    return {
        COST_PER_MILLION_TOKENS: Figure(per_million),
        COST_PER_HOUR: Figure(cost),
        QUANTIZATION_DRIFT: Figure(max(known) if known and len(known) == len(drifts) else None),
    }


def _per_million(cost_per_hour: float, tokens_per_second: float) -> float | None:
    """USD per million tokens; what serves nothing has no price per token."""
    return cost_per_hour / (tokens_per_second * 3600.0) * 1e6 if tokens_per_second > 0.0 else None


def _ratio_in_force(gates: Gates, cost_per_hour: float, cost_per_million: float | None) -> Figure:
    revenue = gates.revenue
    if revenue is None:
        return Figure(None, fault="missing: no revenue is given")
    if revenue.observed:
        return _ratio(cost_per_hour, revenue.per_hour, "observed revenue per hour")
    return _ratio(cost_per_million, revenue.per_million_tokens, STATED_REVENUE)


def _ratio(cost: float | None, revenue: float | None, source: str) -> Figure:
    """Cost divided by revenue of the same unit; what earns nothing costs infinitely much of it."""
    if cost is None or revenue is None:
        return Figure(None, source, fault="missing")
    if not isfinite(revenue) or revenue < 0.0:
        return Figure(None, source, fault="negative" if revenue < 0.0 else "no finite number")
    if revenue == 0.0:
        return Figure(0.0 if cost == 0.0 else _NO_REVENUE, source)
    return Figure(cost / revenue, source)


# A revenue of 0 is a real figure, and any cost is above any share of it; the ratio itself must stay a finite number.
_NO_REVENUE = 1e9


# ------------------------------------------------------------------------------------------------- live


def evaluate_live(request: Request, plan: Plan, observation: Observation) -> tuple[GateOutcome, ...]:
    """Hold every gate of the request against a plan that serves, with the live figures and their ages."""
    return _judged(request.gates, limits(request.gates), _live(request, plan, observation))


def of_step(request: Request, plan: Plan, observation: Observation, ramp: Ramp, step: int) -> tuple[GateOutcome, ...]:
    """Hold the gates of a ramp's step against a plan: those of the request, and the step's own where it is stricter.

    The cost per million tokens is that of the plan if all traffic that is observed came to it; without an observation
    it is the predicted one.

    Args:
        request: whose plan ramps.
        plan: the new plan.
        observation: live figures.
        ramp: its steps.
        step: index of the step that is to be entered, or that the ramp stands on; -1: before the first, which has no
            limit of its own.
    """
    figures = dict(_live(request, plan, observation))
    if observation.tokens_per_second is not None:
        figures[COST_PER_MILLION_TOKENS] = _observed_per_million(plan, observation)
    wanted = limits(request.gates)
    own: dict[str, float | None] = {}
    if step >= 0:
        own = {
            COST_PER_MILLION_TOKENS: ramp.max_cost_per_million_tokens[step],
            COST_TO_REVENUE_RATIO: ramp.max_cost_to_revenue_ratio[step],
        }
    stricter = {name: limit for name, limit in own.items() if limit is not None and limit < wanted.get(name, inf)}
    told = {
        name: limit
        for name, limit in ((name, stricter.get(name, wanted.get(name))) for name in _ORDER)
        if limit is not None
    }
    return tuple(
        replace(entry, policy="") if entry.name in stricter else entry
        for entry in _judged(request.gates, told, figures)
    )


_ORDER = (
    COST_PER_MILLION_TOKENS,
    COST_PER_HOUR,
    COST_TO_REVENUE_RATIO,
    QUANTIZATION_DRIFT,
    OBSERVED_COST_DRIFT,
)


def _live(request: Request, plan: Plan, observation: Observation) -> Figures:
    cost, per_million = plan.cost_per_hour, _per_million(plan.cost_per_hour, _served(plan))
    figures = _planned(request, plan.replicas, cost, per_million)
    figures[COST_TO_REVENUE_RATIO] = _live_ratio(request.gates, cost, per_million, observation)
    figures[OBSERVED_COST_DRIFT] = _observed_drift(plan, per_million, observation)
    return figures


def _served(plan: Plan) -> float:
    return plan.tokens_per_second if plan.demand_tokens_per_second is None else plan.demand_tokens_per_second


def _live_ratio(gates: Gates, cost: float, per_million: float | None, observation: Observation) -> Figure:
    revenue = gates.revenue
    if revenue is None or not revenue.observed:
        return _ratio_in_force(gates, cost, per_million)
    earned = _read(observation.revenue_per_hour, "observed revenue per hour", observation)
    if earned.value is None:
        return earned
    return replace(_ratio(cost, earned.value, earned.input), age_seconds=earned.age_seconds)


def _observed_per_million(plan: Plan, observation: Observation) -> Figure:
    """What a million tokens really cost: the plan's cost over the tokens that are served."""
    served = _read(observation.tokens_per_second, "observed tokens", observation)
    if served.value is None:
        return served
    cost = _per_million(plan.cost_per_hour, served.value)
    return replace(served, value=cost, fault="" if cost is not None else "no tokens are served")


def _read(reading: Reading | None, missing: str, observation: Observation) -> Figure:
    """What is observed, or why it cannot be used; `missing` names it where there is no reading at all."""
    if reading is None:
        return Figure(None, missing, fault=_NOT_OBSERVED)
    value, fault = usable(reading, observation.max_age_seconds)
    return Figure(value, reading.source, reading.age_seconds, fault)


def observed_cost_per_million_tokens(plan: Plan, observation: Observation) -> float | None:
    """USD per million tokens that are really served; None: nothing usable is observed, or nothing is served."""
    return _observed_per_million(plan, observation).value


def _observed_drift(plan: Plan, predicted: float | None, observation: Observation) -> Figure:
    """How far the observed cost per token is above the predicted one, in percent; 0 when it is below."""
    observed = _observed_per_million(plan, observation)
    if observed.value is None:
        return observed
    if predicted is None or predicted <= 0.0:
        return replace(observed, value=None, fault="missing: nothing was predicted")
    return replace(observed, value=max(0.0, (observed.value - predicted) / predicted * 100.0))


# ------------------------------------------------------------------------------------------------- what they say


def _judged(gates: Gates, wanted: Mapping[str, float], figures: Figures) -> tuple[GateOutcome, ...]:
    policies = dict(gates.policies)
    return tuple(
        replace(held(name, limit, figures[name]), policy=policies.get(name, "")) for name, limit in wanted.items()
    )


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
