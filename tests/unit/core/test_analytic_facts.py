"""Facts measured elsewhere that the analytic model must reproduce; docs/performance-model.md lists what it does not."""

from dataclasses import replace
from itertools import pairwise

import pytest

from placewright.core.model import Request
from tests.support.analytic import LLAMA_8B, EvenSplit, analytic_request, even_splits, fastest, pool_of


def at(request: Request, *, tensor_parallel: int, stages: int, concurrency: int) -> EvenSplit:
    given = replace(request, workload=replace(request.workload, concurrency=concurrency))
    (found,) = even_splits(given, tensor_parallel=tensor_parallel, stages=stages)
    return found


def test_one_sequence_on_h100_gains_twofold_from_tp2_to_tp8_and_not_fourfold() -> None:
    request = analytic_request(pool_of("H100"), precisions=("fp8",), input_tokens=16, output_tokens=2048, concurrency=1)
    itl_ms = {tp: 1e3 * at(request, tensor_parallel=tp, stages=1, concurrency=1).tpot_seconds for tp in (2, 4, 8)}
    for tp, predicted in itl_ms.items():
        assert predicted == pytest.approx(21.78 / tp + 6.70, rel=0.10)
    assert itl_ms[2] / itl_ms[8] == pytest.approx(1.9, abs=0.1)


def test_over_pcie_a_pipeline_of_groups_of_four_beats_one_group_of_eight() -> None:
    request = analytic_request(pool_of("L40S"))
    ratio = (
        fastest(request, tensor_parallel=4, stages=2).tokens_per_second
        / fastest(request, tensor_parallel=8, stages=1).tokens_per_second
    )
    assert 1.5 < ratio < 2.3  # measured: 1.7 to 2.2


def test_groups_of_four_in_a_pipeline_come_out_at_the_measured_rate() -> None:
    request = analytic_request(pool_of("L40S"))
    predicted = at(request, tensor_parallel=4, stages=2, concurrency=16).tokens_per_second
    assert 0.8 * 967 < predicted < 1.2 * 1187


def test_four_l40s_are_cheapest_as_long_as_their_cache_holds_the_load() -> None:
    request = analytic_request(pool_of("L40S"))
    largest = even_splits(request, tensor_parallel=4, stages=1)[-1].concurrency
    per_gpu = {
        (tp, pp): at(request, tensor_parallel=tp, stages=pp, concurrency=largest).tokens_per_second / (tp * pp)
        for tp, pp in ((4, 1), (4, 2), (8, 1))
    }
    assert max(per_gpu, key=lambda layout: per_gpu[layout]) == (4, 1)


def test_room_for_the_cache_sets_the_batch_of_small_cards() -> None:
    request = analytic_request(pool_of("A10G", nodes=4))
    eight = fastest(request, tensor_parallel=8, stages=1)
    twelve = fastest(request, tensor_parallel=4, stages=3)
    assert eight.concurrency <= 10
    assert twelve.concurrency >= 4 * eight.concurrency
    assert 2.5 < twelve.tokens_per_second / eight.tokens_per_second < 5.5  # measured: 4.0 to 5.0


def test_splitting_into_micro_batches_costs_throughput_per_gpu_where_memory_does_not_bind() -> None:
    request = analytic_request(pool_of("H100"), model_name=LLAMA_8B, concurrency=64)
    per_gpu = [
        even_splits(request, tensor_parallel=1, stages=stages)[0].tokens_per_second / stages for stages in (1, 2, 4, 8)
    ]
    assert all(more > fewer for more, fewer in pairwise(per_gpu))


def test_more_gpus_in_a_group_lower_both_latencies_on_nvlink() -> None:
    request = analytic_request(pool_of("H100"), precisions=("fp8",), concurrency=16)
    found = [at(request, tensor_parallel=tp, stages=1, concurrency=16) for tp in (2, 4, 8)]
    assert all(slow.tpot_seconds > fast.tpot_seconds for slow, fast in pairwise(found))
    assert all(slow.ttft_seconds > fast.ttft_seconds for slow, fast in pairwise(found))


@pytest.mark.parametrize("tensor_parallel", [2, 4, 8])
@pytest.mark.parametrize("input_tokens", [1024, 8192])
def test_the_first_token_takes_several_times_its_ideal(tensor_parallel: int, input_tokens: int) -> None:
    request = analytic_request(
        pool_of("H100"), precisions=("fp8",), input_tokens=input_tokens, output_tokens=1024, concurrency=4
    )
    weights, heads_times_width, layers, peak = 68.5e9, 64 * 128, 80, 1979e12
    ideal = (
        2 * weights * input_tokens / peak + 2 * input_tokens**2 * heads_times_width * layers / (peak / 2)
    ) / tensor_parallel
    predicted = at(request, tensor_parallel=tensor_parallel, stages=1, concurrency=4).ttft_seconds
    assert 0.10 < ideal / predicted < 0.45  # measured: 0.13 to 0.43
