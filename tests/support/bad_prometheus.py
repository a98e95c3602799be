"""An HTTP server that stands where a Prometheus should, and misbehaves as a test says."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


Behaviour = Callable[["BadPrometheus", "Handler", Seen], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bad: "BadPrometheus"

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def do_GET(self) -> None:
        self._handle("")

    def _handle(self, body: str) -> None:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        seen = Seen(self.path, form, {name.lower(): value for name, value in self.headers.items()})
        with self.bad.lock:
            self.bad.seen.append(seen)
        self.bad.behaviour(self.bad, self, seen)

    def say(self, status: int, body: str, **headers: str) -> None:
        """Answers properly."""
        data = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class BadPrometheus:
    """The server; `behaviour` may be set at any time.

    Args:
        behaviour: how it answers, one of the functions below.
        tls: its certificate; None: it speaks plain HTTP.
    """

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._scheme = "http" if tls is None else "https"
        self.behaviour = behaviour
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.released = threading.Event()  # ends what hangs
        handler = type("BoundHandler", (Handler,), {"bad": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def success(data: Json, **more: Any) -> str:
    return json.dumps({"status": "success", "data": data, **more})


def vector(*values: str, at: float | None = None) -> Json:
    moment = time.time() if at is None else at
    return {
        "resultType": "vector",
        "result": [{"metric": {"n": str(index)}, "value": [moment, value]} for index, value in enumerate(values)],
    }


def figure(value: str, *, seconds_ago: float = 0.0) -> Behaviour:
    """Answers every query with one figure: NaN, stale or from the future as well."""

    def behave(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
        moment = time.time() - seconds_ago
        if seen.path.endswith("query_range"):
            data: Json = {"resultType": "matrix", "result": [{"metric": {}, "values": [[moment, value]]}]}
        else:
            data = vector(value, at=moment)
        handler.say(200, success(data))

    return behave


def empty(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
    kind = "matrix" if seen.path.endswith("query_range") else "vector"
    handler.say(200, success({"resultType": kind, "result": []}))


def many(count: int) -> Behaviour:
    return lambda _, handler, __: handler.say(200, success(vector(*["1"] * count)))


def body(text: str, status: int = 200) -> Behaviour:
    """Answers with this text, whatever is asked."""
    return lambda _, handler, __: handler.say(status, text)


def refusal(status: int, kind: str, text: str) -> Behaviour:
    """Prometheus' own error answer."""
    return body(json.dumps({"status": "error", "errorType": kind, "error": text}), status)


def echo(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
    """An error text that holds the token of the asker."""
    text = json.dumps({"status": "error", "errorType": "internal", "error": seen.headers.get("authorization", "")})
    handler.say(500, text)


def redirect(location: str, status: int = 302) -> Behaviour:
    return lambda _, handler, __: handler.say(status, "", Location=location)


def huge(bad: BadPrometheus, handler: Handler, seen: Seen) -> None:
    """Writes for ever."""
    handler.send_response(200)
    huge_body(bad, handler, seen)


def huge_body(bad: BadPrometheus, handler: Handler, _: Seen) -> None:
    """Writes for ever, under a status that is already there."""
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    try:
        while not bad.released.is_set():
            handler.wfile.write(chunk)
    except OSError:
        handler.close_connection = True  # the asker has enough, which is the point


def half(_: BadPrometheus, handler: Handler, __: Seen) -> None:
    """Says that more comes than does."""
    handler.send_response(200)
    handler.send_header("Content-Length", "4096")
    handler.end_headers()
    handler.wfile.write(success(vector("1")).encode()[:40])
    handler.close_connection = True


def slow(bad: BadPrometheus, handler: Handler, _: Seen) -> None:
    """Says nothing at all."""
    bad.released.wait(60)
    handler.close_connection = True


def drip(bad: BadPrometheus, handler: Handler, _: Seen) -> None:
    """Sends a byte now and then, so that no wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        while not bad.released.wait(0.05):
            handler.wfile.write(b" ")
    except OSError:
        handler.close_connection = True


def hang_up(_: BadPrometheus, handler: Handler, __: Seen) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def no_http(_: BadPrometheus, handler: Handler, __: Seen) -> None:
    """Speaks something else."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    handler.close_connection = True
