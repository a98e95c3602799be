"""One control plane: its files, its processes, its faults and its end."""

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from tests.controlplane import flags, pki
from tests.controlplane.assets import STAGES_FILE, Finder
from tests.controlplane.ports import PortReservation
from tests.controlplane.processes import ManagedProcess, wait_until
from tests.controlplane.rest import Api, ApiError

ADMIN = "admin"
NOBODY = "nobody"
BASIC = ("etcd", "kube-apiserver")
FULL = (*BASIC, "kube-controller-manager", "kube-scheduler", "kwok")
_READY_TIMEOUT_S = 60.0
_FOLDER_PREFIX = "placewright-controlplane-"
_LOCK = "owner.lock"
_PORTS = ("etcd_client", "etcd_peer", "apiserver", "controller_manager", "scheduler", "kwok")


class ControlPlane:
    """etcd and kube-apiserver on free loopback ports, with everything else on demand.

    Users: `admin` may do everything (system:masters), `nobody` may do nothing, and those given.

    Args:
        finder: finds the binaries.
        full: also kube-controller-manager, kube-scheduler and kwok.
        users: more users, by name, with their groups.
        apiserver_args: more flags for kube-apiserver; they win over ours.
        folder: where to keep everything; it is left behind. None takes a fresh folder in memory (or on disk
            where there is no tmpfs), which `stop` removes.
    """

    def __init__(
        self,
        finder: Finder,
        *,
        full: bool = False,
        users: Mapping[str, Sequence[str]] | None = None,
        apiserver_args: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        wanted = FULL if full else BASIC
        self.paths = finder.paths((*wanted, "kubectl", *((STAGES_FILE,) if full else ())))
        self.full = full
        self._users = {
            name: flags.User(name, secrets.token_hex(16), tuple(groups))
            for name, groups in {**(users or {}), ADMIN: ("system:masters",), NOBODY: ()}.items()
        }
        self._own_folder = folder is None
        self.folder, self._lock = _own(folder) if folder else _fresh_folder()
        self._reservations = [PortReservation() for _ in _PORTS]
        self._ports = flags.Ports(**{n: r.port for n, r in zip(_PORTS, self._reservations, strict=True)})
        self.processes: dict[str, ManagedProcess] = {}
        try:
            self._pki = pki.create(self.folder / "pki")
            self.kubeconfig = self.kubeconfig_for(ADMIN)
            self.processes = self._make_processes(apiserver_args)
        except BaseException:
            self.stop()
            raise
        self.admin = self.api(ADMIN)

    def _make_processes(self, apiserver_args: Sequence[str]) -> dict[str, ManagedProcess]:
        ports, admin = self._ports, self.kubeconfig
        tokens = self._write("tokens.csv", flags.token_file(list(self._users.values())))
        arguments = {
            "etcd": flags.etcd(ports, self.folder / "etcd"),
            "kube-apiserver": flags.apiserver(ports, self._pki, tokens, self.folder / "certs", apiserver_args),
        }
        if self.full:
            certs = self.folder / "certs"
            arguments |= {
                "kube-controller-manager": flags.controller_manager(ports, self._pki, admin, certs),
                "kube-scheduler": flags.scheduler(ports, admin, certs),
                "kwok": flags.kwok(ports, admin, self.paths[STAGES_FILE]),
            }
        # HOME: kwok and kubectl would else read the files of whoever runs the tests.
        env = {**os.environ, "HOME": str(self.folder)}
        return {
            name: ManagedProcess(name, [str(self.paths[name]), *given], self.folder / f"{name}.log", env)
            for name, given in arguments.items()
        }

    # -- identity ---------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._ports.apiserver_url

    @property
    def ca(self) -> Path:
        return self._pki.ca

    def token(self, user: str = ADMIN) -> str:
        return self._users[user].token

    def api(self, user: str = ADMIN) -> Api:
        """The JSON client of one user."""
        return self.api_with_token(self.token(user))

    def api_with_token(self, token: str | None) -> Api:
        """The JSON client of whoever has this token, such as a ServiceAccount; None is anonymous."""
        return Api(self.url, self.ca, token)

    def kubeconfig_for(self, user: str = ADMIN) -> Path:
        """The kubeconfig file of a user of the token file."""
        return self.kubeconfig_with_token(user, self.token(user))

    def kubeconfig_with_token(self, name: str, token: str) -> Path:
        """Writes a kubeconfig called `name` for whoever has this token, such as a ServiceAccount."""
        return self._write(f"{name}.kubeconfig", flags.kubeconfig(self.url, self.ca.read_bytes(), name, token))

    def service_account_token(self, namespace: str, name: str) -> str:
        """A fresh token of an existing ServiceAccount, valid for a day."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 24 * 3600},
        }
        answer = self.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body)
        return str(answer["status"]["token"])

    # -- life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts all servers and returns when they are ready.

        Raises:
            ProcessDiedError: a server ended; with the end of its log.
            TimeoutError: a server was not ready in time; with the end of its log.
        """
        try:
            self.processes["etcd"].start()
            self.start_apiserver()
            for name in FULL[len(BASIC) :]:
                if name in self.processes:
                    self.processes[name].start()
            if self.full:
                self._wait_full()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends everything; a folder of our own making is removed. Fine when called twice."""
        for name in reversed(FULL):
            if name in self.processes:
                self.processes[name].kill()  # nothing here is worth a graceful end
        for reservation in self._reservations:
            reservation.release()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_full(self) -> None:
        self._wait("kube-controller-manager", lambda: self._healthy(self._ports.controller_manager))
        self._wait("kube-scheduler", lambda: self._healthy(self._ports.scheduler))
        self._wait("kwok", lambda: self._healthy(self._ports.kwok, scheme="http"))

    def _healthy(self, port: int, scheme: str = "https") -> bool:
        return Api(f"{scheme}://{flags.HOST}:{port}", None, None).ok("/healthz")

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        process = self.processes[name]

        def probe() -> bool:
            process.check()
            return ready()

        try:
            wait_until(probe, _READY_TIMEOUT_S, f"{name} to get ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the end of its log:\n{process.log_tail()}") from None

    # -- faults -----------------------------------------------------------------------------------------

    def start_apiserver(self) -> None:
        """Starts kube-apiserver on its port with the same etcd, and waits until it serves namespaces."""
        self.processes["kube-apiserver"].start()
        self._wait("kube-apiserver", lambda: self.admin.ok("/readyz") and self._has_default_namespace())

    def _has_default_namespace(self) -> bool:
        try:
            return bool(self.admin.get("/api/v1/namespaces/default"))
        except (OSError, ApiError):
            return False

    def stop_apiserver(self, grace_s: float = 0.0) -> None:
        """Ends kube-apiserver: at once, or with a SIGTERM first and `grace_s` seconds to close its watches."""
        self.processes["kube-apiserver"].stop(grace_s)

    @contextlib.contextmanager
    def apiserver_down(self) -> Iterator[None]:
        """While inside, nobody listens on the API server's port; after it, the server is ready again."""
        self.stop_apiserver()
        try:
            yield
        finally:
            self.start_apiserver()

    def freeze_etcd(self) -> None:
        self.processes["etcd"].freeze()

    def thaw_etcd(self) -> None:
        self.processes["etcd"].thaw()

    @contextlib.contextmanager
    def etcd_frozen(self) -> Iterator[None]:
        """While inside, the API server is up and its storage does not answer."""
        self.freeze_etcd()
        try:
            yield
        finally:
            self.thaw_etcd()

    # -- use --------------------------------------------------------------------------------------------

    def kubectl(
        self,
        *arguments: str | Path,
        kubeconfig: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the real kubectl, as admin unless a kubeconfig is given; both outputs are captured.

        Raises:
            AssertionError: `check` and it failed; with what it said.
        """
        command = [str(self.paths["kubectl"]), *map(str, arguments)]
        env = {**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig), "HOME": str(self.folder)}
        done = subprocess.run(
            command, input=stdin, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if check and done.returncode != 0:
            said = (done.stderr + done.stdout).strip()
            raise AssertionError(f"kubectl {' '.join(command[1:])} ended with {done.returncode}: {said}")
        return done

    def create_namespace(self, prefix: str = "test") -> str:
        """A new namespace with a name of its own."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": f"{prefix}-"}}
        return str(self.admin.create("/api/v1/namespaces", body)["metadata"]["name"])

    def delete_namespace(self, name: str) -> None:
        """Deletes all custom resources in a namespace and the namespace itself; does not wait for either.

        Without a controller-manager nobody empties a namespace, so its finalizer is taken off here; other
        objects in it stay in etcd, where nobody sees them by this name again.
        """
        for path in self._custom_resource_paths(name):
            self.admin.delete(path)
        self.admin.delete(f"/api/v1/namespaces/{name}")
        if not self.full:
            empty = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}}
            with contextlib.suppress(ApiError):  # 404 when it is gone already
                self.admin.request("PUT", f"/api/v1/namespaces/{name}/finalize", empty)

    def _custom_resource_paths(self, namespace: str) -> list[str]:
        paths = []
        for crd in self.admin.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
            spec = crd["spec"]
            version = next(item["name"] for item in spec["versions"] if item["served"])
            if spec["scope"] == "Namespaced":
                plural = spec["names"]["plural"]
                paths.append(f"/apis/{spec['group']}/{version}/namespaces/{namespace}/{plural}")
        return paths

    def apply_crds(self, *files: Path) -> None:
        """Applies CustomResourceDefinitions and waits until the API server serves them."""
        given = [argument for file in files for argument in ("-f", str(file))]
        self.kubectl("apply", "--server-side", *given)
        # kubectl wait fails on a CRD so new that it has no conditions yet.
        self.kubectl("wait", "--for=jsonpath={.status.conditions}", "--timeout=30s", *given)
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *given)

    def logs(self, lines: int = 30) -> dict[str, str]:
        """The end of each server's log."""
        return {name: process.log_tail(lines) for name, process in self.processes.items()}

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path


def _fresh_folder() -> tuple[Path, IO[str]]:
    """A new folder, on tmpfs where there is one, that a later run clears should we be killed."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    for leftover in parent.glob(_FOLDER_PREFIX + "*"):
        _remove_if_abandoned(leftover)
    # Locked before it gets the name that others clear by.
    unnamed, lock = _own(Path(tempfile.mkdtemp(prefix=f"new-{_FOLDER_PREFIX}", dir=parent)))
    return unnamed.rename(unnamed.with_name(unnamed.name.removeprefix("new-"))), lock


def _own(folder: Path) -> tuple[Path, IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / _LOCK).open("w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def _remove_if_abandoned(folder: Path) -> None:
    """Removes a folder whose owner was killed: nobody holds its lock any more."""
    with contextlib.suppress(OSError), (folder / _LOCK).open("r+", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
