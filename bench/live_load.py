"""What the bench of live inputs asks about: requests with gates, and figures that answer all that they ask."""

import time
from collections.abc import Iterator
from typing import Any

from placewright.telemetry.prometheus.wants import PART, Figure

Json = dict[str, Any]

_MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3", "Qwen/Qwen2.5-7B-Instruct")
_VALUES = {
    Figure.INPUT_TOTAL: "1500",  # between what its buckets allow
    Figure.OUTPUT_TOTAL: "1000",
    Figure.TOKENS: "3000",
    Figure.TTFT: "0.4",
    Figure.TPOT: "0.02",
}
_BOUNDS = ("100.0", "200.0", "500.0", "1000.0", "2000.0", "5000.0", "+Inf")


def policy() -> Json:
    """Lets requests ask for their revenue."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "live"},
        "spec": {"inputs": {"requestQueries": "OwnNamespace"}},
    }


def specs(count: int) -> Iterator[Json]:
    """Requests with live demand, revenue and observed cost; two and two ask for the same figures of a server."""
    for index in range(count):
        served = f"served-{index // 2}"
        yield {
            "model": {"name": _MODELS[index % len(_MODELS)], "maxModelLen": 8192},
            "workload": {"demandFrom": {"preset": "vllm", "modelName": served, "window": "10m"}},
            "pools": [
                {
                    "name": "l40s",
                    "gpu": "L40S",
                    "nodes": 4,
                    "gpusPerNode": 8,
                    "pricePerGPUHour": round(1.0 + index % 7 / 10, 2),
                }
            ],
            "gates": {
                "maxCostPerMillionTokens": 5.0,
                "maxCostPerHour": 100.0,
                "maxCostToRevenueRatio": 0.5,
                "revenuePerHourQuery": f'sum(revenue_usd_per_hour{{model="{served}"}})',
                "maxObservedCostDriftPercent": 1000.0,
            },
        }


class Figures:
    """Answers by the kind of expression alone."""

    def data(self, expr: str, form: dict[str, list[str]]) -> Json:
        """The answer to one query."""
        return _data(expr, form)


def _data(expr: str, form: dict[str, list[str]]) -> Json:
    if "start" in form:
        start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
        points = [[start + index * step, "4.0"] for index in range(round((end - start) / step) + 1)]
        return {"resultType": "matrix", "result": [{"metric": {}, "values": points}]}
    now = time.time()
    if PART in expr:
        return {"resultType": "vector", "result": list(_figures(now))}
    return {"resultType": "vector", "result": [{"metric": {}, "value": [now, "50"]}]}


def _figures(now: float) -> Iterator[Json]:
    """All that a preset's query may ask for."""
    for part in Figure:
        if part in {Figure.INPUT_BUCKETS, Figure.OUTPUT_BUCKETS}:
            for index, bound in enumerate(_BOUNDS):
                value = str(min(4.0, 1.0 + index))
                yield {"metric": {PART: str(part), "le": bound}, "value": [now, value]}
        else:
            yield {"metric": {PART: str(part)}, "value": [now, _VALUES.get(part, str(now))]}
