"""The spec of a PlacementRequest: what to serve, on which GPUs, at what price."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import CAPABILITY_PATTERN, Amount, Duration, Inert, Key, Label, PrecisionName, rule, rules


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
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Candidate precisions, from which the solver chooses; when left out the model's native precision, or those of
    performance.measurements."""


class Workload(Inert):
    """The traffic that one replica is sized for."""

    input_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens of a request's prompt."""
    output_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens that a request generates."""
    token_basis: Literal["Total", "Output"] = "Total"  # noqa: S105 - counts tokens, no secret
    """Which tokens count in cost per token: Total is input + output, Output is the generated ones alone."""
    concurrency: int | None = Field(default=None, ge=1, le=65536)
    """Sequences in flight in one replica; the planner chooses when left out."""


class Slo(Inert):
    """Latency targets; every plan meets them."""

    ttft: Duration | None = None
    """Longest time to the first token, such as 2s; no target when left out."""
    tpot: Duration | None = None
    """Longest time per output token after the first, such as 50ms; no target when left out."""


class Accelerator(Inert):
    """All facts of a GPU that the catalog does not hold. Rates are dense; leave out what the hardware cannot do."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the GPU, as measurements and stages call it."""
    memory_gib: Amount
    """Memory in GiB (2^30 bytes)."""
    memory_bandwidth_gbps: Amount
    """Memory bandwidth in GB/s (10^9 bytes)."""
    tflops_16bit: Amount
    """Dense 16-bit TFLOP/s."""
    tflops_fp8: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense FP8 TFLOP/s; 0: no FP8 arithmetic."""
    tops_int8: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense INT8 TOP/s; 0: no INT8 arithmetic."""
    tflops_fp4: float = Field(default=0, ge=0, le=1_000_000_000)
    """Dense FP4 TFLOP/s; 0: no FP4 arithmetic."""
    supports_bf16: bool = True
    """Whether the hardware computes in bf16."""
    compute_capability: str | None = Field(default=None, pattern=CAPABILITY_PATTERN, max_length=8)
    """CUDA compute capability such as "8.9"; NVIDIA only."""
    vendor: str = Field(default="nvidia", pattern=r"^[a-z][a-z0-9-]*$", max_length=63)
    """Maker of the GPU in lower case."""
    all_reduce_gbps: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Measured bus bandwidth of an all-reduce inside a node in GB/s; interconnect.intraNodeGBps when left out."""


class Interconnect(Inert):
    """Links between the GPUs of a pool."""

    intra_node_gbps: Amount | None = None
    """GB/s between two GPUs of a node; the catalog's figure for the GPU when left out."""
    inter_node_gbps: Amount | None = None
    """GB/s between two nodes of the pool, and to other pools; the catalog's figure when left out."""


class Pool(Inert):
    """GPUs of one kind in one place, private to this request."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.gpu) != has(self.accelerator)",
                "wants exactly one of gpu (a key of the GPU catalog) and accelerator (all facts of the GPU)",
            ),
            rule(
                "!has(self.accelerator) || (has(self.interconnect) && has(self.interconnect.intraNodeGBps)"
                " && has(self.interconnect.interNodeGBps))",
                "wants intraNodeGBps and interNodeGBps beside accelerator, since the catalog has no figures for it",
                field_path=".interconnect",
            ),
        )
    )

    name: Label
    """Name of the pool, as the plan calls it."""
    gpu: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Key of the built-in GPU catalog, such as L40S; or give accelerator."""
    accelerator: Accelerator | None = None
    """All facts of a GPU that the catalog does not hold; or give gpu."""
    nodes: int = Field(ge=1, le=100_000)
    """Nodes in the pool."""
    gpus_per_node: int = Field(ge=1, le=1024)
    """GPUs of one node; a tensor-parallel group never leaves a node."""
    price_per_gpu_hour: float | None = Field(default=None, gt=0, le=1_000_000)
    """USD per GPU and hour; never guessed: a pool without a price is rejected with NoPrice."""
    billing: Literal["PerGPU", "PerNode"] = "PerGPU"
    """Whether single GPUs (PerGPU) or whole nodes (PerNode) are paid for."""
    interconnect: Interconnect | None = None
    """Links between the GPUs; the catalog's figures when left out; needed with accelerator."""
    max_tensor_parallel: int = Field(default=8, ge=1, le=1024)
    """Largest tensor-parallel degree in this pool."""


class Parallelism(Inert):
    """What layouts may look like."""

    tensor: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        default=[1, 2, 4, 8], min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Tensor-parallel degrees to consider."""
    max_pipeline: int = Field(default=8, ge=1, le=256)
    """Most pipeline stages of one replica."""
    min_layers_per_stage: int = Field(default=1, ge=1, le=1000)
    """Fewest decoder layers of one stage."""
    allow_mixed_pools: bool = False
    """Whether the stages of one replica may stand in several pools."""
    runtime: Literal["vllm", "any"] = "vllm"
    """What starts the plan. vllm wants one TP degree in all stages, dividing the attention heads; any lifts that."""


class Objective(Inert):
    """What is optimised, within the SLOs and the gates."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.costWeight) || (has(self.type) && self.type == 'Weighted')",
                "wants type Weighted; leave it out for other types",
                field_path=".costWeight",
            ),
            rule(
                "!has(self.type) || self.type != 'Cost' || has(self.minTokensPerSecond)",
                "wants a value with type Cost: the throughput to be had at least cost",
                field_path=".minTokensPerSecond",
            ),
        )
    )

    type: Literal["CostPerToken", "Throughput", "Weighted", "Cost"] = "CostPerToken"
    """CostPerToken: least cost per token. Throughput: most tokens per second. Weighted: see costWeight.
    Cost: least cost per hour at minTokensPerSecond."""
    cost_weight: float | None = Field(default=None, ge=0, le=1)
    """Weight of cost against throughput when type is Weighted: 1 is cost alone, 0 throughput alone; 0.5 when left
    out."""
    min_tokens_per_second: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Throughput floor of one replica, in the tokens of workload.tokenBasis; holds for every type."""


class Gates(Inert):
    """Limits that a plan must pass before it may be used."""

    max_cost_per_million_tokens: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Most USD per million tokens at full load: the price to beat."""
    max_cost_per_hour: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Most USD per hour of the whole plan."""
    max_quantization_drift_percent: float | None = Field(default=None, ge=0, le=100)
    """Most measured loss of quality in percent; precisions above it are no candidates."""
    on_violation: Literal["Block", "Warn"] = "Block"
    """What a failed gate does: Block the plan, or Warn and let it pass."""
    on_unknown: Literal["Block", "Warn", "Pass"] = "Block"
    """What a gate without a usable figure does: Block the plan, Warn, or Pass silently."""


class Measurement(Inert):
    """One measured row: what one replica sustains on that class of requests alone."""

    gpu: Annotated[str, Field(min_length=1, max_length=63)]
    """GPU kind, as the pool names it (gpu or accelerator.name)."""
    tensor_parallel: int = Field(ge=1, le=1024)
    """Tensor-parallel degree."""
    pipeline_parallel: int = Field(ge=1, le=256)
    """Pipeline stages."""
    precision: PrecisionName
    """Weight precision."""
    input_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens of the prompt; the row serves a workload with equal inputTokens and outputTokens only."""
    output_tokens: int = Field(ge=1, le=8_388_608)
    """Tokens generated."""
    requests_per_second: Amount
    """Requests per second that one replica sustains."""
    concurrency: int | None = Field(default=None, ge=1, le=65536)
    """Sequences in flight during the measurement."""
    ttft: Duration | None = None
    """Time to the first token; without it the row cannot meet a TTFT target."""
    tpot: Duration | None = None
    """Time per output token after the first; without it the row cannot meet a TPOT target."""


class Performance(Inert):
    """Where figures on speed come from."""

    measurements: list[Measurement] = Field(
        default=[], max_length=8192, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Measured rows. When there are any, only measured configurations are candidates and nothing is extrapolated;
    when empty, the analytic model predicts from the architecture and the GPU's facts."""


class Solver(Inert):
    """How the layout is searched."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.timeLimit) || duration(self.timeLimit) <= duration('1h')",
                "wants at most 1h",
                field_path=".timeLimit",
            )
        )
    )

    method: Literal["Exact", "Enumeration", "Iterative", "Weighted"] = "Exact"
    """Exact proves its plan; Enumeration, Iterative and Weighted are for comparison and tell their distance to it."""
    time_limit: Duration = "30s"
    """Longest search; a search that is cut says so, with its proved gap."""
    frontier: bool = True
    """Whether to report the whole Pareto frontier of cost and throughput."""


class PlacementRequestSpec(Inert):
    """What to serve, on which GPUs, at what price."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.model.maxModelLen)"
                " || self.workload.inputTokens + self.workload.outputTokens <= self.model.maxModelLen",
                "wants at least workload.inputTokens + workload.outputTokens",
                field_path=".model.maxModelLen",
            )
        )
    )

    suspend: bool = False
    """Whether planning pauses; the last plan is kept."""
    model: Model
    """The model to serve."""
    workload: Workload
    """The traffic that one replica is sized for."""
    slo: Slo | None = None
    """Latency targets; none when left out."""
    pools: list[Pool] = Field(
        min_length=1,
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """GPUs to choose from, private to this request."""
    parallelism: Parallelism = Field(default_factory=Parallelism, json_schema_extra={"default": {}})
    """What layouts may look like."""
    objective: Objective = Field(default_factory=Objective, json_schema_extra={"default": {}})
    """What is optimised; least cost per token when left out."""
    gates: Gates = Field(default_factory=Gates, json_schema_extra={"default": {}})
    """Limits that a plan must pass before it may be used; none when left out."""
    performance: Performance = Field(default_factory=Performance, json_schema_extra={"default": {}})
    """Where figures on speed come from; the analytic model when left out."""
    solver: Solver = Field(default_factory=Solver, json_schema_extra={"default": {}})
    """How the layout is searched; proved by exact search when left out."""
