"""Labels of Nodes: which ones tell the GPU kind, its memory, how many there are, and how the Node is bought."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from placewright.catalog.files import NODE_LABELS, document
from placewright.catalog.gpus import gpu_defaults
from placewright.catalog.keys import UnknownKeyError, normalized


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLabel:
    """A label that names the GPU.

    Attributes:
        label: its key.
        values: keys of the GPU catalog by value of the label, in lower case; None: the value is a product name.
    """

    label: str
    values: Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product name as a driver writes it.

    Attributes:
        gpu: key of the GPU catalog.
        intra_node_gbps: GB/s inside a node, where this form of the card differs from the catalog's; else None.
    """

    gpu: str
    intra_node_gbps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLabels:
    """The label table.

    Attributes:
        kinds: labels that name the GPU, the most trustworthy first.
        memory: labels with the memory of one GPU, MiB or with a suffix G.
        count: labels with the number of GPUs.
        capacity_types: by label, what its values say: OnDemand, Spot or Reserved.
    """

    kinds: tuple[KindLabel, ...]
    memory: tuple[str, ...]
    count: tuple[str, ...]
    capacity_types: tuple[tuple[str, Mapping[str, str]], ...]


@cache
def node_labels() -> NodeLabels:
    """The table, read once."""
    table = document(NODE_LABELS)
    return NodeLabels(
        kinds=tuple(KindLabel(label=row["label"], values=_values(row.get("values"))) for row in table["kinds"]),
        memory=tuple(row["label"] for row in table["memory"]),
        count=tuple(row["label"] for row in table["count"]),
        capacity_types=tuple(
            (row["label"], MappingProxyType({value.casefold(): meant for value, meant in row["values"].items()}))
            for row in table["capacityTypes"]
        ),
    )


def _values(given: dict[str, list[str]] | None) -> Mapping[str, tuple[str, ...]] | None:
    if given is None:
        return None
    return MappingProxyType({value.casefold(): tuple(gpus) for value, gpus in given.items()})


@cache
def _products() -> dict[str, Product]:
    return {
        normalized(row["value"]): Product(gpu=row["gpu"], intra_node_gbps=row.get("intraNodeGbps"))
        for row in document(NODE_LABELS)["products"]
    }


@lru_cache(maxsize=1024)  # a name that nothing has is dear to look up, and a fleet has many Nodes of it
def product(name: str) -> Product | None:
    """The GPU of a product name; None when neither the label table nor the GPU catalog has it."""
    known = _products().get(normalized(name))
    if known is not None:
        return known
    try:
        return Product(gpu=gpu_defaults(name).key)
    except UnknownKeyError:
        return None
