"""The real Helm on the chart, as a user calls it, with folders of its own."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# What `helm template` is told without a cluster: a Helm built from its module pretends to be years behind.
NEWEST = "1.36.0"
CHART = Path(__file__).resolve().parents[2] / "charts/placewright"
Json = dict[str, Any]


class Helm:
    """One Helm.

    Args:
        program: its binary.
        folder: for its caches; nothing of the user's is read.
        kubeconfig: the cluster; None: none is there.
    """

    def __init__(self, program: Path, folder: Path, kubeconfig: Path | None = None) -> None:
        self.program = program
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig or folder / "no-cluster"),
        }

    def run(
        self, *arguments: str | Path, values: Mapping[str, Any] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs it, with values given as a file on stdin.

        Raises:
            AssertionError: `check` and it failed; with what it said.
        """
        given = [] if values is None else ["--values", "-"]
        command = [str(self.program), *map(str, arguments), *given]
        done = subprocess.run(
            command,
            input=None if values is None else yaml.safe_dump(dict(values)),
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check:
            assert done.returncode == 0, f"helm {' '.join(command[1:])}: {done.stderr}{done.stdout}"
        return done

    def render(
        self,
        values: Mapping[str, Any] | None = None,
        chart: Path = CHART,
        release: str = "placewright",
        namespace: str = "placewright",
        kubernetes: str = NEWEST,
    ) -> list[Json]:
        """The manifests of the chart with these values."""
        done = self.run(
            "template", release, chart, "--namespace", namespace, "--kube-version", kubernetes, values=values or {}
        )
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """What it says about values that it must not take."""
        done = self.run("template", "placewright", CHART, "--kube-version", NEWEST, values=values, check=False)
        assert done.returncode != 0, f"took {values}"
        return done.stderr


def one(manifests: list[Json], kind: str, name: str = "") -> Json:
    """The only manifest of this kind, or of this kind and name."""
    found = [item for item in manifests if item["kind"] == kind and name in {"", item["metadata"]["name"]}]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]
