"""Writing annotations by which people steer, for the command line: never over a change that was not seen."""

import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, unquote

from placewright.api.base import GROUP, VERSION
from placewright.core.errors import PlacewrightError
from placewright.kube.client import PLURAL, POLICIES, ApiError, Json, Kind, KubeClient

_ATTEMPTS: Final = 8
_STRICT_ATTEMPTS: Final = 4  # then the status may have changed meanwhile, so that busy writers starve nobody

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

    async def annotate(self, path: str, decide: Callable[[Json], Annotations]) -> tuple[Json, Json] | None:
        """Write annotations that are decided from the newest object; decided anew when it changes in between.

        Args:
            path: of the object: `request_path` or `policy_path`.
            decide: returns what to write for an object, and raises what it likes when nothing may be written. When
                all stands as it is wanted, nothing is written.

        Returns:
            The object before and as stored; None: there is no such object.

        Raises:
            BusyError: it changed each time.
        """
        for attempt in range(_ATTEMPTS):
            before = await self._get(path)
            if before is None:
                return None
            wanted = decide(before)
            if not wanted:
                return before, before
            patch = _patch(before, wanted, strict=attempt < _STRICT_ATTEMPTS)
            try:
                return before, await self._merge(path, patch)
            except ApiError as error:
                if error.status not in {404, 409, 422}:
                    raise
                newest = await self._get(path)
                if newest is not None and _version(newest) == _version(before):
                    raise  # nothing changed, so the server refuses the annotations themselves
        raise BusyError(f"{_title(path)} is changed by others all the time; try again")

    async def policies(self) -> list[Json]:
        """Every PlacementPolicy, by name."""
        found = [item async for page in self.list_pages(POLICIES) for item in page.items]
        return sorted(found, key=lambda each: str(each["metadata"]["name"]))

    async def _merge(self, path: str, patch: Json) -> Json:
        """Applies a merge patch to the object; returns it as stored."""
        body = json.dumps(patch, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._call("PATCH", path, body=body, headers=headers)

    async def events(self, namespace: str, uid: str, reason: str) -> list[Json]:
        """Events of an object with this reason; none for who may not read Events."""
        fields = f"involvedObject.uid={uid},reason={reason}"
        kind = Kind(plural="events", group=f"api/v1/namespaces/{quote(namespace, safe='')}")
        try:
            return [item async for page in self.list_pages(kind, more_fields=fields) for item in page.items]
        except ApiError as error:
            if error.status == 403:
                return []
            raise


def request_path(namespace: str, name: str) -> str:
    """The path of one PlacementRequest."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}/{PLURAL}/{quote(name, safe='')}"


def policy_path(name: str) -> str:
    """The path of one PlacementPolicy."""
    return f"{POLICIES.path}/{quote(name, safe='')}"


def _title(path: str) -> str:
    """`serving/chat` for a request, `placementpolicies/default` for a policy."""
    parts = [unquote(part) for part in path.split("/")]
    return f"{parts[-3]}/{parts[-1]}" if parts[-2] == PLURAL else "/".join(parts[-2:])


def _patch(observed: Json, annotations: Annotations, *, strict: bool) -> Json:
    """The patch that annotates exactly the object that was seen; not strict: it may have changed, if it is the same.

    A merge patch with uid and resourceVersion is refused when they differ. Annotations name the plan and step that
    they are about, so one that comes late does nothing wrong.
    """
    metadata = observed["metadata"]
    tested = ("uid", "resourceVersion") if strict else ("uid",)
    return {"metadata": {**{name: metadata[name] for name in tested}, "annotations": dict(annotations)}}


def _version(resource: Json) -> tuple[str, str]:
    metadata = resource["metadata"]
    return str(metadata["uid"]), str(metadata["resourceVersion"])
