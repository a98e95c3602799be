"""The operator's own cache: a few facts of each request, enough to see what changed and to draw the metrics."""

import hashlib
import json
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from typing import Any

from placewright.api.annotations import commands_digest
from placewright.telemetry.views import Key, RequestView, view_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """What of an object decides whether there is anything to do about it.

    Attributes:
        generation: of the spec.
        commands: the annotations that ask something of us; labels and other annotations ask nothing.
        status: digest of the status as stored.
    """

    generation: int
    commands: tuple[str, ...]
    status: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is remembered of one object.

    Attributes:
        uid: tells a re-created object from the one before it.
        generation: of the spec.
        version: resourceVersion as a number; newer is larger.
        seen_at: when it was last seen, monotonic seconds.
        settled: with which the operator was content; None: not yet.
        view: for the metrics.
        ours: digest of the status that the work on workloads wrote last; empty: none yet.
    """

    uid: str
    generation: int
    version: int
    seen_at: float
    settled: Settled | None
    view: RequestView
    ours: bytes = b""


def key_of(resource: Json) -> Key:
    """Namespace and name."""
    return resource["metadata"]["namespace"], resource["metadata"]["name"]


def status_digest(resource: Json) -> bytes:
    """A short hash of the status as stored."""
    text = json.dumps(resource.get("status") or {}, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


def settled_of(resource: Json) -> Settled:
    """What the object says now."""
    return Settled(int(resource["metadata"]["generation"]), commands_digest(resource), status_digest(resource))


def _ignore(_: object) -> None:
    """Nobody wants to know."""


class ObjectCache:
    """Every live request as last seen. Kept by watch, LIST and our own writes, whichever is newer.

    Args:
        seen: told of each object that is newer than what was known, before anything is done about it.
        gone: told of each name that is there no more.
    """

    def __init__(self, *, seen: Callable[[Json], None] = _ignore, gone: Callable[[Key], None] = _ignore) -> None:
        self._entries: dict[Key, Entry] = {}
        self._seen = seen
        self._gone = gone

    def get(self, key: Key) -> Entry | None:
        """What is known of a key."""
        return self._entries.get(key)

    def views(self) -> tuple[RequestView, ...]:
        """All views; safe to call from another thread."""
        return tuple(entry.view for entry in tuple(self._entries.values()))

    def observe(self, resource: Json, now: float) -> tuple[Entry | None, bool]:
        """Takes an object in; returns what was known before and whether this is newer."""
        key, metadata = key_of(resource), resource["metadata"]
        before, version = self._entries.get(key), int(metadata["resourceVersion"])
        if before is not None and version <= before.version:
            if version == before.version:
                self._entries[key] = replace(before, seen_at=now)
            return before, False
        same = before is not None and before.uid == metadata["uid"]
        self._entries[key] = Entry(
            uid=metadata["uid"],
            generation=int(metadata["generation"]),
            version=version,
            seen_at=now,
            settled=before.settled if before is not None and same else None,
            view=view_of(resource),
            ours=before.ours if before is not None and same else b"",
        )
        self._seen(resource)
        return before, True

    def settle(self, resource: Json, now: float) -> None:
        """The operator is content with this object as it is."""
        self.observe(resource, now)
        key, metadata = key_of(resource), resource["metadata"]
        entry = self._entries[key]
        if entry.uid == metadata["uid"]:
            self._entries[key] = replace(entry, settled=settled_of(resource))

    def wrote(self, resource: Json) -> None:
        """The work on workloads wrote this status: it is no rival's, also where planning has not settled before."""
        key = key_of(resource)
        entry = self._entries.get(key)
        if entry is not None and entry.uid == resource["metadata"]["uid"]:
            self._entries[key] = replace(entry, ours=status_digest(resource))

    def is_settled(self, resource: Json) -> bool:
        """Whether exactly this generation, status and annotations that command us were settled before."""
        entry, metadata = self._entries.get(key_of(resource)), resource["metadata"]
        if entry is None or entry.settled is None or entry.uid != metadata["uid"]:
            return False
        return entry.settled == settled_of(resource)

    def unsettle(self, *, but: Container[Key]) -> None:
        """Forgets that the operator was content, except with these: what they are decided from has changed."""
        for key, entry in self._entries.items():
            if key not in but and entry.settled is not None:
                self._entries[key] = replace(entry, settled=None)

    def is_unsettled(self, resource: Json) -> bool:
        """Whether this is the newest that is known of an object, and the operator is not content with it."""
        entry, metadata = self._entries.get(key_of(resource)), resource["metadata"]
        newest = entry is not None and (entry.uid, str(entry.version)) == (metadata["uid"], metadata["resourceVersion"])
        return newest and not self.is_settled(resource)

    def is_tampered(self, resource: Json) -> bool:
        """Whether this generation was settled with another status: somebody else has written it since."""
        entry, metadata = self._entries.get(key_of(resource)), resource["metadata"]
        if entry is None or entry.settled is None or entry.uid != metadata["uid"]:
            return False
        settled, digest = entry.settled, status_digest(resource)
        return settled.generation == int(metadata["generation"]) and digest not in {settled.status, entry.ours}

    def remove(self, key: Key, uid: str) -> bool:
        """Forgets an object that is gone; one of another uid under the same name stays."""
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            return False
        del self._entries[key]
        self._gone(key)
        return True

    def vanished(self, listed: Iterable[Key], list_began: float, namespaces: frozenset[str] | None) -> list[Entry]:
        """Entries that a full LIST did not show and that nothing has shown since it began.

        Args:
            listed: the keys of the LIST.
            list_began: monotonic seconds just before it.
            namespaces: the LIST was of these; None: of all.
        """
        there = frozenset(listed)
        return [
            entry
            for key, entry in self._entries.items()
            if key not in there and entry.seen_at < list_began and (namespaces is None or key[0] in namespaces)
        ]
