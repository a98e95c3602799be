"""A decision to write down, without a solver."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.core.model import (
    Alternative,
    Decision,
    FrontierPoint,
    GateOutcome,
    GateResult,
    Layout,
    Method,
    Plan,
    PlanState,
    Replicas,
    SolveReport,
    SolveStatus,
    Stage,
)
from tests.support.resources import small_request

Decide = Callable[..., Decision]


@pytest.fixture
def layout() -> Layout:
    """Two stages of TP4 with awkward figures."""
    return Layout(
        stages=(
            Stage(pool="l40s", gpu="L40S", tensor_parallel=4, first_layer=0, last_layer=14),
            Stage(pool="l40s", gpu="L40S", tensor_parallel=4, first_layer=15, last_layer=31),
        ),
        precision="bf16",
        max_concurrency=64,
        cost_per_hour=9.6,
        tokens_per_second=1155.123456789,
        requests_per_second=0.902439,
        ttft_seconds=0.8123456789,
        tpot_seconds=0.0412345678,
    )


@pytest.fixture
def decision(layout: Layout) -> Decide:
    """An approved decision within a cost gate; keywords replace its parts."""
    request = to_request(parse(small_request(gates={"maxCostPerMillionTokens": 2.5})))

    def make(**changes: Any) -> Decision:
        usual = Decision(
            request=request,
            inputs_hash="0123456789abcdef",
            plan=Plan(id="p-aaaaaaaaaa", state=PlanState.APPROVED, replicas=(Replicas(layout=layout),)),
            report=SolveReport(
                method=Method.EXACT,
                status=SolveStatus.OPTIMAL,
                gap_percent=0.0,
                bound_cost_per_million_tokens=layout.cost_per_million_tokens,
                proves="no layout does better",
                layouts_considered=120,
            ),
            gates=(
                GateOutcome(
                    name="CostPerMillionTokens",
                    limit=2.5,
                    actual=layout.cost_per_million_tokens,
                    headroom_percent=7.654321,
                    result=GateResult.PASS,
                ),
            ),
            alternatives=(Alternative(layout=replace(layout, cost_per_hour=12.0), reason="dearer by 25 %"),),
            frontier=(FrontierPoint(layout=layout),),
        )
        return replace(usual, **changes)

    return make
