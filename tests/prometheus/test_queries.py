"""The presets against the real Prometheus: old and new names, both namespace labels, strange model names."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import pytest

from placewright.core.demand import DemandSample, Fault
from placewright.core.model import Observation
from placewright.telemetry.prometheus.book import Entry, Query, QueryBook
from placewright.telemetry.prometheus.client import FaultKind, PrometheusClient, QueryError, Server, session_for
from placewright.telemetry.prometheus.promql import in_namespace, quote, selector
from placewright.telemetry.prometheus.readings import demand_sample, latencies, observation
from placewright.telemetry.prometheus.wants import Wants, wants_of
from tests.support.exporter import (
    GATEWAY,
    MIDDLE_VLLM,
    NEW_VLLM,
    OLD_GATEWAY,
    OLD_VLLM,
    SGLANG,
    TGI,
    Exporter,
    Names,
    Traffic,
    history,
)
from tests.support.live_requests import ANY_QUERY, FORBIDDEN, OWN_NAMESPACE, asking
from tests.support.prometheus_server import PrometheusServer, Target

T = TypeVar("T")
STEP = 15.0
PAST = 3600.0
AHEAD = 600.0  # the history goes on past now, so that it is fresh however long these tests take
STRANGE = 'a "quoted" \\ model\nof {two} lines, 50% é'


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def _servers(exporter: Exporter) -> None:
    """One model on servers of all versions, and others that must not be counted with it."""
    long_chat = ((1500, 300, 0.75), (9000, 800, 0.25))
    for key, names, rate in (("old", OLD_VLLM, 1.0), ("middle", MIDDLE_VLLM, 2.0), ("new", NEW_VLLM, 3.0)):
        traffic = Traffic(requests_per_second=rate, sizes=long_chat, ttft_seconds=0.4, tpot_seconds=0.025)
        exporter.serve(traffic, model="m", names=names, key=key, namespace="serving")
    noise = Traffic(requests_per_second=1000.0)
    exporter.serve(noise, model="m", key="elsewhere", namespace="other")
    exporter.serve(noise, model="n", key="other-model", namespace="serving")
    # A server of another namespace whose exporter names this one, and the other way round.
    exporter.serve(
        Traffic(requests_per_second=4.0),
        model="g",
        key="g",
        names=GATEWAY,
        namespace="gw",
        exported_namespace="serving",
    )
    exporter.serve(noise, model="g", key="h", names=GATEWAY, namespace="serving", exported_namespace="other")
    exporter.serve(Traffic(requests_per_second=6.0), model="old-g", names=OLD_GATEWAY, namespace="serving")
    exporter.serve(Traffic(requests_per_second=5.0), model="s", names=SGLANG, namespace="serving")
    exporter.serve(Traffic(requests_per_second=7.0), key="tgi", names=TGI, namespace="text")
    exporter.serve(Traffic(requests_per_second=0.0), model="quiet", namespace="serving")
    exporter.serve(Traffic(requests_per_second=2.5), model=STRANGE, namespace="serving")
    exporter.gauge("shop_usd_per_hour", 42.0, namespace="serving")
    exporter.gauge("shop_usd_per_hour", 99999.0, namespace="other")


@pytest.fixture(scope="module")
def prometheus_server(prometheus: Path, promtool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    clock = Clock(time.time() - PAST)
    exporter = Exporter(clock=clock)
    _servers(exporter)

    def advance(now: float) -> None:
        clock.now = now

    server = PrometheusServer(prometheus, tmp_path_factory.mktemp("prometheus"))
    server.load(promtool, history(exporter, advance, start=clock.now, end=clock.now + PAST + AHEAD, step=STEP))
    with server:
        yield server.url


def run(url: str, work: Callable[[PrometheusClient], Awaitable[T]], **bounds: Any) -> T:
    async def inside() -> T:
        server = Server(url=url, **bounds)
        async with session_for(server) as session:
            return await work(PrometheusClient(session, server))

    return asyncio.run(inside())


def asked(url: str, wants: Wants) -> dict[Query, Entry]:
    async def ask(client: PrometheusClient) -> dict[Query, Entry]:
        return dict(await QueryBook(client).ask(wants.queries))

    return run(url, ask)


def sample(url: str, wants: Wants) -> DemandSample:
    assert wants.demand is not None, wants.faults
    found = demand_sample(wants.demand, asked(url, wants), now=time.time(), max_age_seconds=300)
    assert isinstance(found, DemandSample), found
    return found


def observed(url: str, wants: Wants) -> Observation:
    return observation(wants, asked(url, wants), now=time.time())


def preset(name: str, model: str | None = None, window: str = "30m") -> dict[str, Any]:
    return {"preset": name, "window": window} | ({} if model is None else {"modelName": model})


@pytest.mark.parametrize(
    ("name", "model", "namespace", "rate"),
    [
        ("vllm", "m", "serving", 6.0),
        ("vllm", "m", "other", 1000.0),
        ("vllm", STRANGE, "serving", 2.5),
        ("sglang", "s", "serving", 5.0),
        ("tgi", None, "text", 7.0),
        ("gateway", "g", "serving", 4.0),
        ("gateway", "g", "other", 1000.0),
        ("gateway", "old-g", "serving", 6.0),
    ],
)
def test_the_rate_of_requests_is_that_of_the_model_in_its_namespace(
    prometheus_server: str, name: str, model: str | None, namespace: str, rate: float
) -> None:
    request = asking(namespace=namespace, demand_from=preset(name, model))
    points = sample(prometheus_server, wants_of(request, FORBIDDEN)).rate_points
    assert len(points) > 100
    assert [value for _, value in points] == pytest.approx([rate] * len(points), rel=0.02)


def test_a_model_without_traffic_has_the_demand_zero_and_one_nobody_serves_has_none(prometheus_server: str) -> None:
    quiet = sample(prometheus_server, wants_of(asking(demand_from=preset("vllm", "quiet")), FORBIDDEN))
    assert {value for _, value in quiet.rate_points} == {0.0}
    wants = wants_of(asking(demand_from=preset("vllm", "nobody")), FORBIDDEN)
    assert wants.demand is not None
    missing = demand_sample(wants.demand, asked(prometheus_server, wants), now=time.time(), max_age_seconds=300)
    assert missing == Fault("demand: missing: no series")


def test_sizes_come_as_histograms_over_servers_of_all_versions(prometheus_server: str) -> None:
    found = sample(prometheus_server, wants_of(asking(demand_from=preset("vllm", "m")), FORBIDDEN))
    assert found.input is not None
    assert found.output is not None
    by_bound = dict(zip(found.input.bounds, found.input.counts, strict=True))
    assert by_bound[2000.0] == pytest.approx(4.5, rel=0.02)  # three quarters of 6 requests a second
    assert by_bound[inf] == pytest.approx(6.0, rel=0.02)
    assert found.input.total_sum == pytest.approx(6 * (0.75 * 1500 + 0.25 * 9000), rel=0.02)
    assert found.output.total_sum == pytest.approx(6 * (0.75 * 300 + 0.25 * 800), rel=0.02)


@pytest.mark.parametrize(("basis", "tokens"), [("Total", 1800.0), ("Output", 300.0)])
@pytest.mark.parametrize(
    ("name", "model", "namespace", "rate"),
    [
        ("sglang", "s", "serving", 5.0),
        ("tgi", None, "text", 7.0),
        ("gateway", "g", "serving", 4.0),
        ("vllm", STRANGE, "serving", 2.5),
    ],
)
def test_tokens_are_counted_in_the_basis_of_the_request(
    prometheus_server: str, name: str, model: str | None, namespace: str, rate: float, basis: str, tokens: float
) -> None:
    from_preset = {"preset": name} | ({} if model is None else {"modelName": model})
    workload = {"inputTokens": 512, "outputTokens": 128, "tokenBasis": basis}
    request = asking(namespace=namespace, workload=workload, observeFrom=from_preset)
    reading = observed(prometheus_server, wants_of(request, FORBIDDEN)).tokens_per_second
    assert reading is not None
    assert reading.value == pytest.approx(rate * tokens, rel=0.02), reading
    assert reading.age_seconds is not None
    assert 0 <= reading.age_seconds < 120


def test_latencies_come_under_whatever_name_a_server_has(prometheus_server: str) -> None:
    wants = wants_of(asking(observeFrom={"preset": "vllm", "modelName": "m"}), FORBIDDEN)
    assert wants.observed is not None
    ttft, tpot = latencies(wants.observed, asked(prometheus_server, wants), now=time.time())
    assert ttft is not None
    assert tpot is not None
    assert ttft.value is not None
    assert tpot.value is not None
    assert 0.25 < ttft.value <= 0.5  # the bucket of 0.4 s
    assert 0.02 < tpot.value <= 0.03


def test_revenue_is_asked_with_the_namespace_that_the_policy_wants(prometheus_server: str) -> None:
    request = asking(gates={"revenuePerHourQuery": "sum(shop_usd_per_hour)"})
    own = observed(prometheus_server, wants_of(request, OWN_NAMESPACE)).revenue_per_hour
    all_of_them = observed(prometheus_server, wants_of(request, ANY_QUERY)).revenue_per_hour
    none = observed(prometheus_server, wants_of(request, FORBIDDEN)).revenue_per_hour
    assert own is not None
    assert all_of_them is not None
    assert none is not None
    assert (own.value, all_of_them.value, none.value) == (42.0, 100041.0, None)
    assert "no PlacementPolicy allows" in none.fault


EVASIONS = [
    'shop_usd_per_hour{x="1"} or shop_usd_per_hour',
    '{__name__="shop_usd_per_hour"}',
    '{__name__=~"shop_.*"}',
    '{"shop_usd_per_hour"}',
    "max_over_time(shop_usd_per_hour[30m])",
    "max_over_time(max(shop_usd_per_hour)[30m:1m])",
    "shop_usd_per_hour offset 1m",
    "shop_usd_per_hour @ end()",
    'label_replace(shop_usd_per_hour, "was", "$1", "namespace", "(.*)")',
    "max without (namespace) (shop_usd_per_hour)",
    "count_values('namespace', shop_usd_per_hour) * 0 + on() group_left() max(shop_usd_per_hour)",
    "topk(5, shop_usd_per_hour)",
    "shop_usd_per_hour{a!='}'} # {namespace='other'}",
    "shop_usd_per_hour{a!=`}`}",
    "shop_usd_per_hour unless on(namespace) absent(shop_usd_per_hour)",
    "max(shop_usd_per_hour) by (namespace)",
]


@pytest.mark.parametrize("query", EVASIONS)
def test_no_query_of_a_request_reads_another_namespace(prometheus_server: str, query: str) -> None:
    held = in_namespace(query, "serving", field="spec.gates.revenuePerHourQuery")
    free = run(prometheus_server, lambda client: client.instant(query))
    assert max(each.points[0][1] for each in free.series) == 99999.0  # it would have
    answer = run(prometheus_server, lambda client: client.instant(held))
    assert answer.series
    assert {each.points[0][1] for each in answer.series} == {42.0}


def test_what_is_printed_means_the_same_to_prometheus(prometheus_server: str) -> None:
    for text in (STRANGE, "\x01\x7f\t", "x" * 300, "'`\"", "\\n", "😀"):
        expr = f'label_replace(vector(1), "got", {quote(text)}, "", "")'
        answer = run(prometheus_server, lambda client, expr=expr: client.instant(expr))
        # In a replacement `$` alone has a meaning, and none of these has one.
        assert answer.series[0].labels == {"got": text}
    found = run(
        prometheus_server,
        lambda client: client.instant(selector("vllm:num_requests_running", [("model_name", STRANGE)])),
    )
    assert len(found.series) == 1


def test_a_range_has_all_points_and_a_wrong_query_is_rejected(prometheus_server: str) -> None:
    now = time.time()
    answer = run(
        prometheus_server,
        lambda client: client.range('shop_usd_per_hour{namespace="serving"}', now - 600, now - 60, 60.0),
    )
    assert [value for _, value in answer.series[0].points] == [42.0] * 10
    with pytest.raises(QueryError) as rejected:
        run(prometheus_server, lambda client: client.instant("rate("))
    assert rejected.value.kind is FaultKind.QUERY_REJECTED


def test_more_series_than_allowed_are_a_fault_and_not_a_part_of_the_truth(prometheus_server: str) -> None:
    with pytest.raises(QueryError) as many:
        run(prometheus_server, lambda client: client.instant('{__name__=~"vllm.*"}'), max_series=20)
    assert many.value.kind is FaultKind.TOO_MANY_SERIES


def test_a_scrape_may_rename_the_label_of_the_namespace(prometheus: Path, tmp_path: Path) -> None:
    with Exporter() as exporter:
        exporter.serve(Traffic(requests_per_second=50.0), model="m", names=GATEWAY, namespace="serving")
        labels = {"namespace": "gateways"}
        targets = [Target(address=exporter.address, labels=labels, honor_labels=honor) for honor in (False, True)]
        with PrometheusServer(prometheus, tmp_path, targets, interval="250ms") as server:
            for label in ("namespace", "exported_namespace"):  # a whole window of ten seconds of each
                server.wait_for(f'count_over_time(inference_objective_request_total{{{label}="serving"}}[1m]) > 44')
            wants = wants_of(asking(demand_from=preset("gateway", "m", "10s")), FORBIDDEN)
            assert sample(server.url, wants).rate_points[-1][1] == pytest.approx(100.0, rel=0.1)
            elsewhere = wants_of(asking(namespace="gateways", demand_from=preset("gateway", "m", "10s")), FORBIDDEN)
            assert elsewhere.demand is not None
            none = demand_sample(elsewhere.demand, asked(server.url, elsewhere), now=time.time(), max_age_seconds=300)
            assert none == Fault("demand: missing: no series")


def test_a_server_that_dies_and_comes_back(prometheus: Path, tmp_path: Path) -> None:
    with Exporter() as exporter:
        exporter.gauge("shop_usd_per_hour", 7.0, namespace="serving")
        target = Target(address=exporter.address)
        with PrometheusServer(prometheus, tmp_path, [target], interval="250ms") as server:
            server.wait_for("shop_usd_per_hour")
            query, now = Query(expr="sum(shop_usd_per_hour)"), [0.0]

            async def story(client: PrometheusClient) -> list[Entry]:
                book = QueryBook(client, stopwatch=lambda: now[0])
                entries = [(await book.ask([query]))[query]]
                server.process.kill()
                entries.append((await book.ask([query]))[query])
                await asyncio.to_thread(server.start)
                entries.append((await book.ask([query]))[query])  # still left in peace
                now[0] = 100.0
                await asyncio.to_thread(server.wait_for, "shop_usd_per_hour")
                entries.append((await book.ask([query]))[query])
                return entries

            first, dead, silent, back = run(server.url, story, timeout_seconds=5.0)
    assert first.fault is None
    assert dead.fault is not None
    assert dead.fault.kind is FaultKind.UNREACHABLE
    assert dead.answer == first.answer  # kept, with its own time
    assert dead.at == first.at
    assert silent.fault == dead.fault
    assert back.fault is None
    assert back.answer is not None
    assert back.answer.series[0].points[0][1] == 7.0


def _names(names: Names) -> set[str]:
    return {names.requests, names.input_sizes, names.output_sizes}


def test_the_exporter_speaks_as_the_servers_do() -> None:
    with Exporter() as exporter:
        exporter.serve(Traffic(requests_per_second=1.0), model="m", names=OLD_VLLM)
        text = exporter.exposition()
    for name in _names(OLD_VLLM):
        assert name in text
    assert 'vllm:request_prompt_tokens_bucket{model_name="m",le="+Inf"}' in text
