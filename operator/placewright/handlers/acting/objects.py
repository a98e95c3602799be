"""The requests that are acted for or looked at for idling: of each only what these need, of all others nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from placewright.handlers.cache import Json, key_of
from placewright.telemetry.views import Key

_OURS: Final = "placewright.dev/"
_APPLY: Final = "Apply"
_OFF: Final = "Off"
_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
_STATUS: Final = ("observedGeneration", "plan", "ramp", "rollout", "idle", "conditions")
_ITEMS_BETWEEN_TURNS: Final = 50  # a large list must not hold the loop


class ListTransport(Protocol):
    """The seam: lists every request of a namespace, or of all (`KubeClient` does)."""

    def list_requests(self, namespace: str | None) -> AsyncIterator[Json]:
        """All objects, page by page."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One such request.

    Attributes:
        uid, generation, version: of the object; a newer version is larger.
        resource: metadata with our annotations alone, the spec, and of the status what acting is driven by;
            of its history the newest entry, of its frontier the cheapest layout.
    """

    uid: str
    generation: int
    version: int
    resource: Json

    @property
    def status(self) -> Mapping[str, Any]:
        """What is kept of the status."""
        found: Mapping[str, Any] = self.resource["status"]
        return found

    @property
    def applies(self) -> bool:
        """Whether its plan is to be rolled out."""
        return bool(self.resource["spec"].get("mode") == _APPLY)

    @property
    def rests(self) -> bool:
        """Whether nothing of it may be touched: it is suspended or being deleted."""
        return bool(self.resource["spec"].get("suspend") or self.resource["metadata"].get("deletionTimestamp"))


class Subjects:
    """All of them.

    Args:
        transport: lists requests again, when a policy makes others of interest that were passed over.
        namespaces: that are served; empty: all.
    """

    def __init__(self, transport: ListTransport, namespaces: tuple[str, ...]) -> None:
        self._transport = transport
        self._namespaces = namespaces
        self._subjects: dict[Key, Subject] = {}
        self._passed: set[Key] = set()  # seen, and of no interest
        self._idles = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self._subjects)

    def see(self, resource: Json) -> bool:
        """Takes in a request, unless it is older than what is known; returns whether it is of interest."""
        key, version = key_of(resource), int(resource["metadata"]["resourceVersion"])
        before = self._subjects.get(key)
        if before is not None and before.uid == resource["metadata"]["uid"] and version < before.version:
            return True
        if not matters(resource, idles=self._idles):
            self._passed.add(key)
            return self._subjects.pop(key, None) is not None
        self._passed.discard(key)
        self._subjects[key] = _subject(resource, version)
        return True

    def gone(self, key: Key) -> bool:
        """Forgets a request; returns whether it was of interest."""
        self._passed.discard(key)
        return self._subjects.pop(key, None) is not None

    def get(self, key: Key) -> Subject | None:
        """One of them."""
        return self._subjects.get(key)

    def items(self) -> tuple[tuple[Key, Subject], ...]:
        """All of them by name; safe to call from another thread."""
        return tuple(self._subjects.items())

    async def expect(self, *, idles: bool) -> None:
        """Says whether a policy looks after the idling of requests that say nothing of it themselves.

        Raises:
            ApiError, UnreachableError: those that were passed over could not be read; to be asked again.
        """
        if idles and not self._idles and self._passed:
            self._idles = True
            try:
                await self._list()
            except BaseException:
                self._idles = False
                raise
        self._idles = idles

    async def _list(self) -> None:
        count = 0
        for namespace in self._namespaces or (None,):
            async for resource in self._transport.list_requests(namespace):
                self.see(resource)
                count += 1
                if count % _ITEMS_BETWEEN_TURNS == 0:
                    await asyncio.sleep(0)


def matters(resource: Json, *, idles: bool) -> bool:
    """Whether a request is acted for, looked at for idling, or was once: then it has to be told that it is no more.

    Args:
        resource: as stored.
        idles: whether a policy looks after requests that say nothing of idling.
    """
    spec, status = resource["spec"], resource.get("status") or {}
    idle = spec.get("idle")
    if spec.get("mode") == _APPLY or (idles if idle is None else idle.get("policy") != _OFF):
        return True
    return "rollout" in status or "idle" in status


def _subject(resource: Json, version: int) -> Subject:
    metadata, status = resource["metadata"], resource.get("status") or {}
    given = metadata.get("annotations") or {}
    kept = {name: metadata[name] for name in _METADATA if name in metadata}
    kept["annotations"] = {name: text for name, text in given.items() if name.startswith(_OURS)}
    told = {name: status[name] for name in _STATUS if name in status}
    told["history"] = (status.get("history") or [])[:1]
    told["frontier"] = sorted(status.get("frontier") or (), key=lambda each: float(each.get("costPerHour") or 0.0))[:1]
    return Subject(
        uid=metadata["uid"],
        generation=int(metadata["generation"]),
        version=version,
        resource={
            "apiVersion": resource.get("apiVersion", ""),
            "kind": resource.get("kind", ""),
            "metadata": kept,
            "spec": resource["spec"],
            "status": told,
        },
    )
