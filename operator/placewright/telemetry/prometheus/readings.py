"""Answers become core values: readings with their age, samples of demand, observations. Doubt is a fault, never 0."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf, isnan
from typing import Final

from placewright.core.demand import DemandSample, Fault, Histogram
from placewright.core.model import Observation, Reading
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import UNASKED, Entry, Query
from placewright.telemetry.prometheus.faults import one_line
from placewright.telemetry.prometheus.wants import PART, DemandWant, Figure, Input, ObservedWant, Wants

Entries = Mapping[Query, Entry]

_FUTURE_SECONDS: Final = 60.0  # clocks of two machines differ; more than this is a wrong answer
_REVENUE_SOURCE: Final = "revenue per hour by Prometheus"
_TOKENS_SOURCE: Final = "tokens per second by Prometheus"
_DEMAND_SOURCE: Final = "requests per second by Prometheus"
_LATENCY_SOURCE: Final = "latency by Prometheus"
_SIDES: Final = (
    ("input", (Figure.INPUT_BUCKETS, Figure.INPUT_TOTAL)),
    ("output", (Figure.OUTPUT_BUCKETS, Figure.OUTPUT_TOTAL)),
)


def reading(entry: Entry, *, now: float, source: str, last_seen: Entry | None = None) -> Reading:
    """The one figure of a query.

    When the newest attempt failed, the last good answer still counts, older by the time that has gone; the fault is
    said beside it. An answer without a figure counts at once: then there is none.

    Args:
        entry: from the book.
        now: Unix time.
        source: what the figure is, in a few words.
        last_seen: of the query for the time of the newest sample behind the figure. An instant answer has the time
            of the asking, however old its samples are. None: nobody can know.
    """
    told = "" if entry.fault is None else str(entry.fault)
    if entry.answer is None:
        return Reading(value=None, age_seconds=None, source=source, fault=told or "not asked yet")
    point, fault = _last_point(entry.answer)
    if point is None:
        return Reading(value=None, age_seconds=None, source=source, fault=fault)
    age = now - point[0]
    if last_seen is not None:
        sampled = _sampled_age(last_seen, now)
        if sampled is None:
            unknown = "" if last_seen.fault is None else str(last_seen.fault)
            return Reading(
                value=None, age_seconds=None, source=source, fault=unknown or "no sample in the last minutes"
            )
        age = max(age, sampled) if age >= 0.0 else age
    return Reading(value=point[1], age_seconds=age, source=source, fault=told)


def demand_reading(want: DemandWant, entries: Entries, *, now: float) -> Reading:
    """The newest point of the rate of requests, with its age: what metrics and the status show of the source."""
    seen = None if want.figures is None else _part(want.figures, entries, Figure.DEMAND_SEEN)
    return reading(entries.get(want.rate, UNASKED), now=now, source=_DEMAND_SOURCE, last_seen=seen)


def demand_sample(want: DemandWant, entries: Entries, *, now: float, max_age_seconds: float) -> DemandSample | Fault:
    """What was measured over the window; a fault while any part of it is missing or too old.

    Args:
        want: of the request.
        entries: from the book.
        now: Unix time.
        max_age_seconds: older is stale.
    """
    newest = demand_reading(want, entries, now=now)
    if newest.value is None:
        return Fault(f"demand: missing: {newest.fault}")
    stale = _stale(newest.age_seconds, max_age_seconds)
    if stale:
        return Fault(f"demand: {stale}{f' ({newest.fault})' if newest.fault else ''}")
    sides: list[Histogram | None] = []
    for name, parts in _SIDES:
        made = None
        if want.figures is not None:
            buckets, total = (_part(want.figures, entries, part) for part in parts)
            made = _histogram(buckets, total, now=now, max_age_seconds=max_age_seconds)
        if isinstance(made, Fault):
            return Fault(f"sizes of {name}: {made.text}")
        sides.append(made)
    answer = entries[want.rate].answer
    assert answer is not None, "a reading with a value has an answer"
    return DemandSample(rate_points=answer.series[0].points, input=sides[0], output=sides[1])


def observation(wants: Wants, entries: Entries, *, now: float) -> Observation:
    """The live figures that gates look at; None for those that the request does not ask for."""
    return Observation(
        revenue_per_hour=_revenue(wants, entries, now),
        tokens_per_second=_tokens(wants, entries, now),
        max_age_seconds=wants.max_age_seconds,
    )


def latencies(want: ObservedWant, entries: Entries, *, now: float) -> tuple[Reading | None, Reading | None]:
    """TTFT and TPOT in seconds at the quantile that was asked for; None: the server measures no such thing."""
    seen = _part(want.figures, entries, Figure.TOKENS_SEEN)
    ttft, tpot = (
        reading(_part(want.figures, entries, part), now=now, source=_LATENCY_SOURCE, last_seen=seen)
        if part in want.latencies
        else None
        for part in (Figure.TTFT, Figure.TPOT)
    )
    return ttft, tpot


def _part(query: Query, entries: Entries, part: Figure) -> Entry:
    """What is known of one part of a query that asks for several."""
    entry = entries.get(query, UNASKED)
    if entry.answer is None:
        return entry
    series = tuple(
        Series(labels={name: value for name, value in each.labels.items() if name != PART}, points=each.points)
        for each in entry.answer.series
        if each.labels.get(PART) == part
    )
    return replace(entry, answer=Answer(series=series))


def _revenue(wants: Wants, entries: Entries, now: float) -> Reading | None:
    if wants.revenue is not None:
        return reading(entries.get(wants.revenue, UNASKED), now=now, source=_REVENUE_SOURCE)
    return _not_asked(wants, Input.REVENUE, _REVENUE_SOURCE)


def _tokens(wants: Wants, entries: Entries, now: float) -> Reading | None:
    if wants.observed is None:
        return _not_asked(wants, Input.TOKENS, _TOKENS_SOURCE)
    tokens, seen = (_part(wants.observed.figures, entries, part) for part in (Figure.TOKENS, Figure.TOKENS_SEEN))
    return reading(tokens, now=now, source=_TOKENS_SOURCE, last_seen=seen)


def _not_asked(wants: Wants, which: Input, source: str) -> Reading | None:
    fault = wants.faults.get(which)
    return None if fault is None else Reading(value=None, age_seconds=None, source=source, fault=fault)


def _last_point(answer: Answer) -> tuple[tuple[float, float] | None, str]:
    """The newest point of the only series, or why there is none."""
    if not answer.series or not any(each.points for each in answer.series):
        return None, "no series"
    if len(answer.series) > 1:
        return None, f"{len(answer.series)} series, wants one; sum() makes one of them"
    return answer.series[0].points[-1], ""


def _sampled_age(entry: Entry, now: float) -> float | None:
    if entry.answer is None:
        return None
    point, _ = _last_point(entry.answer)
    return None if point is None or isnan(point[1]) else now - point[1]


def _stale(age: float | None, most: float) -> str:
    if age is None or isnan(age):
        return "stale: its age is not known"
    if age > most:
        return f"stale: {age:.0f} s old, wants at most {most:.0f} s"
    return f"from the future: {-age:.0f} s ahead" if age < -_FUTURE_SECONDS else ""


def _histogram(buckets: Entry, total: Entry, *, now: float, max_age_seconds: float) -> Histogram | Fault | None:
    """The histogram; None: the server has none of this name. A failed query is no missing histogram."""
    if buckets.answer is None or buckets.at is None or total.answer is None:
        return Fault(f"missing: {buckets.fault or 'not asked yet'}")
    stale = _stale(now - buckets.at, max_age_seconds)
    if stale:
        return Fault(stale)
    return _joined(buckets.answer, total.answer) if buckets.answer.series else None


def _joined(buckets: Answer, total: Answer) -> Histogram | Fault:
    by_bound: dict[float, float] = {}
    for series in buckets.series:
        bound = _bound(series.labels.get("le", ""))
        if bound is None or not series.points:
            return Fault(f"a bucket without a bound: le={one_line(series.labels.get('le', ''))[:40]!r}")
        by_bound[bound] = by_bound.get(bound, 0.0) + series.points[-1][1]
    bounds = tuple(sorted(by_bound))
    if bounds[-1] != inf:
        return Fault("the bucket +Inf is missing")
    point, fault = _last_point(total)
    if point is None:
        return Fault(f"sum of tokens: {fault}")
    return Histogram(bounds=bounds, counts=tuple(by_bound[each] for each in bounds), total_sum=point[1])


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if isnan(bound) else bound
