"""One Pod where a node has room for the whole replica, else one for each part of it."""

from dataclasses import replace

import pytest

from placewright.kube.manifests import Work, render
from placewright.kube.manifests.shapes import stages_per_pod
from tests.support.renders import SETTINGS, a_layout, a_site, a_work, check_objects, gpus_of, templates, workloads


@pytest.mark.parametrize(
    ("work", "stages"),
    [
        (a_work(), (1,)),
        (a_work(a_layout((16, 16))), (2,)),  # 4 GPUs on a node of 4
        (a_work(a_layout((8, 8, 8, 8))), (2,)),  # 8 GPUs on two nodes of 4
        (a_work(a_layout((10, 11, 11))), (1,)),  # three stages have no divisor that two of them would be
        (a_work(a_layout((16, 16)), sites=[a_site(gpus_per_node=2, rooms=(2, 2))]), (1,)),
        # A node has 4 GPUs, but others hold 2 of each: the stages must part.
        (a_work(a_layout((16, 16)), sites=[a_site(rooms=(2, 2))]), (1,)),
        (a_work(a_layout((16, 16), replicas=2), sites=[a_site(rooms=(4, 2, 2))]), (1,)),
        (a_work(a_layout((16, 16), replicas=2), sites=[a_site(rooms=(4, 4))]), (2,)),
        (a_work(a_layout((16, 16), pools=("a", "b")), sites=[a_site("a"), a_site("b")]), (1,)),
        (a_work(a_layout((16, 16)), a_layout(degree=4), sites=[a_site(rooms=(4, 4))]), (2, 1)),
        (a_work(a_layout((16, 16)), a_layout(degree=4), sites=[a_site(rooms=(4, 2, 2))]), (1, 1)),
    ],
)
def test_stages_in_each_pod(work: Work, stages: tuple[int, ...]) -> None:
    assert stages_per_pod(work) == stages


def test_a_group_of_pods_holds_the_replica() -> None:
    work = a_work(a_layout((8, 8, 8, 8), replicas=3), sites=[a_site(rooms=(4,) * 6)])
    objects = render(work, SETTINGS)
    check_objects(work, objects, verbatim=True)
    (group,) = workloads(objects)
    assert group["kind"] == "LeaderWorkerSet"
    assert (group["spec"]["replicas"], group["spec"]["leaderWorkerTemplate"]["size"]) == (3, 2)
    assert [(count, gpus_of(template)) for count, template in templates(group)] == [(1, 4), (1, 4)]


def test_a_mixed_replica_leads_from_the_pool_of_its_first_stage() -> None:
    sites = [a_site("a"), a_site("b", gpu="H100")]
    (group, _) = render(a_work(a_layout((16, 16), pools=("a", "b")), sites=sites), SETTINGS)
    told = [str(template["spec"]["affinity"]) for _, template in templates(group)]
    assert "NVIDIA-L40S" in told[0]
    assert "NVIDIA-H100" not in told[0]
    assert "NVIDIA-H100-80GB-HBM3" in told[1]


def test_only_what_changes_a_pod_changes_the_name() -> None:
    def name(work: Work) -> str:
        return str(render(work, SETTINGS)[0]["metadata"]["name"])

    plain = a_work()
    assert name(plain) == name(replace(plain, plan_id="p-9999999999"))
    assert name(plain) == name(a_work(a_layout(replicas=2)))
    assert name(plain) != name(a_work(a_layout(degree=4)))
    assert name(plain) != name(replace(plain, name="chat2"))
    assert name(plain) != name(a_work(a_layout((16, 16), degree=1)))
    assert name(plain).startswith("chat-")


def test_more_replicas_leave_the_pods_alone() -> None:
    one = render(a_work(), SETTINGS)[0]
    more = render(a_work(a_layout(replicas=2), plan_id="p-9999999999"), SETTINGS)[0]
    assert one["spec"]["template"] == more["spec"]["template"]
    assert one["metadata"]["labels"]["placewright.dev/plan"] == "p-0123456789"
    assert more["metadata"]["labels"]["placewright.dev/plan"] == "p-9999999999"
