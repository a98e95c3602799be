"""What a request would take with all the stock in the world to itself, and with a given stock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from placewright.core import layouts
from placewright.core.fleet.asks import Bundle, Case, make_ask, reference_tokens_per_second
from placewright.core.fleet.level import Level
from placewright.core.fleet.problem import Ask, make_problem
from placewright.core.fleet.rows import Rows
from placewright.core.fleet.solve import solve
from placewright.core.model import Billing
from placewright.core.outcome import Watch
from placewright.core.performance.choose import model_for

_NEVER = 1e12  # USD per hour: no plan costs as much

Taken = tuple[tuple[Bundle, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What a request takes whatever the stock.

    Attributes:
        value: least that the objective counts, at least; exact with one traffic class.
        taken: what costs that; None with several classes, where `best_within` finds it.
    """

    value: float
    taken: Taken | None


def all_alone(cases: Sequence[Case], rows: Rows) -> dict[str, Alone]:
    """Each case by itself, by key; those that nothing serves are absent."""
    asks = [make_ask(case, rows, _NEVER) for case in cases]
    free = [replace(ask, offers=tuple(replace(offer, uses=()) for offer in ask.offers)) for ask in asks]
    problem = make_problem(free, rows.capacity)
    count = problem.asks
    level = Level(
        problem=problem,
        asks=np.arange(count),
        counted=np.ones(count, dtype=np.int64),
        keeper=np.full(count, -1, dtype=np.int64),
        capacity=np.zeros(len(rows.capacity)),
    )
    _, chosen = level.price(np.zeros(len(rows.capacity)))
    by_key = {case.key: case for case in cases}
    found: dict[str, Alone] = {}
    for at, key in enumerate(problem.keys):
        if level.best[at] >= _NEVER:
            continue
        start, several = int(problem.ask_start[at]), len(by_key[key].request.workload.classes) > 1
        items = level.columns[chosen[at]].items
        taken = tuple((by_key[key].bundles[offer - start], times) for offer, times in items)
        found[key] = Alone(value=float(level.best[at]), taken=None if several else taken)
    return found


def best_within(case: Case, rows: Rows, capacity: Sequence[float] | None, refusal_value: float) -> Taken | None:
    """What a case takes when it has this capacity of the rows to itself (None: no limit); None: nothing fits."""
    ask = make_ask(case, rows, refusal_value)
    if capacity is None:
        free = replace(ask, key="", priority=0, offers=tuple(replace(offer, uses=()) for offer in ask.offers))
        taken = _free(free)
    else:
        taken = solve(make_problem([ask], capacity)).taken[0]
    return None if taken is None else tuple((case.bundles[offer], count) for offer, count in taken)


@lru_cache(maxsize=1024)
def _free(ask: Ask) -> tuple[tuple[int, int], ...] | None:
    """What an ask takes that stock does not limit; kept, since many ask the same, and the same again each time."""
    return solve(make_problem([ask], ())).taken[0]


def bound_of_mixed(case: Case, least: float, watch: Watch) -> float:
    """Least value of a case whose candidates are not all that there is.

    From the proved price of any layout; whatever the demand, each replica takes a GPU at least.
    """
    request = case.request
    total = 0.0
    for each in request.workload.classes or (None,):
        workload = replace(request.workload, classes=())
        slo = request.slo
        if each is not None:
            workload = replace(workload, input_tokens=each.input_tokens, output_tokens=each.output_tokens)
            slo = each.slo or slo
        asked = replace(request, workload=workload, slo=slo)
        found = layouts.search(
            asked, tuple(model_for(asked).settings(asked)), out_of_time=watch.out_of_time, frontier=False
        )
        price = found.bound_cost_per_million_tokens
        if price is None:
            return 0.0
        tokens = (
            each.requests_per_second * workload.tokens_per_request
            if each is not None
            else reference_tokens_per_second(case)
        )
        total += price / 1e6 * 3600.0 * tokens
    return min(max(total, _least_of_any(case)), least)


def _least_of_any(case: Case) -> float:
    """USD per hour that no replicas of a case with demand cost less than; 0 for one without, whose value is no cost."""
    copies = case.copies if case.has_demand else 0
    costs = [
        pool.price_per_gpu_hour * max(copies, pool.gpus_per_node if pool.billing is Billing.PER_NODE and copies else 0)
        for pool in case.pools.values()
        if pool.price_per_gpu_hour is not None
    ]
    return min(costs, default=0.0)


def pools_of(taken: Taken) -> tuple[str, ...]:
    """Pools that are taken from."""
    return tuple(sorted({pool for bundle, _ in taken for pool, _, _ in bundle.candidate.groups}))


def cost_of_taken(taken: Taken) -> float:
    """USD per hour."""
    return sum(bundle.cost_per_hour * count for bundle, count in taken)
