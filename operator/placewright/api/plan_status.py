"""Status types that several parts of a status hold: conditions, plans and gates. They stay inert."""

from typing import Annotated, Final, Literal

from pydantic import Field

from placewright.api.base import Key, StatusPart, list_map

MAX_LAYOUTS: Final = 64
MAX_CLASSES: Final = 256
MAX_STAGES: Final = 256
MAX_MESSAGE: Final = 2048

Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Reason = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
GpusByPool = Annotated[dict[str, int], Field(max_length=64)]


class Condition(StatusPart):
    """One condition, in the shape of Kubernetes' own."""

    type: Annotated[str, Field(max_length=316)]
    """Ready, Feasible, GatesPassed, InputsFresh, Planned, Applied, Idle; Reconciling, Stalled and Spilled are present
    only when True."""
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
        Annotated[list[ClassWeight], Field(max_length=MAX_CLASSES, json_schema_extra=list_map("name"))] | None
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
    env: Annotated[list[EnvironmentVariable], Field(max_length=64, json_schema_extra=list_map("name"))] | None = None
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
    """CostPerMillionTokens, CostPerHour, CostToRevenueRatio, QuantizationDrift, ObservedCostDrift;
    NamespaceCostPerHour and FleetCostPerHour on a request that was refused for a policy's ceiling."""
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
    input: Message | None = None
    """What the figure was made from besides the plan, such as the revenue by Prometheus; absent: the plan alone."""
    as_of: Time | None = None
    """When that input was read; absent when it has no time, as it stands in the spec."""
    fault: Message | None = None
    """Why the result is Unknown: the input is missing, stale, no finite number or negative."""


Gates = Annotated[list[Gate], Field(max_length=16, json_schema_extra=list_map("name"))]
