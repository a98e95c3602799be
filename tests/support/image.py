"""The image without a container engine: the Dockerfile's own steps, run in a folder that stands for the root.

What an engine adds (isolation, layers, the base image itself) is not shown by this; the steps, the entry point, the
user and the read-only installation are.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.dockerfile import Dockerfile, Instruction, Stage

_STEP_SECONDS = 400.0
_RUN_SECONDS = 60.0
_BUILD_FOLDERS = ("src", "build", "wheels")
_OWN_PATHS = ("opt/placewright", "tmp", "usr/local/bin/placewright-entrypoint", "licenses", *_BUILD_FOLDERS)
_STDLIB_LEFT_OUT = shutil.ignore_patterns("site-packages", "dist-packages", "test", "idlelib", "tkinter", "__pycache__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built image.

    Attributes:
        root: stands for `/`.
        stage: the last stage of the Dockerfile.
        loader: what the interpreter needs of the environment to start.
    """

    root: Path
    stage: Stage
    loader: dict[str, str] = field(default_factory=dict)

    def path(self, inside: str) -> Path:
        """Where a path of the image lies."""
        return self.root / inside.lstrip("/")

    @property
    def environment(self) -> dict[str, str]:
        """What the container's process gets, and nothing of ours."""
        told = {name: _translated(value, self.root) for name, value in self.stage.pairs("ENV").items()}
        return {**told, "PATH": f"{self.path('/opt/placewright/bin')}:/usr/bin:/bin", **self.loader}

    @property
    def user(self) -> int:
        """The numeric user of the last USER."""
        return int(self.stage.all("USER")[-1].text.split(":")[0])

    @property
    def entry_point(self) -> str:
        """What starts the product."""
        return str(self.path("/usr/local/bin/placewright-entrypoint"))

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, command: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs the entry point (or the command) as the image's user when we are root, else as ourselves.

        A directory or file of the installation cannot be written by either of them.
        """
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_user = {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.run(
            [*(command or [self.entry_point]), *arguments],
            env={**self.environment, **(env or {})},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_SECONDS,
            **as_user,
        )

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of everything but /tmp."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.root:
                folders.remove("tmp")
            for path in (Path(folder) / name for name in [*folders, *files]):
                status = path.lstat()
                found[str(path.relative_to(self.root))] = (status.st_size, status.st_mtime_ns)
        return found


def build(dockerfile: Dockerfile, context: Path, root: Path) -> Image:
    """Runs the steps of a Dockerfile of two stages.

    Args:
        dockerfile: what to build; its second stage copies from the first what lies at the same path.
        context: the repository.
        root: an empty folder that every user can enter.

    Raises:
        AssertionError: a step failed; with what it said.
    """
    first, last = dockerfile.stages
    python, loader = _interpreter(root, int(last.all("USER")[-1].text.split(":")[0]))
    _step([str(python), "-m", "venv", str(root / "base")], root, {**os.environ, **loader})
    environment = {**os.environ, **loader, **first.pairs("ENV"), "PATH": f"{root / 'base/bin'}:/usr/bin:/bin"}
    environment = {name: value for name, value in environment.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    folder = root
    for instruction in first.instructions:
        if instruction.name == "WORKDIR":
            folder = root / instruction.text.lstrip("/")
            folder.mkdir(parents=True)
        elif instruction.name == "COPY":
            _copy(instruction, context, root, folder)
        elif instruction.name == "RUN":
            _step(["sh", "-euc", _translated(instruction.text, root)], folder, environment)
    for instruction in last.all("COPY"):
        if "from" not in instruction.flags:  # what comes from the first stage lies at its place already
            _copy(instruction, context, root, root)
    for name in (*_BUILD_FOLDERS, "base"):
        shutil.rmtree(root / name)
    make_read_only(root)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    return Image(root=root, stage=last, loader=loader)


def make_read_only(root: Path) -> None:
    """Takes every right to write."""
    for folder, _, files in os.walk(root):
        for path in [Path(folder), *(Path(folder) / name for name in files)]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def remove(root: Path) -> None:
    """Removes a folder although it is read-only."""
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o700)
    shutil.rmtree(root)


def _translated(text: str, root: Path) -> str:
    """The text with the image's own paths moved under `root`."""
    ours = "|".join(re.escape(path) for path in _OWN_PATHS)
    return re.sub(rf"(?<![\w./-])/(?=(?:{ours})\b)", f"{root}/", text)


def _copy(instruction: Instruction, context: Path, root: Path, folder: Path) -> None:
    *sources, target = instruction.words
    base = root if target.startswith("/") else folder
    destination = base / target.lstrip("/")
    if instruction.heredoc:
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(_translated(instruction.heredoc, root), encoding="utf-8")
        destination.chmod(int(instruction.flags["chmod"], 8))
        return
    for source in (context / name for name in sources):
        if source.is_dir():
            shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            into = destination / source.name if target.endswith("/") else destination
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, into)


def _step(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_STEP_SECONDS
    )
    assert done.returncode == 0, f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"


def _interpreter(root: Path, user: int) -> tuple[Path, dict[str, str]]:
    """A Python that the image's user can start: ours, or a copy where ours lies in a closed folder."""
    ours = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    if os.geteuid() != 0 or _starts(ours, user):
        return ours, {}
    copy = root / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (copy / "bin").mkdir(parents=True)
    shutil.copy2(ours, copy / "bin" / version)
    shutil.copytree(sysconfig.get_path("stdlib"), copy / "lib" / version, ignore=_STDLIB_LEFT_OUT)
    shared = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    if ".so" not in shared.name:
        return copy / "bin" / version, {}
    shutil.copy2(shared, copy / "lib")
    return copy / "bin" / version, {"LD_LIBRARY_PATH": str(copy / "lib")}


def _starts(python: Path, user: int) -> bool:
    try:
        done = subprocess.run(
            [python, "-I", "-c", ""], user=user, group=user, extra_groups=[], check=False, capture_output=True, cwd="/"
        )
    except PermissionError:
        return False
    return done.returncode == 0
