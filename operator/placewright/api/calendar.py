"""Times of the calendar in which a model is kept awake: cron expressions in time zones, by the library cronsim.

Moments are Unix seconds. A window begins by the clock on the wall and lasts its duration in real time. As with cron
itself, a time of the day that a change of clocks leaves out begins right after the change, and one that comes twice
begins the first time; an expression that repeats by the hour or the minute (`*` in one of these fields) follows real
time through a change.

cronsim and the time zones are read when the first window is looked at.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from placewright.api.base import PATTERN_WORDS, ZONE_PATTERN, duration_seconds
from placewright.api.idle_spec import AwakeWindow
from placewright.core.errors import InvalidRequestError

DEFAULT_ZONE: Final = "UTC"

MERGED_SECONDS: Final = 86_400.0
"""Windows that overlap are one for so long at least; the end of a longer one may be told as any moment after that."""

_HOUR_SECONDS: Final = 3600.0
_WANTS_CRON: Final = "five fields of cron such as '0 8 * * MON-FRI': minute, hour, day, month, weekday"

Window = tuple[str, str, float]
"""Cron expression, time zone, seconds."""


def checked(windows: Sequence[AwakeWindow], *, field: str) -> None:
    """Check what no schema can: that each expression is one of cron that comes, and that each time zone is known.

    Args:
        windows: as the types let them pass.
        field: where they stand: `spec.idle.keepAwake`.

    Raises:
        InvalidRequestError: for the first that is not.
    """
    for index, window in enumerate(windows):
        if window.time_zone is not None:
            _zone(window.time_zone, field=f"{field}[{index}].timeZone")
        _check_cron(window, field=f"{field}[{index}].cron")


def awake_until(windows: Sequence[AwakeWindow], now: float) -> float | None:
    """Return when the window ends that is open now, with all that overlap it; None: none is open.

    An end that is more than MERGED_SECONDS away may be told as any moment after that.

    Args:
        windows: that `checked` lets pass.
        now: Unix seconds.

    Raises:
        InvalidRequestError: for what `checked` refuses.
    """
    if not windows:
        return None
    begin, end = _look(windows, now)
    return end if begin <= now else None


def next_awake(windows: Sequence[AwakeWindow], now: float) -> float | None:
    """Return when the next window begins, after the one that is open now; None: never.

    Args:
        windows: that `checked` lets pass.
        now: Unix seconds.
    """
    if not windows:
        return None
    begin, end = _look(windows, now)
    if begin > now:
        return begin if begin < _NEVER else None
    following = _calendar(_plain(windows)).following(end)
    return following if following < _NEVER else None


_NEVER: Final = float("inf")


def _plain(windows: Sequence[AwakeWindow]) -> tuple[Window, ...]:
    return tuple(
        (each.cron, each.time_zone or DEFAULT_ZONE, duration_seconds(each.duration, field="duration"))
        for each in windows
    )


def _look(windows: Sequence[AwakeWindow], now: float) -> tuple[float, float]:
    return _calendar(_plain(windows)).stretch(now)


class _Calendar:
    """Windows that are asked again and again: the last answer is kept for as long as it holds."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self._windows = windows
        self._known: tuple[float, float, float, float] | None = None  # since, until, begin, end

    def stretch(self, now: float) -> tuple[float, float]:
        """The stretch of windows that is open now (it began at some time before), or else the next to come.

        Its begin is only told to be before now or after it.
        """
        known = self._known
        if known is not None and known[0] <= now < known[1]:
            return known[2], known[3]
        end = self._end(now)
        if end is None:
            begin = self.following(now)
            self._known = (now, begin, begin, _NEVER)
            return begin, _NEVER
        long = end - now > MERGED_SECONDS
        self._known = (now, now + _HOUR_SECONDS if long else end, now, end)
        return now, end

    def following(self, now: float) -> float:
        """When the next window begins that does so at this moment or later; endless: none does."""
        return min((_first(cron, zone, now) for cron, zone, _ in self._windows), default=_NEVER)

    def _end(self, now: float) -> float | None:
        end = self._open_until(now)
        while end is not None and end - now <= MERGED_SECONDS + _HOUR_SECONDS:
            further = self._open_until(end)  # one that begins as another ends goes on with it
            if further is None or further <= end:
                break
            end = further
        return end

    def _open_until(self, now: float) -> float | None:
        ends = (
            begin + seconds
            for cron, zone, seconds in self._windows
            if (begin := _last(cron, zone, now, seconds)) is not None
        )
        latest = max(ends, default=now)
        return latest if latest > now else None


@lru_cache(maxsize=4096)
def _calendar(windows: tuple[Window, ...]) -> _Calendar:
    return _Calendar(windows)


def _first(cron: str, zone: str, now: float) -> float:
    """The first begin at this moment or later; endless: there is none."""
    return next((begin for begin in _begins(cron, zone, now) if begin >= now), _NEVER)


def _last(cron: str, zone: str, now: float, seconds: float) -> float | None:
    """The last begin of the past that long, this moment included; None: there is none.

    It is looked for further and further back, as most expressions come often or last long. Going forward from an
    earlier moment and not backward from this one, since cronsim takes the second of two equal hours for the first.
    """
    back = min(seconds, _HOUR_SECONDS)
    while True:
        found: float | None = None
        for begin in _begins(cron, zone, now - back):
            if begin > now:
                break
            found = begin
        if found is not None or back >= seconds:
            return found
        back = min(seconds, back * 4.0)


def _begins(cron: str, zone: str, now: float) -> Iterator[float]:
    """Begins in order, from this moment on; where clocks go back, some that were shortly before it too."""
    moment = datetime.fromtimestamp(_before(now), tz=_zone(zone, field="timeZone"))
    for begin in _coming(cron, moment, field="cron"):
        yield begin.timestamp()


def _before(now: float) -> float:
    """The last whole second before a moment: cronsim tells what comes after one."""
    whole = float(int(now))
    return whole - 1.0 if whole == now else whole


def _coming(cron: str, moment: datetime, *, field: str) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - most requests have no calendar

    try:
        return CronSim(cron, moment)
    except CronSimError as error:
        reason = str(error).removeprefix("Bad ")
        raise InvalidRequestError(field, got=f"{cron!r} ({reason})", wants=_WANTS_CRON) from None


def _check_cron(window: AwakeWindow, *, field: str) -> None:
    begins = _coming(window.cron, datetime(2026, 1, 1, tzinfo=UTC), field=field)
    if next(begins, None) is None:
        raise InvalidRequestError(field, got=f"{window.cron!r}, a time that never comes", wants=_WANTS_CRON)


@lru_cache(maxsize=1024)
def _zone(name: str, *, field: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415 - as above

    if name == DEFAULT_ZONE:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, available_timezones(), n=1, cutoff=0.6)
        wants = f"{near[0]}?" if near else PATTERN_WORDS[ZONE_PATTERN]
        raise InvalidRequestError(field, got=repr(name), wants=wants) from None
