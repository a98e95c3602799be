"""Where objects come from: folders at any depth, all kinds, --pools, and faults of Nodes, Pods and names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

Run = Callable[..., Result]
File = Callable[..., Path]
Make = Callable[..., Any]


def _faults(result: Result) -> list[str]:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return [line.removeprefix("error: ") for line in result.stderr.splitlines()]


def _names(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [item["metadata"]["name"] for item in json.loads(result.stdout)["items"]]


def test_folders_are_read_at_any_depth_but_not_hidden_ones(run: Run, file: File, chat: Make, tmp_path: Path) -> None:
    file(chat("top"), name="gitops/top.yaml")
    file(chat("deep"), name="gitops/team/model/deep.yml")
    file(chat("hidden"), name="gitops/.git/hidden.yaml")
    (tmp_path / "gitops/loop").symlink_to(tmp_path / "gitops")
    (tmp_path / "gitops/team/linked.yaml").symlink_to(file(chat("linked"), name="elsewhere.yaml"))
    assert _names(run("plan", "-f", tmp_path / "gitops", "-o", "json")) == ["top", "linked", "deep"]


def test_all_kinds_are_valid_together(run: Run, file: File, gpu_pool: Make, gpu_node: Make, member: Make) -> None:
    policy = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "default"},
        "spec": {"maxCostPerHour": 500},
    }
    path = file(gpu_pool(), policy, gpu_node("n1"), member("chat"))
    result = run("validate", "-f", path)
    assert (result.exit_code, result.stderr) == (0, "")
    told = [line.rpartition(": ")[2] for line in result.stdout.splitlines()]
    assert told == ["chat is valid", "GPUPool l40s is valid", "PlacementPolicy default is valid"]
    found = json.loads(run("validate", "-f", path, "-o", "json").stdout)
    assert found == {"valid": True, "requests": 1, "others": 2, "faults": []}


def test_lists_of_kubectl_are_read(run: Run, file: File, gpu_pool: Make, gpu_node: Make) -> None:
    bare = {key: value for key, value in gpu_node("n1", pool="p").items() if key not in ("apiVersion", "kind")}
    nodes = {"apiVersion": "v1", "kind": "NodeList", "items": [bare]}
    found = gpu_pool("p", gpu=None, stock=None, nodeSelector={"matchLabels": {"pool": "p"}})
    result = run("pools", "-f", file(found, nodes), "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["items"][0]["status"]["capacity"] == 4


def test_what_no_selector_takes_is_a_fault_that_lists_the_labels(
    run: Run, file: File, gpu_pool: Make, member: Make
) -> None:
    (line,) = _faults(run("plan", "-f", file(gpu_pool(tier="batch"), member("chat"))))
    assert "spec.poolSelector: got no GPUPool with tier=serving" in line
    assert "l40s (tier=batch)" in line


def test_one_name_twice_is_a_fault_for_each_kind(
    run: Run, file: File, gpu_pool: Make, gpu_node: Make, member: Make
) -> None:
    first = file(gpu_pool(), gpu_node("n1"), member("chat"), name="a.yaml")
    second = file(gpu_pool(), gpu_node("n1"), member("chat"), name="b.yaml")
    lines = _faults(run("plan", "-f", first, "-f", second))
    assert len(lines) == 3
    assert lines[0].endswith("wants each request once")
    assert f"got l40s, which {first}:" in lines[1]
    assert lines[2].endswith("wants each Node once")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"name": "node", "labels": {"count": 8}}}, "metadata.labels.count: got 8, wants text (quote it)"),
        ({"metadata": {}}, "metadata.name: got nothing, wants the name of the Node"),
        ({"metadata": None}, "metadata.name: got nothing, wants the name of the Node"),
        ({"status": {"allocatable": ["x"]}}, "status.allocatable: got ['x'], wants a mapping"),
        ({"status": {"conditions": [{"status": "True"}]}}, "status.conditions[0].type: got nothing, wants a value"),
        ({"spec": 3}, "spec: got 3, wants a mapping"),
    ],
)
def test_a_malformed_node_is_one_line(
    run: Run, file: File, gpu_pool: Make, gpu_node: Make, change: dict[str, Any], said: str
) -> None:
    (line,) = _faults(run("pools", "-f", file(gpu_pool(), {**gpu_node("node"), **change})))
    assert line.endswith(said)


def test_a_malformed_pod_is_one_line(run: Run, file: File, gpu_pool: Make) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": {"a": 1}}}
    (line,) = _faults(run("pools", "-f", file(gpu_pool(), pod)))
    assert line.endswith("spec.containers: got {'a': 1}, wants a list")


# --------------------------------------------------------------------------------------------------------- --pools


def test_pools_may_come_from_files_of_their_own(
    run: Run, file: File, gpu_pool: Make, gpu_node: Make, member: Make, tmp_path: Path
) -> None:
    found = gpu_pool("nodes", gpu=None, stock=None, nodeSelector={"matchLabels": {"pool": "x"}})
    file(found, name="inventory/pools.yaml")
    file(gpu_node("n1", pool="x"), name="inventory/nodes/n1.yaml")
    request = file(member("chat", rps=None), name="request.yaml")
    result = run("pareto", "-f", request, "--pools", tmp_path / "inventory", "-o", "json")
    assert _names(result) == ["chat"]
    assert json.loads(result.stdout)["items"][0]["status"]["frontier"][0]["summary"].endswith("nodes TP1 (32 layers)")


def test_lists_and_kinds_may_be_mixed_in_pools(
    run: Run, file: File, chat: Make, gpu_pool: Make, tmp_path: Path
) -> None:
    bare = tmp_path / "list.yaml"
    cheap = {"name": "cheap", "gpu": "L40S", "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": 0.7}
    bare.write_text(yaml.safe_dump([cheap]))
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"pools": [{**cheap, "name": "dear", "nodes": 0}]}))
    request = file(chat(pools=None))
    result = run("plan", "-f", request, "--pools", bare, "--pools", file(gpu_pool(), name="kinds.yaml"), "-o", "json")
    assert json.loads(result.stdout)["items"][0]["status"]["plan"]["pool"] == "cheap"
    (line,) = _faults(run("plan", "-f", request, "--pools", bare, "--pools", more))
    assert line.startswith(f"{more}: pools[0].nodes: got 0")


def test_requests_do_not_come_with_pools(run: Run, file: File, chat: Make) -> None:
    path = file(chat("a"), name="a.yaml")
    (line,) = _faults(run("plan", "-f", path, "--pools", file(chat("b"), name="b.yaml")))
    assert "got the PlacementRequest b, wants pools, policies, profiles, Nodes and Pods" in line


def test_only_pools_are_no_plan_and_only_requests_no_pools(run: Run, file: File, chat: Make, gpu_pool: Make) -> None:
    pools, request = file(gpu_pool(), name="pools.yaml"), file(chat(), name="request.yaml")
    (line,) = _faults(run("plan", "-f", pools))
    assert line == f"{pools}: got only other kinds: GPUPool (1), wants at least one PlacementRequest"
    (line,) = _faults(run("pools", "-f", request))
    assert line == f"{request}: got only other kinds: PlacementRequest (1), wants at least one GPUPool"


# ----------------------------------------------------------------------------------------------------------- pools


def test_pools_are_shown_with_price_source_and_what_is_left_out(
    run: Run, file: File, gpu_pool: Make, gpu_node: Make
) -> None:
    found = gpu_pool("nodes", gpu=None, stock=None, price=None, nodeSelector={"matchLabels": {"pool": "x"}})
    policy = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "prices"},
        "spec": {"prices": [{"gpu": "L40S", "pricePerGPUHour": 0.8, "asOf": "2020-01-01T00:00:00Z"}]},
    }
    path = file(found, gpu_pool("free", price=None, gpu="A10"), policy, gpu_node("n1", pool="x"))
    result = run("pools", "-f", path)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert rows["nodes"][:3] == ["nodes", "yes", "PriceOld"]
    assert rows["free"][:3] == ["free", "no", "NoPrice"]
    status = {item["metadata"]["name"]: item["status"] for item in _data(run("pools", "-f", path, "-o", "json"))}
    assert status["nodes"]["price"] == {
        "perGPUHour": 0.8,
        "source": "PolicyTable",
        "detail": "PlacementPolicy prices",
        "asOf": "2020-01-01T00:00:00Z",
    }
    assert (status["free"]["ready"], "price" in status["free"]) == (False, False)
    assert yaml.safe_load(run("pools", "-f", path, "-o", "yaml").stdout)["kind"] == "PoolReport"


def _data(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)["items"]
    return found
