"""The real operator as a process of its own, which cannot outlive the demo."""

import http.client
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.controlplane.processes import ManagedProcess, ProcessDiedError, wait_until

T = TypeVar("T")

_START_SECONDS = 45.0
_END_SECONDS = 20.0
_TIMEOUT_SECONDS = 10.0
# A proxy has no business between loopback addresses, nor have settings that someone exported for another operator.
_NOT_INHERITED = ("PLACEWRIGHT_", "KUBERNETES_SERVICE_", "KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class OperatorFailedError(Exception):
    """The operator does not start, does not do its work or does not end well; one line."""


class OperatorProcess:
    """`placewright run` against an API on loopback, with /metrics on a free loopback port.

    Args:
        program: the placewright program.
        kubeconfig: its credentials.
        log: its output goes here.
        tick: called on each poll with what is waited for.
        options: further ones of `placewright run`.
    """

    def __init__(
        self,
        program: Path,
        *,
        kubeconfig: Path,
        log: Path,
        tick: Callable[[str], None],
        options: Sequence[str] = (),
    ) -> None:
        self._program = program
        self._tick = tick
        self._process = ManagedProcess(
            "the operator",
            [str(program), "run", "--metrics-address=127.0.0.1:0", *options],
            log,
            {**inherited(os.environ), "KUBECONFIG": str(kubeconfig)},
        )
        self._port = 0

    @property
    def command(self) -> str:
        """What was started, for people."""
        return " ".join(self._process.command)

    @property
    def log_tail(self) -> str:
        """The end of its log."""
        return self._process.log_tail(15)

    @property
    def metrics_url(self) -> str:
        """Where its metrics are."""
        return f"http://127.0.0.1:{self._port}/metrics"

    def start(self) -> None:
        """Starts it and returns when it is ready.

        Raises:
            OperatorFailedError: there is no such program, it ends, or it is not ready in time.
        """
        if not os.access(self._program, os.X_OK) or self._program.is_dir():
            raise OperatorFailedError(f"the operator: got {self._program}, wants a program (make setup installs it)")
        self._process.start()
        self._port = self.wait(self._told_port, "to tell its port", _START_SECONDS)
        self.wait(lambda: self.get("/readyz")[0] == 200, "to be ready", _START_SECONDS)

    def wait(self, probe: Callable[[], T], what: str, seconds: float) -> T:
        """Polls until the probe tells something true, and returns that.

        Raises:
            OperatorFailedError: the operator ended, or the time is over.
        """

        def ticking() -> T:
            self._tick(f"waiting for the operator {what} ...")  # first: a Ctrl-C may have hit the operator too
            self._process.check()
            return probe()

        try:
            return wait_until(ticking, seconds, what, poll_s=0.1)
        except ProcessDiedError:
            code = self._process.returncode
            raise OperatorFailedError(f"the operator ended with {code} while the demo waited for it {what}") from None
        except TimeoutError:
            raise OperatorFailedError(f"waited {seconds:g} s for the operator {what}") from None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET on its HTTP port; (0, "") when it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def end(self) -> None:
        """Asks it to end, as a pod's end does, and holds it to its exit code.

        Raises:
            OperatorFailedError: it does not end in time, or not with 0.
        """

        def ended() -> bool:
            self._tick("waiting for the operator to end ...")
            return not self._process.running

        if not self._process.running:
            raise OperatorFailedError(f"the operator ended with {self._process.returncode} before it was asked to")
        self._process.signal(signal.SIGTERM)
        try:
            wait_until(ended, _END_SECONDS, "the operator to end")
        except TimeoutError:
            raise OperatorFailedError(f"the operator still runs {_END_SECONDS:g} s after SIGTERM") from None
        if self._process.returncode != 0:
            raise OperatorFailedError(f"the operator ended with {self._process.returncode} after SIGTERM, wants 0")

    def kill(self) -> None:
        """Ends whatever is left of it, at once; fine when nothing is."""
        self._process.kill()

    def _told_port(self) -> int:
        for line in self._process.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict) and isinstance(told.get("port"), int):
                return int(told["port"])
        return 0


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without what is meant for others: proxies, and settings of another operator."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(_NOT_INHERITED)}
