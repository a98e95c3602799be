"""Calls on the API of the demo, as kubectl makes them."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from demo.crd import Crd, Json

_CALL_SECONDS = 10.0
_OF_KUBERNETES = {"Node": ("nodes", False), "Pod": ("pods", True)}

Key = tuple[str, str]
"""Namespace, empty for a cluster-wide kind, and name."""


class DemoError(Exception):
    """A step that failed; one line."""


class Calls:
    """Creates and reads objects.

    Args:
        port: of the API, on loopback.
        crds: the custom resources that it serves, by kind.
    """

    def __init__(self, port: int, crds: Mapping[str, Crd]) -> None:
        self._port = port
        self.crds = crds

    def create(self, body: Json) -> None:
        """Creates an object, in kubectl's default namespace when its kind wants one and it names none.

        Raises:
            DemoError: it was refused or not answered.
        """
        self._call("POST", self._path(body["kind"], body["metadata"].get("namespace", "default")), body)

    def objects(self, kind: str) -> dict[Key, Json]:
        """Every object of a kind.

        Raises:
            DemoError: it was refused or not answered.
        """
        items = self._call("GET", self._path(kind))["items"]
        return {(item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in items}

    def _path(self, kind: str, namespace: str | None = None) -> str:
        """The collection of a kind: of all namespaces, or of one where the kind has any."""
        if kind in self.crds:
            crd = self.crds[kind]
            root, plural, namespaced = f"/apis/{crd.group}/{crd.version}", crd.plural, crd.namespaced
        elif kind in _OF_KUBERNETES:
            root, (plural, namespaced) = "/api/v1", _OF_KUBERNETES[kind]
        else:
            raise DemoError(f"{kind}: this demo has no such kind")
        return f"{root}/namespaces/{namespace}/{plural}" if namespaced and namespace else f"{root}/{plural}"

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_CALL_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DemoError(f"{method} {path}: {type(error).__name__} {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise DemoError(f"{method} {path}: {answer.status} {told.get('reason', '')}: {told.get('message', '')}")
        return told
