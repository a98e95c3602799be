"""Hypothesis strategies: pools, tables of step times, and whole requests of all three performance models."""

from dataclasses import replace
from math import inf

import numpy as np
from hypothesis import strategies as st

from placewright.core.model import (
    Architecture,
    Billing,
    FixedEfficiency,
    Gates,
    LatentAttention,
    Measured,
    Measurement,
    MixtureOfExperts,
    Objective,
    ObjectiveType,
    OnUnknown,
    OnViolation,
    Parallelism,
    Pool,
    Precision,
    Request,
    Runtime,
    Slo,
    TokenBasis,
    Workload,
)
from placewright.core.performance.base import Setting
from tests.support.builders import EIGHT_BILLION, GPUS, RATES, a_pool, a_request

TENSORS = (1, 2, 3, 4, 6, 8)
# Few values, so that equal prices (ties) are common; the odd ones make sums that binary fractions cannot hold.
PRICES = (0.1, 0.5, 0.7, 1.0, 1.0, 1.3, 2.5, 4.0)


@st.composite
def pools(draw: st.DrawFn, *, most: int = 3, most_nodes: int = 3, priced: bool = True) -> tuple[Pool, ...]:
    """One to `most` pools, several nodes, odd nodes of 3 or 6 GPUs, paid by the GPU or by the node."""
    prices = st.sampled_from(PRICES) if priced else st.sampled_from((None, *PRICES))
    return tuple(
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
        for name in "abcdefgh"[: draw(st.integers(1, most))]
    )


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


# ------------------------------------------------------------------------------------------------ whole requests


def _log_spaced(low: float, high: float) -> st.SearchStrategy[float]:
    """Limits over several powers of ten, so that they bind now and then."""
    return st.integers(0, 1000).map(lambda part: low * (high / low) ** (part / 1000))


def maybe(strategy: st.SearchStrategy[float], *, one_in: int = 2) -> st.SearchStrategy[float | None]:
    """None, but one time in `one_in`."""
    return st.integers(1, one_in).flatmap(lambda pick: strategy if pick == 1 else st.none())


@st.composite
def gates_of(draw: st.DrawFn, *, per_million: tuple[float, float]) -> Gates:
    return Gates(
        max_cost_per_million_tokens=draw(maybe(_log_spaced(*per_million), one_in=3)),
        max_cost_per_hour=draw(maybe(_log_spaced(0.2, 60.0), one_in=3)),
        max_quantization_drift_percent=draw(maybe(st.sampled_from((0.0, 0.3, 1.0)), one_in=6)),
        on_violation=draw(st.sampled_from(OnViolation)),
        on_unknown=draw(st.sampled_from(OnUnknown)),
    )


@st.composite
def objectives(draw: st.DrawFn, *, rates: tuple[float, float]) -> Objective:
    floor = draw(maybe(_log_spaced(*rates), one_in=3)) or 0.0
    return Objective(
        type=draw(st.sampled_from((ObjectiveType.COST_PER_TOKEN, *ObjectiveType))),
        cost_weight=draw(st.sampled_from((0.0, 0.3, 0.5, 1.0))),
        min_tokens_per_second=floor,
        cost_normalization=draw(maybe(st.sampled_from((1.0, 20.0)))),
        throughput_normalization=draw(maybe(st.sampled_from((1000.0, 50_000.0)))),
    )


@st.composite
def precisions(draw: st.DrawFn) -> tuple[Precision, ...]:
    names = draw(st.lists(st.sampled_from(("bf16", "fp8", "int8", "int4")), min_size=1, max_size=2, unique=True))
    return tuple(
        Precision(
            name=name,
            drift_percent=draw(st.sampled_from((None, 0.0, 0.2, 0.5, 1.5))),
            speedup=draw(st.sampled_from((None, None, 1.25))),
        )
        for name in names
    )


def tensor_lists() -> st.SearchStrategy[tuple[int, ...]]:
    """Lists of TP degrees: the usual one, or any, with 3 and 6."""
    usual = st.just((1, 2, 4, 8))
    return st.one_of(usual, st.lists(st.sampled_from(TENSORS), min_size=1, max_size=4, unique=True).map(tuple))


@st.composite
def config_dirs(draw: st.DrawFn, *, most_layers: int = 6, most_stages: int = 3, most_pools: int = 2) -> Request:
    """A config-dir request: any layers, pools, links and limits."""
    stock = draw(pools(most=most_pools, priced=draw(st.integers(0, 5)) > 0))
    layers = draw(st.integers(1, most_layers))
    free = draw(st.booleans())
    gbps = st.just(600.0) if free else st.sampled_from((0.0, 0.05, 0.5, 2.0, 10.0, 600.0))
    links = {(here.name, there.name): draw(gbps) for here in stock for there in stock}
    performance = FixedEfficiency(
        sequence_length=draw(st.sampled_from((256, 1024, 4096))),
        batch_sizes=draw(st.sampled_from(((8,), (1, 16), (4, 32)))),
        hidden_size=draw(st.sampled_from((1024, 4096, 8192))),
        layers=layers,
        bytes_per_element=draw(st.sampled_from((1, 2))),
        layer_weight_gib=draw(st.sampled_from((0.3, 1.0, 3.5, 12.0))),
        gpu_rates={pool.name: RATES[pool.gpu.name] for pool in stock},
        link_gbps=links,
        min_memory_utilization=draw(st.sampled_from((0.0, 0.0, 0.3, 0.5, 0.9))),
        quantized_segments=draw(st.booleans()),
        min_link_gbps=draw(st.sampled_from((0.0, 0.0, 1.0))),
    )
    return Request(
        name="config-dir",
        model_name="a-model",
        precisions=draw(precisions()),
        workload=Workload(
            input_tokens=performance.sequence_length,
            output_tokens=0,
            concurrency=draw(st.sampled_from((None, None, None, None, 8))),
        ),
        slo=Slo(tpot_seconds=0.05) if draw(st.integers(0, 19)) == 19 else Slo(),
        pools=stock,
        parallelism=Parallelism(
            tensor=draw(tensor_lists()),
            max_pipeline=draw(st.integers(1, most_stages)),
            min_layers_per_stage=draw(st.sampled_from((1, 1, 2, 5))),
            allow_mixed_pools=True,
            runtime=Runtime.ANY,
        ),
        objective=draw(objectives(rates=(100.0, 100_000.0))),
        gates=draw(gates_of(per_million=(0.001, 1.0))),
        performance=performance,
    )


@st.composite
def measurements(draw: st.DrawFn, stock: tuple[Pool, ...], names: tuple[str, ...]) -> Measurement:
    """A row of a pool's GPU: mostly one that serves, else of another class, a group too large, or no latency."""
    pool = draw(st.sampled_from(stock))
    fitting = [tensor for tensor in TENSORS if tensor <= pool.gpus_per_node]
    odd = draw(st.integers(0, 9))
    return Measurement(
        gpu=pool.gpu.name,
        tensor_parallel=draw(st.sampled_from(TENSORS if odd == 0 else fitting)),
        pipeline_parallel=draw(st.integers(1, 4 if odd == 1 else max(1, min(4, pool.nodes)))),
        precision=draw(st.sampled_from(("fp4",) if odd == 2 else names)),
        input_tokens=500 if odd == 3 else 1000,
        output_tokens=200,
        requests_per_second=draw(st.sampled_from((0.5, 1.0, 3.3, 7.0))),
        concurrency=draw(st.sampled_from((None, 8, 64))),
        ttft_seconds=draw(st.sampled_from((None, 0.2, 0.9, 3.0))),
        tpot_seconds=draw(st.sampled_from((None, 0.01, 0.03, 0.1))),
    )


@st.composite
def measured(draw: st.DrawFn, *, most_rows: int = 8) -> Request:
    """A request with benchmark rows, a few of which cannot serve it."""
    stock = draw(pools(priced=draw(st.integers(0, 5)) > 0))
    allowed = draw(precisions())
    names = tuple(precision.name for precision in allowed)
    slow = draw(st.integers(0, 4)) == 0
    return Request(
        name="measured",
        model_name="a-model",
        architecture=draw(st.sampled_from((None, EIGHT_BILLION, EIGHT_BILLION))),
        precisions=allowed,
        workload=Workload(
            input_tokens=1000,
            output_tokens=200,
            token_basis=draw(st.sampled_from(TokenBasis)),
            concurrency=draw(st.sampled_from((None, None, None, 8))),
        ),
        slo=Slo(
            ttft_seconds=draw(st.sampled_from((None, 0.2, 1.0))) if slow else None,
            tpot_seconds=draw(st.sampled_from((None, 0.03, 0.05))) if slow else None,
        ),
        pools=stock,
        parallelism=Parallelism(
            tensor=draw(tensor_lists()),
            max_pipeline=draw(st.sampled_from((1, 2, 4, 8))),
            min_layers_per_stage=draw(st.sampled_from((1, 1, 2, 10))),
            allow_mixed_pools=draw(st.booleans()),
            runtime=draw(st.sampled_from(Runtime)),
        ),
        objective=draw(objectives(rates=(100.0, 10_000.0))),
        gates=draw(gates_of(per_million=(0.1, 30.0))),
        performance=Measured(rows=tuple(draw(st.lists(measurements(stock, names), min_size=1, max_size=most_rows)))),
    )


MIXTURE = Architecture(
    layers=6,
    hidden_size=2048,
    intermediate_size=6144,
    attention_heads=24,
    key_value_heads=4,
    head_dim=128,
    vocab_size=151936,
    experts=MixtureOfExperts(experts=64, experts_per_token=6, expert_intermediate_size=1024, dense_layers=1),
)
LATENT = Architecture(
    layers=5,
    hidden_size=2048,
    intermediate_size=10944,
    attention_heads=16,
    key_value_heads=16,
    head_dim=128,
    vocab_size=102400,
    native_precision="fp8",
    experts=MixtureOfExperts(
        experts=64, experts_per_token=6, expert_intermediate_size=1408, shared_intermediate_size=2816, dense_layers=1
    ),
    latent_attention=LatentAttention(kv_rank=512, rope_head_dim=64),
)


def architectures(*, most_layers: int) -> st.SearchStrategy[Architecture]:
    """Dense with 32 or 12 heads and tied or untied embeddings, a mixture of experts, latent attention."""
    layers = st.integers(1, most_layers)
    odd = replace(EIGHT_BILLION, attention_heads=12, key_value_heads=3, hidden_size=1536, tie_word_embeddings=True)
    huge = replace(EIGHT_BILLION, hidden_size=16384, intermediate_size=53248, attention_heads=128)
    return st.builds(
        lambda shape, held: replace(shape, layers=held),
        st.sampled_from((EIGHT_BILLION, odd, huge, MIXTURE, LATENT)),
        layers,
    )


@st.composite
def analytic(
    draw: st.DrawFn,
    *,
    most_layers: int = 8,
    most_stages: int = 3,
    most_pools: int = 2,
    runtimes: tuple[Runtime, ...] = tuple(Runtime),
) -> Request:
    """A request whose performance is predicted."""
    stock = draw(pools(most=most_pools, priced=draw(st.integers(0, 5)) > 0))
    load = Workload(
        input_tokens=draw(st.sampled_from((1, 128, 2048))),
        output_tokens=draw(st.sampled_from((1, 100, 512))),
        token_basis=draw(st.sampled_from(TokenBasis)),
        concurrency=draw(st.sampled_from((None, 1, 6, 64))),
    )
    return Request(
        name="analytic",
        model_name="a-model",
        architecture=draw(architectures(most_layers=most_layers)),
        max_model_len=draw(st.sampled_from((None, None, 4096, 100_000))),
        precisions=draw(precisions()),
        workload=load,
        slo=Slo(
            ttft_seconds=draw(maybe(_log_spaced(0.02, 3.0), one_in=5)),
            tpot_seconds=draw(maybe(_log_spaced(0.001, 0.05), one_in=5)),
        ),
        pools=stock,
        parallelism=Parallelism(
            tensor=draw(tensor_lists()),
            max_pipeline=draw(st.integers(1, most_stages)),
            min_layers_per_stage=draw(st.sampled_from((1, 1, 1, 3))),
            allow_mixed_pools=draw(st.booleans()),
            runtime=draw(st.sampled_from(runtimes)),
        ),
        objective=draw(objectives(rates=(10.0, 100_000.0))),
        gates=draw(gates_of(per_million=(0.001, 10.0))),
    )


def requests() -> st.SearchStrategy[Request]:
    """Requests of every performance model."""
    return st.one_of(config_dirs(most_layers=30), measured(), analytic())
