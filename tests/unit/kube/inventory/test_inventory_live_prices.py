from typing import Any

from placewright.api.price_rows import LivePrice, PriceKey
from placewright.kube.inventory import ObservedPool, observe_pools
from tests.support.fleet_nodes import L40S, NOW, gpu_node, gpu_pool, price_policy, reasons

SPOT = {**L40S, "karpenter.sh/capacity-type": "spot", "topology.kubernetes.io/zone": "a"}


def live(price: float | None, *, stale: str = "", held: str = "", **facts: str) -> LivePrice:
    key = PriceKey(gpu="L40S", **facts)
    return LivePrice(key=key, policy="default", source="prom", per_gpu_hour=price, as_of=NOW, stale=stale, held=held)


def observed(*prices: LivePrice, nodes: Any = None, table: float | None = 1.0, **spec: Any) -> ObservedPool:
    policies = [price_policy({"gpu": "L40S", "pricePerGPUHour": table})] if table is not None else []
    found = [gpu_node("n1", SPOT)] if nodes is None else nodes
    (pool,) = observe_pools(
        [gpu_pool(**{"pricePerGPUHour": None, **spec})], policies, found, (), now=NOW, prices=prices
    )
    return pool


def told(pool: ObservedPool, kind: str) -> str:
    return next(each.message for each in pool.conditions if each.type == kind)


def test_a_live_price_counts_and_says_where_it_comes_from() -> None:
    pool = observed(live(0.7, capacity_type="Spot"))
    assert pool.price is not None
    assert pool.pool is not None
    assert (pool.price.per_gpu_hour, pool.price.source, pool.price.as_of) == (0.7, "PriceSource", NOW)
    assert pool.price.detail == "prom of PlacementPolicy default"
    assert pool.pool.price_per_gpu_hour == 0.7
    assert reasons(pool) == ["NodesFound"]


def test_the_spec_wins_over_a_live_price() -> None:
    pool = observed(live(0.7), pricePerGPUHour=2.0)
    assert pool.price is not None
    assert pool.price.source == "Spec"


def test_a_stale_price_stays_with_a_condition() -> None:
    pool = observed(live(0.7, stale="not read since noon: gone"))
    assert pool.price is not None
    assert (pool.price.per_gpu_hour, pool.price.stale) == (0.7, "not read since noon: gone")
    assert reasons(pool) == ["NodesFound", "PricesStale"]
    assert told(pool, "PricesStale") == (
        "$0.7 per GPU and hour (prom of PlacementPolicy default) stays in force: not read since noon: gone"
    )


def test_what_is_held_back_is_a_condition_of_every_pool_that_it_speaks_of() -> None:
    pool = observed(live(0.7, held="Jump: to $99", zone="a"))
    assert reasons(pool) == ["NodesFound", "PricesHeldBack"]
    assert told(pool, "PricesHeldBack") == "prom of PlacementPolicy default, L40S, a: Jump: to $99"
    assert reasons(observed(live(0.7, held="Jump: to $99", zone="b"))) == ["NodesFound"]


def test_a_first_price_that_is_held_back_leaves_the_table_or_nothing() -> None:
    pool = observed(live(None, held="Jump: to $99"))
    assert pool.price is not None
    assert pool.price.source == "PolicyTable"
    bare = observed(live(None, held="Jump: to $99"), table=None)
    assert bare.price is None
    assert reasons(bare) == ["NoPrice", "NoPrice", "PricesHeldBack"]


def test_declared_stock_takes_live_prices_that_name_only_the_gpu() -> None:
    stock: dict[str, Any] = {"nodeSelector": None, "gpu": "L40S", "stock": {"nodes": 1, "gpusPerNode": 8}}
    plain, narrow = observed(live(0.7), nodes=[], **stock), observed(live(0.7, zone="a"), nodes=[], **stock)
    assert plain.price is not None
    assert narrow.price is not None
    assert (plain.price.source, narrow.price.source) == ("PriceSource", "PolicyTable")


def test_nodes_of_different_live_prices_make_the_dearest_count() -> None:
    nodes = [gpu_node("n1", SPOT), gpu_node("n2", L40S)]
    pool = observed(live(0.7, capacity_type="Spot"), live(1.9, capacity_type="OnDemand"), nodes=nodes)
    assert pool.price is not None
    assert pool.price.per_gpu_hour == 1.9
    assert reasons(pool) == ["NodesFound", "PricesDiffer"]
