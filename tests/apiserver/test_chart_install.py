"""The chart on the real API server with both Helms: install, upgrade, uninstall.

There is no kubelet, so nothing waits for a Pod here; the operator itself runs in test_chart_operator.py, and
test_chart_rights.py tells what its account may do.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.chart_site import ALL_CRDS, CRD, FLEET_KINDS, RELEASE, Site, crds_go
from tests.support.helm import CHART, Helm

Json = dict[str, Any]

CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"

# One worker runs all of these on one control plane: the CRD is the cluster's.
pytestmark = pytest.mark.xdist_group("chart-install")


def former_chart(folder: Path) -> Path:
    """The chart as an earlier version might have been: another number, and one column less in the CRD."""
    former = folder / "former"
    shutil.copytree(CHART, former)
    described = yaml.safe_load((former / "Chart.yaml").read_text())
    described |= {"version": "0.0.9", "appVersion": "0.0.9"}
    (former / "Chart.yaml").write_text(yaml.safe_dump(described))
    template = former / "templates/crd-placementrequests.yaml"
    text, count = re.subn(r"    - name: Gap\n(?:      .*\n)+", "", template.read_text())
    assert count == 1
    template.write_text(text)
    return former


def columns(crd: Json | None) -> list[str]:
    assert crd is not None
    return [column["name"] for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]]


def test_a_release_lives_and_requests_outlive_it(site: Site, tmp_path: Path) -> None:
    notes = site.install(chart=former_chart(tmp_path), values={"networkPolicy": {"enabled": True}})
    assert f"kubectl -n {site.namespace} rollout status deployment/placewright" in notes
    assert "in all namespaces" in notes
    assert "Gap" not in columns(site.find(CRD))
    installed = site.own_names()
    assert {"serviceaccounts/placewright", "services/placewright", "networkpolicies/placewright"} <= installed
    site.create_request("kept")

    site.upgrade(values={"solver": {"processes": 3}, "watchNamespaces": [site.namespace]})
    assert "Gap" in columns(site.find(CRD)), "the CRD is upgraded with the release"
    assert "--solver-processes=3" in site.arguments
    assert f"--namespace={site.namespace}" in site.arguments
    upgraded = site.own_names()
    assert "networkpolicies/placewright" not in upgraded
    assert f"roles/{site.namespace}-placewright" in upgraded
    before = site.request("kept")

    site.uninstall()
    assert site.own_names() == set()
    assert all(site.find(crd) is not None for crd in ALL_CRDS)
    assert site.request("kept") == before

    site.install(values={"crds": {"keep": False}})
    assert site.request("kept") == before, "the same release takes its CRD back"
    assert site.deployment is not None

    site.uninstall()
    wait_until(lambda: crds_go(site.plane), 20, "the CRDs to go, as crds.keep is false")


def test_crds_that_others_own_are_left_alone_or_taken_over_when_told(site: Site) -> None:
    crds = CHART.parents[1] / "crds"
    site.plane.kubectl("apply", "--server-side", "-f", crds)

    refused = site.helm.run("install", RELEASE, CHART, "--namespace", site.namespace, check=False)
    assert refused.returncode != 0
    assert ".placewright.dev" in refused.stderr
    assert "--take-ownership" in (CHART.parents[1] / "docs/install.md").read_text(encoding="utf-8")

    site.install(values={"crds": {"enabled": False}})
    assert "annotations" not in (site.find(CRD) or {})["metadata"]
    site.uninstall()
    assert site.find(CRD) is not None

    force = [] if site.helm.program.name == "helm3" else ["--force-conflicts"]
    site.install("--take-ownership", *force)
    assert (site.find(CRD) or {})["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_release_of_helm_3_goes_on_with_helm_4(
    site: Site, helm4: Path, tmp_path: Path, chart_plane: ControlPlane
) -> None:
    site.install()
    Site(Helm(helm4, tmp_path, chart_plane.kubeconfig), chart_plane, site.namespace).upgrade(
        values={"solver": {"processes": 2}}
    )
    assert "--solver-processes=2" in site.arguments


def test_the_pod_passes_pod_security_restricted(site: Site) -> None:
    site.install()
    site.plane.admin.patch(
        f"/api/v1/namespaces/{site.namespace}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    )
    template = (site.deployment or {})["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}, "spec": template["spec"]}
    path = f"/api/v1/namespaces/{site.namespace}/pods?dryRun=All"

    assert site.plane.admin.create(path, pod)["spec"]["containers"][0]["image"] == "placewright:0.1.0"

    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
        site.plane.admin.create(path, pod)


def test_with_controllers_the_pod_starts_and_the_standard_roles_grow(
    full_control_plane: ControlPlane, full_namespace: str, helm4: Path, tmp_path: Path
) -> None:
    """kwok plays the kubelet: the Pod is admitted, scheduled and called ready, though nothing runs in it."""
    admin = full_control_plane.admin
    create_gpu_nodes(admin, [GpuNodes("chart", "NVIDIA-L40S", nodes=1, gpus_per_node=1, memory_mib=46068)])
    restricted = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    admin.patch(f"/api/v1/namespaces/{full_namespace}", restricted)
    helm = Helm(helm4, tmp_path, full_control_plane.kubeconfig)

    def view() -> list[str]:
        rules = admin.get(f"{CLUSTER_ROLES}/view")["rules"]
        return [resource for rule in rules for resource in rule.get("resources", [])]

    try:
        values = {"crds": {"enabled": False}}
        helm.run("install", RELEASE, CHART, "-n", full_namespace, "--wait", "--timeout=60s", values=values)
        pods = admin.items(f"/api/v1/namespaces/{full_namespace}/pods")
        assert [pod["status"]["phase"] for pod in pods] == ["Running"]
        wait_until(lambda: {"placementrequests", *FLEET_KINDS} <= set(view()), 20, "the role view to grow")
    finally:
        helm.run("uninstall", RELEASE, "-n", full_namespace, "--ignore-not-found")
        admin.delete("/api/v1/nodes/chart-0")
    wait_until(lambda: "placementrequests" not in view(), 20, "the role view to shrink")
