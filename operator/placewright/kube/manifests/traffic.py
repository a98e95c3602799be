"""How requests come to the Pods: a Service for all of them, or a route that shares by weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from placewright.kube.inventory.resources import REQUEST_LABEL
from placewright.kube.manifests.names import ROLE_LABEL, SERVING, selector_of, service_name
from placewright.kube.manifests.values import Manifest, Route

PORT: Final = 8000
"""Of every Service, whatever the runtime's own port is."""

_PARTS: Final = 10_000  # that weights are whole numbers of
_PICKER_PORT: Final = 9002
_POOL_GROUP: Final = "inference.networking.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A workload that takes a share of the traffic.

    Attributes:
        name: of its Service or InferencePool.
        request: of whom it is a part.
        layout: digest of its layout.
        port: of its Pods.
        weight: its share, 0..1.
    """

    name: str
    request: str
    layout: str
    port: int
    weight: float


def front_service(request: str, metadata: Manifest) -> Manifest:
    """One Service over all Pods of a request that answer requests."""
    return _service(metadata, {REQUEST_LABEL: service_name(request), ROLE_LABEL: SERVING})


def backend_service(backend: Backend, metadata: Manifest) -> Manifest:
    """A Service over the Pods of one workload."""
    return _service(metadata, selector_of(backend.request, backend.layout))


def inference_pool(backend: Backend, metadata: Manifest) -> Manifest:
    """An InferencePool over the Pods of one workload. Its endpoint picker has the name that the pool's chart gives."""
    return {
        "apiVersion": f"{_POOL_GROUP}/v1",
        "kind": "InferencePool",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": selector_of(backend.request, backend.layout)},
            "targetPorts": [{"number": backend.port}],
            "endpointPickerRef": {"name": f"{backend.name}-epp", "port": {"number": _PICKER_PORT}},
        },
    }


def route(given: Route, backends: Sequence[Backend], metadata: Manifest) -> Manifest:
    """An HTTPRoute that shares the traffic by weight."""
    parent = {"name": given.gateway}
    if given.gateway_namespace:
        parent["namespace"] = given.gateway_namespace
    shares = whole_weights([backend.weight for backend in backends])
    references = [
        {**_reference(given, backend), "weight": share} for backend, share in zip(backends, shares, strict=True)
    ]
    spec: Manifest = {"parentRefs": [parent]}
    if given.hostnames:
        spec["hostnames"] = list(given.hostnames)
    spec["rules"] = [{"backendRefs": references}]
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def whole_weights(weights: Sequence[float]) -> list[int]:
    """Shares as whole numbers with the sum 10,000, by largest remainder; a share above 0 stays above 0."""
    if not weights:
        return []
    total = sum(weights)
    exact = [weight / total * _PARTS for weight in weights]
    parts = [int(each) if each >= 1.0 or each == 0.0 else 1 for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: parts[index] - exact[index])
    for index in by_remainder[: max(0, _PARTS - sum(parts))]:
        parts[index] += 1
    parts[parts.index(max(parts))] += _PARTS - sum(parts)
    return parts


def _reference(given: Route, backend: Backend) -> Manifest:
    if given.inference_pools:
        return {"group": _POOL_GROUP, "kind": "InferencePool", "name": backend.name}
    return {"kind": "Service", "name": backend.name, "port": PORT}


def _service(metadata: Manifest, selector: dict[str, str]) -> Manifest:
    port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "ClusterIP", "selector": selector, "ports": [port]},
    }
