"""One step of a rollout at a time, and whole rollouts in a toy cluster."""

from dataclasses import replace

import pytest

from placewright.core import rollout
from placewright.core.model import Goal, RolloutPhase, RolloutRules, Scale, Strategy, Unit, Weigh
from placewright.core.stock import Budget, Stock
from tests.support.builders import a_pool
from tests.support.rollout_world import World, done

RULES = RolloutRules(deadline_seconds=100.0, retry_seconds=50.0)


def _unit(name: str, replicas: int, *, gpus: int = 4, weight: float = 1.0, pool: str = "l40s") -> Unit:
    return Unit(name=name, replicas=replicas, weight=weight, pools={pool: ((gpus, 1),)})


def _world(nodes: int = 2) -> World:
    return World(pools=(a_pool("l40s", nodes=nodes, gpus_per_node=8),))


def _goal(*units: Unit, plan: str = "p-1", **more: object) -> Goal:
    return Goal(plan_id=plan, units=units, **more)  # type: ignore[arg-type]


def test_a_first_plan_is_begun_at_once_and_is_done_when_all_of_it_is_ready() -> None:
    world, goal = _world(), _goal(_unit("a", 2))
    step = world.look(goal, RULES)
    assert step.actions == (Scale(name="a", replicas=2),)
    assert step.phase is RolloutPhase.PROGRESSING
    assert done(world.settle(goal, RULES))
    assert world.memory.done_at is not None
    assert world.writes == 1


def test_new_replicas_are_ready_before_old_ones_go() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2)), RULES)
    goal = _goal(_unit("b", 2), plan="p-2")
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=2),)
    assert world.look(goal, RULES).actions == ()
    world.pass_time(1.0, ["b"])
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=1),)
    assert done(world.settle(goal, RULES))
    assert world.units.keys() == {"b"}


def test_traffic_follows_what_is_ready_before_old_replicas_go() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2), routed=True), RULES)
    assert world.route == {"a": 1.0}
    goal = _goal(_unit("b", 2), plan="p-2", routed=True)
    world.look(goal, RULES)
    world.pass_time(1.0, ["b"])
    assert world.look(goal, RULES).actions == (Weigh(shares={"a": 0.5, "b": 0.5}),)
    assert world.units["a"].replicas == 2
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=1),)
    assert done(world.settle(goal, RULES))
    assert world.route == {"b": 1.0}


@pytest.mark.parametrize(
    ("strategy", "old", "phase", "least"),
    [
        (Strategy.SURGE, 2, RolloutPhase.ROLLED_OUT, 1),
        (Strategy.SURGE, 1, RolloutPhase.WAITING, 1),
        (Strategy.HOLD, 2, RolloutPhase.WAITING, 2),
        (Strategy.RECREATE, 1, RolloutPhase.ROLLED_OUT, 0),
    ],
)
def test_the_strategy_says_what_gives_way_where_there_is_no_room(
    strategy: Strategy, old: int, phase: RolloutPhase, least: int
) -> None:
    rules = RolloutRules(strategy=strategy, deadline_seconds=100.0)
    world = World(pools=(a_pool("l40s", nodes=1, gpus_per_node=4 * old),))
    world.settle(_goal(_unit("a", old)), rules)
    goal, fewest = _goal(_unit("b", old), plan="p-2"), old
    for _ in range(40):
        step = world.look(goal, rules)
        fewest = min(fewest, world.ready)
        world.pass_time(1.0)
    assert step.phase is phase
    assert fewest == least
    assert world.asked()["l40s"] <= 4 * old
    if phase is RolloutPhase.WAITING:
        assert step.reason == "InsufficientStock"
        assert f"nothing gives way for it (strategy {strategy})" in step.message
        assert world.units["a"].ready == old


def test_the_last_replica_that_gives_way_loses_its_traffic_before() -> None:
    world = World(pools=(a_pool("l40s", nodes=1, gpus_per_node=4),))
    world.settle(_goal(_unit("a", 2, gpus=2), routed=True), RULES)
    goal = _goal(_unit("b", 4, gpus=1), plan="p-2", routed=True)
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=1),)
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=2),)
    world.pass_time(1.0)
    world.pass_time(1.0)
    assert world.look(goal, RULES).actions == (Weigh(shares={"b": 1.0}),)
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=0),)
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=4),)
    assert done(world.settle(goal, RULES))


def test_a_plan_that_never_gets_ready_goes_back_and_is_tried_again_later_each_time() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2)), RULES)
    world.broken.add("b")
    goal = _goal(_unit("b", 2), plan="p-2")
    world.look(goal, RULES)
    world.units["b"].trouble = "ImagePullBackOff: no such image"
    world.pass_time(99.0)
    assert world.look(goal, RULES).phase is RolloutPhase.PROGRESSING
    world.pass_time(1.0)
    step = world.look(goal, RULES)
    assert step.phase is RolloutPhase.FAILED
    assert step.reason == "RolloutFailed"
    assert "b: 0 of 2 replicas Ready within 100 s (ImagePullBackOff: no such image)" in step.message
    assert step.actions == (Scale(name="b", replicas=0),)
    assert world.units["a"].ready == 2
    world.pass_time(49.0)
    assert world.look(goal, RULES).actions == ()
    world.pass_time(1.0)
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=2),)
    world.pass_time(100.0)
    assert world.look(goal, RULES).memory.failures == 2
    world.pass_time(99.0)
    assert world.look(goal, RULES).actions == ()
    world.pass_time(1.0)
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=2),)


def test_what_gave_way_comes_back_when_the_new_plan_fails() -> None:
    world = World(pools=(a_pool("l40s", nodes=1, gpus_per_node=8),))
    world.settle(_goal(_unit("a", 2)), RULES)
    world.broken.add("b")
    goal = _goal(_unit("b", 2), plan="p-2")
    for _ in range(105):
        step = world.look(goal, RULES)
        world.pass_time(1.0)
        if step.phase is RolloutPhase.FAILED:
            break
    assert world.units["a"].replicas == 1  # it gave way to one that never came
    world.look(goal, RULES)
    world.pass_time(1.0)
    assert (world.units["a"].replicas, world.units["b"].replicas) == (2, 0)


def test_another_plan_is_tried_at_once_after_a_failure() -> None:
    world = _world()
    world.broken.add("a")
    world.look(_goal(_unit("a", 1)), RULES)
    world.pass_time(100.0)
    assert world.look(_goal(_unit("a", 1)), RULES).phase is RolloutPhase.FAILED
    step = world.look(_goal(_unit("b", 1), plan="p-2"), RULES)
    assert Scale(name="b", replicas=1) in step.actions
    assert step.memory.failures == 0


def test_a_replica_that_breaks_later_is_no_failed_rollout() -> None:
    world, goal = _world(), _goal(_unit("a", 2))
    world.settle(goal, RULES)
    world.broken.add("a")
    world.units["a"].ready = 1
    world.pass_time(1000.0)
    step = world.look(goal, RULES)
    assert (step.phase, step.reason) == (RolloutPhase.PROGRESSING, "ReplicasNotReady")
    assert step.actions == ()


def test_a_ramp_shares_the_traffic_whatever_is_ready() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2), routed=True), RULES)
    for percent, expected in ((0.0, {"a": 1.0}), (10.0, {"a": 0.9, "b": 0.1}), (50.0, {"a": 0.5, "b": 0.5})):
        goal = _goal(_unit("b", 2), plan="p-2", before=(_unit("a", 2),), percent=percent, routed=True)
        step = world.settle(goal, RULES)
        assert done(step)
        assert world.route == pytest.approx(expected)
        assert {name: each.ready for name, each in world.units.items()} == {"a": 2, "b": 2}
    assert done(world.settle(_goal(_unit("b", 2), plan="p-2", routed=True), RULES))
    assert (world.route, world.units.keys()) == ({"b": 1.0}, {"b"})


def test_a_ramp_gives_all_traffic_to_the_plan_before_while_nothing_new_is_ready() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2), routed=True), RULES)
    world.broken.add("b")
    world.settle(_goal(_unit("b", 2), plan="p-2", before=(_unit("a", 2),), percent=50.0, routed=True), RULES)
    assert world.route == {"a": 1.0}


def test_a_wake_is_one_write_as_the_workload_stays_with_no_replicas() -> None:
    world = _world()
    units = (_unit("a", 2, weight=0.7), _unit("b", 1, weight=0.3))
    world.settle(_goal(*units, routed=True), RULES)
    idle = world.settle(_goal(*rollout.lowered(units, 0), routed=True), RULES)
    assert done(idle)
    assert {name: each.replicas for name, each in world.units.items()} == {"a": 0, "b": 0}
    assert world.route == pytest.approx({"a": 0.7, "b": 0.3})
    before = world.writes
    assert done(world.settle(_goal(*units, routed=True), RULES))
    assert {name: each.ready for name, each in world.units.items()} == {"a": 2, "b": 1}
    assert world.writes <= before + 4  # two scales, and a route that followed what was Ready


def test_a_floor_keeps_the_unit_with_the_most_traffic() -> None:
    units = (_unit("a", 2, weight=0.3), _unit("b", 3, weight=0.7))
    assert [unit.replicas for unit in rollout.lowered(units, 1)] == [0, 1]
    assert [unit.replicas for unit in rollout.lowered(units, 4)] == [1, 3]
    assert [unit.replicas for unit in rollout.lowered(units, 99)] == [2, 3]


def test_a_cycle_moves_no_more_gpus_than_it_may_and_says_that_the_rest_waits() -> None:
    world, goal = _world(nodes=3), _goal(_unit("a", 5))
    step = world.look(goal, RULES, per_cycle=8)
    assert step.actions == (Scale(name="a", replicas=2),)
    assert step.gpus == 8
    budget, stock = Budget(8), Stock(world.pools)
    budget.take(8)
    waiting = rollout.decide(goal, [], stock, RULES, world.memory, 0.0, budget=budget)
    assert (waiting.phase, waiting.reason, waiting.actions) == (RolloutPhase.WAITING, "LimitReached", ())


def test_an_action_larger_than_the_whole_budget_is_done_alone() -> None:
    budget = Budget(4)
    assert budget.most(16, 3) == 1
    budget.take(16)
    assert budget.most(1, 3) == 0


def test_a_plan_that_is_gone_gives_everything_back() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 2)), RULES)
    assert done(world.settle(Goal(plan_id="", units=()), RULES))
    assert world.units == {}


def test_a_pool_that_is_not_there_has_no_room() -> None:
    step = _world().look(_goal(_unit("a", 1, pool="gone")), RULES)
    assert (step.phase, step.reason) == (RolloutPhase.WAITING, "InsufficientStock")
    assert "on gone" in step.message


def test_a_clock_that_went_back_keeps_no_rollout_failed_and_no_deadline_away() -> None:
    world, goal = _world(), _goal(_unit("a", 1))
    world.broken.add("a")
    world.now = 10_000.0
    world.look(goal, RULES)
    world.pass_time(100.0)
    assert world.look(goal, RULES).phase is RolloutPhase.FAILED
    world.now = 5_000.0
    assert world.look(goal, RULES).memory.failed_at == 5_000.0
    world.now = 5_050.0
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=1),)
    world.units["a"].up_since = 99_999.0
    world.memory = replace(world.memory, since=5_050.0, failed_at=None)
    world.now = 5_149.0
    assert world.look(goal, RULES).phase is RolloutPhase.PROGRESSING
    world.now = 5_150.0
    assert world.look(goal, RULES).phase is RolloutPhase.FAILED


def test_a_unit_of_which_nobody_knows_the_gpus_gets_nothing_back() -> None:
    world = _world()
    world.settle(_goal(_unit("a", 1)), RULES)
    world.units["a"].pools, world.units["a"].before = {}, 999_999_999
    world.broken.add("b")
    goal = _goal(_unit("b", 1), plan="p-2")
    world.look(goal, RULES)
    world.pass_time(100.0)
    assert world.look(goal, RULES).actions == (Scale(name="b", replicas=0),)


def test_very_many_old_replicas_are_no_long_search() -> None:
    world = World(pools=(a_pool("l40s", nodes=1, gpus_per_node=8),))
    world.settle(_goal(_unit("a", 2)), RULES)
    world.units["a"].replicas = 2**31 - 1
    goal = _goal(_unit("b", 1), plan="p-2")
    assert world.look(goal, RULES).actions == (Scale(name="a", replicas=1),)
