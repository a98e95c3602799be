"""The operator as a process with the chart's arguments and its ServiceAccount's token, and nothing more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.server import ControlPlane
from tests.support.chart_site import delete_crds
from tests.support.helm import CHART, Helm
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, reason
from tests.support.requests import small_spec

Json = dict[str, Any]
SAMPLES = CHART.parents[1] / "config/samples"

IN_A_POD = ("--metrics-address=", "--audit-dir=")  # what a test gives another value

pytestmark = pytest.mark.xdist_group("chart-operator")


@pytest.fixture(params=["all-namespaces", "one-namespace", "apply", "apply-in-one-namespace"])
def installed(
    request: pytest.FixtureRequest, chart_plane: ControlPlane, helm4: Path, tmp_path: Path
) -> Iterator[tuple[str, str, list[str]]]:
    """The release's namespace, the namespace of the requests, and the arguments of the installed Deployment."""
    helm = Helm(helm4, tmp_path, chart_plane.kubeconfig)
    namespace, served = chart_plane.create_namespace("placewright"), chart_plane.create_namespace("serving")
    values: Json = {"watchNamespaces": [served]} if "one-namespace" in request.param else {}
    values["apply"] = {"enabled": "apply" in request.param}
    helm.run("install", "placewright", CHART, "--namespace", namespace, values=values)
    chart_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    deployment = chart_plane.admin.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/placewright")
    yield namespace, served, deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    chart_plane.admin.delete(f"/apis/placewright.dev/v1alpha1/namespaces/{served}/placementrequests")
    helm.run("uninstall", "placewright", "--namespace", namespace)
    chart_plane.delete_namespace(served)
    chart_plane.delete_namespace(namespace)
    delete_crds(chart_plane)  # the next release has another namespace, and Helm gives a kept CRD to nobody else


@pytest.fixture
def operator(
    chart_plane: ControlPlane, installed: tuple[str, str, list[str]], tmp_path: Path
) -> Iterator[OperatorProcess]:
    namespace, _, arguments = installed
    command, *options = arguments
    assert command == "run"
    token = chart_plane.service_account_token(namespace, "placewright")
    with OperatorProcess(
        chart_plane.kubeconfig_with_token("chart-operator", token),
        tmp_path,
        arguments=[*(each for each in options if not each.startswith(IN_A_POD)), f"--audit-dir={tmp_path / 'audit'}"],
    ) as started:
        yield started


def test_it_plans_the_samples(
    operator: OperatorProcess, chart_plane: ControlPlane, installed: tuple[str, str, list[str]]
) -> None:
    placements = Placements(chart_plane.admin, installed[1])
    chart_plane.kubectl("apply", "-n", installed[1], "-f", SAMPLES)

    operator.wait(placements.all_settled, "all statuses", 120.0)

    reasons = {item["metadata"]["name"]: reason(item) for item in placements.all()}
    assert set(reasons.values()) >= {"PlanCurrent", "GateBlocked", "Infeasible"}
    planned = [name for name, found in reasons.items() if found == "PlanCurrent"]
    operator.wait(lambda: all(placements.event_reasons(name) == ["PlanCurrent"] for name in planned), "the Events")
    assert operator.samples("cost_usd_per_hour", namespace=installed[1], name=planned[0])[0] > 0

    told = operator.process.log.read_text(encoding="utf-8").lower()
    assert "forbidden" not in told
    assert "403" not in [word.strip(",:\"'") for word in told.split()]
    assert operator.get("/healthz")[0] == 200


def test_it_sees_changes_by_its_watch(
    operator: OperatorProcess, chart_plane: ControlPlane, installed: tuple[str, str, list[str]]
) -> None:
    placements = Placements(chart_plane.admin, installed[1])
    placements.create("chat")
    operator.wait(lambda: placements.settled("chat"), "a status")
    assert operator.samples("watch_last_event_timestamp_seconds")[0] > 0

    placements.patch("chat", {"suspend": True})
    operator.wait(lambda: placements.settled("chat"), "the suspension")
    assert reason(placements.get("chat")) == "Suspended"

    placements.delete("chat")
    operator.wait(lambda: not operator.samples("request_info", name="chat"), "the series to vanish")


KINDS = "/apis/placewright.dev/v1alpha1"
FLEET: list[Json] = [
    {
        "kind": "GPUPool",
        "metadata": {"name": "chart", "labels": {"tier": "chart"}},
        "spec": {"nodeSelector": {"matchLabels": {"pool": "chart"}}},
    },
    {
        "kind": "PlacementPolicy",
        "metadata": {"name": "chart"},
        "spec": {
            "maxCostPerHour": 500,
            "prices": [{"gpu": "L40S", "pricePerGPUHour": 1.2, "asOf": "2026-11-01T00:00:00Z"}],
        },
    },
    {
        "kind": "PerformanceProfile",
        "metadata": {"name": "chart"},
        "spec": {
            "model": "nobody/uses-this",
            "source": "a test",
            "rows": [
                {
                    "gpu": "L40S",
                    "tensorParallel": 1,
                    "pipelineParallel": 1,
                    "precision": "bf16",
                    "inputTokens": 512,
                    "outputTokens": 128,
                    "requestsPerSecond": 4,
                }
            ],
        },
    },
]
PLURALS = {"GPUPool": "gpupools", "PlacementPolicy": "placementpolicies", "PerformanceProfile": "performanceprofiles"}


@pytest.fixture
def fleet(chart_plane: ControlPlane, installed: tuple[str, str, list[str]]) -> Iterator[None]:
    """Two Nodes of four GPUs, two of which somebody else's Pod holds, in a pool with a price of a policy."""
    admin, namespace = chart_plane.admin, installed[0]
    nodes = create_gpu_nodes(admin, [GpuNodes("chart", "NVIDIA-L40S", 2, 4, 46068)], ready=True)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    container = {"name": "train", "image": "train", "resources": {"limits": {"nvidia.com/gpu": "2"}}}
    pod = {"metadata": {"name": "train"}, "spec": {"nodeName": nodes[0], "containers": [container]}}
    admin.create(pods, pod)
    for item in FLEET:
        admin.create(f"{KINDS}/{PLURALS[item['kind']]}", {"apiVersion": "placewright.dev/v1alpha1", **item})
    yield
    for item in FLEET:
        admin.delete(f"{KINDS}/{PLURALS[item['kind']]}/{item['metadata']['name']}")
    admin.delete(f"{pods}/train?gracePeriodSeconds=0")
    for node in nodes:
        admin.delete(f"/api/v1/nodes/{node}")


def ready_reason(plane: ControlPlane, kind: str) -> str:
    return reason(plane.admin.get(f"{KINDS}/{PLURALS[kind]}/chart"))


@pytest.mark.usefixtures("fleet")
def test_its_rights_are_enough_for_a_fleet(operator: OperatorProcess, chart_plane: ControlPlane) -> None:
    reasons = {"GPUPool": "NodesFound", "PlacementPolicy": "PolicyInForce", "PerformanceProfile": "RowsUsable"}
    operator.wait(lambda: {kind: ready_reason(chart_plane, kind) for kind in reasons} == reasons, "all statuses")

    pool = chart_plane.admin.get(f"{KINDS}/gpupools/chart")["status"]
    assert (pool["capacity"], pool["heldByOthers"], pool["price"]["source"]) == (6, 2, "PolicyTable")
    assert operator.samples("pool_gpus", pool="chart", state="held_by_others") == [2]
    assert operator.samples("pool_price_usd_per_gpu_hour", pool="chart", source="PolicyTable") == [1.2]
    assert operator.samples("price_last_update_timestamp_seconds", pool="chart") == [1793491200]

    assert "forbidden" not in operator.process.log.read_text(encoding="utf-8").lower()


@pytest.mark.usefixtures("fleet")
def test_it_plans_on_a_shared_pool(
    operator: OperatorProcess, chart_plane: ControlPlane, installed: tuple[str, str, list[str]]
) -> None:
    placements = Placements(chart_plane.admin, installed[1])
    spec = small_spec(poolSelector={"matchLabels": {"tier": "chart"}})
    del spec["pools"]
    placements.create("shared", spec)
    operator.wait(lambda: placements.settled("shared"), "a status")
    assert reason(placements.get("shared")) == "PlanCurrent"
    used = placements.get("shared")["status"]["plan"]["gpusByPool"]["chart"]
    operator.wait(lambda: operator.samples("pool_gpus", pool="chart", state="allocated") == [used], "the allocation")
    assert operator.samples("pool_gpus", pool="chart", state="free") == [6 - used]
    assert operator.samples("plan_moves_total", reason="FirstPlan") == [1]
    assert operator.samples("fleet_requests", outcome="Placed") == [1]
    assert operator.samples("fleet_cost_usd_per_hour")[0] >= operator.samples("fleet_bound_usd_per_hour")[0] > 0
    assert "forbidden" not in operator.process.log.read_text(encoding="utf-8").lower()

    chart_plane.admin.patch(f"{KINDS}/gpupools/chart", {"spec": {"nodeSelector": {"matchLabels": {"pool": "none"}}}})
    operator.wait(lambda: ready_reason(chart_plane, "GPUPool") == "NoNodesMatch", "the pool to be empty")
    operator.wait(lambda: reason(placements.get("shared")) == "NoPools", "the plan to be given up")
    chart_plane.admin.delete(f"{placements.path}/shared")
    operator.wait(lambda: operator.samples("fleet_requests", outcome="Placed") == [0], "the request to be gone")


def test_without_rights_it_is_not_ready_and_says_why(
    chart_plane: ControlPlane, installed: tuple[str, str, list[str]], tmp_path: Path
) -> None:
    stranger = OperatorProcess(chart_plane.kubeconfig_for("nobody"), tmp_path)
    stranger.launch()
    try:
        stranger.wait(lambda: "forbidden" in stranger.process.log.read_text(encoding="utf-8").lower(), "a refusal")
        assert stranger.get("/readyz")[0] == 503
    finally:
        stranger.stop()
    assert installed
