"""An existing workload that a request names: it is scaled, and nothing else of it is touched. Pure."""

from collections.abc import Mapping
from typing import Any

from placewright.api.acting_status import AppliedReason
from placewright.api.rollout_spec import WorkloadReference
from placewright.core.model import Groups, Unit
from placewright.handlers.acting.goals import Stored
from placewright.handlers.acting.readings import HeldError
from placewright.kube.workloads import Key as Target
from placewright.kube.workloads import Workload

Json = Mapping[str, Any]


def target_of(namespace: str, reference: WorkloadReference | None) -> Target | None:
    """Where the workload is; None: the request names none."""
    return None if reference is None else (namespace, reference.kind, reference.name)


def units_of_target(stored: Stored, target: Target, workload: Workload | None) -> tuple[Unit, ...]:
    """The plan as the one unit that the workload is.

    Args:
        stored: what the status wants.
        target: where the workload is.
        workload: as it stands; None: it is not there.

    Raises:
        HeldError: the plan cannot run there.
    """
    title = f"{target[1]} {target[2]}"
    if stored.plan is None:
        return ()
    if workload is None:
        raise HeldError(AppliedReason.WAITING, f"{title} of spec.workloadRef is not there; it is scaled once it is")
    if stored.before is not None:
        raise HeldError(
            AppliedReason.RENDER_REFUSED,
            f"a ramp shares the traffic between two plans, and {title} is one workload: leave out spec.ramp, or"
            " spec.workloadRef with spec.render.route",
        )
    layouts: list[Json] = list(stored.plan.get("layouts") or ())
    if len(layouts) != 1:
        raise HeldError(
            AppliedReason.WORKLOAD_MISMATCH,
            f"the plan has {len(layouts)} layouts, and {title} is one workload: set spec.parallelism and spec.pools so"
            " that one layout serves, or leave out spec.workloadRef",
        )
    pools = _pools(layouts[0], alone=workload.kind != "LeaderWorkerSet")
    gpus = sum(each * pods for groups in pools.values() for each, pods in groups)
    if gpus != workload.gpus:
        raise HeldError(
            AppliedReason.WORKLOAD_MISMATCH,
            f"{title} asks for {workload.gpus} GPUs for each replica, and a replica of the plan has {gpus}: change its"
            " template, or spec.parallelism",
        )
    return (Unit(name=workload.name, replicas=int(layouts[0]["replicas"]), weight=1.0, pools=pools),)


def pools_of_target(stored: Stored, workload: Workload) -> Mapping[str, Groups]:
    """GPUs of one of its replicas by pool, as far as the plan tells; empty: it does not."""
    layouts: list[Json] = list((stored.plan or {}).get("layouts") or ())
    return _pools(layouts[0], alone=workload.kind != "LeaderWorkerSet") if len(layouts) == 1 else {}


def _pools(layout: Json, *, alone: bool) -> dict[str, Groups]:
    """Pods of a replica by pool: one for all stages where a replica is one Pod, one for each otherwise."""
    stages: dict[str, list[int]] = {}
    for stage in layout.get("stages") or ():
        stages.setdefault(str(stage["pool"]), []).append(int(stage["gpus"]))
    if alone:
        return {pool: ((sum(sizes), 1),) for pool, sizes in stages.items()}
    return {pool: tuple((size, sizes.count(size)) for size in sorted(set(sizes))) for pool, sizes in stages.items()}
