"""Live figures, ramps and what gates forbid as plain data of the status."""

from datetime import datetime, timedelta
from typing import Any, Final

from placewright.api.conditions import timestamp
from placewright.api.figures import cut, figure, optional_figure
from placewright.api.live import DemandStatus, LiveStatus, ObservedStatus, RampStatus, moment_of
from placewright.api.plan_data import plan_data, without_none
from placewright.api.status import MAX_MESSAGE
from placewright.core import ramp
from placewright.core.model import Decision, GateOutcome, TokenBasis, Workload

Data = dict[str, Any]

_CENTURY_SECONDS: Final = 100 * 366 * 86400.0


def gate_data(outcome: GateOutcome, now: datetime) -> Data:
    """Return one gate with its limit, the plan's figure and the room left; ages become moments, which do not move."""
    age = outcome.age_seconds
    return without_none(
        {
            "name": outcome.name,
            "limit": figure(outcome.limit),
            "policy": outcome.policy or None,
            "actual": optional_figure(outcome.actual),
            "headroomPercent": optional_figure(outcome.headroom_percent),
            "result": str(outcome.result),
            "input": cut(outcome.input, MAX_MESSAGE) or None,
            "asOf": _as_of(age, now),
            "fault": cut(outcome.fault, MAX_MESSAGE) or None,
        }
    )


def _as_of(age_seconds: float | None, now: datetime) -> str | None:
    """The moment of an age; None when there is none, or it is none that can be written: beyond a century."""
    if age_seconds is None or not abs(age_seconds) < _CENTURY_SECONDS:
        return None
    return timestamp(now - timedelta(seconds=age_seconds))


def blocked_data(decision: Decision, now: datetime, decided_at: str) -> Data | None:
    """Return the best plan without the gates, where the plan before is kept beside it."""
    if decision.blocked is None:
        return None
    return {
        "plan": plan_data(decision.request, decision.blocked, decided_at),
        "gates": [gate_data(outcome, now) for outcome in decision.blocked_gates],
    }


def live_data(decision: Decision, live: LiveStatus, now: datetime) -> Data:
    """Return what a status says of live figures, without what the request has not."""
    return without_none(
        {
            "demand": _demand(live.demand, decision.request.workload) if live.demand is not None else None,
            "ramp": _ramp(live.ramp, now) if live.ramp is not None else None,
            "observed": _observed(live.observed) if live.observed is not None else None,
        }
    )


def inputs_data(live: LiveStatus) -> Data:
    """Return what a status says of the age of live figures, and the revenue in force."""
    demand, revenue = live.demand, live.revenue
    return without_none(
        {
            "demandAsOf": timestamp(demand.read_at) if demand is not None else None,
            "revenuePerHour": figure(revenue.per_hour) if revenue is not None else None,
            "revenueAsOf": timestamp(revenue.read_at) if revenue is not None else None,
        }
    )


def _demand(demand: DemandStatus, workload: Workload) -> Data:
    """The demand as it was read; classes that the plan serves at other sizes are told as they came."""
    basis = workload.token_basis
    tokens = sum(
        each.requests_per_second * (each.output_tokens + (each.input_tokens if basis is TokenBasis.TOTAL else 0))
        for each in demand.classes
    )
    return {
        "asOf": timestamp(demand.as_of),
        "source": cut(demand.source, MAX_MESSAGE),
        "requestsPerSecond": figure(sum(each.requests_per_second for each in demand.classes)),
        "tokensPerSecond": figure(tokens),
        "classes": [
            {
                "name": each.name,
                "inputTokens": each.input_tokens,
                "outputTokens": each.output_tokens,
                "requestsPerSecond": figure(each.requests_per_second),
            }
            for each in sorted(demand.classes, key=lambda one: one.name)
        ],
    }


def _observed(observed: ObservedStatus) -> Data:
    return {
        "costPerMillionTokens": figure(observed.cost_per_million_tokens),
        "ratioToPredicted": figure(observed.ratio_to_predicted),
        "asOf": timestamp(observed.read_at),
    }


def _ramp(given: RampStatus, now: datetime) -> Data:
    state, steps = given.state, given.ramp.steps_percent
    return without_none(
        {
            "planId": state.plan_id,
            "step": state.step,
            "steps": len(steps),
            "percent": figure(ramp.percent_of(given.ramp, state)),
            "phase": str(state.phase),
            "enteredAt": _moment(given.entered_at),
            "passingSince": _moment(state.passing_since),
            "failingSince": _moment(state.failing_since),
            "reason": given.reason,
            "message": cut(given.message, MAX_MESSAGE),
            "gates": [gate_data(outcome, now) for outcome in given.gates] or None,
            "previousPlan": dict(given.previous_plan) if given.previous_plan is not None else None,
        }
    )


def _moment(seconds: float | None) -> str | None:
    return timestamp(moment_of(seconds)) if seconds is not None else None
