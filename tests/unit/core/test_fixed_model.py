"""The fixed-efficiency model against the figures of the config-dir format."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from placewright.core.model import (
    Accelerator,
    FixedEfficiency,
    Gates,
    Measured,
    Parallelism,
    Pool,
    Precision,
    RejectionCode,
    Request,
    Runtime,
    Slo,
    Workload,
)
from placewright.core.performance.base import Setting
from placewright.core.performance.fixed import (
    FixedEfficiencyModel,
    activation_gib,
    layer_range,
    memory_gib,
    quantized_sizes,
    tokens_per_second,
)

RATES = {"A100": (312.0, 2039.0, 0.60), "V100": (125.0, 900.0, 0.55), "T4": (65.0, 320.0, 0.40)}
MEMORY = {"A100": 48.0, "V100": 24.0, "T4": 16.0}
MODEL = FixedEfficiency(
    sequence_length=4096,
    batch_sizes=(32,),
    hidden_size=8192,
    layers=40,
    bytes_per_element=2,
    layer_weight_gib=3.5,
    gpu_rates=RATES,
    link_gbps={(one, other): 550.0 for one in RATES for other in RATES},
    min_memory_utilization=0.5,
)


def a_pool(name: str, count: int = 8, *, price: float | None = 1.0, most: int = 8) -> Pool:
    gpu = Accelerator(name=name, memory_gib=MEMORY[name], memory_bandwidth_gbps=1.0, tflops_16bit=1.0)
    return Pool(name=name, gpu=gpu, nodes=1, gpus_per_node=count, price_per_gpu_hour=price, max_tensor_parallel=most)


def a_request(model: FixedEfficiency = MODEL, *names: str, pools: tuple[Pool, ...] = ()) -> Request:
    return Request(
        name="fixed",
        model_name="llama",
        precisions=(Precision(name="fp16"),),
        workload=Workload(input_tokens=4096, output_tokens=0),
        pools=pools or tuple(a_pool(name) for name in names or RATES),
        parallelism=Parallelism(min_layers_per_stage=5, allow_mixed_pools=True, runtime=Runtime.ANY),
        performance=model,
    )


def the_setting(request: Request) -> Setting:
    (setting,) = FixedEfficiencyModel().settings(request)
    return setting


def kind_row(request: Request, setting: Setting, pool: str, tensor: int) -> int:
    for row, (index, degree) in enumerate(zip(setting.kind_pool, setting.kind_tensor_parallel, strict=True)):
        if request.pools[index].name == pool and degree == tensor:
            return row
    raise AssertionError(f"no kind {pool} TP{tensor}")


@pytest.mark.parametrize(
    ("gpu", "tensor", "layers", "expected"),
    [("V100", 1, 40, 985.05), ("A100", 4, 40, 8583.07), ("T4", 4, 10, 4768.37)],
)
def test_the_check_figures_hold_to_the_printed_digits(gpu: str, tensor: int, layers: int, expected: float) -> None:
    rate = tokens_per_second(MODEL, rates=RATES[gpu], batch=32, tensor_parallel=tensor, layers=layers)
    assert round(rate, 2) == expected


def test_a_small_batch_is_bound_by_the_memory_not_the_arithmetic() -> None:
    small = replace(MODEL, sequence_length=1)
    rate = tokens_per_second(small, rates=RATES["A100"], batch=1, tensor_parallel=1, layers=40)
    traffic_bytes = 12 * 8192**2 * 2 * 40 + 8192 * 2
    assert rate == pytest.approx(2039e9 / traffic_bytes, rel=1e-12)


def test_memory_is_weights_and_activations() -> None:
    # One activation tensor is 32 * 4096 * 8192 * 2 bytes = 2 GiB.
    assert activation_gib(MODEL, batch=32, tensor_parallel=1) == pytest.approx(1.15 * (14 + 4))
    assert activation_gib(MODEL, batch=32, tensor_parallel=8) == pytest.approx(1.15 * (2 + 0.5))
    assert memory_gib(MODEL, batch=32, tensor_parallel=1, layers=40) == pytest.approx(160.7)
    assert memory_gib(MODEL, batch=32, tensor_parallel=2, layers=7) == pytest.approx(22.6)


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        (1, (1,)),
        (4, (1, 4)),
        (5, (1, 5)),
        (10, (1, 5, 10)),
        (11, (1, 5, 10, 11)),
        (12, (1, 5, 10, 12)),
        (30, (1, 5, 10, 15, 20, 30)),
        (31, (1, 5, 10, 20, 30, 31)),
        (40, (1, 5, 10, 20, 30, 40)),
        (41, (1, 10, 20, 30, 40, 41)),
        (80, (1, 10, 20, 30, 40, 80)),
    ],
)
def test_quantized_sizes(layers: int, sizes: tuple[int, ...]) -> None:
    assert quantized_sizes(layers) == sizes


@pytest.mark.parametrize(
    ("gpu", "tensor", "smallest", "largest"),
    [
        ("A100", 1, 5, 7),  # half the memory would be 1 layer, the request wants 5
        ("A100", 2, 8, 21),  # (24 - 10.35) / 1.75 = 7.8
        ("A100", 8, 40, 40),  # half the memory would be more than the model: clipped to the largest that fits
        ("V100", 1, 0, 0),  # one layer and its activations need 24.2 of 24 GiB: none, not one
        ("V100", 2, 5, 7),
        ("T4", 2, 3, 3),  # the request wants 5, but 3 are all that fit
    ],
)
def test_the_layers_a_stage_may_hold(gpu: str, tensor: int, smallest: int, largest: int) -> None:
    found = layer_range(a_request(), MODEL, a_pool(gpu), batch=32, tensor=tensor)
    assert (found.smallest, found.largest) == (smallest, largest)
    assert found.sizes == tuple(range(max(smallest, 1), largest + 1))


def test_activations_over_the_target_leave_the_smallest_stage_at_one_layer() -> None:
    request = replace(a_request(), parallelism=Parallelism(min_layers_per_stage=1))
    low = replace(MODEL, min_memory_utilization=0.4)  # 19.2 GiB, the activations alone are 20.7
    assert layer_range(request, low, a_pool("A100"), batch=32, tensor=1).smallest == 1


def test_quantized_sizes_stand_between_the_smallest_and_the_largest() -> None:
    quantized = replace(MODEL, quantized_segments=True)
    request = a_request(quantized)
    assert layer_range(request, quantized, a_pool("A100"), batch=32, tensor=2).sizes == (10, 20)
    assert layer_range(request, quantized, a_pool("T4"), batch=32, tensor=2).sizes == ()


def test_the_tables_hold_the_times_of_allowed_sizes_only() -> None:
    request = a_request()
    setting = the_setting(request)
    row = setting.step_seconds[kind_row(request, setting, "V100", 2)]
    assert np.flatnonzero(np.isfinite(row)).tolist() == [5, 6, 7]
    assert setting.tokens_per_step / row[7] == pytest.approx(10_131.97, abs=0.005)
    assert setting.tokens_per_step == 32 * 4096
    assert (setting.stages, setting.max_stages, setting.concurrency, setting.precision) == (0, 8, 32, "fp16")
    assert (setting.hop_in_step, setting.has_ttft, setting.has_tpot) == (False, False, False)


def test_kinds_that_hold_no_layer_are_absent() -> None:
    request = a_request()
    setting = the_setting(request)
    kinds = {
        (request.pools[index].name, int(degree))
        for index, degree in zip(setting.kind_pool, setting.kind_tensor_parallel, strict=True)
    }
    assert ("V100", 1) not in kinds
    assert ("V100", 2) in kinds


def test_tensor_parallelism_is_a_known_degree_within_count_and_limit() -> None:
    pools = (a_pool("A100", 6, most=4), a_pool("V100", 12), a_pool("T4", 3))
    request = a_request(pools=pools)
    wide = replace(request, parallelism=replace(request.parallelism, tensor=(1, 2, 3, 4, 8, 16)))
    setting = the_setting(wide)
    degrees = {
        name: sorted(int(setting.kind_tensor_parallel[row]) for row in np.flatnonzero(setting.kind_pool == index))
        for index, name in enumerate(("A100", "V100", "T4"))
    }
    assert degrees == {"A100": [1, 2, 4], "V100": [2, 4, 8], "T4": [2]}


def test_hops_carry_the_activations_and_slow_links_carry_nothing() -> None:
    links = {("A100", "A100"): 550.0, ("A100", "V100"): 10.0, ("V100", "A100"): 9.99, ("V100", "V100"): 0.0}
    model = replace(MODEL, link_gbps=links, min_link_gbps=10.0)
    setting = the_setting(a_request(model, "A100", "V100", "T4"))
    passed_bytes = 32 * 4096 * 8192 * 2
    assert setting.hop_seconds.tolist() == [
        [passed_bytes / 550e9, passed_bytes / 10e9, inf],
        [inf, inf, inf],
        [inf, inf, inf],
    ]
    assert setting.tokens_per_step / setting.hop_seconds[0, 0] == pytest.approx(550e9 / (8192 * 2))


def test_every_batch_size_is_a_setting_and_a_given_concurrency_picks_one() -> None:
    request = a_request(replace(MODEL, batch_sizes=(8, 16, 32)))
    assert [setting.concurrency for setting in FixedEfficiencyModel().settings(request)] == [8, 16, 32]
    one = replace(request, workload=replace(request.workload, concurrency=16))
    assert [setting.concurrency for setting in FixedEfficiencyModel().settings(one)] == [16]
    other = replace(request, workload=replace(request.workload, concurrency=5))
    assert not list(FixedEfficiencyModel().settings(other))
    (found,) = [entry for entry in FixedEfficiencyModel().rejections(other) if entry.code is RejectionCode.NO_PROFILE]
    assert "8, 16, 32" in found.message


def test_a_batch_too_large_for_every_card_is_no_setting() -> None:
    request = a_request(replace(MODEL, batch_sizes=(4096,)))
    assert not list(FixedEfficiencyModel().settings(request))


def test_a_measured_speedup_multiplies_the_rate() -> None:
    plain = a_request()
    fast = replace(plain, precisions=(Precision(name="fp16", speedup=1.25),))
    assert np.allclose(the_setting(plain).step_seconds / 1.25, the_setting(fast).step_seconds, equal_nan=False)


def test_precisions_over_the_drift_gate_are_out() -> None:
    precisions = (Precision(name="fp16", drift_percent=0.0), Precision(name="int8", drift_percent=0.9))
    request = replace(a_request(), precisions=precisions, gates=Gates(max_quantization_drift_percent=0.5))
    assert [setting.precision for setting in FixedEfficiencyModel().settings(request)] == ["fp16"]
    codes = {entry.code: entry for entry in FixedEfficiencyModel().rejections(request)}
    assert "int8 loses 0.9 %" in codes[RejectionCode.DRIFT_GATE].message


@pytest.mark.parametrize(
    ("slo", "code"),
    [(Slo(ttft_seconds=2.0), RejectionCode.SLO_TTFT), (Slo(tpot_seconds=0.05), RejectionCode.SLO_TPOT)],
)
def test_a_latency_target_cannot_be_met_by_a_format_without_latencies(slo: Slo, code: RejectionCode) -> None:
    request = replace(a_request(), slo=slo)
    assert not list(FixedEfficiencyModel().settings(request))
    assert code in {entry.code for entry in FixedEfficiencyModel().rejections(request)}


def test_the_famous_layout_is_rejected_with_its_reason_in_gib() -> None:
    found = FixedEfficiencyModel().rejections(a_request())
    (reason,) = [entry for entry in found if entry.code is RejectionCode.INSUFFICIENT_MEMORY and entry.pool == "V100"]
    assert "V100 has 24 GiB" in reason.message
    assert "160.7 GiB at TP1 (not one fits: 24.2 GiB)" in reason.message
    # 40 sizes at TP1, 33 at TP2, 19 at TP4, none at TP8 do not fit.
    assert reason.count == 40 + 33 + 19


def test_rejections_name_pools_without_price_rates_or_fitting_sizes() -> None:
    pools = (a_pool("A100", price=None), a_pool("V100"), a_pool("T4", 2))
    model = replace(MODEL, gpu_rates={"A100": RATES["A100"], "T4": RATES["T4"]}, quantized_segments=True)
    request = a_request(model, pools=pools)
    found = {(entry.code, entry.pool): entry for entry in FixedEfficiencyModel().rejections(request)}
    assert (RejectionCode.NO_PRICE, "A100") in found
    assert "V100" in found[RejectionCode.NO_PROFILE, "V100"].message
    assert "TP2 3 to 3 (no segment size between)" in found[RejectionCode.TOO_FEW_LAYERS, "T4"].message
    assert not list(FixedEfficiencyModel().settings(request))


def test_links_below_the_threshold_are_told() -> None:
    links = {("A100", "A100"): 550.0, ("A100", "V100"): 3.0, ("V100", "A100"): 2.0, ("V100", "V100"): 550.0}
    request = a_request(replace(MODEL, link_gbps=links, min_link_gbps=10.0), "A100", "V100")
    (found,) = [
        entry for entry in FixedEfficiencyModel().rejections(request) if entry.code is RejectionCode.LINK_TOO_SLOW
    ]
    assert found.count == 2
    assert "V100 to A100 with 2 GB/s" in found.message


def test_a_request_of_another_model_is_a_mistake() -> None:
    request = replace(a_request(), performance=Measured(rows=()))
    with pytest.raises(TypeError, match="Measured"):
        FixedEfficiencyModel().layers(request)


def test_layers_and_confidence() -> None:
    assert FixedEfficiencyModel().layers(a_request()) == 40
    assert FixedEfficiencyModel().confidence(a_request()) == "Modelled"
