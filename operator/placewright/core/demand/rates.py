"""One figure from the points of a rate: a quantile, the peak, a smoothed mean, or what somebody forecast."""

from itertools import pairwise
from math import isfinite

from placewright.core.demand.model import DemandRules, DemandSample, Fault, Statistic
from placewright.core.figures import number

LEAST_REQUESTS_PER_SECOND = 0.001
"""Demand of a model that nobody asks for. Zero is measured, and real, but a share of no traffic means nothing to the
planner: it keeps room for one request in about a quarter of an hour."""


def requests_per_second(sample: DemandSample, rules: DemandRules) -> float | Fault:
    """Return the rate that counts, with its headroom, at least LEAST_REQUESTS_PER_SECOND.

    One point that is no rate spoils the window: a gap in the data is no drop in the demand.
    """
    fault = points_fault(sample.rate_points)
    if fault is not None:
        return fault
    rate = _statistic(sample, rules)
    if isinstance(rate, Fault):
        return rate
    if not isfinite(rate) or rate < 0.0:
        return Fault(f"forecast of the rate of requests: got {_shown(rate)}, wants a number from 0 upward")
    return max(rate * (1.0 + rules.headroom_percent / 100.0), LEAST_REQUESTS_PER_SECOND)


def points_fault(points: tuple[tuple[float, float], ...]) -> Fault | None:
    """Say what is wrong with the points of a rate; None: nothing."""
    if not points:
        return Fault("rate of requests: no points in the window")
    bad = [(time, value) for time, value in sorted(points) if not (isfinite(time) and isfinite(value) and value >= 0.0)]
    if not bad:
        return None
    shown = _shown(bad[0][1]) if isfinite(bad[0][0]) else f"a point at the time {_shown(bad[0][0])}"
    many = "" if len(bad) == 1 else f" and {len(bad) - 1} more such points"
    return Fault(f"rate of requests: got {shown}{many} among {len(points)}, wants numbers from 0 upward")


def _statistic(sample: DemandSample, rules: DemandRules) -> float | Fault:
    values = sorted(value for _, value in sample.rate_points)
    match rules.statistic:
        case Statistic.PEAK:
            return values[-1]
        case Statistic.QUANTILE:
            return _quantile(values, rules.quantile)
        case Statistic.SMOOTHED:
            return _smoothed(sample.rate_points, rules.half_life_seconds)
        case Statistic.FORECAST:
            return Fault("rate of requests: there is no forecast yet") if sample.forecast is None else sample.forecast


def _quantile(values: list[float], q: float) -> float:
    """Between the two nearest points, as quantile_over_time does."""
    rank = min(max(q, 0.0), 1.0) * (len(values) - 1)
    low = int(rank)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (rank - low)


def _smoothed(points: tuple[tuple[float, float], ...], half_life_seconds: float) -> float:
    """Exponentially weighted mean; points need not come at even times."""
    ordered = sorted(points)
    mean = ordered[0][1]
    for (before, _), (time, value) in pairwise(ordered):
        kept = 0.5 ** ((time - before) / half_life_seconds) if half_life_seconds > 0.0 else 0.0
        mean = value + (mean - value) * kept
    return mean


def _shown(value: float) -> str:
    return number(value) if isfinite(value) else str(value).replace("nan", "NaN")
