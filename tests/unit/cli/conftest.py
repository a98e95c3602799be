"""The command line in this process, requests in files, and outputs that are compared with stored ones."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from placewright.cli.screen import PlainScreen, Screen

Run = Callable[..., Result]
Golden = Callable[[str, str], None]

_GOLDEN = Path(__file__).parent / "golden"
_EXAMPLES = Path(__file__).parents[3] / "config/examples"


@pytest.fixture
def run() -> Run:
    """Run a command in this process; standard output is no terminal."""

    def call(*args: str | Path, stdin: str | None = None, env: Mapping[str, str | None] | None = None) -> Result:
        plain = {"COLUMNS": None, **(env or {})}
        return CliRunner().invoke(cli, [str(arg) for arg in args], input=stdin, env=plain, prog_name="placewright")

    return call


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with the stored one of that name; --update-golden stores it."""

    def compare(name: str, text: str) -> None:
        path = _GOLDEN / f"{name}.txt"
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def drawn() -> Callable[..., str]:
    """What a function writes to a plain screen of some width."""

    def draw(write: Callable[[Screen], None], width: int | None = None) -> str:
        out = io.StringIO()
        write(PlainScreen(out, width))
        return out.getvalue()

    return draw


@pytest.fixture(scope="session")
def medium() -> Path:
    """The config-dir folder `medium`."""
    return _EXAMPLES / "medium"


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The config-dir folder `tiny`."""
    return _EXAMPLES / "tiny"


def manifest(name: str = "chat", *, namespace: str | None = None, **spec: Any) -> dict[str, Any]:
    """A small PlacementRequest that is planned in a moment; `spec` replaces fields of its spec, None removes them."""
    fields: dict[str, Any] = {
        "model": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
        "workload": {"inputTokens": 1024, "outputTokens": 256, "concurrency": 16},
        "pools": [{"name": "l40s", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 1.2}],
        "parallelism": {"tensor": [1, 2], "maxPipeline": 2},
        **spec,
    }
    meta = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": meta,
        "spec": {key: value for key, value in fields.items() if value is not None},
    }


@pytest.fixture
def chat() -> Callable[..., dict[str, Any]]:
    """Make a small PlacementRequest."""
    return manifest


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write documents to a YAML file."""

    def write(*documents: Any, name: str = "requests.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
        return path

    return write


def without_times(text: str) -> str:
    """The text with durations of solves masked."""
    return re.sub(r"(exact|enumeration|iterative|weighted), [0-9.]+ m?s", r"\1, 0 s", text)


def pool(name: str = "l40s", *, nodes: int = 1, price: float | None = 1.2, tier: str = "serving", **spec: Any) -> Any:
    """A GPUPool with declared stock; `spec` replaces fields of its spec, None removes them."""
    fields: dict[str, Any] = {
        "gpu": "L40S",
        "stock": {"nodes": nodes, "gpusPerNode": 4},
        "pricePerGPUHour": price,
        **spec,
    }
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "GPUPool",
        "metadata": {"name": name, "labels": {"tier": tier}},
        "spec": {key: value for key, value in fields.items() if value is not None},
    }


def node(name: str, *, gpus: int = 4, pool: str = "a100", **spec: Any) -> dict[str, Any]:
    """A Node with L40S GPUs that is ready."""
    labels = {"pool": pool, "nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.count": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@pytest.fixture
def gpu_pool() -> Callable[..., Any]:
    """Make a GPUPool."""
    return pool


@pytest.fixture
def gpu_node() -> Callable[..., dict[str, Any]]:
    """Make a Node with GPUs."""
    return node


@pytest.fixture
def member() -> Callable[..., dict[str, Any]]:
    """Make a request that takes from shared pools, with a demand."""

    def make(name: str = "chat", *, rps: float | None = 2.0, tier: str = "serving", **spec: Any) -> dict[str, Any]:
        workload = {"inputTokens": 1024, "outputTokens": 256, "requestsPerSecond": rps}
        fields = {
            "workload": {key: value for key, value in workload.items() if value is not None},
            "poolSelector": {"matchLabels": {"tier": tier}},
            **spec,
        }
        return manifest(name, namespace="serving", pools=None, **fields)

    return make
