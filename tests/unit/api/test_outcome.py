import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placewright import catalog
from placewright.api.acting_status import AppliedReason, not_applied
from placewright.api.conditions import Condition
from placewright.api.crd import custom_resource_definition
from placewright.api.outcome import (
    PlanItem,
    plan_list,
    same_decision,
    status_for_failed_solve,
    status_for_invalid,
    status_for_solving,
    status_for_suspended,
    status_for_unread_demand,
    status_for_waiting,
    to_status,
)
from placewright.api.parts import Parts, with_new_parts
from placewright.api.status import PlacementRequestStatus
from placewright.api.surroundings import DemandUnavailableError
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import (
    BudgetTrial,
    Decision,
    FrontierPoint,
    Layout,
    Method,
    Plan,
    PlanState,
    Rejection,
    RejectionCode,
    Relaxation,
    Replicas,
    SolveReport,
    SolveStatus,
)

Decide = Callable[..., Decision]
Json = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def status_of(decision: Decision, *, generation: int = 1, now: datetime = NOW, previous: Json | None = None) -> Json:
    return to_status(decision, generation=generation, decided_at=now, duration_seconds=0.0412345678, previous=previous)


def ready(status: Json) -> Json:
    found: Json = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
    return found


def infeasible(decision: Decide) -> Decision:
    return decision(
        plan=None,
        gates=(),
        alternatives=(),
        frontier=(),
        report=SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None),
        rejections=(Rejection(code=RejectionCode.INSUFFICIENT_MEMORY, count=3, pool="l40s", message="needs 160 GiB"),),
        relaxation=Relaxation(
            field="spec.pools[0].nodes",
            current="1",
            needed="2",
            message="feasible with pools[l40s].nodes 2 (now 1)",
            request=decision().request,
            size=1.0,
        ),
    )


def fits(schema: Json, value: Any, path: str = "status") -> None:
    """Every field is one of the CRD, no list or text exceeds its maximum, nothing is null."""
    assert value is not None, path
    if isinstance(value, dict):
        properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
        assert set(schema.get("required", ())) <= set(value), path
        for name, item in value.items():
            assert name in properties or additional, f"{path}.{name}"
            fits(properties.get(name, additional), item, f"{path}.{name}")
    elif isinstance(value, list):
        assert len(value) <= schema["maxItems"], path
        for item in value:
            fits(schema["items"], item, path)
    elif isinstance(value, str):
        assert value in schema["enum"] if "enum" in schema else len(value) <= schema["maxLength"], path


def status_schema() -> Json:
    version = custom_resource_definition()["spec"]["versions"][0]
    schema: Json = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


def test_the_plan_is_written_as_the_contract_has_it(decision: Decide) -> None:
    status = status_of(decision())

    assert status["observedGeneration"] == 1
    plan = status["plan"]
    layouts = plan.pop("layouts")
    assert plan == {
        "id": "p-aaaaaaaaaa",
        "state": "Approved",
        "decidedAt": "2026-11-21T10:00:00Z",
        "precision": "bf16",
        "replicas": 1,
        "tensorParallel": 4,
        "pipelineParallel": 2,
        "pool": "l40s",
        "totalGPUs": 8,
        "gpusByPool": {"l40s": 8},
        "costPerHour": 9.6,
        "costPerMillionTokens": 2.30856,
        "tokensPerSecond": 1155.12,
        "requestsPerSecond": 0.902439,
        "ttftSeconds": 0.812346,
        "tpotSeconds": 0.0412346,
    }
    assert layouts[0]["stages"][1] == (
        {"pool": "l40s", "gpu": "L40S", "tensorParallel": 4, "firstLayer": 15, "lastLayer": 31, "gpus": 4}
    )
    assert layouts[0]["engineArgs"][:2] == ["--tensor-parallel-size=4", "--pipeline-parallel-size=2"]
    assert layouts[0]["env"] == [{"name": "VLLM_PP_LAYER_PARTITION", "value": "15,17"}]
    assert (layouts[0]["replicas"], layouts[0]["weight"], layouts[0]["maxConcurrency"]) == (1, 1.0, 64)
    assert status["gates"] == [
        {"name": "CostPerMillionTokens", "limit": 2.5, "actual": 2.30856, "headroomPercent": 7.65432, "result": "Pass"}
    ]
    assert status["solver"]["durationSeconds"] == 0.0412346
    assert status["inputs"] == {"hash": "0123456789abcdef", "catalogVersion": catalog.catalog_version()}
    assert status["history"] == [
        {"id": "p-aaaaaaaaaa", "time": "2026-11-21T10:00:00Z", "reason": "FirstPlan", "costPerHour": 9.6}
    ]


def test_every_status_fits_the_crd_and_is_plain_json(decision: Decide) -> None:
    error = InvalidRequestError("spec.pools[0].gpu", got="'X'", wants="a key")
    planned = status_of(decision(warnings=("look",) * 20))
    statuses = [
        planned,
        status_of(infeasible(decision)),
        status_for_invalid(error, generation=2, now=NOW, previous=planned),
        status_for_suspended(generation=2, now=NOW, previous=planned),
        status_for_suspended(generation=2, now=NOW),
        status_for_solving(generation=2, now=NOW, previous=planned),
        status_for_solving(generation=2, now=NOW),
        status_for_failed_solve("SolverCrashed", "x" * 5000, inputs_hash="0" * 16, generation=2, now=NOW),
    ]

    for status in statuses:
        fits(status_schema(), status)
        assert json.loads(json.dumps(status, allow_nan=False)) == status
        PlacementRequestStatus.model_validate(status)


def test_long_lists_are_cut_to_what_the_crd_takes(decision: Decide, layout: Layout) -> None:
    points = tuple(
        FrontierPoint(layout=replace(layout, cost_per_hour=1.0 + step, tokens_per_second=100.0 + step * step))
        for step in range(200)
    )
    trials = tuple(
        BudgetTrial(budget_per_hour=float(step), cost_per_million_tokens=None, tokens_per_second=None)
        for step in range(1, 300)
    )
    rejection = Rejection(code=RejectionCode.NO_PRICE, count=1, pool="", message="x" * 9000)
    given = decision()
    status = status_of(
        decision(
            frontier=points,
            rejections=(rejection,) * 30,
            alternatives=given.alternatives * 9,
            report=replace(given.report, method=Method.ENUMERATION, trials=trials, competitive_range_per_hour=(1, 9)),
        )
    )

    fits(status_schema(), status)
    costs = [point["costPerHour"] for point in status["frontier"]]
    assert (len(costs), costs[0], costs[-1]) == (50, 1.0, 200.0)
    assert min(point["costPerMillionTokens"] for point in status["frontier"]) == pytest.approx(
        min(point.layout.cost_per_million_tokens for point in points), rel=1e-5
    )
    assert (len(status["solver"]["trials"]), len(status["rejections"]), len(status["alternatives"])) == (100, 10, 5)
    assert status["solver"]["competitiveRangePerHour"] == [1.0, 9.0]


def test_equal_decisions_give_equal_statuses_but_for_the_times(decision: Decide) -> None:
    first = status_of(decision())
    second = to_status(decision(), generation=1, decided_at=LATER, duration_seconds=7.0, previous=first)

    assert same_decision(first, second)
    assert same_decision(json.loads(json.dumps(first)), second)
    assert second["solver"]["durationSeconds"] != first["solver"]["durationSeconds"]
    assert second["plan"] == first["plan"]
    assert not same_decision(first, status_of(decision(), generation=2, previous=first))
    assert not same_decision(None, first)


def test_a_plan_keeps_the_time_at_which_it_was_decided_first(decision: Decide) -> None:
    first = status_of(decision())
    second = status_of(decision(), generation=2, now=LATER, previous=first)

    assert second["plan"]["decidedAt"] == "2026-11-21T10:00:00Z"
    assert second["history"] == first["history"]


def test_transition_times_stay_while_the_status_stays(decision: Decide) -> None:
    first = status_of(decision())
    second = status_of(infeasible(decision), generation=2, now=LATER, previous=first)
    times = {entry["type"]: entry["lastTransitionTime"] for entry in second["conditions"]}

    assert times["Ready"] == times["Feasible"] == "2026-11-21T11:00:00Z"
    assert times["InputsFresh"] == "2026-11-21T10:00:00Z"
    assert all(entry["observedGeneration"] == 2 for entry in second["conditions"])


def test_the_history_holds_the_last_five_plans_and_why_each_came(decision: Decide, layout: Layout) -> None:
    status: Json | None = None
    for number in range(7):
        plan = Plan(id=f"p-{number}", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),))
        status = status_of(decision(plan=plan), generation=max(number, 1), previous=status)
    assert status is not None

    assert [entry["id"] for entry in status["history"]] == ["p-6", "p-5", "p-4", "p-3", "p-2"]
    assert {entry["reason"] for entry in status["history"]} == {"SpecChanged"}
    again = status_of(
        decision(plan=Plan(id="p-7", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),))),
        generation=6,
        previous=status,
    )
    assert again["history"][0]["reason"] == "Redecided"
    newer = status_of(
        decision(plan=Plan(id="p-8", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),))),
        generation=6,
        previous={**again, "inputs": {"hash": "x", "catalogVersion": "older"}},
    )
    assert newer["history"][0]["reason"] == "CatalogChanged"


def test_an_infeasible_request_has_no_plan_but_what_would_help(decision: Decide) -> None:
    before = status_of(decision())
    status = status_of(infeasible(decision), generation=2, previous=before)

    assert "plan" not in status
    assert status["relaxation"] == "feasible with pools[l40s].nodes 2 (now 1)"
    assert status["rejections"] == (
        [{"code": "InsufficientMemory", "count": 3, "pool": "l40s", "message": "needs 160 GiB"}]
    )
    assert status["history"] == before["history"]
    assert "gapPercent" not in status["solver"]


def test_no_status_loses_what_is_told_of_workloads(decision: Decide) -> None:
    idle = Condition(type="Idle", status="False", reason="TrafficSeen", message="12 requests")
    parts = Parts(
        rollout={"planId": "p-aaaaaaaaaa", "phase": "Waiting", "reason": "Waiting", "message": "for stock"},
        idle={"state": "Active", "reason": "TrafficSeen", "message": "12 requests"},
        applied=not_applied(AppliedReason.WAITING, "for stock"),
        idling=idle,
    )
    before = with_new_parts(status_of(decision()), parts, spec={"mode": "Apply"}, generation=1, now=NOW)
    fault = InvalidRequestError("spec.slo", got="1", wants="2")
    unread = DemandUnavailableError("spec.workload.demandFrom", got="nothing", wants="an answer")
    given: dict[str, Any] = {"generation": 2, "now": LATER, "previous": before}

    for status in (
        status_of(decision(), generation=2, previous=before),
        status_of(infeasible(decision), generation=2, previous=before),
        status_for_invalid(fault, **given),
        status_for_waiting(fault, **given),
        status_for_unread_demand(unread, **given),
        status_for_failed_solve("SolverCrashed", "it ended", inputs_hash="x", **given),
        status_for_solving(**given),
        status_for_suspended(**given),
    ):
        kinds = [entry["type"] for entry in status["conditions"]]
        assert (status["rollout"], status["idle"]) == (parts.rollout, parts.idle)
        assert kinds.count("Applied") == kinds.count("Idle") == 1
        assert PlacementRequestStatus.model_validate(status).idle is not None


def test_a_suspended_request_keeps_its_plan_and_says_so(decision: Decide) -> None:
    before = status_of(decision(), generation=3)
    status = status_for_suspended(generation=4, now=LATER, previous=before)

    assert {key: value for key, value in status.items() if key not in {"conditions", "observedGeneration"}} == (
        {key: value for key, value in before.items() if key not in {"conditions", "observedGeneration"}}
    )
    assert status["observedGeneration"] == 4
    assert (ready(status)["status"], ready(status)["reason"]) == ("False", "Suspended")
    assert ready(status)["message"] == (
        "planning is suspended; plan p-aaaaaaaaaa of 2026-11-21T10:00:00Z for generation 3 is kept"
    )
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", "Feasible", "GatesPassed", "InputsFresh"]
    assert status_for_suspended(generation=4, now=LATER, previous=status) == status


def test_a_request_suspended_from_the_start_says_that_there_is_no_plan() -> None:
    status = status_for_suspended(generation=1, now=NOW, previous={"observedGeneration": -1})

    assert ready(status)["message"] == "planning is suspended; there is no plan yet"
    assert [entry["type"] for entry in status["conditions"]] == ["Ready"]


def test_a_long_solve_is_announced_beside_the_last_plan(decision: Decide) -> None:
    before = status_of(decision(), generation=1)
    status = status_for_solving(generation=2, now=LATER, previous=before)

    assert status["plan"] == before["plan"]
    assert status["observedGeneration"] == 1
    assert (ready(status)["status"], ready(status)["reason"], ready(status)["observedGeneration"]) == (
        ("Unknown", "Solving", 2)
    )
    assert [entry["type"] for entry in status["conditions"]][:2] == ["Ready", "Reconciling"]
    assert status_of(decision(), generation=2, previous=status)["conditions"][0]["status"] == "True"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidRequestError("spec.pools[0].gpu", got="'L40X'", wants="a key"), "InvalidSpec"),
        (UnsupportedModelError("spec.model.name", got="'m'", wants="a model"), "UnsupportedModel"),
    ],
)
def test_what_the_user_must_fix_is_stalled_with_the_field(
    error: InvalidRequestError, reason: str, decision: Decide
) -> None:
    before = status_of(decision())
    status = status_for_invalid(error, generation=2, now=LATER, previous=before)

    assert [(entry["type"], entry["status"], entry["reason"]) for entry in status["conditions"]] == (
        [("Ready", "False", reason), ("Stalled", "True", reason)]
    )
    assert ready(status)["message"] == str(error)
    assert "plan" not in status
    assert status["history"] == before["history"]


def test_a_failed_solve_says_why_and_for_which_inputs(decision: Decide) -> None:
    status = status_for_failed_solve(
        "SolverCrashed", "killed", inputs_hash="abc", generation=2, now=NOW, previous=status_of(decision())
    )

    assert [(entry["type"], entry["status"], entry["reason"]) for entry in status["conditions"]] == [
        ("Ready", "False", "SolverCrashed"),
        ("Stalled", "True", "SolverCrashed"),
        ("Feasible", "Unknown", "SolverCrashed"),
    ]
    assert status["inputs"]["hash"] == "abc"
    assert "plan" not in status


def test_a_list_adds_up_its_plans(decision: Decide) -> None:
    first, second = decision(), infeasible(decision)
    listed = plan_list(
        [
            PlanItem(name="a", namespace="serving", status=status_of(first), decision=first),
            PlanItem(name="b", namespace="", status=status_of(second), decision=second),
            PlanItem(name="c", namespace="", status=status_for_suspended(generation=1, now=NOW), decision=None),
        ]
    )

    assert (listed["apiVersion"], listed["kind"]) == ("placewright.dev/v1alpha1", "PlacementPlanList")
    assert [item["metadata"] for item in listed["items"]] == [
        {"name": "a", "namespace": "serving"},
        {"name": "b", "namespace": ""},
        {"name": "c", "namespace": ""},
    ]
    assert listed["fleet"] == {
        "costPerHour": 9.6,
        "boundCostPerHour": 9.6,
        "gapPercent": 0.0,
        "pools": {"serving/a/l40s": {"capacity": 4, "used": 8}, "b/l40s": {"capacity": 4, "used": 0}},
    }


def test_the_fleet_of_one_request_names_its_pools_plainly_and_tells_the_gap(decision: Decide) -> None:
    cut = decision()
    cut = replace(cut, report=replace(cut.report, status=SolveStatus.FEASIBLE, gap_percent=25.0))
    fleet = plan_list([PlanItem(name="a", namespace="", status=status_of(cut), decision=cut)])["fleet"]

    assert set(fleet["pools"]) == {"l40s"}
    assert (fleet["boundCostPerHour"], fleet["gapPercent"]) == (7.2, 25.0)
