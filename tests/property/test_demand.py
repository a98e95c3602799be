"""Demand from random traffic: nothing is lost, noise changes nothing, and order is no matter."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from math import ceil, floor, inf, isclose

from hypothesis import assume, given
from hypothesis import strategies as st

from placewright.core.demand import (
    LEAST_REQUESTS_PER_SECOND,
    DemandRules,
    DemandSample,
    Fault,
    Histogram,
    Statistic,
    estimate,
    in_force,
    update,
)
from placewright.core.demand.lengths import whole_tokens
from placewright.core.model import TrafficClass

VLLM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, inf)
EVEN = (256.0, 512.0, 1024.0, 4096.0, inf)

bounds = st.sampled_from((VLLM, EVEN))
lengths = st.lists(st.integers(1, 40_000), min_size=1, max_size=60)
rates = st.floats(0.01, 1e4)


def histogram_of(tokens: list[int], edges: tuple[float, ...], scale: float = 1.0) -> Histogram:
    """What a server with these buckets would report."""
    return Histogram(
        bounds=edges,
        counts=tuple(scale * sum(each <= bound for each in tokens) for bound in edges),
        total_sum=scale * sum(tokens),
    )


histograms = st.builds(histogram_of, lengths, bounds, st.sampled_from((1.0, 1.0 / 3600.0, 0.37)))
points = st.lists(st.tuples(st.integers(0, 100_000).map(float), rates), min_size=1, max_size=50)
rules = st.builds(
    DemandRules,
    statistic=st.sampled_from((Statistic.QUANTILE, Statistic.PEAK, Statistic.SMOOTHED)),
    quantile=st.sampled_from((0.5, 0.95, 1.0)),
    headroom_percent=st.sampled_from((0.0, 15.0)),
    max_classes=st.sampled_from((1, 2, 4, 6, 9, 25)),
)
samples = st.builds(
    lambda p, i, o: DemandSample(rate_points=tuple(p), input=i, output=o), points, histograms, histograms
)


def known(got: tuple[TrafficClass, ...] | Fault) -> tuple[TrafficClass, ...]:
    assert not isinstance(got, Fault), got.text
    return got


def totals(classes: tuple[TrafficClass, ...]) -> tuple[float, float, float]:
    return (
        sum(each.requests_per_second for each in classes),
        sum(each.requests_per_second * each.input_tokens for each in classes),
        sum(each.requests_per_second * each.output_tokens for each in classes),
    )


def mean(histogram: Histogram | None) -> float:
    assert histogram is not None
    return histogram.total_sum / histogram.counts[-1]


@given(samples, rules)
def test_requests_and_tokens_are_conserved_and_never_fewer(sample: DemandSample, given_rules: DemandRules) -> None:
    classes = known(estimate(sample, given_rules))
    rate, asked, made = totals(classes)
    one_size = replace(sample, input=None, output=None)
    assert isclose(rate, totals(known(estimate(one_size, given_rules, (1, 1))))[0], rel_tol=1e-9)
    for tokens, side in ((asked, sample.input), (made, sample.output)):
        assert rate * mean(side) * (1 - 1e-9) <= tokens
        assert tokens < rate * (mean(side) + 1.0) * (1 + 1e-9)
    assert 1 <= len(classes) <= given_rules.max_classes
    assert len({each.name for each in classes}) == len(classes)
    assert [each.name for each in classes] == sorted(each.name for each in classes)
    assert all(each.requests_per_second > 0.0 for each in classes)


@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.integers(0, 3_200_000).map(lambda n: n / 64.0)), min_size=1, max_size=6)
)
def test_lengths_are_rounded_so_that_as_little_as_possible_is_added(given_parts: list[tuple[float, float]]) -> None:
    weight = sum(share for share, _ in given_parts)
    shares, means = [share / weight for share, _ in given_parts], [mean for _, mean in given_parts]

    def excess(tokens: Iterable[int]) -> float:
        return sum(share * (length - mean) for share, length, mean in zip(shares, tokens, means, strict=True))

    got = whole_tokens(shares, means)
    either = product(*({max(1, floor(mean)), max(1, ceil(mean))} for mean in means))
    best = min(added for added in map(excess, either) if added >= -1e-6)
    assert all(
        length in {max(1, floor(mean)), max(1, round(mean)), max(1, ceil(mean))}
        for length, mean in zip(got, means, strict=True)
    )
    assert -1e-6 <= excess(got) <= best + 1e-4


@given(samples, rules, st.integers(300, 60_000))
def test_no_class_is_too_long_and_still_nothing_is_lost(
    sample: DemandSample, given_rules: DemandRules, longest: int
) -> None:
    bounded = estimate(sample, replace(given_rules, max_tokens=longest))
    if isinstance(bounded, Fault):
        assert mean(sample.input) + mean(sample.output) > longest - 2  # even the mean request, in whole tokens
        return
    assert max(each.input_tokens + each.output_tokens for each in bounded) <= longest
    rate, asked, made = totals(bounded)
    assert rate * mean(sample.input) * (1 - 1e-9) <= asked < rate * (mean(sample.input) + 1.0) * (1 + 1e-9)
    assert rate * mean(sample.output) * (1 - 1e-9) <= made < rate * (mean(sample.output) + 1.0) * (1 + 1e-9)


@given(samples, rules, st.floats(1.0, 50.0))
def test_more_traffic_is_never_less_demand(sample: DemandSample, given_rules: DemandRules, factor: float) -> None:
    more = replace(sample, rate_points=tuple((time, value * factor) for time, value in sample.rate_points))
    before, after = known(estimate(sample, given_rules)), known(estimate(more, given_rules))
    assert [(c.name, c.input_tokens, c.output_tokens) for c in before] == [
        (c.name, c.input_tokens, c.output_tokens) for c in after
    ]
    for small, large in zip(before, after, strict=True):
        assert large.requests_per_second >= small.requests_per_second * (1 - 1e-12)
    for small, large in zip(in_force(None, before, given_rules), in_force(None, after, given_rules), strict=True):
        assert large.requests_per_second >= small.requests_per_second


@given(samples, rules, st.randoms(use_true_random=False))
def test_the_order_of_points_is_no_matter(sample: DemandSample, given_rules: DemandRules, random: object) -> None:
    assume(len({time for time, _ in sample.rate_points}) == len(sample.rate_points))
    shuffled = list(sample.rate_points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert estimate(replace(sample, rate_points=tuple(shuffled)), given_rules) == estimate(sample, given_rules)


@given(
    st.lists(st.integers(64, 8000), min_size=5, max_size=60),
    st.lists(st.integers(64, 2000), min_size=5, max_size=60),
    st.floats(0.5, 1e4),
    st.lists(st.tuples(*(st.floats(-0.015, 0.015),) * 5), min_size=2, max_size=12),
)
def test_bounded_noise_changes_nothing(
    asked: list[int], made: list[int], rate: float, noise: list[tuple[float, float, float, float, float]]
) -> None:
    """Rates, sums and single buckets that move by 1.5 % either way keep the very first classes, the same object."""
    given_rules = DemandRules()
    in_place: tuple[TrafficClass, ...] | None = None
    first: tuple[TrafficClass, ...] | None = None
    for louder, longer, chattier, tilt, swing in noise:
        sides = []
        for tokens, more in ((asked, longer), (made, chattier)):
            clean = histogram_of(tokens, VLLM)
            single = [b - a for a, b in zip((0.0, *clean.counts), clean.counts, strict=False)]
            moved = [c * (1 + (tilt if k % 2 else swing)) for k, c in enumerate(single)]
            total = sum(tokens) * (1 + more) * sum(moved) / sum(single)
            counts = tuple(sum(moved[: k + 1]) for k in range(len(moved)))
            sides.append(Histogram(bounds=VLLM, counts=counts, total_sum=total))
        sample = DemandSample(rate_points=((0.0, rate * (1 + louder)),), input=sides[0], output=sides[1])
        in_place = known(update(in_place, sample, given_rules))
        first = first or in_place
        assert in_place is first


@given(samples, samples, rules)
def test_what_is_in_force_is_never_far_from_what_is_measured(
    one: DemandSample, other: DemandSample, given_rules: DemandRules
) -> None:
    previous = known(update(None, one, given_rules))
    now = known(update(previous, other, given_rules))
    band = given_rules.hysteresis_percent / 100.0
    measured = totals(known(estimate(other, given_rules)))
    for held, real in zip(totals(now), measured, strict=True):
        assert real <= held * (1 + band) * (1 + 1e-9) + 1e-12
        # Downward also what rounding adds: three digits of a rate, and whole tokens of short requests.
        assert held * (1 - band) <= real * 1.012 + 2.0 * measured[0]
    assert update(now, other, given_rules) is now


@given(histograms, histograms, rules)
def test_no_traffic_keeps_the_last_mix_and_then_rests(
    one: Histogram, other: Histogram, given_rules: DemandRules
) -> None:
    busy = known(update(None, DemandSample(rate_points=((0.0, 5.0),), input=one, output=other), given_rules))
    empty = Histogram(bounds=VLLM, counts=(0.0,) * len(VLLM), total_sum=0.0)
    quiet = DemandSample(rate_points=((0.0, 0.0),), input=empty, output=empty)
    asleep = known(update(busy, quiet, given_rules))
    assert [each.name for each in asleep] == [each.name for each in busy]
    assert totals(asleep)[0] >= LEAST_REQUESTS_PER_SECOND * (1 - 1e-9)
    assert totals(asleep)[0] <= LEAST_REQUESTS_PER_SECOND * 1.2
    assert update(asleep, quiet, given_rules) is asleep
