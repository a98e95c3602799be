"""The reaper on real parts: missing data is never idle, a fleet is reaped within limits, who objects is heard."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.acting_site import Site, acting_plane, soon
from tests.support.acting_watch import Chronicle, Scaled
from tests.support.operator_process import OperatorProcess

Json = dict[str, Any]

AFTER, ANNOUNCED = 10.0, 3.0
CYCLE = 10.0
INPUT, OUTPUT = 512, 128


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture
def site(plane: ControlPlane, prometheus: Path, tmp_path: Path) -> Iterator[Site]:
    with Site(plane, tmp_path, prometheus) as made:
        idle = {"policy": "ScaleToZero", "after": f"{AFTER:.0f}s", "announceFor": f"{ANNOUNCED:.0f}s"}
        made.add_policy(idle={**idle, "warmupGrace": "0s"})
        yield made


def create(site: Site, name: str, *, gpus: int = 1, **idle: Any) -> None:
    """A request for one replica, with traffic."""
    sizes = {"inputTokens": INPUT, "outputTokens": OUTPUT}
    row = {"gpu": "L40S", "tensorParallel": gpus, "pipelineParallel": 1, "precision": "bf16", **sizes}
    model, rate = f"own/{name}", 0.5
    site.traffic.set(name, rate, model=model)
    spec = {
        "mode": "Apply",
        "model": {"name": model, "precisions": [{"name": "bf16"}]},
        "workload": {**sizes, "requestsPerSecond": rate},
        "performance": {"measurements": [{**row, "requestsPerSecond": 1}]},
        "poolSelector": {"matchLabels": {"site": site.namespace}},
        "render": {"image": "example.com/engine:1", "checkpoint": model},
        **({"idle": idle} if idle else {}),
    }
    site.placements.create(name, spec)


def all_are(site: Site, names: list[str], state: str) -> bool:
    """Whether the statuses of all requests say so."""
    found = {item["metadata"]["name"]: item for item in site.placements.all()}
    return all(((found[name].get("status") or {}).get("idle") or {}).get("state") == state for name in names)


def active(site: Site, operator: OperatorProcess, names: list[str]) -> None:
    """Waits until all run and are seen at work."""
    soon(operator, lambda: all(site.watcher.ready(name) for name in names), "all to be Ready")
    soon(operator, lambda: all_are(site, names, "Active"), "all to be active", lambda: states(site))


def states(site: Site) -> Mapping[str, Any]:
    return {item["metadata"]["name"]: (item.get("status") or {}).get("idle") for item in site.placements.all()}


def stays(operator: OperatorProcess, seconds: float, probe: Callable[[], bool], what: str) -> None:
    """Fails as soon as it is not so, within these seconds."""
    end = time.monotonic() + seconds

    def looked() -> bool:
        operator.process.check()
        assert probe(), f"{what} held only until {end - time.monotonic():.1f} s before its time"
        return time.monotonic() >= end

    wait_until(looked, seconds + 30.0, what, poll_s=0.2)


def reaps(site: Site) -> list[Scaled]:
    """What was told to have no replica."""
    return [each for each in site.watcher.scaled if each.after == 0]


def test_nothing_is_reaped_when_all_data_vanishes(site: Site) -> None:
    names = ["alpha", "beta", "gamma"]
    story = Chronicle("all data of Prometheus vanishes")
    site.add_pool("own", 1.0, nodes=1, gpus=4)
    for name in names:
        create(site, name)
    with site.operator() as operator:
        active(site, operator, names)
        story.stage("all active")
        site.traffic.vanish()
        for name in names:
            site.traffic.set(name, 0.0)
        soon(operator, lambda: not site.prometheus.query("vllm:num_requests_running"), "the series to end")
        soon(operator, lambda: all_are(site, names, "Unknown"), "all to be unknown", lambda: states(site))
        story.stage("no series are there: all unknown")
        stays(operator, 2.0 * (AFTER + ANNOUNCED), lambda: not reaps(site), "nobody to be reaped without series")
        assert all(site.reason(name, "Idle") == "SignalMissing" for name in names), states(site)
        story.stage("nothing reaped")

        site.prometheus.process.kill()
        soon(operator, lambda: all_are(site, names, "Unknown"), "all to stay unknown")
        stays(operator, AFTER + ANNOUNCED, lambda: not reaps(site), "nobody to be reaped without Prometheus")
        story.stage("nothing reaped without a server either")

        site.traffic.vanish(gone=False)
        site.prometheus.start()
        soon(operator, lambda: all_are(site, names, "Reaped"), "all to be reaped, as they really idle")
        story.stage("data are back: all reaped")
    site.watcher.check()


def test_fifty_models_that_idle_at_once_are_reaped_within_the_limits(site: Site) -> None:
    names = [f"m{index:02d}" for index in range(50)]
    gpus = {name: 4 if index % 10 == 0 else 1 for index, name in enumerate(names)}
    most_reaps, most_gpus = 10, 14
    story = Chronicle("fifty models idle at once")
    site.add_pool("own", 1.0, nodes=9, gpus=8)
    for name in names:
        create(site, name, gpus=gpus[name])
    with site.operator() as operator:
        active(site, operator, names)
        story.stage("all active")
        site.limit(cycle=f"{CYCLE:.0f}s", maxReapsPerCycle=most_reaps, maxGPUsPerCycle=most_gpus)
        for name in names:
            site.traffic.set(name, 0.0)
        soon(operator, lambda: reaps(site), "the first reap", lambda: states(site))
        story.stage("the first is reaped")
        soon(operator, lambda: all_are(site, names, "Reaped"), "all to be reaped", lambda: states(site))
        story.stage("all are reaped")
    done = reaps(site)
    assert sorted(each.workload.rpartition("-")[0] for each in done) == names
    for first, begin in enumerate(done):
        for last in range(first, len(done)):
            window = done[first : last + 1]
            cycles = int((window[-1].at - begin.at) / CYCLE) + 2  # that such a stretch of time may touch
            assert len(window) <= most_reaps * cycles, story
            assert sum(gpus[each.workload.rpartition("-")[0]] for each in window) <= most_gpus * cycles, story
    site.watcher.check()


def test_what_comes_while_a_reap_is_announced_calls_it_off(site: Site) -> None:
    story = Chronicle("a request comes between the announcement and the reap")
    site.add_pool("own", 1.0, nodes=1, gpus=4)
    create(site, "chat", announceFor="12s")
    with site.operator() as operator:
        active(site, operator, ["chat"])
        site.traffic.set("chat", 0.0)
        soon(operator, lambda: (site.status("chat").get("idle") or {}).get("reapAt"), "the announcement")
        story.stage("announced")
        site.traffic.set("chat", 2.0)
        soon(operator, lambda: site.idle("chat") == "Active", "the traffic to be seen", lambda: states(site))
        site.traffic.set("chat", 0.0)
        story.stage("called off")
        assert "reapAt" not in site.status("chat")["idle"]
        assert not reaps(site)
        soon(operator, lambda: "IdleCancelled" in site.placements.event_reasons("chat"), "the event")
        again = time.monotonic()
        soon(operator, lambda: site.idle("chat") == "Reaped", "the reap, when it idles again", lambda: states(site))
        story.stage("reaped after another window")
        assert reaps(site)[0].at - again > AFTER
    site.watcher.check()


def test_who_objects_is_not_reaped(site: Site) -> None:
    story = Chronicle("wishes")
    site.add_pool("own", 1.0, nodes=2, gpus=4)
    excluded = datetime.now(UTC) + timedelta(hours=1)
    create(site, "plain")
    create(site, "busy")
    create(site, "kept")
    create(site, "later", excludeUntil=excluded.strftime("%Y-%m-%dT%H:%M:%SZ"))
    create(site, "office", keepAwake=[{"cron": "* * * * *", "duration": "2m", "timeZone": "Europe/Berlin"}])
    site.annotate("kept", do_not_reap="holiday")
    quiet = ["plain", "kept", "later", "office"]
    with site.operator() as operator:
        active(site, operator, [*quiet, "busy"])
        for name in quiet:
            site.traffic.set(name, 0.0)
        soon(operator, lambda: site.idle("plain") == "Reaped", "the only one to be reaped", lambda: states(site))
        story.stage("reaped: plain")
        held = ["kept", "later", "office"]
        soon(operator, lambda: all(site.reason(name, "Idle") == "Excluded" for name in held), "the others to be told")
        stays(operator, AFTER, lambda: len(reaps(site)) == 1, "the others to stay")
        assert site.idle("busy") == "Active"
        story.stage("not reaped: busy, kept, later, office")

        site.annotate("kept", do_not_reap=None)
        site.placements.patch("later", {"idle": {"excludeUntil": "2026-01-01T00:00:00Z"}})
        site.placements.patch("office", {"idle": {"keepAwake": None}})
        soon(operator, lambda: all_are(site, quiet, "Reaped"), "all of them to be reaped", lambda: states(site))
        story.stage("reaped: kept, later, office, as nobody objects any more")

        site.placements.patch("office", {"idle": {"keepAwake": [{"cron": "* * * * *", "duration": "2m"}]}})
        soon(operator, lambda: site.watcher.ready("office"), "its calendar to wake it", lambda: states(site))
        story.stage("woken by its calendar: office")
    site.watcher.check()
