"""Faults around the solves and writes of a fleet on the real API server: nothing is lost or promised twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import CHEAP, DEAR, GROUP, Cluster, observed, soon, spec
from tests.support.fleet_watcher import FleetWatcher
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, condition, reason
from tests.support.requests import small_spec

GATE = "PLACEWRIGHT_TEST_GATE"


@pytest.fixture
def cluster(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Cluster]:
    assert crds
    made = Cluster(control_plane)
    yield made
    made.clear()


def test_a_part_whose_solve_dies_keeps_its_plans_and_the_rest_is_planned(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    here, there = ({"matchLabels": {"only": name}} for name in (CHEAP, DEAR))
    with observed(cluster, tmp_path, "--solver-processes=2", test_solves=True) as operator:
        cluster.placements.create("one", spec(4, poolSelector=here))
        soon(operator, lambda: cluster.where("one") == {CHEAP: 4}, "a plan")
        before = cluster.placements.get("one")["status"]["plan"]
        cluster.placements.create("die-now", spec(4, poolSelector=here))
        cluster.placements.create("two", spec(4, poolSelector=there))
        soon(operator, lambda: cluster.where("two") == {DEAR: 4}, "the other part")
        soon(operator, lambda: reason(cluster.placements.get("one")) == "SolverCrashed", "the failure to be told")
        assert "signal 9" in condition(cluster.placements.get("die-now"), "Ready")["message"]
        assert cluster.placements.get("one")["status"]["plan"] == before
        cluster.placements.delete("die-now")
        soon(operator, lambda: cluster.where("one") == {CHEAP: 4}, "the part without the one that kills")
        assert operator.get("/healthz") == (200, "ok\n")


def test_a_spec_changed_during_the_solve_is_decided_by_its_new_spec(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    gate = tmp_path / "gate"
    with observed(cluster, tmp_path, test_solves=True, env={GATE: str(gate)}) as operator:
        cluster.placements.create("hold-a", spec(8))
        soon(operator, lambda: operator.samples("reconcile_queue_depth") == [1.0], "the solve to begin")
        cluster.placements.patch("hold-a", spec(4))
        gate.touch()
        soon(operator, lambda: cluster.where("hold-a") == {CHEAP: 4}, "the new spec's plan")
        soon(operator, lambda: operator.log("decided"), "the log line")
        assert [line["generation"] for line in operator.log("decided")] == [2]


def test_killed_around_solves_and_writes_nothing_is_lost_or_promised_twice(cluster: Cluster, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cluster.add_node(CHEAP, name)
        cluster.add_node(DEAR, f"{name}-dear")
    operator = OperatorProcess(cluster.plane.kubeconfig, tmp_path, namespaces=[cluster.namespace])
    with FleetWatcher(cluster.plane, cluster.namespace, (CHEAP, DEAR)) as watcher:
        for round_ in range(4):
            for index in range(3):
                cluster.placements.create(f"r{round_}-{index}", spec((8, 4, 2)[index]))
            operator.launch()
            wait_until(lambda: bool(operator.log("decided")), 60.0, "a first write")
            wanted = round_ % 3
            wait_until(lambda least=wanted: len(operator.log("decided")) >= least, 60.0, "some writes")  # type: ignore[misc]
            operator.kill()
        with operator:
            operator.wait(cluster.placements.all_settled, "all statuses")
            operator.wait(lambda: operator.idle, "rest")
            assert {reason(item) for item in cluster.placements.all()} <= {"PlanCurrent", "Infeasible"}
            taken = {name: operator.total("pool_gpus", pool=name, state="allocated") for name in (CHEAP, DEAR)}
            assert taken == {CHEAP: 16, DEAR: 16}
    watcher.check()


def test_a_rival_that_writes_status_loses(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.placements.create("one", spec(4))
    with observed(cluster, tmp_path) as operator:
        soon(operator, lambda: cluster.where("one") == {CHEAP: 4}, "a plan")
        cluster.placements.patch_status("one", {"relaxation": "rival"})

        def restored() -> bool:
            status = cluster.placements.get("one")["status"]
            return "relaxation" not in status and cluster.where("one") == {CHEAP: 4}

        soon(operator, restored, "the status to be ours again")
        soon(operator, lambda: operator.idle, "peace")


def test_an_older_install_with_only_placement_requests_goes_on(
    own_control_plane: Callable[..., ControlPlane], crds: list[Path], tmp_path: Path
) -> None:
    plane = own_control_plane()
    plane.apply_crds(*(path for path in crds if "placementrequests" in path.name))
    placements = Placements(plane.admin, plane.create_namespace())
    placements.create("chat", small_spec())
    with OperatorProcess(plane.kubeconfig, tmp_path, namespaces=[placements.namespace]) as operator:
        found = operator.wait(lambda: placements.settled("chat"), "a plan on a pool of its own")
        assert reason(found) == "PlanCurrent"
        placements.create("shared", spec(4))
        operator.wait(lambda: reason(placements.get("shared")) == "NoPools", "a refusal")
        assert any("gpupools" in str(line["message"]) for line in operator.log())
        plane.apply_crds(*crds)
        plane.admin.create(f"{GROUP}/gpupools", declared("late"))
        operator.wait(lambda: reason(placements.get("shared")) == "PlanCurrent", "the kinds that came")


def declared(name: str) -> dict[str, object]:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "labels": {"tier": "serving"}},
        "spec": {"gpu": "L40S", "stock": {"nodes": 1, "gpusPerNode": 8}, "pricePerGPUHour": 1.0},
    }
