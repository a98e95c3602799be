"""The text of every kind of outcome, as stored, from decisions that are written down here."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.cli import card, overview
from placewright.cli.inputs import Job
from placewright.cli.planning import Planned
from placewright.core.model import (
    Accelerator,
    Alternative,
    Architecture,
    BudgetTrial,
    Decision,
    FrontierPoint,
    GateOutcome,
    GateResult,
    Layout,
    Method,
    Objective,
    ObjectiveType,
    Plan,
    PlanState,
    Pool,
    Precision,
    Rejection,
    RejectionCode,
    Relaxation,
    Replicas,
    Request,
    SolveReport,
    SolveStatus,
    Stage,
    Workload,
)

Draw = Callable[..., str]
Golden = Callable[[str, str], None]

_GPU = Accelerator(name="L40S", memory_gib=48.0, memory_bandwidth_gbps=864.0, tflops_16bit=362.0, tflops_fp8=733.0)
_SHAPE = Architecture(
    layers=80,
    hidden_size=8192,
    intermediate_size=28672,
    attention_heads=64,
    key_value_heads=8,
    head_dim=128,
    vocab_size=128256,
)
_REQUEST = Request(
    name="chat",
    namespace="serving",
    model_name="meta-llama/Llama-3.1-70B-Instruct",
    architecture=_SHAPE,
    precisions=(Precision(name="bf16"), Precision(name="fp8", drift_percent=0.12)),
    workload=Workload(input_tokens=2048, output_tokens=512),
    pools=(Pool(name="l40s", gpu=_GPU, nodes=2, gpus_per_node=8, price_per_gpu_hour=1.2),),
)


def _layout(tensor: int, splits: tuple[int, ...], cost: float, rate: float, precision: str = "fp8") -> Layout:
    stages, first = [], 0
    for layers in splits:
        last = first + layers - 1
        stages.append(Stage(pool="l40s", gpu="L40S", tensor_parallel=tensor, first_layer=first, last_layer=last))
        first += layers
    return Layout(
        stages=tuple(stages),
        precision=precision,
        max_concurrency=64,
        cost_per_hour=cost,
        tokens_per_second=rate,
        requests_per_second=rate / 2560,
        ttft_seconds=0.8,
        tpot_seconds=0.041,
    )


_BEST = _layout(4, (40, 40), 9.6, 1155.5)
_OTHER = _layout(8, (80,), 9.6, 612.25)
_CHEAP = _layout(2, (27, 27, 26), 7.2, 700.125, "bf16")
_PLAN = Plan(id="p-0123456789", state=PlanState.APPROVED, replicas=(Replicas(layout=_BEST),))
_PRICE = _BEST.cost_per_million_tokens
_GATES = (
    GateOutcome(name="CostPerMillionTokens", limit=2.5, actual=_PRICE, headroom_percent=7.69, result=GateResult.PASS),
    GateOutcome(name="CostPerHour", limit=40.0, actual=9.6, headroom_percent=76.0, result=GateResult.PASS),
)
_REPORT = SolveReport(
    method=Method.EXACT,
    status=SolveStatus.OPTIMAL,
    gap_percent=0.0,
    bound_cost_per_million_tokens=_PRICE,
    proves="no layout of this request does better on its objective within its limits",
    layouts_considered=1234,
)
_DECISION = Decision(
    request=_REQUEST,
    inputs_hash="0123456789abcdef",
    plan=_PLAN,
    report=_REPORT,
    gates=_GATES,
    alternatives=(
        Alternative(layout=_CHEAP, reason="cheaper per hour ($7.2/h) but 23.8 % dearer per token: $2.857/M"),
        Alternative(layout=_OTHER, reason="88.7 % dearer: $4.356/M"),
    ),
    frontier=(FrontierPoint(layout=_CHEAP), FrontierPoint(layout=_BEST)),
    rejections=(
        Rejection(
            code=RejectionCode.INSUFFICIENT_MEMORY,
            count=1200,
            pool="l40s",
            message="L40S has 48 GiB; 80 layers need 70.6 GiB at TP2",
        ),
        Rejection(code=RejectionCode.SLO_TPOT, count=3, pool="", message="3 of 5 layouts miss a TPOT of 50ms"),
    ),
)
_CHANGE = Relaxation(
    field="spec.gates.maxCostPerMillionTokens",
    current="2",
    needed="2.31",
    message="feasible at $2.308/M: raise spec.gates.maxCostPerMillionTokens from 2 to 2.31",
    request=_REQUEST,
    size=0.155,
)
_FAILED = GateOutcome(
    name="CostPerMillionTokens", limit=2.0, actual=_PRICE, headroom_percent=-15.4, result=GateResult.FAIL
)
_UNKNOWN = GateOutcome(
    name="QuantizationDrift", limit=0.5, actual=None, headroom_percent=None, result=GateResult.UNKNOWN
)
_BLOCKED = replace(
    _DECISION, plan=replace(_PLAN, state=PlanState.BLOCKED), gates=(_FAILED, _UNKNOWN), relaxation=_CHANGE
)
_INFEASIBLE = replace(
    _DECISION,
    plan=None,
    gates=(),
    alternatives=(),
    frontier=(),
    relaxation=_CHANGE,
    report=SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None),
)
_CUT = replace(
    _INFEASIBLE,
    relaxation=None,
    report=SolveReport(method=Method.EXACT, status=SolveStatus.TIME_LIMIT, gap_percent=None),
)
_ENUMERATED = replace(
    _DECISION,
    report=replace(
        _REPORT,
        method=Method.ENUMERATION,
        status=SolveStatus.FEASIBLE,
        gap_percent=4.69,
        bound_cost_per_million_tokens=2.2,
        proves="the best of 3 budgets; not optimal in general",
        distance_to_exact_percent=4.92,
        trials=(
            BudgetTrial(budget_per_hour=4.0, cost_per_million_tokens=None, tokens_per_second=None),
            BudgetTrial(budget_per_hour=7.5, cost_per_million_tokens=2.8567, tokens_per_second=700.125),
            BudgetTrial(budget_per_hour=9.6, cost_per_million_tokens=_PRICE, tokens_per_second=1155.5),
            BudgetTrial(budget_per_hour=9.6 * (1 - 1e-9), cost_per_million_tokens=2.8567, tokens_per_second=700.125),
        ),
        competitive_range_per_hour=(7.2, 10.4),
        budgets_saved=9,
        confidence="Lower",
    ),
    warnings=("something worth knowing",),
)


def _planned(decision: Decision | None, name: str = "chat") -> Planned:
    job = Job(name=name, namespace="serving", source="x.yaml", request=_REQUEST)
    return Planned(job=job, decision=decision, seconds=0.0417, decided_at=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize("width", [None, 72, 40])
@pytest.mark.parametrize(
    ("name", "decision"),
    [
        ("approved", _DECISION),
        ("blocked", _BLOCKED),
        ("infeasible", _INFEASIBLE),
        ("cut", _CUT),
        ("enumeration", _ENUMERATED),
        ("suspended", None),
    ],
)
def test_the_card_of_every_outcome(
    name: str, decision: Decision | None, width: int | None, drawn: Draw, golden: Golden
) -> None:
    text = drawn(lambda screen: card.show(screen, _planned(decision), wide=False), width)
    golden(f"card-{name}-{width or 'pipe'}", text)
    assert width is None or max(map(len, text.splitlines())) <= width


def test_the_wide_card_has_stages_engine_and_inputs(drawn: Draw, golden: Golden) -> None:
    golden("card-approved-wide", drawn(lambda screen: card.show(screen, _planned(_DECISION), wide=True)))


def test_the_overview_has_a_row_for_each_request(drawn: Draw, golden: Golden) -> None:
    results = [
        _planned(decision, name)
        for name, decision in (
            ("good", _DECISION),
            ("blocked", _BLOCKED),
            ("infeasible", _INFEASIBLE),
            ("cut", _CUT),
            ("suspended", None),
        )
    ]
    golden("overview", drawn(lambda screen: overview.table(screen, results)))


@pytest.mark.parametrize(
    ("decision", "code"),
    [(_DECISION, 0), (_ENUMERATED, 0), (_BLOCKED, 3), (_INFEASIBLE, 4), (_CUT, 4), (None, 0)],
)
def test_every_outcome_has_its_exit_code(decision: Decision | None, code: int) -> None:
    assert _planned(decision).exit_code == code


@pytest.mark.parametrize(
    ("kind", "report", "said"),
    [
        (ObjectiveType.COST_PER_TOKEN, {}, "Optimal: proved, no layout is cheaper per token"),
        (ObjectiveType.THROUGHPUT, {}, "Optimal: proved, no layout is faster"),
        (ObjectiveType.COST, {}, "Optimal: proved, no layout that is fast enough is cheaper per hour"),
        (ObjectiveType.WEIGHTED, {}, "Optimal: proved, no layout has a better weighted sum of cost and throughput"),
        (
            ObjectiveType.COST,
            {"status": SolveStatus.FEASIBLE, "gap_percent": 3.25, "bound_cost_per_hour": 7.5},
            "Feasible: at most 3.25 % from the best possible ($7.50/h)",
        ),
        (
            ObjectiveType.THROUGHPUT,
            {"status": SolveStatus.FEASIBLE, "gap_percent": 3.25, "bound_tokens_per_second": 1200.0},
            "Feasible: at most 3.25 % from the best possible (1,200.0 tokens/s)",
        ),
        (
            ObjectiveType.WEIGHTED,
            {"status": SolveStatus.FEASIBLE, "gap_percent": None},
            "Feasible: fits and passes, how good it is was not proved",
        ),
        (
            ObjectiveType.COST_PER_TOKEN,
            {"status": SolveStatus.FEASIBLE, "gap_percent": 0.0},
            "Feasible: as good as the best possible ($2.3078/M tokens), which only the comparison with exact shows",
        ),
    ],
)
def test_the_proof_says_what_is_proved(kind: ObjectiveType, report: dict[str, Any], said: str) -> None:
    request = replace(_REQUEST, objective=Objective(type=kind))
    decision = replace(_DECISION, request=request, gates=(), report=replace(_REPORT, **report))
    assert card.proof_text(decision) == said
