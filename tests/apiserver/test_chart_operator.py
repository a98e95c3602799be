"""The operator as a process with the chart's arguments and its ServiceAccount's token, and nothing more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.chart_site import delete_crds
from tests.support.helm import CHART, Helm
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, reason

Json = dict[str, Any]
SAMPLES = CHART.parents[1] / "config/samples"

pytestmark = pytest.mark.xdist_group("chart-operator")


@pytest.fixture(params=["all-namespaces", "one-namespace"])
def installed(
    request: pytest.FixtureRequest, chart_plane: ControlPlane, helm4: Path, tmp_path: Path
) -> Iterator[tuple[str, str, list[str]]]:
    """The release's namespace, the namespace of the requests, and the arguments of the installed Deployment."""
    helm = Helm(helm4, tmp_path, chart_plane.kubeconfig)
    namespace, served = chart_plane.create_namespace("placewright"), chart_plane.create_namespace("serving")
    values: Json = {"watchNamespaces": [served]} if request.param == "one-namespace" else {}
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
        arguments=[option for option in options if not option.startswith("--metrics-address=")],
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
