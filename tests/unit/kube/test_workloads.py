import time
from dataclasses import replace
from typing import Any

import pytest

from placewright.core.model import Running
from placewright.kube.manifests import Owner, render_move
from placewright.kube.workloads import one_line, pools_of, running_of, seconds_of, workload_of
from tests.support.renders import SETTINGS, a_layout, a_work

Json = dict[str, Any]

OWNER = Owner(name="chat", uid="u-1")
MOVE = render_move(a_work(), None, SETTINGS, owner=OWNER)
NAME = MOVE.units[0].name


def stored(replicas: int = 2, *, generation: int = 3, status: Json | None = None, **notes: str) -> Json:
    """A Deployment of ours as the API server has it."""
    given = {f"placewright.dev/{key.replace('_', '-')}": value for key, value in notes.items()}
    body = MOVE.workload(NAME, replicas, given)
    told = {"uid": "d-1", "resourceVersion": "77", "generation": generation}
    return {**body, "metadata": {**body["metadata"], **told}, "status": status or {}}


def counted(ready: int, updated: int, total: int, observed: int = 3) -> Json:
    return {"observedGeneration": observed, "readyReplicas": ready, "updatedReplicas": updated, "replicas": total}


def test_what_is_rendered_is_read_back() -> None:
    since = "2026-11-21T10:00:00.5+00:00"
    body = stored(status=counted(2, 2, 2), up_since=since, replicas_before="4", template_generation="3")
    found = workload_of("Deployment", body)
    assert found.key == ("serving", "Deployment", NAME)
    assert (found.owner_uid, found.owner, found.managed, found.going) == ("u-1", "PlacementRequest chat", True, False)
    assert (found.uid, found.version, found.generation) == ("d-1", "77", 3)
    assert (found.template, found.essence) == MOVE.wanted(NAME)
    assert found.applied == MOVE.rendered[NAME].applied
    assert (found.plan_id, found.layout) == ("p-0123456789", NAME[-8:])
    assert found.pools == {"l40s": ((2, 1),)}
    assert found.gpus == 2
    assert found.replicas_before == 4
    assert running_of(found, weight=0.5, wanted=MOVE.wanted(NAME)) == Running(
        name=NAME,
        replicas=2,
        ready=2,
        up_since=1795255200.5,
        weight=0.5,
        pools={"l40s": ((2, 1),)},
        replicas_before=4,
    )


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (counted(2, 2, 2), 2),
        (counted(2, 1, 3), 0),  # the one that is not Ready may be the new one
        (counted(3, 2, 3), 2),
        (counted(2, 2, 2, observed=2), 0),  # its controller has not seen the template
        (counted(4, 4, 4), 3),  # more than are wanted now
        ({}, 0),
    ],
)
def test_only_replicas_of_the_present_template_are_ready_and_only_for_sure(status: Json, ready: int) -> None:
    assert workload_of("Deployment", stored(3, status=status, template_generation="3")).ready == ready


def test_a_new_number_alone_makes_no_replica_less_ready() -> None:
    body = stored(3, generation=5, status=counted(2, 2, 2, observed=4), template_generation="1")
    assert workload_of("Deployment", body).ready == 2


def test_a_template_that_changed_nothing_for_the_server_is_waited_for_no_longer() -> None:
    body = stored(2, generation=3, status=counted(2, 2, 2, observed=3), template_generation="4")
    assert workload_of("Deployment", body).ready == 2


def test_what_is_not_ours_is_counted_as_it_says_itself() -> None:
    body = stored(2, status=counted(2, 0, 2, observed=0))
    del body["metadata"]["labels"], body["metadata"]["ownerReferences"]
    found = workload_of("Deployment", body)
    assert (found.ready, found.managed, found.owner_uid, found.pools, found.essence) == (2, False, "", None, "")
    told = running_of(found, weight=None, pools={"p": ((2, 1),)}, up_since=5.0)
    assert (told.pools, told.up_since, told.stale) == ({"p": ((2, 1),)}, 5.0, False)


def test_the_pods_of_a_group_are_counted() -> None:
    move = render_move(a_work(a_layout((16, 16), degree=4)), None, SETTINGS, owner=OWNER)
    name = move.units[0].name
    found = workload_of("LeaderWorkerSet", move.workload(name, 2, {}))
    assert (found.shape, found.gpus) == (((1, 4), (1, 4)), 8)
    assert found.pools == move.units[0].pools == {"l40s": ((4, 2),)}
    assert found.pod_selector == f"leaderworkerset.sigs.k8s.io/name={name}"
    assert (found.template, found.essence) == move.wanted(name)


@pytest.mark.parametrize(
    ("conditions", "trouble"),
    [
        ([{"type": "ReplicaFailure", "status": "True", "message": "exceeded\n quota"}], "exceeded quota"),
        (
            [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
            "ProgressDeadlineExceeded",
        ),
        ([{"type": "Progressing", "status": "True", "message": "fine"}], ""),
        (
            [
                {"type": "Progressing", "status": "False", "message": "late"},
                {"type": "ReplicaFailure", "status": "True", "message": "denied"},
            ],
            "denied",
        ),
    ],
)
def test_what_a_workload_says_of_its_trouble(conditions: list[Json], trouble: str) -> None:
    found = workload_of("Deployment", stored(status={"conditions": conditions}))
    assert found.trouble == trouble
    assert running_of(found, weight=None, trouble="from its Pods").trouble == (trouble or "from its Pods")


@pytest.mark.parametrize("change", ["image", "args", "env", "gpus"])
def test_a_hand_on_what_starts_the_pods_makes_a_unit_stale(change: str) -> None:
    body = stored()
    container = body["spec"]["template"]["spec"]["containers"][0]
    changed: Json = {
        "image": "example.com/other:1",
        "args": [*container["args"], "--seed=1"],
        "env": [*container["env"], {"name": "DEBUG", "value": "1"}],
    }
    if change == "gpus":
        changed = {"gpus": None, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        change = "resources"
    spec = {**body["spec"]["template"]["spec"], "containers": [{**container, change: changed[change]}]}
    spoiled = {**body, "spec": {**body["spec"], "template": {**body["spec"]["template"], "spec": spec}}}
    found = workload_of("Deployment", spoiled)
    assert found.essence != workload_of("Deployment", body).essence
    assert running_of(found, weight=None, wanted=MOVE.wanted(NAME)).stale
    assert not running_of(found, weight=None).stale


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1}', '{"a": [[0, 1]]}', '{"a": [[1]]}', '{"a": [["1", 1]]}', "[" * 200_000, '{"a":' * 9000],
)
def test_pools_that_are_not_as_we_write_them_say_nothing(text: str) -> None:
    assert pools_of(text) is None


def test_times_and_lines() -> None:
    assert seconds_of("2026-11-21T10:00:00Z") == 1795255200.0
    assert seconds_of("2026-11-21T10:00:00") is None
    assert seconds_of("soon") is None
    assert seconds_of("0001-01-01T00:00:00+23:59") is None, "it could not be written again"
    assert seconds_of("9999-12-31T23:59:59-23:59") is None
    assert one_line(" a\n b\t c ") == "a b c"
    assert len(one_line("x" * 1000)) == 300


def test_selectors_of_any_workload() -> None:
    terms = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
    ]
    spec = {"selector": {"matchLabels": {"app": "x"}, "matchExpressions": terms}}
    found = workload_of("StatefulSet", {"metadata": {"name": "x"}, "spec": spec})
    assert found.pod_selector == "app=x,tier in (a,b),!old,new"
    assert (found.replicas, found.ready) == (1, 0)


def test_a_thousand_workloads_are_read_quickly() -> None:
    bodies = [stored(status=counted(2, 2, 2)) for _ in range(1000)]
    begin = time.perf_counter()
    found = [running_of(workload_of("Deployment", body), weight=None, wanted=MOVE.wanted(NAME)) for body in bodies]
    assert time.perf_counter() - begin < 1.0
    assert sum(each.ready for each in found) == 2000


def test_a_workload_that_is_going_says_so() -> None:
    body = stored()
    body["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    found = workload_of("Deployment", body)
    assert found.going
    assert replace(found, going=False) == workload_of("Deployment", stored())
