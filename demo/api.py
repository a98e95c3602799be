"""A Kubernetes API in this process: kmock serves discovery, LIST, GET and watches; writes are ours.

kmock stores what it is sent as it is. The operator counts on more: resourceVersion and generation on every object, and
a JSON patch of the status that is refused unless its `test` operations hold. These are added here, with the validation
and the defaults of the generated CRD. `make cluster` has the real thing.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
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
_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


class ApiFailedError(Exception):
    """The API in this process does not start or does not stop; one line."""


@attrs.define(kw_only=True, eq=False)
class Api(kmock.KubernetesEmulator):
    """The handler of all requests."""

    crd: Crd
    _versions: "count[int]" = attrs.field(factory=lambda: count(1), init=False)
    _latest: str = attrs.field(default="0", init=False)

    def declare(self) -> None:
        """Names the resources that discovery shows; kopf does not start without namespaces and events."""
        crd = self.crd
        for resource, kind, singular, namespaced in (
            ("v1/namespaces", "Namespace", "namespace", False),
            ("v1/events", "Event", "event", True),
            (f"{crd.group}/{crd.version}/{crd.plural}", crd.kind, crd.singular, True),
        ):
            ours = kind == crd.kind
            self.resources[resource] = kmock.ResourceInfo(
                kind=kind,
                singular=singular,
                shortnames=set(crd.short_names) if ours else set(),
                subresources={"status"} if ours else set(),
                verbs=set(_VERBS),
                namespaced=namespaced,
            )

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        if request.resource is None or request.action not in {kmock.action.CREATE, kmock.action.UPDATE}:
            return await super()._handle(request)
        if request.action == kmock.action.CREATE:
            return aiohttp.web.json_response(await self._create(request), status=201)
        return aiohttp.web.json_response(await self._patch(request))

    async def _create(self, request: kmock.Request) -> Json:
        if not isinstance(request.data, dict) or request.namespace is None:
            raise kmock.KubernetesError(status=400, reason="BadRequest", message="wants an object in a namespace")
        assert request.resource is not None
        async with self._lock:
            stored = admission.created(
                self.crd,
                request.data,
                namespace=request.namespace,
                ours=request.resource.plural == self.crd.plural,
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
        return {**page, "metadata": {"resourceVersion": self._latest}}

    async def _serve_watch(self, request: kmock.Request) -> AsyncIterator[Any]:
        """As kmock's own, but what changes between the snapshot and the stream is not lost."""
        assert request.resource is not None
        yield b""  # sends the headers
        bus = self._buses[request.resource]
        async with self._lock:
            mark = await bus.mark()
            known = [stored.raw for key, stored in self._objects.items() if key[0] == request.resource]
        for stored in known:
            if request.namespace in {None, stored["metadata"]["namespace"]}:
                yield {"type": "ADDED", "object": stored}
        async for event in bus.stream(mark):
            if request.namespace in {None, event["object"]["metadata"]["namespace"]}:
                yield event


class ApiServer:
    """The API on a free loopback port, in a thread of its own. Use it as a context manager.

    Args:
        crd: the one custom resource that it knows.
    """

    def __init__(self, crd: Crd) -> None:
        self._crd = crd
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
        api = Api(crd=self._crd)
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
