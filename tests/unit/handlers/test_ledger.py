from typing import Any

from placewright.core.model import (
    Accelerator,
    Billing,
    Layout,
    Plan,
    PlanState,
    Pool,
    Replicas,
    Stage,
)
from placewright.handlers.ledger import (
    NOTHING,
    Holding,
    Ledger,
    beside,
    holding_of,
    holding_of_plan,
    holding_of_stored_plan,
    without,
)
from tests.support.requests import Json, stored

GPU = Accelerator(name="X", memory_gib=48, memory_bandwidth_gbps=800, tflops_16bit=100)


def pool(*rooms: int, name: str = "a", billing: Billing = Billing.PER_GPU) -> Pool:
    return Pool(
        name=name,
        gpu=GPU,
        nodes=len(rooms),
        gpus_per_node=8,
        price_per_gpu_hour=1.0,
        billing=billing,
        shared=True,
        rooms=rooms,
    )


def held(*groups: tuple[int, int], pool: str = "a", plan_id: str = "p-1") -> Holding:
    return Holding(plan_id=plan_id, cost_per_hour=1.0, pools={pool: (groups,)})


def request(name: str, *layouts: tuple[int, list[tuple[str, int]]], **more: Any) -> Json:
    """A stored request whose plan has these layouts: (replicas, [(pool, GPUs of a stage)])."""
    plan = {
        "id": f"p-{name}",
        "state": "Approved",
        "costPerHour": 2.5,
        "layouts": [
            {"replicas": copies, "stages": [{"pool": where, "gpus": gpus} for where, gpus in stages]}
            for copies, stages in layouts
        ],
    }
    spec = {"model": {"name": "toy"}, "poolSelector": {"matchLabels": {"tier": "x"}}}
    return stored(name, uid=name, spec=spec, status={"observedGeneration": 1, "plan": plan | more})


def test_a_stored_plan_holds_the_groups_of_its_layouts_by_pool() -> None:
    found = holding_of(request("chat", (2, [("a", 4), ("a", 4), ("b", 8)]), (1, [("a", 2)])))
    assert found.pools == {"a": (((2, 1),), ((4, 4),)), "b": (((8, 2),),)}
    assert (found.gpus("a"), found.gpus("b"), found.gpus("c")) == (18, 16, 0)
    assert (found.plan_id, found.cost_per_hour) == ("p-chat", 2.5)


def test_a_plan_and_its_status_hold_the_same() -> None:
    layout = Layout(
        stages=(
            Stage(pool="a", gpu="X", tensor_parallel=4, first_layer=0, last_layer=9),
            Stage(pool="own", gpu="X", tensor_parallel=2, first_layer=10, last_layer=19),
        ),
        precision="bf16",
        max_concurrency=1,
        cost_per_hour=2.5,
        tokens_per_second=1.0,
        requests_per_second=1.0,
    )
    plan = Plan(id="p-1", state=PlanState.APPROVED, replicas=(Replicas(layout=layout, count=3),))
    assert holding_of_plan(plan, frozenset({"a"})).pools == {"a": (((4, 3),),)}
    blocked = Plan(id="p-1", state=PlanState.BLOCKED, replicas=plan.replicas)
    assert holding_of_plan(blocked, frozenset({"a"})) is NOTHING
    assert holding_of_plan(None, frozenset({"a"})) is NOTHING


def test_blocked_plans_and_private_pools_hold_nothing_and_only_cost() -> None:
    assert holding_of(request("chat", (1, [("a", 4)]), state="Blocked")) is NOTHING
    private = request("chat", (1, [("a", 4)]))
    private["spec"].pop("poolSelector")
    assert holding_of(private).pools == {}
    assert holding_of(private).cost_per_hour == 2.5
    assert holding_of(stored()) is NOTHING


def test_there_is_room_until_the_nodes_are_full_and_again_when_a_request_is_gone() -> None:
    ledger = Ledger()
    ledger.see(request("one", (1, [("a", 8)])))
    assert ledger.room(pool(8, 8), ("serving", "two"), held((8, 1)))
    ledger.see(request("two", (1, [("a", 4)])))
    assert not ledger.room(pool(8, 8), ("serving", "three"), held((8, 1)))
    assert ledger.room(pool(8, 8), ("serving", "two"), held((8, 1)))  # instead of what it has
    ledger.forget(("serving", "one"))
    assert ledger.room(pool(8, 8), ("serving", "three"), held((8, 1)))
    assert ledger.allocations() == {"a": {("serving", "two"): 4}}


def test_a_write_under_way_holds_both_its_old_and_its_new_plan() -> None:
    ledger = Ledger()
    ledger.see(request("one", (1, [("a", 8)])))
    ledger.reserve(("serving", "one"), held((8, 1), pool="b"))
    assert not ledger.room(pool(8), ("serving", "two"), held((8, 1)))
    assert not ledger.room(pool(8, name="b"), ("serving", "two"), held((8, 1), pool="b"))
    ledger.see(request("one", (1, [("b", 8)])))
    ledger.settle(("serving", "one"))
    assert ledger.room(pool(8), ("serving", "two"), held((8, 1)))
    assert not ledger.room(pool(8, name="b"), ("serving", "two"), held((8, 1), pool="b"))


def test_a_layout_on_a_pool_billed_by_the_node_has_its_nodes_to_itself() -> None:
    ledger = Ledger()
    by_node = pool(8, 8, billing=Billing.PER_NODE)
    ledger.see(request("one", (1, [("a", 2)])))
    assert ledger.room(by_node, ("serving", "two"), held((2, 1)))
    ledger.see(request("two", (1, [("a", 2)])))
    assert not ledger.room(by_node, ("serving", "three"), held((2, 1)))


def test_only_what_is_new_on_a_pool_is_taken() -> None:
    ledger = Ledger()
    ledger.see(request("one", (1, [("a", 8), ("b", 4)])))
    both = Holding(plan_id="p-2", cost_per_hour=1.0, pools={"a": (((8, 1),),), "b": (((4, 2),),)})
    assert ledger.takes(("serving", "one"), both) == ("b",)
    assert ledger.takes(("serving", "one"), NOTHING) == ()


def test_a_pool_without_kept_plans_has_less_room_and_what_does_not_fit_takes_what_it_can() -> None:
    assert without(pool(8, 8), []).rooms == (8, 8)
    assert without(pool(8, 8), [held((4, 1)), held((2, 1))]).rooms == (8, 2)
    assert without(pool(8), [held((8, 1)), held((4, 1))]).rooms == (0,)
    assert without(pool(8, 8), [held((4, 1), pool="other")]).rooms == (8, 8)


def test_what_is_set_aside_leaves_room_for_all_that_stands() -> None:
    standing = [held((4, 1)), held((4, 1))]
    rooms, short = beside({"a": pool(8, 8)}, standing, {("n", "x"): held((8, 1))})
    assert short == {}
    assert rooms["a"].free_by_node == (8, 0), "the two stand together, so that a whole node can be set aside"


def test_what_does_not_fit_is_not_set_aside_and_the_short_pool_is_named() -> None:
    asked = {("n", "x"): held((8, 1)), ("n", "y"): held((8, 1)), ("n", "z"): held((1, 1), pool="gone")}
    rooms, short = beside({"a": pool(8, 8)}, [held((2, 1))], asked)
    assert short == {("n", "y"): "a", ("n", "z"): "gone"}
    assert rooms["a"].free_by_node == (8, 0)


def test_a_plan_of_the_journal_holds_what_it_held_of_the_pools_that_are_shared() -> None:
    plan = request("chat", (2, [("a", 4), ("b", 8)]))["status"]["plan"]
    assert holding_of_stored_plan(plan, {"a"}).pools == {"a": (((4, 2),),)}
    assert holding_of_stored_plan(plan, {"a"}).cost_per_hour == 2.5
