"""A process that answers like a Prometheus, as fast as Python can, so that what is measured is ours.

It counts the requests by expression, and how long it took itself.
"""

import json
import multiprocessing
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self
from urllib.parse import parse_qs

Json = dict[str, Any]


class Answers(Protocol):
    """Makes the answers; goes to another process."""

    def data(self, expr: str, form: dict[str, list[str]]) -> Json:
        """The `data` of the answer to one query: the expression, and all that the request says."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the stand-in was asked since it was asked for this the last time.

    Attributes:
        requests: HTTP requests.
        distinct: expressions.
        most: requests of the expression that was asked most often.
        own_seconds: that making the answers took.
    """

    requests: int
    distinct: int
    most: int
    own_seconds: float


class StandIn:
    """A process that answers like a Prometheus.

    Args:
        answers: makes the answers; a copy of it does, in the other process.
    """

    def __init__(self, answers: Answers) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, answers), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.url = f"http://127.0.0.1:{self._ours.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def asked(self) -> Asked:
        """Since the last call."""
        self._ours.send(None)
        found: Asked = self._ours.recv()
        return found

    def use(self, answers: Answers) -> None:
        """Other answers from now on."""
        self._ours.send(answers)
        self._ours.recv()


def _serve(pipe: Connection, answers: Answers) -> None:
    using = [answers]
    counts: Counter[str] = Counter()
    spent = [0.0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            began = time.perf_counter()
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            expr = form["query"][0]
            counts[expr] += 1
            body = json.dumps({"status": "success", "data": using[0].data(expr, form)}).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)
            spent[0] += time.perf_counter() - began

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The operator ends while connections are open."""

    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        try:
            given = pipe.recv()
        except EOFError:
            sys.exit(0)
        if given is not None:
            using[0] = given
            pipe.send(None)
            continue
        told, own = dict(counts), spent[0]
        counts.clear()
        spent[0] = 0.0
        pipe.send(
            Asked(
                requests=sum(told.values()),
                distinct=len(told),
                most=max(told.values(), default=0),
                own_seconds=own,
            )
        )
