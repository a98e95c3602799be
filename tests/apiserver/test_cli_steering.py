"""`placewright ramp` and `placewright rollback` on a real API server: what they write, refuse, and wait for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from placewright.telemetry.audit import Entry, EntryKind
from placewright.telemetry.audit.journal import Journal
from placewright.telemetry.audit.record import body_of
from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support.audit_journals import at, write_journal
from tests.support.placements import Placements

Json = dict[str, Any]
RAMP = {"stepsPercent": [10, 50, 100], "holdFor": "10m"}


def plan(plan_id: str, cost: float) -> Json:
    stage = {"pool": "l40s", "gpu": "L40S", "tensorParallel": 1, "firstLayer": 0, "lastLayer": 31, "gpus": 1}
    layout = {
        "replicas": 1,
        "weight": 1.0,
        "precision": "bf16",
        "maxConcurrency": 16,
        "costPerHour": cost,
        "costPerMillionTokens": 2.0,
        "tokensPerSecond": 100.0,
        "requestsPerSecond": 0.1,
        "stages": [stage],
        "engineArgs": [],
    }
    return {
        "id": plan_id,
        "state": "Approved",
        "pool": "l40s",
        "decidedAt": "2026-11-21T10:00:00Z",
        "precision": "bf16",
        "replicas": 1,
        "tensorParallel": 1,
        "pipelineParallel": 1,
        "totalGPUs": 1,
        "gpusByPool": {"l40s": 1},
        "costPerHour": cost,
        "costPerMillionTokens": 2.0,
        "tokensPerSecond": 100.0,
        "requestsPerSecond": 0.1,
        "ttftSeconds": 0.2,
        "tpotSeconds": 0.02,
        "layouts": [layout],
    }


def ramp(step: int = 0, phase: str = "Holding", **more: Any) -> Json:
    gate = {"name": "CostToRevenueRatio", "limit": 0.4, "actual": 0.3, "headroomPercent": 25.0, "result": "Pass"}
    return {
        "planId": "p-b2",
        "step": step,
        "steps": 3,
        "percent": 10.0,
        "phase": phase,
        "reason": "GatesPassing",
        "message": "all gates pass",
        "gates": [gate],
        "previousPlan": plan("p-a1", 12.0),
        **more,
    }


class Site:
    """One request, as an operator would have left it."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.placements = Placements(plane.admin, namespace)

    def make(self, *, ramps: bool = True, status: Json | None = None) -> None:
        made = self.placements.create("chat")
        if ramps:
            self.placements.patch("chat", {"ramp": RAMP})
        written = {"observedGeneration": made["metadata"]["generation"], "plan": plan("p-b2", 9.0), **(status or {})}
        self.placements.patch_status("chat", written)

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> Result:
        where = ["-n", self.namespace, "--kubeconfig", str(kubeconfig or self.plane.kubeconfig)]
        return CliRunner().invoke(cli, [*arguments, *where], prog_name="placewright")

    @property
    def annotations(self) -> dict[str, str]:
        found = self.placements.get("chat")["metadata"].get("annotations") or {}
        return {name.removeprefix("placewright.dev/"): value for name, value in found.items()}

    def refuse(self, why: str) -> None:
        resource = self.placements.get("chat")
        about = {"kind": "PlacementRequest", "name": "chat", "namespace": self.namespace}
        self.plane.admin.create(
            f"/api/v1/namespaces/{self.namespace}/events",
            {
                "metadata": {"generateName": "chat."},
                "involvedObject": {**about, "uid": resource["metadata"]["uid"]},
                "reason": "RollbackRefused",
                "message": why,
                "type": "Warning",
            },
        )


@pytest.fixture
def site(control_plane: ControlPlane, crds: list[Path], namespace: str) -> Iterator[Site]:
    assert crds
    return Site(control_plane, namespace)


def test_a_promote_names_plan_and_next_step_and_who(site: Site) -> None:
    site.make(status={"ramp": ramp(step=0)})

    result = site.run("ramp", "promote", "chat")

    assert result.exit_code == 0, result.output
    assert "step 2 of 3 of p-b2 is entered once its gates pass" in result.stdout
    assert site.annotations["ramp-promote"] == "p-b2/1"
    assert site.annotations["actor"]  # the API server's name for the kubeconfig's user


def test_a_promote_takes_a_rollback_of_the_same_plan_away(site: Site) -> None:
    site.make(status={"ramp": ramp(step=0)})
    assert site.run("ramp", "rollback", "chat").exit_code == 0
    assert site.annotations["ramp-rollback"] == "p-b2"
    site.placements.patch_status("chat", {"ramp": ramp(step=-1, phase="RolledBack")})

    result = site.run("ramp", "promote", "chat")

    assert "p-b2 begins its ramp anew" in result.stdout
    assert site.annotations["ramp-promote"] == "p-b2/0"
    assert "ramp-rollback" not in site.annotations


def test_pause_and_resume(site: Site) -> None:
    site.make(status={"ramp": ramp()})

    assert site.run("ramp", "pause", "chat").exit_code == 0
    assert site.annotations["ramp"] == "pause"
    refused = site.run("ramp", "promote", "chat")
    assert refused.exit_code == 2
    assert "got a ramp that is paused, wants `placewright ramp resume chat" in refused.stderr
    assert site.run("ramp", "resume", "chat").exit_code == 0
    assert "ramp" not in site.annotations
    again = site.run("ramp", "resume", "chat")
    assert again.exit_code == 2
    assert "got a ramp that is not paused, wants one that is" in again.stderr


def test_the_status_shows_step_reason_and_gates_with_headroom(site: Site) -> None:
    site.make(status={"ramp": ramp()})

    shown = site.run("ramp", "status", "chat")
    data = site.run("ramp", "status", "chat", "-o", "json")

    assert shown.exit_code == 0, shown.output
    assert "1 of 3, 10 % of the traffic" in shown.stdout
    assert "GatesPassing: all gates pass" in shown.stdout
    assert "p-a1 at $12.00/h" in shown.stdout
    assert "CostToRevenueRatio" in shown.stdout
    assert "25 %" in shown.stdout
    assert '"planId": "p-b2"' in data.stdout


@pytest.mark.parametrize(
    ("ramps", "status", "command", "told"),
    [
        (False, {}, "promote", "got a request without spec.ramp"),
        (True, {}, "status", "got a request whose plan does not ramp (yet)"),
        (True, {"ramp": ramp(step=2, phase="Completed")}, "promote", "got a ramp of p-b2 that is completed"),
        (True, {"ramp": ramp(step=2, phase="Completed")}, "pause", "got a ramp of p-b2 that is over (Completed)"),
        (True, {"ramp": ramp(step=-1, phase="RolledBack")}, "rollback", "is rolled back already"),
        (True, {"ramp": {**ramp(), "previousPlan": None}}, "rollback", "with no plan before it"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(site: Site, ramps: bool, status: Json, command: str, told: str) -> None:  # noqa: FBT001
    site.make(ramps=ramps, status=status)

    result = site.run("ramp", command, "chat")

    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not site.annotations


def test_a_request_that_is_not_there_is_named(site: Site) -> None:
    result = site.run("rollback", "nobody", "--to", "p-a1")

    assert result.exit_code == 2
    assert (
        f"NAME: got nobody, which is not there, wants a PlacementRequest of namespace {site.namespace}" in result.stderr
    )


def test_without_the_right_nothing_is_written(site: Site) -> None:
    site.make(status={"ramp": ramp()})
    nobody = site.plane.kubeconfig_with_token("nobody", "not-a-token-of-anybody")

    result = site.run("ramp", "promote", "chat", kubeconfig=nobody)

    assert result.exit_code == 2
    assert "401" in result.stderr
    assert "not-a-token" not in result.output
    assert not site.annotations


def test_a_rollback_shows_both_costs_and_waits_for_the_plan(site: Site, tmp_path: Path) -> None:
    site.make()
    journal = Journal(tmp_path / "journal")
    journal.open()
    details = {"plan": plan("p-a1", 12.0)}
    entry = Entry(kind=EntryKind.DECISION, namespace=site.namespace, name="chat", plan_id="p-a1", details=details)
    journal.append([(body_of(entry), at(0))])
    journal.close()

    def operator() -> None:
        wait_until(lambda: site.annotations.get("rollback-to"), 60, "the annotation")
        ready = {"type": "Ready", "status": "True", "reason": "PlanCurrent", "message": "p-a1"}
        condition = {**ready, "lastTransitionTime": "2026-11-21T10:00:00Z", "observedGeneration": 1}
        site.placements.patch_status("chat", {"plan": plan("p-a1", 12.0), "conditions": [condition]})

    acting = threading.Thread(target=operator)
    acting.start()
    result = site.run("rollback", "chat", "--to", "p-a1", "--wait", "--audit", str(journal.folder))
    acting.join()

    assert result.exit_code == 0, result.output
    assert "p-b2 at $9.00/h -> p-a1 at $12.00/h, asked for" in result.stdout
    assert "p-a1 serves at $12.00/h, Ready=True PlanCurrent" in result.stdout
    assert site.annotations["rollback-to"] == "p-a1"


def test_the_journal_is_asked_first(site: Site, tmp_path: Path) -> None:
    site.make()
    journal = write_journal(tmp_path / "journal", [3])

    unknown = site.run("rollback", "chat", "--to", "p-77", "--audit", str(journal))

    assert unknown.exit_code == 2
    assert f"--to: got p-77, wants a journal with plans of {site.namespace}/chat" in unknown.stderr
    assert not site.annotations


def test_a_refusal_of_the_operator_is_told(site: Site) -> None:
    site.make()
    site.refuse("an old one")

    def operator() -> None:
        wait_until(lambda: site.annotations.get("rollback-to"), 60, "the annotation")
        site.refuse("the audit journal has no such plan of this request")

    acting = threading.Thread(target=operator)
    acting.start()
    result = site.run("rollback", "chat", "--to", "p-77", "--wait", "--timeout", "60s")
    acting.join()

    assert result.exit_code == 4
    assert "refused: the audit journal has no such plan of this request" in result.stderr


def test_without_an_operator_the_wait_ends(site: Site) -> None:
    site.make()

    result = site.run("rollback", "chat", "--to", "p-a1", "--wait", "--timeout", "300ms")

    assert result.exit_code == 6
    assert "not done within 0.3 s; is the operator running?" in result.stderr


def test_release_ends_a_rollback(site: Site) -> None:
    site.make()
    assert "without the annotation placewright.dev/rollback-to" in site.run("rollback", "chat", "--release").stderr
    site.run("rollback", "chat", "--to", "p-a1")

    result = site.run("rollback", "chat", "--release")

    assert "p-a1 is held no longer" in result.stdout
    assert "rollback-to" not in site.annotations


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "latest"), "--to: got 'latest', wants the id of a plan, such as p-3f9c2a"),
        ((), "got neither --to nor --release"),
        (("--to", "p-1", "--release"), "got both --to and --release"),
        (("--to", "p-1", "--audit", "/nowhere"), "/nowhere: got no such file or folder"),
    ],
)
def test_bad_options_are_one_clear_line(site: Site, arguments: tuple[str, ...], told: str) -> None:
    result = site.run("rollback", "chat", *arguments)

    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_writers_in_between_lose_nothing(site: Site) -> None:
    """The status is written all the time while somebody promotes: both stand."""
    site.make(status={"ramp": ramp()})
    stop = threading.Event()

    def rival() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            site.placements.patch_status("chat", {"ramp": ramp(message=f"look {count}")})

    acting = threading.Thread(target=rival)
    acting.start()
    results = [site.run("ramp", command, "chat") for command in ("pause", "resume", "promote")]
    stop.set()
    acting.join()

    assert [result.exit_code for result in results] == [0, 0, 0], [result.stderr for result in results]
    assert site.annotations["ramp-promote"] == "p-b2/1"
    assert "ramp" not in site.annotations
