"""PlacementRequests as the API server holds them, for tests of the operator."""

from typing import Any

Json = dict[str, Any]


def stored(
    name: str = "chat",
    *,
    namespace: str = "serving",
    uid: str = "u-1",
    generation: int = 1,
    version: int = 10,
    spec: Json | None = None,
    status: Json | None = None,
    **metadata: Any,
) -> Json:
    """An object with its metadata filled in as the API server does."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": generation,
            "resourceVersion": str(version),
            **metadata,
        },
        "spec": spec or {"model": {"name": "toy"}},
        "status": status or {"observedGeneration": -1},
    }


def condition(kind: str, status: str, reason: str, message: str = "because") -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


PATH = "/apis/placewright.dev/v1alpha1/namespaces/{namespace}/placementrequests"


def small_spec(*, price: float = 1.2, gpus: int = 4, **more: Any) -> Json:
    """A spec that is solved in milliseconds; another price makes it another problem."""
    return {
        "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
        "workload": {"inputTokens": 512, "outputTokens": 128},
        "pools": [{"name": "l40s", "gpu": "L40S", "nodes": 1, "gpusPerNode": gpus, "pricePerGPUHour": price}],
        **more,
    }


def manifest(name: str, spec: Json | None = None) -> Json:
    """What a user would apply."""
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": name},
        "spec": spec or small_spec(),
    }
