"""Facts of GPU kinds, open models and Nodes, each with its source; data files beside this package, read on first use.

Keys are matched without regard to case, spaces and underscores, and by alias; a key that matches nothing raises
`UnknownKeyError` with the nearest keys. `docs/catalog.md` says what each fact means.
"""

from typing import TYPE_CHECKING

from placewright.catalog.configdir import FixedRates, configdir_keys, configdir_rates, configdir_tensor_efficiency
from placewright.catalog.files import catalog_version
from placewright.catalog.gpus import GpuDefaults, gpu, gpu_defaults, gpu_keys
from placewright.catalog.instances import InstancePrice, InstanceType, instance_type, instance_type_names
from placewright.catalog.keys import UnknownKeyError
from placewright.catalog.models import ModelInfo, model, model_info, model_keys
from placewright.catalog.nodes import KindLabel, NodeLabels, Product, node_labels, product

if TYPE_CHECKING:
    CATALOG_VERSION: str
else:

    def __getattr__(name: str) -> str:
        """Compute CATALOG_VERSION when it is first asked for: importing the package reads no file."""
        if name == "CATALOG_VERSION":
            return catalog_version()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CATALOG_VERSION",
    "FixedRates",
    "GpuDefaults",
    "InstancePrice",
    "InstanceType",
    "KindLabel",
    "ModelInfo",
    "NodeLabels",
    "Product",
    "UnknownKeyError",
    "catalog_version",
    "configdir_keys",
    "configdir_rates",
    "configdir_tensor_efficiency",
    "gpu",
    "gpu_defaults",
    "gpu_keys",
    "instance_type",
    "instance_type_names",
    "model",
    "model_info",
    "model_keys",
    "node_labels",
    "product",
]
