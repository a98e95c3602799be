"""What the chart's accounts and roles may do on the real API server, and that it is no more than that."""

import json
from typing import Any

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.rest import Api, ApiError
from tests.support.chart_site import FLEET_KINDS, Site, make_person
from tests.support.requests import PATH

Json = dict[str, Any]

CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"

# One worker runs all of these on one control plane: the CRDs are the cluster's.
pytestmark = pytest.mark.xdist_group("chart-rights")


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


READ = ["get", "list", "watch"]
REQUEST_RULES = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests"], "verbs": READ},
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests/status"], "verbs": ["patch"]},
]
FLEET_RULES = [
    {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": READ},
    {"apiGroups": ["placewright.dev"], "resources": FLEET_KINDS, "verbs": READ},
    {"apiGroups": ["placewright.dev"], "resources": [f"{kind}/status" for kind in FLEET_KINDS], "verbs": ["patch"]},
]


def in_one_order(rules: list[Json]) -> list[str]:
    return sorted(json.dumps({name: sorted(part) for name, part in rule.items()}, sort_keys=True) for rule in rules)


ALLOWED = [
    *((verb, kind) for verb in READ for kind in ("placementrequests", *FLEET_KINDS, "nodes", "pods")),
    *(("patch", f"{kind}/status") for kind in ("placementrequests", *FLEET_KINDS)),
    ("create", "events"),
]
DENIED = [
    *(
        (verb, kind)
        for verb in ("create", "update", "patch", "delete", "deletecollection")
        for kind in ("placementrequests", *FLEET_KINDS, "nodes", "pods")
    ),
    *(("update", f"{kind}/status") for kind in ("placementrequests", *FLEET_KINDS)),
    ("patch", "nodes/status"),
    ("patch", "pods/status"),
    ("get", "nodes/proxy"),
    ("get", "pods/log"),
    ("create", "pods/exec"),
    ("create", "pods/eviction"),
    ("create", "pods/binding"),
    ("patch", "placementrequests/scale"),
    ("get", "events"),
    ("patch", "events"),
    ("get", "secrets"),
    ("get", "configmaps"),
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
    assert in_one_order(rules_of(site, "default")) == in_one_order([*REQUEST_RULES, *FLEET_RULES])

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


def test_a_namespaced_account_has_rights_on_requests_in_its_namespaces_alone(site: Site) -> None:
    served = site.plane.create_namespace("served")
    site.install(values={"watchNamespaces": [served]})

    assert in_one_order(rules_of(site, served)) == in_one_order([*REQUEST_RULES, *FLEET_RULES])
    assert in_one_order(rules_of(site, "default")) == in_one_order(FLEET_RULES)
    assert in_one_order(rules_of(site, site.namespace)) == in_one_order(FLEET_RULES)
    site.uninstall()
    site.plane.delete_namespace(served)


def test_prices_are_read_from_the_named_config_maps_of_the_own_namespace_alone(site: Site) -> None:
    site.install(values={"prices": {"configMaps": ["gpu-prices"]}})
    token = site.plane.service_account_token(site.namespace, "placewright")
    account = site.plane.api_with_token(token)
    elsewhere = site.plane.create_namespace("elsewhere")
    for namespace in (site.namespace, elsewhere):
        for name in ("gpu-prices", "other"):
            body = {"metadata": {"name": name}, "data": {"prices.csv": "gpu,pricePerGPUHour\nL40S,1.2\n"}}
            site.plane.admin.create(f"/api/v1/namespaces/{namespace}/configmaps", body)

    def path(namespace: str, name: str) -> str:
        return f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    assert "L40S" in account.get(path(site.namespace, "gpu-prices"))["data"]["prices.csv"]
    for forbidden in (path(site.namespace, "other"), path(elsewhere, "gpu-prices"), path(site.namespace, "")[:-1]):
        with pytest.raises(ApiError) as refused:
            account.get(forbidden)
        assert refused.value.status == 403, forbidden
    extra = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["gpu-prices"], "verbs": ["get"]}]
    everywhere = in_one_order([*REQUEST_RULES, *FLEET_RULES])
    assert in_one_order(rules_of(site, site.namespace)) == in_one_order([*REQUEST_RULES, *FLEET_RULES, *extra])
    assert in_one_order(rules_of(site, elsewhere)) == everywhere
    site.uninstall()
    site.plane.delete_namespace(elsewhere)


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
        "fleet-viewer": ["rbac.authorization.k8s.io/aggregate-to-view"],
        "fleet-admin": [],
    }
    site.create_request("chat")
    for person in ("viewer", "editor"):
        make_person(site, person, f"namespaces/{site.namespace}/rolebindings")

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


def test_people_of_the_fleet_are_bound_in_the_cluster(site: Site) -> None:
    site.install()
    bindings = "clusterrolebindings"
    people = ("fleet-viewer", "fleet-admin", "editor")
    for role in people:
        make_person(site, role, bindings)
    viewer, admin, editor = (
        site.plane.api_with_token(site.plane.service_account_token(site.namespace, role)) for role in people
    )
    pools = "/apis/placewright.dev/v1alpha1/gpupools"
    wait_until(lambda: site.find(pools) is not None, 20, "the API server to serve GPUPools")
    pool = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": "l40s"},
        "spec": {"gpu": "L40S", "stock": {"nodes": 1, "gpusPerNode": 8}, "pricePerGPUHour": 1.2},
    }
    try:
        for other in (viewer, editor):
            with pytest.raises(ApiError) as refused:
                other.create(pools, pool)
            assert refused.value.status == 403
        admin.create(pools, pool)
        assert [item["metadata"]["name"] for item in viewer.items(pools)] == ["l40s"]
        with pytest.raises(ApiError) as refused:
            admin.patch(f"{pools}/l40s/status", {"status": {"free": 8}})
        assert refused.value.status == 403
        admin.delete(f"{pools}/l40s")
        assert viewer.items(pools) == []
    finally:
        for role in people:
            site.plane.admin.delete(f"/apis/rbac.authorization.k8s.io/v1/{bindings}/{site.namespace}-{role}")
