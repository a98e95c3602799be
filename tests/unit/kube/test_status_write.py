import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from placewright.kube.client import ApiError, UnreachableError
from placewright.kube.status import WriteResult, Written, status_patch, write_status
from tests.support.requests import Json, stored


def _refused(status: int = 422) -> ApiError:
    return ApiError("PATCH", status=status, reason="Invalid", message="", retry_after_seconds=None)


class FakeServer:
    """One object behind the seam, with the API server's rules for JSON patches; `before_patch` lets others in first."""

    def __init__(self, resource: Json, before_patch: Callable[["FakeServer", int], None] | None = None) -> None:
        self.resource: Json | None = resource
        self.patches: list[list[Json]] = []
        self.refuse_content = False
        self._before_patch = before_patch

    async def get_request(self, namespace: str, name: str) -> Json | None:
        assert (namespace, name) == ("serving", "chat")
        return copy.deepcopy(self.resource)

    async def patch_status(self, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        assert (namespace, name) == ("serving", "chat")
        self.patches.append([dict(entry) for entry in operations])
        if self._before_patch is not None:
            self._before_patch(self, len(self.patches))
        if self.resource is None:
            raise _refused(404)
        for entry in operations:
            if entry["op"] == "test":
                field = str(entry["path"]).removeprefix("/metadata/")
                if self.resource["metadata"][field] != entry["value"]:
                    raise _refused()
        if self.refuse_content:
            raise _refused()
        self.change(status=operations[-1]["value"])
        return copy.deepcopy(self.resource)

    def change(self, *, status: Json | None = None, **metadata: Any) -> None:
        assert self.resource is not None
        self.resource["metadata"]["resourceVersion"] = str(int(self.resource["metadata"]["resourceVersion"]) + 1)
        self.resource["metadata"].update(metadata)
        if status is not None:
            self.resource["status"] = status


def _write(server: FakeServer, observed: Json, render: Callable[[Json], Json | None]) -> Written:
    return asyncio.run(write_status(server, observed, render))


def _decided(_: Json) -> Json:
    return {"observedGeneration": 1}


def test_patch_tests_uid_generation_and_version_before_it_replaces_the_status() -> None:
    patch = status_patch(stored(generation=3, version=7), {"observedGeneration": 3}, strict=True)
    assert [entry["op"] for entry in patch] == ["test", "test", "test", "add"]
    assert [entry["path"] for entry in patch] == [
        "/metadata/uid",
        "/metadata/generation",
        "/metadata/resourceVersion",
        "/status",
    ]
    assert patch[1]["value"] == 3
    assert patch[2]["value"] == "7"


def test_an_undisturbed_write_takes_one_patch() -> None:
    server = FakeServer(stored())
    written = _write(server, stored(), _decided)
    assert written.result is WriteResult.WRITTEN
    assert written.stored is not None
    assert written.stored["status"] == {"observedGeneration": 1}
    assert written.replaced == stored()
    assert len(server.patches) == 1


def test_nothing_is_written_when_the_content_is_the_same() -> None:
    server = FakeServer(stored())
    assert _write(server, stored(), lambda _: None).result is WriteResult.UNCHANGED
    assert server.patches == []


def test_a_rivals_status_is_read_and_the_write_rendered_anew() -> None:
    rendered: list[Json] = []

    def render(newest: Json) -> Json:
        rendered.append(newest["status"])
        return {"observedGeneration": 1, "after": newest["status"].get("rival", 0)}

    def rival(server: FakeServer, patch: int) -> None:
        if patch == 1:
            server.change(status={"rival": 5})

    server = FakeServer(stored(), rival)
    written = _write(server, stored(), render)
    assert written.result is WriteResult.WRITTEN
    assert written.conflicts == 1
    assert server.resource is not None
    assert server.resource["status"]["after"] == 5
    assert rendered == [{"observedGeneration": -1}, {"rival": 5}]
    assert written.replaced is not None
    assert written.replaced["status"] == {"rival": 5}, "what really was replaced"


def test_a_rival_faster_than_us_cannot_starve_the_write() -> None:
    def rival(server: FakeServer, _: int) -> None:
        server.change(status={"rival": True})

    server = FakeServer(stored(), rival)
    assert _write(server, stored(), _decided).result is WriteResult.WRITTEN
    assert [entry["path"] for entry in server.patches[-1]] == ["/metadata/uid", "/metadata/generation", "/status"]


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "u-2"}])
def test_a_new_spec_or_a_recreated_object_drops_the_write_and_is_returned(change: Json) -> None:
    server = FakeServer(stored(), lambda server, _: server.change(**change))
    written = _write(server, stored(), _decided)
    assert written.result is WriteResult.SUPERSEDED
    assert written.stored is not None
    assert written.stored["metadata"] | change == written.stored["metadata"]
    assert server.resource is not None
    assert server.resource["status"] == {"observedGeneration": -1}


def test_a_deleted_object_ends_the_write() -> None:
    def delete(server: FakeServer, _: int) -> None:
        server.resource = None

    written = _write(FakeServer(stored(), delete), stored(), _decided)
    assert written.result is WriteResult.GONE
    assert written.stored is None


def test_a_status_that_the_schema_refuses_is_told_apart_from_a_conflict() -> None:
    server = FakeServer(stored())
    server.refuse_content = True
    assert _write(server, stored(), _decided).result is WriteResult.REJECTED
    assert len(server.patches) == 1


@pytest.mark.parametrize("error", [_refused(403), _refused(429), _refused(500), UnreachableError("down")])
def test_other_refusals_go_to_the_caller(error: Exception) -> None:
    def fail(_: FakeServer, __: int) -> None:
        raise error

    with pytest.raises(type(error)):
        _write(FakeServer(stored(), fail), stored(), _decided)
