import asyncio
from collections.abc import Callable

import pytest

from placewright.core.model import Decision, Method, Request, SolveReport, SolveStatus
from placewright.handlers.solutions import Solutions
from placewright.handlers.solver import Solved, SolveFailed, SolveOutcome
from tests.unit.handlers.test_solver import request

REQUEST = request()
SOLVED = Solved(
    decision=Decision(
        request=REQUEST,
        inputs_hash="h",
        plan=None,
        report=SolveReport(method=Method.EXACT, status=SolveStatus.INFEASIBLE, gap_percent=None),
    ),
    seconds=0.1,
)
CRASH = SolveFailed(reason="SolverCrashed", message="died", lethal=True, seconds=0.1)
HANG = SolveFailed(reason="SolverTimeout", message="hung", lethal=True, seconds=9.0)
RAISED = SolveFailed(reason="SolverCrashed", message="raised", lethal=False, seconds=0.1)
NOT_STARTED = SolveFailed(reason="SolverCrashed", message="no process", lethal=False, seconds=0.0, transient=True)


class FakeSolver:
    """Answers with the given outcomes in turn, the last one for ever; waits for `gate` first."""

    def __init__(self, *outcomes: SolveOutcome) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[float] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def solve(self, request: Request, *, timeout_seconds: float, started: Callable[[], None]) -> SolveOutcome:
        assert request is not None
        self.asked.append(timeout_seconds)
        started()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


def make(solver: FakeSolver, capacity: int = 10, told: list[SolveOutcome] | None = None) -> Solutions:
    seen = told if told is not None else []
    return Solutions(solver, capacity=capacity, grace_seconds=5.0, on_solved=lambda _, outcome: seen.append(outcome))


async def ask(solutions: Solutions, inputs_hash: str = "h") -> SolveOutcome:
    job = solutions.job(inputs_hash, REQUEST)
    job.join()
    try:
        return await asyncio.wait_for(asyncio.shield(job.outcome), 5)
    finally:
        job.leave()


def test_an_outcome_is_known_afterwards_and_the_limit_holds_the_grace() -> None:
    async def scenario() -> None:
        solver = FakeSolver(SOLVED)
        solutions = make(solver)
        assert solutions.known("h") is None
        assert await ask(solutions) is SOLVED
        assert solutions.known("h") is SOLVED
        assert solver.asked == [REQUEST.solver.time_limit_seconds + 5.0]

    asyncio.run(scenario())


def test_equal_inputs_share_one_running_solve() -> None:
    async def scenario() -> None:
        solver = FakeSolver(SOLVED)
        solver.gate.clear()
        solutions = make(solver)
        asking = [asyncio.create_task(ask(solutions)) for _ in range(5)]
        await asyncio.sleep(0)
        solver.gate.set()
        assert await asyncio.gather(*asking) == [SOLVED] * 5
        assert len(solver.asked) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("outcomes", "tries", "end"),
    [
        ((CRASH, SOLVED), 2, SOLVED),
        ((CRASH, CRASH), 2, CRASH),
        ((HANG,), 1, HANG),
        ((RAISED,), 1, RAISED),
    ],
)
def test_only_a_lost_process_is_tried_once_more_and_the_end_is_kept(
    outcomes: tuple[SolveOutcome, ...], tries: int, end: SolveOutcome
) -> None:
    async def scenario() -> None:
        solver, told = FakeSolver(*outcomes), []
        solutions = make(solver, told=told)
        assert await ask(solutions) is end
        assert solutions.known("h") is end
        assert len(solver.asked) == tries
        assert told == list(outcomes)

    asyncio.run(scenario())


def test_a_process_that_could_not_be_started_says_nothing_of_the_request() -> None:
    async def scenario() -> None:
        solutions = make(FakeSolver(NOT_STARTED, SOLVED))
        assert await ask(solutions) is NOT_STARTED
        assert solutions.known("h") is None
        assert await ask(solutions) is SOLVED

    asyncio.run(scenario())


def test_the_least_recently_used_outcome_goes_first() -> None:
    async def scenario() -> None:
        solutions = make(FakeSolver(SOLVED), capacity=2)
        await ask(solutions, "a")
        await ask(solutions, "b")
        assert solutions.known("a") is SOLVED
        await ask(solutions, "c")
        assert solutions.known("b") is None
        assert solutions.known("a") is SOLVED

    asyncio.run(scenario())


def test_the_last_to_leave_ends_the_solve_and_a_new_one_starts_afresh() -> None:
    async def scenario() -> None:
        solver = FakeSolver(SOLVED)
        solver.gate.clear()
        solutions = make(solver)
        first = solutions.job("h", REQUEST)
        first.join()
        first.join()
        await asyncio.sleep(0)
        first.leave()
        assert not first.cancelled
        first.leave()
        async with asyncio.timeout(60):
            await asyncio.wait({first.outcome})
        assert first.outcome.cancelled()
        assert solver.cancelled == 1
        second = solutions.job("h", REQUEST)
        assert second is not first
        solver.gate.set()
        second.join()
        assert await second.outcome is SOLVED

    asyncio.run(scenario())


def test_who_comes_back_in_time_keeps_the_solve() -> None:
    async def scenario() -> None:
        solver = FakeSolver(SOLVED)
        solver.gate.clear()
        solutions = make(solver)
        job = solutions.job("h", REQUEST)
        job.join()
        await asyncio.sleep(0)
        job.leave()
        assert solutions.job("h", REQUEST) is job
        job.join()
        solver.gate.set()
        assert await job.outcome is SOLVED
        assert solver.cancelled == 0

    asyncio.run(scenario())
