"""Rollouts over random plans, stocks, orders of getting Ready, and restarts: what must hold at every moment."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from placewright.core.model import Goal, RolloutMemory, RolloutPhase, RolloutRules, Strategy, Unit
from tests.property.effort import share
from tests.support.builders import a_pool
from tests.support.rollout_world import World, done

NAMES = ("a", "b", "c", "d")


@st.composite
def goals(draw: st.DrawFn, *, routed: bool, plan: str) -> Goal:
    """A plan of one or two layouts."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
    shares = [draw(st.integers(1, 3)) for _ in names]
    return Goal(
        plan_id=plan,
        units=tuple(
            Unit(
                name=name,
                replicas=draw(st.integers(1, 4)),
                weight=part / sum(shares),
                pools={"l40s": ((1 + NAMES.index(name) % 2, 1 + NAMES.index(name) // 2),)},
            )
            for name, part in zip(names, shares, strict=True)
        ),
        routed=routed,
    )


def _gpus(goal: Goal) -> int:
    return sum(
        unit.replicas * gpus * pods for unit in goal.units for groups in unit.pools.values() for gpus, pods in groups
    )


def _flows(world: World, strategy: Strategy) -> None:
    """No share of the traffic goes where nobody is Ready; with Recreate, not all of it does."""
    lost = sum(part for name, part in world.route.items() if not world.units[name].ready)
    assert lost < 1.0 - 1e-9, "all traffic goes where nobody is Ready"
    assert strategy is Strategy.RECREATE or lost == 0.0, "traffic goes where nobody is Ready"


@share(2.0)
@given(data=st.data())
def test_a_move_never_stops_serving_never_asks_for_too_much_and_always_ends(data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from(Strategy))
    routed = data.draw(st.booleans())
    first = data.draw(goals(routed=routed, plan="p-0"))
    nodes = data.draw(st.integers(1, 5))
    size = data.draw(st.sampled_from((2, 4, 8)))
    world = World(pools=(a_pool("l40s", nodes=nodes, gpus_per_node=size),))
    rules = RolloutRules(strategy=strategy, deadline_seconds=10_000.0)
    if not done(world.settle(first, rules)):
        return  # the first plan does not fit at all
    goal = first
    for index in range(1, 4):
        goal = data.draw(goals(routed=routed, plan=f"p-{index}"))
        per_cycle = data.draw(st.sampled_from((None, 1, 4, 8)))
        for _ in range(data.draw(st.integers(0, 60))):
            served, asked = world.ready, world.asked().get("l40s", 0)
            step = world.look(goal, rules, per_cycle=per_cycle)
            if data.draw(st.integers(0, 9)) == 0:
                world.memory = RolloutMemory()  # a restart whose status was lost altogether
            assert world.asked().get("l40s", 0) <= max(nodes * size, asked)
            if strategy is not Strategy.RECREATE and served:
                assert world.ready >= 1, step
            if per_cycle is not None and len(step.actions) > 1:
                assert step.gpus <= max(per_cycle, 4)
            if routed and served and world.ready:
                _flows(world, strategy)
            ready = data.draw(st.lists(st.sampled_from(NAMES), max_size=2))
            world.pass_time(1.0, ready)
    step = world.settle(goal, rules)
    assert done(step) or step.reason == "InsufficientStock"
    if done(step):
        assert {name: each.replicas for name, each in world.units.items()} == {
            unit.name: unit.replicas for unit in goal.units
        }
        assert world.asked()["l40s"] == _gpus(goal)
        if routed:
            assert abs(sum(world.route.values()) - 1.0) < 1e-3
            assert world.route.keys() == {unit.name for unit in goal.units}


@share(1.0)
@given(data=st.data())
def test_hold_never_serves_less_than_before_while_it_moves(data: st.DataObject) -> None:
    gpus = data.draw(st.sampled_from((1, 2)))
    old = Unit(name="old", replicas=data.draw(st.integers(1, 6)), weight=1.0, pools={"l40s": ((gpus, 1),)})
    new = replace(old, name="new")
    world = World(pools=(a_pool("l40s", nodes=data.draw(st.integers(1, 3)), gpus_per_node=4),))
    rules = RolloutRules(strategy=Strategy.HOLD, deadline_seconds=10_000.0)
    routed = data.draw(st.booleans())
    if not done(world.settle(Goal(plan_id="p-1", units=(old,), routed=routed), rules)):
        return
    goal = Goal(plan_id="p-2", units=(new,), routed=routed)
    for _ in range(40):
        world.look(goal, rules, per_cycle=data.draw(st.sampled_from((None, 2))))
        assert world.ready >= old.replicas
        world.pass_time(1.0, data.draw(st.lists(st.sampled_from(("old", "new")), max_size=2)))


@share(1.0)
@given(data=st.data())
def test_a_failing_move_leaves_what_served_serving_and_ends_at_rest(data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from((Strategy.SURGE, Strategy.HOLD)))
    routed = data.draw(st.booleans())
    first = data.draw(goals(routed=routed, plan="p-0"))
    world = World(pools=(a_pool("l40s", nodes=data.draw(st.integers(2, 6)), gpus_per_node=4),))
    rules = RolloutRules(strategy=strategy, deadline_seconds=20.0, retry_seconds=1e6)
    if not done(world.settle(first, rules)):
        return
    old = {name: each.replicas for name, each in world.units.items()}
    goal = replace(data.draw(goals(routed=routed, plan="p-1")), routed=routed)
    goal = replace(goal, units=tuple(replace(unit, name=f"new-{unit.name}") for unit in goal.units))
    world.broken = {unit.name for unit in goal.units}
    served = world.ready
    for _ in range(80):
        step = world.look(goal, rules)
        world.pass_time(1.0)
        assert world.ready >= (served if strategy is Strategy.HOLD else 1)
    if step.phase is RolloutPhase.WAITING:
        return  # it never could begin
    assert step.phase is RolloutPhase.FAILED
    assert step.actions == ()
    assert {name: each.replicas for name, each in world.units.items() if each.replicas} == old
    assert world.ready == served
