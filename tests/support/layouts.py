"""Layouts for tests that judge layouts and do not search them."""

from collections.abc import Sequence

from placewright.core.model import Layout, Stage


def layout(
    cost_per_hour: float = 4.0,
    tokens_per_second: float = 1000.0,
    *,
    split: Sequence[int] = (6, 6),
    tensor_parallel: int = 1,
    pool: str = "fast",
    precision: str = "bf16",
    max_concurrency: int = 8,
    ttft_seconds: float | None = 0.5,
    tpot_seconds: float | None = 0.02,
) -> Layout:
    """A layout of one pool with these layers per stage."""
    stages = []
    first = 0
    for layers in split:
        stages.append(
            Stage(
                pool=pool,
                gpu=pool,
                tensor_parallel=tensor_parallel,
                first_layer=first,
                last_layer=first + layers - 1,
            )
        )
        first += layers
    return Layout(
        stages=tuple(stages),
        precision=precision,
        max_concurrency=max_concurrency,
        cost_per_hour=cost_per_hour,
        tokens_per_second=tokens_per_second,
        requests_per_second=tokens_per_second / 200.0,
        ttft_seconds=ttft_seconds,
        tpot_seconds=tpot_seconds,
    )
