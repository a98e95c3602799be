"""`--what-if`: the small grammar, what it changes, and faults that list what is possible."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from placewright.cli.faults import FaultsError
from placewright.cli.inputs import observe
from placewright.cli.reader import Reader
from placewright.cli.scene import Scene
from placewright.cli.what_if import WANTS, Change, apply, parse

Run = Callable[..., Result]
File = Callable[..., Path]
Make = Callable[..., Any]

_NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _scene(path: Path) -> Scene:
    reader = Reader()
    reader.read([str(path)])
    return reader.scene()


def _changed(scene: Scene, *texts: str) -> Scene:
    return apply(scene, parse(texts), lambda each: observe(each, now=_NOW))


def _fault(scene: Scene, text: str) -> str:
    with pytest.raises(FaultsError) as caught:
        _changed(scene, text)
    (line,) = caught.value.lines
    return line


# -------------------------------------------------------------------------------------------------------- grammar


@pytest.mark.parametrize(
    ("text", "kind", "name", "field", "sign", "number"),
    [
        ("pool l40s nodes+2", "pool", "l40s", "nodes", "+", 2.0),
        ("pool l40s nodes-1", "pool", "l40s", "nodes", "-", 1.0),
        ("  pool   l40s nodes = 6 ", "pool", "l40s", "nodes", "=", 6.0),
        ("price l40s=0.9", "price", "l40s", "", "=", 0.9),
        ("price l40s-spot-2 = 0.9", "price", "l40s-spot-2", "", "=", 0.9),
        ("price A100-80GB*1.2", "price", "A100-80GB", "", "*", 1.2),
        ("request serving/llama rps*2", "request", "serving/llama", "rps", "*", 2.0),
        ("request llama-3.1 rps=4.5", "request", "llama-3.1", "rps", "=", 4.5),
        ("request llama priority=10", "request", "llama", "priority", "=", 10.0),
    ],
)
def test_a_change_is_read(text: str, kind: str, name: str, field: str, sign: str, number: float) -> None:
    (change,) = parse([text])
    assert (change.kind, change.name, change.field) == (kind, name, field)
    assert (change.sign, change.number) == (sign, number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pool",
        "pool l40s",
        "pool l40s nodes",
        "pool l40s nodes*2",
        "pool l40s nodes+",
        "pool l40s nodes+two",
        "pool l40s gpus+2",
        "price l40s",
        "price l40s+1",
        "price l40s=-1",
        "price l40s=1e9",
        "price l40s=nan",
        "price =1",
        "node l40s+1",
        "request rps*2",
        "request a b rps*2",
        "pool l40s nodes+1; price l40s=1",
        "pool ../x nodes+1",
    ],
)
def test_what_is_no_change_lists_what_is_possible(text: str) -> None:
    with pytest.raises(FaultsError) as caught:
        parse([text])
    assert caught.value.lines == (f"--what-if: got {text!r}, wants {WANTS}",)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(FaultsError) as caught:
        parse(["x", "pool a nodes+0.5", "price a=0", "price a=1"])
    wrong, half, free = caught.value.lines
    assert wrong.startswith("--what-if: got 'x'")
    assert half == "--what-if: got 'pool a nodes+0.5', wants a whole number"
    assert free == "--what-if: got 'price a=0', wants a price above 0"


def test_signs_are_arithmetic() -> None:
    def after(sign: Any) -> float:
        return Change(text="", kind="price", name="", field="", sign=sign, number=2.0).of(6.0)

    assert [after(sign) for sign in "=+-*"] == [2.0, 8.0, 4.0, 12.0]


# ----------------------------------------------------------------------------------------------------- shared pools


def test_declared_stock_grows_and_shrinks(file: File, gpu_pool: Make) -> None:
    scene = _scene(file(gpu_pool(nodes=2)))

    def nodes(*texts: str) -> int:
        stock = _changed(scene, *texts).pools[0].spec.stock
        assert stock is not None
        return stock.nodes

    assert nodes("pool l40s nodes+2") == 4
    assert nodes("pool l40s nodes=6", "pool l40s nodes-1") == 5
    assert nodes("pool l40s nodes-2") == 0
    assert observe(_changed(scene, "pool l40s nodes-2"), now=_NOW)[0].capacity == 0
    assert _fault(scene, "pool l40s nodes-3") == (
        "--what-if 'pool l40s nodes-3': got -1 nodes (there are 2), wants 0 or more"
    )


def test_nodes_are_copied_and_the_freest_go_first(file: File, gpu_pool: Make, gpu_node: Make) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "other", "namespace": "x"},
        "spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": 3}}}]},
    }
    found = gpu_pool("a100", gpu=None, stock=None, nodeSelector={"matchLabels": {"pool": "a100"}})
    scene = _scene(file(found, gpu_node("n1"), gpu_node("n2"), gpu_node("n3", unschedulable=True), pod))

    def rooms(*texts: str) -> tuple[int, ...]:
        (seen,) = observe(_changed(scene, *texts), now=_NOW)
        assert seen.pool is not None
        return seen.pool.free_by_node

    assert rooms() == (4, 1)
    assert rooms("pool a100 nodes+2") == (4, 4, 4, 1)
    assert rooms("pool a100 nodes+1", "pool a100 nodes+1") == (4, 4, 4, 1)
    assert rooms("pool a100 nodes=1") == (1,)
    assert rooms("pool a100 nodes=0") == ()
    empty = _scene(file(found, name="empty.yaml"))
    assert _fault(empty, "pool a100 nodes+1") == (
        "--what-if 'pool a100 nodes+1': got a pool without a Node that could be copied,"
        " wants spec.stock in the GPUPool, or a Node"
    )


def test_a_price_is_that_of_a_pool_or_of_a_gpu_kind(file: File, gpu_pool: Make) -> None:
    scene = _scene(file(gpu_pool("a", price=1.0), gpu_pool("b", price=2.0), gpu_pool("c", price=None)))

    def prices(*texts: str) -> list[float | None]:
        return [pool.spec.price_per_gpu_hour for pool in _changed(scene, *texts).pools]

    assert prices("price b=0.5") == [1.0, 0.5, None]
    assert prices("price c=3", "price c*2") == [1.0, 2.0, 6.0]
    assert prices("price L40S=0.5") == [0.5, 0.5, 0.5]
    assert _fault(scene, "price c*2") == ("--what-if 'price c*2': got a pool without a price, wants 'price c=0.9'")
    assert _fault(scene, "price d=1") == ("--what-if 'price d=1': got no pool 'd', wants one of the pools a, b, c")


# --------------------------------------------------------------------------------------------------------- requests


def test_demand_and_priority_change(file: File, gpu_pool: Make, member: Make) -> None:
    sizes = [
        {"name": name, "inputTokens": 128, "outputTokens": 64, "requestsPerSecond": rate}
        for name, rate in (("small", 1.0), ("large", 3.0))
    ]
    documents = [gpu_pool(), member("one"), member("several", workload={"classes": sizes}), member("none", rps=None)]
    scene = _scene(file(*documents))

    def workload(name: str, *texts: str) -> Any:
        return next(each for each in _changed(scene, *texts).requests if each.key[1] == name).resource.spec.workload

    assert workload("one", "request one rps*2").requests_per_second == 4.0
    assert workload("one", "request serving/one rps+0.5").requests_per_second == 2.5
    assert workload("none", "request none rps=4").requests_per_second == 4.0
    several = workload("several", "request several rps*0.5").classes
    assert [each.requests_per_second for each in several] == [0.5, 1.5]
    assert _changed(scene, "request one priority=7").requests[0].resource.spec.priority == 7
    for text, said in (
        (
            "request several rps=4",
            "got a request with 2 classes, wants a factor for all of them: 'request several rps*2'",
        ),
        ("request none rps*2", "got a request without a demand, wants 'request none rps=4'"),
        ("request one rps-2", "got 0 requests/s (now 2), wants more than 0"),
        (
            "request two rps*2",
            "got no request 'two', wants one of the requests serving/none, serving/one, serving/several",
        ),
    ):
        assert _fault(scene, text) == f"--what-if {text!r}: {said}"


def test_a_name_in_two_namespaces_wants_its_namespace(file: File, chat: Make) -> None:
    scene = _scene(file(chat("a", namespace="one"), chat("a", namespace="two")))
    assert _fault(scene, "request a priority=1") == (
        "--what-if 'request a priority=1': got a name of one/a and two/a, wants NAMESPACE/NAME"
    )
    assert _changed(scene, "request two/a priority=1").requests[1].resource.spec.priority == 1


# ---------------------------------------------------------------------------------------------------------- command


def test_private_pools_are_changed_by_name_and_the_difference_is_shown(run: Run, file: File, chat: Make) -> None:
    path = file(chat("a"), chat("b"))
    result = run("plan", "-f", path, "--what-if", "price l40s=0.9", "--what-if", "pool l40s nodes+1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "With price l40s=0.9; pool l40s nodes+1"
    assert "$2.40 -> $1.80 (-$0.60) per hour in all, 25 % less: 2 changed" in lines[4]
    found = json.loads(run("plan", "-f", path, "--what-if", "price l40s=0.9", "-o", "json").stdout)
    assert found["fleet"]["costPerHour"] == 1.8
    assert found["whatIf"]["changes"] == ["price l40s=0.9"]
    assert (found["whatIf"]["fleet"]["oldCostPerHour"], found["whatIf"]["fleet"]["newCostPerHour"]) == (2.4, 1.8)
    result = run("plan", "-f", path, "--what-if", "pool l40s nodes-1")
    assert result.stderr == (
        "error: --what-if 'pool l40s nodes-1': got 0 nodes in spec.pools of a request, wants 1 or more\n"
    )


def test_a_folder_in_the_csv_format_has_options_of_its_own(run: Run, medium: Path) -> None:
    result = run("plan", "--config-dir", medium, "--what-if", "price A100=1")
    assert result.exit_code == 2
    assert "--what-if wants -f or --from-cluster; with --config-dir use --set" in result.stderr
