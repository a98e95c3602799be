"""Which layouts the analytic model offers, which it refuses, and what it says of those."""

from dataclasses import replace

import pytest

from placewright.catalog.gpus import gpu
from placewright.catalog.models import model
from placewright.core.errors import InvalidRequestError, UnsupportedModelError
from placewright.core.model import (
    Accelerator,
    Gates,
    OnUnknown,
    Parallelism,
    Precision,
    Rejection,
    RejectionCode,
    Request,
    Runtime,
)
from placewright.core.performance.analytic import AnalyticModel
from placewright.core.performance.precision import arithmetic_tflops, unsupported_reason
from tests.support.analytic import LLAMA_8B, analytic_request, pool_of


def offered(request: Request) -> set[tuple[str, str, int]]:
    """(pool, precision, TP) of all kinds that can hold a layer."""
    return {
        (request.pools[pool].name, setting.precision, int(degree))
        for setting in AnalyticModel().settings(request)
        for pool, degree in zip(setting.kind_pool, setting.kind_tensor_parallel, strict=True)
    }


def rejected(request: Request, code: RejectionCode) -> list[Rejection]:
    return [entry for entry in AnalyticModel().rejections(request) if entry.code is code]


@pytest.mark.parametrize(
    ("key", "runs"),
    [
        ("B200", {"bf16": 2250, "fp16": 2250, "fp8": 4500, "int8": 2250, "int4": 2250, "fp4": 9000}),
        ("H100", {"bf16": 989, "fp16": 989, "fp8": 1979, "int8": 989, "int4": 989, "fp4": 989}),
        ("L40S", {"bf16": 362, "fp16": 362, "fp8": 733, "int8": 362, "int4": 362, "fp4": 362}),
        ("A100", {"bf16": 312, "fp16": 312, "fp8": 312, "int8": 312, "int4": 312, "fp4": 312}),
        ("T4", {"bf16": 0, "fp16": 65, "fp8": 0, "int8": 65, "int4": 65, "fp4": 0}),
        ("V100", {"bf16": 0, "fp16": 125, "fp8": 0, "int8": 125, "int4": 125, "fp4": 0}),
        ("MI300X", {"bf16": 1307, "fp16": 1307, "fp8": 2614, "int8": 0, "int4": 0, "fp4": 0}),
    ],
)
def test_a_precision_runs_where_its_kernels_run_at_the_rate_of_its_arithmetic(key: str, runs: dict[str, float]) -> None:
    assert {name: arithmetic_tflops(gpu(key), name) for name in runs} == runs
    assert {name for name in runs if unsupported_reason(gpu(key), name)} == {name for name in runs if not runs[name]}


def test_a_rate_without_the_capability_for_it_is_not_believed() -> None:
    odd = replace(gpu("A100"), tflops_fp8=600.0)
    assert arithmetic_tflops(odd, "fp8") == 312.0
    unknown = Accelerator(name="X", memory_gib=64, memory_bandwidth_gbps=1000, tflops_16bit=200, tflops_fp8=400)
    assert arithmetic_tflops(unknown, "fp8") == 400.0


def test_an_unsupported_precision_is_left_out_and_named() -> None:
    request = analytic_request(pool_of("V100"), pool_of("H100"), model_name=LLAMA_8B, precisions=("bf16", "fp16"))
    assert {(pool, precision) for pool, precision, _ in offered(request)} == {
        ("v100", "fp16"),
        ("h100", "bf16"),
        ("h100", "fp16"),
    }
    (rejection,) = rejected(request, RejectionCode.PRECISION_UNSUPPORTED)
    assert (rejection.pool, rejection.count) == ("v100", 1)
    assert "V100 cannot run bf16" in rejection.message


def test_a_degree_that_does_not_divide_the_heads_is_left_out_for_vllm_alone() -> None:
    limits = Parallelism(tensor=(1, 2, 3, 6))
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B, concurrency=1, parallelism=limits)
    assert {degree for _, _, degree in offered(request)} == {1, 2}
    (rejection,) = rejected(request, RejectionCode.HEADS_NOT_DIVISIBLE)
    assert rejection.count == 2
    assert "TP 3 does not divide the 32 attention heads; TP 6" in rejection.message
    lifted = replace(request, parallelism=replace(limits, runtime=Runtime.ANY))
    assert {degree for _, _, degree in offered(lifted)} == {1, 2, 3, 6}
    assert rejected(lifted, RejectionCode.HEADS_NOT_DIVISIBLE) == []


def test_kv_heads_and_mlp_widths_must_divide_too() -> None:
    shape = replace(model(LLAMA_8B), attention_heads=24, key_value_heads=2, head_dim=128)
    request = analytic_request(pool_of("H100"), architecture=shape, parallelism=Parallelism(tensor=(1, 2, 3, 4)))
    assert {degree for _, _, degree in offered(request)} == {1, 2, 4}
    (rejection,) = rejected(request, RejectionCode.HEADS_NOT_DIVISIBLE)
    assert "TP 3 neither divides the 2 KV heads nor is a multiple of them" in rejection.message
    narrow = replace(shape, intermediate_size=14338)
    request = replace(request, architecture=narrow)
    assert {degree for _, _, degree in offered(request)} == {1, 2}
    assert "TP 4 does not divide the MLP width 14338" in rejected(request, RejectionCode.HEADS_NOT_DIVISIBLE)[0].message


def test_a_group_stays_inside_its_node() -> None:
    pools = (pool_of("H100", gpus_per_node=4), replace(pool_of("L40S"), max_tensor_parallel=2))
    request = analytic_request(*pools, model_name=LLAMA_8B)
    assert {(pool, degree) for pool, _, degree in offered(request)} == {
        ("h100", 1),
        ("h100", 2),
        ("h100", 4),
        ("l40s", 1),
        ("l40s", 2),
    }
    only_eight = replace(request, parallelism=Parallelism(tensor=(8,)))
    assert offered(only_eight) == set()
    assert [entry.pool for entry in rejected(only_eight, RejectionCode.INSUFFICIENT_STOCK)] == ["h100", "l40s"]


def test_a_pool_without_a_price_is_left_out_and_named() -> None:
    request = analytic_request(pool_of("H100", price=None), pool_of("L40S"), model_name=LLAMA_8B)
    assert {pool for pool, _, _ in offered(request)} == {"l40s"}
    assert [entry.pool for entry in rejected(request, RejectionCode.NO_PRICE)] == ["h100"]


@pytest.mark.parametrize(
    ("drift", "on_unknown", "admitted"),
    [
        (0.4, OnUnknown.BLOCK, {"bf16", "int4"}),
        (0.6, OnUnknown.BLOCK, {"bf16"}),
        (None, OnUnknown.BLOCK, {"bf16"}),
        (None, OnUnknown.WARN, {"bf16", "int4"}),
    ],
)
def test_the_drift_gate_decides_on_precisions(drift: float | None, on_unknown: OnUnknown, admitted: set[str]) -> None:
    request = analytic_request(
        pool_of("H100"),
        model_name=LLAMA_8B,
        precisions=("bf16", Precision(name="int4", drift_percent=drift)),
        gates=Gates(max_quantization_drift_percent=0.5, on_unknown=on_unknown),
    )
    assert {precision for _, precision, _ in offered(request)} == admitted
    assert bool(rejected(request, RejectionCode.DRIFT_GATE)) == ("int4" not in admitted)


def test_too_many_stages_for_the_layers_are_left_out_and_counted() -> None:
    limits = Parallelism(max_pipeline=8, min_layers_per_stage=12)
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B, parallelism=limits)
    assert {setting.stages for setting in AnalyticModel().settings(request)} == {1, 2}
    (rejection,) = rejected(request, RejectionCode.TOO_FEW_LAYERS)
    assert rejection.count == 6
    assert "more than 2 stages would leave fewer than 12 of 32 layers" in rejection.message


def test_the_nearest_miss_is_shown_where_memory_is_short() -> None:
    (rejection,) = rejected(analytic_request(pool_of("H100")), RejectionCode.INSUFFICIENT_MEMORY)
    assert rejection.message.startswith("pool h100: bf16 TP ")
    assert "for 1 x 2560 tokens" in rejection.message
    assert "71.2 of 79.1 usable" in rejection.message


def test_a_request_that_fits_everywhere_has_no_rejections() -> None:
    request = analytic_request(pool_of("H200"), model_name=LLAMA_8B, concurrency=4)
    assert list(AnalyticModel().rejections(request)) == []


def test_an_unknown_shape_or_precision_or_length_is_the_users_to_fix() -> None:
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B)
    with pytest.raises(UnsupportedModelError, match=r"spec\.model: got '.*Llama-3\.1-8B-Instruct'"):
        list(AnalyticModel().settings(replace(request, architecture=None)))
    with pytest.raises(InvalidRequestError, match="got 'fp7', wants one of bf16, fp16"):
        list(AnalyticModel().settings(replace(request, precisions=(Precision(name="fp7"),))))
    with pytest.raises(InvalidRequestError, match=r"maxModelLen: got 2000, wants at least 2560"):
        AnalyticModel().rejections(replace(request, max_model_len=2000))
    with pytest.raises(InvalidRequestError, match="got 200000 tokens, wants at most the model's 131072"):
        list(AnalyticModel().settings(replace(request, max_model_len=200000)))
