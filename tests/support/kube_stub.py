"""A stub of an API server that answers LISTs, and GETs of requests, from a table, and remembers what it was asked.

It has a thread of its own.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

OURS = "/apis/placewright.dev/v1alpha1"
_PATHS = {
    "placementrequests": f"{OURS}/placementrequests",
    "gpupools": f"{OURS}/gpupools",
    "placementpolicies": f"{OURS}/placementpolicies",
    "performanceprofiles": f"{OURS}/performanceprofiles",
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
}


@dataclass(slots=True)
class KubeStub:
    """What the server holds and was asked.

    Attributes:
        url: where it listens.
        kubeconfig: credentials for it.
        calls: (method, path) of each request.
        refused: HTTP status by path that it answers with instead.
    """

    url: str
    kubeconfig: Path
    calls: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


@contextmanager
def kube_stub(folder: Path, objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[KubeStub]:
    """Serve objects by plural, as the API server's lists do: items do not repeat apiVersion and kind."""
    lists = {path: [dict(body) for body in objects.get(plural, ())] for plural, path in _PATHS.items()}
    stub = KubeStub(url="", kubeconfig=folder / "kubeconfig")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            stub.calls.append(("GET", path))
            refused = stub.refused.get(path)
            if refused is not None:
                self._answer(refused, {"kind": "Status", "reason": "Forbidden", "message": "no rights"})
            elif path == OURS:
                self._answer(200, {"resources": [{"name": name} for name in _PATHS]})
            else:
                self._tell(_found(lists, path))

        def _tell(self, found: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None) -> None:
            if found is None:
                self._answer(404, {"kind": "Status", "reason": "NotFound", "message": "no such path"})
            elif isinstance(found, Mapping):
                self._answer(200, found)
            else:
                items = [{key: body[key] for key in body.keys() - {"apiVersion", "kind"}} for body in found]
                self._answer(200, {"metadata": {"resourceVersion": "1"}, "items": items})

        def _answer(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stub",
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
        "clusters": [{"name": "stub", "cluster": {"server": stub.url}}],
        "users": [{"name": "stub", "user": {}}],
    }
    stub.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _found(
    lists: Mapping[str, list[dict[str, Any]]], path: str
) -> Sequence[Mapping[str, Any]] | Mapping[str, Any] | None:
    """The objects of a list, of all namespaces or one; one object; None: there is no such path."""
    if path in lists or not path.startswith(f"{OURS}/namespaces/"):
        return lists.get(path)
    namespace, plural, *name = path.removeprefix(f"{OURS}/namespaces/").split("/")
    inside = [each for each in lists[_PATHS[plural]] if each["metadata"].get("namespace") == namespace]
    if not name:
        return inside
    return next((each for each in inside if [each["metadata"]["name"]] == name), None)
