"""A TEST CONTROLLER, not the real ones: it plays what LeaderWorkerSet's controller and a gateway's would do.

Those are not to be had for tests. What it makes is real (Pods that the real scheduler places and the real garbage
collection removes), and what it says of them is read from them. Its objects name it: annotation MADE_BY on Pods and
Services, SAYS in the messages of conditions. Left out: the StatefulSets between a LeaderWorkerSet and its Pods,
partitions, subgroups, and all traffic, which `tests.support.acting_traffic` plays.
"""

from typing import Any, Final, Self

from tests.controlplane.rest import JSON, MERGE_PATCH, Api, ApiError
from tests.support.acting_groups import (
    NAME,
    going_pods,
    group_status,
    headless_service,
    owner_uid,
    wanted_pods,
    with_times,
)
from tests.support.acting_mirror import Follower, Mirror

Json = dict[str, Any]

GROUPS: Final = "/apis/leaderworkerset.x-k8s.io/v1/namespaces/{}/leaderworkersets"
ROUTES: Final = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
GATEWAYS: Final = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways"
POOLS: Final = "/apis/inference.networking.k8s.io/v1/namespaces/{}/inferencepools"
PODS: Final = "/api/v1/namespaces/{}/pods"
SERVICES: Final = "/api/v1/namespaces/{}/services"
READS: Final = (GROUPS, ROUTES, GATEWAYS, POOLS, PODS, SERVICES)
"""What a mirror for this controller follows, for a namespace."""

_AGAIN_SECONDS: Final = 0.25
_OF_AN_OLD_COPY: Final = (403, 404, 409, 422)  # 403: a quota, or the namespace goes


class ActingController:
    """The controller of one namespace, from `with` on.

    Args:
        api: an admin's access.
        namespace: where it works.
        mirror: follows READS of this namespace.
    """

    def __init__(self, api: Api, namespace: str, mirror: Mirror) -> None:
        self._api = api
        self._namespace = namespace
        self._mirror = mirror
        self._follower = Follower(mirror, self._look, "acting-controller")
        self._again = False

    def __enter__(self) -> Self:
        self._follower.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self._follower.__exit__(*given)

    def _items(self, path: str) -> list[Json]:
        return self._mirror.items(path.format(self._namespace))

    def _look(self) -> float | None:
        self._again = False
        pods = self._items(PODS)
        for owner in self._items(GROUPS):
            if "deletionTimestamp" not in owner["metadata"]:
                self._serve(owner, [pod for pod in pods if owner_uid(pod) == owner["metadata"]["uid"]])
        self._answer_routes()
        return _AGAIN_SECONDS if self._again else None

    def _serve(self, owner: Json, pods: list[Json]) -> None:
        """Makes and removes the Pods of a LeaderWorkerSet, and says how they are."""
        if owner["metadata"]["name"] not in _names(self._items(SERVICES)):
            self._try("POST", SERVICES, "", headless_service(owner))
        for pod in going_pods(owner, pods):
            preconditions = {"uid": pod["metadata"]["uid"]}
            self._try("DELETE", PODS, pod["metadata"]["name"], {"preconditions": preconditions})
        there = _names(pods)
        for pod in wanted_pods(owner):
            if pod["metadata"]["name"] not in there:
                self._try("POST", PODS, "", pod)
        self._tell(GROUPS, owner, group_status(owner, pods))

    def _answer_routes(self) -> None:
        """Says that Gateways take what is theirs, and whether what their routes lead to is there."""
        there = {("Service", name) for name in _names(self._items(SERVICES))}
        there |= {("InferencePool", name) for name in _names(self._items(POOLS))}
        taken = ("Accepted", True, "Accepted")
        for gateway in self._items(GATEWAYS):
            conditions = with_times(gateway, gateway.get("status"), taken, ("Programmed", True, "Programmed"))
            self._tell(GATEWAYS, gateway, {"conditions": conditions})
        for route in self._items(ROUTES):
            found = all((each.get("kind", "Service"), each["name"]) in there for each in backends(route))
            resolved = ("ResolvedRefs", found, "ResolvedRefs" if found else "BackendNotFound")
            parents = [
                {"parentRef": parent, "controllerName": NAME, "conditions": with_times(route, said, taken, resolved)}
                for parent, said in _parents(route)
            ]
            self._tell(ROUTES, route, {"parents": parents})

    def _tell(self, path: str, item: Json, status: Json) -> None:
        """Writes a status where it says something else than what stands."""
        stands = item.get("status") or {}
        if all(stands.get(name) == value for name, value in status.items()):
            return
        version = {"resourceVersion": item["metadata"]["resourceVersion"]}
        self._try("PATCH", path, f"{item['metadata']['name']}/status", {"metadata": version, "status": status})

    def _try(self, method: str, path: str, name: str, body: Json) -> None:
        """One write. What is refused since our copy is old, or for a quota, is tried again by a later look."""
        at = f"{path.format(self._namespace)}/{name}".rstrip("/")
        try:
            self._api.request(method, at, body, MERGE_PATCH if method == "PATCH" else JSON)
        except ApiError as error:
            if error.status not in _OF_AN_OLD_COPY:
                raise
            self._again = True


def backends(route: Json) -> list[Json]:
    """The backends of an HTTPRoute."""
    return [each for rule in route["spec"].get("rules") or () for each in rule.get("backendRefs") or ()]


def _parents(route: Json) -> list[tuple[Json, Json]]:
    """The Gateways of a route with what is said of each."""
    said = {str(each["parentRef"]): each for each in (route.get("status") or {}).get("parents") or ()}
    return [(parent, said.get(str(parent), {})) for parent in route["spec"].get("parentRefs") or ()]


def _names(items: list[Json]) -> set[str]:
    return {item["metadata"]["name"] for item in items}
