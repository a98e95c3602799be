"""The numeric fleet solver finds what brute force finds on tiny problems, proves it, and its bound is never above."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core.fleet.problem import Ask, Offer, Solution, make_problem
from placewright.core.fleet.solve import solve
from tests.property.effort import share
from tests.property.fleet_strategies import Numbers, numbers
from tests.support import fleet_oracle as oracle

TOLERANCE = 1e-6


def solved(given_: Numbers) -> Solution:
    return solve(make_problem(given_.asks, given_.capacity))


def counts_of(ask: Ask, taken: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    held = dict(taken)
    return tuple(held.get(at, 0) for at in range(len(ask.offers)))


def check_answers(given_: Numbers, solution: Solution) -> None:
    """What is taken is allowed, fits, and adds up to the objectives that are told."""
    ordered = sorted(given_.asks, key=lambda ask: ask.key)
    left = list(given_.capacity)
    values = {ask.priority: 0.0 for ask in ordered}
    for ask, taken in zip(ordered, solution.taken, strict=True):
        if taken is None:
            values[ask.priority] += ask.refusal_value
            continue
        counts = counts_of(ask, taken)
        stands = ask.standing and taken == ask.standing
        if not stands:
            assert not ask.standing_only
            assert oracle.serves(ask, counts)
            assert oracle.cost_of(ask, counts) <= ask.max_cost_per_hour * (1 + TOLERANCE)
            copies = sum(count * offer.copies for count, offer in zip(counts, ask.offers, strict=True))
            assert ask.min_copies <= copies
            assert ask.max_copies is None or copies <= ask.max_copies
        answer = oracle.answer_of(ask, counts, len(left))
        values[ask.priority] += answer.value
        left = [room - used for room, used in zip(left, answer.uses, strict=True)]
    assert all(room >= -TOLERANCE for room in left)
    for priority, objective, bound in solution.levels:
        assert objective == pytest.approx(values[priority], rel=1e-9, abs=1e-9)
        assert bound <= objective + TOLERANCE
    assert solution.objective == pytest.approx(sum(values.values()), rel=1e-9, abs=1e-9)


def check(given_: Numbers) -> None:
    solution = solved(given_)
    check_answers(given_, solution)
    want = oracle.levels(given_.asks, given_.capacity)
    assert [priority for priority, _, _ in solution.levels] == [priority for priority, _ in want]
    assert solution.proved
    for (_, objective, bound), (_, least) in zip(solution.levels, want, strict=True):
        assert objective == pytest.approx(least, rel=TOLERANCE, abs=TOLERANCE)
        assert bound <= least * (1 + TOLERANCE) + TOLERANCE


@share(2)
@given(numbers(most_classes=1))
def test_one_class_each_is_solved_as_brute_force_would(given_: Numbers) -> None:
    check(given_)


@share(0.5)
@given(numbers(most_asks=3, most_classes=3))
def test_several_classes_are_solved_as_brute_force_would(given_: Numbers) -> None:
    check(given_)


@share(0.5)
@given(numbers(), st.randoms(use_true_random=False))
def test_the_order_of_asks_does_not_matter(given_: Numbers, shuffle: Random) -> None:
    mixed = replace(given_, asks=tuple(shuffle.sample(given_.asks, len(given_.asks))))
    first, second = solved(given_), solved(mixed)
    assert first.taken == second.taken
    assert first.levels == second.levels


def no_worse(before: Solution, after: Solution) -> bool:
    """By the highest priority that differs."""
    for (_, old, _), (_, new, _) in zip(before.levels, after.levels, strict=True):
        if abs(old - new) > TOLERANCE * max(1.0, abs(old)):
            return new < old
    return True


@share(0.5)
@given(numbers(), st.integers(0, 2), st.sampled_from((1.0, 2.0, 8.0)))
def test_more_of_a_row_is_never_worse(given_: Numbers, pick: int, more: float) -> None:
    row = pick % len(given_.capacity)
    capacity = tuple(room + more * (at == row) for at, room in enumerate(given_.capacity))
    assert no_worse(solved(given_), solved(replace(given_, capacity=capacity)))


def cheaper(offer: Offer, factor: float) -> Offer:
    """What is paid stays, so that the limits on cost do."""
    value = offer.cost_per_hour if offer.value is None else offer.value
    return replace(offer, value=value * factor)


@share(0.5)
@given(numbers(), st.integers(0, 3), st.sampled_from((0.5, 0.9)))
def test_a_cheaper_offer_is_never_worse(given_: Numbers, pick: int, factor: float) -> None:
    """Of one of the highest priority; of a lower one the higher ones take no notice."""
    top = max(given_.asks, key=lambda ask: ask.priority)
    at = pick % len(top.offers)
    changed = replace(
        top, offers=tuple(cheaper(offer, factor) if place == at else offer for place, offer in enumerate(top.offers))
    )
    after = replace(given_, asks=tuple(changed if ask is top else ask for ask in given_.asks))
    assert no_worse(solved(given_), solved(after))


def test_splitting_traffic_beats_whole_slices() -> None:
    """Two offers, each good at one of two classes, share the traffic of both."""
    offers = (
        Offer(cost_per_hour=1.0, rates=(4.0, 1.0), uses=((0, 1.0),)),
        Offer(cost_per_hour=3.0, rates=(1.0, 8.0), uses=((1, 1.0),)),
    )
    ask = Ask(key="a", demands=(6.0, 8.5), offers=offers, refusal_value=300.0)
    solution = solve(make_problem([ask], [10.0, 10.0]))
    assert solution.taken == (((0, 2), (1, 1)),)
    assert oracle.levels([ask], [10.0, 10.0]) == ((0, 5.0),)


def test_the_oracle_splits_two_classes_as_by_hand() -> None:
    """Half of the first offer serves the first class, its other half and all of the second offer the second."""
    taken = [(1, (4.0, 2.0)), (1, (0.0, 3.0))]
    assert oracle.spare_load((2.0, 4.0), taken) == pytest.approx(0.0, abs=1e-9)
    assert oracle.spare_load((2.0, 4.1), taken) < 0
    assert oracle.spare_load((1.0, 2.0), taken) == pytest.approx(0.5)


@pytest.mark.parametrize(("demand", "copies", "taken"), [(4.0, 0, ((0, 2), (1, 2))), (0.5, 3, ((0, 2), (1, 1)))])
def test_equal_offers_on_two_short_rows_are_both_taken(
    demand: float, copies: int, taken: tuple[tuple[int, int], ...]
) -> None:
    offers = tuple(Offer(cost_per_hour=0.5, rates=(1.0,), uses=((row, 1.0),)) for row in range(2))
    ask = Ask(key="a", demands=(demand,), offers=offers, min_copies=copies, refusal_value=30.0)
    assert solve(make_problem([ask], [2.0, 2.0])).taken == (taken,)


def test_a_class_that_no_stock_serves_refuses_all() -> None:
    offers = (
        Offer(cost_per_hour=0.5, rates=(1.0, 0.0), uses=((0, 1.0),)),
        Offer(cost_per_hour=0.5, rates=(0.0, 1.0), uses=((1, 1.0),)),
    )
    ask = Ask(key="a", demands=(0.5, 0.5), offers=offers, refusal_value=30.0)
    solution = solve(make_problem([ask], [4.0, 0.0]))
    assert solution.taken == (None,)
    assert solution.proved
