"""One preconditioned status write.

A merge patch has no conflict check, so the write is a JSON patch that tests uid, generation and resourceVersion
first: a status computed from an object that has changed since is never stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from placewright.kube.client import ApiError, Json, Kind

_ATTEMPTS = 6
_STRICT_ATTEMPTS = 4  # then resourceVersion is no longer tested, so that a busy rival cannot starve us


class WriteResult(StrEnum):
    """How a status write ended; also the label of placewright_status_writes_total."""

    WRITTEN = "Written"
    UNCHANGED = "Unchanged"  # a re-read showed that the same content already stands there
    SUPERSEDED = "Superseded"  # the spec changed or the object was re-created: decide again
    GONE = "Gone"
    REJECTED = "Rejected"  # the server will not store this status
    FAILED = "Failed"  # unreachable or overloaded: try again later


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The end of a write.

    Attributes:
        result: how it ended.
        stored: the object as last seen; None: it is gone.
        conflicts: patches that were refused on the way.
        replaced: the object whose status was replaced by what was written; None: nothing was written.
    """

    result: WriteResult
    stored: Json | None
    conflicts: int = 0
    replaced: Json | None = None


class StatusTransport(Protocol):
    """The seam: what a write needs of the API server (`KubeClient` is one for PlacementRequests)."""

    async def get_request(self, namespace: str, name: str) -> Json | None:
        """One object; None when it is gone."""
        ...

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status; returns the stored object."""
        ...


class ObjectTransport(Protocol):
    """The seam: reads and patches objects of cluster-wide kinds (`KubeClient` does)."""

    async def get_object(self, kind: Kind, name: str) -> Json | None:
        """One object; None when it is gone."""
        ...

    async def patch_object_status(self, kind: Kind, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status; returns the stored object."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectStatuses:
    """Statuses of one cluster-wide kind as a StatusTransport; the namespace is always empty."""

    transport: ObjectTransport
    kind: Kind

    async def get_request(self, namespace: str, name: str) -> Json | None:
        """One object; None when it is gone."""
        assert not namespace
        return await self.transport.get_object(self.kind, name)

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """Applies a JSON patch to the status; returns the stored object."""
        assert not namespace
        return await self.transport.patch_object_status(self.kind, name, operations)


def status_patch(observed: Json, status: Json, *, strict: bool) -> list[Json]:
    """The patch that replaces the status of exactly the object that was observed.

    Args:
        observed: the object the status was computed from.
        status: the whole new status.
        strict: also test resourceVersion, so that not even another writer's status is overwritten unseen.
    """
    metadata = observed["metadata"]
    tested = ["uid", "generation"] + (["resourceVersion"] if strict else [])
    operations = [{"op": "test", "path": f"/metadata/{name}", "value": metadata[name]} for name in tested]
    return [*operations, {"op": "add", "path": "/status", "value": status}]


async def write_status(
    transport: StatusTransport, observed: Json, render: Callable[[Json], Json | None], *, max_attempts: int = _ATTEMPTS
) -> Written:
    """Writes `render(object)` as the status, re-reading and rendering again when something changed in between.

    Args:
        transport: the API server.
        observed: the object as last seen; tells name, uid and generation that the decision is for.
        render: makes the status from the newest object (its old status keeps transition times and history);
            None: what stands there is already right.
        max_attempts: patches tried before giving up with SUPERSEDED.

    Raises:
        ApiError: the server refuses for another reason than a failed test (403, 429, 5xx).
        UnreachableError: nobody answers.
    """
    metadata = observed["metadata"]
    newest, conflicts = observed, 0
    for attempt in range(max_attempts):
        status = render(newest)
        if status is None:
            return Written(result=WriteResult.UNCHANGED, stored=newest, conflicts=conflicts)
        operations = status_patch(newest, status, strict=attempt < _STRICT_ATTEMPTS)
        try:
            stored = await transport.patch_status(metadata.get("namespace", ""), metadata["name"], operations)
        except ApiError as error:
            if error.status not in {404, 409, 422}:
                raise
        else:
            return Written(result=WriteResult.WRITTEN, stored=stored, conflicts=conflicts, replaced=newest)
        conflicts += 1
        read = await transport.get_request(metadata.get("namespace", ""), metadata["name"])
        verdict = _verdict(newest, read)
        if verdict is not None:
            return Written(result=verdict, stored=read, conflicts=conflicts)
        assert read is not None
        newest = read
    return Written(result=WriteResult.SUPERSEDED, stored=newest, conflicts=conflicts)


def _verdict(tried: Json, read: Json | None) -> WriteResult | None:
    """What a refused patch means, given what stands there now; None: only the status or labels moved, try again."""
    if read is None:
        return WriteResult.GONE
    before, now = tried["metadata"], read["metadata"]
    if now["uid"] != before["uid"] or now["generation"] != before["generation"]:
        return WriteResult.SUPERSEDED
    if now["resourceVersion"] == before["resourceVersion"]:
        return WriteResult.REJECTED  # every test holds, so the content itself was refused
    return None
