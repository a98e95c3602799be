"""A GPUPool: GPUs of one kind that several requests share, found from Nodes or declared, and what is free of them."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import Inert, Key, Label, LabelKey, StatusPart, list_map, rule, rules
from placewright.api.hardware import (
    LINKS_WITH_ACCELERATOR,
    PRICE_MAX,
    Accelerator,
    GpuName,
    Interconnect,
    LabelSelector,
)
from placewright.api.resource import ObjectMeta
from placewright.api.status import Condition, Message, Time

MAX_ALLOCATIONS: Final = 1000
MAX_LEFT_OUT: Final = 50
MAX_PLACES: Final = 10


class Stock(Inert):
    """GPUs that are declared instead of found from Nodes."""

    nodes: int = Field(ge=1, le=100_000)
    """Nodes in the pool."""
    gpus_per_node: int = Field(ge=1, le=1024)
    """GPUs of one node; a tensor-parallel group never leaves a node."""


class Toleration(Inert):
    """A taint of Nodes that the pool puts up with, as a Pod's toleration has it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "wants Exists when there is no key",
                field_path=".operator",
            ),
            rule(
                "!has(self.value) || !has(self.operator) || self.operator != 'Exists'",
                "wants nothing beside operator Exists",
                field_path=".value",
            ),
        )
    )

    key: LabelKey | None = None
    """Key of the taint; every key when left out, with operator Exists."""
    operator: Literal["Exists", "Equal"] | None = None
    """Equal compares the value, Exists does not; Equal when left out."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; every effect when left out."""


class GPUPoolSpec(Inert):
    """Which GPUs the pool has, and what they cost."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.stock) != has(self.nodeSelector)",
                "wants exactly one of stock (declared GPUs) and nodeSelector (the GPUs of Nodes)",
                field_path=".stock",
            ),
            rule(
                "!has(self.gpu) || !has(self.accelerator)",
                "wants no gpu beside it",
                field_path=".accelerator",
            ),
            rule(
                "!has(self.stock) || has(self.gpu) || has(self.accelerator)",
                "wants a key of the GPU catalog, or accelerator, beside stock",
                field_path=".gpu",
            ),
            rule(
                "!has(self.tolerations) || self.tolerations.size() == 0 || has(self.nodeSelector)",
                "wants nodeSelector beside it",
                field_path=".tolerations",
            ),
            LINKS_WITH_ACCELERATOR,
        )
    )

    gpu: GpuName | None = None
    """Key of the built-in GPU catalog, such as L40S. Needed with stock, unless accelerator is given; with nodeSelector
    the Nodes say it, and when it is given Nodes with other GPUs are left out."""
    accelerator: Accelerator | None = None
    """All facts of a GPU that the catalog does not hold; in place of gpu."""
    stock: Stock | None = None
    """GPUs that are declared; or give nodeSelector."""
    node_selector: LabelSelector | None = None
    """Nodes whose GPUs the pool has, by their labels; or give stock."""
    tolerations: list[Toleration] | None = Field(
        default=None, max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """Taints that Nodes of the pool may have; a Node with another NoSchedule or NoExecute taint is left out."""
    price_per_gpu_hour: float | None = Field(default=None, gt=0, le=PRICE_MAX)
    """USD per GPU and hour. When left out: the price table of a PlacementPolicy, then what the Nodes say, then the
    catalog's table of instance types; a pool without any price is not used."""
    billing: Literal["PerGPU", "PerNode"] = "PerGPU"
    """Whether single GPUs (PerGPU) or whole nodes (PerNode) are paid for."""
    interconnect: Interconnect | None = None
    """Links between the GPUs; the catalog's figures when left out; needed with accelerator."""
    max_tensor_parallel: int = Field(default=8, ge=1, le=1024)
    """Largest tensor-parallel degree in this pool."""


class GPUPoolMeta(ObjectMeta):
    """The metadata of a GPUPool; its name stands in plans, so it is short."""

    name: Label


class GPUPool(Inert):
    """GPUs of one kind that several requests share."""

    model_config = ConfigDict(title="GPUPool")

    api_version: Literal["placewright.dev/v1alpha1"]
    kind: Literal["GPUPool"]
    metadata: GPUPoolMeta
    spec: GPUPoolSpec
    status: dict[str, Any] | None = None


class PoolPrice(StatusPart):
    """What a GPU of the pool costs, and who says so."""

    per_gpu_hour: float
    """USD per GPU and hour."""
    source: Annotated[str, Field(max_length=512)]
    """Where it comes from: Spec, PriceSource or PolicyTable (of a PlacementPolicy), NodeLabel or InstanceTypes."""
    as_of: Time | None = None
    """Since when the price holds; absent when its source does not say."""


class Allocation(StatusPart):
    """GPUs of the pool that one request's plan takes."""

    namespace: Annotated[str, Field(max_length=63)]
    """Namespace of the request."""
    name: Annotated[str, Field(max_length=253)]
    """Name of the request."""
    gpus: int
    """GPUs that its plan takes."""


class LeftOutNode(StatusPart):
    """A Node that the selector takes, and whose GPUs are not used."""

    node: Key
    """Name of the Node."""
    reason: Message
    """Why."""


class OneMoreNode(StatusPart):
    """What one more node of the pool would be worth."""

    saving_cost_per_hour: float
    """USD per hour that the plans of the requests would save."""
    places: Annotated[list[Key], Field(max_length=MAX_PLACES)]
    """Requests without a plan that it would place, as namespace/name; ten at most."""
    exact: bool
    """Whether the figure is solved for; otherwise it is an estimate, and at most that much."""


class GPUPoolStatus(StatusPart):
    """What the pool has, and who takes it."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the pool is seen."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] | None = None
    """Ready, with NodesFound or StockDeclared when plans may use the pool; the rest are there only while they are true:
    NoNodesMatch, UnknownGPU, MixedGPUs, NodesClaimedTwice, NoPrice, PriceIgnored, PricesHeldBack, PricesStale,
    PricesDiffer, PriceOfOtherRegion, PriceOld, InvalidSpec."""
    gpu: Key | None = None
    """GPU kind."""
    nodes: int | None = None
    """Nodes whose GPUs are used."""
    gpus_per_node: int | None = None
    """GPUs of the largest node."""
    capacity: int | None = None
    """GPUs of these nodes that plans may take."""
    allocated: int | None = None
    """GPUs that plans take."""
    free: int | None = None
    """GPUs that no plan takes."""
    held_by_others: int | None = None
    """GPUs of these nodes that Pods of others hold; they are no part of capacity."""
    price: PoolPrice | None = None
    """What a GPU costs; absent when there is no price."""
    allocations: (
        Annotated[
            list[Allocation], Field(max_length=MAX_ALLOCATIONS, json_schema_extra={"x-kubernetes-list-type": "atomic"})
        ]
        | None
    ) = None
    """Requests whose plans take GPUs of the pool, largest first; the first 1000."""
    left_out: (
        Annotated[
            list[LeftOutNode], Field(max_length=MAX_LEFT_OUT, json_schema_extra={"x-kubernetes-list-type": "atomic"})
        ]
        | None
    ) = None
    """Nodes that the selector takes and that are not used; the first 50."""
    left_out_count: int | None = None
    """How many Nodes are left out."""
    one_more_node: OneMoreNode | None = None
    """What one more node would be worth; absent when it was not computed."""
