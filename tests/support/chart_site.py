"""One release of the chart on a real control plane, as a user of Helm handles it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.helm import CHART, Helm
from tests.support.requests import PATH, manifest

Json = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = f"{CRDS}/placementrequests.placewright.dev"
FLEET_KINDS = ["gpupools", "performanceprofiles", "placementpolicies"]
ALL_CRDS = [CRD, *(f"{CRDS}/{kind}.placewright.dev" for kind in FLEET_KINDS)]
RELEASE = "placewright"


def find(plane: ControlPlane, path: str) -> Json | None:
    """The object, or None; waits while the server makes itself anew for a changed CRD (429)."""

    def ask() -> tuple[Json | None] | None:
        try:
            return (plane.admin.get(path),)
        except ApiError as error:
            if error.status == 404:
                return (None,)
            if error.status == 429:
                return None
            raise

    found = wait_until(ask, 60, f"an answer about {path}")
    assert found is not None
    return found[0]


def crds_go(plane: ControlPlane) -> bool:
    """Whether each of the chart's CRDs is gone or being deleted.

    The server deletes an object's instances first, and tries that again ever more slowly while it makes itself anew for
    the other CRDs; with four at once the last one may take a minute.
    """
    left = [crd for crd in (find(plane, path) for path in ALL_CRDS) if crd is not None]
    return all("deletionTimestamp" in crd["metadata"] for crd in left)


def delete_crds(plane: ControlPlane) -> None:
    """Deletes what is left of the chart's CRDs, one after the other: each changes what the server serves."""
    for crd in ALL_CRDS:
        if find(plane, crd) is not None:
            plane.admin.delete(crd)
            wait_until(lambda path=crd: find(plane, path) is None, 150, f"{crd} to go")  # type: ignore[misc]


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
        return find(self.plane, path)

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
        wait_until(self._served, 60, "the API server to serve PlacementRequests")
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


def make_person(site: Site, role: str, bindings: str) -> None:
    """Somebody with the chart's role of this name, bound in a namespace or in the cluster."""
    site.plane.admin.create(f"/api/v1/namespaces/{site.namespace}/serviceaccounts", {"metadata": {"name": role}})
    binding = {
        "metadata": {"name": f"{site.namespace}-{role}"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{site.namespace}-placewright-{role}",
        },
        "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": site.namespace}],
    }
    site.plane.admin.create(f"/apis/rbac.authorization.k8s.io/v1/{bindings}", binding)
