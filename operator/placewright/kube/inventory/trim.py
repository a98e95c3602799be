"""What the operator keeps in memory of a Node or a Pod: the fields that this package reads, and nothing else.

A large cluster has 20,000 Pods of 10 KB and more; trimmed, those with GPUs take some hundred bytes each and the others
nothing. Equal trimmed objects mean that nothing changed which a pool depends on.
"""

from collections.abc import Mapping
from sys import intern
from typing import Any, Final

from placewright.kube.client import Json
from placewright.kube.inventory.facts import PRICE_KEY
from placewright.kube.inventory.resources import GPU_RESOURCES, REQUEST_LABEL, TERMINAL

_VENDORS: Final = ("nvidia.com/", "amd.com/")
# Changes each time that it is written, and no pool depends on it.
_VOLATILE_LABELS: Final = frozenset({"nvidia.com/gfd.timestamp"})


def trim_node(node: Json) -> Json:
    """Return a Node with its name, labels, price annotation, taints, GPUs, readiness, and whether it is on its way out.

    All labels stay: the selector of a GPUPool may ask for any of them.
    """
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    kept: Json = {"name": metadata["name"], "labels": _labels(metadata)}
    price = (metadata.get("annotations") or {}).get(PRICE_KEY)
    if price is not None:
        kept["annotations"] = {PRICE_KEY: price}
    if metadata.get("deletionTimestamp"):
        kept["deletionTimestamp"] = metadata["deletionTimestamp"]
    return {"metadata": kept, "spec": _node_spec(spec), "status": _node_status(status)}


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    labels: Mapping[str, str] = metadata.get("labels") or {}
    return {intern(key): intern(value) for key, value in labels.items() if key not in _VOLATILE_LABELS}


def _node_spec(spec: Mapping[str, Any]) -> Json:
    kept: Json = {}
    if spec.get("unschedulable"):
        kept["unschedulable"] = True
    taints = [
        {name: intern(taint[name]) for name in ("key", "value", "effect") if taint.get(name)}
        for taint in spec.get("taints") or ()
    ]
    if taints:
        kept["taints"] = taints
    return kept


def _node_status(status: Mapping[str, Any]) -> Json:
    allocatable = {
        intern(resource): quantity
        for resource, quantity in (status.get("allocatable") or {}).items()
        if resource.startswith(_VENDORS)
    }
    conditions = [
        {"type": "Ready", "status": intern(each.get("status", "Unknown"))}
        for each in status.get("conditions") or ()
        if each.get("type") == "Ready"
    ]
    return {"allocatable": allocatable, "conditions": conditions}


def trim_pod(pod: Json) -> Json | None:
    """Return a Pod with its namespace, name, Node and phase, and the GPUs of its containers.

    None for a Pod that takes nothing away from a pool: it requests no GPUs, stands on no Node yet, has ended, or is
    ours. Such Pods are most of a cluster, and what happens to them is no news.
    """
    metadata, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    kept = _pod_spec(spec)
    phase = status.get("phase", "")
    if "nodeName" not in kept or len(kept) == 1 or phase in TERMINAL or REQUEST_LABEL in (metadata.get("labels") or {}):
        return None
    trimmed: Json = {"metadata": {name: metadata[name] for name in ("namespace", "name") if name in metadata}}
    return {**trimmed, "spec": kept, "status": {"phase": intern(phase)}}


def _pod_spec(spec: Mapping[str, Any]) -> Json:
    kept: Json = {}
    if spec.get("nodeName"):
        kept["nodeName"] = intern(spec["nodeName"])
    for part in ("initContainers", "containers"):
        containers = [one for container in spec.get(part) or () if (one := _container(container))]
        if containers:
            kept[part] = containers
    overhead = _gpus(spec.get("overhead"))
    if overhead:
        kept["overhead"] = overhead
    return kept


def _container(container: Mapping[str, Any]) -> Json:
    """A container's GPUs, and whether it is a sidecar; empty without GPUs."""
    resources = container.get("resources") or {}
    gpus = {part: found for part in ("requests", "limits") if (found := _gpus(resources.get(part)))}
    if not gpus:
        return {}
    kept: Json = {"resources": gpus}
    if container.get("restartPolicy"):
        kept["restartPolicy"] = container["restartPolicy"]
    return kept


def _gpus(quantities: Mapping[str, Any] | None) -> Json:
    return {resource: quantities[resource] for resource in GPU_RESOURCES if quantities and resource in quantities}
