"""What only a process of its own shows: imports, closed pipes, Ctrl-C, terminals, locales."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from placewright.cli.screen import width_asked

_START = "from placewright.cli.main import main; main()"
_HEAVY = (
    "numpy",
    "numba",
    "pydantic",
    "kopf",
    "kubernetes",
    "ortools",
    "aiohttp",
    "rich",
    "yaml",
    "matplotlib",
    "plotext",
)
_SECONDS = 60.0


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", _START, *(str(argument) for argument in arguments)]


def _environ(**changed: str | None) -> dict[str, str]:
    """This process's environment, changed; None removes a variable."""
    kept = {name: value for name, value in os.environ.items() if name not in changed}
    kept.pop("COLUMNS", None) if "COLUMNS" not in changed else None
    return {**kept, **{name: value for name, value in changed.items() if value is not None}}


def _run(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        _command(*arguments),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=_SECONDS,
        env=environ or _environ(),
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"]]
    + [
        [command, "--help"]
        for command in ("plan", "explain", "diff", "pools", "validate", "run", "idle", "wake", "pause", "resume")
    ]
    + [["pareto", "-h"], ["network", "generate", "--help"]],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom placewright.cli.root import cli\n"
        f"try:\n    cli.main({arguments!r}, prog_name='placewright')\n"
        "except SystemExit as exit:\n    assert exit.code == 0\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=_SECONDS)
    assert done.stderr == b"[]\n"


def test_version_and_completion_load_no_solver() -> None:
    for arguments in (["version"], ["completion", "zsh"]):
        code = (
            "import sys\nfrom placewright.cli.root import cli\n"
            f"try:\n    cli.main({arguments!r}, prog_name='placewright')\nexcept SystemExit:\n    pass\n"
            "print([name for name in ('numpy', 'numba', 'pydantic', 'kopf') if name in sys.modules], file=sys.stderr)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=_SECONDS)
        assert done.stderr == b"[]\n"


@pytest.mark.parametrize("arguments", [["plan", "-o", "json"], ["plan"], ["pareto", "-o", "svg"]], ids=" ".join)
def test_a_closed_pipe_ends_quietly(medium: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            _command(*arguments, "--config-dir", medium),
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=_SECONDS,
            env=_environ(),
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def _hard(folder: Path) -> Path:
    """A request that takes long enough to be interrupted."""
    pools = [
        {"name": name, "gpu": gpu, "nodes": nodes, "gpusPerNode": per_node, "pricePerGPUHour": price}
        for name, gpu, nodes, per_node, price in (
            ("a", "L40S", 9, 7, 1.21),
            ("b", "A100-80GB", 5, 5, 1.93),
            ("c", "H100", 5, 3, 3.37),
            ("d", "L4", 13, 5, 0.53),
            ("e", "H200", 3, 7, 4.51),
        )
    ]
    spec = {
        "model": {"name": "meta-llama/Llama-3.1-405B-Instruct"},
        "workload": {"inputTokens": 2048, "outputTokens": 512},
        "slo": {"ttft": "30s"},
        "parallelism": {"tensor": [1, 2, 3, 4, 5, 6, 7], "maxPipeline": 16, "allowMixedPools": True, "runtime": "any"},
        "pools": pools,
        "solver": {"timeLimit": "10m"},
    }
    body = {"apiVersion": "placewright.dev/v1alpha1", "kind": "PlacementRequest", "metadata": {"name": "hard"}}
    path = folder / "hard.yaml"
    path.write_text(yaml.safe_dump({**body, "spec": spec}))
    return path


def _busy(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the solver is loaded and at work, as far as the kernel tells."""
    try:
        maps = Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False
    return "llvmlite" in maps


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc to know when the solver is at work")
def test_ctrl_c_ends_with_one_line_and_no_file(tmp_path: Path) -> None:
    target = tmp_path / "out" / "frontier.svg"
    target.parent.mkdir()
    process = subprocess.Popen(
        _command("pareto", "-f", _hard(tmp_path), "-o", "svg", "--output", target),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environ(),
    )
    try:
        deadline = time.monotonic() + _SECONDS
        while not _busy(process) and process.poll() is None and time.monotonic() < deadline:
            select.select([], [], [], 0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output, errors) == (130, b"", b"interrupted\n")
    assert list(target.parent.iterdir()) == []


def test_ctrl_c_while_it_starts_is_one_line_too() -> None:
    code = (
        "import os, signal\nfrom placewright.cli import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'placewright.cli.root':\n            os.kill(os.getpid(), signal.SIGINT)\n"
        "import sys\nsys.meta_path.insert(0, Finder())\nmain.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted\n")


def test_ctrl_c_that_a_library_would_swallow_ends_the_process_all_the_same() -> None:
    code = (
        "import os, signal\nfrom placewright.cli.interrupts import leaving_at_once\n"
        "with leaving_at_once():\n    pass\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "with leaving_at_once():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except BaseException:\n        pass\n"
        "print('it went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted\n")


def _on_a_terminal(arguments: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    """Run with standard output and error on a pseudo terminal, and return what it shows."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        _command(*arguments), stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environ
    )
    os.close(follower)
    shown = b""
    try:
        while select.select([leader], [], [], _SECONDS)[0]:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not part:
                break
            shown += part
        process.wait(timeout=_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return shown.decode()


def test_a_terminal_gets_colours_lines_and_a_plot(medium: Path) -> None:
    environ = _environ(TERM="xterm-256color", LANG="C.UTF-8", LC_ALL=None, NO_COLOR=None, COLUMNS="100")
    shown = _on_a_terminal(["pareto", "--config-dir", medium], environ)
    assert "\x1b[" in shown
    assert "─" in shown
    assert "* layout, P plan, B best price" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 100


def test_no_color_is_honoured(medium: Path) -> None:
    environ = _environ(TERM="xterm-256color", LANG="C.UTF-8", LC_ALL=None, NO_COLOR="1", COLUMNS="100")
    shown = _on_a_terminal(["plan", "--config-dir", medium], environ)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)
    assert "$0.103563/M tokens" in shown


@pytest.mark.parametrize("columns", ["100", "40"])
def test_a_dumb_terminal_without_unicode_gets_plain_ascii(medium: Path, columns: str) -> None:
    environ = _environ(TERM="dumb", LANG="C", LC_ALL=None, COLUMNS=columns)
    for command in ("plan", "pareto"):
        shown = _on_a_terminal([command, "--config-dir", medium], environ)
        assert shown.isascii()
        assert "\x1b" not in shown
        assert max(len(line.rstrip()) for line in shown.splitlines()) <= (width_asked(environ) or 0)


def test_a_name_that_the_encoding_lacks_fails_nothing(medium: Path, tmp_path: Path) -> None:
    ascii_alone = _environ(PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: placewright.dev/v1alpha1\nkind: PlacementRequest\nmetadata: {name: ü}\nspec: {}\n")
    done = _run("plan", "-f", bad, environ=ascii_alone)
    assert done.returncode == 2
    assert b"metadata.name" in done.stderr
    assert b"Traceback" not in done.stderr
    copy = tmp_path / "médium"
    copy.mkdir()
    for file in medium.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    done = _run("plan", "--config-dir", copy, environ=ascii_alone)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"dium: approved" in done.stdout
    assert _run("plan", "--config-dir", copy, "-o", "json", environ=ascii_alone).returncode == 0


def test_standard_input_may_be_closed() -> None:
    done = _run("plan", "-f", "-")
    assert done.returncode == 2
    assert done.stderr == b"error: -: got nothing, wants at least one PlacementRequest\n"


def test_a_full_disk_is_one_line(medium: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            _command("plan", "--config-dir", medium),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=_SECONDS,
            env=_environ(),
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == b"error: output: No space left on device"
    assert b"Traceback" not in done.stderr
