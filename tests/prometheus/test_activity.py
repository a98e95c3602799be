"""The query for activity against the real Prometheus: it answers as computed by hand, and what it cannot see counts."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from placewright.core.idle import decide
from placewright.core.model import (
    Activity,
    IdleAction,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleState,
    IdleVerdict,
    IdleWishes,
)
from placewright.telemetry.prometheus.activity import CLOCK, ActivityWant, activity_of, activity_want
from placewright.telemetry.prometheus.answers import Answer
from placewright.telemetry.prometheus.book import Entry, Query
from placewright.telemetry.prometheus.client import PrometheusClient, Server, session_for
from tests.support import activity_worlds as worlds
from tests.support.activity_answers import answer_at, plain
from tests.support.activity_worlds import BASE, MODEL, World, random_world
from tests.support.live_requests import FORBIDDEN, asking
from tests.support.prometheus_server import PrometheusServer

RANDOM_WORLDS = 60
WINDOW = 600.0
RULES = IdleRules(
    policy=IdlePolicy.SCALE_TO_ZERO, after_seconds=WINDOW, announce_seconds=60.0, warmup_seconds=60.0, floor=1
)
STEP = RULES.step_seconds
AT = BASE + 50_007.0
LIFE = ((AT - 20_000.0, AT + 20_000.0),)


def still(namespace: str, **more: object) -> World:
    """Two servers with nothing to do; the second as given."""
    first = worlds.Server(pod="chat-0", instance="10.0.0.0:8000", lives=LIFE, before=3)
    second = replace(first, pod="chat-1", instance="10.0.0.1:8000", **more)  # type: ignore[arg-type]
    scrapes = tuple(AT - 3.0 * WINDOW + index * 15.0 for index in range(int(3.0 * WINDOW / 15.0)))
    return World(servers=(first, second), scrapes=scrapes, at=AT, namespace=namespace)


QUIET = still("quiet")
BUSY: dict[str, World] = {
    "finished": still("finished", work=(worlds.Work(waits=AT - 400.0, runs=AT - 400.0, ends=AT - 399.0),)),
    "finished-now": still("finished-now", work=(worlds.Work(waits=AT - 40.0, runs=AT - 40.0, ends=AT - 20.0),)),
    "running": still("running", work=(worlds.Work(waits=AT - 900.0, runs=AT - 900.0, ends=AT + 900.0),)),
    "waiting": still("waiting", work=(worlds.Work(waits=AT - 900.0, runs=AT + 800.0, ends=AT + 900.0),)),
    "reset": still("reset", lives=((LIFE[0][0], AT - 300.0), (AT - 299.0, LIFE[0][1]))),
    "renamed-and-busy": still(
        "renamed-and-busy",
        renamed_at=AT - 300.0,
        work=(worlds.Work(waits=AT - 299.0, runs=AT - 299.0, ends=AT - 280.0),),
    ),
}
UNSEEN: dict[str, World] = {
    "vanished": replace(still("vanished"), scrapes=tuple(at for at in QUIET.scrapes if at < AT - 2.0 * STEP)),
    "one-vanished": still("one-vanished", away=((AT - 2.5 * STEP, AT + 1.0),)),
    "gap": still("gap", away=((AT - 300.0, AT - 300.0 + 2.0 * STEP),)),
    "failing": still("failing", failing=((AT - 300.0, AT - 280.0),)),
    "partial": still("partial", lacking=((AT - 300.0, AT - 300.0 + 2.0 * STEP, 2),)),
    "late": still("late", lives=((AT - 400.0, AT + 1.0),)),
}
RENAMED = still("renamed", renamed_at=AT - 300.0)


def _random(index: int) -> World:
    return random_world(Random(index), window=WINDOW, step=STEP, namespace=f"random-{index}")


@pytest.fixture(scope="module")
def url(prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stored = [QUIET, RENAMED, *BUSY.values(), *UNSEEN.values(), *(_random(index) for index in range(RANDOM_WORLDS))]
    server = PrometheusServer(prometheus, tmp_path_factory.mktemp("prometheus"))
    server.load(promtool, worlds.stored(world.samples() for world in stored))
    with server:
        yield server.url


def wanted(world: World, rules: IdleRules = RULES) -> ActivityWant:
    found = activity_want(
        asking(namespace=world.namespace, idle={"preset": "sglang", "modelName": MODEL}), FORBIDDEN, rules
    )
    assert isinstance(found, ActivityWant), found
    return found


def asked(url: str, queries: tuple[Query, ...], at: float) -> dict[Query, Entry]:
    async def ask() -> dict[Query, Answer]:
        server = Server(url=url)
        async with session_for(server) as session:
            client = PrometheusClient(session, server)
            return {query: await client.instant(query.expr, at) for query in queries}

    return {query: Entry(answer=answer, at=at) for query, answer in asyncio.run(ask()).items()}


def activity(url: str, world: World) -> Activity:
    found = activity_of(wanted(world), asked(url, (CLOCK, wanted(world).window), world.at))
    count = world.counted()
    return replace(found, replicas=count, serving=count, plan_replicas=count, youngest_at=world.youngest())


def look(url: str, world: World) -> IdleVerdict:
    """The look at which an announced reap is due."""
    memory = IdleMemory(state=IdleState.IDLE, since=world.at - 120.0, reap_at=world.at - 30.0)
    return decide(
        activity(url, world),
        RULES,
        IdleWishes(),
        memory,
        world.at,
        cost_per_hour=8.0,
        floor_cost_per_hour=0.0,
        can_act=True,
    )


@pytest.mark.parametrize("index", range(RANDOM_WORLDS))
def test_the_server_answers_what_is_computed_by_hand(url: str, index: int) -> None:
    world = _random(index)
    found = asked(url, (wanted(world).window,), world.at)[wanted(world).window].answer
    by_hand = answer_at(world, window=RULES.window_seconds + 2.0 * STEP, step=STEP)
    assert found is not None
    assert found.warnings == ()
    assert plain(found) == plain(by_hand)


def test_a_model_that_idles_and_is_seen_is_reaped(url: str) -> None:
    verdict = look(url, QUIET)
    assert (verdict.action, verdict.target) == (IdleAction.REAP, 0), verdict.message


def test_new_names_of_the_metrics_alone_are_no_work(url: str) -> None:
    assert look(url, RENAMED).action is IdleAction.REAP


@pytest.mark.parametrize("name", BUSY)
def test_work_is_seen(url: str, name: str) -> None:
    verdict = look(url, BUSY[name])
    assert (verdict.action, verdict.memory.state) == (IdleAction.KEEP, IdleState.ACTIVE), verdict.message
    assert verdict.memory.last_active is not None
    assert AT - 2.0 * WINDOW < verdict.memory.last_active <= AT


@pytest.mark.parametrize("name", UNSEEN)
def test_what_is_not_seen_is_not_idle(url: str, name: str) -> None:
    verdict = look(url, UNSEEN[name])
    assert (verdict.action, verdict.memory.state) == (IdleAction.KEEP, IdleState.UNKNOWN), verdict.message


def test_a_model_that_nobody_measures_is_not_idle(url: str) -> None:
    nobody = replace(still("nobody"), cache={})
    found = activity(url, nobody)
    assert (found.servers, found.fault) == ((), "")
    verdict = look(url, nobody)
    assert (verdict.action, verdict.message) == (IdleAction.KEEP, "no server's metrics were found")
