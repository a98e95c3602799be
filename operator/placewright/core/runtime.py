"""What starts a layout: engine flags and environment of the runtime, nothing that it does not know.

Flag names and values are those of vLLM's `vllm serve`. A precision other than 16-bit is told to the engine only where
the engine makes it itself while loading (fp8); int8, int4 and fp4 come as quantized checkpoints, whose own
configuration vLLM reads, and a flag that contradicts it would stop the start.
"""

from placewright.core.model import Analytic, FixedEfficiency, Layout, Request, Runtime

MEMORY_UTILIZATION = 0.9  # share of GPU memory that the analytic model plans with (planning.md section 2)

_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
_MADE_WHILE_LOADING = {"fp8": "fp8"}


def engine_args(request: Request, layout: Layout) -> tuple[str, ...]:
    """Flags of `vllm serve` that start this layout, each once; empty for the runtime `any`."""
    if request.parallelism.runtime is not Runtime.VLLM:
        return ()
    args = [
        f"--tensor-parallel-size={layout.stages[0].tensor_parallel}",
        f"--pipeline-parallel-size={len(layout.stages)}",
        f"--max-num-seqs={layout.max_concurrency}",
        f"--max-model-len={_model_length(request)}",
    ]
    if isinstance(request.performance, Analytic):
        # Measured and config-dir requests say nothing about the share of memory they were made with.
        args.append(f"--gpu-memory-utilization={MEMORY_UTILIZATION:g}")
    dtype = _dtype(request, layout)
    if dtype is not None:
        args.append(f"--dtype={dtype}")
    quantization = _quantization(request, layout.precision)
    if quantization is not None:
        args.append(f"--quantization={quantization}")
    return tuple(args)


def engine_env(request: Request, layout: Layout) -> tuple[tuple[str, str], ...]:
    """Environment that the layout needs; VLLM_PP_LAYER_PARTITION only when vLLM would split the layers otherwise."""
    if request.parallelism.runtime is not Runtime.VLLM:
        return ()
    split = tuple(stage.layers for stage in layout.stages)
    if split == default_split(sum(split), len(split)):
        return ()
    return (("VLLM_PP_LAYER_PARTITION", ",".join(str(layers) for layers in split)),)


def default_split(layers: int, stages: int) -> tuple[int, ...]:
    """How vLLM splits layers by itself: evenly, the rest one each from the last stage but one backwards.

    vLLM spares the last stage because it also computes the logits (vllm.distributed.utils.get_pp_indices).
    """
    least, rest = divmod(layers, stages)
    return tuple(least + (1 if stages - 1 - rest <= stage < stages - 1 else 0) for stage in range(stages))


def _model_length(request: Request) -> int:
    """Longest sequence that the engine must accept, in tokens."""
    if request.max_model_len is not None:
        return request.max_model_len
    if isinstance(request.performance, FixedEfficiency):
        return request.performance.sequence_length
    return request.workload.input_tokens + request.workload.output_tokens


def _dtype(request: Request, layout: Layout) -> str | None:
    """The 16-bit format; a quantized model needs it only where a GPU has no bf16, which vLLM would choose itself."""
    if layout.precision in _DTYPES:
        return _DTYPES[layout.precision]
    used = {stage.pool for stage in layout.stages}
    if all(pool.gpu.supports_bf16 for pool in request.pools if pool.name in used):
        return None
    return "float16"


def _quantization(request: Request, precision: str) -> str | None:
    """The method that vLLM applies while loading; None when the checkpoint already has the precision."""
    native = request.architecture.native_precision if request.architecture is not None else None
    return None if precision == native else _MADE_WHILE_LOADING.get(precision)
