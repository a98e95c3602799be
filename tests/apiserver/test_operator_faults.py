"""Faults around solve and write on the real API server: nothing is lost, nothing stale is written."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition, is_settled, reason
from tests.support.requests import small_spec

GATE = "PLACEWRIGHT_TEST_GATE"


@pytest.fixture
def placements(control_plane: ControlPlane, namespace: str, crds: list[Path]) -> Placements:
    assert crds
    return Placements(control_plane.admin, namespace)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """While this file is absent, solves of requests called hold-... wait."""
    return tmp_path / "gate"


@pytest.fixture
def operator(control_plane: ControlPlane, namespace: str, tmp_path: Path, gate: Path) -> Iterator[OperatorProcess]:
    """An operator whose solves hang, die or wait by the names of the requests."""
    with OperatorProcess(
        control_plane.kubeconfig,
        tmp_path,
        namespaces=[namespace],
        arguments=["--solver-processes=2", "--solver-memory-mib=700"],
        test_solves=True,
        env={GATE: str(gate)},
    ) as started:
        yield started


def solving(operator: OperatorProcess) -> bool:
    """A request is in work and its debounce is over."""
    return operator.samples("reconcile_queue_depth") == [1.0]


def announced(placements: Placements, name: str) -> bool:
    found = placements.find(name)
    return found is not None and condition(found, "Reconciling").get("reason") == "Solving"


def test_a_long_solve_is_announced_and_a_spec_changed_meanwhile_is_decided_instead(
    operator: OperatorProcess, placements: Placements, gate: Path
) -> None:
    placements.create("hold-a", small_spec(price=1.0))
    operator.wait(lambda: announced(placements, "hold-a"), "the announcement")
    placements.patch("hold-a", {"pools": small_spec(price=7.0)["pools"]})
    gate.touch()
    found = operator.wait(lambda: placements.settled("hold-a"), "the new spec's status")
    assert found["metadata"]["generation"] == 2
    assert found["status"]["plan"]["costPerHour"] == pytest.approx(7.0 * found["status"]["plan"]["totalGPUs"])
    assert not condition(found, "Reconciling")
    assert [line["generation"] for line in operator.log("decided")] == [2]


def test_an_object_recreated_during_its_solve_gets_its_own_decision(
    operator: OperatorProcess, placements: Placements, gate: Path
) -> None:
    old = placements.create("hold-a", small_spec(price=1.0))
    operator.wait(lambda: announced(placements, "hold-a"), "the announcement")
    placements.delete("hold-a")
    new = placements.create("hold-a", small_spec(price=7.0))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    gate.touch()
    found = operator.wait(lambda: placements.settled("hold-a"), "the new object's status")
    assert found["metadata"]["uid"] == new["metadata"]["uid"]
    assert found["status"]["plan"]["costPerHour"] == pytest.approx(7.0 * found["status"]["plan"]["totalGPUs"])
    assert len(found["status"]["history"]) == 1


def test_a_request_deleted_during_its_solve_leaves_nothing_behind(
    operator: OperatorProcess, placements: Placements, gate: Path
) -> None:
    placements.create("hold-a")
    operator.wait(lambda: solving(operator), "the solve to begin")
    placements.delete("hold-a")
    operator.wait(lambda: operator.idle and not operator.samples("request_info"), "the work to be dropped")
    gate.touch()
    placements.create("chat")
    operator.wait(lambda: placements.settled("chat"), "another request")
    assert operator.get("/healthz") == (200, "ok\n")


def test_solves_that_hang_die_raise_or_eat_memory_end_as_conditions_while_others_go_on(
    operator: OperatorProcess, placements: Placements
) -> None:
    prices = {"hang-a": 1.1, "die-a": 1.2, "exit-a": 1.3, "raise-a": 1.4, "eat-a": 1.5}
    for name, price in prices.items():
        placements.create(name, small_spec(price=price, solver={"timeLimit": "2s" if name == "hang-a" else "60s"}))
    for index in range(5):
        placements.create(f"well-{index}", small_spec(price=2.0 + index))
    operator.wait(placements.all_settled, "every request to end")
    ends = {item["metadata"]["name"]: reason(item) for item in placements.all()}
    assert {ends[f"well-{index}"] for index in range(5)} == {"PlanCurrent"}
    assert ends["hang-a"] == "SolverTimeout"
    crashed = {name: condition(placements.get(name), "Ready") for name in prices if name != "hang-a"}
    assert {found["reason"] for found in crashed.values()} == {"SolverCrashed"}, crashed
    assert condition(placements.get("die-a"), "Stalled")["status"] == "True"
    assert "signal 9" in condition(placements.get("die-a"), "Ready")["message"]
    assert operator.get("/healthz") == (200, "ok\n")

    solves = operator.solves
    placements.patch("die-a", {}, labels={"touched": "yes"})  # quarantined: not tried again by itself
    placements.patch("hang-a", {"model": {"name": "nobody/knows-this"}})
    changed = operator.wait(lambda: placements.settled("hang-a"), "the changed request")
    assert reason(changed) == "UnsupportedModel"
    assert operator.solves == solves


def test_a_rival_that_writes_status_loses_in_the_end_and_is_not_fought_without_bound(
    operator: OperatorProcess, placements: Placements
) -> None:
    placements.create("chat")
    mine = operator.wait(lambda: placements.settled("chat"), "the first status")["status"]
    before, writes = operator.written, 0
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        writes += 1
        placements.patch_status("chat", {"relaxation": f"rival {writes}", "plan": None})

    def restored() -> bool:
        status = placements.get("chat")["status"]
        return status.get("plan", {}).get("id") == mine["plan"]["id"] and "relaxation" not in status

    operator.wait(restored, "the status to be ours again")
    assert writes > 20
    assert 1 <= operator.written - before <= 6
    assert operator.solves == 1
    operator.wait(lambda: operator.idle, "peace")


def test_three_hundred_at_once_get_one_write_each(operator: OperatorProcess, placements: Placements) -> None:
    for index in range(300):
        placements.create(f"bulk-{index}", small_spec(price=1.0 + index % 10))
    operator.wait(placements.all_settled, "all 300")
    assert operator.written == 300
    assert operator.solves == 10
    assert operator.total("request_info") == 300
    assert len(placements.event_reasons("bulk-0")) <= 1


def test_killed_ten_times_around_solve_and_write_nothing_is_lost(
    control_plane: ControlPlane, placements: Placements, tmp_path: Path
) -> None:
    operator = OperatorProcess(control_plane.kubeconfig, tmp_path, namespaces=[placements.namespace])
    for round_ in range(10):
        for index in range(4):
            placements.create(f"chat-{round_}-{index}", small_spec(price=1.0 + round_ + index / 10))
        if round_:
            placements.patch(f"chat-{round_ - 1}-0", {"gates": {"maxCostPerHour": 1.0 + round_}})
        operator.launch()
        # From before the first solve to after the last write, a little later each round.
        wait_until(lambda: bool(operator.log("decided")), 60.0, "a first decision")
        written = round_ % 5
        wait_until(lambda wanted=written: len(operator.log("decided")) >= wanted, 60.0, "some writes")  # type: ignore[misc]
        operator.kill()
    with operator:
        operator.wait(placements.all_settled, "all statuses")
        operator.wait(lambda: operator.idle, "rest")
        assert {reason(item) for item in placements.all()} <= {"PlanCurrent", "GateBlocked"}
        versions = placements.versions()
    with operator:
        operator.wait(lambda: operator.total("request_info") == 40 and operator.idle, "a quiet restart")
        assert (operator.written, operator.solves) == (0, 0)
        assert placements.versions() == versions


def test_solver_processes_die_with_a_killed_operator(operator: OperatorProcess, placements: Placements) -> None:
    placements.create("hang-a", small_spec(solver={"timeLimit": "60s"}))
    operator.wait(lambda: announced(placements, "hang-a"), "the solve to hang")
    children = descendants(operator.process.pid)
    assert children
    operator.kill()
    wait_until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], 10.0, "no orphan")


def test_the_api_server_away_for_ten_seconds(
    own_control_plane: Callable[..., ControlPlane], crds: list[Path], tmp_path: Path
) -> None:
    control_plane = own_control_plane()
    control_plane.apply_crds(*crds)
    placements = Placements(control_plane.admin, control_plane.create_namespace())
    gate = tmp_path / "gate"
    with OperatorProcess(
        control_plane.kubeconfig, tmp_path, test_solves=True, env={GATE: str(gate)}, arguments=["--resync=5"]
    ) as operator:
        placements.create("before")
        operator.wait(lambda: placements.settled("before"), "a first status")
        placements.create("hold-during", small_spec(price=5.0))
        operator.wait(lambda: solving(operator), "a solve in work")
        away = threading.Event()
        with control_plane.apiserver_down():
            gate.touch()  # the solve ends while nobody can be told
            away.wait(10.0)
            assert operator.get("/healthz") == (200, "ok\n")
        placements.create("after", small_spec(price=6.0))
        operator.wait(placements.all_settled, "all statuses")
        operator.wait(lambda: operator.idle, "rest")
        assert {reason(item) for item in placements.all()} == {"PlanCurrent"}
        assert operator.solves == 3
        assert operator.written == 3


def test_without_its_crd_it_waits_says_so_and_begins_when_it_comes(
    own_control_plane: Callable[..., ControlPlane], crds: list[Path], tmp_path: Path
) -> None:
    control_plane = own_control_plane()
    operator = OperatorProcess(control_plane.kubeconfig, tmp_path)
    operator.launch()
    try:
        operator.wait(lambda: "CustomResourceDefinition" in operator.get("/readyz")[1], "it to say what is missing")
        assert operator.get("/readyz")[0] == 503
        assert operator.get("/healthz") == (200, "ok\n")
        assert any("CustomResourceDefinition" in line["message"] for line in operator.log())
        control_plane.apply_crds(*crds)
        operator.wait(lambda: operator.get("/readyz")[0] == 200, "readiness")
        placements = Placements(control_plane.admin, control_plane.create_namespace())
        placements.create("chat")
        found = operator.wait(lambda: placements.settled("chat"), "a status")
        assert is_settled(found)
    finally:
        operator.stop()
    assert operator.process.returncode == 0


def test_credentials_without_rights_are_told_and_not_fatal_to_others(
    control_plane: ControlPlane, placements: Placements, tmp_path: Path
) -> None:
    operator = OperatorProcess(control_plane.kubeconfig_for("nobody"), tmp_path, namespaces=[placements.namespace])
    operator.launch()
    try:
        operator.wait(lambda: operator.get("/readyz")[0] == 503, "it to be unready")
        operator.wait(lambda: any("403" in str(line) for line in operator.log()), "the refusal in the log")
    finally:
        operator.stop()
    with pytest.raises(ApiError):
        control_plane.api("nobody").items(placements.path)


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            text = " ".join((task / "children").read_text(encoding="ascii") for task in tasks)
        except FileNotFoundError:
            continue
        children = [int(child) for child in text.split()]
        found += children
        waiting += children
    return found
