"""The status of a PlacementRequest: the plan and its proof. These types give the CRD its schema and stay inert."""

from typing import Annotated, Final, Literal

from pydantic import Field

from placewright.api.acting_status import IdleStatus, RolloutStatus
from placewright.api.base import Key, StatusPart, list_map
from placewright.api.live_status import Demand, Observed, Ramp
from placewright.api.plan_status import (
    MAX_CLASSES,
    MAX_LAYOUTS,
    MAX_MESSAGE,
    MAX_STAGES,
    ClassWeight,
    Condition,
    EnvironmentVariable,
    Gate,
    Gates,
    GpusByPool,
    Layout,
    Message,
    Plan,
    Reason,
    Stage,
    Time,
)

__all__ = [
    "MAX_CLASSES",
    "MAX_LAYOUTS",
    "MAX_MESSAGE",
    "MAX_STAGES",
    "ClassWeight",
    "Condition",
    "Demand",
    "EnvironmentVariable",
    "Gate",
    "Gates",
    "GpusByPool",
    "IdleStatus",
    "Layout",
    "Message",
    "Observed",
    "PlacementRequestStatus",
    "Plan",
    "Ramp",
    "Reason",
    "RolloutStatus",
    "Stage",
    "Time",
]

MAX_ALTERNATIVES: Final = 5
MAX_FRONTIER: Final = 50
MAX_REJECTIONS: Final = 10
MAX_HISTORY: Final = 5
MAX_TRIALS: Final = 100
MAX_WARNINGS: Final = 10


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
    demand_as_of: Time | None = None
    """When the source of the demand gave a usable figure last; absent without workload.demandFrom."""
    revenue_per_hour: float | None = None
    """Observed USD per hour that the plan was decided with; it follows the live figure where the plan may change."""
    revenue_as_of: Time | None = None
    """When the source of the revenue gave a usable figure last; absent without gates.revenuePerHourQuery."""
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
    Preempted, DemandChanged, SloBroken, GateFails, Repriced and RolledBack."""
    cost_per_hour: float | None = None
    """USD per hour of the plan; absent when none was left."""
    previous_cost_per_hour: float | None = None
    """USD per hour of the plan before; absent when there was none."""
    message: Message | None = None
    """Why the plan changed, with figures."""


class Blocked(StatusPart):
    """What the gates forbid while the plan before is kept."""

    plan: Plan
    """The best plan without the gates."""
    gates: Gates | None = None
    """Each gate held against it."""


class PlacementRequestStatus(StatusPart):
    """The plan and its proof."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the first decision."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] | None = None
    """Ready, Feasible, GatesPassed, InputsFresh; Reconciling, Stalled and Spilled only when True; Applied and Planned
    (Ready of the plan alone) in mode Apply, and Idle with an idle policy."""
    plan: Plan | None = None
    """What to run; absent when there is no layout."""
    gates: Gates | None = None
    """Each gate with its limit, the plan's figure and the room left."""
    blocked: Blocked | None = None
    """The best plan without the gates, where no plan passes them and the plan before is kept; absent otherwise."""
    demand: Demand | None = None
    """The demand in force, as it was read; absent without workload.demandFrom."""
    ramp: Ramp | None = None
    """How far the plan has taken its share of the traffic; absent without spec.ramp."""
    observed: Observed | None = None
    """What the served tokens really cost; absent when nobody counts them."""
    rollout: RolloutStatus | None = None
    """How far the plan is rolled out; absent in mode Recommend."""
    idle: IdleStatus | None = None
    """Whether the model idles, and what is done about it; absent without an idle policy."""
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
