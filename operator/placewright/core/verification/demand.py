"""A plan that serves a demand: who gets which share of which class, and whether the replicas carry it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from placewright.core.model import Layout, Plan, Replicas, Request, Slo, Workload
from placewright.core.verification.figures import Figures
from placewright.core.verification.layout import layout_figures
from placewright.core.verification.numbers import below, differs, exceeds, same, text

SHARE_TOLERANCE = 1e-8
"""Shares have nine digits, which is more than a gateway tells apart; what follows from them is right to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One class: requests/s that come, tokens that count in each, and the request as if there were no other class.

    `mixed` when there are other classes, so that the figures of a layout are not those of this class.
    """

    name: str
    demand: float
    tokens: int
    alone: Request
    mixed: bool

    @property
    def slo(self) -> Slo:
        """The latency targets of the class."""
        return self.alone.slo

    def figures(self, layout: Layout) -> Figures:
        """What a replica of the layout does with this class alone."""
        return layout_figures(self.alone, layout, mixed=self.mixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an entry does at the mix that is routed to it; None: no such figure.

    Attributes:
        load: replicas that the traffic keeps busy.
        tokens_per_second, requests_per_second: of one replica at full load.
        ttft_seconds, tpot_seconds: the worst class.
    """

    load: float
    tokens_per_second: float
    requests_per_second: float
    ttft_seconds: float | None
    tpot_seconds: float | None


def traffic_of(request: Request) -> tuple[Traffic, ...]:
    """The classes in the order of their names, which is that of `class_weights`."""
    work = request.workload
    longest = max((each.input_tokens + each.output_tokens for each in work.classes), default=0)
    return tuple(
        Traffic(
            name=each.name,
            demand=each.requests_per_second,
            tokens=work.tokens_of(each.input_tokens, each.output_tokens),
            alone=replace(
                request,
                workload=Workload(
                    input_tokens=each.input_tokens,
                    output_tokens=each.output_tokens,
                    token_basis=work.token_basis,
                    concurrency=work.concurrency,
                ),
                slo=request.slo if each.slo is None else each.slo,
                max_model_len=request.max_model_len or longest,  # one server takes the sequences of all classes
            ),
            mixed=len(work.classes) > 1,
        )
        for each in sorted(work.classes, key=lambda each: each.name)
    )


def tokens_per_second(traffic: Sequence[Traffic]) -> float:
    """Demand of all classes in tokens that count."""
    return sum(each.demand * each.tokens for each in traffic)


def shares_of(entry: Replicas, classes: int) -> tuple[float, ...]:
    """Share of each class that comes to the entry; a single class may leave it to the weight."""
    return (entry.weight,) if classes == 1 and not entry.class_weights else entry.class_weights


def routing_violations(traffic: Sequence[Traffic], plan: Plan) -> tuple[str, ...]:
    """All of each class is routed, and the weights are the shares of all requests that follow from it."""
    wanted = tokens_per_second(traffic) if traffic else None
    found = list(differs("the demand in tokens/s", plan.demand_tokens_per_second, wanted))
    if not traffic:
        return (
            *found,
            *(
                f"entry {number} has {len(entry.class_weights)} class weights, the request has no classes"
                for number, entry in enumerate(plan.replicas)
                if entry.class_weights
            ),
        )
    whole = sum(each.demand for each in traffic)
    if not whole > 0:
        return (*found, f"the classes come {text(whole)} times a second, a plan is for more than 0")
    routed = [shares_of(entry, len(traffic)) for entry in plan.replicas]
    for number, (entry, shares) in enumerate(zip(plan.replicas, routed, strict=True)):
        if len(shares) != len(traffic):
            found.append(f"entry {number} has {len(shares)} class weights, the request has {len(traffic)} classes")
            continue
        found += [
            f"entry {number} has {text(share)} of class {each.name}, a share is 0 to 1"
            for each, share in zip(traffic, shares, strict=True)
            if not share >= 0 or exceeds(share, 1.0)
        ]
        weight = sum(each.demand * share for each, share in zip(traffic, shares, strict=True)) / whole
        if not abs(entry.weight - weight) <= SHARE_TOLERANCE:
            found.extend(differs(f"entry {number}: the weight", entry.weight, weight))
    if any(len(shares) != len(traffic) for shares in routed):
        return tuple(found)
    for place, each in enumerate(traffic):
        total = sum(shares[place] for shares in routed)
        if not same(total, 1.0):
            found.append(f"the shares of class {each.name} sum to {text(total)}, they should sum to 1")
    return tuple(found)


def entry_violations(traffic: Sequence[Traffic], entry: Replicas) -> tuple[list[str], Carried | None]:
    """The entry's replicas carry what is routed to them within each class's targets, and its figures are right."""
    shares = shares_of(entry, len(traffic))
    if len(shares) != len(traffic):
        return [], None  # told by the routing
    found: list[str] = []
    routed: list[tuple[Traffic, float, Figures]] = []
    for each, share in zip(traffic, shares, strict=True):
        if share <= 0:
            continue
        figures = each.figures(entry.layout)
        late = latency_violations(figures, each.slo)
        found += [f"class {each.name}: {line}" for line in (*figures.violations, *late)]
        routed.append((each, each.demand * share, figures))
    idle = not routed
    if idle:
        routed = [(each, each.demand, figures) for each, figures in _servable(traffic, entry.layout)]
        if not routed:
            return ["an entry without traffic can serve no class"], None
    carried = _carried(routed)
    if carried is None:
        return found, None
    if not idle and exceeds(carried.load, entry.count * (1 + 100 * SHARE_TOLERANCE)):
        found.append(f"the traffic keeps {text(carried.load)} replicas busy, there are {entry.count}")
    layout = entry.layout
    found += [
        *differs("tokens/s", layout.tokens_per_second, carried.tokens_per_second),
        *differs("requests/s", layout.requests_per_second, carried.requests_per_second),
        *differs("TTFT in seconds", layout.ttft_seconds, carried.ttft_seconds),
        *differs("TPOT in seconds", layout.tpot_seconds, carried.tpot_seconds),
    ]
    return found, carried


def latency_violations(figures: Figures, slo: Slo) -> tuple[str, ...]:
    """Recomputed latencies against their targets."""
    found: list[str] = []
    for name, have, target in (
        ("TTFT in seconds", figures.ttft_seconds, slo.ttft_seconds),
        ("TPOT in seconds", figures.tpot_seconds, slo.tpot_seconds),
    ):
        if target is None:
            continue
        if have is None:
            found.append(f"{name} is not known, the target is {text(target)}")
        elif exceeds(have, target):
            found.append(f"{name} is {text(have)}, the target is {text(target)}")
    return tuple(found)


def _servable(traffic: Sequence[Traffic], layout: Layout) -> list[tuple[Traffic, Figures]]:
    """The classes that the layout could serve within their targets, not slower than the objective's floor."""
    judged = [(each, each.figures(layout)) for each in traffic]
    return [
        (each, figures)
        for each, figures in judged
        if not figures.violations
        and not latency_violations(figures, each.slo)
        and not below(figures.tokens_per_second or 0.0, each.alone.objective.min_tokens_per_second)
    ]


def _carried(routed: Sequence[tuple[Traffic, float, Figures]]) -> Carried | None:
    """Figures at a mix of (class, requests/s); None when the rate of a class cannot be worked out."""
    load = 0.0
    for each, requests, figures in routed:
        if figures.tokens_per_second is None or not figures.tokens_per_second > 0:
            return None
        load += requests * each.tokens / figures.tokens_per_second
    if not load > 0:
        return None
    return Carried(
        load=load,
        tokens_per_second=sum(requests * each.tokens for each, requests, _ in routed) / load,
        requests_per_second=sum(requests for _, requests, _ in routed) / load,
        ttft_seconds=_worst([figures.ttft_seconds for _, _, figures in routed]),
        tpot_seconds=_worst([figures.tpot_seconds for _, _, figures in routed]),
    )


def _worst(seconds: Sequence[float | None]) -> float | None:
    """The largest; None when one is not known."""
    known = [each for each in seconds if each is not None]
    return max(known) if len(known) == len(seconds) else None


def bounds_violations(request: Request, plan: Plan) -> tuple[str, ...]:
    """Replicas of all layouts together keep the bounds; without a demand there are just enough of one layout."""
    copies = sum(entry.count for entry in plan.replicas)
    least, most = request.replicas.min, request.replicas.max
    if not request.workload.classes:
        due = max(1, least)
        found = [f"the plan has {copies} replicas, without a demand it has {due}"] if copies != due else []
        if len(plan.replicas) > 1:
            found.append(f"the plan has {len(plan.replicas)} layouts, without a demand it has one")
        return tuple(found)
    found = [f"the plan has {copies} replicas, at least {least} are needed"] if copies < least else []
    if most is not None and copies > most:
        found.append(f"the plan has {copies} replicas, the request allows {most}")
    return tuple(found)


def floor_violations(request: Request, rate: float) -> tuple[str, ...]:
    """Capacity is not under the floor that the objective sets."""
    floor = request.objective.min_tokens_per_second
    return (f"the plan gives {text(rate)} tokens/s, at least {text(floor)} are needed",) if below(rate, floor) else ()
