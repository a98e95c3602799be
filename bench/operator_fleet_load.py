"""The cluster of the fleet's operator bench: Nodes, GPUPools that find them, foreign Pods, varied requests.

Everything follows from its number: no random source, so that each run and each size sees the same kinds of things.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.controlplane.nodes import GpuNodes
from tests.support.requests import Json

API = "placewright.dev/v1alpha1"
GPUS_PER_NODE = 8
SIDE = 5  # pools in a region; requests choose among the pools of theirs, some of the next one too

# Product label, memory label in MiB, price of a GPU-hour in USD, parts of the Nodes.
_KINDS = (
    ("NVIDIA-L4", 23034, 0.45, 2),
    ("NVIDIA-L40S", 46068, 1.20, 8),
    ("NVIDIA-A100-SXM4-80GB", 81920, 1.90, 3),
    ("NVIDIA-H100-80GB-HBM3", 81559, 3.10, 3),
    ("NVIDIA-A10", 23028, 0.60, 2),
)
# Model, tokens per second that a replica on the GPU that fits it sustains or so, precisions.
_MODELS = (
    ("meta-llama/Llama-3.1-8B-Instruct", 1.0, ()),
    ("mistralai/Mistral-7B-Instruct-v0.3", 1.0, ()),
    ("Qwen/Qwen2.5-32B-Instruct", 0.25, ("bf16", "fp8")),
    ("meta-llama/Llama-3.1-70B-Instruct", 0.12, ("bf16", "fp8")),
    ("Qwen/Qwen2.5-7B-Instruct", 1.0, ()),
)
_SIZES = ((512, 128), (1024, 256), (2048, 512), (4096, 256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is.

    Attributes:
        nodes, requests, pools: how many.
        pods: of others, each with one GPU.
        demand: requests per second of a request for a small model, on average.
    """

    nodes: int
    requests: int
    pools: int
    pods: int = 0
    demand: float = 100.0


def nodes(size: Size) -> list[GpuNodes]:
    """The Nodes of each pool."""
    weights = [_KINDS[index % len(_KINDS)][3] for index in range(size.pools)]
    ends = [round(size.nodes * sum(weights[: index + 1]) / sum(weights)) for index in range(size.pools)]
    return [
        GpuNodes(
            pool_name(index),
            _KINDS[index % len(_KINDS)][0],
            nodes=end - begin,
            gpus_per_node=GPUS_PER_NODE,
            memory_mib=_KINDS[index % len(_KINDS)][1],
        )
        for index, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def pool_name(index: int) -> str:
    """Of the GPUPool and the value of its Nodes' label."""
    return f"pool-{index:02d}"


def pools(size: Size) -> Iterator[Json]:
    """GPUPools; prices differ a little from region to region."""
    for index in range(size.pools):
        kind, region = _KINDS[index % len(_KINDS)], index // SIDE
        yield {
            "apiVersion": API,
            "kind": "GPUPool",
            "metadata": {"name": pool_name(index), "labels": {"region": f"r{region}"}},
            "spec": {
                "nodeSelector": {"matchLabels": {"pool": pool_name(index)}},
                "pricePerGPUHour": round(kind[2] * (1 + 0.03 * region), 4),
            },
        }


def pods(size: Size) -> Iterator[Json]:
    """Pods of others with one GPU each, spread over all Nodes."""
    names = [name for pool in nodes(size) for name in pool.names()]
    for index in range(size.pods):
        amount = {"nvidia.com/gpu": "1"}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"other-{index}", "labels": {"app": "notebook"}},
            "spec": {
                "nodeName": names[index % len(names)],
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": "main",
                        "image": "registry.local/notebook",
                        "resources": {"limits": amount, "requests": amount},
                    }
                ],
            },
        }


def specs(size: Size) -> Iterator[Json]:
    """Requests: a handful of models, sizes and demands; some with two classes, a tenth without demand."""
    regions = max(1, size.pools // SIDE)
    kinds = list(product(_MODELS, _SIZES))
    for index in range(size.requests):
        (model, speed, precisions), (incoming, outgoing) = kinds[index * 7 % len(kinds)]
        chosen = [f"r{index % regions}"]
        if index % 4 == 0 and regions > 1:
            chosen.append(f"r{(index + 1) % regions}")
        rate = round(size.demand * speed * (0.25 + index * 37 % 97 / 60) * 640 / (incoming + outgoing), 3)
        yield {
            "model": {"name": model, **({"precisions": [{"name": name} for name in precisions]} if precisions else {})},
            "workload": _workload(index, rate, incoming, outgoing),
            "slo": {"tpot": "100ms", "ttft": "4s"},
            "poolSelector": {"matchExpressions": [{"key": "region", "operator": "In", "values": chosen}]},
            "priority": 10 if index % 50 == 7 else 0,
        }


def _workload(index: int, rate: float, incoming: int, outgoing: int) -> Json:
    if index % 10 == 3:
        return {"inputTokens": incoming, "outputTokens": outgoing}
    if index % 10 == 6:
        short = {"name": "short", "inputTokens": incoming // 2, "outputTokens": outgoing, "requestsPerSecond": rate}
        long = {**short, "name": "long", "inputTokens": incoming * 2, "requestsPerSecond": round(rate / 4, 3)}
        return {"classes": [short, long]}
    return {"inputTokens": incoming, "outputTokens": outgoing, "requestsPerSecond": rate}
