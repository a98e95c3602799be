"""Traffic that TESTS play: what the Pods of a namespace get by the routes that really stand, as their metrics show it.

Each Pod that serves is a target of its own for the real Prometheus, found by HTTP discovery as a cluster's Pods are:
with the labels namespace and pod, with `up`, and gone when the Pod is gone. A Pod that is not Ready answers no scrape,
as an engine that loads does. Requests go to the Ready Pods behind a request's HTTPRoute by its weights, or behind its
Service; a share that leads to no Ready Pod is lost, as a gateway answers 503, and is counted.
"""

import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from tests.support.acting_controller import PODS, POOLS, ROUTES, SERVICES, backends
from tests.support.acting_groups import is_ready
from tests.support.acting_mirror import Follower, Mirror
from tests.support.exporter import Exporter, Traffic

Json = dict[str, Any]

REQUEST_LABEL: Final = "placewright.dev/request"
READS: Final = (PODS, POOLS, ROUTES, SERVICES)
"""What a mirror for this traffic follows, for a namespace."""

_SIZES: Final = ((512, 128, 1.0),)
_SECONDS_IN_WORK: Final = 3.0


@dataclass
class _Stream:
    """What comes for one request (a PlacementRequest, or any Service of that name)."""

    model: str
    rate: float = 0.0
    lost_rate: float = 0.0
    lost: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def fold(self) -> None:
        now = time.monotonic()
        self.lost += self.lost_rate * (now - self.since)
        self.since = now


@dataclass
class _Target:
    """One Pod as Prometheus sees it; another Pod of the same name counts from 0."""

    uid: str
    exporter: Exporter = field(default_factory=Exporter)
    ready: bool = False


class ActingTraffic:
    """The traffic of one namespace, from `with` on.

    Args:
        namespace: whose Pods.
        mirror: follows READS of this namespace.
        market: shows gauges that belong to no Pod, such as a revenue or a queue, with the label namespace.

    Attributes:
        losses: when requests began or ceased to be lost, and where they were led to.
    """

    def __init__(self, namespace: str, mirror: Mirror, market: Exporter | None = None) -> None:
        self._namespace = namespace
        self._mirror = mirror
        self._market = market or Exporter()
        self._follower = Follower(mirror, self._look, "acting-traffic")
        self._lock = threading.RLock()
        self._streams: dict[str, _Stream] = {}
        self._targets: dict[str, _Target] = {}
        self._rates: dict[str, float] = {}
        self._shares: list[dict[str, float]] = []
        self.losses: list[str] = []
        self._vanished = False
        self._server = _server(self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._follower.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self._follower.__exit__(*given)
        self._server.shutdown()
        self._server.server_close()

    @property
    def discovery(self) -> str:
        """URL where Prometheus finds the targets."""
        return f"http://{self._address}/targets"

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def set(self, request: str, requests_per_second: float, *, model: str = "own/model") -> None:
        """Sets what comes for a request from now on."""
        with self._lock:
            self._streams.setdefault(request, _Stream(model)).rate = requests_per_second
            self._look()

    def vanish(self, *, gone: bool = True) -> None:
        """All targets vanish from Prometheus' discovery, or are there again; the Pods stand and serve as before."""
        with self._lock:
            self._vanished = gone

    def lost(self, request: str) -> float:
        """Requests so far that found no Ready Pod."""
        with self._lock:
            stream = self._streams[request]
            stream.fold()
            return stream.lost

    def rates(self) -> dict[str, float]:
        """Requests per second that each Pod gets now, by name."""
        with self._lock:
            return dict(self._rates)

    def share(self, workload: str) -> float:
        """The share, 0..1, of all that is served now, that the Pods of a workload get."""
        with self._lock:
            return self._shares[-1].get(workload, 0.0) if self._shares else 0.0

    def mark(self) -> int:
        """Where `shares` may begin."""
        with self._lock:
            return max(0, len(self._shares) - 1)

    def shares(self, workload: str, since: int = 0) -> list[float]:
        """All shares that the Pods of a workload had since a mark, in turn, while anything was served."""
        with self._lock:
            found = [each.get(workload, 0.0) for each in self._shares[since:]]
        return [share for at, share in enumerate(found) if at == 0 or share != found[at - 1]]

    # --------------------------------------------------------------------------------------------------- sharing

    def _look(self) -> float | None:
        with self._lock:
            pods = {pod["metadata"]["name"]: pod for pod in self._items(PODS) if _serves(pod)}
            self._rates = dict.fromkeys(pods, 0.0)
            models = dict.fromkeys(pods, "")
            for request, stream in self._streams.items():
                stream.fold()
                before, ways = stream.lost_rate, self._ways(request)
                stream.lost_rate = 0.0 if ways else stream.rate
                for share, selector in ways:
                    ready = [name for name, pod in pods.items() if is_ready(pod) and _chosen(selector, pod)]
                    for name in ready:
                        self._rates[name] += stream.rate * share / len(ready)
                    stream.lost_rate += 0.0 if ready else stream.rate * share
                if stream.lost_rate != before:
                    self.losses.append(
                        f"{now_text()} {request} loses {stream.lost_rate:g}/s of {stream.rate:g}/s: {ways}"
                    )
                for name, pod in pods.items():
                    if pod["metadata"]["labels"].get(REQUEST_LABEL) == request:
                        models[name] = stream.model
            self._show(pods, models)
            self._note(pods)
        return None

    def _note(self, pods: Mapping[str, Json]) -> None:
        """Writes down how the traffic is shared, where that changed."""
        total, shares = sum(self._rates.values()), dict[str, float]()
        for name, pod in pods.items():
            workload = str(pod["metadata"]["labels"].get("app.kubernetes.io/instance", ""))
            shares[workload] = shares.get(workload, 0.0) + (self._rates[name] / total if total else 0.0)
        shares = {workload: round(share, 4) for workload, share in shares.items()}
        if total and (not self._shares or self._shares[-1] != shares):
            self._shares.append(shares)

    def _show(self, pods: Mapping[str, Json], models: Mapping[str, str]) -> None:
        uids = {name: str(pod["metadata"]["uid"]) for name, pod in pods.items()}
        self._targets = {name: target for name, target in self._targets.items() if uids.get(name) == target.uid}
        for name, pod in pods.items():
            target = self._targets.setdefault(name, _Target(uids[name]))
            target.ready = is_ready(pod)
            rate = self._rates[name]
            busy = float(math.ceil(rate * _SECONDS_IN_WORK))
            traffic = Traffic(requests_per_second=rate, sizes=_SIZES, running=busy)
            target.exporter.serve(traffic, model=models[name] or "own/model", key="")

    def _ways(self, request: str) -> list[tuple[float, Mapping[str, str]]]:
        """Shares of a request's traffic with the labels of the Pods that get them."""
        services = {item["metadata"]["name"]: item["spec"].get("selector") or {} for item in self._items(SERVICES)}
        routes = [item for item in self._items(ROUTES) if item["metadata"]["name"] == request]
        if not routes:
            return [(1.0, services[request])] if services.get(request) else []
        pools = {
            item["metadata"]["name"]: item["spec"]["selector"].get("matchLabels") or {} for item in self._items(POOLS)
        }
        found: list[tuple[float, Mapping[str, str]]] = []
        weights = sum(int(each.get("weight", 1)) for each in backends(routes[0]))
        for each in backends(routes[0]):
            known = pools if each.get("kind") == "InferencePool" else services
            if each.get("weight", 1) > 0:
                found.append((int(each.get("weight", 1)) / weights, known.get(each["name"], {})))
        return found

    def _items(self, path: str) -> list[Json]:
        return self._mirror.items(path.format(self._namespace))

    # --------------------------------------------------------------------------------------------------- showing

    def answer(self, path: str) -> tuple[int, str]:
        """What the HTTP server says: status and body."""
        with self._lock:
            if path == "/targets" and self._vanished:
                return 200, "[]"
            if path == "/targets":
                return 200, json.dumps([self._found("market"), *(self._found("pods", name) for name in self._targets)])
            if path == "/market":
                return 200, self._market.exposition()
            target = self._targets.get(path.removeprefix("/pods/"))
            if target is None:
                return 404, "no such Pod\n"
            return (200, target.exporter.exposition()) if target.ready else (503, "loading\n")

    def _found(self, kind: str, pod: str = "") -> Json:
        labels = {"namespace": self._namespace, "__metrics_path__": f"/{kind}/{pod}" if pod else f"/{kind}"}
        if pod:
            labels |= {"pod": pod, "instance": f"{pod}:8000"}
        return {"targets": [self._address], "labels": labels}


def now_text() -> str:
    """The time of day, as stories of tests tell it."""
    return datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]


def _serves(pod: Json) -> bool:
    """Whether Prometheus finds the Pod: it stands on a Node, and answers requests or is nobody's part."""
    return bool(pod["spec"].get("nodeName")) and _role(pod) == "serving"


def _role(pod: Json) -> str:
    return str((pod["metadata"].get("labels") or {}).get("placewright.dev/role", "serving"))


def _chosen(selector: Mapping[str, str], pod: Json) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()


def _server(traffic: ActingTraffic) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, text = traffic.answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if self.path == "/targets" else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    return Server(("127.0.0.1", 0), Handler)
