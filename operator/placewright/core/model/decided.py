"""What is decided: a Plan, its proof and its explanation."""

from dataclasses import dataclass
from enum import StrEnum

from placewright.core.model.asked import Method, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Consecutive decoder layers first..last (both included) on one tensor-parallel group of one pool."""

    pool: str
    gpu: str
    tensor_parallel: int
    first_layer: int
    last_layer: int

    @property
    def layers(self) -> int:
        """How many layers the stage holds."""
        return self.last_layer - self.first_layer + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One replica: ordered stages, precision, concurrency, and what the performance model says of it."""

    stages: tuple[Stage, ...]
    precision: str
    max_concurrency: int
    cost_per_hour: float
    tokens_per_second: float  # in the request's token basis
    requests_per_second: float
    ttft_seconds: float | None = None  # None: the performance model has no such figure
    tpot_seconds: float | None = None

    @property
    def cost_per_million_tokens(self) -> float:
        """USD per million tokens at full load."""
        return self.cost_per_hour / (self.tokens_per_second * 3600.0) * 1e6

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return sum(stage.tensor_parallel for stage in self.stages)

    @property
    def gpus_by_pool(self) -> dict[str, int]:
        """GPUs of one replica by pool name, in stage order."""
        used: dict[str, int] = {}
        for stage in self.stages:
            used[stage.pool] = used.get(stage.pool, 0) + stage.tensor_parallel
        return used


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """A layout, how many copies of it run, and their share of the traffic (0..1).

    `class_weights` is the share of each traffic class that comes here, in the order of the classes' names whatever
    the order of the request, so that equal plans are equal; empty without several classes.
    """

    layout: Layout
    count: int = 1
    weight: float = 1.0
    class_weights: tuple[float, ...] = ()


class PlanState(StrEnum):
    """Whether the plan may be used."""

    APPROVED = "Approved"
    BLOCKED = "Blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run for one request."""

    id: str  # p-xxxxxx, a hash of the decision
    state: PlanState
    replicas: tuple[Replicas, ...]
    demand_tokens_per_second: float | None = None  # what is served of it; None: no demand, so full load counts

    @property
    def main(self) -> Layout:
        """The layout with the largest share of traffic."""
        return max(self.replicas, key=lambda entry: entry.weight).layout

    @property
    def cost_per_hour(self) -> float:
        """USD per hour of all replicas."""
        return sum(entry.count * entry.layout.cost_per_hour for entry in self.replicas)

    @property
    def tokens_per_second(self) -> float:
        """Capacity of all replicas."""
        return sum(entry.count * entry.layout.tokens_per_second for entry in self.replicas)

    @property
    def cost_per_million_tokens(self) -> float:
        """USD per million tokens: of the demand where there is one, since idle capacity is paid for too."""
        served = self.tokens_per_second if self.demand_tokens_per_second is None else self.demand_tokens_per_second
        return self.cost_per_hour / (served * 3600.0) * 1e6


class GateResult(StrEnum):
    """Outcome of one gate; a missing, stale or NaN input is UNKNOWN, never zero."""

    PASS = "Pass"  # noqa: S105 - an outcome, no secret
    FAIL = "Fail"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """One gate held against one plan. headroom_percent = (limit - actual) / limit * 100, negative when exceeded."""

    name: str  # of core.gates
    limit: float
    actual: float | None
    headroom_percent: float | None
    result: GateResult
    policy: str = ""  # the PlacementPolicy whose limit it is; empty: the request's own
    input: str = ""  # what the actual value was made from, besides the plan; empty: the plan alone
    age_seconds: float | None = None  # of that input; None: it has no age, as it stands in the spec
    fault: str = ""  # why the result is Unknown: "missing: HTTP 503", "stale: 12 min old, wants at most 5 min"


class RejectionCode(StrEnum):
    """Why a class of candidates is out (planning.md section 5)."""

    INSUFFICIENT_MEMORY = "InsufficientMemory"
    INSUFFICIENT_STOCK = "InsufficientStock"
    HEADS_NOT_DIVISIBLE = "HeadsNotDivisible"
    TOO_FEW_LAYERS = "TooFewLayers"
    PRECISION_UNSUPPORTED = "PrecisionUnsupported"
    SLO_TTFT = "SloTtft"
    SLO_TPOT = "SloTpot"
    THROUGHPUT_SHORT = "ThroughputShort"
    NO_PRICE = "NoPrice"
    NO_PROFILE = "NoProfile"
    COST_PER_TOKEN_GATE = "CostPerTokenGate"  # noqa: S105 - an enum value, no secret
    HOURLY_BUDGET_GATE = "HourlyBudgetGate"
    REVENUE_RATIO_GATE = "RevenueRatioGate"
    DRIFT_GATE = "DriftGate"
    LINK_TOO_SLOW = "LinkTooSlow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A class of candidates that is out, how many there were, and why in one line with figures."""

    code: RejectionCode
    count: int
    pool: str  # empty: not of one pool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """The smallest change that makes the request feasible, found by solving.

    `request` is the changed request itself: deciding it gives an approved plan.
    """

    field: str  # as the user writes it
    current: str
    needed: str
    message: str  # "feasible with gates.maxCostPerMillionTokens 2.91 (now 2.50)"
    request: Request
    size: float  # relative size of the change; smaller is better


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierPoint:
    """A layout that no other beats in both cost per hour and tokens per second."""

    layout: Layout

    @property
    def cost_per_hour(self) -> float:
        """USD per hour."""
        return self.layout.cost_per_hour

    @property
    def tokens_per_second(self) -> float:
        """In the request's token basis."""
        return self.layout.tokens_per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A layout that lost, and why in one line."""

    layout: Layout
    reason: str


class SolveStatus(StrEnum):
    """What is proved of the answer."""

    OPTIMAL = "Optimal"  # proved
    FEASIBLE = "Feasible"  # a valid plan of a method or a cut search that proves less; the gap is told
    INFEASIBLE = "Infeasible"  # proved: there is no layout
    TIME_LIMIT = "TimeLimit"  # cut before anything was found


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTrial:
    """One budget that enumeration or iterative tried."""

    budget_per_hour: float
    cost_per_million_tokens: float | None  # None: nothing fits the budget
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveReport:
    """How the answer was found and what is proved.

    `bound_*` are proved limits in the objective's own unit: no layout of the request does better.
    """

    method: Method
    status: SolveStatus
    gap_percent: float | None  # None: nothing found
    bound_cost_per_million_tokens: float | None = None
    bound_cost_per_hour: float | None = None  # objective Cost
    bound_tokens_per_second: float | None = None  # objective Throughput
    proves: str = ""  # one line: what this method proves
    distance_to_exact_percent: float | None = None  # methods other than exact
    trials: tuple[BudgetTrial, ...] = ()
    competitive_range_per_hour: tuple[float, float] | None = None
    budgets_saved: int = 0
    layouts_considered: int = 0
    confidence: str = "Modelled"  # Modelled | Lower (mixture of experts) | Measured | Fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a running solve stands, for a live line; figures in the unit of the objective `unit` names."""

    unit: str  # "$/M tokens" | "$/h" | "tokens/s" | "score"
    incumbent: float | None
    bound: float | None
    gap_percent: float | None


class MoveReason(StrEnum):
    """Why a plan was given up for another."""

    FIRST_PLAN = "FirstPlan"
    SPEC_CHANGED = "SpecChanged"  # the present plan is no candidate of the request any more
    CHEAPER = "Cheaper"  # it saves what stabilization asks for
    STOCK_GONE = "StockGone"  # the present plan does not fit the nodes that are left
    PREEMPTED = "Preempted"  # a request of higher priority takes the stock
    DEMAND_CHANGED = "DemandChanged"  # the present plan does not serve the demand
    SLO_BROKEN = "SloBroken"  # the present plan does not meet a latency target
    GATE_FAILS = "GateFails"  # the present plan fails a gate or a ceiling on cost
    ROLLED_BACK = "RolledBack"  # somebody, or a ramp, went back to an earlier plan
    REPRICED = "Repriced"  # the same layouts at other prices or figures: nothing moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of plan. Costs are USD per hour; old is None for a first plan, new is None when no plan is left."""

    reason: MoveReason
    old_plan_id: str
    old_cost_per_hour: float | None
    new_cost_per_hour: float | None
    message: str  # one line with both costs and the cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """The plan stands elsewhere than it would with all stock to itself."""

    preferred_pools: tuple[str, ...]
    preferred_cost_per_hour: float
    message: str  # "l40s is short: on a100 at $4.20/h, $1.10/h more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome for one request. plan None: infeasible, or cut before anything was found."""

    request: Request
    inputs_hash: str  # of the request: equal inputs, equal plan
    plan: Plan | None
    report: SolveReport
    gates: tuple[GateOutcome, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    relaxation: Relaxation | None = None
    warnings: tuple[str, ...] = ()
    needs: str = ""  # what more stock would change, where no change of the request alone helps
    move: Move | None = None  # None: the plan is the present one
    spill: Spill | None = None
    kept: bool = False  # the plan is the present one, which stays because nothing may take its place
    blocked: Plan | None = None  # beside a plan that is kept: the best without the gates, which they block
    blocked_gates: tuple[GateOutcome, ...] = ()  # of `blocked`; without one, the ceilings that leave nothing
