"""A live copy of some objects of an API server, by LIST and watch: what a test's helpers see, and when they look again.

Every change is seen, not only what stands at the moment of a sample.
"""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane

Json = dict[str, Any]
Listener = Callable[[str, Json | None, Json | None], None]
"""Is told (path, object before, object now) of each change, one at a time; None: it was not or is not there."""

_WATCH_SECONDS = 300
_START_SECONDS = 30.0
_AGAIN_SECONDS = 0.1


class Mirror:
    """Follows the collections at these paths from `with` on.

    Args:
        plane: what to follow.
        paths: of collections, such as /api/v1/namespaces/NAME/pods.
    """

    def __init__(self, plane: ControlPlane, paths: Sequence[str]) -> None:
        self._plane = plane
        self._objects: dict[str, dict[tuple[str, str], Json]] = {path: {} for path in paths}
        self._versions: dict[str, str] = {}
        self._connections: dict[str, http.client.HTTPSConnection] = {}
        self._listeners: list[Listener] = []
        self._stopped = threading.Event()
        self._changed = threading.Condition(threading.RLock())
        self._changes = 0
        self._threads = [threading.Thread(target=self._follow, args=(path,), daemon=True) for path in paths]

    def __enter__(self) -> Self:
        for path in self._objects:
            wait_until(lambda at=path: self._list(at), _START_SECONDS, f"a LIST of {path}")  # type: ignore[misc]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for connection in list(self._connections.values()):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)  # ends the read that its thread waits in
        for thread in self._threads:
            thread.join(timeout=15.0)

    def listen(self, listener: Listener) -> None:
        """Tells the listener of all that is there, and of every change from now on; it must not wait for anything."""
        with self._changed:
            for path, known in self._objects.items():
                for item in known.values():
                    listener(path, None, item)
            self._listeners.append(listener)

    @property
    def lock(self) -> threading.Condition:
        """Nothing changes while somebody holds it."""
        return self._changed

    def items(self, path: str) -> list[Json]:
        """What stands at a path; not to be changed."""
        with self._changed:
            return list(self._objects[path].values())

    def wait_change(self, since: int, seconds: float) -> int:
        """Waits until something changed after `since`, at most so long; returns the count of changes."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != since, timeout=seconds)
            return self._changes

    # -------------------------------------------------------------------------------------------------- following

    def _list(self, path: str) -> bool:
        try:
            found = self._plane.admin.get(path)
        except ApiError as error:
            if error.status in (404, 429):  # the storage of a new kind begins
                return False
            raise
        with self._changed:
            there = {_key(item): item for item in found["items"]}
            for key in [key for key in self._objects[path] if key not in there]:
                self._take(path, key, None)
            for key, item in there.items():
                self._take(path, key, item)
        self._versions[path] = found["metadata"]["resourceVersion"]
        return True

    def _take(self, path: str, key: tuple[str, str], item: Json | None) -> None:
        known = self._objects[path]
        before = known.get(key)
        if item is None:
            known.pop(key, None)
        else:
            known[key] = item
        if before == item:
            return
        for listener in self._listeners:
            listener(path, before, item)
        self._changes += 1
        self._changed.notify_all()

    def _follow(self, path: str) -> None:
        while not self._stopped.is_set():
            try:
                for event in self._events(path):
                    if event["type"] == "ERROR":
                        self._list(path)
                        break
                    item = event["object"]
                    self._versions[path] = item["metadata"]["resourceVersion"]
                    if event["type"] == "BOOKMARK":
                        continue
                    with self._changed:
                        self._take(path, _key(item), None if event["type"] == "DELETED" else item)
            except (OSError, ValueError, ApiError, http.client.HTTPException):
                self._stopped.wait(_AGAIN_SECONDS)  # the API server is away, or we are to stop

    def _events(self, path: str) -> Iterator[Json]:
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={_WATCH_SECONDS}"
        host = self._plane.url.removeprefix("https://")
        context = ssl.create_default_context(cafile=str(self._plane.ca))
        connection = http.client.HTTPSConnection(host, context=context)
        self._connections[path] = connection
        headers = {"Authorization": f"Bearer {self._plane.token()}"}
        with contextlib.closing(connection):
            connection.request("GET", f"{path}?{query}&resourceVersion={self._versions[path]}", headers=headers)
            answer = connection.getresponse()
            if answer.status == http.HTTPStatus.GONE:
                self._list(path)
                return
            if answer.status != http.HTTPStatus.OK:
                raise ValueError(f"watching {path}: {answer.status}")
            while not self._stopped.is_set() and (line := answer.readline()):
                event: Json = json.loads(line)
                yield event


class Follower:
    """Calls `look` in a thread of its own whenever a mirror changed, and again where it asks for it.

    Args:
        mirror: what is looked at.
        look: returns the seconds after which it wants to look again although nothing changed; None: not at all.
        name: of the thread.
    """

    def __init__(self, mirror: Mirror, look: Callable[[], float | None], name: str) -> None:
        self._mirror = mirror
        self._look = look
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=15.0)

    def _run(self) -> None:
        seen, due = -1, 0.0
        while not self._stopped.is_set():
            now = self._mirror.wait_change(seen, max(0.0, min(0.25, due - time.monotonic())))
            if now == seen and time.monotonic() < due:
                continue
            seen = now
            try:
                again = self._look()
            except (ApiError, OSError) as error:
                self.faults.append(str(error))
                again = 0.25
            due = time.monotonic() + (3600.0 if again is None else again)


def _key(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
