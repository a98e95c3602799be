"""The chart as both Helms render it: valid for every combination of values, and every value does something.

No server is needed for these, only Helm and kubeconform; schemas are those that kubernetes-validate brings along.
"""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from tests.support.chart_files import documented_values
from tests.support.chart_values import DIGEST, MATRIX, OTHER, SWITCHED_ON, WRONG
from tests.support.helm import CHART, NEWEST, Helm, one

Json = dict[str, Any]

OLDEST = "1.29.0"  # Chart.yaml's kubeVersion
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
FOREIGN_KINDS = ("PrometheusRule", "ServiceMonitor")  # the Prometheus Operator's


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, program: Callable[[str], Path], tmp_path: Path) -> Helm:
    return Helm(program(request.param), tmp_path)


@pytest.fixture
def newest_helm(helm4: Path, tmp_path: Path) -> Helm:
    return Helm(helm4, tmp_path)


def test_lint_has_nothing_to_say(helm: Helm) -> None:
    done = helm.run("lint", "--strict", CHART)
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


@pytest.mark.parametrize("case", MATRIX)
def test_manifests_are_valid_on_the_oldest_and_the_newest_kubernetes(helm: Helm, case: str) -> None:
    manifests = helm.render(MATRIX[case], kubernetes=OLDEST)
    assert len({(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in manifests}) == (
        len(manifests)
    )
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN_KINDS:  # not Kubernetes' own; see below
            kubernetes_validate.validate(manifest, OLDEST, strict=True)
            kubernetes_validate.validate(manifest, NEWEST, strict=True)


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of kubernetes-validate as kubeconform can read them: theirs name a server as their place."""
    folder = tmp_path_factory.mktemp("schemas")
    for file in (SCHEMAS / f"v{NEWEST}-local-strict").glob("*.json"):
        schema = json.loads(file.read_text(encoding="utf-8").replace('"/api/_definitions.json#', '"_definitions.json#'))
        schema.pop("$id", None)
        (folder / file.name).write_text(json.dumps(schema), encoding="utf-8")
    return folder


@pytest.fixture
def conforms(kubeconform: Path, schemas: Path) -> Callable[[list[Json]], str]:
    """What kubeconform says about manifests; it looks nothing up outside."""
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    options = ["-strict", "-summary", "-kubernetes-version", NEWEST, "-skip", ",".join(FOREIGN_KINDS)]

    def check(manifests: list[Json]) -> str:
        done = subprocess.run(
            [str(kubeconform), *options, "-schema-location", location, "-"],
            input=yaml.safe_dump_all(manifests),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    return check


@pytest.mark.parametrize("case", MATRIX)
def test_kubeconform_agrees(newest_helm: Helm, conforms: Callable[[list[Json]], str], case: str) -> None:
    manifests = newest_helm.render(MATRIX[case])
    skipped = sum(manifest["kind"] in FOREIGN_KINDS for manifest in manifests)
    assert f"Valid: {len(manifests) - skipped}, Invalid: 0, Errors: 0, Skipped: {skipped}" in conforms(manifests)


def test_kubeconform_and_kubernetes_validate_see_a_wrong_field(
    newest_helm: Helm, conforms: Callable[[list[Json]], str]
) -> None:
    deployment = one(newest_helm.render(), "Deployment")
    deployment["spec"]["replica"] = 1
    assert "Valid: 0, Invalid: 1" in conforms([deployment])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@pytest.mark.parametrize("case", MATRIX)
def test_both_helms_render_the_same(case: str, helm3: Path, helm4: Path, tmp_path: Path) -> None:
    assert Helm(helm3, tmp_path).render(MATRIX[case]) == Helm(helm4, tmp_path).render(MATRIX[case])


def test_a_kubernetes_that_is_too_old_is_refused(helm: Helm) -> None:
    done = helm.run("template", "placewright", CHART, "--kube-version", "1.28.9", check=False)
    assert done.returncode != 0
    assert ">=1.29.0-0" in done.stderr


@pytest.mark.parametrize(("values", "said"), WRONG, ids=[said for _, said in WRONG])
def test_wrong_values_are_refused_with_their_place(helm: Helm, values: Json, said: str) -> None:
    told = helm.refusal(values)
    assert said in told
    assert "values don't meet the specifications of the schema" in told


def test_there_is_another_value_for_every_value() -> None:
    paths = {value.path for value in documented_values((CHART / "values.yaml").read_text(encoding="utf-8"))}
    assert paths == set(OTHER)


@pytest.mark.parametrize("path", OTHER)
def test_every_value_does_something(newest_helm: Helm, path: str) -> None:
    changed = copy.deepcopy(SWITCHED_ON)
    *parents, last = path.split(".")
    node = changed
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = OTHER[path]
    assert newest_helm.render(changed) != newest_helm.render(SWITCHED_ON)


READ = ["get", "list", "watch"]
FLEET_KINDS = ["gpupools", "placementpolicies", "performanceprofiles"]
REQUEST_RULES = [
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests"], "verbs": READ},
    {"apiGroups": ["placewright.dev"], "resources": ["placementrequests/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
FLEET_RULES = [
    {"apiGroups": ["placewright.dev"], "resources": FLEET_KINDS, "verbs": READ},
    {"apiGroups": ["placewright.dev"], "resources": [f"{kind}/status" for kind in FLEET_KINDS], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": READ},
]


def test_the_operators_rights_are_these_and_no_more(newest_helm: Helm) -> None:
    manifests = newest_helm.render()
    assert one(manifests, "ClusterRole", "placewright")["rules"] == [*REQUEST_RULES, *FLEET_RULES]
    bindings = [item for item in manifests if item["kind"].endswith("Binding")]
    assert [(item["kind"], item["roleRef"]["name"], item["subjects"]) for item in bindings] == [
        (
            "ClusterRoleBinding",
            "placewright",
            [{"kind": "ServiceAccount", "name": "placewright", "namespace": "placewright"}],
        )
    ]


def test_a_namespaced_operator_has_rights_on_requests_in_its_namespaces_alone(newest_helm: Helm) -> None:
    manifests = newest_helm.render({"watchNamespaces": ["serving", "research"], "rbac": {"userRoles": False}})
    in_cluster = [item for item in manifests if item["kind"].startswith("ClusterRole")]
    assert [item["kind"] for item in in_cluster] == ["ClusterRole", "ClusterRoleBinding"]
    assert in_cluster[0]["rules"] == FLEET_RULES
    assert [item["rules"] for item in manifests if item["kind"] == "Role"] == [REQUEST_RULES, REQUEST_RULES]
    roles = [item for item in manifests if item["kind"] in {"Role", "RoleBinding"}]
    assert [(item["kind"], item["metadata"]["namespace"]) for item in roles] == [
        ("Role", "serving"),
        ("Role", "research"),
        ("RoleBinding", "serving"),
        ("RoleBinding", "research"),
    ]
    arguments = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[:3] == ["run", "--namespace=serving", "--namespace=research"]


def test_only_who_is_bound_to_the_fleets_admin_changes_its_kinds(newest_helm: Helm) -> None:
    roles = [item for item in newest_helm.render() if item["kind"] == "ClusterRole"]
    writers = {
        role["metadata"]["name"]
        for role in roles
        for rule in role["rules"]
        if set(FLEET_KINDS) & set(rule["resources"]) and not set(rule["verbs"]) <= set(READ)
    }
    assert writers == {"placewright-fleet-admin"}
    labels = one(roles, "ClusterRole", "placewright-fleet-admin")["metadata"]["labels"]
    assert not [label for label in labels if "aggregate" in label]


def test_without_rights_the_notes_tell_all_of_them(newest_helm: Helm) -> None:
    notes = newest_helm.run("install", "placewright", CHART, "--dry-run=client", values={"rbac": {"create": False}})
    told = notes.stdout[notes.stdout.index("rbac.create is false") :]
    for rule in [*REQUEST_RULES, *FLEET_RULES]:
        assert f"resources: [{', '.join(rule['resources'])}]\n" in told


def arguments_of(manifests: list[Json]) -> list[str]:
    found: list[str] = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    return [each for each in found if each.startswith(("--apply", "--act"))]


def apply_roles(manifests: list[Json]) -> list[tuple[str, str]]:
    """Kind and namespace of the roles and bindings with rights on workloads."""
    named = [item for item in manifests if item["metadata"]["name"].endswith("-apply")]
    for item in named:
        if item["kind"].endswith("Binding"):
            account = {"kind": "ServiceAccount", "name": "placewright", "namespace": "placewright"}
            assert item["subjects"] == [account]
            assert item["roleRef"]["name"] == item["metadata"]["name"]
            assert item["roleRef"]["kind"] == item["kind"].removesuffix("Binding")
    return [(item["kind"], item["metadata"].get("namespace", "")) for item in named]


@pytest.mark.parametrize(
    ("values", "arguments", "roles"),
    [
        ({}, [], []),
        ({"apply": {"namespaces": ["serving"]}}, [], []),
        ({"apply": {"enabled": True}}, ["--apply"], [("ClusterRole", ""), ("ClusterRoleBinding", "")]),
        (
            {"apply": {"enabled": True, "namespaces": ["serving", "research"]}},
            ["--apply", "--apply-namespace=serving", "--apply-namespace=research"],
            [("Role", "serving"), ("Role", "research"), ("RoleBinding", "serving"), ("RoleBinding", "research")],
        ),
        (
            {"apply": {"enabled": True}, "watchNamespaces": ["serving"]},
            ["--apply", "--apply-namespace=serving"],
            [("Role", "serving"), ("RoleBinding", "serving")],
        ),
        (
            {"apply": {"enabled": True, "namespaces": ["serving"]}, "watchNamespaces": ["serving", "research"]},
            ["--apply", "--apply-namespace=serving"],
            [("Role", "serving"), ("RoleBinding", "serving")],
        ),
        ({"apply": {"enabled": True}, "rbac": {"create": False}}, ["--apply"], []),
    ],
)
def test_acting_is_allowed_where_the_values_say(
    newest_helm: Helm, values: Json, arguments: list[str], roles: list[tuple[str, str]]
) -> None:
    manifests = newest_helm.render(values)
    assert arguments_of(manifests) == [*arguments, "--act-interval=5"]
    assert apply_roles(manifests) == roles


def test_acting_where_no_request_is_served_is_refused_in_one_line(helm: Helm) -> None:
    for create in (True, False):
        values = {"apply": {"enabled": True, "namespaces": ["a", "c"]}, "watchNamespaces": ["a", "b"]}
        told = helm.refusal({**values, "rbac": {"create": create}})
        assert (
            "values: apply.namespaces[1]: got c, wants one of watchNamespaces (a, b): requests of others are not served"
            in told.splitlines()[0]
        )


def test_the_notes_say_whether_and_where_it_acts(newest_helm: Helm) -> None:
    def notes(values: Json) -> str:
        told = newest_helm.run("install", "placewright", CHART, "--dry-run=client", values=values).stdout
        return " ".join(told[told.index("NOTES:") :].split())

    assert "It only recommends: no workload is created, changed or scaled (apply.enabled)." in notes({})
    assert "idle policies scale them, in the whole cluster." in notes({"apply": {"enabled": True}})
    named = {"apply": {"enabled": True, "namespaces": ["serving", "research"]}}
    assert "idle policies scale them, in serving, research only." in notes(named)
    by_hand = notes({**named, "rbac": {"create": False}})
    assert "and these in serving, research: - apiGroups: [apps] resources: [deployments]" in by_hand


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "placewright:0.1.0"),
        ({"tag": "1.2.3"}, "placewright:1.2.3"),
        ({"registry": "registry.example.com"}, "registry.example.com/placewright:0.1.0"),
        ({"registry": "registry.example.com:5000/team/", "tag": "x"}, "registry.example.com:5000/team/placewright:x"),
        (
            {"registry": "registry.example.com", "tag": "x", "digest": DIGEST},
            f"registry.example.com/placewright@{DIGEST}",
        ),
        ({"repository": "mirror/placewright"}, "mirror/placewright:0.1.0"),
    ],
)
def test_the_image_is_named_by_registry_tag_or_digest(newest_helm: Helm, image: Json, expected: str) -> None:
    pod = one(newest_helm.render({"image": image}), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == expected


def test_one_operator_at_a_time_with_probes_and_one_place_to_write(newest_helm: Helm) -> None:
    deployment = one(newest_helm.render(), "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    container = deployment["template"]["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["volumeMounts"] == [
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "audit", "mountPath": "/var/lib/placewright"},
    ]
    assert deployment["template"]["spec"]["volumes"] == [
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "audit", "emptyDir": {"sizeLimit": "5Gi"}},
    ]


def test_the_scrape_keeps_the_requests_own_labels_and_finds_the_service(newest_helm: Helm) -> None:
    manifests = newest_helm.render({"serviceMonitor": {"enabled": True, "namespace": "monitoring"}})
    monitor, service = one(manifests, "ServiceMonitor"), one(manifests, "Service")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"] == [
        {"port": "http", "path": "/metrics", "honorLabels": True, "interval": "30s", "scrapeTimeout": "10s"}
    ]
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]


def test_what_not_everybody_has_is_behind_switches(newest_helm: Helm) -> None:
    rendered = {item["kind"] for item in newest_helm.render()}
    assert not {"ServiceMonitor", "NetworkPolicy", "PrometheusRule", "ConfigMap", "PersistentVolumeClaim"} & rendered


def test_two_releases_of_one_name_share_no_cluster_wide_name(newest_helm: Helm) -> None:
    def cluster_wide(namespace: str) -> set[str]:
        manifests = newest_helm.render({"crds": {"enabled": False}}, namespace=namespace)
        return {item["metadata"]["name"] for item in manifests if "namespace" not in item["metadata"]}

    assert not cluster_wide("one") & cluster_wide("two")


def test_it_works_as_a_dependency_with_a_condition(helm: Helm, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts/placewright")
    dependency = {"name": "placewright", "version": "0.1.0", "condition": "placewright.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))

    on = helm.render({"placewright": {"enabled": True}, "global": {"team": "ml"}}, chart=parent)
    assert one(on, "Deployment")
    assert helm.render({"placewright": {"enabled": False}}, chart=parent) == []
