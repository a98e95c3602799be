"""The kinds of the API: their names, types, texts and the columns of `kubectl get`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from placewright.api.base import Inert, StatusPart
from placewright.api.gpu_pool import GPUPool, GPUPoolSpec, GPUPoolStatus
from placewright.api.performance_profile import (
    PerformanceProfile,
    PerformanceProfileSpec,
    PerformanceProfileStatus,
)
from placewright.api.placement_policy import PlacementPolicy, PlacementPolicySpec, PlacementPolicyStatus
from placewright.api.resource import PlacementRequest
from placewright.api.spec import PlacementRequestSpec
from placewright.api.status import PlacementRequestStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of `kubectl get`; `type` is that of the CRD (string, integer, number, date)."""

    name: str
    type: str
    text: str
    path: str
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of the API.

    Attributes:
        name: as in `kind`.
        plural: as in the path of the API server.
        short: short name for kubectl.
        namespaced: whether its objects live in namespaces; otherwise they are cluster-wide.
        text: what it is for, in one sentence or two.
        resource: the type of a whole object.
        spec: the type of its spec.
        status: the type of its status.
        columns: of `kubectl get`, in order.
        short_names: whether its objects' names are DNS labels, of 63 characters at most.
    """

    name: str
    plural: str
    short: str
    namespaced: bool
    text: str
    resource: type[Inert]
    spec: type[Inert]
    status: type[StatusPart]
    columns: tuple[Column, ...]
    short_names: bool = False


def _condition(condition: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].{part}'


_AGE: Final = Column(name="Age", type="date", text="Time since creation", path=".metadata.creationTimestamp")

_REQUEST_COLUMNS: Final = (
    Column(name="Ready", type="string", text="Whether the plan may be used", path=_condition("Ready", "status")),
    Column(name="Reason", type="string", text="Why", path=_condition("Ready", "reason")),
    Column(name="Pool", type="string", text="Pools of the main layout", path=".status.plan.pool"),
    Column(name="Prec", type="string", text="Weight precision", path=".status.plan.precision"),
    Column(name="TP", type="integer", text="Tensor-parallel degree", path=".status.plan.tensorParallel"),
    Column(name="PP", type="integer", text="Pipeline stages", path=".status.plan.pipelineParallel"),
    Column(name="Replicas", type="integer", text="Replicas", path=".status.plan.replicas"),
    Column(name="GPUs", type="integer", text="GPUs of all replicas", path=".status.plan.totalGPUs"),
    Column(name="$/h", type="number", text="USD per hour", path=".status.plan.costPerHour"),
    Column(
        name="$/Mtok",
        type="number",
        text="USD per million tokens, of the demand when one is given and at full load otherwise",
        path=".status.plan.costPerMillionTokens",
    ),
    Column(name="Gates", type="string", text="Outcome of the gates", path=_condition("GatesPassed", "reason")),
    _AGE,
    Column(name="Model", type="string", text="Model to serve", path=".spec.model.name", wide=True),
    Column(name="Gap", type="number", text="Proved gap in percent", path=".status.solver.gapPercent", wide=True),
    Column(
        name="Demand",
        type="number",
        text="Requests per second that the plan serves",
        path=".status.plan.demandRequestsPerSecond",
        wide=True,
    ),
    Column(
        name="Ramp",
        type="number",
        text="Share of the traffic that the plan has taken, in percent",
        path=".status.ramp.percent",
        wide=True,
    ),
    Column(
        name="Applied",
        type="string",
        text="How far the plan is rolled out",
        path=_condition("Applied", "reason"),
        wide=True,
    ),
    Column(name="Idle", type="string", text="Whether the model idles", path=".status.idle.state", wide=True),
)
_POOL_COLUMNS: Final = (
    Column(name="Ready", type="string", text="Whether plans may use the pool", path=_condition("Ready", "status")),
    Column(name="GPU", type="string", text="GPU kind", path=".status.gpu"),
    Column(name="Nodes", type="integer", text="Nodes whose GPUs are used", path=".status.nodes"),
    Column(name="GPUs", type="integer", text="GPUs that plans may take", path=".status.capacity"),
    Column(name="Used", type="integer", text="GPUs that plans take", path=".status.allocated"),
    Column(name="Free", type="integer", text="GPUs that no plan takes", path=".status.free"),
    Column(name="$/GPUh", type="number", text="USD per GPU and hour", path=".status.price.perGPUHour"),
    Column(name="Source", type="string", text="Where the price comes from", path=".status.price.source"),
    _AGE,
    Column(name="Reason", type="string", text="Why", path=_condition("Ready", "reason"), wide=True),
    Column(name="LeftOut", type="integer", text="Nodes left out", path=".status.leftOutCount", wide=True),
)
_POLICY_COLUMNS: Final = (
    Column(name="$/h", type="number", text="USD per hour of all plans", path=".status.costPerHour"),
    Column(name="Max $/h", type="number", text="Ceiling in USD per hour", path=".spec.maxCostPerHour"),
    _AGE,
    Column(name="Ready", type="string", text="Whether it is in force", path=_condition("Ready", "status"), wide=True),
)
_PROFILE_COLUMNS: Final = (
    Column(name="Model", type="string", text="Model that the rows speak of", path=".spec.model"),
    Column(name="Rows", type="integer", text="Rows of the profile", path=".status.rows"),
    Column(name="Source", type="string", text="Where the rows come from", path=".spec.source"),
    _AGE,
    Column(name="Method", type="string", text="Measured or Fitted", path=".spec.method", wide=True),
    Column(name="Ready", type="string", text="Whether it can be used", path=_condition("Ready", "status"), wide=True),
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            name="PlacementRequest",
            plural="placementrequests",
            short="plr",
            namespaced=True,
            text="A PlacementRequest asks for the cheapest GPU layout of one model within its gates; its status holds"
            " the plan and the proof.",
            resource=PlacementRequest,
            spec=PlacementRequestSpec,
            status=PlacementRequestStatus,
            columns=_REQUEST_COLUMNS,
        ),
        Kind(
            name="GPUPool",
            plural="gpupools",
            short="gpool",
            namespaced=False,
            text="A GPUPool is GPUs of one kind that several requests share, found from Nodes or declared; its status"
            " says what is free, what it costs and who takes it.",
            resource=GPUPool,
            spec=GPUPoolSpec,
            status=GPUPoolStatus,
            columns=_POOL_COLUMNS,
            short_names=True,
        ),
        Kind(
            name="PlacementPolicy",
            plural="placementpolicies",
            short="ppol",
            namespaced=False,
            text="A PlacementPolicy holds ceilings of cost for the cluster and its namespaces, limits for the gates of"
            " every request, and prices of GPUs. A request may only be stricter.",
            resource=PlacementPolicy,
            spec=PlacementPolicySpec,
            status=PlacementPolicyStatus,
            columns=_POLICY_COLUMNS,
        ),
        Kind(
            name="PerformanceProfile",
            plural="performanceprofiles",
            short="pprof",
            namespaced=False,
            text="A PerformanceProfile holds measured or fitted rows of a model: what a replica of a configuration"
            " sustains on requests of one size.",
            resource=PerformanceProfile,
            spec=PerformanceProfileSpec,
            status=PerformanceProfileStatus,
            columns=_PROFILE_COLUMNS,
        ),
    )
}
"""All kinds by name; PlacementRequest first."""
