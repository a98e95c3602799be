"""Why Pods of a workload do not get Ready, in one line. Pure; Pods are read only when somebody wants to know."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from placewright.kube.client import Json, Kind
from placewright.kube.workloads import Workload, one_line

_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
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
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    status: Json = pod.get("status") or {}
    return next(iter(_of_containers(status)), "") or _of_scheduling(status) or _of_phase(status)


def _of_containers(status: Json) -> Iterator[str]:
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting: Json = (each.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if not reason or reason in _STARTING:
            continue
        ended: Json = (each.get("lastState") or {}).get("terminated") or {}
        if ended:  # a crash loop's own message says only how long it waits
            told = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode', '?')}"
        else:
            told = waiting.get("message", "")
        yield f"{reason}: {told}" if told else reason


def _of_scheduling(status: Json) -> str:
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return f"{each.get('reason', 'Unschedulable')}: {each.get('message', '')}".removesuffix(": ")
    return ""


def _of_phase(status: Json) -> str:
    if status.get("phase") != "Failed":
        return ""
    return f"{status.get('reason', 'Failed')}: {status.get('message', '')}".removesuffix(": ")
