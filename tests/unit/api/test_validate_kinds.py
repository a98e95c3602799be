"""Files with several kinds: what is found, what the catalog and other objects say, and what is passed over."""

import json
from typing import Any

import pytest

from placewright.api.validate import Validation, refused, validate
from tests.support.kind_bodies import ROW, full_fleet_request, small_policy, small_pool, small_profile
from tests.support.resources import Json, small_request

NODE: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {"taints": [{"key": "x"}]}}
POD: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {}}


def read(*bodies: Json, **options: Any) -> Validation:
    return validate("\n---\n".join(json.dumps(body) for body in bodies), file="a.yaml", **options)


def faults(*bodies: Json) -> list[str]:
    return [str(fault) for fault in read(*bodies).faults]


def selecting(**spec: Any) -> Json:
    return small_request(**{"pools": None, "poolSelector": {"matchLabels": {"tier": "serving"}}, **spec})


def test_every_kind_is_found_in_one_text() -> None:
    found = read(selecting(), small_pool("l40s"), small_policy("default"), small_profile("rows"), NODE, POD)

    assert found.faults == ()
    assert [entry.resource.metadata.name for entry in found.requests] == ["small"]
    assert [entry.resource.metadata.name for entry in found.pools] == ["l40s"]
    assert [entry.resource.spec.max_cost_per_hour for entry in found.policies] == [500]
    assert [len(entry.resource.spec.rows) for entry in found.profiles] == [1]
    assert [entry.body for entry in found.nodes] == [NODE]
    assert [entry.body for entry in found.pods] == [POD]
    assert found.others == ()


@pytest.mark.parametrize("body", [small_pool(), small_policy(), small_profile()])
def test_a_file_without_a_request_is_good(body: Json) -> None:
    assert faults(body) == []


def test_nodes_alone_are_nothing_to_validate() -> None:
    assert faults(NODE) == ["a.yaml: got only 'Node', wants at least one PlacementRequest"]


def test_what_kubectl_get_nodes_prints_is_taken() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [NODE, {**NODE, "metadata": {"name": "b"}}]}
    bare = {key: value for key, value in NODE.items() if key not in {"apiVersion", "kind"}}
    of_the_server = {"apiVersion": "v1", "kind": "NodeList", "metadata": {"resourceVersion": "7"}, "items": [bare]}
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [POD]}

    found = read(small_request(), listed, of_the_server, pods)

    assert found.faults == ()
    assert [entry.body["metadata"]["name"] for entry in found.nodes] == ["a", "b", "a"]
    assert found.nodes[2].body["kind"] == "Node"
    assert len(found.pods) == 1


@pytest.mark.parametrize("metadata", [None, {}, {"name": 3}, "a"])
def test_a_node_without_a_name_is_a_fault(metadata: Any) -> None:
    (fault,) = faults(small_request(), {**NODE, "metadata": metadata})

    assert fault.startswith("a.yaml:3: metadata.name: got ")
    assert fault.endswith("wants the name of the Node")


def test_objects_of_one_kind_and_name_are_a_fault() -> None:
    assert faults(small_pool(), small_profile(), small_policy()) == []
    assert faults(small_pool(), small_pool()) == ["a.yaml:3: metadata.name: got 'small' twice, wants each GPUPool once"]


def test_another_projects_kind_of_the_same_name_is_passed_over() -> None:
    found = read(small_request(), {**small_pool(), "apiVersion": "tensor-fusion.ai/v1"})

    assert (found.faults, found.others, found.pools) == ((), ("GPUPool",), ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"apiVersion": "placewrigth.dev/v1alpha1"},
            "apiVersion: got 'placewrigth.dev/v1alpha1', wants placewright.dev/v1alpha1?",
        ),
        ({"kind": "GPUPols"}, "kind: got 'GPUPols', wants GPUPool?"),
        (
            {"kind": "Anything"},
            "kind: got 'Anything', wants PlacementRequest, GPUPool, PlacementPolicy or PerformanceProfile",
        ),
        ({"metadata": {"name": "a" * 64}}, f"metadata.name: got '{'a' * 58}…, wants at most 63 characters"),
    ],
)
def test_a_wrong_kind_or_name_is_told_in_one_line(change: Json, said: str) -> None:
    assert faults({**small_pool(), **change}) == [f"a.yaml: {said}"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (small_pool(pricePerGPUHour=0), "spec.pricePerGPUHour: got 0, wants a number above 0"),
        (small_pool(pricePerGPUHour=-1.5), "spec.pricePerGPUHour: got -1.5, wants a number above 0"),
        (small_pool(pricePerGPUHour=float("nan")), "spec.pricePerGPUHour: got nan, wants a finite number"),
        (small_pool(pricePerGPUHour=float("inf")), "spec.pricePerGPUHour: got inf, wants a finite number"),
        (small_pool(gpu="L4OS"), "spec.gpu: got 'L4OS', wants L40S"),
        (small_pool(pricePerGpuHour=1), "spec.pricePerGpuHour: got an unknown field, wants pricePerGPUHour?"),
        (small_policy(maxCostPerHour=0), "spec.maxCostPerHour: got 0, wants a number above 0"),
        (small_policy(prices=[{"gpu": "L40S", "pricePerGPUHour": 0}]), "spec.prices[0].pricePerGPUHour: got 0, wants"),
        (
            small_policy(prices=[{"gpu": "L40S", "pricePerGPUHour": 1, "asOf": "2026-11-21"}]),
            "spec.prices[0].asOf: got '2026-11-21', wants a time such as 2026-11-21T10:00:00Z",
        ),
        (
            small_policy(namespaces=[{"name": "a", "maxCostPerHour": 1}] * 2),
            "spec.namespaces[1].name: got 'a' twice, wants each once",
        ),
        (small_profile(rows=[]), "spec.rows: got [], wants at least 1 entries"),
        (
            small_profile(rows=[{**ROW, "requestsPerSecond": -1}]),
            "spec.rows[0].requestsPerSecond: got -1, wants a number",
        ),
        (small_profile(rows=[{**ROW, "precision": "fp7"}]), "spec.rows[0].precision: got 'fp7', wants 'bf16'"),
        (
            small_request(workload={"inputTokens": 1, "outputTokens": 1, "requestsPerSecond": -4}),
            "spec.workload.requestsPerSecond: got -4, wants a number above 0",
        ),
        (
            small_request(workload={"inputTokens": 1, "outputTokens": 1, "requestsPerSecond": 0}),
            "spec.workload.requestsPerSecond: got 0, wants a number above 0",
        ),
        (selecting(model={"name": "no/such"}), "spec.model.name: got 'no/such', wants a model of the catalog"),
        (
            selecting(workload={"inputTokens": 200_000, "outputTokens": 1}),
            "spec.workload.inputTokens + outputTokens: got 200001, wants at most the model's maxPositionEmbeddings",
        ),
    ],
)
def test_bad_values_are_one_line(body: Json, said: str) -> None:
    (fault,) = faults(body)

    assert fault.startswith(f"a.yaml: {said}")


def test_a_profile_makes_its_model_known() -> None:
    own, rows = selecting(model={"name": "own/model"}), small_profile(model="own/model")
    private = small_request("private", model={"name": "own/model"})

    assert faults(own, private, rows) == []
    assert len(faults(own, private)) == 2


def test_a_profile_of_another_file_makes_its_model_known() -> None:
    (request,) = read(selecting(model={"name": "own/model"}), catalog=False).requests
    (profile,) = read(small_profile(model="own/model")).profiles

    assert refused(request, [profile.resource]) == []
    assert len(refused(request, [])) == 1


def test_a_named_profile_may_come_later() -> None:
    body = full_fleet_request()
    assert body["spec"]["performance"]["profileRef"]

    assert faults(body) == []


def test_ten_thousand_rows_are_read() -> None:
    rows = [{**ROW, "inputTokens": 1 + index, "ttft": "1.2s"} for index in range(10_000)]

    assert faults(small_profile(rows=rows)) == []
    (fault,) = faults(small_profile(rows=[*rows, dict(ROW)]))
    assert "spec.rows: got " in fault
    assert fault.endswith("wants at most 10000 entries")
