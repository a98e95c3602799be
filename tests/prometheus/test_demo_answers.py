"""The demo's stand-in for Prometheus, held against the real one: the same scrapes, question and moment, one answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.model_server import ModelServer, Scrape, answer
from placewright.api.acting import idle_rules
from placewright.api.parse import parse
from placewright.api.policies import input_rules
from placewright.telemetry.prometheus.activity import ActivityWant, activity_want
from tests.support.prometheus_server import PrometheusServer

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_700_000_001.3
BEGAN = NOW - 60.0

Found = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]


def want() -> str:
    body = yaml.safe_load((ROOT / "demo" / "idle" / "helpdesk.yaml").read_text(encoding="utf-8"))
    resource = parse(body)
    found = activity_want(resource, input_rules(()), idle_rules(resource.spec, ()))
    assert isinstance(found, ActivityWant)
    return found.window.expr


def a_server(number: int, **more: str) -> ModelServer:
    return ModelServer(
        **{
            "namespace": "quiet",
            "pod": f"helpdesk-{number}",
            "instance": f"10.0.0.{number}:8000",
            "model": "meta-llama/Llama-3.1-8B-Instruct",
            **more,
        },
        began=BEGAN,
    )


def history(servers: list[ModelServer], until: float) -> str:
    """The scrapes of all servers up to a moment in the OpenMetrics format."""
    names: dict[str, tuple[str, str, Callable[[Scrape], float]]] = {
        "vllm:request_success": ("counter", "_total", lambda one: one.finished),
        "vllm:num_requests_running": ("gauge", "", lambda one: one.running),
        "vllm:num_requests_waiting": ("gauge", "", lambda one: one.waiting),
        "up": ("gauge", "", lambda _: 1.0),
    }
    lines = []
    for name, (kind, suffix, value) in names.items():
        lines.append(f"# TYPE {name} {kind}")
        for server in servers:
            labels = {"namespace": server.namespace, "pod": server.pod, "instance": server.instance}
            if name != "up":
                labels["model_name"] = server.model
            told = ",".join(f'{label}="{text}"' for label, text in labels.items())
            lines += [
                f"{name}{suffix}{{{told}}} {value(one):g} {one.at:.3f}" for one in server.scrapes(BEGAN - 1.0, until)
            ]
    return "\n".join([*lines, "# EOF", ""])


def plain(result: list[dict[str, Any]]) -> Found:
    """Series by their labels, in any order."""
    return {
        tuple(sorted(one["metric"].items())): [(float(at), float(value)) for at, value in one["values"]]
        for one in result
    }


@pytest.mark.parametrize("moment", [NOW, NOW - 0.35, NOW - 1.29])
def test_both_answer_alike(prometheus: Path, promtool: Path, tmp_path: Path, moment: float) -> None:
    servers = [a_server(1), a_server(2), a_server(3), a_server(4, namespace="elsewhere"), a_server(5, model="another")]
    servers[0].works(BEGAN, NOW - 5.0)
    servers[1].works(NOW - 3.0)
    for server in servers[3:]:
        server.works(BEGAN)
    with_data = PrometheusServer(prometheus, tmp_path)
    with_data.load(promtool, history(servers, moment))
    with with_data:
        real = plain(with_data.query(want(), at=moment))

    assert real == plain(answer(want(), servers, moment))
    assert len(real) == 1 + 3 * 5  # the grid, and five parts of each of our three servers
