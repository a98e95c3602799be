"""vLLM: `vllm serve`, over several nodes by its own multiprocessing, without Ray.

Sources in docs/rendering.md. The plan's flags are vLLM's own, so they are taken as they are.
"""

from typing import Final

from placewright.kube.manifests import flags
from placewright.kube.manifests.runtimes.base import LEADER_ADDRESS, OWN_ADDRESS, Engine, Launch, Start

_PORT: Final = 8000
_MASTER_PORT: Final = 29501  # vLLM's own default


def _start(launch: Launch) -> Start:
    args, env = [launch.model, *launch.layout.engine_args], dict(launch.layout.env)
    if launch.leads:
        args += [f"--served-model-name={launch.served_name}", "--host=0.0.0.0", f"--port={_PORT}"]
    if launch.pods > 1:
        args += [
            "--distributed-executor-backend=mp",
            f"--nnodes={launch.pods}",
            f"--node-rank={launch.rank}",
            f"--master-addr={LEADER_ADDRESS}",
            f"--master-port={_MASTER_PORT}",
        ]
        env["VLLM_HOST_IP"] = OWN_ADDRESS
    if not launch.leads:
        args.append("--headless")
    flags.parsed(argument for argument in args[1:] if argument != "--headless")
    return Start(command=("vllm", "serve"), args=tuple(args), env=env)


ENGINE: Final = Engine(name="vllm", port=_PORT, health_path="/health", metrics_path="/metrics", start=_start)
