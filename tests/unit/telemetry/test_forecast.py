import random
import subprocess
import sys
import venv
from math import inf, nan, pi, sin
from pathlib import Path

import pytest

from placewright.core.demand import Fault
from placewright.telemetry.forecast import DAY_SECONDS, INSTALL, forecast

HOUR = 3600.0
START = 1_700_000_000.0 // DAY_SECONDS * DAY_SECONDS

Points = list[tuple[float, float]]


def daily(seconds: float) -> float:
    """Requests per second: 2 at a quarter of the day, the least, and 10 at three quarters, the most."""
    return 6.0 - 4.0 * sin(2 * pi * seconds / DAY_SECONDS)


def pattern(
    days: float, *, step: float = 300.0, noise: float = 0.0, weekend: float = 1.0, growth: float = 0.0
) -> Points:
    """Points of so many days."""
    dice = random.Random(7)
    points = []
    for k in range(int(days * DAY_SECONDS / step)):
        at = k * step
        value = daily(at) * (weekend if at // DAY_SECONDS % 7 >= 5 else 1.0) * (1.0 + growth * at / DAY_SECONDS)
        points.append((START + at, max(0.0, value * (1.0 + noise * dice.gauss(0.0, 1.0)))))
    return points


def figure(points: Points, horizon: float) -> float:
    got = forecast(points, horizon)
    assert isinstance(got, float), got
    return got


def fault(points: Points, horizon: float = HOUR) -> str:
    got = forecast(points, horizon)
    assert isinstance(got, Fault)
    assert "\n" not in got.text
    return got.text


def test_it_sees_the_morning_before_it_comes() -> None:
    # Three days and six hours: the lowest point of the day, the peak is twelve hours away.
    past = pattern(3.25)
    assert past[-1][1] == pytest.approx(2.0, abs=0.01)
    assert figure(past, HOUR) == pytest.approx(daily(7 * HOUR), rel=0.1)
    assert figure(past, 12 * HOUR) == pytest.approx(10.0, rel=0.02)


def test_it_does_not_expect_the_peak_that_is_just_over() -> None:
    past = pattern(2.0 + 22 / 24)
    assert max(value for _, value in past) == pytest.approx(10.0)
    assert figure(past, HOUR) < 8.5


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_noise_lifts_the_figure_and_most_of_what_comes_stays_below(noise: float) -> None:
    whole = pattern(9.0, noise=noise)
    past, later = whole[: -len(whole) // 9], whole[-len(whole) // 9 :]
    expected = figure(past, DAY_SECONDS)
    assert 10.0 < expected < 10.0 * (1.0 + 6.0 * noise)
    assert sum(value <= expected for _, value in later) >= 0.9 * len(later)


def test_two_weeks_tell_the_weekend_from_the_days_before_it() -> None:
    friday_night = pattern(19.0, noise=0.02, weekend=0.3)  # the third weekend is to come
    assert figure(friday_night, DAY_SECONDS) < 5.0
    sunday_night = pattern(21.0, noise=0.02, weekend=0.3)
    assert figure(sunday_night, DAY_SECONDS) == pytest.approx(10.0, rel=0.15)


def test_a_pattern_that_grows_is_followed() -> None:
    past = pattern(6.0, noise=0.02, growth=0.1)
    assert figure(past, DAY_SECONDS) > 0.9 * max(value for _, value in past)


def test_equal_points_in_any_order_give_an_equal_figure() -> None:
    past = pattern(2.5, noise=0.1)
    shuffled = list(past)
    random.Random(1).shuffle(shuffled)
    assert figure(shuffled, HOUR) == figure(past, HOUR)


def test_a_longer_horizon_never_expects_less() -> None:
    past = pattern(3.0, noise=0.1)
    figures = [figure(past, hours * HOUR) for hours in (1, 3, 6, 12, 24)]
    assert figures == sorted(figures)


@pytest.mark.parametrize("value", [0.0, 4.0])
def test_a_rate_that_never_moves_stays(value: float) -> None:
    assert figure([(time, value) for time, _ in pattern(2.0)], DAY_SECONDS) == value


def test_a_forecast_is_never_negative() -> None:
    quiet = [(time, max(0.0, value - 5.0)) for time, value in pattern(3.25, noise=0.05)]
    assert figure(quiet, HOUR) >= 0.0


def test_a_few_gaps_lie_between_their_neighbours() -> None:
    past = pattern(3.25)
    gaps = [point for k, point in enumerate(past) if not 100 <= k % 288 < 118]  # an hour and a half each day
    assert figure(gaps, 12 * HOUR) == pytest.approx(figure(past, 12 * HOUR), rel=0.05)


@pytest.mark.parametrize(("days", "step"), [(2.0, 240.0), (7.5, 900.0), (13.0, 1560.0), (30.0, 3600.0)])
def test_windows_in_720_points_have_enough_of_them(days: float, step: float) -> None:
    assert figure(pattern(days, step=step), DAY_SECONDS) == pytest.approx(10.0, rel=0.02)


def test_too_short_a_past_is_a_fault_and_no_simpler_guess() -> None:
    assert fault(pattern(1.0)) == "forecast: got 23.92h of points, wants a window of at least 48h"
    assert fault([(START, 3.0)]) == "forecast: got 0h of points, wants a window of at least 48h"


def test_points_with_long_gaps_are_a_fault() -> None:
    past = pattern(3.0)
    text = fault(past[:200] + past[400:])
    assert text.startswith("forecast: got no points in 3")
    assert text.endswith("parts of the window, wants one every 30 minutes with few gaps")


@pytest.mark.parametrize("bad", [nan, inf, -1.0])
def test_points_that_are_no_rates_are_a_fault(bad: float) -> None:
    past = pattern(2.0)
    assert fault([*past, (past[-1][0] + 60.0, bad)]).startswith("rate of requests: got ")
    assert fault([]) == "rate of requests: no points in the window"


def test_nothing_of_it_is_loaded_before_somebody_asks() -> None:
    heavy = {"numpy", "pandas", "statsmodels"}
    seen = f"import sys, placewright.telemetry.forecast; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_an_installation_without_the_extra_says_so_in_one_line(tmp_path: Path) -> None:
    """An interpreter of its own, which finds every library of this one but statsmodels."""
    site, others = Path(sys.prefix) / "lib", tmp_path / "libraries"
    (installed,) = site.glob("python3*/site-packages")
    others.mkdir()
    for entry in installed.iterdir():
        if not entry.name.startswith("statsmodels"):
            (others / entry.name).symlink_to(entry)
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    source = Path(__file__).resolve().parents[3] / "operator"
    asked = (
        f"import sys; sys.path[:0] = [{str(source)!r}, {str(others)!r}]\n"
        "from placewright.telemetry.forecast import forecast\n"
        "print(forecast([(600.0 * k, 1.0 + k % 144) for k in range(400)], 3600.0).text)"
    )
    program = tmp_path / "bare" / "bin" / "python"
    done = subprocess.run([program, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == INSTALL
    assert "pip install 'placewright[forecast]'" in INSTALL
