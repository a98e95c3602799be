"""One operator's state in which every series has a sample, for tests of pages, rules and dashboards."""

from dataclasses import dataclass, field
from typing import Any

from placewright.api.parse import parse_policy
from placewright.core.model import FleetReport, GateOutcome, GateResult, MoveReason, SolveStatus
from placewright.telemetry.acting_figures import (
    ActingFigures,
    ActingState,
    ActionKind,
    ActionResult,
    WakeCause,
)
from placewright.telemetry.live_figures import InputFigure, InputName, LiveFigures
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.policy_views import PolicyView, policy_view_of
from placewright.telemetry.views import Key, pool_view_of, view_of
from tests.support.requests import condition, stored

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sink:
    """The state of a sink."""

    name: str
    lag_seconds: float = 0.0
    lost: int = 0
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The state of a trail."""

    enabled: bool = True
    queued: int = 0
    oldest_queued_seconds: float = 0.0
    written: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    fault: str = ""
    damage: str = ""
    sinks: tuple[Sink, ...] = ()


def plan(**more: Any) -> Json:
    return {
        "id": "p-1",
        "state": "Approved",
        "precision": "fp8",
        "tensorParallel": 4,
        "pipelineParallel": 2,
        "replicas": 2,
        "gpusByPool": {"l40s": 12, "spot": 4},
        "costPerHour": 19.2,
        "costPerMillionTokens": 2.31,
        **more,
    }


RAMPING = stored(
    "chat",
    namespace="serving",
    spec={
        "model": {"name": "llama"},
        "parallelism": {"runtime": "vllm"},
        "gates": {"maxCostPerMillionTokens": 2.5, "maxCostToRevenueRatio": 0.3, "onUnknown": "Warn"},
    },
    status={
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "True", "PlanCurrent"),
            condition("Feasible", "True", "Optimal"),
            condition("InputsFresh", "False", "RevenueUnavailable"),
        ],
        "plan": plan(),
        "gates": [
            {"name": "CostPerMillionTokens", "limit": 2.5, "actual": 2.31, "result": "Pass"},
            {"name": "CostToRevenueRatio", "limit": 0.3, "result": "Unknown", "fault": "missing: HTTP 503"},
            {"name": "ObservedCostDrift", "limit": 40, "actual": 30, "result": "Pass"},
        ],
        "solver": {"gapPercent": 2},
        "inputs": {"demandAsOf": "2026-11-21T10:00:00Z", "revenueAsOf": "2026-11-21T09:00:00Z"},
        "demand": {"asOf": "2026-11-21T10:00:00Z", "source": "preset vllm", "requestsPerSecond": 4.0},
        "observed": {"costPerMillionTokens": 3.0, "ratioToPredicted": 1.3, "asOf": "2026-11-21T10:00:00Z"},
        "ramp": {"planId": "p-1", "step": 1, "steps": 3, "percent": 50, "phase": "Holding", "reason": "GateUnknown"},
    },
)
KEPT = stored(
    "chat",
    namespace="research",
    spec={"model": {"name": "llama"}, "gates": {"maxCostPerHour": 10}},
    status={
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "GateBlocked"), condition("GatesPassed", "False", "CostExceeded")],
        "plan": plan(id="p-2", costPerHour=12.0, costPerMillionTokens=4.0, gpusByPool={"l40s": 8}),
        "gates": [{"name": "CostPerHour", "limit": 10, "actual": 12.0, "result": "Fail"}],
        "blocked": {
            "plan": plan(id="p-3", state="Blocked", costPerHour=11.0),
            "gates": [{"name": "CostPerHour", "limit": 10, "actual": 11.0, "result": "Fail"}],
        },
        "rollout": {
            "planId": "p-2",
            "phase": "RolledOut",
            "workloads": [{"kind": "Deployment", "name": "chat", "replicas": 2, "readyReplicas": 2}],
        },
        "idle": {
            "state": "Active",
            "lastActive": "2026-11-21T10:00:00Z",
            "signals": [{"signal": "RunningRequests", "result": "Active", "message": "2 now"}],
        },
    },
)
BLOCKED = stored(
    "draft",
    namespace="research",
    spec={"model": {"name": "qwen"}, "gates": {"maxCostPerHour": 10}},
    status={
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "GateBlocked"), condition("Stalled", "True", "GateBlocked")],
        "plan": plan(id="p-4", state="Blocked", costPerHour=100.0, costPerMillionTokens=12.5),
        "gates": [{"name": "CostPerHour", "limit": 10, "actual": 100.0, "result": "Fail"}],
    },
)
REFUSED = stored(
    "big",
    namespace="serving",
    spec={"model": {"name": "deepseek"}},
    status={
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False", "Infeasible"), condition("Stalled", "True", "Infeasible")],
    },
)
IDLING = stored(
    "summaries",
    namespace="research",
    spec={"mode": "Apply", "model": {"name": "qwen"}, "idle": {"policy": "ScaleToZero"}},
    status={
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "True", "PlanCurrent"),
            condition("Applied", "True", "RolledOut"),
            condition("Idle", "True", "NoTraffic"),
        ],
        "plan": plan(id="p-5", costPerHour=4.8, costPerMillionTokens=1.5, gpusByPool={"l40s": 4}),
        "rollout": {
            "planId": "p-5",
            "phase": "RolledOut",
            "reason": "RolledOut",
            "workloads": [{"kind": "Deployment", "name": "summaries", "replicas": 2, "readyReplicas": 2}],
        },
        "idle": {
            "state": "Idle",
            "since": "2026-11-21T09:30:00Z",
            "lastActive": "2026-11-21T09:00:00Z",
            "reapAt": "2026-11-21T10:05:00Z",
            "signals": [
                {"signal": "RunningRequests", "result": "Idle", "message": "0 for 30 min"},
                {"signal": "Queue", "result": "Idle", "message": "empty for 30 min"},
            ],
            "avoidedCostPerHour": 0,
            "avoidedDollars": 12.5,
            "avoidedAsOf": "2026-11-20T08:00:00Z",
        },
    },
)
REAPED = stored(
    "nightly",
    namespace="research",
    spec={"mode": "Apply", "model": {"name": "llama"}, "idle": {"policy": "ScaleToFloor"}},
    status={
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "True", "PlanCurrent"),
            condition("Applied", "False", "RolloutFailed"),
            condition("Idle", "True", "Reaped"),
        ],
        "plan": plan(id="p-6", costPerHour=4.0, costPerMillionTokens=2.0, gpusByPool={"l40s": 8}),
        "rollout": {
            "planId": "p-6",
            "phase": "Failed",
            "workloads": [{"kind": "Deployment", "name": "nightly", "replicas": 1, "readyReplicas": 0}],
        },
        "idle": {
            "state": "Reaped",
            "since": "2026-11-21T07:30:00Z",
            "lastActive": "2026-11-21T07:00:00Z",
            "signals": [
                {"signal": "Scrapes", "result": "Missing", "message": "no target"},
            ],
            "replicasBefore": 2,
            "avoidedCostPerHour": 3.0,
            "avoidedDollars": 20.0,
            "avoidedAsOf": "2026-11-21T08:00:00Z",
        },
    },
)
REQUESTS = (RAMPING, KEPT, BLOCKED, REFUSED, IDLING, REAPED)
NOW = 1795255200.0  # 2026-11-21T10:00:00Z
ACTING: dict[Key, ActingFigures] = {
    ("research", "summaries"): ActingFigures(last_active=NOW - 1800.0, queue_requests=0.0),
    ("research", "nightly"): ActingFigures(queue_requests=3.0),
}

POLICY: Json = {
    "kind": "PlacementPolicy",
    "metadata": {"name": "default"},
    "spec": {"maxCostPerHour": 50, "namespaces": [{"name": "serving", "maxCostPerHour": 20}]},
    "status": {
        "priceSources": [
            {"name": "opencost", "state": "Stale", "message": "HTTP 503"},
            {"name": "x", "state": "Fresh"},
        ],
        "prices": [
            {"source": "opencost", "gpu": "L40S", "perGPUHour": 1.2},
            {
                "source": "opencost",
                "gpu": "H100",
                "capacityType": "Spot",
                "perGPUHour": 2.0,
                "heldBack": {"perGPUHour": 30.0, "reason": "Jump"},
            },
        ],
    },
}
POOL: Json = {
    "kind": "GPUPool",
    "metadata": {"name": "l40s"},
    "spec": {"gpu": "L40S"},
    "status": {
        "gpu": "L40S",
        "nodes": 4,
        "capacity": 28,
        "heldByOthers": 4,
        "allocated": 20,
        "free": 8,
        "price": {"perGPUHour": 1.2, "source": "OpenCost", "asOf": "2026-11-21T10:00:00Z"},
    },
}
REPORT = FleetReport(
    cost_per_hour=31.2,
    bound_cost_per_hour=31.0,
    gap_percent=0.65,
    status=SolveStatus.FEASIBLE,
    placed=2,
    refused=1,
)
LIVE: dict[Key, LiveFigures] = {
    ("serving", "chat"): LiveFigures(
        gates=(
            GateOutcome(
                name="CostPerMillionTokens",
                limit=2.5,
                actual=2.31,
                headroom_percent=7.6,
                result=GateResult.PASS,
            ),
            GateOutcome(
                name="CostToRevenueRatio",
                limit=0.3,
                actual=None,
                headroom_percent=None,
                result=GateResult.UNKNOWN,
                fault="missing: HTTP 503",
            ),
            GateOutcome(
                name="ObservedCostDrift", limit=40.0, actual=32.0, headroom_percent=20.0, result=GateResult.PASS
            ),
        ),
        observed_cost_usd_per_token=3.0492e-6,
        demand_requests_per_second=4.3,
        inputs=(
            InputFigure(name=InputName.DEMAND, age_seconds=12.0),
            InputFigure(name=InputName.REVENUE, age_seconds=900.0, fault="stale: 15 min old, wants at most 5 min"),
            InputFigure(name=InputName.OBSERVATION, age_seconds=12.0),
        ),
    )
}
AUDIT = Audit(
    queued=2,
    oldest_queued_seconds=0.5,
    written={"Decision": 4, "GateResult": 9, "Found": 1},
    sinks=(Sink(name="s3", lag_seconds=1.5, fault="HTTP 503"), Sink(name="stdout")),
)


def policy_view(resource: Json) -> PolicyView:
    """The view of a policy as the operator makes it of a stored one."""
    body = {name: resource[name] for name in ("kind", "metadata", "spec")}
    policy = parse_policy({"apiVersion": "placewright.dev/v1alpha1", **body})
    return policy_view_of({name: part for name, part in resource.items() if name != "spec"}, policy)


def metrics() -> Metrics:
    """All series, each with a sample."""
    made = Metrics(
        version="1",
        views=lambda: [view_of(each) for each in REQUESTS],
        vitals=lambda: Vitals(queue_depth=0, watch_last_event_timestamp_seconds=1.0),
        parts=Parts(
            pools=lambda: [pool_view_of(POOL)],
            policies=lambda: [policy_view(POLICY)],
            fleet=lambda: REPORT,
            live=LIVE.get,
            audit=lambda: AUDIT,
            acting=ACTING.get,
            acting_state=lambda: ActingState(brake=True, paused=True),
        ),
        clock=lambda: NOW,
    )
    made.fleet_solved("Feasible", 0.3)
    made.solve_duration_seconds.labels("Exact", "Optimal").observe(0.1)
    made.status_writes_total.labels("Written").inc()
    made.plan_moved(MoveReason.FIRST_PLAN)
    made.query_answered("Success", 0.02)
    made.query_answered("Timeout", 5.0)
    made.acting.announced()
    made.acting.reaped()
    made.acting.woken(WakeCause.QUEUE)
    made.acting.wake_ready(90.0)
    made.acting.acted(ActionKind.SCALE, ActionResult.DONE)
    made.acting.rollout_failed()
    return made
