"""What every layout must obey whatever the performance model: layers, stages, runtime, groups."""

from placewright.core.model import Layout, Pool, Request, Runtime, Stage


def pools_by_name(request: Request) -> dict[str, Pool]:
    """The pools of the request."""
    return {pool.name: pool for pool in request.pools}


def layer_violations(stages: tuple[Stage, ...], layers: int | None) -> tuple[str, ...]:
    """Layers 0..layers-1 are covered once and in order; `layers` None: the number is not known."""
    if not stages:
        return ("the layout has no stage",)
    found: list[str] = []
    due = 0
    for number, stage in enumerate(stages):
        if stage.first_layer != due:
            found.append(f"stage {number} begins at layer {stage.first_layer}, but layer {due} is due")
        if stage.last_layer < stage.first_layer:
            found.append(f"stage {number} holds {stage.layers} layers, at least 1 is needed")
        due = stage.last_layer + 1
    if layers is not None and due != layers:
        found.append(f"the stages end after layer {due - 1}, the model has {layers} layers")
    return tuple(found)


def stage_violations(request: Request, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """Each stage stands on a pool of the request that can form its tensor-parallel group."""
    pools = pools_by_name(request)
    limits = request.parallelism
    found: list[str] = []
    for number, stage in enumerate(stages):
        pool = pools.get(stage.pool)
        tensor = stage.tensor_parallel
        if pool is None:
            found.append(f"stage {number} is on pool {stage.pool}, the request has {', '.join(pools) or 'none'}")
            continue
        if stage.gpu != pool.gpu.name:
            found.append(f"stage {number} names GPU {stage.gpu}, pool {pool.name} has {pool.gpu.name}")
        if tensor not in limits.tensor:
            found.append(f"stage {number} has TP {tensor}, the request allows {list(limits.tensor)}")
        if tensor > pool.gpus_per_node:
            found.append(f"stage {number} has TP {tensor}, a node of pool {pool.name} has {pool.gpus_per_node} GPUs")
        if tensor > pool.max_tensor_parallel:
            found.append(f"stage {number} has TP {tensor}, pool {pool.name} allows {pool.max_tensor_parallel}")
        if pool.price_per_gpu_hour is None:
            found.append(f"stage {number} is on pool {pool.name}, which has no price")
    if len(stages) > limits.max_pipeline:
        found.append(f"the layout has {len(stages)} stages, the request allows {limits.max_pipeline}")
    return tuple(found)


def runtime_violations(request: Request, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """The runtime can start the layout: `vllm` wants one TP that divides the heads and, unless allowed, one pool."""
    limits = request.parallelism
    if limits.runtime is not Runtime.VLLM:
        return ()
    found: list[str] = []
    degrees = sorted({stage.tensor_parallel for stage in stages})
    if len(degrees) > 1:
        found.append(f"runtime vllm wants one TP degree, the stages have {degrees}")
    used = sorted({stage.pool for stage in stages})
    if len(used) > 1 and not limits.allow_mixed_pools:
        found.append(f"mixed pools are not allowed, the stages are on {', '.join(used)}")
    if request.architecture is not None:
        heads = request.architecture.attention_heads
        found.extend(f"TP {degree} does not divide the {heads} attention heads" for degree in degrees if heads % degree)
    return tuple(found)


def groups_by_pool(layout: Layout) -> dict[str, list[int]]:
    """Sizes of the tensor-parallel groups of one replica, by pool name."""
    groups: dict[str, list[int]] = {}
    for stage in layout.stages:
        groups.setdefault(stage.pool, []).append(stage.tensor_parallel)
    return groups
