"""Requests to status per second and peak memory, beside a bare kopf operator in the same run on the real API server."""

import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.assets import Finder
from tests.controlplane.processes import ManagedProcess, wait_until
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import ROOT, OperatorProcess
from tests.support.placements import Placements
from tests.support.requests import Json, small_spec

REQUESTS = 1000
ROUNDS = 3
_LIMIT_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one operator over all requests."""

    per_second: float  # first to last status, so that start-up counts for neither
    from_start_seconds: float  # process start to last status
    peak_mib: float  # of the operator's own process
    peak_with_children_mib: float


class StatusWatch:
    """Notes when each request of a namespace first has a Ready condition."""

    def __init__(self, control_plane: ControlPlane, placements: Placements, *, wanted: int = REQUESTS) -> None:
        self.wanted = wanted
        self.seen: dict[str, float] = {}
        self._control_plane = control_plane
        self._placements = placements
        version = control_plane.admin.get(placements.path)["metadata"]["resourceVersion"]
        threading.Thread(target=self._read, args=(version,), daemon=True).start()

    def _read(self, version: str) -> None:
        """Reads on from where it was whenever the watch ends: the server closes slow ones in a burst."""
        while len(self.seen) < self.wanted:
            query = f"watch=true&resourceVersion={version}&timeoutSeconds=15"
            url = f"{self._control_plane.url}{self._placements.path}?{query}"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._control_plane.token()}"})
            opener = self._control_plane.admin._opener  # noqa: SLF001 - its TLS set-up is wanted, not its JSON
            with contextlib.suppress(OSError), opener.open(request, timeout=20) as answer:
                for line in answer:
                    resource = json.loads(line)["object"]
                    version = resource["metadata"]["resourceVersion"]
                    if (resource.get("status") or {}).get("conditions"):
                        self.seen.setdefault(resource["metadata"]["name"], time.monotonic())

    def measured(self, began: float, pids: Callable[[], list[int]]) -> Measured:
        wait_until(lambda: len(self.seen) >= REQUESTS, _LIMIT_SECONDS, f"{REQUESTS} statuses")
        first, last = min(self.seen.values()), max(self.seen.values())
        peaks = [peak_mib(pid) for pid in pids()]
        return Measured(
            per_second=(REQUESTS - 1) / (last - first),
            from_start_seconds=last - began,
            peak_mib=peaks[0],
            peak_with_children_mib=sum(peaks),
        )


def peak_mib(pid: int) -> float:
    """Largest resident size of a process so far; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())]


def filled(control_plane: ControlPlane, spec: Callable[[int], Json]) -> Placements:
    """A new namespace with all requests in it; it goes with the control plane."""
    placements = Placements(control_plane.admin, control_plane.create_namespace("bench"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: placements.create(f"r-{index}", spec(index)), range(REQUESTS)))
    return placements


def bare(control_plane: ControlPlane, folder: Path, status: Json) -> Measured:
    """A bare kopf operator that writes this status to each request."""
    placements = filled(control_plane, lambda _: small_spec())
    told = {"KUBECONFIG": str(control_plane.kubeconfig), "NAMESPACE": placements.namespace}
    process = ManagedProcess(
        "bare kopf",
        [sys.executable, "-m", "bench.bare_kopf"],
        folder / "bare.log",
        {**os.environ, **told, "STATUS": json.dumps(status)},
        ROOT,
    )
    watch, began = StatusWatch(control_plane, placements), time.monotonic()
    process.start()
    try:
        return watch.measured(began, lambda: [process.pid])
    finally:
        process.stop()


def placewright(control_plane: ControlPlane, folder: Path, spec: Callable[[int], Json]) -> Measured:
    """The product; exactly one write for each request, or it does not count."""
    placements = filled(control_plane, spec)
    operator = OperatorProcess(control_plane.kubeconfig, folder, namespaces=[placements.namespace])
    watch, began = StatusWatch(control_plane, placements), time.monotonic()
    operator.launch()
    try:
        measured = watch.measured(began, lambda: family(operator.process.pid))
        operator.wait(lambda: operator.idle, "rest")
        assert operator.written == REQUESTS, f"{operator.written} writes for {REQUESTS} requests"
        return measured
    finally:
        operator.stop()


def trivial_spec(index: int) -> Json:
    """A request with one configuration; its price makes each another problem, so that each is really solved."""
    spec = small_spec(price=1.0 + index / 1000, gpus=1)
    spec["workload"]["concurrency"] = 16
    spec["parallelism"] = {"tensor": [1], "maxPipeline": 1}
    return spec


def row(name: str, runs: list[Measured], yardstick: float) -> str:
    rate = statistics.median(run.per_second for run in runs)
    seconds = statistics.median(run.from_start_seconds for run in runs)
    own, family_mib = max(run.peak_mib for run in runs), max(run.peak_with_children_mib for run in runs)
    return f"{name:<44} {rate:8.0f}/s {rate / yardstick:7.0%} {seconds:9.1f} s {own:8.0f} MiB {family_mib:8.0f} MiB"


def run() -> None:
    """Prints the table; the order alternates, so that a slow moment of the machine hits both."""
    print(f"\nOperator: {REQUESTS} requests to status on a real API server, {ROUNDS} rounds, medians")
    with ControlPlane(Finder(report=print)) as control_plane, tempfile.TemporaryDirectory() as folder:
        control_plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
        status = sample_status(control_plane, Path(folder))
        small = {"observedGeneration": 1, "conditions": status["conditions"][:1]}
        equal, tiny, ours, trivial = [], [], [], []
        for _ in range(ROUNDS):
            equal.append(bare(control_plane, Path(folder), status))
            ours.append(placewright(control_plane, Path(folder), lambda _: small_spec()))
            trivial.append(placewright(control_plane, Path(folder), trivial_spec))
            tiny.append(bare(control_plane, Path(folder), small))
        solved = placewright(control_plane, Path(folder), lambda index: small_spec(price=1.0 + index / 1000))
    yardstick = statistics.median(run.per_second for run in equal)
    print(f"{'':<44} {'rate':>10} {'of bare':>7} {'from start':>11} {'peak':>12} {'+ solver':>12}")
    print(row("bare kopf on.event, the same status each", equal, yardstick))
    print(row("placewright, equal inputs", ours, yardstick))
    print(row("placewright, each trivial, all solved", trivial, yardstick))
    print(row("placewright, each a search, all solved", [solved], yardstick))
    print(row("bare kopf on.event, one condition each", tiny, yardstick))
    print(f"the status has {len(json.dumps(status))} bytes; one condition has {len(json.dumps(small))}")


def sample_status(control_plane: ControlPlane, folder: Path) -> Json:
    """What placewright writes for the bench's request: the bare operator writes the same, so that only they differ."""
    placements = Placements(control_plane.admin, control_plane.create_namespace("bench"))
    placements.create("sample")
    with OperatorProcess(control_plane.kubeconfig, folder, namespaces=[placements.namespace]) as operator:
        found = operator.wait(lambda: placements.settled("sample"), "a status")
    status: Json = found["status"]
    return status


if __name__ == "__main__":
    run()
