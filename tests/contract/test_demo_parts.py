"""The parts of the demo that stand in for an API server and for kubectl, each against what the real one does."""

import http.client
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.api import ApiServer
from demo.calls import Calls, DemoError
from demo.crd import Column, CrdError, at_path, cell, read_crd, read_crds, table, with_defaults
from demo.fleet_story import read_fleet
from demo.samples import SampleError
from demo.show import Page
from demo.story import CRD_FOLDER, ROOT
from tests.support.resources import small_request

CRDS = read_crds(CRD_FOLDER)
CRD = CRDS["PlacementRequest"]
REQUESTS = f"/apis/{CRD.group}/{CRD.version}/namespaces/serving/{CRD.plural}"
JSON_PATCH = "application/json-patch+json"


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def patch(self, name: str, operations: Any) -> tuple[int, Any]:
        return self("PATCH", f"{REQUESTS}/{name}/status", operations, JSON_PATCH)


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer(CRDS.values()) as started:
        yield started


@pytest.fixture
def call(server: ApiServer) -> Client:
    return Client(server.port)


@pytest.fixture
def created(call: Client, request: pytest.FixtureRequest) -> Any:
    """A stored request named after the test."""
    name = request.node.name.replace("_", "-")[:60].strip("-")
    status, stored = call("POST", REQUESTS, small_request(name))
    assert status == 201
    return stored


def test_a_create_gets_what_the_server_adds(created: Any) -> None:
    metadata = created["metadata"]

    assert metadata["generation"] == 1
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["namespace"] == "serving"
    assert len(metadata["uid"]) == 36
    assert created["status"] == {"observedGeneration": -1}
    assert created["spec"]["objective"]["type"] == "CostPerToken"
    assert created["spec"]["pools"][0]["billing"] == "PerGPU"


def test_a_create_is_validated_and_unique(call: Client, created: Any) -> None:
    assert call("POST", REQUESTS, small_request(created["metadata"]["name"]))[0] == 409
    status, told = call("POST", REQUESTS, small_request("bad", pools=[]))
    assert (status, told["kind"], told["reason"]) == (422, "Status", "Invalid")
    assert "spec.pools" in told["message"]


def test_discovery_shows_the_resource_and_its_status(call: Client) -> None:
    names = {one["name"] for one in call("GET", f"/apis/{CRD.group}/{CRD.version}")[1]["resources"]}
    assert names >= {CRD.plural, f"{CRD.plural}/status", "gpupools", "gpupools/status"}
    assert len(names) == 2 * len(CRDS)


def test_a_status_patch_applies_when_its_tests_hold(call: Client, created: Any) -> None:
    metadata = created["metadata"]
    tests = [
        {"op": "test", "path": f"/metadata/{name}", "value": metadata[name]}
        for name in ("uid", "generation", "resourceVersion")
    ]
    status, stored = call.patch(metadata["name"], [*tests, {"op": "add", "path": "/status", "value": {"a": 1}}])

    assert (status, stored["status"]) == (200, {"a": 1})
    assert int(stored["metadata"]["resourceVersion"]) > int(metadata["resourceVersion"])
    assert stored["metadata"]["generation"] == 1
    assert call("GET", f"{REQUESTS}/{metadata['name']}")[1] == stored


def test_a_status_patch_is_refused_whole_when_a_test_does_not_hold(call: Client, created: Any) -> None:
    name = created["metadata"]["name"]
    operations = [
        {"op": "add", "path": "/status", "value": {"a": 1}},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "0"},
    ]

    assert call.patch(name, operations)[0] == 422
    assert call("GET", f"{REQUESTS}/{name}")[1] == created


def test_a_status_patch_changes_nothing_else_and_not_without_need(call: Client, created: Any) -> None:
    name = created["metadata"]["name"]
    status, stored = call.patch(name, [{"op": "replace", "path": "/spec/suspend", "value": True}])
    assert (status, stored) == (200, created)


@pytest.mark.parametrize(
    ("path", "body", "kind", "code"),
    [
        ("/none/status", [], JSON_PATCH, 404),
        ("/none/status", {}, JSON_PATCH, 404),
        ("/none/status", {}, "application/merge-patch+json", 415),
        ("/none", [], JSON_PATCH, 415),
    ],
)
def test_other_patches_are_refused(call: Client, path: str, body: Any, kind: str, code: int) -> None:
    assert call("PATCH", REQUESTS + path, body, kind)[0] == code


def test_a_patch_that_is_no_list_of_operations_is_refused(call: Client, created: Any) -> None:
    name = created["metadata"]["name"]
    assert call.patch(name, {"op": "add"})[0] == 400
    assert call.patch(name, [{"op": "dance"}])[0] == 400


def test_events_need_no_name(call: Client) -> None:
    path = "/api/v1/namespaces/serving/events"
    answers = [call("POST", path, {"kind": "Event", "metadata": {"generateName": "a."}}) for _ in range(2)]
    names = [stored["metadata"]["name"] for _, stored in answers]

    assert [status for status, _ in answers] == [201, 201]
    assert all(name.startswith("a.") for name in names)
    assert names[0] != names[1]


def test_a_watch_tells_what_stands_and_what_changes(call: Client, created: Any) -> None:
    name = created["metadata"]["name"]
    connection = http.client.HTTPConnection("127.0.0.1", call.port, timeout=30)
    connection.request("GET", f"{REQUESTS}?watch=true")
    stream = connection.getresponse()
    events = (json.loads(line) for line in stream)
    mine = ((event["type"], event["object"]) for event in events if event["object"]["metadata"]["name"] == name)

    assert next(mine) == ("ADDED", created)
    stored = call.patch(name, [{"op": "add", "path": "/status", "value": {"b": 2}}])[1]
    assert next(mine) == ("MODIFIED", stored)
    connection.close()


def a_pool(name: str, **more: Any) -> dict[str, Any]:
    spec = {"gpu": "L40S", "stock": {"nodes": 1, "gpusPerNode": 8}, **more}
    return {"apiVersion": "placewright.dev/v1alpha1", "kind": "GPUPool", "metadata": {"name": name}, "spec": spec}


def test_cluster_wide_kinds_have_no_namespace(call: Client) -> None:
    pools = "/apis/placewright.dev/v1alpha1/gpupools"
    status, stored = call("POST", pools, a_pool("one"))
    assert (status, stored["metadata"].get("namespace")) == (201, None)
    assert stored["spec"]["billing"] == "PerGPU"
    assert call("GET", f"{pools}/one")[1] == stored
    assert call("PATCH", f"{pools}/one/status", [{"op": "add", "path": "/status", "value": {"a": 1}}], JSON_PATCH)[1][
        "status"
    ] == {"a": 1}

    status, told = call("POST", "/apis/placewright.dev/v1alpha1/namespaces/serving/gpupools", a_pool("two"))
    assert (status, told["message"]) == (400, "a GPUPool has no namespace")
    status, told = call("POST", f"/apis/{CRD.group}/{CRD.version}/{CRD.plural}", small_request("nowhere"))
    assert (status, told["message"]) == (400, "a PlacementRequest wants a namespace")
    assert call("POST", pools, a_pool("bad", pricePerGPUHour=-1))[0] == 422


def test_label_selectors_choose_in_lists_and_watches(server: ApiServer, call: Client) -> None:
    for name, labels in (("chosen", {"role": "serving", "layout": "a"}), ("other", {"role": "worker", "layout": "a"})):
        pod = {"kind": "Pod", "metadata": {"name": name, "labels": labels}}
        assert call("POST", "/api/v1/namespaces/labels/pods", pod)[0] == 201

    def names(selector: str) -> list[str]:
        listed = call("GET", f"/api/v1/namespaces/labels/pods?labelSelector={selector}")[1]["items"]
        return sorted(one["metadata"]["name"] for one in listed)

    assert names("layout") == ["chosen", "other"]
    assert names("layout,role%3Dserving") == ["chosen"]
    assert names("missing") == []
    assert call("GET", "/api/v1/pods?labelSelector=!layout")[0] == 400

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/v1/pods?watch=true&labelSelector=role%3Dserving")
    events = (json.loads(line) for line in connection.getresponse())
    assert next(events)["object"]["metadata"]["name"] == "chosen"
    for name, role in (("passed-over", "worker"), ("new", "serving")):
        pod = {"kind": "Pod", "metadata": {"name": name, "labels": {"role": role}}}
        call("POST", "/api/v1/namespaces/labels/pods", pod)
    assert next(events)["object"]["metadata"]["name"] == "new"
    connection.close()


def test_nodes_and_pods_are_stored_as_they_are(server: ApiServer) -> None:
    calls = Calls(server.port, CRDS)
    fleet = read_fleet(ROOT / "demo" / "fleet")
    for body in (*fleet.cluster, *fleet.added):
        calls.create(body)

    nodes, pods = calls.objects("Node"), calls.objects("Pod")
    assert sorted(nodes) == [("", "h100-0"), ("", "l40s-0"), ("", "l40s-1")]
    assert nodes["", "l40s-0"]["status"]["allocatable"] == {"nvidia.com/gpu": "8"}
    assert pods["research", "training"]["spec"]["nodeName"] == "l40s-0"
    with pytest.raises(DemoError, match="409 AlreadyExists: l40s-1 already exists"):
        calls.create(fleet.added[0])
    with pytest.raises(DemoError, match="Secret: this demo has no such kind"):
        calls.objects("Secret")


def test_a_kind_that_is_not_served_is_not_created(call: Client) -> None:
    assert call("POST", "/api/v1/namespaces/serving/secrets", {"metadata": {"name": "a"}})[0] == 404


def test_a_fleet_without_its_files_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"cluster\.yaml"):
        read_fleet(tmp_path)


# -------------------------------------------------------------------------------------------------------- tables


def test_defaults_go_into_what_is_there_and_into_each_other() -> None:
    schema = {
        "properties": {
            "outer": {"default": {}, "properties": {"inner": {"default": 3}}},
            "absent": {"properties": {"inner": {"default": 3}}},
            "items": {"items": {"properties": {"kind": {"default": "A"}}}},
        }
    }
    given = {"items": [{}, {"kind": "B"}]}

    assert with_defaults(schema, given) == {"outer": {"inner": 3}, "items": [{"kind": "A"}, {"kind": "B"}]}
    assert given == {"items": [{}, {"kind": "B"}]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".a.b", 1),
        (".a.none.b", None),
        ('.list[?(@.type=="X")].status', "yes"),
        ('.list[?(@.type=="Y")].status', None),
        ('.none[?(@.type=="X")].status', None),
    ],
)
def test_paths_of_printer_columns(path: str, value: Any) -> None:
    assert at_path({"a": {"b": 1}, "list": [{"type": "X", "status": "yes"}]}, path) == value


def test_a_path_of_another_form_is_refused() -> None:
    with pytest.raises(CrdError, match=r"'\.a\[0\]' from character 3"):
        at_path({"a": [1]}, ".a[0]")


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (40.0, "40"), (7.25, "7.25"), (3, "3"), ("x", "x")]
)
def test_cells_as_kubectl_prints_them(value: Any, text: str) -> None:
    assert cell(Column(name="C", type="string", path=".v"), {"v": value}, datetime.now(UTC)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (-1, "0s")])
def test_ages_as_kubectl_prints_them(seconds: int, text: str) -> None:
    then = datetime(2026, 11, 21, 10, tzinfo=UTC)
    column = Column(name="Age", type="date", path=".t")
    assert cell(column, {"t": "2026-11-21T10:00:00Z"}, then + timedelta(seconds=seconds)) == text


def test_all_columns_of_the_crd_can_be_read() -> None:
    rows = table(CRD, [{**small_request("one"), "metadata": {"name": "one", "namespace": "b"}}])
    assert rows[0][:4] == ["NAMESPACE", "NAME", "READY", "REASON"]
    assert rows[1] == ["b", "one", *[""] * (len(rows[0]) - 2)]


def test_without_namespaces_rows_begin_with_the_name() -> None:
    rows = table(CRD, [{**small_request("one"), "metadata": {"name": "one", "namespace": "b"}}], namespaces=False)
    assert [row[:2] for row in rows] == [["NAME", "READY"], ["one", ""]]
    assert table(CRDS["GPUPool"], [a_pool("a")])[1][0] == "a"


def test_no_crd_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "crd.yaml").write_text("spec: {}\n")
    with pytest.raises(CrdError, match=r"crd\.yaml: no CustomResourceDefinition"):
        read_crd(tmp_path / "crd.yaml")
    with pytest.raises(CrdError, match="FileNotFoundError"):
        read_crd(tmp_path / "none.yaml")


ROWS = [["NAMESPACE", "NAME", "TP", "GATES"], ["default", "a", "1", "AllPassed"], ["default", "bb", "", "NoGates"]]
# As kubectl aligns it: three spaces between, no cell under six.
WHOLE = "NAMESPACE   NAME   TP    GATES\ndefault     a      1     AllPassed\ndefault     bb           NoGates\n"
SPLIT = (
    "NAMESPACE   NAME   TP\ndefault     a      1\ndefault     bb\n\nNAME   GATES\na      AllPassed\nbb     NoGates\n"
)


@pytest.mark.parametrize(("width", "expected"), [(None, WHOLE), (34, WHOLE), (33, SPLIT), (24, SPLIT)])
def test_tables_are_kubectls_and_split_when_they_do_not_fit(width: int | None, expected: str) -> None:
    out = io.StringIO()
    Page(out, width=width).table(ROWS, key=1)
    assert out.getvalue() == expected


def test_waiting_lines_come_now_and_then() -> None:
    out, now = io.StringIO(), [0.0]
    page = Page(out, width=None, clock=lambda: now[0])
    for moment in (1.0, 2.9, 3.0, 4.0, 6.5):
        now[0] = moment
        page.waiting("still")
    assert out.getvalue() == "[  3.0 s] still\n[  6.5 s] still\n"
