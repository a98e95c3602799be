"""What fits: against vLLM's own account, against measured rows that queue, and at the edges."""

import math

import numpy as np
import pytest

from placewright.catalog.gpus import gpu
from placewright.catalog.models import model, model_info
from placewright.catalog.silicon import read_silicon
from placewright.core.model import Architecture, LatentAttention, MixtureOfExperts, Parallelism, RejectionCode
from placewright.core.performance import memory
from placewright.core.performance.analytic import AnalyticModel
from placewright.core.performance.candidates import kinds_of
from placewright.core.performance.fit import QUEUEING_TTFT_SECONDS, SiliconRow
from placewright.core.performance.shape import layer_shapes
from tests.support.analytic import LLAMA_8B, analytic_request, even_splits, pool_of, silicon_path

SMALL = Architecture(
    layers=8,
    hidden_size=1024,
    intermediate_size=4096,
    attention_heads=16,
    key_value_heads=4,
    head_dim=64,
    vocab_size=32000,
)


def held_share(row: SiliconRow, tokens_per_sequence: float) -> float:
    """What a row's sequences take of the GPU's usable memory."""
    tp = np.array([float(row.tensor_parallel)])
    shapes = layer_shapes(row.architecture, row.precision, tp, kv_bytes_per_value=row.kv_bytes_per_value)
    cached = row.concurrency * tokens_per_sequence
    needed = sum(shape.count * (shape.resident_bytes[0] + shape.kv_bytes_per_token[0] * cached) for shape in shapes)
    needed += memory.vocabulary_bytes(row.architecture, tp, 1)[0]
    needed += memory.runtime_bytes(row.gpu, row.architecture, row.tensor_parallel)
    return float(needed / memory.usable_bytes(row.gpu))


def test_measured_rows_queue_when_and_only_when_their_sequences_do_not_fit() -> None:
    for row in read_silicon(silicon_path()):
        length = row.input_tokens + row.output_tokens
        at_full_length = held_share(row, math.ceil(length / 16) * 16)
        at_mean_length = held_share(row, row.input_tokens + row.output_tokens / 2)
        queues = row.ttft_seconds > QUEUEING_TTFT_SECONDS
        if row.concurrency > memory.SAMPLED_SEQUENCES:
            assert queues, row
        elif queues:
            assert at_full_length > 1.0, row
        else:
            assert at_mean_length <= 1.0, row


def test_the_cache_of_llama_8b_is_as_large_as_vllm_says() -> None:
    h100, shape = gpu("H100"), model(LLAMA_8B)
    for tp, vllm_gib in ((1, 53.29), (2, 58.97)):  # vLLM pull request 10511; for two GPUs: 71.29 - 7.48 - 3.58 - 1.26
        group = np.array([float(tp)])
        (layer,) = layer_shapes(shape, "bf16", group)
        weights = shape.layers * layer.resident_bytes[0] + memory.vocabulary_bytes(shape, group, 1)[0]
        cache = memory.usable_bytes(h100) - weights - memory.runtime_bytes(h100, shape, tp)
        assert weights / memory.GIB == pytest.approx(14.96 / tp, rel=0.005)
        assert cache / memory.GIB == pytest.approx(vllm_gib, rel=0.035)


@pytest.mark.parametrize(
    "key",
    [
        "meta-llama/Llama-3.1-70B-Instruct",
        "Qwen/Qwen3-235B-A22B",
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "deepseek-ai/DeepSeek-V3",
        "openai/gpt-oss-120b",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    ],
)
def test_weights_add_up_to_the_parameters_that_the_authors_state(key: str) -> None:
    shape, info = model(key), model_info(key)
    one = np.array([1.0])
    layers = layer_shapes(shape, "bf16", one)
    vocabulary = memory.vocabulary_bytes(shape, one, 1)[0]
    total = (sum(layer.count * layer.resident_bytes[0] for layer in layers) + vocabulary) / 2.0
    active = sum(layer.count * layer.parameters_per_token[0] for layer in layers) + vocabulary / 2.0
    assert sum(layer.count for layer in layers) == shape.layers
    assert total / 1e9 == pytest.approx(info.parameters_billions - info.outside_decoder_billions, rel=0.03)
    assert active / 1e9 == pytest.approx(info.active_parameters_billions, rel=0.15)


def test_mxfp4_leaves_attention_in_16_bits() -> None:
    shape = model("openai/gpt-oss-120b")
    (layer,) = layer_shapes(shape, "fp4", np.array([1.0]))
    checkpoint = shape.layers * layer.resident_bytes[0] + memory.vocabulary_bytes(shape, np.array([1.0]), 1)[0]
    assert checkpoint / 1e9 == pytest.approx(65.2, rel=0.01)  # size of the published safetensors


def test_kv_heads_are_copied_when_there_are_fewer_than_gpus() -> None:
    (layer,) = layer_shapes(SMALL, "bf16", np.array([1.0, 2.0, 4.0, 8.0]))
    assert layer.kv_bytes_per_token.tolist() == [4 * 256, 2 * 256, 256, 256]


def test_the_latent_cache_is_not_split() -> None:
    latent = LatentAttention(kv_rank=512, rope_head_dim=64)
    shape = Architecture(
        layers=8,
        hidden_size=1024,
        intermediate_size=4096,
        attention_heads=16,
        key_value_heads=16,
        head_dim=128,
        vocab_size=32000,
        latent_attention=latent,
    )
    (layer,) = layer_shapes(shape, "bf16", np.array([1.0, 8.0]))
    assert layer.kv_bytes_per_token.tolist() == [1152.0, 1152.0]


def test_a_step_reads_the_experts_that_its_tokens_are_expected_to_choose() -> None:
    experts = MixtureOfExperts(experts=8, experts_per_token=2, expert_intermediate_size=512)
    shape = Architecture(
        layers=2,
        hidden_size=256,
        intermediate_size=512,
        attention_heads=4,
        key_value_heads=4,
        head_dim=64,
        vocab_size=1000,
        experts=experts,
    )
    (layer,) = layer_shapes(shape, "bf16", np.array([1.0]))
    one_expert = 3 * 256 * 512 * 2
    read = [(layer.step_bytes(tokens)[0] - layer.read_bytes[0]) / one_expert for tokens in (1, 2, 1000)]
    assert read == pytest.approx([2.0, 8 * (1 - 0.75**2), 8.0])


def test_the_cache_is_counted_in_blocks_and_holds_one_longest_sequence() -> None:
    request = analytic_request(pool_of("H100"), input_tokens=100, output_tokens=9)
    assert memory.cache_tokens(request, 3) == 3 * 112
    longer = analytic_request(pool_of("H100"), input_tokens=100, output_tokens=9, max_model_len=8000)
    assert memory.cache_tokens(longer, 3) == 8000


def test_a_pipeline_keeps_room_for_one_vocabulary_matrix_and_a_single_stage_for_both() -> None:
    one = np.array([1.0, 2.0])
    matrix = 32000 * 1024 * 2.0
    assert memory.vocabulary_bytes(SMALL, one, 1).tolist() == [2 * matrix, matrix]
    assert memory.vocabulary_bytes(SMALL, one, 2).tolist() == [matrix, matrix / 2]


def test_more_sequences_never_leave_room_for_more_layers() -> None:
    kinds = kinds_of(request := analytic_request(pool_of("L40S"), pool_of("A10G")), request.precisions[0])
    most = np.array([kinds.allowed(concurrency, 4).sum(axis=1) for concurrency in (1, 8, 64, 256)])
    assert (np.diff(most, axis=0) <= 0).all()
    assert most[0].max() > 0


def test_what_does_not_fit_at_all_is_infeasible_and_says_so_in_gib() -> None:
    request = analytic_request(pool_of("T4", gpus_per_node=2), precisions=("fp16",))
    assert list(AnalyticModel().settings(request)) == []
    (rejection,) = (
        entry for entry in AnalyticModel().rejections(request) if entry.code is RejectionCode.INSUFFICIENT_MEMORY
    )
    assert rejection.pool == "t4"
    assert rejection.count > 0
    assert "TP 2" in rejection.message
    assert "GiB per GPU" in rejection.message
    assert "13.1 of 14.5 usable" in rejection.message


def test_memory_and_minimum_bound_the_layers_of_a_stage() -> None:
    request = analytic_request(
        pool_of("L40S"), concurrency=1, parallelism=Parallelism(max_pipeline=4, min_layers_per_stage=10)
    )
    for setting in AnalyticModel().settings(request):
        held = [np.flatnonzero(np.isfinite(row)) for row in setting.step_seconds]
        assert all(sizes.min() == 10 for sizes in held if len(sizes))
        assert all(sizes.max() <= 80 - 10 * (setting.stages - 1) for sizes in held if len(sizes))
    assert even_splits(request, tensor_parallel=1, stages=2) == []  # 66 GiB of weights a stage


def test_unlike_layers_are_charged_at_their_worst() -> None:
    shape = model("deepseek-ai/DeepSeek-V3")  # 3 plain layers and 58 with experts
    request = analytic_request(pool_of("H200"), architecture=shape, precisions=("fp8",), concurrency=8)
    kinds = kinds_of(request, request.precisions[0])
    expert, plain = kinds.shapes
    held = kinds.weight_bytes[-1]
    assert expert.resident_bytes[-1] > plain.resident_bytes[-1]
    assert held[1] == pytest.approx(expert.resident_bytes[-1])
    assert held[61] == pytest.approx(58 * expert.resident_bytes[-1] + 3 * plain.resident_bytes[-1])
