"""The loop that acts with everything around it, on an API server in memory; a test turns it cycle by cycle."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from placewright.api.policies import InputRules
from placewright.handlers.acting.carrying import Carrier
from placewright.handlers.acting.idling import Idling
from placewright.handlers.acting.loop import Acting, ActingParts
from placewright.handlers.acting.objects import Subjects
from placewright.handlers.acting.observing import Observing
from placewright.handlers.acting.readings import Readings
from placewright.handlers.acting.reporting import Reporter, Told
from placewright.handlers.acting.troubles import Troubles
from placewright.handlers.cache import ObjectCache
from placewright.handlers.ledger import Ledger
from placewright.handlers.members import Members
from placewright.handlers.surveyor import Surveyor
from placewright.kube.act import Actor
from placewright.kube.events import EventRecorder, TokenBucket
from placewright.kube.status import WriteResult
from placewright.telemetry.acting_figures import ActionKind, ActionResult, WakeCause
from placewright.telemetry.audit import Entry
from placewright.telemetry.prometheus.activity import CLOCK
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry as BookEntry
from placewright.telemetry.prometheus.book import Query
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from placewright.telemetry.views import Key
from tests.support.acting_api import PODS, ActingApi
from tests.support.fleet_api import REQUESTS, pool
from tests.support.requests import Json

NAMESPACE = "serving"
BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()
_TURNS = 60


class FakeBook:
    """Prometheus: every Pod that serves is scraped each step, and does nothing unless a test says so.

    The model `own/NAME` is served by Pods whose names begin with NAME, any other one by all Pods.

    Attributes:
        busy: beginnings of names of Pods that work.
        away: whether the server does not answer.
        queue: requests in front of every model; None: nobody tells.
        asked: queries of each cycle.
    """

    def __init__(self, api: ActingApi, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self.busy: set[str] = set()
        self.away = False
        self.queue: float | None = None
        self.asked: list[int] = []

    async def ask(self, queries: Iterable[Query]) -> Mapping[Query, BookEntry]:
        await asyncio.sleep(0)
        wanted = list(queries)
        self.asked.append(len(wanted))
        if self.away:
            fault = QueryError(FaultKind.UNREACHABLE, "nobody answers")
            return {query: BookEntry(fault=fault) for query in wanted}
        return {query: BookEntry(answer=self._answer(query), at=self._now()) for query in wanted}

    def _answer(self, query: Query) -> Answer:
        now = self._now()
        if query is CLOCK or query == CLOCK:
            return Answer(series=(Series(labels={}, points=((now, now),)),))
        if "placewright_part" not in query.expr:
            return Answer(series=(Series(labels={}, points=((now, self.queue or 0.0),)),))
        window, _, step = query.expr.rpartition("[")[2].rstrip("]").partition(":")
        times = [
            index * seconds(step)
            for index in range(int((now - seconds(window)) // seconds(step)) + 1, int(now // seconds(step)) + 1)
        ]
        found = [series("grid", "", [(at, at) for at in times])]
        named = re.search(r'model_name=\\?"own/([^"\\]+)', query.expr)
        beginning = f"{named[1]}-" if named else ""
        for _, name in list(self._api.objects.get(PODS, {})):
            if not name.startswith(beginning):
                continue
            works = float(any(name.startswith(each) for each in self.busy))
            for part, value in (("changes", works), ("finished", 7.0), ("running", works), ("waiting", 0.0)):
                found.append(series(part, name, [(at, value) for at in times]))
            found.append(series("up", name, [(at, 1.0) for at in times]))
        return Answer(series=tuple(found))


def seconds(text: str) -> float:
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    total, number = 0.0, ""
    rest = text
    while rest:
        unit = next(each for each in ("ms", "s", "m", "h", "d") if rest.lstrip("0123456789.").startswith(each))
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        total += float(number) * units[unit]
        rest = rest[len(number) + len(unit) :]
    return total


def series(part: str, pod: str, points: list[tuple[float, float]]) -> Series:
    labels = {"placewright_part": part} | ({"pod": pod, "instance": f"{pod}:8000"} if pod else {})
    if part == "up":
        del labels["pod"]
    return Series(labels=labels, points=tuple(points))


class NoConnection:
    """The book needs none."""

    async def follow(self, rules: InputRules) -> None:
        assert isinstance(rules, InputRules)

    async def close(self) -> None:
        """Nothing is open."""


class Tally:
    """What was counted."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.actions: list[tuple[ActionKind, ActionResult]] = []
        self.wakes: list[WakeCause] = []
        self.seconds: list[float] = []

    def announced(self) -> None:
        self.events.append("announced")

    def reaped(self) -> None:
        self.events.append("reaped")

    def woken(self, by: WakeCause) -> None:
        self.wakes.append(by)

    def wake_ready(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def acted(self, action: ActionKind, result: ActionResult) -> None:
        self.actions.append((action, result))

    def rollout_failed(self) -> None:
        self.events.append("failed")


class Subject:
    """The loop, from `running` on.

    Args:
        api: with what stands there already.
        acts: namespaces that are acted in, empty: all; None: nothing is acted.
        checkpoint: told of moments.
    """

    def __init__(
        self,
        api: ActingApi | None = None,
        *,
        acts: tuple[str, ...] | None = (),
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.api = api or ActingApi()
        self.at = BEGIN
        self.book = FakeBook(self.api, lambda: self.at)
        self.tally = Tally()
        self.records: list[Entry] = []
        self.results: list[WriteResult] = []
        self.left = 0
        self.cache = ObjectCache(seen=self._on_seen, gone=self._on_gone)
        self.members = Members(Ledger())
        self.surveyor = Surveyor(self.api, changed=lambda: None, resync_seconds=60.0)
        self.subjects = Subjects(self.api, ())
        self.troubles = Troubles(self.api)
        recorder = EventRecorder(self.api, bucket=TokenBucket(per_second=0.0, burst=1000), capacity=1000)
        self.recorder = recorder
        told = Told(recorder=recorder, counters=self.tally, record=self.records.append, count=self.results.append)
        reporter = Reporter(
            self.api,
            cache=self.cache,
            members=self.members,
            subjects=self.subjects,
            told=told,
            checkpoint=checkpoint,
            now=lambda: datetime.fromtimestamp(self.at, UTC),
        )
        parts = ActingParts(
            subjects=self.subjects,
            observing=Observing(self.api, namespaces=(), acts=acts, resync_seconds=60.0),
            readings=Readings(),
            idling=Idling(
                book=self.book,
                connection=NoConnection(),
                rules=self.surveyor.input_rules,
                interval_seconds=5.0,
                pods=self.troubles.servers,
            ),
            troubles=self.troubles,
            carrier=Carrier(
                actor=Actor(self.api, clock=lambda: self.at, checkpoint=checkpoint),
                reporter=reporter,
                counters=self.tally,
                clock=lambda: self.at,
                checkpoint=checkpoint,
            ),
            surveyor=self.surveyor,
            ledger=self.members.ledger,
        )
        self.acting = Acting(
            parts,
            ready=lambda: True,
            left=self._on_left,
            interval_seconds=5.0,
            parallel=4,
            now=lambda: self.at,
            clock=lambda: self.at,
        )

    def _on_seen(self, resource: Json) -> None:
        self.acting.seen(resource)

    def _on_gone(self, key: Key) -> None:
        self.acting.gone(key)

    def _on_left(self) -> None:
        self.left += 1

    async def look(self, seconds: float = 0.0) -> None:
        """What the watches tell arrives; time goes on; one cycle."""
        self.at += seconds
        await turns()
        for resource in list(self.api.objects.get(REQUESTS, {}).values()):
            self.cache.observe(resource, 0.0)
            self.members.ledger.see(resource)
        await self.acting.cycle()
        await turns()

    async def looks(self, number: int, seconds: float = 5.0) -> None:
        for _ in range(number):
            await self.look(seconds)

    def put(self, body: Json) -> None:
        """A user applies a request."""
        self.api.put(REQUESTS, body, namespace=NAMESPACE)

    def status(self, name: str = "chat") -> Json:
        found: Json = self.api.request(name).get("status") or {}
        return found

    def condition(self, kind: str, name: str = "chat") -> Json:
        found: Json = next((each for each in self.status(name).get("conditions") or () if each["type"] == kind), {})
        return found

    def events(self) -> list[str]:
        return [str(each["reason"]) for each in self.api.events]


async def turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(subject: Subject) -> AsyncIterator[Subject]:
    tasks = [asyncio.create_task(each.run()) for each in subject.surveyor.reflectors()]
    tasks.append(asyncio.create_task(subject.acting.observing.run()))
    tasks.append(asyncio.create_task(subject.recorder.run()))
    await subject.surveyor.known()
    await turns()
    try:
        yield subject
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def play(scenario: Callable[[Subject], Coroutine[Any, Any, None]], subject: Subject | None = None) -> Subject:
    """Runs a scenario on a pool `cheap` with two nodes of 4 L40S."""
    chosen = subject or Subject()
    if "gpupools" not in chosen.api.objects:
        chosen.api.put("gpupools", pool("cheap", stock=(2, 4)))

    async def run() -> None:
        async with running(chosen):
            await scenario(chosen)

    asyncio.run(run())
    return chosen


def request(name: str = "chat", *, plan: Json | None = None, mode: str = "Apply", **more: Any) -> Json:
    """A request as stored with its plan; None: the plan of `a_plan`."""
    spec: Json = {
        "mode": mode,
        "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
        "workload": {"inputTokens": 512, "outputTokens": 128, "requestsPerSecond": 1},
        "poolSelector": {"matchLabels": {"tier": "serving"}},
        "render": {"image": "example.com/engine:1"},
        **more,
    }
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value is not None},
        "status": planned(a_plan() if plan is None else plan),
    }


def planned(plan: Json | None, **more: Any) -> Json:
    """A status of planning; an empty plan is none."""
    ready = {"type": "Ready", "status": "True", "reason": "PlanCurrent", "message": "it is planned"}
    moment = {"lastTransitionTime": "2026-11-21T11:00:00Z", "observedGeneration": 1}
    return {
        "observedGeneration": 1,
        "conditions": [{**ready, **moment}],
        **({"plan": plan} if plan else {}),
        **more,
    }


def a_plan(plan_id: str = "p-1", *, replicas: int = 1, gpus: int = 1, weight: float = 1.0) -> Json:
    """A plan with one layout of one stage on the pool `cheap`."""
    stage = {
        "pool": "cheap",
        "gpu": "L40S",
        "tensorParallel": gpus,
        "firstLayer": 0,
        "lastLayer": 31,
        "gpus": gpus,
    }
    layout = {
        "replicas": replicas,
        "weight": weight,
        "precision": "bf16",
        "maxConcurrency": 8,
        "costPerHour": float(gpus),
        "costPerMillionTokens": 1.0,
        "tokensPerSecond": 1000.0,
        "requestsPerSecond": 1.0,
        "stages": [stage],
        "engineArgs": [f"--tensor-parallel-size={gpus}", "--pipeline-parallel-size=1"],
    }
    return {
        "id": plan_id,
        "state": "Approved",
        "decidedAt": "2026-11-21T11:00:00Z",
        "precision": "bf16",
        "replicas": replicas,
        "tensorParallel": gpus,
        "pipelineParallel": 1,
        "pool": "cheap",
        "totalGPUs": replicas * gpus,
        "gpusByPool": {"cheap": replicas * gpus},
        "costPerHour": float(replicas * gpus),
        "costPerMillionTokens": 1.0,
        "tokensPerSecond": 1000.0 * replicas,
        "requestsPerSecond": 1.0 * replicas,
        "layouts": [layout],
    }
