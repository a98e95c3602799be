"""The kinds that acting reads and writes. Those that are ours alone are listed by our label."""

from collections.abc import Mapping
from typing import Final

from placewright.kube.client import Kind
from placewright.kube.manifests.names import MANAGER

OURS: Final = f"app.kubernetes.io/managed-by={MANAGER}"
"""Label selector of what we made."""

DEPLOYMENTS: Final = Kind(plural="deployments", group="apis/apps/v1", label_selector=OURS)
LEADER_WORKER_SETS: Final = Kind(
    plural="leaderworkersets", group="apis/leaderworkerset.x-k8s.io/v1", label_selector=OURS
)
STATEFUL_SETS: Final = Kind(plural="statefulsets", group="apis/apps/v1")
HTTP_ROUTES: Final = Kind(plural="httproutes", group="apis/gateway.networking.k8s.io/v1", label_selector=OURS)
INFERENCE_POOLS: Final = Kind(plural="inferencepools", group="apis/inference.networking.k8s.io/v1", label_selector=OURS)
SERVICES: Final = Kind(plural="services", group="api/v1", label_selector=OURS)
CONFIG_MAPS: Final = Kind(plural="configmaps", group="api/v1", label_selector=OURS)
HPAS: Final = Kind(plural="horizontalpodautoscalers", group="apis/autoscaling/v2")
SCALED_OBJECTS: Final = Kind(plural="scaledobjects", group="apis/keda.sh/v1alpha1")

WORKLOADS: Final[Mapping[str, Kind]] = {
    "Deployment": DEPLOYMENTS,
    "LeaderWorkerSet": LEADER_WORKER_SETS,
    "StatefulSet": STATEFUL_SETS,
}
"""What has replicas, by kind."""

KINDS: Final[Mapping[str, Kind]] = {
    **WORKLOADS,
    "HTTPRoute": HTTP_ROUTES,
    "InferencePool": INFERENCE_POOLS,
    "Service": SERVICES,
    "ConfigMap": CONFIG_MAPS,
}
"""What is written, by kind."""

TO_INSTALL: Final[Mapping[str, str]] = {
    "HTTPRoute": "install the CRDs of the Gateway API (gateway.networking.k8s.io/v1), or leave out spec.render.route",
    "InferencePool": "install the CRDs of the Gateway API Inference Extension (inference.networking.k8s.io/v1), or set"
    " spec.render.route.backends: Services",
    "LeaderWorkerSet": "install LeaderWorkerSet (leaderworkerset.x-k8s.io/v1), which replicas of several nodes need",
}
"""What to do where the API server does not serve a kind."""
