"""The checker on the plans of a fleet: nodes, ceilings, sums, moves, and a reason wherever there is no plan."""

from dataclasses import replace

import pytest

from placewright.core.model import (
    Assignment,
    Billing,
    Ceiling,
    Decision,
    FleetDecision,
    FleetReport,
    GateOutcome,
    GateResult,
    Gates,
    Method,
    Move,
    MoveReason,
    Plan,
    PlanState,
    Pool,
    PoolUse,
    Present,
    Rejection,
    RejectionCode,
    Replicas,
    Request,
    Snapshot,
    SolveReport,
    SolveStatus,
)
from placewright.core.verification.fleet import verify_fleet
from tests.support.fleets import a_fleet_request, a_layout, a_plan, row, shared_pool, traffic

POOL = shared_pool("cards", price_per_gpu_hour=1.0, nodes=2, gpus_per_node=4, rooms=(4, 3))
ROWS = (row("L40S", "chat", 10.0, tensor=2), row("L40S", "chat", 4.0))
REPORT = SolveReport(method=Method.EXACT, status=SolveStatus.OPTIMAL, gap_percent=0.0)


def asked(name: str, demand: float, pool: Pool = POOL) -> Request:
    return a_fleet_request(name, (pool,), ROWS, (traffic("chat", demand),))


def first(cost: float | None) -> Move:
    return Move(
        reason=MoveReason.FIRST_PLAN, old_plan_id="", old_cost_per_hour=None, new_cost_per_hour=cost, message="first"
    )


def pairs(pool: Pool, copies: int, demand: float, cost: float) -> Plan:
    """Copies on two GPUs each."""
    layout = a_layout(pool, tensor=2, cost=cost / copies, requests=10.0, tokens=12_000.0)
    return a_plan(Replicas(layout=layout, count=copies), demand=demand * 1200.0)


def decided(request: Request, plan: Plan | None, **changes: object) -> Decision:
    values: dict[str, object] = {"move": None if plan is None else first(plan.cost_per_hour), **changes}
    return Decision(request=request, inputs_hash="0" * 16, plan=plan, report=REPORT, **values)  # type: ignore[arg-type] # plain keyword values of Decision


def on(name: str, node: int, copy: int = 0, **changes: object) -> Assignment:
    values: dict[str, object] = {"entry": 0, "stage": 0, "pool": "cards", "gpus": 2, **changes}
    return Assignment(namespace="serving", name=name, node=node, copy=copy, **values)  # type: ignore[arg-type] # as above


SHORT = Rejection(code=RejectionCode.INSUFFICIENT_STOCK, count=1, pool="cards", message="2 GPUs short")
SNAPSHOT = Snapshot(requests=(asked("b", 9.0), asked("a", 18.0), asked("c", 9.0)), pools=(POOL,))
RIGHT = FleetDecision(
    decisions=(
        decided(asked("a", 18.0), pairs(POOL, 2, 18.0, 4.0)),
        decided(asked("b", 9.0), pairs(POOL, 1, 9.0, 2.0)),
        decided(asked("c", 9.0), None, rejections=(SHORT,), needs="with 1 more cards node: feasible at $2.00/h"),
    ),
    assignments=(on("a", 0), on("a", 0, 1), on("b", 1)),
    pools=(PoolUse(name="cards", capacity=7, used=6),),
    report=FleetReport(
        cost_per_hour=6.0,
        bound_cost_per_hour=6.0,
        gap_percent=0.0,
        status=SolveStatus.OPTIMAL,
        placed=2,
        refused=1,
    ),
)


def test_a_fleet_worked_out_by_hand_is_right() -> None:
    assert verify_fleet(SNAPSHOT, RIGHT) == ()
    kept = Ceiling(policy="all", namespace=None, max_cost_per_hour=6.0)
    assert verify_fleet(replace(SNAPSHOT, ceilings=(kept,)), RIGHT) == ()


def with_decision(index: int, **changes: object) -> FleetDecision:
    other = replace(RIGHT.decisions[index], **changes)  # type: ignore[arg-type] # plain keyword values of Decision
    return replace(RIGHT, decisions=(*RIGHT.decisions[:index], other, *RIGHT.decisions[index + 1 :]))


def nodes(*assignments: Assignment) -> FleetDecision:
    return replace(RIGHT, assignments=assignments)


def reported(**changes: object) -> FleetDecision:
    return replace(RIGHT, report=replace(RIGHT.report, **changes))  # type: ignore[arg-type] # as above


A = "serving/a: entry 0 copy"
WRONG: list[tuple[str, FleetDecision]] = [
    ("the decisions are for serving/b, serving/a", replace(RIGHT, decisions=RIGHT.decisions[1::-1])),
    ("the decisions are for serving/a, they should be for", replace(RIGHT, decisions=RIGHT.decisions[:1])),
    (f"{A} 1 stage 0 (2 GPUs of pool cards) has 0 nodes", nodes(on("a", 0), on("b", 1))),
    (f"{A} 1 stage 0 (2 GPUs of pool cards) has 2 nodes", nodes(on("a", 0), on("a", 0, 1), on("a", 1, 1), on("b", 1))),
    (f"{A} 2 stage 0 (2 GPUs of pool cards) has a node", nodes(on("a", 0), on("a", 0, 1), on("a", 1, 2), on("b", 1))),
    ("serving/c: entry 0 copy 0 stage 0 (2 GPUs of pool cards) has a node", nodes(on("c", 1))),
    ("(1 GPUs of pool cards) has a node", nodes(on("a", 0, gpus=1))),
    ("pool cards: 4 GPUs of node 1 are promised, 3 are free", nodes(on("a", 0), on("a", 1, 1), on("b", 1))),
    ("pool cards has no node 2, it has 2 nodes", nodes(on("a", 0), on("a", 0, 1), on("b", 2))),
    ("serving/b: the demand in tokens/s is 1, recomputed 10800",
     with_decision(1, plan=replace(pairs(POOL, 1, 9.0, 2.0), demand_tokens_per_second=1.0))),
    ("serving/b: a first plan is no move", with_decision(1, move=None)),
    ("serving/b: the move's new cost is 3, recomputed 2", with_decision(1, move=first(3.0))),
    ("serving/b: the move is for Cheaper, the present plan is none",
     with_decision(1, move=replace(first(2.0), reason=MoveReason.CHEAPER))),
    ("serving/b: the move has no message", with_decision(1, move=replace(first(2.0), message=""))),
    ("serving/c: there is no plan and no rejection", with_decision(2, rejections=())),
    ("serving/c: there is no plan for want of stock or budget, and nothing says what would help",
     with_decision(2, needs="")),
    ("the pools told are none, they should be cards", replace(RIGHT, pools=())),
    ("pool cards: the capacity is 8, recomputed 7",
     replace(RIGHT, pools=(PoolUse(name="cards", capacity=8, used=6),))),
    ("pool cards: 5 GPUs are used, recomputed 6",
     replace(RIGHT, pools=(PoolUse(name="cards", capacity=7, used=5),))),
    ("the cost per hour of the fleet is 5, recomputed 6", reported(cost_per_hour=5.0)),
    ("the bound is 6.1, the cost 6", reported(bound_cost_per_hour=6.1)),
    ("the gap is 0 %, recomputed 50 %", reported(bound_cost_per_hour=3.0)),
    ("the status is Optimal with a gap of 50 %", reported(bound_cost_per_hour=3.0, gap_percent=50.0)),
    ("3 requests are placed and 1 refused, recomputed 2 and 1", reported(placed=3)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "wrong"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_fleet_is_told(line: str, wrong: FleetDecision) -> None:
    found = verify_fleet(SNAPSHOT, wrong)
    assert any(line in each for each in found), found


@pytest.mark.parametrize(
    ("ceiling", "line"),
    [
        (Ceiling(policy="p", namespace=None, max_cost_per_hour=5.9), "the fleet costs 6 USD/h, policy p allows 5.9"),
        (
            Ceiling(policy="p", namespace="serving", max_cost_per_hour=5.9),
            "namespace serving costs 6 USD/h, policy p allows 5.9",
        ),
    ],
)
def test_a_broken_ceiling_is_told(ceiling: Ceiling, line: str) -> None:
    assert verify_fleet(replace(SNAPSHOT, ceilings=(ceiling,)), RIGHT) == (line,)
    elsewhere = replace(ceiling, namespace="other")
    assert verify_fleet(replace(SNAPSHOT, ceilings=(elsewhere,)), RIGHT) == ()


def test_a_node_that_is_paid_for_whole_holds_one_layout_and_is_wholly_free() -> None:
    whole = replace(POOL, billing=Billing.PER_NODE, rooms=(4, 4, 3))
    snapshot = Snapshot(requests=(asked("a", 18.0, whole), asked("b", 9.0, whole)), pools=(whole,))
    decisions = (
        decided(asked("a", 18.0, whole), pairs(whole, 2, 18.0, 4.0)),
        decided(asked("b", 9.0, whole), pairs(whole, 1, 9.0, 4.0)),
    )
    report = replace(RIGHT.report, cost_per_hour=8.0, bound_cost_per_hour=8.0, refused=0)

    def standing(*assignments: Assignment) -> tuple[str, ...]:
        use = PoolUse(name="cards", capacity=11, used=6)
        return verify_fleet(
            snapshot, FleetDecision(decisions=decisions, assignments=assignments, pools=(use,), report=report)
        )

    assert standing(on("a", 0), on("a", 0, 1), on("b", 1)) == ()
    assert standing(on("a", 0), on("a", 1, 1), on("b", 1)) == (
        "pool cards: node 1 is paid for whole and holds 2 layouts",
        "serving/a: 2 copies stand on 2 nodes of pool cards, paid 1",
    )
    assert standing(on("a", 0), on("a", 0, 1), on("b", 2)) == ("pool cards: node 2 is paid for whole, 3 of 4 are free",)


def stayed(decision: Decision) -> Decision:
    return replace(decision, move=None)


PRESENT = Present(
    namespace="serving", name="b", plan_id="p-0a1b2c", replicas=RIGHT.decisions[1].plan.replicas, cost_per_hour=2.0  # type: ignore[union-attr] # it has a plan
)  # fmt: skip
OLD = replace(PRESENT, plan_id="p-ffffff", cost_per_hour=5.0)
MOVED = Move(
    reason=MoveReason.CHEAPER, old_plan_id="p-ffffff", old_cost_per_hour=5.0, new_cost_per_hour=2.0, message="cheaper"
)


@pytest.mark.parametrize(
    ("present", "move", "lines"),
    [
        (PRESENT, None, ()),
        (OLD, MOVED, ()),
        (OLD, None, ("serving/b: the plan p-ffffff is given up without a move",)),
        (PRESENT, replace(MOVED, old_plan_id="p-0a1b2c", old_cost_per_hour=2.0),
         ("serving/b: the move is from p-0a1b2c to itself",)),
        (OLD, replace(MOVED, old_plan_id="p-000000"),
         ("serving/b: the move is from p-000000, the present plan is p-ffffff",)),
        (OLD, replace(MOVED, old_cost_per_hour=4.0), ("serving/b: the move's old cost is 4, recomputed 5",)),
        (OLD, replace(MOVED, reason=MoveReason.FIRST_PLAN),
         ("serving/b: the move is for FirstPlan, the present plan is p-ffffff",)),
    ],
)  # fmt: skip
def test_moves_are_those_from_the_present_plan(present: Present, move: Move | None, lines: tuple[str, ...]) -> None:
    assert verify_fleet(replace(SNAPSHOT, present=(present,)), with_decision(1, move=move)) == lines


def test_a_blocked_plan_takes_nothing() -> None:
    """It is checked by itself, and neither its nodes nor its cost count."""
    request = replace(asked("b", 9.0), gates=Gates(max_cost_per_hour=1.0))
    snapshot = replace(SNAPSHOT, requests=(asked("a", 18.0), request, asked("c", 9.0)))
    outcome = GateOutcome(name="CostPerHour", limit=1.0, actual=2.0, headroom_percent=-100.0, result=GateResult.FAIL)
    blocked = replace(pairs(POOL, 1, 9.0, 2.0), state=PlanState.BLOCKED)
    right = replace(
        RIGHT,
        decisions=(RIGHT.decisions[0], decided(request, blocked, gates=(outcome,), move=None), RIGHT.decisions[2]),
        assignments=RIGHT.assignments[:2],
        pools=(PoolUse(name="cards", capacity=7, used=4),),
        report=replace(RIGHT.report, cost_per_hour=4.0, bound_cost_per_hour=4.0, placed=1, refused=2),
    )
    assert verify_fleet(snapshot, right) == ()
    found = verify_fleet(snapshot, replace(right, assignments=RIGHT.assignments))
    assert found[0].startswith("serving/b: entry 0 copy 0 stage 0 (2 GPUs of pool cards) has a node, no approved plan")


def test_a_refusal_for_a_ceiling_shows_the_gate() -> None:
    gate = GateOutcome(
        name="FleetCostPerHour", limit=6.0, actual=8.0, headroom_percent=-100 / 3, result=GateResult.FAIL, policy="all"
    )
    budget = replace(SHORT, code=RejectionCode.HOURLY_BUDGET_GATE)
    assert verify_fleet(SNAPSHOT, with_decision(2, needs="", rejections=(budget,), gates=(gate,))) == ()
    found = verify_fleet(SNAPSHOT, with_decision(1, gates=(gate,)))
    assert found == ("serving/b: gate FleetCostPerHour is told of a plan",)
