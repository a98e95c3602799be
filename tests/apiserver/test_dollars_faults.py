"""What a Prometheus may do wrong: nothing is scaled or promoted meanwhile, and all goes on by itself afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.support import bad_prometheus as bad
from tests.support.bad_prometheus import BadPrometheus, Behaviour, Handler, Seen
from tests.support.dollars import Market, earning, following, market, soon, through
from tests.support.operator_process import OperatorProcess

RAMP = {"stepsPercent": [10, 50, 100], "holdFor": "2s", "maxCostToRevenueRatioByStep": [1.0, 1.0, 0.01]}


def slow(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
    """Longer than the operator waits."""
    del seen
    handler.bad.released.wait(5.0)


def huge(_: BadPrometheus, handler: Handler, seen: Seen) -> None:
    """More bytes than are read."""
    del seen
    handler.say(200, bad.success(bad.vector("1"), warnings=["x" * 10_000_000]))


FAULTS: dict[str, Behaviour] = {
    "stale": bad.figure("1000000", seconds_ago=600.0),
    "from the future": bad.figure("1000000", seconds_ago=-600.0),
    "empty": bad.empty,
    "NaN": bad.figure("NaN"),
    "infinite": bad.figure("+Inf"),
    "negative": bad.figure("-5"),
    "server errors": bad.body("out of order", 503),
    "its own errors": bad.refusal(500, "internal", "out of order"),
    "no JSON": bad.body("<html>"),
    "slow": slow,
    "huge": huge,
    "too many series": bad.many(2000),
}


@pytest.fixture(scope="module")
def place(
    control_plane: ControlPlane, crds: list[Path], prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    assert crds
    with market(control_plane, tmp_path_factory.mktemp("faults"), prometheus) as made:
        yield made


@pytest.fixture(scope="module")
def operator(place: Market) -> Iterator[OperatorProcess]:
    """An operator at work: a plan by live demand that ramps, and stands before its last step, which never pays."""
    place.traffic(2.5)
    place.earn(50.0)
    place.placements.create("chat", following(gates=earning(10.0)))
    with place.operator() as started:
        soon(started, lambda: place.replicas("chat") == 3, "the demand")
        # A change of demand takes all traffic at once; a change of the spec ramps.
        place.placements.patch("chat", {"ramp": RAMP, "replicas": {"min": 4}})
        soon(started, lambda: well(place), "a plan that ramps")
        yield started


def well(place: Market) -> bool:
    """All figures are fresh, and the ramp stands where it does not pay."""
    return (
        place.fresh("chat") == "Fresh"
        and place.gate("chat", "CostToRevenueRatio") == "Pass"
        and place.step("chat") == (1, "GateFails")
    )


def unknown(place: Market) -> bool:
    """Nothing is known: the gates say so, and the ramp holds for that."""
    return (
        place.fresh("chat") in {"DemandUnavailable", "RevenueUnavailable"}
        and place.gate("chat", "CostToRevenueRatio") == "Unknown"
        and place.step("chat")[1] == "GateUnknown"
    )


def nothing_moves(place: Market, operator: OperatorProcess, *, cycles: int = 5) -> None:
    """While nothing is known: what stands stays, however long it lasts and whatever happens to the traffic."""
    plan, step, moves = place.status("chat")["plan"], place.step("chat"), operator.total("plan_moves_total")
    ages = operator.total("ramp_step")
    until = time.monotonic() + 0.3 * cycles + 1.0
    soon(operator, lambda: time.monotonic() > until, "some cycles")
    status = place.status("chat")
    assert status["plan"] == plan
    assert place.step("chat") == step
    assert operator.total("plan_moves_total") == moves
    assert operator.total("ramp_step") == ages
    assert place.reason("chat") == "InputsStale"
    assert place.step("chat")[0] == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_answers_that_are_no_figures_move_nothing(place: Market, operator: OperatorProcess, fault: str) -> None:
    soon(operator, lambda: well(place), "a good start")
    place.door.behaviour = FAULTS[fault]
    try:
        place.earn(100_000.0)  # would let the ramp go on, if anybody could read it
        soon(operator, lambda: unknown(place), "the gates to be unknown")
        nothing_moves(place, operator)
    finally:
        place.earn(50.0)
        place.door.behaviour = through(place.prometheus.url)
    soon(operator, lambda: well(place), "all to go on by itself")
    assert operator.get("/healthz") == (200, "ok\n")


def test_a_prometheus_that_is_killed_moves_nothing_and_is_read_again_when_it_is_back(
    place: Market, operator: OperatorProcess
) -> None:
    soon(operator, lambda: well(place), "a good start")
    place.prometheus.process.kill()
    place.traffic(6.5)
    soon(operator, lambda: unknown(place), "the gates to be unknown")
    nothing_moves(place, operator)
    place.prometheus.start()
    soon(operator, lambda: place.replicas("chat") == 7, "the plan for the demand of today")
    assert place.status("chat")["history"][0]["reason"] == "DemandChanged"
    assert place.ramp("chat")["phase"] == "Completed", "what demand forces takes all traffic at once"


def test_a_start_while_prometheus_is_away_keeps_what_is_in_force(place: Market, operator: OperatorProcess) -> None:
    soon(operator, lambda: place.fresh("chat") == "Fresh", "a good start")
    operator.kill()
    place.prometheus.process.kill()
    before = place.status("chat")
    operator.start()
    soon(operator, lambda: place.gate("chat", "CostToRevenueRatio") == "Unknown", "the gate to be unknown")
    soon(operator, lambda: operator.idle, "rest")
    status = place.status("chat")
    assert status["plan"] == before["plan"]
    assert status["demand"] == before["demand"]
    assert status["inputs"]["revenuePerHour"] == before["inputs"]["revenuePerHour"]
    place.prometheus.start()
    soon(operator, lambda: place.fresh("chat") == "Fresh", "the figures")
