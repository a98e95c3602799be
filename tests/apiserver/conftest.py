"""The real control plane as fixtures; every test of this folder gets the marker `apiserver`.

Shared per session (per worker under pytest-xdist): `control_plane` (etcd and API server, the fast one) and
`full_control_plane` (with controllers, scheduler and kwok). A test that breaks things makes its own with
`own_control_plane`. Nothing is left running, whatever ends the session.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.absence import NOT_TESTED, refuse_or_skip
from tests.controlplane.assets import AssetsUnavailableError, Finder
from tests.controlplane.server import ControlPlane
from tests.support.chart_site import RELEASE, Site, delete_crds
from tests.support.helm import Helm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
_USED = pytest.StashKey[list[ControlPlane]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.apiserver)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts the servers' logs into the report of a failed test, and folds the skips of a missing tier into one line."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NOT_TESTED in report.longrepr[2]:
        report.longrepr = (str(HERE), 0, report.longrepr[2])  # equal for all, where pytest names each test's line
    if report.failed:
        arguments: Mapping[str, Any] = getattr(item, "funcargs", {})
        used = [value for value in arguments.values() if isinstance(value, ControlPlane)]
        for control_plane in {*used, *item.stash.get(_USED, [])}:
            for name, tail in control_plane.logs().items():
                report.sections.append((f"end of the log of {name}", tail))
    return report


@pytest.fixture(scope="session")
def finder(pytestconfig: pytest.Config) -> Finder:
    """Finds binaries; what a build says goes to the terminal although pytest captures."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def report(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{line}")
            sys.stderr.flush()

    return Finder(report=report)


@pytest.fixture(scope="session")
def program(finder: Finder) -> Callable[[str], Path]:
    """The path of a program by name (see tests/controlplane/assets.py), built when missing."""

    def find(name: str) -> Path:
        try:
            return finder.path(name)
        except AssetsUnavailableError as error:
            refuse_or_skip(error, os.environ)

    return find


@pytest.fixture(scope="session")
def helm3(program: Callable[[str], Path]) -> Path:
    return program("helm3")


@pytest.fixture(scope="session")
def helm4(program: Callable[[str], Path]) -> Path:
    return program("helm4")


@pytest.fixture(scope="session")
def kubeconform(program: Callable[[str], Path]) -> Path:
    return program("kubeconform")


@pytest.fixture(scope="session")
def promtool(program: Callable[[str], Path]) -> Path:
    return program("promtool")


@pytest.fixture(scope="session")
def prometheus(program: Callable[[str], Path]) -> Path:
    return program("prometheus")


def _make(finder: Finder, **options: Any) -> ControlPlane:
    try:
        return ControlPlane(finder, **options)
    except AssetsUnavailableError as error:
        refuse_or_skip(error, os.environ)


@pytest.fixture(scope="session")
def control_plane(finder: Finder) -> Iterator[ControlPlane]:
    """etcd and API server, shared: use a namespace, leave cluster-wide things as they were."""
    with _make(finder) as started:
        yield started


@pytest.fixture(scope="session")
def full_control_plane(finder: Finder) -> Iterator[ControlPlane]:
    """With kube-controller-manager, kube-scheduler and kwok, shared."""
    with _make(finder, full=True) as started:
        yield started


@pytest.fixture
def own_control_plane(finder: Finder, request: pytest.FixtureRequest) -> Iterator[Callable[..., ControlPlane]]:
    """Makes and starts control planes for this test alone; takes the options of ControlPlane."""
    made: list[ControlPlane] = []
    request.node.stash[_USED] = made

    def make(**options: Any) -> ControlPlane:
        control_plane = _make(finder, **options)
        made.append(control_plane)
        control_plane.start()
        return control_plane

    yield make
    for control_plane in made:
        control_plane.stop()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of `control_plane` for this test alone; its custom resources go with it."""
    name = control_plane.create_namespace()
    yield name
    control_plane.delete_namespace(name)


@pytest.fixture
def full_namespace(full_control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of `full_control_plane` for this test alone."""
    name = full_control_plane.create_namespace()
    yield name
    full_control_plane.delete_namespace(name)


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> list[Path]:
    """Placewright's CRDs, applied to `control_plane`; returns their files."""
    files = sorted((ROOT / "crds").glob("*.yaml"))
    assert files, "crds/ holds no CRDs"
    control_plane.apply_crds(*files)
    return files


@pytest.fixture
def kubectl(control_plane: ControlPlane) -> Callable[..., Any]:
    """The real kubectl as admin of `control_plane`; see ControlPlane.kubectl."""
    return control_plane.kubectl


@pytest.fixture(scope="module")
def chart_plane(finder: Finder) -> Iterator[ControlPlane]:
    """etcd and API server where Helm, and nobody else, owns the CRDs."""
    with _make(finder) as started:
        yield started


@pytest.fixture(params=["helm3", "helm4"])
def site(
    request: pytest.FixtureRequest, chart_plane: ControlPlane, program: Callable[[str], Path], tmp_path: Path
) -> Iterator[Site]:
    """A release to be installed by each Helm, and nothing left of it."""
    helm = Helm(program(request.param), tmp_path, chart_plane.kubeconfig)
    made = Site(helm, chart_plane, chart_plane.create_namespace("placewright"))
    yield made
    helm.run("uninstall", RELEASE, "--namespace", made.namespace, "--ignore-not-found")
    chart_plane.delete_namespace(made.namespace)
    delete_crds(chart_plane)
