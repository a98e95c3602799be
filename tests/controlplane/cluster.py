"""What `make cluster` runs: a control plane, CRDs, fake GPU nodes and the operator, until `make cluster-down`.

A keeper process holds a lock in the state folder for as long as it lives and owns everything else, which
therefore dies with it. `up` starts a keeper and waits; `down` asks it to end.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.assets import HERE, Finder, Report, cache_folder
from tests.controlplane.nodes import SAMPLE_NODES, create_gpu_nodes
from tests.controlplane.ports import PortReservation
from tests.controlplane.processes import ManagedProcess, tail, wait_until
from tests.controlplane.rest import Api
from tests.controlplane.server import FULL, ControlPlane

ROOT = HERE.parent.parent
_UP_TIMEOUT_S = 120.0
_DOWN_TIMEOUT_S = 90.0
_OPERATOR_READY_S = 30.0
_OPERATOR_GRACE_S = 10.0
_RESTART_AFTER_S = 5.0


class ClusterError(RuntimeError):
    """The cluster did not come up or go down; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where one user's cluster keeps its state."""

    folder: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Place":
        return cls(cache_folder(env) / "cluster")

    @property
    def lock(self) -> Path:
        return self.folder / "keeper.lock"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def log(self) -> Path:
        return self.folder / "keeper.log"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def kubeconfig(self) -> Path:
        return self.data / "admin.kubeconfig"

    def is_up(self) -> bool:
        """Whether a keeper lives: it alone holds the lock, whatever the state file says."""
        if not self.lock.exists():
            return False
        with self.lock.open("r+", encoding="ascii") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def read(self) -> dict[str, Any]:
        """The state as the keeper last wrote it; empty when there is none."""
        try:
            state: dict[str, Any] = json.loads(self.state.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1), encoding="utf-8")
        fresh.replace(self.state)


def up(place: Place, finder: Finder, report: Report) -> dict[str, Any]:
    """Starts the cluster unless it is up, and returns its state.

    Raises:
        AssetsError: binaries are missing and cannot be built.
        ClusterError: it did not come up; with the end of the keeper's log.
    """
    if place.is_up():
        report("the cluster is already running")
        return _wait_ready(place, None, report)
    finder.paths((*FULL, "kubectl"))
    place.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    place.state.unlink(missing_ok=True)
    with place.log.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.controlplane", "keep"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _wait_ready(place, keeper, report)


def _wait_ready(place: Place, keeper: "subprocess.Popen[bytes] | None", report: Report) -> dict[str, Any]:
    said = ""

    def probe() -> dict[str, Any]:
        nonlocal said
        if keeper is not None and keeper.poll() is not None:
            raise ClusterError(f"the cluster ended while starting; its log ends:\n{tail(place.log)}")
        state = place.read()
        step = str(state.get("step", ""))
        if step and step != said:
            said = step
            report(step)
        return state if state.get("ready") else {}

    try:
        return wait_until(probe, _UP_TIMEOUT_S, "the cluster")
    except TimeoutError as error:
        raise ClusterError(f"{error}; see {place.log}") from None


def down(place: Place) -> bool:
    """Ends the cluster and removes its state; False when none was up.

    Raises:
        ClusterError: the keeper did not end in time.
    """
    was_up = place.is_up()
    if was_up:
        # The keeper holds the lock, so this number is the keeper's and nobody else's.
        pid = wait_until(lambda: int(place.read().get("pid", 0)), _DOWN_TIMEOUT_S, "the keeper to say its pid")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        try:
            wait_until(lambda: not place.is_up(), _DOWN_TIMEOUT_S, "the cluster to end")
        except TimeoutError:
            raise ClusterError(f"the keeper (process {pid}) did not end in {_DOWN_TIMEOUT_S:g} s") from None
    if place.folder.exists():
        shutil.rmtree(place.folder)
    return was_up


def keep(place: Place, finder: Finder) -> None:
    """The keeper itself: brings everything up, restarts the operator when it ends, and ends on SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with _hold(place):
        shutil.rmtree(place.data, ignore_errors=True)
        state: dict[str, Any] = {"pid": os.getpid(), "kubeconfig": str(place.kubeconfig)}
        place.write({**state, "step": "starting etcd, API server, controllers, scheduler and kwok"})
        control_plane = ControlPlane(finder, full=True, folder=place.data)
        with control_plane, PortReservation() as port:
            place.write({**state, "step": "applying the CRDs and creating fake GPU nodes"})
            crds = sorted((ROOT / "crds").glob("*.yaml"))
            if crds:
                control_plane.apply_crds(*crds)
            create_gpu_nodes(control_plane.admin, SAMPLE_NODES)
            place.write({**state, "step": "starting the operator"})
            operator = operator_process(control_plane.kubeconfig, port, place.folder / "operator.log")
            url = f"http://127.0.0.1:{port}"
            try:
                operator.start()
                healthy = _operator_healthy(operator, url, stopping)
                place.write(
                    {
                        **state,
                        "ready": True,
                        "operator": url,
                        "operatorHealthy": healthy,
                        "operatorLog": str(operator.log),
                        "kubectl": str(control_plane.paths["kubectl"]),
                    }
                )
                _watch(operator, control_plane, stopping)
            finally:
                operator.stop(_OPERATOR_GRACE_S)


def operator_process(kubeconfig: Path, port: int, log: Path) -> ManagedProcess:
    """The operator as `placewright run` against this kubeconfig, serving health and metrics on `port`."""
    program = Path(sys.executable).parent / "placewright"
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return ManagedProcess("operator", [str(program), "run", f"--metrics-address=127.0.0.1:{port}"], log, env)


def _operator_healthy(operator: ManagedProcess, url: str, stopping: threading.Event) -> bool:
    api = Api(url, None, None)
    with contextlib.suppress(TimeoutError):
        wait_until(
            lambda: stopping.is_set() or not operator.running or api.ok("/healthz"),
            _OPERATOR_READY_S,
            "the operator's /healthz",
        )
    return api.ok("/healthz")


def _watch(operator: ManagedProcess, control_plane: ControlPlane, stopping: threading.Event) -> None:
    """As a Deployment would: an operator that ends is started again after a pause."""
    ended_at: float | None = None
    while not stopping.wait(0.5):
        for process in control_plane.processes.values():
            process.check()
        if operator.running:
            ended_at = None
        elif ended_at is None:
            ended_at = time.monotonic()
        elif time.monotonic() - ended_at > _RESTART_AFTER_S:
            operator.start()


@contextlib.contextmanager
def _hold(place: Place) -> Iterator[None]:
    place.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with place.lock.open("w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterError("another keeper holds the cluster") from None
        yield
