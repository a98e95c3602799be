"""The model of a request for the core: its shape from the catalog and the spec, and its candidate precisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from placewright import catalog
from placewright.api import spec as api
from placewright.api.base import Inert, camel
from placewright.core import model as core
from placewright.core.errors import InvalidRequestError, UnsupportedModelError

# What an architecture cannot do without when the catalog does not hold the model.
_NEEDED: Final = ("layers", "hidden_size", "intermediate_size", "attention_heads", "vocab_size")
_NEEDED_EXPERTS: Final = ("experts", "experts_per_token", "moe_intermediate_size")
_NEEDED_LATENT: Final = ("kv_lora_rank", "qk_rope_head_dim")

# Fields of the API whose name in the core differs.
_EXPERT_NAMES: Final = {"moe_intermediate_size": "expert_intermediate_size"}
_LATENT_NAMES: Final = {
    "kv_lora_rank": "kv_rank",
    "qk_rope_head_dim": "rope_head_dim",
    "q_lora_rank": "query_rank",
    "qk_nope_head_dim": "nope_head_dim",
    "v_head_dim": "value_head_dim",
}


def architecture_of(given: api.Model, *, measured: bool, notes: Sequence[str] = ()) -> core.Architecture | None:
    """Return the model's shape: the catalog's, with what the spec gives laid over it; None: known to neither.

    Args:
        given: the model of the spec.
        measured: there are measured rows to plan by.
        notes: why profiles of the model are not used, for the fault of a model that only they might know.

    Raises:
        UnsupportedModelError: neither knows it, and there are no measured rows to plan by.
        InvalidRequestError: the shape is not whole, or does not hold together.
    """
    own = given.architecture
    try:
        known = catalog.model(given.name)
    except catalog.UnknownKeyError as error:
        if own is not None:
            return _merged(own, None, f"spec.model.architecture of {given.name!r}, which the catalog does not hold")
        if measured:
            return None
        near = f" (nearest: {', '.join(error.suggestions)})" if error.suggestions else ""
        raise UnsupportedModelError(
            "spec.model.name",
            got=repr(given.name),
            wants=f"a model of the catalog{near}, or model.architecture, or performance.measurements,"
            f" or a PerformanceProfile{''.join(f'; {note}' for note in notes)}",
        ) from error
    return known if own is None else _merged(own, known, "spec.model.architecture")


def _merged(own: api.Architecture, known: core.Architecture | None, where: str) -> core.Architecture:
    """Lay the given fields over the catalog's; what neither says is derived as Hugging Face derives it."""
    given = _given(own, leave_out=("mixture_of_experts", "latent_attention"))
    if own.mixture_of_experts is not None:
        base = known.experts if known else None
        given["experts"] = _experts(own.mixture_of_experts, base, f"{where}: mixtureOfExperts")
    if own.latent_attention is not None:
        latent = known.latent_attention if known else None
        given["latent_attention"] = _latent_attention(own.latent_attention, latent, f"{where}: latentAttention")
    if known is not None:
        merged = replace(known, **given)
    else:
        _require(own, _NEEDED, where)
        given.setdefault("key_value_heads", given["attention_heads"])
        given.setdefault("head_dim", given["hidden_size"] // given["attention_heads"])
        merged = core.Architecture(**given)
    _check_shape(merged)
    return merged


def _experts(own: api.MixtureOfExperts, known: core.MixtureOfExperts | None, where: str) -> core.MixtureOfExperts:
    given = _given(own, names=_EXPERT_NAMES)
    if known is not None:
        return replace(known, **given)
    _require(own, _NEEDED_EXPERTS, where)
    return core.MixtureOfExperts(**given)


def _latent_attention(own: api.LatentAttention, known: core.LatentAttention | None, where: str) -> core.LatentAttention:
    given = _given(own, names=_LATENT_NAMES)
    if known is not None:
        return replace(known, **given)
    _require(own, _NEEDED_LATENT, where)
    return core.LatentAttention(**given)


def _given(own: Inert, *, names: Mapping[str, str] | None = None, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields that are set, under their names in the core."""
    renamed = names or {}
    fields = (name for name in type(own).model_fields if name not in set(leave_out))
    return {renamed.get(name, name): value for name in fields if (value := getattr(own, name)) is not None}


def _require(own: Inert, names: Iterable[str], where: str) -> None:
    missing = [camel(name) for name in names if getattr(own, name) is None]
    if missing:
        raise InvalidRequestError(where, got=f"no {', '.join(missing)}", wants="all of them")


def _check_shape(shape: core.Architecture) -> None:
    """Check what CEL cannot see: the fields of the request together with those of the catalog."""
    if shape.attention_heads % shape.key_value_heads:
        raise InvalidRequestError(
            "spec.model.architecture.keyValueHeads",
            got=shape.key_value_heads,
            wants=f"a divisor of attentionHeads ({shape.attention_heads})",
        )
    experts = shape.experts
    if experts is not None and experts.experts_per_token > experts.experts:
        raise InvalidRequestError(
            "spec.model.architecture.mixtureOfExperts.expertsPerToken",
            got=experts.experts_per_token,
            wants=f"at most experts ({experts.experts})",
        )
    if experts is not None and experts.dense_layers >= shape.layers:
        raise InvalidRequestError(
            "spec.model.architecture.mixtureOfExperts.denseLayers",
            got=experts.dense_layers,
            wants=f"less than layers ({shape.layers})",
        )


def check_length(spec: api.PlacementRequestSpec, architecture: core.Architecture | None) -> None:
    """Refuse sequences that the model cannot read: no runtime would start the plan.

    Raises:
        InvalidRequestError: maxModelLen is less than a request has tokens, or the model reads less than either.
    """
    place, needed = _longest(spec.workload)
    length = spec.model.max_model_len
    if length is not None and length < needed:
        raise InvalidRequestError("spec.model.maxModelLen", got=length, wants=f"at least {place} ({needed})")
    longest = architecture.max_position_embeddings if architecture is not None else None
    if longest is not None and (length or needed) > longest:
        field = f"spec.workload.{place}" if length is None else "spec.model.maxModelLen"
        raise InvalidRequestError(
            field, got=length or needed, wants=f"at most the model's maxPositionEmbeddings ({longest})"
        )


def longest_sequence(given: api.Model) -> int | None:
    """Return the longest sequence that may be asked of the model, in tokens; None: nobody says."""
    if given.max_model_len is not None:
        return given.max_model_len
    if given.architecture is not None and given.architecture.max_position_embeddings is not None:
        return given.architecture.max_position_embeddings
    try:
        return catalog.model(given.name).max_position_embeddings
    except catalog.UnknownKeyError:
        return None


def _longest(workload: api.Workload) -> tuple[str, int]:
    """The place and the number of tokens of the longest request."""
    sizes = [
        (f"classes[{index}].inputTokens + outputTokens", each.input_tokens + each.output_tokens)
        for index, each in enumerate(workload.classes)
    ]
    if not sizes:
        sizes = [("inputTokens + outputTokens", (workload.input_tokens or 0) + (workload.output_tokens or 0))]
    return max(sizes, key=lambda size: size[1])


def precisions_of(
    given: api.Model, architecture: core.Architecture | None, rows: tuple[core.Measurement, ...]
) -> tuple[core.Precision, ...]:
    """Return the candidate precisions: the spec's, else those of the rows, else the one of the published weights."""
    if given.precisions is not None:
        return tuple(
            core.Precision(name=entry.name, drift_percent=entry.drift_percent, speedup=entry.speedup)
            for entry in given.precisions
        )
    if rows:
        return tuple(core.Precision(name=name) for name in dict.fromkeys(row.precision for row in rows))
    assert architecture is not None, "a request without an architecture has measurements"
    return (core.Precision(name=architecture.native_precision),)
