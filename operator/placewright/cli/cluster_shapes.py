"""The parts of Nodes and Pods in files that pools are found from: a file may hold anything, an API server does not."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from placewright.api.base import camel
from placewright.api.load import Document, Fault
from placewright.api.parse import field_faults, path_text


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=camel, extra="ignore", strict=True)


class _Meta(_Part):
    name: str
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class _Taint(_Part):
    key: str
    value: str | None = None
    effect: str


class _Condition(_Part):
    type: str
    status: str | None = None


class _NodeSpec(_Part):
    unschedulable: bool | None = None
    taints: list[_Taint] | None = None


class _NodeStatus(_Part):
    allocatable: dict[str, str | int] | None = None
    conditions: list[_Condition] | None = None


class _Node(_Part):
    kind: Literal["Node"]
    metadata: _Meta
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


class _Resources(_Part):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class _Container(_Part):
    resources: _Resources | None = None
    restart_policy: str | None = None


class _PodSpec(_Part):
    node_name: str | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    overhead: dict[str, str | int | float] | None = None


class _PodStatus(_Part):
    phase: str | None = None


class _Pod(_Part):
    kind: Literal["Pod"]
    metadata: _Meta
    spec: _PodSpec | None = None
    status: _PodStatus | None = None


_MODELS: Mapping[str, type[_Part]] = {"Node": _Node, "Pod": _Pod}


def faults_in(document: Document) -> list[Fault]:
    """Say what is wrong with a Node or a Pod of a file, one line for each field."""
    body: Mapping[str, Any] = document.body
    model = _MODELS[body["kind"]]
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [
            Fault(
                file=document.file,
                document=document.number,
                line=document.line_of(fault.location),
                path=path_text(fault.location),
                got=fault.got,
                wants=fault.wants,
            )
            for fault in field_faults(error, model)
        ]
    return []
