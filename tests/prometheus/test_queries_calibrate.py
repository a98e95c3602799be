"""`placewright calibrate` on a day of traffic in the real Prometheus: rows that planning takes, or one line why not."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from placewright.cli.root import cli
from tests.support.exporter import NEW_VLLM, TGI, Exporter, Traffic, history
from tests.support.prometheus_server import PrometheusServer
from tests.unit.cli.conftest import manifest

HOURS = 6.0
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def _traffic(rate: float, *, per_replica_limit: float = 2.0) -> Traffic:
    """A server that is fast below its limit, and slow above."""
    slow = rate > per_replica_limit
    return Traffic(
        requests_per_second=rate,
        sizes=((1000, 200, 1.0),),
        ttft_seconds=3.0 if slow else 0.4,
        tpot_seconds=0.2 if slow else 0.03,
        waiting=6.0 if slow else 0.0,
        running=8.0 * rate,
    )


@pytest.fixture(scope="module")
def url(prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    end = time.time()
    start = end - HOURS * 3600
    now = [start]
    exporter = Exporter(clock=lambda: now[0])

    def advance(moment: float) -> None:
        now[0] = moment
        # In steps of half an hour from 0.5 to 3 requests a second for each replica.
        level = 0.5 + 0.5 * math.floor((moment - start) / 1800.0 % 6)
        for pod in ("a-0", "a-1"):
            exporter.serve(_traffic(level), model=MODEL, names=NEW_VLLM, key=pod, namespace="default", instance=pod)
        for pod, place, rate in (("b-0", "0", 1.5), ("b-1", "1", 0.25)):
            labels = {"namespace": "split", "instance": pod, "layout": place}
            exporter.serve(_traffic(rate), model=MODEL, names=NEW_VLLM, key=pod, **labels)
        exporter.serve(_traffic(9.0), model=MODEL, key="slow", namespace="slow", instance="slow")
        exporter.serve(_traffic(1.0), names=TGI, key="tgi", namespace="text", instance="tgi")
        exporter.serve(_traffic(0.0), model=MODEL, key="quiet", namespace="quiet", instance="quiet")

    server = PrometheusServer(prometheus, tmp_path_factory.mktemp("prometheus"))
    server.load(promtool, history(exporter, advance, start=start, end=end, step=30.0))
    with server:
        yield server.url


def layout(degree: int) -> dict[str, Any]:
    stage = {"pool": "l40s", "gpu": "L40S", "tensorParallel": degree, "firstLayer": 0, "lastLayer": 31, "gpus": degree}
    money = {"costPerHour": 1.2 * degree, "costPerMillionTokens": 0.1}
    rates = {"tokensPerSecond": 1000.0, "requestsPerSecond": 1.0}
    load = {"replicas": 1, "weight": 0.5, "precision": "bf16", "maxConcurrency": 16}
    return {**load, **money, **rates, "stages": [stage], "engineArgs": []}


def status(*degrees: int, hours: float = 5.9, state: str = "Approved") -> dict[str, Any]:
    decided = datetime.fromtimestamp(time.time() - hours * 3600, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shape = {"precision": "bf16", "replicas": 2, "tensorParallel": 1, "pipelineParallel": 1, "pool": "l40s"}
    money = {"totalGPUs": 2, "gpusByPool": {"l40s": 2}, "costPerHour": 2.4, "costPerMillionTokens": 0.1}
    rates = {"tokensPerSecond": 1.0, "requestsPerSecond": 1.0, "layouts": [layout(each) for each in degrees]}
    return {"plan": {"id": "p-0123456789", "state": state, "decidedAt": decided, **shape, **money, **rates}}


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="placewright")


def file_of(folder: Path, given: dict[str, Any] | None, *, namespace: str = "default", **spec: Any) -> Path:
    fields = {"observeFrom": {"preset": "vllm"}, "slo": {"ttft": "1s", "tpot": "50ms"}, **spec}
    request = manifest(namespace=namespace, **fields)
    if given is not None:
        request["status"] = given
    file = folder / "request.yaml"
    file.write_text(yaml.safe_dump(request))
    return file


def test_the_row_is_the_highest_rate_that_met_the_targets(url: str, tmp_path: Path) -> None:
    done = run("calibrate", "-f", file_of(tmp_path, status(1, 1)), "--prometheus-url", url)
    assert done.exit_code == 0, done.output
    profile = yaml.safe_load(done.stdout)
    assert (profile["kind"], profile["metadata"]["name"], profile["spec"]["model"]) == (
        "PerformanceProfile",
        "chat-observed",
        MODEL,
    )
    (row,) = profile["spec"]["rows"]
    # The step of 2 requests a second to each replica is the last at which the servers are fast.
    assert row["requestsPerSecond"] == pytest.approx(2.0, rel=0.05)
    assert (row["inputTokens"], row["outputTokens"]) == (1000, 200)
    assert (row["gpu"], row["tensorParallel"], row["pipelineParallel"], row["precision"]) == ("L40S", 1, 1, "bf16")
    assert row["concurrency"] == pytest.approx(16, abs=1)
    assert 250 < float(row["ttft"].removesuffix("ms")) <= 500
    assert 20 < float(row["tpot"].removesuffix("ms")) <= 50
    source = profile["spec"]["source"]
    for part in (
        "default/chat",
        "p-0123456789",
        "preset vllm",
        "samples of 2 replicas",
        "saturated: targets were missed",
    ):
        assert part in source
    assert "a row counts for requests of its own size alone" in done.stderr


def test_planning_takes_the_rows(url: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, status(1))
    (tmp_path / "profile.yaml").write_text(run("calibrate", "-f", file, "--prometheus-url", url).stdout)
    workload = {"inputTokens": 1000, "outputTokens": 200, "requestsPerSecond": 3}
    reference = {"profileRef": {"name": "chat-observed"}}
    request = file_of(tmp_path, None, workload=workload, performance=reference)
    done = run("plan", "-f", request, "-f", tmp_path / "profile.yaml", "-o", "yaml")
    assert done.exit_code == 0, done.output
    (plan,) = yaml.safe_load(done.stdout)["items"]
    assert plan["status"]["plan"]["replicas"] == 2  # three requests a second, about two of them to each
    assert run("validate", "-f", tmp_path / "profile.yaml").exit_code == 0


def test_without_saturation_the_source_says_that_it_is_a_lower_bound(url: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, status(1, 2), namespace="split")
    done = run("calibrate", "-f", file, "--prometheus-url", url, "--layout-label", "layout")
    assert done.exit_code == 0, done.output
    spec = yaml.safe_load(done.stdout)["spec"]
    assert [(row["tensorParallel"], row["requestsPerSecond"]) for row in spec["rows"]] == [
        (1, pytest.approx(1.5, rel=0.05)),
        (2, pytest.approx(0.25, rel=0.05)),
    ]
    assert spec["source"].count("a lower bound, not saturated") == 2


# Statuses are made when they are used: a suite takes longer than what is new.
REFUSALS = [
    ("no plan", "default", lambda: None, {}, "got no plan in the status, wants a request with the plan that runs"),
    ("a blocked plan", "default", lambda: status(1, state="Blocked"), {}, "got plan p-0123456789, which is Blocked"),
    ("layouts alike", "default", lambda: status(1, 2), {}, "wants --layout-label, which tells them apart"),
    (
        "a new plan",
        "default",
        lambda: status(1, hours=0.02),
        {},
        "samples with traffic, wants at least 12; a longer --window",
    ),
    ("no traffic", "quiet", lambda: status(1), {}, "got 0 samples with traffic, wants at least 12"),
    ("nobody serves", "empty", lambda: status(1), {}, "got 0 samples with traffic, wants at least 12"),
    ("too slow", "slow", lambda: status(1), {}, "that meets the latency targets, wants one at least"),
    ("no TTFT", "text", lambda: status(1), {"observeFrom": {"preset": "tgi"}}, "wants servers that measure TTFT"),
    ("a gateway", "default", lambda: status(1), {"observeFrom": {"preset": "gateway"}}, "which sees no replicas"),
    (
        "no kind of server",
        "default",
        lambda: status(1),
        {"observeFrom": None},
        "wants --preset, the kind of the servers",
    ),
]


@pytest.mark.parametrize(
    ("namespace", "given", "spec", "message"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_without_enough_data_there_is_one_line(
    url: str,
    tmp_path: Path,
    namespace: str,
    given: Callable[[], dict[str, Any] | None],
    spec: dict[str, Any],
    message: str,
) -> None:
    done = run("calibrate", "-f", file_of(tmp_path, given(), namespace=namespace, **spec), "--prometheus-url", url)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_one_request_is_chosen(url: str, tmp_path: Path) -> None:
    one, other = manifest("a", status=None), manifest("b", status=None)
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump_all([one, other]))
    done = run("calibrate", "-f", file, "--prometheus-url", url)
    assert "got 2 requests (default/a, default/b), wants one; NAME and -n choose it" in done.stderr
    assert "got no request c, wants one" in run("calibrate", "c", "-f", file, "--prometheus-url", url).stderr


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    done = run("calibrate", "-f", file_of(tmp_path, status(1)))
    assert done.exit_code == 2
    assert "--prometheus-url" in done.stderr


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    label = 'x"} or vllm:request_success_total{y'
    done = run("calibrate", "-f", file_of(tmp_path, status(1)), "--layout-label", label)
    assert done.exit_code == 2
    assert "wants the name of a label" in done.stderr
