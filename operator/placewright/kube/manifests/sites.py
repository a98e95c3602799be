"""Where the pools of a request have their GPUs."""

from collections.abc import Iterable, Mapping

from placewright.api.gpu_pool import GPUPool
from placewright.core.model import Assignment, Pool, Request
from placewright.kube.manifests.values import Site


def sites_of(request: Request, pools: Iterable[GPUPool], assignments: Iterable[Assignment] = ()) -> dict[str, Site]:
    """The sites of a request's pools, by name.

    Args:
        request: with its own pools, or the shared ones that it selects.
        pools: the GPUPools, for their selectors and tolerations.
        assignments: of the fleet decision: the GPUs of each node that were promised to this request. Only they are
            room for its Pods, so that the Pods of all requests together find the room that the planner has proved.
    """
    known = {pool.metadata.name: pool for pool in pools}
    promised: dict[str, dict[int, int]] = {}
    for each in assignments:
        if (each.namespace, each.name) == (request.namespace, request.name):
            nodes = promised.setdefault(each.pool, {})
            nodes[each.node] = nodes.get(each.node, 0) + each.gpus
    return {
        pool.name: _site(pool, known.get(pool.name) if pool.shared else None, promised.get(pool.name))
        for pool in request.pools
    }


def _site(pool: Pool, resource: GPUPool | None, promised: Mapping[int, int] | None) -> Site:
    rooms = pool.free_by_node if promised is None else tuple(promised.values())
    spec = resource.spec if resource is not None else None
    return Site(
        pool=pool.name,
        gpu=pool.gpu.name,
        vendor=pool.gpu.vendor,
        gpus_per_node=pool.gpus_per_node,
        rooms=tuple(sorted(rooms, reverse=True)),
        selector=spec.node_selector if spec is not None else None,
        names_gpu=spec is None or spec.gpu is not None,
        tolerations=tuple(spec.tolerations or ()) if spec is not None else (),
    )
