"""The analytic model's figures, recomputed by hand in plain arithmetic from docs/performance-model.md."""

from dataclasses import replace
from math import ceil, inf

import numpy as np
import pytest

from placewright.core.layouts import search
from placewright.core.model import Parallelism, Precision, Request, Runtime, Slo, TokenBasis
from placewright.core.performance.analytic import AnalyticModel
from placewright.core.performance.base import Setting
from placewright.core.performance.candidates import CONCURRENCIES
from placewright.core.performance.coefficients import FITTED
from tests.support.analytic import LLAMA_8B, analytic_request, pool_of


def only(request: Request, *, stages: int, concurrency: int) -> Setting:
    found = [
        setting
        for setting in AnalyticModel().settings(request)
        if (setting.stages, setting.concurrency) == (stages, concurrency)
    ]
    assert len(found) == 1
    return found[0]


def all_reduce_seconds(message_bytes: float, tp: int, gbps: float) -> float:
    return 2 * message_bytes * 2 * (tp - 1) / tp / (gbps * 1e9)


@pytest.mark.parametrize(("tp", "stages", "concurrency"), [(1, 1, 8), (2, 3, 16), (4, 2, 33), (8, 4, 2)])
def test_step_first_token_and_hop_follow_the_formulae(tp: int, stages: int, concurrency: int) -> None:
    pool = pool_of("L40S", nodes=4)
    request = analytic_request(
        pool,
        model_name=LLAMA_8B,
        precisions=("fp8",),
        concurrency=concurrency,
        parallelism=Parallelism(tensor=(tp,), max_pipeline=4),
    )
    setting = only(request, stages=stages, concurrency=concurrency)
    prompt, output, b = 2048, 512, ceil(concurrency / stages)
    hidden, inner, vocabulary, heads, kv_heads, width = 4096, 14336, 128256, 32, 8, 128
    bandwidth, flops8, flops16, bus = 864e9, 733e12, 362e12, pool.gpu.all_reduce_gbps
    assert flops8 == pool.gpu.tflops_fp8 * 1e12

    attention = 2 * hidden * heads * width / tp + 2 * hidden * width * ceil(kv_heads / tp)
    weights = attention + 3 * hidden * inner / tp
    cached = 2 * width * ceil(kv_heads / tp) * 2
    prefill = (
        2 * prompt * weights / flops8,
        prompt**2 * heads * 2 * width / tp / flops16,
        all_reduce_seconds(prompt * 2 * hidden, tp, bus),
    )
    c, f = FITTED.step, FITTED.first_token
    factors = [c[f"prefill_{name}"] for name in ("arithmetic", "attention", "all_reduce")]
    prompts = c["prompt_layer_seconds"] + sum(a * x for a, x in zip(factors, prefill, strict=True))
    layer = (
        c["layer_seconds"]
        + c["all_reduce_seconds"] * (2 if tp > 1 else 0)
        + c["weight_read"] * weights / bandwidth
        + c["kv_read"] * b * (prompt + output / 2) * cached / bandwidth
        + c["decode_arithmetic"] * 2 * b * weights / flops8
        + c["decode_all_reduce"] * all_reduce_seconds(b * 2 * hidden, tp, bus)
        + b / output * prompts
    )
    head = vocabulary * hidden / tp
    fixed = (
        c["stage_seconds"]
        + c["sequence_seconds"] * b
        + c["weight_read"] * 2 * head / bandwidth
        + c["decode_arithmetic"] * 2 * b * head / flops16
    )
    first = [f[f"prefill_{name}"] for name in ("arithmetic", "attention", "all_reduce")]
    first_layer = sum(a * x for a, x in zip(first, prefill, strict=True))
    first_layer *= 1 + FITTED.first_token_contention * (b - 1)
    first_stage = FITTED.first_token_request_seconds / stages + FITTED.first_token_sequence_seconds * b

    held = np.flatnonzero(np.isfinite(setting.step_seconds[0]))
    assert len(held) > 0
    assert setting.step_seconds[0, held] == pytest.approx(held * layer + fixed)
    assert setting.first_token_seconds[0, held] == pytest.approx(held * first_layer + first_stage)
    assert setting.tokens_per_step == pytest.approx(concurrency / stages * (prompt + output) / output)
    assert setting.tpot_steps == stages
    if stages > 1:
        leaves = stages * tp > 8
        latency, link = (30e-6, pool.inter_node_gbps) if leaves else (15e-6, pool.intra_node_gbps)
        per_token = 2 * 2 * hidden / (link * 1e9)
        assert setting.hop_seconds[0, 0] == pytest.approx(latency + (b + b / output * prompt) * per_token)
        assert setting.first_token_hop_seconds[0, 0] == pytest.approx(latency + prompt * per_token)


def test_the_batch_is_chosen_among_sizes_with_a_captured_graph_or_taken_as_given() -> None:
    pool = pool_of("H200")
    mixed = Parallelism(allow_mixed_pools=True)
    free = analytic_request(pool, model_name=LLAMA_8B, parallelism=mixed)
    assert {setting.concurrency for setting in AnalyticModel().settings(free)} == set(CONCURRENCIES)
    assert all(size in {1, 2, 4} or size % 8 == 0 for size in CONCURRENCIES)
    given = analytic_request(pool, model_name=LLAMA_8B, concurrency=7)
    assert {setting.concurrency for setting in AnalyticModel().settings(given)} == {7}


@pytest.mark.parametrize(
    ("slo", "limits"),
    [
        (Slo(), Parallelism()),
        (Slo(tpot_seconds=0.03), Parallelism(max_pipeline=4)),
        (Slo(ttft_seconds=0.8), Parallelism(min_layers_per_stage=7)),
        (Slo(ttft_seconds=1.5, tpot_seconds=0.06), Parallelism(max_pipeline=3)),
    ],
)
def test_concurrencies_left_out_would_not_have_changed_the_frontier(slo: Slo, limits: Parallelism) -> None:
    pools = (pool_of("H100", price=2.5), pool_of("L40S", nodes=2, price=0.9), pool_of("A10G", nodes=3, price=0.6))
    request = analytic_request(*pools, precisions=("bf16", "int4"), slo=slo, parallelism=limits)
    cut = list(AnalyticModel().settings(request))
    every = [
        setting
        for concurrency in CONCURRENCIES
        for setting in AnalyticModel().settings(
            replace(request, workload=replace(request.workload, concurrency=concurrency))
        )
    ]
    tried, whole = (sum(len(setting.kind_pool) for setting in settings) for settings in (cut, every))
    assert tried < whole
    found, expected = (search(request, settings, out_of_time=lambda: False).frontier for settings in (cut, every))
    assert len(expected) > 0
    for name in ("cost_per_hour", "tokens_per_second"):
        assert [getattr(layout, name) for layout in found] == pytest.approx(
            [getattr(layout, name) for layout in expected]
        )


def test_an_output_basis_counts_output_tokens_alone() -> None:
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B, concurrency=8)
    output = replace(request, workload=replace(request.workload, token_basis=TokenBasis.OUTPUT))
    total, alone = (only(entry, stages=1, concurrency=8).tokens_per_step for entry in (request, output))
    assert (total, alone) == pytest.approx((8 * 5.0, 8.0))


def test_targets_stand_in_the_setting() -> None:
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B, concurrency=8)
    assert only(request, stages=2, concurrency=8).max_step_seconds == inf
    bound = only(replace(request, slo=Slo(ttft_seconds=0.5, tpot_seconds=0.04)), stages=2, concurrency=8)
    assert bound.max_step_seconds == pytest.approx(0.02)
    assert bound.max_first_token_seconds == 0.5


def test_a_measured_speedup_scales_tokens_per_second_and_leaves_the_first_token() -> None:
    pool = pool_of("L40S", nodes=2)
    plain = analytic_request(pool, precisions=("fp8",), concurrency=16)
    faster = replace(plain, precisions=(Precision(name="fp8", speedup=1.25),))
    slow, fast = (next(s for s in AnalyticModel().settings(request) if s.stages == 4) for request in (plain, faster))
    finite = np.isfinite(slow.step_seconds)
    assert fast.step_seconds[finite] * 1.25 == pytest.approx(slow.step_seconds[finite])
    assert fast.hop_seconds * 1.25 == pytest.approx(slow.hop_seconds)
    assert np.array_equal(fast.first_token_seconds, slow.first_token_seconds)
    assert fast.tokens_per_step == slow.tokens_per_step


def test_the_vllm_runtime_wants_one_kind_and_any_lifts_that() -> None:
    pools = (pool_of("H100"), pool_of("L40S"))
    flags = []
    for runtime, mixed in ((Runtime.VLLM, False), (Runtime.VLLM, True), (Runtime.ANY, False)):
        limits = Parallelism(runtime=runtime, allow_mixed_pools=mixed)
        request = analytic_request(*pools, concurrency=8, parallelism=limits)
        flags.append({(s.uniform_kind, s.uniform_tensor_parallel) for s in AnalyticModel().settings(request)})
    assert flags == [{(True, True)}, {(False, True)}, {(False, False)}]


def test_stages_that_may_leave_the_node_pay_for_the_slow_link() -> None:
    limits = Parallelism(max_pipeline=4)
    request = analytic_request(pool_of("A100", nodes=2), concurrency=64, parallelism=limits)
    by_degree = {
        (setting.stages, int(degree)): setting.hop_seconds[0, 0]
        for setting in AnalyticModel().settings(request)
        for degree in setting.kind_tensor_parallel
    }
    assert by_degree[4, 2] < by_degree[4, 4]
    one_node = analytic_request(pool_of("A100", nodes=1), concurrency=64, parallelism=limits)
    hops = {setting.hop_seconds[0, 0] for setting in AnalyticModel().settings(one_node) if setting.stages == 4}
    assert hops == {by_degree[4, 2]}


def test_a_hop_between_pools_takes_the_slower_of_their_links() -> None:
    fast, slow = pool_of("H100"), replace(pool_of("L40S"), inter_node_gbps=5.0)
    limits = Parallelism(allow_mixed_pools=True)
    request = analytic_request(fast, slow, concurrency=64, parallelism=limits)
    setting = next(s for s in AnalyticModel().settings(request) if s.stages == 2)
    tokens = 32 + 32 / 512 * 2048
    assert setting.hop_seconds[0, 1] == pytest.approx(30e-6 + tokens * 4 * 8192 / 5e9)
    assert setting.hop_seconds[1, 0] == setting.hop_seconds[0, 1]
    cut = analytic_request(fast, replace(slow, inter_node_gbps=0.0), concurrency=64, parallelism=limits)
    assert next(s for s in AnalyticModel().settings(cut) if s.stages == 2).hop_seconds[0, 1] == inf


def test_step_times_rise_with_layers_and_first_tokens_add_up_over_stages() -> None:
    request = analytic_request(pool_of("L40S"), precisions=("fp8", "int4"))
    for setting in AnalyticModel().settings(request):
        filled = np.where(np.isfinite(setting.step_seconds), setting.step_seconds, -inf)
        rising = np.maximum.accumulate(filled, axis=1)
        assert np.array_equal(np.where(np.isfinite(setting.step_seconds), rising, -inf), filled)
        assert (setting.step_seconds[:, 0] == inf).all()
        assert (setting.first_token_seconds >= 0).all()


def test_a_mixture_of_experts_is_reported_with_lower_confidence() -> None:
    assert AnalyticModel().confidence(analytic_request(pool_of("H100"))) == "Modelled"
    experts = analytic_request(pool_of("H100"), model_name="openai/gpt-oss-120b", precisions=("fp4",))
    assert AnalyticModel().confidence(experts) == "Lower"
    assert AnalyticModel().layers(experts) == 36
