"""The life of a request that is acted on, from its plan to its end; who runs it with -s reads its times.

Real: API server, controllers, scheduler, garbage collection, Prometheus, the operator as its own process. kwok plays
the kubelets; the tests' own controller, labelled as such, plays LeaderWorkerSet's and the gateway's, and the traffic
(tests/support/acting_*).
"""

import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.acting_controller import ROUTES, SERVICES
from tests.support.acting_life import CHEAP, DEAR, OWN_MODEL, Life, owned, spec
from tests.support.acting_site import GATEWAY, Site, acting_plane
from tests.support.acting_watch import DEPLOYMENTS, Chronicle
from tests.support.placements import condition

Json = dict[str, Any]

REQUEST = "placewright.dev/request"


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture
def site(plane: ControlPlane, prometheus: Path, tmp_path: Path) -> Iterator[Site]:
    with Site(plane, tmp_path, prometheus) as made:
        made.add_policy(inputs={"requestQueries": "OwnNamespace", "maxAge": "5s"})
        yield made


def test_a_request_is_planned_rolled_out_moved_blocked_ramped_reaped_woken_and_deleted(site: Site) -> None:
    site.add_pool(CHEAP, 1.0, nodes=1, gpus=4)
    site.add_pool(DEAR, 2.0, nodes=2, gpus=4)
    beside = foreign(site)
    site.market.gauge("revenue_usd_per_hour", 400.0)
    site.prometheus.wait_for("revenue_usd_per_hour")
    with site.operator() as operator:
        life = Life(site, operator, "chat", Chronicle("the life of a request"))
        begin(life)
        grow(life)
        move(life)
        block(life)
        ramp(life)
        reap(life)
        wake(life)
        end(life, beside)
    assert site.traffic.lost("chat") > 0.0, "what came before the first replica was Ready"
    site.watcher.check()


def begin(life: Life) -> None:
    """It is planned, rendered, rolled out, and gets traffic."""
    site = life.site
    gates = {"maxCostToRevenueRatio": 0.5, "revenuePerHourQuery": "sum(revenue_usd_per_hour)"}
    idle = {"policy": "ScaleToZero", "after": "10s", "announceFor": "4s", "warmupGrace": "0s"}
    render = {"image": "example.com/engine:1", "checkpoint": "own/model", "route": {"gateway": {"name": GATEWAY}}}
    site.placements.create("chat", spec(site, 2.0, model=OWN_MODEL, gates=gates, idle=idle, render=render))
    site.traffic.set("chat", 2.0, model="own/model")
    life.reach("planned: 2 replicas", lambda: (site.status("chat").get("plan") or {}).get("replicas") == 2)
    life.reach("rendered: Deployment, Service, HTTPRoute", lambda: rendered(site) == 3)
    life.reach("rolled out: 2 Ready", lambda: life.rolled_out(2) and life.pools() == {CHEAP: 2})
    served = f'sum(increase(vllm:request_success_total{{namespace="{site.namespace}"}}[10s])) > 5'
    life.reach("gets traffic, as Prometheus sees it", lambda: site.prometheus.query(served))
    life.reach("is active", lambda: site.idle("chat") == "Active" and life.says("Idle", "TrafficSeen"))
    assert life.says("Ready", "PlanCurrent"), life.story


def rendered(site: Site) -> int:
    """Objects that the request owns, by reference."""
    uid = site.placements.get("chat")["metadata"]["uid"]
    found = [each for path in (DEPLOYMENTS, SERVICES, ROUTES) for each in site.api.items(path.format(site.namespace))]
    return sum(uid in {each["uid"] for each in item["metadata"].get("ownerReferences") or ()} for item in found)


def grow(life: Life) -> None:
    """More demand than the cheap pool holds: a second layout beside the first, and the route shares by weight."""
    site = life.site
    first, before = site.on(CHEAP, "chat"), set(site.watcher.pods("chat"))
    lost = site.traffic.lost("chat")
    with site.watcher.never_below("chat", 2):
        site.placements.patch("chat", {"workload": {"requestsPerSecond": 6.0}})
        site.traffic.set("chat", 6.0)
        life.reach("grew: 4 on the cheap pool, 2 on the dear one", lambda: life.rolled_out(6))
    second = site.on(DEAR, "chat")
    assert life.ready == {first: 4, second: 2}, life.story
    assert before < set(site.watcher.pods("chat")), "nothing that ran was restarted"
    life.reach("the route shares 2 to 1", lambda: site.weights("chat") == {first: 6667, second: 3333})
    life.lost_nothing_since(lost)


def move(life: Life) -> None:
    """The cheap pool gets dear: the new replicas are up and Ready before the old ones go."""
    site = life.site
    new, lost = site.on(DEAR, "chat"), site.traffic.lost("chat")
    with site.watcher.never_below("chat", 6) as seen:
        site.price(CHEAP, 5.0)
        life.reach("moved by surge: 6 on the other pool", lambda: life.rolled_out(6) and life.pools() == {DEAR: 6})
    totals = [sum(each.ready["chat"].values()) for each in seen]
    assert max(totals) > 6, f"new ones are Ready beside old ones: {totals}\n{life.story}"
    life.reach("the old workload is gone", lambda: site.workloads("chat") == {new: 6})
    assert site.weights("chat") == {new: 10_000}, life.story
    life.lost_nothing_since(lost)


def block(life: Life) -> None:
    """It earns too little: the gate blocks its plan, and what runs keeps running."""
    site = life.site
    pods, lost = set(site.watcher.pods("chat")), site.traffic.lost("chat")
    with site.watcher.never_below("chat", 6):
        site.market.gauge("revenue_usd_per_hour", 4.0)
        life.reach("blocked by a gate", lambda: life.says("Ready", "GateBlocked"))
        more = f'sum(vllm:request_success_total{{namespace="{site.namespace}"}})'
        served = float(site.prometheus.query(more)[0]["value"][1])
        life.reach(
            "30 more requests served meanwhile", lambda: float(site.prometheus.query(more)[0]["value"][1]) > served + 30
        )
        assert life.says("Ready", "GateBlocked"), life.story
        assert set(site.watcher.pods("chat")) == pods, life.story
        site.market.gauge("revenue_usd_per_hour", 400.0)
        life.reach("not blocked any more", lambda: life.says("Ready", "PlanCurrent") and life.rolled_out(6))
    assert set(site.watcher.pods("chat")) == pods, life.story
    life.lost_nothing_since(lost)


def ramp(life: Life) -> None:
    """A new plan takes its share step by step, as the traffic sees it."""
    site = life.site
    old, lost, plan = site.on(DEAR, "chat"), site.traffic.lost("chat"), site.status("chat")["plan"]
    site.add_nodes(CHEAP, nodes=1, gpus=4, batch="b")
    site.placements.patch("chat", {"ramp": {"stepsPercent": [10, 50, 100], "holdFor": "3s"}})
    life.reach("a ramp is asked for", lambda: life.rolled_out(6))
    assert site.status("chat")["plan"]["id"] == plan["id"], "nothing moves for it"
    mark = site.traffic.mark()
    with site.watcher.never_below("chat", 6):
        site.price(CHEAP, 0.5)
        life.reach("ramp: the new plan is Ready beside the old one", lambda: life.pools() == {CHEAP: 6, DEAR: 6})
        new = site.on(CHEAP, "chat")
        for share in (0.1, 0.5, 1.0):
            life.reach(f"ramp: {share:.0%} of the traffic", partial(takes, site, new, mark, share))
        life.reach("ramp: completed", lambda: life.rolled_out(6) and life.pools() == {CHEAP: 6})
    assert site.traffic.shares(new, mark) == [0.0, 0.1, 0.5, 1.0], life.story
    assert (site.status("chat")["ramp"]["phase"], site.weights("chat")) == ("Completed", {new: 10_000}), life.story
    assert old not in site.workloads("chat"), life.story
    life.lost_nothing_since(lost)


def takes(site: Site, workload: str, since: int, share: float) -> bool:
    """Whether a workload had this share of the traffic at any time since a mark."""
    return share in site.traffic.shares(workload, since)


def reap(life: Life) -> None:
    """Nothing comes any more: it is announced, and reaped; its plan and its GPUs in the books stay."""
    site = life.site
    plan = site.status("chat")["plan"]
    site.traffic.set("chat", 0.0)
    life.reach("idle: announced", lambda: site.idle("chat") == "Idle" and "reapAt" in site.status("chat")["idle"])
    assert sum(life.ready.values()) == 6, life.story
    life.reach("reaped: no replica", lambda: site.idle("chat") == "Reaped" and not site.watcher.pods("chat"))
    status = site.status("chat")
    assert status["plan"] == plan, life.story
    assert status["idle"]["avoidedCostPerHour"] == pytest.approx(plan["costPerHour"]), life.story
    assert condition(site.placements.get("chat"), "Idle")["reason"] == "Reaped", life.story
    assert life.rolled_out(0), life.stands()
    life.reach("events told both", lambda: {"IdleAnnounced", "Reaped"} <= set(life.events()))


def wake(life: Life) -> None:
    """Somebody wakes it; what it saved is its price for as long as it was reaped."""
    site = life.site
    since, cost = unix(site.status("chat")["idle"]["since"]), site.status("chat")["plan"]["costPerHour"]
    life.reach("reaped for 3 seconds", lambda: time.time() > since + 3.0)
    site.annotate("chat", wake="now")
    life.reach("woken: 6 Ready", lambda: life.rolled_out(6))
    site.traffic.set("chat", 6.0)
    life.reach("time to ready told", lambda: "timeToReadySeconds" in site.status("chat")["idle"])
    idle = site.status("chat")["idle"]
    life.story.stage(f"it took {idle['timeToReadySeconds']} s; {idle['avoidedDollars']} USD avoided")
    assert 0.0 <= idle["timeToReadySeconds"] < 60.0, life.story
    saved = cost / 3600.0 * (unix(idle["wakeBegan"]) - since)
    assert idle["avoidedDollars"] == pytest.approx(saved, abs=1.5 * cost / 3600.0), "moments are whole seconds"
    life.reach("active again", lambda: site.idle("chat") == "Active")


def end(life: Life, beside: dict[str, Json]) -> None:
    """It is deleted: what was made for it goes, and nothing else."""
    site, uid = life.site, life.site.placements.get("chat")["metadata"]["uid"]
    site.placements.delete("chat")
    life.reach("deleted", lambda: site.placements.find("chat") is None)
    life.reach("no orphans", lambda: not owned(site, uid) and not site.watcher.pods("chat"))
    assert {name: of(item) for name, item in foreign_now(site).items()} == beside, life.story


def unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# ----------------------------------------------------------------------------------------------------- beside it


def foreign(site: Site) -> dict[str, Json]:
    """Things of others with the same labels and without our owner reference."""
    labels = {REQUEST: "chat", "app.kubernetes.io/part-of": "chat"}
    metadata = {"name": "beside", "labels": labels}
    pod = {"metadata": {"labels": {"app": "beside"}}, "spec": {"containers": [{"name": "main", "image": "other"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "beside"}}, "template": pod}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    site.api.create(DEPLOYMENTS.format(site.namespace), made)
    front = {"selector": {"app": "beside"}, "ports": [{"port": 80}]}
    site.api.create(
        SERVICES.format(site.namespace), {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": front}
    )
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
    site.api.create(f"/api/v1/namespaces/{site.namespace}/configmaps", given)
    return {name: of(item) for name, item in foreign_now(site).items()}


def foreign_now(site: Site) -> dict[str, Json]:
    paths = (DEPLOYMENTS, SERVICES, "/api/v1/namespaces/{}/configmaps")
    return {path: site.api.get(f"{path.format(site.namespace)}/beside") for path in paths}


def of(item: Json) -> Json:
    """What nobody else may change of an object."""
    metadata = {key: item["metadata"].get(key) for key in ("uid", "generation", "labels", "ownerReferences")}
    return {"metadata": metadata, **{key: item[key] for key in ("spec", "data") if key in item}}
