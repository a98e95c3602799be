"""What a LeaderWorkerSet's Pods are, as the TEST CONTROLLER of `tests.support.acting_controller` makes them: pure.

Labels, names, environment, order of a rolling update and status follow the real controller's reference.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Json = dict[str, Any]

NAME: Final = "placewright.dev/test-controller"
MADE_BY: Final = "placewright.dev/made-by"
SET_LABEL: Final = "leaderworkerset.sigs.k8s.io/name"
GROUP_LABEL: Final = "leaderworkerset.sigs.k8s.io/group-index"
WORKER_LABEL: Final = "leaderworkerset.sigs.k8s.io/worker-index"
REVISION_LABEL: Final = "leaderworkerset.sigs.k8s.io/template-revision-hash"
SIZE_ANNOTATION: Final = "leaderworkerset.sigs.k8s.io/size"
_SAYS: Final = f"said by {NAME}"


def owner_uid(item: Json) -> str:
    """The uid of what controls an object; empty: nothing does."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((str(each["uid"]) for each in owners if each.get("controller")), "")


def is_ready(pod: Json) -> bool:
    """Whether a Pod is Ready, and not on its way out."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def wanted_pods(owner: Json) -> list[Json]:
    """All Pods of a LeaderWorkerSet: for each replica a leader NAME-GROUP and workers NAME-GROUP-WORKER."""
    size = _size(owner)
    return [_pod(owner, group, worker) for group in range(_replicas(owner)) for worker in range(size)]


def going_pods(owner: Json, pods: Iterable[Json]) -> list[Json]:
    """Pods to be deleted: of groups that are too many, that lost a Pod, or whose turn in a rolling update it is."""
    groups = _by_group(pods)
    wanted = {index: members for index, members in groups.items() if index < _replicas(owner)}
    gone = [index for index in groups if index not in wanted]
    broken = [index for index, members in wanted.items() if any(_ended(pod) for pod in members)]
    old = [index for index, members in wanted.items() if _revision_of(members) != revision(owner)]
    ready = [index for index, members in wanted.items() if _group_ready(owner, members)]
    turn = [index for index in old if index not in ready]
    if len(ready) == _replicas(owner):
        turn = old and [max(old)]  # one at a time, the last one first
    leaving = {*gone, *broken, *turn}
    return [pod for index in sorted(leaving) for pod in groups[index] if "deletionTimestamp" not in pod["metadata"]]


def group_status(owner: Json, pods: Iterable[Json]) -> Json:
    """The status of a LeaderWorkerSet from what its Pods really are."""
    groups = _by_group(pods)
    ready = sum(_group_ready(owner, members) for members in groups.values())
    updated = sum(_revision_of(members) == revision(owner) for members in groups.values())
    done = ready == updated == len(groups) == _replicas(owner)
    reason = "AllGroupsReady" if done else "GroupsProgressing"
    leaders = f"{SET_LABEL}={owner['metadata']['name']},{WORKER_LABEL}=0"
    return {
        "replicas": len(groups),
        "readyReplicas": ready,
        "updatedReplicas": updated,
        "observedGeneration": owner["metadata"]["generation"],
        "hpaPodSelector": leaders,
        "conditions": with_times(
            owner, owner.get("status"), ("Available", done, reason), ("Progressing", not done, reason)
        ),
    }


def headless_service(owner: Json) -> Json:
    """The Service by which the Pods of a LeaderWorkerSet find each other."""
    name = owner["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": {MADE_BY: NAME}, "ownerReferences": [_reference(owner)]},
        "spec": {"clusterIP": "None", "selector": {SET_LABEL: name}, "publishNotReadyAddresses": True},
    }


def with_times(item: Json, said: Mapping[str, Any] | None, *given: tuple[str, bool, str]) -> list[Json]:
    """Conditions (type, whether it is True, reason); one that says what it said before keeps its time."""
    before = {each["type"]: each for each in (said or {}).get("conditions") or ()}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = []
    for kind, true, reason in given:
        status, known = "True" if true else "False", before.get(kind, {})
        since = known["lastTransitionTime"] if known.get("status") == status else now
        told = {"type": kind, "status": status, "reason": reason, "message": _SAYS, "lastTransitionTime": since}
        found.append({**told, "observedGeneration": item["metadata"]["generation"]})
    return found


def revision(owner: Json) -> str:
    """A hash of what starts the Pods; the number of replicas is no part of it."""
    text = json.dumps(owner["spec"]["leaderWorkerTemplate"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _pod(owner: Json, group: int, worker: int) -> Json:
    template = owner["spec"]["leaderWorkerTemplate"]
    part = template["workerTemplate"] if worker else template.get("leaderTemplate") or template["workerTemplate"]
    body: Json = copy.deepcopy({"apiVersion": "v1", "kind": "Pod", **part})
    name, size = owner["metadata"]["name"], _size(owner)
    metadata = body.setdefault("metadata", {})
    metadata["name"] = f"{name}-{group}-{worker}" if worker else f"{name}-{group}"
    metadata["ownerReferences"] = [_reference(owner)]
    metadata["labels"] = {
        **metadata.get("labels", {}),
        SET_LABEL: name,
        GROUP_LABEL: str(group),
        WORKER_LABEL: str(worker),
        REVISION_LABEL: revision(owner),
    }
    metadata["annotations"] = {**metadata.get("annotations", {}), SIZE_ANNOTATION: str(size), MADE_BY: NAME}
    address = f"{name}-{group}.{name}.{owner['metadata']['namespace']}"
    told = {"LWS_LEADER_ADDRESS": address, "LWS_GROUP_SIZE": str(size), "LWS_WORKER_INDEX": str(worker)}
    for container in body["spec"]["containers"]:
        given = [{"name": key, "value": value} for key, value in told.items()]
        container["env"] = [*given, *container.get("env", ())]  # first, as others refer to them
    return body


def _reference(owner: Json) -> Json:
    given = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {**given, **named, "controller": True, "blockOwnerDeletion": True}


def _by_group(pods: Iterable[Json]) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    for pod in pods:
        found.setdefault(int(pod["metadata"]["labels"][GROUP_LABEL]), []).append(pod)
    return found


def _group_ready(owner: Json, members: list[Json]) -> bool:
    return len(members) == _size(owner) and all(is_ready(pod) for pod in members)


def _revision_of(members: list[Json]) -> str:
    return str(members[0]["metadata"]["labels"][REVISION_LABEL])


def _ended(pod: Json) -> bool:
    """Deleted or failed: the whole group starts anew (restart policy RecreateGroupOnPodRestart)."""
    return "deletionTimestamp" in pod["metadata"] or (pod.get("status") or {}).get("phase") == "Failed"


def _replicas(owner: Json) -> int:
    return int(owner["spec"].get("replicas", 1))


def _size(owner: Json) -> int:
    return int(owner["spec"]["leaderWorkerTemplate"].get("size", 1))
