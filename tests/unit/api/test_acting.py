"""What requests, policies and annotations say of acting and idling, as the core takes it."""

from typing import Any

import pytest

from placewright.api import acting
from placewright.api.base import unix_seconds
from placewright.api.parse import parse, parse_policy
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.spec import PlacementRequestSpec
from placewright.core.errors import InvalidRequestError
from placewright.core.model import IdlePolicy, IdleRules, IdleWishes, RolloutRules, Strategy
from tests.support.kind_bodies import small_policy
from tests.support.resources import Json, small_request

NOW = unix_seconds("2026-11-20T09:00:00Z")  # a Friday


def spec(**given: Any) -> PlacementRequestSpec:
    return parse(small_request(**given)).spec


def policy(name: str = "a", annotations: dict[str, str] | None = None, **given: Any) -> PlacementPolicy:
    body = small_policy(name, **given)
    if annotations is not None:
        body["metadata"]["annotations"] = {f"placewright.dev/{key}": value for key, value in annotations.items()}
    return parse_policy(body)


# ------------------------------------------------------------------------------------------------------- rollouts


def test_a_rollout_has_defaults() -> None:
    assert acting.rollout_rules(spec(), []) == RolloutRules(
        strategy=Strategy.SURGE, deadline_seconds=4200.0, retry_seconds=600.0
    )


def test_a_request_says_how_it_is_rolled_out() -> None:
    own = {"strategy": "Hold", "progressDeadline": "45m", "retryAfter": "90s"}
    others = [policy(rollout={"strategy": "Recreate"})]

    assert acting.rollout_rules(spec(rollout=own), others) == RolloutRules(
        strategy=Strategy.HOLD, deadline_seconds=2700.0, retry_seconds=90.0
    )


def test_the_first_policy_by_name_that_says_it_counts() -> None:
    others = [policy("c", rollout={"strategy": "Hold"}), policy("b", rollout={"strategy": "Recreate"}), policy("a")]

    assert acting.rollout_rules(spec(), others).strategy is Strategy.RECREATE
    assert acting.rollout_rules(spec(rollout={"strategy": "Surge"}), others).strategy is Strategy.SURGE


def test_the_deadline_follows_the_time_that_loading_may_take() -> None:
    assert acting.rollout_rules(spec(render={"startWithin": "2h"}), []).deadline_seconds == 7800.0
    own = spec(render={"startWithin": "2h"}, rollout={"progressDeadline": "1m"})
    assert acting.rollout_rules(own, []).deadline_seconds == 60.0


def test_limits_have_defaults() -> None:
    assert acting.limits_of([]) == acting.limits_of([policy()]) == acting.Limits()
    assert acting.Limits() == acting.Limits(
        max_gpus_per_cycle=None,
        cycle_seconds=60.0,
        max_reaps_per_cycle=5,
        brake_failures=3,
        brake_within_seconds=1800.0,
        paused="",
        brake_released_at=None,
    )


def test_the_strictest_limit_of_all_policies_counts() -> None:
    others = [
        policy("a", rollout={"maxGPUsPerCycle": 64, "maxReapsPerCycle": 2, "brake": {"failedRollouts": 5}}),
        policy("b", rollout={"maxGPUsPerCycle": 32, "cycle": "10s", "brake": {"failedRollouts": 9, "within": "1h"}}),
        policy("c", rollout={"cycle": "30s", "maxReapsPerCycle": 8, "brake": {"within": "10m"}}),
    ]

    expected = acting.Limits(
        max_gpus_per_cycle=32,
        cycle_seconds=30.0,
        max_reaps_per_cycle=2,
        brake_failures=5,
        brake_within_seconds=3600.0,
    )
    assert acting.limits_of(others) == acting.limits_of(others[::-1]) == expected


def test_any_policy_pauses_all_and_says_why() -> None:
    others = [policy("b", {"pause": "the fair"}), policy("c", {"pause": "too"}), policy("a", {"pause": "false"})]

    assert acting.limits_of(others).paused == "PlacementPolicy b: the fair"
    assert acting.limits_of([policy("a", {"pause": ""})]).paused == "PlacementPolicy a: nobody says why"


def test_a_policy_tells_what_its_annotations_do() -> None:
    assert acting.policy_notes(policy()) == ()
    assert acting.policy_notes(policy("a", {"pause": "the fair", "brake-released-at": "soon"})) == (
        "all work on workloads is paused: the fair",
        (
            "metadata.annotations[placewright.dev/brake-released-at]: got 'soon', wants a time such as"
            " 2026-11-21T10:00:00Z; it is passed over"
        ),
    )


def test_the_newest_release_of_the_brake_counts_and_none_of_the_future() -> None:
    others = [
        policy("a", {"brake-released-at": "2026-11-20T08:00:00Z"}),
        policy("b", {"brake-released-at": "2026-11-20T08:30:00Z"}),
        policy("c", {"brake-released-at": "2030-01-01T00:00:00Z"}),
        policy("d", {"brake-released-at": "soon"}),
    ]

    assert acting.limits_of(others, now=NOW).brake_released_at == NOW - 1800.0
    assert acting.limits_of(others[2:], now=NOW).brake_released_at is None


def test_the_price_of_electricity_is_that_of_the_first_policy_that_says_it() -> None:
    assert acting.electricity_price([policy()]) is None
    others = [policy("c", electricityPricePerKWh=0.5), policy("b", electricityPricePerKWh=0.25), policy("a")]
    assert acting.electricity_price(others) == 0.25


# --------------------------------------------------------------------------------------------------------- idling


def test_nobody_looks_where_nobody_speaks_of_idling_and_it_is_told_where_somebody_does() -> None:
    assert acting.idle_rules(spec(), []) == IdleRules(policy=IdlePolicy.OFF)
    assert acting.idle_rules(spec(idle={}), []) == IdleRules(policy=IdlePolicy.REPORT)
    assert acting.idle_rules(spec(), [policy(idle={"after": "1h"})]) == IdleRules(
        policy=IdlePolicy.OFF, after_seconds=3600.0
    )
    assert acting.idle_rules(spec(), [policy(idle={"policy": "Report"})]).policy is IdlePolicy.REPORT


def test_a_request_says_when_it_idles_and_policies_say_the_rest() -> None:
    own = {"policy": "ScaleToFloor", "after": "45m", "queue": {"preset": "gateway"}}
    others = [
        policy("b", idle={"policy": "ScaleToZero", "announceFor": "0s", "warmupGrace": "1m"}),
        policy("a", idle={"after": "2h", "warmupGrace": "2m", "gpuUtilizationBelowPercent": 12.5}),
        policy("c", idle={"announceFor": "1h", "policy": "ScaleToFloor", "floor": 3}),
    ]

    assert acting.idle_rules(spec(idle=own), others) == IdleRules(
        policy=IdlePolicy.SCALE_TO_FLOOR,
        after_seconds=2700.0,
        announce_seconds=0.0,
        warmup_seconds=120.0,
        floor=3,
        gpu_utilization_below_percent=12.5,
        watches_queue=True,
    )


def resource(annotations: dict[str, str] | None = None, **idle: Any) -> Json:
    body = small_request(**({"idle": idle} if idle else {}))
    body["metadata"]["annotations"] = {f"placewright.dev/{key}": value for key, value in (annotations or {}).items()}
    return body


def test_who_wants_nothing_wishes_nothing() -> None:
    assert acting.wishes_of(resource(), NOW) == IdleWishes()
    assert acting.wishes_of({"metadata": {}}, NOW) == IdleWishes()


def test_wishes_are_those_of_annotations_and_of_the_calendar() -> None:
    windows = [{"cron": "0 8 * * MON-FRI", "duration": "10h", "timeZone": "Europe/Berlin"}]
    given = {"wake": "now", "do-not-reap": "true", "exclude-until": "2026-11-21T00:00:00Z"}

    wishes = acting.wishes_of(resource(given, keepAwake=windows, excludeUntil="2026-11-22T00:00:00Z"), NOW)

    assert wishes == IdleWishes(
        wake="now",
        do_not_reap=True,
        exclude_until=unix_seconds("2026-11-22T00:00:00Z"),
        awake_until=unix_seconds("2026-11-20T17:00:00Z"),
    )
    assert acting.wishes_of(resource(keepAwake=windows), NOW + 86_400.0) == IdleWishes()


@pytest.mark.parametrize(
    "idle",
    [
        {"keepAwake": [{"cron": "0 8 * * *", "duration": "1h", "timeZone": "Europe/Nowhere"}]},
        {"keepAwake": [{"cron": "no cron", "duration": "1h"}]},
        {"keepAwake": [{"cron": "0 99 * * *", "duration": "1h"}]},
        {"excludeUntil": "soon"},
    ],
)
def test_a_wish_that_cannot_be_read_holds_every_reap_back(idle: Json) -> None:
    assert acting.wishes_of(resource(**idle), NOW).do_not_reap


def test_a_calendar_that_cannot_be_read_is_no_request() -> None:
    windows = [{"cron": "0 99 * * *", "duration": "1h"}]

    with pytest.raises(
        InvalidRequestError, match=r"^spec\.idle\.keepAwake\[0\]\.cron: got '0 99 \* \* \*' \(hour\), wants"
    ):
        parse(small_request(idle={"keepAwake": windows}))
