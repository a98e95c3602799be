"""The status of a GPUPool."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from placewright.api.conditions import rendered, timestamp
from placewright.api.figures import cut, figure
from placewright.api.gpu_pool import MAX_ALLOCATIONS, MAX_LEFT_OUT, MAX_PLACES
from placewright.api.status import MAX_MESSAGE
from placewright.core.model import NodeValue
from placewright.kube.client import Json
from placewright.kube.inventory.observed import ObservedPool, ObservedPrice


def pool_status(
    observed: ObservedPool,
    allocations: Mapping[tuple[str, str], int],
    previous: Mapping[str, Any] | None,
    now: datetime,
    *,
    one_more_node: NodeValue | None = None,
) -> Json:
    """Return the status; it equals `previous` when nothing changed, and then nothing needs to be written.

    Args:
        observed: the pool.
        allocations: GPUs that the plan of each request (namespace, name) takes of it; zeros are left out.
        previous: the status that stands there, for the transition times.
        now: for conditions that change.
        one_more_node: what one more node would be worth; None: not computed.
    """
    taken = sorted(((gpus, *owner) for owner, gpus in allocations.items() if gpus), key=lambda t: (-t[0], t[1:]))
    allocated = sum(gpus for gpus, _, _ in taken)
    status: Json = {
        "observedGeneration": observed.generation,
        "conditions": rendered(observed.conditions, generation=observed.generation, now=now, previous=previous),
        "capacity": observed.capacity,
        "allocated": allocated,
        "free": max(0, observed.capacity - allocated),
        "heldByOthers": observed.held_by_others,
        "allocations": [
            {"namespace": namespace, "name": name, "gpus": gpus} for gpus, namespace, name in taken[:MAX_ALLOCATIONS]
        ],
        "leftOut": [
            {"node": node, "reason": cut(reason, MAX_MESSAGE)} for node, reason in observed.left_out[:MAX_LEFT_OUT]
        ],
        "leftOutCount": len(observed.left_out),
    }
    if observed.pool is not None:
        status["gpu"] = observed.pool.gpu.name
        status["nodes"] = observed.pool.nodes
        status["gpusPerNode"] = observed.pool.gpus_per_node
    if observed.price is not None:
        status["price"] = _price(observed.price)
    if one_more_node is not None:
        status["oneMoreNode"] = _node_value(one_more_node)
    return status


def _price(price: ObservedPrice) -> Json:
    written: Json = {"perGPUHour": figure(price.per_gpu_hour), "source": price.source}
    if price.as_of is not None:
        written["asOf"] = timestamp(price.as_of)
    return written


def _node_value(value: NodeValue) -> Json:
    return {
        "savingCostPerHour": figure(value.saving_cost_per_hour),
        "places": [f"{namespace}/{name}" for namespace, name in value.places[:MAX_PLACES]],
        "exact": value.exact,
    }
