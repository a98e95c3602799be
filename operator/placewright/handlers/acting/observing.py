"""What runs, as the cluster shows it: our workloads, routes and Pods, targets of workloadRef, and who scales them.

Pods of ours are read always, for what they say of idling; all else only where the operator acts. A kind that the API
server does not serve has no objects.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any, Final

from placewright.handlers.cache import Json
from placewright.handlers.reflector import Reading, ReadTransport, Reflector
from placewright.kube.client import Kind
from placewright.kube.inventory.resources import REQUEST_LABEL
from placewright.kube.kinds import DEPLOYMENTS, HPAS, HTTP_ROUTES, LEADER_WORKER_SETS, SCALED_OBJECTS, WORKLOADS
from placewright.kube.manifests.names import LAYOUT_LABEL, ROLE_LABEL, SERVING
from placewright.kube.owners import ReplicasOwner, autoscaler_of, owners_by_target, scaled_object_of
from placewright.kube.routes import RouteState, route_of
from placewright.kube.workloads import Key as Target
from placewright.kube.workloads import Workload, seconds_of, workload_of

_SERVERS: Final = Kind(plural="pods", group="api/v1", label_selector=f"{LAYOUT_LABEL},{ROLE_LABEL}={SERVING}")
"""Pods of ours that answer requests, one of each replica."""


class Access(StrEnum):
    """Whether workloads of a namespace may be touched."""

    FULL = "Full"
    OFF = "Off"  # nobody allowed it
    REFUSED = "Refused"  # a right is missing
    PENDING = "Pending"  # not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A Pod of ours that answers requests.

    Attributes:
        namespace: it is in.
        request: the label with its request.
        layout: the label with its layout.
        name: of the Pod.
        started_at: Unix seconds; None: not yet.
        ready: whether it is Ready.
        going: whether it is being deleted.
    """

    namespace: str
    request: str
    layout: str
    name: str
    started_at: float | None
    ready: bool
    going: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All of it at one moment.

    Attributes:
        workloads: ours, by the namespace and uid of their request; a reference from elsewhere is none.
        targets: every workload that is known, by namespace, kind and name.
        routes: ours, likewise.
        owners: what else sets replicas, by the workload.
        servers: Pods that answer requests, by namespace and the request's label.
    """

    workloads: Mapping[tuple[str, str], tuple[Workload, ...]] = field(default_factory=dict)
    targets: Mapping[Target, Workload] = field(default_factory=dict)
    routes: Mapping[tuple[str, str], RouteState] = field(default_factory=dict)
    owners: Mapping[Target, str] = field(default_factory=dict)
    servers: Mapping[tuple[str, str], tuple[Server, ...]] = field(default_factory=dict)


class Observing:
    """Reads it.

    Args:
        transport: the API server.
        namespaces: that are served; empty: all.
        acts: those of them that are acted in, empty: all; None: nothing is acted.
        resync_seconds: between two full LISTs of each kind.

    Attributes:
        changed: called when there is something new to see.
    """

    def __init__(
        self,
        transport: ReadTransport,
        *,
        namespaces: tuple[str, ...],
        acts: tuple[str, ...] | None,
        resync_seconds: float,
    ) -> None:
        self._scopes = () if acts is None else acts or namespaces or ("",)
        self._served = namespaces or ("",)
        self._make = partial(Reflector, transport=transport, changed=self._news, resync_seconds=resync_seconds)
        self.changed: Callable[[], None] = _nobody
        self._observed: Observed | None = None
        self._workloads: list[Reflector[Any]] = [
            *self._reflectors(DEPLOYMENTS, partial(workload_of, "Deployment")),
            *self._reflectors(LEADER_WORKER_SETS, partial(workload_of, "LeaderWorkerSet")),
        ]
        self._routes = self._reflectors(HTTP_ROUTES, route_of)
        self._autoscalers = self._reflectors(HPAS, autoscaler_of)
        self._scaled = self._reflectors(SCALED_OBJECTS, scaled_object_of)
        self._servers = self._reflectors(_SERVERS, server_of, scopes=self._served)
        self._referred: dict[str, list[Reflector[Any]]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def _reflectors(
        self, kind: Kind, trim: Callable[[Json], Any], scopes: tuple[str, ...] | None = None
    ) -> list[Reflector[Any]]:
        found = self._scopes if scopes is None else scopes
        return [self._make(kind.inside(scope), trim=trim) for scope in found]

    @property
    def _all(self) -> list[Reflector[Any]]:
        referred = [each for some in self._referred.values() for each in some]
        return [*self._workloads, *self._routes, *self._autoscalers, *self._scaled, *self._servers, *referred]

    async def run(self) -> None:
        """Reads until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for reflector in self._all:
                tasks.create_task(reflector.run())
            await asyncio.Event().wait()

    def follow(self, kinds: Iterable[str]) -> None:
        """Reads workloads of these kinds whosever they are, from now on: a workloadRef names one."""
        for name in kinds:
            if name in self._referred:
                continue
            kind = replace(WORKLOADS[name], label_selector="")
            self._referred[name] = self._reflectors(kind, partial(workload_of, name))
            if self._tasks is not None:
                for reflector in self._referred[name]:
                    self._tasks.create_task(reflector.run())

    def access(self, namespace: str) -> tuple["Access", str]:
        """Whether workloads of a namespace may be touched, and why not in one line."""
        asked = [each for each in self._all if each.kind.namespace in {"", namespace}]
        pending = next((each for each in asked if each.reading is Reading.PENDING), None)
        if pending is not None:
            return Access.PENDING, f"{pending.kind.plural} are not read yet"
        if not self._scopes:
            return Access.OFF, (
                "the operator may not change workloads: set apply.enabled=true in the values of its chart (--apply)"
            )
        if "" not in self._scopes and namespace not in self._scopes:
            return Access.OFF, (
                f"the operator changes workloads in {', '.join(self._scopes)} alone: add {namespace} to"
                " apply.namespaces in the values of its chart (--apply-namespace)"
            )
        refused = next((each for each in asked if each.reading is Reading.REFUSED), None)
        if refused is not None:
            where = f" in namespace {refused.kind.namespace}" if refused.kind.namespace else ""
            return Access.REFUSED, f"the operator lacks the right to list and watch {refused.kind.plural}{where}"
        return Access.FULL, ""

    def take(self, kind: str, body: Json) -> None:
        """Takes in an object that we have written, before the watch tells of it."""
        where = {"HTTPRoute": self._routes}.get(kind, [*self._referred.get(kind, ()), *self._workloads])
        group = str(body.get("apiVersion", ""))
        plural = HTTP_ROUTES.plural if kind == "HTTPRoute" else WORKLOADS[kind].plural
        for reflector in where:
            same = reflector.kind.plural == plural and reflector.kind.namespace in {"", body["metadata"]["namespace"]}
            if same and (not group or reflector.kind.group.endswith(group)):
                reflector.take(body)
                self._observed = None

    def observed(self) -> Observed:
        """What is known now; the same object until something changes."""
        if self._observed is None:
            self._observed = self._look()
        return self._observed

    def _news(self) -> None:
        self._observed = None
        self.changed()

    def _look(self) -> Observed:
        targets: dict[Target, Workload] = {}
        for reflector in [*(each for some in self._referred.values() for each in some), *self._workloads]:
            for workload in reflector.objects():
                known = targets.get(workload.key)
                if known is None or int(workload.version) >= int(known.version):
                    targets[workload.key] = workload
        ours: dict[tuple[str, str], list[Workload]] = {}
        for workload in targets.values():
            if workload.managed and workload.owner_uid:
                ours.setdefault((workload.namespace, workload.owner_uid), []).append(workload)
        servers: dict[tuple[str, str], list[Server]] = {}
        for server in _objects(self._servers):
            servers.setdefault((server.namespace, server.request), []).append(server)
        autoscalers: list[ReplicasOwner] = _objects(self._autoscalers)
        return Observed(
            workloads={whose: tuple(sorted(found, key=lambda each: each.key)) for whose, found in ours.items()},
            targets=targets,
            routes={(each.namespace, each.owner_uid): each for each in _objects(self._routes) if each.owner_uid},
            owners=owners_by_target(autoscalers, _objects(self._scaled)),
            servers={key: tuple(found) for key, found in servers.items()},
        )


def _nobody() -> None:
    """Nobody wants to know."""


def _objects(reflectors: Iterable[Reflector[Any]]) -> list[Any]:
    return [value for reflector in reflectors for value in reflector.objects()]


def server_of(pod: Json) -> Server:
    """Cut a Pod down."""
    metadata, labels = pod["metadata"], pod["metadata"].get("labels") or {}
    return Server(
        namespace=metadata.get("namespace", ""),
        request=labels.get(REQUEST_LABEL, ""),
        layout=labels.get(LAYOUT_LABEL, ""),
        name=metadata["name"],
        started_at=seconds_of(str((pod.get("status") or {}).get("startTime", ""))),
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in (pod.get("status") or {}).get("conditions") or ()
        ),
        going="deletionTimestamp" in metadata,
    )
