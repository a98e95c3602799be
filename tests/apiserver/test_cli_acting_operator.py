"""`pause`, `resume`, `wake` and `idle` with the operator that obeys them, on a real control plane."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from tests.controlplane.server import ControlPlane
from tests.support.acting_cluster import ActingCluster, soon, wait
from tests.support.placements import MERGE


@pytest.fixture
def cluster(full_control_plane: ControlPlane, tmp_path: Path) -> Iterator[ActingCluster]:
    with ActingCluster(full_control_plane, tmp_path) as made:
        yield made


def run(cluster: ActingCluster, *arguments: str) -> Result:
    where = ["-n", cluster.namespace, "--kubeconfig", str(cluster.plane.kubeconfig)]
    done = CliRunner().invoke(cli, [*arguments, *where], prog_name="placewright")
    assert "Traceback" not in done.output
    return done


def test_a_pause_holds_and_a_resume_goes_on(cluster: ActingCluster) -> None:
    cluster.ask("chat")
    assert run(cluster, "pause", "chat", "--reason", "night shift").exit_code == 0
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.applied("chat") == ("False", "Paused"), "the pause to be told")
        assert cluster.replicas() == {}

        assert run(cluster, "resume", "chat").exit_code == 0
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")


def test_a_failed_rollout_is_tried_again_at_once(cluster: ActingCluster) -> None:
    quota(cluster)
    cluster.ask("chat", rollout={"progressDeadline": "10s", "retryAfter": "40m"})
    with cluster.operator() as operator:
        soon(operator, lambda: failed_at(cluster), "the first failure")
        before = failed_at(cluster)
        done = run(cluster, "resume", "chat")
        assert "is tried again at once" in done.stdout, done.output
        soon(operator, lambda: failed_at(cluster) not in {"", before}, "the next failure")


def test_a_resume_of_the_fleet_releases_the_brake(cluster: ActingCluster) -> None:
    cluster.policy(rollout={"brake": {"failedRollouts": 1, "within": "30m"}})
    quota(cluster)
    cluster.ask("chat", rollout={"progressDeadline": "10s", "retryAfter": "40m"})
    with cluster.operator() as operator:
        soon(operator, lambda: failed_at(cluster), "the failure")
        cluster.api.delete(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas/none")
        cluster.ask("other")
        soon(operator, lambda: cluster.applied("other") == ("False", "BrakeEngaged"), "the brake")
        assert "the fleet holds it" in run(cluster, "resume", "other").stdout

        where = ["--kubeconfig", str(cluster.plane.kubeconfig)]
        done = CliRunner().invoke(cli, ["resume", "--fleet", "--policy", cluster.namespace, *where])

        assert "the brake is released for" in done.stdout, done.output
        soon(operator, lambda: cluster.rolled_out("other"), "the other one to be rolled out")


def test_a_wake_brings_a_reaped_model_back_and_tells_how_long_that_took(cluster: ActingCluster) -> None:
    cluster.ask("chat", replicas=2, idle={"policy": "ScaleToZero"})
    with cluster.operator() as operator:
        soon(operator, lambda: cluster.rolled_out("chat"), "chat to be rolled out")
    reap(cluster)
    with cluster.operator():
        told = run(cluster, "idle", "chat").stdout
        assert "is reaped, which avoids" in told
        done = run(cluster, "wake", "chat", "--wait", "--timeout", "90s")
        assert done.exit_code == 0, done.output
        assert re.search(r"all 2 replicas are Ready after [0-9.]+ (s|ms)", done.stdout)
        assert cluster.ready() == 2
        assert "got a request that is" in run(cluster, "wake", "chat").stderr


def quota(cluster: ActingCluster) -> None:
    """No Pod can be made."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    cluster.api.create(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas", body)


def failed_at(cluster: ActingCluster) -> str:
    """When the rollout failed last; empty: it has not, or is tried again."""
    rollout = (cluster.placements.get("chat").get("status") or {}).get("rollout") or {}
    return str(rollout["failedAt"]) if rollout.get("phase") == "Failed" else ""


def reap(cluster: ActingCluster) -> None:
    """What a reap leaves, written by hand while no operator runs: the metrics that lead to one are no matter here."""
    for name in cluster.replicas():
        path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/{name}"
        cluster.api.patch(path, {"spec": {"replicas": 0}}, MERGE)
    wait(lambda: not cluster.pods(), "its Pods to go")
    saved = {"avoidedCostPerHour": 4.0, "avoidedDollars": 0.0, "avoidedAsOf": cluster.now()}
    told = {"state": "Reaped", "since": cluster.now(), "reason": "Reaped", "message": "reaped", "replicasBefore": 2}
    cluster.placements.patch_status("chat", {"idle": {**told, **saved}})
