"""Live demand on the real API server with a real Prometheus: plans follow it, calmly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.server import ControlPlane
from tests.support.dollars import Market, earning, following, market, soon


@pytest.fixture
def place(control_plane: ControlPlane, crds: list[Path], prometheus: Path, tmp_path: Path) -> Iterator[Market]:
    assert crds
    with market(control_plane, tmp_path, prometheus) as made:
        yield made


def demand(place: Market, name: str) -> float:
    return float((place.status(name).get("demand") or {}).get("requestsPerSecond", 0.0))


def test_demand_rises_and_the_plan_grows(place: Market) -> None:
    place.traffic(1.5)
    place.placements.create("chat", following())
    with place.operator() as operator:
        soon(operator, lambda: 1.3 < demand(place, "chat") < 1.7, "the demand")
        assert place.replicas("chat") == 2
        assert place.status("chat")["demand"]["source"] == "preset vllm, 0.95 quantile of 10s, 0 % headroom"
        assert place.fresh("chat") == "Fresh"

        place.traffic(5.5)
        soon(operator, lambda: place.replicas("chat") == 6, "the plan to grow")
        assert place.status("chat")["history"][0]["reason"] == "DemandChanged"
        labels = {"namespace": place.placements.namespace, "name": "chat"}
        soon(
            operator,
            lambda: operator.samples("demand_requests_per_second", **labels) == [pytest.approx(5.5, rel=0.1)],
            "the demand in the metrics",
        )
        grown = ("Move", "DemandChanged", 6.0)
        soon(
            operator,
            lambda: (
                grown in [(line["kind"], line.get("reason"), line.get("newCostPerHour")) for line in place.records()]
            ),
            "the record of the move",
        )


def test_figures_that_jitter_within_their_bands_cause_no_write(place: Market) -> None:
    place.traffic(3.6)
    place.earn(100.0)
    place.placements.create("chat", following(hysteresis_percent=10, gates=earning(0.5)))
    with place.operator() as operator:
        soon(operator, lambda: 3.3 < demand(place, "chat") < 3.9 and place.replicas("chat") == 4, "the demand")
        soon(operator, lambda: operator.idle, "rest")
        # The rate is a mean over ten seconds, so it settles ten seconds after the traffic did.
        asked = operator.total("prometheus_queries_total", result="Success")
        soon(
            operator,
            lambda: operator.total("prometheus_queries_total", result="Success") > asked + 120,
            "the rate to settle",
        )
        written, version = operator.written, place.placements.versions()
        asked = operator.total("prometheus_queries_total", result="Success")
        for turn in range(20):
            place.traffic(3.6 + 0.1 * (turn % 3 - 1))
            place.earn(100.0 + 2.0 * (turn % 5 - 2))
            soon(
                operator,
                lambda least=asked + 7 * turn: operator.total("prometheus_queries_total", result="Success") > least,
                "another cycle",
            )
        assert operator.written == written
        assert place.placements.versions() == version
        labels = {"namespace": place.placements.namespace, "name": "chat"}
        (usage,) = operator.samples("cost_gate_usage_ratio", gate="CostToRevenueRatio", **labels)
        assert usage == pytest.approx(0.08, rel=0.1)


def test_a_restart_goes_on_with_the_demand_in_force(place: Market) -> None:
    place.traffic(2.5)
    place.placements.create("chat", following())
    with place.operator() as operator:
        soon(operator, lambda: 2.2 < demand(place, "chat") < 2.8 and place.replicas("chat") == 3, "the demand")
        soon(operator, lambda: operator.idle, "rest")
        operator.stop()
        before = place.status("chat")
        place.prometheus.process.kill()
        operator.start()
        soon(operator, lambda: place.fresh("chat") == "DemandUnavailable", "the fault")
        status = place.status("chat")
        assert status["plan"] == before["plan"]
        assert status["demand"] == before["demand"]
        assert place.reason("chat") == "PlanCurrent"
        place.traffic(6.5)
        place.prometheus.start()
        soon(operator, lambda: place.replicas("chat") == 7, "the demand of today")
        assert place.fresh("chat") == "Fresh"


def test_without_any_figure_there_is_no_plan_and_the_reason_is_told(place: Market) -> None:
    place.placements.create("chat", following())
    with place.operator() as operator:
        soon(operator, lambda: place.reason("chat") == "InputsStale", "the reason")
        assert "plan" not in place.status("chat")
        message = str(place.status("chat")["conditions"][0]["message"])
        assert "no series" in message
        place.traffic(1.5)
        soon(operator, lambda: place.replicas("chat") == 2, "a plan once there is traffic")
