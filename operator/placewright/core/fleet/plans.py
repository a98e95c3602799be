"""From what a request takes to its plan: layouts, copies, and how its traffic is split."""

from collections.abc import Sequence

import numpy as np
from ortools.math_opt.python import mathopt

from placewright.core.fleet.asks import Bundle, Case, classes_of
from placewright.core.fleet.candidates import Candidate
from placewright.core.fleet.rows import cost_of
from placewright.core.identity import plan_id
from placewright.core.model import Layout, Plan, PlanState, Replicas, Request
from placewright.core.performance.base import FloatArray

Held = tuple[tuple[Candidate, int], ...]  # copies of each layout

_DIGITS = 9  # of a share: what a gateway can use, and more than a solver's last bits


def held_of(bundles: Sequence[tuple[Bundle, int]]) -> Held:
    """Copies of each layout, in a fixed order."""
    copies: dict[Candidate, int] = {}
    for bundle, count in bundles:
        copies[bundle.candidate] = copies.get(bundle.candidate, 0) + bundle.copies * count
    return tuple(sorted(copies.items(), key=lambda entry: _order(entry[0])))


def _order(candidate: Candidate) -> tuple[object, ...]:
    stages = tuple((s.pool, s.tensor_parallel, s.first_layer) for s in candidate.stages)
    return candidate.groups, candidate.precision, candidate.max_concurrency, stages


def shares_of(request: Request, held: Held) -> tuple[FloatArray, float] | None:
    """How each class is split over the layouts, shape (layouts, classes), and the largest load (1: full).

    The split that leaves the busiest replica with the most room. None: a class can be served by no layout.
    """
    rates = np.array([candidate.rates for candidate, _ in held], dtype=np.float64)
    copies = np.array([count for _, count in held], dtype=np.float64)
    demand = np.array([each.requests_per_second for each in request.workload.classes])
    if not (rates > 0).any(axis=0).all():
        return None
    if len(demand) == 1:
        room = rates[:, 0] * copies
        shares = _rounded((room / room.sum())[:, None])
        return shares, float(demand[0] / room.sum())
    model = mathopt.Model()
    busiest = model.add_variable(lb=0.0)
    share = {(k, c): model.add_variable(lb=0.0) for k, c in zip(*np.nonzero(rates > 0), strict=True)}
    for c in range(len(demand)):
        model.add_linear_constraint(mathopt.LinearSum(v for (_, own), v in share.items() if own == c) == 1.0)
    for k in range(len(held)):
        load = mathopt.LinearSum(
            float(demand[c] / rates[k, c] / copies[k]) * v for (own, c), v in share.items() if own == k
        )
        model.add_linear_constraint(load <= busiest)
    model.minimize(busiest)
    result = mathopt.solve(model, mathopt.SolverType.GLOP, params=mathopt.SolveParameters(threads=1, random_seed=0))
    if not result.has_primal_feasible_solution():
        return None
    values = result.variable_values()
    shares = np.zeros_like(rates)
    for (k, c), variable in share.items():
        shares[k, c] = values[variable]
    shares = _rounded(shares)
    load = (shares * demand / np.where(rates > 0, rates, 1.0)).sum(axis=1) / copies
    return shares, float(load.max())


def _rounded(shares: FloatArray) -> FloatArray:
    """Shares to a few digits that still add up: the largest of each class takes what rounding leaves."""
    result: FloatArray = np.round(np.clip(shares, 0.0, 1.0), _DIGITS).astype(np.float64)
    for c in range(result.shape[1]):
        largest = int(result[:, c].argmax())
        result[largest, c] += 1.0 - result[:, c].sum()
    return result


def serves(request: Request, held: Held) -> bool:
    """Whether these copies have room for the whole demand."""
    split = shares_of(request, held)
    return split is not None and split[1] <= 1 + 1e-6


def make_replicas(case: Case, held: Held) -> tuple[Replicas, ...] | None:
    """The entries of a plan, largest share of traffic first; None: the copies cannot serve every class."""
    request = case.request
    if not case.has_demand:
        entries = [
            Replicas(layout=layout_of(case, candidate, count, None), count=count, weight=1.0 / len(held))
            for candidate, count in held
        ]
        return tuple(entries)
    split = shares_of(request, held)
    if split is None:
        return None
    shares, _ = split
    demand = np.array([each.requests_per_second for each in request.workload.classes])
    weights = _rounded(((shares * demand).sum(axis=1) / demand.sum())[:, None])[:, 0]
    several = len(demand) > 1
    entries = [
        Replicas(
            layout=layout_of(case, candidate, count, row),
            count=count,
            weight=float(weight),
            class_weights=tuple(float(each) for each in row) if several else (),
        )
        for (candidate, count), row, weight in zip(held, shares, weights, strict=True)
    ]
    return tuple(sorted(entries, key=lambda entry: -entry.weight))


def layout_of(case: Case, candidate: Candidate, copies: int, shares: FloatArray | None) -> Layout:
    """A layout with the figures of one of its copies at the traffic that comes to it.

    Args:
        case: whose layout.
        candidate: the layout.
        copies: of it; they share whole nodes where these are billed.
        shares: (classes,) of each class that comes here; None, or nothing at all: the mix of the demand.
    """
    request = case.request
    classes = classes_of(request)
    arriving = [each.requests_per_second for each in classes] if case.has_demand else [1.0] * len(classes)
    routed = [amount if rate > 0 else 0.0 for amount, rate in zip(arriving, candidate.rates, strict=True)]
    if shares is not None:
        own = [float(share) * amount for share, amount in zip(shares, arriving, strict=True)]
        routed = own if any(amount > 0 for amount in own) else routed
    used = [c for c, amount in enumerate(routed) if amount > 0]
    load = sum(routed[c] / candidate.rates[c] for c in used)
    tokens = sum(
        routed[c] * request.workload.tokens_of(classes[c].input_tokens, classes[c].output_tokens) for c in used
    )
    return Layout(
        stages=candidate.stages,
        precision=candidate.precision,
        max_concurrency=candidate.max_concurrency,
        cost_per_hour=cost_of(case.pools, candidate.groups, copies) / copies,
        tokens_per_second=tokens / load,
        requests_per_second=sum(routed[c] for c in used) / load,
        ttft_seconds=_worst([candidate.ttft_seconds[c] for c in used]),
        tpot_seconds=_worst([candidate.tpot_seconds[c] for c in used]),
    )


def _worst(seconds: Sequence[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return max(known) if len(known) == len(seconds) else None


def make_plan(case: Case, replicas: tuple[Replicas, ...], *, blocked: bool) -> Plan:
    """The plan of a request, to be used unless a gate blocks it."""
    state = PlanState.BLOCKED if blocked else PlanState.APPROVED
    return Plan(
        id=plan_id(replicas, state),
        state=state,
        replicas=replicas,
        demand_tokens_per_second=case.request.workload.tokens_per_second if case.has_demand else None,
    )
