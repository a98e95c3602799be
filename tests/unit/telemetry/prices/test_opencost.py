"""OpenCost's answers, with the fields of its asset_json.go and the labels of kube-state-metrics."""

import asyncio
import json
from datetime import UTC, datetime
from math import inf
from typing import Any

import aiohttp
import pytest

from placewright.api.price_rows import PriceKey, PriceRow
from placewright.api.price_sources import PriceOpenCost
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prices.opencost import fetch, read_assets

END = "2026-11-21T10:00:00Z"


def node(name: str, *, gpus: float = 8, hours: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A Node of OpenCost; $10 an hour of which $8 are the GPUs'."""
    return {
        "type": "Node",
        "properties": {"category": "Compute", "name": name, "providerID": f"aws:///{name}"},
        "labels": {
            "label_nvidia_com_gpu_product": "NVIDIA-L40S",
            "label_topology_kubernetes_io_zone": "eu-west-1a",
            "label_karpenter_sh_capacity_type": "on-demand",
        },
        "window": {"start": "2026-11-21T09:00:00Z", "end": END},
        "start": "2026-11-21T09:00:00Z",
        "end": END,
        "minutes": 60.0 * hours,
        "nodeType": "g6e.48xlarge",
        "GPUHours": gpus * hours,
        "preemptible": 0,
        "gpuCost": 8.0 * hours,
        "gpuCount": gpus,
        "adjustment": 0.0,
        "totalCost": 10.0 * hours,
        **changes,
    }


def answer(*nodes: dict[str, Any], **others: Any) -> bytes:
    assets = {each["properties"]["name"]: each for each in nodes}
    return json.dumps({"code": 200, "data": {**assets, **others}}).encode()


KEY = PriceKey(gpu="L40S", capacity_type="OnDemand", zone="eu-west-1a", instance_type="g6e.48xlarge")


@pytest.mark.parametrize(("cost", "price"), [("Node", 1.25), ("GPU", 1.0)])
def test_the_gpus_of_a_node_pay_the_node_or_their_share(cost: Any, price: float) -> None:
    found = read_assets(answer(node("n1")), cost=cost)
    assert found.rows == (PriceRow(key=KEY, per_gpu_hour=price, as_of=datetime(2026, 11, 21, 10, tzinfo=UTC)),)
    assert found.passed_over == []


def test_nodes_of_one_kind_have_one_price_by_what_they_cost_together() -> None:
    found = read_assets(answer(node("n1"), node("n2", hours=0.5), node("n3", totalCost=22.0)), cost="Node")
    assert [row.key for row in found.rows] == [KEY]
    assert found.rows[0].per_gpu_hour == pytest.approx((10 + 5 + 22) / (8 + 4 + 8))


def test_kinds_are_told_apart_by_how_they_are_bought_and_where_they_stand() -> None:
    spot = node("n2", preemptible=1, totalCost=4.0)
    spot["labels"] = {"nvidia_com_gpu_product": "NVIDIA-L40S", "failure_domain_beta_kubernetes_io_zone": "b"}
    found = read_assets(answer(node("n1"), spot), cost="Node")
    assert {str(row.key): row.per_gpu_hour for row in found.rows} == {
        "L40S, OnDemand, eu-west-1a, g6e.48xlarge": 1.25,
        "L40S, Spot, b, g6e.48xlarge": 0.5,
    }


@pytest.mark.parametrize(
    ("labels", "kind", "gpu"),
    [
        ({}, "p5.48xlarge", "H100"),
        (None, "p5.48xlarge", "H100"),
        ({"label_cloud_google_com_gke_accelerator": "nvidia-l4"}, "g2-standard-8", "L4"),
        ({"label_karpenter_k8s_aws_instance_gpu_name": "a100"}, "p4de.24xlarge", "A100"),
        ({"label_karpenter_k8s_aws_instance_gpu_name": "a100"}, "unknown", None),
        ({"label_nvidia_com_gpu_product": "GPU-of-tomorrow"}, "p5.48xlarge", None),
        ({}, "m7i.large", None),
    ],
)
def test_the_gpu_is_found_as_on_nodes(labels: dict[str, str] | None, kind: str, gpu: str | None) -> None:
    odd = node("odd", labels=labels, nodeType=kind)
    found = read_assets(answer(node("n1"), odd), cost="Node")
    assert [row.key.gpu for row in found.rows if row.key != KEY] == ([] if gpu is None else [gpu])
    assert found.passed_over == (["odd"] if gpu is None else [])


def test_what_is_no_node_with_gpus_is_passed_over() -> None:
    young = node("young", hours=0.001, totalCost=5.0)
    cpu = node("cpu", gpus=0, labels={}, nodeType="m7i.large")
    found = read_assets(answer(node("n1"), young, cpu, disk={"type": "Disk", "totalCost": 3.0}, odd=[1]), cost="Node")
    assert [row.key for row in found.rows] == [KEY]


def test_older_answers_have_a_list_and_no_gpu_hours() -> None:
    old = node("n1")
    del old["GPUHours"]
    body = json.dumps({"code": 200, "data": [{"n1": old}, {}]}).encode()
    assert read_assets(body, cost="Node").rows[0].per_gpu_hour == pytest.approx(1.25)


def test_a_node_that_costs_nothing_has_a_price_of_zero_for_others_to_judge() -> None:
    assert read_assets(answer(node("n1", totalCost=0.0)), cost="Node").rows[0].per_gpu_hour == 0.0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "openCost: got an answer that is no JSON, wants that of /assets"),
        (b"[" * 100_000, "openCost: got an answer that is no JSON, wants that of /assets"),
        (b"[]", "openCost: got no data in the answer"),
        (b'{"code": 200, "data": null}', "openCost: got no data in the answer"),
        (b'{"code": 200, "data": [3]}', "openCost: got no data in the answer"),
        (b'{"code": 200, "data": {}}', "openCost: got no Node with GPUs, wants one at least"),
        (answer(node("n1", totalCost="12")), "openCost: n1: totalCost: got '12', wants a number"),
        (answer(node("n1", totalCost=None)), "openCost: n1: totalCost: got None, wants a number"),
        (
            answer(node("n1", labels={"label_nvidia_com_gpu_product": "New"}, nodeType="")),
            "openCost: got no Node with GPUs: n1 have GPUs that the catalog does not know, wants one at least",
        ),
    ],
)
def test_an_answer_without_a_price_is_one_line(body: bytes, told: str) -> None:
    with pytest.raises(PriceSourceError) as caught:
        read_assets(body, cost="Node")
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("field", ["GPUHours", "totalCost"])
def test_a_number_beyond_any_float_is_no_finite_price(field: str) -> None:
    body = answer(node("n1", **{field: 123456.5})).replace(b"123456.5", b"1" + b"0" * 400)
    (row,) = read_assets(body, cost="Node").rows
    assert not 0.0 < row.per_gpu_hour < inf


def test_names_are_told_as_one_printable_line() -> None:
    name = "\n\x1b[31m" + "n" * 5000
    with pytest.raises(PriceSourceError) as caught:
        read_assets(answer(node(name, labels={}, nodeType="none")), cost="Node")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    zone = {"label_topology_kubernetes_io_zone": "eu\n\x00west"}
    (row,) = read_assets(answer(node("n1", labels=zone)), cost="Node").rows
    assert row.key.zone == "euwest"


@pytest.mark.parametrize(
    "url", ["http://opencost..svc:9003", f"http://{'a' * 250}", "http://[1.2.3.4]:9003", "http://h:99999"]
)
def test_a_host_that_is_no_name_is_one_line(url: str) -> None:
    async def ask() -> bytes:
        async with aiohttp.ClientSession() as session:
            return await fetch(session, PriceOpenCost(url=url))

    with pytest.raises(PriceSourceError, match="wants an answer"):
        asyncio.run(ask())
