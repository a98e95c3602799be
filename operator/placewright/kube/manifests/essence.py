"""What the Pods of a workload are started with, rendered or read from a cluster."""

from collections.abc import Mapping
from typing import Any

from placewright.kube.inventory.resources import GPU_RESOURCES
from placewright.kube.manifests.names import digest

Json = Mapping[str, Any]


def essence_of(kind: str, spec: Json) -> str:
    """Digest of what the Pods are started with: a hand that changes it changes what serves.

    Only text that the API server stores as it was given takes part, so it is the same rendered and read.

    Args:
        kind: of the workload.
        spec: of the workload.
    """
    parts = []
    for count, template in templates_of(kind, spec):
        for container in (template.get("spec") or {}).get("containers") or ():
            env = [[each["name"], each["value"]] for each in container.get("env") or () if each.get("value")]
            limits = (container.get("resources") or {}).get("limits") or {}
            gpus = {name: str(limits[name]) for name in GPU_RESOURCES if name in limits}
            parts.append([count, container.get("image"), container.get("command"), container.get("args"), env, gpus])
    return digest(parts)


def templates_of(kind: str, spec: Json) -> list[tuple[int, Json]]:
    """Pod templates with how many Pods of a replica each has."""
    if kind != "LeaderWorkerSet":
        return [(1, spec.get("template") or {})]
    group: Json = spec.get("leaderWorkerTemplate") or {}
    size, worker = group.get("size") or 1, group.get("workerTemplate") or {}
    return [(1, group.get("leaderTemplate") or worker), (size - 1, worker)]
