"""The binaries of the real control plane: where they come from and how they are built.

Four pinned Go modules lie beside this file. Each is built once per content of its go.mod and go.sum into
the user's cache folder; `KUBEBUILDER_ASSETS` and a recent Prometheus on the PATH win over building.
"""

import dataclasses
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_PROMETHEUS = (2, 42)
STAGES_FILE = "kwok-stages.yaml"
_PROMETHEUS_MODULE = "github.com/prometheus/prometheus"

Which = Callable[[str], str | None]
Report = Callable[[str], None]


class AssetsError(Exception):
    """A binary is asked for and is neither there nor can be made; the message says what to do."""


class AssetsUnavailableError(AssetsError):
    """There is no Go and no folder of ready binaries: the tier can only be skipped."""


@dataclasses.dataclass(frozen=True)
class Program:
    """One binary: the name it gets here, its Go package, and the name `go build` gives it."""

    name: str
    package: str
    built_as: str


@dataclasses.dataclass(frozen=True)
class Group:
    """One Go module and the programs built from it; programs of one batch share a single `go build`."""

    name: str
    batches: tuple[tuple[Program, ...], ...]
    stamps: tuple[tuple[str, str], ...]  # (Go variable, module whose required version it gets)
    estimate: str
    folder: Path

    @property
    def programs(self) -> tuple[Program, ...]:
        return tuple(program for batch in self.batches for program in batch)

    @property
    def files(self) -> tuple[str, ...]:
        """Everything a complete build leaves in its folder."""
        names = tuple(program.name for program in self.programs)
        return (*names, STAGES_FILE) if "kwok" in names else names

    @property
    def ldflags(self) -> str:
        """Strips debug data and stamps each program with the version that go.mod pins."""
        stamps = (f"-X {variable}={self.version(module)}" for variable, module in self.stamps)
        return " ".join(["-s", "-w", *stamps])

    def version(self, module: str) -> str:
        """The version of a module that this go.mod requires, such as v1.36.3.

        Raises:
            AssetsError: go.mod requires no such module.
        """
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", text, re.MULTILINE)
        if match is None:
            raise AssetsError(f"{self.folder / 'go.mod'} does not require {module}")
        # Prometheus numbers its module 0.315.0 where the release is 3.15.0.
        own = re.fullmatch(r"v0\.(\d)(\d\d)\.(\d+)", match[1]) if module == _PROMETHEUS_MODULE else None
        return f"{own[1]}.{int(own[2])}.{own[3]}" if own else match[1]


def _kubernetes(name: str) -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", name)


KUBERNETES = Group(
    name="kubernetes",
    folder=HERE / "kubernetes",
    batches=(
        (
            *map(_kubernetes, ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")),
            Program("etcd", "go.etcd.io/etcd/server/v3", "server"),
            Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"),
        ),
    ),
    stamps=(("k8s.io/component-base/version.gitVersion", "k8s.io/kubernetes"),),
    estimate="five to six minutes on two cores",
)
TOOLS = Group(
    name="tools",
    folder=HERE / "tools",
    batches=(
        (
            Program("helm4", "helm.sh/helm/v4/cmd/helm", "helm"),
            Program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "kubeconform"),
        ),
        (Program("helm3", "helm.sh/helm/v3/cmd/helm", "helm"),),
    ),
    stamps=(
        ("helm.sh/helm/v4/internal/version.version", "helm.sh/helm/v4"),
        ("helm.sh/helm/v3/internal/version.version", "helm.sh/helm/v3"),
        ("main.version", "github.com/yannh/kubeconform"),
    ),
    estimate="about two minutes on two cores",
)
PROMETHEUS = Group(
    name="prometheus",
    folder=HERE / "prometheus",
    batches=(tuple(Program(name, f"{_PROMETHEUS_MODULE}/cmd/{name}", name) for name in ("prometheus", "promtool")),),
    stamps=(("github.com/prometheus/common/version.Version", _PROMETHEUS_MODULE),),
    estimate="about three minutes on two cores",
)
STORAGE = Group(
    name="storage",
    folder=HERE / "storage",
    batches=((Program("versitygw", "github.com/versity/versitygw/cmd/versitygw", "versitygw"),),),
    stamps=(("main.Version", "github.com/versity/versitygw"),),
    estimate="about a minute on two cores",
)
GROUPS = (KUBERNETES, TOOLS, PROMETHEUS, STORAGE)
_GROUP_OF = {name: group for group in GROUPS for name in group.files}
ALL_PROGRAMS = tuple(program.name for group in GROUPS for program in group.programs)


def cache_folder(env: Mapping[str, str]) -> Path:
    """The user's cache folder for Placewright: XDG_CACHE_HOME, else ~/.cache."""
    base = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "placewright"


def cache_key(group: Group) -> str:
    """Names one build: changes with go.mod, go.sum, the link flags, the programs and the platform."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((group.folder / name).read_bytes())
    recipe = (group.ldflags, group.batches, platform.system(), platform.machine())
    digest.update(repr(recipe).encode())
    return f"{group.name}-{digest.hexdigest()[:16]}"


def built_folder(group: Group, env: Mapping[str, str]) -> Path:
    """Where the build of this group lies or will lie."""
    return cache_folder(env) / "controlplane" / cache_key(group)


@dataclasses.dataclass(frozen=True)
class Finder:
    """Finds binaries, building what is missing.

    Every outside fact is an argument, so that a test can stand on a machine without Go.

    Args:
        env: the environment: KUBEBUILDER_ASSETS, XDG_CACHE_HOME, HOME.
        which: finds a program on the PATH.
        report: gets one line at a time while something is built.
        may_build: False finds what is there and never starts a build.
    """

    env: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ))
    which: Which = shutil.which
    report: Report = lambda _line: None
    may_build: bool = True

    def path(self, name: str) -> Path:
        """The path of one program or file.

        Raises:
            AssetsUnavailableError: it is nowhere, and there is no Go to build it.
            AssetsError: the name is unknown, KUBEBUILDER_ASSETS is no folder, or the build failed.
        """
        group = _GROUP_OF.get(name)
        if group is None:
            raise AssetsError(f"unknown program {name!r}; there are {', '.join(_GROUP_OF)}")
        ready = self._ready(name, group)
        if ready is not None:
            return ready
        go = self.which("go")
        if go is None or not self.may_build:
            raise AssetsUnavailableError(
                f"{name} is not there and {'may not be built now' if go else 'there is no Go to build it'}. "
                "Install Go 1.26 or newer and run `python -m tests.controlplane build` "
                f"({group.name}: {group.estimate}, once), or set KUBEBUILDER_ASSETS to a folder with it."
            )
        # Imported late: building is the rare case, and it needs things that finding does not.
        from tests.controlplane.build import build  # noqa: PLC0415

        return build(group, built_folder(group, self.env), Path(go), self.report) / name

    def paths(self, names: Iterable[str]) -> dict[str, Path]:
        """The paths of several programs; see `path`."""
        return {name: self.path(name) for name in names}

    def _ready(self, name: str, group: Group) -> Path | None:
        given = self.env.get("KUBEBUILDER_ASSETS")
        if given:
            folder = Path(given)
            if not folder.is_dir():
                raise AssetsError(f"KUBEBUILDER_ASSETS is {given!r}, which is no folder; unset it or name one")
            if (folder / name).is_file():
                return folder / name
        if group is PROMETHEUS:
            on_path = self._prometheus_on_path(name)
            if on_path is not None:
                return on_path
        built = built_folder(group, self.env) / name
        return built if built.is_file() else None

    def _prometheus_on_path(self, name: str) -> Path | None:
        found = self.which(name)
        if found is None:
            return None
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=20)
        return Path(found) if prometheus_version(said.stdout + said.stderr) >= OLDEST_PROMETHEUS else None


def prometheus_version(said: str) -> tuple[int, int]:
    """Major and minor version out of what `prometheus --version` prints; (0, 0) when it says none."""
    match = re.search(r"version (\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)
