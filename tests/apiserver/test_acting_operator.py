"""Requests in mode Apply on the real API server, with real controllers and the real scheduler; kwok plays kubelets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.acting_cluster import ActingCluster, soon, wait
from tests.support.placements import condition


@pytest.fixture
def cluster(full_control_plane: ControlPlane, tmp_path: Path) -> Iterator[ActingCluster]:
    with ActingCluster(full_control_plane, tmp_path) as made:
        yield made


def test_a_plan_is_rolled_out_changes_by_surge_and_goes_without_orphans(cluster: ActingCluster) -> None:
    cluster.ask("chat", replicas=2)
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
        first = cluster.plan("chat")
        (old,) = cluster.replicas()
        assert cluster.replicas() == {old: 2}
        assert cluster.ready() == 2
        found = cluster.placements.get("chat")
        assert condition(found, "Ready")["reason"] == "PlanCurrent"
        assert condition(found, "Planned")["status"] == "True"
        assert found["status"]["rollout"]["workloads"] == [
            {"kind": "Deployment", "name": old, "replicas": 2, "readyReplicas": 2}
        ]
        owner = cluster.deployments()[old]["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "PlacementRequest",
            found["metadata"]["uid"],
            True,
        )
        soon(operator, lambda: "RolledOut" in cluster.placements.event_reasons("chat"), "the Event")

        cluster.placements.patch("chat", cluster.spec(replicas=2, gpus=1))
        soon(operator, lambda: cluster.rolled_out("chat", but=first), "the next plan to be rolled out")
        soon(operator, lambda: old not in cluster.replicas(), "the old workload to go")
        (new,) = cluster.replicas()
        assert new != old
        assert cluster.replicas()[new] == 2
        assert operator.total("rollout_actions_total", action="Remove", result="Done") == 1.0

        cluster.placements.delete("chat")
        soon(operator, lambda: not cluster.deployments() and not cluster.pods(), "everything of chat to go")
        left = [
            each["metadata"]["name"]
            for path in ("services", "configmaps")
            for each in cluster.api.items(f"/api/v1/namespaces/{cluster.namespace}/{path}")
            if each["metadata"].get("ownerReferences")
        ]
        assert left == []
