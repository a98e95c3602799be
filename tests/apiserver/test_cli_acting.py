"""`placewright pause`, `resume`, `wake` and `idle` on a real API server: what they write, refuse, tell and wait for."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from tests.controlplane.processes import wait_until
from tests.controlplane.rest import ApiError
from tests.controlplane.server import NOBODY, ControlPlane
from tests.support.placements import MERGE, Placements

Json = dict[str, Any]
POLICIES = "/apis/placewright.dev/v1alpha1/placementpolicies"
RENDER = {"image": "registry.example/vllm:1"}


def plan(plan_id: str = "p-b2", cost: float = 12.5) -> Json:
    stage = {"pool": "l40s", "gpu": "L40S", "tensorParallel": 1, "firstLayer": 0, "lastLayer": 31, "gpus": 1}
    figures = {
        "costPerHour": cost,
        "costPerMillionTokens": 2.0,
        "tokensPerSecond": 100.0,
        "requestsPerSecond": 0.1,
        "precision": "bf16",
        "replicas": 2,
    }
    layout = {**figures, "weight": 1.0, "maxConcurrency": 16, "stages": [stage], "engineArgs": []}
    return {
        **figures,
        "id": plan_id,
        "state": "Approved",
        "pool": "l40s",
        "decidedAt": "2026-11-21T10:00:00Z",
        "tensorParallel": 1,
        "pipelineParallel": 1,
        "totalGPUs": 2,
        "gpusByPool": {"l40s": 2},
        "ttftSeconds": 0.2,
        "tpotSeconds": 0.02,
        "layouts": [layout],
    }


def idle(state: str, **more: Any) -> Json:
    told = {"since": "2026-11-21T10:00:00Z", "reason": "NoTraffic", "message": f"it is {state}"}
    return {"state": state, **told, **more}


def failed(**more: Any) -> Json:
    told = {"reason": "RolloutFailed", "message": "1 of 2 replicas is not Ready", "trouble": "ImagePullBackOff"}
    at = "2026-11-21T10:00:00Z"
    return {"planId": "p-b2", "phase": "Failed", **told, "since": at, "failures": 1, "failedAt": at, **more}


def condition(kind: str, status: str, reason: str) -> Json:
    when = {"lastTransitionTime": "2026-11-21T10:00:00Z", "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": reason, "message": f"{reason} it is", **when}


class Site:
    """One request, as an operator would have left it."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.placements = Placements(plane.admin, namespace)

    def make(self, *, mode: str = "Apply", name: str = "chat", spec: Json | None = None, **status: Any) -> None:
        made = self.placements.create(name)
        changed = {"mode": mode, **({"render": RENDER} if mode == "Apply" else {}), **(spec or {})}
        self.placements.patch(name, changed)
        self.placements.patch_status(
            name, {"observedGeneration": made["metadata"]["generation"], "plan": plan(), **status}
        )

    def run(self, *arguments: str, kubeconfig: Path | None = None, everywhere: bool = False) -> Result:
        where = [] if everywhere else ["-n", self.namespace]
        return CliRunner().invoke(
            cli,
            [*arguments, *where, "--kubeconfig", str(kubeconfig or self.plane.kubeconfig)],
            prog_name="placewright",
            env={"COLUMNS": "120"},  # names of namespaces differ, and lines must not be cut by it
        )

    @property
    def annotations(self) -> dict[str, str]:
        return ours(self.placements.get("chat"))

    def operate(self, act: Callable[[], None]) -> threading.Thread:
        """What an operator does once somebody has woken the request."""

        def work() -> None:
            wait_until(lambda: self.annotations.get("wake"), 60, "the annotation")
            act()

        acting = threading.Thread(target=work)
        acting.start()
        return acting


def ours(resource: Json) -> dict[str, str]:
    found = resource["metadata"].get("annotations") or {}
    return {name.removeprefix("placewright.dev/"): value for name, value in found.items()}


@pytest.fixture
def site(control_plane: ControlPlane, crds: list[Path], namespace: str) -> Iterator[Site]:
    assert crds
    return Site(control_plane, namespace)


def refusal(result: Result) -> str:
    """The one line of a command that has done nothing."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


# ------------------------------------------------------------------------------------------- pause and resume of one


def test_a_pause_says_why_and_who_and_twice_is_once(site: Site) -> None:
    site.make()

    done = site.run("pause", "chat", "--reason", "new  kernel")
    version = site.placements.versions()
    again = site.run("pause", "chat")

    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{site.namespace}/chat: paused (new kernel); what runs goes on, nothing is acted on it until"
        f" `placewright resume chat -n {site.namespace}`\n"
    )
    assert site.annotations["pause"] == "new kernel"
    assert site.annotations["actor"]
    assert "paused already (new kernel)" in again.stdout
    assert site.placements.versions() == version


def test_another_reason_takes_the_place_of_the_one_before(site: Site) -> None:
    site.make(mode="Recommend")

    told = site.run("pause", "chat").stdout
    site.run("pause", "chat", "--reason", "holidays")

    assert "paused (by hand)" in told
    assert "its mode is Recommend, so nothing is acted on it anyway" in told
    assert site.annotations["pause"] == "holidays"


def test_a_resume_takes_the_pause_away_and_twice_is_once(site: Site) -> None:
    site.make()
    site.run("pause", "chat", "--reason", "holidays")

    done = site.run("resume", "chat")
    version = site.placements.versions()
    again = site.run("resume", "chat")

    assert done.stdout == f"{site.namespace}/chat: goes on after its pause (holidays)\n"
    assert "pause" not in site.annotations
    assert again.exit_code == 0
    assert "nothing to do, it is not paused and no rollout of it failed" in again.stdout
    assert site.placements.versions() == version


@pytest.mark.parametrize("reason", ["Paused", "BrakeEngaged"])
def test_a_resume_of_one_tells_what_holds_all(site: Site, reason: str) -> None:
    site.make(conditions=[condition("Applied", "False", reason)])

    told = site.run("resume", "chat").stdout

    assert "nothing to do, it is not paused" in told
    assert f"; the fleet holds it ({reason} it is): `placewright resume --fleet`" in told


def test_a_resume_names_the_failure_that_is_tried_again(site: Site) -> None:
    site.make(rollout=failed())

    done = site.run("resume", "chat")
    version = site.placements.versions()
    again = site.run("resume", "chat")

    assert "the rollout of p-b2, which failed (ImagePullBackOff), is tried again at once" in done.stdout
    assert "is tried again at once" in again.stdout
    assert site.annotations["retry"] == "p-b2/2026-11-21T10:00:00Z"
    assert site.placements.versions() == version  # the same failure needs no second word


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pause",), "got neither NAME nor --fleet, wants one of them"),
        (("pause", "chat", "--fleet"), "got both NAME (chat) and --fleet, wants one of them"),
        (("pause", "--fleet"), "-n wants NAME; --fleet is all namespaces"),
        (("resume", "chat", "--policy", "default"), "--policy wants --fleet"),
        (("pause", "chat", "--reason", " "), "--reason: got '', wants 1 to 256 printable characters that say why"),
        (("pause", "chat", "--reason", "false"), "--reason: got 'false', wants 1 to 256"),
        (("pause", "chat", "--reason", "x" * 300), "--reason: got 300 characters, wants 1 to 256"),
        (("pause", "nobody"), "NAME: got nobody, which is not there, wants a PlacementRequest of namespace"),
        (("resume", "nobody"), "NAME: got nobody, which is not there"),
        (("wake", "nobody"), "NAME: got nobody, which is not there"),
        (("idle", "nobody"), "NAME: got nobody, which is not there"),
        (("idle", "-A"), "-A does not go with -n"),
    ],
)
def test_what_makes_no_sense_is_one_line(site: Site, arguments: tuple[str, ...], told: str) -> None:
    site.make()

    assert told in refusal(site.run(*arguments))
    assert not site.annotations


# ------------------------------------------------------------------------------------------------------------- wake


def test_a_wake_writes_a_new_value_each_time(site: Site) -> None:
    site.make(idle=idle("Reaped", replicasBefore=2, timeToReadySeconds=240.0))

    done = site.run("wake", "chat")
    first = site.annotations["wake"]
    site.run("wake", "chat")

    assert done.stdout == (
        f"{site.namespace}/chat: is woken, and gets its 2 replicas back at the operator's next look; the last time all"
        " were Ready after 4 min\n"
    )
    assert re.fullmatch(r"2[0-9-]+T[0-9:.]+Z", first)
    assert site.annotations["wake"] > first
    assert site.annotations["actor"]


def test_a_wake_calls_an_announced_reap_off(site: Site) -> None:
    site.make(idle=idle("Idle", reapAt="2026-11-21T10:05:00Z"))

    def act() -> None:
        kept = idle("Idle", reapAt=None, wokenBy=site.annotations["wake"], timeToReadySeconds=0.0)
        site.placements.patch_status("chat", {"idle": kept})

    acting = site.operate(act)
    done = site.run("wake", "chat", "--wait")
    acting.join()

    assert done.exit_code == 0, done.output
    assert "the reap at 2026-11-21T10:05:00Z is called off" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{site.namespace}/chat: all replicas are Ready; none had to start"


def test_a_request_that_wakes_is_not_woken_twice(site: Site) -> None:
    site.make(idle=idle("Waking", wakeBegan="2026-11-21T10:01:00Z"))

    done = site.run("wake", "chat")

    assert done.exit_code == 0
    assert "is waking already, since 2026-11-21T10:01:00Z" in done.stdout
    assert "wake" not in site.annotations


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"mode": "Recommend", "idle": idle("Idle")}, "got a request with mode Recommend, which is never reaped"),
        ({"idle": idle("Active")}, "got a request that is Active (it is Active), wants one that is reaped"),
        ({"idle": idle("Idle")}, "got a request that is Idle (it is Idle), wants one that is reaped, or is to be"),
        ({}, "got a request without status.idle: no idle policy looks after it (yet)"),
        (
            {"spec": {"suspend": True}, "idle": idle("Reaped")},
            "got a request that is suspended, on which nothing is acted, wants spec.suspend: false first",
        ),
    ],
)
def test_what_is_not_reaped_is_not_woken(site: Site, made: Json, told: str) -> None:
    site.make(**made)

    assert told in refusal(site.run("wake", "chat"))
    assert not site.annotations


def test_a_wake_tells_what_holds_it(site: Site) -> None:
    site.make(idle=idle("Reaped"), conditions=[condition("Applied", "False", "Denied")])

    denied = site.run("wake", "chat").stderr
    site.run("pause", "chat", "--reason", "holidays")
    paused = site.run("wake", "chat").stderr

    assert denied == "note: it does not wake as long as Applied is Denied: Denied it is\n"
    assert paused == (f"note: it is paused (holidays), and wakes after `placewright resume chat -n {site.namespace}`\n")


def workload(ready: int, replicas: int) -> Json:
    return {"kind": "Deployment", "name": "chat-x", "replicas": replicas, "readyReplicas": ready}


def moving(phase: str, ready: int, **more: Any) -> Json:
    told = {"reason": phase, "message": phase, "since": "2026-11-21T10:00:00Z", "failures": 0}
    return {"planId": "p-b2", "phase": phase, **told, "workloads": [workload(ready, 2)], **more}


def test_the_wait_ends_when_all_are_ready(site: Site) -> None:
    site.make(idle=idle("Reaped", replicasBefore=2))

    def act() -> None:
        value = site.annotations["wake"]
        waking = idle("Waking", wokenBy=value, wakeBegan="2026-11-21T10:00:00Z")
        site.placements.patch_status("chat", {"idle": waking, "rollout": moving("Progressing", 1)})
        awake = idle("Active", wokenBy=value, timeToReadySeconds=95.0)
        site.placements.patch_status("chat", {"idle": awake, "rollout": moving("RolledOut", 2)})

    acting = site.operate(act)
    done = site.run("wake", "chat", "--wait", "--timeout", "60s")
    acting.join()

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f"{site.namespace}/chat: all 2 replicas are Ready after 95 s"
    assert "2 of 2 replicas Ready" in done.stderr


def test_the_wait_ends_when_the_replicas_do_not_get_ready(site: Site) -> None:
    site.make(idle=idle("Reaped", replicasBefore=2))

    def act() -> None:
        waking = idle("Waking", wokenBy=site.annotations["wake"])
        trouble = {"trouble": "chat-x: ImagePullBackOff"}
        site.placements.patch_status("chat", {"idle": waking, "rollout": moving("Failed", 0, **trouble)})

    acting = site.operate(act)
    done = site.run("wake", "chat", "--wait", "--timeout", "60s")
    acting.join()

    assert done.exit_code == 6
    assert done.stderr.splitlines()[-1] == f"{site.namespace}/chat: not Ready: chat-x: ImagePullBackOff"


def test_the_wait_is_not_for_ever(site: Site) -> None:
    site.make(idle=idle("Reaped"))

    done = site.run("wake", "chat", "--wait", "--timeout", "300ms")

    assert done.exit_code == 6
    assert "not Ready within 0.3 s; the operator has not begun: is it running?" in done.stderr


# ------------------------------------------------------------------------------------------------------------- idle


def test_what_burns_stands_first_with_the_sum(site: Site) -> None:
    last = datetime.now(tz=UTC).replace(microsecond=0)
    stamp = last.isoformat().replace("+00:00", "Z")
    site.make(name="busy", idle=idle("Active"))
    site.make(name="lazy", mode="Recommend", spec={"idle": {"policy": "ScaleToZero"}}, idle=idle("Idle"))
    site.make(name="lazier", spec={"idle": {}}, plan=plan(cost=30.0), idle=idle("Idle", lastActive=stamp))
    site.make(name="blind", idle=idle("Unknown", message="no sample of up for 3 min"))
    site.make(name="alone")

    done = site.run("idle")
    data = json.loads(site.run("idle", "-o", "json").stdout)

    assert done.exit_code == 0, done.output
    _, first, second, *rest = done.stdout.splitlines()
    assert re.match(rf"  {site.namespace}/lazier  \$30\.00  Idle .* nothing, its idle policy", first)
    assert re.match(rf"  {site.namespace}/lazy    \$12\.50  Idle .* nothing, its mode", second)
    assert rest[0] == "  $42.50/h burns in 2 of 4 requests that somebody looks at; all plans cost $80.00/h"
    assert rest[1] == (f"  {site.namespace}/blind ($12.50/h): not known whether it idles: no sample of up for 3 min")
    assert rest[2].startswith(f"  nobody looks at {site.namespace}/alone ($12.50/h)")
    assert data["fleet"]["burnsPerHour"] == 42.5
    assert [item["metadata"]["name"] for item in data["items"]][:2] == ["lazier", "lazy"]


def test_one_request_shows_its_signals(site: Site) -> None:
    signals = [{"signal": "Scrapes", "result": "Missing", "message": "up has a gap of 3 min"}]
    site.make(spec={"idle": {"policy": "ScaleToZero"}}, idle=idle("Unknown", reason="SignalMissing", signals=signals))

    done = site.run("idle", "chat")

    assert done.stdout.splitlines()[0] == f"{site.namespace}/chat: not known whether it idles"
    assert re.search(r"Scrapes\s+Missing\s+up has a gap of 3 min", done.stdout)
    assert f"placewright wake chat -n {site.namespace}" in done.stdout
    assert "burns" not in done.stdout


def test_a_prometheus_that_is_away_makes_all_unknown_but_what_is_reaped(site: Site) -> None:
    site.make(name="lazy", idle=idle("Idle"))
    site.make(name="gone", idle=idle("Reaped", avoidedCostPerHour=12.5))
    site.make(name="alone")

    data = json.loads(site.run("idle", "--prometheus-url", "http://127.0.0.1:1", "-o", "json").stdout)

    states = {item["metadata"]["name"]: item["idle"]["state"] for item in data["items"]}
    assert states == {"lazy": "Unknown", "gone": "Reaped", "alone": "Unknown"}
    assert data["fleet"]["burnsPerHour"] == 0.0


def test_a_namespace_without_requests_is_told(site: Site) -> None:
    done = site.run("idle")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"note: no PlacementRequests in namespace {site.namespace}\n"


# ------------------------------------------------------------------------------------------------------ no access


@pytest.mark.parametrize("arguments", [("pause", "chat"), ("resume", "chat"), ("wake", "chat"), ("idle",)])
def test_without_the_right_nothing_is_written(site: Site, arguments: tuple[str, ...]) -> None:
    site.make(idle=idle("Reaped"), rollout=failed())
    nobody = site.plane.kubeconfig_with_token("nobody", "not-a-token-of-anybody")

    line = refusal(site.run(*arguments, kubeconfig=nobody))

    assert "401" in line
    assert "not-a-token" not in line
    assert not site.annotations


@pytest.mark.parametrize(
    "arguments",
    [("pause", "chat"), ("resume", "chat"), ("wake", "chat"), ("idle",), ("pause", "--fleet"), ("resume", "--fleet")],
)
def test_who_may_not_is_told_what_is_missing(site: Site, arguments: tuple[str, ...]) -> None:
    site.make(idle=idle("Reaped"), rollout=failed())
    nobody = site.plane.kubeconfig_for(NOBODY)

    line = refusal(site.run(*arguments, kubeconfig=nobody, everywhere="--fleet" in arguments))

    assert "403 Forbidden" in line
    assert line.endswith("wants the right to do it")
    assert not site.annotations


def test_who_may_only_look_writes_nothing(site: Site) -> None:
    site.make(idle=idle("Reaped"), rollout=failed())
    group = {"apiGroups": ["placewright.dev"], "resources": ["*"], "verbs": ["get", "list"]}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.namespace}"
    admin = site.plane.admin
    admin.create(f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": [group]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": NOBODY}
    admin.create(f"{rbac}/rolebindings", {"metadata": {"name": "look"}, "roleRef": role, "subjects": [subject]})
    nobody = site.plane.kubeconfig_for(NOBODY)
    wait_until(lambda: site.run("idle", kubeconfig=nobody).exit_code == 0, 60, "the right to look")

    asked = site.run("idle", "--prometheus-url", "http://127.0.0.1:1", kubeconfig=nobody)
    lines = [refusal(site.run(command, "chat", kubeconfig=nobody)) for command in ("pause", "resume", "wake")]

    assert asked.exit_code == 0, asked.output
    assert "note: PlacementPolicies cannot be read" in asked.stderr
    assert "note: Pods cannot be read" in asked.stderr

    assert all("PATCH" in line and line.endswith("wants the right to do it") for line in lines)
    assert not site.annotations


def test_ctrl_c_during_a_wait_is_one_line(site: Site) -> None:
    site.make(idle=idle("Reaped"))
    start = "from placewright.cli.main import main; main()"
    where = ["-n", site.namespace, "--kubeconfig", str(site.plane.kubeconfig)]
    command = [sys.executable, "-c", start, "wake", "chat", "--wait", *where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"is woken" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60.0)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, output, errors) == (130, b"", b"interrupted\n")
    assert site.annotations["wake"]


# --------------------------------------------------------------------------------------------------------- the fleet


class Policies:
    """Policies of a test of its own; those of other tests are left alone."""

    def __init__(self, plane: ControlPlane, prefix: str) -> None:
        self.api = plane.admin
        self.prefix = prefix

    def make(self, *names: str) -> None:
        for name in names:
            body = {"apiVersion": "placewright.dev/v1alpha1", "kind": "PlacementPolicy", "spec": {}}
            self.api.create(POLICIES, {**body, "metadata": {"name": self.prefix + name}})

    def annotations(self, name: str) -> dict[str, str]:
        return ours(self.api.get(f"{POLICIES}/{self.prefix}{name}"))

    def delete(self) -> None:
        for each in self.api.items(POLICIES):
            if each["metadata"]["name"].startswith(self.prefix):
                try:
                    self.api.delete(f"{POLICIES}/{each['metadata']['name']}")
                except ApiError as error:
                    if error.status != 404:
                        raise


@pytest.fixture
def policies(site: Site) -> Iterator[Policies]:
    made = Policies(site.plane, f"{site.namespace}-")
    yield made
    made.delete()


def test_the_fleet_is_paused_and_goes_on_by_a_policy(site: Site, policies: Policies) -> None:
    policies.make("a")
    name = f"{policies.prefix}a"

    done = site.run("pause", "--fleet", "--policy", name, "--reason", "migration", everywhere=True)
    again = site.run("pause", "--fleet", "--policy", name, everywhere=True)

    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"the fleet: paused by PlacementPolicy {name} (migration); what runs goes on, nothing is acted on any request"
        " until `placewright resume --fleet`\n"
    )
    assert f"paused already by PlacementPolicy {name} (migration)" in again.stdout
    assert policies.annotations("a")["pause"] == "migration"
    assert policies.annotations("a")["actor"]

    freed = site.run("resume", "--fleet", "--policy", name, everywhere=True)

    assert f"the pause of {name} (migration) is taken away" in freed.stdout
    assert "pause" not in policies.annotations("a")


def test_the_brake_is_released_after_the_last_failure(site: Site, policies: Policies) -> None:
    policies.make("a")
    late = "2099-01-01T00:00:00Z"  # by the operator's clock, which may be ahead of ours
    site.make(rollout=failed(failedAt=late), conditions=[condition("Applied", "False", "BrakeEngaged")])

    done = site.run("resume", "--fleet", "--policy", f"{policies.prefix}a", everywhere=True)

    assert done.exit_code == 0, done.output
    assert "the brake is released for" in done.stdout
    assert "failures before 2099-01-01T00:00:01Z do not count" in done.stdout
    assert policies.annotations("a")["brake-released-at"] == "2099-01-01T00:00:01Z"


def test_a_policy_that_is_not_there_is_named(site: Site, policies: Policies) -> None:
    policies.make("a")

    line = refusal(site.run("pause", "--fleet", "--policy", "nobody", everywhere=True))

    assert "--policy: got nobody, which is not there, wants one of" in line


def test_writers_in_between_lose_nothing(site: Site) -> None:
    """The status is written all the time while somebody steers: both stand."""
    site.make(idle=idle("Reaped"))
    stop = threading.Event()

    def rival() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            site.placements.patch_status("chat", {"idle": idle("Reaped", message=f"look {count}")})

    acting = threading.Thread(target=rival)
    acting.start()
    results = [site.run(command, "chat") for command in ("pause", "wake", "resume")]
    stop.set()
    acting.join()

    assert [result.exit_code for result in results] == [0, 0, 0], [result.stderr for result in results]
    assert site.annotations["wake"]
    assert "pause" not in site.annotations


def test_an_annotation_of_others_stays(site: Site) -> None:
    site.make()
    path = f"{site.placements.path}/chat"
    site.plane.admin.patch(path, {"metadata": {"annotations": {"example.com/team": "a"}}}, MERGE)

    site.run("pause", "chat")
    site.run("resume", "chat")

    assert site.annotations["example.com/team"] == "a"
