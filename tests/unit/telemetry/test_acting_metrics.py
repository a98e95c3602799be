"""Series of rollouts and idling: equal to the API, with moments and dollars of now; gone with their request."""

from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from placewright.core.model.acting import RolloutPhase
from placewright.core.model.idle import IdleSignal, IdleState, SignalResult
from placewright.kube.outcomes import ActResult
from placewright.telemetry.acting_families import AvoidedDollars
from placewright.telemetry.acting_figures import (
    ActingFigures,
    ActingState,
    ActionKind,
    ActionResult,
    WakeCause,
)
from placewright.telemetry.metrics import Metrics, Parts, Vitals
from placewright.telemetry.views import Key, view_of
from tests.support.metrics_scene import NOW, plan
from tests.support.requests import stored

Json = dict[str, Any]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

HOUR = 3600.0
AT_TEN = "2026-11-21T10:00:00Z"  # NOW


class Scene:
    """Metrics over requests that a test changes, with a clock that it sets."""

    def __init__(self, *resources: Json) -> None:
        self.resources = list(resources)
        self.now = NOW
        self.exact: dict[Key, ActingFigures] = {}
        self.state: ActingState | None = None
        self.metrics = Metrics(
            version="1",
            views=lambda: [view_of(each) for each in self.resources],
            vitals=lambda: Vitals(queue_depth=0),
            parts=Parts(acting=self.exact.get, acting_state=lambda: self.state),
            clock=lambda: self.now,
        )

    def scrape(self) -> Series:
        """Every sample by its name without the prefix and its labels; two of one name and labels are an error."""
        found: Series = {}
        for family in text_string_to_metric_families(generate_latest(self.metrics.registry).decode()):
            for sample in family.samples:
                key = (sample.name.removeprefix("placewright_"), frozenset(sample.labels.items()))
                assert key not in found, key
                found[key] = sample.value
        return found

    def of(self, name: str, /, **labels: str) -> float | None:
        return self.scrape().get((name, frozenset(labels.items())))

    def mine(self, name: str, /, **labels: str) -> float | None:
        return self.of(name, namespace="serving", name="chat", **labels)


def request(idle: Json | None = None, rollout: Json | None = None, cost: float | None = 12.0) -> Json:
    status: Json = {"observedGeneration": 1}
    if cost is not None:
        status["plan"] = plan(costPerHour=cost)
    if idle is not None:
        status["idle"] = idle
    if rollout is not None:
        status["rollout"] = rollout
    return stored("chat", namespace="serving", spec={"model": {"name": "llama"}}, status=status)


def reaped(dollars: float = 3.0, per_hour: float = 12.0, as_of: str = AT_TEN) -> Json:
    return {"state": "Reaped", "avoidedDollars": dollars, "avoidedCostPerHour": per_hour, "avoidedAsOf": as_of}


# --------------------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize("state", list(IdleState))
def test_a_model_stands_in_one_state(state: IdleState) -> None:
    scene = Scene(request({"state": str(state)}))
    states = {key[1] for key in scene.scrape() if key[0] == "idle_state"}
    assert states == {frozenset({("namespace", "serving"), ("name", "chat"), ("state", str(state))})}


def test_without_an_idle_policy_nothing_is_told_of_idling() -> None:
    scene = Scene(request(rollout={"phase": "RolledOut"}))
    told = {name for name, labels in scene.scrape() if dict(labels).get("name") == "chat"}
    assert {name for name in told if "idle" in name or "last_active" in name} == set()
    assert "rollout_phase" in told


@pytest.mark.parametrize("phase", list(RolloutPhase))
def test_a_rollout_stands_in_one_phase(phase: RolloutPhase) -> None:
    assert Scene(request(rollout={"phase": str(phase)})).mine("rollout_phase", phase=str(phase)) == 1


def test_replicas_are_told_by_workload() -> None:
    workloads = [
        {"kind": "Deployment", "name": "chat-a", "replicas": 3, "readyReplicas": 2},
        {"kind": "LeaderWorkerSet", "name": "chat-b", "replicas": 1},
    ]
    scene = Scene(request(rollout={"phase": "Progressing", "workloads": workloads}))
    assert scene.mine("workload_replicas", workload="chat-a", state="wanted") == 3
    assert scene.mine("workload_replicas", workload="chat-a", state="ready") == 2
    assert scene.mine("workload_replicas", workload="chat-b", state="wanted") == 1
    assert scene.mine("workload_replicas", workload="chat-b", state="ready") is None


def test_two_workloads_of_one_name_are_told_apart() -> None:
    workloads = [
        {"kind": "Deployment", "name": "chat", "replicas": 3},
        {"kind": "LeaderWorkerSet", "name": "chat", "replicas": 1},
    ]
    scene = Scene(request(rollout={"workloads": workloads}))
    assert scene.mine("workload_replicas", workload="Deployment/chat", state="wanted") == 3
    assert scene.mine("workload_replicas", workload="LeaderWorkerSet/chat", state="wanted") == 1


def test_signals_are_told_and_the_missing_ones_counted() -> None:
    signals = [
        {"signal": str(signal), "result": str(result)} for signal, result in zip(IdleSignal, SignalResult, strict=False)
    ]
    scene = Scene(request({"state": "Unknown", "signals": [*signals, {"signal": "Scrapes", "result": "Missing"}]}))
    assert scene.mine("idle_signal_missing") == 2
    for each in signals:
        assert scene.mine("idle_signal", **each) == 1
    assert Scene(request({"state": "Active"})).mine("idle_signal_missing") == 0


def test_the_last_activity_is_of_the_newest_look_and_else_of_the_status() -> None:
    scene = Scene(request({"state": "Idle", "lastActive": "2026-11-21T09:00:00Z"}))
    assert scene.mine("request_last_active_timestamp_seconds") == NOW - HOUR
    for told, shown in ((NOW - 60.0, NOW - 60.0), (None, NOW - HOUR), (nan, NOW - HOUR), (inf, NOW - HOUR)):
        scene.exact["serving", "chat"] = ActingFigures(last_active=told)
        assert scene.mine("request_last_active_timestamp_seconds") == shown
    assert Scene(request({"state": "Unknown"})).mine("request_last_active_timestamp_seconds") is None


def test_the_queue_is_of_the_newest_look_alone() -> None:
    scene = Scene(request({"state": "Reaped"}))
    assert scene.mine("idle_queue_requests") is None
    for told, shown in ((3.0, 3.0), (0.0, 0.0), (None, None), (nan, None)):
        scene.exact["serving", "chat"] = ActingFigures(queue_requests=told)
        assert scene.mine("idle_queue_requests") == shown
    scene.exact["serving", "gone"] = ActingFigures(queue_requests=1.0)
    assert scene.of("idle_queue_requests", namespace="serving", name="gone") is None


def test_all_series_vanish_with_the_request() -> None:
    workloads = [{"kind": "Deployment", "name": "chat", "replicas": 1, "readyReplicas": 1}]
    scene = Scene(request(reaped() | {"lastActive": AT_TEN}, {"phase": "RolledOut", "workloads": workloads}))
    scene.exact["serving", "chat"] = ActingFigures(last_active=NOW)
    assert len([labels for _, labels in scene.scrape() if ("name", "chat") in labels]) > 15
    scene.resources.clear()
    assert [labels for _, labels in scene.scrape() if ("name", "chat") in labels] == []


# --------------------------------------------------------------------------------------------------------- dollars


@pytest.mark.parametrize(
    ("idle", "cost", "burns"),
    [
        ({"state": "Idle"}, 12.0, 12.0),
        ({"state": "Active"}, 12.0, 0.0),
        ({"state": "Warming"}, 12.0, 0.0),
        ({"state": "Waking", "avoidedCostPerHour": 0}, 12.0, 0.0),
        ({"state": "Unknown"}, 12.0, None),
        ({"state": "Idle"}, None, None),
        (reaped(per_hour=12.0), 12.0, 0.0),
        (reaped(per_hour=9.0), 12.0, 3.0),
        (reaped(per_hour=13.0), 12.0, 0.0),  # the plan got cheaper and the rate is not settled yet
        ({}, 12.0, None),
    ],
)
def test_what_idles_burns_its_plan_or_its_floor(idle: Json, cost: float | None, burns: float | None) -> None:
    assert Scene(request(idle, cost=cost)).mine("idle_burn_usd_per_hour") == burns


def test_avoided_dollars_go_on_with_the_clock_while_it_is_reaped() -> None:
    scene = Scene(request(reaped(dollars=3.0, per_hour=12.0)))
    assert scene.mine("idle_request_avoided_usd") == 3.0
    assert scene.mine("idle_avoided_usd_per_hour") == 12.0
    scene.now += HOUR / 2
    assert scene.mine("idle_request_avoided_usd") == 9.0
    scene.now = NOW - HOUR  # a clock that went back takes nothing away
    assert scene.mine("idle_request_avoided_usd") == 3.0
    scene.resources = [request({"state": "Waking", "avoidedDollars": 9.0, "avoidedAsOf": AT_TEN})]
    scene.now = NOW + HOUR
    assert scene.mine("idle_request_avoided_usd") == 9.0
    assert scene.mine("idle_avoided_usd_per_hour") == 0


def test_the_sum_of_all_begins_at_nothing_and_never_falls() -> None:
    scene = Scene(request(reaped(dollars=500.0, per_hour=12.0)))
    assert scene.of("idle_avoided_usd_total") == 0  # avoided before this process
    scene.now += HOUR
    assert scene.of("idle_avoided_usd_total") == 12.0
    scene.resources = [request({"state": "Active", "avoidedDollars": 512.0, "avoidedAsOf": AT_TEN})]
    assert scene.of("idle_avoided_usd_total") == 12.0
    scene.resources = []
    assert scene.of("idle_avoided_usd_total") == 12.0
    scene.resources = [request(reaped(dollars=0.0, per_hour=6.0))]  # another one of that name
    scene.now = NOW
    assert scene.of("idle_avoided_usd_total") == 12.0
    scene.now += HOUR
    assert scene.of("idle_avoided_usd_total") == 18.0


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.floats(0, 1e6)), max_size=8))
def test_the_sum_counts_every_rise_and_nothing_else(looks: list[dict[str, float]]) -> None:
    ledger, before, shown = AvoidedDollars(), dict[Key, float](), 0.0
    expected = 0.0
    for look in looks:
        sums = {("serving", name): usd for name, usd in look.items()}
        expected += sum(max(0.0, usd - before[key]) for key, usd in sums.items() if key in before)
        total = ledger.total(sums)
        assert total >= shown
        assert total == pytest.approx(expected)
        before, shown = sums, total


# -------------------------------------------------------------------------------------------------------- counters


def test_brake_and_pause_are_told_only_where_something_is_acted() -> None:
    scene = Scene()
    assert scene.of("rollout_brake") is None
    assert scene.of("acting_paused") is None
    scene.state = ActingState(brake=True, paused=False)
    assert (scene.of("rollout_brake"), scene.of("acting_paused")) == (1, 0)
    scene.state = ActingState(brake=False, paused=True)
    assert (scene.of("rollout_brake"), scene.of("acting_paused")) == (0, 1)


def test_counters_stand_at_zero_before_the_first_event() -> None:
    series = Scene().scrape()
    assert {dict(key[1])["by"]: value for key, value in series.items() if key[0] == "wakes_total"} == {
        str(cause): 0 for cause in WakeCause
    }
    actions = {
        (dict(key[1])["action"], dict(key[1])["result"]): value
        for key, value in series.items()
        if key[0] == "rollout_actions_total"
    }
    assert actions == {(str(action), str(result)): 0 for action in ActionKind for result in ActionResult}
    for name in ("reaps_announced_total", "idle_reaps_total", "rollout_failures_total", "wake_ready_seconds_count"):
        assert series[name, frozenset()] == 0


def test_results_have_the_words_of_the_actor() -> None:
    assert {str(result) for result in ActResult} | {"Failed"} == {str(result) for result in ActionResult}


def test_each_event_counts_once_and_names_no_request() -> None:
    scene = Scene()
    acting = scene.metrics.acting
    acting.announced()
    acting.reaped()
    acting.reaped()
    acting.woken(WakeCause.CALENDAR)
    acting.wake_ready(50.0)
    acting.wake_ready(-1.0)
    acting.acted(ActionKind.WEIGH, ActionResult.DENIED)
    acting.rollout_failed()
    assert scene.of("reaps_announced_total") == 1
    assert scene.of("idle_reaps_total") == 2
    assert scene.of("wakes_total", by="Calendar") == 1
    assert scene.of("wakes_total", by="Queue") == 0
    assert scene.of("wake_ready_seconds_sum") == 50.0
    assert scene.of("wake_ready_seconds_bucket", le="30.0") == 1
    assert scene.of("wake_ready_seconds_bucket", le="60.0") == 2
    assert scene.of("rollout_actions_total", action="Weigh", result="Denied") == 1
    assert scene.of("rollout_failures_total") == 1


# ------------------------------------------------------------------------------------------------ any other version

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, AT_TEN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["signal", "name", "x"]), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["state", "phase", "workloads", "signals", "lastActive", "avoidedDollars", "avoidedCostPerHour", "avoidedAsOf"]
)


@given(idle=JSON | st.dictionaries(FIELDS, JSON), rollout=JSON | st.dictionaries(FIELDS, JSON))
def test_no_status_of_another_version_breaks_the_page(idle: Any, rollout: Any) -> None:
    resource = stored("chat", namespace="serving", spec={}, status={"idle": idle, "rollout": rollout})
    assert [name for (name, _), value in Scene(resource).scrape().items() if isnan(value)] == []
