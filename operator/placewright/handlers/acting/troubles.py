"""Why replicas do not get Ready: Pods are read only of those that take long, and only now and then."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, Protocol

from placewright.handlers.acting.looks import Look
from placewright.handlers.acting.observing import Server, server_of
from placewright.handlers.cache import Json
from placewright.kube.client import ApiError, Kind, Page, UnreachableError
from placewright.kube.pod_trouble import pod_trouble, pods_of
from placewright.kube.workloads import Key as Target
from placewright.kube.workloads import Workload

log = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 20.0  # a replica that is so young is not in trouble yet
_AGAIN_SECONDS: Final = 20.0
_LEADER: Final = "leaderworkerset.sigs.k8s.io/worker-index"


class PodTransport(Protocol):
    """The seam: lists Pods (`KubeClient` does)."""

    def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        """Every object, page by page."""
        ...


class Troubles:
    """Reads Pods of workloads.

    Args:
        transport: the API server.
    """

    def __init__(self, transport: PodTransport) -> None:
        self._transport = transport
        self._known: dict[Target, tuple[float, str]] = {}

    async def told(self, look: Look, now: float, stopwatch: float) -> Look:
        """The look with what Pods say of units that are not Ready for long.

        Args:
            look: at a request.
            now: Unix seconds.
            stopwatch: seconds of a clock that does not go back.
        """
        if look.said is None or look.hold is not None:
            return look
        patience = min(_PATIENCE_SECONDS, look.said.rollout.deadline_seconds / 2.0)
        workloads = {each.name: each for each in look.workloads}
        running = list(look.running)
        for index, each in enumerate(running):
            late = each.up_since is None or now - each.up_since >= patience
            if each.ready < each.replicas and not each.trouble and late and each.name in workloads:
                running[index] = replace(each, trouble=await self._of(workloads[each.name], stopwatch))
        return look if running == list(look.running) else replace(look, running=tuple(running))

    async def servers(self, workload: Workload) -> tuple[Server, ...] | None:
        """The Pods of a workload that answer requests; None: they cannot be read."""
        pods = await self._pods(workload)
        if pods is None:
            return None
        return tuple(server_of(pod) for pod in pods if (pod["metadata"].get("labels") or {}).get(_LEADER, "0") == "0")

    async def _of(self, workload: Workload, stopwatch: float) -> str:
        at, told = self._known.get(workload.key, (float("-inf"), ""))
        if stopwatch - at >= _AGAIN_SECONDS:
            pods = await self._pods(workload)
            told = told if pods is None else pod_trouble(pods)
            self._known[workload.key] = stopwatch, told
        return told

    async def _pods(self, workload: Workload) -> list[Json] | None:
        try:
            return [pod async for page in self._transport.list_pages(pods_of(workload)) for pod in page.items]
        except (ApiError, UnreachableError) as error:
            log.warning("Pods cannot be read", extra={"namespace": workload.namespace, "error": str(error)})
            return None

    def keep(self, workloads: set[Target]) -> None:
        """Forgets all others."""
        self._known = {key: known for key, known in self._known.items() if key in workloads}
