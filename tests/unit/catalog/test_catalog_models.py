"""The model rows: complete, sourced, and of the size that their authors state."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import placewright.catalog
from placewright.catalog import model, model_info, model_keys
from placewright.core.model import Architecture

ROWS: list[dict[str, Any]] = yaml.safe_load(
    Path(placewright.catalog.__file__).with_name("models.yaml").read_text(encoding="utf-8"),
)["models"]
SHAPE = {
    "layers",
    "hiddenSize",
    "intermediateSize",
    "attentionHeads",
    "keyValueHeads",
    "headDim",
    "vocabSize",
    "maxPositionEmbeddings",
    "nativePrecision",
}
REQUIRED = {"key", "architecture", "parametersBillions", "source"}
OPTIONAL = {"aliases", "quantizedRepositories", "experts", "latentAttention"}
OPTIONAL |= {"activeParametersBillions", "outsideDecoderBillions"}
PRECISIONS = {"bf16", "fp16", "fp8", "int8", "int4", "fp4"}
by_key = pytest.mark.parametrize("row", ROWS, ids=[row["key"] for row in ROWS])


def attention_parameters(shape: Architecture) -> int:
    """Weights of one attention block, without biases and norms."""
    latent = shape.latent_attention
    if latent is None:
        queries = shape.hidden_size * shape.attention_heads * shape.head_dim
        return 2 * queries + 2 * shape.hidden_size * shape.key_value_heads * shape.head_dim
    query_head = latent.nope_head_dim + latent.rope_head_dim
    queries = (
        latent.query_rank * (shape.hidden_size + shape.attention_heads * query_head)
        if latent.query_rank
        else shape.hidden_size * shape.attention_heads * query_head
    )
    down = shape.hidden_size * (latent.kv_rank + latent.rope_head_dim)
    up = latent.kv_rank * shape.attention_heads * (latent.nope_head_dim + latent.value_head_dim)
    return queries + down + up + shape.attention_heads * latent.value_head_dim * shape.hidden_size


def layer_parameters(shape: Architecture, *, experts_read: int | None = None) -> int:
    """Weights of all decoder layers; with `experts_read`, of those that one token uses."""
    dense_mlp = 3 * shape.hidden_size * shape.intermediate_size
    if shape.experts is None:
        return shape.layers * (attention_parameters(shape) + dense_mlp)
    moe = shape.experts
    read = moe.experts if experts_read is None else experts_read
    width = read * moe.expert_intermediate_size + moe.shared_intermediate_size
    router = shape.hidden_size * moe.experts
    sparse = (shape.layers - moe.dense_layers) * (3 * shape.hidden_size * width + router)
    return shape.layers * attention_parameters(shape) + moe.dense_layers * dense_mlp + sparse


def embedding_parameters(shape: Architecture) -> int:
    return shape.vocab_size * shape.hidden_size * (1 if shape.tie_word_embeddings else 2)


@by_key
def test_has_the_facts_it_needs_and_no_others(row: dict[str, Any]) -> None:
    assert set(row) >= REQUIRED
    assert set(row) <= REQUIRED | OPTIONAL
    assert set(row["architecture"]) - {"tieWordEmbeddings"} == SHAPE
    assert row["architecture"]["nativePrecision"] in PRECISIONS
    assert ("experts" in row) == ("activeParametersBillions" in row)
    assert len(row["source"]) >= 10
    assert row["key"].count("/") == 1


@by_key
def test_size_computed_from_the_shape_is_the_official_one(row: dict[str, Any]) -> None:
    shape, info = model(row["key"]), model_info(row["key"])
    computed = layer_parameters(shape) + embedding_parameters(shape) + 1e9 * info.outside_decoder_billions
    assert computed / 1e9 == pytest.approx(info.parameters_billions, rel=0.03)


@by_key
def test_active_size_is_the_official_one(row: dict[str, Any]) -> None:
    shape, info = model(row["key"]), model_info(row["key"])
    if shape.experts is None:
        assert info.active_parameters_billions == info.parameters_billions
        return
    # Authors count the two embedding tables among the active weights, or one of them, or neither.
    least = layer_parameters(shape, experts_read=shape.experts.experts_per_token)
    most = least + embedding_parameters(shape)
    assert 0.95 * least / 1e9 <= info.active_parameters_billions <= 1.03 * most / 1e9


@by_key
def test_heads_and_experts_fit_together(row: dict[str, Any]) -> None:
    shape = model(row["key"])
    assert shape.attention_heads % shape.key_value_heads == 0
    if shape.experts is not None:
        assert 1 <= shape.experts.experts_per_token < shape.experts.experts
        assert 0 <= shape.experts.dense_layers < shape.layers


def test_models_that_users_ask_for() -> None:
    assert len(model_keys()) == len(set(model_keys())) == len(ROWS) >= 24
    # Every model of the calibration data is here under the name that the data uses.
    for name in (
        "Qwen/Qwen3-32B",
        "meta-llama/Llama-3.1-70B",
        "meta-llama/Llama-3.1-8B-Instruct",
        "openai/gpt-oss-120b",
    ):
        assert model(name).layers > 0
    assert sum("experts" in row for row in ROWS) >= 8


def test_latent_cache_of_deepseek_v3_is_576_values_a_layer() -> None:
    latent = model("deepseek-ai/DeepSeek-R1").latent_attention
    assert latent is not None
    assert latent.kv_rank + latent.rope_head_dim == 576


def test_shared_experts_are_counted_together() -> None:
    experts = model("DeepSeek-V2-Lite").experts
    assert experts is not None
    assert experts.shared_intermediate_size == 2 * 1408


def test_repository_in_another_precision_has_that_as_its_native_one() -> None:
    assert model("Qwen/Qwen3-32B").native_precision == "bf16"
    assert model("Qwen/Qwen3-32B-FP8").native_precision == "fp8"
    assert model("qwen3-32b-fp8").native_precision == "fp8"
    assert model("Qwen/Qwen3-32B-FP8").layers == model("Qwen/Qwen3-32B").layers
    assert ("Qwen/Qwen3-32B-FP8", "fp8") in model_info("Qwen/Qwen3-32B-FP8").quantized_repositories
    assert {precision for row in ROWS for precision in row.get("quantizedRepositories", {})} <= PRECISIONS
