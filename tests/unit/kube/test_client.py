import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from placewright.kube.client import GPU_POOLS, NODES, PODS, ApiError, KubeClient, Page, UnreachableError
from placewright.kube.kinds import DEPLOYMENTS
from tests.support.requests import stored

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GROUP = "/apis/placewright.dev/v1alpha1"


def with_server(handler: Handler, scenario: Callable[[KubeClient], Awaitable[None]]) -> None:
    async def run() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        async with TestServer(application) as server, aiohttp.ClientSession() as session:
            await scenario(KubeClient(session, str(server.make_url("")).rstrip("/")))

    asyncio.run(run())


def refusal(status: int, reason: str, message: str = "no", **headers: str) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": message}
    return web.json_response(
        body, status=status, headers={key.replace("_", "-"): text for key, text in headers.items()}
    )


def test_the_crd_is_served_when_discovery_names_it() -> None:
    answers = [
        refusal(404, "NotFound"),
        web.json_response({"resources": [{"name": "other"}]}),
        web.json_response({"resources": [{"name": "placementrequests"}]}),
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == GROUP
        return answers.pop(0)

    async def scenario(client: KubeClient) -> None:
        assert [await client.serves_requests() for _ in range(3)] == [False, False, True]

    with_server(handler, scenario)


def test_lists_follow_their_pages() -> None:
    asked: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append({"path": request.path, **request.query})
        last = "continue" in request.query
        return web.json_response(
            {"items": [stored("b" if last else "a")], "metadata": {} if last else {"continue": "to/ken="}}
        )

    async def scenario(client: KubeClient) -> None:
        found = [resource["metadata"]["name"] async for resource in client.list_requests("serving")]
        assert found == ["a", "b"]
        assert asked[0] == {"path": f"{GROUP}/namespaces/serving/placementrequests", "limit": "500"}
        assert asked[1]["continue"] == "to/ken="

    with_server(handler, scenario)


def test_a_gone_object_is_none_and_other_refusals_tell_all() -> None:
    answers = [
        refusal(404, "NotFound"),
        refusal(429, "TooManyRequests", "slow down", Retry_After="7"),
        web.Response(status=502, text="<html>bad gateway</html>"),
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.method == "GET"
        return answers.pop(0)

    async def scenario(client: KubeClient) -> None:
        assert await client.get_request("serving", "chat") is None
        with pytest.raises(ApiError, match="429 TooManyRequests slow down") as slow:
            await client.get_request("serving", "chat")
        assert slow.value.retry_after_seconds == 7.0
        with pytest.raises(ApiError, match="502") as bad:
            await client.get_request("serving", "chat")
        assert "html" not in str(bad.value)

    with_server(handler, scenario)


def test_a_status_patch_goes_to_the_subresource_as_a_json_patch() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.method == "PATCH"
        assert request.path == f"{GROUP}/namespaces/serving/placementrequests/chat/status"
        assert request.content_type == "application/json-patch+json"
        return web.json_response({"got": json.loads(await request.text())})

    async def scenario(client: KubeClient) -> None:
        operations = [{"op": "add", "path": "/status", "value": {"a": 1.5}}]
        assert await client.patch_status("serving", "chat", operations) == {"got": operations}

    with_server(handler, scenario)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_sent(number: float) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        raise AssertionError("it was sent")

    async def scenario(client: KubeClient) -> None:
        with pytest.raises(ValueError, match="JSON compliant"):
            await client.patch_status("serving", "chat", [{"op": "add", "path": "/status", "value": number}])

    with_server(handler, scenario)


def test_nobody_there_is_told_apart_from_a_refusal() -> None:
    async def scenario() -> None:
        async with aiohttp.ClientSession() as session:
            client = KubeClient(session, "http://127.0.0.1:9")
            with pytest.raises(UnreachableError, match="GET /apis"):
                await client.serves_requests()

    asyncio.run(scenario())


def test_events_are_created_in_their_namespace() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path, await request.json()))
        return web.json_response({})

    async def scenario(client: KubeClient) -> None:
        await client.create_event("serving", {"reason": "PlanCurrent"})
        assert seen == [("POST", "/api/v1/namespaces/serving/events", {"reason": "PlanCurrent"})]

    with_server(handler, scenario)


def test_pages_of_a_kind_are_filtered_by_the_server_and_of_one_version() -> None:
    asked: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append({"path": request.path, **request.query})
        last = "continue" in request.query
        more = {} if last else {"continue": "c"}
        return web.json_response({"items": [{"n": len(asked)}], "metadata": {"resourceVersion": "42", **more}})

    async def scenario(client: KubeClient) -> None:
        pages = [page async for page in client.list_pages(PODS, more_fields="spec.nodeName=a")]
        assert [page.items[0]["n"] for page in pages] == [1, 2]
        assert {page.version for page in pages} == {"42"}
        assert asked[0]["path"] == "/api/v1/pods"
        assert asked[0]["fieldSelector"].split(",") == [
            "spec.nodeName!=",
            "status.phase!=Succeeded",
            "status.phase!=Failed",
            "spec.nodeName=a",
        ]

    with_server(handler, scenario)


def test_a_watch_yields_events_of_any_length_and_ends_with_the_server() -> None:
    long = "x" * 300_000
    events = [{"type": "ADDED", "object": {"a": long}}, {"type": "BOOKMARK", "object": {}}]

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == f"{GROUP}/gpupools"
        assert (request.query["watch"], request.query["resourceVersion"]) == ("true", "7")
        response = web.StreamResponse()
        await response.prepare(request)
        text = b"\n".join(json.dumps(event).encode() for event in events) + b"\n"
        for at in range(0, len(text), 70_001):
            await response.write(text[at : at + 70_001])
        return response

    async def scenario(client: KubeClient) -> None:
        assert [event async for event in client.watch(GPU_POOLS, "7")] == events

    with_server(handler, scenario)


def test_a_watch_that_is_refused_or_tells_garbage_ends_with_a_typed_error() -> None:
    answers = [
        refusal(403, "Forbidden"),
        web.Response(text='{"type": "ADD\n'),
        web.Response(text='{"kind": "NodeList", "items": []}\n'),
    ]

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.method == "GET"
        return answers.pop(0)

    async def scenario(client: KubeClient) -> None:
        with pytest.raises(ApiError, match="403"):
            [event async for event in client.watch(NODES, "7")]
        with pytest.raises(UnreachableError, match="WATCH /api/v1/nodes"):
            [event async for event in client.watch(NODES, "7")]
        with pytest.raises(UnreachableError, match="no event"):
            [event async for event in client.watch(NODES, "7")]

    with_server(handler, scenario)


def test_objects_of_a_cluster_wide_kind_are_read_and_patched_by_name() -> None:
    asked: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path))
        return refusal(404, "NotFound") if request.method == "GET" else web.json_response({"ok": True})

    async def scenario(client: KubeClient) -> None:
        assert await client.get_object(GPU_POOLS, "l40s") is None
        assert await client.patch_object_status(GPU_POOLS, "l40s", []) == {"ok": True}
        assert asked == [("GET", f"{GROUP}/gpupools/l40s"), ("PATCH", f"{GROUP}/gpupools/l40s/status")]

    with_server(handler, scenario)


def test_selectors_and_namespaces_go_with_lists_and_watches() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.path, dict(request.query)))
        return web.json_response({"items": [], "metadata": {}})

    async def scenario(client: KubeClient) -> None:
        kind = DEPLOYMENTS.inside("a/b")
        assert [page async for page in client.list_pages(kind)] == [Page(items=(), version="")]
        assert [event async for event in client.watch(PODS, "7")] == []

    with_server(handler, scenario)
    ours = "app.kubernetes.io/managed-by=placewright"
    assert asked[0] == ("/apis/apps/v1/namespaces/a/b/deployments", {"limit": "500", "labelSelector": ours})
    assert asked[1][0] == "/api/v1/pods"
    assert asked[1][1]["fieldSelector"] == PODS.field_selector
    assert "labelSelector" not in asked[1][1]


def test_writes_say_who_writes_and_what_must_still_stand() -> None:
    asked: list[tuple[str, str, dict[str, str], str, Any]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        asked.append((request.method, request.path, dict(request.query), request.content_type, body))
        return web.json_response({"stored": True})

    body = {"metadata": {"name": "x", "uid": "u", "resourceVersion": "7"}}

    async def scenario(client: KubeClient) -> None:
        assert await client.apply(DEPLOYMENTS, "serving", body, force=True) == {"stored": True}
        await client.apply(DEPLOYMENTS, "serving", body, force=False, manager="other")
        await client.merge(DEPLOYMENTS, "serving", body, part="scale")
        assert await client.delete(DEPLOYMENTS, "serving", "x", uid="u", version="7")

    with_server(handler, scenario)
    path = "/apis/apps/v1/namespaces/serving/deployments/x"
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
    }
    apply = "application/apply-patch+yaml"
    assert asked == [
        ("PATCH", path, {"fieldManager": "placewright", "force": "true"}, apply, body),
        ("PATCH", path, {"fieldManager": "other", "force": "false"}, apply, body),
        ("PATCH", f"{path}/scale", {"fieldManager": "placewright"}, "application/merge-patch+json", body),
        ("DELETE", path, {}, "application/json", options),
    ]


def test_an_object_that_is_not_there_is_none_and_a_kind_that_is_not_served_an_error() -> None:
    answers = [refusal(404, "NotFound"), web.Response(status=404, text="404 page not found"), refusal(404, "NotFound")]

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path.endswith("/deployments/x")
        return answers.pop(0)

    async def scenario(client: KubeClient) -> None:
        assert await client.get_in(DEPLOYMENTS, "serving", "x") is None
        with pytest.raises(ApiError) as caught:
            await client.get_in(DEPLOYMENTS, "serving", "x")
        assert (caught.value.status, caught.value.reason, caught.value.message) == (404, "", "")
        assert not await client.delete(DEPLOYMENTS, "serving", "x", uid="u", version="7")

    with_server(handler, scenario)
