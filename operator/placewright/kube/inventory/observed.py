"""What is known of a GPUPool after a look at the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from placewright.api.conditions import Condition
from placewright.core import model as core


class LeftOut(NamedTuple):
    """A Node that the selector takes and that is not used.

    Attributes:
        node: its name.
        reason: a word, and more after a colon where there is more to say: "Cordoned", "MIG: ...".
    """

    node: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPrice:
    """What a GPU of the pool costs.

    Attributes:
        per_gpu_hour: USD.
        source: Spec, PriceSource, PolicyTable, NodeLabel or InstanceTypes.
        as_of: since when it holds; None: its source does not say.
        detail: which source, policy, Node or instance type; empty for Spec.
        stale: why it is stale, in one line; empty: it is not.
    """

    per_gpu_hour: float
    source: str
    as_of: datetime | None = None
    detail: str = ""
    stale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPool:
    """A GPUPool and the GPUs that plans may take of it.

    Attributes:
        name: of the GPUPool.
        labels: of the GPUPool, for selectors of requests.
        generation: of the spec that was read.
        pool: for the core, with `shared` set; None: it cannot be used, and the conditions say why. With no usable
            Node it has 0 nodes, so that planning can say what one would be worth.
        price: None: nobody knows one.
        node_names: in the order of `pool.free_by_node`; empty for declared stock.
        capacity: GPUs that plans may take.
        held_by_others: GPUs of the pool's Nodes that Pods of others hold; they are no part of capacity.
        left_out: Nodes that the selector takes and that are not used, ordered by name.
        conditions: Ready, and one for each thing that somebody should look at.
    """

    name: str
    labels: Mapping[str, str]
    generation: int
    pool: core.Pool | None
    price: ObservedPrice | None
    node_names: tuple[str, ...]
    capacity: int
    held_by_others: int
    left_out: tuple[LeftOut, ...]
    conditions: tuple[Condition, ...]
