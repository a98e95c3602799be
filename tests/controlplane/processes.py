"""Server processes that never outlive their owner, with their output kept in a file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_GUARD = Path(__file__).resolve().parent / "guard.py"
# Linux ties a parent-death signal to the thread that started the child. All servers are started by this one
# thread, which lives as long as the process, so a server restarted from a test's short thread is not lost.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_SPAWNER.submit(int).result()  # start it now: a signal during a first, later submit could leave it running for ever


class ProcessDiedError(RuntimeError):
    """A server ended by itself; the message holds the end of its log."""


def guarded(command: Sequence[str]) -> list[str]:
    """The command wrapped so that it dies with this process (on Linux: with the thread that starts it)."""
    return [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *command]


def wait_until(probe: Callable[[], T], timeout_s: float, what: str, poll_s: float = 0.05) -> T:
    """Calls `probe` until it returns something true, and returns that.

    Raises:
        TimeoutError: it stayed false for `timeout_s` seconds; names `what` was waited for and the last value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; last seen: {value!r}")
        time.sleep(poll_s)


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log; empty when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class ManagedProcess:
    """One server: started in a session of its own, logging to a file, gone when this process is gone.

    Args:
        name: how messages call it.
        command: program and arguments.
        log: its output goes here; a restart appends.
        env: the whole environment; None inherits this process's.
        cwd: the working folder; None inherits.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.log = log
        self._env = env
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            ProcessDiedError: it is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise ProcessDiedError(f"{self.name} is not running{self._log_end()}")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """What the last run ended with; None while it runs or before the first start."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Starts the server; it must not be running."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        self._frozen = False
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                guarded(self.command),
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises ProcessDiedError with the end of the log when a started server is gone."""
        if self._process is not None and self._process.poll() is not None:
            raise ProcessDiedError(f"{self.name} ended with {self._process.returncode}{self._log_end()}")

    def freeze(self) -> None:
        """SIGSTOP to the whole group: the server is there and answers nothing."""
        os.killpg(self.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        os.killpg(self.pid, signal.SIGCONT)
        self._frozen = False

    def signal(self, number: signal.Signals) -> None:
        """Sends one signal to the server itself, not to its group."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the group, and waits until it is gone; fine when it is not running."""
        self.stop(grace_s=0)

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after `grace_s` seconds (at once when 0); fine when it is not running."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            if self._frozen:
                self.thaw()
            if grace_s > 0:
                _signal_group(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(grace_s)
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        else:
            _signal_group(process.pid, signal.SIGKILL)  # children it may have left in its group

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of the log; empty when there is none."""
        return tail(self.log, lines)

    def resident_mib(self) -> float:
        """Resident memory of the server itself in MiB (Linux only)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) / 1024

    def _log_end(self) -> str:
        end = self.log_tail()
        return f"; the end of {self.log}:\n{end}" if end else "; it logged nothing"


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may end by itself in between, which is what was wanted
        os.killpg(group, number)
