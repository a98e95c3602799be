"""The GPUs of a cluster: from GPUPools, Nodes and Pods as plain JSON to the core's pools. Pure functions.

`docs/pools.md` says how a pool finds its Nodes and its price, and what keeps a Node out.
"""

from placewright.kube.inventory.observe import observe_pools
from placewright.kube.inventory.observed import LeftOut, ObservedPool, ObservedPrice
from placewright.kube.inventory.status import pool_status
from placewright.kube.inventory.trim import trim_node, trim_pod

__all__ = [
    "LeftOut",
    "ObservedPool",
    "ObservedPrice",
    "observe_pools",
    "pool_status",
    "trim_node",
    "trim_pod",
]
