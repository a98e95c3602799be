"""Which Nodes a GPUPool takes: by labels, taints and GPU kind, and which of them two pools claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from placewright import catalog
from placewright.api.gpu_pool import GPUPool, GPUPoolSpec
from placewright.api.surroundings import selects
from placewright.catalog.keys import normalized
from placewright.core import model as core
from placewright.kube.inventory.facts import Facts
from placewright.kube.inventory.observed import LeftOut
from placewright.kube.inventory.taints import intolerable

_MEMORY_SLACK = 0.1  # by which a label may differ from the memory of an accelerator that the spec describes


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The Nodes of one pool, before prices and before other pools are looked at.

    Attributes:
        pool: the resource.
        gpu: the kind of the pool; None: not known, or there are several.
        ready: Nodes that may be used, ordered by name.
        like: Nodes of the kind that could be used at another time: cordoned, not ready, being deleted, without
            their driver. When there are neither these nor ready ones, those that only a taint keeps out.
        left_out: Nodes with GPUs that may not be used.
        kinds: kinds of ready and like Nodes; several make the pool mixed, unless the spec names one.
        without_gpus: Nodes that the selector takes and on which nothing points to GPUs.
    """

    pool: GPUPool
    gpu: core.Accelerator | None
    ready: tuple[Facts, ...] = ()
    like: tuple[Facts, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    kinds: tuple[str, ...] = ()
    without_gpus: int = 0

    @property
    def matched(self) -> int:
        """Nodes with GPUs that the selector takes."""
        return len(self.ready) + len(self.left_out)

    @property
    def mixed(self) -> bool:
        """Whether the Nodes have several kinds and the spec does not say which one is meant."""
        return len(self.kinds) > 1 and (self.gpu is None or self.pool.spec.accelerator is not None)


def select(
    pool: GPUPool, wanted: core.Accelerator | None, nodes: Sequence[Facts], plain: Sequence[Mapping[str, str]]
) -> Selection:
    """Find the Nodes of a pool.

    Args:
        pool: with a nodeSelector.
        wanted: the kind that its spec names; None: the Nodes say it.
        nodes: all Nodes with GPUs, ordered by name.
        plain: labels of all other Nodes.
    """
    spec = pool.spec
    ready: list[Facts] = []
    like: list[Facts] = []
    tainted: list[Facts] = []
    left_out: list[LeftOut] = []
    for node in nodes:
        if not selects(spec.node_selector, node.labels):
            continue
        fault = node.divided or _kind_fault(node, spec, wanted)
        taint = intolerable(node.taints, spec.tolerations or ())
        reason = node.away or fault or (f"Tainted: {taint} is not tolerated" if taint else "")
        if reason:
            left_out.append(LeftOut(node.name, reason))
        if not fault:
            (tainted if taint else like if reason else ready).append(node)
    if not (ready or like) and len({node.kind for node in tainted}) == 1:
        like = tainted
    kinds = tuple(sorted({node.kind or node.product for node in (*ready, *like)} - {""}))
    gpu = wanted
    if gpu is None and len(kinds) == 1:
        gpu = catalog.gpu(kinds[0])
    return Selection(
        pool=pool,
        gpu=gpu,
        ready=tuple(ready),
        like=tuple(like),
        left_out=tuple(left_out),
        kinds=kinds,
        without_gpus=sum(selects(spec.node_selector, labels) for labels in plain),
    )


def claims(selections: Sequence[Selection]) -> Mapping[str, tuple[str, ...]]:
    """Return the pools that would use each Node, for the Nodes that several would use."""
    claiming: dict[str, list[str]] = {}
    for selection in selections:
        for node in selection.ready:
            claiming.setdefault(node.name, []).append(selection.pool.metadata.name)
    return {node: tuple(sorted(pools)) for node, pools in claiming.items() if len(pools) > 1}


def _kind_fault(node: Facts, spec: GPUPoolSpec, wanted: core.Accelerator | None) -> str:
    if wanted is None:
        return node.unknown
    if spec.accelerator is not None:
        return _accelerator_fault(node, wanted)
    if node.kind is None:
        # Nothing on the Node names its GPU: then the spec is the one who says it. A name that nobody knows is not
        # overruled.
        return node.unknown if node.product else ""
    return "" if node.kind == wanted.name else f"OtherGPU: {node.kind}, the pool is for {wanted.name}"


def _accelerator_fault(node: Facts, wanted: core.Accelerator) -> str:
    """A GPU of which the spec gives all facts is one that the catalog does not hold, or one that it describes anew."""
    if node.kind is not None and not _same(node, wanted.name):
        return f"OtherGPU: {node.kind}, the pool is for {wanted.name}"
    memory = node.memory_gib
    if memory is not None and abs(memory / wanted.memory_gib - 1.0) > _MEMORY_SLACK:
        return f"OtherGPU: {memory:.1f} GiB of memory, spec.accelerator has {wanted.memory_gib:g}"
    return ""


def _same(node: Facts, name: str) -> bool:
    return normalized(name) in {normalized(node.kind or ""), normalized(node.product)}
