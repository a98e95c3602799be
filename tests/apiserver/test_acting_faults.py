"""SIGKILL at every moment of a move, a reap and a wake; refusals of the API server; replicas that never get Ready.

Real: API server, controllers, scheduler, Prometheus, the operator as its own process. What a gateway would do, and the
traffic, is played by the tests' own stand-ins (tests/support/acting_*).
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.assets import Finder
from tests.controlplane.server import ControlPlane
from tests.support.acting_site import GATEWAY, Site, acting_plane, soon, wait
from tests.support.operator_process import OperatorProcess
from tests.support.placements import condition

Json = dict[str, Any]

MOVE = (
    "decided",
    "before-report",
    "after-report",
    "before-apply",
    "after-apply",
    "before-weigh",
    "after-weigh",
    "before-remove",
    "after-remove",
)
REAP = ("before-reap", "before-scale", "after-scale", "after-reap")
WAKE = ("before-wake", "before-scale", "after-wake")
MODEL = {"name": "own/model", "precisions": [{"name": "bf16"}]}


@pytest.fixture(scope="module")
def plane(finder: Finder) -> Iterator[ControlPlane]:
    with acting_plane(finder) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("acting-faults")


@pytest.fixture(scope="module")
def site(plane: ControlPlane, prometheus: Path, folder: Path) -> Iterator[Site]:
    with Site(plane, folder, prometheus) as made:
        made.add_pool("gpus", 1.0, nodes=2, gpus=4)
        yield made


@pytest.fixture(scope="module")
def moved(site: Site) -> Iterator[str]:
    """A request that is rolled out and gets traffic."""
    site.placements.create("chat", spec(site, tensor=1))
    site.traffic.set("chat", 2.0, model="own/model")
    with site.operator() as operator:
        soon(operator, lambda: rolled_out(site, "chat"), "chat to be rolled out")
    yield "chat"
    site.placements.delete("chat")
    wait(lambda: not site.watcher.pods("chat"), "chat to go")


@pytest.fixture(scope="module")
def idling(site: Site) -> Iterator[str]:
    """A request that is rolled out and does nothing."""
    idle = {"policy": "ScaleToZero", "after": "10s", "announceFor": "2s", "warmupGrace": "0s"}
    site.placements.create("nap", spec(site, tensor=1, idle=idle, render={"image": "example.com/engine:1"}))
    site.traffic.set("nap", 0.0, model="own/model")
    with site.operator() as operator:
        soon(operator, lambda: rolled_out(site, "nap"), "nap to be rolled out")
    yield "nap"
    site.placements.delete("nap")
    wait(lambda: not site.watcher.pods("nap"), "nap to go")


# ---------------------------------------------------------------------------------------------------- SIGKILL


@pytest.mark.parametrize("moment", MOVE)
def test_a_move_goes_on_after_a_sigkill_at(site: Site, moved: str, folder: Path, moment: str) -> None:
    site.watcher.check()
    old = set(site.workloads(moved))
    tensor = 1 if tensor_of(site, moved) == 2 else 2
    site.placements.patch(moved, spec(site, tensor=tensor))
    with site.watcher.never_below(moved, 1):
        killed(site, folder, moment)
        with site.operator() as operator:
            soon(operator, lambda: rolled_out(site, moved), f"{moved} to be rolled out")
            soon(operator, lambda: len(site.workloads(moved)) == 1, "the old workload to go")
            soon(operator, lambda: services(site, moved) == 1, "what brought it traffic to go")
    assert old.isdisjoint(site.workloads(moved))
    assert sum(site.watcher.ready(moved).values()) == 1
    site.watcher.check()


@pytest.mark.parametrize("moment", REAP)
def test_a_reap_ends_well_after_a_sigkill_at(site: Site, idling: str, folder: Path, moment: str) -> None:
    awake(site, idling)
    killed(site, folder, moment)
    with site.operator() as operator:
        soon(operator, lambda: site.idle(idling) == "Reaped", f"{idling} to be reaped")
        assert set(site.workloads(idling).values()) == {0}
        assert rolled_out(site, idling)
    site.watcher.check()


@pytest.mark.parametrize("moment", ["before-reap", "before-scale"])
def test_what_is_asked_for_again_is_not_reaped_after_a_sigkill_at(
    site: Site, idling: str, folder: Path, moment: str
) -> None:
    awake(site, idling)
    with site.watcher.never_below(idling, 1):
        killed(site, folder, moment)
        site.traffic.set(idling, 2.0, model="own/model")
        try:
            served = f'sum(increase(vllm:request_success_total{{namespace="{site.namespace}",pod=~"nap-.*"}}[5s])) > 0'
            site.prometheus.wait_for(served)
            with site.operator() as operator:
                soon(operator, lambda: site.idle(idling) == "Active", f"{idling} to be active")
                assert set(site.workloads(idling).values()) == {1}
        finally:
            site.traffic.set(idling, 0.0, model="own/model")
    site.watcher.check()


@pytest.mark.parametrize("moment", WAKE)
def test_a_wake_goes_on_after_a_sigkill_at(site: Site, idling: str, folder: Path, moment: str) -> None:
    with site.operator() as operator:
        soon(operator, lambda: site.idle(idling) == "Reaped", f"{idling} to be reaped")
    site.annotate(idling, wake=f"please-{moment}")
    killed(site, folder, moment)
    with site.operator() as operator:
        soon(operator, lambda: sum(site.watcher.ready(idling).values()) == 1, f"{idling} to serve")
        soon(operator, lambda: "timeToReadySeconds" in site.status(idling)["idle"], "the time of the wake")
        assert site.status(idling)["idle"]["wokenBy"] == f"please-{moment}"
    site.watcher.check()


# ---------------------------------------------------------------------------------------------------- helpers


def spec(site: Site, *, tensor: int, **more: Any) -> Json:
    """One replica of so many GPUs."""
    sizes = {"inputTokens": 512, "outputTokens": 128}
    row = {"gpu": "L40S", "tensorParallel": tensor, "pipelineParallel": 1, "precision": "bf16", **sizes}
    return {
        "mode": "Apply",
        "model": MODEL,
        "workload": {**sizes, "requestsPerSecond": 1.0},
        "performance": {"measurements": [{**row, "requestsPerSecond": 2.0}]},
        "poolSelector": {"matchLabels": {"site": site.namespace}},
        "stabilization": {"minDwell": "1s", "loadTime": "0s"},
        "rollout": {"strategy": "Surge", "progressDeadline": "60s"},
        "render": {"image": "example.com/engine:1", "route": {"gateway": {"name": GATEWAY}}},
        **more,
    }


def killed(site: Site, folder: Path, moment: str) -> None:
    """An operator that acts until it is killed at this moment."""
    process = OperatorProcess(
        site.plane.kubeconfig,
        folder,
        namespaces=[site.namespace],
        arguments=[
            "--apply",
            "--act-interval=0.5",
            "--resync=10",
            f"--prometheus-url={site.prometheus.url}",
            "--prometheus-timeout=2",
            "--fleet-debounce=0.1",
            f"--die-at={moment}",
        ],
        test_solves=True,
    )
    process.launch()
    try:
        wait(lambda: not process.process.running, f"the operator to pass {moment}")
    finally:
        process.stop()
    assert process.process.returncode == -9, process.process.log_tail(30)


def awake(site: Site, name: str) -> None:
    """Wakes what is reaped, and waits until it is no longer kept awake."""
    if site.idle(name) != "Reaped":
        return
    with site.operator() as operator:
        site.annotate(name, wake=f"again-{next(_WORDS)}")
        soon(operator, lambda: sum(site.watcher.ready(name).values()) == 1, f"{name} to serve")
        soon(operator, lambda: "timeToReadySeconds" in site.status(name)["idle"], f"{name} to be awake")


_WORDS = itertools.count()


def rolled_out(site: Site, name: str) -> bool:
    found = site.placements.get(name)
    status, applied = found.get("status") or {}, condition(found, "Applied")
    current = applied.get("observedGeneration") == found["metadata"]["generation"] == status.get("observedGeneration")
    return bool(current) and applied.get("reason") == "RolledOut"


def tensor_of(site: Site, name: str) -> int:
    row = site.placements.get(name)["spec"]["performance"]["measurements"][0]
    return int(row["tensorParallel"])


def services(site: Site, name: str) -> int:
    """Services that the request owns."""
    found = site.api.items(f"/api/v1/namespaces/{site.namespace}/services")
    uid = site.placements.get(name)["metadata"]["uid"]
    return sum(uid in {each["uid"] for each in item["metadata"].get("ownerReferences") or ()} for item in found)
