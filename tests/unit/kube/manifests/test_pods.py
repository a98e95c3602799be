"""Pods keep to the Pod Security standard `restricted`; on AMD GPUs to `baseline`."""

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from placewright.kube.manifests import render
from tests.support.helm import NEWEST
from tests.support.renders import SETTINGS, a_site, a_work, templates, workloads

GOLDEN = sorted((Path(__file__).resolve().parents[3] / "scenarios/render").glob("*/expected.yaml"))
OLDEST = "1.29.0"  # of the chart
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def broken_rules(pod: dict[str, Any]) -> set[str]:
    """Rules of `restricted` that a Pod breaks (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    broken = set()
    rights = pod.get("securityContext", {})
    if rights.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        broken.add("seccomp")
    if rights.get("runAsNonRoot") is not True or rights.get("runAsUser") == 0:
        broken.add("non-root")
    if any(pod.get(host) for host in ("hostNetwork", "hostPID", "hostIPC")):
        broken.add("host")
    if any(set(volume) - {"name"} - VOLUMES for volume in pod["volumes"]):
        broken.add("volumes")
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            broken.add("escalation")
        if own.get("capabilities") != {"drop": ["ALL"]}:
            broken.add("capabilities")
    return broken


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [template["spec"] for each in workloads(objects) for _, template in templates(each)]


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_pod_security(file: Path) -> None:
    found = pods(documents(file))
    assert found
    for pod in found:
        assert broken_rules(pod) == ({"non-root"} if file.parent.name == "amd" else set())
        assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_kubernetes_own_schemas_take_what_is_rendered(file: Path, version: str) -> None:
    objects = documents(file)
    for each in objects:
        if each["kind"] in ("Deployment", "Service", "ConfigMap"):
            kubernetes_validate.validate(each, version, strict=True)
    for each in workloads(objects):  # the Pods of a LeaderWorkerSet are those of Kubernetes too
        for _, template in templates(each):
            kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **template}, version, strict=True)


def test_a_wrong_field_would_be_seen() -> None:
    deployment = render(a_work(), SETTINGS)[0]
    deployment["spec"]["template"]["spec"]["toleration"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def test_shared_memory_grows_with_the_gpus() -> None:
    (pod,) = pods(list(render(a_work(), SETTINGS)))
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in pod["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]


def test_gpus_are_asked_for_by_the_vendors_resource() -> None:
    for vendor, gpu, resource in (("nvidia", "L40S", "nvidia.com/gpu"), ("amd", "MI300X", "amd.com/gpu")):
        (pod,) = pods(list(render(a_work(sites=[a_site(gpu=gpu, vendor=vendor)]), SETTINGS)))
        assert pod["containers"][0]["resources"] == {"limits": {resource: "2"}}
        assert pod["tolerations"] == [{"key": resource, "operator": "Exists", "effect": "NoSchedule"}]
