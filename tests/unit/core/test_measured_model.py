"""The measured model: a row serves what it was measured on, and nothing else."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from placewright.core.model import (
    Accelerator,
    Analytic,
    Architecture,
    FixedEfficiency,
    Gates,
    Measured,
    Measurement,
    OnUnknown,
    Parallelism,
    Pool,
    Precision,
    Rejection,
    RejectionCode,
    Request,
    Runtime,
    Slo,
    TokenBasis,
    Workload,
)
from placewright.core.performance.base import Setting
from placewright.core.performance.choose import model_for
from placewright.core.performance.drift import allowed_precisions, drift_rejections
from placewright.core.performance.fixed import FixedEfficiencyModel
from placewright.core.performance.measured import UNKNOWN_CONCURRENCY, MeasuredModel

ROW = Measurement(
    gpu="H100",
    tensor_parallel=4,
    pipeline_parallel=2,
    precision="fp8",
    input_tokens=1000,
    output_tokens=200,
    requests_per_second=3.0,
    concurrency=64,
    ttft_seconds=0.7,
    tpot_seconds=0.031,
)
SHAPE = Architecture(
    layers=45,
    hidden_size=4096,
    intermediate_size=11008,
    attention_heads=32,
    key_value_heads=8,
    head_dim=128,
    vocab_size=32000,
)


def a_pool(name: str, gpu: str, *, per_node: int = 8, price: float | None = 2.0, most: int = 8) -> Pool:
    return Pool(
        name=name,
        gpu=Accelerator(name=gpu, memory_gib=80.0, memory_bandwidth_gbps=3350.0, tflops_16bit=989.0),
        nodes=2,
        gpus_per_node=per_node,
        price_per_gpu_hour=price,
        max_tensor_parallel=most,
    )


def a_request(*rows: Measurement, shape: Architecture | None = SHAPE, pools: tuple[Pool, ...] = ()) -> Request:
    return Request(
        name="measured",
        model_name="some-model",
        architecture=shape,
        precisions=(Precision(name="fp8"), Precision(name="bf16")),
        workload=Workload(input_tokens=1000, output_tokens=200),
        pools=pools or (a_pool("fast", "H100"),),
        performance=Measured(rows=rows or (ROW,)),
    )


def settings_of(request: Request) -> list[Setting]:
    return list(MeasuredModel().settings(request))


def rejection(request: Request, code: RejectionCode) -> Rejection:
    found = [entry for entry in MeasuredModel().rejections(request) if entry.code is code]
    assert len(found) == 1, found
    return found[0]


def test_a_row_becomes_one_setting_with_exactly_its_figures() -> None:
    (setting,) = settings_of(a_request())
    assert (setting.stages, setting.max_stages, setting.uniform_kind) == (2, 2, True)
    assert (setting.precision, setting.concurrency) == ("fp8", 64)
    assert setting.kind_tensor_parallel.tolist() == [4]
    step = setting.step_seconds[0]
    assert np.flatnonzero(np.isfinite(step)).tolist() == [22, 23]  # 45 layers on two stages
    assert setting.tokens_per_step / step[22] == pytest.approx(3.0 * 1200, rel=1e-12)
    assert setting.tpot_steps * step[23] == 0.031
    assert setting.first_token_seconds[0, 22] + setting.first_token_seconds[0, 23] == pytest.approx(0.7, rel=1e-12)
    assert not setting.hop_seconds.any()
    assert (setting.max_step_seconds, setting.max_first_token_seconds) == (inf, inf)


def test_tokens_follow_the_basis() -> None:
    request = a_request()
    output = replace(request, workload=replace(request.workload, token_basis=TokenBasis.OUTPUT))
    (setting,) = settings_of(output)
    assert setting.tokens_per_step / setting.step_seconds[0, 22] == pytest.approx(3.0 * 200, rel=1e-12)


def test_without_an_architecture_every_stage_is_one_pseudo_layer() -> None:
    rows = (ROW, replace(ROW, pipeline_parallel=3))
    request = a_request(*rows, shape=None)
    two, three = settings_of(request)
    assert two.step_seconds.shape == (1, 3)
    assert three.step_seconds.shape == (1, 4)
    assert np.flatnonzero(np.isfinite(three.step_seconds[0])).tolist() == [1]
    assert MeasuredModel().layers(request) == 0
    assert MeasuredModel().layers(a_request()) == 45
    assert MeasuredModel().confidence(request) == "Measured"


def test_every_pool_of_that_gpu_that_can_form_the_group_is_a_kind() -> None:
    pools = (
        a_pool("small", "H100", per_node=2),
        a_pool("first", "H100"),
        a_pool("other", "A100"),
        a_pool("limited", "H100", most=2),
        a_pool("unpriced", "H100", price=None),
        a_pool("second", "H100", per_node=4),
    )
    request = a_request(pools=pools)
    (setting,) = settings_of(request)
    assert setting.kind_pool.tolist() == [1, 5]
    found = {(entry.pool, entry.code): entry.message for entry in MeasuredModel().rejections(request)}
    assert "TP 4 exceeds a node of 2 GPUs" in found["small", RejectionCode.NO_PROFILE]
    assert "TP 4 exceeds the pool's largest, 2" in found["limited", RejectionCode.NO_PROFILE]
    assert found["other", RejectionCode.NO_PROFILE] == "no measurement on A100; measured: H100"
    assert ("unpriced", RejectionCode.NO_PRICE) in found


def test_all_rows_of_one_configuration_are_candidates() -> None:
    rows = [
        replace(ROW, concurrency=size, requests_per_second=rate) for size, rate in ((8, 1.0), (64, 3.0), (256, 4.0))
    ]
    assert [setting.concurrency for setting in settings_of(a_request(*rows))] == [8, 64, 256]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"input_tokens": 1001}, "measured with 1001+200 tokens, asked for 1000+200"),
        ({"output_tokens": 199}, "measured with 1000+199 tokens, asked for 1000+200"),
        ({"precision": "int4"}, "measured in int4, which is not among the request's precisions"),
        ({"tensor_parallel": 3}, "the request allows TP 1, 2, 4, 8"),
        ({"pipeline_parallel": 9}, "the request allows at most 8 stages"),
        ({"requests_per_second": 0.0}, "it served no requests"),
    ],
)
def test_a_row_that_says_nothing_of_the_request_is_left_out_and_told(change: dict[str, object], reason: str) -> None:
    request = a_request(replace(ROW, **change))  # type: ignore[arg-type] # one field of the row
    assert settings_of(request) == []
    found = rejection(request, RejectionCode.NO_PROFILE)
    assert found.pool == "fast"
    assert reason in found.message


def test_a_given_concurrency_wants_rows_of_that_concurrency() -> None:
    request = a_request(ROW, replace(ROW, concurrency=32), replace(ROW, concurrency=None))
    asked = replace(request, workload=replace(request.workload, concurrency=32))
    assert [setting.concurrency for setting in settings_of(asked)] == [32, 32]
    assert "measured at concurrency 64, asked for 32" in rejection(asked, RejectionCode.NO_PROFILE).message


def test_an_unknown_concurrency_follows_from_rate_and_latency() -> None:
    (known,) = settings_of(a_request(replace(ROW, concurrency=None)))
    assert known.concurrency == 21  # 3 requests/s that each stay 0.7 + 199 * 0.031 = 6.869 s
    (unknown,) = settings_of(a_request(replace(ROW, concurrency=None, tpot_seconds=None)))
    assert unknown.concurrency == UNKNOWN_CONCURRENCY


def test_targets_stand_in_the_setting() -> None:
    (setting,) = settings_of(replace(a_request(), slo=Slo(ttft_seconds=0.7, tpot_seconds=0.02)))
    assert setting.max_step_seconds == 0.02
    assert setting.step_seconds[0, 22] > setting.max_step_seconds
    assert 2 * setting.first_token_seconds[0, 22] <= setting.max_first_token_seconds


def test_a_ttft_at_its_target_is_met_with_any_number_of_stages() -> None:
    for stages in range(1, 9):
        for ttft in (0.1, 0.3, 0.7, 1.1, 2.3):
            row = replace(ROW, pipeline_parallel=stages, ttft_seconds=ttft)
            (setting,) = settings_of(replace(a_request(row), slo=Slo(ttft_seconds=ttft)))
            share = setting.first_token_seconds[0, 45 // stages]
            assert sum([share] * stages) <= setting.max_first_token_seconds


@pytest.mark.parametrize(
    ("change", "slo", "code"),
    [
        ({"ttft_seconds": None}, Slo(ttft_seconds=9.0), RejectionCode.SLO_TTFT),
        ({"tpot_seconds": None}, Slo(tpot_seconds=9.0), RejectionCode.SLO_TPOT),
    ],
)
def test_a_target_on_a_figure_nobody_measured_leaves_the_row_out(
    change: dict[str, object], slo: Slo, code: RejectionCode
) -> None:
    request = a_request(replace(ROW, **change))  # type: ignore[arg-type] # one field of the row
    (setting,) = settings_of(request)
    assert setting.has_ttft is ("ttft_seconds" not in change)
    assert setting.has_tpot is ("tpot_seconds" not in change)
    assert setting.tokens_per_step / setting.step_seconds[0, 22] == pytest.approx(3600.0, rel=1e-12)
    asked = replace(request, slo=slo)
    assert settings_of(asked) == []
    assert "was not measured" in rejection(asked, code).message


def test_stages_of_too_few_layers_are_out() -> None:
    row = replace(ROW, pipeline_parallel=8)
    request = replace(a_request(row), parallelism=Parallelism(min_layers_per_stage=6))
    assert settings_of(request) == []
    assert "5 of 45 layers" in rejection(request, RejectionCode.TOO_FEW_LAYERS).message
    assert len(settings_of(replace(request, parallelism=Parallelism(min_layers_per_stage=5)))) == 1
    assert len(settings_of(replace(request, architecture=None))) == 1


def test_vllm_wants_a_degree_that_divides_the_heads() -> None:
    request = a_request(shape=replace(SHAPE, attention_heads=30))
    assert settings_of(request) == []
    assert (
        "TP 4 does not divide the 30 attention heads" in rejection(request, RejectionCode.HEADS_NOT_DIVISIBLE).message
    )
    assert len(settings_of(replace(request, parallelism=Parallelism(runtime=Runtime.ANY)))) == 1


def test_the_drift_gate_keeps_precisions_out() -> None:
    precisions = (Precision(name="fp8", drift_percent=0.6), Precision(name="bf16", drift_percent=0.0))
    request = replace(
        a_request(ROW, replace(ROW, precision="bf16")),
        precisions=precisions,
        gates=Gates(max_quantization_drift_percent=0.5),
    )
    assert [setting.precision for setting in settings_of(request)] == ["bf16"]
    assert rejection(request, RejectionCode.DRIFT_GATE).message == (
        "quantization drift: fp8 loses 0.6 %; the gate allows 0.5 %"
    )


@pytest.mark.parametrize(
    ("policy", "names"),
    [(OnUnknown.BLOCK, ["bf16"]), (OnUnknown.WARN, ["fp8", "bf16"]), (OnUnknown.PASS, ["fp8", "bf16"])],
)
def test_a_drift_nobody_measured_follows_the_policy(policy: OnUnknown, names: list[str]) -> None:
    gates = Gates(max_quantization_drift_percent=0.5, on_unknown=policy)
    request = replace(a_request(), gates=gates)
    assert [entry.name for entry in allowed_precisions(request)] == names  # bf16 is native and loses nothing
    told = drift_rejections(request)
    assert [entry.message for entry in told] == (
        ["quantization drift: fp8 was never measured; the gate allows 0.5 %"] if policy is OnUnknown.BLOCK else []
    )


def test_without_a_drift_gate_all_precisions_may_be_used() -> None:
    assert len(allowed_precisions(a_request())) == 2
    assert drift_rejections(a_request()) == ()


def test_rows_with_one_reason_are_told_together() -> None:
    rows = [replace(ROW, input_tokens=size) for size in (1, 2, 3)]
    found = rejection(a_request(*rows), RejectionCode.NO_PROFILE)
    assert found.count == 3
    assert found.message.endswith("(and 2 more rows)")


def test_no_rows_at_all() -> None:
    request = replace(a_request(), performance=Measured(rows=()))
    assert settings_of(request) == []
    assert rejection(request, RejectionCode.NO_PROFILE).message == "no measurement on H100; measured: nothing"


def test_each_kind_of_performance_has_its_model() -> None:
    fixed = FixedEfficiency(
        sequence_length=1,
        batch_sizes=(1,),
        hidden_size=1,
        layers=1,
        bytes_per_element=2,
        layer_weight_gib=1.0,
        gpu_rates={},
        link_gbps={},
    )
    assert isinstance(model_for(a_request()), MeasuredModel)
    assert isinstance(model_for(replace(a_request(), performance=fixed)), FixedEfficiencyModel)
    assert type(model_for(replace(a_request(), performance=Analytic()))).__name__ == "AnalyticModel"


def test_a_request_of_another_model_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="Analytic"):
        MeasuredModel().layers(replace(a_request(), performance=Analytic()))
