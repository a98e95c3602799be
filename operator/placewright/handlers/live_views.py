"""From answers to the live figures of one request: what is in force, what is observed, and what is missing.

A figure in force follows the live one only where the plan may change by it. What cannot be read stays as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from placewright.api.base import duration_seconds
from placewright.api.convert_model import longest_sequence
from placewright.api.live import (
    NO_LIVE,
    DemandStatus,
    InputFault,
    Live,
    LiveInput,
    RevenueStatus,
    live_of_status,
    live_status_of,
    moment_of,
)
from placewright.api.resource import PlacementRequest
from placewright.core import demand
from placewright.core.live_inputs import usable
from placewright.core.model import NO_OBSERVATION, Observation, Reading
from placewright.handlers.bands import moved
from placewright.handlers.cache import Json
from placewright.telemetry.prometheus.readings import Entries, demand_reading, demand_sample, observation
from placewright.telemetry.prometheus.wants import NO_WANTS, Input, Wants

_DEFAULT_QUANTILE = 0.95
_DEFAULT_HORIZON = "1h"

Flips = Callable[[Observation, Observation], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What one request asks, read once for each generation and each change of rules.

    Attributes:
        wants: its queries.
        rules: how a sample becomes a demand; None: it follows no live demand.
        sizes: input and output tokens of a request where nobody measures them.
        source: the demand in a few words.
        horizon_seconds: how far ahead a forecast looks; None: none is asked for.
    """

    wants: Wants = NO_WANTS
    rules: demand.DemandRules | None = None
    sizes: tuple[int, int] | None = None
    source: str = ""
    horizon_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """The live figures of one request.

    Attributes:
        live: in force, as planning reads them. A revenue that cannot be read now is none there, and stays in `revenue`.
        observation: exact, for gates.
        demand: in force, for the status; None: there never was a figure, or none is asked for.
        revenue: likewise.
        rate: requests per second as measured last; None: none are asked for.
        faults: inputs that cannot be read.
    """

    live: Live = NO_LIVE
    observation: Observation = NO_OBSERVATION
    demand: DemandStatus | None = None
    revenue: RevenueStatus | None = None
    rate: Reading | None = None
    faults: tuple[InputFault, ...] = ()

    @property
    def told(self) -> object:
        """What of it is worth a status; when it was read is not."""
        in_force = None if self.demand is None else (self.demand.classes, self.demand.as_of, self.demand.source)
        return self.live, in_force, None if self.revenue is None else self.revenue.per_hour, self.faults


def asking_of(resource: PlacementRequest, wants: Wants) -> Asking:
    """How the demand of a request is made from what it wants to know."""
    workload = resource.spec.workload
    given = workload.demand_from
    if given is None:
        return Asking(wants=wants)
    statistic = demand.Statistic(given.statistic)
    quantile = given.quantile if given.quantile is not None else _DEFAULT_QUANTILE
    horizon = (given.horizon or _DEFAULT_HORIZON) if statistic is demand.Statistic.FORECAST else ""
    what = {
        demand.Statistic.QUANTILE: f"{quantile:g} quantile of {given.window}",
        demand.Statistic.PEAK: f"peak of {given.window}",
        demand.Statistic.SMOOTHED: f"smoothed mean of {given.window}",
        demand.Statistic.FORECAST: f"forecast of {horizon} from {given.window}",
    }.get(statistic, str(statistic))
    sizes = None
    if workload.input_tokens is not None and workload.output_tokens is not None:
        sizes = (workload.input_tokens, workload.output_tokens)
    where = f"preset {given.preset}" if given.preset else "query"
    return Asking(
        wants=wants,
        rules=demand.DemandRules(
            statistic=statistic,
            quantile=quantile,
            headroom_percent=given.headroom_percent,
            hysteresis_percent=given.hysteresis_percent,
            max_tokens=longest_sequence(resource.spec.model),
        ),
        sizes=sizes,
        source=f"{where}, {what}, {given.headroom_percent:g} % headroom",
        horizon_seconds=duration_seconds(horizon, field="spec.workload.demandFrom.horizon") if horizon else None,
    )


def view_of_status(resource: Json) -> LiveView:
    """What a status holds of live figures: where the operator goes on after a start."""
    shown = live_status_of(resource)
    return LiveView(live=live_of_status(resource), demand=shown.demand, revenue=shown.revenue)


Sample = demand.DemandSample | demand.Fault | None


def sample_of(asking: Asking, entries: Entries, *, now: float) -> Sample:
    """What was measured of the demand, or why nothing was; None: the request follows no live demand."""
    want = asking.wants.demand
    if asking.rules is None:
        return None
    if want is None:
        return demand.Fault(f"demand: {asking.wants.faults.get(Input.DEMAND, 'not asked')}")
    return demand_sample(want, entries, now=now, max_age_seconds=asking.wants.demand_max_age_seconds)


def view_of(
    before: LiveView, asking: Asking, entries: Entries, sample: Sample, *, now: float, flips: Flips
) -> LiveView:
    """The live figures after one cycle.

    Args:
        before: after the cycle before.
        asking: what the request asks.
        entries: what the server answered.
        sample: of `sample_of`, with its forecast where one is asked for.
        now: Unix seconds.
        flips: whether a gate tells two observations apart.
    """
    wants, faults = asking.wants, dict[LiveInput, str]()
    seen = observation(wants, entries, now=now)
    in_force = _demand(before, asking, sample, now, faults)
    revenue, known = _revenue(before, seen, now, flips, faults)
    tokens = seen.tokens_per_second
    if tokens is not None:
        _, fault = usable(tokens, seen.max_age_seconds)
        if fault:
            faults[LiveInput.OBSERVATION] = f"{tokens.source}: {fault}"
    return LiveView(
        live=Live(
            demand=None if in_force is None else in_force.classes,
            revenue_per_hour=revenue.per_hour if revenue is not None and known else None,
        ),
        observation=seen,
        demand=in_force,
        revenue=revenue,
        rate=None if wants.demand is None else demand_reading(wants.demand, entries, now=now),
        faults=_told(before.faults, faults),
    )


def _demand(
    before: LiveView, asking: Asking, sample: Sample, now: float, faults: dict[LiveInput, str]
) -> DemandStatus | None:
    """The demand in force; what cannot be read, or makes no sense, changes nothing of it."""
    rules, old = asking.rules, before.demand
    if rules is None or sample is None:
        return None
    if isinstance(sample, demand.Fault):
        faults[LiveInput.DEMAND] = sample.text
        return old
    found = demand.update(None if old is None else old.classes, sample, rules, asking.sizes)
    if isinstance(found, demand.Fault):
        faults[LiveInput.DEMAND] = f"demand: {found.text}"
        return old
    at = moment_of(now)
    if old is not None and found == old.classes:
        return replace(old, read_at=at, source=asking.source)
    return DemandStatus(classes=found, as_of=at.replace(microsecond=0), read_at=at, source=asking.source)


def _revenue(
    before: LiveView, seen: Observation, now: float, flips: Flips, faults: dict[LiveInput, str]
) -> tuple[RevenueStatus | None, bool]:
    """The revenue in force, and whether it is known now."""
    live = seen.revenue_per_hour
    if live is None:
        return None, False
    value, fault = usable(live, seen.max_age_seconds)
    old = before.revenue
    if value is None:
        faults[LiveInput.REVENUE] = f"{live.source}: {fault}"
        return old, False
    read_at = moment_of(now - (live.age_seconds or 0.0))
    if old is not None and not moved(old.per_hour, value):
        told = replace(seen, revenue_per_hour=replace(live, value=old.per_hour))
        if not flips(told, seen):
            return replace(old, read_at=read_at), True
    return RevenueStatus(per_hour=value, read_at=read_at), True


def _told(before: tuple[InputFault, ...], now: dict[LiveInput, str]) -> tuple[InputFault, ...]:
    """Faults in one order; one that lasts keeps its words, as those may count seconds or take turns."""
    told = {fault.input: fault for fault in before}
    ordered = sorted(now.items(), key=lambda pair: pair[0])
    return tuple(told.get(which, InputFault(input=which, message=text)) for which, text in ordered)
