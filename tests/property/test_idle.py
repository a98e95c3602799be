"""One look at any activity, held against an oracle."""

from dataclasses import replace
from math import inf, nan
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
    IdleWishes,
    ServerHistory,
    Slot,
)
from tests.support.idle_oracle import may_reap

NOW = 1_700_000_000.0


def _rules(random: Random) -> IdleRules:
    return IdleRules(
        policy=random.choice((*(IdlePolicy.SCALE_TO_ZERO, IdlePolicy.SCALE_TO_FLOOR) * 5, *IdlePolicy)),
        after_seconds=random.choice((10.0, 300.0, 1800.0, 7200.0)),
        announce_seconds=random.choice((0.0, 5.0, 300.0, 3600.0)),
        warmup_seconds=random.choice((0.0, 900.0)),
        floor=random.choice((1, 1, 2)),
        gpu_utilization_below_percent=random.choice((None, None, 20.0)),
        watches_queue=random.random() < 0.3,
    )


def _slots(random: Random, rules: IdleRules, as_of: float) -> tuple[Slot, ...]:
    step, phase = rules.step_seconds, random.random()
    count = int(rules.window_seconds // step) + 3
    ends = [as_of - (index - phase) * step for index in range(1, count)]
    slots = [Slot(at=at, finished=False, running=0.0, waiting=0.0, up=True, gpu_utilization_percent=3.0) for at in ends]
    if random.random() < 0.5:
        slots.insert(0, replace(slots[0], at=as_of))
    if random.random() < 0.2:
        at = random.randrange(len(slots))
        spoilt = random.choice((
            {"finished": True}, {"finished": None}, {"running": 1.0}, {"running": None}, {"running": nan},
            {"waiting": 2.0}, {"waiting": -1.0}, {"up": False}, {"up": None}, {"gpu_utilization_percent": 50.0},
            {"gpu_utilization_percent": None}, {"at": as_of + 1e4}, {"at": slots[at].at - 0.4 * step}, None,
        ))  # fmt: skip
        if spoilt is None:
            del slots[at : at + random.choice((1, 2))]
        else:
            slots[at] = replace(slots[at], **spoilt)  # type: ignore[arg-type]
    random.shuffle(slots)
    return tuple(slots)


def _seldom(random: Random, usual: Any, *others: Any, chance: float = 0.05) -> Any:
    return random.choice(others) if random.random() < chance else usual


def _activity(random: Random, rules: IdleRules, now: float) -> Activity:
    as_of = now + _seldom(random, random.uniform(-9.0, 9.0), 59.0, -59.0, 61.0, -61.0, 1e6, -1e6, nan)
    count = random.choice((1, 2, 3, 3))
    servers = tuple(ServerHistory(server=f"s{index}", slots=_slots(random, rules, as_of)) for index in range(count))
    points = [(slot.at, 0.0) for slot in _slots(random, rules, as_of)]
    points = [(at, _seldom(random, 0.0, 1.0, nan, inf, -1.0, chance=0.02)) for at, _ in points]
    return Activity(
        as_of=_seldom(random, as_of, None, chance=0.02),
        servers=_seldom(random, servers, (), chance=0.03),
        queue=_seldom(random, tuple(points), None, ()),
        traffic_percent=_seldom(random, None, 0.0, 0.0, 40.0, nan),
        replicas=_seldom(random, count, None, 0, count + 1, count - 1),
        plan_replicas=count,
        serving=_seldom(random, count, None, 0, count + 1, count - 1),
        pods=_seldom(random, None, tuple(f"s{n}" for n in range(count)), ("s0",), ("s0", "other"), chance=0.4),
        youngest_at=_seldom(random, now - 1e6, None, now - 60.0, now + 60.0, nan),
        replicas_owner=_seldom(random, "", "HorizontalPodAutoscaler chat"),
        fault=_seldom(random, "", "Timeout: no answer", chance=0.03),
    )


def _memory(random: Random, rules: IdleRules, now: float) -> IdleMemory:
    long_ago = now - rules.announce_seconds - random.choice((1.0, 60.0, 1000.0, 1e5))
    reap_at = random.choice((now - 1.0, now - 1.0, now - 100.0, now, now + 1.0, now + 1e5, now - 1e5))
    return IdleMemory(
        state=_seldom(random, IdleState.IDLE, IdleState.ACTIVE, IdleState.UNKNOWN, IdleState.WARMING),
        since=long_ago,
        last_active=_seldom(random, None, now - 1e6, now - 5.0, now + 1e6, chance=0.3),
        reap_at=_seldom(random, reap_at, None),
        replicas_before=None,
        woken_by=_seldom(random, "", "monday"),
        wake_began=_seldom(random, None, now - 5.0, now - 1e6, now + 1e6, chance=0.3),
    )


def _wishes(random: Random, now: float) -> IdleWishes:
    return IdleWishes(
        wake=_seldom(random, "", "monday", "tuesday"),
        do_not_reap=_seldom(random, False, True, chance=0.05),
        exclude_until=_seldom(random, None, now - 1.0, now + 1.0),
        awake_until=_seldom(random, None, now + 1.0, chance=0.05),
    )


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=settings().max_examples * 4)
def test_a_look_reaps_exactly_when_the_oracle_allows_it(random: Random) -> None:
    now = NOW + random.randrange(1000) / 8.0
    rules = _rules(random)
    activity, wishes, memory = _activity(random, rules, now), _wishes(random, now), _memory(random, rules, now)
    can_act = random.random() < 0.95
    went_down = activity.replicas is not None and activity.replicas <= (
        rules.floor if rules.policy is IdlePolicy.SCALE_TO_FLOOR else 0
    )
    verdict = decide(activity, rules, wishes, memory, now, cost_per_hour=9.0, floor_cost_per_hour=3.0, can_act=can_act)
    # What the memory says of work in the future, a look takes for now.
    seen = replace(memory, last_active=None if memory.last_active is None else min(memory.last_active, now))
    allowed = may_reap(activity, rules, wishes, seen, now, can_act=can_act)
    assert (verdict.action is IdleAction.REAP) == allowed, (verdict.message, activity.servers)
    if verdict.action is IdleAction.REAP:
        assert verdict.target is not None
        assert verdict.memory.state is IdleState.IDLE
        assert not went_down
    elif verdict.memory.state is not IdleState.REAPED:
        assert verdict.target is None
    target(float(allowed))
