"""Whatever a source says and whatever the clock does, no absurd price is in force before it was confirmed."""

from dataclasses import replace
from math import inf, isfinite, nan

from hypothesis import given
from hypothesis import strategies as st

from placewright.core.price_watch import MAX_RATIO, UNSEEN, PriceRules, PriceState, look, restored

RULES = PriceRules(confirm_seconds=600.0, max_gap_seconds=120.0)

_ABSURD = st.sampled_from((0.0, -1.0, -1e300, nan, inf, -inf))
_PRICES = st.one_of(
    st.sampled_from((0.02, 0.5, 1.0, 2.0, 9.0, 19.0, 21.0, 150.0, 2000.0)), st.floats(1e-6, 1e6), _ABSURD
)
_STEPS = st.one_of(
    st.sampled_from((0.0, 30.0, 60.0, 120.0)), st.floats(0.0, 120.0), st.sampled_from((-1e6, -600.0, 121.0, 600.0, 1e6))
)
_LOOKS = st.lists(st.tuples(_PRICES, _STEPS), max_size=40)
_STANDING = st.lists(
    st.tuples(st.sampled_from((2.0, 50.0, 55.0, 2000.0, nan)), st.sampled_from((60.0, 120.0))), max_size=60
)


def _ratio(one: float, other: float) -> float:
    return max(one, other) / min(one, other)


@given(looks=st.one_of(_LOOKS, _STANDING), band=st.sampled_from((0.0, 1.0, 20.0)))
def test_no_jump_is_in_force_before_it_was_seen_to_stand(looks: list[tuple[float, float]], band: float) -> None:
    rules = replace(RULES, band_percent=band)
    state, now, watched = UNSEEN, 0.0, 0.0
    for price, step in looks:
        now += step
        before = state
        state = look(state, price, now, rules)
        watched = watched + step if 0.0 <= step <= rules.max_gap_seconds else watched
        if state.in_force is None:
            assert not isfinite(price) or price <= 0.0
            continue
        assert isfinite(state.in_force)
        assert state.in_force > 0.0
        if before.base is not None and _ratio(state.in_force, before.base) > MAX_RATIO:
            assert before.held is not None
            assert before.held.since <= now or step < 0.0
            # What it had stood, and what it was watched for until now, is all the time that was asked for.
            gained = step if 0.0 <= step <= rules.max_gap_seconds else 0.0
            assert before.held.stood_seconds + gained >= rules.confirm_seconds
            assert watched >= rules.confirm_seconds
        elif before.in_force is not None and state.in_force != before.in_force:
            assert state.in_force == price


@given(looks=_LOOKS)
def test_a_look_says_in_force_or_held_back_of_everything_it_sees(looks: list[tuple[float, float]]) -> None:
    state, now = UNSEEN, 0.0
    for price, step in looks:
        now += step
        state = look(state, price, now, RULES)
        assert state.seen_at == now
        assert (state.held is not None) != (state.in_force == price)


@given(looks=_LOOKS, usual=st.sampled_from((0.5, 2.0, 9.0)))
def test_it_recovers_by_itself_and_at_once(looks: list[tuple[float, float]], usual: float) -> None:
    state, now = look(UNSEEN, usual, 0.0, RULES), 0.0
    for price, step in looks:
        now += step
        state = look(state, price, now, RULES)
    assert state.base is not None
    again = look(state, state.base, now + 60.0, RULES)
    assert (again.in_force, again.held) == (state.base, None)


@given(looks=_LOOKS, gap=st.sampled_from((0.0, 30.0, 3600.0, 1e9, -1e9)), price=_PRICES)
def test_a_restart_changes_no_price_and_confirms_none(
    looks: list[tuple[float, float]], gap: float, price: float
) -> None:
    state, now = look(UNSEEN, 2.0, 0.0, RULES), 0.0
    for seen, step in looks:
        now += step
        state = look(state, seen, now, RULES)
    after = restored(in_force=state.in_force, since=state.since, held=state.held, now=now + gap, rules=RULES)
    assert after.in_force == state.in_force
    assert (after.held is None) == (state.held is None)
    seen_again = look(after, price, now + gap, RULES)
    assert seen_again.in_force is not None
    assert after.in_force is not None
    assert _ratio(seen_again.in_force, after.in_force) <= MAX_RATIO


@given(looks=_LOOKS)
def test_what_was_held_back_is_the_same_after_any_number_of_restarts(looks: list[tuple[float, float]]) -> None:
    """Nothing gets into force by restarting often: each time a whole gap is watched anew."""
    state: PriceState = look(UNSEEN, 2.0, 0.0, RULES)
    now = 0.0
    for price, step in looks:
        now += abs(step)
        state = restored(in_force=state.in_force, since=state.since, held=state.held, now=now, rules=RULES)
        before = state.in_force
        state = look(state, price, now, RULES)
        assert before is not None
        assert state.in_force is not None
        assert _ratio(state.in_force, before) <= MAX_RATIO
