"""Present plans: whether they still hold, why not, and what a better one must offer (planning.md section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from placewright.core import gates
from placewright.core.fleet.asks import Bundle, Case, make_ask, tokens_per_second, values_of
from placewright.core.fleet.candidates import Candidate, candidate_of
from placewright.core.fleet.plans import Held, serves
from placewright.core.fleet.problem import Ask, Offer
from placewright.core.fleet.rows import Rows, cost_of
from placewright.core.model import MoveReason, OnViolation, Present, Slo

_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A present plan looked at today.

    Attributes:
        present: as observed.
        held: its layouts with today's figures; empty when it does not hold.
        cost_per_hour: at today's prices.
        broken: why it does not hold; None: it does.
    """

    present: Present
    held: Held
    cost_per_hour: float
    broken: MoveReason | None


def look_at(case: Case, present: Present, rows: Rows) -> Standing:
    """Whether a present plan still holds by itself; whether all fit together is `released`'s business."""
    found: list[tuple[Candidate, int]] = []
    for entry in present.replicas:
        layout = entry.layout
        candidate = candidate_of(case.request, layout.stages, layout.precision, layout.max_concurrency)
        if candidate is None:
            return _broken(present, _why(case, present))
        found.append((candidate, entry.count))
    held = tuple(found)
    cost = sum(cost_of(case.pools, candidate.groups, count) for candidate, count in held)
    return Standing(present=present, held=held, cost_per_hour=cost, broken=_fault(case, held, cost, rows))


def _broken(present: Present, reason: MoveReason) -> Standing:
    return Standing(present=present, held=(), cost_per_hour=present.cost_per_hour, broken=reason)


def _why(case: Case, present: Present) -> MoveReason:
    """Why a layout of the present plan is no candidate any more."""
    names = {stage.pool for entry in present.replicas for stage in entry.layout.stages}
    priced = {name for name, pool in case.pools.items() if pool.price_per_gpu_hour is not None}
    if names - priced:
        return MoveReason.STOCK_GONE if names - set(case.pools) else MoveReason.SPEC_CHANGED
    workload = case.request.workload
    classes = tuple(replace(each, slo=None) for each in workload.classes)
    relaxed = replace(case.request, slo=Slo(), workload=replace(workload, classes=classes))
    still = all(
        candidate_of(relaxed, entry.layout.stages, entry.layout.precision, entry.layout.max_concurrency)
        for entry in present.replicas
    )
    return MoveReason.SLO_BROKEN if still else MoveReason.SPEC_CHANGED


def _fault(case: Case, held: Held, cost: float, rows: Rows) -> MoveReason | None:
    fault = _demand_fault(case, held) if case.has_demand else _copies_fault(case, held)
    if fault is not None:
        return fault
    if cost > case.max_cost_per_hour * (1 + 1e-9) or not case.bundles:
        return MoveReason.GATE_FAILS
    used = usage_of(case, held, rows)
    over = {row for row, amount in used.items() if amount > rows.capacity[row] * (1 + 1e-9)}
    if over:
        return MoveReason.GATE_FAILS if over <= {row for _, row in rows.ceilings} else MoveReason.STOCK_GONE
    return None


def _demand_fault(case: Case, held: Held) -> MoveReason | None:
    copies, bounds = sum(count for _, count in held), case.request.replicas
    if copies < bounds.min or (bounds.max is not None and copies > bounds.max):
        return MoveReason.SPEC_CHANGED
    if not all(any(candidate.rates[c] > 0 for candidate, _ in held) for c in range(len(held[0][0].rates))):
        return MoveReason.SLO_BROKEN
    return None if serves(case.request, held) else MoveReason.DEMAND_CHANGED


def _copies_fault(case: Case, held: Held) -> MoveReason | None:
    """A request without demand: its copies, and its price per token, which is no sum that the solver limits."""
    candidate, count = held[0]
    if len(held) != 1 or count != case.copies:
        return MoveReason.SPEC_CHANGED
    limits = case.request.gates
    most = gates.cost_per_million_tokens_cap(limits)
    if most is None or limits.on_violation is not OnViolation.BLOCK:
        return None
    tokens = tokens_per_second(case.request, candidate) * count
    price = cost_of(case.pools, candidate.groups, count) / (tokens * _HOUR_SECONDS) * 1e6
    return MoveReason.GATE_FAILS if price > most * (1 + 1e-9) else None


def usage_of(case: Case, held: Held, rows: Rows) -> dict[int, float]:
    """What the layouts use of each row."""
    used: dict[int, float] = {}
    for candidate, count in held:
        cost = cost_of(case.pools, candidate.groups, count)
        for row, amount in rows.uses(case.request.namespace, case.keys, candidate.groups, count, cost):
            used[row] = used.get(row, 0.0) + amount
    return used


def released(cases: Mapping[str, Case], standing: Mapping[str, Standing], rows: Rows) -> dict[str, Standing]:
    """Present plans that hold together: where stock is short the least important ones are let go.

    Kept first are higher priorities, then larger plans: as few GPUs as possible move.
    """
    order = sorted(
        (key for key, each in standing.items() if each.broken is None),
        key=lambda key: (
            -cases[key].request.priority,
            -sum(candidate.gpus * count for candidate, count in standing[key].held),
            key,
        ),
    )
    left = list(rows.capacity)
    result = dict(standing)
    for key in order:
        used = usage_of(cases[key], standing[key].held, rows)
        if all(amount <= left[row] * (1 + 1e-9) + 1e-9 for row, amount in used.items()):
            for row, amount in used.items():
                left[row] -= amount
            continue
        short = {row for row, amount in used.items() if amount > left[row] * (1 + 1e-9) + 1e-9}
        gate = short <= {row for _, row in rows.ceilings}
        result[key] = replace(standing[key], broken=MoveReason.GATE_FAILS if gate else MoveReason.STOCK_GONE)
    return result


def ask_of(case: Case, standing: Standing | None, rows: Rows, refusal_value: float) -> tuple[Ask, tuple[Bundle, ...]]:
    """The ask of a case with its present plan, and what its offers stand for."""
    ask = make_ask(case, rows, refusal_value)
    if standing is None or standing.broken is not None:
        return ask, case.bundles
    bundles = list(case.bundles)
    offers = list(ask.offers)
    taken: list[tuple[int, int]] = []
    for candidate, count in standing.held:
        at = _offer_at(case, bundles, offers, candidate, count, rows)
        taken.append((at, 1))
    value = sum(offers[at].value or offers[at].cost_per_hour for at, _ in taken)
    own = len(ask.offers)
    limited = _limited(case, replace(ask, offers=tuple(offers)), standing, value, own)
    return replace(limited, standing=tuple(sorted(taken)), standing_only=standing.present.dwells), tuple(bundles)


def _offer_at(
    case: Case, bundles: list[Bundle], offers: list[Offer], candidate: Candidate, count: int, rows: Rows
) -> int:
    """Add the present copies of a layout as an offer that only the present plan takes."""
    cost = cost_of(case.pools, candidate.groups, count)
    bundle = Bundle(candidate=candidate, copies=count, cost_per_hour=cost)
    bundles.append(bundle)
    offers.append(
        Offer(
            cost_per_hour=cost,
            value=values_of(case, (bundle,))[0],
            rates=tuple(0.0 for _ in candidate.rates) if case.has_demand else (0.0,),  # not to be had otherwise
            uses=rows.uses(case.request.namespace, case.keys, candidate.groups, count, cost),
            copies=count,
        )
    )
    return len(offers) - 1


def _limited(case: Case, ask: Ask, standing: Standing, value: float, own: int) -> Ask:
    """Leave only what saves enough: the share that is asked for, and the loading of the new GPUs."""
    rules = case.request.stabilization
    horizon = max(rules.min_dwell_seconds, _HOUR_SECONDS)
    share = min(1.0 - rules.min_savings_percent / 100.0, 1.0 / (1.0 + rules.load_seconds / horizon))
    if case.has_demand:
        return replace(ask, max_cost_per_hour=min(ask.max_cost_per_hour, standing.cost_per_hour * share))
    offers = tuple(
        offer if at >= own or (offer.value or offer.cost_per_hour) <= value * share else replace(offer, rates=(0.0,))
        for at, offer in enumerate(ask.offers)
    )
    return replace(ask, offers=offers)
