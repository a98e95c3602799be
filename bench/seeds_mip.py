"""The way this problem was solved before: a MIP over placed segments, one budget at a time.

A binary for every segment (pool, TP, first layer, size); every layer is in one segment; the throughput variable is at
most the rate of every chosen segment (big-M), within one hourly budget. Its optimum for one budget is one point of the
frontier that `layouts.search` proves whole.
"""

import time
from dataclasses import dataclass

import numpy as np
from ortools.linear_solver import pywraplp

from placewright.core.model import Request
from placewright.core.performance.base import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class MipResult:
    """One budget's outcome: seconds, whether optimality was proved, tokens per second."""

    seconds: float
    proved: bool
    tokens_per_second: float | None
    binaries: int


def fastest_by_mip(
    request: Request, setting: Setting, *, budget_per_hour: float, time_limit_seconds: float
) -> MipResult:
    """Maximise tokens per second within one budget, with SCIP."""
    started = time.perf_counter()
    solver = pywraplp.Solver.CreateSolver("SCIP")
    layers = setting.step_seconds.shape[1] - 1
    top_rate = float(setting.tokens_per_step / np.nanmin(setting.step_seconds[:, 1:]))
    throughput = solver.NumVar(0.0, top_rate, "tokens_per_second")
    covering: list[list[pywraplp.Variable]] = [[] for _ in range(layers)]
    gpus: dict[int, list[tuple[int, pywraplp.Variable]]] = {}
    cost = []
    binaries = 0
    for kind, pool in enumerate(setting.kind_pool.tolist()):
        tensor = int(setting.kind_tensor_parallel[kind])
        price = (request.pools[pool].price_per_gpu_hour or 0.0) * tensor
        for size in np.flatnonzero(np.isfinite(setting.step_seconds[kind])).tolist():
            rate = float(setting.tokens_per_step / setting.step_seconds[kind, size])
            for first in range(layers - size + 1):
                chosen = solver.BoolVar(f"{kind}/{first}/{size}")
                binaries += 1
                solver.Add(throughput <= rate + (top_rate - rate) * (1 - chosen))
                gpus.setdefault(pool, []).append((tensor, chosen))
                cost.append(price * chosen)
                for layer in range(first, first + size):
                    covering[layer].append(chosen)
    for row in covering:
        solver.Add(sum(row) == 1)
    for pool, terms in gpus.items():
        solver.Add(sum(t * x for t, x in terms) <= request.pools[pool].gpus)
    solver.Add(sum(x for terms in gpus.values() for _, x in terms) <= setting.max_stages)
    solver.Add(sum(cost) <= budget_per_hour)
    solver.Maximize(throughput)
    solver.SetTimeLimit(int(time_limit_seconds * 1000))
    status = solver.Solve()
    found = status in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE)
    return MipResult(
        seconds=time.perf_counter() - started,
        proved=status == pywraplp.Solver.OPTIMAL,
        tokens_per_second=throughput.solution_value() if found else None,
        binaries=binaries,
    )
