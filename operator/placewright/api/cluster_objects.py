"""Nodes and Pods of files: the shape of what is read of them. An API server has checked its own."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    """Known fields have Kubernetes' types; whatever else there is passes."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", strict=True, frozen=True, defer_build=True)


class _Metadata(_Part):
    name: Annotated[str, Field(min_length=1)]
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class _Taint(_Part):
    key: str | None = None
    value: str | None = None
    effect: str | None = None


class _NodeSpec(_Part):
    unschedulable: bool | None = None
    taints: list[_Taint] | None = None


class _NodeCondition(_Part):
    type: str
    status: str


class _NodeStatus(_Part):
    allocatable: dict[str, Any] | None = None
    conditions: list[_NodeCondition] | None = None


class Node(_Part):
    """A core/v1 Node."""

    metadata: _Metadata
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


class _Resources(_Part):
    requests: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None


class _Container(_Part):
    restart_policy: str | None = None
    resources: _Resources | None = None


class _PodSpec(_Part):
    node_name: str | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    overhead: dict[str, Any] | None = None


class _PodStatus(_Part):
    phase: str | None = None


class Pod(_Part):
    """A core/v1 Pod."""

    metadata: _Metadata
    spec: _PodSpec | None = None
    status: _PodStatus | None = None


CLUSTER_KINDS: Final[dict[str, type[BaseModel]]] = {"Node": Node, "Pod": Pod}
"""Kinds of core/v1 that are read beside Placewright's own."""
