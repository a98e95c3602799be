"""SGLang: `python3 -m sglang.launch_server`.

Sources in docs/rendering.md. Its share of GPU memory is not the plan's: what SGLang calls --mem-fraction-static holds
weights and cache only, and SGLang itself finds the share that leaves room for its activations.
"""

from types import MappingProxyType
from typing import Final

from placewright.kube.manifests.checks import partition
from placewright.kube.manifests.runtimes.base import LEADER_ADDRESS, OWN_ADDRESS, Engine, Launch, Start
from placewright.kube.manifests.runtimes.translation import Dictionary

_PORT: Final = 30000
_MASTER_PORT: Final = 20000

DICTIONARY: Final = Dictionary(
    runtime="sglang",
    words=MappingProxyType(
        {
            "--tensor-parallel-size": "--tp-size",
            "--pipeline-parallel-size": "--pp-size",
            "--max-num-seqs": "--max-running-requests",
            "--max-model-len": "--context-length",
            "--dtype": "--dtype",
            "--quantization": "--quantization",
        }
    ),
    left_out=MappingProxyType({"--gpu-memory-utilization": "SGLang finds --mem-fraction-static itself"}),
    refused=MappingProxyType({}),
    tolerated=MappingProxyType({}),
)


def _start(launch: Launch) -> Start:
    args = [
        f"--model-path={launch.model}",
        *DICTIONARY.translated(launch.layout.engine_args),
        f"--served-model-name={launch.served_name}",
        "--host=0.0.0.0",
        f"--port={_PORT}",
        "--enable-metrics",
    ]
    if launch.pods > 1:
        args += [
            f"--dist-init-addr={LEADER_ADDRESS}:{_MASTER_PORT}",
            f"--nnodes={launch.pods}",
            f"--node-rank={launch.rank}",
        ]
    return Start(command=("python3", "-m", "sglang.launch_server"), args=tuple(args), env=_env(launch))


def _env(launch: Launch) -> dict[str, str]:
    """Its own split of uneven layers is not vLLM's, so the plan's is always said."""
    env = {}
    if len(launch.layout.stages) > 1 and launch.layers_known:
        env["SGLANG_PP_LAYER_PARTITION"] = partition(launch.layout)
    if launch.pods > 1:
        env["SGLANG_HOST_IP"] = OWN_ADDRESS
    return env


ENGINE: Final = Engine(name="sglang", port=_PORT, health_path="/health", metrics_path="/metrics", start=_start)
