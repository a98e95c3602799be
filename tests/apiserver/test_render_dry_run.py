"""What is rendered is taken by a real API server with the CRDs of all kinds that are rendered, strictly."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.absence import refuse_or_skip
from tests.controlplane.assets import AssetsUnavailableError
from tests.controlplane.foreign_crds import http_route_crd, loose_crds
from tests.controlplane.server import ControlPlane

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "scenarios/render").glob("*/expected.yaml"))
WITHOUT = "RENDERED OBJECTS NOT HELD AGAINST THEIR CRDS: "


@pytest.fixture(scope="module")
def rendered_kinds(control_plane: ControlPlane) -> Iterator[None]:
    """HTTPRoute, LeaderWorkerSet and InferencePool, as long as this module runs."""
    try:
        files = (http_route_crd(), *loose_crds(os.environ))
    except AssetsUnavailableError as missing:
        if os.environ.get("CI"):
            refuse_or_skip(missing, os.environ)
        pytest.skip(f"{WITHOUT}{missing}")
    control_plane.apply_crds(*files)
    yield
    control_plane.kubectl("delete", *(argument for file in files for argument in ("-f", str(file))))


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def dry_run(control_plane: ControlPlane, objects: list[dict[str, Any]], namespace: str) -> Any:
    for each in objects:
        each["metadata"]["namespace"] = namespace
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--field-manager=placewright")
    return control_plane.kubectl("apply", *options, "-f", "-", stdin=yaml.safe_dump_all(objects), check=False)


@pytest.mark.usefixtures("rendered_kinds")
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_the_server_takes_every_golden_file(file: Path, control_plane: ControlPlane, namespace: str) -> None:
    objects = documents(file)
    done = dry_run(control_plane, objects, namespace)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == len(objects)
    assert all(line.endswith("serverside-applied (server dry run)") for line in done.stdout.splitlines())


@pytest.mark.usefixtures("rendered_kinds")
@pytest.mark.parametrize(
    ("case", "kind", "spoil", "said"),
    [
        ("one-node-vllm", "Deployment", lambda spec: spec.update(replica=1), "field not declared in schema"),
        ("several-nodes-vllm", "LeaderWorkerSet", lambda spec: spec.update(size=2), "field not declared in schema"),
        (
            "several-nodes-vllm",
            "LeaderWorkerSet",
            lambda spec: spec["leaderWorkerTemplate"].update(restartPolicy="Never"),
            "Unsupported value",
        ),
        (
            "two-layouts-by-weight",
            "HTTPRoute",
            lambda spec: spec["rules"][0]["backendRefs"][0].update(weight=-1),
            "should be greater than or equal to 0",
        ),
        (
            "two-layouts-inference-pools",
            "InferencePool",
            lambda spec: spec["endpointPickerRef"].pop("port"),
            "port is required when kind is 'Service'",
        ),
    ],
)
def test_the_server_would_see_what_is_wrong(
    case: str, kind: str, spoil: Callable[[dict[str, Any]], Any], said: str, control_plane: ControlPlane, namespace: str
) -> None:
    objects = documents(next(file for file in GOLDEN if file.parent.name == case))
    spoil(next(each for each in objects if each["kind"] == kind)["spec"])
    done = dry_run(control_plane, objects, namespace)
    assert done.returncode != 0
    assert said in done.stderr


def test_pods_are_admitted_where_restricted_is_enforced(control_plane: ControlPlane, namespace: str) -> None:
    """The server's own check of the Pod Security standard, on the Pods of all workloads."""
    labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    control_plane.admin.patch(f"/api/v1/namespaces/{namespace}", labels)
    seen = set()
    for file in GOLDEN:
        for workload in documents(file):
            for number, template in enumerate(templates_of(workload)):
                name = f"{workload['metadata']['name']}-{number}"
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]}
                done = dry_run(control_plane, [pod], namespace)
                refused = file.parent.name == "amd"
                assert (done.returncode != 0) == refused, done.stderr
                assert ('violates PodSecurity "restricted:latest": runAsNonRoot' in done.stderr) == refused
                seen.add(file.parent.name)
    assert seen == {file.parent.name for file in GOLDEN}


def templates_of(workload: dict[str, Any]) -> list[dict[str, Any]]:
    spec = workload.get("spec", {})
    group = spec.get("leaderWorkerTemplate", {})
    return [each for each in (spec.get("template"), group.get("leaderTemplate"), group.get("workerTemplate")) if each]
