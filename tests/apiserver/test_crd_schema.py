"""The CRD on a real API server: nothing is pruned, defaults land, kubectl shows and explains it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placewright.api.crd import PLURAL, custom_resource_definition, spec_schema
from placewright.api.parse import parse
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.resources import example_of, field_names, full_request, named_fields, small_request

Kubectl = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("crds")


def status_schema() -> dict[str, Any]:
    version = custom_resource_definition()["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


def create(kubectl: Kubectl, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    done = kubectl("create", "-n", namespace, "-f", "-", "-o", "json", stdin=json.dumps(body))
    created: dict[str, Any] = json.loads(done.stdout)
    return created


def patch_status(kubectl: Kubectl, namespace: str, name: str, status: dict[str, Any]) -> dict[str, Any]:
    patch = json.dumps({"status": status})
    done = kubectl(
        "patch", "plr", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch, "-o", "json"
    )
    patched: dict[str, Any] = json.loads(done.stdout)
    return patched


def ready(status: str, reason: str) -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": status,
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-21T10:00:00Z",
        "reason": reason,
        "message": "as it is",
    }


def test_every_field_of_the_spec_comes_back_as_it_was_given(kubectl: Kubectl, namespace: str) -> None:
    given = full_request()
    assert set(named_fields(given["spec"])) == set(field_names(spec_schema())), "full_request() misses a field"

    created = create(kubectl, namespace, given)

    # The second pool has no interconnect and the first no gpu; nothing else is filled in.
    assert created["spec"] == given["spec"]


def test_every_field_of_the_status_comes_back_as_it_was_given(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, small_request())
    status = example_of(status_schema())
    assert set(field_names(status_schema())) <= set(named_fields(status))

    assert patch_status(kubectl, namespace, "small", status)["status"] == status


def test_defaults_land_in_the_spec_as_the_types_have_them(kubectl: Kubectl, namespace: str) -> None:
    given = small_request()

    stored = create(kubectl, namespace, given)["spec"]

    assert stored["suspend"] is False
    assert stored["parallelism"] == {
        "tensor": [1, 2, 4, 8],
        "maxPipeline": 8,
        "minLayersPerStage": 1,
        "allowMixedPools": False,
        "runtime": "vllm",
    }
    assert stored["objective"] == {"type": "CostPerToken"}
    assert stored["gates"] == {"onViolation": "Block", "onUnknown": "Block"}
    assert stored["solver"] == {"method": "Exact", "timeLimit": "30s", "frontier": True}
    assert stored["performance"] == {"measurements": []}
    assert stored["pools"][0]["billing"] == "PerGPU"
    assert stored == parse(given).spec.model_dump(by_alias=True, exclude_none=True)


def test_an_unseen_object_never_counts_as_current(kubectl: Kubectl, namespace: str) -> None:
    assert create(kubectl, namespace, small_request())["status"] == {"observedGeneration": -1}


def test_null_in_the_spec_is_absent(kubectl: Kubectl, namespace: str) -> None:
    given = small_request(solver=None, slo={"ttft": None})

    stored = create(kubectl, namespace, given)["spec"]

    assert stored["solver"] == {"method": "Exact", "timeLimit": "30s", "frontier": True}
    assert stored["slo"] == {}
    assert stored == parse(given).spec.model_dump(by_alias=True, exclude_none=True)


def test_4096_measured_rows_are_accepted(control_plane: ControlPlane, namespace: str) -> None:
    rows = [
        {
            "gpu": "L40S",
            "tensorParallel": 1 + index % 8,
            "pipelineParallel": 1,
            "precision": "bf16",
            "inputTokens": 1 + index,
            "outputTokens": 512,
            "requestsPerSecond": 0.9,
            "concurrency": 64,
            "ttft": "1.2s",
            "tpot": "45ms",
        }
        for index in range(4096)
    ]
    body = small_request(performance={"measurements": rows})

    created = control_plane.admin.create(f"/apis/placewright.dev/v1alpha1/namespaces/{namespace}/{PLURAL}", body)

    assert created["spec"]["performance"]["measurements"] == rows


def test_kubectl_get_shows_the_columns(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, small_request("chat"))
    plan = {
        **example_of(status_schema())["plan"],
        "pool": "l40s",
        "precision": "fp8",
        "tensorParallel": 4,
        "pipelineParallel": 2,
        "replicas": 1,
        "totalGPUs": 8,
        "costPerHour": 9.6,
        "costPerMillionTokens": 2.31,
    }
    gates = {**ready("True", "AllPassed"), "type": "GatesPassed"}
    solver = {"method": "Exact", "status": "Optimal", "gapPercent": 0.25}
    conditions = [ready("True", "PlanCurrent"), gates]
    patch_status(kubectl, namespace, "chat", {"conditions": conditions, "plan": plan, "solver": solver})

    header, row = kubectl("get", "plr", "-n", namespace).stdout.splitlines()
    assert header.split() == (
        ["NAME", "READY", "REASON", "POOL", "PREC", "TP", "PP", "REPLICAS", "GPUS", "$/H", "$/MTOK", "GATES", "AGE"]
    )
    assert row.split()[:-1] == (
        ["chat", "True", "PlanCurrent", "l40s", "fp8", "4", "2", "1", "8", "9.6", "2.31", "AllPassed"]
    )
    header, row = kubectl("get", "plr", "-n", namespace, "-o", "wide").stdout.splitlines()
    assert header.split()[-2:] == ["MODEL", "GAP"]
    assert row.split()[-2:] == ["meta-llama/Llama-3.1-8B-Instruct", "0.25"]


def test_kubectl_wait_follows_ready(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, small_request("chat"))
    waiting = ("wait", "--for=condition=Ready", "plr/chat", "-n", namespace)

    refused = kubectl(*waiting, "--timeout=1s", check=False)
    patch_status(kubectl, namespace, "chat", {"observedGeneration": 1, "conditions": [ready("True", "PlanCurrent")]})
    granted = kubectl(*waiting, "--timeout=30s")

    assert refused.returncode != 0
    assert "condition met" in granted.stdout


def test_status_is_not_written_with_the_spec(kubectl: Kubectl, namespace: str) -> None:
    body = {**small_request(), "status": {"observedGeneration": 7}}

    assert create(kubectl, namespace, body)["status"] == {"observedGeneration": -1}


def test_only_a_changed_spec_raises_the_generation(kubectl: Kubectl, namespace: str) -> None:
    create(kubectl, namespace, small_request())
    kubectl("label", "plr", "small", "-n", namespace, "team=serving")
    after_label = patch_status(kubectl, namespace, "small", {"observedGeneration": 1})["metadata"]["generation"]
    kubectl("patch", "plr", "small", "-n", namespace, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    after_edit = patch_status(kubectl, namespace, "small", {"observedGeneration": 2})["metadata"]["generation"]

    assert (after_label, after_edit) == (1, 2)


def test_kubectl_explain_has_text_for_every_field(kubectl: Kubectl) -> None:
    wait_until(lambda: _explained(kubectl, "plr.spec"), 30, "the API server to publish the schema")
    fields = [f"spec.{name}" for name in field_names(spec_schema())]
    fields += [f"status.{name}" for name in field_names(status_schema())]

    # What kubectl explain reads; one call of it for each of 150 fields would take a minute.
    document = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/placewright.dev/v1alpha1").stdout)
    published = document["components"]["schemas"]["dev.placewright.v1alpha1.PlacementRequest"]
    without = [name for name, text in _texts(published) if name.startswith(("spec", "status")) and not text]

    assert without == []
    assert {name for name, _ in _texts(published)} >= set(fields)


def test_kubectl_explain_prints_a_field(kubectl: Kubectl) -> None:
    text = wait_until(lambda: _explained(kubectl, "plr.spec.pools.pricePerGPUHour"), 30, "kubectl explain to know it")

    assert "USD per GPU and hour; never guessed" in " ".join(text.split())


def _explained(kubectl: Kubectl, field: str) -> str:
    done = kubectl("explain", field, check=False)
    return str(done.stdout) if done.returncode == 0 else ""


def _texts(schema: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, below in schema.get("properties", {}).items():
        found.append((f"{path}{name}", below.get("description", "")))
        found.extend(_texts(below, f"{path}{name}."))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found.extend(_texts(schema[key], path))
    return found


def test_the_file_is_what_is_installed(crds: list[Path], kubectl: Kubectl) -> None:
    installed = json.loads(kubectl("get", "crd", f"{PLURAL}.placewright.dev", "-o", "json").stdout)

    conditions = {entry["type"]: entry["status"] for entry in installed["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    assert [path.name for path in crds] == ["placewright.dev_placementrequests.yaml"]
