import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import PriceSource
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.ledger import Ledger
from placewright.handlers.price_reader import SourceRead
from placewright.handlers.prices import Prices
from placewright.handlers.surveyor import Surveyor
from placewright.kube.status import WriteResult
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prices.watch import PriceEvent, PriceEventKind
from tests.support.fleet_api import FakeApi, policy, pool
from tests.support.placements import condition

MINUTE = 60.0
PROM = {"name": "prom", "prometheus": {"query": "price"}, "confirmAfter": "2m", "maxAge": "10m"}
FILE = {"name": "finops", "file": {"path": "p.csv"}}


class FakeReader:
    """Gives what a test says: prices by GPU for a source, or a fault."""

    def __init__(self) -> None:
        self.says: dict[str, dict[str, float] | Exception] = {}
        self.reads: list[str] = []
        self.blocked: dict[str, asyncio.Event] = {}
        self.closed = False

    async def read(self, source: PriceSource) -> SourceRead:
        self.reads.append(source.name)
        if source.name in self.blocked:
            await self.blocked[source.name].wait()
        said = self.says.get(source.name, {})
        if isinstance(said, Exception):
            raise said
        return SourceRead(
            rows=tuple(PriceRow(key=PriceKey(gpu=gpu), per_gpu_hour=price) for gpu, price in said.items())
        )

    async def close(self) -> None:
        self.closed = True


class Subject:
    """An operator's prices, from policies in an API server in memory to their statuses."""

    def __init__(self, api: FakeApi, reader: FakeReader | None = None, *, now: float = 1_790_000_000.0) -> None:
        self.api = api
        self.reader = reader or FakeReader()
        self.now = now
        self.changes = 0
        self.events: list[PriceEvent] = []
        self.results: list[WriteResult] = []
        self.surveyor = Surveyor(api, changed=self._changed, resync_seconds=60.0)
        self.prices = Prices(
            policies=self.surveyor.policies.objects,
            reader=self.reader,
            changed=self.surveyor.prices_changed,
            record=self.events.append,
            clock=lambda: self.now,
            stopwatch=lambda: self.now,
        )
        self.surveyor.use_prices(self.prices)
        self.kinds = KindStatuses(
            surveyor=self.surveyor,
            ledger=Ledger(),
            transport=api,
            count=self.results.append,
            prices=self.prices.status_of,
        )

    def _changed(self) -> None:
        self.changes += 1

    async def sync(self) -> None:
        for reflector in self.surveyor.reflectors():
            await reflector.resync()

    async def round(self, *, after: float = MINUTE, write: bool = True) -> None:
        self.now += after
        await self.prices.refresh()
        if write:
            await self.write()

    async def write(self) -> None:
        survey = self.surveyor.survey()
        assert survey is not None
        assert await self.kinds.write(survey, {})

    def price(self, name: str = "l40s") -> tuple[float, str] | None:
        survey = self.surveyor.survey()
        assert survey is not None
        found = next(each.price for each in survey.observed if each.name == name)
        return None if found is None else (found.per_gpu_hour, found.source)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects["placementpolicies"]["", "default"]["status"]
        return found


def cluster(*sources: dict[str, Any], **spec: Any) -> FakeApi:
    api = FakeApi()
    body = pool("l40s", stock=(1, 8))
    del body["spec"]["pricePerGPUHour"]
    api.put("gpupools", body)
    api.put("placementpolicies", policy("default", priceSources=list(sources), **spec))
    return api


def runs(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


GPU = pool("x", stock=(1, 1))["spec"]["gpu"]


def test_prices_of_a_source_reach_pools_and_status_and_a_quiet_source_writes_nothing() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM, prices=[{"gpu": GPU, "pricePerGPUHour": 1.0}]))
        subject.reader.says = {"prom": {GPU: 2.0}}
        await subject.sync()
        assert subject.surveyor.survey() is None  # nobody plans with the table while the source is not read
        await subject.round()
        assert subject.price() == (2.0, "PriceSource")
        assert subject.status()["priceSources"] == [{"name": "prom", "state": "Fresh"}]
        assert [(entry["gpu"], entry["perGPUHour"]) for entry in subject.status()["prices"]] == [(GPU, 2.0)]
        assert [event.kind for event in subject.events] == [PriceEventKind.TAKEN]

        writes, changes = len(subject.api.writes), subject.changes
        for price in (2.0, 2.01, 1.99):  # within one percent
            subject.reader.says = {"prom": {GPU: price}}
            await subject.round()
        assert (len(subject.api.writes), subject.changes) == (writes, changes)

    runs(scenario)


def test_an_absurd_price_is_held_back_with_a_condition_until_it_stood_and_all_recovers() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM))
        for price in (2.0, 90.0):
            subject.reader.says = {"prom": {GPU: price}}
            await subject.sync()
            await subject.round()
        assert subject.price() == (2.0, "PriceSource")
        told = condition(subject.api.objects["placementpolicies"]["", "default"], "PricesHeldBack")
        assert told["status"] == "True"
        assert "Jump: a jump from $2 to $90" in told["message"]
        assert subject.status()["prices"][0]["heldBack"]["reason"] == "Jump"
        assert condition(subject.api.objects["gpupools"]["", "l40s"], "PricesHeldBack")["status"] == "True"

        await subject.round()
        assert subject.price() == (2.0, "PriceSource")
        await subject.round()
        assert subject.price() == (90.0, "PriceSource")
        assert [entry["type"] for entry in subject.status()["conditions"]] == ["Ready"]
        assert [event.kind for event in subject.events] == [
            PriceEventKind.TAKEN,
            PriceEventKind.HELD_BACK,
            PriceEventKind.CONFIRMED,
        ]

    runs(scenario)


def test_a_source_that_is_away_keeps_its_prices_and_is_stale_and_recovers() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM))
        subject.reader.says = {"prom": {GPU: 2.0}}
        await subject.sync()
        await subject.round()
        subject.reader.says = {"prom": PriceSourceError("prometheus.query: got Timeout, wants an answer", broken=False)}
        writes = len(subject.api.writes)
        await subject.round()
        assert len(subject.api.writes) == writes  # not stale yet
        await subject.round(after=11 * MINUTE)
        assert subject.price() == (2.0, "PriceSource")
        assert condition(subject.api.objects["placementpolicies"]["", "default"], "PricesStale")["status"] == "True"
        survey = subject.surveyor.survey()
        assert survey is not None
        assert "Timeout" in survey.surroundings.pools["l40s"].price_fault
        assert subject.status()["priceSources"][0]["state"] == "Stale"

        subject.reader.says = {"prom": {GPU: 2.0}}
        await subject.round()
        assert subject.status()["priceSources"] == [{"name": "prom", "state": "Fresh"}]
        assert [entry["type"] for entry in subject.status()["conditions"]] == ["Ready"]

    runs(scenario)


def test_a_restarted_operator_plans_with_the_prices_before_and_goes_on_holding_back() -> None:
    async def scenario() -> None:
        api = cluster(PROM, prices=[{"gpu": GPU, "pricePerGPUHour": 1.0}])
        before = Subject(api)
        for price in (2.0, 90.0):
            before.reader.says = {"prom": {GPU: price}}
            await before.sync()
            await before.round()

        after = Subject(api, now=before.now)
        after.reader.says = {"prom": PriceSourceError("away", broken=False)}
        await after.sync()
        assert after.price() == (2.0, "PriceSource")  # without having read anything
        writes = len(api.writes)
        await after.round(after=1.0)
        assert after.price() == (2.0, "PriceSource")
        assert len(api.writes) == writes
        after.reader.says = {"prom": {GPU: 90.0}}
        await after.round()
        assert after.price() == (2.0, "PriceSource")

    runs(scenario)


def test_a_source_that_hangs_or_breaks_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(FILE, PROM))
        subject.reader.says = {"prom": RuntimeError("a bug"), "finops": {GPU: 3.0}}
        await subject.sync()
        await subject.round()
        assert subject.price() == (3.0, "PriceSource")
        assert [entry["state"] for entry in subject.status()["priceSources"]] == ["Fresh", "Unread"]
        told = condition(subject.api.objects["placementpolicies"]["", "default"], "PricesStale")
        assert told["message"].startswith("prom: prom: got an internal fault")

    runs(scenario)


def test_a_source_is_read_at_its_own_interval() -> None:
    async def scenario() -> None:
        subject = Subject(cluster({**FILE, "refreshInterval": "1s"}, {**PROM, "refreshInterval": "5m"}))
        subject.reader.says = {"prom": {GPU: 2.0}, "finops": {GPU: 3.0}}
        await subject.sync()
        for _ in range(31):
            await subject.round(after=10.0, write=False)
        assert subject.reader.reads.count("finops") == 31
        assert subject.reader.reads.count("prom") == 2

    runs(scenario)


def test_a_policy_that_goes_or_drops_a_source_takes_its_prices_with_it() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM, prices=[{"gpu": GPU, "pricePerGPUHour": 1.0}]))
        subject.reader.says = {"prom": {GPU: 2.0}, "finops": {GPU: 3.0}}
        await subject.sync()
        await subject.round()
        subject.api.put("placementpolicies", policy("default", priceSources=[FILE]))
        await subject.sync()
        await subject.round()
        assert subject.price() == (3.0, "PriceSource")
        assert [entry["source"] for entry in subject.status()["prices"]] == ["finops"]
        subject.api.put("placementpolicies", policy("default", prices=[{"gpu": GPU, "pricePerGPUHour": 1.0}]))
        await subject.sync()
        await subject.round()
        assert subject.price() == (1.0, "PolicyTable")
        assert "prices" not in subject.status()

    runs(scenario)


def test_requests_on_pools_of_their_own_are_judged_again_when_a_price_changes() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM))
        subject.reader.says = {"prom": {GPU: 2.0}}
        await subject.sync()
        await subject.round()
        rules = subject.surveyor.rules()
        assert [price.per_gpu_hour for price in rules.prices] == [2.0]
        await subject.round()
        assert subject.surveyor.rules() is rules
        subject.reader.says = {"prom": {GPU: 2.5}}
        await subject.round()
        assert subject.surveyor.rules() != rules

    runs(scenario)


def test_all_sources_of_a_policy_have_a_bound_together() -> None:
    async def scenario() -> None:
        subject = Subject(cluster(FILE, PROM))
        many = {f"g{number}": 1.0 for number in range(600)}
        subject.reader.says = {"finops": many, "prom": {f"x{number}": 1.0 for number in range(600)}}
        await subject.sync()
        await subject.round()
        states = {entry["name"]: entry for entry in subject.status()["priceSources"]}
        assert sorted(entry["state"] for entry in states.values()) == ["Fresh", "Unread"]
        assert len(subject.status()["prices"]) == 600
        assert any("got 1,200 prices of all sources" in entry.get("message", "") for entry in states.values())

    runs(scenario)


@pytest.mark.parametrize("blocked", [False, True])
def test_it_runs_until_it_is_cancelled_and_wakes_for_a_new_policy(*, blocked: bool) -> None:
    async def scenario() -> None:
        subject = Subject(cluster(PROM))
        subject.reader.says = {"prom": {GPU: 2.0}, "finops": {GPU: 3.0}}
        if blocked:
            subject.reader.blocked["prom"] = asyncio.Event()
        running = asyncio.create_task(subject.prices.run())
        await subject.sync()
        known = asyncio.create_task(subject.surveyor.known())
        if blocked:
            await asyncio.sleep(0)
            assert not known.done()
            subject.reader.blocked["prom"].set()
        await asyncio.wait_for(known, timeout=60.0)
        assert subject.price() == (2.0, "PriceSource")
        subject.api.put("placementpolicies", policy("default", priceSources=[FILE]))
        await subject.sync()
        await asyncio.wait_for(subject.prices.known(), timeout=60.0)
        assert subject.price() == (3.0, "PriceSource")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert subject.reader.closed

    runs(scenario)
