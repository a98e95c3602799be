from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.api.price_rows import LivePrice, PriceKey
from placewright.api.prices import policy_price
from tests.support.fleet_resources import policy

NODE = {"capacity_type": "Spot", "zone": "a", "instance_type": "g6e.12xlarge"}


def live(price: float | None, *, source: str = "prom", policy: str = "default", **more: Any) -> LivePrice:
    facts = {name: more.pop(name) for name in ("capacity_type", "zone", "instance_type") if name in more}
    return LivePrice(key=PriceKey(gpu="L40S", **facts), policy=policy, source=source, per_gpu_hour=price, **more)


def table(*prices: dict[str, Any], name: str = "default") -> Any:
    return policy(name, prices=[{"gpu": "L40S", **price} for price in prices])


def found(tables: tuple[Any, ...], *prices: LivePrice) -> tuple[float | None, str]:
    price = policy_price(tables, "NVIDIA-L40S", **NODE, live=prices).price
    return (None, "") if price is None else (price.per_gpu_hour, price.source)


def test_a_live_price_wins_over_a_table_that_names_as_much_and_loses_to_one_that_names_more() -> None:
    plain = table({"pricePerGPUHour": 1.0})
    exact = table({"pricePerGPUHour": 1.0, "capacityType": "Spot"})
    assert found((plain,), live(2.0)) == (2.0, "prom")
    assert found((exact,), live(2.0)) == (1.0, "")
    assert found((exact,), live(2.0, zone="a")) == (2.0, "prom")
    assert found((plain,), live(2.0, zone="b")) == (1.0, "")


def test_of_equal_live_prices_that_of_the_first_policy_and_source_counts() -> None:
    prices = (live(3.0, policy="e"), live(2.0, source="y"), live(4.0, source="x"))
    assert found((), *prices) == (2.0, "y")


def test_a_stale_price_still_counts_and_says_so() -> None:
    as_of = datetime(2026, 11, 21, tzinfo=UTC)
    price = policy_price((table({"pricePerGPUHour": 1.0}),), "L40S", live=[live(2.0, stale="old", as_of=as_of)]).price
    assert price is not None
    assert (price.per_gpu_hour, price.stale, price.as_of, price.policy) == (2.0, "old", as_of, "default")


def test_a_price_that_was_never_believed_leaves_the_next_one_and_is_told() -> None:
    seen = policy_price((table({"pricePerGPUHour": 1.0}),), "L40S", live=[live(None, held="Jump: to $99")])
    assert seen.price is not None
    assert (seen.price.per_gpu_hour, seen.price.source) == (1.0, "")
    assert seen.held == ("prom of PlacementPolicy default, L40S: Jump: to $99",)
    assert policy_price((), "L40S", live=[live(None, held="Zero: ...")]).price is None


@pytest.mark.parametrize("held", ["", "Jump: to $99"])
def test_what_is_held_back_of_a_price_that_does_not_count_is_not_told(held: str) -> None:
    seen = policy_price((), "L40S", **NODE, live=[live(2.0, zone="a"), live(1.0, source="other", held=held)])
    assert seen.held == ()
