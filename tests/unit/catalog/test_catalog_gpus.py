"""The GPU rows: complete, plausible, sourced, and read as core values."""

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import placewright.catalog
from placewright.catalog import gpu, gpu_defaults, gpu_keys

ROWS: list[dict[str, Any]] = yaml.safe_load(
    Path(placewright.catalog.__file__).with_name("gpus.yaml").read_text(encoding="utf-8"),
)["gpus"]
REQUIRED = {
    "key",
    "aliases",
    "vendor",
    "nominalGb",
    "memoryGib",
    "memoryBandwidthGbps",
    "tflops16Bit",
    "supportsBf16",
    "gpusPerNode",
    "maxTensorParallel",
    "interconnect",
    "source",
}
OPTIONAL = {"computeCapability", "architecture", "tflopsFp8", "topsInt8", "tflopsFp4", "price"}
AMD_WITH_FP8 = {"gfx942", "gfx950"}
by_key = pytest.mark.parametrize("row", ROWS, ids=[row["key"] for row in ROWS])


def capability(row: dict[str, Any]) -> tuple[int, int]:
    major, minor = row["computeCapability"].split(".")
    return int(major), int(minor)


def numbers(value: object) -> list[float]:
    if isinstance(value, bool | str):
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, dict):
        return [found for part in value.values() for found in numbers(part)]
    return []


@by_key
def test_has_the_facts_it_needs_and_no_others(row: dict[str, Any]) -> None:
    assert set(row) >= REQUIRED
    assert set(row) <= REQUIRED | OPTIONAL
    assert set(row["interconnect"]) == {"kind", "intraNodeGbps", "interNodeGbps", "source"}
    assert row["interconnect"]["kind"] in {"NVSwitch", "NVLink", "xGMI", "PCIe"}
    if "price" in row:
        assert set(row["price"]) == {"usdPerGpuHour", "source", "asOf"}


@by_key
def test_numbers_are_positive_and_sources_are_text(row: dict[str, Any]) -> None:
    assert all(number > 0 for number in numbers(row))
    for source in (row["source"], row["interconnect"]["source"], row.get("price", {}).get("source", "no price at all")):
        assert isinstance(source, str)
        assert len(source) >= 10


@by_key
def test_usable_memory_is_a_little_less_than_the_nominal_size(row: dict[str, Any]) -> None:
    # Nominal sizes of NVIDIA cards are GiB where ECC is off and less than that where it is on or memory is spared.
    assert 0.89 * row["nominalGb"] <= row["memoryGib"] <= row["nominalGb"]


@by_key
def test_vendor_decides_how_the_architecture_is_named(row: dict[str, Any]) -> None:
    if row["vendor"] == "nvidia":
        assert "architecture" not in row
        assert capability(row) >= (7, 0)
    else:
        assert row["vendor"] == "amd"
        assert "computeCapability" not in row
        assert row["architecture"].startswith("gfx")


@by_key
def test_low_precisions_only_where_the_hardware_has_them(row: dict[str, Any]) -> None:
    if row["vendor"] == "nvidia":
        assert ("tflopsFp8" in row) == (capability(row) >= (8, 9))
        assert ("tflopsFp4" in row) == (capability(row) >= (10, 0))
        assert row["supportsBf16"] == (capability(row) >= (8, 0))
        assert ("topsInt8" in row) == (capability(row) >= (7, 5))
    else:
        assert ("tflopsFp8" in row) == (row["architecture"] in AMD_WITH_FP8)
        assert "tflopsFp4" not in row or row["architecture"] == "gfx950"


@by_key
def test_rates_are_dense(row: dict[str, Any]) -> None:
    # Each halving of the width at most doubles the dense rate; a figure with sparsity would show four times.
    # Rounded datasheet figures are up to 1.2 % off; GeForce int8 runs at full rate where 16-bit runs at half.
    geforce = row["key"].startswith("RTX") and row["key"][3:].isdigit()
    for wide, narrow, ratio in (("tflops16Bit", "tflopsFp8", 2), ("tflopsFp8", "tflopsFp4", 4 if geforce else 2)):
        if narrow in row:
            assert row[wide] * 0.99 <= row[narrow] <= row[wide] * ratio * 1.025
    if "topsInt8" in row:
        assert row["topsInt8"] <= row["tflops16Bit"] * (4 if geforce else 2) * 1.025


@by_key
def test_price_says_when_it_held(row: dict[str, Any]) -> None:
    if "price" not in row:
        assert "price" in row["source"]  # the row says that none was found
        return
    assert date(2025, 1, 1) <= date.fromisoformat(row["price"]["asOf"])
    assert 0.05 <= row["price"]["usdPerGpuHour"] <= 20


@by_key
def test_tensor_parallelism_stays_in_the_node(row: dict[str, Any]) -> None:
    assert row["maxTensorParallel"] in {1, 2, 4, 8}
    assert row["maxTensorParallel"] <= row["gpusPerNode"]


@by_key
def test_row_becomes_core_values(row: dict[str, Any]) -> None:
    found, defaults = gpu(row["key"]), gpu_defaults(row["key"])

    assert (found.name, found.vendor) == (row["key"], row["vendor"])
    assert found.memory_gib == row["memoryGib"]
    assert found.tflops_16bit == row["tflops16Bit"]
    assert (found.tflops_fp8 > 0) == ("tflopsFp8" in row)
    assert (found.compute_capability is None) == (row["vendor"] == "amd")
    assert found.all_reduce_gbps == defaults.intra_node_gbps == row["interconnect"]["intraNodeGbps"]
    assert defaults.key == row["key"]
    assert defaults.price_per_gpu_hour == row.get("price", {}).get("usdPerGpuHour")
    assert bool(defaults.price_source) == bool(defaults.price_as_of) == ("price" in row)


def test_the_kinds_that_users_have() -> None:
    wanted = {"H100", "H200", "B200", "A100", "A100-40GB", "L40S", "L40", "L20", "L4", "A10", "A10G", "A40", "A6000"}
    wanted |= {"H100-PCIe", "H100-NVL", "V100", "V100-16GB", "T4", "RTX4090", "MI300X"}
    assert wanted <= set(gpu_keys())
    assert len(gpu_keys()) == len(set(gpu_keys())) == len(ROWS)


def test_measured_links_are_those_of_the_design() -> None:
    # All-reduce bus bandwidth: A100 NVLink 180-192, H100 NVLink 300-394, about 24 over pairwise NVLink.
    assert 179 <= gpu("A100").all_reduce_gbps <= 193
    assert 300 <= gpu("H100").all_reduce_gbps <= 394
    assert gpu("A100-PCIe").all_reduce_gbps == pytest.approx(24, abs=1)


def test_values_are_shared_and_frozen() -> None:
    assert gpu("h100") is gpu("H100-SXM5")
    with pytest.raises(dataclasses.FrozenInstanceError):
        gpu("H100").memory_gib = 1.0  # type: ignore[misc]
