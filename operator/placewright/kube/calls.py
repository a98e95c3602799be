"""The calls of one step on objects of one namespace: counted, stopped at checkpoints, their refusals as values."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

from placewright.kube.client import FIELD_MANAGER, ApiError, Json, Kind, Page
from placewright.kube.kinds import HPAS, KINDS, SCALED_OBJECTS
from placewright.kube.outcomes import stopped
from placewright.kube.owners import autoscaler_of, replicas_owner, scaled_object_of
from placewright.kube.workloads import Key

HANDOVER: Final = f"{FIELD_MANAGER}-handover"
"""Field manager that holds a number of replicas until what owns it writes one."""


class ActingTransport(Protocol):
    """The seam: what acting needs of the API server (`KubeClient` is one)."""

    async def get_request(self, namespace: str, name: str) -> Json | None:
        """One PlacementRequest; None when it is gone."""
        ...

    async def get_in(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """One object; None when it is not there."""
        ...

    def list_pages(self, kind: Kind, *, more_fields: str = "") -> AsyncIterator[Page]:
        """Every object, page by page."""
        ...

    async def apply(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, force: bool, manager: str = FIELD_MANAGER
    ) -> Json:
        """Server-side apply; returns the stored object."""
        ...

    async def merge(self, kind: Kind, namespace: str, body: Mapping[str, Any], *, part: str = "") -> Json:
        """Merge patch of an object or of a subresource; returns the stored one."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str) -> bool:
        """Deletes exactly this object; returns whether it was there."""
        ...


class Calls:
    """Reads and writes in one namespace.

    Every method raises StopError where the API server's answer is a word on what was asked; ApiError and
    UnreachableError otherwise.

    Args:
        transport: the API server.
        namespace: of all objects.
        checkpoint: called before and after each write.
    """

    def __init__(self, transport: ActingTransport, namespace: str, checkpoint: Callable[[str], None]) -> None:
        self._transport = transport
        self._namespace = namespace
        self._checkpoint = checkpoint
        self.writes = 0

    async def request(self, name: str) -> Json | None:
        """The PlacementRequest as it stands; None: it is gone."""
        try:
            return await self._transport.get_request(self._namespace, name)
        except ApiError as error:
            raise stopped(error, "PlacementRequest", f"PlacementRequest {name}") or error from error

    async def read(self, kind: str, name: str) -> Json | None:
        """An object as it stands; None: it is not there."""
        try:
            return await self._transport.get_in(KINDS[kind], self._namespace, name)
        except ApiError as error:
            raise stopped(error, kind, f"{kind} {name}") or error from error

    async def look(self, kind: str, name: str) -> Json | None:
        """The same; a kind that is not served has no objects."""
        try:
            return await self._transport.get_in(KINDS[kind], self._namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise stopped(error, kind, f"{kind} {name}") or error from error

    async def replicas_owner(self, target: Key) -> str:
        """Kind and name of what else sets the replicas of a workload now; empty: nothing does."""
        try:
            autoscalers = [autoscaler_of(each) async for each in self._items(HPAS)]
            try:
                scaled = [scaled_object_of(each) async for each in self._items(SCALED_OBJECTS)]
            except ApiError as error:
                if error.status != 404:  # KEDA is not installed
                    raise
                scaled = []
        except ApiError as error:
            raise stopped(error, "HorizontalPodAutoscaler", "what scales " + " ".join(target[1:])) or error from error
        return replicas_owner(target, autoscalers, scaled)

    async def apply(self, body: Mapping[str, Any], stored: Json | None, *, what: str, handover: bool = False) -> Json:
        """Applies an object.

        Args:
            body: what we want of it.
            stored: it as it was read a moment before, which must still stand; None: it was not there. Then fields of
                another's object that came meanwhile are a conflict.
            what: the checkpoint.
            handover: hold what is applied for another field manager.
        """
        kind, name = str(body["kind"]), str(body["metadata"]["name"])
        given = dict(body)
        if stored is not None:
            given["metadata"] = {**body["metadata"], **_exactly(stored)}
        manager = HANDOVER if handover else FIELD_MANAGER
        force = stored is not None and not handover
        try:
            self._before(what)
            answer = await self._transport.apply(KINDS[kind], self._namespace, given, force=force, manager=manager)
        except ApiError as error:
            raise stopped(error, kind, f"{kind} {name}") or error from error
        self._checkpoint(f"after-{what}")
        return answer

    async def merge(
        self, kind: str, stored: Json, body: Mapping[str, Any], *, part: str = "", what: str = "scale"
    ) -> Json:
        """Changes some fields of an object as it was read a moment before, or of its scale, and returns what is stored.

        Arguments as of `apply`.
        """
        name = str(stored["metadata"]["name"])
        notes: Mapping[str, Any] = body.get("metadata") or {}
        given = {**body, "metadata": {"name": name, **notes, **_exactly(stored)}}
        try:
            self._before(what)
            answer = await self._transport.merge(KINDS[kind], self._namespace, given, part=part)
        except ApiError as error:
            raise stopped(error, kind, f"{kind} {name}") or error from error
        self._checkpoint(f"after-{what}")
        return answer

    async def delete(self, kind: str, stored: Json) -> None:
        """Deletes an object as it was read a moment before."""
        metadata = stored["metadata"]
        try:
            self._before("remove")
            await self._transport.delete(
                KINDS[kind],
                self._namespace,
                metadata["name"],
                uid=metadata["uid"],
                version=metadata["resourceVersion"],
            )
        except ApiError as error:
            raise stopped(error, kind, f"{kind} {metadata['name']}") or error from error
        self._checkpoint("after-remove")

    def _before(self, what: str) -> None:
        self._checkpoint(f"before-{what}")
        self.writes += 1

    async def _items(self, kind: Kind) -> AsyncIterator[Json]:
        async for page in self._transport.list_pages(kind.inside(self._namespace)):
            for item in page.items:
                yield item


def _exactly(stored: Json) -> Json:
    metadata = stored["metadata"]
    return {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
