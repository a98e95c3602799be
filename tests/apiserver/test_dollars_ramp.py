"""Ramps on the real API server with a real Prometheus: they stop where it does not pay, go back, and survive a kill."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from placewright.api import annotations
from tests.controlplane.server import ControlPlane
from tests.support.dollars import Market, earning, market, soon, spec
from tests.support.operator_process import OperatorProcess

STEPS = {"stepsPercent": [10, 50, 100], "holdFor": "1s"}
RATIOS = {"maxCostToRevenueRatioByStep": [0.8, 0.5, 0.3]}


@pytest.fixture
def place(control_plane: ControlPlane, crds: list[Path], prometheus: Path, tmp_path: Path) -> Iterator[Market]:
    assert crds
    with market(control_plane, tmp_path, prometheus) as made:
        yield made


def annotate(place: Market, name: str, **given: str | None) -> None:
    names = {
        "pause": annotations.RAMP,
        "promote": annotations.RAMP_PROMOTE,
        "rollback": annotations.RAMP_ROLLBACK,
        "to": annotations.ROLLBACK_TO,
        "actor": annotations.ACTOR,
    }
    place.placements.patch(name, {}, annotations={names[key]: text for key, text in given.items()})


def kinds(place: Market, kind: str) -> list[str]:
    return [str(line.get("reason")) for line in place.records() if line["kind"] == kind]


def steps(place: Market) -> list[int]:
    """Of the ramp, as the journal has them: a record comes a moment after its status."""
    return [int(line["details"]["step"]) for line in place.records() if line["kind"] == "RampStep"]


def completed(place: Market, operator: OperatorProcess, name: str = "chat") -> str:
    soon(operator, lambda: place.ramp(name).get("phase") == "Completed", "the ramp to complete")
    return str(place.status(name)["plan"]["id"])


def test_a_ramp_stops_at_the_step_that_does_not_pay_and_goes_on_when_it_does(place: Market) -> None:
    place.earn(100.0)
    place.placements.create("chat", spec(4.0, gates=earning(10.0), ramp={**STEPS, **RATIOS}))
    place.prometheus.wait_for("revenue_usd_per_hour")
    place.earn(10.0)
    with place.operator() as operator:
        soon(operator, lambda: place.step("chat") == (1, "GateFails"), "the ramp to stop before its last step")
        ramp = place.ramp("chat")
        assert ramp["percent"] == 50
        assert ramp["phase"] == "Holding"
        assert "CostToRevenueRatio is 0.4, limit 0.3" in ramp["message"]
        (gate,) = ramp["gates"]
        assert (gate["name"], gate["limit"], gate["result"]) == ("CostToRevenueRatio", 0.3, "Fail")
        assert place.gate("chat", "CostToRevenueRatio") == "Pass"
        assert place.reason("chat") == "PlanCurrent"
        place.earn(40.0)
        completed(place, operator)
        soon(operator, lambda: steps(place) == [-1, 0, 1, 2, 2], "the records of all steps")


def test_a_step_that_fails_for_too_long_goes_back_to_the_plan_before(place: Market) -> None:
    place.earn(40.0)
    ramp = {**STEPS, **RATIOS, "rollbackAfter": "1s"}
    place.placements.create("chat", spec(4.0, gates=earning(10.0), ramp=ramp))
    with place.operator() as operator:
        first = completed(place, operator)
        place.placements.patch("chat", {"replicas": {"min": 6}})
        soon(operator, lambda: place.step("chat")[0] == 1, "the new plan to get traffic")
        second = place.status("chat")["plan"]["id"]
        assert second != first
        assert place.ramp("chat")["previousPlan"]["id"] == first
        place.earn(4.0)
        soon(operator, lambda: place.ramp("chat").get("phase") == "RolledBack", "the rollback")
        status = place.status("chat")
        assert status["plan"]["id"] == first
        assert status["ramp"]["planId"] == second
        assert status["ramp"]["reason"] == "RolledBackByGate"
        assert status["history"][0]["reason"] == "RolledBack"
        soon(operator, lambda: kinds(place, "Rollback"), "the record of the rollback")
        place.earn(40.0)
        soon(operator, lambda: place.gate("chat", "CostToRevenueRatio") == "Pass", "the revenue to come back")
        operator.stop()
        operator.start()
        soon(operator, lambda: operator.idle, "rest")
        assert place.status("chat")["plan"]["id"] == first, "held until somebody says otherwise"

        annotate(place, "chat", promote=f"{second}/0", actor="ann")
        soon(operator, lambda: place.ramp("chat").get("planId") == second and place.step("chat")[0] >= 0, "the promote")
        assert completed(place, operator) == second
        soon(operator, lambda: kinds(place, "Override"), "the record of the promote")
        assert {line["actor"] for line in place.records() if line["kind"] == "Override"} == {"ann"}


def test_people_pause_promote_and_roll_back_by_annotation(place: Market) -> None:
    place.earn(40.0)
    ramp = {"stepsPercent": [20, 100], "holdFor": "1h"}
    place.placements.create("chat", spec(2.0, gates=earning(10.0), ramp=ramp))
    with place.operator() as operator:
        soon(operator, lambda: place.step("chat") == (-1, "GatesPassing"), "the ramp to begin")
        plan = place.status("chat")["plan"]["id"]
        annotate(place, "chat", pause="pause")
        soon(operator, lambda: place.ramp("chat")["phase"] == "Paused", "the pause")
        annotate(place, "chat", pause=None, promote=f"{plan}/0")
        soon(operator, lambda: place.step("chat")[0] == 0, "the first step")
        annotate(place, "chat", promote=f"{plan}/0")
        annotate(place, "chat", promote=f"{plan}/1", actor="bob")
        soon(operator, lambda: place.step("chat")[0] == 1, "the last step")
        annotate(place, "chat", promote=f"{plan}/2")
        completed(place, operator)

        place.placements.patch("chat", {"replicas": {"min": 5}})
        soon(operator, lambda: place.replicas("chat") == 5, "another plan")
        other = place.status("chat")["plan"]["id"]
        annotate(place, "chat", rollback=other)
        soon(operator, lambda: place.status("chat")["plan"]["id"] == plan, "the plan before")
        assert place.step("chat")[1] == "RolledBackByCommand"
        soon(operator, lambda: "RolledBackByCommand" in kinds(place, "Override"), "the record of the rollback")
        assert kinds(place, "Override").count("RolledBackByCommand") == 1


def test_an_earlier_plan_comes_back_from_the_journal(place: Market) -> None:
    place.placements.create("chat", spec(2.0))
    with place.operator() as operator:
        soon(operator, lambda: place.replicas("chat") == 2, "the first plan")
        first = place.status("chat")["plan"]
        place.placements.patch("chat", {"replicas": {"min": 4}})
        soon(operator, lambda: place.replicas("chat") == 4, "the second plan")
        second = place.status("chat")["plan"]["id"]
        operator.kill()
        operator.start()
        annotate(place, "chat", to="p-0123456789")
        soon(operator, lambda: "RollbackRefused" in place.placements.event_reasons("chat"), "the refusal")
        soon(operator, lambda: "no such plan" in str(place.status("chat").get("warnings")), "the reason")
        annotate(place, "chat", to=first["id"], actor="eve")
        soon(operator, lambda: place.status("chat")["plan"]["id"] == first["id"], "the first plan")
        assert place.status("chat")["plan"]["layouts"] == first["layouts"]
        soon(operator, lambda: kinds(place, "Rollback"), "the record of the rollback")
        (rollback,) = [line for line in place.records() if line["kind"] == "Rollback"]
        assert (rollback["actor"], rollback["planId"]) == ("eve", first["id"])
        annotate(place, "chat", to=None)
        soon(operator, lambda: place.status("chat")["plan"]["id"] == second, "the plan of the spec")


def test_an_operator_killed_in_a_ramp_goes_on_at_its_step_and_counts_no_gap_as_held(place: Market) -> None:
    hold = 8.0
    place.earn(40.0)
    ramp = {"stepsPercent": [10, 50, 100], "holdFor": f"{hold:.0f}s", **RATIOS}
    place.placements.create("chat", spec(2.0, gates=earning(10.0), ramp=ramp))
    with place.operator() as operator:
        soon(operator, lambda: place.step("chat") == (0, "GatesPassing"), "the first step")
        passed = unix(place.ramp("chat")["passingSince"])
        soon(operator, lambda: time.time() > passed + hold / 2.0, "half of its time")
        operator.kill()
        assert place.step("chat")[0] == 0
        restarted = time.time()
        operator.start()
        soon(operator, lambda: place.step("chat")[0] == 1, "the second step")
        # Whole seconds in the status: what is half a second late looks half a second early.
        assert unix(place.ramp("chat")["enteredAt"]) >= restarted + hold - 1.0
        soon(operator, lambda: 1 in steps(place), "the record of the second step")
        assert steps(place) == sorted(steps(place))


def unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
