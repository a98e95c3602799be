"""Nodes and Pods of files: what is read of them has Kubernetes' types, or one line says where it has not."""

import json
from typing import Any

import pytest

from placewright.api.validate import validate
from tests.support.fleet_nodes import gpu_node, gpu_pod
from tests.support.resources import small_request

Json = dict[str, Any]


def faults(body: Json) -> list[str]:
    text = "\n---\n".join(json.dumps(each) for each in (small_request(), body))
    return [str(fault).partition(": ")[2] for fault in validate(text, file="a.yaml").faults]


def test_what_kubernetes_made_is_good() -> None:
    assert faults(gpu_node(taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}])) == []
    assert faults(gpu_pod(2)) == []


@pytest.mark.parametrize(
    ("part", "value", "fault"),
    [
        ("metadata", {"name": "n", "labels": {"a/b": 8}}, "metadata.labels.a/b: got 8, wants text (quote it)"),
        (
            "metadata",
            {"name": "n", "annotations": {"a": 2.5}},
            "metadata.annotations.a: got 2.5, wants text (quote it)",
        ),
        ("metadata", {"name": 7}, "metadata.name: got 7, wants the name of the Node"),
        ("spec", {"unschedulable": "yes"}, "spec.unschedulable: got 'yes', wants true or false"),
        ("spec", {"taints": "all"}, "spec.taints: got 'all', wants a list"),
        ("status", {"allocatable": [8]}, "status.allocatable: got [8], wants a mapping"),
        ("status", {"conditions": [{"type": "Ready"}]}, "status.conditions[0].status: got nothing, wants a value"),
    ],
)
def test_a_node_written_by_hand(part: str, value: Any, fault: str) -> None:
    assert faults({**gpu_node(), part: value}) == [fault]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"containers": 3}, "spec.containers: got 3, wants a list"),
        ({"nodeName": 3}, "spec.nodeName: got 3, wants text (quote it)"),
        ({"containers": [{"resources": "big"}]}, "spec.containers[0].resources: got 'big', wants a mapping"),
    ],
)
def test_a_pod_written_by_hand(spec: Json, fault: str) -> None:
    assert faults({**gpu_pod(), "spec": spec}) == [fault]
