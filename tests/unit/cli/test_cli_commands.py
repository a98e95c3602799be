"""`version`, `crds`, `completion`, and what all commands have in common."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from placewright import __version__
from placewright.api.crd import render_all
from placewright.cli import exits
from placewright.cli.lazy import Entry, RootGroup, debug_option
from placewright.cli.root import COMMANDS, cli, program_name
from placewright.core.errors import InternalError

Run = Callable[..., Result]


def test_version(run: Run) -> None:
    assert run("version").stdout.startswith(f"placewright {__version__} (API placewright.dev/v1alpha1, catalog ")
    assert json.loads(run("version", "-o", "json").stdout)["version"] == __version__
    assert run("--version").stdout == f"placewright {__version__}\n"


def test_crds_are_what_the_types_render(run: Run, tmp_path: Path) -> None:
    printed = list(yaml.safe_load_all(run("crds").stdout))
    assert [entry["kind"] for entry in printed] == ["CustomResourceDefinition"] * len(render_all())
    assert run("crds", "--output-dir", tmp_path / "new").stdout == ""
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == render_all()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_PLACEWRIGHT_COMPLETE" in result.stdout
    assert run("completion", "tcsh").exit_code == 2


def test_the_bash_script_is_sound(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "complete.bash"
    script.write_text(run("completion", "bash").stdout)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def _completed(words: str, number: int) -> list[str]:
    env = {"_PLACEWRIGHT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    output = CliRunner().invoke(cli, [], prog_name="placewright", env=env).stdout
    return [line.partition(",")[2] for line in output.splitlines()]


def test_commands_options_and_values_are_completed() -> None:
    assert _completed("placewright p", 1) == ["plan", "pareto", "pools", "pause", "profile"]
    assert _completed("placewright network g", 2) == ["generate"]
    assert "--config-dir" in _completed("placewright plan --c", 2)
    assert _completed("placewright plan --method it", 3) == ["iterative"]


def test_it_is_called_through_kubectl_as_a_plugin() -> None:
    assert program_name("/usr/bin/kubectl-placewright") == "kubectl placewright"
    assert program_name("/usr/bin/placewright") == "placewright"
    result = CliRunner().invoke(cli, ["plan", "--help"], prog_name="kubectl placewright")
    assert result.stdout.startswith("Usage: kubectl placewright plan")


def test_the_list_of_commands_says_what_each_says_itself() -> None:
    context = click.Context(cli)
    for name, entry in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        if name != "run":
            assert command.short_help == entry.summary


def _leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    below = ((name, command.get_command(context, name)) for name in command.list_commands(context))
    return [path, *(leaf for name, child in below if child for leaf in _leaves(child, (*path, name)))]


@pytest.mark.parametrize("path", _leaves(cli, ()), ids=" ".join)
def test_every_command_has_help(run: Run, path: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        result = run(*path, flag)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: {' '.join(('placewright', *path))} ")
        assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_worst_code_speaks_for_several_requests() -> None:
    assert exits.worst([]) == exits.PLANNED
    assert exits.worst([0, 3, 0]) == exits.GATE_BLOCKS
    assert exits.worst([3, 4, 0]) == exits.INFEASIBLE
    assert exits.worst([4, 3, 2]) == exits.BAD_INPUT
    assert exits.worst([4, 3, 2, 1]) == exits.INTERNAL_ERROR


def _failing(error: BaseException) -> RootGroup:
    """A command line with one command, which raises."""

    @click.command()
    @debug_option
    def fail() -> None:
        raise error

    group = RootGroup(entries={})
    group.add_command(fail, "fail")
    return group


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InternalError("a\nb"), 1, "error: internal error: InternalError: a b (--debug shows where)"),
        (ZeroDivisionError("x"), 1, "error: internal error: ZeroDivisionError: x (--debug shows where)"),
        (OSError(28, "No space left on device"), 1, "error: output: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("in an import"), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line_and_a_code(error: BaseException, code: int, line: str) -> None:
    if isinstance(error, RuntimeError) and "import" in str(error):
        error.__cause__ = KeyboardInterrupt()
    result = CliRunner().invoke(_failing(error), ["fail"])
    assert (result.exit_code, result.stderr) == (code, f"{line}\n")


def test_only_debug_shows_where() -> None:
    result = CliRunner().invoke(_failing(ZeroDivisionError("x")), ["fail", "--debug"])
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: internal error")


def test_a_table_of_commands_that_names_nothing_is_noticed() -> None:
    group = RootGroup(entries={"gone": Entry(module="placewright.cli.gone", attribute="gone", summary="")})
    assert CliRunner().invoke(group, ["gone"]).exit_code == 1


@pytest.mark.parametrize("group", [(), ("audit",), ("ramp",), ("profile",)])
def test_a_group_alone_prints_its_help_as_it_is(run: Run, group: tuple[str, ...]) -> None:
    result = run(*group)
    assert result.exit_code == exits.BAD_INPUT
    assert result.stdout == ""
    assert result.stderr == run(*group, "--help").stdout
