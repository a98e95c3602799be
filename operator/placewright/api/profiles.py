"""Which figures on speed a request is planned by: its own rows, a PerformanceProfile's, or the analytic model.

The order is measured > fitted > analytic. A profile is chosen without being named only where it has rows for every
traffic class on at least one GPU kind of the request: rows that serve half of a request would hide what the analytic
model knows of the other half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from placewright import catalog
from placewright.api import spec as api
from placewright.api.base import duration_seconds
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.prices import gpu_key
from placewright.api.surroundings import Surroundings, SurroundingsError
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError

Size = tuple[int, int]  # input and output tokens

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a request is planned by, and what its owner should know of the choice, one line each."""

    performance: core.Measured | core.Analytic
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What rows are held against: GPU kinds by the catalog's key, class sizes, and limits of the spec."""

    spec: api.PlacementRequestSpec
    kinds: dict[str, str]  # key of the catalog (or own name): name by which the pools know it
    latencies: dict[Size, tuple[bool, bool]]  # of each class: whether TTFT and TPOT must have been measured

    @property
    def gpus(self) -> str:
        """The GPU kinds as users know them."""
        return ", ".join(sorted(self.kinds.values()))


def figures_of(
    spec: api.PlacementRequestSpec,
    pools: Sequence[core.Pool],
    workload: core.Workload,
    slo: core.Slo,
    surroundings: Surroundings,
) -> Figures:
    """Return what a request is planned by.

    Raises:
        SurroundingsError: the named profile is not there, or has no row for a class on any GPU kind of the request.
        InvalidRequestError: a duration of a row cannot be read.
    """
    kinds = {gpu_key(pool.gpu.name): pool.gpu.name for pool in pools}
    asked = _Asked(spec=spec, kinds=kinds, latencies=_latencies(workload, slo))
    given = spec.performance
    if given.profile_ref is not None and given.measurements:
        raise InvalidRequestError("spec.performance.profileRef", got="a name", wants="no measurements beside it")
    if given.measurements:
        rows = tuple(
            _measurement(row, kinds, f"spec.performance.measurements[{index}]")
            for index, row in enumerate(given.measurements)
        )
        return Figures(performance=core.Measured(rows=rows))
    if given.profile_ref is not None:
        return _named(given.profile_ref.name, asked, surroundings)
    if spec.model.architecture is not None:
        return Figures(performance=core.Analytic())
    return _chosen(asked, surroundings)


def _latencies(workload: core.Workload, slo: core.Slo) -> dict[Size, tuple[bool, bool]]:
    found: dict[Size, tuple[bool, bool]] = {}
    for each in workload.classes:
        size, target = (each.input_tokens, each.output_tokens), each.slo or slo
        ttft, tpot = found.get(size, (False, False))
        found[size] = (ttft or target.ttft_seconds is not None, tpot or target.tpot_seconds is not None)
    alone = (workload.input_tokens, workload.output_tokens)
    return found or {alone: (slo.ttft_seconds is not None, slo.tpot_seconds is not None)}


# ----------------------------------------------------------------------------------------------- profiles by name


def _named(name: str, asked: _Asked, surroundings: Surroundings) -> Figures:
    """The rows of a profile that the request names, whatever model it is of: its owner has chosen it."""
    field = "spec.performance.profileRef.name"
    profile = next((each for each in surroundings.profiles if each.metadata.name == name), None)
    if profile is None:
        known = sorted(each.metadata.name for each in surroundings.profiles)
        there = f"there {'is' if len(known) == 1 else 'are'} {_listed(known)}" if known else "there is none"
        raise SurroundingsError(field, got=repr(name), wants=f"a PerformanceProfile; {there}")
    rows = _of_request(profile, asked, surroundings)
    missing = _missing(rows, asked)
    if missing:
        raise SurroundingsError(
            field,
            got=f"{name!r}, which has no row of {missing} tokens on {asked.gpus}",
            wants="a PerformanceProfile with rows of every class on a GPU kind of the request's pools",
        )
    other = _model_key(profile.spec.model) != _model_key(asked.spec.model.name)
    notes = (f"PerformanceProfile {name} was named, and is of model {profile.spec.model}",) if other else ()
    return Figures(performance=_measured(profile, rows, asked), notes=notes)


# ------------------------------------------------------------------------------------------- profiles by themselves


def _chosen(asked: _Asked, surroundings: Surroundings) -> Figures:
    """The best profile of the model that fits; the analytic model with what is missing of the others, otherwise."""
    wanted = _model_key(asked.spec.model.name)
    notes: list[str] = []
    for profile in sorted(surroundings.profiles, key=_preference):
        if _model_key(profile.spec.model) != wanted:
            continue
        rows = [row for row in _of_request(profile, asked, surroundings) if _usable(row, asked)]
        missing = _missing(rows, asked)
        if not missing:
            return Figures(performance=_measured(profile, rows, asked), notes=tuple(notes[:_SHOWN]))
        notes.append(
            f"PerformanceProfile {profile.metadata.name} is not used: it has no usable row of {missing} tokens on"
            f" {asked.gpus}"
        )
    return Figures(performance=core.Analytic(), notes=tuple(notes[:_SHOWN]))


def _preference(profile: PerformanceProfile) -> tuple[bool, float, str]:
    """Measured before fitted, then the newest, then by name."""
    as_of = profile.spec.as_of
    age = -datetime.fromisoformat(as_of).timestamp() if as_of is not None else 0.0
    return profile.spec.method == "Fitted", age, profile.metadata.name


@lru_cache(maxsize=4096)
def _model_key(name: str) -> tuple[str, str]:
    """What two names of one model share: the catalog's key and the precision of the weights; else the name."""
    try:
        return catalog.model_info(name).key, catalog.model(name).native_precision
    except catalog.UnknownKeyError:
        return name, ""


def _usable(row: api.Measurement, asked: _Asked) -> bool:
    """Say whether a row serves a request within its limits, so that choosing its profile costs no plan.

    Without precisions in the spec only the published weights count: nobody has agreed to another quality.
    """
    spec, limits = asked.spec, asked.spec.parallelism
    precisions = {each.name for each in spec.model.precisions or ()} or _native(spec.model.name)
    needs_ttft, needs_tpot = asked.latencies[_size(row)]
    return (
        (not precisions or row.precision in precisions)
        and row.tensor_parallel in limits.tensor
        and row.pipeline_parallel <= limits.max_pipeline
        and (spec.workload.concurrency is None or row.concurrency in {None, spec.workload.concurrency})
        and (row.ttft is not None or not needs_ttft)
        and (row.tpot is not None or not needs_tpot)
    )


def _native(model: str) -> set[str]:
    """The precision of the published weights; empty when the catalog does not hold the model."""
    return {precision} if (precision := _model_key(model)[1]) else set()


# ------------------------------------------------------------------------------------------------------ rows


def _of_request(profile: PerformanceProfile, asked: _Asked, surroundings: Surroundings) -> list[api.Measurement]:
    """The rows of the request's sizes and GPU kinds, in their order by size: the others serve nothing."""
    sizes = surroundings.rows_by_size[profile.metadata.name]
    return [row for size in asked.latencies for row in sizes.get(size, ()) if gpu_key(row.gpu) in asked.kinds]


def _missing(rows: Sequence[api.Measurement], asked: _Asked) -> str:
    """Sizes of classes without a row: `2048+512, 128+32`; empty: none."""
    there = {_size(row) for row in rows}
    return _listed([f"{given}+{made}" for given, made in sorted(asked.latencies) if (given, made) not in there])


def _listed(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return ", ".join(entries[:_SHOWN]) + more


def _measured(profile: PerformanceProfile, rows: Sequence[api.Measurement], asked: _Asked) -> core.Measured:
    spec = profile.spec
    where = f"PerformanceProfile {profile.metadata.name}: rows"
    return core.Measured(
        rows=tuple(_measurement(row, asked.kinds, where) for row in rows),
        profile=core.Profile(
            name=profile.metadata.name, source=spec.source, as_of=spec.as_of or "", fitted=spec.method == "Fitted"
        ),
    )


def _measurement(given: api.Measurement, kinds: dict[str, str], where: str) -> core.Measurement:
    """A row for the core; its GPU gets the name by which the pools know it. A row that no pool has does no harm."""
    return core.Measurement(
        gpu=kinds.get(gpu_key(given.gpu), gpu_key(given.gpu)),
        tensor_parallel=given.tensor_parallel,
        pipeline_parallel=given.pipeline_parallel,
        precision=given.precision,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        requests_per_second=given.requests_per_second,
        concurrency=given.concurrency,
        ttft_seconds=optional_seconds(given.ttft, f"{where}.ttft"),
        tpot_seconds=optional_seconds(given.tpot, f"{where}.tpot"),
    )


def optional_seconds(text: str | None, field: str) -> float | None:
    """Read a duration in seconds; None stays None.

    Raises:
        InvalidRequestError: not a duration.
    """
    return None if text is None else duration_seconds(text, field=field)


def _size(row: api.Measurement) -> Size:
    return row.input_tokens, row.output_tokens
