"""The status of a PlacementRequest: the plan and its proof. These types give the CRD its schema and stay inert."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from placewright.api.base import Key, StatusPart

MAX_ALTERNATIVES: Final = 5
MAX_FRONTIER: Final = 50
MAX_REJECTIONS: Final = 10
MAX_HISTORY: Final = 5
MAX_TRIALS: Final = 100
MAX_WARNINGS: Final = 10
MAX_LAYOUTS: Final = 64
MAX_CLASSES: Final = 256
MAX_STAGES: Final = 256
MAX_MESSAGE: Final = 2048

Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Reason = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
GpusByPool = Annotated[dict[str, int], Field(max_length=64)]


def _list_map(key: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


class Condition(StatusPart):
    """One condition, in the shape of Kubernetes' own."""

    type: Annotated[str, Field(max_length=316)]
    """Ready, Feasible, GatesPassed, InputsFresh; Reconciling, Stalled and Spilled are present only when True."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: int | None = Field(default=None, ge=0)
    """Generation of the spec that it speaks of."""
    last_transition_time: Time
    """When status last changed."""
    reason: Reason
    """One CamelCase word, the same in events, metrics and logs."""
    message: Annotated[str, Field(max_length=32768)]
    """The reason with its figures."""


class Stage(StatusPart):
    """Consecutive decoder layers on one tensor-parallel group."""

    pool: Key
    """Pool that the GPUs come from."""
    gpu: Key
    """GPU kind."""
    tensor_parallel: int
    """GPUs that share each layer."""
    first_layer: int
    """First decoder layer, counted from 0."""
    last_layer: int
    """Last decoder layer, included."""
    gpus: int
    """GPUs of the stage."""


class EnvironmentVariable(StatusPart):
    """One environment variable."""

    name: Annotated[str, Field(max_length=256)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)]
    """Its value."""


class ClassWeight(StatusPart):
    """How much of one traffic class comes to a layout."""

    name: Key
    """Name of the class, as workload.classes has it."""
    weight: float
    """Share of the class, 0 to 1; all layouts together have 1."""


class Layout(StatusPart):
    """One layout of the plan: the stages of a replica, and what it yields."""

    replicas: int
    """Copies of the layout that run."""
    weight: float
    """Share of the traffic, 0 to 1."""
    class_weights: (
        Annotated[list[ClassWeight], Field(max_length=MAX_CLASSES, json_schema_extra=_list_map("name"))] | None
    ) = None
    """Share of each traffic class where there are several; a class that is not listed does not come here."""
    precision: Key
    """Weight precision."""
    max_concurrency: int
    """Sequences in flight in one replica."""
    cost_per_hour: float
    """USD per hour of one replica."""
    cost_per_million_tokens: float
    """USD per million tokens at full load."""
    tokens_per_second: float
    """Tokens per second of one replica, in the workload's token basis."""
    requests_per_second: float
    """Requests per second of one replica."""
    ttft_seconds: float | None = None
    """Predicted time to the first token; absent when the performance model has no such figure."""
    tpot_seconds: float | None = None
    """Predicted time per output token; absent when the performance model has no such figure."""
    stages: Annotated[list[Stage], Field(max_length=MAX_STAGES)]
    """Pipeline stages, first to last."""
    engine_args: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=64)]
    """Arguments that start the runtime with this layout; empty for runtime any."""
    env: Annotated[list[EnvironmentVariable], Field(max_length=64, json_schema_extra=_list_map("name"))] | None = None
    """Environment that the runtime needs with these arguments."""


class Plan(StatusPart):
    """What to run."""

    id: Annotated[str, Field(max_length=64)]
    """Hash of the decision; the same in events, metrics, logs and the offline command."""
    state: Literal["Approved", "Blocked"]
    """Approved: may be used. Blocked: the best there is, but a gate forbids it."""
    decided_at: Time
    """When the plan was decided first."""
    precision: Key
    """Weight precision of the main layout."""
    replicas: int
    """Replicas of all layouts."""
    tensor_parallel: int
    """Largest tensor-parallel degree among the stages of the main layout."""
    pipeline_parallel: int
    """Stages of the main layout."""
    pool: Annotated[str, Field(max_length=8192)]
    """Pools of the main layout in stage order, joined by +."""
    total_gpus: int
    """GPUs of all replicas."""
    gpus_by_pool: GpusByPool
    """GPUs of all replicas by pool."""
    cost_per_hour: float
    """USD per hour of all replicas."""
    cost_per_million_tokens: float
    """USD per million tokens: of the demand where there is one, at full load otherwise."""
    tokens_per_second: float
    """Capacity of all replicas in the workload's token basis."""
    requests_per_second: float
    """Capacity of all replicas."""
    demand_requests_per_second: float | None = None
    """Demand that the plan serves, all classes together; absent without a demand."""
    demand_tokens_per_second: float | None = None
    """The same in tokens of the workload's token basis."""
    ttft_seconds: float | None = None
    """Predicted time to the first token of the main layout."""
    tpot_seconds: float | None = None
    """Predicted time per output token of the main layout."""
    layouts: Annotated[list[Layout], Field(max_length=MAX_LAYOUTS)]
    """The layouts of the plan, largest share of traffic first."""


class Gate(StatusPart):
    """One gate held against the plan."""

    name: Key
    """CostPerMillionTokens, CostPerHour, QuantizationDrift; NamespaceCostPerHour and FleetCostPerHour on a request that
    was refused for a policy's ceiling."""
    limit: float
    """The limit that holds: the stricter one of the spec's and the policies'."""
    policy: Annotated[str, Field(max_length=253)] | None = None
    """The PlacementPolicy whose limit it is; absent when it is the spec's own."""
    actual: float | None = None
    """The plan's figure; absent when unknown."""
    headroom_percent: float | None = None
    """Room to the limit in percent of it; negative when exceeded, absent when unknown."""
    result: Literal["Pass", "Fail", "Unknown"]
    """Pass, Fail, or Unknown when there is no usable figure."""


class Alternative(StatusPart):
    """A layout that lost."""

    summary: Message
    """The layout in a few words."""
    reason: Message
    """Why it lost."""
    precision: Key
    """Weight precision."""
    tensor_parallel: int
    """Largest tensor-parallel degree among the stages."""
    pipeline_parallel: int
    """Stages."""
    gpus_by_pool: GpusByPool
    """GPUs of one replica by pool."""
    cost_per_hour: float
    """USD per hour of one replica."""
    cost_per_million_tokens: float
    """USD per million tokens at full load."""
    tokens_per_second: float
    """Tokens per second of one replica."""


class FrontierPoint(StatusPart):
    """A layout that no other beats in both cost per hour and tokens per second."""

    cost_per_hour: float
    """USD per hour of one replica."""
    tokens_per_second: float
    """Tokens per second of one replica."""
    cost_per_million_tokens: float
    """USD per million tokens at full load."""
    summary: Message
    """The layout in a few words."""


class Rejection(StatusPart):
    """A class of candidates that is out."""

    code: Reason
    """InsufficientMemory, InsufficientStock, SloTpot, NoPrice and so on."""
    count: int
    """Candidates of the class."""
    pool: Annotated[str, Field(max_length=253)] | None = None
    """Pool that it is about; absent when it is not about one pool."""
    message: Message
    """Why, with figures."""


class Trial(StatusPart):
    """One hourly budget that Enumeration or Iterative tried."""

    budget_per_hour: float
    """The budget in USD per hour."""
    cost_per_million_tokens: float | None = None
    """Best USD per million tokens within it; absent when nothing fits."""
    tokens_per_second: float | None = None
    """Most tokens per second within it; absent when nothing fits."""


class SolverResult(StatusPart):
    """How the plan was found, and what is proved of it."""

    method: Literal["Exact", "Enumeration", "Iterative", "Weighted"]
    """How the layout was searched."""
    status: Literal["Optimal", "Feasible", "Infeasible", "TimeLimit"]
    """Optimal: proved best. Feasible: valid, with its gap. Infeasible: proved that there is none. TimeLimit: cut
    before anything was found."""
    gap_percent: float | None = None
    """Proved distance to the bound at most; absent when nothing was found."""
    bound_cost_per_million_tokens: float | None = None
    """No layout of the request costs less per million tokens."""
    bound_cost_per_hour: float | None = None
    """No layout that meets the throughput floor costs less per hour (objective Cost)."""
    bound_tokens_per_second: float | None = None
    """No layout of the request is faster (objective Throughput)."""
    duration_seconds: float | None = None
    """How long the search took."""
    proves: Message | None = None
    """What this method proves."""
    confidence: Literal["Measured", "Fitted", "Modelled", "Lower"] | None = None
    """Measured: from measured rows. Fitted: from rows of a model fitted to measurements. Modelled: predicted. Lower:
    predicted for a mixture of experts."""
    distance_to_exact_percent: float | None = None
    """How much worse the plan is than the exact optimum; for methods other than Exact."""
    trials: Annotated[list[Trial], Field(max_length=MAX_TRIALS)] | None = None
    """Budgets that were tried, in order."""
    competitive_range_per_hour: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Least and largest hourly budget that can reach the target price."""
    budgets_saved: int | None = None
    """Budgets outside the competitive range, which were not tried."""
    layouts_considered: int | None = None
    """Layouts that the search covered."""


class ProfileUsed(StatusPart):
    """The PerformanceProfile that the figures come from."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the profile."""
    source: Message | None = None
    """Where its rows come from, as the profile says."""
    as_of: Annotated[str, Field(max_length=64)] | None = None
    """When they were measured, as the profile says."""


class Inputs(StatusPart):
    """What the plan was decided from."""

    hash: Annotated[str, Field(max_length=128)]
    """Hash of all inputs of the decision; equal inputs give the same plan."""
    catalog_version: Annotated[str, Field(max_length=64)]
    """Version of the built-in catalog of GPUs and models."""
    price_as_of: Time | None = None
    """When the oldest price of the plan's shared pools was read; absent when all prices are those of the spec."""
    profile: ProfileUsed | None = None
    """The PerformanceProfile in use; absent when the figures are the spec's own or the analytic model's."""


class HistoryEntry(StatusPart):
    """One change of plan."""

    id: Annotated[str, Field(max_length=64)]
    """Id of the plan; of the plan that was given up when there is no costPerHour."""
    time: Time
    """When it was decided."""
    reason: Reason
    """FirstPlan, SpecChanged, CatalogChanged or Redecided; on shared pools and with a demand also Cheaper, StockGone,
    Preempted, DemandChanged, SloBroken and GateFails."""
    cost_per_hour: float | None = None
    """USD per hour of the plan; absent when none was left."""
    previous_cost_per_hour: float | None = None
    """USD per hour of the plan before; absent when there was none."""
    message: Message | None = None
    """Why the plan changed, with figures."""


class PlacementRequestStatus(StatusPart):
    """The plan and its proof."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the first decision."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=_list_map("type"))] | None = None
    """Ready, Feasible, GatesPassed, InputsFresh; Reconciling, Stalled and Spilled only when True."""
    plan: Plan | None = None
    """What to run; absent when there is no layout."""
    gates: Annotated[list[Gate], Field(max_length=16, json_schema_extra=_list_map("name"))] | None = None
    """Each gate with its limit, the plan's figure and the room left."""
    alternatives: Annotated[list[Alternative], Field(max_length=MAX_ALTERNATIVES)] | None = None
    """Layouts that lost, best first, with the reason."""
    frontier: Annotated[list[FrontierPoint], Field(max_length=MAX_FRONTIER)] | None = None
    """Pareto frontier of cost per hour and tokens per second, cheapest first; thinned to 50 points."""
    rejections: Annotated[list[Rejection], Field(max_length=MAX_REJECTIONS)] | None = None
    """Classes of candidates that are out, and why."""
    relaxation: Message | None = None
    """The smallest change of the spec that gives an approved plan."""
    needs: Message | None = None
    """What more stock would change, where no change of the spec alone helps."""
    solver: SolverResult | None = None
    """How the plan was found, and what is proved of it."""
    inputs: Inputs | None = None
    """What the plan was decided from."""
    warnings: Annotated[list[Message], Field(max_length=MAX_WARNINGS)] | None = None
    """What is worth knowing about the plan."""
    history: Annotated[list[HistoryEntry], Field(max_length=MAX_HISTORY)] | None = None
    """Changes of plan, newest first."""
