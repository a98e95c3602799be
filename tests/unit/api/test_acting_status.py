"""What a status says of rollouts and of idling, that it is remembered from there, and that the CRD takes it."""

from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from placewright.api.acting import idle_memory_of, rollout_memory_of
from placewright.api.acting_status import (
    FINAL,
    AppliedReason,
    WorkloadNow,
    applied_condition,
    idle_condition,
    idle_data,
    not_applied,
    rollout_data,
)
from placewright.api.base import unix_seconds
from placewright.api.crd import custom_resource_definition
from placewright.core.model import (
    IdleAction,
    IdleMemory,
    IdleSignal,
    IdleState,
    IdleVerdict,
    RolloutMemory,
    RolloutPhase,
    RolloutStep,
    SignalOutcome,
    SignalResult,
)
from tests.support.resources import field_names, named_fields

NOW = unix_seconds("2026-11-21T10:00:00Z")


@dataclass(frozen=True, kw_only=True)
class Saving:
    action: str = "LimitPower"
    saves_per_hour: float = 0.123456789
    message: str = "limit the power of 2 H100 to 400 W"


def step(phase: RolloutPhase = RolloutPhase.PROGRESSING, **memory: Any) -> RolloutStep:
    return RolloutStep(
        phase=phase,
        reason="ReplicasStarting",
        message="1 of 2 replicas of chat is Ready",
        actions=(),
        memory=RolloutMemory(**{"plan_id": "p-1", "since": NOW, **memory}),
    )


def verdict(reason: str = "TrafficSeen", signals: tuple[SignalOutcome, ...] = (), **memory: Any) -> IdleVerdict:
    return IdleVerdict(
        action=IdleAction.KEEP,
        target=None,
        memory=IdleMemory(**memory),
        reason=reason,
        message="12 requests in the last 30m",
        signals=signals,
    )


SIGNAL = SignalOutcome(signal=IdleSignal.RUNNING, result=SignalResult.ACTIVE, message="2 run")
ALL_OF_A_ROLLOUT = rollout_data(
    step(RolloutPhase.FAILED, failures=2, failed_at=NOW + 0.25, trouble="image not found", done_at=NOW - 1.0),
    [
        WorkloadNow(kind="Deployment", name="chat", replicas=2, ready=1, weight=0.25),
        WorkloadNow(kind="LeaderWorkerSet", name="chat", replicas=1, ready=0),
    ],
)
ALL_OF_IDLING = idle_data(
    verdict(
        signals=(SIGNAL,),
        state=IdleState.REAPED,
        since=NOW,
        last_active=NOW - 1800.5,
        reap_at=NOW + 0.1,
        replicas_before=3,
        woken_by="now",
        wake_began=NOW - 7200.0,
        time_to_ready_seconds=61.23456789,
        saves_per_hour=9.6,
        saved_usd=12345.678901234,
        saved_at=NOW + 0.5,
    ),
    [Saving()],
)


def test_a_rollout_is_told_with_its_workloads() -> None:
    assert ALL_OF_A_ROLLOUT == {
        "planId": "p-1",
        "phase": "Failed",
        "reason": "ReplicasStarting",
        "message": "1 of 2 replicas of chat is Ready",
        "since": "2026-11-21T10:00:00Z",
        "doneAt": "2026-11-21T09:59:59Z",
        "failures": 2,
        "failedAt": "2026-11-21T10:00:00.250Z",
        "trouble": "image not found",
        "workloads": [
            {"kind": "Deployment", "name": "chat", "replicas": 2, "readyReplicas": 1, "trafficPercent": 25.0},
            {"kind": "LeaderWorkerSet", "name": "chat", "replicas": 1, "readyReplicas": 0},
        ],
    }
    assert rollout_data(step()).keys() == {"planId", "phase", "reason", "message", "since"}


def test_idling_is_told_with_its_signals() -> None:
    assert ALL_OF_IDLING == {
        "state": "Reaped",
        "since": "2026-11-21T10:00:00Z",
        "lastActive": "2026-11-21T09:29:59Z",
        "reapAt": "2026-11-21T10:00:01Z",  # never earlier than announced
        "reason": "TrafficSeen",
        "message": "12 requests in the last 30m",
        "signals": [{"signal": "RunningRequests", "result": "Active", "message": "2 run"}],
        "replicasBefore": 3,
        "wokenBy": "now",
        "wakeBegan": "2026-11-21T08:00:00Z",
        "timeToReadySeconds": 61.2346,
        "avoidedCostPerHour": 9.6,
        "avoidedDollars": 12345.678901,
        "avoidedAsOf": "2026-11-21T10:00:00.500Z",
        "suggestions": [
            {"action": "LimitPower", "savesPerHour": 0.123457, "message": "limit the power of 2 H100 to 400 W"}
        ],
    }
    assert idle_data(verdict()).keys() == {"state", "reason", "message"}


def test_the_crd_has_every_field_of_both_and_no_other() -> None:
    version = custom_resource_definition()["spec"]["versions"][0]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]

    assert set(field_names(status["rollout"])) == set(named_fields(ALL_OF_A_ROLLOUT))
    assert set(field_names(status["idle"])) == set(named_fields(ALL_OF_IDLING))


def test_both_are_plain_data() -> None:
    assert yaml.safe_load(yaml.safe_dump([ALL_OF_A_ROLLOUT, ALL_OF_IDLING])) == [ALL_OF_A_ROLLOUT, ALL_OF_IDLING]


def test_long_lists_and_texts_are_cut_to_what_the_crd_takes() -> None:
    many = tuple(SIGNAL for _ in range(20))
    told = idle_data(verdict(signals=many, woken_by="x" * 300), [Saving(message="x" * 3000)] * 20)

    assert (len(told["signals"]), len(told["suggestions"]), len(told["wokenBy"])) == (16, 8, 256)
    assert len(told["suggestions"][0]["message"]) == 2048
    workloads = [WorkloadNow(kind="Deployment", name="chat", replicas=1, ready=1)] * 300
    assert len(rollout_data(step(trouble="x" * 3000), workloads)["workloads"]) == 256


# --------------------------------------------------------------------------------------------------------- memory

MOMENTS = st.none() | st.integers(1_700_000_000, 2_000_000_000).map(float)
COUNTS = st.none() | st.integers(0, 1000)


@given(
    st.builds(
        RolloutMemory,
        plan_id=st.sampled_from(("", "p-1")),
        since=MOMENTS,
        failures=st.integers(0, 9),
        failed_at=MOMENTS,
        trouble=st.text(max_size=40),
        done_at=MOMENTS,
    )
)
def test_a_rollout_is_remembered_from_its_status(memory: RolloutMemory) -> None:
    told = RolloutStep(phase=RolloutPhase.WAITING, reason="a", message="b", actions=(), memory=memory)

    assert rollout_memory_of({"rollout": rollout_data(told)}) == memory


@given(
    st.builds(
        IdleMemory,
        state=st.sampled_from(IdleState),
        since=MOMENTS,
        last_active=MOMENTS,
        reap_at=MOMENTS,
        replicas_before=COUNTS,
        woken_by=st.text(max_size=256),
        wake_began=MOMENTS,
        time_to_ready_seconds=st.none() | st.integers(0, 99_999).map(float),
        saves_per_hour=st.integers(0, 9999).map(lambda cents: cents / 100),
    ),
    st.none() | st.tuples(st.integers(0, 10**12), st.integers(1_700_000_000_000, 2_000_000_000_000)),
)
def test_idling_is_remembered_from_its_status(memory: IdleMemory, saved: tuple[int, int] | None) -> None:
    if saved is not None:
        savings = {"saved_usd": saved[0] / 1e6, "saved_at": saved[1] / 1e3}
        memory = IdleMemory(**{name: getattr(memory, name) for name in memory.__slots__} | savings)
    told = IdleVerdict(action=IdleAction.KEEP, target=None, memory=memory, reason="a", message="b")

    assert idle_memory_of({"idle": idle_data(told)}) == memory


def test_without_a_status_nothing_is_remembered() -> None:
    for status in (None, {}, {"rollout": None, "idle": None}, {"rollout": {}, "idle": {}}):
        assert rollout_memory_of(status) == RolloutMemory()
        assert idle_memory_of(status) == IdleMemory()


def test_what_is_no_memory_is_not_remembered() -> None:
    told = {"rollout": {"since": "yesterday", "failedAt": 7}, "idle": {"state": "Asleep", "since": ""}}

    assert rollout_memory_of(told) == RolloutMemory()
    assert idle_memory_of(told) == IdleMemory()


# ----------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("phase", "status", "reason"),
    [
        (RolloutPhase.ROLLED_OUT, "True", "RolledOut"),
        (RolloutPhase.PROGRESSING, "False", "Progressing"),
        (RolloutPhase.WAITING, "False", "Waiting"),
        (RolloutPhase.FAILED, "False", "RolloutFailed"),
    ],
)
def test_applied_says_where_a_rollout_stands(phase: RolloutPhase, status: str, reason: str) -> None:
    condition = applied_condition(step(phase))

    assert (condition.type, condition.status, condition.reason) == ("Applied", status, reason)
    assert condition.message == "1 of 2 replicas of chat is Ready"


@pytest.mark.parametrize("reason", [each for each in AppliedReason if each is not AppliedReason.ROLLED_OUT])
def test_applied_says_what_holds_a_rollout_back(reason: AppliedReason) -> None:
    condition = not_applied(reason, "x" * 5000)

    assert (condition.status, condition.reason) == ("False", str(reason))
    assert type(condition.reason) is str
    assert len(condition.message) == 1024


def test_somebody_has_to_look_at_what_does_not_pass_by_itself() -> None:
    passing = {"RolledOut", "Progressing", "Waiting", "Paused", "BrakeEngaged", "Denied", "NotRequested"}

    assert set(AppliedReason) == passing | FINAL
    assert not passing & FINAL


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("NoTraffic", "True"),
        ("Reaped", "True"),
        ("TrafficSeen", "False"),
        ("Warming", "False"),
        ("Excluded", "False"),
        ("SignalMissing", "Unknown"),
    ],
)
def test_idle_says_what_was_found(reason: str, status: str) -> None:
    condition = idle_condition(verdict(reason))

    assert (condition.type, condition.status, condition.reason) == ("Idle", status, reason)
