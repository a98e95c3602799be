"""The CRD on a real API server: nothing is pruned, defaults land, kubectl shows and explains it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from placewright.api.crd import PLURAL, custom_resource_definition, spec_schema
from placewright.api.kinds import KINDS
from placewright.api.parse import parse, parse_policy, parse_pool, parse_profile
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.kind_bodies import ROW, full_resources, small_policy, small_pool, small_profile
from tests.support.resources import Json, example_of, field_names, named_fields, small_request

Kubectl = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("crds")


Create = Callable[[Json], Json]
PARSE: dict[str, Callable[[Json], Any]] = {
    "PlacementRequest": parse,
    "GPUPool": parse_pool,
    "PlacementPolicy": parse_policy,
    "PerformanceProfile": parse_profile,
}
SMALL: dict[str, Callable[[str], Json]] = {
    "PlacementRequest": small_request,
    "GPUPool": small_pool,
    "PlacementPolicy": small_policy,
    "PerformanceProfile": small_profile,
}


def status_schema(kind: str = "PlacementRequest") -> dict[str, Any]:
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


@pytest.fixture
def create(kubectl: Kubectl, namespace: str) -> Iterator[Callable[[Json], Json]]:
    """Creates an object and returns what is stored; what is cluster-wide is taken away again."""
    made: list[tuple[str, str]] = []

    def make(body: Json) -> Json:
        done = kubectl("create", "-n", namespace, "-f", "-", "-o", "json", stdin=json.dumps(body))
        created: Json = json.loads(done.stdout)
        made.append((KINDS[body["kind"]].plural, body["metadata"]["name"]))
        return created

    yield make
    for plural, name in made:
        kubectl("delete", plural, name, "-n", namespace, "--ignore-not-found")


def patch_status(
    kubectl: Kubectl, namespace: str, name: str, status: dict[str, Any], short: str = "plr"
) -> dict[str, Any]:
    patch = json.dumps({"status": status})
    done = kubectl(
        "patch", short, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch, "-o", "json"
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


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_spec_comes_back_as_it_was_given(kind: str, create: Create) -> None:
    given = full_resources()[kind]
    fields = {field for body in given for field in named_fields(body["spec"])}
    # A label's key is no field.
    fields = {field for field in fields if ".matchLabels." not in field}
    assert fields == set(field_names(spec_schema(kind))), "full_resources() misses a field"

    for body in given:
        stored = create(body)["spec"]
        # What is optional and left out is filled in only where it has a default; nothing is lost or changed.
        assert stored == PARSE[kind](body).spec.model_dump(by_alias=True, exclude_none=True)
        assert set(named_fields(body["spec"])) <= set(named_fields(stored))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_status_comes_back_as_it_was_given(
    kind: str, create: Create, kubectl: Kubectl, namespace: str
) -> None:
    create(SMALL[kind]("small"))
    status = example_of(status_schema(kind))
    assert set(field_names(status_schema(kind))) <= set(named_fields(status))

    assert patch_status(kubectl, namespace, "small", status, KINDS[kind].short)["status"] == status


def test_defaults_land_in_the_spec_as_the_types_have_them(create: Create) -> None:
    given = small_request()

    stored = create(given)["spec"]

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
    assert stored["priority"] == 0
    assert stored["workload"]["classes"] == []
    assert stored["replicas"] == {"min": 0}
    assert stored["stabilization"] == {"minSavingsPercent": 10, "minDwell": "30m", "loadTime": "5m"}
    assert stored["pools"][0]["billing"] == "PerGPU"
    assert stored == parse(given).spec.model_dump(by_alias=True, exclude_none=True)


def test_defaults_land_in_the_other_kinds(create: Create) -> None:
    assert create(small_pool())["spec"] == {**small_pool()["spec"], "billing": "PerGPU", "maxTensorParallel": 8}
    assert create(small_policy())["spec"] == small_policy()["spec"]
    assert create(small_profile())["spec"] == {**small_profile()["spec"], "method": "Measured"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_unseen_object_never_counts_as_current(kind: str, create: Create) -> None:
    assert create(SMALL[kind]("small"))["status"] == {"observedGeneration": -1}


def test_null_in_the_spec_is_absent(create: Create) -> None:
    given = small_request(solver=None, slo={"ttft": None})

    stored = create(given)["spec"]

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


def test_kubectl_get_shows_the_columns(create: Create, kubectl: Kubectl, namespace: str) -> None:
    create(small_request("chat"))
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
        "demandRequestsPerSecond": 4.5,
    }
    ramp = {**example_of(status_schema())["ramp"], "step": 1, "percent": 12.5}
    gates = {**ready("True", "AllPassed"), "type": "GatesPassed"}
    solver = {"method": "Exact", "status": "Optimal", "gapPercent": 0.25}
    applied = {**ready("False", "Progressing"), "type": "Applied"}
    idle = {"state": "Warming", "reason": "Warming", "message": "a replica is 2m old"}
    conditions = [ready("True", "PlanCurrent"), gates, applied]
    status = {"conditions": conditions, "plan": plan, "solver": solver, "ramp": ramp, "idle": idle}
    patch_status(kubectl, namespace, "chat", status)

    header, row = kubectl("get", "plr", "-n", namespace).stdout.splitlines()
    assert header.split() == (
        ["NAME", "READY", "REASON", "POOL", "PREC", "TP", "PP", "REPLICAS", "GPUS", "$/H", "$/MTOK", "GATES", "AGE"]
    )
    assert row.split()[:-1] == (
        ["chat", "True", "PlanCurrent", "l40s", "fp8", "4", "2", "1", "8", "9.6", "2.31", "AllPassed"]
    )
    header, row = kubectl("get", "plr", "-n", namespace, "-o", "wide").stdout.splitlines()
    assert header.split()[-6:] == ["MODEL", "GAP", "DEMAND", "RAMP", "APPLIED", "IDLE"]
    assert row.split()[-6:] == ["meta-llama/Llama-3.1-8B-Instruct", "0.25", "4.5", "12.5", "Progressing", "Warming"]


def test_as_many_measured_rows_as_etcd_holds_are_accepted(control_plane: ControlPlane, create: Create) -> None:
    rows = [{**ROW, "inputTokens": 1 + index, "ttft": "1.2s", "tpot": "45ms"} for index in range(4096)]

    assert create(small_profile("rows-4096", rows=rows))["spec"]["rows"] == rows

    # 10,000 short rows are within the schema's bound and etcd's 1.5 MiB; one more is not, and long ones are not.
    short = [{**ROW, "requestsPerSecond": 5} for _ in range(10_000)]
    assert len(create(small_profile("rows-10000", rows=short))["spec"]["rows"]) == 10_000
    profiles = "/apis/placewright.dev/v1alpha1/performanceprofiles"
    with pytest.raises(ApiError, match=r"spec\.rows"):
        control_plane.admin.create(profiles, small_profile("too-many", rows=[*short, dict(ROW)]))
    long = [{**row, "concurrency": 64, "ttft": "1.2s", "tpot": "45ms"} for row in short]
    with pytest.raises(ApiError, match="too large"):
        control_plane.admin.create(profiles, small_profile("too-large", rows=long))


def test_256_classes_are_accepted(control_plane: ControlPlane, namespace: str) -> None:
    size = {"inputTokens": 512, "outputTokens": 128, "requestsPerSecond": 0.5, "slo": {"ttft": "1s", "tpot": "40ms"}}
    classes = [{"name": f"class-{index}", **size} for index in range(256)]
    body = small_request(workload={"classes": classes})
    body["spec"]["model"]["maxModelLen"] = 640

    created = control_plane.admin.create(f"/apis/placewright.dev/v1alpha1/namespaces/{namespace}/{PLURAL}", body)

    assert created["spec"]["workload"]["classes"] == classes


def test_kubectl_get_shows_the_columns_of_the_other_kinds(create: Create, kubectl: Kubectl, namespace: str) -> None:
    create(small_pool("l40s"))
    price = {"perGPUHour": 1.2, "source": "spec"}
    counts = {"nodes": 2, "capacity": 16, "allocated": 12, "free": 4, "leftOutCount": 1}
    status = {"conditions": [ready("True", "StockDeclared")], "gpu": "L40S", "price": price, **counts}
    patch_status(kubectl, namespace, "l40s", status, "gpool")
    create(small_policy("default"))
    patch_status(kubectl, namespace, "default", {"costPerHour": 42.5}, "ppol")
    create(small_profile("measured"))
    patch_status(kubectl, namespace, "measured", {"rows": 1}, "pprof")

    header, row = kubectl("get", "gpool", "l40s").stdout.splitlines()
    assert header.split() == ["NAME", "READY", "GPU", "NODES", "GPUS", "USED", "FREE", "$/GPUH", "SOURCE", "AGE"]
    assert row.split()[:-1] == ["l40s", "True", "L40S", "2", "16", "12", "4", "1.2", "spec"]
    header, row = kubectl("get", "ppol", "default").stdout.splitlines()
    assert header.split() == ["NAME", "$/H", "MAX", "$/H", "AGE"]
    assert row.split()[:-1] == ["default", "42.5", "500"]
    header, row = kubectl("get", "pprof", "measured").stdout.splitlines()
    assert header.split() == ["NAME", "MODEL", "ROWS", "SOURCE", "AGE"]
    assert row.split()[:-1] == ["measured", "meta-llama/Llama-3.1-8B-Instruct", "1", "a", "benchmark"]


def test_kubectl_wait_follows_ready(create: Create, kubectl: Kubectl, namespace: str) -> None:
    create(small_request("chat"))
    waiting = ("wait", "--for=condition=Ready", "plr/chat", "-n", namespace)

    refused = kubectl(*waiting, "--timeout=1s", check=False)
    patch_status(kubectl, namespace, "chat", {"observedGeneration": 1, "conditions": [ready("True", "PlanCurrent")]})
    granted = kubectl(*waiting, "--timeout=30s")

    assert refused.returncode != 0
    assert "condition met" in granted.stdout


def test_status_is_not_written_with_the_spec(create: Create) -> None:
    body = {**small_request(), "status": {"observedGeneration": 7}}

    assert create(body)["status"] == {"observedGeneration": -1}


def test_only_a_changed_spec_raises_the_generation(create: Create, kubectl: Kubectl, namespace: str) -> None:
    create(small_request())
    kubectl("label", "plr", "small", "-n", namespace, "team=serving")
    after_label = patch_status(kubectl, namespace, "small", {"observedGeneration": 1})["metadata"]["generation"]
    kubectl("patch", "plr", "small", "-n", namespace, "--type=merge", "-p", '{"spec": {"suspend": true}}')
    after_edit = patch_status(kubectl, namespace, "small", {"observedGeneration": 2})["metadata"]["generation"]

    assert (after_label, after_edit) == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_kubectl_explain_has_text_for_every_field(kind: str, kubectl: Kubectl) -> None:
    wait_until(lambda: _explained(kubectl, f"{KINDS[kind].short}.spec"), 30, "the API server to publish the schema")
    fields = [f"spec.{name}" for name in field_names(spec_schema(kind))]
    fields += [f"status.{name}" for name in field_names(status_schema(kind))]

    # What kubectl explain reads; one call of it for each of 150 fields would take a minute.
    document = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/placewright.dev/v1alpha1").stdout)
    published = document["components"]["schemas"][f"dev.placewright.v1alpha1.{kind}"]
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_what_is_installed(kind: str, crds: list[Path], kubectl: Kubectl) -> None:
    plural = KINDS[kind].plural
    installed = json.loads(kubectl("get", "crd", f"{plural}.placewright.dev", "-o", "json").stdout)

    conditions = {entry["type"]: entry["status"] for entry in installed["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    assert f"placewright.dev_{plural}.yaml" in [path.name for path in crds]
