from dataclasses import replace
from math import inf, nan

import pytest

from placewright.core.price_watch import (
    UNSEEN,
    HeldBack,
    HoldReason,
    PriceRules,
    PriceState,
    is_stale,
    look,
    restored,
)

HOUR = 3600.0
MINUTE = 60.0
RULES = PriceRules(confirm_seconds=HOUR, max_gap_seconds=3 * MINUTE)


def looks(state: PriceState, *seen: float, since: float, rules: PriceRules = RULES) -> PriceState:
    """One look a minute."""
    for number, price in enumerate(seen):
        state = look(state, price, since + number * MINUTE, rules)
    return state


def at(price: float, *, now: float = 0.0) -> PriceState:
    """A price that has stood for long."""
    return PriceState(in_force=price, since=now, base=price, standing=price, standing_seconds=HOUR, seen_at=now)


def test_a_first_price_is_in_force_at_once() -> None:
    state = look(UNSEEN, 2.5, 10.0, RULES)
    assert (state.in_force, state.since, state.held) == (2.5, 10.0, None)


@pytest.mark.parametrize(
    ("seen", "reason", "kept"),
    [
        (-0.01, HoldReason.NEGATIVE, -0.01),
        (0.0, HoldReason.ZERO, 0.0),
        (-0.0, HoldReason.ZERO, 0.0),
        (nan, HoldReason.NOT_FINITE, None),
        (inf, HoldReason.NOT_FINITE, None),
        (-inf, HoldReason.NOT_FINITE, None),
        (20.01, HoldReason.JUMP, 20.01),
        (0.199, HoldReason.JUMP, 0.199),
        (5e-324, HoldReason.JUMP, 5e-324),
    ],
)
def test_an_absurd_price_is_held_back_and_the_one_before_stays(
    seen: float, reason: HoldReason, kept: float | None
) -> None:
    state = look(at(2.0), seen, MINUTE, RULES)
    assert state.in_force == 2.0
    assert state.held == HeldBack(price=kept, reason=reason, since=MINUTE)


@pytest.mark.parametrize("seen", [20.0, 0.2, 2.0, 1.999])
def test_a_price_within_ten_times_is_in_force_at_once(seen: float) -> None:
    state = look(at(2.0), seen, MINUTE, RULES)
    assert (state.in_force, state.held) == (seen, None)


def test_a_jump_is_in_force_once_it_stood_for_the_whole_time() -> None:
    held = looks(at(2.0), *[50.0] * 60, since=MINUTE)
    assert held.in_force == 2.0
    assert held.held is not None
    assert held.held.stood_seconds == 59 * MINUTE

    confirmed = look(held, 50.0, 61 * MINUTE, RULES)
    assert confirmed == PriceState(
        in_force=50.0, since=61 * MINUTE, base=50.0, standing=50.0, held=None, seen_at=61 * MINUTE
    )


def test_a_jump_may_tremble_and_what_it_is_at_the_end_counts() -> None:
    trembling = [50.0, 41.0, 70.0] * 20
    state = looks(at(2.0), *trembling, 62.0, since=MINUTE)
    assert state.in_force == 62.0


def test_a_jump_to_another_order_of_magnitude_begins_anew() -> None:
    state = looks(at(2.0), *[50.0] * 50, *[500.0] * 50, since=MINUTE)
    assert state.in_force == 2.0
    assert state.held is not None
    assert (state.held.price, state.held.since) == (500.0, 51 * MINUTE)


@pytest.mark.parametrize("seen", [0.0, -3.0, nan, inf])
def test_what_can_be_no_price_is_never_in_force_however_long_it_stands(seen: float) -> None:
    state = looks(at(2.0), *[seen] * 500, since=MINUTE)
    assert state.in_force == 2.0
    assert state.held is not None
    assert state.held.since == MINUTE


def test_it_recovers_by_itself() -> None:
    state = looks(at(2.0), 50.0, nan, 0.0, 2.1, since=MINUTE)
    assert (state.in_force, state.held) == (2.1, None)


def test_small_steps_do_not_make_a_jump() -> None:
    state = looks(at(2.0), 15.0, 100.0, 900.0, since=MINUTE)
    assert state.in_force == 15.0
    assert state.held is not None
    assert state.held.reason is HoldReason.JUMP


def test_a_price_that_has_stood_is_what_jumps_are_measured_from() -> None:
    state = looks(at(2.0), *[15.0] * 62, 100.0, since=MINUTE)
    assert (state.in_force, state.held) == (100.0, None)


def test_a_first_price_is_measured_from_what_is_known_without_the_source() -> None:
    state = look(UNSEEN, 250.0, 0.0, RULES, reference=2.5)
    assert state.in_force is None
    assert state.held is not None
    assert look(state, 2.4, MINUTE, RULES, reference=2.5).in_force == 2.4
    for number in range(1, 62):
        state = look(state, 250.0, number * MINUTE, RULES, reference=2.5)
    assert state.in_force == 250.0


def test_time_that_nobody_watched_does_not_count() -> None:
    held = look(at(2.0), 50.0, MINUTE, RULES)
    later = look(held, 50.0, MINUTE + 2 * HOUR, RULES)
    assert later.in_force == 2.0
    assert later.held is not None
    assert later.held.stood_seconds == 0.0


def test_a_clock_that_goes_back_confirms_nothing() -> None:
    state = at(2.0, now=10 * HOUR)
    for moment in (10 * HOUR + MINUTE, 9 * HOUR, 9 * HOUR + MINUTE):
        state = look(state, 50.0, moment, RULES)
    assert state.in_force == 2.0
    assert state.held is not None
    assert state.held.stood_seconds == MINUTE


def test_without_a_time_a_jump_counts_at_once_and_what_is_no_price_still_does_not() -> None:
    rules = replace(RULES, confirm_seconds=0.0)
    assert look(at(2.0), 50.0, MINUTE, rules).in_force == 50.0
    assert look(at(2.0), 0.0, MINUTE, rules).in_force == 2.0


def test_a_small_change_leaves_the_price_in_force_alone() -> None:
    rules = replace(RULES, band_percent=1.0)
    state = looks(at(2.0), 2.01, 1.985, 2.019, since=MINUTE, rules=rules)
    assert (state.in_force, state.since) == (2.0, 0.0)
    moved = look(state, 2.021, 9 * MINUTE, rules)
    assert (moved.in_force, moved.since) == (2.021, 9 * MINUTE)


def test_a_restart_keeps_what_is_in_force_and_what_is_held_back() -> None:
    held = HeldBack(price=50.0, reason=HoldReason.JUMP, since=0.0)
    state = restored(in_force=2.0, since=-HOUR, held=held, now=30 * MINUTE, rules=RULES)
    assert (state.in_force, state.since, state.base) == (2.0, -HOUR, 2.0)
    assert state.held == replace(held, stood_seconds=30 * MINUTE)

    state = looks(state, *[50.0] * 30, since=30 * MINUTE)
    assert state.in_force == 2.0
    assert look(state, 50.0, HOUR, RULES).in_force == 50.0


@pytest.mark.parametrize("now", [100 * HOUR, -100 * HOUR])
def test_after_a_restart_no_first_look_confirms_whatever_the_clock_says(now: float) -> None:
    held = HeldBack(price=50.0, reason=HoldReason.JUMP, since=0.0)
    state = restored(in_force=2.0, since=0.0, held=held, now=now, rules=RULES)
    assert look(state, 50.0, now, RULES).in_force == 2.0
    assert look(state, 50.0, now + MINUTE, RULES).in_force == 2.0


def test_a_restart_without_anything_in_force() -> None:
    state = restored(in_force=None, since=None, held=None, now=5.0, rules=RULES)
    assert state == UNSEEN


@pytest.mark.parametrize(
    ("seen_at", "max_age", "stale"),
    [
        (None, None, False),
        (None, 60.0, True),
        (40.0, 60.0, False),
        (39.9, 60.0, True),
        (-1e9, None, False),
        (150.0, 60.0, False),  # a clock that is a little ahead
        (161.0, 60.0, True),
    ],
)
def test_a_price_that_is_too_old_or_of_the_future_is_stale(
    seen_at: float | None, max_age: float | None, *, stale: bool
) -> None:
    assert is_stale(seen_at, 100.0, max_age) is stale
