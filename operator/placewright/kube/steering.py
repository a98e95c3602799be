"""Writing annotations by which people steer a request, for the command line: never over a change that was not seen."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from placewright.api.base import GROUP, VERSION
from placewright.core.errors import PlacewrightError
from placewright.kube.client import PLURAL, ApiError, Json, Kind, KubeClient

_ATTEMPTS: Final = 6
_EVENTS: Final = "events"

Annotations = Mapping[str, str | None]
"""Values by name; None takes an annotation away."""


class BusyError(PlacewrightError):
    """Others change the object faster than it can be annotated."""


class Steering(KubeClient):
    """Calls that the operator itself never makes. Errors as in KubeClient."""

    async def user(self) -> str:
        """The name by which the API server knows us; empty: it does not tell."""
        body = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        try:
            answer = await self._call("POST", path, body=body, headers={"Content-Type": "application/json"})
        except ApiError as error:
            if error.status in {403, 404}:
                return ""
            raise
        return str(((answer.get("status") or {}).get("userInfo") or {}).get("username", ""))

    async def annotate(
        self, namespace: str, name: str, decide: Callable[[Json], Annotations]
    ) -> tuple[Json, Json] | None:
        """Write annotations that are decided from the newest object; decided anew when it changes in between.

        Args:
            namespace: of the request.
            name: of the request.
            decide: returns what to write for an object, and raises what it likes when nothing may be written.

        Returns:
            The object before and as stored; None: there is no such request.

        Raises:
            BusyError: it changed each time.
        """
        for _ in range(_ATTEMPTS):
            before = await self.get_request(namespace, name)
            if before is None:
                return None
            operations = _patch(before, decide(before))
            try:
                return before, await self.patch_request(namespace, name, operations)
            except ApiError as error:
                if error.status not in {404, 409, 422}:
                    raise
                newest = await self.get_request(namespace, name)
                if newest is not None and _version(newest) == _version(before):
                    raise  # nothing changed, so the server refuses the annotations themselves
        raise BusyError(f"{namespace}/{name} is changed by others all the time; try again")

    async def patch_request(self, namespace: str, name: str, operations: list[Json]) -> Json:
        """Applies a JSON patch to the object; returns it as stored."""
        return await self._patch(request_path(namespace, name), operations)

    async def events(self, uid: str, reason: str) -> list[Json]:
        """Events of an object with this reason."""
        fields = f"involvedObject.uid={uid},reason={reason}"
        kind = Kind(plural=_EVENTS, group="api/v1")
        return [item async for page in self.list_pages(kind, more_fields=fields) for item in page.items]


def request_path(namespace: str, name: str) -> str:
    """The path of one PlacementRequest."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}/{PLURAL}/{quote(name, safe='')}"


def _patch(observed: Json, annotations: Annotations) -> list[Json]:
    """The patch that annotates exactly the object that was seen."""
    metadata = observed["metadata"]
    present: Mapping[str, Any] = metadata.get("annotations") or {}
    operations: list[Json] = [
        {"op": "test", "path": f"/metadata/{name}", "value": metadata[name]} for name in ("uid", "resourceVersion")
    ]
    if not present:
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for name, value in annotations.items():
        path = "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")
        if value is not None:
            operations.append({"op": "add", "path": path, "value": value})
        elif name in present:
            operations.append({"op": "remove", "path": path})
    return operations


def _version(resource: Json) -> tuple[str, str]:
    metadata = resource["metadata"]
    return str(metadata["uid"]), str(metadata["resourceVersion"])
