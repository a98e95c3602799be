"""Prices from the real Prometheus: in force, held back, confirmed, stale and back again."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pytest

from placewright.api.placement_policy import PlacementPolicy
from placewright.api.policies import input_rules
from placewright.api.price_rows import LivePrice
from placewright.handlers.price_queries import PriceQueries
from placewright.handlers.price_reader import SourceReader
from placewright.handlers.prices import Prices
from placewright.telemetry.prometheus.client import QueryError, Server
from tests.support.exporter import Exporter
from tests.support.fleet_resources import policy
from tests.support.prometheus_server import PrometheusServer, Target

SPOT = {"name": "spot", "prometheus": {"query": "max by (gpu, capacity_type) (gpu_price_usd_per_hour)"}}
NODES = {"name": "nodes", "prometheus": {"query": "avg by (instance_type) (node_gpu_hourly_cost)"}}
DEADLINE = 60.0


@dataclass(frozen=True, kw_only=True)
class Object:
    """A PlacementPolicy as the surveyor knows it."""

    model: PlacementPolicy
    resource: dict[str, Any]
    name: str = "default"


class NoConfigMaps:
    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        raise AssertionError(f"{namespace}/{name} is asked for")


class Subject:
    """The prices of one policy; every refresh is due at once."""

    def __init__(self, *sources: dict[str, Any], own: str | None, **spec: Any) -> None:
        given = policy(priceSources=list(sources), **spec)
        turns = itertools.count(step=100)
        queries = PriceQueries(
            lambda: input_rules([given]),
            None if own is None else Server(url=own, timeout_seconds=5.0),
            stopwatch=lambda: float(next(turns)),
        )
        self.reader = SourceReader(
            config_maps=NoConfigMaps(), namespace="placewright", folder=Path("/nowhere"), queries=queries
        )
        self.prices = Prices(
            policies=lambda: [Object(model=given, resource={"metadata": {"uid": "u"}})],
            reader=self.reader,
            changed=lambda: None,
            stopwatch=lambda: float(next(turns)),
        )

    async def until(self, seen: Callable[[dict[str, LivePrice]], bool]) -> dict[str, LivePrice]:
        """Refreshes until the prices are so."""
        end = time.monotonic() + DEADLINE
        while True:
            await self.prices.refresh()
            found = {str(price.key): price for price in self.prices.live()}
            if seen(found):
                return found
            assert time.monotonic() < end, found
            await asyncio.sleep(0.1)


@pytest.fixture
def exporter() -> Exporter:
    exporter = Exporter()
    exporter.gauge("gpu_price_usd_per_hour", 0.6, gpu="NVIDIA-L40S", capacity_type="spot", zone="a")
    exporter.gauge("gpu_price_usd_per_hour", 0.5, gpu="NVIDIA-L40S", capacity_type="spot", zone="b")
    exporter.gauge("node_gpu_hourly_cost", 3.0, node="n1", instance_type="p5.48xlarge", region="eu-west-1")
    return exporter


def test_prices_of_queries_through_an_outage(prometheus: Path, tmp_path: Path, exporter: Exporter) -> None:
    async def scenario(server: PrometheusServer) -> None:
        source = {**SPOT, "confirmAfter": "2s", "maxAge": "3s"}
        subject = Subject(source, NODES, own=server.url)
        key = "L40S, Spot"
        found = await subject.until(lambda seen: len(seen) == 2)
        assert found[key].per_gpu_hour == 0.6
        assert found["H100, p5.48xlarge"].per_gpu_hour == 3.0

        exporter.gauge("gpu_price_usd_per_hour", 60.0, gpu="NVIDIA-L40S", capacity_type="spot", zone="a")
        held = (await subject.until(lambda seen: bool(seen[key].held)))[key]
        assert held.per_gpu_hour == 0.6
        assert held.held.startswith("Jump: a jump from $0.6 to $60")
        confirmed = (await subject.until(lambda seen: not seen[key].held))[key]
        assert confirmed.per_gpu_hour == 60.0

        exporter.gauge("gpu_price_usd_per_hour", nan, gpu="NVIDIA-L40S", capacity_type="spot", zone="a")
        exporter.gauge("gpu_price_usd_per_hour", None, gpu="NVIDIA-L40S", capacity_type="spot", zone="b")
        broken = (await subject.until(lambda seen: bool(seen[key].held)))[key]
        assert (broken.per_gpu_hour, broken.held.partition(":")[0]) == (60.0, "NotFinite")

        exporter.gauge("gpu_price_usd_per_hour", None, gpu="NVIDIA-L40S", capacity_type="spot", zone="a")
        gone = (await subject.until(lambda seen: bool(seen[key].stale)))[key]  # no series is no price
        assert (gone.per_gpu_hour, "got no series" in gone.stale) == (60.0, True)

        server.process.kill()
        away = (await subject.until(lambda seen: bool(seen[key].stale)))[key]
        assert away.per_gpu_hour == 60.0
        exporter.gauge("gpu_price_usd_per_hour", 61.0, gpu="NVIDIA-L40S", capacity_type="spot", zone="a")
        server.start()
        back = (await subject.until(lambda seen: not seen[key].stale and not seen[key].held))[key]
        assert back.per_gpu_hour == 61.0
        await subject.reader.close()

    with (
        exporter,
        PrometheusServer(prometheus, tmp_path, [Target(address=exporter.address, honor_labels=True)]) as server,
    ):
        server.wait_for("gpu_price_usd_per_hour")
        asyncio.run(scenario(server))


def test_the_server_of_a_policy_wins_and_without_any_nothing_is_asked(
    prometheus: Path, tmp_path: Path, exporter: Exporter
) -> None:
    async def scenario(url: str) -> None:
        named = Subject(NODES, own="http://127.0.0.1:1", inputs={"prometheus": {"url": url}})
        found = await named.until(bool)
        assert found["H100, p5.48xlarge"].per_gpu_hour == 3.0
        await named.reader.close()

        nobody = Subject(NODES, own=None)
        await nobody.prices.refresh()
        assert nobody.prices.live() == ()
        status = nobody.prices.status_of("default")
        assert status is not None
        assert "no Prometheus server is set" in status.fields["priceSources"][0]["message"]
        await nobody.reader.close()

    with (
        exporter,
        PrometheusServer(prometheus, tmp_path, [Target(address=exporter.address, honor_labels=True)]) as server,
    ):
        server.wait_for("node_gpu_hourly_cost")
        asyncio.run(scenario(server.url))


def test_sources_that_ask_the_same_share_an_answer_and_a_wrong_query_says_so(
    prometheus: Path, tmp_path: Path, exporter: Exporter
) -> None:
    results: list[str] = []

    async def scenario(url: str) -> None:
        queries = PriceQueries(
            lambda: input_rules([]), Server(url=url), observe=lambda result, _: results.append(result)
        )
        one, other = await asyncio.gather(queries.ask("node_gpu_hourly_cost"), queries.ask("node_gpu_hourly_cost"))
        assert one is other
        assert results == ["Success"]
        with pytest.raises(QueryError, match="QueryRejected"):
            await queries.ask("sum(")
        await queries.close()

    with exporter, PrometheusServer(prometheus, tmp_path, [Target(address=exporter.address)]) as server:
        server.wait_for("node_gpu_hourly_cost")
        asyncio.run(scenario(server.url))
