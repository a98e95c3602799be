"""Prices of a policy's sources without an operator: files beside the policy, and what a cluster has in force."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.kube_stub import kube_stub
from tests.unit.cli.conftest import pool

Run = Callable[..., Result]
File = Callable[..., Path]
Make = Callable[..., Any]

FINOPS = {"name": "finops", "file": {"path": "prices.csv"}}
SELECTOR = {"pools": None, "poolSelector": {"matchLabels": {"tier": "serving"}}}


def policy(*sources: dict[str, Any], name: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": name},
        "spec": {"priceSources": list(sources), **spec},
    }


def prices(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return {item["metadata"]["name"]: item["status"].get("price") for item in json.loads(result.stdout)["items"]}


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of prices beside the requests."""

    def write(*rows: str, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(("gpu,pricePerGPUHour,asOf", *rows, "")))
        return path

    return write


def test_pools_have_the_prices_of_the_file_beside_the_policy(run: Run, file: File, table: Make) -> None:
    table("L40S,0.95,2026-11-20")
    path = file(policy(FINOPS, prices=[{"gpu": "L40S", "pricePerGPUHour": 1.2}]), pool(price=None))
    assert prices(run("pools", "-f", path, "-o", "json"))["l40s"] == {
        "perGPUHour": 0.95,
        "source": "PriceSource",
        "detail": "finops of PlacementPolicy default",
        "asOf": "2026-11-20T00:00:00Z",
    }


def test_requests_are_planned_with_them_also_on_pools_of_their_own(
    run: Run, file: File, chat: Make, table: Make
) -> None:
    table("L40S,0.5,")
    own = [{"name": "own", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4}]
    path = file(policy(FINOPS), pool(price=None), chat("shared", **SELECTOR), chat("alone", pools=own))
    result = run("plan", "-f", path, "-o", "json")
    assert result.exit_code == 0, result.output
    costs = {
        item["metadata"]["name"]: item["status"]["plan"]["costPerHour"] for item in json.loads(result.stdout)["items"]
    }
    assert costs == {"shared": 0.5, "alone": 0.5}


def test_a_json_table_by_an_absolute_path(run: Run, file: File, tmp_path: Path) -> None:
    table = tmp_path / "elsewhere" / "prices"
    table.parent.mkdir()
    table.write_text('[{"gpu": "L40S", "pricePerGPUHour": 0.7}]')
    path = file(policy({"name": "abs", "file": {"path": str(table), "format": "JSON"}}), pool(price=None))
    assert prices(run("pools", "-f", path, "-o", "json"))["l40s"]["perGPUHour"] == 0.7


def test_every_fault_of_a_table_is_a_line_and_nothing_is_planned(run: Run, file: File, chat: Make, table: Make) -> None:
    path = table("L40S,abc,", ",1,", "L40S,1,soon")
    result = run("plan", "-f", file(policy(FINOPS), pool(price=None), chat(**SELECTOR)))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"error: {path}:2: pricePerGPUHour: got 'abc', wants USD per GPU and hour as a number, such as 2.49",
        f"error: {path}:3: gpu: got nothing, wants a key of the GPU catalog, such as L40S",
        f"error: {path}:4: asOf: got 'soon', wants a time such as 2026-11-21T10:00:00Z",
    ]


def test_a_file_that_is_not_there_is_a_line(run: Run, file: File, tmp_path: Path) -> None:
    result = run("pools", "-f", file(policy(FINOPS), pool()))
    assert result.exit_code == 2
    assert f"error: {tmp_path}/prices.csv: got no such file, wants a CSV or JSON table of prices" in result.stderr


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("configMap", {"configMap": {"name": "a", "key": "a.csv"}}),
        ("openCost", {"openCost": {"url": "http://opencost:9003"}}),
        ("prometheus", {"prometheus": {"query": "price"}}),
    ],
)
def test_what_only_an_operator_reads_is_named(run: Run, file: File, kind: str, given: dict[str, Any]) -> None:
    result = run("pools", "-f", file(policy({"name": "live", **given}), pool()))
    assert result.exit_code == 0
    told = (
        f"price source live of PlacementPolicy default ({kind}) is read by the operator only; its prices are not used"
    )
    assert told in result.stderr


@pytest.mark.parametrize(
    ("price", "reason"), [("120", "Jump"), ("0", "Zero"), ("-1", "Negative"), ("nan", "NotFinite")]
)
def test_what_an_operator_would_hold_back_is_held_back_and_told(
    run: Run, file: File, table: Make, price: str, reason: str
) -> None:
    table(f"L40S,{price},")
    path = file(policy(FINOPS, prices=[{"gpu": "L40S", "pricePerGPUHour": 1.2}]), pool(price=None))
    result = run("pools", "-f", path, "-o", "json")
    assert prices(result)["l40s"]["source"] == "PolicyTable"
    assert f"price source finops of PlacementPolicy default, L40S: {reason}: " in result.stderr


def test_diff_reads_the_table_of_the_revision(run: Run, chat: Make, file: File, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    deploy = tmp_path / "deploy"
    file(policy(FINOPS), pool(price=None), chat(**SELECTOR), name="deploy/all.yaml")
    (deploy / "prices.csv").write_text("gpu,pricePerGPUHour\nL40S,1\n")
    author = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *author, *command], cwd=tmp_path, check=True)
    (deploy / "prices.csv").write_text("gpu,pricePerGPUHour\nL40S,3\n")
    with contextlib.chdir(tmp_path):
        result = run("diff", "-f", "deploy", "--base", "git:HEAD", "-o", "json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["fleet"]["oldCostPerHour"], found["fleet"]["newCostPerHour"]) == (1, 3)

        subprocess.run(["git", *author, "rm", "-q", "-f", "--cached", "deploy/prices.csv"], check=True)
        subprocess.run(["git", *author, "commit", "-q", "-m", "gone"], check=True)
        gone = run("diff", "-f", "deploy", "--base", "git:HEAD")
        assert gone.exit_code == 2
        assert "error: HEAD:deploy/prices.csv: got no such file, wants a CSV or JSON table of prices" in gone.stderr


# ------------------------------------------------------------------------------------------------------ of a cluster


def stored(body: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {**body["metadata"], "uid": f"u-{body['metadata']['name']}", "generation": 1, "resourceVersion": "7"}
    return {**body, "metadata": metadata} | ({"status": status} if status else {})


LIVE = {"name": "live", "prometheus": {"query": "price"}}
IN_FORCE = {"source": "live", "gpu": "L40S", "perGPUHour": 0.8, "since": "2026-11-21T09:00:00Z"}


def test_what_the_operator_of_a_cluster_has_in_force_counts(run: Run, tmp_path: Path) -> None:
    other = policy({**LIVE, "name": "silent"}, name="other")
    objects = {
        "gpupools": [stored(pool(price=None))],
        "placementpolicies": [stored(policy(LIVE), prices=[IN_FORCE]), stored(other)],
    }
    with kube_stub(tmp_path, objects) as stub:
        result = run("pools", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json")
    assert prices(result)["l40s"] == {
        "perGPUHour": 0.8,
        "source": "PriceSource",
        "detail": "live of PlacementPolicy default",
        "asOf": "2026-11-21T09:00:00Z",
    }
    assert "price source silent of PlacementPolicy other: its status tells no price yet" in result.stderr


@pytest.mark.parametrize(
    ("sources", "price"),
    [((LIVE,), 0.8), ((FINOPS, LIVE), 0.5), ((FINOPS,), 0.5), ((), None)],
)
def test_a_policy_laid_over_a_cluster_keeps_what_only_the_cluster_can_say(
    run: Run, file: File, table: Make, tmp_path: Path, sources: tuple[dict[str, Any], ...], price: float | None
) -> None:
    table("L40S,0.5,")
    objects = {
        "gpupools": [stored(pool(price=None))],
        "placementpolicies": [stored(policy({**LIVE, "name": "aaa"}, LIVE), prices=[IN_FORCE])],
    }
    with kube_stub(tmp_path, objects) as stub:
        over = file(policy(*sources))
        result = run("pools", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-f", over, "-o", "json")
    found = prices(result)["l40s"]
    assert (found["perGPUHour"] if found else None) == price
