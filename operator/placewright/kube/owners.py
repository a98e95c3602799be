"""What else scales a workload: a HorizontalPodAutoscaler or a ScaledObject of KEDA. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from placewright.kube.client import Json
from placewright.kube.workloads import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasOwner:
    """Something that sets the replicas of a workload.

    Attributes:
        target: the workload.
        title: kind and name of what sets them.
    """

    target: Key
    title: str


def autoscaler_of(body: Json) -> ReplicasOwner:
    """What a HorizontalPodAutoscaler scales."""
    return _owner("HorizontalPodAutoscaler", body)


def scaled_object_of(body: Json) -> ReplicasOwner:
    """What a ScaledObject scales: a Deployment where it says nothing else."""
    return _owner("ScaledObject", body)


def replicas_owner(target: Key, autoscalers: Iterable[ReplicasOwner], scaled_objects: Iterable[ReplicasOwner]) -> str:
    """Kind and name of what sets the replicas of a workload; empty: nothing else does.

    KEDA makes an autoscaler for each ScaledObject; the ScaledObject is what its people know.
    """
    return next((each.title for each in (*scaled_objects, *autoscalers) if each.target == target), "")


def owners_by_target(autoscalers: Iterable[ReplicasOwner], scaled_objects: Iterable[ReplicasOwner]) -> dict[Key, str]:
    """The same for all workloads at once."""
    return {each.target: each.title for each in (*autoscalers, *scaled_objects)}


def _owner(kind: str, body: Json) -> ReplicasOwner:
    target: Json = (body.get("spec") or {}).get("scaleTargetRef") or {}
    metadata: Json = body["metadata"]
    return ReplicasOwner(
        target=(metadata.get("namespace", ""), target.get("kind") or "Deployment", target.get("name", "")),
        title=f"{kind} {metadata['name']}",
    )
