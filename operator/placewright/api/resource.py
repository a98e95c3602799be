"""The whole PlacementRequest, as a file or the API server holds it."""

from typing import Any, Final, Literal

from pydantic import ConfigDict

from placewright.api.base import Inert, Label, LabelKey, LabelValue, Subdomain
from placewright.api.spec import PlacementRequestSpec

KIND: Final = "PlacementRequest"


class ObjectMeta(Inert):
    """The metadata of a Kubernetes object; only name, namespace, labels and generation are read."""

    name: Subdomain
    namespace: Label | None = None
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    generate_name: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    self_link: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: list[dict[str, Any]] | None = None
    managed_fields: list[dict[str, Any]] | None = None


class PlacementRequest(Inert):
    """One model to place, with its gates; the status holds the plan and its proof."""

    model_config = ConfigDict(title=KIND)

    api_version: Literal["placewright.dev/v1alpha1"]
    kind: Literal["PlacementRequest"]
    metadata: ObjectMeta
    spec: PlacementRequestSpec
    status: dict[str, Any] | None = None
