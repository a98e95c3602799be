"""`--from-cluster`: the cluster is read once and only read; files lie over it; plans that are there count."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.support.kube_stub import OURS, kube_stub

Run = Callable[..., Result]
File = Callable[..., Path]
Make = Callable[..., Any]


def _stored(body: dict[str, Any], *, generation: int = 1, **more: Any) -> dict[str, Any]:
    """The object as the API server would hold it."""
    kept = {**body["metadata"], "uid": f"u-{body['metadata']['name']}", "generation": generation, **more}
    return {**body, "metadata": {"resourceVersion": "7", "managedFields": [{"manager": "kubectl"}], **kept}}


def _items(result: Result) -> dict[str, Any]:
    found = json.loads(result.stdout)
    return {item["metadata"]["name"]: item["status"] for item in found["items"]}


def test_everything_is_read_once_and_nothing_is_written(run: Run, chat: Make, tmp_path: Path) -> None:
    with kube_stub(tmp_path, {"placementrequests": [_stored(chat("a", namespace="serving"))]}) as stub:
        result = run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json")
    assert result.exit_code == 0, result.output
    assert _items(result)["a"]["plan"]["costPerHour"] == 1.2
    assert {method for method, _ in stub.calls} == {"GET"}
    assert len(stub.calls) == len(set(stub.calls)) == 7


def test_now_and_new_are_told_for_each_request(run: Run, chat: Make, tmp_path: Path) -> None:
    kept, cheaper, fresh = (chat(name, namespace="serving") for name in ("kept", "cheaper", "fresh"))
    with kube_stub(tmp_path, {"placementrequests": [kept]}) as stub:
        status = _items(run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json"))["kept"]
    old = json.loads(json.dumps(status))
    old["plan"] |= {"id": "p-old", "costPerHour": 4.8}
    old["plan"]["layouts"][0]["replicas"] = 4
    stored = [{**_stored(kept), "status": status}, {**_stored(cheaper), "status": old}, _stored(fresh)]
    with kube_stub(tmp_path, {"placementrequests": stored}) as stub:
        arguments = ["plan", "--from-cluster", "--kubeconfig", stub.kubeconfig]
        found = json.loads(run(*arguments, "-o", "json").stdout)
        text = run(*arguments).stdout
    assert {item["metadata"]["name"]: item["change"] for item in found["changes"]["items"]} == {
        "kept": "Same",
        "cheaper": "Moved",
        "fresh": "Placed",
    }
    assert found["changes"]["fleet"]["oldCostPerHour"] == 6.0
    assert found["changes"]["fleet"]["newCostPerHour"] == 3.6
    assert text.splitlines()[0] == "Now in the cluster, and what would be decided"
    (row,) = [line for line in text.splitlines() if line.strip().startswith("serving/cheaper  ")]
    assert "$4.80 -> $1.20 (-$3.60)" in row
    assert "4 x bf16 l40s TP1 -> 1 x bf16 l40s TP1" in row


def test_files_lie_over_the_cluster(run: Run, file: File, chat: Make, tmp_path: Path) -> None:
    pools = [{"name": "l40s", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 0.5}]
    over = file(chat("a", namespace="serving", pools=pools), chat("c", namespace="serving"))
    held = [_stored(chat(name, namespace="serving")) for name in ("a", "b")]
    with kube_stub(tmp_path, {"placementrequests": held}) as stub:
        result = run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-f", over, "-o", "json")
    costs = {name: status["plan"]["costPerHour"] for name, status in _items(result).items()}
    assert costs == {"a": 0.5, "b": 1.2, "c": 1.2}


def test_an_invalid_request_of_the_cluster_stops_no_other(run: Run, chat: Make, tmp_path: Path) -> None:
    bad = _stored(chat("bad", namespace="serving", model={"name": "nobody/knows"}))
    odd = _stored(chat("odd", namespace="serving", futureField=1))
    held = [bad, odd, _stored(chat("good", namespace="serving"))]
    with kube_stub(tmp_path, {"placementrequests": held}) as stub:
        result = run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json")
        text = run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig).stdout
    assert result.exit_code == 2
    found = _items(result)
    assert found["good"]["plan"]["costPerHour"] == 1.2
    reasons = {name: next(c["reason"] for c in found[name]["conditions"] if c["type"] == "Ready") for name in found}
    assert (reasons["bad"], reasons["odd"]) == ("UnsupportedModel", "InvalidSpec")
    assert "nobody/knows" in text
    assert "futureField" in text


def test_a_broken_pool_is_a_note(run: Run, chat: Make, gpu_pool: Make, tmp_path: Path) -> None:
    broken = _stored(gpu_pool("broken", stock={"nodes": "two", "gpusPerNode": 4}))
    objects = {"placementrequests": [_stored(chat("a", namespace="x"))], "gpupools": [broken]}
    with kube_stub(tmp_path, objects) as stub:
        result = run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json")
    assert result.exit_code == 0
    assert result.stderr.startswith("note: GPUPool broken is left out: spec.stock.nodes: got 'two'")


def test_pools_of_a_cluster_say_what_plans_take(run: Run, gpu_pool: Make, gpu_node: Make, tmp_path: Path) -> None:
    found = gpu_pool("a100", gpu=None, stock=None, nodeSelector={"matchLabels": {"pool": "a100"}})
    pod = {
        "metadata": {"name": "other", "namespace": "x"},
        "spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "3"}}}]},
        "status": {"phase": "Running"},
    }
    nodes = [gpu_node("n1"), gpu_node("n2"), gpu_node("n3", unschedulable=True)]
    with kube_stub(tmp_path, {"gpupools": [_stored(found)], "nodes": nodes, "pods": [pod]}) as stub:
        result = run("pools", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json")
    assert result.exit_code == 0, result.output
    (item,) = json.loads(result.stdout)["items"]
    status = item["status"]
    assert (status["nodes"], status["capacity"], status["heldByOthers"], status["allocated"]) == (2, 5, 3, 0)
    assert status["leftOut"] == [{"node": "n3", "reason": "Cordoned"}]
    assert status["price"] == {"perGPUHour": 1.2, "source": "Spec"}


# ----------------------------------------------------------------------------------------------------------- faults


def _line(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


def test_what_keeps_a_cluster_from_being_read_is_one_line(run: Run, chat: Make, tmp_path: Path) -> None:
    with kube_stub(tmp_path, {"placementrequests": [_stored(chat("a", namespace="x"))]}) as stub:
        arguments = ["plan", "--from-cluster", "--kubeconfig", stub.kubeconfig]
        stub.refused = {"/api/v1/nodes": 403}
        line = _line(run(*arguments))
        assert line.endswith("got GET /api/v1/nodes: 403 Forbidden no rights, wants the right to list it")
        stub.refused = {OURS: 404}
        assert "got no PlacementRequests, wants its definitions: placewright crds" in _line(run(*arguments))
        stub.refused = {f"{OURS}/gpupools": 404}
        assert run(*arguments).exit_code == 0
    assert f"wants an answer of {stub.url}" in _line(run(*arguments))
    assert "--kubeconfig: got none" in _line(run("plan", "--from-cluster", "--kubeconfig", "none"))


def test_options_of_the_cluster_want_it(run: Run, file: File, chat: Make) -> None:
    assert "--kubeconfig wants --from-cluster" in _line(run("plan", "-f", file(chat()), "--kubeconfig", "x"))
    assert "--context wants --from-cluster" in _line(run("pools", "-f", file(chat()), "--context", "x"))
    assert "got both --from-cluster and --config-dir" in _line(run("plan", "--from-cluster", "--config-dir", "x"))
    assert "got neither -f nor --from-cluster" in _line(run("pools"))
