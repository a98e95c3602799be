"""The label table: every label has a source, and every value leads to a GPU of the catalog."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

import placewright.catalog
from placewright.catalog import gpu, gpu_defaults, gpu_keys, node_labels, product

TABLE: dict[str, Any] = yaml.safe_load(
    Path(placewright.catalog.__file__).with_name("node_labels.yaml").read_text(encoding="utf-8"),
)


def test_every_row_has_a_source() -> None:
    for section in ("kinds", "products", "memory", "count", "capacityTypes"):
        assert all(len(row["source"]) >= 20 for row in TABLE[section])


def test_every_label_says_products_or_lists_its_values() -> None:
    assert all(("values" in row) != row.get("product", False) for row in TABLE["kinds"])


def test_every_value_leads_to_gpus_of_the_catalog() -> None:
    for row in TABLE["kinds"]:
        for gpus in row.get("values", {}).values():
            assert set(gpus) <= set(gpu_keys())
    assert {row["gpu"] for row in TABLE["products"]} <= set(gpu_keys())


def test_gpus_that_share_a_value_are_told_apart_by_memory() -> None:
    for label in node_labels().kinds:
        for gpus in (label.values or {}).values():
            sizes = sorted(gpu(key).memory_gib for key in gpus)
            assert all(large > 1.5 * small for small, large in pairwise(sizes))


def test_drivers_are_believed_before_clouds() -> None:
    labels = [kind.label for kind in node_labels().kinds]
    assert labels[0] == "nvidia.com/gpu.product"
    assert labels.index("amd.com/gpu.product-name") < labels.index("cloud.google.com/gke-accelerator")
    assert "kubernetes.azure.com/accelerator" not in labels


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("NVIDIA-A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA-A100-SXM4-80GB", "A100"),
        ("Tesla-T4", "T4"),
        ("AMD_Instinct_MI300X_OAM", "MI300X"),
        ("AMD_Instinct_MI325_OAM", "MI325X"),
    ],
)
def test_product_names_of_drivers(name: str, key: str) -> None:
    found = product(name)
    assert found is not None
    assert found.gpu == key


def test_a_card_of_another_form_has_its_own_links() -> None:
    pcie = product("NVIDIA-A100-PCIE-40GB")
    assert pcie is not None
    assert pcie.gpu == "A100-40GB"
    assert pcie.intra_node_gbps is not None
    assert pcie.intra_node_gbps < gpu_defaults("A100-40GB").intra_node_gbps / 5


@pytest.mark.parametrize("name", ["Quadro-P400", "NVIDIA-A100", "", "NVIDIA-H100"])
def test_a_product_that_nobody_listed_is_not_guessed(name: str) -> None:
    assert product(name) is None


def test_capacity_types_are_those_of_the_price_table() -> None:
    assert {meant for _, values in node_labels().capacity_types for meant in values.values()} == {
        "Spot",
        "OnDemand",
        "Reserved",
    }
