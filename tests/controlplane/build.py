"""Builds one Go module into a folder of binaries: once, whole or not at all, also with two builders at once."""

import collections
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.controlplane.assets import STAGES_FILE, AssetsError, Group, Program, Report
from tests.controlplane.processes import guarded

REPORT_EVERY_S = 15.0
_TAIL_LINES = 25


def build(group: Group, target: Path, go: Path, report: Report) -> Path:
    """Builds `group` into `target` unless another builder already did, and returns `target`.

    Raises:
        AssetsError: `go build` failed; the message holds the end of what it printed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(target.name + ".lock"), report):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(target.name + ".partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)  # under the lock nobody else can be writing here
        partial = Path(tempfile.mkdtemp(prefix=target.name + ".partial-", dir=target.parent))
        try:
            _build_into(group, partial, go, report)
            partial.chmod(0o755)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _build_into(group: Group, folder: Path, go: Path, report: Report) -> None:
    began = time.monotonic()
    names = ", ".join(program.name for program in group.programs)
    report(f"building {names} from pinned Go modules, once ({group.estimate})")
    for batch in group.batches:
        _go_build(group, batch, folder, go, report)
        for program in batch:
            if program.built_as != program.name:
                (folder / program.built_as).rename(folder / program.name)
    if STAGES_FILE in group.files:
        (folder / STAGES_FILE).write_text(_kwok_stages(group, go), encoding="utf-8")
    report(f"built {names} in {time.monotonic() - began:.0f} s")


def _go_env() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def _go_build(group: Group, batch: tuple[Program, ...], folder: Path, go: Path, report: Report) -> None:
    began = time.monotonic()
    command = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", group.ldflags, "-o", f"{folder}/"]
    packages = 0
    last_report = began
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(
        guarded([*command, *(program.package for program in batch)]),
        cwd=group.folder,
        env=_go_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                tail.append(line.rstrip())
                packages += not line.startswith("go: ")
                if time.monotonic() - last_report > REPORT_EVERY_S:
                    last_report = time.monotonic()
                    report(f"  {group.name}: {packages} packages compiled, {last_report - began:.0f} s")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        said = "\n".join(tail)
        raise AssetsError(f"`go build` in tests/controlplane/{group.name} failed ({process.returncode}):\n{said}")


def _kwok_stages(group: Group, go: Path) -> str:
    """The stages that make kwok play a kubelet: taken from the very module that kwok is built from."""
    found = subprocess.run(
        [str(go), "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"],
        cwd=group.folder,
        env=_go_env(),
        capture_output=True,
        text=True,
        check=True,
    )
    stages = Path(found.stdout.strip()) / "kustomize" / "stage"
    files = sorted(path for kind in ("node", "pod") for path in (stages / kind / "fast").glob("*.yaml"))
    texts = [path.read_text(encoding="utf-8") for path in files if path.name != "kustomization.yaml"]
    if not texts:
        raise AssetsError(f"the kwok module has no stages under {stages}")
    return "\n---\n".join(texts)


@contextlib.contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another builder of {path.stem}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
