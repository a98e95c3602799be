"""The peak that a rate will reach soon, forecast from its past by Holt-Winters smoothing of statsmodels.

Needs the extra `forecast`; nothing of it is imported before somebody asks. `forecast` is a plain function on plain
data, for a thread or a process of its own: it takes up to a second, and the first call two more to import.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

from placewright.core.demand import Fault
from placewright.core.demand.rates import points_fault

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
CONFIDENCE = 0.9  # of the paths that the model draws, this share stays below the figure

_PATHS = 500
_SEED = 0  # equal points give an equal figure
_MOST_MISSING = 0.1  # share of the bins without a point
_SLACK_BINS = 2  # a window of two days holds a step less than two days of points
_FLAT = 1e-9  # a rate that moves less than this share of itself has no pattern

INSTALL = "forecast: got an installation without statsmodels, wants pip install 'placewright[forecast]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Season:
    """A pattern that repeats, and the bins in which it is looked at; the peak of a bin counts."""

    name: str
    seconds: float
    bin_seconds: float

    @property
    def bins(self) -> int:
        """Bins of one season."""
        return round(self.seconds / self.bin_seconds)

    @property
    def least_seconds(self) -> float:
        """Least time between the first and the last point: the season twice."""
        return 2.0 * self.seconds - _SLACK_BINS * self.bin_seconds


DAILY = _Season(name="day", seconds=DAY_SECONDS, bin_seconds=1800.0)
WEEKLY = _Season(name="week", seconds=WEEK_SECONDS, bin_seconds=3600.0)


def forecast(points: Sequence[tuple[float, float]], horizon_seconds: float) -> float | Fault:
    """Forecast the highest rate within the horizon, such that it stays below in nine of ten cases.

    A pattern must have been seen twice: two days of points at least for a daily one, and two weeks for a weekly one,
    which then counts instead. There is no figure from less, never one from a simpler rule.

    Args:
        points: (time in seconds, rate), in any order; the newest is now.
        horizon_seconds: how far ahead, more than 0.

    Returns:
        The rate in the unit of the points, from 0 upward, or the fault, in one line. The same for the same points.
    """
    known = tuple(sorted(points))
    fault = points_fault(known)
    if fault is not None:
        return fault
    length = known[-1][0] - known[0][0]
    season = next((each for each in (WEEKLY, DAILY) if length >= each.least_seconds), None)
    if season is None:
        return Fault(f"forecast: got {length / 3600.0:.4g}h of points, wants a window of at least 48h")
    bins = _binned(known, season)
    if isinstance(bins, Fault):
        return bins
    low, high = min(bins), max(bins)
    if high - low <= _FLAT * high:
        return high
    return _highest(bins, season, max(1, ceil(horizon_seconds / season.bin_seconds)))


def _binned(points: Sequence[tuple[float, float]], season: _Season) -> list[float] | Fault:
    """The peak of every bin, oldest first, at least two seasons of them; a few bins without points lie between."""
    newest = points[-1][0]
    peaks: dict[int, float] = {}
    for time, value in points:
        back = floor((newest - time) / season.bin_seconds)
        peaks[back] = max(value, peaks.get(back, 0.0))
    count = max(max(peaks) + 1, 2 * season.bins)
    missing = sum(back not in peaks for back in range(max(peaks)))
    if missing > _MOST_MISSING * count:
        wants = f"one every {season.bin_seconds / 60.0:.0f} minutes with few gaps"
        return Fault(f"forecast: got no points in {missing} of {count} parts of the window, wants {wants}")
    backs = sorted(peaks)
    return [_between(peaks, backs, back) for back in range(count - 1, -1, -1)]


def _between(peaks: dict[int, float], backs: Sequence[int], back: int) -> float:
    """The peak of a bin; without points what lies between its neighbours, and before the first one the first."""
    if back in peaks:
        return peaks[back]
    newer = max(each for each in backs if each < back)
    older = min((each for each in backs if each > back), default=newer)
    if older == newer:
        return peaks[newer]
    way = (back - newer) / (older - newer)
    return peaks[newer] + way * (peaks[older] - peaks[newer])


def _highest(bins: Sequence[float], season: _Season, ahead: int) -> float | Fault:
    """Draw how the rate may go on, and take the highest figure of each path."""
    try:
        import numpy as np  # noqa: PLC0415 - the operator's own process loads none of it
        from statsmodels.tools.sm_exceptions import ModelWarning  # noqa: PLC0415 - of the extra
        from statsmodels.tsa.holtwinters import ExponentialSmoothing  # noqa: PLC0415 - of the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "statsmodels":
            raise
        return Fault(INSTALL)
    # Level and season without a trend: growth lifts the level, while a trend from noise grows without bounds.
    model = ExponentialSmoothing(
        np.array(bins),
        trend=None,
        seasonal="add",
        seasonal_periods=season.bins,
        initialization_method="heuristic",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ModelWarning)  # whether it converged is looked at below
        fitted = model.fit()
    if not fitted.mle_retvals.success:
        return Fault(f"forecast: no pattern of the {season.name} was found, as the fit did not converge")
    paths: NDArray[np.float64] = np.asarray(
        fitted.simulate(ahead, repetitions=_PATHS, error="add", rng=np.random.default_rng(_SEED))
    )
    return max(0.0, float(np.quantile(paths.reshape(ahead, _PATHS).max(axis=0), CONFIDENCE)))
