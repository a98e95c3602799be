"""Sources as the operator reads them: its own folder, its own namespace, and HTTP servers that misbehave."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from placewright.api.price_sources import PriceSource
from placewright.handlers.price_reader import SourceRead, SourceReader
from placewright.kube.client import ApiError, UnreachableError
from placewright.telemetry.prices.errors import PriceSourceError
from placewright.telemetry.prometheus.client import Answer, FaultKind, QueryError, Series

TABLE = "gpu,pricePerGPUHour\nL40S,1.5\n"
ASSETS = {
    "n1": {
        "type": "Node",
        "labels": {"label_nvidia_com_gpu_product": "NVIDIA-L40S"},
        "GPUHours": 8.0,
        "totalCost": 10.0,
        "end": "2026-11-21T10:00:00Z",
    },
    "odd": {"type": "Node", "labels": {}, "GPUHours": 8.0, "totalCost": 10.0},
}


class FakeCluster:
    """ConfigMaps by namespace and name; a fault is raised."""

    def __init__(self, **found: Any) -> None:
        self.found = found
        self.asked: list[tuple[str, str]] = []

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append((namespace, name))
        said = self.found.get(name)
        if isinstance(said, Exception):
            raise said
        return said


class FakePrometheus:
    def __init__(self, said: Answer | QueryError) -> None:
        self.said = said
        self.asked: list[str] = []

    async def ask(self, expr: str) -> Answer:
        self.asked.append(expr)
        if isinstance(self.said, QueryError):
            raise self.said
        return self.said

    async def close(self) -> None:
        """Nothing is open."""


NOBODY = QueryError(FaultKind.UNREACHABLE, "no Prometheus server is set")


def read(
    given: dict[str, Any],
    *,
    folder: Path = Path("/nowhere"),
    cluster: FakeCluster | None = None,
    namespace: str = "placewright",
    prometheus: FakePrometheus | None = None,
) -> SourceRead:
    async def inside() -> SourceRead:
        reader = SourceReader(
            config_maps=cluster or FakeCluster(),
            namespace=namespace,
            folder=folder,
            queries=prometheus or FakePrometheus(NOBODY),
        )
        try:
            return await reader.read(PriceSource.model_validate({"name": "s", **given}))
        finally:
            await reader.close()

    return asyncio.run(inside())


def fault(given: dict[str, Any], **around: Any) -> PriceSourceError:
    with pytest.raises(PriceSourceError) as caught:
        read(given, **around)
    return caught.value


def test_a_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(TABLE)
    assert [row.per_gpu_hour for row in read({"file": {"path": "p.csv"}}, folder=tmp_path).rows] == [1.5]
    error = fault({"file": {"path": "/etc/passwd", "format": "CSV"}}, folder=tmp_path)
    assert "wants a path below" in str(error)
    assert error.broken


@pytest.mark.parametrize(
    "found", [{"data": {"p.csv": TABLE}}, {"binaryData": {"p.csv": base64.b64encode(TABLE.encode()).decode()}}]
)
def test_a_config_map_of_the_own_namespace(found: dict[str, Any]) -> None:
    cluster = FakeCluster(prices=found)
    rows = read({"configMap": {"name": "prices", "key": "p.csv"}}, cluster=cluster).rows
    assert [row.per_gpu_hour for row in rows] == [1.5]
    assert cluster.asked == [("placewright", "prices")]


def refusal(status: int, reason: str) -> ApiError:
    return ApiError("GET", status=status, reason=reason, message="secrets are safe", retry_after_seconds=None)


@pytest.mark.parametrize(
    ("found", "told", "broken"),
    [
        (None, "ConfigMap placewright/prices: got no such ConfigMap, wants one with the key p.csv", True),
        (
            {"data": {"q.csv": TABLE}},
            "ConfigMap placewright/prices: got only the keys q.csv, wants the key p.csv",
            True,
        ),
        ({}, "ConfigMap placewright/prices: got only the keys (none), wants the key p.csv", True),
        ({"binaryData": {"p.csv": "%%"}}, "ConfigMap placewright/prices: got only the keys p.csv, wants", True),
        ({"data": {"p.csv": "gpu\n"}}, "ConfigMap placewright/prices p.csv:1: column pricePerGPUHour: got", True),
        (refusal(403, "Forbidden"), "ConfigMap placewright/prices: got 403 Forbidden, wants the right to get it", True),
        (refusal(503, "Unavailable"), "ConfigMap placewright/prices: got 503 Unavailable, wants it", False),
        (UnreachableError("refused"), "ConfigMap placewright/prices: got no answer of the API server", False),
    ],
)
def test_a_config_map_that_cannot_be_used(found: Any, told: str, *, broken: bool) -> None:
    error = fault({"configMap": {"name": "prices", "key": "p.csv"}}, cluster=FakeCluster(prices=found))
    assert str(error).startswith(told)
    assert error.broken is broken


def test_without_a_namespace_of_its_own_no_config_map_is_read() -> None:
    cluster = FakeCluster(prices={"data": {"p.csv": TABLE}})
    error = fault({"configMap": {"name": "prices", "key": "p.csv"}}, cluster=cluster, namespace="")
    assert "wants $POD_NAMESPACE or --own-namespace" in str(error)
    assert cluster.asked == []


def test_a_query_of_prometheus() -> None:
    series = (
        Series(labels={"gpu": "L40S", "capacity_type": "spot"}, points=((1e9, 0.5), (1e9 + 60, 0.6))),
        Series(labels={"gpu": "H100"}, points=()),
    )
    prometheus = FakePrometheus(Answer(series=series))
    rows = read({"prometheus": {"query": "max by (gpu) (price)"}}, prometheus=prometheus).rows
    assert [(str(row.key), row.per_gpu_hour) for row in rows] == [("L40S, Spot", 0.6)]
    assert prometheus.asked == ["max by (gpu) (price)"]


def test_a_prometheus_that_does_not_answer_is_out_of_reach() -> None:
    error = fault({"prometheus": {"query": "price"}})
    assert str(error) == "prometheus.query: got Unreachable: no Prometheus server is set, wants an answer"
    assert not error.broken


# --------------------------------------------------------------------------------------------------------- OpenCost

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def from_open_cost(handler: Handler, *, path: str = "", **given: Any) -> SourceRead:
    async def inside() -> SourceRead:
        async with serving(handler) as url:
            queries = FakePrometheus(NOBODY)
            reader = SourceReader(config_maps=FakeCluster(), namespace="", folder=Path("/nowhere"), queries=queries)
            try:
                source = PriceSource.model_validate({"name": "s", "openCost": {"url": url + path, **given}})
                return await reader.read(source)
            finally:
                await reader.close()

    return asyncio.run(inside())


def test_open_cost_is_asked_for_its_nodes_and_gives_prices_and_notes() -> None:
    seen: list[web.Request] = []

    async def assets(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.json_response({"code": 200, "data": ASSETS})

    found = from_open_cost(assets, path="/model/", window="2h")
    assert [(str(row.key), row.per_gpu_hour) for row in found.rows] == [("L40S, OnDemand", 1.25)]
    assert found.notes == ("1 Nodes have GPUs that the catalog does not know, such as odd",)
    (request,) = seen
    assert request.path == "/model/assets"
    assert dict(request.query) == {"window": "2h", "filter": 'assetType:"node"'}
    assert "Authorization" not in request.headers


async def refuses(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="password=hunter2")


async def sends_elsewhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"})


async def never_ends(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(40):
        await response.write(b" " * (1 << 20))
    return response


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (refuses, "got HTTP 500, wants HTTP 200"),
        (sends_elsewhere, "got HTTP 302, wants HTTP 200"),
        (never_ends, "got more, wants at most 33,554,432 bytes"),
    ],
)
def test_an_open_cost_that_misbehaves_is_one_line_without_what_it_said(handler: Handler, told: str) -> None:
    with pytest.raises(PriceSourceError) as caught:
        from_open_cost(handler)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_open_cost_that_is_not_there_is_out_of_reach() -> None:
    error = fault({"openCost": {"url": "http://127.0.0.1:1"}})
    assert str(error) == "http://127.0.0.1:1/assets: got ClientConnectorError, wants an answer"
    assert not error.broken


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(json.dumps("no certificate"))
    error = fault({"openCost": {"url": "https://127.0.0.1:1", "caFile": str(tmp_path / "ca.pem")}})
    assert str(error).startswith("openCost.caFile: got ")
