"""The decision as a whole: proof, identity, and what happens to a plan that is wrong."""

import time
from dataclasses import replace

import pytest

from placewright.core.decide import check, decide
from placewright.core.errors import InternalError
from placewright.core.identity import inputs_hash
from placewright.core.model import (
    Analytic,
    Decision,
    Gates,
    OnViolation,
    Parallelism,
    PlanState,
    Pool,
    Precision,
    Request,
    SolveStatus,
    Workload,
)
from tests.support.builders import A100, EIGHT_BILLION, L40S, a_pool, a_request


def served(*pools: Pool, **changes: object) -> Request:
    """An 8-billion model on these pools, predicted from its shape."""
    values: dict[str, object] = {
        "architecture": EIGHT_BILLION,
        "precisions": (Precision(name="bf16"), Precision(name="fp8", drift_percent=0.1)),
        "workload": Workload(input_tokens=1024, output_tokens=256),
        "parallelism": Parallelism(),
        "performance": Analytic(),
        **changes,
    }
    return a_request(pools, **values)


ONE = a_pool("l40s", gpu=L40S, price_per_gpu_hour=1.2)
TWO = a_pool("a100", gpu=A100, price_per_gpu_hour=2.0)


def decided(request: Request) -> Decision:
    return decide(request, clock=time.monotonic)


def test_the_best_plan_is_proved_and_approved() -> None:
    decision = decided(served(ONE, TWO))
    assert decision.plan is not None
    assert decision.plan.state is PlanState.APPROVED
    assert decision.report.status is SolveStatus.OPTIMAL
    assert decision.report.gap_percent == 0.0
    assert decision.report.bound_cost_per_million_tokens == pytest.approx(decision.plan.cost_per_million_tokens)
    cheapest = min(point.layout.cost_per_million_tokens for point in decision.frontier)
    assert decision.plan.cost_per_million_tokens == pytest.approx(cheapest)


def test_a_gate_that_nothing_passes_blocks_the_best_plan() -> None:
    free = decided(served(ONE))
    assert free.plan is not None
    limit = free.plan.cost_per_million_tokens / 2
    blocked = decided(served(ONE, gates=Gates(max_cost_per_million_tokens=limit)))
    assert blocked.plan is not None
    assert blocked.plan.state is PlanState.BLOCKED
    assert blocked.plan.replicas == free.plan.replicas
    assert blocked.plan.id != free.plan.id
    assert blocked.relaxation is not None
    relaxed = decided(blocked.relaxation.request)
    assert relaxed.plan is not None
    assert relaxed.plan.state is PlanState.APPROVED


def test_a_gate_that_only_warns_does_not_block() -> None:
    gates = Gates(max_cost_per_million_tokens=1e-6, on_violation=OnViolation.WARN)
    warned = decided(served(ONE, gates=gates))
    assert warned.plan is not None
    assert warned.plan.state is PlanState.APPROVED
    assert [outcome.result.value for outcome in warned.gates] == ["Fail"]


def test_infeasible_is_data_with_reasons_and_a_way_out() -> None:
    tiny = a_pool("tiny", gpu=replace(A100, memory_gib=4.0), gpus_per_node=1)
    decision = decided(served(tiny))
    assert decision.plan is None
    assert decision.report.status is SolveStatus.INFEASIBLE
    assert decision.rejections
    assert decision.relaxation is not None
    assert decided(decision.relaxation.request).plan is not None


def test_order_of_pools_and_names_do_not_change_the_plan() -> None:
    one = decided(served(ONE, TWO))
    other = decided(replace(served(TWO, ONE), name="another", namespace="elsewhere"))
    assert one.plan is not None
    assert other.plan is not None
    assert one.plan.id == other.plan.id
    assert one.inputs_hash == other.inputs_hash


def test_inputs_have_another_hash_when_a_price_changes() -> None:
    assert inputs_hash(served(ONE)) != inputs_hash(served(replace(ONE, price_per_gpu_hour=1.21)))


def test_a_wrong_plan_is_withheld() -> None:
    decision = decided(served(ONE))
    assert decision.plan is not None
    layout = decision.plan.main
    wrong = replace(
        decision.plan, replicas=(replace(decision.plan.replicas[0], layout=replace(layout, cost_per_hour=0.01)),)
    )
    check(decision.request, decision.plan, decision.gates)
    with pytest.raises(InternalError, match="failed the independent check and is withheld"):
        check(decision.request, wrong, decision.gates)


def test_a_solve_without_time_says_so() -> None:
    ticks = iter(range(10**9))
    request = served(ONE, TWO, parallelism=Parallelism(allow_mixed_pools=True))
    decision = decide(request, clock=lambda: next(ticks) * 1000.0)
    if decision.plan is None:
        assert decision.report.status is SolveStatus.TIME_LIMIT
    else:
        assert decision.report.status is SolveStatus.FEASIBLE
        assert decision.report.gap_percent is not None
        assert decision.report.gap_percent > 0.0
