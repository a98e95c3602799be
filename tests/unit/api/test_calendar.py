"""Times in which a model is kept awake: by the clock on the wall, through changes of clocks, and as an oracle says."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placewright.api import calendar
from placewright.api.idle_spec import AwakeWindow
from placewright.core.errors import InvalidRequestError

BERLIN = "Europe/Berlin"
DAY = 86_400.0


def window(cron: str, duration: str, zone: str | None = None) -> AwakeWindow:
    given: dict[str, Any] = {"cron": cron, "duration": duration}
    return AwakeWindow.model_validate(given if zone is None else {**given, "timeZone": zone})


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


WORK = [window("0 8 * * MON-FRI", "10h", BERLIN)]


@pytest.mark.parametrize(
    ("now", "until", "following"),
    [
        ("2026-11-20T07:59:59", None, "2026-11-20T08:00:00"),  # a Friday
        ("2026-11-20T08:00:00", "2026-11-20T18:00:00", "2026-11-23T08:00:00"),
        ("2026-11-20T17:59:59.5", "2026-11-20T18:00:00", "2026-11-23T08:00:00"),
        ("2026-11-20T18:00:00", None, "2026-11-23T08:00:00"),
    ],
)
def test_working_hours(now: str, until: str | None, following: str) -> None:
    assert calendar.awake_until(WORK, at(now, BERLIN)) == (until and at(until, BERLIN))
    assert calendar.next_awake(WORK, at(now, BERLIN)) == at(following, BERLIN)


def test_without_windows_nothing_is_kept_awake() -> None:
    assert calendar.awake_until([], 0.0) is None
    assert calendar.next_awake([], 0.0) is None


def test_without_a_zone_it_is_utc() -> None:
    windows = [window("0 8 * * *", "1h")]

    assert calendar.awake_until(windows, at("2026-07-01T08:30:00")) == at("2026-07-01T09:00:00")


@pytest.mark.parametrize(
    ("now", "fold", "until"),
    [
        ("2026-03-29T01:59:59", 0, None),  # the next second is 03:00
        ("2026-03-29T03:00:00", 0, "2026-03-29T04:00:00"),  # 02:30 is left out: right after the change
        ("2026-03-29T03:59:59", 0, "2026-03-29T04:00:00"),
        ("2026-03-29T04:00:00", 0, None),
        ("2026-10-25T02:29:59", 0, None),
        ("2026-10-25T02:30:00", 0, "2026-10-25T02:30:00+01:00"),  # an hour of real time later it is 02:30 again
        ("2026-10-25T02:10:00", 1, "2026-10-25T02:30:00+01:00"),
        ("2026-10-25T02:30:00", 1, None),  # the first time only
        ("2026-10-25T02:45:00", 1, None),
    ],
)
def test_a_time_that_a_change_of_clocks_leaves_out_or_doubles(now: str, fold: int, until: str | None) -> None:
    windows = [window("30 2 * * *", "1h", BERLIN)]
    ends = None if until is None else at(until, BERLIN) if "+" not in until else datetime.fromisoformat(until)

    found = calendar.awake_until(windows, at(now, BERLIN, fold=fold))

    assert found == (ends.timestamp() if isinstance(ends, datetime) else ends)


def test_a_window_that_lasts_through_a_change_lasts_its_real_time() -> None:
    windows = [window("0 22 * * *", "8h", BERLIN)]

    assert calendar.awake_until(windows, at("2026-03-28T23:00:00", BERLIN)) == at("2026-03-29T07:00:00", BERLIN)
    assert calendar.awake_until(windows, at("2026-10-24T23:00:00", BERLIN)) == at("2026-10-25T05:00:00", BERLIN)


def test_windows_that_overlap_or_meet_are_one() -> None:
    windows = [window("0 8 * * *", "2h"), window("0 9 * * *", "3h"), window("0 12 * * *", "1h")]

    assert calendar.awake_until(windows, at("2026-11-20T08:00:00")) == at("2026-11-20T13:00:00")
    assert calendar.next_awake(windows, at("2026-11-20T08:00:00")) == at("2026-11-21T08:00:00")


def test_a_window_longer_than_its_period_never_ends() -> None:
    windows = [window("0 8 * * *", "25h")]
    now = at("2026-11-20T12:00:00")

    for moment in (now, now + 60.0, now + 30.0 * DAY, now):
        until = calendar.awake_until(windows, moment)
        assert until is not None
        assert until - moment >= DAY - 3600.0


def test_the_answer_is_the_same_whatever_was_asked_before() -> None:
    moments = [at("2026-11-20T00:00:00", BERLIN) + 1800.0 * step for step in range(400)]
    forward = [(calendar.awake_until(WORK, each), calendar.next_awake(WORK, each)) for each in moments]
    backward = [(calendar.awake_until(WORK, each), calendar.next_awake(WORK, each)) for each in reversed(moments)]

    assert forward == backward[::-1]


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"cron": "0 25 * * *"}, "cron", "got '0 25 * * *' (hour), wants five fields of cron"),
        ({"cron": "0 8 * * FRY"}, "cron", "got '0 8 * * FRY' (day-of-week), wants five fields of cron"),
        ({"cron": "0 0 30 2 *"}, "cron", "got '0 0 30 2 *' (day-of-month)"),
        ({"cron": "*/0 8 * * *"}, "cron", "got '*/0 8 * * *' (minute)"),
        ({"cron": "0 0 31 FEB *"}, "cron", "got '0 0 31 FEB *'"),
        ({"cron": "0 0 */29 * MON#3"}, "cron", "got '0 0 */29 * MON#3', a time that never comes, wants"),
        ({"timeZone": "Europe/Berln"}, "timeZone", "got 'Europe/Berln', wants Europe/Berlin?"),
        ({"timeZone": "Qqqq/Xxxx"}, "timeZone", "got 'Qqqq/Xxxx', wants a time zone such as Europe/Berlin"),
        ({"timeZone": "Europe"}, "timeZone", "got 'Europe', wants"),
    ],
)
def test_what_no_calendar_has_is_refused_with_its_field(given: dict[str, str], path: str, said: str) -> None:
    wrong = AwakeWindow.model_validate({"cron": "0 8 * * *", "duration": "1h", **given})

    with pytest.raises(InvalidRequestError) as caught:
        calendar.checked([WORK[0], wrong], field="spec.idle.keepAwake")

    assert str(caught.value).startswith(f"spec.idle.keepAwake[1].{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "cron", ["*/15 8-17 * * 1-5", "0 8 L * *", "30 6 * JAN-MAR,DEC SUN", "0 8 * * 1#1", "0 0 29 2 *"]
)
def test_what_cron_has_is_taken(cron: str) -> None:
    calendar.checked([window(cron, "1h", BERLIN)], field="keepAwake")


def test_neither_cronsim_nor_tzdata_is_read_before_a_window_is_looked_at() -> None:
    code = (
        "import sys; import placewright.api.acting; from placewright.api import calendar;"
        " calendar.awake_until([], 0.0);"
        " print([name for name in ('cronsim', 'tzdata') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_time_zones_come_from_the_dependency_where_the_system_has_none() -> None:
    code = (
        "from placewright.api import calendar; from placewright.api.idle_spec import AwakeWindow;"
        " calendar.checked([AwakeWindow.model_validate("
        "{'cron': '0 8 * * *', 'duration': '1h', 'timeZone': 'Europe/Berlin'})], field='keepAwake'); print('known')"
    )
    environment = {"PYTHONTZPATH": "", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    assert done.stdout.strip() == "known"


# ------------------------------------------------------------------------------------------------------- an oracle

ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")
WHOLE_HOURS = tuple(zone for zone in ZONES if zone != "Australia/Lord_Howe")
"""Where clocks change by whole hours."""
# Around changes of clocks in these zones, and days without any.
DAYS = ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-06-10", "2024-02-28")


def oracle_begins(minute: int, hour: int, weekdays: range, zone: str, first: float, last: float) -> list[float]:
    """Begins of `minute hour * * weekdays` by going through the days on the wall; no cron and no library."""
    found = []
    day = datetime.fromtimestamp(first, ZoneInfo(zone)).date() - timedelta(days=1)
    while True:
        wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a clock on a wall
        begin = wall.replace(tzinfo=ZoneInfo(zone))
        while begin.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall:
            wall += timedelta(minutes=1)  # left out by a change: right after it
            begin = wall.replace(tzinfo=ZoneInfo(zone))
        if begin.timestamp() > last:
            return [each for each in found if each >= first]
        if (day.isoweekday() % 7) in weekdays:
            found.append(begin.timestamp())
        day += timedelta(days=1)


def oracle_until(spans: list[tuple[float, float]], now: float) -> float | None:
    """The end of the stretch that is open, by going from span to span until nothing goes on."""
    end = max((to for since, to in spans if since <= now < to), default=None)
    while end is not None:
        further = max((to for since, to in spans if since <= end < to), default=end)
        if further == end:
            return end
        end = further
    return None


@st.composite
def daily(draw: st.DrawFn) -> tuple[int, int, range, str, int]:
    first = draw(st.integers(0, 6))
    days = range(first, draw(st.integers(first, 6)) + 1)
    minutes = draw(st.integers(1, 30 * 60))
    return draw(st.integers(0, 59)), draw(st.integers(0, 23)), days, draw(st.sampled_from(ZONES)), minutes


@settings(max_examples=300, deadline=None)
@given(
    specs=st.lists(daily(), min_size=1, max_size=3),
    day=st.sampled_from(DAYS),
    minutes=st.integers(0, 3 * 24 * 60),
    seconds=st.sampled_from((0.0, 0.25, 59.0)),
)
def test_windows_are_those_of_an_oracle(
    specs: list[tuple[int, int, range, str, int]], day: str, minutes: int, seconds: float
) -> None:
    now = at(f"{day}T00:00:00") + 60.0 * minutes + seconds
    windows = [
        window(f"{minute} {hour} * * {days.start}-{days.stop - 1}", f"{length}m", zone)
        for minute, hour, days, zone, length in specs
    ]
    begins = [
        (begin, 60.0 * length)
        for minute, hour, days, zone, length in specs
        for begin in oracle_begins(minute, hour, days, zone, now - 8.0 * DAY, now + 45.0 * DAY)
    ]
    expected = oracle_until([(begin, begin + length) for begin, length in begins], now)

    found = calendar.awake_until(windows, now)

    if expected is not None and expected - now > calendar.MERGED_SECONDS:
        assert found is not None
        assert now + calendar.MERGED_SECONDS - 3600.0 <= found <= expected
        return
    assert found == expected
    after = now if expected is None else expected
    assert calendar.next_awake(windows, now) == min(begin for begin, _ in begins if begin > now and begin >= after)


@settings(max_examples=100, deadline=None)
@given(
    every=st.sampled_from((5, 10, 20, 30)),
    length=st.integers(1, 40),
    zone=st.sampled_from(WHOLE_HOURS),
    day=st.sampled_from(DAYS),
    minutes=st.integers(0, 2 * 24 * 60),
)
def test_what_repeats_within_the_hour_follows_real_time(
    every: int, length: int, zone: str, day: str, minutes: int
) -> None:
    """Every so many minutes, counted from the hour, which a change by a whole hour does not move."""
    now = at(f"{day}T00:00:00") + 60.0 * minutes
    windows = [window(f"*/{every} * * * *", f"{length}m", zone)]

    found = calendar.awake_until(windows, now)

    if length >= every:
        assert found is not None
        assert found - now >= DAY
        return
    minute = datetime.fromtimestamp(now, ZoneInfo(zone)).minute
    into = minute % every
    assert found == (now + 60.0 * (length - into) if into < length else None)
