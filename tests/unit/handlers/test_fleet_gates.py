"""Gates with live figures through whole rounds of a fleet: what a status shows of them, and when it is written."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from placewright.api.live import InputFault, Live, LiveInput, RevenueStatus, moment_of
from placewright.core.model import Observation, Reading
from placewright.handlers.live_views import LiveView
from placewright.kube.status import WriteResult
from placewright.telemetry.views import Key
from tests.support.fleet_api import fleet_request, pool
from tests.support.fleet_subject import NAMESPACE, Subject, rest, running, until
from tests.support.placements import condition, reason

KEY = (NAMESPACE, "chat")


class FakeFigures:
    """Views that a test sets."""

    def __init__(self) -> None:
        self.views: dict[Key, LiveView] = {}
        self.wanted = 0

    def want(self) -> None:
        self.wanted += 1

    def behind(self) -> bool:
        return False

    def forget(self, key: Key) -> None:
        self.views.pop(key, None)


def earning(per_hour: float | None, *, age: float = 1.0, in_force: float | None = None) -> LiveView:
    """What the model earns; None: nobody can say."""
    fault = "" if per_hour is not None else "HTTP 503"
    reading = Reading(value=per_hour, age_seconds=age, source="revenue per hour by Prometheus", fault=fault)
    counts = in_force if in_force is not None else per_hour
    return LiveView(
        live=Live(revenue_per_hour=per_hour if per_hour is None else counts),
        observation=Observation(revenue_per_hour=reading),
        revenue=None if counts is None else RevenueStatus(per_hour=counts, read_at=moment_of(0.0)),
        faults=() if per_hour is not None else (InputFault(input=LiveInput.REVENUE, message="HTTP 503"),),
    )


def play(scenario: Callable[[Subject, FakeFigures], Coroutine[Any, Any, None]], view: LiveView | None) -> None:
    async def run() -> None:
        figures = FakeFigures()
        if view is not None:
            figures.views[KEY] = view
        subject = Subject(figures=figures)
        subject.api.put("gpupools", pool("cheap", price=1.0, stock=(1, 8)))
        gates = {"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": "sum(revenue)"}
        subject.api.put("placementrequests", fleet_request("chat", 2, gates=gates), namespace=NAMESPACE)
        async with running(subject):
            if view is not None:
                await rest(subject)
            await scenario(subject, figures)

    asyncio.run(run())


def gate(subject: Subject) -> tuple[str, float | None]:
    (found,) = subject.api.request("chat")["status"]["gates"]
    return found["result"], found.get("actual")


async def told(subject: Subject, figures: FakeFigures, view: LiveView) -> bool:
    """New figures, as the loop of live inputs tells them; returns whether the fleet has a look."""
    before = figures.views.get(KEY)
    figures.views[KEY] = view
    news = await subject.fleet.weigh() or before is None or before.told != view.told
    if news:
        subject.fleet.trigger()
    await rest(subject)
    return news


def test_a_request_waits_for_its_first_figures_and_others_do_not() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        subject.apply(fleet_request("other", 2))
        await until(lambda: subject.where("other"), "the other plan")
        assert figures.wanted
        assert "plan" not in subject.api.request("chat").get("status", {})
        await told(subject, figures, earning(100.0))
        assert subject.where("chat") == {"cheap": 2}

    play(scenario, None)


def test_the_status_shows_the_live_ratio_and_follows_by_bands() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        assert gate(subject) == ("Pass", 0.02)
        before = len(subject.request_writes())
        assert not await told(subject, figures, earning(103.0, in_force=100.0))
        assert not await told(subject, figures, earning(98.0, age=200.0, in_force=100.0))
        assert len(subject.request_writes()) == before
        exact = subject.fleet.figures(KEY)
        assert exact is not None
        assert [outcome.actual for outcome in exact.gates] == [2.0 / 98.0]
        assert await told(subject, figures, earning(90.0))
        assert gate(subject) == ("Pass", 0.0222222)
        assert len(subject.request_writes()) == before + 1

    play(scenario, earning(100.0))


def test_a_gate_that_fails_blocks_in_words_and_takes_nothing_away() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        assert await told(subject, figures, earning(3.0))
        resource = subject.api.request("chat")
        assert gate(subject) == ("Fail", 0.666667)
        assert reason(resource) == "GateBlocked"
        assert condition(resource, "GatesPassed")["reason"] == "RevenueRatioExceeded"
        assert subject.where("chat") == {"cheap": 2}
        await told(subject, figures, earning(100.0))
        assert reason(subject.api.request("chat")) == "PlanCurrent"

    play(scenario, earning(100.0))


def test_a_figure_that_is_away_is_unknown_and_said_once() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        assert await told(subject, figures, earning(None, in_force=100.0))
        resource = subject.api.request("chat")
        assert gate(subject) == ("Unknown", None)
        assert reason(resource) == "InputsStale"
        assert condition(resource, "InputsFresh")["reason"] == "RevenueUnavailable"
        assert resource["status"]["inputs"]["revenuePerHour"] == 100.0
        before = len(subject.request_writes())
        for age in (60.0, 600.0):
            await told(subject, figures, earning(None, age=age, in_force=100.0))
        assert len(subject.request_writes()) == before
        exact = subject.fleet.figures(KEY)
        assert exact is not None
        assert [each.fault for each in exact.inputs] == ["HTTP 503"]

    play(scenario, earning(100.0))


def test_a_restart_shows_the_same_gates_and_writes_nothing() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        figures.views[KEY] = earning(102.0, in_force=100.0)
        again = Subject(subject.api, figures=figures)
        async with running(again):
            await rest(again)
            assert set(again.results) == {WriteResult.UNCHANGED}

    play(scenario, earning(100.0))


def test_what_is_gone_is_forgotten() -> None:
    async def scenario(subject: Subject, figures: FakeFigures) -> None:
        subject.delete("chat")
        await rest(subject)
        assert figures.views == {}
        assert subject.fleet.figures(KEY) is None

    play(scenario, earning(100.0))
