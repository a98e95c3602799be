"""What one Node says of its GPUs: kind, number, how it is bought, and why it may not be used by anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from placewright import catalog
from placewright.kube.client import Json
from placewright.kube.inventory.partitions import partitioned
from placewright.kube.inventory.resources import GPU_RESOURCES, whole

INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
REGION_LABEL: Final = "topology.kubernetes.io/region"
PRICE_KEY: Final = "placewright.dev/price-per-gpu-hour"

_MEMORY_BELOW: Final = 0.93  # drivers, clouds and datasheets count a card's memory a little differently
_MEMORY_ABOVE: Final = 1.07


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A taint that keeps Pods off the Node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A Node with GPUs, as far as pools need it.

    Attributes:
        name: of the Node.
        labels: all of them, for selectors.
        resource: nvidia.com/gpu or amd.com/gpu; empty without allocatable GPUs.
        gpus: allocatable GPUs.
        usual_gpus: GPUs when all of them work: allocatable, or what labels or the instance type say if that is more.
        kind: key of the GPU catalog; None: not known.
        product: what the Node calls its GPU; empty: no label names it.
        unknown: why the kind is not known; empty when it is.
        memory_gib: memory of one GPU as a label has it; None: no label does.
        intra_node_gbps: GB/s inside this Node where it differs from the catalog's figure for the kind.
        instance: the row of its instance type; None: not in the table.
        instance_type: its name; empty: no label.
        capacity_type: OnDemand, Spot or Reserved.
        zone: empty: no label.
        region: empty: no label.
        taints: with effect NoSchedule or NoExecute.
        price: text of the annotation or label placewright.dev/price-per-gpu-hour; None: neither.
        away: why nobody may use it at the moment: Deleting, Cordoned, NotReady or NoGPUs; empty: nothing.
        divided: why its GPUs are not whole ones of one maker; empty: they are.
    """

    name: str
    labels: Mapping[str, str]
    resource: str
    gpus: int
    usual_gpus: int
    kind: str | None
    product: str
    unknown: str
    memory_gib: float | None
    intra_node_gbps: float | None
    instance: catalog.InstanceType | None
    instance_type: str
    capacity_type: str
    zone: str
    region: str
    taints: tuple[Taint, ...]
    price: str | None
    away: str
    divided: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What the labels say of the GPU."""

    key: str | None
    product: str = ""
    unknown: str = ""
    intra_node_gbps: float | None = None


def facts_of(node: Json) -> Facts | None:
    """Read a Node; None when nothing on it points to GPUs."""
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    allocatable: Mapping[str, object] = status.get("allocatable") or {}
    instance_type = labels.get(INSTANCE_TYPE_LABEL, "")
    instance = catalog.instance_type(instance_type) if instance_type else None
    resources = [resource for resource in GPU_RESOURCES if whole(allocatable.get(resource, 0))]
    memory = memory_gib(labels)
    kind = _kind(labels, instance, memory)
    divided = partitioned(labels, allocatable) or _several_makers(resources)
    if not (resources or divided or kind.product or any(resource in allocatable for resource in GPU_RESOURCES)):
        return None
    resource = resources[0] if resources else ""
    gpus = whole(allocatable[resource]) if resource else 0
    return Facts(
        name=metadata["name"],
        labels=labels,
        resource=resource,
        gpus=gpus,
        usual_gpus=max(gpus, _count(labels), instance.gpus if instance else 0),
        kind=kind.key,
        product=kind.product,
        unknown=kind.unknown,
        memory_gib=memory,
        intra_node_gbps=kind.intra_node_gbps or (instance.intra_node_gbps if instance else None),
        instance=instance,
        instance_type=instance_type,
        capacity_type=_capacity_type(labels),
        zone=labels.get(ZONE_LABEL, ""),
        region=labels.get(REGION_LABEL, ""),
        taints=_taints(spec),
        price=_price_text(metadata),
        away=_away(node, counted=bool(resources or divided)),
        divided=divided,
    )


def _away(node: Json, *, counted: bool) -> str:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    if node["metadata"].get("deletionTimestamp"):
        return "Deleting"
    if spec.get("unschedulable"):
        return "Cordoned"
    ready = next((each.get("status") for each in status.get("conditions") or () if each.get("type") == "Ready"), None)
    if ready != "True":
        return "NotReady"
    return "" if counted else "NoGPUs: none is allocatable; does the device plugin run?"


def _several_makers(resources: list[str]) -> str:
    return f"SeveralMakers: {' and '.join(resources)} on one Node" if len(resources) > 1 else ""


def _kind(labels: Mapping[str, str], instance: catalog.InstanceType | None, memory: float | None) -> _Kind:
    """Ask the labels, the most trustworthy first; one that speaks of a GPU nobody knows ends the search."""
    for label in catalog.node_labels().kinds:
        value = labels.get(label.label)
        if value is None:
            continue
        if label.values is None:
            return _of_product(value, memory)
        keys = label.values.get(value.casefold(), ())
        if not keys:
            return _Kind(
                key=None, product=value, unknown=f"UnknownGPU: the catalog does not hold {label.label}={value}"
            )
        chosen = _chosen(keys, instance, memory)
        if chosen is None:
            told = f"{label.label}={value} may be {' or '.join(keys)}, and no label tells the memory"
            return _Kind(key=None, product=value, unknown=f"UnknownGPU: {told}")
        return _checked(chosen, value, memory, None)
    if instance is not None:
        return _checked(instance.gpu, instance.name, memory, None)
    return _Kind(key=None, unknown="UnknownGPU: no label names it; give spec.gpu")


def _of_product(value: str, memory: float | None) -> _Kind:
    plain = value.removesuffix("-SHARED").partition("-MIG-")[0]
    known = catalog.product(plain)
    if known is None:
        return _Kind(key=None, product=plain, unknown=f"UnknownGPU: the catalog does not hold product {plain}")
    return _checked(known.gpu, plain, memory, known.intra_node_gbps)


def _chosen(keys: tuple[str, ...], instance: catalog.InstanceType | None, memory: float | None) -> str | None:
    if len(keys) == 1:
        return keys[0]
    if memory is not None:
        fitting = [key for key in keys if memory_fits(key, memory)]
        return fitting[0] if len(fitting) == 1 else None
    return instance.gpu if instance is not None and instance.gpu in keys else None


def _checked(key: str, product: str, memory: float | None, intra_node_gbps: float | None) -> _Kind:
    if memory is None or memory_fits(key, memory):
        return _Kind(key=key, product=product, intra_node_gbps=intra_node_gbps)
    nominal = catalog.gpu_defaults(key).nominal_gb
    told = f"{product} means {key} with {nominal:g} GB, and the memory label says {memory:.1f} GiB"
    return _Kind(key=None, product=product, unknown=f"UnknownGPU: {told}")


def memory_fits(key: str, memory: float) -> bool:
    """Say whether a memory label (GiB) may be that of this kind of the catalog."""
    low, high = catalog.gpu(key).memory_gib, catalog.gpu_defaults(key).nominal_gb
    return _MEMORY_BELOW * min(low, high) <= memory <= _MEMORY_ABOVE * max(low, high)


def memory_gib(labels: Mapping[str, str]) -> float | None:
    """Read the memory of one GPU, MiB or with a suffix G, as GiB; None when no label tells it."""
    for label in catalog.node_labels().memory:
        value = labels.get(label, "")
        number = value.removesuffix("G")
        if number.isascii() and number.isdecimal() and int(number):
            return int(number) / (1.0 if value.endswith("G") else 1024.0)
    return None


def _count(labels: Mapping[str, str]) -> int:
    return next((number for label in catalog.node_labels().count if (number := whole(labels.get(label, 0)))), 0)


def _capacity_type(labels: Mapping[str, str]) -> str:
    """How the Node is bought; the first label that says it counts, and a Node without one is on demand."""
    for label, values in catalog.node_labels().capacity_types:
        meant = values.get(labels.get(label, "").casefold())
        if meant is not None:
            return meant
    return "OnDemand"


def _taints(spec: Json) -> tuple[Taint, ...]:
    return tuple(
        Taint(key=each.get("key") or "", value=each.get("value", "") or "", effect=each["effect"])
        for each in spec.get("taints") or ()
        if each.get("effect") in {"NoSchedule", "NoExecute"}
    )


def _price_text(metadata: Json) -> str | None:
    for place in ("annotations", "labels"):
        text = (metadata.get(place) or {}).get(PRICE_KEY)
        if text is not None:
            return str(text)
    return None


def price_of(text: str) -> float | None:
    """Read a price in USD per GPU-hour; None when it is no positive number."""
    if "_" in text or not text.isascii():
        return None  # Python would read 1_0 as ten, and digits of any script
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and 0 < value <= 1_000_000 else None
