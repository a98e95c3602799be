import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.core.model import MoveReason
from placewright.telemetry.metrics import Metrics, Vitals
from placewright.telemetry.views import RequestView, view_of
from tests.support.requests import Json, condition, stored

PLANNED = stored(
    generation=3,
    spec={
        "model": {"name": "llama"},
        "parallelism": {"runtime": "vllm"},
        "gates": {"maxCostPerMillionTokens": 2.5, "onViolation": "Block", "onUnknown": "Warn"},
    },
    status={
        "observedGeneration": 3,
        "conditions": [condition("Ready", "True", "PlanCurrent"), condition("Feasible", "True", "Optimal")],
        "plan": {
            "id": "p-1",
            "precision": "fp8",
            "tensorParallel": 4,
            "pipelineParallel": 2,
            "replicas": 2,
            "gpusByPool": {"l40s": 12, "spot": 4},
            "costPerHour": 19.2,
            "costPerMillionTokens": 2.31,
        },
        "gates": [
            {"name": "CostPerMillionTokens", "limit": 2.5, "actual": 2.31, "result": "Pass"},
            {"name": "CostPerHour", "limit": 10, "actual": 19.2, "result": "Fail"},
            {"name": "QuantizationDrift", "limit": 0.5, "result": "Unknown"},
        ],
        "solver": {"gapPercent": 2},
    },
)


def _samples(views: list[RequestView]) -> dict[str, float]:
    metrics = Metrics(
        version="9.9",
        views=lambda: views,
        vitals=lambda: Vitals(queue_depth=7, watch_last_event_timestamp_seconds=123.0),
    )
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        sample.name.removeprefix("placewright_")
        + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_series_of_a_planned_request() -> None:
    samples = _samples([view_of(PLANNED)])
    mine = ",name=chat,namespace=serving"
    assert samples[f"request_info,model=llama{mine},precision=fp8,runtime=vllm"] == 1
    assert samples[f"request_status_condition{mine},reason=PlanCurrent,status=True,type=Ready"] == 1
    assert samples[f"layout_tensor_parallel_size{mine}"] == 4
    assert samples[f"layout_pipeline_parallel_size{mine}"] == 2
    assert samples[f"layout_replicas{mine}"] == 2
    assert samples[f"layout_gpus{mine},pool=l40s"] == 12
    assert samples[f"layout_gpus{mine},pool=spot"] == 4
    assert samples[f"cost_usd_per_hour{mine}"] == 19.2
    assert samples[f"cost_usd_per_token{mine}"] == 2.31e-6
    assert samples[f"cost_gate_limit,gate=CostPerMillionTokens{mine}"] == 2.5
    assert samples[f"cost_gate_usage_ratio,gate=CostPerHour{mine}"] == 1.92
    assert samples[f"request_optimality_gap_ratio{mine}"] == 0.02
    assert samples["build_info,version=9.9"] == 1
    assert samples["reconcile_queue_depth"] == 7
    assert samples["watch_last_event_timestamp_seconds"] == 123.0


def test_a_gate_blocks_by_what_the_request_says_of_violations_and_unknowns() -> None:
    samples = _samples([view_of(PLANNED)])
    blocked = {
        gate: samples[f"cost_gate_blocked,gate={gate},name=chat,namespace=serving"]
        for gate in ("CostPerMillionTokens", "CostPerHour", "QuantizationDrift")
    }
    assert blocked == {"CostPerMillionTokens": 0, "CostPerHour": 1, "QuantizationDrift": 0}
    assert "cost_gate_usage_ratio,gate=QuantizationDrift,name=chat,namespace=serving" not in samples


def _blocked(gates: Json, status: Json) -> set[str]:
    view = view_of(stored(spec={"gates": gates}, status=status))
    return {gate.name for gate in view.gates if gate.blocked}


FAILED = {"name": "CostPerHour", "limit": 10, "actual": 19.2, "result": "Fail", "policy": "default"}
UNKNOWN = {"name": "QuantizationDrift", "limit": 0.5, "result": "Unknown"}
CEILING = {"name": "NamespaceCostPerHour", "limit": 40, "actual": 44, "result": "Fail", "policy": "default"}
LENIENT = {"onViolation": "Warn", "onUnknown": "Warn"}


@pytest.mark.parametrize(
    ("gates", "status", "blocked"),
    [
        (LENIENT, {"gates": [FAILED, UNKNOWN], "plan": {"state": "Approved"}}, set()),
        (LENIENT, {"gates": [FAILED, UNKNOWN], "plan": {"state": "Blocked"}}, {"CostPerHour"}),
        (LENIENT, {"gates": [UNKNOWN], "plan": {"state": "Blocked"}}, {"QuantizationDrift"}),
        (LENIENT | {"onUnknown": "Block"}, {"gates": [FAILED, UNKNOWN]}, {"QuantizationDrift"}),
        (LENIENT, {"gates": [CEILING]}, {"NamespaceCostPerHour"}),
    ],
)
def test_a_policy_may_block_where_the_request_only_warns(gates: Json, status: Json, blocked: set[str]) -> None:
    assert _blocked(gates, status) == blocked


def test_series_vanish_with_the_request() -> None:
    assert not [name for name in _samples([]) if "name=" in name]


def test_a_request_without_a_plan_has_conditions_but_no_layout_and_no_cost() -> None:
    refused = stored(status={"conditions": [condition("Ready", "False", "Infeasible")]})
    mine = [name for name in _samples([view_of(refused)]) if "name=chat" in name]
    assert sorted(name.split(",")[0] for name in mine) == ["request_info", "request_status_condition"]


def test_a_status_of_another_shape_does_not_break_the_scrape() -> None:
    strange = stored(
        spec={"model": "text"},
        status={"conditions": "none", "plan": {"costPerHour": "dear"}, "gates": [1, {"name": "x", "limit": None}]},
    )
    view = view_of(strange)
    assert view.layout is None
    assert view.gates == ()
    assert view.conditions == ()


def test_solve_histogram_has_the_buckets_of_the_contract() -> None:
    metrics = Metrics(
        version="1",
        views=list,
        vitals=lambda: Vitals(queue_depth=0, watch_last_event_timestamp_seconds=None),
    )
    metrics.solve_duration_seconds.labels("Exact", "Optimal").observe(0.02)
    text = generate_latest(metrics.registry).decode()
    assert 'placewright_solve_duration_seconds_bucket{le="0.005",method="Exact",result="Optimal"} 0.0' in text
    assert 'placewright_solve_duration_seconds_bucket{le="120.0",method="Exact",result="Optimal"} 1.0' in text
    assert "_created" not in text
    assert "\nplacewright_watch_last_event_timestamp_seconds " not in text


def test_solves_of_the_fleet_and_moves_are_counted_without_names() -> None:
    metrics = Metrics(version="1", views=list, vitals=lambda: Vitals(queue_depth=0))
    metrics.fleet_solved("Feasible", 0.3)
    metrics.plan_moved(MoveReason.STOCK_GONE)
    metrics.plan_moved(MoveReason.STOCK_GONE)
    value = metrics.registry.get_sample_value
    assert value("placewright_solve_duration_seconds_count", {"method": "Fleet", "result": "Feasible"}) == 1
    assert value("placewright_solve_duration_seconds_sum", {"method": "Fleet", "result": "Feasible"}) == 0.3
    moves = {reason: value("placewright_plan_moves_total", {"reason": str(reason)}) for reason in MoveReason}
    assert moves == {reason: 2 if reason is MoveReason.STOCK_GONE else 0 for reason in MoveReason}
