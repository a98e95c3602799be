"""Which of the prices that a source gives is believed: an absurd one is held back until it has stood for a while.

Pure: one look is a function of what was known, what the source says and the time. Times are seconds of one clock (Unix
time in the operator) and only compared with each other; time during which nobody looked, and what a clock jumps, does
not count.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_RATIO = 10.0
"""A price more than this many times the one before, or less than one over it, is a jump."""

_SAME_RATIO = math.sqrt(MAX_RATIO)  # prices of one order of magnitude: neither is more than this many times the other


class HoldReason(StrEnum):
    """Why a price is not believed."""

    NEGATIVE = "Negative"
    ZERO = "Zero"
    NOT_FINITE = "NotFinite"
    JUMP = "Jump"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """How a price is watched.

    Attributes:
        confirm_seconds: how long a jump must stand until it counts.
        max_gap_seconds: the longest time between two looks that counts as having been watched.
        band_percent: a smaller change of the price in force does not count.
    """

    confirm_seconds: float = 3600.0
    max_gap_seconds: float = 180.0
    band_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """What a source says and nobody believes yet.

    Attributes:
        price: when it was first seen; None: it was no finite number.
        reason: why it is held back.
        since: when it was first seen.
        stood_seconds: how long it was seen to stand.
    """

    price: float | None
    reason: HoldReason
    since: float
    stood_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceState:
    """What is known of one price.

    Attributes:
        in_force: the price that counts, above 0; None: none was ever believed.
        since: since when it is in force; None with it.
        base: what jumps are measured from: the price that stood last. Were it the price in force, a few steps of less
            than a jump each would make any jump.
        standing: the price in force when it came to its order of magnitude.
        standing_seconds: how long it was seen to stay there.
        held: what is held back now; None: nothing.
        seen_at: when the source was looked at last; not stored, so that after a restart nothing is taken as watched.
    """

    in_force: float | None = None
    since: float | None = None
    base: float | None = None
    standing: float | None = None
    standing_seconds: float = 0.0
    held: HeldBack | None = None
    seen_at: float | None = None


UNSEEN = PriceState()


def look(
    state: PriceState, seen: float, now: float, rules: PriceRules, *, reference: float | None = None
) -> PriceState:
    """Return the state after a look at a source.

    A price that is zero, negative, infinite or no number is never in force; it is held back for as long as the source
    gives it. A jump is in force once it has stood, in its order of magnitude, for `confirm_seconds`. Whatever else the
    source gives is in force at once, and what was held back is forgotten.

    Args:
        state: before.
        seen: what the source says now: USD per hour, or anything else.
        now: the time.
        rules: how the price is watched.
        reference: what the price is without this source, for the first look: a first price is measured from it.
    """
    watched = _watched_seconds(state.seen_at, now, rules)
    reason = _reason(seen, reference if state.base is None else state.base)
    if reason is None:
        return _believed(state, seen, now, rules, watched)
    held = _held(state.held, seen, reason, now, watched)
    if reason is HoldReason.JUMP and held.stood_seconds >= rules.confirm_seconds:
        return PriceState(in_force=seen, since=now, base=seen, standing=seen, seen_at=now)
    return replace(state, held=held, seen_at=now)


def restored(
    *, in_force: float | None, since: float | None, held: HeldBack | None, now: float, rules: PriceRules
) -> PriceState:
    """Return the state of which only this was stored, for instance before a restart.

    The time that a price was held back before counts by the clock, but one `max_gap_seconds` is to be watched anew, so
    that no jump is believed on the first look.
    """
    if held is not None:
        most = max(0.0, rules.confirm_seconds - rules.max_gap_seconds)
        held = replace(held, since=min(held.since, now), stood_seconds=min(max(0.0, now - held.since), most))
    return PriceState(in_force=in_force, since=since, base=in_force, standing=in_force, held=held)


def is_stale(seen_at: float | None, now: float, max_age_seconds: float | None) -> bool:
    """Say whether a price that was last seen then is too old to be relied on; one from the future is.

    Args:
        seen_at: when it was seen; None: never.
        now: the time.
        max_age_seconds: None: a price of any age is good.
    """
    if max_age_seconds is None:
        return False
    return seen_at is None or not -60.0 <= now - seen_at <= max_age_seconds


def is_jump(price: float, base: float) -> bool:
    """Say whether a price is more than ten times another, or less than a tenth of it; both are above 0."""
    return _ratio(price, base) > MAX_RATIO


def _watched_seconds(seen_at: float | None, now: float, rules: PriceRules) -> float:
    if seen_at is None or not 0.0 <= now - seen_at <= rules.max_gap_seconds:
        return 0.0
    return now - seen_at


def _reason(seen: float, base: float | None) -> HoldReason | None:
    if not math.isfinite(seen):
        return HoldReason.NOT_FINITE
    if seen < 0.0:
        return HoldReason.NEGATIVE
    if seen == 0.0:
        return HoldReason.ZERO
    return HoldReason.JUMP if base is not None and is_jump(seen, base) else None


def _held(before: HeldBack | None, seen: float, reason: HoldReason, now: float, watched: float) -> HeldBack:
    if before is not None and before.reason is reason and _same_magnitude(before.price, seen):
        return replace(before, stood_seconds=before.stood_seconds + watched)
    return HeldBack(price=seen if math.isfinite(seen) else None, reason=reason, since=now)


def _same_magnitude(before: float | None, seen: float) -> bool:
    """Whether a price that is held back still says the same; any negative, zero or not finite ones do."""
    return before is None or before <= 0.0 or _ratio(seen, before) <= _SAME_RATIO


def _believed(state: PriceState, seen: float, now: float, rules: PriceRules, watched: float) -> PriceState:
    price, since = state.in_force, state.since
    if price is None or abs(seen - price) > price * rules.band_percent / 100.0:
        price, since = seen, now
    base, standing, seconds = state.base, state.standing, state.standing_seconds
    if standing is None or _ratio(price, standing) > _SAME_RATIO:
        standing, seconds = price, 0.0
    else:
        seconds = min(seconds + watched, rules.confirm_seconds)
    if base is None or seconds >= rules.confirm_seconds:
        base = price
    return PriceState(
        in_force=price, since=since, base=base, standing=standing, standing_seconds=seconds, held=None, seen_at=now
    )


def _ratio(one: float, other: float) -> float:
    """How many times the larger of two positive numbers is the smaller one."""
    return max(one, other) / min(one, other)
