"""What stands in for a Prometheus in the demo: a revenue per hour that the demo sets, and scripted model servers."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from demo import model_server
from demo.crd import Json
from demo.model_server import ModelServer

REVENUE = "shop_revenue_usd_per_hour"
_ENDPOINT = "/api/v1/query"


class _Server(ThreadingHTTPServer):
    """Says nothing of a client that went away in the middle, as an operator does that is ended."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tells all other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class StandIn:
    """Answers instant queries on a free loopback port, as Prometheus' HTTP API would.

    Attributes:
        usd_per_hour: the value of every expression over REVENUE; may be set at any time.
        servers: model servers whose activity can be asked for; may be set at any time.
    """

    def __init__(self, usd_per_hour: float) -> None:
        self.usd_per_hour = usd_per_hour
        self.servers: tuple[ModelServer, ...] = ()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Starts to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, expr: str, now: float) -> tuple[int, Json]:
        """HTTP status and body for one query.

        Args:
            path: of the request.
            expr: PromQL.
            now: Unix time.
        """
        data = self._data(expr, now) if path == _ENDPOINT else None
        if data is None:
            told = f"this demo does not answer {expr[:80]!r} at {path}"
            return 400, {"status": "error", "errorType": "bad_data", "error": told}
        return 200, {"status": "success", "data": data}

    def _data(self, expr: str, now: float) -> Json | None:
        if model_server.is_activity(expr):
            return {"resultType": "matrix", "result": model_server.answer(expr, self.servers, now)}
        if expr == "time()":
            return {"resultType": "scalar", "result": [now, repr(now)]}
        if REVENUE in expr or expr == "vector(1)":
            value = self.usd_per_hour if REVENUE in expr else 1.0
            return {"resultType": "vector", "result": [{"metric": {}, "value": [now, str(value)]}]}
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
                status, told = answer(self.path, form.get("query", [""])[0], time.time())
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keeps the demo's page clean."""

        return Handler
