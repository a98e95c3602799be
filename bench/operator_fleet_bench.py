"""The fleet on a real API server: from Nodes, pools and requests without statuses to all statuses, time and memory."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import operator_fleet_load as load
from bench.operator_bench import StatusWatch, family, peak_mib
from tests.controlplane.assets import Finder
from tests.controlplane.nodes import create_gpu_nodes
from tests.controlplane.processes import ManagedProcess
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import ROOT, OperatorProcess
from tests.support.placements import Placements, reason

TIME = load.Size(nodes=1000, requests=1000, pools=20)
MEMORY = load.Size(nodes=1000, requests=5000, pools=20, pods=3000, demand=12.0)
GOAL_MIB = 256
_GROUP = "/apis/placewright.dev/v1alpha1"
_LIMIT_SECONDS = 900.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run.

    Attributes:
        seconds: from the start of the process to the last status.
        first_seconds: to the first status.
        spans: by call: (how often, seconds in all), up to the last status; see `operator_fleet_probe`.
        cpu_seconds: of the operator's own process, of its solver process.
        peak_mib: likewise.
        rest_mib: resident, when all is written and nothing is left to do.
        reasons: of the Ready conditions.
        loads: used and capacity of each pool.
        writes: statuses of requests and pools.
    """

    seconds: float
    first_seconds: float
    spans: dict[str, tuple[int, float]]
    cpu_seconds: tuple[float, float]
    peak_mib: tuple[float, float]
    rest_mib: float
    reasons: Counter[str] = field(default_factory=Counter)
    loads: list[tuple[int, int]] = field(default_factory=list)
    writes: int = 0


@dataclass(frozen=True, kw_only=True)
class Span:
    """One call that was timed: its begin and end of a clock that does not go back, and CPU seconds of the process."""

    name: str
    began: float
    ended: float
    cpu: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Probed(OperatorProcess):
    """The operator with its parts timed."""

    def __init__(self, kubeconfig: Path, folder: Path, *, namespace: str, options: Sequence[str] = ()) -> None:
        super().__init__(kubeconfig, folder)
        self.spans = folder / "spans"
        command = [sys.executable, "-m", "bench.operator_fleet_probe", "run", "--metrics-address=127.0.0.1:0"]
        env = {**os.environ, "KUBECONFIG": str(kubeconfig), "SPANS": str(self.spans)}
        self.process = ManagedProcess(
            "operator", [*command, f"--namespace={namespace}", *options], folder / "operator.log", env, ROOT
        )

    def spans_since(self, since: float = 0.0) -> list[Span]:
        """The calls that began after a moment and have ended."""
        lines = self.spans.read_text(encoding="utf-8").splitlines()
        return [span for span in (Span(**json.loads(line)) for line in lines) if span.began >= since]

    def told(self, until: float) -> dict[str, tuple[int, float]]:
        """How often each call ended, and how long all of them took in seconds, of those begun before a moment."""
        found: dict[str, tuple[int, float]] = {}
        for span in self.spans_since():
            if span.began <= until:
                count, seconds = found.get(span.name, (0, 0.0))
                found[span.name] = count + 1, seconds + min(span.ended, until) - span.began
        return found

    def lasted(self, since: float) -> dict[str, list[float]]:
        """How long each call took in seconds, of those that began after a moment and have ended."""
        found: dict[str, list[float]] = {}
        for span in self.spans_since(since):
            found.setdefault(span.name, []).append(span.seconds)
        return found


def fill(control_plane: ControlPlane, size: load.Size) -> Placements:
    """Creates everything; it goes with the control plane."""
    api = control_plane.admin
    placements = Placements(api, control_plane.create_namespace("bench"))
    pods = f"/api/v1/namespaces/{placements.namespace}/pods"

    def each(call: Callable[[Any], object], items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(call, items))

    each(lambda group: create_gpu_nodes(api, [group], ready=True), load.nodes(size))
    names = [name for group in load.nodes(size) for name in group.names()]
    each(lambda name: api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}}), names)
    each(lambda body: api.create(f"{_GROUP}/gpupools", body), load.pools(size))
    each(lambda body: api.create(pods, body), load.pods(size))
    each(lambda told: placements.create(f"r-{told[0]}", told[1]), enumerate(load.specs(size)))
    return placements


def measure(size: load.Size) -> Measured:
    """One fresh control plane, one operator, from nothing to all statuses."""
    with ControlPlane(Finder(report=print)) as control_plane, tempfile.TemporaryDirectory() as folder:
        control_plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
        placements = fill(control_plane, size)
        watch = StatusWatch(control_plane, placements, wanted=size.requests)
        operator = Probed(control_plane.kubeconfig, Path(folder), namespace=placements.namespace)
        began = time.monotonic()
        operator.launch()
        try:
            operator.wait(lambda: len(watch.seen) >= size.requests, f"{size.requests} statuses", _LIMIT_SECONDS)
            operator.wait(lambda: operator.idle, "rest")
            return _read(control_plane, operator, placements, (began, *_ends(watch)))
        finally:
            operator.stop()


def _ends(watch: StatusWatch) -> tuple[float, float]:
    return min(watch.seen.values()), max(watch.seen.values())


def _read(
    control_plane: ControlPlane, operator: Probed, placements: Placements, moments: tuple[float, float, float]
) -> Measured:
    began, first, last = moments
    own, *others = family(operator.process.pid)
    solver = max(others, key=peak_mib)
    items = placements.all()
    states = [item.get("status") or {} for item in control_plane.admin.items(f"{_GROUP}/gpupools")]
    return Measured(
        seconds=last - began,
        first_seconds=first - began,
        spans=operator.told(last),
        cpu_seconds=(cpu_seconds(own), cpu_seconds(solver)),
        peak_mib=(peak_mib(own), peak_mib(solver)),
        rest_mib=rest_mib(own),
        reasons=Counter(reason(item) for item in items),
        loads=[(state.get("allocated", 0), state.get("capacity", 0)) for state in states],
        writes=int(operator.written),
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rest_mib(pid: int) -> float:
    """Resident memory of a process now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def show(size: load.Size, found: Measured) -> None:
    """Prints one run."""
    held = f"{size.pods} Pods of others, {size.requests} requests"
    print(f"\nFleet operator: {size.nodes} Nodes, {held}, {size.pools} pools")
    print(f"  start to last status {found.seconds:8.1f} s   (first status {found.first_seconds:.1f} s)")
    print(f"  CPU: operator {found.cpu_seconds[0]:.1f} s, solver process {found.cpu_seconds[1]:.1f} s")
    print(
        f"  peak memory: operator {found.peak_mib[0]:.0f} MiB ({found.rest_mib:.0f} MiB at rest; goal {GOAL_MIB} MiB),"
        f" solver process {found.peak_mib[1]:.0f} MiB"
    )
    for name, (count, seconds) in sorted(found.spans.items(), key=lambda entry: -entry[1][1]):
        print(f"    {name:<28}{count:>6} x {seconds:>9.2f} s in all")
    told = ", ".join(f"{many} {why or 'none'}" for why, many in found.reasons.most_common())
    print(f"  {found.writes} statuses written, of requests and pools; Ready: {told}")
    used, whole = (sum(each) for each in zip(*found.loads, strict=True)) if found.loads else (0, 0)
    shares = " ".join(f"{taken / most:.0%}" for taken, most in found.loads if most)
    print(f"  pools: {used} of {whole} GPUs used ({shares})")


def run(sizes: Iterable[load.Size] = (TIME, MEMORY)) -> None:
    """Prints a block for each size."""
    for size in sizes:
        show(size, measure(size))


def main() -> None:
    """One size from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("nodes", "requests", "pools", "pods"):
        parser.add_argument(f"--{name}", type=int, default=getattr(TIME, name))
    parser.add_argument("--demand", type=float, default=TIME.demand)
    run([load.Size(**vars(parser.parse_args()))])


if __name__ == "__main__":
    main()
