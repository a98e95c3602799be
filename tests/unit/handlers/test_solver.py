import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from placewright.api.convert import to_request
from placewright.api.parse import parse
from placewright.core.demand import Fault
from placewright.core.model import Request, SolveStatus
from placewright.handlers.solver import Solved, SolveFailed, SolveOutcome, SolverPool
from tests.controlplane.processes import wait_until
from tests.support import solves
from tests.support.requests import small_spec, stored


def request(name: str = "chat") -> Request:
    return to_request(parse(stored(name, spec=small_spec())))


def with_pool(scenario: Callable[[SolverPool], Awaitable[None]], *, processes: int = 1, memory_mib: int = 1024) -> None:
    async def run() -> None:
        pool = SolverPool(solves.by_name, processes=processes, memory_limit_bytes=memory_mib * 1024 * 1024)
        try:
            await scenario(pool)
        finally:
            await pool.close()

    asyncio.run(run())


async def solve(pool: SolverPool, name: str, *, timeout_seconds: float = 20.0) -> SolveOutcome:
    return await pool.solve(request(name), timeout_seconds=timeout_seconds, started=lambda: None)


def failed(outcome: SolveOutcome) -> SolveFailed:
    assert isinstance(outcome, SolveFailed)
    return outcome


def test_each_way_to_fail_has_its_reason_and_the_next_solve_works() -> None:
    async def scenario(pool: SolverPool) -> None:
        killed = failed(await solve(pool, "die"))
        assert (killed.reason, killed.lethal) == ("SolverCrashed", True)
        assert "signal 9" in killed.message

        ended = failed(await solve(pool, "exit"))
        assert (ended.reason, ended.lethal) == ("SolverCrashed", True)
        assert "exit code 3" in ended.message

        raised = failed(await solve(pool, "raise"))
        assert (raised.reason, raised.lethal) == ("SolverCrashed", False)
        assert "ValueError: this solve was told to raise" in raised.message

        eaten = failed(await solve(pool, "eat"))
        assert (eaten.reason, eaten.lethal) == ("SolverCrashed", True)
        assert "--solver-memory-mib" in eaten.message

        hung = failed(await solve(pool, "hang", timeout_seconds=0.3))
        assert (hung.reason, hung.lethal) == ("SolverTimeout", True)
        assert "0.3 s" in hung.message

        solved = await solve(pool, "chat")
        assert isinstance(solved, Solved)
        assert solved.decision.report.status is SolveStatus.OPTIMAL
        assert solved.seconds > 0
        assert pool.alive

    with_pool(scenario)


def test_a_hanging_solve_does_not_keep_another_process_from_solving() -> None:
    async def scenario(pool: SolverPool) -> None:
        hanging = asyncio.create_task(solve(pool, "hang", timeout_seconds=60.0))
        assert isinstance(await solve(pool, "chat"), Solved)
        assert not hanging.done()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

    with_pool(scenario, processes=2)


def test_a_cancelled_solve_ends_its_process_and_frees_the_slot(tmp_path: Path) -> None:
    async def scenario(pool: SolverPool) -> None:
        started = asyncio.Event()
        hanging = asyncio.create_task(pool.solve(request("hang"), timeout_seconds=60.0, started=started.set))
        await asyncio.wait_for(started.wait(), 30)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert isinstance(await solve(pool, "chat"), Solved)

    assert tmp_path.exists()
    with_pool(scenario)


def test_no_process_is_started_before_it_is_needed_and_none_is_left() -> None:
    def solver_processes() -> list[str]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        lines = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        return [child for child, line in lines.items() if b"spawn_main" in line]

    async def scenario(pool: SolverPool) -> None:
        assert solver_processes() == []
        await solve(pool, "chat")
        assert len(solver_processes()) == 1

    with_pool(scenario)
    wait_until(lambda: not solver_processes(), 10, "the solver process to end")


def test_a_forecast_is_made_in_a_solver_process() -> None:
    hours = [(3600.0 * hour, 5.0 + 4.0 * math.sin(2.0 * math.pi * hour / 24.0)) for hour in range(24 * 4 + 1)]

    async def scenario(pool: SolverPool) -> None:
        made = await pool.forecast(tuple(_half_hours(hours)), 12 * 3600.0, timeout_seconds=60.0)
        assert isinstance(made, Solved)
        assert made.decision == pytest.approx(9.0, rel=0.2)
        short = await pool.forecast(tuple(hours[:5]), 3600.0, timeout_seconds=60.0)
        assert isinstance(short, Solved)
        assert isinstance(short.decision, Fault)
        assert "48h" in short.decision.text

    with_pool(scenario, memory_mib=2048)


def _half_hours(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """With a point between each two."""
    between = [((a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0) for a, b in pairwise(points)]
    return sorted([*points, *between])
