"""A PlacementPolicy: ceilings of cost for the fleet and its namespaces, limits of every request's gates, prices."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Dollars, Inert, Label, StatusPart, Time, list_map
from placewright.api.gates_spec import DriftPercent, Ratio
from placewright.api.hardware import PRICE_MAX, GpuName
from placewright.api.idle_spec import PolicyIdle
from placewright.api.policy_inputs import PolicyInputs
from placewright.api.price_sources import MAX_PRICE_STATES, MAX_SOURCES, LivePriceState, PriceSource, PriceSourceState
from placewright.api.resource import ObjectMeta
from placewright.api.rollout_spec import PolicyRollout
from placewright.api.status import Condition

MAX_NAMESPACES: Final = 1000
MAX_PRICES: Final = 1000


class NamespaceCeiling(Inert):
    """Most that all plans of a namespace may cost."""

    name: Label
    """Name of the namespace."""
    max_cost_per_hour: Dollars
    """Most USD per hour of all plans in the namespace."""


class PolicyGates(Inert):
    """Limits for the plan of every request. A request without such a gate gets it; one with it may only be stricter."""

    max_cost_per_million_tokens: Dollars | None = None
    """Most USD per million tokens."""
    max_cost_per_hour: Dollars | None = None
    """Most USD per hour of one plan."""
    max_cost_to_revenue_ratio: Ratio | None = None
    """Most that a plan may cost of what its model earns; 0.3 is 30 cents of every dollar. A request that does not say
    what its model earns has no usable figure: onUnknown decides."""
    max_quantization_drift_percent: float | None = Field(default=None, ge=0, le=100)
    """Most measured loss of quality in percent."""
    max_observed_cost_drift_percent: DriftPercent | None = None
    """How far the observed cost per token may be above the predicted one, in percent. A request whose tokens nobody
    counts has no usable figure: onUnknown decides."""
    on_violation: Literal["Block", "Warn"] | None = None
    """Least that a failed gate does; Block wins over a request's Warn. The request decides when left out."""
    on_unknown: Literal["Block", "Warn", "Pass"] | None = None
    """Least that a gate without a usable figure does; Block wins over Warn, and Warn over Pass. The request decides
    when left out."""


class Price(Inert):
    """What GPUs of a kind cost. A price that names more of what is known of a pool wins over one that names less."""

    gpu: GpuName
    """Key of the GPU catalog, or the name of an accelerator."""
    capacity_type: Literal["OnDemand", "Spot", "Reserved"] | None = None
    """How the Nodes are bought; any way when left out."""
    zone: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Zone of the Nodes (topology.kubernetes.io/zone); any when left out."""
    instance_type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Instance type of the Nodes (node.kubernetes.io/instance-type); any when left out."""
    price_per_gpu_hour: float = Field(gt=0, le=PRICE_MAX)
    """USD per GPU and hour."""
    as_of: Time | None = None
    """Since when the price holds, such as 2026-11-21T10:00:00Z; status and plans show it."""


class PlacementPolicySpec(Inert):
    """Ceilings, limits of gates, and prices. Where several policies speak, the strictest limit counts."""

    max_cost_per_hour: Dollars | None = None
    """Most USD per hour of all plans of the cluster; no ceiling when left out."""
    namespaces: list[NamespaceCeiling] | None = Field(
        default=None, max_length=MAX_NAMESPACES, json_schema_extra=list_map("name")
    )
    """Ceilings of single namespaces."""
    gates: PolicyGates | None = None
    """Limits for the plan of every request; none when left out."""
    inputs: PolicyInputs | None = None
    """Where live figures are read, and which queries requests may bring themselves."""
    rollout: PolicyRollout | None = None
    """How rollouts go, and how much of the fleet may move at once."""
    idle: PolicyIdle | None = None
    """When models idle and what then, for requests that do not say it."""
    electricity_price_per_kwh: float | None = Field(default=None, gt=0, le=1000)
    """USD per kWh, for what a limit of the GPUs' power would save; that is not suggested when left out. The first
    policy by name that says it counts."""
    prices: list[Price] | None = Field(
        default=None, max_length=MAX_PRICES, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Prices of GPUPools that give none themselves. The entry that names most of what is known of a Node counts; of
    equal ones that of the policy whose name comes first, then the first."""
    price_sources: list[PriceSource] | None = Field(
        default=None, max_length=MAX_SOURCES, json_schema_extra=list_map("name")
    )
    """Where prices come from that change: files, ConfigMaps, OpenCost, Prometheus. The price of a source wins over an
    entry of prices that names as much of a Node."""


class PlacementPolicy(Inert):
    """Ceilings of cost, limits of gates and prices for all requests."""

    model_config = ConfigDict(title="PlacementPolicy")

    api_version: Literal["placewright.dev/v1alpha1"]
    kind: Literal["PlacementPolicy"]
    metadata: ObjectMeta
    spec: PlacementPolicySpec
    status: dict[str, Any] | None = None


class NamespaceCost(StatusPart):
    """What the plans of a namespace cost."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the namespace."""
    cost_per_hour: float
    """USD per hour of all its plans."""


class PlacementPolicyStatus(StatusPart):
    """What the plans under the policy cost."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the policy is seen."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] | None = None
    """Ready, with PolicyInForce, or InvalidSpec when the policy cannot be used."""
    cost_per_hour: float | None = None
    """USD per hour of all plans of the cluster."""
    namespaces: (
        Annotated[list[NamespaceCost], Field(max_length=MAX_NAMESPACES, json_schema_extra=list_map("name"))] | None
    ) = None
    """What the plans of each namespace with a ceiling cost."""
    price_sources: (
        Annotated[list[PriceSourceState], Field(max_length=MAX_SOURCES, json_schema_extra=list_map("name"))] | None
    ) = None
    """How the sources of prices are doing."""
    prices: (
        Annotated[
            list[LivePriceState],
            Field(max_length=MAX_PRICE_STATES, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """What the sources' prices are that count, and what is held back; it is where a restarted operator goes on."""
