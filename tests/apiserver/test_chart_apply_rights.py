"""What the operator's account may do with workloads: nothing without `apply.enabled`, and with it only what is needed.

Asked with the real `kubectl auth can-i` for the chart's ServiceAccount, as each Helm has installed it.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.controlplane.rest import Api, ApiError
from tests.controlplane.server import ControlPlane
from tests.support.chart_access import Access, Rights, beyond, foreign_kinds
from tests.support.chart_site import Site, make_person
from tests.support.requests import PATH

Json = dict[str, Any]

# One worker runs all of these on one control plane: the CRDs are the cluster's.
pytestmark = pytest.mark.xdist_group("chart-rights")

LWS, GATEWAY, POOLS = "leaderworkerset.x-k8s.io", "gateway.networking.k8s.io", "inference.networking.k8s.io"
WORKLOADS = (
    "deployments.apps",
    "statefulsets.apps",
    "replicasets.apps",
    "daemonsets.apps",
    f"leaderworkersets.{LWS}",
    "jobs.batch",
    "pods",
    "services",
    "configmaps",
    "secrets",
    f"httproutes.{GATEWAY}",
    f"inferencepools.{POOLS}",
    "horizontalpodautoscalers.autoscaling",
    "scaledobjects.keda.sh",
)
SCALES = (
    "deployments.apps/scale",
    "statefulsets.apps/scale",
    "replicasets.apps/scale",
    f"leaderworkersets.{LWS}/scale",
)
WRITES = ("create", "update", "patch", "delete", "deletecollection")
CHANGES = [*product(WRITES, WORKLOADS), *product(("update", "patch"), SCALES)]
"""Every way to change what runs."""

LOOKED_AFTER = frozenset({"get", "list", "watch", "create", "patch", "delete"})
MADE = frozenset({"get", "create", "patch", "delete"})
APPLY: Rights = {
    "deployments.apps": LOOKED_AFTER,
    f"leaderworkersets.{LWS}": LOOKED_AFTER,
    f"httproutes.{GATEWAY}": LOOKED_AFTER,
    f"inferencepools.{POOLS}": MADE,
    "services": MADE,
    "configmaps": MADE,
    "statefulsets.apps": frozenset({"get", "list", "watch"}),
    "deployments.apps/scale": frozenset({"patch"}),
    "statefulsets.apps/scale": frozenset({"patch"}),
    f"leaderworkersets.{LWS}/scale": frozenset({"patch"}),
    "horizontalpodautoscalers.autoscaling": frozenset({"list", "watch"}),
    "scaledobjects.keda.sh": frozenset({"list", "watch"}),
}
NEVER = [
    *product(("get", "list", "watch", *WRITES), ("secrets",)),
    *product(WRITES, ("pods", "nodes", "namespaces", "persistentvolumeclaims", "serviceaccounts")),
    *(("create", part) for part in ("pods/exec", "pods/attach", "pods/portforward", "pods/eviction", "pods/binding")),
    ("create", "serviceaccounts/token"),
    ("get", "pods/log"),
    ("get", "nodes/proxy"),
    ("patch", "nodes/status"),
    ("patch", "pods/status"),
    ("update", "deployments.apps"),
    ("update", "deployments.apps/scale"),
    ("patch", "deployments.apps/status"),
    ("deletecollection", "deployments.apps"),
    *product(WRITES, ("statefulsets.apps", "replicasets.apps", "daemonsets.apps", "jobs.batch")),
    *product(WRITES, ("horizontalpodautoscalers.autoscaling", "scaledobjects.keda.sh")),
    *product(("list", "watch", "update"), ("services", "configmaps", f"inferencepools.{POOLS}")),
    *product(WRITES, ("placementrequests.placewright.dev", "placementpolicies.placewright.dev")),
    *product(
        ("create", "bind", "escalate"), ("roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io")
    ),
    ("impersonate", "users"),
    ("impersonate", "serviceaccounts"),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io"),
]
"""What acting never needs, whoever asks for it."""


@pytest.fixture(scope="module", autouse=True)
def kinds_of_others(chart_plane: ControlPlane) -> Iterator[None]:
    with foreign_kinds(chart_plane):
        yield


def operator(site: Site) -> Access:
    return Access(site.plane, site.namespace, "placewright")


def own(site: Site, namespace: str) -> Rights:
    """What the operator may do in a namespace beyond what every account may."""
    return beyond(operator(site).all(namespace), Access(site.plane, site.namespace, "nobody").all(namespace))


def on_workloads(rights: Rights) -> Rights:
    """Of these rights the ones that acting brings, or could."""
    mentioned = {*WORKLOADS, *SCALES} - {"pods"}
    return {resource: verbs for resource, verbs in rights.items() if resource in mentioned}


def test_without_apply_no_workload_can_be_changed_anywhere(site: Site) -> None:
    site.install()
    assert "--apply" not in site.arguments
    assert operator(site).of(CHANGES) == []
    for namespace in (site.namespace, "default", "kube-system"):
        assert on_workloads(own(site, namespace)) == {}
        assert own(site, namespace)["pods"] == {"get", "list", "watch"}
    assert operator(site).of(product(("create", "patch", "delete"), WORKLOADS), "default") == []


def test_with_apply_it_may_do_this_in_the_cluster_and_no_more(site: Site) -> None:
    site.install(values={"apply": {"enabled": True}})
    assert "--apply" in site.arguments
    assert not [each for each in site.arguments if each.startswith("--apply-namespace")]
    asked = [(verb, resource) for resource, verbs in APPLY.items() for verb in sorted(verbs)]
    assert operator(site).of(asked) == asked
    for namespace in (site.namespace, "default"):
        assert on_workloads(own(site, namespace)) == APPLY
    assert operator(site).of(NEVER) == []

    site.upgrade(values={"apply": {"enabled": False}})
    assert on_workloads(own(site, "default")) == {}, "what was switched off is gone"


def test_in_named_namespaces_it_has_these_rights_in_them_alone(site: Site) -> None:
    inside, outside = site.plane.create_namespace("inside"), site.plane.create_namespace("outside")
    site.install(values={"apply": {"enabled": True, "namespaces": [inside]}})
    assert f"--apply-namespace={inside}" in site.arguments
    assert on_workloads(own(site, inside)) == APPLY
    for namespace in (outside, site.namespace, "default", "kube-system"):
        assert on_workloads(own(site, namespace)) == {}
    assert operator(site).of(CHANGES) == [], "nowhere in the whole cluster"

    account = site.plane.api_with_token(site.plane.service_account_token(site.namespace, "placewright"))
    made = account.create(f"/api/v1/namespaces/{inside}/configmaps", {"metadata": {"name": "mine"}})
    assert made["metadata"]["name"] == "mine"
    for path in (f"/api/v1/namespaces/{outside}/configmaps", f"/apis/apps/v1/namespaces/{outside}/deployments"):
        with pytest.raises(ApiError) as refused:
            account.create(path, {"metadata": {"name": "mine"}})
        assert refused.value.status == 403
    for namespace in (inside, outside):
        site.plane.delete_namespace(namespace)


def test_an_operator_of_some_namespaces_acts_in_no_others(site: Site) -> None:
    served = site.plane.create_namespace("served")
    site.install(values={"apply": {"enabled": True}, "watchNamespaces": [served]})
    assert f"--apply-namespace={served}" in site.arguments
    assert on_workloads(own(site, served)) == APPLY
    assert on_workloads(own(site, site.namespace)) == {}
    site.uninstall()
    assert operator(site).of(CHANGES, served) == []
    site.plane.delete_namespace(served)


WAKE = {"metadata": {"annotations": {"placewright.dev/wake": "2026-11-21T10:00:00Z"}}}
PAUSE = {"metadata": {"annotations": {"placewright.dev/pause": "maintenance"}}}


def test_people_wake_and_pause_with_the_roles_that_they_have(site: Site) -> None:
    site.install(values={"apply": {"enabled": True}})
    site.create_request("chat")
    bindings = f"namespaces/{site.namespace}/rolebindings"
    for role in ("viewer", "editor"):
        make_person(site, role, bindings)
    make_person(site, "fleet-admin", "clusterrolebindings")
    policies = "/apis/placewright.dev/v1alpha1/placementpolicies"
    policy = {"apiVersion": "placewright.dev/v1alpha1", "kind": "PlacementPolicy", "metadata": {"name": "all"}}
    site.plane.admin.create(policies, {**policy, "spec": {}})

    def as_person(name: str) -> Api:
        return site.plane.api_with_token(site.plane.service_account_token(site.namespace, name))

    request = f"{PATH.format(namespace=site.namespace)}/chat"
    try:
        for asked in (WAKE, PAUSE):
            noted = as_person("editor").patch(request, asked)["metadata"]["annotations"]
            assert noted.items() >= asked["metadata"]["annotations"].items()
        paused = as_person("fleet-admin").patch(f"{policies}/all", PAUSE)
        assert paused["metadata"]["annotations"] == PAUSE["metadata"]["annotations"]
        for person, path in (("viewer", request), ("viewer", f"{policies}/all"), ("editor", f"{policies}/all")):
            with pytest.raises(ApiError) as refused:
                as_person(person).patch(path, PAUSE)
            assert refused.value.status == 403
        for person in ("viewer", "editor", "fleet-admin"):
            assert on_workloads(Access(site.plane, site.namespace, person).all(site.namespace)) == {}, person
    finally:
        site.plane.admin.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{site.namespace}-fleet-admin")
        site.plane.admin.delete(f"{policies}/all")
        site.plane.admin.delete(request)
