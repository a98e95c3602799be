"""Every layout that a request may run in a fleet, with its figures for each traffic class.

Candidates know nothing of stock and demand, and where all stages are of one kind nothing of prices: they depend on
the model, the GPUs, the classes' sizes and targets. So requests that are alike in these share one answer, which is
kept.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache

from placewright.core import gates, layouts
from placewright.core.errors import InternalError
from placewright.core.fleet.candidate_analytic import AnalyticTables, is_one_kind, one_class
from placewright.core.fleet.candidate_base import Candidate, Candidates, OutOfTime, classes_of
from placewright.core.fleet.candidate_dominance import needed
from placewright.core.fleet.candidate_measured import MeasuredTables
from placewright.core.lattice import never
from placewright.core.model import (
    Analytic,
    Billing,
    FixedEfficiency,
    Gates,
    Measured,
    Measurement,
    Objective,
    Parallelism,
    Pool,
    Precision,
    ReplicaBounds,
    Request,
    Slo,
    SolverOptions,
    Stabilization,
    Stage,
    Workload,
)
from placewright.core.performance.analytic import AnalyticModel

__all__ = ["Candidate", "Candidates", "candidate_of", "candidates"]

_KEPT = 512  # answers; a fleet has few distinct models


def candidates(request: Request, *, out_of_time: OutOfTime = never) -> Candidates:
    """The layouts of a request, less those that no optimum needs.

    The classes are those of the workload, or one of its own size when it has none. Pools without a price are left
    out. A precision that the drift gate only warns of is taken when no other has a candidate.

    Args:
        request: its stock and demand do not matter.
        out_of_time: asked while layouts of mixed kinds are searched; True ends with those found.

    Raises:
        InvalidRequestError: the request contradicts itself or its model.
    """
    allowed = tuple(each for each in request.precisions if gates.drift_allows(request, each.name))
    passing = tuple(each for each in allowed if gates.drift_passes(request, each.name))
    found = _of_precisions(request, passing, out_of_time)
    if not found.entries and len(passing) < len(allowed):
        return _of_precisions(request, allowed, out_of_time)
    return found


def candidate_of(request: Request, stages: tuple[Stage, ...], precision: str, concurrency: int) -> Candidate | None:
    """A given layout with the figures that it has today; None when it is no candidate of the request, for any reason.

    Unlike `candidates` it also takes a layout that no optimum needs.

    Raises:
        InvalidRequestError: the request contradicts itself or its model.
    """
    allowed = tuple(each for each in request.precisions if gates.drift_allows(request, each.name))
    stated = request.workload.concurrency
    if precision not in {each.name for each in allowed} or stated not in {None, concurrency}:
        return None
    return _tables(_basis(request, allowed)).figures(stages, precision, concurrency)


# ------------------------------------------------------------------------------------------ what candidates depend on


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """All that candidates depend on, as a key: the request in a plain form, and its rows, which are costly to hash."""

    request: Request
    measured: bool
    rows: tuple[Measurement, ...] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A search of mixed kinds: its basis, with prices, and when to stop, which is no part of the key."""

    basis: _Basis
    out_of_time: OutOfTime = field(compare=False)


class _CutError(Exception):
    """A search was cut; what it found is not to be kept."""

    def __init__(self, entries: tuple[Candidate, ...]) -> None:
        super().__init__()
        self.entries = entries


def _basis(request: Request, precisions: tuple[Precision, ...], *, prices: bool = False) -> _Basis:
    if isinstance(request.performance, FixedEfficiency):
        raise InternalError("a config-dir request is no part of a fleet")
    rows = request.performance.rows if isinstance(request.performance, Measured) else ()
    load, limits = request.workload, request.parallelism
    classes = classes_of(request)
    longest = max(each.input_tokens + each.output_tokens for each in classes)
    plain = Request(
        name="",
        model_name=request.model_name,
        architecture=request.architecture,
        max_model_len=request.max_model_len or longest,
        precisions=tuple(Precision(name=each.name, speedup=each.speedup) for each in sorted(precisions, key=_name)),
        workload=Workload(
            input_tokens=classes[0].input_tokens,
            output_tokens=classes[0].output_tokens,
            token_basis=load.token_basis,
            concurrency=load.concurrency,
            classes=classes,
        ),
        slo=Slo(),
        pools=_pools(request, prices=prices),
        parallelism=Parallelism(
            tensor=tuple(sorted(set(limits.tensor))),
            max_pipeline=limits.max_pipeline,
            min_layers_per_stage=limits.min_layers_per_stage,
            allow_mixed_pools=limits.allow_mixed_pools,
            runtime=limits.runtime,
        ),
        objective=Objective(min_tokens_per_second=request.objective.min_tokens_per_second),
        gates=Gates(),
        performance=Analytic(),
        solver=SolverOptions(),
        replicas=ReplicaBounds(),
        stabilization=Stabilization(),
    )
    return _Basis(request=plain, measured=isinstance(request.performance, Measured), rows=rows)


def _name(precision: Precision) -> str:
    return precision.name


def _pools(request: Request, *, prices: bool) -> tuple[Pool, ...]:
    """The pools that have a price, with nodes enough for any replica.

    Where kinds mix, a pool of one node keeps it: whether the stages of a replica can lie on different nodes of it
    decides about its links.
    """
    priced = [pool for pool in request.pools if pool.price_per_gpu_hour is not None]
    stages = request.parallelism.max_pipeline
    mixed = not is_one_kind(replace(request, pools=tuple(priced)))
    return tuple(
        replace(
            pool,
            nodes=1 if mixed and pool.nodes <= 1 else max(2, stages),
            rooms=None,
            price_per_gpu_hour=pool.price_per_gpu_hour if prices else 1.0,
            billing=pool.billing if prices else Billing.PER_GPU,
        )
        for pool in sorted(priced, key=lambda each: each.name)
    )


# ------------------------------------------------------------------------------------------ finding them


def _of_precisions(request: Request, precisions: tuple[Precision, ...], out_of_time: OutOfTime) -> Candidates:
    if not precisions or all(pool.price_per_gpu_hour is None for pool in request.pools):
        return Candidates(entries=(), complete=True)
    basis = _basis(request, precisions)
    copies = bool(request.workload.classes) and request.replicas.max is None
    entries, complete = _uniform(basis)
    if basis.measured or is_one_kind(basis.request):
        return Candidates(entries=_needed(entries, copies), complete=complete)
    search = _Search(basis=_basis(request, precisions, prices=True), out_of_time=out_of_time)
    try:
        mixed = _mixed(search)
    except _CutError as cut:
        mixed = cut.entries
    return Candidates(entries=_needed((*entries, *mixed), copies), complete=False)


@lru_cache(maxsize=_KEPT)
def _needed(entries: tuple[Candidate, ...], copies: bool) -> tuple[Candidate, ...]:  # noqa: FBT001 - a cache key
    return needed(entries, copies=copies)


@lru_cache(maxsize=32)
def _tables(basis: _Basis) -> AnalyticTables | MeasuredTables:
    return MeasuredTables(basis.request, basis.rows) if basis.measured else AnalyticTables(basis.request)


@lru_cache(maxsize=_KEPT)
def _uniform(basis: _Basis) -> tuple[tuple[Candidate, ...], bool]:
    """Candidates of one kind, and whether an optimum of that kind needs no other."""
    tables = _tables(basis)
    if isinstance(tables, MeasuredTables):
        return tuple(tables.entries()), True
    return tables.uniform()


@lru_cache(maxsize=_KEPT)
def _mixed(search: _Search) -> tuple[Candidate, ...]:
    """Candidates of any kinds: for each class the layouts that no other beats in both cost per hour and rate."""
    request, tables = search.basis.request, _tables(search.basis)
    found: dict[tuple[tuple[Stage, ...], str, int], Candidate] = {}
    for each in classes_of(request):
        alone = one_class(request, each)
        result = layouts.search(alone, AnalyticModel().settings(alone), out_of_time=search.out_of_time)
        for layout in result.frontier:
            key = (layout.stages, layout.precision, layout.max_concurrency)
            entry = found.get(key) or tables.figures(*key)
            if entry is not None:
                found[key] = entry
        if not result.complete:
            raise _CutError(tuple(found.values()))
    return tuple(found.values())
