"""Many requests on shared pools: what is observed (Snapshot) and what is decided for all of them (FleetDecision)."""

from dataclasses import dataclass

from placewright.core.model.asked import Pool, Request
from placewright.core.model.decided import Decision, Replicas, SolveStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The plan that a request has now, as its status says."""

    namespace: str
    name: str
    plan_id: str
    replicas: tuple[Replicas, ...]
    cost_per_hour: float
    dwells: bool = False  # it was decided less than minDwell ago or ramps, so saving alone is no reason to move
    held: bool = False  # somebody went back to it: it stays as long as the nodes have room, whatever else changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """A PlacementPolicy's limit in USD per hour on all plans of a namespace, or of the fleet (None)."""

    policy: str
    namespace: str | None
    max_cost_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a fleet decision depends on. Equal snapshots give equal plan ids, in any order of their parts.

    Attributes:
        requests: each with its pools; pools with `shared` are those of `pools` under the same name.
        pools: the shared pools.
        present: plans that requests have now; requests without one are new.
        ceilings: limits on sums of costs.
    """

    requests: tuple[Request, ...]
    pools: tuple[Pool, ...] = ()
    present: tuple[Present, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One tensor-parallel group on one node: no GPU of a node is promised twice."""

    namespace: str
    name: str
    entry: int  # index into the plan's replicas
    copy: int  # which of the entry's count
    stage: int
    pool: str  # of the snapshot; private pools are not assigned
    node: int  # index into the pool's free_by_node
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeValue:
    """What one more node of a pool is worth: requests it would place, and USD per hour it would save the others.

    `exact` by solving again with the node; otherwise the saving is what the prices of the solution say, at most.
    """

    places: tuple[tuple[str, str], ...]  # (namespace, name)
    saving_cost_per_hour: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUse:
    """GPUs of a shared pool: that may be used at all, and that plans take."""

    name: str
    capacity: int
    used: int
    one_more_node: NodeValue | None = None  # None: not asked, or the pool has no price


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """Cost and proof of the whole fleet. Only approved plans count.

    bound_cost_per_hour: no set of plans that serves the same requests by the same rules costs less.
    """

    cost_per_hour: float
    bound_cost_per_hour: float
    gap_percent: float
    status: SolveStatus  # OPTIMAL only with proof
    placed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDecision:
    """The outcome for a snapshot: one Decision for each request, ordered by namespace and name."""

    decisions: tuple[Decision, ...]
    assignments: tuple[Assignment, ...]
    pools: tuple[PoolUse, ...]
    report: FleetReport
