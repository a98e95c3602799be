"""The operator as a process of its own, as tests and benchmarks run it."""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.controlplane.processes import ManagedProcess, wait_until

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0

Json = dict[str, Any]


class OperatorProcess:
    """One operator on a free loopback port.

    Args:
        kubeconfig: its credentials.
        folder: its log goes here.
        namespaces: what it serves; empty: all.
        arguments: more options.
        test_solves: solve by `tests.support.solves.by_name` instead of the product's entry.
        env: added to the environment.
    """

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        *,
        namespaces: Sequence[str] = (),
        arguments: Sequence[str] = (),
        test_solves: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        product = [str(Path(sys.executable).with_name("placewright")), "run"]
        command = [sys.executable, "-m", "tests.support.operator_main"] if test_solves else product
        served = [f"--namespace={name}" for name in namespaces]
        self._log_from = 0
        self.process = ManagedProcess(
            "operator",
            [*command, "--metrics-address=127.0.0.1:0", *served, *arguments],
            folder / "operator.log",
            {**os.environ, "KUBECONFIG": str(kubeconfig), **(env or {})},
            ROOT,
        )

    def start(self) -> Self:
        """Starts it and returns when it is ready."""
        self.launch()
        self.wait(lambda: self.get("/readyz")[0] == 200, "the operator to be ready")
        return self

    def launch(self) -> None:
        """Starts it and returns when its HTTP port is known."""
        log = self.process.log
        self._log_from = log.stat().st_size if log.exists() else 0
        self.process.start()
        self.wait(lambda: bool(self.port), "the operator to tell its port")

    def stop(self) -> None:
        self.process.stop(grace_s=15.0)

    def kill(self) -> None:
        """SIGKILL to the operator alone: its solver processes have to notice by themselves."""
        self.process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, probe: Any, what: str, timeout_s: float = _START_SECONDS) -> Any:
        """Polls until true; fails with the end of the log, at once when the operator ended."""

        def checked() -> Any:
            self.process.check()
            return probe()

        try:
            return wait_until(checked, timeout_s, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the end of its log:\n{self.process.log_tail(40)}") from None

    @property
    def port(self) -> int:
        """The port of this run; 0 when it is not known yet."""
        return next((int(line["port"]) for line in self.log() if "port" in line), 0)

    def log(self, message: str | None = None) -> list[Json]:
        """The log lines of this run, or those with this message."""
        with self.process.log.open("rb") as log:
            log.seek(self._log_from)
            text = log.read().decode(errors="replace")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if message is None or line.get("message") == message]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def samples(self, series: str, /, **labels: str) -> list[float]:
        """Values of a series with these labels; the name without the prefix."""
        return [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == f"placewright_{series}" and labels.items() <= sample.labels.items()
        ]

    def total(self, series: str, /, **labels: str) -> float:
        """Their sum."""
        return sum(self.samples(series, **labels))

    @property
    def solves(self) -> float:
        """Solves that ended in this run."""
        return self.total("solve_duration_seconds_count")

    @property
    def written(self) -> float:
        """Statuses written in this run."""
        return self.total("status_writes_total", result="Written")

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in work."""
        return self.samples("reconcile_queue_depth") == [0.0]
