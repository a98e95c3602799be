"""The reaper by example: each signal, the two phases, wakes, dollars, and what a status keeps of it."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from placewright.core.idle import decide, saved_now
from placewright.core.idle_suggestions import Offer, SuggestedAction, suggest
from placewright.core.model import (
    NO_ACTIVITY,
    Activity,
    IdleAction,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleSignal,
    IdleState,
    IdleVerdict,
    IdleWishes,
    PowerUse,
    ServerHistory,
    SignalResult,
    Slot,
)

NOW = 1_700_000_000.0
RULES = IdleRules(policy=IdlePolicy.SCALE_TO_ZERO)
FLOOR = replace(RULES, policy=IdlePolicy.SCALE_TO_FLOOR)
ANNOUNCED = IdleMemory(state=IdleState.IDLE, since=NOW - 400.0, reap_at=NOW - 100.0)
REAPED = IdleMemory(
    state=IdleState.REAPED,
    since=NOW - 3600.0,
    replicas_before=2,
    woken_by="monday",
    saves_per_hour=12.0,
    saved_usd=5.0,
    saved_at=NOW - 3600.0,
)
WAKING = IdleMemory(state=IdleState.WAKING, since=NOW - 50.0, replicas_before=2, wake_began=NOW - 50.0)
DOWN = replace(NO_ACTIVITY, replicas=0, plan_replicas=2, serving=0)


def history(server: str = "chat-0", as_of: float = NOW, **spoilt: Any) -> ServerHistory:
    step = RULES.step_seconds
    ends = [as_of - 30.0 - index * step for index in range(17)]
    slots = [Slot(at=at, finished=False, running=0.0, waiting=0.0, up=True, gpu_utilization_percent=1.0) for at in ends]
    slots[7] = replace(slots[7], **spoilt)
    return ServerHistory(server=server, slots=tuple(slots))


def quiet(**more: Any) -> Activity:
    given = {
        "as_of": NOW,
        "servers": (history("chat-0"), history("chat-1")),
        "replicas": 2,
        "plan_replicas": 2,
        "serving": 2,
        "youngest_at": NOW - 1e5,
    }
    return Activity(**given | more)


def look(
    activity: Activity,
    memory: IdleMemory = ANNOUNCED,
    rules: IdleRules = RULES,
    wishes: IdleWishes = IdleWishes(),  # noqa: B008 - frozen
    now: float = NOW,
    **more: Any,
) -> IdleVerdict:
    given = {"cost_per_hour": 12.0, "floor_cost_per_hour": 0.0, "can_act": True}
    return decide(activity, rules, wishes, memory, now, **given | more)


def result(verdict: IdleVerdict, signal: IdleSignal) -> SignalResult:
    return next(each.result for each in verdict.signals if each.signal is signal)


# ----------------------------------------------------------------------------------------------------------- signals

SPOILT: list[tuple[str, dict[str, Any], dict[str, Any], IdleSignal, SignalResult]] = [
    ("finished", {"finished": True}, {}, IdleSignal.FINISHED, SignalResult.ACTIVE),
    ("running", {"running": 0.5}, {}, IdleSignal.RUNNING, SignalResult.ACTIVE),
    ("waiting", {"waiting": inf}, {}, IdleSignal.WAITING, SignalResult.ACTIVE),
    ("no counter", {"finished": None}, {}, IdleSignal.FINISHED, SignalResult.MISSING),
    ("NaN", {"running": nan}, {}, IdleSignal.RUNNING, SignalResult.MISSING),
    ("negative", {"waiting": -1.0}, {}, IdleSignal.WAITING, SignalResult.MISSING),
    ("scrape failed", {"up": False}, {}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("not scraped", {"up": None}, {}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("future", {"at": NOW + 500.0}, {}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("another's server", {}, {"replicas": 1, "serving": 1}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("no time", {"at": nan}, {}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("one server", {}, {"servers": (history(),)}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("no server", {}, {"servers": ()}, IdleSignal.FINISHED, SignalResult.MISSING),
    ("another Pod", {}, {"pods": ("chat-0", "chat-7")}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("not Ready", {}, {"serving": 1}, IdleSignal.REPLICAS, SignalResult.MISSING),
    ("no workload", {}, {"replicas": None}, IdleSignal.REPLICAS, SignalResult.MISSING),
    ("owned", {}, {"replicas_owner": "ScaledObject chat"}, IdleSignal.REPLICAS, SignalResult.HOLDS),
    ("young", {}, {"youngest_at": NOW - 899.0}, IdleSignal.AGE, SignalResult.HOLDS),
    ("not born", {}, {"youngest_at": NOW + 899.0}, IdleSignal.AGE, SignalResult.HOLDS),
    ("no age", {}, {"youngest_at": None}, IdleSignal.AGE, SignalResult.MISSING),
    ("traffic", {}, {"traffic_percent": 5.0}, IdleSignal.TRAFFIC, SignalResult.HOLDS),
    ("no share", {}, {"traffic_percent": nan}, IdleSignal.TRAFFIC, SignalResult.MISSING),
    ("old", {}, {"as_of": NOW - 61.0}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("ahead", {}, {"as_of": NOW + 61.0}, IdleSignal.SCRAPES, SignalResult.MISSING),
    ("no answer", {}, {"as_of": None}, IdleSignal.RUNNING, SignalResult.MISSING),
    ("fault", {}, {"fault": "Timeout: no answer in 10 s"}, IdleSignal.RUNNING, SignalResult.MISSING),
]


@pytest.mark.parametrize(("slot", "more", "signal", "said"), [case[1:] for case in SPOILT], ids=[c[0] for c in SPOILT])
def test_one_signal_that_is_not_idle_keeps_the_replicas(
    slot: dict[str, Any], more: dict[str, Any], signal: IdleSignal, said: SignalResult
) -> None:
    activity = quiet(**{"servers": (history("chat-0", **slot), history("chat-1"))} | more)
    verdict = look(activity)
    assert result(verdict, signal) is said
    assert (verdict.action, verdict.target, verdict.memory.reap_at) == (IdleAction.KEEP, None, None)


@pytest.mark.parametrize("lost", [slice(0, 3), slice(6, 7), slice(14, 17), slice(0, 17)])
def test_a_step_that_is_not_there_at_all_keeps_the_replicas(lost: slice) -> None:
    slots = list(history().slots)
    del slots[lost]
    gap = quiet(servers=(replace(history(), slots=tuple(slots)), history("chat-1")))
    verdict = look(gap)
    assert result(verdict, IdleSignal.SCRAPES) is SignalResult.MISSING
    assert "chat-0 was not seen" in verdict.message
    assert (verdict.action, verdict.memory.state) == (IdleAction.KEEP, IdleState.UNKNOWN)


def test_a_sample_from_the_future_keeps_the_replicas_though_no_step_is_missing() -> None:
    ahead = replace(history().slots[0], at=NOW + 100.0)
    told = quiet(servers=(replace(history(), slots=(ahead, *history().slots)), history("chat-1")))
    verdict = look(told)
    assert verdict.message == "chat-0 has samples from the future"
    assert verdict.action is IdleAction.KEEP


def test_an_idle_model_is_reaped_when_its_announcement_is_over() -> None:
    verdict = look(quiet())
    assert (verdict.action, verdict.target, verdict.reason) == (IdleAction.REAP, 0, "NoTraffic")
    assert all(each.result is SignalResult.IDLE for each in verdict.signals)
    assert verdict.memory == replace(ANNOUNCED, replicas_before=2)  # not yet Reaped: nobody has seen it


def test_gpus_are_a_second_opinion_where_they_are_asked() -> None:
    busy = quiet(servers=(history("chat-0", gpu_utilization_percent=20.0), history("chat-1")))
    assert look(busy).action is IdleAction.REAP
    asked = replace(RULES, gpu_utilization_below_percent=20.0)
    assert result(look(busy, rules=asked), IdleSignal.GPU) is SignalResult.ACTIVE
    none = quiet(servers=(history("chat-0", gpu_utilization_percent=None), history("chat-1")))
    assert result(look(none, rules=asked), IdleSignal.GPU) is SignalResult.MISSING
    assert look(quiet(), rules=asked).action is IdleAction.REAP


QUEUE = tuple((NOW - 30.0 - index * RULES.step_seconds, 0.0) for index in range(17))


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        (QUEUE, SignalResult.IDLE),
        ((*QUEUE, (NOW, 1.0)), SignalResult.ACTIVE),
        (None, SignalResult.MISSING),
        ((), SignalResult.MISSING),
        (QUEUE[3:], SignalResult.MISSING),
        (QUEUE[:9] + QUEUE[11:], SignalResult.MISSING),
        ((*QUEUE, (NOW, nan)), SignalResult.MISSING),
    ],
)
def test_a_queue_that_is_watched_must_be_known_and_empty(queue: Any, said: SignalResult) -> None:
    verdict = look(quiet(queue=queue), rules=replace(RULES, watches_queue=True))
    assert result(verdict, IdleSignal.QUEUE) is said
    assert (verdict.action is IdleAction.REAP) == (said is SignalResult.IDLE)


def test_work_counts_more_than_what_is_missing_and_is_remembered() -> None:
    verdict = look(quiet(servers=(history("chat-0", running=2.0), history("chat-1", finished=None))))
    assert (verdict.memory.state, verdict.reason) == (IdleState.ACTIVE, "TrafficSeen")
    assert verdict.memory.last_active == history().slots[7].at


def test_work_that_is_remembered_counts_where_its_history_is_lost() -> None:
    remembered = replace(ANNOUNCED, last_active=NOW - 600.0)
    assert look(quiet(), remembered).reason == "TrafficSeen"
    assert look(quiet(), replace(remembered, last_active=NOW - 1801.0)).action is IdleAction.REAP


def test_what_is_remembered_of_the_future_does_not_keep_it_awake_forever() -> None:
    first = look(quiet(), replace(ANNOUNCED, last_active=NOW + 1e9, wake_began=NOW + 1e9))
    assert first.memory.last_active == first.memory.wake_began == NOW


# -------------------------------------------------------------------------------------------------------- two phases


def test_first_it_is_announced() -> None:
    verdict = look(quiet(), IdleMemory(), now=NOW + 0.25)
    assert (verdict.action, verdict.target, verdict.memory.state) == (IdleAction.KEEP, None, IdleState.IDLE)
    assert verdict.memory.reap_at == NOW + 301.0  # whole seconds, never too early
    later = NOW + 60.0
    again = look(
        quiet(as_of=later, servers=(history("chat-0", later), history("chat-1", later))), verdict.memory, now=later
    )
    assert (again.action, again.memory, again.message) == (IdleAction.KEEP, verdict.memory, verdict.message)


def test_an_announcement_that_nobody_has_watched_for_too_long_is_made_anew() -> None:
    old = replace(ANNOUNCED, reap_at=NOW - 3600.0)
    verdict = look(quiet(), old)
    assert (verdict.action, verdict.memory.reap_at) == (IdleAction.KEEP, NOW + 300.0)


def test_the_history_must_reach_back_to_the_announcement() -> None:
    rules = replace(RULES, announce_seconds=1500.0)
    assert rules.window_seconds == 3000.0
    memory = replace(ANNOUNCED, reap_at=NOW - 1000.0)  # announced 2500 s ago, and the history has 34 minutes
    assert look(quiet(), memory, rules).reason == "SignalMissing"


@pytest.mark.parametrize("reap_at", [NOW + 1e6, NOW + 302.0])
def test_an_announcement_from_the_future_is_made_anew(reap_at: float) -> None:
    assert look(quiet(), replace(ANNOUNCED, reap_at=reap_at)).memory.reap_at == NOW + 300.0


HELD: list[tuple[IdleWishes, str]] = [
    (IdleWishes(do_not_reap=True), "Excluded"),
    (IdleWishes(exclude_until=NOW + 1.0), "Excluded"),
    (IdleWishes(exclude_until=nan), "Excluded"),
    (IdleWishes(awake_until=NOW + 1.0), "Excluded"),
    (IdleWishes(wake="now"), "Excluded"),
]


@pytest.mark.parametrize(("wishes", "reason"), HELD)
def test_a_wish_calls_it_off(wishes: IdleWishes, reason: str) -> None:
    verdict = look(quiet(), wishes=wishes)
    assert (verdict.action, verdict.reason, verdict.memory.reap_at) == (IdleAction.KEEP, reason, None)
    assert verdict.memory.state is IdleState.IDLE


def test_a_time_that_is_over_excludes_nothing() -> None:
    assert look(quiet(), wishes=IdleWishes(exclude_until=NOW)).action is IdleAction.REAP


def test_a_word_that_wakes_a_running_model_keeps_it_awake_for_a_window() -> None:
    woken = look(quiet(), wishes=IdleWishes(wake="now")).memory
    assert (woken.woken_by, woken.wake_began, woken.time_to_ready_seconds) == ("now", NOW, 0.0)
    later = NOW + 1801.0
    moved = quiet(as_of=later, servers=(history("chat-0", later), history("chat-1", later)))
    again = look(moved, woken, wishes=IdleWishes(wake="now"), now=later)  # the same word says nothing new
    assert again.memory.reap_at == later + 300.0


def test_without_rights_and_with_policy_report_it_is_told_alone() -> None:
    for verdict in (look(quiet(), can_act=False), look(quiet(), rules=replace(RULES, policy=IdlePolicy.REPORT))):
        assert (verdict.action, verdict.target, verdict.reason) == (IdleAction.KEEP, None, "NoTraffic")
        assert (verdict.memory.state, verdict.memory.reap_at) == (IdleState.IDLE, None)


def test_policy_off_says_nothing() -> None:
    verdict = look(quiet(), rules=replace(RULES, policy=IdlePolicy.OFF))
    assert (verdict.reason, verdict.signals, verdict.memory.state) == ("Excluded", (), IdleState.UNKNOWN)


def test_a_floor_stays_and_what_stands_at_it_is_not_reaped() -> None:
    assert look(quiet(), rules=FLOOR).target == 1
    small = quiet(servers=(history("chat-0"),), replicas=1, serving=1, plan_replicas=1)
    verdict = look(small, IdleMemory(), FLOOR)
    assert (verdict.memory.state, verdict.memory.reap_at) == (IdleState.IDLE, None)


# ------------------------------------------------------------------------------------------------- reaped and awake


def test_it_is_reaped_once_it_is_seen_at_its_target() -> None:
    done = look(quiet()).memory
    seen = look(DOWN, done, now=NOW + 0.5)
    assert (seen.action, seen.target, seen.reason) == (IdleAction.KEEP, 0, "Reaped")
    assert (seen.memory.state, seen.memory.since, seen.memory.reap_at) == (IdleState.REAPED, NOW + 0.5, None)
    assert (seen.memory.replicas_before, seen.memory.saves_per_hour, seen.memory.saved_at) == (2, 12.0, NOW + 1.0)
    # The look that reaped it was not stored: what stands is enough.
    assert look(DOWN, ANNOUNCED).memory.replicas_before == 2
    # Nobody reaped it: it has no replica, and nobody knows why.
    assert look(DOWN, replace(ANNOUNCED, reap_at=NOW + 10.0)).memory.state is IdleState.UNKNOWN


def test_a_reaped_model_stays_reaped_without_any_figure() -> None:
    verdict = look(DOWN, REAPED)
    assert (verdict.action, verdict.target, verdict.memory) == (IdleAction.KEEP, 0, REAPED)
    assert verdict.message == look(DOWN, REAPED, now=NOW + 999.0).message


WAKES: list[tuple[str, Activity, IdleRules, IdleWishes]] = [
    ("word", DOWN, RULES, IdleWishes(wake="tuesday")),
    ("calendar", DOWN, RULES, IdleWishes(awake_until=NOW + 60.0)),
    ("forbidden", DOWN, RULES, IdleWishes(do_not_reap=True)),
    ("by hand", replace(DOWN, replicas=1), RULES, IdleWishes()),
    ("owner", replace(DOWN, replicas_owner="ScaledObject chat"), RULES, IdleWishes()),
    ("policy", DOWN, replace(RULES, policy=IdlePolicy.REPORT), IdleWishes()),
    ("off", DOWN, replace(RULES, policy=IdlePolicy.OFF), IdleWishes()),
    (
        "queue",
        replace(DOWN, as_of=NOW, fault="", queue=((NOW - 1.0, 0.0), (NOW, 3.0))),
        replace(RULES, watches_queue=True),
        IdleWishes(),
    ),
]


@pytest.mark.parametrize(("activity", "rules", "wishes"), [case[1:] for case in WAKES], ids=[each[0] for each in WAKES])
def test_a_reaped_model_is_woken(activity: Activity, rules: IdleRules, wishes: IdleWishes) -> None:
    verdict = look(activity, REAPED, rules, wishes)
    assert (verdict.action, verdict.target) == (IdleAction.WAKE, None)
    memory = verdict.memory
    assert (memory.state, memory.wake_began, memory.time_to_ready_seconds) == (IdleState.WAKING, NOW, None)
    assert (memory.saved_usd, memory.saves_per_hour, memory.replicas_before) == (17.0, 0.0, 2)
    assert memory.woken_by == (wishes.wake or "monday")


def test_requests_to_the_replicas_that_stay_wake_the_others() -> None:
    reaped = replace(REAPED, since=NOW - 300.0)
    staying = quiet(servers=(history("chat-0", finished=True),), replicas=1, serving=1)
    assert look(staying, reaped, FLOOR).action is IdleAction.KEEP  # its work was before the reap
    fresh = replace(reaped, since=NOW - 3600.0)
    woken = look(staying, fresh, FLOOR)
    assert (woken.action, woken.target, woken.message) == (
        IdleAction.WAKE,
        None,
        "woken: requests come to the replicas that stay",
    )
    assert look(quiet(servers=(history("chat-0"),), replicas=1, serving=1), fresh, FLOOR).action is IdleAction.KEEP
    assert look(replace(staying, fault="Timeout"), fresh, FLOOR).action is IdleAction.KEEP


@pytest.mark.parametrize(
    "activity",
    [
        replace(DOWN, as_of=NOW, fault="", queue=((NOW - 5000.0, 3.0),)),
        replace(DOWN, as_of=NOW - 61.0, fault="", queue=((NOW - 61.0, 3.0),)),
        replace(DOWN, as_of=NOW, fault="", queue=((NOW, nan),)),
        replace(DOWN, as_of=NOW, fault="", queue=((NOW - 1.0, 3.0), (NOW, 0.0))),
        replace(DOWN, as_of=NOW, fault="", queue=()),
        replace(DOWN, fault="Timeout", queue=((NOW, 3.0),)),
    ],
)
def test_a_queue_that_does_not_tell_now_wakes_nothing(activity: Activity) -> None:
    assert look(activity, REAPED, replace(RULES, watches_queue=True)).action is IdleAction.KEEP


def test_a_word_wakes_once() -> None:
    assert look(DOWN, REAPED, wishes=IdleWishes(wake="monday")).action is IdleAction.KEEP


def test_without_rights_nothing_is_woken_and_no_word_is_lost() -> None:
    verdict = look(DOWN, REAPED, wishes=IdleWishes(wake="tuesday"), can_act=False)
    assert (verdict.action, verdict.memory.woken_by) == (IdleAction.KEEP, "monday")
    assert look(DOWN, verdict.memory, wishes=IdleWishes(wake="tuesday")).action is IdleAction.WAKE
    assert look(replace(DOWN, replicas=2), REAPED, can_act=False).action is IdleAction.WAKE


def test_the_time_to_ready_is_measured_until_all_are_ready() -> None:
    half = look(replace(DOWN, replicas=2, serving=1), WAKING)
    assert (half.memory.state, half.target, half.reason) == (IdleState.WAKING, None, "Warming")
    up = quiet(youngest_at=NOW - 40.0)
    done = look(up, WAKING)
    assert (done.memory.state, done.memory.time_to_ready_seconds) == (IdleState.WARMING, 50.0)
    assert done.memory.replicas_before is None
    smaller = replace(up, replicas=1, serving=1, plan_replicas=1)  # planned anew meanwhile
    assert look(smaller, WAKING).memory.time_to_ready_seconds == 50.0
    back = look(up, replace(WAKING, wake_began=NOW + 10.0))
    assert back.memory.time_to_ready_seconds is None


# ---------------------------------------------------------------------------------------------------------- dollars


def test_dollars_are_settled_when_the_rate_changes() -> None:
    assert saved_now(REAPED, NOW) == 17.0
    same = look(DOWN, REAPED, cost_per_hour=12.0004)  # rounding
    assert same.memory == REAPED
    dearer = look(DOWN, REAPED, cost_per_hour=24.0).memory
    assert (dearer.saved_usd, dearer.saves_per_hour, dearer.saved_at) == (17.0, 24.0, NOW)
    assert saved_now(dearer, NOW + 3600.0) == 41.0
    free = look(DOWN, dearer, now=NOW + 3600.0, cost_per_hour=nan).memory
    assert (free.saved_usd, free.saves_per_hour) == (41.0, 0.0)
    assert look(DOWN, REAPED, cost_per_hour=3.0, floor_cost_per_hour=5.0).memory.saves_per_hour == 0.0


def test_a_clock_that_goes_back_counts_no_hour_twice() -> None:
    before = NOW - 7200.0
    assert saved_now(REAPED, before) == 5.0
    settled = look(DOWN, REAPED, now=before, cost_per_hour=24.0).memory
    assert (settled.saved_usd, settled.saved_at) == (5.0, REAPED.saved_at)
    assert saved_now(settled, NOW) == 29.0  # the hour since the first settlement, at the new rate


def test_never_reaped_saved_nothing() -> None:
    assert saved_now(IdleMemory(), NOW) == 0.0


# ------------------------------------------------------------------------------------------------------ suggestions

OFFERS = (
    Offer(cost_per_hour=1.0, tokens_per_second=100.0, summary="1 x L4"),
    Offer(cost_per_hour=4.0, tokens_per_second=900.0, summary="1 x H100"),
    Offer(cost_per_hour=9.0, tokens_per_second=2000.0, summary="2 x H100"),
)


def test_the_cheapest_layout_that_still_serves_is_suggested() -> None:
    (idle,) = suggest(cost_per_hour=18.0, frontier=OFFERS)
    assert (idle.action, idle.saves_per_hour) == (SuggestedAction.DOWNSIZE, 17.0)
    assert idle.message == "one replica of 1 x L4 costs $1/h instead of $18/h and serves up to 100 tokens/s"
    (busy,) = suggest(cost_per_hour=18.0, frontier=OFFERS, needed_tokens_per_second=500.0)
    assert busy.saves_per_hour == 14.0


@pytest.mark.parametrize(
    ("cost", "frontier", "needed"),
    [(1.0, OFFERS, 0.0), (18.0, (), 0.0), (18.0, OFFERS, 1e9), (nan, OFFERS, 0.0), (18.0, OFFERS, nan)],
)
def test_nothing_is_suggested_that_saves_or_serves_nothing(
    cost: float, frontier: tuple[Offer, ...], needed: float
) -> None:
    assert suggest(cost_per_hour=cost, frontier=frontier, needed_tokens_per_second=needed) == ()


POWER = PowerUse(gpus=8, limit_watts=490.0, watts_above=600.0)


def test_a_limit_of_power_is_suggested_by_what_was_drawn_above_it() -> None:
    cheap, limit = suggest(cost_per_hour=18.0, frontier=OFFERS, power=POWER, usd_per_kwh=0.25)
    assert (cheap.action, limit.action) == (SuggestedAction.DOWNSIZE, SuggestedAction.LIMIT_GPU_POWER)
    assert limit.saves_per_hour == pytest.approx(0.15)
    told = "its GPUs (8) limited to 490 W each would save at most $0.15/h of electricity; prompts get slower"
    assert limit.message == told


@pytest.mark.parametrize(
    ("power", "price"),
    [
        (POWER, None),
        (None, 0.25),
        (replace(POWER, watts_above=0.0), 0.25),
        (replace(POWER, watts_above=nan), 0.25),
        (replace(POWER, watts_above=inf), 0.25),
        (POWER, 0.0),
    ],
)
def test_no_limit_of_power_is_suggested_without_watts_and_a_price(power: PowerUse | None, price: float | None) -> None:
    assert suggest(cost_per_hour=1.0, frontier=(), power=power, usd_per_kwh=price) == ()


# ------------------------------------------------------------------------------------------------------------ steps


@pytest.mark.parametrize(
    ("after", "step"), [(10.0, 2.0), (60.0, 12.0), (300.0, 60.0), (1800.0, 120.0), (7200.0, 300.0), (604800.0, 840.0)]
)
def test_steps_are_whole_seconds_and_fit_the_window(after: float, step: float) -> None:
    rules = replace(RULES, after_seconds=after, announce_seconds=0.0)
    assert rules.step_seconds == step
    assert 5 <= rules.window_seconds / step <= 720
