"""What of rollouts and idling is worth a write: what changed, and not what is only counted or measured again."""

from copy import deepcopy
from typing import Any

import pytest

from placewright.api.same import same_decision
from tests.support.resources import Json, replaced


def condition(kind: str, status: str, reason: str, message: str) -> Json:
    moment = "2026-11-21T10:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": moment}


STORED: Json = {
    "observedGeneration": 1,
    "conditions": [
        condition("Ready", "False", "RolloutPending", "Progressing: 1 of 2 Ready after 35 s"),
        condition("Reconciling", "True", "RollingOut", "Progressing: 1 of 2 Ready after 35 s"),
        condition("Planned", "True", "PlanCurrent", "p-1"),
        condition("Applied", "False", "Progressing", "1 of 2 Ready after 35 s"),
        condition("Idle", "False", "TrafficSeen", "12 requests in 30m"),
    ],
    "plan": {"id": "p-1"},
    "rollout": {
        "planId": "p-1",
        "phase": "Progressing",
        "reason": "Progressing",
        "message": "1 of 2 Ready after 35 s",
        "since": "2026-11-21T10:00:00Z",
        "failures": 1,
        "failedAt": "2026-11-21T09:00:00.000Z",
        "trouble": "chat: not Ready after 1h10m",
        "workloads": [{"kind": "Deployment", "name": "chat", "replicas": 2, "readyReplicas": 1}],
    },
    "idle": {
        "state": "Active",
        "since": "2026-11-21T09:00:00Z",
        "lastActive": "2026-11-21T10:00:00Z",
        "reason": "TrafficSeen",
        "message": "12 requests in 30m",
        "signals": [{"signal": "RunningRequests", "result": "Active", "message": "2 run"}],
        "wokenBy": "now",
        "avoidedCostPerHour": 9.6,
        "avoidedDollars": 12.5,
        "avoidedAsOf": "2026-11-21T09:00:00.000Z",
        "suggestions": [{"action": "LimitPower", "savesPerHour": 0.5, "message": "to 400 W"}],
    },
}


def changed(path: str, value: Any) -> Json:
    at = tuple(int(part) if part.isdigit() else part for part in path.split("."))
    return replaced(STORED, at, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("idle.lastActive", "2026-11-21T10:59:59Z"),
        ("idle.message", "15 requests in 30m"),
        ("idle.signals.0.message", "3 run"),
        ("idle.avoidedDollars", 13.0),
        ("idle.avoidedAsOf", "2026-11-21T09:30:00.000Z"),
        ("idle.suggestions.0.savesPerHour", 0.51),
        ("idle.suggestions.0.message", "to 390 W"),
        ("conditions.4.message", "15 requests in 30m"),
        ("rollout.message", "1 of 2 Ready after 1.5 h"),
        ("conditions.3.message", "1 of 2 Ready after 40 s"),
        ("conditions.0.message", "Progressing: 1 of 2 Ready after 40 s"),
        ("conditions.1.message", "Progressing: 1 of 2 Ready after 40 s"),
    ],
)
def test_what_is_counted_or_measured_again_is_no_reason_to_write(path: str, value: Any) -> None:
    assert same_decision(STORED, changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("idle.lastActive", "2026-11-21T11:00:00Z"),  # active all the time: written once an hour
        ("idle.state", "Warming"),
        ("idle.reapAt", "2026-11-21T11:00:00Z"),
        ("idle.reason", "Warming"),
        ("idle.signals.0.result", "Missing"),
        ("idle.signals", []),
        ("idle.wokenBy", "again"),
        ("idle.avoidedCostPerHour", 0.0),
        ("idle.suggestions", []),
        ("idle", None),
        ("conditions.4.reason", "Warming"),
        ("rollout.message", "2 of 2 Ready after 35 s"),
        ("rollout.planId", "p-2"),
        ("rollout.phase", "Waiting"),
        ("rollout.failures", 2),
        ("rollout.failedAt", "2026-11-21T10:00:00.000Z"),
        ("rollout.trouble", "chat: image not found"),
        ("rollout.workloads.0.readyReplicas", 2),
        ("conditions.3.reason", "Waiting"),
        ("conditions.3.status", "True"),
        ("conditions.0.message", "Progressing: 2 of 2 Ready after 35 s"),
    ],
)
def test_what_changed_is_written(path: str, value: Any) -> None:
    assert not same_decision(STORED, changed(path, value))
    assert not same_decision(changed(path, value), STORED)


def test_the_first_time_that_a_model_is_seen_active_is_written() -> None:
    silent = deepcopy(STORED)
    del silent["idle"]["lastActive"]

    assert not same_decision(silent, STORED)
    assert same_decision(silent, silent)


def test_what_both_share_is_the_same_and_hides_no_change() -> None:
    again = {**STORED, "idle": {**STORED["idle"], "message": "none"}}
    other = {**STORED, "rollout": {**STORED["rollout"], "phase": "Waiting"}}

    assert same_decision(STORED, STORED)
    assert same_decision(STORED, again)
    assert not same_decision(STORED, other)
    assert not same_decision(STORED, {name: value for name, value in STORED.items() if name != "plan"})
    assert not same_decision(None, STORED)
