"""The model of a PlacementRequest: its shape and the precisions that it may be served in."""

from pydantic import ConfigDict, Field

from placewright.api.base import Inert, Key, PrecisionName, list_map, rule, rules


class MixtureOfExperts(Inert):
    """The expert layers of a mixture-of-experts model."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.experts) || !has(self.expertsPerToken) || self.expertsPerToken <= self.experts",
                "wants at most experts",
                field_path=".expertsPerToken",
            )
        )
    )

    experts: int | None = Field(default=None, ge=1, le=4096)
    """Routed experts of a layer (num_experts, n_routed_experts)."""
    experts_per_token: int | None = Field(default=None, ge=1, le=4096)
    """Experts that one token is routed to (num_experts_per_tok)."""
    moe_intermediate_size: int | None = Field(default=None, ge=1, le=1_048_576)
    """Width of one expert's MLP (moe_intermediate_size)."""
    shared_intermediate_size: int | None = Field(default=None, ge=0, le=1_048_576)
    """Width of all shared experts together; 0: none."""
    dense_layers: int | None = Field(default=None, ge=0, le=1000)
    """Layers with a plain MLP of intermediateSize instead of experts (first_k_dense_replace)."""


class LatentAttention(Inert):
    """Multi-head latent attention, as DeepSeek models have it."""

    kv_lora_rank: int | None = Field(default=None, ge=1, le=65536)
    """Rank of the compressed keys and values (kv_lora_rank)."""
    qk_rope_head_dim: int | None = Field(default=None, ge=1, le=65536)
    """Dimensions of a head that carry the position (qk_rope_head_dim)."""
    q_lora_rank: int | None = Field(default=None, ge=0, le=65536)
    """Rank of the compressed queries (q_lora_rank); 0: queries are projected directly."""
    qk_nope_head_dim: int | None = Field(default=None, ge=1, le=65536)
    """Dimensions of a head that carry no position (qk_nope_head_dim)."""
    v_head_dim: int | None = Field(default=None, ge=1, le=65536)
    """Dimensions of a value head (v_head_dim)."""


class Architecture(Inert):
    """Shape of the model, named as in a Hugging Face config.json; a field given here overrides the catalog's."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.attentionHeads) || !has(self.keyValueHeads)"
                " || self.attentionHeads % self.keyValueHeads == 0",
                "wants a divisor of attentionHeads",
                field_path=".keyValueHeads",
            ),
            rule(
                "!has(self.layers) || !has(self.mixtureOfExperts) || !has(self.mixtureOfExperts.denseLayers)"
                " || self.mixtureOfExperts.denseLayers < self.layers",
                "wants less than layers",
                field_path=".mixtureOfExperts.denseLayers",
            ),
        )
    )

    layers: int | None = Field(default=None, ge=1, le=1000)
    """Decoder layers (num_hidden_layers)."""
    hidden_size: int | None = Field(default=None, ge=1, le=1_048_576)
    """Width of the model (hidden_size)."""
    intermediate_size: int | None = Field(default=None, ge=1, le=4_194_304)
    """Width of the MLP (intermediate_size); of the dense layers in a mixture of experts."""
    attention_heads: int | None = Field(default=None, ge=1, le=4096)
    """Query heads (num_attention_heads)."""
    key_value_heads: int | None = Field(default=None, ge=1, le=4096)
    """Key and value heads (num_key_value_heads); attentionHeads when neither this nor the catalog says."""
    head_dim: int | None = Field(default=None, ge=1, le=65536)
    """Dimensions of a head (head_dim); hiddenSize / attentionHeads when neither this nor the catalog says."""
    vocab_size: int | None = Field(default=None, ge=1, le=16_777_216)
    """Entries of the vocabulary (vocab_size)."""
    tie_word_embeddings: bool | None = None
    """Whether input and output embeddings are one matrix (tie_word_embeddings)."""
    native_precision: PrecisionName | None = None
    """Precision that the weights are published in; bf16 when neither this nor the catalog says."""
    max_position_embeddings: int | None = Field(default=None, ge=1, le=1_073_741_824)
    """Longest sequence that the model can read (max_position_embeddings)."""
    mixture_of_experts: MixtureOfExperts | None = None
    """Expert layers; leave out for a dense model."""
    latent_attention: LatentAttention | None = None
    """Multi-head latent attention; leave out for ordinary attention."""


class Precision(Inert):
    """A weight precision that the plan may use."""

    name: PrecisionName
    """Name of the precision."""
    drift_percent: float | None = Field(default=None, ge=0, le=100)
    """Measured loss of quality in percent; unknown when left out, and 0 for the model's native precision."""
    speedup: float | None = Field(default=None, gt=0, le=100)
    """Measured factor on tokens per second against the performance model's own figure; 1 when left out."""


class Model(Inert):
    """The model to serve."""

    name: Key
    """Key of the built-in catalog, or any label when architecture or performance.measurements are given."""
    architecture: Architecture | None = None
    """Shape of the model; overrides the catalog field by field, and is needed for a model that it does not hold."""
    max_model_len: int | None = Field(default=None, ge=1, le=16_777_216)
    """Longest sequence, in tokens, that a replica must hold; inputTokens + outputTokens when left out."""
    precisions: list[Precision] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        json_schema_extra=list_map("name"),
    )
    """Candidate precisions, from which the solver chooses; when left out the model's native precision, or those of
    performance.measurements."""
