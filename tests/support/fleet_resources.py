"""GPUPools, PlacementPolicies, PerformanceProfiles and what surrounds a request, for tests."""

from collections.abc import Mapping
from typing import Any

from placewright import catalog
from placewright.api.parse import parse_policy, parse_profile
from placewright.api.performance_profile import PerformanceProfile
from placewright.api.placement_policy import PlacementPolicy
from placewright.api.surroundings import SharedPool
from placewright.core.model import Pool
from tests.support.resources import Json


def policy(name: str = "default", **spec: Any) -> PlacementPolicy:
    """A PlacementPolicy; keywords are the fields of its spec."""
    return parse_policy(_object("PlacementPolicy", name, spec))


def profile(name: str, rows: list[Json], **spec: Any) -> PerformanceProfile:
    """A PerformanceProfile of Llama 3.1 8B; keywords replace fields of its spec."""
    usual = {"model": "meta-llama/Llama-3.1-8B-Instruct", "source": "vllm bench serve", "rows": rows}
    return parse_profile(_object("PerformanceProfile", name, {**usual, **spec}))


def row(**changes: Any) -> Json:
    """A measured row that serves the small request; keywords replace its fields."""
    return {
        "gpu": "L40S",
        "tensorParallel": 1,
        "pipelineParallel": 1,
        "precision": "bf16",
        "inputTokens": 1024,
        "outputTokens": 256,
        "requestsPerSecond": 1.5,
        **changes,
    }


def shared_pool(
    name: str = "l40s", *, gpu: str = "L40S", labels: Mapping[str, str] | None = None, **changes: Any
) -> SharedPool:
    """A usable GPUPool of two nodes with four GPUs; keywords replace facts of its core pool."""
    facts: dict[str, Any] = {
        "name": name,
        "gpu": catalog.gpu(gpu),
        "nodes": 2,
        "gpus_per_node": 4,
        "price_per_gpu_hour": 1.2,
        "shared": True,
        **changes,
    }
    return SharedPool(pool=Pool(**facts), labels=labels or {})


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Json:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": dict(spec),
    }
