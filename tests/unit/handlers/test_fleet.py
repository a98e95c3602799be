"""The fleet on an API server in memory, with a solver that anybody can check by hand."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from placewright.core.fleet.packing import fits
from placewright.core.model import MoveReason, Pool, Snapshot
from placewright.handlers.cache import ObjectCache
from placewright.handlers.fleet import Fleet, FleetParts
from placewright.handlers.fleet_solutions import FleetSolutions
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.ledger import Ledger, holding_of
from placewright.handlers.members import Members
from placewright.handlers.publisher import Publisher
from placewright.handlers.solver import FleetOutcome, Solved, SolveFailed
from placewright.handlers.surveyor import Surveyor
from placewright.kube.client import UnreachableError
from placewright.kube.events import EventRecorder, TokenBucket
from placewright.kube.status import WriteResult
from placewright.telemetry.views import Key
from tests.support.fleet_api import REQUESTS, FakeApi, fleet_request, node, pod, policy, pool, refusal
from tests.support.fleet_solves import greedy
from tests.support.placements import condition, reason
from tests.support.requests import Json

NAMESPACE = "serving"


class FakeFleetSolver:
    """Solves by `greedy`, or answers what it is told; waits while `go` is cleared."""

    def __init__(self) -> None:
        self.answers: list[FleetOutcome] = []
        self.parts: list[tuple[str, ...]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def solve_fleet(self, part: Snapshot, *, timeout_seconds: float) -> FleetOutcome:
        assert timeout_seconds > 0
        self.parts.append(tuple(request.name for request in part.requests))
        await self.go.wait()
        return self.answers.pop(0) if self.answers else Solved(decision=greedy(part), seconds=0.01)


class Subject:
    """A fleet with everything around it but the queue and the reconciler."""

    def __init__(self, api: FakeApi | None = None) -> None:
        self.api = api or FakeApi()
        self.api.on_write = self.check_stock
        self.solver = FakeFleetSolver()
        self.cache = ObjectCache(seen=self.seen, gone=self.gone)
        self.surveyor = Surveyor(self.api, changed=self.changed, resync_seconds=0.2)
        self.members = Members(Ledger())
        self.results: list[WriteResult] = []
        self.moves: list[MoveReason] = []
        self.rejudged: list[frozenset[Key]] = []
        self.overshoot: set[str] = set()  # pools whose nodes a test took away
        publisher = Publisher(
            members=self.members,
            cache=self.cache,
            transport=self.api,
            recorder=EventRecorder(self.api, bucket=TokenBucket(per_second=0.0, burst=100)),
            count=self.results.append,
            moved=self.moves.append,
            superseded=self.tell,
            parallel=4,
        )
        parts = FleetParts(
            surveyor=self.surveyor,
            members=self.members,
            solutions=FleetSolutions(self.solver, grace_seconds=5.0, on_solved=lambda *_: None),
            publisher=publisher,
            kinds=KindStatuses(
                surveyor=self.surveyor, ledger=self.members.ledger, transport=self.api, count=self.results.append
            ),
        )
        self.fleet = Fleet(
            parts,
            ready=lambda: True,
            backlog=lambda: False,
            rejudge=lambda keys: self.rejudged.append(frozenset(keys)),
            debounce_seconds=0.01,
        )

    def seen(self, resource: Json) -> None:
        self.fleet.seen(resource)

    def gone(self, key: Key) -> None:
        self.fleet.gone(key)

    def changed(self) -> None:
        self.fleet.trigger()

    def apply(self, body: Json) -> None:
        """What a user does, and what the watch tells then."""
        self.tell(self.api.put(REQUESTS, body, namespace=NAMESPACE))

    def delete(self, name: str) -> None:
        gone = self.api.remove(REQUESTS, name, namespace=NAMESPACE)
        self.cache.remove((NAMESPACE, name), gone["metadata"]["uid"])

    def tell(self, resource: Json) -> None:
        self.cache.observe(resource, 0.0)
        if self.fleet.wants(resource):
            self.fleet.take(resource, ours=True)
        else:
            self.fleet.leave((NAMESPACE, resource["metadata"]["name"]))

    def tell_all(self) -> None:
        for resource in list(self.api.objects.get(REQUESTS, {}).values()):
            self.tell(copy.deepcopy(resource))

    def where(self, name: str) -> dict[str, int]:
        """GPUs by pool of a request's plan; empty without one."""
        found: dict[str, int] = (self.api.request(name).get("status") or {}).get("plan", {}).get("gpusByPool", {})
        return found

    def pools(self) -> dict[str, Pool]:
        survey = self.surveyor.survey()
        return survey.pools if survey is not None else {}

    def check_stock(self) -> None:
        """No GPU in two stored plans, after each single write."""
        for name, each in self.pools().items():
            held = [
                groups
                for resource in self.api.objects[REQUESTS].values()
                for groups in holding_of(resource).pools.get(name, ())
            ]
            assert name in self.overshoot or fits(each, held), (name, each.free_by_node, held)

    def request_writes(self) -> list[str]:
        return [name for plural, name in self.api.writes if plural == REQUESTS]


async def until(probe: Callable[[], Any], what: str = "it") -> None:
    try:
        async with asyncio.timeout(10):
            while not probe():  # noqa: ASYNC110 - no seam
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def rest(subject: Subject) -> None:
    """Until nothing is to be done, also a moment later."""
    for _ in range(3):
        await until(lambda: not subject.fleet.waiting(), "rest")
        await asyncio.sleep(0.03)


@contextlib.asynccontextmanager
async def running(subject: Subject) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in subject.surveyor.reflectors()]
    await subject.surveyor.known()
    subject.fleet.begin()
    subject.tell_all()
    tasks.append(asyncio.create_task(subject.fleet.run()))
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def play(scenario: Callable[[Subject], Coroutine[Any, Any, None]], *objects: tuple[str, Json]) -> Subject:
    async def run() -> Subject:
        subject = Subject()
        for plural, body in objects:
            namespace = NAMESPACE if plural in {REQUESTS, "pods"} else ""
            subject.api.put(plural, body, namespace=namespace)
        async with running(subject):
            await scenario(subject)
        return subject

    return asyncio.run(run())


CHEAP = ("gpupools", pool("cheap", price=1.0, stock=(1, 8)))
DEAR = ("gpupools", pool("dear", price=2.0, stock=(1, 8)))


def wanting(name: str, gpus: int, **more: Any) -> tuple[str, Json]:
    return REQUESTS, fleet_request(name, gpus, **more)


def test_many_requests_are_one_solve_and_one_write_each() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert [subject.where(name) for name in ("a", "b", "c")] == [{"cheap": 4}, {"cheap": 4}, {"dear": 4}]
        assert subject.solver.parts == [("a", "b", "c")]
        assert sorted(subject.request_writes()) == ["a", "b", "c"]
        assert reason(subject.api.request("a")) == "PlanCurrent"
        assert subject.moves == [MoveReason.FIRST_PLAN] * 3

    play(scenario, CHEAP, DEAR, wanting("a", 4), wanting("b", 4), wanting("c", 4))


def test_a_component_that_did_not_change_is_not_solved_again() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        first = len(subject.solver.parts)
        assert first == 2
        subject.apply(fleet_request("c", 2, poolSelector={"matchLabels": {"tier": "other"}}))
        await rest(subject)
        assert [sorted(part) for part in subject.solver.parts[first:]] == [["b", "c"]]
        assert subject.request_writes().count("a") == 1

    other = pool("other", stock=(1, 8))
    other["metadata"]["labels"] = {"tier": "other"}
    apart = fleet_request("b", 2, poolSelector={"matchLabels": {"tier": "other"}})
    play(scenario, CHEAP, ("gpupools", other), wanting("a", 4), (REQUESTS, apart))


def test_a_request_whose_plan_stays_is_not_written_again_for_its_neighbours() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        before = copy.deepcopy(subject.api.request("a"))
        subject.apply(fleet_request("b", 2))
        await rest(subject)
        assert subject.where("b") == {"cheap": 2}
        assert subject.api.request("a") == before

    play(scenario, CHEAP, wanting("a", 4))


def test_a_restart_writes_nothing_and_solves_each_part_once() -> None:
    async def again(api: FakeApi) -> None:
        subject = Subject(api)
        before = copy.deepcopy(api.objects)
        async with running(subject):
            await rest(subject)
        assert len(subject.solver.parts) == 1
        assert api.objects == before

    async def scenario(subject: Subject) -> None:
        await rest(subject)

    first = play(scenario, CHEAP, DEAR, wanting("a", 4), wanting("b", 8), wanting("c", 8))
    asyncio.run(again(first.api))


def test_a_refused_request_gets_what_a_deleted_one_gives_back() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("b") == {}
        assert reason(subject.api.request("b")) == "Infeasible"
        subject.delete("a")
        await rest(subject)
        assert subject.where("b") == {"cheap": 8}

    play(scenario, CHEAP, wanting("a", 8), wanting("b", 8))


def test_a_suspended_request_keeps_its_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        subject.apply(fleet_request("a", 8, suspend=True))
        subject.apply(fleet_request("b", 8))
        await rest(subject)
        assert subject.where("a") == {"cheap": 8}
        assert subject.where("b") == {}
        assert subject.members.get((NAMESPACE, "a")) is None

    play(scenario, CHEAP, wanting("a", 8))


def test_nodes_that_come_go_and_are_cordoned_change_the_plans() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {}
        subject.api.put("nodes", node("n-1", pool="found"))
        await until(lambda: subject.where("a") == {"found": 8}, "the first plan")
        subject.api.put("nodes", node("n-2", pool="found"))
        subject.apply(fleet_request("b", 8))
        await until(lambda: subject.where("b") == {"found": 8}, "the second plan")
        subject.overshoot.add("found")
        subject.api.put("nodes", node("n-1", pool="found", unschedulable=True))
        await until(lambda: sorted(map(bool, (subject.where("a"), subject.where("b")))) == [False, True], "one plan")
        subject.api.remove("nodes", "n-2")
        await until(lambda: not subject.where("a") and not subject.where("b"), "no plan")

    play(scenario, ("gpupools", pool("found")), wanting("a", 8))


def test_a_node_that_vanished_in_a_gap_of_the_watch_is_noticed() -> None:
    async def scenario(subject: Subject) -> None:
        await until(lambda: subject.where("a") == {"found": 8}, "a plan")
        subject.overshoot.add("found")
        subject.api.silent.add("nodes")
        subject.api.remove("nodes", "n-1")
        await until(lambda: subject.where("a") == {}, "the plan to go")

    play(scenario, ("gpupools", pool("found")), ("nodes", node("n-1", pool="found")), wanting("a", 8))


def test_gpus_that_pods_of_others_hold_are_not_planned_with() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {"dear": 8}
        subject.api.remove("pods", "foreign", namespace=NAMESPACE)
        subject.apply(fleet_request("b", 8))
        await until(lambda: subject.where("b") == {"found": 8}, "the GPUs of the Pod")

    play(
        scenario,
        ("gpupools", pool("found")),
        DEAR,
        ("nodes", node("n-1", pool="found")),
        ("pods", pod("foreign", on="n-1", gpus=1)),
        wanting("a", 8),
    )


def test_a_pod_that_nobody_told_of_is_seen_before_a_plan_takes_its_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        subject.api.silent.add("pods")
        subject.api.put("pods", pod("foreign", on="n-1", gpus=1), namespace=NAMESPACE)
        subject.apply(fleet_request("a", 8))
        await until(lambda: subject.where("a") == {"dear": 8}, "a plan elsewhere")
        assert ("pods", "spec.nodeName=n-1") in subject.api.lists
        assert subject.request_writes() == ["a"]

    play(scenario, ("gpupools", pool("found")), DEAR, ("nodes", node("n-1", pool="found")))


def test_two_that_change_places_never_stand_on_the_same_gpus() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert (subject.where("a"), subject.where("b")) == ({"cheap": 8}, {"dear": 8})
        subject.apply(fleet_request("a", 8, poolSelector={"matchLabels": {"tier": "serving", "side": "dear"}}))
        subject.apply(fleet_request("b", 8, poolSelector={"matchLabels": {"tier": "serving", "side": "cheap"}}))
        await rest(subject)
        assert (subject.where("a"), subject.where("b")) == ({"dear": 8}, {"cheap": 8})
        assert len(subject.request_writes()) == 5  # one of them stood without a plan for a moment

    sides = []
    for plural, body in (CHEAP, DEAR):
        labelled = copy.deepcopy(body)
        labelled["metadata"]["labels"]["side"] = body["metadata"]["name"]
        sides.append((plural, labelled))
    play(scenario, *sides, wanting("a", 8), wanting("b", 8))


def test_a_failed_solve_keeps_the_plans_and_the_rest_of_the_fleet_is_planned() -> None:
    crash = SolveFailed(reason="SolverCrashed", message="died", lethal=True, seconds=0.1)

    async def scenario(subject: Subject) -> None:
        await rest(subject)
        solves = len(subject.solver.parts)
        subject.solver.answers = [crash, crash]
        subject.apply(fleet_request("b", 1))
        await rest(subject)
        assert {reason(subject.api.request(name)) for name in ("a", "b")} == {"SolverCrashed"}
        assert subject.where("a") == {"cheap": 4}
        assert condition(subject.api.request("a"), "Stalled")["status"] == "True"
        assert len(subject.solver.parts) == solves + 2
        subject.apply(fleet_request("b", 2))
        await rest(subject)
        assert {reason(subject.api.request(name)) for name in ("a", "b")} == {"PlanCurrent"}

    play(scenario, CHEAP, wanting("a", 4))


def test_a_process_that_does_not_start_is_tried_again() -> None:
    none = SolveFailed(reason="SolverCrashed", message="no process", lethal=False, seconds=0.0, transient=True)

    async def scenario(subject: Subject) -> None:
        subject.solver.answers = [none]
        subject.apply(fleet_request("a", 4))
        await until(lambda: reason(subject.api.request("a")) == "PlanCurrent", "another try")

    play(scenario, CHEAP)


def test_what_a_user_must_fix_is_told_and_the_rest_is_planned() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.where("a") == {"cheap": 4}
        assert reason(subject.api.request("unknown")) == "UnsupportedModel"
        assert reason(subject.api.request("nowhere")) == "NoPools"
        assert "tier=nowhere" in condition(subject.api.request("nowhere"), "Ready")["message"]
        ready = condition(subject.api.objects["gpupools"]["", "broken"], "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "UnknownGPU")
        assert condition(subject.api.objects["gpupools"]["", "cheap"], "Ready")["status"] == "True"

    play(
        scenario,
        CHEAP,
        ("gpupools", pool("broken", stock=(1, 8), gpu="L40Z")),
        wanting("a", 4),
        wanting("unknown", 4, model={"name": "nobody/knows-this"}),
        wanting("nowhere", 4, poolSelector={"matchLabels": {"tier": "nowhere"}}),
    )


def test_nodes_that_may_not_be_read_keep_plans_and_are_told() -> None:
    async def scenario(subject: Subject) -> None:
        await until(lambda: subject.where("a") == {"found": 8}, "a plan")
        subject.api.faults["nodes"] = refusal(403, "Forbidden")
        subject.api.put("nodes", node("n-1", pool="found", gpus=4))  # lets the watch end
        await until(
            lambda: condition(subject.api.request("a"), "InputsFresh").get("reason") == "NodesUnreadable", "the reason"
        )
        assert subject.where("a") == {"found": 8}
        subject.apply(fleet_request("b", 1))
        await until(lambda: reason(subject.api.request("b")) == "InputsStale", "the new one to be told")

    play(scenario, ("gpupools", pool("found")), ("nodes", node("n-1", pool="found")), wanting("a", 8))


def test_an_install_without_the_new_kinds_goes_on() -> None:
    async def run() -> None:
        subject = Subject()
        for plural in ("gpupools", "placementpolicies", "performanceprofiles"):
            subject.api.faults[plural] = refusal(404, "NotFound")
        subject.api.put(REQUESTS, fleet_request("a", 4), namespace=NAMESPACE)
        async with running(subject):
            await rest(subject)
            assert reason(subject.api.request("a")) == "NoPools"

    asyncio.run(run())


def test_a_ceiling_makes_requests_one_problem_and_is_kept() -> None:
    private = [{"name": "own", "gpu": "L40S", "nodes": 1, "gpusPerNode": 8, "pricePerGPUHour": 1.0}]

    async def scenario(subject: Subject) -> None:
        await rest(subject)
        planned = [name for name in ("a", "b") if subject.where(name)]
        assert len(planned) == 1
        status = subject.api.objects["placementpolicies"]["", "limits"]["status"]
        assert status["costPerHour"] == 4.0
        assert status["namespaces"] == [{"name": NAMESPACE, "costPerHour": 4.0}]
        subject.api.put(
            "placementpolicies", policy("limits", namespaces=[{"name": NAMESPACE, "maxCostPerHour": 100.0}])
        )
        await until(lambda: subject.where("a") and subject.where("b"), "both plans")

    limits = policy("limits", namespaces=[{"name": NAMESPACE, "maxCostPerHour": 5.0}])
    requests = [wanting(name, 4, pools=private) for name in ("a", "b")]
    for _, body in requests:
        del body["spec"]["poolSelector"]
    play(scenario, ("placementpolicies", limits), *requests)


def test_a_change_of_policies_has_the_other_requests_judged_again() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        assert subject.rejudged == []
        subject.api.put("placementpolicies", policy("gates", gates={"maxCostPerHour": 3.0}))
        await until(lambda: subject.rejudged, "a new judgement")
        await rest(subject)
        assert subject.rejudged == [frozenset({(NAMESPACE, "a")})]

    play(scenario, CHEAP, wanting("a", 4))


def test_pool_statuses_tell_what_plans_take_and_are_written_once() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        status = subject.api.objects["gpupools"]["", "cheap"]["status"]
        assert (status["capacity"], status["allocated"], status["free"]) == (8, 6, 2)
        assert status["allocations"] == [
            {"namespace": NAMESPACE, "name": "a", "gpus": 4},
            {"namespace": NAMESPACE, "name": "b", "gpus": 2},
        ]
        writes = len(subject.api.writes)
        subject.fleet.trigger()
        await rest(subject)
        assert len(subject.api.writes) == writes

    play(scenario, CHEAP, wanting("a", 4), wanting("b", 2))


@pytest.mark.parametrize("fault", [UnreachableError("down"), refusal(503, "Unavailable"), refusal(403, "Forbidden")])
def test_a_write_that_fails_is_tried_again_without_another_solve(fault: Exception) -> None:
    async def scenario(subject: Subject) -> None:
        subject.api.write_faults = [fault]
        subject.apply(fleet_request("a", 8))
        await until(lambda: subject.where("a") == {"cheap": 8}, "the second try")
        assert subject.results[0] is WriteResult.FAILED
        assert len(subject.solver.parts) == 1

    play(scenario, CHEAP)


def test_somebody_elses_status_is_put_back() -> None:
    async def scenario(subject: Subject) -> None:
        await rest(subject)
        mine = copy.deepcopy(subject.api.request("a")["status"])
        body = {**copy.deepcopy(subject.api.request("a")), "status": {"observedGeneration": 1, "relaxation": "rival"}}
        stored = subject.api.put(REQUESTS, body, namespace=NAMESPACE)
        subject.cache.observe(stored, 0.0)
        subject.fleet.take(stored, ours=False)
        await rest(subject)
        assert subject.api.request("a")["status"]["plan"]["id"] == mine["plan"]["id"]
        assert "relaxation" not in subject.api.request("a")["status"]

    play(scenario, CHEAP, wanting("a", 8))
