"""The analytic model worked out again from docs/performance-model.md, sections 3 to 6, one layout at a time."""

from dataclasses import dataclass
from math import ceil, inf, isinf

from placewright.core.model import Architecture, Layout, Pool, Precision, Request, Runtime, Stage
from placewright.core.performance.coefficients import FITTED
from placewright.core.verification import shape as counts
from placewright.core.verification.figures import Figures
from placewright.core.verification.numbers import exceeds, text
from placewright.core.verification.structure import pools_by_name

GIB = 2.0**30
SAME_NODE_SECONDS = 15e-6
OTHER_NODE_SECONDS = 30e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one replica works on: sequences in flight, its stages, tokens in and out."""

    concurrency: int
    stages: int
    input_tokens: int
    output_tokens: int

    @property
    def sequences(self) -> int:
        """Sequences that one stage works on in one step."""
        return ceil(self.concurrency / self.stages)

    @property
    def entering(self) -> float:
        """Prompts that enter in one step of the steady state."""
        return self.sequences / self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One GPU of a tensor-parallel group, running one precision."""

    pool: Pool
    tensor: int
    precision: str
    flops: float

    @property
    def half_flops(self) -> float:
        """FLOP/s in 16 bits."""
        return self.pool.gpu.tflops_16bit * 1e12

    @property
    def bandwidth(self) -> float:
        """Memory, bytes/s."""
        return self.pool.gpu.memory_bandwidth_gbps * 1e9

    def all_reduce_seconds(self, message_bytes: float) -> float:
        """Two all-reduces of one layer, as rings."""
        if self.tensor == 1:
            return 0.0
        bus = (self.pool.gpu.all_reduce_gbps or self.pool.intra_node_gbps) * 1e9
        if bus <= 0:
            return inf
        return 2 * message_bytes * 2 * (self.tensor - 1) / self.tensor / bus


def load_of(request: Request, concurrency: int, stages: int) -> Load:
    """The load of a replica of the request."""
    work = request.workload
    return Load(
        concurrency=concurrency, stages=stages, input_tokens=work.input_tokens, output_tokens=work.output_tokens
    )


def card_of(pool: Pool, tensor: int, precision: str) -> Card | None:
    """A GPU of the pool; None when it cannot run the precision."""
    rate = counts.flops(pool.gpu, precision)
    if not rate or pool.gpu.memory_bandwidth_gbps <= 0:
        return None
    return Card(pool=pool, tensor=tensor, precision=precision, flops=rate)


def step_seconds(shape: Architecture, card: Card, load: Load, layers: int, speedup: float) -> float:
    """Time of one step of a stage, without its hop."""
    factor = FITTED.step
    b = load.sequences
    context = load.input_tokens + load.output_tokens / 2
    vector = 2.0 * shape.hidden_size
    cache = b * context * counts.cache_bytes(shape, card.tensor)

    def layer(with_experts: bool) -> float:  # noqa: FBT001 - called by over_kinds alone
        held = counts.layer_counts(shape, card.tensor, card.precision, with_experts=with_experts)
        products, attention, reduces = _prompt_seconds(shape, card, load, held)
        prompt = (
            factor["prompt_layer_seconds"]
            + factor["prefill_arithmetic"] * products
            + factor["prefill_attention"] * attention
            + factor["prefill_all_reduce"] * reduces
        )
        return (
            factor["layer_seconds"]
            + (factor["all_reduce_seconds"] * 2 if card.tensor > 1 else 0.0)
            + factor["weight_read"] * held.step_bytes(b) / card.bandwidth
            + factor["kv_read"] * cache / card.bandwidth
            + factor["decode_arithmetic"] * 2 * b * held.parameters / card.flops
            + factor["decode_all_reduce"] * card.all_reduce_seconds(b * vector)
            + load.entering * prompt
        )

    head = shape.vocab_size * shape.hidden_size / card.tensor
    stage = (
        factor["stage_seconds"]
        + factor["sequence_seconds"] * b
        + factor["weight_read"] * 2 * head / card.bandwidth
        + factor["decode_arithmetic"] * 2 * b * head / card.half_flops
    )
    return (counts.over_kinds(shape, layers, layer) + stage) / speedup


def first_token_seconds(shape: Architecture, card: Card, load: Load, layers: int) -> float:
    """A stage's part of the time to first token, without its hop."""
    factor = FITTED.first_token
    b = load.sequences
    contention = 1 + FITTED.first_token_contention * (b - 1)

    def layer(with_experts: bool) -> float:  # noqa: FBT001 - called by over_kinds alone
        held = counts.layer_counts(shape, card.tensor, card.precision, with_experts=with_experts)
        products, attention, reduces = _prompt_seconds(shape, card, load, held)
        return contention * (
            factor["prefill_arithmetic"] * products
            + factor["prefill_attention"] * attention
            + factor["prefill_all_reduce"] * reduces
        )

    once = FITTED.first_token_request_seconds / load.stages + FITTED.first_token_sequence_seconds * b
    return counts.over_kinds(shape, layers, layer) + once


def _prompt_seconds(
    shape: Architecture, card: Card, load: Load, held: counts.LayerCounts
) -> tuple[float, float, float]:
    """Ideal prefill of one prompt in one layer: matrix products, attention, all-reduces."""
    tokens = load.input_tokens
    return (
        2 * tokens * held.parameters / card.flops,
        tokens**2 * counts.attention_operations(shape, card.tensor) / card.half_flops,
        card.all_reduce_seconds(tokens * 2.0 * shape.hidden_size),
    )


def link(request: Request, here: Stage, there: Stage, stages: int) -> tuple[float, float]:
    """GB/s and latency in seconds from one stage to the next."""
    pools = pools_by_name(request)
    source, target = pools[here.pool], pools[there.pool]
    if source.name != target.name:
        return min(source.inter_node_gbps, target.inter_node_gbps), OTHER_NODE_SECONDS
    degree = here.tensor_parallel
    if request.parallelism.runtime is Runtime.ANY:
        most = min(source.gpus_per_node, source.max_tensor_parallel)
        degree = max((each for each in request.parallelism.tensor if each <= most), default=degree)
    if source.shared or (source.nodes > 1 and stages * degree > source.gpus_per_node):
        return source.inter_node_gbps, OTHER_NODE_SECONDS
    return source.intra_node_gbps, SAME_NODE_SECONDS


def hop_seconds(shape: Architecture, gbps: float, latency: float, tokens: float) -> float:
    """Hidden states and residual of that many tokens over a link."""
    return latency + tokens * 2 * 2 * shape.hidden_size / (gbps * 1e9)


def memory_gib(request: Request, shape: Architecture, card: Card, load: Load, layers: int) -> float:
    """GiB that one GPU of a stage needs: weights, vocabulary, KV cache, runtime."""

    def resident(with_experts: bool) -> float:  # noqa: FBT001 - called by over_kinds alone
        return counts.layer_counts(shape, card.tensor, card.precision, with_experts=with_experts).resident_bytes

    matrices = 2 if load.stages == 1 and not shape.tie_word_embeddings else 1
    length = load.input_tokens + load.output_tokens
    tokens = max(load.concurrency * _blocks(length), _blocks(request.max_model_len or length))
    needed = (
        counts.over_kinds(shape, layers, resident)
        + matrices * counts.vocabulary_bytes(shape) / card.tensor
        + layers * counts.cache_bytes(shape, card.tensor) * tokens
        + _runtime_bytes(shape, card)
    )
    return needed / GIB


def _blocks(tokens: int) -> int:
    return ceil(tokens / 16) * 16


def _runtime_bytes(shape: Architecture, card: Card) -> float:
    batched = 8192 if card.pool.gpu.memory_gib >= 70 else 2048
    activations = batched * (4 * shape.hidden_size + 3 * counts.widest_activation(shape) / card.tensor) * 2
    logits = 2 * 256 * shape.vocab_size * 4
    return GIB + (GIB if card.tensor > 1 else 0.0) + activations + logits


def degree_violations(request: Request, shape: Architecture, tensor: int) -> list[str]:
    """What `vllm` cannot split by a TP degree, beside the attention heads."""
    if request.parallelism.runtime is not Runtime.VLLM:
        return []
    found: list[str] = []
    heads = shape.key_value_heads
    if shape.latent_attention is None and heads % tensor and tensor % heads:
        found.append(f"TP {tensor} neither divides the {heads} KV heads nor is a multiple of them")
    widths: list[tuple[str, int]] = []
    if counts.plain_layers(shape):
        widths.append(("intermediate size", shape.intermediate_size))
    if shape.experts is not None:
        widths.append(("expert size", shape.experts.expert_intermediate_size))
        widths.append(("shared expert size", shape.experts.shared_intermediate_size))
    found.extend(f"TP {tensor} does not divide the {name} {size}" for name, size in widths if size % tensor)
    return found


def figures(request: Request, layout: Layout, precision: Precision) -> Figures:
    """Recompute one layout whose structure is sound: precision, memory, links, step times, latencies."""
    result = Figures()
    shape = request.architecture
    if shape is None:
        result.violations.append("the analytic model needs an architecture, the request has none")
        return result
    load = load_of(request, layout.max_concurrency, len(layout.stages))
    if load.concurrency < 1 or load.output_tokens < 1 or precision.name not in counts.BYTES_PER_WEIGHT:
        result.violations.append(
            f"nothing is predicted for {load.concurrency} sequences of {load.output_tokens} output tokens in"
            f" {precision.name}"
        )
        return result
    _length_violations(request, shape, result)
    for tensor in sorted({stage.tensor_parallel for stage in layout.stages}):
        result.violations.extend(degree_violations(request, shape, tensor))
    _replica(request, shape, layout, load, precision, result)
    return result


def _length_violations(request: Request, shape: Architecture, result: Figures) -> None:
    work = request.workload
    longest = max(request.max_model_len or 0, work.input_tokens + work.output_tokens)
    most = shape.max_position_embeddings
    if most is not None and longest > most:
        result.violations.append(f"sequences are up to {longest} tokens long, the model takes {most}")


def _replica(
    request: Request, shape: Architecture, layout: Layout, load: Load, precision: Precision, result: Figures
) -> None:
    """Fill in rate and latencies of all stages and hops together."""
    pools = pools_by_name(request)
    speedup = precision.speedup or 1.0
    bottleneck = first_token = 0.0
    for number, stage in enumerate(layout.stages):
        card = card_of(pools[stage.pool], stage.tensor_parallel, precision.name)
        if card is None:
            result.violations.append(f"stage {number}: {stage.gpu} cannot run {precision.name}")
            return
        _memory_violations(request, shape, card, load, number, stage.layers, result)
        step = step_seconds(shape, card, load, stage.layers, speedup)
        first_token += first_token_seconds(shape, card, load, stage.layers)
        if number + 1 < len(layout.stages):
            following = layout.stages[number + 1]
            gbps, latency = link(request, stage, following, load.stages)
            if gbps <= 0:
                result.violations.append(
                    f"the link from stage {number} on {stage.pool} to {following.pool} has {text(gbps)} GB/s, a"
                    " pipeline needs more than 0"
                )
                return
            moved = load.sequences + load.entering * load.input_tokens
            step += hop_seconds(shape, gbps, latency, moved) / speedup
            first_token += hop_seconds(shape, gbps, latency, load.input_tokens)
        bottleneck = max(bottleneck, step)
    if isinf(bottleneck) or bottleneck <= 0:
        result.violations.append(f"the bottleneck is {text(bottleneck)} s")
        return
    requests = load.concurrency / load.stages / bottleneck / load.output_tokens
    result.tokens_per_second = requests * request.workload.tokens_per_request
    result.tpot_seconds = load.stages * bottleneck
    result.ttft_seconds = first_token


def _memory_violations(
    request: Request, shape: Architecture, card: Card, load: Load, number: int, layers: int, result: Figures
) -> None:
    needed = memory_gib(request, shape, card, load, layers)
    usable = 0.90 * card.pool.gpu.memory_gib
    if exceeds(needed, usable):
        result.violations.append(
            f"stage {number} needs {text(needed)} GiB per GPU, 90 % of {card.pool.gpu.name} is {text(usable)} GiB"
        )
