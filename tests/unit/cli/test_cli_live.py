"""Planning files with live figures of a server that answers as a test says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import bad_prometheus as bad
from tests.unit.cli.conftest import Run, manifest

QUERY = "sum(rate(http_requests_total[5m]))"
WORKLOAD = {"inputTokens": 1024, "outputTokens": 256}


def file_of(tmp_path: Path, *more: dict[str, Any], demand_from: dict[str, Any] | None = None, **spec: Any) -> Path:
    given = {"prometheusQuery": QUERY, "window": "10m"} if demand_from is None else demand_from
    request = manifest(workload={**WORKLOAD, "demandFrom": given}, **spec)
    file = tmp_path / "request.yaml"
    file.write_text(yaml.safe_dump_all([request, *more]))
    return file


def policy(**inputs: Any) -> dict[str, Any]:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "default"},
        "spec": {"inputs": inputs},
    }


def test_a_file_is_planned_with_the_demand_that_is_asked_once(run: Run, tmp_path: Path) -> None:
    with bad.BadPrometheus(bad.figure("2")) as server:
        done = run("plan", "-f", file_of(tmp_path), "--prometheus-url", server.url, "-o", "json")
    assert done.exit_code == 0, done.stderr
    (plan,) = json.loads(done.stdout)["items"]
    assert plan["status"]["plan"]["demandRequestsPerSecond"] == 2.2  # with the headroom of 10 %
    assert plan["status"]["demand"]["requestsPerSecond"] == 2.2
    assert plan["status"]["demand"]["source"] == "query, 0.95 quantile of 10m, 10 % headroom"
    assert plan["status"]["inputs"]["demandAsOf"] >= "2026"
    assert "default/chat: live demand 2.2 requests/s (query, 0.95 quantile of 10m, 10 % headroom)" in done.stderr
    assert [seen.form["query"] for seen in server.seen] == [QUERY]


def test_what_if_asks_no_second_time(run: Run, tmp_path: Path) -> None:
    with bad.BadPrometheus(bad.figure("2")) as server:
        args = ("plan", "-f", file_of(tmp_path), "--prometheus-url", server.url, "--what-if", "price l40s=0.9")
        done = run(*args)
    assert done.exit_code == 0, done.stderr
    assert len(server.seen) == 1


def test_both_sides_of_a_diff_have_the_live_demand(run: Run, tmp_path: Path) -> None:
    file = file_of(tmp_path)
    with bad.BadPrometheus(bad.figure("2")) as server:
        done = run("diff", "-f", file, "--base", file, "--prometheus-url", server.url, "-o", "json")
    assert done.exit_code == 0, done.stderr
    assert len(server.seen) == 1
    assert json.loads(done.stdout)["kind"] == "PlacementDiff"


def test_the_revenue_is_asked_too(run: Run, tmp_path: Path) -> None:
    gates = {"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": "sum(usd)"}
    file = file_of(tmp_path, demand_from={}, gates=gates)
    file.write_text(yaml.safe_dump(manifest(workload={**WORKLOAD, "requestsPerSecond": 1}, gates=gates)))
    with bad.BadPrometheus(bad.figure("0.5")) as server:
        done = run("plan", "-f", file, "--prometheus-url", server.url)
    assert done.exit_code == 3, done.output  # half of 50 cents pays no GPU
    with bad.BadPrometheus(bad.figure("100")) as server:
        assert run("plan", "-f", file, "--prometheus-url", server.url).exit_code == 0


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (bad.empty, "no series"),
        (bad.figure("NaN"), "NaN"),
        (bad.figure("1", seconds_ago=900), "stale: 900 s old"),
        (bad.body("boom", 500), "Status: HTTP 500"),
        (bad.refusal(400, "bad_data", "parse error"), "QueryRejected: HTTP 400: bad_data: parse error"),
    ],
)
def test_without_a_usable_figure_a_file_has_no_plan(run: Run, tmp_path: Path, behaviour: Any, why: str) -> None:
    with bad.BadPrometheus(behaviour) as server:
        done = run("plan", "-f", file_of(tmp_path), "--prometheus-url", server.url)
    assert done.exit_code == 2
    assert "default/chat: not planned, spec.workload.demandFrom: got no figure (" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "not planned" in line)
    assert line.endswith("), wants requests per second from Prometheus")
    assert why in line
    assert why in done.stderr


def test_why_there_is_no_demand_is_told_without_other_faults_and_without_the_log(run: Run, tmp_path: Path) -> None:
    file = file_of(tmp_path, gates={"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": "sum(x)"})
    done = run("plan", "-f", file, "--prometheus-url", "http://127.0.0.1:1")
    assert done.exit_code == 2
    (line,) = (line for line in done.stdout.splitlines() if "not planned" in line)
    assert "revenuePerHourQuery" not in line
    assert all(each.startswith("note: default/chat: ") for each in done.stderr.splitlines())


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_query_that_nobody_would_send_is_a_fault_of_the_file(run: Run, tmp_path: Path, command: str) -> None:
    gates = {"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": "sum(usd) @ -1"}
    file = file_of(tmp_path, demand_from={"prometheusQuery": "sum("}, gates=gates)
    done = run(command, "-f", file)
    assert done.exit_code == 2
    first, second = done.stderr.splitlines()
    assert "spec.workload.demandFrom.prometheusQuery: got 'sum(', wants PromQL (" in first
    assert "spec.gates.revenuePerHourQuery: got 'sum(usd) @ -1', wants times" in second
    assert first.startswith(f"error: {file}:")


def test_a_policy_that_speaks_of_queries_holds_here_as_well(run: Run, tmp_path: Path) -> None:
    with bad.BadPrometheus(bad.figure("2")) as server:
        forbidden = file_of(tmp_path, policy(requestQueries="Forbidden"))
        done = run("plan", "-f", forbidden, "--prometheus-url", server.url)
        assert (done.exit_code, server.seen) == (2, [])
        assert "PlacementPolicy default forbids" in done.stderr
        own = file_of(tmp_path, policy(requestQueries="OwnNamespace"))
        assert run("plan", "-f", own, "--prometheus-url", server.url).exit_code == 0
    assert server.seen[0].form["query"] == 'sum(rate(http_requests_total{namespace="default"}[5m]))'


def test_the_demand_in_force_stays_while_the_server_is_away(run: Run, tmp_path: Path) -> None:
    request = manifest(workload={**WORKLOAD, "demandFrom": {"preset": "vllm"}})
    one = {"name": "all", "inputTokens": 1000, "outputTokens": 200, "requestsPerSecond": 3}
    status = {"asOf": "2026-11-21T10:00:00Z", "source": "preset vllm", "requestsPerSecond": 3, "tokensPerSecond": 3600}
    request["status"] = {"demand": {**status, "classes": [one]}}
    file = tmp_path / "request.yaml"
    file.write_text(yaml.safe_dump(request))
    with bad.BadPrometheus(bad.body("boom", 500)) as server:
        done = run("plan", "-f", file, "--prometheus-url", server.url, "-o", "json")
    assert done.exit_code == 0, done.stderr
    planned = json.loads(done.stdout)["items"][0]["status"]
    assert planned["plan"]["demandRequestsPerSecond"] == 3
    assert planned["demand"] == request["status"]["demand"]
    fresh = next(entry for entry in planned["conditions"] if entry["type"] == "InputsFresh")
    assert (fresh["status"], fresh["reason"]) == ("False", "DemandUnavailable")
    assert "default/chat: demand: missing: Status: HTTP 500" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--prometheus-url", "prometheus:9090"], "--prometheus-url: got 'prometheus:9090', wants http(s)://"),
        (["--prometheus-token-file", "x"], "--prometheus-token-file wants --prometheus-url"),
        (["--prometheus-ca-file", "x"], "--prometheus-ca-file wants --prometheus-url"),
        (["--prometheus-url", "https://h", "--prometheus-ca-file", "/none"], "CA file /none: got No such file"),
    ],
)
def test_options_that_are_wrong_are_one_line(run: Run, tmp_path: Path, args: list[str], message: str) -> None:
    done = run("plan", "-f", file_of(tmp_path), *args)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_token_file_is_sent_and_not_shown(run: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t")
    with bad.BadPrometheus(bad.echo) as server:
        done = run("plan", "-f", file_of(tmp_path), "--prometheus-url", server.url, "--prometheus-token-file", token)
    assert server.seen[0].headers["authorization"] == "Bearer s3cr3t"
    assert "s3cr3t" not in done.output
