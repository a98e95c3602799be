"""The dashboards and the alerts on a real Prometheus that scrapes the real operator, while there is much to see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.processes import wait_until
from tests.controlplane.server import ControlPlane
from tests.support import dashboards
from tests.support.dollars import POLICIES, Market, earning, following, market, soon, spec
from tests.support.operator_process import OperatorProcess
from tests.support.prometheus_server import PrometheusServer, Target

Json = dict[str, Any]

POOLS = "/apis/placewright.dev/v1alpha1/gpupools"
RAMP = {"stepsPercent": [10, 50, 100], "holdFor": "1s", "maxCostToRevenueRatioByStep": [0.8, 0.5, 0.01]}
TABLE = "gpu,capacity_type,pricePerGPUHour,asOf\nH100,,{price},2026-11-20T00:00:00Z\n"


@pytest.fixture
def place(control_plane: ControlPlane, crds: list[Path], prometheus: Path, tmp_path: Path) -> Iterator[Market]:
    assert crds
    (tmp_path / "prices").mkdir()
    with market(control_plane, tmp_path, prometheus) as made:
        yield made


@pytest.fixture
def pool(control_plane: ControlPlane, place: Market) -> Iterator[str]:
    """A pool with a price by a table, under ceilings, with a table that will tell an absurd price."""
    name = place.placements.namespace
    table(place, 2.5)
    rules = {
        "maxCostPerHour": 100,
        "namespaces": [{"name": name, "maxCostPerHour": 50}],
        "priceSources": [{"name": "table", "file": {"path": "gpus.csv"}, "refreshInterval": "10s"}],
    }
    control_plane.admin.patch(f"{POLICIES}/{place.policy}", {"spec": rules}, "application/merge-patch+json")
    stock = {"gpu": "H100", "stock": {"nodes": 2, "gpusPerNode": 8}}
    body = {"apiVersion": "placewright.dev/v1alpha1", "kind": "GPUPool", "metadata": {"name": name}, "spec": stock}
    control_plane.admin.create(POOLS, body)
    yield name
    control_plane.admin.delete(f"{POOLS}/{name}")


def table(place: Market, price: float) -> None:
    (place.folder / "prices/gpus.csv").write_text(TABLE.format(price=price), encoding="utf-8")


def requests(place: Market) -> None:
    place.traffic(3.5)
    place.earn(100.0)
    place.placements.create("chat", following(gates=earning(10.0, maxObservedCostDriftPercent=500)))
    place.placements.create("new", spec(4.0, gates=earning(10.0), ramp=RAMP))
    place.placements.create("dear", spec(4.0, gates={"maxCostPerHour": 1}))
    nobody = {"maxCostToRevenueRatio": 0.3, "revenuePerHourQuery": "sum(no_such_series)", "onUnknown": "Warn"}
    place.placements.create("unknown", spec(1.0, gates=nobody))


def settle(place: Market, operator: OperatorProcess) -> None:
    """Waits until everything that the panels show is there."""
    soon(operator, lambda: place.step("new") == (1, "GateFails"), "the ramp to hold")
    soon(operator, lambda: place.reason("dear") == "GateBlocked", "the blocked gate")
    soon(operator, lambda: place.gate("unknown", "CostToRevenueRatio") == "Unknown", "the unknown gate")
    soon(operator, lambda: operator.samples("observed_cost_ratio", name="chat"), "the observed cost")
    soon(operator, lambda: operator.samples("price_last_update_timestamp_seconds"), "the price")
    table(place, 250.0)
    soon(operator, lambda: operator.samples("price_held_back", gpu="H100") == [1], "the price to be held back")


@pytest.mark.usefixtures("pool")
def test_every_query_finds_data_of_the_real_operator(place: Market, prometheus: Path) -> None:
    requests(place)
    folder = place.folder / "watching"
    folder.mkdir()
    options = (f"--price-dir={place.folder / 'prices'}", "--audit-stdout")
    rules = dashboards.FOLDER.parent / "rules.yaml"
    with place.operator(*options) as operator:
        settle(place, operator)
        target = Target(address=f"127.0.0.1:{operator.port}", honor_labels=True)
        with PrometheusServer(prometheus, folder, [target], rules=[rules]) as server:
            server.wait_for("rate(placewright_prometheus_queries_total[10s]) > 0")
            chosen = {"namespace_label": "namespace", "namespace": ".*", "name": ".*", "__rate_interval": "10s"}
            for file in (dashboards.FOLDER / "cost-gates.json",):  # others have tests of their own
                for panel in dashboards.panels(dashboards.read(file)):
                    for asked in panel["targets"]:
                        expr = dashboards.filled(asked["expr"], chosen).removesuffix(" or vector(0)")
                        if panel["title"] == "Audit faults":
                            assert server.query(expr)[0]["value"][1] == "0"
                        assert server.query(expr), f"{panel['title']}: {expr}"
            where = place.placements.namespace
            pending = 'count(ALERTS{{alertname="{}", namespace="{}", name="{}"}})'
            for alert, name in (
                ("PlacewrightGateBlocked", "dear"),
                ("PlacewrightGateUnknown", "unknown"),
                ("PlacewrightInputStale", "unknown"),
                ("PlacewrightRampHeld", "new"),
            ):
                assert server.wait_for(pending.format(alert, where, name)), alert
            assert server.query('ALERTS{alertname=~"PlacewrightDown|PlacewrightStuck|PlacewrightAudit.*"}') == []

            place.placements.delete("chat")
            wait_until(
                lambda: not server.query('{__name__=~"placewright_.*", name="chat"}'), 60.0, "the series to vanish"
            )
