"""Taints and tolerations, by Kubernetes' rules."""

from collections.abc import Iterable, Sequence
from typing import Final

from placewright.api.gpu_pool import Toleration
from placewright.kube.inventory.facts import Taint
from placewright.kube.inventory.resources import GPU_RESOURCES

# A Node that is not ready, cannot be reached or is cordoned is left out for that reason, with or without its taint.
_COVERED: Final = frozenset(
    {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable"}
)

# What the ExtendedResourceToleration admission adds to every Pod that requests GPUs.
_ADMITTED: Final = tuple(Toleration(key=key, operator="Exists", effect="NoSchedule") for key in GPU_RESOURCES)


def intolerable(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> str:
    """Return the first taint that keeps the Pods of a pool away, as `key=value:effect`; empty when there is none."""
    for taint in taints:
        if taint.key in _COVERED:
            continue
        if not any(tolerates(toleration, taint) for toleration in (*_ADMITTED, *tolerations)):
            value = f"={taint.value}" if taint.value else ""
            return f"{taint.key}{value}:{taint.effect}"
    return ""


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Say whether a toleration covers a taint."""
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key is not None and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value
