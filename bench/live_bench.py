"""Live inputs on a real API server: 1,000 requests with gates, and what one cycle of looking at them takes."""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import live_load as load
from bench.operator_fleet_bench import Probed, cpu_seconds
from bench.stand_in import StandIn
from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import ROOT
from tests.support.placements import Placements, reason

REQUESTS = 1000
GOAL_SECONDS = 2.0
_CYCLES = 3
_INTERVAL_SECONDS = 5.0
_LIMIT_SECONDS = 240.0
_REFRESH, _ASK, _WEIGH = "LiveInputs.refresh", "QueryBook.ask", "Fleet.weigh"


def run(requests: int = REQUESTS) -> None:
    """Prints what a cycle takes when all requests have their plans."""
    with (
        ControlPlane(Finder(report=print)) as control_plane,
        StandIn(load.Figures()) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        control_plane.apply_crds(*sorted((ROOT / "crds").glob("*.yaml")))
        placements = Placements(control_plane.admin, control_plane.create_namespace("bench"))
        control_plane.admin.create("/apis/placewright.dev/v1alpha1/placementpolicies", load.policy())
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda told: placements.create(f"r-{told[0]}", told[1]), enumerate(load.specs(requests))))
        options = [f"--prometheus-url={server.url}", f"--inputs-interval={_INTERVAL_SECONDS}"]
        operator = Probed(control_plane.kubeconfig, Path(folder), namespace=placements.namespace, options=options)
        operator.launch()
        try:
            operator.wait(
                lambda: all(reason(each) == "PlanCurrent" for each in placements.all()),
                f"{requests} plans",
                _LIMIT_SECONDS,
            )
            operator.wait(lambda: operator.idle, "rest")
            _show(requests, operator, server)
        finally:
            operator.stop()


def _show(requests: int, operator: Probed, server: StandIn) -> None:
    writes = operator.written
    began = _next_cycle(operator)
    server.asked()
    before = cpu_seconds(operator.process.pid)
    for _ in range(_CYCLES):
        _next_cycle(operator)
    asked, spent = server.asked(), (cpu_seconds(operator.process.pid) - before) / _CYCLES
    spans = operator.lasted(began)
    cycle, asking, weighing = (statistics.mean(spans[name][-_CYCLES:]) for name in (_REFRESH, _ASK, _WEIGH))
    own, per_cycle = asked.own_seconds / _CYCLES, asked.requests / _CYCLES
    print(f"\nLive inputs: {requests} requests with demand, revenue and observed cost; mean of {_CYCLES} cycles")
    print(f"  one cycle               {cycle:8.2f} s")
    print(f"    asking, with HTTP     {asking:8.2f} s   of which the server itself {own:.2f} s")
    print(f"    figures, gates, ramps {cycle - asking:8.2f} s   of which gates and ramps {weighing:.2f} s")
    print(f"  besides the server's own time {cycle - own:.2f} s   (goal {GOAL_SECONDS:g} s)")
    print(f"  CPU of the operator between two cycles' ends, with all else that it does: {spent:.2f} s")
    most = asked.most / _CYCLES
    print(f"  {per_cycle:.0f} queries in a cycle, {asked.distinct} distinct; none asked more than {most:.1f} times")
    print(f"  {operator.written - writes:.0f} statuses written meanwhile")


def _next_cycle(operator: Probed) -> float:
    """Waits for the end of a cycle that begins after this moment; returns the moment."""
    began = time.monotonic()
    operator.wait(lambda: operator.lasted(began).get(_REFRESH), "the next cycle", _LIMIT_SECONDS)
    return began


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)
