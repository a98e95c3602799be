"""GPU kinds: facts for the performance models, and defaults where a user says nothing."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from placewright.catalog.files import GPUS, document
from placewright.catalog.keys import Index
from placewright.core.model import Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDefaults:
    """What is assumed of a pool of this kind where the user says nothing, and where each fact comes from.

    Attributes:
        key: canonical key.
        aliases: other accepted names, among them the values of the vendors' node labels.
        nominal_gb: the size on the box; `Accelerator.memory_gib` is what the runtime can really use.
        price_per_gpu_hour: on-demand list price in USD; None where none was found.
        price_source: whose price, and where it was read; empty without a price.
        price_as_of: ISO date of the price; empty without a price.
        gpus_per_node: GPUs of the usual node.
        max_tensor_parallel: largest tensor-parallel group that the usual node carries.
        interconnect: NVSwitch, NVLink, xGMI or PCIe.
        intra_node_gbps: achieved all-reduce bus bandwidth inside a node, GB/s.
        inter_node_gbps: point-to-point rate of one GPU to another node, GB/s.
        interconnect_source: where the two rates come from, or that they are estimates.
        source: where the arithmetic and memory facts come from.
    """

    key: str
    aliases: tuple[str, ...]
    nominal_gb: float
    price_per_gpu_hour: float | None
    price_source: str
    price_as_of: str
    gpus_per_node: int
    max_tensor_parallel: int
    interconnect: str
    intra_node_gbps: float
    inter_node_gbps: float
    interconnect_source: str
    source: str


def gpu(key: str) -> Accelerator:
    """Facts of a GPU kind, by key or alias. Raises UnknownKeyError."""
    return _accelerator(_index().resolve(key))


def gpu_defaults(key: str) -> GpuDefaults:
    """Price, node shape and interconnect of a GPU kind, by key or alias. Raises UnknownKeyError."""
    return _defaults(_index().resolve(key))


def gpu_keys() -> tuple[str, ...]:
    """All canonical keys, newest generation first."""
    return tuple(_rows())


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in document(GPUS)["gpus"]}


@cache
def _index() -> Index:
    names = [(key, name) for key, row in _rows().items() for name in (key, *row.get("aliases", ()))]
    return Index("GPU", names, hint=f"the catalog has {', '.join(_rows())}")


@cache
def _accelerator(key: str) -> Accelerator:
    row = _rows()[key]
    capability = row.get("computeCapability")
    major, _, minor = (capability or "").partition(".")
    return Accelerator(
        name=key,
        vendor=row["vendor"],
        memory_gib=float(row["memoryGib"]),
        memory_bandwidth_gbps=float(row["memoryBandwidthGbps"]),
        tflops_16bit=float(row["tflops16Bit"]),
        tflops_fp8=float(row.get("tflopsFp8", 0.0)),
        tops_int8=float(row.get("topsInt8", 0.0)),
        tflops_fp4=float(row.get("tflopsFp4", 0.0)),
        supports_bf16=row["supportsBf16"],
        compute_capability=(int(major), int(minor)) if capability else None,
        all_reduce_gbps=float(row["interconnect"]["intraNodeGbps"]),
    )


@cache
def _defaults(key: str) -> GpuDefaults:
    row = _rows()[key]
    link = row["interconnect"]
    price = row.get("price")
    return GpuDefaults(
        key=key,
        aliases=tuple(row.get("aliases", ())),
        nominal_gb=float(row["nominalGb"]),
        price_per_gpu_hour=float(price["usdPerGpuHour"]) if price else None,
        price_source=price["source"] if price else "",
        price_as_of=price["asOf"] if price else "",
        gpus_per_node=row["gpusPerNode"],
        max_tensor_parallel=row["maxTensorParallel"],
        interconnect=link["kind"],
        intra_node_gbps=float(link["intraNodeGbps"]),
        inter_node_gbps=float(link["interNodeGbps"]),
        interconnect_source=link["source"],
        source=row["source"],
    )
