"""The instance type table: every row is believable, priced with a source, and read as values."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import placewright.catalog
from placewright.catalog import gpu_defaults, gpu_keys, instance_type, instance_type_names

TABLE: dict[str, Any] = yaml.safe_load(
    Path(placewright.catalog.__file__).with_name("instance_types.yaml").read_text(encoding="utf-8"),
)
ROWS: list[dict[str, Any]] = TABLE["types"]
by_type = pytest.mark.parametrize("row", ROWS, ids=[row["type"] for row in ROWS])
ALLOWED = {"type", "gpu", "gpus", "networkGbit", "intraNodeGbps", "source", "price"}


@by_type
def test_has_the_facts_it_needs_and_no_others(row: dict[str, Any]) -> None:
    assert {"type", "gpu", "gpus", "source"} <= set(row) <= ALLOWED
    assert row["gpu"] in gpu_keys()
    assert row["gpus"] in {1, 2, 4, 8, 16}
    assert row["source"] in TABLE["sources"]


@by_type
def test_price_is_a_list_price_with_region_source_and_date(row: dict[str, Any]) -> None:
    price = row.get("price")
    if price is None:
        return
    assert set(price) == {"usdPerHour", "region", "source", "asOf"}
    assert price["source"] in TABLE["sources"]
    assert date(2025, 1, 1) <= date.fromisoformat(price["asOf"]) <= date(2026, 11, 21)
    assert price["region"] in {"us-east-1", "us-central1", "eastus"}
    assert 0.3 <= price["usdPerHour"] / row["gpus"] <= 20


@by_type
def test_network_is_shared_by_the_gpus_and_never_beats_the_gpu(row: dict[str, Any]) -> None:
    found = instance_type(row["type"])
    assert found is not None
    if "networkGbit" not in row:
        assert found.inter_node_gbps is None
        return
    assert found.inter_node_gbps is not None
    assert 0 < found.inter_node_gbps <= gpu_defaults(row["gpu"]).inter_node_gbps
    assert found.inter_node_gbps * 8 * row["gpus"] <= row["networkGbit"] * (1 + 1e-9)


@by_type
def test_row_becomes_values(row: dict[str, Any]) -> None:
    found = instance_type(row["type"])
    assert found is not None
    assert (found.name, found.gpu, found.gpus, found.cloud) == (row["type"], row["gpu"], row["gpus"], row["source"])
    assert (found.price is None) == ("price" not in row)
    if found.price is not None:
        assert found.price.per_gpu_hour == pytest.approx(row["price"]["usdPerHour"] / row["gpus"])
        assert len(found.price.source) > 20
    assert len(found.source) > 20


def test_no_type_stands_twice() -> None:
    assert len({row["type"].casefold() for row in ROWS}) == len(ROWS) == len(instance_type_names())


def test_larger_sizes_of_one_gpu_count_are_dearer() -> None:
    sizes = ("g6e.xlarge", "g6e.2xlarge", "g6e.4xlarge", "g6e.8xlarge", "g6e.16xlarge")
    prices = [found.price.per_gpu_hour for size in sizes if (found := instance_type(size)) is not None and found.price]
    assert prices == sorted(prices)
    assert len(prices) == len(sizes)


@pytest.mark.parametrize(
    ("asked", "gpu", "gpus"),
    [
        ("p4d.24xlarge", "A100-40GB", 8),
        ("p4de.24xlarge", "A100", 8),
        ("p5.48xlarge", "H100", 8),
        ("p5en.48xlarge", "H200", 8),
        ("p6-b200.48xlarge", "B200", 8),
        ("g5.12xlarge", "A10G", 4),
        ("g6e.48xlarge", "L40S", 8),
        ("a2-ultragpu-8g", "A100", 8),
        ("a2-megagpu-16g", "A100-40GB", 16),
        ("a3-megagpu-8g", "H100", 8),
        ("Standard_NC24ads_A100_v4", "A100-PCIe", 1),
        ("standard_nd96asr_v4", "A100-40GB", 8),
        ("Standard_NC40ads_H100_v5", "H100-NVL", 1),
        ("BM.GPU.H100.8", "H100", 8),
        ("gd-8xh100ib-i128", "H100", 8),
    ],
)
def test_the_types_that_users_have(asked: str, gpu: str, gpus: int) -> None:
    found = instance_type(asked)
    assert found is not None
    assert (found.gpu, found.gpus) == (gpu, gpus)


@pytest.mark.parametrize("asked", ["", "m5.large", "Standard_NV6ads_A10_v5", "g6f.xlarge", "p5"])
def test_types_without_whole_gpus_are_not_known(asked: str) -> None:
    assert instance_type(asked) is None
