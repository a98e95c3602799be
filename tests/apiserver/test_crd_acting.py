"""What the API server makes of acting and idling: what it keeps, what it cannot check, and what waits for it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.api.acting import idle_memory_of, rollout_memory_of
from placewright.api.acting_status import WorkloadNow, applied_condition, idle_condition, idle_data, rollout_data
from placewright.api.conditions import Condition, rendered
from placewright.api.parts import Parts, with_new_parts, with_parts
from placewright.api.same import same_decision
from placewright.api.validate import validate
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
from tests.support.resources import Json, small_request

Kubectl = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("crds")

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SECONDS = NOW.timestamp()
APPLY: Json = {"mode": "Apply"}


@pytest.fixture
def stored(kubectl: Kubectl, namespace: str) -> Callable[[Json], Json]:
    """Makes a request in mode Apply as the server stores it, with this status."""

    def make(status: Json) -> Json:
        body = small_request("chat", mode="Apply", idle={"policy": "ScaleToZero"})
        kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))
        return write(kubectl, namespace, status)

    return make


def write(kubectl: Kubectl, namespace: str, status: Json) -> Json:
    patch = json.dumps([{"op": "add", "path": "/status", "value": status}])
    options = ("-n", namespace, "--subresource=status", "--type=json", "-o", "json")
    found: Json = json.loads(kubectl("patch", "plr", "chat", *options, "-p", patch).stdout)
    return found


def planned() -> Json:
    """A status of planning that may be used, before anybody has looked at workloads."""
    ready = Condition(type="Ready", status="True", reason="PlanCurrent", message="p-1")
    conditions = rendered([ready], generation=1, now=NOW, previous=None)
    return with_parts({"observedGeneration": 1, "conditions": conditions}, None, spec=APPLY, now=NOW)


def step(phase: RolloutPhase) -> RolloutStep:
    memory = RolloutMemory(
        plan_id="p-1", since=SECONDS, failures=2, failed_at=SECONDS + 0.125, trouble="no image", done_at=SECONDS
    )
    return RolloutStep(phase=phase, reason="ReplicasStarting", message="1 of 2", actions=(), memory=memory)


def verdict() -> IdleVerdict:
    signal = SignalOutcome(signal=IdleSignal.QUEUE, result=SignalResult.IDLE, message="0 wait")
    memory = IdleMemory(
        state=IdleState.REAPED,
        since=SECONDS,
        last_active=SECONDS - 1800.0,
        reap_at=SECONDS,
        replicas_before=2,
        woken_by="é" * 256,
        wake_began=SECONDS - 7200.0,
        time_to_ready_seconds=61.5,
        saves_per_hour=9.6,
        saved_usd=12.345678,
        saved_at=SECONDS + 0.5,
    )
    return IdleVerdict(
        action=IdleAction.KEEP, target=0, memory=memory, reason="Reaped", message="since 10:00", signals=(signal,)
    )


def parts(phase: RolloutPhase) -> Parts:
    workload = WorkloadNow(kind="Deployment", name="chat", replicas=2, ready=1, weight=0.125)
    found = step(phase)
    return Parts(
        rollout=rollout_data(found, [workload]),
        idle=idle_data(verdict()),
        applied=applied_condition(found),
        idling=idle_condition(verdict()),
    )


def test_what_is_told_of_workloads_is_kept_whole_and_remembered(stored: Callable[[Json], Json]) -> None:
    told = with_new_parts(planned(), parts(RolloutPhase.FAILED), spec=APPLY, generation=1, now=NOW)

    kept = stored(told)["status"]

    assert kept == told
    assert same_decision(kept, told)
    assert rollout_memory_of(kept) == step(RolloutPhase.FAILED).memory
    assert idle_memory_of(kept) == verdict().memory


def test_kubectl_waits_until_a_plan_runs(stored: Callable[[Json], Json], kubectl: Kubectl, namespace: str) -> None:
    waiting = ("wait", "plr/chat", "-n", namespace)
    before = stored(with_new_parts(planned(), parts(RolloutPhase.PROGRESSING), spec=APPLY, generation=1, now=NOW))

    assert kubectl(*waiting, "--for=condition=Ready", "--timeout=1s", check=False).returncode != 0
    assert kubectl(*waiting, "--for=condition=Planned", "--timeout=30s").returncode == 0
    shown = kubectl("get", "plr", "chat", "-n", namespace, "-o", "wide").stdout.splitlines()[1].split()
    assert (shown[2], shown[-2:]) == ("RolloutPending", ["Progressing", "Reaped"])

    after = with_new_parts(before["status"], parts(RolloutPhase.ROLLED_OUT), spec=APPLY, generation=1, now=NOW)
    write(kubectl, namespace, after)

    assert "condition met" in kubectl(*waiting, "--for=condition=Ready", "--timeout=30s").stdout


def test_a_mode_is_filled_in_and_nothing_else(kubectl: Kubectl, namespace: str) -> None:
    """What a request leaves out comes from policies, so the server must not fill it in."""
    body = small_request("chat", idle={}, rollout={}, render={})

    spec = json.loads(kubectl("create", "-n", namespace, "-f", "-", "-o", "json", stdin=json.dumps(body)).stdout)[
        "spec"
    ]

    assert (spec["mode"], spec["idle"], spec["rollout"], spec["render"]) == ("Recommend", {}, {}, {})


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({"cron": "0 25 * * *"}, "spec.idle.keepAwake[0].cron: got '0 25 * * *' (hour), wants five fields of cron"),
        ({"timeZone": "Europe/Berln"}, "spec.idle.keepAwake[0].timeZone: got 'Europe/Berln', wants Europe/Berlin?"),
    ],
)
def test_what_only_a_calendar_knows_is_found_offline(window: Json, said: str, kubectl: Kubectl, namespace: str) -> None:
    keep_awake = [{"cron": "0 8 * * MON-FRI", "duration": "10h", **window}]
    body = json.dumps(small_request("chat", idle={"keepAwake": keep_awake}))

    taken = kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=body)
    (fault,) = validate(body, file="chat.json").faults

    assert taken.returncode == 0
    assert said in str(fault)
