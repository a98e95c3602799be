"""`placewright idle`: what burns, in which order, and what is said where nobody can tell."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from placewright.api.parse import parse
from placewright.cli import idle_view
from placewright.cli.idle_report import Report, Row, data, report_of
from placewright.cli.idle_sources import Subject
from placewright.cli.screen import Screen
from placewright.cli.steering import Target
from placewright.core.model import IdlePolicy
from tests.support.kube_stub import OURS, kube_stub
from tests.unit.cli.conftest import Golden, Run, manifest

Json = dict[str, Any]
Drawn = Callable[..., str]

NOW = 1_795_284_000.0  # 2026-11-21T18:00:00Z
PLAN = {"id": "p-a1", "state": "Approved", "costPerHour": 12.5, "gpusByPool": {"l40s": 4}}
IDLE = {"reason": "NoTraffic", "message": "idle for 30 min; not reaped: its policy is Report"}


def body(name: str = "chat", *, plan: Json | None = PLAN, idle: Json | None = None, **spec: Any) -> Json:
    """A request with its status."""
    status = {**({"plan": plan} if plan else {}), **({"idle": idle} if idle else {})}
    return {**manifest(name, namespace="serving", **spec), "status": status}


def row(resource: Json, policy: IdlePolicy | None = IdlePolicy.REPORT, **more: Any) -> Row:
    meta = resource["metadata"]
    subject = Subject(namespace=meta["namespace"], name=meta["name"], resource=parse(resource), body=resource)
    given = {"policy": policy, "idle": resource["status"].get("idle") or {}, "now": NOW, **more}
    return Row(subject=subject, **given)


def idling(**more: Any) -> Json:
    return {
        "state": "Idle",
        "since": "2026-11-21T16:30:00Z",
        "lastActive": "2026-11-21T16:00:00Z",
        **IDLE,
        **more,
    }


def reaped(**more: Any) -> Json:
    told = {"reason": "Reaped", "message": "reaped: nothing was asked of it"}
    saved = {"avoidedCostPerHour": 10.0, "avoidedDollars": 40.0, "avoidedAsOf": "2026-11-21T17:00:00Z"}
    return {"state": "Reaped", "since": "2026-11-21T15:00:00Z", **told, **saved, **more}


def unknown(message: str = "no sample of up for 3 min") -> Json:
    return {"state": "Unknown", "since": "2026-11-21T17:00:00Z", "reason": "SignalMissing", "message": message}


def fleet() -> Report:
    return report_of(
        [
            row(body("busy", idle={"state": "Active", "since": "2026-11-21T17:59:00Z", **IDLE, "message": "busy"})),
            row(body("lazy", idle=idling())),
            row(
                body("soon", mode="Apply", render={"image": "x"}, idle=idling(reapAt="2026-11-21T18:04:00Z")),
                IdlePolicy.SCALE_TO_ZERO,
            ),
            row(body("advised", plan={**PLAN, "costPerHour": 30.0}, idle=idling()), IdlePolicy.SCALE_TO_ZERO),
            row(body("floor", mode="Apply", render={"image": "x"}, idle=reaped()), IdlePolicy.SCALE_TO_FLOOR),
            row(body("blind", idle=unknown())),
            row(body("alone"), IdlePolicy.OFF),
            row(body("new", plan=None), IdlePolicy.OFF),
            row(body("blocked", plan={**PLAN, "state": "Blocked"}, idle=unknown())),
        ]
    )


def test_the_dearest_stands_first_with_the_sum(drawn: Drawn, golden: Golden) -> None:
    golden("idle-table", drawn(lambda screen: idle_view.table(screen, fleet(), wide=False)))


def test_wide_has_all_of_them(drawn: Drawn, golden: Golden) -> None:
    golden("idle-wide", drawn(lambda screen: idle_view.table(screen, fleet(), wide=True)))


def test_a_narrow_terminal_gets_blocks(drawn: Drawn, golden: Golden) -> None:
    shown = drawn(lambda screen: idle_view.table(screen, fleet(), wide=False), 40)
    golden("idle-narrow", shown)
    assert max(len(line) for line in shown.splitlines()) <= 40


def test_sums_count_what_burns_and_what_is_avoided() -> None:
    assert data(fleet())["fleet"] == {
        "burnsPerHour": 57.5,  # two of 12.50, one of 30, and 2.50 for the floor
        "costPerHour": 95.0,  # six of 12.50 and one of 30, less the 10 that are reaped; blocked plans do not run
        "avoidsPerHour": 10.0,
        "avoidedDollars": 50.0,  # 40, and an hour at 10
        "burning": 4,
        "reaped": 1,
        "unknown": 1,
        "unwatched": 1,
    }


def test_what_nobody_knows_burns_nothing() -> None:
    report = report_of([row(body("blind", idle=unknown())), row(body("alone"), IdlePolicy.OFF)])
    assert report.burning == ()
    assert [each.burns for each in report.rows] == [None, None]
    assert "burnsPerHour" not in data(report)["items"][0]


def test_an_odd_status_is_no_crash() -> None:
    odd = {"state": "Idle", "since": "yesterday", "reapAt": 3, "signals": "none", "suggestions": [1]}
    (item,) = data(report_of([row(body(idle=odd))]))["items"]
    assert item["burnsPerHour"] == 12.5
    assert "burntDollars" not in item


# ------------------------------------------------------------------------------------------------------ one request


def _card(each: Row) -> Callable[[Screen], None]:
    return lambda screen: idle_view.card(screen, each)


def test_one_request_with_all_that_is_known(drawn: Drawn, golden: Golden) -> None:
    signals = [
        {"signal": "FinishedRequests", "result": "Idle", "message": "no request was finished within the last 30 min"},
        {"signal": "Wishes", "result": "Holds", "message": "its calendar keeps it awake now"},
    ]
    suggestions = [{"action": "LimitPower", "savesPerHour": 0.42, "message": "limit 4 GPUs to 200 W"}]
    keep = [{"cron": "0 8 * * MON-FRI", "duration": "10h", "timeZone": "Europe/Berlin"}]
    spec = {"policy": "ScaleToZero", "keepAwake": keep, "queue": {"preset": "gateway"}}
    status = idling(
        signals=signals,
        suggestions=suggestions,
        reapAt="2026-11-21T18:04:00Z",
        timeToReadySeconds=240.0,
        avoidedDollars=12.345,
        avoidedAsOf="2026-11-20T18:00:00Z",
    )
    resource = body(mode="Apply", render={"image": "x"}, idle=status)
    resource["spec"]["idle"] = spec
    golden("idle-card", drawn(_card(row(resource, IdlePolicy.SCALE_TO_ZERO))))


@pytest.mark.parametrize(
    ("resource", "headline"),
    [
        (body(plan=None), "serving/chat has no plan that may run, so nothing burns"),
        (body(), "serving/chat: not known whether it idles"),
        (body(idle=unknown()), "serving/chat: not known whether it idles"),
        (body(idle={"state": "Warming", **IDLE}), "serving/chat is warming up"),
        (body(idle={"state": "Waking", **IDLE}), "serving/chat is waking"),
        (body(idle=reaped()), "serving/chat is reaped, which avoids $10.00/h and burns $2.50/h"),
        (body(idle=reaped(avoidedCostPerHour=12.5)), "serving/chat is reaped, which avoids $12.50/h"),
        (body(idle=idling()), "serving/chat idles and burns $12.50/h"),
    ],
)
def test_the_headline_says_what_is_true(drawn: Drawn, resource: Json, headline: str) -> None:
    assert drawn(_card(row(resource))).splitlines()[0] == headline


# ------------------------------------------------------------------------------------------------- files and clusters


def test_files_with_statuses_need_no_cluster(run: Run, file: Callable[..., Path]) -> None:
    path = file(body("a", idle=idling()), body("b", idle=unknown()), body("c"))
    done = run("idle", "-f", path)
    assert done.exit_code == 0, done.output
    assert "serving/a" in done.stdout
    assert "$12.50/h burns in 1 of 2 requests that somebody looks at; all plans cost $37.50/h" in done.stdout
    assert json.loads(run("idle", "-f", path, "b", "-o", "json").stdout)["items"][0]["idle"] == unknown()
    assert run("idle", "-f", path, "-n", "other", "-o", "yaml").exit_code == 0


def test_the_policy_of_all_counts(run: Run, file: Callable[..., Path]) -> None:
    policy = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "default"},
        "spec": {"idle": {"policy": "ScaleToZero"}},
    }
    done = run("idle", "-f", file(body("a", idle=idling()), policy), "-o", "json")
    assert json.loads(done.stdout)["items"][0]["policy"] == "ScaleToZero"


def _line(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-A", "chat"], "-A does not go with NAME"),
        (["-A", "-n", "x"], "-A does not go with -n"),
        (["-f", "FILE", "-A"], "-A does not go with -f"),
        (["-f", "FILE", "--context", "x"], "--context does not go with -f"),
        (["-f", "FILE", "nobody"], "NAME: got nobody, which is not there, wants a PlacementRequest of "),
        (["-f", "nowhere.yaml"], "nowhere.yaml: got no such file"),
    ],
)
def test_what_makes_no_sense_is_one_line(run: Run, file: Callable[..., Path], arguments: list[str], told: str) -> None:
    path = file(body())
    assert told in _line(run("idle", *(str(path) if each == "FILE" else each for each in arguments)))


def test_a_cluster_is_read_by_namespace(run: Run, tmp_path: Path) -> None:
    other = body("b", idle=idling())
    other["metadata"]["namespace"] = "other"
    with kube_stub(tmp_path, {"placementrequests": [body("a", idle=idling()), other]}) as stub:
        where = ["--kubeconfig", stub.kubeconfig, "-o", "json"]
        one = json.loads(run("idle", "-n", "serving", *where).stdout)
        both = json.loads(run("idle", "-A", *where).stdout)
        named = json.loads(run("idle", "b", "-n", "other", *where).stdout)
    assert [item["metadata"]["name"] for item in one["items"]] == ["a"]
    assert [item["metadata"]["name"] for item in both["items"]] == ["b", "a"]
    assert [item["metadata"]["name"] for item in named["items"]] == ["b"]
    assert {method for method, _ in stub.calls} == {"GET"}


def test_without_rights_on_policies_the_rest_is_told(run: Run, tmp_path: Path) -> None:
    with kube_stub(tmp_path, {"placementrequests": [body("a", idle=idling())]}) as stub:
        stub.refused = {f"{OURS}/placementpolicies": 403}
        done = run("idle", "-n", "serving", "--kubeconfig", stub.kubeconfig)
        stub.refused = {f"{OURS}/namespaces/serving/placementrequests": 403}
        refused = _line(run("idle", "-n", "serving", "--kubeconfig", stub.kubeconfig))
        stub.refused = {f"{OURS}/namespaces/serving/placementrequests": 404}
        unknown_kind = _line(run("idle", "-n", "serving", "--kubeconfig", stub.kubeconfig))
    assert done.exit_code == 0
    assert done.stderr == "note: PlacementPolicies cannot be read; what they say of idling is not known here\n"
    assert "wants the right to do it" in refused
    assert "got no kind PlacementRequest, wants its definitions: placewright crds" in unknown_kind


@pytest.mark.parametrize(
    "arguments", [["idle"], ["wake", "chat"], ["pause", "chat"], ["resume", "chat"], ["pause", "--fleet"]], ids=" ".join
)
def test_a_cluster_that_is_not_there_is_one_line(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    with kube_stub(tmp_path, {}) as stub:
        pass
    assert f"error: {stub.url}: got " in _line(run(*arguments, "--kubeconfig", stub.kubeconfig))
    assert "wants an answer" in _line(run(*arguments, "--kubeconfig", stub.kubeconfig))
    assert "--kubeconfig: got none, wants a file" in _line(run(*arguments, "--kubeconfig", "none"))


def test_a_fleet_without_policies_says_what_to_make(run: Run, tmp_path: Path) -> None:
    with kube_stub(tmp_path, {}) as stub:
        for command in ("pause", "resume"):
            line = _line(run(command, "--fleet", "--kubeconfig", stub.kubeconfig))
            assert "--fleet: got a cluster without PlacementPolicies, wants one that can be annotated" in line
            assert "kind PlacementPolicy, metadata {name: default}, spec {}" in line


def test_a_wait_outlives_a_server_that_is_away(tmp_path: Path) -> None:
    with kube_stub(tmp_path, {"placementrequests": [body()]}) as stub:
        path = f"{OURS}/namespaces/serving/placementrequests/chat"
        stub.refused = {path: 503}
        asked = Target(name="chat", namespace="serving", kubeconfig=str(stub.kubeconfig))

        def back() -> None:
            while sum(1 for _, called in stub.calls if called == path) < 2:
                pass
            stub.refused = {}

        waiting = threading.Thread(target=back)
        waiting.start()
        said = asked.wait(60.0, lambda found: str(found["metadata"]["name"]))
        waiting.join()
    assert said == "chat"
    assert len([called for _, called in stub.calls if called == path]) > 2


def test_a_closed_pipe_ends_quietly(file: Callable[..., Path]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    start = "from placewright.cli.main import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", start, "idle", "-f", str(file(body(idle=idling())))],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60.0,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
