"""GPUs that Pods hold on Nodes, counted as the scheduler counts them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from placewright.kube.client import Json

GPU_RESOURCES: Final = ("nvidia.com/gpu", "amd.com/gpu")
"""Extended resources that stand for whole GPUs."""

REQUEST_LABEL: Final = "placewright.dev/request"
"""Pods with this label are ours: what they hold is allocated to a request."""

TERMINAL: Final = frozenset({"Succeeded", "Failed"})
"""Phases in which a Pod holds nothing any more."""

_LONGEST: Final = 18
_SUFFIXES: Final = {"k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20}


def whole(quantity: object) -> int:
    """Read the quantity of an extended resource, a whole number such as "8" or "1k"; 0 for anything else."""
    text = str(quantity).strip()
    if len(text) > _LONGEST:
        return 0
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix) and text.removesuffix(suffix).isdecimal():
            return int(text.removesuffix(suffix)) * factor
    return int(text) if text.isascii() and text.isdecimal() else 0


def held_by_others(pods: Iterable[Json]) -> dict[tuple[str, str], int]:
    """Return the GPUs that Pods without our label hold, by (Node, resource).

    Pods that have ended hold nothing, and so do Pods that stand on no Node yet. A Pod that is being deleted holds its
    GPUs until it is gone.
    """
    held: dict[tuple[str, str], int] = {}
    for pod in pods:
        spec = pod.get("spec") or {}
        node = spec.get("nodeName")
        if not node or (pod.get("status") or {}).get("phase") in TERMINAL:
            continue
        if REQUEST_LABEL in ((pod.get("metadata") or {}).get("labels") or {}):
            continue
        for resource in GPU_RESOURCES:
            gpus = requested(spec, resource)
            if gpus:
                held[node, resource] = held.get((node, resource), 0) + gpus
    return held


def requested(spec: Mapping[str, Any], resource: str) -> int:
    """Return what a Pod requests of an extended resource, as the scheduler counts it.

    Sidecars (init containers that restart always) run beside the containers; every other init container runs beside
    the sidecars that were started before it, alone. Resources at the level of the Pod are left out: Kubernetes takes
    only cpu, memory and hugepages there.
    """
    running = sum(_of_container(container, resource) for container in spec.get("containers") or ())
    sidecars = starting = 0
    for container in spec.get("initContainers") or ():
        gpus = _of_container(container, resource)
        if container.get("restartPolicy") == "Always":
            sidecars += gpus
            starting = max(starting, sidecars)
        else:
            starting = max(starting, sidecars + gpus)
    overhead = (spec.get("overhead") or {}).get(resource, 0)
    return max(running + sidecars, starting) + (whole(overhead) if overhead else 0)


def _of_container(container: Mapping[str, Any], resource: str) -> int:
    resources = container.get("resources")
    if not resources:
        return 0
    for part in ("requests", "limits"):  # limits stand for requests that are left out
        quantity = (resources.get(part) or {}).get(resource)
        if quantity is not None:
            return whole(quantity)
    return 0
