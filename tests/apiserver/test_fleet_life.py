"""A fleet's life on the real API server: Nodes and Pods come and go, and plans follow without a double promise."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import CHEAP, DEAR, GROUP, WITHIN_SECONDS, Cluster, observed, soon, spec
from tests.support.operator_process import OperatorProcess
from tests.support.placements import condition, reason


@pytest.fixture
def cluster(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Cluster]:
    assert crds
    made = Cluster(control_plane)
    yield made
    made.clear()


def test_plans_follow_nodes_that_are_added_cordoned_relabelled_and_deleted(cluster: Cluster, tmp_path: Path) -> None:
    cluster.placements.create("one", spec(8))
    with observed(cluster, tmp_path) as operator:
        soon(operator, lambda: reason(cluster.placements.get("one")) == "NoPools", "a refusal for want of Nodes")
        cluster.add_node(CHEAP, "a")
        soon(operator, lambda: cluster.where("one") == {CHEAP: 8}, "a plan on the new Node")

        cluster.add_node(DEAR, "b")
        cluster.placements.create("two", spec(4, priority=1, poolSelector={"matchLabels": {"only": DEAR}}))
        soon(operator, lambda: cluster.where("two") == {DEAR: 4}, "the second on the only other Node")

        cluster.cordon("a-0")
        soon(operator, lambda: cluster.where("one") == {}, "the plan to go with its Node")
        assert reason(cluster.placements.get("one")) == "Infeasible"
        cluster.placements.create("three", spec(4))
        soon(operator, lambda: cluster.where("three") == {DEAR: 4}, "the rest of the other Node")

        cluster.cordon("a-0", cordoned=False)
        soon(operator, lambda: cluster.where("one") == {CHEAP: 8}, "the plan to come back")

        cluster.relabel("b-0", CHEAP)
        soon(operator, lambda: cluster.where("three") == {CHEAP: 4}, "a plan on the Node in its new pool")
        soon(operator, lambda: reason(cluster.placements.get("two")) == "NoPools", "the pool without Nodes to be told")
        assert cluster.where("one") == {CHEAP: 8}

        cluster.remove_node("a-0")
        soon(operator, lambda: cluster.api.get(f"{GROUP}/gpupools/{CHEAP}")["status"]["capacity"] == 8, "the status")
        soon(operator, lambda: operator.idle, "rest")
        assert sum(sum(cluster.where(name).values()) for name in ("one", "two", "three")) in {4, 8}
        assert operator.total("pool_gpus", pool=CHEAP, state="capacity") == 8


def test_plans_follow_the_gpus_that_pods_of_others_take_and_free(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    cluster.add_pod("training", on="a-0", gpus=4)
    with observed(cluster, tmp_path) as operator:
        cluster.placements.create("one", spec(8))
        soon(operator, lambda: cluster.where("one") == {DEAR: 8}, "a plan beside the Pod")
        assert condition(cluster.placements.get("one"), "Feasible")["status"] == "True"
        cluster.placements.create("two", spec(4))
        soon(operator, lambda: cluster.where("two") == {CHEAP: 4}, "a plan on what the Pod leaves")

        cluster.add_pod("more", on="a-0", gpus=4)
        soon(operator, lambda: cluster.where("two") == {}, "the plan to give way")
        cluster.remove_pod("training")
        soon(operator, lambda: cluster.where("two") == {CHEAP: 4}, "the GPUs of the first Pod")
        cluster.remove_pod("more")
        soon(operator, lambda: operator.total("pool_gpus", pool=CHEAP, state="free") == 4, "the GPUs of the other Pod")
        assert cluster.where("one") == {DEAR: 8}, "cheaper GPUs alone are no reason to move within the dwell"


def test_a_higher_priority_takes_the_gpus_and_a_deletion_gives_them_back(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    with observed(cluster, tmp_path) as operator:
        cluster.placements.create("low", spec(8))
        soon(operator, lambda: cluster.where("low") == {CHEAP: 8}, "the first plan")
        cluster.placements.patch("low", {"suspend": True})
        soon(operator, lambda: reason(cluster.placements.get("low")) == "Suspended", "the suspension")
        cluster.placements.create("high", spec(8, priority=10))
        soon(
            operator,
            lambda: reason(cluster.placements.get("high")) == "Infeasible",
            "a suspended plan to keep its GPUs",
        )
        cluster.placements.patch("low", {"suspend": False})
        soon(operator, lambda: cluster.where("high") == {CHEAP: 8}, "the higher priority")
        soon(operator, lambda: reason(cluster.placements.get("low")) == "Infeasible", "the lower one to give way")
        cluster.placements.delete("high")
        soon(operator, lambda: cluster.where("low") == {CHEAP: 8}, "the GPUs to come back")


def test_a_restart_writes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    for name, gpus in (("one", 8), ("two", 4), ("three", 4), ("four", 8)):
        cluster.placements.create(name, spec(gpus))
    with observed(cluster, tmp_path) as operator:
        operator.wait(cluster.placements.all_settled, "all statuses")
        operator.wait(lambda: operator.idle, "rest")
        before = cluster.placements.versions()
        operator.stop()
        assert operator.process.returncode == 0
        operator.start()
        operator.wait(lambda: operator.total("request_info") == 4 and operator.idle, "the restart to settle")
        assert cluster.placements.versions() == before
        assert operator.written == 0
        assert operator.solves <= 1


def test_a_node_deleted_in_a_gap_of_the_watch_is_noticed(
    own_control_plane: Callable[..., ControlPlane], crds: list[Path], tmp_path: Path
) -> None:
    plane = own_control_plane()
    plane.apply_crds(*crds)
    cluster = Cluster(plane)
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    cluster.placements.create("one", spec(8))
    with observed(cluster, tmp_path) as operator:
        soon(operator, lambda: cluster.where("one") == {CHEAP: 8}, "a plan")
        operator.process.freeze()
        try:
            cluster.remove_node("a-0")
            # A new API server has no history: the operator's watches cannot go on, and nobody tells of the deletion.
            with plane.apiserver_down():
                pass
        finally:
            operator.process.thaw()
        soon(operator, lambda: cluster.where("one") == {DEAR: 8}, "the plan to move")
        history = cluster.placements.get("one")["status"]["history"]
        assert history[0]["reason"] == "StockGone"


def test_without_rights_on_nodes_plans_stay_and_the_reason_is_told(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(CHEAP, "a")
    with observed(cluster, tmp_path) as operator:
        cluster.placements.create("one", spec(8))
        soon(operator, lambda: cluster.where("one") == {CHEAP: 8}, "a plan")
    token = requests_only(cluster)
    kubeconfig = cluster.plane.kubeconfig_with_token("limited", token)
    cluster.placements.create("two", spec(8))
    operator = OperatorProcess(kubeconfig, tmp_path, namespaces=[cluster.namespace])
    operator.launch()
    try:
        wait_until(lambda: reason(cluster.placements.get("two")) == "InputsStale", WITHIN_SECONDS, "the reason")
        assert condition(cluster.placements.get("two"), "InputsFresh")["reason"] == "NodesUnreadable"
        assert cluster.placements.get("one")["status"]["plan"]["gpusByPool"] == {CHEAP: 8}
        operator.wait(lambda: any("nodes" in str(line.get("message")) for line in operator.log()), "a line in the log")
        assert operator.get("/healthz") == (200, "ok\n")
    finally:
        operator.stop()


def requests_only(cluster: Cluster) -> str:
    """A token that may do everything with our own kinds, and nothing else."""
    api, namespace = cluster.api, cluster.namespace
    api.create(
        f"/api/v1/namespaces/{namespace}/serviceaccounts",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "limited"}},
    )
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    name = f"limited-{namespace}"
    api.create(
        f"{rbac}/clusterroles",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": ["placewright.dev"], "resources": ["*"], "verbs": ["*"]}],
        },
    )
    api.create(
        f"{rbac}/clusterrolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "limited", "namespace": namespace}],
        },
    )
    return cluster.plane.service_account_token(namespace, "limited")
