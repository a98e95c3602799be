"""Instance types of clouds: which GPUs one has, how fast its network is, and its on-demand list price."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from placewright.catalog.files import INSTANCE_TYPES, document
from placewright.catalog.gpus import gpu_defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePrice:
    """An on-demand list price.

    Attributes:
        per_gpu_hour: USD per hour of the whole instance, divided by its GPUs.
        region: the region that the price holds in; others differ.
        as_of: ISO date.
        source: whose list, and where it was read.
    """

    per_gpu_hour: float
    region: str
    as_of: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """What a Node of this type is.

    Attributes:
        name: as the label node.kubernetes.io/instance-type has it.
        cloud: aws, azure, coreweave, gcp or oci.
        gpu: key of the GPU catalog.
        gpus: GPUs of one instance.
        inter_node_gbps: one GPU's share of the network, GB/s, at most the catalog's figure for it; None: not known.
        intra_node_gbps: all-reduce bus bandwidth inside the instance, GB/s; None: the catalog's figure for the GPU.
        price: None where none could be checked.
        source: where the facts come from.
    """

    name: str
    cloud: str
    gpu: str
    gpus: int
    inter_node_gbps: float | None
    intra_node_gbps: float | None
    price: InstancePrice | None
    source: str


def instance_type(name: str) -> InstanceType | None:
    """The instance type of this name, without regard to case; None when the table does not hold it."""
    row = _rows().get(name.casefold())
    return None if row is None else _read(row["type"])


def instance_type_names() -> tuple[str, ...]:
    """All instance types of the table."""
    return tuple(row["type"] for row in _rows().values())


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return {row["type"].casefold(): row for row in document(INSTANCE_TYPES)["types"]}


@cache
def _read(name: str) -> InstanceType:
    row = _rows()[name.casefold()]
    return InstanceType(
        name=name,
        cloud=row["source"],
        gpu=row["gpu"],
        gpus=row["gpus"],
        inter_node_gbps=_inter_node_gbps(row),
        intra_node_gbps=float(row["intraNodeGbps"]) if "intraNodeGbps" in row else None,
        price=_price(row),
        source=document(INSTANCE_TYPES)["sources"][row["source"]],
    )


def _inter_node_gbps(row: dict[str, Any]) -> float | None:
    if "networkGbit" not in row:
        return None
    share = float(row["networkGbit"]) / 8 / int(row["gpus"])
    return min(share, gpu_defaults(row["gpu"]).inter_node_gbps)


def _price(row: dict[str, Any]) -> InstancePrice | None:
    price = row.get("price")
    if price is None:
        return None
    return InstancePrice(
        per_gpu_hour=price["usdPerHour"] / row["gpus"],
        region=price["region"],
        as_of=price["asOf"],
        source=document(INSTANCE_TYPES)["sources"][price["source"]],
    )
