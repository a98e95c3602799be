"""Finding and building binaries, on machines of every kind: no Go and no network needed."""

import dataclasses
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.controlplane.absence import refuse_or_skip
from tests.controlplane.assets import (
    ALL_PROGRAMS,
    GROUPS,
    KUBERNETES,
    PROMETHEUS,
    TOOLS,
    AssetsError,
    AssetsUnavailableError,
    Finder,
    Group,
    built_folder,
    cache_folder,
    cache_key,
    prometheus_version,
)
from tests.controlplane.build import build

# Stands in for Go: makes each program of the batch, and notes in BUILDS that it was called.
FAKE_GO = """\
#!{python}
import os, sys, time
arguments = sys.argv[1:]
with open({builds!r}, "a") as builds:
    builds.write("one\\n")
folder = arguments[arguments.index("-o") + 1]
for package in arguments[arguments.index("-o") + 2:]:
    print(package, file=sys.stderr)
    with open(os.path.join(folder, package.rsplit("/", 1)[1]), "w") as program:
        program.write(package)
sys.exit({code})
"""


def nothing(_name: str) -> None:
    return None


@pytest.fixture
def fake_go(tmp_path: Path) -> Callable[..., Path]:
    def make(code: int = 0) -> Path:
        go = tmp_path / "go"
        go.write_text(FAKE_GO.format(python=sys.executable, builds=str(tmp_path / "builds"), code=code))
        go.chmod(go.stat().st_mode | stat.S_IXUSR)
        return go

    return make


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], Group]:
    """A copy of the tools group whose go.sum may be edited."""

    def make(go_sum: str) -> Group:
        folder = tmp_path / "module"
        folder.mkdir(exist_ok=True)
        (folder / "go.mod").write_bytes((TOOLS.folder / "go.mod").read_bytes())
        (folder / "go.sum").write_text(go_sum)
        return dataclasses.replace(TOOLS, folder=folder)

    return make


def test_without_go_and_without_binaries_the_message_says_both_ways_out(tmp_path: Path) -> None:
    finder = Finder(env={"XDG_CACHE_HOME": str(tmp_path)}, which=nothing)

    with pytest.raises(AssetsUnavailableError) as raised:
        finder.path("kube-apiserver")

    said = str(raised.value)
    assert "Install Go" in said
    assert "python -m tests.controlplane build" in said
    assert "KUBEBUILDER_ASSETS" in said
    assert "\n" not in said


@pytest.mark.parametrize("env", [{}, {"CI": ""}, {"CI": "false"}, {"CI": "0"}])
def test_outside_ci_the_tier_is_skipped_loudly(env: Mapping[str, str]) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED AGAINST A REAL API SERVER.*Install Go"):
        refuse_or_skip(AssetsUnavailableError("no Go"), env)


@pytest.mark.parametrize("env", [{"CI": "true"}, {"CI": "1"}])
def test_in_ci_a_missing_tier_fails(env: Mapping[str, str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="must be there: no Go"):
        refuse_or_skip(AssetsUnavailableError("no Go"), env)


def test_kubebuilder_assets_win_over_building(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()
    finder = Finder(env={"KUBEBUILDER_ASSETS": str(tmp_path)}, which=nothing)

    assert finder.path("etcd") == tmp_path / "etcd"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    finder = Finder(env={"KUBEBUILDER_ASSETS": missing}, which=nothing)

    with pytest.raises(AssetsError, match=r"KUBEBUILDER_ASSETS is .*missing"):
        finder.path("etcd")


def test_an_unknown_program_is_named() -> None:
    with pytest.raises(AssetsError, match="unknown program 'kubeadm'"):
        Finder(which=nothing).path("kubeadm")


def test_what_was_built_once_needs_no_go(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    folder = built_folder(KUBERNETES, env)
    folder.mkdir(parents=True)
    (folder / "kubectl").touch()

    assert Finder(env=env, which=nothing).path("kubectl") == folder / "kubectl"


@pytest.mark.parametrize(("version", "taken"), [("2.42.0", True), ("3.15.0", True), ("2.41.9", False)])
def test_a_recent_prometheus_on_the_path_wins(tmp_path: Path, version: str, taken: bool) -> None:  # noqa: FBT001
    program = tmp_path / "promtool"
    program.write_text(f"#!/bin/sh\necho 'promtool, version {version} (branch: )'\n")
    program.chmod(0o755)
    finder = Finder(
        env={"XDG_CACHE_HOME": str(tmp_path / "cache")},
        which=lambda name: str(program) if name == "promtool" else None,
    )

    if taken:
        assert finder.path("promtool") == program
    else:
        with pytest.raises(AssetsUnavailableError):
            finder.path("promtool")


def test_a_prometheus_that_says_no_version_is_too_old() -> None:
    assert prometheus_version("command not found") == (0, 0)


def test_the_cache_follows_xdg_and_home() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/placewright")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/placewright")


def test_the_cache_key_changes_with_go_sum_and_the_programs(module: Callable[[str], Group]) -> None:
    first = cache_key(module("a"))

    assert cache_key(module("a")) == first
    assert cache_key(module("b")) != first
    assert cache_key(dataclasses.replace(module("a"), batches=TOOLS.batches[:1])) != first
    assert len({cache_key(group) for group in GROUPS}) == len(GROUPS)


def test_versions_are_those_that_go_mod_pins() -> None:
    assert "gitVersion=v1.36.3" in KUBERNETES.ldflags
    assert "helm/v4/internal/version.version=v4.3.1" in TOOLS.ldflags
    assert "helm/v3/internal/version.version=v3.22.0" in TOOLS.ldflags
    assert "version.Version=3.15.0" in PROMETHEUS.ldflags
    with pytest.raises(AssetsError, match=r"does not require example\.org/none"):
        TOOLS.version("example.org/none")


def test_every_program_is_a_tool_of_its_module() -> None:
    for group in GROUPS:
        text = (group.folder / "go.mod").read_text()
        tools = {line.removeprefix("tool").strip() for line in text[: text.index("require (")].splitlines()}
        if group is KUBERNETES:
            tools = {line.strip() for line in text.splitlines()}
        assert {program.package for program in group.programs} <= tools
    assert len(set(ALL_PROGRAMS)) == len(ALL_PROGRAMS)


def test_two_builders_at_once_build_once(tmp_path: Path, fake_go: Callable[..., Path]) -> None:
    target = tmp_path / "cache" / "tools-key"
    said: list[str] = []
    go = fake_go()
    builders = [threading.Thread(target=build, args=(TOOLS, target, go, said.append)) for _ in range(2)]

    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()

    assert (tmp_path / "builds").read_text().count("one") == len(TOOLS.batches)
    assert {path.name for path in target.iterdir()} == set(TOOLS.files)
    assert (target / "helm3").read_text() == "helm.sh/helm/v3/cmd/helm"
    assert (target / "helm4").read_text() == "helm.sh/helm/v4/cmd/helm"
    assert any(line.startswith("built helm4, kubeconform, helm3") for line in said)


def test_a_failed_build_leaves_nothing_and_tells_why(tmp_path: Path, fake_go: Callable[..., Path]) -> None:
    target = tmp_path / "cache" / "tools-key"

    with pytest.raises(AssetsError, match=r"failed \(3\):\n.*helm"):
        build(TOOLS, target, fake_go(code=3), lambda _line: None)

    assert [path.name for path in target.parent.iterdir()] == ["tools-key.lock"]


def test_leftovers_of_a_killed_builder_are_swept(tmp_path: Path, fake_go: Callable[..., Path]) -> None:
    target = tmp_path / "cache" / "tools-key"
    leftover = target.with_name("tools-key.partial-x")
    leftover.mkdir(parents=True)

    build(TOOLS, target, fake_go(), lambda _line: None)

    assert target.is_dir()
    assert not leftover.exists()


def test_the_command_line_names_what_is_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.controlplane", "path", "kubeadm"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: unknown program 'kubeadm'")
    assert "Traceback" not in done.stderr
