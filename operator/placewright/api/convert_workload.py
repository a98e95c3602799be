"""The traffic of a request for the core: one size or several, as the spec gives them or as they are read live."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from placewright.api import spec as api
from placewright.api.convert_model import longest_sequence
from placewright.api.figures import figure
from placewright.api.live import Live
from placewright.api.profiles import optional_seconds
from placewright.api.surroundings import DemandUnavailableError, Surroundings
from placewright.api.workload_spec import NO_SIZE
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError

Size = tuple[int, int]  # input and output tokens

_NO_DEMAND: Final = "a figure of the live demand, which nobody has read yet"


def follows_live_figures(spec: api.PlacementRequestSpec) -> bool:
    """Whether the plan of a request follows live figures or takes its traffic by steps: it is planned by the fleet."""
    gates = spec.gates
    live = gates.revenue_per_hour_query is not None or gates.max_observed_cost_drift_percent is not None
    return live or spec.workload.demand_from is not None or spec.ramp is not None


def workload_of(spec: api.PlacementRequestSpec, slo: core.Slo, surroundings: Surroundings, live: Live) -> core.Workload:
    """Return the traffic that a plan serves.

    Raises:
        DemandUnavailableError: it is read live, and there is no figure in force.
        InvalidRequestError: a size is missing, or stands twice.
    """
    given = spec.workload
    if given.demand_from is not None:
        return _live_workload(spec, surroundings, live)
    if given.classes:
        return _of_classes(given, _classes(given, slo))
    for name, tokens in (("inputTokens", given.input_tokens), ("outputTokens", given.output_tokens)):
        if tokens is None:
            raise InvalidRequestError(f"spec.workload.{name}", got="nothing", wants=NO_SIZE)
    rate = given.requests_per_second
    one = _one_class(given, rate or 0.0)
    return _workload(given, one, (one,) if rate is not None else ())


def _workload(
    given: api.Workload, sized_for: core.TrafficClass, classes: tuple[core.TrafficClass, ...]
) -> core.Workload:
    return core.Workload(
        input_tokens=sized_for.input_tokens,
        output_tokens=sized_for.output_tokens,
        token_basis=core.TokenBasis(given.token_basis),
        concurrency=given.concurrency,
        classes=classes,
    )


def _of_classes(given: api.Workload, classes: tuple[core.TrafficClass, ...]) -> core.Workload:
    basis = core.TokenBasis(given.token_basis)
    return _workload(given, max(classes, key=lambda each: _tokens_per_second(each, basis)), classes)


def _one_class(given: api.Workload, rate: float) -> core.TrafficClass:
    asked, made = given.input_tokens or 0, given.output_tokens or 0
    return core.TrafficClass(name="", input_tokens=asked, output_tokens=made, requests_per_second=rate)


def _classes(given: api.Workload, slo: core.Slo) -> tuple[core.TrafficClass, ...]:
    for name in ("input_tokens", "output_tokens", "requests_per_second"):
        if getattr(given, name) is not None:
            field = type(given).model_fields[name].alias
            raise InvalidRequestError(f"spec.workload.{field}", got="a value", wants="nothing beside classes")
    return tuple(
        core.TrafficClass(
            name=each.name,
            input_tokens=each.input_tokens,
            output_tokens=each.output_tokens,
            requests_per_second=each.requests_per_second,
            slo=_class_slo(each.slo, slo, f"spec.workload.classes[{index}].slo") if each.slo is not None else None,
        )
        for index, each in sorted(enumerate(given.classes), key=lambda pair: pair[1].name)
    )


def _tokens_per_second(given: core.TrafficClass, basis: core.TokenBasis) -> float:
    tokens = given.output_tokens + (given.input_tokens if basis is core.TokenBasis.TOTAL else 0)
    return given.requests_per_second * tokens


def slo_of(given: api.Slo | None, where: str) -> core.Slo:
    """Return latency targets; none are set where nothing is given.

    Raises:
        InvalidRequestError: a duration cannot be read.
    """
    if given is None:
        return core.Slo()
    return core.Slo(
        ttft_seconds=optional_seconds(given.ttft, f"{where}.ttft"),
        tpot_seconds=optional_seconds(given.tpot, f"{where}.tpot"),
    )


def _class_slo(given: api.Slo, whole: core.Slo, where: str) -> core.Slo:
    """The targets of a class; what it leaves out is the whole request's."""
    own = slo_of(given, where)
    return core.Slo(
        ttft_seconds=own.ttft_seconds if own.ttft_seconds is not None else whole.ttft_seconds,
        tpot_seconds=own.tpot_seconds if own.tpot_seconds is not None else whole.tpot_seconds,
    )


# --------------------------------------------------------------------------------------------------- live demand


def stand_in(spec: api.PlacementRequestSpec) -> Live:
    """Return live figures with which a request can be checked that has none yet: one request per second."""
    given = spec.workload
    one = core.TrafficClass(
        name="",
        input_tokens=given.input_tokens or 1,
        output_tokens=given.output_tokens or 1,
        requests_per_second=1.0,
    )
    return Live(demand=(one,))


def _live_workload(spec: api.PlacementRequestSpec, surroundings: Surroundings, live: Live) -> core.Workload:
    """The demand in force; where nothing comes, one replica of the size that came last, or that the spec gives."""
    given = spec.workload
    if given.requests_per_second is not None or given.classes:
        raise InvalidRequestError(
            "spec.workload.demandFrom", got="a source", wants="neither requestsPerSecond nor classes beside it"
        )
    if live.demand is None:
        raise DemandUnavailableError("spec.workload.demandFrom", got="no answer so far", wants=_NO_DEMAND)
    # With the digits of a status, so that a demand that was read back from there is the same.
    sizes = [replace(each, requests_per_second=figure(each.requests_per_second)) for each in live.demand]
    if not sizes and given.input_tokens is not None and given.output_tokens is not None:
        sizes = [_one_class(given, 0.0)]
    if not sizes:
        raise DemandUnavailableError("spec.workload.demandFrom", got="no requests so far", wants=_NO_DEMAND)
    possible = [_within(each, longest_sequence(spec.model)) for each in sizes]
    known = _measured_sizes(possible, _sizes_of_rows(spec, surroundings))
    coming = tuple(each for each in known if each.requests_per_second > 0.0)
    return _of_classes(given, coming) if coming else _workload(given, known[0], ())


def _within(given: core.TrafficClass, longest: int | None) -> core.TrafficClass:
    """The class within what the model can read: no longer request was served, only the buckets of sizes are coarse."""
    if longest is None:
        return given
    made = min(given.output_tokens, max(1, longest - 1))
    asked = max(1, min(given.input_tokens, longest - made))
    return replace(given, input_tokens=asked, output_tokens=made)


def _sizes_of_rows(spec: api.PlacementRequestSpec, surroundings: Surroundings) -> set[Size]:
    """Sizes of the rows that the request must be planned by; empty: any size can be predicted."""
    if spec.performance.measurements:
        return {(row.input_tokens, row.output_tokens) for row in spec.performance.measurements}
    reference = spec.performance.profile_ref
    rows: Mapping[Size, object] = surroundings.rows_by_size.get(reference.name, {}) if reference is not None else {}
    return set(rows)


def _measured_sizes(classes: list[core.TrafficClass], sizes: set[Size]) -> list[core.TrafficClass]:
    """The classes at sizes that were measured, each at the least that holds it: observed sizes are those of no row.

    Classes of one size become one. A class that no row holds keeps its size, and planning says so.
    """
    if not sizes:
        return classes
    merged: dict[Size, core.TrafficClass] = {}
    for each in classes:
        own = (each.input_tokens, each.output_tokens)
        larger = [size for size in sizes if size[0] >= own[0] and size[1] >= own[1]]
        size = min(larger, key=lambda one: (sum(one), one), default=own)
        first = merged.get(size)
        rate = each.requests_per_second + (first.requests_per_second if first is not None else 0.0)
        merged[size] = replace(first or each, input_tokens=size[0], output_tokens=size[1], requests_per_second=rate)
    return list(merged.values())
