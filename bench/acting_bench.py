"""Acting on a real API server: 1,000 requests in mode Apply, what one cycle of looking at them takes, what moves write.

The API server and etcd are real, and the operator is a process of its own. The controllers of Deployments and the
kubelets are played (`acting_hands`), and so is Prometheus, which counts what it is asked.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
_QUIET_SECONDS = 200.0  # two rounds of questions: a window of 30 minutes is asked for every 90 seconds
_INTERVAL_SECONDS = 5.0
_ADDRESSES = "--service-cluster-ip-range=10.0.0.0/16"  # one for the Service of each request
_CYCLE, _LOOKS, _ASK, _DECIDED, _CARRY = (
    "Acting.cycle",
    "Acting._looks",
    "Idling.ask",
    "Acting._decided",
    "Acting._carry",
)


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
            options = ["--apply", f"--act-interval={_INTERVAL_SECONDS}", f"--prometheus-url={metrics.url}"]
            operator = Probed(plane.kubeconfig_for(USER), folder, namespace=placements.namespace, options=options)
            mirror = Mirror(plane, [placements.path])
            with mirror, Hands(plane, placements.namespace) as hands:
                bench = _Bench(requests, placements, mirror, operator, hands, writes, metrics)
                operator.launch()
                try:
                    bench.roll_out()
                    bench.rest()
                    bench.move()
                finally:
                    operator.stop()


@dataclass(frozen=True)
class _Bench:
    requests: int
    placements: Placements
    mirror: Mirror
    operator: Probed
    hands: Hands
    writes: Writes
    metrics: StandIn

    def roll_out(self) -> None:
        """All requests, from nothing."""
        began = time.monotonic()
        self._wait(lambda: self._count("Applied", "True") == self.requests, f"{self.requests} rollouts")
        seconds = time.monotonic() - began
        self.metrics.use(self._activity())
        halves = {"True": self.requests // 2, "False": (self.requests + 1) // 2}
        self._wait(lambda: all(self._count("Idle", say) == many for say, many in halves.items()), "all to be looked at")
        found = self.writes.since(0)
        print(f"\nActing: {self.requests} requests in mode Apply on an API server whose controllers are played")
        print(f"  start to all rolled out {seconds:8.1f} s")
        print(f"  writes on workloads     {on_workloads(found).total() / self.requests:8.2f} each: {said(found)}")

    def rest(self) -> None:
        """Nothing changes: what a cycle costs, and that it writes nothing."""
        self._wait(lambda: self.operator.idle, "rest")
        pid, mark, began = self.operator.process.pid, self.writes.mark(), time.monotonic()
        self.metrics.asked()
        cpu = cpu_seconds(pid)
        deadline = began + _QUIET_SECONDS
        self._wait(lambda: time.monotonic() > deadline, "two rounds of questions", _QUIET_SECONDS + 60.0)
        spent, asked, found = cpu_seconds(pid) - cpu, self.metrics.asked(), self.writes.since(mark)
        spans = self.operator.spans_since(began)
        cycles = _inside(spans)
        whole = max(cycles, key=lambda each: each[_ASK].seconds)
        without = [each[_CYCLE] for each in cycles if each[_ASK].seconds < whole[_ASK].seconds / 10.0]
        rounds = max(1.0, asked.requests / self.requests)
        print(f"  {len(cycles)} quiet cycles in {_QUIET_SECONDS:g} s, of {self.requests} requests each")
        print(f"    {'':<36}{'seconds':>9}{'CPU s':>9}")
        print(f"    {'one cycle in which nobody is asked':<36}{_mean(without)}")
        print(f"    {'one in which all are asked':<36}{_row(whole[_CYCLE])}   (goal {GOAL_SECONDS:g} s of CPU)")
        for title, name in (("looks", _LOOKS), ("asking", _ASK), ("deciding", _DECIDED), ("telling, acting", _CARRY)):
            print(f"      {title:<34}{_row(whole[name])}")
        own = asked.own_seconds / rounds
        print(
            f"  {asked.requests} queries, {asked.distinct} distinct; {self.requests} of them cost the stand-in itself"
        )
        print(f"    {own:.2f} s, which are in the seconds, but not in the CPU of the operator")
        print(f"  CPU of the operator in all {spent / _QUIET_SECONDS:.1%} of one core")
        print(f"  writes of all quiet cycles: {said(found)}")
        print(f"  memory of the operator: peak {peak_mib(pid):.0f} MiB, {rest_mib(pid):.0f} MiB now")

    def move(self) -> None:
        """What each move writes."""
        print("\nWrites of moves, by the audit log of the API server (documented: docs/acting.md)")
        print(acting_moves.HEAD)
        moves = acting_moves.Moves(
            self.placements, self.operator, self.hands, self.writes, self.metrics, self._activity()
        )
        for row in moves.all():
            print(row, flush=True)

    def _activity(self) -> load.Activity:
        pods = self.hands.pods()
        told = {load.served(index): pods.get(f"r-{index}", ()) for index in range(self.requests)}
        working = frozenset(load.served(index) for index in range(0, self.requests, 2))
        return load.Activity(pods=told, working=working)

    def _count(self, kind: str, status: str) -> int:
        return sum(condition(item, kind).get("status") == status for item in self.mirror.items(self.placements.path))

    def _wait(self, probe: Callable[[], object], what: str, seconds: float = _ROLLOUT_SECONDS) -> None:
        def checked() -> object:
            self.operator.process.check()
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
    return [each for each in found if {_CYCLE, _LOOKS, _ASK, _DECIDED, _CARRY} <= each.keys()]


def _row(span: Span) -> str:
    return f"{span.seconds:>9.2f}{span.cpu:>9.2f}"


def _mean(spans: list[Span]) -> str:
    if not spans:
        return "   none"
    seconds = statistics.mean(span.seconds for span in spans)
    return f"{seconds:>9.2f}{statistics.mean(span.cpu for span in spans):>9.2f}   mean of {len(spans)}"


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)
