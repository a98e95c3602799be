"""Nothing that runs is torn down because a limit on money changes, whatever the fleet."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import Ceiling, FleetDecision, Gates, OnUnknown, PlanState, Present, Revenue, Snapshot
from tests.property.effort import share
from tests.property.fleet_strategies import snapshots

dollars = st.floats(0.0, 20.0).map(lambda value: round(value, 3))


@st.composite
def gates(draw: st.DrawFn) -> Gates:
    """Any limits on money, of which most plans fail some."""
    observed = draw(st.booleans())
    return Gates(
        max_cost_per_hour=draw(st.none() | dollars),
        max_cost_per_million_tokens=draw(st.none() | dollars),
        max_cost_to_revenue_ratio=draw(st.none() | st.sampled_from([0.0, 0.1, 0.5, 2.0])),
        revenue=draw(
            st.none()
            | st.builds(
                Revenue,
                observed=st.just(observed),
                per_hour=st.none() | dollars,
                per_million_tokens=st.none() | dollars,
            )
        ),
        on_unknown=draw(st.sampled_from(list(OnUnknown))),
    )


def decided(snapshot: Snapshot) -> FleetDecision:
    """Without a clock nothing is cut; a plan that fails the independent check raises."""
    return decide_fleet(snapshot, clock=lambda: 0.0)


def presents(decision: FleetDecision) -> tuple[Present, ...]:
    return tuple(
        Present(
            namespace=each.request.namespace,
            name=each.request.name,
            plan_id=each.plan.id,
            replicas=each.plan.replicas,
            cost_per_hour=each.plan.cost_per_hour,
        )
        for each in decision.decisions
        if each.plan is not None and each.plan.state is PlanState.APPROVED
    )


@share(0.5)
@given(snapshots(), st.data())
def test_who_has_a_plan_has_one_after_any_change_of_limits(snapshot: Snapshot, data: st.DataObject) -> None:
    before = decided(snapshot)
    there = presents(before)
    names = {(each.namespace, each.name) for each in there}
    ceiling = data.draw(st.none() | dollars)
    after = decided(
        Snapshot(
            # Only those with a plan: a newcomer of a higher priority may take their GPUs.
            requests=tuple(
                replace(each, gates=data.draw(gates()))
                for each in snapshot.requests
                if (each.namespace, each.name) in names
            ),
            pools=snapshot.pools,
            present=there,
            ceilings=(Ceiling(policy="p", namespace=None, max_cost_per_hour=ceiling),) if ceiling is not None else (),
        )
    )
    for each in after.decisions:
        assert each.plan is not None
        assert each.plan.state is PlanState.APPROVED
        if each.kept:
            assert each.move is None or each.move.reason == "Repriced"
        assert each.blocked is None or each.kept


@share(0.5)
@given(snapshots(), st.data())
def test_who_keeps_a_plan_for_its_gates_keeps_it_again(snapshot: Snapshot, data: st.DataObject) -> None:
    """The same look twice gives the same answer, also with gates that block everything."""
    held = data.draw(gates())
    limited = replace(snapshot, requests=tuple(replace(each, gates=held) for each in snapshot.requests))
    once = decided(replace(limited, present=presents(decided(snapshot))))
    again = decided(replace(limited, present=presents(once)))
    assert [(each.plan and each.plan.id, each.kept) for each in again.decisions] == [
        (each.plan and each.plan.id, each.kept) for each in once.decisions
    ]
    assert all(each.move is None for each in again.decisions if each.plan and each.plan.state is PlanState.APPROVED)
