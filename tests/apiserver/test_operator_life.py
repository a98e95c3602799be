"""A request's whole life on the real API server, by the operator as its own process."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition, reason
from tests.support.requests import small_spec


@pytest.fixture
def placements(control_plane: ControlPlane, namespace: str, crds: list[Path]) -> Placements:
    assert crds
    return Placements(control_plane.admin, namespace)


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    with OperatorProcess(control_plane.kubeconfig, tmp_path, namespaces=[namespace]) as started:
        yield started


def settled(operator: OperatorProcess, placements: Placements, name: str) -> dict[str, Any]:
    found: dict[str, Any] = operator.wait(lambda: placements.settled(name), f"a status for {name}")
    return found


def test_a_request_gets_its_plan_its_event_its_metrics_and_one_log_line(
    operator: OperatorProcess, placements: Placements, kubectl: Callable[..., Any]
) -> None:
    placements.create("chat")
    kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", placements.namespace, "placementrequest/chat")
    found = placements.get("chat")
    plan = found["status"]["plan"]
    assert reason(found) == "PlanCurrent"
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert found["status"]["solver"]["status"] == "Optimal"
    assert "finalizers" not in found["metadata"]
    assert "annotations" not in found["metadata"]

    operator.wait(lambda: placements.event_reasons("chat") == ["PlanCurrent"], "the Event")
    labels = {"namespace": placements.namespace, "name": "chat"}
    assert operator.samples("cost_usd_per_hour", **labels) == [plan["costPerHour"]]
    assert operator.samples("cost_usd_per_token", **labels) == [pytest.approx(plan["costPerMillionTokens"] / 1e6)]
    assert operator.samples("request_status_condition", type="Ready", reason="PlanCurrent", **labels) == [1.0]
    assert operator.solves == 1
    assert operator.written == 1

    lines = operator.log("decided")
    assert len(lines) == 1
    assert lines[0]["plan"] == plan["id"]
    assert lines[0]["costPerHour"] == plan["costPerHour"]
    assert lines[0]["seconds"] >= 0
    assert not any("spec" in line for line in operator.log())


def test_edits_suspension_and_deletion(operator: OperatorProcess, placements: Placements) -> None:
    placements.create("chat")
    first = settled(operator, placements, "chat")["status"]["plan"]

    placements.patch("chat", {"gates": {"maxCostPerHour": 0.01}})
    blocked = settled(operator, placements, "chat")
    assert blocked["metadata"]["generation"] == 2
    assert reason(blocked) == "GateBlocked"
    assert condition(blocked, "Stalled")["status"] == "True"
    assert "maxCostPerHour" in blocked["status"]["relaxation"]
    running, best = blocked["status"]["plan"], blocked["status"]["blocked"]["plan"]
    assert (running["id"], running["state"], running["decidedAt"]) == (first["id"], "Approved", first["decidedAt"])
    assert best["state"] == "Blocked"
    assert [gate["result"] for gate in blocked["status"]["blocked"]["gates"]] == ["Fail"]
    labels = {"namespace": placements.namespace, "name": "chat"}
    operator.wait(lambda: operator.samples("cost_gate_blocked", gate="CostPerHour", **labels) == [1.0], "the series")

    placements.patch("chat", {"gates": None})
    assert settled(operator, placements, "chat")["status"]["plan"]["id"] == first["id"]

    placements.patch("chat", {"suspend": True, "pools": small_spec(price=9.0)["pools"]})
    suspended = settled(operator, placements, "chat")
    assert reason(suspended) == "Suspended"
    assert suspended["status"]["plan"]["id"] == first["id"]
    assert first["id"] in condition(suspended, "Ready")["message"]

    placements.patch("chat", {"suspend": False})
    dearer = settled(operator, placements, "chat")
    assert reason(dearer) == "PlanCurrent"
    assert dearer["status"]["plan"]["costPerHour"] > first["costPerHour"]

    placements.delete("chat")
    operator.wait(lambda: not operator.samples("request_info", **labels), "the series to vanish")
    assert placements.find("chat") is None


def test_what_the_user_must_fix_is_stalled_with_the_field(operator: OperatorProcess, placements: Placements) -> None:
    placements.create("typo", small_spec() | {"model": {"name": "meta-lama/Llama-3.1-8B-Instruct"}})
    found = settled(operator, placements, "typo")
    assert reason(found) == "UnsupportedModel"
    assert condition(found, "Stalled")["status"] == "True"
    assert "spec.model.name" in condition(found, "Ready")["message"]

    placements.create("tiny", small_spec() | {"model": {"name": "meta-llama/Llama-3.1-70B-Instruct"}})
    infeasible = settled(operator, placements, "tiny")
    assert reason(infeasible) in {"PlanCurrent", "Infeasible"}
    operator.wait(lambda: operator.idle, "the operator to rest")


def test_equal_inputs_are_solved_once_and_get_the_same_plan(operator: OperatorProcess, placements: Placements) -> None:
    for index in range(5):
        placements.create(f"twin-{index}")
    operator.wait(placements.all_settled, "all statuses")
    plans = {item["status"]["plan"]["id"] for item in placements.all()}
    assert len(plans) == 1
    assert operator.solves == 1


def test_labels_and_annotations_cause_neither_solves_nor_writes(
    operator: OperatorProcess, placements: Placements
) -> None:
    placements.create("chat")
    settled(operator, placements, "chat")
    for index in range(20):
        placements.patch("chat", {}, labels={"edit": str(index)}, annotations={"note": str(index)})
    last = placements.get("chat")["metadata"]["resourceVersion"]
    seen = operator.samples("watch_last_event_timestamp_seconds")
    placements.create("after")
    settled(operator, placements, "after")
    assert operator.samples("watch_last_event_timestamp_seconds") >= seen
    assert placements.get("chat")["metadata"]["resourceVersion"] == last
    assert operator.solves == 1


def test_at_rest_and_after_a_restart_nothing_is_written_or_solved(
    operator: OperatorProcess, placements: Placements
) -> None:
    placements.create("planned")
    placements.create("blocked", small_spec(gates={"maxCostPerHour": 0.01}))
    placements.create("typo", small_spec() | {"model": {"name": "nobody/knows-this"}})
    placements.create("idle", small_spec(suspend=True))
    operator.wait(placements.all_settled, "all statuses")
    operator.wait(lambda: operator.idle, "the operator to rest")
    before = placements.versions()

    operator.stop()
    assert operator.process.returncode == 0
    operator.start()
    operator.wait(lambda: len(operator.samples("request_info")) == 4 and operator.idle, "the restart to settle")
    assert placements.versions() == before
    assert operator.written == 0
    assert operator.solves == 0


def test_metrics_pass_promtool(
    operator: OperatorProcess, placements: Placements, promtool: Path, tmp_path: Path
) -> None:
    placements.create("chat", small_spec(gates={"maxCostPerHour": 100.0}))
    settled(operator, placements, "chat")
    text = operator.get("/metrics")[1]
    (tmp_path / "metrics.txt").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr + done.stdout == ""
    assert set(re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE)) >= {
        "placewright_build_info",
        "placewright_request_info",
        "placewright_solve_duration_seconds",
        "placewright_status_writes_total",
    }


def test_sigterm_ends_quickly_and_cleanly(operator: OperatorProcess, placements: Placements) -> None:
    placements.create("chat")
    settled(operator, placements, "chat")
    operator.process.signal(signal.SIGTERM)
    wait_until(lambda: not operator.process.running, 20.0, "the operator to end")
    assert operator.process.returncode == 0
