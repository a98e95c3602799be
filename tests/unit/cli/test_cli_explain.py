"""`explain`: why, what lost, what binds, what was left out, what would help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Run = Callable[..., Result]
File = Callable[..., Path]
Chat = Callable[..., dict[str, Any]]


def test_an_approved_plan_is_explained(run: Run, medium: Path) -> None:
    result = run("explain", "--config-dir", medium)
    assert result.exit_code == 0
    for said in (
        "medium: approved, plan p-",
        "Optimal: proved, no layout is cheaper per token",
        "next best  2 x V100 TP4 (20 layers): cheaper per hour ($2.4/h) but 2.11 % dearer per token",
        "A100: 8 of 8 GPUs, all of them",
        "8, the most that are allowed",
        "5 in the smallest stage, the fewest that are allowed",
        "only quantized segment sizes were allowed",
        "best price  $0.103563/M tokens; the stock binds",
        "Alternatives that lost",
        "InsufficientMemory",
        "need 160.7 GiB at TP1",
    ):
        assert said in result.stdout


def test_limits_of_a_request_are_shown_with_their_room(run: Run, file: File, chat: Chat) -> None:
    request = chat(
        slo={"ttft": "20s", "tpot": "1s"},
        gates={"maxCostPerHour": 20},
        objective={"type": "Cost", "minTokensPerSecond": 10},
    )
    result = run("explain", "-f", file(request))
    assert result.exit_code == 0
    for said in (
        "cost per hour",
        "of at most 20 s",
        "of at most 1 s",
        "of at least 10.0 tokens/s",
        "l40s: 1 of 4 GPUs",
    ):
        assert said in result.stdout


def test_a_blocked_plan_says_what_would_help(run: Run, medium: Path) -> None:
    result = run("explain", "--config-dir", medium, "--set", "max_cost_per_million_token=0.1")
    assert result.exit_code == 3
    assert "CostPerTokenGate" in result.stdout
    assert "raise config.csv: max_cost_per_million_token from 0.1 to" in result.stdout


def test_an_infeasible_request_says_why_and_what_would_help(run: Run, medium: Path) -> None:
    result = run("explain", "--config-dir", medium, "--min-throughput", "50000")
    assert result.exit_code == 4
    assert "Infeasible: proved, no layout fits" in result.stdout
    assert "What would help" in result.stdout
    assert "lower --min-throughput from 50000 to" in result.stdout
    assert "ThroughputShort" in result.stdout
    assert "What binds" not in result.stdout


def test_a_suspended_request_has_nothing_to_explain(run: Run, file: File, chat: Chat) -> None:
    result = run("explain", "-f", file(chat(suspend=True)))
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)


def test_bad_input_is_refused_as_by_plan(run: Run) -> None:
    result = run("explain", "-f", "none.yaml")
    assert (result.exit_code, result.stdout) == (2, "")


def _status() -> dict[str, Any]:
    workloads = [
        {"kind": "Deployment", "name": "chat-new", "replicas": 2, "readyReplicas": 1, "trafficPercent": 25.0},
        {"kind": "Deployment", "name": "chat-old", "replicas": 1, "readyReplicas": 1, "trafficPercent": 75.0},
    ]
    rollout = {"planId": "p-a1", "phase": "Failed", "reason": "RolloutFailed", "message": "1 of 2 is not Ready"}
    failed = {"failures": 2, "failedAt": "2026-11-21T10:00:00Z", "trouble": "ImagePullBackOff"}
    idle = {"state": "Idle", "since": "2026-11-21T09:00:00Z", "reason": "NoTraffic", "message": "idle"}
    saved = {"reapAt": "2026-11-21T09:05:00Z", "avoidedDollars": 12.345, "avoidedAsOf": "2026-11-20T10:00:00Z"}
    paused = {"type": "Applied", "status": "False", "reason": "Paused", "message": "the request is paused: holidays"}
    return {
        "conditions": [paused],
        "rollout": {**rollout, **failed, "workloads": workloads},
        "idle": {**idle, **saved},
    }


def test_what_runs_is_told_from_the_status(run: Run, file: File, chat: Chat) -> None:
    path = file({**chat("chat", namespace="serving"), "status": _status()})
    told = run("explain", "-f", path).stdout
    section = told.partition("What runs now\n")[2].splitlines()[:7]
    assert [" ".join(line.split()) for line in section] == [
        "not applied Paused: the request is paused: holidays",
        "rollout p-a1 Failed: 1 of 2 is not Ready",
        "failed 2 times, last at 2026-11-21T10:00:00Z: ImagePullBackOff",
        "runs Deployment chat-new: 1 of 2 Ready, 25 % of the traffic",
        "Deployment chat-old: 1 of 1 Ready, 75 % of the traffic",
        "idling Idle since 2026-11-21T09:00:00Z: idle; reaped at 2026-11-21T09:05:00Z unless something comes",
        "avoided $12.35 until 2026-11-20T10:00:00Z",
    ]
    assert "chat-new: 1 of 2 Ready" in run("plan", "-f", path, "-o", "wide").stdout
    assert "chat-new" not in run("plan", "-f", path).stdout


def test_what_runs_of_a_suspended_request_is_told_too(run: Run, file: File, chat: Chat) -> None:
    path = file({**chat("chat", namespace="serving", suspend=True), "status": _status()})
    assert "chat-new: 1 of 2 Ready" in run("explain", "-f", path).stdout


def test_without_a_status_nothing_runs(run: Run, file: File, chat: Chat) -> None:
    assert "What runs now" not in run("explain", "-f", file(chat())).stdout
