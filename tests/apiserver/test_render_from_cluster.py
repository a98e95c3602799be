"""`placewright render --from-cluster` reads requests, pools and Nodes, prints objects that fit, and writes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from placewright.cli.root import cli
from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import CHEAP, DEAR, GROUP, Cluster, spec
from tests.support.renders import gpus_of, templates


@pytest.fixture
def cluster(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Cluster]:
    assert crds
    made = Cluster(control_plane)
    yield made
    made.clear()


def versions(cluster: Cluster) -> list[str]:
    kinds = (f"namespaces/{cluster.namespace}/placementrequests", "gpupools")
    found: list[dict[str, Any]] = [body for kind in kinds for body in cluster.api.items(f"{GROUP}/{kind}")]
    return [body["metadata"]["resourceVersion"] for body in found]


def test_it_renders_what_the_cluster_would_get(cluster: Cluster) -> None:
    cluster.add_node(CHEAP, "a")
    cluster.add_node(DEAR, "b")
    render = {"image": "example.com/engine:1", "checkpoint": "example/model"}
    cluster.placements.create("small", {**spec(4), "render": render})
    before = versions(cluster)

    arguments = ["render", "--from-cluster", "--kubeconfig", str(cluster.plane.kubeconfig)]
    done = CliRunner().invoke(cli, arguments, prog_name="placewright")
    assert done.exit_code == 0, done.output
    workload, service = yaml.safe_load_all(done.stdout)
    assert service["metadata"]["name"] == "small"
    assert {each["metadata"]["namespace"] for each in (workload, service)} == {cluster.namespace}
    assert workload["spec"]["replicas"] * sum(count * gpus_of(pod) for count, pod in templates(workload)) == 4
    ((_, pod),) = templates(workload)
    assert pod["spec"]["containers"][0]["image"] == "example.com/engine:1"
    # The Nodes are those of the pool that the plan chose.
    chosen = cluster.api.get(f"{GROUP}/gpupools/{CHEAP}")["spec"]["nodeSelector"]["matchLabels"]
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    for term in terms["nodeSelectorTerms"]:
        told = {each["key"]: each.get("values") for each in term["matchExpressions"]}
        assert all(told[key] == [value] for key, value in chosen.items())
    assert versions(cluster) == before
