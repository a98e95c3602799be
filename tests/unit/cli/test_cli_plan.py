"""`plan`: the acceptance results, the forms of output, where requests come from, and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import Result

from placewright.cli.options import Seconds
from placewright.core.model import Method

Run = Callable[..., Result]
File = Callable[..., Path]
Chat = Callable[..., dict[str, Any]]

_LIMITS = "A100=8,L20=4,A10=4,V100=4,T4=4"


def _status(result: Result) -> dict[str, Any]:
    """The status of the only item of a list."""
    (item,) = json.loads(result.stdout)["items"]
    status: dict[str, Any] = item["status"]
    return status


# ------------------------------------------------------------------------------------------------- acceptance


def test_the_reference_result_with_quantized_sizes(run: Run, medium: Path) -> None:
    result = run("plan", "--config-dir", medium, "--max-tp", _LIMITS, "-o", "json")
    assert result.exit_code == 0
    status = _status(result)
    plan = status["plan"]
    assert plan["costPerMillionTokens"] == 0.103563
    assert plan["costPerHour"] == 8.0
    assert plan["tokensPerSecond"] == 21457.7
    assert status["solver"]["status"] == "Optimal"
    assert status["solver"]["gapPercent"] == 0
    (layout,) = plan["layouts"]
    assert layout["stages"] == [
        {
            "pool": "A100",
            "gpu": "A100",
            "tensorParallel": 1,
            "firstLayer": first,
            "lastLayer": first + 4,
            "gpus": 1,
        }
        for first in range(0, 40, 5)
    ]


def test_the_reference_result_with_all_sizes(run: Run, medium: Path) -> None:
    result = run("plan", "--config-dir", medium, "--set", "enable_segment_quantization=false", "-o", "json")
    status = _status(result)
    assert status["plan"]["costPerMillionTokens"] == 0.0986975
    assert status["plan"]["costPerHour"] == 3.6
    assert status["plan"]["tokensPerSecond"] == 10132.0
    assert status["solver"]["status"] == "Optimal"
    assert status["plan"]["gpusByPool"] == {"V100": 12}


@pytest.mark.parametrize("method", ["enumeration", "iterative", "weighted"])
def test_the_other_methods_tell_their_distance(run: Run, medium: Path, method: str) -> None:
    result = run("plan", "--config-dir", medium, "--max-tp", _LIMITS, "--method", method, "-o", "json")
    assert result.exit_code == 0
    status = _status(result)
    solver, price = status["solver"], status["plan"]["costPerMillionTokens"]
    assert solver["method"] == method.capitalize()
    assert solver["distanceToExactPercent"] == pytest.approx((price / 0.103563 - 1) * 100, abs=1e-3)
    assert solver["trials"]
    text = run("plan", "--config-dir", medium, "--max-tp", _LIMITS, "--method", method).stdout
    assert f"method      {method}, " in text
    assert "  distance " in text
    assert "Budgets tried" in text


def test_a_bad_set_of_budgets_is_honest_about_what_it_costs(run: Run, medium: Path) -> None:
    result = run("plan", "--config-dir", medium, "--method", "enumeration", "--budgets", "4.5,3", "-o", "json")
    solver = _status(result)["solver"]
    assert solver["status"] == "Feasible"
    assert [trial["budgetPerHour"] for trial in solver["trials"]] == [3.0, 4.5]
    assert solver["distanceToExactPercent"] > 1
    text = run("plan", "--config-dir", medium, "--method", "enumeration", "--budgets", "4.5,3").stdout
    assert "worse than exact" in text
    assert "Feasible: at most" in text


def test_an_unreachable_target_says_the_best_possible_price(run: Run, medium: Path) -> None:
    arguments = ["plan", "--config-dir", medium, "--method", "enumeration", "--target-cost", "0.05"]
    result = run(*arguments)
    assert "no plan reaches the target of $0.05/M tokens" in result.stdout
    assert "the best possible price is $0.103563/M" in result.stdout
    assert "the stock binds" in result.stdout
    assert "none can reach the target price; 12 budgets saved" in result.stdout


def test_a_reachable_target_gives_a_range_and_saves_budgets(run: Run, medium: Path) -> None:
    arguments = ["plan", "--config-dir", medium, "--method", "enumeration", "--target-cost", "0.104"]
    solver = _status(run(*arguments, "--budgets", "1,2,8,40,80", "-o", "json"))["solver"]
    low, high = solver["competitiveRangePerHour"]
    assert low <= 8.0 <= high < 40.0
    assert solver["budgetsSaved"] == 3
    assert "saved" in run(*arguments).stdout


def test_least_cost_at_a_throughput(run: Run, medium: Path) -> None:
    plan = _status(run("plan", "--config-dir", medium, "--min-throughput", "12000", "-o", "json"))["plan"]
    assert (plan["costPerHour"], plan["tokensPerSecond"]) == (5.6, 14184.8)
    assert plan["costPerMillionTokens"] == 0.109664


def test_weight_zero_is_throughput_alone(run: Run, medium: Path) -> None:
    fastest = _status(run("plan", "--config-dir", medium, "--cost-weight", "0", "-o", "json"))["plan"]
    cheapest = _status(run("plan", "--config-dir", medium, "--cost-weight", "1", "-o", "json"))["plan"]
    assert fastest["tokensPerSecond"] > cheapest["tokensPerSecond"]
    assert fastest["costPerHour"] > cheapest["costPerHour"]


def test_infeasible_exits_with_4_a_reason_and_a_relaxation_that_helps(run: Run, medium: Path) -> None:
    arguments = ["plan", "--config-dir", medium, "-o", "json"]
    result = run(*arguments, "--min-throughput", "50000")
    assert result.exit_code == 4
    status = _status(result)
    assert "plan" not in status
    assert status["solver"]["status"] == "Infeasible"
    assert "ThroughputShort" in {entry["code"] for entry in status["rejections"]}
    assert "--min-throughput" in status["relaxation"]
    needed = status["relaxation"].partition(" from 50000 to ")[2].split()[0]
    assert run(*arguments, "--min-throughput", needed).exit_code == 0


def test_a_blocked_plan_exits_with_3_and_says_by_how_much(run: Run, medium: Path) -> None:
    arguments = ["plan", "--config-dir", medium, "--set", "max_cost_per_million_token=0.1"]
    result = run(*arguments)
    assert result.exit_code == 3
    assert "medium: blocked, plan p-" in result.stdout
    assert "cost per million tokens $0.103563 of at most $0.10: fail, 3.56 % too much" in result.stdout
    assert "change " in result.stdout


def test_money_never_has_an_exponent(run: Run, medium: Path) -> None:
    for arguments in (["-o", "wide"], ["--method", "enumeration"]):
        text = run("plan", "--config-dir", medium, *arguments).stdout
        assert "e-0" not in text
        assert "$0.103563/M tokens, $8.00/h" in text


# ---------------------------------------------------------------------------------------------------- outputs


def test_the_list_has_the_shape_of_the_contract(run: Run, medium: Path) -> None:
    found = json.loads(run("plan", "--config-dir", medium, "-o", "json").stdout)
    assert list(found) == ["apiVersion", "kind", "items", "fleet"]
    assert (found["apiVersion"], found["kind"]) == ("placewright.dev/v1alpha1", "PlacementPlanList")
    assert found["items"][0]["metadata"] == {"name": "medium", "namespace": ""}
    fleet = found["fleet"]
    assert (fleet["costPerHour"], fleet["boundCostPerHour"], fleet["gapPercent"]) == (8.0, 8.0, 0.0)
    assert fleet["pools"]["A100"] == {"capacity": 8, "used": 8}
    assert fleet["pools"]["T4"] == {"capacity": 20, "used": 0}


def test_yaml_and_json_hold_the_same(run: Run, medium: Path) -> None:
    def lasting(text: str) -> Any:
        found = yaml.safe_load(text)
        status = found["items"][0]["status"]
        del status["solver"]["durationSeconds"], status["conditions"], status["plan"]["decidedAt"], status["history"]
        return found

    as_json = run("plan", "--config-dir", medium, "-o", "json").stdout
    assert lasting(run("plan", "--config-dir", medium, "-o", "yaml").stdout) == lasting(as_json)


def test_the_same_input_gives_the_same_plan_whatever_its_order(run: Run, file: File, chat: Chat) -> None:
    pools = [
        {"name": name, "gpu": gpu, "nodes": 1, "gpusPerNode": 4, "pricePerGPUHour": price}
        for name, gpu, price in (("a", "L40S", 1.2), ("b", "A100-80GB", 1.9))
    ]
    one = run("plan", "-f", file(chat(pools=pools), name="one.yaml"), "-o", "json")
    other = run("plan", "-f", file(chat(pools=pools[::-1]), name="other.yaml"), "-o", "json")
    assert _status(one)["plan"]["id"] == _status(other)["plan"]["id"]
    assert _status(one)["inputs"] == _status(other)["inputs"]


def test_narrow_columns_are_kept(run: Run, medium: Path) -> None:
    for width in (40, 60, 80, 120):
        text = run("plan", "--config-dir", medium, "-o", "wide", env={"COLUMNS": str(width)}).stdout
        assert max(map(len, text.splitlines())) <= width
    assert max(map(len, run("plan", "--config-dir", medium).stdout.splitlines())) > 120


def test_plain_text_has_no_control_characters(run: Run, medium: Path) -> None:
    for form in ("table", "wide"):
        text = run("plan", "--config-dir", medium, "-o", form, env={"FORCE_COLOR": "1", "TERM": "xterm"}).stdout
        assert "\x1b" not in text
        assert text.isascii()


# ----------------------------------------------------------------------------------------------------- sources


def test_several_documents_and_kinds_of_a_folder(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    file(chat("one"), deployment, chat("two", namespace="serving"), name="gitops/a.yaml")
    file(deployment, name="gitops/b.yml")
    (tmp_path / "gitops/c.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [chat("three")]}))
    (tmp_path / "gitops/kustomization.txt").write_text("not read")
    result = run("plan", "-f", tmp_path / "gitops", "-o", "json")
    assert result.exit_code == 0
    names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in json.loads(result.stdout)["items"]]
    assert names == [("default", "one"), ("serving", "two"), ("default", "three")]
    assert result.stderr == "note: skipped other kinds: Deployment (2)\n"


def test_standard_input_and_a_namespace(run: Run, chat: Chat) -> None:
    text = yaml.safe_dump_all([chat("one"), chat("two", namespace="serving")])
    result = run("plan", "-f", "-", "-n", "team", "-o", "json", stdin=text)
    names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in json.loads(result.stdout)["items"]]
    assert names == [("team", "one"), ("serving", "two")]


def test_pools_are_for_requests_without_their_own(run: Run, file: File, chat: Chat, tmp_path: Path) -> None:
    requests = file(chat("own"), chat("none", pools=None))
    pools = [{"name": "cheap", "gpu": "A100-80GB", "nodes": 1, "gpusPerNode": 8, "pricePerGPUHour": 0.9}]
    used = {}
    for number, content in enumerate((pools, {"pools": pools})):
        path = tmp_path / f"pools-{number}.yaml"
        path.write_text(yaml.safe_dump(content))
        result = run("plan", "-f", requests, "--pools", path, "-o", "json")
        assert result.exit_code == 0
        assert result.stderr == ""
        used = {item["metadata"]["name"]: item["status"]["plan"]["pool"] for item in json.loads(result.stdout)["items"]}
        assert used == {"own": "l40s", "none": "cheap"}
    note = run("plan", "-f", file(chat()), "--pools", path).stderr
    assert note == f"note: --pools {path} has no effect: every request has pools of its own\n"


def test_several_requests_get_an_overview_and_the_worst_code(run: Run, file: File, chat: Chat) -> None:
    good = chat("good")
    blocked = chat("blocked", gates={"maxCostPerHour": 0.5})
    infeasible = chat("infeasible", slo={"tpot": "10us".replace("us", "ms"), "ttft": "1ms"})
    result = run("plan", "-f", file(good, blocked))
    assert result.exit_code == 3
    assert result.stdout.splitlines()[0].split()[:3] == ["NAME", "STATE", "PREC"]
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:3]] == [
        ["default/good", "Approved"],
        ["default/blocked", "Blocked"],
    ]
    assert run("plan", "-f", file(good, blocked, infeasible)).exit_code == 4
    assert run("plan", "-f", file(good)).exit_code == 0


def test_a_suspended_request_keeps_its_plan(run: Run, file: File, chat: Chat) -> None:
    planned = _status(run("plan", "-f", file(chat()), "-o", "json"))
    suspended = {**chat(suspend=True), "status": planned}
    result = run("plan", "-f", file(suspended), "-o", "json")
    assert result.exit_code == 0
    status = _status(result)
    assert status["plan"] == planned["plan"]
    ready = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
    assert ready["reason"] == "Suspended"
    assert "suspended, the operator keeps the last plan" in run("plan", "-f", file(suspended)).stdout


def test_options_change_the_search_of_requests_in_files(run: Run, file: File, chat: Chat) -> None:
    path = file(chat())
    solver = _status(run("plan", "-f", path, "--method", "ITERATIVE", "--time-limit", "1m", "-o", "json"))["solver"]
    assert solver["method"] == Method.ITERATIVE
    plain = _status(run("plan", "-f", path, "-o", "json"))
    limited = _status(run("plan", "-f", path, "--time-limit", "20s", "-o", "json"))
    assert plain["plan"]["id"] == limited["plan"]["id"]
    assert plain["inputs"]["hash"] != limited["inputs"]["hash"]


def test_the_price_of_the_catalog_is_noted(run: Run, tiny: Path) -> None:
    result = run("plan", "--config-dir", tiny)
    assert result.exit_code == 0
    assert result.stderr.startswith("note: ")
    assert "from the catalog" in result.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("20", 20.0), ("0.5", 0.5), ("1m30s", 90.0), ("500ms", 0.5), ("2h", 7200.0), ("1.5m", 90.0)]
)
def test_durations_are_those_of_the_api_and_bare_seconds(text: str, seconds: float) -> None:
    assert Seconds().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 m", "1h 30m", "-5", "5d", "1e3", "inf", "0s", "5m3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="wants a duration"):
        Seconds().convert(text, None, None)


def test_a_status_keeps_what_runs_and_ready_waits_for_it(run: Run, file: File, chat: Chat) -> None:
    """As the operator would write it: what the work on workloads says is not lost by a new plan."""
    request = chat("chat", namespace="serving", mode="Apply", render={"image": "registry.example/vllm:1"})
    (first,) = json.loads(run("plan", "-f", file(request), "-o", "json").stdout)["items"]
    by_type = {each["type"]: each for each in first["status"]["conditions"]}
    assert (by_type["Ready"]["reason"], by_type["Planned"]["status"]) == ("RolloutPending", "True")

    plan_id = first["status"]["plan"]["id"]
    rollout = {"planId": plan_id, "phase": "RolledOut", "reason": "RolledOut", "message": "all is Ready"}
    idle = {"state": "Active", "reason": "TrafficSeen", "message": "requests were finished"}
    done = {"type": "Applied", "status": "True", "reason": "RolledOut", "message": "all is Ready"}
    applied = {**done, "observedGeneration": 1, "lastTransitionTime": "2026-11-21T10:00:00Z"}
    conditions = [*(each for each in first["status"]["conditions"] if each["type"] != "Applied"), applied]
    status = {**first["status"], "rollout": rollout, "idle": idle, "conditions": conditions}
    (again,) = json.loads(run("plan", "-f", file({**request, "status": status}), "-o", "json").stdout)["items"]
    by_type = {each["type"]: each for each in again["status"]["conditions"]}
    assert (again["status"]["rollout"], again["status"]["idle"]) == (rollout, idle)
    assert (by_type["Ready"]["status"], by_type["Ready"]["reason"]) == ("True", "PlanCurrent")
