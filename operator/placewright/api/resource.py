"""The whole PlacementRequest, as a file or the API server holds it."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from placewright.api.base import LABEL_PATTERN, SUBDOMAIN_PATTERN, Inert
from placewright.api.spec import PlacementRequestSpec

KIND: Final = "PlacementRequest"

_LabelKey = Annotated[
    str,
    Field(
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    ),
]
_LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]


class ObjectMeta(Inert):
    """The metadata of a Kubernetes object; only name, namespace and generation are read."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
    namespace: Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)] | None = None
    labels: dict[_LabelKey, _LabelValue] | None = None
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
