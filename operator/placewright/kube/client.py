"""The few calls the operator makes on the API server, as plain JSON over one HTTP session.

Raw calls instead of generated API classes: a status write is on the path of every decision, and this is the cheapest
of the ways tried.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp

from placewright.api.base import GROUP, VERSION
from placewright.core.errors import PlacewrightError
from placewright.kube.access import CONNECT_SECONDS

PLURAL = "placementrequests"

_JSON_PATCH = {"Content-Type": "application/json-patch+json"}
_JSON = {"Content-Type": "application/json"}
_APPLY_PATCH = {"Content-Type": "application/apply-patch+yaml"}  # JSON is YAML
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
FIELD_MANAGER = "placewright"
_PAGE = 500
_WATCH_SECONDS = 300  # then the server ends a watch; the next one goes on where it ended
_SILENCE_SECONDS = 330.0  # a connection that tells nothing for longer is dead

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind that the operator lists and watches.

    Attributes:
        plural: as in the path and in messages.
        group: path of the group and version, as `apis/placewright.dev/v1alpha1`.
        field_selector: what the server leaves out; empty: nothing.
        label_selector: the same by labels.
        namespace: where they are listed; empty: in the whole cluster.
    """

    plural: str
    group: str = f"apis/{GROUP}/{VERSION}"
    field_selector: str = ""
    label_selector: str = ""
    namespace: str = ""

    @property
    def path(self) -> str:
        """The collection that is listed."""
        return self.path_in(self.namespace)

    def path_in(self, namespace: str) -> str:
        """The collection of a namespace, of all of them for an empty one."""
        scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"/{self.group}{scope}/{self.plural}"

    def inside(self, namespace: str) -> "Kind":
        """The same kind, listed in one namespace."""
        return replace(self, namespace=namespace)

    @property
    def selectors(self) -> dict[str, str]:
        """The selectors as parameters of a LIST or a watch."""
        given = {"fieldSelector": self.field_selector, "labelSelector": self.label_selector}
        return {name: value for name, value in given.items() if value}


GPU_POOLS = Kind(plural="gpupools")
POLICIES = Kind(plural="placementpolicies")
PROFILES = Kind(plural="performanceprofiles")
NODES = Kind(plural="nodes", group="api/v1")
# A Pod without a Node holds nothing, and one that has ended holds nothing any more.
PODS = Kind(
    plural="pods",
    group="api/v1",
    field_selector="spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a LIST. All pages of a list are of the same resourceVersion."""

    items: tuple[Json, ...]
    version: str


class ApiError(PlacewrightError):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' reason, as `Conflict`; empty when there is none.
        message: what the server says, at most 500 characters.
        retry_after_seconds: what the server asks to wait; None when it asks nothing.
    """

    def __init__(self, what: str, *, status: int, reason: str, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(f"{what}: {status} {reason} {message}".strip())
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(PlacewrightError):
    """Nobody answered: refused, reset or timed out."""


class KubeClient:
    """Calls on PlacementRequests, Events, and the kinds that a fleet is planned from.

    Every method raises ApiError when the server refuses and UnreachableError when it does not answer.

    Args:
        session: an authenticated session (`Access.session`).
        server: URL of the API server.
    """

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def serves_requests(self) -> bool:
        """Whether the CustomResourceDefinition is there and served."""
        try:
            found = await self._call("GET", f"/apis/{GROUP}/{VERSION}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return any(entry.get("name") == PLURAL for entry in found.get("resources", ()))

    async def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        """Every PlacementRequest of the namespace, or of all for None; pages of a consistent list."""
        async for page in self._pages(_path(namespace), {}):
            for item in page.items:
                yield item

    def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        """Every object of a kind, page by page.

        Args:
            kind: what to list.
            more_fields: a field selector besides the kind's own.
        """
        fields = ",".join(part for part in (kind.field_selector, more_fields) if part)
        return self._pages(kind.path, kind.selectors | ({"fieldSelector": fields} if fields else {}))

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[Json]:
        """The events of a kind after a resourceVersion, bookmarks included, until the server ends the watch.

        An event of type ERROR holds a Status: the watch cannot go on from this version.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
            **kind.selectors,
        }
        what = f"WATCH {kind.path}"
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
        try:
            async with self._session.get(self._server + kind.path + _query(query), timeout=patience) as response:
                if response.status >= 400:
                    raise _refusal(what, response, await response.read())
                async for line in _lines(response.content):
                    event: Any = json.loads(line)
                    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
                        raise UnreachableError(f"{what}: a line that is no event")  # as a proxy's own answer
                    yield event
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(f"{what}: {type(error).__name__} {error}".strip()) from error

    async def get_object(self, kind: Kind, name: str) -> Json | None:
        """One object of a cluster-wide kind; None when it is gone."""
        return await self._get(f"{kind.path}/{quote(name, safe='')}")

    async def patch_object_status(self, kind: Kind, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status of an object of a cluster-wide kind; returns the stored object."""
        return await self._patch(f"{kind.path}/{quote(name, safe='')}/status", operations)

    async def get_config_map(self, namespace: str, name: str) -> Json | None:
        """One ConfigMap; None when there is none."""
        return await self._get(f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}")

    async def get_request(self, namespace: str, name: str) -> Json | None:
        """One PlacementRequest; None when it is gone."""
        return await self._get(_path(namespace, name))

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status subresource; returns the stored object."""
        return await self._patch(_path(namespace, name) + "/status", operations)

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Creates a core/v1 Event."""
        payload = json.dumps(body, separators=(",", ":")).encode()
        await self._call("POST", f"/api/v1/namespaces/{quote(namespace, safe='')}/events", body=payload, headers=_JSON)

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """One object of a namespace; None when it is not there. A kind that is not served is an ApiError (404)."""
        try:
            return await self._call("GET", _object_path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404 and error.reason == "NotFound":
                return None
            raise

    async def apply(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, force: bool, manager: str = FIELD_MANAGER
    ) -> Json:
        """Server-side apply; returns the stored object.

        Args:
            kind: of the object.
            namespace: that it is in.
            body: what we want of it. With metadata.uid and metadata.resourceVersion only exactly this object is
                written; without them it is created when it is not there.
            force: take over fields that others manage; without it they are a Conflict.
            manager: the field manager.
        """
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        path = _object_path(kind, namespace, str(body["metadata"]["name"])) + _query(query)
        return await self._call("PATCH", path, body=_encoded(body), headers=_APPLY_PATCH)

    async def merge(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, part: str = "") -> Json:
        """Merge patch of an object that is there; preconditions as of `apply`.

        Args:
            kind: of the object.
            namespace: that it is in.
            body: what changes; metadata.name names the object.
            part: subresource such as `scale`; empty: the object itself.
        """
        path = _object_path(kind, namespace, str(body["metadata"]["name"])) + (f"/{part}" if part else "")
        path += _query({"fieldManager": FIELD_MANAGER})
        return await self._call("PATCH", path, body=_encoded(body), headers=_MERGE_PATCH)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str) -> bool:
        """Deletes exactly this object, and in the background what it owns; returns whether it was there.

        Args:
            kind: of the object.
            namespace: that it is in.
            name: of the object.
            uid: another object of this name is a Conflict.
            version: so is the same object with another resourceVersion.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid, "resourceVersion": version},
        }
        try:
            await self._call("DELETE", _object_path(kind, namespace, name), body=_encoded(options), headers=_JSON)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Page]:
        token = ""
        while True:
            asked = {"limit": str(_PAGE), **query} | ({"continue": token} if token else {})
            page = await self._call("GET", path + _query(asked))
            told = page.get("metadata", {})
            token = told.get("continue", "")
            yield Page(items=tuple(page["items"]), version=str(told.get("resourceVersion", "")))
            if not token:
                return

    async def _get(self, path: str) -> Json | None:
        try:
            return await self._call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        return await self._call("PATCH", path, body=_encoded(operations), headers=_JSON_PATCH)

    async def _call(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        what = f"{method} {path.partition('?')[0]}"
        try:
            async with self._session.request(method, self._server + path, data=body, headers=headers) as response:
                content = await response.read()
                if response.status >= 400:
                    raise _refusal(what, response, content)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"{what}: {type(error).__name__} {error}".strip()) from error
        answer: Json = json.loads(content)
        return answer


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own reader refuses those that do not fit its buffer."""
    rest: list[bytes] = []
    async for chunk in content.iter_any():
        *whole, last = chunk.split(b"\n")
        for part in whole:
            line = b"".join([*rest, part])
            rest.clear()
            if line.strip():
                yield line
        if last:
            rest.append(last)


def _query(parameters: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def _encoded(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def _object_path(kind: Kind, namespace: str, name: str) -> str:
    return f"{kind.path_in(namespace)}/{quote(name, safe='')}"


def _path(namespace: str | None, name: str | None = None) -> str:
    scope = "" if namespace is None else f"/namespaces/{quote(namespace, safe='')}"
    item = "" if name is None else f"/{quote(name, safe='')}"
    return f"/apis/{GROUP}/{VERSION}{scope}/{PLURAL}{item}"


def _refusal(what: str, response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) and told.get("kind") == "Status" else {}
    after = response.headers.get("Retry-After", "")
    return ApiError(
        what,
        status=response.status,
        reason=str(told.get("reason", "")),
        message=str(told.get("message", ""))[:500],
        retry_after_seconds=float(after) if after.isdigit() else None,
    )
