"""A fleet on an API server in memory, with a solver that anybody can check by hand."""

import asyncio
import contextlib
import copy
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from placewright.core.fleet.packing import fits
from placewright.core.model import MoveReason, Pool, Snapshot
from placewright.handlers.cache import ObjectCache
from placewright.handlers.fleet import Fleet, FleetParts
from placewright.handlers.fleet_live import Figures, FleetLive
from placewright.handlers.fleet_solutions import FleetSolutions
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.ledger import Ledger, holding_of
from placewright.handlers.members import Members
from placewright.handlers.publisher import Publisher
from placewright.handlers.ramps import Ramps
from placewright.handlers.records import entries_of
from placewright.handlers.solver import FleetOutcome, Solved
from placewright.handlers.surveyor import Surveyor
from placewright.kube.events import EventRecorder, TokenBucket
from placewright.kube.status import WriteResult
from placewright.telemetry.audit import Entry
from placewright.telemetry.views import Key
from tests.support.fleet_api import REQUESTS, FakeApi, fleet_request, pool
from tests.support.fleet_solves import greedy
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
    """A fleet with everything around it but the queue and the reconciler.

    Args:
        api: with what stands there already.
        figures: live figures; None: nobody reads any.
        plans: earlier plans by id, as the audit journal has them.
        now: Unix seconds, of ramps.
    """

    def __init__(
        self,
        api: FakeApi | None = None,
        *,
        figures: Figures | None = None,
        plans: Mapping[str, Json] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
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
        self.refusals: list[str] = []
        self.records: list[Entry] = []
        earlier = plans or {}
        ramps = Ramps(
            find_plan=lambda _namespace, _name, plan_id: earlier.get(plan_id),
            now=now,
            max_gap_seconds=60.0,
            refused=lambda _key, line: self.refusals.append(line),
        )
        self.live = FleetLive(members=self.members, figures=lambda: figures, ramps=ramps, now=now)
        publisher = Publisher(
            members=self.members,
            cache=self.cache,
            transport=self.api,
            recorder=EventRecorder(self.api, bucket=TokenBucket(per_second=0.0, burst=100)),
            count=self.results.append,
            moved=self.moves.append,
            superseded=self.tell,
            parallel=4,
            recorded=lambda before, stored: self.records.extend(entries_of(before, stored)),
        )
        parts = FleetParts(
            surveyor=self.surveyor,
            members=self.members,
            solutions=FleetSolutions(self.solver, grace_seconds=5.0, on_solved=lambda *_: None),
            publisher=publisher,
            kinds=KindStatuses(
                surveyor=self.surveyor, ledger=self.members.ledger, transport=self.api, count=self.results.append
            ),
            live=self.live,
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
        async with asyncio.timeout(60):
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
