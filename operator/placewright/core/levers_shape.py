"""The knobs of a request that change what layouts may look like: parallelism, the format's own limits, and stock."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

from placewright.core import figures
from placewright.core.knobs import Knob, Names, Steps, lowering, raising, switch
from placewright.core.model import Analytic, FixedEfficiency, Parallelism, Pool, Request

SANE_FACTOR = 64  # a relaxation beyond so many times the present stock is no help
SANE_STAGES = 16  # pipelines deeper than this, or than twice the present limit, are not proposed

_PIPELINE = Names("spec.parallelism.maxPipeline", "config.csv: max_pipeline_stages")
_LEAST_LAYERS = Names("spec.parallelism.minLayersPerStage", "config.csv: min_layers_per_stage")
_DEGREES = tuple(2**k for k in range(11))


def shape_levers(request: Request, layers: int) -> Iterator[Knob]:
    """Pipeline depth, smallest stage, mixed pools."""
    shape = request.parallelism
    yield raising(
        _PIPELINE.of(request),
        shape.max_pipeline,
        up_to=min(layers, sane_stages(request)),
        change=lambda asked, value: _with_shape(asked, lambda entry: replace(entry, max_pipeline=value)),
        noun="pipeline stages",
        widening=1,
    )
    yield lowering(
        _LEAST_LAYERS.of(request),
        shape.min_layers_per_stage,
        down_to=1,
        change=lambda asked, value: _with_shape(asked, lambda entry: replace(entry, min_layers_per_stage=value)),
        noun="layers in the smallest stage",
    )
    config_dir = isinstance(request.performance, FixedEfficiency)
    if not shape.allow_mixed_pools and len(request.pools) > 1 and not config_dir:
        field = "spec.parallelism.allowMixedPools"
        yield switch(
            field,
            current="false",
            needed="true",
            change=lambda asked: _with_shape(asked, lambda entry: replace(entry, allow_mixed_pools=True)),
            phrase=f"with stages in several pools: set {field} to true",
            widening=2,
        )


def degree_levers(request: Request) -> Iterator[Knob]:
    """Tensor-parallel degrees, and the limit of each pool on them."""
    config_dir = isinstance(request.performance, FixedEfficiency)
    if not config_dir:
        yield _more_degrees(request)
    for pool in request.pools:
        # GPUs of a node are given; those of a config-dir type are a count, which can be raised too.
        widest = max(request.parallelism.tensor) if config_dir else pool.gpus_per_node
        if pool.max_tensor_parallel < widest:
            field = "--max-tp" if config_dir else f"spec.pools[{pool.name}].maxTensorParallel"
            yield _wider_groups(pool, widest, field)


def format_levers(request: Request) -> Iterator[Knob]:
    """Limits that only one performance model knows."""
    match request.performance:
        case Analytic():
            yield from _analytic_levers(request)
        case FixedEfficiency() as model:
            yield from _config_dir_levers(model)
        case _:
            return


def sane_stages(request: Request) -> int:
    """The deepest pipeline that is worth proposing."""
    return max(SANE_STAGES, 2 * request.parallelism.max_pipeline)


def stock_levers(request: Request, stages: int) -> Iterator[Knob]:
    """More nodes in each pool that has a price, as many as so many stages can use; more GPUs of a config-dir type."""
    for pool in request.pools:
        if pool.price_per_gpu_hour is None:
            continue
        if isinstance(request.performance, FixedEfficiency) and pool.nodes == 1:
            yield _more_gpus(pool, _useful_gpus(request, pool, stages))
        else:
            yield _more_nodes(pool, _useful_gpus(request, pool, stages))


def _with_shape(request: Request, changed: Callable[[Parallelism], Parallelism]) -> Request:
    return replace(request, parallelism=changed(request.parallelism))


def _with_pool(request: Request, name: str, changed: Callable[[Pool], Pool]) -> Request:
    return replace(request, pools=tuple(changed(pool) if pool.name == name else pool for pool in request.pools))


def _with_model(request: Request, changed: Callable[[FixedEfficiency], FixedEfficiency]) -> Request:
    assert isinstance(request.performance, FixedEfficiency)
    return replace(request, performance=changed(request.performance))


def _more_degrees(request: Request) -> Knob:
    """Tensor-parallel degrees that the request leaves out and some node could hold."""
    given = request.parallelism.tensor
    widest = max((pool.gpus_per_node for pool in request.pools), default=1)
    more = [degree for degree in _DEGREES if degree <= widest and degree not in given]
    field, current = "spec.parallelism.tensor", _listed(given)

    def degrees(step: int) -> tuple[int, ...]:
        return tuple(sorted({*given, *more[:step]}))

    return Steps(
        field=field,
        current=current,
        count=len(more),
        at=lambda asked, step: _with_shape(asked, lambda entry: replace(entry, tensor=degrees(step))),
        shown=lambda step: _listed(degrees(step)),
        size=lambda step: step / len(given),
        phrase=lambda step: (
            f"with more tensor-parallel degrees: set {field} to {_listed(degrees(step))}, now {current}"
        ),
    )


def _listed(degrees: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(degree) for degree in degrees) + "]"


def _wider_groups(pool: Pool, widest: int, field: str) -> Knob:
    """A larger tensor-parallel limit of one pool."""
    now = pool.max_tensor_parallel
    wider = [degree for degree in _DEGREES if now < degree <= widest]

    def change(asked: Request, step: int) -> Request:
        return _with_pool(asked, pool.name, lambda entry: replace(entry, max_tensor_parallel=wider[step - 1]))

    return Steps(
        field=field,
        current=f"{pool.name}={now}" if field == "--max-tp" else str(now),
        count=len(wider),
        at=change,
        shown=lambda step: f"{pool.name}={wider[step - 1]}" if field == "--max-tp" else str(wider[step - 1]),
        size=lambda step: wider[step - 1] / now - 1.0,
        phrase=lambda step: (
            f"with tensor parallelism up to {wider[step - 1]} in pool {pool.name}: raise {field} "
            f"from {now} to {wider[step - 1]}"
        ),
    )


def _analytic_levers(request: Request) -> Iterator[Knob]:
    given = request.workload.concurrency
    if given is not None:
        yield lowering(
            "spec.workload.concurrency",
            given,
            down_to=1,
            change=lambda asked, value: replace(asked, workload=replace(asked.workload, concurrency=value)),
            noun="sequences in flight",
        )
    needed = request.workload.input_tokens + request.workload.output_tokens
    if request.max_model_len is not None and request.max_model_len > needed:
        yield lowering(
            "spec.model.maxModelLen",
            request.max_model_len,
            down_to=needed,
            change=lambda asked, value: replace(asked, max_model_len=value),
            noun="tokens in the longest sequence",
        )


def _config_dir_levers(model: FixedEfficiency) -> Iterator[Knob]:
    least = min(model.batch_sizes)
    several = len(model.batch_sizes) > 1
    yield lowering(
        "config.csv: min_batch_size" if several else "config.csv: batch_size",
        least,
        down_to=1,
        change=lambda asked, value: _with_model(
            asked,
            lambda entry: replace(entry, batch_sizes=(value, *entry.batch_sizes) if several else (value,)),
        ),
        noun="sequences in the smallest batch",
    )
    hundredths = ceil(model.min_memory_utilization * 100.0)
    if hundredths > 0:
        yield _lower_utilization(model.min_memory_utilization, hundredths)
    if model.quantized_segments:
        field = "config.csv: enable_segment_quantization"
        yield switch(
            field,
            current="true",
            needed="false",
            change=lambda asked: _with_model(asked, lambda entry: replace(entry, quantized_segments=False)),
            phrase=f"with stages of any size: set {field} to false",
        )
    if model.min_link_gbps > 0.0:
        field = "config.csv: network_bandwidth_percentile_threshold"
        yield switch(
            field,
            current=f"links of {figures.number(model.min_link_gbps)} GB/s and more",
            needed="0",
            change=lambda asked: _with_model(asked, lambda entry: replace(entry, min_link_gbps=0.0)),
            phrase=f"with links below {figures.number(model.min_link_gbps)} GB/s in use: set {field} to 0",
        )


def _lower_utilization(now: float, hundredths: int) -> Knob:
    """The share of memory that a stage must fill, in hundredths."""
    field = "config.csv: min_memory_utilization"

    def value(step: int) -> float:
        return max(hundredths - step, 0) / 100.0

    return Steps(
        field=field,
        current=figures.number(now, 6),
        count=hundredths,
        at=lambda asked, step: _with_model(asked, lambda entry: replace(entry, min_memory_utilization=value(step))),
        shown=lambda step: figures.number(value(step)),
        size=lambda step: (now - value(step)) / max(value(step), 0.01),
        phrase=lambda step: (
            f"with stages that fill {value(step):.0%} of their memory: lower {field} "
            f"from {figures.number(now, 6)} to {figures.number(value(step))}"
        ),
    )


def _useful_gpus(request: Request, pool: Pool, stages: int) -> int:
    """GPUs of one pool that a single replica could use at most."""
    limit = pool.gpus_per_node
    if isinstance(request.performance, FixedEfficiency):
        limit = max(request.parallelism.tensor)  # all GPUs of a type stand in one node, however many they are
    widest = max((degree for degree in request.parallelism.tensor if degree <= limit), default=1)
    return stages * widest


def _more_nodes(pool: Pool, useful_gpus: int) -> Knob:
    field = f"spec.pools[{pool.name}].nodes"
    most = min(ceil(useful_gpus / pool.gpus_per_node), max(pool.nodes, 1) * SANE_FACTOR)

    def change(asked: Request, step: int) -> Request:
        return _with_pool(asked, pool.name, lambda entry: replace(entry, nodes=pool.nodes + step))

    return Steps(
        field=field,
        current=str(pool.nodes),
        count=max(most - pool.nodes, 0),
        at=change,
        shown=lambda step: str(pool.nodes + step),
        size=lambda step: step / max(pool.nodes, 1),
        phrase=lambda step: (
            f"with {step} more {pool.gpu.name} {'node' if step == 1 else 'nodes'} in pool {pool.name}: "
            f"raise {field} from {pool.nodes} to {pool.nodes + step}"
        ),
    )


def _more_gpus(pool: Pool, useful_gpus: int) -> Knob:
    field = f"gpu_pool.csv: count of {pool.name}"
    now = pool.gpus_per_node
    most = min(useful_gpus, max(now, 1) * SANE_FACTOR)

    def change(asked: Request, step: int) -> Request:
        return _with_pool(asked, pool.name, lambda entry: replace(entry, gpus_per_node=now + step))

    return Steps(
        field=field,
        current=str(now),
        count=max(most - now, 0),
        at=change,
        shown=lambda step: str(now + step),
        size=lambda step: step / max(now, 1),
        phrase=lambda step: f"with {step} more {pool.name}: raise {field} from {now} to {now + step}",
    )
