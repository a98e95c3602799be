"""The reconciler with a fake API server and a fake solver behind their seams."""

import asyncio
import copy
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from placewright.core.decide import decide
from placewright.core.model import Request
from placewright.handlers.cache import ObjectCache, key_of
from placewright.handlers.queue import CoalescingQueue
from placewright.handlers.reconcile import Reconciler
from placewright.handlers.solutions import Solutions
from placewright.handlers.solver import Solved, SolveFailed, SolveOutcome
from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.events import EventRecorder, TokenBucket
from placewright.kube.status import WriteResult
from placewright.telemetry.views import Key
from tests.support.placements import condition, reason
from tests.support.requests import Json, small_spec, stored

SPEC = small_spec()


class FakeCluster:
    """Keeps objects like the API server; `failures` are raised by the next writes."""

    def __init__(self, *resources: Json) -> None:
        self.objects = {key_of(resource): resource for resource in resources}
        self.failures: list[Exception] = []
        self.writes = 0
        self.posted: list[Mapping[str, Any]] = []

    async def get_request(self, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self.objects.get((namespace, name)))

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        resource = self.objects.get((namespace, name))
        tests = {entry["path"].rpartition("/")[2]: entry["value"] for entry in operations if entry["op"] == "test"}
        if resource is None or any(resource["metadata"][field] != value for field, value in tests.items()):
            raise ApiError("PATCH", status=422, reason="Invalid", message="", retry_after_seconds=None)
        self.writes += 1
        return self.change((namespace, name), status=operations[-1]["value"])

    async def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        assert namespace
        self.posted.append(body)

    def change(self, key: Key, *, status: Json | None = None, **metadata: Any) -> Json:
        resource = self.objects[key]
        resource["metadata"]["resourceVersion"] = str(int(resource["metadata"]["resourceVersion"]) + 1)
        resource["metadata"].update(metadata)
        if status is not None:
            resource["status"] = copy.deepcopy(status)
        return copy.deepcopy(resource)


class FakeSolver:
    """Decides in this process, or answers what it is told; waits while `hold` is set."""

    def __init__(self) -> None:
        self.answers: list[SolveOutcome] = []
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()

    async def solve(self, request: Request, *, timeout_seconds: float, started: Callable[[], None]) -> SolveOutcome:
        assert timeout_seconds > 0
        self.asked += 1
        started()
        await self.go.wait()
        if self.answers:
            return self.answers.pop(0)
        return Solved(decision=decide(request, clock=lambda: 0.0), seconds=0.01)


class Subject:
    def __init__(self, *resources: Json) -> None:
        self.cluster = FakeCluster(*resources)
        self.solver = FakeSolver()
        self.cache = ObjectCache()
        self.queue: CoalescingQueue[Key, Json] = CoalescingQueue(debounce_seconds=0.0)
        self.results: list[WriteResult] = []
        self.recorder = EventRecorder(self.cluster, bucket=TokenBucket(per_second=0.0, burst=100))
        self.reconciler = Reconciler(
            queue=self.queue,
            cache=self.cache,
            solutions=Solutions(self.solver, capacity=10, grace_seconds=5.0, on_solved=lambda *_: None),
            transport=self.cluster,
            recorder=self.recorder,
            count=self.results.append,
            parallel=4,
        )

    def tell(self, name: str = "chat") -> None:
        """What the watch would do."""
        resource = copy.deepcopy(self.cluster.objects["serving", name])
        self.cache.observe(resource, 0.0)
        self.queue.put(("serving", name), resource)

    def status(self, name: str = "chat") -> Json:
        found: Json = self.cluster.objects["serving", name]["status"]
        return found

    def object(self, name: str = "chat") -> Json:
        return self.cluster.objects["serving", name]


async def rest(subject: Subject) -> None:
    """Until nothing waits that is due and nothing is in work."""
    async with asyncio.timeout(60):
        for _ in range(3):
            while subject.queue.waiting_since() is not None or subject.reconciler.in_work():  # noqa: ASYNC110 - no seam
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)  # what was just put becomes due in the next turn of the loop


async def solving(subject: Subject) -> None:
    """Until a solve is asked for."""
    async with asyncio.timeout(60):
        while not subject.solver.asked:  # noqa: ASYNC110 - no seam
            await asyncio.sleep(0.001)


def play(scenario: Callable[[Subject], Coroutine[Any, Any, None]], *resources: Json) -> None:
    async def run() -> None:
        subject = Subject(*resources)
        running = asyncio.create_task(subject.reconciler.run())
        try:
            await scenario(subject)
            assert not running.done()
        finally:
            running.cancel()

    asyncio.run(run())


def test_a_request_is_decided_with_one_write_and_then_left_alone() -> None:
    async def scenario(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        assert reason(subject.object()) == "PlanCurrent"
        subject.tell()
        await rest(subject)
        assert (subject.cluster.writes, subject.solver.asked) == (1, 1)
        assert subject.results == [WriteResult.WRITTEN]

    play(scenario, stored(spec=SPEC))


def test_a_restart_finds_its_own_status_and_writes_nothing() -> None:
    written: list[Json] = []

    async def first(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        written.append(copy.deepcopy(subject.object()))

    async def second(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        assert (subject.cluster.writes, subject.solver.asked) == (0, 0)

    play(first, stored(spec=SPEC))
    play(second, *written)


@pytest.mark.parametrize(
    "spoil",
    [
        {"inputs": {"hash": "another", "catalogVersion": "x"}},
        {"plan": None},
        {"conditions": []},
        {"observedGeneration": 0},
    ],
)
def test_a_status_that_does_not_answer_exactly_this_is_not_trusted(spoil: Json) -> None:
    async def scenario(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        right = copy.deepcopy(subject.status())
        spoiled = {key: value for key, value in (right | spoil).items() if value is not None}
        subject.cluster.change(("serving", "chat"), status=spoiled)
        fresh = Subject(subject.object())
        running = asyncio.create_task(fresh.reconciler.run())
        fresh.tell()
        await rest(fresh)
        running.cancel()
        assert fresh.status()["plan"]["id"] == right["plan"]["id"]
        assert fresh.cluster.writes == 1

    play(scenario, stored(spec=SPEC))


def test_an_unreachable_server_is_tried_again_without_another_solve() -> None:
    async def scenario(subject: Subject) -> None:
        subject.cluster.failures = [UnreachableError("down")]
        subject.tell()
        await rest(subject)
        assert subject.results == [WriteResult.FAILED]
        assert subject.queue.waits(("serving", "chat"))
        async with asyncio.timeout(60):
            while subject.cluster.writes == 0:  # noqa: ASYNC110 - no seam
                await asyncio.sleep(0.01)
        assert subject.solver.asked == 1

    play(scenario, stored(spec=SPEC))


def test_a_spec_changed_during_the_solve_drops_the_answer() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.go.clear()
        subject.tell()
        await solving(subject)
        subject.object()["spec"] = small_spec(price=5.0)
        subject.cluster.change(("serving", "chat"), generation=2)
        subject.reconciler.supersede(("serving", "chat"))
        subject.tell()
        subject.solver.go.set()
        await rest(subject)
        assert subject.status()["observedGeneration"] == 2
        assert subject.status()["plan"]["costPerHour"] == 5.0 * subject.status()["plan"]["totalGPUs"]
        assert subject.cluster.writes == 1

    play(scenario, stored(spec=SPEC))


def test_a_spec_changed_unseen_is_caught_by_the_write_itself() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.go.clear()
        subject.tell()
        await solving(subject)
        subject.object()["spec"] = small_spec(price=5.0)
        subject.cluster.change(("serving", "chat"), generation=2)
        subject.solver.go.set()
        await rest(subject)
        assert subject.status()["observedGeneration"] == 2
        assert subject.results == [WriteResult.SUPERSEDED, WriteResult.WRITTEN]

    play(scenario, stored(spec=SPEC))


def test_a_deletion_during_the_solve_ends_it() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.go.clear()
        subject.tell()
        await solving(subject)
        del subject.cluster.objects["serving", "chat"]
        subject.reconciler.supersede(("serving", "chat"))
        await rest(subject)
        assert subject.results == []

    play(scenario, stored(spec=SPEC))


def test_suspension_keeps_the_plan_and_says_so_without_a_solve() -> None:
    async def scenario(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        plan = subject.status()["plan"]
        subject.object()["spec"] = SPEC | {"suspend": True}
        subject.cluster.change(("serving", "chat"), generation=2)
        subject.tell()
        await rest(subject)
        assert reason(subject.object()) == "Suspended"
        assert subject.status()["plan"] == plan
        assert subject.solver.asked == 1

    play(scenario, stored(spec=SPEC))


def test_a_bad_spec_is_stalled_and_an_object_on_its_way_out_is_left_alone() -> None:
    async def scenario(subject: Subject) -> None:
        subject.tell("bad")
        subject.tell("leaving")
        await rest(subject)
        assert reason(subject.object("bad")) == "UnsupportedModel"
        assert condition(subject.object("bad"), "Stalled")["status"] == "True"
        assert subject.status("leaving") == {"observedGeneration": -1}
        assert subject.solver.asked == 0

    leaving = stored("leaving", spec=SPEC, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["someone/else"])
    play(scenario, stored("bad", spec=SPEC | {"model": {"name": "nobody/knows-this"}}), leaving)


def test_a_failed_solve_becomes_a_condition_and_is_not_tried_again_until_the_spec_changes() -> None:
    async def scenario(subject: Subject) -> None:
        crash = SolveFailed(reason="SolverCrashed", message="died", lethal=True, seconds=0.1)
        subject.solver.answers = [crash, crash]
        subject.tell()
        await rest(subject)
        assert reason(subject.object()) == "SolverCrashed"
        assert subject.solver.asked == 2
        subject.cluster.change(("serving", "chat"), labels={"a": "b"})
        subject.tell()
        await rest(subject)
        assert subject.solver.asked == 2
        subject.object()["spec"] = small_spec(price=3.0)
        subject.cluster.change(("serving", "chat"), generation=2)
        subject.tell()
        await rest(subject)
        assert reason(subject.object()) == "PlanCurrent"

    play(scenario, stored(spec=SPEC))


def test_a_solver_that_could_not_start_is_told_and_tried_again() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.answers = [
            SolveFailed(reason="SolverCrashed", message="no process", lethal=False, seconds=0.0, transient=True)
        ]
        subject.tell()
        await rest(subject)
        assert reason(subject.object()) == "SolverCrashed"
        async with asyncio.timeout(60):
            while reason(subject.object()) != "PlanCurrent":  # noqa: ASYNC110 - no seam
                await asyncio.sleep(0.01)
        assert subject.solver.asked == 2

    play(scenario, stored(spec=SPEC))


def test_a_rivals_status_is_put_back_once_and_then_waits() -> None:
    async def scenario(subject: Subject) -> None:
        subject.tell()
        await rest(subject)
        mine = subject.status()["plan"]["id"]
        for _ in range(3):
            subject.cluster.change(("serving", "chat"), status=subject.status() | {"relaxation": "rival"})
            subject.tell()
            await rest(subject)
        assert subject.cluster.writes == 2
        assert subject.queue.waits(("serving", "chat"))
        assert subject.status()["plan"]["id"] == mine
        assert subject.solver.asked == 1

    play(scenario, stored(spec=SPEC))


def test_equal_inputs_share_a_solve_and_each_keeps_its_own_name() -> None:
    async def scenario(subject: Subject) -> None:
        subject.solver.go.clear()
        for name in ("a", "b", "c"):
            subject.tell(name)
        await solving(subject)
        subject.solver.go.set()
        await rest(subject)
        assert subject.solver.asked == 1
        assert {subject.status(name)["plan"]["id"] for name in ("a", "b", "c")} == {subject.status("a")["plan"]["id"]}
        assert subject.cluster.writes == 3

    play(scenario, *(stored(name, uid=name, spec=SPEC) for name in ("a", "b", "c")))


def test_events_are_of_transitions_only() -> None:
    async def scenario(subject: Subject) -> None:
        posting = asyncio.create_task(subject.recorder.run())
        subject.tell()
        await rest(subject)
        subject.object()["spec"] = SPEC | {"slo": {"tpot": "10s"}}  # another generation, the same plan
        subject.cluster.change(("serving", "chat"), generation=2)
        subject.tell()
        await rest(subject)
        subject.object()["spec"] = SPEC | {"gates": {"maxCostPerHour": 0.01}}
        subject.cluster.change(("serving", "chat"), generation=3)
        subject.tell()
        await rest(subject)
        posting.cancel()
        assert subject.cluster.writes == 3
        told = [(body["type"], body["reason"]) for body in subject.cluster.posted]
        assert told == [("Normal", "PlanCurrent"), ("Warning", "GateBlocked")]

    play(scenario, stored(spec=SPEC))
