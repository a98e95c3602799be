"""GPUs that Pods hold, counted as the scheduler counts them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.kube.inventory.resources import held_by_others, requested, whole
from tests.support.fleet_nodes import Json, container, gpu_pod

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("pod", "held"),
    [
        (gpu_pod(2), 2),
        (gpu_pod(2, phase="Pending"), 2),  # scheduled, its images are being pulled
        (gpu_pod(2, phase="Succeeded"), 0),
        (gpu_pod(2, phase="Failed"), 0),
        (gpu_pod(2, phase="Unknown"), 2),
        (gpu_pod(2, node=None, phase="Pending"), 0),
        (gpu_pod(2, labels={"placewright.dev/request": "chat"}), 0),
        (gpu_pod(2, labels={"app": "theirs"}), 2),
        (gpu_pod(0), 0),
    ],
)
def test_who_holds_gpus(pod: Json, held: int) -> None:
    assert held_by_others([pod]).get(("n1", GPU), 0) == held


def test_a_pod_that_is_being_deleted_holds_until_it_is_gone() -> None:
    pod = gpu_pod(2)
    pod["metadata"]["deletionTimestamp"] = "2026-11-21T09:59:00Z"
    assert held_by_others([pod]) == {("n1", GPU): 2}


def test_gpus_are_summed_by_node_and_resource() -> None:
    pods = [gpu_pod(1), gpu_pod(2), gpu_pod(3, node="n2"), gpu_pod(4, resource="amd.com/gpu")]
    assert held_by_others(pods) == {("n1", GPU): 3, ("n2", GPU): 3, ("n1", "amd.com/gpu"): 4}


@pytest.mark.parametrize(
    ("init", "containers", "gpus"),
    [
        ([], [1, 2], 3),
        ([container(4)], [1, 2], 4),  # runs alone, before the containers
        ([container(2)], [1, 2], 3),
        ([container(4), container(5)], [1], 5),
        ([container(1, sidecar=True)], [2], 3),  # runs beside them
        ([container(1, sidecar=True), container(4)], [2], 5),  # runs beside the sidecar that was started before it
        ([container(4), container(1, sidecar=True)], [2], 4),
        ([container(1, sidecar=True), container(1, sidecar=True)], [], 2),
    ],
)
def test_init_containers_and_sidecars(init: list[Json], containers: list[int], gpus: int) -> None:
    assert requested({"initContainers": init, "containers": [container(each) for each in containers]}, GPU) == gpus


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ({"limits": {GPU: "2"}}, 2),  # as the API server completes it
        ({"requests": {GPU: 2}}, 2),
        ({"requests": {"cpu": "2"}}, 0),
        ({"requests": None, "limits": {GPU: "1"}}, 1),
    ],
)
def test_requests_or_else_limits_count(resources: dict[str, Any], gpus: int) -> None:
    assert requested({"containers": [{"resources": resources}]}, GPU) == gpus


def test_resources_of_the_pod_itself_hold_no_gpus_and_overhead_does() -> None:
    # Kubernetes takes only cpu, memory and hugepages at the level of the Pod.
    spec = {"containers": [container(1)], "resources": {"requests": {"cpu": "8", GPU: "4"}}}
    assert requested(spec, GPU) == 1
    assert requested({**spec, "overhead": {GPU: "1", "cpu": "250m"}}, GPU) == 2


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("8", 8),
        (8, 8),
        ("1k", 1000),
        ("2Ki", 2048),
        ("0", 0),
        ("", 0),
        ("-1", 0),
        ("500m", 0),
        ("x", 0),
        (None, 0),
        ("9" * 5000, 0),
    ],
)
def test_quantities(quantity: object, number: int) -> None:
    assert whole(quantity) == number


CONTAINERS = st.lists(st.integers(0, 8).map(container), max_size=4)
INIT = st.lists(st.builds(container, st.integers(0, 8), sidecar=st.booleans()), max_size=4)


@given(containers=CONTAINERS, init=INIT)
def test_a_pod_needs_what_its_busiest_moment_needs(containers: list[Json], init: list[Json]) -> None:
    """The moments, one by one: each plain init container with the sidecars before it, then everything that stays."""

    def gpus(each: Json) -> int:
        return int(each.get("resources", {}).get("requests", {}).get(GPU, 0))

    moments, sidecars = [], 0
    for each in init:
        moments.append(sidecars + gpus(each))
        if each.get("restartPolicy") == "Always":
            sidecars += gpus(each)
    moments.append(sidecars + sum(gpus(each) for each in containers))
    assert requested({"containers": containers, "initContainers": init}, GPU) == max(moments)
