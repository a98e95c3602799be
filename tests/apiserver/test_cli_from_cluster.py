"""The command line reads a real API server: it says before what the operator does after, and writes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import CHEAP, DEAR, GROUP, Cluster, observed, soon, spec


@pytest.fixture
def cluster(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Cluster]:
    assert crds
    made = Cluster(control_plane)
    yield made
    made.clear()


def _run(cluster: Cluster, *arguments: str) -> Result:
    where = ["--from-cluster", "--kubeconfig", str(cluster.plane.kubeconfig)]
    return CliRunner().invoke(cli, [arguments[0], *where, *arguments[1:]], prog_name="placewright")


def _changes(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return {item["metadata"]["name"]: item for item in json.loads(result.stdout)["changes"]["items"]}


def test_what_would_be_decided_is_what_the_operator_decides(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    cluster.add_pod("training", on="a-0", gpus=4)
    cluster.placements.create("small", spec(4))
    cluster.placements.create("large", spec(8, priority=1))
    versions = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in _requests(cluster)}

    before = _changes(_run(cluster, "plan", "-o", "json"))
    assert {name: change["change"] for name, change in before.items()} == {"small": "Placed", "large": "Placed"}
    assert before["small"]["new"]["gpusByPool"] == {CHEAP: 4}
    assert before["large"]["new"]["gpusByPool"] == {DEAR: 8}
    assert {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in _requests(cluster)} == versions

    with observed(cluster, tmp_path) as operator:
        soon(operator, lambda: cluster.where("small") and cluster.where("large"), "both plans")
        soon(operator, lambda: operator.idle, "rest")
    ids = {name: cluster.placements.get(name)["status"]["plan"]["id"] for name in before}
    assert ids == {name: change["new"]["plan"] for name, change in before.items()}

    after = _changes(_run(cluster, "plan", "-o", "json"))
    assert {name: change["change"] for name, change in after.items()} == {"small": "Same", "large": "Same"}


def test_pools_are_told_as_they_are(cluster: Cluster) -> None:
    cluster.add_node(CHEAP, "x")
    cluster.add_node(CHEAP, "y")
    cluster.cordon("y-0")
    cluster.add_pod("training", on="x-0", gpus=3)
    result = _run(cluster, "pools", "-o", "json")
    assert result.exit_code == 0, result.output
    found = {item["metadata"]["name"]: item["status"] for item in json.loads(result.stdout)["items"]}
    assert (found[CHEAP]["capacity"], found[CHEAP]["heldByOthers"], found[CHEAP]["nodes"]) == (5, 3, 1)
    assert found[CHEAP]["leftOut"] == [{"node": "y-0", "reason": "Cordoned"}]
    assert (found[DEAR]["ready"], found[DEAR]["capacity"]) == (False, 0)


def _requests(cluster: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.api.items(f"{GROUP}/namespaces/{cluster.namespace}/placementrequests")
    return found
