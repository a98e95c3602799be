from dataclasses import replace
from math import inf, nan

import pytest

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
from placewright.core.model import TrafficClass

BOUNDS = (100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, inf)


def steady(rate: float, count: int = 60) -> tuple[tuple[float, float], ...]:
    return tuple((60.0 * k, rate) for k in range(count))


def histogram(*counts: float, total: float, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    """From counts of single buckets."""
    return Histogram(bounds=bounds, counts=tuple(sum(counts[: k + 1]) for k in range(len(counts))), total_sum=total)


INPUT = histogram(0, 10, 60, 0, 20, 10, 0, total=100 * 900.0)
OUTPUT = histogram(70, 0, 30, 0, 0, 0, 0, total=100 * 150.0)
SAMPLE = DemandSample(rate_points=steady(4.0), input=INPUT, output=OUTPUT)
RULES = DemandRules()


def classes_of(got: tuple[TrafficClass, ...] | Fault) -> tuple[TrafficClass, ...]:
    assert not isinstance(got, Fault), got.text
    return got


def fault_of(got: tuple[TrafficClass, ...] | Fault) -> str:
    assert isinstance(got, Fault)
    assert "\n" not in got.text
    return got.text


def rate(classes: tuple[TrafficClass, ...] | Fault) -> float:
    return sum(each.requests_per_second for each in classes_of(classes))


def tokens(classes: tuple[TrafficClass, ...]) -> tuple[float, float]:
    return (
        sum(each.requests_per_second * each.input_tokens for each in classes),
        sum(each.requests_per_second * each.output_tokens for each in classes),
    )


# --------------------------------------------------------------------------------------------------------- classes


def test_two_histograms_become_at_most_three_by_three_classes_named_by_their_bounds() -> None:
    classes = classes_of(estimate(SAMPLE, RULES))
    assert [each.name for each in classes] == [
        "in-0500-out-0100",
        "in-0500-out-0500",
        "in-2000-out-0100",
        "in-2000-out-0500",
        "in-5000-out-0100",
        "in-5000-out-0500",
    ]
    assert rate(classes) == pytest.approx(4.0)


def test_inputs_and_outputs_are_taken_as_independent() -> None:
    classes = {each.name: each.requests_per_second for each in classes_of(estimate(SAMPLE, RULES))}
    assert classes["in-0500-out-0100"] == pytest.approx(4.0 * 0.7 * 0.7)
    assert classes["in-5000-out-0500"] == pytest.approx(4.0 * 0.1 * 0.3)


def test_tokens_are_those_that_were_counted_and_never_fewer() -> None:
    asked, made = tokens(classes_of(estimate(SAMPLE, RULES)))
    assert 4.0 * 900.0 - 1e-6 <= asked < 4.0 * 901.0
    assert 4.0 * 150.0 - 1e-6 <= made < 4.0 * 151.0


def test_lengths_lie_in_their_buckets() -> None:
    lengths = {each.name.partition("-out")[0]: each.input_tokens for each in classes_of(estimate(SAMPLE, RULES))}
    assert 100 <= lengths["in-0500"] <= 500
    assert 1000 <= lengths["in-2000"] <= 2000
    assert 2000 <= lengths["in-5000"] <= 5000


def test_rates_in_place_of_counts_give_the_same_classes() -> None:
    def per_second(given: Histogram) -> Histogram:
        return replace(given, counts=tuple(c / 3600.0 for c in given.counts), total_sum=given.total_sum / 3600.0)

    scaled = replace(SAMPLE, input=per_second(INPUT), output=per_second(OUTPUT))
    plain, other = classes_of(estimate(SAMPLE, RULES)), classes_of(estimate(scaled, RULES))
    assert [(c.name, c.input_tokens, c.output_tokens) for c in plain] == [
        (c.name, c.input_tokens, c.output_tokens) for c in other
    ]
    assert [c.requests_per_second for c in other] == pytest.approx([c.requests_per_second for c in plain])


def test_lengths_that_are_alike_are_one_class() -> None:
    bounds = (*(1000.0 + 20.0 * k for k in range(10)), inf)
    alike = histogram(0, *(10.0,) * 9, 0, total=90 * 1090.0, bounds=bounds)
    (only,) = classes_of(estimate(replace(SAMPLE, input=alike, output=None), RULES, (1, 128)))
    assert (only.name, only.input_tokens, only.output_tokens) == ("in-1180-out-0128", 1090, 128)


def test_what_is_longer_than_every_bound_takes_the_tokens_that_the_others_cannot_hold() -> None:
    giant = histogram(90, 0, 0, 0, 0, 0, 10, total=90 * 100.0 + 10 * 40_000.0)
    classes = classes_of(estimate(replace(SAMPLE, input=giant, output=None), RULES, (1, 128)))
    assert [(each.name, each.input_tokens) for each in classes] == [
        ("in-0100-out-0128", 100),
        ("in-over-5000-out-0128", 40_000),
    ]


def test_a_histogram_of_nothing_but_its_last_bucket_is_its_mean() -> None:
    only = Histogram(bounds=(inf,), counts=(5.0,), total_sum=1000.0)
    # With no finite bound nothing says how long a request may be, beyond what the last bucket is believed to hold.
    assert fault_of(estimate(replace(SAMPLE, input=only), RULES)).startswith("input lengths: got a sum of 1000 tokens")
    short = replace(only, total_sum=50.0)
    assert classes_of(estimate(replace(SAMPLE, input=short, output=None), RULES, (1, 8)))[0].input_tokens == 10


def test_a_rare_length_is_no_class_of_its_own() -> None:
    rare = histogram(0, 0, 9_995, 0, 0, 5, 0, total=9_995 * 300.0 + 5 * 4_000.0)
    classes = classes_of(estimate(replace(SAMPLE, input=rare, output=None), RULES, (1, 128)))
    assert len(classes) == 1


@pytest.mark.parametrize(("most", "made"), [(1, 1), (2, 2), (4, 4), (6, 6), (9, 6), (64, 6)])
def test_there_are_never_more_classes_than_are_wanted(most: int, made: int) -> None:
    assert len(classes_of(estimate(SAMPLE, replace(RULES, max_classes=most)))) == made


def test_no_class_is_longer_than_the_model_takes_and_no_token_is_lost() -> None:
    free = classes_of(estimate(SAMPLE, RULES))
    longest = max(each.input_tokens + each.output_tokens for each in free)
    bounded = classes_of(estimate(SAMPLE, replace(RULES, max_tokens=longest - 1)))
    assert max(each.input_tokens + each.output_tokens for each in bounded) < longest
    assert tokens(bounded) == pytest.approx(tokens(free))
    assert rate(bounded) == pytest.approx(rate(free))


def test_requests_that_are_too_long_on_average_are_a_fault() -> None:
    expected = "lengths: got 900 input and 150 output tokens on average, wants at most the 800 that the model takes"
    assert fault_of(estimate(SAMPLE, replace(RULES, max_tokens=800))) == expected


# ---------------------------------------------------------------------------------------------------- sizes elsewhere


def test_lengths_that_nobody_measures_are_those_that_are_given() -> None:
    (only,) = classes_of(estimate(DemandSample(rate_points=steady(4.0)), RULES, (2048, 256)))
    assert (only.name, only.input_tokens, only.output_tokens) == ("in-2048-out-0256", 2048, 256)
    assert only.requests_per_second == 4.0
    text = fault_of(estimate(DemandSample(rate_points=steady(4.0)), RULES))
    assert text == "input lengths: nobody measures them, wants inputTokens in the workload"
    assert fault_of(estimate(replace(SAMPLE, output=None), RULES)).startswith("output lengths: nobody measures them")


def test_while_nobody_asks_the_last_mix_stays_at_the_least_rate() -> None:
    before = classes_of(estimate(SAMPLE, RULES))
    quiet = DemandSample(rate_points=steady(0.0), input=histogram(*(0,) * 7, total=0.0), output=OUTPUT)
    now = classes_of(estimate(quiet, RULES, (1, 1), previous=before))
    assert [(c.name, c.input_tokens, c.output_tokens) for c in now] == [
        (c.name, c.input_tokens, c.output_tokens) for c in before
    ]
    assert rate(now) == pytest.approx(LEAST_REQUESTS_PER_SECOND)
    assert now[0].requests_per_second / rate(now) == pytest.approx(before[0].requests_per_second / rate(before))


def test_without_a_last_mix_the_given_sizes_count_and_without_those_it_is_a_fault() -> None:
    quiet = DemandSample(rate_points=steady(0.0), input=histogram(*(0,) * 7, total=0.0), output=OUTPUT)
    (only,) = classes_of(estimate(quiet, RULES, (1024, 64)))
    assert (only.input_tokens, only.requests_per_second) == (1024, LEAST_REQUESTS_PER_SECOND)
    assert fault_of(estimate(quiet, RULES)).startswith("lengths: no request has been measured yet")
    too_long = fault_of(estimate(quiet, replace(RULES, max_tokens=1000), (1024, 64)))
    assert too_long == "lengths: got 1024 + 64 tokens, wants at most the 1000 of the model"


# -------------------------------------------------------------------------------------------------------------- rates


def with_points(*values: float) -> DemandSample:
    return DemandSample(rate_points=tuple((60.0 * k, value) for k, value in enumerate(values)))


SIZES = (1000, 100)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (DemandRules(statistic=Statistic.PEAK), 10.0),
        (DemandRules(statistic=Statistic.QUANTILE, quantile=0.5), 5.5),
        (DemandRules(statistic=Statistic.QUANTILE, quantile=1.0), 10.0),
        (DemandRules(statistic=Statistic.PEAK, headroom_percent=20.0), 12.0),
    ],
)
def test_a_statistic_of_the_points_with_headroom_is_the_rate(rules: DemandRules, expected: float) -> None:
    sample = with_points(*(float(k) for k in range(10, 0, -1)))
    assert rate(estimate(sample, rules, SIZES)) == pytest.approx(expected)


def test_smoothing_forgets_half_in_its_half_life_also_at_uneven_times() -> None:
    rules = DemandRules(statistic=Statistic.SMOOTHED, half_life_seconds=100.0)
    sample = DemandSample(rate_points=((300.0, 4.0), (0.0, 8.0), (200.0, 4.0)))
    assert rate(estimate(sample, rules, SIZES)) == pytest.approx(4.0 + 4.0 / 4.0 / 2.0)


def test_one_odd_spike_is_nothing_to_a_quantile_and_all_to_the_peak() -> None:
    spiked = with_points(*[4.0] * 59, 1e6)
    assert rate(estimate(spiked, RULES, SIZES)) == 4.0
    assert rate(estimate(spiked, DemandRules(statistic=Statistic.PEAK), SIZES)) == 1e6


def test_a_forecast_counts_when_it_is_asked_for() -> None:
    rules = DemandRules(statistic=Statistic.FORECAST, headroom_percent=10.0)
    known = with_points(4.0)
    assert rate(estimate(replace(known, forecast=20.0), rules, SIZES)) == pytest.approx(22.0)
    assert fault_of(estimate(known, rules, SIZES)) == "rate of requests: there is no forecast yet"
    why = Fault("forecast: got 2h of points, wants a window of at least 48h")
    assert estimate(replace(known, forecast=why), rules, SIZES) == why
    assert fault_of(estimate(replace(known, forecast=nan), rules, SIZES)).endswith(
        "got NaN, wants a number from 0 upward"
    )


def test_no_traffic_is_a_demand_of_next_to_nothing_and_no_fault() -> None:
    assert rate(estimate(with_points(0.0, 0.0), RULES, SIZES)) == LEAST_REQUESTS_PER_SECOND


# ------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (replace(SAMPLE, rate_points=()), "rate of requests: no points in the window"),
        (with_points(1.0, nan), "rate of requests: got NaN among 2, wants numbers from 0 upward"),
        (with_points(-3.0, 1.0), "rate of requests: got -3 among 2, wants numbers from 0 upward"),
        (with_points(inf, 1.0, -1.0), "got inf and 1 more such points among 3, wants numbers from 0 upward"),
        (DemandSample(rate_points=((nan, 1.0),)), "got a point at the time NaN among 1"),
        (
            replace(SAMPLE, input=Histogram(bounds=(1.0, inf), counts=(5.0, nan), total_sum=1.0)),
            "input lengths: got NaN for le=+Inf, wants a number from 0 upward",
        ),
        (
            replace(SAMPLE, output=Histogram(bounds=(1.0, inf), counts=(-5.0, 1.0), total_sum=1.0)),
            "output lengths: got -5.0 for le=1, wants a number from 0 upward",
        ),
        (replace(SAMPLE, input=replace(INPUT, total_sum=nan)), "input lengths: got NaN for its sum"),
        (
            replace(SAMPLE, input=Histogram(bounds=(1.0, 2.0, inf), counts=(80.0, 12.0, 90.0), total_sum=90.0)),
            "input lengths: got 12 requests for le=2 and 80 below it, wants no fewer",
        ),
        (
            replace(SAMPLE, input=Histogram(bounds=(1.0, 2.0), counts=(1.0, 2.0), total_sum=3.0)),
            "input lengths: got 2 bounds and 2 counts, wants one count for each, +Inf last",
        ),
        (
            replace(SAMPLE, input=Histogram(bounds=(2.0, 1.0, inf), counts=(1.0, 2.0, 2.0), total_sum=3.0)),
            "input lengths: got bounds out of order, wants them ascending from 0 upward",
        ),
        (
            replace(SAMPLE, input=replace(INPUT, total_sum=1.0)),
            "input lengths: got a sum of 1 tokens, wants 53000 to 122000, as its buckets say",
        ),
        (
            replace(
                SAMPLE, input=Histogram(bounds=(*(float(k) for k in range(300)), inf), counts=(0.0,) * 301, total_sum=0)
            ),
            "input lengths: got 301 buckets, wants at most 256",
        ),
    ],
)
def test_what_cannot_be_is_a_fault_in_one_line_and_never_zero(sample: DemandSample, expected: str) -> None:
    assert expected in fault_of(estimate(sample, RULES, SIZES if sample.input is None else None))
    assert fault_of(update((), sample, RULES, SIZES)) == fault_of(estimate(sample, RULES, SIZES))


def test_small_contradictions_of_figures_read_one_after_the_other_are_none() -> None:
    behind = replace(
        INPUT, counts=tuple(c * (0.97 if k == len(INPUT.counts) - 1 else 1.0) for k, c in enumerate(INPUT.counts))
    )
    assert classes_of(estimate(replace(SAMPLE, input=behind), RULES))
    least = 10 * 100.0 + 60 * 200.0 + 20 * 1000.0 + 10 * 2000.0
    short = classes_of(estimate(replace(SAMPLE, input=replace(INPUT, total_sum=least * 0.95)), RULES))
    assert least * 0.95 / 100.0 <= tokens(short)[0] / 4.0 < least * 0.95 / 100.0 + 1.0


# --------------------------------------------------------------------------------------------------------- hysteresis


def one(requests_per_second: float, name: str = "a", asked: int = 1000, made: int = 100) -> TrafficClass:
    return TrafficClass(name=name, input_tokens=asked, output_tokens=made, requests_per_second=requests_per_second)


def test_what_is_in_force_stays_the_very_same_within_the_band() -> None:
    previous = (one(10.0),)
    for now in (9.0, 9.5, 10.0, 10.99, 11.0):
        assert in_force(previous, (one(now),), RULES) is previous
    for now in (8.99, 11.01):
        assert in_force(previous, (one(now),), RULES) != previous


def test_without_anything_in_force_the_estimate_is_taken_in_round_figures() -> None:
    assert in_force(None, (one(1.23456),), RULES) == (one(1.24),)
    assert in_force((), (one(0.00100001),), RULES) == (one(0.00101),)
    assert in_force(None, (one(2.0000000000000004),), RULES) == (one(2.0),)


def test_longer_outputs_count_though_all_tokens_together_are_as_many() -> None:
    previous = (one(10.0, asked=1000, made=100),)
    shifted = (one(10.0, asked=900, made=200),)
    assert in_force(previous, shifted, RULES) == shifted


def test_a_shift_between_classes_counts_though_the_totals_stay() -> None:
    previous = (one(5.0, "a"), one(5.0, "b"))
    assert in_force(previous, (one(5.9, "a"), one(4.1, "b")), RULES) is previous
    moved = (one(6.1, "a"), one(3.9, "b"))
    assert in_force(previous, moved, RULES) == moved
    assert in_force(previous, (one(5.0, "a"), one(4.0, "b"), one(1.0, "c")), RULES) is previous


def test_a_band_of_nothing_follows_every_change_and_keeps_equal_figures() -> None:
    rules = replace(RULES, hysteresis_percent=0.0)
    previous = (one(1.24),)
    assert in_force(previous, (one(1.2351),), rules) is previous
    assert in_force(previous, (one(1.2401),), rules) == (one(1.25),)


def test_classes_that_have_become_too_long_for_the_model_do_not_stay() -> None:
    previous = update(None, SAMPLE, RULES)
    assert update(classes_of(previous), SAMPLE, RULES) is previous
    smaller = classes_of(update(classes_of(previous), SAMPLE, replace(RULES, max_tokens=3000)))
    assert max(each.input_tokens + each.output_tokens for each in smaller) <= 3000


def test_update_takes_new_groups_only_when_the_traffic_has_changed() -> None:
    previous = classes_of(update(None, SAMPLE, RULES))
    louder = replace(SAMPLE, rate_points=steady(4.2))
    assert update(previous, louder, RULES) is previous
    twice = classes_of(update(previous, replace(SAMPLE, rate_points=steady(8.0)), RULES))
    assert [each.name for each in twice] == [each.name for each in previous]
    assert rate(twice) == pytest.approx(8.0, rel=0.01)
    longer = replace(SAMPLE, input=histogram(0, 0, 0, 0, 0, 100, 0, total=100 * 4000.0))
    assert {each.name.partition("-out")[0] for each in classes_of(update(previous, longer, RULES))} == {"in-5000"}


def test_update_is_not_misled_by_names_that_somebody_else_gave() -> None:
    previous = (one(4.0, "chat"),)
    assert [each.name for each in classes_of(update(previous, SAMPLE, RULES))] == [
        each.name for each in classes_of(estimate(SAMPLE, RULES))
    ]


def test_a_fault_is_told_and_nothing_else_is_decided() -> None:
    previous = classes_of(update(None, SAMPLE, RULES))
    assert (
        fault_of(update(previous, replace(SAMPLE, rate_points=()), RULES))
        == "rate of requests: no points in the window"
    )


def test_traffic_that_ends_and_comes_back_is_followed() -> None:
    previous = classes_of(update(None, SAMPLE, RULES))
    quiet = DemandSample(
        rate_points=steady(0.0), input=histogram(*(0,) * 7, total=0.0), output=histogram(*(0,) * 7, total=0.0)
    )
    asleep = classes_of(update(previous, quiet, RULES))
    assert rate(asleep) == pytest.approx(LEAST_REQUESTS_PER_SECOND, rel=0.02)
    assert update(asleep, quiet, RULES) is asleep
    assert rate(update(asleep, SAMPLE, RULES)) == pytest.approx(4.0, rel=0.01)
