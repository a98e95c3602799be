"""Hypothesis strategies: tiny fleets, as numbers and as snapshots, with ties, shortage and odd groups."""

from dataclasses import dataclass, replace
from math import inf

from hypothesis import strategies as st

from placewright.core.fleet.problem import Ask, Offer
from placewright.core.model import (
    Analytic,
    Billing,
    Ceiling,
    Gates,
    Measurement,
    Parallelism,
    Pool,
    ReplicaBounds,
    Request,
    Slo,
    Snapshot,
    TrafficClass,
)
from tests.support.builders import EIGHT_BILLION
from tests.support.fleet_oracle import answers
from tests.support.fleets import SIZES, a_fleet_request, row, shared_pool, traffic

COSTS = (0.5, 1.0, 1.0, 1.2, 2.0, 2.5, 3.7, 4.0, 8.0)
RATES = (0.7, 1.0, 1.0, 2.0, 2.5, 3.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A problem as it is written down."""

    asks: tuple[Ask, ...]
    capacity: tuple[float, ...]


@st.composite
def offers(draw: st.DrawFn, classes: int, rows: int) -> Offer:
    """One or two rows of GPUs, sometimes a row of dollars; an offer may be of no use to some classes."""
    used = draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=2, unique=True))
    rates = [draw(st.sampled_from((0.0, *RATES) if classes > 1 else RATES)) for _ in range(classes)]
    if not any(rates):
        rates[0] = 1.0
    cost = draw(st.sampled_from(COSTS))
    return Offer(
        cost_per_hour=cost,
        rates=tuple(rates),
        uses=tuple((row, float(draw(st.sampled_from((1, 1, 2, 4, 8))))) for row in sorted(used)),
        copies=draw(st.sampled_from((1, 1, 1, 2, 3))),
        value=draw(st.sampled_from((None, None, cost * 0.9, cost * 3))),
    )


@st.composite
def asks(draw: st.DrawFn, key: str, rows: int, *, most_classes: int) -> Ask:
    """One ask; its present plan is one of its own answers, so that it serves the demand."""
    classes = draw(st.sampled_from((1, 1, most_classes)))
    demands = (0.5, 1.0, 2.0, 3.0) if classes > 1 else (0.5, 1.0, 2.0, 3.0, 4.5, 6.0)  # the oracle pays for each more
    least = draw(st.sampled_from((0, 0, 0, 1, 2, 3)))
    plain = Ask(
        key=key,
        demands=tuple(draw(st.sampled_from(demands)) for _ in range(classes)),
        offers=tuple(draw(st.lists(offers(classes, rows), min_size=1, max_size=5 - classes if classes > 1 else 4))),
        min_copies=least,
        max_copies=draw(st.sampled_from((None, None, max(1, least), least + 3))),
        max_cost_per_hour=draw(st.sampled_from((inf, inf, 4.0, 9.0))),
        refusal_value=draw(st.sampled_from((30.0, 75.0, 120.0, 200.0))),
        priority=draw(st.sampled_from((0, 0, 0, 1, 7))),
    )
    if draw(st.integers(0, 3)):
        return plain
    any_cost = answers(replace(plain, max_cost_per_hour=inf), rows)[1:]
    if not any_cost:
        return plain
    counts = draw(st.sampled_from(any_cost)).counts or ()
    standing = tuple((at, count) for at, count in enumerate(counts) if count)
    held = replace(plain, standing=standing, standing_only=draw(st.booleans()))
    return held if draw(st.booleans()) else _apart(held)


def _apart(ask: Ask) -> Ask:
    """The present plan as offers of its own, which nothing else may take: they serve no class."""
    own = tuple(
        replace(
            ask.offers[at],
            cost_per_hour=ask.offers[at].cost_per_hour * count,
            rates=tuple(0.0 for _ in ask.demands),
            uses=tuple((row, amount * count) for row, amount in ask.offers[at].uses),
            copies=ask.offers[at].copies * count,
            value=None,
        )
        for at, count in ask.standing
    )
    standing = tuple((len(ask.offers) + place, 1) for place in range(len(own)))
    return replace(ask, offers=(*ask.offers, *own), standing=standing)


@st.composite
def numbers(draw: st.DrawFn, *, most_asks: int = 4, most_classes: int = 2) -> Numbers:
    """One to four asks on one to three rows, mostly short."""
    rows = draw(st.integers(1, 3))
    names = draw(st.permutations("abcd"[: draw(st.integers(1, most_asks))]))
    return Numbers(
        asks=tuple(draw(asks(name, rows, most_classes=most_classes)) for name in names),
        capacity=tuple(float(draw(st.sampled_from((0, 2, 4, 8, 12, 40)))) for _ in range(rows)),
    )


# ------------------------------------------------------------------------------------------------------ snapshots

NODES = (2, 4, 4, 8, 8)
"""GPUs of a node."""


@st.composite
def shared_pools(draw: st.DrawFn, *, most: int = 2) -> tuple[Pool, ...]:
    """One or two pools of one to three nodes, some of which others use in part."""
    found = []
    for name in ("left", "right")[: draw(st.integers(1, most))]:
        size = draw(st.sampled_from(NODES))
        nodes = draw(st.integers(1, 3))
        rooms = sorted(
            (draw(st.sampled_from((size, size, size, max(1, size - 1), size // 2))) for _ in range(nodes)), reverse=True
        )
        found.append(
            shared_pool(
                name,
                gpu=draw(st.sampled_from(("L40S", "A100"))),
                nodes=nodes,
                gpus_per_node=size,
                rooms=draw(st.sampled_from((None, tuple(rooms)))),
                price_per_gpu_hour=draw(st.sampled_from((0.5, 1.0, 1.3, 4.0))),
                billing=draw(st.sampled_from((Billing.PER_GPU, Billing.PER_GPU, Billing.PER_NODE))),
            )
        )
    return tuple(found)


@st.composite
def measured_rows(draw: st.DrawFn, pools: tuple[Pool, ...], classes: tuple[str, ...]) -> tuple[Measurement, ...]:
    """One to three configurations; larger groups are faster, for each GPU by another factor."""
    degrees = st.sampled_from((1, 1, 2, 2, 3, 4))
    stages = st.sampled_from((1, 1, 1, 2))
    kinds = [
        *((pool.gpu.name, draw(degrees), draw(stages)) for pool in pools),
        *draw(st.lists(st.tuples(st.sampled_from(("L40S", "A100")), degrees, stages), max_size=2)),
    ]
    rows = []
    for gpu, tensor, pipeline in sorted(set(kinds)):
        for name in classes:
            if draw(st.integers(0, 7)):
                speed = draw(st.sampled_from((1.0, 1.5, 2.0))) * tensor * pipeline
                latency = draw(st.sampled_from((0.2, 0.5, 0.9)))
                rows.append(row(gpu, name, speed, tensor=tensor, pipeline_parallel=pipeline, ttft_seconds=latency))
    return tuple(rows) or (row(pools[0].gpu.name, classes[0], 1.0),)


@st.composite
def gates_on_money(draw: st.DrawFn) -> Gates:
    if draw(st.integers(0, 4)):
        return Gates()
    return Gates(
        max_cost_per_hour=draw(st.sampled_from((None, 1.0, 4.0, 9.0))),
        max_cost_per_million_tokens=draw(st.sampled_from((None, 0.1, 0.3, 1.0))),
    )


@st.composite
def fleet_requests(
    draw: st.DrawFn, name: str, pools: tuple[Pool, ...], *, most_classes: int = 2, demand: bool = True
) -> Request:
    """A request of one or two classes on one or all of the pools, with small demands."""
    names = draw(st.permutations(sorted(SIZES)))[: draw(st.integers(1, most_classes))]
    slo = st.sampled_from((None, None, None, Slo(ttft_seconds=0.6)))
    classes: list[TrafficClass] = [
        traffic(each, draw(st.sampled_from((0.5, 1.0, 2.0, 3.5, 5.0))), draw(slo)) for each in names
    ]
    least = draw(st.sampled_from((0, 0, 0, 1, 2)))
    chosen = draw(st.sampled_from((pools, pools, pools[:1], pools[-1:])))
    return a_fleet_request(
        name,
        draw(st.permutations(chosen)),
        draw(measured_rows(pools, ("chat", *names))),
        classes if demand else (),
        namespace=draw(st.sampled_from(("serving", "batch"))),
        priority=draw(st.sampled_from((0, 0, 0, 5))),
        replicas=draw(st.sampled_from((ReplicaBounds(), ReplicaBounds(min=least, max=max(least, 3))))),
        gates=draw(gates_on_money()),
    )


@st.composite
def _any_request(draw: st.DrawFn, name: str, pools: tuple[Pool, ...]) -> Request:
    """Measured or predicted, with a demand or without."""
    request = draw(fleet_requests(name, pools, demand=draw(st.booleans())))
    if draw(st.integers(0, 2)):
        return request
    few = draw(st.sampled_from((1, 1, 20)))
    classes = tuple(
        replace(each, requests_per_second=few * each.requests_per_second, slo=None) for each in request.workload.classes
    )
    return replace(
        request,
        architecture=EIGHT_BILLION,
        performance=Analytic(),
        workload=replace(request.workload, classes=classes, concurrency=draw(st.sampled_from((None, None, 16)))),
        slo=draw(st.sampled_from((Slo(), Slo(tpot_seconds=0.05)))),
        parallelism=Parallelism(max_pipeline=2),
    )


@st.composite
def snapshots(
    draw: st.DrawFn, *, most: int = 3, most_classes: int = 2, ceilings: bool = True, demandless: bool = False
) -> Snapshot:
    """One to three requests on shared pools that are mostly too small for all of them.

    With `demandless` some have no demand, and some are predicted in place of measured.
    """
    pools = draw(shared_pools())
    names = draw(st.permutations("xyz"[: draw(st.integers(1, most))]))
    limits = st.sampled_from((2.0, 5.0, 9.0))
    kept = [
        Ceiling(policy="policy", namespace=namespace, max_cost_per_hour=draw(limits))
        for namespace in (None, "serving")
        if ceilings and not draw(st.integers(0, 3))
    ]
    return Snapshot(
        requests=tuple(
            draw(_any_request(name, pools) if demandless else fleet_requests(name, pools, most_classes=most_classes))
            for name in names
        ),
        pools=draw(st.permutations(pools).map(tuple)),
        ceilings=tuple(kept),
    )
