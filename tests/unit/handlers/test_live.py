"""Live inputs with a scripted server: what is asked, what comes into force, what a missing figure leaves as it is."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from placewright.api.live import LiveInput
from placewright.api.policies import InputRules
from placewright.api.policy_inputs import PrometheusServer
from placewright.core.demand import Fault
from placewright.core.errors import InvalidRequestError
from placewright.core.model import Observation
from placewright.handlers.forecasts import Forecasts
from placewright.handlers.ledger import Ledger
from placewright.handlers.live import Connection, LiveInputs, own_server
from placewright.handlers.live_views import LiveView
from placewright.handlers.members import Members
from placewright.handlers.solver import Solved, SolveFailed
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Client, Entry, Query
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from placewright.telemetry.prometheus.server import Server
from placewright.telemetry.views import Key
from tests.support.fleet_api import fleet_request
from tests.support.requests import Json

NOW = 1_000_000.0
ANY = InputRules(request_queries="Any", max_age_seconds=60.0)
REVENUE = "sum(revenue)"


@dataclass
class FakeBook:
    """Answers every query with the figure of its name, or the fault that stands."""

    figures: dict[str, float] = field(default_factory=dict)
    fault: QueryError | None = None
    cycles: list[list[Query]] = field(default_factory=list)
    servers: list[Client | None] = field(default_factory=list)
    entries: dict[Query, Entry] = field(default_factory=dict)
    now: float = NOW

    def use(self, client: Client | None) -> None:
        self.servers.append(client)

    async def ask(self, queries: Iterable[Query]) -> Mapping[Query, Entry]:
        asked = list(queries)
        self.cycles.append(asked)
        for query in asked:
            before = self.entries.get(query, Entry())
            if self.fault is not None:
                self.entries[query] = Entry(answer=before.answer, at=before.at, fault=self.fault)
                continue
            figure = next((value for name, value in self.figures.items() if name in query.expr), None)
            series = () if figure is None else (Series(labels={}, points=((self.now, figure),)),)
            self.entries[query] = Entry(answer=Answer(series=series), at=self.now)
        return {query: self.entries[query] for query in asked}


class FakeScale:
    def __init__(self) -> None:
        self.flipping = False
        self.news = False
        self.triggers = 0

    def flips(self, key: Key, in_force: Observation, exact: Observation) -> bool:
        assert key
        assert in_force.max_age_seconds == exact.max_age_seconds
        return self.flipping

    async def weigh(self) -> bool:
        return self.news

    def trigger(self) -> None:
        self.triggers += 1


@dataclass
class FakeForecaster:
    outcome: Solved[float | Fault] | SolveFailed
    asked: int = 0

    async def forecast(
        self, points: tuple[tuple[float, float], ...], horizon_seconds: float, *, timeout_seconds: float
    ) -> Solved[float | Fault] | SolveFailed:
        assert points
        assert horizon_seconds > 0
        assert timeout_seconds > 0
        self.asked += 1
        return self.outcome


class Scene:
    def __init__(self, *bodies: Json, rules: InputRules = ANY, forecaster: FakeForecaster | None = None) -> None:
        self.book, self.scale, self.rules = FakeBook(), FakeScale(), rules
        self.members = Members(Ledger())
        self.clock = 0.0
        forecasts = Forecasts(forecaster or FakeForecaster(Solved(decision=9.0, seconds=0.1)), clock=lambda: self.clock)
        self.live = LiveInputs(
            book=self.book,
            connection=Connection(self.book, None),
            members=self.members.items,
            rules=lambda: self.rules,
            scale=lambda: self.scale,
            interval_seconds=30.0,
            forecasts=forecasts,
            now=lambda: self.book.now,
        )
        for body in bodies:
            self.put(body)

    def put(self, body: Json, status: Json | None = None, generation: int = 1) -> None:
        name = body["metadata"]["name"]
        metadata = {"name": name, "namespace": "serving", "uid": f"u-{name}", "generation": generation}
        stored = {**body, "metadata": {**metadata, "resourceVersion": "1"}, "status": status or {}}
        self.members.take(stored)

    def view(self, name: str = "chat") -> LiveView:
        return self.live.views["serving", name]

    def rate(self, name: str = "chat") -> float:
        demand = self.view(name).demand
        assert demand is not None
        return sum(each.requests_per_second for each in demand.classes)

    async def cycle(self, seconds: float = 30.0) -> int:
        """One cycle so much later; how often it had the fleet look."""
        before = self.scale.triggers
        self.book.now += seconds
        await self.live.refresh()
        return self.scale.triggers - before


def play(scene: Scene, scenario: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario(scene))


def earning(name: str = "chat", query: str = REVENUE) -> Json:
    return fleet_request(name, 1, gates={"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": query})


def wanting(name: str = "chat", query: str = "rate_of_chat", **more: Any) -> Json:
    workload = {"inputTokens": 512, "outputTokens": 128}
    demand = {"prometheusQuery": query, "headroomPercent": 0, **more}
    return fleet_request(name, 1, workload={**workload, "demandFrom": demand})


DOWN = QueryError(FaultKind.STATUS, "HTTP 503")


def test_equal_queries_of_many_requests_are_one_question() -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"revenue": 100.0}
        await scene.cycle()
        (asked,) = scene.book.cycles
        assert [query.expr for query in asked] == [REVENUE, "sum(other)"]
        assert {scene.view(f"r{index}").live.revenue_per_hour for index in range(20)} == {100.0}

    play(Scene(*(earning(f"r{index}") for index in range(20)), earning("other", "sum(other)")), scenario)


def test_who_wants_nothing_is_asked_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.cycle()
        assert scene.book.cycles == [[]]
        assert scene.live.views == {}
        assert not scene.live.behind()

    play(Scene(fleet_request("chat", 1)), scenario)


def test_the_revenue_in_force_follows_when_it_has_moved_or_a_gate_flips() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.live.behind()
        scene.book.figures = {"revenue": 100.0}
        assert await scene.cycle() == 1
        assert not scene.live.behind()
        scene.book.figures = {"revenue": 104.0}
        assert await scene.cycle() == 0
        assert scene.view().live.revenue_per_hour == 100.0
        exact = scene.view().observation.revenue_per_hour
        assert exact is not None
        assert exact.value == 104.0
        scene.scale.flipping = True
        assert await scene.cycle() == 1
        assert scene.view().live.revenue_per_hour == 104.0
        scene.scale.flipping = False
        scene.book.figures = {"revenue": 120.0}
        assert await scene.cycle() == 1
        assert scene.view().live.revenue_per_hour == 120.0

    play(Scene(earning()), scenario)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_figure_that_is_none_leaves_the_one_in_force_and_is_unknown_to_gates(bad: float) -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"revenue": 100.0}
        await scene.cycle()
        scene.book.figures = {"revenue": bad}
        assert await scene.cycle() == 1
        view = scene.view()
        assert view.live.revenue_per_hour is None
        assert view.revenue is not None
        assert view.revenue.per_hour == 100.0
        assert [fault.input for fault in view.faults] == [LiveInput.REVENUE]
        scene.book.figures = {"revenue": 101.0}
        assert await scene.cycle() == 1
        assert scene.view().live.revenue_per_hour == 100.0
        assert scene.view().faults == ()

    play(Scene(earning()), scenario)


def test_what_was_read_counts_until_it_is_too_old_and_then_says_so_once() -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"revenue": 100.0}
        await scene.cycle()
        scene.book.fault = DOWN
        assert await scene.cycle() == 0
        assert scene.view().live.revenue_per_hour == 100.0
        assert await scene.cycle(31.0) == 1
        assert scene.view().live.revenue_per_hour is None
        told = scene.view().faults
        assert "stale" in told[0].message
        for _ in range(5):
            assert await scene.cycle(120.0) == 0
        assert scene.view().faults == told
        scene.book.fault = None
        assert await scene.cycle() == 1
        assert scene.view().faults == ()

    play(Scene(earning()), scenario)


def test_demand_comes_into_force_by_hysteresis_and_stays_while_the_source_is_away() -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"rate_of_chat": 4.0}
        assert await scene.cycle() == 1
        first = scene.view().demand
        scene.book.figures = {"rate_of_chat": 4.3}
        assert await scene.cycle() == 0
        assert scene.rate() == 4.0
        scene.book.fault = DOWN
        await scene.cycle(120.0)
        view = scene.view()
        assert first is not None
        assert view.demand is not None
        assert (view.demand.classes, view.demand.as_of) == (first.classes, first.as_of)
        assert [fault.input for fault in view.faults] == [LiveInput.DEMAND]
        scene.book.fault = None
        scene.book.figures = {"rate_of_chat": 6.0}
        assert await scene.cycle() == 1
        assert scene.rate() == 6.0

    play(Scene(wanting()), scenario)


def test_a_start_goes_on_with_what_the_status_holds() -> None:
    status = {
        "demand": {
            "asOf": "2026-01-01T00:00:00Z",
            "source": "query",
            "requestsPerSecond": 7,
            "tokensPerSecond": 4480,
            "classes": [{"name": "in-512-out-128", "inputTokens": 512, "outputTokens": 128, "requestsPerSecond": 7}],
        },
        "inputs": {"hash": "x", "catalogVersion": "1", "demandAsOf": "2026-01-02T00:00:00Z"},
    }

    async def scenario(scene: Scene) -> None:
        scene.put(wanting(), status)
        scene.book.fault = DOWN
        await scene.cycle()
        assert scene.rate() == 7.0
        assert "HTTP 503" in scene.view().faults[0].message

    play(Scene(), scenario)


def test_a_request_without_any_figure_has_none_in_force() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.cycle()
        assert scene.view().live.demand is None
        assert "no series" in scene.view().faults[0].message

    play(Scene(wanting()), scenario)


def test_queries_that_no_policy_allows_are_never_asked() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.cycle()
        assert scene.book.cycles == [[]]
        assert "no PlacementPolicy allows" in scene.view().faults[0].message
        scene.rules = ANY
        scene.book.figures = {"rate_of_chat": 2.0}
        await scene.cycle()
        assert scene.rate() == 2.0

    play(Scene(wanting(), rules=InputRules()), scenario)


def test_a_changed_spec_is_read_anew_and_a_request_that_is_gone_is_forgotten() -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"rate_of_chat": 2.0, "another": 3.0}
        await scene.cycle()
        scene.put(wanting(query="another"), generation=2)
        await scene.cycle()
        assert [query.expr for query in scene.book.cycles[-1]] == ["another"]
        assert scene.rate() == 3.0
        scene.members.leave(("serving", "chat"))
        await scene.cycle()
        assert scene.live.views == {}

    play(Scene(wanting()), scenario)


def test_news_of_gates_and_ramps_alone_have_the_fleet_look() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.cycle()
        assert await scene.cycle() == 0
        scene.scale.news = True
        assert await scene.cycle() == 1

    play(Scene(earning()), scenario)


def test_a_smoothed_demand_is_in_force_and_named() -> None:
    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"rate_of_chat": 4.0}
        await scene.cycle()
        demand = scene.live.views["serving", "chat"].demand
        assert demand is not None
        assert scene.rate() == 4.0
        assert "smoothed mean of " in demand.source

    play(Scene(wanting(statistic="Smoothed")), scenario)


def test_a_forecast_is_made_apart_kept_for_a_while_and_then_made_again() -> None:
    forecaster = FakeForecaster(Solved(decision=9.0, seconds=0.1))
    body = wanting(statistic="Forecast", window="48h", horizon="1h")

    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"rate_of_chat": 4.0}
        await scene.cycle()
        assert scene.rate() == 9.0
        await scene.cycle()
        assert forecaster.asked == 1
        scene.clock += 301.0
        forecaster.outcome = Solved(decision=12.0, seconds=0.1)
        await scene.cycle()
        await asyncio.sleep(0)
        await scene.cycle()
        assert (forecaster.asked, scene.rate()) == (2, 12.0)

    play(Scene(body, forecaster=forecaster), scenario)


def test_a_forecast_that_fails_leaves_the_demand_as_it_is() -> None:
    failed = SolveFailed(reason="SolverCrashed", message="the process died", lethal=True, seconds=1.0)
    scene = Scene(wanting(statistic="Forecast", window="48h"), forecaster=FakeForecaster(failed))

    async def scenario(scene: Scene) -> None:
        scene.book.figures = {"rate_of_chat": 4.0}
        await scene.cycle()
        assert scene.view().demand is None
        assert "the process died" in scene.view().faults[0].message

    play(scene, scenario)


def test_the_server_of_a_policy_wins_over_the_options_and_a_bad_one_is_told() -> None:
    async def scenario() -> None:
        book = FakeBook()
        connection = Connection(book, Server(url="http://own:9090"))
        await connection.follow(InputRules())
        await connection.follow(InputRules(max_age_seconds=5.0))
        given = PrometheusServer(url="http://policy:9090")
        await connection.follow(InputRules(server=given, server_policy="p"))
        bad = PrometheusServer(url="https://policy:9090", caFile="/nowhere/ca.crt")  # type: ignore[call-arg]
        await connection.follow(InputRules(server=bad, server_policy="p"))
        own, policy, unusable = book.servers
        assert [getattr(each, "server").url for each in (own, policy)] == ["http://own:9090", "http://policy:9090"]  # noqa: B009
        assert unusable is not None
        with pytest.raises(QueryError, match=r"/nowhere/ca\.crt"):
            await unusable.instant("up")
        with pytest.raises(QueryError, match=r"/nowhere/ca\.crt"):
            await unusable.range("up", 0.0, 1.0, 1.0)
        await connection.close()

    asyncio.run(scenario())


def test_files_without_a_server_are_a_mistake() -> None:
    more: Any = {"ca_file": None, "timeout_seconds": 1.0}
    assert own_server(None, token_file=None, **more) is None
    with pytest.raises(InvalidRequestError, match="--prometheus-token-file"):
        own_server(None, token_file="/token", **more)
    server = own_server("http://prometheus:9090/", token_file="/token", **more)
    assert server is not None
    assert (server.url, server.token_file, server.timeout_seconds) == ("http://prometheus:9090", "/token", 1.0)
