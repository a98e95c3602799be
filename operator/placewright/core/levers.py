"""The knobs of a request: which of its limits a user could loosen, named as the user writes them.

A resource names fields of its spec; a request that came from a config-dir names its files and parameters.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from placewright.core import figures, gates
from placewright.core.knobs import Knob, Latency, Names, Reach, Steps, switch
from placewright.core.levers_shape import degree_levers, format_levers, shape_levers, stock_levers
from placewright.core.model import FixedEfficiency, Gates, Objective, ObjectiveType, OnUnknown, Request, Slo

_PRICE = Names("spec.gates.maxCostPerMillionTokens", "config.csv: max_cost_per_million_token")
_BUDGET = Names("spec.gates.maxCostPerHour", "config.csv: max_hourly_cost")
_RATIO = Names("spec.gates.maxCostToRevenueRatio", "maxCostToRevenueRatio")
_DRIFT = Names("spec.gates.maxQuantizationDriftPercent", "maxQuantizationDriftPercent")
_ON_UNKNOWN = Names("spec.gates.onUnknown", "onUnknown")
_FLOOR = Names("spec.objective.minTokensPerSecond", "--min-throughput")
_TTFT = Names("spec.slo.ttft", "slo.ttft")
_TPOT = Names("spec.slo.tpot", "slo.tpot")


def levers(request: Request, layers: int, stages: int) -> list[list[Knob]]:
    """Every knob that the request leaves room to turn, in groups; money and latency first, then shape, then stock.

    Knobs of one group help alone only where all of them together help, so one solve can leave out the group.

    Args:
        request: what is asked.
        layers: decoder layers of the model.
        stages: pipeline depth that more stock should serve.
    """
    alone = (*_money(request), *_latency(request), *shape_levers(request, layers), *format_levers(request))
    return [*([knob] for knob in alone), [*degree_levers(request)], [*stock_levers(request, stages)]]


def _gate_field(request: Request, gate: str, names: Names) -> str:
    """What the limit of a gate is called where it stands: in the request, or in the policy that is stricter."""
    policy = dict(request.gates.policies).get(gate)
    field = names.of(request)
    return field if policy is None else f"{field.removeprefix('spec.')} of PlacementPolicy {policy}"


def _with_gates(request: Request, changed: Callable[[Gates], Gates]) -> Request:
    return replace(request, gates=changed(request.gates))


def _asking(request: Request, kind: ObjectiveType) -> Request:
    """The request with another objective at the same throughput floor."""
    return replace(
        request, objective=Objective(type=kind, min_tokens_per_second=request.objective.min_tokens_per_second)
    )


def _money(request: Request) -> Iterator[Knob]:
    held = request.gates
    if held.max_cost_per_million_tokens is not None:
        yield Reach(
            field=_gate_field(request, gates.COST_PER_MILLION_TOKENS, _PRICE),
            limit=held.max_cost_per_million_tokens,
            set_to=lambda asked, limit: _with_gates(
                asked, lambda entry: replace(entry, max_cost_per_million_tokens=limit)
            ),
            extreme=lambda asked: _asking(asked, ObjectiveType.COST_PER_TOKEN),
            actual=lambda layout: layout.cost_per_million_tokens,
            upper=True,
            show=figures.per_million,
        )
    if held.max_cost_per_hour is not None:
        yield Reach(
            field=_gate_field(request, gates.COST_PER_HOUR, _BUDGET),
            limit=held.max_cost_per_hour,
            set_to=lambda asked, limit: _with_gates(asked, lambda entry: replace(entry, max_cost_per_hour=limit)),
            extreme=lambda asked: _asking(asked, ObjectiveType.COST),
            actual=lambda layout: layout.cost_per_hour,
            upper=True,
            show=figures.per_hour,
        )
    yield from _ratio(request)
    if request.objective.min_tokens_per_second > 0.0:
        yield Reach(
            field=_FLOOR.of(request),
            limit=request.objective.min_tokens_per_second,
            set_to=lambda asked, limit: replace(
                asked, objective=replace(asked.objective, min_tokens_per_second=limit or 0.0)
            ),
            extreme=lambda asked: _asking(asked, ObjectiveType.THROUGHPUT),
            actual=lambda layout: layout.tokens_per_second,
            upper=False,
            show=lambda rate: f"{figures.number(rate)} tokens/s",
        )
    yield from _drift(request)


def _ratio(request: Request) -> Iterator[Knob]:
    """The share of the revenue, where a revenue is known."""
    held = request.gates
    if held.max_cost_to_revenue_ratio is None or held.revenue is None or gates.cost_is_unknown(held):
        return
    observed = held.revenue.observed
    revenue = held.revenue.per_hour if observed else held.revenue.per_million_tokens
    if not revenue:
        return
    yield Reach(
        field=_gate_field(request, gates.COST_TO_REVENUE_RATIO, _RATIO),
        limit=held.max_cost_to_revenue_ratio,
        set_to=lambda asked, limit: _with_gates(asked, lambda entry: replace(entry, max_cost_to_revenue_ratio=limit)),
        extreme=lambda asked: _asking(asked, ObjectiveType.COST if observed else ObjectiveType.COST_PER_TOKEN),
        actual=lambda layout: (layout.cost_per_hour if observed else layout.cost_per_million_tokens) / revenue,
        upper=True,
        show=figures.share,
    )


def _drift(request: Request) -> Iterator[Knob]:
    limit = request.gates.max_quantization_drift_percent
    unmeasured = [entry.name for entry in request.precisions if gates.drift_percent(request, entry.name) is None]
    names = ", ".join(unmeasured)
    if limit is not None and unmeasured and request.gates.on_unknown is OnUnknown.BLOCK:
        field = _gate_field(request, gates.ON_UNKNOWN, _ON_UNKNOWN)
        yield switch(
            field,
            current=OnUnknown.BLOCK,
            needed=OnUnknown.WARN,
            change=lambda asked: _with_gates(asked, lambda entry: replace(entry, on_unknown=OnUnknown.WARN)),
            phrase=f"with the drift of {names} unmeasured: set {field} to Warn, or measure it",
        )
    known = {gates.drift_percent(request, entry.name) for entry in request.precisions}
    above = sorted(drift for drift in known if drift is not None and limit is not None and drift > limit)
    if limit is None or not above:
        return
    field = _gate_field(request, gates.QUANTIZATION_DRIFT, _DRIFT)

    def at(asked: Request, step: int) -> Request:
        return _with_gates(asked, lambda entry: replace(entry, max_quantization_drift_percent=above[step - 1]))

    yield Steps(
        field=field,
        current=figures.number(limit, 6),
        count=len(above),
        at=at,
        shown=lambda step: figures.number(above[step - 1], 6),
        size=lambda step: (above[step - 1] - limit) / max(limit, 0.1),
        phrase=lambda step: (
            f"with a quantization drift of {figures.number(above[step - 1], 6)} %: raise {field} "
            f"from {figures.number(limit, 6)} to {figures.number(above[step - 1], 6)}"
        ),
    )


def _latency(request: Request) -> Iterator[Knob]:
    if isinstance(request.performance, FixedEfficiency):
        return  # the format has no latencies, so no looser target could be shown to hold
    slo = request.slo
    if slo.ttft_seconds is not None:
        yield Latency(
            field=_TTFT.of(request),
            name="TTFT",
            limit=slo.ttft_seconds,
            set_to=lambda asked, limit: _with_slo(asked, lambda entry: replace(entry, ttft_seconds=limit)),
            actual=lambda layout: layout.ttft_seconds,
        )
    if slo.tpot_seconds is not None:
        yield Latency(
            field=_TPOT.of(request),
            name="TPOT",
            limit=slo.tpot_seconds,
            set_to=lambda asked, limit: _with_slo(asked, lambda entry: replace(entry, tpot_seconds=limit)),
            actual=lambda layout: layout.tpot_seconds,
        )


def _with_slo(request: Request, changed: Callable[[Slo], Slo]) -> Request:
    return replace(request, slo=changed(request.slo))
