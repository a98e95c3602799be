"""What a candidate is: a layout with its figures for every traffic class, free of stock, prices and demand."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from placewright.core.model import Request, Slo, Stage, TrafficClass

Groups = tuple[tuple[str, int, int], ...]
"""(pool name, GPUs of a tensor-parallel group, how many), sorted."""

FLOOR_ROUNDING = 1e-12  # relative; a floor on tokens/s is met when missed by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A layout that a request may run, with what it does for each class of the request.

    Attributes:
        stages: in order.
        precision: of the weights.
        max_concurrency: sequences in flight; with so many, every class that it serves meets its targets. Of measured
            configurations, whose rows may differ by class, the largest over its rows.
        rates: requests/s by class when it serves that class alone; 0: it cannot, for memory, a target or no row.
        ttft_seconds: by class; None: it does not serve the class, or the figure was not measured.
        tpot_seconds: by class, likewise.
        groups: its tensor-parallel groups.
    """

    stages: tuple[Stage, ...]
    precision: str
    max_concurrency: int
    rates: tuple[float, ...]
    ttft_seconds: tuple[float | None, ...]
    tpot_seconds: tuple[float | None, ...]
    groups: Groups

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return sum(size * count for _, size, count in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The candidates of a request.

    Attributes:
        entries: by groups, then the fastest first.
        complete: whatever the prices and the stock, an optimum needs no layout that is not among them.
    """

    entries: tuple[Candidate, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """What a layout does for one class."""

    requests_per_second: float
    ttft_seconds: float | None
    tpot_seconds: float | None


def classes_of(request: Request) -> tuple[TrafficClass, ...]:
    """The traffic classes with their targets filled in; without any, one of the workload's own size."""
    load = request.workload
    if not load.classes:
        only = TrafficClass(
            name="",
            input_tokens=load.input_tokens,
            output_tokens=load.output_tokens,
            requests_per_second=0.0,
            slo=request.slo,
        )
        return (only,)
    return tuple(
        TrafficClass(
            name="",
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            requests_per_second=0.0,
            slo=each.slo or request.slo,
        )
        for each in load.classes
    )


def slo_of(each: TrafficClass) -> Slo:
    """The targets of a class of classes_of."""
    return each.slo or Slo()


def above_floor(request: Request, each: TrafficClass, requests_per_second: float) -> bool:
    """Whether one replica is as fast on the class as objective.min_tokens_per_second asks."""
    tokens = requests_per_second * request.workload.tokens_of(each.input_tokens, each.output_tokens)
    return tokens >= request.objective.min_tokens_per_second * (1 - FLOOR_ROUNDING)


def groups_of(stages: Iterable[Stage]) -> Groups:
    """The tensor-parallel groups of ordered stages."""
    counts: dict[tuple[str, int], int] = {}
    for stage in stages:
        key = (stage.pool, stage.tensor_parallel)
        counts[key] = counts.get(key, 0) + 1
    return tuple(sorted((pool, size, count) for (pool, size), count in counts.items()))


def stages_of(pool: str, gpu: str, tensor_parallel: int, sizes: Iterable[int]) -> tuple[Stage, ...]:
    """Stages of one kind that hold so many layers each."""
    stages, first = [], 0
    for layers in sizes:
        last = first + layers - 1
        stages.append(Stage(pool=pool, gpu=gpu, tensor_parallel=tensor_parallel, first_layer=first, last_layer=last))
        first += layers
    return tuple(stages)


def candidate_from(
    stages: tuple[Stage, ...], precision: str, concurrency: int, figures: Iterable[ClassFigures | None]
) -> Candidate | None:
    """A candidate of figures by class, None for a class that is not served; None when none is."""
    found = tuple(figures)
    if all(each is None for each in found):
        return None
    return Candidate(
        stages=stages,
        precision=precision,
        max_concurrency=concurrency,
        rates=tuple(0.0 if each is None else each.requests_per_second for each in found),
        ttft_seconds=tuple(None if each is None else each.ttft_seconds for each in found),
        tpot_seconds=tuple(None if each is None else each.tpot_seconds for each in found),
        groups=groups_of(stages),
    )


OutOfTime = Callable[[], bool]
