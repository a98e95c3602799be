"""What is asked: a Request and its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Runtime(StrEnum):
    """What starts the plan. `vllm` wants one TP degree in all stages that divides the heads; `any` lifts that."""

    VLLM = "vllm"
    ANY = "any"


class Billing(StrEnum):
    """Whether single GPUs or whole nodes are paid for."""

    PER_GPU = "PerGPU"
    PER_NODE = "PerNode"


class TokenBasis(StrEnum):
    """Which tokens count in cost per token: input + output, or output alone."""

    TOTAL = "Total"
    OUTPUT = "Output"


class Method(StrEnum):
    """How the layout is searched; only EXACT proves optimality."""

    EXACT = "Exact"
    ENUMERATION = "Enumeration"
    ITERATIVE = "Iterative"
    WEIGHTED = "Weighted"


class ObjectiveType(StrEnum):
    """What is optimised. COST is least cost per hour at a throughput floor."""

    COST_PER_TOKEN = "CostPerToken"  # noqa: S105 - an enum value, no secret
    THROUGHPUT = "Throughput"
    WEIGHTED = "Weighted"
    COST = "Cost"


class OnViolation(StrEnum):
    """What a failed gate does."""

    BLOCK = "Block"
    WARN = "Warn"


class OnUnknown(StrEnum):
    """What a gate without a usable input does."""

    BLOCK = "Block"
    WARN = "Warn"
    PASS = "Pass"  # noqa: S105 - an enum value, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """Facts of one GPU kind. Rates are dense (no sparsity); 0 means the hardware has no such arithmetic."""

    name: str
    memory_gib: float
    memory_bandwidth_gbps: float
    tflops_16bit: float
    tflops_fp8: float = 0.0
    tops_int8: float = 0.0
    tflops_fp4: float = 0.0
    supports_bf16: bool = True
    compute_capability: tuple[int, int] | None = None  # NVIDIA only
    vendor: str = "nvidia"
    all_reduce_gbps: float = 0.0  # achieved bus bandwidth inside a node; 0: take the pool's intra_node_gbps


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureOfExperts:
    """The expert layers of a model; `dense_layers` of the model's layers have a plain MLP instead."""

    experts: int
    experts_per_token: int
    expert_intermediate_size: int
    shared_intermediate_size: int = 0  # all shared experts together
    dense_layers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): per token and layer the cache holds kv_rank + rope_head_dim values."""

    kv_rank: int
    rope_head_dim: int
    query_rank: int = 0  # 0: queries are projected directly
    nope_head_dim: int = 128
    value_head_dim: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Shape of a decoder-only transformer, named as in a Hugging Face config.json."""

    layers: int
    hidden_size: int
    intermediate_size: int
    attention_heads: int
    key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool = False
    native_precision: str = "bf16"
    max_position_embeddings: int | None = None
    experts: MixtureOfExperts | None = None
    latent_attention: LatentAttention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """A candidate weight precision: bf16, fp16, fp8, int8, int4, fp4 (names of core.performance.precision)."""

    name: str
    drift_percent: float | None = None  # measured quality loss; None: not measured (0 for the native precision)
    speedup: float | None = None  # measured factor on tokens/s against the model's own figure; None: 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """GPUs of one kind in one place. A tensor-parallel group never leaves a node."""

    name: str
    gpu: Accelerator
    nodes: int
    gpus_per_node: int
    price_per_gpu_hour: float | None  # None: unknown; such a pool is rejected with NoPrice
    billing: Billing = Billing.PER_GPU
    intra_node_gbps: float = 64.0
    inter_node_gbps: float = 12.5
    max_tensor_parallel: int = 8
    shared: bool = False  # a pool of the snapshot, from which several requests take; its name is then unique
    rooms: tuple[int, ...] | None = None  # free GPUs of each node, largest first; None: nodes x gpus_per_node

    @property
    def gpus(self) -> int:
        """All GPUs of the pool that may be used."""
        return self.nodes * self.gpus_per_node if self.rooms is None else sum(self.rooms)

    @property
    def free_by_node(self) -> tuple[int, ...]:
        """Free GPUs of each node, largest first."""
        return (self.gpus_per_node,) * self.nodes if self.rooms is None else self.rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """Latency targets in seconds; None: no target."""

    ttft_seconds: float | None = None
    tpot_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficClass:
    """Requests of one size, and how many of them come per second."""

    name: str
    input_tokens: int
    output_tokens: int
    requests_per_second: float
    slo: Slo | None = None  # None: the request's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is to be served.

    Without classes one replica is sized for requests of input_tokens and output_tokens. With classes the plan serves
    their whole demand; input_tokens and output_tokens are then those of the class with the most demand in tokens.
    """

    input_tokens: int
    output_tokens: int
    token_basis: TokenBasis = TokenBasis.TOTAL
    concurrency: int | None = None  # sequences in flight in one replica; None: the planner chooses
    classes: tuple[TrafficClass, ...] = ()

    @property
    def tokens_per_request(self) -> int:
        """Tokens that count in cost per token, of one request of input_tokens and output_tokens."""
        return self.tokens_of(self.input_tokens, self.output_tokens)

    def tokens_of(self, input_tokens: int, output_tokens: int) -> int:
        """Tokens that count in cost per token, of one request of this size."""
        return output_tokens + (input_tokens if self.token_basis is TokenBasis.TOTAL else 0)

    @property
    def requests_per_second(self) -> float:
        """Demand of all classes; 0 when there is none."""
        return sum(each.requests_per_second for each in self.classes)

    @property
    def tokens_per_second(self) -> float:
        """Demand of all classes in tokens that count; 0 when there is none."""
        return sum(
            each.requests_per_second * self.tokens_of(each.input_tokens, each.output_tokens) for each in self.classes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """What layouts may look like."""

    tensor: tuple[int, ...] = (1, 2, 4, 8)
    max_pipeline: int = 8
    min_layers_per_stage: int = 1
    allow_mixed_pools: bool = False
    runtime: Runtime = Runtime.VLLM


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is optimised.

    WEIGHTED minimises cost_weight * cost_per_hour / cost_normalization
    - (1 - cost_weight) * tokens_per_second / throughput_normalization; a normalization of None means the largest
    value on the frontier. cost_weight 0 is throughput only.
    """

    type: ObjectiveType = ObjectiveType.COST_PER_TOKEN
    cost_weight: float = 0.5
    min_tokens_per_second: float = 0.0  # a floor that holds for every type
    cost_normalization: float | None = None
    throughput_normalization: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """What a model earns: by the token as somebody states it, or by the hour as it is observed.

    `per_hour` is the observed figure in force for the search, which follows the live one only when it changes the
    answer; None with `observed`: unknown.
    """

    per_million_tokens: float | None = None
    observed: bool = False  # the revenue per hour counts, and per_million_tokens does not
    per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Limits in dollars, their ratio and drift; None: no such gate."""

    max_cost_per_million_tokens: float | None = None
    max_cost_per_hour: float | None = None
    max_quantization_drift_percent: float | None = None
    max_cost_to_revenue_ratio: float | None = None
    max_observed_cost_drift_percent: float | None = None  # how far above the prediction the observed cost may be
    revenue: Revenue | None = None  # what max_cost_to_revenue_ratio is held against; None: nobody said
    on_violation: OnViolation = OnViolation.BLOCK
    on_unknown: OnUnknown = OnUnknown.BLOCK
    policies: tuple[tuple[str, str], ...] = ()  # (gate or OnUnknown, PlacementPolicy) where the policy's is stricter


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaBounds:
    """How many replicas a plan may have, all layouts together; None: no limit."""

    min: int = 0
    max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stabilization:
    """What a better plan must offer before a plan that still holds is given up.

    A move must save min_savings_percent of the present cost, and what it costs (load_seconds of the new GPUs) within
    the longer of min_dwell_seconds and an hour.
    """

    min_savings_percent: float = 10.0
    min_dwell_seconds: float = 1800.0
    load_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverOptions:
    """How long and how to search."""

    method: Method = Method.EXACT
    time_limit_seconds: float = 30.0
    frontier: bool = True
    gap_percent: float = 0.0  # stop when the proved gap is at most this
    budgets_per_hour: tuple[float, ...] = ()  # enumeration: given budgets; empty: log-spaced
    target_cost_per_million_tokens: float | None = None  # enumeration, iterative: the price to beat


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured row (planning.md 2b): what one replica sustains on that class alone."""

    gpu: str
    tensor_parallel: int
    pipeline_parallel: int
    precision: str
    input_tokens: int
    output_tokens: int
    requests_per_second: float
    concurrency: int | None = None
    ttft_seconds: float | None = None
    tpot_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytic:
    """Predict from the architecture and GPU facts (planning.md 2a)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The PerformanceProfile that rows come from."""

    name: str
    source: str
    as_of: str = ""  # RFC 3339; empty: not said
    fitted: bool = False  # the rows come from a model fitted to measurements


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Only measured configurations are candidates (planning.md 2b)."""

    rows: tuple[Measurement, ...]
    profile: Profile | None = None  # where they come from; None: the request itself


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEfficiency:
    """The config-dir format (planning.md 2c): roofline at a fixed efficiency per GPU kind.

    `gpu_rates` maps a pool name to (TFLOP/s, GB/s, efficiency); `link_gbps` maps ordered pool-name pairs (also a pool
    with itself) to the least rate over their GPU pairs.
    """

    sequence_length: int
    batch_sizes: tuple[int, ...]
    hidden_size: int
    layers: int
    bytes_per_element: int
    layer_weight_gib: float
    gpu_rates: Mapping[str, tuple[float, float, float]] = field(hash=False)
    link_gbps: Mapping[tuple[str, str], float] = field(hash=False)
    min_memory_utilization: float = 0.0
    quantized_segments: bool = False
    min_link_gbps: float = 0.0  # links below it carry no pipeline


Performance = Analytic | Measured | FixedEfficiency


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One model to place, with everything the decision depends on. Two equal Requests get the same plan id."""

    name: str
    namespace: str = ""
    model_name: str
    architecture: Architecture | None = None  # None only with Measured or FixedEfficiency
    max_model_len: int | None = None  # None: input + output tokens
    precisions: tuple[Precision, ...]
    workload: Workload
    slo: Slo = Slo()
    pools: tuple[Pool, ...]
    parallelism: Parallelism = Parallelism()
    objective: Objective = Objective()
    gates: Gates = Gates()
    performance: Performance = Analytic()
    solver: SolverOptions = SolverOptions()
    priority: int = 0  # higher first when pools are short
    replicas: ReplicaBounds = ReplicaBounds()
    stabilization: Stabilization = Stabilization()
    notes: tuple[str, ...] = ()  # what reading it has shown and its owner should know, one line each

    @property
    def in_fleet(self) -> bool:
        """Whether replicas are counted for it: it has a demand, a replica bound, or takes from shared pools."""
        return bool(self.workload.classes) or self.replicas != ReplicaBounds() or any(p.shared for p in self.pools)
