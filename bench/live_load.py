"""What the bench of live inputs asks about: requests with gates, and a Prometheus that answers all that they ask.

The stand-in answers by the kind of expression alone, as fast as Python can, so that what is measured is ours. It counts
the requests by expression, and how long it took itself.
"""

import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any, Self
from urllib.parse import parse_qs

from placewright.telemetry.prometheus.wants import PART, Figure

Json = dict[str, Any]

_MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3", "Qwen/Qwen2.5-7B-Instruct")
_VALUES = {
    Figure.INPUT_TOTAL: "1500",  # between what its buckets allow
    Figure.OUTPUT_TOTAL: "1000",
    Figure.TOKENS: "3000",
    Figure.TTFT: "0.4",
    Figure.TPOT: "0.02",
}
_BOUNDS = ("100.0", "200.0", "500.0", "1000.0", "2000.0", "5000.0", "+Inf")


def policy() -> Json:
    """Lets requests ask for their revenue."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "live"},
        "spec": {"inputs": {"requestQueries": "OwnNamespace"}},
    }


def specs(count: int) -> Iterator[Json]:
    """Requests with live demand, revenue and observed cost; two and two ask for the same figures of a server."""
    for index in range(count):
        served = f"served-{index // 2}"
        yield {
            "model": {"name": _MODELS[index % len(_MODELS)], "maxModelLen": 8192},
            "workload": {"demandFrom": {"preset": "vllm", "modelName": served, "window": "10m"}},
            "pools": [
                {
                    "name": "l40s",
                    "gpu": "L40S",
                    "nodes": 4,
                    "gpusPerNode": 8,
                    "pricePerGPUHour": round(1.0 + index % 7 / 10, 2),
                }
            ],
            "gates": {
                "maxCostPerMillionTokens": 5.0,
                "maxCostPerHour": 100.0,
                "maxCostToRevenueRatio": 0.5,
                "revenuePerHourQuery": f'sum(revenue_usd_per_hour{{model="{served}"}})',
                "maxObservedCostDriftPercent": 1000.0,
            },
        }


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
    """A process that answers like a Prometheus."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.url = f"http://127.0.0.1:{self._ours.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def asked(self) -> Asked:
        """Since the last call."""
        self._ours.send("asked")
        found: Asked = self._ours.recv()
        return found


def _serve(pipe: Connection) -> None:
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
            body = json.dumps({"status": "success", "data": _data(expr, form)}).encode()
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
    import threading  # noqa: PLC0415 - only here

    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    while True:
        try:
            pipe.recv()
        except EOFError:
            sys.exit(0)
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


def _data(expr: str, form: dict[str, list[str]]) -> Json:
    if "start" in form:
        start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
        points = [[start + index * step, "4.0"] for index in range(round((end - start) / step) + 1)]
        return {"resultType": "matrix", "result": [{"metric": {}, "values": points}]}
    now = time.time()
    if PART in expr:
        return {"resultType": "vector", "result": list(_figures(now))}
    return {"resultType": "vector", "result": [{"metric": {}, "value": [now, "50"]}]}


def _figures(now: float) -> Iterator[Json]:
    """All that a preset's query may ask for."""
    for part in Figure:
        if part in {Figure.INPUT_BUCKETS, Figure.OUTPUT_BUCKETS}:
            for index, bound in enumerate(_BOUNDS):
                value = str(min(4.0, 1.0 + index))
                yield {"metric": {PART: str(part), "le": bound}, "value": [now, value]}
        else:
            yield {"metric": {PART: str(part)}, "value": [now, _VALUES.get(part, str(now))]}
