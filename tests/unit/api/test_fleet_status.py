"""What a status says of requests that are decided with others: demand, moves, spills, refusals, gaps."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.outcome import same_decision, status_for_waiting, to_status, warnings_of
from placewright.api.parse import parse
from placewright.api.status import PlacementRequestStatus
from placewright.api.surroundings import NoPoolsError, SharedPool, Surroundings
from placewright.core.model import (
    Decision,
    GateOutcome,
    GateResult,
    Layout,
    Method,
    Move,
    MoveReason,
    Plan,
    PlanState,
    Rejection,
    RejectionCode,
    Replicas,
    SolveReport,
    SolveStatus,
    Spill,
    Stage,
)
from tests.support.fleet_resources import policy, profile, row, shared_pool
from tests.support.resources import small_request

Decide = Callable[..., Decision]
Json = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
SERVING: Json = {"poolSelector": {"matchLabels": {"tier": "serving"}}, "pools": None}
CLASSES = [
    {"name": "long", "inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 1.25},
    {"name": "short", "inputTokens": 128, "outputTokens": 64, "requestsPerSecond": 2},
]
AROUND = Surroundings(
    pools={
        "l40s": shared_pool("l40s", labels={"tier": "serving"}),
        "a10": shared_pool("a10", gpu="A10", labels={"tier": "serving"}),
    }
)


def status_of(
    decision: Decision,
    previous: Json | None = None,
    *,
    now: datetime = NOW,
    generation: int = 1,
    surroundings: Surroundings = AROUND,
) -> Json:
    status = to_status(
        decision,
        generation=generation,
        decided_at=now,
        duration_seconds=0.1,
        previous=previous,
        surroundings=surroundings,
    )
    PlacementRequestStatus.model_validate(status)
    assert json.loads(json.dumps(status, allow_nan=False)) == status
    return status


def conditions(status: Json) -> dict[str, Json]:
    return {entry["type"]: entry for entry in status["conditions"]}


@pytest.fixture
def member(decision: Decide, layout: Layout) -> Decide:
    """The decision of a member of a fleet: two classes on two layouts, with a gap; keywords replace its parts."""
    request = to_request(parse(small_request(workload={"classes": CLASSES}, **SERVING)), AROUND)
    small = replace(
        layout,
        stages=(Stage(pool="a10", gpu="A10", tensor_parallel=1, first_layer=0, last_layer=31),),
        cost_per_hour=0.6,
        tokens_per_second=300.0,
    )
    replicas = (
        Replicas(layout=small, count=3, weight=0.25, class_weights=(0.0, 0.7)),
        Replicas(layout=layout, count=1, weight=0.75, class_weights=(1.0, 0.3)),
    )
    plan = Plan(id="p-cccccccccc", state=PlanState.APPROVED, replicas=replicas, demand_tokens_per_second=1984.0)
    report = SolveReport(method=Method.EXACT, status=SolveStatus.FEASIBLE, gap_percent=0.04, bound_cost_per_hour=11.39)

    def make(**changes: Any) -> Decision:
        return replace(decision(request=request, plan=plan, gates=(), report=report), **changes)

    return make


def moved(reason: MoveReason, old: float | None, new: float | None, message: str = "because") -> Move:
    return Move(reason=reason, old_plan_id="p-before", old_cost_per_hour=old, new_cost_per_hour=new, message=message)


def refused(member: Decide, **changes: Any) -> Decision:
    usual: Json = {
        "plan": None,
        "alternatives": (),
        "frontier": (),
        "report": SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None),
        "rejections": (
            Rejection(code=RejectionCode.SLO_TPOT, count=2, pool="a10", message="TPOT 80 ms"),
            Rejection(code=RejectionCode.INSUFFICIENT_STOCK, count=1, pool="l40s", message="0 of 8 GPUs are free"),
        ),
        "needs": "with 1 more l40s node: feasible at $4.8/h",
    }
    return member(**{**usual, **changes})


def test_a_plan_for_several_classes_tells_demand_and_shares(member: Decide) -> None:
    plan = status_of(member())["plan"]

    assert (plan["demandRequestsPerSecond"], plan["demandTokensPerSecond"]) == (3.25, 1984.0)
    assert (plan["replicas"], plan["totalGPUs"], plan["gpusByPool"]) == (4, 11, {"a10": 3, "l40s": 8})
    assert (plan["costPerHour"], plan["costPerMillionTokens"]) == (11.4, round(11.4 / (1984 * 3600) * 1e6, 5))
    assert plan["tokensPerSecond"] == 2055.12
    assert [entry["weight"] for entry in plan["layouts"]] == [0.75, 0.25]
    assert [entry["classWeights"] for entry in plan["layouts"]] == [
        [{"name": "long", "weight": 1.0}, {"name": "short", "weight": 0.3}],
        [{"name": "short", "weight": 0.7}],
    ]


def test_without_a_demand_a_plan_tells_none(decision: Decide) -> None:
    plan = status_of(decision())["plan"]

    assert not {"demandRequestsPerSecond", "demandTokensPerSecond"} & set(plan)
    assert "classWeights" not in plan["layouts"][0]


def test_the_ready_message_names_layouts_cost_gap_and_why_the_plan_changed(member: Decide) -> None:
    move = moved(MoveReason.CHEAPER, 13.0, 11.4, "$11.4/h in place of $13/h saves 12.3 %")
    found = conditions(status_of(member(move=move)))

    assert found["Ready"]["message"] == (
        "p-cccccccccc: 1 x bf16 TP4 PP2 on l40s + 3 x bf16 TP1 PP1 on a10, 11 GPUs, $11.4/h, $1.596/M tokens,"
        " 1984 of 2055 tokens/s; at most 0.04 % above the proved bound;"
        " Cheaper: $11.4/h in place of $13/h saves 12.3 %"
    )
    assert found["Feasible"]["reason"] == "WithinGap"
    assert found["Feasible"]["message"] == (
        "Exact found a valid plan, at most 0.04 % above the proved bound, together with all requests that share its"
        " pools"
    )
    assert found["InputsFresh"]["message"] == "prices and stock are those of the GPUPools"
    assert "Spilled" not in found


def test_the_history_tells_both_costs_and_why(member: Decide) -> None:
    first = status_of(member(move=moved(MoveReason.FIRST_PLAN, None, 11.4, "first plan, $11.4/h")))
    plan = member().plan
    assert plan is not None
    other = replace(plan, id="p-dddddddddd", replicas=plan.replicas[1:])
    move = moved(MoveReason.STOCK_GONE, 11.4, 9.6, "node b is gone")
    second = status_of(member(plan=other, move=move), first, now=LATER)

    assert second["history"] == [
        {
            "id": "p-dddddddddd",
            "time": "2026-11-21T12:00:00Z",
            "reason": "StockGone",
            "costPerHour": 9.6,
            "previousCostPerHour": 11.4,
            "message": "node b is gone",
        },
        {
            "id": "p-cccccccccc",
            "time": "2026-11-21T10:00:00Z",
            "reason": "FirstPlan",
            "costPerHour": 11.4,
            "message": "first plan, $11.4/h",
        },
    ]


def test_a_plan_that_stays_is_the_same_decision_although_it_moved_before(member: Decide) -> None:
    before = status_of(member(move=moved(MoveReason.CHEAPER, 13.0, 11.4)))
    after = status_of(member(), before, now=LATER)

    assert after["plan"] == before["plan"]
    assert after["history"] == before["history"]
    assert conditions(after)["Ready"]["message"].endswith("; Cheaper: because")
    assert same_decision(before, after)


def test_a_gap_that_moves_while_the_plan_stays_is_no_new_decision(member: Decide) -> None:
    report = member().report
    before = status_of(member())
    wider = status_of(member(report=replace(report, gap_percent=0.09, bound_cost_per_hour=11.3)), before)
    proved = status_of(member(report=replace(report, status=SolveStatus.OPTIMAL, gap_percent=0.0)), before)
    spilled = status_of(member(spill=_spill()), before)

    assert wider["solver"]["gapPercent"] != before["solver"]["gapPercent"]
    assert same_decision(before, wider)
    assert not same_decision(before, proved)
    assert not same_decision(before, spilled)
    assert not same_decision(before, status_of(member(warnings=("look",)), before))
    assert not same_decision(before, status_of(member(), before, generation=2))


def test_a_refusal_whose_help_changes_is_a_new_decision(member: Decide) -> None:
    before = status_of(refused(member))

    assert same_decision(before, status_of(refused(member), before, now=LATER))
    assert not same_decision(before, status_of(refused(member, needs="with 2 more l40s nodes"), before))


def _spill() -> Spill:
    return Spill(
        preferred_pools=("l40s",), preferred_cost_per_hour=9.6, message="l40s is short: on a10 at $11.4/h, $1.8/h more"
    )


def test_a_spill_is_a_condition_while_it_lasts(member: Decide) -> None:
    during = status_of(member(spill=_spill()))
    after = status_of(member(), during, now=LATER)

    told = conditions(during)["Spilled"]
    assert (told["status"], told["reason"]) == ("True", "PreferredPoolShort")
    assert told["message"] == "l40s is short: on a10 at $11.4/h, $1.8/h more"
    assert conditions(during)["Ready"]["status"] == "True"
    assert "Spilled" not in conditions(after)


def test_a_refused_request_says_what_more_stock_would_change(member: Decide) -> None:
    status = status_of(refused(member))
    found = conditions(status)

    assert "plan" not in status
    assert status["needs"] == "with 1 more l40s node: feasible at $4.8/h"
    assert "relaxation" not in status
    assert (found["Ready"]["reason"], found["Feasible"]["reason"]) == ("Infeasible", "StockExhausted")
    assert found["Ready"]["message"] == (
        "there is no plan: SloTpot: TPOT 80 ms; InsufficientStock: 0 of 8 GPUs are free;"
        " with 1 more l40s node: feasible at $4.8/h"
    )
    without_help = conditions(status_of(refused(member, needs="")))
    assert without_help["Feasible"]["reason"] == "SloUnreachable"


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("NamespaceCostPerHour", "cost per hour of the namespace $130/h exceeds $120/h of policy default by 8.33 %"),
        ("FleetCostPerHour", "cost per hour of the fleet $130/h exceeds $120/h of policy default by 8.33 %"),
    ],
)
def test_a_ceiling_that_refuses_a_request_is_told_with_its_policy(gate: str, words: str, member: Decide) -> None:
    outcome = GateOutcome(
        name=gate, limit=120.0, actual=130.0, headroom_percent=-8.3333333, result=GateResult.FAIL, policy="default"
    )
    rejection = Rejection(code=RejectionCode.HOURLY_BUDGET_GATE, count=1, pool="", message="$120/h is used up")
    status = status_of(refused(member, gates=(outcome,), rejections=(rejection,), needs=""))
    found = conditions(status)

    assert status["gates"] == [
        {
            "name": gate,
            "limit": 120.0,
            "actual": 130.0,
            "headroomPercent": -8.33333,
            "result": "Fail",
            "policy": "default",
        }
    ]
    assert (found["Ready"]["reason"], found["Feasible"]["reason"]) == ("Infeasible", "HourlyBudgetExceeded")
    assert (found["GatesPassed"]["status"], found["GatesPassed"]["reason"]) == ("False", "HourlyBudgetExceeded")
    assert found["GatesPassed"]["message"] == words


def test_a_plan_that_is_given_up_stays_in_the_history_until_there_is_another(member: Decide) -> None:
    first = status_of(member(move=moved(MoveReason.FIRST_PLAN, None, 11.4)))
    preempted = refused(member, move=moved(MoveReason.PREEMPTED, 11.4, None, "serving/big takes l40s"))
    lost = status_of(preempted, first, now=LATER)
    still = status_of(refused(member), lost, now=LATER + timedelta(hours=1))
    back = status_of(member(move=moved(MoveReason.FIRST_PLAN, None, 11.4)), still, now=LATER + timedelta(hours=2))

    assert lost["history"][0] == {
        "id": "p-cccccccccc",
        "time": "2026-11-21T12:00:00Z",
        "reason": "Preempted",
        "previousCostPerHour": 11.4,
        "message": "serving/big takes l40s",
    }
    assert conditions(lost)["Ready"]["message"].endswith(
        "; p-cccccccccc was given up, Preempted: serving/big takes l40s"
    )
    assert same_decision(lost, still)
    assert [entry["reason"] for entry in back["history"]] == ["FirstPlan", "Preempted", "FirstPlan"]
    assert back["plan"]["decidedAt"] == "2026-11-21T14:00:00Z"


def test_a_request_whose_pools_are_gone_waits_for_them(member: Decide) -> None:
    error = NoPoolsError("spec.poolSelector", got="no GPUPool with tier=serving", wants="the labels of a GPUPool")
    before = status_of(member())
    status = status_for_waiting(error, generation=1, now=LATER, previous=before)
    found = conditions(status)

    PlacementRequestStatus.model_validate(status)
    assert "plan" not in status
    assert {name: (entry["status"], entry["reason"]) for name, entry in found.items()} == {
        "Ready": ("False", "NoPools"),
        "Stalled": ("True", "NoPools"),
        "Feasible": ("False", "StockExhausted"),
    }
    assert found["Ready"]["message"] == str(error)
    assert (status["history"][0]["reason"], status["history"][0]["previousCostPerHour"]) == ("StockGone", 11.4)
    assert same_decision(status, status_for_waiting(error, generation=1, now=LATER, previous=status))
    assert "history" not in status_for_waiting(error, generation=1, now=NOW)


def test_gates_of_a_policy_are_named(decision: Decide) -> None:
    given = decision()
    gates = tuple(replace(outcome, policy="default") for outcome in given.gates)
    status = status_of(replace(given, gates=gates))

    assert status["gates"][0]["policy"] == "default"
    assert conditions(status)["GatesPassed"]["message"] == (
        "cost per million tokens $2.309/M is within $2.5/M of policy default"
    )


def test_the_age_of_prices_is_that_of_the_oldest_in_use_and_no_new_decision(member: Decide) -> None:
    def aged(**hours: int) -> Surroundings:
        pools = {
            name: SharedPool(pool=shared.pool, labels=shared.labels, price_as_of=NOW - timedelta(hours=hours[name]))
            for name, shared in AROUND.pools.items()
        }
        unused = SharedPool(pool=AROUND.pools["l40s"].pool, labels={}, price_as_of=NOW - timedelta(days=9))
        return Surroundings(pools={**pools, "unused": unused})

    before = status_of(member(), surroundings=aged(l40s=3, a10=1))
    after = status_of(member(), before, surroundings=aged(l40s=1, a10=2))

    assert before["inputs"]["priceAsOf"] == "2026-11-21T07:00:00Z"
    assert after["inputs"]["priceAsOf"] == "2026-11-21T08:00:00Z"
    assert same_decision(before, after)
    assert "priceAsOf" not in status_of(member())["inputs"]


def test_the_profile_in_use_is_told_with_its_source_and_date(decision: Decide) -> None:
    given = profile("p", [row()], asOf="2026-10-02T00:00:00Z")
    request = to_request(parse(small_request()), Surroundings(profiles=(given,)))
    status = status_of(decision(request=request))

    assert status["inputs"]["profile"] == {
        "name": "p",
        "source": "vllm bench serve",
        "asOf": "2026-10-02T00:00:00Z",
    }
    assert "profile" not in status_of(decision())["inputs"]


def test_what_reading_a_request_has_shown_comes_before_what_deciding_has(decision: Decide) -> None:
    unpriced = [{"name": "l40s", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4}]
    rules = policy(prices=[{"gpu": "L40S", "pricePerGPUHour": 1.2}])
    request = to_request(parse(small_request(pools=unpriced)), Surroundings(policies=(rules,)))
    given = decision(request=request, warnings=("cut short",))

    assert status_of(given)["warnings"] == list(warnings_of(given))
    assert warnings_of(given) == (
        "pool l40s has the price of a PlacementPolicy, $1.2 per GPU and hour",
        "cut short",
    )
