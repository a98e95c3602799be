"""Every decision about a tiny fleet is right: checked, as cheap as brute force, proved, and explained."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import (
    Decision,
    FleetDecision,
    GateResult,
    Measured,
    MoveReason,
    Plan,
    PlanState,
    Present,
    Replicas,
    Request,
    Snapshot,
    SolveStatus,
)
from placewright.core.verification.fleet import verify_fleet
from placewright.core.verification.stock import entry_cost_per_hour
from placewright.core.verify import verify
from tests.property.effort import share
from tests.property.fleet_strategies import snapshots
from tests.support import fleet_snapshot_oracle as oracle
from tests.support.fleets import a_fleet_request, row, shared_pool, traffic

TOLERANCE = 1e-6
CARDS = shared_pool("cards", price_per_gpu_hour=1.0, nodes=1, gpus_per_node=4)


def decided(snapshot: Snapshot) -> FleetDecision:
    """A decision without a clock: nothing is ever cut."""
    return decide_fleet(snapshot, clock=lambda: 0.0)


def approved(decision: FleetDecision) -> list[tuple[Decision, Plan]]:
    return [
        (each, each.plan)
        for each in decision.decisions
        if each.plan is not None and each.plan.state is PlanState.APPROVED
    ]


def presents(decision: FleetDecision, *, dwells: bool = False) -> tuple[Present, ...]:
    return tuple(
        Present(
            namespace=each.request.namespace,
            name=each.request.name,
            plan_id=plan.id,
            replicas=plan.replicas,
            cost_per_hour=plan.cost_per_hour,
            dwells=dwells,
        )
        for each, plan in approved(decision)
    )


@given(snapshots())
def test_tiny_fleets_are_decided_as_brute_force_would(snapshot: Snapshot) -> None:
    """Always proved where the groups' sizes divide each other; otherwise packing may leave a gap, which is told."""
    decision = decided(snapshot)
    assert verify_fleet(snapshot, decision) == ()
    want, got = oracle.least(snapshot), oracle.worth(snapshot, decision)
    assert [priority for priority, _ in got] == [priority for priority, _ in want]
    if decision.report.status is SolveStatus.FEASIBLE:
        assert not sizes_divide(snapshot)
        assert decision.report.gap_percent > 0
        return
    for (_, objective), (_, least) in zip(got, want, strict=True):
        assert objective == pytest.approx(least, rel=TOLERANCE, abs=TOLERANCE)
    assert decision.report.bound_cost_per_hour <= decision.report.cost_per_hour * (1 + TOLERANCE)
    assert decision.report.gap_percent == pytest.approx(0.0, abs=1e-4)


def sizes_divide(snapshot: Snapshot) -> bool:
    return not any(
        isinstance(request.performance, Measured)
        and any(each.tensor_parallel == 3 for each in request.performance.rows)
        for request in snapshot.requests
    )


def test_groups_that_no_nodes_hold_side_by_side_leave_a_gap_that_is_told() -> None:
    """Two groups of 3 and two of 2 on two nodes of 4: as many places as groups, and yet not all fit."""
    requests = tuple(
        a_fleet_request(
            name, (replace(CARDS, nodes=2),), (row("L40S", "chat", 4.0, tensor=size),), (traffic("chat", 4.0),)
        )
        for name, size in (("a", 3), ("b", 3), ("c", 2), ("d", 2))
    )
    snapshot = Snapshot(requests=requests, pools=(replace(CARDS, nodes=2),))
    decision = decided(snapshot)
    assert verify_fleet(snapshot, decision) == ()
    (_, least), (_, got) = *oracle.least(snapshot), *oracle.worth(snapshot, decision)
    assert (decision.report.status is SolveStatus.FEASIBLE) or got == pytest.approx(least)


@share(0.5)
@given(snapshots())
def test_a_refused_request_has_no_plan_of_its_own_that_is_left_over(snapshot: Snapshot) -> None:
    """Where nobody else is placed, only a request that cannot be served alone is refused."""
    for request in snapshot.requests:
        alone = decided(replace(snapshot, requests=(request,), ceilings=()))
        (only,) = alone.decisions
        assert (only.plan is None) == (not oracle.options(request))
        if only.plan is None:
            assert only.rejections
            assert only.report.status is SolveStatus.INFEASIBLE


@share(0.5)
@given(snapshots())
def test_a_request_that_only_its_gates_forbid_is_blocked(snapshot: Snapshot) -> None:
    """By itself, whatever the ceilings: its best plan is shown with the gate that fails, and takes nothing."""
    for request in snapshot.requests:
        found = oracle.options(request)
        alone = decided(replace(snapshot, requests=(request,), ceilings=()))
        (only,) = alone.decisions
        if found and not any(oracle.passes(request, option) for option in found):
            assert only.plan is not None
            assert only.plan.state is PlanState.BLOCKED
            assert only.plan.cost_per_hour == pytest.approx(found[0].cost_per_hour, rel=TOLERANCE)
            assert GateResult.FAIL in {gate.result for gate in only.gates}
            assert alone.assignments == ()
        elif found:
            assert only.plan is not None
            assert only.plan.state is PlanState.APPROVED


@given(snapshots(demandless=True))
def test_every_plan_is_checked_with_or_without_a_demand(snapshot: Snapshot) -> None:
    decision = decided(snapshot)
    assert verify_fleet(snapshot, decision) == ()
    for each in decision.decisions:
        copies = sum(entry.count for entry in each.plan.replicas) if each.plan is not None else 0
        if each.plan is not None and not each.request.workload.classes:
            assert copies == max(1, each.request.replicas.min)
        assert (each.plan is not None) or each.rejections


@share(0.5)
@given(snapshots(demandless=True), st.booleans())
def test_an_unchanged_snapshot_gives_no_moves(snapshot: Snapshot, dwells: bool) -> None:  # noqa: FBT001 - drawn
    before = decided(snapshot)
    again = replace(snapshot, present=presents(before, dwells=dwells))
    after = decided(again)
    assert verify_fleet(again, after) == ()
    assert [each.plan for each in after.decisions] == [each.plan for each in before.decisions]
    assert all(each.move is None for each in after.decisions)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Snapshot, tuple[Present, ...]]:
    """A snapshot, and plans that were made for a part of it, with other stock or at other prices."""
    snapshot = draw(snapshots(ceilings=False))
    kept = draw(st.lists(st.sampled_from(snapshot.requests), unique=True, max_size=3))
    earlier = _with_pools(
        replace(snapshot, requests=tuple(kept)),
        times=draw(st.sampled_from((1, 1, 2))),
        price=draw(st.sampled_from((1.0, 1.0, 0.5, 1.5))),
    )
    return snapshot, presents(decided(earlier), dwells=draw(st.booleans()))


def _with_pools(snapshot: Snapshot, *, times: int, price: float) -> Snapshot:
    """So many times the nodes, and the first pool at another price, in all places where the pools stand."""
    pools = {}
    for place, pool in enumerate(sorted(snapshot.pools, key=lambda each: each.name)):
        rooms = None if pool.rooms is None else tuple(sorted(pool.rooms * times, reverse=True))
        per_hour = (pool.price_per_gpu_hour or 0.0) * (1.0 if place else price)
        pools[pool.name] = replace(pool, nodes=pool.nodes * times, rooms=rooms, price_per_gpu_hour=per_hour)
    requests = tuple(
        replace(request, pools=tuple(pools.get(pool.name, pool) for pool in request.pools))
        for request in snapshot.requests
    )
    return replace(snapshot, requests=requests, pools=tuple(pools[pool.name] for pool in snapshot.pools))


def at_todays_prices(request: Request, present: Present) -> tuple[Replicas, ...]:
    """The layouts with what they cost now."""
    return tuple(
        replace(
            entry,
            layout=replace(entry.layout, cost_per_hour=(entry_cost_per_hour(request, entry) or 0.0) / entry.count),
        )
        for entry in present.replicas
    )


def still_holds(request: Request, replicas: tuple[Replicas, ...]) -> bool:
    """By itself, with all stock, and within its gates."""
    plan = Plan(
        id="p-000000",
        state=PlanState.APPROVED,
        replicas=replicas,
        demand_tokens_per_second=request.workload.tokens_per_second,
    )
    return not [line for line in verify(request, plan) if not line.startswith("gate ")]


def shape(replicas: tuple[Replicas, ...]) -> set[tuple[object, ...]]:
    return {(entry.layout.stages, entry.layout.max_concurrency, entry.count) for entry in replicas}


def held_together(snapshot: Snapshot, present: tuple[Present, ...]) -> bool:
    """Whether all present plans fit the nodes side by side."""
    pools = {pool.name: pool for pool in snapshot.pools}
    entries = []
    for each in present:
        for entry in each.replicas:
            held: dict[str, list[int]] = {}
            for stage in entry.layout.stages:
                held.setdefault(stage.pool, []).extend([stage.tensor_parallel] * entry.count)
            entries.append(tuple((name, tuple(groups)) for name, groups in held.items()))
    return oracle.fits(pools, entries)


@given(changes())
def test_a_plan_that_holds_is_given_up_only_by_the_rules(drawn: tuple[Snapshot, tuple[Present, ...]]) -> None:
    """For a saving that is large enough and pays for the loading, or for a request of higher priority."""
    snapshot, present = drawn
    after = decided(replace(snapshot, present=present))
    assert verify_fleet(replace(snapshot, present=present), after) == ()
    requests = {(each.namespace, each.name): each for each in snapshot.requests}
    if not held_together(snapshot, present):
        return
    for each in present:
        request = requests[each.namespace, each.name]
        decision = next(one for one in after.decisions if one.request.name == each.name)
        today = at_todays_prices(request, each)
        if decision.move is None or not still_holds(request, today):
            continue
        if decision.move.reason is MoveReason.PREEMPTED:
            assert any(other.priority > request.priority for other in snapshot.requests)
            continue
        assert decision.plan is not None
        if decision.move.reason is MoveReason.REPRICED:
            assert shape(decision.plan.replicas) == shape(each.replicas)
            continue
        assert decision.move.reason is MoveReason.CHEAPER
        assert not each.dwells
        check_saving(request, sum(entry.count * entry.layout.cost_per_hour for entry in today), decision.plan)


def check_saving(request: Request, now: float, plan: Plan) -> None:
    """Enough of what the old plan costs now, and the price of loading the new one within the horizon."""
    rules = request.stabilization
    saving = now - plan.cost_per_hour
    assert saving >= now * rules.min_savings_percent / 100 * (1 - TOLERANCE)
    loading = plan.cost_per_hour * rules.load_seconds / 3600
    assert saving * max(rules.min_dwell_seconds / 3600, 1.0) >= loading * (1 - TOLERANCE)


@share(0.5)
@given(changes(), st.randoms(use_true_random=False))
def test_present_plans_in_another_order_change_nothing(
    drawn: tuple[Snapshot, tuple[Present, ...]], shuffle: Random
) -> None:
    snapshot, present = drawn
    first = decided(replace(snapshot, present=present))
    second = decided(replace(snapshot, present=tuple(shuffle.sample(present, len(present)))))
    assert first == second


@share(0.5)
@given(changes())
def test_plans_settle(drawn: tuple[Snapshot, tuple[Present, ...]]) -> None:
    """What was decided is decided again; the second time nothing moves."""
    snapshot, present = drawn
    first = decided(replace(snapshot, present=present))
    again = replace(snapshot, present=presents(first, dwells=True))
    second = decided(again)
    assert [each.plan for each in second.decisions] == [each.plan for each in first.decisions]
    assert all(each.move is None for each in second.decisions)


def chats(name: str, demand: float, priority: int = 0) -> Request:
    """4 chats a second for each GPU."""
    return a_fleet_request(name, (CARDS,), (row("L40S", "chat", 4.0),), (traffic("chat", demand),), priority=priority)


@pytest.mark.parametrize(("priority", "kept"), [(0, True), (1, False)])
def test_a_newcomer_takes_no_stock_that_is_held_unless_it_is_more_important(priority: int, kept: bool) -> None:  # noqa: FBT001 - a column
    """It asks for four GPUs, so that its refusal weighs four times as much as that of who holds one."""
    held = presents(decided(Snapshot(requests=(chats("held", 4.0),), pools=(CARDS,))))
    snapshot = Snapshot(requests=(chats("held", 4.0), chats("newcomer", 16.0, priority)), pools=(CARDS,), present=held)
    first, second = decided(snapshot).decisions
    assert (first.plan is not None) == kept
    assert (second.plan is None) == kept
    if kept:
        assert first.move is None
        assert second.rejections
        assert "1 more node of cards" in second.needs
    else:
        assert first.move is not None
        assert first.move.reason is MoveReason.PREEMPTED
        assert "1 more node of cards" in first.needs


def test_many_small_newcomers_do_not_outweigh_who_holds() -> None:
    held = presents(decided(Snapshot(requests=(chats("held", 4.0),), pools=(CARDS,))))
    newcomers = tuple(chats(f"new-{number}", 16.0) for number in range(6))
    after = decided(Snapshot(requests=(chats("held", 4.0), *newcomers), pools=(CARDS,), present=held))
    assert [each.request.name for each, _ in approved(after)] == ["held"]
