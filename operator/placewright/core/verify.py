"""Independent checker of every plan before anyone sees it.

Everything is worked out again from first principles in plain scalar Python. No code is shared with the solvers, the
gates or the performance models: only the values of `core.model` and the fitted constants of the analytic model.
`verification.fleet` checks the plans of many requests together.
"""

import re
from dataclasses import replace

from placewright.core.model import (
    GateOutcome,
    Gates,
    Layout,
    Plan,
    PlanState,
    ReplicaBounds,
    Replicas,
    Request,
    Slo,
)
from placewright.core.verification import demand, money, stock
from placewright.core.verification.layout import (
    is_sound,
    layers_of,
    layout_figures,
    precision_of,
    structure_violations,
)
from placewright.core.verification.numbers import differs, same, text

__all__ = ["layers_of", "layout_figures", "verify", "verify_kept"]


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
    traffic = demand.traffic_of(request)
    if plan.replicas:
        found.extend(demand.routing_violations(traffic, plan))
        found.extend(demand.bounds_violations(request, plan) if request.in_fleet else ())
    cost = rate = 0.0
    whole = bool(plan.replicas)
    for entry in plan.replicas:
        lines, entry_cost, entry_rate = _check_entry(request, traffic, entry)
        found.extend(lines)
        if entry_cost is None or entry_rate is None:
            whole = False
            continue
        cost += entry_cost
        rate += entry_rate
    found.extend(stock.stock_violations(request, plan))
    if not whole:
        return tuple(found)
    found.extend(demand.floor_violations(request, rate))
    served = demand.tokens_per_second(traffic) if traffic else rate
    precisions = tuple(precision_of(request, entry.layout) for entry in plan.replicas)
    wanted = money.actuals(request, cost, served, tuple(each for each in precisions if each is not None))
    found.extend(money.gate_violations(request, wanted, gates))
    found.extend(money.state_violations(request, wanted, plan))
    return tuple(found)


def verify_kept(request: Request, plan: Plan, gates: tuple[GateOutcome, ...] = ()) -> tuple[str, ...]:
    """Recompute a plan that is kept although it may miss limits, latency targets, replica bounds or the demand.

    Its structure, figures, cost and stock must be right all the same, and its gates be told as they are.
    """
    load = request.workload
    classes = tuple(
        replace(each, slo=None, requests_per_second=each.requests_per_second * _HARDLY_ANY) for each in load.classes
    )
    mild = replace(
        request,
        gates=Gates(),
        slo=Slo(),
        workload=replace(load, classes=classes),
        replicas=ReplicaBounds() if classes else ReplicaBounds(min=sum(entry.count for entry in plan.replicas)),
        objective=replace(request.objective, min_tokens_per_second=0.0),
    )
    traffic = demand.traffic_of(request)
    wanted_tokens = demand.tokens_per_second(traffic) if traffic else None
    found = list(differs("the demand in tokens/s", plan.demand_tokens_per_second, wanted_tokens))
    scaled = None if wanted_tokens is None else wanted_tokens * _HARDLY_ANY
    found += verify(mild, replace(plan, demand_tokens_per_second=scaled), ())
    rate = sum(entry.count * entry.layout.tokens_per_second for entry in plan.replicas)
    precisions = tuple(precision_of(request, entry.layout) for entry in plan.replicas)
    wanted = money.actuals(
        request,
        plan.cost_per_hour,
        rate if wanted_tokens is None else wanted_tokens,
        tuple(each for each in precisions if each is not None),
    )
    found.extend(money.gate_violations(request, wanted, gates))
    if plan.state is not PlanState.APPROVED:
        found.append(f"the plan is {plan.state}, a plan that is kept is {PlanState.APPROVED}")
    return tuple(found)


_HARDLY_ANY = 1e-9
"""Share of the demand that any replica carries, with the same mix of classes."""


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


def _check_entry(
    request: Request, traffic: tuple[demand.Traffic, ...], entry: Replicas
) -> tuple[list[str], float | None, float | None]:
    """Violations of one entry, cost per hour and tokens/s of its copies; None where these cannot be worked out."""
    layout = entry.layout
    found = structure_violations(request, layout)
    if not is_sound(request, layout):
        return found, None, None
    cost = stock.entry_cost_per_hour(request, entry)
    if cost is not None and entry.count > 0:
        found.extend(differs("the cost per hour", layout.cost_per_hour, cost / entry.count))
    if traffic:
        lines, carried = demand.entry_violations(traffic, entry)
        rate = None if carried is None else carried.tokens_per_second
    else:
        lines, rate = _check_figures(request, layout)
    return found + lines, cost, None if rate is None else entry.count * rate


def _check_figures(request: Request, layout: Layout) -> tuple[list[str], float | None]:
    """Violations of the figures of a layout that is sized for one kind of request, and its tokens/s."""
    figures = layout_figures(request, layout)
    found = list(figures.violations)
    rate = figures.tokens_per_second
    if rate is not None:
        found += [
            *differs("tokens/s", layout.tokens_per_second, rate),
            *differs("requests/s", layout.requests_per_second, rate / request.workload.tokens_per_request),
            *differs("TTFT in seconds", layout.ttft_seconds, figures.ttft_seconds),
            *differs("TPOT in seconds", layout.tpot_seconds, figures.tpot_seconds),
            *demand.latency_violations(figures, request.slo),
        ]
    return found, rate
