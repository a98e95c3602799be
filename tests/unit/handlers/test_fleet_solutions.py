import asyncio
from collections.abc import Sequence
from dataclasses import replace

from placewright.core.model import (
    Accelerator,
    Ceiling,
    FleetDecision,
    Pool,
    Precision,
    Present,
    Request,
    Snapshot,
    TrafficClass,
    Workload,
)
from placewright.handlers.fleet_solutions import FleetSolutions
from placewright.handlers.solver import FleetOutcome, Solved, SolveFailed
from tests.support.fleet_solves import greedy

GPU = Accelerator(name="X", memory_gib=48, memory_bandwidth_gbps=800, tflops_16bit=100)
LOST = SolveFailed(reason="SolverCrashed", message="died", lethal=True, seconds=0.1)
HUNG = SolveFailed(reason="SolverTimeout", message="hung", lethal=True, seconds=0.1)


class FakeSolver:
    def __init__(self) -> None:
        self.answers: list[FleetOutcome] = []
        self.parts: list[list[str]] = []
        self.running = self.most = 0

    async def solve_fleet(self, part: Snapshot, *, timeout_seconds: float) -> FleetOutcome:
        assert timeout_seconds == 35.0
        self.parts.append([request.name for request in part.requests])
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return self.answers.pop(0) if self.answers else Solved(decision=greedy(part), seconds=0.5)


def pool(name: str, gpus: int = 8) -> Pool:
    return Pool(name=name, gpu=GPU, nodes=1, gpus_per_node=gpus, price_per_gpu_hour=1.0, shared=True)


def request(name: str, pool_name: str, gpus: int = 2, namespace: str = "serving") -> Request:
    traffic = TrafficClass(name="all", input_tokens=8, output_tokens=8, requests_per_second=float(gpus))
    return Request(
        name=name,
        namespace=namespace,
        model_name="toy",
        precisions=(Precision(name="bf16"),),
        workload=Workload(input_tokens=8, output_tokens=8, classes=(traffic,)),
        pools=(pool(pool_name),),
    )


def snapshot(*requests: Request, ceilings: Sequence[Ceiling] = (), present: Sequence[Present] = ()) -> Snapshot:
    pools = {each.name: each for one in requests for each in one.pools}
    return Snapshot(
        requests=tuple(requests), pools=tuple(pools.values()), ceilings=tuple(ceilings), present=tuple(present)
    )


def present_of(whole: FleetDecision, *, dwells: bool = True) -> list[Present]:
    """What the statuses hold once the decision is written."""
    return [
        Present(
            namespace=each.request.namespace,
            name=each.request.name,
            plan_id=each.plan.id,
            replicas=each.plan.replicas,
            cost_per_hour=each.plan.cost_per_hour,
            dwells=dwells,
        )
        for each in whole.decisions
        if each.plan is not None
    ]


def make(solver: FakeSolver) -> FleetSolutions:
    return FleetSolutions(solver, grace_seconds=5.0, on_solved=lambda *_: None)


A, B, C = request("a", "p"), request("b", "p"), request("c", "q")


def test_parts_are_solved_side_by_side_and_each_only_when_it_changes() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solutions = make(solver)
        planned = await solutions.decide(snapshot(A, B, C))
        assert sorted(solver.parts) == [["a", "b"], ["c"]]
        assert solver.most == 2
        assert [each.request.name for each in planned.whole.decisions] == ["a", "b", "c"]
        assert planned.whole.report.placed == 3
        again = await solutions.decide(snapshot(C, B, A))
        assert (again.whole, again.solved) == (planned.whole, 0)
        await solutions.decide(snapshot(A, B, replace(C, priority=1)))
        assert solver.parts[2:] == [["c"]]

    asyncio.run(scenario())


def test_the_plans_that_were_just_written_are_no_new_question_until_they_may_move_again() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solutions = make(solver)
        first = await solutions.decide(snapshot(A, B))
        written = present_of(first.whole)
        assert (await solutions.decide(snapshot(A, B, present=written))).solved == 0
        moved = [replace(written[0], plan_id="p-another"), written[1]]
        assert (await solutions.decide(snapshot(A, B, present=moved))).solved == 1
        free = present_of(first.whole, dwells=False)
        later = make(solver)
        await later.decide(snapshot(A, B))
        assert (await later.decide(snapshot(A, B, present=free))).solved == 1
        assert (await later.decide(snapshot(A, B, present=free))).solved == 0

    asyncio.run(scenario())


def test_a_broken_ceiling_joins_the_parts_of_its_namespace_only() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solutions = make(solver)
        other = request("z", "r", namespace="other")
        limit = Ceiling(policy="limits", namespace="serving", max_cost_per_hour=5.0)
        asked = snapshot(A, B, C, other, ceilings=[limit])
        planned = await solutions.decide(asked)
        assert solver.parts[-1] == ["a", "b", "c"]
        assert planned.whole.report.placed == 3
        assert planned.whole.report.cost_per_hour <= 5.0 + 2.0
        assert (await solutions.decide(asked)).solved == 0

    asyncio.run(scenario())


def test_a_part_that_fails_leaves_the_others_and_is_not_asked_again_until_it_changes() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solver.answers = [HUNG]
        solutions = make(solver)
        planned = await solutions.decide(snapshot(A, C))
        assert planned.failed == {("serving", "a"): HUNG}
        assert [each.request.name for each in planned.whole.decisions] == ["c"]
        assert (await solutions.decide(snapshot(A, C))).solved == 0
        changed = await solutions.decide(snapshot(replace(A, priority=3), C))
        assert (changed.failed, changed.solved) == ({}, 1)

    asyncio.run(scenario())


def test_what_a_failed_part_holds_counts_under_the_ceilings() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        held = present_of(greedy(snapshot(A)))
        limit = Ceiling(policy="limits", namespace=None, max_cost_per_hour=3.0)
        solver.answers = [HUNG]
        planned = await make(solver).decide(snapshot(A, C, ceilings=[limit], present=held))
        assert [each.plan for each in planned.whole.decisions] == [None]

    asyncio.run(scenario())


def test_a_lost_process_is_tried_once_more() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solver.answers = [LOST]
        assert not (await make(solver).decide(snapshot(A))).failed
        solver.answers = [LOST, LOST]
        assert (await make(solver).decide(snapshot(A))).failed == {("serving", "a"): LOST}

    asyncio.run(scenario())


def test_explanations_are_given_back_once_written_and_got_again_on_demand() -> None:
    async def scenario() -> None:
        solver = FakeSolver()
        solutions = make(solver)
        short = request("d", "p", gpus=8)
        asked = snapshot(A, short)
        planned = await solutions.decide(asked)
        assert not planned.brief
        solutions.give_back([("serving", "a")])
        assert not (await solutions.decide(asked)).brief
        solutions.give_back([])
        brief = await solutions.decide(asked)
        assert brief.brief == {("serving", "a"), ("serving", "d")}
        refused = next(each for each in brief.whole.decisions if each.plan is None)
        assert refused.rejections  # why there is no plan is never given back
        solutions.forget([("serving", "a")])
        again = await solutions.decide(asked)
        assert (again.brief, again.solved) == (frozenset(), 1)

    asyncio.run(scenario())
