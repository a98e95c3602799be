"""Bodies with acting and idling for tests, and for each of their CEL rules one that breaks it and ones close to it."""

from typing import Any

from tests.support.resources import Json, small_request

WINDOW: Json = {"cron": "0 8 * * MON-FRI", "duration": "10h"}


def full_acting_request(name: str = "full-acting") -> Json:
    """A valid request in which every field of acting and idling stands, but for a queue's preset."""
    rollout = {"strategy": "Recreate", "progressDeadline": "45m", "retryAfter": "90s"}
    idle = {
        "policy": "ScaleToFloor",
        "after": "45m",
        "announceFor": "0s",
        "warmupGrace": "20m",
        "floor": 2,
        "gpuUtilizationBelowPercent": 12.5,
        "excludeUntil": "2026-12-24T00:00:00+01:00",
        "keepAwake": [{**WINDOW, "timeZone": "America/Argentina/Buenos_Aires"}, WINDOW],
        "preset": "sglang",
        "modelName": "llama/8b",
        "queue": {"prometheusQuery": "sum(queue_depth)"},
    }
    reference = {"kind": "LeaderWorkerSet", "name": "llama.8b"}
    return small_request(name, mode="Apply", workloadRef=reference, rollout=rollout, idle=idle)


def full_queue_request(name: str = "full-queue") -> Json:
    """A valid request that watches the queue of a gateway."""
    return small_request(name, mode="Recommend", idle={"policy": "Report", "queue": {"preset": "gateway"}})


def full_policy_rollout() -> Json:
    """The spec.rollout of a PlacementPolicy in which every field stands."""
    brake = {"failedRollouts": 5, "within": "1h"}
    return {"strategy": "Hold", "maxGPUsPerCycle": 64, "cycle": "2m", "maxReapsPerCycle": 10, "brake": brake}


def full_policy_idle() -> Json:
    """The spec.idle of a PlacementPolicy in which every field stands."""
    return {
        "policy": "ScaleToFloor",
        "after": "1h",
        "announceFor": "10m",
        "warmupGrace": "0s",
        "gpuUtilizationBelowPercent": 20.5,
        "floor": 3,
    }


def _idle(**idle: Any) -> Json:
    return {"idle": {"policy": "ScaleToZero", **idle}}


def _awake(**window: Any) -> Json:
    return _idle(keepAwake=[{**WINDOW, **window}])


_WHERE = "spec.idle"

# (fields of a request's spec that break a rule, where the API server says it, what it says)
BROKEN_ACTING_REQUESTS: dict[str, tuple[Json, str, str]] = {
    "a workload of somebody else and one of our own": (
        {"workloadRef": {"kind": "Deployment", "name": "a"}, "render": {"image": "vllm/vllm-openai:v0.11.0"}},
        "spec.workloadRef",
        "wants no render beside it",
    ),
    "a deadline of a moment": (
        {"rollout": {"progressDeadline": "9s"}},
        "spec.rollout.progressDeadline",
        "wants 10s to 48h",
    ),
    "a deadline of days": ({"rollout": {"progressDeadline": "49h"}}, "spec.rollout.progressDeadline", "wants 10s to"),
    "tried again all the time": ({"rollout": {"retryAfter": "1s"}}, "spec.rollout.retryAfter", "wants 10s to 48h"),
    "idle for a moment": (_idle(after="9s"), f"{_WHERE}.after", "wants 10s to 168h"),
    "idle for a month": (_idle(after="720h"), f"{_WHERE}.after", "wants 10s to 168h"),
    "announced for a month": (_idle(announceFor="720h"), f"{_WHERE}.announceFor", "wants 0s to 168h"),
    "warm for a month": (_idle(warmupGrace="720h"), f"{_WHERE}.warmupGrace", "wants 0s to 168h"),
    "a floor of zero replicas": (_idle(floor=1), f"{_WHERE}.floor", "wants policy ScaleToFloor"),
    "a queue from nowhere": (_idle(queue={}), f"{_WHERE}.queue.preset", "wants exactly one of preset (metrics of a g"),
    "a queue from two places": (
        _idle(queue={"preset": "gateway", "prometheusQuery": "up"}),
        f"{_WHERE}.queue.preset",
        "wants exactly one of preset (metrics of a gateway)",
    ),
    "awake for a moment": (_awake(duration="59s"), f"{_WHERE}.keepAwake[0].duration", "wants 1m to 168h"),
    "awake for a month": (_awake(duration="720h"), f"{_WHERE}.keepAwake[0].duration", "wants 1m to 168h"),
}

KEPT_ACTING_REQUESTS: dict[str, Json] = {
    "a workload of somebody else": {"mode": "Apply", "workloadRef": {"kind": "StatefulSet", "name": "a"}},
    "an idle block of nothing": {"idle": {}, "rollout": {}},
    "a floor of the policy's": {"idle": {"floor": 2}},
    "a floor": {"idle": {"policy": "ScaleToFloor", "floor": 1}},
    "nothing announced": _idle(announceFor="0s", warmupGrace="0s", after="10s"),
    "awake with many spaces": _awake(cron="0,30  8-17/2 * JAN-NOV 1#1", duration="168h"),
    "awake in a zone of three words": _awake(timeZone="America/North_Dakota/New_Salem"),
    "awake in a zone with a sign": _awake(timeZone="Etc/GMT+12"),
}

# (fields of a policy's spec that break a rule, where the API server says it, what it says)
BROKEN_ACTING_POLICIES: dict[str, tuple[Json, str, str]] = {
    "a cycle of a moment": ({"rollout": {"cycle": "9s"}}, "spec.rollout.cycle", "wants 10s to 24h"),
    "a brake of a moment": ({"rollout": {"brake": {"within": "59s"}}}, "spec.rollout.brake.within", "wants 1m to 24h"),
    "all idle for a moment": ({"idle": {"after": "9s"}}, "spec.idle.after", "wants 10s to 168h"),
    "all announced for a month": ({"idle": {"announceFor": "720h"}}, "spec.idle.announceFor", "wants 0s to 168h"),
    "all warm for a month": ({"idle": {"warmupGrace": "720h"}}, "spec.idle.warmupGrace", "wants 0s to 168h"),
    "a floor of all without ScaleToFloor": (
        {"idle": {"policy": "Report", "floor": 2}},
        "spec.idle.floor",
        "wants policy ScaleToFloor",
    ),
}

KEPT_ACTING_POLICIES: dict[str, Json] = {
    "rollouts of nothing": {"rollout": {}, "idle": {}},
    "a brake of nothing": {"rollout": {"brake": {}}},
    "limits alone": {"rollout": {"maxGPUsPerCycle": 1, "maxReapsPerCycle": 1}},
    "a price of electricity": {"electricityPricePerKWh": 0.31},
}
