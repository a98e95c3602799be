"""Bad pools, policies, profiles and requests on the real API server: each is told, the good ones are planned."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.fleet_cluster import CHEAP, GROUP, INPUT, OUTPUT, Cluster, observed, pool, soon, spec
from tests.support.placements import condition, is_settled, reason

STOCK = {"nodeSelector": None, "stock": {"nodes": 1, "gpusPerNode": 8}}
PRICE_OF_NODES = "placewright.dev/price-per-gpu-hour"


def of(kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {key: value for key, value in body.items() if value is not None},
    }


def bad_pool(name: str, **changes: Any) -> dict[str, Any]:
    """A pool that only the requests which ask for it by name may use."""
    made = of("GPUPool", name, {**pool(name, 1.0)["spec"], **changes})
    made["metadata"]["labels"] = {"only": name}
    return made


POOLS = {
    "empty-selector": (bad_pool("empty-selector"), "NoNodesMatch"),
    "unknown-gpu": (bad_pool("unknown-gpu", **STOCK, gpu="H9000"), "UnknownGPU"),
    "no-price": (bad_pool("no-price", **STOCK, gpu="L40S", pricePerGPUHour=None), "NoPrice"),
    "twice-a": (bad_pool("twice-a", nodeSelector={"matchLabels": {"pool": "twice"}}), "NodesClaimedTwice"),
    "twice-b": (bad_pool("twice-b", nodeSelector={"matchLabels": {"pool": "twice"}}), "NodesClaimedTwice"),
    "bad-note": (
        bad_pool("bad-note", nodeSelector={"matchLabels": {"pool": "bad-note"}}, pricePerGPUHour=None),
        "NoPrice",
    ),
}
OTHERS = {
    "placementpolicies": of(
        "PlacementPolicy", "ceiling", {"namespaces": [{"name": "elsewhere", "maxCostPerHour": 0.01}]}
    ),
    "performanceprofiles": of(
        "PerformanceProfile",
        "no-row",
        {
            "model": "own/model",
            "source": "a test",
            "rows": [{**spec(1)["performance"]["measurements"][0], "inputTokens": INPUT + 1}],
        },
    ),
}


def only(name: str) -> dict[str, Any]:
    return {"poolSelector": {"matchLabels": {"only": name}}}


REQUESTS: Mapping[str, tuple[dict[str, Any], str]] = {
    **{f"on-{name}": (spec(1, **only(name)), name) for name in POOLS},
    "on-nothing": (spec(1, **only("nothing")), "poolSelector"),
    "no-profile": (spec(1, performance={"profileRef": {"name": "nowhere"}}), "nowhere"),
    "no-row": (spec(1, performance={"profileRef": {"name": "no-row"}}), "no-row"),
    "too-large": (spec(16, parallelism={"tensor": [16]}), CHEAP),
    "many-classes": (
        spec(
            1,
            workload={
                "classes": [
                    {
                        "name": f"c{number}",
                        "inputTokens": INPUT + number,
                        "outputTokens": OUTPUT,
                        "requestsPerSecond": 0.001,
                    }
                    for number in range(128)
                ]
            },
        ),
        "class c1",
    ),
}


@pytest.fixture
def cluster(control_plane: ControlPlane, crds: list[Path]) -> Iterator[Cluster]:
    assert crds
    made = Cluster(control_plane)
    yield made
    for name in POOLS:
        made.api.delete(f"{GROUP}/gpupools/{name}")
    for plural, each in OTHERS.items():
        made.api.delete(f"{GROUP}/{plural}/{each['metadata']['name']}")
    made.clear()


def test_each_bad_object_is_told_and_the_good_ones_are_planned(cluster: Cluster, tmp_path: Path) -> None:
    for pool_name, node in ((CHEAP, "good"), ("twice", "twice"), ("bad-note", "noted")):
        cluster.add_node(pool_name, node)
    cluster.api.patch("/api/v1/nodes/noted-0", {"metadata": {"annotations": {PRICE_OF_NODES: "NaN"}}})
    for body, _ in POOLS.values():
        cluster.api.create(f"{GROUP}/gpupools", body)
    for plural, body in OTHERS.items():
        cluster.api.create(f"{GROUP}/{plural}", body)
    for name, (wanted, _) in REQUESTS.items():
        cluster.placements.create(name, wanted)
    cluster.placements.create("good-4", spec(4))
    cluster.placements.create("good-2", spec(2))

    with observed(cluster, tmp_path) as operator:
        soon(operator, lambda: cluster.where("good-4") == {CHEAP: 4}, "the first good plan")
        soon(operator, lambda: cluster.where("good-2") == {CHEAP: 2}, "the second good plan")
        soon(operator, cluster.placements.all_settled, "a status of every request")
        for name, (_, cause) in POOLS.items():
            soon(
                operator, lambda at=name: ready_of_pool(cluster, at).get("status") == "False", f"pool {name} not ready"
            )
            told = ready_of_pool(cluster, name)
            assert told["reason"] == cause, told
            assert told["message"]
        assert "NaN" in str(cluster.api.get(f"{GROUP}/gpupools/bad-note")["status"]["conditions"])
        for name, (_, word) in REQUESTS.items():
            found = cluster.placements.get(name)
            assert is_settled(found)
            ready = condition(found, "Ready")
            assert ready["status"] == "False", (name, ready)
            assert reason(found) in {"Infeasible", "NoPools", "InvalidSpec"}, (name, ready)
            assert word in str(found["status"]), (name, found["status"])
        assert not [line for line in operator.log() if "InternalError" in str(line) or "Traceback" in str(line)]


def ready_of_pool(cluster: Cluster, name: str) -> dict[str, Any]:
    return condition(cluster.api.get(f"{GROUP}/gpupools/{name}"), "Ready")
