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
    MoveReason,
    Plan,
    PlanState,
    Present,
    Request,
    Snapshot,
    SolveStatus,
)
from placewright.core.verification.fleet import verify_fleet
from placewright.core.verify import verify
from tests.property.effort import share
from tests.property.fleet_strategies import snapshots
from tests.support import fleet_snapshot_oracle as oracle

TOLERANCE = 1e-6


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
    decision = decided(snapshot)
    assert verify_fleet(snapshot, decision) == ()
    want, got = oracle.least(snapshot), oracle.worth(snapshot, decision)
    assert [priority for priority, _ in got] == [priority for priority, _ in want]
    for (_, objective), (_, least) in zip(got, want, strict=True):
        assert objective == pytest.approx(least, rel=TOLERANCE, abs=TOLERANCE)
    assert decision.report.status is not SolveStatus.FEASIBLE
    assert decision.report.bound_cost_per_hour <= decision.report.cost_per_hour * (1 + TOLERANCE)
    assert decision.report.gap_percent == pytest.approx(0.0, abs=1e-4)


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
@given(snapshots(), st.booleans())
def test_an_unchanged_snapshot_gives_no_moves(snapshot: Snapshot, dwells: bool) -> None:  # noqa: FBT001 - drawn
    before = decided(snapshot)
    again = replace(snapshot, present=presents(before, dwells=dwells))
    after = decided(again)
    assert verify_fleet(again, after) == ()
    assert [each.plan for each in after.decisions] == [each.plan for each in before.decisions]
    assert all(each.move is None for each in after.decisions)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Snapshot, tuple[Present, ...]]:
    """A snapshot and plans that were made for a part of it, or with other stock, and may not hold any more."""
    snapshot = draw(snapshots(ceilings=False))
    kept = draw(st.lists(st.sampled_from(snapshot.requests), unique=True, max_size=3))
    factor = draw(st.sampled_from((1, 1, 2)))
    earlier = _with_stock(replace(snapshot, requests=tuple(kept)), factor)
    return snapshot, presents(decided(earlier), dwells=draw(st.booleans()))


def _with_stock(snapshot: Snapshot, factor: int) -> Snapshot:
    """So many times the nodes, in all places where the pools stand."""
    pools = {}
    for pool in snapshot.pools:
        rooms = None if pool.rooms is None else tuple(sorted(pool.rooms * factor, reverse=True))
        pools[pool.name] = replace(pool, nodes=pool.nodes * factor, rooms=rooms)
    requests = tuple(
        replace(request, pools=tuple(pools.get(pool.name, pool) for pool in request.pools))
        for request in snapshot.requests
    )
    return replace(snapshot, requests=requests, pools=tuple(pools[pool.name] for pool in snapshot.pools))


def still_holds(request: Request, present: Present) -> bool:
    """By itself, with all stock."""
    plan = Plan(
        id=present.plan_id,
        state=PlanState.APPROVED,
        replicas=present.replicas,
        demand_tokens_per_second=request.workload.tokens_per_second,
    )
    return not [line for line in verify(request, plan) if not line.startswith("gate ")]


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
        if not still_holds(request, each) or decision.move is None:
            continue
        if decision.move.reason is MoveReason.PREEMPTED:
            assert any(other.priority > request.priority for other in snapshot.requests)
            continue
        assert decision.move.reason is MoveReason.CHEAPER
        assert not each.dwells
        assert decision.plan is not None
        rules = request.stabilization
        saving = each.cost_per_hour - decision.plan.cost_per_hour
        assert saving >= each.cost_per_hour * rules.min_savings_percent / 100 * (1 - TOLERANCE)
        loading = decision.plan.cost_per_hour * rules.load_seconds / 3600
        hours = max(rules.min_dwell_seconds / 3600, 1.0)
        assert saving * hours >= loading * (1 - TOLERANCE)


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
