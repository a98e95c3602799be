"""What a GPU of a pool costs, who says so, and what is told when nobody does or they disagree."""

from datetime import UTC, datetime

import pytest

from placewright.kube.inventory import ObservedPrice
from tests.support.fleet_nodes import (
    L40S,
    Json,
    gpu_node,
    gpu_pod,
    gpu_pool,
    left_out,
    message,
    observe,
    price_policy,
    reasons,
)

KEY = "placewright.dev/price-per-gpu-hour"
G6E = {
    **L40S,
    "node.kubernetes.io/instance-type": "g6e.48xlarge",
    "topology.kubernetes.io/zone": "us-east-1a",
    "topology.kubernetes.io/region": "us-east-1",
}
LISTED = 30.13118 / 8


def unpriced(**spec: object) -> Json:
    return {"pricePerGPUHour": None, **spec}


def entry(price: float, **more: str) -> Json:
    return {"gpu": "L40S", "pricePerGPUHour": price, **more}


def test_the_order_is_spec_policy_node_instance_type() -> None:
    node = gpu_node("n1", G6E, annotations={KEY: "1.50"})
    policy = price_policy(entry(1.4, asOf="2026-11-01T00:00:00Z"), name="prices")

    assert observe(gpu_pool(), [node], (), [policy]).price == ObservedPrice(per_gpu_hour=1.2, source="Spec")
    assert observe(gpu_pool(**unpriced()), [node], (), [policy]).price == ObservedPrice(
        per_gpu_hour=1.4,
        source="PolicyTable",
        as_of=datetime(2026, 11, 1, tzinfo=UTC),
        detail="PlacementPolicy prices",
    )
    assert observe(gpu_pool(**unpriced()), [node]).price == ObservedPrice(
        per_gpu_hour=1.5, source="NodeLabel", detail="Node n1"
    )
    listed = observe(gpu_pool(**unpriced()), [gpu_node("n1", G6E)])
    assert listed.price == ObservedPrice(
        per_gpu_hour=pytest.approx(LISTED),
        source="InstanceTypes",
        as_of=datetime(2026, 1, 19, tzinfo=UTC),
        detail="g6e.48xlarge in us-east-1",
    )
    assert listed.pool is not None
    assert listed.pool.price_per_gpu_hour == pytest.approx(LISTED)
    assert message(listed, "Ready") == "8 L40S on 1 Node at $3.7664 per GPU and hour (g6e.48xlarge in us-east-1)"


def test_no_price_is_told_and_the_pool_keeps_its_stock() -> None:
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1")])
    assert found.pool is not None
    assert (found.pool.price_per_gpu_hour, found.price, found.capacity) == (None, None, 8)
    assert reasons(found) == ["NoPrice", "NoPrice"]
    assert "spec.pricePerGPUHour" in message(found, "NoPrice")


@pytest.mark.parametrize(
    ("labels", "price"),
    [
        ({}, 4.0),
        ({"topology.kubernetes.io/zone": "a"}, 3.0),
        ({"topology.kubernetes.io/zone": "a", "karpenter.sh/capacity-type": "spot"}, 2.0),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, 2.5),
        ({"cloud.google.com/gke-spot": "true"}, 2.5),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, 2.5),
        ({"karpenter.sh/capacity-type": "reserved"}, 1.5),
        ({"node.kubernetes.io/instance-type": "rack-7"}, 1.0),
    ],
)
def test_the_most_exact_entry_of_the_price_tables_wins(labels: dict[str, str], price: float) -> None:
    policy = price_policy(
        entry(4.0),
        entry(3.0, zone="a"),
        entry(2.0, zone="a", capacityType="Spot"),
        entry(2.5, capacityType="Spot"),
        entry(1.5, capacityType="Reserved"),
        entry(1.0, instanceType="rack-7"),
        {"gpu": "H100", "pricePerGPUHour": 9.0},
    )
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1", {**L40S, **labels})], (), [policy])
    assert found.price is not None
    assert found.price.per_gpu_hour == price


def test_of_two_policies_the_first_name_counts_in_any_order() -> None:
    policies = [price_policy(entry(2.0), name="b"), price_policy(entry(3.0), name="a")]
    for order in (policies, policies[::-1]):
        found = observe(gpu_pool(**unpriced()), [gpu_node("n1")], (), order)
        assert found.price is not None
        assert (found.price.per_gpu_hour, found.price.detail) == (3.0, "PlacementPolicy a")


def test_an_alias_in_the_price_table_means_its_gpu() -> None:
    policy = price_policy({"gpu": "nvidia-l40s", "pricePerGPUHour": 1.9})
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1")], (), [policy])
    assert found.price is not None
    assert found.price.per_gpu_hour == 1.9


def test_declared_stock_is_priced_by_entries_that_name_nothing_else() -> None:
    pool = gpu_pool(**unpriced(nodeSelector=None, gpu="L40S", stock={"nodes": 1, "gpusPerNode": 8}))
    policy = price_policy(entry(2.0, capacityType="Spot"), entry(1.9))
    found = observe(pool, [], (), [policy])
    assert found.price is not None
    assert found.price.per_gpu_hour == 1.9
    assert reasons(observe(pool, [])) == ["NoPrice", "NoPrice"]


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "inf", "free", "", "1_0", "\u0663", "2,49", "1e9"])
def test_a_bad_price_on_a_node_is_ignored_and_named(text: str) -> None:
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1", annotations={KEY: text})])
    assert found.price is None
    assert message(found, "PriceIgnored") == f"no positive number of USD on Node n1: {text!r}"


def test_a_bad_price_on_a_node_does_not_matter_when_the_spec_has_one() -> None:
    assert reasons(observe(gpu_pool(), [gpu_node("n1", annotations={KEY: "free"})])) == ["NodesFound"]


def test_the_annotation_wins_over_the_label() -> None:
    node = gpu_node("n1", {**L40S, KEY: "3"}, annotations={KEY: "2.5"})
    found = observe(gpu_pool(**unpriced()), [node])
    assert found.price is not None
    assert found.price.per_gpu_hour == 2.5


def test_nodes_that_disagree_cost_the_dearest_and_are_named() -> None:
    nodes = [gpu_node("a", {**L40S, KEY: "2"}), gpu_node("b", {**L40S, KEY: "3"}), gpu_node("c", {**L40S, KEY: "2"})]
    found = observe(gpu_pool(**unpriced()), nodes)
    assert found.pool is not None
    assert found.pool.price_per_gpu_hour == 3
    assert found.capacity == 24
    assert message(found, "PricesDiffer") == (
        "the dearest counts for all (b: $3, a: $2, c: $2); make a pool of each price"
    )


@pytest.mark.parametrize(
    "label",
    [
        {"karpenter.sh/capacity-type": "spot"},
        {"karpenter.sh/capacity-type": "reserved"},
        {"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"},
        {"cloud.google.com/gke-preemptible": "true"},
    ],
)
def test_a_node_that_is_not_on_demand_never_gets_a_list_price(label: dict[str, str]) -> None:
    assert observe(gpu_pool(**unpriced()), [gpu_node("n1", {**G6E, **label})]).price is None


def test_a_node_without_a_price_is_left_out_while_others_have_one() -> None:
    spot = gpu_node("b", {**G6E, "karpenter.sh/capacity-type": "spot"})
    found = observe(gpu_pool(**unpriced()), [gpu_node("a", G6E), spot])
    assert found.node_names == ("a",)
    assert left_out(found) == {"b": "NoPrice: Spot, g6e.48xlarge"}
    assert found.price is not None
    assert found.price.per_gpu_hour == pytest.approx(LISTED)


def test_the_list_price_of_another_region_is_told() -> None:
    node = gpu_node("n1", {**G6E, "topology.kubernetes.io/region": "eu-west-1"})
    found = observe(gpu_pool(**unpriced()), [node])
    assert reasons(found) == ["NodesFound", "PriceOfOtherRegion"]
    assert "is the list price of us-east-1" in message(found, "PriceOfOtherRegion")


def test_a_list_price_is_not_taken_for_another_gpu_than_the_types() -> None:
    node = gpu_node("n1", {**L40S, "node.kubernetes.io/instance-type": "g5.48xlarge"})
    assert observe(gpu_pool(**unpriced()), [node]).price is None


def test_an_old_price_is_told() -> None:
    policy = price_policy(entry(1.4, asOf="2025-11-20T00:00:00Z"))
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1")], (), [policy])
    assert reasons(found) == ["NodesFound", "PriceOld"]
    assert message(found, "PriceOld") == (
        "$1.4 per GPU and hour (PlacementPolicy default) is of 2025-11-20: state a newer one"
    )


def test_a_pool_without_usable_nodes_is_priced_by_those_that_are_away() -> None:
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1", {**L40S, KEY: "2"}, unschedulable=True)])
    assert found.pool is not None
    assert (found.pool.nodes, found.pool.price_per_gpu_hour) == (0, 2)
    full = observe(gpu_pool(**unpriced()), [gpu_node("n1", {**L40S, KEY: "2"})], [gpu_pod(8)])
    assert full.pool is not None
    assert (full.pool.nodes, full.pool.price_per_gpu_hour) == (0, 2)


def test_a_pool_without_usable_nodes_does_not_blame_the_price() -> None:
    found = observe(gpu_pool(**unpriced()), [gpu_node("n1", annotations={KEY: "free"}, unschedulable=True)])
    assert reasons(found) == ["NoUsableNodes", "NoPrice", "PriceIgnored"]
