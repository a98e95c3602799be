"""The real Prometheus for tests: on a free loopback port, with short intervals, and gone when its owner is."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tests.controlplane.ports import PortReservation
from tests.controlplane.processes import ManagedProcess, wait_until

START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is scraped: HOST:PORT, the labels that service discovery would set, and whether the exporter's own win."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    honor_labels: bool = False


class PrometheusServer:
    """One server with its own data.

    Args:
        program: the binary (fixture `prometheus`).
        folder: empty, for its configuration, data and log.
        targets: what is scraped.
        interval: between scrapes and between evaluations of rules, as Prometheus writes durations.
        rules: rule files.
        lookback: how long a sample counts as present.
        discovery: URL of an HTTP discovery of more targets that come and go; empty: none.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        targets: Sequence[Target] = (),
        *,
        interval: str = "500ms",
        rules: Sequence[Path] = (),
        lookback: str = "5m",
        discovery: str = "",
    ) -> None:
        self._folder = folder
        self._reservation = PortReservation()
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(rule) for rule in rules],
            "scrape_configs": [
                *(_scrape(index, target) for index, target in enumerate(targets)),
                *([{"job_name": "discovered", "http_sd_configs": [_discovery(discovery)]}] if discovery else ()),
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self.process = ManagedProcess(
            "prometheus",
            [
                str(program),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address=127.0.0.1:{self._reservation.port}",
                f"--query.lookback-delta={lookback}",
                "--log.level=warn",
            ],
            folder / "prometheus.log",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._reservation.port}"

    def load(self, promtool: Path, openmetrics: str) -> None:
        """Stores a history before the server starts (`tests.support.exporter.history` writes one)."""
        file = self._folder / "history.txt"
        file.write_text(openmetrics, encoding="utf-8")
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", file, self._folder / "data"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Starts it, also again after `process.kill()`, and waits until it answers."""
        self.process.start()
        wait_until(self._ready, START_SECONDS, "Prometheus to be ready")

    def _ready(self) -> bool:
        self.process.check()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, past the client under test."""
        form = {"query": expr} | ({} if at is None else {"time": f"{at:.3f}"})
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query", data=urllib.parse.urlencode(form).encode(), timeout=10
        ) as response:
            found: list[dict[str, Any]] = json.load(response)["data"]["result"]
            return found

    def wait_for(self, expr: str, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Waits until a query finds something."""
        return wait_until(lambda: self.query(expr), timeout_s, f"Prometheus to find {expr}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        self._reservation.release()


def _discovery(url: str) -> dict[str, Any]:
    return {"url": url, "refresh_interval": "1s"}


def _scrape(index: int, target: Target) -> dict[str, Any]:
    return {
        "job_name": f"target-{index}",
        "honor_labels": target.honor_labels,
        "static_configs": [{"targets": [target.address], "labels": dict(target.labels)}],
    }
