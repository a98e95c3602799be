"""The Pods of a layout: their containers, volumes, probes and rights.

They meet the Pod Security standard `restricted`, on AMD GPUs `baseline`: there the groups that own the devices differ
from host to host, so the container keeps the image's user.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from placewright.kube.manifests import placing
from placewright.kube.manifests.names import digest
from placewright.kube.manifests.runtimes.base import ADDRESS_VARIABLE, FILES_FOLDER, RANK_VARIABLE, Engine, Start
from placewright.kube.manifests.values import Manifest, Settings, Site

CONTAINER: Final = "engine"
_CACHE: Final = "/models"
_HOME: Final = "/home/engine"
_USER: Final = 1000
_SHARED_MEMORY_GIB_PER_GPU: Final = 2
_PROBE_SECONDS: Final = 10
_GRACE_SECONDS: Final = 120
_INDEX_LABEL: Final = "leaderworkerset.sigs.k8s.io/worker-index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One part of a replica: all of it, its leader, or one of its other Pods.

    Attributes:
        labels: of the Pod.
        site: where it stands.
        gpus: that it takes.
        engine: the runtime.
        start: how it is started.
        settings: what the user chose.
        files_of: the ConfigMap with the files of the start.
        leads: whether it answers requests.
        grouped: whether it is one of several Pods of a replica.
    """

    labels: Mapping[str, str]
    site: Site
    gpus: int
    engine: Engine
    start: Start
    settings: Settings
    files_of: str
    leads: bool
    grouped: bool


def template(pod: Pod) -> Manifest:
    """The Pod template.

    Raises:
        RenderRefusedError: no Node can be found for it.
    """
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # variables such as VLLM_PORT of a Service's name would confuse the engine
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": _pod_rights(pod.site),
        "affinity": {"nodeAffinity": placing.node_affinity(pod.site)},
        "tolerations": placing.tolerations(pod.site),
        "containers": [_container(pod)],
        "volumes": _volumes(pod),
    }
    metadata: Manifest = {"labels": dict(pod.labels)}
    annotations = _annotations(pod)
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def _annotations(pod: Pod) -> dict[str, str]:
    """Where Prometheus finds the metrics, by its usual words; and what a changed file starts the Pods anew by."""
    found = {}
    if pod.leads:
        found = {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(pod.engine.port),
            "prometheus.io/path": pod.engine.metrics_path,
        }
    if pod.start.files:
        found["placewright.dev/files"] = digest(dict(pod.start.files))
    return found


def _container(pod: Pod) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": pod.settings.image,
        "command": list(pod.start.command),
        "args": list(pod.start.args),
        "env": _env(pod),
        "resources": {"limits": {placing.resource_of(pod.site): str(pod.gpus)}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": _mounts(pod.start),
    }
    if pod.leads:
        container["ports"] = [{"name": "http", "containerPort": pod.engine.port, "protocol": "TCP"}]
        container |= _probes(pod.engine, pod.settings)
    return container


def _probes(engine: Engine, settings: Settings) -> Manifest:
    """Until it has started only the startup probe asks; the model is loaded then."""
    tries = max(1, -(-int(settings.start_seconds) // _PROBE_SECONDS))

    def probe(timeout_seconds: int, failures: int) -> Manifest:
        return {
            "httpGet": {"path": engine.health_path, "port": "http"},
            "periodSeconds": _PROBE_SECONDS,
            "timeoutSeconds": timeout_seconds,
            "failureThreshold": failures,
        }

    return {"startupProbe": probe(5, tries), "readinessProbe": probe(5, 3), "livenessProbe": probe(10, 6)}


def _env(pod: Pod) -> list[Manifest]:
    """In a group who it is; then the plan's variables, and where the engine may write."""
    found: list[Manifest] = []
    if pod.grouped:
        found.append({"name": RANK_VARIABLE, "valueFrom": _field(f"metadata.labels['{_INDEX_LABEL}']")})
        found.append({"name": ADDRESS_VARIABLE, "valueFrom": _field("status.podIP")})
    given = {**pod.start.env, "HOME": _HOME, "USER": "engine", "HF_HOME": _CACHE}
    found += [{"name": name, "value": value} for name, value in given.items()]
    if pod.settings.token_secret:
        reference = {"name": pod.settings.token_secret, "key": pod.settings.token_key}
        found.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}})
    return found


def _field(path: str) -> Manifest:
    return {"fieldRef": {"fieldPath": path}}


def _mounts(start: Start) -> list[Manifest]:
    mounts = [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - the engines' processes share tensors there
        {"name": "models", "mountPath": _CACHE},
        {"name": "home", "mountPath": _HOME},
    ]
    return [*mounts, {"name": "files", "mountPath": FILES_FOLDER, "readOnly": True}] if start.files else mounts


def _volumes(pod: Pod) -> list[Manifest]:
    cache: Manifest = {"emptyDir": {}}
    if pod.settings.cache_claim:
        cache = {"persistentVolumeClaim": {"claimName": pod.settings.cache_claim}}
    shared = {"medium": "Memory", "sizeLimit": f"{_SHARED_MEMORY_GIB_PER_GPU * pod.gpus}Gi"}
    volumes = [
        {"name": "shm", "emptyDir": shared},
        {"name": "models", **cache},
        {"name": "home", "emptyDir": {}},
    ]
    return [*volumes, {"name": "files", "configMap": {"name": pod.files_of}}] if pod.start.files else volumes


def _pod_rights(site: Site) -> Manifest:
    rights: Manifest = {"seccompProfile": {"type": "RuntimeDefault"}}
    if site.vendor == "nvidia":
        rights |= {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER}
        rights["fsGroupChangePolicy"] = "OnRootMismatch"
    return rights
