"""Why a plan is what it is: what it beats, what it uses up, and which limit keeps it from being better."""

import time
from typing import Final

from placewright.cli import text
from placewright.cli.gate_fields import gate_fields
from placewright.cli.screen import Field
from placewright.core.model import Decision, FixedEfficiency, Layout, ObjectiveType, Plan, PlanState, Request

_CLOSE: Final = 0.1  # share of a limit within which a figure is said to be near it


def why_fields(decision: Decision) -> list[Field]:
    """By how much the plan beats the best of what lost."""
    if decision.plan is None or not decision.alternatives:
        return []
    worse = [
        entry for entry in decision.alternatives if _loss(decision, entry.layout) >= _loss(decision, decision.plan.main)
    ]
    if not worse:
        return []
    second = worse[0]
    return [Field("next best", f"{text.stages(second.layout.stages)}: {second.reason}")]


def _loss(decision: Decision, layout: Layout) -> float:
    """What the objective wants small, where one figure tells."""
    match decision.request.objective.type:
        case ObjectiveType.THROUGHPUT:
            return -layout.tokens_per_second
        case ObjectiveType.COST:
            return layout.cost_per_hour
        case ObjectiveType.COST_PER_TOKEN:
            return layout.cost_per_million_tokens
        case ObjectiveType.WEIGHTED:
            return 0.0  # a score of two figures; the core orders them


def binding_fields(decision: Decision) -> list[Field]:
    """Which limits the plan touches, and what the best price would be without the one that binds most."""
    plan = decision.plan
    if plan is None:
        return []
    request, layout = decision.request, plan.main
    entries = [*gate_fields(decision.gates), *_latency(request, layout), *_floor(request, layout)]
    if request.in_fleet:  # stock is the fleet's, and what binds one replica says little of several
        return [*entries, *_counts(request, plan), *_shape(request, layout)]
    entries += [*_stock(request, layout), *_shape(request, layout)]
    if plan.state is PlanState.APPROVED:
        best = decision.report.bound_cost_per_million_tokens or plan.cost_per_million_tokens
        entries.append(Field("best price", f"{text.per_million(best)}; {what_binds(request, best)}"))
    return entries


def what_binds(request: Request, cost_per_million_tokens: float) -> str:
    """Say which limit keeps the best price up; found by solving without each."""
    from placewright.core.explain import solver_of  # noqa: PLC0415 - --help needs no numpy and numba
    from placewright.core.outcome import Watch  # noqa: PLC0415
    from placewright.core.performance.choose import model_for  # noqa: PLC0415
    from placewright.core.rejections import what_binds as binding  # noqa: PLC0415

    limit = request.solver.time_limit_seconds
    watch = Watch(time.monotonic, limit)
    solve = solver_of(model_for(request), clock=time.monotonic, watch=watch, most_seconds=limit)
    return binding(request, cost_per_million_tokens, solve)


def _latency(request: Request, layout: Layout) -> list[Field]:
    found = []
    for name, limit, actual in (
        ("TTFT", request.slo.ttft_seconds, layout.ttft_seconds),
        ("TPOT", request.slo.tpot_seconds, layout.tpot_seconds),
    ):
        if limit is not None and actual is not None:
            room = (limit - actual) / limit * 100.0
            told = f"{text.seconds(actual)} of at most {text.seconds(limit)}, {text.percent(room)} left"
            found.append(Field(name, told, "warn" if room < _CLOSE * 100.0 else "plain"))
    return found


def _floor(request: Request, layout: Layout) -> list[Field]:
    floor = request.objective.min_tokens_per_second
    if floor <= 0:
        return []
    return [Field("throughput", f"{text.rate(layout.tokens_per_second)} of at least {text.rate(floor)} tokens/s")]


def _stock(request: Request, layout: Layout) -> list[Field]:
    stock = {pool.name: pool.gpus for pool in request.pools}
    return [
        Field("stock", f"{pool}: {used} of {stock[pool]} GPUs{', all of them' if used == stock[pool] else ''}")
        for pool, used in layout.gpus_by_pool.items()
    ]


def _counts(request: Request, plan: Plan) -> list[Field]:
    count, bounds = sum(entry.count for entry in plan.replicas), request.replicas
    if bounds.max is not None and count >= bounds.max:
        return [Field("replicas", f"{count}, the most that are allowed")]
    if count == bounds.min and count > 1:
        return [Field("replicas", f"{count}, the fewest that are allowed")]
    return []


def _shape(request: Request, layout: Layout) -> list[Field]:
    limits = request.parallelism
    count, least = len(layout.stages), min(stage.layers for stage in layout.stages)
    found = []
    if count == limits.max_pipeline:
        found.append(Field("stages", f"{count}, the most that are allowed"))
    if least == limits.min_layers_per_stage and least > 1:
        found.append(Field("layers", f"{least} in the smallest stage, the fewest that are allowed"))
    if isinstance(request.performance, FixedEfficiency) and request.performance.quantized_segments:
        found.append(Field("segments", "only quantized segment sizes were allowed (enable_segment_quantization)"))
    return found
