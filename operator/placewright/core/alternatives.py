"""Layouts that lost, each the best of its own kind, with the reason in one line.

Every kind is a restriction of the same settings (another pool, precision, tensor or pipeline degree, concurrency) that
is solved exactly; limits of the request that keep a better layout out are lifted to show what they cost.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from placewright.core import figures, gates, layouts, objective
from placewright.core.model import Alternative, GateResult, Layout, Method, ObjectiveType, Request
from placewright.core.objective import Goal
from placewright.core.outcome import Outcome, search_exactly
from placewright.core.performance.base import Setting

MOST = 5
_EQUAL = 1e-9  # relative difference under which two figures read as equal

OutOfTime = Callable[[], bool]


def alternatives(
    request: Request, settings: Sequence[Setting], outcome: Outcome, *, out_of_time: OutOfTime
) -> tuple[Alternative, ...]:
    """Up to five layouts that lost to the outcome's layout, best first.

    Those that keep within every limit come first, in the order of the objective; then those that are better but break
    a limit.

    Args:
        request: what was asked.
        settings: its candidates, and those of precisions that the drift gate keeps out.
        outcome: what was decided.
        out_of_time: asked between solves; what is found until then counts.
    """
    winner = outcome.best or outcome.unblocked_best
    if winner is None:
        return ()
    goal = _goal(request, settings, outcome, winner, out_of_time)
    seen = {_identity(winner)}
    found: list[Layout] = []
    for layout in _candidates(request, settings, outcome, winner, goal, out_of_time):
        if _identity(layout) not in seen:
            seen.add(_identity(layout))
            found.append(layout)
        if len(found) == MOST or out_of_time():
            break
    found.sort(key=lambda layout: (bool(_broken(request, layout, winner)), objective.order_key(goal, layout)))
    return tuple(Alternative(layout=layout, reason=reason(request, goal, winner, layout)) for layout in found)


def reason(request: Request, goal: Goal, winner: Layout, layout: Layout) -> str:
    """Why a layout lost to the winner, in one line with figures."""
    broken = _broken(request, layout, winner)
    compared = _compared(goal, winner, layout)
    if broken:
        return f"{'; '.join(broken)} (otherwise {compared})"
    if objective.order_key(goal, layout) < objective.order_key(goal, winner):
        how = "the search was cut" if request.solver.method is Method.EXACT else f"{request.solver.method} passes it by"
        return f"{compared}, but {how}"
    return compared


def _goal(
    request: Request, settings: Sequence[Setting], outcome: Outcome, winner: Layout, out_of_time: OutOfTime
) -> Goal:
    """The objective as the search normalised it."""
    known = [point.layout for point in outcome.frontier]
    if not known and request.objective.type is ObjectiveType.WEIGHTED:
        fastest = layouts.fastest_within(request, settings, budget_per_hour=inf, out_of_time=out_of_time)
        known = [] if fastest is None else [fastest]
    return objective.goal_on(request.objective, known or [winner])


def _identity(layout: Layout) -> tuple[object, ...]:
    return layout.stages, layout.precision, layout.max_concurrency


def _candidates(
    request: Request,
    settings: Sequence[Setting],
    outcome: Outcome,
    winner: Layout,
    goal: Goal,
    out_of_time: OutOfTime,
) -> Iterator[Layout]:
    """Layouts in the order of what they explain; some may repeat."""
    admitted = [setting for setting in settings if gates.drift_passes(request, setting.precision)] or list(settings)
    refused = [setting for setting in settings if setting not in admitted]

    def best(restricted: Sequence[Setting]) -> Layout | None:
        if not restricted or out_of_time():
            return None
        exact = search_exactly(request, restricted, out_of_time=out_of_time, frontier=False)
        return exact.choice.usable or exact.choice.best

    def better(layout: Layout | None) -> bool:
        return layout is not None and goal.loss(layout) < goal.loss(winner) - _EQUAL * abs(goal.loss(winner))

    beyond = [outcome.unblocked_best]
    if request.slo.ttft_seconds is not None or request.slo.tpot_seconds is not None:
        beyond.append(best([_without_targets(setting) for setting in admitted]))
    beyond.append(best(refused))
    for layout in beyond:
        if layout is not None and better(layout):
            yield layout
    for restricted in _restrictions(request, admitted, winner):
        layout = best(restricted)
        if layout is not None:
            yield layout
    yield from _neighbours(outcome, winner)
    layout = best([setting for setting in admitted if setting.concurrency != winner.max_concurrency])
    if layout is not None:
        yield layout


def _restrictions(request: Request, settings: Sequence[Setting], winner: Layout) -> Iterator[list[Setting]]:
    """Without each pool of the winner, other precisions, TP degrees and pipeline depths, and each other pool alone."""
    used = {stage.pool for stage in winner.stages}
    inside = [index for index, pool in enumerate(request.pools) if pool.name in used]
    for index in inside:
        yield [kept for entry in settings if (kept := _keep_kinds(entry, entry.kind_pool != index)) is not None]
    for precision in sorted({entry.precision for entry in settings} - {winner.precision}):
        yield [entry for entry in settings if entry.precision == precision]
    degrees = sorted({stage.tensor_parallel for stage in winner.stages})
    yield [
        kept
        for entry in settings
        if (kept := _keep_kinds(entry, ~np.isin(entry.kind_tensor_parallel, degrees))) is not None
    ]
    depth = len(winner.stages)
    yield [kept for entry in settings for kept in _with_less_depth(entry, depth)]
    yield [kept for entry in settings for kept in _with_more_depth(entry, depth)]
    for index in sorted({int(index) for entry in settings for index in entry.kind_pool} - set(inside)):
        yield [kept for entry in settings if (kept := _keep_kinds(entry, entry.kind_pool == index)) is not None]


def _keep_kinds(setting: Setting, mask: NDArray[np.bool_]) -> Setting | None:
    """The setting with some of its stage kinds; None when none is left."""
    if not mask.any():
        return None
    return replace(
        setting,
        kind_pool=setting.kind_pool[mask],
        kind_tensor_parallel=setting.kind_tensor_parallel[mask],
        step_seconds=setting.step_seconds[mask],
        first_token_seconds=setting.first_token_seconds[mask],
    )


def _with_less_depth(setting: Setting, depth: int) -> list[Setting]:
    if setting.stages:
        return [setting] if setting.stages < depth else []
    return [replace(setting, max_stages=min(setting.max_stages, depth - 1))] if depth > 1 else []


def _with_more_depth(setting: Setting, depth: int) -> list[Setting]:
    if setting.stages:
        return [setting] if setting.stages > depth else []
    return [replace(setting, stages=depth + 1)] if setting.max_stages > depth else []


def _without_targets(setting: Setting) -> Setting:
    return replace(setting, max_step_seconds=inf, max_first_token_seconds=inf)


def _neighbours(outcome: Outcome, winner: Layout) -> Iterator[Layout]:
    """The next cheaper and the next faster layout of the frontier."""
    cheaper = [point.layout for point in outcome.frontier if point.cost_per_hour < winner.cost_per_hour * (1 - _EQUAL)]
    faster = [
        point.layout for point in outcome.frontier if point.tokens_per_second > winner.tokens_per_second * (1 + _EQUAL)
    ]
    yield from cheaper[-1:]
    yield from faster[:1]


def _broken(request: Request, layout: Layout, winner: Layout) -> list[str]:
    """Limits that the layout breaks and the winner keeps."""
    slo, found = request.slo, []
    for name, limit, actual in (
        ("TTFT", slo.ttft_seconds, layout.ttft_seconds),
        ("TPOT", slo.tpot_seconds, layout.tpot_seconds),
    ):
        if limit is not None and actual is not None and actual > limit * (1.0 + _EQUAL):
            found.append(f"{name} {figures.number(actual)} s > {figures.number(limit)} s")
    kept = {held.name for held in gates.evaluate(request, winner) if held.result is GateResult.PASS}
    for held in gates.evaluate(request, layout):
        if held.result is GateResult.PASS or held.name not in kept:
            continue
        if held.actual is None:
            found.append(f"{held.name} is unknown")
        else:
            found.append(f"{held.name} {figures.number(held.actual)} > {figures.number(held.limit)}")
    floor = request.objective.min_tokens_per_second
    if layout.tokens_per_second < floor * (1.0 - _EQUAL):
        found.append(f"{figures.number(layout.tokens_per_second)} of {figures.number(floor)} tokens/s")
    return found


def _compared(goal: Goal, winner: Layout, layout: Layout) -> str:
    """The layout beside the winner in the unit of the objective."""
    mine, best = goal.loss(layout), goal.loss(winner)
    if abs(mine - best) <= _EQUAL * max(abs(mine), abs(best)):
        return _tie(goal, winner, layout)
    share = figures.percent(abs(mine - best) / abs(best) * 100.0) if best else ""
    match goal.type:
        case ObjectiveType.THROUGHPUT:
            word = "slower" if mine > best else "faster"
            return f"{share} {word}: {figures.number(layout.tokens_per_second)} tokens/s"
        case ObjectiveType.COST:
            word = "dearer" if mine > best else "cheaper"
            return f"{share} {word}: {figures.per_hour(layout.cost_per_hour)}"
        case ObjectiveType.WEIGHTED:
            return f"score {figures.number(mine)} against {figures.number(best)}, smaller is better"
        case ObjectiveType.COST_PER_TOKEN:
            return _priced(winner, layout, share, dearer=mine > best)


def _priced(winner: Layout, layout: Layout, share: str, *, dearer: bool) -> str:
    """Another price per token, and what the layout has for it."""
    price = figures.per_million(layout.cost_per_million_tokens)
    if not dearer:
        return f"{share} cheaper: {price}"
    if layout.cost_per_hour < winner.cost_per_hour * (1.0 - _EQUAL):
        return f"cheaper per hour ({figures.per_hour(layout.cost_per_hour)}) but {share} dearer per token: {price}"
    if layout.tokens_per_second > winner.tokens_per_second * (1.0 + _EQUAL):
        return f"faster ({figures.number(layout.tokens_per_second)} tokens/s) but {share} dearer per token: {price}"
    return f"{share} dearer: {price}"


def _tie(goal: Goal, winner: Layout, layout: Layout) -> str:
    """What decided between two layouts of equal value: cost per hour, GPUs, stages, order."""
    same = {
        ObjectiveType.COST_PER_TOKEN: "as cheap per token",
        ObjectiveType.THROUGHPUT: "as fast",
        ObjectiveType.COST: "as cheap per hour",
        ObjectiveType.WEIGHTED: "the same score",
    }[goal.type]
    if layout.cost_per_hour > winner.cost_per_hour * (1.0 + _EQUAL):
        more = f"{figures.per_hour(layout.cost_per_hour)} instead of {figures.per_hour(winner.cost_per_hour)}"
        return f"{same}, but {more}"
    if layout.gpus > winner.gpus:
        return f"{same}, but {layout.gpus} GPUs instead of {winner.gpus}"
    if len(layout.stages) > len(winner.stages):
        return f"{same}, but {len(layout.stages)} stages instead of {len(winner.stages)}"
    if objective.order_key(goal, layout) < objective.order_key(goal, winner):
        return same
    return f"{same}; the order of names decided"
