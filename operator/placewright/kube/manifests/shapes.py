"""How many Pods one replica takes: one where a node has room for the whole of it, else one for each part of it.

A tensor-parallel group never leaves a Pod. Stages of one pool share a Pod as far as a node has room, since the planner
counts with the links inside a node there.
"""

from collections.abc import Iterable, Sequence

from placewright.kube.manifests.values import Serving, Work


def stages_per_pod(work: Work) -> tuple[int, ...]:
    """Stages in each Pod, for each layout of the plan.

    As many as a node holds, when the nodes have room for all Pods of the plan at once; otherwise one, for which the
    planner has found room.
    """
    grouped = tuple(groupings(work, layout)[0] for layout in work.layouts)
    return grouped if _fits(work, grouped) else tuple(1 for _ in work.layouts)


def groupings(work: Work, layout: Serving) -> list[int]:
    """Stages that a Pod may have, most first: divisors of the stages whose GPUs a node of their pool has.

    One for stages in several pools.
    """
    if len({stage.pool for stage in layout.stages}) > 1:
        return [1]
    size = work.sites[layout.stages[0].pool].gpus_per_node
    stages = len(layout.stages)
    fitting = (each for each in range(stages, 0, -1) if stages % each == 0 and each * layout.tensor_parallel <= size)
    return list(fitting) or [1]


def _fits(work: Work, grouped: Sequence[int]) -> bool:
    wanted: dict[str, list[int]] = {}
    for layout, stages in zip(work.layouts, grouped, strict=True):
        for first in range(0, len(layout.stages), stages):
            part = layout.stages[first : first + stages]
            pods = wanted.setdefault(part[0].pool, [])
            pods += [sum(stage.tensor_parallel for stage in part)] * layout.replicas
    return all(_packs(sizes, work.sites[pool].rooms) for pool, sizes in wanted.items())


def _packs(sizes: Iterable[int], rooms: Sequence[int]) -> bool:
    """Whether first fit, largest first, finds a room for each."""
    left = list(rooms)
    for size in sorted(sizes, reverse=True):
        at = next((index for index, room in enumerate(left) if room >= size), None)
        if at is None:
            return False
        left[at] -= size
    return True
