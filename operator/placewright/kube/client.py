"""The few calls the operator makes on the API server, as plain JSON over one HTTP session.

Raw calls instead of generated API classes: a status write is on the path of every decision, and this is the cheapest
of the ways tried.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

from placewright.api.base import GROUP, VERSION
from placewright.core.errors import PlacewrightError

PLURAL = "placementrequests"

_JSON_PATCH = {"Content-Type": "application/json-patch+json"}
_JSON = {"Content-Type": "application/json"}
_PAGE = 500

Json = dict[str, Any]


class ApiError(PlacewrightError):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' reason, as `Conflict`; empty when there is none.
        retry_after_seconds: what the server asks to wait; None when it asks nothing.
    """

    def __init__(self, what: str, *, status: int, reason: str, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(f"{what}: {status} {reason} {message}".strip())
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(PlacewrightError):
    """Nobody answered: refused, reset or timed out."""


class KubeClient:
    """Calls on PlacementRequests and Events.

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
        token = ""
        while True:
            query = f"?limit={_PAGE}" + (f"&continue={quote(token, safe='')}" if token else "")
            page = await self._call("GET", _path(namespace) + query)
            for item in page["items"]:
                yield item
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def get_request(self, namespace: str, name: str) -> Json | None:
        """One PlacementRequest; None when it is gone."""
        try:
            return await self._call("GET", _path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status subresource; returns the stored object."""
        body = json.dumps(operations, separators=(",", ":"), allow_nan=False).encode()
        return await self._call("PATCH", _path(namespace, name) + "/status", body=body, headers=_JSON_PATCH)

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Creates a core/v1 Event."""
        payload = json.dumps(body, separators=(",", ":")).encode()
        await self._call("POST", f"/api/v1/namespaces/{quote(namespace, safe='')}/events", body=payload, headers=_JSON)

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
