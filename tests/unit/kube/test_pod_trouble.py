from typing import Any

import pytest

from placewright.kube.pod_trouble import pod_trouble

Json = dict[str, Any]


def pod(**status: Any) -> Json:
    return {"metadata": {"name": "x"}, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> Json:
    told = {"reason": reason} | ({"message": message} if message else {})
    return pod(containerStatuses=[{"state": {"waiting": told}, **more}])


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (waiting("ImagePullBackOff", 'Back-off pulling image "x"'), 'ImagePullBackOff: Back-off pulling image "x"'),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: not found'),
            "ImagePullBackOff: not found",
        ),
        (waiting("ErrImagePull", "not found"), "ImagePullBackOff: not found"),
        (waiting("ContainerCreating"), ""),
        (waiting("CrashLoopBackOff"), "CrashLoopBackOff"),
        (
            pod(containerStatuses=[{"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}]),
            "CrashLoopBackOff: ended, exit code 1",
        ),
        (
            pod(containerStatuses=[{"state": {"terminated": {"reason": "Error", "exitCode": 2}}}]),
            "CrashLoopBackOff: Error, exit code 2",
        ),
        (
            pod(
                conditions=[{"type": "Ready", "status": "True"}],
                containerStatuses=[{"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}],
            ),
            "",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "hf" not found'),
            'CreateContainerConfigError: secret "hf" not found',
        ),
        (
            waiting(
                "CrashLoopBackOff", "back-off 5m0s", lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}}
            ),
            "CrashLoopBackOff: OOMKilled, exit code 137",
        ),
        (
            pod(
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3\nnodes"}
                ]
            ),
            "Unschedulable: 0/3 nodes",
        ),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on resource"),
            "Evicted: The node was low on resource",
        ),
        (pod(phase="Running", containerStatuses=[{"state": {"running": {}}}]), ""),
        ({"metadata": {"deletionTimestamp": "x"}, "status": waiting("ErrImagePull")["status"]}, ""),
    ],
)
def test_what_one_pod_says(one: Json, told: str) -> None:
    assert pod_trouble([one]) == (f"1 Pod: {told}" if told else "")


def test_the_most_frequent_come_first_and_no_more_than_two() -> None:
    pods = [waiting("A"), waiting("B"), waiting("B"), waiting("C"), waiting("C"), waiting("C")]
    assert pod_trouble(pods) == "3 Pods: C; 2 Pods: B"
    assert pod_trouble([]) == ""


def test_a_failing_init_container_is_said() -> None:
    done = {"state": {"terminated": {"exitCode": 0}}}
    one = pod(initContainerStatuses=[done, {"state": {"waiting": {"reason": "ErrImagePull"}}}], containerStatuses=[])
    assert pod_trouble([one]) == "1 Pod: ImagePullBackOff"
