"""The checker on plans that serve a demand: routing, load, figures at the mix, whole nodes, bounds, gates."""

from dataclasses import replace

import pytest

from placewright.core.model import (
    Billing,
    GateOutcome,
    GateResult,
    Gates,
    Plan,
    PlanState,
    ReplicaBounds,
    Replicas,
    Request,
    Slo,
)
from placewright.core.verify import verify
from tests.support.fleets import a_fleet_request, a_layout, a_plan, row, shared_pool, traffic

CARDS = shared_pool("cards", price_per_gpu_hour=1.0, nodes=2, gpus_per_node=4)
BIG = shared_pool("big", gpu="A100", price_per_gpu_hour=3.0, nodes=1, gpus_per_node=8)
ROWS = (
    row("L40S", "chat", 4.0),
    row("L40S", "code", 2.0, ttft_seconds=0.7),
    row("L40S", "chat", 10.0, tensor=2),
    row("A100", "chat", 12.0, ttft_seconds=0.2, tpot_seconds=0.01),
)
ONE = a_fleet_request("one", (CARDS, BIG), ROWS, (traffic("chat", 7.0),))
"""7 chats of 1200 tokens a second: two L40S at 4 each."""
TWO = a_fleet_request("two", (CARDS, BIG), ROWS, (traffic("code", 1.0), traffic("chat", 14.0)))
"""Chats on one A100 (12) and, with the code, on one L40S: 2/4 + 1/2 = 1."""

SINGLE = a_layout(CARDS, cost=1.0, requests=4.0, tokens=4800.0)
PLAN = a_plan(Replicas(layout=SINGLE, count=2, weight=1.0), demand=8400.0)
MIXED_CARD = a_layout(CARDS, cost=1.0, requests=3.0, tokens=3400.0, ttft_seconds=0.7)  # 2 chats and 1 code of load 1
ON_BIG = a_layout(BIG, cost=3.0, requests=12.0, tokens=14_400.0, ttft_seconds=0.2, tpot_seconds=0.01)
PAIR = a_plan(
    Replicas(layout=ON_BIG, weight=12 / 15, class_weights=(12 / 14, 0.0)),
    Replicas(layout=MIXED_CARD, weight=3 / 15, class_weights=(2 / 14, 1.0)),
    demand=14 * 1200.0 + 1000.0,
)


def changed(plan: Plan, index: int = 0, **changes: object) -> Plan:
    """The plan with another entry."""
    entry = replace(plan.replicas[index], **changes)  # type: ignore[arg-type] # plain keyword values of Replicas
    return replace(plan, replicas=(*plan.replicas[:index], entry, *plan.replicas[index + 1 :]))


def test_plans_worked_out_by_hand_are_right() -> None:
    assert verify(ONE, PLAN) == ()
    assert verify(ONE, changed(PLAN, class_weights=(1.0,))) == ()
    assert verify(TWO, PAIR) == ()
    shuffled = replace(TWO, workload=replace(TWO.workload, classes=TWO.workload.classes[::-1]))
    assert verify(shuffled, PAIR) == ()  # class weights go by the names, whatever the order of the classes


WRONG: list[tuple[str, Request, Plan]] = [
    ("the traffic keeps 1.75 replicas busy, there are 1", ONE, changed(PLAN, count=1)),
    ("the demand in tokens/s is 8399, recomputed 8400", ONE, replace(PLAN, demand_tokens_per_second=8399.0)),
    ("the demand in tokens/s is none, recomputed 8400", ONE, replace(PLAN, demand_tokens_per_second=None)),
    ("the shares of class chat sum to 0.9, they should sum to 1", ONE, changed(PLAN, weight=0.9)),
    ("entry 0: the weight is 1, recomputed 0.9", ONE, changed(PLAN, class_weights=(0.9,))),
    ("entry 0 has 2 class weights, the request has 1 classes", ONE, changed(PLAN, class_weights=(0.5, 0.5))),
    ("entry 1 has 0 class weights, the request has 2 classes", TWO, changed(PAIR, 1, class_weights=())),
    ("entry 1 has 1.1 of class code", TWO, changed(PAIR, 1, class_weights=(2 / 14, 1.1))),
    ("entry 1 has -0.1 of class chat", TWO, changed(PAIR, 1, class_weights=(-0.1, 1.0))),
    ("entry 1: the weight is 0.3, recomputed 0.2", TWO, changed(PAIR, 1, weight=0.3)),
    ("the shares of class code sum to 0.5", TWO, changed(PAIR, 1, class_weights=(2 / 14, 0.5))),
    ("class code: no row was measured on A100", TWO, changed(PAIR, 0, class_weights=(12 / 14, 0.1))),
    ("tokens/s is 4800, recomputed 3400", TWO, changed(PAIR, 1, layout=replace(MIXED_CARD, tokens_per_second=4800.0))),
    ("requests/s is 4, recomputed 3", TWO, changed(PAIR, 1, layout=replace(MIXED_CARD, requests_per_second=4.0))),
    (
        "TTFT in seconds is 0.5, recomputed 0.7",
        TWO,
        changed(PAIR, 1, layout=replace(MIXED_CARD, ttft_seconds=0.5)),
    ),
    ("the cost per hour is 2, recomputed 1", ONE, changed(PLAN, layout=replace(SINGLE, cost_per_hour=2.0))),
]


@pytest.mark.parametrize(("line", "request_", "plan"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_wrong_plan_is_told_with_both_figures(line: str, request_: Request, plan: Plan) -> None:
    found = verify(request_, plan)
    assert any(line in each for each in found), found


def test_each_class_has_its_own_target() -> None:
    late = replace(
        TWO, slo=Slo(ttft_seconds=0.3), workload=replace(TWO.workload, classes=(
            traffic("chat", 14.0, Slo(ttft_seconds=0.6)), traffic("code", 1.0)))
    )  # fmt: skip
    assert verify(late, PAIR) == ("class code: TTFT in seconds is 0.7, the target is 0.3",)


def test_a_spare_entry_tells_its_figures_at_the_demand_of_what_it_can_serve() -> None:
    spare = Replicas(layout=ON_BIG, weight=0.0, class_weights=(0.0, 0.0))
    both = a_plan(
        Replicas(layout=replace(MIXED_CARD, requests_per_second=15 / 4, tokens_per_second=17_800 / 4), count=4,
                 class_weights=(1.0, 1.0)),
        spare,
        demand=17_800.0,
    )  # fmt: skip
    assert verify(TWO, both) == ()
    faster = changed(both, 1, layout=replace(ON_BIG, tokens_per_second=15_000.0))
    assert verify(TWO, faster) == ("tokens/s is 15000, recomputed 14400",)


def test_copies_keep_the_bounds() -> None:
    assert verify(replace(ONE, replicas=ReplicaBounds(min=2, max=2)), PLAN) == ()
    assert verify(replace(ONE, replicas=ReplicaBounds(min=3)), PLAN) == (
        "the plan has 2 replicas, at least 3 are needed",
    )
    assert verify(replace(ONE, replicas=ReplicaBounds(max=1)), PLAN) == (
        "the plan has 2 replicas, the request allows 1",
    )


def test_without_a_demand_there_are_just_enough_copies_of_one_layout() -> None:
    idle = a_fleet_request("idle", (CARDS, BIG), ROWS)
    three = replace(idle, replicas=ReplicaBounds(min=3))
    one = a_plan(Replicas(layout=SINGLE), demand=None)
    assert verify(idle, one) == ()
    assert verify(three, changed(one, count=3)) == ()
    assert verify(idle, changed(one, count=2)) == ("the plan has 2 replicas, without a demand it has 1",)
    halves = (Replicas(layout=SINGLE, weight=0.5), Replicas(layout=ON_BIG, weight=0.5))
    assert verify(replace(three, replicas=ReplicaBounds(min=2)), replace(one, replicas=halves)) == (
        "the plan has 2 layouts, without a demand it has one",
    )
    assert "the demand in tokens/s is 1, recomputed none" in verify(idle, replace(one, demand_tokens_per_second=1.0))


def test_copies_in_a_pool_paid_by_the_node_share_its_nodes() -> None:
    """Three groups of two fill two nodes of four; each copy bears a third of the price of both."""
    whole = replace(CARDS, billing=Billing.PER_NODE)
    request = replace(ONE, pools=(whole, BIG), workload=replace(ONE.workload, classes=(traffic("chat", 30.0),)))
    pair = a_layout(whole, tensor=2, cost=8 / 3, requests=10.0, tokens=12_000.0)
    plan = a_plan(Replicas(layout=pair, count=3), demand=36_000.0)
    assert verify(request, plan) == ()
    assert verify(request, changed(plan, layout=replace(pair, cost_per_hour=2.0))) == (
        "the cost per hour is 2, recomputed 2.66666666667",
    )
    scarce = replace(request, pools=(replace(whole, rooms=(4, 3)), BIG))
    assert verify(scarce, plan) == ("pool cards: the groups use 6 GPUs on 2 nodes, there are 4 GPUs on 1 nodes",)


@pytest.mark.parametrize(("rooms", "fits"), [((4, 4), True), ((2, 2), True), ((3, 1), False), ((4,), True)])
def test_groups_stand_on_nodes_that_have_room(rooms: tuple[int, ...], fits: bool) -> None:  # noqa: FBT001 - a column
    few = replace(CARDS, nodes=len(rooms), rooms=rooms)
    request = replace(ONE, pools=(few, BIG), workload=replace(ONE.workload, classes=(traffic("chat", 20.0),)))
    pair = a_layout(few, tensor=2, cost=2.0, requests=10.0, tokens=12_000.0)
    found = verify(request, a_plan(Replicas(layout=pair, count=2), demand=24_000.0))
    line = f"pool cards: groups of 4 GPUs do not fit {sum(rooms)} free GPUs on {len(rooms)} nodes"
    assert found == (() if fits else (line,))


def test_the_price_gate_is_of_the_demand_and_names_its_policy() -> None:
    """Two dollars an hour for 8400 tokens/s, though 9600 could be served."""
    price = 2.0 / (8400.0 * 3600.0) * 1e6
    gates = Gates(max_cost_per_million_tokens=0.06, policies=(("CostPerMillionTokens", "frugal"),))
    request = replace(ONE, gates=gates)
    outcome = GateOutcome(
        name="CostPerMillionTokens", limit=0.06, actual=price, headroom_percent=(0.06 - price) / 0.06 * 100,
        result=GateResult.FAIL, policy="frugal",
    )  # fmt: skip
    assert verify(request, replace(PLAN, state=PlanState.BLOCKED), (outcome,)) == ()
    assert verify(request, replace(PLAN, state=PlanState.BLOCKED), (replace(outcome, policy=""),)) == (
        "gate CostPerMillionTokens is of policy '', its limit is of 'frugal'",
    )
    assert verify(request, PLAN, (outcome,)) == (
        "the plan is Approved, recomputed Blocked (CostPerMillionTokens Fail)",
    )


def test_traffic_that_never_comes_needs_no_plan() -> None:
    none = replace(ONE, workload=replace(ONE.workload, classes=(traffic("chat", 0.0),)))
    assert "the classes come 0 times a second, a plan is for more than 0" in verify(none, PLAN)
