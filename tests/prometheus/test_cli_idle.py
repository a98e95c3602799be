"""`placewright idle --prometheus-url` on the real Prometheus: what idles, what works, what nobody knows."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from placewright.kube.manifests.names import selector_of
from placewright.telemetry.prometheus.presets import GPU_POWER, GPU_POWER_LIMIT
from tests.support.exporter import Exporter, Traffic, history
from tests.support.prometheus_server import PrometheusServer
from tests.unit.cli.conftest import manifest

HOURS = 1.5
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
NOTHING = Traffic(requests_per_second=0.0, running=0.0)
STOPPED_AGO = 2400.0
PLAN = {"id": "p-a1", "state": "Approved", "replicas": 2, "costPerHour": 12.5, "gpusByPool": {"l40s": 4}}


@pytest.fixture(scope="module")
def url(prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    end = time.time()
    start = end - HOURS * 3600
    now = [start]
    exporter = Exporter(clock=lambda: now[0])

    def server(namespace: str, pod: str, traffic: Traffic) -> None:
        exporter.serve(traffic, model=MODEL, key=pod, namespace=namespace, instance=pod)
        exporter.gauge("up", 1.0, namespace=namespace, instance=pod)

    def advance(moment: float) -> None:
        now[0] = moment
        busy = Traffic(requests_per_second=0.5, running=1.0)
        for index in (0, 1):
            server("idle", f"idle-{index}", busy if moment < end - STOPPED_AGO else NOTHING)
            for name, watts in ((GPU_POWER, 300.0), (GPU_POWER_LIMIT, 350.0)):
                exporter.gauge(name, watts, namespace="idle", pod=f"idle-{index}", gpu="0")
            server("busy", f"busy-{index}", busy if index else NOTHING)
        server("half", "half-0", NOTHING)
        for index in (0, 1):
            server("failed", f"failed-{index}", NOTHING)
        exporter.gauge("up", 0.0 if 600 < end - moment < 700 else 1.0, namespace="failed", instance="failed-0")

    store = PrometheusServer(prometheus, tmp_path_factory.mktemp("prometheus"))
    store.load(promtool, history(exporter, advance, start=start, end=end, step=30.0))
    with store:
        yield store.url


def request(namespace: str, *, idle: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    spec = {} if idle is None else {"idle": idle}
    return {**manifest("chat", namespace=namespace, **spec), "status": {"plan": PLAN, **status}}


def run(tmp_path: Path, url: str, *requests: dict[str, Any], form: str = "json", name: str = "") -> Result:
    path = tmp_path / "requests.yaml"
    path.write_text(yaml.safe_dump_all(requests))
    named = [name] if name else []
    arguments = ["idle", *named, "-f", str(path), "--prometheus-url", url, "-o", form]
    return CliRunner().invoke(cli, arguments, prog_name="placewright", env={"COLUMNS": None})


def items(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return {item["metadata"]["namespace"]: item for item in json.loads(result.stdout)["items"]}


def results(item: dict[str, Any]) -> dict[str, str]:
    return {each["signal"]: each["result"] for each in item["idle"]["signals"]}


def test_each_is_judged_also_without_an_idle_policy(url: str, tmp_path: Path) -> None:
    names = ("idle", "busy", "half", "failed", "silent")
    done = run(tmp_path, url, *(request(name) for name in names))

    found = items(done)
    assert {name: found[name]["idle"]["state"] for name in names} == {
        "idle": "Idle",
        "busy": "Active",
        "half": "Unknown",
        "failed": "Unknown",
        "silent": "Unknown",
    }
    assert found["idle"]["burnsPerHour"] == 12.5
    assert found["busy"]["burnsPerHour"] == 0.0
    assert all("burnsPerHour" not in found[name] for name in ("half", "failed", "silent"))
    assert results(found["half"])["Scrapes"] == "Missing"  # one of its two replicas shows no metrics
    assert results(found["failed"])["Scrapes"] == "Missing"
    assert set(results(found["silent"]).values()) >= {"Missing"}
    assert "not reaped" not in found["idle"]["idle"]["message"]  # that is the operator's to say
    assert found["idle"]["source"] == "Prometheus"
    assert json.loads(done.stdout)["fleet"]["burnsPerHour"] == 12.5


def test_the_rules_of_the_request_count(url: str, tmp_path: Path) -> None:
    longer = request("idle", idle={"after": "60m"})
    assert items(run(tmp_path, url, longer))["idle"]["idle"]["state"] == "Active"  # it stopped 40 minutes ago


def test_since_when_is_told_by_the_last_activity(url: str, tmp_path: Path) -> None:
    seen = items(run(tmp_path, url, request("idle", idle={"after": "35m"})))["idle"]["idle"]
    assert seen["state"] == "Idle"
    table = run(tmp_path, url, request("idle", idle={"after": "35m"}), form="table").stdout
    assert "$12.50/h burns in 1 of 1 request" in table
    assert re.search(r"Idle +(3[5-9]|4[0-2]) min ago", table)
    since = datetime.fromisoformat(seen["since"]).timestamp()  # the window is idle, and nobody has looked before
    assert abs(time.time() - 35 * 60 - since) < 60


def test_what_the_status_says_of_a_reap_stands(url: str, tmp_path: Path) -> None:
    announced = {
        "state": "Idle",
        "since": "2026-11-21T10:00:00Z",
        "reapAt": "2026-11-21T10:05:00Z",
        "reason": "NoTraffic",
        "message": "announced",
    }
    reaped = {"state": "Reaped", "since": "2026-11-21T10:00:00Z", "reason": "Reaped", "message": "reaped"}
    bodies = [request("idle", idle={}), request("busy", idle={}), request("silent", idle={})]
    for body, told in zip(bodies, (announced, announced, reaped), strict=True):
        body["status"]["idle"] = told
    found = items(run(tmp_path, url, *bodies))

    assert found["idle"]["idle"]["reapAt"] == announced["reapAt"]
    assert "reapAt" not in found["busy"]["idle"]
    assert found["silent"]["idle"] == reaped  # nothing of it is up that could be asked
    assert found["silent"]["source"] == "Status"


def test_what_else_would_save_is_told_while_it_idles(url: str, tmp_path: Path) -> None:
    point = {"costPerHour": 1.2, "tokensPerSecond": 800.0, "costPerMillionTokens": 0.4, "summary": "1 x L40S TP1"}
    found = items(run(tmp_path, url, *(request(name, frontier=[point]) for name in ("idle", "busy"))))
    (saving,) = found["idle"]["idle"]["suggestions"]
    assert (saving["action"], saving["savesPerHour"]) == ("Downsize", 11.3)
    assert "1 x L40S TP1" in saving["message"]
    assert "suggestions" not in found["busy"]["idle"]


def test_a_limit_of_power_is_told_where_electricity_has_a_price(url: str, tmp_path: Path) -> None:
    policy = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "default"},
        "spec": {"electricityPricePerKWh": 0.2},
    }
    (saving,) = items(run(tmp_path, url, request("idle"), policy))["idle"]["idle"]["suggestions"]
    assert saving["action"] == "LimitGpuPower"
    assert saving["savesPerHour"] == pytest.approx(2 * (300 - 0.7 * 350) / 1000 * 0.2)


def test_replicas_that_run_count_and_not_those_of_the_plan(url: str, tmp_path: Path) -> None:
    workloads = [{"kind": "Deployment", "name": "chat", "replicas": 1, "readyReplicas": 1}]
    rollout = {"planId": "p-a1", "phase": "RolledOut", "reason": "RolledOut", "message": "", "workloads": workloads}
    assert items(run(tmp_path, url, request("half", rollout=rollout)))["half"]["idle"]["state"] == "Idle"


def pod(name: str, *, started_ago: float = 7200.0, ready: bool = True) -> dict[str, Any]:
    started = datetime.fromtimestamp(time.time() - started_ago, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "half", "labels": selector_of("chat", "a1b2c3d4")},
        "status": {"startTime": started, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


@pytest.mark.parametrize(
    ("pods", "state"),
    [
        ([{"name": "half-0"}], "Idle"),
        ([{"name": "half-0"}, {"name": "half-1"}], "Unknown"),  # the other one may work
        ([{"name": "half-0", "ready": False}], "Unknown"),
        ([{"name": "half-0", "started_ago": 60.0}], "Warming"),
    ],
)
def test_pods_count_where_they_are_known(url: str, tmp_path: Path, pods: list[dict[str, Any]], state: str) -> None:
    found = items(run(tmp_path, url, request("half"), *(pod(**each) for each in pods)))
    assert found["half"]["idle"]["state"] == state


def test_one_request_shows_each_signal(url: str, tmp_path: Path) -> None:
    done = run(tmp_path, url, request("failed"), form="table", name="chat")
    assert done.stdout.splitlines()[0] == "failed/chat: not known whether it idles"
    assert "Signals (asked now)" in done.stdout
    assert re.search(r"Scrapes +Missing +.*failed-0", done.stdout)


def test_a_server_that_is_away_is_no_idle_model(tmp_path: Path) -> None:
    found = items(run(tmp_path, "http://127.0.0.1:1", request("idle")))
    assert found["idle"]["idle"]["state"] == "Unknown"
    assert "burnsPerHour" not in found["idle"]
    table = run(tmp_path, "http://127.0.0.1:1", request("idle"), form="table").stdout
    assert "idle/chat ($12.50/h): not known whether it idles: " in table
    assert "$0.00/h burns in 0 of 1 request" in table


def test_a_url_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "ftp://x", request("idle"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
