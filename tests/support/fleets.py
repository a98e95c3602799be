"""Small requests with a demand, measured so that their figures are plain numbers, and fleets of them."""

from collections.abc import Mapping, Sequence

from placewright.core.model import (
    Gates,
    Layout,
    Measured,
    Measurement,
    Parallelism,
    Plan,
    PlanState,
    Pool,
    Precision,
    ReplicaBounds,
    Replicas,
    Request,
    Slo,
    Stage,
    TrafficClass,
    Workload,
)
from tests.support.builders import A100, L40S, a_pool

SIZES: Mapping[str, tuple[int, int]] = {"chat": (1000, 200), "code": (500, 500), "rag": (4000, 100)}
"""Input and output tokens of the classes that tests use."""


def traffic(name: str, requests_per_second: float, slo: Slo | None = None) -> TrafficClass:
    given, made = SIZES[name]
    return TrafficClass(
        name=name, input_tokens=given, output_tokens=made, requests_per_second=requests_per_second, slo=slo
    )


def row(gpu: str, name: str, requests_per_second: float, *, tensor: int = 1, **more: object) -> Measurement:
    """What one replica on `tensor` GPUs sustains of a class."""
    given, made = SIZES[name]
    values: dict[str, object] = {
        "pipeline_parallel": 1,
        "precision": "bf16",
        "concurrency": 32,
        "ttft_seconds": 0.5,
        "tpot_seconds": 0.02,
        **more,
    }
    return Measurement(
        gpu=gpu,
        tensor_parallel=tensor,
        input_tokens=given,
        output_tokens=made,
        requests_per_second=requests_per_second,
        **values,  # type: ignore[arg-type] # plain keyword values of Measurement
    )


def a_fleet_request(
    name: str,
    pools: Sequence[Pool],
    rows: Sequence[Measurement],
    classes: Sequence[TrafficClass] = (),
    *,
    namespace: str = "serving",
    **changes: object,
) -> Request:
    """A measured request; its own size is that of the class with the most tokens, `chat` without a demand."""
    main = max(
        classes, key=lambda each: each.requests_per_second * (each.input_tokens + each.output_tokens), default=None
    )
    given, made = SIZES["chat"] if main is None else (main.input_tokens, main.output_tokens)
    values: dict[str, object] = {
        "precisions": (Precision(name="bf16", drift_percent=0.0),),
        "gates": Gates(),
        "replicas": ReplicaBounds(),
        "parallelism": Parallelism(tensor=(1, 2, 3, 4, 6, 8)),
        **changes,
    }
    return Request(
        name=name,
        namespace=namespace,
        model_name="a-model",
        workload=Workload(input_tokens=given, output_tokens=made, classes=tuple(classes)),
        pools=tuple(pools),
        performance=Measured(rows=tuple(rows)),
        **values,  # type: ignore[arg-type] # plain keyword values of Request
    )


def shared_pool(name: str, *, gpu: str = "L40S", **changes: object) -> Pool:
    kinds = {"L40S": L40S, "A100": A100}
    return a_pool(name, kinds[gpu], **{"shared": True, **changes})


def one_stage(pool: Pool, tensor: int = 1) -> tuple[Stage, ...]:
    """All of a model whose layers are not known, on one group."""
    return (Stage(pool=pool.name, gpu=pool.gpu.name, tensor_parallel=tensor, first_layer=0, last_layer=0),)


def a_layout(pool: Pool, *, tensor: int = 1, cost: float, requests: float, tokens: float, **changes: object) -> Layout:
    values: dict[str, object] = {"ttft_seconds": 0.5, "tpot_seconds": 0.02, "max_concurrency": 32, **changes}
    return Layout(
        stages=one_stage(pool, tensor),
        precision="bf16",
        cost_per_hour=cost,
        tokens_per_second=tokens,
        requests_per_second=requests,
        **values,  # type: ignore[arg-type] # plain keyword values of Layout
    )


def a_plan(*replicas: Replicas, demand: float | None, state: PlanState = PlanState.APPROVED) -> Plan:
    return Plan(id="p-0a1b2c", state=state, replicas=replicas, demand_tokens_per_second=demand)
