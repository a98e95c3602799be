"""/healthz, /readyz and /metrics over HTTP, in a thread of their own: they answer while the event loop is blocked."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import HTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.health import Health, Verdict

log = logging.getLogger(__name__)

_SLOW_CLIENT_SECONDS = 10.0


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `0.0.0.0:8080`, `[::1]:8080` or `:8080` (all interfaces).

    Raises:
        InvalidRequestError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InvalidRequestError("--metrics-address", got=text or "nothing", wants="HOST:PORT, as 0.0.0.0:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - a pod's probes come from outside of it


class HttpServer:
    """The operator's one HTTP port.

    Args:
        address: host and port to bind; port 0 takes a free one.
        registry: what /metrics shows.
        health: what the probes ask.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, address: tuple[str, int], *, registry: CollectorRegistry, health: Health) -> None:
        server_class = _server_class(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self._server = server_class(address, _QuietHandler)
        self._server.set_app(_application(registry, health))
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends answering and frees the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _application(
    registry: CollectorRegistry, health: Health
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    metrics = make_wsgi_app(registry)
    probes: dict[str, Callable[[], Verdict]] = {"/healthz": health.live, "/readyz": health.ready}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            served: Iterable[bytes] = metrics(environ, start_response)
            return served
        probe = probes.get(path)
        if probe is None:
            return _plain(start_response, "404 Not Found", "there are /healthz, /readyz and /metrics\n")
        verdict = probe()
        return _plain(start_response, "200 OK" if verdict.ok else "503 Service Unavailable", verdict.text)

    return application


def _plain(start_response: StartResponse, status: str, text: str) -> list[bytes]:
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


class _QuietHandler(WSGIRequestHandler):
    timeout = _SLOW_CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log.debug(format, *args)


def _server_class(family: socket.AddressFamily) -> type[WSGIServer]:
    class Server(ThreadingMixIn, WSGIServer):
        address_family = family
        daemon_threads = True

        def server_bind(self) -> None:
            # Not HTTPServer's: it looks its own name up in DNS, which can take seconds in a pod.
            super(HTTPServer, self).server_bind()
            host, port = self.server_address[:2]
            self.server_name, self.server_port = str(host), int(port)
            self.setup_environ()

    return Server
