"""What runs is not torn down because a gate fails now, and gates are constraints before they are filters."""

from dataclasses import replace

import pytest

from placewright.core.decide import decide
from placewright.core.fleet.decide import decide_fleet
from placewright.core.model import (
    Ceiling,
    Decision,
    FleetDecision,
    GateResult,
    Gates,
    MoveReason,
    OnUnknown,
    Plan,
    PlanState,
    Pool,
    Precision,
    Present,
    ReplicaBounds,
    Request,
    Revenue,
    Snapshot,
)
from tests.support.fleets import a_fleet_request, row, shared_pool, traffic

CARDS = shared_pool("cards", price_per_gpu_hour=1.0, nodes=2, gpus_per_node=4)
CHAT = (row("L40S", "chat", 4.0),)  # 1200 tokens a request: 4800 tokens/s for $1/h on one GPU, $0.058/M when full


def request(rate: float, *, name: str = "chat", pools: tuple[Pool, ...] = (CARDS,), **changes: object) -> Request:
    classes = (traffic("chat", rate),) if rate else ()
    return a_fleet_request(name, pools, CHAT, classes, **changes)


def decided(*requests: Request, present: tuple[Present, ...] = (), ceilings: tuple[Ceiling, ...] = ()) -> FleetDecision:
    pools = {pool.name: pool for each in requests for pool in each.pools if pool.shared}
    snapshot = Snapshot(requests=requests, pools=tuple(pools.values()), present=present, ceilings=ceilings)
    return decide_fleet(snapshot, clock=lambda: 0.0)


def plan_of(decision: Decision) -> Plan:
    assert decision.plan is not None
    return decision.plan


def now_has(decision: FleetDecision, **changes: object) -> tuple[Present, ...]:
    return tuple(
        replace(
            Present(
                namespace=each.request.namespace,
                name=each.request.name,
                plan_id=plan_of(each).id,
                replicas=plan_of(each).replicas,
                cost_per_hour=plan_of(each).cost_per_hour,
            ),
            **changes,  # type: ignore[arg-type] # plain keyword values of Present
        )
        for each in decision.decisions
        if each.plan is not None
    )


@pytest.mark.parametrize("rate", [0.0, 10.0], ids=["no demand", "a demand"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared pool", "own pool"])
@pytest.mark.parametrize(
    "gate",
    [
        Gates(max_cost_per_hour=0.5),
        Gates(max_cost_per_million_tokens=0.01),
        Gates(max_cost_to_revenue_ratio=0.1, revenue=Revenue(per_million_tokens=0.1)),
        Gates(max_cost_to_revenue_ratio=0.1, revenue=Revenue(observed=True, per_hour=1.0)),
        Gates(max_cost_to_revenue_ratio=0.1, revenue=Revenue(observed=True)),
    ],
    ids=["per hour", "per token", "stated revenue", "observed revenue", "unknown revenue"],
)
def test_a_request_that_its_gates_block_keeps_the_plan_that_it_has(*, rate: float, shared: bool, gate: Gates) -> None:
    pool = replace(CARDS, shared=shared)
    before = decided(request(rate, pools=(pool,)))
    (after,) = decided(request(rate, pools=(pool,), gates=gate), present=now_has(before)).decisions
    assert after.kept
    assert (plan_of(after).id, plan_of(after).state) == (plan_of(before.decisions[0]).id, PlanState.APPROVED)
    assert after.move is None
    unknown = gate.revenue is not None and gate.revenue.observed and gate.revenue.per_hour is None
    assert [each.result for each in after.gates] == [GateResult.UNKNOWN if unknown else GateResult.FAIL]
    assert after.blocked is not None
    assert after.blocked.state is PlanState.BLOCKED
    assert len(after.blocked_gates) == 1
    assert (after.relaxation is None) is unknown


@pytest.mark.parametrize("rate", [0.0, 10.0], ids=["no demand", "a demand"])
def test_without_a_plan_so_far_the_best_one_is_shown_as_blocked(rate: float) -> None:
    (alone,) = decided(request(rate, gates=Gates(max_cost_per_hour=0.5))).decisions
    assert (plan_of(alone).state, alone.kept, alone.blocked) == (PlanState.BLOCKED, False, None)


def test_a_plan_that_passes_is_taken_before_any_is_kept() -> None:
    """Filtering the cheapest layout afterwards would leave none: only GPUs that are dearer by the token pass."""
    fast = shared_pool("fast", gpu="A100", price_per_gpu_hour=6.0, nodes=1, gpus_per_node=2)
    rows = (row("A100", "chat", 40.0), row("L40S", "chat", 4.0))
    free = a_fleet_request("chat", (fast, CARDS), rows)
    first = decided(free)
    assert plan_of(first.decisions[0]).main.stages[0].pool == "fast"  # $0.035/M against $0.058/M
    (after,) = decided(replace(free, gates=Gates(max_cost_per_hour=2.0)), present=now_has(first)).decisions
    assert not after.kept
    assert plan_of(after).main.stages[0].pool == "cards"
    assert [each.result for each in after.gates] == [GateResult.PASS]
    assert after.move is not None
    assert after.move.reason is MoveReason.GATE_FAILS
    alone = decide(
        replace(
            free, pools=tuple(replace(pool, shared=False) for pool in free.pools), gates=Gates(max_cost_per_hour=2.0)
        ),
        clock=lambda: 0.0,
    )
    assert plan_of(alone).main.stages[0].pool == "cards"


def test_a_share_of_the_revenue_is_a_constraint_of_the_search_too() -> None:
    """Revenue of $10/h and a share of 0.2 leave $2/h; the cheapest by the token costs $6/h."""
    fast = shared_pool("fast", gpu="A100", price_per_gpu_hour=6.0, nodes=1, gpus_per_node=2, shared=False)
    own = replace(CARDS, shared=False)
    gate = Gates(max_cost_to_revenue_ratio=0.2, revenue=Revenue(observed=True, per_hour=10.0))
    asked = a_fleet_request("chat", (fast, own), (row("A100", "chat", 40.0), row("L40S", "chat", 4.0)), gates=gate)
    taken = decide(asked, clock=lambda: 0.0)
    assert (plan_of(taken).state, plan_of(taken).main.stages[0].pool) == (PlanState.APPROVED, "cards")
    (held,) = taken.gates
    assert (held.name, held.actual, held.result) == ("CostToRevenueRatio", pytest.approx(0.1), GateResult.PASS)


def test_an_unknown_revenue_that_may_pass_limits_nothing() -> None:
    gate = Gates(max_cost_to_revenue_ratio=0.1, revenue=Revenue(observed=True), on_unknown=OnUnknown.PASS)
    (taken,) = decided(request(10.0, gates=gate)).decisions
    assert plan_of(taken).state is PlanState.APPROVED
    assert [each.result for each in taken.gates] == [GateResult.UNKNOWN]


def test_a_lowered_ceiling_tears_nothing_down_and_leaves_nothing_to_newcomers() -> None:
    before = decided(request(10.0))  # three replicas, $3/h
    low = (Ceiling(policy="finance", namespace="serving", max_cost_per_hour=2.0),)
    late = request(4.0, name="late")
    whole = decided(request(10.0), late, present=now_has(before), ceilings=low)
    chat, newcomer = whole.decisions
    assert (chat.kept, plan_of(chat).cost_per_hour, chat.move) == (True, 3.0, None)
    assert chat.needs
    assert newcomer.plan is None
    assert [each.name for each in newcomer.gates] == ["NamespaceCostPerHour"]
    assert newcomer.gates[0].actual == pytest.approx(4.0)


def test_demand_beyond_the_stock_keeps_the_plan_that_there_is() -> None:
    before = decided(request(10.0))
    (after,) = decided(request(100.0), present=now_has(before)).decisions
    assert after.kept
    assert plan_of(after).replicas[0].count == 3
    assert after.rejections
    (grown,) = decided(request(20.0), present=now_has(before)).decisions
    assert (grown.kept, plan_of(grown).replicas[0].count) == (False, 5)


def test_a_gate_that_forbids_growth_keeps_the_present_size() -> None:
    before = decided(request(10.0))
    (after,) = decided(request(20.0, gates=Gates(max_cost_per_hour=4.0)), present=now_has(before)).decisions
    assert (after.kept, plan_of(after).replicas[0].count) == (True, 3)
    assert after.blocked is not None
    assert after.blocked.cost_per_hour == pytest.approx(5.0)


def test_nodes_that_are_gone_take_a_kept_plan_with_them() -> None:
    before = decided(request(10.0))
    gone = replace(CARDS, nodes=1, rooms=(2,))
    (after,) = decided(
        request(10.0, pools=(gone,), gates=Gates(max_cost_per_hour=0.5)), present=now_has(before)
    ).decisions
    assert not after.kept
    assert after.move is not None


def test_gpus_of_a_kept_plan_are_nobody_elses() -> None:
    before = decided(request(12.0))  # three of eight GPUs
    blocked = request(12.0, gates=Gates(max_cost_per_hour=0.5))
    greedy = request(24.0, name="greedy")  # six
    whole = decided(blocked, greedy, present=now_has(before))
    assert [each.kept for each in whole.decisions] == [True, False]
    assert whole.decisions[1].plan is None
    fitting = decided(blocked, request(20.0, name="greedy"), present=now_has(before))
    assert sum(use.used for use in fitting.pools) == 8


def test_a_plan_that_somebody_went_back_to_stays_whatever_is_cheaper() -> None:
    dear = shared_pool("dear", gpu="A100", price_per_gpu_hour=3.0, nodes=1, gpus_per_node=4)
    rows = (row("A100", "chat", 4.0), row("L40S", "chat", 4.0))
    on_dear = decided(a_fleet_request("chat", (dear,), rows, (traffic("chat", 4.0),)))
    both = a_fleet_request("chat", (dear, CARDS), rows, (traffic("chat", 4.0),))
    (free,) = decided(both, present=now_has(on_dear)).decisions
    assert plan_of(free).main.stages[0].pool == "cards"
    (held,) = decided(both, present=now_has(on_dear, held=True)).decisions
    assert (held.kept, plan_of(held).main.stages[0].pool, held.move) == (True, "dear", None)
    assert held.blocked is None


def test_a_request_for_another_model_keeps_nothing() -> None:
    before = decided(request(10.0))
    other = replace(request(10.0, gates=Gates(max_cost_per_hour=0.5)), precisions=(Precision(name="fp8"),))
    (after,) = decided(other, present=now_has(before)).decisions
    assert not after.kept


def test_more_replicas_than_a_gate_allows_are_not_added() -> None:
    before = decided(request(0.0))
    more = request(0.0, replicas=ReplicaBounds(min=3), gates=Gates(max_cost_per_hour=2.0))
    (after,) = decided(more, present=now_has(before)).decisions
    assert (after.kept, plan_of(after).replicas[0].count) == (True, 1)


def between(dear_price: float) -> tuple[Request, tuple[Present, ...]]:
    """A request that stands on GPUs of some price beside others at $1, and its present plan."""
    dear = shared_pool("dear", gpu="A100", price_per_gpu_hour=dear_price, nodes=1, gpus_per_node=4)
    rows = (row("A100", "chat", 4.0), row("L40S", "chat", 4.0))
    before = decided(a_fleet_request("chat", (dear,), rows, (traffic("chat", 4.0),)))
    return a_fleet_request("chat", (dear, CARDS), rows, (traffic("chat", 4.0),)), now_has(before)


def test_a_change_for_its_saving_says_what_it_saves_and_what_is_asked() -> None:
    asked, there = between(2.0)
    (moved,) = decided(asked, present=there).decisions
    assert moved.move is not None
    assert moved.move.reason is MoveReason.CHEAPER
    assert moved.move.message == "another plan saves 50 %, at least 10 % is asked: $2/h before, $1/h now"


def test_a_plan_that_stays_because_a_change_saves_too_little_says_so() -> None:
    asked, there = between(1.05)
    (stays,) = decided(asked, present=there).decisions
    assert (stays.move, stays.kept) == (None, False)
    assert stays.warnings == (
        "another plan would save 4.76 %; this one stays, since a change has to save 10 % at least",
    )
    (best,) = decided(asked).decisions
    assert best.warnings == ()


def test_a_more_important_newcomer_takes_the_gpus_of_a_plan_that_its_gates_block() -> None:
    before = decided(request(12.0))  # three of eight GPUs
    blocked = request(12.0, gates=Gates(max_cost_per_hour=0.5))
    urgent = request(24.0, name="urgent", priority=1)  # six
    gone, placed = decided(blocked, urgent, present=now_has(before)).decisions
    assert (plan_of(placed).state, placed.kept) == (PlanState.APPROVED, False)
    assert not gone.kept
    assert gone.move is not None
    assert gone.move.reason is MoveReason.PREEMPTED
    impossible = request(100.0, name="urgent", priority=1)
    stays, refused = decided(blocked, impossible, present=now_has(before)).decisions
    assert (stays.kept, refused.plan) == (True, None)  # giving it up would place nobody
