"""Live figures of a request: those in force that it is planned by, and those that its status shows.

A figure in force follows the live one only where the plan may change by it, and is kept in the status: the cluster is
the only memory. Times are Unix seconds, as the core's ramps have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import inf
from typing import Any, Final

from pydantic import ValidationError

from placewright.api import live_status as written
from placewright.api.base import duration_seconds
from placewright.api.spec import PlacementRequestSpec
from placewright.api.spec import Ramp as RampSpec
from placewright.core import model as core

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The live figures in force, by which a request is planned.

    Attributes:
        demand: classes of workload.demandFrom; None: there never was a figure. A class without requests gives only
            its size, so that a model without traffic is planned as one without a demand.
        revenue_per_hour: USD that the model earns per hour, of gates.revenuePerHourQuery; None: not known.
    """

    demand: tuple[core.TrafficClass, ...] | None = None
    revenue_per_hour: float | None = None


NO_LIVE: Final = Live()


def live_of_status(resource: Json) -> Live:
    """Return the figures in force that a status holds; NO_LIVE where it has none, or somebody else has spoiled it.

    Args:
        resource: the PlacementRequest as stored; only its `status` is read.
    """
    status = resource.get("status") or {}
    demand = _demand(status.get("demand"))
    return Live(demand=demand, revenue_per_hour=_revenue(status.get("inputs")))


def _demand(given: Any) -> tuple[core.TrafficClass, ...] | None:
    try:
        demand = written.Demand.model_validate(given)
    except ValidationError:
        return None
    return tuple(
        core.TrafficClass(
            name=each.name,
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            requests_per_second=each.requests_per_second,
        )
        for each in sorted(demand.classes, key=lambda one: one.name)
    )


def _revenue(inputs: Any) -> float | None:
    given: Any = inputs.get("revenuePerHour") if isinstance(inputs, Mapping) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if 0.0 <= given < inf else None


# -------------------------------------------------------------------------------------------------------- ramps


def ramp_of(spec: PlacementRequestSpec) -> core.Ramp | None:
    """Return how a new plan of a request takes its traffic; None: all at once."""
    given = spec.ramp
    if given is None:
        return None
    nothing = (None,) * len(given.steps_percent)
    return core.Ramp(
        steps_percent=tuple(given.steps_percent),
        max_cost_to_revenue_ratio=tuple(given.max_cost_to_revenue_ratio_by_step or nothing),
        max_cost_per_million_tokens=tuple(given.max_cost_per_million_tokens_by_step or nothing),
        hold_seconds=duration_seconds(given.hold_for, field="spec.ramp.holdFor"),
        auto_promote=given.auto_promote,
        rollback_after_seconds=_rollback_after(given),
    )


_ENDED: Final = frozenset({core.RampPhase.COMPLETED, core.RampPhase.ROLLED_BACK})


def _rollback_after(given: RampSpec) -> float | None:
    if given.rollback_after is None:
        return None
    return duration_seconds(given.rollback_after, field="spec.ramp.rollbackAfter")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRamp:
    """A ramp as a status holds it.

    Attributes:
        state: its memory.
        entered_at: when it entered its step; None: not written.
        reason, message: of the look that was written last.
        previous_plan: the whole plan before, as status.plan had it; None: there was none.
    """

    state: core.RampState
    entered_at: float | None = None
    reason: str = ""
    message: str = ""
    previous_plan: Json | None = None


def stored_ramp(resource: Json) -> StoredRamp | None:
    """Return the ramp that a status holds; None: there is none, or somebody else has spoiled it.

    Args:
        resource: the PlacementRequest as stored; only its `status` is read.
    """
    given = (resource.get("status") or {}).get("ramp")
    try:
        ramp = written.Ramp.model_validate(given)
        entered, passing, failing = (
            _seconds(each) for each in (ramp.entered_at, ramp.passing_since, ramp.failing_since)
        )
        for moment in (entered, passing, failing):
            moment_of(0.0 if moment is None else moment)  # what cannot be written again is spoiled too
    except (ValueError, OverflowError):  # pydantic's fault is a ValueError
        return None
    state = core.RampState(
        plan_id=ramp.plan_id,
        step=ramp.step,
        phase=core.RampPhase(ramp.phase),
        end_reason=ramp.reason if ramp.phase in _ENDED else "",
        end_message=ramp.message if ramp.phase in _ENDED else "",
        passing_since=passing,
        failing_since=failing,
    )
    return StoredRamp(
        state=state,
        entered_at=entered,
        reason=ramp.reason,
        message=ramp.message,
        previous_plan=(given or {}).get("previousPlan"),
    )


def _seconds(moment: str | None) -> float | None:
    """Unix seconds of a timestamp; a ValueError when it is none."""
    if moment is None:
        return None
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None:
        raise ValueError(moment)
    return read.timestamp()


# --------------------------------------------------------------------------------------------- what statuses show


class LiveInput(StrEnum):
    """A live input that may be away; the value is the reason of InputsFresh then."""

    PRICES = "PricesStale"
    DEMAND = "DemandUnavailable"
    REVENUE = "RevenueUnavailable"
    OBSERVATION = "ObservationUnavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFault:
    """A live input that has no usable figure now, and why in one line without secrets."""

    input: LiveInput
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandStatus:
    """The demand in force.

    Attributes:
        classes: as Live.demand.
        as_of: since when it is in force.
        read_at: when the source gave a usable figure last, which the demand in force still stands for.
        source: what it is in a few words: "preset vllm, 0.95 quantile of 1h".
    """

    classes: tuple[core.TrafficClass, ...]
    as_of: datetime
    read_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueStatus:
    """The revenue in force in USD per hour, and when the source gave a usable figure last."""

    per_hour: float
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStatus:
    """What the served tokens really cost: USD per million, that over the predicted figure, and when it was read."""

    cost_per_million_tokens: float
    ratio_to_predicted: float
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RampStatus:
    """A ramp for the status.

    Attributes:
        ramp: of the spec.
        state: its memory.
        entered_at: when it entered its step, in Unix seconds; None: not known.
        reason, message: of the last look.
        gates: those of the next step; of the last one when there is no next.
        previous_plan: the whole plan before, as status.plan had it; None: there was none.
    """

    ramp: core.Ramp
    state: core.RampState
    entered_at: float | None
    reason: str
    message: str
    gates: tuple[core.GateOutcome, ...] = ()
    previous_plan: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus:
    """What a status shows of live inputs; None: the request has no such thing."""

    demand: DemandStatus | None = None
    ramp: RampStatus | None = None
    observed: ObservedStatus | None = None
    revenue: RevenueStatus | None = None
    faults: tuple[InputFault, ...] = ()


NOTHING_LIVE: Final = LiveStatus()


def live_status_of(resource: Json) -> LiveStatus:
    """Return what a status shows of figures in force, for a decision that is made from nothing newer.

    Args:
        resource: the PlacementRequest as stored; only its `status` is read.
    """
    live = live_of_status(resource)
    status: Json = resource.get("status") or {}
    demand, inputs = (each if isinstance(each, Mapping) else {} for each in map(status.get, ("demand", "inputs")))
    return LiveStatus(
        demand=_shown_demand(live, demand, inputs),
        revenue=_shown_revenue(live, inputs),
    )


def _shown_demand(live: Live, demand: Json, inputs: Json) -> DemandStatus | None:
    as_of = _moment(demand.get("asOf"))
    if live.demand is None or as_of is None:
        return None
    read_at = _moment(inputs.get("demandAsOf")) or as_of
    return DemandStatus(classes=live.demand, as_of=as_of, read_at=read_at, source=str(demand.get("source", "")))


def _shown_revenue(live: Live, inputs: Json) -> RevenueStatus | None:
    read_at = _moment(inputs.get("revenueAsOf"))
    if live.revenue_per_hour is None or read_at is None:
        return None
    return RevenueStatus(per_hour=live.revenue_per_hour, read_at=read_at)


def _moment(given: Any) -> datetime | None:
    try:
        seconds = _seconds(given) if isinstance(given, str) else None
        return moment_of(seconds) if seconds is not None else None
    except (ValueError, OverflowError):  # no time, or one beyond the calendar
        return None


def moment_of(seconds: float) -> datetime:
    """Return Unix seconds as an aware time."""
    return datetime.fromtimestamp(seconds, tz=UTC)
