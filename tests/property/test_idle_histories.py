"""Raw histories of servers: nothing that works, and nothing that was not seen, is ever reaped."""

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings, target
from hypothesis import strategies as st

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
from placewright.telemetry.prometheus.answers import Answer, Series
from placewright.telemetry.prometheus.book import Entry, Query
from placewright.telemetry.prometheus.faults import FaultKind, QueryError
from tests.support.activity_answers import answer_at
from tests.support.activity_worlds import MODEL, NAMESPACE, Server, World, random_world
from tests.support.live_requests import FORBIDDEN, asking

WINDOWS = (10.0, 300.0, 600.0, 1800.0)


def rules_of(window: float, **more: Any) -> IdleRules:
    given = {"announce_seconds": window / 6.0, "warmup_seconds": window / 2.0} | more
    return IdleRules(policy=IdlePolicy.SCALE_TO_ZERO, after_seconds=window, **given)


def wanted(rules: IdleRules) -> ActivityWant:
    found = activity_want(asking(namespace=NAMESPACE, idle={"preset": "sglang", "modelName": MODEL}), FORBIDDEN, rules)
    assert isinstance(found, ActivityWant), found
    return found


def entries_of(want: ActivityWant, world: World, rules: IdleRules) -> dict[Query, Entry]:
    reach = rules.window_seconds + 2.0 * rules.step_seconds
    found = answer_at(world, window=reach, step=rules.step_seconds)
    clock = Answer(series=(Series(labels={}, points=((world.at, world.at),)),))
    return {want.window: Entry(answer=found, at=world.at), CLOCK: Entry(answer=clock, at=world.at)}


def look(world: World, rules: IdleRules, entries: dict[Query, Entry], memory: IdleMemory, now: float) -> IdleVerdict:
    activity = activity_of(wanted(rules), entries)
    return decided(with_cluster(activity, world), rules, memory, now)


def with_cluster(activity: Activity, world: World) -> Activity:
    count = world.counted()
    return replace(activity, replicas=count, serving=count, plan_replicas=count, youngest_at=world.youngest())


def decided(activity: Activity, rules: IdleRules, memory: IdleMemory, now: float) -> IdleVerdict:
    return decide(activity, rules, IdleWishes(), memory, now, cost_per_hour=10.0, floor_cost_per_hour=0.0, can_act=True)


def due(world: World, rules: IdleRules) -> IdleMemory:
    """The most dangerous memory: a reap was announced, and its time has come."""
    return IdleMemory(
        state=IdleState.IDLE,
        since=world.at - 2.0 * rules.announce_seconds,
        reap_at=world.at - rules.announce_seconds / 2,
    )


randoms = st.randoms(use_true_random=False)


@given(random=randoms, window=st.sampled_from(WINDOWS), skew=st.sampled_from((0.0, 0.0, -5.0, 5.0)))
@settings(max_examples=settings().max_examples * 2)
def test_no_history_with_work_or_a_gap_is_reaped(random: Random, window: float, skew: float) -> None:
    rules = rules_of(window)
    world = random_world(random, window=window, step=rules.step_seconds)
    verdict = look(world, rules, entries_of(wanted(rules), world, rules), due(world, rules), world.at + skew)
    since = world.at - rules.after_seconds
    if world.worked(since) or world.unseen(since, rules.step_seconds):
        assert verdict.action is not IdleAction.REAP, (world.servers, verdict.message)
    target(float(verdict.action is IdleAction.REAP))


def quiet(random: Random, rules: IdleRules, servers: int) -> World:
    """Servers that are scraped without a fault and have had nothing to do for longer than anybody asks."""
    born = random_world(random, window=rules.after_seconds, step=rules.step_seconds)
    begin, interval = born.at - 3.0 * rules.window_seconds - 10.0 * rules.step_seconds, rules.step_seconds / 4.0
    scrapes = tuple(begin + index * interval for index in range(int((born.at - begin) / interval)))
    life = ((begin - 10.0 * rules.warmup_seconds - 1.0, born.at + 1e6),)
    found = [Server(pod=f"p{n}", instance=f"i{n}", lives=life, before=random.randrange(9)) for n in range(servers)]
    return World(servers=tuple(found), scrapes=scrapes, at=born.at, exported=random.random() < 0.5)


@given(
    random=randoms, window=st.sampled_from(WINDOWS), servers=st.integers(1, 4), skew=st.sampled_from((-9.0, 0.0, 9.0))
)
def test_what_idles_and_is_seen_is_announced_and_reaped(
    random: Random, window: float, servers: int, skew: float
) -> None:
    rules = rules_of(window)
    world = quiet(random, rules, servers)
    want = wanted(rules)
    announced = look(world, rules, entries_of(want, world, rules), IdleMemory(), world.at + skew)
    assert announced.action is IdleAction.KEEP
    assert announced.memory.reap_at is not None, announced.message
    assert 0.0 <= announced.memory.reap_at - (world.at + skew) - rules.announce_seconds < 1.0
    later = replace(world, at=announced.memory.reap_at - skew, cache={})
    later = replace(later, scrapes=(*world.scrapes, *_more(world, later.at, rules.step_seconds / 4.0)))
    reaped = look(later, rules, entries_of(want, later, rules), announced.memory, later.at + skew)
    assert (reaped.action, reaped.target) == (IdleAction.REAP, 0), reaped.message


def _more(world: World, until: float, interval: float) -> list[float]:
    first = world.scrapes[-1] + interval
    return [first + index * interval for index in range(int((until - first) / interval) + 1)]


@given(
    random=randoms,
    window=st.sampled_from(WINDOWS),
    fault=st.sampled_from(list(FaultKind)),
    which=st.sampled_from(("window", "clock", "both")),
)
def test_no_answer_no_reap(random: Random, window: float, fault: FaultKind, which: str) -> None:
    rules = rules_of(window)
    world = quiet(random, rules, 1)
    want = wanted(rules)
    entries = entries_of(want, world, rules)
    for query in {"window": (want.window,), "clock": (CLOCK,), "both": (want.window, CLOCK)}[which]:
        entries[query] = replace(entries[query], fault=QueryError(fault, "away"))  # the last good answer is still there
    verdict = look(world, rules, entries, due(world, rules), world.at)
    assert (verdict.action, verdict.memory.state, verdict.memory.reap_at) == (IdleAction.KEEP, IdleState.UNKNOWN, None)


@given(random=randoms, window=st.sampled_from(WINDOWS), jump=st.floats(61.0, 1e9), back=st.booleans())
def test_a_clock_that_jumps_reaps_nothing(random: Random, window: float, jump: float, *, back: bool) -> None:
    rules = rules_of(window)
    world = quiet(random, rules, 2)
    now = world.at - jump if back else world.at + jump
    verdict = look(world, rules, entries_of(wanted(rules), world, rules), due(world, rules), now)
    assert verdict.action is IdleAction.KEEP
    assert verdict.memory.reap_at is None


@given(random=randoms, window=st.sampled_from(WINDOWS), servers=st.integers(1, 3), lost=st.integers(1, 2))
def test_a_server_that_nobody_sees_reaps_nothing(random: Random, window: float, servers: int, lost: int) -> None:
    rules = rules_of(window)
    world = quiet(random, rules, servers)
    activity = with_cluster(activity_of(wanted(rules), entries_of(wanted(rules), world, rules)), world)
    for count in (servers + lost, max(0, servers - lost)):  # more replicas than servers, and servers of others
        seen = decided(replace(activity, replicas=count, serving=count), rules, due(world, rules), world.at)
        assert seen.action is IdleAction.KEEP
    pods = tuple(server.server for server in activity.servers)
    named = decided(replace(activity, pods=(*pods, "another")), rules, due(world, rules), world.at)
    assert named.action is IdleAction.KEEP
    # A Node that is not Ready takes its Pods with it; what they do, nobody knows.
    away = decided(replace(activity, serving=servers - 1), rules, due(world, rules), world.at)
    assert away.action is IdleAction.KEEP
    assert decided(replace(activity, pods=pods), rules, due(world, rules), world.at).action is IdleAction.REAP
