"""Fleets on the command line: requests that share pools, their summary, spills, refusals, ceilings, what plans keep."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from click.testing import Result

from tests.support.kube_stub import kube_stub

Run = Callable[..., Result]
File = Callable[..., Path]
Make = Callable[..., Any]


def _small(gpu_pool: Make, name: str, gpus: int, price: float, **more: Any) -> Any:
    """A pool with one node of a few GPUs."""
    return gpu_pool(name, price=price, stock={"nodes": 1, "gpusPerNode": gpus}, **more)


def _policy(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "default"},
        "spec": spec,
    }


def _list(result: Result, code: int = 0) -> dict[str, Any]:
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _pools_of(found: dict[str, Any]) -> dict[str, str]:
    plans = {item["metadata"]["name"]: item["status"].get("plan") for item in found["items"]}
    return {name: plan["pool"] if plan else "" for name, plan in plans.items()}


def _by_title(text: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.strip()}


def test_requests_that_share_a_pool_are_planned_together(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    objects = [_small(gpu_pool, "cheap", 1, 1.2), _small(gpu_pool, "dear", 1, 1.5)]
    path = file(*objects, member("first", priority=1), member("second"))
    found = _list(run("plan", "-f", path, "-o", "json"))
    assert _pools_of(found) == {"first": "cheap", "second": "dear"}
    fleet = found["fleet"]
    assert (fleet["costPerHour"], fleet["boundCostPerHour"], fleet["gapPercent"]) == (2.7, 2.7, 0.0)
    used = {name: (pool["capacity"], pool["used"]) for name, pool in fleet["pools"].items()}
    assert used == {"cheap": (1, 1), "dear": (1, 1)}
    text = run("plan", "-f", path).stdout
    rows = _by_title(text)
    assert rows["serving/second"].split()[7:9] == ["dear", "(spill)"]
    assert "2 of 2 requests approved, $2.70/h in all" in text
    assert "Optimal: proved, no plans for the same requests cost less (bound $2.70/h)" in text
    assert rows["cheap"] == "cheap L40S 1 1 0 $1.20 saves $0.30/h"


def test_the_same_fleet_has_the_same_plans_in_any_order(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    objects = [gpu_pool("a"), gpu_pool("b", price=1.5), member("one"), member("two", rps=9.0)]

    def ids(path: Path) -> dict[str, str]:
        items = _list(run("plan", "-f", path, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item["status"]["plan"]["id"] for item in items}

    assert ids(file(*objects, name="one.yaml")) == ids(file(*objects[::-1], name="other.yaml"))


def test_a_refused_request_says_what_it_needs(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    path = file(_small(gpu_pool, "l40s", 1, 1.2), member("first", priority=1), member("second"))
    found = _list(run("plan", "-f", path, "-o", "json"), code=4)
    assert (found["fleet"]["placed"], found["fleet"]["refused"]) == (1, 1)
    assert found["fleet"]["pools"]["l40s"]["oneMoreNode"]["places"] == ["serving/second"]
    text = run("plan", "-f", path).stdout
    assert _by_title(text)["serving/second"].startswith("serving/second Refused InsufficientStock: ")
    assert "feasible with 1 more node of l40s" in text
    assert "places serving/second" in text
    explained = run("explain", "-f", path)
    assert explained.exit_code == 4
    for said in (
        "serving/second: refused, stock or a ceiling is too short",
        "Infeasible: proved, what the others leave holds no plan for it",
        "takes none, full; others: serving/first 1",
        "takes 1 of 1 GPUs, full",
        "needs",
    ):
        assert said in explained.stdout


def test_many_refusals_are_cut_with_a_count(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    many = [member(f"m{number:02}", priority=number, replicas={"min": 3}) for number in range(24)]
    path = file(_small(gpu_pool, "l40s", 2, 1.2), *many)
    text = run("plan", "-f", path).stdout
    assert "and 4 more (-o wide shows all)" in text
    refused = [line.split()[0] for line in text.splitlines() if line.split()[1:2] == ["Refused"]][24:]
    assert (len(refused), refused[0]) == (20, "serving/m23")


def test_more_stock_by_what_if_places_it(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    path = file(_small(gpu_pool, "l40s", 1, 1.2), member("first", priority=1), member("second"))
    found = _list(run("plan", "-f", path, "--what-if", "pool l40s nodes+1", "-o", "json"))
    changes = {item["metadata"]["name"]: item["change"] for item in found["whatIf"]["items"]}
    assert changes == {"first": "Same", "second": "Placed"}
    assert found["whatIf"]["fleet"]["pools"]["l40s"] == {
        "oldUsed": 1,
        "newUsed": 2,
        "oldCapacity": 1,
        "newCapacity": 2,
    }


def test_a_ceiling_is_one_of_the_fleet(run: Run, file: File, chat: Make) -> None:
    path = file(chat("a"), chat("b", priority=1), _policy(namespaces=[{"name": "default", "maxCostPerHour": 2}]))
    found = _list(run("plan", "-f", path, "-o", "json"), code=4)
    assert _pools_of(found) == {"a": "", "b": "l40s"}
    assert "PlacementPolicy default allows $2/h" in run("plan", "-f", path).stdout


def test_a_policy_is_named_where_its_limit_holds(run: Run, file: File, chat: Make) -> None:
    path = file(chat("a", gates={"maxCostPerHour": 9}), _policy(gates={"maxCostPerHour": 0.5}))
    result = run("plan", "-f", path)
    assert result.exit_code == 3
    assert "cost per hour $1.20 of at most $0.50 (policy default): fail" in result.stdout


def test_classes_and_several_layouts_are_shown(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    rows = [
        {"gpu": gpu, "tensorParallel": 1, "pipelineParallel": 1, "precision": "bf16", "requestsPerSecond": rate}
        | {"inputTokens": size, "outputTokens": 64}
        for gpu, size, rate in (("A10", 128, 4.0), ("A100", 128, 6.0), ("A10", 4096, 0.2), ("A100", 4096, 2.0))
    ]
    sizes = [
        {"name": name, "inputTokens": size, "outputTokens": 64, "requestsPerSecond": rate}
        for name, size, rate in (("large", 4096, 2.0), ("small", 128, 8.0))
    ]
    request = member("mixed", workload={"classes": sizes}, performance={"measurements": rows})
    path = file(_small(gpu_pool, "a10", 8, 0.5, gpu="A10"), _small(gpu_pool, "a100", 8, 2.0, gpu="A100"), request)
    text = run("plan", "-f", path, "-o", "wide").stdout
    assert "replicas" in text
    table = [line.split() for line in text.splitlines() if "a10 TP1" in line or "a100 TP1" in line]
    assert any("small" in line for line in table)
    plan = _list(run("plan", "-f", path, "-o", "json"))["items"][0]["status"]["plan"]
    assert plan["costPerHour"] == 3.0
    assert {layout["stages"][0]["pool"]: layout["replicas"] for layout in plan["layouts"]} == {"a10": 2, "a100": 1}


def test_a_pool_without_a_price_is_told_and_is_the_reason(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    path = file(gpu_pool("free", price=None, tier="lab"), gpu_pool(), member("lost", tier="lab"), member("good"))
    result = run("plan", "-f", path, "-o", "json")
    found = _list(result, code=4)
    assert _pools_of(found) == {"lost": "", "good": "l40s"}
    assert result.stderr.startswith("note: pool free: NoPrice: give spec.pricePerGPUHour")
    assert "NoPrice" in {entry["code"] for entry in found["items"][0]["status"]["rejections"]}


def test_a_frontier_is_of_one_replica_on_all_of_its_pools(
    run: Run, file: File, gpu_pool: Make, member: Make, chat: Make
) -> None:
    shared = run("pareto", "-f", file(gpu_pool(), member("chat", rps=500.0)), "-o", "json")
    own = run(
        "pareto", "-f", file(chat(workload={"inputTokens": 1024, "outputTokens": 256}), name="x.yaml"), "-o", "json"
    )
    assert _list(shared)["items"][0]["status"]["frontier"] == _list(own)["items"][0]["status"]["frontier"]


def test_an_option_that_a_fleet_cannot_follow_is_a_fault(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    path = file(gpu_pool(), member("chat"))
    for arguments, said in (
        (["--method", "weighted"], "--method weighted: got serving/chat, which has shared pools, a demand or replicas"),
        (["--cost-weight", "0.5"], "wants objective CostPerToken or Cost"),
    ):
        result = run("plan", "-f", path, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr


# --------------------------------------------------------------------------------------------- plans that are there


def _planned(run: Run, path: Path) -> dict[str, Any]:
    (item,) = _list(run("plan", "-f", path, "-o", "json"))["items"]
    status: dict[str, Any] = item["status"]
    return status


def test_a_plan_of_a_file_counts_only_when_it_is_kept(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    dear = file(_small(gpu_pool, "dear", 1, 1.25), member("chat"), name="dear.yaml")
    stored = {**member("chat"), "status": _planned(run, dear)}
    both = file(_small(gpu_pool, "dear", 1, 1.25), _small(gpu_pool, "cheap", 1, 1.2), stored, name="both.yaml")
    assert _pools_of(_list(run("plan", "-f", both, "-o", "json"))) == {"chat": "cheap"}
    assert _pools_of(_list(run("plan", "-f", both, "--keep-present", "-o", "json"))) == {"chat": "dear"}


def test_a_plan_of_a_file_that_gates_block_stays_when_plans_are_kept(
    run: Run, file: File, gpu_pool: Make, member: Make
) -> None:
    """With a shared pool, and for a request that is planned alone."""
    shared = [_small(gpu_pool, "cards", 1, 1.2), member("chat")]
    alone = [_alone(member("chat"))]
    for objects in (shared, alone):
        *around, request = objects
        stored = {**request, "status": _planned(run, file(*objects, name="before.yaml"))}
        stored["spec"] = {**stored["spec"], "gates": {"maxCostPerHour": 0.5}}
        path = file(*around, stored, name="after.yaml")
        (item,) = _list(run("plan", "-f", path, "--keep-present", "-o", "json"), code=3)["items"]
        status = item["status"]
        assert (status["plan"]["state"], status["plan"]["costPerHour"]) == ("Approved", 1.2)
        assert [gate["result"] for gate in status["blocked"]["gates"]] == ["Fail"]
        text = run("plan", "-f", path, "--keep-present").stdout
        assert "stays, as gates block all others" in text
        (blocked,) = _list(run("plan", "-f", path, "-o", "json"), code=3)["items"]
        assert blocked["status"]["plan"]["state"] == "Blocked"


def _alone(request: Any) -> Any:
    spec = {name: value for name, value in request["spec"].items() if name not in {"poolSelector", "priority"}}
    spec["pools"] = [{"name": "own", "gpu": "L40S", "nodes": 1, "gpusPerNode": 1, "pricePerGPUHour": 1.2}]
    return {**request, "spec": spec}


def test_the_cluster_moves_only_what_is_worth_it_and_says_why(
    run: Run, file: File, gpu_pool: Make, member: Make, tmp_path: Path
) -> None:
    old = _planned(run, file(_small(gpu_pool, "dear", 1, 2.4), member("chat"), name="dear.yaml"))
    old["plan"]["decidedAt"] = datetime(2026, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    pools = [_small(gpu_pool, "dear", 1, 2.4), _small(gpu_pool, "cheap", 1, 1.2)]
    objects = {"placementrequests": [{**member("chat"), "status": old}], "gpupools": pools}
    with kube_stub(tmp_path, objects) as stub:
        arguments = ["plan", "--from-cluster", "--kubeconfig", stub.kubeconfig]
        found = _list(run(*arguments, "-o", "json"))
        text = run(*arguments).stdout
    (change,) = found["changes"]["items"]
    assert (change["change"], change["costChangePerHour"]) == ("Moved", -1.2)
    assert change["old"]["layout"].endswith("dear TP1")
    assert "$2.40 -> $1.20 (-$1.20)" in text
    assert "Cheaper" in text


def test_a_suspended_request_keeps_its_gpus_in_the_cluster(
    run: Run, file: File, gpu_pool: Make, member: Make, tmp_path: Path
) -> None:
    pool = _small(gpu_pool, "l40s", 1, 1.2)
    status = _planned(run, file(pool, member("kept")))
    objects = {
        "placementrequests": [{**member("kept", suspend=True), "status": status}, member("new")],
        "gpupools": [pool],
    }
    with kube_stub(tmp_path, objects) as stub:
        found = _list(run("plan", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "json"), code=4)
        pools = yaml.safe_load(run("pools", "--from-cluster", "--kubeconfig", stub.kubeconfig, "-o", "yaml").stdout)
    assert _pools_of(found) == {"kept": "l40s", "new": ""}
    assert pools["items"][0]["status"]["allocations"] == [{"request": "serving/kept", "gpus": 1}]


def test_diff_compares_fleets(run: Run, file: File, gpu_pool: Make, member: Make) -> None:
    old = file(_small(gpu_pool, "cheap", 1, 1.2), member("a", priority=1), name="old.yaml")
    new = file(
        _small(gpu_pool, "cheap", 1, 1.2),
        _small(gpu_pool, "dear", 1, 1.5),
        member("a"),
        member("b", priority=1),
        name="new.yaml",
    )
    found = _list(run("diff", "-f", new, "--base", old, "-o", "json"))
    assert {item["metadata"]["name"]: item["change"] for item in found["items"]} == {"a": "Moved", "b": "Added"}
    assert found["fleet"]["pools"]["dear"] == {"oldUsed": 0, "newUsed": 1, "newCapacity": 1}
    comment = run("diff", "-f", new, "--base", old, "--comment", "markdown").stdout
    assert "| `dear` | 0 -\\> 1 | - -\\> 1 |" in comment
