"""Workloads as the cluster holds them, cut down to what a decision needs. Pure: JSON in, values out.

Ours are found by owner reference to a request, not by name or label: a label anybody can write.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from placewright.core.model import Groups, Running
from placewright.kube.client import Json
from placewright.kube.inventory.resources import GPU_RESOURCES, requested
from placewright.kube.manifests.essence import essence_of, templates_of
from placewright.kube.manifests.names import LAYOUT_LABEL, MANAGER, PLAN_LABEL
from placewright.kube.manifests.stamps import (
    ADMITTED,
    APPLIED,
    POOLS,
    REPLICAS_BEFORE,
    TEMPLATE,
    TEMPLATE_GENERATION,
    UP_SINCE,
)

Key = tuple[str, str, str]
"""Namespace, kind and name of a workload."""

_LWS_NAME: Final = "leaderworkerset.sigs.k8s.io/name"
_LONGEST: Final = 300
_DIGITS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload at one moment.

    Attributes:
        kind: Deployment, LeaderWorkerSet or StatefulSet.
        namespace: it is in.
        name: its name.
        uid: tells it from an earlier one of its name.
        version: its resourceVersion.
        generation: of its spec; a new status leaves it alone.
        owner_uid: of its controller; empty: it has none.
        owner: kind and name of that.
        managed: whether it has our label.
        going: whether it is being deleted.
        replicas: that its spec asks for.
        ready: that are Ready for sure, of the present template where it is ours.
        template_generation: the generation that its template came with, where it is ours; 0 otherwise.
        layout: digest of its layout, as its Pods have it in a label; empty: they have none.
        plan_id: of the plan that it was applied for.
        pools: Pods of one replica by pool; None: it does not say.
        applied: digest of all that we applied with it last.
        template: digest of the template that we applied last.
        essence: digest of what its Pods are started with, as it stands; empty for what is not ours.
        admitted: that digest, where an admission webhook made something else of what we applied; empty: none did.
        up_since: when its replicas were raised last or its template changed, Unix seconds; None: nobody knows.
        replicas_before: before it began to give way or was reaped; None: neither.
        shape: Pods of one replica by its templates: (how many, GPUs of each), the leader first.
        pod_selector: labels of its Pods.
        trouble: what it says itself of why replicas are not Ready, in one line.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    owner_uid: str
    owner: str
    managed: bool
    going: bool
    replicas: int
    ready: int
    template_generation: int
    layout: str
    plan_id: str
    pools: Mapping[str, Groups] | None = field(hash=False)
    applied: str
    template: str
    essence: str
    admitted: str
    up_since: float | None
    replicas_before: int | None
    shape: tuple[tuple[int, int], ...]
    pod_selector: str
    trouble: str

    @property
    def key(self) -> Key:
        """Where it is."""
        return (self.namespace, self.kind, self.name)

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return sum(pods * gpus for pods, gpus in self.shape)

    def runs(self, wanted: tuple[str, str] | None) -> bool:
        """Whether its Pods are started as these digests want (`Move.wanted`), or as admission left that."""
        if wanted is None:
            return False
        return self.template == wanted[0] and self.essence in {wanted[1], self.admitted}

    @property
    def title(self) -> str:
        """As messages call it."""
        return f"{self.kind} {self.name}"


def workload_of(kind: str, body: Json) -> Workload:
    """Cut a workload down.

    Args:
        kind: a key of kinds.WORKLOADS; items of a LIST do not say it.
        body: as the API server has it.
    """
    metadata: Json = body["metadata"]
    spec: Json = body.get("spec") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    notes: Mapping[str, str] = metadata.get("annotations") or {}
    managed = labels.get("app.kubernetes.io/managed-by") == MANAGER
    controller: Json = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), {})
    replicas = _count(spec.get("replicas"), 1)
    template_generation = _number(notes.get(TEMPLATE_GENERATION, "")) or 0
    templates = templates_of(kind, spec)
    return Workload(
        kind=kind,
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
        generation=_count(metadata.get("generation"), 0),
        owner_uid=controller.get("uid", ""),
        owner=f"{controller.get('kind', '')} {controller.get('name', '')}".strip(),
        managed=managed,
        going="deletionTimestamp" in metadata,
        replicas=replicas,
        ready=_ready(body, replicas, template_generation if managed else None),
        template_generation=template_generation,
        layout=_layout(templates[0][1]),
        plan_id=labels.get(PLAN_LABEL, ""),
        pools=pools_of(notes.get(POOLS, "")) if managed else None,
        applied=notes.get(APPLIED, ""),
        template=notes.get(TEMPLATE, ""),
        essence=essence_of(kind, spec) if managed else "",
        admitted=notes.get(ADMITTED, ""),
        up_since=seconds_of(notes.get(UP_SINCE, "")),
        replicas_before=_number(notes.get(REPLICAS_BEFORE, "")),
        shape=tuple((count, _gpus(template)) for count, template in templates),
        pod_selector=_pod_selector(kind, metadata["name"], spec),
        trouble=_trouble(body),
    )


def running_of(
    workload: Workload,
    *,
    weight: float | None,
    pools: Mapping[str, Groups] | None = None,
    wanted: tuple[str, str] | None = None,
    up_since: float | None = None,
    trouble: str = "",
) -> Running:
    """What runs of a unit.

    Args:
        workload: of the unit.
        weight: its share by the route; None: no route shares the traffic.
        pools: Pods of one replica by pool, where the workload does not say (a workloadRef).
        wanted: digests of the template and of the essence that are wanted (`Move.wanted`); None: any is right.
        up_since: where the workload does not say (a workloadRef): when its rollout began.
        trouble: what its Pods say; what the workload itself says comes first.
    """
    return Running(
        name=workload.name,
        replicas=workload.replicas,
        ready=workload.ready,
        up_since=up_since if workload.up_since is None else workload.up_since,
        weight=weight,
        pools=workload.pools or pools or {},
        trouble=workload.trouble or trouble,
        stale=wanted is not None and not workload.runs(wanted),
        replicas_before=workload.replicas_before,
    )


def pools_of(text: str) -> dict[str, Groups] | None:
    """Read the annotation POOLS: `{"l40s": [[2, 1]]}`; None: it is not as we write it."""
    try:
        found: Any = json.loads(text)
        return {
            str(pool): tuple((_positive(gpus), _positive(pods)) for gpus, pods in groups)
            for pool, groups in found.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):  # anybody may write an annotation
        return None


def one_line(text: object) -> str:
    """The text in one line of at most 300 characters."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def seconds_of(text: str) -> float | None:
    """An RFC 3339 time as Unix seconds; None: it is none, or none that can be written again in UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC).timestamp() if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _ready(body: Json, replicas: int, template_generation: int | None) -> int:
    """Replicas that are Ready for sure.

    Of ours, only those of the present template count. The status counts Ready ones of all templates, and new ones
    whether Ready or not: as many new ones are Ready for sure as there are more of them than of those that are not
    Ready. Until its controller has seen the template, none is.

    Args:
        body: of the workload.
        replicas: that its spec asks for.
        template_generation: that the template came with, or would have, had it changed anything for the API server;
            None: all templates count.
    """
    status: Json = body.get("status") or {}
    ready, total = _count(status.get("readyReplicas"), 0), _count(status.get("replicas"), 0)
    if template_generation is None:
        return min(ready, replicas)
    if _count(status.get("observedGeneration"), 0) < min(
        template_generation, _count(body["metadata"].get("generation"), 0)
    ):
        return 0
    return max(0, min(_count(status.get("updatedReplicas"), 0) + ready - total, ready, replicas))


def _trouble(body: Json) -> str:
    """What the conditions of a Deployment say: refused Pods (quota, admission) first, then that it is stuck."""
    conditions = {each.get("type"): each for each in (body.get("status") or {}).get("conditions") or ()}
    refused, progressing = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if refused.get("status") == "True":
        return one_line(refused.get("message") or refused.get("reason", ""))
    if progressing.get("status") == "False":
        return one_line(progressing.get("message") or progressing.get("reason", ""))
    return ""


def _layout(template: Mapping[str, Any]) -> str:
    return str(((template.get("metadata") or {}).get("labels") or {}).get(LAYOUT_LABEL, ""))


def _gpus(template: Mapping[str, Any]) -> int:
    return sum(requested(template.get("spec") or {}, resource) for resource in GPU_RESOURCES)


def _pod_selector(kind: str, name: str, spec: Json) -> str:
    if kind == "LeaderWorkerSet":
        return f"{_LWS_NAME}={name}"
    selector: Json = spec.get("selector") or {}
    found = [f"{label}={value}" for label, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        key, values = term.get("key", ""), ",".join(term.get("values") or ())
        told = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        found.append(told.get(term.get("operator", ""), key))
    return ",".join(found)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) else default


def _positive(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("no count")
