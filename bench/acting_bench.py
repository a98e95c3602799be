"""Acting on a real API server: 1,000 requests in mode Apply, what one cycle of looking at them takes, what moves write.

The API server and etcd are real, and the operator is a process of its own. The controllers of Deployments and the
kubelets are played (`acting_hands`), and so is Prometheus, which counts what it is asked.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import acting_core, acting_moves
from bench import acting_load as load
from bench.acting_hands import Hands
from bench.acting_writes import USER, Writes, on_workloads, said
from bench.operator_bench import peak_mib
from bench.operator_fleet_bench import Probed, Span, cpu_seconds, rest_mib
from bench.stand_in import StandIn
from tests.controlplane.assets import Finder
from tests.controlplane.foreign_crds import gateway_crds
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.acting_mirror import Mirror
from tests.support.operator_process import ROOT
from tests.support.placements import Placements, condition

REQUESTS = 1000
GOAL_SECONDS = 2.0
_ROLLOUT_SECONDS = 900.0
_QUIET_SECONDS = 60.0
_INTERVAL_SECONDS = 5.0
_ROUND_SECONDS = 90.0  # between two questions for the same request, as its window is 30 minutes
_ADDRESSES = "--service-cluster-ip-range=10.0.0.0/16"  # one for the Service of each request
_LEAST_LOOK_SECONDS = 1e-5  # of one request; a cycle that looks at nothing takes less
_CYCLE, _LOOKS, _ASK = "Acting.cycle", "Acting._looks", "Idling.ask"
_PARTS = {
    _CYCLE: "the whole cycle",
    _LOOKS: "  looks",
    _ASK: "  asking",
    "Acting._decided": "  deciding",
    "Acting._carry": "  telling, acting",
}


def run(requests: int = REQUESTS) -> None:
    """Prints the core alone, the rollout of all requests, quiet cycles, and what each move writes."""
    acting_core.run(requests)
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told)
        writes = Writes(folder)
        with (
            ControlPlane(
                Finder(report=print), users={USER: ("system:masters",)}, apiserver_args=(*writes.arguments, _ADDRESSES)
            ) as plane,
            StandIn(load.Activity()) as metrics,
        ):
            plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")), *gateway_crds())
            placements = Placements(plane.admin, plane.create_namespace("bench"))
            with ThreadPoolExecutor(8) as threads:
                specs = enumerate(load.specs(requests))
                list(threads.map(lambda each: placements.create(f"r-{each[0]}", each[1]), specs))
            mirror = Mirror(plane, [placements.path])
            with mirror, Hands(plane, placements.namespace) as hands:
                _Bench(requests, plane, folder, placements, mirror, hands, writes, metrics).run()


@dataclass(frozen=True)
class _Bench:
    requests: int
    plane: ControlPlane
    folder: Path
    placements: Placements
    mirror: Mirror
    hands: Hands
    writes: Writes
    metrics: StandIn

    def run(self) -> None:
        """One operator after the other, each as if it had been killed."""
        with self._operator("quiet", _INTERVAL_SECONDS) as operator:
            self.roll_out(operator)
            self.rest(operator)
        with self._operator("round", _ROUND_SECONDS) as operator:
            self.ask_all(operator)
        with self._operator("moves", 1.0) as operator:
            self.move(operator)

    @contextlib.contextmanager
    def _operator(self, name: str, interval_seconds: float) -> Iterator[Probed]:
        folder = self.folder / name
        folder.mkdir()
        options = ["--apply", f"--act-interval={interval_seconds}", f"--prometheus-url={self.metrics.url}"]
        namespace, kubeconfig = self.placements.namespace, self.plane.kubeconfig_for(USER)
        operator = Probed(kubeconfig, folder, namespace=namespace, options=options)
        operator.launch()
        try:
            yield operator
        finally:
            operator.kill()

    def roll_out(self, operator: Probed) -> None:
        """All requests, from nothing."""
        began = time.monotonic()
        self._wait(operator, lambda: self._count("Applied", "True") == self.requests, f"{self.requests} rollouts")
        seconds = time.monotonic() - began
        self.metrics.use(self._activity())
        halves = {"True": self.requests // 2, "False": (self.requests + 1) // 2}
        self._wait(operator, lambda: all(self._count("Idle", say) == many for say, many in halves.items()), "all looks")
        found = self.writes.since(0)
        print(f"\nActing: {self.requests} requests in mode Apply on an API server whose controllers are played")
        print(f"  start to all rolled out {seconds:8.1f} s")
        print(f"  writes on workloads     {on_workloads(found).total() / self.requests:8.2f} each: {said(found)}")

    def rest(self, operator: Probed) -> None:
        """Nothing changes: what a cycle costs, and that it writes nothing."""
        self._wait(operator, lambda: operator.idle, "rest")
        pid, mark, began = operator.process.pid, self.writes.mark(), time.monotonic()
        self.metrics.asked()
        cpu = cpu_seconds(pid)
        self._wait(operator, lambda: time.monotonic() > began + _QUIET_SECONDS, "quiet cycles", 2 * _QUIET_SECONDS)
        spent, asked, found = cpu_seconds(pid) - cpu, self.metrics.asked(), self.writes.since(mark)
        cycles = _inside(operator.spans_since(began))
        print(
            f"  quiet, a cycle every {_INTERVAL_SECONDS:g} s: mean of {len(cycles)}, of {self.requests} requests each"
        )
        _table([_mean(cycles, name) for name in _PARTS])
        share = asked.requests / len(cycles)
        print(f"    of which each asks {share:.0f}, as questions are spread over {_ROUND_SECONDS:g} s")
        print(f"    CPU of the operator in all {spent / _QUIET_SECONDS:.1%} of one core")
        print(f"    writes of all quiet cycles: {said(found)}")
        print(f"    memory of the operator: peak {peak_mib(pid):.0f} MiB, {rest_mib(pid):.0f} MiB now")

    def ask_all(self, operator: Probed) -> None:
        """After a start: all is read and asked anew; and a cycle later all is asked, and nothing else is new."""
        mark = self.writes.mark()
        self._wait(operator, lambda: _whole(operator, self.requests), "the first cycle", 2 * _ROUND_SECONDS)
        first = _whole(operator, self.requests)[0]
        self.metrics.asked()

        def again() -> list[dict[str, Span]]:
            later = _inside(operator.spans_since(first[_CYCLE].ended))
            return [each for each in later if each[_ASK].cpu > first[_ASK].cpu / 4.0]

        self._wait(operator, again, "another round", 3 * _ROUND_SECONDS)
        asked, second = self.metrics.asked(), again()[:1]
        print("  the first cycle after a start, in which all is read, rendered and asked")
        _table([_mean([first], name) for name in _PARTS])
        print(f"  a cycle in which all are asked: {asked.requests} queries   (goal {GOAL_SECONDS:g} s)")
        _table([_mean(second, name) for name in _PARTS])
        print(f"    the stand-in itself took {asked.own_seconds:.2f} s of these seconds, and none of the CPU")
        print(f"    writes since the start: {said(self.writes.since(mark))}")

    def move(self, operator: Probed) -> None:
        """What each move writes."""
        print("\nWrites of moves, by the audit log of the API server (documented: docs/acting.md)")
        print(acting_moves.HEAD)
        moves = acting_moves.Moves(self.placements, operator, self.hands, self.writes, self.metrics, self._activity())
        for row in moves.all():
            print(row, flush=True)

    def _activity(self) -> load.Activity:
        pods = self.hands.pods()
        told = {load.served(index): pods.get(f"r-{index}", ()) for index in range(self.requests)}
        working = frozenset(load.served(index) for index in range(0, self.requests, 2))
        return load.Activity(pods=told, working=working)

    def _count(self, kind: str, status: str) -> int:
        return sum(condition(item, kind).get("status") == status for item in self.mirror.items(self.placements.path))

    def _wait(
        self, operator: Probed, probe: Callable[[], object], what: str, seconds: float = _ROLLOUT_SECONDS
    ) -> None:
        def checked() -> object:
            operator.process.check()
            if self.hands.faults:
                raise RuntimeError(f"the hands failed: {self.hands.faults[0]}")
            return probe()

        wait_until(checked, seconds, what, poll_s=0.5)  # not more often: the operator is not alone on the machine


def _inside(spans: list[Span]) -> list[dict[str, Span]]:
    """Each whole cycle with its parts."""
    cycles = [span for span in spans if span.name == _CYCLE]
    found = [
        {span.name: span for span in spans if cycle.began <= span.began and span.ended <= cycle.ended}
        for cycle in cycles
    ]
    return [each for each in found if _PARTS.keys() <= each.keys()]


def _whole(operator: Probed, requests: int) -> list[dict[str, Span]]:
    """The cycles in which something was looked at."""
    return [each for each in _inside(operator.spans_since()) if each[_LOOKS].cpu > _LEAST_LOOK_SECONDS * requests]


def _mean(cycles: list[dict[str, Span]], name: str) -> tuple[str, float, float]:
    """The title of a part of the cycle, and the mean of its seconds and CPU seconds."""
    spans = [each[name] for each in cycles]
    return _PARTS[name], statistics.mean(span.seconds for span in spans), statistics.mean(span.cpu for span in spans)


def _table(rows: list[tuple[str, float, float]]) -> None:
    print(f"    {'':<36}{'seconds':>9}{'CPU s':>9}")
    for title, seconds, cpu in rows:
        print(f"    {title:<36}{seconds:>9.2f}{cpu:>9.2f}")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)
