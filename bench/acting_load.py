"""What the bench of acting has: requests in mode Apply, and a Prometheus that tells what their servers do."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from placewright.telemetry.prometheus.activity_steps import Part
from placewright.telemetry.prometheus.wants import PART

Json = dict[str, Any]

IMAGE = "registry.local/engine:1"
CHEAP, DEAR = "cheap", "dear"
_MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3", "Qwen/Qwen2.5-7B-Instruct")
_SIZES = {"inputTokens": 512, "outputTokens": 128}
_GPUS = {CHEAP: ("L40S", 1.0), DEAR: ("A10", 2.0)}

_STEPS = re.compile(r"\[(?P<window>\d+)ms:(?P<step>\d+)ms\]$")
_MODEL = re.compile(r'model_name="(?P<model>[^"]+)"')


def specs(count: int) -> Iterator[Json]:
    """Requests whose idling is looked at: those with an odd number idle and are reported, the others work."""
    for index in range(count):
        policy = "Report" if index % 2 else "ScaleToZero"
        yield {
            "mode": "Apply",
            "model": {"name": _MODELS[index % len(_MODELS)], "maxModelLen": 8192},
            "workload": {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 2},
            "pools": [
                {
                    "name": "l40s",
                    "gpu": "L40S",
                    "nodes": 4,
                    "gpusPerNode": 8,
                    "pricePerGPUHour": round(1.0 + index % 7 / 10, 2),
                }
            ],
            "render": {"image": IMAGE},
            "idle": {"policy": policy, "modelName": served(index)},
        }


def served(index: int) -> str:
    """Name of the model of a request in its servers' metrics."""
    return f"served-{index}"


def mover(*, rate: float, routed: bool, idles: str = "") -> Json:
    """A request that is measured on two kinds of GPUs, of which the first is cheaper; a replica serves one request/s.

    Args:
        rate: requests per second, and so replicas.
        routed: whether a route brings in its traffic.
        idles: name of its model in its servers' metrics, where it is reaped after ten seconds; empty: never.
    """
    row = {"tensorParallel": 1, "pipelineParallel": 1, "precision": "bf16", **_SIZES, "requestsPerSecond": 1.0}
    render: Json = {"image": IMAGE, "checkpoint": "own/model"}
    if routed:
        render["route"] = {"gateway": {"name": "public"}}
    reaped = {"policy": "ScaleToZero", "after": "10s", "announceFor": "0s", "warmupGrace": "0s", "modelName": idles}
    return {
        "mode": "Apply",
        "model": {"name": "own/model", "precisions": [{"name": "bf16"}]},
        "workload": {**_SIZES, "requestsPerSecond": rate},
        "performance": {"measurements": [{"gpu": gpu, **row} for gpu, _ in _GPUS.values()]},
        "pools": pools(),
        "stabilization": {"minDwell": "1s", "loadTime": "0s"},
        "render": render,
        **({"idle": reaped} if idles else {}),
    }


def pools(**prices: float) -> list[Json]:
    """Both pools of a `mover`, with other prices by name."""
    return [
        {"name": name, "gpu": gpu, "nodes": 1, "gpusPerNode": 8, "pricePerGPUHour": prices.get(name, price)}
        for name, (gpu, price) in _GPUS.items()
    ]


@dataclass(kw_only=True)
class Activity:
    """Answers the question for activity: servers that work without end, and others that never do.

    Attributes:
        pods: names of the Pods of each model.
        working: models whose servers work.
    """

    pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    working: frozenset[str] = frozenset()

    def data(self, expr: str, form: dict[str, list[str]]) -> Json:
        """The answer to one query."""
        del form
        now, steps, model = time.time(), _STEPS.search(expr), _MODEL.search(expr)
        if expr == "time()":
            return {"resultType": "scalar", "result": [now, repr(now)]}
        if steps is None or model is None:
            return {"resultType": "vector", "result": []}
        window, step = (int(steps[name]) / 1000.0 for name in ("window", "step"))
        grid = [index * step for index in range(int((now - window) // step) + 1, int(now // step) + 1)]
        return {"resultType": "matrix", "result": list(self._series(model["model"], grid))}

    def _series(self, model: str, grid: list[float]) -> Iterator[Json]:
        yield {"metric": {PART: Part.GRID}, "values": [[at, repr(at)] for at in grid]}
        works = model in self.working
        values = {Part.CHANGES: works, Part.FINISHED: works, Part.RUNNING: works, Part.WAITING: False}
        for pod in self.pods.get(model, ()):
            instance = f"{pod}:8000"
            for part, value in values.items():
                told = [[at, repr(at) if part == Part.FINISHED and works else str(int(value))] for at in grid]
                yield {"metric": {PART: part, "pod": pod, "instance": instance}, "values": told}
            yield {"metric": {PART: Part.UP, "instance": instance}, "values": [[at, "1"] for at in grid]}
