"""An existing workload that a request scales (workloadRef): whether it fits the plan. Pure."""

from collections.abc import Mapping, Sequence

from placewright.core.errors import PlacewrightError
from placewright.core.model import Groups, Stage, Unit
from placewright.kube.manifests import Work
from placewright.kube.workloads import Workload

REASON = "WorkloadMismatch"
"""Reason of the condition Applied."""


class WorkloadMismatchError(PlacewrightError):
    """The target of a workloadRef is not what the plan is for; nothing is scaled.

    Attributes:
        fault: what is wrong.
        change: what to change.
    """

    def __init__(self, fault: str, *, change: str) -> None:
        super().__init__(f"{fault}: {change}")
        self.fault = fault
        self.change = change


def target_unit(work: Work, kind: str, name: str, target: Workload | None) -> Unit:
    """The unit that a target is.

    Args:
        work: the plan.
        kind: of spec.workloadRef.
        name: of spec.workloadRef.
        target: as it stands; None: it is not there.

    Raises:
        WorkloadMismatchError: it is not there, or its Pods are not those of the plan.
    """
    if target is None:
        raise WorkloadMismatchError(
            f"spec.workloadRef: there is no {kind} {name} in namespace {work.namespace}",
            change="create it, or name another",
        )
    if len(work.layouts) > 1:
        raise WorkloadMismatchError(
            f"the plan has {len(work.layouts)} layouts, and {target.title} has one template",
            change="use spec.render instead of spec.workloadRef, or give the request one pool",
        )
    (layout,) = work.layouts
    pods = [gpus for count, gpus in target.shape for _ in range(count)]
    pools = _pools(pods, layout.stages)
    if target.gpus != layout.gpus or pools is None:
        shape = " + ".join(map(str, pods)) or "0"
        wanted = " + ".join(str(stage.tensor_parallel) for stage in layout.stages)
        raise WorkloadMismatchError(
            f"a replica of {target.title} asks for {shape} GPUs, the plan's stages for {wanted}",
            change=f"start it with {' '.join(layout.engine_args[:2]) or 'the flags of status.plan.layouts'}"
            f" on {layout.gpus} GPUs, or bind the plan by spec.parallelism",
        )
    return Unit(name=target.name, replicas=layout.replicas, weight=1.0, pools=pools)


def _pools(pods: Sequence[int], stages: Sequence[Stage]) -> Mapping[str, Groups] | None:
    """Pods by pool, where each holds whole stages of one pool, in order; None: they do not."""
    left = list(stages)
    count: dict[str, dict[int, int]] = {}
    for gpus in pods:
        held, pool = 0, left[0].pool if left else ""
        while left and held < gpus and left[0].pool == pool:
            held += left.pop(0).tensor_parallel
        if held != gpus or gpus == 0:
            return None
        sizes = count.setdefault(pool, {})
        sizes[gpus] = sizes.get(gpus, 0) + 1
    return None if left else {pool: tuple(sorted(sizes.items())) for pool, sizes in count.items()}
