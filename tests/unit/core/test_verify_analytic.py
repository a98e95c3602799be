"""The checker of the analytic model against arithmetic done by hand, and against plans that are wrong in one place."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from placewright.core.model import (
    Architecture,
    LatentAttention,
    Layout,
    MixtureOfExperts,
    Parallelism,
    Plan,
    PlanState,
    Precision,
    Replicas,
    Request,
    Runtime,
    Slo,
    Stage,
    Workload,
)
from placewright.core.performance.coefficients import FITTED
from placewright.core.verification import analytic, shape
from placewright.core.verify import layout_figures, verify
from tests.support.builders import A100, EIGHT_BILLION, H100, V100, a_pool

SEVENTY_BILLION = replace(EIGHT_BILLION, layers=80, hidden_size=8192, intermediate_size=28672, attention_heads=64)
ROUTED = replace(
    EIGHT_BILLION,
    layers=4,
    experts=MixtureOfExperts(experts=8, experts_per_token=2, expert_intermediate_size=1024, dense_layers=1),
)
POOL = a_pool("a", H100, nodes=2, gpus_per_node=4, intra_node_gbps=400.0, inter_node_gbps=50.0)
REQUEST = Request(
    name="analytic",
    model_name="a-model",
    architecture=EIGHT_BILLION,
    precisions=(Precision(name="bf16"), Precision(name="fp8"), Precision(name="fp4")),
    workload=Workload(input_tokens=1000, output_tokens=100),
    pools=(POOL, a_pool("b", V100, gpus_per_node=8), a_pool("c", A100)),
)


def stages(*held: tuple[str, int, int]) -> tuple[Stage, ...]:
    found: list[Stage] = []
    gpus = {pool.name: pool.gpu.name for pool in REQUEST.pools}
    due = 0
    for pool, tensor, layers in held:
        found.append(
            Stage(pool=pool, gpu=gpus[pool], tensor_parallel=tensor, first_layer=due, last_layer=due + layers - 1)
        )
        due += layers
    return tuple(found)


def layout(*held: tuple[str, int, int], concurrency: int = 16, precision: str = "bf16", cost: float = 8.0) -> Layout:
    """A layout with the checker's own figures."""
    bare = Layout(
        stages=stages(*held),
        precision=precision,
        max_concurrency=concurrency,
        cost_per_hour=cost,
        tokens_per_second=1.0,
        requests_per_second=1.0,
    )
    figures = layout_figures(REQUEST, bare)
    rate = figures.tokens_per_second
    if rate is None:
        return bare
    return replace(
        bare,
        tokens_per_second=rate,
        requests_per_second=rate / 1100,
        ttft_seconds=figures.ttft_seconds,
        tpot_seconds=figures.tpot_seconds,
    )


def check(chosen: Layout, request: Request = REQUEST) -> tuple[str, ...]:
    return verify(request, Plan(id="p-0a1b2c", state=PlanState.APPROVED, replicas=(Replicas(layout=chosen),)))


GOOD = layout(("a", 2, 16), ("a", 2, 16))


def test_step_hop_and_latencies_are_those_of_hand_arithmetic() -> None:
    f, g = FITTED.step, FITTED.first_token
    attention = 2 * 4096 * 32 * 128 / 2 + 2 * 4096 * 128 * 4
    params = attention + 3 * 4096 * 14336 / 2
    sequences, entering, bandwidth, peak = 8, 8 / 100, 3350e9, 989e12

    def all_reduce(message: float) -> float:
        return 2 * message * 2 * (1 / 2) / 400e9

    products, scores, reduces = 2 * 1000 * params / peak, 1000**2 * 32 * 2 * 128 / 2 / peak, all_reduce(1000 * 8192)
    layer = (
        f["layer_seconds"]
        + 2 * f["all_reduce_seconds"]
        + f["weight_read"] * 2 * params / bandwidth
        + f["kv_read"] * sequences * 1050 * (2 * 128 * 4 * 2) / bandwidth
        + f["decode_arithmetic"] * 2 * sequences * params / peak
        + f["decode_all_reduce"] * all_reduce(sequences * 8192)
        + entering
        * (
            f["prompt_layer_seconds"]
            + f["prefill_arithmetic"] * products
            + f["prefill_attention"] * scores
            + f["prefill_all_reduce"] * reduces
        )
    )
    head = 128256 * 4096 / 2
    stage = f["stage_seconds"] + f["sequence_seconds"] * sequences + f["weight_read"] * 2 * head / bandwidth
    stage += f["decode_arithmetic"] * 2 * sequences * head / peak
    hop = 15e-6 + (sequences + entering * 1000) * 4 * 4096 / 400e9
    bottleneck = 16 * layer + stage + hop
    first = g["prefill_arithmetic"] * products + g["prefill_attention"] * scores + g["prefill_all_reduce"] * reduces
    first *= 1 + 7 * FITTED.first_token_contention
    once = FITTED.first_token_request_seconds + 2 * FITTED.first_token_sequence_seconds * sequences
    ttft = 32 * first + once + 15e-6 + 1000 * 4 * 4096 / 400e9

    assert GOOD.tpot_seconds == pytest.approx(2 * bottleneck, rel=1e-12)
    assert GOOD.ttft_seconds == pytest.approx(ttft, rel=1e-12)
    assert GOOD.tokens_per_second == pytest.approx(8 / bottleneck / 100 * 1100, rel=1e-12)
    assert check(GOOD) == ()


def test_memory_is_that_of_hand_arithmetic() -> None:
    card = analytic.card_of(POOL, 2, "bf16")
    assert card is not None
    load = analytic.load_of(REQUEST, 16, 1)
    weights = 32 * 2 * (2 * 4096 * 4096 / 2 + 2 * 4096 * 128 * 4 + 3 * 4096 * 14336 / 2) + 2 * 2 * 128256 * 4096 / 2
    cache = 32 * (2 * 128 * 4 * 2) * 16 * 1104
    runtime = 2 * 2**30 + 8192 * (4 * 4096 + 3 * 14336 / 2) * 2 + 2 * 256 * 128256 * 4
    assert analytic.memory_gib(REQUEST, EIGHT_BILLION, card, load, 32) == pytest.approx(
        (weights + cache + runtime) / 2**30, rel=1e-12
    )


@pytest.mark.parametrize(("tensor", "milliseconds"), [(2, 16.9), (4, 11.4), (8, 8.7)])
def test_the_published_latency_of_seventy_billion_parameters(tensor: int, milliseconds: float) -> None:
    pool = a_pool("a", replace(H100, all_reduce_gbps=350.0))
    load = analytic.Load(concurrency=1, stages=1, input_tokens=128, output_tokens=128)
    card = analytic.card_of(pool, tensor, "fp8")
    assert card is not None
    assert analytic.step_seconds(SEVENTY_BILLION, card, load, 80, 1.0) * 1e3 == pytest.approx(milliseconds, rel=0.03)


def test_a_mixture_of_experts_reads_the_experts_that_are_wanted() -> None:
    held = shape.layer_counts(ROUTED, 1, "bf16", with_experts=True)
    one = 3 * 4096 * 1024
    assert held.expert_bytes == 8 * one * 2
    assert held.step_bytes(1) == pytest.approx(held.read_bytes + 2 * one * 2)
    assert held.step_bytes(3) == pytest.approx(held.read_bytes + 8 * one * 2 * (1 - 0.75**3))
    assert shape.layer_counts(ROUTED, 1, "fp4", with_experts=False).read_bytes == 2 * (
        2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    )


def test_unlike_layers_are_summed_in_the_least_favourable_mix() -> None:
    assert [shape.total(10.0, 1.0, ROUTED, layers) for layers in (1, 2, 4)] == [10.0, 11.0, 13.0]
    assert [shape.total(1.0, 10.0, ROUTED, layers) for layers in (1, 3, 4)] == [10.0, 30.0, 31.0]
    assert shape.total(10.0, 1.0, EIGHT_BILLION, 3) == 30.0
    all_routed = replace(ROUTED, experts=replace(ROUTED.experts, dense_layers=0))  # type: ignore[type-var] # it has experts
    assert shape.total(10.0, 1.0, all_routed, 3) == 3.0


def test_latent_attention_keeps_a_small_cache_that_is_not_split() -> None:
    latent: Architecture = replace(EIGHT_BILLION, latent_attention=LatentAttention(kv_rank=512, rope_head_dim=64))
    assert shape.cache_bytes(latent, 1) == shape.cache_bytes(latent, 8) == 1152
    assert shape.cache_bytes(EIGHT_BILLION, 16) == 2 * 128 * 2


@pytest.mark.parametrize(
    ("gpu", "precision", "rate"),
    [
        (H100, "fp8", 1979e12),
        (A100, "fp8", 312e12),
        (V100, "fp8", None),
        (V100, "bf16", None),
        (V100, "fp16", 125e12),
        (V100, "int8", 125e12),
        (H100, "fp4", 989e12),
        (replace(H100, tflops_fp4=4000.0), "fp4", 989e12),
        (replace(H100, tflops_fp4=4000.0, compute_capability=(10, 0)), "fp4", 4000e12),
        (replace(H100, vendor="amd", compute_capability=None), "fp8", 1979e12),
        (replace(H100, vendor="amd", compute_capability=None), "int4", None),
        (H100, "fp2", None),
    ],
)
def test_what_runs_where(gpu: object, precision: str, rate: float | None) -> None:
    assert shape.flops(gpu, precision) == rate  # type: ignore[arg-type] # accelerators


WRONG: list[tuple[str, Layout]] = [
    ("TTFT in seconds is 0.01, recomputed", replace(GOOD, ttft_seconds=0.01)),
    ("TPOT in seconds is none, recomputed", replace(GOOD, tpot_seconds=None)),
    ("tokens/s is 1, recomputed", replace(GOOD, tokens_per_second=1.0)),
    ("stage 0: V100 cannot run bf16", layout(("b", 2, 32))),
    ("stage 0 needs", layout(("c", 1, 32), concurrency=4096)),
    ("TP 3 does not divide the 32 attention heads", layout(("a", 3, 32))),
    ("TP 3 neither divides the 8 KV heads nor is a multiple of them", layout(("a", 3, 32))),
    ("TP 3 does not divide the intermediate size 14336", layout(("a", 3, 32))),
]


@pytest.mark.parametrize(("line", "wrong"), WRONG, ids=[line for line, _ in WRONG])
def test_a_layout_that_is_wrong_is_told(line: str, wrong: Layout) -> None:
    found = check(wrong)
    assert any(each.startswith(line) for each in found), found


Change = Callable[[Request], Request]

STRICTER: list[tuple[str, Change]] = [
    ("TPOT in seconds is", lambda request: replace(request, slo=Slo(tpot_seconds=1e-4))),
    ("TTFT in seconds is", lambda request: replace(request, slo=Slo(ttft_seconds=1e-4))),
    (
        "sequences are up to 1100 tokens long, the model takes 1024",
        lambda request: replace(request, architecture=replace(EIGHT_BILLION, max_position_embeddings=1024)),
    ),
    ("the analytic model needs an architecture", lambda request: replace(request, architecture=None)),
    (
        "the link from stage 0 on a to a has 0 GB/s",
        lambda request: replace(request, pools=(replace(POOL, intra_node_gbps=0.0), *request.pools[1:])),
    ),
    (
        "stage 0 holds 16 layers, at least 17 are needed",
        lambda request: replace(request, parallelism=Parallelism(min_layers_per_stage=17)),
    ),
    (
        "the stages end after layer 31, the model has 33 layers",
        lambda request: replace(request, architecture=replace(EIGHT_BILLION, layers=33)),
    ),
    ("tokens/s is", lambda request: replace(request, precisions=(Precision(name="bf16", speedup=1.1),))),
    ("TTFT in seconds is", lambda request: replace(request, workload=Workload(input_tokens=1001, output_tokens=100))),
]


@pytest.mark.parametrize(("line", "change"), STRICTER, ids=[f"{n} {line}" for n, (line, _) in enumerate(STRICTER)])
def test_a_right_layout_is_refused_under_a_stricter_request(line: str, change: Change) -> None:
    found = check(GOOD, change(REQUEST))
    assert any(each.startswith(line) for each in found), found


def test_links_between_nodes_and_pools_are_the_slower_ones() -> None:
    one, two = (replace(GOOD.stages[0], tensor_parallel=degree) for degree in (2, 4))
    other = replace(one, pool="c")
    assert analytic.link(REQUEST, one, one, 2) == (400.0, 15e-6)
    assert analytic.link(REQUEST, one, one, 3) == (50.0, 30e-6)
    assert analytic.link(REQUEST, two, two, 2) == (50.0, 30e-6)
    assert analytic.link(REQUEST, one, other, 2) == (12.5, 30e-6)
    anything = replace(REQUEST, parallelism=Parallelism(runtime=Runtime.ANY))
    assert analytic.link(anything, one, one, 2) == (50.0, 30e-6)
