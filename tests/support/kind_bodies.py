"""Bodies of every kind for tests: small ones, and ones in which together every field stands."""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.acting_bodies import (
    full_acting_request,
    full_policy_idle,
    full_policy_rollout,
    full_queue_request,
)
from tests.support.live_bodies import full_inputs, full_live_request, full_query_request
from tests.support.resources import Json, full_request

API_VERSION: Final = "placewright.dev/v1alpha1"
ROW: Final[Mapping[str, Any]] = {
    "gpu": "L40S",
    "tensorParallel": 1,
    "pipelineParallel": 1,
    "precision": "bf16",
    "inputTokens": 1024,
    "outputTokens": 256,
    "requestsPerSecond": 5.25,
}


def _body(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def small_pool(name: str = "small", **spec: Any) -> Json:
    """A valid GPUPool with declared stock; keywords replace fields of the spec, None takes them away."""
    usual: Json = {"gpu": "L40S", "stock": {"nodes": 2, "gpusPerNode": 8}, "pricePerGPUHour": 1.2}
    return _body("GPUPool", name, {key: value for key, value in {**usual, **spec}.items() if value is not None})


def small_policy(name: str = "small", **spec: Any) -> Json:
    """A valid PlacementPolicy; keywords are fields of the spec."""
    return _body("PlacementPolicy", name, {"maxCostPerHour": 500, **spec})


def small_profile(name: str = "small", **spec: Any) -> Json:
    """A valid PerformanceProfile of one row; keywords replace fields of the spec."""
    usual: Json = {"model": "meta-llama/Llama-3.1-8B-Instruct", "source": "a benchmark", "rows": [dict(ROW)]}
    return _body("PerformanceProfile", name, {**usual, **spec})


def full_selector() -> Json:
    """A label selector in which every field stands."""
    return {
        "matchLabels": {"tier": "serving"},
        "matchExpressions": [
            {"key": "example.com/zone", "operator": "In", "values": ["a", "b"]},
            {"key": "retired", "operator": "DoesNotExist"},
        ],
    }


def full_fleet_request(name: str = "full-fleet") -> Json:
    """A valid request with the fields that full_request() cannot have: those of the fleet, none with its default."""
    return _body(
        "PlacementRequest",
        name,
        {
            "suspend": True,
            "priority": 7,
            "model": {"name": "private/mixture", "maxModelLen": 8192},
            "workload": {
                "classes": [
                    {
                        "name": "short",
                        "inputTokens": 512,
                        "outputTokens": 128,
                        "requestsPerSecond": 2.5,
                        "slo": {"ttft": "1s", "tpot": "40ms"},
                    },
                    {"name": "long", "inputTokens": 4096, "outputTokens": 1024, "requestsPerSecond": 0.125},
                ],
                "tokenBasis": "Output",
                "concurrency": 48,
            },
            "poolSelector": full_selector(),
            "replicas": {"min": 1, "max": 16},
            "objective": {"type": "Cost", "minTokensPerSecond": 100.5},
            "gates": {"onViolation": "Warn", "onUnknown": "Pass"},
            "stabilization": {"minSavingsPercent": 5.5, "minDwell": "0s", "loadTime": "90s"},
            "performance": {"measurements": [], "profileRef": {"name": "mixture-l40s"}},
            "solver": {"method": "Exact", "timeLimit": "1m30s", "frontier": False},
            "render": full_render(),
        },
    )


def full_render() -> Json:
    """How a plan is started, in which every field stands."""
    return {
        "image": "registry.example.com:5000/team/engine@sha256:0123",
        "runtime": "sglang",
        "checkpoint": "s3://bucket/mixture",
        "checkpoints": [{"precision": "int4", "name": "private/mixture-AWQ"}],
        "cacheClaim": "models",
        "tokenSecret": {"name": "hugging-face", "key": "hf.token"},
        "startWithin": "1h30m",
        "route": {
            "gateway": {"name": "public", "namespace": "gateways"},
            "hostnames": ["chat.example.com", "*.example.com"],
            "backends": "InferencePools",
        },
    }


def full_demand_request(name: str = "full-demand") -> Json:
    """A valid request with one demand instead of classes."""
    workload = {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": 4.5}
    request = full_fleet_request(name)
    return {**request, "spec": {**request["spec"], "workload": {**workload, "classes": [], "tokenBasis": "Output"}}}


def full_pools() -> list[Json]:
    """GPUPools in which together every field of the spec stands."""
    accelerator = full_request()["spec"]["pools"][0]["accelerator"]
    found = {
        "gpu": "L40S",
        "nodeSelector": full_selector(),
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"},
            {"operator": "Exists"},
        ],
        "pricePerGPUHour": 1.25,
        "billing": "PerNode",
        "maxTensorParallel": 4,
    }
    declared = {
        "accelerator": accelerator,
        "stock": {"nodes": 3, "gpusPerNode": 4},
        "billing": "PerNode",
        "interconnect": {"intraNodeGBps": 400, "interNodeGBps": 45.5},
        "maxTensorParallel": 4,
    }
    return [_body("GPUPool", "full-found", found), _body("GPUPool", "full-declared", declared)]


def full_price_sources() -> list[Json]:
    """Sources of prices of every kind in which together every field stands."""
    usual = {"refreshInterval": "30s", "maxAge": "2h", "confirmAfter": "10m", "minChangePercent": 0.5}
    open_cost = {"url": "https://opencost:9003", "window": "6h", "cost": "GPU", "caFile": "/etc/certificates/ca.crt"}
    return [
        {"name": "file", "file": {"path": "prices/on-demand.csv", "format": "JSON"}, **usual},
        {"name": "table", "configMap": {"name": "prices", "key": "prices.csv", "format": "CSV"}, **usual},
        {"name": "opencost", "openCost": open_cost, **usual},
        {"name": "prometheus", "prometheus": {"query": "gpu_price_usd_per_hour"}, **usual},
    ]


def full_policy(name: str = "full") -> Json:
    """A valid PlacementPolicy in which every field of the spec stands."""
    return _body(
        "PlacementPolicy",
        name,
        {
            "maxCostPerHour": 500.5,
            "namespaces": [{"name": "serving", "maxCostPerHour": 120.25}],
            "gates": {
                "maxCostPerMillionTokens": 2.5,
                "maxCostPerHour": 40.25,
                "maxCostToRevenueRatio": 0.3,
                "maxQuantizationDriftPercent": 0.5,
                "maxObservedCostDriftPercent": 25.5,
                "onViolation": "Block",
                "onUnknown": "Warn",
            },
            "inputs": full_inputs(),
            "rollout": full_policy_rollout(),
            "idle": full_policy_idle(),
            "electricityPricePerKWh": 0.31,
            "priceSources": full_price_sources(),
            "prices": [
                {
                    "gpu": "L40S",
                    "capacityType": "Spot",
                    "zone": "eu-west-1a",
                    "instanceType": "g6e.12xlarge",
                    "pricePerGPUHour": 0.75,
                    "asOf": "2026-11-21T10:00:00.5+01:00",
                }
            ],
        },
    )


def full_profile(name: str = "full") -> Json:
    """A valid PerformanceProfile in which every field of the spec stands."""
    row = {**ROW, "concurrency": 64, "ttft": "1.2s", "tpot": "45ms"}
    return small_profile(name, asOf="2026-10-02T00:00:00Z", method="Fitted", rows=[row])


def full_resources() -> dict[str, list[Json]]:
    """Bodies of every kind in which together every field of its spec stands."""
    return {
        "PlacementRequest": [
            full_request(),
            full_fleet_request(),
            full_demand_request(),
            full_live_request(),
            full_query_request(),
            full_acting_request(),
            full_queue_request(),
        ],
        "GPUPool": full_pools(),
        "PlacementPolicy": [full_policy()],
        "PerformanceProfile": [full_profile()],
    }
