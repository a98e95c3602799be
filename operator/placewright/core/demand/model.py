"""Values of live demand: what was measured, and by which rules it becomes traffic classes."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no figure, in one line for the owner of the request. A fault is never a demand of zero."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Lengths of requests in tokens, as Prometheus keeps them: cumulative counts by upper bound.

    Attributes:
        bounds: upper bounds (`le`) in tokens, ascending; the last is infinity.
        counts: how many requests are at most that long; plain counts or rates per second, so they may be fractions.
        total_sum: all their tokens together, on the same scale as counts.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total_sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandSample:
    """What was measured over the window.

    Attributes:
        rate_points: (time in seconds, requests per second), in any order.
        input: lengths of prompts; None: nobody measures them.
        output: lengths of answers; None: nobody measures them.
        forecast: requests per second that are forecast, or why there is no forecast; None: nobody was asked.
    """

    rate_points: tuple[tuple[float, float], ...]
    input: Histogram | None = None
    output: Histogram | None = None
    forecast: float | Fault | None = None


class Statistic(StrEnum):
    """What of the points in the window counts as the rate."""

    QUANTILE = "Quantile"
    PEAK = "Peak"
    SMOOTHED = "Smoothed"  # exponentially weighted mean at the newest point
    FORECAST = "Forecast"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandRules:
    """How a sample becomes classes.

    Attributes:
        statistic: what of the window counts.
        quantile: 0 < q <= 1, of QUANTILE.
        half_life_seconds: of SMOOTHED: a point this much older counts half.
        headroom_percent: added to the rate.
        hysteresis_percent: how far the figures must move from those in force before these follow.
        max_classes: most traffic classes.
        max_tokens: the longest request (input + output) that the model takes; None: no limit. No class is longer.
    """

    statistic: Statistic = Statistic.QUANTILE
    quantile: float = 0.95
    half_life_seconds: float = 300.0
    headroom_percent: float = 0.0
    hysteresis_percent: float = 10.0
    max_classes: int = 9
    max_tokens: int | None = None
