"""The fleet: time, proved gap and memory by size, direct MIPs beside it, and heterogeneous serving by weights."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import helix_bench, whole_slices
from bench.direct_mip import SOLVERS, solve_directly
from bench.fleet_instances import LAYOUTS, random_fleet

Size = tuple[int, int]

SIZES: tuple[Size, ...] = ((100, 10), (1_000, 20), (5_000, 40), (10_000, 60), (50_000, 100))
CHANGED: Size = (1_000, 20)  # where one request is changed
BESIDE: tuple[Size, ...] = ((100, 10), (1_000, 20))  # where MIPs are run beside
MIP_SECONDS = 20.0
ROOT = Path(__file__).parent.parent


def run(*, sizes: Sequence[Size] = SIZES, mip_seconds: float = MIP_SECONDS) -> None:
    """Print everything; each size is measured in a process of its own."""
    print(f"fleet: requests x pools, {LAYOUTS} layouts per request, pools at 60-95 % load")
    print(f"{'':<30}{'time':>10}{'cpu':>10}{'gap':>12}{'memory':>12}   USD/h, refused, load wanted/taken, pools short")
    for size in sizes:
        found = _measured(size)
        print(_row(found))
        if "one_change_seconds" in found:
            print(f"{'  one request changed':<30}{found['one_change_seconds']:>8.3f} s")
        if size in BESIDE:
            _print_mips(size, float(found["objective"]), mip_seconds)
    whole_slices.run()
    helix_bench.run()


def _measured(size: Size) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.fleet_size", *map(str, size)]
    if size == CHANGED:
        command.append("--changes")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"the fleet of {size[0]} x {size[1]} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(found: dict[str, float]) -> str:
    name = f"{found['asks']:,} x {found['pools']}"
    return (
        f"{name:<30}{found['seconds']:>8.3f} s{found['cpu_seconds']:>8.3f} s{found['gap_percent']:>10.4f} %"
        f"{found['peak_mib']:>8.0f} MiB   {found['objective']:,.2f}, {found['refused']},"
        f" {found['load_percent']:.0f} % / {found['used_percent']:.0f} %, {found['short_pools']}"
    )


def _print_mips(size: Size, planned: float, seconds: float) -> None:
    problem = random_fleet(*size).problem
    for name in SOLVERS:
        result = solve_directly(problem, name, seconds=seconds)
        gap = "no gap" if result.gap_percent is None else f"{result.gap_percent:10.4f} %"
        dearer = "nothing found" if result.objective is None else f"{(result.objective / planned - 1) * 100:+.4f} %"
        print(
            f"{f'  direct MIP, {name}':<30}{result.seconds:>8.3f} s{'':>10}{gap:>12}{'':>12}   against ours: {dearer}"
        )
