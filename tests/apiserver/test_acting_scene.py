"""What the tests of acting stand on: Pods of LeaderWorkerSets, routes, traffic and its metrics are what they say.

The controller and the traffic are the tests' own; scheduler, garbage collection and Prometheus are real.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.acting_controller import GROUPS, ROUTES, SERVICES
from tests.support.acting_groups import MADE_BY, NAME, going_pods, is_ready, wanted_pods, with_times
from tests.support.acting_site import GATEWAY, Site, acting_plane, wait
from tests.support.acting_watch import DEPLOYMENTS

Json = dict[str, Any]

GPU = {"limits": {"nvidia.com/gpu": "2"}}


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture
def site(plane: ControlPlane, prometheus: Path, tmp_path: Path) -> Iterator[Site]:
    with Site(plane, tmp_path, prometheus) as made:
        made.add_pool("l40s", 1.0, nodes=4, gpus=4)
        yield made


def template(workload: str, role: str = "serving", image: str = "example.com/engine:1") -> Json:
    labels = {
        "placewright.dev/request": "chat",
        "placewright.dev/role": role,
        "app.kubernetes.io/instance": workload,
        "part-of": workload,
    }
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "engine", "image": image, "resources": GPU}]},
    }


def group_set(name: str, replicas: int, size: int) -> Json:
    parts = {"leaderTemplate": template(name), "workerTemplate": template(name, "worker")}
    spec = {"replicas": replicas, "leaderWorkerTemplate": {"size": size, **parts}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name},
        "spec": spec,
    }


def served(site: Site, name: str, replicas: int) -> None:
    """A Deployment with a Service of its own, as a plan's layout has them."""
    spec = {"replicas": replicas, "selector": {"matchLabels": {"part-of": name}}, "template": template(name)}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    site.api.create(DEPLOYMENTS.format(site.namespace), body)
    front = {"selector": {"part-of": name}, "ports": [{"port": 8000}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"{name}-http"}, "spec": front}
    site.api.create(SERVICES.format(site.namespace), service)


def route(site: Site, **weights: int) -> None:
    references = [
        {"kind": "Service", "name": f"{name}-http", "port": 8000, "weight": each} for name, each in weights.items()
    ]
    spec = {"parentRefs": [{"name": GATEWAY}], "rules": [{"backendRefs": references}]}
    body = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "chat"}}
    site.plane.kubectl(
        "apply", "--server-side", "-n", site.namespace, "-f", "-", stdin=json.dumps({**body, "spec": spec})
    )


def groups_status(site: Site, name: str) -> Json:
    found: Json = site.api.get(f"{GROUPS.format(site.namespace)}/{name}").get("status") or {}
    return found


def settled(site: Site, name: str, replicas: int) -> bool:
    status = groups_status(site, name)
    current = site.api.get(f"{GROUPS.format(site.namespace)}/{name}")["metadata"]["generation"]
    counts = [status.get(each) for each in ("replicas", "readyReplicas", "updatedReplicas")]
    return counts == [replicas] * 3 and status.get("observedGeneration") == current


def test_a_leader_worker_set_becomes_groups_of_pods_that_scale_and_go_with_it(site: Site) -> None:
    path = f"{GROUPS.format(site.namespace)}/big"
    site.api.create(GROUPS.format(site.namespace), group_set("big", replicas=2, size=3))
    wait(lambda: settled(site, "big", 2), "two groups to be Ready")
    pods = {pod["metadata"]["name"]: pod for pod in site.pods()}
    assert sorted(pods) == ["big-0", "big-0-1", "big-0-2", "big-1", "big-1-1", "big-1-2"]
    assert all(pod["metadata"]["annotations"][MADE_BY] == NAME for pod in pods.values())
    env = {each["name"]: each.get("value") for each in pods["big-1-2"]["spec"]["containers"][0]["env"]}
    address = f"big-1.big.{site.namespace}"
    assert env == {"LWS_LEADER_ADDRESS": address, "LWS_GROUP_SIZE": "3", "LWS_WORKER_INDEX": "2"}
    assert site.watcher.ready("chat") == {"big": 2}
    assert {each["type"]: each["status"] for each in groups_status(site, "big")["conditions"]} == {
        "Available": "True",
        "Progressing": "False",
    }

    site.api.patch(f"{path}/scale", {"spec": {"replicas": 1}})
    wait(lambda: settled(site, "big", 1) and len(site.pods()) == 3, "one group to be left")
    assert {pod["metadata"]["uid"] for pod in site.pods()} <= {pod["metadata"]["uid"] for pod in pods.values()}

    # A Pod that is lost takes its group with it.
    first = {pod["metadata"]["uid"] for pod in site.pods()}
    site.api.delete(f"/api/v1/namespaces/{site.namespace}/pods/big-0-1")
    wait(lambda: settled(site, "big", 1) and not first & {pod["metadata"]["uid"] for pod in site.pods()}, "a new group")

    site.api.delete(path)
    wait(lambda: not site.pods(), "garbage collection to remove the Pods")
    wait(lambda: not site.api.items(SERVICES.format(site.namespace)), "garbage collection to remove the Service")
    site.watcher.check()


def test_another_template_starts_one_group_after_the_other(site: Site) -> None:
    site.api.create(GROUPS.format(site.namespace), group_set("big", replicas=2, size=2))
    wait(lambda: settled(site, "big", 2), "two groups to be Ready")
    before = {pod["metadata"]["uid"] for pod in site.pods()}
    part = {"leaderWorkerTemplate": {"leaderTemplate": template("big", image="example.com/engine:2")}}
    with site.watcher.never_below("chat", 1):
        site.api.patch(f"{GROUPS.format(site.namespace)}/big", {"spec": part})
        wait(lambda: settled(site, "big", 2), "the new template")
    assert not before & {pod["metadata"]["uid"] for pod in site.pods()}
    site.watcher.check()


def test_traffic_follows_the_weights_of_the_route_and_prometheus_sees_it_by_pod(site: Site) -> None:
    served(site, "old", 2)
    served(site, "new", 1)
    route(site, old=75, new=25)
    site.traffic.set("chat", 4.0)
    wait(lambda: site.watcher.ready("chat") == {"old": 2, "new": 1}, "the Pods")
    wait(lambda: site.traffic.share("new") == 0.25, "the share of the new ones")
    accepted = wait(lambda: site.api.get(f"{ROUTES.format(site.namespace)}/chat").get("status"), "the route's status")
    told = {each["type"]: each["status"] for each in accepted["parents"][0]["conditions"]}
    assert told == {"Accepted": "True", "ResolvedRefs": "True"}

    rate = f'sum by (pod) (rate(vllm:request_success_total{{namespace="{site.namespace}"}}[5s]))'
    names = {pod["metadata"]["name"] for pod in site.pods()}

    def rates() -> dict[str, float]:
        found = {each["metric"]["pod"]: float(each["value"][1]) for each in site.prometheus.query(rate)}
        near = all(abs(found.get(name, -1.0) - (1.0 if name.startswith("new-") else 1.5)) < 0.1 for name in names)
        return found if near and found.keys() == names else {}

    wait(rates, "Prometheus to see the rates")
    up = site.prometheus.query(f'up{{namespace="{site.namespace}",pod!=""}}')
    assert {each["metric"]["pod"]: each["value"][1] for each in up} == dict.fromkeys(names, "1")

    route(site, old=0, new=100)
    wait(lambda: site.traffic.share("new") == 1.0, "all of the traffic to move")
    assert {rate for pod, rate in site.traffic.rates().items() if pod.startswith("old-")} == {0.0}
    assert site.traffic.shares("new")[-2:] == [0.25, 1.0]

    before = site.traffic.lost("chat")
    site.api.patch(f"{DEPLOYMENTS.format(site.namespace)}/new", {"spec": {"replicas": 0}})
    wait(lambda: site.watcher.ready("chat") == {"old": 2}, "the new Pod to go")
    wait(lambda: site.traffic.lost("chat") > before, "requests to be lost, as nothing stands behind their share")
    gone = f'up{{namespace="{site.namespace}",pod=~"new-.*"}}'
    wait(lambda: not site.prometheus.query(gone), "the series of the Pod that is gone to end")
    route(site, old=100)
    wait(lambda: sum(site.traffic.rates().values()) == 4.0, "the route to lead to Pods again")
    kept = site.traffic.lost("chat")
    assert site.traffic.lost("chat") == kept
    site.watcher.check()


def test_the_watcher_tells_what_is_wrong(site: Site) -> None:
    served(site, "old", 2)
    wait(lambda: site.watcher.ready("chat") == {"old": 2}, "the Pods")
    with site.watcher.never_below("chat", 2) as seen:
        site.api.patch(f"{DEPLOYMENTS.format(site.namespace)}/old", {"spec": {"replicas": 1}})
        wait(lambda: site.watcher.ready("chat") == {"old": 1}, "a Pod to go")
    assert [each.ready.get("chat") for each in seen] == [{"old": 2}, {"old": 1}]
    assert site.watcher.faults
    assert all("chat has {'old': 1} Ready, 2 are to be" in fault for fault in site.watcher.faults)
    site.watcher.faults.clear()
    assert [(each.before, each.after) for each in site.watcher.scaled] == [(0, 2), (2, 1)]

    site.api.patch(f"{DEPLOYMENTS.format(site.namespace)}/old", {"spec": {"replicas": 9}})
    wait(lambda: site.watcher.faults, "the scheduler to find no Node")
    assert site.watcher.faults[0].startswith("no Node has room for old-")


def pod_of(pod: Json, *, ready: bool, uid: str) -> Json:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {**pod, "metadata": {**pod["metadata"], "uid": uid}, "status": {"conditions": conditions}}


def stored(owner: Json, generation: int = 1) -> Json:
    metadata = {**owner["metadata"], "uid": "u-1", "namespace": "serving", "generation": generation}
    return {**owner, "metadata": metadata}


def test_only_one_group_that_serves_is_taken_down_for_a_new_template() -> None:
    owner = stored(group_set("big", replicas=3, size=1))
    pods = [pod_of(pod, ready=True, uid=pod["metadata"]["name"]) for pod in wanted_pods(owner)]
    assert going_pods(owner, pods) == []
    owner["spec"]["leaderWorkerTemplate"]["leaderTemplate"] = template("big", image="example.com/engine:2")
    assert [pod["metadata"]["name"] for pod in going_pods(owner, pods)] == ["big-2"]
    assert going_pods(owner, pods[:2]) == []  # one is on its way
    sick = [pods[0], pod_of(pods[1], ready=False, uid="big-1"), pods[2]]
    assert [pod["metadata"]["name"] for pod in going_pods(owner, sick)] == ["big-1"]
    owner["spec"]["replicas"] = 0
    assert going_pods(owner, pods) == pods


def test_a_condition_that_stays_keeps_its_time() -> None:
    item = {"metadata": {"generation": 2}}
    (told,) = with_times(item, None, ("Accepted", True, "Accepted"))
    old = {**told, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert with_times(item, {"conditions": [old]}, ("Accepted", True, "Other")) == [{**old, "reason": "Other"}]
    (turned,) = with_times(item, {"conditions": [old]}, ("Accepted", False, "Other"))
    assert turned["lastTransitionTime"] != old["lastTransitionTime"]


def test_a_pod_on_its_way_out_is_not_ready() -> None:
    pod = pod_of({"metadata": {}}, ready=True, uid="u")
    assert is_ready(pod)
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not is_ready(pod)
