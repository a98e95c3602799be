"""How the decision about a fleet may move when the fleet moves: nothing here needs to know the right answer."""

from dataclasses import replace
from random import Random
from typing import TypeVar

from hypothesis import assume, given
from hypothesis import strategies as st

from placewright.core.fleet.components import combine, components, exceeded, joined, snapshot_hash
from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import Billing, FleetDecision, Gates, Measured, Pool, Request, Snapshot
from placewright.core.verification.fleet import verify_fleet
from tests.property.effort import share
from tests.property.fleet_strategies import snapshots
from tests.support import fleet_snapshot_oracle as oracle

T = TypeVar("T")

TOLERANCE = 1e-6
Levels = tuple[tuple[int, float], ...]


def decided(snapshot: Snapshot) -> FleetDecision:
    return decide_fleet(snapshot, clock=lambda: 0.0)


def with_pool(snapshot: Snapshot, changed: Pool) -> Snapshot:
    """Another pool of the same name, also where requests name it."""
    return replace(
        snapshot,
        pools=tuple(changed if pool.name == changed.name else pool for pool in snapshot.pools),
        requests=tuple(
            replace(request, pools=tuple(changed if pool.name == changed.name else pool for pool in request.pools))
            for request in snapshot.requests
        ),
    )


def placed(decision: FleetDecision) -> set[str]:
    return {each.request.name for each in decision.decisions if each.plan is not None}


def weighed(snapshot: Snapshot, decision: FleetDecision, weights: dict[str, float]) -> Levels:
    """Costs, and for who is refused a weight, by priority."""
    values = {request.priority: 0.0 for request in snapshot.requests}
    for each in decision.decisions:
        values[each.request.priority] += weights[each.request.name] if each.plan is None else each.plan.cost_per_hour
    return tuple(sorted(values.items(), reverse=True))


def no_worse(before: Levels, after: Levels) -> bool:
    """By the highest priority that differs."""
    for (_, old), (_, new) in zip(before, after, strict=True):
        if abs(old - new) > TOLERANCE * max(1.0, abs(old)):
            return new < old
    return True


def open_handed(snapshot: Snapshot) -> Snapshot:
    """Without gates and ceilings, and each request feasible by itself, so that its refusal has a weight."""
    requests = tuple(replace(request, gates=Gates()) for request in snapshot.requests)
    free = tuple(request for request in requests if oracle.options(request))
    assume(free)
    return replace(snapshot, requests=free, ceilings=())


def weights_of(snapshot: Snapshot) -> dict[str, float]:
    return {each.name: oracle.refusal(each) for each in snapshot.requests}


picks = st.integers(0, 7)


def picked(snapshot: Snapshot, pick: int) -> Pool:
    return snapshot.pools[pick % len(snapshot.pools)]


@share(0.5)
@given(snapshots(), picks, st.integers(1, 2))
def test_more_nodes_are_never_dearer(drawn: Snapshot, pick: int, more: int) -> None:
    """With the refusals weighed as they were before: more stock can also make the own cheapest plan cheaper."""
    snapshot = open_handed(drawn)
    pool = picked(snapshot, pick)
    rooms = None if pool.rooms is None else (*[pool.gpus_per_node] * more, *pool.rooms)
    larger = with_pool(snapshot, replace(pool, nodes=pool.nodes + more, rooms=rooms))
    before, after = decided(snapshot), decided(larger)
    assert verify_fleet(larger, after) == ()
    assert len(placed(after)) >= len(placed(before)) or len({each.priority for each in snapshot.requests}) > 1
    if weights_of(larger) == weights_of(snapshot):
        weights = weights_of(snapshot)
        assert no_worse(weighed(snapshot, before, weights), weighed(larger, after, weights))


@share(0.5)
@given(snapshots(), picks, st.sampled_from((0.5, 0.9)))
def test_a_lower_price_is_never_dearer(drawn: Snapshot, pick: int, factor: float) -> None:
    snapshot = open_handed(drawn)
    pool = picked(snapshot, pick)
    cheaper = with_pool(snapshot, replace(pool, price_per_gpu_hour=(pool.price_per_gpu_hour or 0.0) * factor))
    before, after = decided(snapshot), decided(cheaper)
    assert verify_fleet(cheaper, after) == ()
    assert no_worse(weighed(snapshot, before, weights_of(snapshot)), weighed(cheaper, after, weights_of(cheaper)))


def mixed(values: tuple[T, ...], shuffle: Random) -> tuple[T, ...]:
    return tuple(shuffle.sample(values, len(values)))


def mixed_request(request: Request, shuffle: Random) -> Request:
    performance = request.performance
    if isinstance(performance, Measured):
        performance = replace(performance, rows=mixed(performance.rows, shuffle))
    return replace(
        request,
        pools=mixed(request.pools, shuffle),
        precisions=mixed(request.precisions, shuffle),
        workload=replace(request.workload, classes=mixed(request.workload.classes, shuffle)),
        performance=performance,
    )


@share(0.5)
@given(snapshots(demandless=True), st.randoms(use_true_random=False))
def test_the_order_of_everything_does_not_matter(snapshot: Snapshot, shuffle: Random) -> None:
    other = Snapshot(
        requests=mixed(tuple(mixed_request(each, shuffle) for each in snapshot.requests), shuffle),
        pools=mixed(snapshot.pools, shuffle),
        ceilings=mixed(snapshot.ceilings, shuffle),
    )
    first, second = decided(snapshot), decided(other)
    assert [each.plan for each in first.decisions] == [each.plan for each in second.decisions]
    assert [each.inputs_hash for each in first.decisions] == [each.inputs_hash for each in second.decisions]
    assert first.assignments == second.assignments
    assert first.pools == second.pools
    assert first.report == second.report
    assert snapshot_hash(snapshot) == snapshot_hash(other)


@share(0.5)
@given(snapshots(ceilings=False, demandless=True))
def test_splitting_into_components_never_changes_a_plan(snapshot: Snapshot) -> None:
    whole = decided(snapshot)
    apart = combine(snapshot, [decided(part) for part in components(snapshot)])
    assert [each.plan for each in apart.decisions] == [each.plan for each in whole.decisions]
    assert apart.assignments == whole.assignments
    assert apart.report.cost_per_hour == whole.report.cost_per_hour
    assert verify_fleet(snapshot, apart) == ()


@share(0.5)
@given(snapshots())
def test_parts_whose_ceilings_break_are_joined_until_none_does(snapshot: Snapshot) -> None:
    whole = combine(snapshot, [decided(part) for part in components(snapshot)])
    for _ in range(3):
        again = joined(snapshot, whole)
        if not again:
            break
        whole = combine(snapshot, [whole, *(decided(part) for part in again)])
    assert exceeded(snapshot, whole) == ()
    assert oracle.worth(snapshot, whole) == oracle.worth(snapshot, decided(snapshot))


@share(0.25)
@given(snapshots(most=1, ceilings=False), st.integers(2, 4))
def test_copies_of_a_fleet_cost_as_many_times_as_much(snapshot: Snapshot, times: int) -> None:
    """Each copy on pools of its own: what is placed once is placed in every copy."""
    copies = []
    for number in range(times):
        pools = {pool.name: replace(pool, name=f"{pool.name}{number}") for pool in snapshot.pools}
        copies.append(
            Snapshot(
                requests=tuple(
                    replace(each, name=f"{each.name}{number}", pools=tuple(pools[pool.name] for pool in each.pools))
                    for each in snapshot.requests
                ),
                pools=tuple(pools.values()),
            )
        )
    many = Snapshot(
        requests=tuple(request for copy in copies for request in copy.requests),
        pools=tuple(pool for copy in copies for pool in copy.pools),
    )
    one, all_of_them = decided(snapshot), decided(many)
    assert all_of_them.report.placed == times * one.report.placed
    assert abs(all_of_them.report.cost_per_hour - times * one.report.cost_per_hour) <= TOLERANCE
    assert verify_fleet(many, all_of_them) == ()


@share(0.25)
@given(snapshots(ceilings=False), picks)
def test_paying_by_the_gpu_is_never_worse_than_by_whole_nodes(drawn: Snapshot, pick: int) -> None:
    """Where all are equally important: what whole nodes hold, single GPUs hold for no more."""
    pool = picked(drawn, pick)
    plain = replace(drawn, requests=tuple(replace(each, gates=Gates(), priority=0) for each in drawn.requests))
    whole = with_pool(plain, replace(pool, billing=Billing.PER_NODE))
    single = with_pool(plain, replace(pool, billing=Billing.PER_GPU))
    weights = {each.name: oracle.refusal(each) for each in single.requests}
    assert no_worse(weighed(whole, decided(whole), weights), weighed(single, decided(single), weights))
