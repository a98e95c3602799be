"""Independent checker of every plan before anyone sees it.

Everything is worked out again from first principles in plain scalar Python. No code is shared with the solver, the
gates or the performance models: only the values of `core.model` and the fitted constants of the analytic model.
"""

import re

from placewright.core.model import (
    Analytic,
    FixedEfficiency,
    GateOutcome,
    Layout,
    Measured,
    Plan,
    Precision,
    Request,
)
from placewright.core.verification import analytic, fixed, measured, money, structure
from placewright.core.verification.figures import Figures
from placewright.core.verification.numbers import below, differs, exceeds, same, text


def verify(request: Request, plan: Plan, gates: tuple[GateOutcome, ...] = ()) -> tuple[str, ...]:
    """Recompute a plan and say where it is wrong.

    Args:
        request: what was asked.
        plan: what was decided for it.
        gates: the outcome of every gate that the request sets.

    Returns:
        One line for each violation, with the plan's figure and the recomputed one; empty when the plan is right.
    """
    found: list[str] = []
    if not re.fullmatch(r"p-[0-9a-f]{6,}", plan.id):
        found.append(f"the plan id is {plan.id!r}, it should be p- and at least 6 hex digits")
    found.extend(_share_violations(plan))
    cost = rate = 0.0
    whole = True
    for entry in plan.replicas:
        lines, layout_cost, layout_rate = _check_layout(request, entry.layout)
        found.extend(lines)
        if layout_cost is None or layout_rate is None:
            whole = False
            continue
        cost += entry.count * layout_cost
        rate += entry.count * layout_rate
    found.extend(structure.stock_violations(request, plan))
    if not whole or not plan.replicas:
        return tuple(found)
    floor = request.objective.min_tokens_per_second
    if below(rate, floor):
        found.append(f"the plan gives {text(rate)} tokens/s, at least {text(floor)} are needed")
    precisions = tuple(_precision(request, entry.layout) for entry in plan.replicas)
    wanted = money.actuals(request, cost, rate, tuple(each for each in precisions if each is not None))
    found.extend(money.gate_violations(wanted, gates))
    found.extend(money.state_violations(request, wanted, plan))
    return tuple(found)


def layers_of(request: Request) -> int | None:
    """Decoder layers to cover; None when neither an architecture nor a config-dir says."""
    if isinstance(request.performance, FixedEfficiency):
        return request.performance.layers
    return request.architecture.layers if request.architecture is not None else None


def layout_figures(request: Request, layout: Layout) -> Figures:
    """Recompute rate and latencies of one layout whose structure is sound, with what forbids it."""
    precision = _precision(request, layout)
    if precision is None:
        names = ", ".join(each.name for each in request.precisions)
        return Figures(violations=[f"the precision is {layout.precision}, the request has {names}"])
    match request.performance:
        case FixedEfficiency() as model:
            return fixed.figures(request, model, layout, precision)
        case Measured() as model:
            return measured.figures(request, model, layout)
        case Analytic():
            return analytic.figures(request, layout, precision)


def _share_violations(plan: Plan) -> tuple[str, ...]:
    if not plan.replicas:
        return ("the plan has no replica",)
    found = [f"a layout has {entry.count} replicas, at least 1 is needed" for entry in plan.replicas if entry.count < 1]
    found += [
        f"a layout has {text(entry.weight)} of the traffic, a share is 0 to 1"
        for entry in plan.replicas
        if not 0 <= entry.weight <= 1
    ]
    total = sum(entry.weight for entry in plan.replicas)
    if not same(total, 1.0):
        found.append(f"the traffic shares sum to {text(total)}, they should sum to 1")
    return tuple(found)


def _check_layout(request: Request, layout: Layout) -> tuple[list[str], float | None, float | None]:
    """Violations of one layout, its cost per hour and its tokens/s; None where these cannot be worked out."""
    found = [
        *structure.layer_violations(layout.stages, layers_of(request)),
        *structure.stage_violations(request, layout.stages),
        *structure.runtime_violations(request, layout.stages),
        *_minimum_violations(request, layout),
    ]
    if layout.max_concurrency < 1:
        found.append(f"the concurrency is {layout.max_concurrency}, at least 1 is needed")
    stated = request.workload.concurrency
    if stated is not None and layout.max_concurrency != stated:
        found.append(f"the concurrency is {layout.max_concurrency}, the request sets {stated}")
    pools = structure.pools_by_name(request)
    sound = layout.stages and all(stage.pool in pools and stage.layers > 0 for stage in layout.stages)
    if not sound:
        return found, None, None
    cost = money.cost_per_hour(request, layout)
    if cost is not None:
        found.extend(differs("the cost per hour", layout.cost_per_hour, cost))
    figures = layout_figures(request, layout)
    found.extend(figures.violations)
    if figures.tokens_per_second is not None:
        rate = figures.tokens_per_second
        found.extend(differs("tokens/s", layout.tokens_per_second, rate))
        requests = rate / request.workload.tokens_per_request
        found.extend(differs("requests/s", layout.requests_per_second, requests))
        found.extend(_latency_violations(request, layout, figures))
    return found, cost, figures.tokens_per_second


def _minimum_violations(request: Request, layout: Layout) -> tuple[str, ...]:
    """The least layers of a stage; the config-dir format has its own rule, and layers may be unknown."""
    if isinstance(request.performance, FixedEfficiency) or layers_of(request) is None:
        return ()
    least = max(1, request.parallelism.min_layers_per_stage)
    return tuple(
        f"stage {number} holds {stage.layers} layers, at least {least} are needed"
        for number, stage in enumerate(layout.stages)
        if stage.layers < least
    )


def _latency_violations(request: Request, layout: Layout, figures: Figures) -> tuple[str, ...]:
    found: list[str] = []
    for name, got, want, target in (
        ("TTFT in seconds", layout.ttft_seconds, figures.ttft_seconds, request.slo.ttft_seconds),
        ("TPOT in seconds", layout.tpot_seconds, figures.tpot_seconds, request.slo.tpot_seconds),
    ):
        found.extend(differs(name, got, want))
        if target is None:
            continue
        if want is None:
            found.append(f"{name} is not known, the target is {text(target)}")
        elif exceeds(want, target):
            found.append(f"{name} is {text(want)}, the target is {text(target)}")
    return tuple(found)


def _precision(request: Request, layout: Layout) -> Precision | None:
    return next((each for each in request.precisions if each.name == layout.precision), None)
