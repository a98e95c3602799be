"""TensorRT-LLM: `trtllm-serve`, which NVIDIA ships in its TensorRT-LLM and Triton images. NVIDIA GPUs, one node.

Sources in docs/rendering.md. Several nodes would need an MPI launcher around it, so they are refused.
"""

from types import MappingProxyType
from typing import Final

from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.runtimes.base import FILES_FOLDER, Engine, Launch, Start
from placewright.kube.manifests.runtimes.translation import Dictionary

_PORT: Final = 8000
_CONFIG: Final = "trtllm.yaml"

DICTIONARY: Final = Dictionary(
    runtime="triton",
    words=MappingProxyType(
        {
            "--tensor-parallel-size": "--tp_size",
            "--pipeline-parallel-size": "--pp_size",
            "--max-num-seqs": "--max_batch_size",
            "--max-model-len": "--max_seq_len",
            "--gpu-memory-utilization": "--kv_cache_free_gpu_memory_fraction",
        }
    ),
    left_out=MappingProxyType({}),
    refused=MappingProxyType(
        {
            "--dtype": "plan with the checkpoint's own precision, or render it with --runtime vllm",
            "--quantization": "give --model with a checkpoint in that precision, or render it with --runtime vllm",
        }
    ),
    tolerated=MappingProxyType({"--dtype": frozenset({"bfloat16"})}),  # the form of the checkpoints themselves
)


def _start(launch: Launch) -> Start:
    if launch.vendor != "nvidia":
        raise RenderRefusedError(
            f"runtime triton runs on NVIDIA GPUs, the plan is on {launch.vendor}",
            change="render it with --runtime vllm or sglang",
        )
    if launch.pods > 1:
        raise RenderRefusedError(
            f"a replica takes {launch.pods} Pods, and runtime triton serves from one",
            change="render it with --runtime vllm or sglang, or lower spec.parallelism.maxPipeline",
        )
    if launch.layers_known and len({stage.layers for stage in launch.layout.stages}) > 1:
        raise RenderRefusedError(
            "the stages hold different numbers of layers, which runtime triton has no flag for",
            change="render it with --runtime vllm or sglang",
        )
    args = (
        launch.model,
        *DICTIONARY.translated(launch.layout.engine_args),
        "--backend=pytorch",
        "--host=0.0.0.0",
        f"--port={_PORT}",
        f"--extra_llm_api_options={FILES_FOLDER}/{_CONFIG}",
    )
    # The endpoint for Prometheus is there only with it.
    return Start(command=("trtllm-serve",), args=args, files={_CONFIG: "return_perf_metrics: true\n"})


ENGINE: Final = Engine(
    name="triton", port=_PORT, health_path="/health", metrics_path="/prometheus/metrics", start=_start
)
