"""The life of a request that is acted on, from its plan to its end; who runs it with -s reads its times.

Real: API server, controllers, scheduler, garbage collection, Prometheus, the operator as its own process. kwok plays
the kubelets; the tests' own controller, labelled as such, plays LeaderWorkerSet's and the gateway's, and the traffic
(tests/support/acting_*).
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.acting_controller import ROUTES, SERVICES
from tests.support.acting_site import GATEWAY, Site, acting_plane, soon
from tests.support.acting_watch import DEPLOYMENTS, Chronicle
from tests.support.operator_process import OperatorProcess
from tests.support.placements import condition

Json = dict[str, Any]

CHEAP, DEAR = "cheap", "dear"
INPUT, OUTPUT = 512, 128
REQUEST = "placewright.dev/request"
KINDS = "deployments,replicasets,leaderworkersets,pods,services,endpointslices,configmaps,httproutes,inferencepools"


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture
def site(plane: ControlPlane, prometheus: Path, tmp_path: Path) -> Iterator[Site]:
    with Site(plane, tmp_path, prometheus) as made:
        made.add_policy(inputs={"requestQueries": "OwnNamespace", "maxAge": "5s"})
        yield made


def spec(site: Site, rate: float, *, tensor: int = 1, pipeline: int = 1, serves: float = 1.0, **more: Any) -> Json:
    """A request on the site's pools whose only layout is measured; one replica serves `serves` requests per second."""
    sizes = {"inputTokens": INPUT, "outputTokens": OUTPUT}
    row = {"gpu": "L40S", "tensorParallel": tensor, "pipelineParallel": pipeline, "precision": "bf16", **sizes}
    return {
        "mode": "Apply",
        "workload": {**sizes, "requestsPerSecond": rate},
        "performance": {"measurements": [{**row, "requestsPerSecond": serves}]},
        "poolSelector": {"matchLabels": {"site": site.namespace}},
        "stabilization": {"minDwell": "1s", "loadTime": "0s"},
        "rollout": {"strategy": "Surge", "progressDeadline": "60s"},
        **more,
    }


@dataclass
class Life:
    """A request that lives, with whoever writes its story."""

    site: Site
    operator: OperatorProcess
    name: str
    story: Chronicle

    def reach(self, text: str, probe: Callable[[], Any]) -> None:
        """Waits for a stage, and writes it down."""
        soon(self.operator, probe, f"{self.name}: {text}", lambda: f"{self.story}\n{self.stands()}")
        self.site.watcher.check()
        self.story.stage(text)

    def stands(self) -> str:
        status = self.site.status(self.name) if self.site.placements.find(self.name) else {}
        told = {key: status.get(key) for key in ("conditions", "rollout", "idle", "ramp")}
        return f"{told}\nworkloads {self.site.workloads(self.name)}, Ready {self.ready}"

    @property
    def ready(self) -> dict[str, int]:
        return self.site.watcher.ready(self.name)

    def rolled_out(self, total: int) -> bool:
        """Whether the condition says so of the newest spec, and it is so."""
        found = self.site.placements.get(self.name)
        applied = condition(found, "Applied")
        current = (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]
        done = current and (applied.get("status"), applied.get("reason")) == ("True", "RolledOut")
        return done and sum(self.ready.values()) == total == sum(self.site.workloads(self.name).values())

    def says(self, kind: str, reason: str) -> bool:
        return self.site.reason(self.name, kind) == reason

    def pool_of(self, workload: str) -> str:
        return next((pool for pool in (CHEAP, DEAR) if self.site.on(pool, self.name) == workload), "")

    def pools(self) -> dict[str, int]:
        """Ready replicas by pool."""
        return {self.pool_of(workload): count for workload, count in self.ready.items()}

    def lost_nothing_since(self, lost: float) -> None:
        """Fails where a request was lost, and tells when, with what the operator did."""
        if self.site.traffic.lost(self.name) != lost:
            acted = [f"{line['timestamp'][11:23]} {line['action']}" for line in self.operator.log("acted")]
            told = sorted([*self.story.lines, *self.site.traffic.losses, *acted])
            raise AssertionError("\n".join(told))

    def events(self) -> list[str]:
        return self.site.placements.event_reasons(self.name)


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
    model = {"name": "own/model", "precisions": [{"name": "bf16"}]}
    site.placements.create("chat", spec(site, 2.0, model=model, gates=gates, idle=idle, render=render))
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


def unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def end(life: Life, beside: dict[str, Json]) -> None:
    """It is deleted: what was made for it goes, and nothing else."""
    site, uid = life.site, life.site.placements.get("chat")["metadata"]["uid"]
    site.placements.delete("chat")
    life.reach("deleted", lambda: site.placements.find("chat") is None)
    life.reach("no orphans", lambda: not owned(site, uid) and not site.watcher.pods("chat"))
    assert {name: of(item) for name, item in foreign_now(site).items()} == beside, life.story


# ----------------------------------------------------------------------------------------------- InferencePools


def test_inference_pools_share_the_traffic_of_two_layouts(site: Site) -> None:
    site.add_pool(CHEAP, 1.0, nodes=1, gpus=4)
    site.add_pool(DEAR, 2.0, nodes=2, gpus=4)
    route = {"gateway": {"name": GATEWAY}, "backends": "InferencePools"}
    render = {"image": "example.com/engine:1", "checkpoint": "own/model", "route": route}
    model = {"name": "own/model", "precisions": [{"name": "bf16"}]}
    with site.operator() as operator:
        life = Life(site, operator, "pooled", Chronicle("two layouts behind InferencePools"))
        site.placements.create("pooled", spec(site, 6.0, model=model, render=render))
        site.traffic.set("pooled", 6.0, model="own/model")
        life.reach("rolled out", lambda: life.rolled_out(6) and life.pools() == {CHEAP: 4, DEAR: 2})
        old, new, lost = site.on(CHEAP, "pooled"), site.on(DEAR, "pooled"), site.traffic.lost("pooled")
        life.reach("the route shares 2 to 1", lambda: site.traffic.share(old) == pytest.approx(2 / 3, abs=1e-3))
        assert site.weights("pooled") == {old: 6667, new: 3333}
        with site.watcher.never_below("pooled", 6):
            site.price(CHEAP, 5.0)
            life.reach("moved by surge", lambda: life.rolled_out(6) and life.pools() == {DEAR: 6})
        life.lost_nothing_since(lost)
    site.watcher.check()


# ---------------------------------------------------------------------------------------------- over several nodes


def test_a_model_over_several_nodes_lives_too(site: Site) -> None:
    """Without a route: a Service spreads the traffic. It wakes for the queue in front of it."""
    site.add_pool(CHEAP, 1.0, nodes=6, gpus=2)
    site.add_pool(DEAR, 2.0, nodes=6, gpus=2)
    site.market.gauge("waiting_requests", 0.0)
    site.prometheus.wait_for("waiting_requests")
    name = "meta-llama/Llama-3.1-8B-Instruct"
    model = {"name": name, "precisions": [{"name": "bf16"}]}
    idle = {"policy": "ScaleToZero", "after": "10s", "announceFor": "2s", "warmupGrace": "0s"}
    queue = {"prometheusQuery": "sum(waiting_requests)"}
    render = {"image": "example.com/engine:1"}
    given = spec(site, 4.0, tensor=2, pipeline=3, serves=2.0, model=model, render=render, idle={**idle, "queue": queue})
    with site.operator() as operator:
        life = Life(site, operator, "large", Chronicle("the life of a model over several nodes"))
        site.placements.create("large", given)
        site.traffic.set("large", 4.0, model=name)
        life.reach("rolled out: 2 groups of 3 Pods", lambda: life.rolled_out(2) and life.pools() == {CHEAP: 2})
        assert len(site.watcher.pods("large")) == 6
        life.reach("is active", lambda: site.idle("large") == "Active")
        surge(life)
        sleep_and_wake(life)
        uid = site.placements.get("large")["metadata"]["uid"]
        site.placements.delete("large")
        life.reach("no orphans", lambda: not owned(site, uid) and not site.watcher.pods("large"))
    site.watcher.check()


def surge(life: Life) -> None:
    """Both groups move: new ones are Ready before the old ones go."""
    site, lost = life.site, life.site.traffic.lost("large")
    with site.watcher.never_below("large", 2):
        site.price(CHEAP, 9.0)
        life.reach("moved by surge", lambda: life.rolled_out(2) and life.pools() == {DEAR: 2})
    life.lost_nothing_since(lost)


def sleep_and_wake(life: Life) -> None:
    """It is reaped, and woken by what waits in front of it."""
    site = life.site
    site.traffic.set("large", 0.0)
    life.reach("reaped", lambda: site.idle("large") == "Reaped" and not site.watcher.pods("large"))
    site.market.gauge("waiting_requests", 3.0)
    life.reach("woken by the queue: 2 groups Ready", lambda: life.rolled_out(2))
    site.traffic.set("large", 4.0)
    site.market.gauge("waiting_requests", 0.0)
    life.reach("active again", lambda: site.idle("large") == "Active")
    assert site.status("large")["idle"]["timeToReadySeconds"] < 60.0, life.story


# --------------------------------------------------------------------------------------------- scarce, and live


def test_where_there_is_no_room_for_both_old_replicas_give_way_one_by_one(site: Site) -> None:
    site.add_pool(CHEAP, 1.0, nodes=2, gpus=2)
    model = {"name": "own/model", "precisions": [{"name": "bf16"}]}
    render = {"image": "example.com/engine:1", "checkpoint": "own/model", "route": {"gateway": {"name": GATEWAY}}}
    given = spec(site, 4.0, tensor=2, serves=2.0, model=model, render=render)
    rows = given["performance"]["measurements"]
    rows.append({**rows[0], "tensorParallel": 1, "requestsPerSecond": 1.0})
    with site.operator() as operator:
        life = Life(site, operator, "tight", Chronicle("a move within the GPUs that it has"))
        site.placements.create("tight", {**given, "parallelism": {"tensor": [2]}})
        site.traffic.set("tight", 4.0, model="own/model")
        life.reach("rolled out: 2 replicas fill the pool", lambda: life.rolled_out(2))
        old, lost = site.on(CHEAP, "tight"), site.traffic.lost("tight")
        with site.watcher.never_below("tight", 1):
            site.placements.patch("tight", {"parallelism": {"tensor": [1]}})
            life.reach("moved one by one: 4 replicas of half the size", lambda: life.rolled_out(4))
        assert old not in life.ready, life.story
        life.lost_nothing_since(lost)

        site.placements.patch("tight", {"parallelism": {"tensor": [2]}, "rollout": {"strategy": "Hold"}})
        life.reach("holds for stock", lambda: life.says("Applied", "Waiting"))
        assert life.ready == {next(iter(life.ready)): 4}, life.stands()
        with site.watcher.never_below("tight", 2):
            site.add_nodes(CHEAP, nodes=2, gpus=2, batch="b")
            life.reach("moved, as Nodes came", lambda: life.rolled_out(2))
        assert site.on(CHEAP, "tight") == old, life.story
        life.lost_nothing_since(lost)
    site.watcher.check()


def test_a_request_that_follows_its_traffic_lives_too(site: Site) -> None:
    """Without series a reaped model has no demand that anybody knows: it keeps its plan, and wakes to it."""
    site.add_pool(CHEAP, 1.0, nodes=2, gpus=4)
    model = {"name": "own/model", "precisions": [{"name": "bf16"}]}
    render = {"image": "example.com/engine:1", "checkpoint": "own/model"}
    idle = {"policy": "ScaleToZero", "after": "15s", "announceFor": "2s", "warmupGrace": "0s"}
    demand = {"preset": "vllm", "window": "10s", "headroomPercent": 0, "hysteresisPercent": 5, "statistic": "Peak"}
    given = spec(site, 1.0, model=model, render=render, idle=idle)
    with site.operator() as operator:
        life = Life(site, operator, "live", Chronicle("the life of a request that follows its traffic"))
        site.placements.create("live", given)
        site.traffic.set("live", 1.0, model="own/model")
        life.reach("rolled out for the demand that it was given", lambda: life.rolled_out(1))
        served = f'sum(rate(vllm:request_success_total{{namespace="{site.namespace}"}}[10s])) > 0.9'
        life.reach("its traffic is seen", lambda: site.prometheus.query(served))
        site.placements.patch("live", {"workload": {"requestsPerSecond": None, "demandFrom": demand}})
        lost = site.traffic.lost("live")
        site.traffic.set("live", 3.0)
        life.reach("follows its traffic: 3 replicas", lambda: life.rolled_out(3))
        life.lost_nothing_since(lost)
        site.traffic.set("live", 0.0)
        life.reach("reaped", lambda: site.idle("live") == "Reaped" and not site.watcher.pods("live"))
        plan = site.status("live")["plan"]
        gone = f'up{{namespace="{site.namespace}",pod!=""}}'
        life.reach("all of its series ended", lambda: not site.prometheus.query(gone))
        life.reach("its demand is not known any more", lambda: life.says("InputsFresh", "DemandUnavailable"))
        assert site.status("live")["plan"] == plan, life.stands()
        site.annotate("live", wake="now")
        life.reach("woken to the plan that it had", lambda: life.rolled_out(plan["replicas"]))
        site.traffic.set("live", 2.0)
        life.reach("follows its traffic again: 2 replicas", lambda: life.rolled_out(2))
    site.watcher.check()


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


def owned(site: Site, uid: str) -> list[str]:
    """All that is owned by this uid, or by something that is."""
    found = site.plane.kubectl("get", KINDS, "-n", site.namespace, "-o", "json").stdout
    items = json.loads(found)["items"]
    uids, names = {uid}, set[str]()
    for _ in items:  # as deep as it goes
        for item in items:
            if uids & {each["uid"] for each in item["metadata"].get("ownerReferences") or ()}:
                uids.add(item["metadata"]["uid"])
                names.add(f"{item['kind']}/{item['metadata']['name']}")
    return sorted(names)
