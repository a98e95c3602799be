"""What the chart makes for live inputs, the audit journal, alerts and dashboards, and how little it lets out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import dashboards
from tests.support.helm import CHART, Helm, one

Json = dict[str, Any]

PROMETHEUS: Json = {
    "url": "https://prometheus.monitoring:9090",
    "tokenSecret": {"name": "prometheus-token", "key": "bearer"},
    "caConfigMap": {"name": "prometheus-ca"},
}
S3: Json = {"bucket": "audit-trail", "credentialsSecret": {"name": "audit-bucket", "accessKeyIdKey": "id"}}


@pytest.fixture
def helm(helm4: Path, tmp_path: Path) -> Helm:
    return Helm(helm4, tmp_path)


def pod(manifests: list[Json]) -> Json:
    spec: Json = one(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(manifests: list[Json]) -> Json:
    (only,) = pod(manifests)["containers"]
    assert isinstance(only, dict)
    return only


def volume(manifests: list[Json], name: str) -> Json:
    (found,) = [each for each in pod(manifests)["volumes"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def mounted_at(manifests: list[Json], name: str) -> str:
    (found,) = [each for each in container(manifests)["volumeMounts"] if each["name"] == name]
    return str(found["mountPath"])


def test_the_token_and_the_ca_are_files_and_stand_in_no_argument_or_variable(helm: Helm) -> None:
    manifests = helm.render({"prometheus": PROMETHEUS})
    arguments = container(manifests)["args"]
    assert "--prometheus-url=https://prometheus.monitoring:9090" in arguments
    token = volume(manifests, "prometheus-token")
    assert token["secret"] == {"secretName": "prometheus-token", "items": [{"key": "bearer", "path": "token"}]}
    assert f"--prometheus-token-file={mounted_at(manifests, 'prometheus-token')}/token" in arguments
    authority = volume(manifests, "prometheus-ca")
    assert authority["configMap"] == {"name": "prometheus-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert f"--prometheus-ca-file={mounted_at(manifests, 'prometheus-ca')}/ca.crt" in arguments
    assert [each["name"] for each in container(manifests)["env"]] == ["POD_NAMESPACE"]


def test_without_a_prometheus_nothing_of_it_is_there(helm: Helm) -> None:
    told = json.dumps(pod(helm.render()))
    assert "--prometheus-url" not in told
    assert "prometheus-token" not in told
    assert "prometheus-ca" not in told
    assert "--audit-s3" not in told
    assert "AWS_" not in told


def test_the_operator_knows_its_namespace(helm: Helm) -> None:
    assert container(helm.render())["env"] == [
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    ]


def test_the_journal_lies_on_the_volume_that_is_mounted(helm: Helm) -> None:
    for values in ({}, {"audit": {"persistence": {"enabled": True}}}):
        manifests = helm.render(values)
        assert f"--audit-dir={mounted_at(manifests, 'audit')}/audit" in container(manifests)["args"]


def test_a_claim_is_made_kept_and_writable(helm: Helm) -> None:
    manifests = helm.render({"audit": {"persistence": {"enabled": True, "size": "20Gi"}}})
    claim = one(manifests, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    assert volume(manifests, "audit")["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert pod(manifests)["securityContext"]["fsGroup"] == pod(manifests)["securityContext"]["runAsGroup"]


def test_a_claim_of_yours_is_taken_as_it_is(helm: Helm) -> None:
    manifests = helm.render({"audit": {"persistence": {"enabled": True, "existingClaim": "journal"}}})
    assert volume(manifests, "audit")["persistentVolumeClaim"] == {"claimName": "journal"}
    assert not [each for each in manifests if each["kind"] == "PersistentVolumeClaim"]


def test_a_bucket_gets_its_credentials_from_a_secret(helm: Helm) -> None:
    manifests = helm.render({"audit": {"s3": {**S3, "region": "eu-central-1", "prefix": "a/", "retentionDays": 30}}})
    assert [each for each in container(manifests)["args"] if each.startswith("--audit")] == [
        "--audit-dir=/var/lib/placewright/audit",
        "--audit-s3-bucket=audit-trail",
        "--audit-s3-prefix=a/",
        "--audit-retention-days=30",
    ]
    env = {each["name"]: each for each in container(manifests)["env"]}
    assert env["AWS_ACCESS_KEY_ID"]["valueFrom"] == {"secretKeyRef": {"name": "audit-bucket", "key": "id"}}
    assert env["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "audit-bucket"
    assert env["AWS_REGION"]["value"] == "eu-central-1"


def test_price_tables_are_read_by_name_in_the_releases_namespace_alone(helm: Helm) -> None:
    manifests = helm.render({"prices": {"configMaps": ["gpu-prices", "spot-prices"]}}, namespace="team-a")
    role = one(manifests, "Role")
    assert role["metadata"]["namespace"] == "team-a"
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["gpu-prices", "spot-prices"],
            "verbs": ["get"],
        }
    ]
    binding = one(manifests, "RoleBinding")
    assert binding["metadata"]["namespace"] == "team-a"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["namespace"] == "team-a"
    others = [item for item in helm.render() if item["kind"] in {"Role", "ClusterRole"}]
    assert not [rule for item in others for rule in item["rules"] if "configmaps" in rule["resources"]]


def test_the_policy_lets_out_to_prometheus_only_when_there_is_one(helm: Helm) -> None:
    def out(values: Json) -> list[Json]:
        policy = one(
            helm.render({"networkPolicy": {"enabled": True, **values.pop("networkPolicy", {})}, **values}),
            "NetworkPolicy",
        )
        found: list[Json] = policy["spec"]["egress"]
        return found

    closed = out({})
    assert 9090 not in [port["port"] for rule in closed for port in rule["ports"]]
    assert out({"prometheus": PROMETHEUS})[len(closed) :] == [{"ports": [{"port": 9090, "protocol": "TCP"}]}]
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    named = out({"networkPolicy": {"prometheus": peers, "prometheusPorts": [443]}})[len(closed) :]
    assert named == [{"ports": [{"port": 443, "protocol": "TCP"}], "to": peers}]
    bucket = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    assert out({"networkPolicy": {"extraEgress": [bucket]}})[len(closed) :] == [bucket]


def test_the_rule_object_holds_the_rules_file_word_for_word(helm: Helm) -> None:
    rule = one(helm.render({"metrics": {"rules": {"enabled": True, "namespace": "monitoring"}}}), "PrometheusRule")
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["metadata"]["namespace"] == "monitoring"
    assert rule["spec"] == yaml.safe_load((CHART / "files/rules.yaml").read_text(encoding="utf-8"))


def test_the_config_map_holds_every_dashboard_for_the_sidecar(helm: Helm) -> None:
    manifest = one(helm.render({"metrics": {"dashboards": {"enabled": True}}}), "ConfigMap")
    assert manifest["metadata"]["labels"]["grafana_dashboard"] == "1"
    held = {name: json.loads(text) for name, text in manifest["data"].items()}
    assert held == {file.name: dashboards.read(file) for file in dashboards.files()}
    assert len(held) == len(list((CHART / "files/dashboards").iterdir())) > 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "the audit journal is lost with the pod"),
        ({"audit": {"enabled": False}}, "no decision is recorded"),
        ({"audit": {"persistence": {"enabled": True}}}, ""),
    ],
)
def test_the_notes_say_where_the_journal_is_not_safe(helm: Helm, values: Json, told: str) -> None:
    notes = helm.run("install", "placewright", CHART, "--dry-run=client", values=values).stdout
    notes = notes[notes.index("NOTES:") :]
    assert (told in notes) if told else ("audit" not in notes)
