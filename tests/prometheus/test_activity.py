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


SCRAPES = tuple(AT - 3.0 * WINDOW + index * 15.0 for index in range(int(3.0 * WINDOW / 15.0)))


def _flat(value: float, since: float = 0.0) -> list[tuple[float, float]]:
    return [(at, value) for at in SCRAPES if at >= since]


def _labelled(name: str, points: list[tuple[float, float]], **labels: str) -> worlds.Samples:
    return {(name, tuple(sorted(labels.items()))): points}


def _vllm(namespace: str) -> worlds.Samples:
    """One vLLM with two engines in one Pod, which has only ever finished requests of one kind."""
    pod = {"namespace": namespace, "pod": "chat-0", "instance": "10.0.0.0:8000"}
    found: worlds.Samples = _labelled("up", _flat(1.0), **pod)
    for engine in ("0", "1"):
        shown = {**pod, "model_name": "own/model", "engine": engine}
        found |= _labelled("vllm:request_success_total", _flat(9.0), **shown, finished_reason="stop")
        found |= _labelled("vllm:num_requests_running", _flat(0.0), **shown)
        found |= _labelled("vllm:num_requests_waiting", _flat(0.0), **shown)
    return found


def _gpu(namespace: str, percent: float, *, renamed: bool) -> worlds.Samples:
    """DCGM's exporter with its labels honoured, or renamed by Prometheus."""
    whose = {"namespace": namespace, "pod": "chat-0"}
    exporter = {"namespace": "gpu-operator", "pod": "dcgm-7", "instance": "10.0.9.9:9400"}
    labels = {f"exported_{name}": value for name, value in whose.items()} | exporter if renamed else exporter | whose
    found = _labelled("DCGM_FI_DEV_GPU_UTIL", _flat(0.0), **labels, gpu="0")
    return found | _labelled("DCGM_FI_DEV_GPU_UTIL", _flat(percent), **labels, gpu="1")


def _power(namespace: str, *, renamed: bool) -> worlds.Samples:
    """Two GPUs of a Pod, one with 100 W more than 70 % of its limit for half of the time, and another Pod's."""
    found: worlds.Samples = {}
    exporter = {"namespace": "gpu-operator", "pod": "dcgm-7", "instance": "10.0.9.9:9400"}
    half = [(at, 590.0 if at >= AT - WINDOW / 2.0 else 120.0) for at in SCRAPES]
    for gpu, pod, drawn in (("0", "chat-0", half), ("1", "chat-0", _flat(120.0)), ("2", "others", _flat(700.0))):
        whose = {"namespace": namespace, "pod": pod}
        labels = (
            {f"exported_{name}": value for name, value in whose.items()} | exporter if renamed else exporter | whose
        )
        found |= _labelled("DCGM_FI_DEV_POWER_USAGE", drawn, **labels, gpu=gpu)
        found |= _labelled("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", _flat(700.0), **labels, gpu=gpu)
    return found


def _picker(
    namespace: str, waited_at: float | None, name: str = "inference_extension", **labels: str
) -> worlds.Samples:
    where = {"namespace": namespace, "pod": "epp-0", "instance": "10.0.0.9:9090"}
    found = _labelled(f"{name}_info", _flat(1.0), **where)
    if waited_at is not None:
        waited = [(at, float(at == SCRAPES[-1] or abs(at - waited_at) <= 15.0)) for at in SCRAPES if at >= waited_at]
        found |= _labelled(f"{name}_flow_control_queue_size", waited, **where, priority="0", **labels)
    return found


EXTRA: tuple[worlds.Samples, ...] = (
    _vllm("plain"),
    _vllm("new-reason")
    | _labelled(
        "vllm:request_success_total",
        _flat(1.0, since=AT - 200.0),
        namespace="new-reason",
        pod="chat-0",
        instance="10.0.0.0:8000",
        model_name="own/model",
        engine="0",
        finished_reason="length",
    ),
    _vllm("gpu-idle") | _gpu("gpu-idle", 3.0, renamed=False),
    _vllm("gpu-busy") | _gpu("gpu-busy", 90.0, renamed=False),
    _vllm("gpu-idle-renamed") | _gpu("gpu-idle-renamed", 3.0, renamed=True),
    _vllm("gpu-busy-renamed") | _gpu("gpu-busy-renamed", 90.0, renamed=True),
    _vllm("power") | _power("power", renamed=False),
    _vllm("power-renamed") | _power("power-renamed", renamed=True),
    _vllm("queue-empty") | _picker("queue-empty", None),
    _vllm("queue-waits") | _picker("queue-waits", AT - 200.0, "llm_d_epp", model_name="own/model"),
    _vllm("queue-old") | _picker("queue-old", AT - 200.0),
    _vllm("queue-of-others") | _picker("queue-of-others", AT - 200.0, "llm_d_epp", model_name="another"),
)


def _random(index: int) -> World:
    return random_world(Random(index), window=WINDOW, step=STEP, namespace=f"random-{index}")


@pytest.fixture(scope="module")
def url(prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stored = [QUIET, RENAMED, *BUSY.values(), *UNSEEN.values(), *(_random(index) for index in range(RANDOM_WORLDS))]
    server = PrometheusServer(prometheus, tmp_path_factory.mktemp("prometheus"))
    server.load(promtool, worlds.stored([*(world.samples() for world in stored), *EXTRA]))
    with server:
        yield server.url


def wanted(world: World, rules: IdleRules = RULES) -> ActivityWant:
    found = activity_want(
        asking(namespace=world.namespace, idle={"preset": "sglang", "modelName": MODEL}), FORBIDDEN, rules
    )
    assert isinstance(found, ActivityWant), found
    return found


def look_at(url: str, namespace: str, rules: IdleRules = RULES, **idle: object) -> IdleVerdict:
    """The look at which an announced reap of one vLLM is due."""
    found = activity_want(asking(namespace=namespace, idle={"modelName": "own/model", **idle}), FORBIDDEN, rules)
    assert isinstance(found, ActivityWant), found
    seen = activity_of(found, asked(url, found.queries, AT))
    memory = IdleMemory(state=IdleState.IDLE, since=AT - 120.0, reap_at=AT - 30.0)
    return judged(replace(seen, replicas=1, serving=1, plan_replicas=1, youngest_at=AT - 1e5), rules, memory)


def judged(seen: Activity, rules: IdleRules, memory: IdleMemory, at: float = AT) -> IdleVerdict:
    """What follows for a model of $8/h that nobody wishes anything of."""
    return decide(seen, rules, IdleWishes(), memory, at, cost_per_hour=8.0, floor_cost_per_hour=0.0, can_act=True)


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
    return judged(activity(url, world), RULES, memory, world.at)


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


def test_two_engines_of_one_pod_are_one_server(url: str) -> None:
    assert look_at(url, "plain").action is IdleAction.REAP


def test_the_first_request_that_ends_in_a_new_way_is_seen(url: str) -> None:
    assert look_at(url, "new-reason").memory.state is IdleState.ACTIVE


@pytest.mark.parametrize(
    ("namespace", "reason"),
    [
        ("gpu-idle", "NoTraffic"),
        ("gpu-busy", "TrafficSeen"),
        ("gpu-idle-renamed", "NoTraffic"),
        ("gpu-busy-renamed", "TrafficSeen"),
        ("plain", "SignalMissing"),
    ],
)
def test_gpus_are_those_of_the_models_own_pods(url: str, namespace: str, reason: str) -> None:
    verdict = look_at(url, namespace, replace(RULES, gpu_utilization_below_percent=20.0))
    assert verdict.reason == reason, verdict.message
    assert (verdict.action is IdleAction.REAP) == (reason == "NoTraffic")


@pytest.mark.parametrize("namespace", ["power", "power-renamed"])
def test_watts_above_a_limit_are_those_of_the_models_own_gpus(url: str, namespace: str) -> None:
    given = asking(namespace=namespace, idle={"modelName": "own/model"})
    found = activity_want(given, FORBIDDEN, RULES, power=True)
    assert isinstance(found, ActivityWant)
    assert found.power is not None
    power = activity_of(found, asked(url, found.queries, AT)).power
    assert power is not None
    assert (power.gpus, power.limit_watts) == (2, pytest.approx(490.0))
    assert power.watts_above == pytest.approx(50.0, rel=0.15)  # 100 W for half of the window, in steps


def test_watts_that_nobody_measures_are_no_fault(url: str) -> None:
    found = activity_want(asking(namespace="plain", idle={"modelName": "own/model"}), FORBIDDEN, RULES, power=True)
    assert isinstance(found, ActivityWant)
    seen = activity_of(found, asked(url, found.queries, AT))
    assert (seen.power, seen.fault, len(seen.servers)) == (None, "", 1)
    assert activity_of(found, asked(url, found.needed, AT)) == seen  # also where the question failed


@pytest.mark.parametrize(
    ("namespace", "reason"),
    [
        ("queue-empty", "NoTraffic"),
        ("queue-waits", "TrafficSeen"),
        ("queue-old", "TrafficSeen"),
        ("queue-of-others", "NoTraffic"),
        ("plain", "SignalMissing"),
    ],
)
def test_the_queue_of_a_gateway_is_known_and_empty_or_it_is_not_idle(url: str, namespace: str, reason: str) -> None:
    rules = replace(RULES, watches_queue=True)
    verdict = look_at(url, namespace, rules, queue={"preset": "gateway"})
    assert verdict.reason == reason, verdict.message


def test_a_reaped_model_is_woken_by_what_waits_in_the_gateway(url: str) -> None:
    rules = replace(RULES, watches_queue=True)
    memory = IdleMemory(state=IdleState.REAPED, since=AT - 900.0, replicas_before=1, saved_at=AT - 900.0)
    actions = {}
    for namespace in ("queue-empty", "queue-waits", "queue-old", "queue-of-others", "plain"):
        given = asking(namespace=namespace, idle={"modelName": "own/model", "queue": {"preset": "gateway"}})
        found = activity_want(given, FORBIDDEN, rules)
        assert isinstance(found, ActivityWant)
        seen = activity_of(found, asked(url, found.wake_queries, AT), reaped=True)
        actions[namespace] = judged(replace(seen, replicas=0, serving=0, plan_replicas=1), rules, memory).action
    waking = {namespace for namespace, action in actions.items() if action is IdleAction.WAKE}
    assert waking == {"queue-waits", "queue-old"}
