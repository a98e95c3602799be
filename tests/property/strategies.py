"""Hypothesis strategies: pools, tables of step times, and whole requests of all three performance models."""

from math import inf

import numpy as np
from hypothesis import strategies as st

from placewright.core.model import Billing, Pool, Request
from placewright.core.performance.base import Setting
from tests.support.builders import GPUS, a_pool, a_request

TENSORS = (1, 2, 3, 4, 6, 8)
# Few values, so that equal prices (ties) are common; the odd ones make sums that binary fractions cannot hold.
PRICES = (0.1, 0.5, 0.7, 1.0, 1.0, 1.3, 2.5, 4.0)


@st.composite
def pools(draw: st.DrawFn, *, most: int = 3, most_nodes: int = 3, priced: bool = True) -> tuple[Pool, ...]:
    """One to `most` pools, several nodes, odd nodes of 3 or 6 GPUs, paid by the GPU or by the node."""
    prices = st.sampled_from(PRICES) if priced else st.sampled_from((None, *PRICES))
    found = []
    for name in "abcdefgh"[: draw(st.integers(1, most))]:
        found.append(
            a_pool(
                name,
                draw(st.sampled_from(GPUS)),
                nodes=draw(st.integers(1, most_nodes)),
                gpus_per_node=draw(st.sampled_from((1, 2, 3, 4, 6, 8))),
                price_per_gpu_hour=draw(prices),
                billing=draw(st.sampled_from((Billing.PER_GPU, Billing.PER_GPU, Billing.PER_NODE))),
                intra_node_gbps=draw(st.sampled_from((16.0, 64.0, 450.0))),
                inter_node_gbps=draw(st.sampled_from((1.0, 12.5, 50.0))),
                max_tensor_parallel=draw(st.sampled_from((1, 2, 4, 8, 8, 8))),
            )
        )
    return tuple(found)


def _figures(low: int, high: int) -> st.SearchStrategy[float]:
    """Times on a coarse grid (ties) or on a fine one."""
    return st.one_of(st.integers(low, high).map(float), st.integers(low * 997, high * 997).map(lambda x: x / 997))


@st.composite
def rows(draw: st.DrawFn, layers: int) -> list[float]:
    """Step seconds of 1..layers layers of one kind: a line, or any table, with sizes that are not allowed."""
    shape = draw(st.sampled_from(("line", "line", "range", "sizes", "any")))
    fixed, slope = draw(_figures(0, 5)), draw(_figures(1, 9))
    line = [fixed + slope * held for held in range(1, layers + 1)]
    if shape == "range":
        low, high = sorted((draw(st.integers(1, layers)), draw(st.integers(1, layers))))
        return [time if low <= held <= high else inf for held, time in enumerate(line, start=1)]
    if shape == "sizes":
        allowed = draw(st.sets(st.integers(1, layers), max_size=4))
        return [time if held in allowed else inf for held, time in enumerate(line, start=1)]
    if shape == "any":
        return [draw(st.one_of(st.just(inf), _figures(1, 30))) for _ in range(layers)]
    return line


@st.composite
def settings_of(draw: st.DrawFn, request: Request, *, layers: int, most_stages: int, most_kinds: int) -> Setting:
    """One Setting over the pools of a request: any tables, links, limits and rules."""
    possible = [
        (index, tensor)
        for index, pool in enumerate(request.pools)
        for tensor in TENSORS
        if tensor <= min(pool.gpus_per_node, pool.max_tensor_parallel)
    ]
    chosen = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=most_kinds, unique=True))
    steps = np.array([[inf, *draw(rows(layers))] for _ in chosen], dtype=np.float64)
    size = len(request.pools)
    hop = st.one_of(st.just(0.0), st.just(inf), _figures(0, 12)) if draw(st.booleans()) else st.just(0.0)
    hops = np.array([[draw(hop) for _ in range(size)] for _ in range(size)], dtype=np.float64)
    first, first_hops, first_limit = np.zeros_like(steps), np.zeros_like(hops), inf
    if draw(st.integers(0, 3)) == 0:
        first = np.array([[0.0, *(draw(_figures(0, 9)) for _ in range(layers))] for _ in chosen], dtype=np.float64)
        first_hops = np.array([[draw(_figures(0, 3)) for _ in range(size)] for _ in range(size)], dtype=np.float64)
        first_limit = draw(st.integers(1, 30)) + 0.00012345  # no sum of the grids: rounding decides nothing
    return Setting(
        precision=draw(st.sampled_from(("bf16", "fp8"))),
        concurrency=draw(st.sampled_from((1, 8, 32))),
        stages=draw(st.sampled_from((0, 0, 0, 1, 2, most_stages))),
        max_stages=draw(st.integers(1, most_stages)),
        uniform_kind=draw(st.booleans()) and draw(st.booleans()),
        uniform_tensor_parallel=draw(st.booleans()) and draw(st.booleans()),
        kind_pool=np.array([pool for pool, _ in chosen], dtype=np.int64),
        kind_tensor_parallel=np.array([tensor for _, tensor in chosen], dtype=np.int64),
        step_seconds=steps,
        first_token_seconds=first,
        hop_seconds=hops,
        first_token_hop_seconds=first_hops,
        hop_in_step=draw(st.booleans()),
        tokens_per_step=draw(st.sampled_from((100.0, 1000.0, 1234.5))),
        tpot_steps=1.0,
        max_step_seconds=draw(st.one_of(st.just(inf), st.integers(1, 60).map(lambda x: x + 0.00012345))),
        max_first_token_seconds=first_limit,
    )


@st.composite
def tables(
    draw: st.DrawFn, *, most_layers: int = 6, most_stages: int = 3, most_kinds: int = 4, most_settings: int = 2
) -> tuple[Request, list[Setting]]:
    """A request and Settings of any step times, as no performance model would ever give them."""
    request = a_request(draw(pools()))
    layers = draw(st.integers(1, most_layers))
    return request, [
        draw(settings_of(request, layers=layers, most_stages=most_stages, most_kinds=most_kinds))
        for _ in range(draw(st.integers(1, most_settings)))
    ]
