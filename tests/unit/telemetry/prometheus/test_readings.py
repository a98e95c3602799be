"""Answers of every kind become readings, samples and observations; doubt is a fault and never zero."""

from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core.demand import DemandSample, Fault
from placewright.core.live_inputs import usable
from placewright.core.model import Reading
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry, Query
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from placewright.telemetry.prometheus.readings import demand_sample, observation, reading
from placewright.telemetry.prometheus.wants import PART, Wants, wants_of
from tests.support.live_requests import ANY_QUERY, FORBIDDEN, asking

NOW = 10_000.0
BROKEN = QueryError(FaultKind.TIMEOUT, "no answer in 10 s")


def series(*points: tuple[float, float], **labels: str) -> Series:
    return Series(labels=labels, points=points)


def entry(*found: Series, at: float = NOW, fault: QueryError | None = None) -> Entry:
    return Entry(answer=Answer(series=found), at=at, fault=fault)


def read(found: Entry, last_seen: Entry | None = None) -> Reading:
    return reading(found, now=NOW, source="a figure", last_seen=last_seen)


def seen(seconds_ago: float) -> Entry:
    return entry(series((NOW, NOW - seconds_ago)))


def test_a_figure_has_its_value_and_age() -> None:
    assert read(entry(series((NOW - 5, 42.0)))) == Reading(value=42.0, age_seconds=5.0, source="a figure")


def test_the_age_is_that_of_the_newest_sample_behind_the_figure() -> None:
    assert read(entry(series((NOW, 42.0))), seen(70.0)).age_seconds == 70.0


CASES: list[tuple[str, Entry, Entry | None, str]] = [
    ("empty", entry(), None, "missing: no series"),
    ("a series without points", entry(series()), None, "missing: no series"),
    (
        "several series",
        entry(series((NOW, 1.0), a="1"), series((NOW, 2.0), a="2")),
        None,
        "missing: 2 series, wants one",
    ),
    ("NaN", entry(series((NOW, nan))), None, "no finite number: nan"),
    ("infinite", entry(series((NOW, inf))), None, "no finite number: inf"),
    ("negative", entry(series((NOW, -1.0))), None, "negative: -1"),
    ("old", entry(series((NOW - 301, 1.0))), None, "stale: 5 min old, wants at most 5 min"),
    ("of the future", entry(series((NOW + 61, 1.0))), None, "from the future: 61 s ahead"),
    ("of the future, and seen now", entry(series((NOW + 61, 1.0))), seen(0.0), "from the future: 61 s ahead"),
    ("old samples", entry(series((NOW, 1.0))), seen(400.0), "stale: 7 min old, wants at most 5 min"),
    ("no samples any more", entry(series((NOW, 1.0))), entry(), "missing: no sample in the last minutes"),
    ("NaN for a time", entry(series((NOW, 1.0))), entry(series((NOW, nan))), "missing: no sample"),
    ("a fault", Entry(fault=BROKEN), None, "missing: Timeout: no answer in 10 s"),
    ("a fault of the time", entry(series((NOW, 1.0))), Entry(fault=BROKEN), "missing: Timeout: no answer in 10 s"),
    ("not asked yet", Entry(), None, "missing: not asked yet"),
]


@pytest.mark.parametrize(("found", "last_seen", "fault"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_doubtful_figure_is_unknown(found: Entry, last_seen: Entry | None, fault: str) -> None:
    value, why = usable(read(found, last_seen), 300.0)
    assert value is None
    assert why.startswith(fault)


def test_a_blip_does_not_take_a_figure_away_before_its_age_does() -> None:
    found = read(entry(series((NOW - 30, 42.0)), fault=BROKEN))
    assert found == Reading(value=42.0, age_seconds=30.0, source="a figure", fault="Timeout: no answer in 10 s")
    assert usable(found, 300.0) == (42.0, "")
    assert usable(found, 20.0) == (None, "stale: 30 s old, wants at most 20 s")


@given(points=st.lists(st.tuples(st.floats(), st.floats()), max_size=3), last=st.floats(), faulty=st.booleans())
def test_whatever_comes_only_a_figure_that_is_there_is_usable(
    points: list[tuple[float, float]], last: float, *, faulty: bool
) -> None:
    found = read(entry(series(*points), fault=BROKEN if faulty else None), entry(series((NOW, last))))
    value, _ = usable(found, 300.0)
    if value is not None:
        assert points[-1][1] == value >= 0
        assert -60 <= NOW - points[-1][0] <= 300
        assert not isnan(last)
        assert NOW - last <= 300


# ------------------------------------------------------------------------------------------------------- demand

ASKED = wants_of(asking(demand_from={"preset": "vllm", "window": "10m"}), FORBIDDEN)


def parts(**found: tuple[Series, ...]) -> tuple[Series, ...]:
    """Series of the one instant query, each with the label that says what it is."""
    return tuple(
        Series(labels={**each.labels, PART: name.replace("_", "-")}, points=each.points)
        for name, some in found.items()
        for each in some
    )


BUCKETS = (series((NOW, 3.0), le="+Inf"), series((NOW, 1.0), le="10.0"), series((NOW, 2.0), le="200"))


def answers(
    *, rate: Entry | None = None, figures: Entry | None = None, **changes: tuple[Series, ...]
) -> dict[Query, Entry]:
    """Good answers to everything that ASKED asks, with changes."""
    want = ASKED.demand
    assert want is not None
    assert want.figures is not None
    seen_then = (series((NOW, NOW - 15.0)),)
    good = {"demand_seen": seen_then, "input_buckets": BUCKETS, "input_total": (series((NOW, 300.0)),)}
    return {
        want.rate: rate or entry(series((NOW - 10, 2.0), (NOW, 3.0))),
        want.figures: figures or entry(*parts(**{**good, **changes})),
    }


def sampled(**changes: Any) -> DemandSample | Fault:
    assert ASKED.demand is not None
    return demand_sample(ASKED.demand, answers(**changes), now=NOW, max_age_seconds=300.0)


def test_a_sample_has_its_points_and_histograms_in_order() -> None:
    found = sampled()
    assert isinstance(found, DemandSample)
    assert found.rate_points == ((NOW - 10, 2.0), (NOW, 3.0))
    assert found.input is not None
    assert (found.input.bounds, found.input.counts, found.input.total_sum) == (
        (10.0, 200.0, inf),
        (1.0, 2.0, 3.0),
        300.0,
    )
    assert found.output is None  # the server has none


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rate": Entry(fault=BROKEN)}, "demand: missing: Timeout"),
        ({"rate": entry()}, "demand: missing: no series"),
        ({"demand_seen": (series((NOW, NOW - 301)),)}, "demand: stale: 301 s old, wants at most 300 s"),
        ({"demand_seen": ()}, "demand: missing: no sample in the last minutes"),
        (
            {"rate": entry(series((NOW - 400, 1.0)), fault=BROKEN)},
            "demand: stale: 400 s old, wants at most 300 s (Timeout",
        ),
        ({"rate": entry(series((NOW + 100, 1.0)))}, "demand: from the future: 100 s ahead"),
        ({"figures": Entry(fault=BROKEN)}, "demand: missing: Timeout"),
        ({"figures": Entry()}, "demand: missing: no sample"),
        (
            {"figures": entry(*parts(demand_seen=(series((NOW, NOW)),)), at=NOW - 400)},
            "sizes of input: stale: 400 s old",
        ),
        ({"input_total": ()}, "sizes of input: sum of tokens: no series"),
        ({"input_buckets": (series((NOW, 1.0), le="ten"),)}, "sizes of input: a bucket without a bound: le='ten'"),
        ({"input_buckets": (series((NOW, 1.0)),)}, "sizes of input: a bucket without a bound: le=''"),
        ({"input_buckets": (series((NOW, 1.0), le="NaN"),)}, "sizes of input: a bucket without a bound"),
        ({"output_buckets": (series((NOW, 1.0), le="10"),)}, "sizes of output: the bucket +Inf is missing"),
    ],
)
def test_a_sample_with_a_doubtful_part_is_a_fault(changes: dict[str, Any], fault: str) -> None:
    found = sampled(**changes)
    assert isinstance(found, Fault)
    assert found.text.startswith(fault), found.text


def test_buckets_written_in_two_ways_are_one() -> None:
    twice = (series((NOW, 1.0), le="10"), series((NOW, 2.0), le="10.0"), series((NOW, 4.0), le="+Inf"))
    found = sampled(input_buckets=twice)
    assert isinstance(found, DemandSample)
    assert found.input is not None
    assert found.input.counts == (3.0, 4.0)


# ------------------------------------------------------------------------------------------------- observations


def test_an_observation_has_what_is_asked_and_nothing_else() -> None:
    assert observation(Wants(), {}, now=NOW).revenue_per_hour is None
    assert observation(Wants(), {}, now=NOW).tokens_per_second is None


def test_a_query_that_may_not_be_asked_is_an_input_without_a_figure() -> None:
    wants = wants_of(asking(gates={"revenuePerHourQuery": "sum(usd)"}), FORBIDDEN)
    found = observation(wants, {}, now=NOW).revenue_per_hour
    assert found is not None
    assert found.value is None
    assert "no PlacementPolicy allows" in found.fault


def test_figures_of_the_book_are_observed_with_the_age_that_counts() -> None:
    request = asking(gates={"revenuePerHourQuery": "sum(usd)"}, observeFrom={"preset": "vllm"})
    wants = wants_of(request, ANY_QUERY)
    assert wants.revenue is not None
    assert wants.observed is not None
    entries = {
        wants.revenue: entry(series((NOW - 1, 42.0))),
        wants.observed.figures: entry(
            *parts(tokens=(series((NOW, 1000.0)),), tokens_seen=(series((NOW, NOW - 20.0)),))
        ),
    }
    found = observation(wants, entries, now=NOW)
    assert found.max_age_seconds == 300.0
    assert found.revenue_per_hour is not None
    assert (found.revenue_per_hour.value, found.revenue_per_hour.age_seconds) == (42.0, 1.0)
    assert found.tokens_per_second is not None
    assert (found.tokens_per_second.value, found.tokens_per_second.age_seconds) == (1000.0, 20.0)
