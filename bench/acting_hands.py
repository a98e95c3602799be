"""Plays the controllers of Deployments, the scheduler and the kubelets, at once: each replica is a Pod that is Ready.

The bench runs an API server without them: what is measured is the operator, and a thousand real Pods are nobody's.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.controlplane.rest import ApiError
from tests.controlplane.server import ControlPlane
from tests.support.acting_mirror import Follower, Mirror

Json = dict[str, Any]

_DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
_PODS = "/api/v1/namespaces/{}/pods"
_AGE = timedelta(hours=1)  # of each Pod: none is warming up
_WRITERS = 8


class Hands:
    """The hands of one namespace, from `with` on.

    Args:
        plane: the API server.
        namespace: whose Deployments.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._api = plane.admin
        self._deployments, self._path = _DEPLOYMENTS.format(namespace), _PODS.format(namespace)
        self._mirror = Mirror(plane, [self._deployments])
        self._follower = Follower(self._mirror, self._look, "hands")
        self._threads = ThreadPoolExecutor(_WRITERS)
        self._lock = threading.Lock()
        self._pods: dict[str, tuple[str, ...]] = {}  # by Deployment
        self._done: dict[str, tuple[str, int]] = {}  # uid and generation of each

    def __enter__(self) -> Self:
        self._mirror.__enter__()
        self._follower.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self._follower.__exit__(*given)
        self._mirror.__exit__(*given)
        self._threads.shutdown()

    @property
    def faults(self) -> list[str]:
        """What went wrong."""
        return self._follower.faults

    def pods(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the Pods of each request, by its label."""
        found: dict[str, tuple[str, ...]] = {}
        with self._lock:
            for item in self._mirror.items(self._deployments):
                request = item["metadata"]["labels"]["placewright.dev/request"]
                found[request] = (*found.get(request, ()), *self._pods.get(item["metadata"]["name"], ()))
        return found

    def _look(self) -> float | None:
        items = {item["metadata"]["name"]: item for item in self._mirror.items(self._deployments)}
        due = [item for name, item in items.items() if self._done.get(name) != _state(item)]
        list(self._threads.map(self._serve, due))
        for name in [name for name in self._done if name not in items]:
            self._have(name, None, 0)
            del self._done[name]
        return None

    def _serve(self, item: Json) -> None:
        name, replicas = item["metadata"]["name"], item["spec"]["replicas"]
        self._have(name, item["spec"]["template"], replicas)
        counts = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
        status = {"observedGeneration": item["metadata"]["generation"], **dict.fromkeys(counts, replicas)}
        try:
            self._api.patch(f"{self._deployments}/{name}/status", {"status": status})
        except ApiError as error:
            if error.status != 404:  # it is gone already
                raise
        self._done[name] = _state(item)

    def _have(self, deployment: str, template: Json | None, count: int) -> None:
        """So many Pods stand, and no others of the Deployment."""
        there = self._pods.get(deployment, ())
        wanted = tuple(f"{deployment}-{number}" for number in range(count))
        for name in [name for name in there if name not in wanted]:
            self._api.delete(f"{self._path}/{name}?gracePeriodSeconds=0")
        started = (datetime.now(UTC) - _AGE).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = [{"type": "Ready", "status": "True", "lastTransitionTime": started}]
        for name in [name for name in wanted if name not in there]:
            assert template is not None, "a Deployment that is gone has no Pods"
            pod = {"metadata": {**template["metadata"], "name": name}, "spec": template["spec"]}
            self._api.create(self._path, {"apiVersion": "v1", "kind": "Pod", **pod})
            status = {"phase": "Running", "startTime": started, "conditions": ready}
            self._api.patch(f"{self._path}/{name}/status", {"status": status})
        with self._lock:
            self._pods[deployment] = wanted


def _state(item: Json) -> tuple[str, int]:
    return item["metadata"]["uid"], item["metadata"]["generation"]
