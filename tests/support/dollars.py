"""Requests that follow live figures on a real API server, with the real Prometheus and a scripted exporter."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.controlplane.server import ControlPlane
from tests.support.bad_prometheus import BadPrometheus, Handler, Seen
from tests.support.exporter import Exporter, Traffic
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition, reason
from tests.support.prometheus_server import PrometheusServer, Target

Json = dict[str, Any]

POLICIES = "/apis/placewright.dev/v1alpha1/placementpolicies"
WITHIN_SECONDS = 90.0
REVENUE = "sum(revenue_usd_per_hour)"
INPUT, OUTPUT = 512, 128
MODEL = "own/model"
MAX_AGE = "3s"


def spec(rate: float | None = None, *, price: float = 1.0, **more: Any) -> Json:
    """A request on a pool of its own; a replica is one GPU and serves one request per second."""
    row = {
        "gpu": "L40S",
        "tensorParallel": 1,
        "pipelineParallel": 1,
        "precision": "bf16",
        "inputTokens": INPUT,
        "outputTokens": OUTPUT,
        "requestsPerSecond": 1,
    }
    workload: Json = {"inputTokens": INPUT, "outputTokens": OUTPUT}
    return {
        "model": {"name": MODEL, "precisions": [{"name": "bf16"}]},
        "workload": workload | ({"requestsPerSecond": rate} if rate is not None else {}),
        "performance": {"measurements": [row]},
        "pools": [{"name": "own", "gpu": "L40S", "nodes": 2, "gpusPerNode": 8, "pricePerGPUHour": price}],
        "stabilization": {"minDwell": "1s", "loadTime": "0s"},
        **more,
    }


def following(*, hysteresis_percent: float = 2, **more: Any) -> Json:
    """A request whose demand is what the exporter serves."""
    given = spec(**more)
    given["workload"] = {
        "demandFrom": {
            "preset": "vllm",
            "modelName": "m",
            "window": "10s",
            "headroomPercent": 0,
            "hysteresisPercent": hysteresis_percent,
            "maxAge": MAX_AGE,
        }
    }
    return given


def earning(limit: float, **more: Any) -> Json:
    """Gates that hold the cost against what the exporter says that the model earns."""
    return {"maxCostToRevenueRatio": limit, "revenuePerHourQuery": REVENUE, **more}


def through(url: str) -> Callable[[BadPrometheus, Handler, Seen], None]:
    """Answers as the server at this URL does."""

    def behave(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
        body = urllib.parse.urlencode(seen.form).encode()
        try:
            with urllib.request.urlopen(url + seen.path, data=body, timeout=10) as answer:
                handler.say(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                handler.say(error.code, error.read().decode())
        except OSError:
            handler.say(502, "nobody there")

    return behave


class Market:
    """One namespace with its traffic, its revenue, and what the operator makes of them.

    Attributes:
        exporter: what the models serve and earn.
        prometheus: the real server that scrapes it.
        door: what the operator asks; it hands on to Prometheus until a test makes it bad.
    """

    def __init__(self, plane: ControlPlane, folder: Path, program: Path) -> None:
        self.plane = plane
        self.folder = folder
        self.placements = Placements(plane.admin, plane.create_namespace("dollars"))
        self.policy = f"inputs-{self.placements.namespace}"
        self.exporter = Exporter()
        self._program = program
        self._stack = contextlib.ExitStack()

    def open(self, **inputs: Any) -> None:
        """Starts exporter, Prometheus and door, and allows queries on the own namespace."""
        self._stack.enter_context(self.exporter)
        place = self.folder / "prometheus"
        place.mkdir()
        target = Target(address=self.exporter.address, labels={"namespace": self.placements.namespace})
        self.prometheus = PrometheusServer(self._program, place, [target], interval="500ms", lookback="3s")
        self._stack.enter_context(self.prometheus)
        self.door = self._stack.enter_context(BadPrometheus(through(self.prometheus.url)))
        given = {"requestQueries": "OwnNamespace", "maxAge": MAX_AGE, **inputs}
        body = {
            "apiVersion": "placewright.dev/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": {"name": self.policy},
            "spec": {"inputs": given},
        }
        self.plane.admin.create(POLICIES, body)

    def close(self) -> None:
        self._stack.close()
        self.plane.admin.delete(f"{POLICIES}/{self.policy}")
        self.plane.delete_namespace(self.placements.namespace)

    def operator(self, *arguments: str) -> OperatorProcess:
        return OperatorProcess(
            self.plane.kubeconfig,
            self.folder,
            namespaces=[self.placements.namespace],
            arguments=[
                f"--prometheus-url={self.door.url}",
                "--prometheus-timeout=1",
                "--inputs-interval=0.3",
                "--fleet-debounce=0.1",
                f"--audit-dir={self.folder / 'audit'}",
                *arguments,
            ],
        )

    def traffic(self, requests_per_second: float) -> None:
        self.exporter.serve(Traffic(requests_per_second=requests_per_second, sizes=((400, 100, 1.0),)))

    def earn(self, usd_per_hour: float | None) -> None:
        self.exporter.gauge("revenue_usd_per_hour", usd_per_hour)

    # ------------------------------------------------------------------------------------------- what a status says

    def status(self, name: str) -> Json:
        found: Json = self.placements.get(name).get("status") or {}
        return found

    def replicas(self, name: str) -> int:
        return int((self.status(name).get("plan") or {}).get("replicas", 0))

    def ramp(self, name: str) -> Json:
        found: Json = self.status(name).get("ramp") or {}
        return found

    def step(self, name: str) -> tuple[int, str]:
        """Step and reason of the ramp."""
        ramp = self.ramp(name)
        return int(ramp.get("step", -2)), str(ramp.get("reason", ""))

    def gate(self, name: str, gate: str) -> str:
        """Result of a gate; empty when the status has no such gate."""
        gates = self.status(name).get("gates") or ()
        return next((str(entry["result"]) for entry in gates if entry["name"] == gate), "")

    def reason(self, name: str) -> str:
        return reason(self.placements.get(name))

    def fresh(self, name: str) -> str:
        """Reason of InputsFresh."""
        return str(condition(self.placements.get(name), "InputsFresh").get("reason", ""))

    def records(self) -> list[Json]:
        """All records of the audit journal; a line that is still being written is none."""
        lines = [
            line
            for file in sorted((self.folder / "audit").glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
            if line.endswith("\n")
        ]
        return [json.loads(line) for line in lines]


@contextlib.contextmanager
def market(plane: ControlPlane, folder: Path, program: Path, **inputs: Any) -> Iterator[Market]:
    """A market that is open."""
    made = Market(plane, folder, program)
    try:
        made.open(**inputs)
        yield made
    finally:
        made.close()


def soon(operator: OperatorProcess, probe: Callable[[], Any], what: str) -> None:
    operator.wait(probe, what, timeout_s=WITHIN_SECONDS)
