"""The checker against the published figures of the config-dir format, and against plans that are wrong in one place."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from placewright.core.model import (
    Billing,
    FixedEfficiency,
    GateOutcome,
    GateResult,
    Gates,
    Layout,
    Objective,
    OnViolation,
    Parallelism,
    Plan,
    PlanState,
    Pool,
    Precision,
    Replicas,
    Request,
    Runtime,
    Slo,
    Stage,
    Workload,
)
from placewright.core.verification import fixed
from placewright.core.verify import layout_figures, verify
from tests.support.builders import A100, V100, a_pool, a_request

# config-dir `medium` of planning.md section 3, two of its pools
A100_48 = replace(A100, memory_gib=48.0)
V100_24 = replace(V100, memory_gib=24.0)
POOLS = (
    a_pool("A100", A100_48, nodes=1, gpus_per_node=8, price_per_gpu_hour=1.0),
    a_pool("V100", V100_24, nodes=1, gpus_per_node=12, price_per_gpu_hour=0.3),
)
LINKS = {(here.name, there.name): 550.0 for here in POOLS for there in POOLS}
MEDIUM = FixedEfficiency(
    sequence_length=4096,
    batch_sizes=(32,),
    hidden_size=8192,
    layers=40,
    bytes_per_element=2,
    layer_weight_gib=3.5,
    gpu_rates={"A100": (312.0, 2039.0, 0.60), "V100": (125.0, 900.0, 0.55)},
    link_gbps=LINKS,
    min_memory_utilization=0.5,
)
REQUEST = Request(
    name="medium",
    model_name="medium",
    precisions=(Precision(name="fp16", drift_percent=0.0),),
    workload=Workload(input_tokens=4096, output_tokens=0),
    pools=POOLS,
    parallelism=Parallelism(runtime=Runtime.ANY, allow_mixed_pools=True, min_layers_per_stage=5),
    performance=MEDIUM,
)


def stages(*held: tuple[str, int, int]) -> tuple[Stage, ...]:
    """Stages of (pool, TP, layers), one after another."""
    found: list[Stage] = []
    due = 0
    for pool, tensor, layers in held:
        found.append(Stage(pool=pool, gpu=pool, tensor_parallel=tensor, first_layer=due, last_layer=due + layers - 1))
        due += layers
    return tuple(found)


def layout(*held: tuple[str, int, int], cost: float, rate: float) -> Layout:
    return Layout(
        stages=stages(*held),
        precision="fp16",
        max_concurrency=32,
        cost_per_hour=cost,
        tokens_per_second=rate,
        requests_per_second=rate / 4096,
    )


def plan_of(*replicas: Layout, state: PlanState = PlanState.APPROVED) -> Plan:
    weight = 1 / len(replicas)
    return Plan(id="p-0a1b2c", state=state, replicas=tuple(Replicas(layout=each, weight=weight) for each in replicas))


def exact(chosen: Layout) -> Layout:
    """The layout with the checker's own rate in full."""
    rate = layout_figures(REQUEST, chosen).tokens_per_second
    assert rate is not None
    return replace(chosen, tokens_per_second=rate, requests_per_second=rate / 4096)


GOOD = exact(layout(*[("A100", 1, 5)] * 8, cost=8.0, rate=21_457.67))
CHEAPEST = exact(layout(*[("V100", 2, 7)] * 4, ("V100", 4, 12), cost=3.6, rate=10_131.97))
MIXED = exact(layout(*[("A100", 1, 5)] * 2, *[("V100", 2, 5)] * 6, cost=5.6, rate=14_184.76))


@pytest.mark.parametrize(
    ("chosen", "rate", "price"),
    [(GOOD, 21_457.67, 1.03563e-7), (CHEAPEST, 10_131.97, 9.86975e-8), (MIXED, 14_184.76, 1.09664e-7)],
)
def test_published_layouts_are_right_to_all_published_digits(chosen: Layout, rate: float, price: float) -> None:
    assert verify(REQUEST, plan_of(chosen)) == ()
    assert chosen.tokens_per_second == pytest.approx(rate, abs=0.005)
    assert chosen.cost_per_hour / 3600 / chosen.tokens_per_second == pytest.approx(price, rel=1e-5)


@pytest.mark.parametrize(
    ("gpu", "tensor", "layers", "rate"),
    [("V100", 1, 40, 985.05), ("A100", 4, 40, 8583.07)],
)
def test_published_stage_rates(gpu: str, tensor: int, layers: int, rate: float) -> None:
    pool = next(each for each in POOLS if each.name == gpu)
    assert fixed.stage_tokens_per_second(MEDIUM, pool, 32, tensor, layers) == pytest.approx(rate, abs=0.005)


def test_the_famous_infeasible_layout_is_refused_with_both_figures_in_gib() -> None:
    famous = layout(("V100", 1, 40), cost=0.3, rate=985.05)
    (line, *_) = [each for each in verify(REQUEST, plan_of(exact(famous))) if "GiB" in each]
    assert line == "stage 0 needs 160.7 GiB per GPU, V100 has 24 GiB"


def changed(base: Layout, **changes: object) -> Layout:
    return replace(base, **changes)  # type: ignore[arg-type] # plain keyword values of Layout


def with_stage(base: Layout, index: int, **changes: object) -> Layout:
    moved = replace(base.stages[index], **changes)  # type: ignore[arg-type] # plain keyword values of Stage
    return replace(base, stages=(*base.stages[:index], moved, *base.stages[index + 1 :]))


WRONG: list[tuple[str, Layout]] = [
    ("the cost per hour is 8.1, recomputed 8", changed(GOOD, cost_per_hour=8.1)),
    ("tokens/s is nan, recomputed 21457.6", changed(GOOD, tokens_per_second=float("nan"))),
    ("requests/s is 5, recomputed 5.238", changed(GOOD, requests_per_second=5.0)),
    ("TTFT in seconds is 0.5, recomputed none", changed(GOOD, ttft_seconds=0.5)),
    ("the batch size is 31, the request allows [32]", changed(GOOD, max_concurrency=31)),
    ("the concurrency is 0, at least 1 is needed", changed(GOOD, max_concurrency=0)),
    ("the precision is fp8, the request has fp16", changed(GOOD, precision="fp8")),
    ("the layout has no stage", changed(GOOD, stages=())),
    ("stage 3 begins at layer 14, but layer 15 is due", with_stage(GOOD, 3, first_layer=14)),
    ("stage 4 begins at layer 20, but layer 21 is due", with_stage(GOOD, 3, last_layer=20)),
    ("the stages end after layer 38, the model has 40 layers", with_stage(GOOD, 7, last_layer=38)),
    ("stage 7 holds 4 layers, at least 5 are needed", with_stage(GOOD, 7, last_layer=38)),
    ("stage 7 holds 0 layers, at least 1 is needed", with_stage(GOOD, 7, last_layer=34)),
    ("stage 0 is on pool H100, the request has A100, V100", with_stage(GOOD, 0, pool="H100")),
    ("stage 0 names GPU A10, pool A100 has A100", with_stage(GOOD, 0, gpu="A10")),
    ("stage 0 has TP 3, the request allows [1, 2, 4, 8]", with_stage(GOOD, 0, tensor_parallel=3)),
    ("stage 0: no rate is known for A100 at TP 3", with_stage(GOOD, 0, tensor_parallel=3)),
    ("stage 0 has TP 16, a node of pool A100 has 8 GPUs", with_stage(GOOD, 0, tensor_parallel=16)),
    (
        "pool A100: the groups use 9 GPUs on 2 nodes, there are 8 GPUs on 1 nodes",
        with_stage(GOOD, 0, tensor_parallel=2),
    ),
    (
        "the layout has 9 stages, the request allows 8",
        layout(*[("A100", 1, 5)] * 7, ("V100", 2, 3), ("V100", 2, 2), cost=0, rate=0),
    ),
    (
        "stage 0 needs 48.85 GiB per GPU, A100 has 48 GiB",
        layout(("A100", 2, 22), ("A100", 4, 18), cost=6.0, rate=1.0),
    ),
]


@pytest.mark.parametrize(("line", "wrong"), WRONG, ids=[line for line, _ in WRONG])
def test_a_layout_that_is_wrong_is_told_with_both_figures(line: str, wrong: Layout) -> None:
    found = verify(REQUEST, plan_of(wrong))
    assert any(each.startswith(line) for each in found), found


Change = Callable[[Request], Request]


def limits(**changes: object) -> Change:
    def change(request: Request) -> Request:
        return replace(request, parallelism=replace(request.parallelism, **changes))  # type: ignore[arg-type] # as above

    return change


def format_of(**changes: object) -> Change:
    return lambda request: replace(request, performance=replace(MEDIUM, **changes))  # type: ignore[arg-type] # as above


def first_pool(**changes: object) -> Change:
    def change(request: Request) -> Request:
        moved: Pool = replace(request.pools[0], **changes)  # type: ignore[arg-type] # as above
        return replace(request, pools=(moved, *request.pools[1:]))

    return change


STRICTER: list[tuple[str, Change]] = [
    ("runtime vllm wants one TP degree, the stages have [1, 2]", limits(runtime=Runtime.VLLM)),
    (
        "mixed pools are not allowed, the stages are on A100, V100",
        limits(runtime=Runtime.VLLM, allow_mixed_pools=False),
    ),
    ("the layout has 8 stages, the request allows 7", limits(max_pipeline=7)),
    ("stage 0 holds 5 layers, at least 6 are needed", limits(min_layers_per_stage=6)),
    ("the link from stage 0 on A100 to A100 has 550 GB/s, a pipeline needs 551", format_of(min_link_gbps=551.0)),
    (
        "the link from stage 1 on A100 to V100 has 0 GB/s",
        format_of(link_gbps={**MEDIUM.link_gbps, ("A100", "V100"): 0}),
    ),
    ("tokens/s is 14184.7", format_of(link_gbps={**MEDIUM.link_gbps, ("A100", "V100"): 0.1})),
    ("the stages end after layer 39, the model has 41 layers", format_of(layers=41)),
    ("stage 0 is on pool A100, which has no price", first_pool(price_per_gpu_hour=None)),
    ("stage 0 has TP 1, pool A100 allows 0", first_pool(max_tensor_parallel=0)),
    ("the cost per hour is 5.6, recomputed 11.6", first_pool(billing=Billing.PER_NODE)),
    ("pool A100: the groups use 2 GPUs on 2 nodes, there are 1 GPUs on 1 nodes", first_pool(gpus_per_node=1)),
    (
        "TPOT in seconds is not known, the target is 0.05",
        lambda request: replace(request, slo=Slo(tpot_seconds=0.05)),
    ),
    (
        "the concurrency is 32, the request sets 16",
        lambda request: replace(request, workload=replace(request.workload, concurrency=16)),
    ),
    (
        "the plan gives 14184.7",
        lambda request: replace(request, objective=Objective(min_tokens_per_second=14_185.0)),
    ),
]


@pytest.mark.parametrize(("line", "change"), STRICTER, ids=[line for line, _ in STRICTER])
def test_a_right_layout_is_refused_under_a_stricter_request(line: str, change: Change) -> None:
    assert verify(REQUEST, plan_of(MIXED)) == ()
    found = verify(change(REQUEST), plan_of(MIXED))
    assert any(each.startswith(line) for each in found), found


def test_quantized_segments_have_few_sizes() -> None:
    request = format_of(quantized_segments=True)(REQUEST)
    assert verify(request, plan_of(GOOD)) == ()
    assert verify(request, plan_of(CHEAPEST))[-1] == "stage 4 holds 12 layers, segments may have [1, 5, 10, 20, 30, 40]"
    assert [fixed.segment_sizes(layers) for layers in (1, 7, 12, 33, 50)] == [
        (1,), (1, 5, 7), (1, 5, 10, 12), (1, 5, 10, 20, 30, 33), (1, 10, 20, 30, 40, 50)
    ]  # fmt: skip


def test_replicas_share_the_stock_and_the_traffic() -> None:
    twice = Plan(id="p-0a1b2c", state=PlanState.APPROVED, replicas=(Replicas(layout=GOOD, count=2, weight=0.9),))
    assert verify(REQUEST, twice) == (
        "the traffic shares sum to 0.9, they should sum to 1",
        "pool A100: the groups use 16 GPUs on 2 nodes, there are 8 GPUs on 1 nodes",
    )
    assert "a layout has 0 replicas, at least 1 is needed" in verify(
        REQUEST, replace(twice, replicas=(Replicas(layout=GOOD, count=0),))
    )
    assert verify(REQUEST, replace(twice, replicas=())) == ("the plan has no replica",)
    assert verify(REQUEST, replace(plan_of(GOOD), id="plan-1")) == (
        "the plan id is 'plan-1', it should be p- and at least 6 hex digits",
    )


# ------------------------------------------------------------------------------------------------------- gates


def hourly(limit: float, actual: float | None, headroom: float | None, result: GateResult) -> GateOutcome:
    return GateOutcome(name="CostPerHour", limit=limit, actual=actual, headroom_percent=headroom, result=result)


def gated(**gates: object) -> Request:
    return replace(REQUEST, gates=Gates(**gates))  # type: ignore[arg-type] # plain keyword values of Gates


def test_gate_outcomes_are_recomputed() -> None:
    request = gated(max_cost_per_hour=10.0)
    right = hourly(10.0, 8.0, 20.0, GateResult.PASS)
    assert verify(request, plan_of(GOOD), (right,)) == ()
    assert verify(request, plan_of(GOOD)) == ("gate CostPerHour is reported 0 times, once is needed",)
    assert verify(REQUEST, plan_of(GOOD), (right,)) == ("gate CostPerHour is reported, the request does not set it",)
    assert verify(request, plan_of(GOOD), (hourly(9.0, 7.0, 21.0, GateResult.FAIL),)) == (
        "gate CostPerHour: limit is 9, recomputed 10",
        "gate CostPerHour: actual is 7, recomputed 8",
        "gate CostPerHour: headroom in percent is 21, recomputed 20",
        "gate CostPerHour is Fail, recomputed Pass (8 against a limit of 10)",
    )


def test_a_failed_gate_blocks_unless_it_only_warns() -> None:
    failed = hourly(4.0, 8.0, -100.0, GateResult.FAIL)
    request = gated(max_cost_per_hour=4.0)
    assert verify(request, plan_of(GOOD, state=PlanState.BLOCKED), (failed,)) == ()
    assert verify(request, plan_of(GOOD), (failed,)) == ("the plan is Approved, recomputed Blocked (CostPerHour Fail)",)
    warning = gated(max_cost_per_hour=4.0, on_violation=OnViolation.WARN)
    assert verify(warning, plan_of(GOOD), (failed,)) == ()
    assert verify(warning, plan_of(GOOD, state=PlanState.BLOCKED), (failed,)) == (
        "the plan is Blocked, recomputed Approved (no gate blocks)",
    )


def test_a_drift_that_nobody_measured_is_unknown_and_blocks() -> None:
    request = replace(
        gated(max_quantization_drift_percent=0.5), precisions=(Precision(name="fp16"), Precision(name="int4"))
    )
    unknown = GateOutcome(
        name="QuantizationDrift", limit=0.5, actual=None, headroom_percent=None, result=GateResult.UNKNOWN
    )
    assert verify(request, plan_of(GOOD, state=PlanState.BLOCKED), (unknown,)) == ()
    assert verify(request, plan_of(GOOD), (unknown,)) == (
        "the plan is Approved, recomputed Blocked (QuantizationDrift Unknown)",
    )
    passed = replace(unknown, actual=0.0, headroom_percent=100.0, result=GateResult.PASS)
    assert len(verify(request, plan_of(GOOD), (passed,))) == 4


def test_a_small_request_from_the_builders_is_planned_by_hand() -> None:
    request = a_request()
    held = Stage(pool="a", gpu="A100", tensor_parallel=2, first_layer=0, last_layer=7)
    rate = fixed.stage_tokens_per_second(request.performance, request.pools[0], 8, 2, 8)  # type: ignore[arg-type] # fixed
    chosen = Layout(
        stages=(held,),
        precision="bf16",
        max_concurrency=8,
        cost_per_hour=4.0,
        tokens_per_second=rate,
        requests_per_second=rate / 1024,
    )
    assert verify(request, plan_of(chosen)) == ()
