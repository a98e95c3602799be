"""Open models: their shape, and what their authors say of their size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from placewright.catalog.files import MODELS, document
from placewright.catalog.keys import Index, normalized
from placewright.core.model import Architecture, LatentAttention, MixtureOfExperts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model besides its shape. Parameter counts are in billions (1e9).

    Attributes:
        key: canonical key, the name of the model's repository.
        aliases: other repositories of the same shape and precision.
        quantized_repositories: repositories of the same shape in another precision, by name.
        parameters_billions: official total.
        active_parameters_billions: official count of parameters that one token uses; the total for a dense model.
        outside_decoder_billions: part of the total that the shape does not hold, such as a vision tower.
        source: where the shape and the counts come from.
    """

    key: str
    aliases: tuple[str, ...]
    quantized_repositories: tuple[tuple[str, str], ...]
    parameters_billions: float
    active_parameters_billions: float
    outside_decoder_billions: float
    source: str


def model(key: str) -> Architecture:
    """Shape of a model, by repository name, its last part, or an alias. Raises UnknownKeyError.

    A repository that publishes the model in another precision has that one as its native precision.
    """
    canonical = _index().resolve(key)
    precision = _quantized_names().get(normalized(key))
    shape = _architecture(canonical)
    return shape if precision is None else replace(shape, native_precision=precision)


def model_info(key: str) -> ModelInfo:
    """Size, names and source of a model, by repository name, its last part, or an alias. Raises UnknownKeyError."""
    return _info(_index().resolve(key))


def model_keys() -> tuple[str, ...]:
    """All canonical keys, by family."""
    return tuple(_rows())


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in document(MODELS)["models"]}


def _quantized(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """(repository, precision) pairs of a row."""
    groups = row.get("quantizedRepositories", {})
    return tuple((name, precision) for precision, names in groups.items() for name in names)


def _both_forms(name: str) -> tuple[str, str]:
    """A repository's full name, and the part after the slash that people use for short."""
    return name, name.rpartition("/")[2]


@cache
def _index() -> Index:
    def names() -> Iterator[tuple[str, str]]:
        for key, row in _rows().items():
            for name in (key, *row.get("aliases", ()), *(name for name, _ in _quantized(row))):
                yield from ((key, form) for form in _both_forms(name))

    return Index("model", names(), hint="nothing in the catalog is near it: give model.architecture, or measurements")


@cache
def _quantized_names() -> dict[str, str]:
    return {
        normalized(form): precision
        for row in _rows().values()
        for name, precision in _quantized(row)
        for form in _both_forms(name)
    }


@cache
def _architecture(key: str) -> Architecture:
    row = _rows()[key]
    shape = row["architecture"]
    return Architecture(
        layers=shape["layers"],
        hidden_size=shape["hiddenSize"],
        intermediate_size=shape["intermediateSize"],
        attention_heads=shape["attentionHeads"],
        key_value_heads=shape["keyValueHeads"],
        head_dim=shape["headDim"],
        vocab_size=shape["vocabSize"],
        tie_word_embeddings=shape.get("tieWordEmbeddings", False),
        native_precision=shape["nativePrecision"],
        max_position_embeddings=shape["maxPositionEmbeddings"],
        experts=_experts(row.get("experts")),
        latent_attention=_latent_attention(row.get("latentAttention")),
    )


def _experts(facts: dict[str, int] | None) -> MixtureOfExperts | None:
    if facts is None:
        return None
    return MixtureOfExperts(
        experts=facts["experts"],
        experts_per_token=facts["expertsPerToken"],
        expert_intermediate_size=facts["moeIntermediateSize"],
        shared_intermediate_size=facts.get("sharedExperts", 0) * facts["moeIntermediateSize"],
        dense_layers=facts.get("denseLayers", 0),
    )


def _latent_attention(facts: dict[str, int] | None) -> LatentAttention | None:
    if facts is None:
        return None
    return LatentAttention(
        kv_rank=facts["kvLoraRank"],
        rope_head_dim=facts["qkRopeHeadDim"],
        query_rank=facts.get("qLoraRank", 0),
        nope_head_dim=facts["qkNopeHeadDim"],
        value_head_dim=facts["vHeadDim"],
    )


@cache
def _info(key: str) -> ModelInfo:
    row = _rows()[key]
    total = float(row["parametersBillions"])
    return ModelInfo(
        key=key,
        aliases=tuple(row.get("aliases", ())),
        quantized_repositories=_quantized(row),
        parameters_billions=total,
        active_parameters_billions=float(row.get("activeParametersBillions", total)),
        outside_decoder_billions=float(row.get("outsideDecoderBillions", 0.0)),
        source=row["source"],
    )
