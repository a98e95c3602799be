"""Files that are written from the types, and samples that say what to expect of them."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from placewright.api.acting import idle_rules
from placewright.api.convert import to_request
from placewright.api.crd import render_all
from placewright.api.kinds import KINDS
from placewright.api.outcome import to_status
from placewright.api.reference import render
from placewright.api.surroundings import selects
from placewright.api.validate import Found, refused, validate
from placewright.cli.root import cli
from placewright.core.decide import decide

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted((ROOT / "config" / "samples").glob("*.yaml"))
FLEET = sorted((ROOT / "config" / "samples" / "fleet").glob("*.yaml"))
LIVE = ROOT / "config" / "samples" / "live"
ACTING = ROOT / "config" / "samples" / "acting"
EXPECTED = re.compile(r"\b([A-Z][A-Za-z]+)=(True|False|Unknown) ([A-Z][A-Za-z]+)")


def comment_of(text: str) -> str:
    return " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))


def status_of(sample: Path) -> dict[str, Any]:
    found = validate(sample.read_text(encoding="utf-8"), file=sample.name)
    assert found.faults == ()
    (loaded,) = found.requests
    decision = decide(to_request(loaded.resource), clock=time.monotonic)
    return to_status(decision, generation=1, decided_at=datetime(2026, 11, 21, tzinfo=UTC), duration_seconds=1.0)


def test_the_crds_are_those_of_the_types() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "crds").glob("*.yaml")}

    assert written == render_all(), "run `make crds`"


def test_the_reference_page_is_that_of_the_types() -> None:
    assert (ROOT / "docs" / "api-reference.md").read_text(encoding="utf-8") == render(), "run `make docs`"


def test_the_fleet_of_the_samples_is_valid_and_holds_every_kind() -> None:
    found = [validate(path.read_text(encoding="utf-8"), file=path.name, catalog=False) for path in FLEET]
    profiles = [entry.resource for each in found for entry in each.profiles]

    assert [fault for each in found for fault in each.faults] == []
    objects: list[Found[Any]] = []
    for each in found:
        objects += each.requests
        objects += each.pools
        objects += each.policies
        objects += each.profiles
    assert {entry.resource.kind for entry in objects} == set(KINDS)
    assert [fault for entry in objects for fault in refused(entry, profiles)] == []


def test_the_requests_of_the_fleet_share_its_pools() -> None:
    found = [validate(path.read_text(encoding="utf-8"), file=path.name, catalog=False) for path in FLEET]
    labels = {entry.resource.metadata.name: entry.resource.metadata.labels for each in found for entry in each.pools}
    chosen = {
        entry.resource.metadata.name: {
            name for name, given in labels.items() if selects(entry.resource.spec.pool_selector, given or {})
        }
        for each in found
        for entry in each.requests
    }

    assert chosen == {
        "llama-70b-chat": {"l40s", "h100"},
        "llama-8b-assist": {"l40s", "h100"},
        "qwen-32b-batch": {"l40s"},
    }


def test_the_fleet_of_the_samples_ends_as_its_comment_says() -> None:
    done = CliRunner().invoke(cli, ["plan", "-f", str(FLEET[0].parent), "-o", "json"])
    assert done.exit_code == 0, done.output
    planned = json.loads(done.stdout)

    statuses = {item["metadata"]["name"]: item["status"] for item in planned["items"]}
    ready = {
        name: (entry["status"], entry["reason"])
        for name, status in statuses.items()
        for entry in status["conditions"]
        if entry["type"] == "Ready"
    }
    assert ready == dict.fromkeys(["llama-70b-chat", "llama-8b-assist", "qwen-32b-batch"], ("True", "PlanCurrent"))
    assert statuses["llama-8b-assist"]["solver"]["confidence"] == "Measured"
    assert 2 <= statuses["llama-8b-assist"]["plan"]["replicas"] <= 8
    pools = planned["fleet"]["pools"]
    assert pools.keys() == {"l40s", "h100"}
    assert sum(pool["used"] for pool in pools.values()) == sum(
        status["plan"]["totalGPUs"] for status in statuses.values()
    )


def test_the_live_samples_end_as_their_comments_say() -> None:
    """The demand of one is read live, and nobody has read it: that is told, and the other is planned all the same."""
    done = CliRunner().invoke(cli, ["plan", "-f", str(LIVE), "-o", "json"])
    assert done.exit_code == 2, done.output

    statuses = {item["metadata"]["name"]: item["status"] for item in json.loads(done.stdout)["items"]}
    told = {
        name: {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]}
        for name, status in statuses.items()
    }
    assert told["llama-70b-paid"] == {
        "Ready": ("False", "InputsStale"),
        "InputsFresh": ("False", "DemandUnavailable"),
    }
    assert "plan" not in statuses["llama-70b-paid"]
    assert (told["llama-8b-metered"]["Ready"], told["llama-8b-metered"]["GatesPassed"]) == (
        ("True", "PlanCurrent"),
        ("True", "AllPassed"),
    )
    gates = {gate["name"]: gate for gate in statuses["llama-8b-metered"]["gates"]}
    assert gates["CostToRevenueRatio"]["limit"] == 0.5


def test_a_live_sample_is_planned_by_the_demand_of_its_status(tmp_path: Path) -> None:
    (body, _) = yaml.safe_load_all((LIVE / "requests.yaml").read_text(encoding="utf-8"))
    one = {"name": "in-2048-out-0512", "inputTokens": 1500, "outputTokens": 400, "requestsPerSecond": 1.5}
    demand = {"asOf": "2026-11-21T10:00:00Z", "source": "preset vllm", "classes": [one]}
    body["status"] = {
        "demand": {**demand, "requestsPerSecond": 1.5, "tokensPerSecond": 2850},
        "inputs": {"hash": "", "catalogVersion": "", "revenuePerHour": 90, "revenueAsOf": "2026-11-21T10:00:00Z"},
    }
    stored = tmp_path / "stored.yaml"
    stored.write_text(yaml.safe_dump(body), encoding="utf-8")

    done = CliRunner().invoke(cli, ["plan", "-f", str(stored), "-o", "json"])

    assert done.exit_code == 0, done.output
    (item,) = json.loads(done.stdout)["items"]
    status = item["status"]
    assert status["plan"]["demandRequestsPerSecond"] == 1.5
    assert status["demand"] == body["status"]["demand"]
    assert (status["inputs"]["revenuePerHour"], status["inputs"]["demandAsOf"]) == (90, "2026-11-21T10:00:00Z")
    ratio = next(gate for gate in status["gates"] if gate["name"] == "CostToRevenueRatio")
    assert ratio["actual"] == pytest.approx(status["plan"]["costPerHour"] / 90, rel=1e-4)


def test_the_samples_of_acting_are_planned_and_say_all_that_matters() -> None:
    """Offline nothing runs: Ready waits for the rollout, and Planned says of the plan what their comments promise."""
    done = CliRunner().invoke(cli, ["plan", "-f", str(ACTING), "-o", "json"])
    assert done.exit_code == 0, done.output

    statuses = {item["metadata"]["name"]: item["status"] for item in json.loads(done.stdout)["items"]}
    for status in statuses.values():
        told = {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]}
        assert told["Ready"] == ("False", "RolloutPending")
        assert told["Planned"] == ("True", "PlanCurrent")
        assert told["Applied"] == ("False", "Progressing")
    assert statuses["qwen-72b-docs"]["plan"]["tensorParallel"] == 4
    found = [validate(path.read_text(encoding="utf-8"), file=path.name) for path in sorted(ACTING.glob("*.yaml"))]
    (policy,) = (entry.resource for each in found for entry in each.policies)
    requests = {entry.resource.metadata.name: entry.resource.spec for each in found for entry in each.requests}
    assert {name: idle_rules(spec, [policy]).policy for name, spec in requests.items()} == {
        "llama-8b-chat": "ScaleToZero",
        "qwen-72b-docs": "ScaleToFloor",
    }
    assert idle_rules(requests["qwen-72b-docs"], [policy]).gpu_utilization_below_percent == 20.0
    assert {spec.mode for spec in requests.values()} == {"Apply"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_ends_as_its_comment_says(sample: Path) -> None:
    text = sample.read_text(encoding="utf-8")
    expected = set(EXPECTED.findall(comment_of(text)))
    assert any(kind == "Ready" for kind, _, _ in expected), "the comment says nothing of Ready"

    conditions = {(entry["type"], entry["status"], entry["reason"]) for entry in status_of(sample)["conditions"]}

    assert expected <= conditions


def test_the_samples_show_every_outcome() -> None:
    reasons = {reason for path in SAMPLES for _, _, reason in EXPECTED.findall(comment_of(path.read_text()))}

    assert {"PlanCurrent", "GateBlocked", "Infeasible", "AllPassed", "NoGates", "CostPerTokenExceeded"} <= reasons


def test_samples_keep_what_else_their_comments_promise() -> None:
    samples = {path.stem: path for path in SAMPLES}

    assert status_of(samples["mixtral-h100"])["solver"]["confidence"] == "Lower"
    assert status_of(samples["qwen-72b-mixed-pools"])["plan"]["gpusByPool"].keys() == {"a100", "a10"}
    measured = status_of(samples["llama-8b-measured"])
    assert measured["solver"]["confidence"] == "Measured"
    assert (measured["plan"]["pool"], measured["plan"]["tensorParallel"]) == ("l40s", 1)
    assert "spec.gates.maxCostPerMillionTokens" in status_of(samples["llama-70b-too-dear"])["relaxation"]
    too_big = status_of(samples["llama-405b-too-big"])
    assert "GiB" in too_big["rejections"][0]["message"]
    assert too_big["relaxation"]
