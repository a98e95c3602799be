"""Why a reaped model was woken, from the decision through the status to the counter's label."""

from dataclasses import replace

import pytest

from placewright.api.acting_status import idle_data
from placewright.core.idle import decide
from placewright.core.model import (
    NO_ACTIVITY,
    Activity,
    IdleAction,
    IdleMemory,
    IdlePolicy,
    IdleRules,
    IdleState,
    IdleVerdict,
    IdleWishes,
)
from placewright.handlers.acting.telling import news_of
from placewright.telemetry.acting_figures import WakeCause

NOW = 1_700_000_000.0
RULES = IdleRules(policy=IdlePolicy.SCALE_TO_ZERO, watches_queue=True)
DOWN = replace(NO_ACTIVITY, replicas=0, plan_replicas=2, serving=0)
REAPED = IdleMemory(
    state=IdleState.REAPED, since=NOW - 3600.0, replicas_before=2, woken_by="monday", saved_at=NOW - 3600.0
)
CASES: list[tuple[WakeCause, Activity, IdleRules, IdleWishes]] = [
    (WakeCause.ANNOTATION, DOWN, RULES, IdleWishes(wake="tuesday")),
    (WakeCause.QUEUE, replace(DOWN, as_of=NOW, fault="", queue=((NOW, 3.0),)), RULES, IdleWishes(wake="monday")),
    (WakeCause.CALENDAR, DOWN, RULES, IdleWishes(awake_until=NOW + 60.0)),
    (WakeCause.CALENDAR, DOWN, RULES, IdleWishes(do_not_reap=True)),
    (WakeCause.SCALED, replace(DOWN, replicas=1), RULES, IdleWishes()),
    (WakeCause.POLICY, DOWN, replace(RULES, policy=IdlePolicy.OFF), IdleWishes()),
    (WakeCause.POLICY, DOWN, replace(RULES, policy=IdlePolicy.REPORT), IdleWishes()),
]


def look(activity: Activity, rules: IdleRules, wishes: IdleWishes) -> IdleVerdict:
    return decide(activity, rules, wishes, REAPED, NOW, cost_per_hour=12.0, floor_cost_per_hour=0.0, can_act=True)


@pytest.mark.parametrize(("cause", "activity", "rules", "wishes"), CASES)
def test_a_wake_is_counted_under_what_woke(
    cause: WakeCause, activity: Activity, rules: IdleRules, wishes: IdleWishes
) -> None:
    before = look(DOWN, RULES, IdleWishes(wake="monday"))
    assert before.action is IdleAction.KEEP
    after = look(activity, rules, wishes)
    assert after.action is IdleAction.WAKE
    (told,) = news_of({"idle": idle_data(before)}, {"idle": idle_data(after)})
    assert (told.reason, told.cause) == ("Woken", cause)
