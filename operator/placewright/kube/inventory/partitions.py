"""GPUs that are cut into slices or shared by several Pods: a plan wants whole ones, so such Nodes are kept out."""

import re
from collections.abc import Mapping
from typing import Final

from placewright.kube.inventory.resources import whole

_MIG_COUNT_LABEL: Final = re.compile(r"(nvidia\.com/mig-[0-9]+g\.[0-9]+gb[a-z0-9.+]*)\.count")
_AMD_MODE_LABEL: Final = "amd.com/compute-memory-partition"  # spx_nps1, cpx_nps4, ...
_AMD_PART: Final = re.compile(r"amd\.com/[cdqt]px_")
_NO_SHARING: Final = frozenset({"", "none"})


def partitioned(labels: Mapping[str, str], allocatable: Mapping[str, object]) -> str:
    """Say why the GPUs of a Node are no whole ones, "MIG: ...", "Partitioned: ...", "SharedGPUs: ..."; else nothing.

    nvidia.com/mig.strategy alone says nothing: the GPU operator sets it on every Node, whether a GPU is cut or not.
    """
    return _mig(labels, allocatable) or _amd_partition(labels, allocatable) or _shared(labels, allocatable)


def _mig(labels: Mapping[str, str], allocatable: Mapping[str, object]) -> str:
    product = labels.get("nvidia.com/gpu.product", "")
    if "-MIG-" in product:
        return f"MIG: {product}"
    for resource, quantity in allocatable.items():
        if resource.startswith("nvidia.com/mig-") and whole(quantity):
            return f"MIG: {resource} is allocatable"
    for label in labels:
        if label.startswith("nvidia.com/mig-") and _MIG_COUNT_LABEL.fullmatch(label) and whole(labels[label]):
            return f"MIG: {label}={labels[label]}"
    size = labels.get("cloud.google.com/gke-gpu-partition-size", "")
    return f"MIG: cloud.google.com/gke-gpu-partition-size={size}" if size else ""


def _amd_partition(labels: Mapping[str, str], allocatable: Mapping[str, object]) -> str:
    """SPX is one partition, the whole GPU; CPX, DPX, QPX and TPX are parts of it."""
    mode = labels.get(_AMD_MODE_LABEL, "")
    if mode and not mode.casefold().startswith("spx"):
        return f"Partitioned: {_AMD_MODE_LABEL}={mode}"
    for resource, quantity in allocatable.items():
        if _AMD_PART.match(resource) and whole(quantity):
            return f"Partitioned: {resource} is allocatable"
    return ""


def _shared(labels: Mapping[str, str], allocatable: Mapping[str, object]) -> str:
    product = labels.get("nvidia.com/gpu.product", "")
    if product.endswith("-SHARED"):
        return f"SharedGPUs: {product}"
    for label in ("nvidia.com/gpu.sharing-strategy", "cloud.google.com/gke-gpu-sharing-strategy"):
        strategy = labels.get(label, "")
        if strategy.casefold() not in _NO_SHARING:
            return f"SharedGPUs: {label}={strategy}"
    for label in ("nvidia.com/gpu.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu"):
        if whole(labels.get(label, 0)) > 1:
            return f"SharedGPUs: {label}={labels[label]}"
    if whole(allocatable.get("nvidia.com/gpu.shared", 0)):
        return "SharedGPUs: nvidia.com/gpu.shared is allocatable"
    return ""
