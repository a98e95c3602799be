"""Plans, layouts, gates and proofs of the core as plain data of the status."""

from typing import Any

from placewright.api.figures import cut, figure, optional_figure, pools_of, tensor_parallel_of, thinned
from placewright.api.status import MAX_FRONTIER, MAX_MESSAGE, MAX_TRIALS
from placewright.core import runtime
from placewright.core.model import (
    Alternative,
    BudgetTrial,
    Decision,
    Layout,
    Plan,
    Rejection,
    Replicas,
    Request,
    Stage,
)
from placewright.core.objective import summary

Data = dict[str, Any]


def without_none(data: Data) -> Data:
    """Leave out what is not known: null is no value in a status."""
    return {key: value for key, value in data.items() if value is not None}


def plan_data(request: Request, plan: Plan, decided_at: str) -> Data:
    """Return a plan as the status holds it; `decided_at` is a Kubernetes timestamp."""
    main = plan.main
    return without_none(
        {
            "id": plan.id,
            "state": str(plan.state),
            "decidedAt": decided_at,
            "precision": main.precision,
            "replicas": sum(entry.count for entry in plan.replicas),
            "tensorParallel": tensor_parallel_of(main),
            "pipelineParallel": len(main.stages),
            "pool": pools_of(main),
            "totalGPUs": sum(entry.count * entry.layout.gpus for entry in plan.replicas),
            "gpusByPool": _gpus_by_pool(plan),
            "costPerHour": figure(plan.cost_per_hour),
            "costPerMillionTokens": figure(plan.cost_per_million_tokens),
            "tokensPerSecond": figure(plan.tokens_per_second),
            "requestsPerSecond": figure(sum(entry.count * entry.layout.requests_per_second for entry in plan.replicas)),
            "demandRequestsPerSecond": _demand(request, plan),
            "demandTokensPerSecond": optional_figure(plan.demand_tokens_per_second),
            "ttftSeconds": optional_figure(main.ttft_seconds),
            "tpotSeconds": optional_figure(main.tpot_seconds),
            "layouts": [
                _layout(request, entry) for entry in sorted(plan.replicas, key=lambda one: one.weight, reverse=True)
            ],
        }
    )


def _demand(request: Request, plan: Plan) -> float | None:
    return figure(request.workload.requests_per_second) if plan.demand_tokens_per_second is not None else None


def _gpus_by_pool(plan: Plan) -> dict[str, int]:
    used: dict[str, int] = {}
    for entry in plan.replicas:
        for pool, gpus in entry.layout.gpus_by_pool.items():
            used[pool] = used.get(pool, 0) + entry.count * gpus
    return used


def _layout(request: Request, entry: Replicas) -> Data:
    layout = entry.layout
    env = [{"name": name, "value": value} for name, value in runtime.engine_env(request, layout)]
    return without_none(
        {
            "replicas": entry.count,
            "weight": figure(entry.weight),
            "classWeights": _class_weights(request, entry),
            "precision": layout.precision,
            "maxConcurrency": layout.max_concurrency,
            **_money_and_rate(layout),
            "requestsPerSecond": figure(layout.requests_per_second),
            "ttftSeconds": optional_figure(layout.ttft_seconds),
            "tpotSeconds": optional_figure(layout.tpot_seconds),
            "stages": [_stage(stage) for stage in layout.stages],
            "engineArgs": list(runtime.engine_args(request, layout)),
            "env": env or None,
        }
    )


def _class_weights(request: Request, entry: Replicas) -> list[Data] | None:
    """Shares by class in the order of their names, as the core has them; classes that do not come are left out."""
    if not entry.class_weights:
        return None
    names = sorted(each.name for each in request.workload.classes)
    named = zip(names, entry.class_weights, strict=True)
    return [{"name": name, "weight": figure(share)} for name, share in named if share > 0.0]


def _money_and_rate(layout: Layout) -> Data:
    return {
        "costPerHour": figure(layout.cost_per_hour),
        "costPerMillionTokens": figure(layout.cost_per_million_tokens),
        "tokensPerSecond": figure(layout.tokens_per_second),
    }


def _stage(stage: Stage) -> Data:
    return {
        "pool": stage.pool,
        "gpu": stage.gpu,
        "tensorParallel": stage.tensor_parallel,
        "firstLayer": stage.first_layer,
        "lastLayer": stage.last_layer,
        "gpus": stage.tensor_parallel,
    }


def alternative_data(entry: Alternative) -> Data:
    """Return a layout that lost, and why."""
    layout = entry.layout
    return {
        "summary": cut(summary(layout), MAX_MESSAGE),
        "reason": cut(entry.reason, MAX_MESSAGE),
        "precision": layout.precision,
        "tensorParallel": tensor_parallel_of(layout),
        "pipelineParallel": len(layout.stages),
        "gpusByPool": layout.gpus_by_pool,
        **_money_and_rate(layout),
    }


def rejection_data(entry: Rejection) -> Data:
    """Return a class of candidates that is out."""
    return without_none(
        {
            "code": str(entry.code),
            "count": entry.count,
            "pool": entry.pool or None,
            "message": cut(entry.message, MAX_MESSAGE),
        }
    )


def frontier_data(decision: Decision) -> list[Data]:
    """Return the frontier, cheapest first; a long one is thinned around its ends, the plan and the best price."""
    points = decision.frontier
    prices = [point.layout.cost_per_million_tokens for point in points]
    keep = {prices.index(min(prices))} if prices else set()
    if decision.plan is not None:
        keep |= {index for index, point in enumerate(points) if point.layout == decision.plan.main}
    return [
        {**_money_and_rate(point.layout), "summary": cut(summary(point.layout), MAX_MESSAGE)}
        for point in thinned(points, MAX_FRONTIER, keep)
    ]


def solver_data(decision: Decision, duration_seconds: float) -> Data:
    """Return how the plan was found, and what is proved of it."""
    report = decision.report
    reach = report.competitive_range_per_hour
    return without_none(
        {
            "method": str(report.method),
            "status": str(report.status),
            "gapPercent": optional_figure(report.gap_percent),
            "boundCostPerMillionTokens": optional_figure(report.bound_cost_per_million_tokens),
            "boundCostPerHour": optional_figure(report.bound_cost_per_hour),
            "boundTokensPerSecond": optional_figure(report.bound_tokens_per_second),
            "durationSeconds": figure(duration_seconds),
            "proves": cut(report.proves, MAX_MESSAGE) or None,
            "confidence": report.confidence,
            "distanceToExactPercent": optional_figure(report.distance_to_exact_percent),
            "trials": [_trial(trial) for trial in thinned(report.trials, MAX_TRIALS)] or None,
            "competitiveRangePerHour": [figure(end) for end in reach] if reach is not None else None,
            "budgetsSaved": report.budgets_saved if report.trials else None,
            "layoutsConsidered": report.layouts_considered,
        }
    )


def _trial(trial: BudgetTrial) -> Data:
    return without_none(
        {
            "budgetPerHour": figure(trial.budget_per_hour),
            "costPerMillionTokens": optional_figure(trial.cost_per_million_tokens),
            "tokensPerSecond": optional_figure(trial.tokens_per_second),
        }
    )
