"""From what servers did to rows of a PerformanceProfile: what one replica of a layout really sustained.

A row is the highest rate of requests of the window at which the latency targets were met. That is a lower bound of
what a replica can do, unless requests waited then, or targets were missed at higher rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from placewright.core.demand import Fault
from placewright.core.model import Measurement, Slo
from placewright.telemetry.prometheus.book import UNASKED, Query, Span
from placewright.telemetry.prometheus.presets import Target
from placewright.telemetry.prometheus.readings import Entries

MEAN_SECONDS: Final = 300.0
LEAST_SAMPLES: Final = 12
_MOST_POINTS: Final = 1000
_LEAST_STEP_SECONDS: Final = 1.0
_WAITING: Final = 1.0  # requests in the queue of a replica, on average, that tell that it has no more to give


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One layout whose replicas are looked at, as a row names it."""

    gpu: str
    tensor_parallel: int
    pipeline_parallel: int
    precision: str

    def __str__(self) -> str:
        return f"{self.gpu} TP{self.tensor_parallel} PP{self.pipeline_parallel} {self.precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked of one layout, each over the whole window; None: its servers measure no such thing."""

    rate: Query
    replicas: Query
    input: Query
    output: Query
    running: Query
    waiting: Query | None
    ttft: Query | None
    tpot: Query | None

    @property
    def queries(self) -> tuple[Query, ...]:
        """All of them."""
        always = (self.rate, self.replicas, self.input, self.output, self.running)
        return (*always, *(each for each in (self.waiting, self.ttft, self.tpot) if each is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A row and how it came about.

    Attributes:
        row: for the profile.
        samples: means with traffic in the window.
        replicas: fewest and most replicas that were seen.
        saturated: why it is no lower bound; empty: it is one.
    """

    row: Measurement
    samples: int
    replicas: tuple[int, int]
    saturated: str


def questions(whose: Target, *, window_seconds: float, quantile: float) -> Questions:
    """What to ask of the replicas of one layout.

    Args:
        whose: their series; the preset must count what is in work.
        window_seconds: how far back.
        quantile: of the latencies.
    """
    step = max(MEAN_SECONDS / 5, window_seconds / _MOST_POINTS, _LEAST_STEP_SECONDS)
    over, preset = Span(seconds=window_seconds, step_seconds=step), whose.preset
    mean = max(MEAN_SECONDS, step)

    def asked(expr: str) -> Query:
        return Query(expr=expr, span=over)

    return Questions(
        rate=asked(whose.finished_rate(mean)),
        replicas=asked(whose.servers(mean)),
        input=asked(whose.mean_size(preset.input_tokens, mean)),
        output=asked(whose.mean_size(preset.output_tokens, mean)),
        running=asked(whose.mean_gauge(preset.running, mean)),
        waiting=asked(whose.mean_gauge(preset.waiting, mean)) if preset.waiting else None,
        ttft=asked(whose.latency(preset.ttft, quantile, mean)) if preset.ttft else None,
        tpot=asked(whose.latency(preset.tpot, quantile, mean)) if preset.tpot else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Means at one time; rate, running and waiting are per replica."""

    rate: float
    replicas: int
    input: float
    output: float
    running: float
    waiting: float
    ttft: float | None
    tpot: float | None

    def meets(self, slo: Slo) -> bool:
        pairs = ((self.ttft, slo.ttft_seconds), (self.tpot, slo.tpot_seconds))
        return all(most is None or (value is not None and value <= most) for value, most in pairs)


def find(asked: Questions, entries: Entries, subject: Subject, slo: Slo) -> Finding | Fault:
    """The row of one layout, or why there is none, in one line.

    Args:
        asked: of `questions`.
        entries: what the server answered.
        subject: the layout.
        slo: targets that a sample must meet.
    """
    for each in asked.queries:
        fault = entries.get(each, UNASKED).fault
        if fault is not None:
            return Fault(f"{subject}: {fault}")
    for name, query, target in (("TTFT", asked.ttft, slo.ttft_seconds), ("TPOT", asked.tpot, slo.tpot_seconds)):
        if query is None and target is not None:
            return Fault(f"{subject}: got a {name} target, wants servers that measure {name}")
    samples = _samples(asked, entries)
    if len(samples) < LEAST_SAMPLES:
        wants = f"at least {LEAST_SAMPLES}; a longer --window or more traffic"
        return Fault(f"{subject}: got {len(samples)} samples with traffic, wants {wants}")
    good = [each for each in samples if each.meets(slo)]
    if not good:
        return Fault(f"{subject}: got no sample of {len(samples)} that meets the latency targets, wants one at least")
    best = max(good, key=lambda each: each.rate)
    counts = [each.replicas for each in samples]
    return Finding(
        row=_row(subject, best),
        samples=len(samples),
        replicas=(min(counts), max(counts)),
        saturated=_saturated(best, samples, slo),
    )


def _saturated(best: _Sample, samples: list[_Sample], slo: Slo) -> str:
    if best.waiting >= _WAITING:
        return "requests waited then"
    missed = any(each.rate > best.rate and not each.meets(slo) for each in samples)
    return "targets were missed at higher rates" if missed else ""


def _row(subject: Subject, best: _Sample) -> Measurement:
    return Measurement(
        gpu=subject.gpu,
        tensor_parallel=subject.tensor_parallel,
        pipeline_parallel=subject.pipeline_parallel,
        precision=subject.precision,
        input_tokens=max(1, round(best.input)),
        output_tokens=max(1, round(best.output)),
        requests_per_second=best.rate,
        concurrency=max(1, round(best.running)),
        ttft_seconds=best.ttft,
        tpot_seconds=best.tpot,
    )


def _samples(asked: Questions, entries: Entries) -> list[_Sample]:
    """Times at which every figure is there and requests were served."""
    points = {query: _points(query, entries) for query in asked.queries}
    found = []
    for time, rate in points[asked.rate].items():
        replicas = round(points[asked.replicas].get(time, 0.0))
        figures = [points[query].get(time) for query in (asked.input, asked.output, asked.running)]
        if rate <= 0.0 or replicas < 1 or None in figures:
            continue
        size_in, size_out, running = (value for value in figures if value is not None)
        found.append(
            _Sample(
                rate=rate / replicas,
                replicas=replicas,
                input=size_in,
                output=size_out,
                running=running / replicas,
                waiting=(_at(points, asked.waiting, time) or 0.0) / replicas,
                ttft=_at(points, asked.ttft, time),
                tpot=_at(points, asked.tpot, time),
            )
        )
    return found


def _at(points: Mapping[Query, Mapping[float, float]], query: Query | None, time: float) -> float | None:
    return None if query is None else points[query].get(time)


def _points(query: Query, entries: Entries) -> dict[float, float]:
    """Usable figures by time; a query without a series has none."""
    answer = entries.get(query, UNASKED).answer
    if answer is None or len(answer.series) != 1:
        return {}
    return {time: value for time, value in answer.series[0].points if isfinite(value) and value >= 0.0}
