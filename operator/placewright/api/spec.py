"""The spec of a PlacementRequest: what to serve, on which GPUs, at what price."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import (
    Amount,
    Duration,
    Inert,
    PrecisionName,
    Span,
    Subdomain,
    list_map,
    rule,
    rules,
)
from placewright.api.demand_spec import DemandFrom, ObserveFrom
from placewright.api.gates_spec import REVENUE, Gates
from placewright.api.hardware import Accelerator, GpuName, Interconnect, LabelSelector, Pool, SelectorTerm
from placewright.api.idle_spec import AwakeWindow, Idle, QueueFrom
from placewright.api.model_spec import Architecture, LatentAttention, MixtureOfExperts, Model, Precision
from placewright.api.ramp_spec import Ramp
from placewright.api.render_spec import Render
from placewright.api.rollout_spec import Rollout, WorkloadReference
from placewright.api.workload_spec import Slo, TrafficClass, Workload

__all__ = [
    "Accelerator",
    "Architecture",
    "AwakeWindow",
    "DemandFrom",
    "Gates",
    "Idle",
    "Interconnect",
    "LabelSelector",
    "LatentAttention",
    "Measurement",
    "MixtureOfExperts",
    "Model",
    "Objective",
    "ObserveFrom",
    "Parallelism",
    "Performance",
    "PlacementRequestSpec",
    "Pool",
    "Precision",
    "ProfileReference",
    "QueueFrom",
    "Ramp",
    "Render",
    "Replicas",
    "Rollout",
    "SelectorTerm",
    "Slo",
    "Solver",
    "Stabilization",
    "TrafficClass",
    "Workload",
    "WorkloadReference",
]

# Whether a request is decided with others: it takes from shared pools, replicas are counted for it, or its plan follows
# live figures.
_IN_FLEET: Final = (
    "(has(self.poolSelector) || has(self.workload.requestsPerSecond) || has(self.workload.demandFrom) || has(self.ramp)"
    " || (has(self.gates) && (has(self.gates.revenuePerHourQuery) || has(self.gates.maxObservedCostDriftPercent)))"
    " || (has(self.workload.classes) && self.workload.classes.size() > 0)"
    " || (has(self.replicas) && (has(self.replicas.max) || (has(self.replicas.min) && self.replicas.min > 0))))"
)


class Replicas(Inert):
    """How many replicas a plan may have, all layouts together."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("!has(self.max) || !has(self.min) || self.min <= self.max", "wants at least min", field_path=".max")
        )
    )

    min: int = Field(default=0, ge=0, le=100_000)
    """Fewest replicas."""
    max: int | None = Field(default=None, ge=1, le=100_000)
    """Most replicas; no limit when left out."""


class Stabilization(Inert):
    """What a better plan must offer before a plan that still holds is given up."""

    min_savings_percent: float = Field(default=10, ge=0, le=100)
    """Least saving in percent of the present plan's cost per hour."""
    min_dwell: Span = "30m"
    """Shortest time between a plan and one that only saves money; 0s: none."""
    load_time: Span = "5m"
    """Time in which a new replica loads the model; a move must earn back its price within the longer of minDwell and
    1h."""


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


class Measurement(Inert):
    """One measured row: what one replica sustains on that class of requests alone."""

    gpu: GpuName
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


class ProfileReference(Inert):
    """Names a PerformanceProfile."""

    name: Subdomain
    """Name of the PerformanceProfile."""


class Performance(Inert):
    """Where figures on speed come from.

    Own measurements, or a named profile; otherwise, in this order: profiles of the model with measured rows, those with
    fitted rows, the analytic model.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.profileRef) || !has(self.measurements) || self.measurements.size() == 0",
                "wants no measurements beside it",
                field_path=".profileRef",
            )
        )
    )

    measurements: list[Measurement] = Field(
        default=[], max_length=8192, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Measured rows. When there are any, only measured configurations are candidates and nothing is extrapolated."""
    profile_ref: ProfileReference | None = None
    """PerformanceProfile whose rows count, as measurements do; chosen by model and GPU when left out."""


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
                " || !has(self.workload.inputTokens) || !has(self.workload.outputTokens)"
                " || self.workload.inputTokens + self.workload.outputTokens <= self.model.maxModelLen",
                "wants at least workload.inputTokens + workload.outputTokens",
                field_path=".model.maxModelLen",
            ),
            rule(
                # A conditional, not a chain of or, of which cel-python looks at all: its time doubles with each class.
                "has(self.model.maxModelLen) && has(self.workload.classes)"
                " ? self.workload.classes.all(c, c.inputTokens + c.outputTokens <= self.model.maxModelLen) : true",
                "wants at least inputTokens + outputTokens of every class",
                field_path=".model.maxModelLen",
            ),
            rule(
                "has(self.pools) != has(self.poolSelector)",
                "wants exactly one of pools (GPUs of its own) and poolSelector (shared GPUPools)",
                field_path=".pools",
            ),
            rule(
                f"!{_IN_FLEET} || !has(self.solver) || !has(self.solver.method) || self.solver.method == 'Exact'",
                "wants Exact beside poolSelector, a demand, replicas, a ramp or live figures",
                field_path=".solver.method",
            ),
            rule(
                f"!{_IN_FLEET} || !has(self.objective) || !has(self.objective.type)"
                " || self.objective.type in ['CostPerToken', 'Cost']",
                "wants CostPerToken or Cost beside poolSelector, a demand, replicas, a ramp or live figures",
                field_path=".objective.type",
            ),
            rule(
                f"!has(self.ramp) || !has(self.ramp.maxCostToRevenueRatioByStep) || {REVENUE}",
                "wants gates.revenuePerMillionTokens or gates.revenuePerHourQuery",
                field_path=".ramp.maxCostToRevenueRatioByStep",
            ),
            rule(
                "!has(self.gates) || !has(self.gates.maxObservedCostDriftPercent) || has(self.observeFrom)"
                " || (has(self.workload.demandFrom) && has(self.workload.demandFrom.preset))",
                "wants observeFrom or workload.demandFrom.preset, which count the tokens",
                field_path=".gates.maxObservedCostDriftPercent",
            ),
            rule(
                "!has(self.workloadRef) || !has(self.render)",
                "wants no render beside it: an existing workload is only scaled",
                field_path=".workloadRef",
            ),
        )
    )

    suspend: bool = False
    """Whether planning pauses; the last plan is kept, and what runs stays as it is."""
    mode: Literal["Recommend", "Apply"] = "Recommend"
    """Recommend: the plan stands in the status alone. Apply: it is also rolled out, where the operator may change
    workloads."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Who comes first when shared pools are short: a higher priority is planned before a lower one."""
    model: Model
    """The model to serve."""
    workload: Workload
    """The traffic: the requests that one replica is sized for, or with a demand the requests that the plan serves."""
    slo: Slo | None = None
    """Latency targets; none when left out."""
    pools: list[Pool] | None = Field(default=None, min_length=1, max_length=64, json_schema_extra=list_map("name"))
    """GPUs to choose from, private to this request; or give poolSelector."""
    pool_selector: LabelSelector | None = None
    """GPUPools to choose from, by their labels, shared with other requests; or give pools."""
    replicas: Replicas = Field(default_factory=Replicas, json_schema_extra={"default": {}})
    """How many replicas a plan may have; as many as the demand wants when left out, and one without a demand."""
    parallelism: Parallelism = Field(default_factory=Parallelism, json_schema_extra={"default": {}})
    """What layouts may look like."""
    objective: Objective = Field(default_factory=Objective, json_schema_extra={"default": {}})
    """What is optimised; least cost per token when left out."""
    gates: Gates = Field(default_factory=Gates, json_schema_extra={"default": {}})
    """Limits that a plan must pass before it may be used; none when left out."""
    ramp: Ramp | None = None
    """How a new plan takes its share of the traffic; all at once when left out."""
    observe_from: ObserveFrom | None = None
    """Where the tokens that are really served are counted; workload.demandFrom.preset counts them when left out."""
    render: Render | None = None
    """How the plan is started by the objects that `placewright render` prints; its options say it when left out."""
    workload_ref: WorkloadReference | None = None
    """An existing workload that mode Apply scales to the plan's replicas, and whose activity is watched, in place of
    objects of its own."""
    rollout: Rollout | None = None
    """How a new plan takes the place of the one that runs, in mode Apply."""
    idle: Idle | None = None
    """When the model idles, and what then; what PlacementPolicies say when left out."""
    stabilization: Stabilization = Field(default_factory=Stabilization, json_schema_extra={"default": {}})
    """What a better plan must offer before a plan that still holds is given up."""
    performance: Performance = Field(default_factory=Performance, json_schema_extra={"default": {}})
    """Where figures on speed come from; a PerformanceProfile of the model, or the analytic model, when left out."""
    solver: Solver = Field(default_factory=Solver, json_schema_extra={"default": {}})
    """How the layout is searched; proved by exact search when left out."""
