"""`diff`: what a change costs, limits, exit codes, comments, and both sides from files or git revisions."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

Run = Callable[..., Result]
File = Callable[..., Path]
Chat = Callable[..., dict[str, Any]]


def _pools(price: float, nodes: int = 1) -> list[dict[str, Any]]:
    return [{"name": "l40s", "gpu": "L40S", "nodes": nodes, "gpusPerNode": 4, "pricePerGPUHour": price}]


def _compared(run: Run, old: Path, new: Path, *arguments: str) -> dict[str, Any]:
    result = run("diff", "-f", new, "--base", old, "-o", "json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_added_removed_dearer_and_same_requests_are_told(run: Run, file: File, chat: Chat) -> None:
    old = file(chat("same"), chat("dearer"), chat("gone"), name="old.yaml")
    new = file(chat("same"), chat("dearer", pools=_pools(1.8)), chat("fresh"), name="new.yaml")
    found = _compared(run, old, new)
    assert (found["kind"], found["limits"]) == ("PlacementDiff", [])
    assert {item["metadata"]["name"]: item["change"] for item in found["items"]} == {
        "dearer": "Changed",
        "fresh": "Added",
        "gone": "Removed",
        "same": "Same",
    }
    dearer = next(item for item in found["items"] if item["metadata"]["name"] == "dearer")
    assert (dearer["old"]["costPerHour"], dearer["new"]["costPerHour"]) == (1.2, 1.8)
    assert dearer["costChangePerHour"] == 0.6
    assert dearer["new"]["costPerMillionTokens"] == pytest.approx(dearer["old"]["costPerMillionTokens"] * 1.5, rel=1e-5)
    assert found["fleet"]["oldCostPerHour"] == 3.6
    assert found["fleet"]["newCostPerHour"] == 4.2
    assert found["fleet"]["costChangePercent"] == pytest.approx(100 / 6, rel=1e-5)


def test_the_table_shows_what_differs_and_the_total(run: Run, file: File, chat: Chat) -> None:
    old = file(chat("same"), chat("dearer"), name="old.yaml")
    new = file(chat("same"), chat("dearer", pools=_pools(1.8)), name="new.yaml")
    result = run("diff", "-f", new, "--base", old)
    assert result.exit_code == 0
    head, row, total = result.stdout.splitlines()
    assert head.split()[:2] == ["NAME", "CHANGE"]
    assert row.split()[:7] == ["default/dearer", "changes", "$1.20", "->", "$1.80", "(+$0.60)", "$0.113019"]
    assert total == "  $2.40 -> $3.00 (+$0.60) per hour in all, 25 % more: 1 changed, 1 same"


def test_nothing_changed_is_said(run: Run, file: File, chat: Chat) -> None:
    path = file(chat())
    assert run("diff", "-f", path, "--base", path).stdout == "  $1.20 per hour in all: 1 same\n"
    assert run("diff", "-f", path, "--base", path, "--comment", "markdown").stdout.endswith("No plan changes.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--max-increase-percent", "49"], 3, "costs rise by 50 %, at most 49 % is allowed: EXCEEDED"),
        (["--max-increase-percent", "50"], 0, "costs rise by 50 %, at most 50 % is allowed: kept"),
        (["--max-increase-per-hour", "0.5"], 3, "costs rise by $0.60/h, at most $0.50/h is allowed: EXCEEDED"),
        (["--max-increase-per-hour", "0.6"], 0, "costs rise by $0.60/h, at most $0.60/h is allowed: kept"),
    ],
)
def test_a_rise_above_a_limit_exits_with_3(
    run: Run, file: File, chat: Chat, arguments: list[str], code: int, said: str
) -> None:
    old, new = file(chat(), name="old.yaml"), file(chat(pools=_pools(1.8)), name="new.yaml")
    result = run("diff", "-f", new, "--base", old, *arguments)
    assert result.exit_code == code
    assert said in result.stdout
    assert run("diff", "-f", old, "--base", new, *arguments).exit_code == 0
    limit = json.loads(run("diff", "-f", new, "--base", old, *arguments, "-o", "json").stdout)["limits"][0]
    assert (limit["name"], limit["exceeded"]) == (arguments[0], code == 3)


def test_a_rise_from_nothing_exceeds_every_percentage(run: Run, file: File, chat: Chat) -> None:
    old, new = file(chat(gates={"maxCostPerHour": 0.1}), name="old.yaml"), file(chat(), name="new.yaml")
    result = run("diff", "-f", new, "--base", old, "--max-increase-percent", "1000")
    assert result.exit_code == 3
    assert "costs rise from nothing, at most 1,000 % is allowed: EXCEEDED" in result.stdout


def test_what_is_newly_without_a_plan_decides_the_exit_code(run: Run, file: File, chat: Chat) -> None:
    good = file(chat(), name="good.yaml")
    blocked = file(chat(gates={"maxCostPerHour": 0.5}), name="blocked.yaml")
    infeasible = file(chat(slo={"ttft": "1ms"}), name="infeasible.yaml")
    assert run("diff", "-f", blocked, "--base", good).exit_code == 3
    assert run("diff", "-f", infeasible, "--base", good).exit_code == 4
    assert run("diff", "-f", good, "--base", infeasible).exit_code == 0
    assert run("diff", "-f", infeasible, "--base", infeasible).exit_code == 0
    text = run("diff", "-f", blocked, "--base", good).stdout
    assert "LOST, Blocked" in text
    assert "CostPerHour 1.2, at most 0.5" in text
    assert "$1.20 -> $0.00 (-$1.20) per hour in all" in text


def test_the_comment_is_a_table(run: Run, file: File, chat: Chat) -> None:
    old = file(chat("a"), name="old.yaml")
    new = file(chat("a", gates={"maxCostPerHour": 0.5}), chat("b"), name="new.yaml")
    result = run("diff", "-f", new, "--base", old, "--comment", "markdown", "--max-increase-per-hour", "0")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == "### GPU cost"
    assert r"- costs rise by \$0.00/h, at most \$0.00/h is allowed: kept" in lines
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == "| request | change | $/h | $/M tokens | layout | why |"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| `default/a`", "| `default/b`"]
    assert {line.replace(r"\|", "").count("|") for line in table} == {7}


# ---------------------------------------------------------------------------------------------------- both sides


def test_faults_of_both_sides_are_told_and_nothing_is_planned(run: Run, file: File, chat: Chat) -> None:
    old = file(chat(workload={"inputTokens": 0, "outputTokens": 1}), name="old.yaml")
    new = file(chat(modle=1), name="new.yaml")
    result = run("diff", "-f", new, "--base", old)
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"error: {old}:")
    assert second.startswith(f"error: {new}:")


def test_options_that_make_no_sense_are_one_line(run: Run, file: File, chat: Chat) -> None:
    path = file(chat())
    for arguments, said in (
        (["-f", path], "Missing option '--base'"),
        (["-f", path, "--base", path, "--max-increase-percent", "-1"], "got '-1', wants a number of at least 0"),
        (["-f", path, "--base", path, "--max-increase-per-hour", "nan"], "got 'nan', wants a number of at least 0"),
        (
            ["-f", path, "--base", path, "--comment", "markdown", "-o", "json"],
            "got both --comment markdown and -o json",
        ),
        (["-f", path, "--base", "none.yaml"], "none.yaml: got no such file"),
    ):
        result = run("diff", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert said in line


def test_pools_are_for_both_sides(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text(yaml.safe_dump(_pools(2.0)))
    old, new = file(chat(pools=None), name="old.yaml"), file(chat(pools=None), chat("b", pools=None), name="new.yaml")
    found = _compared(run, old, new, "--pools", str(pools))
    assert (found["fleet"]["oldCostPerHour"], found["fleet"]["newCostPerHour"]) == (2.0, 4.0)


# ----------------------------------------------------------------------------------------------------------- git


@pytest.fixture
def repository(tmp_path: Path, chat: Chat) -> Iterator[Path]:
    """A repository whose only commit has two requests, and a changed working tree; it is the current folder."""
    if shutil.which("git") is None:
        pytest.skip("no git here")
    folder = tmp_path / "repository"
    (folder / "deploy/deep").mkdir(parents=True)
    (folder / "deploy/a.yaml").write_text(yaml.safe_dump(chat("a")))
    (folder / "deploy/deep/ü b.yml").write_text(yaml.safe_dump(chat("b")))
    (folder / "deploy/readme.md").write_text("not read: {")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1"]):
        author = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *author, *command], cwd=folder, check=True)
    (folder / "deploy/a.yaml").write_text(yaml.safe_dump(chat("a", pools=_pools(1.8))))
    with contextlib.chdir(folder):
        yield folder


def _changes(result: Result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return {item["metadata"]["name"]: item["change"] for item in json.loads(result.stdout)["items"]}


@pytest.mark.parametrize("base", ["git:v1", "git:HEAD", "git:HEAD:deploy", "git:v1:./deploy/"])
def test_the_base_is_a_revision(run: Run, repository: Path, base: str) -> None:
    assert (repository / "deploy").is_dir()
    assert _changes(run("diff", "-f", "deploy", "--base", base, "-o", "json")) == {"a": "Changed", "b": "Same"}


def test_a_revision_is_read_from_a_folder_below_and_from_outside(run: Run, repository: Path, tmp_path: Path) -> None:
    with contextlib.chdir(repository / "deploy"):
        assert _changes(run("diff", "-f", "a.yaml", "--base", "git:v1", "-o", "json")) == {"a": "Changed"}
        assert _changes(run("diff", "-f", "a.yaml", "--base", "git:v1:a.yaml", "-o", "json")) == {"a": "Changed"}
    both = {"a": "Changed", "b": "Same"}
    with contextlib.chdir(tmp_path):
        assert _changes(run("diff", "-f", repository / "deploy", "--base", "git:v1", "-o", "json")) == both


def test_both_sides_are_revisions(run: Run, repository: Path) -> None:
    assert repository.is_dir()
    same = {"a": "Same", "b": "Same"}
    assert _changes(run("diff", "-f", "git:HEAD:deploy", "--base", "git:v1:deploy", "-o", "json")) == same


def test_a_path_that_the_revision_lacks_is_new(run: Run, repository: Path, chat: Chat) -> None:
    (repository / "deploy/c.yaml").write_text(yaml.safe_dump(chat("c")))
    result = run("diff", "-f", "deploy/c.yaml", "--base", "git:v1", "-o", "json")
    assert _changes(result) == {"c": "Added"}
    assert result.stderr == "note: deploy/c.yaml is not in v1: everything in it is new\n"


def test_a_fault_in_a_revision_names_revision_path_and_line(run: Run, repository: Path) -> None:
    (repository / "deploy/a.yaml").write_text("kind: PlacementRequest\nmetadata: 1\n")
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@e", "commit", "-qam", "bad"], check=True)
    result = run("diff", "-f", "deploy/deep", "--base", "git:HEAD:deploy/a.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: HEAD:deploy/a.yaml:1: apiVersion: got nothing")


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("git:nowhere", "git:nowhere: got no revision 'nowhere', wants a branch, tag or commit of"),
        ("git:", "git:: got no name of a revision, wants a file, a folder, git:REVISION or git:REVISION:PATH"),
        ("git:--output=x", "got no name of a revision"),
        ("git:v1:none", "git:v1:none: got no none with YAML or JSON in v1"),
        ("git:v1:../..", "got a path outside"),
    ],
)
def test_a_revision_that_is_not_there_is_one_line(run: Run, repository: Path, base: str, said: str) -> None:
    assert repository.is_dir()
    result = run("diff", "-f", "deploy", "--base", base)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said in line
    assert not (repository / "x").exists()


def test_without_git_or_a_repository_it_is_one_line(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    path = file(chat())
    result = run("diff", "-f", path, "--base", "git:main", env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}: got no git repository, wants a folder inside a git repository\n"
    result = run("diff", "-f", path, "--base", "git:main", env={"PATH": str(tmp_path)})
    assert result.stderr == "error: git: got no such program, wants git on the PATH to read a revision\n"
    result = run("diff", "-f", "-", "--base", "git:main", stdin="")
    assert result.stderr == "error: git:main: got no path, wants git:main:PATH\n"
