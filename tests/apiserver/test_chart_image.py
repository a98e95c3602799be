"""The image's steps, run without an engine: what is installed, as whom it runs, and that nothing is written.

Takes about a minute: the locked packages are installed into a clean environment from the package index.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from placewright import __version__
from tests.controlplane.processes import ManagedProcess
from tests.controlplane.server import ControlPlane
from tests.support.dockerfile import parse
from tests.support.helm import CHART, Helm
from tests.support.image import Image, build, remove
from tests.support.operator_process import OperatorProcess
from tests.support.placements import Placements, reason

ROOT = Path(__file__).resolve().parents[2]

# One worker builds it for all of these tests.
pytestmark = pytest.mark.xdist_group("image")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built beside pytest's own folders, which no other user can enter."""
    root = Path(tempfile.mkdtemp(prefix="placewright-image-")).resolve()
    try:
        root.chmod(0o755)
        shutil.copytree(ROOT / "config", root / "config")
        yield build(parse((ROOT / "Dockerfile").read_text(encoding="utf-8")), ROOT, root)
    finally:
        remove(root)


def python_of(image: Image, code: str) -> str:
    done = image.run("-c", code, command=[str(image.path("/opt/placewright/bin/python"))])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_exactly_the_locked_packages_are_installed(image: Image) -> None:
    lock = (ROOT / "requirements/runtime.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", lock, flags=re.MULTILINE))
    found = json.loads(
        python_of(
            image,
            "import json, importlib.metadata as m;"
            "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in m.distributions()}))",
        )
    )
    assert found == {**locked, "placewright": __version__}


def test_the_installation_holds_no_tests_and_no_installer(image: Image) -> None:
    folders = {Path(folder).name for folder, _, _ in os.walk(image.path("/opt/placewright/lib"))}
    assert "placewright" in folders
    assert not folders & {"tests", "test", "pip", "setuptools", "hatchling"}


def test_nobody_but_root_could_write_the_installation(image: Image) -> None:
    for folder, _, files in os.walk(image.path("/opt/placewright")):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            assert path.is_symlink() or not path.stat().st_mode & 0o222, path


def test_it_plans_by_a_user_that_is_not_root_and_writes_only_to_tmp(image: Image) -> None:
    before = image.snapshot()
    told = image.run("version")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"placewright {__version__} ")

    planned = image.run("plan", "--config-dir", str(image.root / "config/examples/tiny"), "-o", "json")
    assert planned.returncode == 0, planned.stderr
    item = json.loads(planned.stdout)["items"][0]
    assert item["status"]["solver"]["status"] == "Optimal"
    assert item["status"]["plan"]["costPerHour"] > 0

    assert image.snapshot() == before
    assert python_of(image, "import os; print(os.geteuid())").strip() != "0"


def test_kernels_come_compiled_with_the_image(image: Image) -> None:
    shipped = {path.name for path in image.path("/opt/placewright/compiled").rglob("*.nb[ic]")}
    assert shipped

    done = image.run("plan", "--config-dir", str(image.root / "config/examples/medium"), env={"NUMBA_DEBUG_CACHE": "1"})

    assert done.returncode == 0, done.stderr
    assert "[cache] data loaded from" in done.stdout
    assert "saved to" not in done.stdout, "a kernel was compiled at run time"
    used = {path.name for path in Path(image.environment["NUMBA_CACHE_DIR"]).rglob("*") if path.is_file()}
    assert used == shipped


def test_without_a_place_to_write_it_says_what_to_mount(image: Image) -> None:
    done = image.run("version", env={"NUMBA_CACHE_DIR": str(image.root / "closed/kernels")})

    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"placewright: cannot write {image.root / 'closed/kernels'}; mount a volume at ")


def test_the_operator_is_there_and_asks_for_a_cluster_in_one_line(image: Image) -> None:
    done = image.run("run")

    assert done.returncode == 2  # bad input, as for every command
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) == 1
    assert "no credentials for a cluster" in json.loads(lines[0])["message"]


class ImageOperator(OperatorProcess):
    """The operator out of the image: by its entry point, as its user, with its environment and nothing of ours."""

    def __init__(self, image: Image, kubeconfig: Path, folder: Path, arguments: list[str]) -> None:
        super().__init__(kubeconfig, folder)
        user = str(image.user)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        self.process = ManagedProcess(
            "operator",
            [*(as_user if os.geteuid() == 0 else []), image.entry_point, *arguments],
            folder / "image.log",
            {**image.environment, "KUBECONFIG": str(kubeconfig)},
            image.root,
        )


def test_it_runs_the_operator_as_the_chart_says_by_a_user_that_no_file_knows(
    image: Image, own_control_plane: Callable[..., ControlPlane], helm4: Path, tmp_path: Path
) -> None:
    plane = own_control_plane()
    Helm(helm4, tmp_path, plane.kubeconfig).run("install", "placewright", CHART, "--namespace", "default")
    deployment = plane.admin.get("/apis/apps/v1/namespaces/default/deployments/placewright")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    options = [option for option in arguments if not option.startswith("--metrics-address=")]
    private = plane.kubeconfig_with_token("chart", plane.service_account_token("default", "placewright"))
    kubeconfig = image.path("/tmp/kubeconfig")
    shutil.copyfile(private, kubeconfig)
    kubeconfig.chmod(0o644)
    placements = Placements(plane.admin, "default")
    before = image.snapshot()

    with ImageOperator(image, kubeconfig, tmp_path, [*options, "--metrics-address=127.0.0.1:0"]) as operator:
        placements.create("chat")
        operator.wait(lambda: placements.settled("chat"), "a status")

    assert reason(placements.get("chat")) == "PlanCurrent"
    assert operator.process.returncode == 0
    assert image.snapshot() == before
