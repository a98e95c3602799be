"""From the Nodes of a pool to the core's Pool: rooms, links, and the size of a node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from placewright import catalog
from placewright.api.convert_pools import hardware
from placewright.api.gpu_pool import GPUPoolSpec
from placewright.api.hardware import Interconnect
from placewright.core import model as core
from placewright.kube.inventory.facts import Facts
from placewright.kube.inventory.observed import LeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Free GPUs by Node, the largest first.

    Attributes:
        nodes: the Nodes, in that order; by name where equally many are free.
        free: GPUs that nobody else holds, of each.
        held: GPUs of all usable Nodes that Pods of others hold.
        left_out: Nodes on which nothing is free, or that cannot be paid whole.
    """

    nodes: tuple[Facts, ...] = ()
    free: tuple[int, ...] = ()
    held: int = 0
    left_out: tuple[LeftOut, ...] = ()


def rooms(nodes: Sequence[Facts], held: Mapping[tuple[str, str], int], *, whole_nodes: bool) -> Rooms:
    """Subtract what others hold; with whole_nodes only wholly free Nodes of the most common size remain."""
    size = _common_size(nodes) if whole_nodes else 0
    kept: list[tuple[int, Facts]] = []
    left_out = []
    taken = 0
    for node in nodes:
        if size and node.gpus != size:
            left_out.append(LeftOut(node.name, f"OddSize: {node.gpus} GPUs, whole nodes of the pool have {size}"))
            continue
        theirs = min(node.gpus, held.get((node.name, node.resource), 0))
        taken += theirs
        free = node.gpus - theirs
        if free == 0 or (size and theirs):
            left_out.append(LeftOut(node.name, f"HeldByOthers: {theirs} of {node.gpus} GPUs"))
        else:
            kept.append((free, node))
    kept.sort(key=lambda entry: (-entry[0], entry[1].name))
    return Rooms(
        nodes=tuple(node for _, node in kept),
        free=tuple(free for free, _ in kept),
        held=taken,
        left_out=tuple(left_out),
    )


def _common_size(nodes: Sequence[Facts]) -> int:
    """The most common number of GPUs, the larger one of equally common; 0 without Nodes."""
    sizes = [node.gpus for node in nodes]
    return max(set(sizes), key=lambda size: (sizes.count(size), size), default=0)


def node_size(gpu: core.Accelerator, nodes: Sequence[Facts], like: Sequence[Facts], spec: GPUPoolSpec) -> int:
    """GPUs of the largest node: of those in use, else of those that may come back, else of the usual one."""
    if nodes:
        return max(node.gpus for node in nodes)
    if like:
        return max(1, *(node.usual_gpus for node in like))
    try:
        return catalog.gpu_defaults(gpu.name).gpus_per_node
    except catalog.UnknownKeyError:
        return spec.max_tensor_parallel


def linked(spec: GPUPoolSpec, kind: str, nodes: Sequence[Facts]) -> tuple[core.Accelerator, float, float]:
    """Return the GPU of a pool, GB/s inside a node, and GB/s of one GPU to another node.

    What the spec says wins; then the slowest of the Nodes by product and instance type; then the catalog.

    Args:
        spec: of the pool.
        kind: key of the GPU catalog; not read when the spec describes an accelerator.
        nodes: Nodes of the pool, or those that may come back; empty for declared stock.

    Raises:
        InvalidRequestError: the catalog does not hold the kind, or links of an accelerator are missing.
    """
    key = None if spec.accelerator is not None else kind
    gpu, intra, inter = hardware(key, spec.accelerator, spec.interconnect, "spec")
    given = spec.interconnect or Interconnect()
    if given.intra_node_gbps is None:
        slowest = min((node.intra_node_gbps or intra for node in nodes), default=intra)
        if slowest < intra:
            gpu, intra = replace(gpu, all_reduce_gbps=0.0), slowest
    if given.inter_node_gbps is None:
        inter = min((_inter_node_gbps(node, inter) for node in nodes), default=inter)
    return gpu, intra, inter


def _inter_node_gbps(node: Facts, usual: float) -> float:
    if node.instance is None or node.instance.inter_node_gbps is None:
        return usual
    return node.instance.inter_node_gbps
