"""Why Pods of a workload do not get Ready, in one line. Pure; Pods are read only when somebody wants to know."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from placewright.kube.client import Json, Kind
from placewright.kube.workloads import Workload, one_line

_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_PULL: Final = "ErrImagePull: "
_PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
_PULLING_TITLE: Final = "ImagePullBackOff"
_CRASHING: Final = "CrashLoopBackOff"
_MOST: Final = 2


def pods_of(workload: Workload) -> Kind:
    """The Pods of a workload, to be listed."""
    return Kind(plural="pods", group="api/v1", label_selector=workload.pod_selector, namespace=workload.namespace)


def pod_trouble(pods: Iterable[Json]) -> str:
    """The most frequent troubles with their numbers of Pods, at most two; empty: none says anything."""
    told = Counter(line for pod in pods if (line := _of_pod(pod)))
    lines = [f"{count} Pod{'s' if count > 1 else ''}: {line}" for line, count in told.most_common(_MOST)]
    return one_line("; ".join(lines))


def _of_pod(pod: Json) -> str:
    status: Json = pod.get("status") or {}
    conditions = status.get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    if ready or "deletionTimestamp" in pod["metadata"]:
        return ""
    return next(iter(_of_containers(status)), "") or _of_scheduling(status) or _of_phase(status)


def _of_containers(status: Json) -> Iterator[str]:
    """The same words as long as the same is wrong: the kubelet's own go back and forth while it tries again."""
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state: Json = each.get("state") or {}
        waiting: Json = state.get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        ended: Json = state.get("terminated") or (each.get("lastState") or {}).get("terminated") or {}
        if reason in _PULLING:
            yield f"{_PULLING_TITLE}: {message.rpartition(_PULL)[2]}".removesuffix(": ")
        elif reason == _CRASHING or ended.get("exitCode", 0) != 0:
            told = f": {ended.get('reason', 'ended')}, exit code {ended['exitCode']}" if "exitCode" in ended else ""
            yield _CRASHING + told
        elif reason and reason not in _STARTING:
            yield f"{reason}: {message}".removesuffix(": ")


def _of_scheduling(status: Json) -> str:
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return f"{each.get('reason', 'Unschedulable')}: {each.get('message', '')}".removesuffix(": ")
    return ""


def _of_phase(status: Json) -> str:
    if status.get("phase") != "Failed":
        return ""
    return f"{status.get('reason', 'Failed')}: {status.get('message', '')}".removesuffix(": ")
