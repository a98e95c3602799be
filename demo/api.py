"""A Kubernetes API in this process: kmock serves discovery, LIST, GET and watches; writes are ours.

kmock stores what it is sent as it is. The operator counts on more: resourceVersion and generation on every object, and
a JSON patch of the status that is refused unless its `test` operations hold. These are added here, with label selectors
and with the validation and the defaults of the generated CRDs. `make cluster` has the real thing.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import count
from types import TracebackType
from typing import Any, Self

import aiohttp.web
import attrs
import kmock

from demo import admission
from demo.crd import Crd, Json

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_OF_KUBERNETES = (
    ("v1/namespaces", "Namespace", False),
    ("v1/events", "Event", True),
    ("v1/nodes", "Node", False),
    ("v1/pods", "Pod", True),
)
_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


class ApiFailedError(Exception):
    """The API in this process does not start or does not stop; one line."""


@attrs.define(kw_only=True, eq=False)
class Api(kmock.KubernetesEmulator):
    """The handler of all requests."""

    crds: Mapping[str, Crd]  # by plural
    _versions: "count[int]" = attrs.field(factory=lambda: count(1), init=False)
    _latest: str = attrs.field(default="0", init=False)

    def declare(self) -> None:
        """Names the resources that discovery shows; kopf does not start without namespaces and events."""
        for resource, kind, namespaced in _OF_KUBERNETES:
            self.resources[resource] = kmock.ResourceInfo(
                kind=kind, singular=kind.lower(), verbs=set(_VERBS), namespaced=namespaced
            )
        for crd in self.crds.values():
            self.resources[f"{crd.group}/{crd.version}/{crd.plural}"] = kmock.ResourceInfo(
                kind=crd.kind,
                singular=crd.singular,
                shortnames=set(crd.short_names),
                subresources={"status"},
                verbs=set(_VERBS),
                namespaced=crd.namespaced,
            )

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        if request.resource is None or request.action not in {kmock.action.CREATE, kmock.action.UPDATE}:
            return await super()._handle(request)
        if request.action == kmock.action.CREATE:
            return aiohttp.web.json_response(await self._create(request), status=201)
        return aiohttp.web.json_response(await self._patch(request))

    async def _create(self, request: kmock.Request) -> Json:
        assert request.resource is not None
        if not isinstance(request.data, dict):
            raise kmock.KubernetesError(status=400, reason="BadRequest", message="wants an object")
        if request.resource not in self.resources:
            raise kmock.KubernetesResourceNotFoundError
        info = self.resources[request.resource]
        if bool(info.namespaced) != (request.namespace is not None):
            told = f"a {info.kind} {'wants a' if info.namespaced else 'has no'} namespace"
            raise kmock.KubernetesError(status=400, reason="BadRequest", message=told)
        async with self._lock:
            stored = admission.created(
                self.crds.get(request.resource.plural or ""),
                request.data,
                namespace=request.namespace,
                version=next(self._versions),
            )
            key = (request.resource, request.namespace, stored["metadata"]["name"])
            if key in list(self._objects):
                raise kmock.KubernetesError(status=409, reason="AlreadyExists", message=f"{key[2]} already exists")
            self._objects[key] = stored
            await self._tell("ADDED", request.resource, stored)
        return stored

    async def _patch(self, request: kmock.Request) -> Json:
        kind = request.headers.get("Content-Type", "")
        if request.subresource != "status" or kind != "application/json-patch+json":
            told = f"{kind or 'a patch'} of {request.url.path}: this demo serves JSON patches of a status only"
            raise kmock.KubernetesError(status=415, reason="UnsupportedMediaType", message=told)
        assert request.resource is not None
        async with self._lock:
            key = (request.resource, request.namespace, request.name or "")
            if key not in list(self._objects):
                raise kmock.KubernetesObjectNotFoundError
            before = self._objects[key].raw
            after = admission.with_status_patched(before, request.data, version=next(self._versions))
            if after is not before:
                self._objects[key] = after
                await self._tell("MODIFIED", request.resource, after)
        return after

    async def _tell(self, kind: str, resource: kmock.resource, stored: Json) -> None:
        self._latest = stored["metadata"]["resourceVersion"]
        await self._buses[resource].put({"type": kind, "object": stored})

    async def _serve_list(self, request: kmock.Request) -> Any:
        page: Any = await super()._serve_list(request)
        items = [stored for stored in page["items"] if _selects(request, stored)]
        return {"items": items, "metadata": {"resourceVersion": self._latest}}

    async def _serve_watch(self, request: kmock.Request) -> AsyncIterator[Any]:
        """As kmock's own, but what changes between the snapshot and the stream is not lost."""
        assert request.resource is not None
        yield b""  # sends the headers
        bus = self._buses[request.resource]
        async with self._lock:
            mark = await bus.mark()
            known = [stored.raw for key, stored in self._objects.items() if key[0] == request.resource]
        for stored in known:
            if request.namespace in {None, stored["metadata"].get("namespace")} and _selects(request, stored):
                yield {"type": "ADDED", "object": stored}
        async for event in bus.stream(mark):
            inside = request.namespace in {None, event["object"]["metadata"].get("namespace")}
            if inside and _selects(request, event["object"]):
                yield event


def _selects(request: kmock.Request, stored: Json) -> bool:
    """Whether a label selector chooses an object; nothing here changes labels, so that none leaves a selection."""
    labels = stored["metadata"].get("labels") or {}
    for term in filter(None, request.url.query.get("labelSelector", "").split(",")):
        name, equals, value = term.partition("=")
        if not equals and any(sign in term for sign in "!() "):
            raise kmock.KubernetesError(status=400, reason="BadRequest", message=f"this demo cannot read {term!r}")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


class ApiServer:
    """The API on a free loopback port, in a thread of its own. Use it as a context manager.

    Args:
        crds: the custom resources that it knows.
    """

    def __init__(self, crds: Iterable[Crd]) -> None:
        self._crds = {crd.plural: crd for crd in crds}
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START_SECONDS) or self.port == 0:
            why = repr(self._error) if self._error else f"it is not up after {_START_SECONDS:g} s"
            raise ApiFailedError(f"the API in this process did not start: {why}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_SECONDS)
        if error is None and (self._thread.is_alive() or self._error is not None):
            raise ApiFailedError(f"the API in this process did not end well: {self._error or 'it still runs'}")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - a thread's end is told by the one that joins it
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        api = Api(crds=self._crds)
        api.declare()
        async with api, kmock.Server(api, host="127.0.0.1") as server:
            self.port = server.port
            self._started.set()
            await self._stop.wait()
            broken = [error for error in api.errors if not isinstance(error, kmock.KubernetesError)]
        if broken:
            raise ApiFailedError(f"{len(broken)} requests failed, the first with {broken[0]!r}")


def kubeconfig(url: str) -> str:
    """A kubeconfig for the API, which asks for no credentials."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "demo", "cluster": {"server": url}}],
            "users": [{"name": "demo", "user": {}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
            "current-context": "demo",
        }
    )
