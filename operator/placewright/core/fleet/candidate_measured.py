"""Candidates of measured requests (planning.md section 2b): one for each configuration that has a usable row.

Nothing is extrapolated: a class is served at the best rate that was measured on its very size and whose latencies
meet the class's targets, and not at all where there is no such row.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from placewright.core.fleet.candidate_base import (
    Candidate,
    ClassFigures,
    above_floor,
    candidate_from,
    classes_of,
    slo_of,
    stages_of,
)
from placewright.core.model import Measurement, Pool, Request, Slo, Stage
from placewright.core.performance.measured import concurrency_of, pool_refusal, structure_refusal
from placewright.core.runtime import default_split

_Size = tuple[int, int]  # input and output tokens
_Configuration = tuple[str, int, int, str]  # GPU, TP, PP, precision


class MeasuredTables:
    """The usable rows of a request, ready to be asked by configuration and class."""

    def __init__(self, request: Request, rows: Sequence[Measurement]) -> None:
        """Read the rows once.

        Args:
            request: its precisions are those that may be used; its pools have prices.
            rows: measured, in any order.
        """
        self.request = request
        self.classes = classes_of(request)
        self._best: dict[_Configuration, dict[int, tuple[Measurement, int]]] = {}
        self._rows: dict[_Configuration, dict[_Size, list[tuple[Measurement, int]]]] = {}
        wanted = {(each.input_tokens, each.output_tokens) for each in self.classes}
        by_size: dict[_Size, list[Measurement]] = defaultdict(list)
        for row in rows:
            size = (row.input_tokens, row.output_tokens)
            if size in wanted:
                by_size[size].append(row)
        for size, own in by_size.items():
            load = replace(request.workload, input_tokens=size[0], output_tokens=size[1], classes=())
            asked = replace(request, workload=load)
            for row in own:
                if structure_refusal(asked, row) is None:
                    found = self._rows.setdefault(_configuration(row), defaultdict(list))
                    found[size].append((row, concurrency_of(asked, row)))
        for by_class in self._rows.values():
            for entries in by_class.values():
                entries.sort(key=_preference)

    def entries(self) -> Iterator[Candidate]:
        """Yield a candidate for each pool and configuration that serves a class."""
        for configuration in sorted(self._rows):
            chosen = self._chosen(configuration, None)
            most = max((concurrency for _, concurrency in chosen.values()), default=0)
            for pool in self.request.pools:
                found = self._candidate(pool, configuration, chosen, most)
                if found is not None:
                    yield found

    def figures(self, stages: tuple[Stage, ...], precision: str, concurrency: int) -> Candidate | None:
        """The candidate of a given layout; None when it is none."""
        if concurrency < 1 or not stages or len({(stage.pool, stage.tensor_parallel) for stage in stages}) > 1:
            return None
        pool = next((each for each in self.request.pools if each.name == stages[0].pool), None)
        if pool is None:
            return None
        configuration = (pool.gpu.name, stages[0].tensor_parallel, len(stages), precision)
        if configuration not in self._rows:
            return None
        found = self._candidate(pool, configuration, self._chosen(configuration, concurrency), concurrency)
        if found is None or sorted(s.layers for s in found.stages) != sorted(s.layers for s in stages):
            return None
        return replace(found, stages=stages)

    def _chosen(self, configuration: _Configuration, most: int | None) -> dict[int, tuple[Measurement, int]]:
        """By class, the best row that meets the targets; of a given concurrency, with several classes at most that."""
        rows = self._rows[configuration]
        several = len(self.classes) > 1
        chosen = {}
        for index, each in enumerate(self.classes):
            best = next(
                (
                    (row, concurrency)
                    for row, concurrency in rows.get((each.input_tokens, each.output_tokens), ())
                    if _within(row, most, several=several) and _meets(slo_of(each), row)
                ),
                None,
            )
            if best is not None and above_floor(self.request, each, best[0].requests_per_second):
                chosen[index] = best
        return chosen

    def _candidate(
        self, pool: Pool, configuration: _Configuration, chosen: dict[int, tuple[Measurement, int]], concurrency: int
    ) -> Candidate | None:
        if not chosen or pool_refusal(pool, next(iter(chosen.values()))[0]) is not None:
            return None
        _, degree, count, precision = configuration
        shape = self.request.architecture
        sizes = default_split(shape.layers if shape is not None else count, count)
        return candidate_from(
            stages_of(pool.name, pool.gpu.name, degree, sizes),
            precision,
            concurrency,
            (_class_figures(index, chosen) for index in range(len(self.classes))),
        )


def _within(row: Measurement, most: int | None, *, several: bool) -> bool:
    """Whether a replica that may have so many sequences in flight does what the row says; None: any number."""
    if most is None or row.concurrency is None:
        return True
    return row.concurrency <= most if several else row.concurrency == most


def _class_figures(index: int, chosen: dict[int, tuple[Measurement, int]]) -> ClassFigures | None:
    if index not in chosen:
        return None
    row = chosen[index][0]
    return ClassFigures(
        requests_per_second=row.requests_per_second, ttft_seconds=row.ttft_seconds, tpot_seconds=row.tpot_seconds
    )


def _configuration(row: Measurement) -> _Configuration:
    return (row.gpu, row.tensor_parallel, row.pipeline_parallel, row.precision)


def _preference(entry: tuple[Measurement, int]) -> tuple[float, float, float, int]:
    """Sort key, the fastest first; of equals the quickest, then the one with fewer sequences in flight."""
    row, concurrency = entry
    return (-row.requests_per_second, row.ttft_seconds or 0.0, row.tpot_seconds or 0.0, concurrency)


def _meets(target: Slo, row: Measurement) -> bool:
    """A target on a figure that was not measured is not met."""
    for limit, known in ((target.ttft_seconds, row.ttft_seconds), (target.tpot_seconds, row.tpot_seconds)):
        if limit is not None and (known is None or known > limit):
            return False
    return True
