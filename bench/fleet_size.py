"""One fleet in a process of its own, so that its peak memory is its own: `python -m bench.fleet_size 1000 20`.

Prints one line of JSON.
"""

import json
import resource
import sys
import time

from bench.fleet_instances import random_fleet, used_by_row, with_more_demand, with_plans
from placewright.core.fleet.problem import Problem, Solution
from placewright.core.fleet.solve import solve

CHANGES = 5
CUT_SECONDS = 120.0


def timed(problem: Problem) -> tuple[float, Solution]:
    """Seconds and the answer; cut like a planner's request is, with the best found so far."""
    started = time.perf_counter()
    solution = solve(problem, seconds_left=lambda: started + CUT_SECONDS - time.perf_counter())
    return time.perf_counter() - started, solution


def gap_percent(solution: Solution) -> float:
    """Between the answer and the proved bound, as a share of the answer."""
    return max(0.0, (solution.objective - solution.bound) / solution.objective) * 100.0


def measure(asks: int, pools: int, *, changes: bool) -> dict[str, object]:
    """Time, gap and memory of one size."""
    timed(random_fleet(20, 3).problem)  # loads what is compiled
    instance = random_fleet(asks, pools)
    cpu = time.process_time()
    seconds, solution = timed(instance.problem)
    cpu = time.process_time() - cpu
    used = used_by_row(instance.problem, solution)
    used_percent = float(used.sum() / instance.problem.capacity.sum()) * 100.0
    found: dict[str, object] = {
        "asks": asks,
        "pools": pools,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap_percent": gap_percent(solution),
        "refused": sum(taken is None for taken in solution.taken),
        "load_percent": instance.load_percent,
        "short_pools": instance.short_pools,
        "used_percent": used_percent,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if changes:
        times = []
        for at in (asks * k // CHANGES for k in range(CHANGES)):
            changed = with_more_demand(with_plans(instance.problem, solution, at), at, 1.3)
            times.append(timed(changed)[0])
        found["one_change_seconds"] = sorted(times)[CHANGES // 2]
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), changes="--changes" in sys.argv)))
