"""The plan of a decision and the same plan in a status are rendered alike; a spoiled status is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from placewright.api.convert import to_request
from placewright.api.outcome import to_status
from placewright.api.parse import parse
from placewright.core.decide import decide
from placewright.core.model import Request
from placewright.kube.manifests import RenderRefusedError, of_decision, of_status, render, sites_of
from tests.support.renders import SETTINGS

ROW = {
    "gpu": "L40S",
    "tensorParallel": 2,
    "pipelineParallel": 3,
    "precision": "bf16",
    "inputTokens": 1024,
    "outputTokens": 256,
    "concurrency": 32,
    "requestsPerSecond": 4,
}


def asked(**spec: Any) -> Request:
    fields = {
        "model": {"name": "Llama-3.1-8B-Instruct"},
        "workload": {"inputTokens": 1024, "outputTokens": 256},
        "pools": [{"name": "l40s", "gpu": "L40S", "nodes": 3, "gpusPerNode": 2, "pricePerGPUHour": 1.2}],
        "performance": {"measurements": [ROW]},
        **spec,
    }
    body = {
        "apiVersion": "placewright.dev/v1alpha1",
        "kind": "PlacementRequest",
        "metadata": {"name": "chat", "namespace": "serving"},
        "spec": fields,
    }
    return to_request(parse(body))


def status_of(request: Request) -> dict[str, Any]:
    decision = decide(request, clock=lambda: 0.0)
    decided_at = datetime(2026, 11, 21, 10, tzinfo=UTC)
    status = to_status(decision, generation=1, decided_at=decided_at, duration_seconds=0.1)
    plan: dict[str, Any] = status["plan"]
    return plan


def test_both_ways_give_the_same_objects() -> None:
    request = asked()
    plan = decide(request, clock=lambda: 0.0).plan
    assert plan is not None
    sites = sites_of(request, ())
    objects = render(of_decision(request, plan, sites), SETTINGS)
    assert [each["kind"] for each in objects] == ["LeaderWorkerSet", "Service"]
    assert render(of_status(request, status_of(request), sites), SETTINGS) == objects


def test_a_blocked_plan_of_a_status_is_refused() -> None:
    request = asked(gates={"maxCostPerHour": 0.5})
    plan = status_of(request)
    assert plan["state"] == "Blocked"
    with pytest.raises(RenderRefusedError, match="blocked by a gate"):
        render(of_status(request, plan, sites_of(request, ())), SETTINGS)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda plan: plan.pop("id"), "status.plan.id"),
        (lambda plan: plan["layouts"][0].update(replicas="many"), "status.plan.layouts.0.replicas"),
        (lambda plan: plan["layouts"][0]["stages"][0].pop("tensorParallel"), "layouts.0.stages.0.tensorParallel"),
        (lambda plan: plan.update(state="Maybe"), "status.plan.state"),
        (lambda plan: plan.update(layouts=[]), "status.plan.layouts"),
        (lambda plan: plan["layouts"][0].update(stages=[]), "status.plan.layouts"),
        (lambda plan: plan["layouts"][0].update(replicas=0), "status.plan.layouts"),
    ],
)
def test_a_spoiled_status_is_refused(spoil: Any, where: str) -> None:
    request = asked()
    plan = status_of(request)
    spoil(plan)
    with pytest.raises(RenderRefusedError) as refused:
        of_status(request, plan, sites_of(request, ()))
    assert where in refused.value.fault
    assert "plan the request anew" in refused.value.change


def test_a_status_that_is_no_plan_is_refused() -> None:
    with pytest.raises(RenderRefusedError, match=r"status\.plan is not as Placewright writes it"):
        of_status(asked(), "p-1", {})  # type: ignore[arg-type]  # what somebody else may have written


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("our-team/our-model", "our-team/our-model"),
    ],
)
def test_what_is_loaded_is_the_models_repository(name: str, repository: str) -> None:
    request = asked(model={"name": name})
    plan = decide(request, clock=lambda: 0.0).plan
    assert plan is not None
    group = render(of_decision(request, plan, sites_of(request, ())), SETTINGS)[0]
    leader = group["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]
    assert leader["args"][0] == repository
    assert f"--served-model-name={name}" in leader["args"]
