"""The chart on the real API server with both Helms: install, upgrade, uninstall, and the rights it leaves behind.

There is no kubelet, so nothing waits for a Pod here; the operator itself runs in test_chart_operator.py.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.absence import refuse_or_skip
from tests.controlplane.assets import AssetsUnavailableError, Finder
from tests.controlplane.nodes import GpuNodes, create_gpu_nodes
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import Api, ApiError
from tests.controlplane.server import ControlPlane
from tests.support.helm import CHART, Helm
from tests.support.requests import PATH, manifest

Json = dict[str, Any]

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/placementrequests.placewright.dev"
CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
RELEASE = "placewright"

# One worker runs all of these on one control plane: the CRD is the cluster's.
pytestmark = pytest.mark.xdist_group("chart-install")


@pytest.fixture(scope="module")
def chart_plane(finder: Finder) -> Iterator[ControlPlane]:
    """etcd and API server where Helm, and nobody else, owns the CRD."""
    try:
        made = ControlPlane(finder)
    except AssetsUnavailableError as error:
        refuse_or_skip(error, os.environ)
    with made:
        yield made


@dataclass(frozen=True, slots=True)
class Site:
    """One Helm, one namespace and one release on a control plane."""

    helm: Helm
    plane: ControlPlane
    namespace: str

    def install(self, *options: str, chart: Path = CHART, values: Json | None = None) -> str:
        return self._call("install", *options, chart=chart, values=values)

    def upgrade(self, *options: str, chart: Path = CHART, values: Json | None = None) -> str:
        return self._call("upgrade", *options, chart=chart, values=values)

    def _call(self, verb: str, *options: str, chart: Path, values: Json | None) -> str:
        done = self.helm.run(verb, RELEASE, chart, "--namespace", self.namespace, *options, values=values or {})
        return done.stdout

    def uninstall(self) -> None:
        self.helm.run("uninstall", RELEASE, "--namespace", self.namespace)

    def find(self, path: str) -> Json | None:
        """The object, or None; waits while the server makes itself anew for a changed CRD (429)."""

        def ask() -> tuple[Json | None] | None:
            try:
                return (self.plane.admin.get(path),)
            except ApiError as error:
                if error.status == 404:
                    return (None,)
                if error.status == 429:
                    return None
                raise

        found = wait_until(ask, 20, f"an answer about {path}")
        assert found is not None
        return found[0]

    @property
    def deployment(self) -> Json | None:
        return self.find(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{RELEASE}")

    @property
    def arguments(self) -> list[str]:
        deployment = self.deployment
        assert deployment is not None
        found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        return found

    def create_request(self, name: str) -> None:
        wait_until(self._served, 20, "the API server to serve PlacementRequests")
        self.plane.admin.create(PATH.format(namespace=self.namespace), manifest(name))

    def request(self, name: str) -> Json | None:
        return self.find(f"{PATH.format(namespace=self.namespace)}/{name}")

    def _served(self) -> bool:
        return self.find(PATH.format(namespace=self.namespace)) is not None

    def own_names(self) -> set[str]:
        """What the release has put into the cluster, but for the CRD."""
        label = f"?labelSelector=app.kubernetes.io%2Finstance%3D{RELEASE}"
        here = f"namespaces/{self.namespace}"
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        paths = [
            f"/api/v1/{here}/serviceaccounts",
            f"/api/v1/{here}/services",
            f"/apis/apps/v1/{here}/deployments",
            f"/apis/networking.k8s.io/v1/{here}/networkpolicies",
            f"{rbac}/clusterroles",
            f"{rbac}/clusterrolebindings",
            f"{rbac}/roles",
            f"{rbac}/rolebindings",
        ]
        return {
            f"{path.rpartition('/')[2]}/{item['metadata']['name']}"
            for path in paths
            for item in self.plane.admin.items(path + label)
        }


@pytest.fixture(params=["helm3", "helm4"])
def site(
    request: pytest.FixtureRequest, chart_plane: ControlPlane, program: Callable[[str], Path], tmp_path: Path
) -> Iterator[Site]:
    helm = Helm(program(request.param), tmp_path, chart_plane.kubeconfig)
    made = Site(helm, chart_plane, chart_plane.create_namespace("placewright"))
    yield made
    helm.run("uninstall", RELEASE, "--namespace", made.namespace, "--ignore-not-found")
    chart_plane.delete_namespace(made.namespace)
    chart_plane.admin.delete(CRD)
    wait_until(lambda: made.find(CRD) is None, 20, "the CRD to go")


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
    assert f"clusterroles/{site.namespace}-placewright" not in upgraded
    assert f"roles/{site.namespace}-placewright" in upgraded
    before = site.request("kept")

    site.uninstall()
    assert site.own_names() == set()
    assert site.find(CRD) is not None
    assert site.request("kept") == before

    site.install(values={"crds": {"keep": False}})
    assert site.request("kept") == before, "the same release takes its CRD back"
    assert site.deployment is not None

    site.uninstall()
    wait_until(lambda: site.find(CRD) is None, 20, "the CRD to go, as crds.keep is false")


def test_crds_that_others_own_are_left_alone_or_taken_over_when_told(site: Site) -> None:
    crds = CHART.parents[1] / "crds/placewright.dev_placementrequests.yaml"
    site.plane.kubectl("apply", "--server-side", "-f", crds)

    refused = site.helm.run("install", RELEASE, CHART, "--namespace", site.namespace, check=False)
    assert refused.returncode != 0
    assert "placementrequests.placewright.dev" in refused.stderr
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


def rules_of(site: Site, namespace: str) -> list[Json]:
    """All that the chart's ServiceAccount may do in a namespace, beyond what every account may."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

    def asked(account: str) -> list[Json]:
        token = site.plane.service_account_token(site.namespace, account)
        status = site.plane.api_with_token(token).create(path, review)["status"]
        assert not status["incomplete"]
        return [*status["resourceRules"], *status["nonResourceRules"]]

    nobody = f"/api/v1/namespaces/{site.namespace}/serviceaccounts"
    if site.find(f"{nobody}/nobody") is None:
        site.plane.admin.create(nobody, {"metadata": {"name": "nobody"}})
    common = asked("nobody")
    return [rule for rule in asked("placewright") if rule not in common]


EXPECTED_RULES = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests/status"], "verbs": ["patch"]},
]

ALLOWED = [
    ("get", "placementrequests"),
    ("list", "placementrequests"),
    ("watch", "placementrequests"),
    ("patch", "placementrequests/status"),
    ("create", "events"),
]
DENIED = [
    ("create", "placementrequests"),
    ("update", "placementrequests"),
    ("patch", "placementrequests"),
    ("delete", "placementrequests"),
    ("update", "placementrequests/status"),
    ("patch", "placementrequests/scale"),
    ("get", "events"),
    ("patch", "events"),
    ("get", "secrets"),
    ("get", "configmaps"),
    ("list", "pods"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("list", "nodes"),
    ("list", "namespaces"),
    ("list", "deployments.apps"),
    ("patch", "deployments.apps/scale"),
    ("update", "leases.coordination.k8s.io"),
    ("get", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "serviceaccounts/token"),
    ("bind", "clusterroles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
]


def test_the_account_may_do_what_the_operator_does_and_nothing_else(site: Site) -> None:
    site.install()
    assert sorted(rules_of(site, "default"), key=json.dumps) == sorted(EXPECTED_RULES, key=json.dumps)

    token = site.plane.service_account_token(site.namespace, "placewright")
    kubeconfig = site.plane.kubeconfig_with_token("chart-account", token)

    def may(verb: str, resource: str) -> bool:
        what, _, subresource = resource.partition("/")
        options = [f"--subresource={subresource}"] if subresource else []
        asked = site.plane.kubectl(
            "auth", "can-i", verb, what, *options, "-n", "default", kubeconfig=kubeconfig, check=False
        )
        assert asked.stdout.strip() in {"yes", "no"}, asked.stderr
        return bool(asked.stdout.strip() == "yes")

    assert [asked for asked in ALLOWED if not may(*asked)] == []
    assert [asked for asked in DENIED if may(*asked)] == []


def test_a_namespaced_account_has_rights_in_its_namespaces_alone(site: Site) -> None:
    served = site.plane.create_namespace("served")
    site.install(values={"watchNamespaces": [served]})

    assert sorted(rules_of(site, served), key=json.dumps) == sorted(EXPECTED_RULES, key=json.dumps)
    assert rules_of(site, "default") == []
    assert rules_of(site, site.namespace) == []
    site.uninstall()
    site.plane.delete_namespace(served)


def test_people_get_roles_by_the_standard_ones(site: Site) -> None:
    site.install()
    roles = {
        role["metadata"]["name"].removeprefix(f"{site.namespace}-placewright-"): role
        for role in site.plane.admin.items(CLUSTER_ROLES)
        if role["metadata"]["name"].startswith(f"{site.namespace}-placewright-")
    }
    assert {
        name: [label for label in role["metadata"]["labels"] if "aggregate-to" in label] for name, role in roles.items()
    } == {
        "viewer": ["rbac.authorization.k8s.io/aggregate-to-view"],
        "editor": ["rbac.authorization.k8s.io/aggregate-to-edit"],
        "admin": ["rbac.authorization.k8s.io/aggregate-to-admin"],
    }
    site.create_request("chat")
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.namespace}/rolebindings"
    for person in ("viewer", "editor"):
        site.plane.admin.create(f"/api/v1/namespaces/{site.namespace}/serviceaccounts", {"metadata": {"name": person}})
        binding = {
            "metadata": {"name": person},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"{site.namespace}-placewright-{person}",
            },
            "subjects": [{"kind": "ServiceAccount", "name": person, "namespace": site.namespace}],
        }
        site.plane.admin.create(bindings, binding)

    def as_person(name: str) -> Api:
        return site.plane.api_with_token(site.plane.service_account_token(site.namespace, name))

    path = PATH.format(namespace=site.namespace)
    assert as_person("viewer").get(f"{path}/chat/status")["metadata"]["name"] == "chat"
    with pytest.raises(ApiError) as refused:
        as_person("viewer").patch(f"{path}/chat", {"spec": {"suspend": True}})
    assert refused.value.status == 403
    assert as_person("editor").patch(f"{path}/chat", {"spec": {"suspend": True}})["spec"]["suspend"] is True
    with pytest.raises(ApiError) as refused:
        as_person("editor").patch(f"{path}/chat/status", {"status": {"observedGeneration": 7}})
    assert refused.value.status == 403
    site.plane.admin.delete(f"{path}/chat")


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
        wait_until(lambda: "placementrequests" in view(), 20, "the role view to grow")
    finally:
        helm.run("uninstall", RELEASE, "-n", full_namespace, "--ignore-not-found")
        admin.delete("/api/v1/nodes/chart-0")
    wait_until(lambda: "placementrequests" not in view(), 20, "the role view to shrink")
