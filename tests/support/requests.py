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
