"""PlacementRequests on a real API server, as a user handles them."""

from typing import Any

from tests.controlplane.rest import Api, ApiError
from tests.support.requests import PATH, Json, manifest

MERGE = "application/merge-patch+json"


class Placements:
    """The requests of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.path = PATH.format(namespace=namespace)

    def create(self, name: str, spec: Json | None = None) -> Json:
        return self.api.create(self.path, manifest(name, spec))

    def get(self, name: str) -> Json:
        return self.api.get(f"{self.path}/{name}")

    def find(self, name: str) -> Json | None:
        try:
            return self.get(name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def patch(self, name: str, spec: Json, **metadata: Any) -> Json:
        return self.api.patch(f"{self.path}/{name}", {"spec": spec, "metadata": metadata}, MERGE)

    def patch_status(self, name: str, status: Json) -> Json:
        return self.api.patch(f"{self.path}/{name}/status", {"status": status}, MERGE)

    def delete(self, name: str) -> None:
        self.api.delete(f"{self.path}/{name}")

    def all(self) -> list[Json]:
        return self.api.items(self.path)

    def settled(self, name: str) -> Json | None:
        """The object once its status speaks of its spec."""
        found = self.find(name)
        return found if found is not None and is_settled(found) else None

    def all_settled(self) -> bool:
        return all(is_settled(item) for item in self.all())

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each: it moves with every write of anybody."""
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in self.all()}

    def event_reasons(self, name: str) -> list[str]:
        events = self.api.items(f"/api/v1/namespaces/{self.namespace}/events")
        return [event["reason"] for event in events if event["involvedObject"]["name"] == name]


def condition(resource: Json, kind: str) -> Json:
    conditions = (resource.get("status") or {}).get("conditions") or []
    found: Json = next((entry for entry in conditions if entry["type"] == kind), {})
    return found


def reason(resource: Json) -> str:
    """Reason of the Ready condition; empty when there is none."""
    return str(condition(resource, "Ready").get("reason", ""))


def is_settled(resource: Json) -> bool:
    status = resource.get("status") or {}
    decided = condition(resource, "Ready").get("status") in {"True", "False"}
    return decided and status.get("observedGeneration") == resource["metadata"]["generation"]
