"""Other lives than that of test_life.py: InferencePools, several nodes, scarce GPUs, live demand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.acting_life import CHEAP, DEAR, OWN_MODEL, Life, owned, spec
from tests.support.acting_site import GATEWAY, Site, acting_plane
from tests.support.acting_watch import Chronicle


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture
def site(plane: ControlPlane, prometheus: Path, tmp_path: Path) -> Iterator[Site]:
    with Site(plane, tmp_path, prometheus) as made:
        made.add_policy(inputs={"requestQueries": "OwnNamespace", "maxAge": "5s"})
        yield made


def test_inference_pools_share_the_traffic_of_two_layouts(site: Site) -> None:
    site.add_pool(CHEAP, 1.0, nodes=1, gpus=4)
    site.add_pool(DEAR, 2.0, nodes=2, gpus=4)
    route = {"gateway": {"name": GATEWAY}, "backends": "InferencePools"}
    render = {"image": "example.com/engine:1", "checkpoint": "own/model", "route": route}
    with site.operator() as operator:
        life = Life(site, operator, "pooled", Chronicle("two layouts behind InferencePools"))
        site.placements.create("pooled", spec(site, 6.0, model=OWN_MODEL, render=render))
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


def test_where_there_is_no_room_for_both_old_replicas_give_way_one_by_one(site: Site) -> None:
    site.add_pool(CHEAP, 1.0, nodes=2, gpus=2)
    render = {"image": "example.com/engine:1", "checkpoint": "own/model", "route": {"gateway": {"name": GATEWAY}}}
    given = spec(site, 4.0, tensor=2, serves=2.0, model=OWN_MODEL, render=render)
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
    render = {"image": "example.com/engine:1", "checkpoint": "own/model"}
    idle = {"policy": "ScaleToZero", "after": "15s", "announceFor": "2s", "warmupGrace": "0s"}
    demand = {"preset": "vllm", "window": "10s", "headroomPercent": 0, "hysteresisPercent": 5, "statistic": "Peak"}
    given = spec(site, 1.0, model=OWN_MODEL, render=render, idle=idle)
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
